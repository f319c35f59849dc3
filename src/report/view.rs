//! Totals → JSON. All versions of a journey or a segment are told of as one, under their name.

use super::board::Part;
use super::counts::{Counts, ENDINGS, GOAL, Held, OfArm, OfJourney, OfSend};
use super::shape::Shape;
use crate::define::diagnostic::nearest;
use crate::define::plan::{ArmId, JourneyId, JourneyPlan, Op, Plan, Standing};
use crate::time::format;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All there is to tell, as of an instant.
pub struct View {
    plan: Arc<Plan>,
    shape: Shape,
    counts: Counts,
    now: i64,
}

/// A name that there is not, and one that may have been meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// `segment` or `journey`.
    pub what: &'static str,
    pub name: String,
    pub hint: String,
}

/// One journey's versions, their numbers, the one that is told of first.
type Versions<'a> = Vec<(JourneyId, &'a JourneyPlan)>;

impl View {
    /// The sum of parts, under the latest of their plans; nothing without a part.
    pub fn of(parts: Vec<Part>, now: i64) -> Option<View> {
        let plan = parts.iter().max_by_key(|part| part.plan.version)?.plan.clone();
        let mut counts = Counts::default();
        parts.iter().for_each(|part| counts.add(&part.counts));
        let shape = Shape::of(&plan);
        counts.fit(&shape);
        Some(View { plan, shape, counts, now })
    }

    /// Everything.
    pub fn all(&self) -> Value {
        json!({
            "as_of": self.as_of(),
            "audiences": self.segments(),
            "overlaps": self.overlaps(None),
            "journeys": self.journeys().iter().map(|it| self.journey(it)).collect::<Vec<_>>(),
        })
    }

    /// Every segment: how many are in it, and who entered and left.
    pub fn audiences(&self) -> Value {
        json!({"as_of": self.as_of(), "audiences": self.segments()})
    }

    /// Pairs of segments that have somebody in common: all, or those of one.
    ///
    /// # Errors
    /// There is no such segment.
    pub fn overlaps_of(&self, of: Option<&str>) -> Result<Value, Unknown> {
        let of = of.map(|name| self.segment(name)).transpose()?;
        Ok(json!({"as_of": self.as_of(), "overlaps": self.overlaps(of)}))
    }

    /// How many are in both of two segments.
    ///
    /// # Errors
    /// There is no such segment.
    pub fn overlap(&self, of: &str, and: &str) -> Result<Value, Unknown> {
        let (a, b) = (self.segment(of)?, self.segment(and)?);
        let members = |at: usize| self.counts.overlap(at, at);
        Ok(json!({
            "as_of": self.as_of(),
            "of": {"name": of, "members": members(a)},
            "and": {"name": and, "members": members(b)},
            "members": self.counts.overlap(a, b),
        }))
    }

    /// Every journey, without its steps.
    pub fn reports(&self) -> Value {
        let heads = self.journeys();
        let heads = heads.iter().map(|versions| Value::Object(self.head(versions)));
        json!({"as_of": self.as_of(), "journeys": heads.collect::<Vec<_>>()})
    }

    /// One journey in full.
    ///
    /// # Errors
    /// There is no such journey.
    pub fn report(&self, name: &str) -> Result<Value, Unknown> {
        let all = self.journeys();
        let Some(versions) = all.iter().find(|versions| versions[0].1.name == name) else {
            let names = all.iter().map(|versions| versions[0].1.name.as_str());
            return Err(unknown("journey", name, names.collect()));
        };
        let mut report = self.journey(versions);
        report["as_of"] = self.as_of();
        Ok(report)
    }

    fn as_of(&self) -> Value {
        match self.now {
            i64::MIN => Value::Null,
            now => format(now).into(),
        }
    }

    /// The number under which a name is counted.
    fn segment(&self, name: &str) -> Result<usize, Unknown> {
        let all = self.names();
        let known = all.iter().find(|(known, _)| *known == name);
        let names = || all.iter().map(|(name, _)| *name).collect();
        known.map(|(_, at)| *at).ok_or_else(|| unknown("segment", name, names()))
    }

    /// Segments of the pack in effect, by name, with the numbers under which they are counted.
    fn names(&self) -> Vec<(&str, usize)> {
        let name = |id: &crate::define::plan::SegmentId| {
            let segment = &self.plan.segments[usize::from(id.0)];
            (segment.name.as_str(), self.shape.segment(*id))
        };
        self.plan.segments_by_name.iter().map(name).collect()
    }

    fn segments(&self) -> Vec<Value> {
        let segment = |(name, at): (&str, usize)| {
            let counts = self.counts.segments.get(at).copied().unwrap_or_default();
            let minutes = self.counts.minutes.of(at as u16, self.now);
            let sum = |which: fn(&(i64, u64, u64)) -> u64| minutes.iter().map(which).sum::<u64>();
            let minute = |(minute, entered, left): &(i64, u64, u64)| json!({"minute": format(*minute), "entered": entered, "left": left});
            json!({
                "name": name,
                "members": counts.members,
                "entered": counts.entered,
                "left": counts.left,
                "last_hour": {"entered": sum(|it| it.1), "left": sum(|it| it.2)},
                "per_minute": minutes.iter().map(minute).collect::<Vec<_>>(),
            })
        };
        self.names().into_iter().map(segment).collect()
    }

    fn overlaps(&self, of: Option<usize>) -> Vec<Value> {
        let name_of: BTreeMap<usize, &str> =
            self.names().into_iter().map(|(name, at)| (at, name)).collect();
        let is_asked = |(a, b, _): &(usize, usize, i64)| of.is_none_or(|of| of == *a || of == *b);
        let mut pairs: Vec<(&str, &str, i64)> = (self.counts.overlaps().filter(is_asked))
            .filter_map(|(a, b, both)| {
                let (a, b) = (*name_of.get(&a)?, *name_of.get(&b)?);
                Some((a.min(b), a.max(b), both))
            })
            .collect();
        pairs.sort_unstable();
        pairs.iter().map(|(a, b, both)| json!({"of": a, "and": b, "members": both})).collect()
    }

    /// All journeys by name: of each the version in effect first, or else the last one, then the others.
    fn journeys(&self) -> Vec<Versions<'_>> {
        let mut all: BTreeMap<&str, Versions> = BTreeMap::new();
        for (at, journey) in self.plan.journeys.iter().enumerate().rev() {
            all.entry(&journey.name).or_default().push((JourneyId(at as u16), journey));
        }
        for versions in all.values_mut() {
            versions.sort_by_key(|(_, journey)| journey.standing != Standing::Current);
        }
        all.into_values().collect()
    }

    fn head(&self, versions: &Versions) -> Map<String, Value> {
        let mut sum = OfJourney::default();
        for (id, _) in versions {
            let of = self.counts.journeys.get(usize::from(id.0)).copied().unwrap_or_default();
            (sum.entered, sum.carried) = (sum.entered + of.entered, sum.carried + of.carried);
            (sum.open, sum.regrets) = (sum.open + of.open, sum.regrets + of.regrets);
            sum.ended.iter_mut().zip(of.ended).for_each(|(a, b)| *a += b);
            sum.revenue = sum.revenue.saturating_add(of.revenue);
        }
        let exits = ENDINGS.iter().zip(sum.ended);
        let exits: Map<String, Value> = exits.map(|(name, n)| ((*name).into(), n.into())).collect();
        let sends = self.sends(versions);
        let messages = |which: fn(&OfSend) -> u64| sends.iter().map(|it| which(&it.1)).sum::<u64>();
        let current = versions[0].1;
        let head = json!({
            "name": current.name,
            "version": current.version,
            "in_effect": current.standing == Standing::Current,
            "entered": sum.entered,
            "carried": sum.carried,
            "open": sum.open,
            "converted": sum.ended[GOAL],
            "conversion": rate(sum.ended[GOAL], sum.instances()),
            "revenue": money(sum.revenue),
            "exits": exits,
            "regrets": sum.regrets,
            "messages": {
                "sent": messages(|it| it.sent),
                "deferred": messages(|it| it.deferred),
                "dropped": messages(|it| it.dropped),
            },
        });
        match head {
            Value::Object(head) => head,
            _ => Map::new(),
        }
    }

    fn journey(&self, versions: &Versions) -> Value {
        let mut head = self.head(versions);
        head.insert("steps".into(), self.steps(versions).into());
        let sends = self.sends(versions);
        let sends = sends.into_iter().map(|([step, channel, template], of, held)| {
            let by = |dropped: bool| -> Map<String, Value> {
                let held = held.iter().filter(|((_, was), _)| *was == dropped);
                held.map(|((reason, _), count)| (reason.clone(), (*count).into())).collect()
            };
            json!({
                "step": step,
                "channel": channel,
                "template": template,
                "sent": of.sent,
                "deferred": of.deferred,
                "dropped": of.dropped,
                "deferred_by": by(false),
                "dropped_by": by(true),
            })
        });
        head.insert("sends".into(), sends.collect::<Vec<_>>().into());
        head.insert("splits".into(), self.splits(versions).into());
        Value::Object(head)
    }

    /// Steps that instances come to and stay at, with how many came; those of the version in effect first.
    fn steps(&self, versions: &Versions) -> Vec<Value> {
        let mut steps: Vec<(&str, &str, u64)> = Vec::new();
        for (id, journey) in versions {
            for (place, op) in journey.program.iter().enumerate() {
                let stays = matches!(
                    op.op.kind(),
                    Some("wait" | "wait for silence" | "wait for an event" | "send")
                );
                let (Some(kind), true) = (op.op.kind(), stays) else { continue };
                let reached = self.shape.place(*id, place as u16);
                let reached = reached.and_then(|at| self.counts.reached.get(at)).copied();
                let reached = reached.unwrap_or(0);
                match steps.iter_mut().find(|it| (it.0, it.1) == (&op.path, kind)) {
                    Some(known) => known.2 += reached,
                    None => steps.push((&op.path, kind, reached)),
                }
            }
        }
        let step = |(path, kind, reached): (&str, &str, u64)| json!({"step": path, "kind": kind, "reached": reached});
        steps.into_iter().map(step).collect()
    }

    /// Messages by step, channel and template, with what held them.
    fn sends(&self, versions: &Versions) -> Vec<Sends<'_>> {
        let mut sends: Vec<Sends> = Vec::new();
        let ops = versions.iter().flat_map(|(id, _)| {
            // Not of what is lent to this function only.
            self.plan.journeys[usize::from(id.0)].program.iter()
        });
        for op in ops {
            let Op::Send(send) = op.op else { continue };
            let plan = &self.plan.sends[usize::from(send.0)];
            let of = self.counts.sends.get(usize::from(send.0)).copied().unwrap_or_default();
            let label = [op.path.as_str(), &plan.channel, &plan.template];
            let at = sends.iter().position(|(known, ..)| *known == label).unwrap_or_else(|| {
                sends.push((label, OfSend::default(), BTreeMap::new()));
                sends.len() - 1
            });
            let (_, sum, held) = &mut sends[at];
            (sum.sent, sum.deferred) = (sum.sent + of.sent, sum.deferred + of.deferred);
            sum.dropped += of.dropped;
            let (from, to) =
                ((send.0, Held::Expired, false), (send.0, Held::Limit(u16::MAX), true));
            for ((_, by, dropped), count) in self.counts.held.range(from..=to) {
                *held.entry((self.reason(*by), *dropped)).or_default() += count;
            }
        }
        sends
    }

    /// In the words of decisions.
    fn reason(&self, held: Held) -> String {
        use crate::define::plan::{JourneyId, Reason, SegmentId};
        let reason = match held {
            Held::Expired => Reason::Expired,
            Held::HoldOut => Reason::HoldOut,
            Held::Consent => Reason::Consent,
            Held::QuietHours => Reason::QuietHours,
            Held::TooMany => Reason::Limit,
            Held::CatchingUp => Reason::CatchingUp,
            Held::Suppressed(at) => Reason::Suppressed(SegmentId(at)),
            Held::Excluded(by) => Reason::Excluded(JourneyId(by)),
            Held::LookAhead(to) => Reason::LookAhead(JourneyId(to)),
            Held::Limit(at) => {
                let words = self.counts.limits.get(usize::from(at));
                return words.cloned().unwrap_or_default();
            }
        };
        self.plan.reason(reason)
    }

    fn splits(&self, versions: &Versions) -> Vec<Value> {
        type Arms<'a> = Vec<(&'a str, bool, OfArm)>;
        let mut splits: Vec<(&str, Arms)> = Vec::new();
        for (journey, plan) in versions {
            for (place, op) in plan.program.iter().enumerate() {
                let Op::Split { arms } = &op.op else { continue };
                let at = splits.iter().position(|(path, _)| *path == op.path);
                let at = at.unwrap_or_else(|| {
                    splits.push((&op.path, Vec::new()));
                    splits.len() - 1
                });
                let known = &mut splits[at].1;
                for (number, arm) in arms.iter().enumerate() {
                    let id = ArmId { journey: *journey, place: place as u16, arm: number as u16 };
                    let of = self.shape.arm(id).and_then(|at| self.counts.arms.get(at));
                    let of = of.copied().unwrap_or_default();
                    match known.iter_mut().find(|it| it.0 == arm.name) {
                        Some((.., sum)) => sum.add(&of),
                        None => known.push((&arm.name, arm.hold_out, of)),
                    }
                }
            }
        }
        splits.iter().map(|(path, arms)| split(path, arms)).collect()
    }
}

/// Step, channel and template; counts; by reason and whether dropped.
type Sends<'a> = ([&'a str; 3], OfSend, BTreeMap<(String, bool), u64>);

impl OfArm {
    fn add(&mut self, other: &OfArm) {
        (self.open, self.ended) = (self.open + other.open, self.ended + other.ended);
        self.converted += other.converted;
        self.revenue = self.revenue.saturating_add(other.revenue);
    }

    /// Instances that are, or were at their end, in this arm.
    fn assigned(&self) -> u64 {
        self.open.saturating_add_unsigned(self.ended).max(0).unsigned_abs()
    }

    /// Millionths for each instance, rounded half to even.
    fn revenue_each(&self) -> Option<i128> {
        crate::event::Num::mean(self.revenue, self.assigned()).map(|num| i128::from(num.0))
    }
}

fn split(path: &str, arms: &[(&str, bool, OfArm)]) -> Value {
    let mut held_out = OfArm::default();
    arms.iter().filter(|(_, hold_out, _)| *hold_out).for_each(|(.., of)| held_out.add(of));
    let arm = |(name, hold_out, of): &(&str, bool, OfArm)| {
        let compared = !hold_out && held_out.assigned() > 0 && of.assigned() > 0;
        json!({
            "name": name,
            "hold_out": hold_out,
            "assigned": of.assigned(),
            "open": of.open,
            "converted": of.converted,
            "conversion": rate(of.converted, of.assigned()),
            "revenue": money(of.revenue),
            "revenue_each": of.revenue_each().map(money),
            "uplift": compared.then(|| uplift(of, &held_out)),
        })
    };
    json!({"step": path, "arms": arms.iter().map(arm).collect::<Vec<_>>()})
}

/// What an arm has gained against instances to which nothing was sent.
fn uplift(of: &OfArm, held_out: &OfArm) -> Value {
    let share = |of: &OfArm| of.converted as f64 / of.assigned() as f64;
    let (ours, theirs) = (share(of), share(held_out));
    let each = of.revenue_each().zip(held_out.revenue_each());
    json!({
        // More conversions of a hundred instances, as a share of one.
        "conversion": rounded(ours - theirs),
        // As a share of the conversions that there would have been anyway.
        "relative": (theirs > 0.0).then(|| rounded(ours / theirs - 1.0)),
        "revenue_each": each.map(|(ours, theirs)| money(ours - theirs)),
    })
}

fn rate(of: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| rounded(of as f64 / all as f64))
}

/// To six places, so that it is short to read; what it is made of is exact beside it.
fn rounded(share: f64) -> f64 {
    (share * 1e6).round() / 1e6
}

/// Millionths as a decimal number in text: no reader of JSON rounds it.
pub fn money(millionths: i128) -> String {
    const UNIT: u128 = 1_000_000;
    let (sign, size) = (if millionths < 0 { "-" } else { "" }, millionths.unsigned_abs());
    match size % UNIT {
        0 => format!("{sign}{}", size / UNIT),
        rest => {
            let digits = format!("{rest:06}");
            format!("{sign}{}.{}", size / UNIT, digits.trim_end_matches('0'))
        }
    }
}

fn unknown(what: &'static str, name: &str, known: Vec<&str>) -> Unknown {
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None if known.is_empty() => format!("there is no {what}"),
        None => format!("there are {}", known.join(", ")),
    };
    Unknown { what, name: name.to_owned(), hint }
}
