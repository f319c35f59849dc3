//! Starting a live run, its threads, and its end.

use super::commit::Committer;
use super::driver::Driver;
use super::ingest::{Ingest, Opener, Opening};
use super::job::LiveJob;
use super::probe::Prober;
use super::publish::{Bundle, publish};
use super::resume::{Resume, feeds_back, find_place, open_lanes};
use super::{Definer, Lane, Shared, Version, claim, version_at};
use crate::broker::{Broker, BrokerError, Partition};
use crate::dataflow::checkpoint::Coordinator;
use crate::dataflow::outlets::{Ingested, Outlets};
use crate::dataflow::run::{drop_dataflows, guarded, links, take_stored};
use crate::dataflow::{Control, RunError, Wakers, persons};
use crate::define::plan::IdentityPlan;
use crate::epoch::log::{Begins, Terms};
use crate::epoch::sequencer::Sequencer;
use crate::epoch::{Epochs, Timeline, Turns};
use crate::event::Reject;
use crate::identity::Resolver;
use crate::identity::operator::{Caller, Stage as IdentityStage};
use crate::metrics::Metrics;
use crate::person::Person;
use crate::person::keyed::{Counts, Keyed};
use crate::person::operator::Means;
use crate::person::views::{Keeper, Views};
use crate::person::watch::Watcher;
use crate::report::Board;
use crate::sink::topics::Outlet;
use crate::sink::{Formatter, Sources};
use crate::store::{Checkpoint, Live, Place, RunKey, Store};
use crate::time::clock::Clock;
use compact_str::CompactString;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use timely::dataflow::Scope;
use timely::dataflow::operators::Concatenate;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::scheduling::Activator;

/// How long a worker that found nothing to read waits before it looks again: short beside what a transaction takes.
const IDLE: Duration = Duration::from_micros(200);

/// A live run under way.
pub struct LiveRun {
    pub control: Arc<Control>,
    shared: Arc<Shared>,
    answers: Arc<AtomicBool>,
    reports: Arc<Board>,
    thread: JoinHandle<Result<Counts, RunError>>,
}

impl LiveRun {
    /// Makes the run end as soon as everything announced is safe and, with a store, a checkpoint is taken. While the log is
    /// still being repeated there is nothing to make safe, and it ends at once.
    pub fn finish(&self) {
        if self.shared.is_replaying() {
            self.control.stop();
        } else {
            self.shared.finish();
        }
    }

    /// Through which definitions change while the run goes on.
    pub fn definer(&self) -> Definer {
        Definer::new(self.shared.clone())
    }

    /// Where its workers lay down what they have counted for audiences and reports.
    pub fn reports(&self) -> Arc<Board> {
        self.reports.clone()
    }

    /// Whether everything has been read that was there a moment ago.
    pub fn is_live(&self) -> bool {
        self.shared.live.load(Ordering::Acquire)
    }

    /// The watermark of the last epoch announced; `i64::MIN` before the first.
    pub fn watermark(&self) -> i64 {
        self.shared.watermark.load(Ordering::Acquire)
    }

    /// Epochs announced whose transactions are not committed yet.
    pub fn in_flight(&self) -> u64 {
        self.shared.in_flight()
    }

    /// Whether the broker answers; time stands still while it does not.
    pub fn broker_answers(&self) -> bool {
        self.answers.load(Ordering::Acquire)
    }

    /// Whether the run is over.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// What ended the run.
    pub fn join(self) -> Result<Counts, RunError> {
        self.thread.join().unwrap_or_else(|_| Err(RunError::Worker("it panicked".into())))
    }
}

/// Starts a live run: shuts out whoever runs under the same name, finds where to go on, and begins.
///
/// # Errors
/// The broker cannot be reached or refuses something; the log, the state and the input do not fit together.
pub fn start(job: LiveJob) -> Result<LiveRun, RunError> {
    let ids = [format!("{}-a", job.name), format!("{}-b", job.name)];
    let (claim, producers) = claim::stake(&*job.broker, &job.topics, &ids)?;
    let resume = find_place(&job, claim)?;
    tracing::info!("begun: nobody else writes under this name any more");
    let (definitions, topics) = (job.definitions.clone(), Arc::new(job.topics.clone()));
    let setup = Setup::new(job, &resume, None)?;
    setup.shared.logged.store(resume.defined, Ordering::Release);
    let (control, shared) = (setup.control.clone(), setup.shared.clone());
    let (answers, reports) = (setup.answers.clone(), setup.reports.clone());
    let committer = Committer {
        broker: setup.broker.clone(),
        clock: setup.clock.clone(),
        slack: setup.timeline.slack,
        shared: shared.clone(),
        control: control.clone(),
        coordinator: setup.coordinator.clone(),
        topics,
        ids,
        claim,
        producers,
        log: resume.log,
        after: resume.entry.number,
        begins: Begins { terms: setup.terms.clone(), ..resume.begins },
        version: setup.version.clone(),
        defined: resume.defined,
        expected: resume.records,
        turn: 0,
        outlet: Outlet::default(),
    };
    let thread = std::thread::spawn(move || setup.run(committer));
    let run = LiveRun { control, shared, answers, reports, thread };
    run.definer().follow(definitions)?;
    Ok(run)
}

/// What the threads of a run need.
pub(super) struct Setup {
    name: String,
    key: RunKey,
    /// The epoch before the first one.
    after: u64,
    /// How far the epoch before the first one had read.
    read: Vec<crate::epoch::log::Read>,
    /// The definitions of that epoch.
    version: Arc<Version>,
    opener: Opener,
    broker: Arc<dyn Broker>,
    clock: Arc<dyn Clock>,
    inputs: Vec<String>,
    workers: usize,
    timeline: Timeline,
    dedup_horizon: i64,
    store: Option<Arc<dyn Store>>,
    checkpoint_every: Duration,
    metrics: Arc<Metrics>,
    views: Arc<Views>,
    terms: Terms,
    pub sources: Arc<Sources>,
    pub shared: Arc<Shared>,
    pub control: Arc<Control>,
    coordinator: Arc<Coordinator>,
    answers: Arc<AtomicBool>,
    reports: Arc<Board>,
    /// Who writes down what happens to somebody.
    watch: Option<Arc<Watcher>>,
    /// Those who were watched, as they are at the end.
    pub left: Mutex<Vec<Person>>,
}

impl Setup {
    /// All that goes on from a place: nothing has been read yet, and nothing runs.
    pub(super) fn new(
        job: LiveJob,
        resume: &Resume,
        watch: Option<Arc<Watcher>>,
    ) -> Result<Setup, RunError> {
        let partitions = resume.begins.partitions.clone();
        let sources = partitions.iter().map(|(partition, _)| partition.clone()).collect();
        let version = version_at(&resume.versions, resume.entry.number);
        let labels = version.labels.clone();
        let counts = match &resume.counts {
            Some(counts) => labels.numbered(counts),
            None => vec![0; labels.len()],
        };
        let entries = resume.records.iter().flat_map(|record| record.entries.clone()).collect();
        let shared = Arc::new(Shared::new(
            Sequencer::new(job.timeline, job.backlog, resume.entry.clone(), entries),
            partitions,
            resume.places.iter().map(|place| place.from).collect(),
            job.workers,
            job.bounds,
            job.metrics.clone(),
            resume.versions.clone(),
        ));
        shared.feeds_back.store(feeds_back(&job, resume), Ordering::Release);
        open_lanes(&job, resume, &shared)?;
        let every = job.store.is_some().then_some(u64::MAX);
        Ok(Setup {
            key: job.key(&version.plan),
            opener: job.opener(),
            terms: job.terms(),
            name: job.name,
            after: resume.entry.number,
            read: resume.entry.read.clone(),
            version,
            broker: job.broker,
            clock: job.clock,
            inputs: job.inputs,
            workers: job.workers,
            timeline: job.timeline,
            dedup_horizon: job.dedup_horizon,
            store: job.store.map(|(store, _)| store),
            checkpoint_every: job.checkpoint_every,
            metrics: job.metrics,
            views: job.views,
            sources: Arc::new(Sources::partitions(sources)),
            shared,
            control: Arc::new(Control::new(labels, counts, job.workers)),
            coordinator: Arc::new(Coordinator::new(job.workers, every, None)),
            answers: Arc::new(AtomicBool::new(true)),
            reports: Arc::new(Board::new(job.workers)),
            watch,
            left: Mutex::default(),
        })
    }

    fn run(self, committer: Committer) -> Result<Counts, RunError> {
        let setup = Arc::new(self);
        let (out, bundles) = channel::<Bundle>();
        let threads = vec![
            setup.probing(),
            setup.checkpointing(),
            std::thread::spawn(move || committer.run(&bundles)),
        ];
        setup.work_beside(threads, out)
    }

    /// The workers, and beside them threads that end when they have.
    pub(super) fn work_beside(
        self: &Arc<Setup>,
        threads: Vec<JoinHandle<()>>,
        out: Sender<Bundle>,
    ) -> Result<Counts, RunError> {
        let result = self.work_all(out);
        for thread in threads {
            if thread.join().is_err() {
                self.control.fail(RunError::Worker("a thread beside the workers panicked".into()));
            }
        }
        match self.control.take_failure() {
            Some(error) => Err(error),
            None => result,
        }
    }

    /// The workers, from the first epoch to the last.
    fn work_all(self: &Arc<Setup>, out: Sender<Bundle>) -> Result<Counts, RunError> {
        let config = match self.workers {
            0 | 1 => timely::Config::thread(),
            workers => timely::Config::process(workers),
        };
        let setup = self.clone();
        let out = Mutex::new(out);
        let guards = timely::execute(config, move |worker| {
            let out = out.lock().expect("nobody panics here").clone();
            guarded(&setup.control, worker, |worker| setup.work(worker, out))
        });
        let results: Result<Vec<Counts>, String> =
            guards.and_then(|guards| guards.join().into_iter().collect());
        self.control.end();
        let mut counts = Counts::default();
        results.map_err(RunError::Worker)?.iter().for_each(|of_worker| counts.add(of_worker));
        Ok(counts)
    }

    fn probing(self: &Arc<Setup>) -> JoinHandle<()> {
        let setup = self.clone();
        let opener = self.clone();
        let prober = Prober {
            broker: self.broker.clone(),
            clock: self.clock.clone(),
            shared: self.shared.clone(),
            topics: self.inputs.clone(),
            answers: self.answers.clone(),
            group: self.name.clone(),
            open: Box::new(move |partitions| opener.open(partitions)),
        };
        std::thread::spawn(move || prober.run(&|| setup.control.is_stopped()))
    }

    /// Lanes of partitions that have appeared, from their beginning.
    fn open(&self, partitions: &[Partition]) -> Result<Vec<Lane>, BrokerError> {
        let starts = self.broker.starts(partitions)?;
        let first = super::lock(&self.shared.partitions).len();
        let opening = |(at, (partition, start)): (usize, (&Partition, i64))| {
            let place = Place::at(crate::epoch::log::Read::from(start));
            ((first + at) as u16, partition.clone(), place)
        };
        let from: Vec<Opening> = partitions.iter().zip(starts).enumerate().map(opening).collect();
        let lanes = self.opener.open(&from, &self.shared.version(u64::MAX).plan)?;
        partitions.iter().for_each(|partition| self.sources.add(partition.clone()));
        Ok(lanes)
    }

    /// Writes checkpoints beside the flow, as their parts come together.
    fn checkpointing(self: &Arc<Setup>) -> JoinHandle<()> {
        let setup = self.clone();
        std::thread::spawn(move || {
            let Some(store) = setup.store.clone() else { return };
            while !setup.control.is_stopped() {
                let Some(parts) = setup.coordinator.take() else {
                    std::thread::sleep(Duration::from_millis(2));
                    continue;
                };
                let checkpoint = setup.checkpoint(parts.epoch, &parts.counts);
                let begun = setup.clock.now();
                let bytes = parts.records.iter().map(|record| record.person.len() as u64).sum();
                if let Err(error) = store.commit(&checkpoint, parts.records) {
                    return setup.control.fail(error.into());
                }
                setup.metrics.checkpoint(setup.clock.now().saturating_sub(begun), bytes);
                setup.coordinator.commit();
            }
        })
    }

    fn checkpoint(&self, epoch: u64, counts: &[u64]) -> Checkpoint {
        let entry = super::lock(&self.shared.checkpoint).take();
        let entry = entry.expect("a checkpoint is asked for when its epoch is announced");
        let mut partitions = super::lock(&self.shared.partitions).clone();
        partitions.truncate(entry.read.len());
        let version = self.shared.version(epoch);
        Checkpoint {
            epoch,
            run: RunKey { plan: version.plan.fingerprint, ..self.key.clone() },
            sources: Vec::new(),
            outputs: Vec::new(),
            counts: version.labels.named(counts),
            ended: false,
            live: Some(Live {
                entry: (*entry).clone(),
                begins: Begins { terms: self.terms.clone(), partitions },
                definitions: self.shared.versions_until(epoch),
                places: self.shared.take_places(),
                log_offset: self.shared.log_offset.load(Ordering::Acquire),
            }),
        }
    }

    /// One worker, from its persons in the store to the end.
    fn work(&self, worker: &mut timely::worker::Worker, out: Sender<Bundle>) -> Counts {
        let store = self.store.clone().map(|store| store as Arc<dyn crate::store::Persons>);
        let plan = &self.version.plan;
        let mut keyed = Keyed::new(plan.clone(), self.dedup_horizon, store);
        keyed.set_place(worker.index(), worker.peers());
        let watched = self.watch.is_some();
        let mut resolver = links(&self.control, plan, self.store.as_deref(), watched);
        let after = Some(self.after);
        if let Some(store) = &self.store
            && let Err(error) = take_stored(&mut keyed, resolver.as_mut(), &**store, after, worker)
        {
            self.control.fail(error.into());
        }
        if let Some(watch) = &self.watch {
            keyed.watch(watch.clone());
        }
        if self.shared.feeds_back.load(Ordering::Acquire) {
            keyed.say_again();
        }
        keyed.show_to(Keeper::new(self.views.clone(), plan.fingerprint));
        let keyed = Rc::new(RefCell::new(keyed));
        let (probe, wakers) =
            worker.dataflow::<u64, _, _>(|scope| self.build(scope, &keyed, resolver, out));
        let index = worker.index();
        let live = &self.control.live[index];
        while !probe.done() {
            if self.control.is_stopped() {
                drop_dataflows(worker);
                break;
            }
            if self.coordinator.is_busy() {
                wakers.borrow().iter().for_each(Activator::activate);
            }
            worker.step_or_park(Some(IDLE));
            let mut keyed = keyed.borrow_mut();
            keyed.show(self.shared.live.load(Ordering::Relaxed));
            let wanted = self.views.take_wanted(index);
            if !wanted.is_empty() {
                keyed.answer(wanted, self.shared.watermark.load(Ordering::Acquire));
            }
            self.reports.answer(index, || keyed.report());
            self.metrics.workers[index].note(&keyed.counts(), keyed.timers());
            let earliest = if keyed.is_waiting() { i64::MIN } else { keyed.earliest_timer() };
            self.shared.timers[index].store(earliest, Ordering::Release);
            live.events.store(keyed.counts().events, Ordering::Relaxed);
            live.persons.store(keyed.counts().persons, Ordering::Relaxed);
            live.timers.store(keyed.timers() as u64, Ordering::Relaxed);
        }
        let keyed = keyed.borrow();
        if let Some(watch) = &self.watch {
            let watched = keyed.persons().filter(|person| watch.watches(&person.id));
            super::lock(&self.left).extend(watched);
        }
        self.reports.end(index, keyed.report());
        keyed.counts()
    }

    fn build(
        &self,
        scope: Scope<'_, u64>,
        keyed: &Rc<RefCell<Keyed>>,
        resolver: Option<Resolver>,
        out: Sender<Bundle>,
    ) -> (Handle<u64>, Wakers) {
        let probe = Handle::new();
        let wakers = Wakers::default();
        let rules = resolver.as_ref().map(|resolver| resolver.graph().rules());
        let Ingested { events, rejects, claims } = self.ingest(scope, rules);
        let epochs = self.shared.schedule.clone() as Arc<dyn Epochs>;
        let means = Means {
            keyed: keyed.clone(),
            epochs: epochs.clone(),
            coordinator: self.coordinator.clone(),
            formatter: self.formatter(),
            first_epoch: self.after + 1,
        };
        let identity = resolver.map(|resolver| {
            let views = self.views.clone();
            let call =
                move |id: &CompactString, person: &CompactString, at| views.call(id, person, at);
            let caller: Option<Caller> = Some(Arc::new(call));
            let figures = self.metrics.identity.clone();
            let kept = self.store.is_some();
            let first_epoch = self.after + 1;
            let turns = Turns::default();
            IdentityStage { epochs, first_epoch, resolver, figures, kept, caller, turns }
        });
        let feeds_back = self.shared.feeds_back.load(Ordering::Acquire);
        let plan = feeds_back.then_some(&self.version.plan);
        let identity = identity.zip(claims);
        let lines = persons(events, identity, means, plan, &wakers, Turns::default());
        let lines = scope.concatenate([lines, rejects]);
        let (read, version) = (self.read.clone(), self.version.clone());
        publish(lines, self.shared.clone(), read, version, out, wakers.clone()).probe_with(&probe);
        (probe, wakers)
    }

    fn formatter(&self) -> Formatter {
        let (plan, labels) = (self.version.plan.clone(), self.version.labels.clone());
        Formatter::new(plan, self.sources.clone(), labels)
    }

    /// The ingest of one worker as an operator without inputs.
    fn ingest<'scope>(
        &self,
        scope: Scope<'scope, u64>,
        rules: Option<&IdentityPlan>,
    ) -> Ingested<'scope> {
        let mut builder = OperatorBuilder::new("Ingest".to_owned(), scope);
        let (mut outlets, streams) =
            Outlets::new(&mut builder, rules, self.formatter(), scope.peers());
        let info = builder.operator_info();
        let again = scope.activator_for(info.address);
        again.activate();
        let index = scope.index();
        let (shared, control) = (self.shared.clone(), self.control.clone());
        let (opener, version) = (self.opener.clone(), self.version.clone());
        let mut work = Ingest::new(shared.clone(), self.timeline, index, opener, version);
        work.watch.clone_from(&self.watch);
        let mut driver = (index == 0).then(|| {
            let (coordinator, clock) = (self.coordinator.clone(), self.clock.clone());
            Driver::new(shared.clone(), coordinator, clock, self.checkpoint_every)
        });
        builder.build(move |capabilities| {
            let mut capabilities = Some(capabilities);
            move |_| {
                let Some(held) = &mut capabilities else { return };
                let read = match work.read() {
                    Ok(read) => read,
                    Err(error) => {
                        control.fail(error.into());
                        capabilities = None;
                        return;
                    }
                };
                if let Some(driver) = &mut driver {
                    driver.turn();
                }
                let mut last = false;
                let announced = shared.take(index);
                let any = !announced.is_empty();
                for announced in announced {
                    let epoch = announced.entry.number;
                    held.iter_mut().for_each(|held| held.downgrade(&epoch));
                    let share = work.share(&announced);
                    let placed = share.events.into_iter().map(|event| (epoch, event)).collect();
                    let rejects: Vec<(u64, Reject)> =
                        share.rejects.into_iter().map(|reject| (epoch, reject)).collect();
                    outlets.give(held, placed, &rejects);
                    held.iter_mut().for_each(|held| held.downgrade(&(epoch + 1)));
                    last |= announced.last;
                }
                if last {
                    capabilities = None;
                    return;
                }
                match read || any {
                    true => again.activate(),
                    false => again.activate_after(IDLE),
                }
            }
        });
        streams
    }
}
