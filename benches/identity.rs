//! Links: how fast identifiers become one person, many at once and one at a time, through the real dataflow.
//!
//! First, pairs of a device and a customer are linked in bulk, 10,000 in an epoch: half of `IDENTIFIERS` links. Measured is
//! from the first byte to the commit of the last one. Then customers and devices who have each viewed something are linked
//! one at a time, each link in an epoch of its own: measured is from handing over the line to the commit of its decision,
//! which is made because both histories are one (the journey waits for two views). So it is how long a merge takes to be
//! visible to decisions. Last, what an identifier takes in the memory of who decides who is who.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it reads the clock and reports"
)]

#[path = "support/counting.rs"]
mod counting;
#[path = "support/pack.rs"]
mod pack;
#[path = "support/size.rs"]
mod size;

use hdrhistogram::Histogram;
use kairos::dataflow::{Job, run};
use kairos::define::ast::SourceFile;
use kairos::epoch::Timeline;
use kairos::event::Claim;
use kairos::identity::Resolver;
use kairos::sink::{Sink, SinkError, Stream};
use kairos::source::{Chunk, Source, SourceError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const PACK: &str = "
identity: { identifiers: [user, anonymous] }
facts: { views: { count: Product Viewed } }
segments: { keen: views >= 2 }
journeys:
  keen:
    enter: { entered: keen }
    steps: [ { send: { channel: push, template: keen, with: { views: views } } } ]
";

const START: i64 = 1_780_000_000_000;

/// Links in one epoch while they come in bulk.
const AT_ONCE: u64 = 10_000;

fn line(out: &mut Vec<u8>, event: &str, user: Option<u64>, device: Option<u64>, time: i64) {
    use std::io::Write;
    write!(out, r#"{{"type":"track","event":"{event}","timestamp":{time}"#).expect("memory");
    if let Some(user) = user {
        write!(out, r#","userId":"customer-{user}""#).expect("memory");
    }
    if let Some(device) = device {
        write!(out, r#","anonymousId":"9f1c2a44-5b1e-4c6f-8d3a-{device:012}""#).expect("memory");
    }
    out.extend_from_slice(b"}\n");
}

/// What source and sink know of one another.
struct Shared {
    /// The epoch that has to be written before the next chunk, and whether it is measured.
    awaited: Option<(u64, bool)>,
    handed: Instant,
    begun: Instant,
    bulk: f64,
    sent: u64,
    one: Histogram<u64>,
}

#[derive(Clone)]
struct Meter(Arc<Mutex<Shared>>);

impl Meter {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().expect("nobody panics while measuring")
    }
}

/// Chunks with the time promised after each, and whether they are measured.
struct Chunks {
    chunks: std::vec::IntoIter<(Vec<u8>, i64, bool)>,
    offset: u64,
    lines: u64,
    meter: Meter,
}

impl Source for Chunks {
    fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError> {
        let mut shared = self.meter.lock();
        let chunk = Chunk { offset: self.offset, first_line: self.lines + 1, ..Chunk::default() };
        if shared.awaited.is_some() {
            return Ok(Some(chunk));
        }
        let Some((bytes, promise, measured)) = self.chunks.next() else { return Ok(None) };
        let length = bytes.len() as u64;
        self.offset += length;
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        shared.awaited = Some((promise as u64 - 1, measured));
        shared.handed = Instant::now();
        Ok(Some(Chunk { bytes, length, promise: Some(promise), ..chunk }))
    }
}

impl Sink for Meter {
    fn write(&mut self, stream: Stream, _: &[u8]) -> Result<(), SinkError> {
        self.lock().sent += u64::from(stream == Stream::Triggers);
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
        if measured {
            let nanos = shared.handed.elapsed().as_nanos() as u64;
            shared.one.saturating_record(nanos);
        } else if shared.one.is_empty() {
            shared.bulk = shared.begun.elapsed().as_secs_f64();
        }
        shared.awaited = None;
        Ok(())
    }
}

fn main() {
    let plan = pack::plan(&[SourceFile { path: "pack.yaml".into(), text: PACK.into() }]);
    let links = size::size("IDENTIFIERS", 2_000, 2_000_000) / 2;
    let single = size::size("SINGLE", 100, 20_000);
    let mut chunks = Vec::new();
    let mut time = START;
    for first in (0..links).step_by(AT_ONCE as usize) {
        let mut bytes = Vec::new();
        for n in first..(first + AT_ONCE).min(links) {
            line(&mut bytes, "page", Some(n), Some(n), time);
        }
        chunks.push((bytes, time + 1, false));
        time += 1;
    }
    let mut bytes = Vec::new();
    for n in links..links + single {
        line(&mut bytes, "Product Viewed", Some(n), None, time);
        line(&mut bytes, "Product Viewed", None, Some(n), time);
    }
    // Not counted among the bulk.
    let views = bytes;
    let mut one_by_one = vec![(views, time + 1, true)];
    time += 1;
    for n in links..links + single {
        let mut bytes = Vec::new();
        line(&mut bytes, "page", Some(n), Some(n), time);
        one_by_one.push((bytes, time + 1, true));
        time += 1;
    }
    chunks.extend(one_by_one);
    let meter = Meter(Arc::new(Mutex::new(Shared {
        awaited: None,
        handed: Instant::now(),
        begun: Instant::now(),
        bulk: 0.0,
        sent: 0,
        one: Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("sound bounds"),
    })));
    let source = Chunks { chunks: chunks.into_iter(), offset: 0, lines: 0, meter: meter.clone() };
    let job = Job {
        plan: plan.clone(),
        sources: vec![("lines".into(), Box::new(source))],
        sink: Box::new(meter.clone()),
        workers: size::size("WORKERS", 1, 1) as usize,
        timeline: Timeline { slack: 0, step: 1 },
        dedup_horizon: 3_600_000,
        until: None,
        store: None,
        chunks_per_checkpoint: kairos::dataflow::ingest::CHUNKS_PER_CHECKPOINT,
        keep_persons: false,
    };
    meter.lock().begun = Instant::now();
    run(job).join().expect("the run succeeds");
    let shared = meter.lock();
    assert_eq!(shared.sent, single, "each merge was seen by a decision");
    println!(
        "identity: {links} links in bulk, {} at once: {:.0} a second",
        AT_ONCE,
        links as f64 / shared.bulk
    );
    let micros = |nanos: u64| nanos as f64 / 1_000.0;
    println!(
        "identity: {single} links one at a time beside {} identifiers: {:.0} a second; to the decision, µs: p50 {:.1}, p99 {:.1}, p99.9 {:.1}",
        2 * links,
        1e9 / shared.one.mean(),
        micros(shared.one.value_at_quantile(0.5)),
        micros(shared.one.value_at_quantile(0.99)),
        micros(shared.one.value_at_quantile(0.999)),
    );
    memory(&plan.inputs.identity.clone().expect("the pack has it"), links);
}

/// What who decides who is who keeps of an identifier.
fn memory(rules: &kairos::define::plan::IdentityPlan, links: u64) {
    let before = counting::held();
    let mut resolver = Resolver::new(rules.clone());
    for n in 0..links {
        let user = format!("user:customer-{n}").into();
        let device = format!("anonymous:9f1c2a44-5b1e-4c6f-8d3a-{n:012}").into();
        let at = (0, 0, kairos::event::Origin { source: 0, position: n });
        resolver.epoch(vec![(at, Claim::Together(vec![user, device]))]);
    }
    let bytes = counting::held() - before;
    println!("identity: {} bytes an identifier in the graph", bytes as u64 / (2 * links));
}
