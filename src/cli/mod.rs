//! The commands. The only place that prints, reads arguments and decides exit codes: 0 all is well, 1 what was asked
//! about is not (mistakes in a pack, failing tests), 2 wrong arguments, 3 the run failed, 70 a defect of the program,
//! 130 stopped by Ctrl-C.

mod apply;
mod backtest;
mod demo;
mod diff;
mod explain;
mod failure;
mod generate;
mod graph;
mod history;
mod http;
mod import;
mod init;
mod input;
mod interrupt;
mod link;
mod live;
mod new;
mod output;
mod pack;
mod packs;
mod progress;
mod report;
mod run;
mod status;
mod summary;
mod table;
mod target;
mod values;

use anstyle::{AnsiColor, Style};
use clap::builder::Styles;
use clap::{Parser, Subcommand};
use failure::{DEFECT, Failure};
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  kairos demo
  kairos init shop && kairos test shop
  kairos generate --events 100000 --out events.jsonl
  kairos run --pack shop --in events.jsonl --out out

Exit codes: 0 all is well, 1 mistakes in a pack or failing tests, 2 wrong arguments, 3 the run failed, 130 stopped.";

const STYLES: Styles = Styles::styled()
    .header(Style::new().bold())
    .usage(Style::new().bold())
    .literal(AnsiColor::Green.on_default())
    .error(AnsiColor::Red.on_default().bold());

#[derive(Parser)]
#[command(name = "kairos", version, about = "The real-time journey engine for retailers")]
#[command(after_help = EXAMPLES, styles = STYLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a pack, over files of events or live on Kafka
    Run(run::RunArgs),
    /// Ask a running instance how it does; exit code 0 if it has caught up
    Status {
        /// The configuration of the instance
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Show audiences, and what has come of journeys
    Report(report::ReportArgs),
    /// Tell why somebody got a message, and why not
    Explain(explain::ExplainArgs),
    /// Show what a pack would have decided over a history
    Backtest(backtest::BacktestArgs),
    /// Show what two packs would decide differently over a history
    Diff(diff::DiffArgs),
    /// Let a pack take effect in a running instance
    Apply(apply::ApplyArgs),
    /// Say that two identifiers are one customer
    #[command(after_help = link::LINK_EXAMPLES)]
    Link(link::LinkArgs),
    /// Say that an identifier is not somebody's after all
    #[command(after_help = link::UNLINK_EXAMPLES)]
    Unlink(link::UnlinkArgs),
    /// Ask for a person to be erased: nothing is known of them any more
    #[command(after_help = link::ERASE_EXAMPLES)]
    Erase(link::EraseArgs),
    /// Report every mistake in a pack
    #[command(after_help = pack::CHECK_EXAMPLES)]
    Check {
        /// A folder of YAML files, or one file
        path: PathBuf,
    },
    /// Draw a journey
    Graph(graph::GraphArgs),
    /// Run the tests of a pack
    Test(pack::TestArgs),
    /// Show decisions on generated traffic, faster than life
    Demo(demo::DemoArgs),
    /// Write a small pack to start from
    #[command(after_help = init::EXAMPLES)]
    Init {
        /// A folder that is new or empty
        folder: PathBuf,
    },
    /// Begin a journey from one of the catalogue
    New(new::NewArgs),
    /// Write realistic shop traffic to try things on
    Generate(generate::GenerateArgs),
    /// Turn a public data set into events
    Import(import::ImportArgs),
    /// Print the JSON Schema of packs, for editors
    #[command(after_help = init::SCHEMA_EXAMPLES)]
    Schema,
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    end_on_panic();
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        Command::Run(args) => run::run(args),
        Command::Status { config } => status::status(config),
        Command::Report(args) => report::report(args),
        Command::Explain(args) => explain::explain(args),
        Command::Backtest(args) => backtest::backtest(args),
        Command::Diff(args) => diff::diff(args),
        Command::Apply(args) => apply::apply(args),
        Command::Link(args) => link::link(args),
        Command::Unlink(args) => link::unlink(args),
        Command::Erase(args) => link::erase(args),
        Command::Check { path } => pack::check(path),
        Command::Graph(args) => graph::graph(args),
        Command::Test(args) => pack::test(args),
        Command::Demo(args) => demo::demo(args),
        Command::Init { folder } => init::init(folder),
        Command::New(args) => new::new(args),
        Command::Generate(args) => generate::generate(args),
        Command::Import(args) => import::import(args),
        Command::Schema => init::schema(),
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
