//! Input files and standard input, opened.

use super::failure::Failure;
use crate::source::Source;
use crate::source::file::{LineReader, Position, unpacked};
use crate::store::Resume;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// How standard input is written as a file, and standard output.
pub(super) const DASH: &str = "-";

/// Opens a file or standard input as a source, at the place at which a checkpoint left it.
pub(super) fn source(
    path: &Path,
    number: u16,
    from: Option<&Resume>,
) -> Result<Box<dyn Source>, Failure> {
    if path.as_os_str() == DASH {
        return Ok(Box::new(LineReader::stdin(number)));
    }
    let from = from
        .map_or_else(Position::default, |from| Position { offset: from.offset, line: from.line });
    Ok(Box::new(LineReader::open(path, number, from)?))
}

/// Opens a file or standard input as bytes, unpacked.
pub(super) fn reader(path: &Path) -> Result<Box<dyn Read + Send>, Failure> {
    let failure = |error: io::Error| Failure::reading(path, &error);
    if path.as_os_str() == DASH {
        return unpacked(io::stdin()).map_err(failure);
    }
    unpacked(File::open(path).map_err(failure)?).map_err(failure)
}
