//! The persons of one worker by value: a trace of differential dataflow.
//!
//! It belongs to the operator that reads it, which feeds it too. An arrangement would be an operator of its own, and so one more stop on
//! the way on which every epoch waits.

use super::{Change, CutOff, Values};
use crate::person::Said;
use differential_dataflow::batcher::{Batcher, Extract};
use differential_dataflow::trace::cursor::cursor_list;
use differential_dataflow::trace::implementations::{KeyBatcher, KeySpine};
use differential_dataflow::trace::{Cursor, Description, Navigable, Span, Trace, TraceReader};
use std::rc::Rc;
use timely::dataflow::operators::generic::OperatorInfo;
use timely::progress::frontier::AntichainRef;
use timely::progress::{Antichain, Timestamp};

/// Fact, value, slot.
type Key = (u16, u64, u32);

pub(super) struct ByValue {
    /// What was said in epochs that may not be over.
    open: KeyBatcher<Key, u64, isize>,
    /// What was said in those that are.
    trace: KeySpine<Key, u64, isize>,
    /// Epochs before this are in the trace.
    upper: Antichain<u64>,
}

impl ByValue {
    pub(super) fn new(info: OperatorInfo) -> ByValue {
        ByValue {
            open: KeyBatcher::new(None, info.global_id),
            trace: KeySpine::new(info, None, None),
            upper: Antichain::from_elem(u64::minimum()),
        }
    }

    pub(super) fn insert(&mut self, said: &mut Vec<Said>) {
        self.open.insert(said);
    }

    /// Nothing more is said in epochs before `frontier`. Shows what was said in those that are over by that, taken together by epoch.
    pub(super) fn advance(
        &mut self,
        frontier: AntichainRef<'_, u64>,
        mut show: impl FnMut(u64, Change),
    ) {
        if self.upper.borrow() == frontier {
            return;
        }
        let (batch, _) = self.open.extract(frontier);
        if let Some(batch) = &batch {
            let mut cursor = batch.cursor();
            while let Some(&key) = cursor.get_key(batch) {
                cursor.map_times(batch, |&epoch, &more| show(epoch, (key, more)));
                cursor.step_key(batch);
            }
        }
        let lower = std::mem::replace(&mut self.upper, frontier.to_owned());
        let since = Antichain::from_elem(u64::minimum());
        let times = Description::new(lower, self.upper.clone(), since);
        self.trace.insert(Span::new(times, batch.map(Rc::new)));
    }

    /// Nobody asks about epochs before this any more: their history may go, and batches become one.
    pub(super) fn forget_before(&mut self, epoch: AntichainRef<'_, u64>) {
        self.trace.set_logical_compaction(epoch);
        self.trace.set_physical_compaction(epoch);
        self.trace.exert();
    }

    /// The values as of an epoch that is over.
    pub(super) fn as_of(&mut self, epoch: u64) -> AsOf<'_> {
        AsOf { trace: &mut self.trace, epoch }
    }
}

/// The values as of an epoch.
pub(super) struct AsOf<'a> {
    trace: &'a mut KeySpine<Key, u64, isize>,
    epoch: u64,
}

impl Values for AsOf<'_> {
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
            cursor.map_times(&batches, |&epoch, &more| {
                if epoch <= self.epoch {
                    count += more;
                }
            });
            if count > 0 {
                visit(person);
            }
            cursor.step_key(&batches);
        }
    }
}
