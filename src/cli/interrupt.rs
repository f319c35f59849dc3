//! Ctrl-C, or the signal of a supervisor: the first one asks the command to stop, the second one ends the process.

use super::failure::{Failure, STOPPED};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether Ctrl-C has been pressed.
#[derive(Clone)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub(super) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Begins to watch. Where that is not possible, Ctrl-C ends the process as ever.
pub(super) fn watch() -> Interrupt {
    let asked = Arc::new(AtomicBool::new(false));
    let flag = asked.clone();
    let _ = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::AcqRel) {
            std::process::exit(i32::from(STOPPED));
        }
    });
    Interrupt(asked)
}

/// The end of a command that Ctrl-C has stopped, or a signal such as SIGTERM: which of them, nobody is told.
pub(super) fn stopped(hint: &str) -> Failure {
    Failure { code: STOPPED, ..Failure::failed("stopped by Ctrl-C or another signal") }.hint(hint)
}
