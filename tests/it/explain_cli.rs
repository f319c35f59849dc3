//! `kairos explain` as people have it: its page, its errors, its exit codes.

use std::path::Path;
use std::process::{Command, Output, Stdio};

const RETAIL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/dataflows/retail");

fn run(folder: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kairos"));
    command.current_dir(folder).stdin(Stdio::null()).args(line.split_whitespace());
    command.output().unwrap()
}

/// Standard output and standard error of a run that ends with this code.
fn ends(folder: &Path, code: i32, line: &str) -> (String, String) {
    let output = run(folder, line);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{line}\n{error}\n{out}");
    (out, error)
}

#[test]
fn it_is_read_in_a_terminal_of_eighty_columns() {
    let dir = tempfile::tempdir().unwrap();
    ends(
        dir.path(),
        0,
        "generate --events 4000 --customers 20 --seed 3 --over 5d --out events.jsonl",
    );
    let of = |person: &str, more: &str| {
        format!("explain {person} --pack {RETAIL} --in events.jsonl {more}")
    };
    let mut seen = String::new();
    for customer in 0..20 {
        let output = run(dir.path(), &of(&format!("user:c{}", 1_000_000 + customer), ""));
        let text = String::from_utf8(output.stdout).unwrap();
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        }
        seen += &text;
    }
    for part in [
        "Europe/Warsaw",
        "abandoned-cart cart-",
        "email cart-reminder: send",
        "HOLDS   ",
        "not asked: ",
        "passes  cap 3 over 7d: ",
        "time passes",
        "\nAs of 2026-",
    ] {
        assert!(seen.contains(part), "{part} is missing in:\n{seen}");
    }
    let (json, _) = ends(dir.path(), 0, &of("user:c1000001", "--json --journey welcome"));
    let said: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(said["person"], "user:c1000001");
    assert_eq!(said["answer"]["journey"], "welcome");
    // Of several persons each is told as if it had been asked about alone.
    let (both, _) =
        ends(dir.path(), 0, &of("user:c1000007 user:c1000001", "--json --journey welcome"));
    let each: Vec<serde_json::Value> =
        both.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(each.len(), 2);
    assert_eq!(each[0]["person"], "user:c1000007");
    assert_eq!(each[1], said);
}

#[test]
fn what_cannot_be_explained_is_said_clearly() {
    let dir = tempfile::tempdir().unwrap();
    let events = r#"{"type":"track","event":"Product Added","userId":"anna","timestamp":"2026-03-02T09:00:00Z","properties":{"cart_id":"c1","product_id":"p1","price":50}}
{"type":"track","event":"Product Added","userId":"bert","timestamp":"2026-03-02T11:00:00Z","properties":{"cart_id":"c1","product_id":"p1","price":50}}
"#;
    std::fs::write(dir.path().join("events.jsonl"), events).unwrap();
    let of = |more: &str| format!("explain --pack {RETAIL} {more}");
    for (code, line, message, hint) in [
        (
            2,
            of("user:anna user:bert --at 2026-03-02T12:00:00Z --in events.jsonl"),
            "--at is asked of one person",
            "",
        ),
        (
            1,
            of("user:nobody --in events.jsonl"),
            "nothing is known of user:nobody",
            "with their kind: user:42",
        ),
        (
            1,
            of("user:anna --journey abandonned-cart --in events.jsonl"),
            "there is no journey abandonned-cart",
            "did you mean \"abandoned-cart\"?",
        ),
        (
            1,
            of("user:anna --at 2026-03-02T08:59:59Z --in events.jsonl"),
            "the input begins at 2026-03-02T09:00:00.000Z",
            "",
        ),
        (
            1,
            of("user:bert --at 2026-03-02T10:00:00Z --in events.jsonl"),
            "nothing was known of user:bert at 2026-03-02T10:00:00.000Z: their first event is at 2026-03-02T11:00:00.000Z",
            "",
        ),
        (2, of("anna --in events.jsonl"), "write user:anna", ""),
        (2, of("user: --in events.jsonl"), "nothing is behind its kind; write it whole", ""),
        (2, of("user:anna"), "--in <FILE>...", ""),
        (2, of("user:anna --config kafka.toml"), "cannot be used with", ""),
        (2, "explain user:anna --config kafka.toml --slack 1s".into(), "cannot be used with", ""),
        (1, "explain user:anna --config kafka.toml".into(), "kafka.toml", ""),
        (2, of("user:anna --in -"), "the input is read more than once", "write it to a file first"),
        (3, of("user:anna --in nothing.jsonl"), "cannot read nothing.jsonl", ""),
    ] {
        let (_, error) = ends(dir.path(), code, &line);
        assert!(error.contains(message) && error.contains(hint), "{line}\n{error}");
    }
    // Beyond the input it is said that nothing more is known to happen.
    let (told, _) =
        ends(dir.path(), 0, &of("user:anna --at 2026-03-03T09:00:00Z --in events.jsonl"));
    assert!(told.contains("if nothing more happens"), "{told}");
    assert!(told.contains("email cart-reminder: send"), "{told}");
}

/// An identifier is spelled by whoever asks, and what happened before a merge bears the identifier of then.
#[test]
fn identifiers_are_understood_and_told_where_they_are_others_than_now() {
    let dir = tempfile::tempdir().unwrap();
    let line = |hour: u32, who: &str| {
        format!(
            r#"{{"type":"track","event":"A",{who},"messageId":"{hour}","timestamp":"2026-03-02T{hour}:00:00Z"}}"#
        ) + "\n"
    };
    let (anonymous, email) =
        (r#""anonymousId":"a""#, r#""properties":{"email":" Anna@Example.com"}"#);
    let both = format!(r#""userId":"u",{anonymous},{email}"#);
    let events = line(10, anonymous) + &line(11, &both) + &line(12, r#""userId":"u""#);
    std::fs::write(dir.path().join("events.jsonl"), events).unwrap();
    let pack = "identity: { identifiers: [user, email, anonymous] }
policy: { gap: { min: 1h } }
journeys:
  j: { enter: { on: A, again: always }, steps: [ { send: { channel: email, template: t } } ] }
";
    std::fs::write(dir.path().join("pack.yaml"), pack).unwrap();
    let of = |person: &str| {
        let line = format!("explain {person} --pack pack.yaml --in events.jsonl");
        ends(dir.path(), 0, &line).0
    };
    let told = of("user:u");
    assert_eq!(of("email:ANNA@example.com"), told);
    let events: Vec<&str> = told.lines().filter(|line| line.contains("events.jsonl:")).collect();
    assert!(events[0].contains("10:00 ") && events[0].ends_with(" as anonymous:a"), "{told}");
    assert!(!events[2].contains(" as "), "{told}");
    // Who has come to the end is at no step, and what a gap remembers need be in no cap.
    assert!(told.contains("j: exited at the end, finished"), "{told}");
    assert!(told.contains("email t (j)\n") && !told.contains("in cap"), "{told}");
}
