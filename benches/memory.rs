//! Memory of a customer who is known and does nothing, with the retail pack.
//!
//! Generated customers go through the keyed state; then nothing happens for a day, so that whoever is idle is packed. What
//! is counted is everything the state holds then, divided by the persons: packed bytes, index, timers, and those who are
//! still at something.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "sizes are set by variables, and it reports"
)]

#[path = "support/counting.rs"]
mod counting;
#[path = "support/pack.rs"]
mod pack;
#[path = "support/size.rs"]
mod size;
#[path = "support/traffic.rs"]
mod traffic;

use hdrhistogram::Histogram;
use kairos::epoch::Span;
use kairos::event::Event;
use kairos::person::keyed::Keyed;
use xxhash_rust::xxh3::Xxh3;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const EPOCH: i64 = 10_000;
const DAY: i64 = 86_400_000;

fn main() {
    let customers = size::size("CUSTOMERS", 1_000, 100_000);
    let count = size::size("EVENTS", 5_000, 1_000_000);
    let plan = traffic::retail();
    let mut hash = Xxh3::new();
    let before = counting::held();
    let mut keyed = Keyed::new(plan.clone(), 3_600_000, None);
    keyed.keep_live(0);
    let mut emit = |id: &str, _, effects: &mut Vec<_>| {
        hash.update(format!("{id} {effects:?}").as_bytes());
    };
    let held = {
        let events: Vec<Event> =
            traffic::traffic(&plan, customers, count).into_iter().map(|(_, event)| event).collect();
        let mut begin = events[0].time.div_euclid(EPOCH) * EPOCH;
        let end = events[events.len() - 1].time + DAY;
        let mut rest = events.as_slice();
        while begin < end {
            let until = begin + EPOCH;
            let (now, later) = rest.split_at(rest.partition_point(|event| event.time < until));
            keyed.epoch(&mut now.to_vec(), Span { begin, end: until, clock: i64::MIN }, &mut emit);
            // What goes together is counted elsewhere.
            drop(keyed.take_pairs());
            rest = later;
            begin = until;
        }
        drop(events);
        counting::held() - before
    };
    let persons = keyed.counts().persons;
    let mut packed = Histogram::<u64>::new(3).expect("three digits");
    keyed
        .persons()
        .for_each(|person| packed.saturating_record(Keyed::packed_bytes(&person) as u64));
    println!(
        "memory: {count} events, {persons} persons, idle for a day, {} timers",
        keyed.timers()
    );
    println!("memory: {:.0} bytes a person", held as f64 / persons as f64);
    println!(
        "memory: of them packed: mean {:.0}, p50 {}, p99 {}, max {}; hash {:016x}",
        packed.mean(),
        packed.value_at_quantile(0.5),
        packed.value_at_quantile(0.99),
        packed.max(),
        hash.digest()
    );
}
