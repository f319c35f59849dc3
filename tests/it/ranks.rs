//! Persons compared with one another: as a plain sort says, the same for any number of workers, through stops and starts.

use crate::engine::{Cut, Engine, records_of};
use crate::histories::{play, through_stops};
use kairos::define::plan::Plan;
use kairos::sim::rng::Rng;
use kairos::sim::world::{self, World};
use kairos::time;
use std::collections::{BTreeMap, BTreeSet};

const PACK: &str = "\
facts:
  spent: { sum: Order Completed, of: event.total }
  views: { count: Product Viewed, over: 2m }
  last_order_at: { last: Order Completed, of: event.timestamp }
segments:
  vip: percentile(spent) >= 0.95
  upper: 0.5 < percentile(spent)
  lower: percentile(spent) <= 0.25
  odd: percentile(spent) != 0
  first: rank(spent) < 4
  others: rank(spent) > 3
  second: rank(spent) == 2
  tenth: decile(spent) == 10
  middle: decile(spent) in [5, 6]
  busy: quintile(views) in [4, 5]
  calm: quintile(views) <= 2
  fresh: rank(last_order_at) <= 5
";

/// The same, and journeys that move others when somebody has been moved.
const MOVING: &str = "\
facts:
  spent: { sum: [Order Completed, Bonus], of: event.total }
  views: { count: Product Viewed, over: 2m }
segments:
  vip: percentile(spent) >= 0.9
  first: rank(spent) <= 2
  busy: quintile(views) >= 4
  both: segment(\"vip\") && segment(\"busy\")
journeys:
  greet:
    enter: { entered: vip, again: always }
    exit: [ { when: percentile(spent) < 0.5 } ]
    steps:
      - send: { channel: email, template: vip, with: { spent: spent } }
      - wait: 40s
      - emit: { event: Bonus, with: { total: 7 } }
      - wait: 1m
      - choose:
          - when: rank(spent) == 1
            do: [ { send: { channel: email, template: best } } ]
  overtaken:
    enter: { left: first, again: always }
    steps: [ { emit: { event: Bonus, with: { total: 3 } } } ]
";

pub const START: i64 = 1_780_000_000_000;
const STEP: i64 = 10_000;

/// An event: when, whose, and what was spent; nothing for a view.
pub type Event = (i64, u64, Option<u64>);

pub fn stream(rng: &mut Rng, persons: u64, length: usize) -> Vec<Event> {
    let mut at = START;
    let mut event = || {
        at += [0, 1, 700, 4_000, 60_000][rng.below(5) as usize];
        let spent = (rng.below(3) > 0).then(|| 10 * (1 + rng.below(5)));
        (at, rng.below(persons), spent)
    };
    (0..length).map(|_| event()).collect()
}

pub fn line((at, person, spent): &Event) -> Vec<u8> {
    let (event, properties) = match spent {
        Some(total) => ("Order Completed", format!(r#"{{"total":{total}}}"#)),
        None => ("Product Viewed", "{}".to_owned()),
    };
    format!(
        r#"{{"event":"{event}","userId":"p{person}","timestamp":{at},"properties":{properties}}}"#
    )
    .into_bytes()
}

/// What is to be announced up to `end`, from a plain sort of everybody after every epoch.
fn expected(events: &[Event], end: i64) -> Vec<String> {
    let first = events[0].0 / STEP;
    let mut members: BTreeSet<(u64, &str)> = BTreeSet::new();
    let mut lines = Vec::new();
    for epoch in first..=end / STEP {
        let now = ((epoch + 1) * STEP - 1).min(end);
        let mut spent: BTreeMap<u64, u64> = BTreeMap::new();
        let mut views: BTreeMap<u64, u64> = BTreeMap::new();
        let mut last: BTreeMap<u64, i64> = BTreeMap::new();
        for (at, person, total) in events.iter().filter(|(at, ..)| *at <= now) {
            match total {
                Some(total) => {
                    *spent.entry(*person).or_default() += total;
                    last.insert(*person, *at);
                }
                None if *at > now - 120_000 => *views.entry(*person).or_default() += 1,
                None => {}
            }
        }
        let mut is = BTreeSet::new();
        for (&person, mine) in &spent {
            let below = spent.values().filter(|other| *other < mine).count();
            let rank = 1 + spent.values().filter(|other| *other > mine).count();
            let (all, decile) = (spent.len(), 10 * below / spent.len() + 1);
            let newer = last.values().filter(|other| **other > last[&person]).count();
            let holds = [
                ("vip", 100 * below >= 95 * all),
                ("upper", 2 * below > all),
                ("lower", 4 * below <= all),
                ("odd", below > 0),
                ("first", rank < 4),
                ("others", rank > 3),
                ("second", rank == 2),
                ("tenth", decile == 10),
                ("middle", decile == 5 || decile == 6),
                ("fresh", newer < 5),
            ];
            is.extend(holds.iter().filter(|it| it.1).map(|it| (person, it.0)));
        }
        for (&person, mine) in &views {
            let below = views.values().filter(|other| *other < mine).count();
            let quintile = 5 * below / views.len() + 1;
            let holds = [("busy", quintile >= 4), ("calm", quintile <= 2)];
            is.extend(holds.iter().filter(|it| it.1).map(|it| (person, it.0)));
        }
        let at = time::format(((epoch + 1) * STEP).min(end));
        for (person, segment) in members.symmetric_difference(&is) {
            let change = if is.contains(&(*person, segment)) { "entered" } else { "left" };
            lines.push(format!("{at} user:p{person} segment {change} {segment}"));
        }
        members = is;
    }
    lines.sort();
    lines
}

fn announced(engine: &Engine, events: &[Event], cut: Cut) -> (Vec<String>, Vec<Vec<u8>>) {
    let lines: Vec<Vec<u8>> = events.iter().map(line).collect();
    let outputs = engine.run(&lines, cut).outputs;
    (records_of(&outputs), outputs.to_vec())
}

#[test]
fn everybody_stands_where_a_sort_says_after_every_epoch() {
    let engine = Engine::of(PACK);
    for seed in 0..12 {
        let mut rng = Rng::new(seed);
        let persons = *rng.pick(&[1, 5, 23, 60]);
        let events = stream(&mut rng, persons, 150);
        let (said, bytes) = announced(&engine, &events, Cut::plain());
        let wanted = expected(&events, events[events.len() - 1].0);
        let differs = said.iter().zip(&wanted).find(|(a, b)| a != b);
        assert_eq!(said.len(), wanted.len(), "seed {seed}: {differs:?}");
        assert_eq!(differs, None, "seed {seed}");
        for workers in [2, 4] {
            let (_, other) = announced(&engine, &events, Cut { workers, chunk: 300 });
            assert!(other == bytes, "seed {seed}: other bytes with {workers} workers");
        }
    }
}

#[test]
fn time_that_runs_on_moves_persons_too() {
    let events = stream(&mut Rng::new(21), 12, 60);
    let end = events[events.len() - 1].0 + 200_500;
    let lines = events.iter().map(line).collect();
    let mut world = World::new(PACK, vec![lines]).expect("a pack without mistakes");
    world.until = Some(end);
    let ending = play(&world, &[world::Cut::plain()]);
    assert_eq!(records_of(&ending.outputs), expected(&events, end));
}

fn moving(seed: u64) -> World {
    let mut rng = Rng::new(seed);
    let lines = stream(&mut rng, 25, 120).iter().map(line).collect();
    World::new(MOVING, vec![lines]).expect("a pack without mistakes")
}

#[test]
fn persons_who_move_one_another_are_moved_the_same_through_stops_and_starts() {
    const OFTEN: world::Cut = world::Cut { workers: 1, chunk: 1, checkpoint: 1, stop: None };
    let mut resumed = 0;
    for seed in 0..2 {
        let world = moving(seed);
        let plain = play(&world, &[world::Cut::plain()]);
        let text = String::from_utf8_lossy(&plain.outputs.concat()).into_owned();
        assert!(text.contains("vip") && text.contains("best"), "{text}");
        for workers in [1, 2, 4] {
            let ending = play(&world, &[world::Cut { workers, ..OFTEN }]);
            ending.same(&plain).unwrap_or_else(|why| panic!("seed {seed}, {workers}: {why}"));
        }
        resumed += through_stops(seed, &world, &plain, [(1, 2), (2, 1), (2, 2), (3, 1)], 9);
    }
    assert!(resumed > 20, "{resumed} runs went on from a checkpoint");
}

#[test]
fn a_comparison_is_kept_once_whoever_asks() {
    let engine = Engine::of(PACK);
    let plan: &Plan = &engine.plan;
    assert_eq!(plan.ranked.len(), 3);
    let tests: Vec<_> = plan.ranks.iter().map(|rank| (rank.fact, rank.test)).collect();
    let twice = tests.iter().enumerate().find(|(at, test)| tests[..*at].contains(test));
    assert_eq!(twice, None);
}
