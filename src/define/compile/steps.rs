//! Steps → operations of a flat program with jump targets.

use super::Compiler;
use super::demand::Needs;
use super::expression::Scope;
use super::types::Type;
use crate::define::ast::{self, Spanned, Step, Wait};
use crate::define::plan::Gates;
use crate::define::plan::{Arm, FactId, JourneyId, Op, OpAt, SegmentId, SendId, SendPlan};
use compact_str::{CompactString, format_compact};

/// A journey's program as it grows.
pub(super) struct Program<'a> {
    def: &'a ast::JourneyDef,
    journey: JourneyId,
    inside: Scope<'a>,
    pub(super) ops: Vec<OpAt>,
    /// Facts that decided the way to the step at hand.
    pub(super) causes: Vec<FactId>,
    pub(super) suppress: Option<SegmentId>,
}

impl<'a> Program<'a> {
    pub(super) fn new(
        def: &'a ast::JourneyDef,
        journey: JourneyId,
        inside: Scope<'a>,
    ) -> Program<'a> {
        Program { def, journey, inside, ops: Vec::new(), causes: Vec::new(), suppress: None }
    }

    fn push(&mut self, path: &str, op: Op) -> usize {
        self.ops.push(OpAt { path: CompactString::from(path), op });
        self.ops.len() - 1
    }

    fn next(&self) -> usize {
        self.ops.len()
    }
}

impl<'a> Compiler<'a> {
    pub(super) fn steps(&mut self, program: &mut Program, steps: &[Spanned<Step>], prefix: &str) {
        for (at, step) in steps.iter().enumerate() {
            let path = format_compact!("{prefix}{}", at + 1);
            // A mistake has been reported; the rest is still checked.
            let _ = self.step(program, step, &path);
        }
    }

    fn step(&mut self, program: &mut Program, step: &Spanned<Step>, path: &str) -> Option<()> {
        let scope = program.inside.clone();
        match &step.node {
            Step::Wait(wait) => self.wait(program, wait, path)?,
            Step::Choose(branches) => self.choose(program, branches, path)?,
            Step::Split(arms) => self.split(program, arms, path),
            Step::Send(send) => self.send(program, send, path)?,
            Step::Emit { event, with } => {
                self.check_emitted(event)?;
                let kind = self.kind(&event.node);
                let with = self.named(with, &scope)?;
                program.push(path, Op::Emit { event: event.node.clone(), kind, with });
            }
            Step::Set(traits) => {
                for (name, value) in self.named(traits, &scope)? {
                    program.push(path, Op::Set { name, value });
                }
            }
            Step::AddTo(name) => {
                let list = self.list_segment(name)?;
                program.push(path, Op::AddTo(list));
            }
            Step::RemoveFrom(name) => {
                let list = self.list_segment(name)?;
                program.push(path, Op::RemoveFrom(list));
            }
            Step::End => {
                program.push(path, Op::End);
            }
        }
        Some(())
    }

    fn named(
        &mut self,
        with: &[(ast::Name, ast::Expr)],
        scope: &Scope,
    ) -> Option<Vec<(String, crate::define::plan::Expr)>> {
        let all: Vec<Option<_>> = with
            .iter()
            .map(|(name, written)| {
                let (expr, _) = self.any_expression(written, scope)?;
                Some((name.node.clone(), expr))
            })
            .collect();
        all.into_iter().collect()
    }

    fn list_segment(&mut self, name: &ast::Name) -> Option<SegmentId> {
        let id = self.segment_at(name)?;
        let def = self.pack.segments.iter().find(|def| def.name.node == name.node)?;
        if matches!(def.kind, ast::SegmentKind::List) {
            return Some(id);
        }
        let hint = "people enter and leave it by its condition alone".to_string();
        self.mistake(name.span, format!("the segment `{}` is not a list", name.node), Some(hint));
        None
    }

    fn wait(&mut self, program: &mut Program, wait: &Wait, path: &str) -> Option<()> {
        let op = match wait {
            Wait::For(length) => Op::WaitFor(length.node),
            Wait::UntilTime(at) => Op::WaitClock(at.node),
            Wait::UntilDay { day, at } => Op::WaitDay { day: i64::from(day.node), at: at.node },
            Wait::UntilFact { fact, offset, at } => {
                let (fact, is_date) = self.date_fact(fact, program.inside.per)?;
                let at = at.as_ref().map(|at| at.node);
                Op::WaitFact { fact, is_date, offset: offset.node, at }
            }
            Wait::UntilInstant { instant, at } => {
                let scope = program.inside.clone();
                let instant = self.expression(instant, &scope, &Type::Time)?;
                Op::WaitInstant { instant, at: at.as_ref().map(|at| at.node) }
            }
            Wait::Quiet { quiet_for, of } => {
                Op::WaitQuiet { quiet_for: quiet_for.node, of: self.kinds_or_any(of) }
            }
            Wait::Event { on, condition, timeout, then, otherwise } => {
                let kinds = self.kinds(on);
                let scope = Scope { event: Some(&kinds), ..program.inside.clone() };
                let condition = match condition {
                    Some(written) => Some(self.expression(written, &scope, &Type::Bool)?),
                    None => None,
                };
                let on = kinds.iter().copied().collect();
                let (timeout, otherwise_at) = (timeout.node, 0);
                let op = Op::WaitEvent { on, condition, timeout, otherwise: otherwise_at };
                self.two_ways(program, op, then, otherwise, path);
                return Some(());
            }
        };
        program.push(path, op);
        Some(())
    }

    fn two_ways(
        &mut self,
        program: &mut Program,
        op: Op,
        then: &[Spanned<Step>],
        otherwise: &[Spanned<Step>],
        path: &str,
    ) {
        let wait = program.push(path, op);
        self.steps(program, then, &format!("{path}.1."));
        let jump = program.push(path, Op::Jump(0));
        if let Op::WaitEvent { otherwise, .. } = &mut program.ops[wait].op {
            *otherwise = jump + 1;
        }
        self.steps(program, otherwise, &format!("{path}.2."));
        program.ops[jump].op = Op::Jump(program.next());
    }

    fn choose(
        &mut self,
        program: &mut Program,
        branches: &[ast::Branch],
        path: &str,
    ) -> Option<()> {
        let scope = program.inside.clone();
        let causes_before = program.causes.len();
        let mut jumps = Vec::new();
        for (at, branch) in branches.iter().enumerate() {
            let prefix = format!("{path}.{}.", at + 1);
            let guard = match &branch.when {
                Some(written) => {
                    let condition = self.expression(written, &scope, &Type::Bool);
                    let condition = condition
                        .unwrap_or(crate::define::plan::Expr::Const(crate::event::Value::Missing));
                    program.causes.extend(facts_in(&condition));
                    Some(program.push(path, Op::Unless { condition, target: 0 }))
                }
                None => None,
            };
            self.steps(program, &branch.steps, &prefix);
            jumps.push(program.push(path, Op::Jump(0)));
            let next = program.next();
            if let Some(guard) = guard
                && let Op::Unless { target, .. } = &mut program.ops[guard].op
            {
                *target = next;
            }
        }
        let end = program.next();
        for jump in jumps {
            program.ops[jump].op = Op::Jump(end);
        }
        program.causes.truncate(causes_before);
        Some(())
    }

    fn split(&mut self, program: &mut Program, arms: &[ast::Arm], path: &str) {
        let split = program.push(path, Op::Split { arms: Vec::new() });
        let (mut compiled, mut jumps, mut below) = (Vec::new(), Vec::new(), 0);
        for (at, arm) in arms.iter().enumerate() {
            below += u64::from(arm.share.node);
            let (name, target) = (arm.name.node.clone(), program.next());
            compiled.push(Arm { name, below, target, hold_out: arm.hold_out });
            self.steps(program, &arm.steps, &format!("{path}.{}.", at + 1));
            jumps.push(program.push(path, Op::Jump(0)));
        }
        let end = program.next();
        for jump in jumps {
            program.ops[jump].op = Op::Jump(end);
        }
        program.ops[split].op = Op::Split { arms: compiled };
    }

    fn send(&mut self, program: &mut Program, send: &ast::Send, path: &str) -> Option<()> {
        let with = self.named(&send.with, &program.inside.clone())?;
        let mut causes = program.causes.clone();
        causes.extend(with.iter().flat_map(|(_, expr)| facts_in(expr)));
        // By name, so that decisions do not depend on which other facts are kept.
        causes.sort_by(|a, b| {
            self.facts[usize::from(a.0)].name.cmp(&self.facts[usize::from(b.0)].name)
        });
        causes.dedup();
        let valid_for = send.valid_for.as_ref().or(program.def.valid_for.as_ref());
        let id = SendId(self.sends.len() as u16);
        self.sends.push(SendPlan {
            journey: program.journey,
            channel: send.channel.node.clone(),
            template: send.template.node.clone(),
            purpose: send.purpose.as_ref().map_or("marketing", |p| &p.node).to_owned(),
            tags: send.tags.iter().map(|tag| tag.node.clone()).collect(),
            valid_for: valid_for.map(|length| length.node),
            with,
            causes,
            suppress_while: program.suppress,
            waits_out: send.waits_out,
            // The policy's rules are known once all sends are.
            gates: Gates::default(),
        });
        program.push(path, Op::Send(id));
        Some(())
    }
}

fn facts_in(expr: &crate::define::plan::Expr) -> Vec<FactId> {
    let mut needs = Needs::default();
    needs.add(expr);
    needs.facts.into_iter().collect()
}
