//! What one worker counts, and the sum of what several do.

use super::minutes::Minutes;
use super::shape::Shape;
use crate::define::plan::{ArmId, JourneyId, Reason, SegmentId, SegmentSet, SendId};
use crate::event::Num;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The words for the ways in which an instance can end, in the order of their numbers.
pub const ENDINGS: [&str; 8] =
    ["finished", "exit", "goal", "cap", "changed", "parted", "erased", "forgotten"];

/// The way that a goal is.
pub(super) const GOAL: usize = 2;

/// The way of instances that are not over, but go on elsewhere, if anywhere.
const PARTED: usize = 5;

/// What held a message, among all policies that there have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Held {
    Expired,
    HoldOut,
    Consent,
    QuietHours,
    TooMany,
    CatchingUp,
    /// The number by which the segment is counted.
    Suppressed(u16),
    /// The journey of which the person hears, or whose message is due soon.
    Excluded(u16),
    LookAhead(u16),
    /// A cap, gap or throttle: the number of its words in [`Counts`].
    Limit(u16),
}

/// Of one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct OfSegment {
    pub(super) members: i64,
    pub(super) entered: u64,
    pub(super) left: u64,
}

/// Of one journey, in one version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct OfJourney {
    pub(super) entered: u64,
    pub(super) carried: u64,
    pub(super) open: i64,
    pub(super) ended: [u64; ENDINGS.len()],
    pub(super) regrets: u64,
    /// What goals were worth, in millionths.
    pub(super) revenue: i128,
}

impl OfJourney {
    /// Instances that are open or have come to an end: without merges and parts, those that entered.
    pub(super) fn instances(&self) -> u64 {
        let ended = self.ended.iter().sum::<u64>() - self.ended[PARTED];
        self.open.saturating_add_unsigned(ended).max(0).unsigned_abs()
    }
}

/// Of one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct OfSend {
    pub(super) sent: u64,
    pub(super) deferred: u64,
    pub(super) dropped: u64,
}

/// Of one arm of a split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct OfArm {
    pub(super) open: i64,
    pub(super) ended: u64,
    pub(super) converted: u64,
    pub(super) revenue: i128,
}

/// All counts of one worker, or of several. What is now (members, overlaps, open instances) is signed: a person counts where
/// it comes and is taken off where it goes, so that only the sum over all workers says something.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    pub(super) segments: Vec<OfSegment>,
    /// Persons in two segments, by [`pair`], without the zeros: of all pairs that there could be, most have nobody.
    #[serde(with = "pairs")]
    overlaps: Pairs,
    pub(super) minutes: Minutes,
    pub(super) journeys: Vec<OfJourney>,
    /// Instances that have come to a step, by the place of its operation.
    pub(super) reached: Vec<u64>,
    pub(super) sends: Vec<OfSend>,
    /// Messages by what held them, and whether they were dropped.
    pub(super) held: BTreeMap<(u16, Held, bool), u64>,
    pub(super) arms: Vec<OfArm>,
    /// Caps, gaps and throttles in the words of reasons.
    pub(super) limits: Vec<String>,
}

type Pairs = hashbrown::HashMap<u32, i64, foldhash::fast::FixedState>;

/// Two segments, whatever their order.
fn pair(a: usize, b: usize) -> u32 {
    (a.min(b) as u32) << 16 | a.max(b) as u32
}

fn add_pair(overlaps: &mut Pairs, pair: u32, more: i64) {
    let sum = overlaps.entry(pair).or_default();
    *sum += more;
    if *sum == 0 {
        overlaps.remove(&pair);
    }
}

/// Pairs in the store.
mod pairs {
    use super::Pairs;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(pairs: &Pairs, to: S) -> Result<S::Ok, S::Error> {
        pairs.iter().map(|(pair, count)| (*pair, *count)).collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Pairs, D::Error> {
        Ok(Vec::<(u32, i64)>::deserialize(from)?.into_iter().collect())
    }
}

fn add_to<T: Copy + Default>(sums: &mut Vec<T>, others: &[T], mut add: impl FnMut(&mut T, &T)) {
    if sums.len() < others.len() {
        sums.resize(others.len(), T::default());
    }
    sums.iter_mut().zip(others).for_each(|(sum, other)| add(sum, other));
}

impl Counts {
    /// Makes room for what a plan can count.
    pub fn fit(&mut self, shape: &Shape) {
        let sizes = shape.sizes();
        let grown = |len: usize, wanted: usize| len.max(wanted);
        self.segments.resize(grown(self.segments.len(), sizes.segments), OfSegment::default());
        self.journeys.resize(grown(self.journeys.len(), sizes.journeys), OfJourney::default());
        self.reached.resize(grown(self.reached.len(), sizes.places), 0);
        self.arms.resize(grown(self.arms.len(), sizes.arms), OfArm::default());
        self.sends.resize(grown(self.sends.len(), sizes.sends), OfSend::default());
        for name in shape.limits() {
            self.limit(name);
        }
    }

    fn limit(&mut self, name: &str) -> u16 {
        let known = self.limits.iter().position(|known| known == name);
        known.unwrap_or_else(|| {
            self.limits.push(name.to_owned());
            self.limits.len() - 1
        }) as u16
    }

    /// Adds what another worker has counted.
    pub fn add(&mut self, other: &Counts) {
        add_to(&mut self.segments, &other.segments, |a, b| {
            (a.members, a.entered) = (a.members + b.members, a.entered + b.entered);
            a.left += b.left;
        });
        other.overlaps.iter().for_each(|(pair, more)| add_pair(&mut self.overlaps, *pair, *more));
        self.minutes.add(&other.minutes);
        add_to(&mut self.journeys, &other.journeys, |a, b| {
            (a.entered, a.carried) = (a.entered + b.entered, a.carried + b.carried);
            (a.open, a.regrets) = (a.open + b.open, a.regrets + b.regrets);
            a.ended.iter_mut().zip(b.ended).for_each(|(a, b)| *a += b);
            a.revenue = a.revenue.saturating_add(b.revenue);
        });
        add_to(&mut self.reached, &other.reached, |a, b| *a += b);
        add_to(&mut self.sends, &other.sends, |a, b| {
            (a.sent, a.deferred) = (a.sent + b.sent, a.deferred + b.deferred);
            a.dropped += b.dropped;
        });
        add_to(&mut self.arms, &other.arms, |a, b| {
            (a.open, a.ended) = (a.open + b.open, a.ended + b.ended);
            a.converted += b.converted;
            a.revenue = a.revenue.saturating_add(b.revenue);
        });
        for ((send, held, dropped), count) in &other.held {
            // Another worker may have met the limits in another order.
            let held = match held {
                Held::Limit(at) => {
                    Held::Limit(self.limit(other.limits.get(usize::from(*at)).map_or("", |it| it)))
                }
                held => *held,
            };
            *self.held.entry((*send, held, *dropped)).or_default() += count;
        }
    }

    /// A person with these memberships comes here, or goes from here.
    pub fn came(&mut self, shape: &Shape, members: &SegmentSet, comes: bool) {
        let (nobody, members) = (SegmentSet::default(), shape.counted(members));
        match comes {
            true => self.shift(&nobody, &members),
            false => self.shift(&members, &nobody),
        }
    }

    /// A person's memberships are others than before.
    pub fn moved(&mut self, shape: &Shape, before: &SegmentSet, after: &SegmentSet) {
        self.shift(&shape.counted(before), &shape.counted(after));
    }

    fn shift(&mut self, before: &SegmentSet, after: &SegmentSet) {
        let mut known = before.clone();
        for id in before.iter().filter(|id| !after.has(*id)) {
            known.set(id, false);
            self.member(id, &known, -1);
        }
        for id in after.iter().filter(|id| !before.has(*id)) {
            self.member(id, &known, 1);
            known.set(id, true);
        }
    }

    fn member(&mut self, id: SegmentId, others: &SegmentSet, more: i64) {
        let at = usize::from(id.0);
        if let Some(segment) = self.segments.get_mut(at) {
            segment.members += more;
        }
        for other in others.iter() {
            add_pair(&mut self.overlaps, pair(at, usize::from(other.0)), more);
        }
    }

    /// Persons in both of two segments, by the numbers under which they are counted.
    pub(super) fn overlap(&self, a: usize, b: usize) -> i64 {
        match a == b {
            true => self.segments.get(a).map_or(0, |it| it.members),
            false => self.overlaps.get(&pair(a, b)).copied().unwrap_or(0),
        }
    }

    /// Every two segments that have somebody in common, and how many.
    pub(super) fn overlaps(&self) -> impl Iterator<Item = (usize, usize, i64)> + '_ {
        let both =
            |(pair, count): (&u32, &i64)| ((pair >> 16) as usize, (pair & 0xFFFF) as usize, *count);
        self.overlaps.iter().map(both)
    }

    /// Somebody entered or left a segment at an instant.
    pub fn segment(&mut self, shape: &Shape, id: SegmentId, entered: bool, time: i64) {
        let at = shape.segment(id);
        let (into, out) = (u64::from(entered), u64::from(!entered));
        if let Some(segment) = self.segments.get_mut(at) {
            (segment.entered, segment.left) = (segment.entered + into, segment.left + out);
            self.minutes.count(time, at as u16, into, out);
        }
    }

    fn journey(&mut self, id: JourneyId) -> Option<&mut OfJourney> {
        self.journeys.get_mut(usize::from(id.0))
    }

    /// An instance began.
    pub fn entered(&mut self, id: JourneyId) {
        self.journey(id).into_iter().for_each(|journey| journey.entered += 1);
    }

    /// An instance goes on under another person.
    pub fn carried(&mut self, id: JourneyId) {
        self.journey(id).into_iter().for_each(|journey| journey.carried += 1);
    }

    /// A late event would have ended an instance before it sent something.
    pub fn regretted(&mut self, id: JourneyId) {
        self.journey(id).into_iter().for_each(|journey| journey.regrets += 1);
    }

    /// An instance has come to the step of an operation.
    pub fn reached(&mut self, shape: &Shape, id: JourneyId, place: u16) {
        if let Some(reached) = shape.place(id, place).and_then(|at| self.reached.get_mut(at)) {
            *reached += 1;
        }
    }

    /// An instance is open here, which was in these arms; or, with -1, is not any more.
    pub fn open(&mut self, shape: &Shape, id: JourneyId, arms: &[ArmId], more: i64) {
        self.journey(id).into_iter().for_each(|journey| journey.open += more);
        for arm in arms {
            let arm = shape.arm(*arm).and_then(|at| self.arms.get_mut(at));
            arm.into_iter().for_each(|arm| arm.open += more);
        }
    }

    /// An instance ended in one of the ways of [`ENDINGS`]; the goal may be worth something.
    pub fn ended(
        &mut self,
        shape: &Shape,
        id: JourneyId,
        ending: usize,
        value: Option<Num>,
        arms: &[ArmId],
    ) {
        let value = value.map_or(0, |value| i128::from(value.0));
        if let Some(journey) = self.journey(id)
            && let Some(ended) = journey.ended.get_mut(ending)
        {
            *ended += 1;
            journey.revenue = journey.revenue.saturating_add(value);
        }
        for arm in arms {
            if let Some(arm) = shape.arm(*arm).and_then(|at| self.arms.get_mut(at)) {
                arm.ended += u64::from(ending != PARTED);
                arm.converted += u64::from(ending == GOAL);
                arm.revenue = arm.revenue.saturating_add(value);
            }
        }
    }

    /// A message was sent.
    pub fn sent(&mut self, send: SendId) {
        let of = self.sends.get_mut(usize::from(send.0));
        of.into_iter().for_each(|of| of.sent += 1);
    }

    /// A message was dropped, or deferred.
    pub fn held(&mut self, shape: &Shape, send: SendId, by: Reason, dropped: bool) {
        if let Some(of) = self.sends.get_mut(usize::from(send.0)) {
            of.dropped += u64::from(dropped);
            of.deferred += u64::from(!dropped);
        }
        let held = match by {
            Reason::Expired => Held::Expired,
            Reason::HoldOut => Held::HoldOut,
            Reason::Consent => Held::Consent,
            Reason::QuietHours => Held::QuietHours,
            Reason::Limit => Held::TooMany,
            Reason::CatchingUp => Held::CatchingUp,
            Reason::Suppressed(id) => Held::Suppressed(shape.segment(id) as u16),
            Reason::Excluded(by) => Held::Excluded(by.0),
            Reason::LookAhead(to) => Held::LookAhead(to.0),
            Reason::Cap(_) | Reason::Gap(_) | Reason::Throttle(_) => {
                Held::Limit(self.limit(shape.limit(by)))
            }
        };
        *self.held.entry((send.0, held, dropped)).or_default() += 1;
    }

    /// Whether there is nothing to add to a sum.
    pub fn is_empty(&self) -> bool {
        fn zeros<T: Default + PartialEq>(all: &[T]) -> bool {
            all.iter().all(|it| *it == T::default())
        }
        zeros(&self.segments)
            && self.overlaps.is_empty()
            && zeros(&self.journeys)
            && zeros(&self.reached)
            && zeros(&self.sends)
            && zeros(&self.arms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::define::ast::SourceFile;
    use crate::define::compile::{Keep, compile_after};
    use crate::define::parse::parse;
    use crate::define::plan::Plan;

    fn plan(text: &str, before: Option<&Plan>) -> Plan {
        let (pack, mistakes) = parse(&[SourceFile { path: "pack.yaml".into(), text: text.into() }]);
        assert!(mistakes.is_empty(), "{mistakes:?}");
        compile_after(&pack, Keep::All, before).expect("a sound pack")
    }

    fn pack(least: u32, caps: [&str; 2]) -> String {
        let [a, b] = caps;
        format!(
            "facts: {{ n: {{ count: X }} }}\nsegments: {{ some: n >= {least}, all: n >= 0 }}\n\
             journeys: {{ j: {{ enter: {{ on: X }}, steps: [ send: {{ channel: email, template: t }} ] }} }}\n\
             policy: {{ caps: [ {{ name: {a}, max: 1, per: day }}, {{ name: {b}, max: 2, per: day }} ] }}\n"
        )
    }

    #[test]
    fn a_name_is_counted_as_one_whatever_its_version() {
        let first = plan(&pack(1, ["a", "b"]), None);
        let second = plan(&pack(2, ["b", "a"]), Some(&first));
        let ids = |plan: &Plan| ["some", "all"].map(|name| plan.segment_named(name).unwrap());
        let ([old, all], [new, _]) = (ids(&first), ids(&second));
        assert_ne!(old, new);
        let (before, after) = (Shape::of(&first), Shape::of(&second));
        let mut counts = Counts::default();
        counts.fit(&before);
        let set = |ids: &[SegmentId]| ids.iter().copied().collect::<SegmentSet>();
        counts.came(&before, &set(&[old, all]), true);
        counts.fit(&after);
        counts.moved(&after, &set(&[old, all]), &set(&[new, all]));
        let at = |id| after.segment(id);
        assert_eq!(counts.overlap(at(new), at(new)), 1);
        assert_eq!(counts.overlap(at(new), at(all)), 1);
        counts.moved(&after, &set(&[new, all]), &set(&[all]));
        assert_eq!((counts.overlap(at(old), at(old)), counts.overlap(at(old), at(all))), (0, 0));
        assert_eq!(counts.overlap(at(all), at(all)), 1);
        // Another worker has come only under the second plan: its caps have other numbers.
        let mut other = Counts::default();
        other.fit(&after);
        counts.held(&before, SendId(0), Reason::Cap(0), true);
        other.held(&after, SendId(0), Reason::Cap(1), true);
        counts.add(&other);
        let held: Vec<_> = counts.held.iter().collect();
        assert_eq!(held, [(&(0, Held::Limit(0), true), &2)]);
        assert_eq!(counts.limits, ["cap a", "cap b"]);
    }
}
