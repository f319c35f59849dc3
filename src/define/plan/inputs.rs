//! What the decoder has to find in an event: only what some definition reads.

use super::PropertyType;
use crate::event::{Kind, Num};
use std::collections::BTreeMap;

/// Names of events, and the properties that are read, each with a slot.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Names of kinds, by [`Kind`]; the first is [`Kind::OTHER`], the empty name. Segment's old names are resolved by
    /// the decoder before it looks here.
    pub kinds: Vec<String>,
    /// What is read, by slot.
    pub paths: Vec<PropertyPath>,
    /// For each [`Kind`] whether each slot is wanted.
    pub wanted: Vec<Vec<bool>>,
    /// Slots that are wanted of every event, whatever its kind.
    pub everywhere: Vec<u16>,
    /// Declared properties of declared events: kind, dotted path, type. They are checked even when nothing reads them.
    pub declared: Vec<(Kind, String, PropertyType)>,
    pub currency: Option<Rates>,
    /// Leaves whose events do not count, such as `anonymous:bot-7`.
    pub ignored: Vec<String>,
    /// The event that asks for a person to be erased, and the slot of which one.
    pub erased: Kind,
    pub erased_slot: u16,
    /// Which identifiers there are, if several can be one person.
    pub identity: Option<super::IdentityPlan>,
    /// The kind of the records of products, and the slot of the property that names the product.
    pub catalogue: Option<(Kind, u16)>,
}

/// One thing to read from an event's JSON.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PropertyPath {
    pub from: Consumer,
    /// Names from the outside in.
    pub path: Vec<String>,
}

/// Where in the envelope a path starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consumer {
    /// `event.x`: `properties` (for identify and group: `traits`; for page and screen also the call's own `name` and `category`).
    Event,
    /// A trait of the person: `traits` of identify calls, `context.traits` of any call.
    Trait,
    /// `context.consent.categoryPreferences`.
    Consent,
    /// `context.page`.
    ContextPage,
    /// Each of `context.externalIds`.
    ExternalIds,
}

/// Exchange rates: what one unit is worth in the base currency.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    pub rates: BTreeMap<String, Num>,
    pub default: Option<String>,
}

impl Inputs {
    /// The kind of an event name.
    pub fn kind(&self, name: &str) -> Kind {
        self.kinds.iter().position(|kind| kind == name).map_or(Kind::OTHER, |at| Kind(at as u16))
    }
}
