//! Headers whose names are no UTF-8: nothing a topic can send ends the program.

use crate::broker::name;
use crate::cluster::Cluster;
use crate::instance::{Instance, PATIENCE};
use crate::live::{PACK, SEEN, subjects};
use crate::outputs::Outputs;
use crate::shop::topic;
use kairos::sink::Stream;
use kairos::time::clock::{Clock, System};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::collections::BTreeSet;
use std::time::Duration;

/// Appends a view of a product by a person, as a binary CloudEvent with one more header.
#[expect(unsafe_code, reason = "no client of Rust's writes such a name otherwise")]
fn view(servers: &str, topic: &str, person: &str, more: &[u8]) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", servers).create().unwrap();
    // SAFETY: it is only handed on to librdkafka, by its address and length.
    let more = unsafe { std::str::from_utf8_unchecked(more) };
    let mut headers = OwnedHeaders::new();
    for (key, value) in [
        ("ce_specversion", "1.0"),
        ("ce_id", person),
        ("ce_source", "shop"),
        ("ce_type", "Product Viewed"),
        (more, "1"),
        ("ce_subject", person),
    ] {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    let record = BaseRecord::<[u8], [u8]>::to(topic).partition(0).payload(b"{}").headers(headers);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_secs(10)).unwrap();
}

/// Runs an instance over the topic until so many lines are there.
fn run(servers: &str, topic: &str, input: &str, lines: usize) -> Outputs {
    let mut instance = Instance::new(servers, topic, &name());
    instance.input = input.into();
    instance.write_pack(PACK);
    instance.start();
    let mut outputs = Outputs::of(servers, &instance.name);
    let clock = System::new();
    while outputs.look() < lines && clock.now() < PATIENCE {
        instance.runs();
    }
    instance.wait_for("caught up");
    instance.terminate();
    Outputs::all(servers, &instance.name)
}

fn people(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| format!("user:{name}")).collect()
}

#[test]
fn a_header_whose_name_is_not_utf8_is_passed_over_or_refused_and_what_follows_flows() {
    let servers = Cluster::shared().servers();
    let topic = topic(&servers);
    view(&servers, &topic, "anna", b"trace");
    view(&servers, &topic, "bert", b"caf\xe9");
    view(&servers, &topic, "carl", b"trace");
    // Each is entered, reached, decided, sent and exited.
    let outputs = run(&servers, &topic, "format = \"cloudevents\"", 15);
    assert_eq!(subjects(&outputs, SEEN), people(&["anna", "bert", "carl"]));
    assert!(outputs.lines[Stream::Rejects as usize].is_empty());

    let mapping = "format = \"mapping\"\n[input.mapping]\nevent = \"headers.ce_type\"\n\
                   user_id = \"headers.ce_subject\"";
    let outputs = run(&servers, &topic, mapping, 11);
    assert_eq!(subjects(&outputs, SEEN), people(&["anna", "carl"]));
    let rejects = &outputs.lines[Stream::Rejects as usize];
    assert_eq!(rejects.len(), 1);
    assert!(rejects[0].data.contains("in the name of a header"), "{:?}", rejects[0]);
}
