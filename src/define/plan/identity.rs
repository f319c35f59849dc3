//! Which identifiers there are, and which of them may make two histories one.

use crate::event::Kind;

/// How one kind of identifier is found and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentifierKind {
    /// What stands before the colon, such as `user`; and that with the colon.
    pub name: String,
    pub prefix: String,
    pub of: IdentifierSource,
    pub form: IdentifierForm,
}

/// Where an identifier stands in an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentifierSource {
    /// `userId`.
    User,
    /// `anonymousId`.
    Anonymous,
    /// Under these property slots; the first that holds something.
    Slots(Vec<u16>),
    /// `context.externalIds`, those whose `type` is this; the slots of their ids and of their types.
    External { of_type: String, slots: [u16; 2] },
}

impl IdentifierSource {
    /// The property slots that it is read from.
    pub fn slots(&self) -> &[u16] {
        match self {
            IdentifierSource::User | IdentifierSource::Anonymous => &[],
            IdentifierSource::Slots(slots) => slots,
            IdentifierSource::External { slots, .. } => slots,
        }
    }
}

/// What makes two spellings one identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentifierForm {
    /// Only the same text is the same.
    Text,
    /// Case and spaces around do not matter.
    Email,
    /// A telephone number, as dialled in this country if it does not begin with `+`.
    Phone(Option<phonenumber::country::Id>),
}

/// The rules of identity of a pack that has an `identity` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityPlan {
    /// Strongest first.
    pub kinds: Vec<IdentifierKind>,
    /// By slot, whether one of them may stand there; of most events none does.
    pub slots: Vec<bool>,
    /// How many of them are strong: these come first.
    pub strong: u8,
    /// A link that would give a person more identifiers is refused.
    pub most_identifiers: usize,
    /// A weak identifier that has changed hands so often links nothing any more.
    pub most_moves: u32,
    /// Identifiers, as written with their kind, that identify nobody.
    pub placeholders: Vec<String>,
    /// Milliseconds after which a person without a strong identifier is forgotten.
    pub forget_after: Option<i64>,
    /// An event that takes an identifier from its person, and the slot of which one.
    pub apart: Kind,
    pub apart_slot: u16,
}

impl IdentityPlan {
    /// How strong an identifier such as `user:42` is; 0 is strongest. One of no kind there is, is weakest.
    pub fn rank(&self, identifier: &str) -> u8 {
        let kind = identifier.split_once(':').map_or("", |(kind, _)| kind);
        let at = self.kinds.iter().position(|known| known.name == kind);
        at.map_or(u8::MAX, |at| at as u8)
    }

    /// Whether identifiers of this rank are strong: no event makes two of them one person.
    pub fn is_strong(&self, rank: u8) -> bool {
        rank < self.strong
    }

    /// Whether it matters when something was last seen of an identifier.
    pub fn notices(&self, identifier: &str) -> bool {
        self.forget_after.is_some() && !self.is_strong(self.rank(identifier))
    }
}
