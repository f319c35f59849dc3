//! `kairos check` and `kairos test`.

use crate::define::ast::Pack;
use crate::define::compile::{Keep, compile};
use crate::define::diagnostic::render;
use crate::define::files::read_pack;
use crate::define::parse::parse;
use crate::define::plan::Plan;
use crate::sim::scenario;
use anstream::{eprintln, println};
use std::path::Path;
use std::sync::Arc;

/// Reads and compiles a pack, or prints every mistake in it.
pub(super) fn load(path: &Path, keep: Keep) -> Result<(Pack, Arc<Plan>), u8> {
    let files = read_pack(path).map_err(|error| {
        eprintln!("error: {error}");
        1
    })?;
    let (pack, mut mistakes) = parse(&files);
    if mistakes.is_empty() {
        match compile(&pack, keep) {
            Ok(plan) => return Ok((pack, Arc::new(plan))),
            Err(found) => mistakes = found,
        }
    } else if let Err(found) = compile(&pack, keep) {
        mistakes.extend(found);
    }
    mistakes.sort();
    mistakes.dedup();
    eprintln!("{}", render(&files, &mistakes));
    let plural = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
    eprintln!("{}: {} {plural}", path.display(), mistakes.len());
    Err(1)
}

pub(super) fn check(path: &Path) -> u8 {
    match load(path, Keep::Used) {
        Ok((pack, plan)) => {
            println!(
                "{}: no mistakes ({} facts, {} segments, {} journeys, {} tests)",
                path.display(),
                pack.facts.len(),
                plan.segments.len(),
                plan.journeys.len(),
                plan.tests.len()
            );
            0
        }
        Err(code) => code,
    }
}

pub(super) fn test(path: &Path) -> u8 {
    let (pack, plan) = match load(path, Keep::All) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let mut failed = 0;
    for test in &plan.tests {
        match scenario::run(&plan, test) {
            Ok(()) => println!("ok      {}", test.name.node),
            Err(failure) => {
                failed += 1;
                let span = failure.line.span;
                let file = &pack.files[span.file as usize].path;
                println!("FAILED  {}", test.name.node);
                println!("  {file}:{}: {}", span.line, failure.line.node.trim());
                println!("  {}", failure.message);
            }
        }
    }
    println!("{}: {} passed, {failed} failed", path.display(), plan.tests.len() - failed);
    u8::from(failed > 0)
}
