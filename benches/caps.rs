//! The contact policy: what deciding one message costs, by the number of caps and of sends that they have to look at.
//!
//! Isolates the gates from everything else: a journey of one step sends at every event, and nothing holds it.

#![expect(clippy::print_stdout, reason = "it reports")]

#[path = "support/pack.rs"]
mod pack;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use kairos::decode::Decoder;
use kairos::define::ast::SourceFile;
use kairos::define::plan::Plan;
use kairos::event::{Event, Origin};
use kairos::person::{Effect, Frame, Person};
use xxhash_rust::xxh3::xxh3_64;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 2026-03-02T09:00:00Z, a Monday.
const START: i64 = 1_772_442_000_000;

fn pack_of(caps: usize) -> String {
    let windows = ["over: 7d", "per: day", "per: week", "per: month", "over: 12h"];
    let mut text = String::from("policy:\n  time_zone: Europe/Warsaw\n  caps:\n");
    for cap in 0..caps {
        let window = windows[cap % windows.len()];
        text += &format!("    - {{ name: cap {cap}, max: 1000, {window} }}\n");
    }
    text + "journeys:\n  ping:\n    enter: { on: Ping, again: always }\n    \
            steps: [ { send: { channel: email, template: ping } } ]\n"
}

fn ping(plan: &Plan, at: i64) -> Event {
    let line = format!(
        r#"{{"type":"track","event":"Ping","userId":"1","timestamp":"{}"}}"#,
        kairos::time::format(at)
    );
    Decoder::new(&plan.inputs).decode(line.as_bytes(), Origin::default()).expect("a sound line")
}

fn send(plan: &Plan, person: &mut Person, event: &Event, effects: &mut Vec<Effect>) {
    let frame = Frame::between(plan, event.time, event.time + 1);
    person.run(&frame, std::slice::from_ref(event), effects);
}

fn caps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("caps");
    for caps in [1, 5, 20] {
        let plan =
            pack::plan(&[SourceFile { path: "bench.yaml".into(), text: pack_of(caps).into() }]);
        for sends in [10, 200] {
            let mut person = Person::new("user:1".into());
            let mut effects = Vec::new();
            for n in 0..sends {
                send(&plan, &mut person, &ping(&plan, START + n * 60_000), &mut effects);
            }
            let hash = xxh3_64(format!("{effects:?}").as_bytes());
            println!("caps: {caps} caps, {sends} sends remembered, hash {hash:016x}");
            let event = ping(&plan, START + sends * 60_000);
            group.bench_function(BenchmarkId::new(format!("{caps} caps"), sends), |bencher| {
                let fresh = || (person.clone(), Vec::with_capacity(8));
                bencher.iter_batched_ref(
                    fresh,
                    |(person, effects)| send(&plan, person, &event, effects),
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, caps);
criterion_main!(benches);
