//! Why somebody got a message, asked of an instance on the command line and over HTTP, while it runs and after a kill.

use crate::broker::name;
use crate::cluster::Cluster;
use crate::identity::{look_once, operator, wait};
use crate::instance::{Instance, KAIROS};
use crate::outputs::Outputs;
use crate::shop::topic;
use kairos::sink::Stream;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

/// Two accounts that have each looked once are one customer who has looked twice, once an operator has said so.
const PACK: &str = "\
identity: { identifiers: [user, email, anonymous] }
facts: { views: { count: Product Viewed } }
segments: { keen: views >= 2 }
journeys:
  keen:
    enter: { entered: keen }
    steps: [ { send: { channel: push, template: keen, with: { views: views } } } ]
";

/// What the command says.
fn told(instance: &Instance, person: &str) -> Value {
    let said = Command::new(KAIROS)
        .args(["explain", person, "--journey", "keen", "--json", "--config"])
        .arg(instance.config_file())
        .output()
        .unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    serde_json::from_slice(&said.stdout).unwrap()
}

/// What is said over HTTP.
fn served(instance: &mut Instance, person: &str) -> Value {
    let mut stream = TcpStream::connect(instance.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let request = format!(
        "GET /v1/persons/{person}/explanation?journey=keen HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(&head[9..12], "200", "{text}");
    serde_json::from_str(body).unwrap()
}

/// What there is to say of one who was sent a message, whoever it was linked to.
fn hold(said: &Value) {
    assert_eq!(said["answer"]["reason"], "sent", "{said}");
    let ids = said["identifiers"].as_array().unwrap();
    assert!(ids.contains(&"user:one".into()) && ids.contains(&"user:two".into()), "{said}");
    assert_eq!(said["state"]["facts"]["views"], 2);
}

#[test]
fn an_instance_is_asked_why_while_it_runs_and_after_a_kill() {
    let servers = Cluster::shared().servers();
    let topic = topic(&servers);
    let mut instance = Instance::new(&servers, &topic, &name());
    (instance.slack_ms, instance.step_ms, instance.workers) = (500, 1_000, 2);
    instance.http = "127.0.0.1:0".into();
    instance.write_pack(PACK);
    instance.start();
    instance.wait_for("caught up");
    let mut outputs = Outputs::of(&servers, &instance.name);
    look_once(&servers, &topic, &["one", "two", "three"]);
    let entered = |outputs: &Outputs| outputs.lines[Stream::Decisions as usize].len();
    std::thread::sleep(Duration::from_secs(2));
    let said = told(&instance, "user:one");
    assert_eq!(said["answer"]["reason"], "segment", "{said}");
    operator(&instance, &["link", "user:one", "user:two"]);
    wait(&mut instance, &mut outputs, |outputs| entered(outputs) == 1);
    hold(&told(&instance, "user:one"));
    hold(&served(&mut instance, "user:two"));
    instance.kill();
    hold(&told(&instance, "user:two"));
    instance.start();
    instance.wait_for("caught up");
    hold(&served(&mut instance, "user:one"));
    look_once(&servers, &topic, &["three"]);
    wait(&mut instance, &mut outputs, |outputs| entered(outputs) == 2);
    instance.terminate();
    Outputs::all(&servers, &instance.name).hold();
}
