//! Persons without a strong identifier of whom nothing was seen for long, as far as their links are concerned.
//!
//! When something was last seen of a leaf is noted as it comes. A person has an entry in the order of deadlines, which is looked
//! at when it comes up and not moved before (lazy re-arming), as timers are.

use super::Graph;
use crate::event::leaf_hash;
use crate::time::NEVER;
use compact_str::CompactString;

impl Graph {
    /// How long nothing may be seen of a person without a strong identifier; none if for ever.
    pub fn forgets_after(&self) -> Option<i64> {
        self.rules.forget_after
    }

    /// Something is seen of the identifier of a hash; nothing is noted of those that are linked to none.
    pub(in crate::identity) fn seen(&mut self, hash: u64, at: i64) {
        let same = |known: u32| leaf_hash(&self.leaves[known as usize].name) == hash;
        if let Some(first) = self.index.find(hash, same) {
            self.note_seen(self.current(first), at);
        }
    }

    /// The same of all identifiers that were named together.
    pub(in crate::identity) fn named(&mut self, identifier: &str, at: i64) {
        if self.rules.forget_after.is_none() {
            return;
        }
        if let Some(first) = self.find(identifier) {
            self.note_seen(self.current(first), at);
        }
    }

    fn note_seen(&mut self, leaf: u32, at: i64) {
        let seen = &mut self.leaves[leaf as usize].seen;
        if at > *seen {
            *seen = at;
            self.noticed.push(leaf);
        }
    }

    /// Gives persons that have come about a deadline: those whose leaves were touched since there were so many of these.
    pub(in crate::identity) fn arm(&mut self, from: usize) {
        for at in from..self.touched.len() {
            let leaf = self.touched[at];
            if !self.is_free(leaf) {
                self.arm_person(self.leaves[leaf as usize].person);
            }
        }
    }

    /// So many leaves were touched.
    pub(in crate::identity) fn touched(&self) -> usize {
        self.touched.len()
    }

    pub(super) fn arm_person(&mut self, person: u32) {
        let rank = self.leaves[person as usize].rank;
        if self.rules.forget_after.is_none() || self.rules.is_strong(rank) {
            return;
        }
        let due = self.due(person);
        if due < self.leaves[person as usize].armed {
            self.idle.insert((due, self.name(person)));
            self.leaves[person as usize].armed = due;
        }
    }

    /// When the person of a leaf is to be forgotten, if nothing more is seen.
    fn due(&self, person: u32) -> i64 {
        let seen = self.component(person).into_iter().map(|at| self.leaves[at as usize].seen);
        let after = self.rules.forget_after.unwrap_or(NEVER);
        seen.max().unwrap_or(i64::MIN).saturating_add(after)
    }

    /// The earliest deadline that there may be.
    pub(in crate::identity) fn earliest(&self) -> i64 {
        self.idle.first().map_or(NEVER, |(due, _)| *due)
    }

    /// The person who is to be forgotten first, if that is before an instant, with the deadline.
    pub(in crate::identity) fn first_idle(&mut self, before: i64) -> Option<(i64, CompactString)> {
        while let Some((due, name)) = self.idle.pop_first() {
            if due >= before {
                self.idle.insert((due, name));
                return None;
            }
            let Some(at) = self.find(&name) else { continue };
            let leaf = &mut self.leaves[at as usize];
            if leaf.armed != due {
                continue;
            }
            leaf.armed = NEVER;
            // One who is part of another has an entry as that. An identifier that has changed hands is
            // not let go of.
            let stays = leaf.links.is_empty()
                && !self.severed.contains_key(&at)
                && self.generations.contains_key(&leaf.first);
            if leaf.person != at || stays {
                continue;
            }
            self.arm_person(at);
            if self.leaves[at as usize].armed == due {
                return Some((due, name));
            }
        }
        None
    }
}
