//! Single contributions in the order of their times: what windows, resets and removals need.

use crate::define::plan::Window;
use crate::event::Value;
use crate::limits::ENTRIES_MAX;
use crate::time::DAY;
use crate::time::zone::{Period, Zone};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What one event contributed, or took away (`minus`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub(super) time: i64,
    pub(super) minus: bool,
    pub(super) value: Value,
}

/// That something happened, or was taken back, where nothing but the number counts: twice the time, and one more for what takes
/// away.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tick(i64);

impl Tick {
    pub(super) fn new(time: i64, minus: bool) -> Tick {
        Tick(time.saturating_mul(2).saturating_add(i64::from(minus)))
    }
}

/// What stands in a list by its time.
pub trait Timed {
    fn time(&self) -> i64;
    /// Whether it takes away.
    fn minus(&self) -> bool;
}

impl Timed for Entry {
    fn time(&self) -> i64 {
        self.time
    }

    fn minus(&self) -> bool {
        self.minus
    }
}

impl Timed for Tick {
    fn time(&self) -> i64 {
        self.0 >> 1
    }

    fn minus(&self) -> bool {
        self.0 & 1 == 1
    }
}

/// Contributions by time, those of one time in the order of arrival.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entries<E = Entry> {
    list: VecDeque<E>,
    /// Whether any entry takes away.
    minuses: bool,
    /// The time of the latest reset: what is before it does not count any more, though it come late.
    reset: Option<i64>,
}

impl<E> Default for Entries<E> {
    fn default() -> Entries<E> {
        Entries { list: VecDeque::new(), minuses: false, reset: None }
    }
}

impl<E: Timed> Entries<E> {
    pub(super) fn insert(&mut self, entry: E) {
        let time = entry.time();
        if self.reset.is_some_and(|reset| time < reset) {
            return;
        }
        self.minuses |= entry.minus();
        match self.list.back() {
            Some(last) if last.time() > time => {
                let at = self.list.partition_point(|entry| entry.time() <= time);
                self.list.insert(at, entry);
            }
            _ => self.list.push_back(entry),
        }
        if self.list.len() > ENTRIES_MAX {
            self.list.pop_front();
        }
    }

    /// Forgets what lies at or before `time`.
    pub(super) fn reset(&mut self, time: i64) {
        self.list.drain(..self.until(time));
        self.reset = self.reset.max(Some(time));
    }

    /// Takes in what came under another leaf: what either has reset is gone in both.
    pub(super) fn merge(&mut self, other: Entries<E>) {
        let mut list: Vec<E> = Vec::with_capacity(self.list.len() + other.list.len());
        let survives =
            |reset: Option<i64>| move |entry: &E| reset.is_none_or(|reset| entry.time() > reset);
        list.extend(self.list.drain(..).filter(survives(other.reset)));
        list.extend(other.list.into_iter().filter(survives(self.reset)));
        list.sort_by_key(E::time);
        list.drain(..list.len().saturating_sub(ENTRIES_MAX));
        self.list = list.into();
        self.minuses |= other.minuses;
        self.reset = self.reset.max(other.reset);
    }

    /// The entries that count at `now`, and the instant at which the first of them no longer does.
    pub(super) fn at(
        &self,
        window: Option<Window>,
        now: i64,
        zone: impl FnOnce() -> Zone,
    ) -> (impl DoubleEndedIterator<Item = &E> + ExactSizeIterator, Option<i64>) {
        let (from, turn) = match window {
            None => (0, None),
            Some(Window::Sliding(length)) => {
                let from = self.until(now.saturating_sub(length));
                (from, self.list.get(from).map(|entry| entry.time() + length))
            }
            Some(Window::Calendar(_)) if self.list.is_empty() => (0, None),
            Some(Window::Calendar(period)) => {
                let zone = zone();
                let start = zone.period_start(now, period);
                let from = self.until(start.saturating_sub(1));
                let turn = (from < self.list.len()).then(|| zone.next_period(now, period));
                (from, turn)
            }
        };
        (self.list.range(from..), turn)
    }

    /// Looks at the latest.
    pub(super) fn look(&self) -> i64 {
        self.list.back().map_or(0, E::time)
    }

    /// How many entries lie at or before `time`. Mostly it is none, which is seen at once.
    fn until(&self, time: i64) -> usize {
        match self.list.front() {
            Some(first) if first.time() <= time => {
                self.list.partition_point(|entry| entry.time() <= time)
            }
            _ => 0,
        }
    }

    /// Whether any entry takes away; if not, the number of entries is the count.
    pub(super) fn has_minuses(&self) -> bool {
        self.minuses
    }

    /// Drops entries that no instant from `now` on can see.
    pub(super) fn prune(&mut self, window: Option<Window>, now: i64) {
        let reach = match window {
            None => return,
            Some(Window::Sliding(length)) => length,
            // A day of slack: the person's zone may move.
            Some(Window::Calendar(Period::Day)) => 2 * DAY,
            Some(Window::Calendar(Period::Week)) => 8 * DAY,
            Some(Window::Calendar(Period::Month)) => 32 * DAY,
            Some(Window::Calendar(Period::Year)) => 367 * DAY,
        };
        match self.until(now.saturating_sub(reach)) {
            0 => {}
            gone => drop(self.list.drain(..gone)),
        }
    }
}
