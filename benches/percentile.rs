//! Comparing persons with one another: a million of them, whose values change all the time.
//!
//! First everybody is taken in; then persons spend something, so many of them an epoch, and each epoch waits for the answers
//! to the one before it, as in a run. What is measured is the audience alone: counts, cut-offs, the arrangement by value and
//! the answers; not what persons make of them. A change is one person's other value.

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

use kairos::audience::across;
use kairos::define::ast::SourceFile;
use kairos::define::plan::Plan;
use kairos::epoch::schedule::Schedule;
use kairos::epoch::{Epochs, Turns};
use kairos::person::feedback::pass_to_all;
use kairos::person::{Said, order};
use kairos::sim::rng::Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Inspect, Probe};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

type Input = InputHandle<u64, CapacityContainerBuilder<Vec<Said>>>;

const PACK: &str = "\
facts: { lifetime_value: { sum: Order Completed, of: event.total } }
segments:
  vip: percentile(lifetime_value) >= 0.95
  best: rank(lifetime_value) <= 100
  upper-fifth: quintile(lifetime_value) == 4
";

fn main() {
    let persons = size::size("PERSONS", 5_000, 1_000_000);
    let changes = size::size("CHANGES", 5_000, 2_000_000);
    let plan = pack::plan(&[SourceFile { path: "bench.yaml".into(), text: PACK.into() }]);
    for workers in [1, 2] {
        for each in [100, 10_000] {
            let least = (changes / 4).min(each * 5_000);
            run(&plan, persons, if each < 1_000 { least } else { changes }, workers, each);
        }
    }
}

fn run(plan: &Arc<Plan>, persons: u64, changes: u64, workers: usize, each: u64) {
    let turned = Arc::new(AtomicU64::new(0));
    let (plan, counted) = (plan.clone(), turned.clone());
    let before = counting::held();
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let (index, peers) = (worker.index() as u64, worker.peers() as u64);
        let mut input = Input::new_with_builder();
        let epochs: Arc<dyn Epochs> = Arc::new(Schedule::default());
        let (plan, counted) = (plan.clone(), counted.clone());
        let fact = plan.ranked[0].fact.0;
        let probe = worker.dataflow(|scope| {
            let said = input.to_stream(scope);
            let news = said.flat_map(move |said| pass_to_all(said, index, peers));
            let answers = across(news, &plan, &epochs, 0, Turns::default());
            let (probe, _) = answers
                .inspect(move |_| {
                    counted.fetch_add(1, Ordering::Relaxed);
                })
                .probe();
            probe
        });
        let mut rng = Rng::stream(7, index);
        let mut epoch = 0;
        let mut next = |input: &mut Input| {
            epoch += 1;
            input.advance_to(epoch);
            input.flush();
            while probe.less_than(&epoch) {
                worker.step_or_park(None);
            }
            epoch
        };
        // Most spend little, a few very much.
        let mut spent: Vec<i64> = Vec::new();
        let start = Instant::now();
        for slot in 0..persons / peers {
            let value = (20.0 / (1.0 - rng.unit()).max(1e-6)) as i64 * 10_000;
            spent.push(value);
            input.send((((fact, order(value), slot as u32), ()), 0, 1));
        }
        let mut now = next(&mut input);
        let loaded = start.elapsed().as_secs_f64();
        let (start, rounds) = (Instant::now(), (changes / each).max(1));
        for _ in 0..rounds {
            for _ in 0..each / peers {
                let slot = rng.below(persons / peers);
                let value = &mut spent[slot as usize];
                input.send((((fact, order(*value), slot as u32), ()), now, -1));
                *value += (1 + rng.below(200)) as i64 * 1_000_000;
                input.send((((fact, order(*value), slot as u32), ()), now, 1));
            }
            now = next(&mut input);
        }
        (loaded, start.elapsed().as_secs_f64(), rounds, counting::held())
    })
    .expect("workers start");
    let results: Vec<_> = guards.join().into_iter().map(|it| it.expect("no panic")).collect();
    let (loaded, seconds, rounds, held) = results[0];
    println!(
        "percentile: {workers} workers, {persons} persons taken in in {loaded:.2} s; {} changes in epochs of {each}: {:.0} changes/s, \
         {:.0} us an epoch, {} answers, {:.0} bytes a person",
        rounds * each,
        (rounds * each) as f64 / seconds,
        seconds * 1e6 / rounds as f64,
        turned.load(Ordering::Relaxed),
        (held - before) as f64 / persons as f64,
    );
}
