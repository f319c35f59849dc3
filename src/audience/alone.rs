//! The same without a dataflow, for persons who are all in one place: what tests of packs are played on.

use super::{Change, Counts, CutOff, Members, Values};
use crate::define::plan::Plan;
use crate::person::{Answer, Said};
use std::collections::BTreeSet;

/// Persons in one place, by value.
#[derive(Debug, Default)]
pub struct Alone {
    counts: Counts,
    members: Members,
    values: ByValue,
}

#[derive(Debug, Default)]
struct ByValue(BTreeSet<(u16, u64, u32)>);

impl Alone {
    /// What turns with what persons said in one epoch.
    pub fn answers(&mut self, plan: &Plan, said: Vec<Said>) -> Vec<Answer> {
        let mut changes: Vec<Change> = Vec::new();
        for ((what, ()), _, more) in said {
            self.counts.add(what.0, what.1, more);
            changes.push((what, more));
        }
        // What goes first, as a value may come again in the same breath.
        changes.sort_unstable_by_key(|(_, more)| *more);
        for (what, more) in &changes {
            if *more > 0 {
                self.values.0.insert(*what)
            } else {
                self.values.0.remove(what)
            };
        }
        let moved = self.counts.moved(plan);
        self.members.turned(plan, &mut changes, &moved, &mut self.values)
    }
}

impl Values for ByValue {
    fn between(&mut self, fact: u16, above: CutOff, most: u64, visit: &mut dyn FnMut(u32)) {
        let from = above.map_or(Some(0), |above| above.checked_add(1));
        let Some(from) = from.filter(|from| *from <= most) else { return };
        let found = self.0.range((fact, from, 0)..=(fact, most, u32::MAX));
        found.for_each(|(.., person)| visit(*person));
    }
}
