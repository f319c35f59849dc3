//! Input as it comes: over several sources, lagging, empty, broken, or far in the future.

use crate::engine::records_of;
use crate::oracle::difference;
use kairos::sim::random::{random_pack, random_stream};
use kairos::sim::rng::Rng;
use kairos::sim::world::{Cut, Ending, World};
use kairos::sink::Stream;
use kairos::time::DAY;
use std::collections::{BTreeMap, BTreeSet};

const START: i64 = 1_780_000_000_000;

const CUTS: [Cut; 3] = [
    Cut { workers: 1, chunk: 1 << 20, checkpoint: 0, stop: None },
    Cut { workers: 2, chunk: 1, checkpoint: 0, stop: None },
    Cut { workers: 3, chunk: 500, checkpoint: 1, stop: None },
];

const PACK: &str = "
facts: { seen: { count: Seen } }
sessions: { gap: 30m }
journeys:
  hello:
    enter: { on: Seen, again: after exit }
    steps:
      - wait: 1h
      - send: { channel: email, template: hello }
";

fn play(world: &World, cut: Cut) -> Ending {
    world.play(&[cut], None).expect("nothing is planted")
}

/// The same for every cut.
fn play_all(world: &World) -> Ending {
    let plain = play(world, CUTS[0]);
    for cut in &CUTS[1..] {
        if let Err(why) = play(world, *cut).same(&plain) {
            panic!("{cut:?}\n{why}");
        }
    }
    plain
}

fn world(sources: Vec<Vec<Vec<u8>>>) -> World {
    World::new(PACK, sources).expect("a pack")
}

fn seen(user: &str, at: i64) -> Vec<u8> {
    format!(r#"{{"type":"track","event":"Seen","userId":"{user}","timestamp":{at}}}"#).into_bytes()
}

fn count(ending: &Ending, stream: Stream) -> usize {
    ending.outputs[stream as usize].split(|byte| *byte == b'\n').count() - 1
}

/// Who sent a line and when; lines that cannot be read have neither.
fn who_and_when(line: &[u8]) -> Option<(String, i64)> {
    let value: serde_json::Value = serde_json::from_slice(line).ok()?;
    let at = |name: &str| match &value[name] {
        serde_json::Value::String(text) => kairos::time::parse(text),
        number => number.as_i64(),
    };
    let who = format!("{} {}", value["userId"], value["anonymousId"]);
    let said = ["timestamp", "originalTimestamp", "receivedAt"].into_iter().find_map(at)?;
    Some((who, said.min(at("receivedAt").unwrap_or(i64::MAX))))
}

#[test]
fn split_over_sources_is_the_same_as_merged() {
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let text = random_pack(&mut rng);
        let mut lines = random_stream(&mut rng, 80);
        // The order of two events of one person at one instant is that of the input, which a split takes away; and nothing is
        // to be late, neither in one source nor in many.
        let (mut met, mut latest) = (BTreeSet::new(), i64::MIN);
        lines.retain(|line| {
            let Some((who, time)) = who_and_when(line) else { return true };
            latest = latest.max(time);
            time >= latest.saturating_sub(4 * DAY) && met.insert((who, time))
        });
        let mut split = vec![Vec::new(); 1 + rng.between(1, 3) as usize];
        for line in &lines {
            let at = rng.below(split.len() as u64) as usize;
            split[at].push(line.clone());
        }
        let of = |sources| {
            let mut world = World::new(&text, sources).expect("random packs have no mistakes");
            world.timeline.slack = 4 * DAY;
            world
        };
        let merged = play(&of(vec![lines]), CUTS[0]);
        let split = play(&of(split), CUTS[seed as usize % 3]);
        let records = |ending: &Ending| (records_of(&ending.outputs), BTreeMap::new());
        if let Some(why) = difference(&records(&merged), &records(&split)) {
            panic!("seed {seed}\n{text}\n{why}");
        }
    }
}

#[test]
fn a_lagging_source_holds_time_back() {
    let fast: Vec<_> = (0..400).map(|n| seen("anna", START + n * 60_000)).collect();
    // Bert comes in late, compared with anna's file, but in his own file he is in time.
    let slow = vec![seen("bert", START), seen("bert", START + 3_600_000)];
    let ending = play_all(&world(vec![fast, slow]));
    let sends = String::from_utf8_lossy(&ending.outputs[Stream::Triggers as usize]).into_owned();
    let bert: Vec<&str> = sends.lines().filter(|line| line.contains("user:bert")).collect();
    // The second one counts at exactly the deadline of the wait, and so enters nothing: one message.
    assert_eq!(bert.len(), 1, "{sends}");
}

#[test]
fn time_runs_on_to_until_and_includes_it() {
    let mut world = world(vec![vec![seen("anna", START)]]);
    assert_eq!(count(&play_all(&world), Stream::Triggers), 0);
    world.until = Some(START + 3_600_000 - 1);
    assert_eq!(count(&play_all(&world), Stream::Triggers), 0);
    world.until = Some(START + 3_600_000);
    let ending = play_all(&world);
    assert_eq!((count(&ending, Stream::Triggers), ending.end), (1, START + 3_600_000));
    // An instant that is past already changes nothing.
    world.until = Some(START - 1);
    assert_eq!(play_all(&world).end, START);
}

#[test]
fn no_input_gives_no_output() {
    for sources in
        [vec![], vec![vec![]], vec![vec![], vec![]], vec![vec![b"".to_vec(), b" ".to_vec()]]]
    {
        let ending = play_all(&world(sources));
        assert!(ending.outputs.iter().all(Vec::is_empty));
        assert!(ending.persons.is_empty());
    }
    let one_empty = play_all(&world(vec![vec![], vec![seen("anna", START)]]));
    assert_eq!((one_empty.persons.len(), one_empty.end), (1, START));
}

#[test]
fn rejects_only() {
    let lines = (0..50).map(|n| format!("line {n}").into_bytes()).collect();
    let ending = play_all(&world(vec![lines]));
    assert_eq!(count(&ending, Stream::Rejects), 50);
    assert!(ending.persons.is_empty());
}

#[test]
fn a_last_line_without_its_end() {
    use kairos::source::Source;
    for chunk in [1, 10, 1 << 20] {
        let mut source = kairos::source::memory::Memory::new(0, b"one\ntwo".to_vec().into(), chunk);
        let mut lines = Vec::new();
        while let Some(chunk) = source.next_chunk().expect("memory can be read") {
            lines.extend(chunk.lines().map(|(at, line)| (at, line.to_vec())));
        }
        assert_eq!(lines, [(1, b"one".to_vec()), (2, b"two".to_vec())]);
    }
}

/// One wrong clock moves time: everything after it is late. It still ends, with all counted, for every cut.
#[test]
fn an_event_far_in_the_future() {
    let mut lines: Vec<_> =
        (0..3_000).map(|n| seen(&format!("u{}", n % 50), START + n * 1_000)).collect();
    lines.insert(1_000, seen("u0", 4_092_000_000_000));
    let ending = play_all(&world(vec![lines]));
    assert_eq!(ending.persons.len(), 50);
    assert_eq!(ending.end, 4_092_000_000_000);
}
