//! What lines become, by example. An expected event is written as `leaf kind {property: value, …} zone`, the properties
//! in the order of their names; an expected reject as `reason: detail`.

mod any_bytes;
mod envelope;
mod values;

use super::*;
use crate::define::ast::SourceFile;
use crate::define::compile::{Keep, compile};
use crate::define::parse::parse;
use crate::limits::ID_BYTES_MAX;
use std::collections::BTreeMap;

pub(super) const PACK: &str = r#"
events:
  Order Completed: { order_id: string, total: money, discounts.amount: money, gift: boolean,
                     deliver_on: date, paid_at: time, address.zip: string, items.price: number }
  Amount Seen: { amount: number }
currency: { base: EUR, rates: { GBP: 1.17, JPY: 0.000001 }, default: EUR }
sessions: { gap: 30m }
facts:
  email: { trait: email }
  level: { trait: level, type: number }
  anything: { last: Thing, of: event.x }
  deep: { last: Thing, of: event.a.b.c }
  shallow: { last: Thing, of: event.a }
  ids: { last: [Thing, Product Viewed], of: event.products.id }
  sizes: { last: Thing, of: event.products.variants.size }
  price: { last: Product Viewed, of: event.price }
  named: { last: [page, screen], of: event.name }
  about: { last: [page, screen], of: event.category }
  group_plan: { last: group, of: event.plan }
  own_plan: { last: identify, of: event.plan }
  where_from: { count: Amount Seen, where: event.amount > 1.0 }
policy:
  consent: [ { channel: email, category: marketing }, { channel: sms, trait: sms_ok } ]
"#;

pub(super) fn decoder_of(pack: &str) -> (Decoder, Inputs) {
    let files = [SourceFile { path: "test.yaml".into(), text: pack.into() }];
    let (pack, mistakes) = parse(&files);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    let plan = compile(&pack, Keep::All).expect("the pack is sound");
    (Decoder::new(&plan.inputs), plan.inputs)
}

thread_local! {
    static DECODER: (Decoder, Inputs) = decoder_of(PACK);
}

fn show(value: &Value) -> String {
    match value {
        Value::Num(n) => n.to_string(),
        Value::Str(text) => format!("{text:?}"),
        Value::Bool(value) => value.to_string(),
        Value::Time(time) => crate::time::format(*time),
        Value::List(items) => {
            format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    }
}

pub(super) fn summary(event: &Event, inputs: &Inputs) -> String {
    let name = |slot: u16| {
        let path = &inputs.paths[usize::from(slot)];
        let from = match path.from {
            Consumer::Event => "",
            Consumer::Trait => "trait.",
            Consumer::Consent => "consent.",
            Consumer::ContextPage => "page.",
            Consumer::ExternalIds => "external.",
        };
        format!("{from}{}", path.path.join("."))
    };
    let values: BTreeMap<_, _> = event.values.iter().map(|(s, v)| (name(*s), show(v))).collect();
    assert_eq!(values.len(), event.values.len(), "a slot twice");
    let is_about_person = values.keys().any(|n| n.starts_with("trait.") || n.starts_with("con"));
    assert_eq!(event.about_person, is_about_person);
    assert_eq!(event.hash, leaf_hash(&event.leaf));
    let values: Vec<_> = values.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let kind = match event.kind {
        Kind::OTHER => "other",
        Kind(kind) => &inputs.kinds[usize::from(kind)],
    };
    let zone = event.zone.as_deref().map_or(String::new(), |zone| format!(" {zone}"));
    format!("{} {kind} {{{}}}{zone}", event.leaf, values.join(", "))
}

fn decode(line: &[u8]) -> Result<Event, Reject> {
    DECODER.with(|(decoder, _)| decoder.decode(line, Origin { source: 3, position: 7 }))
}

fn outcome(line: &[u8]) -> String {
    match decode(line) {
        Ok(event) => DECODER.with(|(_, inputs)| summary(&event, inputs)),
        Err(reject) => {
            assert_eq!(reject.origin, Origin { source: 3, position: 7 });
            assert_eq!((reject.raw.as_slice(), reject.bytes), (line, line.len() as u64));
            format!("{}: {}", reject.reason.as_str(), reject.detail)
        }
    }
}

/// Each line as it stands.
fn lines(cases: &[(&str, &str)]) {
    for (line, expected) in cases {
        assert_eq!(outcome(line.as_bytes()), *expected, "{line}");
    }
}

/// Each line with what every event needs before it and behind it: of the order of members nothing may depend.
fn members(cases: &[(&str, &str)]) {
    const REST: &str = r#""userId":"u","timestamp":"2026-03-02T09:00:00Z""#;
    for (members, expected) in cases {
        for line in [format!("{{{members},{REST}}}"), format!("{{{REST},{members}}}")] {
            assert_eq!(outcome(line.as_bytes()), *expected, "{line}");
        }
    }
}

/// Each as the properties of a call, `type` and `event` before and behind them.
fn properties(call: &str, cases: &[(&str, &str)]) {
    for (json, expected) in cases {
        let (before, behind) =
            (format!(r#"{call},"properties":{json}"#), format!(r#""properties":{json},{call}"#));
        members(&[(&before, expected), (&behind, expected)]);
    }
}

const THING: &str = r#""type":"track","event":"Thing""#;
const ORDER: &str = r#""type":"track","event":"Order Completed""#;

#[test]
fn what_is_not_json() {
    lines(&[
        ("{", "not JSON: EOF while parsing an object at line 1 column 1"),
        (r#"{"type":"page"} x"#, "not JSON: trailing characters at line 1 column 17"),
        (r#"{"a":01}"#, "not JSON: invalid number at line 1 column 7"),
        ("[]", "not JSON: an event is an object"),
        ("7", "not JSON: an event is an object"),
        ("[", "not JSON: EOF while parsing a list at line 1 column 1"),
        ("", "not JSON: EOF while parsing a value at line 1 column 0"),
    ]);
    assert_eq!(outcome(b"{\"a\":\"\xff\"}"), "not UTF-8: at column 7");
    for blank in ["", " ", "\t\r"] {
        assert!(is_blank(blank.as_bytes()));
    }
    assert!(!is_blank(b" {"));
}

#[test]
fn bounds() {
    let padded = |length: usize| {
        let line = format!(r#"{{{THING},"userId":"u","timestamp":1772442000000,"pad":""}}"#);
        line.replace(r#""pad":"""#, &format!(r#""pad":"{}""#, "x".repeat(length - line.len())))
    };
    assert_eq!(outcome(padded(LINE_BYTES_MAX).as_bytes()), "user:u Thing {}");
    let long = padded(LINE_BYTES_MAX + 1);
    let reject = decode(long.as_bytes()).unwrap_err();
    assert_eq!(reject.reason, Reason::TooLong);
    assert_eq!(reject.raw, long.as_bytes()[..LINE_BYTES_MAX]);
    assert_eq!(reject.bytes, long.len() as u64);
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 2), "]".repeat(levels - 2));
        format!(r#""event":"Thing","properties":{{"y":{open}{close},"x":"[[[{{"}}"#)
    };
    members(&[
        (&nested(NESTING_MAX), r#"user:u Thing {x: "[[[{"}"#),
        (&nested(NESTING_MAX + 1), "nested too deep: more than 64 levels of objects and lists"),
    ]);
    let all_open = "[".repeat(LINE_BYTES_MAX);
    assert!(outcome(all_open.as_bytes()).starts_with("nested too deep"));
}

#[test]
fn the_first_reason_counts() {
    lines(&[
        (r#"{"type":"x","timestamp":1}"#, "not an event: `type` is \"x\""),
        (
            r#"{"event":"Thing","timestamp":1}"#,
            "no identifier: neither `userId` nor `anonymousId` identifies anybody",
        ),
        (
            r#"{"event":"Order Completed","userId":"u","timestamp":1,"properties":{"order_id":1}}"#,
            "absurd timestamp: the event's time, 1 ms, is not from 1990 to 2099",
        ),
    ]);
}
