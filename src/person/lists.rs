//! Which products a person has in the facts by which the catalogue concerns people: said when it changes, and taken back.

use super::eval::{Cx, Val};
use super::{Person, facts};
use crate::catalogue::number;
use crate::define::plan::expr::BasketField;
use crate::define::plan::{CataloguePlan, FactId, FactRule, Kinds, Listed, Plan};
use crate::event::{Event, Value};
use crate::limits::RELATED_OF_MAX;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// Few persons have more products than these in one list.
const FEW: usize = 32;

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
    /// Looks at where they begin.
    pub(super) fn look(&self) -> i64 {
        self.has.len() as i64
    }

    /// Looks at something of each line of memory.
    pub(super) fn look_behind(&self) -> i64 {
        let has = self.has.iter().step_by(4).fold(0, |seen, it| seen ^ it.1);
        self.together.iter().step_by(4).fold(has, |seen, it| seen ^ it.1) as i64
    }

    /// Whether nothing is said.
    fn is_empty(&self) -> bool {
        self.has.is_empty() && self.together.is_empty()
    }
}

/// Says what is otherwise than it was said before, as of `now`: of the facts that these events may have changed, or of all. Notes when
/// a value will change by itself.
pub(super) fn say(
    person: &mut Person,
    plan: &Plan,
    now: i64,
    events: Option<&[Event]>,
    to: &mut impl Hears,
) {
    let Some(catalogue) = &plan.catalogue else { return take_back(person, to) };
    // What a journey does when a timer fires may be anything too.
    let concerns = |kinds: &Kinds| {
        events.is_none_or(|events| match events {
            [] => kinds.are_all(),
            _ => events.iter().any(|event| kinds.has(event.kind)),
        })
    };
    if events.is_some() && !catalogue.listed.iter().any(|it| concerns(&it.changed_by)) {
        return;
    }
    let now = now.max(person.now);
    let mut said = person.lists.take().unwrap_or_default();
    let cx = Cx::of(plan, person, now);
    let lists = lists(&cx, catalogue, &said, concerns, to);
    let recheck = cx.recheck.get();
    person.recheck = person.recheck.min(recheck);
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

/// What there is to say: read of the facts that are concerned, of the others as it was.
fn lists(
    cx: &Cx,
    catalogue: &CataloguePlan,
    before: &Lists,
    concerns: impl Fn(&Kinds) -> bool,
    to: &mut impl Hears,
) -> Lists {
    let mut lists = Lists::default();
    let mut products: SmallVec<[u64; FEW]> = SmallVec::new();
    for Listed { fact, changed_by, is_told } in &catalogue.listed {
        let relations = (0..).zip(&catalogue.related).filter(|(_, of)| **of == Some(*fact));
        let known = of(&before.has, fact.0);
        if !concerns(changed_by) {
            lists.has.extend_from_slice(known);
            relations.for_each(|(it, _)| lists.together.extend(of(&before.together, it)));
            continue;
        }
        products.clear();
        read(cx, *fact, &mut |number, name| {
            // Whoever has been told of a product knows its name.
            let is_known = known.binary_search(&(fact.0, number)).is_ok()
                || before.together.iter().any(|(_, product)| *product == number);
            if !is_known {
                to.name(number, name);
            }
            products.push(number);
        });
        for (relation, _) in relations {
            let last = &products[products.len().saturating_sub(RELATED_OF_MAX)..];
            lists.together.extend(last.iter().map(|product| (relation, *product)));
        }
        if *is_told {
            lists.has.extend(products.iter().map(|product| (fact.0, *product)));
        }
    }
    lists.has.sort_unstable();
    lists.has.dedup();
    lists.together.sort_unstable();
    lists.together.dedup();
    lists
}

/// The part of a list that belongs to one fact, or to one relation.
fn of<K: Ord + Copy>(list: &[(K, u64)], whose: K) -> &[(K, u64)] {
    let begin = list.partition_point(|(known, _)| *known < whose);
    let end = list.partition_point(|(known, _)| *known <= whose);
    &list[begin..end]
}

/// The products that a fact holds, by number and name; those of a keyed one for all keys.
fn read(cx: &Cx, fact: FactId, each: &mut impl FnMut(u64, &str)) {
    let plan = &cx.plan.facts[usize::from(fact.0)];
    if plan.per.is_none() {
        return read_one(cx, fact, each);
    }
    for key in facts::keys(cx.person, fact) {
        let keyed = Cx { key: Some(&key), ..Cx::of(cx.plan, cx.person, cx.now) };
        read_one(&keyed, fact, each);
        cx.recheck_at(keyed.recheck.get());
    }
}

fn read_one(cx: &Cx, fact: FactId, each: &mut impl FnMut(u64, &str)) {
    let mut add = |numbered: Option<u64>, value: &Value| match value {
        Value::Str(name) if !name.is_empty() => {
            each(numbered.unwrap_or_else(|| number(name)), name);
        }
        other => other.key().iter().for_each(|name| each(number(name), name)),
    };
    if facts::each_recent(cx, fact, &mut |number, value| add(Some(number), value)) {
        return;
    }
    let mut add = |value: &Value| add(None, value);
    let value = match cx.plan.facts[usize::from(fact.0)].rule {
        FactRule::Basket(_) => facts::read_basket(cx, fact, BasketField::ProductIds),
        _ => facts::read(cx, fact),
    };
    match value {
        Val::List(items) => items.iter().for_each(|item| item.each(&mut add)),
        Val::Items(items) => items.iter().for_each(|item| item.each(&mut add)),
        other => other.into_value().each(&mut add),
    }
}

/// Says what lies between two lists.
fn change(before: &Lists, after: &Lists, to: &mut impl Hears) {
    if before == after {
        return;
    }
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
    let is_single = |it| without.binary_search(it).is_err();
    let single: SmallVec<[bool; FEW]> = of.iter().map(is_single).collect();
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
