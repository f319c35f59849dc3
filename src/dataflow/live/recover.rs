//! Where a live run goes on: from the store's checkpoint and the log, or from the log alone.

use crate::broker::{Broker, BrokerError, Partition};
use crate::dataflow::RunError;
use crate::epoch::log::{Claim, Record, Transaction};
use std::ops::ControlFlow;
use std::time::Duration;

/// A place in the log.
#[derive(Clone, Debug)]
pub(super) struct LogPlace {
    pub partition: Partition,
    /// Everything after the epoch `after` is at this offset or later.
    pub offset: i64,
    pub after: u64,
}

/// What stands in the log from a place on.
#[derive(Debug, Default)]
pub(super) struct Logged {
    pub transactions: Vec<Transaction>,
    /// The last one; `None` if it is before the place.
    pub claim: Option<Claim>,
}

/// How far the log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// To its end; no transaction may be open.
    End,
    /// As long as there are committed records, without waiting for transactions that are open.
    NothingCommitted,
}

/// Between two looks at a feed that has nothing.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks at a feed that has nothing, after which nothing is expected, and after which the broker counts as away.
const LOOKS: (u32, u32) = (60, 6_000);

/// What is in the log from a place on. Each transaction says which epoch it follows, so that none can be missing.
///
/// # Errors
/// The log cannot be read, has a hole, or holds something else.
pub(super) fn read_log(
    broker: &dyn Broker,
    place: &LogPlace,
    until: Until,
) -> Result<Logged, RunError> {
    let partitions = std::slice::from_ref(&place.partition);
    let end = broker.ends(partitions)?.first().copied().unwrap_or(0);
    let start = broker.starts(partitions)?.first().copied().unwrap_or(0);
    if start > place.offset {
        let partition = place.partition.clone();
        return Err(BrokerError::Gone { partition, wanted: place.offset, earliest: start }.into());
    }
    if end < place.offset {
        let (log, offset) = (&place.partition, place.offset);
        return Err(RunError::Log(format!(
            "the log {log} ends at offset {end}, and this instance has seen it at {offset}: it has been made anew"
        )));
    }
    let mut feeds = broker.feeds(&[(place.partition.clone(), place.offset)], false)?;
    let feed = feeds.first_mut().expect("a feed for each partition");
    let mut logged = Logged::default();
    let mut damaged = None;
    let mut looks = 0;
    while feed.position() < end && damaged.is_none() {
        let taken = feed.poll(&mut |record| {
            match Record::from_bytes(record.payload.unwrap_or_default()) {
                // Those up to the place may lie behind its offset.
                Ok(Record::Transaction(it)) if it.last() <= place.after => {}
                Ok(Record::Transaction(it)) => logged.transactions.push(it),
                Ok(Record::Claim(claim)) => logged.claim = Some(claim),
                Err(what) => damaged = Some((record.offset, what)),
            }
            ControlFlow::Continue(())
        })?;
        if taken > 0 {
            looks = 0;
            continue;
        }
        looks += 1;
        if until == Until::NothingCommitted && looks > LOOKS.0 {
            break;
        }
        if looks > LOOKS.1 {
            let doing = format!("reading {}", place.partition);
            let message = format!("stuck at offset {} of {end}", feed.position());
            return Err(BrokerError::Unavailable { doing, message }.into());
        }
        std::thread::sleep(PAUSE);
    }
    if let Some((offset, what)) = damaged {
        let message = format!("offset {offset} of the log {} holds {what}", place.partition);
        return Err(RunError::Log(message));
    }
    check_chain(place, &logged.transactions)?;
    Ok(logged)
}

/// Each transaction follows the one before.
fn check_chain(place: &LogPlace, records: &[Transaction]) -> Result<(), RunError> {
    let mut after = place.after;
    for record in records {
        if record.after != after {
            let log = &place.partition;
            return Err(RunError::Log(format!(
                "the log {log} goes on after epoch {} where epoch {after} was expected: a part of it is missing, or \
                 the state folder belongs to another log",
                record.after
            )));
        }
        after = record.last();
    }
    Ok(())
}

/// Whether everything that has to be read again is still there.
///
/// # Errors
/// The first partition that has lost something, with the offsets that are missing.
pub(super) fn check_retention(
    broker: &dyn Broker,
    from: &[(Partition, i64)],
) -> Result<(), RunError> {
    let partitions: Vec<Partition> = from.iter().map(|(partition, _)| partition.clone()).collect();
    let starts = broker.starts(&partitions)?;
    for ((partition, wanted), earliest) in from.iter().zip(starts) {
        if earliest > *wanted {
            let partition = partition.clone();
            return Err(BrokerError::Gone { partition, wanted: *wanted, earliest }.into());
        }
    }
    Ok(())
}
