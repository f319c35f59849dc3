//! Another plan takes effect: what a person holds under the one before goes over to it.
//!
//! Numbers mean the same under both (see [`crate::define::compile::compile_after`]), so that nothing is translated: what
//! nobody reads any more is dropped, and what has been defined anew takes up where the old one of its name stands.

use super::effect::{Change, Effect, ExitReason};
use super::instance::Phase;
use super::journey::{exit, wait};
use super::turn::Turn;
use super::{dates, ranks, segment};
use crate::define::plan::{JourneyId, JourneyPlan, Op, SegmentId, Standing};
use crate::event::Value;
use crate::time::NEVER;
use std::mem::discriminant;

/// Takes up the plan of this step, at the person's instant.
pub(super) fn adopt(turn: &mut Turn) {
    let plan = turn.plan;
    turn.person.plan = plan.version;
    turn.person.facts.retain(|fact| plan.facts[usize::from(fact.0)].standing != Standing::Gone);
    ranks::forget(turn.person, plan);
    hand_over_segments(turn);
    dates::hand_over(turn.person, plan);
    for at in 0..turn.person.instances.len() {
        let instance = &turn.person.instances[at];
        let heir = plan.journeys[usize::from(instance.journey.0)].heir;
        let follows = |heir: &JourneyId| {
            *heir != instance.journey && plan.journeys[usize::from(heir.0)].follow
        };
        if let Some(heir) = heir.filter(follows) {
            go_over(turn, at, heir);
        }
    }
    segment::follow_all(turn.person, plan);
    turn.changed = true;
}

/// Whoever was announced as a member of a segment that has changed is one of the new segment until its own condition says
/// otherwise; a segment that is not there any more is left.
fn hand_over_segments(turn: &mut Turn) {
    let (plan, time) = (turn.plan, turn.person.now);
    for (at, known) in plan.segments.iter().enumerate() {
        let segment = SegmentId(at as u16);
        if known.standing == Standing::Current {
            continue;
        }
        if turn.person.announced.has(segment) {
            turn.person.announced.set(segment, false);
            match known.heir {
                Some(heir) => turn.person.announced.set(heir, true),
                None => turn.effects.push(Effect::Segment { time, segment, entered: false }),
            }
        }
        if known.standing == Standing::Gone {
            turn.person.member.set(segment, false);
        }
    }
}

/// An instance goes over to another version of its journey: to the step of the same place and kind, or out.
fn go_over(turn: &mut Turn, at: usize, heir: JourneyId) {
    let plan = turn.plan;
    let instance = &turn.person.instances[at];
    let old = &plan.journeys[usize::from(instance.journey.0)];
    let new = &plan.journeys[usize::from(heir.0)];
    let place = same_step(old, new, instance.place).filter(|_| old.enter.per == new.enter.per);
    let Some(place) = place else {
        return exit(turn, at, ExitReason::Changed);
    };
    let (was, is) = (usize::from(instance.place), usize::from(place));
    let phase = rest(turn, at, &old.program[was].op, &new.program[is].op);
    let value = |slot: &u16| {
        let known = old.entry_slots.iter().position(|known| known == slot);
        known.and_then(|known| instance.entry.get(known)).cloned().unwrap_or(Value::Missing)
    };
    let entry = new.entry_slots.iter().map(value).collect();
    let instance = &mut turn.person.instances[at];
    (instance.journey, instance.place, instance.phase, instance.entry) =
        (heir, place, phase, entry);
    // Not asked yet.
    instance.recheck = if new.has_when { i64::MIN } else { NEVER };
    turn.note(at, Change::Moved { place });
}

fn same_step(old: &JourneyPlan, new: &JourneyPlan, place: u16) -> Option<u16> {
    let old = old.program.get(usize::from(place))?;
    let same = |op: &crate::define::plan::OpAt| {
        op.path == old.path && discriminant(&op.op) == discriminant(&old.op)
    };
    new.program.iter().position(same).map(|at| at as u16)
}

/// What an instance does that rested at one step and now does at another of the same kind: a wait began when it began.
fn rest(turn: &Turn, at: usize, old: &Op, new: &Op) -> Phase {
    let phase = turn.person.instances[at].phase;
    let moved = |until: i64, was: &i64, is: &i64| until.saturating_sub(*was).saturating_add(*is);
    match (phase, old, new) {
        (_, old, new) if old == new => phase,
        (Phase::Waiting { until }, Op::WaitFor(was), Op::WaitFor(is)) => {
            Phase::Waiting { until: moved(until, was, is) }
        }
        (
            Phase::Quiet { until },
            Op::WaitQuiet { quiet_for: was, .. },
            Op::WaitQuiet { quiet_for: is, .. },
        ) => Phase::Quiet { until: moved(until, was, is) },
        (
            Phase::Listening { until },
            Op::WaitEvent { timeout: was, .. },
            Op::WaitEvent { timeout: is, .. },
        ) => Phase::Listening { until: moved(until, was, is) },
        (Phase::Waiting { .. }, ..) => wait(turn, at, new).unwrap_or(phase),
        _ => phase,
    }
}

#[cfg(test)]
mod tests;
