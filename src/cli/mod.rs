//! The commands. The only place that prints, reads arguments and decides exit codes: 0 all is well, 1 what was asked
//! about is not (mistakes in a pack, failing tests), 2 wrong arguments, 3 the run failed, 130 stopped by Ctrl-C.

mod pack;

use clap::{Parser, Subcommand};
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
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let code = match arguments.command {
        Command::Check { path } => pack::check(&path),
        Command::Test { path } => pack::test(&path),
    };
    ExitCode::from(code)
}
