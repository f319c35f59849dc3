//! The contract of `kairos::broker`, line by line, against any side of it: `contract!` makes a test of each function here.

use kairos::broker::murmur2::partition_of;
use kairos::broker::{Broker, BrokerError, Feed, Message, Partition, Topic};
use std::collections::BTreeMap;
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
                .map(|(name, value)| ((*name).to_string(), value.map(<[u8]>::to_vec)))
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

pub fn topics_are_made_once(world: &dyn World) {
    let (name, broker) = (world.name(), world.broker());
    assert_eq!(broker.partitions(&name).unwrap(), [0; 0]);
    broker.ensure(&[wanted(&name, 3)]).unwrap();
    assert_eq!(broker.partitions(&name).unwrap(), [0, 1, 2]);
    // What is there stays as it is.
    broker.ensure(&[wanted(&name, 5), wanted(&format!("{name}-2"), 1)]).unwrap();
    assert_eq!(broker.partitions(&name).unwrap(), [0, 1, 2]);
    assert_eq!(broker.partitions(&format!("{name}-2")).unwrap(), [0]);
    assert!(is_refused(&broker.ensure(&[wanted(&format!("{name}-3"), 0)])));
}

pub fn records_come_in_order_each_once(world: &dyn World) {
    let partitions = topic(world, 3);
    let mut producer = world.broker().producer(&world.name()).unwrap();
    let mut sent: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for number in 0..300 {
        let to = &partitions[number * number % 3];
        let text = format!("{number}");
        producer.send(message(to, &text)).unwrap();
        sent.entry(to.number).or_default().push(text);
        if number % 70 == 0 {
            producer.commit().unwrap();
        }
        if number % 40 == 0 {
            producer.commit().unwrap();
            world.append(to, Some(7), None, Some(b"outside"));
            sent.entry(to.number).or_default().push("outside".into());
        }
    }
    producer.commit().unwrap();
    assert_eq!(world.broker().starts(&partitions).unwrap(), [0, 0, 0]);
    for partition in &partitions {
        let expected = sent.remove(&partition.number).unwrap_or_default();
        assert_eq!(payloads(world, partition), expected, "{partition}");
    }
    // From anywhere, also from an offset at which there is a marker or nothing.
    let last = end(world, &partitions[0]);
    let all = read_to(world, &mut *feed(world, &partitions[0], 0), last);
    for from in [1, 2, 37, last - 2, last - 1, last] {
        let found = read_to(world, &mut *feed(world, &partitions[0], from), last);
        let expected: Vec<Read> = all.iter().filter(|read| read.offset >= from).cloned().collect();
        assert_eq!(found, expected, "from {from}");
    }
}

pub fn a_poll_that_breaks_goes_on_behind(world: &dyn World) {
    let partition = &topic(world, 1)[0];
    let mut producer = world.broker().producer(&world.name()).unwrap();
    for number in 0..20 {
        producer.send(message(partition, &format!("{number}"))).unwrap();
    }
    producer.commit().unwrap();
    let mut feed = feed(world, partition, 0);
    assert_eq!(feed.position(), 0);
    let mut found = Vec::new();
    until(world, "twenty records", || {
        let taken = poll(&mut *feed, 3, &mut found).unwrap();
        assert!(taken <= 3);
        if taken == 3 {
            assert_eq!(feed.position(), found.last().unwrap().offset + 1);
        }
        (found.len() == 20).then_some(())
    });
    let numbers: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    assert_eq!(texts(&found), numbers);
}

pub fn a_transaction_is_seen_as_a_whole(world: &dyn World) {
    let partitions = topic(world, 2);
    let mut producer = world.broker().producer(&world.name()).unwrap();
    let from: Vec<(Partition, i64)> = partitions.iter().map(|it| (it.clone(), 0)).collect();
    let mut feeds = world.broker().feeds(&from, false).unwrap();
    for round in 0..3 {
        for partition in &partitions {
            let before = end(world, partition);
            producer.send(message(partition, &format!("{round} a"))).unwrap();
            producer.send(message(partition, &format!("{round} b"))).unwrap();
            arrived(world, partition, before);
        }
        for feed in &mut feeds {
            for _ in 0..3 {
                assert_eq!(feed.poll(&mut |record| panic!("too early: {record:?}")).unwrap(), 0);
                world.rest();
            }
        }
        producer.commit().unwrap();
        for feed in &mut feeds {
            let mut found = Vec::new();
            until(world, "what has been committed", || {
                poll(&mut **feed, usize::MAX, &mut found).unwrap();
                (found.len() >= 2).then_some(())
            });
            assert_eq!(texts(&found), [format!("{round} a"), format!("{round} b")]);
        }
    }
}

pub fn an_open_transaction_hides_what_comes_behind(world: &dyn World) {
    let partition = &topic(world, 1)[0];
    let (one, two) = (world.name(), world.name());
    let mut first = world.broker().producer(&one).unwrap();
    let mut second = world.broker().producer(&two).unwrap();
    world.append(partition, None, None, Some(b"before"));
    first.send(message(partition, "first")).unwrap();
    arrived(world, partition, 1);
    second.send(message(partition, "second")).unwrap();
    second.commit().unwrap();
    world.append(partition, None, None, Some(b"behind"));
    let mut feed = feed(world, partition, 0);
    let mut found = Vec::new();
    until(world, "what is before", || {
        poll(&mut *feed, usize::MAX, &mut found).unwrap();
        (!found.is_empty()).then_some(())
    });
    for _ in 0..3 {
        poll(&mut *feed, usize::MAX, &mut found).unwrap();
        world.rest();
    }
    assert_eq!(texts(&found), ["before"]);
    assert_eq!(feed.position(), 1);
    first.commit().unwrap();
    until(world, "the rest", || {
        poll(&mut *feed, usize::MAX, &mut found).unwrap();
        (found.len() >= 4).then_some(())
    });
    assert_eq!(texts(&found), ["before", "first", "second", "behind"]);
    assert_eq!(payloads(world, partition), ["before", "first", "second", "behind"]);
}

pub fn aborted_records_do_not_come(world: &dyn World) {
    let partition = &topic(world, 1)[0];
    let name = world.name();
    let mut expected = Vec::new();
    for round in 0..4 {
        let mut producer = world.broker().producer(&name).unwrap();
        producer.send(message(partition, &format!("{round}"))).unwrap();
        producer.commit().unwrap();
        expected.push(format!("{round}"));
        let before = end(world, partition);
        for _ in 0..5 {
            producer.send(message(partition, "aborted")).unwrap();
        }
        arrived(world, partition, before);
    }
    // The last one is still open; the next producer aborts it.
    drop(world.broker().producer(&name).unwrap());
    assert_eq!(payloads(world, partition), expected);
}

pub fn position_passes_markers(world: &dyn World) {
    let partition = &topic(world, 1)[0];
    let name = world.name();
    let mut feed = feed(world, partition, 0);
    let mut producer = world.broker().producer(&name).unwrap();
    producer.send(message(partition, "seen")).unwrap();
    producer.commit().unwrap();
    until(world, "the marker", || (end(world, partition) == 2).then_some(()));
    assert_eq!(texts(&read_to(world, &mut *feed, 2)), ["seen"]);
    // Now nothing but an aborted record and its marker.
    producer.send(message(partition, "aborted")).unwrap();
    arrived(world, partition, 2);
    drop(world.broker().producer(&name).unwrap());
    assert_eq!(end(world, partition), 4);
    assert_eq!(read_to(world, &mut *feed, 4), []);
}

pub fn ends_count_open_transactions(world: &dyn World) {
    let partitions = topic(world, 2);
    let mut producer = world.broker().producer(&world.name()).unwrap();
    assert_eq!(world.broker().ends(&partitions).unwrap(), [0, 0]);
    assert_eq!(world.broker().ends(&[]).unwrap(), [0; 0]);
    producer.send(message(&partitions[1], "open")).unwrap();
    arrived(world, &partitions[1], 0);
    assert_eq!(world.broker().ends(&partitions).unwrap(), [0, 1]);
    world.append(&partitions[0], None, None, Some(b"x"));
    world.append(&partitions[0], None, None, Some(b"y"));
    // Straight after it was written, and in the order in which it is asked.
    assert_eq!(world.broker().ends(&partitions).unwrap(), [2, 1]);
    let reversed = [partitions[1].clone(), partitions[0].clone()];
    assert_eq!(world.broker().ends(&reversed).unwrap(), [1, 2]);
    assert_eq!(world.broker().starts(&reversed).unwrap(), [0, 0]);
}

pub fn commit_without_send_does_nothing(world: &dyn World) {
    let partition = &topic(world, 1)[0];
    let mut producer = world.broker().producer(&world.name()).unwrap();
    producer.commit().unwrap();
    producer.commit().unwrap();
    assert_eq!(end(world, partition), 0);
    producer.send(message(partition, "one")).unwrap();
    producer.commit().unwrap();
    producer.commit().unwrap();
    assert_eq!(payloads(world, partition), ["one"]);
    assert_eq!(end(world, partition), 2, "a record and one marker");
}

pub fn a_later_producer_shuts_out_the_earlier(world: &dyn World) {
    let partition = &topic(world, 1)[0];
    let name = world.name();
    let mut early = world.broker().producer(&name).unwrap();
    early.send(message(partition, "committed")).unwrap();
    early.commit().unwrap();
    let before = end(world, partition);
    early.send(message(partition, "left open")).unwrap();
    arrived(world, partition, before);
    let mut late = world.broker().producer(&name).unwrap();
    assert_eq!(payloads(world, partition), ["committed"], "decided when the later one is there");
    late.send(message(partition, "of the later one")).unwrap();
    let _ = early.send(message(partition, "too late"));
    assert!(is_fenced(&early.commit()), "the earlier one is shut out");
    assert!(is_fenced(&early.send(message(partition, "again"))), "and stays so");
    assert!(is_fenced(&early.commit()));
    late.commit().unwrap();
    assert_eq!(payloads(world, partition), ["committed", "of the later one"]);
}

pub fn a_shut_out_producer_that_begins_anew_is_fenced(world: &dyn World) {
    let partition = &topic(world, 1)[0];
    let name = world.name();
    let mut early = world.broker().producer(&name).unwrap();
    let mut late = world.broker().producer(&name).unwrap();
    let _ = early.send(message(partition, "too late"));
    assert!(is_fenced(&early.commit()));
    drop(early);
    late.send(message(partition, "seen")).unwrap();
    late.commit().unwrap();
    assert_eq!(payloads(world, partition), ["seen"]);
}

pub fn producers_with_other_names_are_left_alone(world: &dyn World) {
    let partition = &topic(world, 1)[0];
    let mut one = world.broker().producer(&world.name()).unwrap();
    one.send(message(partition, "one")).unwrap();
    let mut two = world.broker().producer(&world.name()).unwrap();
    arrived(world, partition, 0);
    two.send(message(partition, "two")).unwrap();
    two.commit().unwrap();
    one.commit().unwrap();
    assert_eq!(payloads(world, partition), ["one", "two"]);
}

pub fn what_is_gone_is_named(world: &dyn World) {
    let partition = &topic(world, 1)[0];
    for number in 0..5 {
        world.append(partition, None, None, Some(format!("{number}").as_bytes()));
    }
    let mut reader = feed(world, partition, 0);
    read_to(world, &mut *reader, 5);
    world.truncate(partition, 3);
    assert_eq!(world.broker().starts(std::slice::from_ref(partition)).unwrap(), [3]);
    for from in [0, 2, 77] {
        let mut feed = feed(world, partition, from);
        // More than once: whoever asks again hears it again.
        for _ in 0..2 {
            let error = until(world, "an error", || poll(&mut *feed, 9, &mut Vec::new()).err());
            let BrokerError::Gone { partition: which, wanted, earliest } = error else {
                panic!("from {from}: {error}")
            };
            assert_eq!((&which, wanted, earliest), (partition, from, 3));
        }
    }
    assert_eq!(texts(&read_to(world, &mut *feed(world, partition, 3), 5)), ["3", "4"]);
    // Who had read it all is not concerned.
    world.append(partition, None, None, Some(b"5"));
    assert_eq!(texts(&read_to(world, &mut *reader, 6)), ["5"]);
}

pub fn all_parts_of_a_record_arrive(world: &dyn World) {
    let partition = &topic(world, 1)[0];
    let mut producer = world.broker().producer(&world.name()).unwrap();
    let to = |key, payload, headers| Message {
        topic: &partition.topic,
        partition: Some(0),
        timestamp: Some(1_234_567_890_123),
        key,
        payload,
        headers,
    };
    let headers: &[(&str, &[u8])] = &[("ce_id", b"42"), ("empty", b""), ("ce_id", b"\xff\x00")];
    producer.send(to(Some(b"tombstone"), None, &[])).unwrap();
    producer.send(to(Some(b""), Some(b""), &[])).unwrap();
    producer.send(to(None, Some(b"\x00\xff"), headers)).unwrap();
    producer.send(Message { timestamp: None, ..to(None, None, &[]) }).unwrap();
    producer.commit().unwrap();
    until(world, "the marker", || (end(world, partition) == 5).then_some(()));
    world.append(partition, None, Some(b"k"), None);
    world.append(partition, Some(5), None, Some(b"p"));
    let read = read_to(world, &mut *feed(world, partition, 0), 7);
    let at = Some(1_234_567_890_123);
    let some = |bytes: &[u8]| Some(bytes.to_vec());
    let record = |offset, timestamp, key, payload| Read {
        offset,
        timestamp,
        key,
        payload,
        headers: Vec::new(),
    };
    assert_eq!(read[0], record(0, at, some(b"tombstone"), None));
    assert_eq!(read[1], record(1, at, some(b""), some(b"")));
    let with = |name: &str, value: &[u8]| (name.to_string(), some(value));
    assert_eq!(
        read[2],
        Read {
            headers: vec![with("ce_id", b"42"), with("empty", b""), with("ce_id", b"\xff\x00")],
            ..record(2, at, None, some(b"\x00\xff"))
        }
    );
    assert!(read[3].timestamp.is_some(), "without one it gets the time of writing");
    assert_eq!(read[4], record(5, None, some(b"k"), None), "outside writers may leave it out");
    assert_eq!(read[5], record(6, Some(5), None, some(b"p")));
    // Nobody asked for headers.
    let mut feeds = world.broker().feeds(&[(partition.clone(), 0)], false).unwrap();
    let bare = read_to(world, &mut *feeds[0], 7);
    assert!(bare.iter().all(|record| record.headers.is_empty()));
    assert_eq!(bare.len(), 6);
}

pub fn keys_choose_partitions_as_in_java(world: &dyn World) {
    let partitions = topic(world, 7);
    let mut producer = world.broker().producer(&world.name()).unwrap();
    let keys: Vec<String> = (0..100).map(|number| format!("user:{number}")).collect();
    for key in &keys {
        let message =
            Message { partition: None, key: Some(key.as_bytes()), ..message(&partitions[0], key) };
        producer.send(message).unwrap();
    }
    producer.send(Message { partition: None, ..message(&partitions[0], "no key") }).unwrap();
    producer.commit().unwrap();
    let mut without_key = 0;
    for partition in &partitions {
        let mut found = payloads(world, partition);
        found.retain(|key| key != "no key" || std::mem::replace(&mut without_key, 1) == 1);
        let mine = |key: &&String| partition_of(key.as_bytes(), 7) == partition.number;
        let expected: Vec<&String> = keys.iter().filter(mine).collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{partition}");
    }
    assert_eq!(without_key, 1, "it is somewhere, once");
}

pub fn feeds_are_read_on_threads_of_their_own(world: &dyn World) {
    let partitions = topic(world, 4);
    let mut producer = world.broker().producer(&world.name()).unwrap();
    for number in 0..2000 {
        producer.send(message(&partitions[number % 4], &format!("{number}"))).unwrap();
    }
    producer.commit().unwrap();
    let from: Vec<(Partition, i64)> = partitions.iter().map(|it| (it.clone(), 0)).collect();
    let feeds = world.broker().feeds(&from, true).unwrap();
    std::thread::scope(|scope| {
        for (first, mut feed) in feeds.into_iter().enumerate() {
            scope.spawn(move || {
                let mut found = Vec::new();
                for _ in 0..100_000 {
                    poll(&mut *feed, 50, &mut found).unwrap();
                    if found.len() == 500 {
                        break;
                    }
                    std::thread::sleep(std::time::Duration::from_micros(100));
                }
                let expected: Vec<String> =
                    (first..2000).step_by(4).map(|number| number.to_string()).collect();
                assert_eq!(texts(&found), expected);
            });
        }
    });
}

pub fn what_is_not_there_is_refused(world: &dyn World) {
    let partition = topic(world, 1).remove(0);
    let nowhere = Partition { topic: world.name().into(), number: 0 };
    let beyond = Partition { number: 1, ..partition.clone() };
    for unknown in [&nowhere, &beyond] {
        let both = [partition.clone(), unknown.clone()];
        assert!(is_refused(&world.broker().ends(&both)), "{unknown}");
        assert!(is_refused(&world.broker().starts(&both)), "{unknown}");
        let mut producer = world.broker().producer(&world.name()).unwrap();
        producer.send(message(&partition, "with the unknown")).unwrap();
        let sent = producer.send(message(unknown, "unknown"));
        let result = sent.and_then(|()| producer.commit());
        assert!(is_refused(&result), "{unknown}: {result:?}");
        assert!(is_refused(&producer.commit()), "it is used up");
        assert!(is_refused(&producer.send(message(&partition, "again"))));
        match world.broker().feeds(&[(unknown.clone(), 0)], false) {
            Ok(mut feeds) => {
                let error =
                    until(world, "an error", || poll(&mut *feeds[0], 1, &mut Vec::new()).err());
                assert!(matches!(error, BrokerError::Refused { .. }), "{unknown}: {error}");
            }
            Err(error) => {
                assert!(matches!(error, BrokerError::Refused { .. }), "{unknown}: {error}");
            }
        }
    }
}

pub fn progress_is_told(world: &dyn World) {
    let partitions = topic(world, 2);
    let group = world.name();
    assert_eq!(world.told(&group, &partitions[0]), None);
    for (one, two) in [(3, 5), (4, 9)] {
        let read = [(partitions[0].clone(), one), (partitions[1].clone(), two)];
        world.broker().tell_progress(&group, &read).unwrap();
        let told = || [0, 1].map(|at| world.told(&group, &partitions[at]));
        until(world, "progress", || (told() == [Some(one), Some(two)]).then_some(()));
    }
}
