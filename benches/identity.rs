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
#[path = "support/stepwise.rs"]
mod stepwise;

use hdrhistogram::Histogram;
use kairos::dataflow::{Job, run};
use kairos::define::ast::SourceFile;
use kairos::epoch::Timeline;
use kairos::event::Claim;
use kairos::identity::Resolver;
use kairos::sink::{Sink, SinkError, Stream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;
use stepwise::{Gate, Step, Stepwise};

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

/// What the sink has seen.
struct Seen {
    begun: Instant,
    bulk: f64,
    sent: u64,
    one: Histogram<u64>,
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
    fn write(&mut self, stream: Stream, _: &[u8]) -> Result<(), SinkError> {
        self.lock().sent += u64::from(stream == Stream::Triggers);
        Ok(())
    }

    fn sync(&mut self) -> Result<Vec<u64>, SinkError> {
        Ok(vec![0; Stream::ALL.len()])
    }

    fn complete(&mut self, epoch: u64) -> Result<(), SinkError> {
        let Some((nanos, measured)) = self.gate.complete(epoch) else { return Ok(()) };
        let mut seen = self.lock();
        if measured {
            seen.one.saturating_record(nanos);
        } else if seen.one.is_empty() {
            seen.bulk = seen.begun.elapsed().as_secs_f64();
        }
        Ok(())
    }
}

fn main() {
    let plan = pack::plan(&[SourceFile { path: "pack.yaml".into(), text: PACK.into() }]);
    let links = size::size("IDENTIFIERS", 2_000, 2_000_000) / 2;
    let single = size::size("SINGLE", 100, 20_000);
    let mut steps = Vec::new();
    let mut time = START;
    for first in (0..links).step_by(AT_ONCE as usize) {
        let (mut bytes, last) = (Vec::new(), (first + AT_ONCE).min(links));
        for n in first..last {
            line(&mut bytes, "page", Some(n), Some(n), time);
        }
        steps.push(Step { bytes, lines: last - first, promise: time + 1, measured: false });
        time += 1;
    }
    let mut bytes = Vec::new();
    for n in links..links + single {
        line(&mut bytes, "Product Viewed", Some(n), None, time);
        line(&mut bytes, "Product Viewed", None, Some(n), time);
    }
    // Not counted among the bulk.
    steps.push(Step { bytes, lines: 2 * single, promise: time + 1, measured: true });
    time += 1;
    for n in links..links + single {
        let mut bytes = Vec::new();
        line(&mut bytes, "page", Some(n), Some(n), time);
        steps.push(Step { bytes, lines: 1, promise: time + 1, measured: true });
        time += 1;
    }
    let seen = Seen {
        begun: Instant::now(),
        bulk: 0.0,
        sent: 0,
        one: Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("sound bounds"),
    };
    let meter = Meter { seen: Arc::new(Mutex::new(seen)), gate: Gate::new() };
    let source = Stepwise::new(steps, meter.gate.clone());
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
    let seen = meter.lock();
    assert_eq!(seen.sent, single, "each merge was seen by a decision");
    println!(
        "identity: {links} links in bulk, {} at once: {:.0} a second",
        AT_ONCE,
        links as f64 / seen.bulk
    );
    let micros = |nanos: u64| nanos as f64 / 1_000.0;
    println!(
        "identity: {single} links one at a time beside {} identifiers: {:.0} a second; to the decision, µs: p50 {:.1}, p99 {:.1}, p99.9 {:.1}",
        2 * links,
        1e9 / seen.one.mean(),
        micros(seen.one.value_at_quantile(0.5)),
        micros(seen.one.value_at_quantile(0.99)),
        micros(seen.one.value_at_quantile(0.999)),
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
        resolver.epoch(vec![(at, Claim::Together(vec![user, device]))], Vec::new(), i64::MAX);
    }
    let bytes = counting::held() - before;
    println!("identity: {} bytes an identifier in the graph", bytes as u64 / (2 * links));
}
