//! A cluster of its own that is stopped and killed: what is unknown, what comes back, and that nothing hangs.

use crate::broker::name;
use crate::cluster::Cluster;
use kairos::broker::{Broker, BrokerError, Feed, Message, Partition, Topic};
use kairos::time::clock::{Clock, System};
use std::ops::ControlFlow;
use std::time::Duration;

fn topic(broker: &dyn Broker) -> Partition {
    let topic = Topic { name: name(), partitions: 1, replication: -1, settings: Vec::new() };
    broker.ensure(std::slice::from_ref(&topic)).unwrap();
    Partition { topic: topic.name.into(), number: 0 }
}

fn message<'a>(to: &'a Partition, payload: &'a str) -> Message<'a> {
    Message {
        topic: &to.topic,
        partition: Some(0),
        timestamp: None,
        key: None,
        payload: Some(payload.as_bytes()),
        headers: &[],
    }
}

/// Reads until the end that is asked for is reached.
fn read(broker: &dyn Broker, feed: &mut dyn Feed, partition: &Partition) -> Vec<String> {
    let mut found = Vec::new();
    for _ in 0..6000 {
        feed.poll(&mut |record| {
            found.push(String::from_utf8(record.payload.unwrap().to_vec()).unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
        let end = broker.ends(std::slice::from_ref(partition));
        if end.is_ok_and(|end| end[0] == feed.position()) {
            return found;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the end was not reached after {found:?}");
}

/// A broker that does not answer: a commit gives up without knowing, questions give up, and producers and feeds can be
/// dropped. When it goes on, the next producer makes known what became of the transaction.
#[test]
fn a_broker_that_stands_still_hangs_nobody() {
    let cluster = Cluster::start(1);
    let kafka = cluster.kafka();
    let partition = topic(&kafka);
    let id = name();
    let mut producer = kafka.producer(&id).unwrap();
    let mut feed = kafka.feeds(&[(partition.clone(), 0)], false).unwrap().remove(0);
    producer.send(message(&partition, "first")).unwrap();
    producer.commit().unwrap();
    assert_eq!(read(&kafka, &mut *feed, &partition), ["first"]);

    cluster.freeze(0);
    let clock = System::new();
    let error = kafka.ends(std::slice::from_ref(&partition)).unwrap_err();
    assert!(matches!(error, BrokerError::Unavailable { .. }), "{error}");
    assert!(clock.now() < Duration::from_secs(8), "a question took {:?}", clock.now());

    let before = clock.now();
    producer.send(message(&partition, "unknown")).unwrap();
    let error = producer.commit().unwrap_err();
    assert!(matches!(error, BrokerError::Unavailable { .. }), "{error}");
    assert!(
        clock.now() - before < Duration::from_secs(30),
        "a commit took {:?}",
        clock.now() - before
    );
    assert!(producer.send(message(&partition, "used up")).is_err());

    let before = clock.now();
    drop(producer);
    drop(kafka.feeds(&[(partition.clone(), 0)], false).unwrap());
    assert!(
        clock.now() - before < Duration::from_secs(5),
        "dropping took {:?}",
        clock.now() - before
    );
    assert_eq!(feed.poll(&mut |_| ControlFlow::Continue(())).unwrap(), 0);

    cluster.thaw(0);
    let mut producer = kafka.producer(&id).unwrap();
    let known = read(&kafka, &mut *feed, &partition);
    assert!(known.is_empty() || known == ["unknown"], "{known:?}");
    producer.send(message(&partition, "last")).unwrap();
    producer.commit().unwrap();
    assert_eq!(read(&kafka, &mut *feed, &partition), ["last"]);
}

/// A broker that is killed and started again: feeds and questions go on by themselves, a producer that was between two
/// transactions too.
#[test]
fn a_broker_that_comes_back_is_read_on() {
    let mut cluster = Cluster::start(1);
    let kafka = cluster.kafka();
    let partition = topic(&kafka);
    let mut producer = kafka.producer(&name()).unwrap();
    let mut feed = kafka.feeds(&[(partition.clone(), 0)], false).unwrap().remove(0);
    let mut expected = 0;
    for round in 0..3 {
        for number in 0..20 {
            producer.send(message(&partition, &format!("{round}-{number}"))).unwrap();
            if number % 5 == 4 {
                producer.commit().unwrap();
            }
        }
        let found = read(&kafka, &mut *feed, &partition);
        assert_eq!(found.len(), 20, "round {round}: {found:?}");
        expected += 20 + 4;
        assert_eq!(feed.position(), expected);
        if round < 2 {
            cluster.kill(0);
            assert!(kafka.ends(std::slice::from_ref(&partition)).is_err());
            assert_eq!(feed.poll(&mut |_| ControlFlow::Continue(())).unwrap(), 0);
            cluster.restart(0);
        }
    }
}

/// Three brokers, one of them away at a time: everything goes on.
#[test]
fn one_broker_of_three_may_be_missing() {
    let mut cluster = Cluster::start(3);
    let kafka = cluster.kafka();
    let partition = topic(&kafka);
    let id = name();
    let mut feed = kafka.feeds(&[(partition.clone(), 0)], false).unwrap().remove(0);
    let mut seen = Vec::new();
    let mut sent = Vec::new();
    for node in 0..3 {
        cluster.kill(node);
        for number in 0..3 {
            // Whoever does not know makes a new producer, reads what is there, and sends what is missing.
            let text = format!("{node}-{number}");
            for attempt in 0.. {
                assert!(attempt < 10, "{text} cannot be sent");
                let Ok(mut producer) = kafka.producer(&id) else { continue };
                seen.extend(read(&kafka, &mut *feed, &partition));
                if seen.contains(&text) {
                    break;
                }
                if producer
                    .send(message(&partition, &text))
                    .and_then(|()| producer.commit())
                    .is_ok()
                {
                    break;
                }
            }
            sent.push(text);
        }
        cluster.restart(node);
    }
    seen.extend(read(&kafka, &mut *feed, &partition));
    assert_eq!(seen, sent);
}
