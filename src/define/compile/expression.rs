//! CEL's tree → a typed expression: names resolved, types checked, what could fail at run time refused.

use super::types::Type;
use super::{Compiler, did_you_mean};
use crate::define::ast;
use crate::define::parse::FUNCTIONS;
use crate::define::plan::Expr;
use crate::define::plan::expr::{BasketField, Comparison, Math, Operator, SessionField, TextTest};
use crate::event::{Kind, Num, Value};
use crate::time;
use cel::common::ast::{CallExpr, Expr as Cel, IdedExpr, LiteralValue, SelectExpr};

/// What an expression may speak of, by where it stands.
#[derive(Clone, Default)]
pub(super) struct Scope<'a> {
    /// The kinds of the event at hand, if there is one.
    pub(super) event: Option<&'a [Kind]>,
    /// Facts, segments, sessions and `now`.
    pub(super) person: bool,
    /// The kinds of the entering event of the journey, if it is entered by one.
    pub(super) entry: Option<&'a [Kind]>,
    /// In a journey: `entry.at`.
    pub(super) journey: bool,
    /// The property that keys the journey's instances.
    pub(super) per: Option<&'a str>,
}

/// An expression, its type, and whether its value moves with `now` while nothing happens.
pub(super) struct Typed {
    pub(super) expr: Expr,
    pub(super) of: Type,
    moving: bool,
}

impl Typed {
    fn new(expr: Expr, of: Type) -> Typed {
        Typed { expr, of, moving: false }
    }

    /// A date where an instant is needed is its midnight in the person's time zone.
    fn at_midnight(self) -> Typed {
        if self.of == Type::Date { Typed { expr: Expr::Midnight(Box::new(self.expr)), ..self } } else { self }
    }
}

/// Compiles one written expression; mistakes go to the compiler's diagnostics and give `None`.
pub(super) struct Checker<'c, 'a> {
    pub(super) compiler: &'c mut Compiler<'a>,
    pub(super) written: &'c ast::Expr,
    pub(super) scope: Scope<'c>,
}

type Checked = Option<Typed>;

impl Checker<'_, '_> {
    pub(super) fn check(&mut self, wanted: &Type) -> Option<Expr> {
        let tree = self.written.tree.clone();
        let typed = self.visit(&tree)?;
        if typed.of.fits(wanted) {
            return Some(typed.expr);
        }
        self.mistake(&tree, format!("this is {}, where {wanted} is needed", typed.of), None);
        None
    }

    pub(super) fn check_any(&mut self) -> Option<(Expr, Type)> {
        let tree = self.written.tree.clone();
        self.visit(&tree).map(|typed| (typed.expr, typed.of))
    }

    fn mistake(&mut self, node: &IdedExpr, message: String, hint: Option<String>) {
        self.compiler.mistake(self.written.place(node.id), message, hint);
    }

    fn visit(&mut self, node: &IdedExpr) -> Checked {
        match &node.expr {
            Cel::Literal(literal) => self.literal(node, literal),
            Cel::Ident(name) => self.name(node, name),
            Cel::Select(select) => self.select(node, select),
            Cel::List(list) => self.list(&list.elements),
            Cel::Call(call) => self.call(node, call),
            Cel::Comprehension(_) => {
                self.mistake(
                    node,
                    "macros such as exists() and map() are not supported".into(),
                    None,
                );
                None
            }
            _ => {
                self.mistake(node, "this kind of expression is not supported".into(), None);
                None
            }
        }
    }

    fn literal(&mut self, node: &IdedExpr, literal: &LiteralValue) -> Checked {
        let number = match literal {
            LiteralValue::Boolean(b) => {
                return Some(Typed::new(Expr::Const(Value::Bool(*b.inner())), Type::Bool));
            }
            LiteralValue::String(s) => {
                return Some(Typed::new(Expr::Const(Value::Str(s.inner().into())), Type::Str));
            }
            LiteralValue::Int(n) => Num::whole(*n.inner()),
            LiteralValue::UInt(n) => i64::try_from(*n.inner()).ok().and_then(Num::whole),
            LiteralValue::Double(n) => Num::parse(&n.inner().to_string()),
            LiteralValue::Null | LiteralValue::Bytes(_) => {
                let hint = "ask has(x) whether x is known".to_string();
                self.mistake(node, "null and bytes are not values here".into(), Some(hint));
                return None;
            }
        };
        if number.is_none() {
            self.mistake(node, "this number is out of range".into(), None);
        }
        Some(Typed::new(Expr::Const(Value::Num(number?)), Type::Number))
    }

    fn list(&mut self, elements: &[IdedExpr]) -> Checked {
        let mut of: Option<Type> = None;
        let mut items = Vec::new();
        for element in elements {
            let item = self.visit(element)?;
            let joined = of.as_ref().map_or(Some(item.of.clone()), |of| of.join(&item.of));
            of = Some(joined.unwrap_or(Type::Any));
            items.push(item.expr);
        }
        let of = Type::List(Box::new(of.unwrap_or(Type::Any)));
        if items.iter().all(|item| matches!(item, Expr::Const(_))) {
            let values = items.into_iter().filter_map(|item| match item {
                Expr::Const(value) => Some(value),
                _ => None,
            });
            return Some(Typed::new(Expr::Const(crate::event::list(values)), of));
        }
        Some(Typed::new(Expr::List(items.into()), of))
    }

    fn name(&mut self, node: &IdedExpr, name: &str) -> Checked {
        match name {
            "now" if self.scope.person => {
                return Some(Typed { expr: Expr::Now, of: Type::Time, moving: true });
            }
            "key" if self.scope.per.is_some() => return Some(Typed::new(Expr::Key, Type::Str)),
            "event" | "entry" | "session" => {
                self.mistake(node, format!("write {name}.something"), None);
                return None;
            }
            "now" | "key" => {
                let place = if name == "now" {
                    "a fact's own condition sees only its event"
                } else {
                    "only a journey with `per` has a key"
                };
                self.mistake(node, format!("`{name}` is not known here"), Some(place.into()));
                return None;
            }
            _ => {}
        }
        if !self.scope.person {
            let hint = format!("did you mean event.{name}?");
            self.mistake(node, format!("`{name}` is not known here: only event.… is"), Some(hint));
            return None;
        }
        match self.compiler.fact(name, self.scope.per) {
            Ok((fact, Some(of))) => Some(Typed::new(Expr::Fact(fact), of)),
            Ok((_, None)) => {
                let hint = format!("write {name}.product_ids, {name}.items or {name}.value");
                self.mistake(node, format!("`{name}` is a basket"), Some(hint));
                None
            }
            Err(super::FactError::Keyed(per)) => {
                let hint = format!("it can be read in a journey with `per: {per}`");
                self.mistake(node, format!("the fact `{name}` is kept per {per}"), Some(hint));
                None
            }
            Err(super::FactError::Unknown) => {
                let known = self.compiler.fact_names().into_iter().chain(["now".into()]);
                let hint = did_you_mean(name, known.chain(FUNCTIONS.map(String::from)));
                self.mistake(node, format!("there is no fact `{name}`"), hint);
                None
            }
            Err(super::FactError::Broken) => None,
        }
    }

    fn select(&mut self, node: &IdedExpr, select: &SelectExpr) -> Checked {
        if select.test {
            let plain = SelectExpr { test: false, ..select.clone() };
            let inner = self.select(node, &plain)?;
            return Some(Typed::new(Expr::Has(Box::new(inner.expr)), Type::Bool));
        }
        let Some(path) = dotted(select) else {
            self.mistake(node, "only names have parts".into(), None);
            return None;
        };
        match path[0].as_str() {
            "event" => self.property(node, &path[1..]),
            "entry" => self.entry(node, &path[1..]),
            "session" => self.session(node, &path[1..]),
            fact => self.basket(node, fact, &path[1..]),
        }
    }

    fn property(&mut self, node: &IdedExpr, path: &[String]) -> Checked {
        let Some(kinds) = self.scope.event else {
            let hint =
                "facts keep what events said; `entry.…` is the event that entered".to_string();
            self.mistake(node, "there is no event here".into(), Some(hint));
            return None;
        };
        if path == ["timestamp"] {
            return Some(Typed::new(Expr::EventTime, Type::Time));
        }
        let (slot, of) = self.compiler.property(kinds, path);
        Some(Typed::new(Expr::Property(slot), of))
    }

    fn entry(&mut self, node: &IdedExpr, path: &[String]) -> Checked {
        if self.scope.journey && path == ["at"] {
            return Some(Typed::new(Expr::EntryTime, Type::Time));
        }
        let Some(kinds) = self.scope.entry else {
            let message = "no event enters here, so that entry.… has no properties".into();
            self.mistake(node, message, Some("entry.at is known in every journey".into()));
            return None;
        };
        let (slot, of) = self.compiler.property(kinds, path);
        Some(Typed::new(Expr::Entry(self.compiler.entry_slot(slot)), of))
    }

    fn session(&mut self, node: &IdedExpr, path: &[String]) -> Checked {
        use SessionField as S;
        const FIELDS: [(&str, S); 8] = [
            ("active", S::Active),
            ("start", S::Start),
            ("events", S::Events),
            ("pages", S::Pages),
            ("duration", S::Duration),
            ("entry_page", S::EntryPage),
            ("count", S::Count),
            ("previous_end", S::PreviousEnd),
        ];
        if !self.scope.person {
            self.mistake(node, "sessions are not known here: only event.… is".into(), None);
            return None;
        }
        let written = path.join(".");
        let Some(&(_, field)) = FIELDS.iter().find(|(name, _)| *name == written) else {
            let hint = did_you_mean(&written, FIELDS.map(|(name, _)| name.to_string()));
            self.mistake(node, format!("a session has no `{written}`"), hint);
            return None;
        };
        self.compiler.use_sessions();
        let of = match field {
            S::Active => Type::Bool,
            S::Start | S::PreviousEnd => Type::Time,
            S::Events | S::Pages | S::Count => Type::Number,
            S::Duration => Type::Duration,
            S::EntryPage => Type::Str,
        };
        Some(Typed::new(Expr::Session(field), of))
    }

    fn basket(&mut self, node: &IdedExpr, fact: &str, path: &[String]) -> Checked {
        if !self.scope.person {
            self.mistake(node, format!("`{fact}` is not known here: only event.… is"), None);
            return None;
        }
        let (id, of) = match self.compiler.fact(fact, self.scope.per) {
            Ok(found) => found,
            Err(super::FactError::Keyed(per)) => {
                let hint = format!("it can be read in a journey with `per: {per}`");
                self.mistake(node, format!("the fact `{fact}` is kept per {per}"), Some(hint));
                return None;
            }
            Err(super::FactError::Unknown) => {
                let known = self.compiler.fact_names();
                let roots = ["event", "entry", "session"].map(String::from);
                let hint = did_you_mean(fact, known.into_iter().chain(roots));
                self.mistake(node, format!("there is no fact `{fact}`"), hint);
                return None;
            }
            Err(super::FactError::Broken) => return None,
        };
        if of.is_some() {
            self.mistake(node, format!("the fact `{fact}` has no parts"), None);
            return None;
        }
        let (field, of) = match path {
            [one] if one == "product_ids" => (BasketField::ProductIds, list_of(Type::Str)),
            [one] if one == "items" => (BasketField::Items, Type::Number),
            [one] if one == "value" => (BasketField::Value, Type::Number),
            _ => {
                let fields = ["product_ids", "items", "value"].map(String::from);
                let hint = did_you_mean(&path.join("."), fields)
                    .or(Some("a basket has product_ids, items and value".into()));
                self.mistake(node, format!("a basket has no `{}`", path.join(".")), hint);
                return None;
            }
        };
        Some(Typed::new(Expr::Basket(id, field), of))
    }

    fn call(&mut self, node: &IdedExpr, call: &CallExpr) -> Checked {
        let mut args: Vec<&IdedExpr> = call.target.iter().map(|target| &**target).collect();
        args.extend(&call.args);
        match (call.func_name.as_str(), args.as_slice()) {
            ("_&&_", [a, b]) => self.logic(a, b, Expr::And),
            ("_||_", [a, b]) => self.logic(a, b, Expr::Or),
            ("!_", [a]) => {
                let inner = self.boolean(a)?;
                Some(Typed::new(Expr::Not(Box::new(inner)), Type::Bool))
            }
            ("-_", [a]) => self.negate(a),
            ("_?_:_", [c, a, b]) => self.conditional(node, c, a, b),
            ("@in", [x, list]) => self.membership(node, x, list),
            ("_[_]", _) => {
                self.mistake(node, "elements of lists cannot be picked".into(), None);
                None
            }
            (name, [a, b]) if comparison(name).is_some() => self.compare(node, name, a, b),
            (name, [a, b]) if operator(name).is_some() => self.arithmetic(node, name, a, b),
            (name, args) => self.function(node, name, args),
        }
    }

    fn boolean(&mut self, node: &IdedExpr) -> Option<Expr> {
        self.expect(node, &Type::Bool).map(|typed| typed.expr)
    }

    fn expect(&mut self, node: &IdedExpr, wanted: &Type) -> Checked {
        let typed = self.visit(node)?;
        if typed.of.fits(wanted) {
            return Some(typed);
        }
        self.mistake(node, format!("this is {}, where {wanted} is needed", typed.of), None);
        None
    }

    fn logic(&mut self, a: &IdedExpr, b: &IdedExpr, make: fn(Box<[Expr]>) -> Expr) -> Checked {
        let (a, b) = (self.boolean(a), self.boolean(b));
        Some(Typed::new(make(Box::new([a?, b?])), Type::Bool))
    }

    fn negate(&mut self, a: &IdedExpr) -> Checked {
        let inner = self.visit(a)?;
        if !matches!(inner.of, Type::Number | Type::Duration | Type::Any) {
            self.mistake(a, format!("{} has no negative", inner.of), None);
            return None;
        }
        Some(Typed { expr: Expr::Negate(Box::new(inner.expr)), ..inner })
    }

    fn conditional(
        &mut self,
        node: &IdedExpr,
        c: &IdedExpr,
        a: &IdedExpr,
        b: &IdedExpr,
    ) -> Checked {
        let (c, a, b) = (self.boolean(c), self.visit(a), self.visit(b));
        let (c, a, b) = (c?, a?, b?);
        let Some(of) = a.of.join(&b.of) else {
            self.mistake(node, format!("the two sides are {} and {}", a.of, b.of), None);
            return None;
        };
        let moving = a.moving || b.moving;
        Some(Typed { expr: Expr::Choose(Box::new([c, a.expr, b.expr])), of, moving })
    }

    fn membership(&mut self, node: &IdedExpr, x: &IdedExpr, list: &IdedExpr) -> Checked {
        let (x, list) = (self.visit(x), self.visit(list));
        let (x, list) = (x?, list?);
        let fits = match &list.of {
            Type::List(of) => x.of.fits(of),
            other => *other == Type::Any,
        };
        if !fits {
            self.mistake(node, format!("{} cannot be in {}", x.of, list.of), None);
            return None;
        }
        Some(Typed::new(Expr::In(Box::new([x.expr, list.expr])), Type::Bool))
    }

    fn compare(&mut self, node: &IdedExpr, name: &str, a: &IdedExpr, b: &IdedExpr) -> Checked {
        let (a, b) = (self.visit(a), self.visit(b));
        let (a, b) = (a?.at_midnight(), b?.at_midnight());
        let comparison = comparison(name).expect("the caller asked");
        let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        if !a.of.fits(&b.of) || !(equality || (a.of.ordered() && b.of.ordered())) {
            self.mistake(node, format!("{} and {} cannot be compared so", a.of, b.of), None);
            return None;
        }
        Some(Typed::new(Expr::Compare(comparison, Box::new([a.expr, b.expr])), Type::Bool))
    }

    fn arithmetic(&mut self, node: &IdedExpr, name: &str, a: &IdedExpr, b: &IdedExpr) -> Checked {
        let (a, b) = (self.visit(a), self.visit(b));
        let (a, b) = (a?.at_midnight(), b?.at_midnight());
        let operator = operator(name).expect("the caller asked");
        let moving = a.moving || b.moving;
        let Some(of) = result(operator, &a.of, &b.of) else {
            let verb = match operator {
                Operator::Add => "added",
                Operator::Subtract => "subtracted",
                Operator::Multiply => "multiplied",
                Operator::Divide => "divided",
                Operator::Remainder => "divided with a remainder",
            };
            self.mistake(node, format!("{} and {} cannot be {verb}", a.of, b.of), None);
            return None;
        };
        if moving && !matches!(operator, Operator::Add | Operator::Subtract) {
            let hint = "compare durations instead: now - x > days(3)".to_string();
            self.mistake(
                node,
                "what moves with `now` can only be added and compared".into(),
                Some(hint),
            );
            return None;
        }
        Some(Typed { expr: Expr::Arithmetic(operator, Box::new([a.expr, b.expr])), of, moving })
    }

    fn function(&mut self, node: &IdedExpr, name: &str, args: &[&IdedExpr]) -> Checked {
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
            _ => self.no_such_call(node, name, args.len()),
        }
    }

    fn no_such_call(&mut self, node: &IdedExpr, name: &str, count: usize) -> Checked {
        if FUNCTIONS.contains(&name) {
            self.mistake(node, format!("{name}() does not take {count} arguments"), None);
        } else {
            let hint = match name {
                "percentile" | "rank" | "decile" | "similar" => Some(
                    "it compares customers with one another, which this version does not do".into(),
                ),
                _ => did_you_mean(name, FUNCTIONS.map(String::from)),
            };
            self.mistake(node, format!("there is no function {name}()"), hint);
        }
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
            self.mistake(x, "segments are not known here: only event.… is".into(), None);
            return None;
        }
        let Cel::Literal(LiteralValue::String(name)) = &x.expr else {
            self.mistake(x, "segment() takes the name in quotes".into(), None);
            return None;
        };
        match self.compiler.segment(name.inner()) {
            Ok(id) => Some(Typed::new(Expr::Segment(id), Type::Bool)),
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
        let at = Box::new(self.expect(x, &Type::Time)?.expr);
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

fn list_of(of: Type) -> Type {
    Type::List(Box::new(of))
}

fn dotted(select: &SelectExpr) -> Option<Vec<String>> {
    let mut path = vec![select.field.clone()];
    let mut node = &select.operand.expr;
    loop {
        match node {
            Cel::Ident(name) => {
                path.push(name.clone());
                path.reverse();
                return Some(path);
            }
            Cel::Select(inner) if !inner.test => {
                path.push(inner.field.clone());
                node = &inner.operand.expr;
            }
            _ => return None,
        }
    }
}

fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        "_==_" => Comparison::Equal,
        "_!=_" => Comparison::NotEqual,
        "_<_" => Comparison::Less,
        "_<=_" => Comparison::LessOrEqual,
        "_>_" => Comparison::Greater,
        "_>=_" => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn operator(name: &str) -> Option<Operator> {
    Some(match name {
        "_+_" => Operator::Add,
        "_-_" => Operator::Subtract,
        "_*_" => Operator::Multiply,
        "_/_" => Operator::Divide,
        "_%_" => Operator::Remainder,
        _ => return None,
    })
}

/// The type of `a operator b`.
fn result(operator: Operator, a: &Type, b: &Type) -> Option<Type> {
    use Type::*;
    let time = |t: &Type| matches!(t, Time | Date);
    Some(match (operator, a, b) {
        (_, Any, Bool | List(_)) | (_, Bool | List(_), Any) => return None,
        (_, Any, Any) => Any,
        (Operator::Add, Str, Str | Any) | (Operator::Add, Any, Str) => Str,
        (Operator::Add, a, Duration | Any) if time(a) => Time,
        (Operator::Add, Duration | Any, b) if time(b) => Time,
        (Operator::Subtract, a, Duration) if time(a) => Time,
        (Operator::Subtract, a, b) if time(a) && time(b) => Duration,
        (Operator::Subtract, a, Any) | (Operator::Subtract, Any, a) if time(a) => Any,
        (Operator::Add, Duration, Any) | (Operator::Add, Any, Duration) => Any,
        (Operator::Add | Operator::Subtract, Duration, Duration | Any) => Duration,
        (Operator::Subtract, Any, Duration) => Any,
        (Operator::Multiply, Duration, Number | Any) => Duration,
        (Operator::Multiply, Number | Any, Duration) => Duration,
        (Operator::Divide, Duration, Number) => Duration,
        (Operator::Divide, Duration, Duration) => Number,
        (_, Number, Number | Any) | (_, Any, Number) => Number,
        _ => return None,
    })
}
