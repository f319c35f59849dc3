//! What a person's step gives: changes of segments and journeys, decisions, closed sessions. Plain data with plan
//! numbers; the sink turns it into text.

use super::facts::session::Open;
pub use crate::define::plan::Reason;
use crate::define::plan::{ArmId, FactId, JourneyId, SegmentId, SendId};
use crate::event::{Event, Num, Origin, Value};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// An input that led to something.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    pub origin: Origin,
    pub message_id: CompactString,
}

/// The cause that an event is.
pub(super) fn cause(event: &Event) -> Cause {
    Cause { origin: event.origin, message_id: event.message_id.clone() }
}

/// Something that went out of one person at the instant `time`.
#[derive(Clone, Debug)]
pub enum Effect {
    Segment {
        time: i64,
        segment: SegmentId,
        entered: bool,
    },
    Journey {
        time: i64,
        journey: JourneyId,
        key: Option<CompactString>,
        number: u32,
        change: Change,
    },
    Decision(Box<Decision>),
    Session {
        time: i64,
        number: u32,
        session: Box<Open>,
    },
    /// What a member has done, for its group: goes nowhere else.
    Forward(Box<Event>),
    /// Nothing is known of this identifier any more, nor is to be kept by anybody who has kept the latest word.
    Gone {
        time: i64,
    },
}

/// What happened to an instance.
#[derive(Clone, Debug)]
pub enum Change {
    Entered {
        by: Cause,
    },
    /// It has come to the step of this operation.
    Reached {
        place: u16,
    },
    /// It has come to a split, and goes on in one of its arms.
    Assigned {
        arm: ArmId,
    },
    Exited {
        reason: ExitReason,
        place: u16,
        /// What reaching the goal was worth.
        value: Option<Num>,
        /// The arms of splits in which it was.
        arms: Vec<ArmId>,
    },
    /// It has gone over to another version of the journey, at the step of this operation.
    Moved {
        place: u16,
    },
    /// It goes on under this person, as whom another one has turned out, or out of whom this one was parted.
    Carried {
        from: CompactString,
    },
    Added(SegmentId),
    Removed(SegmentId),
    Emitted {
        place: u16,
        with: Vec<Value>,
    },
    Set {
        place: u16,
        value: Value,
    },
    /// A late event would have exited it before it sent at `sent`.
    Regret {
        sent: i64,
        by: Cause,
    },
}

/// Why an instance is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitReason {
    Finished,
    Exit,
    Goal,
    Cap,
    /// The journey has changed, and the step at which it stood is not there any more.
    Changed,
    /// The person was parted, and none of what is left would have it.
    Parted,
    /// The person is not to be known any more.
    Erased,
    /// Nothing was seen for long of a person without a strong identifier.
    Forgotten,
}

impl ExitReason {
    /// The word for it in outputs.
    pub fn as_str(self) -> &'static str {
        match self {
            ExitReason::Finished => "finished",
            ExitReason::Exit => "exit",
            ExitReason::Goal => "goal",
            ExitReason::Cap => "cap",
            ExitReason::Changed => "changed",
            ExitReason::Parted => "parted",
            ExitReason::Erased => "erased",
            ExitReason::Forgotten => "forgotten",
        }
    }
}

/// The outcome for one message.
#[derive(Clone, Debug)]
pub struct Decision {
    pub time: i64,
    pub journey: JourneyId,
    pub key: Option<CompactString>,
    pub number: u32,
    pub place: u16,
    pub send: SendId,
    pub outcome: Outcome,
    /// When the message first became due.
    pub due: i64,
    /// The values of `with`, in its order; empty unless sent.
    pub with: Vec<Value>,
    pub inputs: Vec<Cause>,
    pub facts: Vec<(FactId, Value)>,
}

/// What was decided about a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Send,
    Defer { until: i64, reason: Reason },
    Drop { reason: Reason },
}
