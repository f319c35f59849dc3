//! What must hold of any run, whatever the pack and the input. In: a plan and what a run has left. Out: the first law
//! that is broken. Caps and exits are derived again from the outputs alone, as a customer's auditor would.

use super::world::Ending;
use crate::define::plan::{Op, Plan, SendId, Window};
use crate::sink::Stream;
use crate::time;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A line of an output.
type Line = Value;

/// Person, journey, key and occurrence of an instance.
type Instance<'a> = (&'a str, &'a str, &'a str, i64);

/// # Errors
/// The first law that is broken, and by what.
pub fn hold(plan: &Plan, ending: &Ending) -> Result<(), String> {
    let decisions = lines(ending, Stream::Decisions)?;
    let journeys = lines(ending, Stream::Journeys)?;
    decided_once(&decisions)?;
    triggers_are_the_sends(&decisions, &lines(ending, Stream::Triggers)?)?;
    caps_hold(plan, ending, &decisions)?;
    exited_is_over(&decisions, &journeys)?;
    timers_are_answered(plan, ending)
}

fn lines(ending: &Ending, stream: Stream) -> Result<Vec<Line>, String> {
    let lines = ending.outputs[stream as usize].split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty()).map(serde_json::from_slice);
    lines
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{} is not JSON: {error}", stream.name()))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("")
}

fn at(line: &Line) -> i64 {
    time::parse(text(line, "time")).unwrap_or(i64::MIN)
}

fn is_send(line: &Line) -> bool {
    text(&line["data"], "decision") == "send"
}

fn instance(line: &Line) -> Instance<'_> {
    let data = &line["data"];
    let number = data["occurrence"].as_i64().unwrap_or(-1);
    (text(line, "subject"), text(data, "journey"), text(data, "key"), number)
}

/// A message is deferred any number of times, each at its own instant, and then sent or dropped, once.
fn decided_once(decisions: &[Line]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let mut closed = BTreeSet::new();
    for line in decisions {
        let id = text(line, "id");
        let outcome = text(&line["data"], "decision");
        if closed.contains(id) || !seen.insert((id, outcome, text(line, "time"))) {
            return Err(format!("decided again: {line}"));
        }
        if outcome != "defer" {
            closed.insert(id);
        }
    }
    Ok(())
}

fn triggers_are_the_sends(decisions: &[Line], triggers: &[Line]) -> Result<(), String> {
    let sends: Vec<&str> = decisions.iter().filter(|l| is_send(l)).map(|l| text(l, "id")).collect();
    let found: Vec<&str> = triggers.iter().map(|line| text(line, "id")).collect();
    if sends == found { Ok(()) } else { Err(format!("sends {sends:?}, triggers {found:?}")) }
}

fn caps_hold(plan: &Plan, ending: &Ending, decisions: &[Line]) -> Result<(), String> {
    // What did not arrive counts no longer, and no output says so.
    if plan.policy.not_delivered.is_some() {
        return Ok(());
    }
    let mut sends: BTreeMap<&str, Vec<(i64, SendId)>> = BTreeMap::new();
    for line in decisions.iter().filter(|line| is_send(line)) {
        let send = send_of(plan, line).ok_or_else(|| format!("no such step: {line}"))?;
        sends.entry(text(line, "subject")).or_default().push((at(line), send));
    }
    let zoned = ending.persons.iter().filter(|person| person.has_own_zone());
    let zoned: BTreeSet<&str> = zoned.map(|person| person.id.as_str()).collect();
    for (person, sends) in sends {
        for (number, cap) in plan.policy.caps.iter().enumerate() {
            let counted: Vec<&(i64, SendId)> =
                sends.iter().filter(|(_, send)| cap.counts[send.0 as usize]).collect();
            for ((first, _), (last, send)) in counted.iter().zip(counted.iter().skip(cap.max)) {
                // What only counts goes all the same.
                if !plan.sends[usize::from(send.0)].gates.caps.contains(&number) {
                    continue;
                }
                let broken = match cap.window {
                    Window::Sliding(length) => last - first < length,
                    // Whose clock is not the policy's may have changed it in between.
                    Window::Calendar(_) if zoned.contains(person) => false,
                    Window::Calendar(period) => {
                        plan.policy.zone.period_start(*last, period) <= *first
                    }
                };
                if broken {
                    let (first, last) = (time::format(*first), time::format(*last));
                    return Err(format!("cap {} of {person}: {first} to {last}", cap.name));
                }
            }
        }
    }
    Ok(())
}

fn send_of(plan: &Plan, line: &Line) -> Option<SendId> {
    let data = &line["data"];
    let journey = plan.journeys.iter().find(|journey| journey.name == text(data, "journey"))?;
    journey.program.iter().find_map(|step| match step.op {
        Op::Send(send) if step.path == text(data, "step") => Some(send),
        _ => None,
    })
}

/// Nothing is decided for an instance that has not been entered, or after the instant of its exit.
fn exited_is_over(decisions: &[Line], journeys: &[Line]) -> Result<(), String> {
    let mut lives: BTreeMap<Instance, (i64, i64)> = BTreeMap::new();
    for line in journeys {
        match text(line, "type") {
            "kairos.journey.entered"
                if lives.insert(instance(line), (at(line), i64::MAX)).is_some() =>
            {
                return Err(format!("entered again: {line}"));
            }
            "kairos.journey.entered" => {}
            // It goes on under another person, or another number; or two have become one.
            "kairos.journey.carried" => {
                lives.entry(instance(line)).or_insert((at(line), i64::MAX));
            }
            "kairos.journey.exited" | "kairos.journey.goal" => match lives.get_mut(&instance(line))
            {
                Some((_, to)) if *to == i64::MAX => *to = at(line),
                _ => return Err(format!("exited without being open: {line}")),
            },
            _ => {}
        }
    }
    for line in decisions {
        let life = lives.get(&instance(line));
        if !life.is_some_and(|(from, to)| (*from..=*to).contains(&at(line))) {
            return Err(format!("decided outside the instance's life {life:?}: {line}"));
        }
    }
    Ok(())
}

/// No timer of anybody is left that was due before time stood still.
fn timers_are_answered(plan: &Plan, ending: &Ending) -> Result<(), String> {
    let late = ending.persons.iter().find(|person| person.next_deadline(plan) <= ending.end);
    late.map_or(Ok(()), |person| {
        let (due, end) = (time::format(person.next_deadline(plan)), time::format(ending.end));
        Err(format!("a timer of {}, due at {due}, has not fired at {end}", person.id))
    })
}
