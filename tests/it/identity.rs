//! Who is who: random links, un-links and events, held to runs in which every person had one identifier from the start.
//!
//! The reference works out who is who from scratch: at each claim from the list of all links so far, by the rules of
//! `dataflows/README.md`, without the engine's graph; then it gives every event its final person as only identifier, and
//! lets a pack without `identity` run over that. Facts and segments of every person must be the same.
//!
//! `SIM_SEEDS=from..to` runs other seeds.

use crate::histories::{self, Told, play, smallest};
use crate::simulator::seeds;
use kairos::define::plan::Plan;
use kairos::person::Person;
use kairos::sim::rng::Rng;
use kairos::sim::world::{Cut, Stop, World};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

pub const IDENTITY: &str =
    "identity: { identifiers: [user, email, anonymous], max_owners: 9, max_identifiers: 9 }\n";

/// Facts of every sort, and conditions on them.
pub const FACTS: &str = r#"
sessions: { gap: 30m }
facts:
  views:    { count: Product Viewed }
  views_1d: { count: Product Viewed, over: 1d }
  spent:    { sum: Order Completed, of: event.total }
  average:  { average: Order Completed, of: event.total }
  largest:  { max: Order Completed, of: event.total }
  first:    { first: Product Viewed, of: event.product_id }
  last_at:  { last: Product Viewed, of: event.timestamp }
  seen:     { recent: Product Viewed, of: event.product_id, keep: 3 }
  kinds:    { distinct: Product Viewed, of: event.product_id }
  favourite: { top: Product Viewed, of: event.product_id, over: 3d }
  pending:  { count: Product Added, until: Order Completed }
  net:      { count: Product Added, minus: Product Removed }
  carts:    { sum: Product Added, of: event.price, per: cart_id, until: Order Completed }
  cart:     { basket: Product Added, of: event.product_id, price: event.price, minus: Product Removed, until: Order Completed }
  city:     { trait: city }
segments:
  keen:     views_1d >= 3
  big:      spent > 100
  waiting:  pending > 0 && cart.items > 1
  recent:   last_at > now - hours(20)
  local:    city == "Gdansk"
  often:    session.active
  top:      percentile(spent) >= 0.5
  first3:   rank(views) <= 3
"#;

pub const JOURNEYS: &str = r#"
journeys:
  cart:
    enter: { on: Product Added, per: cart_id }
    exit: [ { on: Order Completed, goal: true } ]
    steps:
      - wait: { quiet_for: 1h, of: [Product Added, Product Removed] }
      - send: { channel: email, template: cart }
      - wait: 1d
      - send: { channel: sms, template: cart-again }
  keen:
    enter: { entered: keen }
    steps: [ { send: { channel: push, template: keen } }, { wait: 2d }, { send: { channel: push, template: still } } ]
  top:
    enter: { entered: top }
    exit: [ { when: '!segment("top")' } ]
    steps: [ { wait: 1h }, { send: { channel: push, template: top } } ]
policy:
  caps: [ { max: 2, over: 1d } ]
"#;

/// One event of a stream.
#[derive(Clone, Debug)]
pub struct Event {
    pub time: i64,
    pub name: &'static str,
    /// Kind and text, strongest first.
    pub ids: Vec<String>,
    /// Of an alias: the other identifier.
    pub other: Option<String>,
    pub properties: String,
}

pub const START: i64 = 1_780_000_000_000;

fn stream(rng: &mut Rng, events: usize) -> Vec<Event> {
    let mut time = START;
    (0..events).map(|_| event(rng, &mut time)).collect()
}

pub fn event(rng: &mut Rng, time: &mut i64) -> Event {
    *time += 1 + rng.below(3_600_000) as i64;
    let user = format!("user:u{}", rng.below(4));
    let email = format!("email:e{}@x.pl", rng.below(3));
    let device = format!("anonymous:a{}", rng.below(5));
    let names =
        ["Product Viewed", "Product Viewed", "Product Added", "Product Removed", "Order Completed"];
    let mut name = names[rng.below(5) as usize];
    let mut other = None;
    let ids = match rng.below(20) {
        0..8 => vec![device],
        8..11 => vec![user],
        11..14 => vec![user, device],
        14 => vec![email],
        15 => vec![user, email],
        16 => vec![email, device],
        17 => vec![user, email, device],
        18 => {
            name = "alias";
            other = Some(format!("user:u{}", rng.below(4)));
            vec![user]
        }
        _ => {
            name = "Identifiers Unlinked";
            other = rng.chance(0.8).then_some(if rng.chance(0.5) { device } else { email });
            vec![user]
        }
    };
    let properties = format!(
        r#""product_id":"p{}","cart_id":"c{}","total":{},"price":{}"#,
        rng.below(6),
        rng.below(3),
        rng.below(90),
        rng.below(50),
    );
    Event { time: *time, name, ids, other, properties }
}

pub fn line(event: &Event) -> Vec<u8> {
    let mut line = format!(r#"{{"timestamp":{},"context":{{}}"#, event.time);
    let id = |kind: &str| event.ids.iter().find_map(|id| id.strip_prefix(kind));
    if let Some(user) = id("user:") {
        write!(line, r#","userId":"{user}""#).unwrap();
    }
    if let Some(device) = id("anonymous:") {
        write!(line, r#","anonymousId":"{device}""#).unwrap();
    }
    if event.name == "alias" {
        let other = event.other.as_deref().unwrap_or_default();
        write!(line, r#","type":"alias","previousId":"{other}"}}"#).unwrap();
        return line.into_bytes();
    }
    write!(line, r#","type":"track","event":"{}","properties":{{{}"#, event.name, event.properties)
        .unwrap();
    if let Some(email) = id("email:") {
        write!(line, r#","email":"{email}""#).unwrap();
    }
    if let Some(other) = &event.other {
        write!(line, r#","identifier":"{other}""#).unwrap();
    }
    line.push_str("}}");
    line.into_bytes()
}

/// Who is who, from the list of links.
#[derive(Default)]
pub struct Who {
    pub links: Vec<(String, String)>,
    pub severed: BTreeSet<(String, String)>,
    pub generations: BTreeMap<String, u32>,
}

impl Who {
    pub fn leaf(&self, id: &str) -> String {
        self.generations.get(id).map_or(id.to_owned(), |generation| format!("{id}#{generation}"))
    }

    pub fn person(&self, leaf: &str) -> BTreeSet<String> {
        let mut all = BTreeSet::from([leaf.to_owned()]);
        loop {
            let before = all.len();
            for (a, b) in &self.links {
                if all.contains(a) || all.contains(b) {
                    all.extend([a.clone(), b.clone()]);
                }
            }
            if all.len() == before {
                return all;
            }
        }
    }

    /// The strongest leaf.
    pub fn name(&self, leaf: &str) -> String {
        let rank = |leaf: &String| {
            ["user:", "email:", "anonymous:"].iter().position(|kind| leaf.starts_with(kind))
        };
        self.person(leaf).into_iter().min_by_key(|leaf| (rank(leaf), leaf.clone())).unwrap()
    }

    fn pair(a: &str, b: &str) -> (String, String) {
        (a.min(b).to_owned(), a.max(b).to_owned())
    }

    fn join(&mut self, a: &str, b: &str) {
        let (one, two) = (self.person(a), self.person(b));
        if a != b && (one == two || one.len() + two.len() <= 9) {
            self.links.push(Who::pair(a, b));
        }
    }

    fn together(&mut self, anchor: &str, other: &str) {
        let (a, b) = (self.leaf(anchor), self.leaf(other));
        let pair = Who::pair(&a, &b);
        if self.severed.contains(&pair) || self.links.contains(&pair) {
            return;
        }
        let strong = |who: &Who, leaf: &str| who.name(leaf).starts_with("user:");
        let (one, two) = (self.person(&a), self.person(&b));
        if one == two || !strong(self, &a) || !strong(self, &b) {
            return self.join(&a, &b);
        }
        if b.starts_with("user:") {
            return;
        }
        let generation = self.generations.get(other).copied().unwrap_or(0) + 1;
        self.generations.insert(other.to_owned(), generation);
        let moved = self.leaf(other);
        // One that has changed hands too often links nothing, and is not met in these streams.
        assert!(generation < 9, "the stream is too short for that");
        self.join(&a, &moved);
    }

    /// Cuts the first step of every way from one to the other, shortest first.
    fn apart(&mut self, a: &str, b: Option<&str>) {
        let a = self.leaf(a);
        let Some(b) = b.map(|b| self.leaf(b)) else {
            let gone: Vec<_> =
                self.links.iter().filter(|(x, y)| *x == a || *y == a).cloned().collect();
            self.links.retain(|link| !gone.contains(link));
            self.severed.extend(gone);
            return;
        };
        if a == b || !self.person(&a).contains(&b) {
            return;
        }
        self.severed.insert(Who::pair(&a, &b));
        // Whatever leaf beside `a` still leads to `b` without `a` loses its link to `a`.
        let beside: Vec<String> = self
            .links
            .iter()
            .filter_map(|(x, y)| (*x == a).then(|| y.clone()).or((*y == a).then(|| x.clone())))
            .collect();
        for next in beside {
            let without = Who {
                links: self.links.iter().filter(|(x, y)| *x != a && *y != a).cloned().collect(),
                ..Who::default()
            };
            if without.person(&next).contains(&b) {
                let pair = Who::pair(&a, &next);
                self.links.retain(|link| *link != pair);
            }
        }
    }

    pub fn take(&mut self, event: &Event) {
        match (event.name, &event.other) {
            ("alias", Some(other)) => {
                let (a, b) = (self.leaf(&event.ids[0]), self.leaf(other));
                self.severed.remove(&Who::pair(&a, &b));
                self.join(&a, &b);
            }
            ("Identifiers Unlinked", Some(other)) => self.apart(other, Some(&event.ids[0])),
            ("Identifiers Unlinked", None) => self.apart(&event.ids[0], None),
            _ => {
                for other in &event.ids[1..] {
                    self.together(&event.ids[0], other);
                }
            }
        }
    }
}

/// The same events, each with its final person as only identifier.
fn resolved(events: &[Event]) -> Vec<Event> {
    let mut who = Who::default();
    let mut leaves = Vec::new();
    for event in events {
        who.take(event);
        leaves.push(who.leaf(&event.ids[0]));
    }
    let person = |leaf: &String| format!("user:{}", who.name(leaf));
    events
        .iter()
        .zip(&leaves)
        .map(|(event, leaf)| Event { ids: vec![person(leaf)], ..event.clone() })
        .collect()
}

/// Facts and segments of everybody, in words.
pub fn told(plan: &Plan, persons: &[Person], end: i64) -> Told {
    let of = |person: &Person| {
        let mut told = BTreeMap::new();
        for name in [
            "views",
            "views_1d",
            "spent",
            "average",
            "largest",
            "first",
            "last_at",
            "seen",
            "kinds",
            "favourite",
            "pending",
            "net",
            "city",
        ] {
            let fact = plan.fact_named(name).unwrap();
            told.insert(name.to_owned(), format!("{:?}", person.fact(plan, fact, None, end)));
        }
        let carts = plan.fact_named("carts").unwrap();
        for key in ["c0", "c1", "c2"] {
            told.insert(
                format!("carts {key}"),
                format!("{:?}", person.fact(plan, carts, Some(key), end)),
            );
        }
        let cart = plan.fact_named("cart").unwrap();
        for field in ["product_ids", "items", "value"] {
            told.insert(
                format!("cart.{field}"),
                format!("{:?}", person.basket(plan, cart, None, field, end)),
            );
        }
        for name in ["keen", "big", "waiting", "recent", "local", "often", "top", "first3"] {
            let segment = plan.segment_named(name).unwrap();
            told.insert(name.to_owned(), person.in_segment(segment).to_string());
        }
        told
    };
    let name = |person: &Person| {
        person
            .id
            .strip_prefix("user:")
            .filter(|id| id.contains(':'))
            .unwrap_or(&person.id)
            .to_owned()
    };
    persons.iter().map(|person| (name(person), of(person))).collect()
}

pub fn world(text: &str, events: &[Event]) -> World {
    World::new(text, vec![events.iter().map(line).collect()]).expect("a sound pack")
}

/// What differs between a run with identities and one in which everybody had one identifier from the start.
fn difference(events: &[Event]) -> Option<String> {
    let linked = world(&format!("{IDENTITY}{FACTS}"), events);
    let plain = world(FACTS, &resolved(events));
    let (found, wanted) = (play(&linked, &[Cut::plain()]), play(&plain, &[Cut::plain()]));
    let found = told(&linked.plan, &found.persons, found.end);
    let wanted = told(&plain.plan, &wanted.persons, wanted.end);
    histories::difference(&found, &wanted)
}

#[test]
fn facts_and_segments_are_those_of_one_identifier_from_the_start() {
    for seed in seeds(0..120) {
        let mut rng = Rng::new(seed);
        let length = 5 + rng.below(60) as usize;
        let events = stream(&mut rng, length);
        let Some((events, why)) = smallest(events, difference) else { continue };
        let lines: Vec<_> =
            events.iter().map(|event| String::from_utf8(line(event)).unwrap()).collect();
        panic!("seed {seed}: {why}\n{}", lines.join("\n"));
    }
}

/// Any number of workers, and stops anywhere: the same bytes.
#[test]
fn the_outputs_are_the_same_for_any_number_of_workers_and_stops() {
    for seed in seeds(0..40) {
        let mut rng = Rng::new(1_000 + seed);
        let events = stream(&mut rng, 60);
        let world = world(&format!("{IDENTITY}{FACTS}{JOURNEYS}"), &events);
        let plain = play(&world, &[Cut::plain()]);
        for workers in [1, 2, 4] {
            let cut = Cut {
                workers,
                chunk: 1 + rng.below(3_000) as usize,
                checkpoint: 1 + rng.below(3),
                stop: None,
            };
            let stopped = Cut { stop: Some(Stop::Complete(1 + rng.below(60))), ..cut };
            let history = [stopped, Cut { workers: 1 + rng.below(3) as usize, ..stopped }, cut];
            for history in [&history[2..], &history] {
                if let Err(why) = play(&world, history).same(&plain) {
                    panic!("seed {seed}, {history:?}: {why}");
                }
            }
        }
    }
}
