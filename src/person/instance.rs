//! An instance: one run through a journey.

use super::effect::Cause;
use crate::define::plan::JourneyId;
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
    /// What expressions read of the entering event, in the order of the plan's `entry_slots`.
    pub(super) entry: Vec<Value>,
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
    /// At a message that is not decided yet.
    Pending { due: i64 },
    /// At a message that was deferred.
    Deferred { due: i64, until: i64 },
    /// Over; swept at the end of the instant.
    Done,
}

impl Instance {
    /// The next instant at which it has to be looked at.
    pub(super) fn deadline(&self) -> i64 {
        let until = match self.phase {
            Phase::Waiting { until }
            | Phase::Quiet { until }
            | Phase::Listening { until }
            | Phase::Deferred { until, .. } => until,
            Phase::Running | Phase::Pending { .. } | Phase::Done => NEVER,
        };
        // An exit that was not asked yet is asked within the instant, not by a timer.
        if self.recheck == i64::MIN { until } else { until.min(self.recheck) }
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase != Phase::Done
    }
}

/// That a journey was entered, for the re-entry rules that must know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct History {
    pub(super) journey: JourneyId,
    pub(super) key: Option<CompactString>,
    pub(super) last_entry: i64,
}
