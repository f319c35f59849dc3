//! `kairos init`: a small pack to start from. `kairos schema`: what editors need.

use super::failure::Failure;
use super::output::{bold, print};
use super::packs::STARTER;
use crate::define::schema::json_schema;
use std::fs;
use std::path::Path;

pub(super) const EXAMPLES: &str = "\
Examples:
  kairos init shop
  kairos test shop";

pub(super) const SCHEMA_EXAMPLES: &str = "\
Examples:
  kairos schema > kairos.schema.json

Then write as the first line of a pack's file, for editors with the YAML language server:
  # yaml-language-server: $schema=../kairos.schema.json";

/// Writes the starter pack into a new or empty folder.
pub(super) fn init(folder: &Path) -> Result<u8, Failure> {
    let name = folder.display();
    if folder.exists() && !folder.is_dir() {
        return Err(Failure::failed(format!("{name} is not a folder")));
    }
    let writing = |error| Failure::writing(name.to_string(), &error);
    fs::create_dir_all(folder).map_err(writing)?;
    if fs::read_dir(folder).map_err(writing)?.next().is_some() {
        return Err(Failure::failed(format!("the folder {name} is not empty"))
            .hint("name a new folder; nothing has been written"));
    }
    let mut out = String::new();
    for (file, text) in STARTER.files {
        let path = folder.join(file);
        fs::write(&path, text).map_err(|error| Failure::writing(path.display(), &error))?;
        out += &format!("wrote {}\n", path.display());
    }
    print(format_args!(
        "{out}\n{}\n  kairos test {name}\n  \
         kairos generate --events 100000 --customers 5000 --out events.jsonl\n  \
         kairos run --pack {name} --in events.jsonl --out out\n",
        bold("Try it:")
    ))?;
    Ok(0)
}

/// Prints the JSON Schema of a pack's files.
pub(super) fn schema() -> Result<u8, Failure> {
    print(json_schema())?;
    Ok(0)
}
