//! `kairos import`: public data sets as events.

use super::failure::Failure;
use super::input;
use super::output::tell;
use super::target::Target;
use crate::source::import::online_retail::{self, ImportError};
use clap::{Args, Subcommand};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  kairos import online-retail online_retail.csv --out orders.jsonl
  kairos import online-retail online_retail.csv.zst --out orders.jsonl.zst
  kairos import online-retail - < online_retail.csv | kairos run --pack dataflows/retail --in - --out out";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ImportArgs {
    #[command(subcommand)]
    set: Set,
}

#[derive(Subcommand, Debug)]
enum Set {
    /// UCI's Online Retail: a year of a British gift shop, one event an invoice
    #[command(after_help = EXAMPLES)]
    OnlineRetail {
        /// The data as CSV, also .gz or .zst; `-` is standard input
        file: PathBuf,
        /// The file of events, packed if it ends in .gz or .zst; `-` is standard output
        #[arg(long, value_name = "FILE", default_value = "-")]
        out: PathBuf,
    },
}

/// Imports a data set.
pub(super) fn import(args: &ImportArgs) -> Result<u8, Failure> {
    let Set::OnlineRetail { file, out } = &args.set;
    let reader = input::reader(file)?;
    // What is wrong with the input is told apart from what is wrong with the output.
    let mut wrong = None;
    let report = Target::create(out)?.with(|out| match online_retail::import(reader, out) {
        Ok(report) => Ok(Some(report)),
        Err(ImportError::Output(error)) => Err(error),
        Err(error) => {
            wrong = Some(error);
            Ok(None)
        }
    })?;
    if let Some(error) = wrong {
        let failure = Failure::failed(format!("{}: {error}", file.display()));
        return Err(match error {
            ImportError::MissingColumn(_) => {
                failure.hint("save the spreadsheet as CSV, with the header of the original")
            }
            _ => failure,
        });
    }
    if let Some(Some(report)) = report {
        tell(report.to_string().trim_end());
    }
    Ok(0)
}
