//! The written pack → a plan, or every mistake in it.
//!
//! Facts are compiled when something names them, so that nothing is kept that nothing uses. Knows nothing of events
//! that arrive, persons or time.
//!
//! A pack that follows another one ([`compile_after`]) is added to the plan there is: what has not changed keeps its number.

mod demand;
mod expression;
mod facts;
mod hints;
mod identity;
mod journeys;
mod known;
mod policy;
mod relations;
mod steps;
mod succession;
mod types;

use super::ast::{self, Pack, Span};
use super::diagnostic::{self, Diagnostic};
use super::limits::SEGMENTS_IN_A_ROW_MAX;
use super::plan::{
    Consumer, FactId, FactPlan, FactRule, Inputs, JourneyId, JourneyPlan, Kinds, Plan, PolicyPlan,
    PropertyPath, PropertyType, RankId, RankPlan, RankedFact, Rates, SegmentId, SegmentPlan,
    SegmentSet, SendPlan, SessionPlan, Standing,
};
use crate::event::{Kind, Num};
use crate::time::zone::Zone;
use demand::Needs;
use expression::{Checker, Scope};
pub use identity::{APART, ERASED};
pub use policy::length_text;
use relations::Owner;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use types::Type;

/// Which facts a plan keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Those that a segment, a journey or the policy uses.
    Used,
    /// All, because somebody will read them (`--facts`, tests).
    All,
}

/// Compiles a pack that was parsed without mistakes.
///
/// # Errors
/// Every mistake of names, types and cycles, in no particular order.
pub fn compile(pack: &Pack, keep: Keep) -> Result<Plan, Vec<Diagnostic>> {
    compile_after(pack, keep, None)
}

/// Compiles a pack that follows an earlier one, whose plan is `base`.
///
/// # Errors
/// As for [`compile`].
pub fn compile_after(
    pack: &Pack,
    keep: Keep,
    base: Option<&Plan>,
) -> Result<Plan, Vec<Diagnostic>> {
    let mut compiler = Compiler::new(pack, base);
    compiler.type_facts();
    compiler.inside_kinds();
    if keep == Keep::All {
        for def in &pack.facts {
            let _ = compiler.materialise(&def.name.node);
        }
    }
    for def in &pack.segments {
        let _ = compiler.segment(&def.name.node);
    }
    compiler.journeys();
    let groups = compiler.groups();
    let catalogue = compiler.catalogue();
    let policy = compiler.policy();
    compiler.check_currency();
    compiler.check_identity();
    compiler.event_names();
    if compiler.mistakes.is_empty() {
        Ok(Plan { groups, catalogue, ..compiler.finish(policy, keep) })
    } else {
        Err(compiler.mistakes)
    }
}

/// The name that was probably meant, as a hint.
fn did_you_mean(name: &str, known: impl IntoIterator<Item = String>) -> Option<String> {
    let known: Vec<String> = known.into_iter().collect();
    diagnostic::did_you_mean(name, known.iter().map(String::as_str))
}

/// The names inside one another that a dotted name stands for.
fn path_of(name: &str) -> Vec<String> {
    name.split('.').map(String::from).collect()
}

/// Why a fact cannot be read where it is named.
enum FactError {
    Unknown,
    /// It is kept per this property, which the place does not have.
    Keyed(String),
    /// Its own definition has mistakes, already reported.
    Broken,
}

/// Whether a segment is compiled yet.
#[derive(Clone, Copy)]
enum SegmentState {
    Fresh,
    InProgress,
    Done(SegmentId),
}

struct Compiler<'a> {
    pack: &'a Pack,
    /// The plan that the pack follows.
    base: Option<&'a Plan>,
    inputs: Inputs,
    mistakes: Vec<Diagnostic>,
    /// Mistakes are already known; say nothing.
    silent: bool,
    /// The type of each sound fact, by name; a basket has none.
    fact_types: BTreeMap<&'a str, Option<Type>>,
    facts: Vec<FactPlan>,
    fact_ids: BTreeMap<String, FactId>,
    segments: Vec<SegmentPlan>,
    segment_states: Vec<SegmentState>,
    /// How many segments are under way, each asked by the one before.
    segments_in_a_row: usize,
    /// Whom the segments with a condition are about, by name.
    segment_owners: BTreeMap<&'a str, Owner>,
    /// The group that the definition at hand is about; none if it is about persons.
    group: Owner,
    /// Whom the expression at hand is about, once it has named something.
    owner: Option<Owner>,
    /// Kinds of events that only come about inside.
    inside_kinds: Vec<Kind>,
    ranks: Vec<RankPlan>,
    journeys: Vec<JourneyPlan>,
    sends: Vec<SendPlan>,
    /// Property slots that the journey at hand reads of its entering event.
    entry_slots: Vec<u16>,
    sessions_used: bool,
}

impl<'a> Compiler<'a> {
    fn new(pack: &'a Pack, base: Option<&'a Plan>) -> Compiler<'a> {
        Compiler {
            pack,
            base,
            inputs: succession::inputs(base),
            mistakes: Vec::new(),
            silent: false,
            fact_types: BTreeMap::new(),
            facts: succession::facts(base),
            fact_ids: BTreeMap::new(),
            segments: succession::segments(base),
            segment_states: vec![SegmentState::Fresh; pack.segments.len()],
            segments_in_a_row: 0,
            segment_owners: BTreeMap::new(),
            group: None,
            owner: None,
            inside_kinds: Vec::new(),
            ranks: succession::ranks(base),
            journeys: succession::journeys(base),
            sends: succession::sends(base),
            entry_slots: Vec::new(),
            sessions_used: pack.sessions.is_some(),
        }
    }

    fn mistake(&mut self, span: Span, message: String, hint: Option<String>) {
        if !self.silent {
            self.mistakes.push(Diagnostic { span, message, hint });
        }
    }

    /// Compiles an expression that must give a value of the wanted type.
    fn expression(
        &mut self,
        written: &ast::Expr,
        scope: &Scope,
        wanted: &Type,
    ) -> Option<super::plan::Expr> {
        Checker { compiler: self, written, scope: scope.clone() }.check(wanted)
    }

    fn any_expression(
        &mut self,
        written: &ast::Expr,
        scope: &Scope,
    ) -> Option<(super::plan::Expr, Type)> {
        Checker { compiler: self, written, scope: scope.clone() }.check_any()
    }

    /// The number of an event name, for those whom the definition at hand is about, made if it is new.
    fn kind(&mut self, name: &str) -> Kind {
        self.plain_kind(&self.kind_name(name))
    }

    fn plain_kind(&mut self, name: &str) -> Kind {
        match self.inputs.kinds.iter().position(|kind| kind == name) {
            Some(at) => Kind(at as u16),
            None => {
                self.inputs.kinds.push(name.to_owned());
                self.inputs.wanted.push(Vec::new());
                Kind((self.inputs.kinds.len() - 1) as u16)
            }
        }
    }

    fn kinds(&mut self, names: &[ast::Name]) -> Vec<Kind> {
        names.iter().map(|name| self.kind(&name.node)).collect()
    }

    /// The set of these events; none named means every event.
    fn kinds_or_any(&mut self, names: &[ast::Name]) -> Kinds {
        if names.is_empty() { self.any_kind() } else { self.kinds(names).into_iter().collect() }
    }

    /// The slot of a path, made if it is new.
    fn slot(&mut self, from: Consumer, path: &[String]) -> u16 {
        let path = PropertyPath { from, path: path.to_vec() };
        match self.inputs.paths.iter().position(|known| *known == path) {
            Some(at) => at as u16,
            None => {
                self.inputs.paths.push(path);
                (self.inputs.paths.len() - 1) as u16
            }
        }
    }

    fn want(&mut self, kind: Kind, slot: u16) {
        let wanted = &mut self.inputs.wanted[kind.0 as usize];
        if wanted.len() <= slot as usize {
            wanted.resize(slot as usize + 1, false);
        }
        if !std::mem::replace(&mut wanted[slot as usize], true) {
            self.want_of_origin(kind, slot);
        }
    }

    /// The slot and type of a property of these kinds of events.
    fn property(&mut self, kinds: &[Kind], path: &[String]) -> (u16, Type) {
        let slot = self.slot(Consumer::Event, path);
        let mut of: Option<Type> = None;
        for &kind in kinds {
            self.want(kind, slot);
            let declared =
                self.declared(kind, &path.join(".")).map_or(Type::Any, Type::of_property);
            of = Some(of.map_or(declared.clone(), |of| of.join(&declared).unwrap_or(Type::Any)));
        }
        (slot, of.unwrap_or(Type::Any))
    }

    /// The slot of a property that keys.
    fn key(&mut self, per: &ast::Name, kinds: &[Kind]) -> u16 {
        kinds.iter().for_each(|&kind| self.property_name(per.span, kind, &per.node));
        self.property(kinds, &path_of(&per.node)).0
    }

    fn declared(&self, kind: Kind, path: &str) -> Option<PropertyType> {
        let (name, path) = self.as_declared(kind, path);
        let events = &self.pack.events;
        let event =
            events.iter().find(|event| crate::event::names::current(&event.name.node) == name)?;
        let property = event.properties.iter().find(|(property, _)| property.node == path)?;
        Some(property.1.node)
    }

    /// The place of a property among those that the journey at hand keeps of its entering event.
    fn entry_slot(&mut self, slot: u16) -> u16 {
        let at = self.entry_slots.iter().position(|known| *known == slot).unwrap_or_else(|| {
            self.entry_slots.push(slot);
            self.entry_slots.len() - 1
        });
        at as u16
    }

    fn use_sessions(&mut self) {
        self.sessions_used = true;
    }

    fn fact_names(&self) -> Vec<String> {
        self.pack.facts.iter().map(|fact| fact.name.node.clone()).collect()
    }

    fn segment_names(&self) -> Vec<String> {
        self.pack.segments.iter().map(|segment| segment.name.node.clone()).collect()
    }

    /// A segment, compiled now if it was not yet.
    ///
    /// # Errors
    /// There is none of this name: perhaps the one that was meant.
    fn segment(&mut self, name: &str) -> Result<SegmentId, Option<String>> {
        let pack = self.pack;
        let Some(at) = pack.segments.iter().position(|segment| segment.name.node == name) else {
            return Err(did_you_mean(name, self.segment_names()));
        };
        match self.segment_states[at] {
            SegmentState::Done(id) => return Ok(id),
            SegmentState::InProgress => {
                let hint = "a segment cannot depend on itself, directly or by way of others".into();
                let span = pack.segments[at].name.span;
                self.mistake(span, format!("the segment `{name}` asks itself"), Some(hint));
                return Ok(SegmentId(0));
            }
            SegmentState::Fresh if self.segments_in_a_row == SEGMENTS_IN_A_ROW_MAX => {
                let message =
                    format!("more than {SEGMENTS_IN_A_ROW_MAX} segments ask one another in a row");
                self.mistake(pack.segments[at].name.span, message, None);
                return Ok(SegmentId(0));
            }
            SegmentState::Fresh => self.segment_states[at] = SegmentState::InProgress,
        }
        self.segments_in_a_row += 1;
        let condition = match &pack.segments[at].kind {
            ast::SegmentKind::List => None,
            ast::SegmentKind::When(written) => {
                let scope = Scope { person: true, followed: true, ..Scope::default() };
                let before = self.owner.take();
                let condition = self.expression(written, &scope, &Type::Bool);
                let owner = std::mem::replace(&mut self.owner, before).flatten();
                let condition = condition.map(|condition| self.only_for(&owner, condition));
                self.segment_owners.insert(&pack.segments[at].name.node, owner);
                condition
            }
        };
        self.segments_in_a_row -= 1;
        let id = self.add_segment(name, condition);
        self.segment_states[at] = SegmentState::Done(id);
        Ok(id)
    }

    /// A segment named outside an expression; a mistake is reported there.
    fn segment_at(&mut self, name: &ast::Name) -> Option<SegmentId> {
        match self.segment(&name.node) {
            Ok(id) => {
                self.reads_segment(name.span, &name.node);
                Some(id)
            }
            Err(hint) => {
                self.mistake(name.span, format!("there is no segment `{}`", name.node), hint);
                None
            }
        }
    }

    /// A segment that is about others than what names it is a mistake. Lists are about nobody in particular.
    fn reads_segment(&mut self, span: Span, name: &str) {
        let Some(owner) = self.segment_owners.get(name).cloned() else { return };
        let hint =
            owner.clone().map(|it| format!("write `for: {it}` where the journey is defined"));
        if let Err(about) = self.reads_of(owner) {
            self.mistake(span, format!("the segment `{name}` {about}"), hint);
        }
    }

    fn finish(mut self, policy: PolicyPlan, keep: Keep) -> Plan {
        self.settle_succession();
        let sessions = self.sessions();
        self.declare_inputs();
        self.inputs.identity = self.identity();
        self.erasure();
        self.inputs.ignored = self.pack.ignore.iter().map(|name| name.node.clone()).collect();
        for kind in 0..self.inputs.kinds.len() {
            let slots = self.inputs.everywhere.clone();
            slots.into_iter().for_each(|slot| self.want(Kind(kind as u16), slot));
        }
        let facts_of_kind = self.facts_of_kind();
        self.when_changes(&facts_of_kind);
        let numbered = |wanted: &dyn Fn(&SegmentPlan) -> bool| -> Vec<SegmentId> {
            let wanted = |at: &usize| wanted(&self.segments[*at]);
            (0..self.segments.len()).filter(wanted).map(|at| SegmentId(at as u16)).collect()
        };
        let mut segments_by_name = numbered(&|it| it.standing == Standing::Current);
        segments_by_name.sort_by_key(|id| &self.segments[id.0 as usize].name);
        let (exit_kinds, exit_kinds_asked, exit_slots) = self.exit_kinds();
        let asked = numbered(&|it| it.standing != Standing::Gone && it.condition.is_some());
        let readers_of_fact: Vec<SegmentSet> = (0..self.facts.len())
            .map(|at| self.readers(|needs| needs.facts.contains(&FactId(at as u16))))
            .collect();
        let (timed_readers_of_fact, timed) = self.timed(&readers_of_fact);
        Plan {
            fingerprint: fingerprint(self.pack, keep, self.base),
            version: self.version(),
            concerned_everybody: self.concerned_everybody(sessions.as_ref(), &policy),
            traits: (self.facts.iter().enumerate())
                .filter(|(_, fact)| fact.standing != Standing::Gone)
                .filter(|(_, fact)| matches!(fact.rule, FactRule::Trait { .. }))
                .map(|(at, _)| FactId(at as u16))
                .collect(),
            segments_by_name,
            readers_of_fact,
            timed_readers_of_fact,
            timed,
            at_first: OnceLock::new(),
            readers_of_segment: (0..self.segments.len())
                .map(|at| self.readers(|needs| needs.segments.contains(&(at as u16))))
                .collect(),
            readers_of_session: self.readers(|needs| needs.sessions),
            readers_of_zone: self.readers_of_zone(),
            readers_of_rank: (0..self.ranks.len())
                .map(|at| self.readers(|needs| needs.ranks.contains(&RankId(at as u16))))
                .collect(),
            ranked: self.ranked(),
            // Known to who calls.
            groups: Vec::new(),
            catalogue: None,
            conditions: asked.into_iter().collect(),
            entered_by_kind: self.entered_by_kind(),
            entered_by_segment: self.entered_by_segment(),
            dates: self.entered_by_date(),
            silences_of_kind: self.silences_of_kind(),
            dates_of_kind: self.dates_of_kind(&facts_of_kind),
            facts_of_kind,
            inputs: self.inputs,
            facts: self.facts,
            segments: self.segments,
            ranks: self.ranks,
            journeys: self.journeys,
            sends: self.sends,
            sessions,
            policy,
            forget_after: self.pack.forget_after.as_ref().map(|after| after.node),
            exit_kinds,
            exit_kinds_asked,
            exit_slots,
            tests: self.pack.tests.clone(),
        }
    }

    /// Kinds of events for which exits wait, those of them of which one asks more than that there was one, and what that is.
    fn exit_kinds(&self) -> (Kinds, Kinds, Vec<u16>) {
        let (mut all, mut asked) = (Kinds::default(), Kinds::default());
        let mut needs = Needs::default();
        for journey in &self.journeys {
            for exit in &journey.exits {
                if let super::plan::ExitRule::Event { on, condition } = &exit.rule {
                    all.extend(on);
                    if condition.is_some() || exit.value.is_some() || journey.enter.per.is_some() {
                        asked.extend(on);
                    }
                    condition.iter().chain(&exit.value).for_each(|expr| needs.add(expr));
                    needs.slots.extend(journey.enter.per);
                }
            }
        }
        (all, asked, needs.slots.into_iter().collect())
    }

    /// Reports amounts of which nobody says in which currency they are.
    fn check_currency(&mut self) {
        let mut properties = self.pack.events.iter().flat_map(|event| &event.properties);
        let money = properties.find(|(_, of)| of.node == PropertyType::Money);
        if let Some((_, of)) = money.filter(|_| self.pack.currency.is_none()) {
            let hint = "add currency: { base: EUR, default: EUR }, or declare a number".to_owned();
            self.mistake(of.span, "there is no `currency` for this money".into(), Some(hint));
        }
    }

    fn sessions(&mut self) -> Option<SessionPlan> {
        if !self.sessions_used {
            return None;
        }
        let pages = [self.plain_kind("page"), self.plain_kind("screen")];
        let path = self.slot(Consumer::Event, &["path".into()]);
        let context_path = self.slot(Consumer::ContextPage, &["path".into()]);
        let name = self.slot(Consumer::Event, &["name".into()]);
        for kind in pages {
            [path, context_path, name].into_iter().for_each(|slot| self.want(kind, slot));
        }
        let (gap, of) = match &self.pack.sessions {
            Some(written) => (written.gap.node, self.kinds_or_any(&written.of)),
            None => (30 * crate::time::MINUTE, self.any_kind()),
        };
        Some(SessionPlan { gap, of, path, context_path, name })
    }

    /// Declared properties of declared events are checked whether or not anything reads them.
    fn declare_inputs(&mut self) {
        for event in &self.pack.events {
            let kind = self.kind(&event.name.node);
            for (property, of) in &event.properties {
                self.inputs.declared.push((kind, property.node.clone(), of.node));
                let slot = self.slot(Consumer::Event, &path_of(&property.node));
                self.want(kind, slot);
                if of.node == PropertyType::Money {
                    let currency = self.slot(Consumer::Event, &["currency".into()]);
                    self.want(kind, currency);
                    // A currency that is no text must not pass for none.
                    if self.declared(kind, "currency").is_none() {
                        let currency = (kind, "currency".to_owned(), PropertyType::String);
                        self.inputs.declared.push(currency);
                    }
                }
            }
        }
        self.inputs.currency = self.pack.currency.as_ref().map(|currency| {
            let rates =
                currency.rates.iter().map(|(name, rate)| (name.node.clone(), Num(rate.node)));
            let base = (currency.base.node.clone(), Num::ONE);
            Rates {
                rates: rates.chain([base]).collect(),
                default: currency.default.as_ref().map(|name| name.node.clone()),
            }
        });
    }

    /// The facts by which persons are compared.
    fn ranked(&self) -> Vec<RankedFact> {
        let ranks = self.ranks.iter().filter(|rank| rank.standing != Standing::Gone);
        let facts: BTreeSet<RankedFact> = ranks.map(|rank| rank.fact).collect();
        facts.into_iter().collect()
    }
}

/// A hash of all that was written: of the files' texts, not of their names or places, and of all packs before.
fn fingerprint(pack: &Pack, keep: Keep, base: Option<&Plan>) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    if let Some(base) = base {
        hasher.update(&base.fingerprint.to_le_bytes());
    }
    for file in &pack.files {
        hasher.update(&(file.text.len() as u64).to_le_bytes());
        hasher.update(file.text.as_bytes());
    }
    hasher.update(&[u8::from(keep == Keep::All)]);
    hasher.digest()
}

/// The policy's zone as written, else UTC. The parser has checked the name.
fn zone_named(name: Option<&ast::Name>) -> Zone {
    name.and_then(|name| Zone::named(&name.node)).unwrap_or(Zone::UTC)
}
