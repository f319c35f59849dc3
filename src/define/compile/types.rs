//! The types of expressions.

use crate::define::ast::PropertyType;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Number,
    Str,
    Time,
    /// A calendar date; usable as a time (its midnight in UTC).
    Date,
    Duration,
    List(Box<Type>),
    /// Of an undeclared property: known only at run time, where a type that cannot be used counts as missing.
    Any,
}

impl Type {
    pub(super) fn of_property(declared: PropertyType) -> Type {
        match declared {
            PropertyType::String => Type::Str,
            PropertyType::Number | PropertyType::Money => Type::Number,
            PropertyType::Boolean => Type::Bool,
            PropertyType::Time => Type::Time,
            PropertyType::Date => Type::Date,
        }
    }

    /// Whether a value of this type may stand where `wanted` is needed.
    pub(super) fn fits(&self, wanted: &Type) -> bool {
        match (self, wanted) {
            (Type::Any, _) | (_, Type::Any) => true,
            (Type::Date, Type::Time) | (Type::Time, Type::Date) => true,
            (Type::List(a), Type::List(b)) => a.fits(b),
            (a, b) => a == b,
        }
    }

    /// The type of a value that is either of the two; `None` if they have nothing in common.
    pub(super) fn join(&self, other: &Type) -> Option<Type> {
        match (self, other) {
            (a, b) if a == b => Some(a.clone()),
            (Type::Any, _) | (_, Type::Any) => Some(Type::Any),
            (Type::Date, Type::Time) | (Type::Time, Type::Date) => Some(Type::Time),
            (Type::List(a), Type::List(b)) => Some(Type::List(Box::new(a.join(b)?))),
            _ => None,
        }
    }

    /// Whether `<` and its kin order such values.
    pub(super) fn ordered(&self) -> bool {
        !matches!(self, Type::Bool | Type::List(_))
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Bool => f.write_str("a boolean"),
            Type::Number => f.write_str("a number"),
            Type::Str => f.write_str("a string"),
            Type::Time => f.write_str("a time"),
            Type::Date => f.write_str("a date"),
            Type::Duration => f.write_str("a duration"),
            Type::List(of) if **of == Type::Any => f.write_str("a list"),
            Type::List(of) => write!(f, "a list of {}", of.plural()),
            Type::Any => f.write_str("a value of any type"),
        }
    }
}

impl Type {
    fn plural(&self) -> &'static str {
        match self {
            Type::Bool => "booleans",
            Type::Number => "numbers",
            Type::Str => "strings",
            Type::Time => "times",
            Type::Date => "dates",
            Type::Duration => "durations",
            Type::List(_) => "lists",
            Type::Any => "values",
        }
    }
}
