//! What a live run has done, repeated for somebody who watches: the log is read, and the input as far as it says. Nothing is
//! claimed, told or written, so that nobody notices.
//!
//! ```text
//!  log ─ epochs ─► sequencer ─► the dataflow of a live run ─ bundles ─► thrown away
//! ```
//!
//! The log is read twice, first in outline and then along with the run, so that what is kept of it does not grow with it.

use super::Shared;
use super::job::{Bounds, LiveJob};
use super::publish::Bundle;
use super::recover::{LogPlace, Until, check_retention, damage, each_before, each_record, follows};
use super::resume::{NOTHING, Resume, Versions, check_terms, follow, log_of};
use super::run::Setup;
use crate::broker::{Feed, Partition};
use crate::dataflow::{Control, RunError};
use crate::define::definitions::Definitions;
use crate::define::plan::Plan;
use crate::epoch::Span;
use crate::epoch::log::{Begins, Entry, Read, Record};
use crate::event::{Event, Origin};
use crate::metrics::Metrics;
use crate::person::Person;
use crate::person::views::{self, Views};
use crate::person::watch::Watcher;
use crate::sink::Sources;
use crate::store::Place;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// Epochs that may be under way at once, and those of the log that are read ahead.
const EPOCHS: u64 = 512;
const AHEAD: usize = 4_096;

/// Between two looks at the log when there is nothing else to do.
const LOOK: Duration = Duration::from_millis(2);

/// What a live run has done up to an instant, as its log says.
pub struct Past {
    job: LiveJob,
    resume: Resume,
    /// The last epoch that is repeated, cut off at the instant, and the passing of time until then where there is no epoch.
    last: Entry,
    idle: Option<Entry>,
    /// The instant before which not all of the input is there any more.
    lacks_before: Option<i64>,
}

/// What is left of a run that has been repeated.
pub struct Left {
    /// Those who were watched.
    pub persons: Vec<Person>,
    /// The instant at which time stands.
    pub end: i64,
    pub sources: Arc<Sources>,
}

/// Whether a run that is repeated is still wanted, now that it has so many persons.
pub type Wanted = Box<dyn Fn(u64) -> bool + Send>;

/// The log, without most of its epochs.
#[derive(Default)]
struct Outline {
    begins: Option<Begins>,
    definitions: Vec<(u64, Definitions)>,
    last: Option<Entry>,
}

impl Past {
    /// Reads what the log says of a run, up to an instant. What the job says of definitions, workers, a store and those who
    /// look does not count.
    ///
    /// # Errors
    /// The log cannot be read, says nothing or is another one; nothing of the input is there any more.
    pub fn read(job: LiveJob, at: Option<i64>) -> Result<Past, RunError> {
        let job = on_its_own(job);
        let partition = log_of(&job.topics);
        let start = job.broker.starts(std::slice::from_ref(&partition))?;
        let log = LogPlace { partition, offset: start.first().copied().unwrap_or(0), after: 0 };
        let outline = Outline::read(&job, &log, at)?;
        let (Some(begins), Some(mut last)) = (outline.begins, outline.last) else {
            let log = &log.partition;
            return Err(RunError::Log(format!("the log {log} is empty: nothing was decided yet")));
        };
        check_terms(&begins.terms, &job.terms())?;
        let versions = follow(&job, Vec::new(), outline.definitions)?;
        if versions.is_empty() {
            return Err(RunError::NoDefinitions);
        }
        let (entry, lacks_before) = first_whole(&job, &log, &begins, (&last, at))?;
        let idle = at.filter(|at| *at >= last.span.end).map(|at| Entry {
            number: last.number + 1,
            span: Span { begin: last.span.end, end: at.saturating_add(1), clock: i64::MIN },
            backlog: true,
            read: last.read.clone(),
        });
        if let Some(at) = at {
            last.span.end = last.span.end.min(at.saturating_add(1));
        }
        let resume = resume(begins, log, entry, versions);
        Ok(Past { job, resume, last, idle, lacks_before })
    }

    /// The plans by which it was run, one after the other; never none.
    pub fn plans(&self) -> Vec<Arc<Plan>> {
        self.resume.versions.iter().map(|(_, version)| version.plan.clone()).collect()
    }

    /// Whether persons hear of what others say or do, by any definitions that there were.
    pub fn feeds_back(&self) -> bool {
        self.resume.versions.iter().any(|(_, version)| version.plan.feeds_back())
    }

    /// The instant before which not all of the input is there any more, if any is missing. Of what was before, nothing can be
    /// repeated.
    pub fn lacks_before(&self) -> Option<i64> {
        self.lacks_before
    }

    /// Hands over the events of the input, one partition after the other, until `take` breaks. Where rules of identity have
    /// changed, one comes as often as there were rules.
    ///
    /// # Errors
    /// A partition cannot be read.
    pub fn each_event(
        &self,
        take: &mut dyn FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<(), RunError> {
        let mut plans = self.plans();
        plans.dedup_by(|a, b| a.inputs.identity == b.inputs.identity);
        let partitions = self.resume.begins.partitions.iter().zip(&self.resume.places);
        for (number, ((partition, place), read)) in partitions.zip(&self.last.read).enumerate() {
            let partition = &partition.0;
            let mut readers: Vec<_> =
                plans.iter().map(|plan| (self.job.readers)(partition, plan)).collect();
            let from = (partition.clone(), place.from.offset);
            let (headers, broker) = (self.job.headers, &*self.job.broker);
            let mut flow = ControlFlow::Continue(());
            each_before(broker, from, read.offset, headers, Until::End, &mut |record| {
                let position = record.offset as u64 + 1;
                if record.offset < read.offset {
                    let origin = Origin { source: number as u16, position };
                    let events = readers.iter_mut().filter_map(|of| of(record, origin).ok());
                    flow = events.into_iter().try_for_each(|event| take(&event));
                }
                flow
            })?;
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Repeats the run, as long as it is wanted.
    ///
    /// # Errors
    /// The log or the input cannot be read; [`RunError::Stopped`] if it is not wanted any more.
    pub fn repeat(self, watch: Arc<Watcher>, wanted: Wanted) -> Result<Left, RunError> {
        let Past { job, resume, last, idle, .. } = self;
        let from = (resume.log.partition.clone(), resume.log.offset);
        let mut feeds = job.broker.feeds(std::slice::from_ref(&from), false)?;
        let cut = watch.end();
        let setup = Arc::new(Setup::new(job, &resume, Some(watch))?);
        let end = idle.as_ref().unwrap_or(&last);
        setup.shared.ends_with.store(end.number, Ordering::Release);
        let stands = cut.unwrap_or(end.span.end.saturating_sub(1));
        let repeater = Repeater {
            log: from.0,
            feed: feeds.remove(0),
            shared: setup.shared.clone(),
            control: setup.control.clone(),
            after: resume.entry.number,
            last: Some(last),
            idle,
            wanted,
        };
        let (out, bundles) = channel::<Bundle>();
        let thread = std::thread::spawn(move || repeater.run(&bundles));
        setup.work_beside(vec![thread], out)?;
        let persons = std::mem::take(&mut *super::lock(&setup.left));
        // At the live edge persons are ahead of the watermark.
        let end = persons.iter().map(Person::time).fold(stands, i64::max);
        Ok(Left { persons, end: cut.unwrap_or(end), sources: setup.sources.clone() })
    }
}

/// A job that shares nothing with a run that is under way, and keeps nothing.
fn on_its_own(job: LiveJob) -> LiveJob {
    let bounds = views::Bounds { only_wanted: true, ..views::Bounds::default() };
    LiveJob {
        definitions: None,
        workers: 1,
        store: None,
        bounds: Bounds { epochs: EPOCHS, heavy_per_minute: u32::MAX, ..job.bounds },
        metrics: Arc::new(Metrics::new(job.clock.clone(), 1)),
        views: Arc::new(Views::new(bounds, 1)),
        ..job
    }
}

fn resume(begins: Begins, log: LogPlace, entry: Entry, versions: Versions) -> Resume {
    let from = |(at, (_, start)): (usize, &(Partition, i64))| {
        entry.read.get(at).copied().unwrap_or(Read::from(*start))
    };
    let places = begins.partitions.iter().enumerate().map(from).map(Place::at).collect();
    Resume {
        begins,
        places,
        entry,
        log,
        records: VecDeque::new(),
        versions,
        defined: true,
        counts: None,
    }
}

impl Outline {
    /// Reads the log up to the last epoch that begins at an instant or before.
    fn read(job: &LiveJob, log: &LogPlace, at: Option<i64>) -> Result<Outline, RunError> {
        let mut outline = Outline::default();
        let mut after = Ok(log.after);
        let mut over = false;
        each_record(&*job.broker, log, Until::End, &mut |record| {
            let (Record::Transaction(record), Ok(before)) = (record, &after) else { return };
            after = follows(log, *before, &record);
            let first = record.entries[0].number;
            for entry in record.entries {
                over |= at.is_some_and(|at| entry.span.begin > at);
                if !over {
                    outline.last = Some(entry);
                }
            }
            if outline.last.as_ref().is_some_and(|last| last.number >= first) {
                outline.begins = record.begins.or(outline.begins.take());
                outline.definitions.extend(record.definitions.map(|of| (first, of)));
            }
        })?;
        after.map(|_| outline)
    }
}

/// The epoch after which all input is still there: none, if nothing has been deleted. Else the instant before which some is
/// missing too.
fn first_whole(
    job: &LiveJob,
    log: &LogPlace,
    begins: &Begins,
    (last, at): (&Entry, Option<i64>),
) -> Result<(Entry, Option<i64>), RunError> {
    let Err(gone) = check_retention(&*job.broker, &begins.partitions) else {
        return Ok((NOTHING, None));
    };
    let partitions: Vec<Partition> =
        begins.partitions.iter().map(|(partition, _)| partition.clone()).collect();
    let starts = job.broker.starts(&partitions)?;
    let is_whole = |entry: &Entry| {
        let begun = begins.partitions.iter().map(|(_, begun)| *begun);
        let read = begun
            .enumerate()
            .map(|(at, begun)| entry.read.get(at).map_or(begun, |read| read.offset));
        // An epoch of a backlog leaves over some of what has been read.
        !entry.backlog && read.zip(&starts).all(|(read, start)| read >= *start)
    };
    let mut found = None;
    each_record(&*job.broker, log, Until::End, &mut |record| {
        if let (Record::Transaction(record), None) = (record, &found) {
            found = record.entries.into_iter().find(is_whole);
        }
    })?;
    let asked = |entry: &Entry| at.is_some_and(|at| at < entry.span.end);
    match found.filter(|entry| entry.number < last.number || asked(entry)) {
        Some(entry) => {
            let lacks_before = entry.span.end;
            Ok((entry, Some(lacks_before)))
        }
        None => Err(gone),
    }
}

/// The thread that says which epochs are repeated, and throws away what they give.
struct Repeater {
    log: Partition,
    feed: Box<dyn Feed>,
    shared: Arc<Shared>,
    control: Arc<Control>,
    /// The epoch before the first one.
    after: u64,
    /// What is told last; none once it has been.
    last: Option<Entry>,
    idle: Option<Entry>,
    wanted: Wanted,
}

impl Repeater {
    fn run(mut self, bundles: &Receiver<Bundle>) {
        if let Err(error) = self.work(bundles) {
            self.control.fail(error);
        }
    }

    fn work(&mut self, bundles: &Receiver<Bundle>) -> Result<(), RunError> {
        while !self.control.is_stopped() {
            if !(self.wanted)(self.control.live[0].persons.load(Ordering::Relaxed)) {
                return Err(RunError::Stopped);
            }
            self.read_on()?;
            let first = match bundles.recv_timeout(LOOK) {
                Ok(bundle) => bundle,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            for bundle in std::iter::once(first).chain(bundles.try_iter()) {
                self.shared.settle(1, bundle.announced.entry.number);
                if bundle.announced.last {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Tells the sequencer of epochs to come, if it does not know enough of them.
    fn read_on(&mut self) -> Result<(), RunError> {
        if self.last.is_none() || super::lock(&self.shared.sequencer).to_repeat() >= AHEAD {
            return Ok(());
        }
        let mut entries = Vec::new();
        let mut damaged = None;
        self.feed.poll(&mut |record| {
            match Record::from_bytes(record.payload.unwrap_or_default()) {
                Ok(Record::Transaction(record)) => entries.extend(record.entries),
                Ok(Record::Claim(_)) => {}
                Err(what) => damaged = Some((record.offset, what)),
            }
            match damaged.is_some() || entries.len() >= AHEAD {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        if let Some((offset, what)) = damaged {
            return Err(damage(&self.log, offset, &what));
        }
        let mut sequencer = super::lock(&self.shared.sequencer);
        for entry in entries.into_iter().filter(|entry| entry.number > self.after) {
            if self.last.as_ref().is_some_and(|last| last.number == entry.number) {
                sequencer.repeat(self.last.take().into_iter().chain(self.idle.take()));
                break;
            }
            sequencer.repeat([entry]);
        }
        Ok(())
    }
}
