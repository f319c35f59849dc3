//! Who entered and left in each of the last sixty minutes of event time.

use crate::time::MINUTE;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many minutes are kept.
pub(super) const KEPT: i64 = 60;

/// By minute and segment, how many entered and left. What is older than the latest minute kept by [`KEPT`] is forgotten, and
/// not told of: so it does not matter which worker has seen the latest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Minutes(BTreeMap<i64, BTreeMap<u16, (u64, u64)>>);

impl Minutes {
    pub(super) fn count(&mut self, time: i64, segment: u16, entered: u64, left: u64) {
        let minute = time.div_euclid(MINUTE);
        let latest = self.0.last_key_value().map_or(minute, |(latest, _)| *latest);
        if minute <= latest - KEPT {
            return;
        }
        let (into, out) = self.0.entry(minute).or_default().entry(segment).or_default();
        (*into, *out) = (*into + entered, *out + left);
        while let Some(first) = self.0.first_entry()
            && *first.key() <= minute - KEPT
        {
            first.remove();
        }
    }

    pub(super) fn add(&mut self, other: &Minutes) {
        for (minute, segments) in &other.0 {
            for (segment, (entered, left)) in segments {
                self.count(minute * MINUTE, *segment, *entered, *left);
            }
        }
    }

    /// What happened to a segment in the last minutes up to an instant: when each begins, entered, left.
    pub(super) fn of(&self, segment: u16, now: i64) -> Vec<(i64, u64, u64)> {
        let latest = self.0.last_key_value().map_or(i64::MIN, |(latest, _)| *latest);
        let after = latest.max(now.div_euclid(MINUTE)).saturating_sub(KEPT);
        let recent = self.0.range(after.saturating_add(1)..);
        recent
            .filter_map(|(minute, segments)| {
                let (entered, left) = segments.get(&segment)?;
                Some((minute * MINUTE, *entered, *left))
            })
            .collect()
    }

    /// How many minutes and segments are kept, which is bounded.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_kept_however_it_is_added_up() {
        let mut one = Minutes::default();
        let mut parts = [Minutes::default(), Minutes::default()];
        for n in 0..1_000_i64 {
            let time = (n * 7 % 400 + n) * 13_000;
            one.count(time, (n % 3) as u16, 1, n as u64 % 2);
            parts[n as usize % 2].count(time, (n % 3) as u16, 1, n as u64 % 2);
            assert!(one.len() <= 3 * KEPT as usize);
        }
        let mut sum = Minutes::default();
        parts.iter().for_each(|part| sum.add(part));
        let now = 1_300 * 13_000;
        for segment in 0..3 {
            assert_eq!(sum.of(segment, now), one.of(segment, now));
            assert!(one.of(segment, i64::MAX).is_empty());
        }
    }
}
