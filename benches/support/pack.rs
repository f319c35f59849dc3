//! Packs for benchmarks.

use kairos::define::ast::SourceFile;
use kairos::define::compile::{Keep, compile};
use kairos::define::diagnostic::render;
use kairos::define::parse::parse;
use kairos::define::plan::Plan;
use std::sync::Arc;

/// The plan of a pack without mistakes.
pub fn plan(files: &[SourceFile]) -> Arc<Plan> {
    let (pack, mistakes) = parse(files);
    assert!(mistakes.is_empty(), "{}", render(files, &mistakes));
    match compile(&pack, Keep::Used) {
        Ok(plan) => Arc::new(plan),
        Err(mistakes) => panic!("{}", render(files, &mistakes)),
    }
}
