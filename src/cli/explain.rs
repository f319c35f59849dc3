//! `kairos explain`: why somebody got a message, and why not; by files that were run, or by what a live instance has done.

mod text;

use super::failure::{Failure, NOT_SO};
use super::output::print;
use super::{input, live, pack, values};
use crate::config::Config;
use crate::define::compile::Keep;
use crate::epoch::Timeline;
use crate::explain::{Allowance, Input, NoAnswer, Question, explain_all as answers, explain_live};
use crate::source::file::{LineReader, Position};
use crate::source::{Source, SourceError};
use clap::Args;
use compact_str::CompactString;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// `--in` takes all that comes after it, so that the persons have to come first.
const USAGE: &str = "\
kairos explain <PERSON>... --pack <DIR> --in <FILE>... [OPTIONS]
       kairos explain <PERSON>... --config <FILE> [OPTIONS]";

const EXAMPLES: &str = "\
Examples:
  kairos explain user:42 --pack dataflows/retail --in events.jsonl
  kairos explain user:42 --journey abandoned-cart --pack dataflows/retail --in events.jsonl
  kairos explain user:42 --at 2026-03-02T21:30:00Z --pack dataflows/retail --in events.jsonl
  kairos explain user:42 --journey abandoned-cart --config config/kafka.toml

The input is run again through the engine, so that what is told is what was decided. Of files, options that change what a run
decides (--slack, --epoch, --dedup, --until) have to be those of the run that is asked about. Of a live instance (--config), its
log says what was decided when and by which definitions; it may run meanwhile, and does not notice. All of its input is read that
is still there.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, override_usage = USAGE)]
pub(super) struct ExplainArgs {
    /// An identifier with its kind, such as user:42; of several, one after another is told
    #[arg(value_name = "PERSON", required = true, value_parser = identifier)]
    persons: Vec<String>,
    /// The pack: a folder of YAML files, or one file
    #[arg(long, value_name = "DIR", required_unless_present = "config")]
    pack: Option<PathBuf>,
    /// The files of events that were run, in the same order
    #[arg(long = "in", value_name = "FILE", required_unless_present = "config", num_args = 1..)]
    inputs: Vec<PathBuf>,
    /// The configuration of the live instance that is asked about, instead of a pack and files
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pack", "inputs", "until", "slack", "epoch", "dedup"])]
    config: Option<PathBuf>,
    /// Why the person is not in this journey, or got no message of it
    #[arg(long, value_name = "JOURNEY")]
    journey: Option<String>,
    /// As of this instant [default: the end of the input, or of what the instance has done]
    #[arg(long, value_name = "TIME", value_parser = values::instant)]
    at: Option<i64>,
    /// Print JSON; of several persons one object a line
    #[arg(long)]
    json: bool,
    /// Let time run on to this instant after the input
    #[arg(long, value_name = "TIME", value_parser = values::instant, conflicts_with = "at")]
    until: Option<i64>,
    /// As for kairos run
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = values::duration_or_zero)]
    slack: i64,
    /// As for kairos run
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = values::duration)]
    epoch: i64,
    /// As for kairos run
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = values::duration_or_zero)]
    dedup: i64,
}

/// An identifier as it is known inside.
fn identifier(text: &str) -> Result<String, String> {
    match values::identifier(text) {
        Ok(()) => Ok(text.to_owned()),
        Err((wrong, advice)) => Err(format!("{wrong}; {advice}")),
    }
}

/// Runs the input again, and tells what happened to each of some persons.
pub(super) fn explain(args: &ExplainArgs) -> Result<u8, Failure> {
    if args.persons.len() > 1 && args.at.is_some() {
        let message =
            "--at is asked of one person: nobody else's first event may be taken for theirs";
        return Err(Failure::usage(message));
    }
    let all = match &args.config {
        Some(config) => of_instance(args, config)?,
        None => of_files(args)?,
    };
    for said in &all {
        match (args.json, all.len()) {
            (true, 1) => print(format_args!("{said:#}\n"))?,
            (true, _) => print(format_args!("{said}\n"))?,
            (false, _) => print(text::told(said))?,
        }
    }
    Ok(0)
}

fn of_files(args: &ExplainArgs) -> Result<Vec<Value>, Failure> {
    let is_pipe = |path: &&PathBuf| {
        path.as_os_str() == input::DASH
            || path.metadata().is_ok_and(|it| !it.is_file() && !it.is_dir())
    };
    if let Some(path) = args.inputs.iter().find(is_pipe) {
        let message =
            format!("{} is no file, and the input is read more than once", path.display());
        return Err(Failure::usage(message).hint("write it to a file first"));
    }
    let pack = args.pack.as_ref().expect("it is there unless a configuration is");
    let (_, plan) = pack::load(pack, Keep::Used)?;
    let open = || {
        let paths = args.inputs.iter().enumerate();
        let source = |(at, path): (usize, &PathBuf)| {
            let reader = LineReader::open(path, at as u16, Position::default())?;
            Ok(Box::new(reader) as Box<dyn Source>)
        };
        paths.map(source).collect::<Result<Vec<_>, SourceError>>()
    };
    let (persons, question) = asked(args);
    let input = Input {
        names: args.inputs.iter().map(|path| path.display().to_string()).collect(),
        open: &open,
        timeline: Timeline { slack: args.slack, step: args.epoch },
        dedup_horizon: args.dedup,
        until: args.until,
    };
    let all = answers(&plan, &input, &persons, &question)?;
    Ok(all.into_iter().collect::<Result<_, _>>()?)
}

fn of_instance(args: &ExplainArgs, config: &Path) -> Result<Vec<Value>, Failure> {
    let config = Config::load(config).map_err(|error| Failure::mistakes(error.to_string()))?;
    let job = live::instance(&config).map_err(Failure::broker)?;
    let (persons, question) = asked(args);
    let all = explain_live(job, &persons, &question, &Allowance::all())?;
    Ok(all.into_iter().collect::<Result<_, _>>()?)
}

/// About whom, and what.
fn asked(args: &ExplainArgs) -> (Vec<CompactString>, Question) {
    let persons = args.persons.iter().map(|it| it.as_str().into()).collect();
    let (journey, at) = (args.journey.clone(), args.at);
    (persons, Question { person: CompactString::default(), journey, at })
}

impl From<NoAnswer> for Failure {
    fn from(error: NoAnswer) -> Failure {
        let not_so =
            |error: &NoAnswer| Failure { code: NOT_SO, ..Failure::failed(error.to_string()) };
        match error {
            NoAnswer::Run(error) => error.into(),
            NoAnswer::Source(error) => error.into(),
            NoAnswer::NoJourney { ref hint, .. } => not_so(&error).hint(hint.clone()),
            NoAnswer::Nobody(_) => not_so(&error)
                .hint("identifiers are written with their kind: user:42, anonymous:a1"),
            NoAnswer::Erased { .. }
            | NoAnswer::NotYet { .. }
            | NoAnswer::TooEarly { .. }
            | NoAnswer::NotCome { .. }
            | NoAnswer::TooMuch { .. } => not_so(&error),
        }
    }
}
