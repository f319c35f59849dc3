//! The integration tests, in one binary.

#![expect(
    clippy::disallowed_methods,
    reason = "tests/all names what is not everywhere in variables"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audience;
mod backtest;
mod broker;
mod cli;
#[path = "../contract/mod.rs"]
mod contract;
mod definitions;
mod diff;
mod engine;
mod erasure;
mod erasure_live;
mod explain;
mod explain_cli;
mod explain_gates;
mod explain_live;
mod graph;
mod histories;
mod identity;
mod kill;
mod language_examples;
mod limits;
mod live;
mod mistakes;
mod mistakes_syntax;
mod new;
mod observability;
mod online_retail;
mod oracle;
mod outage;
mod packs;
#[path = "../places/mod.rs"]
mod places;
mod policy;
mod ranks;
mod ranks_live;
mod recovery;
mod relations;
mod relations_live;
mod reports;
mod run_cli;
mod serve;
mod simulator;
mod sources;
mod store;
mod throttle;
mod tidy;
mod timers;
mod tutorial;
