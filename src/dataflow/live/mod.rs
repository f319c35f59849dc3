//! Running on live input: partitions in, transactions out.
//!
//! ```text
//!  feeds ─ ingest ─► persons ─► publish ─► commit ─ producers
//!    ▲       ▲                                │
//!    │   announcements ◄─ sequencer ◄─────────┘ settled
//!    │                        ▲
//!    └──────── probe ─────────┘ clock, end offsets
//! ```
//!
//! The workers read, decode and stash what the feeds have; the sequencer (on the first worker) says how far the next epoch
//! goes, which is all that is not a function of the input, and what the epoch log keeps. Everything after that is the
//! dataflow of a run over files.

mod claim;
mod commit;
mod driver;
mod ingest;
mod job;
mod past;
mod probe;
mod publish;
mod recover;
mod resume;
mod run;
mod version;

pub use ingest::{Lane, Reader, Readers};
pub use job::{Bounds, LiveJob};
pub use past::{Left, Past};
pub use run::{LiveRun, start};
pub use version::{ApplyError, Definer, Version};

use crate::broker::Partition;
use crate::define::definitions::Definitions;
use crate::epoch::log::{Entry, Read};
use crate::epoch::schedule::Schedule;
use crate::epoch::sequencer::{Probe, Sequencer};
use crate::metrics::{Lag, Metrics};
use crate::store::Place;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// An epoch, as it is made known to the stages.
#[derive(Clone, Debug)]
pub(super) struct Announced {
    pub entry: Arc<Entry>,
    /// The definitions under which it is worked through.
    pub version: Arc<Version>,
    /// The clock's time at which it was announced.
    pub at: Duration,
    /// Whether it is at the live edge, so that what it takes says something of latency.
    pub live: bool,
    /// Whether a checkpoint is taken after it.
    pub checkpoint: bool,
    /// Nothing comes after it.
    pub last: bool,
}

/// The definitions of an epoch: the last that begin with it or before.
fn version_at(versions: &[(u64, Arc<Version>)], epoch: u64) -> Arc<Version> {
    let at = versions.partition_point(|(begin, _)| *begin <= epoch);
    versions[at.saturating_sub(1)].1.clone()
}

/// What the threads of a live run share.
pub(super) struct Shared {
    metrics: Arc<Metrics>,
    bounds: Bounds,
    pub schedule: Arc<Schedule>,
    sequencer: Mutex<Sequencer>,
    /// How far each partition has been read, by its number.
    readings: Mutex<Vec<Read>>,
    /// Each with the offset at which it was first read.
    partitions: Mutex<Vec<(Partition, i64)>>,
    /// Announcements that each worker's ingest, and last the publisher, have not taken yet.
    queues: Vec<Mutex<VecDeque<Announced>>>,
    /// Feeds of new partitions, for the workers to take.
    arrivals: Vec<Mutex<Vec<Lane>>>,
    /// How far the committed epochs have read.
    committed: Mutex<Vec<Read>>,
    /// Epochs announced, and those whose outputs are safe.
    announced: AtomicU64,
    settled: AtomicU64,
    /// The partition that holds the next epoch up: it is read even if much has been read ahead.
    holding: AtomicUsize,
    /// Times before which no timer is due, by worker.
    timers: Vec<AtomicI64>,
    /// The epoch of the checkpoint under way.
    checkpoint: Mutex<Option<Arc<Entry>>>,
    /// Places at the checkpoint under way, by partition.
    places: Mutex<Vec<Option<Place>>>,
    /// The run shall end as soon as all is safe.
    finishing: AtomicBool,
    /// Whether the input up to a moment ago has been read.
    pub live: AtomicBool,
    /// The watermark of the last epoch announced.
    pub watermark: AtomicI64,
    /// The last epoch has been announced.
    ended: AtomicBool,
    /// The end of the log at the checkpoint under way.
    log_offset: AtomicI64,
    /// Whether the log knows the terms of this run.
    begun: AtomicBool,
    /// Whether the log has the definitions that are in effect: others, which are numbered after them, wait for that.
    logged: AtomicBool,
    /// Definitions with the epochs at whose beginning they take effect, ascending.
    versions: Mutex<Vec<(u64, Arc<Version>)>>,
    /// Those that take effect next.
    wanted: Mutex<Option<Arc<Version>>>,
    /// Those of the last transaction.
    in_effect: Mutex<Arc<Version>>,
    /// Workers that still have to read again, as another plan wants it, what they have read ahead.
    rereading: AtomicUsize,
    /// The last epoch, where the log has it: nothing comes after what is repeated. Else one that never comes.
    ends_with: AtomicU64,
    /// Whether the dataflow was built so that persons hear of what others say or do.
    feeds_back: AtomicBool,
}

const WHOLE: &str = "a worker that panics ends the process";

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect(WHOLE)
}

impl Shared {
    fn new(
        sequencer: Sequencer,
        partitions: Vec<(Partition, i64)>,
        from: Vec<Read>,
        workers: usize,
        bounds: Bounds,
        metrics: Arc<Metrics>,
        versions: Vec<(u64, Arc<Version>)>,
    ) -> Shared {
        let in_effect = version_at(&versions, sequencer.last().number);
        Shared {
            in_effect: Mutex::new(in_effect),
            versions: Mutex::new(versions),
            wanted: Mutex::default(),
            rereading: AtomicUsize::new(0),
            metrics,
            bounds,
            committed: Mutex::new(from.clone()),
            schedule: Arc::new(Schedule::default()),
            watermark: AtomicI64::new(sequencer.last().span.end),
            sequencer: Mutex::new(sequencer),
            checkpoint: Mutex::default(),
            places: Mutex::new(vec![None; partitions.len()]),
            readings: Mutex::new(from),
            partitions: Mutex::new(partitions),
            queues: (0..=workers).map(|_| Mutex::default()).collect(),
            arrivals: (0..workers).map(|_| Mutex::default()).collect(),
            announced: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            holding: AtomicUsize::new(0),
            timers: (0..workers).map(|_| AtomicI64::new(i64::MIN)).collect(),
            finishing: AtomicBool::new(false),
            live: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            feeds_back: AtomicBool::new(false),
            ends_with: AtomicU64::new(u64::MAX),
            log_offset: AtomicI64::new(0),
            begun: AtomicBool::new(false),
            logged: AtomicBool::new(false),
        }
    }

    /// How far each partition is behind what the broker said.
    fn lags(&self, probe: &Probe) -> Vec<Lag> {
        let readings = lock(&self.readings).clone();
        let partitions = self.partitions().into_iter().zip(readings).zip(&probe.ends);
        let lag = |((partition, read), end): ((Partition, Read), &i64)| {
            let records = u64::try_from(end - read.offset).unwrap_or(0);
            let since = if read.high == i64::MIN { 0 } else { probe.clock - read.high };
            Lag { partition, records, millis: if records == 0 { 0 } else { since.max(0) } }
        };
        partitions.map(lag).collect()
    }

    /// Takes in what the broker said.
    fn probe(&self, probe: Probe) {
        lock(&self.sequencer).probe(probe);
    }

    /// All partitions, by their numbers.
    fn partitions(&self) -> Vec<Partition> {
        lock(&self.partitions).iter().map(|(partition, _)| partition.clone()).collect()
    }

    fn partition(&self, number: u16) -> Partition {
        lock(&self.partitions)[usize::from(number)].0.clone()
    }

    /// Where a partition was first read.
    fn first_read(&self, at: usize) -> Read {
        Read::from(lock(&self.partitions)[at].1)
    }

    /// How far has been read for good, for those who watch lag in the cluster.
    fn progress(&self) -> Vec<(Partition, i64)> {
        let read = lock(&self.committed).clone();
        self.partitions().into_iter().zip(read.into_iter().map(|read| read.offset)).collect()
    }

    /// The definitions of an epoch.
    fn version(&self, epoch: u64) -> Arc<Version> {
        version_at(&lock(&self.versions), epoch)
    }

    /// All definitions up to an epoch.
    fn versions_until(&self, epoch: u64) -> Vec<Definitions> {
        let versions = lock(&self.versions);
        let until = versions.iter().take_while(|(begin, _)| *begin <= epoch);
        until.map(|(_, version)| version.definitions.clone()).collect()
    }

    /// A worker has opened its partitions again.
    fn reopened(&self) {
        self.rereading.fetch_sub(1, Ordering::AcqRel);
    }

    /// Makes the run end once everything announced so far is safe.
    pub fn finish(&self) {
        self.finishing.store(true, Ordering::Release);
    }

    /// The announcements that a queue holds.
    fn take(&self, queue: usize) -> VecDeque<Announced> {
        std::mem::take(&mut *lock(&self.queues[queue]))
    }

    /// The publisher's queue.
    fn outlet(&self) -> usize {
        self.queues.len() - 1
    }

    fn in_flight(&self) -> u64 {
        self.announced.load(Ordering::Acquire) - self.settled.load(Ordering::Acquire)
    }

    /// So many epochs more are safe, all of them before this number.
    fn settle(&self, count: u64, before: u64) {
        self.schedule.over(before);
        self.settled.fetch_add(count, Ordering::AcqRel);
    }

    /// Whether entries of the log are still being repeated.
    fn is_replaying(&self) -> bool {
        lock(&self.sequencer).is_replaying()
    }

    /// Says how far a partition has been read.
    fn note_read(&self, partition: usize, read: Read) {
        lock(&self.readings)[partition] = read;
    }

    /// How many records have been read since the last epoch.
    fn read_since(&self) -> i64 {
        let read = |all: &[Read]| all.iter().map(|read| read.offset).sum::<i64>();
        let before = read(&lock(&self.sequencer).last().read);
        read(&lock(&self.readings)) - before
    }

    /// Announces the next epoch, if there is something for one and room for it. `checkpoint` is asked whether the epoch
    /// shall end with a checkpoint, and told its number.
    fn sequence(&self, at: Duration, checkpoint: impl FnOnce(u64, bool) -> bool) -> bool {
        let mut sequencer = lock(&self.sequencer);
        let busy = self.rereading.load(Ordering::Acquire) > 0;
        if busy || self.ended.load(Ordering::Acquire) || self.in_flight() >= self.bounds.epochs {
            return false;
        }
        let earliest = self.timers.iter().map(|timer| timer.load(Ordering::Acquire)).min();
        let earliest = earliest.unwrap_or(i64::MIN);
        let last = self.finishing.load(Ordering::Acquire) && !sequencer.is_replaying();
        let before = self.version(sequencer.last().number);
        let rereading = sequencer.is_rereading(&lock(&self.readings));
        if rereading && !sequencer.is_replaying() {
            self.note_holding(&sequencer, &lock(&self.readings).clone());
            return false;
        }
        if last {
            sequencer.stand_still();
        } else if !self.switch(&mut sequencer) {
            let readings = lock(&self.readings).clone();
            if sequencer.next(&readings, earliest).is_none() {
                self.note_holding(&sequencer, &readings);
                self.live.store(sequencer.is_live(), Ordering::Release);
                return false;
            }
        }
        let live = sequencer.is_live();
        self.live.store(live, Ordering::Release);
        let entry = Arc::new(sequencer.last().clone());
        let last = last || entry.number == self.ends_with.load(Ordering::Acquire);
        self.metrics.set_watermark(entry.span.end);
        self.metrics.epochs.add(1);
        let version = self.version(entry.number);
        if !Arc::ptr_eq(&version, &before) {
            self.rereading.store(self.arrivals.len(), Ordering::Release);
            sequencer.rewind();
            self.schedule.announce_plan(entry.number, version.plan.clone());
        }
        self.schedule.announce(entry.number, entry.span);
        self.watermark.store(entry.span.end, Ordering::Release);
        self.announced.fetch_add(1, Ordering::AcqRel);
        self.ended.store(last, Ordering::Release);
        let checkpoint = !sequencer.is_replaying() && checkpoint(entry.number, last);
        if checkpoint {
            *lock(&self.checkpoint) = Some(entry.clone());
        }
        for queue in &self.queues {
            let (entry, version) = (entry.clone(), version.clone());
            lock(queue).push_back(Announced { entry, version, at, live, checkpoint, last });
        }
        true
    }

    /// Announces an epoch for definitions that wait to take effect; false if there are none, or the log is being repeated.
    fn switch(&self, sequencer: &mut Sequencer) -> bool {
        if !self.logged.load(Ordering::Acquire) {
            return false;
        }
        let mut wanted = lock(&self.wanted);
        let version = if sequencer.is_replaying() { None } else { wanted.take() };
        let Some(version) = version else { return false };
        let begin = sequencer.stand_still().number;
        lock(&self.versions).push((begin, version));
        self.logged.store(false, Ordering::Release);
        true
    }

    /// Finds the partition that holds the next epoch up.
    fn note_holding(&self, sequencer: &Sequencer, readings: &[Read]) {
        let holding = match sequencer.wanted() {
            Some(wanted) => {
                let behind = |(wanted, read): (&Read, &Read)| wanted.offset > read.offset;
                wanted.iter().zip(readings).position(behind)
            }
            None => sequencer.holding(readings),
        };
        self.holding.store(holding.unwrap_or(usize::MAX), Ordering::Release);
    }

    /// Takes in partitions that are new: their lanes go to the workers that read them.
    fn add(&self, partitions: Vec<Partition>, lanes: Vec<Lane>) {
        let mut known = lock(&self.partitions);
        let mut readings = lock(&self.readings);
        for (partition, lane) in partitions.into_iter().zip(lanes) {
            let worker = known.len() % self.arrivals.len();
            readings.push(lane.read());
            known.push((partition, lane.read().offset));
            lock(&self.arrivals[worker]).push(lane);
        }
    }

    /// All places at the checkpoint under way, once.
    fn take_places(&self) -> Vec<Place> {
        let mut places = lock(&self.places);
        places
            .iter_mut()
            .map(|place| place.take().expect("every worker has told its places"))
            .collect()
    }
}
