//! A proper line in, a malformed one out: what a pipeline meets in production and must survive.

use crate::sim::rng::Rng;

/// The longest line that a reader has to accept; an oversized one is longer.
const LINE_MAX: usize = 32 * 1024;
/// Deeper than any JSON reader should follow.
const NESTING: usize = 200;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformation {
    BrokenJson,
    InvalidUtf8,
    MissingIdentifiers,
    MissingTimestamp,
    Year1970,
    Year9999,
    Oversized,
    TooDeep,
    NumberOutOfRange,
    WrongType,
}

impl Malformation {
    /// All of them, each at the place of its own number.
    pub const ALL: [Malformation; 10] = [
        Malformation::BrokenJson,
        Malformation::InvalidUtf8,
        Malformation::MissingIdentifiers,
        Malformation::MissingTimestamp,
        Malformation::Year1970,
        Malformation::Year9999,
        Malformation::Oversized,
        Malformation::TooDeep,
        Malformation::NumberOutOfRange,
        Malformation::WrongType,
    ];

    /// The name under which it is counted.
    pub fn name(self) -> &'static str {
        match self {
            Malformation::BrokenJson => "broken JSON",
            Malformation::InvalidUtf8 => "invalid UTF-8",
            Malformation::MissingIdentifiers => "missing identifiers",
            Malformation::MissingTimestamp => "missing timestamp",
            Malformation::Year1970 => "timestamp in 1970",
            Malformation::Year9999 => "timestamp in 9999",
            Malformation::Oversized => "oversized line",
            Malformation::TooDeep => "too deep nesting",
            Malformation::NumberOutOfRange => "number out of range",
            Malformation::WrongType => "wrong type",
        }
    }

    /// Spoils the line that begins at `from` and ends with the buffer. It stays one line.
    pub fn apply(self, out: &mut Vec<u8>, from: usize, rng: &mut Rng) {
        let length = out.len() - from;
        match self {
            Malformation::BrokenJson => {
                out.truncate(from + 1 + rng.below(length as u64 - 4) as usize);
                out.push(b'\n');
            }
            Malformation::InvalidUtf8 => {
                if let Some((start, _)) = member(&out[from..], "messageId") {
                    // 0xFF is no part of any character.
                    out[from + start + "\"messageId\":\"".len()] = 0xFF;
                }
            }
            Malformation::MissingIdentifiers => {
                replace(out, from, "userId", "");
                replace(out, from, "anonymousId", "");
            }
            Malformation::MissingTimestamp => replace(out, from, "timestamp", ""),
            Malformation::Year1970 => {
                replace(out, from, "timestamp", r#""timestamp":"1970-01-01T00:00:00.000Z","#);
            }
            Malformation::Year9999 => {
                replace(out, from, "timestamp", r#""timestamp":"9999-12-31T23:59:59.999Z","#);
            }
            Malformation::Oversized => {
                let padding = LINE_MAX + rng.below(LINE_MAX as u64) as usize;
                insert(out, from, &format!(r#""note":"{}","#, "x".repeat(padding)));
            }
            Malformation::TooDeep => {
                let (open, close) = ("[".repeat(NESTING), "]".repeat(NESTING));
                insert(out, from, &format!(r#""nested":{open}{close},"#));
            }
            Malformation::NumberOutOfRange => insert(out, from, r#""value":1e999,"#),
            Malformation::WrongType => {
                let (name, value) = *rng.pick(&[
                    ("timestamp", r#""timestamp":true,"#),
                    ("type", r#""type":["track"],"#),
                    ("messageId", r#""messageId":{"id":7},"#),
                ]);
                replace(out, from, name, value);
            }
        }
    }
}

/// Where the first member of that name with a text for its value stands, the comma included.
fn member(line: &[u8], name: &str) -> Option<(usize, usize)> {
    let key = format!("\"{name}\":\"");
    let start = memchr::memmem::find(line, key.as_bytes())?;
    let value = start + key.len();
    let end = value + memchr::memmem::find(&line[value..], b"\",")? + 2;
    Some((start, end))
}

fn replace(out: &mut Vec<u8>, from: usize, name: &str, by: &str) {
    if let Some((start, end)) = member(&out[from..], name) {
        out.splice(from + start..from + end, by.bytes());
    }
}

/// Puts a member (with its comma) at the beginning of the line's object.
fn insert(out: &mut Vec<u8>, from: usize, member: &str) {
    out.splice(from + 1..from + 1, member.bytes());
}
