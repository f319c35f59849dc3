//! The log of one partition: records, markers of transactions, gaps. In: what is appended, and how transactions end. Out:
//! what readers of committed records see. It knows nothing of producers, other partitions, or faults.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What was written in one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// What has become of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Committed,
    Aborted,
    /// Its transaction is open.
    Open(u64),
}

#[derive(Clone, Debug)]
struct Entry {
    offset: i64,
    /// `None` is the marker of a transaction's end.
    data: Option<Arc<Data>>,
    fate: Fate,
}

/// One partition.
#[derive(Debug, Default)]
pub(super) struct Log {
    start: i64,
    end: i64,
    entries: Vec<Entry>,
    /// Open transactions, each with the offset of its first record.
    open: BTreeMap<u64, i64>,
}

impl Log {
    /// The earliest offset that can be read.
    pub(super) fn start(&self) -> i64 {
        self.start
    }

    /// The offset after the last record or marker.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// The offset before which everything is decided.
    pub(super) fn stable(&self) -> i64 {
        self.open.values().min().copied().unwrap_or(self.end)
    }

    /// Appends a record, in a transaction or committed at once, and gives its offset.
    pub(super) fn append(&mut self, data: Data, transaction: Option<u64>) -> i64 {
        let offset = self.end;
        if let Some(transaction) = transaction {
            self.open.entry(transaction).or_insert(offset);
        }
        let fate = transaction.map_or(Fate::Committed, Fate::Open);
        self.entries.push(Entry { offset, data: Some(Arc::new(data)), fate });
        self.end += 1;
        offset
    }

    /// Ends a transaction: decides its records, and writes its marker. Nothing if it is not open here.
    pub(super) fn decide(&mut self, transaction: u64, fate: Fate) {
        let Some(first) = self.open.remove(&transaction) else { return };
        let from = self.index(first);
        for entry in &mut self.entries[from..] {
            if entry.fate == Fate::Open(transaction) {
                entry.fate = fate;
            }
        }
        self.entries.push(Entry { offset: self.end, data: None, fate });
        self.end += 1;
    }

    /// Loses the last record of an open transaction.
    pub(super) fn lose(&mut self, transaction: u64) {
        let open = Fate::Open(transaction);
        if let Some(entry) = self.entries.iter_mut().rfind(|entry| entry.fate == open) {
            entry.fate = Fate::Aborted;
        }
    }

    /// Adds at most `count` committed records from an offset on to `out`, and gives the offset before which everything
    /// is then in `out` or is nothing for readers.
    pub(super) fn read(&self, from: i64, count: usize, out: &mut Vec<(i64, Arc<Data>)>) -> i64 {
        let stable = self.stable();
        let mut left = count;
        for entry in &self.entries[self.index(from)..] {
            if entry.offset >= stable {
                break;
            }
            if left == 0 {
                return entry.offset;
            }
            if let (Some(data), Fate::Committed) = (&entry.data, entry.fate) {
                out.push((entry.offset, Arc::clone(data)));
                left -= 1;
            }
        }
        stable.max(from)
    }

    /// Every record that is committed, and those of open transactions that `as_good_as` holds to be.
    pub(super) fn committed(
        &self,
        as_good_as: impl Fn(u64) -> bool,
    ) -> impl Iterator<Item = (i64, &Data)> {
        self.entries.iter().filter_map(move |entry| {
            let seen = match entry.fate {
                Fate::Committed => true,
                Fate::Aborted => false,
                Fate::Open(transaction) => as_good_as(transaction),
            };
            let data = entry.data.as_deref()?;
            seen.then_some((entry.offset, data))
        })
    }

    /// Retention: what is before the offset goes.
    pub(super) fn truncate(&mut self, offset: i64) {
        self.start = offset.clamp(self.start, self.end);
        let gone = self.index(self.start);
        self.entries.drain(..gone);
    }

    /// Compaction of what is decided: of committed records with the same key the last one stays; aborted ones go.
    pub(super) fn compact(&mut self) {
        let stable = self.stable();
        let mut last: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.offset < stable) {
            if let (Some(key), Fate::Committed) = (entry.key(), entry.fate) {
                last.insert(key.to_vec(), entry.offset);
            }
        }
        self.entries.retain(|entry| {
            entry.offset >= stable
                || entry.fate == Fate::Committed
                    && entry.key().is_none_or(|key| last.get(key) == Some(&entry.offset))
        });
    }

    /// Where in the entries the first one at or after an offset is.
    fn index(&self, offset: i64) -> usize {
        self.entries.partition_point(|entry| entry.offset < offset)
    }
}

impl Entry {
    fn key(&self) -> Option<&[u8]> {
        self.data.as_deref()?.key.as_deref()
    }
}
