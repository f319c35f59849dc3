//! A person of several leaves: how histories become one, and how they are taken apart again.
//!
//! Beside what the person is, every leaf is kept as it would be had it never been linked: a person of its own, to which
//! only its own events happen and who sends nothing. So nothing is ever mixed that could not be told apart again, and what
//! leaves a person goes on as what it would have been. What has really been sent stays with the identifier that it was sent to.

use super::effect::{Change, Effect, ExitReason};
use super::instance::{Instance, Phase};
use super::leaf::Leaf;
use super::policy::Sent;
use super::turn::{Frame, Turn};
use super::{Person, dates, journey, ranks, segment};
use crate::define::plan::{Again, Plan, SegmentSet};
use crate::event::{Call, Event, Kind, Origin, Value};
use crate::limits::{EXIT_EVENTS_MAX, HISTORY_MAX};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// An event for which an exit waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Heard {
    /// No exit asks more than that there was one: only the last of a kind is kept.
    Plain { kind: Kind, time: i64, origin: Origin },
    /// As far as exits ask.
    Asked(Box<Asked>),
}

/// What exits ask about an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    kind: Kind,
    call: Call,
    time: i64,
    origin: Origin,
    message_id: CompactString,
    values: Vec<(u16, Value)>,
}

impl Heard {
    /// Looks at where it lies.
    pub(super) fn look(&self) -> i64 {
        if let Heard::Plain { time, .. } = self { *time } else { 0 }
    }

    fn time(&self) -> i64 {
        match self {
            Heard::Plain { time, .. } => *time,
            Heard::Asked(asked) => asked.time,
        }
    }

    /// The event, as far as exits ask.
    fn event(&self) -> Event {
        match self {
            Heard::Plain { kind, time, origin } => Event::plain(*kind, *time, *origin),
            Heard::Asked(asked) => Event {
                message_id: asked.message_id.clone(),
                values: asked.values.clone(),
                call: asked.call,
                ..Event::plain(asked.kind, asked.time, asked.origin)
            },
        }
    }
}

impl Person {
    /// Whether nothing has ever happened under any identifier, and nothing has been said of it.
    pub(super) fn is_nobody(&self) -> bool {
        self.last_seen == i64::MIN
            && self.leaves.is_empty()
            && self.entries == 0
            && self.sends.is_empty()
    }

    /// Before events come: lets the person's own leaf stand apart from what it is now, if one of them has come under another.
    pub(super) fn part_own_leaf(&mut self, frame: &Frame, events: &[Event]) {
        let is_foreign = |event: &Event| event.leaf != self.id;
        if frame.plan.inputs.identity.is_some()
            && self.leaves.is_empty()
            && events.iter().any(is_foreign)
            && !are_grants(events)
        {
            self.forget_ids(frame);
            self.leaves = self.take_leaves();
        }
    }

    /// Lets events that have happened to the person happen to the leaves under which they came, if there are several.
    pub(super) fn run_leaves(&mut self, frame: &Frame, events: &[Event]) {
        let are_several = !self.leaves.is_empty() || events.iter().any(|it| it.leaf != self.id);
        if frame.plan.inputs.identity.is_none() || !are_several || are_grants(events) {
            return;
        }
        let mut effects = Vec::new();
        let mut rest = events;
        while let Some(first) = rest.first() {
            let count = rest.iter().take_while(|event| event.leaf == first.leaf).count();
            let (own, later) = rest.split_at(count);
            rest = later;
            // Time goes on only as far as the next event, because more of this leaf may come.
            let frame = later.first().map_or(*frame, |next| frame.until(next.taken));
            let alone = self.leaf_mut(&first.leaf, frame.plan);
            alone.run_alone(&frame, own, &mut effects);
            effects.clear();
        }
    }

    /// The names of its leaves; none if it has only one.
    pub(super) fn leaf_names(&self) -> Vec<CompactString> {
        self.leaves.iter().map(|leaf| leaf.id().into()).collect()
    }

    fn leaf_mut(&mut self, id: &CompactString, plan: &Plan) -> &mut Person {
        let at = self.leaves.iter().position(|leaf| leaf.id() == *id).unwrap_or_else(|| {
            let alone = Person { plan: plan.version, ..Person::new(id.clone()) };
            self.leaves.push(Leaf::new(alone, Vec::new()));
            self.leaves.len() - 1
        });
        self.leaves[at].wake()
    }

    /// Drops ids of messages that are not remembered any more: when that was done last depends on when a person was put away, and
    /// must not show in what is kept of a leaf.
    fn forget_ids(&mut self, frame: &Frame) {
        self.message_ids.forget(frame.watermark, frame.dedup_horizon);
    }

    /// The leaves, of one leaf that leaf; none if nothing ever happened.
    fn take_leaves(&mut self) -> Vec<Leaf> {
        if self.leaves.is_empty() && !self.is_nobody() {
            return vec![Leaf::new(self.clone(), self.sends.clone())];
        }
        std::mem::take(&mut self.leaves)
    }

    /// The leaves, with what belongs to this person's own identifier noted with the leaf of that name: what was sent to it,
    /// and the numbers that its instances have had, which are not given again.
    fn take_leaves_for_good(&mut self) -> Vec<Leaf> {
        let mut leaves = self.take_leaves();
        let is_own = |leaf: &Leaf| leaf.id() == self.id;
        let others = leaves.iter().filter(|leaf| !is_own(leaf));
        let sent = without(&self.sends, others.flat_map(|leaf| &leaf.sent));
        let own = leaves.iter().position(is_own).unwrap_or_else(|| {
            let alone = Person { plan: self.plan, now: self.now, ..Person::new(self.id.clone()) };
            leaves.push(Leaf::new(alone, Vec::new()));
            leaves.len() - 1
        });
        leaves[own].sent = sent;
        let alone = leaves[own].wake();
        alone.entries = alone.entries.max(self.entries);
        leaves
    }

    /// Remembers an event for which exits wait: a leaf that joins may have an instance that it ends.
    pub(super) fn hear_exit(&mut self, plan: &Plan, event: &Event) {
        if plan.inputs.identity.is_none() || !plan.exit_kinds.has(event.kind) {
            return;
        }
        let heard = &mut self.exits_heard;
        if plan.exit_kinds_asked.has(event.kind) {
            let values = event.values.iter().filter(|(slot, _)| plan.exit_slots.contains(slot));
            let asked = Asked {
                kind: event.kind,
                call: event.call,
                time: event.time,
                origin: event.origin,
                message_id: event.message_id.clone(),
                values: values.cloned().collect(),
            };
            hear(heard, Heard::Asked(Box::new(asked)));
        } else {
            let made = Heard::Plain { kind: event.kind, time: event.time, origin: event.origin };
            let same =
                |known: &Heard| matches!(known, Heard::Plain { kind, .. } if *kind == event.kind);
            match heard.iter().position(same) {
                Some(at) if heard[at].time() > event.time => return,
                Some(at) => _ = heard.remove(at),
                None => {}
            }
            hear(heard, made);
        }
    }

    /// Another person turns out to be this one. Both have come to the instant `now`. What is told of the other person
    /// from now on goes into `last_words`.
    pub(super) fn join(
        &mut self,
        frame: &Frame,
        now: i64,
        mut other: Person,
        effects: &mut Vec<Effect>,
        last_words: &mut Vec<Effect>,
    ) {
        let plan = frame.plan;
        self.now = self.now.max(other.now).max(now);
        let time = self.now;
        self.forget_ids(frame);
        other.forget_ids(frame);
        let mut leaves = self.take_leaves();
        leaves.append(&mut other.take_leaves_for_good());
        for segment in other.announced.iter() {
            last_words.push(Effect::Segment { time, segment, entered: false });
            if !self.announced.has(segment) {
                effects.push(Effect::Segment { time, segment, entered: true });
                self.announced.set(segment, true);
            }
        }
        let heard = (self.exits_heard.clone(), std::mem::take(&mut other.exits_heard));
        let instances = std::mem::take(&mut other.instances);
        let from = other.id.clone();
        self.merge(plan, other);
        self.leaves = leaves;
        let mut turn = Turn::new(frame, self, effects);
        // What one side has heard ends what the other has begun.
        let ours: Vec<u32> = turn.person.instances.iter().map(|it| it.number).collect();
        for heard in &heard.1 {
            journey::exit_by_event_before(&mut turn, &heard.event(), &ours);
        }
        let theirs = take_over(&mut turn, instances, &from);
        for heard in &heard.0 {
            journey::exit_by_event_before(&mut turn, &heard.event(), &theirs);
        }
        hear_all(&mut turn.person.exits_heard, heard.1);
        segment::follow_all(turn.person, plan);
        turn.changed = true;
        turn.settle_at(frame.next_watermark.min(now));
    }

    /// What has asked for a place among all messages asks again: the answer may go to who it was before.
    pub(super) fn ask_again(&mut self) {
        for instance in &mut self.instances {
            if let Phase::Asking { due, .. } = instance.phase {
                instance.phase = Phase::Deferred { due, until: self.now };
            }
        }
    }

    /// Everything but leaves, instances and announcements.
    fn merge(&mut self, plan: &Plan, other: Person) {
        self.facts.merge(other.facts, plan);
        self.last_seen = self.last_seen.max(other.last_seen);
        if other.zone.as_ref().map(|(at, _)| *at) > self.zone.as_ref().map(|(at, _)| *at) {
            self.zone = other.zone;
        }
        let gap = plan.sessions.as_ref().map_or(0, |sessions| sessions.gap);
        self.sessions.merge(other.sessions, gap);
        self.member.extend(&other.member);
        self.message_ids.merge(other.message_ids);
        ranks::merge(self, other.ranks);
        dates::merge(&mut self.watches, other.watches);
        for theirs in other.history {
            let same = |ours: &&mut super::instance::History| {
                ours.journey == theirs.journey && ours.key == theirs.key
            };
            match self.history.iter_mut().find(same) {
                Some(ours) => ours.last_entry = ours.last_entry.max(theirs.last_entry),
                None => self.history.push(theirs),
            }
        }
        self.history.sort_by_key(|history| history.last_entry);
        self.history.drain(..self.history.len().saturating_sub(HISTORY_MAX));
        self.sends.extend(other.sends);
        self.sends.sort();
    }

    /// Takes leaves out, as a person of their own with the id `into`; this person is what is left. All has come to `now`.
    pub(super) fn part(
        &mut self,
        frame: &Frame,
        now: i64,
        into: &CompactString,
        leaves: &[CompactString],
        effects: &mut Vec<Effect>,
        first_words: &mut Vec<Effect>,
    ) -> Person {
        let until = frame.until(now);
        let mut unheard = Vec::new();
        self.forget_ids(frame);
        let mut all = self.take_leaves();
        for leaf in &mut all {
            leaf.wake().run_alone(&until, &[], &mut unheard);
            unheard.clear();
        }
        let (gone, kept): (Vec<Leaf>, Vec<Leaf>) =
            all.into_iter().partition(|leaf| leaves.iter().any(|id| *id == leaf.id()));
        let (id, announced, entries) = (self.id.clone(), self.announced.clone(), self.entries);
        let sends = without(&self.sends, gone.iter().flat_map(|leaf| &leaf.sent));
        let open = std::mem::take(&mut self.instances);
        let mut fresh = Person::of_leaves(frame.plan, into.clone(), now, gone, &open);
        fresh.introduce(frame, None, &id, SegmentSet::default(), first_words);
        let mut rest = Person::of_leaves(frame.plan, id.clone(), now, kept, &open);
        rest.entries = rest.entries.max(entries);
        rest.sends = sends;
        rest.introduce(frame, Some(&open), &id, announced, effects);
        *self = rest;
        fresh
    }

    /// A person out of leaves: a single one as it would be alone, several as what they share, with those of the open instances
    /// of the person so far that came about by them.
    fn of_leaves(
        plan: &Plan,
        id: CompactString,
        now: i64,
        leaves: Vec<Leaf>,
        open: &[Instance],
    ) -> Person {
        let mut all = leaves.iter();
        let Some(first) = all.next() else {
            return Person { plan: plan.version, now, ..Person::new(id) };
        };
        let mut person = first.alone().into_owned();
        person.sends.clone_from(&first.sent);
        for next in all {
            let mut alone = next.alone().into_owned();
            person.entries = person.entries.max(alone.entries);
            hear_all(&mut person.exits_heard, std::mem::take(&mut alone.exits_heard));
            person.merge(plan, Person { sends: next.sent.clone(), ..alone });
        }
        person.id = id;
        person.now = person.now.max(now);
        if leaves.len() > 1 {
            let by = |it: &&Instance| leaves.iter().any(|leaf| leaf.id() == it.leaf);
            person.instances = open.iter().filter(by).cloned().collect();
        }
        if leaves.len() > 1 || leaves[0].id() != person.id {
            person.leaves = leaves;
        }
        person
    }

    /// Says what is different from what was said of this person so far: memberships, and instances that go on under other
    /// numbers or not at all. Makes nobody enter anything.
    fn introduce(
        &mut self,
        frame: &Frame,
        open: Option<&[Instance]>,
        from: &CompactString,
        announced: SegmentSet,
        effects: &mut Vec<Effect>,
    ) {
        let plan = frame.plan;
        segment::follow_all(self, plan);
        let time = self.now;
        self.announced = SegmentSet::default();
        // Nobody stays of whom there is nothing, not in a segment either.
        let somebody = !self.is_nobody();
        for &segment in &plan.segments_by_name {
            let member = somebody && self.is_member(segment);
            if announced.has(segment) != member {
                effects.push(Effect::Segment { time, segment, entered: member });
            }
            self.announced.set(segment, member);
        }
        let known = open.unwrap_or_default();
        let mut carried = Vec::new();
        let mut instances = std::mem::take(&mut self.instances);
        for instance in &mut instances {
            let same = |known: &&Instance| is_same(plan, known, instance);
            let number = known.iter().find(same).map(|known| known.number);
            let number = number.filter(|number| !carried.contains(number));
            instance.number = number.unwrap_or_else(|| {
                self.entries += 1;
                self.entries
            });
            carried.push(instance.number);
            if number.is_none() {
                effects.push(told(time, instance, Change::Carried { from: from.clone() }));
            }
        }
        for instance in known.iter().filter(|known| !carried.contains(&known.number)) {
            let change = Change::Exited {
                reason: ExitReason::Parted,
                place: instance.place,
                value: None,
                arms: instance.arms.clone(),
            };
            effects.push(told(time, instance, change));
        }
        self.instances = instances;
    }
}

/// Whether these are only places that messages are given, which concern the person alone.
fn are_grants(events: &[Event]) -> bool {
    events.iter().all(|event| event.call == Call::Granted)
}

/// Adds one to those that were heard, which are in the order of time. It comes after those of the same time.
fn hear(heard: &mut Vec<Heard>, made: Heard) {
    let before = heard.iter().rposition(|known| known.time() <= made.time());
    heard.insert(before.map_or(0, |at| at + 1), made);
    bound(heard);
}

/// The same of many.
fn hear_all(heard: &mut Vec<Heard>, others: Vec<Heard>) {
    heard.extend(others);
    heard.sort_by_key(Heard::time);
    bound(heard);
}

/// Beyond the limit the oldest go, which stand first.
fn bound(heard: &mut Vec<Heard>) {
    heard.drain(..heard.len().saturating_sub(EXIT_EVENTS_MAX));
}

/// What is left of a list when others are taken out, one for one.
fn without<'a>(sends: &[Sent], others: impl Iterator<Item = &'a Sent>) -> Vec<Sent> {
    let mut left = sends.to_vec();
    for other in others {
        if let Some(at) = left.iter().position(|send| send == other) {
            left.remove(at);
        }
    }
    left
}

/// Whether two instances are of one journey, in whatever version, and one key.
fn is_same(plan: &Plan, one: &Instance, other: &Instance) -> bool {
    let first = |instance: &Instance| plan.journeys[usize::from(instance.journey.0)].first;
    first(one) == first(other) && one.key == other.key
}

pub(super) fn told(time: i64, instance: &Instance, change: Change) -> Effect {
    let Instance { journey, number, .. } = *instance;
    Effect::Journey { time, journey, key: instance.key.clone(), number, change }
}

/// Instances of another person go on under this one. Two of one journey and key become one, the one that has come further:
/// what it has sent is not sent again. Gives the numbers of those that are theirs.
fn take_over(turn: &mut Turn, theirs: Vec<Instance>, from: &CompactString) -> Vec<u32> {
    let (plan, time) = (turn.plan, turn.person.now);
    let mut taken = Vec::new();
    for mut instance in theirs {
        if !instance.is_open() {
            continue;
        }
        let always = plan.journeys[usize::from(instance.journey.0)].enter.again == Again::Always;
        let same = |ours: &Instance| ours.is_open() && is_same(plan, ours, &instance) && !always;
        let known = turn.person.instances.iter().position(same);
        match known {
            Some(at) => {
                let ours = &mut turn.person.instances[at];
                instance.number = ours.number;
                let rank = |it: &Instance| (it.place, Reverse(it.entered_at));
                let quiet = match (ours.phase, instance.phase) {
                    (Phase::Quiet { until: a }, Phase::Quiet { until: b })
                        if ours.place == instance.place =>
                    {
                        Some(a.max(b))
                    }
                    _ => None,
                };
                if ours.journey == instance.journey && rank(&instance) > rank(ours) {
                    *ours = instance.clone();
                    taken.push(instance.number);
                }
                if let Some(until) = quiet {
                    ours.phase = Phase::Quiet { until };
                }
            }
            None => {
                turn.person.entries += 1;
                instance.number = turn.person.entries;
                taken.push(instance.number);
                turn.person.instances.push(instance.clone());
            }
        }
        turn.effects.push(told(time, &instance, Change::Carried { from: from.clone() }));
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_was_heard_the_oldest_goes_however_late_it_came() {
        let plain = |kind: u16, time: i64| {
            let origin = Origin { source: 0, position: time.cast_unsigned() };
            Heard::Plain { kind: Kind(kind), time, origin }
        };
        let times = |heard: &[Heard]| heard.iter().map(Heard::time).collect::<Vec<i64>>();
        let mut heard = Vec::new();
        hear(&mut heard, plain(0, 100));
        (1..=EXIT_EVENTS_MAX as u16).for_each(|kind| hear(&mut heard, plain(kind, kind.into())));
        assert_eq!(times(&heard), [2, 3, 4, 5, 6, 7, 8, 100]);
        hear_all(&mut heard, vec![plain(200, 3), plain(201, 50)]);
        assert_eq!(times(&heard), [3, 4, 5, 6, 7, 8, 50, 100]);
    }
}
