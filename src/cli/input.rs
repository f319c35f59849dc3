//! Input files and standard input, opened.

use super::failure::Failure;
use crate::source::Source;
use crate::source::lines::{Lines, unpacked};
use crate::store::Resume;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// How standard input is written as a file, and standard output.
pub(super) const DASH: &str = "-";

/// Opens a file, or standard input, and unpacks it.
pub(super) fn reader(path: &Path) -> Result<Box<dyn Read + Send>, Failure> {
    let failure = |error: io::Error| Failure::reading(path, &error);
    if path.as_os_str() == DASH {
        return unpacked(io::stdin()).map_err(failure);
    }
    unpacked(file(path)?).map_err(failure)
}

fn file(path: &Path) -> Result<File, Failure> {
    let file = File::open(path).map_err(|error| Failure::reading(path, &error))?;
    if file.metadata().is_ok_and(|meta| meta.is_dir()) {
        let failure = Failure::failed(format!("cannot read {}: it is a folder", path.display()));
        return Err(
            failure.hint(format!("name the files in it, such as {}/*.jsonl", path.display()))
        );
    }
    Ok(file)
}

/// Opens an input at the place at which a checkpoint left it.
pub(super) fn source(path: &Path, from: Option<&Resume>) -> Result<Box<dyn Source>, Failure> {
    let (offset, line) = from.map_or((0, 1), |from| (from.offset, from.line));
    let mut reader = reader(path)?;
    if offset > 0 {
        reader = skip(path, reader, offset)?;
    }
    Ok(Box::new(Lines::new(path.display().to_string(), reader, offset, line)))
}

/// Skips what has been read before: in a plain file at once, in a packed one by unpacking it.
fn skip(
    path: &Path,
    mut reader: Box<dyn Read + Send>,
    offset: u64,
) -> Result<Box<dyn Read + Send>, Failure> {
    let failure = |error: io::Error| Failure::reading(path, &error);
    let shorter = || {
        let message = format!("{} is shorter than it was at the checkpoint", path.display());
        Failure::failed(message).hint("restore it, or start again with an empty --state folder")
    };
    let mut plain = file(path)?;
    let mut head = [0; 4];
    let length = plain.read(&mut head).and_then(|_| plain.metadata()).map_err(failure)?.len();
    if crate::source::lines::is_packed(&head) {
        let skipped =
            io::copy(&mut (&mut reader).take(offset), &mut io::sink()).map_err(failure)?;
        return if skipped < offset { Err(shorter()) } else { Ok(reader) };
    }
    if length < offset {
        return Err(shorter());
    }
    plain.seek(SeekFrom::Start(offset)).map_err(failure)?;
    Ok(Box::new(plain))
}
