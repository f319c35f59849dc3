//! A cursor over JSON text: strict RFC 8259 in one pass, giving slices of the text and copying nothing.
//!
//! It exists because a general reader turns fractions into binary floating point, cannot be told to count nesting, and
//! refuses or takes half a surrogate pair depending on whether anybody reads the string. It never panics on any text
//! and never recurses deeper than [`NESTING_MAX`]. What it takes is what `serde_json` takes; a property test holds it
//! to that.
//!
//! A fault moves the cursor to the end of the text, where every object and array seems to end; [`Cursor::end`] tells it.
//! So nobody on the way has to ask, and what is handed around fits registers: returning `Result`s made this three times
//! slower.

use super::quotes;
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

/// A value that is no more than one token, or that it is more.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Scalar<'a> {
    #[default]
    Null,
    Bool(bool),
    /// The number as it is written.
    Number(&'a str),
    /// A text without escapes.
    Plain(&'a str),
    /// A text with escapes, as it is written between its quotes.
    Escaped(&'a str),
    /// An object or array, passed over.
    Compound,
}

/// A place in JSON text.
#[derive(Debug)]
pub(super) struct Cursor<'a, 'q> {
    text: &'a str,
    /// Its quotes, as [`quotes::find`] gives them. With none of them it takes longer.
    quotes: &'q [u64],
    at: usize,
    depth: usize,
    /// Just behind an opening bracket, where no comma may come.
    fresh: bool,
    /// Whether the last string has escapes.
    escaped: bool,
    fault: Option<Fault>,
}

impl<'a, 'q> Cursor<'a, 'q> {
    pub(super) fn new(text: &'a str, quotes: &'q [u64]) -> Cursor<'a, 'q> {
        Cursor { text, quotes, at: 0, depth: 0, fresh: false, escaped: false, fault: None }
    }

    /// The first byte that is not white space, not yet taken; 0 at the end.
    #[inline]
    pub(super) fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if byte > b' ' || !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return byte;
            }
            self.at += 1;
        }
        0
    }

    /// Tells whether all went well and nothing but white space is left.
    pub(super) fn end(mut self) -> Result<(), Fault> {
        self.peek();
        if self.at < self.text.len() {
            self.fail(Fault::Syntax);
        }
        self.fault.map_or(Ok(()), Err)
    }

    /// Takes the opening bracket that [`Cursor::peek`] has shown.
    #[inline]
    pub(super) fn open(&mut self) {
        if self.depth == NESTING_MAX {
            return self.fail(Fault::TooDeep);
        }
        self.at += 1;
        self.depth += 1;
        self.fresh = true;
    }

    /// Inside an object: the name of its next member, whose value comes next; `None` behind its end. `space` is where
    /// escapes are resolved.
    #[inline]
    pub(super) fn key<'k>(&mut self, space: &'k mut String) -> Option<&'k [u8]>
    where
        'a: 'k,
    {
        let (start, end) = self.name()?;
        if self.escaped {
            *space = unescape(&self.text[start..end]);
            return Some(space.as_bytes());
        }
        Some(&self.text.as_bytes()[start..end])
    }

    /// Passes over the name of the next member and its colon, and gives where the name starts and ends; `None` behind the end of the object.
    #[inline(always)]
    fn name(&mut self) -> Option<(usize, usize)> {
        // In nearly all texts nothing stands around a name but the comma before it.
        let bytes = self.text.as_bytes();
        let is_next = |at: usize, byte: u8| bytes.get(at) == Some(&byte);
        if is_next(self.at, b'}') {
            self.fresh = false;
            self.at += 1;
            self.depth -= 1;
            return None;
        }
        let start = self.at + 1 + usize::from(!self.fresh);
        if (self.fresh || is_next(self.at, b','))
            && is_next(start - 1, b'"')
            && let Some(end) = quotes::first(self.quotes, start)
            && is_next(end + 1, b':')
        {
            self.fresh = false;
            self.at = end + 2;
            return Some((start, end));
        }
        self.far_name()
    }

    /// The same in any text.
    #[inline(never)]
    fn far_name(&mut self) -> Option<(usize, usize)> {
        if !self.more(b'}') {
            return None;
        }
        if self.peek() == b'"' {
            let start = self.at + 1;
            let end = self.string_end()?;
            if self.peek() == b':' {
                self.at += 1;
                return Some((start, end));
            }
        }
        self.fail(Fault::Syntax);
        None
    }

    /// Inside an array: whether another element comes next; false behind its end.
    #[inline]
    pub(super) fn element(&mut self) -> bool {
        self.more(b']')
    }

    #[inline]
    fn more(&mut self, closing: u8) -> bool {
        let fresh = std::mem::replace(&mut self.fresh, false);
        let byte = self.peek();
        if byte == closing {
            self.at += 1;
            self.depth -= 1;
            return false;
        }
        if fresh {
            return byte != 0 || self.fail_false();
        }
        if byte == b',' {
            self.at += 1;
            return true;
        }
        self.fail_false()
    }

    /// The value that comes next; objects and arrays are passed over.
    #[inline]
    pub(super) fn scalar(&mut self) -> Scalar<'a> {
        match self.peek() {
            b'"' => {
                let raw = self.string();
                if self.escaped { Scalar::Escaped(raw) } else { Scalar::Plain(raw) }
            }
            b'-' | b'0'..=b'9' => Scalar::Number(self.number()),
            b't' => self.word("true", Scalar::Bool(true)),
            b'f' => self.word("false", Scalar::Bool(false)),
            b'n' => self.word("null", Scalar::Null),
            _ => {
                self.pass();
                Scalar::Compound
            }
        }
    }

    /// Passes over the next value.
    pub(super) fn pass(&mut self) {
        match self.peek() {
            b'"' => {
                self.string_end();
            }
            b'{' => {
                self.open();
                while self.name().is_some() {
                    self.pass();
                }
            }
            b'[' => {
                self.open();
                while self.element() {
                    self.pass();
                }
            }
            b't' | b'f' | b'n' | b'-' | b'0'..=b'9' => {
                self.scalar();
            }
            _ => self.fail(Fault::Syntax),
        }
    }

    /// Passes over the next value and gives its text.
    pub(super) fn skip(&mut self) -> &'a str {
        self.taken(Cursor::pass)
    }

    /// The text that `take` takes.
    pub(super) fn taken(&mut self, take: impl FnOnce(&mut Cursor<'a, 'q>)) -> &'a str {
        self.peek();
        let start = self.at;
        take(self);
        &self.text[start..self.at]
    }

    #[cold]
    fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
        self.at = self.text.len();
    }

    #[cold]
    fn fail_false(&mut self) -> bool {
        self.fail(Fault::Syntax);
        false
    }

    fn word(&mut self, word: &str, value: Scalar<'a>) -> Scalar<'a> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
        } else {
            self.fail(Fault::Syntax);
        }
        value
    }

    fn number(&mut self) -> &'a str {
        let start = self.at;
        self.at = match number_end(self.text.as_bytes(), start) {
            Some(end) => end,
            None => {
                self.fail(Fault::Syntax);
                return "";
            }
        };
        &self.text[start..self.at]
    }

    /// What is between the quotes of the string whose opening quote comes next.
    #[inline]
    fn string(&mut self) -> &'a str {
        let start = self.at + 1;
        match self.string_end() {
            Some(end) => &self.text[start..end],
            None => "",
        }
    }

    /// Passes over the string whose opening quote comes next; gives the place of its closing quote.
    #[inline(always)]
    fn string_end(&mut self) -> Option<usize> {
        let Some(end) = quotes::first(self.quotes, self.at + 1) else { return self.slow_end() };
        self.at = end + 1;
        Some(end)
    }

    /// The same where no quote is noted.
    #[inline(never)]
    fn slow_end(&mut self) -> Option<usize> {
        self.escaped = false;
        let end = self.dirty_end(self.at + 1);
        match end {
            Some(end) => self.at = end + 1,
            None => self.fail(Fault::Syntax),
        }
        end
    }

    /// The end of a string in a text that has backslashes or control characters.
    fn dirty_end(&mut self, start: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut at = start;
        loop {
            match bytes.get(at)? {
                b'"' => return Some(at),
                b'\\' => {
                    self.escaped = true;
                    at = escape(bytes, at + 1)?;
                }
                0..0x20 => return None,
                _ => at += 1,
            }
        }
    }
}

/// The end of the number that starts at `start`; `None` if it is none.
fn number_end(bytes: &[u8], start: usize) -> Option<usize> {
    let at = |place: usize| bytes.get(place).copied().unwrap_or(0);
    let digits = |from: usize| {
        let mut end = from;
        while at(end).is_ascii_digit() {
            end += 1;
        }
        (end > from).then_some(end)
    };
    let mut end = start + usize::from(at(start) == b'-');
    end = if at(end) == b'0' { end + 1 } else { digits(end)? };
    if at(end) == b'.' {
        end = digits(end + 1)?;
    }
    if matches!(at(end), b'e' | b'E') {
        end += 1 + usize::from(matches!(at(end + 1), b'+' | b'-'));
        end = digits(end)?;
    }
    Some(end)
}

/// The place behind the escape whose backslash stands before `at`; `None` if it is none.
fn escape(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Some(at + 1),
        Some(b'u') => match bytes.get(at + 1..at + 5) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Some(at + 5),
            _ => None,
        },
        _ => None,
    }
}

impl<'a> Scalar<'a> {
    /// The text with its escapes resolved, if it is one. Half a surrogate pair, which cutting a text in JavaScript
    /// leaves behind, becomes U+FFFD.
    #[inline]
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Scalar::Plain(text) => Some(Cow::Borrowed(text)),
            Scalar::Escaped(raw) => Some(Cow::Owned(unescape(raw))),
            _ => None,
        }
    }
}

/// Resolves escapes, of which [`Cursor::string`] has made sure that each is complete.
#[cold]
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

    /// With the quotes and without them.
    fn read(text: &str) -> Result<(), Fault> {
        let mut room = Vec::new();
        let [with, without] = [quotes::find(text.as_bytes(), &mut room), &[]].map(|quotes| {
            let mut cursor = Cursor::new(text, quotes);
            cursor.pass();
            cursor.end()
        });
        assert_eq!(with, without, "{text:?}");
        with
    }

    fn takes(text: &str) -> bool {
        read(text).is_ok()
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
            let found = Cursor::new(json, &[]).scalar().text();
            assert_eq!(found.as_deref(), Some(text), "{json}");
        }
    }

    #[test]
    fn counts_nesting_exactly() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
            assert!(takes(&nested(NESTING_MAX)));
            let deeper = nested(NESTING_MAX + 1);
            assert_eq!(read(&deeper), Err(Fault::TooDeep));
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
            let mut room = Vec::new();
            for quotes in [quotes::find(json.as_bytes(), &mut room), &[]] {
                let found = Cursor::new(&json, quotes).scalar().text();
                prop_assert_eq!(found.as_deref(), Some(&*text));
            }
        }
    }
}
