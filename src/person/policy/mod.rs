//! May this message go now? The gates, in the one order in which they are asked.

mod hours;
mod sends;
pub(super) mod throttle;
pub(super) mod trace;

pub(super) use sends::{Sent, not_delivered, remember};

use super::effect::{Outcome, Reason};
use super::facts;
use super::instance::{Instance, Phase};
use super::{Person, eval};
use crate::define::plan::{
    ConsentPlan, FactRule, JourneyId, OnLimit, Op, Plan, SegmentSet, SendId, SendPlan,
};
use crate::event::{Event, Value};
use crate::limits::BEHIND_MAX;
use crate::time::NEVER;
use compact_str::CompactString;

/// What the policy says, and what becomes of the instance beside it.
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    /// The instance has to exit.
    pub(super) exit: bool,
    /// A deferral may end before its time: with what holds the message.
    pub(super) held: bool,
    /// What it says to a throttle, from which it waits for a place.
    pub(super) ask: Option<Event>,
}

impl Verdict {
    /// Nothing beside the outcome.
    pub(super) fn of(outcome: Outcome) -> Verdict {
        Verdict { outcome, exit: false, held: false, ask: None }
    }
}

/// A message that has come to be decided.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) person: &'a Person,
    pub(super) plan: &'a Plan,
    pub(super) instance: &'a Instance,
    pub(super) send: SendId,
    /// When it first became due.
    pub(super) due: i64,
    /// Whether it has been given a place among all messages, or needs none.
    pub(super) granted: bool,
}

/// Asks every gate; the first that holds is the reason.
pub(super) fn decide(message: &Message, clock: i64) -> Verdict {
    let held = expired(message)
        .or_else(|| hold_out(message))
        .or_else(|| consent(message))
        .or_else(|| suppression(message))
        .or_else(|| exclusion(message))
        .or_else(|| hours::quiet(message))
        .or_else(|| look_ahead(message))
        .or_else(|| sends::caps(message))
        .or_else(|| sends::gaps(message))
        .or_else(|| catching_up(message, clock))
        .or_else(|| throttled(message));
    let mut verdict = held.unwrap_or_else(|| Verdict::of(Outcome::Send));
    // Whatever it waits for: once it is worth nothing any more, it is dropped, and its instance goes on.
    if let Outcome::Defer { until, .. } = &mut verdict.outcome {
        *until = (*until).min(message.worthless_at());
    }
    verdict
}

/// Whether what a message waits for has not ended yet.
pub(super) fn is_held(message: &Message) -> bool {
    [suppression(message), exclusion(message)].into_iter().flatten().any(|verdict| verdict.held)
}

impl<'a> Message<'a> {
    fn rules(&self) -> &'a SendPlan {
        &self.plan.sends[usize::from(self.send.0)]
    }

    fn now(&self) -> i64 {
        self.person.now
    }

    /// The first instant at which it is worth nothing any more.
    fn worthless_at(&self) -> i64 {
        let valid_for = self.rules().valid_for.unwrap_or(NEVER);
        self.due.saturating_add(valid_for).saturating_add(1)
    }
}

/// It waits until something ends that has no time.
fn hold(reason: Reason) -> Verdict {
    Verdict { held: true, ..defer(NEVER, reason) }
}

fn drop(reason: Reason) -> Verdict {
    Verdict::of(Outcome::Drop { reason })
}

fn defer(until: i64, reason: Reason) -> Verdict {
    Verdict::of(Outcome::Defer { until, reason })
}

/// A limit is reached, until an instant.
fn limit(on_limit: OnLimit, until: i64, reason: Reason) -> Verdict {
    match on_limit {
        OnLimit::Drop => drop(reason),
        OnLimit::Exit => Verdict { exit: true, ..drop(reason) },
        OnLimit::Wait => defer(until, reason),
    }
}

fn expired(message: &Message) -> Option<Verdict> {
    (message.now() >= message.worthless_at()).then(|| drop(Reason::Expired))
}

fn hold_out(message: &Message) -> Option<Verdict> {
    let (person, rules) = (message.person, message.rules());
    let is_held_out = message.instance.hold_out
        || rules.gates.held_out && share(&person.id) < u64::from(message.plan.policy.hold_out);
    is_held_out.then(|| drop(Reason::HoldOut))
}

/// The same number below 10,000 for the same person, every time.
fn share(id: &str) -> u64 {
    const SEED: u64 = 0x686f_6c64_206f_7574;
    xxhash_rust::xxh3::xxh3_64_with_seed(id.as_bytes(), SEED) % 10_000
}

/// While Kairos is behind, what was due meanwhile waits until time has caught up with the clock, and is asked again then:
/// whatever has forbidden it in the meantime is known by then.
fn catching_up(message: &Message, clock: i64) -> Option<Verdict> {
    let is_behind = clock.saturating_sub(message.now()) > BEHIND_MAX;
    is_behind.then(|| defer(clock, Reason::CatchingUp))
}

/// A message that is not known to have a place asks for one.
fn throttled(message: &Message) -> Option<Verdict> {
    let Message { plan, person, instance, due, granted, .. } = *message;
    let at = message.rules().gates.throttle.filter(|_| !granted)?;
    let name = &plan.policy.throttles[at].name;
    let priority = plan.journeys[usize::from(instance.journey.0)].priority;
    let until = message.worthless_at();
    let ask = throttle::ask(name, &person.id, priority, due, until, instance.number);
    Some(Verdict { ask: Some(ask), ..defer(until, Reason::Throttle(at as u16)) })
}

fn consent(message: &Message) -> Option<Verdict> {
    let granted = |rule: &usize| {
        let rule = &message.plan.policy.consents[*rule];
        said(message, rule).unwrap_or(rule.default)
    };
    (!message.rules().gates.consents.iter().all(granted)).then(|| drop(Reason::Consent))
}

/// What the person has said last about a consent.
fn said(message: &Message, rule: &ConsentPlan) -> Option<bool> {
    let cx = eval::Cx::of(message.plan, message.person, message.now());
    match facts::read(&cx, rule.fact).into_value() {
        Value::Bool(granted) => Some(granted),
        _ => None,
    }
}

/// Takes back the consents that an event takes back, and adds to `asked` the segments that read them.
pub(super) fn revoke(person: &mut Person, plan: &Plan, event: &Event, asked: &mut SegmentSet) {
    for rule in &plan.policy.consents {
        let Some(by) = rule.revoked_by.as_ref().filter(|by| by.kinds.has(event.kind)) else {
            continue;
        };
        // An event that names no channel means every channel.
        let is_meant = |(slot, of): &(u16, Option<CompactString>)| match (event.value(*slot), of) {
            (Value::Str(named), Some(of)) => named == of,
            _ => true,
        };
        if is_meant(&by.channel)
            && is_meant(&by.purpose)
            && let FactRule::Trait { name, .. } = &plan.facts[usize::from(rule.fact.0)].rule
        {
            facts::set_named(person, plan, name, event.time, &Value::Bool(false), asked);
        }
    }
}

fn suppression(message: &Message) -> Option<Verdict> {
    let rules = message.rules();
    let mut by = rules.gates.suppressed_by.iter();
    let by = by.find(|&&segment| message.person.is_member(segment))?;
    let reason = Reason::Suppressed(*by);
    Some(if rules.waits_out { hold(reason) } else { drop(reason) })
}

/// Of the journeys of a group, a person hears of the most important one that is open.
fn exclusion(message: &Message) -> Option<Verdict> {
    let Message { plan, person, instance, .. } = *message;
    let own = &plan.journeys[usize::from(instance.journey.0)];
    message.rules().gates.exclusive.iter().find_map(|&at| {
        let group = &plan.policy.exclusive[at];
        let other = |other: &&Instance| {
            let plan = &plan.journeys[usize::from(other.journey.0)];
            other.is_open()
                && group.has(other.journey)
                && plan.first != own.first
                && plan.order() < own.order()
        };
        let others = person.instances.iter().filter(other).map(|it| it.journey);
        let first = others.min_by_key(|it| plan.journeys[usize::from(it.0)].order())?;
        let reason = Reason::Excluded(first);
        Some(if group.waits { hold(reason) } else { drop(reason) })
    })
}

fn look_ahead(message: &Message) -> Option<Verdict> {
    let Message { plan, person, instance, .. } = *message;
    message.rules().gates.look_ahead.iter().find_map(|&at| {
        let rule = &plan.policy.look_ahead[at];
        let soon = person.now.saturating_add(rule.within);
        let major = |it: &&Instance| {
            it.number != instance.number
                && plan.journeys[usize::from(it.journey.0)].priority >= rule.above
        };
        let due = |it: &Instance| {
            Some((next_message(plan, it).filter(|at| person.now < *at && *at <= soon)?, it.journey))
        };
        let others = person.instances.iter().filter(major).filter_map(due);
        let (at, journey): (i64, JourneyId) = others.min_by_key(|(at, it)| (*at, it.0))?;
        Some(defer(at, Reason::LookAhead(journey)))
    })
}

/// When an instance comes to a message, if nothing but time is between.
fn next_message(plan: &Plan, instance: &Instance) -> Option<i64> {
    let program = &plan.journeys[usize::from(instance.journey.0)].program;
    match instance.phase {
        Phase::Deferred { due, until } => {
            let Op::Send(send) = program.get(usize::from(instance.place))?.op else { return None };
            let valid_for = plan.sends[usize::from(send.0)].valid_for.unwrap_or(NEVER);
            // One that is only dropped then is nothing to wait for.
            (until.saturating_sub(due) <= valid_for).then_some(until)
        }
        Phase::Waiting { until } | Phase::Quiet { until } => {
            let mut place = usize::from(instance.place) + 1;
            while let Op::Jump(target) = program.get(place)?.op {
                place = target;
            }
            matches!(program[place].op, Op::Send(_)).then_some(until)
        }
        _ => None,
    }
}
