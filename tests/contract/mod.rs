//! The contract of `kairos::broker`, line by line, against any side of it: `contract!` makes a test of each function here.

mod reading;
mod writing;

pub use reading::*;
pub use writing::*;

use kairos::broker::{Broker, BrokerError, Feed, Message, Partition, Topic};
use std::ops::ControlFlow;

/// A record as tests hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub offset: i64,
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// A cluster, and what tests do to it past the port.
pub trait World {
    fn broker(&self) -> &dyn Broker;
    /// A name that no other test has.
    fn name(&self) -> String;
    /// A writer from outside, without transactions.
    fn append(
        &self,
        to: &Partition,
        timestamp: Option<i64>,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
    );
    /// Retention.
    fn truncate(&self, partition: &Partition, offset: i64);
    /// How far a group is, as those who watch lag see it.
    fn told(&self, group: &str, partition: &Partition) -> Option<i64>;
    /// Lets a moment pass.
    fn rest(&self);
}

macro_rules! contract {
    ($world:expr; $($test:ident)*) => {
        $(#[test]
        fn $test() {
            crate::contract::$test(&$world);
        })*
    };
    ($world:expr) => {
        crate::contract::contract! { $world;
            topics_are_made_once
            records_come_in_order_each_once
            a_poll_that_breaks_goes_on_behind
            a_transaction_is_seen_as_a_whole
            an_open_transaction_hides_what_comes_behind
            aborted_records_do_not_come
            position_passes_markers
            ends_count_open_transactions
            commit_without_send_does_nothing
            a_later_producer_shuts_out_the_earlier
            a_shut_out_producer_that_begins_anew_is_fenced
            producers_with_other_names_are_left_alone
            what_is_gone_is_named
            all_parts_of_a_record_arrive
            keys_choose_partitions_as_in_java
            feeds_are_read_on_threads_of_their_own
            what_is_not_there_is_refused
            progress_is_told
        }
    };
}
pub(crate) use contract;

/// Waits for something that has to come.
fn until<T>(world: &dyn World, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..3000 {
        if let Some(found) = look() {
            return found;
        }
        world.rest();
    }
    panic!("in vain waited for: {what}");
}

/// A new topic's partitions.
fn topic(world: &dyn World, partitions: i32) -> Vec<Partition> {
    let name = world.name();
    world.broker().ensure(&[wanted(&name, partitions)]).unwrap();
    (0..partitions).map(|number| Partition { topic: name.as_str().into(), number }).collect()
}

fn wanted(name: &str, partitions: i32) -> Topic {
    Topic {
        name: name.into(),
        partitions,
        replication: -1,
        settings: vec![("cleanup.policy".into(), "delete".into())],
    }
}

fn message<'a>(to: &'a Partition, payload: &'a str) -> Message<'a> {
    Message {
        topic: &to.topic,
        partition: Some(to.number),
        timestamp: Some(1_000_000_000_000),
        key: None,
        payload: Some(payload.as_bytes()),
        headers: &[],
    }
}

fn end(world: &dyn World, partition: &Partition) -> i64 {
    world.broker().ends(std::slice::from_ref(partition)).unwrap()[0]
}

fn feed(world: &dyn World, partition: &Partition, from: i64) -> Box<dyn Feed> {
    world.broker().feeds(&[(partition.clone(), from)], true).unwrap().remove(0)
}

/// One poll, which takes at most so many.
fn poll(feed: &mut dyn Feed, at_most: usize, into: &mut Vec<Read>) -> Result<usize, BrokerError> {
    let before = into.len();
    let taken = feed.poll(&mut |record| {
        into.push(Read {
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            payload: record.payload.map(<[u8]>::to_vec),
            headers: record
                .headers
                .iter()
                .map(|(name, value)| {
                    (String::from_utf8_lossy(name).into_owned(), value.map(<[u8]>::to_vec))
                })
                .collect(),
        });
        if into.len() - before == at_most {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    assert_eq!(taken, into.len() - before, "poll tells how many were taken");
    Ok(taken)
}

/// Reads up to an offset, and holds the feed to its contract on the way.
fn read_to(world: &dyn World, feed: &mut dyn Feed, to: i64) -> Vec<Read> {
    let mut read: Vec<Read> = Vec::new();
    until(world, &format!("position {to}"), || {
        let (from, before) = (feed.position(), read.len());
        poll(feed, usize::MAX, &mut read).unwrap();
        let new = &read[before..];
        assert!(new.windows(2).all(|pair| pair[0].offset < pair[1].offset), "in order: {new:?}");
        assert!(new.iter().all(|record| (from..feed.position()).contains(&record.offset)));
        assert!(feed.position() <= to, "nothing was written meanwhile");
        (feed.position() == to).then_some(())
    });
    assert_eq!(feed.poll(&mut |record| panic!("one more: {record:?}")).unwrap(), 0);
    read
}

/// Everything that is there, and that it is decided.
fn payloads(world: &dyn World, partition: &Partition) -> Vec<String> {
    let start = world.broker().starts(std::slice::from_ref(partition)).unwrap()[0];
    // `commit` may answer before its markers are written: the end is asked for until it stands still.
    let mut feed = feed(world, partition, start);
    let mut found = Vec::new();
    until(world, "everything to be decided", || {
        poll(&mut *feed, usize::MAX, &mut found).unwrap();
        (feed.position() == end(world, partition)).then_some(())
    });
    texts(&found)
}

fn texts(found: &[Read]) -> Vec<String> {
    let text = |record: &Read| String::from_utf8(record.payload.clone().unwrap()).unwrap();
    found.iter().map(text).collect()
}

fn is_fenced(result: &Result<(), BrokerError>) -> bool {
    matches!(result, Err(BrokerError::Fenced))
}

fn is_refused<T>(result: &Result<T, BrokerError>) -> bool {
    matches!(result, Err(BrokerError::Refused { .. }))
}

/// Waits until records of an open transaction have reached the log: a client may send them later than it takes them.
fn arrived(world: &dyn World, partition: &Partition, end_before: i64) {
    until(world, "an open transaction's records", || {
        (end(world, partition) > end_before).then_some(())
    });
}
