//! `events`, `currency`, `sessions`, `facts` and `segments`.
//!
//! In: their nodes. Out: their part of the tree. A definition that cannot be read leaves a
//! placeholder with its name, so that what uses it is not reported as well.

use super::literals::decimal;
use super::reader::{Fields, Reader, Shape};
use super::tokens;
use crate::define::ast::{
    Aggregate, BasketDef, Currency, EventDecl, FactDef, FactKind, FoldDef, Name, Period,
    PropertyType, SegmentDef, SegmentKind, Sessions, Span, Spanned, Window,
};
use crate::define::diagnostic::nearest;
use crate::define::limits::{FACTS_MAX, KEEP_MAX, SEGMENTS_MAX};
use crate::define::yaml::{Kind, Node};
use crate::event::names;

const SESSION_GAP_MS: i64 = 30 * 60_000;

const TYPES: [(&str, PropertyType); 6] = [
    ("string", PropertyType::String),
    ("number", PropertyType::Number),
    ("boolean", PropertyType::Boolean),
    ("time", PropertyType::Time),
    ("date", PropertyType::Date),
    ("money", PropertyType::Money),
];

/// What other systems call our types.
const TYPE_WORDS: [(&str, &str); 12] = [
    ("str", "string"),
    ("text", "string"),
    ("int", "number"),
    ("integer", "number"),
    ("float", "number"),
    ("decimal", "number"),
    ("bool", "boolean"),
    ("datetime", "time"),
    ("timestamp", "time"),
    ("currency", "money"),
    ("price", "money"),
    ("amount", "money"),
];

const AGGREGATES: [(&str, Aggregate); 10] = [
    ("count", Aggregate::Count),
    ("sum", Aggregate::Sum),
    ("min", Aggregate::Min),
    ("max", Aggregate::Max),
    ("average", Aggregate::Average),
    ("first", Aggregate::First),
    ("last", Aggregate::Last),
    ("distinct", Aggregate::Distinct),
    ("recent", Aggregate::Recent),
    ("top", Aggregate::Top),
];

const AGGREGATE_WORDS: [(&str, &str); 10] = [
    ("avg", "average"),
    ("mean", "average"),
    ("total", "sum"),
    ("number", "count"),
    ("latest", "last"),
    ("earliest", "first"),
    ("unique", "distinct"),
    ("list", "recent"),
    ("most", "top"),
    ("maximum", "max"),
];

pub(super) const CURRENCY: Shape = Shape {
    what: "currency",
    keys: &["base", "rates", "default"],
    required: &["base"],
    excludes: &[],
};

pub(super) const SESSIONS: Shape =
    Shape { what: "sessions", keys: &["gap", "of"], required: &[], excludes: &[] };

pub(super) const FOLD: Shape = Shape {
    what: "a fact",
    keys: &[
        "count", "sum", "min", "max", "average", "first", "last", "distinct", "recent", "top",
        "of", "where", "over", "per", "minus", "until", "keep", "for",
    ],
    required: &[],
    excludes: &[],
};

pub(super) const TRAIT: Shape =
    Shape { what: "a trait fact", keys: &["trait", "type"], required: &["trait"], excludes: &[] };

pub(super) const BASKET: Shape = Shape {
    what: "a basket",
    keys: &["basket", "minus", "until", "of", "quantity", "price", "per", "for"],
    required: &["basket", "of"],
    excludes: &[],
};

pub(super) fn events(r: &mut Reader, node: &Node) -> Vec<EventDecl> {
    let mut events = Vec::new();
    for (name, node) in r.pairs(node, "a mapping of events") {
        r.define("event", names::current(&name.node), name.span);
        let mut properties = Vec::new();
        for (property, node) in r.pairs(node, "a mapping of properties to types") {
            if let Kind::Mapping(nested) = &node.kind {
                let inner = nested.first().and_then(|(k, _)| k.text()).unwrap_or("city");
                let message = "expected a type, found a mapping";
                let hint = format!("write \"{}.{inner}: string\"", property.node);
                r.error_hint(node.span, message, hint);
            } else if let Some(kind) = property_type(r, node, &TYPES) {
                properties.push((property, kind));
            }
        }
        events.push(EventDecl { name, properties });
    }
    events
}

fn property_type(
    r: &mut Reader,
    node: &Node,
    types: &[(&str, PropertyType)],
) -> Option<Spanned<PropertyType>> {
    let word = node.text().map(str::to_lowercase).unwrap_or_default();
    if let Some((_, ours)) = TYPE_WORDS.iter().find(|(theirs, _)| *theirs == word) {
        let message = format!("\"{word}\" is not a type");
        r.error_hint(node.span, message, format!("did you mean \"{ours}\"?"));
        return None;
    }
    let node_type = r.choice(node, types)?;
    Some(Spanned { node: node_type, span: node.span })
}

pub(super) fn currency(r: &mut Reader, node: &Node, at: Span) -> Option<Currency> {
    let fields = r.fields(node, at, &CURRENCY)?;
    let base = fields.get("base").and_then(|n| currency_code(r, n));
    let mut rates = Vec::new();
    if let Some(node) = fields.get("rates") {
        for (name, node) in r.pairs(node, "a mapping of currencies to rates") {
            let code = check_code(r, name);
            let text = r.text(node, "a rate such as 1.17").unwrap_or_default();
            let rate = decimal(text, 6).filter(|rate| *rate > 0);
            if rate.is_none() && !text.is_empty() {
                let message = "a rate is a number above zero with at most six places";
                r.error(node.span, message);
            }
            if let (Some(code), Some(rate)) = (code, rate) {
                rates.push((code, Spanned { node: rate, span: node.span }));
            }
        }
    }
    let base = base?;
    if let Some((own, _)) = rates.iter().find(|(code, _)| code.node == base.node) {
        r.error_hint(own.span, "the base currency has no rate", "delete it: its rate is 1");
    }
    let default = fields.get("default").and_then(|n| currency_code(r, n));
    let known =
        |code: &Name| code.node == base.node || rates.iter().any(|(c, _)| *c.node == code.node);
    if let Some(code) = default.as_ref().filter(|c| !known(c)) {
        r.error(code.span, format!("the currency \"{}\" has no rate", code.node));
    }
    Some(Currency { base, rates, default })
}

fn currency_code(r: &mut Reader, node: &Node) -> Option<Name> {
    let name = r.name(node, "a currency such as EUR")?;
    check_code(r, name)
}

fn check_code(r: &mut Reader, code: Name) -> Option<Name> {
    if code.node.len() == 3 && code.node.bytes().all(|b| b.is_ascii_uppercase()) {
        return Some(code);
    }
    let upper = code.node.to_uppercase();
    let message = format!("\"{}\" is not a currency of three capital letters", code.node);
    match upper.len() == 3 && upper.bytes().all(|b| b.is_ascii_uppercase()) {
        true => r.error_hint(code.span, message, format!("write \"{upper}\"")),
        false => r.error(code.span, message),
    }
    None
}

/// Identifiers whose events do not count.
pub(super) fn ignore(r: &mut Reader, node: &Node) -> Vec<Name> {
    r.names(node, "an identifier", identifier)
}

/// An identifier with its sort, such as `anonymous:bot-7`.
fn identifier(r: &mut Reader, node: &Node, expected: &str) -> Option<Name> {
    let name = r.name(node, expected)?;
    let is_whole = ["user:", "anonymous:"]
        .iter()
        .any(|sort| name.node.strip_prefix(sort).is_some_and(|id| !id.is_empty()));
    if !is_whole {
        let id = name.node.rsplit(':').next().filter(|id| !id.is_empty()).unwrap_or("bot-7");
        let message = format!("\"{}\" does not say which identifier is meant", name.node);
        r.error_hint(name.span, message, format!("write user:{id} or anonymous:{id}"));
        return None;
    }
    Some(name)
}

pub(super) fn sessions(r: &mut Reader, node: &Node, at: Span) -> Option<Sessions> {
    let fields = r.fields(node, at, &SESSIONS)?;
    let gap = fields.get("gap").and_then(|n| r.duration(n));
    let of = fields.get("of").map(|n| r.events(n)).unwrap_or_default();
    Some(Sessions { gap: gap.unwrap_or(Spanned { node: SESSION_GAP_MS, span: at }), of })
}

pub(super) fn facts(r: &mut Reader, node: &Node) -> Vec<FactDef> {
    let mut facts = Vec::new();
    for (name, node) in r.pairs(node, "a mapping of facts") {
        check_fact_name(r, &name);
        r.define("fact", &name.node, name.span);
        let kind = fact(r, node, name.span);
        let unread = || FactKind::Trait { name: name.clone(), of_type: None };
        let group = group_of(r, node);
        facts.push(FactDef { kind: kind.unwrap_or_else(unread), group, name });
    }
    r.limit(&facts, FACTS_MAX, "facts", |f| f.name.span);
    facts
}

/// `for: account`, of a fact; what else is wrong with it is said elsewhere.
fn group_of(r: &mut Reader, node: &Node) -> Option<Name> {
    let Kind::Mapping(pairs) = &node.kind else { return None };
    let (_, group) = pairs.iter().find(|(key, _)| key.text() == Some("for"))?;
    r.word(group, "a group")
}

fn check_fact_name(r: &mut Reader, name: &Name) {
    let text = name.node.as_str();
    let snake = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !snake {
        let message = format!("the fact \"{text}\" is not snake_case");
        let hint = format!("write \"{}\"", spelled(text, '_'));
        r.error_hint(name.span, message, hint);
    } else if tokens::is_taken(text) {
        r.error(name.span, format!("\"{text}\" means something else in expressions"));
    }
}

/// A name in lower case with only letters, digits and `separator`.
fn spelled(name: &str, separator: char) -> String {
    let mut out = String::new();
    let mut last = ' ';
    for c in name.chars() {
        if c.is_ascii_uppercase() && last.is_ascii_lowercase() {
            out.push(separator);
        }
        match c.is_ascii_alphanumeric() {
            true => out.push(c.to_ascii_lowercase()),
            false if !out.ends_with(separator) && !out.is_empty() => out.push(separator),
            false => {}
        }
        last = c;
    }
    let out = out.trim_end_matches(separator);
    match out.starts_with(|c: char| c.is_ascii_digit()) && separator == '_' {
        true => format!("n_{out}"),
        false if out.is_empty() => "name".to_owned(),
        false => out.to_owned(),
    }
}

/// Segments and journeys have names of `a-z 0-9 _ -`.
pub(super) fn check_name(r: &mut Reader, kind: &str, name: &Name) {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    if !name.node.bytes().all(allowed) {
        let message = format!("a {kind}'s name has only a to z, 0 to 9, _ and -");
        r.error_hint(name.span, message, format!("write \"{}\"", spelled(&name.node, '-')));
    }
}

fn fact(r: &mut Reader, node: &Node, at: Span) -> Option<FactKind> {
    let Kind::Mapping(pairs) = &node.kind else {
        r.mismatch(node, "a mapping that begins with an aggregate such as count or sum");
        return None;
    };
    let keys: Vec<&Node> = pairs.iter().map(|(k, _)| k).collect();
    let has = |name: &str| keys.iter().any(|k| k.text() == Some(name));
    if has("trait") {
        return trait_fact(r, node, at);
    }
    if has("basket") {
        return basket(r, node, at);
    }
    let found: Vec<_> = AGGREGATES.iter().filter(|(name, _)| has(name)).collect();
    match found[..] {
        [(name, aggregate)] => fold(r, node, at, name, *aggregate),
        [] => {
            no_aggregate(r, &keys, at);
            None
        }
        [(a, _), (b, _), ..] => {
            r.error(at, format!("a fact has one aggregate, not \"{a}\" and \"{b}\""));
            None
        }
    }
}

fn no_aggregate(r: &mut Reader, keys: &[&Node], at: Span) {
    let names = || AGGREGATES.iter().map(|(n, _)| *n).chain(["trait", "basket"]);
    let unknown = |k: &&&Node| k.text().is_some_and(|t| !FOLD.keys.contains(&t));
    let Some((node, text)) = keys.iter().find(unknown).and_then(|k| Some((k, k.text()?))) else {
        let all = names().collect::<Vec<_>>().join(", ");
        r.error_hint(at, "the fact has no aggregate", format!("begin with one of {all}"));
        return;
    };
    let word = AGGREGATE_WORDS.iter().find(|(w, _)| text.eq_ignore_ascii_case(w));
    let hint = match word.map(|(_, ours)| *ours).or_else(|| nearest(text, names())) {
        Some(ours) => format!("did you mean \"{ours}\"?"),
        None => format!("the aggregates are {}", names().collect::<Vec<_>>().join(", ")),
    };
    r.error_hint(node.span, format!("unknown aggregate \"{text}\""), hint);
}

fn trait_fact(r: &mut Reader, node: &Node, at: Span) -> Option<FactKind> {
    let fields = r.fields(node, at, &TRAIT)?;
    let of_type = fields.get("type").and_then(|n| property_type(r, n, &TYPES[..5]));
    let name = fields.get("trait").and_then(|n| r.name(n, "the name of a trait"))?;
    Some(FactKind::Trait { name, of_type })
}

fn basket(r: &mut Reader, node: &Node, at: Span) -> Option<FactKind> {
    let fields = r.fields(node, at, &BASKET)?;
    let per = fields.get("per").and_then(|n| per(r, n));
    if let Some(Per::Period(period)) = &per {
        r.error(period.span, "a basket has no calendar period");
    }
    Some(FactKind::Basket(BasketDef {
        on: names_of(r, &fields, "basket"),
        minus: names_of(r, &fields, "minus"),
        until: names_of(r, &fields, "until"),
        of: fields.get("of").and_then(|n| r.expression(n)),
        quantity: fields.get("quantity").and_then(|n| r.expression(n)),
        price: fields.get("price").and_then(|n| r.expression(n)),
        per: per.and_then(Per::key),
    }))
}

fn names_of(r: &mut Reader, fields: &Fields, key: &str) -> Vec<Name> {
    fields.get(key).map(|n| r.events(n)).unwrap_or_default()
}

fn fold(
    r: &mut Reader,
    node: &Node,
    at: Span,
    name: &str,
    aggregate: Aggregate,
) -> Option<FactKind> {
    let fields = r.fields(node, at, &FOLD)?;
    let aggregate = Spanned { node: aggregate, span: fields.entry(name).map_or(at, |(s, _)| s) };
    let per = fields.get("per").and_then(|n| per(r, n));
    let over = fields.get("over").and_then(|n| r.duration(n));
    check_fold(r, &fields, name, &aggregate, per.as_ref());
    let sliding = over.map(|d| Spanned { node: Window::Sliding(d.node), span: d.span });
    let calendar = match &per {
        Some(Per::Period(p)) => Some(Spanned { node: Window::Calendar(p.node), span: p.span }),
        _ => None,
    };
    Some(FactKind::Fold(FoldDef {
        on: names_of(r, &fields, name),
        of: fields.get("of").and_then(|n| r.expression(n)),
        condition: fields.get("where").and_then(|n| r.expression(n)),
        window: sliding.or(calendar),
        minus: names_of(r, &fields, "minus"),
        until: names_of(r, &fields, "until"),
        keep: fields.get("keep").and_then(|n| r.integer(n, "keep", 1, KEEP_MAX)),
        per: per.and_then(Per::key),
        aggregate,
    }))
}

/// What may not stand together in a fact.
fn check_fold(
    r: &mut Reader,
    fields: &Fields,
    name: &str,
    aggregate: &Spanned<Aggregate>,
    per: Option<&Per>,
) {
    use Aggregate::{Count, Distinct, Recent, Sum, Top};
    let at = |key| fields.entry(key).map(|(span, _)| span);
    match (at("of"), aggregate.node) {
        (Some(span), Count) => {
            let hint = "delete it, or write distinct to count different values";
            r.error_hint(span, "count counts events and takes no \"of\"", hint);
        }
        (None, a) if a != Count => {
            let hint = "for example of: event.total";
            r.error_hint(aggregate.span, format!("\"{name}\" needs \"of\""), hint);
        }
        _ => {}
    }
    if let Some(span) = at("keep").filter(|_| aggregate.node != Recent) {
        r.error(span, format!("\"keep\" belongs to recent, not to {name}"));
    }
    let takes_minus = matches!(aggregate.node, Count | Sum | Distinct | Recent | Top);
    if let Some(span) = at("minus").filter(|_| !takes_minus) {
        let hint = "count, sum, distinct, recent and top take it";
        r.error_hint(span, format!("\"{name}\" cannot take \"minus\""), hint);
    }
    let period = match per {
        Some(Per::Period(period)) => Some(period.span),
        _ => None,
    };
    if let (Some(over), Some(period)) = (at("over"), period) {
        let message = "only one of \"over\" and a calendar period may be written";
        r.error(over.max(period), message);
    }
    if let (Some(until), true) = (at("until"), at("over").or(period).is_some()) {
        let message = "\"until\" cannot stand with \"over\" or a calendar period";
        r.error(until, message);
    }
}

/// What `per` says: a calendar period, or a property.
pub(super) enum Per {
    Period(Spanned<Period>),
    Key(Name),
}

impl Per {
    fn key(self) -> Option<Name> {
        match self {
            Per::Key(name) => Some(name),
            Per::Period(_) => None,
        }
    }
}

pub(super) const PERIODS: [(&str, Period); 4] = [
    ("day", Period::Day),
    ("week", Period::Week),
    ("month", Period::Month),
    ("year", Period::Year),
];

/// What people write for a period; none of it is a likely name of a property.
const PERIOD_WORDS: [(&str, &str); 12] = [
    ("daily", "day"),
    ("days", "day"),
    ("weekly", "week"),
    ("weeks", "week"),
    ("monthly", "month"),
    ("months", "month"),
    ("yearly", "year"),
    ("years", "year"),
    ("calendar day", "day"),
    ("calendar week", "week"),
    ("calendar month", "month"),
    ("annually", "year"),
];

/// `per:` of a fact.
pub(super) fn per(r: &mut Reader, node: &Node) -> Option<Per> {
    let name = r.name(node, "day, week, month, year or the name of a property")?;
    let word = name.node.to_lowercase();
    if let Some((_, ours)) = PERIOD_WORDS.iter().find(|(theirs, _)| *theirs == word) {
        let message = format!("\"{}\" is not a period", name.node);
        r.error_hint(name.span, message, format!("did you mean \"{ours}\"?"));
        return None;
    }
    let period = PERIODS.iter().find(|(word, _)| *word == name.node);
    if let Some((_, period)) = period {
        return Some(Per::Period(Spanned { node: *period, span: name.span }));
    }
    property(r, name).map(Per::Key)
}

/// A property's name, dotted if nested, without `event.`.
pub(super) fn property(r: &mut Reader, name: Name) -> Option<Name> {
    if let Some(property) = name.node.strip_prefix("event.") {
        let message = "expected the name of a property, found an expression";
        r.error_hint(name.span, message, format!("write \"{property}\""));
        return None;
    }
    if super::literals::duration(&name.node).is_ok() {
        let message = format!("\"{}\" is not the name of a property", name.node);
        r.error_hint(name.span, message, format!("write \"over: {}\" for a window", name.node));
        return None;
    }
    Some(name)
}

pub(super) fn segments(r: &mut Reader, node: &Node) -> Vec<SegmentDef> {
    let mut segments = Vec::new();
    for (name, node) in r.pairs(node, "a mapping of segments") {
        check_name(r, "segment", &name);
        r.define("segment", &name.node, name.span);
        let kind = match node.text().map(str::trim) {
            Some("list") => SegmentKind::List,
            _ if node.kind == Kind::Null => {
                let message = "expected a condition or the word list, found nothing";
                r.error(name.span, message);
                SegmentKind::List
            }
            _ => r.expression(node).map_or(SegmentKind::List, SegmentKind::When),
        };
        segments.push(SegmentDef { name, kind });
    }
    r.limit(&segments, SEGMENTS_MAX, "segments", |s| s.name.span);
    segments
}
