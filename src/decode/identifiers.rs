//! All identifiers of an event, for packs in which several can be one person.

use super::Refused;
use super::envelope::{Envelope, identifier, leaf};
use crate::define::plan::{IdentifierForm, IdentifierKind, IdentifierSource, IdentityPlan};
use crate::event::{Call, Kind, Names, Reason, Says, Value};
use crate::limits::ID_BYTES_MAX;
use compact_str::CompactString;
use smallvec::smallvec;
use std::borrow::Cow;

/// The leaf that an event belongs to, other identifiers that it has, and what it says of them.
pub(super) struct Identifiers {
    pub(super) leaf: CompactString,
    pub(super) also: Names,
    pub(super) says: Says,
}

impl Identifiers {
    /// A leaf that stands alone.
    pub(super) fn one(leaf: CompactString) -> Identifiers {
        Identifiers { leaf, also: Names::new(), says: Says::Together }
    }
}

/// Finds them. The strongest is the leaf.
pub(super) fn find(
    rules: &IdentityPlan,
    envelope: &Envelope,
    call: Call,
    kind: Kind,
    values: &[(u16, Value)],
) -> Result<Identifiers, Refused> {
    let may_name = |(slot, _): &(u16, Value)| rules.slots.get(usize::from(*slot)) == Some(&true);
    let naming = if values.iter().any(may_name) { values } else { &[] };
    let found = rules.kinds.iter().filter_map(|kind| of_kind(kind, envelope, naming));
    let is_somebody = |id: &CompactString| !rules.placeholders.iter().any(|nobody| *nobody == **id);
    let mut found = found.filter(is_somebody);
    let Some(anchor) = found.next() else {
        let detail = "it has none of the identifiers that the pack names";
        return Err((Reason::NoIdentifier, detail.to_owned()));
    };
    let other = match call {
        Call::Alias => envelope.previous(rules).map(|id| (id, Says::Alias)),
        _ if kind == rules.apart => {
            return Ok(apart(rules, anchor, values));
        }
        _ => None,
    };
    Ok(match other {
        Some((id, says)) => Identifiers { leaf: anchor, also: smallvec![id], says },
        None => Identifiers { leaf: anchor, also: found.collect(), says: Says::Together },
    })
}

/// Takes the identifier that it names, or else its own, from its person.
fn apart(rules: &IdentityPlan, leaf: CompactString, values: &[(u16, Value)]) -> Identifiers {
    let named = text(values, rules.apart_slot);
    let named = named.as_deref().map(str::trim).filter(|id| rules.rank(id) < u8::MAX);
    let also = named.into_iter().map(CompactString::from).collect();
    Identifiers { leaf, also, says: Says::Apart }
}

/// Whoever is to be erased: the identifier that the event names, or else its own strongest one.
pub(super) fn erased(
    rules: Option<&IdentityPlan>,
    envelope: &Envelope,
    (call, kind): (Call, Kind),
    values: &[(u16, Value)],
    slot: u16,
) -> Result<Identifiers, Refused> {
    let leaf = match values.iter().find(|(known, _)| *known == slot) {
        // What is named and cannot be understood must not erase somebody else.
        Some((_, named)) => {
            named.key().and_then(|id| whole(rules, id.trim())).ok_or_else(|| {
                let detail =
                    "`identifier` is not written with a kind that the pack knows, as in user:42";
                (Reason::NoIdentifier, detail.to_owned())
            })?
        }
        None => match rules {
            Some(rules) => find(rules, envelope, call, kind, values)?.leaf,
            None => envelope.leaf()?,
        },
    };
    Ok(Identifiers { leaf, also: Names::new(), says: Says::Erased })
}

/// An identifier as somebody asks about it, in the spelling under which events of it are known; as it is written if the pack
/// knows none, as with the names of groups.
pub fn spelled(rules: Option<&IdentityPlan>, written: &str) -> CompactString {
    whole(rules, written).unwrap_or_else(|| written.into())
}

/// An identifier that is written with its kind, in its one spelling.
fn whole(rules: Option<&IdentityPlan>, written: &str) -> Option<CompactString> {
    let (kind, id) = written.split_once(':')?;
    if super::envelope::is_placeholder(id) || id.len() > ID_BYTES_MAX {
        return None;
    }
    let Some(rules) = rules else {
        return matches!(kind, "user" | "anonymous").then(|| written.into());
    };
    let known = rules.kinds.iter().find(|known| known.name == kind)?;
    Some(leaf(&known.prefix, &self::written(id, known.form)?))
}

fn of_kind(
    kind: &IdentifierKind,
    envelope: &Envelope,
    values: &[(u16, Value)],
) -> Option<CompactString> {
    let text = match &kind.of {
        IdentifierSource::User => identifier(envelope.user_id)?,
        IdentifierSource::Anonymous => identifier(envelope.anonymous_id)?,
        IdentifierSource::Slots(slots) => slots.iter().find_map(|slot| text(values, *slot))?,
        IdentifierSource::External { of_type, slots: [ids, kinds] } => {
            external(values, of_type, *ids, *kinds)?.into_string().into()
        }
    };
    Some(leaf(&kind.prefix, &written(&text, kind.form)?))
}

/// A text or a whole number that identifies somebody.
fn text(values: &[(u16, Value)], slot: u16) -> Option<Cow<'_, str>> {
    let (_, value) = values.iter().find(|(known, _)| *known == slot)?;
    let id = match value {
        Value::Str(text) => Cow::Borrowed(text.as_str()),
        other => other.key()?.into_string().into(),
    };
    (!super::envelope::is_placeholder(&id) && id.len() <= ID_BYTES_MAX).then_some(id)
}

/// The first external id of a type. Ids and types are lists of the same length, unless one of them is missing somewhere.
fn external(values: &[(u16, Value)], of_type: &str, id: u16, kind: u16) -> Option<CompactString> {
    let list = |slot: u16| {
        let (_, value) = values.iter().find(|(known, _)| *known == slot)?;
        let mut all = Vec::new();
        value.each(&mut |one| all.extend(one.key()));
        Some(all)
    };
    let (ids, kinds) = (list(id)?, list(kind)?);
    if ids.len() != kinds.len() {
        return None;
    }
    let at = kinds.iter().position(|kind| kind == of_type)?;
    let id = &ids[at];
    (!super::envelope::is_placeholder(id) && id.len() <= ID_BYTES_MAX).then(|| id.clone())
}

/// One spelling for all that mean the same; nothing for what is none.
fn written(text: &str, form: IdentifierForm) -> Option<Cow<'_, str>> {
    match form {
        IdentifierForm::Text => Some(text.into()),
        IdentifierForm::Email => email(text.trim()),
        IdentifierForm::Phone(country) => {
            let number = phonenumber::parse(country, text.trim()).ok()?;
            let is_valid = phonenumber::is_valid(&number);
            is_valid.then(|| number.format().mode(phonenumber::Mode::E164).to_string().into())
        }
    }
}

/// Mostly they are in small letters already.
fn email(text: &str) -> Option<Cow<'_, str>> {
    let (name, host) = text.split_once('@')?;
    if name.is_empty() || host.is_empty() || text.contains(char::is_whitespace) {
        return None;
    }
    let is_small = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    Some(if is_small { text.into() } else { text.to_lowercase().into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_what_means_the_same() {
        let email = |text| written(text, IdentifierForm::Email);
        assert_eq!(email(" Anna@Example.COM "), Some("anna@example.com".into()));
        assert_eq!(email("anna"), None);
        assert_eq!(email("@example.com"), None);
        let phone = |text| written(text, IdentifierForm::Phone("PL".parse().ok()));
        for spelling in ["+48 601 234 567", "601-234-567", "0048 601 234 567"] {
            assert_eq!(phone(spelling), Some("+48601234567".into()), "{spelling}");
        }
        assert_eq!(phone("12"), None);
        let abroad = |text| written(text, IdentifierForm::Phone(None));
        assert_eq!(abroad("+44 20 7946 0958"), Some("+442079460958".into()));
        assert_eq!(abroad("601 234 567"), None, "nobody knows in which country");
    }
}
