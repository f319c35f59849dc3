//! A shop's traffic: generated, in a topic, and what a run over files makes of it.

use crate::broker::name;
use crate::instance::{KAIROS, SLACK_MS, STEP_MS};
use crate::outputs::{Line, Lines};
use kairos::broker::kafka::Kafka;
use kairos::broker::murmur2::partition_of;
use kairos::broker::{Broker, Topic};
use kairos::sim::generate::live::key;
use kairos::sink::Stream;
use kairos::time;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub const PARTITIONS: i32 = 4;

/// The events are of two days from 2 March 2026 on. Whatever speaks of a later time than this is left out of comparisons:
/// the clock of a live run goes on from there to now, that of a run over files does not.
const UNTIL: &str = "2026-03-06T12:00:00Z";

/// A topic with a backlog, and what is to be made of it.
pub struct Shop {
    pub topic: String,
    pub expected: Lines,
    pub until: i64,
}

impl Shop {
    /// Generates so many events, appends them, each person's to one partition, and runs the files.
    pub fn open(servers: &str, events: usize) -> Shop {
        let folder = tempfile::tempdir().unwrap();
        let parts = generate(&folder, events);
        let topic = topic(servers);
        append(servers, &topic, &parts);
        Shop { topic, expected: of_files(&folder, &parts), until: time::parse(UNTIL).unwrap() }
    }
}

/// A new topic, for events of any time.
pub fn topic(servers: &str) -> String {
    let kafka = Kafka::new(&[("bootstrap.servers".into(), servers.into())]).unwrap();
    let settings = vec![("retention.ms".into(), "-1".into())];
    let topic = Topic { name: name(), partitions: PARTITIONS, replication: -1, settings };
    kafka.ensure(std::slice::from_ref(&topic)).unwrap();
    topic.name
}

/// Lines by partition.
fn generate(folder: &TempDir, events: usize) -> Vec<Vec<Vec<u8>>> {
    let file = folder.path().join("events.jsonl");
    run(Command::new(KAIROS)
        .args(["generate", "--events", &events.to_string()])
        .args(["--customers", &(events / 20).to_string(), "--out"])
        .arg(&file));
    let bytes = fs::read(file).unwrap();
    let mut parts = vec![Vec::new(); PARTITIONS as usize];
    let mut person = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let known = key(line, &mut person);
        let part = if known { partition_of(&person, PARTITIONS) } else { 0 };
        parts[part as usize].push(line.to_vec());
    }
    parts
}

fn append(servers: &str, topic: &str, parts: &[Vec<Vec<u8>>]) {
    let writer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("linger.ms", "5")
        // Without it a batch that is sent again, as a loaded broker asks right after a topic is made, comes after later ones,
        // and the topic is not what the files are.
        .set("enable.idempotence", "true")
        // Small batches, so that who reads little at a time gets little.
        .set("batch.num.messages", "50")
        .create()
        .unwrap();
    for (number, lines) in parts.iter().enumerate() {
        for line in lines {
            let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(number as i32);
            record.payload = Some(line);
            while let Err((_, again)) = writer.send(record) {
                writer.poll(Duration::from_millis(5));
                record = again;
            }
        }
    }
    writer.flush(Duration::from_secs(60)).unwrap();
    assert_eq!(writer.in_flight_count(), 0);
}

/// What a run over files says, with the timeline that instances have.
fn of_files(folder: &TempDir, parts: &[Vec<Vec<u8>>]) -> Lines {
    let out = folder.path().join("out");
    let mut command = Command::new(KAIROS);
    command.args(["run", "--pack"]);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/pack")).arg("--in");
    for (number, lines) in parts.iter().enumerate() {
        let file = folder.path().join(format!("p{number}.jsonl"));
        fs::write(&file, [lines.join(&b'\n'), b"\n".to_vec()].concat()).unwrap();
        command.arg(file);
    }
    command.arg("--out").arg(&out).args(["--until", UNTIL, "--dedup", "60m"]);
    command.args(["--slack", &format!("{}s", SLACK_MS / 1000)]);
    command.args(["--epoch", &format!("{}s", STEP_MS / 1000)]);
    run(&mut command);
    let lines = Stream::ALL.map(|stream| {
        let text = fs::read_to_string(out.join(format!("{}.jsonl", stream.name()))).unwrap();
        let mut lines: Vec<Line> = text.lines().map(Line::of_file).collect();
        lines.sort();
        lines
    });
    for (stream, lines) in Stream::ALL.iter().zip(&lines) {
        assert!(!lines.is_empty(), "nothing would be compared in {}", stream.name());
    }
    lines
}

/// Runs a command, which has to end well.
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Starts to send a shop's traffic as if it happened now: so many events a second, and in all, of so many customers.
pub fn traffic(servers: &str, topic: &str, rate: u64, events: u64, customers: u64) -> Child {
    let [rate, events, customers] = [rate, events, customers].map(|number| number.to_string());
    Command::new(KAIROS)
        .args(["generate", "--to-kafka", servers, "--topic", topic, "--rate", &rate])
        .args(["--events", &events, "--customers", &customers, "--faults", "none"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
