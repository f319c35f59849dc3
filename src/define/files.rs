//! Reads a pack from disk: a folder of YAML files, or one file.
//!
//! In: a path. Out: the texts with the paths as the user would write them. Never looks into the
//! text.

use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::define::ast::SourceFile;
use crate::define::limits::{FILE_BYTES_MAX, FILES_MAX};

/// Why a pack could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    #[error("{}: no such file or folder", .0.display())]
    Missing(PathBuf),
    #[error("{}: no *.yaml file in this folder", .0.display())]
    NoFiles(PathBuf),
    #[error("{}: {count} files, and a pack has at most {FILES_MAX}", path.display())]
    TooMany { path: PathBuf, count: usize },
    #[error("{}: the file is empty", .0.display())]
    Empty(PathBuf),
    #[error("{}: the file is larger than {} MiB", .0.display(), FILE_BYTES_MAX >> 20)]
    TooLarge(PathBuf),
    #[error("{}:{line}: the file is not UTF-8 text", path.display())]
    NotUtf8 { path: PathBuf, line: usize },
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
}

/// All files of the pack at `path`: the `*.yaml` and `*.yml` of a folder (not of folders inside it)
/// in the order of their names, or the one file.
pub fn read_pack(path: &Path) -> Result<Vec<SourceFile>, ReadError> {
    let unreadable = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => ReadError::Missing(path.to_owned()),
        _ => ReadError::Unreadable { path: path.to_owned(), source: e },
    };
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![read_file(path)?]);
    }
    let entries = fs::read_dir(path).map_err(unreadable)?;
    let paths = entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>();
    let mut paths = paths.map_err(unreadable)?;
    paths.retain(|p| is_yaml(p) && p.is_file());
    paths.sort();
    match paths.len() {
        0 => Err(ReadError::NoFiles(path.to_owned())),
        count if count > FILES_MAX => Err(ReadError::TooMany { path: path.to_owned(), count }),
        _ => paths.iter().map(|p| read_file(p)).collect(),
    }
}

/// Editors leave hidden files such as `.#shop.yaml` beside the real ones; those are nobody's
/// definitions.
fn is_yaml(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml"))
}

fn read_file(path: &Path) -> Result<SourceFile, ReadError> {
    let unreadable = |source| ReadError::Unreadable { path: path.to_owned(), source };
    let meta = fs::metadata(path).map_err(unreadable)?;
    if meta.len() > FILE_BYTES_MAX as u64 {
        return Err(ReadError::TooLarge(path.to_owned()));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let valid = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|b| **b == b'\n').count();
        ReadError::NotUtf8 { path: path.to_owned(), line }
    })?;
    if text.trim().is_empty() {
        return Err(ReadError::Empty(path.to_owned()));
    }
    Ok(SourceFile { path: path.display().to_string(), text: text.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &Path, dir: &Path) -> String {
        let error = read_pack(path).expect_err("the pack is wrong").to_string();
        error.replace(&dir.display().to_string(), "DIR")
    }

    #[test]
    fn reads_the_yaml_files_of_a_folder_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yml", "c.txt", ".d.yaml"] {
            fs::write(dir.path().join(name), "facts: {}").unwrap();
        }
        fs::create_dir(dir.path().join("e.yaml")).unwrap();
        let files = read_pack(dir.path()).unwrap();
        let names: Vec<_> = files.iter().map(|f| f.path.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["a.yml", "b.yaml"]);
        let one = read_pack(&dir.path().join("c.txt")).unwrap();
        assert_eq!(one.len(), 1);
    }

    #[test]
    fn says_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let root = dir.path();
        assert_eq!(said(root, root), "DIR: no *.yaml file in this folder");
        assert_eq!(said(&path("x"), root), "DIR/x: no such file or folder");
        fs::write(path("a.yaml"), "x: 1\ny: \u{e4}\n").unwrap();
        fs::write(path("b.yaml"), b"x: 1\ny: \xe4\n").unwrap();
        assert_eq!(said(root, root), "DIR/b.yaml:2: the file is not UTF-8 text");
        fs::write(path("b.yaml"), " \n").unwrap();
        assert_eq!(said(root, root), "DIR/b.yaml: the file is empty");
        fs::write(path("b.yaml"), vec![b'#'; FILE_BYTES_MAX + 1]).unwrap();
        assert_eq!(said(root, root), "DIR/b.yaml: the file is larger than 4 MiB");
    }
}
