//! Claims that said nothing new when they were last made. Most of what events say of identifiers others have said a moment
//! before: each click of somebody who is logged in names the customer and the device. To find that out in the graph takes a
//! look at each identifier and its links, all over memory.

use super::Graph;
use crate::event::{Says, leaf_hash};
use crate::identity::words::{Lying, digest};

/// Places for claims, and for identifiers: half a megabyte that stays near the processor.
const PLACES: usize = 1 << 16;

/// Digests of claims that say nothing new for as long as nothing is undone.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Each in the place that its highest bits name. Whatever comes there later takes it.
    claims: Vec<u64>,
    /// How often something was undone of the identifiers in a place. It is part of the digest of every claim about one of
    /// them, so that what was settled before is found no more.
    undone: Vec<u32>,
}

impl Settled {
    fn digest(&self, identifiers: impl Iterator<Item = u64>) -> u64 {
        digest(identifiers.map(|hash| {
            let undone = self.undone.get(place(hash)).copied().unwrap_or_default();
            hash.wrapping_add(u64::from(undone))
        }))
    }

    fn note(&mut self, digest: u64) {
        if self.claims.is_empty() {
            self.claims = vec![0; PLACES];
        }
        self.claims[place(digest)] = digest;
    }

    fn has(&self, digest: u64) -> bool {
        self.claims.get(place(digest)).is_some_and(|known| *known == digest && digest != 0)
    }

    /// A link of an identifier has gone, or it has begun anew.
    pub(super) fn undo(&mut self, identifier: &str) {
        if self.claims.is_empty() {
            return;
        }
        self.undone.resize(PLACES, 0);
        let undone = &mut self.undone[place(leaf_hash(identifier))];
        *undone = undone.wrapping_add(1);
    }
}

fn place(digest: u64) -> usize {
    (digest >> 48) as usize
}

impl Graph {
    /// Whether a claim says nothing new, remembered.
    pub fn is_settled(&mut self, claim: Lying<'_>) -> bool {
        if claim.says != Says::Together {
            return false;
        }
        let digest = self.settled.digest(claim.hashes());
        let known = self.settled.has(digest) || self.is_one(self.places(claim));
        if known {
            self.settled.note(digest);
        }
        known
    }

    /// The identifiers of a claim, with the places where they are looked for one after the other.
    fn places<'a>(&self, claim: Lying<'a>) -> impl Iterator<Item = (&'a str, Option<u32>)> {
        claim.identifiers().map(|(id, hash)| (id, self.place_of(id, hash)))
    }
}
