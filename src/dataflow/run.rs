//! Running a plan over sources: the workers' loop, checkpoints, and what is left at the end.

use super::checkpoint::{Coordinator, Parts as CheckpointParts};
use super::ingest::Intake;
use super::{Parts, build};
use crate::broker::BrokerError;
use crate::decode::Decoder;
use crate::define::plan::Plan;
use crate::epoch::{Timeline, Turns};
use crate::event::worker_of;
use crate::identity::erased::hash_of;
use crate::identity::{Erased, Graph, Resolver};
use crate::person::Person;
use crate::person::keyed::{Counts, Keyed};
use crate::person::watch::Watcher;
use crate::report::{Part, View};
use crate::sink::{Formatter, Labels, Sink, SinkError, Sources};
use crate::source::{Source, SourceError};
use crate::store::{Checkpoint, RunKey, Store, StoreError};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use timely::scheduling::Activator;

/// How long a worker looks for news before it sleeps. Where persons hear of one another, each epoch is a meeting of all workers, and
/// to wake one takes as long as a short epoch: 50 µs made runs with comparisons a seventh faster than the engine's default of 10.
const SPIN: Duration = Duration::from_micros(50);

/// What ends a run before its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The epoch log is not what it has to be.
    #[error("{0}")]
    Log(String),
    /// A live run that begins, without anything to begin with.
    #[error("there are no definitions to begin with")]
    NoDefinitions,
    #[error("stopped")]
    Stopped,
    #[error("a worker failed: {0}")]
    Worker(String),
}

/// What the workers share with whoever started them.
pub struct Control {
    stop: AtomicBool,
    failure: Mutex<Option<RunError>>,
    /// Counts of what has been written, and the labels that they are counts of.
    counts: Mutex<(Arc<Labels>, Vec<u64>)>,
    /// Lines written so far.
    pub lines_out: AtomicU64,
    /// Figures of the workers, as of their last step.
    pub live: Vec<Live>,
}

/// Figures of one worker.
#[derive(Debug, Default)]
pub struct Live {
    pub events: AtomicU64,
    pub persons: AtomicU64,
    pub timers: AtomicU64,
}

impl Control {
    pub(super) fn new(labels: Arc<Labels>, counts: Vec<u64>, workers: usize) -> Control {
        Control {
            stop: AtomicBool::new(false),
            failure: Mutex::new(None),
            counts: Mutex::new((labels, counts)),
            lines_out: AtomicU64::new(0),
            live: (0..workers).map(|_| Live::default()).collect(),
        }
    }

    /// Makes the run end as soon as it can, with [`RunError::Stopped`].
    pub fn stop(&self) {
        self.fail(RunError::Stopped);
    }

    pub(super) fn fail(&self, error: RunError) {
        self.failure.lock().expect(WHOLE).get_or_insert(error);
        self.stop.store(true, Ordering::Release);
    }

    /// Whether the run ends, or has ended.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Why the run ended before its end, once.
    pub(super) fn take_failure(&self) -> Option<RunError> {
        self.failure.lock().expect(WHOLE).take()
    }

    /// All is done; whoever waits need not any more.
    pub(super) fn end(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Counts lines that have been written, by their labels.
    pub(super) fn count(&self, labels: impl Iterator<Item = u32>) {
        let mut counts = self.counts.lock().expect(WHOLE);
        let mut lines = 0;
        for label in labels {
            counts.1[label as usize] += 1;
            lines += 1;
        }
        self.lines_out.fetch_add(lines, Ordering::Relaxed);
    }

    /// Counts by label of what has been written.
    pub fn counts(&self) -> Vec<u64> {
        self.counts.lock().expect(WHOLE).1.clone()
    }

    /// Counts by label of what has been written, as the labels of some definitions number them.
    pub fn counts_by(&self, labels: &Arc<Labels>) -> Vec<u64> {
        let (known, counts) = &*self.counts.lock().expect(WHOLE);
        if Arc::ptr_eq(known, labels) {
            counts.clone()
        } else {
            labels.numbered(&known.named(counts))
        }
    }

    /// Counts go on under the labels of other definitions.
    pub(super) fn relabel(&self, labels: Arc<Labels>) {
        let mut counts = self.counts.lock().expect(WHOLE);
        *counts = (labels.clone(), labels.numbered(&counts.0.named(&counts.1)));
    }
}

const WHOLE: &str = "a worker that panics ends the process";

/// Everything that a run is given.
pub struct Job {
    pub plan: Arc<Plan>,
    pub sources: Vec<(String, Box<dyn Source>)>,
    pub sink: Box<dyn Sink>,
    pub workers: usize,
    pub timeline: Timeline,
    /// How long a `messageId` is remembered, in milliseconds.
    pub dedup_horizon: i64,
    /// Where time runs on to after the input.
    pub until: Option<i64>,
    /// Where checkpoints go, and the one to go on from.
    pub store: Option<(Arc<dyn Store>, Option<Checkpoint>)>,
    /// Chunks of a source between two checkpoints, such as [`super::ingest::CHUNKS_PER_CHECKPOINT`].
    pub chunks_per_checkpoint: u64,
    /// Whether the persons are wanted at the end.
    pub keep_persons: bool,
}

impl Job {
    /// What the run is a function of.
    pub fn key(&self) -> RunKey {
        RunKey {
            plan: self.plan.fingerprint,
            timeline: self.timeline,
            dedup_horizon: self.dedup_horizon,
            until: self.until,
            sources: self.sources.iter().map(|(name, _)| name.clone()).collect(),
        }
    }
}

/// A run under way.
pub struct Run {
    pub control: Arc<Control>,
    pub intake: Arc<Intake>,
    pub labels: Arc<Labels>,
    thread: std::thread::JoinHandle<Result<Finished, RunError>>,
}

/// What a run leaves.
pub struct Finished {
    /// Of all workers together.
    pub counts: Counts,
    /// By label.
    pub written: Vec<u64>,
    pub labels: Arc<Labels>,
    /// The instant at which time stands.
    pub end: i64,
    /// Sorted by identifier, if they were wanted.
    pub persons: Vec<Person>,
    /// Audiences and reports at the end.
    pub report: View,
}

impl Run {
    /// Whether the run is over.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// What ended the run before its end.
    pub fn join(self) -> Result<Finished, RunError> {
        self.thread.join().unwrap_or_else(|_| Err(RunError::Worker("it panicked".into())))
    }
}

/// Starts a run.
pub fn run(job: Job) -> Run {
    start(job, None)
}

/// Starts a run in which what happens to somebody is written down. Only those who are watched are left at the end.
pub fn run_watched(job: Job, watch: Arc<Watcher>) -> Run {
    start(job, Some(watch))
}

fn start(job: Job, watch: Option<Arc<Watcher>>) -> Run {
    let labels = Arc::new(Labels::new(&job.plan));
    let from = job.store.as_ref().and_then(|(_, checkpoint)| checkpoint.clone());
    let counts = from
        .as_ref()
        .map_or_else(|| vec![0; labels.len()], |checkpoint| labels.numbered(&checkpoint.counts));
    let key = job.key();
    let (names, sources): (Vec<_>, Vec<_>) = job.sources.into_iter().unzip();
    let resumes = from.as_ref().map_or(Vec::new(), |checkpoint| checkpoint.sources.clone());
    let intake = Intake::new(sources, &resumes, job.timeline, job.until);
    let intake = Arc::new(match &watch {
        Some(watch) => intake.watched(watch.clone()),
        None => intake,
    });
    let control = Arc::new(Control::new(labels.clone(), counts, job.workers));
    let setup = Setup {
        plan: job.plan,
        names: Arc::new(Sources::Files(names)),
        labels: labels.clone(),
        intake: intake.clone(),
        control: control.clone(),
        sink: Arc::new(Mutex::new(job.sink)),
        coordinator: Arc::new(Coordinator::new(
            job.workers,
            job.store.is_some().then_some(job.chunks_per_checkpoint),
            from.as_ref().map(|checkpoint| checkpoint.epoch),
        )),
        store: job.store.map(|(store, _)| store),
        done: from.map(|checkpoint| checkpoint.epoch),
        dedup_horizon: job.dedup_horizon,
        keep_persons: job.keep_persons,
        watch,
        key,
        workers: job.workers,
    };
    let thread = std::thread::spawn(move || setup.run());
    Run { control, intake, labels, thread }
}

#[derive(Clone)]
struct Setup {
    plan: Arc<Plan>,
    names: Arc<Sources>,
    labels: Arc<Labels>,
    intake: Arc<Intake>,
    control: Arc<Control>,
    sink: Arc<Mutex<Box<dyn Sink>>>,
    coordinator: Arc<Coordinator>,
    store: Option<Arc<dyn Store>>,
    done: Option<u64>,
    dedup_horizon: i64,
    keep_persons: bool,
    watch: Option<Arc<Watcher>>,
    key: RunKey,
    workers: usize,
}

#[derive(Default)]
struct WorkerResult {
    counts: Counts,
    records: Vec<crate::store::Record>,
    persons: Vec<Person>,
    report: Option<Part>,
}

impl Setup {
    fn run(self) -> Result<Finished, RunError> {
        let committer = self.committer();
        let config = match self.workers {
            0 | 1 => timely::Config::thread(),
            workers => {
                let worker = timely::WorkerConfig::default().idle_spin(SPIN);
                timely::Config { worker, ..timely::Config::process(workers) }
            }
        };
        let setup = self.clone();
        let guards = timely::execute(config, move |worker| {
            guarded(&setup.control, worker, |worker| setup.work(worker))
        })
        .map_err(RunError::Worker)?;
        let results: Result<Vec<WorkerResult>, String> = guards.join().into_iter().collect();
        self.control.end();
        let committed = committer.map(std::thread::JoinHandle::join);
        if let Some(error) = self.control.take_failure() {
            return Err(error);
        }
        if let Some(Err(_)) = committed {
            return Err(RunError::Worker("the checkpoint thread panicked".into()));
        }
        self.finish(results.map_err(RunError::Worker)?)
    }

    /// Commits checkpoints beside the flow, as their parts come together.
    fn committer(&self) -> Option<std::thread::JoinHandle<()>> {
        let store = self.store.clone()?;
        let setup = self.clone();
        Some(std::thread::spawn(move || {
            while !setup.control.is_stopped() {
                let Some(parts) = setup.coordinator.take() else {
                    std::thread::sleep(Duration::from_millis(2));
                    continue;
                };
                let (checkpoint, records) = setup.checkpoint(parts, false);
                if let Err(error) = store.commit(&checkpoint, records) {
                    return setup.control.fail(error.into());
                }
                setup.coordinator.commit();
            }
        }))
    }

    fn checkpoint(
        &self,
        parts: CheckpointParts,
        ended: bool,
    ) -> (Checkpoint, Vec<crate::store::Record>) {
        let checkpoint = Checkpoint {
            epoch: parts.epoch,
            run: self.key.clone(),
            sources: self.intake.resume_after(parts.epoch),
            outputs: parts.outputs,
            counts: self.labels.named(&parts.counts),
            ended,
            live: None,
        };
        (checkpoint, parts.records)
    }

    /// One worker, from its persons in the store to the end of the input.
    fn work(&self, worker: &mut timely::worker::Worker) -> WorkerResult {
        let store = self.store.clone().map(|store| store as Arc<dyn crate::store::Persons>);
        let mut keyed = Keyed::new(self.plan.clone(), self.dedup_horizon, store);
        keyed.set_place(worker.index(), worker.peers());
        if let Some(watch) = &self.watch {
            keyed.watch(watch.clone());
        }
        let watched = self.watch.is_some();
        let mut resolver = links(&self.control, &self.plan, self.store.as_deref(), watched);
        if let Some(store) = &self.store
            && let Err(error) =
                take_stored(&mut keyed, resolver.as_mut(), &**store, self.done, worker)
        {
            self.control.fail(error.into());
        }
        if self.done.is_some_and(|done| done < u64::MAX) && self.plan.feeds_back() {
            keyed.say_again();
        }
        let keyed = Rc::new(RefCell::new(keyed));
        self.flow(worker, &keyed, resolver);
        let mut keyed = keyed.borrow_mut();
        let mut records = Vec::new();
        if self.store.is_some() && !self.control.is_stopped() {
            keyed.freeze(u64::MAX);
            records = keyed.write_slice(usize::MAX).unwrap_or_default();
        }
        let is_wanted = |person: &Person| match &self.watch {
            Some(watch) => watch.watches(&person.id),
            None => true,
        };
        let persons = match self.keep_persons {
            true => keyed.persons().filter(is_wanted).collect(),
            false => Vec::new(),
        };
        WorkerResult { counts: keyed.counts(), records, persons, report: Some(keyed.report()) }
    }

    fn flow(
        &self,
        worker: &mut timely::worker::Worker,
        keyed: &Rc<RefCell<Keyed>>,
        resolver: Option<Resolver>,
    ) {
        let turns = Turns::new(self.plan.feeds_back() && worker.peers() > 1);
        let parts = Parts {
            intake: self.intake.clone(),
            coordinator: self.coordinator.clone(),
            control: self.control.clone(),
            sink: self.sink.clone(),
            keyed: keyed.clone(),
            plan: self.plan.clone(),
            decoder: Rc::new(Decoder::new(&self.plan.inputs)),
            identity: resolver,
            kept: self.store.is_some(),
            done: self.done,
            turns: turns.clone(),
        };
        let formatter =
            || Formatter::new(self.plan.clone(), self.names.clone(), self.labels.clone());
        let (probe, wakers) = worker.dataflow::<u64, _, _>(|scope| build(scope, parts, formatter));
        let live = &self.control.live[worker.index()];
        while !probe.done() {
            if self.control.is_stopped() {
                return drop_dataflows(worker);
            }
            if self.coordinator.is_busy() {
                wakers.borrow().iter().for_each(Activator::activate);
            }
            if turns.begin() {
                worker.step_or_park(Some(Duration::from_millis(1)));
            } else {
                worker.step();
            }
            let keyed = keyed.borrow();
            live.events.store(keyed.counts().events, Ordering::Relaxed);
            live.persons.store(keyed.counts().persons, Ordering::Relaxed);
            live.timers.store(keyed.timers() as u64, Ordering::Relaxed);
        }
    }

    fn finish(&self, mut results: Vec<WorkerResult>) -> Result<Finished, RunError> {
        let end = self.intake.end.load(Ordering::Acquire);
        let parts = results.iter_mut().filter_map(|result| result.report.take());
        let report = View::of(parts.collect(), end);
        let mut finished = Finished {
            counts: Counts::default(),
            written: self.control.counts(),
            labels: self.labels.clone(),
            end,
            persons: Vec::new(),
            report: report.ok_or_else(|| RunError::Worker("nobody has worked".into()))?,
        };
        let mut records = Vec::new();
        for result in results {
            finished.counts.add(&result.counts);
            finished.persons.extend(result.persons);
            records.extend(result.records);
        }
        finished.persons.sort_by(|a, b| a.id.cmp(&b.id));
        let outputs = self.sink.lock().expect(WHOLE).sync()?;
        if let Some(store) = &self.store {
            let counts = finished.written.clone();
            super::checkpoint::keep_who_has_moved(&mut records);
            let parts = CheckpointParts { epoch: u64::MAX, records, outputs, counts };
            let (checkpoint, records) = self.checkpoint(parts, true);
            store.commit(&checkpoint, records)?;
        }
        Ok(finished)
    }
}

/// A worker that panics stops the run: the others would wait for it for ever.
pub(super) fn guarded<R: Default>(
    control: &Control,
    worker: &mut timely::worker::Worker,
    work: impl FnOnce(&mut timely::worker::Worker) -> R,
) -> R {
    let work = std::panic::AssertUnwindSafe(|| work(worker));
    std::panic::catch_unwind(work).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
        control.fail(RunError::Worker(text.to_owned()));
        drop_dataflows(worker);
        R::default()
    })
}

/// The links that a store holds and who was erased, for one worker; none if the plan knows no identity. A store that cannot be read ends the run.
/// Where it is watched, all that turns out is written down.
pub(super) fn links(
    control: &Control,
    plan: &Plan,
    store: Option<&dyn Store>,
    watched: bool,
) -> Option<Resolver> {
    let mut graph = Graph::new(plan.inputs.identity.clone()?);
    let read = store.map_or(Ok(()), |store| {
        store.each_link(&mut |bytes| {
            graph.restore(&postcard::from_bytes(bytes).expect("a store checks what it reads"));
        })
    });
    let mut erased = Erased::default();
    let read = read.and_then(|()| {
        store.map_or(Ok(()), |it| it.each_erased(&mut |key, at| erased.remember(key, at)))
    });
    if let Err(error) = read {
        control.fail(error.into());
    }
    graph.restored();
    let resolver = Resolver::with(graph, erased);
    Some(if watched { resolver.telling_names() } else { resolver })
}

/// Makes known to a worker which of the stored persons are its own, which of those who were erased, and what else is kept as of
/// the checkpoint's epoch; and to who works out who is who, that all of them have acted.
pub(super) fn take_stored(
    keyed: &mut Keyed,
    mut resolver: Option<&mut Resolver>,
    store: &dyn Store,
    done: Option<u64>,
    worker: &timely::worker::Worker,
) -> Result<(), StoreError> {
    let (index, peers) = (worker.index(), worker.peers());
    let mine = |hash: u64| worker_of(hash, peers) == index;
    store.each(&mut |id, hash, deadline| {
        if mine(hash) {
            keyed.add_stored(id, hash, deadline);
        }
        if let Some(resolver) = &mut resolver {
            resolver.has_acted(hash);
        }
    })?;
    store.each_erased(&mut |key, at| {
        if mine(hash_of(key)) {
            keyed.remember_erased(key, at);
        }
    })?;
    let Some(done) = done else { return Ok(()) };
    store.each_kept(&mut |of, bytes| keyed.restore(done, of, bytes))
}

/// Lets go of what a worker was in the middle of.
pub(super) fn drop_dataflows(worker: &mut timely::worker::Worker) {
    for dataflow in worker.installed_dataflows() {
        worker.drop_dataflow(dataflow);
    }
}
