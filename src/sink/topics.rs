//! Lines of the outputs → records of topics: CloudEvents in binary mode, the person as the key.

use super::Stream;
use crate::broker::{BrokerError, Message, Producer};
use memchr::memmem::Finder;
use serde::Deserialize;
use std::borrow::Cow;

/// Names of the topics.
#[derive(Clone, Debug)]
pub struct Topics {
    /// By stream.
    pub streams: [String; Stream::ALL.len()],
    /// The epoch log.
    pub log: String,
    /// Triggers go to a topic for each channel, named `<triggers>.<channel>`.
    pub per_channel: bool,
}

impl Topics {
    /// The topic names of an instance: each stream's name after a prefix, the log's after the name of the instance.
    pub fn of(name: &str, prefix: &str) -> Topics {
        Topics {
            streams: Stream::ALL.map(|stream| format!("{prefix}{}", stream.name())),
            log: format!("{name}.epochs"),
            per_channel: false,
        }
    }
}

/// The attributes at the beginning of a line in structured mode, as the formatter writes them.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    subject: Cow<'a, str>,
}

/// What the formatter writes between the attributes and the data.
const BEFORE_DATA: &[u8] = b",\"datacontenttype\":\"application/json\",\"data\":";

/// What of a line's data its topic or key depends on.
#[derive(Deserialize)]
struct Facets<'a> {
    #[serde(borrow, default)]
    channel: Cow<'a, str>,
    #[serde(borrow, default)]
    segment: Cow<'a, str>,
}

/// Sends lines; keeps what it builds them in, and what finds the place where their data begin.
pub struct Outlet {
    before_data: Finder<'static>,
    head: Vec<u8>,
    key: String,
    topic: String,
}

impl Default for Outlet {
    fn default() -> Outlet {
        let (head, key, topic) = (Vec::new(), String::new(), String::new());
        Outlet { before_data: Finder::new(BEFORE_DATA), head, key, topic }
    }
}

impl Outlet {
    /// Sends one line of a stream.
    ///
    /// # Errors
    /// As for [`Producer::send`].
    pub fn send(
        &mut self,
        topics: &Topics,
        stream: Stream,
        line: &[u8],
        producer: &mut dyn Producer,
    ) -> Result<(), BrokerError> {
        let topic = topics.streams[stream as usize].as_str();
        let Some(at) = self.before_data.find(line) else {
            return producer.send(plain(topic, line));
        };
        let data = &line[at + BEFORE_DATA.len()..line.len() - 1];
        self.head.clear();
        self.head.extend_from_slice(&line[..at]);
        self.head.push(b'}');
        let Ok(head) = serde_json::from_slice::<Head>(&self.head) else {
            // A reject whose raw bytes look like one of ours.
            return producer.send(plain(topic, line));
        };
        self.key.clear();
        self.key.push_str(&head.subject);
        self.topic.clear();
        self.topic.push_str(topic);
        let by_channel = stream == Stream::Triggers && topics.per_channel;
        if by_channel || stream == Stream::Segments {
            let facets = serde_json::from_slice::<Facets>(data).ok();
            if let Some(facets) = facets {
                if by_channel {
                    self.topic.push('.');
                    self.topic.push_str(&facets.channel);
                } else {
                    // Compacted: the latest word on each segment of a person stays.
                    self.key.push('|');
                    self.key.push_str(&facets.segment);
                }
            }
        }
        producer.send(Message {
            topic: &self.topic,
            partition: None,
            timestamp: None,
            key: Some(self.key.as_bytes()),
            payload: Some(data),
            headers: &[
                ("ce_specversion", b"1.0".as_slice()),
                ("ce_id", head.id.as_bytes()),
                ("ce_source", head.source.as_bytes()),
                ("ce_type", head.r#type.as_bytes()),
                ("ce_time", head.time.as_bytes()),
                ("ce_subject", head.subject.as_bytes()),
                ("content-type", b"application/json"),
            ],
        })
    }

    /// Sends an entry of the epoch log.
    ///
    /// # Errors
    /// As for [`Producer::send`].
    pub fn log(
        &mut self,
        topics: &Topics,
        record: &[u8],
        producer: &mut dyn Producer,
    ) -> Result<(), BrokerError> {
        producer.send(Message { partition: Some(0), headers: &[], ..plain(&topics.log, record) })
    }
}

const JSON: &[(&str, &[u8])] = &[("content-type", b"application/json")];

fn plain<'a>(topic: &'a str, payload: &'a [u8]) -> Message<'a> {
    Message {
        topic,
        partition: None,
        timestamp: None,
        key: None,
        payload: Some(payload),
        headers: JSON,
    }
}
