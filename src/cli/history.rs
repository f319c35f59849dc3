//! Files of history, run through a pack without writing its outputs: what `backtest` and `diff` have in common.

use super::failure::Failure;
use super::{input, run, values};
use crate::dataflow::ingest::{CHUNKS_PER_CHECKPOINT, Intake};
use crate::dataflow::{self, Finished, Job};
use crate::define::plan::Plan;
use crate::epoch::Timeline;
use crate::limits::KEY_GROUPS;
use crate::sink::Sink;
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;

/// The history, and how it is run.
#[derive(Args, Debug)]
pub(super) struct HistoryArgs {
    /// Files of events, one JSON object a line, also .gz or .zst. Several are read side by side
    #[arg(long = "in", value_name = "FILE", required = true, num_args = 1..)]
    pub(super) inputs: Vec<PathBuf>,
    /// Let time run on to this instant after the history, so that timers until then fire
    #[arg(long, value_name = "TIME", value_parser = values::instant)]
    until: Option<i64>,
    /// Threads that work side by side; the result does not depend on it [default: cores, at most 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=KEY_GROUPS as i64))]
    workers: Option<u16>,
    /// Events out of order by at most so much are put in order; others count as late
    #[arg(long, value_name = "DURATION", default_value = run::SLACK, value_parser = values::duration_or_zero)]
    slack: i64,
}

/// What a run over history leaves.
pub(super) struct Played {
    pub(super) finished: Finished,
    pub(super) intake: Arc<Intake>,
}

impl HistoryArgs {
    /// Runs a plan over the history; the sink hears what it decides.
    pub(super) fn play(
        &self,
        plan: Arc<Plan>,
        sink: Box<dyn Sink>,
        keep_persons: bool,
    ) -> Result<Played, Failure> {
        run::given_once(&self.inputs)?;
        let mut sources = Vec::new();
        for (at, path) in self.inputs.iter().enumerate() {
            sources.push((path.display().to_string(), input::source(path, at as u16, None)?));
        }
        let run = dataflow::run(Job {
            plan,
            sources,
            sink,
            workers: self.workers.map_or_else(run::default_workers, usize::from),
            timeline: Timeline { slack: self.slack, step: run::duration(run::EPOCH) },
            dedup_horizon: run::duration(run::DEDUP),
            until: self.until,
            store: None,
            chunks_per_checkpoint: CHUNKS_PER_CHECKPOINT,
            keep_persons,
        });
        let intake = run.intake.clone();
        let finished = run::wait(run, &self.inputs, "nothing has been written")?;
        Ok(Played { finished, intake })
    }
}
