//! Who was erased: by hash, so that nothing in clear remains, and with the instant, so that whatever comes later is somebody new.

use crate::event::{Claim, leaf_hash};
use hashbrown::HashMap;

/// An identifier that cannot be read out of it: the frozen hash that routes it, above another one. Stores depend on it.
pub type ErasedKey = u128;

/// The key of an identifier.
pub fn key(identifier: &str) -> ErasedKey {
    let other = xxhash_rust::xxh3::xxh3_64_with_seed(identifier.as_bytes(), 1);
    u128::from(leaf_hash(identifier)) << 64 | u128::from(other)
}

/// The hash by which a key belongs to a worker.
pub fn hash_of(key: ErasedKey) -> u64 {
    (key >> 64) as u64
}

/// Identifiers that were erased, and when.
#[derive(Clone, Debug, Default)]
pub struct Erased(HashMap<ErasedKey, i64, foldhash::fast::FixedState>);

impl Erased {
    /// An identifier was erased at this instant, or at a later one that is known already.
    pub fn remember(&mut self, key: ErasedKey, at: i64) {
        let known = self.0.entry(key).or_insert(at);
        *known = at.max(*known);
    }

    /// Whether what an identifier did at a time is not to be known any more. Costs next to nothing if nobody was ever erased.
    pub fn covers(&self, identifier: &str, time: i64) -> bool {
        !self.0.is_empty() && self.0.get(&key(identifier)).is_some_and(|at| time <= *at)
    }

    /// Whether an identifier was ever erased.
    pub fn knows(&self, identifier: &str) -> bool {
        self.covers(identifier, i64::MIN)
    }

    /// Whether nobody was ever erased.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Only those whose hash is of interest.
    pub fn of(&self, is_mine: impl Fn(u64) -> bool) -> Erased {
        Erased(
            self.0
                .iter()
                .filter(|(key, _)| is_mine(hash_of(**key)))
                .map(|(k, at)| (*k, *at))
                .collect(),
        )
    }

    /// What is left of a claim of an event of this time, without identifiers that were erased; none if nothing is said.
    pub fn admit(&self, claim: Claim, time: i64) -> Option<Claim> {
        if self.0.is_empty() {
            return Some(claim);
        }
        let is_erased = |id: &str| self.covers(id, time);
        match claim {
            // The event is of the first one.
            Claim::Together(all) if all.first().is_some_and(|id| is_erased(id)) => None,
            Claim::Together(mut all) => {
                all.retain(|id| !is_erased(id));
                Some(Claim::Together(all))
            }
            other => {
                let is_of_erased = other.identifiers().any(|id| is_erased(id));
                (!is_of_erased).then_some(other)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_before_is_covered() {
        let mut erased = Erased::default();
        assert!(!erased.covers("user:a", 0));
        erased.remember(key("user:a"), 10);
        erased.remember(key("user:a"), 5);
        assert!(erased.covers("user:a", 10) && !erased.covers("user:a", 11));
        assert!(!erased.covers("user:b", 0));
        assert!(erased.knows("user:a") && !erased.knows("user:b"));
        assert_eq!(hash_of(key("user:a")), leaf_hash("user:a"));
        let of = |ids: &[&str]| Claim::Together(ids.iter().map(|id| (*id).into()).collect());
        assert_eq!(erased.admit(of(&["user:a", "user:b"]), 7), None);
        assert_eq!(erased.admit(of(&["user:b", "user:a"]), 7), Some(of(&["user:b"])));
        assert_eq!(erased.admit(of(&["user:b", "user:a"]), 11), Some(of(&["user:b", "user:a"])));
        assert_eq!(erased.admit(Claim::Erased("user:a".into()), 10), None);
        assert!(erased.of(|_| false).is_empty());
    }
}
