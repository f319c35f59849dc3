//! The contact policy: each rule is resolved to the messages that it concerns, once, so that a gate asks only its own.

use super::{Compiler, PolicyPlan, SendPlan, did_you_mean};
use crate::define::ast::{self, Cap, ConsentProof, Policy, Window};
use crate::define::plan::{CapPlan, ConsentPlan, Consumer, QuietPlan};
use crate::time::zone::Period;
use crate::time::{DAY, HOUR, MINUTE, SECOND};
use compact_str::CompactString;

impl Compiler<'_> {
    pub(super) fn policy(&mut self) -> PolicyPlan {
        let written = self.pack.policy.clone().unwrap_or_default();
        self.check_names(&written);
        let consents = self.consents(&written);
        self.suppressions(&written);
        let quiet_hours = self.quiet_hours(&written);
        let caps = self.caps(&written);
        let memory = caps.iter().map(|cap| reach(cap.window)).max().unwrap_or(0);
        let zone = super::zone_named(written.time_zone.as_ref());
        PolicyPlan { zone, consents, quiet_hours, caps, memory }
    }

    fn consents(&mut self, written: &Policy) -> Vec<ConsentPlan> {
        let mut plans = Vec::new();
        for (at, rule) in written.consent.iter().enumerate() {
            let fact = match &rule.proof {
                ConsentProof::Category(name) => self.hidden_trait(Consumer::Consent, &name.node),
                ConsentProof::Trait(name) => self.hidden_trait(Consumer::Trait, &name.node),
            };
            plans.push(ConsentPlan { fact, default: rule.default });
            for send in &mut self.sends {
                if named(&rule.channel, &send.channel) && named(&rule.purpose, &send.purpose) {
                    send.consents.push(at);
                }
            }
        }
        plans
    }

    fn suppressions(&mut self, written: &Policy) {
        for rule in &written.suppress {
            let Some(segment) = self.segment_at(&rule.segment) else {
                continue;
            };
            for send in self.sends.iter_mut().filter(|send| !excepted(&rule.except, send)) {
                send.suppressed_by.push(segment);
            }
        }
        for send in &mut self.sends {
            send.suppressed_by.extend(send.suppress_while);
        }
    }

    fn quiet_hours(&mut self, written: &Policy) -> Vec<QuietPlan> {
        let mut plans = Vec::new();
        for (at, rule) in written.quiet_hours.iter().enumerate() {
            plans.push(QuietPlan { from: rule.from.node, to: rule.to.node, defer: rule.defer });
            for send in self.sends.iter_mut().filter(|send| !excepted(&rule.except, send)) {
                let channels = &rule.channels;
                if channels.is_empty() || channels.iter().any(|name| name.node == send.channel) {
                    send.quiet_hours.push(at);
                }
            }
        }
        plans
    }

    fn caps(&mut self, written: &Policy) -> Vec<CapPlan> {
        let mut plans = Vec::new();
        for (at, cap) in written.caps.iter().enumerate() {
            let mut counts = Vec::new();
            for send in 0..self.sends.len() {
                let journey = &self.journeys.get(self.sends[send].journey.0 as usize);
                let journey = journey.map_or("", |journey| journey.name.as_str());
                let send = &self.sends[send];
                let tagged = |tag: &ast::Name| send.tags.contains(&tag.node);
                let concerns = named(&cap.channel, &send.channel)
                    && named(&cap.journey, journey)
                    && cap.tag.as_ref().is_none_or(tagged)
                    && !excepted(&cap.except, send);
                counts.push(concerns);
            }
            for (send, concerns) in self.sends.iter_mut().zip(&counts) {
                if *concerns {
                    send.caps.push(at);
                    send.counted = true;
                }
            }
            plans.push(CapPlan {
                name: cap_name(cap),
                max: cap.max.node as usize,
                window: cap.window.node,
                on_limit: cap.on_limit,
                counts,
            });
        }
        plans
    }

    /// Journeys must exist; a channel, purpose or tag that no message has is a mistake where it looks like a slip of one
    /// that some message has.
    fn check_names(&mut self, written: &Policy) {
        let journeys: Vec<String> =
            self.pack.journeys.iter().map(|j| j.name.node.clone()).collect();
        for name in written.caps.iter().filter_map(|cap| cap.journey.as_ref()) {
            if !journeys.contains(&name.node) {
                let hint = did_you_mean(&name.node, journeys.clone());
                self.mistake(name.span, format!("there is no journey `{}`", name.node), hint);
            }
        }
        let channels: Vec<String> = self.sends.iter().map(|send| send.channel.clone()).collect();
        let named_channels = written
            .caps
            .iter()
            .filter_map(|cap| cap.channel.as_ref())
            .chain(written.consent.iter().filter_map(|rule| rule.channel.as_ref()))
            .chain(written.quiet_hours.iter().flat_map(|rule| &rule.channels));
        for name in named_channels {
            self.slip(name, "channel", &channels);
        }
        let labels: Vec<String> = self
            .sends
            .iter()
            .flat_map(|send| send.tags.iter().chain([&send.purpose]).cloned())
            .collect();
        let named_labels = (written.caps.iter())
            .flat_map(|cap| cap.except.iter().chain(&cap.tag))
            .chain(written.consent.iter().filter_map(|rule| rule.purpose.as_ref()))
            .chain(written.suppress.iter().flat_map(|rule| &rule.except))
            .chain(written.quiet_hours.iter().flat_map(|rule| &rule.except));
        for name in named_labels {
            self.slip(name, "tag or purpose", &labels);
        }
    }

    fn slip(&mut self, name: &ast::Name, what: &str, known: &[String]) {
        if known.contains(&name.node) {
            return;
        }
        if let Some(hint) = did_you_mean(&name.node, known.iter().cloned()) {
            let message = format!("no message has the {what} `{}`", name.node);
            self.mistake(name.span, message, Some(hint));
        }
    }
}

fn named(rule: &Option<ast::Name>, value: &str) -> bool {
    rule.as_ref().is_none_or(|name| name.node == value)
}

fn excepted(except: &[ast::Name], send: &SendPlan) -> bool {
    except.iter().any(|name| send.purpose == name.node || send.tags.contains(&name.node))
}

/// How far back a window can look; calendar periods with a day of slack for zones that change.
fn reach(window: Window) -> i64 {
    match window {
        Window::Sliding(length) => length,
        Window::Calendar(Period::Day) => 3 * DAY,
        Window::Calendar(Period::Week) => 9 * DAY,
        Window::Calendar(Period::Month) => 33 * DAY,
        Window::Calendar(Period::Year) => 368 * DAY,
    }
}

/// The written name, else one made of what the cap matches, such as `sms 1 per day`.
fn cap_name(cap: &Cap) -> CompactString {
    if let Some(name) = &cap.name {
        return name.node.as_str().into();
    }
    let mut name = String::new();
    for part in [&cap.channel, &cap.tag, &cap.journey].into_iter().flatten() {
        name.push_str(&part.node);
        name.push(' ');
    }
    name.push_str(&cap.max.node.to_string());
    name.push_str(&match cap.window.node {
        Window::Sliding(length) => format!(" over {}", length_text(length)),
        Window::Calendar(Period::Day) => " per day".into(),
        Window::Calendar(Period::Week) => " per week".into(),
        Window::Calendar(Period::Month) => " per month".into(),
        Window::Calendar(Period::Year) => " per year".into(),
    });
    name.into()
}

/// A length as a sum of units up to days, such as `7d` or `1d 12h`.
pub fn length_text(length: i64) -> String {
    let units = [(DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (SECOND, "s"), (1, "ms")];
    let mut rest = length;
    let mut parts = Vec::new();
    for (unit, name) in units {
        if rest >= unit {
            parts.push(format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    parts.join(" ")
}
