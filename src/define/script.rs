//! The lines of a pack's own tests.
//!
//! In: one line. Out: what it says, or what is wrong with it. Knows neither the pack nor the time
//! at which it runs.
//!
//! ```text
//!  09:00  anna  Order Completed  order_id=o1 total=120      an event
//!  late 08:50  anna  Product Viewed                         one that comes only now
//!  +5d                                                      time runs on
//!  expect anna send email thank-you at day 2 10:00          what must have been decided
//! ```

use serde_json::Value;

use crate::define::ast::Pack;
use crate::define::diagnostic::{Diagnostic, nearest};
use crate::define::limits::{DAY_MAX, SCRIPT_LINE_BYTES_MAX};
use crate::define::parse::literals::{clock, duration_or_zero, number};

/// What one line says.
#[derive(Clone, Debug, PartialEq)]
pub enum ScriptLine {
    /// An empty line or a comment.
    Blank,
    Event {
        at: When,
        /// It comes now, and happened at that instant before.
        late: bool,
        person: String,
        call: Call,
        /// Properties or traits in the order of the line; dotted names nest.
        fields: Vec<(String, Value)>,
    },
    /// Time runs on; what is due at that instant happens.
    Run {
        at: When,
    },
    Expect(Expectation),
}

/// Which of Segment's calls an event is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Track(String),
    Identify,
    Page,
    Screen,
    Group,
    Alias,
}

/// When a line happens, in the time zone of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At that time of the current day.
    Clock(ClockSeconds),
    /// At that time of the n-th day of the script; day 1 is Monday 2026-03-02.
    Day {
        n: u32,
        clock: ClockSeconds,
    },
    Date {
        date: jiff::civil::Date,
        clock: ClockSeconds,
    },
    /// Milliseconds after the line before.
    Plus(i64),
}

/// A time of day: minutes after midnight, and seconds of that minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSeconds {
    pub minute: u16,
    pub second: u8,
}

/// What a line expects.
#[derive(Clone, Debug, PartialEq)]
pub enum Expectation {
    /// No send that has not been named.
    Nothing,
    /// The next decision not yet named.
    Decision {
        person: String,
        verdict: Verdict,
        channel: String,
        template: String,
        at: Option<When>,
        because: Option<String>,
    },
    Segment {
        person: String,
        segment: String,
        inside: bool,
    },
    /// An open instance.
    Journey {
        person: String,
        journey: String,
        inside: bool,
    },
    /// `None`: the fact is missing.
    Fact {
        person: String,
        fact: String,
        value: Option<Value>,
    },
}

/// The outcome that a test expects of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Send,
    Drop,
    Defer,
}

const VERDICTS: [(&str, Verdict); 3] =
    [("send", Verdict::Send), ("drop", Verdict::Drop), ("defer", Verdict::Defer)];

/// What is wrong in the test scripts of a pack.
pub fn check_scripts(pack: &Pack) -> Vec<Diagnostic> {
    let lines = pack.tests.iter().flat_map(|test| &test.lines);
    lines.filter_map(|l| Some(Diagnostic::new(l.span, parse_line(&l.node).err()?))).collect()
}

/// Reads one line. The error is a message in lower case, with advice after a semicolon.
pub fn parse_line(line: &str) -> Result<ScriptLine, String> {
    if line.len() > SCRIPT_LINE_BYTES_MAX {
        return Err(format!("the line has more than {SCRIPT_LINE_BYTES_MAX} bytes"));
    }
    let mut words = Words { rest: line.trim() };
    if words.rest.is_empty() || words.rest.starts_with('#') {
        return Ok(ScriptLine::Blank);
    }
    if words.peek() == "expect" {
        words.next();
        return expectation(words).map(ScriptLine::Expect);
    }
    let late = words.peek() == "late";
    if late {
        words.next();
    }
    let at = when(&mut words)?;
    let person = words.next();
    if person.is_empty() {
        return match late {
            true => Err("expected a person: only an event can be late".to_owned()),
            false => Ok(ScriptLine::Run { at }),
        };
    }
    if person.contains('=') {
        return Err(format!("expected a person after the time, found {person}"));
    }
    let mut name = Vec::new();
    while !words.rest.is_empty() && field_name(words.rest).is_none() {
        name.push(words.next());
    }
    if let Some(sign) = name.iter().find(|word| ["=", "#"].contains(word)) {
        return Err(match *sign {
            "=" => "expected name=value, without spaces around the =".to_owned(),
            _ => "a comment stands on a line of its own".to_owned(),
        });
    }
    let call = call(person, &name)?;
    let fields = fields(&mut words)?;
    Ok(ScriptLine::Event { at, late, person: person.to_owned(), call, fields })
}

/// The words of a line that are still to be read.
struct Words<'l> {
    rest: &'l str,
}

impl<'l> Words<'l> {
    fn peek(&self) -> &'l str {
        self.rest.split_whitespace().next().unwrap_or_default()
    }

    fn next(&mut self) -> &'l str {
        let word = self.peek();
        self.rest = self.rest[word.len()..].trim_start();
        word
    }

    fn end(&self) -> Result<(), String> {
        match self.rest {
            "" => Ok(()),
            rest => Err(format!("unexpected \"{rest}\" at the end of the line")),
        }
    }
}

const WHEN: &str = "expected a time such as 09:00, day 2 09:00, 2026-03-29 01:30 or +30m";

fn when(words: &mut Words) -> Result<When, String> {
    let first = words.next();
    if let Some(plus) = first.strip_prefix('+') {
        let ms = duration_or_zero(plus).map_err(|w| w.message);
        return ms.map(When::Plus).map_err(|m| format!("{m}; write +30m or +1d12h"));
    }
    if first == "day" {
        let n = number(words.next()).filter(|n| (1..=DAY_MAX).contains(n));
        let n = n.ok_or_else(|| format!("expected a day from 1 to {DAY_MAX}"))?;
        return time_of_day(words.next()).map(|clock| When::Day { n, clock });
    }
    if first.contains(':') {
        return time_of_day(first).map(When::Clock);
    }
    let dated = first.len() == 10 && first.bytes().filter(|b| *b == b'-').count() == 2;
    if dated && let Ok(date) = first.parse::<jiff::civil::Date>() {
        return time_of_day(words.next()).map(|clock| When::Date { date, clock });
    }
    match nearest(first, ["expect", "day", "late"]) {
        Some(word) => Err(format!("unknown \"{first}\"; did you mean \"{word}\"?")),
        None => Err(format!("{WHEN}, found \"{first}\"")),
    }
}

/// `09:30` or `09:30:15`.
fn time_of_day(text: &str) -> Result<ClockSeconds, String> {
    if text.is_empty() {
        return Err("expected a clock time such as 09:00, found the end of the line".to_owned());
    }
    let (minutes, seconds) = match text.match_indices(':').nth(1) {
        Some((at, _)) => (&text[..at], &text[at + 1..]),
        None => (text, "00"),
    };
    let minute = clock(minutes).map_err(|w| {
        let hint = w.hint.map(|h| format!("; {h}")).unwrap_or_default();
        format!("{}{hint}", w.message)
    })?;
    match number(seconds) {
        Some(s @ 0..=59) if seconds.len() == 2 => {
            Ok(ClockSeconds { minute, second: u8::try_from(s).expect("less than 60") })
        }
        _ => Err(format!("\"{text}\" is not a clock time; write 09:30 or 09:30:15")),
    }
}

fn call(person: &str, name: &[&str]) -> Result<Call, String> {
    let further = |call: Call| match name {
        [_] => Ok(call),
        [word, ..] => Err(format!("{word} takes only name=value after it; write name=\"…\"")),
        [] => Ok(call),
    };
    match name {
        [] => Err(format!("expected the name of an event after {person}")),
        ["identify", ..] => further(Call::Identify),
        ["page", ..] => further(Call::Page),
        ["screen", ..] => further(Call::Screen),
        ["group", ..] => further(Call::Group),
        ["alias", ..] => further(Call::Alias),
        _ => Ok(Call::Track(name.join(" "))),
    }
}

/// The name of a `name=value` at the beginning of a text.
fn field_name(text: &str) -> Option<&str> {
    let (name, _) = text.split_once('=')?;
    let part = |p: &str| {
        p.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '$')
            && p.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$'))
    };
    name.split('.').all(part).then_some(name)
}

fn fields(words: &mut Words) -> Result<Vec<(String, Value)>, String> {
    let mut fields: Vec<(String, Value)> = Vec::new();
    while !words.rest.is_empty() {
        let Some(name) = field_name(words.rest) else {
            let word = words.peek();
            return Err(match fields.last() {
                Some((name, _)) if !word.contains('=') => {
                    format!("\"{word}\" has no name; a value with spaces is quoted: {name}=\"…\"")
                }
                _ => format!("expected name=value, found \"{word}\""),
            });
        };
        words.rest = &words.rest[name.len() + 1..];
        let value = value(words).map_err(|m| format!("{name}={m}"))?;
        let inside = |a: &str, b: &str| a.strip_prefix(b).is_some_and(|r| r.starts_with('.'));
        if let Some((other, _)) =
            fields.iter().find(|(n, _)| n == name || inside(n, name) || inside(name, n))
        {
            return Err(match other == name {
                true => format!("{name} stands here twice"),
                false => format!("{name} and {other} cannot both have a value"),
            });
        }
        fields.push((name.to_owned(), value));
    }
    Ok(fields)
}

/// The value at the beginning of the rest of the line; the rest begins with the next word
/// afterwards.
fn value(words: &mut Words) -> Result<Value, String> {
    let text = words.rest;
    let end = match text.chars().next() {
        Some('"' | '[' | '{') => closing(text).ok_or("… is never closed")?,
        _ => text.find(char::is_whitespace).unwrap_or(text.len()),
    };
    let (written, rest) = text.split_at(end);
    if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return Err(format!("{written} is followed by \"{rest}\" without a space"));
    }
    words.rest = rest.trim_start();
    match written.chars().next() {
        None => Err("… has no value; write \"\" for an empty text".to_owned()),
        Some('"' | '{') => {
            serde_json::from_str(written).map_err(|_| format!("{written} is not JSON"))
        }
        Some('[') => serde_json::from_str(written).or_else(|_| list(written)),
        _ => Ok(scalar(written)),
    }
}

/// `[a, 2, "x y"]`
fn list(written: &str) -> Result<Value, String> {
    let mut inner = Words { rest: written[1..written.len() - 1].trim() };
    let mut items = Vec::new();
    while !inner.rest.is_empty() {
        let text = inner.rest;
        let end = match text.starts_with(['"', '[', '{']) {
            true => closing(text).ok_or_else(|| format!("{written} is never closed"))?,
            false => text.find(',').unwrap_or(text.len()),
        };
        let item = text[..end].trim();
        let rest = text[end..].trim_start();
        let more = rest.strip_prefix(',');
        if item.is_empty() || (more.is_none() && !rest.is_empty()) {
            return Err(format!("{written} is not a list"));
        }
        let quoted = item.starts_with(['"', '[', '{']);
        items.push(match quoted {
            true => serde_json::from_str(item).map_err(|_| format!("{item} is not JSON"))?,
            false => scalar(item),
        });
        inner.rest = more.unwrap_or_default().trim_start();
    }
    Ok(Value::Array(items))
}

/// The index behind the quote or bracket that closes the first one of a text.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && !quoted {
            return Some(i + c.len_utf8());
        }
    }
    None
}

/// A number, `true`, `false`, else text.
fn scalar(text: &str) -> Value {
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match serde_json::from_str(text) {
            Ok(Value::Number(n)) => Value::Number(n),
            _ => Value::from(text),
        },
    }
}

fn expectation(mut words: Words) -> Result<Expectation, String> {
    let person = words.next();
    match person {
        "nothing" => return words.end().map(|()| Expectation::Nothing),
        "fact" => return fact(words),
        "" => return Err("expected what? write expect nothing, or expect anna send …".to_owned()),
        _ => {}
    }
    let person = person.to_owned();
    match words.next() {
        "in" => membership(words, person, true),
        "not" if words.peek() == "in" => {
            words.next();
            membership(words, person, false)
        }
        word => match VERDICTS.iter().find(|(name, _)| *name == word) {
            Some((_, verdict)) => decision(words, person, *verdict),
            None => {
                let names = ["send", "drop", "defer", "in", "not"];
                let hint = nearest(word, names).map_or_else(
                    || "write send, drop, defer, in or not in".to_owned(),
                    |near| format!("did you mean \"{near}\"?"),
                );
                Err(format!("cannot expect \"{word}\" of {person}; {hint}"))
            }
        },
    }
}

fn membership(mut words: Words, person: String, inside: bool) -> Result<Expectation, String> {
    let first = words.next();
    if first.is_empty() {
        return Err("expected a segment, or \"journey\" and its name".to_owned());
    }
    if first == "journey" && !words.rest.is_empty() {
        let journey = words.next().to_owned();
        return words.end().map(|()| Expectation::Journey { person, journey, inside });
    }
    words.end().map(|()| Expectation::Segment { person, segment: first.to_owned(), inside })
}

fn decision(mut words: Words, person: String, verdict: Verdict) -> Result<Expectation, String> {
    let (channel, template) = (words.next().to_owned(), words.next().to_owned());
    if template.is_empty() {
        return Err("expected a channel and a template".to_owned());
    }
    let mut at = None;
    if words.peek() == "at" {
        words.next();
        at = Some(moment(&mut words)?);
    }
    let mut because = None;
    if words.peek() == "because" {
        words.next();
        let mut reason = words.rest;
        // `because` runs to the end of the line, but for a time at its end.
        if let Some((before, time)) = reason.rsplit_once(" at ").filter(|_| at.is_none()) {
            let mut time = Words { rest: time.trim() };
            if let Some(found) = moment(&mut time).ok().filter(|_| time.rest.is_empty()) {
                (at, reason) = (Some(found), before.trim_end());
            }
        }
        if reason.is_empty() {
            return Err("expected a reason after \"because\"".to_owned());
        }
        if verdict == Verdict::Send {
            return Err("a send has no reason; only drop and defer have one".to_owned());
        }
        because = Some(reason.to_owned());
        words.rest = "";
    }
    words.end()?;
    Ok(Expectation::Decision { person, verdict, channel, template, at, because })
}

/// An instant that does not depend on the line before.
fn moment(words: &mut Words) -> Result<When, String> {
    match when(words)? {
        When::Plus(_) => Err("expected a time such as day 1 10:40 after \"at\"".to_owned()),
        at => Ok(at),
    }
}

fn fact(mut words: Words) -> Result<Expectation, String> {
    let (person, fact) = (words.next().to_owned(), words.next().to_owned());
    let value = match words.next() {
        _ if fact.is_empty() => return Err("expected a person and a fact".to_owned()),
        "missing" => None,
        "=" => Some(value(&mut words)?),
        _ => return Err(format!("expected {fact} = value or {fact} missing")),
    };
    words.end()?;
    Ok(Expectation::Fact { person, fact, value })
}

#[cfg(test)]
mod tests;
