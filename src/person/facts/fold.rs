//! Aggregates over events.

use super::entries::{Entries, Entry, Tick, Timed};
use super::{Change, Contribution, FactState, Wide};
use crate::catalogue::number;
use crate::define::plan::{Aggregate, FoldPlan};
use crate::event::{Num, Value};
use crate::limits::VALUES_MAX;
use crate::person::eval::{Cx, Val, eval};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// How often a value came, and when it came last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    value: Value,
    count: u64,
    last: i64,
    /// Numbers occurrences in the order of arrival, to tell which of two at one time was seen last.
    order: u64,
}

/// What an event adds (or takes away): nothing if the condition does not hold or the value is missing.
pub(super) fn contribution(plan: &FoldPlan, cx: &Cx) -> Option<Value> {
    if plan.condition.as_ref().is_some_and(|condition| !cx.holds(condition)) {
        return None;
    }
    match &plan.of {
        None => Some(Value::Bool(true)),
        Some(of) => match eval(of, cx).into_value() {
            Value::Missing => None,
            value => Some(value),
        },
    }
}

/// The state of a fact to which nothing has happened.
pub(super) fn empty(plan: &FoldPlan) -> FactState {
    match (plan.entries, plan.aggregate) {
        (false, aggregate) => fresh(aggregate),
        (true, Aggregate::Count) => FactState::Ticks(Entries::default()),
        (true, _) => FactState::Entries(Entries::default()),
    }
}

/// The running state of an all-time aggregate.
fn fresh(aggregate: Aggregate) -> FactState {
    match aggregate {
        Aggregate::Count => FactState::Count(0),
        Aggregate::Sum => FactState::Sum(Wide::default()),
        Aggregate::Average => FactState::Mean { sum: Wide::default(), count: 0 },
        Aggregate::Min | Aggregate::Max => FactState::Extreme(Value::Missing),
        Aggregate::First | Aggregate::Last => FactState::At(i64::MIN, Value::Missing),
        Aggregate::Distinct => FactState::Distinct(Vec::new()),
        Aggregate::Recent => FactState::Recent(Vec::new()),
        Aggregate::Top => FactState::Top(Vec::new()),
    }
}

pub(super) fn apply(plan: &FoldPlan, state: &mut FactState, change: &Change, now: i64) {
    if change.reset {
        match state {
            FactState::Entries(entries) => entries.reset(change.time),
            FactState::Ticks(ticks) => ticks.reset(change.time),
            _ => {}
        }
    }
    if let Some(Contribution::Value(value)) = &change.add {
        value.each(&mut |value| add(plan, state, change.time, false, value));
    }
    if let Some(Contribution::Value(value)) = &change.minus {
        value.each(&mut |value| add(plan, state, change.time, true, value));
    }
    prune(plan, state, now);
}

/// Drops what no instant from `now` on can see.
pub(super) fn prune(plan: &FoldPlan, state: &mut FactState, now: i64) {
    match state {
        FactState::Entries(entries) => entries.prune(plan.window, now),
        FactState::Ticks(ticks) => ticks.prune(plan.window, now),
        _ => {}
    }
}

fn add(plan: &FoldPlan, state: &mut FactState, time: i64, minus: bool, value: &Value) {
    let sign = if minus { -1 } else { 1 };
    match state {
        FactState::Entries(entries) => entries.insert(Entry { time, minus, value: value.clone() }),
        FactState::Ticks(ticks) => ticks.insert(Tick::new(time, minus)),
        FactState::Count(count) => *count += sign,
        FactState::Sum(sum) => {
            *sum += i128::from(sign) * value.num().map_or(0, |n| i128::from(n.0));
        }
        FactState::Mean { sum, count } => {
            if let Some(n) = value.num() {
                *sum += i128::from(n.0);
                *count += 1;
            }
        }
        FactState::Extreme(extreme) => widen(plan.aggregate, extreme, value),
        FactState::At(at, held) => {
            let replaces = match plan.aggregate {
                Aggregate::First => held.is_missing() || time < *at,
                _ => held.is_missing() || time >= *at,
            };
            if replaces {
                (*at, *held) = (time, value.clone());
            }
        }
        FactState::Distinct(values) => {
            if let Err(at) = values.binary_search(value)
                && values.len() < VALUES_MAX
            {
                values.insert(at, value.clone());
            }
        }
        FactState::Recent(values) => remember(values, time, value, plan.keep),
        FactState::Top(tallies) => tally(tallies, time, value),
        FactState::Basket(_) | FactState::Keyed(_) => {}
    }
}

/// Keeps the smaller (min) or larger (max) of two numbers, times or durations; other values add nothing.
pub(super) fn widen(aggregate: Aggregate, extreme: &mut Value, value: &Value) {
    if !matches!(value, Value::Num(_) | Value::Time(_) | Value::Duration(_)) {
        return;
    }
    let better = if aggregate == Aggregate::Min { value < extreme } else { value > extreme };
    if extreme.is_missing() || better {
        *extreme = value.clone();
    }
}

/// Puts a value at its latest time into the list of the last `keep` different ones.
pub(super) fn remember(values: &mut Vec<(i64, Value)>, time: i64, value: &Value, keep: usize) {
    if let Some(at) = values.iter().position(|(_, known)| known == value) {
        if values[at].0 > time {
            return;
        }
        values.remove(at);
    }
    let at = values.partition_point(|(known, _)| *known <= time);
    values.insert(at, (time, value.clone()));
    if values.len() > keep {
        values.remove(0);
    }
}

fn tally(tallies: &mut Vec<Tally>, time: i64, value: &Value) {
    let order = tallies.iter().map(|tally| tally.order + 1).max().unwrap_or(0);
    let Some(known) = tallies.iter_mut().find(|tally| tally.value == *value) else {
        if tallies.len() < VALUES_MAX {
            tallies.push(Tally { value: value.clone(), count: 1, last: time, order });
        }
        return;
    };
    known.count += 1;
    if time >= known.last {
        (known.last, known.order) = (time, order);
    }
}

/// Adds up how often values came under two leaves.
pub(super) fn merge_tallies(ours: &mut Vec<Tally>, theirs: Vec<Tally>) {
    let after = ours.iter().map(|tally| tally.order + 1).max().unwrap_or(0);
    for theirs in theirs {
        let order = after + theirs.order;
        let room = ours.len() < VALUES_MAX;
        match ours.iter_mut().find(|tally| tally.value == theirs.value) {
            Some(known) => {
                known.count += theirs.count;
                if theirs.last >= known.last {
                    (known.last, known.order) = (theirs.last, order);
                }
            }
            None if room => ours.push(Tally { order, ..theirs }),
            None => {}
        }
    }
}

fn top(tallies: &[Tally]) -> Option<&Value> {
    let best = tallies.iter().max_by_key(|tally| (tally.count, tally.last, tally.order));
    best.map(|tally| &tally.value)
}

/// The aggregate's value at the instant of `cx`.
pub(super) fn read<'a>(plan: &FoldPlan, state: Option<&'a FactState>, cx: &Cx<'a>) -> Val<'a> {
    let nothing = match plan.aggregate {
        Aggregate::Count | Aggregate::Sum | Aggregate::Distinct => Val::Num(Num::ZERO),
        Aggregate::Recent => Val::List(&[]),
        _ => Val::Missing,
    };
    match state {
        None => nothing,
        Some(FactState::Entries(entries)) => over_entries(plan, entries, cx),
        Some(FactState::Ticks(_) | FactState::Count(_)) => Val::number(count(plan, state, cx)),
        Some(FactState::Recent(values)) => {
            Val::Items(values.iter().map(|(_, value)| value.clone()).collect())
        }
        Some(FactState::At(_, value) | FactState::Extreme(value)) => Val::from(value),
        Some(FactState::Top(tallies)) => top(tallies).map_or(Val::Missing, Val::from),
        Some(state) => summary(state),
    }
}

fn summary<'a>(state: &FactState) -> Val<'a> {
    Val::number(match state {
        FactState::Sum(sum) => i64::try_from(i128::from(*sum)).ok().map(Num),
        FactState::Mean { sum, count } => Num::mean(i128::from(*sum), *count),
        FactState::Distinct(values) => Some(Num::count(values.len())),
        _ => None,
    })
}

/// The entries that count at the instant of `cx`. Notes when the first of them no longer does.
pub(super) fn within<'a, E: Timed>(
    plan: &FoldPlan,
    entries: &'a Entries<E>,
    cx: &Cx<'a>,
) -> impl DoubleEndedIterator<Item = &'a E> + ExactSizeIterator + use<'a, E> {
    let (within, turn) = entries.at(plan.window, cx.now, || cx.person.zone(cx.plan));
    if let Some(turn) = turn {
        cx.recheck_at(turn);
    }
    within
}

/// How many there are, at the instant of `cx`.
pub(super) fn count(plan: &FoldPlan, state: Option<&FactState>, cx: &Cx) -> Option<Num> {
    match state {
        None => Some(Num::ZERO),
        Some(FactState::Ticks(ticks)) => {
            let within = within(plan, ticks, cx);
            Num::whole(match ticks.has_minuses() {
                true => within.map(|tick| if tick.minus() { -1 } else { 1 }).sum(),
                false => within.len() as i64,
            })
        }
        Some(FactState::Count(count)) => Num::whole(*count),
        _ => None,
    }
}

fn over_entries<'a>(plan: &FoldPlan, entries: &'a Entries, cx: &Cx<'a>) -> Val<'a> {
    let within = within(plan, entries, cx);
    if plan.aggregate == Aggregate::Recent {
        let latest = latest(plan.keep, within).into_iter();
        return Val::Items(latest.map(|(_, value)| value.clone()).collect());
    }
    let mut state = fresh(plan.aggregate);
    for entry in survivors(plan.aggregate, within) {
        add(plan, &mut state, entry.time, entry.minus, &entry.value);
    }
    match state {
        FactState::At(_, value) | FactState::Extreme(value) => Val::owned(value),
        FactState::Top(tallies) => top(&tallies).cloned().map_or(Val::Missing, Val::owned),
        state => summary(&state),
    }
}

/// The last different values that were not taken out later, oldest first, each text with its number as a product's name. The newest
/// entries are looked at first, and no more than are needed.
fn latest<'a>(
    keep: usize,
    entries: impl DoubleEndedIterator<Item = &'a Entry>,
) -> SmallVec<[(u64, &'a Value); 16]> {
    let mut values: SmallVec<[(u64, &Value); 16]> = SmallVec::new();
    let mut passed: SmallVec<[(u64, &Value); 16]> = SmallVec::new();
    for Entry { value, minus, .. } in entries.rev() {
        if values.len() == keep {
            break;
        }
        // Texts of one length, as most are here, are told apart by their hashes more quickly than by themselves.
        let hash = value.str().map_or(0, number);
        if !passed.iter().any(|(known, other)| *known == hash && *other == value) {
            passed.push((hash, value));
            if !minus {
                values.push((hash, value));
            }
        }
    }
    values.reverse();
    values
}

/// Lets somebody look at the values of a list of the last ones, without a copy of them, and at the numbers of those that are texts; tells
/// whether the fact is one.
pub(super) fn each_recent<'a>(
    plan: &FoldPlan,
    state: Option<&'a FactState>,
    cx: &Cx<'a>,
    look: &mut impl FnMut(u64, &Value),
) -> bool {
    match state {
        _ if plan.aggregate != Aggregate::Recent => return false,
        Some(FactState::Entries(entries)) => {
            let values = latest(plan.keep, within(plan, entries, cx));
            values.into_iter().for_each(|(number, value)| look(number, value));
        }
        Some(FactState::Recent(values)) => {
            let numbered = |value: &Value| value.str().map_or(0, number);
            values.iter().for_each(|(_, value)| look(numbered(value), value));
        }
        _ => {}
    }
    true
}

/// Entries that still count: for aggregates of values, a removal takes out what was there before it.
fn survivors<'a>(aggregate: Aggregate, entries: impl Iterator<Item = &'a Entry>) -> Vec<&'a Entry> {
    let mut kept: Vec<&Entry> = Vec::new();
    for entry in entries {
        match aggregate {
            Aggregate::Distinct | Aggregate::Top if entry.minus => {
                kept.retain(|earlier| earlier.value != entry.value);
            }
            _ => kept.push(entry),
        }
    }
    kept
}
