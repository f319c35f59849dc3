//! A product that a million persons have looked at becomes cheaper: how long it takes until all of them have heard, and how long
//! other decisions wait meanwhile.
//!
//! Epochs follow one another as in a live run; in each, some persons order, and each order is answered by a message. First
//! without anything else, then while the million is told. What is measured is one worker's persons, without input and output.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it reads the clock and reports"
)]

#[path = "support/counting.rs"]
mod counting;
#[path = "support/pack.rs"]
mod pack;
#[path = "support/size.rs"]
mod size;

use kairos::decode::Decoder;
use kairos::define::ast::SourceFile;
use kairos::epoch::Span;
use kairos::event::{Event, Origin};
use kairos::person::Effect;
use kairos::person::keyed::Keyed;
use kairos::sim::rng::Rng;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const PACK: &str = "\
catalogue:
  tell:
    Price Dropped: { to: [viewed], when: event.price < before.price }
facts:
  viewed: { recent: Product Viewed, of: event.product_id, keep: 20 }
journeys:
  cheaper:
    enter: { on: Price Dropped, where: event.price <= event.before.price * 0.9, per: product_id }
    steps: [ { send: { channel: email, template: cheaper, with: { price: entry.price } } } ]
  thanks:
    enter: { on: Order Completed, again: always }
    steps: [ { send: { channel: push, template: thanks } } ]
";

const START: i64 = 1_780_000_000_000;

struct Bench {
    keyed: Keyed,
    decoder: Decoder,
    now: i64,
    line: u64,
    sent: u64,
    told: u64,
}

impl Bench {
    fn event(&mut self, name: &str, who: u64, properties: &str) -> Event {
        self.line += 1;
        let (at, origin) = (self.now, Origin { source: 0, position: self.line });
        let line = format!(
            r#"{{"event":"{name}","userId":"u{who}","timestamp":{at},"properties":{{{properties}}}}}"#
        );
        self.decoder.decode(line.as_bytes(), origin).expect("an event")
    }

    /// One epoch, and how long it took.
    fn epoch(&mut self, mut events: Vec<Event>) -> f64 {
        let span = Span { begin: self.now, end: self.now + 5, clock: i64::MIN };
        self.now += 5;
        let start = Instant::now();
        let (mut sent, mut told) = (0, 0);
        self.keyed.epoch(&mut events, span, &mut |_, _, effects| {
            for effect in effects.iter() {
                match effect {
                    Effect::Decision(decision) if decision.key.is_some() => told += 1,
                    Effect::Decision(_) => sent += 1,
                    _ => {}
                }
            }
        });
        self.keyed.take_pairs();
        self.keyed.take_addressed(0);
        self.sent += sent;
        self.told += told;
        start.elapsed().as_secs_f64() * 1e3
    }
}

fn percentiles(mut times: Vec<f64>) -> String {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    format!("p50 {:.2} ms, p99 {:.2} ms, at most {:.2} ms", at(0.5), at(0.99), at(1.0))
}

fn main() {
    let persons = size::size("PERSONS", 20_000, 1_000_000);
    let orders = size::size("ORDERS", 20, 20);
    let plan = pack::plan(&[SourceFile { path: "bench.yaml".into(), text: PACK.into() }]);
    let before = counting::held();
    let mut bench = Bench {
        keyed: Keyed::new(plan.clone(), 3_600_000, None),
        decoder: Decoder::new(&plan.inputs),
        now: START,
        line: 0,
        sent: 0,
        told: 0,
    };
    let record = bench.event("Product Updated", 0, r#""product_id":"coat","price":100"#);
    bench.epoch(vec![record]);
    let mut views = 0;
    while views < persons {
        let most = (views + 1_000).min(persons);
        let events = (views..most)
            .map(|who| bench.event("Product Viewed", who, r#""product_id":"coat""#))
            .collect();
        bench.epoch(events);
        views = most;
    }
    let held = (counting::held() - before) as f64 / persons as f64;
    let mut rng = Rng::new(5);
    let mut order = |bench: &mut Bench, more: Option<Event>| {
        let mut events: Vec<Event> = (0..orders)
            .map(|_| bench.event("Order Completed", rng.below(persons), r#""total":10"#))
            .collect();
        events.extend(more);
        bench.epoch(events)
    };
    let alone: Vec<f64> = (0..300).map(|_| order(&mut bench, None)).collect();
    let cheaper = bench.event("Product Updated", 0, r#""product_id":"coat","price":80"#);
    let start = Instant::now();
    order(&mut bench, Some(cheaper));
    let mut meanwhile = Vec::new();
    while bench.told < persons {
        meanwhile.push(order(&mut bench, None));
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "catalogue: {persons} persons ({held:.0} bytes each) told of one price in {seconds:.2} s, {:.0}/s, {} epochs; an epoch of \
         {orders} orders alone: {}; meanwhile: {}",
        persons as f64 / seconds,
        meanwhile.len(),
        percentiles(alone),
        percentiles(meanwhile),
    );
    assert_eq!(bench.told, persons, "everybody hears once");
}
