//! The integration tests, in one binary.

mod engine;
mod language_examples;
mod mistakes_syntax;
mod online_retail;
mod oracle;
