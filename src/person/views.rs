//! Persons as others may read them while the engine works: packed copies, by identifier.
//!
//! ```text
//!  worker ─ Keeper ─ touched ──► Views ──► get ─ reader
//!              ▲                   │
//!              └── take_wanted ────┘◄───── ask ─ reader, for whom there is no view
//! ```
//!
//! A worker hands over the bytes that the store would keep; whoever reads unpacks them. A view is found by the frozen hash of
//! its identifier, so that handing it over costs the packing, one copy, and one short lock of a shard. Memory is
//! bounded: views of persons that nothing has happened to for long go, and the oldest if there are too many. Then the worker
//! is asked, and answers on its next turn. While Kairos catches up nobody is handed over, and what has changed is taken away:
//! a view is never older than its person.
//!
//! Knows nothing of HTTP and reads no clock: `now` is the watermark of whoever calls.

use super::Person;
use super::table::{pack, unpack};
use crate::event::{AsIs, leaf_hash, worker_of};
use crate::limits::WANTED_MAX;
use compact_str::CompactString;
use dashmap::DashMap;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Views at most.
    pub count: usize,
    /// Bytes of packed persons at most.
    pub bytes: usize,
    /// Milliseconds for which a person is kept to whom nothing happens.
    pub horizon: i64,
    /// Only persons that somebody has asked for are kept up to date: then a change of any other costs a look instead of a
    /// copy, and the first read of a person waits for its worker.
    pub only_wanted: bool,
}

impl Default for Bounds {
    /// 200,000 persons, 256 MiB, one hour, whoever it is.
    fn default() -> Bounds {
        Bounds { count: 200_000, bytes: 256 << 20, horizon: crate::time::HOUR, only_wanted: false }
    }
}

/// A person as it was at one instant.
#[derive(Clone, Debug)]
pub struct View {
    /// The watermark when it was handed over.
    pub at: i64,
    /// [`crate::define::plan::Plan::fingerprint`] of the plan under which its numbers mean something.
    pub plan: u64,
    packed: Arc<[u8]>,
}

impl View {
    /// The person, unpacked.
    pub fn person(&self) -> Person {
        unpack(&self.packed)
    }
}

/// Takes the answer to a question: a view, or that there is no such person.
pub type Answer = Box<dyn FnOnce(Option<View>) + Send>;

/// A person that somebody wants to read. Dropped unanswered, its `Answer` is dropped too.
pub struct Wanted {
    pub id: CompactString,
    answer: Answer,
}

/// So many are waiting for the worker already that no more are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many readers are waiting")]
pub struct Busy;

type Map = DashMap<u64, View, AsIs>;

/// What one worker is asked.
#[derive(Default)]
struct Questions {
    /// Whether there are any, so that a worker need not lock to know.
    any: AtomicBool,
    queue: Mutex<Vec<Wanted>>,
}

/// All views, shared by workers and readers.
pub struct Views {
    map: Map,
    /// Where to look for an identifier that is not where its own hash says: under which person, on which worker.
    addresses: DashMap<CompactString, (CompactString, usize)>,
    bounds: Bounds,
    bytes: AtomicU64,
    questions: Vec<Questions>,
}

impl Views {
    /// No views yet, of the persons of so many workers.
    pub fn new(bounds: Bounds, workers: usize) -> Views {
        Views {
            map: Map::default(),
            addresses: DashMap::new(),
            bounds,
            bytes: AtomicU64::new(0),
            questions: (0..workers.max(1)).map(|_| Questions::default()).collect(),
        }
    }

    /// The view of the person of an identifier, if there is one.
    pub fn get(&self, identifier: &str) -> Option<View> {
        let id = &*self.address(identifier).0;
        let view = self.map.get(&leaf_hash(id))?.clone();
        // Two identifiers may have one hash; they take turns.
        (super::table::packed_id(&view.packed) == id).then_some(view)
    }

    /// An identifier is one of this person's from now on, who is on a worker.
    pub fn call(&self, identifier: &CompactString, person: &CompactString, worker: usize) {
        if identifier == person && worker == self.home(person) {
            self.addresses.remove(identifier);
        } else {
            self.addresses.insert(identifier.clone(), (person.clone(), worker));
        }
    }

    /// The person to whom an identifier belongs, and the worker on which that is.
    pub fn address(&self, identifier: &str) -> (CompactString, usize) {
        let known = self.addresses.get(identifier).map(|known| known.clone());
        known.unwrap_or_else(|| (identifier.into(), self.home(identifier)))
    }

    fn home(&self, person: &str) -> usize {
        worker_of(leaf_hash(person), self.questions.len())
    }

    /// Asks the worker to which a person belongs.
    ///
    /// # Errors
    /// Too many are waiting for it.
    pub fn ask(&self, identifier: &str, answer: Answer) -> Result<(), Busy> {
        let (id, worker) = self.address(identifier);
        let questions = &self.questions[worker];
        let mut queue = whole(&questions.queue);
        if queue.len() >= WANTED_MAX {
            return Err(Busy);
        }
        queue.push(Wanted { id, answer });
        questions.any.store(true, Ordering::Release);
        Ok(())
    }

    /// What a worker is asked, to be answered with [`Keeper::answer`]. Costs one load if it is nothing.
    pub fn take_wanted(&self, worker: usize) -> Vec<Wanted> {
        let questions = &self.questions[worker];
        if !questions.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut queue = whole(&questions.queue);
        questions.any.store(false, Ordering::Release);
        std::mem::take(&mut *queue)
    }

    /// Views that are kept.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Bytes of the packed persons.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// A panic elsewhere leaves a queue whole.
fn whole<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands over the persons of one worker, and lets the oldest go.
pub struct Keeper {
    views: Arc<Views>,
    plan: u64,
    /// Hashes in the order in which their views were made or last found to be needed, with that instant.
    order: VecDeque<(u64, i64)>,
    bytes: usize,
    /// This worker's share.
    bounds: Bounds,
}

impl Keeper {
    /// For one of the workers, under the plan with this fingerprint.
    pub fn new(views: Arc<Views>, plan: u64) -> Keeper {
        let workers = views.questions.len();
        let Bounds { count, bytes, .. } = views.bounds;
        let bounds = Bounds { count: count / workers, bytes: bytes / workers, ..views.bounds };
        Keeper { views, plan, order: VecDeque::new(), bytes: 0, bounds }
    }

    /// From now on persons are those of another plan; views of the old one count as none.
    pub fn set_plan(&mut self, fingerprint: u64) {
        self.plan = fingerprint;
    }

    /// A person has changed: its view is made or replaced.
    pub fn touched(&mut self, person: &Person, now: i64) {
        let is_known = || self.views.map.contains_key(&leaf_hash(&person.id));
        if self.bounds.only_wanted && (self.order.is_empty() || !is_known()) {
            return;
        }
        self.put(person, now);
        self.let_go(now);
    }

    /// A person has changed while nobody is handed over: its view, if there is one, is taken away.
    pub fn stale(&mut self, id: &str) {
        // Nothing is there in a catch-up from the start, and then this costs nothing.
        if !self.order.is_empty() {
            self.remove(leaf_hash(id));
        }
    }

    /// Answers a question: hands over the person, or says that there is none.
    pub fn answer(&mut self, wanted: Wanted, person: Option<&Person>, now: i64) {
        let view = person.map(|person| self.put(person, now));
        self.let_go(now);
        (wanted.answer)(view);
    }

    fn put(&mut self, person: &Person, now: i64) -> View {
        let packed: Arc<[u8]> = pack(person);
        let size = packed.len();
        let view = View { at: now, plan: self.plan, packed };
        let hash = leaf_hash(&person.id);
        match self.views.map.insert(hash, view.clone()) {
            Some(old) => self.count(size as i64 - old.packed.len() as i64),
            None => {
                self.count(size as i64);
                self.order.push_back((hash, now));
            }
        }
        view
    }

    fn remove(&mut self, hash: u64) {
        if let Some((_, old)) = self.views.map.remove(&hash) {
            self.count(-(old.packed.len() as i64));
        }
    }

    fn count(&mut self, more: i64) {
        self.bytes = self.bytes.saturating_add_signed(more as isize);
        self.views.bytes.fetch_add(more as u64, Ordering::Relaxed);
    }

    /// Lets go what is too old or too much. One that was touched since it was put in line goes to the end of it.
    fn let_go(&mut self, now: i64) {
        let horizon = now.saturating_sub(self.bounds.horizon);
        // Everyone passes at most once.
        for _ in 0..self.order.len() {
            let over = self.order.len() > self.bounds.count || self.bytes > self.bounds.bytes;
            let Some(&(hash, since)) = self.order.front() else { return };
            if !over && since > horizon {
                return;
            }
            self.order.pop_front();
            let at = self.views.map.get(&hash).map(|view| view.at);
            match at {
                Some(at) if at > since.max(horizon) => self.order.push_back((hash, at)),
                Some(_) => self.remove(hash),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeper(bounds: Bounds) -> (Arc<Views>, Keeper) {
        let views = Arc::new(Views::new(bounds, 1));
        (views.clone(), Keeper::new(views, 1))
    }

    fn person(n: usize) -> Person {
        Person::new(format!("user:{n}").into())
    }

    #[test]
    fn a_view_is_the_person_as_last_handed_over() {
        let (views, mut keeper) = keeper(Bounds::default());
        let mut anna = person(1);
        keeper.touched(&anna, 10);
        anna.entries = 7;
        assert_eq!(views.get("user:1").unwrap().person().entries, 0);
        keeper.touched(&anna, 20);
        let view = views.get("user:1").unwrap();
        assert_eq!((view.at, view.person()), (20, anna));
        assert!(views.get("user:2").is_none());
        keeper.stale("user:1");
        assert!(views.get("user:1").is_none());
        assert_eq!((views.len(), views.bytes()), (0, 0));
    }

    #[test]
    fn the_oldest_go_and_who_is_touched_stays() {
        let (views, mut keeper) =
            keeper(Bounds { count: 100, bytes: 1 << 20, horizon: 1_000, only_wanted: false });
        for n in 0..1_000 {
            keeper.touched(&person(n), n as i64);
            keeper.touched(&person(0), n as i64);
        }
        assert_eq!(views.len(), 100);
        assert!(views.get("user:0").is_some(), "touched all the time");
        assert!(views.get("user:999").is_some() && views.get("user:500").is_none());
        keeper.touched(&person(1_000), 5_000);
        assert_eq!(views.len(), 1, "the others are beyond the horizon");
        let bytes = pack::<Vec<u8>>(&person(1_000)).len();
        assert_eq!((views.bytes(), keeper.order.len()), (bytes as u64, 1));
    }

    #[test]
    fn only_who_was_asked_for_is_kept_if_that_is_wanted() {
        let (views, mut keeper) = keeper(Bounds { only_wanted: true, ..Bounds::default() });
        let mut anna = person(1);
        keeper.touched(&anna, 1);
        assert!(views.is_empty());
        views.ask("user:1", Box::new(|_| {})).unwrap();
        for wanted in views.take_wanted(0) {
            keeper.answer(wanted, Some(&anna), 2);
        }
        anna.entries = 7;
        keeper.touched(&anna, 3);
        keeper.touched(&person(2), 3);
        assert_eq!((views.len(), views.get("user:1").unwrap().person()), (1, anna));
    }

    #[test]
    fn bytes_are_bounded() {
        let one = pack::<Vec<u8>>(&person(1)).len();
        let (views, mut keeper) =
            keeper(Bounds { count: 100, bytes: 3 * one, horizon: 1_000, only_wanted: false });
        (1..9).for_each(|n| keeper.touched(&person(n), 0));
        assert_eq!((views.len(), views.bytes()), (3, 3 * one as u64));
    }

    #[test]
    fn who_has_no_view_is_asked_for() {
        let (views, mut keeper) = keeper(Bounds::default());
        let (send, answers) = std::sync::mpsc::channel();
        let ask = |id: &str| {
            let send = send.clone();
            views.ask(id, Box::new(move |view| send.send(view.map(|v| v.person().id)).unwrap()))
        };
        assert!(views.take_wanted(0).is_empty());
        ask("user:1").unwrap();
        ask("user:2").unwrap();
        let wanted = views.take_wanted(0);
        assert!(views.take_wanted(0).is_empty());
        for wanted in wanted {
            let known = person(1);
            let found = (wanted.id == known.id).then_some(&known);
            keeper.answer(wanted, found, 5);
        }
        let said: Vec<Option<CompactString>> = answers.try_iter().collect();
        assert_eq!(said, [Some("user:1".into()), None]);
        assert!(views.get("user:1").is_some());
        for _ in 0..WANTED_MAX {
            ask("user:3").unwrap();
        }
        assert_eq!(ask("user:3"), Err(Busy));
    }
}
