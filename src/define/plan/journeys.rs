//! Journeys as flat programs: steps are operations with jump targets, so that an instance is a place and a few times.

use super::Gates;
use super::{Again, Expr, FactId, JourneyId, Kinds, SegmentId, SendId, Standing};
use crate::event::Kind;
use compact_str::CompactString;
use std::cmp::Reverse;

/// One journey.
#[derive(Clone, Debug)]
pub struct JourneyPlan {
    pub name: String,
    pub standing: Standing,
    /// The journey of this name in the pack in effect.
    pub heir: Option<JourneyId>,
    /// The first journey of this name that there was, under which it is remembered who has entered.
    pub first: JourneyId,
    /// Its place among all in the order of names, older versions first.
    pub rank: u16,
    /// Whether instances of earlier versions go over to it.
    pub follow: bool,
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
    /// Whether one reads who is in a segment.
    pub when_segments: bool,
    pub program: Vec<OpAt>,
    /// Property slots of the entering event that expressions read as `entry.…`.
    pub entry_slots: Vec<u16>,
}

/// The higher priority first, then the name.
pub type Order = (Reverse<u32>, u16);

impl JourneyPlan {
    /// Where it stands among those that are concerned at one instant: by priority, then by name.
    pub fn order(&self) -> Order {
        (Reverse(self.priority), self.rank)
    }
}

impl super::Plan {
    /// The path of an arm's split, and the arm's name; of one that there is not, nothing.
    pub fn arm(&self, id: ArmId) -> (&str, &str) {
        let program = self.journeys.get(usize::from(id.journey.0)).map(|it| &it.program);
        match program.and_then(|program| program.get(usize::from(id.place))) {
            Some(OpAt { path, op: Op::Split { arms } }) => {
                let arm = arms.get(usize::from(id.arm));
                (path, arm.map_or("", |arm| &arm.name))
            }
            _ => ("", ""),
        }
    }
}

impl Op {
    /// What kind of step it is, in the words of packs; nothing for what no step is.
    pub fn kind(&self) -> Option<&'static str> {
        Some(match self {
            Op::WaitFor(_)
            | Op::WaitClock(_)
            | Op::WaitDay { .. }
            | Op::WaitFact { .. }
            | Op::WaitInstant { .. } => "wait",
            Op::WaitQuiet { .. } => "wait for silence",
            Op::WaitEvent { .. } => "wait for an event",
            Op::Unless { .. } => "choose",
            Op::Split { .. } => "split",
            Op::Send(_) => "send",
            Op::Emit { .. } => "emit",
            Op::Set { .. } => "set",
            Op::AddTo(_) => "add to",
            Op::RemoveFrom(_) => "remove from",
            Op::End => "end",
            Op::Jump(_) => return None,
        })
    }
}

/// Who enters, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct Enter {
    pub trigger: EnterTrigger,
    pub condition: Option<Expr>,
    /// The property slot that keys instances.
    pub per: Option<u16>,
    pub again: Again,
}

/// The occasion of entering; durations in milliseconds, `at` in minutes after local midnight.
#[derive(Clone, Debug, PartialEq)]
pub enum EnterTrigger {
    Event(Kinds),
    Entered(SegmentId),
    Left(SegmentId),
    Date { fact: FactId, is_date: bool, yearly: bool, offset_days: i64, at: u16 },
    Silence { quiet_for: i64, of: Kinds },
}

/// One way out before the last step, towards the journey's goal or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Exit {
    pub rule: ExitRule,
    pub goal: bool,
    /// What reaching the goal is worth.
    pub value: Option<Expr>,
}

/// What makes an instance exit: an event, or a condition over facts.
#[derive(Clone, Debug, PartialEq)]
pub enum ExitRule {
    Event { on: Kinds, condition: Option<Expr> },
    When(Expr),
}

/// An operation and the path of the step it came from, such as `4.2.1`.
#[derive(Clone, Debug, PartialEq)]
pub struct OpAt {
    pub path: CompactString,
    pub op: Op,
}

/// Jump targets are indices into the program; its end finishes the instance.
#[derive(Clone, Debug, PartialEq)]
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
    /// `at` is minutes after the local midnight of the instant's day.
    WaitInstant {
        instant: Expr,
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
        kind: Kind,
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
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    pub name: String,
    /// Upper end (not included) of its share, in ten-thousandths.
    pub below: u64,
    pub target: usize,
    pub hold_out: bool,
}

/// One arm of one split: the journey, the operation in its program, and which of its arms from 0 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ArmId {
    pub journey: JourneyId,
    pub place: u16,
    pub arm: u16,
}

/// Everything that is known of a message before it is sent.
#[derive(Clone, Debug)]
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
    /// The journey's own segment that holds it back.
    pub suppress_while: Option<SegmentId>,
    /// While a segment suppresses it, it waits until that is left.
    pub waits_out: bool,
    pub gates: Gates,
}
