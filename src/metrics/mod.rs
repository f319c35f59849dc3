//! The figures that operators watch. In: what the engine notes as it works, cheaply (relaxed atomics; histograms under a
//! lock that is held for nanoseconds; no memory taken per event). Out: the Prometheus text format, and the same figures for
//! the status page. Decides nothing: nothing here flows back into the engine.
//!
//! Times on the wall appear only here: they come from the `Clock` that the metrics are made with.

pub mod heavy;
pub mod histogram;
pub mod outputs;
mod process;
pub mod table;
pub mod text;

use crate::broker::Partition;
use crate::identity::figures::Figures;
use crate::person::keyed::Counts;
use crate::person::views::Views;
use crate::time::clock::Clock;
use crate::time::{MINUTE, format};
use compact_str::CompactString;
use heavy::Weight;
use histogram::Histogram;
use outputs::{Outputs, Tally};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use table as t;
use text::{Micros, Millis, Writer};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts so many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// Takes over a total that is kept elsewhere.
    pub fn total(&self, total: u64) {
        self.0.store(total, Relaxed);
    }

    /// What has been counted since the start.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Replaces the value.
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// The value that was set last.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What one worker notes. Each has cache lines of its own, so that workers do not wait for one another.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Worker {
    pub events_read: Counter,
    pub bytes_read: Counter,
    events_taken: Counter,
    duplicates: Counter,
    late: Counter,
    timers_fired: Counter,
    erased: Counter,
    forgotten: Counter,
    dropped: Counter,
    persons: Gauge,
    timers: Gauge,
}

impl Worker {
    /// Takes over what the worker's persons have counted, and the number of its pending timers.
    pub fn note(&self, counts: &Counts, timers: usize) {
        self.events_taken.total(counts.events);
        self.duplicates.total(counts.duplicates);
        self.late.total(counts.late);
        self.timers_fired.total(counts.timers);
        self.erased.total(counts.erased);
        self.forgotten.total(counts.forgotten);
        self.dropped.total(counts.dropped);
        self.persons.set(counts.persons);
        self.timers.set(timers as u64);
    }
}

/// How far one partition is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lag {
    pub partition: Partition,
    pub records: u64,
    /// 0 at the end of the partition.
    pub millis: i64,
}

/// Whether the process does its work. Set by the engine, read by probes and alerts.
#[derive(Debug)]
pub struct Health {
    alive: AtomicBool,
    caught_up: AtomicBool,
    broker_answers: AtomicBool,
    reason: Mutex<String>,
}

impl Default for Health {
    fn default() -> Health {
        Health {
            alive: AtomicBool::new(true),
            caught_up: AtomicBool::new(false),
            broker_answers: AtomicBool::new(true),
            reason: Mutex::new("starting".into()),
        }
    }
}

impl Health {
    /// Whether nothing has failed that cannot be mended.
    pub fn is_alive(&self) -> bool {
        self.alive.load(Relaxed)
    }

    /// Whether everything has been read that was there a moment ago.
    pub fn is_caught_up(&self) -> bool {
        self.caught_up.load(Relaxed)
    }

    /// Whether the broker answered when it was asked last.
    pub fn broker_answers(&self) -> bool {
        self.broker_answers.load(Relaxed)
    }

    /// What holds it up, for people; the last thing said.
    pub fn reason(&self) -> String {
        whole(&self.reason).clone()
    }

    /// Says what is being done, such as `repeating the log`.
    pub fn say(&self, reason: &str) {
        reason.clone_into(&mut whole(&self.reason));
    }

    /// Something that cannot be mended has failed: the process will end.
    pub fn fail(&self, reason: &str) {
        self.say(reason);
        self.alive.store(false, Relaxed);
    }

    /// Says whether everything has been read that was there a moment ago.
    pub fn set_caught_up(&self, caught_up: bool) {
        if self.caught_up.swap(caught_up, Relaxed) != caught_up && self.is_alive() {
            self.say(if caught_up { "" } else { "reading a backlog" });
        }
    }

    /// Says whether the broker answered.
    pub fn set_broker_answers(&self, answers: bool) {
        self.broker_answers.store(answers, Relaxed);
    }
}

/// Checkpoints since the start.
#[derive(Debug, Default)]
pub struct Checkpoints {
    count: Counter,
    /// Since the clock's zero, in milliseconds.
    last: AtomicU64,
    micros: Gauge,
    bytes: Gauge,
}

/// Names of heavy identifiers that are remembered, with the clock's milliseconds at which they were flagged last.
const HEAVY_NAMES_MAX: usize = 64;

/// For how long an identifier counts as heavy after it was flagged.
const HEAVY_FOR: i64 = 5 * MINUTE;

/// All figures of one process.
pub struct Metrics {
    clock: Arc<dyn Clock>,
    /// The clock on the wall at the start.
    started: i64,
    /// The clock's time at the start.
    born: Duration,
    pub workers: Vec<Worker>,
    pub health: Health,
    /// In milliseconds since the Unix epoch; `i64::MIN` before the first epoch.
    watermark: AtomicI64,
    lags: Mutex<Vec<Lag>>,
    pub event_to_trigger: Histogram,
    pub event_to_decision: Histogram,
    pub timer_lateness: Histogram,
    pub epoch_time: Histogram,
    pub transaction_time: Histogram,
    pub epochs: Counter,
    pub epochs_in_flight: Gauge,
    pub transactions_committed: Counter,
    pub transactions_failed: Counter,
    pub producers_renewed: Counter,
    /// 1 while the pack's folder holds what could not take effect.
    pub definitions_refused: Gauge,
    /// What identity has decided.
    pub identity: Arc<Figures>,
    checkpoints: Checkpoints,
    /// When this window began, and how many records had been read then; and the window before.
    windows: Mutex<[(Duration, u64); 2]>,
    heavy_events: Counter,
    heavy_names: Mutex<VecDeque<(CompactString, i64)>>,
}

/// No panic leaves what is behind these locks half written.
fn whole<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Metrics {
    /// Nothing counted yet, for so many workers.
    pub fn new(clock: Arc<dyn Clock>, workers: usize) -> Metrics {
        Metrics {
            started: clock.wall(),
            born: clock.now(),
            windows: Mutex::new([(clock.now(), 0); 2]),
            clock,
            workers: (0..workers).map(|_| Worker::default()).collect(),
            health: Health::default(),
            watermark: AtomicI64::new(i64::MIN),
            lags: Mutex::default(),
            event_to_trigger: Histogram::default(),
            event_to_decision: Histogram::default(),
            timer_lateness: Histogram::default(),
            epoch_time: Histogram::default(),
            transaction_time: Histogram::default(),
            epochs: Counter::default(),
            epochs_in_flight: Gauge::default(),
            transactions_committed: Counter::default(),
            transactions_failed: Counter::default(),
            producers_renewed: Counter::default(),
            definitions_refused: Gauge::default(),
            identity: Arc::default(),
            checkpoints: Checkpoints::default(),
            heavy_events: Counter::default(),
            heavy_names: Mutex::default(),
        }
    }

    /// The watermark of the last epoch, in milliseconds since the Unix epoch.
    pub fn set_watermark(&self, watermark: i64) {
        self.watermark.store(watermark, Relaxed);
    }

    /// The last watermark; `None` before the first epoch.
    pub fn watermark(&self) -> Option<i64> {
        Some(self.watermark.load(Relaxed)).filter(|watermark| *watermark != i64::MIN)
    }

    /// Milliseconds from the watermark to the clock on the wall as it is now: it grows while nothing happens.
    pub fn watermark_delay(&self) -> Option<i64> {
        self.watermark().map(|watermark| self.clock.wall().saturating_sub(watermark))
    }

    /// How far each partition is behind; replaces what was said before.
    pub fn set_lags(&self, lags: Vec<Lag>) {
        *whole(&self.lags) = lags;
    }

    /// As of the last [`Metrics::set_lags`].
    pub fn lags(&self) -> Vec<Lag> {
        whole(&self.lags).clone()
    }

    /// A checkpoint is safe; it took so long and wrote so much.
    pub fn checkpoint(&self, took: Duration, bytes: u64) {
        let checkpoints = &self.checkpoints;
        checkpoints.last.store(millis(self.clock.now()), Relaxed);
        checkpoints.micros.set(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        checkpoints.bytes.set(bytes);
        checkpoints.count.add(1);
    }

    /// Milliseconds since the last checkpoint, or since the start.
    pub fn checkpoint_age(&self) -> u64 {
        let since = match self.checkpoints.count.get() {
            0 => millis(self.born),
            _ => self.checkpoints.last.load(Relaxed),
        };
        millis(self.clock.now()).saturating_sub(since)
    }

    /// Notes what [`heavy::Heavy::feed`] said of an event. `name` is asked only when its identifier is flagged.
    pub fn heavy(&self, weight: Weight, name: impl FnOnce() -> CompactString) {
        if weight == Weight::Usual {
            return;
        }
        self.heavy_events.add(1);
        if weight == Weight::Flagged {
            let (name, now) = (name(), self.clock.wall());
            let mut names = whole(&self.heavy_names);
            let known = names.iter().position(|(known, _)| *known == name);
            match known.and_then(|at| names.remove(at)) {
                Some((_, before)) if now - before <= HEAVY_FOR => {}
                _ => tracing::warn!(identifier = %name, "more events than a person has"),
            }
            if names.len() == HEAVY_NAMES_MAX {
                names.pop_front();
            }
            names.push_back((name, now));
        }
    }

    /// Identifiers flagged in the last five minutes.
    pub fn heavy_identifiers(&self) -> Vec<CompactString> {
        let since = self.clock.wall() - HEAVY_FOR;
        let names = whole(&self.heavy_names);
        names.iter().filter(|(_, at)| *at >= since).map(|(name, _)| name.clone()).collect()
    }

    /// A sum over the workers.
    fn sum(&self, of: impl Fn(&Worker) -> u64) -> u64 {
        self.workers.iter().map(of).sum()
    }

    /// Records read, over all workers.
    pub fn events_read(&self) -> u64 {
        self.sum(|worker| worker.events_read.get())
    }

    /// Persons known, over all workers.
    pub fn persons(&self) -> u64 {
        self.sum(|worker| worker.persons.get())
    }

    /// Late events, over all workers.
    pub fn late_events(&self) -> u64 {
        self.sum(|worker| worker.late.get())
    }

    /// Since the start, in milliseconds.
    pub fn uptime(&self) -> u64 {
        millis(self.clock.now().saturating_sub(self.born))
    }

    /// When the process started, as text.
    pub fn started(&self) -> String {
        format(self.started)
    }

    /// Records read a second, since the window before this one began.
    pub fn events_per_second(&self) -> u64 {
        let (since, before) = whole(&self.windows)[1];
        let passed = millis(self.clock.now().saturating_sub(since));
        self.events_read().saturating_sub(before).saturating_mul(1_000) / passed.max(1_000)
    }

    /// Ends a window of everything that is told of the last minute; see [`Histogram::turn`].
    pub fn turn(&self) {
        for (_, histogram) in self.histograms() {
            histogram.turn();
        }
        let mut windows = whole(&self.windows);
        *windows = [(self.clock.now(), self.events_read()), windows[0]];
    }

    /// The histograms with their metrics.
    pub fn histograms(&self) -> [(&'static t::Metric, &Histogram); 5] {
        [
            (&t::EVENT_TO_TRIGGER, &self.event_to_trigger),
            (&t::EVENT_TO_DECISION, &self.event_to_decision),
            (&t::TIMER_LATENESS, &self.timer_lateness),
            (&t::EPOCH_TIME, &self.epoch_time),
            (&t::TRANSACTION_TIME, &self.transaction_time),
        ]
    }

    /// Everything in the Prometheus text format.
    pub fn render(&self, outputs: &Outputs, views: &Views) -> String {
        let tally = outputs.tally();
        let mut writer = Writer::default();
        self.render_input(&mut writer, &tally);
        self.render_time(&mut writer);
        self.render_outputs(&mut writer, &tally);
        self.render_state(&mut writer, views);
        self.render_process(&mut writer, outputs);
        writer.finish()
    }

    fn render_input(&self, w: &mut Writer, tally: &Tally) {
        w.one(&t::EVENTS_READ, self.events_read());
        w.one(&t::BYTES_READ, self.sum(|worker| worker.bytes_read.get()));
        w.one(&t::EVENTS_TAKEN, self.sum(|worker| worker.events_taken.get()));
        w.many(&t::REJECTS, tally.rejects.iter().map(|(reason, n)| ([reason.as_str()], *n)));
        w.one(&t::DUPLICATES, self.sum(|worker| worker.duplicates.get()));
        w.one(&t::LATE_EVENTS, self.late_events());
        let lags = self.lags();
        let number = |lag: &Lag| lag.partition.number.to_string();
        let numbers: Vec<String> = lags.iter().map(number).collect();
        let labelled = || lags.iter().zip(&numbers).map(|(lag, number)| (label(lag, number), lag));
        w.many(&t::LAG_RECORDS, labelled().map(|(labels, lag)| (labels, lag.records)));
        w.many(&t::LAG_SECONDS, labelled().map(|(labels, lag)| (labels, Millis(lag.millis))));
        w.one(&t::HEAVY_IDENTIFIERS, self.heavy_identifiers().len());
        w.one(&t::HEAVY_EVENTS, self.heavy_events.get());
    }

    fn render_time(&self, w: &mut Writer) {
        w.one(&t::CAUGHT_UP, u8::from(self.health.is_caught_up()));
        w.one(&t::BROKER_REACHABLE, u8::from(self.health.broker_answers()));
        w.one(&t::ALIVE, u8::from(self.health.is_alive()));
        w.known(&t::WATERMARK_DELAY, self.watermark_delay().map(Millis));
        for (metric, histogram) in self.histograms() {
            w.histogram(metric, &histogram.snapshot());
        }
        w.one(&t::EPOCHS, self.epochs.get());
        w.one(&t::EPOCHS_IN_FLIGHT, self.epochs_in_flight.get());
        w.one(&t::TRANSACTIONS_COMMITTED, self.transactions_committed.get());
        w.one(&t::TRANSACTIONS_FAILED, self.transactions_failed.get());
        w.one(&t::PRODUCERS_RENEWED, self.producers_renewed.get());
    }

    fn render_outputs(&self, w: &mut Writer, tally: &Tally) {
        let decisions = tally.decisions.iter();
        w.many(&t::DECISIONS, decisions.map(|(key, n)| (key.each_ref().map(String::as_str), *n)));
        let journeys = || tally.journeys.iter();
        let changes = journeys().flat_map(|journey| {
            journey.changes().map(|(change, n)| ([journey.name.as_str(), change], n))
        });
        w.many(&t::JOURNEY_CHANGES, changes);
        w.many(&t::OPEN_INSTANCES, journeys().map(|j| ([j.name.as_str()], j.open())));
        w.many(&t::REGRETS, journeys().map(|j| ([j.name.as_str()], j.regret)));
        let segments = || tally.segments.iter();
        let changes = segments().flat_map(|segment| {
            let name = segment.name.as_str();
            [([name, "entered"], segment.entered), ([name, "left"], segment.left)]
        });
        w.many(&t::SEGMENT_CHANGES, changes);
        w.many(&t::SEGMENT_MEMBERS, segments().map(|s| ([s.name.as_str()], s.members())));
        w.one(&t::SESSIONS_CLOSED, tally.sessions);
    }

    fn render_state(&self, w: &mut Writer, views: &Views) {
        w.one(&t::PERSONS, self.persons());
        w.one(&t::TIMERS, self.sum(|worker| worker.timers.get()));
        w.one(&t::TIMERS_FIRED, self.sum(|worker| worker.timers_fired.get()));
        let checkpoints = &self.checkpoints;
        w.one(&t::CHECKPOINTS, checkpoints.count.get());
        w.one(&t::CHECKPOINT_AGE, Micros(self.checkpoint_age().saturating_mul(1_000)));
        w.one(&t::CHECKPOINT_TIME, Micros(checkpoints.micros.get()));
        w.one(&t::CHECKPOINT_BYTES, checkpoints.bytes.get());
        w.one(&t::VIEWS, views.len());
        w.one(&t::VIEW_BYTES, views.bytes());
    }

    fn render_process(&self, w: &mut Writer, outputs: &Outputs) {
        w.many(&t::BUILD_INFO, [([env!("CARGO_PKG_VERSION")], 1)]);
        let fingerprint = format!("{:016x}", outputs.plan.fingerprint);
        w.many(&t::PLAN_INFO, [([fingerprint.as_str()], 1)]);
        w.one(&t::DEFINITIONS_VERSION, u64::from(outputs.plan.version));
        w.one(&t::DEFINITIONS_REFUSED, self.definitions_refused.get());
        w.one(&t::IDENTIFIERS, self.identity.identifiers.load(Relaxed));
        w.one(&t::PERSONS_JOINED, self.identity.joined.load(Relaxed));
        w.one(&t::PERSONS_PARTED, self.identity.parted.load(Relaxed));
        let refused = self.identity.refused();
        w.many(&t::LINKS_REFUSED, refused.map(|(reason, count)| ([reason.as_str()], count)));
        w.one(&t::PERSONS_ERASED, self.sum(|worker| worker.erased.get()));
        w.one(&t::PERSONS_FORGOTTEN, self.sum(|worker| worker.forgotten.get()));
        let dropped = self.identity.dropped.load(Relaxed);
        w.one(&t::ERASED_EVENTS, dropped + self.sum(|worker| worker.dropped.get()));
        w.known(&t::RESIDENT_MEMORY, process::resident_bytes());
        w.one(&t::START_TIME, Millis(self.started));
    }
}

fn label<'a>(lag: &'a Lag, number: &'a str) -> [&'a str; 2] {
    [&lag.partition.topic, number]
}

#[cfg(test)]
mod tests;
