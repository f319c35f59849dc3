//! Keeps the definitions of a run in step with the pack's folder, and with those who apply others over HTTP.

use crate::dataflow::live::{ApplyError, Definer, Version};
use crate::define::definitions::Definitions;
use crate::define::files::read_pack;
use crate::define::plan::{Changed, Plan};
use crate::metrics::Metrics;
use crate::serve::Applied;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Between two looks at the folder. What is found twice the same is taken: nobody is in the middle of writing it.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// How long an answer waits for definitions to take effect.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// Makes what a plan needs before it takes effect: topics of new channels.
pub(super) type Prepare = Box<dyn Fn(&Plan) -> Result<(), String> + Send + Sync>;

/// What may change the definitions of a run.
pub(super) struct Definers {
    folder: PathBuf,
    definer: Definer,
    prepare: Prepare,
    metrics: Arc<Metrics>,
    seen: Mutex<Seen>,
}

/// What the folder held: when it was last acted upon, and at the last look.
struct Seen {
    taken: u64,
    looked: Option<u64>,
    /// Why it could not be read, so that it is said once.
    error: String,
}

impl Definers {
    /// For a run that was started while the folder held what has this hash, if it held anything.
    pub(super) fn new(
        folder: PathBuf,
        taken: Option<u64>,
        definer: Definer,
        prepare: Prepare,
        metrics: Arc<Metrics>,
    ) -> Definers {
        let taken = taken.unwrap_or_else(|| definer.last().definitions.folder);
        let seen = Mutex::new(Seen { taken, looked: None, error: String::new() });
        Definers { folder, definer, prepare, metrics, seen }
    }

    /// Looks at the folder, and lets take effect what has changed in it.
    pub(super) fn look(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let definitions = match read_pack(&self.folder) {
            Ok(files) => Definitions::of_folder(&files),
            Err(error) => {
                let error = error.to_string();
                if error != seen.error {
                    tracing::error!(error, "the pack cannot be read; the definitions stay");
                    self.metrics.definitions_refused.set(1);
                    seen.error = error;
                }
                return;
            }
        };
        let folder = definitions.folder;
        if !seen.error.is_empty() {
            seen.error.clear();
            self.metrics.definitions_refused.set(u64::from(folder != seen.taken));
        }
        let settled = seen.looked.replace(folder) == Some(folder);
        if !settled || folder == seen.taken {
            return;
        }
        let before = self.definer.last();
        let checked = self.definer.check(definitions);
        let switched = checked.and_then(|version| {
            let changes = version.plan.changes_since(&before.plan);
            self.switch(version, &changes)
        });
        match switched {
            Ok(()) => {}
            // The next look finds it again.
            Err(ApplyError::Busy) => return,
            Err(error) => {
                tracing::error!("the changed pack does not take effect, nothing changes: {error}");
                self.metrics.definitions_refused.set(1);
            }
        }
        seen.taken = folder;
    }

    /// Lets files take effect that somebody sent, or only says what would change.
    pub(super) fn apply(&self, files: Vec<(String, String)>, only_check: bool) -> Applied {
        let taken = self.seen.lock().unwrap_or_else(PoisonError::into_inner).taken;
        let definitions = Definitions::applied(files, taken);
        let before = self.definer.last();
        let version = match self.definer.check(definitions) {
            Ok(version) => version,
            Err(error) => return refused(error),
        };
        let changes = version.plan.changes_since(&before.plan);
        let same = version.definitions.files == before.definitions.files;
        if only_check || changes.is_empty() && same {
            return Applied::Same { changes };
        }
        let number = version.plan.version;
        match self.switch(version, &changes) {
            Ok(()) if self.waits_for(number) => Applied::InEffect { version: number, changes },
            Ok(()) => Applied::Later { changes },
            Err(error) => refused(error),
        }
    }

    /// Lets definitions take effect that have been checked, with what they change.
    fn switch(&self, version: Arc<Version>, changes: &[Changed]) -> Result<(), ApplyError> {
        (self.prepare)(&version.plan).map_err(ApplyError::Unprepared)?;
        self.definer.apply(version)?;
        self.metrics.definitions_refused.set(0);
        let words: Vec<String> = changes
            .iter()
            .map(|it| format!("{} {} {}", it.what, it.name, it.difference.as_str()))
            .collect();
        tracing::info!(changes = words.join(", "), "definitions have been checked and take effect");
        Ok(())
    }

    fn waits_for(&self, version: u16) -> bool {
        let mut waited = Duration::ZERO;
        while waited < PATIENCE {
            if self.definer.in_effect().plan.version >= version {
                return true;
            }
            std::thread::sleep(PAUSE);
            waited += PAUSE;
        }
        false
    }
}

fn refused(error: ApplyError) -> Applied {
    match error {
        ApplyError::Mistakes(mistakes) => Applied::Mistakes(mistakes.text),
        error => Applied::Refused(error.to_string()),
    }
}
