//! What stands in for the world in tests and demonstrations: seeded chance, shop traffic made
//! from it, and the slow oracle. Nothing here reads a clock, a file or the network.

pub mod generate;
pub mod oracle;
pub mod random;
pub mod rng;
pub mod scenario;
pub mod traffic;
