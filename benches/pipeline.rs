//! The whole pipeline: bytes in memory to lines of decisions, with the retail pack.
//!
//! Isolates decode, exchange, the keyed state, timers and the sorting of outputs from disks and from the generator, which
//! runs before the clock starts. Prints what it measured and a hash of the outputs, which must not change with workers.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it reads the clock and reports"
)]

use kairos::dataflow::ingest::CHUNKS_PER_CHECKPOINT;
use kairos::dataflow::{Job, run};
use kairos::define::compile::{Keep, compile};
use kairos::epoch::Timeline;
use kairos::sim::generate::{Config, Faults, Generator};
use kairos::sink::memory::Digest;
use kairos::source::memory::Memory;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let full = std::env::args().any(|argument| argument == "--bench");
    let number = |name: &str, small: u64, large: u64| {
        let set = std::env::var(name).ok().and_then(|text| text.parse().ok());
        set.unwrap_or(if full { large } else { small })
    };
    let events = number("EVENTS", 20_000, 3_000_000);
    let customers = number("CUSTOMERS", 2_000, 1_000_000);
    let hours = number("HOURS", 48, 48);
    let rounds = number("ROUNDS", 1, 3);
    let workers = match number("WORKERS", 0, 0) {
        0 => vec![1, 2],
        workers => vec![workers as usize],
    };
    let pack = std::env::var("PACK").unwrap_or("dataflows/retail".into());
    let files = kairos::define::files::read_pack(Path::new(&pack)).expect("the pack is there");
    let (parsed, mistakes) = kairos::define::parse::parse(&files);
    assert!(mistakes.is_empty(), "{}", kairos::define::diagnostic::render(&files, &mistakes));
    let plan = Arc::new(compile(&parsed, Keep::Used).expect("the pack compiles"));
    let config = Config {
        customers,
        events,
        seed: 1,
        over_ms: hours as i64 * 3_600_000,
        faults: Faults::default(),
        ..Config::default()
    };
    let mut generator = Generator::new(config);
    let mut bytes = Vec::new();
    while generator.next_into(&mut bytes).is_some() {}
    let bytes = Arc::new(bytes);
    println!(
        "pipeline: {events} events, {customers} customers over {hours} h, {} bytes an event, {} facts, {} segments, {} journeys",
        bytes.len() as u64 / events,
        plan.facts.len(),
        plan.segments.len(),
        plan.journeys.len()
    );
    for round in 0..rounds {
        for &workers in &workers {
            let digest = Digest::default();
            let job = Job {
                plan: plan.clone(),
                sources: vec![(
                    "memory".into(),
                    Box::new(Memory::new(0, bytes.clone(), 256 * 1024)),
                )],
                sink: Box::new(digest.clone()),
                workers,
                timeline: Timeline { slack: 5_000, step: number("STEP_MS", 10_000, 10_000) as i64 },
                dedup_horizon: 3_600_000,
                until: None,
                store: None,
                chunks_per_checkpoint: CHUNKS_PER_CHECKPOINT,
                keep_persons: false,
            };
            let start = Instant::now();
            let finished = run(job).join().expect("the run succeeds");
            let seconds = start.elapsed().as_secs_f64();
            let (hash, lines) = digest.value();
            println!(
                "round {round}, {workers} worker(s): {:.0} events/s ({seconds:.2} s), {lines} lines, hash {hash:016x}, {:?}",
                events as f64 / seconds,
                finished.counts
            );
        }
    }
}
