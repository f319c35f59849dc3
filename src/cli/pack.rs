//! `kairos check` and `kairos test`.

use super::failure::{Failure, NOT_SO};
use super::output::{bad, dim, good, print, stream, tell};
use crate::define::ast::{Pack, SourceFile, TestDef};
use crate::define::compile::Keep;
use crate::define::definitions::{Mistakes, compile_files};
use crate::define::files::read_pack;
use crate::define::plan::Plan;
use crate::sim::scenario;
use crate::time::clock::{Clock, System};
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) const CHECK_EXAMPLES: &str = "\
Examples:
  kairos check dataflows/retail
  kairos check dataflows/retail/abandoned-cart.yaml";

const TEST_EXAMPLES: &str = "\
Examples:
  kairos test dataflows/retail
  kairos test dataflows/retail --filter purchase";

#[derive(Args, Debug)]
#[command(after_help = TEST_EXAMPLES)]
pub(super) struct TestArgs {
    /// A folder of YAML files, or one file
    path: PathBuf,
    /// Only tests with this text in their names
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Show only what fails
    #[arg(long, short)]
    quiet: bool,
}

/// Reads and compiles a pack, or tells every mistake in it.
pub(super) fn load(path: &Path, keep: Keep) -> Result<(Pack, Arc<Plan>), Failure> {
    compiled(&read(path)?, &path.display().to_string(), keep)
}

/// Reads the files of a pack.
pub(super) fn read(path: &Path) -> Result<Vec<SourceFile>, Failure> {
    read_pack(path).map_err(|error| Failure { code: NOT_SO, ..Failure::failed(error.to_string()) })
}

/// Compiles the files of a pack, or tells every mistake in them.
pub(super) fn compiled(
    files: &[SourceFile],
    name: &str,
    keep: Keep,
) -> Result<(Pack, Arc<Plan>), Failure> {
    let Mistakes { count, text } = match compile_files(files, keep, None) {
        Ok((pack, plan)) => return Ok((pack, Arc::new(plan))),
        Err(mistakes) => mistakes,
    };
    tell(text);
    let plural = if count == 1 { "mistake" } else { "mistakes" };
    tell(format_args!("{name}: {}", bad(format_args!("{count} {plural}"))));
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
pub(super) fn test(args: &TestArgs) -> Result<u8, Failure> {
    let (pack, plan) = load(&args.path, Keep::All)?;
    let wanted = |test: &&TestDef| {
        args.filter.as_ref().is_none_or(|filter| test.name.node.contains(filter.as_str()))
    };
    let started = System::new();
    let (mut passed, mut failed) = (0, 0);
    for test in plan.tests.iter().filter(wanted) {
        let result = scenario::run(&plan, test);
        passed += usize::from(result.is_ok());
        failed += usize::from(result.is_err());
        let is_read = match result {
            Ok(()) if args.quiet => true,
            Ok(()) => stream(format_args!("{}      {}\n", good("ok"), test.name.node))?,
            Err(failure) => stream(failed_text(&pack, test, &failure))?,
        };
        if !is_read {
            break;
        }
    }
    if passed + failed == 0 {
        let none = Failure { code: NOT_SO, ..Failure::failed("there is no test to run") };
        return Err(match &args.filter {
            Some(filter) => none.hint(format!("no test has \"{filter}\" in its name")),
            None => none.hint("write some under `tests:`; see `kairos init`"),
        });
    }
    let tally = format!("{passed} passed, {failed} failed");
    let tally = if failed > 0 { bad(tally) } else { good(tally) };
    let took = format!("in {} ms", started.now().as_millis());
    print(format_args!("{}: {tally} {}\n", args.path.display(), dim(took)))?;
    Ok(if failed > 0 { NOT_SO } else { 0 })
}

fn failed_text(pack: &Pack, test: &TestDef, failure: &scenario::Failure) -> String {
    let span = failure.line.span;
    let file = &pack.files[span.file as usize].path;
    let (line, name) = (failure.line.node.trim(), &test.name.node);
    let word = bad("FAILED");
    format!("{word}  {name}\n  {file}:{}: {line}\n  {}\n", span.line, failure.message)
}
