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
#[path = "support/traffic.rs"]
mod traffic;

use hdrhistogram::Histogram;
use kairos::dataflow::{Job, run};
use kairos::epoch::Timeline;
use kairos::sink::{Sink, SinkError, Stream};
use kairos::source::{Chunk, Source, SourceError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;
use xxhash_rust::xxh3::Xxh3;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What source and sink know of one another.
struct Shared {
    /// The epoch that has to be written before the next chunk, and whether it is measured.
    awaited: Option<(u64, bool)>,
    handed: Instant,
    decided: bool,
    all: Histogram<u64>,
    deciding: Histogram<u64>,
    hash: Xxh3,
    lines: u64,
}

#[derive(Clone)]
struct Meter(Arc<Mutex<Shared>>);

impl Meter {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().expect("nobody panics while measuring")
    }
}

/// Hands on one line after the other, each when the one before is done with.
struct OneByOne {
    lines: Vec<(Vec<u8>, i64)>,
    at: usize,
    moved: bool,
    offset: u64,
    meter: Meter,
}

impl Source for OneByOne {
    fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError> {
        let mut shared = self.meter.lock();
        let mut chunk =
            Chunk { offset: self.offset, first_line: self.at as u64 + 1, ..Chunk::default() };
        if shared.awaited.is_some() {
            return Ok(Some(chunk));
        }
        let Some((line, time)) = self.lines.get_mut(self.at) else { return Ok(None) };
        if self.moved {
            chunk.bytes = std::mem::take(line);
            chunk.length = chunk.bytes.len() as u64;
            self.offset += chunk.length;
            self.at += 1;
        }
        let promise = *time + i64::from(self.moved);
        chunk.promise = Some(promise);
        shared.awaited = Some((promise as u64 - 1, self.moved));
        shared.handed = Instant::now();
        self.moved = !self.moved;
        Ok(Some(chunk))
    }
}

impl Sink for Meter {
    fn write(&mut self, stream: Stream, line: &[u8]) -> Result<(), SinkError> {
        let mut shared = self.lock();
        shared.decided |= stream == Stream::Decisions;
        shared.hash.update(line);
        shared.lines += 1;
        Ok(())
    }

    fn sync(&mut self) -> Result<Vec<u64>, SinkError> {
        Ok(vec![0; Stream::ALL.len()])
    }

    fn complete(&mut self, epoch: u64) -> Result<(), SinkError> {
        let mut shared = self.lock();
        let Some((_, measured)) = shared.awaited.filter(|(awaited, _)| *awaited < epoch) else {
            return Ok(());
        };
        let nanos = shared.handed.elapsed().as_nanos() as u64;
        if measured {
            shared.all.saturating_record(nanos);
            if shared.decided {
                shared.deciding.saturating_record(nanos);
            }
        }
        shared.decided = false;
        shared.awaited = None;
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
    let meter = Meter(Arc::new(Mutex::new(Shared {
        awaited: None,
        handed: Instant::now(),
        decided: false,
        all: histogram(),
        deciding: histogram(),
        hash: Xxh3::new(),
        lines: 0,
    })));
    let source = OneByOne { lines, at: 0, moved: false, offset: 0, meter: meter.clone() };
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
    let shared = meter.lock();
    for (name, histogram) in [("all epochs", &shared.all), ("with a decision", &shared.deciding)] {
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
    println!("epoch: {} lines, hash {:016x}", shared.lines, shared.hash.digest());
}
