//! Integration tests in one binary.

mod language_examples;
mod mistakes;
mod mistakes_syntax;
mod online_retail;
mod packs;
