//! The integration tests, in one binary.

mod online_retail;
