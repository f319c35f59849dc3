//! Persons at the end of a run → one JSON line each: facts with their values, and segments.

use super::format::{text, write_value};
use crate::define::plan::{FactId, FactPlan, FactRule, Plan, Standing};
use crate::person::Person;

/// Fields of a basket, in the order in which they are written.
const BASKET: [&str; 3] = ["product_ids", "items", "value"];

/// Appends the person's line. Keyed facts are objects by key, baskets objects of their fields; `now` is the instant at
/// which they are read. Missing facts are left out.
pub fn write_person(out: &mut Vec<u8>, plan: &Plan, person: &Person, now: i64) {
    out.extend_from_slice(b"{\"person\":");
    text(out, person.id.as_str());
    out.extend_from_slice(b",\"facts\":{");
    let mut first = true;
    let current = |(_, fact): &(usize, &FactPlan)| fact.standing == Standing::Current;
    for (at, fact) in plan.facts.iter().enumerate().filter(current) {
        let before = out.len();
        if !first {
            out.push(b',');
        }
        text(out, &fact.name);
        out.push(b':');
        if write_fact(out, plan, person, (FactId(at as u16), fact), now) {
            first = false;
        } else {
            out.truncate(before);
        }
    }
    out.extend_from_slice(b"},\"segments\":[");
    let members = plan.segments_by_name.iter().filter(|segment| person.in_segment(**segment));
    for (at, segment) in members.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        text(out, &plan.segments[segment.0 as usize].name);
    }
    out.extend_from_slice(b"]}\n");
}

/// Writes the fact; false if it has no value.
fn write_fact(
    out: &mut Vec<u8>,
    plan: &Plan,
    person: &Person,
    fact: (FactId, &FactPlan),
    now: i64,
) -> bool {
    let (id, FactPlan { rule, per, .. }) = fact;
    let write = |out: &mut Vec<u8>, key: Option<&str>| {
        if !matches!(rule, FactRule::Basket(_)) {
            let value = person.fact(plan, id, key, now);
            write_value(out, &value);
            return !value.is_missing();
        }
        for (at, field) in BASKET.iter().enumerate() {
            out.push(if at == 0 { b'{' } else { b',' });
            text(out, field);
            out.push(b':');
            write_value(out, &person.basket(plan, id, key, field, now));
        }
        out.push(b'}');
        true
    };
    if per.is_none() {
        return write(out, None);
    }
    let keys = person.fact_keys(id);
    for (at, key) in keys.iter().enumerate() {
        out.push(if at == 0 { b'{' } else { b',' });
        text(out, key.as_str());
        out.push(b':');
        write(out, Some(key));
    }
    out.push(b'}');
    !keys.is_empty()
}
