//! The integration tests, in one binary.

mod language_examples;
mod mistakes_syntax;
