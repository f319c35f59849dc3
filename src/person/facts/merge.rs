//! Two histories become one: what two leaves hold of a fact is merged into what one would hold that had seen all events.
//!
//! Of two contributions at one millisecond under different leaves it is not known which came first; the one of the first
//! leaf counts as the earlier.

use super::{FactState, Facts, Keyed, fold};
use crate::define::plan::{Aggregate, FactRule, FoldPlan, Plan};
use crate::event::Value;

impl Facts {
    /// Takes in what another leaf of the same person holds.
    pub(in crate::person) fn merge(&mut self, other: Facts, plan: &Plan) {
        for (fact, theirs) in other.held.iter().zip(other.states) {
            let rule = &plan.facts[usize::from(fact.0)].rule;
            match self.held.find(fact) {
                Ok(at) => merge(rule, &mut self.states[at], theirs),
                Err(at) => self.insert(at, fact, theirs),
            }
        }
    }
}

/// Merges two states of one rule.
pub(super) fn merge(rule: &FactRule, ours: &mut FactState, theirs: FactState) {
    match (rule, ours, theirs) {
        (_, FactState::Keyed(ours), FactState::Keyed(theirs)) => Keyed::merge(ours, rule, *theirs),
        (
            FactRule::Trait { .. },
            FactState::At(at, value),
            FactState::At(their_at, their_value),
        ) if their_at > *at => {
            (*at, *value) = (their_at, their_value);
        }
        (FactRule::Basket(_), FactState::Basket(ours), FactState::Basket(theirs)) => {
            ours.merge(*theirs);
        }
        (FactRule::Fold(plan), ours, theirs) => merge_folds(plan, ours, theirs),
        _ => {}
    }
}

fn merge_folds(plan: &FoldPlan, ours: &mut FactState, theirs: FactState) {
    match (ours, theirs) {
        (FactState::Entries(ours), FactState::Entries(theirs)) => ours.merge(theirs),
        (FactState::Ticks(ours), FactState::Ticks(theirs)) => ours.merge(theirs),
        (FactState::Count(ours), FactState::Count(theirs)) => *ours += theirs,
        (FactState::Sum(ours), FactState::Sum(theirs)) => *ours += i128::from(theirs),
        (
            FactState::Mean { sum, count },
            FactState::Mean { sum: their_sum, count: their_count },
        ) => {
            *sum += i128::from(their_sum);
            *count += their_count;
        }
        (FactState::Extreme(ours), FactState::Extreme(theirs)) => {
            fold::widen(plan.aggregate, ours, &theirs);
        }
        (FactState::At(at, value), FactState::At(their_at, their_value)) => {
            let replaces = match plan.aggregate {
                _ if their_value.is_missing() => false,
                Aggregate::First => value.is_missing() || their_at < *at,
                _ => value.is_missing() || their_at > *at,
            };
            if replaces {
                (*at, *value) = (their_at, their_value);
            }
        }
        (FactState::Distinct(ours), FactState::Distinct(theirs)) => merge_sets(ours, theirs),
        (FactState::Recent(ours), FactState::Recent(theirs)) => {
            for (time, value) in theirs {
                fold::remember(ours, time, &value, plan.keep);
            }
        }
        (FactState::Top(ours), FactState::Top(theirs)) => fold::merge_tallies(ours, theirs),
        _ => {}
    }
}

fn merge_sets(ours: &mut Vec<Value>, theirs: Vec<Value>) {
    ours.extend(theirs);
    ours.sort();
    ours.dedup();
    ours.truncate(crate::limits::VALUES_MAX);
}
