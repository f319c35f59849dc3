//! The simulator: from one seed a pack, streams and a history of runs that are stopped, killed and started again. In: a
//! seed. Out: what is left at the end of the history, for others to judge. It never says what is right.
//!
//! Everything that goes wrong goes wrong in a port: the engine is the one that customers run.

use super::random::{IDENTITY, mix_identifiers, random_pack, random_stream};
use super::rng::Rng;
use crate::dataflow::{Finished, Job, Run, RunError, run};
use crate::define::ast::{Pack, SourceFile};
use crate::define::compile::{Keep, compile};
use crate::define::diagnostic::render;
use crate::define::parse::parse;
use crate::define::plan::Plan;
use crate::epoch::Timeline;
use crate::person::Person;
use crate::sink::memory::Memory as Outputs;
use crate::sink::{Sink, SinkError, Stream};
use crate::source::memory::Memory as Input;
use crate::source::{Chunk, Source, SourceError};
use crate::store::memory::{Fault, Memory as Kept};
use crate::time::HOUR;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What a history is a function of.
pub struct World {
    pub text: String,
    pub pack: Pack,
    pub plan: Arc<Plan>,
    /// The lines of each source.
    pub sources: Vec<Vec<Vec<u8>>>,
    pub timeline: Timeline,
    pub dedup_horizon: i64,
    pub until: Option<i64>,
}

/// How one run of a history is cut: nothing of it may show in the outputs.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub workers: usize,
    /// Bytes of a chunk.
    pub chunk: usize,
    /// Chunks between two checkpoints; none are taken if it is 0.
    pub checkpoint: u64,
    /// What ends the run before its end.
    pub stop: Option<Stop>,
}

/// The point at which a run ends, counted from 1.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// The process dies at the n-th line it writes.
    Write(u64),
    /// It dies at the n-th time that outputs are made safe.
    Sync(u64),
    /// It dies at the n-th time that epochs are complete.
    Complete(u64),
    /// It dies before or after the n-th commit of a checkpoint.
    Commit(u64, Fault),
    /// It is asked to stop when it has written n lines.
    Asked(u64),
}

/// What must not happen, planted in a port, so that those who watch can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The store loses a record of each checkpoint.
    LostRecord,
    /// The sink writes a line twice.
    DoubledLine,
    /// The source leaves a line out.
    SkippedLine,
}

/// What a history leaves.
pub struct Ending {
    pub outputs: [Vec<u8>; Stream::ALL.len()],
    /// Sorted by identifier.
    pub persons: Vec<Person>,
    /// The instant at which time stands.
    pub end: i64,
    /// Audiences and reports.
    pub report: serde_json::Value,
    /// Runs that it took.
    pub runs: usize,
    /// Runs that went on from a checkpoint.
    pub resumed: usize,
}

impl Ending {
    /// What two endings of one world must have in common is everything: outputs byte for byte, all that is kept of every
    /// person, and the report.
    ///
    /// # Errors
    /// The first difference.
    pub fn same(&self, other: &Ending) -> Result<(), String> {
        for (at, stream) in Stream::ALL.iter().enumerate() {
            let lines = |ending: &Ending| -> Vec<String> {
                let text = String::from_utf8_lossy(&ending.outputs[at]).into_owned();
                text.split_inclusive('\n').map(str::to_owned).collect()
            };
            if self.outputs[at] != other.outputs[at] {
                let (ours, theirs) = (lines(self), lines(other));
                let line = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
                let (name, number) = (stream.name(), line + 1);
                let (ours, theirs) = (ours.get(line), theirs.get(line));
                return Err(format!("{name}, line {number}: {ours:?}, elsewhere {theirs:?}"));
            }
        }
        if self.persons.len() != other.persons.len() || self.end != other.end {
            let (ours, theirs) = ((self.persons.len(), self.end), (other.persons.len(), other.end));
            return Err(format!("persons and end {ours:?}, elsewhere {theirs:?}"));
        }
        if self.report != other.report {
            return Err(format!("report {:#}, elsewhere {:#}", self.report, other.report));
        }
        let different =
            |(a, b): &(&Person, &Person)| postcard::to_stdvec(a) != postcard::to_stdvec(b);
        match self.persons.iter().zip(&other.persons).find(different) {
            Some((ours, theirs)) => Err(format!("{ours:#?}\nelsewhere {theirs:#?}")),
            None => Ok(()),
        }
    }
}

impl Cut {
    /// One worker, one chunk, no checkpoints, no stop.
    pub fn plain() -> Cut {
        Cut { workers: 1, chunk: 1 << 20, checkpoint: 0, stop: None }
    }

    fn random(rng: &mut Rng) -> Cut {
        Cut {
            workers: *rng.pick(&[1, 2, 3, 4]),
            chunk: *rng.pick(&[1, 1, 300, 2_000, 1 << 20]),
            checkpoint: *rng.pick(&[1, 1, 2, 5]),
            stop: None,
        }
    }
}

impl Stop {
    fn random(rng: &mut Rng) -> Stop {
        match rng.below(6) {
            0 => Stop::Write(1 + rng.below(60)),
            1 => Stop::Sync(1 + rng.below(8)),
            2 => Stop::Complete(1 + rng.below(80)),
            3 => Stop::Asked(1 + rng.below(60)),
            4 => Stop::Commit(1 + rng.below(6), Fault::Before),
            _ => Stop::Commit(1 + rng.below(6), Fault::After),
        }
    }
}

/// A history: some runs that are stopped, and one that is not.
pub fn random_history(rng: &mut Rng) -> Vec<Cut> {
    let mut history: Vec<Cut> = (0..rng.below(5)).map(|_| Cut::random(rng)).collect();
    history.iter_mut().for_each(|cut| cut.stop = Some(Stop::random(rng)));
    history.push(Cut::random(rng));
    history
}

/// A history in which checkpoints matter: its runs take one after each line, and are stopped at one that is not the first,
/// so that the next run goes on from those before it.
pub fn history_of_checkpoints(rng: &mut Rng) -> Vec<Cut> {
    let cut = |rng: &mut Rng| Cut { chunk: 1, checkpoint: 1, ..Cut::random(rng) };
    let stopped = |rng: &mut Rng| Cut { stop: Some(Stop::Sync(2 + rng.below(4))), ..cut(rng) };
    vec![stopped(rng), stopped(rng), cut(rng)]
}

impl World {
    /// A world over lines that come in as `sources`.
    ///
    /// # Errors
    /// The mistakes of the pack.
    pub fn new(text: &str, sources: Vec<Vec<Vec<u8>>>) -> Result<World, String> {
        let files = [SourceFile { path: "pack.yaml".into(), text: text.into() }];
        let (pack, mistakes) = parse(&files);
        let mistakes = if mistakes.is_empty() { Ok(()) } else { Err(mistakes) };
        let plan = mistakes.and_then(|()| compile(&pack, Keep::All));
        let plan = plan.map_err(|mistakes| format!("{}\n{text}", render(&files, &mistakes)))?;
        Ok(World {
            text: text.into(),
            pack,
            plan: Arc::new(plan),
            sources,
            timeline: Timeline { slack: 5_000, step: 10_000 },
            dedup_horizon: HOUR,
            until: None,
        })
    }

    /// A random world: a pack, and lines that come in over one to three sources.
    ///
    /// # Errors
    /// None, unless random packs have mistakes.
    pub fn random(rng: &mut Rng) -> Result<World, String> {
        let mut text = random_pack(rng);
        let length = 20 + rng.below(100) as usize;
        let mut sources = vec![Vec::new(); *rng.pick(&[1, 1, 2, 3])];
        let mut lines = random_stream(rng, length);
        if rng.chance(0.4) {
            text.insert_str(0, IDENTITY);
            lines = mix_identifiers(rng, lines);
        }
        for line in lines {
            let at = rng.below(sources.len() as u64) as usize;
            sources[at].push(line);
        }
        World::new(&text, sources)
    }

    /// Plays a history to its end.
    ///
    /// # Errors
    /// A run that failed though nothing was planted in it, or one that did not end.
    pub fn play(&self, history: &[Cut], sabotage: Option<Sabotage>) -> Result<Ending, RunError> {
        let (outputs, store) = (Outputs::default(), Kept::default());
        let mut resumed = 0;
        for (at, cut) in history.iter().enumerate() {
            let checkpoint = store.checkpoint();
            resumed += usize::from(checkpoint.is_some());
            outputs.cut(checkpoint.as_ref().map_or(&[0; 6][..], |held| &held.outputs));
            match self.one(cut, &outputs, &store, sabotage) {
                Err(error) if cut.stop.is_none() => return Err(error),
                Err(_) => {}
                Ok(Finished { persons, end, report, .. }) => {
                    let (outputs, report) = (outputs.outputs(), report.all());
                    let horizon = self.dedup_horizon;
                    let persons =
                        persons.into_iter().map(|it| it.without_old_ids(horizon)).collect();
                    return Ok(Ending { outputs, persons, end, report, runs: at + 1, resumed });
                }
            }
        }
        Err(RunError::Stopped)
    }

    fn one(
        &self,
        cut: &Cut,
        outputs: &Outputs,
        store: &Kept,
        sabotage: Option<Sabotage>,
    ) -> Result<Finished, RunError> {
        store.plant(match (cut.stop, sabotage) {
            (Some(Stop::Commit(nth, fault)), _) => Some((nth, fault)),
            (_, Some(Sabotage::LostRecord)) => Some((1, Fault::LosesRecord)),
            _ => None,
        });
        let checkpoint = store.checkpoint();
        let doubled = (sabotage == Some(Sabotage::DoubledLine)).then_some(1);
        let under_way = run(Job {
            plan: self.plan.clone(),
            sources: self.inputs(cut, store, sabotage),
            sink: Box::new(Mortal::new(outputs.clone(), cut.stop, doubled)),
            workers: cut.workers,
            timeline: self.timeline,
            dedup_horizon: self.dedup_horizon,
            until: self.until,
            store: (cut.checkpoint > 0).then(|| (Arc::new(store.clone()) as Arc<_>, checkpoint)),
            chunks_per_checkpoint: cut.checkpoint.max(1),
            keep_persons: true,
        });
        if let Some(Stop::Asked(lines)) = cut.stop {
            stop_after(&under_way, lines);
        }
        under_way.join()
    }

    fn inputs(
        &self,
        cut: &Cut,
        store: &Kept,
        sabotage: Option<Sabotage>,
    ) -> Vec<(String, Box<dyn Source>)> {
        let from = store.checkpoint().map_or(Vec::new(), |checkpoint| checkpoint.sources);
        let input = |(at, lines): (usize, &Vec<Vec<u8>>)| {
            let bytes: Vec<u8> =
                lines.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect();
            let mut input = Input::new(at as u16, Arc::new(bytes), cut.chunk);
            if let Some(from) = from.get(at) {
                input = input.from(from.offset, from.line);
            }
            let skipped = sabotage == Some(Sabotage::SkippedLine) && at == 0;
            let skipped = skipped.then_some(lines.len() as u64 / 2);
            let input = Paced { input, slowly: cut.checkpoint > 0, skipped };
            (format!("source {at}"), Box::new(input) as Box<dyn Source>)
        };
        self.sources.iter().enumerate().map(input).collect()
    }
}

fn stop_after(run: &Run, lines: u64) {
    while !run.is_finished() {
        if run.control.lines_out.load(Ordering::Relaxed) >= lines {
            return run.control.stop();
        }
        std::thread::yield_now();
    }
}

/// Leaves checkpoints the time to happen between the chunks of a small input; may leave a line out.
struct Paced {
    input: Input,
    slowly: bool,
    skipped: Option<u64>,
}

impl Source for Paced {
    fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError> {
        if self.slowly {
            std::thread::sleep(Duration::from_micros(200));
        }
        let mut chunk = self.input.next_chunk()?;
        if let (Some(chunk), Some(skipped)) = (&mut chunk, self.skipped) {
            let lines = chunk.lines().filter(|(number, _)| *number != skipped);
            let kept: Vec<u8> = lines.flat_map(|(_, line)| [line, b"\n"].concat()).collect();
            chunk.bytes = kept;
        }
        Ok(chunk)
    }
}

/// A sink whose process dies at a point; then only what was made safe is left.
struct Mortal {
    outputs: Outputs,
    stop: Option<Stop>,
    /// Calls of `write`, `sync` and `complete` so far.
    calls: [u64; 3],
    safe: Vec<u64>,
    /// The number of a line that is written twice.
    doubled: Option<u64>,
    dead: bool,
}

impl Mortal {
    fn new(outputs: Outputs, stop: Option<Stop>, doubled: Option<u64>) -> Mortal {
        let safe = outputs.outputs().iter().map(|output| output.len() as u64).collect();
        Mortal { outputs, stop, calls: [0; 3], safe, doubled, dead: false }
    }

    fn count(&mut self, call: usize) -> Result<(), SinkError> {
        self.calls[call] += 1;
        let reached = match self.stop {
            Some(Stop::Write(n)) => self.calls[0] >= n,
            Some(Stop::Sync(n)) => self.calls[1] >= n,
            Some(Stop::Complete(n)) => self.calls[2] >= n,
            _ => false,
        };
        if !reached && !self.dead {
            return Ok(());
        }
        self.dead = true;
        self.outputs.cut(&self.safe);
        Err(SinkError { path: "memory".into(), source: std::io::Error::other("died") })
    }
}

impl Sink for Mortal {
    fn write(&mut self, stream: Stream, line: &[u8]) -> Result<(), SinkError> {
        self.count(0)?;
        if self.doubled == Some(self.calls[0]) {
            self.outputs.write(stream, line)?;
        }
        self.outputs.write(stream, line)
    }

    fn sync(&mut self) -> Result<Vec<u64>, SinkError> {
        self.count(1)?;
        self.safe = self.outputs.sync()?;
        Ok(self.safe.clone())
    }

    fn complete(&mut self, epoch: u64) -> Result<(), SinkError> {
        self.count(2)?;
        self.outputs.complete(epoch)
    }
}
