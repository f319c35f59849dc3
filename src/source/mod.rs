//! Bytes in: whole lines of files, standard input or a generator, in chunks.

pub mod file;
pub mod import;
pub mod memory;

/// Whole lines of one source.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// The number of the source, in the order of the configuration.
    pub source: u16,
    /// Byte offset of its first byte (after decompression).
    pub offset: u64,
    /// The number of its first line, from 1.
    pub first_line: u64,
    pub bytes: Vec<u8>,
    /// Bytes of the source that `bytes` stands for; more than its length if a line was cut.
    pub length: u64,
    /// Lines that were cut because they are too long: number and full length.
    pub cut: Vec<(u64, u64)>,
    /// The source promises that nothing before this time will follow.
    pub promise: Option<i64>,
    /// Nothing follows.
    pub last: bool,
}

impl Chunk {
    /// Each line with its number, without its line end.
    pub fn lines(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut at = 0;
        let mut number = self.first_line;
        std::iter::from_fn(move || {
            let line = self.line_at(&mut at)?;
            number += 1;
            Some((number - 1, line))
        })
    }

    /// The line that begins at a byte, without its line end; `at` moves to where the next one begins.
    pub fn line_at(&self, at: &mut usize) -> Option<&[u8]> {
        let rest = self.bytes.get(*at..).filter(|rest| !rest.is_empty())?;
        let end = memchr::memchr(b'\n', rest);
        *at += end.map_or(rest.len(), |end| end + 1);
        let line = &rest[..end.unwrap_or(rest.len())];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Whether nothing is there yet.
    pub fn is_idle(&self) -> bool {
        self.bytes.is_empty() && self.promise.is_none() && !self.last
    }

    /// The byte at which the next chunk begins.
    pub fn next_offset(&self) -> u64 {
        self.offset + self.length
    }

    /// The number of the next chunk's first line.
    pub fn next_line(&self) -> u64 {
        let newlines = memchr::memchr_iter(b'\n', &self.bytes).count() as u64;
        let is_cut_off = !self.bytes.is_empty() && !self.bytes.ends_with(b"\n");
        self.first_line + newlines + u64::from(is_cut_off)
    }
}

/// Gives the lines of one source, in order.
///
/// # Contract
/// 1. Chunks follow one another without gap: each begins where the one before ended.
/// 2. A chunk holds whole lines; where chunks are cut does not matter to anyone.
/// 3. After a chunk with `last`, or `None`, nothing follows.
/// 4. A chunk without bytes, promise and `last` says that nothing is there yet, and is asked again soon.
pub trait Source: Send {
    /// # Errors
    /// A source that cannot be read.
    fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError>;
}

/// A source that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {name}: {message}")]
pub struct SourceError {
    pub name: String,
    pub message: String,
}
