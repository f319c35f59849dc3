//! Why somebody got a message, asked of an instance on the command line and over HTTP, while it runs and after a kill.

use crate::cluster::Cluster;
use crate::identity::{PACK, at_the_edge, look_once, operator, wait};
use crate::instance::{Instance, KAIROS};
use crate::outputs::Outputs;
use crate::shop::topic;
use kairos::sink::Stream;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

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
    let path = format!("/v1/persons/{person}/explanation?journey=keen");
    let (status, body) = instance.get(&path);
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// What there is to say of one who was sent a message, whoever it was linked to.
fn hold(said: &Value) {
    assert_eq!(said["answer"]["reason"], "sent", "{said}");
    let ids = said["identifiers"].as_array().unwrap();
    assert!(ids.contains(&"user:one".into()) && ids.contains(&"user:two".into()), "{said}");
    assert_eq!(said["state"]["facts"]["views"], 2);
}

/// Two accounts that have each looked once are one customer who has looked twice, once an operator has said so.
#[test]
fn an_instance_is_asked_why_while_it_runs_and_after_a_kill() {
    let servers = Cluster::shared().servers();
    let topic = topic(&servers);
    let mut instance = at_the_edge(&servers, &topic, PACK);
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
