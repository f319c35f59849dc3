//! What goes with what: for each product, those that most persons have together with it.
//!
//! Persons say which pairs of products they have, and take them back. A product and its neighbours are counted in one place, in
//! an order that gives the best at once, so that a pair costs the same whatever the number of products.

use crate::limits::RELATED_KEPT_MAX;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// That a person has two products by a relation: relation, product, the other one; and whether it is one person more or fewer.
pub type Pair = ((u8, u64, u64), i32);

/// What goes best with a product, and how many persons have both.
pub type Best = (u8, u64, Vec<(u64, u32)>);

/// The products of one worker, with their neighbours.
#[derive(Debug, Default)]
pub struct Related {
    products: hashbrown::HashMap<(u8, u64), Neighbours, foldhash::fast::FixedState>,
}

#[derive(Debug, Default)]
struct Neighbours {
    counts: BTreeMap<u64, u32>,
    order: BTreeSet<(Reverse<u32>, u64)>,
    /// What was told last.
    told: Vec<(u64, u32)>,
}

impl Neighbours {
    fn add(&mut self, other: u64, more: i32) {
        let count = self.counts.entry(other).or_default();
        self.order.remove(&(Reverse(*count), other));
        *count = count.saturating_add_signed(more);
        match *count {
            0 => drop(self.counts.remove(&other)),
            count => drop(self.order.insert((Reverse(count), other))),
        }
    }

    fn best(&self) -> Vec<(u64, u32)> {
        self.order.iter().take(RELATED_KEPT_MAX).map(|(count, other)| (*other, count.0)).collect()
    }
}

impl Related {
    /// Takes in what was said in one epoch, and gives what goes best with the products for which that has changed, in order.
    pub fn take(&mut self, mut pairs: Vec<Pair>) -> Vec<Best> {
        pairs.sort_unstable();
        let mut changed: Vec<(u8, u64)> = Vec::new();
        for same in pairs.chunk_by(|a, b| a.0 == b.0) {
            let ((relation, product, other), _) = same[0];
            let more: i32 = same.iter().map(|(_, more)| more).sum();
            if more != 0 {
                self.products.entry((relation, product)).or_default().add(other, more);
                if changed.last() != Some(&(relation, product)) {
                    changed.push((relation, product));
                }
            }
        }
        changed.into_iter().filter_map(|product| self.news(product)).collect()
    }

    fn news(&mut self, (relation, product): (u8, u64)) -> Option<Best> {
        let neighbours = self.products.get_mut(&(relation, product))?;
        let best = neighbours.best();
        if best == neighbours.told {
            return None;
        }
        if best.is_empty() {
            self.products.remove(&(relation, product));
        } else {
            neighbours.told.clone_from(&best);
        }
        Some((relation, product, best))
    }
}
