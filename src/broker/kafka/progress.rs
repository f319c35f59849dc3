//! How far groups have read, told to those who watch lag. In: offsets. Out: commits of groups that nobody has joined. It
//! never waits for an answer: a failure is told by the next call.

use super::context::Context;
use super::failure::explain;
use super::{connect, list};
use crate::broker::{BrokerError, Partition};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::topic_partition_list::Offset;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A client for each group, made when it is first told of.
#[derive(Default)]
pub(super) struct Groups(Mutex<BTreeMap<String, BaseConsumer<Context>>>);

impl Groups {
    pub(super) fn tell(
        &self,
        properties: &[(String, String)],
        group: &str,
        read: &[(Partition, i64)],
    ) -> Result<(), BrokerError> {
        if read.is_empty() {
            return Ok(());
        }
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !groups.contains_key(group) {
            let fixed = [("group.id", group), ("enable.auto.commit", "false")];
            groups.insert(group.into(), connect(properties, &[], &fixed)?);
        }
        let consumer = &groups[group];
        while consumer.poll(Duration::ZERO).is_some() {}
        let doing = format!("tell how far {group} has read");
        let read =
            list(read.iter().map(|(partition, offset)| (partition, Offset::Offset(*offset))))?;
        let earlier = consumer.context().take_failure();
        consumer.commit(&read, CommitMode::Async).map_err(|error| explain(&doing, &error))?;
        earlier.map_or(Ok(()), |error| Err(explain(&doing, &error)))
    }
}
