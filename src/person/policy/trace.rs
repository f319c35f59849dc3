//! The gates as they were asked about one message, each with its figures: what [`super`] has decided, in words and
//! numbers. The reason is the decision's own; here is only said what each gate saw.

use super::{Message, exclusion, hold_out, hours, look_ahead, said, sends};
use crate::define::compile::length_text;
use crate::define::plan::{FactId, Plan, SegmentId, SendId};
use crate::event::{Num, Value, list};
use crate::limits::{BEHIND_MAX, MESSAGES_PER_INSTANT_MAX};
use crate::person::effect::{Outcome, Reason};
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
struct Asking<'a> {
    message: Message<'a>,
    clock: i64,
    zone: Zone,
}

/// All gates in the order in which they are asked, up to the one that holds; those after it were not asked.
pub(in crate::person) fn asked(message: Message, clock: i64, outcome: &Outcome) -> Vec<GateAsked> {
    let it = Asking { message, clock, zone: message.person.zone(message.plan) };
    let gates = &message.rules().gates;
    let reason = reason_of(outcome);
    let mut seen = Vec::new();
    if reason == Some(Reason::Limit) {
        seen.push(limit());
    }
    seen.push(it.expired());
    seen.push(it.hold_out());
    seen.extend(gates.consents.iter().map(|rule| it.consent(*rule)));
    // The policy and the journey may name the same one.
    let segments = &gates.suppressed_by;
    let new = |at: &usize| !segments[..*at].contains(&segments[*at]);
    seen.extend((0..segments.len()).filter(new).map(|at| it.suppression(segments[at])));
    if !gates.exclusive.is_empty() {
        seen.push(it.exclusion());
    }
    seen.extend(gates.quiet_hours.iter().map(|rule| it.quiet_hours(*rule)));
    if !gates.look_ahead.is_empty() {
        seen.push(it.look_ahead());
    }
    seen.extend(gates.caps.iter().map(|cap| it.cap(*cap)));
    seen.extend(gates.gaps.iter().map(|gap| it.gap(*gap)));
    seen.push(it.catching_up());
    seen.extend(gates.throttle.map(|at| it.throttle(at)));
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

impl Asking<'_> {
    fn expired(&self) -> Seen {
        let (now, due) = (self.message.now(), self.message.due);
        let mut asked = gate("expired", None, "valid at any time".into());
        let mut holds = false;
        if let Some(valid_for) = self.message.rules().valid_for {
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
        let holds = hold_out(&self.message).is_some();
        let says = match (holds, self.message.instance.hold_out) {
            (true, true) => "in the hold-out of a split",
            (true, false) => "in the hold-out of the policy",
            _ => "in no hold-out",
        };
        let mut asked = gate("hold-out", None, says.into());
        asked.figures = vec![("held_out", Value::Bool(holds))];
        Seen { asked, reason: Reason::HoldOut, holds }
    }

    fn exclusion(&self) -> Seen {
        let reason = exclusion(&self.message).and_then(|verdict| reason_of(&verdict.outcome));
        let mut asked = gate("excluded by", None, "no other journey of its group is open".into());
        if let Some(reason) = reason {
            asked.says = format!("{}, which is open", self.message.plan.reason(reason));
        }
        asked.figures = vec![("excluded", Value::Bool(reason.is_some()))];
        let holds = reason.is_some();
        Seen { asked, reason: reason.unwrap_or(Reason::Limit), holds }
    }

    fn look_ahead(&self) -> Seen {
        let verdict = look_ahead(&self.message);
        let mut asked = gate("look-ahead", None, "nothing that matters more is due soon".into());
        let mut reason = None;
        if let Some(Outcome::Defer { until, reason: waits }) = verdict.map(|it| it.outcome) {
            let (what, until) = (self.message.plan.reason(waits), self.zone.text(until));
            asked.says = format!("{what}, due {until}");
            reason = Some(waits);
        }
        asked.figures = vec![("waits", Value::Bool(reason.is_some()))];
        let holds = reason.is_some();
        Seen { asked, reason: reason.unwrap_or(Reason::Limit), holds }
    }

    fn gap(&self, at: usize) -> Seen {
        let Message { plan, person, .. } = self.message;
        let gap = &plan.policy.gaps[at];
        let last = sends::last(person, gap);
        let free = last.map(|last| last.saturating_add(gap.min));
        let holds = free.is_some_and(|free| person.now < free);
        let says = last.map_or("nothing sent before".into(), |last| {
            format!("last sent {}", self.zone.text(last))
        });
        let mut asked = gate("gap", Some(gap.name.to_string()), says);
        let time = |at: Option<i64>| at.map_or(Value::Missing, Value::Time);
        asked.figures = vec![("last", time(last)), ("free", time(free))];
        Seen { asked, reason: Reason::Gap(at as u16), holds }
    }

    fn throttle(&self, at: usize) -> Seen {
        let throttle = &self.message.plan.policy.throttles[at];
        let holds = !self.message.granted;
        let says = if holds { "asks for a place" } else { "has a place" };
        let mut asked = gate("throttle", Some(throttle.name.to_string()), says.into());
        asked.figures = vec![("max", Value::Num(Num::count(throttle.max as usize)))];
        Seen { asked, reason: Reason::Throttle(at as u16), holds }
    }

    fn consent(&self, rule: usize) -> Seen {
        let plan = self.message.plan;
        let rule = &plan.policy.consents[rule];
        let said = said(&self.message, rule);
        let granted = said.unwrap_or(rule.default);
        let word = if granted { "granted" } else { "denied" };
        let says = match said {
            Some(_) => word.to_owned(),
            None => format!("nothing said, so {word}"),
        };
        let name = fact_name(plan, rule.fact).replacen("consent ", "category ", 1);
        let mut asked = gate("consent", Some(name), says);
        asked.figures = vec![
            ("said", said.map_or(Value::Missing, Value::Bool)),
            ("granted", Value::Bool(granted)),
        ];
        asked.fact = Some(rule.fact);
        Seen { asked, reason: Reason::Consent, holds: !granted }
    }

    fn suppression(&self, segment: SegmentId) -> Seen {
        let holds = self.message.person.is_member(segment);
        let name = self.message.plan.segments[usize::from(segment.0)].name.clone();
        let says = if holds { "in it" } else { "not in it" };
        let mut asked = gate("suppressed by", Some(name), says.into());
        asked.figures = vec![("member", Value::Bool(holds))];
        Seen { asked, reason: Reason::Suppressed(segment), holds }
    }

    fn quiet_hours(&self, rule: usize) -> Seen {
        let (policy, now) = (&self.message.plan.policy, self.message.now());
        let rule = &policy.quiet_hours[rule];
        let holds = hours::is_quiet(policy, rule, &self.zone, now);
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let days = hours::days_text(rule);
        let hours = rule.hours.map(|(from, to)| format!("{}–{}", clock(from), clock(to)));
        let name = [hours, days].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let minute = clock(self.zone.minute_of_day(now));
        let mut asked = gate("quiet hours", Some(name), format!("now {minute}"));
        let text = |text: String| Value::Str(text.into());
        let of = |at: Option<u16>| at.map_or(Value::Missing, |at| text(clock(at)));
        let (from, to) = (of(rule.hours.map(|it| it.0)), of(rule.hours.map(|it| it.1)));
        asked.figures = vec![("from", from), ("to", to), ("now", text(minute))];
        Seen { asked, reason: Reason::QuietHours, holds }
    }

    fn cap(&self, at: usize) -> Seen {
        let Message { plan, person, .. } = self.message;
        let cap = &plan.policy.caps[at];
        let since = sends::since(person, plan, cap);
        let used: Vec<_> = sends::counted(person, cap, since).collect();
        let journey = |send: SendId| {
            let send = &plan.sends[usize::from(send.0)];
            plan.journeys[usize::from(send.journey.0)].name.as_str()
        };
        let by = used.iter();
        let by = by.map(|sent| format!("{} {}", journey(sent.send), self.zone.text(sent.at)));
        let by: Vec<String> = by.collect();
        let mut says = format!("{} of {} used", used.len(), cap.max);
        if !by.is_empty() {
            says += &format!(": {}", by.join(", "));
        }
        let mut asked = gate("cap", Some(cap.name.to_string()), says);
        let names = used.iter().map(|sent| Value::Str(journey(sent.send).into()));
        asked.figures = vec![
            ("used", Value::Num(Num::count(used.len()))),
            ("max", Value::Num(Num::count(cap.max))),
            ("since", Value::Time(since)),
            ("by", list(names)),
            ("at", list(used.iter().map(|sent| Value::Time(sent.at)))),
        ];
        let holds = used.len() >= cap.max;
        Seen { asked, reason: Reason::Cap(at as u16), holds }
    }

    fn catching_up(&self) -> Seen {
        let behind = self.clock.saturating_sub(self.message.now());
        let holds = behind > BEHIND_MAX;
        let says = match holds {
            true => format!("{} behind the clock", length_text(behind / MINUTE * MINUTE)),
            false => "not behind the clock".into(),
        };
        Seen { asked: gate("catching up", None, says), reason: Reason::CatchingUp, holds }
    }
}

fn reason_of(outcome: &Outcome) -> Option<Reason> {
    match outcome {
        Outcome::Send => None,
        Outcome::Defer { reason, .. } | Outcome::Drop { reason } => Some(*reason),
    }
}

/// A fact as people know it; what the policy reads of traits and consents has no name of its own, and is called so.
pub fn fact_name(plan: &Plan, fact: FactId) -> String {
    plan.facts[usize::from(fact.0)].name.replacen(':', " ", 1)
}
