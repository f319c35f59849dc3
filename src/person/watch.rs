//! Persons about whom somebody asks why: everything that happens to them is written down in its order, while the engine decides
//! as it always does.
//!
//! ```text
//!  Turn ─ notes (events, facts, conditions, gates) ─┐
//!                                                   ├─► Watcher ─ notes in the order in which all of it happened
//!  Keyed ─ effects, as they go out ─────────────────┘
//! ```
//!
//! Nobody is watched in a run like any other: then it costs one look at an `Option`.

use super::effect::{Effect, Outcome};
use super::eval::{Cx, eval};
use super::instance::Phase;
use super::policy::trace::{self, GateAsked};
use super::turn::Turn;
use super::{Person, facts, policy};
use crate::define::plan::{
    Expr, FactId, JourneyId, JourneyPlan, Plan, SegmentId, SendId, Standing, parts,
};
use crate::event::{Event, Kind, Origin, Value};
use crate::identity::{Change as Turned, Ending};
use crate::person::Instance;
use crate::time::NEVER;
use compact_str::{CompactString, format_compact};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Something that was written down of a person.
#[derive(Clone, Debug)]
pub struct Note {
    /// The identifier by which the person was known then.
    pub person: CompactString,
    pub at: i64,
    pub what: Noted,
}

/// What it is.
#[derive(Clone, Debug)]
pub enum Noted {
    /// An event was taken in, or was seen to repeat another one.
    Event {
        event: Box<Event>,
        late: bool,
        repeats: bool,
    },
    /// Time has come for something: a wait, a date, a silence, the end of a session.
    Time,
    Fact {
        fact: FactId,
        key: Option<CompactString>,
        before: Value,
        after: Value,
    },
    /// Went out of the person, under the plan of this version: gates are numbered anew by each.
    Effect(Effect, u16),
    /// How the gates were asked about the message whose decision stands before it.
    Gates(Vec<GateAsked>),
    /// A journey was not entered, though there was an occasion.
    NotEntered {
        journey: JourneyId,
        key: Option<CompactString>,
        why: Hindrance,
    },
    /// What was found when a condition of an instance was asked that moved it.
    Asked {
        of: InstanceId,
        place: Place,
        judged: Judged,
    },
    /// An instance waits.
    Waits {
        of: InstanceId,
        place: u16,
        until: i64,
    },
    /// Somebody turned out to be this person, or not to be.
    Joined(CompactString),
    Parted(CompactString),
}

/// An instance by its journey, key and number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceId {
    pub journey: JourneyId,
    pub key: Option<CompactString>,
    pub number: u32,
}

/// Where a condition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// One of the exits, by its number in the journey.
    Exit(usize),
    /// An operation of the program.
    Step(u16),
}

/// What kept a person from entering a journey.
#[derive(Clone, Debug, PartialEq)]
pub enum Hindrance {
    /// As many instances are open as one person may have.
    Full,
    /// One is open already.
    Open,
    /// It may be entered once, and was at this instant.
    Once(i64),
    /// It was entered at the first instant and may be again from the second one on.
    TooSoon(i64, i64),
    /// The event has no value in the property that keys instances.
    NoKey(u16),
    Condition(Judged),
}

/// What a condition was found to be, part by part.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    pub holds: bool,
    /// All have to hold.
    pub parts: Vec<Part>,
}

/// A part of a condition, in the language of packs, and the values of what it reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub text: String,
    pub holds: bool,
    pub values: Vec<(String, Value)>,
}

/// A fact that has a value, and for which key.
type Known = (FactId, Option<CompactString>, Value);

#[derive(Default)]
struct Notebook {
    /// Of steps under way, by person: each after so many of the step's effects.
    open: BTreeMap<CompactString, Vec<(usize, Note)>>,
    notes: Vec<Note>,
    /// Where each person's are.
    places: BTreeMap<CompactString, Vec<usize>>,
    /// The last generation of each identifier that has changed hands.
    generations: BTreeMap<CompactString, u32>,
    /// To whom identifiers belong that have turned out to be somebody's.
    owners: BTreeMap<CompactString, CompactString>,
    /// Who was erased, and when: what was before is not told.
    erased: BTreeMap<CompactString, i64>,
    /// The first time of an event that concerns whoever is watched, and the last time of any.
    first: Option<i64>,
    last: Option<i64>,
    /// Identifiers with an event beyond the end of the run, and the first epoch in which there was one.
    beyond: BTreeMap<CompactString, u64>,
    /// Names of events that no definition mentions.
    names: BTreeMap<Origin, String>,
    /// Facts as they were seen last, by person.
    facts: BTreeMap<CompactString, Vec<Known>>,
}

impl Notebook {
    /// To whom a leaf belongs.
    fn owner(&self, leaf: &str) -> CompactString {
        self.owners.get(leaf).cloned().unwrap_or_else(|| leaf.into())
    }

    fn write(&mut self, note: Note) {
        self.places.entry(note.person.clone()).or_default().push(self.notes.len());
        self.notes.push(note);
    }

    /// There is a leaf of this name.
    fn hear_of(&mut self, leaf: &str) {
        if let (identifier, Some(number)) = generation(leaf) {
            let known = self.generations.entry(identifier.into()).or_default();
            *known = number.max(*known);
        }
    }
}

/// An identifier without the number that is behind it once it has changed hands, and that number.
fn generation(leaf: &str) -> (&str, Option<u32>) {
    let Some((identifier, number)) = leaf.rsplit_once('#') else { return (leaf, None) };
    match number.parse() {
        Ok(number) => (identifier, Some(number)),
        Err(_) => (leaf, None),
    }
}

/// Writes down what happens to persons of some identifiers.
pub struct Watcher {
    identifiers: BTreeSet<CompactString>,
    /// Whether what happens under other identifiers is left out.
    alone: bool,
    /// The last instant of which anything is taken in.
    until: Option<i64>,
    notebook: Mutex<Notebook>,
}

impl Watcher {
    /// The identifier of somebody by whatever name outputs bear: once an identifier has changed hands, a number is behind it.
    pub fn identifier(name: &str) -> &str {
        generation(name).0
    }

    /// Whoever is known by one of these identifiers is watched.
    pub fn new(identifiers: BTreeSet<CompactString>) -> Watcher {
        Watcher { identifiers, alone: false, until: None, notebook: Mutex::default() }
    }

    /// What happens under other identifiers is left out: nobody else's doings concern these.
    pub fn alone(self) -> Watcher {
        Watcher { alone: true, ..self }
    }

    /// The run ends after this instant, and nothing later is taken in.
    pub fn until(self, at: i64) -> Watcher {
        Watcher { until: Some(at), ..self }
    }

    /// The instant after which the run ends, if that is before the end of the input.
    pub fn end(&self) -> Option<i64> {
        self.until
    }

    /// Whether an event of an epoch, which begins at `begin`, is part of the run. Where time of a person has gone beyond the
    /// end of the run in an earlier epoch, as it does at the live edge, the person takes in nothing more.
    pub fn takes(&self, event: &Event, epoch: u64, begin: i64) -> bool {
        let mut notebook = self.notebook();
        let concerns = self.concerns(event);
        if concerns {
            notebook.first = Some(notebook.first.map_or(event.time, |at| at.min(event.time)));
        }
        notebook.last = notebook.last.max(Some(event.time));
        if self.alone && !concerns {
            return false;
        }
        let Some(until) = self.until else { return true };
        if event.taken.max(begin) > until {
            notebook.beyond.entry(event.leaf.clone()).or_insert(epoch);
            return false;
        }
        notebook.beyond.get(&event.leaf).is_none_or(|since| *since == epoch)
    }

    /// The first time of an event of somebody who is watched, taken in or not; and the last of any event that was read.
    pub fn bounds(&self) -> (Option<i64>, Option<i64>) {
        let notebook = self.notebook();
        (notebook.first, notebook.last)
    }

    /// Whether an event is of somebody who is watched, or names them.
    pub fn concerns(&self, event: &Event) -> bool {
        self.watches(&event.leaf) || event.also.iter().any(|id| self.watches(id))
    }

    /// Keeps the name of an event that no definition mentions, out of its line: the plan has none for it.
    pub fn keep_name(&self, event: &Event, line: &[u8]) {
        if event.kind != Kind::OTHER || !self.concerns(event) {
            return;
        }
        let name = serde_json::from_slice::<serde_json::Value>(line).unwrap_or_default();
        let name = name["event"].as_str().or(name["type"].as_str()).unwrap_or_default();
        self.notebook().names.insert(event.origin, name.to_owned());
    }

    /// The name of such an event.
    pub fn name_of(&self, origin: Origin) -> Option<String> {
        self.notebook().names.get(&origin).cloned()
    }

    /// Whether the person of an identifier is watched; whatever generation it is of, where it has changed hands.
    pub fn watches(&self, identifier: &str) -> bool {
        self.identifiers.contains(identifier) || self.identifiers.contains(generation(identifier).0)
    }

    /// To whom an identifier belongs, as far as the run has come: if it has changed hands, to whom it has come last.
    pub fn owner(&self, identifier: &str) -> CompactString {
        let notebook = self.notebook();
        let latest = notebook.generations.get(identifier).copied().unwrap_or(0);
        match latest {
            0 => notebook.owner(identifier),
            _ => notebook.owner(&format_compact!("{identifier}#{latest}")),
        }
    }

    /// The identifiers that belong to a person, as far as the run has come, each generation by itself.
    pub fn identifiers_of(&self, person: &str) -> Vec<CompactString> {
        let notebook = self.notebook();
        let mut all: BTreeSet<CompactString> = self.identifiers.clone();
        all.extend(notebook.owners.keys().cloned());
        all.insert(person.into());
        all.into_iter().filter(|leaf| notebook.owner(leaf) == person).collect()
    }

    /// When whoever has an identifier was erased, if that was.
    pub fn erased_at(&self, identifier: &str) -> Option<i64> {
        self.notebook().erased.get(identifier).copied()
    }

    /// Everything that was written down of some persons, in the order of time; of those who were erased what came after.
    pub fn notes(&self, persons: &[CompactString]) -> Vec<Note> {
        let notebook = self.notebook();
        let places = persons.iter().flat_map(|person| notebook.places.get(person)).flatten();
        let theirs: BTreeSet<usize> = places.copied().collect();
        let is_told =
            |note: &&Note| notebook.erased.get(&note.person).is_none_or(|erased| note.at > *erased);
        let theirs = theirs.into_iter().map(|at| &notebook.notes[at]);
        let mut notes: Vec<Note> = theirs.filter(is_told).cloned().collect();
        notes.sort_by_key(|note| note.at);
        notes
    }

    /// How much has been written down of everybody.
    pub fn size(&self) -> usize {
        self.notebook().notes.len()
    }

    fn notebook(&self) -> MutexGuard<'_, Notebook> {
        self.notebook.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These effects go out of a person's step; what was noted in it stands between them.
    pub(super) fn went_out(&self, person: &CompactString, plan: &Plan, effects: &[Effect]) {
        if !self.watches(person) {
            return;
        }
        let notebook = &mut *self.notebook();
        let mut noted = notebook.open.remove(person).unwrap_or_default().into_iter().peekable();
        for (at, effect) in effects.iter().enumerate() {
            while let Some((_, note)) = noted.next_if(|(before, _)| *before <= at) {
                notebook.write(note);
            }
            if let Some(time) = time_of(effect) {
                let what = Noted::Effect(effect.clone(), plan.version);
                notebook.write(Note { person: person.clone(), at: time, what });
            }
        }
        noted.for_each(|(_, note)| notebook.write(note));
    }

    /// Somebody turns out to be somebody else, or not to be.
    pub(super) fn turned(&self, at: i64, change: &Turned) {
        let leaves: &[CompactString] = match change {
            Turned::Join { .. } => &[],
            Turned::Part { leaves, .. } | Turned::End { leaves, .. } => leaves,
        };
        let all = || leaves.iter().chain(change.persons());
        // Who is watched is so by every identifier that they ever have. What becomes of all others would be looked through at each join.
        if !all().any(|identifier| self.watches(identifier)) {
            return;
        }
        let notebook = &mut *self.notebook();
        all().for_each(|leaf| notebook.hear_of(leaf));
        let mut note = |person: &CompactString, what| {
            notebook.write(Note { person: person.clone(), at, what });
        };
        match change {
            Turned::Join { into, from } => {
                note(into, Noted::Joined(from.clone()));
                for owner in notebook.owners.values_mut().filter(|owner| *owner == from) {
                    owner.clone_from(into);
                }
                notebook.owners.insert(from.clone(), into.clone());
            }
            Turned::Part { from, into, leaves } => {
                for leaf in leaves {
                    note(from, Noted::Parted(leaf.clone()));
                }
                let of = leaves.iter().map(|leaf| (leaf.clone(), into.clone()));
                notebook.owners.extend(of.collect::<Vec<_>>());
            }
            Turned::End { person, leaves, why } => {
                for leaf in leaves {
                    notebook.owners.remove(leaf);
                }
                if *why == Ending::Erased {
                    let all = leaves.iter().chain([person]);
                    notebook.erased.extend(all.map(|leaf| (leaf.clone(), at)));
                }
            }
        }
    }

    fn note(&self, turn: &Turn, what: Noted) {
        let person = turn.person.id.clone();
        let note = Note { person: person.clone(), at: turn.person.now, what };
        let before = turn.effects.len();
        self.notebook().open.entry(person).or_default().push((before, note));
    }
}

/// When an effect went out; what goes nowhere else is no part of a person's history.
fn time_of(effect: &Effect) -> Option<i64> {
    match effect {
        Effect::Segment { time, .. }
        | Effect::Journey { time, .. }
        | Effect::Session { time, .. }
        | Effect::Gone { time } => Some(*time),
        Effect::Decision(decision) => Some(decision.time),
        Effect::Forward(_) => None,
    }
}

/// What is written down in the middle of a step, where somebody watches.
impl Turn<'_> {
    /// An event is about to be taken in, or repeats another one.
    pub(super) fn watch_event(&self, event: &Event, late: bool, repeats: bool) {
        let Some(watch) = self.watch else { return };
        watch.notebook().hear_of(&event.leaf);
        watch.note(self, Noted::Event { event: Box::new(event.clone()), late, repeats });
    }

    /// Time has come for something.
    pub(super) fn watch_time(&self) {
        let Some(watch) = self.watch else { return };
        watch.note(self, Noted::Time);
    }

    /// Facts may have changed since they were looked at last.
    pub(super) fn watch_facts(&self) {
        let Some(watch) = self.watch else { return };
        let after = known_facts(self.person, self.plan);
        let before = watch.notebook().facts.insert(self.person.id.clone(), after.clone());
        let before = before.unwrap_or_default();
        let value = |of: &[Known], fact, key: &Option<CompactString>| {
            let known = of.iter().find(|known| known.0 == fact && known.1 == *key);
            known.map_or(Value::Missing, |known| known.2.clone())
        };
        let gone =
            before.iter().filter(|it| !after.iter().any(|new| (new.0, &new.1) == (it.0, &it.1)));
        let mut changed: Vec<Known> = after.clone();
        changed.extend(gone.map(|(fact, key, _)| (*fact, key.clone(), Value::Missing)));
        changed.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        for (fact, key, after) in changed {
            let before = value(&before, fact, &key);
            if before != after && !(before.is_missing() && is_nothing(&after)) {
                watch.note(self, Noted::Fact { fact, key, before, after });
            }
        }
    }

    /// A journey is not entered.
    pub(super) fn watch_not_entered(
        &self,
        journey: JourneyId,
        key: &Option<CompactString>,
        why: impl FnOnce() -> Hindrance,
    ) {
        let Some(watch) = self.watch else { return };
        watch.note(self, Noted::NotEntered { journey, key: key.clone(), why: why() });
    }

    /// A condition of an instance is asked.
    pub(super) fn watch_asked(&self, at: usize, place: Place, condition: &Expr, cx: &Cx) {
        let Some(watch) = self.watch else { return };
        let instance = &self.person.instances[at];
        let journey = &self.plan.journeys[usize::from(instance.journey.0)];
        let judged = judge(cx, condition, Some(journey));
        watch.note(self, Noted::Asked { of: id_of(instance), place, judged });
    }

    /// An instance waits from now on, or for longer than it was going to.
    pub(super) fn watch_wait(&self, at: usize) {
        let Some(watch) = self.watch else { return };
        let instance = &self.person.instances[at];
        if let Some(until) = instance.waits_until() {
            let place = instance.place;
            watch.note(self, Noted::Waits { of: id_of(instance), place, until });
        }
    }

    /// The gates were asked about the message at which an instance stands.
    pub(super) fn watch_gates(&self, at: usize, send: SendId, due: i64, outcome: &Outcome) {
        let Some(watch) = self.watch else { return };
        let granted =
            matches!(self.person.instances[at].phase, Phase::Pending { granted: true, .. });
        let (person, plan, instance) = (&*self.person, self.plan, &self.person.instances[at]);
        let message = policy::Message { person, plan, instance, send, due, granted };
        let asked = trace::asked(message, self.clock, outcome);
        watch.note(self, Noted::Gates(asked));
    }
}

fn id_of(instance: &Instance) -> InstanceId {
    let Instance { journey, number, .. } = *instance;
    InstanceId { journey, key: instance.key.clone(), number }
}

/// A count or sum of nothing is no news.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Num(n) => n.0 == 0,
        Value::List(items) => items.is_empty(),
        _ => false,
    }
}

fn known_facts(person: &Person, plan: &Plan) -> Vec<Known> {
    let mut known = Vec::new();
    for (at, fact) in plan.facts.iter().enumerate() {
        if fact.standing != Standing::Current {
            continue;
        }
        let id = FactId(at as u16);
        let keys = match fact.per {
            None => vec![None],
            Some(_) => facts::keys(person, id).into_iter().map(Some).collect(),
        };
        for key in keys {
            let cx = Cx { key: key.as_deref(), ..Cx::of(plan, person, person.now) };
            let value = facts::read_any(&cx, id);
            if !value.is_missing() {
                known.push((id, key, value));
            }
        }
    }
    known
}

/// Asks a condition part by part.
pub(super) fn judge(cx: &Cx, condition: &Expr, journey: Option<&JourneyPlan>) -> Judged {
    let part = |part: &Expr| {
        let mut values = Vec::new();
        read_by(cx, part, journey, &mut values);
        Part { text: cx.plan.text(part, journey), holds: cx.holds(part), values }
    };
    Judged { holds: cx.holds(condition), parts: parts(condition).into_iter().map(part).collect() }
}

/// The values of what an expression reads, each once.
fn read_by(cx: &Cx, expr: &Expr, journey: Option<&JourneyPlan>, values: &mut Vec<(String, Value)>) {
    let reads = matches!(
        expr,
        Expr::Property(_)
            | Expr::EventTime
            | Expr::Entry(_)
            | Expr::EntryTime
            | Expr::Key
            | Expr::Fact(_)
            | Expr::Basket(..)
            | Expr::Session(_)
            | Expr::Now
            | Expr::Segment(_)
            | Expr::Rank(_)
            | Expr::Before(_)
            | Expr::Product(..)
            | Expr::Accessories(_)
            | Expr::Related(..)
    );
    let text = || cx.plan.text(expr, journey);
    if reads && !values.iter().any(|(known, _)| *known == text()) {
        values.push((text(), eval(expr, cx).into_value()));
    }
    expr.operands().into_iter().for_each(|operand| read_by(cx, operand, journey, values));
}

impl Person {
    /// What a segment's condition is found to be at the person's current instant, or at `now` if that is later; nothing of a list.
    pub fn judge_segment(&self, plan: &Plan, segment: SegmentId, now: i64) -> Option<Judged> {
        let condition = plan.segments[usize::from(segment.0)].condition.as_ref()?;
        Some(judge(&Cx::of(plan, self, now.max(self.now)), condition, None))
    }

    /// When a journey will be entered by a date or by silence, if nothing changes.
    pub fn enters_at(&self, journey: JourneyId) -> Option<i64> {
        let watch = self.watches.iter().find(|watch| watch.journey == journey)?;
        (watch.deadline != NEVER).then_some(watch.deadline)
    }

    /// Sends that caps may still count, oldest first.
    pub fn counted_sends(&self) -> impl Iterator<Item = (i64, SendId)> {
        self.sends.iter().map(|sent| (sent.at, sent.send))
    }

    /// The name of the time zone in which clock times are the person's.
    pub fn own_zone(&self) -> Option<&str> {
        self.zone.as_ref().map(|(_, name)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_turn_out_to_be_is_not_written_down() {
        let watch = Watcher::new(BTreeSet::from(["user:anna".into(), "anonymous:a".into()]));
        let join = |into: &str, from: &str| Turned::Join { into: into.into(), from: from.into() };
        watch.turned(1, &join("user:ben", "anonymous:b"));
        watch.turned(2, &join("user:anna", "anonymous:a#1"));
        assert_eq!(watch.size(), 1);
        assert_eq!(watch.owner("anonymous:a"), "user:anna");
        assert_eq!(watch.identifiers_of("user:anna"), ["anonymous:a#1", "user:anna"]);
        assert_eq!(watch.notebook().owners.len(), 1);
    }
}
