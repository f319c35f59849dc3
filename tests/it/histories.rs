//! What tests of random streams do alike: play a world through stops, say what differs, and find the smallest stream that shows it.

use kairos::broker::model::{CommitFault, Model};
use kairos::dataflow::RunError;
use kairos::dataflow::live::LiveRun;
use kairos::sim::rng::Rng;
use kairos::sim::world::{Cut, Ending, Stop, World};
use kairos::store::memory::Fault;
use std::collections::BTreeMap;
use std::time::Duration;

/// By person, what is known under each name, in words.
pub type Told = BTreeMap<String, BTreeMap<String, String>>;

/// Plays a history whose last run is not stopped.
pub fn play(world: &World, history: &[Cut]) -> Ending {
    world.play(history, None).expect("the last run of a history is not stopped")
}

/// The first thing that is known otherwise than it should be.
pub fn difference(found: &Told, wanted: &Told) -> Option<String> {
    for (person, wanted) in wanted {
        let Some(found) = found.get(person) else { return Some(format!("{person} is not there")) };
        for (name, wanted) in wanted {
            if found.get(name) != Some(wanted) {
                return Some(format!("{name} of {person}: {:?} and not {wanted}", found.get(name)));
            }
        }
    }
    let more: Vec<_> = found.keys().filter(|person| !wanted.contains_key(*person)).collect();
    (!more.is_empty()).then(|| format!("{more:?} should not be there"))
}

/// The smallest part of a stream that still shows what is wrong, and what that is; none if nothing is.
pub fn smallest<T: Clone>(
    mut stream: Vec<T>,
    differs: impl Fn(&[T]) -> Option<String>,
) -> Option<(Vec<T>, String)> {
    let mut why = differs(&stream)?;
    let mut at = 0;
    while at < stream.len() {
        let mut fewer = stream.clone();
        fewer.remove(at);
        match differs(&fewer) {
            Some(reason) => (stream, why) = (fewer, reason),
            None => at += 1,
        }
    }
    Some((stream, why))
}

/// Stops a world twice at many places, goes on with other workers, and holds the end to `plain`. Gives how many runs went on from
/// a checkpoint.
pub fn through_stops(
    seed: u64,
    world: &World,
    plain: &Ending,
    workers: [(usize, usize); 4],
    step: usize,
) -> usize {
    const OFTEN: Cut = Cut { workers: 1, chunk: 1, checkpoint: 1, stop: None };
    let mut resumed = 0;
    for n in (1..60).step_by(step) {
        let stops = [
            Stop::Write(n),
            Stop::Complete(n),
            Stop::Commit(1 + n / 3, Fault::After),
            Stop::Commit(1 + n / 3, Fault::Before),
        ];
        for (stop, (before, after)) in stops.into_iter().zip(workers) {
            let first = Cut { workers: before, stop: Some(stop), ..OFTEN };
            let ending = play(world, &[first, first, Cut { workers: after, ..OFTEN }]);
            resumed += ending.resumed;
            let same = ending.same(plain);
            same.unwrap_or_else(|why| panic!("seed {seed}, {stop:?}, {before} and {after}: {why}"));
        }
    }
    resumed
}

/// Lets a start meet trouble, or not: messages in other pieces, a commit that goes wrong.
pub fn trouble(model: &Model, rng: &mut Rng) {
    model.set_piece(Some(1 + rng.below(40) as usize));
    let fault = *rng.pick(&[CommitFault::Before, CommitFault::After]);
    model.plant_commit((rng.below(2) > 0).then_some((1 + rng.below(9), fault)));
}

/// No more trouble.
pub fn no_trouble(model: &Model) {
    model.set_piece(None);
    model.plant_commit(None);
}

/// Lets a run go on for less than so many milliseconds, and kills it or asks it to end: also where what was left over is just
/// being read again.
pub fn cut_short(run: LiveRun, rng: &mut Rng, most: u64, seed: u64) {
    std::thread::sleep(Duration::from_millis(rng.below(most)));
    match rng.below(3) {
        0 => run.finish(),
        _ => run.control.stop(),
    }
    ended(run, seed);
}

/// Waits for the end of a run that has been stopped, or was just through.
pub fn ended(run: LiveRun, seed: u64) {
    match run.join() {
        Err(RunError::Stopped) | Ok(_) => {}
        Err(error) => panic!("SIM_SEEDS={seed}: {error}"),
    }
}
