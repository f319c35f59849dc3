//! The packs that are shipped, and those shown in the language's page, compile and pass their own tests.

use kairos::define::ast::SourceFile;
use kairos::define::compile::{Keep, compile};
use kairos::define::diagnostic::render;
use kairos::define::files::read_pack;
use kairos::define::parse::parse;
use kairos::sim::scenario;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Compiles a pack and runs its tests; what is wrong, as a user is told it. Gives the number of tests.
fn judge(files: &[SourceFile]) -> Result<usize, String> {
    let (pack, mistakes) = parse(files);
    if !mistakes.is_empty() {
        return Err(render(files, &mistakes));
    }
    let plan = Arc::new(compile(&pack, Keep::All).map_err(|found| render(files, &found))?);
    let failures = plan.tests.iter().filter_map(|test| {
        let failure = scenario::run(&plan, test).err()?;
        let file = &pack.files[usize::from(failure.line.span.file)].path;
        let (line, text) = (failure.line.span.line, failure.line.node.trim());
        Some(format!("{}\n  {file}:{line}: {text}\n  {}\n", test.name.node, failure.message))
    });
    let failures: String = failures.collect();
    if failures.is_empty() { Ok(plan.tests.len()) } else { Err(failures) }
}

fn shipped() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("dataflows");
    let entries = std::fs::read_dir(root).expect("the folder of packs");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.retain(|path| path.is_dir());
    paths.sort();
    paths
}

#[test]
fn every_shipped_pack_passes_its_tests() {
    let packs = shipped();
    assert!(packs.len() >= 2, "found {packs:?}");
    for path in packs {
        let files = read_pack(&path).expect("a readable pack");
        match judge(&files) {
            Ok(tests) => assert!(tests > 0, "{} has no tests", path.display()),
            Err(wrong) => panic!("{}:\n{wrong}", path.display()),
        }
    }
}

#[test]
fn every_pack_in_the_page_of_the_language_passes_its_tests() {
    let packs = super::language_examples::packs();
    assert!(packs.len() >= 5, "found {}", packs.len());
    for text in packs {
        let files = [SourceFile { path: "README.md".into(), text: text.into() }];
        judge(&files).unwrap_or_else(|wrong| panic!("{text}\n{wrong}"));
    }
}

#[test]
fn what_decides_nothing_costs_nothing() {
    let files = [SourceFile { path: "p.yaml".into(), text: "facts: { a: { count: A } }".into() }];
    let (pack, _) = parse(&files);
    let kept = |keep| compile(&pack, keep).expect("a sound pack").facts.len();
    assert_eq!((kept(Keep::Used), kept(Keep::All)), (0, 1));
}
