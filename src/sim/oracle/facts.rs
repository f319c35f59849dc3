//! The value of a fact, recomputed from the list of events by the words of its definition.

use super::calendar;
use super::eval::Scope;
use super::known::{Known, Taken};
use super::line::Event;
use super::value::{ONE, Value, divide, number, product};
use crate::define::ast::{
    Aggregate, BasketDef, Expr, FactDef, FactKind, FoldDef, Name, Period, Window,
};
use std::collections::{BTreeMap, BTreeSet};

/// How many values `recent` keeps where the definition does not say.
const DEFAULT_KEEP: u32 = 10;

/// One value that an event adds to a fact, or takes out of it.
struct Item {
    t: i64,
    value: Value,
    is_minus: bool,
}

impl Known<'_> {
    /// The value of a fact by name; missing if there is none, or if it is keyed without a key.
    pub fn fact_named(&self, name: &str, key: Option<&str>, now: i64) -> Value {
        match self.pack.facts.iter().find(|fact| fact.name.node == name) {
            Some(fact) => self.fact(fact, key, now),
            None => Value::Missing,
        }
    }

    /// The value of a fact at an instant; of a keyed one, for a key. A basket is an object.
    pub fn fact(&self, fact: &FactDef, key: Option<&str>, now: i64) -> Value {
        match &fact.kind {
            FactKind::Trait { name, of_type } => {
                self.trait_value(&name.node, of_type.as_ref().map(|of_type| of_type.node))
            }
            FactKind::Fold(fold) if fold.per.is_some() && key.is_none() => Value::Missing,
            FactKind::Fold(fold) => self.fold(fold, key, now),
            FactKind::Basket(basket) if basket.per.is_some() && key.is_none() => Value::Missing,
            FactKind::Basket(basket) => self.basket(basket, key),
        }
    }

    /// Every fact as text, under its name; keyed ones for each key with another than the default.
    pub fn fact_texts(&self, now: i64) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for fact in &self.pack.facts {
            let per = match &fact.kind {
                FactKind::Trait { .. } => None,
                FactKind::Fold(fold) => fold.per.as_ref(),
                FactKind::Basket(basket) => basket.per.as_ref(),
            };
            let Some(per) = per else {
                insert_texts(&mut texts, &fact.name.node, self.fact(fact, None, now));
                continue;
            };
            let default = self.fact(fact, Some("\u{1f} a key that no event has"), now);
            let events = self.taken.iter().map(|taken| &taken.event);
            let keys: BTreeSet<String> = events.flat_map(|event| event.keys(&per.node)).collect();
            for key in keys {
                let value = self.fact(fact, Some(&key), now);
                if value != default {
                    insert_texts(&mut texts, &format!("{}{{{key}}}", fact.name.node), value);
                }
            }
        }
        texts
    }

    fn fold(&self, fold: &FoldDef, key: Option<&str>, now: i64) -> Value {
        let mut items: Vec<Item> = Vec::new();
        for taken in self.in_time_order() {
            let event = &taken.event;
            if event.is_one_of(&fold.until) && resets(event, fold.per.as_ref(), key) {
                items.clear();
            }
            for (names, is_minus) in [(&fold.on, false), (&fold.minus, true)] {
                if event.is_one_of(names) && is_of_key(event, fold.per.as_ref(), key) {
                    let values = self.values(fold, taken).into_iter();
                    items.extend(values.map(|value| Item { t: event.t, value, is_minus }));
                }
            }
        }
        items.retain(|item| match fold.window.as_ref().map(|window| window.node) {
            None => true,
            Some(window) => window_holds(window, item.t, now, self),
        });
        aggregate(fold, items)
    }

    /// What an event adds to (or takes from) a fact that counts it.
    fn values(&self, fold: &FoldDef, taken: &Taken) -> Vec<Value> {
        let scope = Scope::of_taken(self, taken);
        if !scope.holds(fold.condition.as_ref()) {
            return Vec::new();
        }
        match &fold.of {
            Some(of) => scope.eval(&of.tree).elements(),
            None => vec![Value::Number(ONE)],
        }
    }

    fn basket(&self, basket: &BasketDef, key: Option<&str>) -> Value {
        let mut products: Vec<Product> = Vec::new();
        for taken in self.in_time_order() {
            let event = &taken.event;
            let per = basket.per.as_ref();
            if event.is_one_of(&basket.until) && resets(event, per, key) {
                products.clear();
            }
            if !is_of_key(event, per, key) {
                continue;
            }
            let scope = Scope::of_taken(self, taken);
            let value = |expr: &Option<Expr>| match expr {
                Some(expr) => scope.eval(&expr.tree),
                None => Value::Missing,
            };
            let ids = match &basket.of {
                Some(of) => scope.eval(&of.tree).elements(),
                None => event.property(&["product_id"]).elements(),
            };
            let (quantity, price) = (value(&basket.quantity), value(&basket.price));
            for id in ids {
                if event.is_one_of(&basket.on) {
                    add(&mut products, id.clone(), &quantity, &price);
                }
                if event.is_one_of(&basket.minus) {
                    remove(&mut products, &id, &quantity);
                }
            }
        }
        let ids = products.iter().map(|product| product.id.clone()).collect();
        let items = products.iter().map(|product| i128::from(product.quantity)).sum();
        let worth = |p: &Product| product(p.quantity, p.price);
        Value::Object(vec![
            ("product_ids".to_string(), Value::List(ids)),
            ("items".to_string(), number(items)),
            ("value".to_string(), number(products.iter().map(worth).sum())),
        ])
    }
}

/// Whether time `t` lies in the window at `now`; a calendar period is that of the time zone now.
pub fn window_holds(window: Window, t: i64, now: i64, known: &Known) -> bool {
    match window {
        Window::Sliding(over) => now - over < t && t <= now,
        Window::Calendar(period) => in_period(period, t, now, known),
    }
}

fn in_period(period: Period, t: i64, now: i64, known: &Known) -> bool {
    calendar::same_period(t, now, period, &known.zone()) && t <= now
}

/// An event counts for the keys that it carries; all events do where a fact has no keys.
fn is_of_key(event: &Event, per: Option<&Name>, key: Option<&str>) -> bool {
    per.is_none_or(|per| key.is_some_and(|key| event.keys(&per.node).contains(key)))
}

/// A reset is about the keys that it carries, or about all if it carries none.
fn resets(event: &Event, per: Option<&Name>, key: Option<&str>) -> bool {
    is_of_key(event, per, key) || per.is_some_and(|per| event.keys(&per.node).is_empty())
}

fn aggregate(fold: &FoldDef, items: Vec<Item>) -> Value {
    let signed = |item: &Item, n: i64| i128::from(if item.is_minus { -1 } else { 1 } * n);
    let numbers = items.iter().filter_map(|item| match item.value {
        Value::Number(n) => Some(signed(item, n)),
        _ => None,
    });
    match fold.aggregate.node {
        Aggregate::Count => number(items.iter().map(|item| signed(item, ONE)).sum()),
        Aggregate::Sum => number(numbers.sum()),
        Aggregate::Average => {
            let numbers: Vec<i128> = numbers.collect();
            match numbers.len() {
                0 => Value::Missing,
                n => number(divide(numbers.iter().sum(), n as i128)),
            }
        }
        Aggregate::Min => extreme(&items, |a, b| a < b),
        Aggregate::Max => extreme(&items, |a, b| a > b),
        Aggregate::First => items.first().map_or(Value::Missing, |item| item.value.clone()),
        Aggregate::Last => items.last().map_or(Value::Missing, |item| item.value.clone()),
        Aggregate::Distinct => number(distinct(&remaining(items)).len() as i128 * ONE as i128),
        Aggregate::Recent => {
            let mut values = distinct(&remaining(items));
            let keep = fold.keep.as_ref().map_or(DEFAULT_KEEP, |keep| keep.node) as usize;
            values.drain(..values.len().saturating_sub(keep));
            Value::List(values)
        }
        Aggregate::Top => top(&remaining(items)),
    }
}

/// The values in order, without those that a later minus took out.
fn remaining(items: Vec<Item>) -> Vec<Value> {
    let mut values = Vec::new();
    for item in items {
        if item.is_minus {
            values.retain(|value| *value != item.value);
        } else {
            values.push(item.value);
        }
    }
    values
}

/// Each value once, at its latest place.
fn distinct(values: &[Value]) -> Vec<Value> {
    let mut distinct: Vec<Value> = Vec::new();
    for value in values {
        distinct.retain(|known| known != value);
        distinct.push(value.clone());
    }
    distinct
}

/// The most frequent value; among equally frequent ones the one seen last.
fn top(values: &[Value]) -> Value {
    let count = |wanted: &Value| values.iter().filter(|value| *value == wanted).count();
    let most = values.iter().map(count).max().unwrap_or(0);
    values.iter().rev().find(|value| count(value) == most).cloned().unwrap_or(Value::Missing)
}

fn extreme(items: &[Item], beats: fn(i64, i64) -> bool) -> Value {
    let mut best = Value::Missing;
    for item in items {
        let better = match (&item.value, &best) {
            (Value::Number(_) | Value::Time(_) | Value::Date(_), Value::Missing) => true,
            (Value::Number(a), Value::Number(b)) | (Value::Time(a), Value::Time(b)) => {
                beats(*a, *b)
            }
            (Value::Date(a), Value::Date(b)) => beats(a.cmp(b) as i64, 0),
            _ => false,
        };
        if better {
            best = item.value.clone();
        }
    }
    best
}

/// A product in a basket; one whose quantity falls to zero is taken off the list.
struct Product {
    id: Value,
    quantity: i64,
    price: i64,
}

fn add(products: &mut Vec<Product>, id: Value, quantity: &Value, price: &Value) {
    let quantity = match quantity {
        Value::Number(quantity) => *quantity,
        _ => ONE,
    };
    let mut product = match products.iter().position(|product| product.id == id) {
        Some(place) => {
            change(&mut products[place], quantity, price);
            products.retain(|product| product.quantity > 0);
            return;
        }
        None => Product { id, quantity: 0, price: 0 },
    };
    change(&mut product, quantity, price);
    if product.quantity > 0 {
        products.push(product);
    }
}

fn change(product: &mut Product, quantity: i64, price: &Value) {
    product.quantity = product.quantity.saturating_add(quantity).max(0);
    if let Value::Number(price) = price {
        product.price = *price;
    }
}

fn remove(products: &mut Vec<Product>, id: &Value, quantity: &Value) {
    for product in products.iter_mut().filter(|product| product.id == *id) {
        match quantity {
            Value::Number(quantity) => change(product, -quantity, &Value::Missing),
            _ => product.quantity = 0,
        }
    }
    products.retain(|product| product.quantity > 0);
}

fn insert_texts(texts: &mut BTreeMap<String, String>, name: &str, value: Value) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                texts.insert(format!("{name}.{field}"), value.text());
            }
        }
        value => {
            texts.insert(name.to_string(), value.text());
        }
    }
}
