//! Durations, clock times, days and numbers as they are written in a pack.
//!
//! In: a scalar's text. Out: its value, or what is wrong with it and how it would be right. Knows
//! no places.

/// What is wrong with a literal, and how to write it.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    pub message: String,
    pub hint: Option<String>,
}

impl Wrong {
    fn new(message: impl Into<String>, hint: impl Into<Option<String>>) -> Self {
        Wrong { message: message.into(), hint: hint.into() }
    }
}

use crate::define::limits::{DAY_MAX, DURATION_MAX_MS};

pub(crate) const SECOND_MS: i64 = 1_000;
pub(crate) const MINUTE_MS: i64 = 60 * SECOND_MS;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;
pub(crate) const WEEK_MS: i64 = 7 * DAY_MS;

/// Units as written, in milliseconds.
const UNITS: [(&str, i64); 6] =
    [("w", WEEK_MS), ("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS), ("s", SECOND_MS), ("ms", 1)];

/// What people write instead; plurals lose their `s` first.
const UNIT_WORDS: [(&str, i64); 14] = [
    ("week", WEEK_MS),
    ("wk", WEEK_MS),
    ("day", DAY_MS),
    ("hour", HOUR_MS),
    ("hr", HOUR_MS),
    ("minute", MINUTE_MS),
    ("min", MINUTE_MS),
    ("second", SECOND_MS),
    ("sec", SECOND_MS),
    ("millisecond", 1),
    ("milli", 1),
    ("month", 30 * DAY_MS),
    ("year", 365 * DAY_MS),
    ("y", 365 * DAY_MS),
];

/// `90s`, `1h`, `1d 12h`: milliseconds, more than zero.
pub fn duration(text: &str) -> Result<i64, Wrong> {
    match duration_or_zero(text)? {
        0 => Err(Wrong::new("a duration has to be longer than zero", None)),
        ms => Ok(ms),
    }
}

/// The same, `0s` allowed.
pub fn duration_or_zero(text: &str) -> Result<i64, Wrong> {
    let total = parts(text).and_then(|parts| {
        parts.into_iter().try_fold(0_i64, |sum, (number, unit)| {
            let (_, ms) = UNITS.iter().find(|(name, _)| *name == unit)?;
            let number = if number.contains('.') { None } else { number.parse().ok() };
            sum.checked_add(i64::checked_mul(number?, *ms)?)
        })
    });
    match total {
        Some(ms) if ms > DURATION_MAX_MS => {
            Err(Wrong::new(format!("\"{text}\" is longer than 10 years"), None))
        }
        Some(ms) => Ok(ms),
        None => Err(Wrong::new(format!("\"{text}\" is not a duration"), Some(meant(text)))),
    }
}

/// `1d 12h` as numbers and the words behind them; nothing if it is not of that form.
fn parts(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut rest = text.trim();
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (digits, tail) = rest.split_at(number);
        let unit = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        if digits.is_empty() || unit.is_empty() {
            return None;
        }
        parts.push((digits, unit));
        rest = tail.trim_start();
    }
    (!parts.is_empty()).then_some(parts)
}

/// Advice about what was probably meant by a duration that is none.
fn meant(text: &str) -> String {
    let number = text.trim();
    if !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()) {
        return format!("add the unit: {number}s, {number}m, {number}h or {number}d");
    }
    let lower =
        text.to_lowercase().replace(',', ".").replace(" and ", " ").replace(['-', '_'], " ");
    let joined: String = lower.split_whitespace().collect();
    let known = |word: &str| {
        let singular = word.strip_suffix('s').filter(|w| !w.is_empty()).unwrap_or(word);
        let words = UNIT_WORDS.iter().find(|(w, _)| *w == singular);
        UNITS.iter().find(|(w, _)| *w == word).or(words).map(|(_, ms)| *ms)
    };
    let exact = |(number, unit): (&str, &str)| {
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let scale = 10_i64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let ms = known(unit)?;
        let fraction = fraction.parse::<i64>().ok()?.checked_mul(ms)? / scale;
        whole.parse::<i64>().ok()?.checked_mul(ms)?.checked_add(fraction)
    };
    let total = parts(&joined).and_then(|parts| {
        parts.into_iter().try_fold(0_i64, |sum, part| sum.checked_add(exact(part)?))
    });
    match total {
        Some(ms) if ms > 0 => format!("write \"{}\"", written(ms)),
        _ => "durations are written 90s, 30m, 1h, 2d, 1w or 1d 12h".to_owned(),
    }
}

/// A duration as it is written in a pack: `1d 12h`.
pub fn written(ms: i64) -> String {
    let mut rest = ms;
    let mut parts = Vec::new();
    for (unit, size) in UNITS {
        if unit == "w" && rest % size != 0 {
            continue;
        }
        if rest >= size {
            parts.push(format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// `09:30`: minutes after midnight.
pub fn clock(text: &str) -> Result<u16, Wrong> {
    let numbers = text.split_once(':').and_then(|(h, m)| Some((number(h)?, number(m)?, h, m)));
    match numbers {
        Some((h @ 0..=23, m @ 0..=59, hh, mm)) if hh.len() == 2 && mm.len() == 2 => {
            Ok(u16::try_from(h * 60 + m).expect("less than 1440"))
        }
        _ => Err(Wrong::new(format!("\"{text}\" is not a clock time"), Some(meant_clock(text)))),
    }
}

fn meant_clock(text: &str) -> String {
    let lower = text.trim().to_lowercase();
    let afternoon = lower.ends_with("pm");
    let bare = lower.trim_end_matches("am").trim_end_matches("pm").trim().replace(['.', 'h'], ":");
    let (h, m) = bare.split_once(':').unwrap_or((&bare, "00"));
    let half = afternoon || lower.ends_with("am");
    let hour = number(h).map(|h| match (half, h) {
        (true, 1..=12) => h % 12 + if afternoon { 12 } else { 0 },
        (false, 24) => 0,
        _ => h,
    });
    match (hour, number(m)) {
        (Some(h @ 0..=23), Some(m @ 0..=59)) => format!("write \"{h:02}:{m:02}\""),
        _ => "clock times are written 09:30, from 00:00 to 23:59".to_owned(),
    }
}

/// Digits only, at most nine.
pub(crate) fn number(text: &str) -> Option<u32> {
    let digits = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// What a `wait: { until: … }` names; places are indices of characters in the text.
#[derive(Debug, PartialEq, Eq)]
pub enum Until {
    Time(u16),
    Day { day: u32, day_at: usize, clock: u16, clock_at: usize },
    Fact { name: String, offset: i64, offset_at: usize, clock: Option<(u16, usize)> },
}

const UNTIL_HINT: &str =
    "write 10:00, day 2 at 10:00, or a date fact such as warranty_end - 14d at 10:00";

/// `10:00`, `day 2 at 10:00`, `warranty_end - 14d at 10:00`.
pub fn until(text: &str) -> Result<Until, Wrong> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        if let Ok(ms) = duration_or_zero(text) {
            let hint = format!("write \"wait: {}\" to wait so long", written(ms));
            return Err(Wrong::new("\"until\" names a time, not a duration", Some(hint)));
        }
        return clock(text).map(Until::Time);
    }
    let chars_before =
        |part: &str| text[..part.as_ptr() as usize - text.as_ptr() as usize].chars().count();
    let (head, time) = match text.rsplit_once(" at ") {
        Some((head, time)) => (head.trim_end(), Some(time.trim())),
        None => (text, None),
    };
    let at = time.map(|t| clock(t).map(|c| (c, chars_before(t)))).transpose()?;
    if let Some(day) = head.strip_prefix("day ").map(str::trim) {
        return match (number(day), at) {
            (Some(n @ 1..=DAY_MAX), Some((clock, clock_at))) => {
                Ok(Until::Day { day: n, day_at: chars_before(day), clock, clock_at })
            }
            (Some(1..=DAY_MAX), None) => Err(Wrong::new(
                "the clock time is missing",
                Some(format!("write \"day {day} at 10:00\"")),
            )),
            (Some(_), _) => {
                let message = format!("a day is a number from 1 to {DAY_MAX}");
                Err(Wrong::new(message, Some("day 1 is the day of the entry".to_owned())))
            }
            (None, _) => {
                let first = day.split_whitespace().next().unwrap_or("2");
                let hint = if number(first).is_some() {
                    format!("write \"day {first} at 10:00\"")
                } else {
                    UNTIL_HINT.to_owned()
                };
                Err(Wrong::new(format!("\"{text}\" is not a day and a time"), Some(hint)))
            }
        };
    }
    until_fact(text, head, at, chars_before)
}

fn until_fact(
    text: &str,
    head: &str,
    clock: Option<(u16, usize)>,
    chars_before: impl Fn(&str) -> usize,
) -> Result<Until, Wrong> {
    let end =
        head.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').unwrap_or(head.len());
    let (name, rest) = head.split_at(end);
    let rest = rest.trim();
    if name.contains('.') {
        let message = format!("\"{name}\" cannot be waited for");
        return Err(Wrong::new(message, Some("name a date or time fact".to_owned())));
    }
    let offset = match (rest.strip_prefix('-'), rest.strip_prefix('+')) {
        _ if name.is_empty() => None,
        (Some(minus), _) => Some(-duration(minus.trim())?),
        (_, Some(plus)) => Some(duration(plus.trim())?),
        _ => rest.is_empty().then_some(0),
    };
    let Some(offset) = offset else {
        let message = format!("\"{text}\" is not a time to wait for");
        return Err(Wrong::new(message, Some(UNTIL_HINT.to_owned())));
    };
    Ok(Until::Fact { name: name.to_owned(), offset, offset_at: chars_before(rest), clock })
}

/// A decimal such as `1.17`, in units of 10^-`places`; more places than that are refused.
pub fn decimal(text: &str, places: u32) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let fraction = if fraction.len() > 1 { fraction.trim_end_matches('0') } else { fraction };
    let fraction = if fraction.is_empty() { "0" } else { fraction };
    let short = fraction.len() <= places as usize || fraction == "0";
    if !plain(whole) || !plain(fraction) || !short {
        return None;
    }
    let scale = 10_i64.checked_pow(places)?;
    let missing = (places as usize).saturating_sub(fraction.len());
    let fraction = fraction.parse::<i64>().ok()? * 10_i64.checked_pow(missing as u32)?;
    whole.parse::<i64>().ok()?.checked_mul(scale)?.checked_add(fraction).map(|v| sign * v)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said<T: std::fmt::Debug>(result: Result<T, Wrong>) -> String {
        match result {
            Ok(value) => format!("{value:?}"),
            Err(w) => format!("{} / {}", w.message, w.hint.unwrap_or_default()),
        }
    }

    fn no(text: &str, hint: &str) -> String {
        format!("\"{text}\" is not a duration / {hint}")
    }

    const FORMS: &str = "durations are written 90s, 30m, 1h, 2d, 1w or 1d 12h";
    const CLOCKS: &str = "clock times are written 09:30, from 00:00 to 23:59";

    #[test]
    fn durations() {
        for (text, expected) in [
            ("500ms", "500"),
            ("90s", "90000"),
            ("1d 12h", "129600000"),
            ("1d12h", "129600000"),
            ("2w", "1209600000"),
            ("1 hour", "\"1 hour\" is not a duration / write \"1h\""),
            ("1.5h", "\"1.5h\" is not a duration / write \"1h 30m\""),
            ("0,5 days", "\"0,5 days\" is not a duration / write \"12h\""),
            ("1 day and 2 hrs", "\"1 day and 2 hrs\" is not a duration / write \"1d 2h\""),
            ("2 Months", "\"2 Months\" is not a duration / write \"60d\""),
            ("60", "\"60\" is not a duration / add the unit: 60s, 60m, 60h or 60d"),
            ("0s", "a duration has to be longer than zero / "),
            ("11y", "\"11y\" is not a duration / write \"4015d\""),
            ("4015d", "\"4015d\" is longer than 10 years / "),
            ("soon", &no("soon", FORMS)),
            ("-1h", "\"-1h\" is not a duration / write \"1h\""),
            ("99999999999999999999d", &no("99999999999999999999d", FORMS)),
        ] {
            assert_eq!(said(duration(text)), expected, "{text}");
        }
    }

    #[test]
    fn clock_times() {
        for (text, expected) in [
            ("00:00", "0"),
            ("23:59", "1439"),
            ("9:30", "\"9:30\" is not a clock time / write \"09:30\""),
            ("9am", "\"9am\" is not a clock time / write \"09:00\""),
            ("10:15 pm", "\"10:15 pm\" is not a clock time / write \"22:15\""),
            ("12 am", "\"12 am\" is not a clock time / write \"00:00\""),
            ("24:00", "\"24:00\" is not a clock time / write \"00:00\""),
            ("25:00", &format!("\"25:00\" is not a clock time / {CLOCKS}")),
        ] {
            assert_eq!(said(clock(text)), expected, "{text}");
        }
    }

    #[test]
    fn times_to_wait_for() {
        for (text, expected) in [
            ("10:00", "Time(600)"),
            ("day 2 at 10:00", "Day { day: 2, day_at: 4, clock: 600, clock_at: 9 }"),
            (
                "due - 14d at 10:00",
                "Fact { name: \"due\", offset: -1209600000, offset_at: 4, clock: Some((600, 13)) }",
            ),
            ("due+1d 2h", "Fact { name: \"due\", offset: 93600000, offset_at: 3, clock: None }"),
            ("due", "Fact { name: \"due\", offset: 0, offset_at: 3, clock: None }"),
            ("day 2", "the clock time is missing / write \"day 2 at 10:00\""),
            ("day 2 10:00", "\"day 2 10:00\" is not a day and a time / write \"day 2 at 10:00\""),
            ("day 0 at 10:00", "a day is a number from 1 to 3650 / day 1 is the day of the entry"),
            ("2d", "\"until\" names a time, not a duration / write \"wait: 2d\" to wait so long"),
            ("entry.at + 1d", "\"entry.at\" cannot be waited for / name a date or time fact"),
        ] {
            assert_eq!(said(until(text)), expected, "{text}");
        }
    }

    #[test]
    fn decimals() {
        for (text, places, expected) in [
            ("1.17", 6, Some(1_170_000)),
            ("45", 2, Some(4_500)),
            ("33.33", 2, Some(3_333)),
            ("1.000", 2, Some(100)),
            ("-2", 0, Some(-2)),
            ("1.234", 2, None),
            ("45%", 2, None),
            ("", 2, None),
            (".5", 2, None),
        ] {
            assert_eq!(decimal(text, places), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer(text in "(\\PC|[0-9]| at |day | |:|[wdhms.+-]){0,30}") {
            let _ = (duration(&text), clock(&text), until(&text), decimal(&text, 6));
        }

        #[test]
        fn what_is_written_reads_back(ms in 1..=DURATION_MAX_MS) {
            prop_assert_eq!(duration(&written(ms)), Ok(ms));
        }
    }
}
