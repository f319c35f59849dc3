//! Repeats of a `messageId`: the first one counts.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

use crate::limits::MESSAGE_IDS_MAX;

/// How many ids are searched one by one before a set is kept beside them.
const SCANNED_MAX: usize = 32;

/// Ids of events taken in within the horizon, as 64-bit hashes: two different ids of one person within the horizon
/// collide with a chance of about one in 10^16.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct MessageIds {
    /// When it was taken in, and its hash; oldest first.
    seen: VecDeque<(i64, u64)>,
    /// The hashes again, once there are many.
    #[serde(skip)]
    set: Option<Box<hashbrown::HashSet<u64, foldhash::fast::FixedState>>>,
}

impl PartialEq for MessageIds {
    fn eq(&self, other: &MessageIds) -> bool {
        self.seen == other.seen
    }
}

impl MessageIds {
    /// Whether the id is new within the horizon; if so it is remembered.
    pub(super) fn is_new(&mut self, id: &str, now: i64, horizon: i64) -> bool {
        if id.is_empty() || horizon <= 0 {
            return true;
        }
        self.forget(now, horizon);
        let hash = xxhash_rust::xxh3::xxh3_64(id.as_bytes());
        if self.contains(hash) {
            return false;
        }
        if self.seen.len() >= MESSAGE_IDS_MAX {
            self.pop();
        }
        self.seen.push_back((now, hash));
        if let Some(set) = &mut self.set {
            set.insert(hash);
        }
        true
    }

    /// Looks at the oldest and the latest.
    pub(super) fn look(&self) -> i64 {
        self.seen.front().map_or(0, |(at, _)| *at) ^ self.seen.back().map_or(0, |(at, _)| *at)
    }

    fn contains(&mut self, hash: u64) -> bool {
        if self.set.is_none() && self.seen.len() > SCANNED_MAX {
            self.set = Some(Box::new(self.seen.iter().map(|(_, hash)| *hash).collect()));
        }
        match &self.set {
            Some(set) => set.contains(&hash),
            None => self.seen.iter().any(|(_, known)| *known == hash),
        }
    }

    /// Drops ids that are older than the horizon.
    pub(super) fn forget(&mut self, now: i64, horizon: i64) {
        while self.seen.front().is_some_and(|(at, _)| now.saturating_sub(*at) > horizon) {
            self.pop();
        }
        if self.seen.is_empty() {
            self.set = None;
        }
    }

    /// Takes in the ids of another leaf.
    pub(super) fn merge(&mut self, other: MessageIds) {
        let mut seen: Vec<(i64, u64)> = self.seen.drain(..).chain(other.seen).collect();
        seen.sort_unstable();
        seen.drain(..seen.len().saturating_sub(MESSAGE_IDS_MAX));
        (self.seen, self.set) = (seen.into(), None);
    }

    fn pop(&mut self) {
        if let (Some((_, hash)), Some(set)) = (self.seen.pop_front(), &mut self.set) {
            set.remove(&hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_counts_until_the_horizon_has_passed() {
        let mut ids = MessageIds::default();
        assert!(ids.is_new("a", 0, 100));
        assert!(!ids.is_new("a", 100, 100));
        assert!(ids.is_new("a", 101, 100));
        assert!(ids.is_new("", 101, 100));
        for n in 0..100 {
            assert!(ids.is_new(&format!("m{n}"), 102, 100));
        }
        assert!(!ids.is_new("m0", 150, 100));
        assert!(!ids.is_new("m99", 202, 100));
        assert!(ids.is_new("m5", 203, 100));
    }
}
