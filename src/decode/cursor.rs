//! A cursor over JSON text: strict RFC 8259 in one pass, giving slices of the text and copying nothing.
//!
//! It exists because a general reader turns fractions into binary floating point, cannot be told to count nesting, and
//! refuses or takes half a surrogate pair depending on whether anybody reads the string. It never panics on any text
//! and never recurses deeper than [`NESTING_MAX`]. What it takes is what `serde_json` takes; a property test holds it
//! to that.

use crate::limits::NESTING_MAX;
use std::borrow::Cow;

/// Why reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Syntax,
    TooDeep,
    /// It is JSON, but not what a line has to be.
    NotAnObject,
}

/// A string as it stands between its quotes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

/// A value that is no more than one token, or that it is more.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Scalar<'a> {
    #[default]
    Null,
    Bool(bool),
    /// The number as it is written.
    Number(&'a str),
    Text(Text<'a>),
    /// An object or array, skipped.
    Compound,
}

/// A place in JSON text.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// Just behind an opening bracket, where no comma may come.
    fresh: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Cursor<'a> {
        Cursor { text, at: 0, depth: 0, fresh: false }
    }

    /// The first byte that is not white space, not yet taken; 0 at the end.
    #[inline]
    pub(super) fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return byte;
            }
            self.at += 1;
        }
        0
    }

    /// Fails unless nothing but white space is left.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        self.peek();
        if self.at == self.text.len() { Ok(()) } else { Err(Fault::Syntax) }
    }

    /// Takes the opening bracket that [`Cursor::peek`] has shown.
    #[inline]
    pub(super) fn open(&mut self) -> Result<(), Fault> {
        if self.depth == NESTING_MAX {
            return Err(Fault::TooDeep);
        }
        self.at += 1;
        self.depth += 1;
        self.fresh = true;
        Ok(())
    }

    /// Inside an object: the key of its next member, whose value comes next; `None` behind its end.
    #[inline]
    pub(super) fn key(&mut self) -> Result<Option<Text<'a>>, Fault> {
        if !self.more(b'}')? {
            return Ok(None);
        }
        if self.peek() != b'"' {
            return Err(Fault::Syntax);
        }
        let key = self.string()?;
        if self.peek() != b':' {
            return Err(Fault::Syntax);
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Inside an array: whether another element comes next; false behind its end.
    #[inline]
    pub(super) fn element(&mut self) -> Result<bool, Fault> {
        self.more(b']')
    }

    #[inline]
    fn more(&mut self, closing: u8) -> Result<bool, Fault> {
        let fresh = std::mem::replace(&mut self.fresh, false);
        match self.peek() {
            byte if byte == closing => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            b',' if !fresh => {
                self.at += 1;
                Ok(true)
            }
            _ if fresh => Ok(true),
            _ => Err(Fault::Syntax),
        }
    }

    /// The value that comes next; objects and arrays are passed over.
    #[inline]
    pub(super) fn scalar(&mut self) -> Result<Scalar<'a>, Fault> {
        match self.peek() {
            b'"' => self.string().map(Scalar::Text),
            b'-' | b'0'..=b'9' => self.number().map(Scalar::Number),
            b't' => self.word("true", Scalar::Bool(true)),
            b'f' => self.word("false", Scalar::Bool(false)),
            b'n' => self.word("null", Scalar::Null),
            b'{' => {
                self.open()?;
                while self.key()?.is_some() {
                    self.scalar()?;
                }
                Ok(Scalar::Compound)
            }
            b'[' => {
                self.open()?;
                while self.element()? {
                    self.scalar()?;
                }
                Ok(Scalar::Compound)
            }
            _ => Err(Fault::Syntax),
        }
    }

    /// Passes over the next value and gives its text.
    pub(super) fn skip(&mut self) -> Result<&'a str, Fault> {
        self.peek();
        let start = self.at;
        self.scalar()?;
        Ok(&self.text[start..self.at])
    }

    /// The text from a place, as [`Cursor::place`] gave it, to here.
    pub(super) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    pub(super) fn place(&self) -> usize {
        self.at
    }

    fn word(&mut self, word: &str, value: Scalar<'a>) -> Result<Scalar<'a>, Fault> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(Fault::Syntax)
        }
    }

    fn number(&mut self) -> Result<&'a str, Fault> {
        let bytes = self.text.as_bytes();
        let at = |place: usize| bytes.get(place).copied().unwrap_or(0);
        let digits = |from: usize| {
            let count = bytes[from..].iter().take_while(|b| b.is_ascii_digit());
            match count.count() {
                0 => Err(Fault::Syntax),
                count => Ok(from + count),
            }
        };
        let start = self.at;
        let mut end = start + usize::from(at(start) == b'-');
        let leading_zero = at(end) == b'0';
        end = if leading_zero { end + 1 } else { digits(end)? };
        if at(end) == b'.' {
            end = digits(end + 1)?;
        }
        if matches!(at(end), b'e' | b'E') {
            end += 1 + usize::from(matches!(at(end + 1), b'+' | b'-'));
            end = digits(end)?;
        }
        self.at = end;
        Ok(&self.text[start..end])
    }

    /// The string whose opening quote comes next.
    #[inline]
    fn string(&mut self) -> Result<Text<'a>, Fault> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut escaped = false;
        let mut at = plain(bytes, start);
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at = plain(bytes, escape(bytes, at + 1)?);
                }
                _ => return Err(Fault::Syntax),
            }
        }
        self.at = at + 1;
        let raw = &self.text[start..at];
        Ok(Text { raw, escaped })
    }
}

/// The place of the first byte from `at` on that is a quote, a backslash or a control character, or the end.
#[inline]
fn plain(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = ONES << 7;
    // Eight bytes at a time: a byte is zero, or below 0x20, if subtracting borrows from its top bit. A borrow can
    // also mark a byte above a true mark, never one below it, and only the lowest mark is looked at.
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word;
    while let Some(word) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes were taken"));
        let quote = is_zero(word ^ (ONES * b'"' as u64));
        let backslash = is_zero(word ^ (ONES * b'\\' as u64));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let marks = (quote | backslash | control) & TOPS;
        if marks != 0 {
            return at + marks.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        at += 1;
    }
    at
}

/// The place behind an escape whose backslash stands before `at`.
fn escape(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    match bytes.get(at) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 1),
        Some(b'u') => match bytes.get(at + 1..at + 5) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(at + 5),
            _ => Err(Fault::Syntax),
        },
        _ => Err(Fault::Syntax),
    }
}

impl<'a> Text<'a> {
    pub(super) fn is_empty(self) -> bool {
        self.raw.is_empty()
    }

    /// The text with its escapes resolved. Half a surrogate pair, which cutting a text in JavaScript leaves behind,
    /// becomes U+FFFD.
    pub(super) fn get(self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(unescape(self.raw)) } else { Cow::Borrowed(self.raw) }
    }
}

/// Resolves escapes, of which [`Cursor::string`] has made sure that each is complete.
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut units: Vec<u16> = Vec::new();
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        // Escaped UTF-16 units that stand side by side may form pairs.
        units.clear();
        while let Some(unit) = rest.strip_prefix("\\u").and_then(|rest| rest.get(..4)) {
            units.extend(u16::from_str_radix(unit, 16));
            rest = &rest[6..];
        }
        out.extend(char::decode_utf16(units.iter().copied()).map(|c| c.unwrap_or('\u{FFFD}')));
        if units.is_empty() {
            out.push(match rest.as_bytes().get(1) {
                Some(b'b') => '\u{8}',
                Some(b'f') => '\u{c}',
                Some(b'n') => '\n',
                Some(b'r') => '\r',
                Some(b't') => '\t',
                Some(&other) => other.into(),
                None => break,
            });
            rest = &rest[2..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn takes(text: &str) -> bool {
        let mut cursor = Cursor::new(text);
        cursor.scalar().and_then(|_| cursor.end()).is_ok()
    }

    fn serde_takes(text: &str) -> bool {
        serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
    }

    #[test]
    fn takes_what_the_grammar_takes() {
        let texts = [
            "{}",
            "[]",
            " [ ] ",
            "[1,]",
            "[,1]",
            "{,}",
            "{\"a\":1,}",
            "{\"a\" : 1 , \"b\":[ ]}",
            "01",
            "-0",
            "-",
            "1.",
            ".5",
            "1e",
            "1e+",
            "1E-05",
            "-0.0e+10",
            "+1",
            "tru",
            "true",
            "nul",
            "nullx",
            "\"",
            "\"\\\"",
            "\"\\u12\"",
            "\"\\u12G4\"",
            "\"\\uD800\"",
            "\"\\x\"",
            "\"\t\"",
            "\"\u{7f}\"",
            "{\"a\"}",
            "{\"a\":}",
            "{1:2}",
            "{} {}",
            "",
            " ",
            "[1 2]",
            "[}",
            "{]",
            "\"12345678\\\"9\"",
            "\"ééééééé\u{1}\"",
            "\u{feff}{}",
            "[1]]",
            "-e1",
        ];
        for text in texts {
            assert_eq!(takes(text), serde_takes(text), "{text:?}");
        }
    }

    #[test]
    fn resolves_escapes() {
        let cases = [
            (r#""""#, ""),
            (r#""a\u0062c""#, "abc"),
            (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r#""\ud83d\ude00!""#, "😀!"),
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\ude00\ud83dx""#, "\u{fffd}\u{fffd}x"),
            (r#""\ud83d\\ude00""#, "\u{fffd}\\ude00"),
            (r#""é\u00e9""#, "éé"),
        ];
        for (json, text) in cases {
            let Ok(Scalar::Text(found)) = Cursor::new(json).scalar() else {
                panic!("{json} is a string");
            };
            assert_eq!(found.get(), text, "{json}");
        }
    }

    #[test]
    fn counts_nesting_exactly() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
            assert!(takes(&nested(NESTING_MAX)));
            let deeper = nested(NESTING_MAX + 1);
            assert_eq!(Cursor::new(&deeper).scalar(), Err(Fault::TooDeep));
        }
        let brackets_in_text = format!("\"{}\"", "[".repeat(1000));
        assert!(takes(&brackets_in_text));
        assert!(takes(&format!("[{}1]", "[],".repeat(1000))));
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json_on_any_tokens(tokens in proptest::collection::vec(
            proptest::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"a\"", "\"", "\\", "1", "-", "0", ".", "e", "+", " ",
                "true", "null", "\\u", "00e9", "é", "\n", "\u{1}", "long text without end",
            ]), 0..12)) {
            let text = tokens.concat();
            prop_assert_eq!(takes(&text), serde_takes(&text), "{:?}", text);
        }

        #[test]
        fn agrees_with_serde_json_on_any_string(text in ".{0,40}") {
            let json = serde_json::to_string(&text).unwrap();
            let Ok(Scalar::Text(found)) = Cursor::new(&json).scalar() else {
                panic!("{json} is a string");
            };
            prop_assert_eq!(found.get(), text);
        }
    }
}
