//! What goes with what: for each product, those that most persons have together with it.
//!
//! Persons say which pairs of products they have, and take them back. A product and its neighbours are counted in one place, in
//! an order that gives the best at once, so that a pair costs the same whatever the number of products.

use crate::limits::RELATED_KEPT_MAX;
use std::cmp::Reverse;

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
    counts: hashbrown::HashMap<u64, u32, foldhash::fast::FixedState>,
    /// The best of them, best first.
    best: Vec<Neighbour>,
    /// None of the others comes before this one; none if there are no others.
    others: Option<Neighbour>,
    /// Whether what is best has changed since it was told.
    changed: bool,
}

/// In the order of what is best.
type Neighbour = (Reverse<u32>, u64);

impl Neighbours {
    fn add(&mut self, other: u64, more: i32) {
        let count = self.counts.entry(other).or_default();
        *count = count.saturating_add_signed(more);
        let now = (Reverse(*count), other);
        if *count == 0 {
            self.counts.remove(&other);
        }
        match self.best.iter().position(|(_, known)| *known == other) {
            Some(at) => {
                self.changed = true;
                self.best.remove(at);
                let comes_after_others = self.others.is_some_and(|others| others < now);
                if now.0.0 > 0 && !comes_after_others {
                    self.insert(now);
                } else if self.others.is_some() {
                    self.find_best();
                }
            }
            None if now.0.0 == 0 => {}
            None if self.best.len() < RELATED_KEPT_MAX || self.best.last() > Some(&now) => {
                self.changed = true;
                self.insert(now);
                if self.best.len() > RELATED_KEPT_MAX {
                    let last = self.best.pop();
                    last.into_iter().for_each(|last| self.leave_out(last));
                }
            }
            None => self.leave_out(now),
        }
    }

    fn leave_out(&mut self, one: Neighbour) {
        self.others = Some(self.others.map_or(one, |others| others.min(one)));
    }

    fn insert(&mut self, new: Neighbour) {
        let at = self.best.partition_point(|known| *known < new);
        self.best.insert(at, new);
    }

    /// Looks at all of them: one of the best may not be among these any more.
    fn find_best(&mut self) {
        let mut all: Vec<Neighbour> =
            self.counts.iter().map(|(other, count)| (Reverse(*count), *other)).collect();
        if all.len() > RELATED_KEPT_MAX {
            let (_, next, _) = all.select_nth_unstable(RELATED_KEPT_MAX);
            self.others = Some(*next);
            all.truncate(RELATED_KEPT_MAX);
        } else {
            self.others = None;
        }
        all.sort_unstable();
        self.best = all;
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
        if !std::mem::take(&mut neighbours.changed) {
            return None;
        }
        let best = neighbours.best.iter().map(|(count, other)| (*other, count.0)).collect();
        if neighbours.best.is_empty() {
            self.products.remove(&(relation, product));
        }
        Some((relation, product, best))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::rng::Rng;
    use std::collections::BTreeMap;

    #[test]
    fn the_best_are_those_of_all() {
        let mut rng = Rng::new(3);
        for turn in 0..20 {
            let (mut found, mut wanted) = (Neighbours::default(), BTreeMap::<u64, u32>::new());
            let others = rng.between(5, 90) as u64;
            for _ in 0..2_000 {
                let other = rng.below(others);
                let count = wanted.entry(other).or_default();
                let more = if *count > 0 && rng.chance(0.45) { -1 } else { 1 };
                *count = count.saturating_add_signed(more);
                found.add(other, more);
                let mut best: Vec<Neighbour> = wanted
                    .iter()
                    .filter(|(_, count)| **count > 0)
                    .map(|(other, count)| (Reverse(*count), *other))
                    .collect();
                best.sort();
                best.truncate(RELATED_KEPT_MAX);
                assert_eq!(found.best, best, "turn {turn}");
            }
        }
    }
}
