//! Stopped anywhere and started again, by any number of workers: nothing is lost, repeated or decided anew.

use kairos::sim::rng::Rng;
use kairos::sim::world::{Cut, Ending, Stop, World};
use kairos::store::memory::Fault;

/// Checkpoints after every line.
const OFTEN: Cut = Cut { workers: 1, chunk: 1, checkpoint: 1, stop: None };

fn plain(world: &World) -> Ending {
    world.play(&[Cut::plain()], None).expect("nothing is planted")
}

fn same(world: &World, plain: &Ending, history: &[Cut]) -> Ending {
    let ending = world.play(history, None).expect("the last run of a history is not stopped");
    if let Err(why) = ending.same(plain) {
        panic!("{history:?}\n{}\n{why}", world.text);
    }
    ending
}

/// Stops a first run at every point of a kind, and lets a second one go on.
fn stop_everywhere(world: &World, workers: (usize, usize), step: usize, at: impl Fn(u64) -> Stop) {
    let plain = plain(world);
    let mut resumed = 0;
    for n in (1..).step_by(step) {
        let first = Cut { workers: workers.0, stop: Some(at(n)), ..OFTEN };
        let ending = same(world, &plain, &[first, Cut { workers: workers.1, ..OFTEN }]);
        resumed += ending.resumed;
        if ending.runs == 1 {
            break;
        }
    }
    assert!(resumed > 0, "no run went on from a checkpoint");
}

fn random_world(seed: u64) -> World {
    World::random(&mut Rng::new(seed)).expect("random packs have no mistakes")
}

#[test]
fn stopped_after_any_epoch() {
    stop_everywhere(&random_world(1), (1, 2), 3, Stop::Complete);
    stop_everywhere(&random_world(2), (2, 1), 3, Stop::Complete);
}

#[test]
fn killed_at_any_line() {
    stop_everywhere(&random_world(3), (1, 1), 3, Stop::Write);
    stop_everywhere(&random_world(4), (3, 2), 3, Stop::Write);
}

#[test]
fn killed_around_any_checkpoint() {
    for seed in 5..8 {
        let world = random_world(seed);
        stop_everywhere(&world, (2, 2), 1, Stop::Sync);
        stop_everywhere(&world, (1, 2), 1, |n| Stop::Commit(n, Fault::Before));
        stop_everywhere(&world, (2, 1), 1, |n| Stop::Commit(n, Fault::After));
    }
}

#[test]
fn any_number_of_workers_goes_on_with_what_another_left() {
    for seed in 100..120 {
        let world = random_world(seed);
        let stopped = |workers, n| Cut { workers, stop: Some(Stop::Complete(n)), ..OFTEN };
        let history = [stopped(1, 12), stopped(2, 9), stopped(4, 15), OFTEN];
        same(&world, &plain(&world), &history);
    }
}

/// A store is opened again and again, and nothing happens in between.
#[test]
fn many_starts_without_progress() {
    let world = random_world(9);
    let mut history = vec![Cut { workers: 2, stop: Some(Stop::Complete(30)), ..OFTEN }];
    let stillborn = Cut { workers: 2, stop: Some(Stop::Write(1)), ..OFTEN };
    history.extend([stillborn; 6]);
    history.push(OFTEN);
    same(&world, &plain(&world), &history);
}

/// Rejects concern no person: no epoch of theirs is ever begun by the persons' stage.
#[test]
fn rejects_are_written_once() {
    let mut lines = Vec::new();
    for n in 0..40 {
        lines.push(format!(
            r#"{{"type":"track","event":"Seen","userId":"anna","timestamp":{}}}"#,
            1_780_000_000_000_i64 + n * 60_000
        ));
        lines.extend((0..5).map(|at| format!("broken {n} {at}")));
    }
    let lines = lines.into_iter().map(String::into_bytes).collect();
    let world = World::new("facts: { seen: { count: Seen } }", vec![lines]).expect("a pack");
    stop_everywhere(&world, (2, 2), 7, Stop::Complete);
    stop_everywhere(&world, (1, 1), 7, Stop::Complete);
}

/// A run that has ended, started again: it only writes its end once more.
#[test]
fn an_ended_run_ends_again() {
    for workers in [1, 2] {
        let world = random_world(10);
        let last = Cut { workers, checkpoint: 1_000_000, ..OFTEN };
        let first = Cut { stop: Some(Stop::Commit(1, Fault::After)), ..last };
        assert_eq!(same(&world, &plain(&world), &[first, OFTEN]).runs, 2);
    }
}
