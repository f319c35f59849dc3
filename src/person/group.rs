//! Persons who turn out to be one in an epoch, or not to be: worked on together, change by change.

use super::turn::{Frame, Tally};
use super::{Effect, Person};
use crate::event::{Event, leaf_hash};
use crate::identity::{Change, Script, when};
use crate::person::keyed::Emit;
use compact_str::CompactString;
use std::collections::BTreeMap;

/// Persons whom one epoch joins or parts, brought together for it.
pub struct Group {
    script: Script,
    /// Those who are there, by identifier.
    persons: BTreeMap<CompactString, Box<Person>>,
    /// To whom each leaf belongs now.
    owners: BTreeMap<CompactString, CompactString>,
    /// Everybody who is somebody at some time of the epoch.
    ids: Vec<CompactString>,
    effects: BTreeMap<CompactString, Vec<Effect>>,
}

impl Group {
    /// The group that a script is about. Whoever there is has to be brought.
    pub fn new(script: Script) -> Group {
        let owners: BTreeMap<_, _> = script.members.iter().cloned().collect();
        let ids = script.persons();
        Group { script, persons: BTreeMap::new(), owners, ids, effects: BTreeMap::new() }
    }

    /// Whether it is about a person.
    pub fn concerns(&self, id: &CompactString) -> bool {
        self.ids.binary_search(id).is_ok()
    }

    /// Everybody whom it is about.
    pub fn persons(&self) -> Vec<CompactString> {
        self.ids.clone()
    }

    /// Somebody joins the group.
    pub fn bring(&mut self, person: Box<Person>) {
        self.persons.insert(person.id.clone(), person);
    }

    /// Lets everything happen: the events of all of them, and in between the changes. Gives who is left.
    pub(super) fn play(
        &mut self,
        frame: &Frame,
        mut events: Vec<Event>,
        emit: &mut Emit,
    ) -> (Vec<Box<Person>>, Tally) {
        let key = |event: &Event| when(event, frame.watermark);
        events.sort_by_key(key);
        let mut tally = Tally::default();
        let mut rest = events.as_slice();
        for (at, change) in std::mem::take(&mut self.script.changes) {
            let (before, later) = rest.split_at(rest.partition_point(|event| key(event) < at));
            rest = later;
            self.run(&frame.until(at.0), before, &mut tally);
            self.change(frame, at.0, change);
        }
        self.run(frame, rest, &mut tally);
        for (id, effects) in &mut self.effects {
            emit(id, leaf_hash(id), effects);
        }
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
        for (id, person) in &mut self.persons {
            let events = own.remove(id).unwrap_or_default();
            let effects = self.effects.entry(id.clone()).or_default();
            let more = person.run(frame, &events, effects);
            tally.add(more);
        }
    }

    /// The person, made if there is none.
    fn there(&mut self, frame: &Frame, id: &CompactString) {
        self.persons.entry(id.clone()).or_insert_with(|| {
            Box::new(Person { plan: frame.plan.version, ..Person::new(id.clone()) })
        });
    }

    fn change(&mut self, frame: &Frame, at: i64, change: Change) {
        match change {
            Change::Join { into, from } => {
                self.there(frame, &into);
                self.there(frame, &from);
                let other = self.persons.remove(&from).expect("made a moment ago");
                let mut last_words = std::mem::take(self.effects.entry(from.clone()).or_default());
                let effects = self.effects.entry(into.clone()).or_default();
                let person = self.persons.get_mut(&into).expect("made a moment ago");
                person.join(frame, at, *other, effects, &mut last_words);
                self.effects.insert(from.clone(), last_words);
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
                    self.persons.insert(into.clone(), Box::new(parted));
                }
                if self.persons[&from].is_nobody() {
                    self.persons.remove(&from);
                }
                for leaf in leaves {
                    self.owners.insert(leaf, into.clone());
                }
            }
        }
    }
}
