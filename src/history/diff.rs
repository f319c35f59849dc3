//! What two packs decide differently over one history.
//!
//! Instances of one journey, person and key are paired by the instant at which they entered; those that are left, in their
//! order. In a pair, messages are paired by channel and template, the first with the first.

use super::decided::{Message, Run, Runs, Who, Word};
use crate::time::format;
use compact_str::CompactString;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How a message is decided differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    OnlyA,
    OnlyB,
    /// Both send it, at another instant.
    Time,
    /// Both send it at one instant, and hand other values to the template.
    Values,
    /// Nobody sends it, for another reason.
    Reason,
}

impl Kind {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::OnlyA => "sent only by A",
            Kind::OnlyB => "sent only by B",
            Kind::Time => "sent at another time",
            Kind::Values => "sent with other values",
            Kind::Reason => "held for another reason",
        }
    }
}

/// Differences of one kind in one journey, for the same reason on each side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    journey: CompactString,
    kind: Kind,
    a: String,
    b: String,
}

#[derive(Default)]
struct Found {
    messages: u64,
    examples: Vec<Value>,
}

/// All that is different, and how much is not.
pub struct Diff {
    cases: BTreeMap<Case, Found>,
    /// Messages that both send alike.
    pub sent_alike: u64,
    /// Messages that both hold alike.
    pub held_alike: u64,
    most_examples: usize,
}

impl Diff {
    /// Holds what A decided to what B decided; keeps so many examples of each case.
    pub fn of(a: &Runs, b: &Runs, most_examples: usize) -> Diff {
        let mut diff = Diff { cases: BTreeMap::new(), sent_alike: 0, held_alike: 0, most_examples };
        let all: BTreeSet<&Who> = a.keys().chain(b.keys()).collect();
        for who in all {
            let none = Vec::new();
            let (ours, theirs) = (a.get(who).unwrap_or(&none), b.get(who).unwrap_or(&none));
            for (one, other) in paired(ours, theirs) {
                diff.run(who, one, other);
            }
        }
        diff
    }

    /// Whether everything is decided alike.
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// The cases in JSON: by journey, then kind, the most frequent first.
    pub fn told(&self) -> Vec<Value> {
        let case = |(case, found): (&Case, &Found)| {
            json!({
                "journey": case.journey.as_str(),
                "difference": case.kind.as_str(),
                "a": case.a,
                "b": case.b,
                "messages": found.messages,
                "examples": found.examples,
            })
        };
        let mut cases: Vec<_> = self.cases.iter().collect();
        cases.sort_by_key(|(case, found)| {
            (&case.journey, case.kind, std::cmp::Reverse(found.messages))
        });
        cases.into_iter().map(case).collect()
    }

    fn run(&mut self, who: &Who, a: Option<&Run>, b: Option<&Run>) {
        let (ours, theirs) = (Slot::all(a), Slot::all(b));
        let new = theirs.iter().filter(|slot| !ours.contains(slot));
        for slot in ours.iter().chain(new) {
            self.message(who, (a, slot.find(a)), (b, slot.find(b)));
        }
    }

    fn message(&mut self, who: &Who, a: Side, b: Side) {
        let sends = |side: Side| side.1.is_some_and(|message| message.word == Word::Send);
        let kind = match (sends(a), sends(b)) {
            (true, true) => match (a.1, b.1) {
                (Some(a), Some(b)) if a.at != b.at => Kind::Time,
                (Some(a), Some(b)) if a.with != b.with => Kind::Values,
                _ => return self.sent_alike += 1,
            },
            (true, false) => Kind::OnlyA,
            (false, true) => Kind::OnlyB,
            (false, false) if reason(a) == reason(b) => return self.held_alike += 1,
            (false, false) => Kind::Reason,
        };
        let case = Case { journey: who.journey.clone(), kind, a: reason(a), b: reason(b) };
        let found = self.cases.entry(case).or_default();
        found.messages += 1;
        if found.examples.len() < self.most_examples {
            found.examples.push(example(who, a, b));
        }
    }
}

/// An instance and a message in it; neither need be there.
type Side<'a> = (Option<&'a Run>, Option<&'a Message>);

/// Which of an instance's messages: channel, template, and the how manieth of them.
#[derive(PartialEq)]
struct Slot<'a> {
    channel: &'a str,
    template: &'a str,
    nth: usize,
}

impl<'a> Slot<'a> {
    fn all(run: Option<&'a Run>) -> Vec<Slot<'a>> {
        let messages = run.map_or(&[][..], |run| &run.messages);
        (0..messages.len()).map(|at| Slot::of(messages, at)).collect()
    }

    fn of(messages: &'a [Message], at: usize) -> Slot<'a> {
        let Message { channel, template, .. } = &messages[at];
        let before = messages[..at].iter();
        let nth = before.filter(|it| it.channel == *channel && it.template == *template).count();
        Slot { channel, template, nth }
    }

    fn find<'r>(&self, run: Option<&'r Run>) -> Option<&'r Message> {
        let mut same = run?
            .messages
            .iter()
            .filter(|it| it.channel == self.channel && it.template == self.template);
        same.nth(self.nth)
    }
}

/// Instances of both sides that are the same; those of one side alone last.
fn paired<'r>(a: &'r [Run], b: &'r [Run]) -> Vec<(Option<&'r Run>, Option<&'r Run>)> {
    let (mut pairs, mut left) = (Vec::new(), Vec::new());
    let mut right: Vec<&Run> = b.iter().collect();
    for one in a {
        match right.iter().position(|other| other.entered == one.entered) {
            Some(at) => pairs.push((Some(one), Some(right.remove(at)))),
            None => left.push(one),
        }
    }
    let longer = left.len().max(right.len());
    pairs.extend((0..longer).map(|at| (left.get(at).copied(), right.get(at).copied())));
    pairs
}

/// What became of a message on one side, in the words of decisions.
fn reason((run, message): Side) -> String {
    let Some(message) = message else {
        return match run.map(|run| &run.over) {
            None => "not entered".to_owned(),
            Some(Some((_, over))) => format!("not asked, ended before: {over}"),
            Some(None) => "not asked, still open".to_owned(),
        };
    };
    match (&message.word, &message.deferred_by) {
        (Word::Send, None) => "send".to_owned(),
        (Word::Send, Some(by)) => format!("send, after defer: {by}"),
        (Word::Defer(by), _) => match run.and_then(|run| run.over.as_ref()) {
            Some((_, over)) => format!("defer: {by}, ended then: {over}"),
            None => format!("defer: {by}"),
        },
        (Word::Drop(by), _) => format!("drop: {by}"),
    }
}

fn example(who: &Who, a: Side, b: Side) -> Value {
    let message = a.1.or(b.1);
    let at = |side: Side| {
        let over = || side.0.and_then(|run| run.over.as_ref()).map(|(at, _)| *at);
        side.1.map(|message| message.at).or_else(over).map(format)
    };
    let step = |side: Side| side.1.map(|message| message.step.to_string());
    json!({
        "person": who.person.as_str(),
        "key": who.key.as_deref(),
        "channel": message.map(|message| message.channel.as_str()),
        "template": message.map(|message| message.template.as_str()),
        "a": {"at": at(a), "step": step(a), "reason": reason(a)},
        "b": {"at": at(b), "step": step(b), "reason": reason(b)},
    })
}
