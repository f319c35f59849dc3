//! Finds identifiers that no person can be: more events a minute than a threshold. One for each worker, in fixed memory.
//!
//! A count-min sketch with conservative update: for every identifier a count that is never too small, and too large by
//! little as long as a minute has fewer events than the threshold times the width. In: the hash of a leaf, the event's
//! time. It does not know identifiers; who feeds it names those that it flags.

use crate::time::MINUTE;

const ROWS: usize = 4;
const WIDTH: usize = 4096;

/// What an event weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    Usual,
    /// With this event its identifier has gone over the threshold of the minute.
    Flagged,
    /// Its identifier had gone over the threshold before.
    Heavy,
}

/// Counts of the minute under way.
pub struct Heavy {
    per_minute: u32,
    /// The latest minute seen; what comes from an earlier one counts in this.
    minute: i64,
    counts: Box<[[u32; WIDTH]; ROWS]>,
}

impl Heavy {
    /// With the number of events a minute beyond which an identifier is heavy.
    pub fn new(per_minute: u32) -> Heavy {
        Heavy { per_minute, minute: i64::MIN, counts: Box::new([[0; WIDTH]; ROWS]) }
    }

    /// Takes in an event of the leaf with this hash at this event time in milliseconds.
    pub fn feed(&mut self, hash: u64, time: i64) -> Weight {
        let minute = time.div_euclid(MINUTE);
        if minute > self.minute {
            self.minute = minute;
            self.counts.iter_mut().for_each(|row| row.fill(0));
        }
        // Twelve bits a row, from the upper half: the lower one chooses workers and is alike here.
        let place = |row: usize| (hash >> (16 + 12 * row)) as usize % WIDTH;
        let least = (0..ROWS).map(|row| self.counts[row][place(row)]).min().unwrap_or(0);
        let count = least.saturating_add(1);
        for row in 0..ROWS {
            let cell = &mut self.counts[row][place(row)];
            *cell = (*cell).max(count);
        }
        match count.cmp(&self.per_minute.saturating_add(1)) {
            std::cmp::Ordering::Less => Weight::Usual,
            std::cmp::Ordering::Equal => Weight::Flagged,
            std::cmp::Ordering::Greater => Weight::Heavy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::leaf_hash;

    #[test]
    fn a_bot_among_many_is_found_and_nobody_else() {
        let mut heavy = Heavy::new(1_000);
        let bot = leaf_hash("anonymous:bot");
        let mut weights = [0, 0];
        for n in 0..100_000 {
            let person = leaf_hash(&format!("user:{}", n % 20_000));
            assert_eq!(heavy.feed(person, 30_000), Weight::Usual);
            if n % 50 == 0 {
                match heavy.feed(bot, 30_000) {
                    Weight::Usual => {}
                    Weight::Flagged => weights[0] += 1,
                    Weight::Heavy => weights[1] += 1,
                }
            }
        }
        // It sent 2,000; the sketch may count a few that are others'.
        assert_eq!(weights[0], 1);
        assert!((999..1_100).contains(&weights[1]), "{weights:?}");
    }

    #[test]
    fn a_minute_begins_anew_and_stragglers_count_in_it() {
        let mut heavy = Heavy::new(2);
        let times = [0, 1, 2, 3, 60_000, 59_999, 60_001];
        let weights = times.map(|time| heavy.feed(7, time));
        use Weight::{Flagged, Heavy as Over, Usual};
        assert_eq!(weights, [Usual, Usual, Flagged, Over, Usual, Usual, Flagged]);
    }
}
