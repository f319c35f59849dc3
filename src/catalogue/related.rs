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

/// Neighbours of a product that are kept in order.
const IN_ORDER_MAX: usize = 2 * RELATED_KEPT_MAX;

/// The products of one worker, with their neighbours.
#[derive(Debug, Default)]
pub struct Related {
    products: hashbrown::HashMap<(u8, u64), Neighbours, foldhash::fast::FixedState>,
}

#[derive(Debug, Default)]
struct Neighbours {
    counts: hashbrown::HashMap<u64, Count, foldhash::fast::FixedState>,
    /// The first of them, best first. They are more than are told, so that one of them can fall back without a look at all.
    best: Vec<Neighbour>,
    /// All of the best come before this one, and none of the others does; none if there are no others.
    others: Option<Neighbour>,
    /// Whether what is told has changed since it was.
    changed: bool,
}

/// How many persons have a neighbour too, and whether it is one of the best.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    persons: u32,
    is_best: bool,
}

/// In the order of what is best.
type Neighbour = (Reverse<u32>, u64);

impl Neighbours {
    fn add(&mut self, other: u64, more: i32) {
        let known = self.counts.entry(other).or_default();
        let before = (Reverse(known.persons), other);
        known.persons = known.persons.saturating_add_signed(more);
        let now = (Reverse(known.persons), other);
        let is_held = known.persons > 0;
        let was_best = known.is_best;
        known.is_best = is_held && self.others.is_none_or(|others| now < others);
        let is_best = known.is_best;
        if !is_held {
            self.counts.remove(&other);
        }
        if was_best {
            let at = self.best.binary_search(&before).expect("the best are in their order");
            self.best.remove(at);
            self.changed |= at < RELATED_KEPT_MAX;
        }
        if is_best {
            let at = self.best.partition_point(|known| *known < now);
            self.best.insert(at, now);
            self.changed |= at < RELATED_KEPT_MAX;
        } else if is_held {
            self.leave_out(now);
        }
        if self.best.len() > IN_ORDER_MAX
            && let Some(last) = self.best.pop()
        {
            self.mark(last.1, false);
            self.leave_out(last);
        }
        if self.best.len() < RELATED_KEPT_MAX && self.others.is_some() {
            self.find_best();
        }
    }

    fn leave_out(&mut self, one: Neighbour) {
        self.others = Some(self.others.map_or(one, |others| others.min(one)));
    }

    fn mark(&mut self, other: u64, is_best: bool) {
        if let Some(count) = self.counts.get_mut(&other) {
            count.is_best = is_best;
        }
    }

    /// Looks at all of them: some of the best may not be in the order any more.
    fn find_best(&mut self) {
        let mut all: Vec<Neighbour> =
            self.counts.iter().map(|(other, count)| (Reverse(count.persons), *other)).collect();
        self.others = None;
        if all.len() > IN_ORDER_MAX {
            let (_, next, _) = all.select_nth_unstable(IN_ORDER_MAX);
            self.others = Some(*next);
            all.truncate(IN_ORDER_MAX);
        }
        all.sort_unstable();
        self.counts.values_mut().for_each(|count| count.is_best = false);
        all.iter().for_each(|(_, other)| self.mark(*other, true));
        self.best = all;
        self.changed = true;
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
        let best = neighbours.best.iter().take(RELATED_KEPT_MAX);
        let best = best.map(|(count, other)| (*other, count.0)).collect();
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
            let others = rng.between(5, 200) as u64;
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
                let told = &found.best[..found.best.len().min(RELATED_KEPT_MAX)];
                assert_eq!(told, best, "turn {turn}");
            }
        }
    }
}
