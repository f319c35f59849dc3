//! Lines that are in memory already: for benchmarks, tests and the simulator.

use super::{Chunk, Source, SourceError};
use std::sync::Arc;

/// A source over bytes, cut into chunks of about one size at line ends.
pub struct Memory {
    source: u16,
    bytes: Arc<Vec<u8>>,
    at: usize,
    line: u64,
    chunk_bytes: usize,
}

impl Memory {
    /// Source number `source`, read from its beginning in chunks of about `chunk_bytes`.
    pub fn new(source: u16, bytes: Arc<Vec<u8>>, chunk_bytes: usize) -> Memory {
        Memory { source, bytes, at: 0, line: 1, chunk_bytes: chunk_bytes.max(1) }
    }

    /// Goes on at a byte offset and line number.
    pub fn from(mut self, offset: u64, line: u64) -> Memory {
        self.at = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        self.line = line;
        self
    }
}

impl Source for Memory {
    fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let target = (self.at + self.chunk_bytes).min(self.bytes.len());
        let rest = &self.bytes[target - 1..];
        let end = memchr::memchr(b'\n', rest).map_or(self.bytes.len(), |found| target + found);
        let bytes = self.bytes[self.at..end].to_vec();
        let chunk = Chunk {
            source: self.source,
            offset: self.at as u64,
            first_line: self.line,
            length: bytes.len() as u64,
            bytes,
            last: end == self.bytes.len(),
            ..Chunk::default()
        };
        self.at = end;
        self.line = chunk.next_line();
        Ok(Some(chunk))
    }
}
