//! Anything that can be read, plain or packed → chunks of whole lines. Holds one block in memory, however long a line is.

use super::{Chunk, Source, SourceError};
use crate::limits::LINE_BYTES_MAX;
use memchr::{memchr, memrchr};
use std::io::{self, BufRead, BufReader, Read};

/// Bytes that are read at once. A line longer than a block is cut; it is far beyond [`LINE_BYTES_MAX`] anyway.
const BLOCK: usize = 256 * 1024;
const _: () = assert!(BLOCK > 2 * LINE_BYTES_MAX);

/// What gzip and Zstandard files begin with.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Whether a file that begins like this is packed.
pub fn is_packed(head: &[u8]) -> bool {
    head.starts_with(GZIP) || head.starts_with(ZSTD)
}

/// Unpacks gzip and Zstandard, told by their first bytes; everything else passes as it is.
///
/// # Errors
/// The beginning cannot be read.
pub fn unpacked(reader: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut reader = BufReader::with_capacity(BLOCK, reader);
    let head = reader.fill_buf()?;
    Ok(if head.starts_with(GZIP) {
        Box::new(flate2::bufread::MultiGzDecoder::new(reader))
    } else if head.starts_with(ZSTD) {
        Box::new(zstd::Decoder::with_buffer(reader)?)
    } else {
        Box::new(reader)
    })
}

/// The lines of a reader.
pub struct Lines {
    name: String,
    reader: Box<dyn Read + Send>,
    offset: u64,
    line: u64,
    /// What was read of the line that is not complete yet.
    rest: Vec<u8>,
    /// Bytes of that line that were dropped.
    dropped: u64,
    ended: bool,
}

impl Lines {
    /// Lines of `reader`, which stands at byte `offset`, the beginning of this line.
    pub fn new(name: String, reader: Box<dyn Read + Send>, offset: u64, line: u64) -> Lines {
        Lines { name, reader, offset, line, rest: Vec::new(), dropped: 0, ended: false }
    }

    /// Reads on behind the rest; tells how many bytes.
    fn fill(&mut self) -> Result<usize, SourceError> {
        let before = self.rest.len();
        self.rest.resize(before + BLOCK, 0);
        let mut read = 0;
        while !self.ended && read == 0 {
            match self.reader.read(&mut self.rest[before..]) {
                Ok(count) => (read, self.ended) = (count, count == 0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(SourceError {
                        name: self.name.clone(),
                        message: error.to_string(),
                    });
                }
            }
        }
        self.rest.truncate(before + read);
        Ok(read)
    }

    /// Where the complete lines of the rest end, after the bytes that have been looked at; drops the middle of a line that
    /// is longer than a block.
    fn complete(&mut self, seen: usize) -> Option<usize> {
        if self.dropped > 0 {
            let line_end = memchr(b'\n', &self.rest[seen..]).map(|at| seen + at);
            let until = line_end.unwrap_or(self.rest.len());
            self.dropped += (until - seen) as u64;
            self.rest.drain(seen..until);
        }
        let end = memrchr(b'\n', &self.rest[seen..]).map(|at| seen + at + 1);
        if end.is_none() && self.rest.len() > BLOCK {
            self.dropped += (self.rest.len() - LINE_BYTES_MAX - 1) as u64;
            self.rest.truncate(LINE_BYTES_MAX + 1);
        }
        end
    }
}

impl Source for Lines {
    fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError> {
        loop {
            let seen = self.rest.len();
            self.fill()?;
            let end = match self.complete(seen) {
                Some(end) => end,
                None if self.ended => self.rest.len(),
                None => continue,
            };
            let rest = self.rest.split_off(end);
            let bytes = std::mem::replace(&mut self.rest, rest);
            let dropped = std::mem::take(&mut self.dropped);
            let first_end = memchr(b'\n', &bytes).unwrap_or(bytes.len()) as u64;
            let chunk = Chunk {
                offset: self.offset,
                first_line: self.line,
                length: bytes.len() as u64 + dropped,
                // Only the first line can have been dropped in part: it filled a block alone.
                cut: if dropped > 0 { vec![(self.line, first_end + dropped)] } else { Vec::new() },
                last: self.ended,
                bytes,
                ..Chunk::default()
            };
            (self.offset, self.line) = (chunk.next_offset(), chunk.next_line());
            return Ok(Some(chunk));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Gives a few bytes at a time.
    struct Slow(Vec<u8>, usize);

    impl Read for Slow {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(out.len()).min(self.0.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }

    fn read(reader: impl Read + Send + 'static) -> Vec<Chunk> {
        let mut lines = Lines::new("test".into(), unpacked(reader).unwrap(), 0, 1);
        let mut chunks = Vec::new();
        loop {
            let chunk = lines.next_chunk().unwrap().unwrap();
            let last = chunk.last;
            chunks.push(chunk);
            if last {
                return chunks;
            }
        }
    }

    #[test]
    fn lines_are_whole_however_they_come() {
        let text = b"one\ntwo\r\n\nlonger than the others\nno line end".to_vec();
        for size in [1, 2, 3, 7, 100] {
            let chunks = read(Slow(text.clone(), size));
            let all: Vec<(u64, Vec<u8>)> =
                chunks.iter().flat_map(Chunk::lines).map(|(n, line)| (n, line.to_vec())).collect();
            let expected = [&b"one"[..], b"two", b"", b"longer than the others", b"no line end"];
            assert_eq!(all.len(), 5, "{size}");
            for ((number, line), (at, wanted)) in all.iter().zip(expected.iter().enumerate()) {
                assert_eq!((*number, &line[..]), (at as u64 + 1, *wanted), "{size}");
            }
            let ends = chunks.windows(2).all(|two| two[0].next_offset() == two[1].offset);
            assert!(ends && chunks.last().unwrap().next_offset() == text.len() as u64);
        }
        assert!(read(&b""[..])[0].bytes.is_empty());
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let long = 3 * BLOCK + 17;
        let mut text = b"first\n".to_vec();
        text.extend(vec![b'x'; long]);
        text.extend(b"\nlast\n");
        for size in [1_000, BLOCK, 10 * BLOCK] {
            let chunks = read(Slow(text.clone(), size));
            let cut: Vec<_> = chunks.iter().flat_map(|chunk| chunk.cut.clone()).collect();
            assert_eq!(cut, [(2, long as u64)], "{size}");
            assert!(chunks.iter().all(|chunk| chunk.bytes.len() <= 2 * BLOCK));
            let last = chunks.iter().flat_map(Chunk::lines).last().unwrap();
            assert_eq!(last, (3, &b"last"[..]), "{size}");
            assert_eq!(chunks.last().unwrap().next_offset(), text.len() as u64);
        }
    }

    #[test]
    fn packed_files_are_unpacked() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"a\nb\n").unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(&b"a\nb\n"[..], 1).unwrap();
        // Both formats may stand in several parts one after the other.
        for packed in [[gzip.clone(), gzip].concat(), [zstd.clone(), zstd].concat()] {
            let bytes: Vec<u8> =
                read(io::Cursor::new(packed)).into_iter().flat_map(|c| c.bytes).collect();
            assert_eq!(bytes, b"a\nb\na\nb\n");
        }
    }
}
