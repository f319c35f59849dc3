//! What touches what: for each kind of event the facts to update, for each fact the segments to ask again.

use super::{Compiler, FactId, FactRule, Kind, Kinds, SegmentId, Standing};
use crate::define::plan::{
    EnterTrigger, ExitRule, Expr, JourneyId, JourneyPlan, RankId, SegmentSet, Touched, Window,
};
use std::collections::BTreeSet;

/// What an expression depends on.
#[derive(Default)]
pub(super) struct Needs {
    pub(super) facts: BTreeSet<FactId>,
    pub(super) segments: BTreeSet<u16>,
    pub(super) sessions: bool,
    /// The person's time zone, beside what calendar windows of facts do.
    pub(super) zone: bool,
    pub(super) ranks: BTreeSet<RankId>,
    /// Of the event's properties.
    pub(super) slots: BTreeSet<u16>,
}

impl Needs {
    /// Adds what `expr` reads.
    pub(super) fn add(&mut self, expr: &Expr) {
        match expr {
            Expr::Fact(fact) | Expr::Basket(fact, _) => {
                self.facts.insert(*fact);
            }
            Expr::Segment(segment) => {
                self.segments.insert(segment.0);
            }
            Expr::Session(_) => self.sessions = true,
            Expr::Midnight(_) | Expr::Hour(_) | Expr::Weekday(_) => self.zone = true,
            Expr::Rank(rank) => {
                self.ranks.insert(*rank);
            }
            Expr::Property(slot) => {
                self.slots.insert(*slot);
            }
            _ => {}
        }
        expr.operands().into_iter().for_each(|operand| self.add(operand));
    }
}

/// What events of a kind do to a fact; nothing if they do not touch it.
fn touched(fact: FactId, rule: &FactRule, kind: Kind) -> Option<Touched> {
    let (on, minus, until) = match rule {
        FactRule::Trait { .. } => return None,
        FactRule::Fold(fold) => (&fold.on, &fold.minus, &fold.until),
        FactRule::Basket(basket) => (&basket.on, &basket.minus, &basket.until),
    };
    let (adds, takes, resets) = (on.has(kind), minus.has(kind), until.has(kind));
    (adds || takes || resets).then_some(Touched { fact, adds, takes, resets })
}

impl Compiler<'_> {
    /// Adds what the segments ask that are needed, and those that they ask. Gives all of these, of which none is left.
    pub(super) fn needs_of_segments(&self, needs: &mut Needs) -> BTreeSet<u16> {
        let mut seen = BTreeSet::new();
        while let Some(segment) = needs.segments.pop_first() {
            if seen.insert(segment) {
                let condition = &self.segments[usize::from(segment)].condition;
                condition.iter().for_each(|condition| needs.add(condition));
            }
        }
        seen
    }

    /// For each kind, the facts that such an event touches. Traits are not among them: any event can carry them.
    pub(super) fn facts_of_kind(&self) -> Vec<Vec<Touched>> {
        let kinds = (0..self.inputs.kinds.len()).map(|kind| Kind(kind as u16));
        let of_kind = |kind: Kind| {
            let facts = self.facts.iter().enumerate();
            let facts = facts.filter(|(_, fact)| fact.standing != Standing::Gone);
            facts.filter_map(|(at, it)| touched(FactId(at as u16), &it.rule, kind)).collect()
        };
        kinds.map(of_kind).collect()
    }

    /// For each kind, whether such an event can move a fact that a date entry reads.
    pub(super) fn dates_of_kind(&self, facts_of_kind: &[Vec<Touched>]) -> Vec<bool> {
        let dates: Vec<FactId> = (self.current_journeys())
            .filter_map(|(_, journey)| match journey.enter.trigger {
                EnterTrigger::Date { fact, .. } => Some(fact),
                _ => None,
            })
            .collect();
        facts_of_kind.iter().map(|facts| facts.iter().any(|it| dates.contains(&it.fact))).collect()
    }

    /// Notes with each journey the kinds of events whose facts (or sessions) its exits' `when` read, and whether they read segments. `now` and
    /// windows are noted by time.
    pub(super) fn when_changes(&mut self, facts_of_kind: &[Vec<Touched>]) {
        for journey in &mut self.journeys {
            let mut needs = Needs::default();
            for exit in &journey.exits {
                if let ExitRule::When(condition) = &exit.rule {
                    needs.add(condition);
                }
            }
            journey.when_segments = !needs.segments.is_empty();
            journey.when_kinds = if needs.sessions {
                Kinds::any()
            } else {
                let kinds = facts_of_kind.iter().enumerate();
                let touching = kinds
                    .filter(|(_, facts)| facts.iter().any(|it| needs.facts.contains(&it.fact)));
                touching.map(|(kind, _)| Kind(kind as u16)).collect()
            };
        }
    }

    /// The segments that can change while nothing happens: for each fact those that do so only for whom it holds something of, because of a
    /// window or because a time is compared with `now`; and those that do so for anybody.
    pub(super) fn timed(&self, readers_of_fact: &[SegmentSet]) -> (Vec<SegmentSet>, SegmentSet) {
        let (mut by_facts, mut always) = (SegmentSet::default(), SegmentSet::default());
        for (at, segment) in (0..).zip(&self.segments) {
            let (id, needs) = (SegmentId(at), needs_of(&segment.condition));
            let Some(condition) = &segment.condition else { continue };
            if segment.standing == Standing::Gone {
                continue;
            }
            let has_window = |fact: &FactId| match &self.facts[usize::from(fact.0)].rule {
                FactRule::Fold(fold) => fold.window.is_some(),
                _ => false,
            };
            if reads_now(condition) || needs.facts.iter().any(has_window) {
                by_facts.set(id, true);
            }
            if self.moves_for_anybody(condition) {
                always.set(id, true);
            }
        }
        let timed = |readers: &SegmentSet| readers.iter().filter(|it| by_facts.has(*it)).collect();
        (readers_of_fact.iter().map(timed).collect(), always)
    }

    /// The segments whose answers depend on the person's time zone.
    pub(super) fn readers_of_zone(&self) -> SegmentSet {
        let by_calendar = |fact: &FactId| match &self.facts[usize::from(fact.0)].rule {
            FactRule::Fold(fold) => matches!(fold.window, Some(Window::Calendar(_))),
            _ => false,
        };
        self.readers(|needs| needs.zone || needs.facts.iter().any(by_calendar))
    }

    /// Whether `now` alone can turn an answer: where it is compared with what is not missing for whom no fact holds anything.
    fn moves_for_anybody(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Not(_) | Expr::And(_) | Expr::Or(_) | Expr::Choose(_) => {
                expr.operands().into_iter().any(|part| self.moves_for_anybody(part))
            }
            Expr::Compare(_, two) => {
                reads_now(expr) && !two.iter().any(|side| self.is_missing_at_first(side))
            }
            _ => reads_now(expr),
        }
    }

    /// Whether a value is missing for whom no fact holds anything.
    fn is_missing_at_first(&self, expr: &Expr) -> bool {
        use crate::define::ast::Aggregate::{Count, Distinct, Recent, Sum};
        match expr {
            Expr::Fact(fact) => match &self.facts[usize::from(fact.0)].rule {
                FactRule::Trait { .. } => true,
                FactRule::Fold(fold) => !matches!(fold.aggregate, Count | Distinct | Recent | Sum),
                FactRule::Basket(_) => false,
            },
            Expr::Arithmetic(..) | Expr::Negate(_) | Expr::Units(..) | Expr::Midnight(_) => {
                expr.operands().into_iter().any(|part| self.is_missing_at_first(part))
            }
            _ => false,
        }
    }

    /// The journeys of the pack itself.
    fn current_journeys(&self) -> impl Iterator<Item = (JourneyId, &JourneyPlan)> {
        let journeys = (0..).zip(&self.journeys).map(|(at, journey)| (JourneyId(at), journey));
        journeys.filter(|(_, journey)| journey.standing == Standing::Current)
    }

    /// For each segment, the journeys that are entered when it is entered, and when it is left.
    pub(super) fn entered_by_segment(&self) -> Vec<[Vec<JourneyId>; 2]> {
        let mut by_segment = vec![[Vec::new(), Vec::new()]; self.segments.len()];
        for (id, journey) in self.current_journeys() {
            let (segment, which) = match journey.enter.trigger {
                EnterTrigger::Entered(segment) => (segment, 0),
                EnterTrigger::Left(segment) => (segment, 1),
                _ => continue,
            };
            by_segment[usize::from(segment.0)][which].push(id);
        }
        by_segment
    }

    /// For each kind, the journeys that such an event makes enter.
    pub(super) fn entered_by_kind(&self) -> Vec<Vec<JourneyId>> {
        self.journeys_of_kind(
            |trigger, kind| matches!(trigger, EnterTrigger::Event(kinds) if kinds.has(kind)),
        )
    }

    /// For each kind, the journeys entered by a silence that such an event breaks.
    pub(super) fn silences_of_kind(&self) -> Vec<Vec<JourneyId>> {
        self.journeys_of_kind(
            |trigger, kind| matches!(trigger, EnterTrigger::Silence { of, .. } if of.has(kind)),
        )
    }

    fn journeys_of_kind(
        &self,
        concerns: impl Fn(&EnterTrigger, Kind) -> bool,
    ) -> Vec<Vec<JourneyId>> {
        let of_kind = |kind: usize| {
            let kind = Kind(kind as u16);
            let concerned =
                self.current_journeys().filter(|(_, it)| concerns(&it.enter.trigger, kind));
            concerned.map(|(id, _)| id).collect()
        };
        (0..self.inputs.kinds.len()).map(of_kind).collect()
    }

    /// The journeys entered by a date.
    pub(super) fn entered_by_date(&self) -> Vec<JourneyId> {
        let dates = self
            .current_journeys()
            .filter(|(_, it)| matches!(it.enter.trigger, EnterTrigger::Date { .. }));
        dates.map(|(id, _)| id).collect()
    }

    /// The segments whose conditions read what `reads` tells of.
    pub(super) fn readers(&self, reads: impl Fn(&Needs) -> bool) -> SegmentSet {
        let segments = self.segments.iter().enumerate();
        let segments = segments.filter(|(_, segment)| segment.standing != Standing::Gone);
        let readers = segments.filter(|(_, segment)| reads(&needs_of(&segment.condition)));
        readers.map(|(at, _)| SegmentId(at as u16)).collect()
    }
}

fn reads_now(expr: &Expr) -> bool {
    matches!(expr, Expr::Now) || expr.operands().into_iter().any(reads_now)
}

fn needs_of(condition: &Option<Expr>) -> Needs {
    let mut needs = Needs::default();
    condition.iter().for_each(|expr| needs.add(expr));
    needs
}
