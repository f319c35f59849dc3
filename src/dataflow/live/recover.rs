//! Where a live run goes on: from the store's checkpoint and the log, or from the log alone.

use crate::broker::{self, Broker, BrokerError, Partition};
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
    let mut logged = Logged::default();
    each_record(broker, place, until, &mut |record| match record {
        // Those up to the place may lie behind its offset.
        Record::Transaction(it) if it.last() <= place.after => {}
        Record::Transaction(it) => logged.transactions.push(it),
        Record::Claim(claim) => logged.claim = Some(claim),
    })?;
    let mut after = place.after;
    for record in &logged.transactions {
        after = follows(place, after, record)?;
    }
    Ok(logged)
}

/// Hands over what is in the log from a place on.
///
/// # Errors
/// The log cannot be read, or holds something else.
pub(super) fn each_record(
    broker: &dyn Broker,
    place: &LogPlace,
    until: Until,
    take: &mut dyn FnMut(Record),
) -> Result<(), RunError> {
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
    let mut damaged = None;
    let from = (place.partition.clone(), place.offset);
    each_before(broker, from, end, false, until, &mut |record| {
        match Record::from_bytes(record.payload.unwrap_or_default()) {
            Ok(record) => take(record),
            Err(what) => {
                damaged = Some((record.offset, what));
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    match damaged {
        Some((offset, what)) => Err(damage(&place.partition, offset, &what)),
        None => Ok(()),
    }
}

/// Hands over the records of a partition from an offset on that are before another one, until `take` breaks.
///
/// # Errors
/// The partition cannot be read.
pub(super) fn each_before(
    broker: &dyn Broker,
    from: (Partition, i64),
    end: i64,
    headers: bool,
    until: Until,
    take: &mut dyn FnMut(broker::Record<'_>) -> ControlFlow<()>,
) -> Result<(), RunError> {
    let mut feeds = broker.feeds(std::slice::from_ref(&from), headers)?;
    let feed = feeds.first_mut().expect("a feed for each partition");
    let mut looks = 0;
    let mut broken = false;
    while feed.position() < end && !broken {
        let taken = feed.poll(&mut |record| {
            let flow = take(record);
            broken |= flow.is_break();
            flow
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
            let doing = format!("reading {}", from.0);
            let message = format!("stuck at offset {} of {end}", feed.position());
            return Err(BrokerError::Unavailable { doing, message }.into());
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// A record of the log that is none.
pub(super) fn damage(log: &Partition, offset: i64, what: &str) -> RunError {
    RunError::Log(format!("offset {offset} of the log {log} holds {what}"))
}

/// The last epoch of a transaction, if it follows the epoch before.
///
/// # Errors
/// It follows another one.
pub(super) fn follows(place: &LogPlace, after: u64, record: &Transaction) -> Result<u64, RunError> {
    if record.after == after {
        return Ok(record.last());
    }
    let log = &place.partition;
    Err(RunError::Log(format!(
        "the log {log} goes on after epoch {} where epoch {after} was expected: a part of it is missing, or \
         the state folder belongs to another log",
        record.after
    )))
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
