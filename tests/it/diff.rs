//! `kairos diff`: a pack and itself decide alike; each kind of difference is shown for a pair of packs made for it.

use crate::cli::{fails, well, with_events};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const POLICY: &str = "policy:\n  consent: [ { channel: email, category: c, default: granted } ]\n";

/// A journey with a wait and a message, and what is said of its message.
fn journey(wait: &str, message: &str) -> String {
    format!(
        "facts:\n  views: {{ count: Product Viewed }}\n\
         journeys:\n  cart:\n    enter: {{ on: Product Added, per: cart_id }}\n    \
         exit: [ {{ on: Order Completed, goal: true }} ]\n    steps:\n      - wait: {wait}\n      \
         - send: {{ channel: email, template: reminder{message} }}\n      - wait: 10d\n"
    )
}

fn event(at: &str, who: &str, event: &str, properties: &str) -> String {
    format!(
        "{{\"type\":\"track\",\"event\":\"{event}\",\"messageId\":\"{at}{who}{event}\",\"userId\":\"{who}\",\
         \"timestamp\":\"2026-03-{at}:00Z\",\"properties\":{properties}}}\n"
    )
}

/// Two packs and what somebody does; the difference in JSON.
fn differ(a: &str, b: &str, events: &[String], more: &str) -> (Value, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    fs::write(path.join("a.yaml"), a).unwrap();
    fs::write(path.join("b.yaml"), b).unwrap();
    fs::write(path.join("events.jsonl"), events.concat()).unwrap();
    let line = format!("diff a.yaml b.yaml --in events.jsonl {more}");
    let said = serde_json::from_str(&well(path, &format!("{line} --json"))).unwrap();
    (said, well(path, &line))
}

fn cart() -> Vec<String> {
    vec![
        event("02T09:00", "anna", "Product Viewed", "{}"),
        event("02T10:00", "anna", "Product Added", "{\"cart_id\":\"c1\"}"),
        event("03T10:00", "bert", "Product Viewed", "{}"),
    ]
}

/// The one difference that there is.
fn case(said: &Value) -> Value {
    let all = said["differences"].as_array().unwrap();
    assert_eq!(all.len(), 1, "{said:#}");
    let mut case = all[0].clone();
    case.as_object_mut().unwrap().remove("examples");
    case
}

fn expected(kind: &str, a: &str, b: &str) -> Value {
    json!({"journey": "cart", "difference": kind, "a": a, "b": b, "messages": 1})
}

#[test]
fn a_pack_and_itself_decide_alike() {
    let dir = with_events(10_000);
    for workers in [1, 2] {
        let line = format!("diff RETAIL RETAIL --in events.jsonl --workers {workers}");
        let told = well(dir.path(), &line);
        assert!(told.contains("\nno difference: "), "{told}");
        assert!(!told.contains(" are sent alike, 0 ") && !told.contains(": 0 messages"), "{told}");
        let said: Value =
            serde_json::from_str(&well(dir.path(), &format!("{line} --json"))).unwrap();
        assert_eq!(said["differences"], json!([]));
        assert_eq!(said["takes_effect"]["definitions"], json!([]));
        for open in said["open"].as_array().unwrap() {
            assert_eq!(open["a"], open["b"]);
        }
        let then = said["takes_effect"]["instances"].as_array().unwrap();
        assert!(!then.is_empty());
        for it in then {
            assert_eq!(it["then"], "go on, the journey is the same");
            let name = &it["journey"];
            let open =
                said["open"].as_array().unwrap().iter().find(|open| open["journey"] == *name);
            assert_eq!(open.unwrap()["a"], it["instances"], "{name}");
        }
    }
}

#[test]
fn another_time_is_told_with_an_example() {
    let (a, b) = (journey("1h", "") + POLICY, journey("90m", "") + POLICY);
    let (said, told) = differ(&a, &b, &cart(), "");
    assert_eq!(case(&said), expected("sent at another time", "send", "send"));
    assert!(told.contains("  user:anna c1  email reminder\n    A  2026-03-02T11:00:00Z  send (step 2)\n    B  2026-03-02T11:30:00Z  send (step 2)\n"), "{told}");
    let (_, told) = differ(&a, &b, &cart(), "--examples 0");
    assert!(!told.contains("user:anna"), "{told}");
}

#[test]
fn who_is_sent_something_by_one_pack_only() {
    let a = journey("1h", "") + POLICY;
    let quiet = "  quiet_hours: { from: \"10:30\", to: \"15:00\", then: drop }\n";
    let b = format!("{a}{quiet}");
    let (said, _) = differ(&a, &b, &cart(), "");
    assert_eq!(case(&said), expected("sent only by A", "send", "drop: quiet hours"));
    let (said, _) = differ(&b, &a, &cart(), "");
    assert_eq!(case(&said), expected("sent only by B", "drop: quiet hours", "send"));
    // Never asked, because it was over before.
    let mut events = cart();
    events.insert(2, event("02T12:00", "anna", "Order Completed", "{}"));
    let (said, _) = differ(&a, &(journey("3h", "") + POLICY), &events, "");
    assert_eq!(case(&said), expected("sent only by A", "send", "not asked, ended before: goal"));
    let (said, _) = differ(&a, &a.replace("Product Added", "Basket Filled"), &events, "");
    assert_eq!(case(&said), expected("sent only by A", "send", "not entered"));
    let (said, _) = differ(&a, &a.replace("wait: 1h", "wait: 5d"), &cart(), "");
    assert_eq!(case(&said), expected("sent only by A", "send", "not asked, still open"));
    // The history goes on until the longer wait is over.
    let until = "--until 2026-03-20";
    let (said, _) = differ(&a, &a.replace("wait: 1h", "wait: 5d"), &cart(), until);
    assert_eq!(case(&said), expected("sent at another time", "send", "send"));
}

#[test]
fn what_is_held_for_another_reason_or_given_other_values() {
    let a = journey("1h", "") + POLICY;
    let denied = a.replace("default: granted", "default: denied");
    let quiet = format!("{a}  quiet_hours: {{ from: \"10:30\", to: \"15:00\", then: drop }}\n");
    let (said, _) = differ(&denied, &quiet, &cart(), "");
    assert_eq!(
        case(&said),
        expected("held for another reason", "drop: consent", "drop: quiet hours")
    );
    let with = |value: &str| journey("1h", &format!(", with: {{ n: {value} }}")) + POLICY;
    let (said, _) = differ(&with("views"), &with("views + 1"), &cart(), "");
    assert_eq!(case(&said), expected("sent with other values", "send", "send"));
    // Steps that come before it do not make it another message.
    let tagged = with("views").replace("      - send", "      - add_to: reminded\n      - send");
    let tagged = format!("segments: {{ reminded: list }}\n{tagged}");
    let (said, told) = differ(&with("views"), &tagged, &cart(), "");
    assert_eq!(said["differences"], json!([]), "{told}");
}

/// The second of two runs is the same message to both, though it is another one by number.
#[test]
fn runs_that_only_one_pack_has_do_not_shift_the_others() {
    let a = journey("1h", "").replace(", per: cart_id", "") + POLICY;
    let b = a.replace("on: Product Added", "on: Product Added, where: event.price >= 10");
    let events = [
        event("02T10:00", "anna", "Product Added", "{\"price\":5}"),
        event("02T12:00", "anna", "Order Completed", "{}"),
        event("03T10:00", "anna", "Product Added", "{\"price\":50}"),
        event("04T10:00", "anna", "page", "{}"),
    ];
    let (said, _) = differ(&a, &b, &events, "");
    assert_eq!(case(&said), expected("sent only by A", "send", "not entered"));
    assert_eq!(said["sent_alike"], 1);
}

#[test]
fn people_inside_a_journey_finish_follow_or_leave() {
    let a = journey("5d", "") + POLICY;
    let then = |b: &str| {
        let (said, told) = differ(&a, b, &cart(), "");
        let open = said["open"].as_array().unwrap().iter().find(|open| open["journey"] == "cart");
        assert_eq!(open.unwrap()["a"], 1, "{told}");
        said["takes_effect"]["instances"][0]["then"].as_str().unwrap().to_owned()
    };
    let changed = a.replace("wait: 10d", "wait: 9d");
    assert_eq!(then(&a), "go on, the journey is the same");
    assert_eq!(then(&changed), "finish under the old version");
    let follow = |pack: &str| pack.replace("    steps:", "    on_change: follow\n    steps:");
    assert_eq!(then(&follow(&changed)), "follow to the new version");
    let other = follow(&changed).replace("      - wait: 5d\n", "");
    assert_eq!(then(&other), "exit: changed");
    let gone = a.replace("  cart:", "  basket:");
    assert_eq!(then(&gone), "finish, the journey is gone");
}

#[test]
fn mistakes_and_arguments_that_cannot_be_meant() {
    let dir = tempfile::tempdir().unwrap();
    let path: &Path = dir.path();
    fs::write(path.join("events.jsonl"), "").unwrap();
    fs::write(path.join("good.yaml"), journey("1h", "") + POLICY).unwrap();
    fs::write(path.join("bad.yaml"), journey("1h", ", with: { n: veiws }") + POLICY).unwrap();
    for packs in ["good.yaml bad.yaml", "bad.yaml good.yaml"] {
        let said = fails(path, 1, &format!("diff {packs} --in events.jsonl"));
        assert!(said.contains("bad.yaml:9:") && said.contains("did you mean \"views\"?"), "{said}");
    }
    let said = fails(path, 2, "diff good.yaml good.yaml --in -");
    assert!(said.contains("standard input cannot be read twice"), "{said}");
    assert!(well(path, "diff good.yaml good.yaml --in events.jsonl").contains("no difference: 0 "));
}
