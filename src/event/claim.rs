//! What an event, or an operator, says about identifiers.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// How the identifiers of one event stand to one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Says {
    /// They came together.
    #[default]
    Together,
    /// An `alias` call: both are one customer.
    Alias,
    /// They are not one customer after all.
    Apart,
    /// Nothing is to be known any more of whoever it is.
    Erased,
}

/// What is said about identifiers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Claim {
    /// They came in one event, the strongest first.
    Together(Vec<CompactString>),
    /// Both are one customer: an `alias` call, or an operator.
    Alias(CompactString, CompactString),
    /// They are not one customer after all; without a second one, the first is nobody else.
    Apart(CompactString, Option<CompactString>),
    /// Nothing is to be known any more of whoever it is.
    Erased(CompactString),
}

impl Claim {
    /// The identifiers it is about.
    pub fn identifiers(&self) -> impl Iterator<Item = &CompactString> {
        let (list, one, two) = match self {
            Claim::Together(all) => (all.as_slice(), None, None),
            Claim::Alias(a, b) => (&[][..], Some(a), Some(b)),
            Claim::Apart(a, b) => (&[][..], Some(a), b.as_ref()),
            Claim::Erased(id) => (&[][..], Some(id), None),
        };
        list.iter().chain(one).chain(two)
    }
}
