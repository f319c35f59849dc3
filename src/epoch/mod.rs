//! Events → numbered epochs, and the watermark. The only place where logical time is made.
//!
//! With file input an epoch is a fixed step of event time, so that results do not depend on how the input was cut. Which
//! epoch an event belongs to is a function of its own time and of the highest time before it in its source: there is no
//! reorder buffer, the dataflow's frontier is one.

pub mod log;
pub mod schedule;
pub mod sequencer;
mod turns;

pub use turns::Turns;

use crate::define::plan::Plan;
use smallvec::SmallVec;
use std::sync::Arc;

/// What an epoch is in event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Span {
    /// The watermark when it begins: events before it are late.
    pub begin: i64,
    /// The watermark when it is over: timers before it have fired.
    pub end: i64,
    /// The clock when it was announced, by which it shows how far behind it is; `i64::MIN` for history, which is never
    /// behind.
    pub clock: i64,
}

/// An event and its epoch, on its way to its person.
pub type Placed = (u64, crate::event::Event);

/// Hands over what has arrived, a stretch of one epoch at a time: a batch is mostly of one epoch, and its epochs may alternate.
pub fn by_stretch<T>(
    batch: &mut Vec<(u64, T)>,
    mut take: impl FnMut(u64, &mut std::iter::Take<&mut std::vec::Drain<'_, (u64, T)>>),
) {
    let stretches = batch.chunk_by(|a, b| a.0 == b.0).map(|same| (same[0].0, same.len()));
    let stretches: SmallVec<[(u64, usize); 8]> = stretches.collect();
    let mut all = batch.drain(..);
    for (epoch, length) in stretches {
        let mut stretch = all.by_ref().take(length);
        take(epoch, &mut stretch);
        stretch.for_each(drop);
    }
}

/// Tells what epochs are to those that work through them.
pub trait Epochs: Send + Sync {
    /// The span of an epoch that has been announced.
    fn span(&self, epoch: u64) -> Span;

    /// The first epoch from `next` on in which a timer with this deadline is due; `None` if there is none yet, or will be
    /// none. `frontier` is the first epoch that may still get events, `None` after the input.
    fn of_timer(&self, deadline: i64, next: u64, frontier: Option<u64>) -> Option<u64>;

    /// The epoch from `next` on in which persons take in what was answered for an epoch; `None` if there is none yet, or will be
    /// none. `frontier` as for [`Epochs::of_timer`].
    fn of_answers(&self, epoch: u64, next: u64, frontier: Option<u64>) -> Option<u64>;

    /// The first epoch from `next` on at whose beginning another plan takes effect, and the plan. Over files there is none.
    fn switch(&self, next: u64) -> Option<(u64, Arc<Plan>)> {
        let _ = next;
        None
    }
}

/// How event time is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Timeline {
    /// Events out of order by at most so many milliseconds are put in order.
    pub slack: i64,
    /// The length of an epoch in milliseconds of event time.
    pub step: i64,
}

impl Timeline {
    /// The beginning of the step in which a time lies.
    pub fn floor(&self, time: i64) -> i64 {
        time.div_euclid(self.step).saturating_mul(self.step)
    }

    /// The epoch in which what is due at `time` happens.
    pub fn epoch_of(&self, time: i64) -> u64 {
        u64::try_from(time.div_euclid(self.step)).unwrap_or(0)
    }

    /// The watermark when an epoch begins: events before it are late.
    pub fn begin(&self, epoch: u64) -> i64 {
        i64::try_from(epoch).ok().and_then(|epoch| epoch.checked_mul(self.step)).unwrap_or(i64::MAX)
    }

    /// The watermark when an epoch is over: timers before it have fired.
    pub fn end(&self, epoch: u64) -> i64 {
        self.begin(epoch).saturating_add(self.step)
    }

    /// The earliest epoch that is still open when `high` is the highest time read.
    pub fn open(&self, high: i64) -> u64 {
        if high == i64::MIN { 0 } else { self.epoch_of(high.saturating_sub(self.slack)) }
    }

    /// The epoch of an event at `time`, read after a highest time of `high`.
    pub fn place(&self, time: i64, high: i64) -> u64 {
        self.epoch_of(time).max(self.open(high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_events_go_to_the_epoch_that_is_open() {
        let timeline = Timeline { slack: 5, step: 10 };
        assert_eq!(timeline.place(100, i64::MIN), 10);
        // 5 out of order: still in its own epoch, though a younger event was read.
        assert_eq!(timeline.place(105, 110), 10);
        assert_eq!(timeline.place(109, 114), 10);
        assert_eq!(timeline.place(109, 115), 11);
        assert_eq!((timeline.begin(11), timeline.end(11)), (110, 120));
    }

    #[test]
    fn a_batch_whose_epochs_alternate_is_no_batch_of_one_epoch() {
        let mut batch = vec![(5, 'a'), (5, 'b'), (6, 'c'), (5, 'd')];
        let mut taken = Vec::new();
        by_stretch(&mut batch, |epoch, stretch| {
            taken.push((epoch, stretch.map(|(_, it)| it).collect::<String>()));
        });
        assert_eq!(taken, [(5, "ab".into()), (6, "c".into()), (5, "d".into())]);
        assert!(batch.is_empty());
    }
}
