//! Looks over an expression before the CEL parser sees it.
//!
//! In: the text. Out: where calls of `has` stand, or the first mistake that can be said better than
//! a grammar would: a word of SQL, a curly quote, a bracket left open, what CEL has and packs have
//! not. Never builds a tree.

use super::literals::{self, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::define::limits::EXPRESSION_DEPTH_MAX;

/// The functions of the language. No fact may have such a name, but for those of the catalogue: they are likely names.
pub const FUNCTIONS: [&str; 32] = [
    "has",
    "size",
    "days",
    "hours",
    "minutes",
    "seconds",
    "timestamp",
    "segment",
    "contains",
    "starts_with",
    "ends_with",
    "startsWith",
    "endsWith",
    "lower",
    "min",
    "max",
    "abs",
    "floor",
    "round",
    "hour",
    "weekday",
    "default",
    "percentile",
    "rank",
    "decile",
    "quintile",
    "product",
    "accessories",
    "similar",
    "bought_together",
    "without",
    "take",
];

/// How many of them, the last ones, are about the catalogue.
const OF_THE_CATALOGUE: usize = 6;

/// Words that CEL keeps for itself.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// CEL's loops over lists, which the language leaves out: every expression takes bounded time.
const LOOPS: [&str; 7] =
    ["all", "exists", "exists_one", "existsOne", "filter", "map", "transformList"];

/// Whether an expression could not name a fact called so.
pub fn is_taken(name: &str) -> bool {
    let words = ["event", "entry", "key", "now", "session", "true", "false", "null", "in"];
    let functions = &FUNCTIONS[..FUNCTIONS.len() - OF_THE_CATALOGUE];
    let taken = [&words[..], functions, &RESERVED[..]];
    taken.iter().any(|w| w.contains(&name)) || instead(name).is_some()
}

/// A mistake at `at` (an index of a character), `len` characters long.
#[derive(Debug, PartialEq, Eq)]
pub struct Slip {
    pub at: usize,
    pub len: usize,
    pub message: String,
    pub hint: Option<String>,
}

fn slip<T>(at: usize, len: usize, message: impl Into<String>, hint: &str) -> Result<T, Slip> {
    let hint = (!hint.is_empty()).then(|| hint.to_owned());
    Err(Slip { at, len, message: message.into(), hint })
}

/// What other languages say, and what to write.
fn instead(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "and" => "write &&",
        "or" => "write ||",
        "not" => "write !",
        "is" => "write ==",
        "null" | "none" | "nil" => "ask has(x), or !has(x)",
        "true" if word != "true" => "write true",
        "false" if word != "false" => "write false",
        _ => return None,
    })
}

/// Signs of other languages, longest first.
const SIGNS: [(&str, &str); 12] = [
    ("===", "write =="),
    ("!==", "write !="),
    ("<>", "write !="),
    ("=>", "write >="),
    ("=<", "write <="),
    ("≥", "write >="),
    ("≤", "write <="),
    ("≠", "write !="),
    ("“", "write straight quotes: \""),
    ("”", "write straight quotes: \""),
    ("‘", "write straight quotes: '"),
    ("’", "write straight quotes: '"),
];

/// Signs of the language, longest first.
const OPERATORS: [&str; 17] =
    ["==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ","];

/// The text with `has(` where it is called written `HAS(`: CEL's own `has` only takes `a.b`, ours
/// takes names too.
pub fn check(text: &str) -> Result<String, Slip> {
    let chars: Vec<char> = text.chars().collect();
    let mut scan = Scan { chars: &chars, at: 0, open: Vec::new(), deep: 0, has: Vec::new() };
    while scan.at < chars.len() {
        scan.token()?;
    }
    if let Some((bracket, at)) = scan.open.last() {
        return slip(*at, 1, format!("this \"{bracket}\" is never closed"), "");
    }
    let mut out = chars.clone();
    for at in scan.has {
        out[at..at + 3].copy_from_slice(&['H', 'A', 'S']);
    }
    Ok(out.into_iter().collect())
}

struct Scan<'c> {
    chars: &'c [char],
    at: usize,
    open: Vec<(char, usize)>,
    /// Choices so far, each of which nests.
    deep: usize,
    has: Vec<usize>,
}

impl Scan<'_> {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn starts_with(&self, sign: &str) -> bool {
        sign.chars().enumerate().all(|(i, c)| self.peek(i) == c)
    }

    fn token(&mut self) -> Result<(), Slip> {
        match self.peek(0) {
            c if c.is_whitespace() => self.at += 1,
            '"' | '\'' => return self.string(),
            c if c.is_ascii_digit() => return self.number(),
            c if c.is_alphabetic() || c == '_' => return self.word(),
            '(' | '[' => {
                self.open.push((self.peek(0), self.at));
                self.level()?;
                self.at += 1;
            }
            c @ (')' | ']') => {
                let expected = if c == ')' { '(' } else { '[' };
                if self.open.pop().is_none_or(|(open, _)| open != expected) {
                    return slip(self.at, 1, format!("no \"{expected}\" belongs to this"), "");
                }
                self.at += 1;
            }
            '.' => self.at += 1,
            _ => return self.sign(),
        }
        Ok(())
    }

    fn level(&mut self) -> Result<(), Slip> {
        match self.open.len() + self.deep > EXPRESSION_DEPTH_MAX {
            true => {
                let message = format!("more than {EXPRESSION_DEPTH_MAX} levels in an expression");
                slip(self.at, 1, message, "make facts or segments of its parts")
            }
            false => Ok(()),
        }
    }

    fn sign(&mut self) -> Result<(), Slip> {
        if let Some((sign, hint)) = SIGNS.iter().find(|(sign, _)| self.starts_with(sign)) {
            let message = format!("\"{sign}\" is not an operator");
            let quote = "“”‘’".contains(sign);
            let message = if quote { format!("a curly quote {sign}") } else { message };
            return slip(self.at, sign.chars().count(), message, hint);
        }
        if let Some(operator) = OPERATORS.iter().find(|o| self.starts_with(o)) {
            if *operator == "?" {
                self.deep += 1;
                self.level()?;
            }
            self.at += operator.len();
            return Ok(());
        }
        let c = self.peek(0);
        let hint = match c {
            '=' => "write == to compare",
            '&' => "write &&",
            '|' => "write ||",
            _ => "",
        };
        match c {
            '{' | '}' => slip(self.at, 1, "expressions have no { … }", ""),
            '=' | '&' | '|' => slip(self.at, 1, format!("a single \"{c}\""), hint),
            _ => slip(self.at, 1, format!("unexpected \"{c}\""), hint),
        }
    }

    fn string(&mut self) -> Result<(), Slip> {
        let (start, quote) = (self.at, self.peek(0));
        if self.peek(1) == quote && self.peek(2) == quote {
            return slip(start, 3, "texts have one quote on either side", "");
        }
        self.at += 1;
        loop {
            match self.peek(0) {
                '\0' | '\n' => return slip(start, 1, "the closing quote is missing", ""),
                '\\' => self.escape()?,
                c => {
                    self.at += 1;
                    if c == quote {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn escape(&mut self) -> Result<(), Slip> {
        let (digits, radix) = match self.peek(1) {
            'x' | 'X' => (2, 16),
            'u' => (4, 16),
            'U' => (8, 16),
            '0'..='3' => (2, 8),
            c if "abfnrtv\\'\"?`".contains(c) => (0, 10),
            _ => {
                return slip(self.at, 2, "an unknown escape", "write \\\\ for a backslash");
            }
        };
        if !(0..digits).all(|i| self.peek(2 + i).is_digit(radix)) {
            return slip(self.at, 2, "an escape in this text is incomplete", "");
        }
        self.at += 2 + digits;
        Ok(())
    }

    fn number(&mut self) -> Result<(), Slip> {
        let start = self.at;
        let digits = |scan: &mut Self| {
            while scan.peek(0).is_ascii_digit() {
                scan.at += 1;
            }
        };
        digits(self);
        if self.peek(0) == '.' && self.peek(1).is_ascii_digit() {
            self.at += 1;
            digits(self);
        }
        let end = self.at;
        while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
            self.at += 1;
        }
        if end == self.at {
            return Ok(());
        }
        let text: String = self.chars[start..self.at].iter().collect();
        let hint = literals::duration(&text).ok().and_then(|ms| {
            let units = [
                ("days", DAY_MS),
                ("hours", HOUR_MS),
                ("minutes", MINUTE_MS),
                ("seconds", SECOND_MS),
            ];
            let (name, unit) = units.into_iter().find(|(_, unit)| ms % unit == 0)?;
            Some(format!("write {name}({})", ms / unit))
        });
        let message = format!("\"{text}\" is not a number");
        slip(start, self.at - start, message, hint.as_deref().unwrap_or_default())
    }

    fn word(&mut self) -> Result<(), Slip> {
        let start = self.at;
        while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
            self.at += 1;
        }
        let word: String = self.chars[start..self.at].iter().collect();
        let len = self.at - start;
        let before = self.chars[..start].iter().rev().find(|c| !c.is_whitespace());
        let member = before == Some(&'.');
        let next = self.chars[self.at..].iter().find(|c| !c.is_whitespace());
        let call = next == Some(&'(');
        if !word.is_ascii() {
            let message = format!("\"{word}\" cannot be a name");
            return slip(start, len, message, "names have the letters a to z; quote a text");
        }
        if matches!(self.peek(0), '"' | '\'') {
            return slip(start, len, format!("\"{word}\" before a text"), "");
        }
        if member {
            return match call && LOOPS.contains(&word.as_str()) {
                true => slip(start, len, format!("\"{word}\" is not part of the language"), ""),
                false => Ok(()),
            };
        }
        if let Some(hint) = instead(&word) {
            return slip(start, len, format!("\"{word}\" is not part of the language"), hint);
        }
        if RESERVED.contains(&word.as_str()) {
            let hint = if word == "if" || word == "else" { "write condition ? a : b" } else { "" };
            return slip(start, len, format!("\"{word}\" is a reserved word"), hint);
        }
        if call && word != "has" && word.eq_ignore_ascii_case("has") {
            return slip(start, len, format!("\"{word}\" is not a function"), "write has(x)");
        }
        if word == "has" && call {
            self.has.push(start);
        }
        Ok(())
    }
}
