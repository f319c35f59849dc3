//! Notes → what happened, instant by instant: by which event or by time, and what changed by it.

use super::Told;
use crate::define::plan::{ExitRule, Plan};
use crate::event::{Call, Event, Origin, Value, leaf_hash};
use crate::person::watch::{Hindrance, InstanceId, Judged, Noted, Place};
use crate::person::{Effect, GateAsked, fact_name};
use crate::sink::{Batch, write_value};
use crate::time::format;
use serde_json::{Value as Json, json};

/// A value as JSON, as outputs have it.
pub(super) fn value(value: &Value) -> Json {
    let mut out = Vec::new();
    write_value(&mut out, value);
    serde_json::from_slice(&out).unwrap_or_default()
}

impl Told<'_> {
    /// One entry for each event, and for each instant at which something happened by time.
    pub(super) fn timeline(&self) -> Json {
        let mut entries: Vec<Json> = Vec::new();
        let mut at = None;
        for (index, note) in self.notes.iter().enumerate() {
            let by = match &note.what {
                Noted::Event { event, late, repeats } => Some(self.event(event, *late, *repeats)),
                Noted::Time => Some(json!({"time": true})),
                _ if at != Some(note.at) => Some(json!({"time": true})),
                _ => None,
            };
            if let Some(by) = by {
                let again = at == Some(note.at) && by["time"] == true;
                let same = entries.last().is_some_and(|last| last["by"] == by);
                if !(again && same) {
                    entries.push(json!({
                        "time": format(note.at), "person": note.person.as_str(), "by": by, "changes": [],
                    }));
                }
            }
            at = Some(note.at);
            let Some(entry) = entries.last_mut() else { continue };
            if let (Noted::Gates(gates), Some(last)) =
                (&note.what, entry["changes"].as_array_mut().and_then(|all| all.last_mut()))
            {
                last["gates"] = gates.iter().map(|gate| self.gate(gate, index)).collect();
                continue;
            }
            for change in self.change(&note.person, &note.what) {
                if let Some(changes) = entry["changes"].as_array_mut() {
                    changes.push(change);
                }
            }
        }
        // Time alone that has changed nothing is no news.
        entries.retain(|it| it["by"]["time"] != true || it["changes"] != json!([]));
        entries.into()
    }

    /// What is said of an event.
    pub(super) fn event(&self, event: &Event, late: bool, repeats: bool) -> Json {
        let mut by = json!({
            "event": self.event_name(event),
            "identifier": event.leaf.as_str(),
            "properties": self.properties(event),
        });
        if event.origin.position > 0 {
            by["at"] = self.origin(event.origin);
        }
        if !event.message_id.is_empty() {
            by["message_id"] = event.message_id.as_str().into();
        }
        if late {
            by["late"] = format(event.time).into();
        }
        if repeats {
            by["repeats"] = true.into();
        }
        by
    }

    pub(super) fn event_name(&self, event: &Event) -> String {
        let name = match event.call {
            Call::Track | Call::Product | Call::Inside | Call::Notice => None,
            Call::Asks | Call::Granted => Some("a place among all messages"),
            Call::Identify => Some("identify"),
            Call::Page => Some("page"),
            Call::Screen => Some("screen"),
            Call::Group => Some("group"),
            Call::Alias => Some("alias"),
        };
        let known = self.plan.event_text(event.kind);
        match name {
            Some(name) => name.into(),
            None if !known.is_empty() => known.into(),
            None => self.watch.name_of(event.origin).unwrap_or_default(),
        }
    }

    /// What the plan reads of an event.
    fn properties(&self, event: &Event) -> Json {
        let of = event.values.iter().map(|(slot, of)| {
            (self.plan.inputs.paths[usize::from(*slot)].path.join("."), value(of))
        });
        Json::Object(of.collect())
    }

    /// Where an input stands.
    fn origin(&self, origin: Origin) -> Json {
        let mut out = vec![b'{'];
        self.sources.write(&mut out, origin);
        out.push(b'}');
        serde_json::from_slice(&out).unwrap_or_default()
    }

    fn change(&self, person: &str, what: &Noted) -> Vec<Json> {
        match what {
            Noted::Event { .. } | Noted::Time | Noted::Gates(_) => Vec::new(),
            Noted::Fact { fact, key, before, after } => vec![json!({
                "what": "fact",
                "fact": fact_name(self.plan, *fact),
                "key": key.as_deref(),
                "before": value(before),
                "after": value(after),
            })],
            Noted::Effect(effect, version) => self.effect(person, effect, *version),
            Noted::NotEntered { journey, key, why } => vec![json!({
                "what": "not entered",
                "journey": self.plan.journeys[usize::from(journey.0)].name,
                "key": key.as_deref(),
                "because": hindrance(self.plan, why),
            })],
            Noted::Asked { of, place, judged } => vec![self.asked(of, *place, judged)],
            Noted::Waits { of, place, until } => {
                let journey = &self.plan.journeys[usize::from(of.journey.0)];
                let at = &journey.program[usize::from(*place)];
                vec![json!({
                    "what": "waits",
                    "journey": journey.name,
                    "key": of.key.as_deref(),
                    "occurrence": of.number,
                    "step": at.path.as_str(),
                    "kind": at.op.kind(),
                    "until": format(*until),
                })]
            }
            Noted::Joined(other) => vec![json!({"what": "joined", "identifier": other.as_str()})],
            Noted::Parted(other) => vec![json!({"what": "parted", "identifier": other.as_str()})],
        }
    }

    fn asked(&self, of: &InstanceId, place: Place, judged: &Judged) -> Json {
        let journey = &self.plan.journeys[usize::from(of.journey.0)];
        let mut asked = json!({
            "what": "asked",
            "journey": journey.name,
            "key": of.key.as_deref(),
            "occurrence": of.number,
            "condition": condition(judged),
        });
        match place {
            Place::Exit(number) => {
                asked["exit"] = (number + 1).into();
                if let ExitRule::Event { on, .. } = &journey.exits[number].rule {
                    asked["on"] = self.plan.events_text(on).into();
                }
            }
            Place::Step(place) => {
                asked["step"] = journey.program[usize::from(place)].path.as_str().into();
            }
        }
        asked
    }

    /// The lines that go out, as their `data`; what a trigger has more than its decision is added to that.
    fn effect(&self, person: &str, effect: &Effect, version: u16) -> Vec<Json> {
        if let Effect::Gone { .. } = effect {
            return vec![json!({"what": "gone"})];
        }
        let mut batch = Batch::default();
        let one = std::slice::from_ref(effect);
        let Some((_, formatter)) = self.formatters.iter().find(|(of, _)| *of == version) else {
            return Vec::new();
        };
        formatter.effects(0, person, leaf_hash(person), one, &mut batch);
        let mut all: Vec<Json> = Vec::new();
        for line in &batch.lines {
            let said: Json = serde_json::from_slice(batch.text(line)).unwrap_or_default();
            let kind = said["type"].as_str().unwrap_or_default();
            let mut data = said["data"].clone();
            if kind == "kairos.trigger"
                && let Some(decision) = all.last_mut()
            {
                decision["with"] = data["with"].take();
                continue;
            }
            data["what"] = kind.trim_start_matches("kairos.").into();
            data["id"] = said["id"].clone();
            all.push(data);
        }
        all
    }

    fn gate(&self, gate: &GateAsked, index: usize) -> Json {
        let figures = gate.figures.iter().map(|(name, of)| ((*name).to_owned(), value(of)));
        let mut told = json!({
            "gate": gate.gate,
            "rule": gate.rule,
            "verdict": gate.verdict.as_str(),
            "says": gate.says,
            "figures": Json::Object(figures.collect()),
        });
        let Some(fact) = gate.fact else { return told };
        // The event by which the fact came to be what it is.
        let before = &self.notes[..index];
        let is_it = |noted: &Noted| matches!(noted, Noted::Fact { fact: of, .. } if *of == fact);
        let Some(changed) = before.iter().rposition(|note| is_it(&note.what)) else { return told };
        told["since"] = format(before[changed].at).into();
        let event = before[..changed].iter().rev().find_map(|note| match &note.what {
            Noted::Event { event, .. } if note.at == before[changed].at => Some(event),
            _ => None,
        });
        if let Some(event) = event {
            told["by"] = self.event(event, false, false);
        }
        told
    }
}

/// Why a journey was not entered.
pub(super) fn hindrance(plan: &Plan, why: &Hindrance) -> Json {
    match why {
        Hindrance::Full => json!({"reason": "full"}),
        Hindrance::Open => json!({"reason": "open"}),
        Hindrance::Once(last) => json!({"reason": "once", "last_entry": format(*last)}),
        Hindrance::TooSoon(last, from) => {
            json!({"reason": "too soon", "last_entry": format(*last), "again_from": format(*from)})
        }
        Hindrance::NoKey(slot) => {
            let property = plan.inputs.paths[usize::from(*slot)].path.join(".");
            json!({"reason": "no key", "property": property})
        }
        Hindrance::Condition(judged) => {
            json!({"reason": "condition", "condition": condition(judged)})
        }
    }
}

/// A condition, part by part.
pub(super) fn condition(judged: &Judged) -> Json {
    let parts = judged.parts.iter().map(|part| {
        let values = part.values.iter().map(|(name, of)| (name.clone(), value(of)));
        let values = Json::Object(values.collect());
        json!({"text": part.text, "holds": part.holds, "values": values})
    });
    json!({"holds": judged.holds, "parts": parts.collect::<Vec<_>>()})
}
