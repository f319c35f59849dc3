//! The oracle on hand-checked cases, and on random packs and streams, where it must only be the
//! same twice.

use super::super::random::{random_pack, random_stream};
use super::super::rng::Rng;
use super::cases::{all, pack, shorten};
use super::{Options, run};

#[test]
fn hand_checked_cases() {
    let mut failures = String::new();
    for case in all() {
        let outcome = run(&case.pack, &case.lines, &case.options);
        let mut records: Vec<String> = outcome.records.iter().map(|r| shorten(r)).collect();
        records.sort();
        // A case without records is about facts.
        let is_about_facts = case.records.is_empty() && !case.name.contains("no change");
        if records != case.records && !is_about_facts {
            let (expected, found) = (case.records.join("\n"), records.join("\n"));
            failures += &format!("\n{}\nexpected\n{expected}\nfound\n{found}\n", case.name);
        }
        for (person, fact, expected) in &case.facts {
            let found = outcome.facts.get(person).and_then(|facts| facts.get(fact));
            let found = found.map_or("absent", String::as_str);
            if found != expected {
                let name = &case.name;
                failures += &format!("\n{name}: {person} {fact} is {found}, not {expected}\n");
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn random_packs_are_valid_and_run_the_same_twice() {
    let options =
        Options { slack_ms: 60_000, epoch_ms: 10_000, dedup_horizon_ms: 86_400_000, until: None };
    for seed in 0..60 {
        let mut rng = Rng::stream(7, seed);
        let pack = pack(&format!("seed {seed}"), &random_pack(&mut rng));
        let lines = random_stream(&mut rng, 40);
        let outcome = run(&pack, &lines, &options);
        assert_eq!(outcome, run(&pack, &lines, &options));
    }
}
