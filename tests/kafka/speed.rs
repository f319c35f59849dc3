//! How fast the port is over the real broker. The bounds are far below what is measured: they catch a client that waits
//! where it should not (a sleep in `flush`, a second of back-off), not a slow machine. `--nocapture` shows the figures.

use crate::broker::{Real, name};
use kairos::broker::{Broker, Message, Partition, Topic};
use kairos::time::clock::{Clock, System};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::ops::ControlFlow;
use std::time::Duration;

fn topic(real: &Real, partitions: i32) -> Vec<Partition> {
    let topic = Topic { name: name(), partitions, replication: 1, settings: Vec::new() };
    real.kafka.ensure(std::slice::from_ref(&topic)).unwrap();
    (0..partitions).map(|number| Partition { topic: topic.name.as_str().into(), number }).collect()
}

fn median(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[times.len() * 95 / 100])
}

#[test]
fn reading_a_backlog() {
    let real = Real::new();
    let partitions = topic(&real, 8);
    const EVENTS: usize = 400_000;
    let payload = vec![b'x'; 680];
    let writer: BaseProducer =
        real.config().set("linger.ms", "20").set("compression.type", "none").create().unwrap();
    for number in 0..EVENTS {
        let to = &partitions[number % 8];
        let mut record = BaseRecord::<[u8], [u8]>::to(&to.topic).partition(to.number);
        record.payload = Some(&payload);
        while let Err((_, again)) = writer.send(record) {
            writer.poll(Duration::from_millis(5));
            record = again;
        }
    }
    writer.flush(Duration::from_secs(60)).unwrap();

    let clock = System::new();
    let from: Vec<(Partition, i64)> = partitions.iter().map(|it| (it.clone(), 0)).collect();
    let mut feeds = real.kafka.feeds(&from, false).unwrap();
    let (mut read, mut bytes) = (0, 0);
    while read < EVENTS {
        let mut some = 0;
        for feed in &mut feeds {
            let mut left = 500;
            some += feed
                .poll(&mut |record| {
                    bytes += record.payload.map_or(0, <[u8]>::len);
                    left -= 1;
                    if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })
                .unwrap();
        }
        read += some;
        if some == 0 {
            std::thread::sleep(Duration::from_micros(100));
            assert!(
                clock.now() < Duration::from_secs(60),
                "{read} of {EVENTS} after {:?}",
                clock.now()
            );
        }
    }
    let took = clock.now();
    assert_eq!((read, bytes), (EVENTS, EVENTS * 680));
    println!(
        "read {EVENTS} records of 680 bytes in {took:?}: {:.0}/s",
        EVENTS as f64 / took.as_secs_f64()
    );
    // An empty poll is what an idle engine does all the time.
    let before = clock.now();
    for _ in 0..10_000 {
        for feed in &mut feeds {
            assert_eq!(feed.poll(&mut |_| ControlFlow::Continue(())).unwrap(), 0);
        }
    }
    println!("an empty poll: {:?}", (clock.now() - before) / 80_000);
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn asking_for_ends() {
    let real = Real::new();
    let partitions = topic(&real, 8);
    let clock = System::new();
    let mut times = Vec::new();
    for _ in 0..300 {
        let before = clock.now();
        assert_eq!(real.kafka.ends(&partitions).unwrap(), [0; 8]);
        times.push(clock.now() - before);
    }
    let (median, high) = median(times);
    println!("ends of 8 partitions: p50 {median:?}, p95 {high:?}");
    assert!(median < Duration::from_millis(50), "{median:?}");
}

/// From the first send to the answer of the commit, and to a reader; two producers in turn, as the engine does it.
#[test]
fn small_transactions() {
    let real = Real::new();
    let partitions = topic(&real, 2);
    let mut producers = [(); 2].map(|()| real.kafka.producer(&name()).unwrap());
    let from: Vec<(Partition, i64)> = partitions.iter().map(|it| (it.clone(), 0)).collect();
    let mut feeds = real.kafka.feeds(&from, false).unwrap();
    let clock = System::new();
    let (mut commits, mut visible) = (Vec::new(), Vec::new());
    for round in 0..200 {
        let before = clock.now();
        for partition in &partitions {
            let message = Message {
                topic: &partition.topic,
                partition: Some(partition.number),
                timestamp: None,
                key: None,
                payload: Some(b"an output"),
                headers: &[],
            };
            producers[round % 2].send(message).unwrap();
        }
        producers[round % 2].commit().unwrap();
        commits.push(clock.now() - before);
        for feed in &mut feeds {
            while feed.poll(&mut |_| ControlFlow::Break(())).unwrap() == 0 {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
        visible.push(clock.now() - before);
    }
    let (median_commit, high) = median(commits);
    println!("a transaction in 2 partitions: p50 {median_commit:?}, p95 {high:?}");
    let (median_visible, high) = median(visible);
    println!("until a reader has it: p50 {median_visible:?}, p95 {high:?}");
    assert!(median_commit < Duration::from_millis(60), "{median_commit:?}");
    assert!(median_visible < Duration::from_millis(100), "{median_visible:?}");
}
