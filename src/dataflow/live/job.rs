//! What a live run is given.

use super::ingest::{Opener, Readers};
use crate::broker::Broker;
use crate::define::compile::Keep;
use crate::define::definitions::Definitions;
use crate::define::plan::Plan;
use crate::epoch::Timeline;
use crate::epoch::log::Terms;
use crate::epoch::sequencer::Backlog;
use crate::metrics::Metrics;
use crate::person::views::Views;
use crate::sink::topics::Topics;
use crate::store::{Checkpoint, RunKey, Store};
use crate::time::clock::Clock;
use std::sync::Arc;
use std::time::Duration;

/// Everything that a live run is given.
pub struct LiveJob {
    /// The instance: two that run under one name shut each other out.
    pub name: String,
    /// What takes effect, unless the log says that these were there before and others after them. Without any, the run goes
    /// on under those of the log.
    pub definitions: Option<Definitions>,
    pub keep: Keep,
    pub broker: Arc<dyn Broker>,
    pub clock: Arc<dyn Clock>,
    /// Topics that are read, in the order that breaks ties.
    pub inputs: Vec<String>,
    pub readers: Readers,
    /// Whether any reader looks at the headers of records.
    pub headers: bool,
    pub topics: Topics,
    pub workers: usize,
    pub timeline: Timeline,
    pub backlog: Backlog,
    /// How long a `messageId` is remembered, in milliseconds.
    pub dedup_horizon: i64,
    /// Where checkpoints go, and the one to go on from.
    pub store: Option<(Arc<dyn Store>, Option<Checkpoint>)>,
    /// Between two checkpoints.
    pub checkpoint_every: Duration,
    pub bounds: Bounds,
    pub metrics: Arc<Metrics>,
    /// Persons for those who only look.
    pub views: Arc<Views>,
}

/// How much may be under way at once.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Epochs announced whose transactions are not committed.
    pub epochs: u64,
    /// Events read beyond what has been announced, of all workers together.
    pub events: usize,
    /// Events a minute beyond which an identifier is reported as a machine.
    pub heavy_per_minute: u32,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { epochs: 24, events: 200_000, heavy_per_minute: 50_000 }
    }
}

impl LiveJob {
    pub(super) fn terms(&self) -> Terms {
        Terms {
            slack: self.timeline.slack,
            step: self.timeline.step,
            dedup_horizon: self.dedup_horizon,
        }
    }

    pub(super) fn opener(&self) -> Opener {
        let (broker, readers) = (self.broker.clone(), self.readers.clone());
        Opener { broker, readers, headers: self.headers }
    }

    pub(super) fn key(&self, plan: &Plan) -> RunKey {
        RunKey {
            plan: plan.fingerprint,
            timeline: self.timeline,
            dedup_horizon: self.dedup_horizon,
            until: None,
            sources: self.inputs.clone(),
        }
    }
}
