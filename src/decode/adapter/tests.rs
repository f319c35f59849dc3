//! What records become, by example: `time message-id leaf kind {properties} zone`, or why there is no event.

use super::*;
use crate::decode::tests::{PACK, decoder_of, summary};
use crate::define::plan::Inputs;
use proptest::prelude::*;

/// 2026-03-02T09:00:00Z.
const NINE: i64 = 1_772_442_000_000;

thread_local! {
    static DECODER: (Decoder, Inputs) = decoder_of(PACK);
}

type Header<'a> = (&'a [u8], Option<&'a [u8]>);

fn record<'a>(payload: &'a [u8], headers: &'a [Header<'a>]) -> Record<'a> {
    Record { offset: 7, timestamp: Some(NINE), key: Some(b"anna"), payload: Some(payload), headers }
}

fn outcome(format: &Format, record: &Record<'_>) -> String {
    let origin = Origin { source: 3, position: 7 };
    let event =
        DECODER.with(|(decoder, _)| Adapter::new(format.clone()).event(decoder, record, origin));
    match event {
        Ok(event) => {
            let text = DECODER.with(|(_, inputs)| summary(&event, inputs));
            format!("{} {} {text}", event.time - NINE, event.message_id)
        }
        Err(NoEvent::Rejected(reject)) => {
            let payload = record.payload.expect("a tombstone is no reject");
            assert_eq!(reject.origin, origin);
            assert_eq!((&*reject.raw, reject.bytes), (payload, payload.len() as u64));
            format!("{}: {}", reject.reason.as_str(), reject.detail)
        }
        Err(other) => format!("{other:?}"),
    }
}

fn mapping(fields: &[(&str, &str)]) -> Format {
    Format::Mapping(Arc::new(Mapping::compile(fields).expect("the mapping is sound")))
}

/// An order as some shop writes it.
const ORDER: &str = r#"{"kind":"order","no":17,"customer":{"id":42,"mail":"a@b.c"},
    "when":1772441990000,"lines":[{"sku":"p1","price":19.90},{"sku":"p2","price":5}],"sum":24.90}"#;

#[test]
fn a_record_is_never_later_than_its_arrival() {
    let line = |stamp: &str| format!(r#"{{"event":"Thing","userId":"u"{stamp}}}"#);
    for (stamp, arrival, expected) in [
        (r#","timestamp":1772441999000"#, Some(NINE), "-1000  user:u Thing {}"),
        (r#","timestamp":1772442001000"#, Some(NINE), "0  user:u Thing {}"),
        (r#","timestamp":9000000000000"#, Some(NINE), "0  user:u Thing {}"),
        ("", Some(NINE), "0  user:u Thing {}"),
        (
            "",
            Some(0),
            "no timestamp: none of `timestamp`, `originalTimestamp` and `receivedAt` is there",
        ),
        (r#","timestamp":1772441999000"#, Some(0), "-1000  user:u Thing {}"),
        (r#","timestamp":1772442001000"#, None, "1000  user:u Thing {}"),
        (
            r#","timestamp":"soon""#,
            Some(NINE),
            "no timestamp: `timestamp` is neither RFC 3339 nor whole milliseconds",
        ),
    ] {
        let line = line(stamp);
        let record = Record { timestamp: arrival, ..record(line.as_bytes(), &[]) };
        assert_eq!(outcome(&Format::Segment, &record), expected, "{stamp} {arrival:?}");
    }
}

#[test]
fn a_tombstone_is_no_event_in_any_form() {
    for format in [Format::Segment, Format::CloudEvents, mapping(&[("event", "'x'")])] {
        let record = Record { payload: None, ..record(b"", &[]) };
        assert_eq!(outcome(&format, &record), "Tombstone");
        let empty = self::record(b"", &[]);
        assert!(outcome(&format, &empty).starts_with("not JSON"), "{format:?}");
    }
}

#[test]
fn structured_cloud_events_are_read() {
    for (message, expected) in [
        (
            r#"{"specversion":"1.0","id":"1","source":"/shop","type":"Thing","time":"2026-03-02T08:59:59Z","subject":"42","data":{"x":1.10}}"#,
            "-1000 /shop#1 user:42 Thing {x: 1.1}",
        ),
        (
            r#"{"specversion":"1.0","id":"1","type":"Thing","subject":"anonymous:a1"}"#,
            "0 1 anonymous:a1 Thing {}",
        ),
        (
            r#"{"specversion":"1.0","type":"Thing","subject":"user:a:b","data":null}"#,
            "0  user:a:b Thing {}",
        ),
        (
            r#"{"specversion":"1.0","type":"Thing","subject":"u","data":[1]}"#,
            "not mapped: `data` is not an object",
        ),
        (
            r#"{"specversion":"1.0","type":"Thing","subject":"u","data_base64":"AA=="}"#,
            "not mapped: `data_base64` is not JSON",
        ),
        (r#"{"specversion":"1.0","subject":"u"}"#, "not mapped: the CloudEvent has no `type`"),
        (
            r#"{"specversion":"1.0","type":"Thing"}"#,
            "no identifier: neither `userId` nor `anonymousId` identifies anybody",
        ),
        (
            r#"{"event":"Thing","userId":"u"}"#,
            "not mapped: it has neither `specversion` nor `ce_…` headers: it is no CloudEvent",
        ),
        // An event inside has what it says, and from outside what it does not say.
        (
            r#"{"specversion":"1.0","id":"1","source":"s","type":"x","time":"2026-03-02T08:59:59Z","subject":"z","data":{"type":"track","event":"Thing","userId":"u","properties":{"x":2}}}"#,
            "-1000 s#1 user:u Thing {x: 2}",
        ),
        (
            r#"{"specversion":"1.0","id":"1","type":"x","time":"2026-03-02T08:59:59Z","data":{"type":"track","event":"Thing","messageId":"m","timestamp":"2026-03-02T08:59:58Z","anonymousId":"a"}}"#,
            "-2000 m anonymous:a Thing {}",
        ),
    ] {
        assert_eq!(outcome(&Format::CloudEvents, &record(message.as_bytes(), &[])), expected);
    }
}

#[test]
fn binary_cloud_events_are_read() {
    let headers: [Header<'_>; 6] = [
        (b"ce_specversion", Some(b"1.0")),
        (b"ce_id", Some(b"7")),
        (b"ce_source", Some(b"s")),
        (b"ce_type", Some(b"Thing")),
        (b"ce_time", Some(b"2026-03-02T08:59:59Z")),
        (b"ce_subject", Some(b"anonymous:a\"1")),
    ];
    for (payload, expected) in [
        (r#"{"x":3}"#, "-1000 s#7 anonymous:a\"1 Thing {x: 3}"),
        (" {\"x\":3}\n", "-1000 s#7 anonymous:a\"1 Thing {x: 3}"),
        ("", "-1000 s#7 anonymous:a\"1 Thing {}"),
        (r#"{"type":"track","event":"Thing","userId":"u"} "#, "-1000 s#7 user:u Thing {}"),
        ("{\"x\":", "not JSON: EOF while parsing a value at line 1 column 5"),
        ("hello", "not mapped: `data` is not an object"),
    ] {
        assert_eq!(outcome(&Format::CloudEvents, &record(payload.as_bytes(), &headers)), expected);
    }
    let wrong: [Header<'_>; 1] = [(b"ce_type", Some(b"\xff"))];
    let said = outcome(&Format::CloudEvents, &record(b"{}", &wrong));
    assert!(said.starts_with("not mapped: it has neither"), "{said}");
}

#[test]
fn a_mapping_says_where_everything_stands() {
    let format = mapping(&[
        ("when", "message.kind == 'order'"),
        ("event", "'Order Completed'"),
        ("user_id", "message.customer.id"),
        ("anonymous_id", "message.customer.cookie"),
        ("message_id", "'order-' + string(message.no)"),
        ("timestamp", "message.when"),
        (
            "properties",
            "{'order_id': string(message.no), 'total': message.sum, 'items': message.lines}",
        ),
    ]);
    assert_eq!(
        outcome(&format, &record(ORDER.as_bytes(), &[])),
        "-10000 order-17 user:42 Order Completed {items.price: [19.9, 5], order_id: \"17\", total: 24.9}"
    );
    assert!(!format.wants_headers());
    for (message, expected) in [
        (r#"{"kind":"return"}"#, "PassedOver"),
        // What is not there makes the condition false.
        ("{}", "PassedOver"),
        ("[1]", "not mapped: `when`: "),
        // A place may be empty, a calculation not.
        (r#"{"kind":"order"}"#, "not mapped: `message_id`: there is no `no`"),
        (r#"{"kind":"order","no":1,"sum":2}"#, "not mapped: `properties`: there is no `lines`"),
        (r#"{"kind":"order","no":1,"sum":2,"lines":[]}"#, "no identifier: "),
        ("{", "not JSON: "),
        ("\"\\ud800\"", "not JSON: "),
    ] {
        let said = outcome(&format, &record(message.as_bytes(), &[]));
        assert!(said.starts_with(expected), "{message}: {said}");
    }
}

#[test]
fn a_mapping_sees_key_timestamp_and_headers() {
    let format = mapping(&[
        ("type", "'track'"),
        ("event", "headers['name']"),
        ("user_id", "key"),
        ("timestamp", "timestamp - 5000"),
        ("properties", "{'x': headers.?shop.orValue('none')}"),
    ]);
    assert!(format.wants_headers());
    let headers: [Header<'_>; 2] = [(b"name", Some(b"Thing")), (b"empty", None)];
    assert_eq!(outcome(&format, &record(b"{}", &headers)), "-5000  user:anna Thing {x: \"none\"}");
    let nobody = Record { key: Some(b"\xff"), ..record(b"{}", &headers) };
    assert!(outcome(&format, &nobody).starts_with("no identifier"));
}

/// Names of headers are bytes. What is not asked for does no harm.
#[test]
fn a_header_with_a_broken_name_is_refused_where_headers_are_read() {
    let broken: [Header<'_>; 3] =
        [(b"ce_type", Some(b"Thing")), (b"ce_subject", Some(b"user:u")), (b"caf\xe9", Some(b"1"))];
    let reads = mapping(&[("event", "headers['ce_type']"), ("user_id", "'u'")]);
    let said = outcome(&reads, &record(b"{}", &broken));
    assert_eq!(said, "not UTF-8: in the name of a header");
    let reads_not = mapping(&[("event", "'Thing'"), ("user_id", "'u'")]);
    for format in [Format::CloudEvents, reads_not] {
        assert_eq!(outcome(&format, &record(b"{}", &broken)), "0  user:u Thing {}");
    }
}

#[test]
fn what_json_does_not_have_is_refused() {
    for (field, expression, expected) in [
        ("properties", "[1]", "not mapped: `properties` is not an object but list"),
        ("properties", "{'x': b'1'}", "not mapped: `properties` holds bytes, which JSON has not"),
        (
            "properties",
            "{'x': 1.0 / 0.0}",
            "not mapped: `properties` holds a number without end, which JSON has not",
        ),
        ("when", "message", "not mapped: `when` is not true or false but map"),
        ("properties", "{'x': message.x / 0}", "PassedOver"),
        ("properties", "{1: 2}", "0  user:u Thing {}"),
        ("properties", "{'x': [true, null, {'y': message.?none}]}", "0  user:u Thing {x: [true]}"),
        ("properties", "{?'x': message.?none}", "0  user:u Thing {}"),
        ("traits", "message.?none.?deeper", "0  user:u Thing {}"),
        ("context", "{'timezone': 'Europe/Paris'}", "0  user:u Thing {} Europe/Paris"),
    ] {
        let mut fields = vec![("event", "'Thing'"), ("user_id", "'u'"), (field, expression)];
        if expected == "PassedOver" {
            fields.push(("when", "message.x > 0"));
        }
        assert_eq!(outcome(&mapping(&fields), &record(b"{}", &[])), expected, "{expression}");
    }
}

#[test]
fn a_longer_record_is_rejected_before_it_is_read() {
    let long = format!(r#"{{"kind":"{}"}}"#, "x".repeat(40_000));
    let format = mapping(&[("event", "'Thing'"), ("user_id", "'u'")]);
    let (decoder, _) = decoder_of(PACK);
    for (max, is_taken) in [(32 * 1024, false), (64 * 1024, true)] {
        let decoder = decoder.clone().with_line_bytes_max(max);
        let record = record(long.as_bytes(), &[]);
        let event = Adapter::new(format.clone()).event(&decoder, &record, Origin::default());
        match event {
            Ok(_) => assert!(is_taken),
            Err(NoEvent::Rejected(reject)) => {
                assert!(!is_taken);
                assert_eq!(reject.reason, crate::event::Reason::TooLong);
                assert_eq!(reject.bytes, long.len() as u64);
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn who_is_ignored_is_ignored_in_any_form() {
    let (decoder, _) = decoder_of("ignore: [ user:u, anonymous:b ]\nsessions: { gap: 30m }");
    let said = |format: Format, payload: &str| {
        let record = record(payload.as_bytes(), &[]);
        Adapter::new(format).event(&decoder, &record, Origin::default()).map(|event| event.leaf)
    };
    assert_eq!(said(Format::Segment, r#"{"event":"x","userId":"u"}"#), Err(NoEvent::Ignored));
    assert_eq!(said(Format::Segment, r#"{"event":"x","userId":"b"}"#), Ok("user:b".into()));
    let cloud = r#"{"specversion":"1.0","type":"x","subject":"anonymous:b"}"#;
    assert_eq!(said(Format::CloudEvents, cloud), Err(NoEvent::Ignored));
    let mapping = mapping(&[("event", "'x'"), ("user_id", "message")]);
    assert_eq!(said(mapping.clone(), "\"u\""), Err(NoEvent::Ignored));
    assert_eq!(said(mapping, "\"v\""), Ok("user:v".into()));
}

fn formats() -> Vec<Format> {
    vec![
        Format::Segment,
        Format::CloudEvents,
        mapping(&[
            ("when", "message.kind != 'return'"),
            ("event", "message.event"),
            ("user_id", "message.userId"),
            ("message_id", "message.lines.map(l, string(l.sku)).join(',')"),
            ("timestamp", "message.when + 1"),
            ("properties", "message.properties"),
            ("traits", "{'all': message}"),
        ]),
    ]
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>()
            .prop_filter("JSON has no others", |n| n.is_finite())
            .prop_map(|n| n.to_string()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).expect("a text")),
    ];
    let name = prop::sample::select(vec![
        "kind",
        "event",
        "userId",
        "lines",
        "when",
        "properties",
        "type",
        "data",
        "specversion",
        "id",
        "subject",
        "sku",
        "timestamp",
    ]);
    leaf.prop_recursive(5, 40, 8, move |inner| {
        let member = (name.clone(), inner.clone()).prop_map(|(n, v)| format!("\"{n}\":{v}"));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 0..8).prop_map(|m| format!("{{{}}}", m.join(","))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// `outcome` holds what comes out to what went in; here only that something comes out.
    #[test]
    fn any_json_becomes_an_event_or_says_why(text in json(), subject in any::<Vec<u8>>()) {
        let headers: [Header<'_>; 2] = [(b"ce_type", Some(b"Thing")), (b"ce_subject", Some(&subject))];
        for format in formats() {
            prop_assert!(!outcome(&format, &record(text.as_bytes(), &[])).is_empty());
            prop_assert!(!outcome(&format, &record(text.as_bytes(), &headers)).is_empty());
        }
    }

    #[test]
    fn any_bytes_become_an_event_or_say_why(bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut order = ORDER.as_bytes().to_vec();
        let at = at.index(order.len());
        order[at] = byte;
        for format in formats() {
            for payload in [&bytes, &order] {
                prop_assert!(!outcome(&format, &record(payload, &[])).is_empty());
            }
        }
    }
}
