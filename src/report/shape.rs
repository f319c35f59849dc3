//! Where things of a plan are counted.

use crate::define::plan::{ArmId, JourneyId, Op, Plan, Reason, SegmentId, SegmentSet};
use std::collections::BTreeMap;

/// Places in arrays, by the plan's numbers. Numbers are never given twice, so that what was counted under an earlier plan
/// stays where it is.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// For each segment the first of its name, under which all of them are counted: to those who look they are one.
    named: Vec<u16>,
    /// Whether a name has had more than one segment.
    renamed: bool,
    /// For each journey the place of its first operation.
    first: Vec<usize>,
    /// For each operation of all journeys the place of its first arm.
    arms: Vec<usize>,
    arm_count: usize,
    sends: usize,
    /// The policy's caps, gaps and throttles in the words of reasons: their numbers are another policy's for something else.
    limits: Vec<String>,
    /// How many of them are caps, and how many gaps.
    caps: usize,
    gaps: usize,
}

impl Shape {
    /// The places under a plan.
    pub fn of(plan: &Plan) -> Shape {
        let mut shape = Shape { sends: plan.sends.len(), ..Shape::default() };
        let mut first_of: BTreeMap<&str, u16> = BTreeMap::new();
        for (at, segment) in plan.segments.iter().enumerate() {
            let first = *first_of.entry(&segment.name).or_insert(at as u16);
            shape.renamed |= usize::from(first) != at;
            shape.named.push(first);
        }
        for journey in &plan.journeys {
            shape.first.push(shape.arms.len());
            for op in &journey.program {
                shape.arms.push(shape.arm_count);
                if let Op::Split { arms } = &op.op {
                    shape.arm_count += arms.len();
                }
            }
        }
        let policy = &plan.policy;
        (shape.caps, shape.gaps) = (policy.caps.len(), policy.gaps.len());
        let numbers = |count: usize| (0..count).map(|at| at as u16);
        let caps = numbers(shape.caps).map(Reason::Cap);
        let gaps = numbers(shape.gaps).map(Reason::Gap);
        let throttles = numbers(policy.throttles.len()).map(Reason::Throttle);
        let limits = caps.chain(gaps).chain(throttles);
        shape.limits = limits.map(|reason| plan.reason(reason)).collect();
        shape
    }

    pub(super) fn segment(&self, id: SegmentId) -> usize {
        usize::from(self.named.get(usize::from(id.0)).copied().unwrap_or(id.0))
    }

    /// The same set under the numbers by which segments are counted.
    pub(super) fn counted(&self, set: &SegmentSet) -> SegmentSet {
        match self.renamed {
            false => set.clone(),
            true => set.iter().map(|id| SegmentId(self.segment(id) as u16)).collect(),
        }
    }

    pub(super) fn place(&self, journey: JourneyId, place: u16) -> Option<usize> {
        let first = self.first.get(usize::from(journey.0))?;
        Some(first + usize::from(place)).filter(|at| *at < self.arms.len())
    }

    pub(super) fn arm(&self, id: ArmId) -> Option<usize> {
        let place = self.place(id.journey, id.place)?;
        Some(self.arms[place] + usize::from(id.arm)).filter(|at| *at < self.arm_count)
    }

    /// The words for a limit that was reached.
    pub(super) fn limit(&self, reason: Reason) -> &str {
        let at = match reason {
            Reason::Cap(at) => usize::from(at),
            Reason::Gap(at) => self.caps + usize::from(at),
            Reason::Throttle(at) => self.caps + self.gaps + usize::from(at),
            _ => return "",
        };
        self.limits.get(at).map_or("", String::as_str)
    }

    pub(super) fn limits(&self) -> &[String] {
        &self.limits
    }

    pub(super) fn sizes(&self) -> Sizes {
        Sizes {
            segments: self.named.len(),
            journeys: self.first.len(),
            places: self.arms.len(),
            arms: self.arm_count,
            sends: self.sends,
        }
    }
}

/// How many there are of each.
pub(super) struct Sizes {
    pub(super) segments: usize,
    pub(super) journeys: usize,
    pub(super) places: usize,
    pub(super) arms: usize,
    pub(super) sends: usize,
}
