//! The one way in which every mapping of a pack is read.
//!
//! In: nodes, and for each mapping the [`Shape`] that it may have. Out: fields and typed scalars;
//! unknown, repeated, missing and clashing keys are reported with advice. Never resolves a name.

use std::collections::BTreeMap;

use super::literals::{self, Wrong};
use crate::define::ast::{ClockTime, Millis, Name, SourceFile, Span, Spanned};
use crate::define::diagnostic::{Diagnostic, Diagnostics, nearest, place};
use crate::define::limits::{NAME_CHARS_MAX, NAMES_MAX};
use crate::define::yaml::{Kind, Node, Style};

/// The keys that a mapping of one kind may have.
#[derive(Debug)]
pub struct Shape {
    /// In messages: `a send`. Its last words, joined by `_`, name the definition in the JSON
    /// Schema.
    pub what: &'static str,
    pub keys: &'static [&'static str],
    pub required: &'static [&'static str],
    /// Pairs of which only one may be written.
    pub excludes: &'static [(&'static str, &'static str)],
}

/// What people write for a key of ours. The first that the mapping knows is suggested.
const SYNONYMS: [(&str, &[&str]); 24] = [
    ("if", &["when"]),
    ("condition", &["when", "where"]),
    ("when", &["where"]),
    ("where", &["when"]),
    ("filter", &["where", "when"]),
    ("event", &["on"]),
    ("events", &["on", "of"]),
    ("trigger", &["on", "enter"]),
    ("steps", &["do", "then"]),
    ("do", &["then", "steps"]),
    ("then", &["do"]),
    ("actions", &["do", "steps"]),
    ("limit", &["max"]),
    ("within", &["over"]),
    ("window", &["over", "gap"]),
    ("property", &["of"]),
    ("value", &["of"]),
    ("field", &["of"]),
    ("timezone", &["time_zone"]),
    ("weight", &["percent"]),
    ("data", &["with"]),
    ("after", &["timeout"]),
    ("reenter", &["again"]),
    ("segment", &["entered", "while", "suppress_while"]),
];

/// The fields of one mapping.
pub struct Fields<'n> {
    /// Where a missing key is reported.
    pub span: Span,
    pairs: Vec<(&'n str, Span, &'n Node)>,
    /// Keys that unknown ones were probably meant to be.
    meant: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// A field; none if it is missing.
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// Whether a key is missing; a misspelt one is not reported a second time.
    pub fn lacks(&self, key: &str) -> bool {
        self.get(key).is_none() && !self.meant.contains(&key)
    }

    /// A field with the place of its key.
    pub fn entry(&self, key: &str) -> Option<(Span, &'n Node)> {
        self.pairs.iter().find(|(k, ..)| *k == key).map(|(_, span, node)| (*span, *node))
    }
}

/// Reads nodes of all files of a pack and collects what is wrong.
pub struct Reader<'a> {
    files: &'a [SourceFile],
    pub diagnostics: Diagnostics,
    /// Lines of each file.
    lines: Vec<Vec<&'a str>>,
    /// Kind and name of what has been defined, and where.
    defined: BTreeMap<(&'static str, String), Span>,
    /// Steps of the journey at hand.
    pub steps: usize,
}

impl<'a> Reader<'a> {
    /// A reader of these files that has found nothing wrong yet.
    pub fn new(files: &'a [SourceFile]) -> Self {
        Reader {
            files,
            diagnostics: Diagnostics::default(),
            lines: files.iter().map(|f| f.text.lines().collect()).collect(),
            defined: BTreeMap::new(),
            steps: 0,
        }
    }

    /// Takes note of a mistake at a place.
    pub fn error(&mut self, span: Span, message: impl Into<String>) {
        self.diagnostics.error(span, message);
    }

    /// Takes note of a mistake at a place, and of what may have been meant.
    pub fn error_hint(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.diagnostics.error_hint(span, message, hint);
    }

    fn wrong(&mut self, span: Span, wrong: Wrong) {
        self.diagnostics.push(Diagnostic::new(span, wrong.message).with_hint(wrong.hint));
    }

    /// Reports that something else was expected, unless what stands there has been reported.
    pub fn mismatch(&mut self, node: &Node, expected: &str) {
        if node.kind != Kind::Broken {
            self.error(node.span, format!("expected {expected}, found {}", node.what()));
        }
    }

    /// `file:line:col` of a place, for hints about another place.
    pub fn place(&self, span: Span) -> String {
        place(self.files, &span)
    }

    /// Notes a name that may be defined once in a pack.
    pub fn define(&mut self, kind: &'static str, name: &str, span: Span) {
        match self.defined.get(&(kind, name.to_owned())) {
            Some(first) => {
                let hint = format!("it is defined first at {}", self.place(*first));
                self.error_hint(span, format!("{kind} \"{name}\" is defined twice"), hint);
            }
            None => {
                self.defined.insert((kind, name.to_owned()), span);
            }
        }
    }

    /// The entries within a limit; the first one beyond it is reported.
    pub fn limit<'n, T>(
        &mut self,
        items: &'n [T],
        max: usize,
        what: &str,
        span: impl Fn(&T) -> Span,
    ) -> &'n [T] {
        if let Some(beyond) = items.get(max) {
            self.error(span(beyond), format!("more than {max} {what}"));
        }
        &items[..items.len().min(max)]
    }

    /// The source line in which something stands.
    pub fn line(&self, span: Span) -> &'a str {
        let lines = self.lines.get(usize::from(span.file));
        let line = lines.and_then(|lines| lines.get((span.line as usize).saturating_sub(1)));
        line.copied().unwrap_or_default()
    }

    /// The pairs of a mapping whose keys are free names. Repeated keys are reported.
    pub fn pairs<'n>(&mut self, node: &'n Node, expected: &str) -> Vec<(Name, &'n Node)> {
        let Kind::Mapping(pairs) = &node.kind else {
            self.mismatch(node, expected);
            return Vec::new();
        };
        let mut read = Vec::with_capacity(pairs.len());
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        let mut rest = pairs.iter();
        while let Some((key, value)) = rest.next() {
            let cut = self.cut_by_comma(value, rest.as_slice());
            if cut > 0 {
                rest.nth(cut - 1);
            }
            let Some(name) = self.name(key, "a key") else { continue };
            match seen.get(&name.node) {
                Some(first) => {
                    let hint = format!("it stands first at {}", self.place(*first));
                    let message = format!("the key \"{}\" stands here twice", name.node);
                    self.error_hint(name.span, message, hint);
                }
                None => {
                    seen.insert(name.node.clone(), name.span);
                    read.push((name, if cut > 0 { &BROKEN } else { value }));
                }
            }
        }
        read
    }

    /// In `{ x: f(a, b) }` YAML ends the value at the comma and reads `b)` as a key without a
    /// value. Reports it and returns how many of the following pairs belong to the value.
    fn cut_by_comma(&mut self, value: &Node, rest: &[(Node, Node)]) -> usize {
        let Some((text, Style::Plain)) = plain(value) else {
            return 0;
        };
        let mut whole = text.to_owned();
        if !open_ended(&whole) {
            return 0;
        }
        for (taken, (key, nothing)) in rest.iter().take(ARGUMENTS_MAX).enumerate() {
            let Some((more, Style::Plain | Style::Quoted)) = plain(key) else {
                return 0;
            };
            if nothing.kind != Kind::Null {
                return 0;
            }
            whole = format!("{whole}, {more}");
            if !open_ended(&whole) {
                let quote = if whole.contains('\'') { '"' } else { '\'' };
                let hint = format!("quote the expression: {quote}{whole}{quote}");
                self.error_hint(value.span, "the expression is cut at the comma", hint);
                return taken + 1;
            }
        }
        0
    }

    /// The fields of a mapping of a known shape; `at` is where a missing key is reported.
    pub fn fields<'n>(&mut self, node: &'n Node, at: Span, shape: &Shape) -> Option<Fields<'n>> {
        let Kind::Mapping(_) = &node.kind else {
            let keys = shape.keys.iter().take(4).copied().collect::<Vec<_>>().join(", ");
            let more = if shape.keys.len() > 4 { ", …" } else { "" };
            let expected = format!("{} with the keys {keys}{more}", shape.what);
            match node.kind {
                Kind::Null => self.error(at, format!("expected {expected}, found nothing")),
                _ => self.mismatch(node, &expected),
            }
            return None;
        };
        let mut fields = Fields { span: at, pairs: Vec::new(), meant: Vec::new() };
        let named = self.pairs(node, shape.what);
        for (name, value) in named {
            match shape.keys.iter().find(|k| **k == name.node) {
                Some(key) => fields.pairs.push((*key, name.span, value)),
                None => fields.meant.extend(self.unknown_key(&name, shape)),
            }
        }
        for key in shape.required.iter().filter(|k| fields.lacks(k)) {
            self.error(at, format!("{} needs \"{key}\"", shape.what));
        }
        for (a, b) in shape.excludes {
            if let (Some((first, _)), Some((second, _))) = (fields.entry(a), fields.entry(b)) {
                let later = first.max(second);
                self.error(later, format!("only one of \"{a}\" and \"{b}\" may be written"));
            }
        }
        Some(fields)
    }

    /// Reports a key, and returns what it was probably meant to be.
    fn unknown_key(&mut self, name: &Name, shape: &Shape) -> Option<&'static str> {
        let written = name.node.to_lowercase().replace(['-', ' '], "_");
        let synonym = SYNONYMS
            .iter()
            .find(|(word, _)| *word == written)
            .and_then(|(_, ours)| ours.iter().copied().find(|key| shape.keys.contains(key)));
        let near = synonym.or_else(|| nearest(&written, shape.keys.iter().copied()));
        let hint = match near {
            Some(key) => format!("did you mean \"{key}\"?"),
            None => format!("the keys are {}", shape.keys.join(", ")),
        };
        self.error_hint(name.span, format!("{} has no key \"{}\"", shape.what, name.node), hint);
        near
    }

    /// The entries of a list. `expected` says what of: `a list of steps`.
    pub fn list<'n>(&mut self, node: &'n Node, expected: &str) -> &'n [Node] {
        match &node.kind {
            Kind::Sequence(items) => items,
            Kind::Mapping(_) => {
                let message = format!("expected {expected}, found a mapping");
                self.error_hint(node.span, message, "begin every entry with \"- \"");
                &[]
            }
            _ => {
                self.mismatch(node, expected);
                &[]
            }
        }
    }

    /// The text of a scalar that is not empty; `expected` as in `a duration`.
    pub fn text<'n>(&mut self, node: &'n Node, expected: &str) -> Option<&'n str> {
        match node.text().map(str::trim) {
            Some(text) if !text.is_empty() => Some(text),
            Some(_) => {
                self.error(node.span, format!("expected {expected}, found an empty text"));
                None
            }
            None => {
                self.mismatch(node, expected);
                None
            }
        }
    }

    /// A free name.
    pub fn name(&mut self, node: &Node, expected: &str) -> Option<Name> {
        let text = self.text(node, expected)?;
        if text.chars().count() > NAME_CHARS_MAX {
            let message = format!("{expected} has at most {NAME_CHARS_MAX} characters");
            self.error(node.span, message);
            return None;
        }
        Some(Spanned { node: text.to_owned(), span: node.span })
    }

    /// A name without spaces, as channels, templates and tags have.
    pub fn word(&mut self, node: &Node, expected: &str) -> Option<Name> {
        let name = self.name(node, expected)?;
        if name.node.contains(char::is_whitespace) {
            let words = name.node.split_whitespace().collect::<Vec<_>>().join("-");
            let message = format!("expected {expected}, and it has no spaces");
            self.error_hint(name.span, message, format!("write \"{words}\""));
            return None;
        }
        Some(name)
    }

    /// One name or a list of names; repeated ones are reported.
    pub fn names(
        &mut self,
        node: &Node,
        expected: &str,
        one: fn(&mut Self, &Node, &str) -> Option<Name>,
    ) -> Vec<Name> {
        let Kind::Sequence(items) = &node.kind else {
            return one(self, node, expected).into_iter().collect();
        };
        if items.is_empty() {
            self.error(node.span, format!("expected {expected}, found an empty list"));
        }
        let items = self.limit(items, NAMES_MAX, "names in a list", |n| n.span);
        let mut names: Vec<Name> = Vec::with_capacity(items.len());
        for name in items.iter().filter_map(|item| one(self, item, expected)).collect::<Vec<_>>() {
            if names.iter().any(|n| n.node == name.node) {
                self.error(name.span, format!("\"{}\" is named twice", name.node));
            } else {
                names.push(name);
            }
        }
        names
    }

    /// The name of an event.
    pub fn event(&mut self, node: &Node, expected: &str) -> Option<Name> {
        let name = self.name(node, expected)?;
        if name.node.contains(", ") {
            let message = "an event's name has no comma";
            let hint = format!("write a list of events: [{}]", name.node);
            self.error_hint(name.span, message, hint);
            return None;
        }
        Some(name)
    }

    /// One event or several.
    pub fn events(&mut self, node: &Node) -> Vec<Name> {
        self.names(node, "the name of an event", Self::event)
    }

    /// Words without spaces, one or several.
    pub fn words(&mut self, node: &Node, expected: &str) -> Vec<Name> {
        self.names(node, expected, Self::word)
    }

    fn literal<T>(
        &mut self,
        node: &Node,
        expected: &str,
        read: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<Spanned<T>> {
        let text = self.text(node, expected)?;
        match read(text) {
            Ok(value) => Some(Spanned { node: value, span: node.span }),
            Err(wrong) => {
                self.wrong(node.span, wrong);
                None
            }
        }
    }

    /// `90s`, `1d 12h`.
    pub fn duration(&mut self, node: &Node) -> Option<Millis> {
        self.literal(node, "a duration such as 1h", literals::duration)
    }

    /// `09:30`.
    pub fn clock(&mut self, node: &Node) -> Option<ClockTime> {
        self.literal(node, "a clock time such as 09:30", literals::clock)
    }

    /// `10:00`, `day 2 at 10:00`, `warranty_end - 14d at 10:00`.
    pub fn until(&mut self, node: &Node) -> Option<Spanned<literals::Until>> {
        self.literal(node, "a time such as day 2 at 10:00", literals::until)
    }

    /// A whole number in a range.
    pub fn integer(&mut self, node: &Node, what: &str, min: u32, max: u32) -> Option<Spanned<u32>> {
        let text = self.text(node, "a number")?;
        match literals::number(text) {
            Some(n) if (min..=max).contains(&n) => Some(Spanned { node: n, span: node.span }),
            _ => {
                let message = format!("{what} is a whole number from {min} to {max}, not {text}");
                self.error(node.span, message);
                None
            }
        }
    }

    /// One of some words.
    pub fn choice<T: Copy>(&mut self, node: &Node, words: &[(&str, T)]) -> Option<T> {
        let all = words.iter().map(|(w, _)| *w).collect::<Vec<_>>().join(", ");
        let text = self.text(node, &format!("one of {all}"))?;
        let found = words.iter().find(|(w, _)| *w == text).map(|(_, value)| *value);
        if found.is_none() {
            let hint = match nearest(text, words.iter().map(|(w, _)| *w)) {
                Some(word) => format!("did you mean \"{word}\"?"),
                None => format!("write one of {all}"),
            };
            self.error_hint(node.span, format!("\"{text}\" is not known here"), hint);
        }
        found
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, node: &Node) -> Option<bool> {
        match node.text() {
            Some("yes" | "on" | "True" | "TRUE") => {
                self.error_hint(node.span, "expected true or false", "write true");
                None
            }
            Some("no" | "off" | "False" | "FALSE") => {
                self.error_hint(node.span, "expected true or false", "write false");
                None
            }
            _ => self.choice(node, &[("true", true), ("false", false)]),
        }
    }
}

/// Pieces into which commas cut an expression that are put together again.
const ARGUMENTS_MAX: usize = 20;

/// Stands for a value that has been reported.
static BROKEN: Node = Node { span: Span { file: 0, line: 0, col: 0, len: 0 }, kind: Kind::Broken };

fn plain(node: &Node) -> Option<(&str, Style)> {
    match &node.kind {
        Kind::Scalar { text, style } => Some((text, *style)),
        _ => None,
    }
}

/// Whether a text leaves a bracket or a quote open, or closes one that it has not opened.
fn open_ended(text: &str) -> bool {
    let mut depth = 0_i32;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => drop(chars.next()),
            (Some(q), c) if c == q => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            _ => {}
        }
    }
    depth > 0 || quote.is_some()
}
