//! `policy`: consent, suppression, quiet hours and caps.
//!
//! In: its node. Out: its rules in the order of the file. Asks the time zone database whether a
//! zone exists.

use super::facts::PERIODS;
use super::reader::{Fields, Reader, Shape};
use crate::define::ast::{
    Cap, ConsentProof, ConsentRule, Name, OnLimit, Policy, QuietHours, Span, Spanned, Suppress,
    Window,
};
use crate::define::diagnostic::nearest;
use crate::define::limits::{CAP_MAX, POLICY_RULES_MAX};
use crate::define::yaml::{Kind, Node};

pub(super) const POLICY: Shape = Shape {
    what: "policy",
    keys: &["time_zone", "consent", "suppress", "quiet_hours", "caps"],
    required: &[],
    excludes: &[],
};

pub(super) const CONSENT: Shape = Shape {
    what: "a consent rule",
    keys: &["channel", "purpose", "category", "trait", "default"],
    required: &[],
    excludes: &[("category", "trait")],
};

pub(super) const SUPPRESS: Shape = Shape {
    what: "a suppress rule",
    keys: &["while", "except"],
    required: &["while"],
    excludes: &[],
};

pub(super) const QUIET_HOURS: Shape = Shape {
    what: "a quiet-hours rule",
    keys: &["from", "to", "then", "channels", "except"],
    required: &["from", "to"],
    excludes: &[],
};

pub(super) const CAP: Shape = Shape {
    what: "a cap",
    keys: &["name", "channel", "tag", "journey", "max", "over", "per", "on_limit", "except"],
    required: &["max"],
    excludes: &[("over", "per")],
};

pub(super) fn policy(r: &mut Reader, node: &Node, at: Span) -> Option<Policy> {
    let fields = r.fields(node, at, &POLICY)?;
    Some(Policy {
        span: at,
        time_zone: fields.get("time_zone").and_then(|n| time_zone(r, n)),
        consent: rules(r, &fields, "consent", "a list of consent rules", consent),
        suppress: rules(r, &fields, "suppress", "a list of suppress rules", suppress),
        quiet_hours: match fields.get("quiet_hours") {
            Some(one) if matches!(one.kind, Kind::Mapping(_)) => {
                quiet_hours(r, one).into_iter().collect()
            }
            _ => rules(r, &fields, "quiet_hours", "quiet hours or a list of them", quiet_hours),
        },
        caps: rules(r, &fields, "caps", "a list of caps", cap),
    })
}

fn rules<T>(
    r: &mut Reader,
    fields: &Fields,
    key: &str,
    expected: &str,
    read: fn(&mut Reader, &Node) -> Option<T>,
) -> Vec<T> {
    let Some(node) = fields.get(key) else {
        return Vec::new();
    };
    let items = r.list(node, expected);
    let items = r.limit(items, POLICY_RULES_MAX, &format!("rules in \"{key}\""), |n| n.span);
    items.iter().filter_map(|item| read(r, item)).collect()
}

/// An IANA name. Offsets such as `+02:00` know nothing of summer time and are refused.
fn time_zone(r: &mut Reader, node: &Node) -> Option<Name> {
    let name = r.name(node, "a time zone such as Europe/Warsaw")?;
    if jiff::tz::TimeZone::get(&name.node).is_ok() {
        return Some(name);
    }
    let zones: Vec<String> =
        jiff::tz::db().available().map(|zone| zone.as_str().to_owned()).collect();
    let lower = name.node.to_lowercase().replace(' ', "_");
    let city = zones.iter().find(|z| z.to_lowercase().rsplit('/').next() == Some(&lower));
    let near = city
        .map(String::as_str)
        .or_else(|| nearest(&name.node, zones.iter().map(std::string::String::as_str)));
    let hint = match near {
        Some(zone) => format!("did you mean \"{zone}\"?"),
        None => "write a name such as Europe/Warsaw".to_owned(),
    };
    r.error_hint(name.span, format!("there is no time zone \"{}\"", name.node), hint);
    None
}

fn consent(r: &mut Reader, node: &Node) -> Option<ConsentRule> {
    let fields = r.fields(node, node.span, &CONSENT)?;
    let channel = fields.get("channel").and_then(|n| r.word(n, "a channel"));
    let purpose = fields.get("purpose").and_then(|n| r.word(n, "a purpose"));
    let words = [("granted", true), ("denied", false)];
    let default = fields.get("default").and_then(|n| r.choice(n, &words)).unwrap_or(false);
    let proof = match (fields.get("category"), fields.get("trait")) {
        (Some(node), _) => ConsentProof::Category(r.name(node, "a consent category")?),
        (None, Some(node)) => ConsentProof::Trait(r.name(node, "the name of a trait")?),
        (None, None) => {
            r.error(node.span, "a consent rule needs \"category\" or \"trait\"");
            return None;
        }
    };
    Some(ConsentRule { span: node.span, channel, purpose, proof, default })
}

fn suppress(r: &mut Reader, node: &Node) -> Option<Suppress> {
    let fields = r.fields(node, node.span, &SUPPRESS)?;
    let except = except(r, &fields);
    Some(Suppress { segment: r.word(fields.get("while")?, "a segment")?, except })
}

fn except(r: &mut Reader, fields: &Fields) -> Vec<Name> {
    fields.get("except").map(|n| r.words(n, "a tag or a purpose")).unwrap_or_default()
}

fn quiet_hours(r: &mut Reader, node: &Node) -> Option<QuietHours> {
    let fields = r.fields(node, node.span, &QUIET_HOURS)?;
    let words = [("defer", true), ("drop", false)];
    let defer = fields.get("then").and_then(|n| r.choice(n, &words)).unwrap_or(true);
    let channels = fields.get("channels").map(|n| r.words(n, "a channel")).unwrap_or_default();
    let except = except(r, &fields);
    let from = fields.get("from").and_then(|n| r.clock(n));
    let to = fields.get("to").and_then(|n| r.clock(n));
    let (from, to) = (from?, to?);
    if from.node == to.node {
        let message = "quiet hours from and to the same time";
        r.error_hint(to.span, message, "\"to\" is when sending begins again");
    }
    Some(QuietHours { span: node.span, from, to, defer, channels, except })
}

fn cap(r: &mut Reader, node: &Node) -> Option<Cap> {
    let fields = r.fields(node, node.span, &CAP)?;
    let one = |r: &mut Reader, key, what| fields.get(key).and_then(|n| r.word(n, what));
    let limits = [("drop", OnLimit::Drop), ("wait", OnLimit::Wait), ("exit", OnLimit::Exit)];
    let over = fields.get("over").and_then(|n| r.duration(n));
    let over = over.map(|d| Spanned { node: Window::Sliding(d.node), span: d.span });
    // A year's sends of everybody would have to be kept: the language has caps up to a month.
    let periods = PERIODS[..3].iter().map(|(w, p)| (*w, Window::Calendar(*p))).collect::<Vec<_>>();
    let per = fields.get("per").and_then(|n| {
        let window = r.choice(n, &periods)?;
        Some(Spanned { node: window, span: n.span })
    });
    if fields.lacks("over") && fields.lacks("per") {
        let hint = "for example per: day or over: 7d";
        r.error_hint(node.span, "a cap needs \"over\" or \"per\"", hint);
    }
    let max = fields.get("max").and_then(|n| r.integer(n, "max", 1, CAP_MAX));
    Some(Cap {
        span: node.span,
        name: fields.get("name").and_then(|n| r.name(n, "the name of a cap")),
        channel: one(r, "channel", "a channel"),
        tag: one(r, "tag", "a tag"),
        journey: one(r, "journey", "a journey"),
        on_limit: fields.get("on_limit").and_then(|n| r.choice(n, &limits)).unwrap_or_default(),
        except: except(r, &fields),
        max: max?,
        window: over.or(per)?,
    })
}
