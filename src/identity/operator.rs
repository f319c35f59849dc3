//! The stage as timely operators. They only carry things; what follows from what is decided in [`super::resolve`].
//!
//! Claims go to one worker, because each is judged by what the ones before it have made. Its answers go back to where
//! identifiers are looked up, and to the persons. An epoch's events are held until all its claims are judged.

use super::erased::{ErasedKey, key};
use super::graph::Owner;
use super::resolve::{Assigned, claim};
use super::{Erased, Resolver, Script, When, when};
use crate::define::plan::IdentityPlan;
use crate::epoch::{Epochs, Placed, Turns, by_stretch};
use crate::event::{Claim, Event, Says, key_group, leaf_hash, worker_of};
use crate::identity::figures::Figures;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// The worker that judges all claims: not the first one, if there are others, which already writes all output.
fn judge_of(peers: usize) -> usize {
    peers - 1
}

type HashMap<K, V> = hashbrown::HashMap<K, V, foldhash::fast::FixedState>;

/// Is told under which person, and on which worker, an identifier is found from now on.
pub type Caller = Arc<dyn Fn(&CompactString, &CompactString, usize) + Send + Sync>;

/// What persons are told by the stage.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Told {
    /// Persons who are worked on together, on a worker.
    Script(usize, Script),
    /// What the store has to keep of a leaf.
    Link(CompactString, Vec<u8>),
    /// That it keeps nothing of a leaf any more.
    Unlink(CompactString),
    /// That an identifier was erased, and when.
    Erased(ErasedKey, i64),
}

/// That a person goes from one worker to another before an epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    pub epoch: u64,
    pub from: usize,
    pub to: usize,
    pub person: CompactString,
}

/// Where the events of an identifier go.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Address {
    owner: Owner,
    worker: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Answer {
    epoch: u64,
    identifier: CompactString,
    earlier: Vec<(When, Address)>,
    address: Address,
    /// Where in the order of events it was erased.
    erased: Vec<When>,
}

/// What an event of an epoch says of identifiers, with the order in which it stands.
type Claimed = (u64, When, Word);

/// What is said.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Word {
    Claim(Claim),
    /// Only that there is something of the identifier of this hash.
    Seen(u64),
}

/// All of an epoch.
#[derive(Default)]
struct Words {
    claims: Vec<(When, Claim)>,
    seen: Vec<(When, u64)>,
}

/// What comes out of the stage.
pub struct Resolved<'scope> {
    /// Events with their persons.
    pub events: Stream<'scope, u64, Vec<Placed>>,
    /// None where every identifier is a person.
    pub told: Option<Stream<'scope, u64, Vec<(u64, Told)>>>,
    /// None on a single worker.
    pub orders: Option<Stream<'scope, u64, Vec<Order>>>,
}

impl<'scope> Resolved<'scope> {
    /// Events of which every identifier is a person.
    pub fn alone(events: Stream<'scope, u64, Vec<Placed>>) -> Resolved<'scope> {
        Resolved { events, told: None, orders: None }
    }
}

/// What one worker needs for the stage.
pub struct Stage {
    pub epochs: Arc<dyn Epochs>,
    pub first_epoch: u64,
    /// All links of the store.
    pub resolver: Resolver,
    pub figures: Arc<Figures>,
    /// Whether a store keeps the links.
    pub kept: bool,
    /// Readers of persons, who have to know under which identifier to look.
    pub caller: Option<Caller>,
    /// What the worker does next: claims are judged ahead of the epoch under way.
    pub turns: Turns,
}

/// The worker on which a person is, unless it was worked on with others elsewhere.
fn home(person: &str, peers: usize) -> usize {
    worker_of(leaf_hash(person), peers)
}

/// Events in, events with their persons out.
pub fn resolve<'scope>(events: Stream<'scope, u64, Vec<Placed>>, stage: Stage) -> Resolved<'scope> {
    let scope = events.scope();
    let (index, peers) = (scope.index(), scope.peers());
    let mine = |identifier: &str| home(identifier, peers) == index;
    let mut addresses: HashMap<CompactString, Address> = HashMap::default();
    for (identifier, owner) in stage.resolver.graph().owners() {
        if mine(&identifier) && !owner.is_alone(&identifier) {
            let worker = home(&owner.person, peers);
            if let Some(call) = &stage.caller {
                call(&identifier, &owner.person, worker);
            }
            addresses.insert(identifier, Address { owner, worker });
        }
    }
    let (events, claims) = extract(events, stage.resolver.graph().rules());
    let erased = stage.resolver.erased().of(|hash| worker_of(hash, peers) == index);
    let figures = stage.figures.clone();
    let judge = Judge {
        // The others need not keep all links.
        resolver: if index == judge_of(peers) {
            stage.resolver
        } else {
            stage.resolver.without_links()
        },
        guests: HashMap::default(),
        next: stage.first_epoch,
        peers,
        epochs: stage.epochs.clone(),
        figures: stage.figures,
        kept: stage.kept,
    };
    let (answers, told, orders) = judged(claims, judge, stage.first_epoch, stage.turns);
    let router = Router {
        addresses,
        learnt: 0,
        earlier: HashMap::default(),
        erased,
        just_erased: Vec::new(),
        figures,
        peers,
        caller: stage.caller,
        epochs: stage.epochs,
    };
    let events = routed(events, answers, router, stage.first_epoch);
    Resolved { events, told: Some(told), orders: (peers > 1).then_some(orders) }
}

/// Takes the claims out of events. Where persons are forgotten, all that comes under weak identifiers is noticed.
fn extract<'scope>(
    events: Stream<'scope, u64, Vec<Placed>>,
    rules: &IdentityPlan,
) -> (Stream<'scope, u64, Vec<Placed>>, Stream<'scope, u64, Vec<Claimed>>) {
    let mut builder = OperatorBuilder::new("Claims".to_owned(), events.scope());
    let mut input = builder.new_input(events, Pipeline);
    let (events, event_stream) = builder.new_output::<Vec<Placed>>();
    let (claims, claim_stream) = builder.new_output::<Vec<Claimed>>();
    let mut events = OutputBuilder::<_, CapacityContainerBuilder<Vec<Placed>>>::from(events);
    let mut claims = OutputBuilder::<_, CapacityContainerBuilder<Vec<Claimed>>>::from(claims);
    let rules = rules.forget_after.is_some().then(|| rules.clone());
    let is_weak =
        move |leaf: &str| rules.as_ref().is_some_and(|rules| !rules.is_strong(rules.rank(leaf)));
    builder.build(move |_| {
        move |_| {
            let (mut events, mut claims) = (events.activate(), claims.activate());
            input.for_each(|capability, batch| {
                let mut found = Vec::new();
                for (epoch, event) in batch.iter_mut() {
                    let at = when(event, i64::MIN);
                    if let Some(claim) = claim(event) {
                        found.push((*epoch, at, Word::Claim(claim)));
                    }
                    if event.says != Says::Erased && is_weak(&event.leaf) {
                        found.push((*epoch, at, Word::Seen(event.hash)));
                    }
                }
                if !found.is_empty() {
                    // A request for erasure is nothing that the person does.
                    batch.retain(|(_, event)| event.says != Says::Erased);
                    claims.session(&capability).give_iterator(found.into_iter());
                }
                events.session(&capability).give_container(batch);
            });
        }
    });
    (event_stream, claim_stream)
}

/// Judges claims, on one worker.
struct Judge {
    resolver: Resolver,
    /// Persons who are not at home, and where they are.
    guests: HashMap<CompactString, usize>,
    /// The next epoch that may be judged.
    next: u64,
    peers: usize,
    epochs: Arc<dyn Epochs>,
    figures: Arc<Figures>,
    kept: bool,
}

#[derive(Default)]
struct Judged {
    answers: Vec<Answer>,
    told: Vec<(u64, Told)>,
    orders: Vec<Order>,
}

impl Judge {
    fn seat(&self, person: &str) -> usize {
        self.guests.get(person).copied().unwrap_or_else(|| home(person, self.peers))
    }

    /// The next epoch before the frontier for which there is something to be judged.
    fn next_epoch(&self, stash: &BTreeMap<u64, Words>, frontier: Option<u64>) -> Option<u64> {
        let claimed = stash.keys().next().copied();
        let idle = self.epochs.of_timer(self.resolver.earliest(), self.next, frontier);
        let next = claimed.into_iter().chain(idle).min()?;
        frontier.is_none_or(|frontier| next < frontier).then_some(next)
    }

    fn epoch(&mut self, epoch: u64, words: Words, out: &mut Judged) {
        self.next = epoch.saturating_add(1);
        let Words { mut claims, mut seen } = words;
        let forgets = self.resolver.graph().forgets_after().is_some();
        if !forgets {
            self.resolver.drop_known(&mut claims, i64::MIN);
            if claims.is_empty() {
                return;
            }
        }
        let span = self.epochs.span(epoch);
        claims.iter_mut().for_each(|(at, _)| at.0 = at.0.max(span.begin));
        seen.iter_mut().for_each(|(at, _)| at.0 = at.0.max(span.begin));
        if forgets {
            self.resolver.drop_known(&mut claims, span.end);
        }
        let outcome = self.resolver.epoch(claims, seen, span.end);
        self.figures.note(&outcome, self.resolver.graph().len());
        let mut assigned = outcome.assigned;
        // Where those are in this epoch who are worked on together, if not where they are after it.
        let mut seats: HashMap<CompactString, usize> = HashMap::default();
        for script in outcome.scripts {
            let last = script.changes.last().map(|(_, change)| change.survivor());
            let worker = self.seat(last.expect("a script has a change"));
            if self.peers > 1 {
                let mut moved = Vec::new();
                for person in script.persons() {
                    let from = self.seat(person);
                    if from != worker {
                        let person = person.clone();
                        out.orders.push(Order { epoch, from, to: worker, person });
                    }
                    if from != worker || self.guests.contains_key(person) {
                        seats.insert(person.clone(), worker);
                        moved.push(person);
                    }
                }
                moved.into_iter().for_each(|person| self.settle(person, worker, &mut assigned));
            }
            out.told.push((epoch, Told::Script(worker, script)));
        }
        for at in outcome.touched.into_iter().filter(|_| self.kept) {
            let record = self.resolver.graph().record(at);
            let bytes = postcard::to_stdvec(&record).expect("a record is plain data");
            out.told.push((epoch, Told::Link(record.name, bytes)));
        }
        if self.kept {
            let removed = outcome.removed.into_iter().map(Told::Unlink);
            let erased = outcome.erased.iter().map(|(id, at)| Told::Erased(key(id), at.0));
            out.told.extend(removed.chain(erased).map(|told| (epoch, told)));
        }
        let mut erased: HashMap<CompactString, Vec<When>> = HashMap::default();
        for (identifier, at) in outcome.erased {
            erased.entry(identifier).or_default().push(at);
        }
        for Assigned { identifier, earlier, owner } in assigned {
            let address = |owner: Owner| Address { worker: self.seat(&owner.person), owner };
            let then = |owner: Owner| match seats.get(&owner.person) {
                Some(&worker) => Address { worker, owner },
                None => address(owner),
            };
            let earlier = earlier.into_iter().map(|(at, owner)| (at, then(owner))).collect();
            let address = address(owner);
            let erased = erased.remove(&identifier).unwrap_or_default();
            out.answers.push(Answer { epoch, identifier, earlier, address, erased });
        }
    }

    /// Somebody was worked on at a worker, and stays there if there is anything left: all its identifiers have to know.
    fn settle(&mut self, person: &CompactString, worker: usize, assigned: &mut Vec<Assigned>) {
        self.guests.remove(person);
        let graph = self.resolver.graph();
        // Whoever has ended and comes again does so at home.
        if graph.person_of(person) != *person || !graph.knows(person) {
            return;
        }
        if home(person, self.peers) != worker {
            self.guests.insert(person.clone(), worker);
        }
        // Of some it is said twice, which does no harm.
        let identifiers = graph.identifiers_of(person).into_iter();
        let earlier = Vec::new;
        assigned.extend(identifiers.map(|(identifier, owner)| Assigned {
            identifier,
            earlier: earlier(),
            owner,
        }));
    }
}

type JudgedStreams<'scope> = (
    Stream<'scope, u64, Vec<Answer>>,
    Stream<'scope, u64, Vec<(u64, Told)>>,
    Stream<'scope, u64, Vec<Order>>,
);

fn judged<'scope>(
    claims: Stream<'scope, u64, Vec<Claimed>>,
    mut judge: Judge,
    first_epoch: u64,
    turns: Turns,
) -> JudgedStreams<'scope> {
    let scope = claims.scope();
    let (index, judge_at) = (scope.index(), judge_of(scope.peers()));
    let mut builder = OperatorBuilder::new("Identity".to_owned(), scope);
    let again = scope.activator_for(builder.operator_info().address);
    let mut input = builder.new_input(claims, Exchange::new(move |_: &Claimed| judge_at as u64));
    let (answers, answer_stream) = builder.new_output::<Vec<Answer>>();
    let (told, told_stream) = builder.new_output::<Vec<(u64, Told)>>();
    let (orders, order_stream) = builder.new_output::<Vec<Order>>();
    let mut answers = OutputBuilder::<_, CapacityContainerBuilder<Vec<_>>>::from(answers);
    let mut told = OutputBuilder::<_, CapacityContainerBuilder<Vec<_>>>::from(told);
    let mut orders = OutputBuilder::<_, CapacityContainerBuilder<Vec<_>>>::from(orders);
    builder.build(move |capabilities| {
        let mut capabilities = (index == judge_at).then_some(capabilities);
        let mut stash: BTreeMap<u64, Words> = BTreeMap::new();
        move |frontiers| {
            input.for_each(|_, batch| {
                for (epoch, at, word) in batch.drain(..) {
                    let words = stash.entry(epoch).or_default();
                    match word {
                        Word::Claim(claim) => words.claims.push((at, claim)),
                        Word::Seen(hash) => words.seen.push((at, hash)),
                    }
                }
            });
            let Some(held) = &mut capabilities else { return };
            let frontier = frontiers[0].frontier().first().copied();
            let mut out = Judged::default();
            let mut next = judge.next_epoch(&stash, frontier);
            while let Some(epoch) = next.filter(|_| turns.is_ahead()) {
                judge.epoch(epoch, stash.remove(&epoch).unwrap_or_default(), &mut out);
                next = judge.next_epoch(&stash, frontier);
                // One at a time: the epoch under way may have something to do again.
                if turns.meets() {
                    break;
                }
            }
            if next.is_some() {
                again.activate();
            }
            if !out.answers.is_empty() {
                answers.activate().session(&held[0]).give_iterator(out.answers.into_iter());
            }
            if !out.told.is_empty() {
                told.activate().session(&held[1]).give_iterator(out.told.into_iter());
            }
            if !out.orders.is_empty() {
                orders.activate().session(&held[2]).give_iterator(out.orders.into_iter());
            }
            match next.or(frontier) {
                Some(epoch) => held
                    .iter_mut()
                    .for_each(|held| held.downgrade(&epoch.max(first_epoch).max(*held.time()))),
                None => capabilities = None,
            }
        }
    });
    (answer_stream, told_stream, order_stream)
}

/// Finds the persons of events.
struct Router {
    addresses: HashMap<CompactString, Address>,
    /// The last epoch of which there were answers, and the identifiers that change hands in it.
    learnt: u64,
    earlier: HashMap<CompactString, Vec<(When, Address)>>,
    /// Identifiers that were erased before that epoch, and in it.
    erased: Erased,
    just_erased: Vec<(CompactString, When)>,
    figures: Arc<Figures>,
    peers: usize,
    caller: Option<Caller>,
    epochs: Arc<dyn Epochs>,
}

impl Router {
    fn learn(&mut self, epoch: u64, answers: Vec<Answer>) {
        self.learnt = epoch;
        self.earlier.clear();
        for Answer { identifier, earlier, address, erased, .. } in answers {
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
    fn is_erased(&self, (epoch, event): &Placed) -> bool {
        if self.erased.covers(&event.leaf, event.time) {
            return true;
        }
        let mut just = self.just_erased.iter();
        *epoch == self.learnt
            && just.any(|(identifier, at)| {
                *identifier == event.leaf
                    && event.time <= at.0
                    && when(event, self.epochs.span(*epoch).begin) >= *at
            })
    }

    fn address(&self, placed: &mut Placed) {
        let (epoch, event) = placed;
        let changing = *epoch == self.learnt && !self.earlier.is_empty();
        let earlier = if changing { self.earlier_address(*epoch, event) } else { None };
        if let Some(address) = earlier.or_else(|| self.addresses.get(&event.leaf)) {
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

fn routed<'scope>(
    events: Stream<'scope, u64, Vec<Placed>>,
    answers: Stream<'scope, u64, Vec<Answer>>,
    mut router: Router,
    first_epoch: u64,
) -> Stream<'scope, u64, Vec<Placed>> {
    let mut builder = OperatorBuilder::new("Route".to_owned(), events.scope());
    let by_identifier = Exchange::new(|(_, event): &Placed| key_group(event.hash) as u64);
    let mut input = builder.new_input(events, by_identifier);
    let route = Exchange::new(|it: &Answer| key_group(leaf_hash(&it.identifier)) as u64);
    let mut answers = builder.new_input(answers, route);
    let (output, stream) = builder.new_output::<Vec<Placed>>();
    let mut output = OutputBuilder::<_, CapacityContainerBuilder<Vec<Placed>>>::from(output);
    builder.build(move |mut capabilities| {
        let mut capability = capabilities.pop();
        let mut stash: BTreeMap<u64, Vec<Placed>> = BTreeMap::new();
        let mut learnt: BTreeMap<u64, Vec<Answer>> = BTreeMap::new();
        move |frontiers| {
            input.for_each(|_, batch| {
                by_stretch(batch, |epoch, placed| stash.entry(epoch).or_default().extend(placed));
            });
            answers.for_each(|_, batch| {
                for answer in batch.drain(..) {
                    learnt.entry(answer.epoch).or_default().push(answer);
                }
            });
            let Some(held) = &mut capability else { return };
            let first = |at: usize| {
                let frontier: &timely::progress::frontier::MutableAntichain<u64> = &frontiers[at];
                frontier.frontier().first().copied().unwrap_or(u64::MAX)
            };
            let (events, judged) = (first(0), first(1));
            let mut output = output.activate();
            loop {
                let epoch = stash.keys().next().into_iter().chain(learnt.keys().next()).min();
                let Some(epoch) = epoch.copied().filter(|epoch| *epoch < judged) else { break };
                // Answers of an epoch are learnt before its events are given away, and after those of all earlier ones have
                // been.
                if learnt.contains_key(&epoch) && events < epoch {
                    break;
                }
                router.settle(epoch);
                if let Some(answers) = learnt.remove(&epoch) {
                    router.learn(epoch, answers);
                }
                let mut placed = stash.remove(&epoch).unwrap_or_default();
                if !router.erased.is_empty() || !router.just_erased.is_empty() {
                    let before = placed.len();
                    placed.retain(|placed| !router.is_erased(placed));
                    router.figures.note_dropped(before - placed.len());
                }
                placed.iter_mut().for_each(|placed| router.address(placed));
                if !placed.is_empty() {
                    output.session(&*held).give_container(&mut placed);
                }
            }
            let next = events.min(judged);
            match next {
                u64::MAX => capability = None,
                next => held.downgrade(&next.max(first_epoch).max(*held.time())),
            }
        }
    });
    stream
}
