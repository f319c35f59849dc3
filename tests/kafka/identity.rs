//! Who is who, while customers are at it: what was linked stays so over kills and a lost disk, and an operator has a say.

use crate::broker::name;
use crate::cluster::Cluster;
use crate::instance::{Instance, KAIROS, PATIENCE};
use crate::live::{disk_is_lost, subjects};
use crate::outputs::Outputs;
use crate::shop::{topic, traffic};
use kairos::broker::kafka_plain::PlainProducer;
use kairos::sink::Stream;
use kairos::time::clock::{Clock, System};
use std::process::Command;
use std::time::Duration;

/// Who looks twice, under whatever identifiers, gets a message; whose cart is left gets one, unless they order.
pub const PACK: &str = "\
identity: { identifiers: [user, email, anonymous] }
facts: { views: { count: Product Viewed } }
segments: { keen: views >= 2 }
journeys:
  keen:
    enter: { entered: keen }
    steps: [ { send: { channel: push, template: keen, with: { views: views } } } ]
  cart:
    enter: { on: Product Added, again: after exit }
    exit: [ { on: Order Completed, goal: true } ]
    steps:
      - wait: { quiet_for: 1s, of: [Product Added] }
      - send: { channel: email, template: cart }
";

const KEEN: &str = "\"template\":\"keen\"";

/// An instance that takes things in as they come, answers over HTTP, and has caught up.
pub fn at_the_edge(servers: &str, topic: &str, pack: &str) -> Instance {
    let mut instance = Instance::new(servers, topic, &name());
    (instance.slack_ms, instance.step_ms, instance.workers) = (500, 1_000, 2);
    instance.http = "127.0.0.1:0".into();
    instance.write_pack(pack);
    instance.start();
    instance.wait_for("caught up");
    instance
}

/// An operator's word, through the instance's own configuration.
pub fn operator(instance: &Instance, arguments: &[&str]) {
    let said = Command::new(KAIROS)
        .args(arguments)
        .arg("--config")
        .arg(instance.config_file())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success() && out.starts_with("sent"), "{out}{err}");
}

/// Each of these accounts looks at something once.
pub fn look_once(servers: &str, topic: &str, accounts: &[&str]) {
    let brokers = ("bootstrap.servers".to_owned(), servers.to_owned());
    let producer = PlainProducer::new(&[brokers]).unwrap();
    let now = System::new().wall();
    for user in accounts {
        let line = format!(
            r#"{{"type":"track","event":"Product Viewed","userId":"{user}","timestamp":{now}}}"#
        );
        assert!(producer.send(topic, Some(user.as_bytes()), line.as_bytes(), now).unwrap());
    }
    assert_eq!(producer.flush(Duration::from_secs(10)), 0);
}

pub fn wait(instance: &mut Instance, outputs: &mut Outputs, until: impl Fn(&Outputs) -> bool) {
    let clock = System::new();
    while !until(outputs) {
        assert!(clock.now() < PATIENCE, "{}", instance.log());
        instance.runs();
        outputs.look();
    }
}

#[test]
fn who_is_who_stays_so_over_kills_and_a_lost_disk() {
    let servers = Cluster::shared().servers();
    let topic = topic(&servers);
    let mut instance = Instance::new(&servers, &topic, &name());
    (instance.slack_ms, instance.step_ms, instance.workers) = (500, 1_000, 2);
    instance.write_pack(PACK);
    instance.start();
    instance.wait_for("caught up");
    let mut traffic = traffic(&servers, &topic, 400, 8_000, 500);
    let mut outputs = Outputs::of(&servers, &instance.name);
    for wanted in [20, 60] {
        wait(&mut instance, &mut outputs, |outputs| subjects(outputs, KEEN).len() >= wanted);
        instance.kill();
        instance.start();
        instance.wait_for("caught up");
    }
    // Two accounts that have each looked once are one customer who has looked twice, by an operator's word; and not any more.
    look_once(&servers, &topic, &["linked-1", "linked-2"]);
    std::thread::sleep(Duration::from_secs(2));
    assert!(!subjects(&outputs, KEEN).contains("user:linked-1"));
    operator(&instance, &["link", "user:linked-1", "user:linked-2"]);
    let is_told = |outputs: &Outputs| subjects(outputs, KEEN).contains("user:linked-1");
    wait(&mut instance, &mut outputs, is_told);
    operator(&instance, &["unlink", "user:linked-2", "user:linked-1"]);
    wait(&mut instance, &mut outputs, |outputs| {
        let mut lines = outputs.lines[Stream::Segments as usize].iter();
        lines.any(|line| line.subject == "user:linked-1" && line.kind.ends_with("segment.left"))
    });
    assert!(traffic.wait().unwrap().success());
    std::thread::sleep(Duration::from_secs(3));
    instance.terminate();
    let outputs = Outputs::all(&servers, &instance.name);
    outputs.hold();
    let journeys = outputs.lines[Stream::Journeys as usize].iter();
    let carried = journeys.filter(|line| line.kind.ends_with("journey.carried")).count();
    println!("{carried} instances went on under another person");
    assert!(carried > 0);
    disk_is_lost(&servers, &mut instance, &outputs);
}
