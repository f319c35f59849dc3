//! Which products a person has in the facts by which the catalogue concerns people: said when it changes, and taken back.

use super::eval::{Cx, Val};
use super::{Person, facts};
use crate::catalogue::number;
use crate::define::plan::expr::BasketField;
use crate::define::plan::{CataloguePlan, FactId, FactRule, Plan};
use crate::event::Value;
use crate::limits::RELATED_OF_MAX;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// What one person has said: fact and product, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Lists {
    /// Products that concern the person by a fact.
    has: Vec<(u16, u64)>,
    /// Products that belong together because the person has them, by relation.
    together: Vec<(u8, u64)>,
}

/// Who is told what a person says.
pub(super) trait Hears {
    /// The name of a product, of every one that is said.
    fn name(&mut self, number: u64, name: &str);
    /// A product concerns the person by a fact, or does not any more.
    fn has(&mut self, fact: u16, product: u64, comes: bool);
    /// The person has two products by a relation, or has not any more. Each pair is said once.
    fn together(&mut self, relation: u8, one: u64, other: u64, comes: bool);
}

impl Lists {
    /// Whether nothing is said.
    fn is_empty(&self) -> bool {
        self.has.is_empty() && self.together.is_empty()
    }
}

/// Says what is otherwise than it was said before, as of `now`. Notes when a value will change by itself.
pub(super) fn say(person: &mut Person, plan: &Plan, now: i64, to: &mut impl Hears) {
    let Some(catalogue) = &plan.catalogue else { return take_back(person, to) };
    let now = now.max(person.now);
    let cx = Cx::of(plan, person, now);
    let lists = lists(&cx, catalogue, to);
    let recheck = cx.recheck.get();
    person.recheck = person.recheck.min(recheck);
    let mut said = person.lists.take().unwrap_or_default();
    change(&said, &lists, to);
    if !lists.is_empty() {
        *said = lists;
        person.lists = Some(said);
    }
}

/// Says it all again, to those who know nothing of it.
pub(super) fn say_again(person: &Person, to: &mut impl Hears) {
    if let Some(lists) = &person.lists {
        change(&Lists::default(), lists, to);
    }
}

/// Takes everything back.
pub(super) fn take_back(person: &mut Person, to: &mut impl Hears) {
    if let Some(lists) = person.lists.take() {
        change(&lists, &Lists::default(), to);
    }
}

fn lists(cx: &Cx, catalogue: &CataloguePlan, to: &mut impl Hears) -> Lists {
    let mut lists = Lists::default();
    for &fact in &catalogue.listed {
        let products: Vec<u64> = products(cx, fact)
            .iter()
            .map(|name| {
                let number = number(name);
                to.name(number, name);
                number
            })
            .collect();
        for (relation, _) in (0..).zip(&catalogue.related).filter(|(_, of)| **of == Some(fact)) {
            let last = &products[products.len().saturating_sub(RELATED_OF_MAX)..];
            lists.together.extend(last.iter().map(|product| (relation, *product)));
        }
        lists.has.extend(products.into_iter().map(|product| (fact.0, product)));
    }
    lists.has.sort_unstable();
    lists.has.dedup();
    lists.together.sort_unstable();
    lists.together.dedup();
    lists
}

/// The products that a fact holds; those of a keyed one for all keys.
fn products(cx: &Cx, fact: FactId) -> Vec<CompactString> {
    let plan = &cx.plan.facts[usize::from(fact.0)];
    let read = |cx: &Cx| -> Vec<CompactString> {
        let value = match plan.rule {
            FactRule::Basket(_) => facts::read_basket(cx, fact, BasketField::ProductIds),
            _ => facts::read(cx, fact),
        };
        let mut names = Vec::new();
        let mut add = |value: &Value| names.extend(value.key());
        match value {
            Val::List(items) => items.iter().for_each(&mut add),
            other => other.into_value().each(&mut add),
        }
        names
    };
    if plan.per.is_none() {
        return read(cx);
    }
    let keys = facts::keys(cx.person, fact);
    let of_key = |key: &CompactString| {
        let keyed = Cx { key: Some(key), ..Cx::of(cx.plan, cx.person, cx.now) };
        let found = read(&keyed);
        cx.recheck_at(keyed.recheck.get());
        found
    };
    keys.iter().flat_map(of_key).collect()
}

/// Says what lies between two lists.
fn change(before: &Lists, after: &Lists, to: &mut impl Hears) {
    let gone = |it: &&(u16, u64)| after.has.binary_search(it).is_err();
    before.has.iter().filter(gone).for_each(|&(fact, product)| to.has(fact, product, false));
    let new = |it: &&(u16, u64)| before.has.binary_search(it).is_err();
    after.has.iter().filter(new).for_each(|&(fact, product)| to.has(fact, product, true));
    pairs(&before.together, &after.together, &mut |relation, one, other| {
        to.together(relation, one, other, false);
    });
    pairs(&after.together, &before.together, &mut |relation, one, other| {
        to.together(relation, one, other, true);
    });
}

/// The pairs of one list that the other does not have, each once.
fn pairs(of: &[(u8, u64)], without: &[(u8, u64)], say: &mut impl FnMut(u8, u64, u64)) {
    let single: Vec<bool> = of.iter().map(|it| without.binary_search(it).is_err()).collect();
    for (at, &(relation, one)) in of.iter().enumerate().filter(|(at, _)| single[*at]) {
        for (other_at, &(_, other)) in of.iter().enumerate().filter(|(_, it)| it.0 == relation) {
            // Two that are both new are one pair, not two.
            if other_at != at && (!single[other_at] || other_at > at) {
                say(relation, one, other);
            }
        }
    }
}

/// Whether a product can concern persons by a fact by which it could not before.
pub(super) fn is_new(plan: &Plan, before: &Plan) -> bool {
    let known =
        |catalogue: &Option<CataloguePlan>| catalogue.clone().map(|it| (it.listed, it.related));
    plan.catalogue.is_some() && known(&plan.catalogue) != known(&before.catalogue)
}

/// Whether events can change what a person says.
pub(super) fn concern(plan: &Plan, mut kinds: impl Iterator<Item = crate::event::Kind>) -> bool {
    plan.catalogue.as_ref().is_some_and(|it| kinds.any(|kind| it.listed_by.has(kind)))
}
