//! Agreeing on a checkpoint: all workers at the same epoch, the outputs at that epoch, and one atomic write, while the
//! flow goes on.
//!
//! A checkpoint is taken at the highest epoch that any worker has begun when it is asked for, so that nobody is past it.
//! Before a worker begins a later epoch, it freezes what is dirty. What is frozen is written in slices.

use crate::store::Record;
use std::sync::Mutex;

/// What the workers and the sink agree about.
pub struct Coordinator {
    state: Mutex<State>,
    enabled: bool,
}

struct State {
    /// The epoch that each worker has begun last.
    begun: Vec<u64>,
    target: Option<Target>,
    /// Checkpoints that are safe.
    committed: u64,
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
    /// Without a store there are no checkpoints, and asking does nothing.
    pub fn new(workers: usize, enabled: bool) -> Coordinator {
        let state = State { begun: vec![0; workers], target: None, committed: 0 };
        Coordinator { state: Mutex::new(state), enabled }
    }

    /// Asks for a checkpoint, unless one is under way.
    pub fn ask(&self) {
        let mut state = self.lock();
        if self.enabled && state.target.is_none() {
            let workers = state.begun.len();
            state.target = Some(Target {
                epoch: state.begun.iter().copied().max().unwrap_or(0),
                frozen: vec![false; workers],
                parts: (0..workers).map(|_| None).collect(),
                outputs: None,
                taken: false,
            });
        }
    }

    /// A worker is about to begin `epoch`; true if it has to freeze its state first.
    pub fn begin(&self, worker: usize, epoch: u64) -> bool {
        if !self.enabled {
            return false;
        }
        let mut state = self.lock();
        state.begun[worker] = epoch;
        state.target.as_mut().is_some_and(|target| target.freeze(worker, epoch))
    }

    /// A worker has nothing to do before `frontier`; true if it has to freeze its state now.
    pub fn rest(&self, worker: usize, frontier: u64) -> bool {
        if !self.enabled {
            return false;
        }
        let mut state = self.lock();
        state.target.as_mut().is_some_and(|target| target.freeze(worker, frontier))
    }

    /// A worker has written all it froze.
    pub fn deliver(&self, worker: usize, records: Vec<Record>) {
        if let Some(target) = &mut self.lock().target {
            target.parts[worker] = Some(records);
        }
    }

    /// The epoch after which the sink has to stop and tell the lengths of its outputs.
    pub fn outputs_wanted(&self) -> Option<u64> {
        if !self.enabled {
            return None;
        }
        self.lock().target.as_ref().filter(|target| target.outputs.is_none()).map(|t| t.epoch)
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
        let records = target.parts.iter_mut().filter_map(Option::take).flatten().collect();
        Some(Parts { epoch: target.epoch, records, outputs, counts })
    }

    /// The checkpoint is safe; the next one may be asked for.
    pub fn commit(&self) {
        let mut state = self.lock();
        state.target = None;
        state.committed += 1;
    }

    /// Whether a checkpoint is under way.
    pub fn is_busy(&self) -> bool {
        self.enabled && self.lock().target.is_some()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("a worker that panics ends the process")
    }
}

impl Target {
    /// Whether a worker that is about to begin `epoch` has to freeze first.
    fn freeze(&mut self, worker: usize, epoch: u64) -> bool {
        let freezes = epoch > self.epoch && !self.frozen[worker];
        self.frozen[worker] |= freezes;
        freezes
    }
}
