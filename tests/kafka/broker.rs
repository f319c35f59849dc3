//! The real broker: the contract.

use crate::cluster::Cluster;
use crate::contract::{World, contract};
use kairos::broker::kafka::Kafka;
use kairos::broker::{Broker, Partition};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(10);

/// The shared cluster, as tests see it.
pub struct Real {
    pub kafka: Kafka,
    servers: String,
}

impl Real {
    pub fn new() -> Real {
        let cluster = Cluster::shared();
        Real { kafka: cluster.kafka(), servers: cluster.servers() }
    }

    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.servers);
        config
    }
}

/// A name that is used once.
pub fn name() -> String {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    format!("name-{}", NAMES.fetch_add(1, Ordering::Relaxed))
}

impl World for Real {
    fn broker(&self) -> &dyn Broker {
        &self.kafka
    }

    fn name(&self) -> String {
        name()
    }

    fn append(
        &self,
        to: &Partition,
        timestamp: Option<i64>,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
    ) {
        let producer: BaseProducer = self.config().set("linger.ms", "0").create().unwrap();
        let mut record = BaseRecord::<[u8], [u8]>::to(&to.topic).partition(to.number);
        // Kafka's "no timestamp".
        record.timestamp = Some(timestamp.unwrap_or(-1));
        (record.key, record.payload) = (key, payload);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(WAIT).unwrap();
    }

    fn truncate(&self, partition: &Partition, offset: i64) {
        let admin: AdminClient<DefaultClientContext> = self.config().create().unwrap();
        let mut list = TopicPartitionList::new();
        let to = Offset::Offset(offset);
        list.add_partition_offset(&partition.topic, partition.number, to).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let done = runtime.block_on(admin.delete_records(&list, &AdminOptions::new())).unwrap();
        done.elements()[0].error().unwrap();
    }

    fn told(&self, group: &str, partition: &Partition) -> Option<i64> {
        let consumer: BaseConsumer = self.config().set("group.id", group).create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition(&partition.topic, partition.number);
        let committed = consumer.committed_offsets(list, WAIT).unwrap();
        match committed.elements()[0].offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }
    }

    fn rest(&self) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

contract! { crate::broker::Real::new() }
