//! Hand-checked cases of the fine print: a pack, input, and everything that must come of it. They
//! are about the language, not about this implementation of it: whatever runs packs can be held
//! to them.

use super::Options;
use crate::define::ast::{Pack, SourceFile};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The files of cases; each says in its head how cases are written.
const FILES: [(&str, &str); 4] = [
    ("facts", include_str!("cases/facts.txt")),
    ("time", include_str!("cases/time.txt")),
    ("journeys", include_str!("cases/journeys.txt")),
    ("policy", include_str!("cases/policy.txt")),
];

/// One case.
pub struct Case {
    pub name: String,
    pub pack: Pack,
    pub lines: Vec<Vec<u8>>,
    pub options: Options,
    /// All records, with seconds left out where they are zero.
    pub records: Vec<String>,
    /// Person, fact and its text at the end.
    pub facts: Vec<(String, String, String)>,
}

/// All cases.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for (file, text) in FILES {
        let mut parts = text.split("\n== ");
        parts.next();
        for part in parts {
            let (name, rest) = part.split_once('\n').expect("a case has lines");
            cases.push(read(&format!("{file}: {name}"), rest));
        }
    }
    cases
}

/// The parsed pack of a YAML text.
///
/// # Panics
/// If the text has mistakes.
pub fn pack(name: &str, text: &str) -> Pack {
    let file = SourceFile { path: "pack.yaml".to_string(), text: text.into() };
    let (pack, mistakes) = crate::define::parse::parse(&[file]);
    assert!(mistakes.is_empty(), "{name}\n{text}\n{mistakes:?}");
    pack
}

/// A record without the seconds of times where they are zero.
pub fn shorten(record: &str) -> String {
    record.replace(":00.000Z", "")
}

fn read(name: &str, text: &str) -> Case {
    let [yaml, input, output] = text.split("\n--\n").collect::<Vec<_>>()[..] else {
        panic!("{name}: a case has three parts");
    };
    let mut case = Case {
        name: name.to_string(),
        pack: pack(name, yaml),
        lines: Vec::new(),
        options: Options {
            slack_ms: 60_000,
            epoch_ms: 1_000,
            dedup_horizon_ms: 86_400_000,
            until: None,
        },
        records: Vec::new(),
        facts: Vec::new(),
    };
    for line in input.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix("until ") {
            Some(time) => case.options.until = Some(instant(time)),
            None => {
                let (times, line) = repeated(line);
                case.lines.extend((0..times).map(|_| event(line).into_bytes()));
            }
        }
    }
    for line in output.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix("fact ") {
            Some(rest) => {
                let (left, value) = rest.split_once(" = ").expect("fact PERSON NAME = VALUE");
                let (person, fact) = left.split_once(' ').expect("fact PERSON NAME = VALUE");
                case.facts.push((person.to_string(), fact.to_string(), value.to_string()));
            }
            None => {
                let (times, line) = repeated(line);
                case.records.extend((0..times).map(|_| line.to_string()));
            }
        }
    }
    case.records.sort();
    case
}

/// A line and how often it stands there: `64 …`.
fn repeated(line: &str) -> (usize, &str) {
    let counted = line.split_once(' ').and_then(|(n, rest)| Some((n.parse().ok()?, rest)));
    counted.unwrap_or((1, line))
}

/// `2026-03-02T09:00` with seconds or without, in UTC.
fn instant(text: &str) -> i64 {
    let time: jiff::civil::DateTime = text.parse().unwrap_or_else(|_| panic!("no time: {text}"));
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).expect("UTC has every time");
    time.timestamp().as_millisecond()
}

/// `TIME PERSON EVENT name=value …`; `@name=value` sets a field of the envelope. JSON as it is.
fn event(line: &str) -> String {
    if line.starts_with('{') {
        return line.to_string();
    }
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let time = instant(words.next().unwrap_or_default());
    let person = words.next().unwrap_or_default();
    let (mut name, mut fields) = (Vec::new(), BTreeMap::new());
    for word in words {
        match word.split_once('=') {
            Some((field, value)) => fields.insert(field, value),
            None => {
                name.push(word);
                None
            }
        };
    }
    let (name, body) = (name.join(" "), "properties");
    let mut json = match name.as_str() {
        "identify" | "group" => json!({ "type": name, "traits": {} }),
        "page" | "screen" | "alias" => json!({ "type": name }),
        _ => json!({ "type": "track", "event": name }),
    };
    json["userId"] = json!(person);
    json["timestamp"] = json!(time);
    let body = if json.get("traits").is_some() { "traits" } else { body };
    for (field, value) in fields {
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        match field.strip_prefix('@') {
            Some(field) => put(&mut json, field, value),
            None => put(&mut json, &format!("{body}.{field}"), value),
        }
    }
    json.to_string()
}

fn put(json: &mut Value, path: &str, value: Value) {
    match path.split_once('.') {
        Some((first, rest)) => put(&mut json[first], rest, value),
        None => json[path] = value,
    }
}
