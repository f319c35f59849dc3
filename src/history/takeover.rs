//! What happens to people inside journeys when another pack takes effect: the one is compiled to follow the other, and every
//! person takes it up, as they would in a live run.

use crate::define::plan::{Plan, Standing};
use crate::person::{Change, Effect, Frame, Person};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Open instances by journey and what becomes of them.
#[derive(Default)]
pub struct Takeover(BTreeMap<(String, String), u64>);

impl Takeover {
    /// Lets a plan take effect for persons at an instant; it follows the plan under which they are.
    pub fn of(persons: Vec<Person>, plan: &Plan, at: i64) -> Takeover {
        let mut takeover = Takeover::default();
        for mut person in persons {
            let open: Vec<(u32, usize)> = person
                .open_instances()
                .map(|instance| (instance.number, usize::from(instance.journey.0)))
                .collect();
            if open.is_empty() {
                continue;
            }
            let frame = Frame::between(plan, at, at);
            let mut effects = Vec::new();
            person.run(&frame, &[], &mut effects);
            for (number, journey) in open {
                let fate = fate(plan, journey, number, &effects);
                let name = plan.journeys[journey].name.clone();
                *takeover.0.entry((name, fate)).or_default() += 1;
            }
        }
        takeover
    }

    /// In JSON, by journey.
    pub fn told(&self) -> Vec<Value> {
        let told = |((journey, fate), instances): (&(String, String), &u64)| json!({"journey": journey, "then": fate, "instances": instances});
        self.0.iter().map(told).collect()
    }
}

/// What becomes of an instance.
fn fate(plan: &Plan, journey: usize, instance: u32, effects: &[Effect]) -> String {
    let changes = effects.iter().filter_map(|effect| match effect {
        Effect::Journey { number, change, .. } if *number == instance => Some(change),
        _ => None,
    });
    let mut moved = false;
    for change in changes {
        match change {
            Change::Exited { reason, .. } => return format!("exit: {}", reason.as_str()),
            Change::Moved { .. } => moved = true,
            _ => {}
        }
    }
    let known = &plan.journeys[journey];
    let text = match (moved, known.standing, known.heir) {
        (true, ..) => "follow to the new version",
        (_, Standing::Current, _) => "go on, the journey is the same",
        (.., Some(_)) => "finish under the old version",
        (.., None) => "finish, the journey is gone",
    };
    text.to_owned()
}
