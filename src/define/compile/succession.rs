//! A pack that follows another one: what has not changed keeps its number, what has changed gets a new one, and what
//! instances under way still read is kept beside it.
//!
//! Numbers are never given twice, so that nothing that a person holds has to be translated. What has not changed is told by
//! comparing what was compiled, not what was written: a condition over a fact that has changed has changed too.

use super::demand::Needs;
use super::{
    Compiler, FactId, FactPlan, Inputs, JourneyId, JourneyPlan, Plan, PolicyPlan, SegmentId,
    SegmentPlan, SendPlan, SessionPlan, Standing,
};
use crate::define::plan::{
    EnterTrigger, ExitRule, Expr, Gates, Op, OpAt, RankId, RankPlan, RankTest, RankedFact, SendId,
};

/// What the decoder looks for: everything that it did before, so that slots keep their meaning.
pub(super) fn inputs(base: Option<&Plan>) -> Inputs {
    match base {
        Some(base) => {
            let (declared, currency, ignored, identity, catalogue) = Default::default();
            Inputs { declared, currency, ignored, identity, catalogue, ..base.inputs.clone() }
        }
        None => {
            Inputs { kinds: vec![String::new()], wanted: vec![Vec::new()], ..Inputs::default() }
        }
    }
}

/// Facts of the plan before, none of them current until it is met again.
pub(super) fn facts(base: Option<&Plan>) -> Vec<FactPlan> {
    let mut facts = base.map_or_else(Vec::new, |base| base.facts.clone());
    facts.iter_mut().for_each(|fact| fact.standing = earlier(fact.standing));
    facts
}

pub(super) fn segments(base: Option<&Plan>) -> Vec<SegmentPlan> {
    let mut segments = base.map_or_else(Vec::new, |base| base.segments.clone());
    segments.iter_mut().for_each(|segment| segment.standing = earlier(segment.standing));
    segments
}

pub(super) fn journeys(base: Option<&Plan>) -> Vec<JourneyPlan> {
    let mut journeys = base.map_or_else(Vec::new, |base| base.journeys.clone());
    journeys.iter_mut().for_each(|journey| journey.standing = Standing::Kept);
    journeys
}

pub(super) fn ranks(base: Option<&Plan>) -> Vec<RankPlan> {
    let mut ranks = base.map_or_else(Vec::new, |base| base.ranks.clone());
    ranks.iter_mut().for_each(|rank| rank.standing = earlier(rank.standing));
    ranks
}

/// Messages of the plan before, without what another policy said of them.
pub(super) fn sends(base: Option<&Plan>) -> Vec<SendPlan> {
    let mut sends = base.map_or_else(Vec::new, |base| base.sends.clone());
    sends.iter_mut().for_each(|send| send.gates = Gates::default());
    sends
}

fn earlier(standing: Standing) -> Standing {
    if standing == Standing::Gone { Standing::Gone } else { Standing::Kept }
}

impl Compiler<'_> {
    /// A fact of the pack: the one that there was, if it is the same and was kept all the time.
    pub(super) fn add_fact(&mut self, plan: FactPlan) -> FactId {
        let same = |known: &FactPlan| {
            known.standing == Standing::Kept
                && (&known.name, &known.rule, known.per) == (&plan.name, &plan.rule, plan.per)
        };
        let known = self.facts.iter().position(same);
        let id = FactId(known.unwrap_or(self.facts.len()) as u16);
        self.fact_ids.insert(plan.name.clone(), id);
        match known {
            Some(at) => self.facts[at].standing = Standing::Current,
            None => self.facts.push(plan),
        }
        id
    }

    pub(super) fn add_segment(&mut self, name: &str, condition: Option<Expr>) -> SegmentId {
        let same = |known: &SegmentPlan| {
            known.standing == Standing::Kept && known.name == name && known.condition == condition
        };
        let known = self.segments.iter().position(same);
        match known {
            Some(at) => self.segments[at].standing = Standing::Current,
            None => {
                let (name, standing) = (name.to_owned(), Standing::Current);
                self.segments.push(SegmentPlan { name, standing, heir: None, condition });
            }
        }
        SegmentId(known.unwrap_or(self.segments.len() - 1) as u16)
    }

    /// A question that compares a person with all others, once.
    pub(super) fn add_rank(&mut self, fact: RankedFact, test: RankTest) -> RankId {
        let same = |known: &RankPlan| {
            known.standing != Standing::Gone && (known.fact, known.test) == (fact, test)
        };
        let known = self.ranks.iter().position(same);
        match known {
            Some(at) => self.ranks[at].standing = Standing::Current,
            None => self.ranks.push(RankPlan { standing: Standing::Current, fact, test }),
        }
        RankId(known.unwrap_or(self.ranks.len() - 1) as u16)
    }

    /// A journey of the pack, whose messages are those from `sends` on. If there was the same one, that goes on.
    pub(super) fn add_journey(&mut self, plan: JourneyPlan, sends: usize) {
        let same = |known: &JourneyPlan| self.is_same(known, &plan);
        match self.journeys.iter().position(same) {
            Some(at) => {
                self.journeys[at].standing = Standing::Current;
                self.sends.truncate(sends);
            }
            None => self.journeys.push(plan),
        }
    }

    fn is_same(&self, a: &JourneyPlan, b: &JourneyPlan) -> bool {
        let same_op = |(a, b): (&OpAt, &OpAt)| match (&a.op, &b.op) {
            (Op::Send(one), Op::Send(other)) => self.is_same_send(*one, *other) && a.path == b.path,
            _ => a == b,
        };
        a.standing == Standing::Kept
            && (&a.name, &a.version, a.priority) == (&b.name, &b.version, b.priority)
            && (&a.enter, &a.exits, &a.entry_slots) == (&b.enter, &b.exits, &b.entry_slots)
            && a.program.len() == b.program.len()
            && a.program.iter().zip(&b.program).all(same_op)
    }

    fn is_same_send(&self, a: SendId, b: SendId) -> bool {
        let (a, b) = (&self.sends[usize::from(a.0)], &self.sends[usize::from(b.0)]);
        (&a.channel, &a.template, &a.purpose, &a.tags)
            == (&b.channel, &b.template, &b.purpose, &b.tags)
            && (a.valid_for, &a.with, &a.causes) == (b.valid_for, &b.with, &b.causes)
            && (a.suppress_while, a.waits_out) == (b.suppress_while, b.waits_out)
    }

    /// Says what of earlier packs is still needed, and who follows whom.
    pub(super) fn settle_succession(&mut self) {
        self.drop_what_nobody_reads();
        let current = |names: Vec<(&String, Standing)>| -> Vec<(String, u16)> {
            let current = names.into_iter().enumerate();
            let current = current.filter(|(_, (_, standing))| *standing == Standing::Current);
            current.map(|(at, (name, _))| (name.clone(), at as u16)).collect()
        };
        let heir = |current: &[(String, u16)], name: &str| {
            current.iter().find(|(known, _)| known == name).map(|(_, at)| *at)
        };
        let all = current(self.segments.iter().map(|it| (&it.name, it.standing)).collect());
        for segment in &mut self.segments {
            segment.heir = heir(&all, &segment.name).map(SegmentId);
        }
        let all = current(self.journeys.iter().map(|it| (&it.name, it.standing)).collect());
        let mut order: Vec<usize> = (0..self.journeys.len()).collect();
        order.sort_by(|a, b| self.journeys[*a].name.cmp(&self.journeys[*b].name));
        let mut first = 0;
        for (rank, &at) in order.iter().enumerate() {
            if self.journeys[at].name != self.journeys[first].name || rank == 0 {
                first = at;
            }
            let journey = &mut self.journeys[at];
            (journey.rank, journey.first) = (rank as u16, JourneyId(first as u16));
            journey.heir = heir(&all, &journey.name).map(JourneyId);
        }
    }

    /// Facts and segments that only earlier packs define stay as long as a journey of theirs may still ask them.
    fn drop_what_nobody_reads(&mut self) {
        let mut needs = Needs::default();
        let kept = self.journeys.iter().filter(|journey| journey.standing == Standing::Kept);
        kept.for_each(|journey| self.needs_of_instances(journey, &mut needs));
        let seen = self.needs_of_segments(&mut needs);
        self.sessions_used |= needs.sessions;
        for (at, rank) in self.ranks.iter_mut().enumerate() {
            if rank.standing == Standing::Kept && !needs.ranks.contains(&RankId(at as u16)) {
                rank.standing = Standing::Gone;
            }
            if rank.standing != Standing::Gone {
                needs.facts.insert(rank.fact.fact);
            }
        }
        for (at, fact) in self.facts.iter_mut().enumerate() {
            if fact.standing == Standing::Kept && !needs.facts.contains(&FactId(at as u16)) {
                fact.standing = Standing::Gone;
            }
        }
        for (at, segment) in self.segments.iter_mut().enumerate() {
            if segment.standing == Standing::Kept && !seen.contains(&(at as u16)) {
                segment.standing = Standing::Gone;
            }
        }
    }

    /// What instances that have entered read until they are over.
    fn needs_of_instances(&self, journey: &JourneyPlan, needs: &mut Needs) {
        for exit in &journey.exits {
            exit.value.iter().for_each(|value| needs.add(value));
            match &exit.rule {
                ExitRule::When(condition) => needs.add(condition),
                ExitRule::Event { condition, .. } => {
                    condition.iter().for_each(|condition| needs.add(condition));
                }
            }
        }
        for at in &journey.program {
            match &at.op {
                Op::WaitFact { fact, .. } => {
                    needs.facts.insert(*fact);
                }
                Op::WaitEvent { condition: Some(condition), .. }
                | Op::WaitInstant { instant: condition, .. }
                | Op::Unless { condition, .. }
                | Op::Set { value: condition, .. } => needs.add(condition),
                Op::Emit { with, .. } => with.iter().for_each(|(_, value)| needs.add(value)),
                Op::AddTo(list) | Op::RemoveFrom(list) => {
                    needs.segments.insert(list.0);
                }
                Op::Send(send) => {
                    let send = &self.sends[usize::from(send.0)];
                    send.with.iter().for_each(|(_, value)| needs.add(value));
                    needs.facts.extend(&send.causes);
                    needs.segments.extend(send.suppress_while.map(|segment| segment.0));
                }
                _ => {}
            }
        }
    }

    pub(super) fn version(&self) -> u16 {
        self.base.map_or(0, |base| base.version + 1)
    }

    pub(super) fn concerned_everybody(
        &self,
        sessions: Option<&SessionPlan>,
        policy: &PolicyPlan,
    ) -> u16 {
        match self.base {
            Some(base) if !self.concerns_everybody(base, sessions, policy) => {
                base.concerned_everybody
            }
            _ => self.version(),
        }
    }

    /// Whether persons to whom nothing happens change by the new plan: they enter or leave a segment, are watched for a date
    /// or a silence, have a session that ends at another time, or go over to another version of a journey.
    fn concerns_everybody(
        &self,
        base: &Plan,
        sessions: Option<&SessionPlan>,
        policy: &PolicyPlan,
    ) -> bool {
        let moved = self.segments.len() != base.segments.len()
            || self.segments.iter().zip(&base.segments).any(|(a, b)| a.standing != b.standing)
            || self.ranks.len() != base.ranks.len()
            || self.ranks.iter().zip(&base.ranks).any(|(a, b)| a.standing != b.standing);
        let watched = |journey: &JourneyPlan| {
            matches!(
                journey.enter.trigger,
                EnterTrigger::Date { .. } | EnterTrigger::Silence { .. }
            )
        };
        let added = &self.journeys[base.journeys.len()..];
        moved
            || sessions != base.sessions.as_ref()
            || policy.zone != base.policy.zone
            || self.pack.forget_after.as_ref().map(|after| after.node) != base.forget_after
            || added.iter().any(|journey| journey.follow || watched(journey))
            || (self.journeys.iter().zip(&base.journeys))
                .any(|(now, then)| watched(now) && now.standing != then.standing)
    }
}
