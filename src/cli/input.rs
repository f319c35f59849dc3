//! Input files and standard input, opened as sources.

use super::failure::Failure;
use crate::source::{Chunk, Source, SourceError};
use crate::store::Resume;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// How standard input is written as a file.
pub(super) const STDIN: &str = "-";

const BLOCK: usize = 256 * 1024;

struct Lines {
    name: String,
    reader: Box<dyn Read + Send>,
    offset: u64,
    line: u64,
    rest: Vec<u8>,
}

/// Opens one input, at the place at which a checkpoint left it.
pub(super) fn open(path: &Path, from: Option<&Resume>) -> Result<Box<dyn Source>, Failure> {
    let name = path.display().to_string();
    let (offset, line) = from.map_or((0, 1), |from| (from.offset, from.line));
    let reader: Box<dyn Read + Send> = if name == STDIN {
        Box::new(std::io::stdin())
    } else {
        let mut file = File::open(path).map_err(|error| Failure::reading(path, &error))?;
        if file.metadata().is_ok_and(|meta| meta.is_dir()) {
            return Err(Failure::failed(format!("cannot read {name}: it is a folder"))
                .hint(format!("name the files in it, such as {name}/*.jsonl")));
        }
        if offset > 0 {
            file.seek(SeekFrom::Start(offset)).map_err(|error| Failure::reading(path, &error))?;
        }
        Box::new(file)
    };
    Ok(Box::new(Lines { name, reader, offset, line, rest: Vec::new() }))
}

impl Source for Lines {
    fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError> {
        let mut bytes = std::mem::take(&mut self.rest);
        loop {
            let before = bytes.len();
            bytes.resize(before + BLOCK, 0);
            let read = self.reader.read(&mut bytes[before..]).map_err(|error| SourceError {
                name: self.name.clone(),
                message: error.to_string(),
            })?;
            bytes.truncate(before + read);
            let end = memchr::memrchr(b'\n', &bytes).map(|at| at + 1);
            if read > 0 && end.is_none() {
                continue;
            }
            if read > 0 {
                self.rest = bytes.split_off(end.unwrap_or(0));
            }
            let chunk = Chunk {
                offset: self.offset,
                first_line: self.line,
                length: bytes.len() as u64,
                last: read == 0,
                bytes,
                ..Chunk::default()
            };
            (self.offset, self.line) = (chunk.next_offset(), chunk.next_line());
            return Ok(Some(chunk));
        }
    }
}
