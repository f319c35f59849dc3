//! Finds by a hash what lies in numbered places.

use hashbrown::HashTable;
use std::hash::{BuildHasherDefault, Hasher};

/// For keys that are hashes already, or pairs of a small number and a hash.
pub type AsIs = BuildHasherDefault<Itself>;

/// A hash as its own hash. See [`AsIs`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are numbers");
    }

    fn write_u8(&mut self, small: u8) {
        self.0 = spread(u32::from(small));
    }

    fn write_u64(&mut self, hash: u64) {
        // The halves change places: the lower one chooses the worker and would be alike within one.
        self.0 ^= hash.rotate_left(32);
    }
}

/// Places by hash. Half of each hash lies beside its place, so that the table grows without a look at what is there: names lie all over
/// memory, and with a million of them all would have to wait for that.
#[derive(Default)]
pub struct Index(HashTable<(u32, u32)>);

impl Index {
    /// The place for which this holds, of those of a hash (and of few others, which have half of it in common).
    pub fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mark = mark(hash);
        let found = self.0.find(spread(mark), |(known, at)| *known == mark && is_it(*at));
        found.map(|(_, at)| *at)
    }

    /// Another place for a hash.
    pub fn insert(&mut self, hash: u64, at: u32) {
        let mark = mark(hash);
        self.0.insert_unique(spread(mark), (mark, at), |(mark, _)| spread(*mark));
    }

    /// Forgets a place, if it is there.
    pub fn remove(&mut self, hash: u64, at: u32) {
        let mark = mark(hash);
        if let Ok(entry) = self.0.find_entry(spread(mark), |known| *known == (mark, at)) {
            entry.remove();
        }
    }
}

/// The part of the hash that is kept. The lower half chooses workers and key groups and would be alike.
fn mark(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// The table takes its bits from both ends of a hash: spreads 32 bits over 64 (Fibonacci hashing).
fn spread(mark: u32) -> u64 {
    u64::from(mark).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_whose_marks_are_alike_are_told_apart() {
        let mut index = Index::default();
        let hash = |low: u64| (7 << 32) | low;
        (0..100).for_each(|at| index.insert(hash(u64::from(at)), at));
        assert_eq!(index.find(hash(42), |at| at == 42), Some(42));
        index.remove(hash(42), 42);
        assert_eq!(index.find(hash(42), |at| at == 42), None);
        assert_eq!(index.find(hash(41), |at| at == 41), Some(41));
    }
}
