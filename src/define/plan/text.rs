//! What a plan asks, in the words of packs: an expression as it could have been written. For people who ask why.

use super::expr::{BasketField, Comparison, Math, Operator, SessionField, TextTest};
use super::{Expr, JourneyPlan, Kinds, Plan, RankId, RankTest, Relation, WHOLE};
use crate::event::{Kind, Num, Value};
use crate::time::{self, DAY, HOUR, MINUTE, SECOND};

/// How tightly an expression holds together; one that holds less tightly than its place needs stands in parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bond {
    Choice,
    Or,
    And,
    Comparison,
    Sum,
    Product,
    Sign,
    Whole,
}

/// An expression, and the journey whose entering events its `entry.…` are about.
struct Words<'a> {
    plan: &'a Plan,
    journey: Option<&'a JourneyPlan>,
}

impl Plan {
    /// An expression in the language of packs.
    pub fn text(&self, expr: &Expr, journey: Option<&JourneyPlan>) -> String {
        Words { plan: self, journey }.write(expr, Bond::Choice)
    }

    /// Names of events, such as `Product Added or Product Removed`.
    pub fn events_text(&self, kinds: &Kinds) -> String {
        let of = |at: &usize| kinds.has(Kind(*at as u16));
        if of(&0) {
            return "any event".into();
        }
        let names = (1..self.inputs.kinds.len()).filter(of);
        names.map(|at| self.event_text(Kind(at as u16))).collect::<Vec<_>>().join(" or ")
    }

    /// The name of an event; empty of one that no definition mentions. What a member has done is called what it was called there.
    pub fn event_text(&self, kind: Kind) -> &str {
        let name = &self.inputs.kinds[usize::from(kind.0)];
        name.rsplit(char::is_control).next().unwrap_or(name)
    }
}

/// The conditions that must hold together for one to hold, those left out that only say whom it is about.
pub fn parts(condition: &Expr) -> Vec<&Expr> {
    match condition {
        Expr::And(all) => all.iter().flat_map(parts).collect(),
        other if is_about_whom(other) => Vec::new(),
        other => vec![other],
    }
}

/// Whether it only tells persons from groups.
fn is_about_whom(expr: &Expr) -> bool {
    match expr {
        Expr::IsGroup(_) => true,
        Expr::Not(a) => is_about_whom(a),
        Expr::Or(all) => !all.is_empty() && all.iter().all(is_about_whom),
        _ => false,
    }
}

impl Words<'_> {
    fn write(&self, expr: &Expr, place: Bond) -> String {
        let (text, bond) = self.bonded(expr);
        if bond < place { format!("({text})") } else { text }
    }

    fn bonded(&self, expr: &Expr) -> (String, Bond) {
        let joined = |all: Vec<&Expr>, word: &str, bond: Bond| {
            let all = all.into_iter().map(|part| self.write(part, bond));
            (all.collect::<Vec<_>>().join(word), bond)
        };
        let two = |pair: &[Expr; 2], word: &str, left: Bond, right: Bond| {
            format!("{} {word} {}", self.write(&pair[0], left), self.write(&pair[1], right))
        };
        match expr {
            Expr::And(_) => joined(parts(expr), " && ", Bond::And),
            Expr::Or(all) => joined(all.iter().collect(), " || ", Bond::Or),
            Expr::Choose(three) => {
                let [c, a, b] = [0, 1, 2].map(|at| self.write(&three[at], Bond::Or));
                (format!("{c} ? {a} : {b}"), Bond::Choice)
            }
            Expr::Compare(by, pair) => {
                (two(pair, comparison(*by), Bond::Sum, Bond::Sum), Bond::Comparison)
            }
            Expr::In(pair) => (two(pair, "in", Bond::Sum, Bond::Sum), Bond::Comparison),
            Expr::Arithmetic(by, pair) => {
                let (word, bond, right) = match by {
                    Operator::Add => ("+", Bond::Sum, Bond::Product),
                    Operator::Subtract => ("-", Bond::Sum, Bond::Product),
                    Operator::Multiply => ("*", Bond::Product, Bond::Sign),
                    Operator::Divide => ("/", Bond::Product, Bond::Sign),
                    Operator::Remainder => ("%", Bond::Product, Bond::Sign),
                };
                (two(pair, word, bond, right), bond)
            }
            Expr::Not(a) => (format!("!{}", self.write(a, Bond::Sign)), Bond::Sign),
            Expr::Negate(a) => (format!("-{}", self.write(a, Bond::Whole)), Bond::Sign),
            Expr::Rank(rank) => (self.rank(*rank), Bond::Comparison),
            // A date stands for its midnight by itself.
            Expr::Midnight(a) => self.bonded(a),
            other => (self.whole(other), Bond::Whole),
        }
    }

    /// What stands by itself: names, literals, calls.
    fn whole(&self, expr: &Expr) -> String {
        let all = |name: &str, all: &[Expr]| {
            let all: Vec<String> = all.iter().map(|it| self.write(it, Bond::Choice)).collect();
            format!("{name}({})", all.join(", "))
        };
        let one = |name: &str, a: &Expr| all(name, std::slice::from_ref(a));
        match expr {
            Expr::Const(value) => literal(value),
            Expr::Property(slot) => format!("event.{}", self.path(*slot)),
            Expr::Before(slot) => format!("before.{}", self.path(*slot)),
            Expr::EventTime => "event.timestamp".into(),
            Expr::Entry(at) => {
                let slot = self.journey.and_then(|it| it.entry_slots.get(usize::from(*at)));
                format!("entry.{}", slot.map_or(String::new(), |slot| self.path(*slot)))
            }
            Expr::EntryTime => "entry.at".into(),
            Expr::Key => "key".into(),
            Expr::Fact(fact) => self.plan.facts[usize::from(fact.0)].name.clone(),
            Expr::Basket(fact, field) => {
                let field = match field {
                    BasketField::ProductIds => "product_ids",
                    BasketField::Items => "items",
                    BasketField::Value => "value",
                };
                format!("{}.{field}", self.plan.facts[usize::from(fact.0)].name)
            }
            Expr::Session(field) => format!("session.{}", session(*field)),
            Expr::Now => "now".into(),
            Expr::Segment(id) => {
                format!("segment(\"{}\")", self.plan.segments[usize::from(id.0)].name)
            }
            Expr::Has(a) => one("has", a),
            Expr::Size(a) => one("size", a),
            Expr::List(items) => {
                let items: Vec<_> = items.iter().map(|it| self.write(it, Bond::Choice)).collect();
                format!("[{}]", items.join(", "))
            }
            Expr::Units(unit, a) => one(unit_name(*unit), a),
            Expr::Text(test, pair) => {
                let name = match test {
                    TextTest::Contains => "contains",
                    TextTest::StartsWith => "starts_with",
                    TextTest::EndsWith => "ends_with",
                };
                all(name, &pair[..])
            }
            Expr::Lower(a) => one("lower", a),
            Expr::Math(Math::Abs, a) => one("abs", a),
            Expr::Math(Math::Floor, a) => one("floor", a),
            Expr::Math(Math::Round, a) => one("round", a),
            Expr::Least(pair) => all("min", &pair[..]),
            Expr::Greatest(pair) => all("max", &pair[..]),
            Expr::Hour(a) => one("hour", a),
            Expr::Weekday(a) => one("weekday", a),
            Expr::Default(pair) => all("default", &pair[..]),
            Expr::Product(slot, a) => format!("{}.{}", one("product", a), self.path(*slot)),
            Expr::Accessories(a) => one("accessories", a),
            Expr::Related(Relation::Similar, pair) => all("similar", &pair[..]),
            Expr::Related(Relation::BoughtTogether, pair) => all("bought_together", &pair[..]),
            Expr::Without(pair) => all("without", &pair[..]),
            Expr::Take(pair) => all("take", &pair[..]),
            Expr::IsGroup(prefix) => format!("(one of {prefix})"),
            Expr::And(_)
            | Expr::Or(_)
            | Expr::Choose(_)
            | Expr::Compare(..)
            | Expr::In(_)
            | Expr::Arithmetic(..)
            | Expr::Not(_)
            | Expr::Negate(_)
            | Expr::Rank(_)
            | Expr::Midnight(_) => self.bonded(expr).0,
        }
    }

    fn path(&self, slot: u16) -> String {
        self.plan.inputs.paths[usize::from(slot)].path.join(".")
    }

    fn rank(&self, rank: RankId) -> String {
        let asked = &self.plan.ranks[usize::from(rank.0)];
        let fact = &self.plan.facts[usize::from(asked.fact.fact.0)].name;
        let share = |millionths: u32| Num(i64::from(millionths) * 1_000_000 / i64::from(WHOLE));
        match asked.test {
            RankTest::AtLeast(from) => format!("percentile({fact}) >= {}", share(from)),
            RankTest::Above(from) => format!("percentile({fact}) > {}", share(from)),
            RankTest::Among(count) => format!("rank({fact}) <= {count}"),
        }
    }
}

fn comparison(by: Comparison) -> &'static str {
    match by {
        Comparison::Equal => "==",
        Comparison::NotEqual => "!=",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

fn session(field: SessionField) -> &'static str {
    match field {
        SessionField::Active => "active",
        SessionField::Start => "start",
        SessionField::Events => "events",
        SessionField::Pages => "pages",
        SessionField::Duration => "duration",
        SessionField::EntryPage => "entry_page",
        SessionField::Count => "count",
        SessionField::PreviousEnd => "previous_end",
    }
}

fn unit_name(millis: i64) -> &'static str {
    match millis {
        DAY => "days",
        HOUR => "hours",
        MINUTE => "minutes",
        _ => "seconds",
    }
}

/// A value as packs write it.
fn literal(value: &Value) -> String {
    match value {
        Value::Missing => "(missing)".into(),
        Value::Bool(b) => b.to_string(),
        Value::Num(n) => n.to_string(),
        Value::Time(at) => format!("timestamp(\"{}\")", time::format(*at)),
        Value::Duration(length) => {
            let units = [DAY, HOUR, MINUTE];
            let unit = units.into_iter().find(|unit| length % unit == 0).unwrap_or(SECOND);
            let count = Num(*length).checked_div(Num(unit)).unwrap_or(Num::ZERO);
            format!("{}({count})", unit_name(unit))
        }
        Value::Str(text) => format!("{:?}", text.as_str()),
        Value::List(items) => {
            format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", "))
        }
    }
}

impl Expr {
    /// The expressions of which it is made.
    pub fn operands(&self) -> Vec<&Expr> {
        match self {
            Expr::Not(a)
            | Expr::Negate(a)
            | Expr::Has(a)
            | Expr::Size(a)
            | Expr::Units(_, a)
            | Expr::Lower(a)
            | Expr::Math(_, a)
            | Expr::Midnight(a)
            | Expr::Hour(a)
            | Expr::Weekday(a)
            | Expr::Product(_, a)
            | Expr::Accessories(a) => vec![&**a],
            Expr::And(all) | Expr::Or(all) | Expr::List(all) => all.iter().collect(),
            Expr::Choose(three) => three.iter().collect(),
            Expr::Compare(_, two)
            | Expr::Arithmetic(_, two)
            | Expr::Text(_, two)
            | Expr::In(two)
            | Expr::Least(two)
            | Expr::Greatest(two)
            | Expr::Related(_, two)
            | Expr::Without(two)
            | Expr::Take(two)
            | Expr::Default(two) => two.iter().collect(),
            Expr::Const(_)
            | Expr::Property(_)
            | Expr::EventTime
            | Expr::Entry(_)
            | Expr::EntryTime
            | Expr::Key
            | Expr::Fact(_)
            | Expr::Basket(..)
            | Expr::Session(_)
            | Expr::Now
            | Expr::Segment(_)
            | Expr::Rank(_)
            | Expr::IsGroup(_)
            | Expr::Before(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::define::ast::SourceFile;
    use crate::define::compile::Keep;
    use crate::define::definitions::compile_files;

    fn text_of(condition: &str) -> String {
        let pack = format!(
            "facts:\n  orders: {{ count: Order Completed }}\n  last: {{ last: Order Completed, of: event.timestamp }}\n  \
             name: {{ trait: name, type: string }}\n  basket: {{ basket: Product Added, of: event.product_id }}\n\
             segments:\n  other: list\n  asked: '{condition}'\n"
        );
        let files = [SourceFile { path: "p.yaml".into(), text: pack.as_str().into() }];
        let (_, plan) = compile_files(&files, Keep::All, None)
            .unwrap_or_else(|mistakes| panic!("{condition}: {}", mistakes.text));
        let id = plan.segment_named("asked").unwrap();
        plan.text(plan.segments[usize::from(id.0)].condition.as_ref().unwrap(), None)
    }

    /// What is read back is what was written, parentheses where they are needed and nowhere else.
    #[test]
    fn says_what_was_written() {
        for condition in [
            "orders >= 3",
            "orders >= 3 && !(last > now - days(7)) && has(name)",
            "(orders == 1 || orders == 2) && segment(\"other\")",
            "orders - (2 - orders) == 1 + 2 * orders",
            "(orders + 2) * 3 > -orders",
            "orders > 1 ? segment(\"other\") : starts_with(lower(name), \"a\")",
            "name in [\"anna\", \"b \\\"c\\\"\"]",
            "size(basket.product_ids) == 0",
            "default(last, timestamp(\"2026-03-01T00:00:00.000Z\")) < now - hours(36)",
            "percentile(orders) >= 0.95",
            "rank(orders) <= 10",
            "hour(now) >= 9 && weekday(now) != 7",
            "min(orders, 3) == max(1, abs(floor(1.5)))",
            "session.active && session.pages >= 2",
        ] {
            assert_eq!(text_of(condition), condition);
        }
    }
}
