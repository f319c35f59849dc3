//! Generated shop traffic, without faults, decoded.

use kairos::decode::Decoder;
use kairos::define::files::read_pack;
use kairos::define::plan::Plan;
use kairos::event::{Event, Origin};
use kairos::sim::generate::{Config, Faults, Generator};
use std::path::Path;
use std::sync::Arc;

/// The pack that ships.
pub fn retail() -> Arc<Plan> {
    super::pack::plan(&read_pack(Path::new("dataflows/retail")).expect("the pack is there"))
}

/// Lines and what they say, in the order of time.
pub fn traffic(plan: &Plan, customers: u64, events: u64) -> Vec<(Vec<u8>, Event)> {
    let config = Config { customers, events, faults: Faults::none(), ..Config::default() };
    let decoder = Decoder::new(&plan.inputs);
    let mut generator = Generator::new(config);
    let mut traffic = Vec::new();
    let mut line = Vec::new();
    while generator.next_into(&mut line).is_some() {
        let origin = Origin { source: 0, position: traffic.len() as u64 + 1 };
        let event = decoder.decode(line.trim_ascii_end(), origin).expect("no line is faulty");
        traffic.push((std::mem::take(&mut line), event));
    }
    traffic.sort_by_key(|(_, event)| event.time);
    traffic
}
