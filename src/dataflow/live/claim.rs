//! Who may write: the run whose claim is the last one in the log.
//!
//! A claim is written by both producers, one after the other. Once both are in the log, no earlier run has a producer that
//! is not shut out, unless it made it after the first of the two; and whoever makes producers reads the log before it writes
//! with them, finds the claim, and leaves. So whatever is in the log then is all there is to go on from.
//!
//! Of two runs that begin at the same time and shut one another out, the one whose claim is the later one stays: whoever tries
//! again looks for it first. Did both go on trying, the one could still claim when the other has begun to work, and run out of
//! tries itself.

use super::recover::{LogPlace, Until, each_record};
use super::resume::log_of;
use crate::broker::{Broker, BrokerError, Producer};
use crate::dataflow::RunError;
use crate::epoch::log::{Claim, Record};
use crate::sink::topics::{Outlet, Topics};
use std::hash::{BuildHasher as _, RandomState};

/// How often a claim is tried. An earlier run that has just been shut out takes that for a transaction that took too long,
/// and makes producers of its own, as long as it sees no claim.
const TRIES: u32 = 5;

/// The two producers of a run.
pub(super) type Pair = [Option<Box<dyn Producer>>; 2];

/// Makes both producers, which shuts out the earlier ones.
///
/// # Errors
/// The cluster cannot be asked, or somebody else makes the same ones at the same time.
pub(super) fn producers(broker: &dyn Broker, ids: &[String; 2]) -> Result<Pair, BrokerError> {
    Ok([Some(broker.producer(&ids[0])?), Some(broker.producer(&ids[1])?)])
}

/// Shuts out whoever runs under the same name, and says so in the log.
///
/// # Errors
/// The cluster cannot be asked, or refuses it; somebody else who has begun since has claimed the log.
pub(super) fn stake(
    broker: &dyn Broker,
    topics: &Topics,
    ids: &[String; 2],
) -> Result<(Claim, Pair), RunError> {
    // The standard library's hashers differ by chance, as no two runs may be taken for one another.
    let claim = Claim { run: RandomState::new().hash_one(std::process::id()) };
    let record = claim.to_bytes();
    let partition = log_of(topics);
    let offset = broker.ends(std::slice::from_ref(&partition))?.first().copied().unwrap_or(0);
    let begun = LogPlace { partition, offset, after: 0 };
    let mut tries = 0;
    loop {
        tries += 1;
        let mut pair = match producers(broker, ids) {
            Err(BrokerError::Fenced) if tries < TRIES => continue,
            made => made?,
        };
        if tries > 1 && is_succeeded(broker, &begun, claim)? {
            return Err(BrokerError::Fenced.into());
        }
        let written = pair.iter_mut().flatten().try_for_each(|producer| {
            Outlet::default().log(topics, &record, &mut **producer)?;
            producer.commit()
        });
        match written {
            Ok(()) => return Ok((claim, pair)),
            // A claim of ours that is there more than once is as good as one.
            Err(BrokerError::Fenced | BrokerError::Unavailable { .. }) if tries < TRIES => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether the last claim from a place on is somebody else's.
fn is_succeeded(broker: &dyn Broker, begun: &LogPlace, own: Claim) -> Result<bool, RunError> {
    let mut last = own;
    each_record(broker, begun, Until::End, &mut |record| {
        if let Record::Claim(claim) = record {
            last = claim;
        }
    })?;
    Ok(last != own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::model::Model;
    use crate::broker::{Feed, Partition, Topic};
    use std::sync::Mutex;

    type Meanwhile = Box<dyn FnOnce() + Send>;

    /// A cluster at which something else happens before the next call that makes a producer, but for some.
    struct Busy(Model, Mutex<(u32, Option<Meanwhile>)>);

    impl Broker for Busy {
        fn partitions(&self, topic: &str) -> Result<Vec<i32>, BrokerError> {
            self.0.partitions(topic)
        }

        fn ensure(&self, topics: &[Topic]) -> Result<(), BrokerError> {
            self.0.ensure(topics)
        }

        fn starts(&self, partitions: &[Partition]) -> Result<Vec<i64>, BrokerError> {
            self.0.starts(partitions)
        }

        fn ends(&self, partitions: &[Partition]) -> Result<Vec<i64>, BrokerError> {
            self.0.ends(partitions)
        }

        fn feeds(
            &self,
            from: &[(Partition, i64)],
            headers: bool,
        ) -> Result<Vec<Box<dyn Feed>>, BrokerError> {
            self.0.feeds(from, headers)
        }

        fn producer(&self, id: &str) -> Result<Box<dyn Producer>, BrokerError> {
            let mut meanwhile = self.1.lock().unwrap();
            match meanwhile.0.checked_sub(1) {
                Some(left) => meanwhile.0 = left,
                None => meanwhile.1.take().into_iter().for_each(|happens| happens()),
            }
            self.0.producer(id)
        }

        fn tell_progress(&self, group: &str, read: &[(Partition, i64)]) -> Result<(), BrokerError> {
            self.0.tell_progress(group, read)
        }
    }

    const IDS: [&str; 2] = ["shop-a", "shop-b"];

    fn cluster() -> (Model, Topics) {
        let (model, topics) = (Model::default(), Topics::of("shop", "kairos."));
        let log =
            Topic { name: topics.log.clone(), partitions: 1, replication: 1, settings: Vec::new() };
        model.ensure(&[log]).unwrap();
        (model, topics)
    }

    fn last_claim(model: &Model, topics: &Topics) -> Option<Claim> {
        let records = model.committed(&topics.log).into_iter();
        let mut claims =
            records.filter_map(|record| match Record::from_bytes(&record.data.payload?) {
                Ok(Record::Claim(claim)) => Some(claim),
                _ => None,
            });
        claims.next_back()
    }

    /// One run stakes a claim; another one does so in between, before the first has made so many producers.
    fn staked(producers: u32) -> (Result<Claim, RunError>, Claim, Option<Claim>) {
        let (model, topics) = cluster();
        let ids = IDS.map(String::from);
        let other = std::sync::Arc::new(Mutex::new(None));
        let (of_other, to, at) = (other.clone(), topics.clone(), model.clone());
        let happens = move || {
            let made = stake(&at, &to, &IDS.map(String::from)).expect("nobody disturbs it");
            *of_other.lock().unwrap() = Some(made);
        };
        let busy = Busy(model.clone(), Mutex::new((producers, Some(Box::new(happens)))));
        let own = stake(&busy, &topics, &ids).map(|(claim, _)| claim);
        let (claim, _) = other.lock().unwrap().take().expect("it has happened");
        (own, claim, last_claim(&model, &topics))
    }

    #[test]
    fn of_two_that_begin_together_the_later_claim_holds_and_the_other_leaves() {
        // The other one comes first, and has claimed the log before the first try.
        let (own, _, last) = staked(0);
        assert_eq!(own.ok(), last);
        // The other one has shut this one's first producer out.
        let (own, other, last) = staked(1);
        assert!(matches!(own, Err(RunError::Broker(BrokerError::Fenced))), "{own:?}");
        assert_eq!(last, Some(other));
    }
}
