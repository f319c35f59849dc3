//! Definitions that follow one another: what was written, its plan, and what is counted under it.

use super::{Shared, lock};
use crate::dataflow::RunError;
use crate::define::compile::Keep;
use crate::define::definitions::{Definitions, Mistakes};
use crate::define::plan::Plan;
use crate::limits::DEFINITIONS_BYTES_MAX;
use crate::sink::Labels;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What holds from an epoch on.
#[derive(Debug)]
pub struct Version {
    pub definitions: Definitions,
    pub plan: Arc<Plan>,
    pub labels: Arc<Labels>,
    keep: Keep,
}

impl Version {
    /// The first one.
    ///
    /// # Errors
    /// The mistakes in it.
    pub fn first(definitions: Definitions, keep: Keep) -> Result<Arc<Version>, Mistakes> {
        Version::new(definitions, keep, None)
    }

    /// The one that follows this one.
    ///
    /// # Errors
    /// The mistakes in it.
    pub fn then(&self, definitions: Definitions) -> Result<Arc<Version>, Mistakes> {
        Version::new(definitions, self.keep, Some(&self.plan))
    }

    fn new(
        definitions: Definitions,
        keep: Keep,
        base: Option<&Plan>,
    ) -> Result<Arc<Version>, Mistakes> {
        let plan = Arc::new(definitions.compile(keep, base)?);
        let labels = Arc::new(Labels::new(&plan));
        Ok(Arc::new(Version { definitions, plan, labels, keep }))
    }
}

/// Why definitions do not take effect.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("{0}")]
    Mistakes(Mistakes),
    #[error("other definitions are about to take effect; try again in a moment")]
    Busy,
    /// What they need cannot be made.
    #[error("{0}")]
    Unprepared(String),
    #[error(
        "these definitions have groups, a catalogue, or comparisons of customers with one another (percentile, rank, decile, quintile), and this instance was started with definitions that have none of them; start it again with these"
    )]
    FeedsBack,
    #[error("the files have {size} bytes together, and {most} is the most")]
    TooLarge { size: usize, most: usize },
}

/// Changes the definitions of a run that goes on meanwhile.
#[derive(Clone)]
pub struct Definer(Arc<Shared>);

impl Definer {
    pub(super) fn new(shared: Arc<Shared>) -> Definer {
        Definer(shared)
    }

    /// The definitions in effect: those of the last transaction.
    pub fn in_effect(&self) -> Arc<Version> {
        lock(&self.0.in_effect).clone()
    }

    /// The definitions that are, or will be, in effect once everything announced is.
    pub fn last(&self) -> Arc<Version> {
        self.0.version(u64::MAX)
    }

    /// What definitions would be as those that follow the last ones.
    ///
    /// # Errors
    /// They have mistakes, or are too large for the log.
    pub fn check(&self, definitions: Definitions) -> Result<Arc<Version>, ApplyError> {
        let (size, most) = (definitions.size(), DEFINITIONS_BYTES_MAX);
        if size > most {
            return Err(ApplyError::TooLarge { size, most });
        }
        let version = self.last().then(definitions).map_err(ApplyError::Mistakes)?;
        if version.plan.feeds_back() && !self.0.feeds_back.load(Ordering::Acquire) {
            return Err(ApplyError::FeedsBack);
        }
        Ok(version)
    }

    /// Lets definitions that have been checked take effect with the next epoch, or once everything that the log says has been
    /// repeated; [`Definer::in_effect`] tells when.
    ///
    /// # Errors
    /// Others have been applied since they were checked.
    pub fn apply(&self, version: Arc<Version>) -> Result<(), ApplyError> {
        let mut wanted = lock(&self.0.wanted);
        if wanted.is_some() || version.plan.version != self.last().plan.version + 1 {
            return Err(ApplyError::Busy);
        }
        *wanted = Some(version);
        Ok(())
    }

    /// What a start was given takes effect if the pack's folder has changed since the last definitions did.
    pub(super) fn follow(&self, given: Option<Definitions>) -> Result<(), RunError> {
        let last = self.last();
        let known = &last.definitions;
        let changed = |it: &Definitions| it.folder != known.folder && it.files != known.files;
        let Some(given) = given.filter(changed) else { return Ok(()) };
        let applied = self.check(given).and_then(|version| self.apply(version));
        applied.map_err(|error| RunError::Log(error.to_string()))
    }
}
