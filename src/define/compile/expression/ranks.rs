//! Comparisons with all other persons: `percentile(f) >= 0.95`, `rank(f) <= 100`, `decile(f) == 10`, `quintile(f) in [4, 5]`.
//!
//! The values themselves change for everybody all the time, so that only the answer to a comparison with a number that is
//! written there is kept. Every comparison is made of questions that are answered yes from some value of the fact on.

use super::{Checked, Checker, Typed};
use crate::define::compile::types::Type;
use crate::define::compile::{FactError, hints};
use crate::define::plan::expr::Comparison;
use crate::define::plan::{Expr, RankTest, RankedFact, RankedValues, WHOLE};
use crate::event::{Num, Value};
use cel::common::ast::{Expr as Cel, IdedExpr};

const FUNCTIONS: [&str; 4] = ["percentile", "rank", "decile", "quintile"];

/// Whether an expression is a call of one of the functions that compare persons.
pub(super) fn is_asked(node: &IdedExpr) -> bool {
    matches!(&node.expr, Cel::Call(call) if FUNCTIONS.contains(&call.func_name.as_str()))
}

/// What comparisons with one number are made of: `None` is a question that nobody passes.
struct Questions {
    /// At the number or better.
    at: Option<RankTest>,
    /// Better than it.
    beyond: Option<RankTest>,
}

impl Checker<'_, '_> {
    /// `asked comparison number`.
    pub(super) fn ranked(
        &mut self,
        comparison: Comparison,
        asked: &IdedExpr,
        number: &IdedExpr,
    ) -> Checked {
        let (name, fact) = self.ranked_fact(asked)?;
        let Some(Expr::Const(Value::Num(n))) = self.written_number(number) else {
            return self.not_a_number(number, name);
        };
        let questions = self.questions(name, number, n)?;
        // The best has the smallest rank.
        let comparison = if name == "rank" { comparison.mirrored() } else { comparison };
        Some(Typed::new(self.answer(comparison, fact, &questions), Type::Bool))
    }

    /// `asked in [numbers]`.
    pub(super) fn ranked_in(&mut self, asked: &IdedExpr, list: &IdedExpr) -> Checked {
        let (name, fact) = self.ranked_fact(asked)?;
        let Cel::List(numbers) = &list.expr else {
            return self.not_a_number(list, name);
        };
        let mut any = Vec::new();
        for number in &numbers.elements {
            let Some(Expr::Const(Value::Num(n))) = self.written_number(number) else {
                return self.not_a_number(number, name);
            };
            let questions = self.questions(name, number, n)?;
            any.push(self.answer(Comparison::Equal, fact, &questions));
        }
        Some(Typed::new(Expr::Or(any.into()), Type::Bool))
    }

    /// A call that stands where its value would be needed.
    pub(super) fn rank_alone(&mut self, node: &IdedExpr, name: &str) -> Checked {
        let message = format!("{name}() can only be compared with a number");
        self.mistake(node, message, Some(format!("for example {}", example(name))));
        None
    }

    fn written_number(&mut self, node: &IdedExpr) -> Option<Expr> {
        if is_asked(node) {
            return None;
        }
        match (&node.expr, self.compiler.mistakes.len()) {
            // A mistake in it is said there, and not twice.
            (Cel::Literal(_) | Cel::Call(_), before) => {
                let found = self.visit(node).map(|typed| typed.expr);
                self.compiler.mistakes.truncate(before);
                match found? {
                    Expr::Negate(inner) => match *inner {
                        Expr::Const(Value::Num(n)) => {
                            n.checked_neg().map(|n| Expr::Const(Value::Num(n)))
                        }
                        _ => None,
                    },
                    other => Some(other),
                }
            }
            _ => None,
        }
    }

    fn not_a_number(&mut self, node: &IdedExpr, name: &str) -> Checked {
        let message = format!("{name}() can only be compared with a number that is written there");
        self.mistake(node, message, Some(format!("for example {}", example(name))));
        None
    }

    /// The function of a call, and the fact that it is asked of.
    fn ranked_fact<'n>(&mut self, asked: &'n IdedExpr) -> Option<(&'n str, RankedFact)> {
        let Cel::Call(call) = &asked.expr else { return None };
        let name = call.func_name.as_str();
        if !self.scope.person {
            let hint = "ask for it where the fact is used".to_string();
            let message = "persons cannot be compared here: only event.… is known";
            self.mistake(asked, message.into(), Some(hint));
            return None;
        }
        let mut args: Vec<&IdedExpr> = call.target.iter().map(|target| &**target).collect();
        args.extend(&call.args);
        let [arg] = args.as_slice() else {
            self.no_such_call(asked, name, args.len());
            return None;
        };
        let Cel::Ident(fact) = &arg.expr else {
            let hint = format!("keep a fact of what you need, and write {}", example(name));
            self.mistake(arg, format!("{name}() takes the name of a fact"), Some(hint));
            return None;
        };
        self.reads_fact(arg, fact)?;
        let (fact, of) = match self.compiler.fact(fact, None) {
            Ok((id, Some(of))) => (id, of),
            Err(FactError::Keyed(per)) => {
                let hint = "keep another fact without `per`".to_string();
                let message = format!("{name}() compares persons, and `{fact}` is kept per {per}");
                self.mistake(arg, message, Some(hint));
                return None;
            }
            // Baskets, and facts that are not there.
            _ => {
                self.visit(arg)?;
                return None;
            }
        };
        let values = match of {
            Type::Number | Type::Any => RankedValues::Numbers,
            Type::Time | Type::Date => RankedValues::Times,
            Type::Duration => RankedValues::Durations,
            other => {
                let message =
                    format!("{name}() takes numbers, times and durations, and this is {other}");
                self.mistake(arg, message, hints::needed(&other, &Type::Number));
                return None;
            }
        };
        Some((name, RankedFact { fact, values }))
    }

    /// What comparisons with `n` ask.
    fn questions(&mut self, name: &str, node: &IdedExpr, n: Num) -> Option<Questions> {
        let whole = n.is_whole().then(|| n.trunc());
        let parts = if name == "decile" { 10 } else { 5 };
        let share = |part: u32| RankTest::AtLeast(part * (WHOLE / parts));
        let (takes, hint) = match (name, whole) {
            ("percentile", _) if (0..i64::from(WHOLE)).contains(&n.0) => {
                let share = n.0 as u32;
                let (at, beyond) = (RankTest::AtLeast(share), RankTest::Above(share));
                return Some(Questions { at: Some(at), beyond: Some(beyond) });
            }
            ("percentile", _) => {
                ("from 0 to below 1", "the first 5 % are percentile(fact) >= 0.95".to_string())
            }
            ("rank", Some(n @ 1..)) => {
                let n = n.unsigned_abs();
                let beyond = (n > 1).then(|| RankTest::Among(n - 1));
                return Some(Questions { at: Some(RankTest::Among(n)), beyond });
            }
            ("rank", _) => {
                ("a whole number from 1 on", "the first hundred are rank(fact) <= 100".to_string())
            }
            (_, Some(n)) if (1..=i64::from(parts)).contains(&n) => {
                let n = n.unsigned_abs() as u32;
                let beyond = (n < parts).then(|| share(n));
                return Some(Questions { at: Some(share(n - 1)), beyond });
            }
            ("decile", _) => {
                ("a whole number from 1 to 10", "the best have decile(fact) == 10".to_string())
            }
            _ => ("a whole number from 1 to 5", "the best have quintile(fact) == 5".to_string()),
        };
        self.mistake(node, format!("a {name} is {takes}"), Some(hint));
        None
    }

    fn answer(&mut self, comparison: Comparison, fact: RankedFact, of: &Questions) -> Expr {
        let mut ask = |test: Option<RankTest>| match test {
            Some(test) => Expr::Rank(self.compiler.add_rank(fact, test)),
            None => Expr::Const(Value::Bool(false)),
        };
        let not = |expr| Expr::Not(Box::new(expr));
        let both = |a, b| Expr::And(Box::new([a, b]));
        // Who does not have the fact passes nothing; that is asked too, in the same breath as the rest.
        const HAS: Option<RankTest> = Some(RankTest::AtLeast(0));
        match comparison {
            Comparison::GreaterOrEqual => ask(of.at),
            Comparison::Greater => ask(of.beyond),
            Comparison::Less => both(ask(HAS), not(ask(of.at))),
            Comparison::LessOrEqual => both(ask(HAS), not(ask(of.beyond))),
            Comparison::Equal => both(ask(of.at), not(ask(of.beyond))),
            Comparison::NotEqual => both(ask(HAS), not(both(ask(of.at), not(ask(of.beyond))))),
        }
    }
}

fn example(name: &str) -> &'static str {
    match name {
        "percentile" => "percentile(lifetime_value) >= 0.95",
        "rank" => "rank(lifetime_value) <= 100",
        "decile" => "decile(lifetime_value) == 10",
        _ => "quintile(lifetime_value) >= 4",
    }
}
