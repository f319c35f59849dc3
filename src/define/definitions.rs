//! A pack as it is carried about: the texts of its files, for the log, the store and the wire.

use super::ast::{Pack, SourceFile, Span};
use super::compile::{Keep, compile_after};
use super::diagnostic::{Diagnostic, render};
use super::parse::{on_large_stack, parse};
use super::plan::Plan;
use serde::{Deserialize, Serialize};
use std::fmt::{Display, Formatter};
use std::path::Path;

/// Parses and compiles the files of a pack as one that follows a plan.
///
/// # Errors
/// Every mistake in them, in the order of their places.
pub fn compile_files(
    files: &[SourceFile],
    keep: Keep,
    base: Option<&Plan>,
) -> Result<(Pack, Plan), Mistakes> {
    let (pack, mut mistakes) = parse(files);
    let compiled = on_large_stack(|| compile_after(&pack, keep, base));
    match compiled.unwrap_or_else(|why| Err(vec![Diagnostic::new(Span::START, why)])) {
        Ok(plan) if mistakes.is_empty() => return Ok((pack, plan)),
        Ok(_) => {}
        Err(found) => mistakes.extend(found),
    }
    mistakes.sort();
    mistakes.dedup();
    Err(Mistakes { count: mistakes.len(), text: render(files, &mistakes) })
}

/// What was written, by file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definitions {
    /// The name of each file, without its folder, and its text.
    pub files: Vec<(String, String)>,
    /// A hash of what the pack's folder held when these took effect: what was applied over HTTP stays in effect until the
    /// folder is changed.
    pub folder: u64,
}

/// Every mistake of a pack, each with its place and the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    pub count: usize,
    pub text: String,
}

impl Display for Mistakes {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text.trim_end())
    }
}

impl Definitions {
    /// The pack of a folder.
    pub fn of_folder(files: &[SourceFile]) -> Definitions {
        let name = |path: &str| {
            let name = Path::new(path).file_name();
            name.map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned())
        };
        let files: Vec<(String, String)> =
            files.iter().map(|file| (name(&file.path), file.text.to_string())).collect();
        let folder = hash(&files);
        Definitions { files, folder }
    }

    /// Files from elsewhere, while the folder holds what it does.
    pub fn applied(mut files: Vec<(String, String)>, folder: u64) -> Definitions {
        files.sort();
        Definitions { files, folder }
    }

    /// Bytes of all texts and names together.
    pub fn size(&self) -> usize {
        self.files.iter().map(|(name, text)| name.len() + text.len()).sum()
    }

    /// Compiles them as those that follow a plan.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn compile(&self, keep: Keep, base: Option<&Plan>) -> Result<Plan, Mistakes> {
        let file = |(name, text): &(String, String)| SourceFile {
            path: name.clone(),
            text: text.as_str().into(),
        };
        let files: Vec<SourceFile> = self.files.iter().map(file).collect();
        compile_files(&files, keep, base).map(|(_, plan)| plan)
    }
}

fn hash(files: &[(String, String)]) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    for part in files.iter().flat_map(|(name, text)| [name, text]) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.digest()
}
