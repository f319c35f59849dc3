//! Persons compared with one another in live runs: stopped, started and repeated from the log, and while definitions change.

use crate::engine::Engine;
use crate::histories::{cut_short, no_trouble, trouble};
use crate::live::{World, chain, seen, settle, topics};
use crate::ranks::{Event, START, line, stream};
use crate::simulator::seeds;
use kairos::broker::model::Model;
use kairos::dataflow::live::{ApplyError, LiveRun, start};
use kairos::decode::Decoder;
use kairos::define::ast::SourceFile;
use kairos::define::definitions::Definitions;
use kairos::epoch::log::Record;
use kairos::sim::rng::Rng;
use kairos::sink::Stream;
use kairos::store::memory::Memory as Kept;
use kairos::time::HOUR;
use kairos::time::clock::Manual;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const FACTS: &str = "\
facts:
  spent: { sum: Order Completed, of: event.total }
  seen: { count: Product Viewed }
";

/// Conditions that have places among all others in them, and some that have none.
const SEGMENTS: [&str; 5] = [
    "  vip: percentile(spent) >= 0.9\n  first: rank(spent) <= 3\n",
    "  vip: percentile(spent) >= 0.5\n  first: rank(spent) <= 3\n  lower: decile(spent) <= 3\n",
    "  big: spent > 60\n",
    "  vip: percentile(spent) >= 0.9\n  keen: quintile(seen) in [4, 5]\n",
    "  keen: rank(seen) < 5\n  plain: spent > 10 && percentile(seen) < 0.5\n",
];

fn pack(at: usize) -> String {
    format!("{FACTS}segments:\n{}", SEGMENTS[at])
}

fn world(events: &[Event], text: &str) -> World {
    let engine = Engine::of(text);
    let decoder = Decoder::new(&engine.plan.inputs);
    let mut lines = vec![Vec::new(); 3];
    for event in events {
        let line = line(event);
        let hash = decoder.decode(&line, Default::default()).expect("an event").hash;
        lines[(hash % 3) as usize].push(line);
    }
    let until = events.iter().map(|(at, ..)| *at).max().unwrap_or(START) + HOUR;
    World { engine, lines, until, identity: "" }
}

/// Who is in which segment, as the topic says.
fn members(model: &Model) -> BTreeSet<(String, String)> {
    let mut members = BTreeSet::new();
    for record in model.committed(&topics().streams[Stream::Segments as usize]) {
        let payload = record.data.payload.expect("nothing is deleted");
        let data: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
        let headers = record.data.headers;
        let subject = headers.iter().find(|(name, _)| name == "ce_subject");
        let subject = subject.and_then(|(_, value)| value.clone()).expect("a person");
        let who = String::from_utf8(subject).expect("text");
        let segment = data["segment"].as_str().expect("a segment").to_owned();
        match data["change"].as_str() {
            Some("entered") => assert!(members.insert((who, segment))),
            _ => assert!(members.remove(&(who, segment))),
        }
    }
    members
}

/// Who has to be in which of them in the end.
fn sorted(at: usize, events: &[Event]) -> BTreeSet<(String, String)> {
    let (mut spent, mut seen) = (BTreeMap::new(), BTreeMap::new());
    for (_, person, total) in events {
        match total {
            Some(total) => *spent.entry(*person).or_default() += total,
            None => *seen.entry(*person).or_default() += 1,
        }
    }
    let below = |all: &BTreeMap<u64, u64>, mine: u64| all.values().filter(|it| **it < mine).count();
    let above = |all: &BTreeMap<u64, u64>, mine: u64| all.values().filter(|it| **it > mine).count();
    let mut members = BTreeSet::new();
    let mut put = |person: u64, segment: &str, holds: bool| {
        if holds {
            members.insert((format!("user:p{person}"), segment.to_owned()));
        }
    };
    for (&person, &mine) in &spent {
        let (less, all) = (below(&spent, mine), spent.len());
        put(person, "vip", [0, 3].contains(&at) && 10 * less >= 9 * all);
        put(person, "vip", at == 1 && 2 * less >= all);
        put(person, "first", at < 2 && above(&spent, mine) < 3);
        put(person, "lower", at == 1 && 10 * less < 3 * all);
        put(person, "big", at == 2 && mine > 60);
    }
    for (&person, &mine) in &seen {
        let (less, all) = (below(&seen, mine), seen.len());
        put(person, "keen", at == 3 && 5 * less >= 3 * all);
        put(person, "keen", at == 4 && above(&seen, mine) < 4);
        let spent = spent.get(&person).copied().unwrap_or(0);
        put(person, "plain", at == 4 && spent > 10 && 2 * less < all);
    }
    members
}

fn folder(text: &str) -> Definitions {
    Definitions::of_folder(&[SourceFile { path: "pack.yaml".into(), text: text.into() }])
}

fn apply(run: &LiveRun, text: &str) -> Result<(), ApplyError> {
    let definer = run.definer();
    definer.apply(definer.check(folder(text))?)
}

/// Whether the log has a transaction.
fn begun(model: &Model) -> bool {
    let payloads = model.committed(&topics().log).into_iter().filter_map(|it| it.data.payload);
    let mut records =
        payloads.map(|payload| Record::from_bytes(&payload).expect("a record of ours"));
    records.any(|record| matches!(record, Record::Transaction(_)))
}

/// Lets time pass, until everybody has taken up the definitions and has been answered.
fn pass(world: &World, run: &LiveRun, clock: &Manual) {
    let begun = Instant::now();
    for second in 0..3 {
        clock.advance(Duration::from_secs(1));
        while run.watermark() <= world.until + 1_000 * second || run.in_flight() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(30), "time passes");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A run that is stopped and started, repeats its log, and is held to what it said before; then the log alone. `changes` says
/// whether the definitions change meanwhile.
fn through_stops(seed: u64, changes: bool) {
    let mut rng = Rng::new(seed);
    let mut events = stream(&mut rng, 30, 200);
    let mut at = if changes { rng.below(5) as usize } else { (seed % 2) as usize };
    // Whoever begins without comparisons cannot take them up.
    at = if at == 2 { 0 } else { at };
    let mut world = world(&events, &pack(at));
    let model = world.cluster();
    let kept = Kept::default();
    let kept = (rng.below(3) > 0).then_some(&kept);
    for _ in 0..5 {
        trouble(&model, &mut rng);
        let workers = 1 + rng.below(3) as usize;
        let run = start(world.job(&model, &world.clock(), workers, kept)).expect("it starts");
        std::thread::sleep(Duration::from_millis(rng.below(12)));
        let next = rng.below(5) as usize;
        // Definitions under which nothing was logged before others took effect are not in the log's chain.
        if changes && begun(&model) {
            match apply(&run, &pack(next)) {
                Ok(()) => (at, world.engine) = (next, Engine::of(&pack(next))),
                // Stopped before anything was logged, it may have begun again without comparisons.
                Err(ApplyError::Busy | ApplyError::FeedsBack) => {}
                Err(error) => panic!("SIM_SEEDS={seed}: {error}"),
            }
        }
        let event = (events[events.len() - 1].0 + 5, rng.below(30), Some(10 * rng.below(9)));
        events.push(event);
        let partition = rng.below(3) as i32;
        model.append("events", Some(partition), None, None, Some(&line(&event)), &[]);
        cut_short(run, &mut rng, 12, seed);
    }
    no_trouble(&model);
    // What was applied and not logged before the stop was lost: the folder says it again.
    let mut wanted = world.job(&model, &world.clock(), 2, kept);
    wanted.definitions = Some(folder(&format!("{}# the last\n", pack(at))));
    let clock = world.clock();
    wanted.clock = clock.clone();
    let run = start(wanted).expect("it starts again");
    pass(&world, &run, &clock);
    settle(&world, run).unwrap_or_else(|error| panic!("SIM_SEEDS={seed}: {error}"));
    // Definitions may have taken effect with the last epoch of all: what turns then is said with the next start.
    for workers in [1, 2] {
        let job = world.job(&model, &world.clock(), workers, kept);
        let run = start(kairos::dataflow::live::LiveJob { definitions: None, ..job });
        let ended = settle(&world, run.expect("it starts again"));
        ended.unwrap_or_else(|error| panic!("SIM_SEEDS={seed}: {error}"));
    }
    assert_eq!(members(&model), sorted(at, &events), "SIM_SEEDS={seed}, pack {at}");
    let said = seen(&model);
    let job = world.job(&model, &world.clock(), 1, None);
    let run = start(kairos::dataflow::live::LiveJob { definitions: None, ..job });
    let ended = settle(&world, run.expect("it starts from the log"));
    ended.unwrap_or_else(|error| panic!("SIM_SEEDS={seed}, from the log: {error}"));
    assert_eq!(seen(&model), said, "SIM_SEEDS={seed}: everything had been said");
    chain(&model);
}

#[test]
fn comparisons_are_repeated_the_same_and_come_out_right() {
    seeds(700..716).for_each(|seed| through_stops(seed, false));
}

#[test]
fn comparisons_come_and_go_with_the_definitions() {
    seeds(720..736).for_each(|seed| through_stops(seed, true));
}

#[test]
fn who_began_without_comparisons_takes_them_up_with_a_new_start() {
    let events = stream(&mut Rng::new(1), 20, 60);
    let before = world(&events, &pack(2));
    let model = before.cluster();
    let kept = Kept::default();
    let run = start(before.job(&model, &before.clock(), 1, Some(&kept))).expect("it starts");
    let refused = apply(&run, &pack(0)).expect_err("the dataflow is not made for it").to_string();
    assert!(refused.contains("start it again"), "{refused}");
    settle(&before, run).expect("it ends well");
    let after = world(&events, &pack(0));
    for _ in 0..2 {
        let clock = after.clock();
        let run = start(after.job(&model, &clock, 2, Some(&kept))).expect("it starts");
        let begun = Instant::now();
        while run.definer().in_effect().plan.version < 1 {
            assert!(begun.elapsed() < Duration::from_secs(20), "they take effect");
            std::thread::sleep(Duration::from_millis(1));
        }
        pass(&after, &run, &clock);
        settle(&after, run).expect("it ends well");
    }
    assert_eq!(members(&model), sorted(0, &events));
}
