//! What stands in for the world in tests and demonstrations: seeded chance, and shop traffic made
//! from it. Nothing here reads a clock, a file or the network.

pub mod generate;
pub mod rng;
