//! When could the value of a condition change without anything happening? Answers with too many
//! instants rather than too few: every time that the condition speaks of, shifted by every duration
//! that it speaks of, and one millisecond later.

use super::calendar;
use super::eval::Scope;
use super::known::Known;
use super::value::Value;
use crate::define::ast::{FactKind, Window};
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
    let (mut times, mut durations, mut follows_hours) = (Vec::new(), vec![0], false);
    if !mentions_now(condition) {
        return Vec::new();
    }
    for part in parts(condition) {
        follows_hours |= is_local_time(part) && mentions_now(part);
        if mentions_now(part) {
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
    let shifts = durations
        .iter()
        .flat_map(|a| durations.iter().map(move |b| a.saturating_add(*b)));
    let mut instants = Vec::new();
    for shift in shifts {
        for time in &times {
            let instant = time.saturating_add(shift);
            instants.extend([instant, instant.saturating_add(1)]);
        }
        if follows_hours {
            let hours = calendar::hour_changes(scope.now.saturating_add(shift), &scope.zone);
            instants.extend(hours.into_iter().map(|hour| hour.saturating_sub(shift)));
        }
    }
    instants
}

/// An expression and everything in it.
fn parts(tree: &IdedExpr) -> Vec<&IdedExpr> {
    let children: Vec<&IdedExpr> = match &tree.expr {
        Expr::Call(call) => call
            .target
            .iter()
            .map(|target| &**target)
            .chain(&call.args)
            .collect(),
        Expr::List(list) => list.elements.iter().collect(),
        _ => Vec::new(),
    };
    let deeper = children.into_iter().flat_map(parts);
    std::iter::once(tree).chain(deeper).collect()
}

fn mentions_now(tree: &IdedExpr) -> bool {
    parts(tree)
        .iter()
        .any(|part| matches!(&part.expr, Expr::Ident(name) if name == "now"))
}

fn is_local_time(tree: &IdedExpr) -> bool {
    match &tree.expr {
        Expr::Call(call) => matches!(call.func_name.as_str(), "hour" | "weekday"),
        _ => false,
    }
}
