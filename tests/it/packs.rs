//! The packs that are shipped, and those shown in the language's page, compile and pass their own
//! tests; the retail pack does on traffic what the oracle expects.

use crate::engine::{Cut, Engine, records_of};
use kairos::decode::Decoder;
use kairos::define::ast::SourceFile;
use kairos::define::compile::{Keep, compile};
use kairos::define::diagnostic::render;
use kairos::define::files::read_pack;
use kairos::define::parse::parse;
use kairos::event::Origin;
use kairos::sim::generate::{Config, Faults, Generator};
use kairos::sim::random::shrink_stream;
use kairos::sim::{oracle, scenario};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Compiles a pack and runs its tests; gives their number, or what is wrong as a user is told it.
pub fn judge(files: &[SourceFile]) -> Result<usize, String> {
    let (pack, mistakes) = parse(files);
    if !mistakes.is_empty() {
        return Err(render(files, &mistakes));
    }
    let plan = Arc::new(compile(&pack, Keep::All).map_err(|found| render(files, &found))?);
    let failures = plan.tests.iter().filter_map(|test| {
        let failure = scenario::run(&plan, test).err()?;
        let file = &pack.files[usize::from(failure.line.span.file)].path;
        let (line, text) = (failure.line.span.line, failure.line.node.trim());
        Some(format!("{}\n  {file}:{line}: {text}\n  {}\n", test.name.node, failure.message))
    });
    let failures: String = failures.collect();
    if failures.is_empty() { Ok(plan.tests.len()) } else { Err(failures) }
}

fn shipped() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("dataflows");
    let entries = std::fs::read_dir(root).expect("the folder of packs");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.retain(|path| path.is_dir());
    paths.sort();
    paths
}

#[test]
fn every_shipped_pack_passes_its_tests() {
    let packs = shipped();
    assert!(packs.len() >= 2, "found {packs:?}");
    for path in packs {
        let files = read_pack(&path).expect("a readable pack");
        match judge(&files) {
            Ok(tests) => assert!(tests > 0, "{} has no tests", path.display()),
            Err(wrong) => panic!("{}:\n{wrong}", path.display()),
        }
    }
}

#[test]
fn every_pack_in_the_page_of_the_language_passes_its_tests() {
    let packs = super::language_examples::packs();
    assert!(packs.len() >= 5, "found {}", packs.len());
    for text in packs {
        let files = [SourceFile { path: "README.md".into(), text: text.into() }];
        judge(&files).unwrap_or_else(|wrong| panic!("{text}\n{wrong}"));
    }
}

#[test]
fn the_weekday_of_a_date_is_the_same_wherever_the_person_is() {
    let text = "\
facts: { day: { trait: birthday, type: date } }
segments: { monday: weekday(day) == 1 && hour(day) == 0 }
tests:
  - name: 5 March 1990 was a Monday
    script: |
      09:00  anna  identify  birthday=1990-03-05 timezone=America/New_York
      09:00  bert  identify  birthday=1990-03-05 timezone=Asia/Kolkata
      expect anna in monday
      expect bert in monday
";
    let files = [SourceFile { path: "p.yaml".into(), text: text.into() }];
    assert_eq!(judge(&files), Ok(1));
}

#[test]
fn what_decides_nothing_costs_nothing() {
    let files = [SourceFile { path: "p.yaml".into(), text: "facts: { a: { count: A } }".into() }];
    let (pack, _) = parse(&files);
    let kept = |keep| compile(&pack, keep).expect("a sound pack").facts.len();
    assert_eq!((kept(Keep::Used), kept(Keep::All)), (0, 1));
}

#[test]
fn what_a_decision_names_does_not_depend_on_what_else_is_kept() {
    let text = "facts:\n  unused: { count: page }\n  zeta: { count: A }\n  alpha: { count: A }\njourneys:\n  j:\n    \
                enter: { on: A }\n    steps: [ { send: { channel: email, template: t, with: { z: zeta, a: alpha } } } ]\n";
    let (pack, _) = parse(&[SourceFile { path: "p.yaml".into(), text: text.into() }]);
    for keep in [Keep::Used, Keep::All] {
        let plan = compile(&pack, keep).expect("a sound pack");
        let causes =
            plan.sends[0].causes.iter().map(|it| plan.facts[usize::from(it.0)].name.as_str());
        assert_eq!(causes.collect::<Vec<_>>(), ["alpha", "zeta"]);
    }
}

#[test]
fn who_enters_by_a_segment_does_so_because_of_the_facts_that_it_asks() {
    let text = "facts: { n: { count: A }, m: { count: B } }\nsegments:\n  inner: n > 1\n  outer: segment(\"inner\") && m < 3\n\
                journeys:\n  j: { enter: { entered: outer }, steps: [ { send: { channel: email, template: t } } ] }\n";
    let (pack, _) = parse(&[SourceFile { path: "p.yaml".into(), text: text.into() }]);
    let plan = compile(&pack, Keep::Used).expect("a sound pack");
    let causes = plan.sends[0].causes.iter().map(|it| plan.facts[usize::from(it.0)].name.as_str());
    assert_eq!(causes.collect::<Vec<_>>(), ["m", "n"]);
}

fn retail() -> Engine {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("dataflows/retail");
    let files = read_pack(&root).expect("a readable pack");
    let (pack, _) = parse(&files);
    let plan = Arc::new(compile(&pack, Keep::All).expect("a sound pack"));
    Engine { pack, plan }
}

/// What the oracle knows nothing of: who is who, the catalogue, and what compares persons with one another.
const ACROSS: [&str; 10] = [
    "identity:",
    "catalogue:",
    "percentile(",
    "decile(",
    "rank(",
    "product(",
    "similar(",
    "accessories(",
    "bought_together(",
    "without(",
];

/// Lines that can be left out where only one person is looked at.
const ALL_PERSONS: [&str; 2] = ["throttle:", "quintile("];

/// A file about one person at a time: the first few of all customers are those above a sum, templates are given the time instead of
/// lists of products, and the policy has no throttle.
fn of_one_person(text: &str) -> String {
    let mut lines = String::new();
    for line in text.lines().filter(|line| !ALL_PERSONS.iter().any(|word| line.contains(word))) {
        let line = line.replace("percentile(lifetime_value) >= 0.95", "lifetime_value >= 400");
        let (before, rest) = line.split_once("'take(").unwrap_or((&line, ""));
        lines.push_str(before);
        if let Some((_, after)) = rest.split_once('\'') {
            lines.push_str("now");
            lines.push_str(after);
        }
        lines.push('\n');
    }
    lines
}

/// The files of the retail pack that are about one person at a time, without those that need what only the others define.
fn retail_of_one_person() -> Engine {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("dataflows/retail");
    let mut files = read_pack(&root).expect("a readable pack");
    for file in &mut files {
        file.text = of_one_person(&file.text).into();
    }
    files.retain(|file| !ACROSS.iter().any(|word| file.text.contains(word)));
    loop {
        let (pack, mistakes) = parse(&files);
        assert!(mistakes.is_empty(), "{}", render(&files, &mistakes));
        match compile(&pack, Keep::All) {
            Ok(plan) => return Engine { pack, plan: Arc::new(plan) },
            Err(mistakes) => {
                let wrong: Vec<usize> =
                    mistakes.iter().map(|it| usize::from(it.span.file)).collect();
                let mut at = 0..;
                files.retain(|_| !wrong.contains(&at.next().expect("there is always a next")));
            }
        }
    }
}

/// On a shop's traffic, faults included: everything that the oracle expects, and nothing else.
#[test]
fn the_retail_pack_does_on_traffic_what_the_language_says() {
    let engine = retail_of_one_person();
    assert!(engine.plan.journeys.len() >= 12, "{} journeys are left", engine.plan.journeys.len());
    assert!(!engine.plan.policy.caps.is_empty(), "the policy is not among what is left");
    let options = oracle::Options {
        slack_ms: 5_000,
        epoch_ms: 10_000,
        dedup_horizon_ms: 3_600_000,
        until: None,
    };
    for (seed, days) in [(1, 3), (12, 30), (2, 400)] {
        let lines = traffic(seed, days);
        let expected = |lines: &[Vec<u8>]| oracle::run(&engine.pack, lines, &options).records;
        let found = |lines: &[Vec<u8>]| records_of(&engine.run(lines, Cut::plain()).outputs);
        let records = found(&lines);
        let many = |verdict: &str| records.iter().filter(|record| record.contains(verdict)).count();
        for verdict in [" send ", " drop ", " defer "] {
            assert!(many(verdict) >= 10, "{verdict}: {} in {days} days", many(verdict));
        }
        if expected(&lines) != records {
            let small = shrink_stream(&lines, |lines| expected(lines) != found(lines));
            let stream: Vec<_> = small.iter().map(|line| String::from_utf8_lossy(line)).collect();
            panic!("{}\n{:#?}\n{:#?}", stream.join("\n"), expected(&small), found(&small));
        }
    }
}

/// Nothing that the import of Online Retail or the generator writes is rejected by the types that
/// the pack declares.
#[test]
fn the_retail_pack_takes_the_events_of_both_shops() {
    let engine = retail();
    let decoder = Decoder::new(&engine.plan.inputs);
    let sample = include_bytes!("../data/online_retail_sample.jsonl").split(|byte| *byte == b'\n');
    let lines = sample.filter(|line| !line.is_empty()).map(<[u8]>::to_vec).chain(traffic(3, 30));
    for (position, line) in (1..).zip(lines) {
        let event = decoder.decode(&line, Origin { source: 0, position });
        assert!(event.is_ok(), "{}\n{event:?}", String::from_utf8_lossy(&line));
    }
}

fn traffic(seed: u64, days: i64) -> Vec<Vec<u8>> {
    let over_ms = days * 86_400_000;
    // Late, repeated and disordered lines, all of them readable.
    let faults = Faults { malformed: 0.0, late: 0.02, duplicated: 0.02, ..Faults::default() };
    let config =
        Config { customers: 30, events: 1_500, seed, over_ms, faults, ..Config::default() };
    let mut generator = Generator::new(config);
    let mut lines = Vec::new();
    let mut line = Vec::new();
    while generator.next_into(&mut line).is_some() {
        line.pop();
        lines.push(std::mem::take(&mut line));
    }
    lines
}
