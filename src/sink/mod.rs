//! Effects → lines of the output files, epoch by epoch, in an order that does not depend on who computed them.

pub mod facts;
pub mod files;
mod format;
mod head;
mod labels;
pub mod memory;
pub mod said;
mod sources;
pub mod topics;

pub use format::{Formatter, write_value};
pub use labels::Labels;
pub use sources::Sources;

use serde::{Deserialize, Serialize};

/// The output streams, in the order of their files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    Triggers,
    Decisions,
    Journeys,
    Sessions,
    Segments,
    Rejects,
}

impl Stream {
    /// All of them, in the order of their numbers.
    pub const ALL: [Stream; 6] = [
        Stream::Triggers,
        Stream::Decisions,
        Stream::Journeys,
        Stream::Sessions,
        Stream::Segments,
        Stream::Rejects,
    ];

    /// The stream's name, of its file and topic.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Triggers => "triggers",
            Stream::Decisions => "decisions",
            Stream::Journeys => "journeys",
            Stream::Sessions => "sessions",
            Stream::Segments => "segments",
            Stream::Rejects => "rejects",
        }
    }
}

/// Where a line belongs: epoch first, then the instant, then the person, then the order of the person's effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    pub epoch: u64,
    pub time: i64,
    pub hash: u64,
    pub index: u32,
}

/// One line of a batch.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Line {
    pub place: Place,
    pub stream: Stream,
    start: u32,
    end: u32,
    /// What the summary counts it as: an index into the formatter's labels.
    pub label: u32,
}

/// Lines that one worker made in one go.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Batch {
    pub lines: Vec<Line>,
    /// Epochs in which something happened, be it that nothing is said of it.
    pub stirred: Vec<u64>,
    bytes: Vec<u8>,
}

/// Bytes of lines after which another batch begins. What is made in one place and read in another had better stay near the
/// processor, and large pieces of memory are had from the system each time.
const BATCH_BYTES: usize = 64 << 10;

impl Batch {
    /// If it is full, gives it away and begins another one.
    pub fn take_full(&mut self) -> Option<Batch> {
        (self.bytes.len() >= BATCH_BYTES).then(|| {
            let next = Batch {
                lines: Vec::with_capacity(self.lines.len() + self.lines.len() / 4),
                stirred: Vec::new(),
                bytes: Vec::with_capacity(BATCH_BYTES + BATCH_BYTES / 4),
            };
            std::mem::replace(self, next)
        })
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.stirred.is_empty()
    }

    /// Bytes of all lines together.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The text of a line, with its line feed.
    pub fn text(&self, line: &Line) -> &[u8] {
        &self.bytes[line.start as usize..line.end as usize]
    }

    /// Adds a line that `write` appends to the bytes.
    pub fn add(
        &mut self,
        place: Place,
        stream: Stream,
        label: u32,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.bytes.len() as u32;
        write(&mut self.bytes);
        self.bytes.push(b'\n');
        let end = self.bytes.len() as u32;
        self.lines.push(Line { place, stream, start, end, label });
    }
}

/// Takes the lines of whole epochs, in order.
///
/// # Contract
/// 1. `write` is called with lines in the order of their places. (sorted by the sink operator)
/// 2. After `sync` everything written is safe; it gives the length of each stream in bytes.
pub trait Sink: Send {
    /// # Errors
    /// What could not be written, and where.
    fn write(&mut self, stream: Stream, line: &[u8]) -> Result<(), SinkError>;

    /// # Errors
    /// What could not be made safe.
    fn sync(&mut self) -> Result<Vec<u64>, SinkError>;

    /// All epochs before this one are complete and written.
    ///
    /// # Errors
    /// What could not be written.
    fn complete(&mut self, epoch: u64) -> Result<(), SinkError>;
}

/// An output that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}")]
pub struct SinkError {
    pub path: String,
    pub source: std::io::Error,
}
