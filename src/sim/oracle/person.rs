//! One person's life in the order of time: which instants there are, and what happens at one of
//! them, in the order that the language of packs lays down. The instants are found naively: every
//! time at which anything could change is visited, and there everything is asked again.

use super::Options;
use super::calendar;
use super::eval::{Entry, Scope};
use super::journey::{Instance, State};
use super::known::Known;
use super::line::Event;
use super::policy::Sent;
use super::value::time_text;
use crate::define::ast::{EnterTrigger, JourneyDef, Pack, SegmentKind};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How often changes are announced for one person at one instant, so that journeys that chase one
/// another end. What changes after that is announced at the person's next instant.
const ANNOUNCEMENTS_MAX: u32 = 256;

/// An event on its way to a person, and the instant at which it is taken in.
pub struct Arrival {
    pub now: i64,
    pub message_id: Option<String>,
    pub event: Event,
}

/// A journey's entries of one person, for its rule about entering again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryKey {
    pub journey: String,
    pub key: Option<String>,
}

/// Everything about one person.
pub struct Person<'a> {
    pub id: String,
    pub known: Known<'a>,
    pub now: i64,
    pub instances: Vec<Instance<'a>>,
    pub last_age: u64,
    /// The instant of the last entry.
    pub entries: BTreeMap<EntryKey, i64>,
    pub sends: Vec<Sent>,
    /// Events that journeys emitted and that have not been taken in yet.
    pub emitted: VecDeque<Event>,
    pub emitted_now: usize,
    pub messages_now: usize,
    pub records: Vec<String>,
    announced: BTreeSet<String>,
    message_ids: BTreeMap<String, i64>,
    /// Instants of dates, and last events of silences, that have been dealt with.
    fired: BTreeSet<(String, i64)>,
}

/// What waits for an instant. Variants in the order in which they come up where all else is equal.
#[derive(Clone, Debug)]
enum Timer {
    Session,
    Instance(u64),
    /// The journey, and what tells this occasion from others.
    Entry(String, i64),
}

impl<'a> Person<'a> {
    /// A person to whom nothing has happened.
    pub fn new(pack: &'a Pack, id: &str) -> Self {
        Person {
            id: id.to_string(),
            known: Known::new(pack),
            now: i64::MIN,
            instances: Vec::new(),
            last_age: 0,
            entries: BTreeMap::new(),
            sends: Vec::new(),
            emitted: VecDeque::new(),
            emitted_now: 0,
            messages_now: 0,
            records: Vec::new(),
            announced: BTreeSet::new(),
            message_ids: BTreeMap::new(),
            fired: BTreeSet::new(),
        }
    }

    /// Lives through all arrivals (sorted by the instant of taking in) and on to the end.
    pub fn live(&mut self, arrivals: Vec<Arrival>, end: i64, options: &Options) {
        let mut arrivals = VecDeque::from(arrivals);
        loop {
            let event = arrivals.front().map(|arrival| arrival.now);
            let timer = self.next_instant();
            let next = [event, timer].into_iter().flatten().min();
            let Some(now) = next.filter(|now| *now <= end) else {
                break;
            };
            #[cfg(test)]
            self.assert_nothing_changes_before(now);
            self.now = now;
            let mut events = Vec::new();
            while let Some(arrival) = arrivals.pop_front_if(|arrival| arrival.now == now) {
                if !self.is_duplicate(&arrival, options.dedup_horizon_ms) {
                    events.push(arrival.event);
                }
            }
            self.instant(events);
        }
        self.now = end;
    }

    /// The first message of an id counts; repeats are dropped as long as the first is remembered.
    fn is_duplicate(&mut self, arrival: &Arrival, horizon: i64) -> bool {
        let Some(id) = &arrival.message_id else {
            return false;
        };
        match self.message_ids.get(id) {
            Some(first) if arrival.now - first <= horizon => true,
            _ => {
                self.message_ids.insert(id.clone(), arrival.now);
                false
            }
        }
    }

    /// Everything that happens at one instant.
    fn instant(&mut self, events: Vec<Event>) {
        (self.emitted_now, self.messages_now) = (0, 0);
        for event in events {
            self.take_in(event);
        }
        self.fire_due();
        let mut announcements = 0;
        loop {
            while let Some(event) = self.emitted.pop_front() {
                self.take_in(event);
            }
            let mut busy = self.fire_due();
            if announcements < ANNOUNCEMENTS_MAX && self.announce() {
                announcements += 1;
                busy = true;
            }
            if busy || !self.emitted.is_empty() {
                continue;
            }
            if !self.decide_one() {
                break;
            }
        }
    }

    /// Takes in one event: facts, exits, answers to waits, entries.
    fn take_in(&mut self, event: Event) {
        self.known.take_in(event.clone(), self.now);
        self.take_back(&event);
        for age in self.in_order() {
            self.exit_on(age, &event);
        }
        self.exit_when();
        for age in self.in_order() {
            self.answer(age, &event);
        }
        for journey in self.journeys() {
            if let EnterTrigger::Event(names) = &journey.enter.trigger
                && event.is_one_of(names)
            {
                let entry = Entry { at: event.t, event: Some(event.clone()) };
                let Some(per) = &journey.enter.per else {
                    self.enter(journey, None, entry);
                    continue;
                };
                for key in event.keys(&per.node) {
                    self.enter(journey, Some(key), entry.clone());
                }
            }
        }
    }

    /// Announces what changed since the last announcement. Whether anything was set going.
    fn announce(&mut self) -> bool {
        let scope = Scope::of_person(&self.known, self.now);
        let names = self.known.pack.segments.iter().map(|segment| segment.name.node.clone());
        let members: BTreeSet<String> = names.filter(|name| scope.is_in(name)).collect();
        let before = std::mem::replace(&mut self.announced, members.clone());
        let changed: Vec<&String> = before.symmetric_difference(&members).collect();
        for name in &changed {
            let what = if members.contains(*name) { "entered" } else { "left" };
            self.record(&format!("segment {what} {name}"));
        }
        let exited = self.exit_when();
        let mut entered = false;
        for journey in self.journeys() {
            let calls = match &journey.enter.trigger {
                EnterTrigger::Entered(name) => {
                    changed.contains(&&name.node) && members.contains(&name.node)
                }
                EnterTrigger::Left(name) => {
                    changed.contains(&&name.node) && !members.contains(&name.node)
                }
                _ => false,
            };
            if calls {
                entered |= self.enter(journey, None, Entry { event: None, at: self.now });
            }
        }
        !changed.is_empty() || exited || entered
    }

    /// Fires what is due, one after the other. Whether there was anything.
    fn fire_due(&mut self) -> bool {
        let mut any = false;
        while let Some(timer) = self.timers().into_iter().find(|timer| timer.0 <= self.now) {
            any = true;
            match timer.1 {
                Timer::Session => self.close_session(),
                Timer::Instance(age) => self.wait_is_over(age),
                Timer::Entry(name, occasion) => {
                    self.fired.insert((name.clone(), occasion));
                    if let Some(journey) = self.journeys().into_iter().find(|j| j.name.node == name)
                    {
                        self.enter(journey, None, Entry { event: None, at: self.now });
                    }
                }
            }
        }
        any
    }

    /// All timers with their deadlines, in the order in which they come up.
    fn timers(&self) -> Vec<(i64, Timer)> {
        // What is overdue is due now; then: sessions first, priority, journey, key, age.
        let mut timers = Vec::new();
        if let Some(open) = &self.known.open {
            let deadline = (open.last() + self.known.session_gap()).max(self.now);
            timers.push(((deadline, 0, 0, "".to_string(), None, 0), Timer::Session));
        }
        for instance in &self.instances {
            if let Some(deadline) = self.deadline(instance) {
                let (priority, name, key, age) = instance.order();
                let order = (deadline.max(self.now), 1, priority, name, key, age);
                timers.push((order, Timer::Instance(instance.age)));
            }
        }
        for journey in self.journeys() {
            for (deadline, occasion) in self.occasions(journey) {
                let name = journey.name.node.clone();
                if deadline >= self.now && !self.fired.contains(&(name.clone(), occasion)) {
                    let order = (deadline, 1, -priority(journey), name.clone(), None, u64::MAX);
                    timers.push((order, Timer::Entry(name, occasion)));
                }
            }
        }
        timers.sort_by(|a, b| a.0.cmp(&b.0));
        timers.into_iter().map(|(order, timer)| (order.0, timer)).collect()
    }

    /// When an instance goes on by itself.
    pub fn deadline(&self, instance: &Instance<'a>) -> Option<i64> {
        match &instance.state {
            State::Waiting { until } => Some(*until),
            State::Quiet { since, quiet_for, of } => {
                let per = instance.journey.enter.per.as_ref();
                let touches = |event: &Event| {
                    let is_such = of.is_empty() || event.is_one_of(of);
                    is_such && !event.name.is_empty() && instance.is_about(event, per)
                };
                let events = self.known.taken.iter().map(|taken| &taken.event);
                let last = events.filter(|event| touches(event)).map(|event| event.t).max();
                Some(last.unwrap_or(*since).max(*since) + quiet_for)
            }
            State::Sending { until, .. } => *until,
        }
    }

    /// The instants at which a journey enters by date or silence, and what tells them apart.
    fn occasions(&self, journey: &JourneyDef) -> Vec<(i64, i64)> {
        match &journey.enter.trigger {
            EnterTrigger::Silence { quiet_for, of } => {
                let events = self.known.taken.iter().map(|taken| &taken.event);
                let such = events.filter(|event| {
                    !event.name.is_empty() && (of.is_empty() || event.is_one_of(of))
                });
                let last = such.map(|event| event.t).max();
                last.map(|last| ((last + quiet_for.node).max(self.now), last)).into_iter().collect()
            }
            EnterTrigger::Date { fact, yearly, offset_days, at } => {
                let zone = self.known.zone();
                let value = self.known.fact_named(&fact.node, None, self.now);
                let Some(date) = super::journey::day_of(&value, &zone) else {
                    return Vec::new();
                };
                let minutes = at.as_ref().map_or(0, |at| at.node);
                let offset = i64::from(offset_days.node);
                let days = if *yearly {
                    // Years around now in which the shifted day could lie.
                    let this = calendar::day(self.now, &zone).year();
                    let around = 2 + (offset.abs() / 365) as i16;
                    let years = (this - around..=this + around).filter(|y| *y > date.year());
                    years.map(|year| super::journey::in_year(date, year)).collect()
                } else {
                    vec![date]
                };
                let shifted = days.into_iter().map(|day| calendar::plus_days(day, offset));
                let instants = shifted.map(|day| calendar::instant(day, minutes, &zone));
                instants.map(|instant| (instant, instant)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn close_session(&mut self) {
        let Some(session) = self.known.open.take() else {
            return;
        };
        if self.keeps_sessions() {
            self.record(&format!(
                "session start={} last={} events={} pages={}",
                time_text(session.start()),
                time_text(session.last()),
                session.events.len(),
                session.pages()
            ));
        }
        self.known.closed.push(session);
    }

    /// Sessions are of interest if the pack speaks of them anywhere.
    fn keeps_sessions(&self) -> bool {
        let pack = self.known.pack;
        pack.sessions.is_some() || pack.files.iter().any(|file| file.text.contains("session."))
    }

    /// The next instant at which anything could change by itself.
    fn next_instant(&self) -> Option<i64> {
        if self.known.taken.is_empty() {
            return None;
        }
        let mut instants: Vec<i64> = self.timers().iter().map(|timer| timer.0).collect();
        instants.extend(super::instants::of_windows(&self.known, self.now));
        for segment in &self.known.pack.segments {
            if let SegmentKind::When(condition) = &segment.kind {
                let scope = Scope::of_person(&self.known, self.now);
                instants.extend(super::instants::of_condition(&condition.tree, &scope));
            }
        }
        for instance in &self.instances {
            for condition in instance.exit_conditions() {
                let scope = self.scope(instance);
                instants.extend(super::instants::of_condition(&condition.tree, &scope));
            }
        }
        instants.into_iter().filter(|instant| *instant > self.now).min()
    }

    /// Between two visited instants no condition that is followed changes.
    #[cfg(test)]
    fn assert_nothing_changes_before(&self, next: i64) {
        if self.known.taken.is_empty() {
            return;
        }
        let middle = self.now + (next - self.now) / 2;
        for now in [self.now + 1, self.now + 61_000, middle, next - 1] {
            if now <= self.now || now >= next {
                continue;
            }
            let scope = Scope::of_person(&self.known, now);
            for segment in &self.known.pack.segments {
                let name = &segment.name.node;
                let (then, before) = (scope.is_in(name), self.announced.contains(name));
                assert_eq!(then, before, "{name} changes at or before {}", time_text(now));
            }
            for instance in &self.instances {
                let scope = Scope { now, ..self.scope(instance) };
                let mut conditions = instance.exit_conditions().into_iter();
                assert!(conditions.all(|condition| !scope.holds(Some(condition))));
            }
        }
    }

    /// All journeys, those of the highest priority first, then by name.
    pub fn journeys(&self) -> Vec<&'a JourneyDef> {
        let mut journeys: Vec<&JourneyDef> = self.known.pack.journeys.iter().collect();
        journeys.sort_by_key(|journey| (-priority(journey), &journey.name.node));
        journeys
    }

    /// The ages of all open instances: by priority, journey, key and age.
    pub fn in_order(&self) -> Vec<u64> {
        let mut orders: Vec<_> = self.instances.iter().map(Instance::order).collect();
        orders.sort();
        orders.into_iter().map(|order| order.3).collect()
    }

    /// Writes down what happened now.
    pub fn record(&mut self, what: &str) {
        self.records.push(format!("{} {} {what}", time_text(self.now), self.id));
    }
}

/// 0 to 100.
pub fn priority(journey: &JourneyDef) -> i64 {
    journey.priority.as_ref().map_or(50, |priority| i64::from(priority.node))
}
