//! A progress bar on standard error, if that is a terminal.

use crate::dataflow::ingest::Intake;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

const KNOWN: &str =
    "{bar:30} {percent:>3} %  {binary_bytes} read, {binary_bytes_per_sec}, {eta} left";
const UNKNOWN: &str = "{spinner} {binary_bytes} read, {binary_bytes_per_sec}, {elapsed}";
const LINES: &str = "{bar:30} {percent:>3} %  {human_pos} lines, {per_sec}, {eta} left";

/// How far the input has been read; gone when dropped.
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    /// A bar if the sizes of all inputs say how much there is to read, else a spinner.
    pub(super) fn over(inputs: &[PathBuf]) -> Bar {
        if !std::io::stderr().is_terminal() {
            return Bar(None);
        }
        let size = |path: &PathBuf| {
            let packed = path.extension().is_some_and(|end| end == "gz" || end == "zst");
            let meta = path.metadata().ok().filter(|meta| meta.is_file() && !packed);
            meta.map(|meta| meta.len())
        };
        match inputs.iter().map(size).sum() {
            Some(total) => Bar::new(ProgressBar::new(total), KNOWN),
            None => Bar::new(ProgressBar::new_spinner(), UNKNOWN),
        }
    }

    /// A bar for a known number of lines.
    pub(super) fn of_lines(total: u64) -> Bar {
        if !std::io::stderr().is_terminal() {
            return Bar(None);
        }
        Bar::new(ProgressBar::new(total), LINES)
    }

    fn new(bar: ProgressBar, style: &str) -> Bar {
        bar.set_style(ProgressStyle::with_template(style).expect("the template is well-formed"));
        Bar(Some(bar))
    }

    /// Shows how much has been read.
    pub(super) fn show(&self, intake: &Intake) {
        self.set(intake.bytes.load(Ordering::Relaxed));
    }

    /// Shows how much has been done.
    pub(super) fn set(&self, position: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(position);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
