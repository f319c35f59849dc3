//! Everything that was ever heard of one person, as a list, and what can be asked of it: traits,
//! the time zone, consents and sessions. Each question reads the whole list again.

use super::calendar;
use super::line::{Event, typed_trait};
use super::value::{ONE, Value};
use crate::define::ast::{ConsentProof, ConsentRule, Name, Pack, PropertyType};
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

/// The silence that ends a session where the pack does not say.
const DEFAULT_GAP: i64 = 30 * 60_000;

/// An event and the circumstances in which it was taken in.
#[derive(Clone, Debug)]
pub struct Taken {
    pub event: Event,
    /// The instant at which it was taken in: its own time, or the watermark if it was late.
    pub at: i64,
    /// The person's time zone then, this event counted.
    pub zone: TimeZone,
}

/// The events of one session.
#[derive(Clone, Debug)]
pub struct Session {
    pub events: Vec<Event>,
}

impl Session {
    /// The earliest event's time.
    pub fn start(&self) -> i64 {
        self.events.iter().map(|event| event.t).min().unwrap_or(0)
    }

    /// The latest event's time.
    pub fn last(&self) -> i64 {
        self.events.iter().map(|event| event.t).max().unwrap_or(0)
    }

    /// How many of the events are pages or screens.
    pub fn pages(&self) -> usize {
        self.events.iter().filter(|event| event.is_page).count()
    }

    /// The path of the first page that has one, else the name of the first that has a name.
    fn entry_page(&self) -> Value {
        let mut pages: Vec<&Event> = self.events.iter().filter(|event| event.is_page).collect();
        pages.sort_by_key(|event| event.t);
        if let Some(path) = pages.iter().find_map(|page| page.page_path.as_ref()) {
            return Value::Text(path.clone());
        }
        let names = pages.iter().map(|page| page.property(&["name"]));
        names.into_iter().find(|name| matches!(name, Value::Text(_))).unwrap_or(Value::Missing)
    }
}

/// What is known of one person.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    pub pack: &'a Pack,
    /// In the order of taking in; traits that journeys set among them, as events without a name.
    pub taken: Vec<Taken>,
    /// The list segments that the person is in.
    pub lists: BTreeSet<String>,
    pub open: Option<Session>,
    pub closed: Vec<Session>,
}

impl<'a> Known<'a> {
    /// Nothing is known yet.
    pub fn new(pack: &'a Pack) -> Self {
        Known { pack, taken: Vec::new(), lists: BTreeSet::new(), open: None, closed: Vec::new() }
    }

    /// Counts an event (or a set trait) from now on.
    pub fn take_in(&mut self, event: Event, at: i64) {
        self.taken.push(Taken { event, at, zone: TimeZone::UTC });
        let zone = self.zone_said();
        let last = self.taken.len() - 1;
        self.taken[last].zone = zone;
        let event = self.taken[last].event.clone();
        if !event.name.is_empty() {
            self.take_into_session(event, at);
        }
    }

    /// Everything in the order of event time; at one time, in the order of arrival.
    pub fn in_time_order(&self) -> Vec<&Taken> {
        let mut taken: Vec<&Taken> = self.taken.iter().collect();
        taken.sort_by_key(|taken| taken.event.t);
        taken
    }

    /// The latest value of a trait that can be read with the type.
    pub fn trait_value(&self, name: &str, of_type: Option<PropertyType>) -> Value {
        let path: Vec<&str> = name.split('.').collect();
        let mut latest = Value::Missing;
        for taken in self.in_time_order() {
            if let Some(value) = typed_trait(&taken.event.trait_at(&path), of_type) {
                latest = value;
            }
            let same =
                |proof: &ConsentProof| matches!(proof, ConsentProof::Trait(it) if it.node == name);
            let is_bool = of_type.is_none_or(|of| of == PropertyType::Boolean);
            if is_bool && self.is_taken_back(same, &taken.event) {
                latest = Value::Bool(false);
            }
        }
        latest
    }

    /// The person's time zone now, which is that since the last event.
    pub fn zone(&self) -> TimeZone {
        self.taken.last().map_or(TimeZone::UTC, |taken| taken.zone.clone())
    }

    /// The person's time zone: their own, else the policy's, else UTC.
    fn zone_said(&self) -> TimeZone {
        let mut own = None;
        for taken in self.in_time_order() {
            let said = taken.event.time_zone.clone();
            let as_trait = match taken.event.trait_at(&["timezone"]) {
                Value::Text(name) => Some(name),
                _ => None,
            };
            for name in [said, as_trait].into_iter().flatten() {
                own = calendar::zone(&name).or(own);
            }
        }
        let policy = self.pack.policy.as_ref().and_then(|policy| policy.time_zone.as_ref());
        own.or_else(|| calendar::zone(&policy?.node)).unwrap_or(TimeZone::UTC)
    }

    /// Whether the person has agreed to what a rule is about.
    pub fn consents(&self, rule: &ConsentRule) -> bool {
        match &rule.proof {
            ConsentProof::Category(category) => {
                let mut granted = rule.default;
                for taken in self.in_time_order() {
                    for (name, said) in &taken.event.consents {
                        if *name == category.node {
                            granted = *said;
                        }
                    }
                    let same = |proof: &ConsentProof| matches!(proof, ConsentProof::Category(it) if it.node == category.node);
                    granted &= !self.is_taken_back(same, &taken.event);
                }
                granted
            }
            ConsentProof::Trait(name) => {
                match self.trait_value(&name.node, Some(PropertyType::Boolean)) {
                    Value::Bool(granted) => granted,
                    _ => rule.default,
                }
            }
        }
    }

    /// Whether an event takes back a consent with such a proof.
    fn is_taken_back(&self, same: impl Fn(&ConsentProof) -> bool, event: &Event) -> bool {
        let rules = self.pack.policy.iter().flat_map(|policy| &policy.consent);
        rules.filter(|rule| same(&rule.proof)).any(|rule| revokes(rule, event))
    }

    /// The silence after which a session is over.
    pub fn session_gap(&self) -> i64 {
        self.pack.sessions.as_ref().map_or(DEFAULT_GAP, |sessions| sessions.gap.node)
    }

    fn take_into_session(&mut self, event: Event, at: i64) {
        let of = self.pack.sessions.as_ref().map_or(&[][..], |sessions| &sessions.of);
        if !of.is_empty() && !event.is_one_of(of) {
            return;
        }
        let gap = self.session_gap();
        let is_late = event.t < at;
        match &mut self.open {
            Some(open) => {
                let joins = event.t >= open.start() - gap && event.t <= open.last() + gap;
                if joins {
                    open.events.push(event);
                }
            }
            None if !is_late => {
                self.open = Some(Session { events: vec![event] });
            }
            None => {}
        }
    }

    /// What an expression sees as `session.FIELD`.
    pub fn session_value(&self, field: &str) -> Value {
        let open = self.open.as_ref();
        let number = |n: usize| Value::Number(n as i64 * ONE);
        let of_open = |value: fn(&Session) -> Value| open.map_or(Value::Missing, value);
        match field {
            "active" => Value::Bool(open.is_some()),
            "count" => number(self.closed.len() + usize::from(open.is_some())),
            "previous_end" => {
                self.closed.last().map_or(Value::Missing, |closed| Value::Time(closed.last()))
            }
            "start" => of_open(|open| Value::Time(open.start())),
            "events" => open.map_or(Value::Missing, |open| number(open.events.len())),
            "pages" => open.map_or(Value::Missing, |open| number(open.pages())),
            "duration" => of_open(|open| Value::Duration(open.last() - open.start())),
            "entry_page" => of_open(Session::entry_page),
            _ => Value::Missing,
        }
    }
}

/// Whether an event takes the consent of a rule back: it names no other channel and no other purpose.
fn revokes(rule: &ConsentRule, event: &Event) -> bool {
    let names_other = |of: &Option<Name>, property: &str| match (of, event.property(&[property])) {
        (Some(of), Value::Text(named)) => of.node != named,
        _ => false,
    };
    event.is_one_of(&rule.revoked_by)
        && !rule.revoked_by.is_empty()
        && !names_other(&rule.channel, "channel")
        && !names_other(&rule.purpose, "purpose")
}
