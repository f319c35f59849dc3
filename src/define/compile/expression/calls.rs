//! Calls of functions.

use super::{Checked, Checker, Typed};
use crate::define::compile::hints;
use crate::define::compile::types::Type;
use crate::define::parse::FUNCTIONS;
use crate::define::plan::Expr;
use crate::define::plan::expr::{Math, TextTest};
use crate::event::{Num, Value};
use crate::time;
use cel::common::ast::{Expr as Cel, IdedExpr, LiteralValue};

impl Checker<'_, '_> {
    pub(super) fn function(&mut self, node: &IdedExpr, name: &str, args: &[&IdedExpr]) -> Checked {
        let unit = match name {
            "days" => time::DAY,
            "hours" => time::HOUR,
            "minutes" => time::MINUTE,
            "seconds" => time::SECOND,
            _ => 0,
        };
        match (name, args) {
            ("has", [x]) => {
                let inner = self.visit(x)?;
                Some(Typed::new(Expr::Has(Box::new(inner.expr)), Type::Bool))
            }
            ("size", [x]) => self.size(x),
            ("segment", [x]) => self.segment(x),
            ("timestamp", [x]) => self.timestamp(x),
            ("lower", [x]) => {
                let text = self.expect(x, &Type::Str)?;
                Some(Typed::new(Expr::Lower(Box::new(text.expr)), Type::Str))
            }
            ("abs" | "floor" | "round", [x]) => {
                let math = match name {
                    "abs" => Math::Abs,
                    "floor" => Math::Floor,
                    _ => Math::Round,
                };
                let number = self.expect(x, &Type::Number)?;
                Some(Typed::new(Expr::Math(math, Box::new(number.expr)), Type::Number))
            }
            ("hour" | "weekday", [x]) => self.calendar(name, x),
            ("min" | "max", [a, b]) => {
                let (a, b) = (self.expect(a, &Type::Number), self.expect(b, &Type::Number));
                let both = Box::new([a?.expr, b?.expr]);
                let make = if name == "min" { Expr::Least } else { Expr::Greatest };
                Some(Typed::new(make(both), Type::Number))
            }
            ("default", [a, b]) => self.default(node, a, b),
            ("contains" | "starts_with" | "startsWith" | "ends_with" | "endsWith", [a, b]) => {
                let (a, b) = (self.expect(a, &Type::Str), self.expect(b, &Type::Str));
                let test = match name {
                    "contains" => TextTest::Contains,
                    "starts_with" | "startsWith" => TextTest::StartsWith,
                    _ => TextTest::EndsWith,
                };
                let both = Box::new([a?.expr, b?.expr]);
                Some(Typed::new(Expr::Text(test, both), Type::Bool))
            }
            (_, [x]) if unit > 0 => {
                let number = self.expect(x, &Type::Number)?;
                let expr = match &number.expr {
                    Expr::Const(Value::Num(n)) => constant_units(unit, *n),
                    _ => Expr::Units(unit, Box::new(number.expr)),
                };
                Some(Typed::new(expr, Type::Duration))
            }
            ("accessories", [x]) => self.accessories(node, x),
            ("similar" | "bought_together", [x, n]) => self.related(node, name, x, n),
            ("without", [a, b]) => self.without(a, b),
            ("take", [a, n]) => self.take(a, n),
            ("product", [_]) => {
                let hint = "for example product(key).price".to_string();
                self.mistake(node, "a product alone is no value: its parts are".into(), Some(hint));
                None
            }
            ("percentile" | "rank" | "decile" | "quintile", [_]) => self.rank_alone(node, name),
            _ => self.no_such_call(node, name, args.len()),
        }
    }

    pub(super) fn no_such_call(&mut self, node: &IdedExpr, name: &str, count: usize) -> Checked {
        let (message, hint) = if FUNCTIONS.contains(&name) {
            let plural = if count == 1 { "" } else { "s" };
            let message = format!("{name}() does not take {count} argument{plural}");
            (message, Some(format!("write {}", hints::usage(name))))
        } else {
            (format!("there is no function {name}()"), hints::unknown_function(name))
        };
        self.mistake(node, message, hint);
        None
    }

    fn size(&mut self, x: &IdedExpr) -> Checked {
        let inner = self.visit(x)?;
        if !matches!(inner.of, Type::List(_) | Type::Str | Type::Any) {
            self.mistake(x, format!("{} has no size", inner.of), None);
            return None;
        }
        Some(Typed::new(Expr::Size(Box::new(inner.expr)), Type::Number))
    }

    fn segment(&mut self, x: &IdedExpr) -> Checked {
        if !self.scope.person {
            let hint = "ask for the segment where the fact is used".to_string();
            self.mistake(x, "segments are not known here: only event.… is".into(), Some(hint));
            return None;
        }
        let Cel::Literal(LiteralValue::String(name)) = &x.expr else {
            let hint = match &x.expr {
                Cel::Ident(name) => format!("write segment(\"{name}\")"),
                _ => "write segment(\"name\")".into(),
            };
            self.mistake(x, "segment() takes the name in quotes".into(), Some(hint));
            return None;
        };
        match self.compiler.segment(name.inner()) {
            Ok(id) => {
                let place = self.written.place(x.id);
                self.compiler.reads_segment(place, name.inner());
                Some(Typed::new(Expr::Segment(id), Type::Bool))
            }
            Err(hint) => {
                self.mistake(x, format!("there is no segment `{}`", name.inner()), hint);
                None
            }
        }
    }

    fn timestamp(&mut self, x: &IdedExpr) -> Checked {
        let at = match &x.expr {
            Cel::Literal(LiteralValue::String(text)) => time::parse(text.inner()),
            _ => None,
        };
        let Some(at) = at else {
            let hint = "write timestamp(\"2026-03-01T00:00:00Z\")".to_string();
            self.mistake(x, "timestamp() takes a time in RFC 3339, in quotes".into(), Some(hint));
            return None;
        };
        Some(Typed::new(Expr::Const(Value::Time(at)), Type::Time))
    }

    fn calendar(&mut self, name: &str, x: &IdedExpr) -> Checked {
        let at = Box::new(self.expect(x, &Type::Time)?.at_midnight().expr);
        let expr = if name == "hour" { Expr::Hour(at) } else { Expr::Weekday(at) };
        Some(Typed::new(expr, Type::Number))
    }

    fn default(&mut self, node: &IdedExpr, a: &IdedExpr, b: &IdedExpr) -> Checked {
        let (a, b) = (self.visit(a), self.visit(b));
        let (a, b) = (a?, b?);
        let Some(of) = a.of.join(&b.of) else {
            self.mistake(node, format!("the two are {} and {}", a.of, b.of), None);
            return None;
        };
        let moving = a.moving || b.moving;
        Some(Typed { expr: Expr::Default(Box::new([a.expr, b.expr])), of, moving })
    }
}

fn constant_units(unit: i64, n: Num) -> Expr {
    let millis = i128::from(n.0) * i128::from(unit) / 1_000_000;
    let value = i64::try_from(millis).map_or(Value::Missing, Value::Duration);
    Expr::Const(value)
}
