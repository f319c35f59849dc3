//! What the summary counts: a number for each thing that can happen under a plan, so that counting a line costs one
//! addition, and its words for people.

use crate::define::plan::{JourneyId, Op, OpAt, Plan, SegmentId, SendPlan};
use crate::person::{Change, Decision, ExitReason, Outcome, Reason};
use std::collections::BTreeMap;

/// Numbers of labels; 0 is what nobody counts.
#[derive(Debug)]
pub struct Labels {
    names: Vec<[String; 4]>,
    segments: u32,
    journeys: u32,
    /// For each message its first number, and what can hold it.
    sends: Vec<(u32, Vec<Reason>)>,
}

const REASONS: [crate::event::Reason; 12] = {
    use crate::event::Reason::*;
    [
        TooLong,
        NotUtf8,
        NotJson,
        TooDeep,
        NotMapped,
        NotAnEvent,
        NoIdentifier,
        NoTimestamp,
        AbsurdTimestamp,
        NumberOutOfRange,
        WrongType,
        UnknownCurrency,
    ]
};

const SESSION: u32 = 1;
const REJECTS: u32 = 2;
const CHANGES: [&str; 10] = [
    "entered",
    "finished",
    "exit",
    "goal",
    "cap",
    "regret",
    "changed",
    "parted",
    "erased",
    "forgotten",
];

impl Labels {
    /// The labels of everything that this plan can count.
    pub fn new(plan: &Plan) -> Labels {
        let name = |a: &str, b: &str, c: &str, d: &str| [a, b, c, d].map(String::from);
        let mut names = vec![name("", "", "", ""), name("sessions", "", "", "closed")];
        names.extend(REASONS.map(|reason| name("rejects", "", "", reason.as_str())));
        let segments = names.len() as u32;
        for segment in &plan.segments {
            names.push(name("segments", &segment.name, "", "entered"));
            names.push(name("segments", &segment.name, "", "left"));
        }
        let journeys = names.len() as u32;
        for journey in &plan.journeys {
            names.extend(CHANGES.map(|change| name("journeys", &journey.name, "", change)));
        }
        let mut sends = Vec::new();
        for (at, send) in plan.sends.iter().enumerate() {
            let journey = &plan.journeys[send.journey.0 as usize];
            let is_here = |op: &&OpAt| matches!(op.op, Op::Send(id) if id.0 as usize == at);
            let path = journey.program.iter().find(is_here).map_or("", |op| op.path.as_str());
            let step = format!("{path} {} {}", send.channel, send.template);
            let reasons = reasons(plan, send);
            let first = names.len() as u32;
            names.push(name("decisions", &journey.name, &step, "send"));
            for word in ["defer", "drop"] {
                for reason in &reasons {
                    let reason = match reason {
                        Reason::LookAhead(_) => "waits for another".to_owned(),
                        reason => plan.reason(*reason),
                    };
                    names.push(name(
                        "decisions",
                        &journey.name,
                        &step,
                        &format!("{word}: {reason}"),
                    ));
                }
            }
            sends.push((first, reasons));
        }
        Labels { names, segments, journeys, sends }
    }

    pub(super) fn session(&self) -> u32 {
        SESSION
    }

    pub(super) fn reject(&self, reason: crate::event::Reason) -> u32 {
        let at = REASONS.iter().position(|known| *known == reason);
        REJECTS + at.expect("all reasons are listed") as u32
    }

    pub(super) fn segment(&self, segment: SegmentId, entered: bool) -> u32 {
        self.segments + 2 * u32::from(segment.0) + u32::from(!entered)
    }

    pub(super) fn journey(&self, journey: JourneyId, change: &Change) -> u32 {
        let which = match change {
            Change::Entered { .. } => 0,
            Change::Exited { reason: ExitReason::Finished, .. } => 1,
            Change::Exited { reason: ExitReason::Exit, .. } => 2,
            Change::Exited { reason: ExitReason::Goal, .. } => 3,
            Change::Exited { reason: ExitReason::Cap, .. } => 4,
            Change::Regret { .. } => 5,
            Change::Exited { reason: ExitReason::Changed, .. } => 6,
            Change::Exited { reason: ExitReason::Parted, .. } => 7,
            Change::Exited { reason: ExitReason::Erased, .. } => 8,
            Change::Exited { reason: ExitReason::Forgotten, .. } => 9,
            _ => return 0,
        };
        self.journeys + CHANGES.len() as u32 * u32::from(journey.0) + which
    }

    pub(super) fn decision(&self, decision: &Decision) -> u32 {
        let (first, reasons) = &self.sends[usize::from(decision.send.0)];
        let count = reasons.len() as u32;
        let at = |reason: Reason| {
            let at = reasons.iter().position(|known| *known == counted(reason));
            at.expect("everything that can hold the message is listed") as u32
        };
        match decision.outcome {
            Outcome::Send => *first,
            Outcome::Defer { reason, .. } => first + 1 + at(reason),
            Outcome::Drop { reason } => first + 1 + count + at(reason),
        }
    }

    /// The message that a label of a decision is about.
    pub fn send_of(&self, label: u32) -> Option<usize> {
        self.sends.partition_point(|(first, _)| *first <= label).checked_sub(1)
    }

    /// The words of a label: section, journey or segment, step, what happened.
    pub fn name(&self, label: u32) -> &[String; 4] {
        &self.names[label as usize]
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Never: there are labels for rejects in any plan.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Counts by name, without the zeros, for the store and the summary.
    pub fn named(&self, counts: &[u64]) -> BTreeMap<String, u64> {
        let mut named = BTreeMap::new();
        for (label, count) in counts.iter().enumerate().skip(1).filter(|(_, count)| **count > 0) {
            // Versions of one journey are counted as one.
            *named.entry(self.names[label].join("\u{1f}")).or_default() += count;
        }
        named
    }

    /// The inverse of [`Labels::named`]. Of labels with the same words, as where a segment suppresses a message by two rules, the
    /// first gets all: it is the one that goes on being counted.
    pub fn numbered(&self, named: &BTreeMap<String, u64>) -> Vec<u64> {
        let by_name: BTreeMap<String, usize> = self
            .names
            .iter()
            .enumerate()
            .rev()
            .map(|(label, name)| (name.join("\u{1f}"), label))
            .collect();
        let mut counts = vec![0; self.names.len()];
        for (name, count) in named {
            if let Some(&label) = by_name.get(name) {
                counts[label] = *count;
            }
        }
        counts
    }
}

/// What can hold a message.
fn reasons(plan: &Plan, send: &SendPlan) -> Vec<Reason> {
    let mut reasons = vec![
        Reason::Expired,
        Reason::HoldOut,
        Reason::Consent,
        Reason::QuietHours,
        ANOTHER,
        Reason::Limit,
        Reason::CatchingUp,
    ];
    let gates = &send.gates;
    reasons.extend(gates.suppressed_by.iter().map(|segment| Reason::Suppressed(*segment)));
    reasons.extend(gates.caps.iter().map(|at| Reason::Cap(*at as u16)));
    reasons.extend(gates.gaps.iter().map(|at| Reason::Gap(*at as u16)));
    reasons.extend(gates.throttle.map(|at| Reason::Throttle(at as u16)));
    for at in &gates.exclusive {
        let journeys = (0..plan.journeys.len()).map(|journey| JourneyId(journey as u16));
        let members = journeys.filter(|journey| plan.policy.exclusive[*at].has(*journey));
        reasons.extend(members.map(Reason::Excluded));
    }
    reasons
}

/// For whichever journey a message waits, that is counted as one.
const ANOTHER: Reason = Reason::LookAhead(JourneyId(0));

fn counted(reason: Reason) -> Reason {
    if matches!(reason, Reason::LookAhead(_)) { ANOTHER } else { reason }
}
