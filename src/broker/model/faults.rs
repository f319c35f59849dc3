//! Faults that are planted in the model: counted in calls, not in time, so that they strike at the same place in every run.

use crate::broker::BrokerError;
use std::collections::BTreeMap;

/// A call that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    Partitions,
    Ensure,
    Starts,
    Ends,
    Feeds,
    Producer,
    TellProgress,
    Poll,
    Send,
}

/// What can happen to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFault {
    /// It fails, and nothing took effect: the transaction stays open until the next producer under its id.
    Before,
    /// It takes effect, and the answer is lost.
    After,
    /// From this commit on, each loses a record of its last partition in silence. No broker may do this; those who watch
    /// brokers must notice.
    LosesRecord,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    commits: u64,
    commit: Option<(u64, CommitFault)>,
    /// Calls that still work, and calls that fail after them.
    calls: BTreeMap<Call, (u64, u64)>,
    /// Records that a feed hands over in one poll.
    pub(super) piece: Option<usize>,
    pub(super) does_not_fence: bool,
}

impl Faults {
    /// How many commits there were.
    pub(super) fn commits(&self) -> u64 {
        self.commits
    }

    pub(super) fn plant_commit(&mut self, fault: Option<(u64, CommitFault)>) {
        self.commit = fault.map(|(nth, fault)| (self.commits + nth, fault));
    }

    pub(super) fn plant(&mut self, call: Call, works: u64, fails: u64) {
        self.calls.insert(call, (works, fails));
    }

    /// Counts a call, which fails if it is planned to.
    pub(super) fn call(&mut self, call: Call) -> Result<(), BrokerError> {
        let Some((works, fails)) = self.calls.get_mut(&call) else { return Ok(()) };
        if *works > 0 {
            *works -= 1;
            return Ok(());
        }
        if *fails == 0 {
            return Ok(());
        }
        *fails -= 1;
        Err(lost(&format!("{call:?}")))
    }

    /// Counts a commit, and tells what happens to it.
    pub(super) fn commit(&mut self) -> Option<CommitFault> {
        self.commits += 1;
        let (at, fault) = self.commit?;
        let lasts = fault == CommitFault::LosesRecord && at < self.commits;
        (at == self.commits || lasts).then_some(fault)
    }
}

/// The answer that did not come.
pub(super) fn lost(doing: &str) -> BrokerError {
    BrokerError::Unavailable { doing: doing.into(), message: "a planted fault".into() }
}
