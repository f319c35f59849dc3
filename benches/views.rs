//! Reading persons while a worker hands them over: what handing over costs, and how long a read takes, directly and over
//! HTTP on a connection that is kept, with a writer that touches 100,000 persons a second beside it.
//!
//! Isolates views and the HTTP side from the engine: the persons have lived through generated traffic beforehand, and the
//! writer does nothing but hand them over. Pacing is by sleeping a millisecond, so the writer comes in bursts, as epochs do.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "sizes are set by variables, it takes the time, it reports, and it cannot go on after an error"
)]

#[path = "support/pack.rs"]
mod pack;
#[path = "support/size.rs"]
mod size;
#[path = "support/traffic.rs"]
mod traffic;

use hdrhistogram::Histogram;
use kairos::define::plan::Plan;
use kairos::epoch::Span;
use kairos::metrics::Metrics;
use kairos::metrics::outputs::Outputs;
use kairos::person::Person;
use kairos::person::keyed::Keyed;
use kairos::person::views::{Bounds, Keeper, Views};
use kairos::serve::{ServeConfig, Server, Shared};
use kairos::sink::Labels;
use kairos::sink::facts::write_person;
use kairos::time::clock::System;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::Xxh3;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Persons touched in each millisecond.
const TOUCHED: usize = 100;

fn main() {
    let (customers, events) =
        (size::size("CUSTOMERS", 200, 50_000), size::size("EVENTS", 2_000, 500_000));
    let reads = size::size("READS", 200, 100_000);
    let plan = traffic::retail();
    let (persons, end) = live(&plan, customers, events);
    let views = Arc::new(Views::new(Bounds::default(), 1));
    let mut keeper = Keeper::new(views.clone(), plan.fingerprint);

    let start = Instant::now();
    let rounds = 4;
    for _ in 0..rounds {
        persons.iter().for_each(|person| keeper.touched(person, end));
    }
    let touching = start.elapsed().as_secs_f64() / (rounds * persons.len()) as f64;
    println!(
        "views: {} persons of {} bytes packed; handing one over takes {:.2} µs",
        views.len(),
        views.bytes() / views.len() as u64,
        touching * 1e6
    );

    let (mut out, mut hash) = (Vec::new(), Xxh3::new());
    let direct = beside_writer(&mut keeper, &persons, end, || {
        measure(&persons, reads, |person| {
            out.clear();
            let view = views.get(&person.id).unwrap();
            write_person(&mut out, &plan, &view.person(), end);
        })
    });
    report("direct read", &direct);
    for person in &persons {
        out.clear();
        write_person(&mut out, &plan, &views.get(&person.id).unwrap().person(), end);
        hash.update(&out);
    }

    let server = serve(&plan, &views);
    let mut connection = BufReader::new(TcpStream::connect(server.address()).unwrap());
    connection.get_ref().set_nodelay(true).unwrap();
    let over_http = beside_writer(&mut keeper, &persons, end, || {
        measure(&persons, reads / 5, |person| request(&mut connection, &person.id))
    });
    report("read over HTTP", &over_http);
    drop(connection);
    server.stop();
    println!("views: hash {:016x}", hash.digest());
}

/// Persons after generated traffic, and the instant at which it ends.
fn live(plan: &Arc<Plan>, customers: u64, events: u64) -> (Vec<Person>, i64) {
    let mut events: Vec<_> =
        traffic::traffic(plan, customers, events).into_iter().map(|(_, event)| event).collect();
    let mut keyed = Keyed::new(plan.clone(), 3_600_000, None);
    let (begin, end) = (events[0].time, events.last().unwrap().time + 1);
    keyed.epoch(&mut events, Span { begin, end, clock: i64::MIN }, &mut |_, _, _| {});
    let mut persons: Vec<Person> = keyed.persons().collect();
    persons.sort_by(|a, b| a.id.cmp(&b.id));
    (persons, end)
}

/// Does something while a thread touches persons.
fn beside_writer<T>(
    keeper: &mut Keeper,
    persons: &[Person],
    end: i64,
    work: impl FnOnce() -> T,
) -> T {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut turn = persons.iter().cycle();
            while !stop.load(Ordering::Acquire) {
                turn.by_ref().take(TOUCHED).for_each(|person| keeper.touched(person, end));
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let done = work();
        stop.store(true, Ordering::Release);
        done
    })
}

/// Nanoseconds of single reads, of persons far from one another.
fn measure(persons: &[Person], reads: u64, mut read: impl FnMut(&Person)) -> Histogram<u64> {
    let mut times = Histogram::new(3).unwrap();
    for n in 0..reads as usize {
        let person = &persons[n * 7_919 % persons.len()];
        let start = Instant::now();
        read(person);
        times.record(start.elapsed().as_nanos() as u64).unwrap();
    }
    times
}

fn report(what: &str, times: &Histogram<u64>) {
    let at = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "views: {what}: p50 {:.1} µs, p99 {:.1} µs, p99.9 {:.1} µs, max {:.1} µs",
        at(0.5),
        at(0.99),
        at(0.999),
        times.max() as f64 / 1e3
    );
}

fn serve(plan: &Arc<Plan>, views: &Arc<Views>) -> Server {
    let labels = Arc::new(Labels::new(plan));
    let counts = vec![0; labels.len()];
    let outputs = Outputs::new(plan.clone(), labels, Box::new(move || counts.clone()));
    let metrics = Arc::new(Metrics::new(Arc::new(System::new()), 1));
    let shared = Arc::new(Shared::new(metrics, views.clone(), outputs));
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    Server::start(ServeConfig { address, token: None }, shared).unwrap()
}

/// One request on a connection that is kept.
fn request(connection: &mut BufReader<TcpStream>, id: &str) {
    let request = format!("GET /v1/persons/{id} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes()).unwrap();
    let (mut line, mut length, mut first) = (String::new(), 0, true);
    loop {
        line.clear();
        connection.read_line(&mut line).unwrap();
        assert!(!first || line.starts_with("HTTP/1.1 200 "), "{line}");
        first = false;
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).unwrap();
}
