//! A store in memory, for tests and the simulator. In: commits. Out: what they left, to every clone, however many runs
//! end in between. It fails when it is told to; a commit is all or nothing even then.

use super::{Checkpoint, Persons, Record, Shelf, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// What can happen to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails, or the process dies before it: nothing is written.
    Before,
    /// The process dies after it: everything is written, and nobody learns of it.
    After,
    /// From this commit on, each loses a record in silence. No store may do this; those who watch stores must notice.
    LosesRecord,
}

/// A store that lives as long as its last clone.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    checkpoint: Option<Checkpoint>,
    persons: BTreeMap<String, Record>,
    links: BTreeMap<String, Record>,
    kept: BTreeMap<String, Record>,
    erased: BTreeMap<String, Record>,
    commits: u64,
    planted: Option<(u64, Fault)>,
}

impl Memory {
    /// What opening the store gives.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.lock().checkpoint.clone()
    }

    /// Commits so far, failed ones included.
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// Makes a commit go wrong: the `nth` from now, from 1. `None` takes a planted fault back.
    pub fn plant(&self, fault: Option<(u64, Fault)>) {
        let mut held = self.lock();
        held.planted = fault.map(|(nth, fault)| (held.commits + nth, fault));
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Persons for Memory {
    /// # Panics
    /// If there is no such person: going on without it would send wrong messages.
    fn read(&self, _hash: u64, id: &str) -> Vec<u8> {
        let held = self.lock();
        let Some(record) = held.persons.get(id) else {
            panic!("the store has lost the person {id}")
        };
        record.person.clone()
    }
}

impl Store for Memory {
    fn each(&self, visit: &mut dyn FnMut(&str, u64, i64)) -> Result<(), StoreError> {
        for record in self.lock().persons.values() {
            visit(&record.id, record.hash, record.deadline);
        }
        Ok(())
    }

    fn each_link(&self, visit: &mut dyn FnMut(&[u8])) -> Result<(), StoreError> {
        self.lock().links.values().for_each(|record| visit(&record.person));
        Ok(())
    }

    fn each_kept(&self, visit: &mut dyn FnMut(&str, &[u8])) -> Result<(), StoreError> {
        self.lock().kept.values().for_each(|record| visit(&record.id, &record.person));
        Ok(())
    }

    fn each_erased(&self, visit: &mut dyn FnMut(u128, i64)) -> Result<(), StoreError> {
        let held = self.lock();
        let all = held.erased.values();
        all.filter_map(|it| Record::read_erased(&it.id, &it.person))
            .for_each(|(k, at)| visit(k, at));
        Ok(())
    }

    fn commit(&self, checkpoint: &Checkpoint, mut records: Vec<Record>) -> Result<(), StoreError> {
        let mut held = self.lock();
        held.commits += 1;
        let fault = held.planted.and_then(|(at, fault)| {
            let lasts = fault == Fault::LosesRecord && at < held.commits;
            (at == held.commits || lasts).then_some(fault)
        });
        let died = || StoreError::Storage { path: "memory".into(), message: format!("{fault:?}") };
        match fault {
            Some(Fault::Before) => return Err(died()),
            Some(Fault::LosesRecord) => drop(records.pop()),
            Some(Fault::After) | None => {}
        }
        for record in records {
            match record.shelf {
                Shelf::Persons => drop(held.persons.insert(record.id.clone(), record)),
                Shelf::Removed => drop(held.persons.remove(&record.id)),
                Shelf::Kept => drop(held.kept.insert(record.id.clone(), record)),
                Shelf::Links => drop(held.links.insert(record.id.clone(), record)),
                Shelf::Unlinked => drop(held.links.remove(&record.id)),
                Shelf::Erased => drop(held.erased.insert(record.id.clone(), record)),
            }
        }
        held.checkpoint = Some(checkpoint.clone());
        if fault == Some(Fault::After) { Err(died()) } else { Ok(()) }
    }
}
