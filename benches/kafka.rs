//! The whole of Kairos on a real Apache Kafka, broker, load and engine on one machine.
//!
//! **Latency**: an open loop. Each event has an instant at which it is due to be sent, and carries it as its timestamp; what
//! is sent late counts as late. One event in twenty is an order, and each order gives a trigger; another journey waits a
//! second. Measured is from the order's instant, or the timer's deadline and the slack, to the moment at which a reader of
//! committed records has the trigger. A first run only warms the broker up: in its first minute, beside all the rest on two
//! cores, records wait for it, partly while its virtual machine compiles. A trigger of an event later than the slack bears a
//! later time than the event, so that figures about the slack and above it are too small.
//!
//! **Backlog**: events are there before Kairos starts. Measured is from its start to the commit of the last one. There are
//! two. `shop` is a shop's traffic as `kairos generate` makes it, without faults: 700 bytes an event, a million customers of
//! whom a quarter comes within two days, seven to eight events a visit, among them carts and orders; under a pack like that
//! with which other engines were measured: sessions, an abandoned cart, a cap, a segment over a window of 24 hours. `sparse`
//! is made to hurt: the traffic of the latency runs, in which nearly every event is a visit of its own, so that there is
//! more to write than to read.
//!
//! A rate, or a number of events, of 0 leaves its part out.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it reads the clock and reports"
)]

#[path = "../tests/kafka/cluster.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "a benchmark kills no broker; the file is that of the tests, which may unwrap"
)]
mod cluster;
#[path = "support/size.rs"]
mod size;

use cluster::Cluster;
use hdrhistogram::Histogram;
use kairos::broker::kafka_plain::PlainProducer;
use kairos::broker::{Broker, Feed, Partition, Topic};
use kairos::epoch::log::Record;
use kairos::sim::generate::live::key;
use kairos::sim::generate::{Config, Faults, Generator};
use kairos::time;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PACK: &str = "\
facts:
  orders: { count: Order Completed }
  viewed: { count: Product Viewed, over: 24h }
journeys:
  thanks:
    enter: { on: Order Completed, per: order_id, again: always }
    steps: [ { send: { channel: push, template: thanks, with: { orders: orders } } } ]
  later:
    enter: { on: Order Completed, per: order_id, again: always }
    steps: [ { wait: 1s }, { send: { channel: push, template: later, with: { viewed: viewed } } } ]
sessions: { gap: 30m }
policy: { time_zone: UTC }
";

const SHOP: &str = "\
facts:
  coats: { count: Product Viewed, where: event.category == \"winter coats\", over: 24h }
  cart: { basket: Product Added, minus: Product Removed, until: Order Completed, of: event.product_id,
          price: event.price, quantity: event.quantity, per: cart_id }
segments: { coat-browsers: coats >= 3 }
journeys:
  abandoned-cart:
    enter: { on: Product Added, per: cart_id }
    exit: [ { on: Order Completed, goal: true } ]
    steps:
      - wait: { quiet_for: 1h, of: [ Product Added, Product Removed ] }
      - send: { channel: email, template: cart-reminder, with: { products: cart.product_ids, value: cart.value } }
sessions: { gap: 30m }
policy: { time_zone: UTC, caps: [ { channel: email, max: 1, over: 1d } ] }
";

const SLACK: i64 = 1_000;
const PARTITIONS: i32 = 8;
const PERSONS: u64 = 100_000;

fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

/// Line `n` of about 680 bytes, with its key.
fn event(n: u64, at: i64) -> (String, String) {
    let person = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % PERSONS + 1;
    let (name, more) = match n % 20 {
        0 => ("Order Completed", format!("\"order_id\":\"o{n}\",\"total\":120.5")),
        _ => ("Product Viewed", format!("\"product_id\":\"p{}\",\"price\":12.5", n % 5_000)),
    };
    let key = format!("user:{person}");
    let line = format!(
        "{{\"type\":\"track\",\"event\":\"{name}\",\"userId\":\"{person}\",\"messageId\":\"m-{n}\",\
         \"timestamp\":\"{}\",\"properties\":{{{more}}},\"context\":{{\"page\":{{\"path\":\"/some/path\"}},\
         \"userAgent\":\"{:u<420}\"}}}}",
        time::format(at),
        "Mozilla/5.0 (X11; Linux x86_64)"
    );
    (key, line)
}

/// An instance under way; ended with this.
struct Instance {
    process: Child,
    http: String,
    folder: tempfile::TempDir,
}

impl Instance {
    fn start(cluster: &Cluster, name: &str, topic: &str, pack: &str, more: &str) -> Instance {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("pack")).expect("a folder can be made");
        fs::write(folder.path().join("pack/pack.yaml"), pack).expect("a file can be written");
        let http = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
        let http = http.expect("a free port").to_string();
        let config = folder.path().join("kairos.toml");
        let workers = size::size("WORKERS", 1, 1);
        let text = format!(
            "[kairos]\nname = \"{name}\"\npack = \"pack\"\nstate = \"state\"\nworkers = {workers}\n\
             [kafka]\nbrokers = [\"{}\"]\n[[input]]\ntopic = \"{topic}\"\n\
             [http]\naddress = \"{http}\"\n[time]\nslack_ms = {SLACK}\n{more}",
            cluster.servers()
        );
        fs::write(&config, text).expect("a file can be written");
        let log = fs::File::create(folder.path().join("log")).expect("a file can be made");
        let process = Command::new(env!("CARGO_BIN_EXE_kairos"))
            .args([Path::new("run"), Path::new("--config"), &config])
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("kairos starts");
        Instance { process, http, folder }
    }

    /// A metric without labels, if the instance answers.
    fn metric(&self, name: &str) -> Option<f64> {
        let mut stream = TcpStream::connect(&self.http).ok()?;
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.http);
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let line = text.lines().find(|line| line.split(' ').next() == Some(name))?;
        line.split(' ').nth(1)?.parse().ok()
    }

    fn wait_for(&self, name: &str, least: f64) {
        let begun = Instant::now();
        while self.metric(name).is_none_or(|value| value < least) {
            assert!(
                begun.elapsed() < Duration::from_secs(600),
                "{name} < {least}:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The most memory that it has had, in MiB.
    fn peak(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kib.unwrap_or(0.0) / 1024.0
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn topic(cluster: &Cluster, name: &str, partitions: i32) {
    let settings = vec![("retention.ms".to_owned(), "-1".to_owned())];
    let topic = Topic { name: name.to_owned(), partitions, replication: 1, settings };
    cluster.kafka().ensure(&[topic]).expect("a topic can be made");
}

fn producer(cluster: &Cluster) -> PlainProducer {
    let properties = [("bootstrap.servers", cluster.servers()), ("linger.ms", "5".to_owned())];
    let properties = properties.map(|(name, value)| (name.to_owned(), value));
    PlainProducer::new(&properties).expect("a producer")
}

/// Sends an event, however long the client's buffer is full.
fn send(producer: &PlainProducer, topic: &str, key: &[u8], line: &[u8], at: i64) {
    while !producer.send(topic, Some(key), line, at).expect("it is taken") {
        producer.poll(Duration::from_millis(1));
    }
}

/// Readers of all partitions of a topic, from its end or its beginning on.
fn feeds(cluster: &Cluster, topic: &str, from_end: bool) -> Vec<Box<dyn Feed>> {
    let kafka = cluster.kafka();
    let numbers = kafka.partitions(topic).expect("the topic is there");
    let partitions: Vec<Partition> =
        numbers.into_iter().map(|number| Partition { topic: topic.into(), number }).collect();
    let offsets = if from_end { kafka.ends(&partitions) } else { kafka.starts(&partitions) };
    let from: Vec<_> = partitions.into_iter().zip(offsets.expect("offsets")).collect();
    kafka.feeds(&from, true).expect("feeds")
}

/// Reads triggers until told to stop: milliseconds of orders, and of timers beyond their deadline and the slack.
fn read(cluster: &Cluster, topic: &str, stop: &AtomicBool) -> [Histogram<u64>; 2] {
    let mut feeds = feeds(cluster, topic, true);
    let mut found = [(); 2].map(|()| Histogram::<u64>::new(3).expect("sound"));
    while !stop.load(Ordering::Acquire) {
        let mut any = 0;
        for feed in &mut feeds {
            any += feed
                .poll(&mut |record| {
                    let now = wall();
                    let header = record.headers.iter().find(|(name, _)| *name == b"ce_time");
                    let text = header.and_then(|(_, value)| *value).unwrap_or_default();
                    let at = std::str::from_utf8(text).ok().and_then(time::parse).expect("a time");
                    let later =
                        memchr::memmem::find(record.payload.unwrap_or_default(), b"\"later\"");
                    let (which, since) = if later.is_some() { (1, at + SLACK) } else { (0, at) };
                    found[which].saturating_record((now - since).max(0) as u64);
                    ControlFlow::Continue(())
                })
                .expect("triggers can be read");
        }
        if any == 0 {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    found
}

fn latency(cluster: &Cluster, name: &str, rate: u64, seconds: u64) {
    let input = format!("{name}-events");
    topic(cluster, &input, PARTITIONS);
    let instance = Instance::start(cluster, name, &input, PACK, "");
    instance.wait_for("kairos_caught_up", 1.0);
    let stop = AtomicBool::new(false);
    let triggers = format!("{name}.triggers");
    let producer = producer(cluster);
    let found = std::thread::scope(|scope| {
        let reader = scope.spawn(|| read(cluster, &triggers, &stop));
        std::thread::sleep(Duration::from_millis(500));
        let (begun, wall_then) = (Instant::now(), wall());
        for n in 0..rate * seconds {
            let due = Duration::from_nanos(n * 1_000_000_000 / rate);
            while begun.elapsed() < due {
                std::thread::sleep(Duration::from_micros(200));
            }
            // Costs a millisecond or more, which would set the load's pace.
            if n % 256 == 0 {
                producer.poll(Duration::ZERO);
            }
            let at = wall_then + due.as_millis() as i64;
            let (key, line) = event(n, at);
            send(&producer, &input, key.as_bytes(), line.as_bytes(), at);
        }
        producer.flush(Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(2_500));
        stop.store(true, Ordering::Release);
        reader.join().expect("the reader ends well")
    });
    for (what, found) in ["order to trigger", "timer beyond deadline and slack"].iter().zip(&found)
    {
        println!(
            "kafka: {name}: {rate} events/s for {seconds} s, {what}: {} triggers, ms: p50 {}, p90 {}, p99 {}, max {}",
            found.len(),
            found.value_at_quantile(0.5),
            found.value_at_quantile(0.9),
            found.value_at_quantile(0.99),
            found.max()
        );
        let mean = |name: &str| {
            let of = |what: &str| instance.metric(&format!("kairos_{name}_seconds_{what}"));
            1_000.0 * of("sum").unwrap_or(0.0) / of("count").unwrap_or(1.0).max(1.0)
        };
        println!(
            "kafka: the instance says, mean ms: event to trigger {:.1}, epoch {:.1}, transaction {:.1}",
            mean("event_to_trigger"),
            mean("epoch"),
            mean("transaction")
        );
        let orders = (rate * seconds).div_ceil(20);
        assert_eq!(found.len(), orders, "each order gives one of each:\n{}", instance.log());
    }
}

/// What is sent before Kairos starts: keys, lines and times, one after the other.
type Traffic = Box<dyn FnMut(&mut Vec<u8>, &mut Vec<u8>) -> Option<i64>>;

/// Hours over which a backlog is spread, up to a while ago.
const OVER: i64 = 47;

fn shop(events: u64, start_ms: i64) -> Traffic {
    let over_ms = OVER * 3_600_000;
    let (customers, faults) = (1_000_000, Faults::none());
    let config = Config { customers, events, start_ms, over_ms, faults, ..Config::default() };
    let mut generator = Generator::new(config);
    Box::new(move |id, line| {
        let at = generator.next_into(line)?;
        line.pop();
        key(line, id);
        Some(at)
    })
}

fn sparse(events: u64, start_ms: i64) -> Traffic {
    let mut numbers = 0..events;
    Box::new(move |id, line| {
        let n = numbers.next()?;
        let at = start_ms + (u128::from(n) * OVER as u128 * 3_600_000 / u128::from(events)) as i64;
        let (key, text) = event(n, at);
        id.extend_from_slice(key.as_bytes());
        line.extend_from_slice(text.as_bytes());
        Some(at)
    })
}

/// Writes a backlog; gives the bytes of all events together.
fn fill(cluster: &Cluster, input: &str, mut traffic: Traffic) -> usize {
    topic(cluster, input, PARTITIONS);
    let producer = producer(cluster);
    let (mut id, mut line, mut bytes) = (Vec::new(), Vec::new(), 0);
    for n in 0.. {
        id.clear();
        line.clear();
        let Some(at) = traffic(&mut id, &mut line) else { break };
        bytes += line.len();
        send(&producer, input, &id, &line, at);
        if n % 256 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    assert_eq!(producer.flush(Duration::from_secs(60)), 0, "all events are there");
    bytes
}

/// Lines that an instance has written, as its log says.
fn lines(cluster: &Cluster, name: &str) -> u64 {
    let mut lines = 0;
    for feed in &mut feeds(cluster, &format!("{name}.epochs"), false) {
        let begun = Instant::now();
        // The first records come after a moment; then they come one after the other.
        while lines == 0 || begun.elapsed() < Duration::from_secs(2) {
            feed.poll(&mut |record| {
                let entry = Record::from_bytes(record.payload.unwrap_or_default());
                if let Record::Transaction(entry) = entry.expect("a record of the log") {
                    lines += entry.lines;
                }
                ControlFlow::Continue(())
            })
            .expect("the log can be read");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    lines
}

fn backlog(cluster: &Cluster, name: &str, events: u64, pack: &str, traffic: Traffic) {
    let input = format!("{name}-events");
    let bytes = fill(cluster, &input, traffic);
    let begun = Instant::now();
    let more = "backlog = \"history\"\nstep_ms = 10000\n";
    let instance = Instance::start(cluster, name, &input, pack, more);
    instance.wait_for("kairos_events_taken_total", events as f64);
    let took = begun.elapsed().as_secs_f64();
    let peak = instance.peak();
    let epochs = instance.metric("kairos_epochs_total").unwrap_or(f64::NAN);
    println!(
        "kafka: {name}: backlog of {events} events of {} bytes drained in {took:.1} s, {:.0} events/s, start included; \
         {:.0} events an epoch; {:.2} outputs an event; {peak:.0} MiB at most",
        bytes as u64 / events,
        events as f64 / took,
        events as f64 / epochs,
        lines(cluster, name) as f64 / events as f64
    );
}

fn main() {
    let cluster = Cluster::start(1);
    let seconds = size::size("SECONDS", 2, 30);
    let rates = [size::size("RATE", 200, 5_000), size::size("RATE2", 400, 20_000)];
    let rates: Vec<u64> = rates.into_iter().filter(|rate| *rate > 0).collect();
    if let Some(most) = rates.last() {
        latency(&cluster, "warm-up", *most, size::size("WARM_UP", 1, 60));
    }
    for rate in rates {
        latency(&cluster, &format!("live-{rate}"), rate, seconds);
    }
    let events = size::size("EVENTS", 20_000, 3_000_000);
    if events > 0 {
        let start = wall() - (OVER + 1) * 3_600_000;
        backlog(&cluster, "shop", events, SHOP, shop(events, start));
        backlog(&cluster, "sparse", events, PACK, sparse(events, start));
    }
}
