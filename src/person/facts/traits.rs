//! Traits and consents: the latest value by event time.

use super::FactState;
use crate::define::plan::{FactId, FactRule, Plan, PropertyType, SegmentSet};
use crate::event::{Event, Value};
use crate::person::Person;
use crate::time;

/// Lets the traits and consents that an event carries replace older ones, and adds to `asked` the segments that read those
/// that changed; tells whether any did.
pub(in crate::person) fn take_traits(
    person: &mut Person,
    plan: &Plan,
    event: &Event,
    asked: &mut SegmentSet,
) -> bool {
    let mut any = false;
    for &fact in &plan.traits {
        if let FactRule::Trait { slot, of_type, .. } = &plan.facts[fact.0 as usize].rule
            && set(person, fact, *of_type, event.time, event.value(*slot))
        {
            asked.extend(&plan.readers_of_fact[fact.0 as usize]);
            any = true;
        }
    }
    any
}

/// Sets every fact of the trait of this name, as a journey's `set` does, and adds to `asked` the segments that read those that changed.
pub(in crate::person) fn set_named(
    person: &mut Person,
    plan: &Plan,
    name: &str,
    time: i64,
    value: &Value,
    asked: &mut SegmentSet,
) {
    for &fact in &plan.traits {
        if let FactRule::Trait { name: known, of_type, .. } = &plan.facts[fact.0 as usize].rule
            && known == name
            && set(person, fact, *of_type, time, value)
        {
            asked.extend(&plan.readers_of_fact[fact.0 as usize]);
        }
    }
}

/// A missing value, or one that the declared type cannot take, leaves what was known. Tells whether the value changed.
fn set(
    person: &mut Person,
    fact: FactId,
    of: Option<PropertyType>,
    at: i64,
    value: &Value,
) -> bool {
    let value = of.map_or_else(|| value.clone(), |of| typed(value, of));
    if value.is_missing() {
        return false;
    }
    let state = person.facts.get_or(fact, || FactState::At(i64::MIN, Value::Missing));
    match state {
        FactState::At(known_at, known) if *known_at <= at => {
            let changed = *known != value;
            (*known_at, *known) = (at, value);
            changed
        }
        _ => false,
    }
}

/// A value as the declared type; missing if it is none.
fn typed(value: &Value, of: PropertyType) -> Value {
    match (of, value) {
        (PropertyType::String, Value::Str(_))
        | (PropertyType::Number | PropertyType::Money, Value::Num(_))
        | (PropertyType::Boolean, Value::Bool(_))
        | (PropertyType::Time | PropertyType::Date, Value::Time(_)) => value.clone(),
        (PropertyType::Time, Value::Str(text)) => {
            time::parse(text).map_or(Value::Missing, Value::Time)
        }
        (PropertyType::Time, Value::Num(n)) if n.is_whole() => Value::Time(n.trunc()),
        (PropertyType::Date, Value::Str(text)) => {
            time::parse_date(text).map_or(Value::Missing, Value::Time)
        }
        _ => Value::Missing,
    }
}
