//! Readiness, journeys and segments as JSON.

use crate::define::plan::{EnterTrigger, JourneyId, JourneyPlan, Op, Plan, Standing};
use crate::metrics::Metrics;
use crate::metrics::outputs::{JourneyTally, Outputs, Tally};
use serde_json::{Value, json};

/// Whether everything has been read, and how far behind it is.
pub fn readiness(metrics: &Metrics) -> (bool, Value) {
    let health = &metrics.health;
    let ready = health.is_alive() && health.is_caught_up() && health.broker_answers();
    let reason = match ready {
        true => String::new(),
        false if health.is_alive() && !health.broker_answers() => {
            "the broker does not answer; time stands still".into()
        }
        false => health.reason(),
    };
    let lags = metrics.lags();
    let behind = lags.iter().filter(|lag| lag.records > 0).map(|lag| {
        let (topic, partition) = (lag.partition.topic.as_str(), lag.partition.number);
        json!({"topic": topic, "partition": partition, "records": lag.records, "ms": lag.millis})
    });
    let body = json!({
        "ready": ready,
        "reason": reason,
        "caught_up": health.is_caught_up(),
        "broker_answers": health.broker_answers(),
        "watermark_delay_ms": metrics.watermark_delay(),
        "records_behind": lags.iter().map(|lag| lag.records).sum::<u64>(),
        "partitions_behind": behind.collect::<Vec<Value>>(),
    });
    (ready, body)
}

/// Every journey: what it is, and what has come of it since its state began.
pub fn journeys(outputs: &Outputs) -> Value {
    let plan = &*outputs.plan;
    let tally = outputs.tally();
    let journeys = tally.journeys.iter().filter_map(|counts| {
        // The one in effect, else the last of those whose instances are finishing.
        let last = plan.journeys.iter().rposition(|journey| journey.name == counts.name)?;
        let at = plan.journeys[last].heir.map_or(last, |heir| usize::from(heir.0));
        let journey = &plan.journeys[at];
        let [send, defer, drop] = tally.outcomes(&journey.name);
        Some(json!({
            "name": journey.name,
            "version": journey.version,
            "in_effect": journey.standing == Standing::Current,
            "priority": journey.priority,
            "enter": entry(plan, journey),
            "steps": steps(journey),
            "sends": sends(plan, JourneyId(at as u16), journey),
            "instances": instances(counts),
            "decisions": {"send": send, "defer": defer, "drop": drop},
            "decisions_by_reason": reasons(&tally, &journey.name),
        }))
    });
    json!({"journeys": journeys.collect::<Vec<Value>>()})
}

fn entry(plan: &Plan, journey: &JourneyPlan) -> String {
    let segment = |id: crate::define::plan::SegmentId| &plan.segments[usize::from(id.0)].name;
    match &journey.enter.trigger {
        EnterTrigger::Event(_) => "on an event".into(),
        EnterTrigger::Entered(id) => format!("on entering {}", segment(*id)),
        EnterTrigger::Left(id) => format!("on leaving {}", segment(*id)),
        EnterTrigger::Date { fact, .. } => {
            format!("on the date {}", plan.facts[usize::from(fact.0)].name)
        }
        EnterTrigger::Silence { .. } => "after silence".into(),
    }
}

/// Steps in their order; one may be several operations.
fn steps(journey: &JourneyPlan) -> Vec<Value> {
    let mut steps: Vec<(&str, &str)> = Vec::new();
    for op in &journey.program {
        let Some(kind) = op.op.kind() else { continue };
        if !steps.iter().any(|(path, _)| *path == op.path) {
            steps.push((&op.path, kind));
        }
    }
    steps.iter().map(|(path, kind)| json!({"step": path, "kind": kind})).collect()
}

fn sends(plan: &Plan, id: JourneyId, journey: &JourneyPlan) -> Vec<Value> {
    let sends = plan.sends.iter().enumerate().filter(|(_, send)| send.journey == id);
    let place = |at: usize| {
        let is_here = |op: &Op| matches!(op, Op::Send(send) if usize::from(send.0) == at);
        journey.program.iter().find(|op| is_here(&op.op)).map_or("", |op| op.path.as_str())
    };
    let json = |(at, send): (usize, &crate::define::plan::SendPlan)| json!({"step": place(at), "channel": send.channel, "template": send.template});
    sends.map(json).collect()
}

fn instances(counts: &JourneyTally) -> Value {
    json!({
        "open": counts.open(),
        "entered": counts.entered,
        "finished": counts.finished,
        "exit": counts.exit,
        "goal": counts.goal,
        "cap": counts.cap,
        "changed": counts.changed,
        "regrets": counts.regret,
    })
}

fn reasons(tally: &Tally, journey: &str) -> Vec<Value> {
    let own = tally.decisions.iter().filter(|([name, ..], _)| name == journey);
    own.map(|([_, channel, outcome, reason], count)| {
        json!({"channel": channel, "outcome": outcome, "reason": reason, "count": count})
    })
    .collect()
}

/// Every segment in the order of names, with how many are in it.
pub fn segments(outputs: &Outputs) -> Value {
    let plan = &*outputs.plan;
    let tally = outputs.tally();
    let segments = plan.segments_by_name.iter().map(|id| {
        let segment = &plan.segments[usize::from(id.0)];
        let counts = tally.segments.iter().find(|counts| counts.name == segment.name);
        let counts = counts.cloned().unwrap_or_default();
        let kind = if segment.condition.is_some() { "condition" } else { "list" };
        json!({
            "name": segment.name,
            "kind": kind,
            "members": counts.members(),
            "entered": counts.entered,
            "left": counts.left,
        })
    });
    json!({"segments": segments.collect::<Vec<Value>>()})
}
