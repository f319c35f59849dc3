//! The claims of one epoch, and what follows from them. Pure: the operators around it only carry things.

use super::acted::Acted;
use super::graph::{Change, Ended, Ending, Graph, Owner, Refusal};
use super::{Erased, Script, When, not_before, when};
use crate::define::plan::IdentityPlan;
use crate::epoch::Span;
use crate::event::{Claim, Event, Origin, Says, leaf_hash};
use crate::identity::words::Words;
use crate::limits::FORGOTTEN_PER_EPOCH_MAX;
use compact_str::CompactString;
use std::collections::{BTreeMap, BTreeSet};

type Fixed = foldhash::fast::FixedState;
type HashMap<K, V> = hashbrown::HashMap<K, V, Fixed>;

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
    /// Persons who became part of another without having done anything: they are in no script, as there is nobody to be brought. Most
    /// links are of this kind.
    pub named: usize,
    /// The same ones, for those who write it down.
    pub names: Vec<(When, Change)>,
    /// The places in the graph of leaves of which a store has to keep what they are now, and the leaves of which it keeps
    /// nothing any more.
    pub touched: Vec<u32>,
    pub removed: Vec<CompactString>,
    /// Identifiers of those who are erased, and at which place in the order of events.
    pub erased: Vec<(CompactString, When)>,
    /// The links that were refused, with the identifiers.
    pub refused: Vec<(Refusal, Claim)>,
}

/// All links so far, and who was erased.
pub struct Resolver {
    graph: Graph,
    erased: Erased,
    acted: Acted,
    tells_names: bool,
}

impl Resolver {
    /// No links yet.
    pub fn new(rules: IdentityPlan) -> Resolver {
        Resolver::with(Graph::new(rules), Erased::default())
    }

    /// The links of a store, and those who were erased. It has to be told of whom else the store has something: [`Resolver::has_acted`].
    pub fn with(graph: Graph, erased: Erased) -> Resolver {
        Resolver { graph, erased, acted: Acted::default(), tells_names: false }
    }

    /// Something has happened under the identifier of this hash, which may be linked to none.
    pub fn has_acted(&mut self, hash: u64) {
        self.acted.note(hash);
    }

    /// For those who write down who turns out to be whom: names who is in no script too.
    #[must_use]
    pub fn telling_names(self) -> Resolver {
        Resolver { tells_names: true, ..self }
    }

    /// None of the links, under the same rules.
    pub fn without_links(self) -> Resolver {
        Resolver::new(self.graph.into_rules())
    }

    /// The links themselves.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Who was erased.
    pub fn erased(&self) -> &Erased {
        &self.erased
    }

    /// All of an epoch's events at once: takes in their claims, and gives them their persons. For those who have all on one
    /// worker.
    pub fn resolve(&mut self, events: &mut Vec<Event>, span: Span) -> Vec<Script> {
        let begin = span.begin;
        events.retain(|event| {
            event.says == Says::Erased || !self.erased.covers(&event.leaf, event.time)
        });
        let mut words = Words::default();
        events.iter_mut().for_each(|event| words.take(event, self.graph.rules()));
        events.retain(|event| event.says != Says::Erased);
        words.alone.iter().for_each(|hash| self.acted.note(*hash));
        let claims: Vec<(When, Claim)> =
            words.claims().map(|it| (not_before(it.at, begin), it.claim())).collect();
        let seen = words.seen.iter().map(|(at, hash)| (not_before(*at, begin), *hash)).collect();
        let outcome = self.epoch(claims, seen, span.end);
        let changing: Vec<&Assigned> =
            outcome.assigned.iter().filter(|it| !it.earlier.is_empty()).collect();
        events.retain(|event| {
            let at = when(event, begin);
            let after = |(id, since): &(CompactString, When)| *id == event.leaf && at >= *since;
            let since = outcome.erased.iter().rfind(|it| after(it));
            since.is_none_or(|(_, since)| event.time > since.0)
        });
        for event in events.iter_mut() {
            let at = when(event, begin);
            let assigned = changing.iter().find(|it| it.identifier == event.leaf);
            let earlier = assigned.and_then(|it| it.earlier.iter().find(|(until, _)| at < *until));
            match earlier {
                Some((_, owner)) => owner.write(event),
                None => self.graph.owner(&event.leaf).write(event),
            }
        }
        outcome.scripts
    }

    /// A time before which nobody is to be forgotten.
    pub fn earliest(&self) -> i64 {
        self.graph.earliest()
    }

    /// Takes in the claims of an epoch and the hashes of identifiers of which something was seen, in any order. `end` is the
    /// watermark after it: who is to be forgotten before that is.
    pub fn epoch(
        &mut self,
        claims: impl IntoIterator<Item: Into<Said>>,
        seen: Vec<(When, u64)>,
        end: i64,
    ) -> Outcome {
        let claims = claims.into_iter().map(Into::into).collect();
        let mut outcome = Outcome::default();
        let mut stage = Stage::default();
        let mut earlier = Earlier::default();
        let mut loose = BTreeSet::new();
        let mut changes = Vec::new();
        let mut forgotten = 0;
        let mut places = Vec::new();
        for (when, word) in in_order(claims, seen) {
            self.forget(end.min(when.0), &mut forgotten, &mut stage, &mut earlier, &mut loose);
            let Said { claim, last, times, .. } = match word {
                Word::Seen(hash) => {
                    self.graph.seen(hash, when.0);
                    continue;
                }
                Word::Said(said) => said,
            };
            let leaf = claim.identifiers().next().map(|leaf| leaf_hash(leaf));
            let Some(claim) = self.erased.admit(claim, when.1) else {
                // What it says of somebody who was erased is nothing; the event has happened all the same.
                leaf.into_iter().for_each(|leaf| self.acted.note(leaf));
                continue;
            };
            if let Claim::Erased(identifier) = claim {
                let person = self.graph.owner(&identifier).person;
                let ended = self.end(&person, when, Ending::Erased, &mut stage, &mut earlier);
                for identifier in ended.identifiers {
                    self.erased.remember(super::erased::key(&identifier), when.0);
                    outcome.erased.push((identifier.clone(), when));
                    loose.insert(identifier);
                }
                continue;
            }
            places.clear();
            places.extend(claim.identifiers().map(|id| self.graph.place_of(id, leaf_hash(id))));
            // What is known already says nothing, however epochs are cut.
            if self.graph.is_known(&claim, &places) {
                if matches!(places[..], [None, ..]) {
                    leaf.into_iter().for_each(|leaf| self.acted.note(leaf));
                }
                continue;
            }
            let touched = self.graph.touched();
            let gives_names = self.gives_names(&claim, &places, &stage);
            for (identifier, place) in claim.identifiers().zip(&places).filter(|_| !gives_names) {
                match place {
                    Some(at) => {
                        stage.note(self.graph.person_at(*at), || self.graph.members_at(*at));
                    }
                    None => stage.note(identifier, || vec![identifier.clone()]),
                }
            }
            let made = self.graph.take(&claim, &mut changes);
            // What is refused is refused each time, and they are named in it all the same.
            let named = if made.is_ok() { when.0 } else { last.0 };
            for (identifier, place) in claim.identifiers().zip(&places) {
                self.graph.named(identifier, named);
                if let Some(at) = place.filter(|at| !self.graph.is_current(*at)) {
                    // It has changed hands. Whose the leaf before is will be known when the epoch is over.
                    earlier.note(identifier.clone(), when, self.graph.owner_of(at), false);
                }
            }
            self.graph.arm(touched);
            if gives_names {
                let is_given =
                    |from| claim.identifiers().skip(1).any(|identifier| identifier == from);
                debug_assert!(changes.iter().all(|it| is_given(it.persons()[1])));
                outcome.named += changes.len();
                let told = changes.drain(..).filter(|_| self.tells_names);
                outcome.names.extend(told.map(|change| (when, change)));
            } else {
                stage.add(when, &mut changes);
            }
            if let Err(refusal) = made {
                outcome.refused.extend(std::iter::repeat_n((refusal, claim), times));
            }
        }
        self.forget(end, &mut forgotten, &mut stage, &mut earlier, &mut loose);
        outcome.scripts = stage.scripts();
        outcome.removed = self.graph.take_removed();
        let mut owners;
        (outcome.touched, owners) = self.graph.take_touched();
        loose.retain(|loose| owners.iter().all(|(identifier, _)| identifier != loose));
        let owner = |identifier: CompactString| (self.graph.owner(&identifier), identifier);
        owners.extend(loose.into_iter().map(owner).map(|(owner, identifier)| (identifier, owner)));
        outcome.assigned = owners
            .into_iter()
            .map(|(identifier, owner)| {
                let earlier = earlier.take(&identifier, |leaf| self.graph.person_of(leaf));
                Assigned { identifier, earlier, owner }
            })
            .collect();
        outcome
    }

    /// Whether a claim only gives to somebody identifiers that are linked to none and have not come by themselves, in this epoch
    /// neither: under them nobody is there. A script that is about one of them already has to hear of it all the same. The places are those
    /// of its identifiers, of which the first is the strongest.
    fn gives_names(&self, claim: &Claim, places: &[Option<u32>], stage: &Stage) -> bool {
        let Claim::Together(identifiers) = claim else { return false };
        let mut persons = identifiers.iter().zip(places).map(|(identifier, place)| {
            (place.map_or(identifier, |at| self.graph.person_at(at)), place)
        });
        let Some((first, _)) = persons.next() else { return false };
        !stage.knows(first)
            && persons.all(|(person, place)| match place {
                Some(_) => person == first,
                None => !self.acted.may_be(person) && !stage.knows(person),
            })
    }

    /// Forgets those of whom nothing was seen for long, whose deadlines are before an instant: after all that happens at the
    /// deadline, and as many as one epoch takes.
    fn forget(
        &mut self,
        before: i64,
        forgotten: &mut usize,
        stage: &mut Stage,
        earlier: &mut Earlier,
        loose: &mut BTreeSet<CompactString>,
    ) {
        while *forgotten < FORGOTTEN_PER_EPOCH_MAX
            && let Some((due, person)) = self.graph.first_idle(before)
        {
            let when = (due.saturating_add(1), i64::MIN, Origin::default());
            let ended = self.end(&person, when, Ending::Forgotten, stage, earlier);
            loose.extend(ended.identifiers);
            *forgotten += 1;
        }
    }

    /// Ends a person. What its identifiers have done before that in this epoch, they have done as that person.
    fn end(
        &mut self,
        person: &CompactString,
        when: When,
        why: Ending,
        stage: &mut Stage,
        earlier: &mut Earlier,
    ) -> Ended {
        let owner = Owner { leaf: person.clone(), person: person.clone() };
        stage.note(person, || self.graph.members_of(person));
        let mut identifiers = self.graph.identifiers_of(person);
        if identifiers.is_empty() && self.graph.owner(person) == owner {
            // Linked to none, and known by what has happened to it all the same. (An identifier that has changed hands is
            // somebody else's by now.)
            identifiers.push((person.clone(), owner));
        }
        let ended = self.graph.end(person);
        earlier.end(&ended);
        for (identifier, owner) in identifiers {
            earlier.note(identifier, when, owner, true);
        }
        stage.end(when, &ended, why);
        ended
    }
}

/// What comes in an epoch.
enum Word {
    Said(Said),
    /// Something of the identifier of this hash.
    Seen(u64),
}

/// All of it in the order of events; what an event says comes before that something of its identifier was seen.
fn in_order(mut said: Vec<Said>, mut seen: Vec<(When, u64)>) -> impl Iterator<Item = (When, Word)> {
    said.sort_by_key(|said| said.first);
    seen.sort_unstable();
    let (mut said, mut seen) = (said.into_iter().peekable(), seen.into_iter().peekable());
    std::iter::from_fn(move || {
        let is_before = |said: &Said| seen.peek().is_none_or(|(at, _)| said.first <= *at);
        if said.peek().is_some_and(is_before) {
            return said.next().map(|said| (said.first, Word::Said(said)));
        }
        seen.next().map(|(at, hash)| (at, Word::Seen(hash)))
    })
}

/// To whom identifiers belonged before an instant of the epoch.
#[derive(Default)]
struct Earlier(BTreeMap<CompactString, Vec<Before>>);

struct Before {
    until: When,
    owner: Owner,
    /// The person is not there any more when the epoch is over.
    ended: bool,
}

impl Earlier {
    fn note(&mut self, identifier: CompactString, until: When, owner: Owner, ended: bool) {
        self.0.entry(identifier).or_default().push(Before { until, owner, ended });
    }

    /// What leaves have done so far, they have done as a person that ends.
    fn end(&mut self, ended: &Ended) {
        for before in self.0.values_mut().flatten() {
            if !before.ended && ended.leaves.contains(&before.owner.leaf) {
                before.owner.person.clone_from(&ended.person);
                before.ended = true;
            }
        }
    }

    fn take(
        &mut self,
        identifier: &str,
        person_of: impl Fn(&str) -> CompactString,
    ) -> Vec<(When, Owner)> {
        let all = self.0.remove(identifier).unwrap_or_default();
        let owner = |Before { until, mut owner, ended }: Before| {
            // Whose the old leaf is when the epoch is over.
            if !ended {
                owner.person = person_of(&owner.leaf);
            }
            (until, owner)
        };
        all.into_iter().map(owner).collect()
    }
}

/// The changes of an epoch, and who was who when it began.
#[derive(Default)]
struct Stage {
    groups: Groups,
    /// The persons of whom something was said, by number, and the leaves that they had.
    members: Vec<(usize, CompactString, Vec<CompactString>)>,
    changes: Vec<(When, Change)>,
}

impl Stage {
    /// Something is said of a person. One that has come about in this epoch has a number by then.
    fn note(&mut self, person: &CompactString, leaves: impl FnOnce() -> Vec<CompactString>) {
        let (number, is_new) = self.groups.number(person);
        if is_new {
            self.members.push((number, person.clone(), leaves()));
        }
    }

    /// Whether something was said of a person.
    fn knows(&self, person: &CompactString) -> bool {
        self.groups.numbers.contains_key(person)
    }

    fn add(&mut self, when: When, changes: &mut Vec<Change>) {
        for change in changes.drain(..) {
            let [one, two] = change.persons();
            self.groups.unite(one, two);
            self.changes.push((when, change));
        }
    }

    fn end(&mut self, when: When, ended: &Ended, why: Ending) {
        let Ended { person, leaves, .. } = ended;
        // Each leaf is somebody of its own from now on.
        leaves.iter().for_each(|leaf| _ = self.groups.number(leaf));
        self.groups.unite(person, person);
        let change = Change::End { person: person.clone(), leaves: leaves.clone(), why };
        self.changes.push((when, change));
    }

    /// One script for all persons that have to do with one another.
    fn scripts(mut self) -> Vec<Script> {
        let mut scripts = Vec::new();
        let mut of: Vec<Option<usize>> = vec![None; self.groups.roots.len()];
        for (when, change) in self.changes {
            let (number, _) = self.groups.number(change.survivor());
            let script = *of[self.groups.root(number)].get_or_insert_with(|| {
                scripts.push(Script { members: Vec::new(), changes: Vec::new() });
                scripts.len() - 1
            });
            scripts[script].changes.push((when, change));
        }
        for (number, person, leaves) in self.members {
            if let Some(script) = of[self.groups.root(number)] {
                let members = leaves.into_iter().map(|leaf| (leaf, person.clone()));
                scripts[script].members.extend(members);
            }
        }
        scripts
    }
}

/// Persons who have to do with one another: disjoint sets, each with its smallest number as root.
#[derive(Default)]
struct Groups {
    numbers: HashMap<CompactString, usize>,
    roots: Vec<usize>,
}

impl Groups {
    /// The number of a person, and whether it was given just now.
    fn number(&mut self, person: &CompactString) -> (usize, bool) {
        let next = self.roots.len();
        let number = *self.numbers.entry_ref(person).or_insert(next);
        if number == next {
            self.roots.push(next);
        }
        (number, number == next)
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.roots[at] != at {
            self.roots[at] = self.roots[self.roots[at]];
            at = self.roots[at];
        }
        at
    }

    fn unite(&mut self, one: &CompactString, two: &CompactString) {
        let (one, two) = (self.number(one).0, self.number(two).0);
        let (one, two) = (self.root(one), self.root(two));
        self.roots[one.max(two)] = one.min(two);
    }
}

mod news;
pub use news::Said;

#[cfg(test)]
mod tests;
