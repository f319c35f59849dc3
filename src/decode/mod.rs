//! Lines in, events or rejects out.
//!
//! ```text
//!  line ──► cursor ──► envelope   which call, who, when
//!           (JSON)     values     what the plan reads, by the trees in `wanted`
//! ```
//!
//! Records of a topic go through an [`adapter`] first, which makes lines of messages in other forms.
//!
//! An event holds only what some definition reads; all else is passed over in one pass over the bytes. Knows nothing of
//! where lines come from or what became of earlier ones, and never panics on any bytes.

pub mod adapter;
mod cloud_events;
pub mod mapping;

mod cursor;
mod envelope;
mod identifiers;
mod money;
mod quotes;
mod reading;
mod values;
mod wanted;

#[cfg(test)]
mod tests;

use crate::define::plan::{Consumer, IdentityPlan, Inputs, PropertyPath};
use crate::event::{Call, Event, Kind, Origin, Reason, Reject, Value, leaf_hash, names};
use crate::limits::{LINE_BYTES_MAX, NESTING_MAX};
use crate::time::zone::Zone;
use crate::time::{TIME_MAX, TIME_MIN};
use compact_str::CompactString;
use cursor::Fault;
use identifiers::Identifiers;
pub use identifiers::spelled;
use money::Money;
use reading::Reading;
use wanted::{CONTEXT_ZONE, OWN_ZONE, TRAITS_ZONE, Wanted};

/// Why a line is refused, and what exactly, for people.
type Refused = (Reason, String);

/// Reads lines for one plan.
#[derive(Clone, Debug)]
pub struct Decoder {
    kinds: hashbrown::HashMap<String, Kind, foldhash::fast::FixedState>,
    wanted: Wanted,
    money: Money,
    /// What is read, by slot.
    paths: Vec<PropertyPath>,
    identity: Option<IdentityPlan>,
    /// The kind of the records of products, and the slot that names the product.
    catalogue: Option<(Kind, u16)>,
    /// The event that asks for a person to be erased, and the slot of which one.
    erased: (Kind, u16),
    /// Leaves whose events do not count, by their hashes.
    ignored: hashbrown::HashMap<u64, String, foldhash::fast::FixedState>,
    /// Bytes beyond which a line is not looked at.
    line_bytes_max: usize,
}

/// Whether a line holds nothing, so that it is neither an event nor a reject.
pub fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

impl Decoder {
    /// Makes the trees of what to look for.
    pub fn new(inputs: &Inputs) -> Decoder {
        let numbered = (0..).map(Kind).zip(&inputs.kinds);
        Decoder {
            // Names that begin with a control character are of what only comes about inside.
            kinds: numbered
                .skip(1)
                .filter(|(_, name)| !name.starts_with('\u{1}'))
                .map(|(kind, name)| (name.clone(), kind))
                .collect(),
            wanted: Wanted::new(inputs),
            money: Money::new(inputs),
            paths: inputs.paths.clone(),
            identity: inputs.identity.clone(),
            catalogue: inputs.catalogue,
            erased: (inputs.erased, inputs.erased_slot),
            ignored: inputs.ignored.iter().map(|leaf| (leaf_hash(leaf), leaf.clone())).collect(),
            line_bytes_max: LINE_BYTES_MAX,
        }
    }

    /// The same with another bound on the bytes of a line, instead of [`LINE_BYTES_MAX`].
    pub fn with_line_bytes_max(self, bytes: usize) -> Decoder {
        Decoder { line_bytes_max: bytes, ..self }
    }

    /// Reads one line, which is not blank.
    ///
    /// # Errors
    /// The line with the first reason, in the order of [`Reason`], for which it is no usable event.
    pub fn decode(&self, line: &[u8], origin: Origin) -> Result<Event, Reject> {
        self.decode_arrived(line, origin, None)
    }

    /// Reads one line that arrived at a known time, in milliseconds since the Unix epoch. The event is never later than
    /// that, so that a wrong clock cannot move time, and an event without a time of its own has this one. A time of arrival
    /// that nobody can mean, such as the 0 of a producer that sets none, says nothing.
    ///
    /// # Errors
    /// As for [`Decoder::decode`].
    pub fn decode_arrived(
        &self,
        line: &[u8],
        origin: Origin,
        arrival: Option<i64>,
    ) -> Result<Event, Reject> {
        let arrival = arrival.filter(|arrival| (TIME_MIN..TIME_MAX).contains(arrival));
        self.event(line, origin, arrival).map_err(|refused| reject(line, origin, refused))
    }

    /// Whether the pack ignores who did this: then the event does not count, as if it had not been there.
    pub fn ignores(&self, event: &Event) -> bool {
        !self.ignored.is_empty()
            && self.ignored.get(&event.hash).is_some_and(|leaf| *leaf == event.leaf)
    }

    /// Whether a line or record is too long to be looked at.
    fn bounded(&self, line: &[u8]) -> Result<(), Refused> {
        let max = self.line_bytes_max;
        if line.len() > max {
            return Err((Reason::TooLong, format!("more than {max} bytes")));
        }
        Ok(())
    }

    fn event(&self, line: &[u8], origin: Origin, arrival: Option<i64>) -> Result<Event, Refused> {
        self.bounded(line)?;
        let text = std::str::from_utf8(line).map_err(|error| {
            let column = error.valid_up_to() + 1;
            (Reason::NotUtf8, format!("at column {column}"))
        })?;
        let mut reading = Reading::new(self);
        reading.line(text).map_err(|fault| explain(fault, text))?;
        let (call, kind) = reading.sort().ok_or_else(|| reading.envelope.not_a_call())?;
        let envelope = &reading.envelope;
        let message_id = envelope.message_id()?;
        // The order of reasons is that of `Reason`: who comes before when.
        let product = self.catalogue.filter(|(record, _)| *record == kind).map(|(_, slot)| slot);
        let (erased, erased_slot) = self.erased;
        let erases = call == Call::Track && kind == erased && kind != Kind::OTHER;
        let is_alone = self.identity.is_none() && !erases && product.is_none();
        let alone = if is_alone { Some(envelope.leaf()?) } else { None };
        let time = envelope.time(arrival)?;
        let envelope = *envelope;
        let mut values = reading.values(call, kind)?;
        let call = if product.is_some() { Call::Product } else { call };
        let Identifiers { leaf, also, says } = match (alone, &self.identity) {
            _ if let Some(slot) = product => Identifiers::one(product_leaf(&values, slot)?),
            (None, rules) if erases => {
                identifiers::erased(rules.as_ref(), &envelope, (call, kind), &values, erased_slot)?
            }
            (None, Some(rules)) => identifiers::find(rules, &envelope, call, kind, &values)?,
            (leaf, _) => Identifiers::one(leaf.unwrap_or_default()),
        };
        let zone = self.zone(&values);
        values.retain(|(slot, _)| *slot < CONTEXT_ZONE);
        Ok(Event {
            time,
            taken: time,
            origin,
            hash: leaf_hash(&leaf),
            leaf,
            message_id,
            kind,
            call,
            about_person: values.iter().any(|(slot, _)| self.is_about_person(*slot)),
            values,
            zone,
            also,
            says,
            person: None,
            worker: None,
        })
    }

    fn kind(&self, call: Call, name: &str) -> Kind {
        let known = self.kinds.get(name).or_else(|| match call {
            Call::Track => self.kinds.get(names::current(name)),
            _ => None,
        });
        known.copied().unwrap_or(Kind::OTHER)
    }

    fn is_about_person(&self, slot: u16) -> bool {
        let from = self.paths[usize::from(slot)].from;
        matches!(from, Consumer::Trait | Consumer::Consent)
    }

    /// The zone named by the identify call's traits, else by `context.traits`, else by `context`.
    fn zone(&self, values: &[(u16, Value)]) -> Option<CompactString> {
        [OWN_ZONE, TRAITS_ZONE, CONTEXT_ZONE].iter().find_map(|wanted| {
            let (_, value) = values.iter().rfind(|(slot, _)| slot == wanted)?;
            let name = value.str()?;
            Zone::is_known(name).then(|| name.into())
        })
    }
}

/// What the record of a product is known by where events are.
fn product_leaf(values: &[(u16, Value)], slot: u16) -> Result<CompactString, Refused> {
    let value = values.iter().find(|(known, _)| *known == slot).and_then(|(_, value)| value.key());
    let id = value
        .filter(|id| id.len() <= crate::limits::ID_BYTES_MAX)
        .ok_or_else(|| (Reason::NoIdentifier, "the record names no product".to_owned()))?;
    Ok(envelope::leaf("product:", &id))
}

/// A line that is refused, with its bytes.
fn reject(line: &[u8], origin: Origin, (reason, detail): Refused) -> Reject {
    let raw = line[..line.len().min(LINE_BYTES_MAX)].to_vec();
    Reject { origin, reason, detail, raw, bytes: line.len() as u64 }
}

/// Why text is not taken, with the place.
fn explain(fault: Fault, text: &str) -> Refused {
    match fault {
        Fault::TooDeep => {
            let detail = format!("more than {NESTING_MAX} levels of objects and lists");
            (Reason::TooDeep, detail)
        }
        Fault::NotAnObject => (Reason::NotJson, "an event is an object".to_owned()),
        Fault::Syntax => {
            let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err();
            let detail = error.map_or_else(|| "cannot be read".to_owned(), |e| e.to_string());
            (Reason::NotJson, detail)
        }
    }
}
