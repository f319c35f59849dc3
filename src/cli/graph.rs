//! `kairos graph`: one journey as a picture.

use super::failure::{Failure, NOT_SO};
use super::output::print;
use super::pack;
use crate::define::ast::{JourneyDef, Pack};
use crate::define::compile::Keep;
use crate::define::diagnostic::nearest;
use crate::draw::{Flow, mermaid, svg};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  kairos graph abandoned-cart --pack dataflows/retail
  kairos graph abandoned-cart --pack dataflows/retail --format svg --out abandoned-cart.svg

Mermaid is what GitHub, GitLab and many wikis draw in a ```mermaid block; the SVG needs nothing else.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct GraphArgs {
    /// The journey to draw
    journey: String,
    /// The pack: a folder of YAML files, or one file
    #[arg(long, value_name = "DIR")]
    pack: PathBuf,
    /// How it is drawn
    #[arg(long, value_enum, default_value_t = Format::Mermaid)]
    format: Format,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Mermaid,
    Svg,
}

/// Draws a journey.
pub(super) fn graph(args: &GraphArgs) -> Result<u8, Failure> {
    let (pack, _) = pack::load(&args.pack, Keep::Used)?;
    let flow = Flow::of(journey(&pack, &args.journey)?);
    let text = match args.format {
        Format::Mermaid => mermaid(&flow),
        Format::Svg => svg(&flow),
    };
    match &args.out {
        None => print(text)?,
        Some(path) => {
            let written = std::fs::write(path, text);
            written.map_err(|error| Failure::writing(path.display(), &error))?;
        }
    }
    Ok(0)
}

/// The journey of this name, or who may have been meant.
pub(super) fn journey<'p>(pack: &'p Pack, name: &str) -> Result<&'p JourneyDef, Failure> {
    if let Some(found) = pack.journeys.iter().find(|journey| journey.name.node == name) {
        return Ok(found);
    }
    let mut names: Vec<&str> =
        pack.journeys.iter().map(|journey| journey.name.node.as_str()).collect();
    names.sort_unstable();
    let failure = Failure::failed(format!("there is no journey {name}"));
    let failure = Failure { code: NOT_SO, ..failure };
    Err(match nearest(name, names.iter().copied()) {
        Some(near) => failure.hint(format!("did you mean \"{near}\"?")),
        None if names.is_empty() => failure.hint("the pack has no journeys"),
        None => failure.hint(format!("there are {}", names.join(", "))),
    })
}
