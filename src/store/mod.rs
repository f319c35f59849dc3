//! Checkpoints: persons on disk, and where the input and the outputs stood. A port with two sides: [`disk`] and, for
//! tests, [`memory`].
//!
//! State is a function of the definitions and the input, so that a checkpoint is only a place to go on from: opening one
//! cuts the outputs back to it and reads the input on from there.

pub mod disk;
pub mod memory;

use crate::define::definitions::Definitions;
use crate::epoch::Timeline;
use crate::epoch::log::{Begins, Entry, Read};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Reads persons who are only in the store. Called from the workers.
pub trait Persons: Send + Sync + std::fmt::Debug {
    /// The bytes of a person that the store holds, checked.
    fn read(&self, hash: u64, id: &str) -> Vec<u8>;
}

/// What a record is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// A person.
    Persons,
    /// A person that is not there any more.
    Removed,
    /// What identity knows of a leaf.
    Links,
    /// What is kept beside persons and links: of the catalogue, and what was under way.
    Kept,
    /// A leaf of which identity knows nothing any more.
    Unlinked,
    /// An identifier that was erased, by its key, and when.
    Erased,
}

/// One person to be written, or what identity knows of a leaf.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub shelf: Shelf,
    pub id: String,
    pub hash: u64,
    /// The deadline to arm when it is opened again; [`crate::time::NEVER`] for none.
    pub deadline: i64,
    pub person: Vec<u8>,
}

impl Record {
    /// That a person is not there any more.
    pub fn removal(id: &str) -> Record {
        let hash = crate::event::leaf_hash(id);
        let (deadline, person) = (crate::time::NEVER, Vec::new());
        Record { shelf: Shelf::Removed, id: id.to_owned(), hash, deadline, person }
    }

    /// What is kept beside persons and links, by what it is of.
    pub fn kept(of: &str, bytes: Vec<u8>) -> Record {
        Record { shelf: Shelf::Kept, person: bytes, ..Record::removal(of) }
    }

    /// What identity knows of a leaf.
    pub fn link(leaf: &str, bytes: Vec<u8>) -> Record {
        Record { shelf: Shelf::Links, person: bytes, ..Record::removal(leaf) }
    }

    /// That identity knows nothing of a leaf any more.
    pub fn unlink(leaf: &str) -> Record {
        Record { shelf: Shelf::Unlinked, ..Record::removal(leaf) }
    }

    /// That the identifier of this key was erased at an instant.
    pub fn erased(key: u128, at: i64) -> Record {
        let id = format!("{key:032x}");
        Record { shelf: Shelf::Erased, person: at.to_le_bytes().to_vec(), ..Record::removal(&id) }
    }

    /// The key and the instant again; none if it is something else.
    fn read_erased(id: &str, bytes: &[u8]) -> Option<(u128, i64)> {
        let at = i64::from_le_bytes(bytes.try_into().ok()?);
        Some((u128::from_str_radix(id, 16).ok()?, at))
    }
}

/// Where one source has to be read on from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    pub offset: u64,
    pub line: u64,
    /// The highest event time before that place; `i64::MIN` at the beginning.
    pub high: i64,
}

/// Where one partition stands at a checkpoint of a live run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Where it is read on from, and the highest time before that.
    pub from: Read,
    /// Everything before this offset has been read, and given to epochs up to the checkpoint's, but for `left`.
    pub read: i64,
    /// Offsets between `from` and `read` that belong to later epochs.
    pub left: Vec<i64>,
}

impl Place {
    /// Everything before it has been read, and nothing is left over.
    pub fn at(from: Read) -> Place {
        Place { from, read: from.offset, left: Vec::new() }
    }
}

/// What a checkpoint of a live run holds in addition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// The epoch that it was taken after.
    pub entry: Entry,
    pub begins: Begins,
    /// All that took effect up to the epoch, in their order.
    pub definitions: Vec<Definitions>,
    /// By the number of the partition.
    pub places: Vec<Place>,
    /// Everything after the epoch is in the log at this offset or later.
    pub log_offset: i64,
}

/// What a checkpoint is, beside the persons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The last epoch whose effects are in it.
    pub epoch: u64,
    /// What the run was started with; another start does not fit.
    pub run: RunKey,
    pub sources: Vec<Resume>,
    /// The length of each output file after that epoch.
    pub outputs: Vec<u64>,
    /// What the summary has counted so far.
    pub counts: BTreeMap<String, u64>,
    /// The run is complete.
    pub ended: bool,
    /// Of a live run.
    pub live: Option<Live>,
}

/// What a run is a function of. A store made under another key does not fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunKey {
    /// [`crate::define::plan::Plan::fingerprint`].
    pub plan: u64,
    pub timeline: Timeline,
    pub dedup_horizon: i64,
    pub until: Option<i64>,
    /// Names of the sources.
    pub sources: Vec<String>,
}

/// Keeps checkpoints.
///
/// # Contract
/// 1. After `commit` the checkpoint and its records are safe, all or none of them. (checked by `tests/it/recovery.rs` and `tests/it/store.rs`)
/// 2. `each` and `read` give what the last commits wrote, the latest record of each person.
pub trait Store: Persons {
    /// Calls `visit` with the identifier, hash and deadline of every person.
    ///
    /// # Errors
    /// A store that cannot be read or is damaged.
    fn each(&self, visit: &mut dyn FnMut(&str, u64, i64)) -> Result<(), StoreError>;

    /// Calls `visit` with what identity has kept of each leaf.
    ///
    /// # Errors
    /// A store that cannot be read or is damaged.
    fn each_link(&self, visit: &mut dyn FnMut(&[u8])) -> Result<(), StoreError>;

    /// Calls `visit` with what is kept beside persons and links, by what it is of.
    ///
    /// # Errors
    /// A store that cannot be read or is damaged.
    fn each_kept(&self, visit: &mut dyn FnMut(&str, &[u8])) -> Result<(), StoreError>;
    /// Calls `visit` with the key of every identifier that was erased, and the instant.
    ///
    /// # Errors
    /// A store that cannot be read or is damaged.
    fn each_erased(&self, visit: &mut dyn FnMut(u128, i64)) -> Result<(), StoreError>;

    /// Writes a checkpoint and its records, all or none.
    ///
    /// # Errors
    /// A store that cannot be written.
    fn commit(&self, checkpoint: &Checkpoint, records: Vec<Record>) -> Result<(), StoreError>;
}

/// A store that cannot be used. Nothing is ever started again from nothing because of one.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot use the state folder {path}: {source}")]
    Folder { path: String, source: std::io::Error },
    #[error(
        "the state in {path} is used by another process; wait for it to end, or choose another --state"
    )]
    Locked { path: String },
    #[error("cannot read or write the state in {path}: {message}")]
    Storage { path: String, message: String },
    #[error(
        "the state in {path} has format {found}, this version reads {wanted}; run with the version that made it, or start again with an empty --state folder"
    )]
    Format { path: String, found: u32, wanted: u32 },
    #[error(
        "the state in {path} is damaged: {what}; restore it, or start again with an empty --state folder"
    )]
    Damaged { path: String, what: String },
    #[error(
        "the state in {path} was made with {differs}; go on with the same, or choose an empty --state folder"
    )]
    OtherRun { path: String, differs: &'static str },
}

impl StoreError {
    fn storage(path: &std::path::Path, source: fjall::Error) -> StoreError {
        let path = path.display().to_string();
        match source {
            fjall::Error::Locked => StoreError::Locked { path },
            fjall::Error::Io(source) => StoreError::Folder { path, source },
            other => StoreError::Storage { path, message: format!("{other:?}") },
        }
    }
}
