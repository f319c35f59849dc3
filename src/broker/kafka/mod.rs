//! A real cluster, over `rdkafka`. In: librdkafka's properties. Out: the port. What librdkafka does in threads of its own
//! (connections, batches, retries) stays behind it; nothing here knows what the records mean.
//!
//! A timestamp of exactly 0 is, for librdkafka, none: the record gets the time of writing.

mod ask;
mod context;
mod failure;
mod feed;
mod native;
mod producer;
mod progress;
mod token;

use super::{Broker, BrokerError, Feed, Partition, Producer, Topic};
use crate::time::clock::System;
use context::Context;
use failure::explain;
use rdkafka::admin::AdminClient;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::BaseConsumer;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::Duration;

/// How long a cluster may take to answer a question before it counts as unavailable.
const ANSWER: Duration = Duration::from_secs(5);

/// How long the coordinator of transactions may take to shut out the earlier producer: it waits for that one's markers.
const TAKE_OVER: Duration = Duration::from_secs(30);

/// Bytes that all feeds of one call hold, unless it is told otherwise.
const BUFFER: usize = 16 << 20;

/// Bytes below which a partition's buffer does not get smaller, however many partitions share.
const BUFFER_MIN: usize = 256 << 10;

/// A cluster, and how its clients are set up.
pub struct Kafka {
    properties: Vec<(String, String)>,
    buffer: usize,
    /// Answers questions about offsets and topics. It reads nothing, and sees open transactions.
    asker: BaseConsumer<Context>,
    groups: progress::Groups,
    clock: Arc<System>,
}

impl Kafka {
    /// A cluster by librdkafka's properties, which hold for all clients: `bootstrap.servers`, `security.protocol`,
    /// `sasl.*`, `ssl.*` and whatever else; they win over the defaults here, except where the port's contract depends on
    /// a setting. `sasl.oauthbearer.config` is the path of a file with the token of an OAUTHBEARER login. Connects in the
    /// background.
    ///
    /// # Errors
    /// A property that librdkafka does not take, no `bootstrap.servers`, or no token where there should be one.
    pub fn new(properties: &[(String, String)]) -> Result<Kafka, BrokerError> {
        if !properties.iter().any(|(key, _)| key == "bootstrap.servers") {
            return Err(BrokerError::Refused {
                doing: "set up Kafka".into(),
                message: "bootstrap.servers is missing".into(),
            });
        }
        if let Some((_, path)) = properties.iter().find(|(key, _)| key == token::FILE) {
            token::read(Some(path)).map_err(no_token)?;
        }
        let asker = connect(
            properties,
            &[("socket.timeout.ms", "10000")],
            &[("isolation.level", "read_uncommitted")],
        )?;
        Ok(Kafka {
            properties: properties.to_vec(),
            buffer: BUFFER,
            asker,
            groups: progress::Groups::default(),
            clock: Arc::new(System::new()),
        })
    }

    /// Sets how many bytes the feeds of one `feeds` call may hold together; 16 MiB if it is not set. A partition's share
    /// is never less than 256 KiB.
    #[must_use]
    pub fn buffering(mut self, bytes: usize) -> Kafka {
        self.buffer = bytes;
        self
    }

    /// A client that makes topics.
    fn admin(&self) -> Result<AdminClient<Context>, BrokerError> {
        let admin: AdminClient<Context> = connect(&self.properties, &[], &[])?;
        if let Some((_, path)) = self.properties.iter().find(|(key, _)| key == token::FILE) {
            let token = token::read(Some(path)).map_err(no_token)?;
            native::give_token(admin.inner(), token).map_err(no_token)?;
        }
        Ok(admin)
    }
}

impl Broker for Kafka {
    fn partitions(&self, topic: &str) -> Result<Vec<i32>, BrokerError> {
        ask::partitions(&self.asker, topic)
    }

    fn ensure(&self, topics: &[Topic]) -> Result<(), BrokerError> {
        let mut missing = Vec::new();
        for topic in topics {
            if self.partitions(&topic.name)?.is_empty() {
                missing.push(topic);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let admin = self.admin()?;
        ask::make(&admin, &missing)?;
        ask::until_there(&self.asker, &*self.clock, &missing)
    }

    fn starts(&self, partitions: &[Partition]) -> Result<Vec<i64>, BrokerError> {
        ask::offsets(&self.asker, &*self.clock, partitions, Offset::Beginning)
    }

    fn ends(&self, partitions: &[Partition]) -> Result<Vec<i64>, BrokerError> {
        ask::offsets(&self.asker, &*self.clock, partitions, Offset::End)
    }

    fn feeds(
        &self,
        from: &[(Partition, i64)],
        headers: bool,
    ) -> Result<Vec<Box<dyn Feed>>, BrokerError> {
        feed::open(&self.properties, self.buffer, &self.clock, from, headers)
    }

    fn producer(&self, transactional_id: &str) -> Result<Box<dyn Producer>, BrokerError> {
        producer::open(&self.properties, &self.clock, transactional_id)
    }

    fn tell_progress(&self, group: &str, read: &[(Partition, i64)]) -> Result<(), BrokerError> {
        self.groups.tell(&self.properties, group, read)
    }
}

fn no_token(why: String) -> BrokerError {
    BrokerError::Refused { doing: "log in to Kafka".into(), message: why }
}

/// Makes a client. The properties win over `defaults`, `fixed` over the properties.
fn connect<T: FromClientConfigAndContext<Context>>(
    properties: &[(String, String)],
    defaults: &[(&str, &str)],
    fixed: &[(&str, &str)],
) -> Result<T, BrokerError> {
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Info);
    config.set("client.id", "kairos");
    // A broker that comes back is noticed soon.
    config.set("reconnect.backoff.ms", "20").set("reconnect.backoff.max.ms", "1000");
    for (key, value) in defaults {
        config.set(*key, *value);
    }
    for (key, value) in properties {
        config.set(key, value);
    }
    for (key, value) in fixed {
        config.set(*key, *value);
    }
    config.create_with_context(Context::default()).map_err(|error| explain("set up Kafka", &error))
}

/// Partitions with offsets, as librdkafka takes them.
fn list<'a>(
    partitions: impl IntoIterator<Item = (&'a Partition, Offset)>,
) -> Result<TopicPartitionList, BrokerError> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in partitions {
        list.add_partition(&partition.topic, partition.number)
            .set_offset(offset)
            .map_err(|error| explain(&format!("use offset {offset:?} of {partition}"), &error))?;
    }
    Ok(list)
}
