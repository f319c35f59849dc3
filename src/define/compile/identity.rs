//! `identity`: kinds of identifiers → where the decoder finds them.

use super::{Compiler, path_of};
use crate::define::ast::{self, IdentifierDef};
use crate::define::plan::{
    Consumer, IdentifierForm, IdentifierKind, IdentifierSource, IdentityPlan,
};

/// The event that takes an identifier from its person.
pub const APART: &str = "Identifiers Unlinked";

/// The event that asks for a person to be erased.
pub const ERASED: &str = "Person Erased";

/// Identifiers that a person may have if nothing is said.
const MOST_IDENTIFIERS: usize = 50;

/// Times that a weak identifier may change hands if nothing is said.
const MOST_MOVES: u32 = 5;

impl Compiler<'_> {
    /// Reports what cannot be meant.
    pub(super) fn check_identity(&mut self) {
        let pack = self.pack;
        let Some(written) = &pack.identity else {
            if let Some(base) = self.base
                && base.inputs.identity.is_some()
            {
                self.identity_changed(None);
            }
            return;
        };
        let weak = written.identifiers.iter().position(|kind| !kind.strong);
        let late = written.identifiers.iter().rposition(|kind| kind.strong);
        if let (Some(weak), Some(late)) = (weak, late)
            && weak < late
        {
            let (weak, late) = (&written.identifiers[weak], &written.identifiers[late]);
            let message = format!("the strong `{}` stands after a weak one", late.name.node);
            let hint = format!(
                "identifiers are listed strongest first: put it before `{}`",
                weak.name.node
            );
            self.mistake(late.name.span, message, Some(hint));
        }
        if written.identifiers.iter().all(|kind| !kind.is_built_in()) {
            let hint = "list at least user or anonymous: every event has one of them".to_owned();
            let message = "no event would have an identifier of its own".to_owned();
            self.mistake(written.span, message, Some(hint));
        }
        // What members do happens to a group without a claim that names it.
        let is_kind = |name: &str| written.identifiers.iter().any(|kind| kind.name.node == name);
        for group in self.pack.groups.iter().filter(|group| is_kind(&group.name.node)) {
            let message = format!("\"{}\" is a kind of identifier, not of group", group.name.node);
            let hint = "a group and an identifier have different names".to_owned();
            self.mistake(group.name.span, message, Some(hint));
        }
        if let Some(base) = self.base {
            let known = base.inputs.identity.clone();
            let made = self.identity();
            let same = known.as_ref().zip(made.as_ref()).is_some_and(|(a, b)| {
                (&a.kinds, a.strong, a.most_moves, a.forget_after)
                    == (&b.kinds, b.strong, b.most_moves, b.forget_after)
            });
            if !same {
                self.identity_changed(Some(written));
            }
        }
    }

    /// Links that were made under other rules cannot be judged by these.
    fn identity_changed(&mut self, written: Option<&ast::Identity>) {
        let span = written.map_or(ast::Span::START, |written| written.span);
        let message = "who is who cannot be decided by other rules while it runs".to_owned();
        let hint = "keep `identity` and `forget_after` as they were, or start with an empty state"
            .to_owned();
        self.mistake(span, message, Some(hint));
    }

    /// What the decoder has to find of requests for erasure, in any pack.
    pub(super) fn erasure(&mut self) {
        self.inputs.erased = self.kind(ERASED);
        self.inputs.erased_slot = self.slot(Consumer::Event, &["identifier".into()]);
        self.want(self.inputs.erased, self.inputs.erased_slot);
    }

    /// The rules, with slots for what the decoder has to find.
    pub(super) fn identity(&mut self) -> Option<IdentityPlan> {
        let pack = self.pack;
        let written = pack.identity.as_ref()?;
        let kinds: Vec<IdentifierKind> =
            written.identifiers.iter().map(|kind| self.identifier_kind(kind)).collect();
        let mut slots = Vec::new();
        for &slot in kinds.iter().flat_map(|kind| kind.of.slots()) {
            slots.resize(slots.len().max(usize::from(slot) + 1), false);
            slots[usize::from(slot)] = true;
        }
        let apart = self.kind(APART);
        let apart_slot = self.slot(Consumer::Event, &["identifier".into()]);
        self.want(apart, apart_slot);
        let strong = written.identifiers.iter().take_while(|kind| kind.strong).count();
        Some(IdentityPlan {
            kinds,
            slots,
            strong: strong as u8,
            most_identifiers: (written.most_identifiers.as_ref())
                .map_or(MOST_IDENTIFIERS, |most| most.node as usize),
            most_moves: written.most_owners.as_ref().map_or(MOST_MOVES, |most| most.node),
            placeholders: written.placeholders.iter().map(|name| name.node.clone()).collect(),
            forget_after: pack.forget_after.as_ref().map(|after| after.node),
            apart,
            apart_slot,
        })
    }

    fn identifier_kind(&mut self, written: &IdentifierDef) -> IdentifierKind {
        let of = match (written.name.node.as_str(), &written.external) {
            ("user", _) => IdentifierSource::User,
            ("anonymous", _) => IdentifierSource::Anonymous,
            (_, Some(of_type)) => {
                let id = self.everywhere(Consumer::ExternalIds, "id");
                let kind = self.everywhere(Consumer::ExternalIds, "type");
                IdentifierSource::External { of_type: of_type.node.clone(), slots: [id, kind] }
            }
            _ => {
                let mut slots = Vec::new();
                for name in &written.of {
                    slots.push(self.everywhere(Consumer::Event, &name.node));
                    slots.push(self.everywhere(Consumer::Trait, &name.node));
                }
                IdentifierSource::Slots(slots)
            }
        };
        let form = match written.form {
            ast::IdentifierForm::Text => IdentifierForm::Text,
            ast::IdentifierForm::Email => IdentifierForm::Email,
            ast::IdentifierForm::Phone => {
                let country = written.country.as_ref().and_then(|name| name.node.parse().ok());
                IdentifierForm::Phone(country)
            }
        };
        let name = written.name.node.clone();
        IdentifierKind { prefix: format!("{name}:"), name, of, form }
    }

    /// A slot that is wanted of every event.
    fn everywhere(&mut self, from: Consumer, path: &str) -> u16 {
        let slot = self.slot(from, &path_of(path));
        if !self.inputs.everywhere.contains(&slot) {
            self.inputs.everywhere.push(slot);
        }
        slot
    }
}
