//! What the events of an epoch say of identifiers, in one piece of memory: most of it says nothing new, which is found out by the hashes
//! alone. Claim by claim it would be some blocks of memory each, made on one worker and freed on another.

use super::{When, when};
use crate::define::plan::IdentityPlan;
use crate::event::{Claim, Event, Says, leaf_hash};
use serde::{Deserialize, Serialize};

/// What events of an epoch say, in no order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Words {
    claims: Vec<Word>,
    /// Their identifiers: each with its hash, and the end of its name in `text`.
    identifiers: Vec<(u64, u32)>,
    text: String,
    /// Hashes of identifiers under which something came that does not link them to others.
    pub alone: Vec<u64>,
    /// Hashes of identifiers of which there was something.
    pub seen: Vec<(When, u64)>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Word {
    at: When,
    says: Says,
    /// The end of its identifiers, which begin where those of the one before end.
    end: u32,
}

/// A claim as it lies among others.
#[derive(Clone, Copy)]
pub struct Lying<'a> {
    pub at: When,
    pub says: Says,
    words: &'a Words,
    first: usize,
    end: usize,
}

impl Words {
    /// Whether they say nothing.
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty() && self.alone.is_empty() && self.seen.is_empty()
    }

    /// Takes out of an event what it says about identifiers. The instant is that of the event; when the epoch begins is not known yet.
    pub fn take(&mut self, event: &mut Event, rules: &IdentityPlan) {
        let at = when(event, i64::MIN);
        let links = matches!(event.says, Says::Together | Says::Alias);
        if event.also.is_empty() || !links {
            self.alone.push(event.hash);
        }
        if !event.also.is_empty() || !links {
            self.name(&event.leaf, event.hash);
            for also in std::mem::take(&mut event.also) {
                self.name(&also, leaf_hash(&also));
            }
            let end = self.identifiers.len() as u32;
            self.claims.push(Word { at, says: event.says, end });
        }
        if event.says != Says::Erased && rules.notices(&event.leaf) {
            self.seen.push((at, event.hash));
        }
    }

    fn name(&mut self, identifier: &str, hash: u64) {
        self.text.push_str(identifier);
        self.identifiers.push((hash, self.text.len() as u32));
    }

    /// All claims.
    pub fn claims(&self) -> impl Iterator<Item = Lying<'_>> {
        let mut first = 0;
        self.claims.iter().map(move |word| {
            let end = word.end as usize;
            let begin = std::mem::replace(&mut first, end);
            Lying { at: word.at, says: word.says, words: self, first: begin, end }
        })
    }
}

impl<'a> Lying<'a> {
    /// The hashes of its identifiers.
    pub fn hashes(self) -> impl Iterator<Item = u64> + Clone + 'a {
        self.words.identifiers[self.first..self.end].iter().map(|(hash, _)| *hash)
    }

    /// Tells it from all others that say that identifiers came together; nothing if it says something else.
    pub fn digest(self) -> Option<u64> {
        (self.says == Says::Together).then(|| digest(self.hashes()))
    }

    /// Its identifiers, with their hashes, the one that the event came in under first.
    pub fn identifiers(self) -> impl Iterator<Item = (&'a str, u64)> + Clone {
        let Words { identifiers, text, .. } = self.words;
        (self.first..self.end).map(move |at| {
            let begin = at.checked_sub(1).map_or(0, |before| identifiers[before].1);
            let (hash, end) = identifiers[at];
            (&text[begin as usize..end as usize], hash)
        })
    }

    /// The claim by itself.
    pub fn claim(self) -> Claim {
        let mut identifiers = self.identifiers().map(|(identifier, _)| identifier.into());
        let leaf = identifiers.next().expect("a claim is about its own identifier at least");
        match self.says {
            Says::Together => Claim::Together(std::iter::once(leaf).chain(identifiers).collect()),
            Says::Alias => Claim::Alias(leaf, identifiers.next().expect("an alias names another")),
            Says::Apart => match identifiers.next() {
                None => Claim::Apart(leaf, None),
                Some(named) => Claim::Apart(named, Some(leaf)),
            },
            Says::Erased => Claim::Erased(leaf),
        }
    }
}

/// An odd number without a pattern: the golden ratio, as Fibonacci hashing has it (Knuth, TAOCP 3, 6.4).
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// A number for several in their order.
pub(super) fn digest(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, |digest: u64, number| (digest.rotate_left(5) ^ number).wrapping_mul(SPREAD))
}
