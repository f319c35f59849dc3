//! Definitions that change while Kairos runs: at one epoch for everybody, the same whenever it is repeated.

use crate::engine::Engine;
use crate::histories::{ended, no_trouble, trouble};
use crate::live::{World, chain, seen, settle, topics};
use crate::simulator::seeds;
use kairos::broker::model::{Committed, Model};
use kairos::dataflow::RunError;
use kairos::dataflow::live::{ApplyError, LiveJob, LiveRun, start};
use kairos::define::ast::SourceFile;
use kairos::define::definitions::Definitions;
use kairos::epoch::log::{Record, Transaction};
use kairos::sim::random::random_pack;
use kairos::sim::rng::Rng;
use kairos::sink::Stream;
use kairos::store::memory::Memory as Kept;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn folder(text: &str) -> Definitions {
    Definitions::of_folder(&[SourceFile { path: "pack.yaml".into(), text: text.into() }])
}

/// Lets definitions take effect, unless others are about to.
pub fn apply(run: &LiveRun, text: &str) -> Result<(), ApplyError> {
    let definer = run.definer();
    definer.apply(definer.check(folder(text))?)
}

/// Waits until the definitions are in effect.
pub fn in_effect(run: &LiveRun, changes: u16) {
    let begun = Instant::now();
    while run.definer().in_effect().plan.version < changes {
        assert!(begun.elapsed() < Duration::from_secs(20), "they take effect");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn committed(model: &Model) -> Vec<Transaction> {
    let records = model.committed(&topics().log).into_iter();
    let read = |record: Committed| match Record::from_bytes(&record.data.payload.expect("a record"))
    {
        Ok(Record::Transaction(transaction)) => Some(transaction),
        Ok(Record::Claim(_)) => None,
        Err(error) => panic!("{error}"),
    };
    records.filter_map(read).collect()
}

/// Random packs follow one another at random moments of a run that is stopped again and again. Each start repeats what the
/// log says and is held to the hash of its lines; the last one repeats everything from the log alone.
#[test]
fn packs_that_follow_one_another_are_repeated_the_same() {
    let mut switches = 0;
    for seed in seeds(500..530) {
        let mut rng = Rng::new(seed);
        let mut world = World::of(seed, 150);
        let model = world.cluster();
        let kept = Kept::default();
        let kept = (rng.below(3) > 0).then_some(&kept);
        let lines: Vec<Vec<u8>> = world.lines.iter().flatten().cloned().collect();
        for _ in 0..5 {
            trouble(&model, &mut rng);
            let workers = 1 + rng.below(3) as usize;
            let run = start(world.job(&model, &world.clock(), workers, kept)).expect("it starts");
            for _ in 0..2 {
                std::thread::sleep(Duration::from_millis(rng.below(8)));
                let text = format!("{}{}", world.identity, random_pack(&mut rng));
                match apply(&run, &text) {
                    Ok(()) => world.engine = Engine::of(&text),
                    Err(ApplyError::Busy) => {}
                    Err(error) => panic!("SIM_SEEDS={seed}: {error}\n{text}"),
                }
                let (at, line) = (rng.below(3) as i32, rng.pick(&lines).clone());
                model.append("events", Some(at), None, None, Some(&line), &[]);
            }
            std::thread::sleep(Duration::from_millis(rng.below(8)));
            run.control.stop();
            ended(run, seed);
        }
        no_trouble(&model);
        let run = start(world.job(&model, &world.clock(), 2, kept)).expect("it starts again");
        settle(&world, run).unwrap_or_else(|error| panic!("SIM_SEEDS={seed}: {error}"));
        let said = seen(&model);
        let run =
            start(world.job(&model, &world.clock(), 1, None)).expect("it starts from the log");
        settle(&world, run)
            .unwrap_or_else(|error| panic!("SIM_SEEDS={seed}, from the log: {error}"));
        assert_eq!(seen(&model), said, "SIM_SEEDS={seed}: everything had been said");
        let decisions = &said[Stream::Decisions as usize];
        let ids: BTreeSet<&str> =
            decisions.iter().map(|line| line.split(' ').next().expect("an id")).collect();
        assert_eq!(ids.len(), decisions.len(), "SIM_SEEDS={seed}: each once");
        chain(&model);
        let log = committed(&model);
        assert!(log[0].definitions.is_some(), "the first ones are in the log");
        switches += log.iter().skip(1).filter(|it| it.definitions.is_some()).count();
    }
    assert!(switches > 2 * seeds(500..530).count(), "{switches} changes");
}

/// Applied before anything has been written: the log has the definitions of the start all the same, because others are numbered
/// after them.
#[test]
fn definitions_that_follow_at_once_are_repeated_the_same() {
    for seed in seeds(700..720) {
        let mut rng = Rng::new(seed);
        let mut world = World::of(seed, 60);
        let model = world.cluster();
        let run = start(world.job(&model, &world.clock(), 1, None)).expect("it starts");
        let text = format!("{}{}", world.identity, random_pack(&mut rng));
        apply(&run, &text).unwrap_or_else(|error| panic!("SIM_SEEDS={seed}: {error}\n{text}"));
        world.engine = Engine::of(&text);
        settle(&world, run).unwrap_or_else(|error| panic!("SIM_SEEDS={seed}: {error}"));
        let said = seen(&model);
        let run = start(world.job(&model, &world.clock(), 1, None)).expect("it starts again");
        settle(&world, run).unwrap_or_else(|error| panic!("SIM_SEEDS={seed}: {error}"));
        assert_eq!(seen(&model), said, "SIM_SEEDS={seed}");
    }
}

const FIRST: &str = "\
journeys:
  hello:
    enter: { on: Seen, again: always }
    steps: [ { send: { channel: email, template: first } } ]
";

/// A world in which nobody has done anything.
fn quiet(text: &str) -> World {
    World {
        engine: Engine::of(text),
        lines: vec![vec![]; 3],
        until: 1_772_442_000_000,
        identity: "",
    }
}

fn seen_by(model: &Model, world: &World, n: i64) {
    let at = world.until - 60_000 + n;
    let line = format!(
        r#"{{"type":"track","event":"Seen","userId":"u{n}","messageId":"m{n}","timestamp":{at}}}"#
    );
    model.append("events", Some(0), None, None, Some(line.as_bytes()), &[]);
}

fn templates(model: &Model) -> Vec<String> {
    let records = model.committed(&topics().streams[Stream::Triggers as usize]);
    let template = |record: Committed| {
        let data = record.data.payload.expect("a trigger");
        let data: serde_json::Value = serde_json::from_slice(&data).expect("JSON");
        data["template"].as_str().expect("a template").to_owned()
    };
    records.into_iter().map(template).collect()
}

fn wait_for(model: &Model, count: usize) {
    let begun = Instant::now();
    while templates(model).len() < count {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", templates(model));
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn mistakes_change_nothing_and_are_told_with_their_places() {
    let world = quiet(FIRST);
    let model = world.cluster();
    let run = start(world.job(&model, &world.clock(), 1, None)).expect("it starts");
    let wrong = FIRST.replace("template: first", "template: second, tagz: [a]");
    let error = apply(&run, &wrong).expect_err("it has a mistake").to_string();
    assert!(error.contains("pack.yaml:4:") && error.contains("tags"), "{error}");
    let large = format!("{FIRST}#{}\n", "x".repeat(1_000_000));
    let error = apply(&run, &large).expect_err("it is too large").to_string();
    assert!(error.contains("900000 is the most"), "{error}");
    seen_by(&model, &world, 1);
    wait_for(&model, 1);
    run.finish();
    run.join().expect("it ends well");
    assert_eq!(templates(&model), ["first"]);
}

#[test]
fn a_change_takes_effect_while_it_runs_and_stays_over_restarts() {
    let mut world = quiet(FIRST);
    let model = world.cluster();
    let kept = Kept::default();
    let job = |world: &World| world.job(&model, &world.clock(), 1, Some(&kept));
    let run = start(job(&world)).expect("it starts");
    seen_by(&model, &world, 1);
    wait_for(&model, 1);
    apply(&run, &FIRST.replace("first", "second")).expect("it has no mistakes");
    in_effect(&run, 1);
    seen_by(&model, &world, 2);
    wait_for(&model, 2);
    run.finish();
    run.join().expect("it ends well");
    // The folder has not changed since: what was applied stays.
    let run = start(LiveJob {
        definitions: Some(Definitions {
            folder: folder(&FIRST.replace("first", "second")).folder,
            ..folder(FIRST)
        }),
        ..job(&world)
    })
    .expect("it starts again");
    seen_by(&model, &world, 3);
    wait_for(&model, 3);
    run.finish();
    run.join().expect("it ends well");
    // A folder with mistakes: it goes on by the log.
    let run = start(LiveJob { definitions: None, ..job(&world) }).expect("it starts again");
    seen_by(&model, &world, 4);
    wait_for(&model, 4);
    run.finish();
    run.join().expect("it ends well");
    // A folder that was changed while it was away.
    world.engine = Engine::of(&FIRST.replace("first", "third"));
    let run = start(job(&world)).expect("it starts again");
    in_effect(&run, 2);
    seen_by(&model, &world, 5);
    wait_for(&model, 5);
    run.finish();
    run.join().expect("it ends well");
    assert_eq!(templates(&model), ["first", "second", "second", "second", "third"]);
}

#[test]
fn without_definitions_and_without_a_log_nothing_begins() {
    let world = quiet(FIRST);
    let model = world.cluster();
    let job = LiveJob { definitions: None, ..world.job(&model, &world.clock(), 1, None) };
    assert!(matches!(start(job), Err(RunError::NoDefinitions)));
}
