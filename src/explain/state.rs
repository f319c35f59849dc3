//! A person as it is at one instant: facts, segments, what waits for what, and the sends that caps count.

use super::Told;
use crate::define::plan::{JourneyId, Standing};
use crate::person::{Instance, Person};
use crate::sink::facts::write_person;
use crate::time::format;
use serde_json::{Value, json};

impl Told<'_> {
    pub(super) fn state(&self) -> Value {
        let Some(person) = self.person else { return Value::Null };
        let mut line = Vec::new();
        write_person(&mut line, self.plan, person, self.end);
        let mut state: Value = serde_json::from_slice(&line).unwrap_or_default();
        if let Some(state) = state.as_object_mut() {
            state.remove("person");
        }
        let open = person.open_instances().map(|open| self.instance(open));
        state["instances"] = open.collect();
        state["sends"] = self.sends(person);
        state["entries_ahead"] = self.entries_ahead(person);
        state
    }

    fn instance(&self, open: &Instance) -> Value {
        let journey = &self.plan.journeys[usize::from(open.journey.0)];
        let arms = open.arms().iter().map(|arm| self.plan.arm(*arm));
        let arms = arms.map(|(step, arm)| (step.to_owned(), Value::from(arm)));
        json!({
            "journey": journey.name,
            "version": journey.version,
            "key": open.key.as_deref(),
            "occurrence": open.number,
            "entered_at": format(open.entered_at),
            "step": open.step(self.plan),
            "doing": open.doing(),
            "until": open.waits_until().map(format),
            "held_out": open.is_held_out(),
            "arms": arms.collect::<serde_json::Map<_, _>>(),
        })
    }

    /// Sends that are remembered, each with the caps in which it counts.
    fn sends(&self, person: &Person) -> Value {
        let sends = person.counted_sends().map(|(at, send)| {
            let plan = &self.plan.sends[usize::from(send.0)];
            let caps = self.plan.policy.caps.iter();
            let caps = caps.filter(|cap| cap.counts[usize::from(send.0)]);
            json!({
                "time": format(at),
                "journey": self.plan.journeys[usize::from(plan.journey.0)].name,
                "channel": plan.channel,
                "template": plan.template,
                "caps": caps.map(|cap| cap.name.as_str()).collect::<Vec<_>>(),
            })
        });
        sends.collect()
    }

    /// Journeys that a date or a silence will make enter if nothing changes.
    fn entries_ahead(&self, person: &Person) -> Value {
        let journeys = (0..).zip(&self.plan.journeys);
        let current = journeys.filter(|(_, journey)| journey.standing == Standing::Current);
        let ahead = current.filter_map(|(number, journey)| {
            let at = person.enters_at(JourneyId(number))?;
            Some(json!({"journey": journey.name, "at": format(at)}))
        });
        ahead.collect()
    }
}
