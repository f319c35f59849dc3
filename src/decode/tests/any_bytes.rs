//! Whatever the bytes: an event or a reject, and never a panic.

use super::*;
use crate::sim::generate::{Config, Faults, Generator};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::LazyLock;

/// Lines of shop traffic, some of them broken already.
static TRAFFIC: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let faults = Faults { malformed: 0.1, ..Faults::none() };
    let mut generator = Generator::new(Config { events: 400, faults, ..Config::default() });
    let mut lines = Vec::new();
    let mut line = Vec::new();
    while generator.next_into(&mut line).is_some() {
        line.pop();
        lines.push(std::mem::take(&mut line));
    }
    lines
});

/// What one line becomes, whatever it is: an event within its bounds, or a reject that holds the line.
fn check(line: &[u8]) {
    match decode(line) {
        Ok(event) => {
            assert!((crate::time::TIME_MIN..crate::time::TIME_MAX).contains(&event.time));
            assert!(event.leaf.starts_with("user:") || event.leaf.starts_with("anonymous:"));
            assert!(event.values.iter().all(|(_, value)| !value.is_missing()));
            DECODER.with(|(_, inputs)| summary(&event, inputs));
            let text = std::str::from_utf8(line).unwrap();
            assert!(serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
        }
        Err(reject) => {
            assert_eq!(reject.bytes, line.len() as u64);
            assert_eq!(reject.raw, line[..line.len().min(LINE_BYTES_MAX)]);
            assert_ne!(reject.detail, "cannot be read", "serde_json reads it");
        }
    }
}

#[derive(Clone, Debug)]
enum Change {
    Flip(usize, u8),
    Cut(usize),
    Remove(usize, usize),
    Splice(usize, usize, usize, usize),
    Insert(usize, &'static str),
}

fn change() -> impl Strategy<Value = Change> {
    let at = || any::<usize>();
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ",",
        ":",
        "\\ud800",
        "1e999",
        "-",
        "null",
        "\u{0}",
        "\"x\":[",
        "\"properties\":{",
        "\"type\":\"page\",",
        "é",
        "0.1234567890123456789",
    ]);
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Flip(at, byte)),
        at().prop_map(Change::Cut),
        (at(), 0..40_usize).prop_map(|(at, length)| Change::Remove(at, length)),
        (at(), at(), at(), 0..200_usize).prop_map(|(a, b, c, d)| Change::Splice(a, b, c, d)),
        (at(), token).prop_map(|(at, token)| Change::Insert(at, token)),
    ]
}

fn apply(line: &mut Vec<u8>, change: &Change) {
    let place = |at: usize| at % (line.len() + 1);
    match *change {
        Change::Flip(at, byte) => {
            let start = at % line.len().max(1);
            if let Some(found) = line.get_mut(start) {
                *found ^= byte;
            }
        }
        Change::Cut(at) => line.truncate(place(at)),
        Change::Remove(at, length) => {
            let start = place(at);
            line.drain(start..(start + length).min(line.len()));
        }
        Change::Splice(at, other, from, length) => {
            let other = &TRAFFIC[other % TRAFFIC.len()];
            let from = from % other.len();
            let part = other[from..(from + length).min(other.len())].iter().copied();
            let start = place(at);
            line.splice(start..start, part);
        }
        Change::Insert(at, token) => {
            let start = place(at);
            line.splice(start..start, token.bytes());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn arbitrary_bytes(line in vec(any::<u8>(), 0..200)) {
        check(&line);
    }

    #[test]
    fn changed_traffic(at in any::<usize>(), changes in vec(change(), 0..4)) {
        let mut line = TRAFFIC[at % TRAFFIC.len()].clone();
        changes.iter().for_each(|change| apply(&mut line, change));
        check(&line);
    }

    #[test]
    fn changed_examples(at in 0..EXAMPLES.len(), changes in vec(change(), 1..4)) {
        let mut line = EXAMPLES[at].as_bytes().to_vec();
        changes.iter().for_each(|change| apply(&mut line, change));
        check(&line);
    }

    #[test]
    fn deep_and_huge(unit in prop::sample::select(vec!["[", "{\"a\":", "{\"x\":[", "[[],", "\"", "1"]),
                     times in 0..40_000_usize, tail in "[\\]}\"]{0,80}") {
        let body = unit.repeat(times);
        check(format!(r#"{{"event":"Thing","properties":{{"x":{body}{tail}"#).as_bytes());
    }
}

const EXAMPLES: [&str; 3] = [
    r#"{"type":"track","event":"Thing","userId":"u","timestamp":1772442000000,"properties":{"x":[1,{"x":2}],"a":{"b":{"c":"\u00e9"}},"products":[{"id":1,"variants":[{"size":"S"}]}]}}"#,
    r#"{"type":"identify","traits":{"email":"a","timezone":"Asia/Tokyo"},"context":{"timezone":"Europe/Berlin","traits":{"level":1},"consent":{"categoryPreferences":{"marketing":true}}},"anonymousId":"a","timestamp":"2026-03-02T09:00:00Z","messageId":"m"}"#,
    r#"{"event":"Order Completed","userId":7,"receivedAt":"2026-03-02T09:00:00Z","properties":{"currency":"GBP","total":1.5,"discounts":[{"amount":1}],"items":[{"price":1}],"deliver_on":"2026-03-02","paid_at":"2026-03-02T09:00:00+01:00","address":{"zip":"1"}}}"#,
];
