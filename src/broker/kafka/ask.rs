//! Questions to the cluster: which partitions a topic has, where they begin and end; and topics that are made. Each waits
//! for its answer, a bounded time.

use super::context::Context;
use super::failure::{by_code, explain, passes, unknown};
use super::{ANSWER, list};
use crate::broker::{BrokerError, Partition, Topic};
use crate::time::clock::Clock;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::metadata::MetadataPartition;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode as Code;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

/// How long a topic or partition may be unknown that is asked for: one that has just been made is not known everywhere.
const LEARNT: Duration = Duration::from_secs(1);

/// How long brokers may take to show a topic that has been made. A cluster with much to do shows it late, and there is
/// nothing to begin with before.
const SHOWN: Duration = Duration::from_secs(30);

/// Before a question is asked again whose answer was that the cluster does not know yet.
const AGAIN: Duration = Duration::from_millis(20);

/// The numbers of a topic's partitions, ascending; empty if there is no such topic.
pub(super) fn partitions(
    asker: &BaseConsumer<Context>,
    topic: &str,
) -> Result<Vec<i32>, BrokerError> {
    serve(asker);
    let doing = || format!("ask for the partitions of {topic}");
    let found =
        asker.fetch_metadata(Some(topic), ANSWER).map_err(|error| explain(&doing(), &error))?;
    let Some(found) = found.topics().iter().find(|found| found.name() == topic) else {
        return Ok(Vec::new());
    };
    match found.error().map(Code::from) {
        None => {}
        Some(code) if unknown(code) => return Ok(Vec::new()),
        Some(code) => return Err(by_code(&doing(), code, &code.to_string())),
    }
    let mut numbers: Vec<i32> = found.partitions().iter().map(MetadataPartition::id).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The first (`Offset::Beginning`) or the next (`Offset::End`) offset of each partition: one request to each leader, in
/// which librdkafka takes the two as ListOffsets' special timestamps.
pub(super) fn offsets(
    asker: &BaseConsumer<Context>,
    clock: &dyn Clock,
    partitions: &[Partition],
    which: Offset,
) -> Result<Vec<i64>, BrokerError> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    serve(asker);
    let asked = list(partitions.iter().map(|partition| (partition, which)))?;
    let begun = clock.now();
    let until = begun + ANSWER;
    loop {
        let left = until.saturating_sub(clock.now());
        let error = match asker.offsets_for_times(asked.clone(), left) {
            Ok(answer) => match read(&answer, partitions) {
                Ok(offsets) => return Ok(offsets),
                Err(error) => error,
            },
            Err(error) => error,
        };
        let last = match error.rdkafka_error_code() {
            Some(code) if unknown(code) => begun + LEARNT,
            Some(code) if passes(code) => until,
            _ => begun,
        };
        if clock.now() + AGAIN >= last {
            return Err(explain("ask for offsets", &error));
        }
        std::thread::sleep(AGAIN);
    }
}

fn read(answer: &TopicPartitionList, partitions: &[Partition]) -> Result<Vec<i64>, KafkaError> {
    let elements = answer.elements();
    let mut offsets = Vec::with_capacity(partitions.len());
    for (element, partition) in elements.iter().zip(partitions) {
        assert!(
            element.topic() == partition.topic && element.partition() == partition.number,
            "librdkafka answers in the order in which it was asked"
        );
        element.error()?;
        match element.offset() {
            Offset::Offset(offset) if offset >= 0 => offsets.push(offset),
            // No answer for this one: its leader was not asked.
            _ => return Err(KafkaError::OffsetFetch(Code::LeaderNotAvailable)),
        }
    }
    Ok(offsets)
}

/// Makes topics; one that another has made meanwhile is as good.
pub(super) fn make(admin: &AdminClient<Context>, topics: &[&Topic]) -> Result<(), BrokerError> {
    let wanted: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|topic| NewTopic {
            name: &topic.name,
            num_partitions: topic.partitions,
            replication: TopicReplication::Fixed(topic.replication),
            config: topic.settings.iter().map(|(key, value)| (&**key, &**value)).collect(),
        })
        .collect();
    let options = AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER));
    let made = wait(admin.create_topics(&wanted, &options))
        .map_err(|error| explain("make topics", &error))?;
    for topic in made {
        match topic {
            Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                return Err(by_code(&format!("make topic {name}"), code, &code.to_string()));
            }
        }
    }
    Ok(())
}

/// Waits until the brokers know topics that have just been made.
pub(super) fn until_there(
    asker: &BaseConsumer<Context>,
    clock: &dyn Clock,
    topics: &[&Topic],
) -> Result<(), BrokerError> {
    let until = clock.now() + SHOWN;
    for topic in topics {
        while partitions(asker, &topic.name)?.is_empty() {
            if clock.now() >= until {
                return Err(BrokerError::Unavailable {
                    doing: format!("make topic {}", topic.name),
                    message: "it has been made, but the brokers do not show it".into(),
                });
            }
            std::thread::sleep(AGAIN);
        }
    }
    Ok(())
}

/// Lets librdkafka say what it has to say (log lines, lost connections), so that it does not pile up.
fn serve(asker: &BaseConsumer<Context>) {
    while asker.poll(Duration::ZERO).is_some() {}
}

/// Waits for an answer that comes from another thread.
fn wait<T>(answer: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut answer = std::pin::pin!(answer);
    loop {
        match answer.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => std::thread::park(),
        }
    }
}
