//! Local calendars: a person's days, weeks and clock times, daylight saving included.
//!
//! The tz database is the one compiled in, so that the same input gives the same output on every machine. A local
//! time that daylight saving skips is the first instant after the gap; one that it repeats is the first of the two.

use super::{DAY, NEVER};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp};
use std::cell::RefCell;
use std::sync::LazyLock;

/// A calendar period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    Day,
    /// Monday to Sunday.
    Week,
    Month,
    Year,
}

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// How many names a thread remembers, known ones and unknown ones; a retailer meets some dozens.
const REMEMBERED_MAX: usize = 1024;

thread_local! {
    static REMEMBERED: RefCell<hashbrown::HashMap<String, Option<Zone>, foldhash::fast::FixedState>> =
        RefCell::new(hashbrown::HashMap::with_hasher(foldhash::fast::FixedState::default()));
}

/// What the zone of a name is used for, in memory of this thread if it has been asked for before.
fn with_named<T>(name: &str, of: impl FnOnce(&Option<Zone>) -> T) -> T {
    REMEMBERED.with_borrow_mut(|remembered| {
        if let Some(zone) = remembered.get(name) {
            return of(zone);
        }
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        of(remembered.entry(name.to_owned()).or_insert(DATABASE.get(name).ok().map(Zone)))
    })
}

/// A time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Universal time, the zone of whoever has no other.
    pub const UTC: Zone = Zone(TimeZone::UTC);

    /// The zone of an IANA name; `None` if there is none.
    pub fn named(name: &str) -> Option<Zone> {
        with_named(name, Option::clone)
    }

    /// Whether there is a zone of this name. A copy of it, which all threads share, would cost more than to find it.
    pub fn is_known(name: &str) -> bool {
        with_named(name, Option::is_some)
    }

    /// Its name, such as `Europe/Warsaw`.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    fn local(&self, time: i64) -> DateTime {
        self.0.to_datetime(instant(time))
    }

    /// The local date and clock time as people write them, such as `2026-03-02 09:30`; with seconds only where there are some,
    /// and without what is smaller.
    pub fn text(&self, time: i64) -> String {
        let local = self.local(time);
        let (date, clock) = (local.date(), local.time());
        let text = format!("{date} {:02}:{:02}", clock.hour(), clock.minute());
        if clock.second() == 0 { text } else { format!("{text}:{:02}", clock.second()) }
    }

    /// The local day of an instant, as days since 1970-01-01.
    pub fn day(&self, time: i64) -> i64 {
        day_number(self.local(time).date())
    }

    /// Minutes after local midnight.
    pub fn minute_of_day(&self, time: i64) -> u16 {
        let local = self.local(time);
        local.hour() as u16 * 60 + local.minute() as u16
    }

    /// Local hour, 0 to 23.
    pub fn hour(&self, time: i64) -> i64 {
        i64::from(self.local(time).hour())
    }

    /// 1 is Monday, 7 Sunday.
    pub fn weekday(&self, time: i64) -> i64 {
        i64::from(self.local(time).date().weekday().to_monday_one_offset())
    }

    /// The instant of a local clock time (minutes after midnight) on a day (days since 1970-01-01).
    pub fn at(&self, day: i64, minute: u16) -> i64 {
        let Some(date) = date_of(day) else {
            return if day < 0 { i64::MIN } else { NEVER };
        };
        let clock = Time::constant((minute / 60) as i8, (minute % 60) as i8, 0, 0);
        self.resolve(date.to_datetime(clock))
    }

    /// The next instant, `now` included, at which the local clock shows this time.
    pub fn next_clock(&self, now: i64, minute: u16) -> i64 {
        let today = self.day(now);
        // The day before is asked too: around a gap its last hours can lie after local midnight.
        (today - 1..=today + 2)
            .map(|day| self.at(day, minute))
            .find(|&at| at >= now)
            .expect("the day after tomorrow is later than now")
    }

    /// The first instant of the calendar period that holds `time`.
    pub fn period_start(&self, time: i64, period: Period) -> i64 {
        self.at(day_number(first_day(self.local(time).date(), period)), 0)
    }

    /// The first instant of the calendar period after the one that holds `time`.
    pub fn next_period(&self, time: i64, period: Period) -> i64 {
        let first = first_day(self.local(time).date(), period);
        let span = match period {
            Period::Day => Span::new().days(1),
            Period::Week => Span::new().days(7),
            Period::Month => Span::new().months(1),
            Period::Year => Span::new().years(1),
        };
        first.checked_add(span).map_or(NEVER, |next| self.at(day_number(next), 0))
    }

    /// The next instant after `time` at which the local hour may change. Zones move by whole quarters of an hour.
    pub fn next_hour(&self, time: i64) -> i64 {
        const QUARTER: i64 = 15 * super::MINUTE;
        let hour = self.hour(time);
        let mut at = time.div_euclid(QUARTER) * QUARTER + QUARTER;
        while self.hour(at) == hour && at - time < 3 * super::HOUR {
            at += QUARTER;
        }
        at
    }

    fn resolve(&self, local: DateTime) -> i64 {
        let ambiguous = self.0.to_ambiguous_timestamp(local);
        let millis = |offset: jiff::tz::Offset| {
            offset.to_timestamp(local).map_or(NEVER, jiff::Timestamp::as_millisecond)
        };
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { offset } => millis(offset),
            AmbiguousOffset::Fold { before, .. } => millis(before),
            AmbiguousOffset::Gap { before, .. } => {
                // Read with the offset before the gap, the time falls after it by the skipped part.
                let after = instant(millis(before));
                let next = after.checked_add(jiff::SignedDuration::from_nanos(1)).unwrap_or(after);
                let gap = self.0.preceding(next).next();
                gap.map_or(after, |transition| transition.timestamp()).as_millisecond()
            }
        }
    }
}

/// The day (days since 1970-01-01) on which the yearly return of `day` falls in `year`: 29 February is 28 February in
/// other years.
pub fn anniversary(day: i64, year: i16) -> i64 {
    let Some(date) = date_of(day) else { return day };
    let in_year =
        Date::new(year, date.month(), date.day()).or_else(|_| Date::new(year, date.month(), 28));
    in_year.map_or(day, day_number)
}

/// The calendar year of a day.
pub fn year_of(day: i64) -> i16 {
    date_of(day).map_or(if day < 0 { i16::MIN } else { i16::MAX }, jiff::civil::Date::year)
}

/// The month and the day of the month; none beyond the calendar.
pub fn month_and_day(day: i64) -> Option<(i8, i8)> {
    date_of(day).map(|date| (date.month(), date.day()))
}

fn first_day(date: Date, period: Period) -> Date {
    match period {
        Period::Day => date,
        Period::Week => {
            let back = i64::from(date.weekday().to_monday_zero_offset());
            date.checked_sub(Span::new().days(back)).unwrap_or(date)
        }
        Period::Month => date.first_of_month(),
        Period::Year => date.first_of_year(),
    }
}

fn instant(time: i64) -> Timestamp {
    let (low, high) = (Timestamp::MIN.as_millisecond() + 1, Timestamp::MAX.as_millisecond() - 1);
    Timestamp::from_millisecond(time.clamp(low, high)).expect("clamped into the range")
}

fn day_number(date: Date) -> i64 {
    let midnight = TimeZone::UTC.to_timestamp(date.to_datetime(Time::midnight()));
    midnight.map_or(0, |at| at.as_millisecond().div_euclid(DAY))
}

fn date_of(day: i64) -> Option<Date> {
    let time = day.checked_mul(DAY)?;
    let at = Timestamp::from_millisecond(time).ok()?;
    Some(TimeZone::UTC.to_datetime(at).date())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{format, parse};

    fn warsaw() -> Zone {
        Zone::named("Europe/Warsaw").unwrap()
    }

    #[test]
    fn clock_times_across_daylight_saving() {
        let zone = warsaw();
        let cases = [
            // An ordinary winter day, the night that skips 02:00–03:00, the night that repeats it.
            ("2026-03-02T12:00:00Z", 10 * 60, "2026-03-02T09:00:00.000Z"),
            ("2026-03-29T12:00:00Z", 2 * 60 + 30, "2026-03-29T01:00:00.000Z"),
            ("2026-10-25T12:00:00Z", 2 * 60 + 30, "2026-10-25T00:30:00.000Z"),
        ];
        for (day, minute, expected) in cases {
            let day = zone.day(parse(day).unwrap());
            assert_eq!(format(zone.at(day, minute)), expected);
        }
    }

    #[test]
    fn next_clock_takes_now_and_goes_on_after_the_repeated_hour() {
        let zone = warsaw();
        let next = |now: &str, minute| format(zone.next_clock(parse(now).unwrap(), minute));
        assert_eq!(next("2026-03-02T09:00:00Z", 600), "2026-03-02T09:00:00.000Z");
        assert_eq!(next("2026-03-02T09:00:00.001Z", 600), "2026-03-03T09:00:00.000Z");
        assert_eq!(next("2026-10-25T00:45:00Z", 150), "2026-10-26T01:30:00.000Z");
    }

    #[test]
    fn periods() {
        let zone = warsaw();
        let at = parse("2026-03-29T21:59:59.999Z").unwrap();
        let cases = [
            (Period::Day, "2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z"),
            (Period::Week, "2026-03-22T23:00:00.000Z", "2026-03-29T22:00:00.000Z"),
            (Period::Month, "2026-02-28T23:00:00.000Z", "2026-03-31T22:00:00.000Z"),
            (Period::Year, "2025-12-31T23:00:00.000Z", "2026-12-31T23:00:00.000Z"),
        ];
        for (period, start, next) in cases {
            assert_eq!(format(zone.period_start(at, period)), start);
            assert_eq!(format(zone.next_period(at, period)), next);
        }
    }

    #[test]
    fn leap_days_return_on_the_28th() {
        let day = crate::time::parse_date("2024-02-29").unwrap() / DAY;
        assert_eq!(anniversary(day, 2025) * DAY, crate::time::parse_date("2025-02-28").unwrap());
        assert_eq!(anniversary(day, 2028) * DAY, crate::time::parse_date("2028-02-29").unwrap());
    }

    #[test]
    fn unknown_names_are_unknown() {
        assert_eq!(Zone::named("Mars/Olympus"), None);
    }
}
