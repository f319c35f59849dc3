//! The keyed operator: stashes events until their epoch is complete, then lets it happen.

use super::keyed::Keyed;
use crate::dataflow::Wakers;
use crate::dataflow::checkpoint::Coordinator;
use crate::dataflow::ingest::Placed;
use crate::epoch::Epochs;
use crate::event::Event;
use crate::limits::KEY_GROUPS;
use crate::sink::{Batch, Formatter};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::operator::Operator;

/// Bytes of output after which an activation lets the sink have its turn.
const OUTPUT_PER_TURN: usize = 1 << 20;

/// Persons of a checkpoint that are written in one activation.
const WRITTEN_PER_TURN: usize = 1024;

/// One worker's stash and where it stands in time.
struct Stage {
    keyed: Rc<RefCell<Keyed>>,
    epochs: Arc<dyn Epochs>,
    coordinator: Arc<Coordinator>,
    formatter: Formatter,
    stash: BTreeMap<u64, Vec<Event>>,
    /// The next epoch that may happen.
    next: u64,
    worker: usize,
    freezing: bool,
}

/// Events in, lines out; each worker works on the persons of its key groups.
pub fn persons<'scope>(
    events: Stream<'scope, u64, Vec<Placed>>,
    keyed: Rc<RefCell<Keyed>>,
    epochs: Arc<dyn Epochs>,
    coordinator: Arc<Coordinator>,
    formatter: Formatter,
    first_epoch: u64,
    wakers: Wakers,
) -> Stream<'scope, u64, Vec<Batch>> {
    let route = Exchange::new(|(_, event): &Placed| event.hash % KEY_GROUPS as u64);
    let scope = events.scope();
    events.unary_frontier::<CapacityContainerBuilder<Vec<Batch>>, _, _, _>(
        route,
        "Persons",
        move |capability, info| {
            let activator = scope.activator_for(info.address.clone());
            wakers.borrow_mut().push(scope.activator_for(info.address));
            let mut capability = Some(capability);
            let mut stage = Stage {
                keyed,
                epochs,
                coordinator,
                formatter,
                stash: BTreeMap::new(),
                next: first_epoch,
                worker: scope.index(),
                freezing: false,
            };
            move |(input, frontier), output| {
                input.for_each(|_, events| {
                    for (epoch, event) in events.drain(..) {
                        stage.stash.entry(epoch).or_default().push(event);
                    }
                });
                let frontier = frontier.frontier().first().copied();
                let Some(held) = capability.as_mut() else { return };
                let (batch, more) = stage.work(frontier);
                if !batch.is_empty() {
                    output.session(held).give(batch);
                }
                match stage.holds(frontier, more) {
                    Some(epoch) => held.downgrade(&epoch.max(*held.time())),
                    None => capability = None,
                }
                if more {
                    activator.activate();
                }
            }
        },
    )
}

impl Stage {
    /// Lets complete epochs happen, in order, as many as one turn takes; tells whether there is more to do now.
    fn work(&mut self, frontier: Option<u64>) -> (Batch, bool) {
        let mut batch = Batch::default();
        self.write_checkpoint();
        while let Some(epoch) = self.next_epoch(frontier) {
            if batch.size() > OUTPUT_PER_TURN {
                return (batch, true);
            }
            if self.coordinator.begin(self.worker, epoch) {
                self.keyed.borrow_mut().freeze();
                self.freezing = true;
            }
            self.happen(epoch, &mut batch);
            self.next = epoch.saturating_add(1);
        }
        // At the end nothing is held back, so that a checkpoint under way can have the outputs of all workers.
        self.next = self.next.max(frontier.unwrap_or(u64::MAX));
        if self.coordinator.rest(self.worker, frontier.unwrap_or(u64::MAX)) {
            self.keyed.borrow_mut().freeze();
            self.freezing = true;
        }
        let checkpoint = frontier.is_none() && self.coordinator.is_busy();
        (batch, self.freezing || checkpoint)
    }

    /// The next epoch in which something happens here, if it is complete.
    fn next_epoch(&self, frontier: Option<u64>) -> Option<u64> {
        let earliest = self.keyed.borrow().earliest_timer();
        let timer = self.epochs.of_timer(earliest, self.next, frontier);
        let stashed = self.stash.keys().next().copied();
        let switch = self.epochs.switch(self.next).map(|(epoch, _)| epoch);
        let epoch = [timer, stashed, switch].into_iter().flatten().min()?;
        frontier.is_none_or(|frontier| epoch < frontier).then_some(epoch)
    }

    fn happen(&mut self, epoch: u64, batch: &mut Batch) {
        let mut events = self.stash.remove(&epoch).unwrap_or_default();
        let span = self.epochs.span(epoch);
        if let Some((at, plan)) = self.epochs.switch(epoch)
            && at == epoch
        {
            self.keyed.borrow_mut().switch(plan.clone(), span.begin);
            self.formatter.follow(plan);
        }
        let formatter = &self.formatter;
        batch.stirred.push(epoch);
        self.keyed.borrow_mut().epoch(&mut events, span, &mut |person, hash, effects| {
            formatter.effects(epoch, person, hash, effects, batch);
        });
    }

    fn write_checkpoint(&mut self) {
        if self.freezing
            && let Some(records) = self.keyed.borrow_mut().write_slice(WRITTEN_PER_TURN)
        {
            self.coordinator.deliver(self.worker, records);
            self.freezing = false;
        }
    }

    /// The epoch before which nothing more comes out; `None` when all is done.
    fn holds(&self, frontier: Option<u64>, more: bool) -> Option<u64> {
        if frontier.is_none() && !more {
            return None;
        }
        Some(self.next)
    }
}
