//! Facts: what is kept, how an event changes it, and what it is worth at an instant.
//!
//! A state is a function of the events taken in (with their times), not of how they were cut into epochs.

mod basket;
mod entries;
mod fold;
mod held;
mod keys;
mod merge;
pub mod session;
mod traits;

pub(super) use traits::{set_named, take_traits};

use super::Person;
use super::eval::{Cx, Val};
use crate::catalogue::Catalogue;
use crate::define::plan::expr::BasketField;
use crate::define::plan::{Aggregate, FactId, FactRule, Plan, SegmentSet, Touched};
use crate::event::{Event, Num, Value};
use basket::Basket;
use compact_str::CompactString;
use entries::{Entries, Tick};
use held::Held;
use keys::Keyed;
use serde::{Deserialize, Serialize};

/// What one fact holds for one person (and one key).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FactState {
    /// How many, less the removals.
    Count(i64),
    Sum(Wide),
    Mean {
        sum: Wide,
        count: u64,
    },
    /// The smallest or largest value.
    Extreme(Value),
    /// First, last, or a trait: the value and its event time.
    At(i64, Value),
    /// Different values, sorted.
    Distinct(Vec<Value>),
    /// Different values at their latest times, oldest first.
    Recent(Vec<(i64, Value)>),
    Top(Vec<fold::Tally>),
    /// Single contributions, for windows, resets and removals.
    Entries(Entries),
    /// The same where only the number of them counts.
    Ticks(Entries<Tick>),
    Basket(Box<Basket>),
    Keyed(Box<Keyed>),
}

/// A sum in millionths. Wider than a number, so that the order of additions does not matter; in two halves, because the
/// alignment of an `i128` would make every fact half as large again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "i128", into = "i128")]
pub struct Wide {
    high: i64,
    low: u64,
}

impl From<i128> for Wide {
    fn from(sum: i128) -> Wide {
        Wide { high: (sum >> 64) as i64, low: sum as u64 }
    }
}

impl From<Wide> for i128 {
    fn from(sum: Wide) -> i128 {
        i128::from(sum.high) << 64 | i128::from(sum.low)
    }
}

impl std::ops::AddAssign<i128> for Wide {
    fn add_assign(&mut self, more: i128) {
        *self = Wide::from(i128::from(*self) + more);
    }
}

/// One person's facts, only those that hold something.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    held: Held,
    /// In the order of their numbers.
    states: Vec<FactState>,
}

/// Facts for which there is room from the first on: hardly anybody holds fewer for long.
const HELD_SOON: usize = 12;

impl Facts {
    fn get(&self, fact: FactId) -> Option<&FactState> {
        self.held.find(fact).ok().map(|at| &self.states[at])
    }

    /// Looks at which there are.
    pub(super) fn look(&self) -> i64 {
        self.held.look()
    }

    /// Looks at all of them, so far as they lie in a row.
    pub(super) fn look_behind(&self) -> i64 {
        let is_at = |state: &FactState| i64::from(matches!(state, FactState::At(..)));
        self.states.iter().fold(0, |seen, state| seen ^ is_at(state))
    }

    /// Looks at what they hold elsewhere.
    pub(super) fn look_behind_that(&self) -> i64 {
        let states = self.states.iter().map(|state| match state {
            FactState::Entries(entries) => entries.look(),
            FactState::Ticks(ticks) => ticks.look(),
            FactState::Recent(recent) => recent.last().map_or(0, |(at, _)| *at),
            FactState::Basket(basket) => basket.look(),
            FactState::Keyed(keyed) => keyed.look(),
            _ => 0,
        });
        states.fold(0, |seen, it| seen ^ it)
    }

    /// Whether one holds something.
    pub(super) fn has(&self, fact: FactId) -> bool {
        self.held.find(fact).is_ok()
    }

    /// Those that hold something.
    pub(super) fn held(&self) -> impl Iterator<Item = FactId> + '_ {
        self.held.iter()
    }

    /// Drops the others.
    pub(super) fn retain(&mut self, keep: impl Fn(FactId) -> bool) {
        let held = std::mem::take(&mut self.held);
        let mut facts = held.iter();
        self.states.retain(|_| facts.next().is_some_and(&keep));
        self.held = held.iter().filter(|fact| keep(*fact)).collect();
    }

    /// The state of a fact, made if there is none.
    fn get_or(&mut self, fact: FactId, make: impl FnOnce() -> FactState) -> &mut FactState {
        let at = self.held.find(fact).unwrap_or_else(|at| {
            if self.states.is_empty() {
                self.states.reserve(HELD_SOON);
            }
            self.insert(at, fact, make());
            at
        });
        &mut self.states[at]
    }

    fn insert(&mut self, at: usize, fact: FactId, state: FactState) {
        self.held.insert(fact);
        self.states.insert(at, state);
    }
}

/// What one event does to one fact.
struct Change {
    time: i64,
    reset: bool,
    add: Option<Contribution>,
    minus: Option<Contribution>,
}

enum Contribution {
    Value(Value),
    Products(Vec<basket::Product>),
}

/// Lets an event change the facts that it touches, and adds to `asked` the segments that read them. The facts' conditions
/// and values see only the event.
pub(super) fn take(
    person: &mut Person,
    plan: &Plan,
    catalogue: Option<&Catalogue>,
    event: &Event,
    asked: &mut SegmentSet,
) {
    for &Touched { fact, adds, takes, resets } in &plan.facts_of_kind[event.kind.0 as usize] {
        let rule = &plan.facts[fact.0 as usize];
        let cx = Cx { event: Some(event), catalogue, ..Cx::of(plan, person, event.time) };
        let add = if adds { contribution(&rule.rule, &cx) } else { None };
        let minus = if takes { contribution(&rule.rule, &cx) } else { None };
        if !resets && add.is_none() && minus.is_none() {
            continue;
        }
        let change = Change { time: event.time, reset: resets, add, minus };
        asked.extend(&plan.readers_of_fact[fact.0 as usize]);
        let now = person.now;
        match rule.per {
            None => {
                let state = person.facts.get_or(fact, || empty(&rule.rule));
                apply(&rule.rule, state, &change, now);
            }
            Some(property) => {
                let state = person.facts.get_or(fact, || FactState::Keyed(Box::default()));
                if let FactState::Keyed(keyed) = state {
                    let instances = &person.instances;
                    let in_use = |key: &str| {
                        instances.iter().any(|instance| instance.key.as_deref() == Some(key))
                    };
                    keyed.apply(&rule.rule, event.value(property), &change, now, in_use);
                }
            }
        }
    }
}

/// What an event adds to a fact, or takes away from it; nothing if a condition does not hold or a value is missing.
fn contribution(rule: &FactRule, cx: &Cx) -> Option<Contribution> {
    match rule {
        FactRule::Trait { .. } => None,
        FactRule::Fold(plan) => fold::contribution(plan, cx).map(Contribution::Value),
        FactRule::Basket(plan) => basket::contribution(plan, cx).map(Contribution::Products),
    }
}

fn empty(rule: &FactRule) -> FactState {
    match rule {
        FactRule::Trait { .. } => FactState::At(i64::MIN, Value::Missing),
        FactRule::Fold(plan) => fold::empty(plan),
        FactRule::Basket(_) => FactState::Basket(Box::default()),
    }
}

fn apply(rule: &FactRule, state: &mut FactState, change: &Change, now: i64) {
    match (rule, state) {
        (FactRule::Fold(plan), state) => fold::apply(plan, state, change, now),
        (FactRule::Basket(_), FactState::Basket(basket)) => basket.apply(change),
        _ => {}
    }
}

/// The state that an expression means: of a keyed fact, the one for the key at hand.
fn state_at<'a>(cx: &Cx<'a>, fact: FactId) -> Option<&'a FactState> {
    match cx.person.facts.get(fact)? {
        FactState::Keyed(keyed) => keyed.get(cx.key?),
        plain => Some(plain),
    }
}

/// A fact's value. Notes the next instant at which it changes by itself.
pub(super) fn read<'a>(cx: &Cx<'a>, fact: FactId) -> Val<'a> {
    let state = state_at(cx, fact);
    match &cx.plan.facts[fact.0 as usize].rule {
        FactRule::Trait { .. } => match state {
            Some(FactState::At(_, value)) => Val::from(value),
            _ => Val::Missing,
        },
        FactRule::Fold(plan) => fold::read(plan, state, cx),
        FactRule::Basket(_) => Val::Missing,
    }
}

/// A fact's value, if it is a count; else nothing is said. Notes as [`read`] does.
pub(super) fn count(cx: &Cx, fact: FactId) -> Option<Num> {
    match &cx.plan.facts[usize::from(fact.0)].rule {
        FactRule::Fold(plan) if plan.aggregate == Aggregate::Count => {
            fold::count(plan, state_at(cx, fact), cx)
        }
        _ => None,
    }
}

/// Lets somebody look at each value of a fact that is a list of the last ones, without a copy of it, and if it is a text at its number as a
/// product's name; tells whether it is one. Otherwise as [`read`].
pub(super) fn each_recent(cx: &Cx, fact: FactId, look: &mut impl FnMut(u64, &Value)) -> bool {
    match &cx.plan.facts[usize::from(fact.0)].rule {
        FactRule::Fold(plan) => fold::each_recent(plan, state_at(cx, fact), cx, look),
        _ => false,
    }
}

/// Whether anything counts in a fact at the moment. A count or sum of nothing is 0, and yet nobody has it. Notes when that turns.
pub(super) fn is_held(cx: &Cx, fact: FactId) -> bool {
    match (state_at(cx, fact), &cx.plan.facts[fact.0 as usize].rule) {
        (None, _) => false,
        (Some(FactState::Entries(entries)), FactRule::Fold(plan)) => {
            fold::within(plan, entries, cx).len() > 0
        }
        (Some(FactState::Ticks(ticks)), FactRule::Fold(plan)) => {
            fold::within(plan, ticks, cx).len() > 0
        }
        _ => true,
    }
}

/// A field of a basket; one never seen is empty.
pub(super) fn read_basket<'a>(cx: &Cx<'a>, fact: FactId, field: BasketField) -> Val<'a> {
    let contents = contents(cx, fact);
    match field {
        BasketField::ProductIds => {
            Val::Items(contents.into_iter().map(|line| Value::Str(line.id.clone())).collect())
        }
        BasketField::Items => sum(contents.iter().map(|line| Some(line.quantity))),
        BasketField::Value => {
            sum(contents.iter().map(|line| line.quantity.checked_mul(line.price)))
        }
    }
}

/// How many products are in a basket, without a list of them.
pub(super) fn basket_size(cx: &Cx, fact: FactId) -> Num {
    Num::count(contents(cx, fact).len())
}

fn contents<'a>(cx: &Cx<'a>, fact: FactId) -> basket::Lines<'a> {
    match state_at(cx, fact) {
        Some(FactState::Basket(basket)) => basket.contents(),
        _ => basket::Lines::new(),
    }
}

fn sum<'a>(mut numbers: impl Iterator<Item = Option<Num>>) -> Val<'a> {
    let total = numbers.try_fold(Num::ZERO, |total, number| total.checked_add(number?));
    Val::number(total)
}

/// The keys for which a keyed fact holds something, in their order.
pub(super) fn keys(person: &Person, fact: FactId) -> Vec<CompactString> {
    match person.facts.get(fact) {
        Some(FactState::Keyed(keyed)) => keyed.keys(),
        _ => Vec::new(),
    }
}

/// Drops what no instant from `now` on can see, so that an idle person is small.
pub(super) fn prune(person: &mut Person, plan: &Plan, now: i64) {
    let facts = &mut person.facts;
    for (fact, state) in facts.held.iter().zip(&mut facts.states) {
        let FactRule::Fold(fold) = &plan.facts[usize::from(fact.0)].rule else {
            continue;
        };
        match state {
            FactState::Keyed(keyed) => keyed.prune(fold, now),
            state => fold::prune(fold, state, now),
        }
    }
}

impl Change {
    fn reset_at(time: i64) -> Change {
        Change { time, reset: true, add: None, minus: None }
    }
}

/// A fact's value for a decision's causes; of a basket, its list of products.
pub(super) fn read_any(cx: &Cx, fact: FactId) -> Value {
    match &cx.plan.facts[fact.0 as usize].rule {
        FactRule::Basket(_) => read_basket(cx, fact, BasketField::ProductIds).into_value(),
        _ => read(cx, fact).into_value(),
    }
}
