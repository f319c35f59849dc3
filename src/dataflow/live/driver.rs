//! The pace of epochs and checkpoints.

use super::Shared;
use crate::dataflow::checkpoint::Coordinator;
use crate::time::clock::Clock;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Epochs at the live edge are at least so far apart while transactions are under way: each costs a worker some ten
/// microseconds, and they would only wait for one another.
const PACE: Duration = Duration::from_millis(1);

/// In a backlog nobody waits for an epoch, and a larger one costs less: more of what happens to one person, and of what is said about one
/// product, comes together. It begins once so many records have been read, or after so long.
const RECORDS_OF_A_BACKLOG: i64 = 20_000;
const PACE_OF_A_BACKLOG: Duration = Duration::from_millis(100);

/// Lets the sequencer have its say, at a sensible pace, and asks for checkpoints.
pub(super) struct Driver {
    shared: Arc<Shared>,
    coordinator: Arc<Coordinator>,
    clock: Arc<dyn Clock>,
    every: Duration,
    /// When the last epoch was announced, and the last checkpoint asked for.
    last: Duration,
    checkpoint: Duration,
}

impl Driver {
    /// With a checkpoint every so often.
    pub(super) fn new(
        shared: Arc<Shared>,
        coordinator: Arc<Coordinator>,
        clock: Arc<dyn Clock>,
        every: Duration,
    ) -> Driver {
        let checkpoint = clock.now();
        Driver { shared, coordinator, clock, every, last: Duration::ZERO, checkpoint }
    }

    pub(super) fn turn(&mut self) {
        // Nothing is won by waiting where it has been said already which epochs there are.
        while self.shared.is_replaying() {
            if !self.announce(self.clock.now()) {
                return;
            }
        }
        let now = self.clock.now();
        if self.shared.in_flight() == 0 || now >= self.last + PACE && self.is_worth_it(now) {
            self.announce(now);
        }
    }

    /// Whether an epoch would be large enough, or as large as it becomes within a reasonable time.
    fn is_worth_it(&self, now: Duration) -> bool {
        self.shared.live.load(Ordering::Acquire)
            || now >= self.last + PACE_OF_A_BACKLOG
            || self.shared.read_since() >= RECORDS_OF_A_BACKLOG
    }

    /// Lets the sequencer announce an epoch if there is one.
    fn announce(&mut self, now: Duration) -> bool {
        if self.shared.finishing.load(Ordering::Acquire) && self.coordinator.is_busy() {
            // The last epoch ends with a checkpoint of its own.
            return false;
        }
        let due = now >= self.checkpoint + self.every;
        let coordinator = &self.coordinator;
        let mut asked = false;
        let announced = self.shared.sequence(now, |epoch, last| {
            asked = (due || last) && coordinator.ask_at(epoch);
            asked
        });
        if announced {
            self.last = now;
        }
        if asked {
            self.checkpoint = now;
        }
        announced
    }
}
