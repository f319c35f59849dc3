//! `groups` and `catalogue`: what persons belong to, and what there is to sell them.
//!
//! In: their nodes. Out: their part of the tree. Names of facts are not looked up.

use super::reader::{Reader, Shape};
use crate::define::ast::{Catalogue, GroupDef, NoticeDef, Span};
use crate::define::limits::{GROUPS_MAX, NOTICES_MAX};
use crate::define::yaml::{Kind, Node};

pub(super) const GROUP: Shape =
    Shape { what: "a group", keys: &["on", "of", "where", "until"], required: &[], excludes: &[] };

pub(super) const CATALOGUE: Shape = Shape {
    what: "catalogue",
    keys: &["on", "product", "accessory_of", "tell", "similar", "bought_together"],
    required: &[],
    excludes: &[],
};

pub(super) const NOTICE: Shape =
    Shape { what: "a notice", keys: &["to", "when"], required: &["to", "when"], excludes: &[] };

/// Words before the colon of identifiers that are no groups.
const TAKEN: [&str; 5] = ["user", "anonymous", "email", "phone", "product"];

pub(super) fn groups(r: &mut Reader, node: &Node) -> Vec<GroupDef> {
    let mut groups = Vec::new();
    for (name, node) in r.pairs(node, "a mapping of groups such as account") {
        super::facts::check_name(r, "group", &name);
        r.define("group", &name.node, name.span);
        if TAKEN.contains(&name.node.as_str()) {
            let message = format!("\"{}\" is a kind of identifier, not of group", name.node);
            r.error_hint(name.span, message, "for example account or household");
        }
        let mut group =
            GroupDef { name: name.clone(), on: vec![], of: None, condition: None, until: vec![] };
        if node.kind != Kind::Null {
            let Some(fields) = r.fields(node, name.span, &GROUP) else { continue };
            let mut events = |key| fields.get(key).map(|n| r.events(n)).unwrap_or_default();
            (group.on, group.until) = (events("on"), events("until"));
            group.of = fields.get("of").and_then(|n| r.expression(n));
            group.condition = fields.get("where").and_then(|n| r.expression(n));
            if let (Some((at, _)), None) = (fields.entry("on"), fields.get("of")) {
                let hint = "for example of: event.household_id";
                r.error_hint(at, "\"on\" needs \"of\": which group the event names", hint);
            }
        }
        groups.push(group);
    }
    r.limit(&groups, GROUPS_MAX, "groups", |group| group.name.span);
    groups
}

pub(super) fn catalogue(r: &mut Reader, node: &Node, at: Span) -> Option<Catalogue> {
    let fields = r.fields(node, at, &CATALOGUE)?;
    let property = |r: &mut Reader, key: &str| {
        let name = fields.get(key).and_then(|n| r.word(n, "the name of a property"))?;
        super::facts::property(r, name)
    };
    let fact = |r: &mut Reader, key: &str| fields.get(key).and_then(|n| r.word(n, "a fact"));
    Some(Catalogue {
        span: at,
        on: fields.get("on").and_then(|n| r.event(n, "the name of an event")),
        product: property(r, "product"),
        accessory_of: property(r, "accessory_of"),
        tell: fields.get("tell").map(|n| notices(r, n)).unwrap_or_default(),
        similar: fact(r, "similar"),
        bought_together: fact(r, "bought_together"),
    })
}

fn notices(r: &mut Reader, node: &Node) -> Vec<NoticeDef> {
    let mut notices = Vec::new();
    for (event, node) in r.pairs(node, "a mapping of events such as Price Dropped") {
        r.define("notice", &event.node, event.span);
        let Some(fields) = r.fields(node, event.span, &NOTICE) else { continue };
        let to = fields.get("to").map(|n| r.words(n, "a fact")).unwrap_or_default();
        if let Some(when) = fields.get("when").and_then(|n| r.expression(n)) {
            notices.push(NoticeDef { event, to, when });
        }
    }
    r.limit(&notices, NOTICES_MAX, "notices", |notice| notice.event.span);
    notices
}
