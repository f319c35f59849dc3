//! One worker's part of reading: feeds → events in its stash, and from there into epochs as they are announced.
//!
//! The stash is the reorder buffer of a backlog: events lie in it by the step of event time in which they are taken in.

use super::{Announced, Shared, Version};
use crate::broker::{Broker, BrokerError, Feed, Partition, Record};
use crate::decode::adapter::NoEvent;
use crate::define::plan::Plan;
use crate::epoch::Timeline;
use crate::epoch::log::Read;
use crate::event::{Event, Origin, Reject};
use crate::metrics::heavy::Heavy;
use crate::person::watch::Watcher;
use crate::store::Place;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Records that one feed hands over in one turn.
const RECORDS_PER_TURN: usize = 512;

/// In a backlog, once a quarter of the room is taken, a partition is not read further ahead of the one that is behind most
/// than so many milliseconds. Before that there is room for all, and reading in long runs is what makes epochs large.
const AHEAD_MAX: i64 = 60_000;

/// Before partitions that could not be opened again are tried again.
const PATIENCE: Duration = Duration::from_millis(200);

/// Reads the records of one partition: what they say, as events.
pub type Reader = Box<dyn FnMut(Record<'_>, Origin) -> Result<Event, NoEvent> + Send>;

/// Makes the reader of a partition's records, for what a plan reads of them.
pub type Readers = Arc<dyn Fn(&Partition, &Plan) -> Reader + Send + Sync>;

/// Opens partitions for reading.
#[derive(Clone)]
pub(super) struct Opener {
    pub broker: Arc<dyn Broker>,
    pub readers: Readers,
    /// Whether any reader looks at the headers of records.
    pub headers: bool,
}

/// A partition with its number, and the place from which it is read.
pub(super) type Opening = (u16, Partition, Place);

impl Opener {
    /// Lanes from these places on, read as a plan wants it.
    pub(super) fn open(&self, from: &[Opening], plan: &Plan) -> Result<Vec<Lane>, BrokerError> {
        let offset = |(_, partition, place): &Opening| (partition.clone(), place.from.offset);
        let offsets: Vec<_> = from.iter().map(offset).collect();
        let feeds = self.broker.feeds(&offsets, self.headers)?;
        let lane = |((number, partition, place), feed): (&Opening, Box<dyn Feed>)| Lane {
            number: *number,
            plan: plan.version,
            feed,
            reader: (self.readers)(partition, plan),
            read: place.from,
            left: place.left.clone(),
            left_until: place.read,
            dry: false,
        };
        Ok(from.iter().zip(feeds).map(lane).collect())
    }
}

/// A partition on its way to the worker that reads it.
pub struct Lane {
    number: u16,
    /// [`Plan::version`] of the plan for which it is read.
    plan: u16,
    feed: Box<dyn Feed>,
    reader: Reader,
    /// How far it has been read.
    read: Read,
    /// What of a re-read range has not been given to an epoch yet, and where the range ends.
    left: Vec<i64>,
    left_until: i64,
    /// Whether the last turn found nothing.
    dry: bool,
}

impl Lane {
    /// How far it has been read.
    pub(super) fn read(&self) -> Read {
        self.read
    }
}

/// Something read and not given to an epoch yet.
struct Held {
    lane: u16,
    offset: i64,
    /// The highest time in its partition before it.
    high: i64,
    item: Result<Event, Reject>,
}

/// What an epoch gets from one worker.
#[derive(Default)]
pub(super) struct Share {
    pub events: Vec<Event>,
    pub rejects: Vec<Reject>,
}

/// One worker's lanes and stash.
pub(super) struct Ingest {
    shared: Arc<Shared>,
    timeline: Timeline,
    worker: usize,
    lanes: Vec<Lane>,
    opener: Opener,
    version: Arc<Version>,
    /// Lanes that have to be opened again because the plan is another one, and whether the sequencer waits for that.
    reopening: Vec<Opening>,
    awaited: bool,
    stash: BTreeMap<i64, Vec<Held>>,
    stashed: usize,
    heavy: Heavy,
    /// Who asks why, and leaves out what does not concern the answer.
    pub watch: Option<Arc<Watcher>>,
}

impl Ingest {
    pub(super) fn new(
        shared: Arc<Shared>,
        timeline: Timeline,
        worker: usize,
        opener: Opener,
        version: Arc<Version>,
    ) -> Ingest {
        let heavy = Heavy::new(shared.bounds.heavy_per_minute);
        Ingest {
            shared,
            timeline,
            worker,
            lanes: Vec::new(),
            opener,
            version,
            reopening: Vec::new(),
            awaited: false,
            stash: BTreeMap::new(),
            stashed: 0,
            heavy,
            watch: None,
        }
    }

    /// Reads what there is and what there is room for; tells whether there was anything.
    ///
    /// # Errors
    /// A partition cannot be read.
    pub(super) fn read(&mut self) -> Result<bool, BrokerError> {
        self.welcome();
        self.reopen()?;
        let holding = self.shared.holding.load(Ordering::Acquire);
        let live = self.shared.live.load(Ordering::Acquire);
        // The partition that is behind most comes first. A dry one holds nobody back.
        self.lanes.sort_by_key(|lane| (lane.read.high, lane.number));
        let behind = self.lanes.iter().find(|lane| !lane.dry).map_or(i64::MAX, |it| it.read.high);
        // Only the partition that holds the next epoch up is read beyond what there is room for.
        let room = self.shared.bounds.events / self.shared.arrivals.len();
        let mut any = false;
        for at in 0..self.lanes.len() {
            let lane = &self.lanes[at];
            let ahead = !live
                && self.stashed > room / 4
                && lane.read.high > behind.saturating_add(AHEAD_MAX);
            let wanted = holding == usize::from(lane.number);
            if wanted || (self.stashed < room && !ahead) {
                any |= self.read_lane(at)?;
            }
        }
        Ok(any)
    }

    /// Takes in lanes that have come to this worker. One that was opened for another plan is opened again.
    fn welcome(&mut self) {
        for lane in super::lock(&self.shared.arrivals[self.worker]).drain(..) {
            if lane.plan == self.version.plan.version {
                self.lanes.push(lane);
            } else {
                let partition = self.shared.partition(lane.number);
                let Lane { number, read: from, left, left_until: read, .. } = lane;
                self.reopening.push((number, partition, Place { from, read, left }));
            }
        }
    }

    /// Opens what has to be opened again; while the broker cannot be reached, later.
    fn reopen(&mut self) -> Result<(), BrokerError> {
        if self.reopening.is_empty() && !self.awaited {
            return Ok(());
        }
        match self.opener.open(&self.reopening, &self.version.plan) {
            Ok(lanes) => {
                for lane in lanes {
                    self.shared.note_read(usize::from(lane.number), lane.read);
                    self.lanes.push(lane);
                }
                self.reopening.clear();
                if std::mem::take(&mut self.awaited) {
                    self.shared.reopened();
                }
                Ok(())
            }
            Err(error @ BrokerError::Unavailable { .. }) => {
                tracing::warn!(%error, "partitions cannot be opened again; trying again");
                std::thread::sleep(PATIENCE);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Another plan reads other things of events: what has been read beyond an epoch is read again.
    fn follow(&mut self, version: &Arc<Version>, read: &[Read]) {
        let places = self.places(read);
        for lane in std::mem::take(&mut self.lanes) {
            let at = usize::from(lane.number);
            let place = match places.get(&lane.number) {
                Some(place) => place.clone(),
                // It has just arrived, and no epoch has anything of it.
                None => Place::at(self.shared.first_read(at)),
            };
            self.reopening.push((lane.number, self.shared.partition(lane.number), place));
        }
        self.stash.clear();
        self.stashed = 0;
        self.version = version.clone();
        self.awaited = true;
    }

    fn read_lane(&mut self, at: usize) -> Result<bool, BrokerError> {
        let lane = &mut self.lanes[at];
        let timeline = self.timeline;
        let (number, mut read) = (lane.number, lane.read);
        let (reader, left, left_until) = (&mut lane.reader, &lane.left, lane.left_until);
        let (stash, stashed) = (&mut self.stash, &mut self.stashed);
        let (heavy, metrics) = (&mut self.heavy, &*self.shared.metrics);
        let watch = self.watch.as_deref();
        let (mut count, mut bytes) = (0, 0);
        let taken = lane.feed.poll(&mut |record| {
            let offset = record.offset;
            // Offsets count from 0; position 0 is nowhere.
            let origin = Origin { source: number, position: offset as u64 + 1 };
            let high = read.high;
            bytes += record.payload.map_or(0, <[u8]>::len);
            let item = match reader(record, origin) {
                Ok(event) => Some(Ok(event)),
                Err(NoEvent::Rejected(reject)) => Some(Err(reject)),
                Err(NoEvent::Tombstone | NoEvent::PassedOver | NoEvent::Ignored) => None,
            };
            if let Some(mut item) = item {
                let earliest = timeline.floor(high.saturating_sub(timeline.slack));
                let time = match &mut item {
                    Ok(event) => {
                        if let Some(watch) = watch {
                            watch.keep_name(event, record.payload.unwrap_or_default());
                        }
                        event.taken = event.time.max(earliest);
                        let weight = heavy.feed(event.hash, event.time);
                        metrics.heavy(weight, || event.leaf.clone());
                        read.high = high.max(event.time);
                        event.taken
                    }
                    Err(_) => earliest,
                };
                if offset >= left_until || left.binary_search(&offset).is_ok() {
                    let step = time.div_euclid(timeline.step);
                    stash.entry(step).or_default().push(Held { lane: number, offset, high, item });
                    *stashed += 1;
                }
            }
            read.offset = offset + 1;
            count += 1;
            if count < RECORDS_PER_TURN {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        read.offset = read.offset.max(lane.feed.position());
        let counters = &self.shared.metrics.workers[self.worker];
        counters.events_read.add(taken as u64);
        counters.bytes_read.add(bytes as u64);
        lane.dry = taken == 0;
        if read != lane.read {
            lane.read = read;
            self.shared.note_read(usize::from(number), read);
        }
        Ok(taken > 0)
    }

    /// What an announced epoch gets from this worker.
    pub(super) fn share(&mut self, announced: &Announced) -> Share {
        let entry = &announced.entry;
        self.welcome();
        let mut share = Share::default();
        let mut kept = Vec::new();
        let watch = self.watch.as_deref();
        let is_taken = |event: &Event| {
            watch.is_none_or(|watch| watch.takes(event, entry.number, entry.span.begin))
        };
        let reach = |lane: u16| entry.read.get(usize::from(lane)).map_or(i64::MIN, |it| it.offset);
        // Nothing that it has read is taken in later; what was read ahead, while the log is repeated, may be much.
        let high = entry.read.iter().map(|read| read.high).max().unwrap_or(i64::MIN);
        while let Some(first) = self.stash.first_entry() {
            let begins = first.key().saturating_mul(self.timeline.step);
            if begins > high || entry.backlog && begins >= entry.span.end {
                break;
            }
            let (step, held) = first.remove_entry();
            for held in held {
                if held.offset >= reach(held.lane) {
                    kept.push((step, held));
                    continue;
                }
                self.stashed -= 1;
                match held.item {
                    Ok(event) if is_taken(&event) => share.events.push(event),
                    Ok(_) => {}
                    Err(reject) => share.rejects.push(reject),
                }
            }
        }
        for (step, held) in kept {
            self.stash.entry(step).or_default().push(held);
        }
        if announced.checkpoint {
            self.tell_places(&entry.read);
        }
        if !Arc::ptr_eq(&announced.version, &self.version) {
            self.follow(&announced.version, &entry.read);
        }
        share
    }

    /// Says where each lane has to be read on from after an epoch.
    fn tell_places(&self, read: &[Read]) {
        let told = self.places(read);
        let mut places = super::lock(&self.shared.places);
        places.resize(read.len(), None);
        for (number, place) in told {
            places[usize::from(number)] = Some(place);
        }
    }

    /// Where each lane has to be read on from after an epoch. A lane that has just arrived is not in the entry yet.
    fn places(&self, read: &[Read]) -> BTreeMap<u16, Place> {
        let mut left: BTreeMap<u16, Vec<(i64, i64)>> = BTreeMap::new();
        for held in self.stash.values().flatten() {
            let reach = read.get(usize::from(held.lane));
            if reach.is_some_and(|reach| held.offset < reach.offset) {
                left.entry(held.lane).or_default().push((held.offset, held.high));
            }
        }
        let known = self.lanes.iter().filter(|lane| usize::from(lane.number) < read.len());
        let place = |lane: &Lane| {
            let read = read[usize::from(lane.number)];
            let mut left = left.remove(&lane.number).unwrap_or_default();
            left.sort_unstable();
            let from = left.first().map_or(read, |&(offset, high)| Read { offset, high });
            let left = left.into_iter().map(|(offset, _)| offset).collect();
            (lane.number, Place { from, read: read.offset, left })
        };
        known.map(place).collect()
    }
}
