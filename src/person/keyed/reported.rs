//! What the persons of one worker come to in audiences and reports: their steps' effects are counted, and what they are in.

use super::super::{Change, Effect, ExitReason, Outcome, Person};
use super::Keyed;
use crate::define::plan::{Plan, SegmentSet};
use crate::report::{Counts, Part, Shape};
use crate::store::Record;
use serde::{Deserialize, Serialize};

/// The counts of one worker.
#[derive(Debug)]
pub(super) struct Reported {
    shape: Shape,
    counts: Counts,
    /// What the person in the middle of a step was announced to be in before it.
    before: SegmentSet,
    /// The last run before this one that has left counts in the store.
    run: u64,
}

/// What the store keeps of a worker's counts, with every checkpoint. That of another epoch, or of an earlier run, is of a
/// worker that has counted nothing since, or is not there any more: two runs can take checkpoints after one epoch.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    run: u64,
    epoch: u64,
    counts: Counts,
}

const REPORT: &str = "report:";

impl Reported {
    pub(super) fn new(plan: &Plan) -> Reported {
        let mut reported = Reported {
            shape: Shape::default(),
            counts: Counts::default(),
            before: SegmentSet::default(),
            run: 0,
        };
        reported.switch(plan);
        reported
    }

    /// Another plan holds from now on.
    pub(super) fn switch(&mut self, plan: &Plan) {
        self.shape = Shape::of(plan);
        self.counts.fit(&self.shape);
    }

    /// A person is about to take a step.
    pub(super) fn before(&mut self, person: &Person) {
        self.before.clone_from(&person.announced);
        self.open(person, -1);
    }

    /// The person has taken it, and these are its effects.
    pub(super) fn after(&mut self, person: &Person, effects: &[Effect]) {
        if self.before != person.announced {
            self.counts.moved(&self.shape, &self.before, &person.announced);
        }
        self.open(person, 1);
        self.hear(effects);
    }

    /// A person comes to this worker out of what it has been so far, or goes: every way in and out of the table leads here.
    pub(super) fn came(&mut self, person: &Person, comes: bool) {
        self.counts.came(&self.shape, &person.announced, comes);
        self.open(person, if comes { 1 } else { -1 });
    }

    fn open(&mut self, person: &Person, more: i64) {
        for instance in person.instances.iter().filter(|instance| instance.is_open()) {
            self.counts.open(&self.shape, instance.journey, &instance.arms, more);
        }
    }

    /// Counts what has gone out.
    pub(super) fn hear(&mut self, effects: &[Effect]) {
        let Reported { shape, counts, .. } = self;
        for effect in effects {
            match effect {
                Effect::Segment { time, segment, entered } => {
                    counts.segment(shape, *segment, *entered, *time);
                }
                Effect::Journey { journey, change, .. } => match change {
                    Change::Entered { .. } => counts.entered(*journey),
                    Change::Carried { .. } => counts.carried(*journey),
                    Change::Reached { place } => counts.reached(shape, *journey, *place),
                    Change::Regret { .. } => counts.regretted(*journey),
                    Change::Exited { reason, value, arms, .. } => {
                        counts.ended(shape, *journey, ending(*reason), *value, arms);
                    }
                    _ => {}
                },
                Effect::Decision(decision) => match decision.outcome {
                    Outcome::Send => counts.sent(decision.send),
                    Outcome::Defer { reason, .. } => {
                        counts.held(shape, decision.send, reason, false);
                    }
                    Outcome::Drop { reason } => counts.held(shape, decision.send, reason, true),
                },
                Effect::Session { .. } | Effect::Forward(_) | Effect::Gone { .. } => {}
            }
        }
    }

    /// What the store has to keep of it after an epoch.
    pub(super) fn freeze(&self, epoch: u64, worker: usize, records: &mut Vec<Record>) {
        if !self.counts.is_empty() {
            let kept = Kept { run: self.run + 1, epoch, counts: self.counts.clone() };
            let bytes = postcard::to_stdvec(&kept).expect("plain data");
            records.push(Record::kept(&format!("{REPORT}{worker}"), bytes));
        }
    }

    /// Takes in what the store has kept as of an epoch; tells whether it was any of this.
    pub(super) fn restore(&mut self, epoch: u64, worker: usize, id: &str, bytes: &[u8]) -> bool {
        if !id.starts_with(REPORT) {
            return false;
        }
        const WHOLE: &str = "a store checks what it reads";
        let ((run, of), _) = postcard::take_from_bytes::<(u64, u64)>(bytes).expect(WHOLE);
        if run > self.run {
            self.run = run;
            self.counts = Counts::default();
            self.counts.fit(&self.shape);
        }
        // Only sums say something, so that it does not matter who has them.
        if worker == 0 && (run, of) == (self.run, epoch) {
            let kept: Kept = postcard::from_bytes(bytes).expect(WHOLE);
            self.counts.add(&kept.counts);
        }
        true
    }
}

/// The number of a way to end among [`crate::report::ENDINGS`].
fn ending(reason: ExitReason) -> usize {
    match reason {
        ExitReason::Finished => 0,
        ExitReason::Exit => 1,
        ExitReason::Goal => 2,
        ExitReason::Cap => 3,
        ExitReason::Changed => 4,
        ExitReason::Parted => 5,
        ExitReason::Erased => 6,
        ExitReason::Forgotten => 7,
    }
}

impl Keyed {
    /// This worker's part of audiences and reports. Only the sum over all workers says something.
    pub fn report(&self) -> Part {
        Part { plan: self.plan.clone(), counts: self.reported.counts.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_has_its_word() {
        use ExitReason::{Cap, Changed, Exit, Finished, Goal, Parted};
        for reason in [Finished, Exit, Goal, Cap, Changed, Parted] {
            assert_eq!(crate::report::ENDINGS[ending(reason)], reason.as_str());
        }
    }
}
