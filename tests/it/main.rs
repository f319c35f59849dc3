//! Integration tests in one binary.

mod cli;
mod language_examples;
mod mistakes_syntax;
mod online_retail;
