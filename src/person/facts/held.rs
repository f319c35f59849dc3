//! Which facts a person holds, and where the state of each stands among them.

use crate::define::plan::FactId;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// One bit for each fact, by number, up to the last that is held; the first 128 need no memory of their own. Apart from the states, so that
/// looking for one touches little memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Held {
    words: SmallVec<[u64; 2]>,
}

impl Held {
    /// Where a fact stands, or where it would.
    pub(super) fn find(&self, fact: FactId) -> Result<usize, usize> {
        let (word, bit) = place(fact);
        let count = |words: &[u64]| words.iter().map(|word| word.count_ones() as usize).sum();
        let Some(own) = self.words.get(word) else { return Err(count(&self.words)) };
        let before: usize = count(&self.words[..word]);
        let at = before + (own & (bit - 1)).count_ones() as usize;
        if own & bit == 0 { Err(at) } else { Ok(at) }
    }

    pub(super) fn insert(&mut self, fact: FactId) {
        let (word, bit) = place(fact);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= bit;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = FactId> + '_ {
        (0..).zip(&self.words).flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros() as u16;
                left &= left.checked_sub(1)?;
                Some(FactId(at * 64 + bit))
            })
        })
    }

    /// Looks at where it lies.
    pub(super) fn look(&self) -> i64 {
        self.words.first().map_or(0, |word| word.cast_signed())
    }
}

impl FromIterator<FactId> for Held {
    fn from_iter<I: IntoIterator<Item = FactId>>(facts: I) -> Held {
        let mut held = Held::default();
        facts.into_iter().for_each(|fact| held.insert(fact));
        held
    }
}

/// Word and bit of a fact.
fn place(fact: FactId) -> (usize, u64) {
    (usize::from(fact.0 / 64), 1 << (fact.0 % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_facts_in_any_order() {
        let mut held = Held::default();
        assert_eq!(held.find(FactId(700)), Err(0));
        for fact in [200, 0, 63, 64, 127, 63] {
            held.insert(FactId(fact));
        }
        let facts: Vec<u16> = held.iter().map(|fact| fact.0).collect();
        assert_eq!(facts, [0, 63, 64, 127, 200]);
        for (at, fact) in facts.into_iter().enumerate() {
            assert_eq!(held.find(FactId(fact)), Ok(at));
            assert_eq!(held.find(FactId(fact + 1)).is_err(), fact != 63);
        }
        assert_eq!(
            [1, 65, 199, 201, 300].map(|it| held.find(FactId(it))),
            [1, 3, 4, 5, 5].map(Err)
        );
        assert_eq!(held.iter().collect::<Held>(), held);
    }
}
