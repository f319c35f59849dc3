//! Groups, the catalogue and related products: as a plain recomputation of everything says after every epoch, the same for any
//! number of workers, through stops and starts.

use crate::engine::{Cut as Cutting, Engine};
use crate::histories::{play, through_stops};
use crate::simulator::seeds;
use kairos::sim::rng::Rng;
use kairos::sim::world::{Cut, Stop, World};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub const PACK: &str = "\
catalogue:
  accessory_of: for
  similar: viewed
  bought_together: bought
  tell:
    Price Dropped: { to: [viewed, wished], when: event.price < before.price }
    Back In Stock: { to: [wished], when: event.stock > 0 && before.stock == 0 }
groups:
  account: { until: Account Left }
facts:
  viewed: { recent: Product Viewed, of: event.product_id, keep: 4, over: 10m }
  wished: { recent: Product Wished, of: event.product_id, minus: Product Unwished, keep: 20 }
  bought: { recent: Order Completed, of: event.products.product_id, keep: 20 }
  spend: { sum: Order Completed, of: event.total, over: 30m, for: account }
  orders: { count: Order Completed, for: account }
segments:
  big: spend > 300
journeys:
  cheaper:
    enter: { on: Price Dropped, per: product_id, again: always }
    steps: [ { send: { channel: email, template: cheaper, with: { price: entry.price, was: entry.before.price } } } ]
  back:
    enter: { on: Back In Stock, per: product_id, again: always }
    steps: [ { send: { channel: push, template: back, with: { stock: entry.stock } } } ]
  asked:
    enter: { on: Asked, again: always }
    steps:
      - send:
          channel: web
          template: asked
          with:
            similar: 'similar(entry.product_id, 3)'
            together: 'without(bought_together(entry.products, 9), bought)'
            accessories: 'take(accessories(entry.products), 2)'
            price: product(entry.product_id).price
            prices: product(entry.products).price
  account:
    for: account
    enter: { entered: big, again: always }
    steps: [ { send: { channel: crm-task, template: big, with: { spend: spend, orders: orders } } } ]
";

const IDENTITY: &str = "\
identity: { identifiers: [user, anonymous] }
";

pub const START: i64 = 1_780_000_000_000;
const STEP: i64 = 10_000;

/// One line, as the test understands it.
#[derive(Clone, Debug)]
pub enum What {
    Record { product: u64, price: Option<u64>, stock: Option<u64>, accessory_of: Option<Vec<u64>> },
    Viewed(u64),
    Wished(u64),
    Unwished(u64),
    Ordered(Vec<u64>, u64),
    Joined(u64),
    Left,
    Asked(u64, Vec<u64>),
}

pub type Event = (i64, u64, What);

pub fn stream(rng: &mut Rng, persons: u64, length: usize) -> Vec<Event> {
    const PRODUCTS: u64 = 7;
    let mut at = START;
    let mut event = || {
        at += [0, 1, 700, 3_000, 15_000, 60_000][rng.below(6) as usize];
        let some = |rng: &mut Rng| -> Vec<u64> {
            (0..1 + rng.below(3)).map(|_| rng.below(PRODUCTS)).collect()
        };
        let what = match rng.below(16) {
            0..3 => What::Record {
                product: rng.below(PRODUCTS),
                price: (rng.below(4) > 0).then(|| 10 + rng.below(5)),
                stock: (rng.below(2) > 0).then(|| rng.below(3)),
                accessory_of: (rng.below(3) == 0).then(|| some(rng)),
            },
            3..7 => What::Viewed(rng.below(PRODUCTS)),
            7..9 => What::Wished(rng.below(PRODUCTS)),
            9 => What::Unwished(rng.below(PRODUCTS)),
            10..12 => What::Ordered(some(rng), 10 * (1 + rng.below(9))),
            12 => What::Joined(rng.below(3)),
            13 => What::Left,
            _ => What::Asked(rng.below(PRODUCTS), some(rng)),
        };
        (at, rng.below(persons), what)
    };
    (0..length).map(|_| event()).collect()
}

fn name(product: u64) -> String {
    format!("p{product}")
}

fn names(products: &[u64]) -> Vec<String> {
    products.iter().map(|product| name(*product)).collect()
}

pub fn line((at, person, what): &Event, ids: &Value) -> Vec<u8> {
    let (event, properties) = match what {
        What::Record { product, price, stock, accessory_of } => {
            let mut record = json!({ "product_id": name(*product) });
            if let Some(price) = price {
                record["price"] = json!(price);
            }
            if let Some(stock) = stock {
                record["stock"] = json!(stock);
            }
            if let Some(mains) = accessory_of {
                record["for"] = json!(names(mains));
            }
            ("Product Updated", record)
        }
        What::Viewed(product) => ("Product Viewed", json!({ "product_id": name(*product) })),
        What::Wished(product) => ("Product Wished", json!({ "product_id": name(*product) })),
        What::Unwished(product) => ("Product Unwished", json!({ "product_id": name(*product) })),
        What::Ordered(products, total) => {
            let lines: Vec<Value> =
                names(products).into_iter().map(|id| json!({ "product_id": id })).collect();
            ("Order Completed", json!({ "products": lines, "total": total }))
        }
        What::Joined(_) => ("", json!({})),
        What::Left => ("Account Left", json!({})),
        What::Asked(product, products) => {
            let asked = json!({ "product_id": name(*product), "products": names(products) });
            ("Asked", asked)
        }
    };
    let mut line = json!({ "event": event, "timestamp": at, "properties": properties });
    if let What::Joined(account) = what {
        line = json!({ "type": "group", "timestamp": at, "groupId": format!("a{account}") });
    }
    let ids = if ids.is_null() { json!({ "userId": format!("u{person}") }) } else { ids.clone() };
    line.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
    if matches!(what, What::Record { .. }) {
        line.as_object_mut().unwrap().retain(|key, _| !key.ends_with("Id"));
    }
    line.to_string().into_bytes()
}

/// The last values in the order of their times, each once.
fn recent(of: impl Iterator<Item = u64>, keep: usize) -> Vec<u64> {
    let mut last: Vec<u64> = Vec::new();
    for product in of {
        last.retain(|known| *known != product);
        last.push(product);
    }
    last.split_off(last.len().saturating_sub(keep))
}

/// What one person has at an instant, by going through everything from the start.
fn lists(events: &[Event], person: u64, now: i64) -> [Vec<u64>; 3] {
    let own = || events.iter().filter(move |(at, who, _)| *who == person && *at <= now);
    let viewed = own().filter(|(at, ..)| *at > now - 600_000);
    let viewed =
        viewed.filter_map(|(.., what)| if let What::Viewed(p) = what { Some(*p) } else { None });
    let mut wished: Vec<u64> = Vec::new();
    for (.., what) in own() {
        match what {
            What::Wished(product) | What::Unwished(product) => {
                wished.retain(|known| known != product);
                if matches!(what, What::Wished(_)) {
                    wished.push(*product);
                }
            }
            _ => {}
        }
    }
    let bought = own().flat_map(|(.., what)| match what {
        What::Ordered(products, _) => products.clone(),
        _ => Vec::new(),
    });
    [recent(viewed, 4), wished, recent(bought, 20)]
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Record {
    price: Option<u64>,
    stock: Option<u64>,
    accessory_of: Vec<u64>,
}

/// The catalogue as of an instant.
fn catalogue(events: &[Event], now: i64) -> BTreeMap<u64, Record> {
    let mut records: BTreeMap<u64, Record> = BTreeMap::new();
    for (.., what) in events.iter().filter(|(at, ..)| *at <= now) {
        if let What::Record { product, price, stock, accessory_of } = what {
            let record = records.entry(*product).or_default();
            record.price = price.or(record.price);
            record.stock = stock.or(record.stock);
            if let Some(mains) = accessory_of {
                record.accessory_of.clone_from(mains);
            }
        }
    }
    records
}

/// The products that go best with some: by how many persons have both, then by name.
fn best(events: &[Event], persons: u64, list: usize, of: &[u64], now: i64) -> Vec<String> {
    let mut scores: BTreeMap<u64, u64> = BTreeMap::new();
    for person in 0..persons {
        let has = &lists(events, person, now)[list];
        let given: BTreeSet<u64> = of.iter().copied().filter(|it| has.contains(it)).collect();
        for other in has.iter().filter(|other| !of.contains(other)) {
            *scores.entry(*other).or_default() += given.len() as u64;
        }
    }
    let mut scores: Vec<(u64, u64)> = scores.into_iter().filter(|(_, score)| *score > 0).collect();
    scores.sort_by_key(|(product, score)| (std::cmp::Reverse(*score), name(*product)));
    scores.into_iter().map(|(product, _)| name(product)).collect()
}

/// Every message that is to be sent: to whom, which, and with what.
fn expected(events: &[Event], persons: u64) -> Vec<String> {
    let mut sends: Vec<String> = Vec::new();
    let mut send = |who: String, template: &str, with: Value| {
        sends.push(format!("{who} {template} {with}"));
    };
    let end = events.last().unwrap().0;
    let end_of = |at: i64| ((at / STEP + 1) * STEP - 1).min(end);
    // Records: one after the other, as of the end of their epoch.
    let mut known: BTreeMap<u64, Record> = BTreeMap::new();
    for (place, (at, _, what)) in events.iter().enumerate() {
        let What::Record { product, .. } = what else { continue };
        let now = catalogue(&events[..=place], *at)[product].clone();
        let Some(before) = known.insert(*product, now.clone()) else { continue };
        let told = end_of(*at);
        for person in 0..persons {
            let who = format!("user:u{person}");
            let [viewed, wished, _] = lists(events, person, told);
            let has = viewed.contains(product) || wished.contains(product);
            if has && now.price.is_some() && now.price < before.price {
                let with = json!({ "price": now.price, "was": before.price });
                send(who.clone(), "cheaper", with);
            }
            if now.stock > Some(0) && before.stock == Some(0) && wished.contains(product) {
                send(who, "back", json!({ "stock": now.stock }));
            }
        }
    }
    for (at, person, what) in events {
        let What::Asked(product, products) = what else { continue };
        // The catalogue and what goes together are known as of the last epoch.
        let before = at / STEP * STEP - 1;
        let records = catalogue(events, before);
        let bought =
            &lists(&events[..events.iter().rposition(|it| it.0 <= *at).unwrap() + 1], *person, *at)
                [2];
        let mut accessories: Vec<String> = Vec::new();
        for main in products {
            let mut own: Vec<String> = records
                .iter()
                .filter(|(_, record)| record.accessory_of.contains(main))
                .map(|(product, _)| name(*product))
                .collect();
            own.sort();
            own.into_iter().for_each(|it| {
                if !accessories.contains(&it) {
                    accessories.push(it);
                }
            });
        }
        accessories.truncate(2);
        let price = |product: &u64| records.get(product).and_then(|record| record.price);
        let mut similar = best(events, persons, 0, &[*product], before);
        similar.truncate(3);
        let mut together = best(events, persons, 2, products, before);
        together.truncate(9);
        together.retain(|it| !names(bought).contains(it));
        let mut with = json!({
            "similar": similar,
            "together": together,
            "accessories": accessories,
            "prices": products.iter().filter_map(price).collect::<Vec<u64>>(),
        });
        if let Some(price) = price(product) {
            with["price"] = json!(price);
        }
        send(format!("user:u{person}"), "asked", with);
    }
    sends.sort();
    sends
}

/// The orders of each account's members while they were members: when, and for how much.
fn orders(events: &[Event]) -> BTreeMap<u64, Vec<(i64, u64)>> {
    let mut members: BTreeMap<u64, u64> = BTreeMap::new();
    let mut orders: BTreeMap<u64, Vec<(i64, u64)>> = BTreeMap::new();
    for (at, person, what) in events {
        match what {
            What::Joined(account) => drop(members.insert(*person, *account)),
            What::Left => drop(members.remove(person)),
            What::Ordered(_, total) => {
                if let Some(account) = members.get(person) {
                    orders.entry(*account).or_default().push((*at, *total));
                }
            }
            _ => {}
        }
    }
    orders
}

/// Every message that was sent: to whom, which, and with what.
fn sent(outputs: &[Vec<u8>]) -> Vec<String> {
    let lines = String::from_utf8(outputs.concat()).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let triggers = lines.filter(|line| line["type"] == "kairos.trigger");
    let mut sends: Vec<String> = triggers
        .filter(|line| line["data"]["channel"] != "crm-task")
        .map(|line| {
            let (who, data) = (line["subject"].as_str().unwrap(), &line["data"]);
            let mut with = data["with"].clone();
            with.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            format!("{who} {} {with}", data["template"].as_str().unwrap())
        })
        .collect();
    sends.sort();
    sends
}

#[test]
fn who_is_told_what_is_as_a_recomputation_after_every_epoch_says() {
    let engine = Engine::of(PACK);
    for seed in seeds(0..40) {
        let mut rng = Rng::new(seed);
        let persons = *rng.pick(&[1, 3, 9]);
        let events = stream(&mut rng, persons, 160);
        let lines: Vec<Vec<u8>> = events.iter().map(|event| line(event, &Value::Null)).collect();
        let result = engine.run(&lines, Cutting::plain());
        let (found, wanted) = (sent(&result.outputs), expected(&events, persons));
        let missing: Vec<_> = wanted.iter().filter(|it| !found.contains(it)).collect();
        let more: Vec<_> = found.iter().filter(|it| !wanted.contains(it)).collect();
        assert!(found == wanted, "seed {seed}: missing {missing:#?}, and not wanted {more:#?}");
        let end = events.last().unwrap().0;
        for (account, orders) in orders(&events) {
            let facts = &result.facts[&format!("account:a{account}")];
            let spend: u64 =
                orders.iter().filter(|(at, _)| *at > end - 1_800_000).map(|(_, total)| total).sum();
            let wanted = (spend.to_string(), orders.len().to_string());
            assert_eq!((facts["spend"].clone(), facts["orders"].clone()), wanted, "seed {seed}");
        }
        for workers in [2, 4] {
            let other = engine.run(&lines, Cutting { workers, chunk: 300 }).outputs;
            assert!(other == result.outputs, "seed {seed}: other bytes with {workers} workers");
        }
    }
}

#[test]
fn stops_and_starts_lose_and_repeat_nothing_of_it() {
    let mut resumed = 0;
    for seed in seeds(0..4) {
        let mut rng = Rng::new(500 + seed);
        let linked = rng.below(2) == 0;
        let events = stream(&mut rng, 6, 120);
        let mut identifiers = |event: &Event| match rng.below(4) {
            _ if !linked => Value::Null,
            0 => json!({ "anonymousId": format!("d{}", event.1 % 4) }),
            1 => {
                json!({ "userId": format!("u{}", event.1), "anonymousId": format!("d{}", rng.below(4)) })
            }
            _ => Value::Null,
        };
        let lines = events.iter().map(|event| line(event, &identifiers(event))).collect();
        let text = if linked { format!("{IDENTITY}{PACK}") } else { PACK.to_owned() };
        let world = World::new(&text, vec![lines]).expect("a sound pack");
        let plain = play(&world, &[Cut::plain()]);
        resumed += through_stops(seed, &world, &plain, [(1, 2), (2, 1), (2, 4), (3, 1)], 7);
    }
    assert!(resumed > 20, "{resumed} runs went on from a checkpoint");
}

/// A change that concerns many is told in slices, in the same epochs whatever the workers and the stops.
#[test]
fn a_change_that_concerns_many_is_told_in_slices() {
    let person = |n: u64| (START + n as i64, n, What::Viewed(1));
    let record = |at: i64, price: u64| {
        let (stock, accessory_of) = (None, None);
        (START + at, 0, What::Record { product: 1, price: Some(price), stock, accessory_of })
    };
    let mut events = vec![record(0, 20)];
    events.extend((0..9_000).map(person));
    events.push(record(60_000, 10));
    events.extend((0..40).map(|n| (START + 61_000 + n * 5_000, 9_999, What::Left)));
    events.sort_by_key(|(at, ..)| *at);
    let lines: Vec<Vec<u8>> = events.iter().map(|event| line(event, &Value::Null)).collect();
    let world = World::new(PACK, vec![lines]).expect("a sound pack");
    let plain = play(&world, &[Cut::plain()]);
    let text = String::from_utf8(plain.outputs.concat()).unwrap();
    let mut per_instant: BTreeMap<String, u64> = BTreeMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["type"] == "kairos.trigger" {
            *per_instant.entry(line["time"].to_string()).or_default() += 1;
        }
    }
    assert_eq!(per_instant.values().sum::<u64>(), 9_000, "{per_instant:?}");
    assert!(per_instant.len() > 2 && per_instant.values().all(|n| *n <= 4 * 256));
    for workers in [1, 2, 4] {
        for n in [20, 60] {
            let cut = Cut { workers, chunk: 4_000, checkpoint: 1, stop: None };
            let first = Cut { stop: Some(Stop::Complete(n)), ..cut };
            let other = Cut { workers: 5 - workers, ..first };
            let ending = play(&world, &[first, other, cut]);
            ending.same(&plain).unwrap_or_else(|why| panic!("{workers} workers, {n}: {why}"));
        }
    }
}

/// Whoever signs in in the epoch in which a change is told hears of it, on whichever worker that goes on.
#[test]
fn somebody_who_goes_to_another_worker_hears_first() {
    let engine = Engine::of(&format!("{IDENTITY}{PACK}"));
    let record = |at: i64, price: u64| {
        let (price, stock, accessory_of) = (Some(price), None, None);
        let record = What::Record { product: 1, price, stock, accessory_of };
        line(&(START + at, 0, record), &Value::Null)
    };
    let mut lines = vec![record(0, 100)];
    for n in 0..40 {
        let visitor = json!({ "anonymousId": format!("a{n}") });
        lines.push(line(&(START + 1_000 + n as i64, n, What::Wished(1)), &visitor));
        lines.push(line(&(START + 2_000 + n as i64, n, What::Left), &Value::Null));
    }
    lines.push(record(20_000, 80));
    // The change is told in one of the epochs in which they sign in.
    for n in 0..40 {
        let both = json!({ "userId": format!("u{n}"), "anonymousId": format!("a{n}") });
        lines.push(line(&(START + 22_000 + n as i64 * 500, n, What::Left), &both));
    }
    lines.push(line(&(START + 400_000, 99, What::Left), &Value::Null));
    let alone = engine.run(&lines, Cutting { workers: 1, chunk: 4_000 }).outputs;
    let told = String::from_utf8_lossy(&alone.concat()).matches("\"cheaper\"").count();
    assert!(told > 0, "somebody is told");
    for workers in [2, 3, 4] {
        let other = engine.run(&lines, Cutting { workers, chunk: 4_000 }).outputs;
        assert!(other == alone, "other bytes with {workers} workers");
    }
}
