//! Why somebody is not in a journey, or got no message of it: the first thing that held it back, with what was known at that
//! time. Each occasion is told; the last one is the answer.

use super::timeline::condition;
use super::{Told, words};
use crate::define::compile::length_text;
use crate::define::plan::{EnterTrigger, JourneyId, SegmentId};
use crate::time::{format, parse};
use serde_json::{Value, json};

/// One occasion on which the journey was entered, or might have been.
#[derive(Default)]
struct Occasion {
    time: Value,
    key: Value,
    by: Value,
    /// Why it was not entered; null if it was.
    because: Value,
    occurrence: Value,
    /// Decisions about its messages, and when.
    messages: Vec<(Value, Value)>,
    /// Conditions of steps that were asked.
    choices: Vec<Value>,
    waits: Value,
    exit: Option<Exit>,
    exit_asked: Value,
    /// When it might have been entered once more, had it not been open.
    again: Vec<Value>,
}

struct Exit {
    time: Value,
    change: Value,
    by: Value,
}

/// What is said of an occasion: a word for programs, a sentence for people, and what else belongs to it.
struct Saying {
    reason: String,
    says: String,
    details: Vec<String>,
}

impl Told<'_> {
    pub(super) fn answer(&self, journey: &str, timeline: &Value) -> Value {
        let mut occasions = occasions(journey, timeline);
        if let Some(by) = self.entered_by_segment(journey) {
            occasions.iter_mut().for_each(|one| one.by = by.clone());
        }
        let told: Vec<Value> = occasions.iter().map(|one| self.told(one)).collect();
        let last = told.last().cloned().unwrap_or_else(|| self.no_occasion(journey));
        json!({
            "journey": journey,
            "reason": last["reason"],
            "key": last["key"],
            "says": last["says"],
            "details": last["details"],
            "condition": last["condition"],
            "occasions": told,
        })
    }

    /// What a journey is entered by, if that is a change of a segment. The event before it may be another one than that which made
    /// the change: all events of an instant are taken in before changes are announced.
    fn entered_by_segment(&self, journey: &str) -> Option<Value> {
        let journey = &self.plan.journeys[usize::from(self.plan.journey_named(journey)?.0)];
        match journey.enter.trigger {
            EnterTrigger::Entered(id) => Some(json!({"entered": self.segment(id)})),
            EnterTrigger::Left(id) => Some(json!({"left": self.segment(id)})),
            _ => None,
        }
    }

    fn told(&self, one: &Occasion) -> Value {
        let Saying { reason, says, details } = match one.because.is_null() {
            true => self.entered(one),
            false => self.not_entered(one),
        };
        json!({
            "time": one.time,
            "key": one.key,
            "by": one.by,
            "occurrence": one.occurrence,
            "reason": reason,
            "says": says,
            "details": details,
            "condition": one.because["condition"],
        })
    }

    fn not_entered(&self, one: &Occasion) -> Saying {
        let because = &one.because;
        let by = words::by(&one.by);
        let when = self.local(&one.time);
        let reason = because["reason"].as_str().unwrap_or_default().to_owned();
        let says = match reason.as_str() {
            "condition" => {
                let part = words::not_so(&because["condition"], &self.zone);
                format!("not entered by {by} at {when}: {part}")
            }
            "once" => format!(
                "not entered by {by} at {when}: it is entered once only, and was at {}",
                self.local(&because["last_entry"])
            ),
            "too soon" => format!(
                "not entered by {by} at {when}: it was entered at {}, and is again from {} on",
                self.local(&because["last_entry"]),
                self.local(&because["again_from"])
            ),
            "no key" => format!(
                "not entered by {by} at {when}: the event has no `{}`, of which there is one \
                 run each",
                because["property"].as_str().unwrap_or_default()
            ),
            _ => format!("not entered by {by} at {when}: as many runs are open as may be"),
        };
        let parts = because["condition"]["parts"].as_array().map_or(&[][..], Vec::as_slice);
        let details = parts.iter().map(|part| words::part_text(part, &self.zone)).collect();
        Saying { reason, says, details }
    }

    fn entered(&self, one: &Occasion) -> Saying {
        let mut details =
            vec![format!("entered at {} by {}", self.local(&one.time), words::by(&one.by))];
        for choice in &one.choices {
            let step = choice["step"].as_str().unwrap_or_default();
            let parts = choice["condition"]["parts"].as_array().map_or(&[][..], Vec::as_slice);
            for part in parts {
                details.push(format!("step {step}: {}", words::part_text(part, &self.zone)));
            }
        }
        for (time, message) in &one.messages {
            let held = words::held(message).map_or(String::new(), |held| format!("; {held}"));
            let outcome = words::decision(message, &self.zone);
            details.push(format!("{} {outcome}{held}", self.local(time)));
        }
        details.extend(one.again.iter().map(|time| {
            format!("not entered once more at {}: this run was open", self.local(time))
        }));
        let (reason, says) = self.outcome(one);
        Saying { reason, says, details }
    }

    /// What came of a run of the journey: the first message that was not sent, and else how the run ended.
    fn outcome(&self, one: &Occasion) -> (String, String) {
        let last = |message: &Value| {
            let later = one.messages.iter().rev();
            let mut same = later.filter(|(_, other)| other["step"] == message["step"]);
            same.next().is_none_or(|(_, other)| other == message)
        };
        // What is deferred is held back only as long as the run is open.
        let is_held = |it: &Value| match it["decision"].as_str() {
            Some("drop") => true,
            Some("defer") => one.exit.is_none() && last(it),
            _ => false,
        };
        let held = one.messages.iter().find(|(_, it)| is_held(it));
        if let Some((time, message)) = held {
            let reason = message["reason"].as_str().unwrap_or_default();
            let held = words::held(message).unwrap_or_else(|| reason.to_owned());
            let outcome = match message["decision"] == "defer" {
                true => format!("is deferred until {}", self.local(&message["until"])),
                false => "was dropped".into(),
            };
            let word = |name: &str| message[name].as_str().unwrap_or_default();
            let (channel, template) = (word("channel"), word("template"));
            let when = self.local(time);
            return (
                format!("gate {reason}"),
                format!("{channel} {template} {outcome} at {when} by the gate {held}"),
            );
        }
        let sent = one.messages.iter().filter(|(_, it)| it["decision"] == "send").count();
        if let Some(exit) = &one.exit {
            return self.exited(one, exit, sent);
        }
        let waits = &one.waits;
        let step = waits["step"].as_str().unwrap_or_default();
        let kind = waits["kind"].as_str().unwrap_or_default();
        let says = format!("in it, at step {step} ({kind}) until {}", self.local(&waits["until"]));
        ("open".into(), says)
    }

    fn exited(&self, one: &Occasion, exit: &Exit, sent: usize) -> (String, String) {
        let reason = exit.change["reason"].as_str().unwrap_or_default();
        let when = self.local(&exit.time);
        let step = exit.change["step"].as_str().unwrap_or("the end");
        if reason == "finished" {
            return match sent {
                0 => ("finished".into(), format!("it ran to its end at {when} without a message")),
                _ => ("sent".into(), format!("nothing held it back: {sent} sent, over at {when}")),
            };
        }
        let goal = if reason == "goal" { " (its goal)" } else { "" };
        let by = match &one.exit_asked["condition"] {
            Value::Null => format!("by {}", words::by(&exit.by)),
            asked if one.exit_asked["on"].is_null() => {
                let parts = asked["parts"].as_array().map_or(&[][..], Vec::as_slice);
                let parts = parts.iter().map(|part| words::part_text(part, &self.zone));
                format!("because {}", parts.collect::<Vec<_>>().join("; "))
            }
            _ => format!("by {}", words::by(&exit.by)),
        };
        let before = match sent {
            0 => "before any message".to_owned(),
            _ => format!("after {sent} sent"),
        };
        let says = match reason {
            "exit" | "goal" => {
                format!("exited at {when}{goal} {by}, at step {step}, {before}")
            }
            other => format!("exited at {when}, {other}, at step {step}, {before}"),
        };
        (format!("exited {reason}"), says)
    }

    /// Nothing that could make the person enter has happened.
    fn no_occasion(&self, name: &str) -> Value {
        let Some(id) = self.plan.journey_named(name) else { return Value::Null };
        let mut found = Value::Null;
        let (reason, says) = match &self.plan.journeys[usize::from(id.0)].enter.trigger {
            EnterTrigger::Event(on) => {
                let on = self.plan.events_text(on);
                ("no event", format!("no event has come that enters it: {on}"))
            }
            EnterTrigger::Entered(segment) => {
                found = self.judged(*segment);
                let segment = self.segment(*segment);
                let why = match found.is_null() {
                    true => "nothing has put them on this list".to_owned(),
                    false => words::not_so(&found, &self.zone),
                };
                ("segment", format!("the segment {segment} was not entered: {why}"))
            }
            EnterTrigger::Left(segment) => {
                let is_in = self.person.is_some_and(|person| person.in_segment(*segment));
                found = self.judged(*segment);
                let segment = self.segment(*segment);
                let why = if is_in { "they are still in it" } else { "they were never in it" };
                ("segment", format!("the segment {segment} was not left: {why}"))
            }
            EnterTrigger::Date { fact, .. } => ("date", self.no_date(id, *fact)),
            EnterTrigger::Silence { quiet_for, of } => {
                let (of, length) = (self.plan.events_text(of), length_text(*quiet_for));
                let says = match self.ahead(id) {
                    Some(at) => format!(
                        "there was no silence of {length} ({of}) yet; it is entered at {at} if none comes"
                    ),
                    None => format!("a silence of {length} begins with {of}, and there was none"),
                };
                ("silence", says)
            }
        };
        json!({"reason": reason, "says": says, "details": [], "condition": found})
    }

    fn no_date(&self, id: JourneyId, fact: crate::define::plan::FactId) -> String {
        let name = &self.plan.facts[usize::from(fact.0)].name;
        if let Some(at) = self.ahead(id) {
            return format!("the date has not come: by {name} it is entered at {at}");
        }
        let known = self.person.map(|it| it.fact(self.plan, fact, None, self.end));
        match known.filter(|value| !value.is_missing()) {
            Some(value) => {
                let value = words::shown_value(&super::timeline::value(&value), &self.zone);
                format!("the date was over when it became known: {name} is {value}")
            }
            None => format!("{name} is not known"),
        }
    }

    /// When a date or silence will make the person enter.
    fn ahead(&self, journey: JourneyId) -> Option<String> {
        let at = self.person?.enters_at(journey)?;
        Some(self.zone.text(at))
    }

    fn judged(&self, segment: SegmentId) -> Value {
        let judged = self.person.and_then(|it| it.judge_segment(self.plan, segment, self.end));
        judged.map_or(Value::Null, |judged| condition(&judged))
    }

    fn segment(&self, segment: SegmentId) -> &str {
        &self.plan.segments[usize::from(segment.0)].name
    }

    fn local(&self, time: &Value) -> String {
        let at = time.as_str().and_then(parse);
        at.map_or_else(|| format(self.end), |at| self.zone.text(at))
    }
}

/// Every occasion in its order, out of the timeline.
fn occasions(journey: &str, timeline: &Value) -> Vec<Occasion> {
    let mut all: Vec<Occasion> = Vec::new();
    for entry in timeline.as_array().into_iter().flatten() {
        for change in entry["changes"].as_array().into_iter().flatten() {
            if change["journey"] == journey {
                take(&mut all, entry, change);
            }
        }
    }
    all
}

fn take(all: &mut Vec<Occasion>, entry: &Value, change: &Value) {
    let (time, by) = (&entry["time"], &entry["by"]);
    let fresh = || Occasion {
        time: time.clone(),
        key: change["key"].clone(),
        by: by.clone(),
        occurrence: change["occurrence"].clone(),
        because: change["because"].clone(),
        ..Occasion::default()
    };
    let what = change["what"].as_str().unwrap_or_default();
    match what {
        "not entered" if change["because"]["reason"] != "open" => return all.push(fresh()),
        "journey.entered" => return all.push(fresh()),
        _ => {}
    }
    let is_open = |one: &&mut Occasion| {
        one.key == change["key"] && one.because.is_null() && one.exit.is_none()
    };
    let of_it = |one: &&mut Occasion| is_open(one) && one.occurrence == change["occurrence"];
    let found = match what {
        "not entered" | "journey.carried" => all.iter_mut().rfind(is_open),
        _ => all.iter_mut().rfind(of_it),
    };
    let Some(one) = found else {
        // It began under another identifier, in what is not told here.
        if what == "journey.carried" {
            all.push(fresh());
        }
        return;
    };
    match what {
        "not entered" => one.again.push(time.clone()),
        "journey.carried" => one.occurrence = change["occurrence"].clone(),
        "waits" => one.waits = change.clone(),
        "decision" => one.messages.push((time.clone(), change.clone())),
        "asked" if change["exit"].is_null() => one.choices.push(change.clone()),
        "asked" => one.exit_asked = change.clone(),
        "journey.exited" | "journey.goal" => {
            let (time, change, by) = (time.clone(), change.clone(), by.clone());
            one.exit = Some(Exit { time, change, by });
        }
        _ => {}
    }
}
