//! Partitions that are read. In: where to begin. Out: committed records, one queue a partition; one client, and one thread
//! that serves what is for no partition, for all feeds of a call.
//!
//! The client tells its own position, which passes the markers of transactions, only for all its partitions at once. So it is
//! asked at most once a millisecond, by whichever feed has nothing to hand over, for all of them.

use super::context::Context;
use super::failure::{explain, passes};
use super::{BUFFER_MIN, ask, connect, list, native};
use crate::broker::{BrokerError, Feed, Partition, Record};
use crate::time::clock::{Clock, System};
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message, Timestamp};
use rdkafka::topic_partition_list::Offset;
use rdkafka::types::RDKafkaErrorCode as Code;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How old positions may be before an empty poll asks for them.
const POSITIONS_AGE: Duration = Duration::from_millis(1);

/// How long the housekeeping waits at a time; it ends so much later than the last feed.
const HOUSEKEEPING: Duration = Duration::from_millis(100);

/// Opens a feed for each partition.
pub(super) fn open(
    properties: &[(String, String)],
    buffer: usize,
    clock: &Arc<System>,
    from: &[(Partition, i64)],
    headers: bool,
) -> Result<Vec<Box<dyn Feed>>, BrokerError> {
    if from.is_empty() {
        return Ok(Vec::new());
    }
    let consumer: Arc<BaseConsumer<Context>> = Arc::new(consumer(properties, buffer / from.len())?);
    let shared = Arc::new(Shared::new(Arc::clone(clock), from));
    let mut feeds = Vec::with_capacity(from.len());
    for (at, (partition, position)) in from.iter().enumerate() {
        let queue = consumer.split_partition_queue(&partition.topic, partition.number).ok_or_else(
            || BrokerError::Refused {
                doing: format!("read {partition}"),
                message: "it has no queue of its own".into(),
            },
        )?;
        let feed = KafkaFeed {
            queue,
            consumer: Arc::clone(&consumer),
            shared: Arc::clone(&shared),
            at,
            partition: partition.clone(),
            position: *position,
            headers,
            later: None,
            failed: None,
        };
        feeds.push(Box::new(feed) as Box<dyn Feed>);
    }
    // After the queues have been split off: librdkafka then never puts a record into the common one. (Its documentation has it
    // the other way round, which holds for queues of an earlier assignment, and loses what is fetched in between.)
    let places = list(from.iter().map(|(partition, offset)| (partition, Offset::Offset(*offset))))?;
    consumer.assign(&places).map_err(|error| explain("read partitions", &error))?;
    std::thread::Builder::new()
        .name("kafka housekeeping".into())
        .spawn(move || keep_house(consumer, &shared))
        .map_err(|error| BrokerError::Unavailable {
            doing: "read partitions".into(),
            message: error.to_string(),
        })?;
    Ok(feeds)
}

fn consumer(
    properties: &[(String, String)],
    share: usize,
) -> Result<BaseConsumer<Context>, BrokerError> {
    let share = share.max(BUFFER_MIN);
    let kilobytes = (share >> 10).to_string();
    let at_once = (share / 2).min(1 << 20).to_string();
    connect(
        properties,
        &[
            ("queued.max.messages.kbytes", &kilobytes),
            ("fetch.message.max.bytes", &at_once),
            // A partition whose buffer was full is asked for soon after, not after a second.
            ("fetch.queue.backoff.ms", "2"),
            // What an idle partition's last stable offset is, becomes known as often.
            ("fetch.wait.max.ms", "20"),
            ("topic.metadata.propagation.max.ms", "5000"),
            ("fetch.error.backoff.ms", "50"),
            ("check.crcs", "true"),
        ],
        &[
            // Nobody joins a group, but the client wants a name.
            ("group.id", "kairos-reads-alone"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "false"),
            ("auto.offset.reset", "error"),
            ("isolation.level", "read_committed"),
        ],
    )
}

/// Serves what is for no partition, until no feed is left; then the client ends here, where nobody waits for it.
fn keep_house(consumer: Arc<BaseConsumer<Context>>, shared: &Shared) {
    while Arc::strong_count(&consumer) > 1 {
        match consumer.poll(HOUSEKEEPING) {
            None => {}
            Some(Ok(_)) => shared.strayed.store(true, Ordering::Release),
            Some(Err(error)) if error.rdkafka_error_code().is_some_and(passes) => {
                tracing::debug!(%error, "reading");
            }
            Some(Err(error)) => tracing::warn!(%error, "reading"),
        }
    }
}

/// Positions of all feeds of a call, as the client knows them.
struct Shared {
    clock: Arc<System>,
    asked: Mutex<Duration>,
    /// By name, so that the client's own order does not matter: each with its place in `positions`.
    names: Vec<(Partition, usize)>,
    positions: Vec<AtomicI64>,
    /// Whether a record came by another way than its feed, and so was lost. It never should.
    strayed: AtomicBool,
}

impl Shared {
    fn new(clock: Arc<System>, from: &[(Partition, i64)]) -> Shared {
        let mut names: Vec<(Partition, usize)> =
            from.iter().enumerate().map(|(at, (partition, _))| (partition.clone(), at)).collect();
        names.sort();
        Shared {
            clock,
            asked: Mutex::new(Duration::ZERO),
            names,
            positions: from.iter().map(|(_, offset)| AtomicI64::new(*offset)).collect(),
            strayed: AtomicBool::new(false),
        }
    }

    /// Asks the client, unless that was just done or is being done.
    fn refresh(&self, consumer: &BaseConsumer<Context>) {
        let Ok(mut asked) = self.asked.try_lock() else { return };
        let now = self.clock.now();
        if now < *asked + POSITIONS_AGE {
            return;
        }
        *asked = now;
        // Nothing is lost if it does not know: it is asked again.
        let Ok(list) = consumer.position() else { return };
        for element in list.elements() {
            let name = (element.topic(), element.partition());
            let found = self.names.binary_search_by(|(partition, _)| {
                (partition.topic.as_str(), partition.number).cmp(&name)
            });
            if let (Ok(found), Offset::Offset(offset)) = (found, element.offset()) {
                self.positions[self.names[found].1].fetch_max(offset, Ordering::AcqRel);
            }
        }
    }
}

struct KafkaFeed {
    // Before the client: the queue must not be there longer.
    queue: PartitionQueue<Context>,
    consumer: Arc<BaseConsumer<Context>>,
    shared: Arc<Shared>,
    /// Its place in `shared`.
    at: usize,
    partition: Partition,
    /// After the last record that has been handed over.
    position: i64,
    headers: bool,
    /// What the next poll has to say: an error that came after records.
    later: Option<BrokerError>,
    /// What has ended it: the client does not say it twice.
    failed: Option<BrokerError>,
}

impl KafkaFeed {
    /// Nothing taken, unless a record has been lost: then the feeds are of no use.
    fn whole(&mut self) -> Result<usize, BrokerError> {
        if !self.shared.strayed.load(Ordering::Acquire) {
            return Ok(0);
        }
        let error = BrokerError::Unavailable {
            doing: format!("read {}", self.partition),
            message: "the client has given a record to nobody".into(),
        };
        self.failed = Some(error.clone());
        Err(error)
    }

    /// What an error of the partition means.
    fn fail(&mut self, error: &KafkaError) -> BrokerError {
        let doing = format!("read {}", self.partition);
        match error.rdkafka_error_code() {
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation) => {
                let partition = std::slice::from_ref(&self.partition);
                let clock = &*self.shared.clock;
                match ask::offsets(&self.consumer, clock, partition, Offset::Beginning) {
                    Ok(starts) => {
                        let gone = BrokerError::Gone {
                            partition: self.partition.clone(),
                            wanted: self.position(),
                            earliest: starts[0],
                        };
                        self.failed = Some(gone.clone());
                        gone
                    }
                    Err(error) => error,
                }
            }
            _ => explain(&doing, error),
        }
    }
}

impl Feed for KafkaFeed {
    fn poll(
        &mut self,
        take: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<usize, BrokerError> {
        if let Some(error) = self.later.take().or_else(|| self.failed.clone()) {
            return Err(error);
        }
        let mut taken = 0;
        loop {
            let error = match self.queue.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    // After a change of leaders the client may read again what it has handed over.
                    if message.offset() < self.position {
                        continue;
                    }
                    taken += 1;
                    self.position = message.offset() + 1;
                    if hand_over(&message, self.headers, take).is_break() {
                        return Ok(taken);
                    }
                    continue;
                }
                Some(Err(error)) => error,
                None if taken > 0 => return Ok(taken),
                None => {
                    self.shared.refresh(&self.consumer);
                    return self.whole();
                }
            };
            let error = self.fail(&error);
            if taken == 0 {
                return Err(error);
            }
            self.later = Some(error);
            return Ok(taken);
        }
    }

    fn position(&self) -> i64 {
        self.position.max(self.shared.positions[self.at].load(Ordering::Acquire))
    }
}

fn hand_over(
    message: &BorrowedMessage<'_>,
    with_headers: bool,
    take: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let headers = if with_headers { native::headers(message) } else { Vec::new() };
    take(Record {
        offset: message.offset(),
        timestamp: match message.timestamp() {
            Timestamp::NotAvailable => None,
            Timestamp::CreateTime(at) | Timestamp::LogAppendTime(at) => Some(at),
        },
        key: message.key(),
        payload: message.payload(),
        headers: &headers,
    })
}
