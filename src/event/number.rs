//! Exact decimal numbers with six places, so that sums of money are exact.

use std::fmt;

/// A decimal number in millionths; it reaches ±9,223,372,036,854.775807.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Num(pub i64);

const UNIT: i64 = 1_000_000;

/// A whole number with its thousands set apart, for people.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

impl Num {
    /// The number 0.
    pub const ZERO: Num = Num(0);
    /// The number 1.
    pub const ONE: Num = Num(UNIT);

    /// A whole number; `None` beyond the range.
    pub fn whole(n: i64) -> Option<Num> {
        n.checked_mul(UNIT).map(Num)
    }

    /// A count, which stays far below the range.
    pub fn count(n: usize) -> Num {
        Num((n as i64).saturating_mul(UNIT))
    }

    /// The exact sum; `None` beyond the range.
    pub fn checked_add(self, other: Num) -> Option<Num> {
        self.0.checked_add(other.0).map(Num)
    }

    /// The exact difference; `None` beyond the range.
    pub fn checked_sub(self, other: Num) -> Option<Num> {
        self.0.checked_sub(other.0).map(Num)
    }

    /// Rounded half to even to six places; `None` beyond the range.
    pub fn checked_mul(self, other: Num) -> Option<Num> {
        // Nearly all products fit, and dividing one of those by a constant is a multiplication.
        if let Some(product) = self.0.checked_mul(other.0) {
            return Some(Num(millionth(product)));
        }
        let product = i128::from(self.0) * i128::from(other.0);
        div_half_even(product, i128::from(UNIT)).map(Num)
    }

    /// Rounded half to even to six places; `None` for division by zero or beyond the range.
    pub fn checked_div(self, other: Num) -> Option<Num> {
        if other.0 == 0 {
            return None;
        }
        div_half_even(i128::from(self.0) * i128::from(UNIT), i128::from(other.0)).map(Num)
    }

    /// The remainder with the sign of the dividend; `None` for zero.
    pub fn checked_rem(self, other: Num) -> Option<Num> {
        self.0.checked_rem(other.0).map(Num)
    }

    /// The mean of `n` numbers whose sum in millionths is `sum`, rounded half to even.
    pub fn mean(sum: i128, n: u64) -> Option<Num> {
        if n == 0 { None } else { div_half_even(sum, i128::from(n)).map(Num) }
    }

    /// Without its sign; `None` for the one number whose opposite is beyond the range.
    pub fn abs(self) -> Option<Num> {
        self.0.checked_abs().map(Num)
    }

    /// The opposite; `None` beyond the range.
    pub fn checked_neg(self) -> Option<Num> {
        self.0.checked_neg().map(Num)
    }

    /// The next whole number below; `None` beyond the range.
    pub fn floor(self) -> Option<Num> {
        self.0.div_euclid(UNIT).checked_mul(UNIT).map(Num)
    }

    /// Half away from zero.
    pub fn round(self) -> Option<Num> {
        let half = if self.0 < 0 { -(UNIT / 2) } else { UNIT / 2 };
        self.0.checked_add(half).map(|n| Num(n / UNIT * UNIT))
    }

    /// The whole part, towards zero.
    pub fn trunc(self) -> i64 {
        self.0 / UNIT
    }

    /// Whether nothing is behind the point.
    pub fn is_whole(self) -> bool {
        self.0 % UNIT == 0
    }

    /// Reads JSON's number syntax exactly: more than six places round half to even, beyond the range is `None`.
    pub fn parse(text: &str) -> Option<Num> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let magnitude = scale(whole, fraction, exponent)?;
        i64::try_from(if negative { -magnitude } else { magnitude }).ok().map(Num)
    }
}

/// The digits as millionths, half to even.
fn scale(whole: &str, fraction: &str, exponent: i32) -> Option<i128> {
    // Digits beyond 30 places of the value cannot change a result that fits the range, except as "not exactly half".
    let mut value: i128 = 0;
    let mut dropped = false;
    let mut places = 6 + i64::from(exponent) - fraction.len() as i64;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if !digit.is_ascii_digit() {
            return None;
        }
        if value < 1_000_000_000_000_000_000_000_000_000_000 {
            value = value * 10 + i128::from(digit - b'0');
        } else {
            dropped |= digit != b'0';
            places += 1;
        }
    }
    if value == 0 {
        return Some(0);
    }
    if places >= 0 {
        return (places < 20).then(|| value.checked_mul(10i128.pow(places as u32))).flatten();
    }
    if places < -37 {
        return Some(0);
    }
    let divisor = 10i128.pow((-places) as u32);
    let (quotient, rest) = (value / divisor, value % divisor);
    let half = match (rest * 2).cmp(&divisor) {
        std::cmp::Ordering::Equal => dropped || quotient % 2 == 1,
        order => order.is_gt(),
    };
    Some(quotient + i128::from(half))
}

/// As [`div_half_even`] by a million.
fn millionth(n: i64) -> i64 {
    let (quotient, rest) = (n / UNIT, n % UNIT);
    let twice = rest.abs() * 2;
    let away = twice > UNIT || (twice == UNIT && quotient % 2 != 0);
    quotient + if away { n.signum() } else { 0 }
}

fn div_half_even(n: i128, d: i128) -> Option<i64> {
    let (mut quotient, rest) = (n / d, n % d);
    let twice = rest.unsigned_abs() * 2;
    if twice > d.unsigned_abs() || (twice == d.unsigned_abs() && quotient % 2 != 0) {
        quotient += if (n < 0) == (d < 0) { 1 } else { -1 };
    }
    i64::try_from(quotient).ok()
}

impl fmt::Display for Num {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / UNIT, self.0 % UNIT);
        if self.0 < 0 && whole == 0 {
            f.write_str("-")?;
        }
        write!(f, "{whole}")?;
        if rest != 0 {
            let digits = format!("{:06}", rest.abs());
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_exactly() {
        for (text, shown) in [
            ("0", "0"),
            ("-0.0", "0"),
            ("12.5", "12.5"),
            ("-0.25", "-0.25"),
            ("1e3", "1000"),
            ("1.5E-3", "0.0015"),
            ("0.0000005", "0"),
            ("0.0000015", "0.000002"),
            ("0.00000050000000000000000000000000000000000000001", "0.000001"),
            ("9223372036854.775807", "9223372036854.775807"),
            ("1e-400", "0"),
            ("0e400", "0"),
        ] {
            assert_eq!(Num::parse(text).map(|n| n.to_string()).as_deref(), Some(shown), "{text}");
        }
        for text in ["9223372036854.775808", "1e13", "1e400", "-1e400", "", "-", "."] {
            assert_eq!(Num::parse(text), None, "{text}");
        }
    }

    #[test]
    fn rounds_half_to_even_and_reports_overflow() {
        assert_eq!(Num(1).checked_mul(Num(500_000)), Some(Num(0)));
        assert_eq!(Num(3).checked_mul(Num(500_000)), Some(Num(2)));
        assert_eq!(Num(-3).checked_mul(Num(500_000)), Some(Num(-2)));
        assert_eq!(Num(-1).checked_mul(Num(500_001)), Some(Num(-1)));
        for n in (-3_000_000..3_000_000).step_by(62_500).chain([i64::MAX, i64::MIN, i64::MIN + 1]) {
            let wanted = div_half_even(i128::from(n), i128::from(UNIT));
            assert_eq!(Some(millionth(n)), wanted, "{n}");
        }
        assert_eq!(Num::ONE.checked_div(Num(3_000_000)), Some(Num(333_333)));
        assert_eq!(Num::ONE.checked_div(Num::ZERO), None);
        assert_eq!(Num(i64::MAX).checked_mul(Num(2_000_000)), None);
        assert_eq!(Num::mean(5, 2), Some(Num(2)));
        assert_eq!(Num(-1_500_000).round(), Some(Num(-2_000_000)));
        assert_eq!(Num(-1_500_000).floor(), Some(Num(-2_000_000)));
    }
}
