//! Why did somebody get a message, and why not? The input is run again through the engine itself, with a
//! [`Watcher`] on the person: what is told is what was decided.
//!
//! In: a plan and an input that can be read again, or the log and the topics of a live instance; a question. Out: JSON, with a timeline, the state at the end, and the answer. Where nobody
//! hears of others, only what happened under the person's own identifiers is run; else everything.

mod answer;
mod kin;
mod live;
mod state;
mod timeline;
pub mod words;

pub use live::{Allowance, explain_live};

use crate::dataflow::ingest::CHUNKS_PER_CHECKPOINT;
use crate::dataflow::{Job, RunError, run_watched};
use crate::define::diagnostic::nearest;
use crate::define::plan::{Plan, Standing};
use crate::epoch::Timeline;
use crate::person::Person;
use crate::person::watch::{Note, Watcher};
use crate::sink::{Formatter, Labels, Sink, SinkError, Sources, Stream};
use crate::source::{Source, SourceError};
use crate::time::format;
use crate::time::zone::Zone;
use compact_str::CompactString;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What somebody wants to know.
#[derive(Clone, Debug)]
pub struct Question {
    /// An identifier with its kind, such as `user:42`.
    pub person: CompactString,
    /// The journey that the person is not in, or whose message has not come.
    pub journey: Option<String>,
    /// The instant as of which it is explained; absent: the end of the input.
    pub at: Option<i64>,
}

/// Opens an input from its beginning.
pub type Open<'a> = dyn Fn() -> Result<Vec<Box<dyn Source>>, SourceError> + 'a;

/// An input that can be read again, and how it was run.
pub struct Input<'a> {
    /// A name for each source.
    pub names: Vec<String>,
    pub open: &'a Open<'a>,
    pub timeline: Timeline,
    /// How long a `messageId` is remembered, in milliseconds.
    pub dedup_horizon: i64,
    /// Where time runs on to after the input.
    pub until: Option<i64>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("there is no journey {name}")]
    NoJourney {
        name: String,
        /// What may have been meant, or what there is.
        hint: String,
    },
    #[error("nothing is known of {0}: no event of the input has this identifier")]
    Nobody(CompactString),
    #[error("nothing is known any more of {person}, who was erased at {}", format(*.at))]
    Erased { person: CompactString, at: i64 },
    #[error("nothing was known of {person} at {}: their first event is at {}", format(*.at), format(*.first))]
    NotYet { person: CompactString, at: i64, first: i64 },
    #[error("the input begins at {}, after {}: nothing is known of that time", format(*.begin), format(*.at))]
    TooEarly { at: i64, begin: i64 },
    #[error("{} has not come yet", format(*.at))]
    NotCome { at: i64 },
    #[error("there are more than {most} {what}, which is more than may be kept for this answer")]
    TooMuch { most: u64, what: &'static str },
}

/// What a run has left, to be told.
struct Told<'a> {
    plan: &'a Plan,
    sources: Arc<Sources>,
    /// By the version of the plan.
    formatters: Vec<(u16, Formatter)>,
    watch: &'a Watcher,
    notes: Vec<Note>,
    /// As it is at the end; nobody if it is not known any more.
    person: Option<&'a Person>,
    zone: Zone,
    end: i64,
}

/// Answers a question by running the input again.
///
/// # Errors
/// The input cannot be run, or says nothing of what was asked about.
pub fn explain(plan: &Arc<Plan>, input: &Input, question: &Question) -> Result<Value, NoAnswer> {
    explain_all(plan, input, std::slice::from_ref(&question.person), question)?.remove(0)
}

/// Answers a question about several persons, whoever it names itself, by running the input again once. Each has an answer of
/// its own, in the order of the persons.
///
/// # Errors
/// The input cannot be run.
pub fn explain_all(
    plan: &Arc<Plan>,
    input: &Input,
    persons: &[CompactString],
    question: &Question,
) -> Result<Vec<Result<Value, NoAnswer>>, NoAnswer> {
    check_journey(plan, question)?;
    let persons = &spelled(plan, persons);
    let kin = kin::of(plan, (input.open)()?, persons)?;
    let watch = watcher(kin, plan.feeds_back(), question);
    let sources = input.names.iter().cloned().zip((input.open)()?).collect();
    let job = Job {
        plan: plan.clone(),
        sources,
        sink: Box::new(Nowhere),
        workers: 1,
        timeline: input.timeline,
        dedup_horizon: input.dedup_horizon,
        until: input.until,
        store: None,
        chunks_per_checkpoint: CHUNKS_PER_CHECKPOINT,
        keep_persons: true,
    };
    let run = run_watched(job, watch.clone());
    let intake = run.intake.clone();
    let finished = run.join()?;
    let begin = intake.start.load(Ordering::Acquire);
    let (first, last) = watch.bounds();
    let again = Again {
        plans: std::slice::from_ref(plan),
        sources: Arc::new(Sources::Files(input.names.clone())),
        watch: &watch,
        persons: &finished.persons,
        reach: Reach { begin, first, last, lacks_before: None },
        end: finished.end,
    };
    Ok(again.tell_all(persons, question))
}

/// Identifiers as events bear them, however somebody spells them who asks.
fn spelled(plan: &Plan, persons: &[CompactString]) -> Vec<CompactString> {
    let rules = plan.inputs.identity.as_ref();
    persons.iter().map(|person| crate::decode::spelled(rules, person)).collect()
}

/// What there is of an input.
#[derive(Clone, Copy)]
struct Reach {
    /// The first instant of it; `i64::MAX` if it is empty.
    begin: i64,
    /// The first event of those who were asked about, and the last one of anybody.
    first: Option<i64>,
    last: Option<i64>,
    /// The instant before which some of it is missing.
    lacks_before: Option<i64>,
}

/// The input, run once more.
struct Again<'a> {
    /// Those by which it was run, one after the other.
    plans: &'a [Arc<Plan>],
    sources: Arc<Sources>,
    watch: &'a Watcher,
    /// Those who were watched, as they are at the end.
    persons: &'a [Person],
    reach: Reach,
    /// The instant at which time stands.
    end: i64,
}

impl Again<'_> {
    fn tell_all(
        &self,
        persons: &[CompactString],
        question: &Question,
    ) -> Vec<Result<Value, NoAnswer>> {
        let of = |person: &CompactString| Question { person: person.clone(), ..question.clone() };
        persons.iter().map(|person| self.tell(&of(person))).collect()
    }

    /// What there is to tell of one person.
    fn tell(&self, question: &Question) -> Result<Value, NoAnswer> {
        let Again { watch, reach, .. } = *self;
        let plan = self.plans.last().expect("something was run by some plan");
        let begin = reach.begin;
        if let Some(at) = question.at.filter(|at| *at < begin && begin < i64::MAX) {
            return Err(NoAnswer::TooEarly { at, begin });
        }
        let id = watch.owner(&question.person);
        let identifiers = watch.identifiers_of(&id);
        let notes = watch.notes(&identifiers);
        if notes.is_empty() {
            let person = question.person.clone();
            if let Some(at) = watch.erased_at(&person) {
                return Err(NoAnswer::Erased { person, at });
            }
            return Err(match (question.at, reach.first) {
                (Some(at), Some(first)) => NoAnswer::NotYet { person, at, first },
                _ => NoAnswer::Nobody(person),
            });
        }
        let person = self.persons.iter().find(|person| person.id == id);
        let zone = person.and_then(Person::own_zone).and_then(Zone::named);
        let formatter = |plan: &Arc<Plan>| {
            let labels = Arc::new(Labels::new(plan));
            (plan.version, Formatter::new(plan.clone(), self.sources.clone(), labels))
        };
        let told = Told {
            plan,
            sources: self.sources.clone(),
            formatters: self.plans.iter().map(formatter).collect(),
            watch,
            notes,
            person,
            zone: zone.unwrap_or_else(|| plan.policy.zone.clone()),
            end: self.end,
        };
        Ok(told.all(&id, &identifiers, question, &reach))
    }
}

impl Told<'_> {
    fn all(
        &self,
        id: &str,
        identifiers: &[CompactString],
        question: &Question,
        reach: &Reach,
    ) -> Value {
        let timeline = self.timeline();
        let answer = question.journey.as_deref().map(|name| self.answer(name, &timeline));
        let mut all = json!({
            "person": id,
            "identifiers": identifiers,
            "time_zone": self.zone.name(),
            "input": { "from": format(reach.begin), "to": reach.last.map(format) },
            "as_of": format(self.end),
            "timeline": timeline,
            "state": self.state(),
        });
        if let Some(at) = reach.lacks_before {
            all["input"]["lacks_before"] = format(at).into();
        }
        if let Some(answer) = answer {
            all["answer"] = answer;
        }
        all
    }
}

/// Watches some identifiers for a question. Where nobody hears of others, nothing but theirs is run.
fn watcher(kin: BTreeSet<CompactString>, feeds_back: bool, question: &Question) -> Arc<Watcher> {
    let watch = Watcher::new(kin);
    let watch = if feeds_back { watch } else { watch.alone() };
    Arc::new(match question.at {
        Some(at) => watch.until(at),
        None => watch,
    })
}

fn check_journey(plan: &Plan, question: &Question) -> Result<(), NoAnswer> {
    let Some(name) = &question.journey else { return Ok(()) };
    if plan.journey_named(name).is_some() {
        return Ok(());
    }
    let known = plan.journeys.iter().filter(|it| it.standing == Standing::Current);
    let names: Vec<&str> = known.map(|journey| journey.name.as_str()).collect();
    let hint = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("there are {}", names.join(", ")),
    };
    Err(NoAnswer::NoJourney { name: name.clone(), hint })
}

/// Where the lines of the run go.
struct Nowhere;

impl Sink for Nowhere {
    fn write(&mut self, _: Stream, _: &[u8]) -> Result<(), SinkError> {
        Ok(())
    }

    fn sync(&mut self) -> Result<Vec<u64>, SinkError> {
        Ok(Vec::new())
    }

    fn complete(&mut self, _: u64) -> Result<(), SinkError> {
        Ok(())
    }
}
