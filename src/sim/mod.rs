//! What stands in for the world in tests and demonstrations: seeded chance, shop traffic made
//! from it, the slow oracle, and the simulator. Nothing here reads a clock, a file or the network.

pub mod generate;
pub mod laws;
pub mod oracle;
pub mod random;
pub mod rng;
pub mod scenario;
pub mod traffic;
pub mod world;
