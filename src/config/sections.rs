//! What the sections of the file mean: their keys, defaults and ranges.

use super::read::{Placed, Section};
use super::{Config, Http, Input, Kafka, Kairos, Level, Limits, Log, LogFormat, Output, Time};
use crate::decode::adapter::Format;
use crate::decode::mapping::Mapping;
use crate::define::diagnostic::did_you_mean;
use crate::epoch::sequencer::Backlog;
use crate::limits::KEY_GROUPS;
use crate::sink::Stream;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::de::DeValue;

/// Characters of a topic's name, as Kafka has it, and of an instance's name, from which topics are named.
const TOPIC_CHARS_MAX: usize = 249;
const NAME_CHARS_MAX: usize = 100;

const FORMATS: [&str; 3] = ["segment", "cloudevents", "mapping"];

/// The whole file.
pub(super) fn config(file: Section<'_, '_>, folder: &Path) -> Config {
    let mut taken = Topics::default();
    let kairos = kairos(file.section("kairos"), folder);
    taken.take(&file, kairos.log_topic(), None, "the epoch log");
    let config = Config {
        kafka: kafka(file.section("kafka"), folder),
        inputs: inputs(&file, &mut taken),
        time: time(file.section("time")),
        output: output(file.section("output"), &kairos.name, &mut taken),
        limits: limits(file.section("limits")),
        http: http(file.section("http")),
        log: log(file.section("log")),
        kairos,
    };
    file.finish();
    config
}

/// Who reads or writes which topic: none serves two purposes.
#[derive(Default)]
struct Topics(BTreeMap<String, String>);

impl Topics {
    fn take(&mut self, of: &Section<'_, '_>, topic: String, at: Option<Placed<'_>>, who: &str) {
        if let Some(other) = self.0.get(&topic) {
            let message = format!("the topic \"{topic}\" of {who} is that of {other} already");
            match at {
                Some(at) => of.reader.wrong(at, message, None),
                None => of.error(message, "give one of them another name"),
            }
            return;
        }
        self.0.insert(topic, who.to_owned());
    }
}

/// Notes what Kafka would not take as a name.
fn name<'a>(
    of: &Section<'_, '_>,
    text: &'a str,
    at: Placed<'_>,
    what: &str,
    max: usize,
) -> &'a str {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if let Some((start, c)) = text.char_indices().find(|(_, c)| !is_legal(*c)) {
        let message = format!("{what} has letters a–z, digits, dots, dashes and underscores only");
        of.reader.wrong_inside(at, start..start + c.len_utf8(), message, None);
    } else if text.len() > max || matches!(text, "." | "..") {
        of.reader.wrong(at, format!("{what} has 1 to {max} characters"), None);
    }
    text
}

fn kairos(section: Section<'_, '_>, folder: &Path) -> Kairos {
    let default = Kairos::default();
    let of_name = section.text("name");
    if let Some((text, at)) = of_name {
        if text.is_empty() {
            section.reader.wrong(at, "`name` is empty", Some("leave it out for \"kairos\"".into()));
        }
        name(&section, text, at, "the name", NAME_CHARS_MAX);
    }
    let path = |found: Option<(&str, Placed<'_>)>| {
        found.map_or_else(PathBuf::new, |(path, _)| folder.join(path))
    };
    let kairos = Kairos {
        name: of_name.map_or(default.name, |(text, _)| text.to_owned()),
        pack: path(section.required("pack", "../dataflows/retail")),
        state: path(section.required("state", "state")),
        workers: section.whole_number("workers", default.workers as i64, 0..=KEY_GROUPS as i64)
            as usize,
        checkpoint_seconds: section.whole_number(
            "checkpoint_seconds",
            default.checkpoint_seconds as i64,
            1..=86_400,
        ) as u64,
    };
    section.finish();
    kairos
}

fn kafka(section: Section<'_, '_>, folder: &Path) -> Kafka {
    let mut kafka = Kafka::default();
    if let Some(value) = section.get("brokers") {
        let items = value.value.as_array().map(|items| items.iter().map(toml::Spanned::get_ref));
        let brokers = items.map(|items| items.map(DeValue::as_str).collect::<Option<Vec<_>>>());
        match brokers.flatten() {
            Some(brokers) if !brokers.is_empty() && brokers.iter().all(|b| !b.is_empty()) => {
                kafka.brokers = brokers.into_iter().map(str::to_owned).collect();
            }
            _ => {
                let hint = "write brokers = [\"localhost:9092\"]".to_owned();
                section.reader.wrong(value, "`brokers` is a list of texts", Some(hint));
            }
        }
    }
    let token = section.text("oauth_token_file");
    match token {
        Some(("", at)) => section.reader.wrong(at, "`oauth_token_file` is empty", None),
        Some((path, _)) => kafka.oauth_token_file = Some(folder.join(path)),
        None => {}
    }
    let properties = section.section("properties");
    for (key, place, value) in properties.entries() {
        if let Some((reason, hint)) = owned(&key) {
            let message = format!("`{key}` is not yours to set: {reason}");
            properties.reader.error(place, message, Some(hint.to_owned()));
            continue;
        }
        let text = match value.value {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(value) => value.to_string(),
            _ => {
                let message = format!("`{key}` is a text, a number, or true or false");
                properties.reader.wrong(value, message, None);
                continue;
            }
        };
        if is_mechanism(&key) && (text == OAUTHBEARER) != token.is_some() {
            let (message, hint) = mechanism(&text);
            properties.reader.wrong(value, message, Some(hint.to_owned()));
        }
        kafka.properties.push((key, text));
    }
    section.finish();
    kafka
}

/// How clients log in with a token.
const OAUTHBEARER: &str = "OAUTHBEARER";

fn is_mechanism(property: &str) -> bool {
    matches!(property, "sasl.mechanism" | "sasl.mechanisms")
}

/// What is wrong with a mechanism that does not go with a token, or with none, and what to do.
fn mechanism(text: &str) -> (String, &'static str) {
    if text == OAUTHBEARER {
        let hint = "write oauth_token_file = \"/var/run/secrets/kafka/token\" in [kafka]";
        return (format!("a login by {OAUTHBEARER} needs a token"), hint);
    }
    let hint = "leave one of them out; the token alone is enough";
    (format!("`oauth_token_file` is for {OAUTHBEARER}, and this is \"{text}\""), hint)
}

/// Why a property of the clients is not to be configured, and what to do instead.
fn owned(property: &str) -> Option<(&'static str, &'static str)> {
    const OUT: &str = "leave it out";
    Some(match property {
        "bootstrap.servers" | "metadata.broker.list" => {
            ("the brokers have a key of their own", "write brokers = […] in [kafka]")
        }
        "transactional.id" => ("transactions are named after the instance", "set name in [kairos]"),
        "group.id" | "group.instance.id" | "group.protocol" => {
            ("the group is named after the instance", "set name in [kairos]")
        }
        "client.id" => ("clients are named after the instance", "set name in [kairos]"),
        "isolation.level" => ("only what is committed is read", OUT),
        "enable.auto.commit"
        | "auto.commit.interval.ms"
        | "enable.auto.offset.store"
        | "auto.offset.reset"
        | "partition.assignment.strategy" => {
            ("how far has been read stands in the epoch log, beside what was written", OUT)
        }
        "enable.idempotence"
        | "acks"
        | "request.required.acks"
        | "max.in.flight"
        | "max.in.flight.requests.per.connection" => ("exactly once depends on it", OUT),
        "partitioner" => ("a person stays in one partition, as Java's producers have it", OUT),
        "enable.partition.eof" => ("Kairos has its own way to find the end", OUT),
        "sasl.password" => (
            "a secret does not belong in this file",
            "set KAIROS_SASL_PASSWORD, or KAIROS_SASL_PASSWORD_FILE",
        ),
        "ssl.key.password" => (
            "a secret does not belong in this file",
            "set KAIROS_SSL_KEY_PASSWORD, or KAIROS_SSL_KEY_PASSWORD_FILE",
        ),
        "sasl.oauthbearer.config" => (
            "the token has a key of its own",
            "write oauth_token_file = \"/var/run/secrets/kafka/token\" in [kafka]",
        ),
        "sasl.oauthbearer.method" => (
            "Kairos fetches no tokens, it reads them",
            "let something else keep a file fresh, and name it: oauth_token_file in [kafka]",
        ),
        "ssl.key.pem" | "ssl.keystore.password" | "sasl.oauthbearer.client.secret" => (
            "a secret does not belong in this file",
            "use ssl.key.location and KAIROS_SSL_KEY_PASSWORD, or sasl.username and KAIROS_SASL_PASSWORD",
        ),
        _ => return None,
    })
}

fn inputs(file: &Section<'_, '_>, taken: &mut Topics) -> Vec<Input> {
    let sections = file.sections("input");
    let mut inputs = Vec::new();
    for section in sections {
        let topic = section.required("topic", "events");
        if let Some((text, at)) = topic {
            name(&section, text, at, "a topic", TOPIC_CHARS_MAX);
            taken.take(&section, text.to_owned(), Some(at), "an input");
        }
        let format = format(&section);
        if let (Some((topic, _)), Some(format)) = (topic, format) {
            inputs.push(Input { topic: topic.to_owned(), format });
        }
        section.finish();
    }
    if !file.has("input") {
        let hint = "write [[input]] and below it topic = \"events\"";
        file.error("no topic is read: the section [[input]] is missing", hint);
    }
    if inputs.len() > usize::from(u16::MAX) {
        file.error("there are more than 65535 inputs", "read fewer topics");
    }
    inputs
}

fn format(section: &Section<'_, '_>) -> Option<Format> {
    let written = section.text("format");
    let mapping = section.section("mapping");
    match written.map_or("segment", |(text, _)| text) {
        "mapping" if mapping.is_there() => return self::mapping(&mapping),
        "mapping" => {
            let hint = "write [input.mapping] below it, and there event = … and user_id = …";
            section.error("the format \"mapping\" needs a mapping", hint);
            return None;
        }
        known @ ("segment" | "cloudevents") => {
            if mapping.is_there() {
                let hint = "write format = \"mapping\", or leave the mapping out";
                mapping.error(format!("the format \"{known}\" takes no mapping"), hint);
                return None;
            }
            return Some(match known {
                "segment" => Format::Segment,
                _ => Format::CloudEvents,
            });
        }
        other => {
            if let Some((_, at)) = written {
                let message = "`format` is \"segment\" or \"cloudevents\" or \"mapping\"";
                section.reader.wrong(at, message, did_you_mean(other, FORMATS));
            }
        }
    }
    None
}

fn mapping(section: &Section<'_, '_>) -> Option<Format> {
    let mut written = Vec::new();
    let mut keys = BTreeMap::new();
    for (key, place, value) in section.entries() {
        match value.value.as_str() {
            Some(text) => written.push((key.clone(), text)),
            None => {
                let message = format!("`{key}` is a text with an expression");
                let hint = format!("write {key} = \"message.{key}\"");
                section.reader.wrong(value, message, Some(hint));
            }
        }
        keys.insert(key, (place, value));
    }
    let has = |key: &str| keys.contains_key(key);
    let mut is_whole = true;
    if !has("event") && !has("type") {
        let hint = "write event = 'message.name', or event = '\"Order Completed\"'";
        section.error("a mapping needs an `event`, or a `type`", hint);
        is_whole = false;
    }
    if !has("user_id") && !has("anonymous_id") {
        section.error("a mapping needs a `user_id` or an `anonymous_id`", "write user_id = 'key'");
        is_whole = false;
    }
    let written: Vec<(&str, &str)> = written.iter().map(|(key, text)| (&**key, *text)).collect();
    match Mapping::compile(&written) {
        Ok(mapping) if is_whole => Some(Format::Mapping(Arc::new(mapping))),
        Ok(_) => None,
        Err(mistakes) => {
            for wrong in mistakes {
                let Some((place, value)) = keys.get(&wrong.field) else { continue };
                match Mapping::fields().any(|field| field == wrong.field) {
                    true => {
                        section.reader.wrong_inside(*value, wrong.at, wrong.message, wrong.hint);
                    }
                    false => section.reader.error(place.clone(), wrong.message, wrong.hint),
                }
            }
            None
        }
    }
}

fn time(section: Section<'_, '_>) -> Time {
    let default = Time::default();
    let time = Time {
        slack_ms: section.whole_number("slack_ms", default.slack_ms, 0..=600_000),
        step_ms: section.whole_number("step_ms", default.step_ms, 1..=600_000),
        backlog: section.choice(
            "backlog",
            default.backlog,
            &[("catch-up", Backlog::CatchUp), ("history", Backlog::History)],
        ),
        dedup_minutes: section.whole_number("dedup_minutes", default.dedup_minutes, 0..=44_640),
    };
    section.finish();
    time
}

fn output(section: Section<'_, '_>, instance: &str, taken: &mut Topics) -> Output {
    let default = Output::default();
    let prefix = section.text("topic_prefix");
    if let Some((text, at)) = prefix {
        name(&section, text, at, "a topic", TOPIC_CHARS_MAX - 20);
    }
    let before = prefix.map_or_else(|| format!("{instance}."), |(text, _)| text.to_owned());
    let mut names = default.names;
    let topics = section.section("topics");
    for stream in Stream::ALL {
        let own = topics.text(stream.name());
        if let Some((text, at)) = own {
            name(&topics, text, at, "a topic", TOPIC_CHARS_MAX);
            if text.is_empty() {
                topics.reader.wrong(at, format!("`{}` is empty", stream.name()), None);
            }
        }
        let at = own.map(|(_, at)| at).or(prefix.map(|(_, at)| at));
        let topic = own.map_or_else(|| format!("{before}{}", stream.name()), |(t, _)| t.to_owned());
        taken.take(&section, topic, at, stream.name());
        // What is written as it would be anyway is not written.
        let usual = format!("{before}{}", stream.name());
        names[stream as usize] = own.map(|(text, _)| text.to_owned()).filter(|own| *own != usual);
    }
    topics.finish();
    let usual = format!("{instance}.");
    let output = Output {
        prefix: prefix.map(|(text, _)| text.to_owned()).filter(|prefix| *prefix != usual),
        names,
        triggers_per_channel: section.flag("triggers_per_channel", default.triggers_per_channel),
        create: section.flag("create", default.create),
        partitions: section.whole_number("partitions", default.partitions.into(), 1..=10_000)
            as i32,
        replication: replication(&section, default.replication),
    };
    section.finish();
    output
}

fn replication(section: &Section<'_, '_>, default: i32) -> i32 {
    let number = section.whole_number("replication", default.into(), -1..=32_767) as i32;
    if number == 0
        && let Some(at) = section.get("replication")
    {
        section.reader.wrong(
            at,
            "`replication` is at least 1, or -1 for the cluster's default",
            None,
        );
    }
    number
}

fn limits(section: Section<'_, '_>) -> Limits {
    let default = Limits::default();
    let number = |key, default: u64, range| section.whole_number(key, default as i64, range) as u64;
    let limits = Limits {
        max_record_kib: number("max_record_kib", default.max_record_kib as u64, 1..=1_024) as usize,
        epochs_in_flight: number("epochs_in_flight", default.epochs_in_flight, 2..=1_000),
        events_in_flight: number(
            "events_in_flight",
            default.events_in_flight as u64,
            1_000..=100_000_000,
        ) as usize,
        read_memory_mib: number("read_memory_mib", default.read_memory_mib as u64, 8..=65_536)
            as usize,
        heavy_identifier_per_minute: number(
            "heavy_identifier_per_minute",
            default.heavy_identifier_per_minute,
            1..=1_000_000_000,
        ),
    };
    section.finish();
    limits
}

fn http(section: Section<'_, '_>) -> Http {
    let default = Http::default();
    let address = match section.text("address") {
        None => default.address,
        Some(("off", _)) => None,
        Some((text, at)) => text.parse::<SocketAddr>().map_or_else(
            |_| {
                let hint =
                    "write \"127.0.0.1:9464\", \"0.0.0.0:9464\" for all interfaces, or \"off\"";
                let message = "`address` is an IP address with a port";
                section.reader.wrong(at, message, Some(hint.to_owned()));
                default.address
            },
            Some,
        ),
    };
    if let Some(at) = section.get_unlisted("token") {
        let hint = "set KAIROS_HTTP_TOKEN, or KAIROS_HTTP_TOKEN_FILE".to_owned();
        section.reader.wrong(at, "a secret does not belong in this file", Some(hint));
    }
    section.finish();
    Http { address, token: None }
}

fn log(section: Section<'_, '_>) -> Log {
    let default = Log::default();
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let levels = [
        ("error", Level::Error),
        ("warn", Level::Warn),
        ("info", Level::Info),
        ("debug", Level::Debug),
        ("trace", Level::Trace),
    ];
    let log = Log {
        format: section.choice("format", default.format, &formats),
        level: section.choice("level", default.level, &levels),
    };
    section.finish();
    log
}
