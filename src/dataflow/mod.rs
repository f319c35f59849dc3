//! The stages wired together.
//!
//! ```text
//!  sources ─ ingest ──────► persons ─────► publish ─ sink
//!            (decode,       (exchange by   (one worker,
//!             epochs)        key group)     sorted)
//!                └ rejects ───────────────────┘
//! ```

pub mod checkpoint;
pub mod ingest;
pub mod live;
mod outlets;
mod publish;
mod run;

pub use run::{Control, Finished, Job, Run, RunError, run, run_watched};

use crate::decode::Decoder;
use crate::define::plan::Plan;
use crate::epoch::{Placed, Turns};
use crate::identity::Resolver;
use crate::identity::operator::{Claimed, Routed, resolve};
use crate::person::feedback::Addressed;
use crate::person::keyed::Keyed;
use crate::person::operator::{Means, Stage, persons as person_stage};
use crate::sink::{Batch, Formatter, Sink};
use checkpoint::Coordinator;
use ingest::{Ingest, Intake};
use outlets::{Ingested, Outlets};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::dataflow::operators::{Concatenate, ConnectLoop, Feedback as _};
use timely::dataflow::{Scope, Stream};
use timely::scheduling::Activator;

/// How long a source that has nothing yet is left alone: short beside the latency that people see, long beside what asking
/// takes, and what a worker looks for news before it sleeps.
const IDLE: Duration = Duration::from_micros(500);

/// What the stages of one worker share with the runner.
pub struct Parts {
    pub intake: Arc<Intake>,
    pub coordinator: Arc<Coordinator>,
    pub control: Arc<Control>,
    pub sink: Arc<Mutex<Box<dyn Sink>>>,
    pub keyed: Rc<RefCell<Keyed>>,
    pub plan: Arc<Plan>,
    pub decoder: Rc<Decoder>,
    /// Which persons identifiers belong to, if several can be one.
    pub identity: Option<Resolver>,
    /// Whether there is a store.
    pub kept: bool,
    /// The last epoch of the checkpoint that the run goes on from.
    pub done: Option<u64>,
    /// What this worker does next.
    pub turns: Turns,
}

/// Wakes stages that have something to do for a checkpoint, though nothing flows.
pub type Wakers = Rc<RefCell<Vec<Activator>>>;

/// Builds the dataflow of one worker. The probe tells what has been written.
pub fn build(
    scope: Scope<'_, u64>,
    parts: Parts,
    formatter: impl Fn() -> Formatter,
) -> (Handle<u64>, Wakers) {
    let probe = Handle::new();
    let first = parts.done.map_or(0, |done| done.saturating_add(1));
    let wakers = Wakers::default();
    let Ingested { events, rejects, claims } = ingest(scope, &parts, formatter(), probe.clone());
    let means = Means {
        keyed: parts.keyed.clone(),
        epochs: parts.intake.clone(),
        coordinator: parts.coordinator.clone(),
        formatter: formatter(),
        first_epoch: first,
    };
    let (sink, control, coordinator) = (parts.sink, parts.control, parts.coordinator);
    let identity = parts.identity.map(|resolver| crate::identity::operator::Stage {
        epochs: parts.intake.clone(),
        first_epoch: first,
        resolver,
        figures: Arc::default(),
        kept: parts.kept,
        caller: None,
        turns: parts.turns.clone(),
    });
    let feeds_back = parts.plan.feeds_back();
    let plan = feeds_back.then_some(&parts.plan);
    let identity = identity.zip(claims);
    let effects = persons(events, identity, means, plan, &wakers, parts.turns);
    let lines = scope.concatenate([effects, rejects]);
    publish::publish(lines, sink, control, coordinator, wakers.clone()).probe_with(&probe);
    (probe, wakers)
}

/// Events to their persons, by way of identity where a pack has it; around them, if persons hear of what others say or do, what
/// carries it.
fn persons<'scope>(
    events: Stream<'scope, u64, Vec<Placed>>,
    identity: Option<(crate::identity::operator::Stage, Stream<'scope, u64, Vec<Claimed>>)>,
    means: Means,
    feeds_back: Option<&Arc<Plan>>,
    wakers: &Wakers,
    turns: Turns,
) -> Stream<'scope, u64, Vec<Batch>> {
    let scope = events.scope();
    let (epochs, first) = (means.epochs.clone(), means.first_epoch.saturating_sub(1));
    let here = Rc::new(RefCell::new(Stage::new(means, scope.index())));
    let (events, moving) = match identity {
        Some((identity, claims)) => {
            let Routed { events, moving } = resolve(events, claims, identity, here.clone());
            (events, Some(moving))
        }
        None => (events, None),
    };
    let Some(plan) = feeds_back else {
        return person_stage(events, moving, None, here, wakers, turns).0;
    };
    let (back, feedback) = scope.feedback::<Vec<Addressed>>(1);
    let (lines, sayings) =
        person_stage(events, moving, Some(feedback), here, wakers, turns.clone());
    let sayings = sayings.expect("it was given feedback");
    crate::audience::across(sayings, plan, &epochs, first, turns).connect_loop(back);
    lines
}

/// The ingest of one worker as an operator without inputs.
fn ingest<'scope>(
    scope: Scope<'scope, u64>,
    parts: &Parts,
    formatter: Formatter,
    written: Handle<u64>,
) -> Ingested<'scope> {
    let mut builder = OperatorBuilder::new("Ingest".to_owned(), scope);
    let rules = parts.identity.as_ref().map(|resolver| resolver.graph().rules());
    let (mut outlets, streams) = Outlets::new(&mut builder, rules, formatter, scope.peers());
    let info = builder.operator_info();
    let again = scope.activator_for(info.address);
    again.activate();
    let (control, coordinator) = (parts.control.clone(), parts.coordinator.clone());
    let mut work = Ingest::new(parts.intake.clone(), parts.decoder.clone(), parts.done);
    let turns = parts.turns.clone();
    builder.build(move |capabilities| {
        let mut capabilities = Some(capabilities);
        move |_| {
            let Some(held) = &mut capabilities else { return };
            if !turns.is_ahead() {
                return again.activate();
            }
            let first = written.with_frontier(|frontier| frontier.first().copied());
            let handed = match work.step(first.unwrap_or(u64::MAX)) {
                Ok(handed) => handed,
                Err(error) => {
                    control.fail(error.into());
                    capabilities = None;
                    return;
                }
            };
            coordinator.handed_on(handed.chunks);
            outlets.give(held, handed.events, &handed.rejects);
            if !handed.more {
                capabilities = None;
                return;
            }
            if let Some(epoch) = handed.frontier {
                held.iter_mut().for_each(|held| held.downgrade(&epoch.max(*held.time())));
            }
            match handed.idle {
                true => again.activate_after(IDLE),
                false => again.activate(),
            }
        }
    });
    streams
}
