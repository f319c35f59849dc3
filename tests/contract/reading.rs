//! Topics, offsets and feeds: what is there, and how it arrives.

use super::{
    Read, World, arrived, end, feed, is_refused, message, payloads, poll, read_to, texts, topic,
    until, wanted,
};
use kairos::broker::{BrokerError, Message, Partition};
use std::collections::BTreeMap;

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
