//! Events → their persons, on the workers that have their identifiers.

use super::{
    Address, Answer, Caller, HashMap, Moving, Residents, Routed, Ruled, Ruling, Stage, home,
};
use crate::epoch::{Epochs, Placed, by_stretch};
use crate::event::{Event, Index, key_group, leaf_hash, worker_of};
use crate::identity::erased::key;
use crate::identity::figures::Figures;
use crate::identity::{Erased, When, when};
use compact_str::CompactString;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::frontier::MutableAntichain;

/// The addresses of identifiers that are not persons of their own.
#[derive(Default)]
struct Addresses {
    index: Index,
    places: Vec<Option<(CompactString, Address)>>,
    free: Vec<u32>,
}

impl Addresses {
    fn find(&self, identifier: &str, hash: u64) -> Option<u32> {
        let is_it = |at: u32| {
            self.places[at as usize].as_ref().is_some_and(|(known, _)| known == identifier)
        };
        self.index.find(hash, is_it)
    }

    fn get(&self, identifier: &str, hash: u64) -> Option<&Address> {
        let at = self.find(identifier, hash)?;
        self.places[at as usize].as_ref().map(|(_, address)| address)
    }

    fn insert(&mut self, identifier: CompactString, address: Address) {
        let hash = leaf_hash(&identifier);
        let at = self.find(&identifier, hash).unwrap_or_else(|| {
            let at = self.free.pop().unwrap_or_else(|| {
                self.places.push(None);
                u32::try_from(self.places.len() - 1).expect("fewer than 2^32 identifiers")
            });
            self.index.insert(hash, at);
            at
        });
        self.places[at as usize] = Some((identifier, address));
    }

    fn remove(&mut self, identifier: &str) {
        let hash = leaf_hash(identifier);
        if let Some(at) = self.find(identifier, hash) {
            self.index.remove(hash, at);
            self.places[at as usize] = None;
            self.free.push(at);
        }
    }
}

/// Finds the persons of events.
pub(super) struct Router {
    addresses: Addresses,
    /// The last epoch of which there were answers, and the identifiers that change hands in it.
    learnt: u64,
    earlier: HashMap<CompactString, Vec<(When, Address)>>,
    /// Identifiers that were erased before that epoch, and in it.
    erased: Erased,
    just_erased: Vec<(CompactString, When)>,
    figures: Arc<Figures>,
    worker: usize,
    peers: usize,
    caller: Option<Caller>,
    epochs: Arc<dyn Epochs>,
}

impl Router {
    /// One worker's, as the store has left things.
    pub(super) fn new(stage: &Stage, worker: usize, peers: usize) -> Router {
        let mut addresses = Addresses::default();
        for (identifier, owner) in stage.resolver.graph().owners() {
            if home(&identifier, peers) == worker && !owner.is_alone(&identifier) {
                let worker = home(&owner.person, peers);
                if let Some(call) = &stage.caller {
                    call(&identifier, &owner.person, worker);
                }
                addresses.insert(identifier, Address { owner, worker });
            }
        }
        Router {
            addresses,
            learnt: 0,
            earlier: HashMap::default(),
            erased: stage.resolver.erased().of(|hash| worker_of(hash, peers) == worker),
            just_erased: Vec::new(),
            figures: stage.figures.clone(),
            worker,
            peers,
            caller: stage.caller.clone(),
            epochs: stage.epochs.clone(),
        }
    }

    /// Takes in what an epoch's claims have come to, and finds the persons of all of its events that this worker has the identifiers of.
    /// Those of persons on other workers go `away`.
    fn epoch(
        &mut self,
        epoch: u64,
        events: &mut Vec<Event>,
        answers: Option<Vec<Answer>>,
        away: &mut Vec<Placed>,
    ) {
        self.settle(epoch);
        if let Some(answers) = answers {
            self.learn(epoch, answers);
        }
        if !self.erased.is_empty() || !self.just_erased.is_empty() {
            let before = events.len();
            events.retain(|event| !self.is_erased(epoch, event));
            self.figures.note_dropped(before - events.len());
        }
        let mut at = 0;
        while let Some(event) = events.get_mut(at) {
            self.address(epoch, event);
            match self.stays(event) {
                true => at += 1,
                false => away.push((epoch, events.swap_remove(at))),
            }
        }
    }

    /// Whether an event's person is on this worker.
    fn stays(&self, event: &Event) -> bool {
        event.seat() % self.peers as u64 == self.worker as u64
    }

    fn learn(&mut self, epoch: u64, answers: Vec<Answer>) {
        self.learnt = epoch;
        self.earlier.clear();
        for Answer { identifier, earlier, address, erased } in answers {
            self.just_erased.extend(erased.into_iter().map(|at| (identifier.clone(), at)));
            if !earlier.is_empty() {
                self.earlier.insert(identifier.clone(), earlier);
            }
            if let Some(call) = &self.caller {
                call(&identifier, &address.owner.person, address.worker);
            }
            let at_home = address.worker == home(&address.owner.person, self.peers);
            if at_home && address.owner.is_alone(&identifier) {
                self.addresses.remove(&identifier);
            } else {
                self.addresses.insert(identifier, address);
            }
        }
    }

    /// Another epoch: who was erased in an earlier one was erased before all of it.
    fn settle(&mut self, epoch: u64) {
        if epoch > self.learnt {
            for (identifier, at) in self.just_erased.drain(..) {
                self.erased.remember(key(&identifier), at.0);
            }
        }
    }

    /// Whether an event is one of those that are not to be known any more.
    fn is_erased(&self, epoch: u64, event: &Event) -> bool {
        if self.erased.covers(&event.leaf, event.time) {
            return true;
        }
        let mut just = self.just_erased.iter();
        epoch == self.learnt
            && just.any(|(identifier, at)| {
                *identifier == event.leaf
                    && event.time <= at.0
                    && when(event, self.epochs.span(epoch).begin) >= *at
            })
    }

    fn address(&self, epoch: u64, event: &mut Event) {
        let changing = epoch == self.learnt && !self.earlier.is_empty();
        let earlier = if changing { self.earlier_address(epoch, event) } else { None };
        if let Some(address) = earlier.or_else(|| self.addresses.get(&event.leaf, event.hash)) {
            address.write(event);
        }
    }

    fn earlier_address(&self, epoch: u64, event: &Event) -> Option<&Address> {
        let earlier = self.earlier.get(&event.leaf)?;
        let at = when(event, self.epochs.span(epoch).begin);
        earlier.iter().find(|(until, _)| at < *until).map(|(_, address)| address)
    }
}

impl Address {
    fn write(&self, event: &mut Event) {
        self.owner.write(event);
        event.worker = Some(self.worker as u16);
    }
}

/// What has come to a router and waits for its epoch.
#[derive(Default)]
struct Waiting {
    events: BTreeMap<u64, Vec<Event>>,
    answers: BTreeMap<u64, Vec<Answer>>,
    /// Who goes from here to which worker.
    going: BTreeMap<u64, Vec<(CompactString, usize)>>,
}

impl Waiting {
    /// Keeps rulings; what only has to be told, `here` is told at once.
    fn take(&mut self, rulings: &mut Vec<Ruled>, here: &mut impl Residents) {
        for (epoch, _, ruling) in rulings.drain(..) {
            match ruling {
                Ruling::Answer(answer) => self.answers.entry(epoch).or_default().push(answer),
                Ruling::Goes(person, to) => self.going.entry(epoch).or_default().push((person, to)),
                Ruling::Told(told) => here.told(epoch, told),
            }
        }
    }
}

/// Events by way of the router, and persons who go from one worker to another. What stays on the worker does not go through the dataflow:
/// it is handed to `here`, before the frontier says that an epoch is complete.
pub(super) fn routed<'scope, R: Residents + 'static>(
    events: Stream<'scope, u64, Vec<Placed>>,
    rulings: Stream<'scope, u64, Vec<Ruled>>,
    mut router: Router,
    first_epoch: u64,
    here: Rc<RefCell<R>>,
) -> Routed<'scope> {
    let scope = events.scope();
    let mut builder = OperatorBuilder::new("Route".to_owned(), scope);
    let by_identifier = Exchange::new(|(_, event): &Placed| key_group(event.hash) as u64);
    let mut input = builder.new_input(events, by_identifier);
    let to_worker = Exchange::new(|(_, worker, _): &Ruled| *worker as u64);
    let mut rulings = builder.new_input(rulings, to_worker);
    let (others, events) = builder.new_output::<Vec<Placed>>();
    let (gone, moving) = builder.new_output::<Vec<Moving>>();
    let mut others = OutputBuilder::<_, CapacityContainerBuilder<Vec<Placed>>>::from(others);
    let mut gone = OutputBuilder::<_, CapacityContainerBuilder<Vec<Moving>>>::from(gone);
    here.borrow_mut().wake(scope.activator_for(builder.operator_info().address));
    builder.build(move |capabilities| {
        let mut capabilities = Some(capabilities);
        let mut waiting = Waiting::default();
        move |frontiers| {
            let here = &mut *here.borrow_mut();
            input.for_each(|_, batch| {
                by_stretch(batch, |epoch, placed| {
                    let events = waiting.events.entry(epoch).or_insert_with(|| here.room());
                    events.extend(placed.map(|(_, event)| event));
                });
            });
            rulings.for_each(|_, batch| waiting.take(batch, here));
            let Some(held) = &mut capabilities else { return };
            let first = |at: usize| {
                let frontier: &MutableAntichain<u64> = &frontiers[at];
                frontier.frontier().first().copied().unwrap_or(u64::MAX)
            };
            let (complete, judged) = (first(0), first(1));
            let mut away = Vec::new();
            loop {
                let next = [waiting.events.keys().next(), waiting.answers.keys().next()];
                let next = next.into_iter().flatten().min().copied();
                let Some(epoch) = next.filter(|epoch| *epoch < judged) else { break };
                // Answers of an epoch are learnt before its events are given away, and after those of all earlier ones have
                // been.
                if waiting.answers.contains_key(&epoch) && complete < epoch {
                    break;
                }
                let mut events = waiting.events.remove(&epoch).unwrap_or_default();
                let answers = waiting.answers.remove(&epoch);
                router.epoch(epoch, &mut events, answers, &mut away);
                if !events.is_empty() {
                    here.arrive(epoch, events);
                }
            }
            if !away.is_empty() {
                others.activate().session(&held[0]).give_container(&mut away);
            }
            let mut leaving = Vec::new();
            while let Some(first) = waiting.going.first_entry()
                && *first.key() < judged
                && here.has_come_to(*first.key())
            {
                let (epoch, going) = first.remove_entry();
                leaving.extend(going.iter().filter_map(|(it, to)| here.depart(epoch, it, *to)));
            }
            if !leaving.is_empty() {
                gone.activate().session(&held[1]).give_iterator(leaving.into_iter());
            }
            let going = waiting.going.keys().next().copied();
            match complete.min(judged).min(going.unwrap_or(u64::MAX)) {
                u64::MAX => capabilities = None,
                next => held
                    .iter_mut()
                    .for_each(|held| held.downgrade(&next.max(first_epoch).max(*held.time()))),
            }
        }
    });
    Routed { events, moving }
}
