//! Values of properties, facts and expressions.

use super::Num;
use compact_str::CompactString;
use std::sync::Arc;

/// A value. `Missing` is a value too: what is not known, not readable, or of a type that cannot be used.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
pub enum Value {
    #[default]
    Missing,
    Bool(bool),
    Num(Num),
    /// Milliseconds since the Unix epoch; of a date, its midnight in UTC.
    Time(i64),
    /// Milliseconds.
    Duration(i64),
    Str(CompactString),
    List(Arc<[Value]>),
}

impl Value {
    /// Whether there is no value.
    pub fn is_missing(&self) -> bool {
        matches!(self, Value::Missing)
    }

    /// The number, if it is one.
    pub fn num(&self) -> Option<Num> {
        if let Value::Num(n) = self { Some(*n) } else { None }
    }

    /// The text, if it is one.
    pub fn str(&self) -> Option<&str> {
        if let Value::Str(s) = self { Some(s) } else { None }
    }

    /// The value as the key of a keyed fact or instance: text as it is, a number or boolean in its shortest form.
    pub fn key(&self) -> Option<CompactString> {
        match self {
            Value::Str(s) if !s.is_empty() => Some(s.clone()),
            Value::Num(n) => Some(compact_str::format_compact!("{n}")),
            Value::Bool(b) => Some(compact_str::format_compact!("{b}")),
            _ => None,
        }
    }

    /// Calls `f` with the value, or with each element of a list (lists in lists are flattened), missing ones left out.
    pub fn each(&self, f: &mut impl FnMut(&Value)) {
        match self {
            Value::Missing => {}
            Value::List(items) => items.iter().for_each(|item| item.each(f)),
            value => f(value),
        }
    }
}

/// A list value.
pub fn list(items: impl IntoIterator<Item = Value>) -> Value {
    Value::List(items.into_iter().collect())
}
