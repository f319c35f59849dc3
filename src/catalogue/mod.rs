//! What there is to sell: the latest record of each product, what accessories are for, and what goes with what.
//!
//! Every worker has all of it. A record counts from the end of its epoch on, so that everybody sees the same, whatever the number
//! of workers. Pure: [`crate::person::keyed`] feeds it, and [`related`] counts what persons have together.

pub mod related;

use crate::define::plan::{CataloguePlan, Relation};
use crate::event::{AsIs, Event, Value};
use compact_str::CompactString;
use related::Best;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeSet;

type HashMap<K, V> = hashbrown::HashMap<K, V, foldhash::fast::FixedState>;

/// What is read of a product, by slot.
pub type Fields = Vec<(u16, Value)>;

/// The latest record of a product.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Product {
    time: i64,
    fields: Fields,
}

/// What is known of all products.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    products: HashMap<CompactString, Product>,
    /// By what they are for.
    accessories: HashMap<CompactString, BTreeSet<CompactString>>,
    /// By relation and product: what goes best with it, and how many persons have both.
    related: ByNumber<(u8, u64), Vec<(u64, u32)>>,
    names: HashMap<u64, CompactString>,
}

/// A record that has changed a product.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    pub product: CompactString,
    pub now: Fields,
    pub before: Fields,
}

/// The number by which a product is known where many are kept.
pub fn number(product: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(product.as_bytes())
}

/// What is kept of many products: their numbers are hashes already.
pub type ByNumber<K, V> = hashbrown::HashMap<K, V, AsIs>;

/// The value in a slot; missing if there is none.
pub fn field(fields: &Fields, slot: u16) -> &Value {
    fields.iter().find(|(known, _)| *known == slot).map_or(&Value::Missing, |(_, value)| value)
}

impl Catalogue {
    /// Takes in a record: what it does not say stays as it was. One that is older than the latest changes nothing.
    pub fn take(&mut self, plan: &CataloguePlan, event: &Event) -> Option<Update> {
        let id = event.value(plan.product).key()?;
        let known = self.products.get(&id).cloned().unwrap_or_default();
        if !known.fields.is_empty() && event.time < known.time {
            return None;
        }
        let mut product = Product { time: event.time, fields: known.fields.clone() };
        for (slot, value) in &event.values {
            match product.fields.iter_mut().find(|(known, _)| known == slot) {
                Some((_, known)) => known.clone_from(value),
                None => product.fields.push((*slot, value.clone())),
            }
        }
        let now = product.fields.clone();
        self.put(plan, id.clone(), product);
        (now != known.fields).then_some(Update { product: id, now, before: known.fields })
    }

    /// Puts a record in its place, and the product with what it is an accessory of.
    pub fn put(&mut self, plan: &CataloguePlan, id: CompactString, product: Product) {
        let mains = |product: &Product| -> Vec<CompactString> {
            let mut mains = Vec::new();
            if let Some(slot) = plan.accessory_of {
                field(&product.fields, slot).each(&mut |value| mains.extend(value.key()));
            }
            mains
        };
        let new = mains(&product);
        let old = self.products.insert(id.clone(), product).map(|old| mains(&old));
        for main in old.into_iter().flatten().filter(|main| !new.contains(main)) {
            if let Some(accessories) = self.accessories.get_mut(&main) {
                accessories.remove(&id);
            }
        }
        for main in new {
            self.accessories.entry(main).or_default().insert(id.clone());
        }
    }

    /// The record of a product.
    pub fn record(&self, product: &str) -> Option<&Product> {
        self.products.get(product)
    }

    /// What the record of a product says in a slot.
    pub fn value(&self, product: &str, slot: u16) -> &Value {
        self.products.get(product).map_or(&Value::Missing, |product| field(&product.fields, slot))
    }

    /// The accessories of products, each once, in the order of the products and of their names.
    pub fn accessories(&self, products: &[CompactString]) -> Vec<CompactString> {
        let mut found: Vec<CompactString> = Vec::new();
        for product in products {
            for accessory in self.accessories.get(product).into_iter().flatten() {
                if !found.contains(accessory) {
                    found.push(accessory.clone());
                }
            }
        }
        found
    }

    /// The products that go best with these and are none of them: those that most persons have with them first, then by name.
    pub fn related(
        &self,
        relation: Relation,
        products: &[CompactString],
        most: usize,
    ) -> Vec<CompactString> {
        let mut given: Vec<u64> = products.iter().map(|product| number(product)).collect();
        given.sort_unstable();
        given.dedup();
        let known = given.iter().filter_map(|it| self.related.get(&(relation as u8, *it)));
        let others = known.flatten().filter(|(other, _)| given.binary_search(other).is_err());
        let mut scores: Vec<(u64, u64)> =
            others.map(|(other, count)| (*other, u64::from(*count))).collect();
        scores.sort_unstable();
        scores.dedup_by(|next, one| {
            let same = next.0 == one.0;
            one.1 += if same { next.1 } else { 0 };
            same
        });
        let last = last_of(scores.iter().map(|(_, score)| *score).collect(), most);
        let mut named = self.named(&scores, last);
        if named.len() < most {
            // Some of them have no name.
            named = self.named(&scores, 0);
        }
        named.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        named.into_iter().take(most).map(|(_, name)| name.clone()).collect()
    }

    /// The names of products whose scores are no less, each after its score. They lie all over memory.
    fn named(&self, scores: &[(u64, u64)], least: u64) -> Vec<(u64, &CompactString)> {
        let first = scores.iter().filter(|(_, score)| *score >= least);
        first.filter_map(|(other, score)| Some((*score, self.names.get(other)?))).collect()
    }

    /// What has changed about what goes best with products, in their order.
    pub fn hear_related(&mut self, news: &[Best]) {
        let of_each = || news.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1));
        // They lie all over memory, and what is looked for together comes together.
        let look = |of_one: &[Best]| {
            let known = self.related.get(&(of_one[0].0, of_one[0].1))?;
            Some(known.iter().step_by(4).fold(0, |seen, (other, _)| seen ^ other))
        };
        std::hint::black_box(of_each().filter_map(look).fold(0, |seen, it| seen ^ it));
        for of_one in of_each() {
            let of = (of_one[0].0, of_one[0].1);
            let known = self.related.entry(of).or_default();
            of_one.iter().for_each(|(_, _, other, count)| related::hear(known, *other, *count));
            if known.is_empty() {
                self.related.remove(&of);
            }
        }
    }

    /// The name of a product that somebody has.
    pub fn hear_name(&mut self, number: u64, name: CompactString) {
        self.names.insert(number, name);
    }
}

/// The last of so many scores, if the highest come first; 0 if there are no more of them.
fn last_of(mut scores: Vec<u64>, count: usize) -> u64 {
    match count.checked_sub(1) {
        Some(last) if last < scores.len() => {
            *scores.select_nth_unstable_by_key(last, |score| Reverse(*score)).1
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::rng::Rng;
    use std::collections::BTreeMap;

    #[test]
    fn those_come_first_that_go_best_with_all_of_them() {
        let mut rng = Rng::new(5);
        for _ in 0..200 {
            let mut catalogue = Catalogue::default();
            let name = |at: u64| CompactString::from(format!("p{at}"));
            let mut counts: BTreeMap<(u64, u64), u32> = BTreeMap::new();
            for _ in 0..rng.below(60) {
                counts.insert((rng.below(8), rng.below(8)), rng.between(1, 4) as u32);
            }
            let relation = Relation::Similar;
            let best = counts.iter().map(|((one, other), count)| {
                (relation as u8, number(&name(*one)), number(&name(*other)), *count)
            });
            catalogue.hear_related(&best.collect::<Vec<Best>>());
            let known: Vec<u64> = (0..8).filter(|_| rng.chance(0.9)).collect();
            known.iter().for_each(|at| catalogue.hear_name(number(&name(*at)), name(*at)));
            let given: Vec<u64> = (0..rng.below(4)).map(|_| rng.below(8)).collect();
            let score = |other: u64| {
                let ones: BTreeSet<&u64> = given.iter().collect();
                let count = |one: &&u64| counts.get(&(**one, other)).copied().unwrap_or(0);
                ones.iter().map(count).sum::<u32>()
            };
            let others = known.iter().filter(|other| !given.contains(other) && score(**other) > 0);
            let mut wanted: Vec<(Reverse<u32>, CompactString)> =
                others.map(|other| (Reverse(score(*other)), name(*other))).collect();
            wanted.sort();
            for most in 0..5 {
                let products: Vec<CompactString> = given.iter().map(|at| name(*at)).collect();
                let found = catalogue.related(relation, &products, most);
                let wanted = wanted.iter().take(most).map(|(_, name)| name);
                assert!(found.iter().eq(wanted), "{found:?}");
            }
        }
    }
}
