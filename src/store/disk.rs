//! Checkpoints in an embedded LSM tree (`fjall`).
//!
//! Keyspace `persons`: key group (one byte) and identifier → checksum, deadline, person. Keyspace `links`: leaf → checksum,
//! what identity knows of it. Keyspace `erased`: key of an identifier → checksum, instant. Keyspace `kept`: what else there is, such
//! as records of products → checksum, it. Keyspace `meta`: the checkpoint itself. A checkpoint is one atomic batch over all, made durable
//! before it counts.

use super::{Checkpoint, Persons, Record, RunKey, Shelf, Store, StoreError};
use crate::event::key_group;
use crate::limits::KEY_GROUPS;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::path::{Path, PathBuf};

/// The format of what is stored; a store of another one is refused.
const FORMAT: u32 = 14;
const _: () = assert!(KEY_GROUPS <= 256, "a key group is one byte of the key");

/// Checksum and deadline before a person's bytes.
const HEAD: usize = 16;

/// A store in a folder.
pub struct Disk {
    path: PathBuf,
    database: Database,
    persons: Keyspace,
    links: Keyspace,
    kept: Keyspace,
    erased: Keyspace,
    meta: Keyspace,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Disk({})", self.path.display())
    }
}

impl Disk {
    /// Opens the store in `path`, or makes one, and gives the checkpoint that it holds.
    ///
    /// # Errors
    /// A folder that cannot be used, another process in it, another format, a checkpoint that is damaged.
    pub fn open(path: &Path) -> Result<(Disk, Option<Checkpoint>), StoreError> {
        let fail = |source| StoreError::storage(path, source);
        std::fs::create_dir_all(path)
            .map_err(|source| StoreError::Folder { path: path.display().to_string(), source })?;
        let database = Database::builder(path).open().map_err(fail)?;
        let persons = database.keyspace("persons", KeyspaceCreateOptions::default).map_err(fail)?;
        let links = database.keyspace("links", KeyspaceCreateOptions::default).map_err(fail)?;
        let kept = database.keyspace("kept", KeyspaceCreateOptions::default).map_err(fail)?;
        let erased = database.keyspace("erased", KeyspaceCreateOptions::default).map_err(fail)?;
        let meta = database.keyspace("meta", KeyspaceCreateOptions::default).map_err(fail)?;
        let path = path.to_owned();
        let disk = Disk { path, database, persons, links, kept, erased, meta };
        let checkpoint = disk.read_checkpoint()?;
        Ok((disk, checkpoint))
    }

    fn read_checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        let get =
            |key| self.meta.get(key).map_err(|source| StoreError::storage(&self.path, source));
        let Some(bytes) = get("checkpoint")? else { return Ok(None) };
        let format = get("format")?.and_then(|bytes| bytes.as_ref().try_into().ok());
        let format = format.map_or(0, u32::from_le_bytes);
        if format != FORMAT {
            let path = self.path.display().to_string();
            return Err(StoreError::Format { path, found: format, wanted: FORMAT });
        }
        let damaged = || StoreError::Damaged {
            path: self.path.display().to_string(),
            what: "the checkpoint".into(),
        };
        let body = checked(&bytes).ok_or_else(damaged)?;
        postcard::from_bytes(body).map(Some).map_err(|_| damaged())
    }

    fn key(hash: u64, id: &str) -> Vec<u8> {
        let mut key = Vec::with_capacity(1 + id.len());
        key.push(key_group(hash) as u8);
        key.extend_from_slice(id.as_bytes());
        key
    }
}

/// Bytes after their checksum.
fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (sum, body) = bytes.split_at_checked(8)?;
    (sum == xxhash_rust::xxh3::xxh3_64(body).to_le_bytes()).then_some(body)
}

fn with_checksum(body: &[u8]) -> Vec<u8> {
    let mut bytes = xxhash_rust::xxh3::xxh3_64(body).to_le_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes
}

impl Persons for Disk {
    /// # Panics
    /// If the person cannot be read or is damaged: going on without it would send wrong messages.
    fn read(&self, hash: u64, id: &str) -> Vec<u8> {
        let path = self.path.display();
        let bytes = match self.persons.get(Disk::key(hash, id)) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => panic!("the store {path} has lost the person {id}"),
            Err(error) => panic!("the store {path} cannot read the person {id}: {error}"),
        };
        match checked(&bytes) {
            Some(body) => body[HEAD - 8..].to_vec(),
            None => panic!("the store {path} is damaged: the checksum of the person {id} is wrong"),
        }
    }
}

impl Store for Disk {
    fn each(&self, visit: &mut dyn FnMut(&str, u64, i64)) -> Result<(), StoreError> {
        for entry in self.persons.iter() {
            let (key, value) =
                entry.into_inner().map_err(|source| StoreError::storage(&self.path, source))?;
            if checked(&value).is_none() {
                let what = format!(
                    "the checksum of the person {} is wrong",
                    String::from_utf8_lossy(key.get(1..).unwrap_or_default())
                );
                return Err(StoreError::Damaged { path: self.path.display().to_string(), what });
            }
            let deadline = value.get(8..HEAD).and_then(|bytes| bytes.try_into().ok());
            let id = key.get(1..).and_then(|id| std::str::from_utf8(id).ok());
            let (Some(deadline), Some(id)) = (deadline.map(i64::from_le_bytes), id) else {
                let what = "the key or deadline of a person".into();
                return Err(StoreError::Damaged { path: self.path.display().to_string(), what });
            };
            visit(id, crate::event::leaf_hash(id), deadline);
        }
        Ok(())
    }

    fn each_kept(&self, visit: &mut dyn FnMut(&str, &[u8])) -> Result<(), StoreError> {
        for entry in self.kept.iter() {
            let (key, value) =
                entry.into_inner().map_err(|source| StoreError::storage(&self.path, source))?;
            let (Ok(of), Some(body)) = (std::str::from_utf8(&key), checked(&value)) else {
                let what = format!("the checksum of {} is wrong", String::from_utf8_lossy(&key));
                return Err(StoreError::Damaged { path: self.path.display().to_string(), what });
            };
            visit(of, body);
        }
        Ok(())
    }

    fn each_link(&self, visit: &mut dyn FnMut(&[u8])) -> Result<(), StoreError> {
        for entry in self.links.iter() {
            let (key, value) =
                entry.into_inner().map_err(|source| StoreError::storage(&self.path, source))?;
            let Some(body) = checked(&value) else {
                let leaf = String::from_utf8_lossy(&key);
                let what = format!("the checksum of the links of {leaf} is wrong");
                return Err(StoreError::Damaged { path: self.path.display().to_string(), what });
            };
            visit(body);
        }
        Ok(())
    }

    fn each_erased(&self, visit: &mut dyn FnMut(u128, i64)) -> Result<(), StoreError> {
        for entry in self.erased.iter() {
            let (key, value) =
                entry.into_inner().map_err(|source| StoreError::storage(&self.path, source))?;
            let id = std::str::from_utf8(&key).unwrap_or_default();
            let Some((key, at)) = checked(&value).and_then(|it| Record::read_erased(id, it)) else {
                let what = format!("the checksum of the erased identifier {id} is wrong");
                return Err(StoreError::Damaged { path: self.path.display().to_string(), what });
            };
            visit(key, at);
        }
        Ok(())
    }

    fn commit(&self, checkpoint: &Checkpoint, records: Vec<Record>) -> Result<(), StoreError> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncAll));
        for record in records {
            match record.shelf {
                Shelf::Persons => {
                    let mut body = record.deadline.to_le_bytes().to_vec();
                    body.extend_from_slice(&record.person);
                    let key = Disk::key(record.hash, &record.id);
                    batch.insert(&self.persons, key, with_checksum(&body));
                }
                Shelf::Removed => batch.remove(&self.persons, Disk::key(record.hash, &record.id)),
                Shelf::Kept => {
                    batch.insert(&self.kept, record.id.as_str(), with_checksum(&record.person));
                }
                Shelf::Links => {
                    batch.insert(&self.links, record.id.as_str(), with_checksum(&record.person));
                }
                Shelf::Unlinked => batch.remove(&self.links, record.id.as_str()),
                Shelf::Erased => {
                    batch.insert(&self.erased, record.id.as_str(), with_checksum(&record.person));
                }
            }
        }
        let body = postcard::to_stdvec(checkpoint).expect("a checkpoint is plain data");
        batch.insert(&self.meta, "checkpoint", with_checksum(&body));
        batch.insert(&self.meta, "format", FORMAT.to_le_bytes());
        batch.commit().map_err(|source| StoreError::storage(&self.path, source))
    }
}

/// Whether a stored run can go on as `wanted`.
///
/// # Errors
/// The first thing that differs.
pub fn fits(path: &Path, stored: &RunKey, wanted: &RunKey) -> Result<(), StoreError> {
    let differs = if stored.plan != wanted.plan {
        "another pack"
    } else if stored.sources != wanted.sources {
        "other input files"
    } else if stored.timeline != wanted.timeline {
        "another --slack or --epoch"
    } else if stored.dedup_horizon != wanted.dedup_horizon {
        "another --dedup"
    } else if stored.until != wanted.until {
        "another --until"
    } else {
        return Ok(());
    };
    Err(StoreError::OtherRun { path: path.display().to_string(), differs })
}
