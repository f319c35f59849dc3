//! The whole pipeline: bytes in memory to lines of decisions, with the retail pack.
//!
//! Isolates decode, exchange, the keyed state, timers and the sorting of outputs from disks and from the generator, which
//! runs before the clock starts. Prints what it measured and a hash of the outputs, which must not change with workers.
//! An epoch holds some 20,000 events, which Kairos takes at once from a backlog; `EPOCH_EVENTS` says otherwise, or `STEP_MS` how much event
//! time an epoch is: in 10,000 ms, as `kairos run` takes by itself, 170 of these events happen.
//! With `WITH` it runs by turns without and with a file of definitions, and says which share of its speed the pack keeps.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it reads the clock and reports"
)]

#[path = "support/pack.rs"]
mod pack;
#[path = "support/size.rs"]
mod size;

use kairos::dataflow::ingest::CHUNKS_PER_CHECKPOINT;
use kairos::dataflow::{Job, run};
use kairos::define::ast::SourceFile;
use kairos::define::files::read_pack;
use kairos::define::plan::Plan;
use kairos::epoch::Timeline;
use kairos::sim::generate::{Config, Faults, Generator};
use kairos::sink::memory::Digest;
use kairos::sink::{Sink, SinkError, Stream};
use kairos::source::memory::Memory;
use size::size;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    kairos::allocator::keep_freed_memory();
    let events = size("EVENTS", 20_000, 3_000_000);
    let customers = size("CUSTOMERS", 2_000, 1_000_000);
    let hours = size("HOURS", 48, 48);
    let all_workers = match size("WORKERS", 0, 0) {
        0 => vec![1, 2],
        workers => vec![workers as usize],
    };
    let step = match size("STEP_MS", 0, 0) {
        0 => hours * 3_600_000 * size("EPOCH_EVENTS", 1_000, 20_000) / events,
        step => step,
    };
    let plans = plans();
    let bytes = Arc::new(traffic(events, customers, hours));
    println!(
        "pipeline: {events} events, {customers} customers over {hours} h, epochs of {step} ms, {} bytes an event",
        bytes.len() as u64 / events
    );
    for (name, plan) in &plans {
        let (facts, segments) = (plan.facts.len(), plan.segments.len());
        let journeys = plan.journeys.len();
        println!("pipeline: {name}: {facts} facts, {segments} segments, {journeys} journeys");
    }
    for workers in all_workers {
        let mut shares: Vec<f64> = Vec::new();
        for round in 0..size("ROUNDS", 1, 3) {
            let run = |(name, plan): &(String, Arc<Plan>)| {
                let (seconds, found) = seconds(plan, &bytes, workers, step);
                let speed = events as f64 / seconds;
                println!(
                    "round {round}, {workers} worker(s), {name}: {speed:.0} events/s ({seconds:.2} s), {found}"
                );
                seconds
            };
            let taken: Vec<f64> = plans.iter().map(run).collect();
            shares.extend(taken.get(1).map(|with| taken[0] / with));
        }
        shares.sort_by(f64::total_cmp);
        if let (Some(low), Some(high)) =
            (shares.get(shares.len().saturating_sub(1) / 2), shares.get(shares.len() / 2))
        {
            let median = 50.0 * (low + high);
            println!("{workers} worker(s): {median:.1} % of its speed, the median");
        }
    }
}

/// The pack; and the pack with another file of definitions, if there is one.
fn plans() -> Vec<(String, Arc<Plan>)> {
    let pack = std::env::var("PACK").unwrap_or("dataflows/retail".into());
    let mut files = read_pack(Path::new(&pack)).expect("the pack is there");
    let mut plans = vec![(pack, pack::plan(&files))];
    if let Ok(path) = std::env::var("WITH") {
        let text = std::fs::read_to_string(&path).expect("the file is there");
        files.push(SourceFile { path: path.clone(), text: text.into() });
        plans.push((format!("with {path}"), pack::plan(&files)));
    }
    plans
}

fn traffic(events: u64, customers: u64, hours: u64) -> Vec<u8> {
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
    bytes
}

/// Notes when epochs were complete: the last time is the end of the work. After it only memory is freed.
struct Timed {
    digest: Digest,
    complete: Arc<Mutex<Instant>>,
}

impl Sink for Timed {
    fn write(&mut self, stream: Stream, line: &[u8]) -> Result<(), SinkError> {
        self.digest.write(stream, line)
    }

    fn sync(&mut self) -> Result<Vec<u64>, SinkError> {
        self.digest.sync()
    }

    fn complete(&mut self, epoch: u64) -> Result<(), SinkError> {
        *self.complete.lock().expect("nobody panics while noting") = Instant::now();
        self.digest.complete(epoch)
    }
}

/// How long it takes from the first byte to the last line, and what came out.
fn seconds(plan: &Arc<Plan>, bytes: &Arc<Vec<u8>>, workers: usize, step: u64) -> (f64, String) {
    let digest = Digest::default();
    let start = Instant::now();
    let complete = Arc::new(Mutex::new(start));
    let job = Job {
        plan: plan.clone(),
        sources: vec![("memory".into(), Box::new(Memory::new(0, bytes.clone(), 256 * 1024)))],
        sink: Box::new(Timed { digest: digest.clone(), complete: complete.clone() }),
        workers,
        timeline: Timeline { slack: 5_000, step: step as i64 },
        dedup_horizon: 3_600_000,
        until: None,
        store: None,
        chunks_per_checkpoint: CHUNKS_PER_CHECKPOINT,
        keep_persons: false,
    };
    let finished = run(job).join().expect("the run succeeds");
    let end = *complete.lock().expect("nobody panics while noting");
    let seconds = end.duration_since(start).as_secs_f64();
    let (hash, lines) = digest.value();
    (seconds, format!("{lines} lines, hash {hash:016x}, {:?}", finished.counts))
}
