//! Every form of a line, and what is said about wrong ones.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn clock_at(minute: u16) -> ClockSeconds {
    ClockSeconds { minute, second: 0 }
}

fn event(at: When, person: &str, call: Call, fields: &[(&str, Value)]) -> ScriptLine {
    let fields = fields.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
    ScriptLine::Event { at, late: false, person: person.to_owned(), call, fields }
}

fn track(name: &str) -> Call {
    Call::Track(name.to_owned())
}

#[test]
fn events_and_time() {
    let nine = When::Clock(clock_at(540));
    let day = When::Day { n: 2, clock: clock_at(540) };
    let date = jiff::civil::date(2026, 3, 29);
    let night = When::Date { date, clock: ClockSeconds { minute: 90, second: 5 } };
    for (line, expected) in [
        ("", ScriptLine::Blank),
        ("  # 09:00 anna", ScriptLine::Blank),
        (
            "09:00  anna  Order Completed  order_id=o1 total=119.99 gift=true n=007",
            event(
                nine,
                "anna",
                track("Order Completed"),
                &[
                    ("order_id", json!("o1")),
                    ("total", json!(119.99)),
                    ("gift", json!(true)),
                    ("n", json!("007")),
                ],
            ),
        ),
        ("day 2 09:00 anna X", event(day, "anna", track("X"), &[])),
        (
            "2026-03-29 01:30:05 anna identify address.city=\"New  York\" tags=[a,2, \"b c\"]",
            event(
                night,
                "anna",
                Call::Identify,
                &[("address.city", json!("New  York")), ("tags", json!(["a", 2, "b c"]))],
            ),
        ),
        (
            "+1d12h a page products=[{\"id\": \"p 1\"}] e=[] q=\"=\"",
            event(
                When::Plus(129_600_000),
                "a",
                Call::Page,
                &[("products", json!([{"id": "p 1"}])), ("e", json!([])), ("q", json!("="))],
            ),
        ),
        ("+0s", ScriptLine::Run { at: When::Plus(0) }),
        ("day 2 09:00", ScriptLine::Run { at: day }),
    ] {
        assert_eq!(parse_line(line), Ok(expected), "{line}");
    }
}

#[test]
fn expectations() {
    let decision = |verdict, template: &str, at, because: Option<&str>| Expectation::Decision {
        person: "anna".into(),
        verdict,
        channel: "email".into(),
        template: template.into(),
        at,
        because: because.map(Into::into),
    };
    let at = Some(When::Day { n: 1, clock: clock_at(640) });
    let fact = |value| Expectation::Fact { person: "anna".into(), fact: "ltv".into(), value };
    let segment =
        |inside| Expectation::Segment { person: "anna".into(), segment: "vip".into(), inside };
    let journey =
        |inside| Expectation::Journey { person: "anna".into(), journey: "x".into(), inside };
    for (line, expected) in [
        ("expect nothing", Expectation::Nothing),
        ("expect anna send email x", decision(Verdict::Send, "x", None, None)),
        ("expect anna send email x at day 1 10:40", decision(Verdict::Send, "x", at, None)),
        (
            "expect anna drop email x because cap sms 1 per day",
            decision(Verdict::Drop, "x", None, Some("cap sms 1 per day")),
        ),
        (
            "expect anna defer email x because quiet hours at day 1 10:40",
            decision(Verdict::Defer, "x", at, Some("quiet hours")),
        ),
        (
            "expect anna drop email x at day 1 10:40 because cap meet at noon",
            decision(Verdict::Drop, "x", at, Some("cap meet at noon")),
        ),
        ("expect anna in vip", segment(true)),
        ("expect anna not in vip", segment(false)),
        ("expect anna in journey x", journey(true)),
        ("expect anna not in journey x", journey(false)),
        ("expect fact anna ltv = 120", fact(Some(json!(120)))),
        ("expect fact anna ltv = \"a b\"", fact(Some(json!("a b")))),
        ("expect fact anna ltv missing", fact(None)),
    ] {
        assert_eq!(parse_line(line), Ok(ScriptLine::Expect(expected)), "{line}");
    }
}

const MISTAKES: &[(&str, &str)] = &[
    ("9:00 anna X", "\"9:00\" is not a clock time; write \"09:00\""),
    ("expct nothing", "unknown \"expct\"; did you mean \"expect\"?"),
    (
        "anna X",
        "expected a time such as 09:00, day 2 09:00, 2026-03-29 01:30 or +30m, found \"anna\"",
    ),
    ("day 0 09:00", "expected a day from 1 to 3650"),
    (
        "day 2 anna X",
        "\"anna\" is not a clock time; clock times are written 09:30, from 00:00 to 23:59",
    ),
    ("day 2", "expected a clock time such as 09:00, found the end of the line"),
    ("+30 anna X", "\"30\" is not a duration; write +30m or +1d12h"),
    ("09:00 price=3", "expected a person after the time, found price=3"),
    ("09:00 anna price=3", "expected the name of an event after anna"),
    ("09:00 anna page Home", "page takes only name=value after it; write name=\"…\""),
    (
        "09:00 anna X name=Anna Smith",
        "\"Smith\" has no name; a value with spaces is quoted: name=\"…\"",
    ),
    ("09:00 anna X a=1 a=2", "a stands here twice"),
    ("09:00 anna X a=1 a.b=2", "a.b and a cannot both have a value"),
    ("09:00 anna X a=", "a=… has no value; write \"\" for an empty text"),
    ("09:00 anna X a=\"x", "a=… is never closed"),
    ("09:00 anna X a=[1,,2]", "a=[1,,2] is not a list"),
    ("09:00 anna X a=\"x\"y", "a=\"x\" is followed by \"y\" without a space"),
    ("09:00 anna alias berta", "alias takes only name=value after it; write name=\"…\""),
    ("expect", "expected what? write expect nothing, or expect anna send …"),
    ("expect nothing else", "unexpected \"else\" at the end of the line"),
    ("expect anna sent email x", "cannot expect \"sent\" of anna; did you mean \"send\"?"),
    ("expect anna send email", "expected a channel and a template"),
    ("expect anna send email x at +1h", "expected a time such as day 1 10:40 after \"at\""),
    (
        "expect anna send email x because of me",
        "a send has no reason; only drop and defer have one",
    ),
    ("expect anna drop email x because", "expected a reason after \"because\""),
    ("expect anna in", "expected a segment, or \"journey\" and its name"),
    ("expect fact anna ltv 120", "expected ltv = value or ltv missing"),
];

#[test]
fn mistakes() {
    for (line, expected) in MISTAKES {
        assert_eq!(parse_line(line), Err((*expected).to_owned()), "{line}");
    }
}

const PIECES: &str = "(\\PC|expect |anna |09:00 |day 2 |\\+|a=|\"|\\[|\\]|\\{|,| at | because |\
    fact |= ){0,12}";

proptest! {
    #[test]
    fn any_line_has_an_answer(line in PIECES) {
        let _ = parse_line(&line);
    }
}
