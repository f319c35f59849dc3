//! One run through a journey: how it begins, goes from step to step, and ends.

use super::calendar;
use super::eval::{Entry, Scope};
use super::line::Event;
use super::person::{EntryKey, Person, priority};
use super::value::Value;
use crate::define::ast::{
    Again, Arm, Branch, Exit, ExitRule, Expr, JourneyDef, Name, Spanned, Step, Wait,
};
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Open instances of one person; a further entry is ignored.
const INSTANCES_MAX: usize = 64;

/// Events that journeys emit for one person at one instant; what is beyond is dropped.
const EMITTED_MAX: usize = 16;

/// A person's (or a cart's, an order's) run through a journey.
pub struct Instance<'a> {
    pub journey: &'a JourneyDef,
    pub key: Option<String>,
    pub entry: Entry,
    /// The instant of the entry.
    pub entered: i64,
    /// Grows from one instance to the next.
    pub age: u64,
    /// Alternately the number of a step and of a branch in it, from 1.
    pub path: Vec<usize>,
    pub state: State<'a>,
    /// In the arm of a split that sends nothing.
    pub is_held_out: bool,
}

/// What an instance waits for.
pub enum State<'a> {
    /// The time; where it stands at a wait for an event, that too.
    Waiting { until: i64 },
    /// A silence.
    Quiet { since: i64, quiet_for: i64, of: &'a [Name] },
    /// The decision about its message: pending, or deferred; held until what holds it ends.
    Sending { due: i64, until: Option<i64>, held: bool },
}

impl<'a> Instance<'a> {
    /// By priority, journey, key and age.
    pub fn order(&self) -> (i64, String, Option<String>, u64) {
        let name = self.journey.name.node.clone();
        (-priority(self.journey), name, self.key.clone(), self.age)
    }

    /// The step it stands at.
    pub fn step(&self) -> Option<&'a Step> {
        let (last, parents) = self.path.split_last()?;
        let step = steps_in(self.journey, parents).get(last.checked_sub(1)?)?;
        Some(&step.node)
    }

    /// Whether the step after this one is a message.
    pub fn is_before_a_message(&self) -> bool {
        let mut path = self.path.clone();
        let next = advance(self.journey, &mut path).then(|| path.split_last()).flatten();
        let step = next.and_then(|(last, parents)| steps_in(self.journey, parents).get(last - 1));
        step.is_some_and(|step| matches!(step.node, Step::Send(_)))
    }

    /// Goes to the next step, out of branches that end here; false if there is none.
    pub fn advance(&mut self) -> bool {
        advance(self.journey, &mut self.path)
    }

    /// Goes to the first step of a branch (counted from 1), or behind it if it is empty.
    fn branch(&mut self, number: usize) -> bool {
        self.path.extend([number, 0]);
        self.advance()
    }

    /// The step's path as records show it, such as `4.2.1`.
    pub fn path_text(&self) -> String {
        match self.path.is_empty() {
            true => "-".to_string(),
            false => self.path.iter().map(usize::to_string).collect::<Vec<_>>().join("."),
        }
    }

    /// The key as records show it.
    pub fn key_text(&self) -> &str {
        self.key.as_deref().unwrap_or("-")
    }

    /// An event that carries another value than the key is about another instance.
    pub fn is_about(&self, event: &Event, per: Option<&Name>) -> bool {
        let keys = per.map(|per| event.keys(&per.node)).unwrap_or_default();
        keys.is_empty() || self.key.as_ref().is_some_and(|key| keys.contains(key))
    }

    /// The conditions of `exit: when`.
    pub fn exit_conditions(&self) -> Vec<&'a Expr> {
        let conditions = self.journey.exit.iter().filter_map(|exit| match &exit.rule {
            ExitRule::When(condition) => Some(condition),
            ExitRule::Event { .. } => None,
        });
        conditions.collect()
    }
}

/// The list of steps that a path without its last number leads to.
fn steps_in<'a>(journey: &'a JourneyDef, parents: &[usize]) -> &'a [Spanned<Step>] {
    let mut steps = journey.steps.as_slice();
    for pair in parents.chunks(2) {
        let [step, branch] = pair else { return &[] };
        let inner =
            steps.get(step - 1).and_then(|step| branches(&step.node).get(branch - 1).copied());
        match inner {
            Some(inner) => steps = inner,
            None => return &[],
        }
    }
    steps
}

fn branches(step: &Step) -> Vec<&[Spanned<Step>]> {
    match step {
        Step::Choose(branches) => branches.iter().map(|branch| &branch.steps[..]).collect(),
        Step::Split(arms) => arms.iter().map(|arm| &arm.steps[..]).collect(),
        Step::Wait(Wait::Event { then, otherwise, .. }) => vec![then, otherwise],
        _ => Vec::new(),
    }
}

impl<'a> Person<'a> {
    /// What expressions of an instance see when no event is at hand.
    pub fn scope<'b>(&'b self, instance: &'b Instance<'a>) -> Scope<'b> {
        Scope {
            entry: Some(&instance.entry),
            key: instance.key.as_deref(),
            ..Scope::of_person(&self.known, self.now)
        }
    }

    /// The instance of an age, if it is still open.
    pub fn find(&mut self, age: u64) -> Option<&mut Instance<'a>> {
        self.instances.iter_mut().find(|instance| instance.age == age)
    }

    fn record_of(&mut self, age: u64, what: &str) {
        if let Some(instance) = self.find(age) {
            let (name, key) = (&instance.journey.name.node, instance.key_text());
            let text = format!("journey {name} key={key} {what}");
            self.record(&text);
        }
    }

    /// Begins a run if the condition holds and the rule about entering again allows it.
    pub fn enter(&mut self, journey: &'a JourneyDef, key: Option<String>, entry: Entry) -> bool {
        let scope = Scope {
            event: entry.event.as_ref(),
            key: key.as_deref(),
            ..Scope::of_person(&self.known, self.now)
        };
        let entries = EntryKey { journey: journey.name.node.clone(), key: key.clone() };
        if !scope.holds(journey.enter.condition.as_ref())
            || !self.may_enter(journey, &entries)
            || self.instances.len() >= INSTANCES_MAX
        {
            return false;
        }
        self.entries.insert(entries, self.now);
        self.last_age += 1;
        let age = self.last_age;
        self.instances.push(Instance {
            journey,
            key,
            entry,
            entered: self.now,
            age,
            path: vec![0],
            state: State::Waiting { until: i64::MAX },
            is_held_out: false,
        });
        self.record_of(age, "entered");
        self.go_on(age, Instance::advance);
        true
    }

    fn may_enter(&self, journey: &JourneyDef, entries: &EntryKey) -> bool {
        let last = self.entries.get(entries);
        let is_open = self
            .instances
            .iter()
            .any(|instance| instance.journey.name == journey.name && instance.key == entries.key);
        match journey.enter.again {
            Again::Never => last.is_none(),
            Again::AfterExit => !is_open,
            Again::After(least) => !is_open && last.is_none_or(|last| self.now - last >= least),
            Again::Always => true,
        }
    }

    /// Ends an instance.
    pub fn exit(&mut self, age: u64, reason: &str) {
        if let Some(instance) = self.find(age) {
            let step = instance.path_text();
            self.record_of(age, &format!("exited reason={reason} step={step}"));
            self.instances.retain(|instance| instance.age != age);
        }
    }

    /// Ends an instance whose exit this event is.
    pub fn exit_on(&mut self, age: u64, event: &Event) {
        let Some(instance) = self.instances.iter().find(|instance| instance.age == age) else {
            return;
        };
        let scope = Scope { event: Some(event), ..self.scope(instance) };
        let is_about = instance.is_about(event, instance.journey.enter.per.as_ref());
        let exits = instance.journey.exit.iter().find(|exit| match &exit.rule {
            ExitRule::Event { on, condition } => {
                is_about && event.is_one_of(on) && scope.holds(condition.as_ref())
            }
            ExitRule::When(_) => false,
        });
        if let Some(exit) = exits {
            self.exit(age, reason(exit));
        }
    }

    /// Ends every instance of which an exit condition holds. Whether there was one.
    pub fn exit_when(&mut self) -> bool {
        let mut any = false;
        for age in self.in_order() {
            let Some(instance) = self.instances.iter().find(|instance| instance.age == age) else {
                continue;
            };
            let scope = self.scope(instance);
            let exits = instance.journey.exit.iter().find(|exit| match &exit.rule {
                ExitRule::When(condition) => scope.holds(Some(condition)),
                ExitRule::Event { .. } => false,
            });
            if let Some(exit) = exits {
                self.exit(age, reason(exit));
                any = true;
            }
        }
        any
    }

    /// Lets an instance go on that waits for this event.
    pub fn answer(&mut self, age: u64, event: &Event) {
        let Some(instance) = self.instances.iter().find(|instance| instance.age == age) else {
            return;
        };
        if let Some(Step::Wait(Wait::Event { on, condition, .. })) = instance.step() {
            let scope = Scope { event: Some(event), ..self.scope(instance) };
            let is_about = instance.is_about(event, instance.journey.enter.per.as_ref());
            if is_about && event.is_one_of(on) && scope.holds(condition.as_ref()) {
                self.go_on(age, |instance| instance.branch(1));
            }
        }
    }

    /// The time that an instance waited for has come.
    pub fn wait_is_over(&mut self, age: u64) {
        let Some(instance) = self.find(age) else {
            return;
        };
        match (instance.step(), &mut instance.state) {
            (_, State::Sending { until, .. }) => *until = None,
            (Some(Step::Wait(Wait::Event { .. })), _) => self.go_on(age, |i| i.branch(2)),
            _ => self.go_on(age, Instance::advance),
        }
    }

    /// Moves an instance and lets it run until it has to wait, or ends.
    pub fn go_on(&mut self, age: u64, go: impl Fn(&mut Instance<'a>) -> bool) {
        let Some(instance) = self.find(age) else {
            return;
        };
        let mut is_at_step = go(instance);
        while is_at_step {
            is_at_step = match self.do_step(age) {
                Next::Stay => return,
                Next::Advance => self.find(age).is_some_and(Instance::advance),
                Next::Branch(number) => self.find(age).is_some_and(|i| i.branch(number)),
                Next::End => return self.exit(age, "finished"),
            };
        }
        self.exit(age, "finished");
    }

    /// Does what the step says at which an instance has arrived.
    fn do_step(&mut self, age: u64) -> Next {
        let Some(instance) = self.instances.iter().find(|instance| instance.age == age) else {
            return Next::Stay;
        };
        let scope = self.scope(instance);
        match instance.step() {
            Some(Step::Wait(wait)) => match self.begin_wait(instance, wait) {
                Some(state) => {
                    self.stay(age, state);
                    Next::Stay
                }
                None => Next::Advance,
            },
            Some(Step::Choose(branches)) => choose(branches, &scope),
            Some(Step::Split(arms)) => {
                let number = self.arm(instance, arms);
                if arms[number - 1].hold_out {
                    self.find(age).into_iter().for_each(|instance| instance.is_held_out = true);
                }
                Next::Branch(number)
            }
            Some(Step::Send(_)) => {
                self.stay(age, State::Sending { due: self.now, until: None, held: false });
                Next::Stay
            }
            Some(Step::Emit { event, with }) => {
                let values = with.iter().map(|(name, expr)| (name, scope.eval(&expr.tree)));
                let known = values.filter(|(_, value)| !value.is_missing());
                let fields = known.map(|(name, value)| (name.node.clone(), value)).collect();
                self.emit(age, Event::made(self.now, &event.node, Value::Object(fields)))
            }
            Some(Step::Set(traits)) => self.set(age, traits),
            Some(Step::AddTo(list)) => self.change_list(age, &list.node, true),
            Some(Step::RemoveFrom(list)) => self.change_list(age, &list.node, false),
            Some(Step::End) | None => Next::End,
        }
    }

    /// Leaves an instance at its step.
    pub fn stay(&mut self, age: u64, state: State<'a>) {
        if let Some(instance) = self.find(age) {
            instance.state = state;
        }
    }

    /// How an instance waits; none if there is nothing to wait for.
    fn begin_wait(&self, instance: &Instance<'a>, wait: &'a Wait) -> Option<State<'a>> {
        let zone = self.known.zone();
        let until = match wait {
            Wait::For(duration) => self.now + duration.node,
            Wait::UntilTime(at) => calendar::next_clock(self.now, at.node, &zone),
            Wait::UntilDay { day, at } => {
                let first = calendar::day(instance.entered, &zone);
                let date = calendar::plus_days(first, i64::from(day.node) - 1);
                calendar::instant(date, at.node, &zone)
            }
            Wait::UntilFact { fact, offset, at } => {
                let value = self.known.fact_named(&fact.node, instance.key.as_deref(), self.now);
                let minutes = at.as_ref().map(|at| at.node);
                instant_of(&value, offset.node, minutes, &zone)?
            }
            Wait::UntilInstant { instant, at } => {
                let value = self.scope(instance).eval(&instant.tree);
                instant_of(&value, 0, at.as_ref().map(|at| at.node), &zone)?
            }
            Wait::Quiet { quiet_for, of } => {
                let (since, quiet_for) = (self.now, quiet_for.node);
                return Some(State::Quiet { since, quiet_for, of });
            }
            Wait::Event { timeout, .. } => {
                return Some(State::Waiting { until: self.now + timeout.node });
            }
        };
        (until > self.now).then_some(State::Waiting { until })
    }

    /// The arm of a split (from 1) that is this person's for ever.
    fn arm(&self, instance: &Instance, arms: &[Arm]) -> usize {
        let (journey, path) = (&instance.journey.name.node, instance.path_text());
        let text = format!("{journey}\u{1f}{path}\u{1f}{}", self.id);
        let place = xxhash_rust::xxh3::xxh3_64(text.as_bytes()) % 10_000;
        let mut sum = 0;
        for (index, arm) in arms.iter().enumerate() {
            sum += u64::from(arm.share.node);
            if place < sum {
                return index + 1;
            }
        }
        arms.len()
    }

    fn emit(&mut self, age: u64, event: Event) -> Next {
        if self.emitted_now < EMITTED_MAX {
            self.emitted_now += 1;
            self.record_of(age, &format!("emitted {}", event.name));
            self.emitted.push_back(event);
        }
        Next::Advance
    }

    fn set(&mut self, age: u64, traits: &[(Name, Expr)]) -> Next {
        for (name, expr) in traits {
            let Some(instance) = self.instances.iter().find(|instance| instance.age == age) else {
                continue;
            };
            let value = self.scope(instance).eval(&expr.tree);
            if !value.is_missing() {
                let mut event = Event::made(self.now, "", Value::Object(Vec::new()));
                event.traits.push((name.node.clone(), value));
                self.known.take_in(event, self.now);
                self.record_of(age, &format!("set {}", name.node));
            }
        }
        Next::Advance
    }

    fn change_list(&mut self, age: u64, list: &str, add: bool) -> Next {
        let lists = &mut self.known.lists;
        let changed = if add { lists.insert(list.to_string()) } else { lists.remove(list) };
        if changed {
            let what = if add { "added" } else { "removed" };
            self.record_of(age, &format!("{what} {list}"));
        }
        Next::Advance
    }
}

/// Where an instance goes from a step.
enum Next {
    Stay,
    Advance,
    Branch(usize),
    End,
}

fn advance(journey: &JourneyDef, path: &mut Vec<usize>) -> bool {
    while let Some(last) = path.pop() {
        if last < steps_in(journey, path).len() {
            path.push(last + 1);
            return true;
        }
        path.pop();
    }
    false
}

fn choose(branches: &[Branch], scope: &Scope) -> Next {
    match branches.iter().position(|branch| scope.holds(branch.when.as_ref())) {
        Some(index) => Next::Branch(index + 1),
        None => Next::Advance,
    }
}

fn reason(exit: &Exit) -> &'static str {
    if exit.goal { "goal" } else { "exit" }
}

/// The calendar day that a date, or a time in a zone, falls on.
pub fn day_of(value: &Value, zone: &TimeZone) -> Option<Date> {
    match value {
        Value::Date(date) => Some(*date),
        Value::Time(ms) => Some(calendar::day(*ms, zone)),
        _ => None,
    }
}

/// The same day of another year; 29 February is the 28th where there is none.
pub fn in_year(date: Date, year: i16) -> Date {
    let same = Date::new(year, date.month(), date.day());
    same.or_else(|_| Date::new(year, date.month(), 28)).unwrap_or(date)
}

/// The instant that a wait until a fact means.
fn instant_of(value: &Value, offset: i64, at: Option<u16>, zone: &TimeZone) -> Option<i64> {
    let base = match value {
        // Whole days before or after a day are days of the calendar.
        Value::Date(date) if offset % calendar::DAY == 0 => {
            let day = calendar::plus_days(*date, offset / calendar::DAY);
            return Some(calendar::instant(day, at.unwrap_or(0), zone));
        }
        Value::Date(date) => calendar::instant(*date, 0, zone),
        Value::Time(ms) => *ms,
        _ => return None,
    };
    let shifted = base.saturating_add(offset);
    Some(match at {
        Some(minutes) => calendar::instant(calendar::day(shifted, zone), minutes, zone),
        None => shifted,
    })
}
