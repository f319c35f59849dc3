//! The timely operators: everybody's values are counted on every worker, and members are found on the workers that have the persons.

use super::{Change, Counts, CutOff, Members, Values};
use crate::define::plan::Plan;
use crate::epoch::Epochs;
use crate::person::{Answer, Said};
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::cursor::cursor_list;
use differential_dataflow::trace::implementations::{KeyBatcher, KeySpine};
use differential_dataflow::trace::{Cursor, Navigable, TraceReader};
use std::collections::BTreeMap;
use std::sync::Arc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::vec::Map;
use timely::progress::Antichain;
use timely::progress::frontier::AntichainRef;

/// Persons by value: fact, value, slot.
type ByValue = TraceAgent<KeySpine<(u16, u64, u32), u64, isize>>;

/// That there are more or fewer of a fact's value, for a worker.
type Told = (u64, (u16, u64, isize));

/// The plan as of an epoch.
struct Plans {
    plan: Arc<Plan>,
    epochs: Arc<dyn Epochs>,
    next: u64,
}

impl Plans {
    fn at(&mut self, epoch: u64) -> &Plan {
        while let Some((at, plan)) = self.epochs.switch(self.next)
            && at <= epoch
        {
            (self.plan, self.next) = (plan, at + 1);
        }
        self.next = self.next.max(epoch.saturating_add(1));
        &self.plan
    }
}

/// What the persons' values turn: an answer for each question and person that is another one after an epoch than before it, at
/// that epoch. `first` is the first epoch that may come.
pub fn answers<'scope>(
    said: Stream<'scope, u64, Vec<Said>>,
    plan: &Arc<Plan>,
    epochs: &Arc<dyn Epochs>,
    first: u64,
) -> Stream<'scope, u64, Vec<Answer>> {
    let plans = Plans { plan: plan.clone(), epochs: epochs.clone(), next: first };
    let workers = 0..said.scope().peers() as u64;
    let updates = said.clone().map(|(what, epoch, more)| ((what, ()), epoch, more));
    let by_value: Arranged<ByValue> =
        arrange_core::<_, _, KeyBatcher<_, _, _>, _>(updates, Pipeline, "ByValue", KeyBatcher::new);
    let told = said.flat_map(move |((fact, value, _), _, more)| {
        workers.clone().map(move |worker| (worker, (fact, value, more)))
    });
    members(by_value, told, plans)
}

/// What happens in an epoch, until it is complete.
struct Held {
    capability: Capability<u64>,
    /// Of this worker's persons.
    changes: Vec<Change>,
    /// Of everybody's.
    counts: Vec<(u16, u64, isize)>,
}

impl Held {
    fn new(capability: Capability<u64>) -> Held {
        Held { capability, changes: Vec::new(), counts: Vec::new() }
    }
}

/// Answers for one worker's persons.
fn members<'scope>(
    by_value: Arranged<'scope, ByValue>,
    told: Stream<'scope, u64, Vec<Told>>,
    mut plans: Plans,
) -> Stream<'scope, u64, Vec<Answer>> {
    let Arranged { stream, trace } = by_value;
    let mut trace = trace;
    stream.binary_frontier::<_, CapacityContainerBuilder<Vec<Answer>>, _, _, _, _>(
        told,
        Pipeline,
        Exchange::new(|(worker, ..): &Told| *worker),
        "Members",
        move |_, _| {
            let mut counts = Counts::default();
            let mut members = Members::default();
            let mut stash: BTreeMap<u64, Held> = BTreeMap::new();
            move |(batches, arranged), (told, all_told), output| {
                batches.for_each(|capability, batches| {
                    for batch in batches.drain(..).filter_map(|span| span.inner) {
                        let mut cursor = batch.cursor();
                        while let Some(&what) = cursor.get_key(&batch) {
                            cursor.map_times(&batch, |&epoch, &more| {
                                let held = stash
                                    .entry(epoch)
                                    .or_insert_with(|| Held::new(capability.delayed(&epoch, 0)));
                                held.changes.push((what, more));
                            });
                            cursor.step_key(&batch);
                        }
                    }
                });
                told.for_each(|capability, told| {
                    let Some(capability) = capability.retain_least(0) else { return };
                    let held = stash.entry(*capability.time());
                    let held = held.or_insert_with(|| Held::new(capability));
                    held.counts.extend(told.drain(..).map(|(_, count)| count));
                });
                let complete =
                    |epoch: &u64| !arranged.less_equal(epoch) && !all_told.less_equal(epoch);
                while let Some(first) = stash.first_entry()
                    && complete(first.key())
                {
                    let (epoch, mut held) = first.remove_entry();
                    let plan = plans.at(epoch);
                    for (fact, value, more) in held.counts {
                        counts.add(fact, value, more);
                    }
                    let moved = counts.moved(plan);
                    let mut values = Arrangement { trace: &mut trace, epoch };
                    let turned = members.turned(plan, &mut held.changes, &moved, &mut values);
                    output.session(&held.capability).give_iterator(turned.into_iter());
                }
                // Nobody asks about epochs before this any more: their history may go, and batches become one.
                let mut done: Antichain<u64> = arranged.frontier().to_owned();
                done.extend(all_told.frontier().iter().copied());
                done.extend(stash.keys().next().copied());
                trace.set_logical_compaction(done.borrow());
                trace.set_physical_compaction(done.borrow());
            }
        },
    )
}

/// The arrangement as of an epoch.
struct Arrangement<'a> {
    trace: &'a mut ByValue,
    epoch: u64,
}

impl Values for Arrangement<'_> {
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
