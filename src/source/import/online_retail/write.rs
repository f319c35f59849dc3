//! An invoice in, its event in Segment's envelope appended to the output.

use std::fmt;
use std::io::{self, Write};

use super::Invoice;

/// Writes the event and a line feed.
pub fn event<W: Write>(output: &mut W, invoice: &Invoice) -> io::Result<()> {
    let name = if invoice.is_cancellation() { "Order Cancelled" } else { "Order Completed" };
    write!(
        output,
        concat!(
            r#"{{"type":"track","event":"{name}","messageId":{message_id},"userId":{user_id},"#,
            r#""timestamp":"{at:.3}","context":{{"locale":"en-GB","timezone":"Europe/London"}},"#,
            r#""properties":{{"order_id":{order_id},"total":{total},"currency":"GBP","#,
            r#""country":{country},"products":["#,
        ),
        name = name,
        message_id = Quoted(&format!("online-retail-{}", invoice.number)),
        user_id = Quoted(&invoice.customer),
        at = invoice.at,
        order_id = Quoted(&invoice.number),
        total = Decimal(invoice.total()),
        country = Quoted(&invoice.country),
    )?;
    for (place, item) in invoice.items.iter().enumerate() {
        write!(
            output,
            r#"{comma}{{"product_id":{id},"name":{name},"price":{price},"quantity":{quantity}}}"#,
            comma = if place == 0 { "" } else { "," },
            id = Quoted(&item.product_id),
            name = Quoted(&item.name),
            price = Decimal(item.price.into()),
            quantity = item.quantity,
        )?;
    }
    output.write_all(b"]}}\n")
}

/// A text as JSON.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self.0).map_err(|_| fmt::Error)?)
    }
}

/// Ten-thousandths above zero as a decimal number, with two digits after the point, or as many more
/// as it needs.
struct Decimal(i128);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (units, rest) = (self.0 / 10_000, self.0 % 10_000);
        match rest {
            _ if rest % 100 == 0 => write!(f, "{units}.{:02}", rest / 100),
            _ if rest % 10 == 0 => write!(f, "{units}.{:03}", rest / 10),
            _ => write!(f, "{units}.{rest:04}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_two_digits_or_more() {
        let written = |amount| Decimal(amount).to_string();
        assert_eq!(
            (written(25_500), written(10), written(1)),
            ("2.55".into(), "0.001".into(), "0.0001".into())
        );
        assert_eq!((written(0), written(1_391_200)), ("0.00".into(), "139.12".into()));
    }
}
