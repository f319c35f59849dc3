//! The epoch log: what makes a live run a function of its input. One record for each transaction; it says which epochs
//! the transaction is of, how far into the input each of them reached, and where time stood. Between them stand the claims
//! of runs: whose is the last one, may write.

use super::Span;
use crate::broker::Partition;
use crate::define::definitions::Definitions;
use serde::{Deserialize, Serialize};

/// The forms of records; another one is refused.
const TRANSACTION: u8 = 3;
const CLAIM: u8 = 2;

/// How far a partition has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Everything before this offset has been read.
    pub offset: i64,
    /// The highest event time in it; `i64::MIN` if there is none.
    pub high: i64,
}

impl Read {
    /// Nothing has been read before this offset.
    pub fn from(offset: i64) -> Read {
        Read { offset, high: i64::MIN }
    }
}

/// One epoch: how far it reaches, in the input and in time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Ascending; numbers of epochs in which nothing happened are left out.
    pub number: u64,
    pub span: Span,
    /// Whether it is of a backlog: what it takes of the input that has been read is what belongs before the watermark at its
    /// end. An epoch at the live edge takes everything.
    pub backlog: bool,
    /// By the number of the partition.
    pub read: Vec<Read>,
}

/// What a live run is a function of, beside its input, the definitions and the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Milliseconds; see [`super::Timeline`].
    pub slack: i64,
    pub step: i64,
    /// How long a `messageId` is remembered, in milliseconds.
    pub dedup_horizon: i64,
}

/// The log entry of one transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    /// The last epoch of the transaction before; 0 for the first one.
    pub after: u64,
    /// Ascending and never empty.
    pub entries: Vec<Entry>,
    /// Said where a run begins or the partitions have changed.
    pub begins: Option<Begins>,
    /// The definitions that take effect with the first of these epochs.
    pub definitions: Option<Definitions>,
    /// Lines written in this transaction, and a hash over them, by which a replay is held to what was said before.
    pub lines: u64,
    pub hash: u64,
}

/// What holds from an entry of the log on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begins {
    pub terms: Terms,
    /// By their numbers, each with the offset at which it was first read.
    pub partitions: Vec<(Partition, i64)>,
}

impl Transaction {
    /// The last epoch in it.
    pub fn last(&self) -> u64 {
        self.entries.last().map_or(self.after, |entry| entry.number)
    }

    /// The bytes of the record, with a checksum.
    pub fn to_bytes(&self) -> Vec<u8> {
        sealed(TRANSACTION, self)
    }
}

/// What a run writes before anything else. Whoever was there before finds it, and knows that it has been succeeded; without
/// one, it was only a transaction that took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// A number that no other run has.
    pub run: u64,
}

impl Claim {
    /// The bytes of the record, with a checksum.
    pub fn to_bytes(&self) -> Vec<u8> {
        sealed(CLAIM, self)
    }
}

/// A record of the log.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    Transaction(Transaction),
    Claim(Claim),
}

impl Record {
    /// Reads a record.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn from_bytes(bytes: &[u8]) -> Result<Record, String> {
        let Some((&format, rest)) = bytes.split_first() else {
            return Err("an empty record".into());
        };
        if format != TRANSACTION && format != CLAIM {
            let known = format!("{TRANSACTION} and {CLAIM}");
            return Err(format!("a record of format {format}, this version reads {known}"));
        }
        let Some((sum, body)) = rest.split_at_checked(8) else {
            return Err("a record that was cut".into());
        };
        if sum != checksum(format, body).to_le_bytes() {
            return Err("a record with a wrong checksum".into());
        }
        let damaged = |error: postcard::Error| format!("a damaged record: {error}");
        if format == CLAIM {
            return Ok(Record::Claim(postcard::from_bytes(body).map_err(damaged)?));
        }
        let transaction: Transaction = postcard::from_bytes(body).map_err(damaged)?;
        if transaction.entries.is_empty() {
            return Err("a record without epochs".into());
        }
        Ok(Record::Transaction(transaction))
    }
}

/// A record of a form, with a checksum before it.
fn sealed(format: u8, record: &impl Serialize) -> Vec<u8> {
    let body = postcard::to_stdvec(record).expect("an entry is plain data");
    let mut bytes = vec![format];
    bytes.extend_from_slice(&checksum(format, &body).to_le_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

/// Of a record's body; that of another form is another one.
fn checksum(format: u8, body: &[u8]) -> u64 {
    let sum = xxhash_rust::xxh3::xxh3_64(body);
    if format == TRANSACTION { sum } else { !sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_and_damage_is_seen() {
        let span = Span { begin: 5, end: 9, clock: 12 };
        let read = vec![Read { offset: 3, high: 7 }, Read::from(0)];
        let entries = vec![Entry { number: 2, span, backlog: true, read }];
        let terms = Terms { slack: 2, step: 3, dedup_horizon: 4 };
        let partition = Partition { topic: "events".into(), number: 1 };
        let begins = Some(Begins { terms, partitions: vec![(partition, 6)] });
        let files = vec![("shop.yaml".to_owned(), "segments: {}".to_owned())];
        let definitions = Some(Definitions::applied(files, 7));
        let transaction = Transaction { after: 1, entries, begins, definitions, lines: 4, hash: 5 };
        let claim = Claim { run: 77 };
        let all = [
            (transaction.to_bytes(), Record::Transaction(transaction)),
            (claim.to_bytes(), Record::Claim(claim)),
        ];
        for (bytes, record) in all {
            assert_eq!(Record::from_bytes(&bytes), Ok(record));
            for at in 0..bytes.len() {
                for flipped in [1, 3] {
                    let mut damaged = bytes.clone();
                    damaged[at] ^= flipped;
                    assert!(Record::from_bytes(&damaged).is_err(), "byte {at}");
                }
                assert!(Record::from_bytes(&bytes[..at]).is_err(), "cut at {at}");
            }
        }
    }
}
