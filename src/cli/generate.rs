//! `kairos generate`: realistic shop traffic into a file, or into a topic.

mod to_kafka;

use super::failure::Failure;
use super::interrupt;
use super::output::tell;
use super::progress::Bar;
use super::target::Target;
use super::values;
use crate::sim::generate::{Config, DEFAULT_START_MS, Faults, Generator, Summary};
use clap::{Args, ValueEnum};
use std::io::{self, Write};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  kairos generate --out events.jsonl
  kairos generate --events 5000000 --customers 200000 --over 7d --out week.jsonl.zst
  kairos generate --events 1000 --faults none --seed 7 | head -3
  kairos generate --to-kafka localhost:9092 --topic events --rate 1000
  kairos generate --to-kafka localhost:9092 --topic events --backlog --events 5000000

The same arguments give the same bytes, on every machine; with --rate the times are those of the clock. For a backlog
the topic needs retention.ms=-1, or the cluster forgets it at once.";

/// How many lines, if neither their number nor a rate is given.
const DEFAULT_EVENTS: u64 = 1_000_000;

/// Bytes that are handed on at once.
const BLOCK: usize = 256 * 1024;

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct GenerateArgs {
    /// How many customers there are
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    customers: u64,
    /// How many lines to write [default: 1000000, with --rate without end]
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u64).range(..=1_000_000_000_000))]
    events: Option<u64>,
    /// Another seed gives other traffic
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// The time over which the lines are spread
    #[arg(long, value_name = "DURATION", default_value = "48h", value_parser = values::duration)]
    over: i64,
    /// The first instant [default: 2026-03-02T08:00:00Z]
    #[arg(long, value_name = "TIME", value_parser = values::instant)]
    start: Option<i64>,
    /// What goes wrong: late, repeated, disordered and unreadable lines as in real traffic, or nothing
    #[arg(long, value_enum, default_value_t = FaultsArg::Default)]
    faults: FaultsArg,
    /// The file, packed if it ends in .gz or .zst; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "-", conflicts_with = "to_kafka")]
    out: PathBuf,
    /// Write to a topic of this cluster instead, keyed by identifier
    #[arg(long, value_name = "HOST:PORT,…", requires = "topic")]
    to_kafka: Option<String>,
    /// The topic
    #[arg(long, value_name = "TOPIC", requires = "to_kafka")]
    topic: Option<String>,
    /// So many lines a second, as if they happened now, until Ctrl-C or --events
    #[arg(long, value_name = "N", requires = "to_kafka", conflicts_with_all = ["over", "start"])]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rate: Option<u64>,
    /// As fast as it goes, with the times of the generated events (the same as no --rate)
    #[arg(long, requires = "to_kafka", conflicts_with = "rate")]
    backlog: bool,
    /// A property of the Kafka client, such as security.protocol=SSL; repeat for several
    #[arg(long, value_name = "NAME=VALUE", requires = "to_kafka", value_parser = property)]
    kafka_property: Vec<(String, String)>,
}

fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE, for example compression.type=zstd".into()),
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FaultsArg {
    None,
    Default,
}

impl GenerateArgs {
    /// What traffic is asked for.
    fn config(&self) -> Config {
        Config {
            customers: self.customers,
            events: self.events.unwrap_or(DEFAULT_EVENTS),
            seed: self.seed,
            start_ms: self.start.unwrap_or(DEFAULT_START_MS),
            over_ms: self.over,
            faults: match self.faults {
                FaultsArg::None => Faults::none(),
                FaultsArg::Default => Faults::default(),
            },
            ..Config::default()
        }
    }
}

/// Writes the traffic.
pub(super) fn generate(args: &GenerateArgs) -> Result<u8, Failure> {
    if let (Some(brokers), Some(topic)) = (&args.to_kafka, &args.topic) {
        return to_kafka::send(args, brokers, topic);
    }
    let config = args.config();
    let bar = Bar::of_lines(config.events);
    let summary = Target::create(&args.out)?.with(|out| write(config, out, &bar))?;
    drop(bar);
    match summary {
        Some(Some(summary)) => tell(summary.to_string().trim_end()),
        Some(None) => return Err(interrupt::stopped("the file is incomplete")),
        None => {}
    }
    Ok(0)
}

/// Writes all lines; nothing is returned if Ctrl-C came before the end.
fn write(config: Config, out: &mut Target, bar: &Bar) -> io::Result<Option<Summary>> {
    let interrupt = interrupt::watch();
    let mut generator = Generator::new(config);
    let mut block = Vec::with_capacity(2 * BLOCK);
    let mut lines = 0;
    while generator.next_into(&mut block).is_some() {
        lines += 1;
        if block.len() >= BLOCK {
            out.write_all(&block)?;
            block.clear();
            bar.set(lines);
            if interrupt.is_asked() {
                return Ok(None);
            }
        }
    }
    out.write_all(&block)?;
    Ok(Some(generator.summary()))
}
