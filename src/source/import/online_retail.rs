//! UCI "Online Retail" (Chen, Sain, Guo, 2012) as CSV in, Segment events out: one `Order Completed`
//! or `Order Cancelled` an invoice, in the order of time.
//!
//! Every line of the input is either used or left out for a reason that the report counts. Amounts
//! are exact decimals. Never decompresses, opens a file or reads a clock; holds all invoices in
//! memory, because the lines of one need not follow one another.
//!
//! What was decided where the data leave it open:
//! * An invoice with several times is one event at the earliest of them.
//! * Exact duplicates of an earlier line are left out: most are double scans.
//! * Cancellations do not name the order that they cancel; `order_id` is their own number (`C…`).
//! * A line has one reason, the first that applies in the order of [`Reason`].

mod read;
mod write;

use hashbrown::HashSet;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use self::read::{Columns, Row};

/// Britain's rules since 1996. Written out, so that no time zone database is needed and the result
/// is the same on every machine.
const LONDON: &str = "GMT0BST,M3.5.0/1,M10.5.0";

/// Why a line was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// More or fewer columns than the header.
    Columns,
    /// No invoice number.
    Invoice,
    /// A quantity or price that is no number, or has more than four decimals.
    Number,
    /// A time that does not exist in any calendar, or is written in another way.
    Time,
    /// The same as an earlier line in every column.
    Duplicate,
    /// An invoice that starts with `A`: bad debt is written off, nobody bought anything.
    BadDebt,
    /// A quantity that does not fit the kind of invoice (negative or zero on a sale, positive or
    /// zero on a cancellation): stock was corrected.
    StockAdjustment,
    /// A price of zero or less.
    Unpriced,
    /// No customer: nobody to attribute the order to.
    Guest,
    /// Another customer than the invoice's first line.
    OtherCustomer,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Reason::Columns => "wrong number of columns",
            Reason::Invoice => "no invoice number",
            Reason::Number => "quantity or price is not a number",
            Reason::Time => "time cannot be read",
            Reason::Duplicate => "exact duplicate of an earlier line",
            Reason::BadDebt => "bad debt (invoice A…)",
            Reason::StockAdjustment => "stock adjustment (sign of the quantity)",
            Reason::Unpriced => "price is not above zero",
            Reason::Guest => "guest (no CustomerID)",
            Reason::OtherCustomer => "another customer than the invoice's",
        })
    }
}

/// How many lines a reason left out, and where to find one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub count: u64,
    /// Line number in the file of the first of them; the header is line 1.
    pub example_line: u64,
}

/// What became of the lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines read, without the header. `used` and the counts of `left_out` add up to it.
    pub lines: u64,
    pub used: u64,
    /// Events written, of which so many are orders and cancellations.
    pub events: u64,
    pub orders: u64,
    pub cancellations: u64,
    pub left_out: BTreeMap<Reason, LeftOut>,
    /// Lines with bytes that are no UTF-8 and were read as Latin-1.
    pub latin_1: u64,
    /// Invoices with more than one time among their used lines.
    pub several_times: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>9}  lines read", self.lines)?;
        writeln!(f, "{:>9}  used", self.used)?;
        for (reason, LeftOut { count, example_line }) in &self.left_out {
            writeln!(f, "{count:>9}  left out: {reason}, for instance line {example_line}")?;
        }
        writeln!(
            f,
            "{:>9}  events: {} orders, {} cancellations",
            self.events, self.orders, self.cancellations
        )?;
        writeln!(f, "{:>9}  invoices with several times, taken at the first", self.several_times)?;
        writeln!(f, "{:>9}  lines read as Latin-1", self.latin_1)
    }
}

/// Why nothing, or not everything, could be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the header of the data has no column `{0}`")]
    MissingColumn(&'static str),
    #[error("cannot read the data: {0}")]
    Input(#[from] csv::Error),
    #[error("cannot write the events: {0}")]
    Output(#[from] io::Error),
}

/// One product of an invoice.
#[derive(Debug)]
struct Item {
    product_id: String,
    name: String,
    price: Amount,
    /// Above zero, for cancellations too.
    quantity: u32,
}

/// Money in ten-thousandths of a pound.
type Amount = i64;

/// What becomes one event.
#[derive(Debug)]
struct Invoice {
    number: String,
    customer: String,
    country: String,
    at: Timestamp,
    several_times: bool,
    items: Vec<Item>,
}

impl Invoice {
    fn is_cancellation(&self) -> bool {
        self.number.starts_with('C')
    }

    /// Exact: 2^32 pieces of 2^63 ten-thousandths, 2^32 times, stay below 2^127.
    fn total(&self) -> i128 {
        self.items.iter().map(|item| i128::from(item.price) * i128::from(item.quantity)).sum()
    }
}

/// Reads the CSV to its end and writes the events, one JSON object a line, in the order of their
/// times (invoices of the same time in the order of the file).
///
/// # Errors
/// A column is missing, or input or output fail. Lines that cannot be read are no error: the report
/// counts them.
pub fn import<R: Read, W: Write>(input: R, output: &mut W) -> Result<Report, ImportError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let columns = Columns::find(reader.byte_headers()?)?;
    let mut books = Books::new();
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record)? {
        let line = record.position().map_or(0, csv::Position::line);
        books.enter(line, &columns, &record);
    }
    books.close(output)
}

/// The invoices so far, and the account of the lines.
struct Books {
    london: TimeZone,
    report: Report,
    /// Hashes of the lines so far. At 128 bits two lines of a file do not meet by chance.
    seen: HashSet<u128, foldhash::fast::FixedState>,
    invoices: Vec<Invoice>,
    by_number: BTreeMap<String, usize>,
}

impl Books {
    fn new() -> Self {
        Books {
            london: TimeZone::posix(LONDON).expect("the rule is well-formed"),
            report: Report::default(),
            seen: HashSet::default(),
            invoices: Vec::new(),
            by_number: BTreeMap::new(),
        }
    }

    fn enter(&mut self, line: u64, columns: &Columns, record: &csv::ByteRecord) {
        self.report.lines += 1;
        match self.try_enter(columns, record) {
            Ok(()) => self.report.used += 1,
            Err(reason) => {
                let first = LeftOut { count: 0, example_line: line };
                self.report.left_out.entry(reason).or_insert(first).count += 1;
            }
        }
    }

    fn try_enter(&mut self, columns: &Columns, record: &csv::ByteRecord) -> Result<(), Reason> {
        let (row, latin_1) = columns.row(record)?;
        self.report.latin_1 += u64::from(latin_1);
        if !self.seen.insert(read::fingerprint(record)) {
            return Err(Reason::Duplicate);
        }
        if row.invoice.starts_with('A') {
            return Err(Reason::BadDebt);
        }
        let is_cancellation = row.invoice.starts_with('C');
        if row.quantity == 0 || (row.quantity < 0) != is_cancellation {
            return Err(Reason::StockAdjustment);
        }
        if row.price <= 0 {
            return Err(Reason::Unpriced);
        }
        if row.customer.is_empty() {
            return Err(Reason::Guest);
        }
        let local = self.london.to_ambiguous_timestamp(row.at);
        // A local time that does not exist is read as if the clock had not been set forward yet,
        // one that exists twice is the first of the two.
        let at = local.compatible().map_err(|_| Reason::Time)?;
        self.book(row, at)
    }

    fn book(&mut self, row: Row, at: Timestamp) -> Result<(), Reason> {
        let item = Item {
            product_id: row.product_id,
            name: row.name,
            price: row.price,
            quantity: row.quantity.unsigned_abs(),
        };
        let Some(&place) = self.by_number.get(&row.invoice) else {
            self.by_number.insert(row.invoice.clone(), self.invoices.len());
            self.invoices.push(Invoice {
                number: row.invoice,
                customer: row.customer,
                country: row.country,
                at,
                several_times: false,
                items: vec![item],
            });
            return Ok(());
        };
        let invoice = &mut self.invoices[place];
        if invoice.customer != row.customer {
            return Err(Reason::OtherCustomer);
        }
        invoice.several_times |= invoice.at != at;
        invoice.at = invoice.at.min(at);
        invoice.items.push(item);
        Ok(())
    }

    fn close<W: Write>(mut self, output: &mut W) -> Result<Report, ImportError> {
        // Stable: what happened in the same minute stays in the order of the file.
        self.invoices.sort_by_key(|invoice| invoice.at);
        for invoice in &self.invoices {
            write::event(output, invoice)?;
            self.report.events += 1;
            let is_cancellation = invoice.is_cancellation();
            self.report.cancellations += u64::from(is_cancellation);
            self.report.orders += u64::from(!is_cancellation);
            self.report.several_times += u64::from(invoice.several_times);
        }
        output.flush()?;
        Ok(self.report)
    }
}
