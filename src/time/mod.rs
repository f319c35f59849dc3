//! Event time: milliseconds since the Unix epoch as `i64`, their text, and (in [`zone`]) local calendars.
//!
//! Nothing here but [`clock`] reads a clock.

pub mod clock;
pub mod instant;
pub mod zone;

use jiff::Timestamp;
use std::cell::Cell;

/// No deadline: later than every time.
pub const NEVER: i64 = i64::MAX;

/// A second in milliseconds.
pub const SECOND: i64 = 1_000;
/// A minute in milliseconds.
pub const MINUTE: i64 = 60 * SECOND;
/// An hour in milliseconds.
pub const HOUR: i64 = 60 * MINUTE;
/// Twenty-four hours in milliseconds; a local day can be an hour shorter or longer.
pub const DAY: i64 = 24 * HOUR;

/// 1990-01-01, the earliest time that is not absurd: a broken clock, or seconds read as milliseconds.
pub const TIME_MIN: i64 = 631_152_000_000;
/// 2100-01-01, before which all times are that are not absurd.
pub const TIME_MAX: i64 = 4_102_444_800_000;

/// Reads RFC 3339 to milliseconds (further digits are cut off); `None` if it is not one.
pub fn parse(text: &str) -> Option<i64> {
    parse_usual(text.as_bytes()).or_else(|| {
        let timestamp: Timestamp = text.parse().ok()?;
        Some(timestamp.as_millisecond())
    })
}

/// The form that nearly every event uses, `2026-03-02T09:00:00[.123]Z`, without a general parser.
fn parse_usual(text: &[u8]) -> Option<i64> {
    let (whole, end) = text.split_first_chunk::<19>()?;
    let fraction = match end {
        [b'Z'] => *b"000",
        [b'.', fraction @ .., b'Z'] => *fraction.as_array()?,
        _ => return None,
    };
    let [_, _, _, _, b'-', _, _, b'-', _, _, b'T', _, _, b':', _, _, b':', _, _] = *whole else {
        return None;
    };
    // A byte that is no digit makes the highest of them one that is none; then what was worked out is nothing.
    let mut highest = 0;
    let mut digit = |byte: u8| {
        let digit = byte.wrapping_sub(b'0');
        highest = digit.max(highest);
        i64::from(digit)
    };
    let mut two = |at: usize| digit(whole[at]) * 10 + digit(whole[at + 1]);
    let (year, month, day) = (two(0) * 100 + two(2), two(5), two(8));
    let (hour, minute, second) = (two(11), two(14), two(17));
    let millis = fraction.iter().fold(0, |n, byte| n * 10 + digit(*byte));
    if highest > 9 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_from_civil(year, month, day)?;
    Some(days * DAY + hour * HOUR + minute * MINUTE + second * SECOND + millis)
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter()
        .try_fold(0, |n, byte| byte.is_ascii_digit().then(|| n * 10 + i64::from(byte - b'0')))
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar; `None` if there is no such date.
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    const LENGTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = *LENGTHS.get(usize::try_from(month - 1).ok()?)? + i64::from(leap && month == 2);
    if day < 1 || day > length {
        return None;
    }
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y - era * 400;
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Reads `YYYY-MM-DD` (or the date part of an RFC 3339 time) as midnight UTC of that day.
pub fn parse_date(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    if bytes.len() > 10 && bytes[10] != b'T' {
        return None;
    }
    let days =
        days_from_civil(digits(&bytes[..4])?, digits(&bytes[5..7])?, digits(&bytes[8..10])?)?;
    Some(days * DAY)
}

/// Appends RFC 3339 in UTC with three decimals, such as `2026-03-02T09:00:00.000Z`.
pub fn write(out: &mut Vec<u8>, time: i64) {
    let mut text = *b"0000-00-00T00:00:00.000Z";
    text[..10].copy_from_slice(&date(time.div_euclid(DAY)));
    let rest = time.rem_euclid(DAY) as u32;
    let (second, milli) = (rest / 1_000, rest % 1_000);
    put(&mut text[11..13], second / 3_600);
    put(&mut text[14..16], second / 60 % 60);
    put(&mut text[17..19], second % 60);
    text[20] = b'0' + (milli / 100) as u8;
    put(&mut text[21..23], milli % 100);
    out.extend_from_slice(&text);
}

thread_local! {
    /// The day that was written last: what is written next is mostly of the same.
    static DATE: Cell<(i64, [u8; 10])> = const { Cell::new((0, *b"1970-01-01")) };
}

/// The text of a day, of which the number since the epoch is given.
fn date(days: i64) -> [u8; 10] {
    let (last, text) = DATE.get();
    if last == days {
        return text;
    }
    let (year, month, day) = civil_from_days(days);
    let year = year.rem_euclid(10_000);
    let mut text = *b"0000-00-00";
    put(&mut text[..2], (year / 100) as u32);
    put(&mut text[2..4], (year % 100) as u32);
    put(&mut text[5..7], month as u32);
    put(&mut text[8..10], day as u32);
    DATE.set((days, text));
    text
}

/// As [`write`], as text.
pub fn format(time: i64) -> String {
    let mut out = Vec::with_capacity(24);
    write(&mut out, time);
    String::from_utf8(out).expect("only ASCII is written")
}

/// Two digits.
fn put(place: &mut [u8], n: u32) {
    let n = n as u8;
    place.copy_from_slice(&[b'0' + n / 10, b'0' + n % 10]);
}

/// The inverse of [`days_from_civil`], same source.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z - era * 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_times() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-03-02T09:00:00.123Z", Some(1_772_442_000_123)),
            ("2026-03-02T10:00:00.123+01:00", Some(1_772_442_000_123)),
            ("2026-03-02T09:00:00.123999Z", Some(1_772_442_000_123)),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800_000)),
            ("2025-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-03-02T24:00:00Z", None),
            ("2026-03-02", None),
            ("yesterday", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert_eq!(format(1_772_442_000_123), "2026-03-02T09:00:00.123Z");
        assert_eq!(parse_date("1990-05-17"), Some(parse("1990-05-17T00:00:00Z").unwrap()));
        assert_eq!(parse_date("1990-5-17"), None);
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for day in -60_000..90_000 {
            let (year, month, date) = civil_from_days(day);
            assert_eq!(days_from_civil(year, month, date), Some(day));
        }
    }
}
