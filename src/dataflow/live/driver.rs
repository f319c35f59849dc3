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
        if self.shared.in_flight() == 0 || now >= self.last + PACE {
            self.announce(now);
        }
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
