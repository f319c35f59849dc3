//! Bytes in: where events come from.

pub mod import;
