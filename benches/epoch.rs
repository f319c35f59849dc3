//! One event, one epoch: how long it takes from the bytes of a line to its decisions, through the real dataflow.
//!
//! One worker, the retail pack, generated customers. Time is first moved on to the event, so that timers of others are not
//! counted; then the line is handed to the ingest together with the promise that nothing earlier follows, and the epoch is
//! over when the sink hears of it. Isolates the latency of the engine from disks, the slack, and batching.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it reads the clock and reports"
)]

#[path = "support/pack.rs"]
mod pack;
#[path = "support/size.rs"]
mod size;
#[path = "support/stepwise.rs"]
mod stepwise;
#[path = "support/traffic.rs"]
mod traffic;

use hdrhistogram::Histogram;
use kairos::dataflow::{Job, run};
use kairos::epoch::Timeline;
use kairos::sink::{Sink, SinkError, Stream};
use std::sync::{Arc, Mutex, MutexGuard};
use stepwise::{Gate, Step, Stepwise};
use xxhash_rust::xxh3::Xxh3;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the sink has seen.
struct Seen {
    decided: bool,
    all: Histogram<u64>,
    deciding: Histogram<u64>,
    hash: Xxh3,
    lines: u64,
}

#[derive(Clone)]
struct Meter {
    seen: Arc<Mutex<Seen>>,
    gate: Gate,
}

impl Meter {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("nobody panics while measuring")
    }
}

impl Sink for Meter {
    fn write(&mut self, stream: Stream, line: &[u8]) -> Result<(), SinkError> {
        let mut seen = self.lock();
        seen.decided |= stream == Stream::Decisions;
        seen.hash.update(line);
        seen.lines += 1;
        Ok(())
    }

    fn sync(&mut self) -> Result<Vec<u64>, SinkError> {
        Ok(vec![0; Stream::ALL.len()])
    }

    fn complete(&mut self, epoch: u64) -> Result<(), SinkError> {
        let Some((nanos, measured)) = self.gate.complete(epoch) else { return Ok(()) };
        let mut seen = self.lock();
        if measured {
            seen.all.saturating_record(nanos);
            if seen.decided {
                seen.deciding.saturating_record(nanos);
            }
        }
        seen.decided = false;
        Ok(())
    }
}

fn main() {
    let plan = traffic::retail();
    let customers = size::size("CUSTOMERS", 100, 20_000);
    let events = size::size("EVENTS", 500, 20_000);
    let mut lines: Vec<(Vec<u8>, i64)> = traffic::traffic(&plan, customers, events)
        .into_iter()
        .map(|(line, event)| (line, event.time))
        .collect();
    // An epoch is a millisecond here: one event to each, and between two of them one in which only time moves. Without the
    // latter there would be nothing to wait for.
    lines.sort_by_key(|(_, time)| *time);
    lines.dedup_by(|next, kept| next.1 < kept.1 + 2);
    let count = lines.len();
    let histogram = || Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("sound bounds");
    let seen = Seen {
        decided: false,
        all: histogram(),
        deciding: histogram(),
        hash: Xxh3::new(),
        lines: 0,
    };
    let meter = Meter { seen: Arc::new(Mutex::new(seen)), gate: Gate::new() };
    let step = |(line, time): (Vec<u8>, i64)| {
        let only_time = Step { bytes: Vec::new(), lines: 0, promise: time, measured: false };
        [only_time, Step { bytes: line, lines: 1, promise: time + 1, measured: true }]
    };
    let steps = lines.into_iter().flat_map(step).collect();
    let source = Stepwise::new(steps, meter.gate.clone());
    let job = Job {
        plan,
        sources: vec![("lines".into(), Box::new(source))],
        sink: Box::new(meter.clone()),
        workers: 1,
        timeline: Timeline { slack: 0, step: 1 },
        dedup_horizon: 3_600_000,
        until: None,
        store: None,
        chunks_per_checkpoint: kairos::dataflow::ingest::CHUNKS_PER_CHECKPOINT,
        keep_persons: false,
    };
    let finished = run(job).join().expect("the run succeeds");
    assert_eq!(finished.counts.events as usize, count);
    let seen = meter.lock();
    for (name, histogram) in [("all epochs", &seen.all), ("with a decision", &seen.deciding)] {
        let micros = |nanos: u64| nanos as f64 / 1_000.0;
        println!(
            "epoch: {name}: {} of one event, µs: p50 {:.1}, p99 {:.1}, p99.9 {:.1}, max {:.1}",
            histogram.len(),
            micros(histogram.value_at_quantile(0.5)),
            micros(histogram.value_at_quantile(0.99)),
            micros(histogram.value_at_quantile(0.999)),
            micros(histogram.max())
        );
    }
    println!("epoch: {} lines, hash {:016x}", seen.lines, seen.hash.digest());
}
