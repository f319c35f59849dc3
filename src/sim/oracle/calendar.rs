//! Instants in, local days and clock times out, and back. A local time that the clocks skip is the
//! first instant after the gap, one that they repeat is the first of the two.

use crate::define::ast::Period;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};

/// Milliseconds of a day of 24 hours.
pub const DAY: i64 = 86_400_000;

/// The zone of a name of the tz database.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// The local date and clock time of an instant.
pub fn local(ms: i64, zone: &TimeZone) -> DateTime {
    zone.to_datetime(timestamp(ms))
}

/// The local calendar day of an instant.
pub fn day(ms: i64, zone: &TimeZone) -> Date {
    local(ms, zone).date()
}

/// The local clock time of an instant, in milliseconds after midnight.
pub fn clock(ms: i64, zone: &TimeZone) -> i64 {
    let time = local(ms, zone).time();
    let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60;
    (seconds + i64::from(time.second())) * 1000 + i64::from(time.millisecond())
}

/// The instant of a local clock time (minutes after midnight) of a day.
pub fn instant(date: Date, minutes: u16, zone: &TimeZone) -> i64 {
    let local = date.at((minutes / 60) as i8, (minutes % 60) as i8, 0, 0);
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => to_ms(local, offset),
        AmbiguousOffset::Fold { before, .. } => to_ms(local, before),
        AmbiguousOffset::Gap { before, .. } => {
            // Read with the old offset the time lies behind the change of the clocks, which is
            // therefore the last one up to there.
            let behind = to_ms(local, before);
            let change = zone.preceding(timestamp(behind + 1)).next();
            change.map_or(behind, |change| change.timestamp().as_millisecond())
        }
    }
}

fn to_ms(local: DateTime, offset: jiff::tz::Offset) -> i64 {
    offset.to_timestamp(local).map_or(i64::MAX / 4, jiff::Timestamp::as_millisecond)
}

/// A day so many days later (or earlier).
pub fn plus_days(date: Date, days: i64) -> Date {
    date.saturating_add(jiff::Span::new().days(days.clamp(-100_000, 100_000)))
}

/// The first instant from `now` on at which the local clock is set to this time.
pub fn next_clock(now: i64, minutes: u16, zone: &TimeZone) -> i64 {
    let today = day(now, zone);
    (-1..=2)
        .map(|days| instant(plus_days(today, days), minutes, zone))
        .find(|instant| *instant >= now)
        .unwrap_or(now)
}

/// The first day of the calendar period that holds a day.
pub fn period_start(date: Date, period: Period) -> Date {
    match period {
        Period::Day => date,
        Period::Week => plus_days(date, -i64::from(date.weekday().to_monday_zero_offset())),
        Period::Month => date.first_of_month(),
        Period::Year => date.first_of_year(),
    }
}

/// The first instant after the calendar period that holds `now`.
pub fn period_end(now: i64, period: Period, zone: &TimeZone) -> i64 {
    let start = period_start(day(now, zone), period);
    let after = match period {
        Period::Day => plus_days(start, 1),
        Period::Week => plus_days(start, 7),
        Period::Month => plus_days(start.last_of_month(), 1),
        Period::Year => plus_days(start.last_of_year(), 1),
    };
    instant(after, 0, zone)
}

/// Whether two instants lie in the same local calendar period.
pub fn same_period(a: i64, b: i64, period: Period, zone: &TimeZone) -> bool {
    period_start(day(a, zone), period) == period_start(day(b, zone), period)
}

/// Instants after `now` of which one is the next at which the local hour can change.
pub fn hour_changes(now: i64, zone: &TimeZone) -> Vec<i64> {
    let into_hour = clock(now, zone) % 3_600_000;
    let mut changes = vec![now - into_hour + 3_600_000];
    if let Some(change) = zone.following(timestamp(now)).next() {
        changes.push(change.timestamp().as_millisecond());
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::super::value::time_text;
    use super::*;
    use jiff::civil::date;

    #[test]
    fn gaps_and_folds() {
        let warsaw = zone("Europe/Warsaw").unwrap();
        for (day, minutes, utc) in [
            (date(2026, 3, 29), 119, "2026-03-29T00:59:00.000Z"),
            (date(2026, 3, 29), 120, "2026-03-29T01:00:00.000Z"),
            (date(2026, 3, 29), 150, "2026-03-29T01:00:00.000Z"),
            (date(2026, 3, 29), 180, "2026-03-29T01:00:00.000Z"),
            (date(2026, 10, 25), 150, "2026-10-25T00:30:00.000Z"),
            (date(2026, 10, 25), 180, "2026-10-25T02:00:00.000Z"),
        ] {
            assert_eq!(time_text(instant(day, minutes, &warsaw)), utc, "{day} {minutes}");
        }
    }

    #[test]
    fn periods_end_at_local_midnight() {
        let new_york = zone("America/New_York").unwrap();
        let now = instant(date(2026, 3, 8), 60, &new_york);
        for (period, utc) in [
            (Period::Day, "2026-03-09T04:00:00.000Z"),
            (Period::Week, "2026-03-09T04:00:00.000Z"),
            (Period::Month, "2026-04-01T04:00:00.000Z"),
            (Period::Year, "2027-01-01T05:00:00.000Z"),
        ] {
            assert_eq!(time_text(period_end(now, period, &new_york)), utc);
        }
    }
}
