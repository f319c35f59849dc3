//! Questions about persons of a live instance: its log is repeated, by way of what there is of its input.

use super::kin::Sets;
use super::{Again, NoAnswer, Question, Reach, check_journey, spelled, watcher};
use crate::dataflow::RunError;
use crate::dataflow::live::{LiveJob, Past};
use crate::event::Event;
use compact_str::CompactString;
use serde_json::Value;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What may be kept for an answer, and whether anybody still wants it.
#[derive(Clone, Debug)]
pub struct Allowance {
    /// Identifiers that are named together with others, by which it is found out who belongs together.
    pub identifiers: usize,
    /// Persons, where everybody has to be run.
    pub persons: u64,
    /// Notes of what happened to those who are asked about.
    pub notes: usize,
    pub given_up: Arc<AtomicBool>,
}

impl Allowance {
    /// As much as it takes.
    pub fn all() -> Allowance {
        let given_up = Arc::new(AtomicBool::new(false));
        Allowance { identifiers: usize::MAX, persons: u64::MAX, notes: usize::MAX, given_up }
    }

    fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }
}

/// Answers a question about several persons of a live instance, whoever it names itself. The job is the instance's; it is
/// neither claimed nor written to.
///
/// # Errors
/// The log or the input cannot be read, or it would take more than is allowed.
pub fn explain_live(
    job: LiveJob,
    persons: &[CompactString],
    question: &Question,
    allowance: &Allowance,
) -> Result<Vec<Result<Value, NoAnswer>>, NoAnswer> {
    if let Some(at) = question.at.filter(|at| *at > job.clock.wall()) {
        return Err(NoAnswer::NotCome { at });
    }
    let past = Past::read(job, question.at)?;
    let plans = past.plans();
    let plan = plans.last().expect("a log has definitions");
    check_journey(plan, question)?;
    let persons = &spelled(plan, persons);
    if let (Some(at), Some(begin)) = (question.at, past.lacks_before())
        && at < begin
    {
        return Err(NoAnswer::TooEarly { at, begin });
    }
    let (kin, mut reach) = survey(&past, persons, allowance)?;
    let watch = watcher(kin, past.feeds_back(), question);
    let (watched, allowed) = (watch.clone(), allowance.clone());
    let wanted = move |persons| {
        persons <= allowed.persons && watched.size() <= allowed.notes && !allowed.is_given_up()
    };
    let left = past.repeat(watch.clone(), Box::new(wanted));
    if watch.size() > allowance.notes {
        let what = "notes of what happened";
        return Err(NoAnswer::TooMuch { most: allowance.notes as u64, what });
    }
    let left = match left {
        Err(RunError::Stopped) if !allowance.is_given_up() => {
            let what = "persons of whom others hear";
            return Err(NoAnswer::TooMuch { most: allowance.persons, what });
        }
        left => left?,
    };
    let (sources, end) = (left.sources, left.end);
    // Until then there was nothing else.
    reach.last = reach.last.max(Some(end));
    let again = Again { plans: &plans, sources, watch: &watch, persons: &left.persons, reach, end };
    Ok(again.tell_all(persons, question))
}

/// Reads the input once for who belongs together and how far it reaches.
fn survey(
    past: &Past,
    persons: &[CompactString],
    allowance: &Allowance,
) -> Result<(BTreeSet<CompactString>, Reach), NoAnswer> {
    let mut sets = Sets::default();
    let lacks_before = past.lacks_before();
    let mut reach = Reach { begin: i64::MAX, first: None, last: None, lacks_before };
    past.each_event(&mut |event: &Event| {
        sets.hear(event);
        reach.begin = reach.begin.min(event.time);
        reach.last = reach.last.max(Some(event.time));
        if persons.iter().any(|id| event.leaf == *id || event.also.contains(id)) {
            reach.first = Some(reach.first.map_or(event.time, |at| at.min(event.time)));
        }
        match sets.len() > allowance.identifiers || allowance.is_given_up() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    if sets.len() > allowance.identifiers {
        let what = "identifiers that are named together";
        return Err(NoAnswer::TooMuch { most: allowance.identifiers as u64, what });
    }
    if allowance.is_given_up() {
        return Err(RunError::Stopped.into());
    }
    Ok((sets.with(persons), reach))
}
