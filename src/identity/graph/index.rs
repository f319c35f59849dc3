//! Leaves by the hashes of their names.

use hashbrown::HashTable;

/// Places of leaves. Half of each hash lies beside its place, so that the table grows without a look at any name: names lie all over
/// memory, and with a million of them all would have to wait for that.
#[derive(Default)]
pub(super) struct Index(HashTable<(u32, u32)>);

impl Index {
    /// The place for which this holds among those of one hash.
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let half = half(hash);
        let found = self.0.find(spread(half), |(known, at)| *known == half && is_it(*at));
        found.map(|(_, at)| *at)
    }

    pub(super) fn insert(&mut self, hash: u64, at: u32) {
        let half = half(hash);
        self.0.insert_unique(spread(half), (half, at), |(half, _)| spread(*half));
    }

    pub(super) fn remove(&mut self, hash: u64, at: u32) {
        let half = half(hash);
        if let Ok(entry) = self.0.find_entry(spread(half), |known| *known == (half, at)) {
            entry.remove();
        }
    }
}

fn half(hash: u64) -> u32 {
    hash as u32
}

/// The table takes its places from the lower bits and marks them with the upper ones.
fn spread(half: u32) -> u64 {
    u64::from(half) << 32 | u64::from(half)
}
