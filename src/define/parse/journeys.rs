//! `journeys`: entry, exits and what holds for all steps.
//!
//! In: their nodes. Out: their part of the tree, and for each journey a text that changes exactly
//! when its meaning may.

use super::facts::{PERIODS, check_name, property};
use super::literals::{DAY_MS, duration};
use super::reader::{Fields, Reader, Shape};
use super::steps;
use crate::define::ast::{
    Again, Enter, EnterTrigger, Exit, ExitRule, JourneyDef, Name, Span, Spanned,
};
use crate::define::diagnostic::nearest;
use crate::define::limits::{EXITS_MAX, JOURNEYS_MAX};
use crate::define::yaml::{Kind, Node};

pub(super) const JOURNEY: Shape = Shape {
    what: "a journey",
    keys: &[
        "for",
        "enter",
        "exit",
        "priority",
        "valid_for",
        "suppress_while",
        "on_change",
        "steps",
    ],
    required: &["enter", "steps"],
    excludes: &[],
};

pub(super) const ON_EVENT: Shape = Shape {
    what: "an entry on event",
    keys: &["on", "where", "per", "again"],
    required: &[],
    excludes: &[],
};

pub(super) const ON_ENTERED: Shape = Shape {
    what: "an entry on entered",
    keys: &["entered", "when", "again"],
    required: &[],
    excludes: &[],
};

pub(super) const ON_LEFT: Shape = Shape {
    what: "an entry on left",
    keys: &["left", "when", "again"],
    required: &[],
    excludes: &[],
};

pub(super) const ON_DATE: Shape = Shape {
    what: "an entry on date",
    keys: &["date", "offset", "at", "every", "when", "again"],
    required: &[],
    excludes: &[],
};

pub(super) const ON_SILENCE: Shape = Shape {
    what: "an entry on silence",
    keys: &["quiet_for", "of", "when", "again"],
    required: &[],
    excludes: &[],
};

/// The key that says which entry it is, and the shape of that entry.
const ENTRIES: [(&str, &Shape); 5] = [
    ("on", &ON_EVENT),
    ("entered", &ON_ENTERED),
    ("left", &ON_LEFT),
    ("date", &ON_DATE),
    ("quiet_for", &ON_SILENCE),
];

pub(super) const EXIT_ON: Shape = Shape {
    what: "an exit on event",
    keys: &["on", "where", "goal", "value"],
    required: &[],
    excludes: &[],
};

pub(super) const EXIT_WHEN: Shape = Shape {
    what: "an exit on condition",
    keys: &["when", "goal", "value"],
    required: &[],
    excludes: &[],
};

pub(super) fn journeys(r: &mut Reader, node: &Node) -> Vec<JourneyDef> {
    let mut journeys = Vec::new();
    for (name, node) in r.pairs(node, "a mapping of journeys") {
        check_name(r, "journey", &name);
        r.define("journey", &name.node, name.span);
        if let Some(journey) = journey(r, name, node) {
            journeys.push(journey);
        }
    }
    r.limit(&journeys, JOURNEYS_MAX, "journeys", |j| j.name.span);
    journeys
}

fn journey(r: &mut Reader, name: Name, node: &Node) -> Option<JourneyDef> {
    let fields = r.fields(node, name.span, &JOURNEY)?;
    r.steps = 0;
    let enter = fields.entry("enter").and_then(|(at, n)| enter(r, n, at));
    let unread = || Enter {
        span: name.span,
        trigger: EnterTrigger::Event(Vec::new()),
        condition: None,
        per: None,
        again: Again::default(),
    };
    Some(JourneyDef {
        group: fields.get("for").and_then(|n| r.word(n, "a group")),
        enter: enter.unwrap_or_else(unread),
        exit: fields.get("exit").map(|n| exits(r, n)).unwrap_or_default(),
        priority: fields.get("priority").and_then(|n| r.integer(n, "priority", 0, 100)),
        valid_for: fields.get("valid_for").and_then(|n| r.duration(n)),
        suppress_while: fields.get("suppress_while").and_then(|n| r.word(n, "a segment")),
        follow: fields.get("on_change").is_some_and(|n| follows(r, n)),
        steps: fields.entry("steps").map(|(at, n)| steps::steps(r, n, at, 1)).unwrap_or_default(),
        text: format!("{}: {}", quoted(&name.node), canonical(node)),
        name,
    })
}

/// Whether instances under way go over to a changed journey; they finish by the old one unless that is written.
fn follows(r: &mut Reader, node: &Node) -> bool {
    let written = r.word(node, "finish or follow");
    match written.as_ref().map(|name| name.node.as_str()) {
        Some("follow") => return true,
        Some("finish") | None => {}
        Some(text) => {
            let hint = "finish: instances end by the version they entered with; follow: they go over to this one";
            r.error_hint(
                node.span,
                format!("\"{text}\" does not say what instances under way do"),
                hint,
            );
        }
    }
    false
}

/// A node as text without comments, layout and quoting style: the same for the same definition,
/// however it is written.
fn canonical(node: &Node) -> String {
    match &node.kind {
        Kind::Null | Kind::Broken => String::new(),
        Kind::Scalar { text, .. } => quoted(text.trim()),
        Kind::Sequence(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(", "))
        }
        Kind::Mapping(pairs) => {
            let pairs = pairs.iter().map(|(k, v)| format!("{}: {}", canonical(k), canonical(v)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn enter(r: &mut Reader, node: &Node, at: Span) -> Option<Enter> {
    let shape = entry_shape(r, node, at)?;
    let fields = r.fields(node, at, shape)?;
    let trigger = trigger(r, &fields)?;
    let condition = fields.get("where").or(fields.get("when"));
    let per = fields.get("per").and_then(|n| r.word(n, "the name of a property"));
    if let Some(period) = per.as_ref().filter(|p| PERIODS.iter().any(|(w, _)| *w == p.node)) {
        let hint = "write again: after 1d to enter at most once in a while";
        r.error_hint(period.span, "\"per\" names a property of the event here", hint);
    }
    Some(Enter {
        span: at,
        trigger,
        condition: condition.and_then(|n| r.expression(n)),
        per: per.and_then(|name| property(r, name)),
        again: fields.get("again").and_then(|n| again(r, n)).unwrap_or_default(),
    })
}

/// Which entry a mapping is, by the key that says it.
fn entry_shape(r: &mut Reader, node: &Node, at: Span) -> Option<&'static Shape> {
    let names = ENTRIES.map(|(key, _)| key);
    let Kind::Mapping(pairs) = &node.kind else {
        r.mismatch(node, &format!("a mapping with one of the keys {}", names.join(", ")));
        return None;
    };
    let keys: Vec<(&str, Span)> =
        pairs.iter().filter_map(|(k, _)| Some((k.text()?, k.span))).collect();
    let found: Vec<_> =
        ENTRIES.iter().filter(|(name, _)| keys.iter().any(|(k, _)| k == name)).collect();
    match found[..] {
        [(_, shape)] => return Some(shape),
        [(a, _), (b, _), ..] => {
            r.error(at, format!("an entry has one trigger, not \"{a}\" and \"{b}\""));
        }
        [] => {
            let words =
                [("event", "on"), ("trigger", "on"), ("segment", "entered"), ("exited", "left")];
            let meant = |k: &str| {
                let word = words.iter().find(|(w, _)| *w == k).map(|(_, ours)| *ours);
                word.or_else(|| nearest(k, names))
            };
            let near = keys.iter().find_map(|(k, span)| Some((*k, *span, meant(k)?)));
            match near {
                Some((key, span, ours)) => {
                    let message = format!("an entry has no key \"{key}\"");
                    r.error_hint(span, message, format!("did you mean \"{ours}\"?"));
                }
                None => {
                    let hint = format!("write one of {}", names.join(", "));
                    r.error_hint(at, "the entry has no trigger", hint);
                }
            }
        }
    }
    None
}

fn trigger(r: &mut Reader, fields: &Fields) -> Option<EnterTrigger> {
    Some(if let Some(node) = fields.get("on") {
        EnterTrigger::Event(r.events(node))
    } else if let Some(node) = fields.get("entered") {
        EnterTrigger::Entered(r.word(node, "a segment")?)
    } else if let Some(node) = fields.get("left") {
        EnterTrigger::Left(r.word(node, "a segment")?)
    } else if let Some(node) = fields.get("date") {
        let every = [("year", true), ("once", false)];
        EnterTrigger::Date {
            fact: r.word(node, "a date fact")?,
            yearly: fields.get("every").and_then(|n| r.choice(n, &every)).unwrap_or(true),
            offset_days: offset(r, fields),
            at: fields.get("at").and_then(|n| r.clock(n)),
        }
    } else {
        let quiet_for = fields.get("quiet_for").and_then(|n| r.duration(n))?;
        EnterTrigger::Silence {
            quiet_for,
            of: fields.get("of").map(|n| r.events(n)).unwrap_or_default(),
        }
    })
}

/// `offset: -7d`: whole days.
fn offset(r: &mut Reader, fields: &Fields) -> Spanned<i32> {
    let Some(node) = fields.get("offset") else {
        return Spanned { node: 0, span: fields.span };
    };
    let text = r.text(node, "whole days such as -7d").unwrap_or_default();
    let (sign, bare) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let days = match duration(bare.trim()) {
        _ if text == "0d" => Some(0),
        Ok(ms) if ms % DAY_MS == 0 => i32::try_from(sign * (ms / DAY_MS)).ok(),
        _ => None,
    };
    if days.is_none() && !text.is_empty() {
        let message = format!("\"{text}\" is not a number of whole days");
        r.error_hint(node.span, message, "write -7d for a week before, 1d for the day after");
    }
    Spanned { node: days.unwrap_or(0), span: node.span }
}

const AGAIN_HINT: &str = "write never, after exit, after 7d or always";

fn again(r: &mut Reader, node: &Node) -> Option<Again> {
    let text = r.text(node, "never, after exit, after 7d or always")?;
    let words = text.to_lowercase().replace(['-', '_'], " ");
    let found = match text {
        "never" => Some(Again::Never),
        "after exit" => Some(Again::AfterExit),
        "always" => Some(Again::Always),
        _ => text.strip_prefix("after ").and_then(|d| duration(d.trim()).ok()).map(Again::After),
    };
    if found.is_none() {
        let ours = ["never", "after exit", "always"];
        let after = words.strip_prefix("after ").map(duration);
        let hint = match after {
            Some(Ok(_)) => format!("write \"{words}\""),
            Some(Err(wrong)) if words != "after exit" => match wrong.hint {
                Some(hint) if hint.starts_with("write \"") => {
                    hint.replacen("write \"", "write \"after ", 1)
                }
                _ => AGAIN_HINT.to_owned(),
            },
            _ => match (nearest(&words, ours), words.as_str()) {
                (Some(word), _) => format!("did you mean \"{word}\"?"),
                (None, "true" | "yes") => "did you mean \"after exit\"?".to_owned(),
                (None, "false" | "no" | "once") => "did you mean \"never\"?".to_owned(),
                _ => AGAIN_HINT.to_owned(),
            },
        };
        r.error_hint(node.span, format!("\"{text}\" does not say when to enter again"), hint);
    }
    found
}

fn exits(r: &mut Reader, node: &Node) -> Vec<Exit> {
    let items = r.list(node, "a list of exits");
    let items = r.limit(items, EXITS_MAX, "exits in a journey", |n| n.span);
    items.iter().filter_map(|item| exit(r, item)).collect()
}

fn exit(r: &mut Reader, node: &Node) -> Option<Exit> {
    let Kind::Mapping(pairs) = &node.kind else {
        r.mismatch(node, "an exit such as \"on: Order Completed\"");
        return None;
    };
    let has = |key: &str| pairs.iter().any(|(k, _)| k.text() == Some(key));
    let shape = match (has("on"), has("when")) {
        (true, true) => {
            let hint = "write \"where\" for a condition about the event";
            r.error_hint(node.span, "an exit has either \"on\" or \"when\"", hint);
            return None;
        }
        (_, true) => &EXIT_WHEN,
        (_, false) => &EXIT_ON,
    };
    let fields = r.fields(node, node.span, shape)?;
    let goal = fields.get("goal").and_then(|n| r.boolean(n)).unwrap_or(false);
    let rule = match (fields.get("on"), fields.get("when")) {
        (Some(on), _) => ExitRule::Event {
            on: r.events(on),
            condition: fields.get("where").and_then(|n| r.expression(n)),
        },
        (None, Some(when)) => ExitRule::When(r.expression(when)?),
        (None, None) => {
            if fields.lacks("on") {
                r.error(node.span, "an exit needs \"on\" or \"when\"");
            }
            return None;
        }
    };
    let value = fields.get("value").and_then(|n| {
        if !goal {
            r.error_hint(n.span, "an exit that is not the goal has no value", "add \"goal: true\"");
        }
        r.expression(n)
    });
    Some(Exit { span: node.span, rule, goal, value })
}
