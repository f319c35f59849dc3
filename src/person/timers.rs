//! Deadlines of many persons, in order, one queue for each key group.
//!
//! A person has one live entry. A deadline that moves later leaves the entry where it is: when it comes up, the person
//! is looked at and a new entry made (lazy re-arming). Keeping a queue for each key group makes the slices in which mass
//! deadlines are worked off independent of the number of workers, and the queues small enough for the caches.

use crate::limits::KEY_GROUPS;
use crate::time::NEVER;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Deadlines with the places (slots) of their persons.
#[derive(Debug)]
pub struct Timers {
    groups: Vec<BinaryHeap<Reverse<(i64, u32)>>>,
    /// No entry is earlier than this.
    earliest: i64,
    len: usize,
}

impl Default for Timers {
    fn default() -> Timers {
        let groups = (0..KEY_GROUPS).map(|_| BinaryHeap::new()).collect();
        Timers { groups, earliest: NEVER, len: 0 }
    }
}

impl Timers {
    /// The key group of a person's hash.
    pub fn group_of(hash: u64) -> usize {
        (hash % KEY_GROUPS as u64) as usize
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A time before which nothing is due; [`NEVER`] if there are no entries.
    pub fn earliest(&self) -> i64 {
        self.earliest
    }

    pub fn push(&mut self, group: usize, deadline: i64, slot: u32) {
        self.groups[group].push(Reverse((deadline, slot)));
        self.earliest = self.earliest.min(deadline);
        self.len += 1;
    }

    /// Takes what is due before `before`, at most `quota` of each group, earliest first within a group, and appends it to
    /// `due` as (deadline, slot).
    pub fn take_due(&mut self, before: i64, quota: usize, due: &mut Vec<(i64, u32)>) {
        if self.earliest >= before {
            return;
        }
        let taken_before = due.len();
        let mut earliest = NEVER;
        for group in &mut self.groups {
            for _ in 0..quota {
                match group.peek() {
                    Some(Reverse((deadline, _))) if *deadline < before => {}
                    _ => break,
                }
                due.extend(group.pop().map(|Reverse(entry)| entry));
            }
            earliest = earliest.min(group.peek().map_or(NEVER, |Reverse((deadline, _))| *deadline));
        }
        self.earliest = earliest;
        self.len -= due.len() - taken_before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_in_order_and_in_slices() {
        let mut timers = Timers::default();
        for n in (0..100).rev() {
            timers.push(n as usize % 2, n, n as u32);
        }
        let mut due = Vec::new();
        timers.take_due(50, 10, &mut due);
        let evens: Vec<i64> = due.iter().map(|(at, _)| *at).filter(|at| at % 2 == 0).collect();
        assert_eq!(evens, (0..10).map(|n| n * 2).collect::<Vec<_>>());
        assert_eq!(due.len(), 20);
        assert_eq!((timers.earliest(), timers.len()), (20, 80));
        due.clear();
        timers.take_due(50, usize::MAX, &mut due);
        assert_eq!((due.len(), timers.earliest()), (30, 50));
    }
}
