//! Effects and rejects → CloudEvents 1.0 in structured mode, written without a tree in between.

use super::head::{self, hex};
use super::labels::Labels;
use super::sources::Sources;
use super::{Batch, Place, Stream};
use crate::define::plan::{FactId, JourneyId, Op, Plan, SEPARATOR};
use crate::event::{Num, Reject, Value};
use crate::person::{Cause, Change, Decision, Effect, ExitReason, Outcome, Reason};
use crate::time::{self, NEVER};
use itoa::Buffer as Digits;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Turns effects into lines. One for each worker; all give the same bytes.
pub struct Formatter {
    plan: Arc<Plan>,
    sources: Arc<Sources>,
    labels: Arc<Labels>,
    /// Which journey it is, by its number, as it stands in every line about it.
    journeys: Vec<Vec<u8>>,
}

impl Formatter {
    /// A formatter of effects under this plan, whose inputs and outcomes have these names.
    pub fn new(plan: Arc<Plan>, sources: Arc<Sources>, labels: Arc<Labels>) -> Formatter {
        let journeys = plan.journeys.iter().map(|journey| {
            let mut out = Vec::new();
            text_field(&mut out, "journey", &journey.name);
            text_field(&mut out, "version", &journey.version);
            out
        });
        Formatter { journeys: journeys.collect(), plan, sources, labels }
    }

    /// Effects are those under another plan from now on.
    pub fn follow(&mut self, plan: Arc<Plan>) {
        let labels = Arc::new(Labels::new(&plan));
        *self = Formatter::new(plan, self.sources.clone(), labels);
    }

    /// Adds the lines of one person's step in one epoch.
    pub fn effects(
        &self,
        epoch: u64,
        person: &str,
        hash: u64,
        effects: &[Effect],
        batch: &mut Batch,
    ) {
        for (index, effect) in effects.iter().enumerate() {
            let index = 2 * index as u32;
            let place = |time| Place { epoch, time, hash, index };
            match effect {
                Effect::Segment { time, segment, entered } => {
                    let label = self.labels.segment(*segment, *entered);
                    batch.add(place(*time), Stream::Segments, label, |out| {
                        let name = &self.plan.segments[segment.0 as usize].name;
                        let change = if *entered { "entered" } else { "left" };
                        let mut at = Digits::new();
                        let id = [person, "segment", name, change, at.format(*time)];
                        let kind = if *entered { "segment.entered" } else { "segment.left" };
                        envelope(out, kind, &id, *time, person);
                        text_field(out, "segment", name);
                        text_field(out, "change", change);
                        close(out);
                    });
                }
                Effect::Session { time, number, session } => {
                    let label = self.labels.session();
                    batch.add(place(*time), Stream::Sessions, label, |out| {
                        let (mut digits, mut more) = (Digits::new(), Digits::new());
                        let (number_text, start) =
                            (digits.format(*number), more.format(session.start));
                        let id = [person, "session", number_text, start];
                        envelope(out, "session.closed", &id, *time, person);
                        number_field(out, "number", *number);
                        time_field(out, "start", session.start);
                        time_field(out, "last_event", session.last);
                        number_field(out, "duration_ms", session.last - session.start);
                        number_field(out, "events", session.events);
                        number_field(out, "pages", session.pages);
                        let page = session.entry_page.as_ref().map(|(_, _, page)| page.as_str());
                        optional_field(out, "entry_page", page);
                        close(out);
                    });
                }
                Effect::Journey { time, journey, key, number, change } => {
                    let label = self.labels.journey(*journey, change);
                    batch.add(place(*time), Stream::Journeys, label, |out| {
                        let about = About {
                            person,
                            journey: *journey,
                            key: key.as_deref(),
                            number: *number,
                        };
                        self.journey(out, *time, &about, change);
                    });
                }
                // Of no concern to anybody outside.
                Effect::Forward(_) => {}
                Effect::Gone { time } => {
                    for name in self.segment_names() {
                        batch.add(place(*time), Stream::Segments, 0, |out| {
                            let mut at = Digits::new();
                            let id = [person, "segment", name, "gone", at.format(*time)];
                            envelope(out, head::GONE, &id, *time, person);
                            text_field(out, "segment", name);
                            text_field(out, "change", "gone");
                            close(out);
                        });
                    }
                }
                Effect::Decision(decision) => {
                    self.decision(place(decision.time), person, decision, batch);
                }
            }
        }
    }

    /// Every segment that a person can ever have been in: somebody may have kept the latest word on it.
    fn segment_names(&self) -> BTreeSet<&str> {
        self.plan.segments.iter().map(|segment| segment.name.as_str()).collect()
    }

    fn journey(&self, out: &mut Vec<u8>, time: i64, about: &About, change: &Change) {
        let plan = &self.plan.journeys[about.journey.0 as usize];
        let kind = match change {
            Change::Entered { .. } => "journey.entered",
            Change::Reached { .. } => "journey.reached",
            Change::Assigned { .. } => "journey.assigned",
            Change::Exited { reason: ExitReason::Goal, .. } => "journey.goal",
            Change::Exited { .. } => "journey.exited",
            Change::Moved { .. } => "journey.moved",
            Change::Carried { .. } => "journey.carried",
            Change::Added(_) => "journey.added",
            Change::Removed(_) => "journey.removed",
            Change::Emitted { .. } => "journey.emitted",
            Change::Set { .. } => "journey.set",
            Change::Regret { .. } => "journey.regret",
        };
        let path = |place: u16| plan.program.get(place as usize).map(|at| at.path.as_str());
        let segment = |id: crate::define::plan::SegmentId| &self.plan.segments[id.0 as usize].name;
        // What tells two changes of one kind at one instant apart; the cutting of epochs may not.
        let detail = match change {
            Change::Entered { .. } | Change::Exited { .. } => "",
            Change::Reached { place }
            | Change::Moved { place }
            | Change::Emitted { place, .. }
            | Change::Set { place, .. } => path(*place).unwrap_or(""),
            Change::Added(list) | Change::Removed(list) => segment(*list),
            Change::Assigned { arm } => path(arm.place).unwrap_or(""),
            Change::Carried { from } => from,
            Change::Regret { by, .. } => &by.message_id,
        };
        let (mut when, mut number) = (Digits::new(), Digits::new());
        let (when, number) = (when.format(time), number.format(about.number));
        let id = [about.person, kind, &plan.name, number, when, detail];
        envelope(out, kind, &id, time, about.person);
        self.about(out, about);
        match change {
            Change::Entered { by } => self.inputs_field(out, &[by]),
            Change::Reached { place } | Change::Moved { place } => {
                optional_field(out, "step", path(*place));
            }
            Change::Assigned { arm } => {
                optional_field(out, "step", path(arm.place));
                text_field(out, "arm", self.plan.arm(*arm).1);
            }
            Change::Exited { reason, place, value, arms } => {
                text_field(out, "reason", reason.as_str());
                optional_field(out, "step", path(*place));
                if let Some(value) = value {
                    field(out, "value");
                    write_value(out, &Value::Num(*value));
                }
                if !arms.is_empty() {
                    let arms: Vec<(&str, &str)> =
                        arms.iter().map(|arm| self.plan.arm(*arm)).collect();
                    field(out, "arms");
                    out.push(b'{');
                    for (step, arm) in arms {
                        named_field(out, step);
                        text(out, arm);
                    }
                    out.push(b'}');
                }
            }
            Change::Carried { from } => text_field(out, "from", from),
            Change::Added(list) | Change::Removed(list) => {
                text_field(out, "segment", segment(*list));
            }
            Change::Emitted { place, with } => {
                optional_field(out, "step", path(*place));
                if let Some(Op::Emit { event, with: names, .. }) =
                    plan.program.get(*place as usize).map(|at| &at.op)
                {
                    text_field(out, "event", event);
                    let names = names.iter().map(|(name, _)| name.as_str());
                    self.values_field(out, "with", names.zip(with));
                }
            }
            Change::Set { place, value } => {
                optional_field(out, "step", path(*place));
                if let Some(Op::Set { name, .. }) =
                    plan.program.get(*place as usize).map(|at| &at.op)
                {
                    text_field(out, "trait", name);
                }
                field(out, "value");
                write_value(out, value);
            }
            Change::Regret { sent, by } => {
                time_field(out, "sent", *sent);
                self.inputs_field(out, &[by]);
            }
        }
        close(out);
    }

    fn decision(&self, place: Place, person: &str, decision: &Decision, batch: &mut Batch) {
        let about = About {
            person,
            journey: decision.journey,
            key: decision.key.as_deref(),
            number: decision.number,
        };
        let id = self.decision_id(&about, decision);
        let label = self.labels.decision(decision);
        batch.add(place, Stream::Decisions, label, |out| {
            envelope(out, "decision", &[&id], decision.time, person);
            let (word, until, reason) = match &decision.outcome {
                Outcome::Send => ("send", None, None),
                Outcome::Defer { until, reason } => ("defer", Some(*until), Some(reason)),
                Outcome::Drop { reason } => ("drop", None, Some(reason)),
            };
            text_field(out, "decision", word);
            let reason = reason.map(|reason| self.reason(reason));
            optional_field(out, "reason", reason.as_deref());
            if let Some(until) = until.filter(|until| *until != NEVER) {
                time_field(out, "until", until);
            }
            self.message(out, &about, decision);
            close(out);
        });
        if decision.outcome == Outcome::Send {
            let place = Place { index: place.index + 1, ..place };
            batch.add(place, Stream::Triggers, 0, |out| {
                envelope(out, "trigger", &[&id], decision.time, person);
                self.message(out, &about, decision);
                let names = self.plan.sends[decision.send.0 as usize].with.iter();
                let names = names.map(|(name, _)| name.as_str());
                self.values_field(out, "with", names.zip(&decision.with));
                close(out);
            });
        }
    }

    /// The parts of which a decision's id is the hash.
    fn decision_id(&self, about: &About, decision: &Decision) -> String {
        let About { person, journey, key, number } = *about;
        let (place, due) = (decision.place, decision.due);
        let id = self.plan.decision_id(person, journey, key, number, place, due);
        match decision.outcome {
            Outcome::Defer { .. } => id + &decision.time.to_string(),
            _ => id,
        }
    }

    fn message(&self, out: &mut Vec<u8>, about: &About, decision: &Decision) {
        let send = &self.plan.sends[decision.send.0 as usize];
        let journey = &self.plan.journeys[about.journey.0 as usize];
        self.about(out, about);
        text_field(out, "step", &journey.program[decision.place as usize].path);
        text_field(out, "channel", &send.channel);
        text_field(out, "template", &send.template);
        text_field(out, "purpose", &send.purpose);
        if !send.tags.is_empty() {
            field(out, "tags");
            json(out, &send.tags);
        }
        number_field(out, "priority", journey.priority);
        time_field(out, "due", decision.due);
        if let Some(valid_for) = send.valid_for {
            time_field(out, "valid_until", decision.due.saturating_add(valid_for));
        }
        field(out, "causes");
        out.push(b'{');
        let inputs: Vec<&Cause> = decision.inputs.iter().collect();
        self.inputs_field(out, &inputs);
        let facts = decision.facts.iter();
        let names = facts.map(|(fact, value)| (self.fact_name(*fact), value));
        self.values_field(out, "facts", names);
        out.push(b'}');
    }

    fn fact_name(&self, fact: FactId) -> &str {
        &self.plan.facts[fact.0 as usize].name
    }

    fn about(&self, out: &mut Vec<u8>, about: &About) {
        comma(out);
        out.extend_from_slice(&self.journeys[usize::from(about.journey.0)]);
        optional_field(out, "key", about.key);
        number_field(out, "occurrence", about.number);
    }

    /// The reason as people and statistics read it.
    pub fn reason(&self, reason: &Reason) -> String {
        self.plan.reason(*reason)
    }

    fn inputs_field(&self, out: &mut Vec<u8>, inputs: &[&Cause]) {
        field(out, "inputs");
        out.push(b'[');
        for (at, cause) in inputs.iter().filter(|cause| cause.origin.position > 0).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.push(b'{');
            self.sources.write(out, cause.origin);
            if !cause.message_id.is_empty() {
                text_field(out, "message_id", &cause.message_id);
            }
            out.push(b'}');
        }
        out.push(b']');
    }

    fn values_field<'v>(
        &self,
        out: &mut Vec<u8>,
        name: &'static str,
        values: impl Iterator<Item = (&'v str, &'v Value)>,
    ) {
        field(out, name);
        out.push(b'{');
        for (name, value) in values {
            named_field(out, name);
            write_value(out, value);
        }
        out.push(b'}');
    }

    /// Adds the line of a reject; its bytes go in as text if they are UTF-8, else in hexadecimal.
    pub fn reject(&self, epoch: u64, reject: &Reject, batch: &mut Batch) {
        let place = Place {
            epoch,
            time: i64::from(reject.origin.source),
            hash: reject.origin.position,
            index: 0,
        };
        batch.add(place, Stream::Rejects, self.labels.reject(reject.reason), |out| {
            out.push(b'{');
            self.sources.write(out, reject.origin);
            text_field(out, "reason", reject.reason.as_str());
            text_field(out, "detail", &reject.detail);
            number_field(out, "bytes", reject.bytes);
            match std::str::from_utf8(&reject.raw) {
                Ok(text) => text_field(out, "raw", text),
                Err(_) => {
                    field(out, "raw_hex");
                    out.push(b'"');
                    out.extend(reject.raw.iter().flat_map(|byte| hex(*byte)));
                    out.push(b'"');
                }
            }
            out.push(b'}');
        });
    }
}

struct About<'a> {
    person: &'a str,
    journey: JourneyId,
    key: Option<&'a str>,
    number: u32,
}

/// Opens an envelope up to its `data`; the id is a hash of the parts.
fn envelope(out: &mut Vec<u8>, kind: &str, id: &[&str], at: i64, person: &str) {
    let hash = hash_of(id, out);
    head::write(out, hash, kind, at, person);
    out.push(b'{');
}

/// The hash of the parts; they stand for a moment where the line will.
fn hash_of(parts: &[&str], out: &mut Vec<u8>) -> u128 {
    let start = out.len();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(SEPARATOR.as_bytes());
        }
        out.extend_from_slice(part.as_bytes());
    }
    let hash = xxhash_rust::xxh3::xxh3_128(&out[start..]);
    out.truncate(start);
    hash
}

fn close(out: &mut Vec<u8>) {
    out.extend_from_slice(b"}}");
}

/// Begins a field of the object that is open: a comma if it is not the first, then the name, which is ours and needs no
/// escapes, and of which the length is known where it is written.
#[inline(always)]
fn field(out: &mut Vec<u8>, name: &'static str) {
    comma(out);
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Like [`field`], of a name that a pack gives.
fn named_field(out: &mut Vec<u8>, name: &str) {
    comma(out);
    text(out, name);
    out.push(b':');
}

fn comma(out: &mut Vec<u8>) {
    if out.last().is_some_and(|last| *last != b'{') {
        out.push(b',');
    }
}

#[inline(always)]
pub(super) fn text_field(out: &mut Vec<u8>, name: &'static str, value: &str) {
    field(out, name);
    text(out, value);
}

#[inline(always)]
fn optional_field(out: &mut Vec<u8>, name: &'static str, value: Option<&str>) {
    if let Some(value) = value {
        text_field(out, name, value);
    }
}

#[inline(always)]
pub(super) fn number_field(out: &mut Vec<u8>, name: &'static str, number: impl itoa::Integer) {
    field(out, name);
    write_number(out, number);
}

fn write_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(Digits::new().format(number).as_bytes());
}

#[inline(always)]
fn time_field(out: &mut Vec<u8>, name: &'static str, at: i64) {
    field(out, name);
    out.push(b'"');
    time::write(out, at);
    out.push(b'"');
}

/// A text as JSON. Nearly all texts need no escapes.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    let needs_escape = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    if text.bytes().fold(false, |any, byte| any | needs_escape(byte)) {
        return json(out, text);
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn json<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("text can always be written to memory");
}

/// As [`Num`] displays itself.
fn write_exactly(out: &mut Vec<u8>, number: Num) {
    if number < Num::ZERO {
        out.push(b'-');
    }
    let millionths = number.0.unsigned_abs();
    let (unit, mut digits) = (Num::ONE.0.unsigned_abs(), Digits::new());
    write_number(out, millionths / unit);
    if !number.is_whole() {
        // A digit before them keeps those that are 0.
        let places = digits.format(millionths % unit + unit).trim_end_matches('0');
        out.push(b'.');
        out.extend_from_slice(&places.as_bytes()[1..]);
    }
}

/// A value as JSON: times in RFC 3339, durations in milliseconds, missing as null.
pub fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Missing => out.extend_from_slice(b"null"),
        Value::Bool(b) => json(out, b),
        Value::Num(n) => write_exactly(out, *n),
        Value::Time(t) => {
            out.push(b'"');
            time::write(out, *t);
            out.push(b'"');
        }
        Value::Duration(d) => write_number(out, *d),
        Value::Str(s) => text(out, s),
        Value::List(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_value(out, item);
            }
            out.push(b']');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_is_written_as_it_displays_itself(any in any::<i64>(), small in -3_000_000_i64..3_000_000, whole in -9_i64..9) {
            for number in [Num(any), Num(small), Num(whole * 1_000_000), Num(i64::MIN)] {
                let mut out = Vec::new();
                write_exactly(&mut out, number);
                prop_assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
            }
        }

        #[test]
        fn a_text_is_the_json_that_anybody_would_write(plain in "[a-z0-9:żó -]{0,40}", any in any::<String>()) {
            for wanted in [plain, any] {
                let mut out = Vec::new();
                text(&mut out, &wanted);
                prop_assert_eq!(out, serde_json::to_vec(&wanted).unwrap());
            }
        }
    }
}
