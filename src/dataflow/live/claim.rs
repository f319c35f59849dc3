//! Who may write: the run whose claim is the last one in the log.
//!
//! A claim is written by both producers, one after the other. Once both are in the log, no earlier run has a producer that
//! is not shut out, unless it made it after the first of the two; and whoever makes producers reads the log before it writes
//! with them, finds the claim, and leaves. So whatever is in the log then is all there is to go on from.

use crate::broker::{Broker, BrokerError, Producer};
use crate::epoch::log::Claim;
use crate::sink::topics::{Outlet, Topics};
use std::hash::{BuildHasher as _, RandomState};

/// How often a claim is tried. An earlier run that has just been shut out takes that for a transaction that took too long,
/// and makes producers of its own, as long as it sees no claim.
const TRIES: u32 = 5;

/// The two producers of a run.
pub(super) type Pair = [Option<Box<dyn Producer>>; 2];

/// Makes both producers, which shuts out the earlier ones.
///
/// # Errors
/// The cluster cannot be asked, or somebody else makes the same ones at the same time.
pub(super) fn producers(broker: &dyn Broker, ids: &[String; 2]) -> Result<Pair, BrokerError> {
    Ok([Some(broker.producer(&ids[0])?), Some(broker.producer(&ids[1])?)])
}

/// Shuts out whoever runs under the same name, and says so in the log.
///
/// # Errors
/// The cluster cannot be asked, or refuses it.
pub(super) fn stake(
    broker: &dyn Broker,
    topics: &Topics,
    ids: &[String; 2],
) -> Result<(Claim, Pair), BrokerError> {
    // The standard library's hashers differ by chance, as no two runs may be taken for one another.
    let claim = Claim { run: RandomState::new().hash_one(std::process::id()) };
    let record = claim.to_bytes();
    let mut tries = 0;
    loop {
        tries += 1;
        let mut pair = match producers(broker, ids) {
            Err(BrokerError::Fenced) if tries < TRIES => continue,
            made => made?,
        };
        let written = pair.iter_mut().flatten().try_for_each(|producer| {
            Outlet::default().log(topics, &record, &mut **producer)?;
            producer.commit()
        });
        match written {
            Ok(()) => return Ok((claim, pair)),
            // A claim of ours that is there more than once is as good as one.
            Err(BrokerError::Fenced | BrokerError::Unavailable { .. }) if tries < TRIES => {}
            Err(error) => return Err(error),
        }
    }
}
