//! A set of segments.

use super::SegmentId;
use serde::{Deserialize, Serialize};

/// One bit for each segment; the first 64 need no memory of their own.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SegmentSet {
    first: u64,
    more: Vec<u64>,
}

impl PartialEq for SegmentSet {
    fn eq(&self, other: &SegmentSet) -> bool {
        // Nothing is not compared with nothing: a vector without elements points to where no memory is, and a vectorised
        // `memcmp` that reads none of it there takes a hundred nanoseconds to notice.
        let are_short = self.more.is_empty() && other.more.is_empty();
        self.first == other.first && (are_short || self.more == other.more)
    }
}

impl SegmentSet {
    /// Whether a segment is in it.
    pub fn has(&self, segment: SegmentId) -> bool {
        let (word, bit) = place(segment);
        let bits = word.checked_sub(1).map_or(Some(&self.first), |at| self.more.get(at));
        bits.is_some_and(|bits| bits >> bit & 1 == 1)
    }

    /// Takes a segment in or out.
    pub fn set(&mut self, segment: SegmentId, member: bool) {
        let (word, bit) = place(segment);
        if self.more.len() < word {
            self.more.resize(word, 0);
        }
        let bits = word.checked_sub(1).map_or(&mut self.first, |at| &mut self.more[at]);
        *bits = *bits & !(1 << bit) | u64::from(member) << bit;
    }

    /// Takes in all of another set.
    pub fn extend(&mut self, other: &SegmentSet) {
        self.first |= other.first;
        if self.more.len() < other.more.len() {
            self.more.resize(other.more.len(), 0);
        }
        self.more.iter_mut().zip(&other.more).for_each(|(word, more)| *word |= more);
    }

    /// The segments that are in one of the two and not in the other.
    pub fn differing(&self, other: &SegmentSet) -> SegmentSet {
        let words = self.more.len().max(other.more.len());
        let word = |set: &SegmentSet, at: usize| set.more.get(at).copied().unwrap_or(0);
        SegmentSet {
            first: self.first ^ other.first,
            more: (0..words).map(|at| word(self, at) ^ word(other, at)).collect(),
        }
    }

    /// Its segments, by number.
    pub fn iter(&self) -> impl Iterator<Item = SegmentId> + use<> {
        let mut left = self.clone();
        std::iter::from_fn(move || left.pop_first())
    }

    /// Takes out the segment with the smallest number.
    pub fn pop_first(&mut self) -> Option<SegmentId> {
        let words = std::iter::once(&mut self.first).chain(&mut self.more);
        let (at, word) = words.enumerate().find(|(_, word)| **word != 0)?;
        let bit = word.trailing_zeros();
        *word &= *word - 1;
        Some(SegmentId((at * 64) as u16 + bit as u16))
    }
}

impl FromIterator<SegmentId> for SegmentSet {
    fn from_iter<I: IntoIterator<Item = SegmentId>>(segments: I) -> SegmentSet {
        let mut set = SegmentSet::default();
        segments.into_iter().for_each(|segment| set.set(segment, true));
        set
    }
}

fn place(segment: SegmentId) -> (usize, u16) {
    (usize::from(segment.0 / 64), segment.0 % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_segments() {
        let numbers = [200, 0, 63, 64, 127];
        let mut set = SegmentSet::default();
        for segment in numbers {
            assert!(!set.has(SegmentId(segment)));
            set.set(SegmentId(segment), true);
            assert!(set.has(SegmentId(segment)));
        }
        set.set(SegmentId(64), false);
        assert!(!set.has(SegmentId(64)) && set.has(SegmentId(63)) && !set.has(SegmentId(999)));
        let others: SegmentSet = [SegmentId(0), SegmentId(5)].into_iter().collect();
        let differing: Vec<u16> = set.differing(&others).iter().map(|id| id.0).collect();
        assert_eq!(differing, [5, 63, 127, 200]);
        assert_eq!(others.differing(&set), set.differing(&others));
        set.extend(&[SegmentId(5), SegmentId(300)].into_iter().collect());
        let taken: Vec<u16> = std::iter::from_fn(|| set.pop_first().map(|id| id.0)).collect();
        assert_eq!(taken, [0, 5, 63, 127, 200, 300]);
    }
}
