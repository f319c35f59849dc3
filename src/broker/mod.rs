//! Kafka as a port: partitions that are read, and transactions that are written. Two sides, held to the same contract
//! tests: `kafka` (the real one, over `rdkafka`) and `model` (in memory, with transactions, fencing and planted faults).
//!
//! What is here is all that Kairos wants of a broker. Whatever is asynchronous, batched or retried inside a client stays
//! behind it.

pub mod kafka;
pub mod kafka_plain;
pub mod model;
pub mod murmur2;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Partition {
    pub topic: CompactString,
    pub number: i32,
}

impl std::fmt::Display for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}]", self.topic, self.number)
    }
}

/// A record as it is read.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub offset: i64,
    /// Milliseconds since the Unix epoch; `None` if the topic keeps none.
    pub timestamp: Option<i64>,
    pub key: Option<&'a [u8]>,
    /// `None` is a tombstone.
    pub payload: Option<&'a [u8]>,
    /// Names and values of its headers, in their order; empty where nobody asked for them. Names are mostly UTF-8, but nobody
    /// makes sure of it.
    pub headers: &'a [(&'a [u8], Option<&'a [u8]>)],
}

/// A record to be written.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub topic: &'a str,
    /// `None` lets the key choose, as Java's producers do (murmur2).
    pub partition: Option<i32>,
    /// Milliseconds since the Unix epoch; `None` for the time of writing.
    pub timestamp: Option<i64>,
    pub key: Option<&'a [u8]>,
    /// `None` is a tombstone.
    pub payload: Option<&'a [u8]>,
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// A topic that is made if it is not there.
#[derive(Clone, Debug)]
pub struct Topic {
    pub name: String,
    pub partitions: i32,
    /// `-1` takes the broker's default.
    pub replication: i32,
    /// Settings such as `cleanup.policy`.
    pub settings: Vec<(String, String)>,
}

/// A cluster.
///
/// # Contract
/// 1. `ends` asks the broker, not a cache: what was written (also in transactions that are still open) before the call
///    began is before the offsets that it gives.
/// 2. A producer that was made later under the same transactional id shuts out the earlier one: from the moment `producer`
///    returns, nothing that the earlier one has not committed will ever be seen, what it has committed is decided for
///    readers, and its next commit of a transaction gives [`BrokerError::Fenced`] (a `send` before it may not know yet).
pub trait Broker: Send + Sync {
    /// The numbers of a topic's partitions, ascending; empty if there is no such topic.
    ///
    /// # Errors
    /// The cluster cannot be asked.
    fn partitions(&self, topic: &str) -> Result<Vec<i32>, BrokerError>;

    /// Makes the topics that are not there yet.
    ///
    /// # Errors
    /// A topic that cannot be made.
    fn ensure(&self, topics: &[Topic]) -> Result<(), BrokerError>;

    /// The earliest offset of each partition that can still be read.
    ///
    /// # Errors
    /// The cluster cannot be asked.
    fn starts(&self, partitions: &[Partition]) -> Result<Vec<i64>, BrokerError>;

    /// The offset after the last record of each partition, those of open transactions included.
    ///
    /// # Errors
    /// The cluster cannot be asked.
    fn ends(&self, partitions: &[Partition]) -> Result<Vec<i64>, BrokerError>;

    /// Readers of committed records, one for each partition, each from an offset on. They may be used on different threads.
    /// `headers` says whether records come with theirs.
    ///
    /// # Errors
    /// The cluster cannot be asked.
    fn feeds(
        &self,
        from: &[(Partition, i64)],
        headers: bool,
    ) -> Result<Vec<Box<dyn Feed>>, BrokerError>;

    /// A producer for transactions under this id. Shuts out every earlier one under the same id, and aborts what that has
    /// left open.
    ///
    /// # Errors
    /// The cluster cannot be asked.
    fn producer(&self, transactional_id: &str) -> Result<Box<dyn Producer>, BrokerError>;

    /// Tells the cluster, for those who watch lag there, how far a group has read. Nothing is ever read from it.
    ///
    /// # Errors
    /// The cluster cannot be asked.
    fn tell_progress(&self, group: &str, read: &[(Partition, i64)]) -> Result<(), BrokerError>;
}

/// Reads one partition.
///
/// # Contract
/// 1. Records come in the order of their offsets, each once; those of aborted transactions do not come, those of open ones
///    not yet. Offsets have gaps.
/// 2. After everything before `ends` is decided and `poll` gives nothing more, `position` reaches it, also where the last
///    records were no records of ours (markers of transactions, aborted ones).
pub trait Feed: Send {
    /// Hands over the records that are there, without waiting, until `take` breaks or there are no more. The record with
    /// which it breaks has been taken. Gives how many were taken.
    ///
    /// # Errors
    /// The partition cannot be read; [`BrokerError::Gone`] if its offset is not there any more.
    fn poll(
        &mut self,
        take: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<usize, BrokerError>;

    /// The offset before which everything has been handed over or is nothing for us.
    fn position(&self) -> i64;
}

/// Writes transactions, one after the other.
///
/// # Contract
/// 1. What was sent since the last commit becomes visible to readers of committed records with `commit`, or never: in one
///    partition all at once; in several soon after `commit` has answered, but not in all at the same instant.
/// 2. `commit` that gives `Ok` has committed. After any error but [`BrokerError::Fenced`] it is not known whether it has, the
///    producer is used up, and the next one under the same id makes it known (see [`Broker::producer`]).
/// 3. The first `send` after a commit begins a transaction; without one, `commit` does nothing.
pub trait Producer: Send {
    /// Takes a record into the open transaction. Waits while the client's buffer is full.
    ///
    /// # Errors
    /// As for [`Producer::commit`].
    fn send(&mut self, message: Message<'_>) -> Result<(), BrokerError>;

    /// # Errors
    /// The transaction may not have been committed.
    fn commit(&mut self) -> Result<(), BrokerError>;
}

/// What goes wrong with a broker.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BrokerError {
    /// Another producer has been made under the same transactional id, or the cluster has given up a transaction that was
    /// open for longer than it allows: the two look the same.
    #[error("another instance with the same name has taken over")]
    Fenced,
    /// The offset is not there any more.
    #[error(
        "{partition} has no offset {wanted} any more: it begins at {earliest}; the topic kept it for too short a time"
    )]
    Gone { partition: Partition, wanted: i64, earliest: i64 },
    /// The broker cannot be reached, or does not answer in time; what was under way may or may not have happened.
    #[error("{doing}: {message}")]
    Unavailable { doing: String, message: String },
    /// Trying again would not help: no permission, no such topic, a message too large, a wrong setting.
    #[error("{doing}: {message}")]
    Refused { doing: String, message: String },
}
