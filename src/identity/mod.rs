//! Which person an identifier belongs to.
//!
//! ```text
//!  ingest ─ events ──────────────► route ─────► persons        each event with its person
//!     │ words                        ▲
//!     └───────► judge ───────────────┘                          who joins whom, who parts, at which instant
//!             (one worker, `resolve`, `graph`)
//! ```
//!
//! All links of an epoch are known before any of its events reaches a person, so that a merge or an un-merge takes effect
//! at the very event that says it: results do not depend on where epochs are cut. Those whom one epoch joins or parts are
//! worked on together, on one worker ([`Script`]), but for those under whom nothing has happened (`acted`).

mod acted;
pub mod erased;
pub mod figures;
pub mod graph;
pub mod operator;
pub mod resolve;
pub mod words;

pub use erased::Erased;
pub use graph::{Change, Ending, Graph, LeafRecord, Owner, Refusal};
pub use resolve::{Assigned, Resolver};

use crate::event::{Event, Origin};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// The order of events in an epoch: the instant at which one is taken in, its time, its place in the input.
pub type When = (i64, i64, Origin);

/// Where an event stands in the order of an epoch that begins at this watermark.
pub fn when(event: &Event, begin: i64) -> When {
    not_before((event.taken, event.time, event.origin), begin)
}

/// The same of a place that was noted before it was known when the epoch begins.
fn not_before(at: When, begin: i64) -> When {
    (at.0.max(begin), at.1, at.2)
}

/// What happens in one epoch to persons who turn out to be one, or not to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// The leaves of all of them and the person to whom each belongs when the epoch begins, or is given in it before anything happens
    /// under it.
    pub members: Vec<(CompactString, CompactString)>,
    /// In their order. Each comes before the event that says it.
    pub changes: Vec<(When, Change)>,
}

impl Script {
    /// Everybody who is somebody at some time of the epoch.
    pub fn persons(&self) -> Vec<&CompactString> {
        let members = self.members.iter().map(|(_, person)| person);
        let changed = self.changes.iter().flat_map(|(_, change)| change.persons());
        let mut persons: Vec<&CompactString> = members.chain(changed).collect();
        persons.sort();
        persons.dedup();
        persons
    }
}
