//! Quiet hours: local hours of the day, weekdays, and holidays.

use super::{Message, Verdict, defer, drop};
use crate::define::ast::Holiday;
use crate::define::plan::{PolicyPlan, QuietPlan};
use crate::person::effect::Reason;
use crate::time::zone::{Zone, month_and_day};

/// Quiet hours that follow one another are at most so many: a year of days.
const HOURS_IN_A_ROW_MAX: usize = 366;

pub(super) fn quiet(message: &Message) -> Option<Verdict> {
    let rules = &message.rules().gates.quiet_hours;
    if rules.is_empty() {
        return None;
    }
    let policy = &message.plan.policy;
    let zone = message.person.zone(message.plan);
    let find = |now: i64| {
        let rules = rules.iter().map(|&at| &policy.quiet_hours[at]);
        rules.into_iter().find(|rule| is_quiet(policy, rule, &zone, now))
    };
    let now = message.now();
    let rule = find(now)?;
    if !rule.defer {
        return Some(drop(Reason::QuietHours));
    }
    let mut until = end(rule, &zone, now);
    for _ in 0..HOURS_IN_A_ROW_MAX {
        match find(until).filter(|next| next.defer) {
            Some(next) => until = end(next, &zone, until),
            None => break,
        }
    }
    Some(defer(until, Reason::QuietHours))
}

pub(super) fn is_quiet(policy: &PolicyPlan, rule: &QuietPlan, zone: &Zone, now: i64) -> bool {
    let begins = |day: i64| begins_on(policy, rule, day);
    let Some((from, to)) = rule.hours else { return begins(zone.day(now)) };
    let minute = zone.minute_of_day(now);
    if from < to {
        return from <= minute && minute < to && begins(zone.day(now));
    }
    from <= minute && begins(zone.day(now)) || minute < to && begins(zone.day(now) - 1)
}

/// Whether the hours of a rule begin on a day.
fn begins_on(policy: &PolicyPlan, rule: &QuietPlan, day: i64) -> bool {
    if rule.days == 0 && !rule.holidays {
        return true;
    }
    // Day 0, the first of January 1970, was a Thursday.
    let weekday = (day + 3).rem_euclid(7);
    let is_holiday = |holiday: &Holiday| match *holiday {
        Holiday::Once(known) => known == day,
        Holiday::EveryYear(month, of) => month_and_day(day) == Some((month, of)),
    };
    rule.days >> weekday & 1 == 1 || rule.holidays && policy.holidays.iter().any(is_holiday)
}

/// When a rule that holds now ends.
fn end(rule: &QuietPlan, zone: &Zone, now: i64) -> i64 {
    let end = match rule.hours {
        // The clock may show `to` twice in one night; now is not after the quiet hours yet.
        Some((_, to)) => zone.next_clock(now + 1, to),
        None => zone.at(zone.day(now) + 1, 0),
    };
    end.max(now + 1)
}

/// The days on which a rule's hours begin, in words; none if on every day.
pub(super) fn days_text(rule: &QuietPlan) -> Option<String> {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let on = |day: &usize| rule.days >> day & 1 == 1;
    let days = (0..7).filter(on).map(|day| DAYS[day]);
    let days: Vec<&str> = days.chain(rule.holidays.then_some("holidays")).collect();
    (!days.is_empty()).then(|| days.join(", "))
}
