//! What persons belong to, and what there is to sell them.

use super::{Expr, FactId, Kinds};
use crate::event::Kind;

/// A kind of group: something that persons belong to, and that has facts, segments and journeys of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupPlan {
    pub name: String,
    /// What its identifiers begin with, such as `account:`.
    pub prefix: String,
    /// Of a person: the group that it belongs to.
    pub member: FactId,
    /// For each [`Kind`] of what a member does, the kind as which it happens to the group.
    pub forwards: Vec<Option<Kind>>,
}

/// What is known of products, and who is told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct CataloguePlan {
    /// The event that is a record of a product.
    pub kind: Kind,
    /// The slot of the property that names the product.
    pub product: u16,
    /// The slot of the property that names what an accessory is for.
    pub accessory_of: Option<u16>,
    pub notices: Vec<NoticePlan>,
    /// By [`Relation`], the fact whose products belong together when one person has them.
    pub related: Vec<Option<FactId>>,
    /// All facts that make a product somebody's concern, in order.
    pub listed: Vec<Listed>,
}

/// A fact that makes products somebody's concern.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub fact: FactId,
    /// The events that can change it.
    pub changed_by: Kinds,
    /// Whether a notice goes to whom a product concerns by it; if not, what goes together is all that it is for.
    pub is_told: bool,
}

/// A change of a product that persons are told of.
#[derive(Clone, Debug, PartialEq)]
pub struct NoticePlan {
    /// The event that they get.
    pub kind: Kind,
    pub to: Vec<FactId>,
    pub condition: Expr,
    /// What is read of that event: its slot, the slot of the record, and whether the record is meant as it was before.
    pub values: Vec<(u16, u16, bool)>,
}

/// How products can go with one another: the index into [`CataloguePlan::related`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Similar,
    BoughtTogether,
}
