//! Asks the broker where its partitions end, again and again, each time after a reading of the clock.

use super::{Lane, Shared};
use crate::broker::{Broker, BrokerError, Partition};
use crate::epoch::sequencer::Probe;
use crate::time::clock::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between two probes: what timers may be late beside the slack.
const PAUSE: Duration = Duration::from_millis(3);

/// After the broker did not answer.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(200);

/// Between two looks for new partitions.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Between two times that the cluster is told how far has been read.
const TELL_AGAIN: Duration = Duration::from_secs(5);

/// Makes lanes of partitions that were not there before.
pub(super) type Opener = Box<dyn FnMut(&[Partition]) -> Result<Vec<Lane>, BrokerError> + Send>;

/// The thread's work and what it needs.
pub(super) struct Prober {
    pub broker: Arc<dyn Broker>,
    pub clock: Arc<dyn Clock>,
    pub shared: Arc<Shared>,
    pub topics: Vec<String>,
    /// Under which the cluster is told how far has been read.
    pub group: String,
    pub open: Opener,
    /// Whether the broker answers; time stands still while it does not.
    pub answers: Arc<AtomicBool>,
}

impl Prober {
    /// Probes until told to stop. An unreachable broker holds time; it is asked until it answers.
    pub(super) fn run(mut self, stopped: &dyn Fn() -> bool) {
        let mut looked = self.clock.now();
        let mut told = self.clock.now();
        while !stopped() {
            let clock = self.clock.wall();
            let partitions = self.shared.partitions();
            match self.broker.ends(&partitions) {
                Ok(ends) => {
                    self.note(true, "");
                    self.shared.probe(Probe { clock, ends });
                    std::thread::sleep(PAUSE);
                }
                Err(error) => {
                    self.note(false, &error.to_string());
                    std::thread::sleep(PAUSE_AFTER_ERROR);
                }
            }
            if self.clock.now() > told + TELL_AGAIN {
                told = self.clock.now();
                if let Err(error) = self.broker.tell_progress(&self.group, &self.shared.progress())
                {
                    tracing::debug!(%error, "the cluster cannot be told how far has been read");
                }
            }
            if self.clock.now() > looked + LOOK_AGAIN {
                looked = self.clock.now();
                if let Err(error) = self.look() {
                    tracing::warn!(%error, "cannot look for new partitions");
                }
            }
        }
    }

    fn note(&self, answers: bool, why: &str) {
        if self.answers.swap(answers, Ordering::AcqRel) != answers {
            match answers {
                true => tracing::info!("the broker answers again; time goes on"),
                false => tracing::warn!(why, "the broker does not answer; time stands still"),
            }
        }
    }

    /// Takes in partitions that have appeared. The probes know of them from now on, and time waits until they are read.
    fn look(&mut self) -> Result<(), BrokerError> {
        let known = self.shared.partitions();
        let found = partitions_of(&*self.broker, &self.topics)?;
        let new: Vec<Partition> =
            found.into_iter().filter(|partition| !known.contains(partition)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let lanes = (self.open)(&new)?;
        for partition in &new {
            tracing::info!(%partition, "a new partition is read from its beginning");
        }
        self.shared.add(new, lanes);
        Ok(())
    }
}

/// The partitions of the topics, in their order.
///
/// # Errors
/// The cluster cannot be asked, or a topic is not there.
pub(super) fn partitions_of(
    broker: &dyn Broker,
    topics: &[String],
) -> Result<Vec<Partition>, BrokerError> {
    let mut partitions = Vec::new();
    for topic in topics {
        let numbers = broker.partitions(topic)?;
        if numbers.is_empty() {
            let doing = format!("reading the topic {topic}");
            return Err(BrokerError::Refused { doing, message: "there is no such topic".into() });
        }
        let of_topic = |number| Partition { topic: topic.as_str().into(), number };
        partitions.extend(numbers.into_iter().map(of_topic));
    }
    Ok(partitions)
}
