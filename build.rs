//! Lists the packs that the program carries along, so that whoever adds a journey to them adds a file and nothing else.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

/// The folders in `dataflows`, and the constants by which `src/cli/packs.rs` knows them.
const PACKS: [(&str, &str); 2] = [("retail", "RETAIL"), ("starter", "STARTER")];

#[expect(
    clippy::disallowed_methods,
    reason = "cargo names the place for what is made in a variable"
)]
fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    let all = Path::new(&root).join("dataflows");
    println!("cargo::rerun-if-changed={}", all.display());
    let mut out = String::new();
    for (name, constant) in PACKS {
        let entries = fs::read_dir(all.join(name)).expect("the pack is there");
        let mut files: Vec<_> =
            entries.map(|entry| entry.expect("it can be read").path()).collect();
        files.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
        files.sort();
        write!(
            out,
            "pub(super) const {constant}: Embedded = Embedded {{ name: {name:?}, files: &["
        )
        .expect("writing to memory");
        for path in files {
            let file = path.file_name().expect("an entry has a name");
            write!(out, "({file:?}, include_str!({path:?})), ").expect("writing to memory");
        }
        out.push_str("] };\n");
    }
    let place = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&place).join("packs.rs"), out).expect("cargo gives a folder to write to");
}
