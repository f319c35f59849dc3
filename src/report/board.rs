//! Where workers lay down what they have counted, for those who ask.
//!
//! Nobody is handed anything until somebody asks: then each worker copies its counts on its next turn.

use super::Counts;
use super::view::View;
use crate::define::plan::Plan;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One worker's counts under the plan that it was at.
#[derive(Clone)]
pub struct Part {
    pub plan: Arc<Plan>,
    pub counts: Counts,
}

/// The parts of all workers as they were laid down last.
pub struct Board {
    /// The number of the last question.
    asked: AtomicU64,
    workers: Vec<Worker>,
}

#[derive(Default)]
struct Worker {
    /// The last question that it has answered.
    answered: AtomicU64,
    part: Mutex<Option<Part>>,
}

impl Board {
    /// Nothing yet, of so many workers.
    pub fn new(workers: usize) -> Board {
        let workers = (0..workers.max(1)).map(|_| Worker::default()).collect();
        Board { asked: AtomicU64::new(0), workers }
    }

    /// Asks all workers; gives the number of the question.
    pub fn ask(&self) -> u64 {
        self.asked.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Lets a worker answer, if it has been asked.
    pub fn answer(&self, worker: usize, part: impl FnOnce() -> Part) {
        let asked = self.asked.load(Ordering::Acquire);
        let Some(worker) = self.workers.get(worker) else { return };
        if worker.answered.load(Ordering::Acquire) < asked {
            *lock(&worker.part) = Some(part());
            worker.answered.store(asked, Ordering::Release);
        }
    }

    /// A worker's last word: whoever asks later is told how it was at the end.
    pub fn end(&self, worker: usize, part: Part) {
        let Some(worker) = self.workers.get(worker) else { return };
        *lock(&worker.part) = Some(part);
        worker.answered.store(u64::MAX, Ordering::Release);
    }

    /// Whether all workers have answered a question.
    pub fn is_answered(&self, question: u64) -> bool {
        self.workers.iter().all(|it| it.answered.load(Ordering::Acquire) >= question)
    }

    /// The sum of what has been laid down, as of an instant; nothing before all workers have answered once.
    pub fn view(&self, now: i64) -> Option<View> {
        let parts = self.workers.iter().map(|worker| lock(&worker.part).clone());
        View::of(parts.collect::<Option<Vec<Part>>>()?, now)
    }
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}
