//! Transactions: what becomes visible, what does not, and who may write.

use super::{World, arrived, end, feed, is_fenced, message, payloads, poll, texts, topic, until};
use kairos::broker::murmur2::partition_of;
use kairos::broker::{Message, Partition};

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
