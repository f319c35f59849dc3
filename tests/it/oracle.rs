//! The engine against the slow oracle, on random packs and streams, for 1, 2 and 4 workers, any chunking of the input,
//! and a stop after any epoch.
//!
//! A failure prints the seed, the pack and a shrunk stream. `ORACLE_SEEDS=from..to` runs other seeds.

use crate::engine::{Cut, Engine, facts_of, records_of};
use kairos::epoch::Timeline;
use kairos::sim::oracle;
use kairos::sim::random::{random_pack, random_stream, shrink_stream};
use kairos::sim::rng::Rng;
use kairos::sim::world::{self, World};
use std::collections::BTreeMap;

pub const OPTIONS: oracle::Options =
    oracle::Options { slack_ms: 5_000, epoch_ms: 10_000, dedup_horizon_ms: 3_600_000, until: None };

pub type Facts = BTreeMap<String, BTreeMap<String, String>>;

fn expected(engine: &Engine, lines: &[Vec<u8>]) -> (Vec<String>, Facts) {
    let outcome = oracle::run(&engine.pack, lines, &OPTIONS);
    (outcome.records, outcome.facts)
}

fn found(engine: &Engine, lines: &[Vec<u8>], cut: Cut) -> (Vec<String>, Facts) {
    let result = engine.run(lines, cut);
    (records_of(&result.outputs), result.facts)
}

/// The first difference between what was expected and what came.
pub fn difference(a: &(Vec<String>, Facts), b: &(Vec<String>, Facts)) -> Option<String> {
    let (left, right) = (&a.0, &b.0);
    let missing: Vec<_> = left.iter().filter(|line| !right.contains(line)).take(8).collect();
    let extra: Vec<_> = right.iter().filter(|line| !left.contains(line)).take(8).collect();
    if !missing.is_empty() || !extra.is_empty() {
        return Some(format!("records missing: {missing:#?}\nrecords extra: {extra:#?}"));
    }
    if left != right {
        return Some("a record came another number of times".into());
    }
    for (person, facts) in &a.1 {
        let other = b.1.get(person).cloned().unwrap_or_default();
        for name in facts.keys().chain(other.keys()) {
            if facts.get(name) != other.get(name) {
                let (wanted, came) = (facts.get(name), other.get(name));
                return Some(format!("fact {name} of {person}: wanted {wanted:?}, came {came:?}"));
            }
        }
    }
    None
}

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("ORACLE_SEEDS") else { return 0..150 };
    let (from, to) = text.split_once("..").expect("ORACLE_SEEDS=from..to");
    from.parse().expect("a number")..to.parse().expect("a number")
}

#[test]
fn engine_agrees_with_the_oracle() {
    let mut failures = Vec::new();
    for seed in seeds() {
        if let Some(failure) = check(seed) {
            failures.push(failure);
        }
        if failures.len() >= 3 {
            break;
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// A keyed fact has a value for each of a list, as a journey has an instance.
#[test]
fn engine_agrees_where_keys_are_lists() {
    let text = "\
facts:
  times: { count: Order Completed, per: products.product_id }
  spent: { sum: Order Completed, of: event.total, over: 1d, per: products.product_id }
  since: { count: [Order Completed, Product Added], until: Nudge, per: products.product_id }
  cart: { basket: Order Completed, of: event.products.product_id, per: products.product_id, until: Order Completed }
journeys:
  again:
    enter: { on: Order Completed, where: times >= 2 && since < 9, per: products.product_id, again: after 1h }
    steps: [ { send: { channel: email, template: t, with: { times: times, spent: spent } } } ]
";
    let engine = Engine::of(text);
    let several = |facts: &BTreeMap<String, String>| facts.len() > 4;
    let mut some = 0;
    for seed in 0..40 {
        let lines = random_stream(&mut Rng::new(seed), 80);
        let cut = Cut { workers: 1 + seed as usize % 3, chunk: 1 };
        let (wanted, found) = (expected(&engine, &lines), found(&engine, &lines, cut));
        some += wanted.1.values().filter(|facts| several(facts)).count();
        if let Some(why) = difference(&wanted, &found) {
            panic!("seed {seed}: {why}");
        }
    }
    assert!(some > 20, "{some} persons with several keys");
}

/// The oracle is held to these cases by its own tests; here the engine is held to what the oracle makes of them.
#[test]
fn engine_agrees_on_the_hand_checked_cases() {
    let mut failures = Vec::new();
    for case in oracle::cases::all() {
        let wanted = oracle::run(&case.pack, &case.lines, &case.options);
        let text = &case.pack.files[0].text;
        let mut world = World::new(text, vec![case.lines.clone()]).expect("a sound pack");
        let (slack, step) = (case.options.slack_ms, case.options.epoch_ms);
        world.timeline = Timeline { slack, step };
        world.dedup_horizon = case.options.dedup_horizon_ms;
        world.until = case.options.until;
        let ending = world.play(&[world::Cut::plain()], None).expect("nothing is planted");
        let facts = ending.persons.iter();
        let facts = facts.map(|one| (one.id.to_string(), facts_of(&world.plan, one, ending.end)));
        let found = (records_of(&ending.outputs), facts.collect());
        if let Some(why) = difference(&(wanted.records, wanted.facts), &found) {
            failures.push(format!("{}: {why}", case.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn check(seed: u64) -> Option<String> {
    let mut rng = Rng::new(seed);
    let text = random_pack(&mut rng);
    let length = 20 + rng.below(100) as usize;
    let lines = random_stream(&mut rng, length);
    let engine = Engine::of(&text);
    let cuts = [Cut::plain(), Cut { workers: 2, chunk: 1 }, Cut { workers: 4, chunk: 700 }];
    let cut = cuts[seed as usize % cuts.len()];
    let fails = |lines: &[Vec<u8>]| {
        difference(&expected(&engine, lines), &found(&engine, lines, cut)).is_some()
    };
    if !fails(&lines) {
        return None;
    }
    let small = shrink_stream(&lines, fails);
    let why = difference(&expected(&engine, &small), &found(&engine, &small, cut))?;
    let stream: String = small.iter().map(|line| String::from_utf8_lossy(line) + "\n").collect();
    Some(format!("ORACLE_SEEDS={seed}..{}\n{text}\n{stream}\n{why}", seed + 1))
}
