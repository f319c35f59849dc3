//! What the cluster holds under its lock: topics, producers, open transactions. It is the coordinator of transactions: it
//! knows which producer is the last one under its id, and writes the markers.

use super::faults::{CommitFault, Faults, lost};
use super::log::{Data, Fate, Log};
use super::{BrokerError, Committed, Partition, Topic, partition_of};
use compact_str::CompactString;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
struct Logs {
    partitions: Vec<Log>,
    /// The partition of the next record without a key.
    next: usize,
}

/// A transaction under way.
#[derive(Debug)]
struct Open {
    transaction: u64,
    /// Where it has written, in the order of first records.
    partitions: Vec<Partition>,
}

/// A marker of a commit that has been answered but is not written yet.
#[derive(Debug)]
struct Marker {
    due: u64,
    id: String,
    transaction: u64,
    partition: Partition,
}

#[derive(Debug, Default)]
pub(super) struct Cluster {
    topics: BTreeMap<CompactString, Logs>,
    /// The last producer under each transactional id.
    producers: BTreeMap<String, u64>,
    /// By producer.
    open: BTreeMap<u64, Open>,
    markers: Vec<Marker>,
    told: BTreeMap<String, BTreeMap<Partition, i64>>,
    /// Counts producers and transactions.
    count: u64,
    calls: u64,
    pub(super) now: i64,
    pub(super) marker_lag: u64,
    pub(super) faults: Faults,
}

impl Cluster {
    /// A call has begun: markers that are due are written.
    pub(super) fn tick(&mut self) {
        self.calls += 1;
        let calls = self.calls;
        self.write_markers(|marker| marker.due <= calls);
    }

    /// Writes the markers that are left of an id's transactions.
    pub(super) fn settle(&mut self, id: &str) {
        self.write_markers(|marker| marker.id == id);
    }

    fn write_markers(&mut self, which: impl Fn(&Marker) -> bool) {
        let (now, later) = std::mem::take(&mut self.markers).into_iter().partition(which);
        self.markers = later;
        let now: Vec<Marker> = now;
        for marker in now {
            self.decide(&marker.partition, marker.transaction, Fate::Committed);
        }
    }

    fn decide(&mut self, partition: &Partition, transaction: u64, fate: Fate) {
        self.log(partition).expect("topics stay").decide(transaction, fate);
    }

    /// How many partitions a topic has; 0 if there is none.
    pub(super) fn count(&self, topic: &str) -> i32 {
        self.topics.get(topic).map_or(0, |logs| number(logs.partitions.len()))
    }

    pub(super) fn ensure(&mut self, topics: &[Topic]) -> Result<(), BrokerError> {
        for topic in topics {
            if topic.partitions < 1 || topic.name.is_empty() {
                return Err(BrokerError::Refused {
                    doing: format!("make topic {:?}", topic.name),
                    message: format!("{} partitions", topic.partitions),
                });
            }
            self.topics.entry(topic.name.as_str().into()).or_insert_with(|| Logs {
                partitions: (0..topic.partitions).map(|_| Log::default()).collect(),
                next: 0,
            });
        }
        Ok(())
    }

    pub(super) fn log(&mut self, partition: &Partition) -> Result<&mut Log, BrokerError> {
        usize::try_from(partition.number)
            .ok()
            .and_then(|at| self.topics.get_mut(&partition.topic)?.partitions.get_mut(at))
            .ok_or_else(|| unknown(&partition.topic, Some(partition.number)))
    }

    /// The partition of a record.
    pub(super) fn choose(
        &mut self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&[u8]>,
    ) -> Result<Partition, BrokerError> {
        let logs = self.topics.get_mut(topic).ok_or_else(|| unknown(topic, None))?;
        let partitions = number(logs.partitions.len());
        let number = match (partition, key) {
            (Some(number), _) if (0..partitions).contains(&number) => number,
            (Some(number), _) => return Err(unknown(topic, Some(number))),
            (None, Some(key)) => partition_of(key, partitions),
            (None, None) => {
                logs.next += 1;
                number((logs.next - 1) % logs.partitions.len())
            }
        };
        Ok(Partition { topic: topic.into(), number })
    }

    /// Makes a producer the last one under its id; gives its number.
    pub(super) fn take_over(&mut self, id: &str) -> u64 {
        self.settle(id);
        if self.faults.does_not_fence {
            self.count += 1;
            return self.count;
        }
        self.time_out(id);
        self.producers[id]
    }

    /// Aborts what the last producer under an id has left open, and shuts it out.
    pub(super) fn time_out(&mut self, id: &str) {
        self.count += 1;
        let Some(earlier) = self.producers.insert(id.to_string(), self.count) else { return };
        if let Some(open) = self.open.remove(&earlier) {
            for partition in &open.partitions {
                self.decide(partition, open.transaction, Fate::Aborted);
            }
        }
    }

    /// Whether a producer is still the last one under its id.
    pub(super) fn check(&self, id: &str, number: u64) -> Result<(), BrokerError> {
        if self.faults.does_not_fence || self.producers.get(id) == Some(&number) {
            Ok(())
        } else {
            Err(BrokerError::Fenced)
        }
    }

    pub(super) fn write(
        &mut self,
        producer: u64,
        partition: Partition,
        data: Data,
    ) -> Result<(), BrokerError> {
        let count = &mut self.count;
        let open = self.open.entry(producer).or_insert_with(|| {
            *count += 1;
            Open { transaction: *count, partitions: Vec::new() }
        });
        let transaction = open.transaction;
        if !open.partitions.contains(&partition) {
            open.partitions.push(partition.clone());
        }
        self.log(&partition)?.append(data, Some(transaction));
        Ok(())
    }

    pub(super) fn commit(&mut self, id: &str, producer: u64) -> Result<(), BrokerError> {
        // A producer that has sent nothing asks nobody: it does not learn that it has been shut out.
        if !self.open.contains_key(&producer) && self.producers.get(id) == Some(&producer) {
            return Ok(());
        }
        self.check(id, producer)?;
        let fault = self.faults.commit();
        if fault == Some(CommitFault::Before) {
            return Err(lost("commit"));
        }
        let Some(open) = self.open.remove(&producer) else { return Ok(()) };
        if fault == Some(CommitFault::LosesRecord) {
            let last = open.partitions.last().expect("it began with a record");
            self.log(last)?.lose(open.transaction);
        }
        for (at, partition) in (1..).zip(open.partitions) {
            self.markers.push(Marker {
                due: self.calls + at * self.marker_lag,
                id: id.to_string(),
                transaction: open.transaction,
                partition,
            });
        }
        if self.marker_lag == 0 {
            self.settle(id);
        }
        if fault == Some(CommitFault::After) { Err(lost("commit")) } else { Ok(()) }
    }

    pub(super) fn tell(&mut self, group: &str, read: &[(Partition, i64)]) {
        self.told.entry(group.to_string()).or_default().extend(read.iter().cloned());
    }

    pub(super) fn told(&self, group: &str) -> Vec<(Partition, i64)> {
        let told = self.told.get(group).into_iter().flatten();
        told.map(|(partition, offset)| (partition.clone(), *offset)).collect()
    }

    pub(super) fn committed(&self, topic: &str) -> Vec<Committed> {
        let mut found = Vec::new();
        let logs = self.topics.get(topic).map_or(&[][..], |logs| &logs.partitions);
        for (partition, log) in (0..).zip(logs) {
            let pending =
                |transaction| self.markers.iter().any(|marker| marker.transaction == transaction);
            found.extend(log.committed(pending).map(|(offset, data)| Committed {
                partition,
                offset,
                data: data.clone(),
            }));
        }
        found
    }
}

fn number(count: usize) -> i32 {
    i32::try_from(count).expect("topics have few partitions")
}

fn unknown(topic: &str, partition: Option<i32>) -> BrokerError {
    let message = match partition {
        Some(number) => format!("there is no partition {number}"),
        None => "there is no such topic".into(),
    };
    BrokerError::Refused { doing: format!("use topic {topic}"), message }
}
