//! Generated traffic into a topic: at a rate, as if it happened now, or a backlog as fast as it goes.
//!
//! At a rate the load is an open loop: when a line is sent is settled before, nobody waits for answers, and a line that is
//! sent late still has the time at which it should have been sent.

use super::GenerateArgs;
use crate::broker::BrokerError;
use crate::broker::kafka_plain::PlainProducer;
use crate::cli::failure::Failure;
use crate::cli::interrupt::{self, Interrupt};
use crate::cli::output::tell;
use crate::cli::values::grouped;
use crate::sim::generate::live::{Schedule, Stamper, key};
use crate::sim::generate::{Config, Generator};
use crate::time::clock::{Clock, System};
use std::time::Duration;

/// How long the last records may be on their way.
const PATIENCE: Duration = Duration::from_secs(30);
/// While nothing is due; also how long a full buffer is given.
const PAUSE: Duration = Duration::from_millis(1);
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Lines between two looks at what became of earlier ones.
const POLL_EVERY: u64 = 256;

/// Sends the traffic, and tells every second how it goes.
pub(super) fn send(args: &GenerateArgs, brokers: &str, topic: &str) -> Result<u8, Failure> {
    let mut properties = vec![("bootstrap.servers".to_owned(), brokers.to_owned())];
    properties.extend(args.kafka_property.iter().cloned());
    let producer = PlainProducer::new(&properties).map_err(failure)?;
    let partitions = producer.partitions(topic).map_err(failure)?;
    tell(format_args!("sending to {topic} with {} partitions", grouped(partitions as u64)));
    let endless = args.rate.is_some() && args.events.is_none();
    let mut sender = Sender {
        generator: Generator::new(config(args)),
        schedule: args.rate.map(Schedule::new),
        limit: args.events.unwrap_or(if endless { u64::MAX } else { super::DEFAULT_EVENTS }),
        producer: &producer,
        topic,
        interrupt: interrupt::watch(),
        clock: System::new(),
        sent: 0,
        report: Report::default(),
    };
    let finished = sender.run().map_err(failure)?;
    let (sent, took) = (sender.sent, sender.clock.now());
    let left = producer.flush(PATIENCE) as u64;
    sum_up(&producer, sent, left, took)?;
    if !finished && !endless {
        return Err(interrupt::stopped("not all lines were sent"));
    }
    Ok(0)
}

fn config(args: &GenerateArgs) -> Config {
    let Some(rate) = args.rate else {
        return args.config();
    };
    // Customers come as often as the rate says; when, the schedule says.
    Config {
        faults: args.config().faults,
        ..Config::endless(args.customers, rate as f64, args.seed)
    }
}

/// The end, in figures.
fn sum_up(producer: &PlainProducer, sent: u64, left: u64, took: Duration) -> Result<(), Failure> {
    let per_second = (sent as f64 / took.as_secs_f64().max(1e-3)).round() as u64;
    tell(format_args!(
        "{} sent in {:.1} s ({}/s): {} delivered, {} failed",
        grouped(sent),
        took.as_secs_f64(),
        grouped(per_second),
        grouped(producer.delivered()),
        grouped(producer.failed()),
    ));
    let lost = producer.failed() + left;
    if lost == 0 {
        return Ok(());
    }
    let why = producer.last_error().unwrap_or_else(|| "the cluster does not answer".to_owned());
    Err(Failure::failed(format!("{} records were not delivered: {why}", grouped(lost))))
}

fn failure(error: BrokerError) -> Failure {
    let hint = match &error {
        BrokerError::Refused { message, .. } if message.contains("no such topic") => {
            Some("make the topic first, or choose another --topic")
        }
        BrokerError::Unavailable { .. } => Some("look whether a broker listens there"),
        _ => None,
    };
    let failure = Failure::failed(error.to_string());
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Sends line by line.
struct Sender<'a> {
    generator: Generator,
    /// `None` for a backlog.
    schedule: Option<Schedule>,
    limit: u64,
    producer: &'a PlainProducer,
    topic: &'a str,
    interrupt: Interrupt,
    clock: System,
    sent: u64,
    report: Report,
}

/// What the line of the next second says.
#[derive(Default)]
struct Report {
    due: Duration,
    sent: u64,
    /// How late the latest line was.
    behind: Duration,
}

impl Sender<'_> {
    /// Sends until the end; false if Ctrl-C came before.
    fn run(&mut self) -> Result<bool, BrokerError> {
        let (began, began_wall) = (self.clock.now(), self.clock.wall());
        self.report.due = began + REPORT_EVERY;
        let mut stamper = Stamper::default();
        let (mut line, mut key_of) = (Vec::new(), Vec::new());
        while self.sent < self.limit {
            if self.interrupt.is_asked() {
                return Ok(false);
            }
            let due = self.schedule.map_or(Duration::ZERO, |schedule| schedule.due(self.sent));
            let now = self.clock.now();
            self.tell_if_due(now);
            if now < began + due {
                self.producer.poll(PAUSE.min(began + due - now));
                continue;
            }
            line.clear();
            let Some(event_ms) = self.generator.next_into(&mut line) else {
                break;
            };
            let mut at = event_ms;
            if self.schedule.is_some() {
                at = began_wall + due.as_millis() as i64;
                stamper.stamp(&mut line, event_ms, at);
                self.report.behind = self.report.behind.max(now - began - due);
            }
            // The line feed is of files.
            line.pop();
            let key = key(&line, &mut key_of).then_some(&key_of[..]);
            while !self.producer.send(self.topic, key, &line, at)? {
                self.producer.poll(PAUSE);
                self.tell_if_due(self.clock.now());
                if self.interrupt.is_asked() {
                    return Ok(false);
                }
            }
            self.sent += 1;
            if self.sent.is_multiple_of(POLL_EVERY) {
                self.producer.poll(Duration::ZERO);
            }
        }
        Ok(true)
    }

    fn tell_if_due(&mut self, now: Duration) {
        if now < self.report.due {
            return;
        }
        let behind = match self.schedule {
            Some(_) => format!("{} ms behind, ", grouped(self.report.behind.as_millis() as u64)),
            None => String::new(),
        };
        tell(format_args!(
            "{} sent, {}/s, {behind}{} on the way, {} failed",
            grouped(self.sent),
            grouped(self.sent - self.report.sent),
            grouped(self.producer.in_flight() as u64),
            grouped(self.producer.failed()),
        ));
        self.report = Report {
            due: (self.report.due + REPORT_EVERY).max(now),
            sent: self.sent,
            behind: Duration::ZERO,
        };
    }
}
