//! Values of expressions and properties, exact decimals, and how values are written as text.
//! Arithmetic that has no result (overflow, division by zero) gives [`Value::Missing`]; nothing
//! here knows of persons, time zones or definitions.

use jiff::civil::Date;

/// How many units of a [`Value::Number`] make one.
pub const ONE: i64 = 1_000_000;

/// Anything that a property, a fact or an expression can be.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Missing,
    Bool(bool),
    /// In millionths.
    Number(i64),
    Text(String),
    /// Milliseconds since 1970.
    Time(i64),
    /// A calendar day; as a time it is its local midnight.
    Date(Date),
    /// Milliseconds.
    Duration(i64),
    List(Vec<Value>),
    /// A nested property; only what lies in it can be used.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// True only for a true boolean: a missing condition is false.
    pub fn holds(&self) -> bool {
        *self == Value::Bool(true)
    }

    /// Whether there is no value.
    pub fn is_missing(&self) -> bool {
        *self == Value::Missing
    }

    /// The property at a dotted path; over a list, the list of that property of its elements.
    pub fn at(&self, path: &[&str]) -> Value {
        let Some((first, rest)) = path.split_first() else {
            return self.clone();
        };
        match self {
            Value::Object(fields) => match fields.iter().rev().find(|(name, _)| name == first) {
                Some((_, value)) => value.at(rest),
                None => Value::Missing,
            },
            Value::List(elements) => {
                let inner = elements.iter().map(|element| element.at(path));
                Value::List(inner.flat_map(Value::elements).collect())
            }
            _ => Value::Missing,
        }
    }

    /// What an expression may see: an object counts as missing, also inside a list.
    pub fn usable(self) -> Value {
        match self {
            Value::Object(_) => Value::Missing,
            Value::List(elements) => {
                Value::List(elements.into_iter().flat_map(Value::elements).collect())
            }
            value => value,
        }
    }

    /// The values that this one adds to a fact: none if missing, each element of a list, or itself.
    pub fn elements(self) -> Vec<Value> {
        match self {
            Value::Missing | Value::Object(_) => Vec::new(),
            Value::List(elements) => elements.into_iter().flat_map(Value::elements).collect(),
            value => vec![value],
        }
    }

    /// The text by which a property tells one instance or one keyed value from another.
    pub fn key(&self) -> Option<String> {
        match self {
            Value::Text(_) | Value::Number(_) | Value::Bool(_) => Some(self.text()),
            Value::Time(_) | Value::Date(_) => Some(self.text()),
            _ => None,
        }
    }

    /// As written at the end of a run.
    pub fn text(&self) -> String {
        match self {
            Value::Missing | Value::Object(_) => "missing".to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Number(millionths) => decimal_text(*millionths),
            Value::Text(text) => text.clone(),
            Value::Time(ms) => time_text(*ms),
            Value::Date(date) => date.to_string(),
            Value::Duration(ms) => format!("{ms}ms"),
            Value::List(elements) => {
                let texts: Vec<String> = elements.iter().map(Value::text).collect();
                format!("[{}]", texts.join(", "))
            }
        }
    }
}

/// `n / d` rounded half to even.
pub fn divide(n: i128, d: i128) -> i128 {
    let (n, d) = if d < 0 { (-n, -d) } else { (n, d) };
    let (whole, rest) = (n.div_euclid(d), n.rem_euclid(d));
    let up = 2 * rest > d || (2 * rest == d && whole % 2 != 0);
    if up { whole + 1 } else { whole }
}

/// A number, or missing if it is beyond the range.
pub fn number(millionths: i128) -> Value {
    i64::try_from(millionths).map_or(Value::Missing, Value::Number)
}

/// The product of two decimals in millionths.
pub fn product(a: i64, b: i64) -> i128 {
    divide(i128::from(a) * i128::from(b), i128::from(ONE))
}

/// Reads a JSON number exactly; places after the sixth are rounded half to even.
/// None if it is no number or beyond the range.
pub fn parse_decimal(text: &str) -> Option<i64> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // The value is `digits` times ten to `power`, in millionths.
    let power = exponent.checked_sub(fraction.len() as i32)?.checked_add(6)?;
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let length = digits.len() as i64 + i64::from(power);
    if length > 19 {
        return None;
    }
    if length < 0 {
        return Some(0);
    }
    let millionths = if power >= 0 {
        digits.parse::<i128>().ok()? * 10i128.pow(power as u32)
    } else {
        round_digits(digits, length as usize)?
    };
    i64::try_from(if negative { -millionths } else { millionths }).ok()
}

/// The first `keep` digits as a number, rounded half to even by those that follow.
fn round_digits(digits: &str, keep: usize) -> Option<i128> {
    let (kept, dropped) = digits.split_at(keep);
    let kept = if kept.is_empty() { 0 } else { kept.parse::<i128>().ok()? };
    let half = format!("5{}", "0".repeat(dropped.len() - 1));
    let up = match dropped.cmp(half.as_str()) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => kept % 2 == 1,
        std::cmp::Ordering::Greater => true,
    };
    Some(kept + i128::from(up))
}

/// A decimal without trailing zeros.
pub fn decimal_text(millionths: i64) -> String {
    let sign = if millionths < 0 { "-" } else { "" };
    let (whole, rest) =
        (millionths.unsigned_abs() / ONE as u64, millionths.unsigned_abs() % ONE as u64);
    if rest == 0 {
        return format!("{sign}{whole}");
    }
    let places = format!("{rest:06}");
    format!("{sign}{whole}.{}", places.trim_end_matches('0'))
}

/// RFC 3339 in UTC with three decimals.
pub fn time_text(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => format!("{ms}ms"),
    }
}

/// A duration in the largest units, as it is written in packs: `1d 12h`.
pub fn duration_text(ms: i64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")];
    let mut rest = ms;
    let mut parts = Vec::new();
    for (size, unit) in units {
        if rest / size > 0 {
            parts.push(format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_and_rounded_half_to_even() {
        for (text, millionths) in [
            ("0", Some(0)),
            ("-1.5", Some(-1_500_000)),
            ("0.0000005", Some(0)),
            ("0.0000015", Some(2)),
            ("0.00000050001", Some(1)),
            ("0.0000025", Some(2)),
            ("1e3", Some(1_000_000_000)),
            ("12.5E-1", Some(1_250_000)),
            ("1e-30", Some(0)),
            ("1e40", None),
            ("9223372036854.775807", Some(i64::MAX)),
            ("9223372036854.775808", None),
            ("x", None),
        ] {
            assert_eq!(parse_decimal(text), millionths, "{text}");
        }
        assert_eq!(decimal_text(-1_500_000), "-1.5");
        assert_eq!(decimal_text(1), "0.000001");
        assert_eq!(divide(-5, 2), -2);
        assert_eq!(divide(5, -2), -2);
        assert_eq!(divide(7, 2), 4);
    }

    #[test]
    fn texts() {
        assert_eq!(time_text(1_772_442_000_000), "2026-03-02T09:00:00.000Z");
        assert_eq!(duration_text(7 * 86_400_000), "7d");
        assert_eq!(duration_text(129_600_000), "1d 12h");
    }
}
