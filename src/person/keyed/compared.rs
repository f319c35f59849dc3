//! What a worker's persons say to be compared with all others, and the answers on their way back.

use super::super::feedback::Feedback;
use super::super::{Answer, Person, Said, ranks};
use super::{Frame, Keyed, Unsaid};
use crate::define::plan::{Plan, RankId, Standing};
use std::collections::BTreeMap;

/// What of it one worker holds.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// What has turned about persons, by slot, for the next epoch.
    answers: BTreeMap<u32, Vec<(RankId, bool)>>,
    /// What persons have said since it was last taken: fact, value, slot, and whether there is one more or one fewer of it.
    said: Vec<((u16, u64, u32), isize)>,
    /// What persons that the store holds had been answered, until they are compared again.
    answered: BTreeMap<u32, Vec<RankId>>,
    /// Those who are in a slot anew since the last epoch, and what was answered them elsewhere.
    moved: BTreeMap<u32, Vec<RankId>>,
    /// Whether answers wait for the next epoch.
    waits: bool,
}

impl Compared {
    /// The answers for a person, once.
    pub(super) fn take(&mut self, slot: u32) -> Vec<(RankId, bool)> {
        self.answers.remove(&slot).unwrap_or_default()
    }

    /// Somebody for whom there are answers.
    pub(super) fn next(&self) -> Option<u32> {
        self.answers.keys().next().copied()
    }

    /// Says of every fact by which persons are compared that something has changed: the plan.
    pub(super) fn announce(&mut self, plan: &Plan) {
        self.said.extend(plan.ranked.iter().map(|ranked| ((ranked.fact.0, 0, 0), 0)));
    }

    /// A person leaves a slot: gives what it has said there and is to be taken back. Answers on the way are for nobody.
    pub(super) fn move_away(&mut self, person: &mut Person, slot: u32) -> Vec<Said> {
        self.answers.remove(&slot);
        self.moved.remove(&slot);
        let said = ranks::forget_said(person);
        said.into_iter().map(|(fact, value)| (((fact, value, slot), ()), 0, -1)).collect()
    }

    /// A person is in a slot anew: it says all again, and everything it was answered is asked again.
    pub(super) fn arrive(&mut self, person: &mut Person, slot: u32, frame: &Frame) {
        ranks::forget_said(person);
        if frame.plan.ranked.is_empty() {
            return;
        }
        self.say(person, slot, frame.plan, frame.next_watermark.saturating_sub(1));
        self.moved.insert(slot, person.said().1.to_vec());
    }

    /// Those who have moved are answered no where nothing says yes: a slot begins without any answer.
    pub(super) fn answer_moved(&mut self) {
        for (slot, holds) in std::mem::take(&mut self.moved) {
            let answers = self.answers.entry(slot).or_default();
            let yes = |rank: &RankId| answers.contains(&(*rank, true));
            let no: Vec<RankId> = holds.into_iter().filter(|rank| !yes(rank)).collect();
            answers.extend(no.into_iter().map(|rank| (rank, false)));
            if answers.is_empty() {
                self.answers.remove(&slot);
            }
        }
    }

    /// Lets a person say what is another value than before, as of an instant.
    pub(super) fn say(&mut self, person: &mut Person, slot: u32, plan: &Plan, now: i64) {
        ranks::say(person, plan, now, |fact, value, more| {
            self.said.push(((fact, value, slot), more));
        });
    }
}

impl Keyed {
    /// What is taken in when the next epoch begins.
    pub fn hear(&mut self, feedback: Vec<Feedback>) {
        for feedback in feedback {
            match feedback {
                // Whoever was in the slot has gone.
                Feedback::Answer(Answer { person, .. }) if self.table.is_free(person) => {}
                Feedback::Answer(Answer { person, rank, holds }) => {
                    self.compared.answers.entry(person).or_default().push((rank, holds));
                }
                other => self.relations.hear(other),
            }
        }
    }

    /// Takes back what those have said who have gone.
    pub fn unsay(&mut self, unsaid: Unsaid) {
        let said = unsaid.said.into_iter();
        self.compared.said.extend(said.map(|((what, ()), _, more)| (what, more)));
        self.relations.pairs.extend(unsaid.pairs);
    }

    /// Whether somebody is in another slot than before this epoch.
    pub fn has_moved(&self) -> bool {
        !self.compared.moved.is_empty()
    }

    /// What persons have said since it was last taken, as said in this epoch.
    pub fn take_said(&mut self, epoch: u64) -> Vec<Said> {
        let said = self.compared.said.drain(..);
        said.map(|(what, more)| ((what, ()), epoch, more)).collect()
    }

    /// Answers wait for the next epoch, or do not any more: it should come soon.
    pub fn set_waiting(&mut self, waits: bool) {
        self.compared.waits = waits;
    }

    /// Whether answers wait for the next epoch.
    pub fn is_waiting(&self) -> bool {
        self.compared.waits
    }

    /// Everybody whom the store holds says again what was said last, and what had been answered is kept until there are answers
    /// to that. So nothing of the comparisons has to be stored but with the persons.
    pub fn say_again(&mut self) {
        for slot in self.table.taken().collect::<Vec<u32>>() {
            let person = self.table.view(slot);
            self.say_lists_again(slot, &person);
            let (said, holds) = person.said();
            // Who has not taken up the plan yet still holds answers that nobody asks for.
            let is_asked = |rank: &&RankId| {
                let rank = self.plan.ranks.get(usize::from(rank.0));
                rank.is_some_and(|rank| rank.standing != Standing::Gone)
            };
            let holds: Vec<RankId> = holds.iter().filter(is_asked).copied().collect();
            let said = said.iter().map(|&(fact, value)| ((fact, value, slot), 1));
            self.compared.said.extend(said);
            if !holds.is_empty() {
                self.compared.answered.insert(slot, holds);
            }
        }
    }

    /// All answers to what was said again, each of them a yes: only those are left that are others than before.
    pub fn compare_again(&mut self, answers: Vec<Answer>) -> Vec<Answer> {
        let mut before = std::mem::take(&mut self.compared.answered);
        let mut turned = Vec::new();
        for answer in answers {
            let known = before.get_mut(&answer.person);
            match known
                .and_then(|known| Some((known.iter().position(|it| *it == answer.rank)?, known)))
            {
                Some((at, known)) => {
                    known.swap_remove(at);
                }
                None => turned.push(answer),
            }
        }
        for (person, ranks) in before {
            turned.extend(ranks.into_iter().map(|rank| Answer { person, rank, holds: false }));
        }
        turned.sort_unstable();
        turned
    }

    /// Everybody says what counts under another plan, at once: who is compared with a part of all others would be answered wrongly.
    pub(super) fn say_all(&mut self, plan: &Plan, now: i64) {
        let frame = Frame { dedup_horizon: self.dedup_horizon, ..Frame::between(plan, now, now) };
        for slot in self.table.taken().collect::<Vec<u32>>() {
            self.touch(slot);
            let mut person = self.table.take(slot);
            self.compared.say(&mut person, slot, plan, now.saturating_sub(1));
            self.relations.say(&mut person, slot, plan, now.saturating_sub(1), None);
            self.put_back(&frame, slot, person);
        }
    }
}
