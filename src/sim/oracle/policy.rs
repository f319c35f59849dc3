//! One pending message in, one decision out: the gates in the order of the language of packs.

use super::calendar;
use super::eval::Scope;
use super::facts::window_holds;
use super::journey::{Instance, State};
use super::person::Person;
use super::value::{duration_text, time_text};
use crate::define::ast::{Cap, Name, OnLimit, Period, QuietHours, Send, Step, Window};

/// Messages handled for one person at one instant; what is beyond is dropped.
const MESSAGES_MAX: usize = 64;

/// A message that was sent, as caps count it.
pub struct Sent {
    at: i64,
    journey: String,
    channel: String,
    /// Tags and the purpose.
    labels: Vec<String>,
    tags: Vec<String>,
}

/// What is to be done with a message.
enum Verdict {
    Send,
    Drop(String),
    Defer(String, i64),
    /// Dropped, and the instance exits.
    Exit(String),
}

impl Person<'_> {
    /// Decides the first of the pending messages. Whether there was one.
    pub fn decide_one(&mut self) -> bool {
        let pending = |age: &u64| {
            let instance = self.instances.iter().find(|instance| instance.age == *age)?;
            match (instance.step(), &instance.state) {
                (Some(Step::Send(send)), State::Sending { due, until: None }) => {
                    Some((instance, send, *due))
                }
                _ => None,
            }
        };
        let Some((instance, send, due)) = self.in_order().iter().find_map(pending) else {
            return false;
        };
        let message = Sent {
            at: self.now,
            journey: instance.journey.name.node.clone(),
            channel: send.channel.node.clone(),
            tags: send.tags.iter().map(|tag| tag.node.clone()).collect(),
            labels: labels(send),
        };
        let verdict = match self.messages_now < MESSAGES_MAX {
            true => self.verdict(instance, send, &message, due),
            false => Verdict::Drop("limit".to_string()),
        };
        let (age, text) = (instance.age, decision_text(instance, send, &verdict, due));
        self.messages_now += 1;
        self.record(&text);
        self.carry_out(age, verdict, message, due);
        true
    }

    fn carry_out(&mut self, age: u64, verdict: Verdict, message: Sent, due: i64) {
        match verdict {
            Verdict::Send => {
                self.sends.push(message);
                self.go_on(age, Instance::advance);
            }
            Verdict::Drop(_) => self.go_on(age, Instance::advance),
            Verdict::Defer(_, until) => {
                self.stay(age, State::Sending { due, until: Some(until) });
            }
            Verdict::Exit(_) => self.exit(age, "cap"),
        }
    }

    fn verdict(&self, instance: &Instance, send: &Send, message: &Sent, due: i64) -> Verdict {
        let valid_for = send.valid_for.as_ref().or(instance.journey.valid_for.as_ref());
        if valid_for.is_some_and(|valid_for| self.now - due > valid_for.node) {
            return Verdict::Drop("expired".to_string());
        }
        if instance.is_held_out {
            return Verdict::Drop("hold-out".to_string());
        }
        if !self.is_consented(send) {
            return Verdict::Drop("consent".to_string());
        }
        if let Some(segment) = self.suppressing(instance, message) {
            return Verdict::Drop(format!("suppressed by {segment}"));
        }
        let policy = self.known.pack.policy.as_ref();
        for quiet in policy.map_or(&[][..], |policy| &policy.quiet_hours) {
            if let Some(until) = self.quiet_until(quiet, message) {
                let reason = "quiet hours".to_string();
                return if quiet.defer {
                    Verdict::Defer(reason, until)
                } else {
                    Verdict::Drop(reason)
                };
            }
        }
        for cap in policy.map_or(&[][..], |policy| &policy.caps) {
            if let Some(until) = self.capped_until(cap, message) {
                let reason = format!("cap {}", cap_name(cap));
                return match cap.on_limit {
                    OnLimit::Drop => Verdict::Drop(reason),
                    OnLimit::Wait => Verdict::Defer(reason, until),
                    OnLimit::Exit => Verdict::Exit(reason),
                };
            }
        }
        Verdict::Send
    }

    fn is_consented(&self, send: &Send) -> bool {
        let rules = self.known.pack.policy.as_ref().map_or(&[][..], |policy| &policy.consent);
        let purpose = purpose(send);
        rules.iter().all(|rule| {
            let is_meant = rule.channel.as_ref().is_none_or(|c| c.node == send.channel.node)
                && rule.purpose.as_ref().is_none_or(|p| p.node == purpose);
            !is_meant || self.known.consents(rule)
        })
    }

    fn suppressing(&self, instance: &Instance, message: &Sent) -> Option<String> {
        let rules = self.known.pack.policy.as_ref().map_or(&[][..], |policy| &policy.suppress);
        let rules = rules.iter().filter(|rule| !message.is_excepted(&rule.except));
        let scope = Scope::of_person(&self.known, self.now);
        rules
            .map(|rule| &rule.segment)
            .chain(&instance.journey.suppress_while)
            .find(|segment| scope.is_in(&segment.node))
            .map(|segment| segment.node.clone())
    }

    /// The end of the quiet hours that hold a message now.
    fn quiet_until(&self, quiet: &QuietHours, message: &Sent) -> Option<i64> {
        let channels = &quiet.channels;
        let is_meant = channels.is_empty() || channels.iter().any(|c| c.node == message.channel);
        if !is_meant || message.is_excepted(&quiet.except) {
            return None;
        }
        let zone = self.known.zone();
        let (from, to) = (i64::from(quiet.from.node) * 60_000, i64::from(quiet.to.node) * 60_000);
        let clock = calendar::clock(self.now, &zone);
        let is_quiet = match from <= to {
            true => from <= clock && clock < to,
            false => from <= clock || clock < to,
        };
        is_quiet.then(|| calendar::next_clock(self.now + 1, quiet.to.node, &zone))
    }

    /// The first instant at which a cap that holds a message now holds it no longer.
    fn capped_until(&self, cap: &Cap, message: &Sent) -> Option<i64> {
        if !counts(cap, message) {
            return None;
        }
        let window = cap.window.node;
        let counted = self.sends.iter().filter(|sent| counts(cap, sent)).map(|sent| sent.at);
        let held = |now: i64| {
            let in_window = |at: &i64| window_holds(window, *at, now, &self.known);
            counted.clone().filter(in_window).count() >= cap.max.node as usize
        };
        if !held(self.now) {
            return None;
        }
        let mut candidates: Vec<i64> = match window {
            Window::Sliding(over) => counted.clone().map(|at| at + over).collect(),
            Window::Calendar(period) => {
                vec![calendar::period_end(self.now, period, &self.known.zone())]
            }
        };
        candidates.sort();
        let free = candidates.into_iter().find(|at| *at > self.now && !held(*at));
        Some(free.unwrap_or(i64::MAX))
    }
}

impl Sent {
    fn is_excepted(&self, except: &[Name]) -> bool {
        except.iter().any(|name| self.labels.contains(&name.node))
    }
}

/// Whether a cap is about a message.
fn counts(cap: &Cap, message: &Sent) -> bool {
    cap.channel.as_ref().is_none_or(|channel| channel.node == message.channel)
        && cap.tag.as_ref().is_none_or(|tag| message.tags.contains(&tag.node))
        && cap.journey.as_ref().is_none_or(|journey| journey.node == message.journey)
        && !message.is_excepted(&cap.except)
}

fn purpose(send: &Send) -> &str {
    send.purpose.as_ref().map_or("marketing", |purpose| &purpose.node)
}

fn labels(send: &Send) -> Vec<String> {
    let tags = send.tags.iter().map(|tag| tag.node.clone());
    tags.chain([purpose(send).to_string()]).collect()
}

/// The name in reasons: as given, else made of what the cap says.
fn cap_name(cap: &Cap) -> String {
    if let Some(name) = &cap.name {
        return name.node.clone();
    }
    let matchers = [&cap.channel, &cap.tag, &cap.journey].into_iter().flatten();
    let matchers: String = matchers.map(|name| format!("{} ", name.node)).collect();
    let window = match cap.window.node {
        Window::Sliding(over) => format!("over {}", duration_text(over)),
        Window::Calendar(Period::Day) => "per day".to_string(),
        Window::Calendar(Period::Week) => "per week".to_string(),
        Window::Calendar(Period::Month) => "per month".to_string(),
        Window::Calendar(Period::Year) => "per year".to_string(),
    };
    format!("{matchers}{} {window}", cap.max.node)
}

fn decision_text(instance: &Instance, send: &Send, verdict: &Verdict, due: i64) -> String {
    let (outcome, reason, until) = match verdict {
        Verdict::Send => ("send", "-", None),
        Verdict::Drop(reason) | Verdict::Exit(reason) => ("drop", reason.as_str(), None),
        Verdict::Defer(reason, until) => ("defer", reason.as_str(), Some(*until)),
    };
    format!(
        "decision {} key={} step={} {} {} {outcome} reason={reason} until={} due={}",
        instance.journey.name.node,
        instance.key_text(),
        instance.path_text(),
        send.channel.node,
        send.template.node,
        until.map_or("-".to_string(), time_text),
        time_text(due)
    )
}
