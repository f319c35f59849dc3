//! The gates as they were asked about one message, each with its figures: what [`super::policy`] has decided, in words and
//! numbers. The reason is the decision's own; here is only said what each gate saw.

use super::effect::{Outcome, Reason};
use super::eval::Cx;
use super::instance::Instance;
use super::{Person, facts};
use crate::define::compile::length_text;
use crate::define::plan::{FactId, Plan, SegmentId, SendId, SendPlan, Window};
use crate::event::{Num, Value, list};
use crate::limits::{BEHIND_MAX, MESSAGES_PER_INSTANT_MAX};
use crate::time::MINUTE;
use crate::time::zone::Zone;

/// One gate, or one rule of it.
#[derive(Clone, Debug, PartialEq)]
pub struct GateAsked {
    pub gate: &'static str,
    /// Which of the gate's rules, if it can have several.
    pub rule: Option<String>,
    pub verdict: Verdict,
    /// What it saw, in words; clock times are the person's.
    pub says: String,
    /// The same as data.
    pub figures: Vec<(&'static str, Value)>,
    /// The fact on which it rests.
    pub fact: Option<FactId>,
}

/// What a gate said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Passes,
    Holds,
    /// Another one before it holds the message.
    NotAsked,
}

impl Verdict {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Passes => "passes",
            Verdict::Holds => "holds",
            Verdict::NotAsked => "not asked",
        }
    }
}

/// A gate that would hold for this reason, and whether it does by its figures.
struct Seen {
    asked: GateAsked,
    reason: Reason,
    holds: bool,
}

/// What every gate is asked about.
struct Message<'a> {
    person: &'a Person,
    plan: &'a Plan,
    instance: &'a Instance,
    message: &'a SendPlan,
    due: i64,
    clock: i64,
    zone: Zone,
}

/// All gates in the order in which they are asked, up to the one that holds; those after it were not asked.
pub(super) fn asked(
    person: &Person,
    plan: &Plan,
    instance: &Instance,
    send: SendId,
    due: i64,
    clock: i64,
    outcome: &Outcome,
) -> Vec<GateAsked> {
    let message = &plan.sends[usize::from(send.0)];
    let zone = person.zone(plan);
    let it = Message { person, plan, instance, message, due, clock, zone };
    let reason = match outcome {
        Outcome::Send => None,
        Outcome::Defer { reason, .. } | Outcome::Drop { reason } => Some(*reason),
    };
    let mut seen = Vec::new();
    if reason == Some(Reason::Limit) {
        seen.push(limit());
    }
    seen.push(it.expired());
    seen.push(it.hold_out());
    seen.extend(message.consents.iter().map(|rule| it.consent(*rule)));
    // The policy and the journey may name the same one.
    let segments = &message.suppressed_by;
    let new = |at: &usize| !segments[..*at].contains(&segments[*at]);
    seen.extend((0..segments.len()).filter(new).map(|at| it.suppression(segments[at])));
    seen.extend(message.quiet_hours.iter().map(|rule| it.quiet_hours(*rule)));
    seen.extend(message.caps.iter().map(|cap| it.cap(*cap)));
    seen.push(it.catching_up());
    judged(seen, reason)
}

/// The first of the gates that would hold for the reason is the one that has held.
fn judged(seen: Vec<Seen>, reason: Option<Reason>) -> Vec<GateAsked> {
    let holds = |at: &&Seen| reason == Some(at.reason) && at.holds;
    let held = seen.iter().position(|it| holds(&it));
    let verdict = |at: usize| match held {
        Some(held) if at > held => Verdict::NotAsked,
        Some(held) if at == held => Verdict::Holds,
        _ => Verdict::Passes,
    };
    let mut all = Vec::new();
    for (at, Seen { asked, .. }) in seen.into_iter().enumerate() {
        all.push(match verdict(at) {
            // What was not asked has seen nothing.
            Verdict::NotAsked => GateAsked {
                verdict: Verdict::NotAsked,
                says: String::new(),
                figures: Vec::new(),
                fact: None,
                ..asked
            },
            verdict => GateAsked { verdict, ..asked },
        });
    }
    all
}

fn gate(gate: &'static str, rule: Option<String>, says: String) -> GateAsked {
    let verdict = Verdict::Passes;
    GateAsked { gate, rule, verdict, says, figures: Vec::new(), fact: None }
}

fn limit() -> Seen {
    let says = format!("more than {MESSAGES_PER_INSTANT_MAX} messages at one instant");
    Seen { asked: gate("limit", None, says), reason: Reason::Limit, holds: true }
}

impl Message<'_> {
    fn expired(&self) -> Seen {
        let (now, due) = (self.person.now, self.due);
        let mut asked = gate("expired", None, "valid at any time".into());
        let mut holds = false;
        if let Some(valid_for) = self.message.valid_for {
            holds = now - due > valid_for;
            let until = due.saturating_add(valid_for);
            asked.says = format!(
                "due {}, valid for {}, until {}",
                self.zone.text(due),
                length_text(valid_for),
                self.zone.text(until)
            );
            asked.figures = vec![
                ("due", Value::Time(due)),
                ("valid_until", Value::Time(until)),
                ("now", Value::Time(now)),
            ];
        }
        Seen { asked, reason: Reason::Expired, holds }
    }

    fn hold_out(&self) -> Seen {
        let holds = self.instance.hold_out;
        let says = if holds { "in the hold-out of a split" } else { "in no hold-out" };
        let mut asked = gate("hold-out", None, says.into());
        asked.figures = vec![("held_out", Value::Bool(holds))];
        Seen { asked, reason: Reason::HoldOut, holds }
    }

    fn consent(&self, rule: usize) -> Seen {
        let rule = &self.plan.policy.consents[rule];
        let cx = Cx::of(self.plan, self.person, self.person.now);
        let said = match facts::read(&cx, rule.fact).into_value() {
            Value::Bool(granted) => Some(granted),
            _ => None,
        };
        let granted = said.unwrap_or(rule.default);
        let word = if granted { "granted" } else { "denied" };
        let says = match said {
            Some(_) => word.to_owned(),
            None => format!("nothing said, so {word}"),
        };
        let name = fact_name(self.plan, rule.fact).replacen("consent ", "category ", 1);
        let mut asked = gate("consent", Some(name), says);
        asked.figures = vec![
            ("said", said.map_or(Value::Missing, Value::Bool)),
            ("granted", Value::Bool(granted)),
        ];
        asked.fact = Some(rule.fact);
        Seen { asked, reason: Reason::Consent, holds: !granted }
    }

    fn suppression(&self, segment: SegmentId) -> Seen {
        let holds = self.person.is_member(segment);
        let name = self.plan.segments[usize::from(segment.0)].name.clone();
        let says = if holds { "in it" } else { "not in it" };
        let mut asked = gate("suppressed by", Some(name), says.into());
        asked.figures = vec![("member", Value::Bool(holds))];
        Seen { asked, reason: Reason::Suppressed(segment), holds }
    }

    fn quiet_hours(&self, rule: usize) -> Seen {
        let rule = &self.plan.policy.quiet_hours[rule];
        let minute = self.zone.minute_of_day(self.person.now);
        let after = rule.from <= minute;
        let before = minute < rule.to;
        let holds = if rule.from < rule.to { after && before } else { after || before };
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let name = format!("{}–{}", clock(rule.from), clock(rule.to));
        let mut asked = gate("quiet hours", Some(name), format!("now {}", clock(minute)));
        let (from, to, now) = (clock(rule.from), clock(rule.to), clock(minute));
        let text = |text: String| Value::Str(text.into());
        asked.figures = vec![("from", text(from)), ("to", text(to)), ("now", text(now))];
        Seen { asked, reason: Reason::QuietHours, holds }
    }

    fn cap(&self, at: usize) -> Seen {
        let cap = &self.plan.policy.caps[at];
        let now = self.person.now;
        let from = match cap.window {
            Window::Sliding(length) => now - length + 1,
            Window::Calendar(period) => self.zone.period_start(now, period),
        };
        let sends = self.person.sends.iter();
        let used: Vec<_> =
            sends.filter(|(at, send)| *at >= from && cap.counts[usize::from(send.0)]).collect();
        let journey = |send: SendId| {
            let send = &self.plan.sends[usize::from(send.0)];
            self.plan.journeys[usize::from(send.journey.0)].name.as_str()
        };
        let by =
            used.iter().map(|(at, send)| format!("{} {}", journey(*send), self.zone.text(*at)));
        let by: Vec<String> = by.collect();
        let mut says = format!("{} of {} used", used.len(), cap.max);
        if !by.is_empty() {
            says += &format!(": {}", by.join(", "));
        }
        let mut asked = gate("cap", Some(cap.name.to_string()), says);
        let names = used.iter().map(|(_, send)| Value::Str(journey(*send).into()));
        asked.figures = vec![
            ("used", Value::Num(Num::count(used.len()))),
            ("max", Value::Num(Num::count(cap.max))),
            ("since", Value::Time(from)),
            ("by", list(names)),
            ("at", list(used.iter().map(|(at, _)| Value::Time(*at)))),
        ];
        let holds = used.len() >= cap.max;
        Seen { asked, reason: Reason::Cap(at as u16), holds }
    }

    fn catching_up(&self) -> Seen {
        let behind = self.clock.saturating_sub(self.person.now);
        let holds = behind > BEHIND_MAX;
        let says = match holds {
            true => format!("{} behind the clock", length_text(behind / MINUTE * MINUTE)),
            false => "not behind the clock".into(),
        };
        Seen { asked: gate("catching up", None, says), reason: Reason::CatchingUp, holds }
    }
}

/// A fact as people know it; what the policy reads of traits and consents has no name of its own, and is called so.
pub fn fact_name(plan: &Plan, fact: FactId) -> String {
    plan.facts[usize::from(fact.0)].name.replacen(':', " ", 1)
}
