//! Logins by OAUTHBEARER: tokens from a file, which somebody else keeps fresh, at a listener that lets nobody in without one
//! and asks again and again. Kafka's own login module takes tokens that nobody has signed.

use crate::broker::name;
use crate::cluster::{Cluster, Listener};
use crate::end_to_end::settle;
use crate::instance::{Instance, PATIENCE};
use crate::shop::{Shop, topic};
use kairos::broker::kafka::Kafka;
use kairos::broker::{Broker, BrokerError, Message, Partition};
use kairos::time::clock::{Clock, System};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Seconds that a token is good for, and between two tokens.
const LIFE: i64 = 8;
const FRESH: u64 = 2;

fn listener() -> Listener {
    let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
    let of = "listener.name.tokens";
    let settings = format!(
        "{of}.sasl.enabled.mechanisms=OAUTHBEARER\n\
         {of}.oauthbearer.connections.max.reauth.ms=4000\n\
         {of}.oauthbearer.sasl.jaas.config={module} required unsecuredLoginStringClaim_sub=\"broker\";"
    );
    let host = "127.0.0.1".into();
    Listener { name: "TOKENS", host, protocol: "SASL_PLAINTEXT", settings }
}

fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for at in 0..=three.len() {
            text.push(char::from(LETTERS[(bits >> (18 - 6 * at)) as usize & 63]));
        }
    }
    text
}

/// Puts a token that expires so many seconds from now in the place of the last one, all at once.
fn write(path: &Path, seconds: i64) {
    let now = System::new().wall() / 1000;
    let claims = format!("{{\"sub\":\"kairos\",\"iat\":{},\"exp\":{}}}", now - 60, now + seconds);
    let token = format!("{}.{}.", base64url(b"{\"alg\":\"none\"}"), base64url(claims.as_bytes()));
    let new = path.with_extension("new");
    fs::write(&new, token).unwrap();
    fs::rename(new, path).unwrap();
}

/// Keeps a token fresh until it is dropped.
struct Agent {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Agent {
    fn of(path: PathBuf) -> Agent {
        write(&path, LIFE);
        let over = Arc::new(AtomicBool::new(false));
        let told = over.clone();
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Acquire) {
                write(&path, LIFE);
                std::thread::park_timeout(Duration::from_secs(FRESH));
            }
        });
        Agent { over, thread: Some(thread) }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            thread.join().unwrap();
        }
    }
}

#[test]
fn a_backlog_is_read_for_longer_than_a_token_is_good() {
    let cluster = Cluster::with(1, Some(&listener()));
    let shop = Shop::open(&cluster.servers(), 20_000);
    let mut instance = Instance::new(&cluster.other_servers(), &shop.topic, &name());
    let token = instance.folder().join("token");
    instance.kafka = "oauth_token_file = \"token\"".into();
    instance.properties = vec![("security.protocol", "SASL_PLAINTEXT".into())];
    instance.slow = true;

    // No token, no start: what is wrong is said, and the token is not.
    write(&token, -1);
    instance.start();
    let (status, _) = instance.end();
    let log = instance.log();
    assert_eq!(status.code(), Some(3), "{log}");
    assert!(log.contains("token holds a token that has expired"), "{log}");
    assert!(!log.contains("eyJ") && !log.contains("e30"), "{log}");

    let agent = Agent::of(token.clone());
    instance.start();
    settle(&cluster.servers(), &shop, &mut instance);
    assert!(!instance.log().contains("no token"), "{}", instance.log());

    rests_for_longer_than_a_token(&cluster, &token);
    drop(agent);
    // Whoever has no token is not let in.
    let nobody = Kafka::new(&properties(&cluster)).unwrap();
    let error = nobody.partitions(&shop.topic).unwrap_err();
    assert!(matches!(error, BrokerError::Unavailable { .. }), "{error}");
}

fn properties(cluster: &Cluster) -> Vec<(String, String)> {
    vec![
        ("bootstrap.servers".into(), cluster.other_servers()),
        ("security.protocol".into(), "SASL_PLAINTEXT".into()),
        ("sasl.mechanism".into(), "OAUTHBEARER".into()),
    ]
}

/// A producer that has had nothing to do while its token expired and the broker closed its connection goes on.
fn rests_for_longer_than_a_token(cluster: &Cluster, token: &Path) {
    let mut properties = properties(cluster);
    properties.push(("sasl.oauthbearer.config".into(), token.to_str().unwrap().into()));
    let kafka = Kafka::new(&properties).unwrap();
    let partition = Partition { topic: topic(&cluster.servers()).into(), number: 0 };
    let mut producer = kafka.producer(&name()).unwrap();
    let mut feed = kafka.feeds(&[(partition.clone(), 0)], false).unwrap().remove(0);
    for round in 1..=2 {
        let message = Message {
            topic: &partition.topic,
            partition: Some(0),
            timestamp: None,
            key: None,
            payload: Some(b"said"),
            headers: &[],
        };
        producer.send(message).and_then(|()| producer.commit()).unwrap();
        let (clock, mut found) = (System::new(), 0);
        while found == 0 {
            found = feed.poll(&mut |_| ControlFlow::Continue(())).unwrap();
            assert!(clock.now() < PATIENCE, "nothing comes in round {round}");
        }
        if round == 1 {
            std::thread::sleep(Duration::from_secs(LIFE as u64 + 1));
        }
    }
}
