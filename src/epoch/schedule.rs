//! The epochs that have been announced and are not over yet, for those that work through them.

use super::{Epochs, Span};
use crate::define::plan::Plan;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// What has been announced.
#[derive(Debug, Default)]
pub struct Schedule {
    /// Ascending.
    spans: RwLock<VecDeque<(u64, Span)>>,
    /// Plans with the epochs at whose beginning they take effect, ascending, and the last of these epochs.
    switches: RwLock<Vec<(u64, Arc<Plan>)>>,
    last_switch: AtomicU64,
}

impl Schedule {
    /// Makes an epoch known, before anything of it flows.
    pub fn announce(&self, epoch: u64, span: Span) {
        self.spans.write().unwrap_or_else(PoisonError::into_inner).push_back((epoch, span));
    }

    /// Makes known, before the epoch is, that a plan takes effect at its beginning.
    pub fn announce_plan(&self, epoch: u64, plan: Arc<Plan>) {
        self.switches.write().unwrap_or_else(PoisonError::into_inner).push((epoch, plan));
        self.last_switch.store(epoch, Ordering::Release);
    }

    /// Forgets the epochs before this one: nobody will ask for them again.
    pub fn over(&self, before: u64) {
        let mut known = self.spans.write().unwrap_or_else(PoisonError::into_inner);
        while known.front().is_some_and(|(epoch, _)| *epoch < before) {
            known.pop_front();
        }
    }
}

impl Epochs for Schedule {
    /// # Panics
    /// If the epoch was never announced.
    fn span(&self, epoch: u64) -> Span {
        let known = self.spans.read().unwrap_or_else(PoisonError::into_inner);
        let at = known.binary_search_by_key(&epoch, |(epoch, _)| *epoch);
        known[at.expect("events flow only in epochs that were announced")].1
    }

    fn of_timer(&self, deadline: i64, next: u64, frontier: Option<u64>) -> Option<u64> {
        let known = self.spans.read().unwrap_or_else(PoisonError::into_inner);
        let is_early = |&(epoch, span): &(u64, Span)| epoch < next || span.end <= deadline;
        let (epoch, _) = *known.get(known.partition_point(is_early))?;
        frontier.is_none_or(|frontier| epoch < frontier).then_some(epoch)
    }

    /// The first that has been announced: numbers of the log may be left out.
    fn of_answers(&self, epoch: u64, next: u64, frontier: Option<u64>) -> Option<u64> {
        let known = self.spans.read().unwrap_or_else(PoisonError::into_inner);
        let from = epoch.max(next);
        let (epoch, _) = *known.get(known.partition_point(|(known, _)| *known < from))?;
        frontier.is_none_or(|frontier| epoch < frontier).then_some(epoch)
    }

    fn switch(&self, next: u64) -> Option<(u64, Arc<Plan>)> {
        // Asked for every epoch, and hardly ever is there one.
        if self.last_switch.load(Ordering::Acquire) < next {
            return None;
        }
        let switches = self.switches.read().unwrap_or_else(PoisonError::into_inner);
        switches.iter().find(|(epoch, _)| *epoch >= next).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_due_in_the_first_epoch_that_ends_after_it() {
        let schedule = Schedule::default();
        for (epoch, end) in [(3, 10), (4, 10), (7, 25)] {
            schedule.announce(epoch, Span { begin: 0, end, clock: i64::MIN });
        }
        assert_eq!(schedule.of_timer(9, 0, Some(9)), Some(3));
        assert_eq!(schedule.of_timer(9, 4, Some(9)), Some(4));
        assert_eq!(schedule.of_timer(10, 0, Some(9)), Some(7));
        assert_eq!(schedule.of_timer(10, 0, Some(7)), None, "it may still get events");
        assert_eq!(schedule.of_timer(25, 0, None), None);
        schedule.over(7);
        assert_eq!(schedule.of_timer(1, 0, None), Some(7));
        assert_eq!(schedule.span(7).end, 25);
    }
}
