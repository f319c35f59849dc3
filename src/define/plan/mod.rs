//! What will run: every name resolved to a number, every expression typed, no text to look up and nothing optional that
//! is not truly optional.

mod changes;
pub mod expr;
mod gate;
mod identity;
mod inputs;
mod journeys;
mod policy;
mod ranks;
mod relations;
mod set;
mod text;

pub use changes::{Changed, Difference};
pub use expr::Expr;
pub use gate::{Reason, SEPARATOR};
pub use identity::{IdentifierForm, IdentifierKind, IdentifierSource, IdentityPlan};
pub use inputs::{Consumer, Inputs, PropertyPath, Rates};
pub use journeys::{
    Arm, ArmId, Enter, EnterTrigger, Exit, ExitRule, JourneyPlan, Op, OpAt, Order, SendPlan,
};
pub use policy::{
    CapPlan, ConsentPlan, ExclusivePlan, GapPlan, Gates, LookAheadPlan, NotDeliveredPlan,
    PolicyPlan, QuietPlan, RevokePlan, ThrottlePlan,
};
pub use ranks::{RankId, RankPlan, RankTest, RankedFact, RankedValues, WHOLE};
pub use relations::{CataloguePlan, GroupPlan, Listed, NoticePlan, Relation};
pub use set::SegmentSet;
pub use text::parts;

pub use super::ast::{Again, Aggregate, OnLimit, PropertyType, Window};
use crate::event::Kind;
use std::sync::OnceLock;

/// A fact's number: the index into [`Plan::facts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactId(pub u16);

/// A segment's number: the index into [`Plan::segments`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u16);

/// A journey's number: the index into [`Plan::journeys`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct JourneyId(pub u16);

/// A `send` step's number over all journeys: the index into [`Plan::sends`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct SendId(pub u16);

/// Where a definition stands after packs have followed one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Of the pack in effect.
    Current,
    /// Of an earlier one; instances that entered under it finish by it.
    Kept,
    /// Of an earlier one, and nothing needs it any more.
    Gone,
}

/// A pack, compiled; and what of the packs before it is still needed. Numbers are given once: a definition that has changed
/// gets a new one, so that what a person holds under an earlier plan means the same under this one.
#[derive(Debug)]
pub struct Plan {
    /// A hash of everything that was written; a store made under another one does not fit.
    pub fingerprint: u64,
    /// How many packs came before this one.
    pub version: u16,
    /// The last version that concerned everybody when it took effect, and not only those to whom something happens.
    pub concerned_everybody: u16,
    pub inputs: Inputs,
    pub facts: Vec<FactPlan>,
    /// For each [`Kind`] the facts that such an event touches, by number.
    pub facts_of_kind: Vec<Vec<Touched>>,
    /// Facts that are traits or consents, which any event can carry.
    pub traits: Vec<FactId>,
    /// In an order in which every segment comes after those that it asks.
    pub segments: Vec<SegmentPlan>,
    /// Segments in the order of their names, the order of announcements.
    pub segments_by_name: Vec<SegmentId>,
    /// For each fact, each segment, and for sessions: the segments whose conditions read it.
    pub readers_of_fact: Vec<SegmentSet>,
    pub readers_of_segment: Vec<SegmentSet>,
    /// For each fact, the segments that read it and can change while nothing happens to whom it holds something of.
    pub timed_readers_of_fact: Vec<SegmentSet>,
    /// Segments that can change while nothing happens, whatever facts hold.
    pub timed: SegmentSet,
    /// The segments that somebody is in of whom nothing is known, once that has been asked; as of then those of `timed`.
    pub at_first: OnceLock<SegmentSet>,
    pub readers_of_session: SegmentSet,
    /// The segments whose answers depend on the person's time zone.
    pub readers_of_zone: SegmentSet,
    /// For each rank the segments whose conditions read it.
    pub readers_of_rank: Vec<SegmentSet>,
    /// Questions that compare a person with all others.
    pub ranks: Vec<RankPlan>,
    /// The facts by which any of them compares, each once, in order.
    pub ranked: Vec<RankedFact>,
    /// What persons belong to.
    pub groups: Vec<GroupPlan>,
    /// What there is to sell, if the plan reads it.
    pub catalogue: Option<CataloguePlan>,
    /// All segments with a condition.
    pub conditions: SegmentSet,
    pub journeys: Vec<JourneyPlan>,
    /// For each [`Kind`] the journeys that such an event can make enter.
    pub entered_by_kind: Vec<Vec<JourneyId>>,
    /// For each segment the journeys that are entered when it is entered, and when it is left.
    pub entered_by_segment: Vec<[Vec<JourneyId>; 2]>,
    /// For each [`Kind`] whether such an event can move a fact that a date entry reads.
    pub dates_of_kind: Vec<bool>,
    /// Journeys entered by date, and for each [`Kind`] those entered by a silence that such an event breaks: they keep a deadline per
    /// person.
    pub dates: Vec<JourneyId>,
    pub silences_of_kind: Vec<Vec<JourneyId>>,
    pub sends: Vec<SendPlan>,
    pub sessions: Option<SessionPlan>,
    pub policy: PolicyPlan,
    /// Milliseconds after which a person without a strong identifier is forgotten.
    pub forget_after: Option<i64>,
    /// Kinds of events for which an exit waits.
    pub exit_kinds: Kinds,
    /// Those of them of which an exit asks more than that there was one.
    pub exit_kinds_asked: Kinds,
    /// What of an event exits ask for.
    pub exit_slots: Vec<u16>,
    /// Tests of the pack, as written.
    pub tests: Vec<super::ast::TestDef>,
}

impl Plan {
    /// Whether everybody has to be looked at when it takes effect.
    pub fn concerns_everybody(&self) -> bool {
        self.version > 0 && self.concerned_everybody == self.version
    }

    /// Whether persons hear, one epoch later, of what others have said or done.
    pub fn feeds_back(&self) -> bool {
        !self.ranks.is_empty()
            || !self.groups.is_empty()
            || self.catalogue.is_some()
            || !self.policy.throttles.is_empty()
    }

    /// Whether an identifier is a strong one: without `identity` that is a `userId`. Groups are nobody who passes by.
    pub fn is_strong(&self, identifier: &str) -> bool {
        if self.groups.iter().any(|group| identifier.starts_with(&group.prefix)) {
            return true;
        }
        match &self.inputs.identity {
            Some(rules) => rules.is_strong(rules.rank(identifier)),
            None => identifier.starts_with("user:"),
        }
    }

    /// The fact of this name in the pack in effect.
    pub fn fact_named(&self, name: &str) -> Option<FactId> {
        let is_it = |fact: &FactPlan| fact.standing == Standing::Current && fact.name == name;
        self.facts.iter().position(is_it).map(|at| FactId(at as u16))
    }

    /// The segment of this name in the pack in effect.
    pub fn segment_named(&self, name: &str) -> Option<SegmentId> {
        let is_it = |it: &SegmentPlan| it.standing == Standing::Current && it.name == name;
        self.segments.iter().position(is_it).map(|at| SegmentId(at as u16))
    }

    /// The journey of this name in the pack in effect.
    pub fn journey_named(&self, name: &str) -> Option<JourneyId> {
        let is_it = |it: &JourneyPlan| it.standing == Standing::Current && it.name == name;
        self.journeys.iter().position(is_it).map(|at| JourneyId(at as u16))
    }
}

/// A set of event kinds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kinds {
    /// All but those of `bits`; else only those.
    any: bool,
    bits: Vec<u64>,
}

impl Kinds {
    /// Every event.
    pub fn any() -> Kinds {
        Kinds { any: true, bits: Vec::new() }
    }

    /// Every event but these.
    pub fn but(except: &[Kind]) -> Kinds {
        let listed: Kinds = except.iter().copied().collect();
        Kinds { any: true, ..listed }
    }

    /// Takes one kind in.
    pub fn insert(&mut self, kind: Kind) {
        let (word, bit) = (kind.0 as usize / 64, kind.0 % 64);
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        if self.any {
            self.bits[word] &= !(1 << bit);
        } else {
            self.bits[word] |= 1 << bit;
        }
    }

    /// Takes in all of another set.
    pub fn extend(&mut self, other: &Kinds) {
        let words = self.bits.len().max(other.bits.len());
        self.bits.resize(words, 0);
        for (at, word) in self.bits.iter_mut().enumerate() {
            let more = other.bits.get(at).copied().unwrap_or(0);
            *word = match (self.any, other.any) {
                (false, false) => *word | more,
                (true, true) => *word & more,
                (true, false) => *word & !more,
                (false, true) => more & !*word,
            };
        }
        self.any |= other.any;
    }

    /// Whether every event is in it.
    pub fn are_all(&self) -> bool {
        self.any && self.bits.iter().all(|word| *word == 0)
    }

    /// Whether no event at all is in it.
    pub fn is_empty(&self) -> bool {
        !self.any && self.bits.iter().all(|word| *word == 0)
    }

    /// Whether events of this kind are in it.
    pub fn has(&self, kind: Kind) -> bool {
        let word = self.bits.get(kind.0 as usize / 64).copied().unwrap_or(0);
        (word >> (kind.0 % 64) & 1 == 1) != self.any
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Kinds {
        let mut set = Kinds::default();
        kinds.into_iter().for_each(|kind| set.insert(kind));
        set
    }
}

/// One fact.
#[derive(Clone, Debug)]
pub struct FactPlan {
    pub name: String,
    pub standing: Standing,
    pub rule: FactRule,
    /// The property slot whose value keys it.
    pub per: Option<u16>,
}

impl FactPlan {
    /// Whether between events its value can only become smaller: a count, or `distinct`, over a window.
    pub fn shrinks(&self) -> bool {
        match &self.rule {
            FactRule::Fold(fold) => {
                matches!(fold.aggregate, Aggregate::Count | Aggregate::Distinct)
                    && fold.minus.is_empty()
            }
            _ => false,
        }
    }
}

/// How a fact comes about.
#[derive(Clone, Debug, PartialEq)]
pub enum FactRule {
    Trait { slot: u16, name: String, of_type: Option<PropertyType> },
    Fold(FoldPlan),
    Basket(BasketPlan),
}

/// A fact that events of a kind touch, and whether they add to it, take away from it, and begin it anew.
#[derive(Clone, Copy, Debug)]
pub struct Touched {
    pub fact: FactId,
    pub adds: bool,
    pub takes: bool,
    pub resets: bool,
}

/// An aggregate over events.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldPlan {
    pub aggregate: Aggregate,
    pub on: Kinds,
    pub minus: Kinds,
    pub until: Kinds,
    /// Absent for `count`.
    pub of: Option<Expr>,
    pub condition: Option<Expr>,
    pub window: Option<Window>,
    pub keep: usize,
    /// Whether single entries are kept: windows, resets and removals need their times.
    pub entries: bool,
}

/// A basket of products.
#[derive(Clone, Debug, PartialEq)]
pub struct BasketPlan {
    pub on: Kinds,
    pub minus: Kinds,
    pub until: Kinds,
    pub of: Expr,
    pub quantity: Option<Expr>,
    pub price: Option<Expr>,
}

/// One segment.
#[derive(Clone, Debug)]
pub struct SegmentPlan {
    pub name: String,
    pub standing: Standing,
    /// The segment of this name in the pack in effect.
    pub heir: Option<SegmentId>,
    /// `None` for a list.
    pub condition: Option<Expr>,
}

/// What makes a session: events of these kinds, none later than `gap` milliseconds after the one before.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionPlan {
    pub gap: i64,
    pub of: Kinds,
    /// Slots of `path` in the properties and in `context.page`, and of a page's name.
    pub path: u16,
    pub context_path: u16,
    pub name: u16,
}
