//! The integration tests, in one binary.

#![expect(
    clippy::disallowed_methods,
    reason = "tests/all names what is not everywhere in variables"
)]

mod engine;
mod language_examples;
mod mistakes;
mod mistakes_syntax;
mod online_retail;
mod oracle;
mod packs;
