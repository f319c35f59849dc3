//! Output files: one for each stream, one JSON object a line.

use super::{Sink, SinkError, Stream};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Files in one folder.
pub struct Files {
    outputs: Vec<Output>,
}

struct Output {
    path: PathBuf,
    writer: BufWriter<File>,
    length: u64,
}

impl Files {
    /// Opens the output files of `folder`, which is made if it is not there, and cuts them to these lengths.
    ///
    /// # Errors
    /// A file that cannot be made or cut, or one that is shorter than it was at the checkpoint.
    pub fn open(folder: &Path, lengths: &[u64]) -> Result<Files, SinkError> {
        std::fs::create_dir_all(folder).map_err(|source| error(folder, source))?;
        let outputs = Stream::ALL.iter().enumerate().map(|(at, stream)| {
            let path = place(folder, *stream);
            Output::open(path, lengths.get(at).copied().unwrap_or(0))
        });
        Ok(Files { outputs: outputs.collect::<Result<_, _>>()? })
    }

    /// How the output files of `folder` differ from what a run has left that ended with these lengths, in words; nothing if
    /// they do not.
    pub fn differ(folder: &Path, lengths: &[u64]) -> Option<String> {
        Stream::ALL.iter().zip(lengths).find_map(|(stream, length)| {
            let path = place(folder, *stream);
            match path.metadata() {
                Ok(found) if found.len() == *length => None,
                Ok(found) => {
                    let (path, found) = (path.display(), found.len());
                    Some(format!("{path} has {found} bytes now, and had {length} at its end"))
                }
                Err(_) => Some(format!("there is no {} any more", path.display())),
            }
        })
    }
}

/// Where the lines of a stream stand.
fn place(folder: &Path, stream: Stream) -> PathBuf {
    folder.join(format!("{}.jsonl", stream.name()))
}

impl Output {
    fn open(path: PathBuf, length: u64) -> Result<Output, SinkError> {
        let open = || {
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .read(true)
                .open(&path)?;
            let found = file.metadata()?.len();
            if found < length {
                let message = format!(
                    "it has {found} bytes, {length} at the last checkpoint: it was changed from outside; \
                     start again with an empty --state folder"
                );
                return Err(std::io::Error::other(message));
            }
            file.set_len(length)?;
            std::io::Seek::seek(&mut &file, std::io::SeekFrom::Start(length))?;
            Ok(file)
        };
        let file = open().map_err(|source| error(&path, source))?;
        Ok(Output { writer: BufWriter::with_capacity(1 << 18, file), path, length })
    }
}

impl Sink for Files {
    fn write(&mut self, stream: Stream, line: &[u8]) -> Result<(), SinkError> {
        let output = &mut self.outputs[stream as usize];
        output.length += line.len() as u64;
        output.writer.write_all(line).map_err(|source| error(&output.path, source))
    }

    fn sync(&mut self) -> Result<Vec<u64>, SinkError> {
        for output in &mut self.outputs {
            let sync = output.writer.flush().and_then(|()| output.writer.get_ref().sync_data());
            sync.map_err(|source| error(&output.path, source))?;
        }
        Ok(self.outputs.iter().map(|output| output.length).collect())
    }

    fn complete(&mut self, _epoch: u64) -> Result<(), SinkError> {
        Ok(())
    }
}

fn error(path: &Path, source: std::io::Error) -> SinkError {
    SinkError { path: path.display().to_string(), source }
}
