//! A journey as it is written → blocks to draw: boxes below one another, and forks whose arms stand side by side.

use crate::define::ast::{
    Again, Arm, Branch, Enter, EnterTrigger, Exit, ExitRule, Expr, JourneyDef, Name, Send, Spanned,
    Step, Wait,
};
use crate::define::parse::literals::written;
use std::fmt::Write;

/// One journey, to be drawn.
#[derive(Clone, Debug)]
pub struct Flow {
    pub name: String,
    pub entry: Vec<String>,
    pub steps: Vec<Block>,
    /// The ways out that are open all the time.
    pub exits: Vec<Way>,
}

/// A step.
#[derive(Clone, Debug)]
pub struct Block {
    /// Where it stands among the steps, such as `4.2.1`.
    pub path: String,
    pub kind: Kind,
    /// What it says, a line for each thing.
    pub lines: Vec<String>,
    /// What may come after it, one of them, before what comes after all of them.
    pub arms: Vec<Branching>,
}

/// One of several ways on.
#[derive(Clone, Debug)]
pub struct Branching {
    pub label: String,
    pub steps: Vec<Block>,
}

/// One way out before the last step.
#[derive(Clone, Debug)]
pub struct Way {
    pub goal: bool,
    pub lines: Vec<String>,
}

/// What a box stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Wait,
    Decide,
    Send,
    Act,
    End,
}

impl Flow {
    /// The blocks of a journey.
    pub fn of(journey: &JourneyDef) -> Flow {
        Flow {
            name: journey.name.node.clone(),
            entry: entry(&journey.enter),
            steps: blocks(&journey.steps, ""),
            exits: journey.exit.iter().map(way).collect(),
        }
    }
}

/// Whether nothing comes after the last of these, whichever way is taken.
pub fn ends(steps: &[Block]) -> bool {
    steps.last().is_some_and(|last| {
        last.kind == Kind::End
            || !last.arms.is_empty() && last.arms.iter().all(|arm| ends(&arm.steps))
    })
}

fn names(names: &[Name]) -> String {
    names.iter().map(|name| name.node.as_str()).collect::<Vec<_>>().join(", ")
}

/// An expression on one line, however it is written.
fn code(expr: &Expr) -> String {
    expr.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn at(clock_time: Option<&Spanned<u16>>) -> String {
    clock_time.map_or(String::new(), |at| format!(" at {}", clock(at.node)))
}

fn entry(enter: &Enter) -> Vec<String> {
    let mut lines = Vec::new();
    let condition = match &enter.trigger {
        EnterTrigger::Event(on) => {
            lines.push(format!("enter on {}", names(on)));
            "where"
        }
        EnterTrigger::Entered(segment) => {
            lines.push(format!("enter with segment {}", segment.node));
            "when"
        }
        EnterTrigger::Left(segment) => {
            lines.push(format!("enter on leaving segment {}", segment.node));
            "when"
        }
        EnterTrigger::Date { fact, yearly, offset_days, at: clock_time } => {
            let every = if *yearly { "every year on" } else { "once on" };
            let mut line = format!("enter {every} {}", fact.node);
            match offset_days.node {
                0 => {}
                days => {
                    let _ = write!(line, " {days:+}d");
                }
            }
            lines.push(line + &at(clock_time.as_ref()));
            "when"
        }
        EnterTrigger::Silence { quiet_for, of } => {
            let of = if of.is_empty() { String::new() } else { format!(" of {}", names(of)) };
            lines.push(format!("enter after {} of silence{of}", written(quiet_for.node)));
            "when"
        }
    };
    lines.extend(enter.condition.as_ref().map(|it| format!("{condition} {}", code(it))));
    lines.extend(enter.per.as_ref().map(|per| format!("one for each {}", per.node)));
    lines.push(match enter.again {
        Again::Never => "once only".to_owned(),
        Again::AfterExit => "again after exit".to_owned(),
        Again::After(ms) => format!("again after {}", written(ms)),
        Again::Always => "again always".to_owned(),
    });
    lines
}

fn way(exit: &Exit) -> Way {
    let mut lines = match &exit.rule {
        ExitRule::Event { on, condition } => {
            let mut lines = vec![names(on)];
            lines.extend(condition.as_ref().map(|it| format!("where {}", code(it))));
            lines
        }
        ExitRule::When(condition) => vec![format!("when {}", code(condition))],
    };
    lines.extend(exit.value.as_ref().map(|value| format!("worth {}", code(value))));
    Way { goal: exit.goal, lines }
}

fn blocks(steps: &[Spanned<Step>], prefix: &str) -> Vec<Block> {
    let block =
        |(at, step): (usize, &Spanned<Step>)| block(&step.node, &format!("{prefix}{}", at + 1));
    steps.iter().enumerate().map(block).collect()
}

fn block(step: &Step, path: &str) -> Block {
    let plain = |kind, lines| Block { path: path.to_owned(), kind, lines, arms: Vec::new() };
    match step {
        Step::Wait(wait) => {
            let arms = match wait {
                Wait::Event { timeout, then, otherwise, .. } => vec![
                    arm("in time".to_owned(), then, path, 1),
                    arm(format!("not within {}", written(timeout.node)), otherwise, path, 2),
                ],
                _ => Vec::new(),
            };
            Block { arms, ..plain(Kind::Wait, waiting(wait)) }
        }
        Step::Choose(branches) => {
            Block { arms: choices(branches, path), ..plain(Kind::Decide, vec!["choose".into()]) }
        }
        Step::Split(arms) => {
            Block { arms: shares(arms, path), ..plain(Kind::Decide, vec!["split".into()]) }
        }
        Step::Send(send) => plain(Kind::Send, message(send)),
        Step::Emit { event, .. } => plain(Kind::Act, vec![format!("emit {}", event.node)]),
        Step::Set(values) => {
            let set =
                values.iter().map(|(name, value)| format!("set {} = {}", name.node, code(value)));
            plain(Kind::Act, set.collect())
        }
        Step::AddTo(list) => plain(Kind::Act, vec![format!("add to {}", list.node)]),
        Step::RemoveFrom(list) => plain(Kind::Act, vec![format!("remove from {}", list.node)]),
        Step::End => plain(Kind::End, vec!["end".to_owned()]),
    }
}

fn arm(label: String, steps: &[Spanned<Step>], path: &str, number: usize) -> Branching {
    Branching { label, steps: blocks(steps, &format!("{path}.{number}.")) }
}

fn choices(branches: &[Branch], path: &str) -> Vec<Branching> {
    let branch = |(at, branch): (usize, &Branch)| {
        let label = branch.when.as_ref().map_or_else(|| "else".to_owned(), code);
        arm(label, &branch.steps, path, at + 1)
    };
    let mut arms: Vec<Branching> = branches.iter().enumerate().map(branch).collect();
    // Where nothing holds, the journey goes on.
    if branches.iter().all(|branch| branch.when.is_some()) {
        arms.push(Branching { label: "else".to_owned(), steps: Vec::new() });
    }
    arms
}

fn shares(arms: &[Arm], path: &str) -> Vec<Branching> {
    let share = |(at, it): (usize, &Arm)| {
        let (whole, hundredths) = (it.share.node / 100, it.share.node % 100);
        let percent = match hundredths {
            0 => format!("{whole} %"),
            _ => format!("{whole}.{hundredths:02} %"),
        };
        let held = if it.hold_out { ", held out" } else { "" };
        arm(format!("{}: {percent}{held}", it.name.node), &it.steps, path, at + 1)
    };
    arms.iter().enumerate().map(share).collect()
}

fn waiting(wait: &Wait) -> Vec<String> {
    match wait {
        Wait::For(ms) => vec![format!("wait {}", written(ms.node))],
        Wait::UntilTime(time) => vec![format!("wait until {}", clock(time.node))],
        Wait::UntilDay { day, at } => {
            vec![format!("wait until day {} at {}", day.node, clock(at.node))]
        }
        Wait::UntilFact { fact, offset, at: time } => {
            let offset = match offset.node {
                0 => String::new(),
                ms if ms < 0 => format!(" - {}", written(-ms)),
                ms => format!(" + {}", written(ms)),
            };
            vec![format!("wait until {}{offset}{}", fact.node, at(time.as_ref()))]
        }
        Wait::UntilInstant { instant, at: time } => {
            vec![format!("wait until {}{}", code(instant), at(time.as_ref()))]
        }
        Wait::Quiet { quiet_for, of } => {
            let mut lines = vec![format!("wait for {} of silence", written(quiet_for.node))];
            if !of.is_empty() {
                lines.push(format!("of {}", names(of)));
            }
            lines
        }
        Wait::Event { on, condition, .. } => {
            let mut lines = vec![format!("wait for {}", names(on))];
            lines.extend(condition.as_ref().map(|it| format!("where {}", code(it))));
            lines
        }
    }
}

fn message(send: &Send) -> Vec<String> {
    let mut lines = vec![format!("send {}", send.channel.node), send.template.node.clone()];
    let purpose = send.purpose.as_ref().map(|it| it.node.as_str()).filter(|it| *it != "marketing");
    lines.extend(purpose.map(str::to_owned));
    if !send.tags.is_empty() {
        lines.push(format!("tags {}", names(&send.tags)));
    }
    lines.extend(send.valid_for.as_ref().map(|ms| format!("valid for {}", written(ms.node))));
    lines
}
