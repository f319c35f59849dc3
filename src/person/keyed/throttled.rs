//! The throttles of one worker: each is on the worker of its name, as a person would be.

use super::super::policy::throttle::{Throttle, name_of};
use super::Keyed;
use crate::define::plan::Plan;
use crate::event::Event;
use crate::store::Record;
use std::collections::BTreeMap;

const THROTTLE: &str = "throttle:";

/// Those of which anything is known.
#[derive(Debug, Default)]
pub(super) struct Throttles(BTreeMap<String, Throttle>);

impl Throttles {
    /// What has asked for places in the last epoch.
    pub(super) fn take(&mut self, asks: &[Event]) {
        for ask in asks {
            if let Some(name) = name_of(&ask.leaf) {
                self.0.entry(name.to_owned()).or_default().ask(ask);
            }
        }
    }

    /// What persons hear of it, as of the instant at which they do.
    pub(super) fn give(&mut self, plan: &Plan, now: i64) -> Vec<Event> {
        let named = |name: &str| plan.policy.throttles.iter().find(|plan| plan.name == *name);
        self.0.iter_mut().flat_map(|(name, throttle)| throttle.give(named(name), now)).collect()
    }

    /// The next instant at which there are places for those who wait.
    pub(super) fn next(&self, plan: &Plan) -> Option<i64> {
        let plans = plan.policy.throttles.iter();
        let next = plans.filter_map(|plan| self.0.get(plan.name.as_str())?.next(plan));
        next.min()
    }

    /// What the store has to keep of them.
    pub(super) fn freeze(&self, records: &mut Vec<Record>) {
        for (name, throttle) in &self.0 {
            let bytes = postcard::to_stdvec(throttle).expect("plain data");
            records.push(Record::kept(&format!("{THROTTLE}{name}"), bytes));
        }
    }
}

impl Keyed {
    /// Takes in what the store has kept of a throttle; tells whether it was that.
    pub(super) fn restore_throttle(&mut self, id: &str, bytes: &[u8]) -> bool {
        let Some(name) = id.strip_prefix(THROTTLE) else { return false };
        let (worker, workers) = self.place;
        if crate::event::worker_of(crate::event::leaf_hash(id), workers) == worker {
            let throttle = postcard::from_bytes(bytes).expect("a store checks what it reads");
            self.throttles.0.insert(name.to_owned(), throttle);
        }
        true
    }
}
