//! When could the value of a condition change without anything happening? Answers with too many
//! instants rather than too few: every time that the condition speaks of, shifted by every duration
//! that it speaks of, and one millisecond later.

use super::calendar;
use super::eval::Scope;
use super::known::Known;
use super::value::Value;
use crate::define::ast::{FactKind, Period, Window};
use cel::common::ast::{Expr, IdedExpr};

/// The instants at which a window of any fact loses an event, and those at which periods end.
pub fn of_windows(known: &Known, now: i64) -> Vec<i64> {
    let mut instants = Vec::new();
    for fact in &known.pack.facts {
        let FactKind::Fold(fold) = &fact.kind else {
            continue;
        };
        match fold.window.as_ref().map(|window| window.node) {
            Some(Window::Sliding(over)) => {
                let events = known.taken.iter().map(|taken| &taken.event);
                let such = events.filter(|e| e.is_one_of(&fold.on) || e.is_one_of(&fold.minus));
                instants.extend(such.map(|event| event.t + over));
            }
            Some(Window::Calendar(period)) => {
                instants.push(calendar::period_end(now, period, &known.zone()));
            }
            None => {}
        }
    }
    instants
}

/// The instants at which a condition over `now` could change, as the values stand.
pub fn of_condition(condition: &IdedExpr, scope: &Scope) -> Vec<i64> {
    let (mut times, mut durations) = (Vec::new(), vec![0]);
    let (mut follows_hours, mut follows_days) = (false, false);
    if !mentions_now(condition) {
        return Vec::new();
    }
    for part in parts(condition) {
        if mentions_now(part) {
            follows_hours |= is_call(part, "hour");
            follows_days |= is_call(part, "weekday");
            continue;
        }
        match scope.eval(part) {
            Value::Time(time) => times.push(time),
            Value::Date(date) => times.push(calendar::instant(date, 0, &scope.zone)),
            Value::Duration(duration) => durations.extend([duration, -duration]),
            _ => {}
        }
    }
    durations.sort();
    durations.dedup();
    let shifts = durations.iter().flat_map(|a| durations.iter().map(move |b| a.saturating_add(*b)));
    let mut instants = Vec::new();
    for shift in shifts {
        for time in &times {
            let instant = time.saturating_add(shift);
            instants.extend([instant, instant.saturating_add(1)]);
        }
        let shifted = scope.now.saturating_add(shift);
        if follows_hours {
            let hours = calendar::hour_changes(shifted, &scope.zone);
            instants.extend(hours.into_iter().map(|hour| hour.saturating_sub(shift)));
        }
        if follows_days {
            let midnight = calendar::period_end(shifted, Period::Day, &scope.zone);
            instants.push(midnight.saturating_sub(shift));
        }
    }
    instants
}

/// An expression and everything in it.
fn parts(tree: &IdedExpr) -> Vec<&IdedExpr> {
    let children: Vec<&IdedExpr> = match &tree.expr {
        Expr::Call(call) => call.target.iter().map(|target| &**target).chain(&call.args).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        _ => Vec::new(),
    };
    let deeper = children.into_iter().flat_map(parts);
    std::iter::once(tree).chain(deeper).collect()
}

fn mentions_now(tree: &IdedExpr) -> bool {
    parts(tree).iter().any(|part| matches!(&part.expr, Expr::Ident(name) if name == "now"))
}

fn is_call(tree: &IdedExpr, name: &str) -> bool {
    matches!(&tree.expr, Expr::Call(call) if call.func_name == name)
}
