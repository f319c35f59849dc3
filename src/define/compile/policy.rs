//! The contact policy: each rule is resolved to the messages that it concerns, once, so that a gate asks only its own.

use super::{Compiler, PolicyPlan, SendPlan, did_you_mean};
use crate::define::ast::{self, Cap, ConsentProof, ConsentRule, Name, Policy, Scope, Window};
use crate::define::plan::{
    CapPlan, ConsentPlan, Consumer, ExclusivePlan, GapPlan, Kinds, LookAheadPlan, NotDeliveredPlan,
    QuietPlan, RevokePlan, ThrottlePlan,
};
use crate::time::zone::Period;
use crate::time::{DAY, HOUR, MINUTE, SECOND};
use compact_str::CompactString;

impl Compiler<'_> {
    pub(super) fn policy(&mut self) -> PolicyPlan {
        let written = self.pack.policy.clone().unwrap_or_default();
        self.check_names(&written);
        let consents = self.consents(&written);
        self.suppressions(&written);
        let exclusive = self.exclusive(&written);
        let quiet_hours = self.quiet_hours(&written);
        let look_ahead = self.look_ahead(&written);
        let caps = self.caps(&written);
        let gaps = self.gaps(&written);
        let throttles = self.throttles(&written);
        let windows = caps.iter().map(|cap| reach(cap.window));
        let memory = windows.chain(gaps.iter().map(|gap| gap.min)).max().unwrap_or(0);
        let not_delivered = self.not_delivered(&written);
        let revokes = consents.iter().filter_map(|rule| rule.revoked_by.as_ref());
        let mut heard = Kinds::default();
        revokes.for_each(|by| heard.extend(&by.kinds));
        not_delivered.iter().for_each(|by| heard.extend(&by.kinds));
        PolicyPlan {
            zone: super::zone_named(written.time_zone.as_ref()),
            hold_out: self.hold_out(&written),
            not_delivered,
            heard,
            holidays: written.holidays,
            consents,
            exclusive,
            quiet_hours,
            look_ahead,
            caps,
            gaps,
            throttles,
            memory,
        }
    }

    fn hold_out(&mut self, written: &Policy) -> u32 {
        let Some(rule) = &written.hold_out else { return 0 };
        for send in self.sends.iter_mut().filter(|send| concerns(&rule.scope, send)) {
            send.gates.held_out = true;
        }
        rule.share.node
    }

    fn consents(&mut self, written: &Policy) -> Vec<ConsentPlan> {
        let mut plans = Vec::new();
        for (at, rule) in written.consent.iter().enumerate() {
            let fact = match &rule.proof {
                ConsentProof::Category(name) => self.hidden_trait(Consumer::Consent, &name.node),
                ConsentProof::Trait(name) => self.hidden_trait(Consumer::Trait, &name.node),
            };
            let revoked_by = self.revoked_by(rule);
            plans.push(ConsentPlan { fact, default: rule.default, revoked_by });
            for send in &mut self.sends {
                if named(&rule.channel, &send.channel) && named(&rule.purpose, &send.purpose) {
                    send.gates.consents.push(at);
                }
            }
        }
        plans
    }

    fn revoked_by(&mut self, rule: &ConsentRule) -> Option<RevokePlan> {
        if rule.revoked_by.is_empty() {
            return None;
        }
        let kinds = self.kinds(&rule.revoked_by);
        let name = |name: &Option<Name>| name.as_ref().map(|name| name.node.as_str().into());
        Some(RevokePlan {
            channel: (self.property(&kinds, &["channel".into()]).0, name(&rule.channel)),
            purpose: (self.property(&kinds, &["purpose".into()]).0, name(&rule.purpose)),
            kinds: kinds.into_iter().collect(),
        })
    }

    fn suppressions(&mut self, written: &Policy) {
        for rule in &written.suppress {
            let Some(segment) = self.segment_at(&rule.segment) else {
                continue;
            };
            for send in self.sends.iter_mut().filter(|send| concerns(&rule.scope, send)) {
                send.gates.suppressed_by.push(segment);
            }
        }
        for send in &mut self.sends {
            send.gates.suppressed_by.extend(send.suppress_while);
        }
    }

    fn exclusive(&mut self, written: &Policy) -> Vec<ExclusivePlan> {
        let mut plans = Vec::new();
        for (at, rule) in written.exclusive.iter().enumerate() {
            let has = |name: &str| rule.journeys.iter().any(|journey| journey.node == name);
            let members: Vec<bool> = self.journeys.iter().map(|it| has(&it.name)).collect();
            for send in &mut self.sends {
                if members.get(usize::from(send.journey.0)) == Some(&true) {
                    send.gates.exclusive.push(at);
                }
            }
            plans.push(ExclusivePlan { members, waits: rule.waits });
        }
        plans
    }

    fn quiet_hours(&mut self, written: &Policy) -> Vec<QuietPlan> {
        let mut plans = Vec::new();
        for (at, rule) in written.quiet_hours.iter().enumerate() {
            let hours = rule.hours.as_ref().map(|(from, to)| (from.node, to.node));
            let (days, holidays, defer) = (rule.days, rule.holidays, rule.defer);
            plans.push(QuietPlan { hours, days, holidays, defer });
            for send in self.sends.iter_mut().filter(|send| concerns(&rule.scope, send)) {
                send.gates.quiet_hours.push(at);
            }
        }
        plans
    }

    fn look_ahead(&mut self, written: &Policy) -> Vec<LookAheadPlan> {
        let mut plans = Vec::new();
        for (at, rule) in written.look_ahead.iter().enumerate() {
            plans.push(LookAheadPlan { within: rule.within.node, above: rule.above.node });
            for send in &mut self.sends {
                let journey = self.journeys.get(usize::from(send.journey.0));
                let is_minor = journey.is_some_and(|it| it.priority < rule.below.node);
                if is_minor && concerns(&rule.scope, send) {
                    send.gates.look_ahead.push(at);
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
                    && named(&cap.purpose, &send.purpose)
                    && named(&cap.journey, journey)
                    && cap.tag.as_ref().is_none_or(tagged)
                    && !excepted(&cap.except, send);
                counts.push(concerns);
            }
            for (send, concerns) in self.sends.iter_mut().zip(&counts) {
                send.gates.counted |= concerns;
                if *concerns && !excepted(&cap.only_counts, send) {
                    send.gates.caps.push(at);
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

    fn gaps(&mut self, written: &Policy) -> Vec<GapPlan> {
        let mut plans = Vec::new();
        for (at, gap) in written.gaps.iter().enumerate() {
            let counts: Vec<bool> =
                self.sends.iter().map(|send| concerns(&gap.scope, send)).collect();
            for (send, concerns) in self.sends.iter_mut().zip(&counts) {
                if *concerns {
                    send.gates.gaps.push(at);
                    send.gates.counted = true;
                }
            }
            let channels = gap.scope.channels.iter().map(|name| format!("{} ", name.node));
            let name = format!("{}{}", channels.collect::<String>(), length_text(gap.min.node));
            let (min, on_limit) = (gap.min.node, gap.on_limit);
            plans.push(GapPlan { name: name.into(), min, on_limit, counts });
        }
        plans
    }

    fn throttles(&mut self, written: &Policy) -> Vec<ThrottlePlan> {
        let mut plans = Vec::new();
        for (at, rule) in written.throttles.iter().enumerate() {
            if written.throttles[..at].iter().any(|it| it.channel.node == rule.channel.node) {
                let message = format!("`{}` has a throttle already", rule.channel.node);
                self.mistake(rule.channel.span, message, None);
            }
            for send in &mut self.sends {
                if send.channel == rule.channel.node && !excepted(&rule.except, send) {
                    send.gates.throttle = Some(at);
                }
            }
            let (channel, max, per) = (&rule.channel.node, rule.max.node, rule.per);
            let unit = [(SECOND, "second"), (MINUTE, "minute"), (HOUR, "hour"), (DAY, "day")];
            let unit = unit.iter().find(|(length, _)| *length == per).map_or("", |(_, name)| name);
            let name = format!("{channel} {max} per {unit}").into();
            plans.push(ThrottlePlan { name, max, per });
        }
        plans
    }

    fn not_delivered(&mut self, written: &Policy) -> Option<NotDeliveredPlan> {
        if written.not_delivered.is_empty() {
            return None;
        }
        let kinds = self.kinds(&written.not_delivered);
        Some(NotDeliveredPlan {
            trigger: self.property(&kinds, &["trigger_id".into()]).0,
            template: self.property(&kinds, &["template".into()]).0,
            kinds: kinds.into_iter().collect(),
        })
    }

    /// Journeys must exist; a channel, purpose or tag that no message has is a mistake where it looks like a slip of one
    /// that some message has.
    fn check_names(&mut self, written: &Policy) {
        let journeys: Vec<String> =
            self.pack.journeys.iter().map(|j| j.name.node.clone()).collect();
        let capped = written.caps.iter().filter_map(|cap| cap.journey.as_ref());
        for name in capped.chain(written.exclusive.iter().flat_map(|it| &it.journeys)) {
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
            .chain(written.throttles.iter().map(|rule| &rule.channel))
            .chain(written.scopes().flat_map(|scope| &scope.channels));
        for name in named_channels {
            self.slip(name, "channel", &channels);
        }
        let labels: Vec<String> = self
            .sends
            .iter()
            .flat_map(|send| send.tags.iter().chain([&send.purpose]).cloned())
            .collect();
        let named_labels = (written.caps.iter())
            .flat_map(|cap| cap.except.iter().chain(&cap.only_counts).chain(&cap.tag))
            .chain(written.consent.iter().filter_map(|rule| rule.purpose.as_ref()))
            .chain(written.caps.iter().filter_map(|cap| cap.purpose.as_ref()))
            .chain(written.throttles.iter().flat_map(|rule| &rule.except))
            .chain(written.scopes().flat_map(|scope| &scope.except));
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

fn concerns(scope: &Scope, send: &SendPlan) -> bool {
    let channels = &scope.channels;
    let is_meant = channels.is_empty() || channels.iter().any(|name| name.node == send.channel);
    is_meant && !excepted(&scope.except, send)
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
    for part in [&cap.channel, &cap.tag, &cap.purpose, &cap.journey].into_iter().flatten() {
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
