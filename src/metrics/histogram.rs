//! Latencies: all since the start, for Prometheus, and those of the last minute, for people.

use super::text::BOUNDS;
use hdrhistogram::Histogram as Hdr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The largest value that is told apart, one hour in microseconds; larger ones count as this.
const MOST: u64 = 3_600_000_000;

/// A histogram of microseconds that many threads record into. All its memory is there from the beginning.
pub struct Histogram(Mutex<Inner>);

struct Inner {
    /// Exact to a thousandth.
    total: Hdr<u64>,
    sum: u64,
    /// Since the last turn of the window, and the window before; exact to a hundredth.
    recent: [Hdr<u64>; 2],
}

/// What Prometheus is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Counts up to each of [`BOUNDS`].
    pub buckets: [u64; BOUNDS.len()],
    pub count: u64,
    /// In microseconds.
    pub sum: u64,
}

/// What people are told of the last minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    pub count: u64,
    /// In microseconds, as are the others.
    pub p50: u64,
    pub p99: u64,
    pub max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        let new = |digits| Hdr::new_with_bounds(1, MOST, digits).expect("the bounds fit");
        Histogram(Mutex::new(Inner { total: new(3), sum: 0, recent: [new(2), new(2)] }))
    }
}

impl Histogram {
    /// Records one value in microseconds.
    pub fn record(&self, micros: u64) {
        self.record_all([micros]);
    }

    /// Records many values in microseconds, under one lock.
    pub fn record_all(&self, micros: impl IntoIterator<Item = u64>) {
        let mut inner = self.lock();
        for value in micros {
            inner.sum = inner.sum.saturating_add(value);
            inner.total.saturating_record(value);
            inner.recent[0].saturating_record(value);
        }
    }

    /// Records one value in milliseconds; a negative one, between two clocks that disagree, counts as none.
    pub fn record_millis(&self, millis: i64) {
        self.record(u64::try_from(millis).unwrap_or(0).saturating_mul(1_000));
    }

    /// All values since the start.
    pub fn snapshot(&self) -> Snapshot {
        // Copied, so that those who record wait for a copy and not for the counting.
        let (total, sum) = {
            let inner = self.lock();
            (inner.total.clone(), inner.sum)
        };
        let mut buckets = [0; BOUNDS.len()];
        for step in total.iter_recorded() {
            let value = total.lowest_equivalent(step.value_iterated_to());
            let at = BOUNDS.partition_point(|(bound, _)| *bound < value);
            if let Some(bucket) = buckets.get_mut(at) {
                *bucket += step.count_since_last_iteration();
            }
        }
        let mut below = 0;
        for bucket in &mut buckets {
            below += *bucket;
            *bucket = below;
        }
        Snapshot { buckets, count: total.len(), sum }
    }

    /// The values of this window and the one before.
    pub fn recent(&self) -> Recent {
        let both = {
            let inner = self.lock();
            let mut both = inner.recent[0].clone();
            both.add(&inner.recent[1]).expect("they have the same bounds");
            both
        };
        Recent {
            count: both.len(),
            p50: both.value_at_quantile(0.5),
            p99: both.value_at_quantile(0.99),
            max: both.max(),
        }
    }

    /// Ends a window. Called every half minute, what is recent is between half a minute and one old.
    pub fn turn(&self) {
        let mut inner = self.lock();
        inner.recent.swap(0, 1);
        inner.recent[0].reset();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Counts are never half written in a way that matters.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recent_are_forgotten_after_two_turns_and_the_total_never() {
        let histogram = Histogram::default();
        histogram.record_all((1..=100).map(|n| n * 1_000));
        let recent = histogram.recent();
        assert_eq!(recent.count, 100);
        assert!((49_000..=51_000).contains(&recent.p50), "{recent:?}");
        assert!((98_000..=101_000).contains(&recent.p99), "{recent:?}");
        histogram.turn();
        histogram.record_millis(-5);
        assert_eq!(histogram.recent().count, 101);
        histogram.turn();
        assert_eq!(histogram.recent(), Recent { count: 1, p50: 0, p99: 0, max: 0 });
        histogram.turn();
        assert_eq!(histogram.recent(), Recent::default());
        let snapshot = histogram.snapshot();
        assert_eq!((snapshot.count, snapshot.sum), (101, 5_050_000));
        assert_eq!(snapshot.buckets[..4], [2, 3, 6, 11]);
    }

    #[test]
    fn what_is_too_long_counts_as_an_hour() {
        let histogram = Histogram::default();
        histogram.record(u64::MAX);
        assert_eq!(histogram.snapshot().buckets, [0; BOUNDS.len()]);
        assert_eq!(histogram.snapshot().count, 1);
        assert!(histogram.recent().max >= 3_500_000_000);
    }
}
