//! Random journeys with every kind of entry, exit and step.
//!
//! A journey that a segment or a silence starts and that changes something is entered rarely, so
//! that no two journeys keep one another going for months.

use super::super::rng::Rng;
use super::condition::{Kind, Names, Sight, condition};
use super::one;
use std::fmt::Write;

const TRIGGERS: [&str; 6] = [
    "Product Viewed",
    "Product Added",
    "Order Completed",
    "[Product Added, Product Viewed]",
    "page",
    "identify",
];

/// What a journey's parts need to know of the whole.
struct Outline<'a> {
    names: &'a Names,
    is_keyed: bool,
    is_by_event: bool,
}

impl Outline<'_> {
    /// What the expressions of exits and steps see where no event is at hand.
    fn sight(&self) -> Sight {
        Sight { entry: true, entry_event: self.is_by_event, key: self.is_keyed, ..Sight::default() }
    }
}

/// One entry of `journeys:`.
pub fn journey(rng: &mut Rng, number: i64, names: &Names) -> String {
    if rng.chance(0.02) {
        return burst(rng, number);
    }
    let kind = rng.below(10);
    let is_keyed = kind < 4 && rng.chance(0.5);
    let outline = Outline { names, is_keyed, is_by_event: kind < 5 };
    let mut text = format!("  j{number}:\n");
    let _ = writeln!(text, "    enter: {{ {} }}", enter(rng, &outline, kind));
    if rng.chance(0.6) {
        text.push_str("    exit:\n");
        for _ in 0..rng.between(1, 2) {
            text.push_str(&exit(rng, &outline));
        }
    }
    if rng.chance(0.5) {
        let _ = writeln!(text, "    priority: {}", one(rng, &["0", "20", "50", "100"]));
    }
    if rng.chance(0.3) {
        let _ = writeln!(text, "    valid_for: {}", one(rng, &["1h", "1d", "10m"]));
    }
    if rng.chance(0.2) {
        let _ = writeln!(text, "    suppress_while: {}", rng.pick(&names.segments));
    }
    text.push_str("    steps:\n");
    let length = rng.between(1, 5);
    steps(rng, &outline, &mut text, 6, length, 2);
    text
}

/// So many emitted events and messages at one instant that limits hold.
fn burst(rng: &mut Rng, number: i64) -> String {
    let mut text = format!(
        "  j{number}:\n    enter: {{ on: [Nudge, page], again: always }}\n    steps:\n      \
         - emit: {{ event: Nudge }}\n"
    );
    for _ in 0..5 {
        let _ = writeln!(text, "      - {}", send(rng));
    }
    text
}

fn enter(rng: &mut Rng, outline: &Outline, kind: u64) -> String {
    let names = outline.names;
    let own = Sight { key: outline.is_keyed, event: kind < 5, ..Sight::default() };
    let condition = match rng.chance(0.3) {
        true => Some(condition(rng, names, own, 1)),
        false => None,
    };
    let rare = one(rng, &["never", "after 7d", "after 30d"]);
    let frequent = one(rng, &["never", "after exit", "after 1h", "after 7d", "always", "always"]);
    let (trigger, word, again) = match kind {
        0..4 => (format!("on: {}", one(rng, &TRIGGERS)), "where", frequent),
        4 => ("on: Nudge".to_string(), "where", rare),
        5 | 6 => {
            let way = one(rng, &["entered", "left"]);
            (format!("{way}: {}", rng.pick(&names.segments)), "when", rare)
        }
        7 => match dates(names).next() {
            Some(name) => (date_entry(rng, name), "when", frequent),
            None => ("entered: l1".to_string(), "when", rare),
        },
        _ => {
            let of = one(rng, &["", ", of: [Order Completed]", ", of: [Product Viewed, page]"]);
            let quiet_for = one(rng, &["10m", "1h", "1d", "7d"]);
            (format!("quiet_for: {quiet_for}{of}"), "when", rare)
        }
    };
    let per = if outline.is_keyed { ", per: cart_id" } else { "" };
    let condition = condition.map_or(String::new(), |c| format!(", {word}: '{c}'"));
    let again =
        if rng.chance(0.3) && again != rare { String::new() } else { format!(", again: {again}") };
    format!("{trigger}{condition}{per}{again}")
}

/// The facts that say a day or a time, once for a person.
fn dates(names: &Names) -> impl Iterator<Item = &str> {
    let facts = names.facts.iter().filter(|fact| !fact.2);
    let dates = facts.filter(|fact| matches!(fact.1, Kind::Date | Kind::Time));
    dates.map(|fact| fact.0.as_str())
}

fn date_entry(rng: &mut Rng, fact: &str) -> String {
    let offset = one(rng, &["", ", offset: -7d", ", offset: 1d"]);
    let at = one(rng, &["", ", at: \"09:00\"", ", at: \"02:30\""]);
    let every = one(rng, &["", ", every: year", ", every: once"]);
    format!("date: {fact}{offset}{at}{every}")
}

fn exit(rng: &mut Rng, outline: &Outline) -> String {
    let sight = outline.sight();
    let rule = if rng.chance(0.6) {
        let on =
            one(rng, &["Order Completed", "Product Removed", "[Order Completed, page]", "Nudge"]);
        match rng.chance(0.4) {
            true => {
                let sight = Sight { event: true, ..sight };
                format!("on: {on}, where: '{}'", condition(rng, outline.names, sight, 1))
            }
            false => format!("on: {on}"),
        }
    } else {
        format!("when: '{}'", condition(rng, outline.names, sight, 1))
    };
    let goal = match (one(rng, &["", "", ", goal: true"]), rule.starts_with("on:")) {
        ("", _) => "",
        (_, true) => ", goal: true, value: event.total",
        (_, false) => ", goal: true, value: 2.5",
    };
    format!("      - {{ {rule}{goal} }}\n")
}

fn steps(rng: &mut Rng, outline: &Outline, text: &mut String, indent: usize, n: i64, depth: u32) {
    for number in 1..=n {
        // Nothing may stand behind the end.
        if number == n && rng.chance(0.08) {
            let _ = writeln!(text, "{}- end", " ".repeat(indent));
        } else {
            step(rng, outline, text, indent, depth);
        }
    }
}

fn step(rng: &mut Rng, outline: &Outline, text: &mut String, indent: usize, depth: u32) {
    let kind = rng.below(if depth > 0 { 20 } else { 16 });
    let line = match kind {
        0..5 | 15 => format!("wait: {}", wait(rng, outline)),
        5..10 => send(rng),
        10 => emit(rng, outline),
        11 => {
            let values =
                ["city: '\"Rome\"'", "loyalty: '\"gold\"'", "newsletter: 'false'", "age: '44'"];
            format!("set: {{ {} }}", one(rng, &values))
        }
        12 | 13 => format!("add_to: {}", one(rng, &["l1", "l2"])),
        14 => format!("remove_from: {}", one(rng, &["l1", "l2"])),
        16 => return wait_for_event(rng, outline, text, indent, depth - 1),
        17 | 18 => return choose(rng, outline, text, indent, depth - 1),
        _ => return split(rng, outline, text, indent, depth - 1),
    };
    let _ = writeln!(text, "{}- {line}", " ".repeat(indent));
}

fn emit(rng: &mut Rng, outline: &Outline) -> String {
    let cart = match outline.is_keyed && rng.chance(0.7) {
        true => "key",
        false => "'\"c2\"'",
    };
    let price = if outline.is_by_event { "entry.price" } else { "7.5" };
    let with = format!("price: {price}, product_id: '\"p1\"', cart_id: {cart}");
    format!("emit: {{ event: Nudge, with: {{ {with} }} }}")
}

fn wait_for_event(rng: &mut Rng, outline: &Outline, text: &mut String, indent: usize, depth: u32) {
    let pad = " ".repeat(indent);
    let on = one(rng, &["Order Completed", "page", "[Product Viewed, Nudge]"]);
    let timeout = one(rng, &["1h", "1d"]);
    let _ = writeln!(text, "{pad}- wait:\n{pad}    on: {on}\n{pad}    timeout: {timeout}");
    if rng.chance(0.4) {
        let sight = Sight { event: true, ..outline.sight() };
        let condition = condition(rng, outline.names, sight, 1);
        let _ = writeln!(text, "{pad}    where: '{condition}'");
    }
    for branch in ["then", "else"] {
        let _ = writeln!(text, "{pad}    {branch}:");
        let n = rng.between(1, 2);
        steps(rng, outline, text, indent + 6, n, depth);
    }
}

fn choose(rng: &mut Rng, outline: &Outline, text: &mut String, indent: usize, depth: u32) {
    let pad = " ".repeat(indent);
    let when = condition(rng, outline.names, outline.sight(), 1);
    let _ = writeln!(text, "{pad}- choose:\n{pad}    - when: '{when}'\n{pad}      do:");
    let n = rng.between(1, 2);
    steps(rng, outline, text, indent + 8, n, depth);
    if rng.chance(0.6) {
        let _ = writeln!(text, "{pad}    - else:\n{pad}      do:");
        steps(rng, outline, text, indent + 8, 1, depth);
    }
}

fn split(rng: &mut Rng, outline: &Outline, text: &mut String, indent: usize, depth: u32) {
    let pad = " ".repeat(indent);
    let _ = writeln!(text, "{pad}- split:\n{pad}    - name: a\n{pad}      percent: 45.5");
    let _ = writeln!(text, "{pad}      do:");
    let n = rng.between(1, 2);
    steps(rng, outline, text, indent + 8, n, depth);
    let _ = writeln!(text, "{pad}    - {{ name: rest, percent: 20, do: [ end ] }}");
    let _ = writeln!(text, "{pad}    - {{ name: control, percent: 34.5, hold_out: true }}");
}

fn wait(rng: &mut Rng, outline: &Outline) -> String {
    let duration = one(rng, &["10m", "30m", "1h", "1d", "7d", "90s"]);
    let clock = one(rng, &["\"10:00\"", "\"02:30\"", "\"00:00\""]);
    let facts = outline.names.facts.iter().filter(|fact| !fact.2 || outline.is_keyed);
    let dates: Vec<_> = facts.filter(|fact| matches!(fact.1, Kind::Time | Kind::Date)).collect();
    match rng.below(8) {
        0..3 => duration.to_string(),
        3 => format!("{{ until: {clock} }}"),
        4 => format!("{{ until: day {} at {} }}", rng.between(1, 4), clock.trim_matches('"')),
        5 if !dates.is_empty() => {
            let name = &rng.pick(&dates).0;
            let shift = one(rng, &["", " + 1d", " - 14d", " + 7d"]);
            let at = one(rng, &["", " at 10:00", " at 02:30"]);
            format!("{{ until: {name}{shift}{at} }}")
        }
        _ => {
            let of = one(rng, &[", of: [Product Added]", ", of: [Product Viewed, page]", ""]);
            format!("{{ quiet_for: {duration}{of} }}")
        }
    }
}

fn send(rng: &mut Rng) -> String {
    let channel = one(rng, &["email", "email", "sms", "push"]);
    let template = one(rng, &["t1", "t2", "t3"]);
    let purpose = one(rng, &["", "", ", purpose: transactional"]);
    let tags = one(rng, &["", "", ", tags: [offer]", ", tags: [offer, transactional]"]);
    let valid_for = one(rng, &["", "", "", ", valid_for: 1h"]);
    let with = one(rng, &["", "", ", with: { at: now, day: 'weekday(now)' }"]);
    let held = one(rng, &["", "", ", if_suppressed: wait"]);
    format!(
        "send: {{ channel: {channel}, template: {template}{purpose}{tags}{valid_for}{held}{with} }}"
    )
}
