//! Persons of whom nothing is to be known any more: their leaves stand alone, or are taken out.

use super::{Graph, Leaf};
use compact_str::CompactString;

/// What it was about.
#[derive(Debug, Default)]
pub(in crate::identity) struct Ended {
    pub person: CompactString,
    pub leaves: Vec<CompactString>,
    /// The identifiers of all these leaves.
    pub identifiers: Vec<CompactString>,
}

impl Graph {
    /// Ends a person. Leaves are taken out of the graph but those of an identifier that has changed hands:
    /// who has it next must not get the history of who had it before.
    pub(in crate::identity) fn end(&mut self, person: &str) -> Ended {
        let Some(at) = self.find(person) else {
            let all = vec![CompactString::from(person)];
            return Ended { person: person.into(), leaves: all.clone(), identifiers: all };
        };
        let component = self.component(at);
        let mut ended = Ended {
            person: self.name(self.leaves[component[0] as usize].person),
            leaves: component.iter().map(|&at| self.name(at)).collect(),
            identifiers: Vec::new(),
        };
        ended.leaves.sort();
        for &at in &component {
            let first = self.leaves[at as usize].first;
            self.settled.undo(&self.leaves[first as usize].name);
            ended.identifiers.push(self.name(first));
            self.leaves[at as usize].links.clear();
            self.leaves[at as usize].person = at;
            self.reconcile(at);
        }
        for at in component {
            let first = self.leaves[at as usize].first;
            match self.generations.get(&first) {
                Some((_, current)) if at == first || at == *current => self.touched.push(at),
                _ => self.remove(at),
            }
        }
        ended.identifiers.sort();
        ended.identifiers.dedup();
        ended
    }

    /// Forgets from which others a leaf was taken apart.
    fn reconcile(&mut self, at: u32) {
        for other in self.severed.remove(&at).unwrap_or_default() {
            if let Some(known) = self.severed.get_mut(&other) {
                known.retain(|known| *known != at);
                if known.is_empty() {
                    self.severed.remove(&other);
                }
            }
            self.touched.push(other);
        }
    }

    fn remove(&mut self, at: u32) {
        let name = self.name(at);
        let hash = crate::event::leaf_hash(&name);
        self.index.remove(hash, at);
        self.leaves[at as usize] = Leaf::new(CompactString::default(), 0, at);
        self.free.push(at);
        self.removed.push(name);
    }

    /// Whether nobody is in a place.
    pub(super) fn is_free(&self, at: u32) -> bool {
        self.leaves[at as usize].name.is_empty()
    }

    /// Leaves that were taken out and have not come back; forgets which these were.
    pub(in crate::identity) fn take_removed(&mut self) -> Vec<CompactString> {
        let mut removed = std::mem::take(&mut self.removed);
        removed.retain(|name| self.find(name).is_none());
        removed.sort();
        removed.dedup();
        removed
    }
}
