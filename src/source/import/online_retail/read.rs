//! A CSV record in, its typed values out, or the reason why not.

use std::borrow::Cow;

use jiff::civil::DateTime;
use xxhash_rust::xxh3::Xxh3Default;

use super::{Amount, ImportError, Reason};

/// The columns, under the names that UCI gives them.
pub const COLUMN_NAMES: [&str; 8] = [
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
];

/// Decimals of an [`Amount`].
const DECIMALS: usize = 4;

/// Where each column stands.
pub struct Columns {
    places: [usize; COLUMN_NAMES.len()],
    width: usize,
}

/// The values of a line.
pub struct Row {
    pub invoice: String,
    pub product_id: String,
    pub name: String,
    pub quantity: i32,
    pub at: DateTime,
    pub price: Amount,
    /// Empty for guests.
    pub customer: String,
    pub country: String,
}

impl Columns {
    /// Finds the columns by their names, in whatever order they stand.
    pub fn find(header: &csv::ByteRecord) -> Result<Self, ImportError> {
        let mut places = [0; COLUMN_NAMES.len()];
        for (place, name) in places.iter_mut().zip(COLUMN_NAMES) {
            *place = header
                .iter()
                .position(|field| field.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
                .ok_or(ImportError::MissingColumn(name))?;
        }
        Ok(Columns { places, width: header.len() })
    }

    /// Reads a record, and says whether Latin-1 was among it.
    pub fn row(&self, record: &csv::ByteRecord) -> Result<(Row, bool), Reason> {
        if record.len() != self.width {
            return Err(Reason::Columns);
        }
        let fields = self.places.map(|place| text(record[place].trim_ascii()));
        let latin_1 = fields.iter().any(|field| field.1);
        let [invoice, product_id, name, quantity, at, price, customer, country] =
            fields.map(|field| field.0);
        if invoice.is_empty() {
            return Err(Reason::Invoice);
        }
        let row = Row {
            quantity: whole(&quantity).ok_or(Reason::Number)?,
            price: amount(&price).ok_or(Reason::Number)?,
            at: time(&at).ok_or(Reason::Time)?,
            invoice: invoice.into_owned(),
            product_id: product_id.into_owned(),
            name: name.into_owned(),
            // A spreadsheet with gaps in a column of numbers writes them as 17850.0.
            customer: customer.strip_suffix(".0").unwrap_or(&customer).to_owned(),
            country: country.into_owned(),
        };
        Ok((row, latin_1))
    }
}

/// A hash of all fields.
pub fn fingerprint(record: &csv::ByteRecord) -> u128 {
    let mut hasher = Xxh3Default::new();
    for field in record {
        hasher.update(&(field.len() as u64).to_le_bytes());
        hasher.update(field);
    }
    hasher.digest128()
}

/// The text of a field. What is no UTF-8 is Latin-1, whose bytes are the first 256 characters.
fn text(field: &[u8]) -> (Cow<'_, str>, bool) {
    match std::str::from_utf8(field) {
        Ok(text) => (text.into(), false),
        Err(_) => (field.iter().copied().map(char::from).collect(), true),
    }
}

/// A whole number; `6.0` is one too.
fn whole(text: &str) -> Option<i32> {
    text.strip_suffix(".0").unwrap_or(text).parse().ok()
}

/// An exact amount. More than four decimals are no price.
fn amount(text: &str) -> Option<Amount> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (units, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if units.is_empty() || decimals.len() > DECIMALS || !all_digits(units) || !all_digits(decimals)
    {
        return None;
    }
    let amount: Amount = format!("{units}{decimals:0<DECIMALS$}").parse().ok()?;
    Some(if text.starts_with('-') { -amount } else { amount })
}

/// A local time: `2010-12-01 08:26:00` or, as UCI's own file has it, `12/1/2010 8:26` (the month
/// first).
fn time(text: &str) -> Option<DateTime> {
    let (date, clock) = text.split_once([' ', 'T'])?;
    let [year, month, day] = match date.contains('/') {
        true => {
            let [month, day, year] = numbers(date, '/')?;
            [year, month, day]
        }
        false => numbers(date, '-')?,
    };
    let [hour, minute, second] = match clock.matches(':').count() {
        1 => {
            let [hour, minute] = numbers(clock, ':')?;
            [hour, minute, 0]
        }
        _ => numbers(clock, ':')?,
    };
    let small = |number: i16| i8::try_from(number).ok();
    let (month, day) = (small(month)?, small(day)?);
    DateTime::new(year, month, day, small(hour)?, small(minute)?, small(second)?, 0).ok()
}

/// Exactly `N` numbers with separators between them.
fn numbers<const N: usize>(text: &str, separator: char) -> Option<[i16; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = parts.next()?.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        assert_eq!(amount("2.55"), Some(25_500));
        assert_eq!(amount("-11062.06"), Some(-110_620_600));
        assert_eq!(
            (amount("0.001"), amount("7"), amount("7.")),
            (Some(10), Some(70_000), Some(70_000))
        );
        for wrong in ["", ".", "-", ".5", "1.00001", "1e3", "1,5", "--1", "99999999999999999999"] {
            assert_eq!(amount(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn both_ways_to_write_a_time_are_read() {
        let expected = DateTime::new(2010, 12, 1, 8, 26, 0, 0).ok();
        for written in ["2010-12-01 08:26:00", "12/1/2010 8:26", "2010-12-01T08:26"] {
            assert_eq!(time(written), expected, "{written}");
        }
        for wrong in ["", "2010-12-01", "13/1/2010 8:26", "2011-02-29 08:00:00", "1/2/3/4 8:26"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }
}
