//! Transactions that are written. In: messages, and when to commit. Out: all of them or none, and whether it is known.

use super::context::Context;
use super::failure::{by_code, explain};
use super::{TAKE_OVER, connect};
use crate::broker::{BrokerError, Message, Producer};
use crate::time::clock::{Clock, System};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::types::RDKafkaErrorCode as Code;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at whether everything has been delivered. `flush` of `rdkafka` would look every 100 ms.
const LOOK: Duration = Duration::from_micros(50);

/// How long a full buffer is left alone.
const FULL: Duration = Duration::from_millis(1);

/// Messages after which the client may tell what it has delivered.
const SERVE_EVERY: u32 = 1000;

/// How long a commit may take altogether. Longer than `message.timeout.ms` and `transaction.timeout.ms` of the defaults, so
/// that what the client and the coordinator have to say is heard.
const COMMIT: Duration = Duration::from_secs(20);

/// Makes a producer, and shuts out the earlier ones.
pub(super) fn open(
    properties: &[(String, String)],
    clock: &Arc<System>,
    transactional_id: &str,
) -> Result<Box<dyn Producer>, BrokerError> {
    let producer: BaseProducer<Context> = connect(
        properties,
        &[
            // A commit waits for everything anyway.
            ("linger.ms", "0"),
            ("transaction.timeout.ms", "15000"),
            ("message.timeout.ms", "10000"),
            ("topic.metadata.propagation.max.ms", "5000"),
            ("queue.buffering.max.messages", "500000"),
            ("queue.buffering.max.kbytes", "131072"),
        ],
        &[
            ("transactional.id", transactional_id),
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("partitioner", "murmur2_random"),
        ],
    )?;
    // It may want a token, without which it waits in vain.
    producer.poll(Duration::ZERO);
    producer
        .init_transactions(TAKE_OVER)
        .map_err(|error| explain(&format!("take over {transactional_id}"), &error))?;
    Ok(Box::new(KafkaProducer {
        producer,
        clock: Arc::clone(clock),
        open: false,
        unserved: 0,
        failed: None,
    }))
}

struct KafkaProducer {
    producer: BaseProducer<Context>,
    clock: Arc<System>,
    /// Whether a transaction has begun.
    open: bool,
    unserved: u32,
    /// The error that has used it up.
    failed: Option<BrokerError>,
}

impl KafkaProducer {
    fn write(&mut self, message: Message<'_>) -> Result<(), BrokerError> {
        if !self.open {
            self.producer.begin_transaction().map_err(|error| self.cause("begin", &error))?;
            self.open = true;
        }
        self.unserved += 1;
        if self.unserved >= SERVE_EVERY {
            self.serve()?;
        }
        let mut record = record(message);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                // It gets emptier, or messages time out.
                Err((KafkaError::MessageProduction(Code::QueueFull), again)) => {
                    record = again;
                    self.serve()?;
                    std::thread::sleep(FULL);
                }
                Err((error, _)) => {
                    return Err(self.cause(&format!("send to {}", message.topic), &error));
                }
            }
        }
    }

    /// Lets the client tell what it has delivered.
    fn serve(&mut self) -> Result<(), BrokerError> {
        self.unserved = 0;
        loop {
            let before = self.producer.in_flight_count();
            self.producer.poll(Duration::ZERO);
            if let Some(error) = self.producer.context().take_failure() {
                return Err(self.cause("send", &error));
            }
            if self.producer.in_flight_count() >= before {
                return Ok(());
            }
        }
    }

    fn end(&mut self) -> Result<(), BrokerError> {
        let until = self.clock.now() + COMMIT;
        loop {
            self.serve()?;
            if self.producer.in_flight_count() == 0 {
                break;
            }
            if self.clock.now() > until {
                return Err(BrokerError::Unavailable {
                    doing: "commit".into(),
                    message: "messages are not delivered in time".into(),
                });
            }
            std::thread::sleep(LOOK);
        }
        let left = until.saturating_sub(self.clock.now()).max(Duration::from_secs(1));
        self.producer.commit_transaction(left).map_err(|error| self.cause("commit", &error))?;
        self.open = false;
        Ok(())
    }

    /// What an error means: after a fatal one, all others are its consequences.
    fn cause(&self, doing: &str, error: &KafkaError) -> BrokerError {
        match self.producer.client().fatal_error() {
            Some((code, message)) => by_code(doing, code, &message),
            None => explain(doing, error),
        }
    }
}

impl Producer for KafkaProducer {
    fn send(&mut self, message: Message<'_>) -> Result<(), BrokerError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.write(message);
        self.failed = result.clone().err();
        result
    }

    fn commit(&mut self) -> Result<(), BrokerError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if !self.open {
            return Ok(());
        }
        let result = self.end();
        self.failed = result.clone().err();
        result
    }
}

fn record<'a>(message: Message<'a>) -> BaseRecord<'a, [u8], [u8]> {
    let mut record = BaseRecord::to(message.topic);
    record.partition = message.partition;
    record.key = message.key;
    record.payload = message.payload;
    record.timestamp = message.timestamp;
    if !message.headers.is_empty() {
        let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
        for (key, value) in message.headers {
            headers = headers.insert(Header { key, value: Some(*value) });
        }
        record.headers = Some(headers);
    }
    record
}
