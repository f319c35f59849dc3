//! The slow, obvious oracle: a second implementation of the language of packs, to be compared with
//! the engine on random packs and streams. In: the parsed pack and all lines. Out: everything that
//! would be published, as sorted text, and the facts at the end.
//!
//! It keeps the list of everything heard of a person and computes each answer from the whole list;
//! it visits every instant at which anything could change. It shares nothing with the engine but
//! the parsed definitions, and never tries to be fast. Tests hold it to hand-checked cases
//! (`cases`), and assert that nothing changes between two instants that it visits.

pub mod cases;

mod calendar;
mod eval;
mod facts;
mod instants;
mod journey;
mod json;
mod known;
mod line;
mod person;
mod policy;
mod value;

#[cfg(test)]
mod tests;

use crate::define::ast::Pack;
use person::{Arrival, Person};
use std::collections::BTreeMap;

/// How input is ordered in time.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How far behind the newest an event may be without being late.
    pub slack_ms: i64,
    /// The watermark moves in steps of this.
    pub epoch_ms: i64,
    /// How long the id of a message is remembered.
    pub dedup_horizon_ms: i64,
    /// Time runs on to here after the last event.
    pub until: Option<i64>,
}

/// Everything that a run gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Sorted lines, each `TIME PERSON …`.
    pub records: Vec<String>,
    /// For each person seen, each fact's value at the end as text.
    pub facts: BTreeMap<String, BTreeMap<String, String>>,
}

/// Runs a pack over lines in the order of their arrival.
pub fn run(pack: &Pack, lines: &[Vec<u8>], options: &Options) -> Outcome {
    let mut persons: BTreeMap<String, Vec<Arrival>> = BTreeMap::new();
    let mut newest: Option<i64> = None;
    for line in lines.iter().filter_map(|line| line::read(pack, line)) {
        let epoch = options.epoch_ms;
        let watermark = newest.map(|newest| (newest - options.slack_ms).div_euclid(epoch) * epoch);
        let t = line.event.t;
        let now = watermark.map_or(t, |watermark| watermark.max(t));
        newest = newest.max(Some(t));
        let arrival = Arrival { now, message_id: line.message_id, event: line.event };
        persons.entry(line.person).or_default().push(arrival);
    }
    let end = newest.max(options.until);
    let mut outcome = Outcome::default();
    for (id, mut arrivals) in persons {
        arrivals.sort_by_key(|arrival| (arrival.now, arrival.event.t));
        let mut person = Person::new(pack, &id);
        if let Some(end) = end {
            person.live(arrivals, end, options);
        }
        let facts = person.known.fact_texts(person.now);
        outcome.records.append(&mut person.records);
        outcome.facts.insert(id, facts);
    }
    outcome.records.sort();
    outcome
}
