//! May this message go now? The gates, in the one order in which they are asked.

use super::effect::{Outcome, Reason};
use super::facts;
use super::instance::Instance;
use super::{Person, eval};
use crate::define::plan::{CapPlan, OnLimit, Plan, QuietPlan, SendId, SendPlan, Window};
use crate::event::Value;
use crate::limits::BEHIND_MAX;
use crate::time::MINUTE;

/// What the policy says, and whether the instance has to exit for it.
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    pub(super) exit: bool,
}

/// Asks every gate; the first that holds is the reason.
pub(super) fn decide(
    person: &Person,
    plan: &Plan,
    instance: &Instance,
    send: SendId,
    due: i64,
    clock: i64,
) -> Verdict {
    let message = &plan.sends[send.0 as usize];
    let held = expired(person, message, due)
        .or_else(|| instance.hold_out.then_some(drop(Reason::HoldOut)))
        .or_else(|| consent(person, plan, message))
        .or_else(|| suppression(person, message))
        .or_else(|| quiet_hours(person, plan, message))
        .or_else(|| caps(person, plan, message))
        .or_else(|| catching_up(person, clock));
    held.unwrap_or(Verdict { outcome: Outcome::Send, exit: false })
}

fn drop(reason: Reason) -> Verdict {
    Verdict { outcome: Outcome::Drop { reason }, exit: false }
}

fn defer(until: i64, reason: Reason) -> Verdict {
    Verdict { outcome: Outcome::Defer { until, reason }, exit: false }
}

fn expired(person: &Person, message: &SendPlan, due: i64) -> Option<Verdict> {
    let valid_for = message.valid_for?;
    (person.now - due > valid_for).then(|| drop(Reason::Expired))
}

/// While Kairos is behind, what was due meanwhile waits until time has caught up with the clock, and is asked again then:
/// whatever has forbidden it in the meantime is known by then.
fn catching_up(person: &Person, clock: i64) -> Option<Verdict> {
    (clock.saturating_sub(person.now) > BEHIND_MAX).then(|| defer(clock, Reason::CatchingUp))
}

fn consent(person: &Person, plan: &Plan, message: &SendPlan) -> Option<Verdict> {
    let granted = |rule: &usize| {
        let rule = &plan.policy.consents[*rule];
        let cx = eval::Cx::of(plan, person, person.now);
        match facts::read(&cx, rule.fact).into_value() {
            Value::Bool(granted) => granted,
            _ => rule.default,
        }
    };
    (!message.consents.iter().all(granted)).then(|| drop(Reason::Consent))
}

fn suppression(person: &Person, message: &SendPlan) -> Option<Verdict> {
    let by = message.suppressed_by.iter().find(|&&segment| person.is_member(segment))?;
    Some(drop(Reason::Suppressed(*by)))
}

fn quiet_hours(person: &Person, plan: &Plan, message: &SendPlan) -> Option<Verdict> {
    if message.quiet_hours.is_empty() {
        return None;
    }
    let zone = person.zone(plan);
    let minute = zone.minute_of_day(person.now);
    let rules = message.quiet_hours.iter().map(|&at| &plan.policy.quiet_hours[at]);
    let rule = rules.into_iter().find(|rule| is_quiet(rule, minute))?;
    if !rule.defer {
        return Some(drop(Reason::QuietHours));
    }
    // The clock may show `to` twice in one night; now is not after the quiet hours yet.
    Some(defer(zone.next_clock(person.now + 1, rule.to).max(person.now + 1), Reason::QuietHours))
}

fn is_quiet(rule: &QuietPlan, minute: u16) -> bool {
    if rule.from < rule.to {
        rule.from <= minute && minute < rule.to
    } else {
        rule.from <= minute || minute < rule.to
    }
}

fn caps(person: &Person, plan: &Plan, message: &SendPlan) -> Option<Verdict> {
    message.caps.iter().find_map(|&at| {
        let cap = &plan.policy.caps[at];
        let counted = counted(person, plan, cap);
        if counted.len() < cap.max {
            return None;
        }
        let reason = Reason::Cap(at as u16);
        Some(match cap.on_limit {
            OnLimit::Drop => drop(reason),
            OnLimit::Exit => Verdict { exit: true, ..drop(reason) },
            OnLimit::Wait => defer(release(person, plan, cap, &counted), reason),
        })
    })
}

/// Times of the sends that the cap's window holds now, oldest first.
fn counted(person: &Person, plan: &Plan, cap: &CapPlan) -> Vec<i64> {
    let from = match cap.window {
        // The window is open at its old end.
        Window::Sliding(length) => person.now - length + 1,
        Window::Calendar(period) => person.zone(plan).period_start(person.now, period),
    };
    let sends = person.sends.iter();
    sends
        .filter(|(at, send)| *at >= from && cap.counts[send.0 as usize])
        .map(|(at, _)| *at)
        .collect()
}

/// The earliest instant at which the window holds fewer than the most.
fn release(person: &Person, plan: &Plan, cap: &CapPlan, counted: &[i64]) -> i64 {
    match cap.window {
        Window::Sliding(length) => counted[counted.len() - cap.max] + length,
        Window::Calendar(period) => person.zone(plan).next_period(person.now, period),
    }
}

/// Remembers a send for the caps that count it, and forgets those that no cap can see any more.
pub(super) fn remember(person: &mut Person, plan: &Plan, send: SendId) {
    let oldest = person.now.saturating_sub(plan.policy.memory).saturating_sub(MINUTE);
    person.sends.retain(|(at, _)| *at >= oldest);
    if plan.sends[send.0 as usize].counted {
        person.sends.push((person.now, send));
    }
}
