//! All identifiers that are ever named together with some, directly or by way of others: what happens under any other cannot
//! concern who is who among these.

use super::NoAnswer;
use crate::decode::{Decoder, is_blank};
use crate::define::plan::Plan;
use crate::event::{Event, Origin};
use crate::person::watch::Watcher;
use crate::source::Source;
use compact_str::CompactString;
use hashbrown::HashMap;
use std::collections::BTreeSet;

/// Sets of identifiers that grow together.
#[derive(Default)]
pub(super) struct Sets {
    numbers: HashMap<CompactString, usize, foldhash::fast::FixedState>,
    /// By number: another one of the set, in the end the one by which the set is known.
    above: Vec<usize>,
}

impl Sets {
    fn number(&mut self, identifier: &CompactString) -> usize {
        if let Some(&number) = self.numbers.get(identifier) {
            return number;
        }
        self.above.push(self.above.len());
        self.numbers.insert(identifier.clone(), self.above.len() - 1);
        self.above.len() - 1
    }

    fn top(&mut self, mut at: usize) -> usize {
        while self.above[at] != at {
            self.above[at] = self.above[self.above[at]];
            at = self.above[at];
        }
        at
    }

    fn unite(&mut self, a: &CompactString, b: &CompactString) {
        let (a, b) = (self.number(a), self.number(b));
        let (a, b) = (self.top(a), self.top(b));
        self.above[a] = b;
    }

    /// Takes in which identifiers an event names together.
    pub(super) fn hear(&mut self, event: &Event) {
        event.also.iter().for_each(|other| self.unite(&event.leaf, other));
    }

    /// How many identifiers have been named together with others.
    pub(super) fn len(&self) -> usize {
        self.above.len()
    }

    /// All that were ever named together with some identifiers, and these.
    pub(super) fn with(mut self, identifiers: &[CompactString]) -> BTreeSet<CompactString> {
        let mut own = BTreeSet::new();
        for identifier in identifiers {
            let known = self.numbers.contains_key(identifier);
            let named = CompactString::from(Watcher::identifier(identifier));
            let number = self.number(if known { identifier } else { &named });
            own.insert(self.top(number));
        }
        let all: Vec<(CompactString, usize)> =
            self.numbers.iter().map(|(id, number)| (id.clone(), *number)).collect();
        let theirs = all.into_iter().filter(|(_, number)| own.contains(&self.top(*number)));
        theirs.map(|(id, _)| id).collect()
    }
}

/// The identifiers; only those themselves where every identifier is a person.
pub(super) fn of(
    plan: &Plan,
    sources: Vec<Box<dyn Source>>,
    identifiers: &[CompactString],
) -> Result<BTreeSet<CompactString>, NoAnswer> {
    if plan.inputs.identity.is_none() {
        return Ok(identifiers.iter().cloned().collect());
    }
    let decoder = Decoder::new(&plan.inputs);
    let mut sets = Sets::default();
    for mut source in sources {
        while let Some(chunk) = source.next_chunk()? {
            for (position, line) in chunk.lines().filter(|(_, line)| !is_blank(line)) {
                let origin = Origin { source: chunk.source, position };
                let Ok(event) = decoder.decode(line, origin) else { continue };
                if !decoder.ignores(&event) {
                    sets.hear(&event);
                }
            }
            if chunk.last {
                break;
            }
        }
    }
    Ok(sets.with(identifiers))
}
