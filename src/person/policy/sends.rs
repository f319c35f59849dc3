//! What was sent to a person, and the gates that count it.

use super::{Message, Verdict, limit};
use crate::define::plan::{CapPlan, GapPlan, Plan, SendId, Window};
use crate::event::{Event, Value};
use crate::person::Person;
use crate::person::effect::Reason;
use crate::person::instance::Instance;
use crate::time::MINUTE;
use serde::{Deserialize, Serialize};

/// A message that was sent and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sent {
    pub(in crate::person) at: i64,
    pub(in crate::person) send: SendId,
    /// The first half of the trigger's id.
    id: u64,
}

pub(super) fn caps(message: &Message) -> Option<Verdict> {
    let Message { person, plan, .. } = *message;
    message.rules().gates.caps.iter().find_map(|&at| {
        let cap = &plan.policy.caps[at];
        let counted: Vec<&Sent> = counted(person, cap, since(person, plan, cap)).collect();
        let free = || release(person, plan, cap, &counted);
        (counted.len() >= cap.max).then(|| limit(cap.on_limit, free(), Reason::Cap(at as u16)))
    })
}

/// The first instant of the window that a cap has now.
pub(super) fn since(person: &Person, plan: &Plan, cap: &CapPlan) -> i64 {
    match cap.window {
        // The window is open at its old end.
        Window::Sliding(length) => person.now - length + 1,
        Window::Calendar(period) => person.zone(plan).period_start(person.now, period),
    }
}

/// The sends from an instant on that a cap counts, oldest first.
pub(super) fn counted<'a>(
    person: &'a Person,
    cap: &'a CapPlan,
    since: i64,
) -> impl Iterator<Item = &'a Sent> {
    let counts = move |sent: &&Sent| sent.at >= since && cap.counts[usize::from(sent.send.0)];
    person.sends.iter().filter(counts)
}

/// The earliest instant at which the window holds fewer than the most.
fn release(person: &Person, plan: &Plan, cap: &CapPlan, counted: &[&Sent]) -> i64 {
    match cap.window {
        Window::Sliding(length) => counted[counted.len() - cap.max].at + length,
        Window::Calendar(period) => person.zone(plan).next_period(person.now, period),
    }
}

pub(super) fn gaps(message: &Message) -> Option<Verdict> {
    let Message { person, plan, .. } = *message;
    message.rules().gates.gaps.iter().find_map(|&at| {
        let gap = &plan.policy.gaps[at];
        let free = last(person, gap)?.saturating_add(gap.min);
        (person.now < free).then(|| limit(gap.on_limit, free, Reason::Gap(at as u16)))
    })
}

/// When something that a gap is about was sent last.
pub(super) fn last(person: &Person, gap: &GapPlan) -> Option<i64> {
    person.sends.iter().filter(|sent| gap.has(sent.send)).map(|sent| sent.at).max()
}

/// Remembers a send for what counts it, and forgets those that nothing can see any more.
pub(in crate::person) fn remember(
    person: &mut Person,
    plan: &Plan,
    send: SendId,
    at: usize,
    due: i64,
) {
    let oldest = person.now.saturating_sub(plan.policy.memory).saturating_sub(MINUTE);
    person.sends.retain(|sent| sent.at >= oldest);
    if plan.sends[usize::from(send.0)].gates.counted {
        let id = trigger(plan, person, &person.instances[at], due);
        person.sends.push(Sent { at: person.now, send, id });
    }
}

/// The first half of the id of the trigger at which an instance stands; only needed where something can come back of it.
fn trigger(plan: &Plan, person: &Person, instance: &Instance, due: i64) -> u64 {
    if plan.policy.not_delivered.is_none() {
        return 0;
    }
    let Instance { journey, number, place, .. } = *instance;
    let id = plan.decision_id(&person.id, journey, instance.key.as_deref(), number, place, due);
    (xxhash_rust::xxh3::xxh3_128(id.as_bytes()) >> 64) as u64
}

/// A message did not arrive: it counts no longer. The event names the trigger by its id, or else the template, of which the
/// latest is meant.
pub(in crate::person) fn not_delivered(person: &mut Person, plan: &Plan, event: &Event) {
    let rule = plan.policy.not_delivered.as_ref().filter(|it| it.kinds.has(event.kind));
    let Some(rule) = rule else { return };
    let found = match (event.value(rule.trigger), event.value(rule.template)) {
        (Value::Str(id), _) => {
            let half = id.get(..16).and_then(|half| u64::from_str_radix(half, 16).ok());
            person.sends.iter().rposition(|sent| Some(sent.id) == half)
        }
        (_, Value::Str(template)) => {
            let of = |send: SendId| &plan.sends[usize::from(send.0)].template;
            let sent = |sent: &Sent| sent.at <= event.time && of(sent.send) == template;
            person.sends.iter().rposition(sent)
        }
        _ => None,
    };
    if let Some(at) = found {
        person.sends.remove(at);
    }
}
