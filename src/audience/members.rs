//! Who passes which cut-off, and whom an epoch turns. Pure: where the values of persons are looked up is a port.

use super::{CutOff, NOBODY};
use crate::define::plan::{FactId, Plan, RankId, Standing};
use crate::person::Answer;
use std::collections::BTreeMap;

/// A value of a person that has come (1) or gone (-1): fact, value, slot.
pub type Change = ((u16, u64, u32), isize);

/// Where the values of one worker's persons are looked up.
pub trait Values {
    /// Calls `visit` with everybody whose value of a fact is above `above` and at most `most`, as of the epoch that has just been.
    fn between(&mut self, fact: u16, above: CutOff, most: u64, visit: &mut dyn FnMut(u32));
}

/// The cut-offs that hold for one worker's persons.
#[derive(Debug, Default)]
pub struct Members {
    cut_offs: BTreeMap<RankId, CutOff>,
}

impl Members {
    /// What an epoch turns, in order: the changes of persons in it, in any order, and the cut-offs that have moved.
    pub fn turned(
        &mut self,
        plan: &Plan,
        changes: &mut [Change],
        moved: &[(RankId, CutOff)],
        values: &mut impl Values,
    ) -> Vec<Answer> {
        let before: BTreeMap<RankId, CutOff> = moved
            .iter()
            .map(|&(rank, cut_off)| (rank, self.cut_offs.insert(rank, cut_off).unwrap_or(NOBODY)))
            .collect();
        let mut turned = Vec::new();
        let changed = changed(changes);
        let mut asked: BTreeMap<FactId, Vec<RankId>> = BTreeMap::new();
        for (at, rank) in plan.ranks.iter().enumerate() {
            if rank.standing != Standing::Gone {
                asked.entry(rank.fact.fact).or_default().push(RankId(at as u16));
            }
        }
        for &((fact, person), (old, new)) in &changed {
            for &rank in asked.get(&FactId(fact)).into_iter().flatten() {
                let is = self.cut_offs.get(&rank).copied().unwrap_or(NOBODY);
                let was = before.get(&rank).copied().unwrap_or(is);
                let held = old.is_some_and(|old| Some(old) > was);
                let holds = new.is_some_and(|new| Some(new) > is);
                if held != holds {
                    turned.push(Answer { person, rank, holds });
                }
            }
        }
        for (&rank, &was) in &before {
            let Some(asked) = plan.ranks.get(usize::from(rank.0)) else { continue };
            let is = self.cut_offs.get(&rank).copied().unwrap_or(NOBODY);
            let (fact, holds) = (asked.fact.fact.0, is < was);
            let Some(most) = was.max(is) else { continue };
            values.between(fact, was.min(is), most, &mut |person| {
                let known = changed.binary_search_by_key(&(fact, person), |(who, _)| *who);
                if known.is_err() {
                    turned.push(Answer { person, rank, holds });
                }
            });
        }
        turned.sort_unstable();
        turned
    }
}

/// Persons by fact, with the value that has gone and the one that has come.
type Changed = ((u16, u32), (Option<u64>, Option<u64>));

/// Who has another value than before, in order.
fn changed(changes: &mut [Change]) -> Vec<Changed> {
    changes.sort_unstable_by_key(|((fact, value, person), _)| (*fact, *person, *value));
    let mut changed: Vec<Changed> = Vec::new();
    for same in changes.chunk_by(|a, b| a.0 == b.0) {
        let (fact, value, person) = same[0].0;
        let more: isize = same.iter().map(|(_, more)| more).sum();
        if changed.last().is_none_or(|(who, _)| *who != (fact, person)) {
            changed.push(((fact, person), (None, None)));
        }
        let Some((_, (old, new))) = changed.last_mut() else { continue };
        match more {
            ..0 => *old = Some(value),
            0 => {}
            1.. => *new = Some(value),
        }
    }
    changed.retain(|(_, (old, new))| old.is_some() || new.is_some());
    changed
}
