//! YAML text to a small tree that keeps the order, duplicate keys and the place of everything.
//!
//! In: one file. Out: its root node, and what is wrong with it as YAML. Scalars stay text: nothing
//! is guessed to be a number or a boolean. Tags, anchors, aliases, merge keys and further documents
//! are refused. Never panics.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use crate::define::ast::Span;
use crate::define::diagnostic::{Diagnostic, Diagnostics};
use crate::define::limits::{FILE_BYTES_MAX, YAML_DEPTH_MAX};

mod syntax;

/// A written thing and its place. A block list or mapping has the place of its first entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub span: Span,
    pub kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Nothing was written.
    Null,
    Scalar {
        text: String,
        style: Style,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
    /// Something that has been reported; readers pass over it in silence.
    Broken,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    Quoted,
    /// `|`: line by line as it stands.
    Literal,
    /// `>`: lines joined.
    Folded,
}

impl Node {
    /// What this is, for messages: `a list`, `text`, ….
    pub fn what(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Scalar { .. } => "text",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a mapping",
            Kind::Broken => "a mistake",
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }
}

/// Reads one file. `None` where there is nothing to go on with.
pub fn read(file: u16, text: &str, diagnostics: &mut Diagnostics) -> Option<Node> {
    let place = |line: usize, col: usize, len: usize| Span {
        file,
        line: line.max(1) as u32,
        col: col as u32 + 1,
        len: len as u32,
    };
    if text.len() > FILE_BYTES_MAX {
        let limit = FILE_BYTES_MAX >> 20;
        diagnostics.error(place(1, 0, 1), format!("a file has at most {limit} MiB"));
        return None;
    }
    if let Some((line, col, c)) = control_character(text) {
        let message = format!("a control character (U+{:04X})", u32::from(c));
        diagnostics.error_hint(place(line, col, 1), message, "delete it");
        return None;
    }
    let lines: Vec<&str> = text.lines().collect();
    let mut builder = Builder { diagnostics, stack: Vec::new(), root: None, documents: 0 };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, at)) => {
                let one_line = at.start.line() == at.end.line();
                let len = if one_line { at.len() } else { rest_of_line(&lines, at.start) };
                builder.event(event, place(at.start.line(), at.start.col(), len))?;
            }
            Err(error) => {
                let (line, col) = (error.marker().line(), error.marker().col());
                let found = syntax::explain(text, line, col, error.info());
                let span = place(found.line, found.col, found.len);
                let wrong = Diagnostic::new(span, found.message).with_hint(found.hint);
                builder.diagnostics.push(wrong);
                return None;
            }
        }
    }
    builder.root
}

/// Characters from `start` to the end of its line.
fn rest_of_line(lines: &[&str], start: Marker) -> usize {
    let line = lines.get(start.line().saturating_sub(1)).copied().unwrap_or_default();
    line.trim_end().chars().count().saturating_sub(start.col())
}

/// The first character that YAML does not allow: line from 1, column from 0. A lone carriage return
/// is one too, so that everybody counts lines alike.
fn control_character(text: &str) -> Option<(usize, usize, char)> {
    let (mut line, mut col) = (1, 0);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => (line, col) = (line + 1, 0),
            '\r' if chars.peek() == Some(&'\n') => {}
            c if c.is_control() && c != '\t' => return Some((line, col, c)),
            _ => col += 1,
        }
    }
    None
}

/// A list or mapping that is still open.
enum Open {
    Sequence(Span, Vec<Node>),
    Mapping(Span, Vec<(Node, Node)>, Option<Node>),
}

struct Builder<'d> {
    diagnostics: &'d mut Diagnostics,
    stack: Vec<Open>,
    root: Option<Node>,
    documents: u32,
}

impl Builder<'_> {
    /// Takes in one event; `None` if reading has to stop.
    fn event(&mut self, event: Event, span: Span) -> Option<()> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "a second document begins here";
                    self.diagnostics.error_hint(span, message, "delete the line \"---\"");
                    return None;
                }
            }
            Event::Alias(_) => {
                self.diagnostics.error_hint(span, syntax::ALIAS, "write it out");
                self.add(Node { span, kind: Kind::Broken });
            }
            Event::Scalar(text, style, anchor, tag) => {
                let refused = self.refuse(span, anchor, tag.is_some());
                let kind = match style_of(style) {
                    _ if refused => Kind::Broken,
                    Style::Plain if text.is_empty() => Kind::Null,
                    style => Kind::Scalar { text: text.into_owned(), style },
                };
                self.add(Node { span, kind });
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse(span, anchor, tag.is_some());
                self.open(span, Open::Sequence(span, Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse(span, anchor, tag.is_some());
                self.open(span, Open::Mapping(span, Vec::new(), None))?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            _ => {}
        }
        Some(())
    }

    fn refuse(&mut self, span: Span, anchor: usize, tag: bool) -> bool {
        if tag {
            self.diagnostics.error_hint(span, syntax::TAG, syntax::QUOTE);
        } else if anchor != 0 {
            self.diagnostics.error_hint(span, syntax::ANCHOR, "quote the text if & belongs to it");
        }
        tag || anchor != 0
    }

    fn open(&mut self, span: Span, open: Open) -> Option<()> {
        if self.stack.len() >= YAML_DEPTH_MAX {
            let message = format!("more than {YAML_DEPTH_MAX} levels of lists and mappings");
            self.diagnostics.error(span, message);
            return None;
        }
        self.stack.push(open);
        Some(())
    }

    fn close(&mut self, end: Span) {
        let (start, first, kind) = match self.stack.pop() {
            Some(Open::Sequence(start, items)) => {
                (start, items.first().map(|n| n.span), Kind::Sequence(items))
            }
            Some(Open::Mapping(start, pairs, _)) => {
                (start, pairs.first().map(|(k, _)| k.span), Kind::Mapping(pairs))
            }
            None => return,
        };
        // Only the brackets of the flow style have a length.
        let span = match (start.len > 0, start.line == end.line) {
            (true, true) => Span { len: end.col + end.len - start.col, ..start },
            (true, false) => Span { len: 1, ..start },
            (false, _) => first.unwrap_or(start),
        };
        self.add(Node { span, kind });
    }

    fn add(&mut self, node: Node) {
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Open::Sequence(_, items)) => items.push(node),
            Some(Open::Mapping(_, pairs, key)) => match key.take() {
                Some(key) => pairs.push((key, node)),
                None => {
                    let merge = node.text() == Some("<<");
                    if merge {
                        let message = "merge keys (<<) are not part of the language";
                        self.diagnostics.error_hint(node.span, message, "write the keys out");
                    }
                    let kind = if merge { Kind::Broken } else { node.kind };
                    *key = Some(Node { span: node.span, kind });
                }
            },
        }
    }
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    }
}

#[cfg(test)]
mod tests;
