//! Kairos: the real-time journey engine for retailers.

pub mod sim;
pub mod source;
