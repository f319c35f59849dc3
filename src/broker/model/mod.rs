//! A cluster in memory, for tests and the simulator. In: records of producers and of the outside. Out: what readers of
//! committed records see, to every clone. It has transactions with markers that take offsets, fencing, retention, compaction
//! and planted faults, and knows no clock: everything that happens is a function of the calls.

mod cluster;
mod faults;
mod log;

pub use faults::{Call, CommitFault};
pub use log::Data;

use super::{
    Broker, BrokerError, Feed, Message, Partition, Producer, Record, Topic, murmur2::partition_of,
};
use cluster::Cluster;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A cluster that lives as long as its last clone.
#[derive(Clone, Debug, Default)]
pub struct Model(Arc<Mutex<Cluster>>);

/// A committed record, as tests read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub partition: i32,
    pub offset: i64,
    pub data: Data,
}

impl Model {
    /// Appends a record from outside, without a transaction; gives its partition and offset. `partition: None` lets the
    /// key choose, `timestamp: None` leaves it without one.
    ///
    /// # Panics
    /// If there is no such topic or partition.
    pub fn append(
        &self,
        topic: &str,
        partition: Option<i32>,
        timestamp: Option<i64>,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> (i32, i64) {
        let mut cluster = self.lock();
        let partition = cluster.choose(topic, partition, key).expect("an outside writer's topic");
        let data = Data {
            timestamp,
            key: key.map(<[u8]>::to_vec),
            payload: payload.map(<[u8]>::to_vec),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_string(), value.map(<[u8]>::to_vec)))
                .collect(),
        };
        let log = cluster.log(&partition).expect("it has just been chosen");
        (partition.number, log.append(data, None))
    }

    /// Every committed record of a topic that is still there, by partition and offset. Nothing if there is no such topic.
    pub fn committed(&self, topic: &str) -> Vec<Committed> {
        self.lock().committed(topic)
    }

    /// How far a group has said it has read.
    pub fn told(&self, group: &str) -> Vec<(Partition, i64)> {
        self.lock().told(group)
    }

    /// Retention: what is before the offset goes.
    ///
    /// # Panics
    /// If there is no such partition.
    pub fn truncate(&self, partition: &Partition, offset: i64) {
        self.lock().log(partition).expect("a partition to be cut").truncate(offset);
    }

    /// Compaction: of committed records with the same key the last one stays, the offsets of the others become gaps.
    ///
    /// # Panics
    /// If there is no such partition.
    pub fn compact(&self, partition: &Partition) {
        self.lock().log(partition).expect("a partition to be compacted").compact();
    }

    /// What records are stamped with that come without a time, in milliseconds since the Unix epoch; 0 at first.
    pub fn set_time(&self, now: i64) {
        self.lock().now = now;
    }

    /// The transaction timeout of a producer that is gone: what it left open is aborted, and it is shut out.
    pub fn time_out(&self, transactional_id: &str) {
        self.lock().time_out(transactional_id);
    }

    /// Commits so far, failed ones included.
    pub fn commits(&self) -> u64 {
        self.lock().faults.commits()
    }

    /// Makes a commit go wrong: the `nth` from now, from 1, of all producers. `None` takes a planted fault back.
    pub fn plant_commit(&self, fault: Option<(u64, CommitFault)>) {
        self.lock().faults.plant_commit(fault);
    }

    /// Makes calls fail with `Unavailable`: after `works` more that work, `fails` ones. `fails: 0` takes it back.
    pub fn plant(&self, call: Call, works: u64, fails: u64) {
        self.lock().faults.plant(call, works, fails);
    }

    /// A feed hands over at most so many records a poll. `None` for as many as there are.
    pub fn set_piece(&self, records: Option<usize>) {
        self.lock().faults.piece = records;
    }

    /// As real brokers do, `commit` answers before the markers are written, and they are written one partition after the
    /// other: each a number of calls (of any kind) later. 0, as it is at first, writes them before the answer.
    pub fn set_marker_lag(&self, calls: u64) {
        self.lock().marker_lag = calls;
    }

    /// From now on producers do not shut out earlier ones. No broker may do this; those who watch brokers must notice.
    pub fn stop_fencing(&self) {
        self.lock().faults.does_not_fence = true;
    }

    fn lock(&self) -> MutexGuard<'_, Cluster> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a call: time goes on by one, and a planted fault strikes.
    fn call(&self, call: Call) -> Result<MutexGuard<'_, Cluster>, BrokerError> {
        let mut cluster = self.lock();
        cluster.tick();
        cluster.faults.call(call)?;
        Ok(cluster)
    }
}

impl Broker for Model {
    fn partitions(&self, topic: &str) -> Result<Vec<i32>, BrokerError> {
        Ok((0..self.call(Call::Partitions)?.count(topic)).collect())
    }

    fn ensure(&self, topics: &[Topic]) -> Result<(), BrokerError> {
        self.call(Call::Ensure)?.ensure(topics)
    }

    fn starts(&self, partitions: &[Partition]) -> Result<Vec<i64>, BrokerError> {
        let mut cluster = self.call(Call::Starts)?;
        partitions.iter().map(|partition| Ok(cluster.log(partition)?.start())).collect()
    }

    fn ends(&self, partitions: &[Partition]) -> Result<Vec<i64>, BrokerError> {
        let mut cluster = self.call(Call::Ends)?;
        partitions.iter().map(|partition| Ok(cluster.log(partition)?.end())).collect()
    }

    fn feeds(
        &self,
        from: &[(Partition, i64)],
        headers: bool,
    ) -> Result<Vec<Box<dyn Feed>>, BrokerError> {
        let mut cluster = self.call(Call::Feeds)?;
        let mut feeds = Vec::with_capacity(from.len());
        for (partition, position) in from {
            cluster.log(partition)?;
            let feed = ModelFeed {
                model: self.clone(),
                partition: partition.clone(),
                position: *position,
                headers,
            };
            feeds.push(Box::new(feed) as Box<dyn Feed>);
        }
        Ok(feeds)
    }

    fn producer(&self, transactional_id: &str) -> Result<Box<dyn Producer>, BrokerError> {
        let number = self.call(Call::Producer)?.take_over(transactional_id);
        Ok(Box::new(ModelProducer {
            model: self.clone(),
            id: transactional_id.into(),
            number,
            failed: None,
        }))
    }

    fn tell_progress(&self, group: &str, read: &[(Partition, i64)]) -> Result<(), BrokerError> {
        self.call(Call::TellProgress)?.tell(group, read);
        Ok(())
    }
}

/// Records that are copied out of the log at a time, so that the cluster is not locked while they are taken.
const BATCH: usize = 256;

struct ModelFeed {
    model: Model,
    partition: Partition,
    position: i64,
    headers: bool,
}

impl ModelFeed {
    /// The next records, and the position after them.
    fn next(&self, count: usize, out: &mut Vec<(i64, Arc<Data>)>) -> Result<i64, BrokerError> {
        let mut cluster = self.model.lock();
        let log = cluster.log(&self.partition)?;
        if self.position < log.start() || self.position > log.end() {
            return Err(BrokerError::Gone {
                partition: self.partition.clone(),
                wanted: self.position,
                earliest: log.start(),
            });
        }
        Ok(log.read(self.position, count, out))
    }
}

impl Feed for ModelFeed {
    fn poll(
        &mut self,
        take: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<usize, BrokerError> {
        let piece = self.model.call(Call::Poll)?.faults.piece.unwrap_or(usize::MAX);
        let mut taken = 0;
        let mut batch = Vec::new();
        loop {
            let passed = match self.next(BATCH.min(piece - taken), &mut batch) {
                Ok(passed) => passed,
                // What has been taken has been taken; the next poll meets the error again.
                Err(_) if taken > 0 => return Ok(taken),
                Err(error) => return Err(error),
            };
            let last = batch.is_empty();
            for (offset, data) in batch.drain(..) {
                taken += 1;
                self.position = offset + 1;
                if hand_over(offset, &data, self.headers, take).is_break() {
                    return Ok(taken);
                }
            }
            self.position = passed;
            if last || taken == piece {
                return Ok(taken);
            }
        }
    }

    fn position(&self) -> i64 {
        self.position
    }
}

fn hand_over(
    offset: i64,
    data: &Data,
    with_headers: bool,
    take: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let headers: Vec<(&[u8], Option<&[u8]>)> = if with_headers {
        data.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref())).collect()
    } else {
        Vec::new()
    };
    take(Record {
        offset,
        timestamp: data.timestamp,
        key: data.key.as_deref(),
        payload: data.payload.as_deref(),
        headers: &headers,
    })
}

struct ModelProducer {
    model: Model,
    id: String,
    /// Which producer of the cluster it is.
    number: u64,
    /// The error that has used it up.
    failed: Option<BrokerError>,
}

impl ModelProducer {
    fn once_only(&mut self, result: Result<(), BrokerError>) -> Result<(), BrokerError> {
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    fn write(&self, message: Message<'_>) -> Result<(), BrokerError> {
        let mut cluster = self.model.call(Call::Send)?;
        cluster.check(&self.id, self.number)?;
        cluster.settle(&self.id);
        let partition = cluster.choose(message.topic, message.partition, message.key)?;
        let data = Data {
            timestamp: Some(message.timestamp.unwrap_or(cluster.now)),
            key: message.key.map(<[u8]>::to_vec),
            payload: message.payload.map(<[u8]>::to_vec),
            headers: message
                .headers
                .iter()
                .map(|(name, value)| ((*name).to_string(), Some(value.to_vec())))
                .collect(),
        };
        cluster.write(self.number, partition, data)
    }

    fn end(&self) -> Result<(), BrokerError> {
        let mut cluster = self.model.lock();
        cluster.tick();
        cluster.commit(&self.id, self.number)
    }
}

impl Producer for ModelProducer {
    fn send(&mut self, message: Message<'_>) -> Result<(), BrokerError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.write(message);
        self.once_only(result)
    }

    fn commit(&mut self) -> Result<(), BrokerError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.end();
        self.once_only(result)
    }
}
