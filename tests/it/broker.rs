//! The model of a broker: the contract, in several moods, and what only a model can do.

use crate::contract::{World, contract};
use kairos::broker::model::{Call, CommitFault, Model};
use kairos::broker::{Broker, BrokerError, Message, Partition, Producer, Topic};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU32, Ordering};

struct Modelled {
    model: Model,
    names: AtomicU32,
}

impl Modelled {
    fn new(set: impl Fn(&Model)) -> Modelled {
        let model = Model::default();
        set(&model);
        Modelled { model, names: AtomicU32::new(0) }
    }
}

impl World for Modelled {
    fn broker(&self) -> &dyn Broker {
        &self.model
    }

    fn name(&self) -> String {
        format!("name-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    fn append(
        &self,
        to: &Partition,
        timestamp: Option<i64>,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
    ) {
        self.model.append(&to.topic, Some(to.number), timestamp, key, payload, &[]);
    }

    fn truncate(&self, partition: &Partition, offset: i64) {
        self.model.truncate(partition, offset);
    }

    fn told(&self, group: &str, partition: &Partition) -> Option<i64> {
        let told = self.model.told(group);
        told.into_iter().find(|(which, _)| which == partition).map(|(_, offset)| offset)
    }

    fn rest(&self) {}
}

mod plain {
    super::contract! { super::Modelled::new(|_| {}) }
}

mod in_pieces {
    super::contract! { super::Modelled::new(|model| model.set_piece(Some(1))) }
}

mod with_late_markers {
    super::contract! { super::Modelled::new(|model| model.set_marker_lag(3)) }
}

fn partition(number: i32) -> Partition {
    Partition { topic: "t".into(), number }
}

fn model(partitions: i32) -> Model {
    let model = Model::default();
    let topic = Topic { name: "t".into(), partitions, replication: 1, settings: Vec::new() };
    model.ensure(&[topic]).unwrap();
    model
}

fn send(
    producer: &mut dyn Producer,
    partition: i32,
    key: Option<&str>,
    payload: &str,
) -> Result<(), BrokerError> {
    producer.send(Message {
        topic: "t",
        partition: Some(partition),
        timestamp: Some(1),
        key: key.map(str::as_bytes),
        payload: Some(payload.as_bytes()),
        headers: &[],
    })
}

fn committed(model: &Model) -> Vec<String> {
    let text = |payload: Option<Vec<u8>>| String::from_utf8(payload.unwrap()).unwrap();
    model.committed("t").into_iter().map(|record| text(record.data.payload)).collect()
}

fn unavailable<T>(result: &Result<T, BrokerError>) -> bool {
    matches!(result, Err(BrokerError::Unavailable { .. }))
}

#[test]
fn a_commit_fails_before_or_after_it_took_effect() {
    for (fault, seen) in [
        (CommitFault::Before, vec!["one", "three"]),
        (CommitFault::After, vec!["one", "two", "three"]),
    ] {
        let model = model(1);
        model.plant_commit(Some((2, fault)));
        let mut producer = model.producer("p").unwrap();
        send(&mut *producer, 0, None, "one").unwrap();
        producer.commit().unwrap();
        send(&mut *producer, 0, None, "two").unwrap();
        assert!(unavailable(&producer.commit()));
        assert!(unavailable(&send(&mut *producer, 0, None, "used up")));
        assert!(unavailable(&producer.commit()));
        // The next one makes it known.
        let mut producer = model.producer("p").unwrap();
        send(&mut *producer, 0, None, "three").unwrap();
        producer.commit().unwrap();
        assert_eq!(committed(&model), seen, "{fault:?}");
        assert_eq!(model.commits(), 3);
    }
}

#[test]
fn calls_fail_for_a_while_and_nothing_happens_meanwhile() {
    let model = model(1);
    let mut producer = model.producer("p").unwrap();
    model.append("t", Some(0), None, None, Some(b"x"), &[]);
    let mut feed = model.feeds(&[(partition(0), 0)], false).unwrap().remove(0);
    for call in [Call::Ends, Call::Poll, Call::Send, Call::Feeds, Call::Producer] {
        model.plant(call, 1, 2);
    }
    model.ends(&[partition(0)]).unwrap();
    for _ in 0..2 {
        assert!(unavailable(&model.ends(&[partition(0)])));
    }
    assert_eq!(model.ends(&[partition(0)]).unwrap(), [1]);
    assert_eq!(feed.poll(&mut |_| ControlFlow::Break(())).unwrap(), 1);
    model.append("t", Some(0), None, None, Some(b"y"), &[]);
    for _ in 0..2 {
        assert!(unavailable(&feed.poll(&mut |_| panic!("it is unavailable"))));
        assert_eq!(feed.position(), 1);
    }
    assert_eq!(feed.poll(&mut |_| ControlFlow::Continue(())).unwrap(), 1);
    send(&mut *producer, 0, None, "a").unwrap();
    assert!(unavailable(&send(&mut *producer, 0, None, "b")));
    assert!(unavailable(&producer.commit()), "a failed send uses it up");
    model.producer("q").unwrap();
    assert!(unavailable(&model.producer("p")));
    assert_eq!(model.ends(&[partition(0)]).unwrap(), [3], "nobody has been shut out");
    model.plant(Call::Producer, 0, 0);
    model.producer("p").unwrap();
    assert_eq!(model.ends(&[partition(0)]).unwrap(), [4], "now the marker is there");
    assert_eq!(committed(&model), ["x", "y"]);
}

#[test]
fn feeds_hand_over_small_pieces() {
    let model = model(1);
    for _ in 0..10 {
        model.append("t", Some(0), None, None, Some(b"x"), &[]);
    }
    model.set_piece(Some(4));
    let mut feed = model.feeds(&[(partition(0), 0)], false).unwrap().remove(0);
    let taken = [0; 4].map(|_| feed.poll(&mut |_| ControlFlow::Continue(())).unwrap());
    assert_eq!(taken, [4, 4, 2, 0]);
}

#[test]
fn compaction_leaves_gaps_that_feeds_pass() {
    let model = model(1);
    for (key, payload) in [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4"), ("a", "5")] {
        let key = Some(key.as_bytes());
        model.append("t", Some(0), None, key, Some(payload.as_bytes()), &[]);
    }
    let mut producer = model.producer("p").unwrap();
    send(&mut *producer, 0, Some("c"), "open").unwrap();
    model.compact(&partition(0));
    assert_eq!(committed(&model), ["2", "4", "5"], "what is open replaces nothing");
    producer.commit().unwrap();
    model.compact(&partition(0));
    let mut feed = model.feeds(&[(partition(0), 0)], false).unwrap().remove(0);
    let mut offsets = Vec::new();
    let mut take = |record: kairos::broker::Record<'_>| {
        offsets.push(record.offset);
        ControlFlow::Continue(())
    };
    assert_eq!(feed.poll(&mut take).unwrap(), 3);
    assert_eq!(offsets, [1, 4, 5]);
    assert_eq!(model.ends(&[partition(0)]).unwrap(), [feed.position()]);
}

#[test]
fn a_producer_that_is_gone_times_out() {
    let model = model(1);
    let mut producer = model.producer("p").unwrap();
    send(&mut *producer, 0, None, "open").unwrap();
    model.time_out("p");
    assert_eq!(model.ends(&[partition(0)]).unwrap(), [2]);
    assert!(matches!(producer.commit(), Err(BrokerError::Fenced)));
    assert_eq!(committed(&model), [""; 0]);
}

#[test]
fn records_without_a_time_get_the_models() {
    let model = model(1);
    model.set_time(77);
    let mut producer = model.producer("p").unwrap();
    let message = Message {
        topic: "t",
        partition: None,
        timestamp: None,
        key: None,
        payload: None,
        headers: &[],
    };
    producer.send(message).unwrap();
    producer.commit().unwrap();
    assert_eq!(model.committed("t")[0].data.timestamp, Some(77));
}

/// What no broker may do is done when it is asked for: who watches brokers can be tested with it.
#[test]
fn canaries_sing() {
    let lossy = model(2);
    lossy.plant_commit(Some((1, CommitFault::LosesRecord)));
    let mut producer = lossy.producer("p").unwrap();
    for (number, payload) in [(0, "a"), (1, "b"), (0, "c"), (1, "d")] {
        send(&mut *producer, number, None, payload).unwrap();
    }
    producer.commit().unwrap();
    assert_eq!(committed(&lossy), ["a", "c", "b"]);

    let open = model(1);
    let mut early = open.producer("p").unwrap();
    send(&mut *early, 0, None, "early").unwrap();
    open.stop_fencing();
    let mut late = open.producer("p").unwrap();
    send(&mut *late, 0, None, "late").unwrap();
    late.commit().unwrap();
    early.commit().unwrap();
    assert_eq!(committed(&open), ["early", "late"]);
}

/// The contract's tests notice what no broker may do.
#[test]
fn the_contract_notices() {
    let notices = |set: &dyn Fn(&Model), test: fn(&dyn World)| {
        let world = Modelled::new(set);
        let test = std::panic::AssertUnwindSafe(|| test(&world));
        assert!(std::panic::catch_unwind(test).is_err());
    };
    let stop_fencing: &dyn Fn(&Model) = &Model::stop_fencing;
    notices(stop_fencing, crate::contract::a_later_producer_shuts_out_the_earlier);
    notices(stop_fencing, crate::contract::a_shut_out_producer_that_begins_anew_is_fenced);
    notices(stop_fencing, crate::contract::aborted_records_do_not_come);
    let lose = |model: &Model| model.plant_commit(Some((1, CommitFault::LosesRecord)));
    notices(&lose, crate::contract::records_come_in_order_each_once);
    notices(&lose, crate::contract::a_transaction_is_seen_as_a_whole);
    notices(&lose, crate::contract::keys_choose_partitions_as_in_java);
}
