//! The attributes at the beginning of a line in structured mode: written by the formatter, and found again where a line
//! becomes a record of a topic. Both ways stand here, so that reading can be cutting at known places.

use super::format::text as write_text;
use crate::time;
use memchr::memchr;
use std::borrow::Cow;

const BEFORE_ID: &[u8] = b"{\"specversion\":\"1.0\",\"id\":\"";
const BEFORE_KIND: &[u8] = b"\",\"source\":\"kairos\",\"type\":\"";
const BEFORE_TIME: &[u8] = b"\",\"time\":\"";
const BEFORE_SUBJECT: &[u8] = b"\",\"subject\":";
const BEFORE_DATA: &[u8] = b",\"datacontenttype\":\"application/json\",\"data\":";

/// The type of a line that says that nothing is known any more; on a compacted topic it is a tombstone.
pub(super) const GONE: &str = "segment.gone";

/// The source of everything that goes out.
pub(super) const SOURCE: &[u8] = b"kairos";

/// What a line says of itself.
#[derive(Debug, PartialEq)]
pub(super) struct Head<'a> {
    pub id: &'a [u8],
    pub kind: &'a [u8],
    pub time: &'a [u8],
    pub subject: Cow<'a, str>,
    /// The value of `data`.
    pub data: &'a [u8],
}

/// Begins a line, up to where the value of `data` goes.
pub(super) fn write(out: &mut Vec<u8>, id: u128, kind: &str, at: i64, subject: &str) {
    out.extend_from_slice(BEFORE_ID);
    let mut digits = [0; 32];
    let pairs = digits.chunks_exact_mut(2).zip(id.to_be_bytes());
    pairs.for_each(|(pair, byte)| pair.copy_from_slice(&hex(byte)));
    out.extend_from_slice(&digits);
    out.extend_from_slice(BEFORE_KIND);
    out.extend_from_slice(b"kairos.");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(BEFORE_TIME);
    time::write(out, at);
    out.extend_from_slice(BEFORE_SUBJECT);
    write_text(out, subject);
    out.extend_from_slice(BEFORE_DATA);
}

/// Reads a line (without its line feed) that [`write`] has begun and a brace has closed; `None` of any other.
pub(super) fn read(line: &[u8]) -> Option<Head<'_>> {
    let (id, rest) = until_quote(line.strip_prefix(BEFORE_ID)?)?;
    let (kind, rest) = until_quote(rest.strip_prefix(BEFORE_KIND)?)?;
    let (time, rest) = until_quote(rest.strip_prefix(BEFORE_TIME)?)?;
    let (subject, rest) = text(rest.strip_prefix(BEFORE_SUBJECT)?)?;
    let data = rest.strip_prefix(BEFORE_DATA)?.strip_suffix(b"}")?;
    Some(Head { id, kind, time, subject, data })
}

/// What is before the next quotation mark, and what is from there on.
fn until_quote(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    memchr(b'"', bytes).map(|at| bytes.split_at(at))
}

impl Head<'_> {
    /// Whether it takes back what was kept under its key.
    pub(super) fn is_gone(&self) -> bool {
        self.kind.strip_prefix(b"kairos.") == Some(GONE.as_bytes())
    }
}

/// A JSON text at the beginning of bytes, and what follows it. Most have no escapes.
pub(super) fn text(bytes: &[u8]) -> Option<(Cow<'_, str>, &[u8])> {
    let (plain, rest) = until_quote(bytes.strip_prefix(b"\"")?)?;
    if memchr(b'\\', plain).is_none() {
        return Some((Cow::Borrowed(std::str::from_utf8(plain).ok()?), &rest[1..]));
    }
    let mut texts = serde_json::Deserializer::from_slice(bytes).into_iter::<String>();
    let text = texts.next()?.ok()?;
    Some((Cow::Owned(text), &bytes[texts.byte_offset()..]))
}

/// Two digits.
pub(super) fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again() {
        for subject in ["user:42", "user:\"a\\b\"\u{1}", "anonymous:żółw", ""] {
            let mut line = Vec::new();
            write(&mut line, 0xAB, "decision", 1_772_442_000_123, subject);
            line.extend_from_slice(b"{\"a\":1}}");
            let head = read(&line).unwrap();
            assert_eq!(head.id, b"000000000000000000000000000000ab");
            assert_eq!(head.kind, b"kairos.decision");
            assert_eq!(head.time, time::format(1_772_442_000_123).as_bytes());
            assert_eq!(head.subject, subject);
            assert_eq!(head.data, b"{\"a\":1}");
            // It is the JSON that anybody would read.
            let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
            assert_eq!(value["subject"], subject);
            for end in 0..line.len() {
                let cut = read(&line[..end]);
                assert!(cut.is_none_or(|head| head.data != b"{\"a\":1}"), "{end}");
            }
        }
        assert_eq!(read(b"{\"topic\":\"events\",\"raw\":\"{\\\"specversion\\\":1}\"}"), None);
    }
}
