//! The persons of one worker by value: a trace of differential dataflow.
//!
//! It belongs to the operator that reads it, which feeds it too. An arrangement would be an operator of its own, and so one more stop on
//! the way on which every epoch waits.

use super::{Change, CutOff, Values};
use crate::person::Said;
use differential_dataflow::consolidation::consolidate_updates;
use differential_dataflow::trace::cursor::cursor_list;
use differential_dataflow::trace::implementations::{KeyBuilder, KeySpine};
use differential_dataflow::trace::{Builder, Cursor, Description, Span, Trace, TraceReader};
use std::rc::Rc;
use timely::dataflow::operators::generic::OperatorInfo;
use timely::progress::frontier::AntichainRef;
use timely::progress::{Antichain, Timestamp};

/// Fact, value, slot.
type Key = (u16, u64, u32);

pub(super) struct ByValue {
    trace: KeySpine<Key, u64, isize>,
    /// Epochs before this are in it.
    upper: Antichain<u64>,
}

impl ByValue {
    pub(super) fn new(info: OperatorInfo) -> ByValue {
        let upper = Antichain::from_elem(u64::minimum());
        ByValue { trace: KeySpine::new(info, None, None), upper }
    }

    /// Takes in what was said in an epoch, which is later than all that came before, and gives what it comes to. Nobody asks about earlier
    /// epochs after that: their history goes, and batches become one.
    pub(super) fn take(&mut self, epoch: u64, said: &mut Vec<Said>) -> Vec<Change> {
        if said.is_empty() {
            return Vec::new();
        }
        consolidate_updates(said);
        let changes = said.iter().map(|((key, ()), _, more)| (*key, *more)).collect();
        let mut builder = KeyBuilder::default();
        builder.push(said);
        let batch = builder.done().map(Rc::new);
        let after = Antichain::from_elem(epoch.saturating_add(1));
        let lower = std::mem::replace(&mut self.upper, after);
        let since = Antichain::from_elem(u64::minimum());
        let times = Description::new(lower, self.upper.clone(), since);
        self.trace.insert(Span::new(times, batch));
        self.trace.set_logical_compaction(self.upper.borrow());
        self.trace.set_physical_compaction(self.upper.borrow());
        self.trace.exert();
        changes
    }
}

impl Values for ByValue {
    fn between(&mut self, fact: u16, above: CutOff, most: u64, visit: &mut dyn FnMut(u32)) {
        let from = match above {
            None => 0,
            Some(above) => match above.checked_add(1) {
                Some(from) => from,
                None => return,
            },
        };
        let batches = self.trace.batches_through(AntichainRef::new(&[])).unwrap_or_default();
        let (mut cursor, batches) = cursor_list(batches);
        cursor.seek_key(&batches, &(fact, from, 0));
        while let Some(&(found, value, person)) = cursor.get_key(&batches) {
            if found != fact || value > most {
                return;
            }
            let mut count = 0;
            cursor.map_times(&batches, |_, &more| count += more);
            if count > 0 {
                visit(person);
            }
            cursor.step_key(&batches);
        }
    }
}
