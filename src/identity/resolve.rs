//! The claims of one epoch, and what follows from them. Pure: the operators around it only carry things.

use super::graph::{Change, Graph, LeafRecord, Owner, Refusal};
use super::when;
use super::{Script, When};
use crate::define::plan::IdentityPlan;
use crate::event::{Claim, Event, Says};
use compact_str::CompactString;
use std::collections::{BTreeMap, BTreeSet};

/// To whom the events of an identifier belong from an epoch on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    pub identifier: CompactString,
    /// Of events of this epoch that come before an instant, where the identifier changes hands in it.
    pub earlier: Vec<(When, Owner)>,
    pub owner: Owner,
}

/// What follows from the claims of one epoch.
#[derive(Debug, Default)]
pub struct Outcome {
    pub assigned: Vec<Assigned>,
    pub scripts: Vec<Script>,
    /// What the store has to keep.
    pub records: Vec<LeafRecord>,
    /// The links that were refused, with the identifiers.
    pub refused: Vec<(Refusal, Claim)>,
}

/// Takes out of an event what it says about identifiers.
pub fn claim(event: &mut Event) -> Option<Claim> {
    if event.also.is_empty() && event.says != Says::Apart {
        return None;
    }
    let mut also = std::mem::take(&mut event.also);
    let leaf = event.leaf.clone();
    Some(match event.says {
        Says::Together => {
            also.insert(0, leaf);
            Claim::Together(also)
        }
        Says::Alias => Claim::Alias(leaf, also.remove(0)),
        Says::Apart if also.is_empty() => Claim::Apart(leaf, None),
        Says::Apart => Claim::Apart(also.remove(0), Some(leaf)),
    })
}

/// All links so far.
pub struct Resolver {
    graph: Graph,
}

impl Resolver {
    /// No links yet.
    pub fn new(rules: IdentityPlan) -> Resolver {
        Resolver { graph: Graph::new(rules) }
    }

    /// The links of a store.
    pub fn with(graph: Graph) -> Resolver {
        Resolver { graph }
    }

    /// The links themselves.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// All of an epoch's events at once: takes in their claims, and gives them their persons. For those who have all on one
    /// worker.
    pub fn resolve(&mut self, events: &mut [Event], begin: i64) -> Vec<Script> {
        let claims =
            events.iter_mut().filter_map(|event| Some((when(event, begin), claim(event)?)));
        let claims = claims.collect();
        let outcome = self.epoch(claims);
        for event in events {
            let at = when(event, begin);
            let assigned = outcome.assigned.iter().find(|it| it.identifier == event.leaf);
            let earlier = assigned.and_then(|it| it.earlier.iter().find(|(until, _)| at < *until));
            match earlier {
                Some((_, owner)) => owner.write(event),
                None => self.graph.owner(&event.leaf).write(event),
            }
        }
        outcome.scripts
    }

    /// Takes in the claims of an epoch, in any order.
    pub fn epoch(&mut self, mut claims: Vec<(When, Claim)>) -> Outcome {
        claims.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut outcome = Outcome::default();
        let mut stage = Stage::default();
        let mut earlier: BTreeMap<CompactString, Vec<(When, Owner)>> = BTreeMap::new();
        let mut changes = Vec::new();
        for (when, claim) in claims {
            let owner = |id: &CompactString| (id.clone(), self.graph.owner(id));
            let owners: Vec<(CompactString, Owner)> = claim.identifiers().map(owner).collect();
            for (_, owner) in &owners {
                stage.note(owner, || self.graph.members_of(&owner.leaf));
            }
            if let Err(refusal) = self.graph.take(&claim, &mut changes) {
                outcome.refused.push((refusal, claim));
            }
            for (identifier, before) in owners {
                if self.graph.owner(&identifier).leaf != before.leaf {
                    earlier.entry(identifier).or_default().push((when, before));
                }
            }
            stage.add(when, &mut changes);
        }
        outcome.scripts = stage.scripts();
        let (records, owners) = self.graph.take_touched();
        outcome.records = records;
        outcome.assigned = owners
            .into_iter()
            .map(|(identifier, owner)| {
                let mut earlier = earlier.remove(&identifier).unwrap_or_default();
                // Whose the old leaf is when the epoch is over.
                for (_, owner) in &mut earlier {
                    owner.person = self.graph.person_of(&owner.leaf);
                }
                Assigned { identifier, earlier, owner }
            })
            .collect();
        outcome
    }
}

/// The changes of an epoch, and who was who when it began.
#[derive(Default)]
struct Stage {
    members: BTreeMap<CompactString, Vec<CompactString>>,
    /// Persons that have come about in this epoch.
    fresh: BTreeSet<CompactString>,
    changes: Vec<(When, Change)>,
}

impl Stage {
    fn note(&mut self, owner: &Owner, leaves: impl FnOnce() -> Vec<CompactString>) {
        if !self.fresh.contains(&owner.person) {
            self.members.entry(owner.person.clone()).or_insert_with(leaves);
        }
    }

    fn add(&mut self, when: When, changes: &mut Vec<Change>) {
        for change in changes.drain(..) {
            if let Change::Part { into, .. } = &change
                && !self.members.contains_key(into)
            {
                self.fresh.insert(into.clone());
            }
            self.changes.push((when, change));
        }
    }

    /// One script for all persons that have to do with one another.
    fn scripts(self) -> Vec<Script> {
        let mut groups: Vec<(BTreeSet<CompactString>, Vec<(When, Change)>)> = Vec::new();
        for (when, change) in self.changes {
            let (Change::Join { into, from } | Change::Part { from, into, .. }) = &change;
            let mut ids = BTreeSet::from([into.clone(), from.clone()]);
            let mut changes = Vec::new();
            groups.retain_mut(|(known, theirs)| {
                let together = ids.iter().any(|id| known.contains(id));
                if together {
                    ids.append(known);
                    changes.append(theirs);
                }
                !together
            });
            changes.push((when, change));
            // Those of one instant stay in the order in which they were made.
            changes.sort_by(|(a, _), (b, _)| a.cmp(b));
            groups.push((ids, changes));
        }
        let script = |(ids, changes): (BTreeSet<CompactString>, Vec<(When, Change)>)| {
            let of = |id: &CompactString| {
                let leaves = self.members.get(id).cloned().unwrap_or_default();
                leaves.into_iter().map(|leaf| (leaf, id.clone())).collect::<Vec<_>>()
            };
            Script { members: ids.iter().flat_map(of).collect(), changes }
        };
        groups.into_iter().map(script).collect()
    }
}
