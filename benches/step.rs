//! One person's step: what an event costs once it has come to its person, with the retail pack.
//!
//! Isolates facts, segments, journeys and policy from decoding, exchange, timers and outputs. A life is all of a person's
//! events, epoch by epoch, from the first to the last.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "sizes are set by variables, and it reports"
)]

#[path = "support/pack.rs"]
mod pack;
#[path = "support/size.rs"]
mod size;
#[path = "support/traffic.rs"]
mod traffic;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kairos::define::plan::Plan;
use kairos::event::Event;
use kairos::person::{Effect, Frame, Person};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::Xxh3;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EPOCH: i64 = 10_000;
const DEDUP: i64 = 3_600_000;

/// A person's events by the beginning of their epochs.
type Life = BTreeMap<i64, Vec<Event>>;

fn lives(events: Vec<Event>) -> BTreeMap<String, Life> {
    let mut lives = BTreeMap::<String, Life>::new();
    for event in events {
        let begin = event.time.div_euclid(EPOCH) * EPOCH;
        lives.entry(event.leaf.to_string()).or_default().entry(begin).or_default().push(event);
    }
    lives
}

/// Steps through a life; what came out is in `effects`.
fn live(plan: &Plan, id: &str, life: &Life, effects: &mut Vec<Effect>) -> Person {
    let mut person = Person::new(id.into());
    for (&begin, events) in life {
        step(plan, &mut person, begin, events, effects);
    }
    person
}

fn step(plan: &Plan, person: &mut Person, begin: i64, events: &[Event], effects: &mut Vec<Effect>) {
    let frame = Frame { dedup_horizon: DEDUP, ..Frame::between(plan, begin, begin + EPOCH) };
    person.run(&frame, events, effects);
}

fn steps(criterion: &mut Criterion) {
    let plan = traffic::retail();
    let (customers, count) =
        (size::size("CUSTOMERS", 100, 2_000), size::size("EVENTS", 1_000, 40_000));
    let events: Vec<Event> =
        traffic::traffic(&plan, customers, count).into_iter().map(|(_, event)| event).collect();
    let lives = lives(events.clone());
    let mut effects = Vec::new();
    let (mut hash, mut made) = (Xxh3::new(), 0);
    for (id, life) in &lives {
        live(&plan, id, life, &mut effects);
        made += effects.len();
        effects.drain(..).for_each(|effect| hash.update(format!("{effect:?}").as_bytes()));
    }
    println!(
        "step: {count} events of {} persons, {made} effects, hash {:016x}",
        lives.len(),
        hash.digest()
    );

    let mut group = criterion.benchmark_group("step");
    group.throughput(Throughput::Elements(events.len() as u64));
    group.bench_function("all lives", |bencher| {
        bencher.iter(|| {
            for (id, life) in &lives {
                live(&plan, id, life, &mut effects);
                effects.clear();
            }
        });
    });
    // The busiest person takes in the last event once more, a minute later, under another message id.
    let (id, life) = lives.iter().max_by_key(|(_, life)| life.len()).expect("there is traffic");
    let person = live(&plan, id, life, &mut effects);
    let mut event = life.values().flatten().last().expect("a life has events").clone();
    event.time += 60_000;
    event.message_id = "another".into();
    let begin = event.time.div_euclid(EPOCH) * EPOCH;
    group.throughput(Throughput::Elements(1));
    group.bench_function("one more event of the busiest person", |bencher| {
        let fresh = || (person.clone(), Vec::with_capacity(8));
        bencher.iter_batched_ref(
            fresh,
            |(person, effects)| step(&plan, person, begin, std::slice::from_ref(&event), effects),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
