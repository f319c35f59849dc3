//! Groups, the catalogue and related products in live runs: stopped, started, and repeated from the log.

use crate::engine::Engine;
use crate::histories::{cut_short, no_trouble, trouble};
use crate::live::{World, chain, seen, settle};
use crate::relations::{Event, PACK, START, line, stream};
use crate::simulator::seeds;
use kairos::dataflow::live::{LiveJob, start};
use kairos::decode::Decoder;
use kairos::sim::rng::Rng;
use kairos::store::memory::Memory as Kept;
use kairos::time::HOUR;
use serde_json::Value;

fn world(events: &[Event]) -> World {
    let engine = Engine::of(PACK);
    let decoder = Decoder::new(&engine.plan.inputs);
    let mut lines = vec![Vec::new(); 3];
    for event in events {
        let line = line(event, &Value::Null);
        let hash = decoder.decode(&line, Default::default()).expect("an event").hash;
        lines[(hash % 3) as usize].push(line);
    }
    let until = events.iter().map(|(at, ..)| *at).max().unwrap_or(START) + HOUR;
    World { engine, lines, until, identity: "" }
}

/// A run that is stopped and started again and again, repeats its log, and is held to what it said before; then the log alone.
fn through_stops(seed: u64) {
    let mut rng = Rng::new(seed);
    let world = world(&stream(&mut rng, 12, 200));
    let model = world.cluster();
    let kept = Kept::default();
    let kept = (rng.below(3) > 0).then_some(&kept);
    for _ in 0..5 {
        trouble(&model, &mut rng);
        let job = world.job(&model, &world.clock(), 1 + rng.below(3) as usize, kept);
        cut_short(start(job).expect("it starts"), &mut rng, 25, seed);
    }
    no_trouble(&model);
    // What comes of the last epoch of a run is said with the next start.
    let mut said = seen(&model);
    for start_again in 0..6 {
        let job = world.job(&model, &world.clock(), 1 + start_again % 2, kept);
        let run = start(job).expect("it starts again");
        settle(&world, run).unwrap_or_else(|error| panic!("SIM_SEEDS={seed}: {error}"));
        let before = std::mem::replace(&mut said, seen(&model));
        if start_again > 1 && before == said {
            break;
        }
    }
    assert!(format!("{said:?}").contains("cheaper"), "SIM_SEEDS={seed}: nothing was told");
    let job = world.job(&model, &world.clock(), 1, None);
    let run = start(LiveJob { definitions: None, ..job }).expect("it starts from the log");
    let ended = settle(&world, run);
    ended.unwrap_or_else(|error| panic!("SIM_SEEDS={seed}, from the log: {error}"));
    assert!(seen(&model) == said, "SIM_SEEDS={seed}: everything had been said");
    chain(&model);
}

#[test]
fn what_others_do_is_heard_the_same_when_it_is_repeated() {
    seeds(800..816).for_each(through_stops);
}
