//! What an instance says that was away: what came due in an outage is asked again when it is over, and history is decided at its own time.

use crate::engine::Engine;
use crate::live::{World, settle, topics};
use kairos::dataflow::live::{LiveJob, start};
use kairos::epoch::sequencer::Backlog;
use kairos::sink::Stream;
use std::time::Duration;

const REMINDER: &str = "\
journeys:
  reminder:
    enter: { on: Product Added }
    exit: [ { on: Order Completed, goal: true } ]
    valid_for: 3h
    steps:
      - wait: 1h
      - send: { channel: email, template: reminder }
policy:
  time_zone: UTC
";

/// What is said of a person who put something into the cart at ten and did `more`, by an instance that was away until a
/// time: decisions with their times and reasons.
fn after_an_outage(more: &str, until: &str, backlog: Backlog) -> Vec<String> {
    let line = |event: &str, at: &str| {
        format!(
            "{{\"type\":\"track\",\"event\":\"{event}\",\"userId\":\"anna\",\
             \"timestamp\":\"2026-03-02T{at}:00Z\"}}"
        )
        .into_bytes()
    };
    let mut lines = vec![line("Product Added", "10:00")];
    if let Some((event, at)) = more.split_once(" at ") {
        lines.push(line(event, at));
    }
    let until = kairos::time::parse(&format!("2026-03-02T{until}:00Z")).expect("a time");
    let world = World {
        engine: Engine::of(REMINDER),
        lines: vec![lines, vec![], vec![]],
        until,
        identity: "",
    };
    let model = world.cluster();
    let clock = world.clock();
    let run = start(LiveJob { backlog, ..world.job(&model, &clock, 1, None) }).expect("it starts");
    while !run.is_live() {
        std::thread::sleep(Duration::from_millis(1));
    }
    // Time goes on, and with it what was held until now.
    clock.advance(Duration::from_secs(30));
    let world = World { until: until + 15_000, ..world };
    settle(&world, run).expect("it ends well");
    let mut said: Vec<String> = model
        .committed(&topics().streams[Stream::Decisions as usize])
        .into_iter()
        .map(|record| {
            let data = record.data.payload.expect("a decision");
            let data: serde_json::Value = serde_json::from_slice(&data).expect("JSON");
            let time = record.data.headers.iter().find(|(name, _)| name == "ce_time");
            let time = time.and_then(|(_, time)| time.clone()).expect("a time");
            let time = String::from_utf8(time).expect("text")[11..16].to_owned();
            let reason = data["reason"].as_str().unwrap_or_default();
            format!("{time} {} {reason}", data["decision"].as_str().expect("a word"))
        })
        .collect();
    said.sort();
    said
}

#[test]
fn what_came_due_in_an_outage_is_asked_again_when_it_is_over() {
    let catch_up = |more, until| after_an_outage(more, until, Backlog::CatchUp);
    // Bought while Kairos was away, after the reminder was due: it is not sent.
    assert_eq!(catch_up("Order Completed at 11:30", "12:00"), ["11:00 defer catching up"]);
    // Nothing bought: the reminder goes when Kairos is back.
    assert_eq!(catch_up("", "12:00"), ["11:00 defer catching up", "12:00 send "]);
    // Back too late for it to make sense.
    assert_eq!(catch_up("", "15:00"), ["11:00 defer catching up", "14:00 drop expired"]);
    // History is decided at its own time.
    let history = after_an_outage("Order Completed at 11:30", "12:00", Backlog::History);
    assert_eq!(history, ["11:00 send "]);
    let history = after_an_outage("Order Completed at 10:30", "12:00", Backlog::History);
    assert_eq!(history, [] as [&str; 0]);
}
