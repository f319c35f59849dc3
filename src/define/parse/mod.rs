//! Pack text to tree, with every mistake at once.
//!
//! ```text
//!  files ──► yaml nodes ──► facts, journeys (steps), policy ──► Pack
//!                 read through `reader`: one table of keys per mapping
//!                 scalars by `literals` and `expression` (after `tokens`)
//! ```
//!
//! In: the files of a pack. Out: the tree and all diagnostics. If there are any, the tree is good
//! only for finding more: what could not be read is left out or stands as a placeholder. Names are
//! not resolved, types not checked.

use std::thread;

use crate::define::ast::{Name, Pack, SourceFile, Span, Spanned, TestDef};
use crate::define::diagnostic::Diagnostic;
use crate::define::limits::{FILES_MAX, SCRIPT_LINES_MAX};
use crate::define::script;
use crate::define::yaml::{self, Kind, Node, Style};

mod expression;
mod facts;
mod identity;
mod journeys;
pub mod literals;
mod policy;
mod reader;
mod relations;
mod steps;
mod tokens;

pub use reader::Shape;
pub use tokens::FUNCTIONS;

use reader::Reader;

/// The stack on which packs are parsed and compiled. The CEL parser recurses through its grammar and takes 130
/// KiB for a bracket in a debug build: 64 levels do not fit on a test's thread of 2 MiB.
pub(crate) const STACK_BYTES: usize = 64 << 20;

const PACK: Shape = Shape {
    what: "a pack",
    keys: &[
        "events",
        "currency",
        "sessions",
        "ignore",
        "identity",
        "groups",
        "catalogue",
        "forget_after",
        "facts",
        "segments",
        "journeys",
        "policy",
        "tests",
    ],
    required: &[],
    excludes: &[],
};

const TEST: Shape = Shape {
    what: "a test",
    keys: &["name", "script"],
    required: &["name", "script"],
    excludes: &[],
};

/// Every mapping of the language but those with free names.
pub const SHAPES: &[&Shape] = &[
    &PACK,
    &facts::CURRENCY,
    &facts::SESSIONS,
    &identity::IDENTITY,
    &identity::IDENTIFIER_KIND,
    &relations::GROUP,
    &relations::CATALOGUE,
    &relations::NOTICE,
    &facts::FOLD,
    &facts::TRAIT,
    &facts::BASKET,
    &journeys::JOURNEY,
    &journeys::ON_EVENT,
    &journeys::ON_ENTERED,
    &journeys::ON_LEFT,
    &journeys::ON_DATE,
    &journeys::ON_SILENCE,
    &journeys::EXIT_ON,
    &journeys::EXIT_WHEN,
    &steps::WAIT_UNTIL,
    &steps::WAIT_INSTANT,
    &steps::WAIT_QUIET,
    &steps::WAIT_EVENT,
    &steps::BRANCH,
    &steps::ARM,
    &steps::SEND,
    &steps::EMIT,
    &policy::POLICY,
    &policy::CONSENT,
    &policy::SUPPRESS,
    &policy::QUIET_HOURS,
    &policy::CAP,
    &policy::HOLD_OUT,
    &policy::EXCLUSIVE,
    &policy::LOOK_AHEAD,
    &policy::GAP,
    &policy::THROTTLE,
    &TEST,
];

/// The steps of the language.
pub const STEPS: [&str; 9] = steps::STEPS;

/// Reads a pack. The diagnostics are sorted by place; those of its test scripts are among them.
pub fn parse(files: &[SourceFile]) -> (Pack, Vec<Diagnostic>) {
    // The parser has no panic of its own; should one of its libraries have one, the pack is not to be used.
    on_large_stack(|| parse_here(files)).unwrap_or_else(|why| failed(files, &why))
}

/// Does something that goes as deep as what was written is nested.
///
/// # Errors
/// It panicked, or there is no thread for it.
pub(crate) fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("define".to_owned()).stack_size(STACK_BYTES);
        match builder.spawn_scoped(scope, work).map(thread::ScopedJoinHandle::join) {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => Err("the pack cannot be read: the parser failed".to_owned()),
            Err(error) => Err(format!("the pack cannot be read: {error}")),
        }
    })
}

fn failed(files: &[SourceFile], message: &str) -> (Pack, Vec<Diagnostic>) {
    let pack = Pack { files: files.to_vec(), ..Pack::default() };
    (pack, vec![Diagnostic::new(Span::START, message)])
}

fn parse_here(files: &[SourceFile]) -> (Pack, Vec<Diagnostic>) {
    if files.len() > FILES_MAX {
        return failed(files, &format!("a pack has at most {FILES_MAX} files"));
    }
    let mut pack = Pack { files: files.to_vec(), ..Pack::default() };
    let mut reader = Reader::new(files);
    for (index, file) in (0_u16..).zip(files) {
        if let Some(root) = yaml::read(index, &file.text, &mut reader.diagnostics) {
            read_file(&mut reader, &root, &mut pack);
        }
    }
    let mut diagnostics = reader.diagnostics;
    script::check_scripts(&pack).into_iter().for_each(|d| diagnostics.push(d));
    (pack, diagnostics.into_sorted())
}

/// Adds what one file says to the pack.
fn read_file(r: &mut Reader, root: &Node, pack: &mut Pack) {
    let Some(fields) = r.fields(root, root.span, &PACK) else {
        return;
    };
    for key in PACK.keys {
        let Some((at, node)) = fields.entry(key) else {
            continue;
        };
        if node.kind == Kind::Null {
            r.error_hint(at, format!("nothing is written for \"{key}\""), "delete the key");
            continue;
        }
        const ONCE: [&str; 6] =
            ["currency", "sessions", "identity", "forget_after", "catalogue", "policy"];
        if ONCE.contains(key) {
            r.define("key", key, at);
        }
        match *key {
            "events" => pack.events.extend(facts::events(r, node)),
            "currency" => pack.currency = facts::currency(r, node, at).or(pack.currency.take()),
            "sessions" => pack.sessions = facts::sessions(r, node, at).or(pack.sessions.take()),
            "ignore" => pack.ignore.extend(facts::ignore(r, node)),
            "identity" => pack.identity = identity::identity(r, node, at).or(pack.identity.take()),
            "groups" => pack.groups.extend(relations::groups(r, node)),
            "catalogue" => {
                pack.catalogue = relations::catalogue(r, node, at).or(pack.catalogue.take());
            }
            "forget_after" => pack.forget_after = r.duration(node).or(pack.forget_after.take()),
            "facts" => pack.facts.extend(facts::facts(r, node)),
            "segments" => pack.segments.extend(facts::segments(r, node)),
            "journeys" => pack.journeys.extend(journeys::journeys(r, node)),
            "policy" => pack.policy = policy::policy(r, node, at).or(pack.policy.take()),
            _ => {
                let items = r.list(node, "a list of tests");
                pack.tests.extend(items.iter().filter_map(|item| test(r, item)));
            }
        }
    }
}

fn test(r: &mut Reader, node: &Node) -> Option<TestDef> {
    let fields = r.fields(node, node.span, &TEST)?;
    let name = fields.get("name").and_then(|n| r.name(n, "the name of a test"));
    let lines = fields.entry("script").map(|(at, n)| script_lines(r, n, at));
    let name: Name = name?;
    r.define("test", &name.node, name.span);
    Some(TestDef { name, lines: lines? })
}

/// The lines of a script with their places.
fn script_lines(r: &mut Reader, node: &Node, at: Span) -> Vec<Spanned<String>> {
    let Kind::Scalar { text, style } = &node.kind else {
        match node.kind {
            Kind::Null => r.error_hint(at, "the script is empty", "write \"script: |\""),
            _ => r.mismatch(node, "a script: \"script: |\" and its lines"),
        }
        return Vec::new();
    };
    let one_line = *style == Style::Quoted || *style == Style::Plain;
    if *style == Style::Folded || (one_line && text.chars().count() + 2 < node.span.len as usize) {
        r.error_hint(at, "the lines of the script run together", "write \"script: |\"");
        return Vec::new();
    }
    // A literal begins at its first line with text; blank lines before it are part of it.
    let blank = text.lines().take_while(|l| l.trim().is_empty()).count();
    let first = (node.span.line as usize).saturating_sub(blank);
    let mut lines = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        let place = Span { line: (first + i) as u32, ..node.span };
        let written = r.line(place);
        let byte = written.find(line).unwrap_or(0);
        let col = written[..byte].chars().count() as u32 + 1;
        let len = line.chars().count() as u32;
        lines.push(Spanned { node: line.to_owned(), span: Span { col, len, ..place } });
    }
    r.limit(&lines, SCRIPT_LINES_MAX, "lines in a script", |l| l.span);
    lines
}

#[cfg(test)]
mod tests;
