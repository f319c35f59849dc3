//! The integration tests, in one binary.

mod engine;
mod language_examples;
mod mistakes;
mod mistakes_syntax;
mod online_retail;
mod oracle;
mod packs;
