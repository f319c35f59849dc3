//! Persons of whom nothing is to be known any more, where every identifier is a person: no identity decides it for them.

use super::super::farewell::Forgotten;
use super::super::group::{Group, Groups};
use super::super::{Effect, Person};
use super::{Emit, Frame, Keyed};
use crate::event::{Event, Says, leaf_hash};
use crate::identity::erased::{ErasedKey, key};
use crate::identity::{Change, Ending, Script, When, when};
use crate::store::Record;
use crate::time::NEVER;
use compact_str::CompactString;

impl Keyed {
    /// An identifier was erased at this instant, as a store has kept it.
    pub fn remember_erased(&mut self, key: ErasedKey, at: i64) {
        self.erased.remember(key, at);
    }

    /// What identity has to keep with the state after this epoch.
    pub fn keep_links(&mut self, records: impl IntoIterator<Item = Record>) {
        if self.tracked {
            let named = |record: Record| (CompactString::from(record.id.as_str()), record);
            self.links.extend(records.into_iter().map(named));
        }
    }

    /// Lets one person's events of an epoch happen if that person ends among them, or some of them are not to be known any
    /// more; false if it is an epoch like any other.
    pub(super) fn ends(&mut self, frame: &Frame, own: &[Event], emit: &mut Emit) -> bool {
        let asks = own.iter().any(|event| event.says == Says::Erased);
        if frame.plan.inputs.identity.is_some() || !asks && self.erased.is_empty() {
            return false;
        }
        let id = own[0].person();
        let at = |event: &Event| when(event, frame.watermark);
        let is_old = |event: &Event| self.erased.covers(id, event.time);
        let mut asked: Vec<&Event> =
            own.iter().filter(|it| it.says == Says::Erased && !is_old(it)).collect();
        asked.sort_by_key(|event| at(event));
        let mut ends: Vec<When> = Vec::new();
        for request in asked {
            // One that comes again does nothing to whoever has come since.
            if ends.last().is_none_or(|end| request.time > end.0) {
                ends.push(at(request));
            }
        }
        let is_over = |event: &Event| {
            is_old(event) || ends.iter().any(|end| *end <= at(event) && event.time <= end.0)
        };
        let (over, left): (Vec<&Event>, Vec<&Event>) =
            own.iter().filter(|it| it.says != Says::Erased).partition(|event| is_over(event));
        let mut events: Vec<Event> = left.into_iter().cloned().collect();
        self.counts.dropped += over.len() as u64;
        let Some(last) = ends.last() else {
            if !events.is_empty() {
                let slot = self.table.find_or_add(id, own[0].hash, frame.plan);
                self.step(frame, slot, &events, false, emit);
            }
            return true;
        };
        self.erased.remember(key(id), last.0);
        self.keep_links([Record::erased(key(id), last.0)]);
        let end = |at: &When| {
            let (person, leaves) = (id.clone(), vec![id.clone()]);
            (*at, Change::End { person, leaves, why: Ending::Erased })
        };
        let script = Script {
            members: vec![(id.clone(), id.clone())],
            changes: ends.iter().map(end).collect(),
        };
        let mut groups = Groups::new([script]);
        groups.take(&mut events);
        groups.all().into_iter().for_each(|group: Group| self.follow(frame, group, emit));
        true
    }

    /// One person's part of an epoch; `popped` if the person's entry was taken out of the timers. Whoever is forgotten in the
    /// middle of it is somebody new after that.
    pub(super) fn step(
        &mut self,
        frame: &Frame,
        slot: u32,
        events: &[Event],
        popped: bool,
        emit: &mut Emit,
    ) {
        let (mut slot, mut rest, mut popped) = (slot, events, popped);
        while let Some((next, after)) = self.step_once(frame, slot, rest, popped, emit) {
            (slot, rest, popped) = (next, &rest[after..], false);
        }
    }

    /// A person was forgotten in the middle of a step. The memory is given back. If there is more, it is of somebody new, in
    /// another slot.
    pub(super) fn forget(
        &mut self,
        frame: &Frame,
        slot: u32,
        person: Box<Person>,
        forgotten: &Forgotten,
        more: bool,
        emit: &mut Emit,
    ) -> Option<(u32, usize)> {
        let &Forgotten { after, at, ref names } = forgotten;
        let id = person.id.clone();
        self.relations.keep_forwards(frame.plan, &mut self.effects);
        self.effects.push(Effect::Gone { time: at });
        emit(&id, leaf_hash(&id), &mut self.effects);
        for name in names.iter().filter(|name| **name != id) {
            self.effects.clear();
            self.effects.push(Effect::Gone { time: at });
            emit(name, leaf_hash(name), &mut self.effects);
        }
        self.effects.clear();
        self.table.put(slot, person, NEVER);
        if let Some((_, unsaid)) = self.take_out(&id) {
            self.unsay(unsaid);
        }
        more.then(|| (self.table.find_or_add(&id, leaf_hash(&id), frame.plan), after))
    }
}
