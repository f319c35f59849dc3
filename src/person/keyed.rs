//! The keyed state of one worker: its persons, their timers, and what one epoch does to them. Knows no timely type;
//! [`super::operator`] drives it.

mod compared;
mod ended;
mod in_order;
mod relations;
mod reported;
mod throttled;

use super::group::{Group, Groups};
use super::table::{NEAR, Table, pack};
use super::turn::{Frame, Tally};
use super::views::{Keeper, Wanted};
use super::watch::Watcher;
use super::{Effect, Person, Said, Timers, facts, lists, ranks};
use crate::catalogue::related::Pair;
use crate::define::plan::Plan;
use crate::epoch::Span;
use crate::event::{Call, Event, leaf_hash};
use crate::identity::{Change, Erased};
use crate::limits::{PERSONS_IN_MEMORY_MAX, PERSONS_LIVE_MAX, TIMERS_PER_GROUP_AND_EPOCH};
use crate::store::{Persons as Stored, Record, Shelf};
use crate::time::{HOUR, NEVER};
use compact_str::CompactString;
use compared::Compared;
use in_order::InOrder;
use relations::Relations;
use reported::Reported;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use throttled::Throttles;

/// Takes what comes out of one person's step: identifier, hash, effects.
pub type Emit<'a> = dyn FnMut(&str, u64, &mut Vec<Effect>) + 'a;

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub events: u64,
    pub duplicates: u64,
    pub late: u64,
    pub timers: u64,
    pub persons: u64,
    /// Persons erased, and persons forgotten.
    pub erased: u64,
    pub forgotten: u64,
    /// Events of identifiers that had been erased after them.
    pub dropped: u64,
}

impl Counts {
    /// Adds another worker's.
    pub fn add(&mut self, other: &Counts) {
        self.events += other.events;
        self.duplicates += other.duplicates;
        self.late += other.late;
        self.timers += other.timers;
        self.persons += other.persons;
        self.erased += other.erased;
        self.forgotten += other.forgotten;
        self.dropped += other.dropped;
    }
}

/// What a person who goes away had said, to be taken back in the epoch in which it does.
#[derive(Debug, Default)]
pub struct Unsaid {
    said: Vec<Said>,
    pairs: Vec<Pair>,
}

/// Persons, timers, and the checkpoint under way.
pub struct Keyed {
    plan: Arc<Plan>,
    dedup_horizon: i64,
    /// A person who has done nothing for so long is packed, if more than so many are live.
    idle: i64,
    most_live: usize,
    /// Persons in memory beyond which those whom the store holds go out of it.
    most_held: usize,
    table: Table,
    timers: Timers,
    counts: Counts,
    /// Slots touched since the last checkpoint began.
    dirty: Vec<u32>,
    /// Persons that have become part of others, or have gone to another worker, since the last checkpoint began.
    gone: BTreeSet<CompactString>,
    /// What identity has to keep, since the last checkpoint began, by leaf.
    links: BTreeMap<CompactString, Record>,
    /// What the checkpoint under way still has to write, and what it has written.
    frozen: Vec<u32>,
    written: Vec<Record>,
    tracked: bool,
    due: Vec<(i64, u32)>,
    effects: Vec<Effect>,
    /// Hands persons over to those who only look, in a live run.
    keeper: Option<Keeper>,
    /// Whether every person that changes is handed over; else only who is asked for.
    shown: bool,
    compared: Compared,
    relations: Relations,
    throttles: Throttles,
    reported: Reported,
    /// Which worker this is, of how many.
    place: (usize, usize),
    /// Who was erased, where every identifier is a person.
    erased: Erased,
    /// Who writes down what happens to somebody.
    watch: Option<Arc<Watcher>>,
}

impl Keyed {
    /// Nobody yet. Message ids are remembered for `dedup_horizon` milliseconds; with a store, changes are kept track of for it.
    pub fn new(plan: Arc<Plan>, dedup_horizon: i64, store: Option<Arc<dyn Stored>>) -> Keyed {
        Keyed {
            idle: idle(&plan, dedup_horizon),
            reported: Reported::new(&plan),
            plan,
            dedup_horizon,
            most_live: PERSONS_LIVE_MAX,
            most_held: PERSONS_IN_MEMORY_MAX,
            tracked: store.is_some(),
            table: Table::with_store(store),
            timers: Timers::default(),
            counts: Counts::default(),
            dirty: Vec::new(),
            gone: BTreeSet::new(),
            links: BTreeMap::new(),
            frozen: Vec::new(),
            written: Vec::new(),
            due: Vec::new(),
            effects: Vec::new(),
            keeper: None,
            shown: false,
            compared: Compared::default(),
            relations: Relations::default(),
            throttles: Throttles::default(),
            place: (0, 1),
            erased: Erased::default(),
            watch: None,
        }
    }

    /// Whoever is idle is packed if more than so many persons are live, instead of [`PERSONS_LIVE_MAX`].
    pub fn keep_live(&mut self, most: usize) {
        self.most_live = most;
    }

    /// What happens to somebody is written down from now on.
    pub fn watch(&mut self, watch: Arc<Watcher>) {
        self.watch = Some(watch);
    }

    /// Somebody turns out to be somebody else at an instant, and has nothing to bring.
    pub fn write_down(&self, at: i64, change: &Change) {
        if let Some(watch) = &self.watch {
            watch.turned(at, change);
        }
    }

    /// Another plan holds from the epoch on that begins at this watermark. Persons take it up when something happens to
    /// them, or now, as many as one epoch takes, if it concerns everybody.
    pub fn switch(&mut self, plan: Arc<Plan>, begin: i64) {
        self.idle = idle(&plan, self.dedup_horizon);
        if let Some(keeper) = &mut self.keeper {
            keeper.set_plan(plan.fingerprint);
        }
        if ranks::is_new(&plan, &self.plan) || lists::is_new(&plan, &self.plan) {
            self.say_all(&plan, begin);
        }
        self.compared.announce(&plan);
        self.reported.switch(&plan);
        if plan.concerns_everybody() {
            for slot in self.table.taken().collect::<Vec<u32>>() {
                // A restart has to know of it.
                self.touch(slot);
                if self.table.make_due(slot, begin) {
                    self.timers.push(leaf_hash(self.table.id(slot)), begin, slot);
                }
            }
        }
        self.plan = plan;
    }

    /// Hands persons over to those who only look.
    pub fn show_to(&mut self, keeper: Keeper) {
        self.keeper = Some(keeper);
    }

    /// Whether every person that changes is handed over: at the live edge. In a backlog it would cost more than it is worth.
    pub fn show(&mut self, shown: bool) {
        self.shown = shown;
    }

    /// Answers those who ask for persons that nobody has handed over.
    pub fn answer(&mut self, wanted: Vec<Wanted>, watermark: i64) {
        for wanted in wanted {
            let person = self.person(&wanted.id);
            if let Some(keeper) = &mut self.keeper {
                keeper.answer(wanted, person.as_ref(), watermark);
            }
        }
    }

    /// A person that the store holds, with the deadline it was stored with.
    pub fn add_stored(&mut self, id: &str, hash: u64, deadline: i64) {
        let slot = self.table.add_stored(id, hash);
        if deadline != NEVER {
            self.table.slot_mut(slot).armed = deadline;
            self.timers.push(hash, deadline, slot);
        }
    }

    /// A time before which no timer is due, and nobody has to be told of anything.
    pub fn earliest_timer(&self) -> i64 {
        if self.relations.is_telling() {
            return i64::MIN;
        }
        let places = self.throttles.next(&self.plan);
        places.map_or(self.timers.earliest(), |at| at.min(self.timers.earliest()))
    }

    /// Counts since the start, and how many persons there are.
    pub fn counts(&self) -> Counts {
        Counts { persons: self.table.len() as u64, ..self.counts }
    }

    /// Entries in the timers.
    pub fn timers(&self) -> usize {
        self.timers.len()
    }

    /// One epoch: its events (late ones too), and the timers before the watermark at its end, as many as one epoch takes.
    /// What is left over is first in the next epoch.
    pub fn epoch(&mut self, events: &mut Vec<Event>, span: Span, emit: &mut Emit) {
        self.epoch_with(events, Groups::default(), span, emit);
    }

    /// An epoch in which identifiers turn out to be one person, or not: those concerned are worked on together.
    pub fn epoch_with(
        &mut self,
        events: &mut Vec<Event>,
        mut groups: Groups,
        span: Span,
        emit: &mut Emit,
    ) {
        let plan = self.plan.clone();
        let catalogue = std::mem::take(&mut self.relations.catalogue);
        let watch = self.watch.clone();
        self.table.cool(span.end);
        self.compared.answer_moved();
        let next_watermark = span.end;
        let frame = Frame {
            plan: &plan,
            dedup_horizon: self.dedup_horizon,
            watermark: span.begin,
            next_watermark,
            clock: span.clock,
            catalogue: Some(&catalogue),
            alone: false,
            watch: watch.as_deref(),
        };
        events.append(&mut self.relations.take_happened());
        events.extend(self.told_now(span.begin));
        let mut records: Vec<Event> = Vec::new();
        let mut in_order = InOrder::new(events);
        while let Some(near) = in_order.next(NEAR) {
            self.count_events(near);
            let of_each = near.chunk_by_mut(|a, b| a.hash == b.hash && a.person() == b.person());
            let of_each: SmallVec<[&mut [Event]; NEAR]> = of_each.collect();
            self.table.fetch(of_each.iter().map(|own| &own[0]));
            for own in of_each {
                match own[0].call {
                    Call::Product => records.extend_from_slice(own),
                    Call::Asks => self.throttles.take(own),
                    _ => self.take(&frame, own, &mut groups, emit),
                }
            }
        }
        for group in groups.all() {
            self.follow(&frame, group, emit);
        }
        while let Some(slot) = self.compared.next() {
            self.step(&frame, slot, &[], false, emit);
        }
        let mut due = std::mem::take(&mut self.due);
        let worth = |deadline, slot| self.table.worth(deadline, next_watermark, slot);
        self.timers.take_due(next_watermark, TIMERS_PER_GROUP_AND_EPOCH, worth, &mut due);
        for near in due.chunks(NEAR) {
            let slots: Vec<u32> = near.iter().map(|(_, slot)| *slot).collect();
            self.table.fetch_slots(&slots);
            for &(deadline, slot) in near {
                if self.table.slot(slot).armed == deadline {
                    self.step(&frame, slot, &[], true, emit);
                }
            }
        }
        due.clear();
        self.due = due;
        let idle_before = next_watermark.saturating_sub(self.idle);
        // Who is packed once a day is not tidied: when that is depends on when the run was last started, and in memory there is room.
        self.table.pack_idle(
            self.most_live,
            |person| person.last_seen < idle_before,
            |person| person.tidy(&frame),
        );
        self.relations.catalogue = catalogue;
        self.relations.take_records(&plan, &records);
        self.relations.grant(self.throttles.give(&plan, span.end));
    }

    /// Counts what has come in. All workers get the records of products; one of them counts them.
    fn count_events(&mut self, events: &[Event]) {
        let counts = |event: &&Event| match event.call {
            Call::Product => self.place.0 == 0,
            _ => !event.is_inside(),
        };
        self.counts.events += events.iter().filter(counts).count() as u64;
    }

    /// What happens in an epoch to whoever an identifier is.
    fn take(&mut self, frame: &Frame, own: &mut [Event], groups: &mut Groups, emit: &mut Emit) {
        if self.ends(frame, own, emit) || groups.take(own) {
            return;
        }
        let (id, hash) = (own[0].person(), own[0].hash);
        // A place is for who is there, on whichever worker that is.
        let only_granted = own.iter().all(|event| event.call == Call::Granted);
        if only_granted && self.table.find(id, hash).is_none() {
            return;
        }
        let slot = self.table.find_or_add(id, hash, frame.plan);
        self.step(frame, slot, own, false, emit);
    }

    /// One person's part of an epoch, up to where the person is forgotten; then the slot of the next one, and how many events came before.
    fn step_once(
        &mut self,
        frame: &Frame,
        slot: u32,
        events: &[Event],
        popped: bool,
        emit: &mut Emit,
    ) -> Option<(u32, usize)> {
        self.touch(slot);
        if popped {
            self.table.slot_mut(slot).armed = NEVER;
        }
        let mut person = self.table.take(slot);
        let answers = self.compared.take(slot);
        let recheck = person.recheck;
        self.reported.before(&person);
        let (tally, forgotten) = person.run_answered(frame, &answers, events, &mut self.effects);
        self.count(tally);
        self.reported.after(&person, &self.effects);
        frame.went_out(&person.id, &self.effects);
        if let Some(forgotten) = forgotten {
            let more = forgotten.after < events.len();
            return self.forget(frame, slot, person, &forgotten, more, emit);
        }
        // As of the end of the epoch, before which a window may still lose something.
        let end = frame.next_watermark.saturating_sub(1);
        self.compared.say(&mut person, slot, frame.plan, end);
        // Where all conditions were asked again, it is not known any more when a list changes by itself.
        let anything = recheck <= end || person.recheck > recheck || !answers.is_empty();
        let because = (!anything).then_some(events);
        self.relations.say(&mut person, slot, frame.plan, end, because);
        self.relations.keep_forwards(frame.plan, &mut self.effects);
        if !self.effects.is_empty() {
            emit(&person.id, leaf_hash(&person.id), &mut self.effects);
            self.effects.clear();
        }
        self.show_and_put_back(frame, slot, person);
        None
    }

    /// Puts a person back after a step, for those who only look too.
    fn show_and_put_back(&mut self, frame: &Frame, slot: u32, person: Box<Person>) {
        match &mut self.keeper {
            Some(keeper) if self.shown => keeper.touched(&person, frame.next_watermark),
            Some(keeper) => keeper.stale(&person.id),
            None => {}
        }
        self.put_back(frame, slot, person);
    }

    /// Puts a person back after a step, and arms the next deadline.
    fn put_back(&mut self, frame: &Frame, slot: u32, person: Box<Person>) {
        let hash = leaf_hash(&person.id);
        let wake = person.next_deadline(frame.plan);
        self.table.put(slot, person, wake);
        if wake < self.table.slot(slot).armed {
            self.table.slot_mut(slot).armed = wake;
            self.timers.push(hash, wake, slot);
        }
    }

    /// Works on persons who turn out to be one, or not to be.
    fn follow(&mut self, frame: &Frame, mut group: Group, emit: &mut Emit) {
        group.tell(frame);
        let is_there = |id: &str| self.table.find(id, leaf_hash(id)).is_some();
        if group.only_names(is_there, frame.watermark) {
            for own in group.events.chunk_by(|a, b| a.person() == b.person()) {
                let slot = self.table.find_or_add(own[0].person(), own[0].hash, frame.plan);
                self.step(frame, slot, own, false, emit);
            }
            return;
        }
        for id in group.ids() {
            if let Some((person, unsaid)) = self.take_out(&id) {
                self.unsay(unsaid);
                group.bring(person);
            }
        }
        let (relations, reported) = (&mut self.relations, &mut self.reported);
        let (persons, tally) = group.play(frame, &mut |id, hash, effects| {
            reported.hear(effects);
            frame.went_out(&id.into(), effects);
            relations.keep_forwards(frame.plan, effects);
            emit(id, hash, effects);
        });
        self.count(tally);
        for person in persons {
            self.take_in(frame, person);
        }
    }

    /// Takes somebody out who will be in another place, with what was said here and is to be taken back.
    pub fn take_out(&mut self, id: &str) -> Option<(Person, Unsaid)> {
        let slot = self.table.find(id, leaf_hash(id))?;
        self.touch(slot);
        if self.tracked {
            self.gone.insert(id.into());
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.stale(id);
        }
        let mut person = self.table.remove(slot);
        self.reported.came(&person, false);
        let said = self.compared.move_away(&mut person, slot);
        let pairs = self.relations.move_away(&mut person, slot);
        Some((*person, Unsaid { said, pairs }))
    }

    fn take_in(&mut self, frame: &Frame, person: Person) {
        self.reported.came(&person, true);
        let slot = self.table.insert(Box::new(person));
        self.touch(slot);
        let mut person = self.table.take(slot);
        self.compared.arrive(&mut person, slot, frame);
        let end = frame.next_watermark.saturating_sub(1);
        self.relations.say(&mut person, slot, frame.plan, end, None);
        self.show_and_put_back(frame, slot, person);
    }

    fn count(&mut self, tally: Tally) {
        self.counts.duplicates += tally.duplicates;
        self.counts.late += tally.late;
        self.counts.timers += tally.timers;
        self.counts.erased += tally.erased;
        self.counts.forgotten += tally.forgotten;
    }

    /// Before a person changes: what the checkpoint under way must keep is written first.
    fn touch(&mut self, slot: u32) {
        if !self.tracked {
            return;
        }
        if self.table.slot(slot).frozen {
            self.write(slot);
        }
        if !self.table.slot(slot).dirty {
            self.table.slot_mut(slot).dirty = true;
            self.dirty.push(slot);
        }
    }

    /// Begins a checkpoint of the state as it is now, after an epoch: everybody touched since the last one will be written as they are. The
    /// last one is safe in the store by now, and who has not changed since can be read from there again: if too many
    /// persons are in memory, they go out of it.
    pub fn freeze(&mut self, epoch: u64) {
        assert!(self.frozen.is_empty(), "one checkpoint at a time");
        if self.tracked {
            self.table.release(self.most_held);
        }
        self.frozen = std::mem::take(&mut self.dirty);
        self.frozen.retain(|slot| !self.table.is_free(*slot));
        for &slot in &self.frozen {
            let slot = self.table.slot_mut(slot);
            (slot.dirty, slot.frozen) = (false, true);
        }
        for id in std::mem::take(&mut self.gone) {
            if self.table.find(&id, leaf_hash(&id)).is_none() {
                self.written.push(Record::removal(&id));
            }
        }
        self.written.extend(std::mem::take(&mut self.links).into_values());
        if self.tracked {
            self.relations.freeze(epoch, self.place, &mut self.written);
            self.throttles.freeze(&mut self.written);
            self.reported.freeze(epoch, self.place.0, &mut self.written);
        }
    }

    /// Writes up to `count` persons of the checkpoint under way; gives all records once nothing is left to write.
    pub fn write_slice(&mut self, count: usize) -> Option<Vec<Record>> {
        for _ in 0..count {
            let Some(slot) = self.frozen.pop() else {
                return Some(std::mem::take(&mut self.written));
            };
            if self.table.slot(slot).frozen {
                self.write(slot);
            }
        }
        None
    }

    fn write(&mut self, slot: u32) {
        let deadline = self.table.deadline(slot);
        let person = self.table.bytes(slot);
        let id = self.table.id(slot).to_owned();
        let hash = leaf_hash(&id);
        self.written.push(Record { shelf: Shelf::Persons, id, hash, deadline, person });
        self.table.slot_mut(slot).frozen = false;
    }

    /// A copy of a person, for those who only look.
    pub fn person(&self, id: &str) -> Option<Person> {
        let slot = self.table.find(id, leaf_hash(id))?;
        Some(self.table.view(slot))
    }

    /// Copies of all persons, in no order.
    pub fn persons(&self) -> impl Iterator<Item = Person> + '_ {
        self.table.taken().map(|slot| self.table.view(slot))
    }

    /// Bytes that a person takes when packed, for figures.
    pub fn packed_bytes(person: &Person) -> usize {
        pack::<Vec<u8>>(person).len()
    }
}

/// How long a person does nothing before being packed: until then a session may still be open and message ids be
/// remembered; both end with a timer anyway.
fn idle(plan: &Plan, dedup_horizon: i64) -> i64 {
    let gap = plan.sessions.as_ref().map_or(0, |sessions| sessions.gap);
    gap.max(dedup_horizon).clamp(HOUR / 2, 24 * HOUR) + 1
}

impl Person {
    /// Drops what no later instant can see.
    fn tidy(&mut self, frame: &Frame) {
        self.message_ids.forget(frame.next_watermark, frame.dedup_horizon);
        // Who only looks does so as of the end of the epoch.
        facts::prune(self, frame.plan, frame.next_watermark.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests;
