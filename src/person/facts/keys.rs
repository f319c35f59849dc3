//! Keyed facts: one state for each value of a property, such as each cart.

use super::merge::merge;
use super::{Change, FactState, apply, empty, fold};
use crate::define::plan::{FactRule, FoldPlan};
use crate::event::Value;
use crate::limits::KEYS_MAX;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct KeyState {
    key: CompactString,
    /// The latest event time that touched it.
    touched: i64,
    state: FactState,
}

/// States by key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Keyed {
    states: Vec<KeyState>,
    /// The time of the latest reset of all keys.
    reset: Option<i64>,
}

impl Keyed {
    /// Looks at where it begins.
    pub(super) fn look(&self) -> i64 {
        self.states.first().map_or(0, |first| first.touched)
    }

    pub(super) fn get(&self, key: &str) -> Option<&FactState> {
        self.states.iter().find(|state| state.key == key).map(|state| &state.state)
    }

    pub(super) fn keys(&self) -> Vec<CompactString> {
        let mut keys: Vec<_> = self.states.iter().map(|state| state.key.clone()).collect();
        keys.sort();
        keys
    }

    /// An event changes the state of its key, or of each of them if it has a list; a reset without any changes all. A key
    /// that is `in_use` is not forgotten.
    pub(super) fn apply(
        &mut self,
        rule: &FactRule,
        keys: &Value,
        change: &Change,
        now: i64,
        in_use: impl Fn(&str) -> bool,
    ) {
        if let Some(key) = keys.key() {
            let state = self.state_mut(rule, key, change.time, in_use);
            return apply(rule, state, change, now);
        }
        let mut each = BTreeSet::new();
        keys.each(&mut |key| each.extend(key.key()));
        if each.is_empty() && change.reset {
            self.reset = self.reset.max(Some(change.time));
            for state in &mut self.states {
                apply(rule, &mut state.state, &Change::reset_at(change.time), now);
            }
        }
        for key in each {
            let state = self.state_mut(rule, key, change.time, &in_use);
            apply(rule, state, change, now);
        }
    }

    /// Takes in what came under another leaf, key by key. Beyond the limit, the keys touched longest ago go.
    pub(super) fn merge(&mut self, rule: &FactRule, other: Keyed) {
        let reset = |states: &mut [KeyState], reset: Option<i64>| {
            let Some(reset) = reset else { return };
            for state in states {
                apply(rule, &mut state.state, &Change::reset_at(reset), reset);
            }
        };
        let Keyed { states: mut theirs, reset: their_reset } = other;
        reset(&mut self.states, their_reset);
        reset(&mut theirs, self.reset);
        for theirs in theirs {
            match self.states.iter_mut().find(|ours| ours.key == theirs.key) {
                Some(ours) => {
                    ours.touched = ours.touched.max(theirs.touched);
                    merge(rule, &mut ours.state, theirs.state);
                }
                None => self.states.push(theirs),
            }
        }
        while self.states.len() > KEYS_MAX {
            let oldest = (0..self.states.len()).min_by_key(|&at| self.states[at].touched);
            self.states.remove(oldest.expect("there are more than none"));
        }
        self.reset = self.reset.max(their_reset);
    }

    fn state_mut(
        &mut self,
        rule: &FactRule,
        key: CompactString,
        time: i64,
        in_use: impl Fn(&str) -> bool,
    ) -> &mut FactState {
        if let Some(at) = self.states.iter().position(|state| state.key == key) {
            let found = &mut self.states[at];
            found.touched = found.touched.max(time);
            return &mut found.state;
        }
        while self.states.len() >= KEYS_MAX {
            let idle = (0..self.states.len()).filter(|&at| !in_use(&self.states[at].key));
            let Some(oldest) = idle.min_by_key(|&at| self.states[at].touched) else { break };
            self.states.remove(oldest);
        }
        let mut state = empty(rule);
        if let Some(reset) = self.reset {
            apply(rule, &mut state, &Change::reset_at(reset), time);
        }
        self.states.push(KeyState { key, touched: time, state });
        &mut self.states.last_mut().expect("just pushed").state
    }

    pub(super) fn prune(&mut self, plan: &FoldPlan, now: i64) {
        self.states.iter_mut().for_each(|of_key| fold::prune(plan, &mut of_key.state, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::define::ast::SourceFile;
    use crate::define::compile::{Keep, compile};
    use crate::define::parse::parse;

    #[test]
    fn keys_beyond_the_limit_go_as_soon_as_they_are_not_in_use() {
        let text = "facts: { n: { count: A, per: cart_id } }";
        let (pack, _) = parse(&[SourceFile { path: "p.yaml".into(), text: text.into() }]);
        let plan = compile(&pack, Keep::All).expect("a sound pack");
        let mut keyed = Keyed::default();
        let mut touch = |at: i64, in_use: bool| {
            let key = Value::Str(format!("c{at}").into());
            keyed.apply(&plan.facts[0].rule, &key, &Change::reset_at(at), at, |_| in_use);
            keyed.states.len()
        };
        for at in 0..60 {
            touch(at, true);
        }
        assert_eq!(touch(60, true), 61);
        assert_eq!(touch(61, false), KEYS_MAX);
        assert_eq!(keyed.keys().len(), KEYS_MAX);
        assert!(keyed.get("c61").is_some() && keyed.get("c29").is_none());
    }
}
