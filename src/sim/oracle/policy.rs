//! One pending message in, one decision out: the gates in the order of the language of packs.

use super::calendar;
use super::eval::Scope;
use super::facts::window_holds;
use super::journey::{Instance, State};
use super::line::Event;
use super::person::Person;
use super::value::{Value, duration_text, time_text};
use crate::define::ast::{
    Cap, Holiday, Name, OnLimit, Period, Policy, QuietHours, Scope as Concern, Send, Step, Wait,
    Window,
};
use jiff::civil::Date;

/// Messages handled for one person at one instant; what is beyond is dropped.
const MESSAGES_MAX: usize = 64;

/// A message that was sent, as caps count it.
pub struct Sent {
    at: i64,
    journey: String,
    channel: String,
    purpose: String,
    template: String,
    /// Tags and the purpose.
    labels: Vec<String>,
    tags: Vec<String>,
}

/// What is to be done with a message.
enum Verdict {
    Send,
    Drop(String),
    Defer(String, i64),
    /// Until something ends, or it is worth nothing any more.
    Hold(String, i64),
    /// Dropped, and the instance exits.
    Exit(String),
}

impl Person<'_> {
    /// Decides the first of the pending messages. Whether there was one.
    pub fn decide_one(&mut self) -> bool {
        self.release();
        let pending = |age: &u64| {
            let instance = self.instances.iter().find(|instance| instance.age == *age)?;
            match (instance.step(), &instance.state) {
                (Some(Step::Send(send)), State::Sending { due, until: None, .. }) => {
                    Some((instance, send, *due))
                }
                _ => None,
            }
        };
        let Some((instance, send, due)) = self.in_order().iter().find_map(pending) else {
            return false;
        };
        let message = self.message(instance, send);
        let verdict = match self.messages_now < MESSAGES_MAX {
            true => self.verdict(instance, send, &message, due),
            false => Verdict::Drop("limit".to_string()),
        };
        let worthless = worthless(instance, send, due);
        let verdict = match verdict {
            Verdict::Defer(reason, until) => Verdict::Defer(reason, until.min(worthless)),
            other => other,
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
                self.stay(age, State::Sending { due, until: Some(until), held: false });
            }
            Verdict::Hold(_, until) => {
                self.stay(age, State::Sending { due, until: Some(until), held: true });
            }
            Verdict::Exit(_) => self.exit(age, "cap"),
        }
    }

    fn message(&self, instance: &Instance, send: &Send) -> Sent {
        Sent {
            at: self.now,
            journey: instance.journey.name.node.clone(),
            channel: send.channel.node.clone(),
            purpose: purpose(send).to_string(),
            template: send.template.node.clone(),
            tags: send.tags.iter().map(|tag| tag.node.clone()).collect(),
            labels: labels(send),
        }
    }

    /// What is held by something that has ended is decided again.
    fn release(&mut self) {
        let mut free = Vec::new();
        for instance in &self.instances {
            if let (Some(Step::Send(send)), State::Sending { until: Some(_), held: true, .. }) =
                (instance.step(), &instance.state)
            {
                let message = self.message(instance, send);
                let suppressed = send.waits_out && self.suppressing(instance, &message).is_some();
                let excluded = self.excluding(instance).is_some_and(|(_, waits)| waits);
                if !suppressed && !excluded {
                    free.push(instance.age);
                }
            }
        }
        for age in free {
            if let Some(instance) = self.find(age)
                && let State::Sending { until, .. } = &mut instance.state
            {
                *until = None;
            }
        }
    }

    /// A message did not arrive, and counts no longer.
    pub fn take_back(&mut self, event: &Event) {
        let Some(policy) = &self.known.pack.policy else { return };
        if policy.not_delivered.is_empty() || !event.is_one_of(&policy.not_delivered) {
            return;
        }
        // Ids of triggers are not known here: random events name templates.
        let Value::Text(template) = event.property(&["template"]) else { return };
        let counts = |sent: &Sent| {
            policy.caps.iter().any(|cap| counts(cap, sent))
                || policy.gaps.iter().any(|gap| is_about(&gap.scope, sent))
        };
        let found = self
            .sends
            .iter()
            .rposition(|sent| sent.template == template && sent.at <= event.t && counts(sent));
        if let Some(at) = found {
            self.sends.remove(at);
        }
    }

    fn is_held_out(&self, instance: &Instance, message: &Sent) -> bool {
        let rule = self.known.pack.policy.as_ref().and_then(|policy| policy.hold_out.as_ref());
        let share = || {
            let seed = u64::from_be_bytes(*b"hold out");
            xxhash_rust::xxh3::xxh3_64_with_seed(self.id.as_bytes(), seed) % 10_000
        };
        let is_one = |rule: &crate::define::ast::HoldOut| {
            is_about(&rule.scope, message) && share() < u64::from(rule.share.node)
        };
        instance.is_held_out || rule.is_some_and(is_one)
    }

    /// The journey of which the person hears instead, and whether the message waits for its end.
    fn excluding(&self, instance: &Instance) -> Option<(String, bool)> {
        let rank = |it: &Instance| {
            let (priority, name, ..) = it.order();
            (priority, name)
        };
        let policy = self.known.pack.policy.as_ref()?;
        policy.exclusive.iter().find_map(|group| {
            let is_member = |it: &&Instance| {
                group.journeys.iter().any(|name| name.node == it.journey.name.node)
            };
            if !is_member(&instance) {
                return None;
            }
            let others = self.instances.iter().filter(is_member).map(rank);
            let (_, name) = others.filter(|other| *other < rank(instance)).min()?;
            Some((name, group.waits))
        })
    }

    /// The journey for whose message another one waits, and until when.
    fn looked_ahead(&self, instance: &Instance, message: &Sent) -> Option<(String, i64)> {
        let policy = self.known.pack.policy.as_ref()?;
        policy.look_ahead.iter().find_map(|rule| {
            let priority = |it: &Instance| -it.order().0;
            if priority(instance) >= i64::from(rule.below.node) || !is_about(&rule.scope, message) {
                return None;
            }
            let others = self
                .instances
                .iter()
                .filter(|it| it.age != instance.age && priority(it) >= i64::from(rule.above.node));
            let due = others.filter_map(|it| {
                let at = self.next_message(it)?;
                let is_soon = self.now < at && at <= self.now + rule.within.node;
                is_soon.then(|| (at, it.journey.name.node.clone()))
            });
            due.min().map(|(at, name)| (name, at))
        })
    }

    fn next_message(&self, instance: &Instance) -> Option<i64> {
        match (instance.step(), &instance.state) {
            (Some(Step::Send(send)), State::Sending { due, until, held: false }) => {
                until.filter(|until| *until < worthless(instance, send, *due))
            }
            (Some(Step::Wait(wait)), State::Waiting { until })
                if !matches!(wait, Wait::Event { .. }) =>
            {
                instance.is_before_a_message().then_some(*until)
            }
            (Some(Step::Wait(_)), State::Quiet { .. }) => {
                let at = self.deadline(instance)?;
                instance.is_before_a_message().then_some(at)
            }
            _ => None,
        }
    }

    fn gapped(&self, instance_sends: &Sent) -> Option<(String, OnLimit, i64)> {
        let policy = self.known.pack.policy.as_ref()?;
        policy.gaps.iter().find_map(|gap| {
            if !is_about(&gap.scope, instance_sends) {
                return None;
            }
            let sent = self.sends.iter().filter(|sent| is_about(&gap.scope, sent));
            let free = sent.map(|sent| sent.at).max()? + gap.min.node;
            let channels = gap.scope.channels.iter().map(|name| format!("{} ", name.node));
            let name = channels.collect::<String>() + &duration_text(gap.min.node);
            (self.now < free).then_some((format!("gap {name}"), gap.on_limit, free))
        })
    }

    fn verdict(&self, instance: &Instance, send: &Send, message: &Sent, due: i64) -> Verdict {
        let worthless = worthless(instance, send, due);
        if self.now >= worthless {
            return Verdict::Drop("expired".to_string());
        }
        if self.is_held_out(instance, message) {
            return Verdict::Drop("hold-out".to_string());
        }
        if !self.is_consented(send) {
            return Verdict::Drop("consent".to_string());
        }
        if let Some(segment) = self.suppressing(instance, message) {
            let reason = format!("suppressed by {segment}");
            return match send.waits_out {
                true => Verdict::Hold(reason, worthless),
                false => Verdict::Drop(reason),
            };
        }
        if let Some((name, waits)) = self.excluding(instance) {
            let reason = format!("excluded by {name}");
            return match waits {
                true => Verdict::Hold(reason, worthless),
                false => Verdict::Drop(reason),
            };
        }
        let policy = self.known.pack.policy.as_ref();
        if let Some(quiet) = policy.and_then(|policy| self.quiet(policy, message, self.now)) {
            let reason = "quiet hours".to_string();
            return match quiet.defer {
                true => Verdict::Defer(reason, self.quiet_until(quiet, message)),
                false => Verdict::Drop(reason),
            };
        }
        if let Some((name, at)) = self.looked_ahead(instance, message) {
            return Verdict::Defer(format!("waits for {name}"), at);
        }
        for cap in policy.map_or(&[][..], |policy| &policy.caps) {
            if let Some(until) =
                self.capped_until(cap, message).filter(|_| !message.is_excepted(&cap.only_counts))
            {
                let reason = format!("cap {}", cap_name(cap));
                return match cap.on_limit {
                    OnLimit::Drop => Verdict::Drop(reason),
                    OnLimit::Wait => Verdict::Defer(reason, until),
                    OnLimit::Exit => Verdict::Exit(reason),
                };
            }
        }
        if let Some((reason, on_limit, free)) = self.gapped(message) {
            return match on_limit {
                OnLimit::Drop => Verdict::Drop(reason),
                OnLimit::Wait => Verdict::Defer(reason, free),
                OnLimit::Exit => Verdict::Exit(reason),
            };
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
        let rules = rules.iter().filter(|rule| is_about(&rule.scope, message));
        let scope = Scope::of_person(&self.known, self.now);
        rules
            .map(|rule| &rule.segment)
            .chain(&instance.journey.suppress_while)
            .find(|segment| scope.is_in(&segment.node))
            .map(|segment| segment.node.clone())
    }

    /// The first rule of quiet hours that holds a message at an instant.
    fn quiet<'p>(&self, policy: &'p Policy, message: &Sent, at: i64) -> Option<&'p QuietHours> {
        let mut rules = policy.quiet_hours.iter().filter(|quiet| is_about(&quiet.scope, message));
        rules.find(|quiet| {
            let zone = self.known.zone();
            let day = calendar::day(at, &zone);
            let begins = |day: Date| begins_on(policy, quiet, day);
            let Some((from, to)) = &quiet.hours else { return begins(day) };
            let (from, to) = (i64::from(from.node) * 60_000, i64::from(to.node) * 60_000);
            let clock = calendar::clock(at, &zone);
            match from <= to {
                true => from <= clock && clock < to && begins(day),
                false => {
                    from <= clock && begins(day)
                        || clock < to && begins(calendar::plus_days(day, -1))
                }
            }
        })
    }

    /// The end of the quiet hours that hold a message now, and of those that follow at once.
    fn quiet_until(&self, quiet: &QuietHours, message: &Sent) -> i64 {
        let zone = self.known.zone();
        let end = |quiet: &QuietHours, at: i64| match &quiet.hours {
            Some((_, to)) => calendar::next_clock(at + 1, to.node, &zone),
            None => calendar::instant(calendar::plus_days(calendar::day(at, &zone), 1), 0, &zone),
        };
        let mut until = end(quiet, self.now);
        let policy = self.known.pack.policy.as_ref();
        while let Some(next) = policy.and_then(|policy| self.quiet(policy, message, until))
            && next.defer
        {
            until = end(next, until);
        }
        until
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

/// When a message is worth nothing any more.
fn worthless(instance: &Instance, send: &Send, due: i64) -> i64 {
    let valid_for = send.valid_for.as_ref().or(instance.journey.valid_for.as_ref());
    valid_for.map_or(i64::MAX, |valid_for| due + valid_for.node + 1)
}

fn is_about(concern: &Concern, message: &Sent) -> bool {
    let channels = &concern.channels;
    let is_meant = channels.is_empty() || channels.iter().any(|c| c.node == message.channel);
    is_meant && !message.is_excepted(&concern.except)
}

/// Whether quiet hours begin on a day.
fn begins_on(policy: &Policy, quiet: &QuietHours, day: Date) -> bool {
    if quiet.days == 0 && !quiet.holidays {
        return true;
    }
    let weekday = day.weekday().to_monday_zero_offset();
    let is_holiday = |holiday: &Holiday| match holiday {
        Holiday::EveryYear(month, of) => (day.month(), day.day()) == (*month, *of),
        Holiday::Once(days) => {
            calendar::instant(day, 0, &jiff::tz::TimeZone::UTC) == days * calendar::DAY
        }
    };
    quiet.days & (1 << weekday) != 0 || quiet.holidays && policy.holidays.iter().any(is_holiday)
}

/// Whether a cap is about a message.
fn counts(cap: &Cap, message: &Sent) -> bool {
    cap.channel.as_ref().is_none_or(|channel| channel.node == message.channel)
        && cap.tag.as_ref().is_none_or(|tag| message.tags.contains(&tag.node))
        && cap.purpose.as_ref().is_none_or(|purpose| purpose.node == message.purpose)
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
    let matchers = [&cap.channel, &cap.tag, &cap.purpose, &cap.journey].into_iter().flatten();
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
        Verdict::Defer(reason, until) | Verdict::Hold(reason, until) => {
            ("defer", reason.as_str(), Some(*until).filter(|until| *until != i64::MAX))
        }
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
