//! A journey out of one pack for another: with the definitions that it needs, and without those that are there already.
//!
//! What a journey needs is found by the compiler: whatever can be left out without a mistake is. Whether two definitions mean
//! the same is what tells a changed pack from an unchanged one, too.

use super::ast::{
    EnterTrigger, EventDecl, FactKind, JourneyDef, Name, Pack, PropertyType, Span, Spanned, Step,
    TestDef, Wait,
};
use super::compile::{Keep, compile, compile_after};
use super::diagnostic::{place, render};
use super::excerpt;
use super::plan::{Difference, Plan};
use crate::event::names;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Sections that stand in one file of a pack only, and are taken as a whole.
const WHOLE: [&str; 3] = ["currency", "sessions", "catalogue"];

/// What is taken out of a catalogue for one journey, as text.
pub struct Borrowed {
    /// What the catalogue says of the journey.
    pub about: String,
    /// Entries by section, in the order of the language.
    sections: Vec<(&'static str, Vec<String>)>,
    /// Names of definitions that the pack has already, with the same meaning.
    pub there: Vec<String>,
    /// How many definitions are taken along, without the journey.
    pub taken: usize,
    /// Tests of the journey's file, and others that name one of its messages.
    pub tests: Vec<BorrowedTest>,
}

/// A test as text.
#[derive(Clone, Debug)]
pub struct BorrowedTest {
    pub name: String,
    text: String,
    /// How near it is to the journey: 0 is about it and in its file, 1 is in its file, 2 is about it.
    pub rank: u8,
}

/// Why a journey cannot be taken.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub message: String,
    pub hint: String,
}

impl BorrowedTest {
    /// The same without a line of the script; the last expectation gives way to the one that nothing is sent.
    pub fn without(&self, line: &str) -> Option<BorrowedTest> {
        let is_expectation = |line: &&str| line.trim_start().starts_with("expect ");
        let mut lines: Vec<&str> = self.text.lines().collect();
        let at = lines.iter().position(|known| known.trim() == line.trim())?;
        let gone = lines.remove(at);
        let nothing = format!("{}expect nothing", &gone[..gone.len() - gone.trim_start().len()]);
        if !lines.iter().any(is_expectation) {
            if gone == nothing {
                return None;
            }
            lines.insert(at, &nothing);
        }
        let text = lines.iter().map(|line| format!("{line}\n")).collect();
        Some(BorrowedTest { text, ..self.clone() })
    }
}

impl Refused {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Refused {
        Refused { message: message.into(), hint: hint.into() }
    }
}

/// Takes the journey `like` out of a catalogue for a pack, as one called `name`. `there` is the pack with its plan, in which
/// all facts are kept; none if nothing is there yet.
///
/// # Errors
/// The pack has other definitions of the same names, or an entry cannot be cut out.
pub fn borrow(
    catalogue: &Pack,
    like: &JourneyDef,
    name: &str,
    there: Option<(&Pack, &Plan)>,
) -> Result<Borrowed, Refused> {
    let needed = needed(catalogue, like);
    let known = match there {
        Some((pack, plan)) => known(&needed, pack, plan)?,
        None => Vec::new(),
    };
    let cutter = Cutter { catalogue, known: &known };
    let mut journeys = vec![cutter.journey(like, name)?];
    let feeders: Vec<&Name> = needed.journeys.iter().skip(1).map(|it| &it.name).collect();
    journeys.extend(cutter.all("journey", feeders)?);
    let events = cutter.all("event", names(&needed.events))?;
    let facts = cutter.all("fact", needed.facts.iter().map(|it| &it.name).collect())?;
    let segments = cutter.all("segment", needed.segments.iter().map(|it| &it.name).collect())?;
    let groups = cutter.all("group", needed.groups.iter().map(|it| &it.name).collect())?;
    let others = journeys.len() - 1 + groups.len();
    let taken = events.len() + facts.len() + segments.len() + others;
    let mut sections = vec![("events", events)];
    sections.extend(cutter.sections(&needed, there.map(|(pack, _)| pack))?);
    sections.extend([("groups", groups), ("facts", facts)]);
    sections.extend([("segments", segments), ("journeys", journeys)]);
    let tests_there = there.map_or(&[][..], |(pack, _)| &pack.tests);
    let tests = cutter.tests(like, name, tests_there);
    let needs_journey = |name: &String| needed.journeys.iter().any(|it| it.name.node == *name);
    let there = known.iter().filter(|(what, name)| *what != "journey" || needs_journey(name));
    let there = there.map(|(_, name)| name.clone()).collect();
    Ok(Borrowed { about: about(catalogue, like), sections, there, taken, tests })
}

impl Borrowed {
    /// The text of a file with the journey and some of the tests.
    pub fn text(&self, like: &str, tests: &[&BorrowedTest]) -> String {
        let mut out = String::new();
        if !self.about.is_empty() {
            let _ = writeln!(out, "{}", wrapped(&self.about));
        }
        let _ = writeln!(out, "# Begun from {like} of the catalogue.");
        for (section, entries) in &self.sections {
            match entries.as_slice() {
                [] => {}
                [whole] if WHOLE.contains(section) => {
                    let _ = write!(out, "\n{whole}");
                }
                entries => {
                    let apart = if *section == "journeys" { "\n" } else { "" };
                    let entries: Vec<String> =
                        entries.iter().map(|entry| indented(entry)).collect();
                    let _ = write!(out, "\n{section}:\n{}", entries.join(apart));
                }
            }
        }
        let tests: Vec<String> = tests.iter().map(|test| indented(&test.text)).collect();
        if !tests.is_empty() {
            let _ = write!(out, "\ntests:\n{}", tests.join("\n"));
        }
        out
    }
}

fn indented(text: &str) -> String {
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") };
    text.lines().map(line).collect()
}

/// A comment of lines that are not too long.
fn wrapped(text: &str) -> String {
    let mut out = String::from("#");
    let mut width = 1;
    for word in text.split_whitespace() {
        let length = word.chars().count() + 1;
        if width + length > 100 {
            out.push_str("\n#");
            width = 1;
        }
        width += length;
        let _ = write!(out, " {word}");
    }
    out
}

/// What the catalogue says of a journey: the comment above it, or that of its file.
pub fn about(catalogue: &Pack, journey: &JourneyDef) -> String {
    let text = text_of(catalogue, journey.name.span);
    let own = excerpt::entry(text, journey.name.span.line, &journey.name.node);
    let own = own.map(|own| excerpt::comment(&own)).filter(|own| !own.is_empty());
    own.unwrap_or_else(|| excerpt::comment(text))
}

fn text_of(pack: &Pack, span: Span) -> &str {
    pack.files.get(usize::from(span.file)).map_or("", |file| &file.text)
}

fn names(events: &[EventDecl]) -> Vec<&Name> {
    events.iter().map(|event| &event.name).collect()
}

/// The catalogue without all that the journey does without.
fn needed(catalogue: &Pack, like: &JourneyDef) -> Pack {
    let mut journeys = vec![like.clone()];
    loop {
        let pack = without_the_rest(catalogue, &journeys);
        // Whatever is emitted may be what a mistake is about; only then can it be said which facts are needed.
        let sound = compile(&pack, Keep::Used).is_ok();
        let is_new =
            |other: &&JourneyDef| journeys.iter().all(|known| known.name.node != other.name.node);
        let mut others = catalogue.journeys.iter().filter(is_new);
        match others.find(|other| feeds(other, &pack, sound)) {
            Some(feeder) => journeys.push(feeder.clone()),
            None => return pack,
        }
    }
}

/// Whether a journey makes what those of a pack live on: what they are entered by or, in a sound pack, a trait that their
/// facts read.
fn feeds(journey: &JourneyDef, pack: &Pack, sound: bool) -> bool {
    let mut found = false;
    each_step(&journey.steps, &mut |step| {
        found |= match step {
            Step::Set(values) => sound && values.iter().any(|(name, _)| {
                pack.facts.iter().any(|fact| {
                    matches!(&fact.kind, FactKind::Trait { name: read, .. } if read.node == name.node)
                })
            }),
            Step::Emit { event, .. } => pack.journeys.iter().any(|other| {
                matches!(&other.enter.trigger, EnterTrigger::Event(on) if on.iter().any(|on| on.node == event.node))
            }),
            Step::AddTo(list) => pack.journeys.iter().any(|other| {
                matches!(&other.enter.trigger, EnterTrigger::Entered(by) if by.node == list.node)
            }),
            _ => false,
        };
    });
    found
}

/// The catalogue without all that these journeys do without.
fn without_the_rest(catalogue: &Pack, journeys: &[JourneyDef]) -> Pack {
    let mut pack = Pack {
        journeys: journeys.to_vec(),
        policy: None,
        identity: None,
        forget_after: None,
        ignore: Vec::new(),
        tests: Vec::new(),
        ..catalogue.clone()
    };
    let tells = |pack: &Pack| {
        let told = pack.catalogue.iter().flat_map(|it| &it.tell);
        let mut told = told.map(|notice| names::current(&notice.event.node));
        told.any(|event| journeys.iter().any(|journey| journey.text.contains(event)))
    };
    if !tells(&pack) {
        leave_out(&mut pack, |pack| pack.catalogue = None);
    }
    // A segment that another one asks goes after it.
    let mut before = usize::MAX;
    while pack.segments.len() < before {
        before = pack.segments.len();
        for at in (0..pack.segments.len()).rev() {
            leave_out(&mut pack, |pack| drop(pack.segments.remove(at)));
        }
    }
    for at in (0..pack.groups.len()).rev() {
        leave_out(&mut pack, |pack| drop(pack.groups.remove(at)));
    }
    if let Ok(plan) = compile(&pack, Keep::Used) {
        pack.facts.retain(|fact| plan.fact_named(&fact.name.node).is_some());
    }
    leave_out_undemanded(&mut pack);
    pack
}

/// Leaves something out, if that is no mistake.
fn leave_out(pack: &mut Pack, change: impl FnOnce(&mut Pack)) {
    let mut without = pack.clone();
    change(&mut without);
    if compile(&without, Keep::Used).is_ok() {
        *pack = without;
    }
}

/// Leaves out what a plan reads only because it is declared: sessions that nobody asks for, events that nothing names, the
/// currency of no amount.
fn leave_out_undemanded(pack: &mut Pack) {
    // First, because sessions name events.
    let without = Pack { sessions: None, ..pack.clone() };
    if compile(&without, Keep::Used).is_ok_and(|plan| plan.sessions.is_none()) {
        pack.sessions = None;
    }
    for at in (0..pack.events.len()).rev() {
        let mut without = pack.clone();
        let event = without.events.remove(at);
        let name = names::current(&event.name.node);
        // What a group hears of has the group's name before it.
        let inside = format!("\u{1}{name}");
        let is_named = |kind: &String| kind == name || kind.ends_with(&inside);
        if compile(&without, Keep::Used).is_ok_and(|plan| !plan.inputs.kinds.iter().any(is_named)) {
            *pack = without;
        }
    }
    let is_money =
        |event: &EventDecl| event.properties.iter().any(|(_, of)| of.node == PropertyType::Money);
    if !pack.events.iter().any(is_money) {
        pack.currency = None;
    }
}

/// What the pack has already, by sort and name.
///
/// # Errors
/// It has something else under the name.
fn known(needed: &Pack, pack: &Pack, plan: &Plan) -> Result<Vec<(&'static str, String)>, Refused> {
    let mut known = events_known(needed, pack)?;
    let declared = needed.events.iter().filter(|event| declared_in(pack, event).is_none());
    let events = pack.events.iter().chain(declared).cloned().collect();
    let together = Pack {
        events,
        currency: pack.currency.clone().or_else(|| needed.currency.clone()),
        identity: pack.identity.clone(),
        forget_after: pack.forget_after.clone(),
        ..needed.clone()
    };
    let changes = match compile_after(&together, Keep::All, Some(plan)) {
        Ok(after) => after.changes_since(plan),
        Err(mistakes) => {
            let mut mistakes = mistakes;
            mistakes.sort();
            let said = render(&together.files, &mistakes);
            let message = "the journey does not go together with the events that the pack declares";
            return Err(Refused::new(message, said.trim_end()));
        }
    };
    let (facts, segments) = (pack.facts.iter(), pack.segments.iter());
    let all = (facts.map(|it| ("fact", &it.name)))
        .chain(segments.map(|it| ("segment", &it.name)))
        .chain(pack.groups.iter().map(|it| ("group", &it.name)));
    let wanted = |(what, name): &(&str, &Name)| match *what {
        "fact" => needed.facts.iter().any(|it| it.name.node == name.node),
        "segment" => needed.segments.iter().any(|it| it.name.node == name.node),
        _ => needed.groups.iter().any(|it| it.name.node == name.node),
    };
    for (what, name) in all.filter(wanted) {
        let Name { node: name, span } = name;
        let differs = changes.iter().any(|change| {
            (change.what, &change.name) == (what, name) && change.difference == Difference::Changed
        });
        if differs {
            let message = format!(
                "the pack has another {what} called {name} than the journey needs, at {}",
                place(&pack.files, span)
            );
            return Err(Refused::new(message, "rename it in the pack, or let it mean the same"));
        }
        known.push((what, name.clone()));
    }
    // Another journey of the name is the pack's own way to feed this one.
    known.extend(pack.journeys.iter().map(|it| ("journey", it.name.node.clone())));
    Ok(known)
}

fn declared_in<'p>(pack: &'p Pack, event: &EventDecl) -> Option<&'p EventDecl> {
    let name = names::current(&event.name.node);
    pack.events.iter().find(|it| names::current(&it.name.node) == name)
}

/// Events that the pack declares already; properties that both declare are of one type.
fn events_known(needed: &Pack, pack: &Pack) -> Result<Vec<(&'static str, String)>, Refused> {
    let mut known = Vec::new();
    for event in &needed.events {
        let Some(there) = declared_in(pack, event) else { continue };
        let types: BTreeMap<&str, PropertyType> =
            there.properties.iter().map(|(name, of)| (name.node.as_str(), of.node)).collect();
        let other = |(name, of): &&(Name, Spanned<PropertyType>)| {
            types.get(name.node.as_str()).is_some_and(|there| *there != of.node)
        };
        if let Some((property, _)) = event.properties.iter().find(other) {
            let (event, property) = (&event.name.node, &property.node);
            let message = format!("the pack declares {property} of {event} with another type");
            return Err(Refused::new(message, "let it have the type that the journey needs"));
        }
        known.push(("event", event.name.node.clone()));
    }
    Ok(known)
}

/// Cuts entries out of the catalogue's files.
struct Cutter<'a> {
    catalogue: &'a Pack,
    known: &'a [(&'static str, String)],
}

impl Cutter<'_> {
    fn entry(&self, what: &str, name: &Name) -> Result<String, Refused> {
        let text = text_of(self.catalogue, name.span);
        excerpt::entry(text, name.span.line, &name.node).ok_or_else(|| {
            let message = format!("the {what} {} cannot be cut out of its file", name.node);
            Refused::new(message, "write it on a line of its own")
        })
    }

    /// Entries that the pack does not have.
    fn all(&self, what: &'static str, names: Vec<&Name>) -> Result<Vec<String>, Refused> {
        let is_new = |name: &&Name| {
            !self.known.iter().any(|(known, there)| *known == what && *there == name.node)
        };
        names.into_iter().filter(is_new).map(|name| self.entry(what, name)).collect()
    }

    /// Sections that stand in one file of a pack, as far as they are needed and the pack has none of its own.
    fn sections(
        &self,
        needed: &Pack,
        there: Option<&Pack>,
    ) -> Result<Vec<(&'static str, Vec<String>)>, Refused> {
        let spans = |pack: &Pack| {
            let currency = pack.currency.as_ref().map(|it| it.base.span);
            let sessions = pack.sessions.as_ref().map(|it| it.gap.span);
            [currency, sessions, pack.catalogue.as_ref().map(|it| it.span)]
        };
        let own = there.map_or([None; 3], spans);
        let mut sections = Vec::new();
        for (at, name) in WHOLE.into_iter().enumerate() {
            let Some(span) = spans(needed)[at].filter(|_| own[at].is_none()) else { continue };
            let cut = excerpt::section(text_of(self.catalogue, span), name);
            let cut = cut.ok_or_else(|| {
                let message = format!("`{name}` cannot be cut out of its file");
                Refused::new(message, "write it at the beginning of a line")
            })?;
            sections.push((name, vec![cut]));
        }
        Ok(sections)
    }

    /// The journey under its new name; what is said of it goes to the beginning of the file.
    fn journey(&self, like: &JourneyDef, name: &str) -> Result<String, Refused> {
        let cut = self.entry("journey", &like.name)?;
        let own: Vec<&str> = cut.lines().skip_while(|line| line.starts_with('#')).collect();
        let (first, rest) = own.split_first().map_or(("", &[][..]), |(first, rest)| (*first, rest));
        let after = first.split_once(':').map_or("", |(_, after)| after);
        let mut out = format!("{name}:{after}\n");
        rest.iter().for_each(|line| out += &format!("{line}\n"));
        Ok(out)
    }

    /// Tests of the journey's file, and others that name one of its messages or the journey. Where the pack has one of the name,
    /// as after another journey of the same file, the journey's name tells them apart.
    fn tests(&self, like: &JourneyDef, name: &str, there: &[TestDef]) -> Vec<BorrowedTest> {
        let alone =
            self.catalogue.journeys.iter().filter(|it| it.name.span.file == like.name.span.file);
        let alone = alone.count() == 1;
        let mut found = Vec::new();
        for test in &self.catalogue.tests {
            let near = test.name.span.file == like.name.span.file;
            let rank = match (near, alone || concerns(test, like)) {
                (true, true) => 0,
                (true, false) => 1,
                (false, _) if concerns(test, like) => 2,
                _ => continue,
            };
            let text = text_of(self.catalogue, test.name.span);
            let Some(text) = excerpt::item(text, test.name.span.line) else { continue };
            let mut text = renamed(&text, &like.name.node, name);
            let mut title = test.name.node.clone();
            let is_there = |title: &str| there.iter().any(|it| it.name.node == *title);
            if is_there(&title) {
                let other = format!("{title} ({name})");
                // It can be put only where the name stands once, as it is.
                if text.matches(title.as_str()).count() != 1 || is_there(&other) {
                    continue;
                }
                text = text.replace(title.as_str(), &other);
                title = other;
            }
            found.push(BorrowedTest { name: title, text, rank });
        }
        found
    }
}

/// Whether a script expects something of the journey.
fn concerns(test: &TestDef, journey: &JourneyDef) -> bool {
    let mut known = Vec::new();
    each_step(&journey.steps, &mut |step| {
        if let Step::Send(send) = step {
            known.push(send.template.node.as_str());
        }
    });
    test.lines.iter().any(|line| {
        let words: Vec<&str> = line.node.split_whitespace().collect();
        words.first() == Some(&"expect")
            && (words.windows(2).any(|two| two == ["journey", &journey.name.node])
                || words.iter().any(|word| known.contains(word)))
    })
}

/// Looks at all steps, those of branches included.
fn each_step<'j>(steps: &'j [Spanned<Step>], look: &mut impl FnMut(&'j Step)) {
    for step in steps {
        look(&step.node);
        match &step.node {
            Step::Choose(branches) => branches.iter().for_each(|it| each_step(&it.steps, look)),
            Step::Split(arms) => arms.iter().for_each(|arm| each_step(&arm.steps, look)),
            Step::Wait(Wait::Event { then, otherwise, .. }) => {
                each_step(then, look);
                each_step(otherwise, look);
            }
            _ => {}
        }
    }
}

/// A script that speaks of the journey by its new name.
fn renamed(text: &str, like: &str, name: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let words = line.trim_end();
        let is_it = words.trim_start().starts_with("expect ")
            && words.ends_with(&format!(" journey {like}"));
        match is_it {
            true => out += &format!("{}{name}\n", &words[..words.len() - like.len()]),
            false => out += &format!("{line}\n"),
        }
    }
    out
}
