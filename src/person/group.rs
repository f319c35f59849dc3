//! Persons who turn out to be one in an epoch, or not to be: worked on together, change by change.

use super::farewell::Forgotten;
use super::turn::{Frame, Tally};
use super::{Effect, Person};
use crate::event::{Event, leaf_hash};
use crate::identity::{Change, Ending, Script, when};
use crate::person::keyed::Emit;
use compact_str::CompactString;
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// All groups of an epoch on one worker.
#[derive(Default)]
pub struct Groups {
    groups: Vec<Group>,
    /// The group of everybody who is somebody at some time of the epoch.
    of: HashMap<CompactString, usize, foldhash::fast::FixedState>,
}

/// Persons whom one epoch joins or parts, brought together for it.
pub(super) struct Group {
    script: Script,
    /// Those who are there, by identifier.
    persons: BTreeMap<CompactString, Person>,
    /// To whom each leaf belongs now.
    owners: BTreeMap<CompactString, CompactString>,
    /// Instants before which nothing happens any more under leaves of somebody who was there until then.
    ended: BTreeMap<CompactString, i64>,
    pub(super) events: Vec<Event>,
    effects: BTreeMap<CompactString, Vec<Effect>>,
}

impl Groups {
    /// The groups that scripts are about. Whoever is on another worker has to be brought.
    pub fn new(scripts: impl IntoIterator<Item = Script>) -> Groups {
        let mut groups = Groups::default();
        for script in scripts {
            let at = groups.groups.len();
            groups.of.extend(script.persons().into_iter().map(|id| (id.clone(), at)));
            groups.groups.push(Group {
                script,
                persons: BTreeMap::new(),
                owners: BTreeMap::new(),
                ended: BTreeMap::new(),
                events: Vec::new(),
                effects: BTreeMap::new(),
            });
        }
        groups
    }

    /// Somebody comes from another worker; nobody waits for a person that no group is about.
    pub fn bring(&mut self, person: Person) {
        if let Some(&at) = self.of.get(&person.id) {
            self.groups[at].bring(person);
        }
    }

    /// Takes events of one person out, if a group is about it; tells whether one is.
    pub(super) fn take(&mut self, events: &mut [Event]) -> bool {
        if self.of.is_empty() {
            return false;
        }
        let at = events.first().and_then(|event| self.of.get(event.person()));
        let Some(&at) = at else { return false };
        let taken = |event: &mut Event| {
            let left = Event::plain(event.kind, event.time, event.origin);
            std::mem::replace(event, left)
        };
        self.groups[at].events.extend(events.iter_mut().map(taken));
        true
    }

    pub(super) fn all(self) -> Vec<Group> {
        self.groups
    }
}

impl Group {
    pub(super) fn bring(&mut self, person: Person) {
        self.persons.insert(person.id.clone(), person);
    }

    /// Everybody who is somebody at some time of the epoch.
    pub(super) fn ids(&self) -> Vec<CompactString> {
        self.script.persons().into_iter().cloned().collect()
    }

    /// Lets whoever watches know who turns out to be whom.
    pub(super) fn tell(&self, frame: &Frame) {
        let Some(watch) = frame.watch else { return };
        self.script.changes.iter().for_each(|(at, change)| watch.turned(at.0, change));
    }

    /// Whether its changes only give identifiers to persons under which nothing has happened yet, and nothing happens under these before
    /// they do: then everybody's events happen to them as always, as they would if nobody had written a script.
    pub(super) fn only_names(&self, is_there: impl Fn(&str) -> bool, watermark: i64) -> bool {
        let Some((last, change)) = self.script.changes.last() else { return true };
        // All the same person's, which is on this worker: so this does not depend on who is where.
        let person = change.survivor();
        let nobody = |change: &Change| match change {
            Change::Join { into, from } => into == person && !is_there(from),
            Change::Part { .. } | Change::End { .. } => false,
        };
        let given = |leaf: &CompactString| {
            let mut members = self.script.members.iter();
            let mut changes = self.script.changes.iter();
            members.any(|(member, of)| member == leaf && of != person)
                || changes.any(|(_, change)| change.persons()[1] == leaf)
        };
        self.persons.is_empty()
            && self.script.changes.iter().all(|(_, change)| nobody(change))
            && self
                .events
                .iter()
                .all(|event| when(event, watermark) >= *last || !given(&event.leaf))
    }

    /// Lets everything happen: the events of all of them, and in between the changes. Gives who is left.
    pub(super) fn play(&mut self, frame: &Frame, emit: &mut Emit) -> (Vec<Person>, Tally) {
        self.owners.extend(std::mem::take(&mut self.script.members));
        let key = |event: &Event| when(event, frame.watermark);
        let mut events = std::mem::take(&mut self.events);
        events.sort_by_key(key);
        let mut tally = Tally::default();
        let mut rest = events.as_slice();
        for (at, change) in std::mem::take(&mut self.script.changes) {
            let (before, later) = rest.split_at(rest.partition_point(|event| key(event) < at));
            rest = later;
            self.run(&frame.until(at.0), before, &mut tally);
            self.change(frame, at.0, change, &mut tally);
        }
        self.run(frame, rest, &mut tally);
        for (id, effects) in &mut self.effects {
            emit(id, leaf_hash(id), effects);
        }
        self.persons.values_mut().for_each(Person::ask_again);
        (std::mem::take(&mut self.persons).into_values().collect(), tally)
    }

    /// Lets events happen to those to whose leaves they belong, and lets time go on for all.
    fn run(&mut self, frame: &Frame, events: &[Event], tally: &mut Tally) {
        let owner = |event: &Event| self.owners.get(&event.leaf).unwrap_or(&event.leaf).clone();
        let mut own: BTreeMap<CompactString, Vec<Event>> = BTreeMap::new();
        for event in events {
            own.entry(owner(event)).or_default().push(event.clone());
        }
        for id in own.keys() {
            self.there(frame, id);
        }
        let mut nobody = Vec::new();
        for (id, person) in &mut self.persons {
            let events = own.remove(id).unwrap_or_default();
            let mut rest = events.as_slice();
            loop {
                let effects = self.effects.entry(id.clone()).or_default();
                let (more, forgotten) = person.run_answered(frame, &[], rest, effects);
                tally.add(more);
                let Some(Forgotten { after, at, names }) = forgotten else { break };
                for name in names {
                    self.effects.entry(name).or_default().push(Effect::Gone { time: at });
                }
                rest = &rest[after..];
                *person = Person { plan: frame.plan.version, ..Person::new(id.clone()) };
                if rest.is_empty() {
                    nobody.push(id.clone());
                }
            }
        }
        self.persons.retain(|id, _| !nobody.contains(id));
    }

    /// The person, made if there is none.
    fn there(&mut self, frame: &Frame, id: &CompactString) {
        let now = self.ended.get(id).copied();
        self.persons.entry(id.clone()).or_insert_with(|| {
            let new = Person::new(id.clone());
            Person { plan: frame.plan.version, now: now.unwrap_or(new.now), ..new }
        });
    }

    fn change(&mut self, frame: &Frame, at: i64, change: Change, tally: &mut Tally) {
        match change {
            Change::Join { into, from } => {
                // Nobody may be there yet, under an identifier that has not come with an event of its own.
                if let Some(other) = self.persons.remove(&from) {
                    self.there(frame, &into);
                    let person = self.persons.get_mut(&into).expect("made a moment ago");
                    let mut last_words = self.effects.remove(&from).unwrap_or_default();
                    let effects = self.effects.entry(into.clone()).or_default();
                    person.join(frame, at, other, effects, &mut last_words);
                    self.effects.insert(from.clone(), last_words);
                }
                self.owners.values_mut().filter(|owner| **owner == from).for_each(|owner| {
                    *owner = into.clone();
                });
                self.owners.entry(from).or_insert(into);
            }
            Change::Part { from, into, leaves } => {
                self.there(frame, &from);
                let mut first_words = std::mem::take(self.effects.entry(into.clone()).or_default());
                let effects = self.effects.entry(from.clone()).or_default();
                let person = self.persons.get_mut(&from).expect("made a moment ago");
                let parted = person.part(frame, at, &into, &leaves, effects, &mut first_words);
                self.effects.insert(into.clone(), first_words);
                if !parted.is_nobody() {
                    self.persons.insert(into.clone(), parted);
                }
                if self.persons[&from].is_nobody() {
                    self.persons.remove(&from);
                }
                for leaf in leaves {
                    self.owners.insert(leaf, into.clone());
                }
            }
            Change::End { person, leaves, why } => {
                self.end(frame, at, &person, why, leaves.clone(), tally);
                for leaf in leaves {
                    self.owners.insert(leaf.clone(), leaf);
                }
            }
        }
    }

    /// Nothing is known any more of a person.
    fn end(
        &mut self,
        frame: &Frame,
        at: i64,
        person: &CompactString,
        why: Ending,
        mut names: Vec<CompactString>,
        tally: &mut Tally,
    ) {
        let mut time = at;
        if let Some(mut ended) = self.persons.remove(person) {
            let effects = self.effects.entry(person.clone()).or_default();
            names.extend(ended.leave_everything(frame.plan, at, why, effects));
            time = ended.now;
            match why {
                Ending::Erased => tally.erased += 1,
                Ending::Forgotten => tally.forgotten += 1,
            }
        } else if why == Ending::Forgotten {
            // It has said so itself.
            return;
        }
        names.sort();
        names.dedup();
        for name in names {
            self.effects.entry(name.clone()).or_default().push(Effect::Gone { time });
            // At the live edge a person can be ahead of the events that are yet to come.
            self.ended.insert(name, time);
        }
    }
}
