//! Integration tests in one binary.

mod mistakes_syntax;
mod online_retail;
