//! What the store keeps of leaves, and the graph out of it again.

use super::{Graph, Owner, generation_name};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// What the store keeps of one leaf.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeafRecord {
    pub name: CompactString,
    links: Vec<CompactString>,
    /// Of an identifier's first leaf: the generation that is current, if not the first.
    generation: u32,
    /// Identifiers from which it was taken apart, and with which events do not link it again.
    severed: Vec<CompactString>,
    /// When something was last seen of it, where persons are forgotten.
    #[serde(with = "crate::time::instant")]
    seen: i64,
}

impl Graph {
    /// The places of leaves that something has happened to, and the identifiers whose events belong to somebody else than
    /// before; forgets which these were.
    pub fn take_touched(&mut self) -> (Vec<u32>, Vec<(CompactString, Owner)>) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        touched.retain(|at| !self.is_free(*at));
        let mut reowned = std::mem::take(&mut self.reowned);
        reowned.sort_unstable();
        reowned.dedup();
        let current = reowned.into_iter().filter(|&at| !self.is_free(at) && self.is_current(at));
        let owner = |at: u32| (self.name(self.leaves[at as usize].first), self.owner_of(at));
        let owners = current.map(owner).collect();
        if !self.noticed.is_empty() {
            touched.append(&mut self.noticed);
            touched.sort_unstable();
            touched.dedup();
            touched.retain(|at| !self.is_free(*at));
        }
        (touched, owners)
    }

    /// Takes in what a store has kept: all records, then [`Graph::restored`].
    pub fn restore(&mut self, record: &LeafRecord) {
        let at = self.find_or_add(&record.name);
        self.leaves[at as usize].seen = record.seen;
        for link in &record.links {
            let other = self.find_or_add(link);
            if !self.leaves[at as usize].links.contains(&other) {
                self.leaves[at as usize].links.push(other);
            }
        }
        for other in &record.severed {
            let other = self.find_or_add(other);
            self.remember_severed(at, other);
        }
        if record.generation > 0 {
            let leaf = self.find_or_add(&generation_name(&record.name, record.generation));
            self.set_generation(at, record.generation, leaf);
        }
        self.touched.clear();
    }

    /// Finds the persons, once all records are there.
    pub fn restored(&mut self) {
        let moved: Vec<(u32, u32)> =
            self.generations.iter().map(|(first, (generation, _))| (*first, *generation)).collect();
        for (first, current) in moved {
            for generation in 1..current {
                let name = generation_name(&self.leaves[first as usize].name, generation);
                if let Some(leaf) = self.find(&name) {
                    let leaf = &mut self.leaves[leaf as usize];
                    (leaf.first, leaf.shared) = (first, generation >= self.rules.most_moves);
                }
            }
        }
        let mut seen = vec![false; self.leaves.len()];
        for at in 0..self.leaves.len() as u32 {
            if !seen[at as usize] {
                let component = self.component(at);
                component.iter().for_each(|&leaf| seen[leaf as usize] = true);
                let person = self.settle(&component);
                self.arm_person(person);
            }
        }
        self.touched.clear();
        self.noticed.clear();
    }

    /// What the store has to keep of the leaf in a place.
    pub fn record(&self, at: u32) -> LeafRecord {
        let leaf = &self.leaves[at as usize];
        let name = |at: &u32| self.leaves[*at as usize].name.clone();
        let severed = self.severed.get(&at).into_iter().flatten().map(name).collect();
        LeafRecord {
            name: leaf.name.clone(),
            links: leaf.links.iter().map(name).collect(),
            generation: self.generations.get(&at).map_or(0, |(generation, _)| *generation),
            severed,
            seen: leaf.seen,
        }
    }
}
