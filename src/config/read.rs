//! TOML as it is read: sections and keys with the place of each, every mistake noted, nothing decided.
//!
//! A key that is asked for is known; what is there and was not asked for is a mistake.

use crate::define::ast::Span;
use crate::define::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The file, and what is wrong with it so far.
pub(super) struct Reader<'a> {
    text: &'a str,
    wrong: RefCell<Diagnostics>,
    /// Every key that was asked for, with its sections, and whether it is there.
    asked: RefCell<Vec<(String, bool)>>,
}

/// A value and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    pub value: &'a DeValue<'a>,
    bytes: (usize, usize),
}

impl<'a> Placed<'a> {
    fn of(value: &'a Spanned<DeValue<'a>>) -> Placed<'a> {
        let span = value.span();
        Placed { value: value.get_ref(), bytes: (span.start, span.end) }
    }

    fn bytes(&self) -> Range<usize> {
        self.bytes.0..self.bytes.1
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Reader<'a> {
        Reader { text, wrong: RefCell::default(), asked: RefCell::default() }
    }

    /// Notes what is wrong with a place.
    pub(super) fn error(
        &self,
        bytes: Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let diagnostic = Diagnostic::new(self.span(bytes), message).with_hint(hint);
        self.wrong.borrow_mut().push(diagnostic);
    }

    /// Notes what is wrong with a value.
    pub(super) fn wrong(&self, at: Placed<'_>, message: impl Into<String>, hint: Option<String>) {
        self.error(at.bytes(), message, hint);
    }

    /// Notes what is wrong with a part of a text, given by its bytes.
    pub(super) fn wrong_inside(
        &self,
        at: Placed<'_>,
        part: Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let written = &self.text[at.bytes()];
        // Unless it has escapes, the text stands in its quotes letter by letter.
        let inside =
            at.value.as_str().filter(|text| !text.is_empty()).and_then(|text| written.find(text));
        let place = match inside {
            Some(start) if part != (0..0) => {
                let start = at.bytes.0 + start;
                start + part.start..start + part.end
            }
            _ => at.bytes(),
        };
        self.error(place, message, hint);
    }

    /// All mistakes in the order of their places, and the keys that were asked for.
    pub(super) fn finish(self) -> (Vec<Diagnostic>, Vec<(String, bool)>) {
        (self.wrong.into_inner().into_sorted(), self.asked.into_inner())
    }

    /// Bytes as a line, a column and a length in characters. A place of several lines is its first one.
    fn span(&self, bytes: Range<usize>) -> Span {
        let at = |mut byte: usize| {
            byte = byte.min(self.text.len());
            while !self.text.is_char_boundary(byte) {
                byte -= 1;
            }
            byte
        };
        let (start, end) = (at(bytes.start), at(bytes.end.max(bytes.start)));
        let line_start = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line = 1 + self.text[..start].matches('\n').count();
        let part = &self.text[start..end];
        let len = part.lines().next().unwrap_or_default().chars().count();
        Span {
            file: 0,
            line: line as u32,
            col: 1 + self.text[line_start..start].chars().count() as u32,
            len: len.max(1) as u32,
        }
    }
}

/// A section, be it there or not.
pub(super) struct Section<'r, 'a> {
    pub(super) reader: &'r Reader<'a>,
    /// As it is written between its brackets; empty for the file.
    pub(super) name: String,
    table: Option<&'a DeTable<'a>>,
    /// Where it begins.
    bytes: Range<usize>,
    known: RefCell<Vec<&'static str>>,
}

impl<'r, 'a> Section<'r, 'a> {
    /// The file as a section.
    pub(super) fn whole(reader: &'r Reader<'a>, table: &'a DeTable<'a>) -> Section<'r, 'a> {
        Section {
            reader,
            name: String::new(),
            table: Some(table),
            bytes: 0..0,
            known: RefCell::default(),
        }
    }

    fn inner(
        &self,
        key: &str,
        table: Option<&'a DeTable<'a>>,
        bytes: Range<usize>,
    ) -> Section<'r, 'a> {
        let name = self.path(key);
        Section { reader: self.reader, name, table, bytes, known: RefCell::default() }
    }

    fn find(&self, key: &str) -> Option<Placed<'a>> {
        let mut entries = self.table.into_iter().flat_map(|table| table.iter());
        entries.find(|(name, _)| name.get_ref() == key).map(|(_, value)| Placed::of(value))
    }

    /// Whether a key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// The value of a key that must not be there, so that it is not suggested either.
    pub(super) fn get_unlisted(&self, key: &'static str) -> Option<Placed<'a>> {
        let value = self.find(key)?;
        self.known.borrow_mut().push(key);
        Some(value)
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &'static str) -> Option<Placed<'a>> {
        let value = self.find(key);
        self.known.borrow_mut().push(key);
        self.reader.asked.borrow_mut().push((self.path(key), value.is_some()));
        value
    }

    /// A section in this one.
    pub(super) fn section(&self, key: &'static str) -> Section<'r, 'a> {
        let Some(value) = self.get(key) else {
            return self.inner(key, None, self.bytes.clone());
        };
        let table = value.value.as_table();
        if table.is_none() {
            let hint = format!("write [{}] on a line of its own, its keys below", self.path(key));
            self.reader.wrong(value, format!("`{key}` is a section"), Some(hint));
        }
        self.inner(key, table, value.bytes())
    }

    /// The sections of a list, in their order.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'r, 'a>> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let items = value.value.as_array().map(|items| items.iter().map(Placed::of).collect());
        let items: Vec<Placed<'a>> = items.unwrap_or_else(|| vec![value]);
        let is_list = value.value.is_array();
        let mut sections = Vec::new();
        for item in items {
            match item.value.as_table() {
                Some(table) if is_list => {
                    sections.push(self.inner(key, Some(table), item.bytes()));
                }
                _ => {
                    let hint = format!("write [[{}]] for each of them", self.path(key));
                    self.reader.wrong(item, format!("`{key}` is a list of sections"), Some(hint));
                }
            }
        }
        sections
    }

    /// All entries of a section whose keys are the user's, sections inside it joined by dots.
    pub(super) fn entries(&self) -> Vec<(String, Range<usize>, Placed<'a>)> {
        let mut entries = Vec::new();
        if let Some(table) = self.table {
            flatten(table, "", &mut entries);
        }
        entries
    }

    /// Whether the section is there.
    pub(super) fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// A text.
    pub(super) fn text(&self, key: &'static str) -> Option<(&'a str, Placed<'a>)> {
        let value = self.get(key)?;
        let text = value.value.as_str();
        if text.is_none() {
            self.mistyped(key, value, "a text", Some("a text stands in quotes".to_owned()));
        }
        text.map(|text| (text, value))
    }

    /// A text that has to be there and not be empty.
    pub(super) fn required(
        &self,
        key: &'static str,
        example: &str,
    ) -> Option<(&'a str, Placed<'a>)> {
        let is_missing = !self.has(key);
        let text = self.text(key);
        let hint = format!("write {key} = \"{example}\"");
        if is_missing {
            let message = match self.table {
                None => format!("the section [{}] with `{key}` is missing", self.name),
                Some(_) => format!("`{key}` is missing in [{}]", self.name),
            };
            self.reader.error(self.bytes.clone(), message, Some(hint));
            return None;
        }
        match text {
            Some(("", at)) => {
                self.reader.wrong(at, format!("`{key}` is empty"), Some(hint));
                None
            }
            other => other,
        }
    }

    /// A whole number in a range.
    pub(super) fn whole_number(
        &self,
        key: &'static str,
        default: i64,
        range: RangeInclusive<i64>,
    ) -> i64 {
        let Some(value) = self.get(key) else {
            return default;
        };
        let number = value.value.as_integer();
        let number = number.map(|n| i64::from_str_radix(n.as_str(), n.radix()).unwrap_or(i64::MAX));
        match number {
            Some(number) if range.contains(&number) => number,
            Some(_) => {
                let (least, most) = (range.start(), range.end());
                self.reader.wrong(value, format!("`{key}` is from {least} to {most}"), None);
                default
            }
            None => {
                let hint = unit(key).map(|unit| format!("it counts {unit}: {key} = {default}"));
                self.mistyped(key, value, "a whole number", hint);
                default
            }
        }
    }

    /// True or false.
    pub(super) fn flag(&self, key: &'static str, default: bool) -> bool {
        let Some(value) = self.get(key) else {
            return default;
        };
        value.value.as_bool().unwrap_or_else(|| {
            self.mistyped(key, value, "true or false", None);
            default
        })
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(
        &self,
        key: &'static str,
        default: T,
        words: &[(&'static str, T)],
    ) -> T {
        let Some((text, at)) = self.text(key) else {
            return default;
        };
        let found = words.iter().find(|(word, _)| *word == text);
        found.map_or_else(
            || {
                let names = || words.iter().map(|(word, _)| *word);
                let all: Vec<String> = names().map(|word| format!("\"{word}\"")).collect();
                let message = format!("`{key}` is {}", all.join(" or "));
                self.reader.wrong(at, message, did_you_mean(text, names()));
                default
            },
            |(_, meaning)| *meaning,
        )
    }

    fn mistyped(&self, key: &str, at: Placed<'_>, wanted: &str, hint: Option<String>) {
        self.reader.wrong(at, format!("`{key}` is {wanted}"), hint);
    }

    fn path(&self, key: &str) -> String {
        match self.name.as_str() {
            "" => key.to_owned(),
            name => format!("{name}.{key}"),
        }
    }

    /// Notes what is wrong with the section as a whole.
    pub(super) fn error(&self, message: impl Into<String>, hint: &str) {
        self.reader.error(self.bytes.clone(), message, Some(hint.to_owned()));
    }

    /// Notes the keys that nobody asked for.
    pub(super) fn finish(self) {
        let known = self.known.into_inner();
        for (key, _) in self.table.into_iter().flat_map(|table| table.iter()) {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let (what, whose) = match self.name.as_str() {
                "" => ("section", String::new()),
                of => ("key", format!(" in [{of}]")),
            };
            // The unit is what is forgotten most.
            let stem = name.split('_').next().unwrap_or(name);
            let by_stem = known.iter().find(|key| key.split('_').next() == Some(stem));
            let hint = did_you_mean(name, known.iter().copied())
                .or_else(|| by_stem.map(|key| format!("did you mean \"{key}\"?")))
                .unwrap_or_else(|| format!("there are: {}", known.join(", ")));
            self.reader.error(
                key.span(),
                format!("there is no {what} `{name}`{whose}"),
                Some(hint),
            );
        }
    }
}

fn flatten<'a>(
    table: &'a DeTable<'a>,
    before: &str,
    entries: &mut Vec<(String, Range<usize>, Placed<'a>)>,
) {
    for (key, value) in table {
        let name = format!("{before}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => flatten(inner, &format!("{name}."), entries),
            _ => entries.push((name, key.span(), Placed::of(value))),
        }
    }
}

/// What a key counts, by the end of its name.
fn unit(key: &str) -> Option<&'static str> {
    Some(match key.rsplit('_').next()? {
        "ms" => "milliseconds",
        "seconds" => "seconds",
        "minutes" => "minutes",
        "kib" => "KiB",
        "mib" => "MiB",
        _ => return None,
    })
}
