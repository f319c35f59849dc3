//! Mistakes in a pack: what, where, and what to do about it.
//!
//! In: diagnostics in any order. Out: plain text, sorted by place, each mistake once. Never
//! colours, never I/O.

use crate::define::ast::{SourceFile, Span};

/// One mistake: its place, a message in lower case without a full stop, and advice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    pub span: Span,
    pub message: String,
    pub hint: Option<String>,
}

impl Diagnostic {
    /// A mistake without advice.
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Diagnostic { span, message: message.into(), hint: None }
    }

    /// The same with advice; an absent hint changes nothing.
    pub fn with_hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into().or(self.hint);
        self
    }
}

/// Collects mistakes while work goes on.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Adds a mistake without advice.
    pub fn error(&mut self, span: Span, message: impl Into<String>) {
        self.push(Diagnostic::new(span, message));
    }

    /// Adds a mistake with advice.
    pub fn error_hint(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Diagnostic::new(span, message).with_hint(hint.into()));
    }

    /// Adds a mistake.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All mistakes in the order of files, lines and columns, each once.
    pub fn into_sorted(self) -> Vec<Diagnostic> {
        sorted(self.0)
    }
}

fn sorted(mut all: Vec<Diagnostic>) -> Vec<Diagnostic> {
    all.sort();
    all.dedup();
    all
}

/// The candidate that `name` was probably meant to be, as a hint: `did you mean "purchase"?`.
/// Of equally near candidates the first counts, so candidates come in a fixed order.
pub fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(name, candidates).map(|c| format!("did you mean \"{c}\"?"))
}

/// The candidate nearest to `name`, if it is near enough to have been meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may be wrong, but a word of two letters is too short to guess from.
    let allowed = (name.chars().count() / 3).clamp(1, 4);
    let lower = name.to_lowercase();
    let distance = |c: &str| strsim::osa_distance(&lower, &c.to_lowercase());
    let near = candidates
        .into_iter()
        .map(|c| (distance(c), c))
        .filter(|(d, c)| *d <= allowed && *d < c.chars().count().min(lower.chars().count()));
    near.min_by_key(|(d, _)| *d).map(|(_, c)| c)
}

/// Mistakes rendered at most: nobody reads more before the next try, and a damaged file has
/// thousands.
const RENDERED_MAX: usize = 500;

/// All mistakes as text, sorted by place, each once, with a blank line between them:
///
/// ```text
/// shop/vip.yaml:7:12: event "purchse" is not defined
///     enter: { on: purchse }
///                  ^^^^^^^
/// hint: did you mean "purchase"?
/// ```
pub fn render(files: &[SourceFile], diagnostics: &[Diagnostic]) -> String {
    let all = sorted(diagnostics.to_vec());
    let lines: Vec<Vec<&str>> = files.iter().map(|f| f.text.lines().collect()).collect();
    let shown = all.iter().take(RENDERED_MAX).map(|d| render_one(files, &lines, d));
    let more = all.len().checked_sub(RENDERED_MAX).filter(|n| *n > 0);
    let more = more.map(|n| format!("and {n} more mistakes\n"));
    shown.chain(more).collect::<Vec<_>>().join("\n")
}

/// `file:line:col` of a place.
pub fn place(files: &[SourceFile], span: &Span) -> String {
    let path = files.get(usize::from(span.file)).map_or("", |file| &file.path);
    format!("{path}:{}:{}", span.line, span.col)
}

fn render_one(files: &[SourceFile], lines: &[Vec<&str>], diagnostic: &Diagnostic) -> String {
    let Diagnostic { span, message, hint } = diagnostic;
    let mut out = format!("{}: {message}\n", place(files, span));
    let number = (span.line as usize).checked_sub(1);
    let line = lines.get(usize::from(span.file)).zip(number).and_then(|(l, n)| l.get(n));
    if let Some(line) = line.filter(|l| !l.trim().is_empty()) {
        out += &excerpt(line, span);
    }
    if let Some(hint) = hint {
        out += &format!("hint: {hint}\n");
    }
    out
}

/// Characters of a source line shown at most, and of those at most so many before the place.
const EXCERPT_CHARS: usize = 96;
const EXCERPT_BEFORE: usize = 64;

/// The source line without its indentation, cut to a readable width, and carets under the place.
fn excerpt(line: &str, span: &Span) -> String {
    let chars: Vec<char> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let at = (span.col.max(1) as usize - 1).min(chars.len());
    let indent = chars.iter().take_while(|c| c.is_whitespace()).count().min(at);
    let start = indent.max(at.saturating_sub(EXCERPT_BEFORE));
    let end = chars.len().min(start + EXCERPT_CHARS);
    let ellipsis = |cut: bool| if cut { "…" } else { "" };
    let shown: String = chars[start..end].iter().collect();
    let lead = ellipsis(start > indent);
    let tail = ellipsis(end < chars.len());
    let carets = (span.len.max(1) as usize).min(end.saturating_sub(at).max(1));
    let blank = " ".repeat(at - start + lead.chars().count());
    format!("    {lead}{}{tail}\n    {blank}{}\n", shown.trim_end(), "^".repeat(carets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Vec<SourceFile> {
        vec![SourceFile { path: "shop/a.yaml".into(), text: text.into() }]
    }

    fn span(line: u32, col: u32, len: u32) -> Span {
        Span { file: 0, line, col, len }
    }

    #[test]
    fn shows_the_place_and_the_hint() {
        let files = file("a:\n  on: purchse\n");
        let wrong = Diagnostic::new(span(2, 7, 7), "event \"purchse\" is not defined")
            .with_hint(did_you_mean("purchse", ["product", "purchase"]));
        let same = wrong.clone();
        let expected = "shop/a.yaml:2:7: event \"purchse\" is not defined\n    \
                        on: purchse\n        ^^^^^^^\nhint: did you mean \"purchase\"?\n";
        assert_eq!(render(&files, &[wrong, same]), expected);
    }

    #[test]
    fn sorts_by_place_and_survives_places_outside_the_text() {
        let files = file("ä: b");
        let text = render(
            &files,
            &[
                Diagnostic::new(span(9, 9, 9), "late"),
                Diagnostic::new(span(1, 99, 9), "past the end"),
                Diagnostic::new(Span { file: 7, ..span(0, 0, 0) }, "no file"),
                Diagnostic::new(span(1, 4, 50), "long"),
            ],
        );
        let first = "shop/a.yaml:1:4: long\n    ä: b\n       ^\n\n\
                     shop/a.yaml:1:99: past the end\n";
        assert!(text.starts_with(first), "{text}");
        assert!(text.ends_with(":0:0: no file\n"), "{text}");
    }

    #[test]
    fn a_damaged_file_does_not_fill_the_screen() {
        let wrong: Vec<_> = (0..502).map(|i| Diagnostic::new(span(1, i, 1), "no")).collect();
        let text = render(&file("a"), &wrong);
        assert!(text.ends_with("\n\nand 2 more mistakes\n"), "{text}");
    }

    #[test]
    fn cuts_long_lines_around_the_place() {
        let files = file(&format!("  {}x{}", "a".repeat(200), "b".repeat(200)));
        let text = render(&files, &[Diagnostic::new(span(1, 203, 1), "here")]);
        let lines: Vec<Vec<char>> = text.lines().map(|l| l.chars().collect()).collect();
        let caret = lines[2].iter().position(|c| *c == '^');
        assert_eq!(caret.map(|at| lines[1][at]), Some('x'), "{text}");
        assert!(lines[1].len() < 110);
    }

    #[test]
    fn guesses_only_what_is_near() {
        for (name, guess) in [
            ("sned", Some("send")),
            ("Wait", Some("wait")),
            ("waiit", Some("wait")),
            ("xy", None),
            ("template", None),
        ] {
            assert_eq!(nearest(name, ["wait", "send", "if"]), guess, "{name}");
        }
    }
}
