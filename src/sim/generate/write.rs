//! Values in, their JSON text appended to a buffer. Never allocates except to let the buffer grow.

const DAY_MS: i64 = 86_400_000;
const YEAR_9999_END_MS: i64 = 253_402_300_799_999;

/// Appends text as it is.
pub fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Appends a number without sign, in decimal digits.
pub fn number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends the last `N` decimal digits of a number, with leading zeros.
pub fn digits<const N: usize>(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits);
}

/// Appends an amount of hundredths as `12.34`.
pub fn money(out: &mut Vec<u8>, hundredths: u64) {
    number(out, hundredths / 100);
    out.push(b'.');
    digits::<2>(out, hundredths % 100);
}

/// Appends the lowest `N` hexadecimal digits of a word.
pub fn hex<const N: usize>(out: &mut Vec<u8>, word: u64) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0u8; N];
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        *digit = HEX[(word >> (4 * place)) as usize & 15];
    }
    out.extend_from_slice(&digits);
}

/// Appends an instant (milliseconds since 1970, UTC) as `2026-03-02T08:00:00.000Z`. What lies
/// outside the years 1970 to 9999 becomes the nearest instant inside.
pub fn timestamp(out: &mut Vec<u8>, ms: i64) {
    let ms = ms.clamp(0, YEAR_9999_END_MS);
    date(out, ms / DAY_MS);
    let in_day = (ms % DAY_MS) as u64;
    out.push(b'T');
    digits::<2>(out, in_day / 3_600_000);
    out.push(b':');
    digits::<2>(out, in_day / 60_000 % 60);
    out.push(b':');
    digits::<2>(out, in_day / 1000 % 60);
    out.push(b'.');
    digits::<3>(out, in_day % 1000);
    out.push(b'Z');
}

/// Appends a day (counted from 1970-01-01) as `2026-03-02`.
pub fn date(out: &mut Vec<u8>, day: i64) {
    let (year, month, day) = civil_from_days(day);
    digits::<4>(out, year);
    out.push(b'-');
    digits::<2>(out, month);
    out.push(b'-');
    digits::<2>(out, day);
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant's `civil_from_days`; a year
/// begins in March, so that the leap day comes last).
fn civil_from_days(day: i64) -> (u64, u64, u64) {
    let day = day.max(0) as u64 + 719_468;
    let era = day / 146_097;
    let in_era = day % 146_097;
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * in_year + 2) / 153;
    let day_of_month = in_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (400 * era + year + u64::from(month <= 2), month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("only ASCII is written")
    }

    #[test]
    fn numbers_are_written_in_full() {
        assert_eq!(written(|out| number(out, 0)), "0");
        assert_eq!(written(|out| number(out, u64::MAX)), u64::MAX.to_string());
        assert_eq!(written(|out| digits::<7>(out, 42)), "0000042");
        assert_eq!(written(|out| money(out, 1205)), "12.05");
        assert_eq!(written(|out| hex::<4>(out, 0xA_BCDE)), "bcde");
    }

    #[test]
    fn timestamps_agree_with_the_calendar() {
        let mut rng = crate::sim::rng::Rng::new(1);
        for _ in 0..10_000 {
            let ms = rng.between(0, YEAR_9999_END_MS);
            let instant = jiff::Timestamp::from_millisecond(ms).expect("a year before 10000");
            assert_eq!(written(|out| timestamp(out, ms)), format!("{instant:.3}"));
        }
        assert_eq!(written(|out| timestamp(out, i64::MIN)), "1970-01-01T00:00:00.000Z");
        assert_eq!(written(|out| timestamp(out, i64::MAX)), "9999-12-31T23:59:59.999Z");
    }
}
