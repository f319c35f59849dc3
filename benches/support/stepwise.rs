//! Input in steps, each handed over once everything before it has been written: what one step takes by itself.

use kairos::source::{Chunk, Source, SourceError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

/// Lines that are handed over together, and how far time has come after them.
pub struct Step {
    pub bytes: Vec<u8>,
    pub lines: u64,
    /// Nothing earlier follows.
    pub promise: i64,
    /// Whether it is what is measured.
    pub measured: bool,
}

struct Pending {
    /// The epoch that has to be written before the next step, and whether it is measured.
    awaited: Option<(u64, bool)>,
    handed: Instant,
}

/// What source and sink know of one another. Epochs are milliseconds.
#[derive(Clone)]
pub struct Gate(Arc<Mutex<Pending>>);

impl Gate {
    /// Nothing has been handed over yet.
    pub fn new() -> Gate {
        Gate(Arc::new(Mutex::new(Pending { awaited: None, handed: Instant::now() })))
    }

    /// All epochs before this one have been written. Gives the nanoseconds since the step was handed over that has now
    /// been done, if one has, and whether it is measured.
    pub fn complete(&self, epoch: u64) -> Option<(u64, bool)> {
        let mut pending = self.lock();
        let (_, measured) = pending.awaited.filter(|(awaited, _)| *awaited < epoch)?;
        pending.awaited = None;
        Some((pending.handed.elapsed().as_nanos() as u64, measured))
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().expect("nobody panics while measuring")
    }
}

/// Hands over one step after the other, each when the one before is done with.
pub struct Stepwise {
    steps: std::vec::IntoIter<Step>,
    offset: u64,
    lines: u64,
    gate: Gate,
}

impl Stepwise {
    /// These steps, through this gate.
    pub fn new(steps: Vec<Step>, gate: Gate) -> Stepwise {
        Stepwise { steps: steps.into_iter(), offset: 0, lines: 0, gate }
    }
}

impl Source for Stepwise {
    fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError> {
        let mut pending = self.gate.lock();
        let chunk = Chunk { offset: self.offset, first_line: self.lines + 1, ..Chunk::default() };
        if pending.awaited.is_some() {
            return Ok(Some(chunk));
        }
        let Some(Step { bytes, lines, promise, measured }) = self.steps.next() else {
            return Ok(None);
        };
        let length = bytes.len() as u64;
        self.offset += length;
        self.lines += lines;
        pending.awaited = Some((promise as u64 - 1, measured));
        pending.handed = Instant::now();
        Ok(Some(Chunk { bytes, length, promise: Some(promise), ..chunk }))
    }
}
