//! What a person says of itself to be compared with all others, and what was answered.
//!
//! At the end of every epoch in which something happened to a person, the values of the facts by which persons are compared
//! are said if they are others than before. Answers come one epoch later and are an input like any other.

use super::eval::{Cx, Val};
use super::{Person, facts};
use crate::define::plan::{FactId, Plan, RankId, RankedFact, RankedValues, SegmentSet, Standing};
use serde::{Deserialize, Serialize};

/// A person's value of a fact that has come or gone: the fact, the value (see [`order`]) and the person's slot; the epoch; how
/// many more, or fewer, there are of it. None more and none fewer only says that something else has changed: the plan.
pub type Said = (((u16, u64, u32), ()), u64, isize);

/// What has turned about a person's place among all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Answer {
    /// The person's slot.
    pub person: u32,
    pub rank: RankId,
    pub holds: bool,
}

/// What one person keeps of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Ranks {
    /// The questions that were answered yes, in order.
    holds: Vec<RankId>,
    /// What was said last of each fact, in order: taking it back has to be exact, after a restart too.
    said: Vec<(u16, u64)>,
}

impl Ranks {
    /// Looks at where they begin.
    pub(super) fn look(&self) -> i64 {
        (self.holds.len() ^ self.said.len()) as i64
    }

    /// Looks at what was said.
    pub(super) fn look_behind(&self) -> i64 {
        self.said.iter().step_by(4).fold(0, |seen, it| seen ^ it.1) as i64
    }
}

impl Person {
    /// Whether a question about the person's place among all others was answered yes.
    pub fn is_ranked(&self, rank: RankId) -> bool {
        self.ranks.as_ref().is_some_and(|ranks| ranks.holds.binary_search(&rank).is_ok())
    }

    /// What was said last, and what was answered: from there a restart goes on.
    pub(super) fn said(&self) -> (&[(u16, u64)], &[RankId]) {
        self.ranks.as_ref().map_or((&[], &[]), |ranks| (&ranks.said, &ranks.holds))
    }
}

/// Takes in answers, and adds to `asked` the segments that read them. Tells whether any is another one than before.
pub(super) fn take(
    person: &mut Person,
    plan: &Plan,
    answers: &[(RankId, bool)],
    asked: &mut SegmentSet,
) -> bool {
    let mut changed = false;
    let ranks = person.ranks.get_or_insert_default();
    for &(rank, holds) in answers {
        match (ranks.holds.binary_search(&rank), holds) {
            (Err(at), true) => ranks.holds.insert(at, rank),
            (Ok(at), false) => {
                ranks.holds.remove(at);
            }
            _ => continue,
        }
        changed = true;
        asked.extend(&plan.readers_of_rank[usize::from(rank.0)]);
    }
    changed
}

/// Drops answers to questions that nobody asks any more.
pub(super) fn forget(person: &mut Person, plan: &Plan) {
    if let Some(ranks) = &mut person.ranks {
        let asked = |rank: &RankId| plan.ranks[usize::from(rank.0)].standing != Standing::Gone;
        ranks.holds.retain(asked);
    }
}

/// Forgets what was said, and gives it.
pub(super) fn forget_said(person: &mut Person) -> Vec<(u16, u64)> {
    person.ranks.as_mut().map(|ranks| std::mem::take(&mut ranks.said)).unwrap_or_default()
}

/// Takes in what another leaf was answered, until all is answered anew.
pub(super) fn merge(person: &mut Person, theirs: Option<Box<Ranks>>) {
    let Some(theirs) = theirs else { return };
    let ours = person.ranks.get_or_insert_default();
    ours.holds.extend(theirs.holds);
    ours.holds.sort_unstable();
    ours.holds.dedup();
}

/// Says what is another value at `now` than was said before: the fact, the value, and whether there is one more or one fewer.
/// Notes when a value will change by itself.
pub(super) fn say(
    person: &mut Person,
    plan: &Plan,
    now: i64,
    mut say: impl FnMut(u16, u64, isize),
) {
    if plan.ranked.is_empty() && person.ranks.is_none() {
        return;
    }
    let now = now.max(person.now);
    let cx = Cx::of(plan, person, now);
    let value = |ranked: &RankedFact| value(&cx, ranked).map(|value| (ranked.fact.0, value));
    let before = person.ranks.as_ref().map_or(&[][..], |ranks| &ranks.said);
    // Mostly they are what they were.
    let same = plan.ranked.iter().filter_map(value).eq(before.iter().copied());
    let values: Option<Vec<(u16, u64)>> =
        (!same).then(|| plan.ranked.iter().filter_map(value).collect());
    let recheck = cx.recheck.get();
    if let Some(values) = values {
        let gone = before.iter().filter(|it| !values.contains(it));
        gone.for_each(|&(fact, value)| say(fact, value, -1));
        let come = values.iter().filter(|it| !before.contains(it));
        come.for_each(|&(fact, value)| say(fact, value, 1));
        person.ranks.get_or_insert_default().said = values;
    }
    person.recheck = person.recheck.min(recheck);
}

/// The value by which a person is compared; none for who does not have the fact.
fn value(cx: &Cx, ranked: &RankedFact) -> Option<u64> {
    if !facts::is_held(cx, ranked.fact) {
        return None;
    }
    match (facts::read(cx, ranked.fact), ranked.values) {
        (Val::Num(number), RankedValues::Numbers) => Some(order(number.0)),
        (Val::Time(time, _), RankedValues::Times) => Some(order(time)),
        (Val::Duration(length, _), RankedValues::Durations) => Some(order(length)),
        _ => None,
    }
}

/// A number without a sign that is in the same order.
pub fn order(value: i64) -> u64 {
    value.cast_unsigned() ^ 1 << 63
}

/// Whether persons are compared by a fact by which they were not before.
pub(super) fn is_new(plan: &Plan, before: &Plan) -> bool {
    let known = |fact: FactId| before.ranked.iter().any(|ranked| ranked.fact == fact);
    plan.ranked.iter().any(|ranked| !known(ranked.fact))
}
