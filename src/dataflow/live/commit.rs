//! Bundles → transactions: outputs and the log entry together, or neither.
//!
//! Two producers take turns: a transaction right after another one of the same producer waits until the broker has cleaned
//! up after that. What comes while a commit is under way goes into the next transaction.
//!
//! A commit of which it is not known whether it happened leaves the log as the judge: new producers shut out the old ones,
//! the end of the log is read, and the transaction is either there or sent again. So it is when a producer has been shut
//! out: that may have been a successor, which has claimed the log, or the coordinator, for which a transaction took too long.

use super::claim::{Pair, producers};
use super::publish::Bundle;
use super::recover::{LogPlace, Logged, Until, read_log};
use super::{Announced, Shared, Version};
use crate::broker::{Broker, BrokerError};
use crate::dataflow::checkpoint::Coordinator;
use crate::dataflow::{Control, RunError};
use crate::epoch::log::{Begins, Claim, Transaction};
use crate::sink::Stream;
use crate::sink::topics::{Outlet, Topics};
use crate::time::clock::Clock;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use xxhash_rust::xxh3::Xxh3;

/// Bytes of outputs after which a transaction takes no more epochs.
const BYTES_PER_TRANSACTION: usize = 4 << 20;

/// How long a transaction of a backlog waits for one more epoch: it costs the broker the same however much is in it, and
/// in a backlog nobody waits for it.
const MORE_OF_A_BACKLOG: Duration = Duration::from_millis(30);

/// Between two looks at whether the run is over.
const LOOK: Duration = Duration::from_millis(50);

/// How long to wait before the broker is tried again: at first, and at most.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The thread of transactions, and what it needs.
pub(super) struct Committer {
    pub broker: Arc<dyn Broker>,
    pub clock: Arc<dyn Clock>,
    /// Milliseconds that timers are late by design.
    pub slack: i64,
    pub shared: Arc<Shared>,
    pub control: Arc<Control>,
    pub coordinator: Arc<Coordinator>,
    pub topics: Arc<Topics>,
    /// Transactional ids of the two producers.
    pub ids: [String; 2],
    /// That of this run.
    pub claim: Claim,
    pub producers: Pair,
    pub log: LogPlace,
    /// The last epoch in the log.
    pub after: u64,
    pub begins: Begins,
    /// The definitions of the last transaction, and whether the log knows them.
    pub version: Arc<Version>,
    pub defined: bool,
    /// What the log says of transactions whose epochs are being repeated.
    pub expected: VecDeque<Transaction>,
    pub turn: usize,
    pub outlet: Outlet,
}

/// Bundles that go into one transaction, and the transaction.
struct Group {
    bundles: Vec<Bundle>,
    checkpoint: bool,
    last: bool,
}

impl Group {
    /// Whether its epochs are under other definitions than this one: a transaction is under one.
    fn is_of_others(&self, announced: &Announced) -> bool {
        let other = |last: &Bundle| !Arc::ptr_eq(&last.announced.version, &announced.version);
        self.bundles.last().is_some_and(other)
    }

    /// The definitions of all its epochs.
    fn version(&self) -> &Arc<Version> {
        &self.bundles.last().expect("a group is not empty").announced.version
    }
}

impl Committer {
    /// Works until the last epoch is safe, or something ends the run.
    pub(super) fn run(mut self, bundles: &Receiver<Bundle>) {
        match self.work(bundles) {
            Ok(()) => {}
            Err(error) => self.control.fail(error),
        }
    }

    fn work(&mut self, bundles: &Receiver<Bundle>) -> Result<(), RunError> {
        let mut waiting = VecDeque::new();
        while let Some(mut group) = self.gather(bundles, &mut waiting)? {
            self.follow(group.version());
            if self.expected.is_empty() {
                self.commit(&mut group)?;
            } else {
                self.compare(&group)?;
            }
            *super::lock(&self.shared.in_effect) = self.version.clone();
            let said = group.bundles.iter().flat_map(|bundle| &bundle.lines);
            self.control.count(said.map(|said| said.label));
            let end = &group.bundles.last().expect("a group is not empty").announced.entry;
            let last = end.number;
            super::lock(&self.shared.committed).clone_from(&end.read);
            if group.checkpoint {
                self.shared.log_offset.store(self.log.offset, Ordering::Release);
                self.coordinator.deliver_outputs(Vec::new(), self.control.counts());
            }
            self.shared.settle(group.bundles.len() as u64, last);
            if group.last {
                break;
            }
        }
        Ok(())
    }

    /// Waits for bundles and takes all that are there, up to a checkpoint, the end of a transaction that is repeated, or as
    /// many as one transaction takes. `None` when the run is over.
    fn gather(
        &self,
        bundles: &Receiver<Bundle>,
        waiting: &mut VecDeque<Bundle>,
    ) -> Result<Option<Group>, RunError> {
        let until = self.expected.front().map_or(u64::MAX, Transaction::last);
        let mut group = Group { bundles: Vec::new(), checkpoint: false, last: false };
        let mut bytes = 0;
        loop {
            waiting.extend(bundles.try_iter());
            let Some(bundle) = waiting.pop_front() else {
                let complete = self.expected.is_empty() && !group.bundles.is_empty();
                if complete && !self.grows(&group) {
                    return Ok(Some(group));
                }
                let patience = if complete { MORE_OF_A_BACKLOG } else { LOOK };
                match bundles.recv_timeout(patience) {
                    Ok(bundle) => waiting.push_back(bundle),
                    Err(RecvTimeoutError::Timeout) if complete => return Ok(Some(group)),
                    Err(RecvTimeoutError::Timeout) if !self.control.is_stopped() => {}
                    Err(_) => return Ok(None),
                }
                continue;
            };
            let announced = &bundle.announced;
            if group.is_of_others(announced) {
                waiting.push_front(bundle);
                return Ok(Some(group));
            }
            let number = announced.entry.number;
            (group.checkpoint, group.last) = (announced.checkpoint, announced.last);
            bytes += bundle.size();
            group.bundles.push(bundle);
            let full = self.expected.is_empty() && bytes >= BYTES_PER_TRANSACTION;
            if group.checkpoint || group.last || number >= until || full {
                return Ok(Some(group));
            }
        }
    }

    /// Takes up other definitions: their transaction says what they are, and lines are counted by their labels.
    fn follow(&mut self, version: &Arc<Version>) {
        if !Arc::ptr_eq(version, &self.version) {
            self.version = version.clone();
            self.defined = !self.expected.is_empty();
            self.note_logged();
            self.control.relabel(version.labels.clone());
            tracing::info!(
                plan = format_args!("{:016x}", version.plan.fingerprint),
                version = version.plan.version,
                "other definitions are in effect"
            );
        }
    }

    /// Says whether the log has the last definitions that were announced.
    fn note_logged(&self) {
        let is_last = Arc::ptr_eq(&self.version, &self.shared.version(u64::MAX));
        self.shared.logged.store(self.defined && is_last, Ordering::Release);
    }

    /// Whether it is worth waiting for one more epoch: in a backlog, until half of the epochs that may be under way are
    /// waiting here, so that the workers have the other half to go on with.
    fn grows(&self, group: &Group) -> bool {
        let backlog = group.bundles.last().is_some_and(|last| last.announced.entry.backlog);
        backlog && (group.bundles.len() as u64) < self.shared.bounds.epochs / 2
    }

    /// Holds what a replay gives to what the log says was given then.
    fn compare(&mut self, group: &Group) -> Result<(), RunError> {
        let Some(said) = self.expected.pop_front() else { return Ok(()) };
        let again = self.transaction(group);
        if (again.lines, again.hash) != (said.lines, said.hash) {
            let (first, last) = (said.entries[0].number, said.last());
            return Err(RunError::Log(format!(
                "epochs {first} to {last} gave {} lines again where the log says {}, or other lines: the \
                 definitions, the input or this program are not what they were; nothing was published",
                again.lines, said.lines
            )));
        }
        self.after = said.last();
        if self.expected.is_empty() {
            tracing::info!(epoch = self.after, "what the log says has been repeated, the same");
        }
        Ok(())
    }

    fn transaction(&self, group: &Group) -> Transaction {
        let mut hash = Xxh3::new();
        let mut lines = 0;
        for bundle in &group.bundles {
            for said in &bundle.lines {
                hash.update(&[said.stream as u8]);
                hash.update(bundle.text(said));
                lines += 1;
            }
        }
        let counts = group.bundles.iter().filter(|bundle| bundle.counts);
        Transaction {
            after: self.after,
            entries: counts.map(|bundle| (*bundle.announced.entry).clone()).collect(),
            begins: None,
            definitions: None,
            lines,
            hash: hash.digest(),
        }
    }

    /// Commits a group, whatever it takes.
    fn commit(&mut self, group: &mut Group) -> Result<(), RunError> {
        if !self.shared.begun.load(Ordering::Acquire) {
            // Whoever was here before finds in the log that it has been succeeded.
            group.bundles[0].counts = true;
        }
        let mut transaction = self.transaction(group);
        if transaction.entries.is_empty() {
            return Ok(());
        }
        transaction.begins = self.begins_for(&transaction);
        transaction.definitions = (!self.defined).then(|| self.version.definitions.clone());
        // Asked before, so that nobody can have claimed the log before that place once the transaction is in it.
        let place = if group.checkpoint { Some(self.log_end()?) } else { None };
        let record = transaction.to_bytes();
        let begun = self.clock.now();
        loop {
            match self.attempt(group, &record) {
                Ok(()) => break,
                Err(error @ BrokerError::Refused { .. }) => return Err(error.into()),
                Err(error) => tracing::warn!(%error, "a transaction failed; looking at the log"),
            }
            self.shared.metrics.transactions_failed.add(1);
            self.producers = [None, None];
            if self.patiently(|committer| committer.judge(&transaction))? {
                break;
            }
        }
        self.measure(group, begun);
        self.log = place.unwrap_or_else(|| self.log.clone());
        self.after = transaction.last();
        self.defined = true;
        self.note_logged();
        if let Some(begins) = transaction.begins {
            self.begins = begins;
            self.shared.begun.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Notes how long it took from what happened to what everybody can see.
    fn measure(&self, group: &Group, begun: Duration) {
        let metrics = &self.shared.metrics;
        let (now, wall) = (self.clock.now(), self.clock.wall());
        metrics.transactions_committed.add(1);
        metrics.transaction_time.record(micros(now.saturating_sub(begun)));
        metrics.epochs_in_flight.set(self.shared.in_flight());
        for bundle in &group.bundles {
            let span = bundle.announced.entry.span;
            metrics.epoch_time.record(micros(now.saturating_sub(bundle.announced.at)));
            if !bundle.announced.live {
                continue;
            }
            for said in &bundle.lines {
                // At the live edge events are ahead of the watermark, and timers behind it.
                let by_timer = said.time < span.end;
                match said.stream {
                    Stream::Decisions if by_timer => {
                        metrics.timer_lateness.record_millis(wall - said.time - self.slack);
                    }
                    Stream::Decisions => metrics.event_to_decision.record_millis(wall - said.time),
                    Stream::Triggers if !by_timer => {
                        metrics.event_to_trigger.record_millis(wall - said.time);
                    }
                    _ => {}
                }
            }
        }
    }

    /// What a transaction has to say of the run and its partitions, if that is new.
    fn begins_for(&self, transaction: &Transaction) -> Option<Begins> {
        let begins = &self.begins;
        let count = transaction.entries.last().map_or(0, |entry| entry.read.len());
        let said = self.shared.begun.load(Ordering::Acquire);
        if said && begins.partitions.len() == count {
            return None;
        }
        let mut partitions = super::lock(&self.shared.partitions).clone();
        partitions.truncate(count);
        Some(Begins { partitions, ..begins.clone() })
    }

    fn attempt(&mut self, group: &Group, record: &[u8]) -> Result<(), BrokerError> {
        let turn = self.turn;
        self.turn = 1 - turn;
        if self.producers[turn].is_none() {
            self.producers[turn] = Some(self.broker.producer(&self.ids[turn])?);
        }
        let producer = self.producers[turn].as_mut().expect("made a moment ago");
        for bundle in &group.bundles {
            for said in &bundle.lines {
                self.outlet.send(&self.topics, said.stream, bundle.text(said), &mut **producer)?;
            }
        }
        self.outlet.log(&self.topics, record, &mut **producer)?;
        producer.commit()
    }

    /// After a commit of which nothing is known: shuts out all producers there were, and reads whether the transaction is
    /// in the log. Whoever has been succeeded finds that in the log before, and shuts nobody out.
    fn judge(&mut self, transaction: &Transaction) -> Result<bool, RunError> {
        let until = Until::NothingCommitted;
        self.is_ours(&read_log(&*self.broker, &self.log, until)?, transaction, until)?;
        self.producers = producers(&*self.broker, &self.ids).map_err(once_more)?;
        self.shared.metrics.producers_renewed.add(2);
        let all = read_log(&*self.broker, &self.log, Until::End)?;
        let committed = self.is_ours(&all, transaction, Until::End)?;
        match committed {
            true => tracing::info!("the transaction had been committed"),
            false => tracing::info!("the transaction had not been committed; sending it again"),
        }
        Ok(committed)
    }

    /// Whether the last transaction of the log is this one; if not, it has to be the one before it, which readers may not see
    /// yet until all is decided. Nobody else may have claimed the log.
    fn is_ours(
        &self,
        logged: &Logged,
        wanted: &Transaction,
        until: Until,
    ) -> Result<bool, RunError> {
        if logged.claim.is_some_and(|claim| claim != self.claim) {
            return Err(BrokerError::Fenced.into());
        }
        let last = logged.transactions.last();
        if last == Some(wanted) {
            return Ok(true);
        }
        let found = last.map_or(self.log.after, Transaction::last);
        if found == self.after || (until == Until::NothingCommitted && found < self.after) {
            return Ok(false);
        }
        Err(RunError::Log(format!(
            "the log ends at epoch {found} where this instance wrote {} last: another instance with the same \
             name has taken over",
            self.after
        )))
    }

    /// The end of the log as it is now; everything later is after it.
    fn log_end(&mut self) -> Result<LogPlace, RunError> {
        self.patiently(|committer| {
            let LogPlace { partition, .. } = &committer.log;
            let ends = committer.broker.ends(std::slice::from_ref(partition))?;
            let offset = ends.first().copied().unwrap_or(0);
            Ok(LogPlace { partition: partition.clone(), offset, after: committer.after })
        })
    }

    /// Does something again and again while the broker cannot be reached.
    fn patiently<T>(
        &mut self,
        mut doing: impl FnMut(&mut Committer) -> Result<T, RunError>,
    ) -> Result<T, RunError> {
        let mut pause = PATIENCE.0;
        loop {
            match doing(self) {
                Err(RunError::Broker(error @ BrokerError::Unavailable { .. })) => {
                    if self.control.is_stopped() {
                        return Err(RunError::Stopped);
                    }
                    tracing::warn!(%error, "the broker cannot be reached; trying again");
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(PATIENCE.1);
                }
                result => return result,
            }
        }
    }
}

/// Whoever makes producers at the same time as somebody else has been told nothing yet of who comes after whom.
fn once_more(error: BrokerError) -> BrokerError {
    match error {
        BrokerError::Fenced => BrokerError::Unavailable {
            doing: "make producers".into(),
            message: "somebody else makes them too".into(),
        },
        other => other,
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
