//! What an instance has written, as a consumer of committed records sees it that shares no code with Kairos' own.

use crate::instance::{PATIENCE, PAUSE};
use crate::places::strip;
use kairos::epoch::log::{Record, Transaction};
use kairos::sink::Stream;
use kairos::time;
use kairos::time::clock::{Clock, System};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A line of an output, without the fields that say where its causes stand: those differ between a file and a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// Empty for what is no CloudEvent: rejects.
    pub id: String,
    /// Such as `kairos.journey.entered`.
    pub kind: String,
    pub time: String,
    pub subject: String,
    pub data: String,
}

impl Line {
    /// A line of a file, in structured mode.
    pub fn of_file(line: &str) -> Line {
        let mut value: Value = serde_json::from_str(line).unwrap();
        strip(&mut value);
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let (id, time, subject) = (text("id"), text("time"), text("subject"));
        if id.is_empty() {
            let (kind, time) = (String::new(), String::new());
            return Line { id, kind, time, subject, data: value.to_string() };
        }
        Line { id, kind: text("type"), time, subject, data: value["data"].to_string() }
    }

    /// A record of a topic, in binary mode.
    fn of_record(record: &BorrowedMessage<'_>) -> Line {
        let header = |name: &str| {
            let all = record.headers()?;
            let found = all.iter().find(|header| header.key == name)?;
            found.value.map(|value| String::from_utf8(value.to_vec()).unwrap())
        };
        let text = |name: &str| header(name).unwrap_or_default();
        // A tombstone has none.
        let data = record.payload().unwrap_or(b"null");
        let mut data: Value = serde_json::from_slice(data).unwrap();
        strip(&mut data);
        let (id, time, subject) = (text("ce_id"), text("ce_time"), text("ce_subject"));
        Line { id, kind: text("ce_type"), time, subject, data: data.to_string() }
    }

    /// Whether it speaks of a time up to this one; rejects always do.
    pub fn is_until(&self, until: i64) -> bool {
        self.id.is_empty() || time::parse(&self.time).unwrap() <= until
    }

    /// What there can be only one of: a message is deferred any number of times, each at its own instant, and then sent
    /// or dropped.
    pub fn key(&self) -> (&str, &str) {
        (&self.id, &self.time)
    }
}

/// Lines by stream, sorted.
pub type Lines = [Vec<Line>; Stream::ALL.len()];

/// A consumer of all outputs of an instance, from their beginning.
pub struct Outputs {
    consumer: BaseConsumer,
    topics: Vec<String>,
    log: String,
    pub lines: Lines,
    /// The epoch log.
    pub transactions: Vec<Transaction>,
}

impl Outputs {
    /// Of an instance that may have to make its topics yet.
    pub fn of(servers: &str, name: &str) -> Outputs {
        let topics = Stream::ALL.map(|stream| format!("{name}.{}", stream.name())).to_vec();
        let log = format!("{name}.epochs");
        let consumer = consumer(servers, topics.iter().chain([&log]));
        Outputs { consumer, topics, log, lines: Default::default(), transactions: Vec::new() }
    }

    /// Takes in what comes within so long. True if a partition was found to be at its end, with its number.
    fn poll(&mut self, patience: Duration) -> Option<Option<i32>> {
        match self.consumer.poll(patience)? {
            Ok(record) => {
                if record.topic() == self.log {
                    match Record::from_bytes(record.payload().unwrap()).unwrap() {
                        Record::Transaction(transaction) => self.transactions.push(transaction),
                        Record::Claim(_) => {}
                    }
                } else {
                    let at = self.topics.iter().position(|topic| topic == record.topic());
                    self.lines[at.unwrap()].push(Line::of_record(&record));
                }
                Some(None)
            }
            Err(KafkaError::PartitionEOF(number)) => Some(Some(number)),
            // A broker that is away comes back.
            Err(_) => Some(None),
        }
    }

    /// Takes in what comes until as many lines as are expected up to that time are there in each stream, or too long a
    /// time has passed. `meanwhile` is called all the time.
    pub fn wait_for(&mut self, expected: &Lines, until: i64, mut meanwhile: impl FnMut()) {
        let clock = System::new();
        while !self.has(expected, until) && clock.now() < PATIENCE {
            meanwhile();
            for _ in 0..5_000 {
                if self.poll(PAUSE).is_none() {
                    break;
                }
            }
        }
    }

    /// Whether as many lines as are expected up to that time are there in each stream.
    pub fn has(&self, expected: &Lines, until: i64) -> bool {
        self.lines.iter().zip(expected).all(|(lines, expected)| {
            lines.iter().filter(|line| line.is_until(until)).count() >= expected.len()
        })
    }

    /// Takes in what has come, without waiting long; gives how many lines of all streams are there.
    pub fn look(&mut self) -> usize {
        while self.poll(PAUSE).is_some() {}
        self.lines.iter().map(Vec::len).sum()
    }

    /// Everything there is, once nobody writes any more, sorted.
    pub fn all(servers: &str, name: &str) -> Outputs {
        let mut outputs = Outputs::of(servers, name);
        let partitions = outputs.consumer.assignment().unwrap().count();
        let clock = System::new();
        let mut ended = 0;
        while ended < partitions {
            assert!(clock.now() < PATIENCE, "{ended} of {partitions} partitions are read");
            if let Some(Some(_)) = outputs.poll(PAUSE) {
                ended += 1;
            }
        }
        outputs.lines.iter_mut().for_each(|lines| lines.sort());
        outputs
    }

    /// The lines up to a time.
    pub fn until(&self, until: i64) -> Lines {
        let of_stream = |lines: &Vec<Line>| {
            lines.iter().filter(|line| line.is_until(until)).cloned().collect::<Vec<_>>()
        };
        self.lines.each_ref().map(of_stream)
    }

    /// What holds of any instance's outputs: the log is one chain that says how many lines there are, every id is there
    /// once, and triggers are the decisions to send.
    pub fn hold(&self) {
        let (mut after, mut said) = (0, 0);
        for transaction in &self.transactions {
            assert_eq!(transaction.after, after, "the log is a chain");
            assert!(transaction.last() > after);
            (after, said) = (transaction.last(), said + transaction.lines);
        }
        let lines: usize = self.lines.iter().map(Vec::len).sum();
        assert_eq!(lines as u64, said, "the lines are those that the log says");
        for (stream, lines) in Stream::ALL.iter().zip(&self.lines) {
            let mut keys: BTreeSet<(&str, &str)> = BTreeSet::new();
            for line in lines.iter().filter(|line| !line.id.is_empty()) {
                assert!(keys.insert(line.key()), "twice in {}: {line:?}", stream.name());
            }
        }
        let ids = |lines: &[Line]| lines.iter().map(|line| line.id.clone()).collect::<Vec<_>>();
        let triggers = ids(&self.lines[Stream::Triggers as usize]);
        let once: BTreeSet<&String> = triggers.iter().collect();
        assert_eq!(once.len(), triggers.len(), "an id is a trigger once");
        let is_send = |line: &&Line| line.data.contains("\"decision\":\"send\"");
        let decisions = &self.lines[Stream::Decisions as usize];
        let mut sends: Vec<String> =
            decisions.iter().filter(is_send).map(|line| line.id.clone()).collect();
        let mut triggers = triggers;
        sends.sort();
        triggers.sort();
        assert_eq!(triggers, sends, "triggers are the decisions to send");
    }
}

/// A consumer of topics from their beginning, which may have to be made yet.
fn consumer<'a>(servers: &str, topics: impl Iterator<Item = &'a String>) -> BaseConsumer {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", "outputs")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        .create()
        .unwrap();
    let clock = System::new();
    let mut list = TopicPartitionList::new();
    for topic in topics {
        let count = loop {
            let found = consumer.fetch_metadata(Some(topic), Duration::from_secs(1));
            match found.map(|found| found.topics()[0].partitions().len()) {
                Ok(count) if count > 0 => break count,
                _ => {}
            }
            assert!(clock.now() < PATIENCE, "there is no topic {topic}");
            std::thread::sleep(PAUSE);
        };
        for number in 0..count as i32 {
            list.add_partition_offset(topic, number, Offset::Beginning).unwrap();
        }
    }
    consumer.assign(&list).unwrap();
    consumer
}

/// The payloads of a topic that nobody writes to.
pub fn records(servers: &str, topic: &str) -> Vec<Vec<u8>> {
    let consumer = consumer(servers, [&topic.to_owned()].into_iter());
    let partitions = consumer.assignment().unwrap().count();
    let (mut records, mut ended) = (Vec::new(), 0);
    let clock = System::new();
    while ended < partitions {
        assert!(clock.now() < PATIENCE, "{ended} of {partitions} partitions are read");
        match consumer.poll(PAUSE) {
            Some(Ok(record)) => records.push(record.payload().unwrap().to_vec()),
            Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
            _ => {}
        }
    }
    records
}

/// How outputs differ from those that are expected.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    pub lost: usize,
    pub repeated: usize,
    pub contradicting: usize,
    example: Option<String>,
}

impl Difference {
    /// Of all streams together.
    pub fn between(found: &Lines, expected: &Lines) -> Difference {
        let mut difference = Difference::default();
        for (stream, (found, expected)) in Stream::ALL.iter().zip(found.iter().zip(expected)) {
            let mut left: BTreeMap<&Line, usize> = BTreeMap::new();
            expected.iter().for_each(|line| *left.entry(line).or_default() += 1);
            for line in found {
                match left.get_mut(line) {
                    Some(count) if *count > 0 => {
                        *count -= 1;
                        continue;
                    }
                    Some(_) => difference.repeated += 1,
                    None => difference.contradicting += 1,
                }
                difference.note(format!("too much in {}: {line:?}", stream.name()));
            }
            for (line, count) in left {
                difference.lost += count;
                if count > 0 {
                    difference.note(format!("missing in {}: {line:?}", stream.name()));
                }
            }
        }
        difference
    }

    /// Takes in another one.
    pub fn add(&mut self, other: Difference) {
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.contradicting += other.contradicting;
        other.example.into_iter().for_each(|example| self.note(example));
    }

    fn note(&mut self, example: String) {
        self.example.get_or_insert(example);
    }

    /// There must be none.
    pub fn none(&self, context: &str) {
        assert_eq!(*self, Difference::default(), "{context}");
    }
}
