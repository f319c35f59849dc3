//! `identity`: which identifiers there are, and when several are one person.
//!
//! In: its node. Out: the kinds of identifiers, strongest first, and the limits.

use super::reader::{Reader, Shape};
use crate::define::ast::{IdentifierDef, IdentifierForm, Identity, Span};
use crate::define::limits::{IDENTIFIER_KINDS_MAX, IDENTIFIER_MOVES_MAX, IDENTIFIERS_MAX};
use crate::define::yaml::{Kind, Node};

pub(super) const IDENTITY: Shape = Shape {
    what: "identity",
    keys: &["identifiers", "max_identifiers", "max_owners", "placeholders"],
    required: &["identifiers"],
    excludes: &[],
};

pub(super) const IDENTIFIER_KIND: Shape = Shape {
    what: "an identifier kind",
    keys: &["name", "of", "external", "as", "country", "strong"],
    required: &["name"],
    excludes: &[("of", "external")],
};

const FORMS: [(&str, IdentifierForm); 3] = [
    ("text", IdentifierForm::Text),
    ("email", IdentifierForm::Email),
    ("phone", IdentifierForm::Phone),
];

pub(super) fn identity(r: &mut Reader, node: &Node, at: Span) -> Option<Identity> {
    let fields = r.fields(node, at, &IDENTITY)?;
    let items =
        fields.get("identifiers").map(|n| r.list(n, "a list of identifiers, strongest first"));
    let items = r.limit(items.unwrap_or_default(), IDENTIFIER_KINDS_MAX, "identifiers", |n| n.span);
    let identifiers = items.iter().filter_map(|item| kind(r, item)).collect();
    let words =
        |r: &mut Reader, n| r.names(n, "an identifier such as email:test@example.com", whole);
    Some(Identity {
        span: at,
        identifiers,
        most_identifiers: (fields.get("max_identifiers"))
            .and_then(|n| r.integer(n, "max_identifiers", 2, IDENTIFIERS_MAX)),
        most_owners: (fields.get("max_owners"))
            .and_then(|n| r.integer(n, "max_owners", 1, IDENTIFIER_MOVES_MAX)),
        placeholders: fields.get("placeholders").map(|n| words(r, n)).unwrap_or_default(),
    })
}

/// An identifier with its kind before a colon.
fn whole(r: &mut Reader, node: &Node, expected: &str) -> Option<crate::define::ast::Name> {
    let name = r.name(node, expected)?;
    if !name.node.split_once(':').is_some_and(|(kind, id)| !kind.is_empty() && !id.is_empty()) {
        let message = format!("\"{}\" does not say which kind of identifier it is", name.node);
        r.error_hint(name.span, message, format!("write for example email:{}", name.node));
        return None;
    }
    Some(name)
}

/// A word for a kind that everybody has, or a mapping for one of the shop's own.
fn kind(r: &mut Reader, node: &Node) -> Option<IdentifierDef> {
    if !matches!(node.kind, Kind::Mapping(_)) {
        let name = r.word(node, "user, anonymous, email, phone, or { name: …, of: … }")?;
        if !["user", "anonymous", "email", "phone"].contains(&name.node.as_str()) {
            let hint = format!("write {{ name: {}, of: a property or trait }}", name.node);
            r.error_hint(name.span, format!("it is not said where \"{}\" stands", name.node), hint);
            return None;
        }
        r.define("identifier", &name.node, name.span);
        return Some(IdentifierDef::built_in(name));
    }
    let fields = r.fields(node, node.span, &IDENTIFIER_KIND)?;
    let name = fields.get("name").and_then(|n| r.word(n, "the name of an identifier"))?;
    r.define("identifier", &name.node, name.span);
    let of = fields.get("of").map(|n| r.words(n, "a property or a trait"));
    let external = fields.get("external").and_then(|n| r.name(n, "a type of external id"));
    let form = fields.get("as").and_then(|n| r.choice(n, &FORMS));
    let country = fields.get("country").and_then(|n| {
        let country = r.word(n, "a country such as PL")?;
        if country.node.parse::<phonenumber::country::Id>().is_err() {
            let message = format!("there is no country \"{}\"", country.node);
            r.error_hint(country.span, message, "write two capital letters such as PL");
            return None;
        }
        Some(country)
    });
    let strong = fields.get("strong").and_then(|n| r.boolean(n));
    let mut made = IdentifierDef::built_in(name);
    if let Some(of) = of {
        made.of = of;
    }
    made.external = external;
    made.form = form.unwrap_or(made.form);
    made.country = country;
    made.strong = strong.unwrap_or(made.strong);
    if made.of.is_empty() && made.external.is_none() && !made.is_built_in() {
        let hint = "add of: and a property or trait, or external: and a type of external id";
        let message = format!("it is not said where \"{}\" stands", made.name.node);
        r.error_hint(made.name.span, message, hint);
        return None;
    }
    Some(made)
}
