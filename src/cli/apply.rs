//! `kairos apply`: definitions for a running instance, without a restart.

use super::failure::{Failure, NOT_SO};
use super::http::{Request, ask, reachable};
use super::output::{bold, dim, good, print, tell};
use super::pack;
use crate::config::{Config, http_token};
use crate::define::compile::Keep;
use crate::define::definitions::Definitions;
use clap::Args;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How long an instance may take: it answers once the definitions are in effect.
const PATIENCE: Duration = Duration::from_secs(20);

const EXAMPLES: &str = "\
Examples:
  kairos apply shop --config config/kafka.toml
  kairos apply shop --config config/kafka.toml --check
  KAIROS_HTTP_TOKEN=… kairos apply shop --to 10.0.0.7:9464

A pack that has mistakes changes nothing. What was applied stays in effect over restarts, until the folder that the instance
was started with is changed.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ApplyArgs {
    /// A folder of YAML files, or one file, that is the whole pack from now on
    pack: PathBuf,
    /// The configuration of the instance
    #[arg(long, value_name = "FILE", required_unless_present = "to", conflicts_with = "to")]
    config: Option<PathBuf>,
    /// Where the instance answers over HTTP
    #[arg(long, value_name = "ADDRESS")]
    to: Option<SocketAddr>,
    /// Only say what would change
    #[arg(long)]
    check: bool,
}

/// Sends the files of a pack to an instance. Exit code 1 if they have mistakes.
pub(super) fn apply(args: &ApplyArgs) -> Result<u8, Failure> {
    // Mistakes are shown with the paths on this side.
    let files = pack::read(&args.pack)?;
    pack::compiled(&files, &args.pack.display().to_string(), Keep::Used)?;
    let (address, token) = instance(args)?;
    let file = |(name, text): &(String, String)| json!({"name": name, "text": text});
    let files: Vec<Value> = Definitions::of_folder(&files).files.iter().map(file).collect();
    let request = Request {
        method: "POST",
        path: if args.check { "/v1/definitions?check=true" } else { "/v1/definitions" },
        token: token.as_deref(),
        body: &json!({"files": files}).to_string(),
        patience: PATIENCE,
    };
    let (status, said) = ask(reachable(address), &request).map_err(|error| {
        Failure::failed(format!("nothing is known of {address}: {error}"))
            .hint("is it running? its log tells where it serves")
    })?;
    if let Some(mistakes) = said["mistakes"].as_str() {
        tell(mistakes);
    }
    if let Some(error) = said["error"].as_str() {
        let failure = Failure { code: NOT_SO, ..Failure::failed(error.to_owned()) };
        return Err(match said["hint"].as_str() {
            Some(hint) => failure.hint(hint.to_owned()),
            None => failure,
        });
    }
    print(told(&said, status, args.check))?;
    Ok(0)
}

fn instance(args: &ApplyArgs) -> Result<(SocketAddr, Option<String>), Failure> {
    let Some(path) = &args.config else {
        let token = http_token().map_err(Failure::failed)?;
        let address = args.to.expect("one of the two is required");
        return Ok((address, token.map(|token| token.reveal().to_owned())));
    };
    let config = Config::load(path).map_err(|error| Failure::mistakes(error.to_string()))?;
    let token = config.http.token.as_ref().map(|token| token.reveal().to_owned());
    match config.http.address {
        Some(address) => Ok((address, token)),
        None => Err(Failure::failed("the instance answers nobody: address = \"off\" in [http]")),
    }
}

fn told(said: &Value, status: u16, check: bool) -> String {
    let changes: Vec<String> =
        said["changes"].as_array().into_iter().flatten().map(change).collect();
    let head = match (status, said["state"].as_str()) {
        (202, _) => {
            format!("{}: it takes effect when the log has been repeated\n", bold("accepted"))
        }
        (_, Some("in effect")) => format!("{}\n", good("in effect")),
        _ if check && !changes.is_empty() => format!("{}, not applied\n", good("no mistakes")),
        _ => format!("{}\n", good("nothing changes")),
    };
    head + &changes.concat()
}

fn change(it: &Value) -> String {
    let text = |key: &str| it[key].as_str().unwrap_or_default();
    let what = format!("{:<8}", text("what"));
    format!("  {:<8} {} {}\n", text("change"), dim(what), text("name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_changes() {
        let said = json!({"state": "in effect", "version": 2, "changes": [
            {"what": "journey", "name": "cart", "change": "changed"},
            {"what": "segment", "name": "vip", "change": "added"},
        ]});
        let text =
            |status, check| anstream::adapter::strip_str(&told(&said, status, check)).to_string();
        let changes = "  changed  journey  cart\n  added    segment  vip\n";
        assert_eq!(text(200, false), format!("in effect\n{changes}"));
        assert!(text(202, false).starts_with("accepted: "));
        let checked = json!({"state": "checked", "changes": []});
        assert!(told(&checked, 200, true).contains("nothing changes"));
    }
}
