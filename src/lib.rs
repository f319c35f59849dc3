//! Kairos: a real-time journey engine for retailers.

pub mod event;
pub mod limits;
pub mod time;

pub mod define;

pub mod decode;

pub mod person;
