//! What went wrong, as the user reads it: `error: …`, then `hint: …`, and the exit code. Never prints.

use crate::broker::BrokerError;
use crate::dataflow::RunError;
use crate::sink::SinkError;
use crate::source::SourceError;
use crate::store::StoreError;
use std::io;
use std::path::Path;

/// What was asked about is not so: mistakes in a pack, failing tests.
pub(super) const NOT_SO: u8 = 1;
/// Wrong arguments.
pub(super) const USAGE: u8 = 2;
/// The run failed.
pub(super) const FAILED: u8 = 3;
/// A defect of the program; the number is that of `EX_SOFTWARE` in `sysexits.h`.
pub(super) const DEFECT: u8 = 70;
/// Stopped by Ctrl-C, as shells count it.
pub(super) const STOPPED: u8 = 130;

/// What ends a command before its end.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: u8,
    /// Empty if everything has been said already.
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Failure {
    /// Arguments that cannot be meant.
    pub(super) fn usage(message: impl Into<String>) -> Failure {
        Failure { code: USAGE, message: message.into(), hint: None }
    }

    /// Work that cannot be done.
    pub(super) fn failed(message: impl Into<String>) -> Failure {
        Failure { code: FAILED, message: message.into(), hint: None }
    }

    /// Everything has been said; only the exit code is left.
    pub(super) fn said(code: u8) -> Failure {
        Failure { code, message: String::new(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// A file or folder that cannot be read.
    pub(super) fn reading(path: &Path, error: &io::Error) -> Failure {
        let failure = Failure::failed(format!("cannot read {}: {}", path.display(), plain(error)));
        match error.kind() {
            io::ErrorKind::IsADirectory => failure.hint("name a file in it"),
            io::ErrorKind::NotFound => failure.hint("look for a typing mistake in the path"),
            io::ErrorKind::PermissionDenied => failure.hint("make it readable for this user"),
            _ => failure,
        }
    }

    /// Mistakes, told in full.
    pub(super) fn mistakes(told: String) -> Failure {
        Failure { code: NOT_SO, ..Failure::failed(told) }
    }

    /// What went wrong with Kafka.
    pub(super) fn broker(error: BrokerError) -> Failure {
        let failure = split(Failure::failed(error.to_string()));
        match error {
            BrokerError::Fenced => {
                failure.hint("only one instance of a name may run; give this one another name")
            }
            BrokerError::Unavailable { .. } => failure.hint(
                "is the broker running, and are its address and the security settings right?",
            ),
            BrokerError::Refused { .. } | BrokerError::Gone { .. } => failure,
        }
    }

    /// A file or folder that cannot be written.
    pub(super) fn writing(path: impl std::fmt::Display, error: &io::Error) -> Failure {
        let failure = Failure::failed(format!("cannot write {path}: {}", plain(error)));
        match error.kind() {
            io::ErrorKind::NotFound => {
                failure.hint("make its folder first, or look for a typing mistake in the path")
            }
            io::ErrorKind::PermissionDenied => {
                failure.hint("choose a place this user may write to")
            }
            io::ErrorKind::ReadOnlyFilesystem => failure.hint("choose a place that is writable"),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                failure.hint("make room, or choose another disk, then run it again")
            }
            _ => failure,
        }
    }
}

/// The error as a sentence, without the number of the operating system.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    match error.raw_os_error() {
        Some(_) => text.to_lowercase(),
        None => text.to_owned(),
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Failure {
        match error {
            RunError::Source(error) => error.into(),
            RunError::Sink(error) => error.into(),
            RunError::Store(error) => error.into(),
            RunError::Broker(error) => Failure::broker(error),
            RunError::NoDefinitions => Failure::failed(error.to_string()),
            RunError::Log(message) => split(Failure::failed(message)),
            RunError::Stopped => Failure { code: STOPPED, ..Failure::failed("stopped") },
            RunError::Worker(message) => {
                let message = format!("a worker failed: {message}");
                Failure { code: DEFECT, ..Failure::failed(message) }
            }
        }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Failure {
        let message = error.message.split(" (os error").next().unwrap_or(&error.message);
        split(Failure::failed(format!("cannot read {}: {message}", error.name)))
    }
}

impl From<SinkError> for Failure {
    fn from(error: SinkError) -> Failure {
        split(Failure::writing(&error.path, &error.source))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        match &error {
            StoreError::Folder { path, source } => Failure::writing(path, source),
            other => split(Failure::failed(other.to_string())),
        }
    }
}

/// What a message advises after its first semicolon becomes the hint.
fn split(failure: Failure) -> Failure {
    match failure.message.split_once("; ") {
        Some((message, hint)) if failure.hint.is_none() => {
            Failure { message: message.to_owned(), hint: Some(hint.to_owned()), ..failure }
        }
        _ => failure,
    }
}
