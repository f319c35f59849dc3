//! Live runs on the cluster in memory: the same decisions as a run over files, whatever is killed, and each once.

use crate::engine::Engine;
use crate::histories::{cut_short, no_trouble, trouble};
use crate::places::strip;
use crate::simulator::seeds;
use kairos::broker::model::{Call, CommitFault, Model};
use kairos::broker::{Broker, BrokerError, Feed, Message, Partition, Producer, Topic};
use kairos::dataflow::live::{Bounds, LiveJob, LiveRun, start};
use kairos::dataflow::{Job, RunError, run};
use kairos::decode::Decoder;
use kairos::decode::adapter::{Adapter, Format};
use kairos::define::compile::Keep;
use kairos::define::definitions::Definitions;
use kairos::epoch::Timeline;
use kairos::epoch::log::{Claim, Record};
use kairos::epoch::sequencer::Backlog;
use kairos::metrics::Metrics;
use kairos::person::views::Views;
use kairos::sim::random::{IDENTITY, mix_identifiers, random_pack, random_stream};
use kairos::sim::rng::Rng;
use kairos::sink::Stream;
use kairos::sink::memory::Memory as Outputs;
use kairos::sink::topics::Topics;
use kairos::source::Source;
use kairos::source::memory::Memory as Input;
use kairos::store::memory::Memory as Kept;
use kairos::time::HOUR;
use kairos::time::clock::Manual;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const TIMELINE: Timeline = Timeline { slack: 5_000, step: 10_000 };
const PARTITIONS: u64 = 3;

/// A world: a pack, lines by partition, and how far time goes.
pub struct World {
    pub engine: Engine,
    pub lines: Vec<Vec<Vec<u8>>>,
    pub until: i64,
    /// What its packs say of identity.
    pub identity: &'static str,
}

impl World {
    pub fn of(seed: u64, events: usize) -> World {
        let mut rng = Rng::new(seed);
        let identity = if rng.chance(0.4) { IDENTITY } else { "" };
        let engine = Engine::of(&format!("{identity}{}", random_pack(&mut rng)));
        let mut lines = vec![Vec::new(); PARTITIONS as usize];
        let decoder = Decoder::new(&engine.plan.inputs);
        let mut until = 0;
        let mut stream = random_stream(&mut rng, events);
        if !identity.is_empty() {
            stream = mix_identifiers(&mut rng, stream);
        }
        for line in stream {
            // A person's events share a partition; what cannot be read goes anywhere.
            let event = decoder.decode(&line, Default::default()).ok();
            let hash = event.as_ref().map_or(line.len() as u64, |event| event.hash);
            until = until.max(event.map_or(0, |event| event.time));
            lines[(hash % PARTITIONS) as usize].push(line);
        }
        World { engine, lines, until: until + 3 * HOUR, identity }
    }

    /// What a run over files says.
    pub fn of_files(&self) -> Vec<Vec<String>> {
        let sink = Outputs::default();
        let sources = self.lines.iter().enumerate().map(|(at, lines)| {
            let mut bytes = lines.join(&b'\n');
            bytes.push(b'\n');
            let source = Input::new(at as u16, Arc::new(bytes), 300);
            (format!("events[{at}]"), Box::new(source) as Box<dyn Source>)
        });
        let job = Job {
            plan: self.engine.plan.clone(),
            sources: sources.collect(),
            sink: Box::new(sink.clone()),
            workers: 1,
            timeline: TIMELINE,
            dedup_horizon: HOUR,
            until: Some(self.until),
            store: None,
            chunks_per_checkpoint: 1,
            keep_persons: false,
        };
        run(job).join().expect("the run over files succeeds");
        let said = |stream: &Vec<u8>| {
            let lines = String::from_utf8_lossy(stream).into_owned();
            let mut said: Vec<String> = lines.lines().map(of_line).collect();
            said.sort();
            said
        };
        sink.outputs().iter().map(said).collect()
    }

    pub fn cluster(&self) -> Model {
        let model = Model::default();
        let topics = topics();
        let mut wanted = vec![topic("events", PARTITIONS as i32), topic(&topics.log, 1)];
        wanted.extend(topics.streams.iter().map(|name| topic(name, 2)));
        model.ensure(&wanted).expect("topics can be made");
        for (at, lines) in self.lines.iter().enumerate() {
            for line in lines {
                model.append("events", Some(at as i32), None, None, Some(line), &[]);
            }
        }
        model
    }

    pub fn job(
        &self,
        model: &Model,
        clock: &Arc<Manual>,
        workers: usize,
        kept: Option<&Kept>,
    ) -> LiveJob {
        LiveJob {
            name: "kairos".into(),
            definitions: Some(Definitions::of_folder(&self.engine.pack.files)),
            keep: Keep::All,
            broker: Arc::new(model.clone()),
            clock: clock.clone(),
            inputs: vec!["events".into()],
            readers: Arc::new(|_, plan| {
                let decoder = Decoder::new(&plan.inputs);
                let mut adapter = Adapter::new(Format::Segment);
                Box::new(move |record, origin| adapter.event(&decoder, &record, origin))
            }),
            headers: false,
            topics: topics(),
            workers,
            timeline: TIMELINE,
            backlog: Backlog::History,
            dedup_horizon: HOUR,
            store: kept.map(|kept| (Arc::new(kept.clone()) as Arc<_>, kept.checkpoint())),
            checkpoint_every: Duration::ZERO,
            bounds: Bounds::default(),
            metrics: Arc::new(Metrics::new(clock.clone(), workers)),
            views: Arc::new(Views::new(Default::default(), workers)),
        }
    }

    /// A clock at which the watermark is just after `until`.
    pub fn clock(&self) -> Arc<Manual> {
        let clock = Manual::default();
        clock.advance(Duration::from_millis((self.until + 1 + TIMELINE.slack) as u64));
        Arc::new(clock)
    }
}

pub fn topics() -> Topics {
    Topics::of("kairos", "out.")
}

fn topic(name: &str, partitions: i32) -> Topic {
    Topic { name: name.into(), partitions, replication: 1, settings: Vec::new() }
}

/// A line in structured mode as what it says, but for where its causes stand.
fn of_line(line: &str) -> String {
    let mut value: serde_json::Value = serde_json::from_str(line).expect("outputs are JSON");
    strip(&mut value);
    if value["type"] == "kairos.segment.gone" {
        // A tombstone on the topic.
        value["data"] = serde_json::Value::Null;
    }
    match value.get("id") {
        Some(id) => format!("{} {} {} {}", id, value["time"], value["subject"], value["data"]),
        None => value.to_string(),
    }
}

/// What the cluster's readers see, by stream.
pub fn seen(model: &Model) -> Vec<Vec<String>> {
    let of_stream = |name: &String| {
        let mut said: Vec<String> = Vec::new();
        for record in model.committed(name) {
            let payload = record.data.payload.unwrap_or_else(|| b"null".to_vec());
            let mut data: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
            strip(&mut data);
            let header = |name: &str| {
                let found = record.data.headers.iter().find(|(known, _)| known == name);
                let value = found.and_then(|(_, value)| value.clone());
                value.map(|value| String::from_utf8(value).expect("text"))
            };
            said.push(match header("ce_id") {
                Some(id) => {
                    let text = |name| serde_json::Value::from(header(name).expect("it is said"));
                    let (time, subject) = (text("ce_time"), text("ce_subject"));
                    format!("\"{id}\" {time} {subject} {data}")
                }
                None => data.to_string(),
            });
        }
        said.sort();
        said
    };
    topics().streams.iter().map(of_stream).collect()
}

/// A closed session without its number, of which the id is made: where identifiers can be parted again, the sessions of both
/// sides are counted as far as they were closed by then, and at the live edge the watermark closes them later.
fn without_number(line: &str) -> String {
    let (_, rest) = line.split_once(' ').expect("an id, and more");
    let (before, after) = rest.split_once("\"number\":").expect("a session has a number");
    format!("{before}{}", after.trim_start_matches(|digit: char| digit.is_ascii_digit()))
}

pub fn same(world: &World, seed: u64, found: &[Vec<String>], wanted: &[Vec<String>]) {
    for (at, stream) in Stream::ALL.iter().enumerate() {
        let said = |lines: &[Vec<String>]| -> Vec<String> {
            let unnumbered = *stream == Stream::Sessions && !world.identity.is_empty();
            let lines = lines[at].iter();
            let mut lines: Vec<String> = match unnumbered {
                true => lines.map(|line| without_number(line)).collect(),
                false => lines.cloned().collect(),
            };
            lines.sort();
            lines
        };
        let (ours, theirs) = (said(found), said(wanted));
        let more = ours.iter().find(|line| !theirs.contains(line));
        let fewer = theirs.iter().find(|line| !ours.contains(line));
        assert!(
            ours == theirs,
            "seed {seed}, {}: {} lines instead of {}; too much: {more:?}; missing: {fewer:?}",
            stream.name(),
            ours.len(),
            theirs.len(),
        );
    }
}

/// Stops and starts runs again and again where what persons hear of one another is said an epoch later, holds each to what was said
/// before, and then the log alone; gives what was said.
pub fn repeats_itself(world: &World, rng: &mut Rng, seed: u64) -> Vec<Vec<String>> {
    let model = world.cluster();
    let kept = Kept::default();
    let kept = (rng.below(3) > 0).then_some(&kept);
    for _ in 0..5 {
        trouble(&model, rng);
        let job = world.job(&model, &world.clock(), 1 + rng.below(3) as usize, kept);
        cut_short(start(job).expect("it starts"), rng, 25, seed);
    }
    no_trouble(&model);
    // What comes of the last epoch of a run is said with the next start.
    let mut said = seen(&model);
    for again in 0..8 {
        let run = start(world.job(&model, &world.clock(), 1 + again % 2, kept));
        settle(world, run.expect("it starts again"))
            .unwrap_or_else(|error| panic!("SIM_SEEDS={seed}: {error}"));
        let before = std::mem::replace(&mut said, seen(&model));
        if again > 1 && before == said {
            break;
        }
    }
    let job = world.job(&model, &world.clock(), 1, None);
    let run = start(LiveJob { definitions: None, ..job }).expect("it starts from the log");
    settle(world, run).unwrap_or_else(|error| panic!("SIM_SEEDS={seed}, from the log: {error}"));
    assert!(seen(&model) == said, "SIM_SEEDS={seed}: everything had been said");
    chain(&model);
    said
}

/// Waits until everything is read and safe, then ends the run well.
pub fn settle(world: &World, run: LiveRun) -> Result<(), RunError> {
    let begun = Instant::now();
    while !(run.is_live() && run.watermark() > world.until && run.in_flight() == 0) {
        if run.is_finished() {
            return run.join().map(|_| ());
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the run comes to its end: live {}, watermark {} of {}, {} epochs in flight",
            run.is_live(),
            run.watermark(),
            world.until,
            run.in_flight()
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    run.finish();
    run.join().map(|_| ())
}

#[test]
fn a_backlog_gives_what_the_files_give() {
    for seed in 0..20 {
        let world = World::of(seed, 120);
        let wanted = world.of_files();
        for workers in [1, 2] {
            let model = world.cluster();
            let run = start(world.job(&model, &world.clock(), workers, None)).expect("it starts");
            settle(&world, run).expect("it ends well");
            same(&world, seed, &seen(&model), &wanted);
        }
    }
}

#[test]
fn stopped_anywhere_and_started_again_it_says_everything_once() {
    let (mut stops, mut replayed) = (0, 0);
    for seed in seeds(100..130) {
        let mut rng = Rng::new(seed);
        let world = World::of(seed, 150);
        let wanted = world.of_files();
        let model = world.cluster();
        let kept = Kept::default();
        let with_store = rng.below(3) > 0;
        let kept = with_store.then_some(&kept);
        for _ in 0..6 {
            model.set_marker_lag(*rng.pick(&[0, 3, 40]));
            trouble(&model, &mut rng);
            let job = world.job(&model, &world.clock(), 1 + rng.below(2) as usize, kept);
            let run = start(job).expect("it starts again");
            cut_short(run, &mut rng, 12, seed);
            stops += 1;
            replayed += u32::from(!model.committed(&topics().log).is_empty());
        }
        model.set_marker_lag(0);
        no_trouble(&model);
        let run = start(world.job(&model, &world.clock(), 2, kept)).expect("it starts again");
        settle(&world, run).unwrap_or_else(|error| panic!("SIM_SEEDS={seed}: {error}"));
        same(&world, seed, &seen(&model), &wanted);
        chain(&model);
    }
    let worlds = seeds(100..130).count();
    assert!(
        stops > 3 * worlds && replayed as usize > 2 * worlds,
        "{stops} stops, {replayed} with a log"
    );
}

/// The log is one chain.
pub fn chain(model: &Model) {
    let mut after = 0;
    for record in model.committed(&topics().log) {
        let payload = record.data.payload.expect("a record");
        if let Record::Transaction(it) = Record::from_bytes(&payload).expect("a record of ours") {
            assert_eq!(it.after, after);
            after = it.last();
        }
    }
}

#[test]
fn a_commit_of_unknown_outcome_is_looked_up_and_the_run_goes_on() {
    for seed in 200..212 {
        let world = World::of(seed, 120);
        let wanted = world.of_files();
        let model = world.cluster();
        let fault = if seed % 2 == 0 { CommitFault::Before } else { CommitFault::After };
        // The first two are those of the claim.
        model.plant_commit(Some((1 + seed % 5, fault)));
        model.plant(Call::Ends, 3, 2);
        // Nor do readers see at once what was committed before it.
        model.set_marker_lag(if seed % 4 < 2 { 0 } else { 100 });
        let kept = Kept::default();
        let kept = (seed % 3 > 0).then_some(&kept);
        let run = start(world.job(&model, &world.clock(), 1, kept)).expect("it starts");
        settle(&world, run).expect("it goes on");
        same(&world, seed, &seen(&model), &wanted);
        chain(&model);
    }
}

#[test]
fn who_has_been_succeeded_stops_and_says_so() {
    let world = World::of(7, 120);
    let model = world.cluster();
    let first = start(world.job(&model, &world.clock(), 1, None)).expect("it starts");
    while first.in_flight() > 0 || !first.is_live() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let second = start(world.job(&model, &world.clock(), 1, None)).expect("it takes over");
    // The first one has something to say, and may not.
    model.append("events", Some(0), None, None, Some(&world.lines[0][0]), &[]);
    succeeded(first);
    while !second.is_live() {
        std::thread::sleep(Duration::from_millis(1));
    }
    second.finish();
    second.join().expect("the second one ends well");
    chain(&model);
}

/// Somebody under the same name claims the log, and has not written anything else yet.
fn claim(model: &Model) {
    let record = Claim { run: 1 }.to_bytes();
    for id in ["kairos-a", "kairos-b"] {
        let mut producer = model.producer(id).expect("a producer can be made");
        let topic = &topics().log;
        let message = Message {
            topic,
            partition: Some(0),
            timestamp: None,
            key: None,
            payload: Some(&record),
            headers: &[],
        };
        producer.send(message).and_then(|()| producer.commit()).expect("it is claimed");
    }
}

/// Waits for the end of a run that has been succeeded.
fn succeeded(run: LiveRun) {
    let begun = Instant::now();
    while !run.is_finished() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it ends");
        std::thread::sleep(Duration::from_millis(1));
    }
    let error = run.join().expect_err("it has been shut out").to_string();
    assert!(error.contains("has taken over"), "{error}");
}

#[test]
fn a_transaction_that_took_too_long_is_written_again_by_who_has_no_successor() {
    let mut failed = 0;
    for seed in 400..410 {
        let world = World::of(seed, 120);
        let wanted = world.of_files();
        let model = world.cluster();
        model.set_piece(Some(5));
        let job = world.job(&model, &world.clock(), 1, None);
        let metrics = job.metrics.clone();
        let run = start(job).expect("it starts");
        for _ in 0..10 {
            model.time_out("kairos-a");
            std::thread::sleep(Duration::from_millis(1));
            model.time_out("kairos-b");
        }
        settle(&world, run).expect("it goes on");
        same(&world, seed, &seen(&model), &wanted);
        chain(&model);
        failed += metrics.transactions_failed.get();
    }
    assert!(failed >= 10, "{failed} transactions were given up");
}

#[test]
fn whoever_has_claimed_the_log_is_the_successor_before_it_writes_anything() {
    let world = World::of(8, 120);
    let model = world.cluster();
    let run = start(world.job(&model, &world.clock(), 1, None)).expect("it starts");
    while run.in_flight() > 0 || !run.is_live() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let before = model.committed(&topics().log).len();
    claim(&model);
    model.append("events", Some(0), None, None, Some(&world.lines[0][0]), &[]);
    succeeded(run);
    assert_eq!(model.committed(&topics().log).len(), before + 2, "nothing but the claim");
}

/// A cluster in which somebody claims the log while it is asked for the third time where that ends: the start asks twice, after that it
/// is a checkpoint that asks.
struct Meddled {
    model: Model,
    asked: AtomicU64,
}

impl Broker for Meddled {
    fn partitions(&self, topic: &str) -> Result<Vec<i32>, BrokerError> {
        self.model.partitions(topic)
    }

    fn ensure(&self, wanted: &[Topic]) -> Result<(), BrokerError> {
        self.model.ensure(wanted)
    }

    fn starts(&self, partitions: &[Partition]) -> Result<Vec<i64>, BrokerError> {
        self.model.starts(partitions)
    }

    fn ends(&self, partitions: &[Partition]) -> Result<Vec<i64>, BrokerError> {
        let of_log = partitions[0].topic == topics().log;
        if of_log && self.asked.fetch_add(1, Ordering::Relaxed) == 2 {
            claim(&self.model);
        }
        self.model.ends(partitions)
    }

    fn feeds(
        &self,
        from: &[(Partition, i64)],
        headers: bool,
    ) -> Result<Vec<Box<dyn Feed>>, BrokerError> {
        self.model.feeds(from, headers)
    }

    fn producer(&self, id: &str) -> Result<Box<dyn Producer>, BrokerError> {
        self.model.producer(id)
    }

    fn tell_progress(&self, group: &str, read: &[(Partition, i64)]) -> Result<(), BrokerError> {
        self.model.tell_progress(group, read)
    }
}

/// Nobody overlooks a successor because it came while the place of a checkpoint in the log was being looked up.
#[test]
fn a_successor_is_seen_even_if_it_comes_at_a_checkpoint() {
    let world = World::of(9, 120);
    let model = world.cluster();
    let kept = Kept::default();
    let broker = Meddled { model: model.clone(), asked: AtomicU64::new(0) };
    let job = world.job(&model, &world.clock(), 1, Some(&kept));
    succeeded(start(LiveJob { broker: Arc::new(broker), ..job }).expect("it starts"));
    chain(&model);
    let log = model.committed(&topics().log);
    let last = log.last().and_then(|record| record.data.payload.clone()).expect("a record");
    assert_eq!(Record::from_bytes(&last), Ok(Record::Claim(Claim { run: 1 })));
}

/// A log that was made anew is not gone on with: what was decided since the checkpoint would be decided again.
#[test]
fn a_log_that_is_shorter_than_it_was_is_refused() {
    let world = World::of(10, 120);
    let kept = Kept::default();
    let run =
        start(world.job(&world.cluster(), &world.clock(), 1, Some(&kept))).expect("it starts");
    settle(&world, run).expect("it ends well");
    let error = start(world.job(&world.cluster(), &world.clock(), 1, Some(&kept))).err();
    let error = error.expect("another log").to_string();
    assert!(error.contains("made anew"), "{error}");
}

#[test]
fn a_broker_that_loses_records_is_noticed() {
    let (mut noticed, worlds) = (0, 8);
    for seed in 300..300 + worlds {
        let world = World::of(seed, 150);
        let wanted = world.of_files();
        let model = world.cluster();
        // After the claim.
        model.plant_commit(Some((3, CommitFault::LosesRecord)));
        let run = start(world.job(&model, &world.clock(), 1, None)).expect("it starts");
        settle(&world, run).expect("it ends well");
        // What was lost is the log's; whoever starts again says everything twice.
        model.plant_commit(None);
        let run = start(world.job(&model, &world.clock(), 1, None)).expect("it starts again");
        settle(&world, run).expect("it ends well");
        noticed += u64::from(seen(&model) != wanted);
    }
    assert!(noticed > worlds / 2, "a lost record was noticed in {noticed} of {worlds} worlds");
}
