//! The integration tests, in one binary.

mod cli;
mod engine;
mod kill;
mod language_examples;
mod mistakes;
mod mistakes_syntax;
mod online_retail;
mod oracle;
mod packs;
mod recovery;
mod simulator;
mod sources;
mod store;
mod timers;
