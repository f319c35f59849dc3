//! Single contributions in the order of their times: what windows, resets and removals need.

use crate::define::plan::Window;
use crate::event::Value;
use crate::limits::ENTRIES_MAX;
use crate::time::DAY;
use crate::time::zone::{Period, Zone};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;

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
    /// Room for those that lie with the fact itself, of which few persons have more.
    type AtHand: smallvec::Array<Item = Self>;

    fn time(&self) -> i64;
    /// Whether it takes away.
    fn minus(&self) -> bool;
}

impl Timed for Entry {
    type AtHand = [Entry; 0];

    fn time(&self) -> i64 {
        self.time
    }

    fn minus(&self) -> bool {
        self.minus
    }
}

impl Timed for Tick {
    type AtHand = [Tick; 4];

    fn time(&self) -> i64 {
        self.0 >> 1
    }

    fn minus(&self) -> bool {
        self.0 & 1 == 1
    }
}

/// Contributions by time, those of one time in the order of arrival.
#[derive(Clone, Debug)]
pub struct Entries<E: Timed = Entry> {
    list: SmallVec<E::AtHand>,
    /// So many at the beginning of the list are gone, and make room once they are half of it.
    gone: u32,
    /// Whether any entry takes away.
    minuses: bool,
    /// The time of the latest reset, `i64::MIN` if there was none: what is before it does not count any more, though it come late.
    reset: i64,
}

/// The same as a store keeps it.
#[derive(Serialize, Deserialize)]
struct Kept<L> {
    list: L,
    minuses: bool,
    #[serde(with = "crate::time::instant")]
    reset: i64,
}

impl<E: Timed + Serialize> Serialize for Entries<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Entries { minuses, reset, .. } = *self;
        Kept { list: self.list(), minuses, reset }.serialize(serializer)
    }
}

impl<'de, E: Timed + Deserialize<'de>> Deserialize<'de> for Entries<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries<E>, D::Error> {
        let Kept { list, minuses, reset } = Kept::deserialize(deserializer)?;
        Ok(Entries { list, gone: 0, minuses, reset })
    }
}

impl<E: Timed + PartialEq> PartialEq for Entries<E> {
    fn eq(&self, other: &Entries<E>) -> bool {
        (self.list(), self.minuses, self.reset) == (other.list(), other.minuses, other.reset)
    }
}

impl<E: Timed> Default for Entries<E> {
    fn default() -> Entries<E> {
        Entries { list: SmallVec::new(), gone: 0, minuses: false, reset: i64::MIN }
    }
}

impl<E: Timed> Entries<E> {
    fn list(&self) -> &[E] {
        &self.list[self.gone as usize..]
    }

    pub(super) fn insert(&mut self, entry: E) {
        let time = entry.time();
        if time < self.reset {
            return;
        }
        self.minuses |= entry.minus();
        match self.list().last() {
            Some(last) if last.time() > time => {
                let at = self.list().partition_point(|entry| entry.time() <= time);
                self.list.insert(self.gone as usize + at, entry);
            }
            _ => self.list.push(entry),
        }
        self.drop_first(self.list().len().saturating_sub(ENTRIES_MAX));
    }

    /// Forgets what lies at or before `time`.
    pub(super) fn reset(&mut self, time: i64) {
        self.drop_first(self.until(time));
        self.reset = self.reset.max(time);
    }

    /// Drops so many of the first. Each is moved once on average, however long the list is.
    fn drop_first(&mut self, count: usize) {
        self.gone += count as u32;
        if self.gone as usize > self.list().len() {
            self.list.drain(..self.gone as usize);
            self.gone = 0;
        }
    }

    /// Takes in what came under another leaf: what either has reset is gone in both.
    pub(super) fn merge(&mut self, mut other: Entries<E>) {
        let (reset, others) = (self.reset, other.reset);
        self.list.drain(..self.gone as usize);
        let theirs = other.list.drain(..).skip(other.gone as usize);
        self.list.retain(|entry| entry.time() > others);
        self.list.extend(theirs.filter(|entry| entry.time() > reset));
        self.list.sort_by_key(E::time);
        self.gone = 0;
        self.drop_first(self.list.len().saturating_sub(ENTRIES_MAX));
        self.minuses |= other.minuses;
        self.reset = reset.max(others);
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
                (from, self.list().get(from).map(|entry| entry.time() + length))
            }
            Some(Window::Calendar(_)) if self.list().is_empty() => (0, None),
            Some(Window::Calendar(period)) => {
                let zone = zone();
                let start = zone.period_start(now, period);
                let from = self.until(start.saturating_sub(1));
                let turn = (from < self.list().len()).then(|| zone.next_period(now, period));
                (from, turn)
            }
        };
        (self.list()[from..].iter(), turn)
    }

    /// Looks at the latest.
    pub(super) fn look(&self) -> i64 {
        self.list.last().map_or(0, E::time)
    }

    /// How many entries lie at or before `time`. Mostly it is none, which is seen at once.
    fn until(&self, time: i64) -> usize {
        match self.list().first() {
            Some(first) if first.time() <= time => {
                self.list().partition_point(|entry| entry.time() <= time)
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
        self.drop_first(self.until(now.saturating_sub(reach)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::rng::Rng;

    #[test]
    fn what_is_gone_is_seen_no_more_and_is_not_kept_for_long() {
        let mut rng = Rng::new(5);
        for window in [20, 2_000, 20_000] {
            let (mut found, mut wanted) = (Entries::<Tick>::default(), Vec::new());
            let mut reset = i64::MIN;
            for now in 0..15_000 {
                let time = now - rng.between(0, 9);
                found.insert(Tick::new(time, false));
                if time >= reset {
                    wanted.insert(wanted.partition_point(|known| *known <= time), time);
                }
                found.prune(Some(Window::Sliding(window)), now);
                wanted.retain(|time| *time > now - window);
                if rng.chance(0.000_2) {
                    reset = now - 3;
                    found.reset(reset);
                    wanted.retain(|time| *time > reset);
                }
                wanted.drain(..wanted.len().saturating_sub(ENTRIES_MAX));
                let (first, last) = (found.list().first(), found.list().last());
                let ends = [wanted.first(), wanted.last()].map(Option::<&i64>::copied);
                assert_eq!([first, last].map(|it| it.map(Timed::time)), ends, "at {now}");
                assert!(found.list.len() <= 2 * wanted.len() + 1, "at {now}");
            }
            assert!(found.list().iter().map(Timed::time).eq(wanted));
            let bytes = postcard::to_stdvec(&found).unwrap();
            assert_eq!(postcard::from_bytes(&bytes), Ok(found));
        }
    }

    #[test]
    fn of_two_lists_each_loses_what_the_other_has_reset() {
        let of = |times: &[i64]| {
            let mut entries = Entries::<Tick>::default();
            times.iter().for_each(|time| entries.insert(Tick::new(*time, false)));
            entries
        };
        let (mut ours, mut theirs) = (of(&[1, 2, 3, 4, 5, 9]), of(&[2, 4, 6, 7, 8]));
        ours.reset(1);
        theirs.reset(3);
        ours.merge(theirs);
        let times: Vec<i64> = ours.list().iter().map(Timed::time).collect();
        assert_eq!(times, [4, 4, 5, 6, 7, 8, 9]);
        assert_eq!(ours.reset, 3);
    }
}
