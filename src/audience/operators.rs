//! The timely operators: everybody's values are counted on every worker, members are found on the workers that have the persons,
//! and what goes with a product on the worker that counts its neighbours.

use super::{Change, Counts, CutOff, Members, Values};
use crate::catalogue::related::{Best, Pair, Related};
use crate::define::plan::Plan;
use crate::epoch::Epochs;
use crate::person::Said;
use crate::person::feedback::{Addressed, Feedback, News, PassedOn};
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
use timely::progress::Antichain;
use timely::progress::frontier::AntichainRef;

/// Persons by value: fact, value, slot.
type ByValue = TraceAgent<KeySpine<(u16, u64, u32), u64, isize>>;

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

/// What persons hear one epoch after they have said something: of the values in `said`, which stay with the worker, and of what was
/// passed on to each worker. `first` is the first epoch that may come.
pub fn across<'scope>(
    said: Stream<'scope, u64, Vec<Said>>,
    news: Stream<'scope, u64, Vec<PassedOn>>,
    plan: &Arc<Plan>,
    epochs: &Arc<dyn Epochs>,
    first: u64,
) -> Stream<'scope, u64, Vec<Addressed>> {
    let plans = Plans { plan: plan.clone(), epochs: epochs.clone(), next: first };
    let by_value: Arranged<ByValue> =
        arrange_core::<_, _, KeyBatcher<_, _, _>, _>(said, Pipeline, "ByValue", KeyBatcher::new);
    heard(by_value, news, plans)
}

/// What happens in an epoch, until it is complete.
struct Held {
    capability: Capability<u64>,
    /// Of this worker's persons.
    changes: Vec<Change>,
    /// Of everybody's.
    counts: Vec<(u16, u64, isize)>,
    /// Of the products whose neighbours are counted here.
    pairs: Vec<Pair>,
}

impl Held {
    fn new(capability: Capability<u64>) -> Held {
        Held { capability, changes: Vec::new(), counts: Vec::new(), pairs: Vec::new() }
    }

    /// Keeps what is to be counted, and gives what only passes.
    fn take(&mut self, news: &mut Vec<PassedOn>) -> Vec<Addressed> {
        let mut passing = Vec::new();
        for (worker, news) in news.drain(..) {
            match news {
                News::Value(value) => self.counts.push(value),
                News::Pair(pair) => self.pairs.push(pair),
                News::Feedback(feedback) => passing.push((worker, feedback)),
            }
        }
        passing
    }
}

/// What one worker knows across persons.
struct Known {
    counts: Counts,
    members: Members,
    related: Related,
    by_value: ByValue,
    plans: Plans,
    worker: u64,
    workers: u64,
}

impl Known {
    /// What follows from an epoch of which everything is there.
    fn follow(&mut self, epoch: u64, held: &mut Held) -> impl Iterator<Item = Addressed> + use<> {
        let plan = self.plans.at(epoch);
        for (fact, value, more) in held.counts.drain(..) {
            self.counts.add(fact, value, more);
        }
        let moved = self.counts.moved(plan);
        let mut values = Arrangement { trace: &mut self.by_value, epoch };
        let turned = self.members.turned(plan, &mut held.changes, &moved, &mut values);
        let (worker, workers) = (self.worker, self.workers);
        let answers = turned.into_iter().map(move |it| (worker, Feedback::Answer(it)));
        let best = self.related.take(std::mem::take(&mut held.pairs)).into_iter();
        let to_all = move |best: Best| {
            (0..workers).map(move |worker| (worker, Feedback::Best(best.clone())))
        };
        answers.chain(best.flat_map(to_all))
    }
}

/// One operator for all of it, as an epoch waits for its way there and back.
fn heard<'scope>(
    by_value: Arranged<'scope, ByValue>,
    news: Stream<'scope, u64, Vec<PassedOn>>,
    plans: Plans,
) -> Stream<'scope, u64, Vec<Addressed>> {
    let Arranged { stream, trace } = by_value;
    let scope = stream.scope();
    let mut known = Known {
        counts: Counts::default(),
        members: Members::default(),
        related: Related::default(),
        by_value: trace,
        plans,
        worker: scope.index() as u64,
        workers: scope.peers() as u64,
    };
    stream.binary_frontier::<_, CapacityContainerBuilder<Vec<Addressed>>, _, _, _, _>(
        news,
        Pipeline,
        Exchange::new(|(worker, _): &PassedOn| *worker),
        "Across",
        move |_, _| {
            let mut stash: BTreeMap<u64, Held> = BTreeMap::new();
            move |(batches, arranged), (news, all_news), output| {
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
                news.for_each(|capability, news| {
                    let Some(capability) = capability.retain_least(0) else { return };
                    let held = stash.entry(*capability.time());
                    let held = held.or_insert_with(|| Held::new(capability));
                    let passing = held.take(news);
                    output.session(&held.capability).give_iterator(passing.into_iter());
                });
                let complete =
                    |epoch: &u64| !arranged.less_equal(epoch) && !all_news.less_equal(epoch);
                while let Some(first) = stash.first_entry()
                    && complete(first.key())
                {
                    let (epoch, mut held) = first.remove_entry();
                    let heard = known.follow(epoch, &mut held);
                    output.session(&held.capability).give_iterator(heard);
                }
                // Nobody asks about epochs before this any more: their history may go, and batches become one.
                let mut done: Antichain<u64> = arranged.frontier().to_owned();
                done.extend(all_news.frontier().iter().copied());
                done.extend(stash.keys().next().copied());
                known.by_value.set_logical_compaction(done.borrow());
                known.by_value.set_physical_compaction(done.borrow());
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
