//! A typed expression, ready to be evaluated (in [`crate::person`]) for every event without a name being looked up.

use super::{FactId, RankId, Relation, SegmentId};
use crate::event::Value;

/// An operation and its operands; each gives a value or, where one is missing, none.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    Const(Value),
    /// A property of the event at hand, by slot.
    Property(u16),
    EventTime,
    /// A property of the entering event, by its place in the journey's `entry_slots`.
    Entry(u16),
    EntryTime,
    Key,
    Fact(FactId),
    Basket(FactId, BasketField),
    Session(SessionField),
    Now,
    Segment(SegmentId),
    /// What was answered last about the person's place among all others.
    Rank(RankId),
    Not(Box<Expr>),
    And(Box<[Expr]>),
    Or(Box<[Expr]>),
    /// Condition, then, else.
    Choose(Box<[Expr; 3]>),
    Compare(Comparison, Box<[Expr; 2]>),
    In(Box<[Expr; 2]>),
    Arithmetic(Operator, Box<[Expr; 2]>),
    Negate(Box<Expr>),
    Has(Box<Expr>),
    Size(Box<Expr>),
    List(Box<[Expr]>),
    /// A duration of so many units of the given length in milliseconds.
    Units(i64, Box<Expr>),
    Text(TextTest, Box<[Expr; 2]>),
    Lower(Box<Expr>),
    Math(Math, Box<Expr>),
    Least(Box<[Expr; 2]>),
    Greatest(Box<[Expr; 2]>),
    /// The local midnight of a date.
    Midnight(Box<Expr>),
    Hour(Box<Expr>),
    Weekday(Box<Expr>),
    Default(Box<[Expr; 2]>),
    /// Whether the person is a group whose identifier begins so.
    IsGroup(Box<str>),
    /// In the condition of a notice: a property of the product's record as it was before, by slot.
    Before(u16),
    /// What the catalogue says, in a slot of the records, of a product or of each in a list.
    Product(u16, Box<Expr>),
    /// The accessories of a product or of those in a list.
    Accessories(Box<Expr>),
    /// The so many products that go best with one or with those in a list.
    Related(Relation, Box<[Expr; 2]>),
    /// The first list without what is in the second.
    Without(Box<[Expr; 2]>),
    /// So many of a list, from its beginning.
    Take(Box<[Expr; 2]>),
}

/// What can be asked of a basket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BasketField {
    ProductIds,
    Items,
    Value,
}

/// What can be asked of sessions, as `session.…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionField {
    Active,
    Start,
    Events,
    Pages,
    Duration,
    EntryPage,
    Count,
    PreviousEnd,
}

/// How two values are compared; with a missing one the answer is false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// The same with the two sides changed over.
    pub fn mirrored(self) -> Comparison {
        use Comparison::*;
        match self {
            Equal | NotEqual => self,
            Less => Greater,
            LessOrEqual => GreaterOrEqual,
            Greater => Less,
            GreaterOrEqual => LessOrEqual,
        }
    }
}

/// Exact arithmetic; what is beyond the range, or divided by zero, is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// What is asked of a text about another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

/// Functions of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Math {
    Abs,
    Floor,
    Round,
}
