//! Groups, the catalogue and related products in live runs: stopped, started, and repeated from the log.

use crate::engine::Engine;
use crate::live::{World, repeats_itself};
use crate::relations::{Event, PACK, START, line, stream};
use crate::simulator::seeds;
use kairos::decode::Decoder;
use kairos::sim::rng::Rng;
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

/// Through stops, until nothing more comes of what was read; and then the log alone.
fn through_stops(seed: u64) {
    let mut rng = Rng::new(seed);
    let world = world(&stream(&mut rng, 12, 200));
    let said = repeats_itself(&world, &mut rng, seed);
    assert!(format!("{said:?}").contains("cheaper"), "SIM_SEEDS={seed}: nothing was told");
}

#[test]
fn what_others_do_is_heard_the_same_when_it_is_repeated() {
    seeds(800..816).for_each(through_stops);
}
