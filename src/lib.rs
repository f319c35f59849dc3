//! Kairos: a real-time journey engine for retailers.

pub mod define;
pub mod sim;
pub mod source;
