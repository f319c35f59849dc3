//! Journeys as flat programs: steps are operations with jump targets, so that an instance is a place and a few times.

use super::{Again, Expr, FactId, JourneyId, Kinds, SegmentId, SendId};
use compact_str::CompactString;

/// One journey.
#[derive(Debug)]
pub struct JourneyPlan {
    pub name: String,
    /// Eight hexadecimal digits of a hash of the definition's text; part of every decision's id.
    pub version: String,
    pub priority: u32,
    pub enter: Enter,
    pub exits: Vec<Exit>,
    /// Kinds of events that any open instance must see: exits, quiet waits, waits for events.
    pub sees: Kinds,
    /// Whether an exit has a `when`.
    pub has_when: bool,
    /// Kinds of events whose facts an exit's `when` reads.
    pub when_kinds: Kinds,
    pub program: Vec<OpAt>,
    /// Property slots of the entering event that expressions read as `entry.…`.
    pub entry_slots: Vec<u16>,
}

/// Who enters, and how often.
#[derive(Debug)]
pub struct Enter {
    pub trigger: EnterTrigger,
    pub condition: Option<Expr>,
    /// The property slot that keys instances.
    pub per: Option<u16>,
    pub again: Again,
}

/// The occasion of entering; durations in milliseconds, `at` in minutes after local midnight.
#[derive(Debug)]
pub enum EnterTrigger {
    Event(Kinds),
    Entered(SegmentId),
    Left(SegmentId),
    Date { fact: FactId, is_date: bool, yearly: bool, offset_days: i64, at: u16 },
    Silence { quiet_for: i64, of: Kinds },
}

/// One way out before the last step, towards the journey's goal or not.
#[derive(Debug)]
pub struct Exit {
    pub rule: ExitRule,
    pub goal: bool,
}

/// What makes an instance exit: an event, or a condition over facts.
#[derive(Debug)]
pub enum ExitRule {
    Event { on: Kinds, condition: Option<Expr> },
    When(Expr),
}

/// An operation and the path of the step it came from, such as `4.2.1`.
#[derive(Debug)]
pub struct OpAt {
    pub path: CompactString,
    pub op: Op,
}

/// Jump targets are indices into the program; its end finishes the instance.
#[derive(Debug)]
pub enum Op {
    WaitFor(i64),
    WaitClock(u16),
    WaitDay {
        day: i64,
        at: u16,
    },
    WaitFact {
        fact: FactId,
        is_date: bool,
        offset: i64,
        at: Option<u16>,
    },
    WaitQuiet {
        quiet_for: i64,
        of: Kinds,
    },
    WaitEvent {
        on: Kinds,
        condition: Option<Expr>,
        timeout: i64,
        otherwise: usize,
    },
    /// Goes on with the next operation if the condition holds, else jumps.
    Unless {
        condition: Expr,
        target: usize,
    },
    Jump(usize),
    Split {
        arms: Vec<Arm>,
    },
    Send(SendId),
    Emit {
        event: String,
        with: Vec<(String, Expr)>,
    },
    Set {
        name: String,
        value: Expr,
    },
    AddTo(SegmentId),
    RemoveFrom(SegmentId),
    End,
}

/// One arm of a split.
#[derive(Debug)]
pub struct Arm {
    /// Upper end (not included) of its share, in ten-thousandths.
    pub below: u64,
    pub target: usize,
    pub hold_out: bool,
}

/// Everything that is known of a message before it is sent.
#[derive(Debug)]
pub struct SendPlan {
    pub journey: JourneyId,
    pub channel: String,
    pub template: String,
    pub purpose: String,
    pub tags: Vec<String>,
    pub valid_for: Option<i64>,
    pub with: Vec<(String, Expr)>,
    /// Facts that led here: those of the entry, of the enclosing `choose` steps and of `with`.
    pub causes: Vec<FactId>,
    /// Indices into the policy's rules, only those that concern this message, in the order of asking.
    pub consents: Vec<usize>,
    pub suppressed_by: Vec<SegmentId>,
    pub quiet_hours: Vec<usize>,
    pub caps: Vec<usize>,
    /// Whether any cap counts it.
    pub counted: bool,
}
