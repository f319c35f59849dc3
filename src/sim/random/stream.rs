//! Random lines: few persons and values, times that meet one another to the millisecond.

use super::super::rng::Rng;
use super::one;
use serde_json::{Map, Value, json};

/// Distances that the random packs use as windows, gaps and waits.
const DISTANCES: [i64; 9] = [
    90_000,
    600_000,
    1_800_000,
    3_600_000,
    86_400_000,
    129_600_000,
    604_800_000,
    1_209_600_000,
    2_592_000_000,
];

/// Around these instants the clocks change, months and weeks end, or nothing happens.
const STARTS: [&str; 5] = [
    "2026-03-28T20:00:00Z",
    "2026-10-24T20:00:00Z",
    "2026-03-02T09:00:00Z",
    "2026-12-30T22:30:00Z",
    "2026-02-27T23:59:59.999Z",
];

const ZONES: [&str; 7] = [
    "Europe/Warsaw",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Havana",
    "UTC",
    "Mars/Olympus",
];

/// `n` lines in the order of arrival.
pub fn random_stream(rng: &mut Rng, n: usize) -> Vec<Vec<u8>> {
    let start: jiff::Timestamp = one(rng, &STARTS).parse().unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let mut times = vec![start.as_millisecond()];
    let persons = rng.between(1, 4) as u64;
    let pace = rng.below(3);
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for number in 0..n {
        let time = next_time(rng, &times, pace);
        times.push(time);
        let shifted = out_of_order(rng, &times, time);
        let line = match rng.below(60) {
            0 => b"{\"type\":\"track\",".to_vec(),
            1 => br#"{"type":"track","event":"Product Viewed","userId":"anna"}"#.to_vec(),
            2 | 3 if !lines.is_empty() => rng.pick(&lines).clone(),
            _ => event(rng, number, persons, shifted).to_string().into_bytes(),
        };
        lines.push(line);
    }
    lines
}

/// The same millisecond again, a moment later, or at an exact distance from an earlier event.
fn next_time(rng: &mut Rng, times: &[i64], pace: u64) -> i64 {
    let last = *times.iter().max().unwrap_or(&0);
    let step = match rng.below(20) {
        0..5 => 0,
        5..8 => rng.between(1, 3),
        8..11 => rng.between(1_000, 120_000),
        11..13 => 1_000 * rng.between(60, 7_200),
        13..18 => {
            let from = *rng.pick(times);
            let distance = DISTANCES[rng.below(4 + 2 * pace) as usize];
            let exact = from + distance + rng.between(-1, 1);
            return if exact >= last { exact } else { last };
        }
        // The next full hour, in which local midnights and clock times lie.
        18 => 3_600_000 - last.rem_euclid(3_600_000) - rng.between(0, 1),
        _ => [0, 86_400_000, 604_800_000][pace as usize] + rng.between(0, 3_600_000),
    };
    last + step
}

/// Mostly the time itself; sometimes earlier by less than a minute, or late by far.
fn out_of_order(rng: &mut Rng, times: &[i64], time: i64) -> i64 {
    match rng.below(20) {
        0 | 1 => time - rng.between(0, 60_000),
        2 => time - rng.between(0, 3 * 86_400_000),
        3 if rng.chance(0.5) => *rng.pick(times),
        _ => time,
    }
}

fn event(rng: &mut Rng, number: usize, persons: u64, time: i64) -> Value {
    let mut line = Map::new();
    let mut put = |name: &str, value: Value| line.insert(name.to_string(), value);
    match rng.below(persons) {
        0 => put("userId", json!("anna")),
        1 => put("userId", json!(7)),
        2 => put("anonymousId", json!("a1")),
        _ => put("userId", json!("bert")),
    };
    let names =
        if rng.chance(0.05) { ["originalTimestamp", "receivedAt"] } else { ["timestamp"; 2] };
    put(one(rng, &names), timestamp(rng, time));
    if rng.chance(0.1) {
        let received = time + rng.between(-5_000, 5_000);
        put("receivedAt", timestamp(rng, received));
    }
    if rng.chance(0.9) {
        let id = if rng.chance(0.04) { rng.below(1 + number as u64) } else { number as u64 };
        put("messageId", json!(format!("m{id}")));
    }
    match rng.below(20) {
        0 | 1 => {
            put("type", json!("identify"));
            put("traits", traits(rng));
        }
        2..4 => {
            put("type", json!(one(rng, &["page", "page", "screen", "group"])));
            put("properties", page(rng));
            if rng.chance(0.3) {
                put("name", json!("Home"));
            }
        }
        _ => {
            put("type", json!(if rng.chance(0.01) { "unheard" } else { "track" }));
            let names = [
                "Product Viewed",
                "Product Viewed",
                "Viewed Product",
                "Product Added",
                "Product Added",
                "Product Added",
                "Product Removed",
                "Order Completed",
                "Ticket Closed",
                "Nudge",
                "Completed Order",
                "Unsubscribed",
                "Message Bounced",
            ];
            let name = one(rng, &names);
            put("event", json!(name));
            let about_messages = matches!(name, "Unsubscribed" | "Message Bounced");
            put("properties", if about_messages { feedback(rng) } else { properties(rng) });
        }
    }
    if rng.chance(0.12) {
        put("context", context(rng));
    }
    Value::Object(line)
}

fn timestamp(rng: &mut Rng, ms: i64) -> Value {
    let Ok(time) = jiff::Timestamp::from_millisecond(ms) else {
        return Value::Null;
    };
    match rng.below(10) {
        0 | 1 => json!(ms),
        2 => {
            let offset = jiff::tz::Offset::constant(2);
            json!(format!("{}+02:00", offset.to_datetime(time)))
        }
        _ => json!(format!("{time:.3}")),
    }
}

/// What senders say of messages.
fn feedback(rng: &mut Rng) -> Value {
    let mut map = Map::new();
    let candidates = [
        ("template", json!(one(rng, &["t1", "t2", "t3", "t4"]))),
        ("channel", json!(one(rng, &["email", "sms", "push"]))),
        ("purpose", json!(one(rng, &["marketing", "transactional"]))),
    ];
    for (name, value) in candidates {
        if rng.chance(0.6) {
            map.insert(name.to_string(), value);
        }
    }
    Value::Object(map)
}

/// Each property is there mostly, and of the right type mostly.
fn properties(rng: &mut Rng) -> Value {
    let mut map = Map::new();
    let mut put = |rng: &mut Rng, name: &str, likely: f64, value: Value| {
        if rng.chance(likely) {
            let wrong = [json!(null), json!("x"), json!([1, 2]), json!({}), json!(true)];
            let value = if rng.chance(0.02) { rng.pick(&wrong).clone() } else { value };
            map.insert(name.to_string(), value);
        }
    };
    let product = json!(one(rng, &["p1", "p2", "p3"]));
    put(rng, "product_id", 0.9, product);
    let prices = [json!(5), json!(10), json!(12.5), json!(0.1), json!(0.3333335), json!(20)];
    let price = rng.pick(&prices).clone();
    put(rng, "price", 0.8, price);
    let quantities = [json!(1), json!(2), json!(3), json!(0.5)];
    let quantity = rng.pick(&quantities).clone();
    put(rng, "quantity", 0.6, quantity);
    let cart = json!(one(rng, &["c1", "c1", "c2"]));
    put(rng, "cart_id", 0.8, cart);
    let category = json!(one(rng, &["winter", "Winter", "summer hats"]));
    put(rng, "category", 0.6, category);
    let total = json!(rng.between(1, 30));
    put(rng, "total", 0.7, total);
    let order = json!(one(rng, &["o1", "o2"]));
    put(rng, "order_id", 0.5, order);
    let currency = json!(one(rng, &["EUR", "EUR", "GBP", "PLN", "XXX"]));
    put(rng, "currency", 0.5, currency);
    put(rng, "address", 0.2, json!({ "city": "Rome" }));
    let products = json!([{ "product_id": "p1" }, { "product_id": "p2" }, { "price": 3 }]);
    put(rng, "products", 0.3, products);
    Value::Object(map)
}

fn page(rng: &mut Rng) -> Value {
    match rng.below(4) {
        0 => json!({ "name": "Start" }),
        1 => json!({ "path": "/cart", "cart_id": "c2" }),
        _ => json!({ "path": "/home" }),
    }
}

fn traits(rng: &mut Rng) -> Value {
    let mut map = Map::new();
    let candidates = [
        ("city", json!(one(rng, &["Rome", "Oslo"]))),
        ("age", json!(rng.between(20, 40))),
        ("newsletter", json!(rng.chance(0.5))),
        ("birthday", json!(one(rng, &["1990-03-29", "2000-02-29", "1985-10-25", "2026-04-01"]))),
        ("signed_up", json!(one(rng, &["2026-03-29T00:30:00Z", "2026-10-25T01:30:00+01:00"]))),
        ("timezone", json!(*rng.pick(&ZONES))),
        ("loyalty", json!("gold")),
    ];
    for (name, value) in candidates {
        if rng.chance(0.4) {
            let value = if rng.chance(0.03) { json!(13) } else { value };
            map.insert(name.to_string(), value);
        }
    }
    Value::Object(map)
}

fn context(rng: &mut Rng) -> Value {
    match rng.below(4) {
        0 => json!({ "timezone": *rng.pick(&ZONES) }),
        1 => json!({ "traits": { "city": "Lima", "age": 50 } }),
        2 => json!({ "page": { "path": "/context" } }),
        _ => {
            let granted = rng.chance(0.6);
            json!({ "consent": { "categoryPreferences": { "Advertising": granted } } })
        }
    }
}
