//! An expression and what it may name in, its value out. Walks the parsed tree each time; nothing
//! is compiled, remembered or type-checked: what does not fit together is missing.

use super::calendar;
use super::calendar::DAY;
use super::known::Known;
use super::line::Event;
use super::value::{ONE, Value, divide, number, product};
use crate::define::ast::SegmentKind;
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};
use jiff::tz::TimeZone;
use std::cmp::Ordering;

/// How an instance began, as its expressions see it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub event: Option<Event>,
    /// The event's time, or the instant of the entry where there is no event.
    pub at: i64,
}

/// Everything that an expression may name.
#[derive(Clone)]
pub struct Scope<'a> {
    pub known: &'a Known<'a>,
    pub now: i64,
    pub zone: TimeZone,
    pub event: Option<&'a Event>,
    pub entry: Option<&'a Entry>,
    pub key: Option<&'a str>,
    /// Whether facts, sessions and segments may be named: not in the definition of a fact.
    pub has_facts: bool,
}

impl<'a> Scope<'a> {
    /// What a condition of a segment sees.
    pub fn of_person(known: &'a Known<'a>, now: i64) -> Self {
        let zone = known.zone();
        Scope { known, now, zone, event: None, entry: None, key: None, has_facts: true }
    }

    /// What the `of` and `where` of a fact see of an event that was taken in.
    pub fn of_taken(known: &'a Known<'a>, taken: &'a super::known::Taken) -> Self {
        Scope {
            known,
            now: taken.at,
            zone: taken.zone.clone(),
            event: Some(&taken.event),
            entry: None,
            key: None,
            has_facts: false,
        }
    }

    /// Whether a condition that may be absent holds.
    pub fn holds(&self, condition: Option<&crate::define::ast::Expr>) -> bool {
        condition.is_none_or(|condition| self.eval(&condition.tree).holds())
    }

    /// The value of an expression.
    pub fn eval(&self, tree: &IdedExpr) -> Value {
        match &tree.expr {
            Expr::Literal(literal) => eval_literal(literal),
            Expr::List(list) => {
                let elements = list.elements.iter().map(|element| self.eval(element));
                Value::List(elements.filter(|value| !value.is_missing()).collect())
            }
            Expr::Ident(_) => self.name(tree),
            Expr::Select(select) if select.test => {
                let mut path = path_of(&select.operand).unwrap_or_default();
                path.push(&select.field);
                Value::Bool(!self.lookup(&path).is_missing())
            }
            Expr::Select(_) => self.name(tree),
            Expr::Call(call) => self.call(call),
            _ => Value::Missing,
        }
    }

    fn name(&self, tree: &IdedExpr) -> Value {
        path_of(tree).map_or(Value::Missing, |path| self.lookup(&path))
    }

    fn lookup(&self, path: &[&str]) -> Value {
        match path {
            ["now"] => Value::Time(self.now),
            ["key"] => self.key.map_or(Value::Missing, |key| Value::Text(key.to_string())),
            ["event", rest @ ..] => self.event.map_or(Value::Missing, |event| event.property(rest)),
            ["entry", "at"] => self.entry.map_or(Value::Missing, |entry| Value::Time(entry.at)),
            ["entry", rest @ ..] => match self.entry.and_then(|entry| entry.event.as_ref()) {
                Some(event) => event.property(rest),
                None => Value::Missing,
            },
            _ if !self.has_facts => Value::Missing,
            ["session", field] => self.known.session_value(field),
            [fact, rest @ ..] => {
                let value = self.known.fact_named(fact, self.key, self.now);
                value.at(rest).usable()
            }
            [] => Value::Missing,
        }
    }

    fn call(&self, call: &CallExpr) -> Value {
        let arguments: Vec<&IdedExpr> =
            call.target.iter().map(|t| &**t).chain(&call.args).collect();
        match (call.func_name.as_str(), arguments.as_slice()) {
            (operators::LOGICAL_AND, all) => Value::Bool(all.iter().all(|e| self.eval(e).holds())),
            (operators::LOGICAL_OR, any) => Value::Bool(any.iter().any(|e| self.eval(e).holds())),
            (operators::LOGICAL_NOT, [e]) => Value::Bool(!self.eval(e).holds()),
            (operators::CONDITIONAL, [condition, yes, no]) => {
                if self.eval(condition).holds() {
                    self.eval(yes)
                } else {
                    self.eval(no)
                }
            }
            ("segment", [name]) => match self.eval(name) {
                Value::Text(name) if self.has_facts => Value::Bool(self.is_in(&name)),
                _ => Value::Missing,
            },
            (name, arguments) => {
                let values: Vec<Value> = arguments.iter().map(|e| self.as_operand(e)).collect();
                match values.as_slice() {
                    [a] => self.unary(name, a),
                    [a, b] => binary(name, a, b),
                    _ => Value::Missing,
                }
            }
        }
    }

    /// In an operation a date is its local midnight.
    fn as_operand(&self, tree: &IdedExpr) -> Value {
        match self.eval(tree) {
            Value::Date(date) => Value::Time(calendar::instant(date, 0, &self.zone)),
            value => value,
        }
    }

    /// Membership of a segment: the condition now, or what journeys made of a list.
    pub fn is_in(&self, segment: &str) -> bool {
        let definition = self.known.pack.segments.iter().find(|s| s.name.node == segment);
        match definition.map(|definition| &definition.kind) {
            Some(SegmentKind::When(condition)) => {
                Scope::of_person(self.known, self.now).eval(&condition.tree).holds()
            }
            Some(SegmentKind::List) => self.known.lists.contains(segment),
            None => false,
        }
    }

    fn unary(&self, name: &str, a: &Value) -> Value {
        match (name, a) {
            ("has" | "_has_", a) => Value::Bool(!a.is_missing()),
            (operators::NEGATE, Value::Number(n)) => number(-i128::from(*n)),
            (operators::NEGATE, Value::Duration(ms)) => duration(-i128::from(*ms)),
            ("size", Value::Text(text)) => Value::Number(text.chars().count() as i64 * ONE),
            ("size", Value::List(elements)) => Value::Number(elements.len() as i64 * ONE),
            ("days", Value::Number(n)) => times(DAY, *n),
            ("hours", Value::Number(n)) => times(3_600_000, *n),
            ("minutes", Value::Number(n)) => times(60_000, *n),
            ("seconds", Value::Number(n)) => times(1000, *n),
            ("timestamp", Value::Text(text)) => match text.parse::<jiff::Timestamp>() {
                Ok(time) => Value::Time(time.as_millisecond()),
                Err(_) => Value::Missing,
            },
            ("lower", Value::Text(text)) => Value::Text(text.to_lowercase()),
            ("abs", Value::Number(n)) => number(i128::from(*n).abs()),
            ("floor", Value::Number(n)) => number(i128::from(n.div_euclid(ONE)) * i128::from(ONE)),
            ("round", Value::Number(n)) => {
                let away = (i128::from(*n).abs() + i128::from(ONE / 2)) / i128::from(ONE);
                number(away * i128::from(ONE) * i128::from(n.signum()))
            }
            ("hour", Value::Time(ms)) => {
                Value::Number(i64::from(calendar::local(*ms, &self.zone).hour()) * ONE)
            }
            ("weekday", Value::Time(ms)) => {
                let weekday = calendar::day(*ms, &self.zone).weekday();
                Value::Number(i64::from(weekday.to_monday_one_offset()) * ONE)
            }
            _ => Value::Missing,
        }
    }
}

/// The names of `a.b.c`.
pub fn path_of(tree: &IdedExpr) -> Option<Vec<&str>> {
    match &tree.expr {
        Expr::Ident(name) => Some(vec![name]),
        Expr::Select(select) if !select.test => {
            let mut path = path_of(&select.operand)?;
            path.push(&select.field);
            Some(path)
        }
        _ => None,
    }
}

fn eval_literal(literal: &LiteralValue) -> Value {
    match literal {
        LiteralValue::Boolean(value) => Value::Bool(**value),
        LiteralValue::Int(n) => number(i128::from(**n) * i128::from(ONE)),
        LiteralValue::UInt(n) => number(i128::from(**n) * i128::from(ONE)),
        // The shortest text that reads as this float is what the author wrote.
        LiteralValue::Double(n) => {
            super::value::parse_decimal(&n.to_string()).map_or(Value::Missing, Value::Number)
        }
        LiteralValue::String(text) => Value::Text(text.inner().to_string()),
        LiteralValue::Bytes(_) | LiteralValue::Null => Value::Missing,
    }
}

fn duration(ms: i128) -> Value {
    i64::try_from(ms).map_or(Value::Missing, Value::Duration)
}

fn time(ms: i128) -> Value {
    i64::try_from(ms).map_or(Value::Missing, Value::Time)
}

/// A duration multiplied by a number in millionths.
fn times(ms: i64, n: i64) -> Value {
    duration(divide(i128::from(ms) * i128::from(n), i128::from(ONE)))
}

fn binary(name: &str, a: &Value, b: &Value) -> Value {
    match name {
        "default" => return if a.is_missing() { b.clone() } else { a.clone() },
        operators::IN => {
            let found = match b {
                Value::List(elements) if !a.is_missing() => elements.contains(a),
                _ => false,
            };
            return Value::Bool(found);
        }
        operators::EQUALS | operators::NOT_EQUALS => {
            let equal = a == b;
            return Value::Bool(comparable(a, b) && equal == (name == operators::EQUALS));
        }
        _ => {}
    }
    if let Some(holds) = compare(name, a, b) {
        return Value::Bool(holds);
    }
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => arithmetic(name, *a, *b),
        (Value::Text(a), Value::Text(b)) => match name {
            "contains" => Value::Bool(a.contains(b.as_str())),
            "starts_with" | "startsWith" => Value::Bool(a.starts_with(b.as_str())),
            "ends_with" | "endsWith" => Value::Bool(a.ends_with(b.as_str())),
            _ => Value::Missing,
        },
        _ => time_arithmetic(name, a, b),
    }
}

fn comparable(a: &Value, b: &Value) -> bool {
    !a.is_missing() && std::mem::discriminant(a) == std::mem::discriminant(b)
}

/// None if the name is no comparison; false if the two cannot be compared.
fn compare(name: &str, a: &Value, b: &Value) -> Option<bool> {
    let order = match (a, b) {
        (Value::Number(a), Value::Number(b))
        | (Value::Time(a), Value::Time(b))
        | (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        _ => None,
    };
    let holds: fn(Ordering) -> bool = match name {
        operators::LESS => Ordering::is_lt,
        operators::LESS_EQUALS => Ordering::is_le,
        operators::GREATER => Ordering::is_gt,
        operators::GREATER_EQUALS => Ordering::is_ge,
        _ => return None,
    };
    Some(order.is_some_and(holds))
}

fn arithmetic(name: &str, a: i64, b: i64) -> Value {
    let (wide_a, wide_b) = (i128::from(a), i128::from(b));
    match name {
        operators::ADD => number(wide_a + wide_b),
        operators::SUBSTRACT => number(wide_a - wide_b),
        operators::MULTIPLY => number(product(a, b)),
        operators::DIVIDE if b != 0 => number(divide(wide_a * i128::from(ONE), wide_b)),
        operators::MODULO if b != 0 => number(wide_a % wide_b),
        "min" => Value::Number(a.min(b)),
        "max" => Value::Number(a.max(b)),
        _ => Value::Missing,
    }
}

fn time_arithmetic(name: &str, a: &Value, b: &Value) -> Value {
    let wide = |n: &i64| i128::from(*n);
    match (name, a, b) {
        (operators::SUBSTRACT, Value::Time(a), Value::Time(b)) => duration(wide(a) - wide(b)),
        (operators::SUBSTRACT, Value::Time(a), Value::Duration(b)) => time(wide(a) - wide(b)),
        (operators::ADD, Value::Time(a), Value::Duration(b))
        | (operators::ADD, Value::Duration(a), Value::Time(b)) => time(wide(a) + wide(b)),
        (operators::ADD, Value::Duration(a), Value::Duration(b)) => duration(wide(a) + wide(b)),
        (operators::SUBSTRACT, Value::Duration(a), Value::Duration(b)) => {
            duration(wide(a) - wide(b))
        }
        (operators::MULTIPLY, Value::Duration(ms), Value::Number(n))
        | (operators::MULTIPLY, Value::Number(n), Value::Duration(ms)) => times(*ms, *n),
        _ => Value::Missing,
    }
}
