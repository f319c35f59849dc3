//! Journeys: entries and exits; their steps are compiled in [`super::steps`].

use super::demand::Needs;
use super::expression::Scope;
use super::steps::Program;
use super::types::Type;
use super::{Compiler, FactError, Kind, Kinds, Standing};
use crate::define::ast::{self, JourneyDef};
use crate::define::plan::{
    Enter, EnterTrigger, Exit, ExitRule, Expr, FactId, JourneyId, JourneyPlan, Op,
};
use crate::event::Value;

const PRIORITY_DEFAULT: u32 = 50;

impl<'a> Compiler<'a> {
    /// Compiles all journeys, in the order of their names.
    pub(super) fn journeys(&mut self) {
        let pack = self.pack;
        let mut defs: Vec<&JourneyDef> = pack.journeys.iter().collect();
        defs.sort_by_key(|def| &def.name.node);
        for def in defs {
            let sends = self.sends.len();
            let id = JourneyId(self.journeys.len() as u16);
            self.check_group(def.group.as_ref());
            self.owner = Some(def.group.as_ref().map(|group| group.node.clone()));
            let plan = self.within(def.group.as_ref(), |compiler| compiler.journey(def, id));
            self.owner = None;
            if let Some(plan) = plan {
                self.add_journey(plan, sends);
            }
        }
    }

    fn journey(&mut self, def: &'a JourneyDef, id: JourneyId) -> Option<JourneyPlan> {
        self.entry_slots.clear();
        let entered_by = match &def.enter.trigger {
            ast::EnterTrigger::Event(names) => Some(self.kinds(names)),
            _ => None,
        };
        let per = def.enter.per.as_ref();
        let inside = Scope {
            person: true,
            entry: entered_by.as_deref(),
            journey: true,
            per: per.map(|per| per.node.as_str()),
            ..Scope::default()
        };
        let per_slot = per.map(|per| self.journey_key(def, per));
        let enter = self.enter(def, &inside, entered_by.as_deref(), per_slot);
        let exits: Vec<Option<Exit>> =
            def.exit.iter().map(|exit| self.exit(exit, &inside)).collect();
        let suppress = match &def.suppress_while {
            Some(name) => self.segment_at(name).map(Some),
            None => Some(None),
        };
        let mut program = Program::new(def, id, inside.clone());
        program.causes = enter.as_ref().map(|enter| self.causes_of(enter)).unwrap_or_default();
        program.suppress = suppress.flatten();
        self.steps(&mut program, &def.steps, "");
        let exits: Vec<Exit> = exits.into_iter().collect::<Option<_>>()?;
        let ops = program.ops;
        Some(JourneyPlan {
            name: def.name.node.clone(),
            standing: Standing::Current,
            // Known once all journeys are.
            heir: None,
            first: id,
            rank: 0,
            follow: def.follow,
            version: version(&def.text),
            priority: def.priority.as_ref().map_or(PRIORITY_DEFAULT, |priority| priority.node),
            enter: enter?,
            sees: seen(&exits, &ops),
            has_when: exits.iter().any(|exit| matches!(exit.rule, ExitRule::When(_))),
            exits,
            // Known once all facts are.
            when_kinds: Kinds::default(),
            when_segments: false,
            program: ops,
            entry_slots: std::mem::take(&mut self.entry_slots),
        })
    }

    /// The slot of the keying property, read of every event that the journey looks at.
    fn journey_key(&mut self, def: &'a JourneyDef, per: &ast::Name) -> u16 {
        let mut names: Vec<ast::Name> = Vec::new();
        if let ast::EnterTrigger::Event(on) = &def.enter.trigger {
            names.extend(on.iter().cloned());
        }
        for exit in &def.exit {
            if let ast::ExitRule::Event { on, .. } = &exit.rule {
                names.extend(on.iter().cloned());
            }
        }
        let any = waited_for(&def.steps, &mut names);
        let kinds = self.kinds(&names);
        let slot = self.key(per, &kinds);
        if any {
            // A wait for silence of all events has to see of each whether it has another key.
            self.inputs.everywhere.push(slot);
        }
        slot
    }

    /// The facts by which an instance enters; of a segment, those that it asks.
    fn causes_of(&self, enter: &Enter) -> Vec<FactId> {
        let mut needs = Needs::default();
        enter.condition.iter().for_each(|expr| needs.add(expr));
        match enter.trigger {
            EnterTrigger::Date { fact, .. } => needs.facts.extend([fact]),
            EnterTrigger::Entered(id) | EnterTrigger::Left(id) => {
                needs.segments.extend([id.0]);
                self.needs_of_segments(&mut needs);
            }
            _ => {}
        }
        needs.facts.into_iter().collect()
    }

    fn enter(
        &mut self,
        def: &'a JourneyDef,
        inside: &Scope,
        entered_by: Option<&[Kind]>,
        per: Option<u16>,
    ) -> Option<Enter> {
        let trigger = match &def.enter.trigger {
            ast::EnterTrigger::Event(_) => {
                let kinds = entered_by.into_iter().flatten().copied().collect();
                Some(EnterTrigger::Event(kinds))
            }
            ast::EnterTrigger::Entered(name) => self.segment_at(name).map(EnterTrigger::Entered),
            ast::EnterTrigger::Left(name) => self.segment_at(name).map(EnterTrigger::Left),
            ast::EnterTrigger::Date { fact, yearly, offset_days, at } => {
                self.date_fact(fact, None).map(|(fact, is_date)| EnterTrigger::Date {
                    fact,
                    is_date,
                    yearly: *yearly,
                    offset_days: i64::from(offset_days.node),
                    at: at.as_ref().map_or(0, |at| at.node),
                })
            }
            ast::EnterTrigger::Silence { quiet_for, of } => {
                Some(EnterTrigger::Silence { quiet_for: quiet_for.node, of: self.kinds_or_any(of) })
            }
        };
        // The entry's condition sees the event itself; it is asked before there is an instance.
        let scope = Scope { event: entered_by, entry: None, journey: false, ..inside.clone() };
        let condition = match &def.enter.condition {
            Some(written) => self.expression(written, &scope, &Type::Bool).map(Some),
            None => Some(None),
        };
        let mut condition = condition?;
        if !matches!(def.enter.trigger, ast::EnterTrigger::Event(_)) && !self.pack.groups.is_empty()
        {
            let always = Expr::Const(Value::Bool(true));
            let group = self.group.clone();
            condition = Some(self.only_for(&group, condition.unwrap_or(always)));
        }
        Some(Enter { trigger: trigger?, condition, per, again: def.enter.again })
    }

    fn exit(&mut self, exit: &'a ast::Exit, inside: &Scope) -> Option<Exit> {
        let value = |compiler: &mut Compiler<'a>, scope: &Scope| match &exit.value {
            Some(written) => compiler.expression(written, scope, &Type::Number).map(Some),
            None => Some(None),
        };
        let (rule, value) = match &exit.rule {
            ast::ExitRule::When(written) => {
                let scope = Scope { followed: true, ..inside.clone() };
                let rule = ExitRule::When(self.expression(written, &scope, &Type::Bool)?);
                (rule, value(self, inside)?)
            }
            ast::ExitRule::Event { on, condition } => {
                let kinds = self.kinds(on);
                let scope = Scope { event: Some(&kinds), ..inside.clone() };
                let condition = match condition {
                    Some(written) => Some(self.expression(written, &scope, &Type::Bool)?),
                    None => None,
                };
                let value = value(self, &scope)?;
                (ExitRule::Event { on: kinds.into_iter().collect(), condition }, value)
            }
        };
        Some(Exit { rule, goal: exit.goal, value })
    }

    /// A fact that holds a date or a time, and whether it is a date.
    pub(super) fn date_fact(
        &mut self,
        name: &ast::Name,
        per: Option<&str>,
    ) -> Option<(FactId, bool)> {
        match self.fact(&name.node, per) {
            Ok((fact, Some(Type::Date))) => Some((fact, true)),
            Ok((fact, Some(Type::Time))) => Some((fact, false)),
            Ok((_, of)) => {
                let of = of.map_or("a basket".to_string(), |of| of.to_string());
                let hint =
                    "give a trait `type: date`, or declare the property in `events:`".to_string();
                self.mistake(
                    name.span,
                    format!("`{}` is {of}, not a date or time", name.node),
                    Some(hint),
                );
                None
            }
            Err(FactError::Keyed(per)) => {
                self.mistake(
                    name.span,
                    format!("the fact `{}` is kept per {per}", name.node),
                    Some(format!("it can be read in a journey with `per: {per}`, in its steps")),
                );
                None
            }
            Err(FactError::Unknown) => {
                let hint = super::did_you_mean(&name.node, self.fact_names());
                self.mistake(name.span, format!("there is no fact `{}`", name.node), hint);
                None
            }
            Err(FactError::Broken) => None,
        }
    }
}

/// Events that waits look at, wherever they stand; true if one looks at every event.
pub(super) fn waited_for(steps: &[ast::Spanned<ast::Step>], names: &mut Vec<ast::Name>) -> bool {
    use ast::{Step, Wait};
    let mut any = false;
    for step in steps {
        match &step.node {
            Step::Wait(Wait::Quiet { of, .. }) => {
                any |= of.is_empty();
                names.extend(of.iter().cloned());
            }
            Step::Wait(Wait::Event { on, then, otherwise, .. }) => {
                names.extend(on.iter().cloned());
                any |= waited_for(then, names);
                any |= waited_for(otherwise, names);
            }
            Step::Choose(branches) => {
                branches.iter().for_each(|branch| any |= waited_for(&branch.steps, names));
            }
            Step::Split(arms) => arms.iter().for_each(|arm| any |= waited_for(&arm.steps, names)),
            _ => {}
        }
    }
    any
}

/// The events that an open instance has to see.
fn seen(exits: &[Exit], ops: &[crate::define::plan::OpAt]) -> Kinds {
    let mut all = Kinds::default();
    for exit in exits {
        if let ExitRule::Event { on, .. } = &exit.rule {
            all.extend(on);
        }
    }
    for at in ops {
        match &at.op {
            Op::WaitQuiet { of: on, .. } | Op::WaitEvent { on, .. } => all.extend(on),
            _ => {}
        }
    }
    all
}

fn version(text: &str) -> String {
    format!("{:08x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()) >> 32)
}
