//! The steps of a journey.
//!
//! In: lists of steps. Out: steps, branches and arms. Knows nothing of what the names in them mean.

use super::literals::{Until, decimal};
use super::reader::{Fields, Reader, Shape};
use crate::define::ast::{Arm, Branch, Expr, Name, Send, Span, Spanned, Step, Wait};
use crate::define::diagnostic::nearest;
use crate::define::limits::{BRANCHES_MAX, STEP_NESTING_MAX, STEPS_MAX};
use crate::define::yaml::{Kind, Node, Style};

pub(super) const STEPS: [&str; 9] =
    ["wait", "choose", "split", "send", "emit", "set", "add_to", "remove_from", "end"];

/// What people write for a step of ours.
const STEP_WORDS: [(&str, &str); 16] = [
    ("delay", "wait"),
    ("sleep", "wait"),
    ("pause", "wait"),
    ("if", "choose"),
    ("branch", "choose"),
    ("switch", "choose"),
    ("condition", "choose"),
    ("experiment", "split"),
    ("ab_test", "split"),
    ("email", "send"),
    ("sms", "send"),
    ("push", "send"),
    ("message", "send"),
    ("event", "emit"),
    ("exit", "end"),
    ("stop", "end"),
];

pub(super) const WAIT_UNTIL: Shape =
    Shape { what: "a wait until", keys: &["until"], required: &[], excludes: &[] };

pub(super) const WAIT_INSTANT: Shape = Shape {
    what: "a wait until an instant",
    keys: &["instant", "at"],
    required: &[],
    excludes: &[],
};

pub(super) const WAIT_QUIET: Shape =
    Shape { what: "a wait for silence", keys: &["quiet_for", "of"], required: &[], excludes: &[] };

pub(super) const WAIT_EVENT: Shape = Shape {
    what: "a wait for an event",
    keys: &["on", "where", "timeout", "then", "else"],
    required: &["timeout"],
    excludes: &[],
};

pub(super) const BRANCH: Shape = Shape {
    what: "a branch",
    keys: &["when", "else", "do"],
    required: &[],
    excludes: &[("when", "else")],
};

pub(super) const ARM: Shape = Shape {
    what: "an arm",
    keys: &["name", "percent", "hold_out", "do"],
    required: &["name", "percent"],
    excludes: &[],
};

pub(super) const SEND: Shape = Shape {
    what: "a send",
    keys: &["channel", "template", "with", "purpose", "tags", "valid_for", "if_suppressed"],
    required: &["channel", "template"],
    excludes: &[],
};

pub(super) const EMIT: Shape =
    Shape { what: "an emit", keys: &["event", "with"], required: &["event"], excludes: &[] };

/// The steps of a list; `at` is the place of its key, `level` how deep it lies (from 1).
pub(super) fn steps(r: &mut Reader, node: &Node, at: Span, level: usize) -> Vec<Spanned<Step>> {
    if node.kind == Kind::Null {
        r.error(at, "expected a list of steps, found nothing");
        return Vec::new();
    }
    let items = r.list(node, "a list of steps");
    if let Kind::Sequence(items) = &node.kind
        && items.is_empty()
    {
        r.error_hint(at, "there is no step in this list", "write at least one, for example end");
    }
    if level > STEP_NESTING_MAX {
        r.error(at, format!("steps are nested more than {STEP_NESTING_MAX} deep"));
        return Vec::new();
    }
    let mut steps: Vec<Spanned<Step>> = Vec::with_capacity(items.len());
    for item in items {
        r.steps += 1;
        if r.steps == STEPS_MAX + 1 {
            r.error(item.span, format!("a journey has at most {STEPS_MAX} steps"));
        }
        if matches!(steps.last(), Some(Spanned { node: Step::End, .. })) {
            r.error(item.span, "this step is never reached: the journey ends before it");
        }
        steps.extend(step(r, item, level).map(|node| Spanned { node, span: item.span }));
    }
    steps
}

fn step(r: &mut Reader, node: &Node, level: usize) -> Option<Step> {
    if let Kind::Scalar { text, style: Style::Plain | Style::Quoted } = &node.kind {
        if text.trim() == "end" {
            return Some(Step::End);
        }
        let first = text.split([' ', ':']).next().unwrap_or_default();
        let message = format!("\"{text}\" is not a step");
        match STEPS.contains(&first) {
            true => {
                let rest = text[first.len()..].trim_start_matches([' ', ':']);
                let rest = if rest.is_empty() { "…" } else { rest };
                r.error_hint(node.span, message, format!("write \"{first}: {rest}\""));
            }
            false => unknown_step(r, first, node.span, message),
        }
        return None;
    }
    let Kind::Mapping(pairs) = &node.kind else {
        r.mismatch(node, "a step such as \"wait: 1h\"");
        return None;
    };
    if let [(_, _), (second, _), ..] = &pairs[..] {
        let name = second.text().unwrap_or_default();
        let hint = match STEPS.contains(&name) {
            true => format!("begin the second with \"- {name}\""),
            false => "indent what belongs to the step further than the step".to_owned(),
        };
        r.error_hint(second.span, "a step has one key", hint);
    }
    let (name, body) = r.pairs(node, "a step").into_iter().next()?;
    one_step(r, &name, body, level)
}

fn one_step(r: &mut Reader, name: &Name, body: &Node, level: usize) -> Option<Step> {
    let at = name.span;
    let word = name.node.as_str();
    let step = STEPS.contains(&word);
    if step && word != "end" && body.kind == Kind::Null {
        r.error(at, format!("nothing is written for \"{word}\""));
        return None;
    }
    Some(match word {
        "wait" => Step::Wait(wait(r, body, at, level)?),
        "choose" => Step::Choose(choose(r, body, level)),
        "split" => Step::Split(split(r, body, at, level)),
        "send" => Step::Send(send(r, body, at)?),
        "emit" => {
            let fields = r.fields(body, at, &EMIT)?;
            let with = with(r, &fields);
            Step::Emit { event: r.event(fields.get("event")?, "the name of an event")?, with }
        }
        "set" => Step::Set(values(r, body, "a mapping of traits to expressions")),
        "add_to" => Step::AddTo(r.word(body, "a list segment")?),
        "remove_from" => Step::RemoveFrom(r.word(body, "a list segment")?),
        "end" => {
            r.error_hint(at, "\"end\" stands alone", "write \"- end\"");
            return None;
        }
        _ => {
            unknown_step(r, word, at, format!("unknown step \"{word}\""));
            return None;
        }
    })
}

fn unknown_step(r: &mut Reader, word: &str, at: Span, message: String) {
    let known = STEP_WORDS.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(word));
    let hint = match known.map(|(_, ours)| *ours).or_else(|| nearest(word, STEPS)) {
        Some(ours) => format!("did you mean \"{ours}\"?"),
        None => format!("the steps are {}", STEPS.join(", ")),
    };
    r.error_hint(at, message, hint);
}

fn wait(r: &mut Reader, node: &Node, at: Span, level: usize) -> Option<Wait> {
    let Kind::Mapping(pairs) = &node.kind else {
        if let Some(text) = node.text()
            && is_time(text)
        {
            let hint = format!("write \"wait: {{ until: {text} }}\"");
            r.error_hint(node.span, "\"wait\" takes a duration", hint);
            return None;
        }
        return r.duration(node).map(Wait::For);
    };
    let has = |key: &str| pairs.iter().any(|(k, _)| k.text() == Some(key));
    let kinds = [
        ("until", &WAIT_UNTIL),
        ("instant", &WAIT_INSTANT),
        ("quiet_for", &WAIT_QUIET),
        ("on", &WAIT_EVENT),
    ];
    let found: Vec<_> = kinds.iter().filter(|(key, _)| has(key)).collect();
    match found[..] {
        [("until", shape)] => {
            let fields = r.fields(node, at, shape)?;
            wait_until(r, fields.get("until")?)
        }
        [("instant", shape)] => {
            let fields = r.fields(node, at, shape)?;
            let at = fields.get("at").and_then(|n| r.clock(n));
            Some(Wait::UntilInstant { instant: r.expression(fields.get("instant")?)?, at })
        }
        [("quiet_for", shape)] => {
            let fields = r.fields(node, at, shape)?;
            let of = fields.get("of").map(|n| r.events(n)).unwrap_or_default();
            Some(Wait::Quiet { quiet_for: r.duration(fields.get("quiet_for")?)?, of })
        }
        [(_, shape)] => {
            let fields = r.fields(node, at, shape)?;
            wait_event(r, &fields, level)
        }
        [(a, _), (b, _), ..] => {
            r.error(at, format!("a wait has only one of \"{a}\" and \"{b}\""));
            None
        }
        [] => {
            let key = pairs.first().and_then(|(k, _)| k.text()).unwrap_or_default();
            let hint = match (key, nearest(key, ["until", "instant", "quiet_for", "on"])) {
                ("for", _) => "write \"wait: 1h\"".to_owned(),
                (_, Some(ours)) => format!("did you mean \"{ours}\"?"),
                _ => "write a duration, until, instant, quiet_for or on".to_owned(),
            };
            r.error_hint(node.span, "a wait does not say what for", hint);
            None
        }
    }
}

/// Whether a text says a time rather than a duration.
fn is_time(text: &str) -> bool {
    super::literals::clock(text).is_ok() || text.starts_with("day ") || text.contains(" at ")
}

fn wait_until(r: &mut Reader, node: &Node) -> Option<Wait> {
    let until = r.until(node)?;
    let part = |at: usize| {
        let whole = node.text().is_some_and(|t| t.chars().count() == node.span.len as usize);
        let col = node.span.col + at as u32;
        if whole { Span { col, len: node.span.len - at as u32, ..node.span } } else { node.span }
    };
    Some(match until.node {
        Until::Time(clock) => Wait::UntilTime(Spanned { node: clock, span: node.span }),
        Until::Day { day, day_at, clock, clock_at } => Wait::UntilDay {
            day: Spanned { node: day, span: part(day_at) },
            at: Spanned { node: clock, span: part(clock_at) },
        },
        Until::Fact { name, offset, offset_at, clock } => {
            let len = name.chars().count() as u32;
            Wait::UntilFact {
                fact: Spanned { span: Span { len, ..part(0) }, node: name },
                offset: Spanned { node: offset, span: part(offset_at) },
                at: clock.map(|(clock, at)| Spanned { node: clock, span: part(at) }),
            }
        }
    })
}

fn wait_event(r: &mut Reader, fields: &Fields, level: usize) -> Option<Wait> {
    let branch = |r: &mut Reader, key| {
        fields.entry(key).map(|(at, n)| steps(r, n, at, level + 1)).unwrap_or_default()
    };
    let (then, otherwise) = (branch(r, "then"), branch(r, "else"));
    let on = fields.get("on").map(|n| r.events(n)).unwrap_or_default();
    let condition = fields.get("where").and_then(|n| r.expression(n));
    let timeout = r.duration(fields.get("timeout")?)?;
    Some(Wait::Event { on, condition, timeout, then, otherwise })
}

fn choose(r: &mut Reader, node: &Node, level: usize) -> Vec<Branch> {
    let items = r.list(node, "a list of branches");
    let items = r.limit(items, BRANCHES_MAX, "branches", |n| n.span);
    if items.is_empty() && matches!(node.kind, Kind::Sequence(_)) {
        r.error(node.span, "there is no branch in this list");
    }
    let mut branches = Vec::with_capacity(items.len());
    let mut else_at: Option<Span> = None;
    for item in items {
        let Some(fields) = r.fields(item, item.span, &BRANCH) else {
            continue;
        };
        match (else_at, fields.entry("else")) {
            (Some(_), Some((at, _))) => r.error(at, "a second \"else\""),
            (Some(at), None) => {
                r.error_hint(at, "\"else\" is not the last branch", "move it to the end");
            }
            (None, entry) => else_at = entry.map(|(at, _)| at),
        }
        let otherwise = fields.entry("else");
        if let Some((at, body)) = otherwise.filter(|(_, n)| n.kind != Kind::Null) {
            let hint = "write \"else:\" and the steps under \"do:\"";
            r.error_hint(at, format!("\"else\" takes nothing, found {}", body.what()), hint);
        }
        let when = fields.get("when").and_then(|n| r.expression(n));
        if fields.lacks("when") && fields.lacks("else") {
            r.error(item.span, "a branch needs \"when\" or \"else\"");
        }
        let body = fields.entry("do");
        if fields.lacks("do") && otherwise.is_none_or(|(_, n)| n.kind == Kind::Null) {
            r.error(item.span, "a branch needs \"do\"");
        }
        let steps = body.map(|(at, n)| steps(r, n, at, level + 1)).unwrap_or_default();
        branches.push(Branch { span: item.span, when, steps });
    }
    branches
}

fn split(r: &mut Reader, node: &Node, at: Span, level: usize) -> Vec<Arm> {
    let items = r.list(node, "a list of arms");
    let items = r.limit(items, BRANCHES_MAX, "arms", |n| n.span);
    let arms: Vec<Option<Arm>> = items.iter().map(|item| arm(r, item, level)).collect();
    let complete = arms.iter().all(Option::is_some);
    let arms: Vec<Arm> = arms.into_iter().flatten().collect();
    for (i, arm) in arms.iter().enumerate() {
        if arms[..i].iter().any(|other| other.name.node == arm.name.node) {
            r.error(arm.name.span, format!("a second arm \"{}\"", arm.name.node));
        }
    }
    let sum: u32 = arms.iter().map(|arm| arm.share.node).sum();
    if complete && sum != 10_000 && matches!(node.kind, Kind::Sequence(_)) {
        let sum = f64::from(sum) / 100.0;
        r.error(at, format!("the percentages of the arms sum to {sum}, not to 100"));
    }
    arms
}

fn arm(r: &mut Reader, node: &Node, level: usize) -> Option<Arm> {
    let fields = r.fields(node, node.span, &ARM)?;
    let hold_out = fields.get("hold_out").and_then(|n| r.boolean(n));
    let body = fields.entry("do");
    let steps = body.map(|(at, n)| steps(r, n, at, level + 1)).unwrap_or_default();
    if fields.lacks("do") && fields.get("hold_out").is_none_or(|_| hold_out == Some(false)) {
        r.error(node.span, "an arm needs \"do\" or \"hold_out: true\"");
    }
    let share = fields.get("percent").and_then(|n| share(r, n));
    let name = fields.get("name").and_then(|n| r.word(n, "the name of an arm"))?;
    Some(Arm { name, share: share?, hold_out: hold_out.unwrap_or(false), steps })
}

/// In hundredths of a per cent.
pub(super) fn share(r: &mut Reader, node: &Node) -> Option<Spanned<u32>> {
    let text = r.text(node, "a number such as 45")?;
    if let Some(number) = text.strip_suffix('%') {
        let hint = format!("write {}", number.trim());
        r.error_hint(node.span, "\"percent\" takes a number without a sign", hint);
        return None;
    }
    let share = decimal(text, 2).and_then(|n| u32::try_from(n).ok());
    match share.filter(|n| (1..=10_000).contains(n)) {
        Some(share) => Some(Spanned { node: share, span: node.span }),
        None => {
            let message = "\"percent\" is above 0, at most 100, with at most two places";
            r.error(node.span, message);
            None
        }
    }
}

fn send(r: &mut Reader, node: &Node, at: Span) -> Option<Send> {
    let fields = r.fields(node, at, &SEND)?;
    let purpose = fields.get("purpose").and_then(|n| r.word(n, "a purpose"));
    let tags = fields.get("tags").map(|n| r.words(n, "a tag")).unwrap_or_default();
    let valid_for = fields.get("valid_for").and_then(|n| r.duration(n));
    let words = [("drop", false), ("wait", true)];
    let waits_out = fields.get("if_suppressed").and_then(|n| r.choice(n, &words)).unwrap_or(false);
    let with = with(r, &fields);
    let channel = fields.get("channel").and_then(|n| r.word(n, "a channel"));
    let template = fields.get("template").and_then(|n| r.word(n, "a template"));
    Some(Send { channel: channel?, template: template?, purpose, tags, valid_for, waits_out, with })
}

fn with(r: &mut Reader, fields: &Fields) -> Vec<(Name, Expr)> {
    let node = fields.get("with");
    node.map(|n| values(r, n, "a mapping of names to expressions")).unwrap_or_default()
}

fn values(r: &mut Reader, node: &Node, expected: &str) -> Vec<(Name, Expr)> {
    let pairs = r.pairs(node, expected);
    let mut values = Vec::with_capacity(pairs.len());
    for (name, node) in pairs {
        match node.kind {
            Kind::Null => {
                let message = format!("nothing is written for \"{}\"", name.node);
                r.error(name.span, message);
            }
            _ => values.extend(r.expression(node).map(|expr| (name, expr))),
        }
    }
    values
}
