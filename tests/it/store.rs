//! The contract of stores, held by both; and what the one on disk says when it cannot be used.

use kairos::epoch::Timeline;
use kairos::event::leaf_hash;
use kairos::store::disk::{Disk, fits};
use kairos::store::memory::{Fault, Memory};
use kairos::store::{Checkpoint, Record, Resume, RunKey, Store, StoreError};
use std::collections::BTreeMap;
use std::path::Path;

fn key() -> RunKey {
    RunKey {
        plan: 7,
        timeline: Timeline { slack: 5_000, step: 10_000 },
        dedup_horizon: 3_600_000,
        until: None,
        sources: vec!["events.jsonl".into()],
    }
}

fn checkpoint(epoch: u64) -> Checkpoint {
    Checkpoint {
        epoch,
        run: key(),
        sources: vec![Resume { offset: epoch * 10, line: epoch, high: 1 - epoch as i64 }],
        outputs: vec![epoch, 0, 3, 4, 5, 6],
        counts: BTreeMap::from([("sends".to_owned(), epoch)]),
        ended: epoch > 8,
        live: None,
    }
}

fn record(id: &str, deadline: i64, person: &[u8]) -> Record {
    let shelf = kairos::store::Shelf::Persons;
    Record { shelf, id: id.into(), hash: leaf_hash(id), deadline, person: person.to_vec() }
}

type Opened = (Box<dyn Store>, Option<Checkpoint>);

/// What any store does; `open` opens it again after it was closed.
fn contract(open: &dyn Fn() -> Opened) {
    let (store, found) = open();
    assert_eq!(found, None);
    store
        .commit(&checkpoint(1), vec![record("user:anna", 5, b"a"), record("user:b", -6, b"")])
        .expect("it is written");
    drop(store);
    let (store, found) = open();
    assert_eq!(found, Some(checkpoint(1)));
    assert_eq!(all(&*store), [("user:anna".to_owned(), 5), ("user:b".to_owned(), -6)]);
    // The latest record of a person counts; a commit may have no records at all.
    let long = vec![9; 100_000];
    store
        .commit(&checkpoint(2), vec![record("user:anna", i64::MAX, &long)])
        .expect("it is written");
    assert_eq!(store.read(leaf_hash("user:anna"), "user:anna"), long);
    store.commit(&checkpoint(9), Vec::new()).expect("it is written");
    drop(store);
    let (store, found) = open();
    assert_eq!(found, Some(checkpoint(9)));
    assert_eq!(all(&*store), [("user:anna".to_owned(), i64::MAX), ("user:b".to_owned(), -6)]);
    assert_eq!(store.read(leaf_hash("user:anna"), "user:anna"), long);
    assert_eq!(store.read(leaf_hash("user:b"), "user:b"), b"");
}

fn all(store: &dyn Store) -> Vec<(String, i64)> {
    let mut all = Vec::new();
    let visit = &mut |id: &str, hash, deadline| {
        assert_eq!(hash, leaf_hash(id));
        all.push((id.to_owned(), deadline));
    };
    store.each(visit).expect("the store can be read");
    all.sort();
    all
}

#[test]
fn memory_holds_the_contract() {
    let store = Memory::default();
    contract(&|| (Box::new(store.clone()), store.checkpoint()));
}

#[test]
fn disk_holds_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    contract(&|| {
        let (disk, checkpoint) = Disk::open(folder.path()).expect("it opens");
        (Box::new(disk), checkpoint)
    });
}

#[test]
fn a_commit_in_memory_is_all_or_nothing() {
    let store = Memory::default();
    store.plant(Some((2, Fault::Before)));
    let commit =
        |epoch| store.commit(&checkpoint(epoch), vec![record("user:a", epoch as i64, b"x")]);
    commit(1).expect("the first one is not planted");
    assert!(commit(2).is_err());
    assert_eq!(
        (store.checkpoint(), all(&store)),
        (Some(checkpoint(1)), vec![("user:a".into(), 1)])
    );
    store.plant(Some((1, Fault::After)));
    assert!(commit(3).is_err());
    assert_eq!(
        (store.checkpoint(), all(&store)),
        (Some(checkpoint(3)), vec![("user:a".into(), 3)])
    );
    commit(4).expect("a fault happens once");
    assert_eq!(store.commits(), 4);
}

fn refusal(path: &Path) -> String {
    match Disk::open(path) {
        Ok(_) => panic!("it opens"),
        Err(error) => error.to_string(),
    }
}

/// Makes a store and overwrites a value in it, as a fault of the disk or another version would.
fn spoiled(folder: &Path, keyspace: &str, key: &[u8], spoil: impl Fn(&mut Vec<u8>)) {
    let (disk, _) = Disk::open(folder).expect("it opens");
    disk.commit(&checkpoint(3), vec![record("user:anna", 5, b"some bytes")])
        .expect("it is written");
    drop(disk);
    let database = fjall::Database::builder(folder).open().expect("it is closed");
    let keyspace =
        database.keyspace(keyspace, fjall::KeyspaceCreateOptions::default).expect("it is there");
    let mut value = keyspace.get(key).expect("it can be read").expect("it is there").to_vec();
    spoil(&mut value);
    keyspace.insert(key, value).expect("it can be written");
    database.persist(fjall::PersistMode::SyncAll).expect("it can be written");
}

#[test]
fn another_format_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    spoiled(folder.path(), "meta", b"format", |value| value[0] = 99);
    let message = refusal(folder.path());
    assert!(message.contains("format 99, this version reads 14"), "{message}");
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    for at in [0, 8, 20] {
        let folder = tempfile::tempdir().expect("a folder");
        spoiled(folder.path(), "meta", b"checkpoint", |value| value[at] ^= 1);
        let message = refusal(folder.path());
        assert!(message.contains("is damaged: the checkpoint"), "{message}");
    }
}

#[test]
fn a_damaged_person_is_refused_before_the_first_event() {
    let mut key = vec![(leaf_hash("user:anna") % 256) as u8];
    key.extend_from_slice(b"user:anna");
    for at in [0, 8, 16, 25] {
        let folder = tempfile::tempdir().expect("a folder");
        spoiled(folder.path(), "persons", &key, |value| value[at] ^= 1);
        let (disk, _) = Disk::open(folder.path()).expect("the checkpoint is whole");
        let error = disk.each(&mut |_, _, _| ()).expect_err("the person is damaged").to_string();
        assert!(error.contains("is damaged: the checksum of the person user:anna"), "{error}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    spoiled(folder.path(), "persons", &key, |value| value.truncate(4));
    let (disk, _) = Disk::open(folder.path()).expect("the checkpoint is whole");
    assert!(matches!(disk.each(&mut |_, _, _| ()), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_store_in_use_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Disk::open(folder.path()).expect("it opens");
    let message = refusal(folder.path());
    assert!(message.contains("used by another process"), "{message}");
    drop(first);
    Disk::open(folder.path()).expect("it is free again");
}

#[test]
fn a_path_that_is_no_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "text").expect("it can be written");
    for path in [file.clone(), file.join("deeper")] {
        let message = refusal(&path);
        assert!(message.starts_with("cannot use the state folder"), "{message}");
        assert!(message.contains(&path.display().to_string()), "{message}");
    }
    assert_eq!(std::fs::read(&file).expect("it is there"), b"text");
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let mode = |mode| std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(mode));
    mode(0o500).expect("our own folder");
    // Whoever may do everything is not stopped by permissions.
    if std::fs::write(folder.path().join("try"), "").is_err() {
        let message = refusal(folder.path());
        assert!(message.starts_with("cannot use the state folder"), "{message}");
    }
    mode(0o700).expect("our own folder");
}

#[test]
fn another_run_does_not_fit() {
    let says = |wanted: &RunKey| match fits(Path::new("state"), &key(), wanted) {
        Ok(()) => String::new(),
        Err(error) => error.to_string(),
    };
    assert_eq!(says(&key()), "");
    let slack = Timeline { slack: 6_000, ..key().timeline };
    let step = Timeline { step: 6_000, ..key().timeline };
    let others = [
        ("another pack", RunKey { plan: 8, ..key() }),
        ("other input files", RunKey { sources: vec!["other.jsonl".into()], ..key() }),
        ("another --slack or --epoch", RunKey { timeline: slack, ..key() }),
        ("another --slack or --epoch", RunKey { timeline: step, ..key() }),
        ("another --dedup", RunKey { dedup_horizon: 1, ..key() }),
        ("another --until", RunKey { until: Some(1), ..key() }),
    ];
    for (what, other) in others {
        assert!(says(&other).contains(&format!("the state in state was made with {what};")));
    }
}
