//! Many timers at one instant are worked off in slices, and nobody can tell.

use kairos::limits::{KEY_GROUPS, TIMERS_PER_GROUP_AND_EPOCH};
use kairos::sim::world::{Cut, Stop, World};
use kairos::sink::Stream;

const PACK: &str = "
journeys:
  hello:
    enter: { on: Signed Up }
    steps:
      - wait: 1h
      - send: { channel: email, template: hello }
";

const START: i64 = 1_780_000_000_000;

/// `persons` who sign up at one instant, and one who is seen two hours later.
fn lines(persons: usize) -> Vec<Vec<u8>> {
    let line = |event: &str, user: usize, at: i64| {
        format!(r#"{{"type":"track","event":"{event}","userId":"u{user}","timestamp":{at}}}"#)
    };
    let mut lines: Vec<String> = (0..persons).map(|user| line("Signed Up", user, START)).collect();
    lines.push(line("Signed Up", persons, START + 7_200_000));
    lines.into_iter().map(String::into_bytes).collect()
}

#[test]
fn mass_deadlines_all_fire_for_any_number_of_workers() {
    // More than a slice of nearly every group.
    let persons = 6 * TIMERS_PER_GROUP_AND_EPOCH * KEY_GROUPS / 5;
    let world = World::new(PACK, vec![lines(persons)]).expect("a pack");
    let one = world.play(&[Cut::plain()], None).expect("nothing is planted");
    let sent = one.outputs[Stream::Triggers as usize].split(|byte| *byte == b'\n').count() - 1;
    assert_eq!(sent, persons);
    let two = world.play(&[Cut { workers: 2, ..Cut::plain() }], None).expect("nothing is planted");
    two.same(&one).expect("the same for two workers");
}

/// After a restart the persons of a group stand in another order in memory.
#[test]
fn slices_are_the_same_after_a_stop_between_them() {
    // All in one key group, so that the slices are many and small.
    let group = |line: &Vec<u8>| {
        let text = String::from_utf8_lossy(line);
        let user = text.split('"').skip_while(|part| *part != "userId").nth(2).unwrap_or("");
        kairos::event::leaf_hash(&format!("user:{user}")) % KEY_GROUPS as u64
    };
    let mut lines = lines(3 * TIMERS_PER_GROUP_AND_EPOCH * KEY_GROUPS);
    lines.retain(|line| group(line) == 7);
    assert!(lines.len() > 2 * TIMERS_PER_GROUP_AND_EPOCH);
    // While the timers come up, time moves in small steps.
    lines.extend((0..40).map(|n| {
        let at = START + 3_600_000 + 2_500 * n;
        format!(r#"{{"type":"track","event":"Seen","userId":"u0","timestamp":{at}}}"#).into_bytes()
    }));
    let world = World::new(PACK, vec![lines]).expect("a pack");
    let plain = world.play(&[Cut::plain()], None).expect("nothing is planted");
    let often = Cut { workers: 1, chunk: 200, checkpoint: 1, stop: None };
    let lines: usize = plain.outputs.iter().map(|text| text.split(|b| *b == b'\n').count()).sum();
    for n in (lines / 4..lines).step_by(lines / 10) {
        let history =
            [Cut { stop: Some(Stop::Write(n as u64)), ..often }, Cut { workers: 2, ..often }];
        let ending = world.play(&history, None).expect("the last run is not stopped");
        ending.same(&plain).expect("the same after a stop");
        assert_eq!(ending.resumed, 1);
    }
}
