//! Kairos: the real-time journey engine for retailers.

pub mod event;
pub mod limits;
pub mod time;

pub mod define;

pub mod source;
pub mod decode;
pub mod epoch;
pub mod person;
pub mod sink;
pub mod store;

pub mod dataflow;

pub mod cli;
pub mod sim;
