//! `kairos check` and `kairos test`.

use super::failure::{Failure, NOT_SO};
use super::output::{bad, good, print, tell};
use crate::define::ast::Pack;
use crate::define::compile::{Keep, compile};
use crate::define::diagnostic::render;
use crate::define::files::read_pack;
use crate::define::parse::parse;
use crate::define::plan::Plan;
use crate::sim::scenario;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

/// Reads and compiles a pack, or tells every mistake in it.
pub(super) fn load(path: &Path, keep: Keep) -> Result<(Pack, Arc<Plan>), Failure> {
    let files = read_pack(path)
        .map_err(|error| Failure { code: NOT_SO, ..Failure::failed(error.to_string()) })?;
    let (pack, mut mistakes) = parse(&files);
    match compile(&pack, keep) {
        Ok(plan) if mistakes.is_empty() => return Ok((pack, Arc::new(plan))),
        Ok(_) => {}
        Err(found) => mistakes.extend(found),
    }
    mistakes.sort();
    mistakes.dedup();
    tell(render(&files, &mistakes));
    let plural = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
    tell(format_args!("{}: {}", path.display(), bad(format_args!("{} {plural}", mistakes.len()))));
    Err(Failure::said(NOT_SO))
}

/// Says whether a pack has mistakes.
pub(super) fn check(path: &Path) -> Result<u8, Failure> {
    let (pack, plan) = load(path, Keep::Used)?;
    print(format_args!(
        "{}: {} ({} facts, {} segments, {} journeys, {} tests)\n",
        path.display(),
        good("no mistakes"),
        pack.facts.len(),
        plan.segments.len(),
        plan.journeys.len(),
        plan.tests.len()
    ))?;
    Ok(0)
}

/// Runs the tests of a pack.
pub(super) fn test(path: &Path) -> Result<u8, Failure> {
    let (pack, plan) = load(path, Keep::All)?;
    let mut failed = 0;
    let mut out = String::new();
    for test in &plan.tests {
        match scenario::run(&plan, test) {
            Ok(()) => {
                let _ = writeln!(out, "{}      {}", good("ok"), test.name.node);
            }
            Err(failure) => {
                failed += 1;
                let span = failure.line.span;
                let file = &pack.files[span.file as usize].path;
                let _ = writeln!(out, "{}  {}", bad("FAILED"), test.name.node);
                let _ = writeln!(out, "  {file}:{}: {}", span.line, failure.line.node.trim());
                let _ = writeln!(out, "  {}", failure.message);
            }
        }
    }
    let passed = plan.tests.len() - failed;
    print(format_args!("{out}{}: {passed} passed, {failed} failed\n", path.display()))?;
    Ok(if failed > 0 { NOT_SO } else { 0 })
}
