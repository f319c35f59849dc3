//! `policy`: who may be written to, when, and how often.
//!
//! In: its node. Out: its rules in the order of the file. Asks the time zone database whether a
//! zone exists.

use super::facts::PERIODS;
use super::reader::{Fields, Reader, Shape};
use crate::define::ast::{
    Cap, ConsentProof, ConsentRule, Exclusive, Gap, HoldOut, Holiday, LookAhead, Name, OnLimit,
    Policy, QuietHours, Scope, Span, Spanned, Suppress, Throttle, Window,
};
use crate::define::diagnostic::nearest;
use crate::define::limits::{CAP_MAX, POLICY_RULES_MAX, THROTTLE_MAX};
use crate::define::yaml::{Kind, Node};

pub(super) const POLICY: Shape = Shape {
    what: "policy",
    keys: &[
        "time_zone",
        "holidays",
        "hold_out",
        "consent",
        "suppress",
        "exclusive",
        "quiet_hours",
        "look_ahead",
        "caps",
        "gap",
        "throttle",
        "not_delivered",
    ],
    required: &[],
    excludes: &[],
};

pub(super) const CONSENT: Shape = Shape {
    what: "a consent rule",
    keys: &["channel", "purpose", "category", "trait", "revoked_by", "default"],
    required: &[],
    excludes: &[("category", "trait")],
};

pub(super) const SUPPRESS: Shape = Shape {
    what: "a suppress rule",
    keys: &["while", "channels", "except"],
    required: &["while"],
    excludes: &[],
};

pub(super) const QUIET_HOURS: Shape = Shape {
    what: "a quiet-hours rule",
    keys: &["from", "to", "days", "holidays", "then", "channels", "except"],
    required: &[],
    excludes: &[],
};

pub(super) const CAP: Shape = Shape {
    what: "a cap",
    keys: &[
        "name",
        "channel",
        "tag",
        "purpose",
        "journey",
        "max",
        "over",
        "per",
        "on_limit",
        "except",
        "only_counts",
    ],
    required: &["max"],
    excludes: &[("over", "per")],
};

pub(super) const HOLD_OUT: Shape = Shape {
    what: "a hold-out",
    keys: &["percent", "channels", "except"],
    required: &["percent"],
    excludes: &[],
};

pub(super) const EXCLUSIVE: Shape = Shape {
    what: "an exclusive group",
    keys: &["name", "journeys", "then"],
    required: &["journeys"],
    excludes: &[],
};

pub(super) const LOOK_AHEAD: Shape = Shape {
    what: "a look-ahead",
    keys: &["below", "within", "for", "channels", "except"],
    required: &["below", "within", "for"],
    excludes: &[],
};

pub(super) const GAP: Shape = Shape {
    what: "a gap",
    keys: &["min", "on_limit", "channels", "except"],
    required: &["min"],
    excludes: &[],
};

pub(super) const THROTTLE: Shape = Shape {
    what: "a throttle",
    keys: &["channel", "max", "per", "except"],
    required: &["channel", "max", "per"],
    excludes: &[],
};

pub(super) fn policy(r: &mut Reader, node: &Node, at: Span) -> Option<Policy> {
    let fields = r.fields(node, at, &POLICY)?;
    Some(Policy {
        span: at,
        time_zone: fields.get("time_zone").and_then(|n| time_zone(r, n)),
        holidays: rules(r, &fields, "holidays", "a list of holidays", holiday),
        hold_out: fields.get("hold_out").and_then(|n| hold_out(r, n)),
        consent: rules(r, &fields, "consent", "a list of consent rules", consent),
        suppress: rules(r, &fields, "suppress", "a list of suppress rules", suppress),
        exclusive: rules(r, &fields, "exclusive", "a list of exclusive groups", exclusive),
        quiet_hours: some(r, &fields, "quiet_hours", "quiet hours or a list of them", quiet_hours),
        look_ahead: some(r, &fields, "look_ahead", "a look-ahead or a list of them", look_ahead),
        caps: rules(r, &fields, "caps", "a list of caps", cap),
        gaps: some(r, &fields, "gap", "a gap or a list of them", gap),
        throttles: some(r, &fields, "throttle", "a throttle or a list of them", throttle),
        not_delivered: fields.get("not_delivered").map(|n| r.events(n)).unwrap_or_default(),
    })
}

/// One rule, or a list of them.
fn some<T>(
    r: &mut Reader,
    fields: &Fields,
    key: &str,
    expected: &str,
    read: fn(&mut Reader, &Node) -> Option<T>,
) -> Vec<T> {
    match fields.get(key) {
        Some(one) if matches!(one.kind, Kind::Mapping(_)) => read(r, one).into_iter().collect(),
        _ => rules(r, fields, key, expected, read),
    }
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
    let revoked_by = fields.get("revoked_by").map(|n| r.events(n)).unwrap_or_default();
    Some(ConsentRule { span: node.span, channel, purpose, proof, revoked_by, default })
}

fn suppress(r: &mut Reader, node: &Node) -> Option<Suppress> {
    let fields = r.fields(node, node.span, &SUPPRESS)?;
    let scope = scope(r, &fields);
    Some(Suppress { segment: r.word(fields.get("while")?, "a segment")?, scope })
}

fn scope(r: &mut Reader, fields: &Fields) -> Scope {
    let channels = fields.get("channels").map(|n| r.words(n, "a channel")).unwrap_or_default();
    Scope { channels, except: labels(r, fields, "except") }
}

fn labels(r: &mut Reader, fields: &Fields, key: &str) -> Vec<Name> {
    fields.get(key).map(|n| r.words(n, "a tag or a purpose")).unwrap_or_default()
}

/// `12-25`, or a date.
fn holiday(r: &mut Reader, node: &Node) -> Option<Holiday> {
    let text = r.text(node, "a holiday such as \"12-25\" or 2026-04-06")?;
    let every_year = || {
        let (month, day) = text.split_once('-')?;
        let two = |part: &str| (part.len() == 2).then(|| part.parse::<i8>().ok()).flatten();
        // A leap year has every day that there is.
        let date = jiff::civil::Date::new(2024, two(month)?, two(day)?).ok()?;
        Some(Holiday::EveryYear(date.month(), date.day()))
    };
    let once = || Some(Holiday::Once(crate::time::parse_date(text)?.div_euclid(crate::time::DAY)));
    let found = every_year().or_else(once);
    if found.is_none() {
        let hint = "write month and day of every year, \"12-25\", or a date, 2026-04-06";
        r.error_hint(node.span, format!("there is no day \"{text}\""), hint);
    }
    found
}

fn hold_out(r: &mut Reader, node: &Node) -> Option<HoldOut> {
    let fields = r.fields(node, node.span, &HOLD_OUT)?;
    let scope = scope(r, &fields);
    Some(HoldOut { share: super::steps::share(r, fields.get("percent")?)?, scope })
}

fn exclusive(r: &mut Reader, node: &Node) -> Option<Exclusive> {
    let fields = r.fields(node, node.span, &EXCLUSIVE)?;
    let name = fields.get("name").and_then(|n| r.name(n, "the name of the group"));
    let words = [("drop", false), ("wait", true)];
    let waits = fields.get("then").and_then(|n| r.choice(n, &words)).unwrap_or(false);
    let journeys = r.words(fields.get("journeys")?, "a journey");
    Some(Exclusive { name, journeys, waits })
}

const PRIORITY_MAX: u32 = 100;

fn look_ahead(r: &mut Reader, node: &Node) -> Option<LookAhead> {
    let fields = r.fields(node, node.span, &LOOK_AHEAD)?;
    let scope = scope(r, &fields);
    let within = fields.get("within").and_then(|n| r.duration(n));
    let below = fields.get("below").and_then(|n| r.integer(n, "below", 1, PRIORITY_MAX));
    let above = fields.get("for").and_then(|n| r.integer(n, "for", 1, PRIORITY_MAX));
    let (below, above) = (below?, above?);
    if above.node < below.node {
        let message = "it would hold back what is more important than what it waits for";
        r.error_hint(above.span, message, "\"for\" is at least \"below\"");
    }
    Some(LookAhead { below, within: within?, above, scope })
}

const ON_LIMIT: [(&str, OnLimit); 3] =
    [("drop", OnLimit::Drop), ("wait", OnLimit::Wait), ("exit", OnLimit::Exit)];

fn gap(r: &mut Reader, node: &Node) -> Option<Gap> {
    let fields = r.fields(node, node.span, &GAP)?;
    let scope = scope(r, &fields);
    let on_limit = fields.get("on_limit").and_then(|n| r.choice(n, &ON_LIMIT));
    let min = r.duration(fields.get("min")?)?;
    Some(Gap { span: node.span, min, on_limit: on_limit.unwrap_or(OnLimit::Wait), scope })
}

fn throttle(r: &mut Reader, node: &Node) -> Option<Throttle> {
    use crate::time::{DAY, HOUR, MINUTE, SECOND};
    let fields = r.fields(node, node.span, &THROTTLE)?;
    let except = labels(r, &fields, "except");
    let units = [("second", SECOND), ("minute", MINUTE), ("hour", HOUR), ("day", DAY)];
    let per = fields.get("per").and_then(|n| r.choice(n, &units));
    let max = fields.get("max").and_then(|n| r.integer(n, "max", 1, THROTTLE_MAX));
    let channel = r.word(fields.get("channel")?, "a channel")?;
    Some(Throttle { span: node.span, channel, max: max?, per: per?, except })
}

const WEEKDAYS: [(&str, u8); 14] = [
    ("monday", 0),
    ("tuesday", 1),
    ("wednesday", 2),
    ("thursday", 3),
    ("friday", 4),
    ("saturday", 5),
    ("sunday", 6),
    ("mon", 0),
    ("tue", 1),
    ("wed", 2),
    ("thu", 3),
    ("fri", 4),
    ("sat", 5),
    ("sun", 6),
];

fn quiet_hours(r: &mut Reader, node: &Node) -> Option<QuietHours> {
    let fields = r.fields(node, node.span, &QUIET_HOURS)?;
    let words = [("defer", true), ("drop", false)];
    let defer = fields.get("then").and_then(|n| r.choice(n, &words)).unwrap_or(true);
    let scope = scope(r, &fields);
    let holidays = fields.get("holidays").and_then(|n| r.boolean(n)).unwrap_or(false);
    let days = fields.get("days").map(|n| weekdays(r, n)).unwrap_or_default();
    let days = days.iter().filter_map(|day| r.choice(day, &WEEKDAYS));
    let days = days.fold(0, |all, day| all | 1 << day);
    let (from, to) = (fields.get("from"), fields.get("to"));
    let hours = match (from, to) {
        (None, None) if fields.lacks("days") && !holidays => {
            r.error(node.span, "quiet hours need \"from\" and \"to\", \"days\" or \"holidays\"");
            return None;
        }
        (None, None) => None,
        (Some(from), Some(to)) => {
            let (from, to) = (r.clock(from), r.clock(to));
            let (from, to) = (from?, to?);
            if from.node == to.node {
                let message = "quiet hours from and to the same time";
                let hint = "\"to\" is when sending begins again; for whole days leave out both and write \"days\"";
                r.error_hint(to.span, message, hint);
            }
            Some((from, to))
        }
        _ => {
            r.error(node.span, "quiet hours need both \"from\" and \"to\", or neither");
            return None;
        }
    };
    if defer && hours.is_none() && days == EVERY_DAY {
        r.error(node.span, "quiet hours that never end: nothing would be sent");
    }
    Some(QuietHours { span: node.span, hours, days, holidays, defer, scope })
}

fn weekdays<'n>(r: &mut Reader, node: &'n Node) -> &'n [Node] {
    if matches!(&node.kind, Kind::Sequence(days) if days.is_empty()) {
        r.error(node.span, "expected a weekday, found an empty list");
    }
    r.list(node, "a list of weekdays")
}

/// All weekdays.
const EVERY_DAY: u8 = 0b111_1111;

fn cap(r: &mut Reader, node: &Node) -> Option<Cap> {
    let fields = r.fields(node, node.span, &CAP)?;
    let one = |r: &mut Reader, key, what| fields.get(key).and_then(|n| r.word(n, what));
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
        purpose: one(r, "purpose", "a purpose"),
        journey: one(r, "journey", "a journey"),
        on_limit: fields.get("on_limit").and_then(|n| r.choice(n, &ON_LIMIT)).unwrap_or_default(),
        except: labels(r, &fields, "except"),
        only_counts: labels(r, &fields, "only_counts"),
        max: max?,
        window: over.or(per)?,
    })
}
