//! What the YAML parser complains about, said so that the author of a pack can mend it.
//!
//! In: the text and the parser's complaint. Out: a place, a message, advice. Most complaints come
//! from an expression that should have been quoted.

pub(super) const TAG: &str = "a value that begins with \"!\" has to be quoted";
pub(super) const ANCHOR: &str = "anchors (&name) are not part of the language";
pub(super) const ALIAS: &str = "aliases (*name) are not part of the language";
pub(super) const QUOTE: &str = "quote the whole expression: '…'";

/// A complaint with its place: line from 1, column from 0, length.
pub(super) struct Explained {
    pub line: usize,
    pub col: usize,
    pub len: usize,
    pub message: String,
    pub hint: Option<String>,
}

/// What the parser says (a part of it), what we say, and what to do.
const SAYINGS: &[(&str, &str, &str)] = &[
    ("tabs disallowed", "a tab in the indentation", "indent with spaces"),
    ("unknown anchor", ALIAS, QUOTE),
    ("scanning a tag", TAG, QUOTE),
    ("trailing content after", "text after the closing quote", QUOTE),
    ("unexpected character", "a value cannot begin with this character", QUOTE),
    ("end of stream", "the closing quote is missing", ""),
    (
        "invalid indentation",
        "this line is indented too little",
        "indent it further than the line in which its value begins",
    ),
    ("misplaced bracket", "this bracket was never opened", ""),
    ("expected ',' or '}'", "a \",\" or \"}\" is missing here", ""),
    ("expected ',' or ']'", "a \",\" or \"]\" is missing here", ""),
    ("comment or line break", "text after \"|\" or \">\"", "begin the text on the next line"),
    (
        "mapping values are not allowed",
        "a \":\" inside a value",
        "quote the value if the \":\" belongs to it, or check the indentation",
    ),
    (
        "expected key",
        "this line does not continue what stands above it",
        "indent the entries of one mapping alike",
    ),
    (
        "expected '-' indicator",
        "this line does not continue the list above it",
        "begin every entry with \"- \", indented alike",
    ),
];

/// Turns the parser's complaint at a place into ours.
pub(super) fn explain(text: &str, line: usize, col: usize, info: &str) -> Explained {
    // A complaint about the end of the text is placed behind its last line.
    let count = text.lines().count().max(1);
    let at_end = line > count;
    let line = line.clamp(1, count);
    let chars: Vec<char> = text.lines().nth(line - 1).unwrap_or_default().chars().collect();
    let col = if at_end { chars.len() } else { col.min(chars.len()) };
    let found = |col, message: &str, hint: &str| Explained {
        line,
        col,
        len: 1,
        message: message.to_owned(),
        hint: (!hint.is_empty()).then(|| hint.to_owned()),
    };
    if let Some(bang) = unquoted_bang(&chars, col) {
        return found(bang, TAG, QUOTE);
    }
    let indent = chars.iter().take_while(|c| c.is_whitespace()).count();
    if let Some(tab) = chars[..indent].iter().position(|c| *c == '\t') {
        return found(tab, "a tab in the indentation", "indent with spaces");
    }
    let Some((_, message, hint)) = SAYINGS.iter().find(|(says, ..)| info.contains(says)) else {
        return found(col, &format!("this is not YAML: {info}"), "");
    };
    let glued = col > 0 && matches!(chars[col - 1], ']' | '}') && col < chars.len();
    let cut = matches!(chars.get(col), Some('[' | '{' | '"' | '\''));
    let choice = chars.contains(&'?') && info.contains("mapping values");
    let missing = message.contains("is missing here");
    let expression = (glued && chars[col] != ' ') || (cut && missing) || choice;
    let comma = missing && chars.get(col) == Some(&':');
    match () {
        () if expression => found(col, message, QUOTE),
        () if comma => found(col, message, "separate the entries of { … } by commas"),
        () => found(col, message, hint),
    }
}

/// The last value before `col` that begins with `!`, as in `where: !has(x)`.
fn unquoted_bang(chars: &[char], col: usize) -> Option<usize> {
    let before = chars.len().min(col + 1);
    (2..before).rev().find(|i| {
        chars[*i] == '!' && chars[i - 1] == ' ' && matches!(chars[i - 2], ':' | '-' | ',' | '[')
    })
}
