//! `kairos run`: files of events in, files of decisions out.

use super::failure::Failure;
use super::output::{print, tell};
use super::{input, interrupt, pack, progress, summary, values};
use crate::dataflow::ingest::CHUNKS_PER_CHECKPOINT;
use crate::dataflow::{self, Finished, Job, Run, RunError};
use crate::define::ast::Pack;
use crate::define::compile::{Keep, compile};
use crate::define::plan::Plan;
use crate::epoch::Timeline;
use crate::limits::KEY_GROUPS;
use crate::sink::facts::write_person;
use crate::sink::files::Files;
use crate::source::Source;
use crate::store::disk::{Disk, fits};
use crate::store::{Checkpoint, RunKey, Store};
use crate::time::clock::{Clock, System};
use clap::Args;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  kairos generate --events 100000 --out events.jsonl
  kairos run --pack dataflows/retail --in events.jsonl --out out
  kairos run --pack dataflows/retail --in web.jsonl.zst shop.jsonl --out out --facts facts.jsonl
  kairos run --pack dataflows/retail --in events.jsonl --out out --report report.json
  zcat events.jsonl.gz | kairos run --pack dataflows/retail --in - --out out

With --state the run can be stopped at any time, even killed, and goes on when it is started again; in the end
its output is byte for byte that of a run without interruption:
  kairos run --pack dataflows/retail --in events.jsonl --out out --state state

Live, from Kafka to Kafka, exactly once, until SIGTERM or Ctrl-C:
  kairos run --config config/kafka.toml";

/// How far out of order events may be, the step of event time, and how long ids of messages are remembered, unless it is said.
pub(super) const SLACK: &str = "5s";
pub(super) const EPOCH: &str = "10s";
pub(super) const DEDUP: &str = "1h";

/// Workers beyond this many wait for the one that writes.
const DEFAULT_WORKERS_MAX: usize = 8;

/// How long a stopped run may take to notice; one that waits for its input never does.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct RunArgs {
    /// Run live, on Kafka, as this file says; config/default.toml tells every key
    #[arg(long, value_name = "FILE", exclusive = true)]
    config: Option<PathBuf>,
    #[command(flatten)]
    files: Option<FilesArgs>,
}

/// A run over files.
#[derive(Args, Debug)]
pub(super) struct FilesArgs {
    /// The pack: a folder of YAML files, or one file
    #[arg(long, value_name = "DIR")]
    pack: PathBuf,
    /// Files of events, one JSON object a line, also .gz or .zst; `-` is standard input. Several are read side by side
    #[arg(long = "in", value_name = "FILE", required = true, num_args = 1..)]
    inputs: Vec<PathBuf>,
    /// The folder of the output files, which are overwritten
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A folder for checkpoints, so that the run can be stopped and go on
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Write the facts and segments of every person at the end, one JSON object a line
    #[arg(long, value_name = "FILE")]
    facts: Option<PathBuf>,
    /// Write audiences and what has come of journeys at the end, for kairos report
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Threads that work side by side; the output does not depend on it [default: cores, at most 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=KEY_GROUPS as i64))]
    workers: Option<u16>,
    /// Let time run on to this instant after the input, so that timers until then fire
    #[arg(long, value_name = "TIME", value_parser = values::instant)]
    until: Option<i64>,
    /// Events out of order by at most so much are put in order; others count as late
    #[arg(long, value_name = "DURATION", default_value = SLACK, value_parser = values::duration_or_zero)]
    slack: i64,
    /// The step of event time in which outputs are written
    #[arg(long, value_name = "DURATION", default_value = EPOCH, value_parser = values::duration)]
    epoch: i64,
    /// How long the id of a message is remembered, to tell duplicates
    #[arg(long, value_name = "DURATION", default_value = DEDUP, value_parser = values::duration_or_zero)]
    dedup: i64,
}

/// Runs a pack, over files or live.
pub(super) fn run(args: &RunArgs) -> Result<u8, Failure> {
    match (&args.config, &args.files) {
        (Some(config), _) => super::live::run(config),
        (None, Some(files)) => run_over_files(files),
        (None, None) => Err(Failure::usage("nothing to run")
            .hint("name --pack, --in and --out, or --config; see kairos run --help")),
    }
}

/// Runs a pack over files.
fn run_over_files(args: &FilesArgs) -> Result<u8, Failure> {
    args.check_paths()?;
    let keep = if args.facts.is_some() { Keep::All } else { Keep::Used };
    let (pack, plan) = pack::load(&args.pack, keep)?;
    let (store, checkpoint) = match &args.state {
        Some(path) => args.open_state(path, &pack, &plan)?,
        None => (None, None),
    };
    if let Some(checkpoint) = checkpoint.as_ref().filter(|checkpoint| checkpoint.ended) {
        return args.has_ended(&checkpoint.outputs);
    }
    if let Some(checkpoint) = &checkpoint {
        tell(format_args!("going on after {}", args.place_of(checkpoint)));
    }
    let resumed = checkpoint.is_some();
    let sources = args.sources(checkpoint.as_ref())?;
    // The facts often go into the output folder too, which so has to be there; its files stay as they are until all is well.
    let out = args.out.display();
    std::fs::create_dir_all(&args.out).map_err(|error| Failure::writing(out, &error))?;
    let facts = args.facts.as_deref().map(open).transpose()?;
    let report = args.report.as_deref().map(open).transpose()?;
    let job = args.job(plan.clone(), sources, store, checkpoint)?;
    let mut facts = facts.map(emptied).transpose()?;
    let mut report = report.map(emptied).transpose()?;
    let clock = System::new();
    let run = dataflow::run(job);
    let intake = run.intake.clone();
    let finished = wait(run, &args.inputs, args.after_stop())?;
    if let (Some(path), Some(file)) = (&args.facts, &mut facts) {
        write_facts(file, &plan, &finished).map_err(|e| Failure::writing(path.display(), &e))?;
    }
    if let (Some(path), Some(file)) = (&args.report, &mut report) {
        let written = writeln!(file, "{:#}", finished.report.all()).and_then(|()| file.flush());
        written.map_err(|error| Failure::writing(path.display(), &error))?;
    }
    let facts = args.facts.as_deref();
    let about =
        summary::About { intake: &intake, took: clock.now(), out: &args.out, facts, resumed };
    print(summary::summary(&finished, &about))?;
    Ok(0)
}

impl FilesArgs {
    /// Paths that cannot go together.
    fn check_paths(&self) -> Result<(), Failure> {
        let seen = given_once(&self.inputs)?;
        if self.state.is_some() && self.inputs.iter().any(|path| path.as_os_str() == input::DASH) {
            return Err(Failure::usage("standard input cannot be combined with --state")
                .hint("write it to a file first; a pipe cannot be read again after a stop"));
        }
        let out = self.out.canonicalize().unwrap_or_else(|_| self.out.clone());
        if let Some(inside) = seen.iter().find(|path| path.parent() == Some(&out)) {
            let message = format!("the input {} is in the --out folder", inside.display());
            return Err(Failure::usage(message).hint("name another folder, such as --out out"));
        }
        for (flag, path) in self.beside() {
            // It would be emptied before it is read.
            if path.canonicalize().is_ok_and(|path| seen.contains(&path)) {
                let message = format!("{flag} would overwrite the input {}", path.display());
                return Err(Failure::usage(message).hint("name another file"));
            }
        }
        if out.exists() && !out.is_dir() {
            let message = format!("cannot write to {}: it is not a folder", self.out.display());
            return Err(
                Failure::failed(message).hint("--out names a folder, which is made if need be")
            );
        }
        Ok(())
    }

    fn timeline(&self) -> Timeline {
        Timeline { slack: self.slack, step: self.epoch }
    }

    fn names(&self) -> Vec<String> {
        self.inputs.iter().map(|path| path.display().to_string()).collect()
    }

    /// Opens the state. A checkpoint in it is of this very run, or that is an error.
    fn open_state(&self, path: &Path, pack: &Pack, plan: &Plan) -> Result<Opened, Failure> {
        let (disk, checkpoint) = Disk::open(path)?;
        if let Some(checkpoint) = &checkpoint {
            let (other, with) = match self.facts {
                Some(_) => (Keep::Used, "without"),
                None => (Keep::All, "with"),
            };
            // What is kept for --facts makes another plan of the same pack.
            if compile(pack, other).is_ok_and(|other| other.fingerprint == checkpoint.run.plan) {
                let path = path.display();
                return Err(Failure::failed(format!(
                    "the state in {path} was made {with} --facts"
                ))
                .hint("go on with the same, or choose an empty --state folder"));
            }
            let wanted = RunKey {
                plan: plan.fingerprint,
                timeline: self.timeline(),
                dedup_horizon: self.dedup,
                until: self.until,
                sources: self.names(),
            };
            fits(path, &checkpoint.run, &wanted)?;
        }
        Ok((Some(Arc::new(disk)), checkpoint))
    }

    /// What is asked for beside the outputs, each by its flag.
    fn beside(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let all = [("--facts", &self.facts), ("--report", &self.report)];
        all.into_iter().filter_map(|(flag, path)| Some((flag, path.as_ref()?)))
    }

    /// There is nothing left to do, if all that is asked for is there.
    fn has_ended(&self, lengths: &[u64]) -> Result<u8, Failure> {
        let out = self.out.display();
        let wrong = Files::differ(&self.out, lengths).or_else(|| {
            let (flag, path) = self.beside().find(|(_, path)| !path.exists())?;
            Some(format!("there is no {}, and {flag} is written as a run ends", path.display()))
        });
        match wrong {
            None => {
                print(format_args!("this run has ended already; its outputs are in {out}\n"))?;
                Ok(0)
            }
            Some(wrong) => Err(Failure::failed(format!("this run has ended already, but {wrong}"))
                .hint("run it again with an empty --state folder")),
        }
    }

    fn sources(&self, checkpoint: Option<&Checkpoint>) -> Result<Inputs, Failure> {
        let from = checkpoint.map_or(&[][..], |checkpoint| &checkpoint.sources);
        let mut sources = Vec::new();
        for (at, path) in self.inputs.iter().enumerate() {
            sources
                .push((path.display().to_string(), input::source(path, at as u16, from.get(at))?));
        }
        Ok(sources)
    }

    fn job(
        &self,
        plan: Arc<Plan>,
        sources: Inputs,
        store: Option<Arc<dyn Store>>,
        checkpoint: Option<Checkpoint>,
    ) -> Result<Job, Failure> {
        let lengths = checkpoint.as_ref().map_or(&[][..], |checkpoint| &checkpoint.outputs);
        Ok(Job {
            plan,
            sources,
            sink: Box::new(Files::open(&self.out, lengths)?),
            workers: self.workers.map_or_else(default_workers, usize::from),
            timeline: self.timeline(),
            dedup_horizon: self.dedup,
            until: self.until,
            store: store.map(|store| (store, checkpoint)),
            chunks_per_checkpoint: CHUNKS_PER_CHECKPOINT,
            keep_persons: self.facts.is_some(),
        })
    }

    /// How far the run had come.
    fn place_of(&self, checkpoint: &Checkpoint) -> String {
        let places = self.inputs.iter().zip(&checkpoint.sources);
        let place = |(path, from): (&PathBuf, &crate::store::Resume)| {
            format!("line {} of {}", values::grouped(from.line - 1), path.display())
        };
        places.map(place).collect::<Vec<_>>().join(", ")
    }

    /// What is advised after a stop.
    fn after_stop(&self) -> &'static str {
        match self.state {
            Some(_) => "run the same command again to go on from the last checkpoint",
            None => "the outputs are incomplete; with --state DIR a run can be stopped and go on",
        }
    }
}

/// The files that are named; none of them twice.
pub(super) fn given_once(inputs: &[PathBuf]) -> Result<BTreeSet<PathBuf>, Failure> {
    let mut seen = BTreeSet::new();
    for path in inputs {
        if !seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
            return Err(Failure::usage(format!("{} is given twice", path.display())));
        }
    }
    Ok(seen)
}

/// Waits for the end, shows how far it is, and stops on Ctrl-C.
pub(super) fn wait(run: Run, inputs: &[PathBuf], after_stop: &str) -> Result<Finished, Failure> {
    let stopping = interrupt::watch();
    let bar = progress::Bar::over(inputs);
    let clock = System::new();
    let mut stopped_at = None;
    while !run.is_finished() {
        if stopping.is_asked() && stopped_at.is_none() {
            run.control.stop();
            stopped_at = Some(clock.now());
        }
        if stopped_at.is_some_and(|at| clock.now() > at + STOP_PATIENCE) {
            return Err(interrupt::stopped(after_stop));
        }
        bar.show(&run.intake);
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(bar);
    match run.join() {
        Err(RunError::Stopped) => Err(interrupt::stopped(after_stop)),
        other => Ok(other?),
    }
}

/// A duration that is written in this program.
pub(super) fn duration(text: &str) -> i64 {
    values::duration(text).expect("a default is well-formed")
}

/// One worker a core, as far as that helps.
pub(super) fn default_workers() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.min(DEFAULT_WORKERS_MAX)
}

type Opened = (Option<Arc<dyn Store>>, Option<Checkpoint>);

/// Sources with their names.
type Inputs = Vec<(String, Box<dyn Source>)>;

/// Opens a file to write to, or makes it; what is in it stays.
fn open(path: &Path) -> Result<(&Path, File), Failure> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    Ok((path, file.map_err(|error| Failure::writing(path.display(), &error))?))
}

/// What has been opened, empty. What is no file, such as a pipe, cannot be emptied and need not be.
fn emptied((path, file): (&Path, File)) -> Result<BufWriter<File>, Failure> {
    let is_file = file.metadata().is_ok_and(|it| it.is_file());
    let emptied = if is_file { file.set_len(0) } else { Ok(()) };
    emptied.map_err(|error| Failure::writing(path.display(), &error))?;
    Ok(BufWriter::new(file))
}

fn write_facts(out: &mut impl Write, plan: &Plan, finished: &Finished) -> std::io::Result<()> {
    let mut line = Vec::new();
    for person in &finished.persons {
        line.clear();
        write_person(&mut line, plan, person, finished.end);
        out.write_all(&line)?;
    }
    out.flush()
}
