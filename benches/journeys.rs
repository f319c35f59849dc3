//! What an event costs with 10, 100 and 1,000 journeys in the pack, of which it touches one: one fact, one segment, one entry.
//!
//! Isolates facts, segments, journeys and policy, as `step` does. The same events happen to the same persons under each pack.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it reads the clock and reports"
)]

#[path = "support/pack.rs"]
mod pack;
#[path = "support/size.rs"]
mod size;

use kairos::decode::Decoder;
use kairos::define::ast::SourceFile;
use kairos::event::{Event, Origin};
use kairos::person::{Frame, Person};
use kairos::sim::rng::Rng;
use std::fmt::Write;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const START: i64 = 1_780_000_000_000;
const PERSONS: u64 = 500;

/// So many kinds of events happen, whatever the pack.
const KINDS: u64 = 10;

fn pack(journeys: u64) -> String {
    let (mut facts, mut segments, mut all) = (String::new(), String::new(), String::new());
    for n in 0..journeys {
        let _ = writeln!(facts, "  seen_{n}: {{ count: Seen {n}, over: 7d }}");
        let _ = writeln!(segments, "  keen-{n}: seen_{n} >= 3");
        let _ = writeln!(
            all,
            "  keen-{n}:\n    enter: {{ entered: keen-{n}, again: after 1d }}\n    exit: [ {{ on: Bought {n}, goal: true }} ]\n    \
             steps: [ {{ wait: 1h }}, {{ send: {{ channel: email, template: keen-{n} }} }} ]\n  seen-{n}:\n    enter: {{ on: Seen {n}, \
             again: after 7d }}\n    exit: [ {{ on: Bought {n} }} ]\n    steps: [ {{ wait: 2d }}, {{ send: {{ channel: email, template: seen-{n} }} }} ]"
        );
    }
    let policy = "policy:\n  caps: [ { max: 3, over: 7d } ]\n";
    format!("facts:\n{facts}segments:\n{segments}journeys:\n{all}{policy}")
}

fn events(decoder: &Decoder, count: u64) -> Vec<Vec<Event>> {
    let mut rng = Rng::new(11);
    let mut of_person = vec![Vec::new(); PERSONS as usize];
    for number in 0..count {
        let (person, kind) = (rng.below(PERSONS), rng.below(KINDS));
        let name = if rng.chance(0.1) { "Bought" } else { "Seen" };
        let time = START + number as i64 * 5_000;
        let line = format!(
            r#"{{"type":"track","event":"{name} {kind}","userId":"u{person}","messageId":"m{number}","timestamp":{time}}}"#
        );
        let origin = Origin { source: 0, position: number };
        of_person[person as usize]
            .push(decoder.decode(line.as_bytes(), origin).expect("a sound line"));
    }
    of_person
}

fn main() {
    let count = size::size("EVENTS", 5_000, 400_000);
    let mut first = None;
    for journeys in [10, 100, size::size("JOURNEYS", 200, 1_000)] {
        let files = [SourceFile { path: "bench.yaml".into(), text: pack(journeys).into() }];
        let begun = Instant::now();
        let plan = pack::plan(&files);
        let compiled = begun.elapsed();
        let lives = events(&Decoder::new(&plan.inputs), count);
        let (begun, mut said) = (Instant::now(), 0);
        let mut effects = Vec::new();
        for (number, life) in lives.iter().enumerate() {
            let mut person = Person::new(format!("user:u{number}").as_str().into());
            for event in life {
                let frame = Frame {
                    dedup_horizon: 3_600_000,
                    ..Frame::between(&plan, event.time, event.time + 1)
                };
                person.run(&frame, std::slice::from_ref(event), &mut effects);
                said += effects.len();
                effects.clear();
            }
        }
        let nanos = begun.elapsed().as_nanos() as f64 / count as f64;
        let ratio = nanos / *first.get_or_insert(nanos);
        println!(
            "journeys: {journeys} times two in the pack, compiled in {compiled:.0?}: {nanos:.0} ns an event, {ratio:.2} times that of the fewest, \
             {said} effects"
        );
    }
}
