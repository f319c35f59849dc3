//! Evaluation of expressions for one person at one instant.
//!
//! Besides its value an evaluation leaves, in [`Cx::recheck`], the next instant at which that value may change while
//! nothing happens: where a comparison with `now` turns, or a window loses an entry.

use super::instance::Instance;
use super::{Person, facts};
use crate::catalogue::Catalogue;
use crate::define::plan::expr::{BasketField, Comparison, Math, Operator, SessionField, TextTest};
use crate::define::plan::{Expr, FactId, Plan};
use crate::event::{Event, Num, Value};
use crate::time::{DAY, HOUR, NEVER};
use compact_str::CompactString;
use std::cell::Cell;
use std::cmp::Ordering;

/// What an expression is evaluated against.
pub(super) struct Cx<'a> {
    pub(super) plan: &'a Plan,
    pub(super) person: &'a Person,
    pub(super) now: i64,
    pub(super) event: Option<&'a Event>,
    pub(super) instance: Option<&'a Instance>,
    /// The product's record as it was before, in the condition of a notice.
    pub(super) before: Option<&'a Event>,
    /// What there is to sell, where that is known.
    pub(super) catalogue: Option<&'a Catalogue>,
    /// The key of the instance, or of the one about to begin.
    pub(super) key: Option<&'a str>,
    pub(super) recheck: Cell<i64>,
}

impl<'a> Cx<'a> {
    pub(super) fn of(plan: &'a Plan, person: &'a Person, now: i64) -> Cx<'a> {
        let recheck = Cell::new(NEVER);
        let (event, before, instance) = (None, None, None);
        Cx { plan, person, now, event, before, instance, catalogue: None, key: None, recheck }
    }

    pub(super) fn of_instance(plan: &'a Plan, person: &'a Person, now: i64, at: usize) -> Cx<'a> {
        let instance = &person.instances[at];
        Cx { instance: Some(instance), key: instance.key.as_deref(), ..Cx::of(plan, person, now) }
    }

    /// Notes that a value may change at `at`.
    pub(super) fn recheck_at(&self, at: i64) {
        if at > self.now && at < self.recheck.get() {
            self.recheck.set(at);
        }
    }

    /// Whether a condition holds; a missing one does not.
    pub(super) fn holds(&self, condition: &Expr) -> bool {
        match condition {
            Expr::Segment(segment) => self.person.is_member(*segment),
            Expr::Not(a) => !self.holds(a),
            Expr::And(all) => all.iter().all(|part| self.holds(part)),
            Expr::Or(all) => all.iter().any(|part| self.holds(part)),
            Expr::Compare(comparison, two) => compare(*comparison, two, self),
            other => matches!(eval(other, self), Val::Bool(true)),
        }
    }
}

/// A value on its way through an expression: borrowed where it can be. Times and durations carry their slope, how fast
/// they move with `now`.
#[derive(Clone, Debug)]
pub(super) enum Val<'a> {
    Missing,
    Bool(bool),
    Num(Num),
    Time(i64, i64),
    Duration(i64, i64),
    Str(&'a str),
    Text(CompactString),
    List(&'a [Value]),
    Items(Vec<Value>),
}

impl<'a> Val<'a> {
    pub(super) fn from(value: &'a Value) -> Val<'a> {
        match value {
            Value::Missing => Val::Missing,
            Value::Bool(b) => Val::Bool(*b),
            Value::Num(n) => Val::Num(*n),
            Value::Time(t) => Val::Time(*t, 0),
            Value::Duration(d) => Val::Duration(*d, 0),
            Value::Str(s) => Val::Str(s),
            Value::List(items) => Val::List(items),
        }
    }

    pub(super) fn owned(value: Value) -> Val<'a> {
        match value {
            Value::Missing => Val::Missing,
            Value::Bool(b) => Val::Bool(b),
            Value::Num(n) => Val::Num(n),
            Value::Time(t) => Val::Time(t, 0),
            Value::Duration(d) => Val::Duration(d, 0),
            Value::Str(s) => Val::Text(s),
            Value::List(items) => Val::Items(items.to_vec()),
        }
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            Val::Missing => Value::Missing,
            Val::Bool(b) => Value::Bool(b),
            Val::Num(n) => Value::Num(n),
            Val::Time(t, _) => Value::Time(t),
            Val::Duration(d, _) => Value::Duration(d),
            Val::Str(s) => Value::Str(s.into()),
            Val::Text(s) => Value::Str(s),
            Val::List(items) => Value::List(items.into()),
            Val::Items(items) => Value::List(items.into()),
        }
    }

    fn str(&self) -> Option<&str> {
        match self {
            Val::Str(s) => Some(s),
            Val::Text(s) => Some(s),
            _ => None,
        }
    }

    fn items(&self) -> Option<&[Value]> {
        match self {
            Val::List(items) => Some(items),
            Val::Items(items) => Some(items),
            _ => None,
        }
    }

    fn num(&self) -> Option<Num> {
        if let Val::Num(n) = self { Some(*n) } else { None }
    }

    /// A number, or that there is none.
    pub(super) fn number(n: Option<Num>) -> Val<'a> {
        n.map_or(Val::Missing, Val::Num)
    }
}

/// An expression's value.
#[inline]
pub(super) fn eval<'a>(expr: &'a Expr, cx: &Cx<'a>) -> Val<'a> {
    // What most expressions end in, apart from the others: it needs none of their room on the stack.
    match expr {
        Expr::Const(value) => Val::from(value),
        Expr::Property(slot) => cx.event.map_or(Val::Missing, |e| Val::from(e.value(*slot))),
        Expr::Fact(fact) => facts::read(cx, *fact),
        Expr::Arithmetic(operator, two) => calculate(*operator, two, cx),
        other => compound(other, cx),
    }
}

fn compound<'a>(expr: &'a Expr, cx: &Cx<'a>) -> Val<'a> {
    match expr {
        Expr::Const(_) | Expr::Property(_) | Expr::Fact(_) | Expr::Arithmetic(..) => eval(expr, cx),
        Expr::EventTime => cx.event.map_or(Val::Missing, |e| Val::Time(e.time, 0)),
        Expr::Entry(at) => {
            let entry = cx.instance.and_then(|instance| instance.entry.get(*at as usize));
            entry.map_or(Val::Missing, Val::from)
        }
        Expr::EntryTime => cx.instance.map_or(Val::Missing, |i| Val::Time(i.entry_time, 0)),
        Expr::Key => cx.key.map_or(Val::Missing, Val::Str),
        Expr::Basket(fact, field) => facts::read_basket(cx, *fact, *field),
        Expr::Session(field) => session(*field, cx),
        Expr::Now => Val::Time(cx.now, 1),
        Expr::Rank(rank) => Val::Bool(cx.person.is_ranked(*rank)),
        Expr::Segment(_) | Expr::Not(_) | Expr::And(_) | Expr::Or(_) | Expr::Compare(..) => {
            Val::Bool(cx.holds(expr))
        }
        Expr::Choose(three) => eval(&three[if cx.holds(&three[0]) { 1 } else { 2 }], cx),
        Expr::In(two) => contains(&eval(&two[0], cx), &eval(&two[1], cx)),
        Expr::Negate(a) => match eval(a, cx) {
            Val::Num(n) => Val::number(n.checked_neg()),
            Val::Duration(d, s) => d.checked_neg().map_or(Val::Missing, |d| Val::Duration(d, -s)),
            _ => Val::Missing,
        },
        Expr::Has(a) => Val::Bool(!matches!(eval(a, cx), Val::Missing)),
        Expr::Size(a) => match **a {
            Expr::Basket(fact, BasketField::ProductIds) => Val::Num(facts::basket_size(cx, fact)),
            _ => size(&eval(a, cx)),
        },
        Expr::List(all) => Val::Items(all.iter().map(|one| eval(one, cx).into_value()).collect()),
        Expr::Units(unit, a) => match eval(a, cx) {
            Val::Num(n) => scaled(*unit, n),
            _ => Val::Missing,
        },
        Expr::Text(test, two) => text(*test, &eval(&two[0], cx), &eval(&two[1], cx)),
        Expr::Lower(a) => match eval(a, cx).str() {
            Some(s) => Val::Text(s.to_lowercase().into()),
            None => Val::Missing,
        },
        Expr::Math(math, a) => Val::number(eval(a, cx).num().and_then(|n| match math {
            Math::Abs => n.abs(),
            Math::Floor => n.floor(),
            Math::Round => n.round(),
        })),
        Expr::Least(two) => extreme(two, cx, Ordering::Less),
        Expr::Greatest(two) => extreme(two, cx, Ordering::Greater),
        Expr::Midnight(a) => match eval(a, cx) {
            Val::Time(date, _) => Val::Time(cx.person.zone(cx.plan).at(date.div_euclid(DAY), 0), 0),
            _ => Val::Missing,
        },
        Expr::Hour(a) => match eval(a, cx) {
            Val::Time(t, slope) => {
                let zone = cx.person.zone(cx.plan);
                if slope != 0 {
                    cx.recheck_at(if slope == 1 {
                        cx.now + (zone.next_hour(t) - t)
                    } else {
                        cx.now + 1
                    });
                }
                Val::Num(Num::count(zone.hour(t) as usize))
            }
            _ => Val::Missing,
        },
        Expr::Weekday(a) => match eval(a, cx) {
            Val::Time(t, slope) => {
                let zone = cx.person.zone(cx.plan);
                if slope != 0 {
                    // Days differ in length; an hour is short enough, and exact where the day turns.
                    let next = zone.next_hour(t).min(t + HOUR);
                    cx.recheck_at(if slope == 1 { cx.now + (next - t) } else { cx.now + 1 });
                }
                Val::Num(Num::count(zone.weekday(t) as usize))
            }
            _ => Val::Missing,
        },
        Expr::IsGroup(prefix) => Val::Bool(cx.person.id.starts_with(&**prefix)),
        Expr::Before(slot) => cx.before.map_or(Val::Missing, |e| Val::from(e.value(*slot))),
        Expr::Product(slot, a) => product(*slot, eval(a, cx), cx),
        Expr::Accessories(a) => {
            let products = products(eval(a, cx));
            names(cx.catalogue.map(|catalogue| catalogue.accessories(&products)))
        }
        Expr::Related(relation, two) => {
            let (products, most) = (products(eval(&two[0], cx)), most(&eval(&two[1], cx)));
            names(cx.catalogue.map(|catalogue| catalogue.related(*relation, &products, most)))
        }
        Expr::Without(two) => {
            let (list, without) = (eval(&two[0], cx), eval(&two[1], cx));
            let without = without.items().unwrap_or_default();
            let kept = list.items().unwrap_or_default().iter().filter(|it| !without.contains(it));
            Val::Items(kept.cloned().collect())
        }
        Expr::Take(two) => {
            let (list, most) = (eval(&two[0], cx), most(&eval(&two[1], cx)));
            Val::Items(list.items().unwrap_or_default().iter().take(most).cloned().collect())
        }
        Expr::Default(two) => match eval(&two[0], cx) {
            Val::Missing => eval(&two[1], cx),
            known => known,
        },
    }
}

/// The products that are meant: one, or those in a list.
fn products(of: Val) -> Vec<CompactString> {
    let mut products = Vec::new();
    of.into_value().each(&mut |value| products.extend(value.key()));
    products
}

fn names<'a>(names: Option<Vec<CompactString>>) -> Val<'a> {
    Val::Items(names.unwrap_or_default().into_iter().map(Value::Str).collect())
}

fn most(n: &Val) -> usize {
    n.num().map_or(0, |n| usize::try_from(n.trunc()).unwrap_or(0))
}

/// What the catalogue says of a product; of those in a list, all that it says of any, in their order.
fn product<'a>(slot: u16, of: Val<'a>, cx: &Cx<'a>) -> Val<'a> {
    let Some(catalogue) = cx.catalogue else { return Val::Missing };
    if of.items().is_none() {
        let id = of.into_value().key();
        return id.map_or(Val::Missing, |id| Val::from(catalogue.value(&id, slot)));
    }
    let mut all = Vec::new();
    for id in products(of) {
        catalogue.value(&id, slot).each(&mut |value| all.push(value.clone()));
    }
    Val::Items(all)
}

/// Whether a comparison holds.
fn compare<'a>(comparison: Comparison, two: &'a [Expr; 2], cx: &Cx<'a>) -> bool {
    let noted = cx.recheck.get();
    let counted = || Some(count(&two[0], cx)?.cmp(&count(&two[1], cx)?));
    let order = counted().or_else(|| order(&eval(&two[0], cx), &eval(&two[1], cx), cx));
    // A missing value, or one of a type that cannot be compared, makes every comparison false.
    let holds = order.is_some_and(|order| match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    });
    if is_final(comparison, two, holds, cx.plan) {
        cx.recheck.set(noted);
    }
    holds
}

/// Whether nothing but an event can turn a comparison of a fact that only becomes smaller between events with a constant: once it is too
/// small, no loss of an entry does, and no instant has to be noted. Most persons are far below most thresholds.
fn is_final(comparison: Comparison, two: &[Expr; 2], holds: bool, plan: &Plan) -> bool {
    let stays = match comparison {
        Comparison::Greater | Comparison::GreaterOrEqual => !holds,
        Comparison::Less | Comparison::LessOrEqual => holds,
        Comparison::Equal | Comparison::NotEqual => false,
    };
    let shrinks = |fact: &FactId| plan.facts[usize::from(fact.0)].shrinks();
    stays && matches!(two, [Expr::Fact(fact), Expr::Const(_)] if shrinks(fact))
}

/// Which of two is larger. Notes when that turns by itself.
#[inline]
fn order(a: &Val, b: &Val, cx: &Cx) -> Option<Ordering> {
    match (a, b) {
        (Val::Time(a, s), Val::Time(b, t)) | (Val::Duration(a, s), Val::Duration(b, t)) => {
            turn(*a as i128 - *b as i128, s - t, cx);
            Some(a.cmp(b))
        }
        (Val::Num(a), Val::Num(b)) => Some(a.cmp(b)),
        (Val::Bool(a), Val::Bool(b)) => Some(a.cmp(b)),
        _ => match (a.str(), b.str(), a.items(), b.items()) {
            (Some(a), Some(b), ..) => Some(a.cmp(b)),
            (.., Some(a), Some(b)) => Some(a.cmp(b)),
            _ => None,
        },
    }
}

/// Two sides whose difference is `difference` now and moves by `slope`: notes when it reaches zero and when it leaves it,
/// the only instants at which any comparison can turn.
fn turn(difference: i128, slope: i64, cx: &Cx) {
    if slope == 0 {
        return;
    }
    let zero = i128::from(cx.now) - difference.div_euclid(i128::from(slope));
    for at in zero - 1..=zero + 1 {
        if let Ok(at) = i64::try_from(at) {
            cx.recheck_at(at);
        }
    }
}

fn contains<'a>(x: &Val, list: &Val) -> Val<'a> {
    let (Some(items), false) = (list.items(), matches!(x, Val::Missing)) else {
        return Val::Bool(false);
    };
    let found = match x {
        Val::Str(s) => items.iter().any(|item| item.str() == Some(s)),
        other => {
            let value = other.clone().into_value();
            items.contains(&value)
        }
    };
    Val::Bool(found)
}

/// What an expression comes to, if it is all of counts and constants, as most are that are asked often: found without values on the way. Else
/// nothing is said.
fn count(expr: &Expr, cx: &Cx) -> Option<Num> {
    match expr {
        Expr::Const(value) => value.num(),
        Expr::Fact(fact) => facts::count(cx, *fact),
        Expr::Arithmetic(operator, two) => {
            of_numbers(*operator, count(&two[0], cx)?, count(&two[1], cx)?)
        }
        _ => None,
    }
}

/// Nearly all that is calculated with is numbers.
fn calculate<'a>(operator: Operator, two: &'a [Expr; 2], cx: &Cx<'a>) -> Val<'a> {
    match (eval(&two[0], cx), eval(&two[1], cx)) {
        (Val::Num(a), Val::Num(b)) => Val::number(of_numbers(operator, a, b)),
        (a, b) => arithmetic(operator, &a, &b),
    }
}

fn of_numbers(operator: Operator, a: Num, b: Num) -> Option<Num> {
    match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide => a.checked_div(b),
        Operator::Remainder => a.checked_rem(b),
    }
}

/// With anything but two numbers.
fn arithmetic<'a>(operator: Operator, a: &Val<'a>, b: &Val<'a>) -> Val<'a> {
    use Operator::*;
    let sum = |a: i64, b: i64| {
        if operator == Add { a.checked_add(b) } else { a.checked_sub(b) }
    };
    let slopes = |s: i64, t: i64| if operator == Add { s + t } else { s - t };
    match (operator, a, b) {
        (Subtract, Val::Time(a, s), Val::Time(b, t)) => {
            a.checked_sub(*b).map_or(Val::Missing, |d| Val::Duration(d, s - t))
        }
        (Add | Subtract, Val::Time(a, s), Val::Duration(b, t)) => {
            sum(*a, *b).map_or(Val::Missing, |at| Val::Time(at, slopes(*s, *t)))
        }
        (Add, Val::Duration(a, s), Val::Time(b, t)) => {
            a.checked_add(*b).map_or(Val::Missing, |at| Val::Time(at, s + t))
        }
        (Add | Subtract, Val::Duration(a, s), Val::Duration(b, t)) => {
            sum(*a, *b).map_or(Val::Missing, |d| Val::Duration(d, slopes(*s, *t)))
        }
        (Multiply, Val::Duration(d, 0), Val::Num(n))
        | (Multiply, Val::Num(n), Val::Duration(d, 0)) => scaled(*d, *n),
        (Divide, Val::Duration(d, 0), Val::Num(n)) if n.0 != 0 => {
            let millis = i128::from(*d) * 1_000_000 / i128::from(n.0);
            i64::try_from(millis).map_or(Val::Missing, |d| Val::Duration(d, 0))
        }
        (Divide, Val::Duration(a, 0), Val::Duration(b, 0)) => {
            Val::number(Num(*a).checked_div(Num(*b)))
        }
        _ => match (operator, a.str(), b.str()) {
            (Add, Some(a), Some(b)) => Val::Text(compact_str::format_compact!("{a}{b}")),
            _ => Val::Missing,
        },
    }
}

/// `n` times `millis`, cut to whole milliseconds.
fn scaled<'a>(millis: i64, n: Num) -> Val<'a> {
    let product = i128::from(n.0) * i128::from(millis) / 1_000_000;
    i64::try_from(product).map_or(Val::Missing, |d| Val::Duration(d, 0))
}

fn size<'a>(of: &Val) -> Val<'a> {
    match (of.items(), of.str()) {
        (Some(items), _) => Val::Num(Num::count(items.len())),
        (_, Some(text)) => Val::Num(Num::count(text.chars().count())),
        _ => Val::Missing,
    }
}

fn text<'a>(test: TextTest, a: &Val, b: &Val) -> Val<'a> {
    let (Some(a), Some(b)) = (a.str(), b.str()) else {
        return Val::Bool(false);
    };
    Val::Bool(match test {
        TextTest::Contains => a.contains(b),
        TextTest::StartsWith => a.starts_with(b),
        TextTest::EndsWith => a.ends_with(b),
    })
}

fn extreme<'a>(two: &'a [Expr; 2], cx: &Cx<'a>, wanted: Ordering) -> Val<'a> {
    match (eval(&two[0], cx).num(), eval(&two[1], cx).num()) {
        (Some(a), Some(b)) => Val::Num(if b.cmp(&a) == wanted { b } else { a }),
        _ => Val::Missing,
    }
}

fn session<'a>(field: SessionField, cx: &Cx<'a>) -> Val<'a> {
    let sessions = &cx.person.sessions;
    let open = sessions.current();
    match field {
        SessionField::Active => Val::Bool(open.is_some()),
        SessionField::Count => Val::Num(Num::count(sessions.count as usize)),
        SessionField::PreviousEnd => {
            sessions.previous_end.map_or(Val::Missing, |t| Val::Time(t, 0))
        }
        SessionField::Start => open.map_or(Val::Missing, |s| Val::Time(s.start, 0)),
        SessionField::Events => {
            open.map_or(Val::Missing, |s| Val::Num(Num::count(s.events as usize)))
        }
        SessionField::Pages => {
            open.map_or(Val::Missing, |s| Val::Num(Num::count(s.pages as usize)))
        }
        SessionField::Duration => open.map_or(Val::Missing, |s| Val::Duration(s.last - s.start, 0)),
        SessionField::EntryPage => {
            let page = open.and_then(|s| s.entry_page.as_ref());
            page.map_or(Val::Missing, |(_, _, page)| Val::Str(page))
        }
    }
}
