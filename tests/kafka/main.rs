//! Tests against a real Apache Kafka, in one binary that starts it. `cargo test` leaves it out; run it with
//! `cargo test --test kafka`. They need Maven and a Java runtime, and fail where those are missing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod broker;
mod cluster;
#[path = "../contract/mod.rs"]
mod contract;
mod definitions;
mod end_to_end;
mod erasure;
mod explained;
mod faults;
mod headers;
mod identity;
mod instance;
mod kills;
mod laws;
mod live;
mod outages;
mod outputs;
#[path = "../places/mod.rs"]
mod places;
mod settings;
mod shop;
mod speed;
mod tokens;
mod wire;
