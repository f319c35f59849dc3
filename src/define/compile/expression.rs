//! CEL's tree → a typed expression: names resolved, types checked, what could fail at run time refused.

mod calls;
mod products;
mod ranks;

use super::types::Type;
use super::{Compiler, did_you_mean, hints};
use crate::define::ast;
use crate::define::plan::Expr;
use crate::define::plan::expr::{BasketField, Comparison, Operator, SessionField};
use crate::event::{Kind, Num, Value};
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
    /// The kinds of the product's record as it was before, in the condition of a notice.
    pub(super) before: Option<&'a [Kind]>,
    /// Whether the answer is followed while nothing happens: the catalogue's changes would go unnoticed.
    pub(super) followed: bool,
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
        match self.of {
            Type::Date => Typed { expr: Expr::Midnight(Box::new(self.expr)), ..self },
            _ => self,
        }
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
        self.misfit(&tree, &typed.of, wanted);
        None
    }

    pub(super) fn check_any(&mut self) -> Option<(Expr, Type)> {
        let tree = self.written.tree.clone();
        self.visit(&tree).map(|typed| (typed.expr, typed.of))
    }

    fn mistake(&mut self, node: &IdedExpr, message: String, hint: Option<String>) {
        self.compiler.mistake(self.written.place(node.id), message, hint);
    }

    fn misfit(&mut self, node: &IdedExpr, found: &Type, wanted: &Type) {
        let hint = hints::needed(found, wanted);
        self.mistake(node, format!("this is {found}, where {wanted} is needed"), hint);
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
                let hint = match name {
                    "session" => "for example session.active or session.pages",
                    _ => "for example event.total, entry.at",
                };
                let message = format!("`{name}` alone is no value: its parts are");
                self.mistake(node, message, Some(hint.into()));
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
        let found = self.compiler.fact(name, self.scope.per);
        self.reads_fact(node, name)?;
        match found {
            Ok((fact, Some(of))) => Some(Typed::new(Expr::Fact(fact), of)),
            Ok((_, None)) => {
                let hint = format!("write {name}.product_ids, {name}.items or {name}.value");
                self.mistake(node, format!("`{name}` is a basket"), Some(hint));
                None
            }
            Err(error) => self.no_such_fact(node, name, error),
        }
    }

    /// A fact that is kept of others than the rest of the expression is about is a mistake.
    fn reads_fact(&mut self, node: &IdedExpr, name: &str) -> Option<()> {
        let facts = &self.compiler.pack.facts;
        let Some(def) = facts.iter().find(|def| def.name.node == name) else { return Some(()) };
        let owner = def.group.as_ref().map(|group| group.node.clone());
        if let Err(about) = self.compiler.reads_of(owner.clone()) {
            let hint =
                owner.map(|group| format!("write `for: {group}` where the journey is defined"));
            self.mistake(node, format!("the fact `{name}` {about}"), hint);
            return None;
        }
        Some(())
    }

    fn no_such_fact(&mut self, node: &IdedExpr, name: &str, error: super::FactError) -> Checked {
        let (message, hint) = match error {
            super::FactError::Keyed(per) => {
                let hint = format!("it can be read in a journey with `per: {per}`");
                (format!("the fact `{name}` is kept per {per}"), hint)
            }
            super::FactError::Unknown => {
                let (facts, segments) = (self.compiler.fact_names(), self.compiler.segment_names());
                (format!("there is no fact `{name}`"), hints::unknown_fact(name, facts, segments))
            }
            super::FactError::Broken => return None,
        };
        self.mistake(node, message, Some(hint));
        None
    }

    fn select(&mut self, node: &IdedExpr, select: &SelectExpr) -> Checked {
        if select.test {
            let plain = SelectExpr { test: false, ..select.clone() };
            let inner = self.select(node, &plain)?;
            return Some(Typed::new(Expr::Has(Box::new(inner.expr)), Type::Bool));
        }
        if let Some(found) = self.product(select) {
            return found;
        }
        let Some(path) = dotted(select) else {
            self.mistake(node, "only names have parts".into(), None);
            return None;
        };
        match path[0].as_str() {
            "event" => self.property(node, &path[1..]),
            "entry" => self.entry(node, &path[1..]),
            "before" if self.scope.before.is_some() => self.before(node, &path[1..]),
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
        self.property_slip(node, kinds, path);
        let (slot, of) = self.compiler.property(kinds, path);
        Some(Typed::new(Expr::Property(slot), of))
    }

    fn property_slip(&mut self, node: &IdedExpr, kinds: &[Kind], path: &[String]) {
        let place = self.written.place(node.id);
        kinds.iter().for_each(|&kind| self.compiler.property_name(place, kind, &path.join(".")));
    }

    fn entry(&mut self, node: &IdedExpr, path: &[String]) -> Checked {
        if self.scope.journey && path == ["at"] {
            return Some(Typed::new(Expr::EntryTime, Type::Time));
        }
        let Some(kinds) = self.scope.entry else {
            // An entry's own condition sees the event that is about to enter.
            let (message, hint) = if !self.scope.journey && self.scope.event.is_some() {
                (
                    "entry.… is not known here: only event.… is",
                    format!("write event.{}", path.join(".")),
                )
            } else {
                let message = "no event enters here, so that entry.… has no properties";
                (message, "entry.at is known in every journey".into())
            };
            self.mistake(node, message.into(), Some(hint));
            return None;
        };
        self.property_slip(node, kinds, path);
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
            let names = FIELDS.map(|(name, _)| name);
            let hint = did_you_mean(&written, names.map(String::from))
                .unwrap_or_else(|| format!("a session has {}", names.join(", ")));
            self.mistake(node, format!("a session has no `{written}`"), Some(hint));
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
            let hint = did_you_mean(fact, ["event".to_string()]);
            self.mistake(node, format!("`{fact}` is not known here: only event.… is"), hint);
            return None;
        }
        self.reads_fact(node, fact)?;
        let (id, of) = match self.compiler.fact(fact, self.scope.per) {
            Ok(found) => found,
            Err(super::FactError::Unknown) => {
                let known = self.compiler.fact_names();
                let roots = ["event", "entry", "session"].map(String::from);
                let hint = did_you_mean(fact, known.into_iter().chain(roots));
                self.mistake(node, format!("there is no fact `{fact}`"), hint);
                return None;
            }
            Err(error) => return self.no_such_fact(node, fact, error),
        };
        if let Some(of) = of {
            let hint = match of {
                Type::Time | Type::Date => format!("ask hour({fact}) or weekday({fact})"),
                _ => "only a basket has parts; keep another fact of what you need".into(),
            };
            self.mistake(node, format!("the fact `{fact}` has no parts"), Some(hint));
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
        self.misfit(node, &typed.of, wanted);
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
        if ranks::is_asked(x) {
            return self.ranked_in(x, list);
        }
        let (x, list) = (self.visit(x), self.visit(list));
        let (x, list) = (x?, list?);
        let fits = match &list.of {
            Type::List(of) => x.of.fits(of),
            other => *other == Type::Any,
        };
        if !fits {
            let hint = (list.of == Type::Str).then(|| "ask contains(text, part)".into());
            self.mistake(node, format!("{} cannot be in {}", x.of, list.of), hint);
            return None;
        }
        Some(Typed::new(Expr::In(Box::new([x.expr, list.expr])), Type::Bool))
    }

    fn compare(&mut self, node: &IdedExpr, name: &str, a: &IdedExpr, b: &IdedExpr) -> Checked {
        let comparison = comparison(name).expect("the caller asked");
        match (ranks::is_asked(a), ranks::is_asked(b)) {
            (true, _) => return self.ranked(comparison, a, b),
            (_, true) => return self.ranked(comparison.mirrored(), b, a),
            _ => {}
        }
        let (a, b) = (self.visit(a), self.visit(b));
        let (a, b) = (a?.at_midnight(), b?.at_midnight());
        let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        if !a.of.fits(&b.of) || !(equality || (a.of.ordered() && b.of.ordered())) {
            let hint = hints::compared(&a.of, &b.of);
            self.mistake(node, format!("{} and {} cannot be compared so", a.of, b.of), hint);
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
            let hint = hints::calculated(operator, &a.of, &b.of);
            self.mistake(node, format!("{} and {} cannot be {verb}", a.of, b.of), hint);
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
}

pub(super) fn list_of(of: Type) -> Type {
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
