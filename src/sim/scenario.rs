//! Runs the tests of packs: scripts of events, time and expectations, on the same persons as the real thing.

use crate::audience::Alone;
use crate::catalogue::related::Related;
use crate::decode::Decoder;
use crate::define::ast::{Spanned, TestDef};
use crate::define::plan::{FactRule, Plan};
use crate::define::script::{
    Call, ClockSeconds, Expectation, ScriptLine, Verdict, When, parse_line,
};
use crate::epoch::Span;
use crate::event::{Event, Origin, Value};
use crate::identity::Resolver;
use crate::limits::ROUNDS_AFTER_END_MAX;
use crate::person::feedback::Feedback;
use crate::person::group::Groups;
use crate::person::keyed::Keyed;
use crate::person::{Decision, Effect, Outcome};
use crate::sink::write_value;
use crate::time::{self, DAY, MINUTE, SECOND};
use serde_json::json;
use std::sync::Arc;

/// Monday 2026-03-02, in days since 1970-01-01.
const FIRST_DAY: i64 = 20_514;

/// What is wrong with a test that failed: the line of the script, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub line: Spanned<String>,
    pub message: String,
}

/// Runs one test.
///
/// # Errors
/// The first expectation that does not hold.
pub fn run(plan: &Arc<Plan>, test: &TestDef) -> Result<(), Failure> {
    let mut stage = Stage::new(plan.clone());
    for line in &test.lines {
        let fail = |message| Failure { line: line.clone(), message };
        let parsed = parse_line(&line.node).map_err(fail)?;
        stage.play(parsed).map_err(fail)?;
    }
    let last =
        test.lines.last().cloned().unwrap_or(Spanned { node: String::new(), span: test.name.span });
    stage.settle();
    stage.nothing_left().map_err(|message| Failure { line: last, message })
}

/// A plan at work in the time of a script.
struct Stage {
    plan: Arc<Plan>,
    decoder: Decoder,
    keyed: Keyed,
    /// Who is who, if several identifiers can be one person.
    resolver: Option<Resolver>,
    /// Compares the persons with one another, if the plan does.
    audience: Alone,
    /// Counts which products persons have together.
    related: Related,
    /// The instant of the last line.
    now: i64,
    /// All before this has happened.
    watermark: i64,
    /// Events of this instant, not taken in yet.
    events: Vec<Event>,
    lines: u64,
    /// Decisions that no expectation has named, with their persons.
    decisions: Vec<(String, Decision)>,
}

impl Stage {
    fn new(plan: Arc<Plan>) -> Stage {
        let now = plan.policy.zone.at(FIRST_DAY, 0);
        Stage {
            decoder: Decoder::new(&plan.inputs),
            keyed: Keyed::new(plan.clone(), time::HOUR, None),
            resolver: plan.inputs.identity.clone().map(Resolver::new),
            audience: Alone::default(),
            related: Related::default(),
            plan,
            now,
            watermark: now,
            events: Vec::new(),
            lines: 0,
            decisions: Vec::new(),
        }
    }

    fn play(&mut self, line: ScriptLine) -> Result<(), String> {
        match line {
            ScriptLine::Blank => Ok(()),
            ScriptLine::Event { at, late, person, call, fields } => {
                let time = self.instant(at);
                if !late {
                    self.go_to(at)?;
                } else if time > self.now {
                    return Err(format!("this is not late: it is {} yet", self.shown(self.now)));
                }
                self.take(&person, &call, &fields, time)
            }
            ScriptLine::Run { at } => {
                self.go_to(at)?;
                self.settle();
                Ok(())
            }
            ScriptLine::Expect(expectation) => {
                self.settle();
                self.expect(&expectation)
            }
        }
    }

    fn instant(&self, when: When) -> i64 {
        let zone = &self.plan.policy.zone;
        let at = |day, clock: ClockSeconds| {
            zone.at(day, clock.minute) + i64::from(clock.second) * SECOND
        };
        match when {
            When::Plus(length) => self.now + length,
            When::Clock(clock) => at(zone.day(self.now), clock),
            When::Day { n, clock } => at(FIRST_DAY + i64::from(n) - 1, clock),
            When::Date { date, clock } => {
                let day = time::parse_date(&date.to_string()).unwrap_or(0) / DAY;
                at(day, clock)
            }
        }
    }

    fn go_to(&mut self, when: When) -> Result<(), String> {
        let at = self.instant(when);
        if at < self.now {
            return Err(format!(
                "this is before the last line, which is at {}",
                self.shown(self.now)
            ));
        }
        if at > self.now {
            self.happen(at);
            self.now = at;
        }
        Ok(())
    }

    /// Takes in what is at hand and lets time pass up to `until`. Where persons hear of one another, an epoch is a millisecond in
    /// which something happens, what is heard among it.
    fn happen(&mut self, until: i64) {
        if !self.plan.feeds_back() {
            return self.epoch(until);
        }
        let (mut rounds, mut heard) = (0, false);
        loop {
            let next = match (heard, self.events.is_empty()) {
                (true, _) => self.watermark,
                (_, false) => self.watermark.max(self.now),
                _ => self.keyed.earliest_timer().max(self.watermark),
            };
            let end = until.min(next.saturating_add(1));
            self.epoch(end);
            let feedback = self.feedback();
            heard = !feedback.is_empty();
            self.keyed.hear(feedback);
            rounds += u64::from(end >= until);
            if end >= until && (!heard || rounds > ROUNDS_AFTER_END_MAX) {
                return;
            }
        }
    }

    /// What persons hear of what was said in the last epoch.
    fn feedback(&mut self) -> Vec<Feedback> {
        let answers = self.audience.answers(&self.plan, self.keyed.take_said(0));
        let best = self.related.take(&self.keyed.take_pairs());
        let addressed = self.keyed.take_addressed(0).into_iter().map(|(_, feedback)| feedback);
        let answers = answers.into_iter().map(Feedback::Answer);
        let best = (!best.is_empty()).then_some(Feedback::Best(best));
        answers.chain(best).chain(addressed).collect()
    }

    fn epoch(&mut self, until: i64) {
        let mut events = std::mem::take(&mut self.events);
        let mut effects: Vec<(i64, u64, usize, String, Decision)> = Vec::new();
        loop {
            let span = Span { begin: self.watermark, end: until, clock: i64::MIN };
            let resolver = self.resolver.as_mut();
            let scripts = resolver.map(|it| it.resolve(&mut events, span)).unwrap_or_default();
            let groups = Groups::new(scripts);
            self.keyed.epoch_with(&mut events, groups, span, &mut |person, hash, out| {
                for (at, effect) in out.drain(..).enumerate() {
                    if let Effect::Decision(decision) = effect {
                        effects.push((decision.time, hash, at, person.to_owned(), *decision));
                    }
                }
            });
            events.clear();
            if self.keyed.earliest_timer() >= until {
                break;
            }
        }
        effects.sort_by_key(|(time, hash, at, ..)| (*time, *hash, *at));
        self.decisions.extend(effects.into_iter().map(|(.., person, decision)| (person, decision)));
        self.watermark = self.watermark.max(until);
    }

    /// Lets everything at this instant happen, timers included.
    fn settle(&mut self) {
        self.happen(self.now + 1);
    }

    fn take(
        &mut self,
        person: &str,
        call: &Call,
        fields: &[(String, serde_json::Value)],
        time: i64,
    ) -> Result<(), String> {
        self.lines += 1;
        let mut properties = json!({});
        for (path, value) in fields {
            nest(&mut properties, path, value.clone());
        }
        let context = properties.as_object_mut().and_then(|object| object.remove("context"));
        let mut event = json!({
            "timestamp": time::format(time),
            "messageId": format!("line-{}", self.lines),
            "context": context.unwrap_or(json!({})),
        });
        let (kind, holder) = match call {
            Call::Track(name) => {
                event["event"] = json!(name);
                ("track", "properties")
            }
            Call::Identify => ("identify", "traits"),
            Call::Page => ("page", "properties"),
            Call::Screen => ("screen", "properties"),
            Call::Group => ("group", "traits"),
            Call::Alias => ("alias", "traits"),
        };
        for identifier in person.split('+') {
            match identifier.split_once(':') {
                None => event["userId"] = json!(identifier),
                Some(("user", id)) => event["userId"] = json!(id),
                Some(("anonymous", id)) => event["anonymousId"] = json!(id),
                Some((kind, _)) => {
                    let hint = format!("write {kind}=… after the name of the event");
                    return Err(format!("{identifier} does not stand in the envelope; {hint}"));
                }
            }
        }
        event["type"] = json!(kind);
        match call {
            Call::Group => {
                let id = properties.as_object_mut().and_then(|object| object.remove("groupId"));
                event["groupId"] = id.unwrap_or_default();
                event[holder] = properties;
            }
            Call::Alias => event["previousId"] = properties["previousId"].take(),
            _ => event[holder] = properties,
        }
        let origin = Origin { source: 0, position: self.lines };
        match self.decoder.decode(event.to_string().as_bytes(), origin) {
            Ok(event) if self.decoder.ignores(&event) => {}
            Ok(event) => self.events.push(event),
            Err(reject) => {
                return Err(format!("rejected: {}: {}", reject.reason.as_str(), reject.detail));
            }
        }
        Ok(())
    }

    fn expect(&mut self, expectation: &Expectation) -> Result<(), String> {
        match expectation {
            Expectation::Nothing => self.nothing_left(),
            Expectation::Decision { person, verdict, channel, template, at, because } => {
                let at = at.map(|at| self.instant(at));
                self.expect_decision(person, *verdict, channel, template, at, because.as_deref())
            }
            Expectation::Segment { person, segment, inside } => {
                let id = self.plan.segment_named(segment).ok_or("there is no such segment")?;
                let found = self.person(person).is_some_and(|person| person.in_segment(id));
                agree(found, *inside, &format!("{person} is in {segment}"))
            }
            Expectation::Journey { person, journey, inside } => {
                let id = self.plan.journey_named(journey).ok_or("there is no such journey")?;
                let found = self
                    .person(person)
                    .is_some_and(|person| person.open_instances().any(|one| one.journey == id));
                agree(found, *inside, &format!("{person} is in journey {journey}"))
            }
            Expectation::Fact { person, fact, value } => {
                self.expect_fact(person, fact, value.as_ref())
            }
        }
    }

    fn person(&self, name: &str) -> Option<crate::person::Person> {
        self.keyed.person(&self.id(name))
    }

    /// The person that is meant: by any identifier, of which a bare name is a `userId`.
    fn id(&self, name: &str) -> String {
        let identifier = identifier(name);
        match &self.resolver {
            Some(resolver) => resolver.graph().owner(&identifier).person.into(),
            None => identifier,
        }
    }

    fn expect_decision(
        &mut self,
        person: &str,
        verdict: Verdict,
        channel: &str,
        template: &str,
        at: Option<i64>,
        because: Option<&str>,
    ) -> Result<(), String> {
        // What was decided before a link bears the name of then.
        let (then, person) = (identifier(person), self.id(person));
        let wanted = |(who, decision): &(String, Decision)| {
            let send = &self.plan.sends[decision.send.0 as usize];
            let (word, reason) = outcome(&self.plan, &decision.outcome);
            (*who == person || *who == then)
                && word == verdict
                && send.channel == channel
                && send.template == template
                && at.is_none_or(|at| at == decision.time - decision.time.rem_euclid(SECOND))
                && because.is_none_or(|because| reason.as_deref() == Some(because))
        };
        let Some(found) = self.decisions.iter().position(wanted) else {
            return Err(format!("there is no such decision; {}", self.listed()));
        };
        // At one instant, what is sent to different persons has no order.
        let instant = self.decisions[found].1.time;
        let mut skipped = self.decisions[..found].iter().filter(|(who, decision)| {
            decision.outcome == Outcome::Send && (*who == person || decision.time < instant)
        });
        if verdict == Verdict::Send && skipped.next().is_some() {
            return Err(format!("another message was sent before it; {}", self.listed()));
        }
        self.decisions.remove(found);
        Ok(())
    }

    fn nothing_left(&self) -> Result<(), String> {
        let sent = self.decisions.iter().any(|(_, decision)| decision.outcome == Outcome::Send);
        if sent { Err(format!("something was sent; {}", self.listed())) } else { Ok(()) }
    }

    /// What has been decided and not named, for messages.
    fn listed(&self) -> String {
        if self.decisions.is_empty() {
            return "nothing has been decided that is not named yet".into();
        }
        let lines = self.decisions.iter().map(|(person, decision)| {
            let send = &self.plan.sends[decision.send.0 as usize];
            let (word, reason) = outcome(&self.plan, &decision.outcome);
            let name = person.strip_prefix("user:").unwrap_or(person);
            let because = reason.map_or(String::new(), |reason| format!(" because {reason}"));
            format!(
                "\n    {name} {} {} {}{because} at {}",
                format!("{word:?}").to_lowercase(),
                send.channel,
                send.template,
                self.shown(decision.time)
            )
        });
        format!("not named yet:{}", lines.collect::<String>())
    }

    /// An instant as scripts write it.
    fn shown(&self, at: i64) -> String {
        let zone = &self.plan.policy.zone;
        let (day, minute) = (zone.day(at) - FIRST_DAY + 1, zone.minute_of_day(at));
        let seconds = at.rem_euclid(MINUTE) / SECOND;
        let clock = format!("{:02}:{:02}", minute / 60, minute % 60);
        if seconds == 0 {
            format!("day {day} {clock}")
        } else {
            format!("day {day} {clock}:{seconds:02}")
        }
    }

    fn expect_fact(
        &self,
        person: &str,
        written: &str,
        wanted: Option<&serde_json::Value>,
    ) -> Result<(), String> {
        let (name, part) = written.split_once('.').unwrap_or((written, ""));
        let id = self.plan.fact_named(name).ok_or("there is no such fact")?;
        let fact = &self.plan.facts[id.0 as usize];
        if fact.per.is_some() {
            return Err(format!(
                "{name} has a value for each value of its \"per\", and none of its own"
            ));
        }
        let found = self.person(person).map_or(Value::Missing, |person| match &fact.rule {
            FactRule::Basket(_) => person.basket(&self.plan, id, None, part, self.now),
            _ => person.fact(&self.plan, id, None, self.now),
        });
        let mut text = Vec::new();
        write_value(&mut text, &found);
        let text = String::from_utf8_lossy(&text).into_owned();
        let same = match wanted {
            None => found == Value::Missing,
            Some(wanted) => serde_json::from_str::<serde_json::Value>(&text)
                .is_ok_and(|found| found == *wanted || same_number(&found, wanted)),
        };
        if same { Ok(()) } else { Err(format!("{written} is {text}")) }
    }
}

fn identifier(name: &str) -> String {
    if name.contains(':') { name.to_owned() } else { format!("user:{name}") }
}

fn same_number(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    a.as_f64().is_some() && a.as_f64() == b.as_f64()
}

fn agree(found: bool, wanted: bool, what: &str) -> Result<(), String> {
    if found == wanted {
        return Ok(());
    }
    Err(if found { what.to_string() } else { format!("it is not so that {what}") })
}

fn outcome(plan: &Plan, outcome: &Outcome) -> (Verdict, Option<String>) {
    match outcome {
        Outcome::Send => (Verdict::Send, None),
        Outcome::Defer { reason, .. } => (Verdict::Defer, Some(plan.reason(*reason))),
        Outcome::Drop { reason } => (Verdict::Drop, Some(plan.reason(*reason))),
    }
}

/// Puts a value under a dotted name.
fn nest(into: &mut serde_json::Value, path: &str, value: serde_json::Value) {
    match path.split_once('.') {
        None => into[path] = value,
        Some((first, rest)) => {
            if !into[first].is_object() {
                into[first] = json!({});
            }
            nest(&mut into[first], rest, value);
        }
    }
}
