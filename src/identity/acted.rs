//! Identifiers that came by themselves. Most have not when they turn out to be somebody's: a device comes with the customer's name from
//! the first click on. Then there is nobody who would have to be brought.

use crate::event::leaf_hash;

/// A bit for each identifier, in two megabytes. Others may have it too: a yes can be wrong, of a million identifiers for one in
/// seventeen, a no never is.
const BITS: usize = 1 << 24;

/// Identifiers under which something has happened that did not link them to others, by their hashes.
#[derive(Debug, Default)]
pub(super) struct Acted(Vec<u64>);

impl Acted {
    /// Something has happened under the identifier of this hash.
    pub(super) fn note(&mut self, hash: u64) {
        if self.0.is_empty() {
            self.0 = vec![0; BITS / 64];
        }
        let (word, bit) = place(hash);
        self.0[word] |= bit;
    }

    /// Whether something may have happened under an identifier.
    pub(super) fn may_be(&self, identifier: &str) -> bool {
        let (word, bit) = place(leaf_hash(identifier));
        self.0.get(word).is_some_and(|known| known & bit != 0)
    }
}

fn place(hash: u64) -> (usize, u64) {
    let at = (hash >> (u64::BITS - BITS.trailing_zeros())) as usize;
    (at / 64, 1 << (at % 64))
}
