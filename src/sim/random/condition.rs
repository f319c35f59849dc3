//! Random conditions over what has been defined so far.

use super::super::rng::Rng;
use super::one;

/// What is known of a fact's values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Number,
    Time,
    Text,
    Boolean,
    List,
    Basket,
    Date,
}

/// What conditions may name.
#[derive(Default)]
pub struct Names {
    /// Name, kind, and whether it is one per cart.
    pub facts: Vec<(String, Kind, bool)>,
    pub segments: Vec<String>,
    /// How many journeys there are: `j1`, `j2`, and so on.
    pub journeys: i64,
    pub has_sessions: bool,
}

/// What a condition may see besides the person.
#[derive(Clone, Copy, Default)]
pub struct Sight {
    pub event: bool,
    /// `entry.at`, and so on.
    pub entry: bool,
    /// The properties of the event by which an instance entered.
    pub entry_event: bool,
    pub key: bool,
    /// In the definition of a fact: the event alone.
    pub event_only: bool,
}

/// Durations in expressions; those of windows and waits are among them.
const DURATIONS: [&str; 7] =
    ["minutes(10)", "minutes(30)", "hours(1)", "days(1)", "days(7)", "hours(36)", "seconds(90)"];

const COMPARE: [&str; 6] = ["<", "<=", ">", ">=", "==", "!="];

/// A boolean expression without single quotes.
pub fn condition(rng: &mut Rng, names: &Names, sight: Sight, depth: u32) -> String {
    if depth == 0 || rng.chance(0.5) {
        return atom(rng, names, sight);
    }
    let a = condition(rng, names, sight, depth - 1);
    let b = condition(rng, names, sight, depth - 1);
    match rng.below(10) {
        0..4 => format!("({a}) && ({b})"),
        4..7 => format!("({a}) || ({b})"),
        7..9 => format!("!({a})"),
        _ => {
            let c = condition(rng, names, sight, depth - 1);
            format!("({a}) ? ({b}) : ({c})")
        }
    }
}

fn atom(rng: &mut Rng, names: &Names, sight: Sight) -> String {
    if sight.event_only || (sight.event && rng.chance(0.5)) {
        return about_event(rng);
    }
    if sight.key && rng.chance(0.2) {
        return if sight.event && rng.chance(0.5) {
            "event.cart_id == key".to_string()
        } else {
            "key == \"c1\"".to_string()
        };
    }
    if sight.entry && rng.chance(0.2) {
        return about_entry(rng, sight);
    }
    match rng.below(10) {
        0..7 => about_fact(rng, names, sight),
        7 => about_now(rng),
        8 if names.has_sessions => about_session(rng),
        _ => {
            let segment = names.segments.get(rng.below(names.segments.len() as u64) as usize);
            segment.map_or_else(|| about_now(rng), |segment| format!("segment(\"{segment}\")"))
        }
    }
}

fn about_event(rng: &mut Rng) -> String {
    let texts = [
        "event.price >= 10",
        "event.price * event.quantity > 15",
        "event.product_id == \"p1\"",
        "event.product_id in [\"p1\", \"p3\"]",
        "event.product_id != \"p2\"",
        "event.category.starts_with(\"win\")",
        "contains(event.category, \"a\")",
        "has(event.quantity)",
        "!has(event.price)",
        "event.address.city == \"Rome\"",
        "\"p2\" in event.products.product_id",
        "size(event.products.product_id) > 1",
        "event.timestamp >= timestamp(\"2026-03-29T01:00:00Z\")",
        "hour(event.timestamp) >= 12",
        "weekday(event.timestamp) < 6",
        "default(event.quantity, 1) == 1",
        "lower(event.category) == \"winter\"",
        "event.price % 2 == 0",
        "event.price / event.quantity > 4.5",
    ];
    one(rng, &texts).to_string()
}

fn about_entry(rng: &mut Rng, sight: Sight) -> String {
    let duration = one(rng, &DURATIONS);
    match rng.below(3) {
        0 => format!("now - entry.at > {duration}"),
        _ if !sight.entry_event => format!("entry.at <= now - {duration}"),
        1 if sight.event => "event.product_id == entry.product_id".to_string(),
        1 => "has(entry.price)".to_string(),
        _ => "entry.price >= 10".to_string(),
    }
}

fn about_now(rng: &mut Rng) -> String {
    let texts = [
        "hour(now) >= 9 && hour(now) < 18",
        "hour(now - minutes(30)) == 2",
        "weekday(now) <= 5",
        "now >= timestamp(\"2026-03-29T01:00:00Z\")",
        "now < timestamp(\"2026-10-25T00:30:00Z\")",
    ];
    one(rng, &texts).to_string()
}

fn about_session(rng: &mut Rng) -> String {
    let texts = [
        "session.active",
        "session.events >= 3",
        "session.pages > 1",
        "session.count >= 2",
        "session.duration >= minutes(10)",
        "now - session.start > minutes(30)",
        "session.entry_page == \"/home\"",
        "session.previous_end < now - hours(1)",
    ];
    one(rng, &texts).to_string()
}

fn about_fact(rng: &mut Rng, names: &Names, sight: Sight) -> String {
    let usable: Vec<_> = names.facts.iter().filter(|fact| sight.key || !fact.2).collect();
    if usable.is_empty() {
        return about_now(rng);
    }
    let (name, kind, _) = *rng.pick(&usable);
    let compare = one(rng, &COMPARE);
    let duration = one(rng, &DURATIONS);
    match kind {
        Kind::Number => {
            let n = one(rng, &["0", "1", "2", "3", "10", "12.5", "25"]);
            match rng.below(6) {
                0 => format!("has({name})"),
                1 => format!("default({name}, 0) + 1 {compare} {n}"),
                2 => format!("max({name}, 2) * 2 > {n}"),
                _ => format!("{name} {compare} {n}"),
            }
        }
        Kind::Time => match rng.below(5) {
            0 => format!("!({name} > now - {duration})"),
            1 => format!("now - {name} {compare} {duration}"),
            2 => format!("{name} + {duration} {compare} now"),
            3 => format!("now - {duration} - minutes(10) > {name}"),
            _ => format!("{name} {compare} now - {duration}"),
        },
        Kind::Text => match rng.below(3) {
            0 => format!("has({name})"),
            1 => format!("{name} in [\"p1\", \"p2\", \"Rome\", \"gold\"]"),
            _ => format!("{name} {} \"{}\"", one(rng, &["==", "!="]), one(rng, &["p1", "Rome"])),
        },
        Kind::Boolean => name.clone(),
        Kind::List => match rng.below(2) {
            0 => format!("size({name}) {compare} 2"),
            _ => format!("\"p1\" in {name}"),
        },
        Kind::Basket => match rng.below(4) {
            0 => format!("size({name}.product_ids) == 0"),
            1 => format!("{name}.items >= 2"),
            2 => format!("\"p1\" in {name}.product_ids"),
            _ => format!("{name}.value {compare} 20"),
        },
        Kind::Date => format!("has({name})"),
    }
}
