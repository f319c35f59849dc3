//! The import of UCI "Online Retail": a sample with every quirk of the data, checked exactly, and
//! the whole file where `KAIROS_ONLINE_RETAIL` names it (CSV, or CSV compressed by zstd).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

use kairos::source::import::online_retail::{ImportError, LeftOut, Reason, Report, import};
use xxhash_rust::xxh3::xxh3_64;

const SAMPLE: &[u8] = include_bytes!("../data/online_retail_sample.csv");
/// Made by another program (Python's csv, decimal and zoneinfo).
const SAMPLE_EVENTS: &str = include_str!("../data/online_retail_sample.jsonl");

fn imported(input: impl Read) -> (Report, Vec<u8>) {
    let mut output = Vec::new();
    let report = import(input, &mut output).expect("the columns are there");
    (report, output)
}

fn left_out(rows: &[(Reason, u64, u64)]) -> BTreeMap<Reason, LeftOut> {
    let entry = |&(reason, count, example_line)| (reason, LeftOut { count, example_line });
    rows.iter().map(entry).collect()
}

fn assert_all_lines_accounted_for(report: &Report) {
    let left_out: u64 = report.left_out.values().map(|reason| reason.count).sum();
    assert_eq!(report.lines, report.used + left_out);
    assert_eq!(report.events, report.orders + report.cancellations);
}

/// The event of an invoice.
fn event<'a>(events: &'a str, invoice: &str) -> &'a str {
    let id = format!("\"messageId\":\"online-retail-{invoice}\"");
    let mut found = events.lines().filter(|line| line.contains(&id));
    let event = found.next().expect("the invoice has an event");
    assert_eq!(found.next(), None, "an invoice is one event");
    event
}

fn timestamp<'a>(events: &'a str, invoice: &str) -> &'a str {
    let event = event(events, invoice);
    let (_, rest) = event.split_once("\"timestamp\":\"").expect("an event has a timestamp");
    rest.split('"').next().expect("split gives one part at least")
}

#[test]
fn every_line_of_the_sample_is_used_or_left_out_for_a_reason() {
    let (report, output) = imported(SAMPLE);
    assert_all_lines_accounted_for(&report);
    let expected = Report {
        lines: 204,
        used: 178,
        events: 45,
        orders: 43,
        cancellations: 2,
        left_out: left_out(&[
            (Reason::Columns, 2, 113),
            (Reason::Invoice, 1, 115),
            (Reason::Number, 2, 109),
            (Reason::Time, 2, 111),
            (Reason::Duplicate, 3, 87),
            (Reason::BadDebt, 2, 84),
            (Reason::StockAdjustment, 3, 83),
            (Reason::Unpriced, 3, 94),
            (Reason::Guest, 7, 73),
            (Reason::OtherCustomer, 1, 100),
        ]),
        latin_1: 1,
        several_times: 1,
    };
    assert_eq!(report, expected, "\n{report}");
    assert_eq!(output.iter().filter(|byte| **byte == b'\n').count(), 45);
    let text = report.to_string();
    assert!(text.contains("7  left out: guest (no CustomerID), for instance line 73"), "{text}");
}

#[test]
fn invoices_become_these_events() {
    let (_, output) = imported(SAMPLE);
    let events = str::from_utf8(&output).expect("JSON is UTF-8");
    for (got, expected) in events.lines().zip(SAMPLE_EVENTS.lines()) {
        assert_eq!(got, expected);
    }
    assert_eq!(events.len(), SAMPLE_EVENTS.len());
    for (invoice, part) in [
        // Three lines of which two are the same: 6 × 1.85 twice.
        ("536600", r#""total":22.20,"#),
        // Amounts of cancellations are above zero, and `14527.0` is customer 14527.
        ("C536379", r#""event":"Order Cancelled","#),
        ("C536379", r#""userId":"14527","#),
        ("C536379", r#""total":27.50,"#),
        ("C536391", r#""name":"PLASTERS IN TIN CIRCUS PARADE, 24\"","#),
        // Two times, the later one first in the file, and another invoice in between.
        ("536591", r#""timestamp":"2010-12-01T16:57:00.000Z","#),
        ("536591", r#""total":8.89,"#),
        // Tenths of a penny add up exactly: 7 × 0.001 + 3 × 0.1.
        ("550193", r#""total":0.307,"#),
        ("581001", r#""name":"CAKESTAND, 3 TIER \"REGENCY\"","#),
        ("581001", r#""name":"BOX\nOF 6","#),
        ("581002", r#""name":"£5 GIFT CARD","#),
        ("581003", r#""name":"CAFÉ SIGN","#),
    ] {
        assert!(event(events, invoice).contains(part), "{part} of {invoice}");
    }
}

#[test]
fn british_time_becomes_utc_on_the_days_of_change_too() {
    let (_, output) = imported(SAMPLE);
    let events = str::from_utf8(&output).expect("JSON is UTF-8");
    for (invoice, utc) in [
        ("548001", "2011-03-27T00:59:00.000Z"),
        // 01:30 did not exist: read as if the clock had not been set forward yet.
        ("548002", "2011-03-27T01:30:00.000Z"),
        ("548003", "2011-03-27T01:00:00.000Z"),
        ("572001", "2011-10-29T23:59:00.000Z"),
        // 01:30 happened twice: the first of them.
        ("572002", "2011-10-30T00:30:00.000Z"),
        ("572003", "2011-10-30T02:00:00.000Z"),
        ("581003", "2011-12-08T08:07:00.000Z"),
    ] {
        assert_eq!(timestamp(events, invoice), utc, "invoice {invoice}");
    }
    let times: Vec<&str> = events
        .lines()
        .map(|line| line.split("\"timestamp\":\"").nth(1).expect("an event has a timestamp"))
        .map(|rest| &rest[..24])
        .collect();
    assert!(times.is_sorted());
}

#[test]
fn the_columns_are_found_by_name() {
    let shuffled = "\u{feff}Country,customerid,UnitPrice,InvoiceDate,Quantity,Description,\
                    StockCode,InvoiceNo\r\nEIRE,14911.0,0.5,12/1/2010 8:26,3.0,Egg cup,22001,1\r\n";
    let (report, output) = imported(shuffled.as_bytes());
    assert_eq!((report.lines, report.used), (1, 1));
    let event = str::from_utf8(&output).expect("JSON is UTF-8");
    for part in [
        r#""messageId":"online-retail-1","userId":"14911","timestamp":"2010-12-01T08:26:00.000Z","#,
        r#""total":1.50,"currency":"GBP","country":"EIRE","#,
        r#"[{"product_id":"22001","name":"Egg cup","price":0.50,"quantity":3}]"#,
    ] {
        assert!(event.contains(part), "{part}");
    }

    let error = import(&b"InvoiceNo,StockCode,Description\n"[..], &mut Vec::new());
    assert!(matches!(error, Err(ImportError::MissingColumn("Quantity"))));
    let message = error.expect_err("three columns are not enough").to_string();
    assert!(message.starts_with("the header of the data has no column `Quantity`"), "{message}");
    assert!(import(&b""[..], &mut Vec::new()).is_err());
}

#[test]
fn the_whole_file_gives_what_an_independent_count_gives() {
    let Some(path) = std::env::var_os("KAIROS_ONLINE_RETAIL") else {
        eprintln!("skipped: KAIROS_ONLINE_RETAIL does not name the file");
        return;
    };
    let file = File::open(&path).expect("KAIROS_ONLINE_RETAIL names a file that can be read");
    let (report, output) = match path.to_string_lossy().ends_with(".zst") {
        true => imported(zstd::Decoder::new(file).expect("a zstd stream")),
        false => imported(file),
    };
    assert_all_lines_accounted_for(&report);
    // Counted by another program (Python's csv, decimal and zoneinfo), which also gave the same
    // events byte for byte. 18,532 orders worth 8,887,208.894 are what the literature finds, too.
    let expected = Report {
        lines: 541_909,
        used: 401_564,
        events: 22_186,
        orders: 18_532,
        cancellations: 3_654,
        left_out: left_out(&[
            (Reason::Duplicate, 5_268, 519),
            (Reason::BadDebt, 3, 299_984),
            (Reason::StockAdjustment, 1_336, 2_408),
            (Reason::Unpriced, 1_174, 624),
            (Reason::Guest, 132_564, 1_445),
        ]),
        latin_1: 0,
        several_times: 31,
    };
    assert_eq!(report, expected, "\n{report}");
    assert_eq!(format!("{:016x}", xxh3_64(&output)), "a344cb7aec87d73b");
}
