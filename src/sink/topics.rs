//! Lines of the outputs → records of topics: CloudEvents in binary mode, the person as the key.

use super::Stream;
use super::head::{self, Head};
use crate::broker::{BrokerError, Message, Producer};
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

/// What of a trigger's data its topic may depend on.
#[derive(Deserialize)]
struct Facets<'a> {
    #[serde(borrow, default)]
    channel: Cow<'a, str>,
}

/// Sends lines; keeps what it builds them in.
#[derive(Default)]
pub struct Outlet {
    key: String,
    topic: String,
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
        let Some(head) = head::read(line) else {
            // A reject is no CloudEvent.
            return producer.send(plain(topic, line));
        };
        let message = Message {
            topic,
            partition: None,
            timestamp: None,
            key: Some(head.subject.as_bytes()),
            payload: Some(head.data),
            headers: &[
                ("ce_specversion", b"1.0".as_slice()),
                ("ce_id", head.id),
                ("ce_source", head::SOURCE),
                ("ce_type", head.kind),
                ("ce_time", head.time),
                ("ce_subject", head.subject.as_bytes()),
                ("content-type", b"application/json"),
            ],
        };
        if stream == Stream::Segments {
            let key = self.segment_key(&head);
            let payload = message.payload.filter(|_| !head.is_gone());
            return producer.send(Message { key: Some(key), payload, ..message });
        }
        if stream == Stream::Triggers && topics.per_channel {
            let topic = self.channel_topic(topic, &head);
            return producer.send(Message { topic, ..message });
        }
        producer.send(message)
    }

    /// The topic of segments is compacted: the latest word on each segment of a person stays.
    fn segment_key(&mut self, head: &Head<'_>) -> &[u8] {
        self.key.clear();
        self.key.push_str(&head.subject);
        if let Some((segment, _)) = head.data.strip_prefix(b"{\"segment\":").and_then(head::text) {
            self.key.push('|');
            self.key.push_str(&segment);
        }
        self.key.as_bytes()
    }

    /// The topic of the trigger's channel.
    fn channel_topic(&mut self, topic: &str, head: &Head<'_>) -> &str {
        self.topic.clear();
        self.topic.push_str(topic);
        if let Ok(facets) = serde_json::from_slice::<Facets>(head.data) {
            self.topic.push('.');
            self.topic.push_str(&facets.channel);
        }
        &self.topic
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
