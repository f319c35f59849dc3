//! What an event is beside its properties: the call, who, when, which message, which page.

use super::*;

/// Who asks for it, or whoever is named; whom nobody can mean is nobody.
#[test]
fn requests_for_erasure() {
    const ASKED: &str = r#""type":"track","event":"Person Erased""#;
    let nobody =
        "no identifier: `identifier` is not written with a kind that the pack knows, as in user:42";
    members(&[
        (ASKED, "user:u Person Erased {}"),
        (r#""type":"delete""#, "user:u Person Erased {}"),
    ]);
    properties(
        ASKED,
        &[
            (r#"{"identifier":"user:7"}"#, "user:7 Person Erased {identifier: \"user:7\"}"),
            (
                r#"{"identifier":" anonymous:a "}"#,
                "anonymous:a Person Erased {identifier: \" anonymous:a \"}",
            ),
            (r#"{"identifier":"u7"}"#, nobody),
            (r#"{"identifier":"user:"}"#, nobody),
            (r#"{"identifier":"user:null"}"#, nobody),
            (r#"{"identifier":"email:a@b.pl"}"#, nobody),
            (r#"{"identifier":7}"#, nobody),
        ],
    );
    let (decoder, _) = decoder_of("identity: { identifiers: [user, email, anonymous] }");
    let named = |id: &str| {
        let line = format!(
            r#"{{"event":"Person Erased","timestamp":"2026-03-02T09:00:00Z","properties":{{"identifier":"{id}"}}}}"#
        );
        decoder.decode(line.as_bytes(), Origin::default()).map(|event| (event.leaf, event.says))
    };
    let erased = |id: &str| Ok((id.into(), crate::event::Says::Erased));
    assert_eq!(named("email: Anna@B.pl"), erased("email:anna@b.pl"), "one spelling");
    assert_eq!(named("anonymous:a"), erased("anonymous:a"));
    assert!(named("email:anna").is_err() && named("card:7").is_err());
}

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
