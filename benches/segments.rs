//! Segments: what it costs to keep memberships exact, when an event touches one of fifty segments, when it touches all of
//! them, and when nothing happens but time.
//!
//! Isolates facts in windows and conditions; there are no journeys.

#![expect(clippy::print_stdout, reason = "it reports")]

#[path = "support/pack.rs"]
mod pack;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use kairos::decode::Decoder;
use kairos::define::ast::SourceFile;
use kairos::define::plan::Plan;
use kairos::event::{Event, Origin};
use kairos::person::{Effect, Frame, Person};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 2026-03-02T09:00:00Z.
const START: i64 = 1_772_442_000_000;
const HOUR: i64 = 3_600_000;
const SEGMENTS: i64 = 50;

/// Each segment counts views in a window of its own: of one category, or of all.
fn plan_of(by_category: bool) -> Arc<Plan> {
    let (mut facts, mut segments) = (String::from("facts:\n"), String::from("segments:\n"));
    for n in 0..SEGMENTS {
        let on = if by_category { format!("Viewed {n}") } else { "Viewed".into() };
        facts += &format!("  views_{n}: {{ count: {on}, over: {}h }}\n", n + 1);
        segments += &format!("  keen-{n}: views_{n} >= 1\n");
    }
    pack::plan(&[SourceFile { path: "bench.yaml".into(), text: (facts + &segments).into() }])
}

fn viewed(plan: &Plan, name: &str, at: i64) -> Event {
    let line = format!(
        r#"{{"type":"track","event":"{name}","userId":"1","timestamp":"{}"}}"#,
        kairos::time::format(at)
    );
    Decoder::new(&plan.inputs).decode(line.as_bytes(), Origin::default()).expect("a sound line")
}

/// Takes in events, and lets time go on to `until`.
fn run(plan: &Plan, person: &mut Person, events: &[Event], until: i64, effects: &mut Vec<Effect>) {
    let watermark = events.first().map_or(until - 1, |event| event.time);
    let frame = Frame::between(plan, watermark, until);
    person.run(&frame, events, effects);
}

fn segments(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("segments");
    let (one, all) = (plan_of(true), plan_of(false));
    for (name, plan, event) in [
        ("an event that touches 1 of 50", &one, "Viewed 7"),
        ("an event that touches 50 of 50", &all, "Viewed"),
    ] {
        let mut effects = Vec::new();
        let mut person = Person::new("user:1".into());
        for n in 0..10 {
            let at = START + n * 1_000;
            run(plan, &mut person, &[viewed(plan, event, at)], at + 1, &mut effects);
        }
        println!("segments: {name}: hash {:016x}", xxh3_64(format!("{effects:?}").as_bytes()));
        let next = viewed(plan, event, START + 60_000);
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || (person.clone(), Vec::with_capacity(64)),
                |(person, effects)| {
                    run(plan, person, std::slice::from_ref(&next), next.time + 1, effects);
                },
                BatchSize::SmallInput,
            );
        });
    }
    let mut person = Person::new("user:1".into());
    run(&all, &mut person, &[viewed(&all, "Viewed", START)], START + 1, &mut Vec::new());
    let mut effects = Vec::new();
    run(&all, &mut person.clone(), &[], START + 100 * HOUR, &mut effects);
    assert_eq!(effects.len() as i64, SEGMENTS, "each is left at the instant its window is over");
    println!("segments: time alone: hash {:016x}", xxh3_64(format!("{effects:?}").as_bytes()));
    group.bench_function("time alone: 50 left one after the other", |bencher| {
        bencher.iter_batched_ref(
            || (person.clone(), Vec::with_capacity(64)),
            |(person, effects)| run(&all, person, &[], START + 100 * HOUR, effects),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, segments);
criterion_main!(benches);
