//! The timely operators: everybody's values are counted on every worker, members are found on the workers that have the persons,
//! and what goes with a product on the worker that counts its neighbours.

use super::by_value::ByValue;
use super::{Counts, Members};
use crate::catalogue::related::{Pair, Related};
use crate::define::plan::Plan;
use crate::epoch::{Epochs, Turns};
use crate::person::Said;
use crate::person::feedback::{Addressed, Feedback, News, PassedOn};
use std::collections::BTreeMap;
use std::sync::Arc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;

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

/// What happens in an epoch, until it is complete.
struct Held {
    capability: Capability<u64>,
    /// Of this worker's persons.
    said: Vec<Said>,
    /// Of everybody's.
    counts: Vec<(u16, u64, isize)>,
    /// Of the products whose neighbours are counted here.
    pairs: Vec<Pair>,
}

impl Held {
    fn new(capability: Capability<u64>) -> Held {
        Held { capability, said: Vec::new(), counts: Vec::new(), pairs: Vec::new() }
    }

    /// Keeps what is to be counted, and gives what only passes.
    fn take(&mut self, news: &mut Vec<PassedOn>) -> Vec<Addressed> {
        let mut passing = Vec::new();
        for (worker, news) in news.drain(..) {
            match news {
                News::Value(value) => self.counts.push(value),
                News::Said(said) => {
                    let (((fact, value, _), ()), _, more) = said;
                    self.counts.push((fact, value, more));
                    self.said.push(said);
                }
                News::Pairs(mut pairs) => self.pairs.append(&mut pairs),
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
        let mut changes = self.by_value.take(epoch, &mut held.said);
        let turned = self.members.turned(plan, &mut changes, &moved, &mut self.by_value);
        let (worker, workers) = (self.worker, self.workers);
        let answers = turned.into_iter().map(move |it| (worker, Feedback::Answer(it)));
        let best = self.related.take(&held.pairs);
        let hearing = if best.is_empty() { 0 } else { workers };
        answers.chain((0..hearing).map(move |worker| (worker, Feedback::Best(best.clone()))))
    }
}

/// What persons hear one epoch after they have said something, of what was passed on to each worker. `first` is the first epoch that may
/// come. One operator for all of it, as an epoch waits for its way there and back.
pub fn across<'scope>(
    news: Stream<'scope, u64, Vec<PassedOn>>,
    plan: &Arc<Plan>,
    epochs: &Arc<dyn Epochs>,
    first: u64,
    turns: Turns,
) -> Stream<'scope, u64, Vec<Addressed>> {
    let plans = Plans { plan: plan.clone(), epochs: epochs.clone(), next: first };
    let scope = news.scope();
    news.unary_frontier::<CapacityContainerBuilder<Vec<Addressed>>, _, _, _>(
        Exchange::new(|(worker, _): &PassedOn| *worker),
        "Across",
        move |_, info| {
            let mut known = Known {
                counts: Counts::default(),
                members: Members::default(),
                related: Related::default(),
                by_value: ByValue::new(info),
                plans,
                worker: scope.index() as u64,
                workers: scope.peers() as u64,
            };
            let mut stash: BTreeMap<u64, Held> = BTreeMap::new();
            move |(news, all_news), output| {
                turns.stir();
                news.for_each(|capability, news| {
                    let Some(capability) = capability.retain_least(0) else { return };
                    let held = stash.entry(*capability.time());
                    let held = held.or_insert_with(|| Held::new(capability));
                    let passing = held.take(news);
                    output.session(&held.capability).give_iterator(passing.into_iter());
                });
                while let Some(first) = stash.first_entry()
                    && !all_news.less_equal(first.key())
                {
                    let (epoch, mut held) = first.remove_entry();
                    let heard = known.follow(epoch, &mut held);
                    output.session(&held.capability).give_iterator(heard);
                }
            }
        },
    )
}
