//! What persons hear one epoch after others have said or done something.

use super::{Answer, Said};
use crate::catalogue::related::{Best, Pair};
use crate::event::Event;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// Something that is taken in when the next epoch begins, before any event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Feedback {
    /// What has turned about a person's place among all others.
    Answer(Answer),
    /// What a member has done, for the group.
    Happened(Box<Event>),
    /// What has changed about what goes best with products.
    Best(Vec<Best>),
    /// The name of a product that somebody has.
    Named(u64, CompactString),
}

/// Feedback for a worker.
pub type Addressed = (u64, Feedback);

/// What a worker is told of all persons.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum News {
    /// That there are more or fewer persons with a fact's value.
    Value((u16, u64, isize)),
    /// The same of the worker's own persons, and who it is.
    Said(Said),
    /// That there are more or fewer with two products, of whose first the worker counts the neighbours; all of an epoch at once, as there
    /// are many.
    Pairs(Vec<Pair>),
    /// What its persons are to hear.
    Feedback(Feedback),
}

/// News for a worker.
pub type PassedOn = (u64, News);

/// What a person of worker `own` says to be compared, for every worker.
pub fn pass_to_all(said: Said, own: u64, workers: u64) -> impl Iterator<Item = PassedOn> {
    let (((fact, value, _), ()), _, more) = said;
    (0..workers).map(move |worker| match worker == own {
        true => (worker, News::Said(said)),
        false => (worker, News::Value((fact, value, more))),
    })
}

/// Pairs, for the workers that count the neighbours of their first products.
pub fn pass_pairs(pairs: Vec<Pair>, workers: u64) -> impl Iterator<Item = PassedOn> {
    let share = pairs.len() / workers as usize;
    let mut passed: Vec<Vec<Pair>> =
        (0..workers).map(|_| Vec::with_capacity(share + share / 8)).collect();
    for pair in pairs {
        passed[(pair.product % workers) as usize].push(pair);
    }
    let of_each = (0..workers).zip(passed).filter(|(_, pairs)| !pairs.is_empty());
    of_each.map(|(worker, pairs)| (worker, News::Pairs(pairs)))
}
