//! The seeded simulator: random worlds, random histories of stops and deaths, and what must hold of all of them. The worlds
//! here come in over files; those of [`crate::live`] and [`crate::definitions`] over the cluster in memory.
//!
//! A failure prints the line that reproduces it. `SIM_SEEDS=from..to` or `SIM_SEEDS=0x5EED` runs other seeds, of all three.

use crate::engine::{facts_of, records_of};
use crate::oracle::{OPTIONS, difference};
use kairos::sim::random::shrink_stream;
use kairos::sim::rng::Rng;
use kairos::sim::world::{Cut, Sabotage, World, history_of_checkpoints, random_history};
use kairos::sim::{laws, oracle};
use std::fmt::Debug;
use std::ops::Range;

/// The seeds that are asked for, else these.
pub fn seeds(usual: Range<u64>) -> Range<u64> {
    let Ok(text) = std::env::var("SIM_SEEDS") else { return usual };
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).expect("SIM_SEEDS: hexadecimal digits"),
        None => text.parse().expect("SIM_SEEDS: a number"),
    };
    match text.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => number(&text)..number(&text) + 1,
    }
}

#[test]
fn every_history_ends_like_the_undisturbed_run() {
    let mut resumed = 0;
    for seed in seeds(0..200) {
        match check(seed, None) {
            Ok(count) => resumed += count,
            Err(why) => {
                panic!("SIM_SEEDS={seed:#X} cargo test --test it simulator\n{why}");
            }
        }
    }
    let count = seeds(0..200).count();
    assert!(count < 100 || resumed > count / 2, "only {resumed} runs went on from a checkpoint");
}

/// Plays one seed; gives how many of its runs went on from a checkpoint.
fn check(seed: u64, sabotage: Option<Sabotage>) -> Result<usize, String> {
    let mut rng = Rng::new(seed);
    let world = World::random(&mut rng)?;
    let history = match sabotage {
        // What a checkpoint has lost shows only to a run that goes on from it.
        Some(Sabotage::LostRecord) => history_of_checkpoints(&mut rng),
        _ => random_history(&mut rng),
    };
    let about = |why: String| format!("{history:?}\n{}\n{why}", world.text);
    let fail = |error: &dyn Debug| about(format!("{error:?}"));
    let plain = world.play(&[Cut::plain()], None).map_err(|error| fail(&error))?;
    let ending = world.play(&history, sabotage).map_err(|error| fail(&error))?;
    laws::hold(&world.plan, &plain).map_err(about)?;
    laws::hold(&world.plan, &ending).map_err(about)?;
    ending.same(&plain).map_err(about)?;
    // The oracle knows one identifier a person; tests/it/identity.rs has a reference of its own for several.
    if let [lines] = &world.sources[..]
        && sabotage.is_none()
        && world.pack.identity.is_none()
        && against_the_oracle(&world.text, lines).is_some()
    {
        let lines = shrink_stream(lines, |lines| against_the_oracle(&world.text, lines).is_some());
        let why = against_the_oracle(&world.text, &lines).expect("shrinking keeps a difference");
        let lines: String = lines.iter().map(|line| String::from_utf8_lossy(line) + "\n").collect();
        return Err(about(format!("{lines}\n{why}")));
    }
    Ok(ending.resumed)
}

/// The first difference between the oracle and the undisturbed run.
fn against_the_oracle(text: &str, lines: &[Vec<u8>]) -> Option<String> {
    let world = World::new(text, vec![lines.to_vec()]).expect("it compiled before");
    let ending = world.play(&[Cut::plain()], None).expect("nothing is planted");
    let wanted = oracle::run(&world.pack, lines, &OPTIONS);
    let facts = |person| facts_of(&world.plan, person, ending.end);
    let facts = ending.persons.iter().map(|person| (person.id.to_string(), facts(person)));
    let found = (records_of(&ending.outputs), facts.collect());
    difference(&(wanted.records, wanted.facts), &found)
}

/// Who finds nothing may be blind: what is planted must be found.
#[test]
fn what_is_planted_is_found() {
    for sabotage in [Sabotage::LostRecord, Sabotage::DoubledLine, Sabotage::SkippedLine] {
        // Not every history shows it: a line of no interest may be skipped, what was lost may be written again.
        let found = (0..30).filter(|seed| check(*seed, Some(sabotage)).is_err()).count();
        assert!(found >= 15, "{sabotage:?} was found in {found} of 30 histories");
    }
}
