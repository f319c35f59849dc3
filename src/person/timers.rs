//! Deadlines of many persons, in order, one queue for each key group.
//!
//! A person has one live entry. A deadline that moves later leaves the entry where it is: when it comes up, the person
//! is looked at and a new entry made (lazy re-arming). Keeping a queue for each key group makes the slices in which mass
//! deadlines are worked off independent of the number of workers, and the queues small enough for the caches.

use crate::event::key_group;
use crate::limits::KEY_GROUPS;
use crate::time::NEVER;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

/// Deadline, upper half of the person's hash, and the person's place (slot). Slots depend on what happened before a
/// restart; the hash puts equal deadlines into an order that does not.
type Entry = (i64, u32, u32);

/// What an entry that has come up is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// The person is due.
    Due,
    /// The person's deadline has moved later meanwhile.
    Later(i64),
    /// The person has another entry.
    Nothing,
}

/// Deadlines with the places of their persons.
#[derive(Debug)]
pub struct Timers {
    groups: Vec<BinaryHeap<Reverse<Entry>>>,
    /// The deadline of each group's first entry, side by side, so that an epoch looks only at the queues that it concerns.
    first: Vec<i64>,
    /// No entry is earlier than this.
    earliest: i64,
    len: usize,
}

impl Default for Timers {
    fn default() -> Timers {
        let groups = (0..KEY_GROUPS).map(|_| BinaryHeap::new()).collect();
        Timers { groups, first: vec![NEVER; KEY_GROUPS], earliest: NEVER, len: 0 }
    }
}

impl Timers {
    /// Entries, those included that are worth nothing any more.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A time before which nothing is due; [`NEVER`] if there are no entries.
    pub fn earliest(&self) -> i64 {
        self.earliest
    }

    /// Adds an entry for the person of this hash, who is at `slot`.
    pub fn push(&mut self, hash: u64, deadline: i64, slot: u32) {
        let group = key_group(hash);
        self.groups[group].push(Reverse((deadline, (hash >> 32) as u32, slot)));
        self.first[group] = self.first[group].min(deadline);
        self.earliest = self.earliest.min(deadline);
        self.len += 1;
    }

    /// Takes what is due before `before`, at most `quota` of each group (and those that cannot be told from the last one),
    /// earliest first within a group, and appends it to `due` as (deadline, slot). An entry that has moved, or is worth
    /// nothing any more, does not count: whether it is there depends on when the run was last started.
    pub fn take_due(
        &mut self,
        before: i64,
        quota: usize,
        mut worth: impl FnMut(i64, u32) -> Worth,
        due: &mut Vec<(i64, u32)>,
    ) {
        if self.earliest >= before {
            return;
        }
        for (group, first) in self.groups.iter_mut().zip(&mut self.first) {
            if *first >= before {
                continue;
            }
            let mut taken = 0;
            let mut last = (i64::MIN, 0, 0);
            while let Some(mut top) = group.peek_mut() {
                let Reverse(entry) = *top;
                let (deadline, mark, slot) = entry;
                if deadline >= before || (taken >= quota && (deadline, mark) != (last.0, last.1)) {
                    break;
                }
                let worth = if entry == last { Worth::Nothing } else { worth(deadline, slot) };
                if let Worth::Later(deadline) = worth {
                    top.0.0 = deadline;
                    continue;
                }
                PeekMut::pop(top);
                self.len -= 1;
                if worth == Worth::Due {
                    due.push((deadline, slot));
                    taken += 1;
                    last = entry;
                }
            }
            *first = group.peek().map_or(NEVER, |Reverse(entry)| entry.0);
        }
        self.earliest = self.first.iter().copied().min().unwrap_or(NEVER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(timers: &mut Timers, before: i64, quota: usize) -> Vec<(i64, u32)> {
        let mut due = Vec::new();
        let worth = |_, slot| if slot == 1_000 { Worth::Nothing } else { Worth::Due };
        timers.take_due(before, quota, worth, &mut due);
        due
    }

    #[test]
    fn due_in_order_and_in_slices() {
        let mut timers = Timers::default();
        for n in (0..100).rev() {
            timers.push(n as u64 % 2, n, n as u32);
        }
        let due = take(&mut timers, 50, 10);
        let evens: Vec<i64> = due.iter().map(|(at, _)| *at).filter(|at| at % 2 == 0).collect();
        assert_eq!(evens, (0..10).map(|n| n * 2).collect::<Vec<_>>());
        assert_eq!(due.len(), 20);
        assert_eq!((timers.earliest(), timers.len()), (20, 80));
        let due = take(&mut timers, 50, usize::MAX);
        assert_eq!((due.len(), timers.earliest()), (30, 50));
    }

    #[test]
    fn slices_do_not_depend_on_slots_or_on_what_is_stale() {
        let hash = |n: u64| n << 32;
        let mut timers = Timers::default();
        for n in 0..6 {
            timers.push(hash(n), 7, 10 - n as u32);
            timers.push(hash(n), 7, 10 - n as u32);
            timers.push(hash(n), 6, 1_000);
        }
        assert_eq!(take(&mut timers, 8, 2), [(7, 10), (7, 9)]);
        assert_eq!(take(&mut timers, 8, 2), [(7, 8), (7, 7)]);
        // Who has the same hash goes together.
        timers.push(hash(5), 7, 3);
        timers.push(hash(5), 7, 2);
        assert_eq!(take(&mut timers, 8, 2), [(7, 6), (7, 2), (7, 3), (7, 5)]);
        assert_eq!((timers.len(), timers.earliest()), (0, NEVER));
    }
}
