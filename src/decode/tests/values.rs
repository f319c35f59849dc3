//! What becomes of values: types, exact numbers, paths and lists, traits and consents, declared types, amounts.

use super::*;

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
}
