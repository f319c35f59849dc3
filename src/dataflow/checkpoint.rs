//! Agreeing on a checkpoint: all workers at the same epoch, the outputs at that epoch, and one atomic write, while the
//! flow goes on.
//!
//! A checkpoint is taken at the highest epoch that any worker has begun, or the sink has written, when it is asked for,
//! so that nobody is past it. Before a worker begins a later epoch, it freezes what is dirty. What is frozen is written
//! in slices.

use crate::store::{Record, Shelf};
use std::collections::BTreeSet;
use std::sync::Mutex;

/// What the workers and the sink agree about.
pub struct Coordinator {
    state: Mutex<State>,
    /// Chunks of a source between two checkpoints; `None` without a store.
    every: Option<u64>,
}

struct State {
    /// The epoch that each worker has begun last.
    begun: Vec<u64>,
    /// The sink has written, or is about to write, everything before this epoch. It can be past every epoch begun: rejects
    /// concern no person.
    written: u64,
    target: Option<Target>,
}

struct Target {
    epoch: u64,
    frozen: Vec<bool>,
    parts: Vec<Option<Vec<Record>>>,
    outputs: Option<(Vec<u64>, Vec<u64>)>,
    taken: bool,
}

/// All parts of a checkpoint.
pub struct Parts {
    pub epoch: u64,
    pub records: Vec<Record>,
    /// Lengths of the outputs, and counts by label.
    pub outputs: Vec<u64>,
    pub counts: Vec<u64>,
}

impl Coordinator {
    /// Without a store there are no checkpoints (`every` is `None`), and asking does nothing. `done` is the last epoch of
    /// the checkpoint that the run goes on from: the next one is not before it.
    pub fn new(workers: usize, every: Option<u64>, done: Option<u64>) -> Coordinator {
        let begun = vec![done.unwrap_or(0); workers];
        let state = State { begun, written: 0, target: None };
        Coordinator { state: Mutex::new(state), every }
    }

    /// So many chunks of a source have been handed on: asks for a checkpoint if it is time for one, unless one is under
    /// way.
    pub fn handed_on(&self, chunks: u64) {
        if chunks > 0 && self.every.is_some_and(|every| chunks.is_multiple_of(every)) {
            self.ask();
        }
    }

    fn ask(&self) {
        let mut state = self.lock();
        let written = state.written.saturating_sub(1);
        let epoch = state.begun.iter().copied().fold(written, u64::max);
        // A run that had ended has nothing after its checkpoint.
        if epoch < u64::MAX {
            state.aim_at(epoch);
        }
    }

    /// Asks for a checkpoint after an epoch that nobody can be past; false if one is under way, or there are none.
    pub fn ask_at(&self, epoch: u64) -> bool {
        self.every.is_some() && self.lock().aim_at(epoch)
    }

    /// A worker is about to begin `epoch`; the checkpoint's epoch if it has to freeze its state first.
    pub fn begin(&self, worker: usize, epoch: u64) -> Option<u64> {
        self.every?;
        let mut state = self.lock();
        state.begun[worker] = epoch;
        state.target.as_mut().and_then(|target| target.freeze(worker, epoch))
    }

    /// A worker has nothing to do before `frontier`; the checkpoint's epoch if it has to freeze its state now.
    pub fn rest(&self, worker: usize, frontier: u64) -> Option<u64> {
        self.every?;
        let mut state = self.lock();
        state.target.as_mut().and_then(|target| target.freeze(worker, frontier))
    }

    /// A worker has written all it froze.
    pub fn deliver(&self, worker: usize, records: Vec<Record>) {
        if let Some(target) = &mut self.lock().target {
            target.parts[worker] = Some(records);
        }
    }

    /// The sink is about to write everything before `before`; gives the epoch after which it has to stop on the way and
    /// tell the lengths of its outputs.
    pub fn write(&self, before: u64) -> Option<u64> {
        self.every?;
        let mut state = self.lock();
        if let Some(target) = &state.target
            && target.outputs.is_none()
            && target.epoch < before
        {
            return Some(target.epoch);
        }
        state.written = before;
        None
    }

    /// The outputs are safe up to the checkpoint's epoch.
    pub fn deliver_outputs(&self, lengths: Vec<u64>, counts: Vec<u64>) {
        if let Some(target) = &mut self.lock().target {
            target.outputs = Some((lengths, counts));
        }
    }

    /// All parts, once, when they are there.
    pub fn take(&self) -> Option<Parts> {
        let mut state = self.lock();
        let target = state.target.as_mut()?;
        let complete = target.outputs.is_some() && target.parts.iter().all(Option::is_some);
        if target.taken || !complete {
            return None;
        }
        target.taken = true;
        let (outputs, counts) = target.outputs.clone()?;
        let mut records: Vec<Record> =
            target.parts.iter_mut().filter_map(Option::take).flatten().collect();
        keep_who_has_moved(&mut records);
        Some(Parts { epoch: target.epoch, records, outputs, counts })
    }

    /// The checkpoint is safe; the next one may be asked for.
    pub fn commit(&self) {
        self.lock().target = None;
    }

    /// Whether a checkpoint is under way.
    pub fn is_busy(&self) -> bool {
        self.every.is_some() && self.lock().target.is_some()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("a worker that panics ends the process")
    }
}

/// A person that has gone from one worker and come to another is not gone.
pub(super) fn keep_who_has_moved(records: &mut Vec<Record>) {
    if records.iter().all(|record| record.shelf != Shelf::Removed) {
        return;
    }
    let there = records.iter().filter(|record| record.shelf == Shelf::Persons);
    let there: BTreeSet<String> = there.map(|record| record.id.clone()).collect();
    records.retain(|record| record.shelf != Shelf::Removed || !there.contains(&record.id));
}

impl State {
    /// Makes an epoch the next checkpoint's, unless one is under way.
    fn aim_at(&mut self, epoch: u64) -> bool {
        let free = self.target.is_none();
        if free {
            let workers = self.begun.len();
            self.target = Some(Target {
                epoch,
                frozen: vec![false; workers],
                parts: (0..workers).map(|_| None).collect(),
                outputs: None,
                taken: false,
            });
        }
        free
    }
}

impl Target {
    /// The checkpoint's epoch if a worker that is about to begin `epoch` has to freeze first.
    fn freeze(&mut self, worker: usize, epoch: u64) -> Option<u64> {
        let freezes = epoch > self.epoch && !self.frozen[worker];
        self.frozen[worker] |= freezes;
        freezes.then_some(self.epoch)
    }
}
