//! How clients are set up: what librdkafka takes, and what is refused before anything is sent.

use crate::broker::{Real, name};
use kairos::broker::kafka::Kafka;
use kairos::broker::{Broker, BrokerError, Message, Topic};

fn new(properties: &[(&str, &str)]) -> Result<Kafka, BrokerError> {
    let mut all = vec![("bootstrap.servers".to_string(), "127.0.0.1:1".to_string())];
    all.extend(properties.iter().map(|(key, value)| ((*key).to_string(), (*value).to_string())));
    Kafka::new(&all)
}

#[test]
fn encryption_and_passwords_are_built_in() {
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let result = new(&[
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", mechanism),
            ("sasl.username", "kairos"),
            ("sasl.password", "secret"),
        ]);
        assert!(result.is_ok(), "{mechanism}: {:?}", result.err());
    }
    assert!(new(&[("security.protocol", "SSL")]).is_ok());
    assert!(new(&[("compression.type", "zstd")]).is_ok());
    assert!(new(&[("compression.type", "gzip")]).is_ok());
}

/// To fetch tokens by OpenID Connect needs a librdkafka with curl: who asks for that learns it at the start. Those of a file
/// are in `tokens.rs`.
#[test]
fn oauth_with_openid_connect_is_refused() {
    let oauth = [("security.protocol", "SASL_SSL"), ("sasl.mechanism", "OAUTHBEARER")];
    let plain = new(&oauth);
    assert!(plain.is_ok(), "{:?}", plain.err());
    let oidc = [
        oauth[0],
        oauth[1],
        ("sasl.oauthbearer.method", "oidc"),
        ("sasl.oauthbearer.client.id", "kairos"),
        ("sasl.oauthbearer.client.secret", "secret"),
        ("sasl.oauthbearer.token.endpoint.url", "https://127.0.0.1:1/token"),
    ];
    let error = new(&oidc).err().expect("it needs curl");
    assert!(matches!(error, BrokerError::Refused { .. }), "{error}");
    // Which of its properties is found first differs from run to run.
    assert!(error.to_string().contains("sasl.oauthbearer."), "{error}");
}

#[test]
fn a_wrong_property_is_named_and_its_value_is_not() {
    for properties in [[("sasl.pasword", "top-secret")], [("check.crcs", "top-secret")]] {
        let error = new(&properties).err().expect("it is wrong").to_string();
        assert!(error.contains(properties[0].0), "{error}");
        assert!(!error.contains("top-secret"), "{error}");
    }
    let error = Kafka::new(&[]).err().expect("nobody to connect to").to_string();
    assert!(error.contains("bootstrap.servers"), "{error}");
}

#[test]
fn properties_reach_producers_and_too_large_is_refused() {
    let real = Real::new();
    let topic = name();
    let wanted = Topic {
        name: topic.clone(),
        partitions: 1,
        replication: 1,
        settings: vec![("max.message.bytes".into(), "2000".into())],
    };
    real.kafka.ensure(&[wanted]).unwrap();
    let message = |payload| Message {
        topic: &topic,
        partition: Some(0),
        timestamp: None,
        key: None,
        payload: Some(payload),
        headers: &[],
    };
    let mut producer = real.kafka.producer(&name()).unwrap();
    producer.send(message(&[7; 1000])).unwrap();
    producer.commit().unwrap();
    producer.send(message(&[7; 5000])).unwrap();
    let error = producer.commit().unwrap_err();
    assert!(matches!(error, BrokerError::Refused { .. }), "the broker refuses: {error}");
    // The client already refuses what is larger than its own limit.
    let mut producer = real.kafka.producer(&name()).unwrap();
    let error = producer.send(message(&[7; 2_000_000])).unwrap_err();
    assert!(matches!(error, BrokerError::Refused { .. }), "the client refuses: {error}");
}
