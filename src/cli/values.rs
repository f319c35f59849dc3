//! Arguments as they are written → their values, and figures as people read them.

use crate::define::parse::literals::{self, Wrong};
pub(super) use crate::event::grouped;
use crate::time;

/// A duration in the language's notation, in milliseconds.
pub(super) fn duration(text: &str) -> Result<i64, String> {
    literals::duration(text).map_err(advice)
}

/// The same, `0s` allowed.
pub(super) fn duration_or_zero(text: &str) -> Result<i64, String> {
    literals::duration_or_zero(text).map_err(advice)
}

fn advice(wrong: Wrong) -> String {
    wrong.hint.unwrap_or(wrong.message)
}

/// An instant: RFC 3339, or a day, whose first instant in UTC is meant.
pub(super) fn instant(text: &str) -> Result<i64, String> {
    let day = time::parse_date(text);
    let is_day = text.len() == "2026-03-02".len();
    let Some(instant) = time::parse(text).or(day.filter(|_| is_day)) else {
        // To take the day alone would answer about another instant than the one that was asked about.
        return Err(match day {
            Some(_) => "after the day is no time with its zone: write a Z or an offset, \
                        such as 2026-03-02T09:00:00Z or 2026-03-02T10:00:00+01:00"
                .into(),
            None => INSTANT.into(),
        });
    };
    let is_known = (time::TIME_MIN..time::TIME_MAX).contains(&instant);
    if is_known { Ok(instant) } else { Err(INSTANT.into()) }
}

const INSTANT: &str = "write 2026-03-02T09:00:00Z or 2026-03-02, between 1990 and 2100";

/// Whether an identifier is written with its kind; if not, what is wrong with it, and what to write.
pub(super) fn identifier(text: &str) -> Result<(), (&'static str, String)> {
    let (kind, id) = text.split_once(':').unwrap_or(("", text));
    match (kind, id) {
        (_, "") => Err(("nothing is behind its kind", "write it whole, such as user:42".into())),
        ("", id) => Err((
            "it does not say which kind of identifier it is",
            format!("write user:{id} or anonymous:{id}"),
        )),
        _ => Ok(()),
    }
}

/// An instant to the second, in UTC.
pub(super) fn to_the_second(time: i64) -> String {
    let text = time::format(time);
    format!("{}Z", &text[..19])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        let written = [0, 999, 1_000, 12_345, 1_234_567].map(grouped);
        assert_eq!(written, ["0", "999", "1,000", "12,345", "1,234,567"]);
        assert_eq!(to_the_second(1_772_442_000_123), "2026-03-02T09:00:00Z");
    }

    #[test]
    fn identifiers_are_written_with_their_kind() {
        assert_eq!(identifier("user:42"), Ok(()));
        assert_eq!(identifier("ext:a:1"), Ok(()));
        for (wrong, advice) in [("42", "user:42 or"), (":42", "user:42 or"), ("user:", "such as")] {
            let (_, said) = identifier(wrong).unwrap_err();
            assert!(said.contains(advice) && !said.contains("user:user"), "{wrong}: {said}");
        }
    }

    #[test]
    fn instants_are_times_or_days() {
        assert_eq!(instant("2026-03-02T09:00:00Z"), Ok(1_772_442_000_000));
        assert_eq!(instant("2026-03-02"), Ok(1_772_409_600_000));
        for wrong in ["", "today", "1970-01-01", "2200-01-01"] {
            assert!(instant(wrong).is_err(), "{wrong}");
        }
        assert_eq!(instant("2026-03-02T10:00:00+01:00"), instant("2026-03-02T09:00:00Z"));
        for wrong in ["T12:00:00", "T12:00", "T25:00:00Z", "Tgarbage", "T"] {
            let said = instant(&format!("2026-03-02{wrong}")).unwrap_err();
            assert!(said.contains("write a Z or an offset"), "{wrong}: {said}");
        }
    }
}
