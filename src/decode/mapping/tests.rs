//! What is said about expressions that cannot be meant: `field at..end: message | hint`.

use super::*;

fn said(written: &[(&str, &str)]) -> Vec<String> {
    let wrong = Mapping::compile(written).expect_err("something is wrong");
    let text = |w: Wrong| {
        let hint = w.hint.map(|hint| format!(" | {hint}")).unwrap_or_default();
        format!("{} {}..{}: {}{hint}", w.field, w.at.start, w.at.end, w.message)
    };
    wrong.into_iter().map(text).collect()
}

#[test]
fn mistakes_are_said_with_their_places() {
    let cel = "write CEL, such as message.customer.id; a text is quoted: \"Order Completed\"";
    for (expression, expected) in [
        ("mesage.id", "0..6: there is no `mesage` | did you mean \"message\"?"),
        (
            "'a' + customer",
            "6..14: there is no `customer` | write message.customer, or \"customer\" if the text itself is meant",
        ),
        (
            "Order",
            "0..5: there is no `Order` | write message.Order, or \"Order\" if the text itself is meant",
        ),
        ("lower(message.id)", "0..5: there is no function lower() | write text.lowerAscii()"),
        ("message.id.trimm()", "11..16: there is no function trimm() | did you mean \"trim\"?"),
        ("message.list.map(key)", "13..16: map() is written otherwise | write list.map(x, …)"),
        (
            "message.list.map(x, y)",
            "20..21: there is no `y` | write message.y, or \"y\" if the text itself is meant",
        ),
    ] {
        assert_eq!(said(&[("event", expression)]), [format!("event {expected}")], "{expression}");
    }
    for (expression, expected) in [
        ("", "0..0: an expression is missing"),
        ("message.", "8..8: the expression ends too early"),
        ("Order Completed", "6..7: this is not an expression"),
        ("'ä' == (1", "10..10: the expression ends too early"),
        ("99999999999999999999", "0..1: the number is too large"),
    ] {
        assert_eq!(said(&[("when", expression)]), [format!("when {expected} | {cel}")]);
    }
    assert_eq!(
        said(&[("evnt", "'x'")]),
        ["evnt 0..0: there is no field `evnt` | did you mean \"event\"?"]
    );
    let deep = format!("{}1{}", "(".repeat(65), ")".repeat(65));
    assert_eq!(said(&[("event", &deep)]), ["event 0..0: more than 64 brackets inside one another"]);
    let long = format!("'{}'", "x".repeat(2_000));
    assert_eq!(
        said(&[("event", &long)]),
        ["event 0..0: the expression has more than 2000 characters"]
    );
    assert_eq!(said(&[("event", "a"), ("when", "b"), ("when", "lowr(c)")]).len(), 4);
}

#[test]
fn what_loops_and_libraries_name_is_known() {
    for expression in [
        "message.lines.filter(l, l.sku != '').map(l, l.sku).join(' ')",
        "message.lines.exists(l, l.n > 1) ? 'a' : 'b'",
        "has(message.x) ? message.x : 'none'",
        "message.?a.?b.orValue('c').lowerAscii().trim().split(' ')[0]",
        "string(int(double('1.5'))) + headers['x'].replace('a', 'b') + key",
        "{'a': [size(message.l), timestamp]}.a[0] == 1",
        "'%s-%d'.format(['a', 1])",
    ] {
        assert!(Mapping::compile(&[("event", expression)]).is_ok(), "{expression}");
    }
}

#[test]
fn whole_numbers_stay_exact_and_members_are_sorted() {
    for (json, expected) in [
        (r#"{"b":1,"a":9223372036854775807,"b":2}"#, r#"{"a":9223372036854775807,"b":2}"#),
        (
            r#"[18446744073709551615,-5,19.90,1e3,true,null,"ä\n"]"#,
            r#"[18446744073709551615,-5,19.9,1000.0,true,null,"ä\n"]"#,
        ),
    ] {
        let value = value::parse(json).unwrap();
        let mut out = Vec::new();
        value::write(&mut out, &value).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
