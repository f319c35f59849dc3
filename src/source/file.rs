//! Files and standard input in, chunks of whole lines out.
//!
//! Plain, gzip (of any number of members) or zstd, told apart by the first bytes and not by the name. Knows nothing of
//! what the lines say. A line is never held beyond [`HELD_MAX`] bytes, whatever the input.

use super::{Chunk, Source, SourceError};
use crate::limits::LINE_BYTES_MAX;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes of a chunk, but for the rest of its last line: so many that handing it on costs nothing beside reading it,
/// and so few that some fit into the processor's cache.
const CHUNK_BYTES: usize = 256 * 1024;

/// Bytes of a line that are held while its end is looked for. Of a longer one only the beginning is kept, enough to
/// see that it is too long.
const HELD_MAX: usize = 1024 * 1024;

/// Two more than a line may have, since a carriage return at the end does not count.
const KEPT: usize = LINE_BYTES_MAX + 2;
const _: () = assert!(KEPT < HELD_MAX && CHUNK_BYTES <= HELD_MAX / 2);

/// What some programs write before UTF-8 text; counted, but not part of the first line.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Where a line starts: its byte (after decompression) and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub offset: u64,
    /// From 1.
    pub line: u64,
}

impl Default for Position {
    fn default() -> Position {
        Position { offset: 0, line: 1 }
    }
}

/// Cuts one input into chunks of whole lines.
pub struct LineReader {
    name: String,
    source: u16,
    input: Box<dyn Read + Send>,
    /// Bytes still to be passed over, if nothing has been read yet.
    unopened: Option<u64>,
    format: Format,
    /// Where the next chunk starts.
    next: Position,
    /// The beginning of its first line, already read.
    begun: Vec<u8>,
    chunk_bytes: usize,
    /// Lines are handed on as soon as they come.
    live: bool,
    end: End,
}

enum End {
    NotYet,
    /// The input has failed; what came before is handed on first.
    Failed(io::Error),
    Reached,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Format {
    Plain,
    Gzip,
    Zstd,
}

impl Format {
    fn of(head: &[u8]) -> Format {
        match head {
            [0x1f, 0x8b, 0x08, ..] => Format::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Format::Zstd,
            _ => Format::Plain,
        }
    }

    /// Puts the decompressor in front of an input whose first bytes have been read.
    fn unpack(
        self,
        head: Vec<u8>,
        input: Box<dyn Read + Send>,
    ) -> io::Result<Box<dyn Read + Send>> {
        let input = io::Cursor::new(head).chain(input);
        Ok(match self {
            Format::Plain => Box::new(input),
            Format::Gzip => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(input))),
            Format::Zstd => Box::new(zstd::stream::read::Decoder::new(input)?),
        })
    }
}

/// The bytes of an input, decompressed if its first bytes say so.
///
/// # Errors
/// Its beginning cannot be read.
pub fn unpacked(input: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut input: Box<dyn Read + Send> = Box::new(input);
    let head = head(&mut input)?;
    Format::of(&head).unpack(head, input)
}

impl LineReader {
    /// Opens a file at a place that an earlier run has come to, or at its start.
    ///
    /// # Errors
    /// It cannot be opened, or is shorter than the place.
    pub fn open(path: &Path, source: u16, from: Position) -> Result<LineReader, SourceError> {
        let name = path.display().to_string();
        let mut file = File::open(path).map_err(|error| unopened(&name, &error))?;
        let metadata = file.metadata().map_err(|error| unopened(&name, &error))?;
        if metadata.is_dir() {
            let message = "it is a folder; name the files in it".to_owned();
            return Err(SourceError { name, message });
        }
        let broken = |error| unopened(&name, &error);
        if from.offset > 0 && metadata.is_file() {
            // Only what is compressed has to be read from the start.
            if Format::of(&head(&mut file).map_err(broken)?) == Format::Plain {
                if metadata.len() < from.offset {
                    return Err(too_short(name, metadata.len(), from));
                }
                file.seek(SeekFrom::Start(from.offset)).map_err(broken)?;
                let reader = LineReader::new(name, Box::new(file), source, from);
                return Ok(LineReader { unopened: None, ..reader });
            }
            file.rewind().map_err(broken)?;
        }
        Ok(LineReader::new(name, Box::new(file), source, from))
    }

    /// Reads standard input, each line as soon as it comes.
    pub fn stdin(source: u16) -> LineReader {
        let input = Box::new(io::stdin());
        let start = Position::default();
        let reader = LineReader::new("standard input".to_owned(), input, source, start);
        LineReader { live: true, ..reader }
    }

    /// Reads anything from its start, and passes over what is before `from`.
    pub fn from_read(input: impl Read + Send + 'static, source: u16, from: Position) -> LineReader {
        LineReader::new("the input".to_owned(), Box::new(input), source, from)
    }

    fn new(name: String, input: Box<dyn Read + Send>, source: u16, from: Position) -> LineReader {
        LineReader {
            name,
            source,
            input,
            unopened: Some(from.offset),
            format: Format::Plain,
            next: from,
            begun: Vec::new(),
            chunk_bytes: CHUNK_BYTES,
            live: false,
            end: End::NotYet,
        }
    }

    /// Cuts chunks of about so many bytes, to show that this changes nothing.
    pub fn with_chunk_size(self, bytes: usize) -> LineReader {
        LineReader { chunk_bytes: bytes.clamp(1, HELD_MAX / 2), ..self }
    }

    /// Tells the format, puts the decompressor in between and passes over what an earlier run has read.
    fn prepare(&mut self, skip: u64) -> Result<(), SourceError> {
        let head = head(&mut self.input).map_err(|error| self.failed(&error))?;
        self.format = Format::of(&head);
        let input = std::mem::replace(&mut self.input, Box::new(io::empty()));
        self.input = self.format.unpack(head, input).map_err(|error| self.failed(&error))?;
        let skipped = io::copy(&mut self.input.by_ref().take(skip), &mut io::sink());
        let skipped = skipped.map_err(|error| self.failed(&error))?;
        if skipped < skip {
            return Err(too_short(self.name.clone(), skipped, self.next));
        }
        Ok(())
    }

    /// Reads on until `buffer` has a whole line and enough bytes, or the input ends. Gives the end of the last whole
    /// line in it; none if it holds the beginning of a line that is too long, or nothing.
    fn fill(&mut self, buffer: &mut Vec<u8>) -> Option<usize> {
        let after_last = |bytes: &[u8]| memchr::memrchr(b'\n', bytes).map(|at| at + 1);
        let mut whole = after_last(buffer);
        loop {
            let enough = self.live || buffer.len() >= self.chunk_bytes;
            if whole.is_some() && enough || whole.is_none() && buffer.len() > HELD_MAX {
                return whole;
            }
            let had = buffer.len();
            let read = self.read(buffer);
            if read == 0 {
                let at_end = matches!(self.end, End::Reached) && !buffer.is_empty();
                return if at_end { Some(buffer.len()) } else { whole };
            }
            whole = after_last(&buffer[had..]).map(|end| had + end).or(whole);
        }
    }

    /// Appends what the input gives; 0 at the end, be it good or bad.
    fn read(&mut self, buffer: &mut Vec<u8>) -> usize {
        if !matches!(self.end, End::NotYet) {
            return 0;
        }
        let had = buffer.len();
        buffer.resize(had + self.chunk_bytes, 0);
        let read = loop {
            match self.input.read(&mut buffer[had..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.end = End::Failed(error);
                    break 0;
                }
                Ok(0) => {
                    self.end = End::Reached;
                    break 0;
                }
                Ok(read) => break read,
            }
        };
        buffer.truncate(had + read);
        read
    }

    /// A chunk of the first line in the buffer alone, which is too long to be held, or goes on beyond it.
    fn long_line(&mut self, mut buffer: Vec<u8>) -> Chunk {
        let mut length = 0_u64;
        let mut kept = Vec::with_capacity(KEPT + 1);
        let mut previous = 0;
        let newline = loop {
            let end = memchr::memchr(b'\n', &buffer);
            let part = &buffer[..end.unwrap_or(buffer.len())];
            kept.extend_from_slice(&part[..part.len().min(KEPT - kept.len())]);
            length += part.len() as u64;
            previous = part.last().copied().unwrap_or(previous);
            if let Some(end) = end {
                self.begun = buffer.split_off(end + 1);
                break true;
            }
            buffer.clear();
            if self.read(&mut buffer) == 0 {
                break false;
            }
        };
        if newline {
            kept.push(b'\n');
        }
        let line = length - u64::from(previous == b'\r');
        Chunk {
            bytes: kept,
            length: length + u64::from(newline),
            cut: vec![(self.next.line, line)],
            ..Chunk::default()
        }
    }

    /// A failure after the last line that was handed on.
    fn failed(&self, error: &io::Error) -> SourceError {
        let after = self.next.line - 1;
        let message = match self.format {
            Format::Plain => format!("after line {after}: {error}"),
            format => format!(
                "its {} data is incomplete or damaged after line {after} ({error}); get the file \
                 again, or read what can be saved of it from a decompressed copy",
                format!("{format:?}").to_lowercase(),
            ),
        };
        SourceError { name: self.name.clone(), message }
    }
}

impl Source for LineReader {
    fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError> {
        if let Some(skip) = self.unopened.take() {
            self.prepare(skip)?;
        }
        let mut buffer = std::mem::take(&mut self.begun);
        let whole = self.fill(&mut buffer);
        // Another line than the first cannot be that long, since what is read at once is shorter.
        let first_line = || memchr::memchr(b'\n', &buffer).unwrap_or(buffer.len());
        let is_long = buffer.len() > HELD_MAX && first_line() > HELD_MAX;
        let bom = self.next.offset == 0 && buffer.starts_with(BOM);
        if bom {
            buffer.drain(..BOM.len());
        }
        let bom = if bom { BOM.len() } else { 0 };
        let mut chunk = match whole {
            _ if is_long => self.long_line(buffer),
            Some(end) => {
                self.begun = buffer.split_off(end - bom);
                let length = buffer.len() as u64;
                Chunk { bytes: buffer, length, ..Chunk::default() }
            }
            None => Chunk::default(),
        };
        if let (End::Failed(error), true) = (&self.end, whole.is_none()) {
            return Err(self.failed(error));
        }
        chunk.length += bom as u64;
        if chunk.length == 0 {
            return Ok(None);
        }
        chunk.source = self.source;
        chunk.offset = self.next.offset;
        chunk.first_line = self.next.line;
        chunk.last = matches!(self.end, End::Reached) && self.begun.is_empty();
        self.next.offset += chunk.length;
        self.next.line = chunk.next_line();
        Ok(Some(chunk))
    }
}

/// The first bytes, as many as a format needs to be told.
fn head(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(4);
    input.take(4).read_to_end(&mut head)?;
    Ok(head)
}

fn unopened(name: &str, error: &io::Error) -> SourceError {
    let message = match error.kind() {
        ErrorKind::NotFound => {
            "there is no such file; name a file with one JSON event a line, or - for standard \
             input"
                .to_owned()
        }
        _ => error.to_string(),
    };
    SourceError { name: name.to_owned(), message }
}

fn too_short(name: String, length: u64, from: Position) -> SourceError {
    let message = format!(
        "it has {length} bytes, but has been read to byte {} (line {}) before; it was cut or \
         replaced since: bring it back, or start anew with another state folder",
        from.offset,
        from.line - 1
    );
    SourceError { name, message }
}

#[cfg(test)]
mod tests;
