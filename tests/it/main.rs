//! The integration tests, in one binary.

mod engine;
mod kill;
mod language_examples;
mod mistakes_syntax;
mod online_retail;
mod oracle;
mod recovery;
mod simulator;
mod sources;
mod store;
mod timers;
