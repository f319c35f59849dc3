//! All persons of one worker: live, packed, or only in the store; found by identifier.
//!
//! A person who is doing something is live. One who has done nothing for a while is packed into the bytes that the
//! store would keep, a few hundred of them, if many are live, and once a day: packing is for memory, and costs more than an event.
//! One who is only in the store is read when something happens.

use super::{Person, Worth};
use crate::define::plan::Plan;
use crate::event::{Event, Index, leaf_hash};
use crate::store::Persons as Stored;
use crate::time::{DAY, NEVER};
use compact_str::CompactString;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

/// Live persons at whom an epoch looks whether they are idle, though nobody has come to life.
const LOOKS_PER_EPOCH: usize = 16;

/// So many persons are brought near at once: what their steps need has room in the second of the processor's caches.
pub(super) const NEAR: usize = 64;

/// Where a person is.
#[derive(Debug)]
enum Cell {
    /// With the instant before which nothing has to be done.
    Live(Box<Person>, i64),
    Packed(Box<[u8]>),
    /// The identifier; the rest is in the store.
    Stored(Box<str>),
    /// Taken out for a step.
    Out,
    /// Nobody; the slot is free.
    Free,
}

#[derive(Debug)]
pub(super) struct Slot {
    cell: Cell,
    /// The deadline of the person's live entry in the timers.
    pub(super) armed: i64,
    /// Touched since the last checkpoint began.
    pub(super) dirty: bool,
    /// Belongs to the checkpoint under way and is not written yet.
    pub(super) frozen: bool,
    /// Whether it stands in [`Table::line`].
    in_line: bool,
}

impl Slot {
    fn of(cell: Cell) -> Slot {
        Slot { cell, armed: NEVER, dirty: false, frozen: false, in_line: false }
    }
}

/// Persons by slot, and the index that finds the slot of an identifier.
#[derive(Default)]
pub(super) struct Table {
    slots: Vec<Slot>,
    index: Index,
    store: Option<Arc<dyn Stored>>,
    /// Persons of whom more than the identifier is in memory.
    held: usize,
    /// Persons who are live.
    live: usize,
    /// Their slots, those first who became so first or were last found to be busy, with the watermark at that time. Some slots in it
    /// have been left.
    line: VecDeque<(u32, i64)>,
    /// Slots that have been put in line in this epoch, and the watermark at its end.
    joined: usize,
    now: i64,
    /// Slots of nobody; and those that were somebody's in this epoch and in the one before, to whom answers may still come.
    free: Vec<u32>,
    cooling: [Vec<u32>; 2],
    /// The slot at which the next release begins.
    hand: usize,
}

impl Table {
    pub(super) fn with_store(store: Option<Arc<dyn Stored>>) -> Table {
        Table { store, ..Table::default() }
    }

    /// Persons.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len() - self.cooling.iter().map(Vec::len).sum::<usize>()
    }

    /// The slots in which somebody is, in no order.
    pub(super) fn taken(&self) -> impl Iterator<Item = u32> + '_ {
        let is_taken = |slot: &u32| !matches!(self.slots[*slot as usize].cell, Cell::Free);
        (0..self.slots.len() as u32).filter(is_taken)
    }

    /// Persons of whom more than the identifier is in memory.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn slot(&self, slot: u32) -> &Slot {
        &self.slots[slot as usize]
    }

    pub(super) fn slot_mut(&mut self, slot: u32) -> &mut Slot {
        &mut self.slots[slot as usize]
    }

    /// The slot of an identifier, made for a new person if there is none.
    pub(super) fn find_or_add(&mut self, id: &CompactString, hash: u64, plan: &Plan) -> u32 {
        if let Some(slot) = self.find(id, hash) {
            return slot;
        }
        let person = Person { plan: plan.version, ..Person::new(id.clone()) };
        self.insert_at(Box::new(person), hash)
    }

    pub(super) fn find(&self, id: &str, hash: u64) -> Option<u32> {
        self.index.find(hash, |slot| self.slots[slot as usize].cell.id() == id)
    }

    /// Brings those near the processor to whom these events happen, each the first of a person's: they are about to be worked on, one after the
    /// other, and each lies in places of memory at which nobody has looked for a while. What is looked for together comes together.
    pub(super) fn fetch<'e>(&self, firsts: impl Iterator<Item = &'e Event>) {
        let find = |event: &'e Event| Some((self.index.find(event.hash, |_| true)?, event));
        let (slots, firsts): (Vec<u32>, Vec<&Event>) = firsts.filter_map(find).unzip();
        self.fetch_slots(&slots);
        let leaf = |(slot, event): (&u32, &&Event)| {
            let person = self.slots[*slot as usize].cell.live()?;
            person.leaves.iter().find(|leaf| leaf.id() == event.leaf)?.awake()
        };
        let leaves: Vec<&Person> = slots.iter().zip(&firsts).filter_map(leaf).collect();
        look_at(|| leaves.iter().copied());
    }

    /// The same for those in these slots: first where each begins, then what lies behind that, one place after the other.
    pub(super) fn fetch_slots(&self, slots: &[u32]) {
        let cells = || slots.iter().map(|slot| &self.slots[*slot as usize].cell);
        std::hint::black_box(cells().fold(0, |seen, cell| seen ^ cell.look()));
        look_at(|| cells().filter_map(Cell::live));
    }

    /// A person who is in the store and not in memory.
    pub(super) fn add_stored(&mut self, id: &str, hash: u64) -> u32 {
        self.add(Cell::Stored(id.into()), hash)
    }

    fn add(&mut self, cell: Cell, hash: u64) -> u32 {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize].cell = cell;
                slot
            }
            None => {
                self.slots.push(Slot::of(cell));
                u32::try_from(self.slots.len() - 1).expect("a worker has fewer than 2^32 persons")
            }
        };
        self.index.insert(hash, slot);
        slot
    }

    /// Takes a person out to be worked on; [`Table::put`] brings it back.
    pub(super) fn take(&mut self, slot: u32) -> Box<Person> {
        match std::mem::replace(&mut self.slots[slot as usize].cell, Cell::Out) {
            Cell::Live(person, _) => person,
            Cell::Packed(bytes) => {
                self.comes_to_life(slot);
                Box::new(unpack(&bytes))
            }
            Cell::Stored(id) => {
                self.held += 1;
                self.comes_to_life(slot);
                Box::new(self.read(&id))
            }
            Cell::Out | Cell::Free => unreachable!("a person is worked on once at a time"),
        }
    }

    /// Takes a person out for good. Entries of the timers that point to the slot are worth nothing, or let whoever comes to
    /// be in it be looked at once too often.
    pub(super) fn remove(&mut self, slot: u32) -> Box<Person> {
        let hash = leaf_hash(self.id(slot));
        let person = self.take(slot);
        self.index.remove(hash, slot);
        let left = &mut self.slots[slot as usize];
        *left = Slot { in_line: left.in_line, ..Slot::of(Cell::Free) };
        self.held -= 1;
        self.live -= 1;
        self.cooling[0].push(slot);
        person
    }

    /// Another epoch, up to a watermark: slots that were left long enough ago are free.
    pub(super) fn cool(&mut self, now: i64) {
        self.now = now;
        if self.cooling.iter().any(|slots| !slots.is_empty()) {
            let [new, old] = &mut self.cooling;
            self.free.append(old);
            std::mem::swap(new, old);
        }
    }

    /// Puts somebody in who has come from elsewhere.
    pub(super) fn insert(&mut self, person: Box<Person>) -> u32 {
        let hash = leaf_hash(&person.id);
        self.insert_at(person, hash)
    }

    fn insert_at(&mut self, person: Box<Person>, hash: u64) -> u32 {
        self.held += 1;
        let slot = self.add(Cell::Live(person, NEVER), hash);
        self.comes_to_life(slot);
        slot
    }

    fn comes_to_life(&mut self, slot: u32) {
        self.live += 1;
        if !std::mem::replace(&mut self.slots[slot as usize].in_line, true) {
            self.line.push_back((slot, self.now));
            self.joined += 1;
        }
    }

    fn read(&self, id: &str) -> Person {
        unpack(&self.stored(id))
    }

    fn stored(&self, id: &str) -> Vec<u8> {
        let store = self.store.as_ref().expect("only a store makes stored persons");
        store.read(leaf_hash(id), id)
    }

    pub(super) fn put(&mut self, slot: u32, person: Box<Person>, wake: i64) {
        self.slots[slot as usize].cell = Cell::Live(person, wake);
    }

    /// When the person is due, as far as that is known without looking at the person: what a restart goes on from.
    pub(super) fn deadline(&self, slot: u32) -> i64 {
        let slot = &self.slots[slot as usize];
        if let Cell::Live(_, wake) = slot.cell { wake } else { slot.armed }
    }

    /// Makes the person due at an instant, if not before; tells whether the timers need an entry for it.
    pub(super) fn make_due(&mut self, slot: u32, at: i64) -> bool {
        let slot = &mut self.slots[slot as usize];
        if let Cell::Live(_, wake) = &mut slot.cell {
            *wake = at.min(*wake);
        }
        let earlier = at < slot.armed;
        slot.armed = at.min(slot.armed);
        earlier
    }

    /// What an entry of the timers is worth; one that is early moves. Looks at no person.
    pub(super) fn worth(&mut self, deadline: i64, before: i64, slot: u32) -> Worth {
        let slot = &mut self.slots[slot as usize];
        if slot.armed != deadline {
            return Worth::Nothing;
        }
        match slot.cell {
            Cell::Live(_, wake) if wake >= before => {
                slot.armed = wake;
                if wake == NEVER { Worth::Nothing } else { Worth::Later(wake) }
            }
            _ => Worth::Due,
        }
    }

    /// Packs those at the front of the line who are idle, until no more than `most` are live, and nobody is who has been for a
    /// day: what grows with its owner becomes as small again as it can be. Whoever comes to life pays for two looks, so that everybody is
    /// looked at before the line has grown by half. Who is packed because there are many is tidied before.
    pub(super) fn pack_idle(
        &mut self,
        most: usize,
        is_idle: impl Fn(&Person) -> bool,
        mut tidy: impl FnMut(&mut Person),
    ) {
        let mut looks = LOOKS_PER_EPOCH + 2 * std::mem::take(&mut self.joined);
        while looks > 0 {
            let excess = self.live.saturating_sub(most);
            let are_many = excess > 0;
            let count = looks.min(NEAR).min(if are_many { excess } else { NEAR });
            let front = self.take_front(count, are_many);
            if front.is_empty() {
                return;
            }
            looks -= front.len();
            for slot in self.those_idle(&front, &is_idle) {
                let cell = &mut self.slots[slot as usize].cell;
                let Cell::Live(person, _) = cell else { continue };
                if are_many {
                    tidy(person);
                }
                *cell = Cell::Packed(pack(person));
                self.live -= 1;
            }
        }
    }

    /// Takes so many out of the line at its front, if they are to be packed because there are many, or have been live for a day.
    fn take_front(&mut self, count: usize, are_many: bool) -> Vec<u32> {
        let long_ago = self.now.saturating_sub(DAY);
        let mut next = || self.line.pop_front_if(|(_, since)| are_many || *since < long_ago);
        (0..count).map_while(|_| next()).map(|(slot, _)| slot).collect()
    }

    /// Those who are idle of some who were in line, looked at together. Who is busy stands in line again.
    fn those_idle(&mut self, slots: &[u32], is_idle: impl Fn(&Person) -> bool) -> Vec<u32> {
        let live = |slot: &u32| self.slots[*slot as usize].cell.live();
        std::hint::black_box(slots.iter().filter_map(live).fold(0, |seen, it| seen ^ it.last_seen));
        let mut idle = Vec::new();
        for &slot in slots {
            let found = &mut self.slots[slot as usize];
            let is_idle = found.cell.live().map(&is_idle);
            found.in_line = is_idle == Some(false);
            match is_idle {
                Some(true) => idle.push(slot),
                Some(false) => self.line.push_back((slot, self.now)),
                None => {}
            }
        }
        self.fetch_slots(&idle);
        idle
    }

    /// The person's bytes as the store keeps them.
    pub(super) fn bytes(&self, slot: u32) -> Vec<u8> {
        match &self.slots[slot as usize].cell {
            Cell::Live(person, _) => pack(person),
            Cell::Packed(bytes) => bytes.to_vec(),
            // Nobody has looked at the person yet, for whom something is due all the same.
            Cell::Stored(id) => self.stored(id),
            Cell::Out | Cell::Free => unreachable!("a person is worked on once at a time"),
        }
    }

    pub(super) fn is_free(&self, slot: u32) -> bool {
        matches!(self.slots[slot as usize].cell, Cell::Free)
    }

    pub(super) fn id(&self, slot: u32) -> &str {
        self.slots[slot as usize].cell.id()
    }

    /// A copy of the person, wherever it is.
    pub(super) fn view(&self, slot: u32) -> Person {
        match &self.slots[slot as usize].cell {
            Cell::Live(person, _) => (**person).clone(),
            Cell::Packed(bytes) => unpack(bytes),
            Cell::Stored(id) => self.read(id),
            Cell::Out | Cell::Free => unreachable!("a person is worked on once at a time"),
        }
    }

    /// Persons who are packed and unchanged since a checkpoint that is safe need no memory but the identifier: lets go of
    /// them until no more than `most` are held. It begins where it ended the last time, so that nobody who is read again
    /// is soon let go of again.
    pub(super) fn release(&mut self, most: usize) {
        for _ in 0..self.slots.len() {
            if self.held <= most {
                return;
            }
            self.hand = (self.hand + 1) % self.slots.len();
            let found = &mut self.slots[self.hand];
            if !found.dirty && !found.frozen && matches!(found.cell, Cell::Packed(_)) {
                found.cell = Cell::Stored(found.cell.id().into());
                self.held -= 1;
            }
        }
    }
}

impl Cell {
    /// Looks at where the person begins, or at all of its bytes: at something of each line of memory.
    fn look(&self) -> i64 {
        match self {
            Cell::Live(person, _) => person.now ^ person.recheck,
            Cell::Packed(bytes) => {
                bytes.iter().step_by(64).fold(0, |seen, byte| seen ^ i64::from(*byte))
            }
            _ => 0,
        }
    }

    fn live(&self) -> Option<&Person> {
        if let Cell::Live(person, _) = self { Some(person) } else { None }
    }

    fn id(&self) -> &str {
        match self {
            Cell::Live(person, _) => &person.id,
            Cell::Packed(bytes) => packed_id(bytes),
            Cell::Stored(id) => id,
            Cell::Out | Cell::Free => "",
        }
    }
}

/// Looks at all of them, and then at what lies behind that, one place after the other.
fn look_at<'p, P: Iterator<Item = &'p Person>>(persons: impl Fn() -> P) {
    for look in [Person::look, Person::look_behind, Person::look_behind_that] {
        std::hint::black_box(persons().fold(0, |seen, person| seen ^ look(person)));
    }
}

thread_local! {
    /// Memory in which persons are packed before their length is known: one for a person, one for a leaf within it.
    static SCRATCH: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// The bytes of a person.
pub(super) fn pack<B: for<'a> From<&'a [u8]>>(person: &Person) -> B {
    with_packed(person, |bytes| B::from(bytes))
}

/// Lets somebody look at the bytes of a person.
pub(super) fn with_packed<R>(person: &Person, look: impl FnOnce(&[u8]) -> R) -> R {
    let mut scratch = SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default();
    let seen = loop {
        match postcard::to_slice(person, &mut scratch) {
            Ok(bytes) => break look(bytes),
            Err(postcard::Error::SerializeBufferFull) => {
                scratch.resize((scratch.len() * 2).max(4096), 0);
            }
            Err(error) => panic!("a person is plain data: {error}"),
        }
    };
    SCRATCH.with_borrow_mut(|all| all.push(scratch));
    seen
}

/// # Panics
/// If the bytes are not a person's: the store checks what it reads, and memory is ours.
pub(super) fn unpack(bytes: &[u8]) -> Person {
    postcard::from_bytes(bytes).expect("packed by this version of Kairos")
}

/// The identifier at the beginning of a packed person: its length as a varint (identifiers are short: at most two bytes), then its text.
pub(super) fn packed_id(bytes: &[u8]) -> &str {
    let (length, rest) = postcard::take_from_bytes::<u32>(bytes).expect("packed by us");
    std::str::from_utf8(&rest[..length as usize]).expect("identifiers are text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_idle_stays_live_unless_there_are_too_many_or_a_day_is_over() {
        let mut table = Table::default();
        table.cool(0);
        for id in ["user:1", "user:2", "user:3"] {
            table.insert(Box::new(Person::new(id.into())));
        }
        let mut pack_at = |now, most, are_many| {
            table.cool(now);
            let mut tidied = 0;
            let before = table.live;
            table.pack_idle(most, |_| true, |_| tidied += 1);
            let packed = before - table.live;
            assert_eq!(tidied, if are_many { packed } else { 0 }, "at {now}");
            table.live
        };
        assert_eq!(pack_at(0, 3, true), 3);
        assert_eq!(pack_at(0, 2, true), 2);
        assert_eq!(pack_at(DAY, 2, false), 2, "they have been live for no more than a day");
        assert_eq!(pack_at(DAY + 1, 2, false), 0);
    }
}
