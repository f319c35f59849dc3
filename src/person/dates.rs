//! Journeys entered by a date or by silence: one deadline per person and journey.

use super::Person;
use super::facts;
use crate::define::plan::{EnterTrigger, JourneyId, Plan};
use crate::event::{Event, Value};
use crate::time::zone::{Zone, anniversary, year_of};
use crate::time::{DAY, NEVER};
use serde::{Deserialize, Serialize};

/// The deadline at which a journey is entered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    pub(super) journey: JourneyId,
    #[serde(with = "crate::time::instant")]
    pub(super) deadline: i64,
    /// The last instant at which it fired; a date does not fire twice at one.
    #[serde(with = "crate::time::instant")]
    fired: i64,
    /// The latest event of a silence's set; its time names the silence.
    #[serde(with = "crate::time::instant")]
    heard: i64,
}

/// Silences start again with every event of their set. `at` is the instant at which it is taken in: its time, or later.
pub(super) fn hear(person: &mut Person, plan: &Plan, event: &Event, at: i64) {
    for &journey in &plan.silences_of_kind[usize::from(event.kind.0)] {
        let EnterTrigger::Silence { quiet_for, .. } = &trigger(plan, journey) else {
            continue;
        };
        let watch = watch_mut(person, journey);
        if event.time > watch.heard {
            watch.heard = event.time;
            // What is past a deadline does not undo it, though the watermark has not come there yet. A silence that was over
            // before it could be heard of is told once all of that instant is known.
            if at <= watch.deadline {
                watch.deadline = event.time.saturating_add(*quiet_for).max(at);
            }
        }
    }
}

/// Dates are looked up again, because their facts or the person's zone may have changed; and once more when a window
/// loses what a date was read from.
pub(super) fn look_up(person: &mut Person, plan: &Plan) {
    for &journey in &plan.dates {
        let watch = person.watches.iter().find(|watch| watch.journey == journey);
        if watch.is_none() && !has_date(person, plan, journey) {
            continue;
        }
        let fired = watch.map(|watch| watch.fired);
        // At the live edge a deadline may be past that the watermark has not come to yet.
        let now = person.now.min(watch.map_or(NEVER, |watch| watch.deadline));
        let after = now.max(fired.map_or(i64::MIN, |fired| fired.saturating_add(1)));
        let (next, recheck) = next_date(person, plan, journey, after);
        person.recheck = person.recheck.min(recheck);
        if next != NEVER || fired.is_some() {
            watch_mut(person, journey).deadline = next;
        }
    }
}

/// Watches go over to what is in effect now: a silence has lasted as long as it has, a date that has come does not come
/// again.
pub(super) fn hand_over(person: &mut Person, plan: &Plan) {
    let zone = person.zone(plan);
    person.watches.retain_mut(|watch| {
        let Some(heir) = plan.journeys[watch.journey.0 as usize].heir else { return false };
        let (old, new) = (trigger(plan, watch.journey), trigger(plan, heir));
        let goes_on = match (old, new) {
            (EnterTrigger::Date { .. }, EnterTrigger::Date { .. }) => {
                if heir != watch.journey && watch.fired != i64::MIN {
                    // Not at another hour of the same day either.
                    watch.fired = zone.at(zone.day(watch.fired) + 1, 0) - 1;
                }
                true
            }
            (EnterTrigger::Silence { of: was, .. }, EnterTrigger::Silence { quiet_for, of }) => {
                if watch.deadline != NEVER {
                    watch.deadline = watch.heard.saturating_add(*quiet_for);
                }
                was == of
            }
            _ => false,
        };
        watch.journey = heir;
        goes_on
    });
}

/// Takes in the watches of another leaf: a silence is as long as that of the leaf heard last, and a date that has come to
/// one has come.
pub(super) fn merge(ours: &mut Vec<Watch>, theirs: Vec<Watch>) {
    for theirs in theirs {
        match ours.iter_mut().find(|ours| ours.journey == theirs.journey) {
            Some(ours) => {
                let fired = ours.fired.max(theirs.fired);
                if theirs.heard > ours.heard {
                    *ours = theirs;
                }
                ours.fired = fired;
            }
            None => ours.push(theirs),
        }
    }
}

/// Takes the watches whose deadlines are not after `until`, and sets their next ones.
pub(super) fn due(person: &mut Person, plan: &Plan, until: i64) -> Vec<(i64, JourneyId)> {
    let now = person.now;
    let mut due = Vec::new();
    for at in 0..person.watches.len() {
        let Watch { journey, deadline, heard, .. } = person.watches[at];
        if deadline > until {
            continue;
        }
        due.push((deadline, journey));
        person.watches[at].fired = now;
        person.watches[at].deadline = match trigger(plan, journey) {
            EnterTrigger::Date { yearly: true, .. } => {
                next_date(person, plan, journey, now.saturating_add(1)).0
            }
            // It was heard again before this silence could be told.
            EnterTrigger::Silence { quiet_for, .. } if heard > deadline => {
                heard.saturating_add(*quiet_for)
            }
            _ => NEVER,
        };
    }
    due
}

fn trigger(plan: &Plan, journey: JourneyId) -> &EnterTrigger {
    &plan.journeys[journey.0 as usize].enter.trigger
}

fn watch_mut(person: &mut Person, journey: JourneyId) -> &mut Watch {
    let at = person.watches.iter().position(|watch| watch.journey == journey);
    let at = at.unwrap_or_else(|| {
        person.watches.push(Watch { journey, deadline: NEVER, fired: i64::MIN, heard: i64::MIN });
        person.watches.len() - 1
    });
    &mut person.watches[at]
}

/// Whether anything is known from which the date could be read.
fn has_date(person: &Person, plan: &Plan, journey: JourneyId) -> bool {
    matches!(trigger(plan, journey), EnterTrigger::Date { fact, .. } if person.facts.has(*fact))
}

/// The first instant from `after` on at which the date comes ([`NEVER`] if the fact is missing or it came once), and the
/// instant at which the fact may change by itself.
fn next_date(person: &Person, plan: &Plan, journey: JourneyId, after: i64) -> (i64, i64) {
    let EnterTrigger::Date { fact, is_date, yearly, offset_days, at } = trigger(plan, journey)
    else {
        return (NEVER, NEVER);
    };
    let cx = super::eval::Cx::of(plan, person, person.now);
    let value = facts::read(&cx, *fact).into_value();
    let recheck = cx.recheck.get();
    let Value::Time(time) = value else {
        return (NEVER, recheck);
    };
    let zone = person.zone(plan);
    let day = local_day(&zone, time, *is_date);
    let instant = |day: i64| zone.at(day + offset_days, *at);
    let comes = |at: &i64| *at >= after;
    let next = if *yearly {
        let this_year = year_of(zone.day(after));
        // An offset of at most a year can move a return into the year before or after.
        let years = this_year.saturating_sub(2)..=this_year.saturating_add(3);
        let later = years.filter(|&year| year > year_of(day));
        later.map(|year| instant(anniversary(day, year))).find(comes)
    } else {
        Some(instant(day)).filter(comes)
    };
    (next.unwrap_or(NEVER), recheck)
}

/// The calendar day that a date or a time means for this person.
pub(super) fn local_day(zone: &Zone, time: i64, is_date: bool) -> i64 {
    if is_date { time.div_euclid(DAY) } else { zone.day(time) }
}
