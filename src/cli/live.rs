//! `kairos run --config`: Kafka in, Kafka out, until it is told to stop.

mod definitions;

use super::failure::{Failure, STOPPED};
use super::{interrupt, pack};
use crate::broker::kafka::Kafka;
use crate::broker::{Broker, BrokerError, Topic};
use crate::config::{Config, Level, LogFormat};
use crate::dataflow::RunError;
use crate::dataflow::live::{Bounds, LiveJob, LiveRun, Readers, start};
use crate::decode::Decoder;
use crate::decode::adapter::{Adapter, Format};
use crate::define::compile::Keep;
use crate::define::definitions::Definitions;
use crate::define::plan::Plan;
use crate::epoch::Timeline;
use crate::explain::{Allowance, explain_live};
use crate::metrics::Metrics;
use crate::metrics::outputs::Outputs;
use crate::person::views::{Bounds as ViewBounds, Views};
use crate::serve::{Explain, ServeConfig, Server, Shared};
use crate::sink::Stream;
use crate::sink::topics::Topics;
use crate::store::Store;
use crate::store::disk::Disk;
use crate::time::MINUTE;
use crate::time::clock::{Clock, System};
use definitions::{Definers, Prepare};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tracing_subscriber::filter::LevelFilter;

/// How long a run that is asked to end may take to make everything safe.
const PATIENCE: Duration = Duration::from_millis(4_500);

/// How long a run that was stopped may take to end before the process does.
const LAST_WORD: Duration = Duration::from_millis(300);

/// What may be kept of an answer to why while an instance runs beside it: bytes read ahead, identifiers that are named together,
/// persons where others hear of them, and notes. Some hundred megabytes altogether at worst.
const EXPLANATION_MEMORY: usize = 16 << 20;
const EXPLANATION_IDENTIFIERS: usize = 1_000_000;
const EXPLANATION_PERSONS: u64 = 200_000;
const EXPLANATION_NOTES: usize = 100_000;

/// Runs an instance as its configuration says.
pub(super) fn run(path: &Path) -> Result<u8, Failure> {
    let config = Config::load(path).map_err(|error| Failure::mistakes(error.to_string()))?;
    log_to(&config);
    let stopping = interrupt::watch();
    // A pack with mistakes ends no run that its log can go on by.
    let files = pack::read(&config.kairos.pack);
    let taken = files.as_ref().ok().map(|files| Definitions::of_folder(files));
    let name = config.kairos.pack.display().to_string();
    let loaded = files.and_then(|files| pack::compiled(&files, &name, Keep::Used));
    let (disk, checkpoint) = Disk::open(&config.kairos.state)?;
    let memory = config.limits.read_memory_mib << 20;
    let broker = connect(&config, memory).map_err(Failure::broker)?;
    let prepare = preparing(&config, &topics(&config), broker.clone());
    // Those of definitions that the log has are there.
    if let Ok((_, plan)) = &loaded {
        prepare(plan).map_err(Failure::failed)?;
    }
    let checkpoint_epoch = checkpoint.as_ref().map(|checkpoint| checkpoint.epoch);
    let job = LiveJob {
        definitions: taken.clone().filter(|_| loaded.is_ok()),
        store: Some((Arc::new(disk) as Arc<dyn Store>, checkpoint)),
        ..job(&config, broker)
    };
    let (clock, metrics, views) = (job.clock.clone(), job.metrics.clone(), job.views.clone());
    tracing::info!(name = job.name, checkpoint = checkpoint_epoch, "starting");
    let run = match (start(job), loaded) {
        (Err(RunError::NoDefinitions), Err(failure)) => return Err(failure),
        (run, loaded) => {
            if loaded.is_err() {
                tracing::error!(
                    "the pack cannot be taken; the run goes on by the definitions of its log"
                );
                metrics.definitions_refused.set(1);
            }
            run?
        }
    };
    let definers = Arc::new(Definers::new(
        config.kairos.pack.clone(),
        taken.map(|taken| taken.folder),
        run.definer(),
        prepare,
        metrics.clone(),
    ));
    let (applying, shown) = (definers.clone(), outputs_of(&run));
    let shared = Shared::new(metrics.clone(), views, shown)
        .reporting(run.reports())
        .explaining(explaining(&config))
        .applying(Box::new(move |files, only_check| applying.apply(files, only_check)));
    let shared = Arc::new(shared);
    let server = serve(&config, shared.clone())?;
    watch(&Watched { run: &run, definers: &definers, shared: &shared }, &stopping, &*clock)?;
    let ended = run.join();
    if let Err(error) = &ended {
        metrics.health.fail(&error.to_string());
    }
    if let Some(server) = server {
        server.stop();
    }
    let counts = match ended {
        // While the log is being repeated there is nothing to make safe.
        Err(RunError::Stopped) if stopping.is_asked() => {
            tracing::info!("stopped");
            return Ok(0);
        }
        ended => ended?,
    };
    tracing::info!(events = counts.events, persons = counts.persons, "stopped");
    Ok(0)
}

fn connect(config: &Config, memory: usize) -> Result<Arc<dyn Broker>, BrokerError> {
    let broker = Kafka::new(&config.kafka.client_properties())?;
    Ok(Arc::new(broker.buffering(memory)))
}

/// What an instance is by its configuration, without definitions and without a store.
fn job(config: &Config, broker: Arc<dyn Broker>) -> LiveJob {
    let clock = Arc::new(System::new());
    let workers = config.kairos.worker_threads();
    let views = ViewBounds { only_wanted: true, ..ViewBounds::default() };
    LiveJob {
        name: config.kairos.name.clone(),
        readers: readers(config),
        headers: config.inputs.iter().any(|input| input.format.wants_headers()),
        definitions: None,
        keep: Keep::Used,
        broker,
        clock: clock.clone(),
        inputs: config.inputs.iter().map(|input| input.topic.clone()).collect(),
        topics: topics(config),
        workers,
        timeline: Timeline { slack: config.time.slack_ms, step: config.time.step_ms },
        backlog: config.time.backlog,
        dedup_horizon: config.time.dedup_minutes * MINUTE,
        store: None,
        checkpoint_every: Duration::from_secs(config.kairos.checkpoint_seconds),
        bounds: Bounds {
            epochs: config.limits.epochs_in_flight,
            events: config.limits.events_in_flight,
            heavy_per_minute: u32::try_from(config.limits.heavy_identifier_per_minute)
                .unwrap_or(u32::MAX),
        },
        metrics: Arc::new(Metrics::new(clock, workers)),
        views: Arc::new(Views::new(views, workers)),
    }
}

/// An instance that may be running, to ask why it has done something.
///
/// # Errors
/// The configuration is not one by which the cluster can be asked.
pub(super) fn instance(config: &Config) -> Result<LiveJob, BrokerError> {
    Ok(job(config, connect(config, EXPLANATION_MEMORY)?))
}

/// Answers why over HTTP, by connections of its own.
fn explaining(config: &Config) -> Explain {
    let config = config.clone();
    Arc::new(move |question, given_up| {
        let allowance = Allowance {
            identifiers: EXPLANATION_IDENTIFIERS,
            persons: EXPLANATION_PERSONS,
            notes: EXPLANATION_NOTES,
            given_up,
        };
        let job = instance(&config).map_err(RunError::Broker)?;
        let person = std::slice::from_ref(&question.person);
        explain_live(job, person, question, &allowance)?.remove(0)
    })
}

/// What there is to see of the definitions in effect.
fn outputs_of(run: &LiveRun) -> Outputs {
    let (version, control) = (run.definer().in_effect(), run.control.clone());
    let labels = version.labels.clone();
    let counts = Box::new(move || control.counts_by(&labels));
    Outputs::new(version.plan.clone(), version.labels.clone(), counts)
}

/// A run, and what is kept in step with it.
struct Watched<'a> {
    run: &'a LiveRun,
    definers: &'a Definers,
    shared: &'a Shared,
}

/// Watches over the run until it ends: says when it has caught up or falls behind, lets changed definitions take effect, and
/// lets it end when it is asked to.
fn watch(
    watched: &Watched,
    stopping: &interrupt::Interrupt,
    clock: &dyn Clock,
) -> Result<(), Failure> {
    let Watched { run, definers, shared } = watched;
    let mut live = false;
    let mut asked = None;
    let mut looked = clock.now();
    while !run.is_finished() {
        if clock.now() > looked + definitions::LOOK {
            looked = clock.now();
            definers.look();
        }
        if run.definer().in_effect().plan.version != shared.outputs().plan.version {
            shared.set_outputs(outputs_of(run));
        }
        if run.is_live() != live {
            live = !live;
            shared.metrics.health.set_caught_up(live);
            match live {
                true => tracing::info!("caught up: decisions are made as events come"),
                false => tracing::warn!("behind: the backlog is read in order of time"),
            }
        }
        match asked {
            None if stopping.is_asked() => {
                tracing::info!("ending: what is under way is made safe");
                run.finish();
                asked = Some(clock.now());
            }
            Some(at) if clock.now() > at + PATIENCE => {
                // The log and the last checkpoint have all that a restart needs.
                tracing::warn!(
                    "not everything could be made safe in time; a restart goes on from the log"
                );
                run.control.stop();
                std::thread::sleep(LAST_WORD);
                if !run.is_finished() {
                    std::process::exit(i32::from(STOPPED));
                }
                return Ok(());
            }
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Answers over HTTP, if the configuration has an address for it.
fn serve(config: &Config, shared: Arc<Shared>) -> Result<Option<Server>, Failure> {
    let Some(address) = config.http.address else { return Ok(None) };
    let token = config.http.token.as_ref().map(|token| token.reveal().to_owned());
    let server = Server::start(ServeConfig { address, token }, shared);
    server.map(Some).map_err(|error| {
        Failure::failed(error.to_string())
            .hint("choose another address in [http], or \"off\" for none")
    })
}

fn log_to(config: &Config) {
    let level = match config.log.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    // There is one command in a process, so that nothing can have been set before.
    let _ = match config.log.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}

fn topics(config: &Config) -> Topics {
    Topics {
        streams: Stream::ALL.map(|stream| config.topic(stream)),
        log: config.kairos.log_topic(),
        per_channel: config.output.triggers_per_channel,
    }
}

/// The topics that are written, as they are made if they are not there.
fn outputs(config: &Config, topics: &Topics, plan: &Plan) -> Vec<Topic> {
    let topic = |name: String, partitions: i32, settings: &[(&str, &str)]| Topic {
        name,
        partitions,
        replication: config.output.replication,
        settings: settings.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
    };
    let partitions = config.output.partitions;
    // Recovery reads the log from the last checkpoint on, or, if the disk is lost, from its beginning.
    let mut wanted = vec![topic(topics.log.clone(), 1, &[("retention.ms", "-1")])];
    for stream in Stream::ALL {
        let name = topics.streams[stream as usize].clone();
        match stream {
            Stream::Triggers if topics.per_channel => {
                let channels: BTreeSet<&str> =
                    plan.sends.iter().map(|send| send.channel.as_str()).collect();
                let of_channel = |channel| topic(format!("{name}.{channel}"), partitions, &[]);
                wanted.extend(channels.into_iter().map(of_channel));
            }
            Stream::Segments => {
                wanted.push(topic(name, partitions, &[("cleanup.policy", "compact")]));
            }
            _ => wanted.push(topic(name, partitions, &[])),
        }
    }
    wanted
}

/// Makes the topics that a plan writes, if the configuration says so.
fn preparing(config: &Config, topics: &Topics, broker: Arc<dyn Broker>) -> Prepare {
    let (config, topics) = (config.clone(), topics.clone());
    Box::new(move |plan| {
        if !config.output.create {
            return Ok(());
        }
        broker.ensure(&outputs(&config, &topics, plan)).map_err(|error| error.to_string())
    })
}

/// Readers of records by the topic's format.
fn readers(config: &Config) -> Readers {
    let formats: BTreeMap<String, Format> =
        config.inputs.iter().map(|input| (input.topic.clone(), input.format.clone())).collect();
    let most = config.limits.max_record_kib << 10;
    Arc::new(move |partition, plan| {
        let format = formats.get(partition.topic.as_str()).cloned().unwrap_or_default();
        let decoder = Decoder::new(&plan.inputs).with_line_bytes_max(most);
        let mut adapter = Adapter::new(format);
        Box::new(move |record, origin| adapter.event(&decoder, &record, origin))
    })
}
