//! What stands in for the world in tests and demonstrations. Nothing here reads a clock, a file or
//! the network.

pub mod oracle;
