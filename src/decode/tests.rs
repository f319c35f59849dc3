//! What lines become, by example. An expected event is written as `leaf kind {property: value, …} zone`, the properties
//! in the order of their names; an expected reject as `reason: detail`.

mod any_bytes;

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
fn calls_and_kinds() {
    members(&[
        (r#""type":"track","event":"Thing""#, "user:u Thing {}"),
        (r#""event":"Thing""#, "user:u Thing {}"),
        (r#""type":null,"event":"Thing""#, "user:u Thing {}"),
        (r#""type":"track","event":"Never Mentioned""#, "user:u other {}"),
        (r#""type":"track","event":"Completed Order""#, "user:u Order Completed {}"),
        (r#""type":"track","event":"Viewed Product""#, "user:u Product Viewed {}"),
        (r#""type":"track","event":"Th\u0069ng""#, "user:u Thing {}"),
        (r#""t\u0079pe":"page""#, "user:u page {}"),
        (r#""type":"identify""#, "user:u identify {}"),
        (r#""type":"screen""#, "user:u screen {}"),
        (r#""type":"group""#, "user:u group {}"),
        (r#""type":"alias","previousId":"x""#, "user:u other {}"),
        (r#""type":"page","event":"Thing""#, "user:u page {}"),
        (r#""type":"track""#, "not an event: a track call needs an `event` name"),
        (r#""type":"track","event":"""#, "not an event: a track call needs an `event` name"),
        (r#""type":"track","event":7"#, "not an event: a track call needs an `event` name"),
        (r#""type":"Track","event":"Thing""#, "not an event: `type` is \"Track\""),
        (r#""type":7,"event":"Thing""#, "not an event: `type` is not a text"),
        (r#""properties":{}"#, "not an event: it has neither `type` nor `event`"),
    ]);
    assert_eq!(
        decode(br#"{"type":"page","userId":1,"timestamp":1772442000000}"#).unwrap().call,
        Call::Page
    );
}

#[test]
fn identifiers() {
    let nobody = "no identifier: neither `userId` nor `anonymousId` identifies anybody";
    let long = "x".repeat(ID_BYTES_MAX);
    for (ids, expected) in [
        (r#""userId":"u 1","anonymousId":"a""#, "user:u 1"),
        (r#""userId":42"#, "user:42"),
        (r#""userId":"","anonymousId":"a""#, "anonymous:a"),
        (r#""userId":" \t","anonymousId":9.5"#, "anonymous:9.5"),
        (r#""userId":"NULL","anonymousId":"a""#, "anonymous:a"),
        (r#""userId":"undefined","anonymousId":"Unknown""#, nobody),
        (r#""userId":0,"anonymousId":-1"#, nobody),
        (r#""userId":"none","anonymousId":"nil""#, nobody),
        (r#""userId":{"id":1},"anonymousId":["a"]"#, nobody),
        (r#""userId":true"#, nobody),
        (r#""messageId":"m""#, nobody),
        (&format!(r#""userId":"{long}x","anonymousId":"a""#), "anonymous:a"),
        (&format!(r#""userId":"{long}""#), &format!("user:{long}")),
        (r#""userId":"\u00e9""#, "user:é"),
    ] {
        let line = format!(r#"{{{THING},{ids},"timestamp":1772442000000}}"#);
        let expected = match expected {
            leaf if leaf == nobody => nobody.to_owned(),
            leaf => format!("{leaf} Thing {{}}"),
        };
        assert_eq!(outcome(line.as_bytes()), expected, "{line}");
    }
}

#[test]
fn times() {
    let none = "no timestamp: none of `timestamp`, `originalTimestamp` and `receivedAt` is there";
    let unreadable = "no timestamp: `timestamp` is neither RFC 3339 nor whole milliseconds";
    let nine = "2026-03-02T09:00:00.000Z";
    for (stamps, expected) in [
        (r#""timestamp":"2026-03-02T09:00:00Z""#, nine),
        (r#""timestamp":"2026-03-02T10:00:00.000+01:00""#, nine),
        (r#""timestamp":1772442000000"#, nine),
        (r#""timestamp":1.772442e12"#, nine),
        (r#""timestamp":null,"originalTimestamp":"2026-03-02T09:00:00Z""#, nine),
        (r#""originalTimestamp":1,"timestamp":"2026-03-02T09:00:00Z""#, nine),
        (r#""receivedAt":"2026-03-02T09:00:00Z""#, nine),
        (r#""timestamp":"2026-03-02T09:00:01Z","receivedAt":"2026-03-02T09:00:00Z""#, nine),
        (r#""timestamp":"2226-03-02T09:00:01Z","receivedAt":"2026-03-02T09:00:00Z""#, nine),
        (r#""timestamp":"2026-03-02T09:00:00Z","receivedAt":"2026-03-02T09:00:01Z""#, nine),
        (r#""timestamp":"2026-03-02T09:00:00Z","receivedAt":"yesterday""#, nine),
        (r#""type":"track""#, none),
        (r#""timestamp":"02.03.2026","receivedAt":"2026-03-02T09:00:00Z""#, unreadable),
        (r#""timestamp":1772442000000.5"#, unreadable),
        (r#""timestamp":true"#, unreadable),
        (r#""timestamp":"""#, unreadable),
        (
            r#""timestamp":1772442000"#,
            "absurd timestamp: the event's time, 1772442000 ms, is not from 1990 to 2099",
        ),
        (
            r#""timestamp":1e30"#,
            "absurd timestamp: the event's time, 9223372036854775807 ms, is not from 1990 to 2099",
        ),
        (
            r#""timestamp":"2100-01-01T00:00:00Z""#,
            "absurd timestamp: the event's time, 4102444800000 ms, is not from 1990 to 2099",
        ),
    ] {
        let line = format!(r#"{{{THING},"userId":"u",{stamps}}}"#);
        let found = match decode(line.as_bytes()) {
            Ok(event) => crate::time::format(event.time),
            Err(_) => outcome(line.as_bytes()),
        };
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn message_ids() {
    let id = |json: &str| {
        let line = format!(r#"{{{THING},"userId":"u","timestamp":1772442000000{json}}}"#);
        decode(line.as_bytes()).map(|event| event.message_id).map_err(|reject| reject.reason)
    };
    assert_eq!(id(""), Ok("".into()));
    assert_eq!(id(r#","messageId":"m\u002d1""#), Ok("m-1".into()));
    assert_eq!(id(r#","messageId":7"#), Ok("".into()));
    let long = "é".repeat(ID_BYTES_MAX / 2);
    assert_eq!(id(&format!(r#","messageId":"{long}""#)), Ok(long.as_str().into()));
    assert_eq!(id(&format!(r#","messageId":"{long}x""#)), Err(Reason::NotAnEvent));
}

#[test]
fn values_of_any_type() {
    properties(
        THING,
        &[
            (r#"{"x":"text"}"#, r#"user:u Thing {x: "text"}"#),
            (
                r#"{"x":"a\"\\\u00e9\ud83d\ude00\ud83d"}"#,
                "user:u Thing {x: \"a\\\"\\\\é😀\u{fffd}\"}",
            ),
            (r#"{"\u0078":1}"#, "user:u Thing {x: 1}"),
            (r#"{"x":true}"#, "user:u Thing {x: true}"),
            (r#"{"x":null}"#, "user:u Thing {}"),
            (r#"{"x":{"y":1}}"#, "user:u Thing {}"),
            (r#"{"x":""}"#, r#"user:u Thing {x: ""}"#),
            (r#"{"X":1,"xx":2,"":3,"other":{"x":[4,{"x":5}]}}"#, "user:u Thing {}"),
            (r#"{"x":1,"x":2}"#, "user:u Thing {x: 2}"),
            (r#"{"x":1,"x":null}"#, "user:u Thing {}"),
            (r#"{"x":1e400,"x":2}"#, "user:u Thing {x: 2}"),
            (r#"[{"x":1}]"#, "user:u Thing {}"),
            ("null", "user:u Thing {}"),
            ("7", "user:u Thing {}"),
        ],
    );
    members(&[
        (r#""event":"Thing","properties":{"x":1},"properties":{}"#, "user:u Thing {}"),
        (r#""properties":{"x":1},"event":"Thing","properties":{"x":2}"#, "user:u Thing {x: 2}"),
        (r#""event":"Other","properties":{"x":1},"event":"Thing""#, "user:u Thing {x: 1}"),
        (r#""event":"Thing","properties":{"x":1},"type":"page""#, "user:u page {}"),
        (r#""event":"Thing","traits":{"x":1}"#, "user:u Thing {}"),
        (r#""event":"Never Mentioned","properties":{"x":1}"#, "user:u other {}"),
    ]);
}

#[test]
fn numbers_are_exact() {
    for (number, expected) in [
        ("0", "0"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("1e3", "1000"),
        ("1E-3", "0.001"),
        ("0.1", "0.1"),
        ("-12.345678", "-12.345678"),
        ("0.0000005", "0"),
        ("0.0000015", "0.000002"),
        ("123456789012.5", "123456789012.5"),
        ("1234567890123", "1234567890123"),
        ("9223372036854.775807", "9223372036854.775807"),
        ("0.30000000000000004", "0.3"),
    ] {
        let expected = format!("user:u Thing {{x: {expected}}}");
        properties(THING, &[(&format!(r#"{{"x":{number}}}"#), &expected)]);
    }
    for number in ["9223372036854.775808", "1234567890123456789", "1e400", "-1e400"] {
        let expected = format!("number out of range: `x` is {number}");
        properties(THING, &[(&format!(r#"{{"x":{number}}}"#), &expected)]);
        properties(THING, &[(&format!(r#"{{"unread":{number}}}"#), "user:u Thing {}")]);
    }
}

#[test]
fn paths_and_lists() {
    properties(
        THING,
        &[
            (r#"{"a":{"b":{"c":1}}}"#, "user:u Thing {a.b.c: 1}"),
            (r#"{"a":{"b":{"c":1},"b":{}}}"#, "user:u Thing {}"),
            (r#"{"a":{"b":{"c":1}},"a":7}"#, "user:u Thing {a: 7}"),
            (r#"{"a":7,"a":{"b":{"c":1}}}"#, "user:u Thing {a.b.c: 1}"),
            (r#"{"a.b.c":1}"#, "user:u Thing {}"),
            (r#"{"x":[1,"b",null,[true,[2]],{"x":3}]}"#, r#"user:u Thing {x: [1, "b", true, 2]}"#),
            (r#"{"x":[]}"#, "user:u Thing {x: []}"),
            (
                r#"{"products":[{"id":"a"},{"id":7},{},null]}"#,
                r#"user:u Thing {products.id: ["a", 7], products.variants.size: []}"#,
            ),
            (r#"{"products":{"id":"a"}}"#, r#"user:u Thing {products.id: "a"}"#),
            (
                r#"{"products":[{"variants":[{"size":"S"},{"size":"M"}],"id":1,"id":2},{"variants":{"size":"L"}}]}"#,
                r#"user:u Thing {products.id: [2], products.variants.size: ["S", "M", "L"]}"#,
            ),
            (r#"{"a":[{"b":[{"c":1},{"c":2}]},5]}"#, "user:u Thing {a: [5], a.b.c: [1, 2]}"),
        ],
    );
}

#[test]
fn pages_and_screens() {
    let page = r#""type":"page","name":"Own","category":"Shoes""#;
    properties(
        page,
        &[
            ("{}", r#"user:u page {category: "Shoes", name: "Own"}"#),
            (r#"{"name":"P","category":null}"#, r#"user:u page {category: "Shoes", name: "P"}"#),
            (r#"{"path":"/p"}"#, r#"user:u page {category: "Shoes", name: "Own", path: "/p"}"#),
        ],
    );
    members(&[
        (r#""type":"screen","name":"Home""#, r#"user:u screen {name: "Home"}"#),
        (r#""type":"screen","name":null"#, "user:u screen {}"),
        (r#""type":"track","event":"Thing","name":"Home""#, "user:u Thing {}"),
        (r#""type":"page","context":{"page":{"path":"/c"}}"#, r#"user:u page {page.path: "/c"}"#),
        (r#""type":"track","event":"Thing","context":{"page":{"path":"/c"}}"#, "user:u Thing {}"),
    ]);
}

#[test]
fn traits_consents_and_zones() {
    members(&[
        (
            r#""type":"identify","traits":{"email":"a","plan":"gold","level":2,"sms_ok":true}"#,
            r#"user:u identify {plan: "gold", trait.email: "a", trait.level: 2, trait.sms_ok: true}"#,
        ),
        (
            r#""type":"group","traits":{"email":"a","plan":"gold"}"#,
            r#"user:u group {plan: "gold"}"#,
        ),
        (r#""type":"alias","traits":{"email":"a"}"#, "user:u other {}"),
        (
            r#""event":"Unheard","context":{"traits":{"email":"a"}}"#,
            r#"user:u other {trait.email: "a"}"#,
        ),
        (
            r#""type":"identify","traits":{"email":"a"},"context":{"traits":{"email":"b","level":1}}"#,
            r#"user:u identify {trait.email: "a", trait.level: 1}"#,
        ),
        (
            r#""context":{"traits":{"email":"b"}},"traits":{"email":"a"},"type":"identify""#,
            r#"user:u identify {trait.email: "a"}"#,
        ),
        (
            r#""type":"identify","traits":{"email":null},"context":{"traits":{"email":"b"}}"#,
            r#"user:u identify {trait.email: "b"}"#,
        ),
        (
            r#""event":"Thing","context":{"consent":{"categoryPreferences":{"marketing":false,"ads":true}}}"#,
            "user:u Thing {consent.marketing: false}",
        ),
        (
            r#""event":"Thing","context":{"consent":{"categoryPreferences":{"marketing":"yes"}}}"#,
            "user:u Thing {}",
        ),
        (
            r#""event":"Thing","context":{"consent":[{"categoryPreferences":{"marketing":true}}]}"#,
            "user:u Thing {}",
        ),
        (
            r#""event":"Thing","context":{"timezone":"Europe/Berlin"}"#,
            "user:u Thing {} Europe/Berlin",
        ),
        (r#""event":"Thing","context":{"timezone":"Mars/Olympus"}"#, "user:u Thing {}"),
        (r#""event":"Thing","context":{"timezone":["Europe/Berlin"]}"#, "user:u Thing {}"),
        (
            r#""event":"Thing","context":{"timezone":"Europe/Berlin","traits":{"timezone":"Asia/Tokyo"}}"#,
            "user:u Thing {} Asia/Tokyo",
        ),
        (
            r#""type":"identify","traits":{"timezone":"Asia/Tokyo"},"context":{"timezone":"Europe/Berlin"}"#,
            "user:u identify {} Asia/Tokyo",
        ),
        (
            r#""type":"identify","traits":{"timezone":"Nowhere"},"context":{"timezone":"Europe/Berlin"}"#,
            "user:u identify {} Europe/Berlin",
        ),
        (
            r#""event":"Thing","context":{"timezone":"Europe/Berlin"},"context":null"#,
            "user:u Thing {}",
        ),
        (
            r#""event":"Thing","context":{"traits":{"level":1e400}}"#,
            "number out of range: `level` is 1e400",
        ),
    ]);
}

#[test]
fn declared_types() {
    properties(
        ORDER,
        &[
            (
                r#"{"order_id":"7","gift":true}"#,
                r#"user:u Order Completed {gift: true, order_id: "7"}"#,
            ),
            (r#"{"order_id":null}"#, "user:u Order Completed {}"),
            (
                r#"{"order_id":7}"#,
                "wrong type: `order_id` is declared as a string, but is the number 7",
            ),
            (
                r#"{"gift":"yes"}"#,
                "wrong type: `gift` is declared as a boolean, but is the text \"yes\"",
            ),
            (
                r#"{"gift":[true]}"#,
                "wrong type: `gift` is declared as a boolean, but is an object or a list",
            ),
            (
                r#"{"paid_at":1772442000000}"#,
                "user:u Order Completed {paid_at: 2026-03-02T09:00:00.000Z}",
            ),
            (
                r#"{"gift":{}}"#,
                "wrong type: `gift` is declared as a boolean, but is an object or a list",
            ),
            (
                r#"{"paid_at":"2026-03-02T10:00:00+01:00"}"#,
                "user:u Order Completed {paid_at: 2026-03-02T09:00:00.000Z}",
            ),
            (
                r#"{"paid_at":"2026-03-02"}"#,
                "wrong type: `paid_at` is declared as a time such as 2026-03-02T09:00:00Z, but is the text \"2026-03-02\"",
            ),
            (
                r#"{"deliver_on":"2026-03-02"}"#,
                "user:u Order Completed {deliver_on: 2026-03-02T00:00:00.000Z}",
            ),
            (
                r#"{"deliver_on":"2026-02-30"}"#,
                "wrong type: `deliver_on` is declared as a date such as 2026-03-02, but is the text \"2026-02-30\"",
            ),
            (
                r#"{"deliver_on":true}"#,
                "wrong type: `deliver_on` is declared as a date such as 2026-03-02, but is true",
            ),
            (r#"{"address":{"zip":"8001"}}"#, r#"user:u Order Completed {address.zip: "8001"}"#),
            (
                r#"{"address":{"zip":8001}}"#,
                "wrong type: `address.zip` is declared as a string, but is the number 8001",
            ),
            (r#"{"address":"Main Street"}"#, "user:u Order Completed {}"),
            (
                r#"{"items":[{"price":1},{"price":2.5},{}]}"#,
                "user:u Order Completed {items.price: [1, 2.5]}",
            ),
            (
                r#"{"items":[{"price":1},{"price":"2"}]}"#,
                "wrong type: `items.price` is declared as a number, but is the text \"2\"",
            ),
            (
                r#"{"order_id":7,"items":[{"price":1e400}]}"#,
                "number out of range: `items.price` is 1e400",
            ),
            (r#"{"order_id":7,"order_id":"7"}"#, r#"user:u Order Completed {order_id: "7"}"#),
        ],
    );
}

#[test]
fn amounts() {
    let total = "is declared as an amount, which is a number, but is the text \"1\"";
    properties(
        ORDER,
        &[
            (r#"{"total":10.1}"#, "user:u Order Completed {total: 10.1}"),
            (r#"{"total":10,"currency":null}"#, "user:u Order Completed {total: 10}"),
            (
                r#"{"total":10,"currency":"GBP"}"#,
                r#"user:u Order Completed {currency: "GBP", total: 11.7}"#,
            ),
            (
                r#"{"currency":"JPY","total":1.5}"#,
                r#"user:u Order Completed {currency: "JPY", total: 0.000002}"#,
            ),
            (
                r#"{"currency":"GBP","discounts":[{"amount":1},{"amount":2}]}"#,
                r#"user:u Order Completed {currency: "GBP", discounts.amount: [1.17, 2.34]}"#,
            ),
            (
                r#"{"total":10,"currency":"gbp"}"#,
                "unknown currency: `total` is an amount in the unknown currency \"gbp\"",
            ),
            (
                r#"{"total":10,"currency":7}"#,
                "wrong type: `currency` is declared as a string, but is the number 7",
            ),
            (r#"{"currency":"XXX"}"#, r#"user:u Order Completed {currency: "XXX"}"#),
            (
                r#"{"total":9e12,"currency":"GBP"}"#,
                "number out of range: `total` is too large in the base currency",
            ),
            (r#"{"total":"1","currency":"XXX"}"#, &format!("wrong type: `total` {total}")),
        ],
    );
    let line = |json: &str| {
        format!(r#"{{{ORDER},"userId":"u","timestamp":1772442000000,"properties":{json}}}"#)
    };
    let strict = PACK.replace(", default: EUR", "");
    let reject = decoder_of(&strict).0.decode(line(r#"{"total":1}"#).as_bytes(), Origin::default());
    assert_eq!(reject.unwrap_err().reason, Reason::UnknownCurrency);
    let (plain, inputs) = decoder_of("events: { Order Completed: { total: money } }");
    let event = plain.decode(line(r#"{"total":1,"currency":"XXX"}"#).as_bytes(), Origin::default());
    assert_eq!(
        summary(&event.unwrap(), &inputs),
        r#"user:u Order Completed {currency: "XXX", total: 1}"#
    );
}

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
