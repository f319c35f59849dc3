//! Kairos: the real-time journey engine for retailers. Shop events in; decisions out: what to say to whom, and why.
//!
//! ```text
//!                       define: YAML ─► plan
//!                                │
//!  files ─ source ─ decode ─ epoch ──► person ──────────────────────► sink ─ files
//!                      │                facts ► segments                ▲
//!                      │                   ► journeys ► policy          │
//!                      │                │                               │
//!                      └─ rejects ──────┼───────────────────────────────┘
//!                                     store: checkpoints
//! ```
//!
//! The modules below are in reading order, which is the order in which data flows; a module uses those above it. The map
//! with the invariants is `ARCHITECTURE.md`; the language of definitions is `dataflows/README.md`.

// The vocabulary: plain data, no input or output.

// Every bound of the running system.
pub mod limits;

// Event time, its text, and local calendars.
pub mod time;

// Events, values, exact numbers, and why a line could not be read.
pub mod event;

// Control: YAML text → checked → plan.
pub mod define;

// The flow.

// Kafka as a port.
pub mod broker;

// Lines of files, standard input or memory, in chunks.
pub mod source;

// Lines → events or rejects.
pub mod decode;

// Events → numbered epochs, and the watermark.
pub mod epoch;

// Checkpoints: persons on disk, and where input and outputs stood.
pub mod store;

// Audiences and reports: counts of what comes out of persons.
pub mod report;

// Which person an identifier belongs to.
pub mod identity;

// What there is to sell, and what goes with what.
pub mod catalogue;

// One person's facts, segments, journeys and contact policy: the pure core, and the operator around it.
pub mod person;

// Across persons: who stands where among all others.
pub mod audience;

// Effects → lines of the outputs, epoch by epoch.
pub mod sink;

// Figures that operators watch.
pub mod metrics;

// The stages wired together, and the workers' loop.
pub mod dataflow;

// Why, and why not: what happened to one person, by running the input again.
pub mod explain;

// Reads over HTTP, the live page, health.
pub mod serve;

// Beside the flow.

// Generated traffic, tests of packs, and the slow oracle.
pub mod sim;

// Charts and diagrams as SVG and Mermaid.
pub mod draw;

// Packs over histories: backtests, and what two packs decide differently.
pub mod history;

// The configuration of live running: TOML → checked values.
pub mod config;

// The commands: the only place that prints.
pub mod cli;

// The one setting of the process's memory.
pub mod allocator;
