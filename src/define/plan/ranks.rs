//! Comparisons of a person with all others, such as `percentile(lifetime_value) >= 0.95`.
//!
//! Whatever is written comes down to questions whose answer is yes from some value of the fact on: who passes is told by one
//! cut-off, and the others are told by `!`.

use super::{FactId, Standing};

/// A question's number: the index into [`super::Plan::ranks`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct RankId(pub u16);

/// One question about a person's place among all who have the fact.
#[derive(Clone, Debug, PartialEq)]
pub struct RankPlan {
    pub standing: Standing,
    pub fact: RankedFact,
    pub test: RankTest,
}

/// A fact by which persons are compared, and the values that count; any other is as good as none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RankedFact {
    pub fact: FactId,
    pub values: RankedValues,
}

/// Values of one kind, which have an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RankedValues {
    Numbers,
    Times,
    Durations,
}

/// What is asked. With more of the fact the answer does not turn from yes to no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RankTest {
    /// At least so many millionths of those who have the fact have less of it. With 0: whether the person has it.
    AtLeast(u32),
    /// More than so many millionths have less.
    Above(u32),
    /// Fewer persons than so many have more: the person is among the first so many.
    Among(u64),
}

/// A whole, in millionths.
pub const WHOLE: u32 = 1_000_000;
