//! The vocabulary of what happens: events, values, exact numbers, and why a line could not be read.
//!
//! Plain data. No I/O, no clock, no timely.

mod claim;
mod index;
pub mod names;
mod number;
pub mod radix;
mod value;

pub use claim::{Claim, Says};
pub use index::{AsIs, Index};
pub use number::{Num, grouped};
pub use value::{Value, list};

use compact_str::CompactString;
use smallvec::SmallVec;

/// The number that a plan gives to an event name. [`Kind::OTHER`] is every name that no definition mentions.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Kind(pub u16);

impl Kind {
    /// An event whose name no definition mentions; it still counts for sessions, silences and first sight.
    pub const OTHER: Kind = Kind(0);
}

/// Segment's six calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Call {
    Track,
    Identify,
    Page,
    Screen,
    Group,
    Alias,
    /// No call: the record of a product.
    Product,
    /// No call: what a member has done, as its group has it.
    Inside,
    /// No call: what a person is told of a change of the catalogue.
    Notice,
    /// No call: a message asks for a place among all that are sent; and is given one.
    Asks,
    Granted,
}

/// Where an input stands: which source (file or partition, in the order of the configuration) and which place in it
/// (line from 1, or offset). Its order is the order of arrival within one source and the tie-break between sources.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Origin {
    pub source: u16,
    pub position: u64,
}

/// Names beside an event's own: one as a rule, which takes no block of memory for the list.
pub type Names = SmallVec<[CompactString; 1]>;

/// One event, holding only what the plan reads of it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Event {
    /// Milliseconds since the Unix epoch, never later than the arrival.
    pub time: i64,
    /// The instant at which it is taken in: its time, or later where the watermark of its own source had passed that when
    /// it was read.
    pub taken: i64,
    pub origin: Origin,
    /// The leaf it came in under, such as `user:42`.
    pub leaf: CompactString,
    /// [`leaf_hash`] of the person's identifier.
    pub hash: u64,
    /// Empty if the event has none.
    pub message_id: CompactString,
    pub kind: Kind,
    pub call: Call,
    /// Values by the plan's property slot, in no order, each slot at most once.
    pub values: Vec<(u16, Value)>,
    /// Whether `values` holds a trait or a consent of the person.
    pub about_person: bool,
    /// A time zone that the event names and the tz database knows.
    pub zone: Option<CompactString>,
    /// Other identifiers that it has, strongest first; none unless persons can have several.
    pub also: Names,
    /// What it says of them.
    pub says: Says,
    /// The person to whom the leaf belongs, if that is not known by this leaf.
    pub person: Option<CompactString>,
    /// The worker on which the person is, if that is known by more than the hash.
    pub worker: Option<u16>,
}

impl Event {
    /// Only that there was one of this kind.
    pub fn plain(kind: Kind, time: i64, origin: Origin) -> Event {
        Event {
            time,
            taken: time,
            origin,
            leaf: CompactString::default(),
            hash: 0,
            message_id: CompactString::default(),
            kind,
            call: Call::Track,
            values: Vec::new(),
            about_person: false,
            zone: None,
            also: Names::new(),
            says: Says::Together,
            person: None,
            worker: None,
        }
    }

    /// Whether it came about inside.
    pub fn is_inside(&self) -> bool {
        matches!(self.call, Call::Inside | Call::Notice | Call::Asks | Call::Granted)
    }

    /// The identifier by which the person is known to whom it happens.
    pub fn person(&self) -> &CompactString {
        self.person.as_ref().unwrap_or(&self.leaf)
    }

    /// Where the person is: the remainder of this by the number of workers.
    pub fn seat(&self) -> u64 {
        self.worker.map_or_else(|| key_group(self.hash) as u64, u64::from)
    }

    /// The value in a property slot; missing if the event has none.
    pub fn value(&self, slot: u16) -> &Value {
        self.values.iter().find(|(s, _)| *s == slot).map_or(&Value::Missing, |(_, v)| v)
    }
}

/// The frozen hash that routes leaves and persons to key groups. Stores depend on it: it never changes.
pub fn leaf_hash(leaf: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(leaf.as_bytes())
}

/// The key group to which a leaf or person of this hash belongs.
pub fn key_group(hash: u64) -> usize {
    (hash % crate::limits::KEY_GROUPS as u64) as usize
}

/// The one of so many workers that has the key group of this hash.
pub fn worker_of(hash: u64, workers: usize) -> usize {
    key_group(hash) % workers
}

/// A line that could not be taken in: why, where, and the bytes themselves.
#[derive(Clone, Debug, PartialEq)]
pub struct Reject {
    pub origin: Origin,
    pub reason: Reason,
    /// What exactly, for people: a position, a name, a value.
    pub detail: String,
    /// The line; of an oversized one, its beginning.
    pub raw: Vec<u8>,
    /// The line's full length in bytes.
    pub bytes: u64,
}

/// Why a line is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    TooLong,
    NotUtf8,
    NotJson,
    TooDeep,
    NotMapped,
    NotAnEvent,
    NoIdentifier,
    NoTimestamp,
    AbsurdTimestamp,
    NumberOutOfRange,
    WrongType,
    UnknownCurrency,
}

impl Reason {
    /// The word in `rejects` and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::TooLong => "too long",
            Reason::NotUtf8 => "not UTF-8",
            Reason::NotJson => "not JSON",
            Reason::TooDeep => "nested too deep",
            Reason::NotMapped => "not mapped",
            Reason::NotAnEvent => "not an event",
            Reason::NoIdentifier => "no identifier",
            Reason::NoTimestamp => "no timestamp",
            Reason::AbsurdTimestamp => "absurd timestamp",
            Reason::NumberOutOfRange => "number out of range",
            Reason::WrongType => "wrong type",
            Reason::UnknownCurrency => "unknown currency",
        }
    }
}
