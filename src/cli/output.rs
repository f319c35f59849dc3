//! Text → the terminal. Colours stay only where a terminal shows them; a reader that has gone away is no error.

use super::failure::{Failure, plain};
use anstyle::{AnsiColor, Style};
use std::fmt::{self, Display};
use std::io::{self, Write};

/// Prints to standard output.
pub(super) fn print(text: impl Display) -> Result<(), Failure> {
    stream(text).map(drop)
}

/// Prints to standard output; false if nobody reads it any more.
pub(super) fn stream(text: impl Display) -> Result<bool, Failure> {
    let mut out = anstream::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        other => finish(other).map(|()| false),
    }
}

/// Prints to standard error; what nobody can read is lost.
pub(super) fn tell(text: impl Display) {
    let mut out = anstream::stderr().lock();
    let _ = writeln!(out, "{text}");
}

/// What became of writing to standard output.
pub(super) fn finish(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("cannot write standard output: {}", plain(&error))))
        }
        _ => Ok(()),
    }
}

/// Says what ended the command.
pub(super) fn report(failure: &Failure) {
    if !failure.message.is_empty() {
        tell(format_args!("{}: {}", bad("error"), failure.message));
    }
    if let Some(hint) = &failure.hint {
        tell(format_args!("{}: {hint}", bold("hint")));
    }
}

/// Text in a style.
pub(super) struct Styled<T>(Style, T);

impl<T: Display> Display for Styled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        self.1.fmt(f)?;
        self.0.render_reset().fmt(f)
    }
}

pub(super) fn bold<T>(text: T) -> Styled<T> {
    Styled(Style::new().bold(), text)
}

pub(super) fn dim<T>(text: T) -> Styled<T> {
    Styled(Style::new().dimmed(), text)
}

pub(super) fn good<T>(text: T) -> Styled<T> {
    Styled(AnsiColor::Green.on_default(), text)
}

pub(super) fn warn<T>(text: T) -> Styled<T> {
    Styled(AnsiColor::Yellow.on_default(), text)
}

pub(super) fn bad<T>(text: T) -> Styled<T> {
    Styled(AnsiColor::Red.on_default().bold(), text)
}
