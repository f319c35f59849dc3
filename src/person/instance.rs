//! An instance: one run through a journey.

use super::effect::Cause;
use crate::define::plan::{ArmId, JourneyId, Plan};
use crate::event::Value;
use crate::time::NEVER;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// One person's (or one cart's, one order's) run through a journey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    pub journey: JourneyId,
    pub key: Option<CompactString>,
    /// Counts the person's instances; the younger of two has the larger number. Part of every decision's id.
    pub number: u32,
    /// The instant at which it entered.
    pub entered_at: i64,
    /// The time of the event by which it entered; earlier than `entered_at` if that was late.
    pub(super) entry_time: i64,
    /// The operation at which it stands.
    pub(super) place: u16,
    pub(super) phase: Phase,
    /// Whether its messages are held out.
    pub(super) hold_out: bool,
    /// The arms of splits that it has taken, in their order.
    pub(super) arms: Vec<ArmId>,
    /// What expressions read of the entering event, in the order of the plan's `entry_slots`.
    pub(super) entry: Vec<Value>,
    /// The leaf by which it came about; empty where a person has only one.
    pub(super) leaf: CompactString,
    pub(super) entered_by: Cause,
    /// The event that last moved it, if not the entering one.
    pub(super) moved_by: Option<Cause>,
    /// When it last sent something; `i64::MIN` if never.
    #[serde(with = "crate::time::instant")]
    pub(super) last_sent: i64,
    /// The next instant at which an exit's `when` may turn by itself.
    #[serde(with = "crate::time::instant")]
    pub(super) recheck: i64,
}

/// What an instance does while nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// In the middle of its steps, within an instant.
    Running,
    /// A wait that only time ends.
    Waiting { until: i64 },
    /// A wait for silence; events move `until`.
    Quiet { until: i64 },
    /// A wait for an event, or the timeout.
    Listening { until: i64 },
    /// At a message that is not decided yet, and whether it has been given a place among all messages.
    Pending { due: i64, granted: bool },
    /// At a message that was deferred.
    Deferred { due: i64, until: i64 },
    /// At a message that waits for something to end, until it is worth nothing any more.
    Held {
        due: i64,
        #[serde(with = "crate::time::instant")]
        until: i64,
    },
    /// At a message that has asked for a place among all messages, until it is worth nothing any more.
    Asking {
        due: i64,
        #[serde(with = "crate::time::instant")]
        until: i64,
    },
    /// Over; swept at the end of the instant.
    Done,
}

impl Instance {
    /// Looks at something of each line of memory.
    pub(super) fn look(&self) -> i64 {
        let first = i64::from(self.number) ^ self.entry_time ^ self.arms.len() as i64;
        first ^ self.recheck ^ self.leaf.len() as i64 ^ self.entry.len() as i64
    }

    /// The next instant at which it has to be looked at; [`NEVER`] if nothing but an event can move it.
    pub fn deadline(&self) -> i64 {
        let until = self.waits_until().unwrap_or(NEVER);
        // An exit that was not asked yet is asked within the instant, not by a timer.
        if self.recheck == i64::MIN { until } else { until.min(self.recheck) }
    }

    /// The path of the step at which it stands, such as `4.2.1`; empty at the end.
    pub fn step<'a>(&self, plan: &'a Plan) -> &'a str {
        let program = &plan.journeys[usize::from(self.journey.0)].program;
        program.get(usize::from(self.place)).map_or("", |op| op.path.as_str())
    }

    /// What it does while nothing happens, in a word.
    pub fn doing(&self) -> &'static str {
        match self.phase {
            Phase::Running => "running",
            Phase::Waiting { .. } => "waiting",
            Phase::Quiet { .. } => "waiting for silence",
            Phase::Listening { .. } => "waiting for an event",
            Phase::Held { .. } => "held back",
            Phase::Asking { .. } => "waiting for a place",
            Phase::Pending { .. } => "about to send",
            Phase::Deferred { .. } => "message deferred",
            Phase::Done => "done",
        }
    }

    /// Until when it waits, be it that an event can move it before; nothing if only its steps do.
    pub fn waits_until(&self) -> Option<i64> {
        match self.phase {
            Phase::Waiting { until }
            | Phase::Quiet { until }
            | Phase::Listening { until }
            | Phase::Deferred { until, .. }
            | Phase::Held { until, .. }
            | Phase::Asking { until, .. } => Some(until),
            Phase::Running | Phase::Pending { .. } | Phase::Done => None,
        }
    }

    /// Whether it belongs to a hold-out share, whose messages are not sent.
    pub fn is_held_out(&self) -> bool {
        self.hold_out
    }

    /// The arms of splits that it has taken.
    pub fn arms(&self) -> &[ArmId] {
        &self.arms
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase != Phase::Done
    }
}

/// That a journey was entered, for the re-entry rules that must know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct History {
    /// The first version of it.
    pub(super) journey: JourneyId,
    pub(super) key: Option<CompactString>,
    pub(super) last_entry: i64,
}
