//! Ten million pending timers: the memory they take, and how fast they fire in the order of their deadlines.
//!
//! First the queue alone: every person who comes up is armed again, so that all timers stay pending while as many fire as
//! there are. Then persons with it: a pack of one journey, one wait for each person, all of which come due within a day.

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

use kairos::decode::Decoder;
use kairos::define::ast::SourceFile;
use kairos::epoch::Span;
use kairos::event::Origin;
use kairos::limits::{KEY_GROUPS, TIMERS_PER_GROUP_AND_EPOCH};
use kairos::person::keyed::Keyed;
use kairos::person::{Timers, Worth};
use kairos::sim::rng::Rng;
use std::time::Instant;
use xxhash_rust::xxh3::Xxh3;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// 2026-03-02T00:00:00Z.
const START: i64 = 1_772_409_600_000;
const DAY: i64 = 86_400_000;
const EPOCH: i64 = 10_000;

fn main() {
    queue(size::size("TIMERS", 100_000, 10_000_000));
    persons(size::size("PERSONS", 5_000, 1_000_000));
}

fn queue(count: u64) {
    let mut rng = Rng::new(1);
    let before = counting::held();
    let start = Instant::now();
    let mut timers = Timers::default();
    for slot in 0..count as u32 {
        let deadline = START + rng.below(DAY as u64) as i64;
        timers.push(u64::from(slot), deadline, slot);
    }
    let armed = start.elapsed().as_secs_f64();
    let bytes = (counting::held() - before) as f64 / count as f64;
    println!("timers: {count} pending, {:.0} armed/s, {bytes:.1} bytes each", count as f64 / armed);

    let mut due = Vec::new();
    let mut hash = Xxh3::new();
    let (mut fired, mut before) = (0, START);
    let start = Instant::now();
    while fired < count {
        let until = before + EPOCH;
        timers.take_due(until, TIMERS_PER_GROUP_AND_EPOCH, |_, _| Worth::Due, &mut due);
        let mut last = (usize::MAX, 0);
        for (deadline, slot) in due.drain(..) {
            // Epoch after epoch, and by deadline within a key group.
            let group = slot as usize % KEY_GROUPS;
            assert!((before..until).contains(&deadline), "no timer fires early or late");
            assert!(last.0 != group || last.1 <= deadline, "earliest first");
            last = (group, deadline);
            hash.update(&deadline.to_le_bytes());
            timers.push(
                u64::from(slot),
                deadline + DAY / 2 + i64::from(slot % 1_000) * EPOCH,
                slot,
            );
            fired += 1;
        }
        before = until;
    }
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(timers.len() as u64, count);
    println!(
        "timers: {fired} fired and armed again in order, {:.0}/s, hash {:016x}",
        fired as f64 / seconds,
        hash.digest()
    );
}

const PACK: &str = "
journeys:
  patience:
    enter: { on: Started }
    steps:
      - wait: 12h
      - send: { channel: email, template: now }
";

fn persons(count: u64) {
    let plan = pack::plan(&[SourceFile { path: "bench.yaml".into(), text: PACK.into() }]);
    let decoder = Decoder::new(&plan.inputs);
    let mut keyed = Keyed::new(plan, 0, None);
    let mut effects = 0;
    let mut hash = Xxh3::new();
    let mut events = Vec::new();
    // They start evenly over a day, so that half of them are waiting at any time.
    let every = (count / (DAY / EPOCH) as u64).max(1);
    let mut number = 0;
    let mut firing = 0.0;
    let mut begin = START;
    while begin < START + 2 * DAY {
        while number < count && number / every <= ((begin - START) / EPOCH) as u64 {
            let line = format!(
                r#"{{"type":"track","event":"Started","userId":"c{number}","timestamp":"{}"}}"#,
                kairos::time::format(begin)
            );
            let origin = Origin { source: 0, position: number };
            events.push(decoder.decode(line.as_bytes(), origin).expect("a sound line"));
            number += 1;
        }
        let emit = &mut |id: &str, _, made: &mut Vec<_>| {
            effects += made.len();
            hash.update(id.as_bytes());
        };
        keyed.epoch(&mut events, span(begin, begin), emit);
        events.clear();
        let start = Instant::now();
        keyed.epoch(&mut Vec::new(), span(begin, begin + EPOCH), emit);
        firing += start.elapsed().as_secs_f64();
        begin += EPOCH;
    }
    let fired = keyed.counts().timers;
    println!(
        "timers: {fired} waits of {count} persons over, {:.0}/s, {effects} effects, hash {:016x}",
        fired as f64 / firing,
        hash.digest()
    );
}

fn span(begin: i64, end: i64) -> Span {
    Span { begin, end, clock: i64::MIN }
}
