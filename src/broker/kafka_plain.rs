//! A plain producer over `rdkafka`: for generated traffic, not for decisions.
//!
//! Records go in without waiting for answers; whether they arrived is counted when it becomes known. Knows nothing of
//! transactions.

use super::BrokerError;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a producer has unless its properties say otherwise. A key chooses the partition as Java's producers do.
const PROPERTIES: [(&str, &str); 5] = [
    ("linger.ms", "5"),
    ("partitioner", "murmur2_random"),
    ("message.timeout.ms", "30000"),
    ("compression.type", "lz4"),
    ("queue.buffering.max.kbytes", "262144"),
];

/// How long the cluster may take to answer, and how often a topic that is just being made is looked for.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOKS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(300);

/// Counts what became of records.
#[derive(Default)]
struct Deliveries {
    delivered: AtomicU64,
    failed: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl Deliveries {
    fn note(&self, trouble: String) {
        // A thread that panics ends the process, so that nobody sees a broken lock.
        if let Ok(mut last) = self.trouble.lock() {
            *last = Some(trouble);
        }
    }
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        self.note(code.map_or_else(|| reason.to_owned(), |code| format!("{reason} ({code})")));
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, _)) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                self.note(error.to_string());
            }
        }
    }
}

/// Sends records, and counts what becomes of them.
pub struct PlainProducer {
    producer: BaseProducer<Deliveries>,
}

impl PlainProducer {
    /// A producer with properties of librdkafka, `bootstrap.servers` among them.
    ///
    /// # Errors
    /// A property that does not exist or has a wrong value.
    pub fn new(properties: &[(String, String)]) -> Result<PlainProducer, BrokerError> {
        let mut config = ClientConfig::new();
        for (name, value) in PROPERTIES {
            config.set(name, value);
        }
        for (name, value) in properties {
            config.set(name, value);
        }
        let made = config.create_with_context(Deliveries::default());
        let producer = made.map_err(|error: KafkaError| BrokerError::Refused {
            doing: "setting up a producer".to_owned(),
            message: error.to_string(),
        })?;
        Ok(PlainProducer { producer })
    }

    /// The number of a topic's partitions; where the cluster makes topics by itself, it makes this one.
    ///
    /// # Errors
    /// The cluster does not answer, or has no such topic.
    pub fn partitions(&self, topic: &str) -> Result<usize, BrokerError> {
        let doing = || format!("looking for the topic {topic}");
        for _ in 0..LOOKS {
            let metadata = self.producer.client().fetch_metadata(Some(topic), PATIENCE);
            let metadata = metadata.map_err(|error| {
                self.producer.poll(Duration::ZERO);
                let message = self.last_error().unwrap_or_else(|| error.to_string());
                BrokerError::Unavailable { doing: doing(), message }
            })?;
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            match found.map(|found| found.partitions().len()) {
                Some(partitions) if partitions > 0 => return Ok(partitions),
                // Just being made, or never there: that cannot be told apart at once.
                _ => self.producer.poll(PAUSE),
            }
        }
        Err(BrokerError::Refused { doing: doing(), message: "there is no such topic".to_owned() })
    }

    /// Takes a record with its timestamp, in milliseconds since the Unix epoch. False if the client's buffer is full: then
    /// nothing has been taken, and it is time to poll.
    ///
    /// # Errors
    /// The record will never be taken, such as one that is too large.
    pub fn send(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        payload: &[u8],
        timestamp: i64,
    ) -> Result<bool, BrokerError> {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).payload(payload).timestamp(timestamp);
        if let Some(key) = key {
            record = record.key(key);
        }
        match self.producer.send(record) {
            Ok(()) => Ok(true),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(false),
            Err((error, _)) => Err(BrokerError::Refused {
                doing: format!("sending to {topic}"),
                message: error.to_string(),
            }),
        }
    }

    /// Takes in what has become of records, for as long as this.
    pub fn poll(&self, time: Duration) {
        self.producer.poll(time);
    }

    /// Waits until it is known of all records what has become of them, for about so long at most. Gives the number of
    /// those of which it is not.
    pub fn flush(&self, patience: Duration) -> usize {
        // The client's own flush looks only every 100 ms.
        const STEP: Duration = Duration::from_millis(5);
        let steps = patience.as_millis() / STEP.as_millis();
        for _ in 0..steps {
            if self.in_flight() == 0 {
                break;
            }
            self.producer.poll(STEP);
        }
        self.in_flight()
    }

    /// Records of which it is not known yet what has become of them.
    pub fn in_flight(&self) -> usize {
        usize::try_from(self.producer.in_flight_count()).unwrap_or(0)
    }

    /// Records that have arrived.
    pub fn delivered(&self) -> u64 {
        self.producer.context().delivered.load(Ordering::Relaxed)
    }

    /// Records that were given up.
    pub fn failed(&self) -> u64 {
        self.producer.context().failed.load(Ordering::Relaxed)
    }

    /// What went wrong last, be it that it is well again.
    pub fn last_error(&self) -> Option<String> {
        self.producer.context().trouble.lock().ok().and_then(|last| last.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::mocking::MockCluster;

    fn producer(brokers: &str, more: &[(&str, &str)]) -> Result<PlainProducer, BrokerError> {
        let more = [("bootstrap.servers", brokers)].into_iter().chain(more.iter().copied());
        let properties: Vec<_> = more.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        PlainProducer::new(&properties)
    }

    #[test]
    fn records_arrive_and_are_counted() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("events", 3, 1).unwrap();
        let producer = producer(&cluster.bootstrap_servers(), &[]).unwrap();
        assert_eq!(producer.partitions("events").unwrap(), 3);
        for at in 0..100 {
            let key = (at % 2 == 0).then_some(b"anna".as_slice());
            assert!(producer.send("events", key, b"{}", 1_772_442_000_000 + at).unwrap());
        }
        assert_eq!(producer.flush(Duration::from_secs(10)), 0);
        assert_eq!((producer.delivered(), producer.failed()), (100, 0));
    }

    #[test]
    fn a_full_buffer_and_a_large_record_are_told() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("events", 1, 1).unwrap();
        let small = [("queue.buffering.max.messages", "10"), ("linger.ms", "20000")];
        let producer = producer(&cluster.bootstrap_servers(), &small).unwrap();
        let taken = (0..20).filter(|_| producer.send("events", None, b"{}", 0).unwrap()).count();
        assert_eq!(taken, 10);
        let large = producer.send("events", None, &vec![b'x'; 2 << 20], 0);
        assert!(matches!(large, Err(BrokerError::Refused { .. })), "{large:?}");
    }

    #[test]
    fn a_cluster_that_is_not_there_and_a_wrong_property_are_told() {
        let quick = [("message.timeout.ms", "100"), ("socket.connection.setup.timeout.ms", "1000")];
        // Nobody listens on the discard port.
        let nobody = producer("127.0.0.1:9", &quick).unwrap();
        assert!(nobody.send("events", None, b"{}", 0).unwrap());
        assert_eq!(nobody.flush(Duration::from_secs(10)), 0);
        assert_eq!((nobody.delivered(), nobody.failed()), (0, 1));
        assert!(nobody.last_error().is_some());
        let wrong = producer("127.0.0.1:9", &[("no.such.property", "1")]).err().unwrap();
        assert!(wrong.to_string().contains("no.such.property"), "{wrong}");
    }
}
