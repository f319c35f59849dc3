//! The packs that the program carries along.

use crate::define::ast::SourceFile;

/// A pack as the names and texts of its files.
pub(super) struct Embedded {
    pub(super) name: &'static str,
    pub(super) files: &'static [(&'static str, &'static str)],
}

// What `build.rs` has found in `dataflows`: RETAIL, which `kairos demo` runs and `kairos new` begins from, and STARTER, which
// `kairos init` writes.
include!(concat!(env!("OUT_DIR"), "/packs.rs"));

impl Embedded {
    /// The files as if they had been read from a folder.
    pub(super) fn sources(&self) -> Vec<SourceFile> {
        let file = |(file, text): &(&str, &str)| SourceFile {
            path: format!("{}/{file}", self.name),
            text: (*text).into(),
        };
        self.files.iter().map(file).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_file_of_a_folder_is_carried_along() {
        for pack in [RETAIL, STARTER] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dataflows").join(pack.name);
            let entries = std::fs::read_dir(folder).unwrap();
            let mut names: Vec<_> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.retain(|name| name.ends_with(".yaml"));
            names.sort();
            let carried: Vec<_> = pack.files.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, carried, "dataflows/{}", pack.name);
        }
    }
}
