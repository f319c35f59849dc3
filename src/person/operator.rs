//! The keyed stage as a timely operator: events by epoch in, lines by epoch out.
//!
//! An epoch happens when the frontier has passed it, so that all its events are there. What a worker gives in one turn is
//! bounded, so that a mass deadline does not fill memory with output that nobody has written yet.
//!
//! Where identifiers can turn out to be one person, two more things come in: who is worked on together ([`Told`]), and
//! persons from other workers for that. A person goes ([`Order`]) when everything before the epoch has happened where it is,
//! and comes before the epoch happens where it goes.

use super::Person;
use super::group::Groups;
use super::keyed::Keyed;
use super::table::{pack, unpack};
use crate::dataflow::Wakers;
use crate::dataflow::checkpoint::Coordinator;
use crate::epoch::{Epochs, Placed};
use crate::event::Event;
use crate::identity::operator::{Order, Resolved, Told};
use crate::limits::KEY_GROUPS;
use crate::sink::{Batch, Formatter};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::scheduling::Activator;

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
    stash: BTreeMap<u64, Arrived>,
    /// The next epoch that may happen.
    next: u64,
    worker: usize,
    freezing: bool,
    /// Wakes the departures, and whether they wait for this worker to come to an epoch.
    departures: Option<Activator>,
    waiting: bool,
}

/// What has come for one epoch.
#[derive(Default)]
struct Arrived {
    events: Vec<Event>,
    told: Vec<Told>,
    persons: Vec<Box<Person>>,
}

/// A person on the way to a worker, packed, for an epoch.
type Moving = (u64, usize, Vec<u8>);

/// What a worker's persons need beside their events.
pub struct Parts {
    pub keyed: Rc<RefCell<Keyed>>,
    pub epochs: Arc<dyn Epochs>,
    pub coordinator: Arc<Coordinator>,
    pub formatter: Formatter,
    pub first_epoch: u64,
    pub wakers: Wakers,
}

/// Events in, lines out; each worker works on the persons of its key groups.
pub fn persons<'scope>(
    events: Stream<'scope, u64, Vec<Placed>>,
    parts: Parts,
) -> Stream<'scope, u64, Vec<Batch>> {
    build(events, None, None, parts)
}

/// The same with events whose identifiers have been resolved.
pub fn resolved_persons<'scope>(
    resolved: Resolved<'scope>,
    parts: Parts,
) -> Stream<'scope, u64, Vec<Batch>> {
    build(resolved.events, Some(resolved.told), resolved.orders, parts)
}

fn build<'scope>(
    events: Stream<'scope, u64, Vec<Placed>>,
    told: Option<Stream<'scope, u64, Vec<(u64, Told)>>>,
    orders: Option<Stream<'scope, u64, Vec<Order>>>,
    parts: Parts,
) -> Stream<'scope, u64, Vec<Batch>> {
    let scope = events.scope();
    let stage = Rc::new(RefCell::new(Stage {
        keyed: parts.keyed,
        epochs: parts.epochs,
        coordinator: parts.coordinator,
        formatter: parts.formatter,
        stash: BTreeMap::new(),
        next: parts.first_epoch,
        worker: scope.index(),
        freezing: false,
        departures: None,
        waiting: false,
    }));
    let moving = orders.map(|orders| departures(orders, stage.clone()));
    let mut builder = OperatorBuilder::new("Persons".to_owned(), scope);
    let route = Exchange::new(|(_, event): &Placed| match event.worker {
        Some(worker) => u64::from(worker),
        None => event.hash % KEY_GROUPS as u64,
    });
    let mut events = builder.new_input(events, route);
    let to_worker = Exchange::new(|(_, told): &(u64, Told)| match told {
        Told::Script(worker, _) => *worker as u64,
        Told::Link(leaf, _) => crate::event::leaf_hash(leaf) % KEY_GROUPS as u64,
    });
    let mut told = told.map(|told| builder.new_input(told, to_worker));
    let to_worker = Exchange::new(|(_, worker, _): &Moving| *worker as u64);
    let mut moving = moving.map(|moving| builder.new_input(moving, to_worker));
    let (output, lines) = builder.new_output::<Vec<Batch>>();
    let mut output = OutputBuilder::<_, CapacityContainerBuilder<Vec<Batch>>>::from(output);
    let info = builder.operator_info();
    let activator = scope.activator_for(info.address.clone());
    parts.wakers.borrow_mut().push(scope.activator_for(info.address));
    builder.build(move |mut capabilities| {
        let mut capability = capabilities.pop();
        move |frontiers| {
            let stage = &mut *stage.borrow_mut();
            events.for_each(|_, events| {
                for (epoch, event) in events.drain(..) {
                    stage.stash.entry(epoch).or_default().events.push(event);
                }
            });
            if let Some(told) = &mut told {
                told.for_each(|_, batch| {
                    for (epoch, told) in batch.drain(..) {
                        stage.stash.entry(epoch).or_default().told.push(told);
                    }
                });
            }
            if let Some(moving) = &mut moving {
                moving.for_each(|_, batch| {
                    for (epoch, _, person) in batch.drain(..) {
                        let person = Box::new(unpack(&person));
                        stage.stash.entry(epoch).or_default().persons.push(person);
                    }
                });
            }
            let first = |it: &timely::progress::frontier::MutableAntichain<u64>| {
                it.frontier().first().copied()
            };
            let frontier = frontiers.iter().filter_map(first).min();
            let Some(held) = capability.as_mut() else { return };
            let (batch, more) = stage.work(frontier);
            if !batch.is_empty() {
                output.activate().session(&*held).give(batch);
            }
            match stage.holds(frontier, more) {
                Some(epoch) => held.downgrade(&epoch.max(*held.time())),
                None => capability = None,
            }
            if std::mem::take(&mut stage.waiting)
                && let Some(departures) = &stage.departures
            {
                departures.activate();
            }
            if more {
                activator.activate();
            }
        }
    });
    lines
}

/// Takes out the persons of one worker that are wanted on others, once everything before the epoch has happened to them.
fn departures<'scope>(
    orders: Stream<'scope, u64, Vec<Order>>,
    stage: Rc<RefCell<Stage>>,
) -> Stream<'scope, u64, Vec<Moving>> {
    let scope = orders.scope();
    let mut builder = OperatorBuilder::new("Departures".to_owned(), scope);
    let mut input = builder.new_input(orders, Exchange::new(|order: &Order| order.from as u64));
    let (output, stream) = builder.new_output::<Vec<Moving>>();
    let mut output = OutputBuilder::<_, CapacityContainerBuilder<Vec<Moving>>>::from(output);
    let address = builder.operator_info().address;
    stage.borrow_mut().departures = Some(scope.activator_for(address));
    builder.build(move |mut capabilities| {
        let mut capability = capabilities.pop();
        let mut stash: BTreeMap<u64, Vec<Order>> = BTreeMap::new();
        move |frontiers| {
            input.for_each(|_, batch| {
                for order in batch.drain(..) {
                    stash.entry(order.epoch).or_default().push(order);
                }
            });
            let Some(held) = &mut capability else { return };
            let frontier = frontiers[0].frontier().first().copied();
            let stage = &mut *stage.borrow_mut();
            let mut gone = Vec::new();
            while let Some(first) = stash.first_entry()
                && frontier.is_none_or(|frontier| *first.key() < frontier)
                && *first.key() <= stage.next
            {
                let orders = first.remove();
                gone.extend(orders.iter().filter_map(|order| stage.depart(order)));
            }
            if !gone.is_empty() {
                output.activate().session(&*held).give_iterator(gone.into_iter());
            }
            stage.waiting |= !stash.is_empty();
            match stash.keys().next().copied().into_iter().chain(frontier).min() {
                Some(epoch) => held.downgrade(&epoch.max(*held.time())),
                None => capability = None,
            }
        }
    });
    stream
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
            self.begin(epoch);
            self.happen(epoch, &mut batch);
            self.next = epoch.saturating_add(1);
        }
        // At the end nothing is held back, so that a checkpoint under way can have the outputs of all workers.
        self.next = self.next.max(frontier.unwrap_or(u64::MAX));
        if self.coordinator.rest(self.worker, frontier.unwrap_or(u64::MAX)) {
            self.freeze();
        }
        let checkpoint = frontier.is_none() && self.coordinator.is_busy();
        (batch, self.freezing || checkpoint)
    }

    /// Before anything of an epoch happens: a checkpoint that is to be taken before it begins now.
    fn begin(&mut self, epoch: u64) {
        if self.coordinator.begin(self.worker, epoch) {
            self.freeze();
        }
    }

    fn freeze(&mut self) {
        self.keyed.borrow_mut().freeze();
        self.freezing = true;
    }

    /// Takes out a person that is wanted on another worker.
    fn depart(&mut self, order: &Order) -> Option<Moving> {
        self.begin(order.epoch);
        let person = self.keyed.borrow_mut().take_out(&order.person)?;
        Some((order.epoch, order.to, pack(&person)))
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
        let Arrived { mut events, told, persons } = self.stash.remove(&epoch).unwrap_or_default();
        let span = self.epochs.span(epoch);
        if let Some((at, plan)) = self.epochs.switch(epoch)
            && at == epoch
        {
            self.keyed.borrow_mut().switch(plan.clone(), span.begin);
            self.formatter.follow(plan);
        }
        let mut scripts = Vec::new();
        let mut links = Vec::new();
        for told in told {
            match told {
                Told::Script(_, script) => scripts.push(script),
                Told::Link(leaf, bytes) => links.push((leaf, bytes)),
            }
        }
        let mut groups = Groups::new(scripts);
        persons.into_iter().for_each(|person| groups.bring(person));
        let formatter = &self.formatter;
        batch.stirred.push(epoch);
        let mut keyed = self.keyed.borrow_mut();
        keyed.keep_links(links);
        keyed.epoch_with(&mut events, groups, span, &mut |person, hash, effects| {
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
