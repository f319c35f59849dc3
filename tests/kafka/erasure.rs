//! An operator erases a customer: the topic of segments gets a tombstone, nobody is known any more over HTTP, and it stays so
//! over a kill, a lost disk, and old events that come again.

use crate::cluster::Cluster;
use crate::identity::{at_the_edge, look_once, operator, wait};
use crate::instance::Instance;
use crate::live::disk_is_lost;
use crate::outputs::{Outputs, records};
use crate::shop::topic;
use kairos::broker::kafka_plain::PlainProducer;
use kairos::sink::Stream;
use kairos::time::clock::{Clock, System};
use std::time::Duration;

const PACK: &str = "\
identity: { identifiers: [user, email, anonymous] }
facts: { views: { count: Product Viewed } }
segments: { seen: views >= 1 }
";

const GONE: &str = "kairos.segment.gone";

/// What HTTP says of a person, as a number.
fn status(instance: &mut Instance, person: &str) -> u16 {
    instance.get(&format!("/v1/persons/{person}")).0
}

/// How many lines of a kind there are of somebody.
fn count(outputs: &Outputs, person: &str, kind: &str) -> usize {
    let lines = outputs.lines[Stream::Segments as usize].iter();
    lines.filter(|line| line.subject == person && line.kind == kind).count()
}

#[test]
fn a_tombstone_stands_for_whoever_was_erased() {
    let servers = Cluster::shared().servers();
    let topic = topic(&servers);
    let mut instance = at_the_edge(&servers, &topic, PACK);
    let mut outputs = Outputs::of(&servers, &instance.name);
    look_once(&servers, &topic, &["anna", "berta"]);
    wait(&mut instance, &mut outputs, |outputs| {
        ["user:anna", "user:berta"]
            .iter()
            .all(|id| count(outputs, id, "kairos.segment.entered") == 1)
    });
    assert_eq!(status(&mut instance, "user:anna"), 200);
    operator(&instance, &["erase", "user:anna"]);
    wait(&mut instance, &mut outputs, |outputs| count(outputs, "user:anna", GONE) == 1);
    let tombstone = outputs.lines[Stream::Segments as usize].iter().find(|line| line.kind == GONE);
    assert_eq!(tombstone.unwrap().data, "null");
    assert_eq!(
        (status(&mut instance, "user:anna"), status(&mut instance, "user:berta")),
        (404, 200)
    );
    instance.kill();
    instance.start();
    instance.wait_for("caught up");
    // All that has come so far, once more.
    let brokers = ("bootstrap.servers".to_owned(), servers.clone());
    let producer = PlainProducer::new(&[brokers]).unwrap();
    for record in records(&servers, &topic) {
        let now = System::new().wall();
        assert!(producer.send(&topic, Some(b"again"), &record, now).unwrap());
    }
    assert_eq!(producer.flush(Duration::from_secs(10)), 0);
    look_once(&servers, &topic, &["clara"]);
    wait(&mut instance, &mut outputs, |outputs| {
        count(outputs, "user:clara", "kairos.segment.entered") == 1
    });
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(
        (status(&mut instance, "user:anna"), status(&mut instance, "user:clara")),
        (404, 200)
    );
    look_once(&servers, &topic, &["anna"]);
    wait(&mut instance, &mut outputs, |outputs| {
        count(outputs, "user:anna", "kairos.segment.entered") == 2
    });
    instance.terminate();
    let outputs = Outputs::all(&servers, &instance.name);
    outputs.hold();
    assert_eq!(count(&outputs, "user:anna", GONE), 1);
    disk_is_lost(&servers, &mut instance, &outputs);
}
