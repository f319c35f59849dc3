//! What has been published, read from the counts by label that the engine keeps anyway: nothing is counted twice.

use crate::define::plan::{Plan, Standing};
use crate::sink::Labels;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Gives the counts by label as they are now.
pub type Counting = Box<dyn Fn() -> Vec<u64> + Send + Sync>;

/// The plan that is running, and where to read what has come of it.
pub struct Outputs {
    pub plan: Arc<Plan>,
    labels: Arc<Labels>,
    counts: Counting,
}

/// Decisions by journey, channel, outcome (`send`, `defer`, `drop`) and reason (empty for `send`).
pub type Decisions = BTreeMap<[String; 4], u64>;

/// The counts at one moment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub rejects: Vec<(String, u64)>,
    pub sessions: u64,
    /// By name, those of the pack in effect first.
    pub segments: Vec<SegmentTally>,
    /// By name, those of the pack in effect first; all versions of a journey are one.
    pub journeys: Vec<JourneyTally>,
    pub decisions: Decisions,
}

/// Of one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentTally {
    pub name: String,
    pub entered: u64,
    pub left: u64,
}

/// Of one journey: instances that entered, finished, or left early, and regrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JourneyTally {
    pub name: String,
    pub entered: u64,
    pub finished: u64,
    pub exit: u64,
    pub goal: u64,
    pub cap: u64,
    pub regret: u64,
    /// Instances whose step was gone when they went over to a changed journey.
    pub changed: u64,
}

impl SegmentTally {
    /// Persons in it now.
    pub fn members(&self) -> u64 {
        self.entered.saturating_sub(self.left)
    }
}

impl JourneyTally {
    /// Instances open now.
    pub fn open(&self) -> u64 {
        let over = self.finished + self.exit + self.goal + self.cap + self.changed;
        self.entered.saturating_sub(over)
    }

    /// Changes with their words, as metrics show them.
    pub fn changes(&self) -> [(&'static str, u64); 6] {
        [
            ("entered", self.entered),
            ("finished", self.finished),
            ("exit", self.exit),
            ("goal", self.goal),
            ("cap", self.cap),
            ("changed", self.changed),
        ]
    }

    fn count(&mut self, change: &str) -> Option<&mut u64> {
        Some(match change {
            "entered" => &mut self.entered,
            "finished" => &mut self.finished,
            "exit" => &mut self.exit,
            "goal" => &mut self.goal,
            "cap" => &mut self.cap,
            "regret" => &mut self.regret,
            "changed" => &mut self.changed,
            _ => return None,
        })
    }
}

impl Outputs {
    /// `labels` are those of `plan`, and `counts` gives a count for each of them.
    pub fn new(plan: Arc<Plan>, labels: Arc<Labels>, counts: Counting) -> Outputs {
        Outputs { plan, labels, counts }
    }

    /// Reads the counts.
    pub fn tally(&self) -> Tally {
        let plan = &*self.plan;
        let counts = (self.counts)();
        let mut tally = Tally {
            segments: names(plan.segments.iter().map(|it| (it.standing, it.name.as_str())))
                .map(SegmentTally::named)
                .collect(),
            journeys: names(plan.journeys.iter().map(|it| (it.standing, it.name.as_str())))
                .map(JourneyTally::named)
                .collect(),
            ..Tally::default()
        };
        for (label, &count) in counts.iter().enumerate().take(self.labels.len()) {
            let [section, name, _, what] = self.labels.name(label as u32);
            match section.as_str() {
                "rejects" => tally.rejects.push((what.clone(), count)),
                "sessions" => tally.sessions += count,
                "segments" => tally.segment(name, what, count),
                "journeys" => tally.journey(name, what, count),
                "decisions" => {
                    let send = self.labels.send_of(label as u32);
                    let channel = send.map_or("", |send| &plan.sends[send].channel);
                    tally.decision(name, channel, what, count);
                }
                _ => {}
            }
        }
        tally
    }
}

/// Each name once, those of the pack in effect first.
fn names<'a>(all: impl Iterator<Item = (Standing, &'a str)>) -> impl Iterator<Item = &'a str> {
    let (mut current, mut earlier) = (Vec::new(), BTreeSet::new());
    for (standing, name) in all {
        match standing {
            Standing::Current => current.push(name),
            _ => {
                earlier.insert(name);
            }
        }
    }
    current.iter().for_each(|name| _ = earlier.remove(name));
    current.into_iter().chain(earlier)
}

impl SegmentTally {
    fn named(name: &str) -> SegmentTally {
        SegmentTally { name: name.into(), ..SegmentTally::default() }
    }
}

impl JourneyTally {
    fn named(name: &str) -> JourneyTally {
        JourneyTally { name: name.into(), ..JourneyTally::default() }
    }
}

impl Tally {
    fn segment(&mut self, name: &str, change: &str, count: u64) {
        if let Some(segment) = self.segments.iter_mut().find(|segment| segment.name == name) {
            match change {
                "entered" => segment.entered += count,
                _ => segment.left += count,
            }
        }
    }

    fn journey(&mut self, name: &str, change: &str, count: u64) {
        let journey = self.journeys.iter_mut().find(|journey| journey.name == name);
        if let Some(counted) = journey.and_then(|journey| journey.count(change)) {
            *counted += count;
        }
    }

    /// Sends are there from the beginning, so that a rate can be taken of the first; the rest once it happens.
    fn decision(&mut self, journey: &str, channel: &str, what: &str, count: u64) {
        let (outcome, reason) = what.split_once(": ").unwrap_or((what, ""));
        if count > 0 || outcome == "send" {
            let key = [journey, channel, outcome, reason].map(String::from);
            *self.decisions.entry(key).or_default() += count;
        }
    }

    /// Decisions of a journey by outcome: send, defer, drop.
    pub fn outcomes(&self, journey: &str) -> [u64; 3] {
        let mut sums = [0; 3];
        for ([name, _, outcome, _], count) in &self.decisions {
            let at = ["send", "defer", "drop"].iter().position(|known| known == outcome);
            if let Some(at) = at.filter(|_| name == journey) {
                sums[at] += count;
            }
        }
        sums
    }
}
