//! The generator as its users see it: bytes, times and counts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;

struct Run {
    lines: Vec<Vec<u8>>,
    times: Vec<i64>,
    summary: Summary,
}

fn run(config: &Config) -> Run {
    let mut generator = Generator::new(config.clone());
    let (mut lines, mut times) = (Vec::new(), Vec::new());
    loop {
        let mut line = Vec::new();
        match generator.next_into(&mut line) {
            Some(at) => times.push(at),
            None => break,
        }
        assert_eq!(line.pop(), Some(b'\n'));
        assert!(!line.contains(&b'\n'), "one line at a time");
        lines.push(line);
    }
    assert_eq!(generator.next_into(&mut Vec::new()), None);
    Run { lines, times, summary: generator.summary() }
}

fn config(events: u64) -> Config {
    Config { events, customers: 5_000, faults: Faults::none(), ..Config::default() }
}

fn parsed(line: &[u8]) -> Value {
    serde_json::from_slice(line).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(line));
    })
}

/// The properties of all events of that name in a day of 50,000 lines.
fn events_of(name: &str) -> Vec<Value> {
    let events = run(&config(50_000)).lines.into_iter().map(|line| parsed(&line));
    events.filter(|event| event["event"] == name).map(|event| event["properties"].clone()).collect()
}

fn share(count: u64, of: u64) -> f64 {
    count as f64 / of as f64
}

#[test]
fn the_seed_decides_everything() {
    let config = Config { faults: Faults::default(), ..config(20_000) };
    let (one, two) = (run(&config), run(&config));
    assert_eq!(one.lines, two.lines);
    assert_eq!(one.times, two.times);
    assert_eq!(one.summary, two.summary);
    let other = run(&Config { seed: 2, ..config });
    assert_ne!(one.lines, other.lines);
}

#[test]
fn without_faults_every_line_is_proper_and_in_order() {
    let config = config(50_000);
    let run = run(&config);
    assert_eq!(run.lines.len(), 50_000);
    assert!(run.times.is_sorted());
    assert!(run.times[0] >= config.start_ms);
    assert!(*run.times.last().unwrap() < config.start_ms + config.over_ms);
    let mut ids = BTreeSet::new();
    for (line, at) in run.lines.iter().zip(&run.times) {
        let event = parsed(line);
        let time: jiff::Timestamp = event["timestamp"].as_str().unwrap().parse().unwrap();
        assert_eq!(time.as_millisecond(), *at);
        let time_of =
            |name: &str| -> jiff::Timestamp { event[name].as_str().unwrap().parse().unwrap() };
        assert!(time <= time_of("sentAt") && time_of("sentAt") < time_of("receivedAt"));
        assert!(event["userId"].is_string() || event["anonymousId"].is_string());
        assert!(event["context"]["library"]["name"].is_string());
        assert!(ids.insert(event["messageId"].as_str().unwrap().to_owned()), "unique ids");
    }
    let bytes: usize = run.lines.iter().map(|line| line.len() + 1).sum();
    let mean = bytes as f64 / run.lines.len() as f64;
    assert!((650.0..720.0).contains(&mean), "mean size {mean}");
    assert_eq!(run.summary.by_name.values().sum::<u64>(), 50_000);
    let faults = (run.summary.out_of_order, run.summary.late, run.summary.duplicated);
    assert_eq!((faults, run.summary.malformed.len()), ((0, 0, 0), 0));
}

#[test]
fn the_mix_is_that_of_a_shop() {
    // Long enough for what comes weeks later.
    let run = run(&Config { over_ms: 40 * DAY_MS, ..config(200_000) });
    let count = |name: &str| run.summary.by_name.get(name).copied().unwrap_or(0);
    assert_eq!(run.summary.by_name.len(), Kind::ALL.len(), "{}", run.summary);
    assert!(share(count("Product Viewed") + count("page"), 200_000) > 0.5, "{}", run.summary);
    let bought = share(count("Order Completed"), count("Product Added"));
    assert!((0.1..0.35).contains(&bought), "{}", run.summary);
    let delivered = share(count("Order Delivered"), count("Order Completed"));
    assert!((0.5..0.95).contains(&delivered), "{}", run.summary);
    let mut visits: BTreeMap<String, u64> = BTreeMap::new();
    let mut with_cart = 0;
    for event in run.lines.iter().map(|line| parsed(line)) {
        if let Some(user) = event["userId"].as_str() {
            *visits.entry(user.to_owned()).or_default() += 1;
        }
        let completed = event["event"] == "Order Completed";
        with_cart += u64::from(completed && event["properties"]["cart_id"].is_string());
    }
    assert!((0.64..0.76).contains(&share(with_cart, count("Order Completed"))));
    let known: u64 = visits.values().sum();
    assert!((0.8..0.95).contains(&share(known, 200_000)), "{known} lines with userId");
    let mut counts: Vec<u64> = visits.into_values().collect();
    counts.sort_unstable_by_key(|count| Reverse(*count));
    let top: u64 = counts.iter().take(50).sum();
    assert!((0.1..0.4).contains(&share(top, known)), "1 % of the customers: {top} lines");
    assert!(counts.len() > 3_000, "{} customers came", counts.len());
}

#[test]
fn orders_add_up() {
    let orders = events_of("Order Completed");
    assert!(orders.len() > 200, "{}", orders.len());
    for properties in orders {
        let cents = |value: &Value| (value.as_f64().unwrap() * 100.0).round() as i64;
        let products = properties["products"].as_array().unwrap().iter();
        let sum = products
            .map(|line| cents(&line["price"]) * line["quantity"].as_i64().unwrap())
            .sum::<i64>();
        assert_eq!(sum, cents(&properties["subtotal"]));
        let discounted = sum - cents(&properties["discount"]);
        assert_eq!(discounted, cents(&properties["revenue"]));
        assert_eq!(discounted + cents(&properties["shipping"]), cents(&properties["total"]));
    }
}

#[test]
fn an_order_holds_what_was_put_into_its_cart() {
    type Cart = BTreeMap<String, i64>;
    let quantity = |line: &Value| line["quantity"].as_i64().unwrap();
    let product = |line: &Value| line["product_id"].as_str().unwrap().to_owned();
    let mut carts: BTreeMap<String, Cart> = BTreeMap::new();
    let mut checked = 0;
    for (place, line) in run(&config(50_000)).lines.iter().enumerate() {
        let event = parsed(line);
        let properties = &event["properties"];
        let Some(id) = properties["cart_id"].as_str() else {
            continue;
        };
        let cart = carts.entry(id.to_owned()).or_default();
        match event["event"].as_str() {
            Some("Product Added") => {
                *cart.entry(product(properties)).or_default() += quantity(properties);
            }
            Some("Product Removed") => {
                *cart.entry(product(properties)).or_default() -= quantity(properties);
            }
            // Carts that were filled before the first line are gone by then.
            Some("Order Completed") if place > 25_000 => {
                let products = properties["products"].as_array().unwrap().iter();
                let ordered: Cart = products.map(|line| (product(line), quantity(line))).collect();
                cart.retain(|_, quantity| *quantity != 0);
                assert_eq!(*cart, ordered);
                checked += 1;
            }
            _ => {}
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn faults_come_in_their_shares() {
    let faults = Faults { out_of_order: 0.04, duplicated: 0.03, late: 0.02, malformed: 0.02 };
    let config = Config { faults, ..config(200_000) };
    let run = run(&config);
    assert_eq!(run.lines.len(), 200_000);
    let summary = &run.summary;
    for (count, wanted) in [
        (summary.out_of_order, 0.04),
        (summary.duplicated, 0.03),
        (summary.late, 0.02),
        (summary.malformed.values().sum(), 0.02),
    ] {
        let share = share(count, 200_000);
        assert!((share / wanted - 1.0).abs() < 0.2, "{share} instead of {wanted}: {summary}");
    }
    assert_eq!(summary.malformed.len(), Malformation::ALL.len());
    let (mut youngest, mut behind) = (i64::MIN, 0);
    let (mut seen, mut repeated) = (BTreeMap::new(), 0);
    for (place, (line, at)) in run.lines.iter().zip(&run.times).enumerate() {
        assert!((config.start_ms..config.start_ms + config.over_ms).contains(at));
        match seen.insert(line, place) {
            // Broken lines may be so short that they are alike.
            Some(_) if !line.ends_with(b"}") => {}
            Some(before) => {
                assert!(place - before <= 2 * DUPLICATE_DISTANCE_MAX as usize);
                repeated += 1;
            }
            None if *at < youngest => {
                let late = youngest - at;
                // The youngest may be somewhat older than the moment of arrival, and what still
                // waits when the last event has happened comes at once.
                let in_bounds = late <= OUT_OF_ORDER_MAX_MS || late >= LATE_MIN_MS * 9 / 10;
                assert!(in_bounds || place > 199_000, "line {place} is {late} ms late");
                assert!(late <= LATE_MAX_MS);
                behind += 1;
            }
            None => youngest = *at,
        }
    }
    assert_eq!(repeated, summary.duplicated);
    assert_eq!(behind, summary.out_of_order + summary.late);
}

#[test]
fn each_malformation_spoils_the_line_in_its_way() {
    let good = run(&config(100)).lines.pop().unwrap();
    let mut rng = Rng::new(3);
    for malformation in Malformation::ALL {
        let mut line = b"before\n".to_vec();
        line.extend_from_slice(&good);
        line.push(b'\n');
        malformation.apply(&mut line, 7, &mut rng);
        assert!(line.starts_with(b"before\n") && line.ends_with(b"\n"));
        let line = &line[7..line.len() - 1];
        let event: Option<Value> = serde_json::from_slice(line).ok();
        let year = |event: &Value| event["timestamp"].as_str().map(|time| time[..4].to_owned());
        let spoiled = match (malformation, event) {
            (Malformation::BrokenJson | Malformation::InvalidUtf8, event) => event.is_none(),
            (Malformation::TooDeep | Malformation::NumberOutOfRange, event) => event.is_none(),
            (Malformation::MissingIdentifiers, Some(event)) => {
                event.get("userId").is_none() && event.get("anonymousId").is_none()
            }
            (Malformation::MissingTimestamp, Some(event)) => event.get("timestamp").is_none(),
            (Malformation::Year1970, Some(event)) => year(&event).as_deref() == Some("1970"),
            (Malformation::Year9999, Some(event)) => year(&event).as_deref() == Some("9999"),
            (Malformation::Oversized, Some(_)) => line.len() > 32 * 1024,
            (Malformation::WrongType, Some(event)) => {
                ["type", "messageId", "timestamp"].iter().any(|name| !event[*name].is_string())
            }
            (_, None) => false,
        };
        assert!(spoiled, "{}: {}", malformation.name(), String::from_utf8_lossy(line));
    }
}

#[test]
fn any_number_of_lines_fits_into_any_time() {
    for (events, over_ms) in
        [(0, DAY_MS), (1, 1), (1, DAY_MS), (10, DAY_MS), (1_000, 1), (5_000, 60_000), (3_000, 0)]
    {
        let faults = Faults { duplicated: 0.3, out_of_order: 0.3, late: 0.3, malformed: 0.1 };
        let config = Config { over_ms, faults, ..config(events) };
        let run = run(&config);
        assert_eq!(run.lines.len() as u64, events);
        let end = config.start_ms + over_ms.max(1);
        assert!(run.times.iter().all(|at| (config.start_ms..end).contains(at)));
    }
}

#[test]
fn the_lines_follow_the_daily_curve_to_the_end() {
    let config = config(100_000);
    let run = run(&config);
    let mut by_hour = [0u64; 24];
    for at in &run.times {
        by_hour[((at - config.start_ms) / 3_600_000) as usize] += 1;
    }
    let expected = [
        95, 102, 107, 112, 112, 107, 105, 107, 117, 135, 150, 152, 135, 102, 70, 45, 28, 18, 13,
        13, 20, 35, 57, 80,
    ];
    let sum: u64 = expected.iter().sum();
    for (hour, (count, expected)) in by_hour.iter().zip(expected).enumerate() {
        let ratio = share(*count, 100_000) / share(expected, sum);
        assert!((0.75..1.25).contains(&ratio), "{ratio} in hour {hour}: {by_hour:?}");
    }
}

#[test]
fn endless_traffic_keeps_its_rate() {
    let mut generator = Generator::new(Config::endless(10_000, 50.0, 1));
    let mut line = Vec::new();
    let mut last = 0;
    for _ in 0..50 * 86_400 / 4 {
        line.clear();
        last = generator.next_into(&mut line).expect("there is no end");
    }
    // A quarter of the day's lines, at the busier half of the day.
    let hours = (last - DEFAULT_START_MS) as f64 / 3_600_000.0;
    assert!((4.0..6.0).contains(&hours), "{hours} hours");
}
