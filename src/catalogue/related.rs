//! What goes with what: for each product, those that most persons have together with it.
//!
//! Persons say which pairs of products they have, and take them back. A product and its neighbours are counted in one place, in
//! an order that gives the best at once, so that a pair costs the same whatever the number of products.

use super::ByNumber;
use crate::event::radix;
use crate::limits::RELATED_KEPT_MAX;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::cmp::Reverse;

/// That a person has two products by a relation, or has not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    pub product: u64,
    pub other: u64,
    /// 1 for a person more, -1 for one fewer.
    pub more: i32,
    pub relation: u8,
}

impl Pair {
    /// Whose neighbours it changes.
    fn of(&self) -> (u8, u64) {
        (self.relation, self.product)
    }
}

/// What has changed about what goes best with a product: relation, product, another one, and how many persons have both; 0 if it is not among
/// the best any more.
pub type Best = (u8, u64, u64, u32);

/// So many pairs are looked up together before they are taken in: what they touch has room in the second of the processor's caches.
const NEAR: usize = 256;

/// Neighbours of a product that are kept in order.
const IN_ORDER_MAX: usize = 2 * RELATED_KEPT_MAX;

/// The products of one worker, with their neighbours.
#[derive(Debug, Default)]
pub struct Related {
    products: ByNumber<(u8, u64), Neighbours>,
}

#[derive(Debug, Default)]
struct Neighbours {
    counts: ByNumber<u64, Count>,
    /// The first of them, best first. They are more than are told, so that one of them can fall back without a look at all.
    best: Vec<Neighbour>,
    /// All of the best come before this one, and none of the others does; none if there are no others.
    others: Option<Neighbour>,
    /// What was told last, as it was then.
    told: Vec<Neighbour>,
    /// The places in the order at which that may not be so any more: from the first to before the last.
    changed: Option<(usize, usize)>,
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
        match (was_best, is_best) {
            (true, true) => self.move_best(before, now),
            (true, false) => {
                let at = self.place(&before);
                self.best.remove(at);
                self.change(at, usize::MAX);
            }
            (false, true) => {
                let at = self.best.partition_point(|known| *known < now);
                self.best.insert(at, now);
                self.change(at, usize::MAX);
            }
            (false, false) => {}
        }
        if is_held && !is_best {
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

    /// One of the best has come nearer to the first of them or gone further from it: mostly it is by no more than a few places.
    fn move_best(&mut self, before: Neighbour, now: Neighbour) {
        let mut at = self.place(&before);
        let first = at;
        while at > 0 && self.best[at - 1] > now {
            self.best[at] = self.best[at - 1];
            at -= 1;
        }
        while at + 1 < self.best.len() && self.best[at + 1] < now {
            self.best[at] = self.best[at + 1];
            at += 1;
        }
        self.best[at] = now;
        self.change(first.min(at), first.max(at) + 1);
    }

    fn change(&mut self, from: usize, to: usize) {
        let (first, last) = self.changed.unwrap_or((from, to));
        self.changed = Some((first.min(from), last.max(to)));
    }

    fn place(&self, one: &Neighbour) -> usize {
        self.best.binary_search(one).expect("the best are in their order")
    }

    /// Tells what those do not know who have heard all that was told before.
    fn news(&mut self, tell: &mut impl FnMut(u64, u32)) {
        let Some((from, to)) = self.changed.take() else { return };
        if from >= RELATED_KEPT_MAX {
            return;
        }
        let best = &self.best[from..self.best.len().min(RELATED_KEPT_MAX).min(to)];
        let told = &self.told[from..self.told.len().min(to)];
        // Where some have only changed places nothing else is looked at. Where others have come or gone, all may have moved: what is as
        // it was at the end of it is passed over.
        let alike = |(a, b): &(&Neighbour, &Neighbour)| a == b;
        let last = best.iter().rev().zip(told.iter().rev()).take_while(alike).count();
        let (new, old) = (&best[..best.len() - last], &told[..told.len() - last]);
        let come: SmallVec<[Neighbour; 8]> = without(new, old).copied().collect();
        come.iter().for_each(|(count, it)| tell(*it, count.0));
        let gone = without(old, new).filter(|(_, it)| !come.iter().any(|(_, other)| other == it));
        gone.for_each(|(_, it)| tell(*it, 0));
        if best.len() == told.len() {
            let places = from..from + best.len();
            self.told[places].copy_from_slice(best);
        } else {
            self.told.truncate(from);
            self.told.extend_from_slice(best);
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
        self.change(0, usize::MAX);
    }
}

/// Those of the first that are not among the second, both in their order.
fn without<'a>(
    these: &'a [Neighbour],
    mut others: &'a [Neighbour],
) -> impl Iterator<Item = &'a Neighbour> {
    these.iter().filter(move |it| {
        while let [first, rest @ ..] = others
            && first < *it
        {
            others = rest;
        }
        others.first() != Some(*it)
    })
}

impl Related {
    /// Takes in what was said in one epoch, and gives what has changed about what goes best with products, one product after the other.
    pub fn take(&mut self, pairs: &[Pair]) -> Vec<Best> {
        let pairs = together(pairs);
        let mut changed: Vec<Best> = Vec::new();
        let (mut rest, mut near) = (&pairs[..], 0);
        while let Some(of) = rest.first().map(Pair::of) {
            let count = rest.iter().take_while(|pair| pair.of() == of).count();
            if near < count {
                let until = count.max(NEAR.min(rest.len()));
                self.look_up(&rest[near..until]);
                near = until;
            }
            let (of_one, others) = rest.split_at(count);
            self.take_of_one(of_one, &mut changed);
            (rest, near) = (others, near - count);
        }
        changed
    }

    /// Takes in what was said about one product.
    fn take_of_one(&mut self, pairs: &[Pair], changed: &mut Vec<Best>) {
        let (relation, product) = pairs[0].of();
        let neighbours = self.products.entry((relation, product)).or_default();
        // What takes back what another says is not counted there and back: that takes a fifth of a run with many journeys.
        for same in pairs.chunk_by(|a, b| a.other == b.other) {
            let more: i32 = same.iter().map(|pair| pair.more).sum();
            if more != 0 {
                neighbours.add(same[0].other, more);
            }
        }
        neighbours.news(&mut |other, count| changed.push((relation, product, other, count)));
        if neighbours.best.is_empty() {
            self.products.remove(&(relation, product));
        }
    }

    /// Looks at all that pairs are about before anything is done with it. They lie all over memory, and what is looked for together comes
    /// together, instead of one after the other.
    fn look_up(&self, pairs: &[Pair]) {
        let mut seen = 0;
        for of_one in pairs.chunk_by(|a, b| a.of() == b.of()) {
            let Some(neighbours) = self.products.get(&of_one[0].of()) else { continue };
            let count = |pair: &Pair| neighbours.counts.get(&pair.other).map_or(0, |it| it.persons);
            seen ^= of_one.iter().fold(0, |seen, pair| seen ^ count(pair));
            seen ^= neighbours.best.iter().step_by(4).fold(0, |seen, (count, _)| seen ^ count.0);
        }
        std::hint::black_box(seen);
    }
}

/// Puts together what is about one product, and in it what is about the same other one. Numbers of products are hashes, and what stands here for
/// relation and product is one as well: two with the same would lie among one another, which takes longer and changes nothing.
fn together(pairs: &[Pair]) -> Vec<Pair> {
    let whose = |pair: &Pair| pair.product.rotate_left(u32::from(pair.relation));
    let key = |pair: &Pair| u128::from(whose(pair)) << 64 | u128::from(pair.other);
    radix::sorted(pairs, whose, |part| part.sort_unstable_by_key(key))
}

/// Takes in what has changed about what goes best with a product.
pub fn hear(known: &mut Vec<(u64, u32)>, other: u64, count: u32) {
    match known.iter().position(|(known, _)| *known == other) {
        Some(at) if count == 0 => drop(known.swap_remove(at)),
        Some(at) => known[at].1 = count,
        None if count > 0 => known.push((other, count)),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::rng::Rng;
    use std::collections::BTreeMap;

    #[test]
    fn pairs_about_one_product_come_together() {
        let mut rng = Rng::new(7);
        for count in [0, 1, 7, 8, 9, 100, 3_000] {
            let pair = |rng: &mut Rng| Pair {
                product: super::super::number(&rng.below(40).to_string()),
                other: rng.below(5),
                more: 1,
                relation: rng.below(3) as u8,
            };
            let mut pairs: Vec<Pair> = (0..count).map(|_| pair(&mut rng)).collect();
            let sorted = together(&pairs);
            let whose = |it: &Pair| (it.relation, it.product, it.other);
            let groups = sorted.chunk_by(|a, b| a.of() == b.of());
            let mut owners: Vec<(u8, u64)> = groups.clone().map(|same| same[0].of()).collect();
            assert!(groups.clone().all(|same| same.is_sorted_by_key(whose)));
            owners.sort_unstable();
            assert!(owners.is_sorted_by(|a, b| a < b), "each product once");
            pairs.sort_unstable_by_key(whose);
            let mut all = sorted;
            all.sort_unstable_by_key(whose);
            assert_eq!(all, pairs);
        }
    }

    #[test]
    fn the_best_are_those_of_all() {
        let mut rng = Rng::new(3);
        for turn in 0..20 {
            let (mut found, mut wanted) = (Neighbours::default(), BTreeMap::<u64, u32>::new());
            let others = rng.between(5, 200) as u64;
            let mut heard = Vec::new();
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
                if rng.chance(0.3) {
                    found.news(&mut |other, count| hear(&mut heard, other, count));
                    let mut heard: Vec<Neighbour> =
                        heard.iter().map(|(other, count)| (Reverse(*count), *other)).collect();
                    heard.sort();
                    assert_eq!(heard, best, "turn {turn}, as heard");
                }
            }
        }
    }
}
