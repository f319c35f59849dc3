//! The stage as timely operators. They only carry things; what follows from what is decided in [`super::resolve`].
//!
//! Claims go to one worker, because each is judged by what the ones before it have made ([`judge`]). What it rules goes to where
//! identifiers are looked up ([`route`]), and from there to the persons. An epoch's events are held until all its claims are judged.

mod extract;
mod judge;
mod route;

use super::erased::ErasedKey;
use super::graph::{Change, Owner};
use super::{Resolver, Script, When};
use crate::epoch::{Epochs, Placed, Turns};
use crate::event::{Event, leaf_hash, worker_of};
use crate::identity::figures::Figures;
use compact_str::CompactString;
pub use extract::{Claimed, Extractor};
use judge::{Judge, judge_of, judged};
use route::{Router, routed};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use timely::dataflow::Stream;
use timely::scheduling::Activator;

type HashMap<K, V> = hashbrown::HashMap<K, V, foldhash::fast::FixedState>;

/// Is told under which person, and on which worker, an identifier is found from now on.
pub type Caller = Arc<dyn Fn(&CompactString, &CompactString, usize) + Send + Sync>;

/// What the persons of a worker are told by the stage.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Told {
    /// Persons who are worked on together here.
    Script(Script),
    /// That somebody turns out to be somebody else, at an instant, for those who write it down: nobody has to do anything.
    Named(i64, Change),
    /// What the store has to keep of a leaf.
    Link(CompactString, Vec<u8>),
    /// That it keeps nothing of a leaf any more.
    Unlink(CompactString),
    /// That an identifier was erased, and when.
    Erased(ErasedKey, i64),
}

/// A person on the way to another worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Moving {
    /// Before this epoch.
    pub epoch: u64,
    pub to: usize,
    /// Packed.
    pub person: Vec<u8>,
    /// What is said to it there as the epoch begins.
    pub told: Vec<Event>,
}

/// The persons of one worker, as those who lead events to them see them.
pub trait Residents {
    /// Memory in which events can be gathered that will arrive.
    fn room(&mut self) -> Vec<Event>;

    /// Events of an epoch that is not complete yet are here.
    fn arrive(&mut self, epoch: u64, events: Vec<Event>);

    /// Something is to be known in an epoch that is not complete yet.
    fn told(&mut self, epoch: u64, told: Told);

    /// Whether everything before an epoch has happened. If not, whoever is to be woken is when it has.
    fn has_come_to(&mut self, epoch: u64) -> bool;

    /// Takes out a person before an epoch to which everything has come; `None` if there is nothing of it.
    fn depart(&mut self, epoch: u64, person: &str, to: usize) -> Option<Moving>;

    /// Whom to wake.
    fn wake(&mut self, whom: Activator);
}

/// Where the events of an identifier go.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Address {
    owner: Owner,
    worker: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Answer {
    identifier: CompactString,
    earlier: Vec<(When, Address)>,
    address: Address,
    /// Where in the order of events it was erased.
    erased: Vec<When>,
}

/// What the claims of an epoch come to on a worker.
type Ruled = (u64, usize, Ruling);

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Ruling {
    /// An identifier of this worker belongs to somebody.
    Answer(Answer),
    /// A person goes from here to another worker.
    Goes(CompactString, usize),
    /// For the persons here.
    Told(Told),
}

/// What comes to the persons of a worker from others.
pub struct Routed<'scope> {
    /// Events with their persons.
    pub events: Stream<'scope, u64, Vec<Placed>>,
    pub moving: Stream<'scope, u64, Vec<Moving>>,
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

/// Events to their persons: to those of this worker, who are `here`, and out to those of others. `claims` is what was taken out of them.
pub fn resolve<'scope, R: Residents + 'static>(
    events: Stream<'scope, u64, Vec<Placed>>,
    claims: Stream<'scope, u64, Vec<Claimed>>,
    stage: Stage,
    here: Rc<RefCell<R>>,
) -> Routed<'scope> {
    let scope = events.scope();
    let (index, peers) = (scope.index(), scope.peers());
    let first = stage.first_epoch;
    let router = Router::new(&stage, index, peers);
    let turns = stage.turns.clone();
    let rulings = judged(claims, Judge::new(stage, index == judge_of(peers), peers), first, turns);
    routed(events, rulings, router, first, here)
}
