//! The epochs that have been announced and are not over yet, for those that work through them.

use super::{Epochs, Span};
use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

/// Spans of announced epochs, ascending.
#[derive(Debug, Default)]
pub struct Schedule(RwLock<VecDeque<(u64, Span)>>);

impl Schedule {
    /// Makes an epoch known, before anything of it flows.
    pub fn announce(&self, epoch: u64, span: Span) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push_back((epoch, span));
    }

    /// Forgets the epochs before this one: nobody will ask for them again.
    pub fn over(&self, before: u64) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        while known.front().is_some_and(|(epoch, _)| *epoch < before) {
            known.pop_front();
        }
    }
}

impl Epochs for Schedule {
    /// # Panics
    /// If the epoch was never announced.
    fn span(&self, epoch: u64) -> Span {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let at = known.binary_search_by_key(&epoch, |(epoch, _)| *epoch);
        known[at.expect("events flow only in epochs that were announced")].1
    }

    fn of_timer(&self, deadline: i64, next: u64, frontier: Option<u64>) -> Option<u64> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let is_early = |&(epoch, span): &(u64, Span)| epoch < next || span.end <= deadline;
        let (epoch, _) = *known.get(known.partition_point(is_early))?;
        frontier.is_none_or(|frontier| epoch < frontier).then_some(epoch)
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
