//! One person's way through time: events and timers in their order, instant by instant.
//!
//! The order within an instant is written in `dataflows/README.md`, "Order at one instant"; this file and
//! [`super::journey`] are that text as code.

use super::effect::{Change, Effect, ExitReason, Outcome, Reason};
use super::eval::Cx;
use super::farewell::Forgotten;
use super::instance::Phase;
use super::leaves::told;
use super::watch::Watcher;
use super::{Person, adopt, dates, facts, journey, policy, ranks, segment};
use crate::catalogue::Catalogue;
use crate::define::plan::{JourneyId, Op, Plan, RankId, SegmentSet, SendId};
use crate::event::{Call, Event, leaf_hash};
use crate::identity::Ending;
use crate::limits::{EMITTED_PER_INSTANT_MAX, MESSAGES_PER_INSTANT_MAX, ROUNDS_PER_INSTANT_MAX};
use crate::time::NEVER;
use compact_str::CompactString;
use smallvec::{SmallVec, smallvec};
use std::cmp::Reverse;
use std::collections::VecDeque;

/// What every step is given beside the person.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    pub plan: &'a Plan,
    /// How long a `messageId` is remembered, in milliseconds.
    pub dedup_horizon: i64,
    /// The watermark before the epoch: earlier events are late and taken in at it.
    pub watermark: i64,
    /// The watermark after the epoch: timers before it fire.
    pub next_watermark: i64,
    /// See [`crate::epoch::Span::clock`].
    pub clock: i64,
    /// What there is to sell, where that is known.
    pub catalogue: Option<&'a Catalogue>,
    /// Whether what is worked on is only kept beside a person, and sends nothing.
    pub alone: bool,
    /// Who writes down what happens, where somebody asks why.
    pub watch: Option<&'a Watcher>,
}

impl<'a> Frame<'a> {
    /// A step between two watermarks and nothing beside: no clock, no catalogue, nobody who watches, no repeats remembered.
    pub fn between(plan: &'a Plan, watermark: i64, next_watermark: i64) -> Frame<'a> {
        Frame {
            plan,
            dedup_horizon: 0,
            watermark,
            next_watermark,
            clock: i64::MIN,
            catalogue: None,
            alone: false,
            watch: None,
        }
    }

    /// The same, but timers fire only before an instant, if that is earlier.
    pub(super) fn until(&self, at: i64) -> Self {
        Frame { next_watermark: self.next_watermark.min(at), ..*self }
    }

    /// These effects go out of a person's step.
    pub(super) fn went_out(&self, person: &CompactString, effects: &[Effect]) {
        if let Some(watch) = self.watch {
            watch.went_out(person, self.plan, effects);
        }
    }
}

/// Counts of one person's step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub duplicates: u64,
    pub late: u64,
    pub timers: u64,
    /// Persons erased, and persons forgotten.
    pub erased: u64,
    pub forgotten: u64,
}

impl Tally {
    /// Adds another step's.
    pub(super) fn add(&mut self, other: Tally) {
        self.duplicates += other.duplicates;
        self.late += other.late;
        self.timers += other.timers;
        self.erased += other.erased;
        self.forgotten += other.forgotten;
    }
}

/// A person in the middle of a step.
pub(super) struct Turn<'a> {
    pub(super) person: &'a mut Person,
    pub(super) plan: &'a Plan,
    /// The watermark before the epoch.
    watermark: i64,
    /// See [`crate::epoch::Span::clock`].
    pub(super) clock: i64,
    pub(super) catalogue: Option<&'a Catalogue>,
    /// See [`Frame::alone`].
    alone: bool,
    /// Who writes down what happens to this person.
    pub(super) watch: Option<&'a Watcher>,
    pub(super) effects: &'a mut Vec<Effect>,
    /// Events that journeys emitted and that are not taken in yet.
    pub(super) emitted: VecDeque<Event>,
    /// Whether anything changed that conditions can see, other than by the facts of an event; and whether segments were entered or left.
    pub(super) changed: bool,
    pub(super) membership: bool,
    /// How many were emitted at this instant.
    pub(super) emitted_count: u32,
}

impl Person {
    /// Takes in events (all of this person, sorted by time and arrival) and lets timers before the next watermark fire.
    pub fn run(&mut self, frame: &Frame, events: &[Event], effects: &mut Vec<Effect>) -> Tally {
        let (mut tally, mut rest) = (Tally::default(), events);
        loop {
            let (more, forgotten) = self.run_answered(frame, &[], rest, effects);
            tally.add(more);
            let Some(Forgotten { after, .. }) = forgotten else { return tally };
            rest = &rest[after..];
            // Whoever comes next is somebody new.
            *self = Person { plan: frame.plan.version, ..Person::new(self.id.clone()) };
        }
    }

    /// The same of what is only kept beside a person, and not forgotten without it.
    pub(super) fn run_alone(&mut self, frame: &Frame, events: &[Event], effects: &mut Vec<Effect>) {
        self.run_through(&Frame { alone: true, watch: None, ..*frame }, &[], events, effects);
    }

    /// The same, with answers about the person's place among all others. They are taken in when the epoch begins, after what is
    /// overdue by then and before any event. Ends early if the person is forgotten on the way.
    pub(super) fn run_answered(
        &mut self,
        frame: &Frame,
        answers: &[(RankId, bool)],
        events: &[Event],
        effects: &mut Vec<Effect>,
    ) -> (Tally, Option<Forgotten>) {
        self.run_through(frame, answers, events, effects)
    }

    fn run_through(
        &mut self,
        frame: &Frame,
        mut answers: &[(RankId, bool)],
        events: &[Event],
        effects: &mut Vec<Effect>,
    ) -> (Tally, Option<Forgotten>) {
        self.part_own_leaf(frame, events);
        let mut tally = Tally::default();
        let mut rest = events;
        loop {
            let taken = |event: &Event| event.taken.max(frame.watermark);
            let event_at = rest.first().map_or(NEVER, taken);
            let deadline = self.next_timer(frame.plan);
            let timer_at =
                if deadline < frame.next_watermark { deadline.max(self.now) } else { NEVER };
            let adopts = self.plan != frame.plan.version;
            // Another plan is taken up at the next instant at which something happens or, where it concerns everybody, when the
            // epoch begins; what is overdue by then comes first.
            let at_once = adopts && self.plan < frame.plan.concerned_everybody;
            let plan_at = if at_once { frame.watermark.max(self.now) } else { NEVER };
            let begin = frame.watermark.max(self.now);
            let answers_at = if answers.is_empty() { NEVER } else { begin };
            let now = event_at.min(timer_at).min(plan_at).min(answers_at);
            // Everything at the deadline comes before it.
            let before = if frame.alone { i64::MIN } else { frame.next_watermark };
            let forget_at = self.forget_at(frame.plan, before);
            if forget_at.max(self.now) < now {
                let after = events.len() - rest.len();
                self.run_leaves(frame, &events[..after]);
                let (plan, why) = (frame.plan, Ending::Forgotten);
                let names = self.leave_everything(plan, forget_at, why, effects);
                tally.timers += 1;
                tally.forgotten += 1;
                return (tally, Some(Forgotten { after, at: self.now, names }));
            }
            if now == NEVER {
                self.run_leaves(frame, events);
                return (tally, None);
            }
            self.now = self.now.max(now);
            let count = rest.iter().take_while(|event| taken(event) <= now).count();
            let (taken_in, later) = rest.split_at(count);
            rest = later;
            let is_late = |event: &&Event| event.time < taken(event) && !event.is_inside();
            tally.late += taken_in.iter().filter(is_late).count() as u64;
            let mut turn = Turn::new(frame, self, effects);
            if adopts {
                adopt::adopt(&mut turn);
            }
            if answers_at <= now {
                turn.answered(std::mem::take(&mut answers));
            }
            tally.duplicates += turn.instant(taken_in, frame);
            tally.timers += u64::from(timer_at <= now);
        }
    }
}

impl<'a> Turn<'a> {
    pub(super) fn new(
        frame: &Frame<'a>,
        person: &'a mut Person,
        effects: &'a mut Vec<Effect>,
    ) -> Turn<'a> {
        Turn {
            plan: frame.plan,
            watermark: frame.watermark,
            clock: frame.clock,
            catalogue: frame.catalogue,
            alone: frame.alone,
            watch: frame.watch.filter(|watch| watch.watches(&person.id)),
            person,
            effects,
            emitted: VecDeque::new(),
            changed: false,
            membership: false,
            emitted_count: 0,
        }
    }
}

impl Turn<'_> {
    /// Takes in what has turned about the person's place among all others.
    fn answered(&mut self, answers: &[(RankId, bool)]) {
        let mut asked = SegmentSet::default();
        self.changed |= ranks::take(self.person, self.plan, answers, &mut asked);
        self.membership |= segment::follow(self.person, self.plan, asked);
    }

    /// Everything at the person's `now`; returns how many events were repeats.
    fn instant(&mut self, events: &[Event], frame: &Frame) -> u64 {
        let now = self.person.now;
        self.watch_facts();
        if now >= self.person.recheck {
            self.membership |= segment::follow_time(self.person, self.plan);
        }
        let mut duplicates = 0;
        for event in events {
            if event.call == Call::Granted {
                self.grant(event);
                continue;
            }
            // What the person hears is no sign of life.
            if event.call != Call::Notice {
                self.person.last_seen = now;
            }
            if self.person.message_ids.is_new(&event.message_id, now, frame.dedup_horizon) {
                self.take(event);
            } else {
                self.watch_event(event, false, true);
                duplicates += 1;
            }
        }
        self.settle_at(frame.next_watermark);
        duplicates
    }

    /// Lets everything at the person's instant come to rest, and forgets what is over.
    pub(super) fn settle_at(&mut self, watermark: i64) {
        self.settle(watermark);
        self.person.instances.retain(super::Instance::is_open);
    }

    /// One event: facts and segments, exits, then whoever it moves or makes enter.
    fn take(&mut self, event: &Event) {
        let plan = self.plan;
        let taken = event.taken.max(self.watermark);
        let late = event.time < taken;
        self.watch_event(event, late, false);
        let moved = self.move_zone(event);
        let mut asked = SegmentSet::default();
        if event.about_person {
            self.changed |= facts::take_traits(self.person, plan, event, &mut asked);
        }
        facts::take(self.person, plan, self.catalogue, event, &mut asked);
        if let Some(sessions) = &plan.sessions
            && self.person.sessions.take(sessions, event, late)
        {
            asked.extend(&plan.readers_of_session);
        }
        dates::hear(self.person, plan, event, taken);
        if moved || event.about_person || plan.dates_of_kind[event.kind.0 as usize] {
            dates::look_up(self.person, plan);
        }
        if plan.policy.heard.has(event.kind) {
            policy::revoke(self.person, plan, event, &mut asked);
            policy::not_delivered(self.person, plan, event);
            self.changed = true;
        }
        if moved {
            self.changed = true;
            asked.extend(&plan.readers_of_zone);
        }
        self.membership |= segment::follow(self.person, plan, asked);
        self.watch_facts();
        self.person.hear_exit(plan, event);
        if !self.person.instances.is_empty() {
            journey::exit_by_event(self, event);
            journey::exit_when(self, Some(event.kind));
        }
        journey::activate(self, event);
        self.forward(event);
    }

    /// Lets the groups know to which the person belongs.
    fn forward(&mut self, event: &Event) {
        if self.alone {
            return;
        }
        for group in &self.plan.groups {
            let kind = group.forwards.get(usize::from(event.kind.0)).copied().flatten();
            let Some(kind) = kind else { continue };
            let cx = Cx::of(self.plan, self.person, self.person.now);
            let Some(name) = facts::read(&cx, group.member).into_value().key() else { continue };
            let leaf = compact_str::format_compact!("{}{name}", group.prefix);
            // Who did it, and as which of all that happened: that is the order of what comes of one input.
            let place = compact_str::format_compact!("{:08}", self.effects.len());
            let also = smallvec![self.person.id.clone(), place];
            self.effects.push(Effect::Forward(Box::new(Event {
                kind,
                also,
                call: Call::Inside,
                hash: leaf_hash(&leaf),
                leaf,
                about_person: false,
                zone: None,
                person: None,
                worker: None,
                ..event.clone()
            })));
        }
    }

    /// Takes the zone that an event names; true if that is another one than before.
    fn move_zone(&mut self, event: &Event) -> bool {
        let Some(named) = &event.zone else { return false };
        match &mut self.person.zone {
            Some((at, _)) if *at > event.time => false,
            Some((at, zone)) => {
                *at = event.time;
                let moved = zone != named;
                if moved {
                    zone.clone_from(named);
                }
                moved
            }
            none => {
                *none = Some((event.time, named.clone()));
                true
            }
        }
    }

    /// Timers due now that the watermark allows: the session, then waits and watches by deadline, priority, journey, key and
    /// age. Tells whether there were any.
    fn timers(&mut self, watermark: i64) -> bool {
        // At the live edge the person's time is ahead of the watermark, and of deadlines that the watermark passes later.
        let (plan, now) = (self.plan, self.person.now.min(watermark.saturating_sub(1)));
        let mut any = false;
        if let Some(sessions) = &plan.sessions {
            while self.person.sessions.deadline(sessions.gap) <= now {
                self.watch_time();
                self.close_session();
                any = true;
            }
        }
        let mut due: SmallVec<[(i64, DueTimer); 4]> = SmallVec::new();
        for instance in &self.person.instances {
            match instance.phase {
                Phase::Waiting { until }
                | Phase::Quiet { until }
                | Phase::Listening { until }
                | Phase::Deferred { until, .. }
                | Phase::Held { until, .. }
                | Phase::Asking { until, .. }
                    if until <= now =>
                {
                    due.push((until, DueTimer::Instance(instance.number)));
                }
                _ => {}
            }
        }
        if !self.person.watches.is_empty() {
            let watches = dates::due(self.person, plan, now);
            due.extend(watches.into_iter().map(|(at, journey)| (at, DueTimer::Watch(journey))));
        }
        if due.len() > 1 {
            due.sort_by_cached_key(|(at, timer)| (*at, self.rank(timer)));
        }
        if !due.is_empty() {
            self.watch_time();
            any = true;
        }
        for (_, timer) in due {
            match timer {
                DueTimer::Instance(number) => journey::wake(self, number),
                DueTimer::Watch(journey) => journey::enter(self, journey, None, None),
            }
        }
        any
    }

    fn rank(&self, timer: &DueTimer) -> Rank {
        match timer {
            DueTimer::Instance(number) => {
                let at = self.position(*number).expect("it was listed a moment ago");
                self.rank_of(at)
            }
            DueTimer::Watch(journey) => {
                let (priority, name) = self.plan.journeys[journey.0 as usize].order();
                (priority, name, None, u32::MAX)
            }
        }
    }

    /// The order of instances: priority, journey name, key, age.
    pub(super) fn rank_of(&self, at: usize) -> Rank {
        let instance = &self.person.instances[at];
        let (priority, name) = self.plan.journeys[instance.journey.0 as usize].order();
        (priority, name, instance.key.clone(), instance.number)
    }

    pub(super) fn position(&self, number: u32) -> Option<usize> {
        self.person.instances.iter().position(|instance| instance.number == number)
    }

    fn close_session(&mut self) {
        if let Some((number, session)) = self.person.sessions.close() {
            let time = self.person.now;
            self.tell(|| Effect::Session { time, number, session });
            segment::follow(self.person, self.plan, self.plan.readers_of_session.clone());
            self.changed = true;
        }
    }

    /// Timers due; then until nothing is left: emitted events, timers that have become due, announcements and what they
    /// move; once all that is quiet, one message, by priority, and again.
    fn settle(&mut self, watermark: i64) {
        let (mut messages, mut announcements) = (0, 0);
        // Whether no timer can have become due since the last look at them.
        let mut quiet = !self.timers(watermark);
        loop {
            if let Some(event) = self.emitted.pop_front() {
                self.take(&event);
                quiet = false;
                continue;
            }
            if !std::mem::take(&mut quiet) && self.timers(watermark) {
                continue;
            }
            let changes = if announcements < ROUNDS_PER_INSTANT_MAX {
                announcements += 1;
                segment::announce(self.person, self.plan)
            } else {
                segment::Announced::new()
            };
            let time = self.person.now;
            for &(segment, entered) in &changes {
                self.tell(|| Effect::Segment { time, segment, entered });
            }
            journey::exit_when(self, None);
            if !changes.is_empty() {
                journey::enter_by_segments(self, &changes);
                continue;
            }
            self.release();
            let Some(at) = self.next_message() else { return };
            messages += 1;
            self.decide(at, messages > MESSAGES_PER_INSTANT_MAX);
        }
    }

    /// Messages that wait for something to end are asked about again once it has.
    fn release(&mut self) {
        for at in 0..self.person.instances.len() {
            let Phase::Held { due, .. } = self.person.instances[at].phase else { continue };
            if !self.message(at, due, false).is_some_and(|message| policy::is_held(&message)) {
                self.person.instances[at].phase = Phase::Pending { due, granted: false };
            }
        }
    }

    /// A message is given a place among all messages.
    fn grant(&mut self, event: &Event) {
        let Some(at) = policy::throttle::granted(event).and_then(|it| self.position(it)) else {
            return;
        };
        if let Phase::Asking { due, .. } = self.person.instances[at].phase {
            self.person.instances[at].phase = Phase::Pending { due, granted: true };
        }
    }

    /// The message at which an instance stands.
    fn message(&self, at: usize, due: i64, granted: bool) -> Option<policy::Message<'_>> {
        let instance = &self.person.instances[at];
        let program = &self.plan.journeys[usize::from(instance.journey.0)].program;
        let Op::Send(send) = program.get(usize::from(instance.place))?.op else { return None };
        let granted = granted || self.alone;
        Some(policy::Message { person: self.person, plan: self.plan, instance, send, due, granted })
    }

    /// The pending message of the highest priority.
    fn next_message(&self) -> Option<usize> {
        let instances = &self.person.instances;
        let pending = |at: &usize| matches!(instances[*at].phase, Phase::Pending { .. });
        let mut all = (0..instances.len()).filter(pending);
        let first = all.next()?;
        Some(all.fold(
            first,
            |best, at| {
                if self.rank_of(at) < self.rank_of(best) { at } else { best }
            },
        ))
    }

    fn decide(&mut self, at: usize, over_limit: bool) {
        let Phase::Pending { due, granted } = self.person.instances[at].phase else { return };
        let Some(message) = self.message(at, due, granted) else { return };
        let send = message.send;
        let verdict = match over_limit {
            true => policy::Verdict::of(Outcome::Drop { reason: Reason::Limit }),
            false => policy::decide(&message, self.clock),
        };
        if !self.alone {
            let decision = journey::decision(self, at, send, due, verdict.outcome.clone());
            self.effects.push(Effect::Decision(Box::new(decision)));
        }
        self.watch_gates(at, send, due, &verdict.outcome);
        self.follow_verdict(at, send, due, &verdict);
    }

    fn follow_verdict(&mut self, at: usize, send: SendId, due: i64, verdict: &policy::Verdict) {
        let now = self.person.now;
        match verdict.outcome {
            Outcome::Defer { until, .. } => {
                self.person.instances[at].phase = match &verdict.ask {
                    Some(ask) => {
                        self.tell(|| Effect::Forward(Box::new(ask.clone())));
                        Phase::Asking { due, until }
                    }
                    None if verdict.held => Phase::Held { due, until },
                    None => Phase::Deferred { due, until },
                };
                self.watch_wait(at);
                return;
            }
            Outcome::Send => {
                policy::remember(self.person, self.plan, send, at, due);
                self.person.instances[at].last_sent = now;
            }
            Outcome::Drop { .. } if verdict.exit => {
                journey::exit(self, at, ExitReason::Cap);
                return;
            }
            Outcome::Drop { .. } => {}
        }
        self.person.instances[at].place += 1;
        journey::advance(self, at);
    }

    /// Records what happened to an instance.
    pub(super) fn note(&mut self, at: usize, change: Change) {
        if !self.alone {
            let instance = &self.person.instances[at];
            self.effects.push(told(self.person.now, instance, change));
        }
    }

    /// Tells those outside; nobody hears of what is only kept beside a person.
    fn tell(&mut self, effect: impl FnOnce() -> Effect) {
        if !self.alone {
            self.effects.push(effect());
        }
    }

    /// Queues an event that a journey emitted; beyond the limit it is not emitted.
    pub(super) fn emit(&mut self, event: Event) -> bool {
        if self.emitted_count >= EMITTED_PER_INSTANT_MAX {
            return false;
        }
        self.emitted_count += 1;
        self.emitted.push_back(event);
        true
    }
}

pub(super) type Rank = (Reverse<u32>, u16, Option<compact_str::CompactString>, u32);

enum DueTimer {
    Instance(u32),
    Watch(JourneyId),
}
