//! So many messages to all persons together: never more, the important and the oldest first, and the same whatever the number of
//! workers and wherever a run is stopped.

use crate::histories::{play, through_stops};
use crate::live::{World as LiveWorld, repeats_itself};
use crate::simulator::seeds;
use kairos::sim::rng::Rng;
use kairos::sim::world::{Cut, World};
use kairos::sink::Stream;
use kairos::time::{HOUR, MINUTE};
use serde_json::Value;
use std::collections::BTreeMap;

const START: i64 = 1_780_000_020_000;
const MAX: usize = 5;

const PACK: &str = "\
facts: { bought: { count: Bought } }
journeys:
  major:
    enter: { on: Major, again: always }
    exit: [ { on: Bought } ]
    priority: 80
    steps: [ { send: { channel: sms, template: major } } ]
  minor:
    enter: { on: Minor, again: always }
    exit: [ { on: Bought } ]
    priority: 20
    steps: [ { wait: 30s }, { send: { channel: sms, template: minor, valid_for: 20m } } ]
  free: { enter: { on: Minor, again: always }, steps: [ { send: { channel: email, template: free } } ] }
policy:
  throttle: [ { channel: sms, max: 5, per: minute, except: [urgent] }, { channel: push, max: 1, per: hour } ]
  caps: [ { channel: sms, max: 6, per: day } ]
";

const IDENTITY: &str = "identity: { identifiers: [user, anonymous] }\n";

fn line(at: i64, person: u64, device: Option<u64>, event: &str) -> Vec<u8> {
    let device = device.map_or(String::new(), |device| format!(r#","anonymousId":"a{device}""#));
    let text = format!(
        r#"{{"type":"track","event":"{event}","userId":"u{person}"{device},"timestamp":{at}}}"#
    );
    text.into_bytes()
}

/// Bursts of messages to 40 persons, some of whom turn out to be one.
fn lines(rng: &mut Rng, identity: bool) -> Vec<Vec<u8>> {
    let mut at = START;
    (0..160)
        .map(|_| {
            at += *rng.pick(&[0, 1, 200, 4_000, 90_000]);
            let person = rng.below(40);
            let device = (identity && rng.chance(0.3)).then(|| rng.below(6));
            if identity && rng.chance(0.05) {
                let other = rng.below(40);
                let text = format!(
                    r#"{{"type":"alias","userId":"u{person}","previousId":"u{other}","timestamp":{at}}}"#
                );
                return text.into_bytes();
            }
            line(at, person, device, ["Major", "Minor", "Minor", "Bought"][rng.below(4) as usize])
        })
        .collect()
}

/// The decisions of one outcome: time, template, due.
fn decided(decisions: &[u8], outcome: &str) -> Vec<(i64, String, i64)> {
    let text = String::from_utf8_lossy(decisions).into_owned();
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let at = |value: &Value| kairos::time::parse(value.as_str().expect("a time")).expect("a time");
    all.filter(|it| it["data"]["decision"] == outcome)
        .map(|it| {
            let template = it["data"]["template"].as_str().expect("a template").to_owned();
            (at(&it["time"]), template, at(&it["data"]["due"]))
        })
        .collect()
}

/// Never more in a minute than may be.
fn hold(decisions: &[u8]) -> usize {
    let mut of_minute: BTreeMap<i64, usize> = BTreeMap::new();
    for (time, template, _) in decided(decisions, "send") {
        if template != "free" {
            *of_minute.entry(time.div_euclid(MINUTE)).or_default() += 1;
        }
    }
    assert!(of_minute.values().all(|sent| *sent <= MAX), "{of_minute:?}");
    of_minute.values().filter(|sent| **sent == MAX).count()
}

fn world(lines: Vec<Vec<u8>>, identity: bool) -> World {
    let text = format!("{}{PACK}", if identity { IDENTITY } else { "" });
    let mut world = World::new(&text, vec![lines]).expect("no mistakes");
    world.until = Some(START + 6 * HOUR);
    world
}

#[test]
fn never_more_than_may_be_and_the_same_on_any_number_of_workers() {
    let mut full = 0;
    for seed in seeds(1_300..1_316) {
        let mut rng = Rng::new(seed);
        let identity = seed.is_multiple_of(2);
        let world = world(lines(&mut rng, identity), identity);
        let plain =
            play(&world, &[Cut { workers: 1, chunk: 1 << 20, checkpoint: 100, stop: None }]);
        full += hold(&plain.outputs[Stream::Decisions as usize]);
        for (workers, chunk) in [(2, 700), (4, 90)] {
            let other = play(&world, &[Cut { workers, chunk, checkpoint: 100, stop: None }]);
            other
                .same(&plain)
                .unwrap_or_else(|why| panic!("seed {seed}, {workers} workers: {why}"));
        }
    }
    assert!(full > 20, "it was hardly ever at its limit: {full}");
}

#[test]
fn stops_lose_no_place_and_give_none_twice() {
    for seed in seeds(1_340..1_343) {
        let mut rng = Rng::new(seed);
        let world = world(lines(&mut rng, true), true);
        let plain =
            play(&world, &[Cut { workers: 1, chunk: 1 << 20, checkpoint: 100, stop: None }]);
        let resumed = through_stops(seed, &world, &plain, [(1, 2), (2, 1), (2, 4), (4, 1)], 9);
        assert!(resumed > 0, "no run went on from a checkpoint");
    }
}

#[test]
fn the_important_and_the_oldest_go_first_and_what_waits_too_long_expires() {
    let mut all = Vec::new();
    for person in 0..150 {
        all.push(line(START + person as i64, person, None, "Minor"));
    }
    for person in 200..206 {
        all.push(line(START + 45_000, person, None, "Major"));
    }
    let world = world(all, false);
    let plain = play(&world, &[Cut { workers: 2, chunk: 1 << 20, checkpoint: 100, stop: None }]);
    let decisions = &plain.outputs[Stream::Decisions as usize];
    hold(decisions);
    let mut sent = decided(decisions, "send");
    sent.retain(|(_, template, _)| template != "free");
    sent.sort();
    let dues: Vec<i64> = sent.iter().filter(|it| it.1 == "minor").map(|it| it.2).collect();
    assert!(dues.is_sorted(), "the oldest first");
    let majors: Vec<i64> = sent.iter().filter(|it| it.1 == "major").map(|it| it.0).collect();
    assert_eq!(majors.len(), 6);
    assert!(majors.iter().all(|at| *at < START + 3 * MINUTE), "the important ones do not queue");
    // Five a minute for 20 minutes; the rest does not wait for its turn, but as long as it is worth something.
    let expired = decided(decisions, "drop");
    assert!((90..=110).contains(&sent.len()), "{} were sent", sent.len());
    assert_eq!(sent.len() + expired.len(), 156);
    for (time, _, due) in expired {
        assert_eq!(time, due + 20 * MINUTE + 1);
    }
}

#[test]
fn a_live_run_says_the_same_again() {
    for seed in seeds(1_360..1_368) {
        let mut rng = Rng::new(seed);
        let identity = seed.is_multiple_of(2);
        let text = format!("{}{PACK}", if identity { IDENTITY } else { "" });
        let lines = vec![lines(&mut rng, identity), Vec::new(), Vec::new()];
        let engine = crate::engine::Engine::of(&text);
        let identity = if identity { IDENTITY } else { "" };
        let world = LiveWorld { engine, lines, until: START + 6 * HOUR, identity };
        let said = repeats_itself(&world, &mut rng, seed);
        assert!(said[Stream::Triggers as usize].len() > 20, "SIM_SEEDS={seed}");
    }
}
