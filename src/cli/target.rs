//! Where generated and imported events go: a file, packed as its name says, or standard output.

use super::failure::Failure;
use super::input::DASH;
use super::output;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

const BUFFER: usize = 1 << 20;

/// A file or standard output, behind a big buffer. Only what is closed is complete.
pub(super) struct Target {
    /// `None` for standard output.
    path: Option<PathBuf>,
    writer: BufWriter<Packed>,
}

enum Packed {
    Stdout(io::Stdout),
    Plain(File),
    Gzip(Box<flate2::write::GzEncoder<File>>),
    Zstd(zstd::Encoder<'static, File>),
}

impl Target {
    /// Makes the file, or overwrites it; `-` is standard output.
    pub(super) fn create(path: &Path) -> Result<Target, Failure> {
        if path.as_os_str() == DASH {
            let writer = BufWriter::with_capacity(BUFFER, Packed::Stdout(io::stdout()));
            return Ok(Target { path: None, writer });
        }
        let failure = |error| Failure::writing(path.display(), &error);
        let file = File::create(path).map_err(failure)?;
        let packed = match path.extension().and_then(|end| end.to_str()) {
            Some("gz") => {
                let level = flate2::Compression::fast();
                Packed::Gzip(Box::new(flate2::write::GzEncoder::new(file, level)))
            }
            Some("zst") => Packed::Zstd(zstd::Encoder::new(file, 3).map_err(failure)?),
            _ => Packed::Plain(file),
        };
        let writer = BufWriter::with_capacity(BUFFER, packed);
        Ok(Target { path: Some(path.to_owned()), writer })
    }

    /// Writes what is buffered, and the end of a packed file.
    pub(super) fn close(mut self) -> io::Result<()> {
        self.writer.flush()?;
        match self.writer.into_inner().map_err(io::IntoInnerError::into_error)? {
            Packed::Gzip(encoder) => encoder.finish()?.flush(),
            Packed::Zstd(encoder) => encoder.finish()?.flush(),
            Packed::Plain(_) | Packed::Stdout(_) => Ok(()),
        }
    }

    /// Runs `work` with the target and closes it. A reader of standard output that has gone away ends the work early and
    /// is no failure; then there is no result.
    pub(super) fn with<T>(
        mut self,
        work: impl FnOnce(&mut Target) -> io::Result<T>,
    ) -> Result<Option<T>, Failure> {
        let path = self.path.clone();
        let result = work(&mut self).and_then(|done| self.close().map(|()| done));
        match (result, path) {
            (Ok(done), _) => Ok(Some(done)),
            (Err(error), Some(path)) => Err(Failure::writing(path.display(), &error)),
            (Err(error), None) => output::finish(Err(error)).map(|()| None),
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Packed::Stdout(out) => out.write(bytes),
            Packed::Plain(file) => file.write(bytes),
            Packed::Gzip(encoder) => encoder.write(bytes),
            Packed::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Packed::Stdout(out) => out.flush(),
            Packed::Plain(file) => file.flush(),
            Packed::Gzip(encoder) => encoder.flush(),
            Packed::Zstd(encoder) => encoder.flush(),
        }
    }
}
