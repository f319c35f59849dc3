//! Random facts of every aggregate.

use super::super::rng::Rng;
use super::condition::{Kind, Names, Sight, condition};
use super::one;

const EVENTS: [&str; 9] = [
    "Product Viewed",
    "Product Added",
    "Product Removed",
    "Order Completed",
    "page",
    "Nudge",
    "[Product Viewed, Product Added]",
    "[Order Completed, Product Removed]",
    "Product Added",
];

/// One line of `facts:`, noted down among the names.
pub fn fact(rng: &mut Rng, number: i64, names: &mut Names) -> String {
    let name = format!("f{number}");
    let (text, kind, is_keyed) = match rng.below(10) {
        0 | 1 => trait_fact(rng),
        2 => basket(rng),
        _ => fold(rng),
    };
    names.facts.push((name.clone(), kind, is_keyed));
    format!("  {name}: {{ {text} }}\n")
}

fn trait_fact(rng: &mut Rng) -> (String, Kind, bool) {
    let (name, of_type, kind) = *rng.pick(&[
        ("city", "string", Kind::Text),
        ("age", "number", Kind::Number),
        ("newsletter", "boolean", Kind::Boolean),
        ("birthday", "date", Kind::Date),
        ("signed_up", "time", Kind::Time),
        ("loyalty", "string", Kind::Text),
    ]);
    (format!("trait: {name}, type: {of_type}"), kind, false)
}

fn basket(rng: &mut Rng) -> (String, Kind, bool) {
    let mut text = "basket: Product Added, minus: Product Removed, of: event.product_id, \
                    quantity: event.quantity, price: event.price"
        .to_string();
    if rng.chance(0.7) {
        text.push_str(", until: Order Completed");
    }
    let is_keyed = rng.chance(0.5);
    if is_keyed {
        text.push_str(", per: cart_id");
    }
    (text, Kind::Basket, is_keyed)
}

fn fold(rng: &mut Rng) -> (String, Kind, bool) {
    let aggregates =
        ["count", "sum", "min", "max", "average", "first", "last", "distinct", "recent", "top"];
    let aggregate = one(rng, &aggregates);
    let numbers = ["event.price", "event.price * event.quantity", "event.total", "event.quantity"];
    let texts = ["event.product_id", "event.product_id", "event.products.product_id"];
    let (of, kind) = match aggregate {
        "count" => (None, Kind::Number),
        "sum" | "average" => (Some(one(rng, &numbers)), Kind::Number),
        "distinct" => (Some(one(rng, &texts)), Kind::Number),
        "recent" => (Some(one(rng, &texts)), Kind::List),
        "top" => (Some(one(rng, &texts)), Kind::Text),
        "first" | "last" if rng.chance(0.3) => (Some("event.product_id"), Kind::Text),
        _ if rng.chance(0.5) => (Some("event.timestamp"), Kind::Time),
        _ => (Some(one(rng, &numbers)), Kind::Number),
    };
    let mut text = format!("{aggregate}: {}", one(rng, &EVENTS));
    if let Some(of) = of {
        text.push_str(&format!(", of: {of}"));
    }
    if rng.chance(0.3) {
        let sight = Sight { event: true, event_only: true, ..Sight::default() };
        text.push_str(&format!(", where: '{}'", condition(rng, &Names::default(), sight, 1)));
    }
    let can_subtract = matches!(aggregate, "count" | "sum" | "distinct" | "recent" | "top");
    if can_subtract && rng.chance(0.25) {
        text.push_str(&format!(", minus: {}", one(rng, &["Product Removed", "Ticket Closed"])));
    }
    // A calendar period takes the place of a key.
    let (limit, may_be_keyed) = limit(rng);
    text.push_str(&limit);
    let is_keyed = may_be_keyed && rng.chance(0.25);
    if is_keyed {
        text.push_str(", per: cart_id");
    }
    if aggregate == "recent" && rng.chance(0.6) {
        text.push_str(&format!(", keep: {}", rng.between(1, 3)));
    }
    (text, kind, is_keyed)
}

/// What bounds a fact in time, and whether it may have keys.
fn limit(rng: &mut Rng) -> (String, bool) {
    let untils = ["Order Completed", "[Order Completed, Nudge]", "Product Added"];
    match rng.below(10) {
        0..3 => (format!(", over: {}", one(rng, &["10m", "1h", "1d", "7d", "36h", "30d"])), true),
        3..5 => (format!(", per: {}", one(rng, &["day", "week", "month", "year"])), false),
        5..7 => (format!(", until: {}", one(rng, &untils)), true),
        _ => (String::new(), true),
    }
}
