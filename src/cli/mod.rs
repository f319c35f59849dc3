//! The commands. The only place that prints, reads arguments and decides exit codes: 0 all is well, 1 what was asked
//! about is not (mistakes in a pack, failing tests), 2 wrong arguments, 3 the run failed, 70 a defect of the program,
//! 130 stopped by Ctrl-C.

mod failure;
mod generate;
mod input;
mod interrupt;
mod output;
mod pack;
mod progress;
mod run;
mod summary;
mod table;
mod target;
mod values;

use clap::{Parser, Subcommand};
use failure::{DEFECT, Failure};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "kairos", version, about = "The real-time journey engine for retailers")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a pack over files of events
    Run(run::RunArgs),
    /// Report every mistake in a pack
    Check {
        /// A folder of YAML files, or one file
        path: PathBuf,
    },
    /// Run the tests of a pack
    Test {
        /// A folder of YAML files, or one file
        path: PathBuf,
    },
    /// Write realistic shop traffic to try things on
    Generate(generate::GenerateArgs),
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    end_on_panic();
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        Command::Run(args) => run::run(args),
        Command::Check { path } => pack::check(path),
        Command::Test { path } => pack::test(path),
        Command::Generate(args) => generate::generate(args),
    };
    ExitCode::from(result.unwrap_or_else(|failure: Failure| {
        output::report(&failure);
        failure.code
    }))
}

/// A worker that panics ends the process: the others would wait for it for ever.
fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|at| format!(" at {}:{}", at.file(), at.line()));
        let message = panic.payload_as_str().unwrap_or("no message");
        output::report(&Failure {
            code: DEFECT,
            message: format!("internal error: {message}{}", place.unwrap_or_default()),
            hint: Some(
                "this is a defect of kairos; a run with --state goes on when started again".into(),
            ),
        });
        std::process::exit(i32::from(DEFECT));
    }));
}
