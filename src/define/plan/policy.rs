//! The contact policy, with each rule resolved to the messages that it is about.

use super::{FactId, JourneyId, Kinds, SegmentId, SendId};
use crate::define::ast::{Holiday, OnLimit, Window};
use crate::time::zone::Zone;
use compact_str::CompactString;

/// The contact policy.
#[derive(Debug)]
pub struct PolicyPlan {
    pub zone: Zone,
    pub holidays: Vec<Holiday>,
    /// How many persons of 10,000 get nothing of what is held out.
    pub hold_out: u32,
    pub consents: Vec<ConsentPlan>,
    pub exclusive: Vec<ExclusivePlan>,
    pub quiet_hours: Vec<QuietPlan>,
    pub look_ahead: Vec<LookAheadPlan>,
    pub caps: Vec<CapPlan>,
    pub gaps: Vec<GapPlan>,
    pub throttles: Vec<ThrottlePlan>,
    pub not_delivered: Option<NotDeliveredPlan>,
    /// Events that take consent back, or say that a message did not arrive.
    pub heard: Kinds,
    /// How long a send is remembered: the longest window of any cap, or gap, that counts it.
    pub memory: i64,
}

/// Which gates a message has to pass: indices into the policy's rules, only those that are about it, in the order of asking.
#[derive(Clone, Debug, Default)]
pub struct Gates {
    pub held_out: bool,
    pub consents: Vec<usize>,
    pub suppressed_by: Vec<SegmentId>,
    pub exclusive: Vec<usize>,
    pub quiet_hours: Vec<usize>,
    pub look_ahead: Vec<usize>,
    pub caps: Vec<usize>,
    pub gaps: Vec<usize>,
    pub throttle: Option<usize>,
    /// Whether any cap or gap counts it.
    pub counted: bool,
}

/// One rule of consent.
#[derive(Debug)]
pub struct ConsentPlan {
    /// The hidden trait fact that holds the latest word.
    pub fact: FactId,
    pub default: bool,
    /// What takes it back, if anything does beside the latest word itself.
    pub revoked_by: Option<RevokePlan>,
}

/// Events that take a consent back: all of it, or that for the channel and purpose that they name.
#[derive(Debug)]
pub struct RevokePlan {
    pub kinds: Kinds,
    /// Slots of the properties `channel` and `purpose`, and what the rule is about.
    pub channel: (u16, Option<CompactString>),
    pub purpose: (u16, Option<CompactString>),
}

/// Journeys of which a person hears of one at a time.
#[derive(Debug)]
pub struct ExclusivePlan {
    /// For each [`JourneyId`] whether it is one of them.
    pub members: Vec<bool>,
    pub waits: bool,
}

impl ExclusivePlan {
    /// Whether a journey is one of them.
    pub fn has(&self, journey: JourneyId) -> bool {
        self.members.get(usize::from(journey.0)).is_some_and(|is_member| *is_member)
    }
}

/// Hours in which nothing is sent.
#[derive(Debug)]
pub struct QuietPlan {
    /// Minutes after midnight: from, included, and to, not included. None: the whole day.
    pub hours: Option<(u16, u16)>,
    /// Bits of the weekdays on which they begin, Monday first. None, and no holidays: every day.
    pub days: u8,
    /// Whether they also begin on holidays.
    pub holidays: bool,
    pub defer: bool,
}

/// A minor message waits when a major one is due soon.
#[derive(Debug)]
pub struct LookAheadPlan {
    pub within: i64,
    /// The least priority of what it waits for.
    pub above: u32,
}

/// One frequency cap: at most `max` sends in the window.
#[derive(Debug)]
pub struct CapPlan {
    pub name: CompactString,
    pub max: usize,
    pub window: Window,
    pub on_limit: OnLimit,
    /// For each [`SendId`] whether it counts in this cap.
    pub counts: Vec<bool>,
}

/// The least time between two messages.
#[derive(Debug)]
pub struct GapPlan {
    pub name: CompactString,
    pub min: i64,
    pub on_limit: OnLimit,
    /// For each [`SendId`] whether it counts.
    pub counts: Vec<bool>,
}

impl GapPlan {
    /// Whether a message counts.
    pub fn has(&self, send: SendId) -> bool {
        self.counts[usize::from(send.0)]
    }
}

/// At most `max` messages to all persons in each stretch of `per` milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrottlePlan {
    pub name: CompactString,
    pub max: u32,
    pub per: i64,
}

/// Events that say that a message did not arrive.
#[derive(Debug)]
pub struct NotDeliveredPlan {
    pub kinds: Kinds,
    /// Slots of the properties `trigger_id` and `template`.
    pub trigger: u16,
    pub template: u16,
}
