//! Where a live run goes on: what the store, the log and the cluster say, held to one another before the first epoch.

use super::ingest::Opening;
use super::job::LiveJob;
use super::probe::partitions_of;
use super::recover::{LogPlace, Until, check_retention, read_log};
use super::{Shared, Version};
use crate::broker::{BrokerError, Partition};
use crate::dataflow::RunError;
use crate::define::definitions::Definitions;
use crate::epoch::Span;
use crate::epoch::log::{Begins, Claim, Entry, Read, Terms, Transaction};
use crate::sink::topics::Topics;
use crate::store::{Checkpoint, Place};
use std::collections::VecDeque;
use std::sync::Arc;

/// Where a run goes on.
pub(super) struct Resume {
    pub begins: Begins,
    pub places: Vec<Place>,
    /// The last epoch of the checkpoint.
    pub entry: Entry,
    pub log: LogPlace,
    /// What follows in the log.
    pub records: VecDeque<Transaction>,
    /// Definitions with the epochs at whose beginning they took effect, ascending.
    pub versions: Vec<(u64, Arc<Version>)>,
    /// Whether the log, or the checkpoint, knows the last of them.
    pub defined: bool,
    pub counts: Option<std::collections::BTreeMap<String, u64>>,
}

/// What there is before the first epoch.
pub(super) const NOTHING: Entry = Entry {
    number: 0,
    span: Span { begin: i64::MIN, end: i64::MIN, clock: i64::MIN },
    backlog: true,
    read: Vec::new(),
};

/// Reads the store's checkpoint and the log, and holds them to one another and to the input.
/// The log has to be claimed for the run before: then nobody else writes to it any more.
pub(super) fn find_place(job: &LiveJob, claim: Claim) -> Result<Resume, RunError> {
    let partition = log_of(&job.topics);
    let checkpoint = job.store.as_ref().and_then(|(_, checkpoint)| checkpoint.clone());
    let mut resume = match checkpoint {
        Some(Checkpoint { live: Some(live), counts, .. }) => Resume {
            log: LogPlace { partition, offset: live.log_offset, after: live.entry.number },
            begins: live.begins,
            places: live.places,
            entry: live.entry,
            records: VecDeque::new(),
            versions: chain(job, live.definitions.into_iter().map(|it| (0, it)))?,
            defined: true,
            counts: Some(counts),
        },
        Some(_) => {
            return Err(RunError::Log(
                "the state folder is of a run over files; choose another one".into(),
            ));
        }
        None => {
            let start = job.broker.starts(std::slice::from_ref(&partition))?;
            let offset = start.first().copied().unwrap_or(0);
            Resume {
                log: LogPlace { partition, offset, after: 0 },
                begins: Begins { terms: job.terms(), partitions: Vec::new() },
                places: Vec::new(),
                entry: NOTHING,
                records: VecDeque::new(),
                versions: Vec::new(),
                defined: false,
                counts: None,
            }
        }
    };
    let logged = read_log(&*job.broker, &resume.log, Until::End)?;
    if logged.claim != Some(claim) {
        return Err(BrokerError::Fenced.into());
    }
    let records = logged.transactions;
    if let Some(begins) = records.iter().rev().find_map(|record| record.begins.clone()) {
        resume.begins = begins;
    }
    check_terms(&resume.begins.terms, &job.terms())?;
    resume.records = records.into();
    take_definitions(job, &mut resume)?;
    add_partitions(job, &mut resume)?;
    let from = resume.begins.partitions.iter().zip(&resume.places);
    let from: Vec<_> =
        from.map(|((partition, _), place)| (partition.clone(), place.from.offset)).collect();
    check_retention(&*job.broker, &from)?;
    Ok(resume)
}

/// The only partition of the log.
pub(super) fn log_of(topics: &Topics) -> Partition {
    Partition { topic: topics.log.as_str().into(), number: 0 }
}

/// What the log was written under has to be what the run is started with.
pub(super) fn check_terms(logged: &Terms, wanted: &Terms) -> Result<(), RunError> {
    let differs = if logged.slack != wanted.slack || logged.step != wanted.step {
        "another slack_ms or step_ms"
    } else if logged.dedup_horizon != wanted.dedup_horizon {
        "another dedup_minutes"
    } else {
        return Ok(());
    };
    Err(RunError::Log(format!(
        "the log of this instance was written with {differs}; go on with the same, or choose another name"
    )))
}

/// Every partition that there is gets a number and a place, those of the log first.
fn add_partitions(job: &LiveJob, resume: &mut Resume) -> Result<(), RunError> {
    let found = partitions_of(&*job.broker, &job.inputs)?;
    let known: Vec<Partition> =
        resume.begins.partitions.iter().map(|(partition, _)| partition.clone()).collect();
    if let Some(gone) = known.iter().find(|partition| !found.contains(partition)) {
        return Err(RunError::Log(format!(
            "{gone} has been read before and is not there any more, or not in the configuration"
        )));
    }
    let new: Vec<Partition> = found.into_iter().filter(|it| !known.contains(it)).collect();
    let starts = job.broker.starts(&new)?;
    resume.begins.partitions.extend(new.into_iter().zip(starts));
    // Places that the checkpoint does not have are those at which the log says reading began.
    for (_, start) in resume.begins.partitions.iter().skip(resume.places.len()) {
        let from = Read::from(*start);
        resume.places.push(Place { from, read: *start, left: Vec::new() });
    }
    Ok(())
}

/// Adds the definitions of the log to those of the checkpoint. Where nothing has begun yet, it begins with the job's.
fn take_definitions(job: &LiveJob, resume: &mut Resume) -> Result<(), RunError> {
    let logged = resume.records.iter().filter_map(|record| {
        let begin = record.entries.first()?.number;
        record.definitions.clone().map(|definitions| (begin, definitions))
    });
    let before = std::mem::take(&mut resume.versions);
    resume.versions = follow(job, before, logged)?;
    resume.defined |= !resume.versions.is_empty();
    if resume.versions.is_empty() {
        let Some(definitions) = job.definitions.clone() else {
            return Err(RunError::NoDefinitions);
        };
        resume.versions = chain(job, [(0, definitions)])?;
    }
    Ok(())
}

pub(super) type Versions = Vec<(u64, Arc<Version>)>;

fn chain(
    job: &LiveJob,
    definitions: impl IntoIterator<Item = (u64, Definitions)>,
) -> Result<Versions, RunError> {
    follow(job, Vec::new(), definitions)
}

/// Definitions one after the other, each compiled as what follows the one before.
pub(super) fn follow(
    job: &LiveJob,
    mut versions: Versions,
    definitions: impl IntoIterator<Item = (u64, Definitions)>,
) -> Result<Versions, RunError> {
    for (begin, definitions) in definitions {
        let next = match versions.last() {
            Some((_, last)) => last.then(definitions),
            None => Version::first(definitions, job.keep),
        };
        let next = next.map_err(|mistakes| {
            RunError::Log(format!("this version cannot read definitions of the log:\n{mistakes}"))
        })?;
        versions.push((begin, next));
    }
    Ok(versions)
}

/// Whether persons hear of what others say or do by any definitions that there are: then the dataflow is built with what that takes.
pub(super) fn feeds_back(job: &LiveJob, resume: &Resume) -> bool {
    let given = job.definitions.clone();
    let given = given.and_then(|given| Version::first(given, job.keep).ok());
    let known = resume.versions.iter().map(|(_, version)| version);
    known.chain(&given).any(|version| version.plan.feeds_back())
}

/// Opens the feeds and gives each worker its lanes.
pub(super) fn open_lanes(
    job: &LiveJob,
    resume: &Resume,
    shared: &Shared,
) -> Result<(), BrokerError> {
    let partitions = resume.begins.partitions.iter().zip(&resume.places).enumerate();
    let from: Vec<Opening> = partitions
        .map(|(at, ((partition, _), place))| (at as u16, partition.clone(), place.clone()))
        .collect();
    let version = shared.version(resume.entry.number);
    for (at, lane) in job.opener().open(&from, &version.plan)?.into_iter().enumerate() {
        super::lock(&shared.arrivals[at % job.workers]).push(lane);
    }
    Ok(())
}
