//! Persons who are erased: random links, un-links, events and erasures, held to runs in which what the erased had done never was.
//!
//! The reference works out who is who from scratch, as that of `identity` does; an erasure takes out everything that has come in
//! under the leaves of that person so far, and their links. `SIM_SEEDS=from..to` runs other seeds.

use crate::histories::{self, play, smallest};
use crate::identity::{Event, FACTS, IDENTITY, JOURNEYS, START, Who, event, line, told, world};
use crate::simulator::seeds;
use kairos::sim::rng::Rng;
use kairos::sim::world::{Cut, Ending, Stop, World};
use kairos::sink::Stream;
use std::collections::{BTreeMap, BTreeSet};

const ERASED: &str = "Person Erased";

/// Between two events: more than the slack and an epoch, so that what comes later is decided later.
const APART: i64 = 60_000;

/// Somebody of the reference who stands for requests.
const NOBODY: &str = "user:nobody";

/// One step of a stream: an event, or one of those before it once more, late.
#[derive(Clone, Debug)]
pub struct Step {
    pub event: Event,
    late: bool,
}

fn tick(time: i64) -> Event {
    let (ids, properties) = (vec!["user:clock".to_owned()], String::from(r#""n":1"#));
    Event { time, name: "Tick", ids, other: None, properties }
}

pub fn stream(rng: &mut Rng, length: usize, is_linked: bool) -> Vec<Step> {
    let mut time = START;
    let mut steps: Vec<Step> = Vec::new();
    for _ in 0..length {
        time += APART;
        let mut made = event(rng, &mut time);
        if !is_linked && made.name != "alias" && made.name != "Identifiers Unlinked" {
            made.ids.truncate(1);
            made.ids.retain(|id| !id.starts_with("email:"));
        }
        if made.ids.is_empty()
            || !is_linked && matches!(made.name, "alias" | "Identifiers Unlinked")
        {
            continue;
        }
        if rng.chance(0.12) {
            made.name = ERASED;
            made.other = rng.chance(0.6).then(|| match rng.below(if is_linked { 3 } else { 2 }) {
                0 => format!("user:u{}", rng.below(4)),
                1 => format!("anonymous:a{}", rng.below(5)),
                _ => format!("email:e{}@x.pl", rng.below(3)),
            });
        }
        let mut again =
            (!steps.is_empty() && rng.chance(0.15)).then(|| rng.pick(&steps).event.clone());
        if let Some(again) = &mut again
            && is_linked
            && again.other.is_none()
            && rng.chance(0.5)
        {
            // Not quite the same: of an address that only comes like this, with somebody of whom nothing may be known any more.
            let address = format!("email:e{}@x.pl", 3 + rng.below(3));
            again.ids = match &made.ids[0] {
                user if user.starts_with("user:") => vec![user.clone(), address],
                device if device.starts_with("anonymous:") => vec![address, device.clone()],
                _ => vec![address],
            };
        }
        steps.push(Step { event: made, late: false });
        if let Some(event) = again {
            time += APART;
            steps.push(Step { event: tick(time), late: false });
            steps.push(Step { event, late: true });
        }
    }
    steps
}

/// What was erased, by the rules: who is who, and which events are left.
#[derive(Default)]
struct Reference {
    who: Who,
    /// With the leaf of each event.
    left: Vec<(Event, String)>,
    erased: BTreeMap<String, i64>,
    /// After how long a person without a `userId` is forgotten, and when links were last spoken of, by leaf.
    forget_after: Option<i64>,
    seen: BTreeMap<String, i64>,
}

impl Reference {
    fn is_erased(&self, id: &str, time: i64) -> bool {
        self.erased.get(id).is_some_and(|at| time <= *at)
    }

    fn erase(&mut self, id: &str, at: i64) {
        let leaves = self.who.person(&self.who.leaf(id));
        self.left.retain(|(_, leaf)| !leaves.contains(leaf));
        self.who.links.retain(|(a, b)| !leaves.contains(a) && !leaves.contains(b));
        self.who.severed.retain(|(a, b)| !leaves.contains(a) && !leaves.contains(b));
        self.seen.retain(|leaf, _| !leaves.contains(leaf));
        for leaf in leaves {
            let identifier = leaf.split('#').next().unwrap_or_default().to_owned();
            self.erased.insert(identifier, at);
        }
    }

    /// Forgets whoever was silent for so long before an instant: what was done, and the links, which may have been spoken of
    /// since.
    fn forget(&mut self, before: i64) {
        let Some(after) = self.forget_after else { return };
        let of_links = self.who.links.iter().chain(&self.who.severed);
        let of_links = of_links.flat_map(|(a, b)| [a.clone(), b.clone()]);
        let leaves: BTreeSet<String> =
            self.left.iter().map(|(_, leaf)| leaf.clone()).chain(of_links).collect();
        for leaf in leaves {
            if self.who.name(&leaf).starts_with("user:") {
                continue;
            }
            let all = self.who.person(&leaf);
            let own = self.left.iter().filter(|(_, leaf)| all.contains(leaf));
            let is_over = |last: Option<i64>| last.is_some_and(|last| last + after < before);
            if is_over(own.map(|(event, _)| event.time).max()) {
                self.left.retain(|(_, leaf)| !all.contains(leaf));
            }
            if is_over(
                self.seen.iter().filter(|(leaf, _)| all.contains(*leaf)).map(|(_, at)| *at).max(),
            ) {
                self.who.links.retain(|(a, b)| !all.contains(a) && !all.contains(b));
                self.who.severed.retain(|(a, b)| !all.contains(a) && !all.contains(b));
                self.seen.retain(|leaf, _| !all.contains(leaf));
            }
        }
    }

    /// Whether the identifiers of an event are linked already, or never by events.
    fn is_known(&self, event: &Event) -> bool {
        let leaf = |id: &String| self.who.leaf(id);
        let known = |other: &String| {
            let (a, b) = (leaf(&event.ids[0]), leaf(other));
            let pair = (a.clone().min(b.clone()), a.max(b));
            self.who.links.contains(&pair) || self.who.severed.contains(&pair)
        };
        !matches!(event.name, "alias" | "Identifiers Unlinked") && event.ids[1..].iter().all(known)
    }

    fn take(&mut self, step: &Step, now: i64) {
        self.forget(step.event.time);
        let mut event = step.event.clone();
        let named = event.other.clone().unwrap_or_default();
        if event.name == ERASED {
            let id = event.other.clone().unwrap_or_else(|| event.ids[0].clone());
            if !self.is_erased(&id, event.time) {
                self.erase(&id, event.time.max(now));
            }
            // Time goes on all the same.
            let ids = vec![NOBODY.to_owned()];
            self.left.push((Event { ids, ..tick(event.time) }, NOBODY.to_owned()));
            return;
        }
        if self.is_erased(&event.ids[0], event.time) {
            return;
        }
        let time = event.time;
        event.ids.retain(|id| self.erased.get(id).is_none_or(|at| time > *at));
        if !self.is_erased(&named, time) {
            let is_new = !self.is_known(&event);
            self.who.take(&event);
            if is_new {
                for id in event.ids.iter().chain(&event.other) {
                    self.seen.insert(self.who.leaf(id), time);
                }
            }
        }
        let leaf = self.who.leaf(&event.ids[0]);
        self.seen.insert(leaf.clone(), time);
        self.left.push((event, leaf));
    }

    fn of(steps: &[Step], forget_after: Option<i64>) -> Reference {
        let mut reference = Reference { forget_after, ..Reference::default() };
        let mut now = START;
        for step in steps {
            reference.take(step, now);
            now = now.max(step.event.time);
        }
        reference.forget(now + 1);
        reference
    }

    /// What is left, each with its final person as only identifier.
    fn resolved(&self) -> Vec<Event> {
        let person = |leaf: &String| format!("user:{}", self.who.name(leaf));
        self.left
            .iter()
            .map(|(event, leaf)| Event { ids: vec![person(leaf)], ..event.clone() })
            .collect()
    }
}

pub fn forgets(after: i64) -> String {
    format!("forget_after: {after}ms\n")
}

fn events(steps: &[Step]) -> Vec<Event> {
    steps.iter().map(|step| step.event.clone()).collect()
}

fn difference(steps: &[Step], identity: &str, forget_after: Option<i64>) -> Option<String> {
    let last = steps.iter().map(|step| step.event.time).max().unwrap_or(START);
    let steps = [steps, &[Step { event: tick(last + APART), late: false }]].concat();
    let forgets = forget_after.map(forgets).unwrap_or_default();
    let run = world(&format!("{identity}{forgets}{FACTS}"), &events(&steps));
    let reference = Reference::of(&steps, forget_after);
    let plain = world(FACTS, &reference.resolved());
    let (found, wanted) = (play(&run, &[Cut::plain()]), play(&plain, &[Cut::plain()]));
    let found = told(&run.plan, &found.persons, found.end);
    let mut wanted = told(&plain.plan, &wanted.persons, wanted.end);
    wanted.remove(NOBODY);
    histories::difference(&found, &wanted)
}

/// The smallest stream that still shows what is wrong.
fn hold(seed: u64, steps: Vec<Step>, differs: impl Fn(&[Step]) -> Option<String>) {
    let Some((steps, why)) = smallest(steps, differs) else { return };
    let lines: Vec<_> =
        steps.iter().map(|step| String::from_utf8(line(&step.event)).unwrap()).collect();
    panic!("seed {seed}: {why}\n{}", lines.join("\n"));
}

#[test]
fn what_the_erased_had_done_never_was() {
    for seed in seeds(0..120) {
        let mut rng = Rng::new(20_000 + seed);
        let length = 5 + rng.below(60) as usize;
        let steps = stream(&mut rng, length, true);
        hold(seed, steps, |steps| difference(steps, IDENTITY, None));
    }
}

#[test]
fn it_never_was_either_where_every_identifier_is_a_person() {
    for seed in seeds(0..60) {
        let mut rng = Rng::new(30_000 + seed);
        let length = 5 + rng.below(60) as usize;
        let steps = stream(&mut rng, length, false);
        hold(seed, steps, |steps| difference(steps, "", None));
    }
}

/// What whoever keeps the latest word on each person and segment has at the end.
fn kept(ending: &Ending) -> BTreeSet<(String, String)> {
    let text = String::from_utf8(ending.outputs[Stream::Segments as usize].clone()).unwrap();
    let mut kept = BTreeSet::new();
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let key = (text(&line["subject"]), text(&line["data"]["segment"]));
        match text(&line["data"]["change"]).as_str() {
            "gone" => drop(kept.remove(&key)),
            _ => drop(kept.insert(key)),
        }
    }
    kept
}

/// All of it once more, after everything: nobody who was erased is there because of it, and nobody has kept a word on them.
#[test]
fn a_replay_brings_nobody_back() {
    for (seed, identity) in seeds(0..40).flat_map(|seed| [(seed, IDENTITY), (seed, "")]) {
        let mut rng = Rng::new(40_000 + seed);
        let mut steps = stream(&mut rng, 50, !identity.is_empty());
        steps.retain(|step| !step.late);
        let reference = Reference::of(&steps, None);
        let mut time = steps.last().unwrap().event.time + APART;
        let first = steps.clone();
        for step in first {
            time += APART;
            steps.push(Step { event: tick(time), late: false });
            steps.push(Step { late: true, ..step });
        }
        let world = world(&format!("{identity}{FACTS}{JOURNEYS}"), &events(&steps));
        let ending = play(&world, &[Cut::plain()]);
        // Somebody has spoken of it since, be it only to link it; or what it did before it changed hands is somebody else's.
        let is_back = |id: &String| {
            let since = reference.erased[id];
            let is_left = reference.left.iter().any(|(_, leaf)| leaf == id);
            is_left
                || steps.iter().map(|step| &step.event).any(|event| {
                    event.time > since && event.ids.iter().chain(&event.other).any(|it| it == id)
                })
        };
        let gone: Vec<&String> = reference.erased.keys().filter(|id| !is_back(id)).collect();
        for id in gone {
            let person = ending.persons.iter().find(|person| person.id == id.as_str());
            assert!(person.is_none(), "seed {seed}: {id} is back");
            let word = kept(&ending).into_iter().find(|(subject, _)| subject == id);
            assert_eq!(word, None, "seed {seed}");
        }
    }
}

fn through_stops(world: &World, rng: &mut Rng, seed: u64) {
    let plain = play(world, &[Cut::plain()]);
    for workers in [1, 2, 4] {
        let cut = Cut {
            workers,
            chunk: 1 + rng.below(3_000) as usize,
            checkpoint: 1 + rng.below(3),
            stop: None,
        };
        let stopped = Cut { stop: Some(Stop::Complete(1 + rng.below(60))), ..cut };
        let history = [stopped, Cut { workers: 1 + rng.below(3) as usize, ..stopped }, cut];
        for history in [&history[2..], &history] {
            if let Err(why) = play(world, history).same(&plain) {
                panic!("seed {seed}, {history:?}: {why}");
            }
        }
    }
}

/// Any number of workers, and stops anywhere: the same bytes.
#[test]
fn the_outputs_are_the_same_for_any_number_of_workers_and_stops() {
    for (seed, identity) in seeds(0..30).flat_map(|seed| [(seed, IDENTITY), (seed, "")]) {
        let mut rng = Rng::new(50_000 + seed);
        let steps = stream(&mut rng, 60, !identity.is_empty());
        let world = world(&format!("{identity}{FACTS}{JOURNEYS}"), &events(&steps));
        through_stops(&world, &mut rng, seed);
    }
}

/// Short beside a stream.
pub const SILENCE: i64 = 5 * 3_600_000;

#[test]
fn who_was_silent_for_long_never_was() {
    for (seed, identity) in seeds(0..120).flat_map(|seed| [(seed, IDENTITY), (seed, "")]) {
        let mut rng = Rng::new(60_000 + seed);
        let length = 5 + rng.below(60) as usize;
        let mut steps = stream(&mut rng, length, !identity.is_empty());
        steps.retain(|step| !step.late);
        hold(seed, steps, |steps| difference(steps, identity, Some(SILENCE)));
    }
}

#[test]
fn who_is_forgotten_is_so_for_any_number_of_workers_and_stops() {
    for (seed, identity) in seeds(0..30).flat_map(|seed| [(seed, IDENTITY), (seed, "")]) {
        let mut rng = Rng::new(70_000 + seed);
        let mut steps = stream(&mut rng, 60, !identity.is_empty());
        steps.retain(|step| seed.is_multiple_of(2) || !step.late);
        let text = format!("{identity}{}{FACTS}{JOURNEYS}", forgets(SILENCE));
        let world = world(&text, &events(&steps));
        through_stops(&world, &mut rng, seed);
        if seed.is_multiple_of(2) {
            continue;
        }
        let ending = play(&world, &[Cut::plain()]);
        // A word is kept only on those who are known, or are linked to them.
        let reference = Reference::of(&steps, Some(SILENCE));
        for (subject, segment) in kept(&ending) {
            let is_there = reference
                .left
                .iter()
                .any(|(_, leaf)| reference.who.person(leaf).contains(&subject) || *leaf == subject);
            assert!(is_there, "seed {seed}: {segment} of {subject} is kept");
        }
    }
}
