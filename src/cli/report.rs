//! `kairos report`: audiences and reports of a running instance, or of a finished run, as tables.

use super::failure::{Failure, NOT_SO};
use super::http::{Request, ask, reachable};
use super::output::{bold, dim, print};
use super::table::Table;
use super::values::grouped;
use crate::config::{Config, http_token};
use crate::define::diagnostic::nearest;
use clap::Args;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an instance may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Pairs of segments that are shown; `--json` has all.
const PAIRS_SHOWN: usize = 20;

const EXAMPLES: &str = "\
Examples:
  kairos report --config config/kafka.toml
  kairos report abandoned-cart --config config/kafka.toml
  KAIROS_HTTP_TOKEN=… kairos report --url http://10.0.0.7:9464 --json
  kairos run --pack shop --in events.jsonl --out out --report report.json
  kairos report abandoned-cart --file report.json";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReportArgs {
    /// The journey to show in full [default: all audiences, and all journeys in short]
    journey: Option<String>,
    /// The configuration of a running instance
    #[arg(long, value_name = "FILE", required_unless_present_any = ["url", "file"], conflicts_with_all = ["url", "file"])]
    config: Option<PathBuf>,
    /// Where a running instance answers over HTTP, such as http://127.0.0.1:9464
    #[arg(long, value_name = "URL", value_parser = address, conflicts_with = "file")]
    url: Option<SocketAddr>,
    /// What a finished run has written with --report
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An address, with or without `http://` before it.
fn address(text: &str) -> Result<SocketAddr, String> {
    let bare = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let bare = bare.replace("localhost", "127.0.0.1");
    bare.parse().map_err(|_| "write an address with its port, such as http://127.0.0.1:9464".into())
}

/// Shows audiences and journeys, or one journey.
pub(super) fn report(args: &ReportArgs) -> Result<u8, Failure> {
    let said = match &args.file {
        Some(path) => of_file(path, args.journey.as_deref())?,
        None => of_instance(args)?,
    };
    match (args.json, &args.journey) {
        (true, _) => print(format_args!("{said:#}\n"))?,
        (false, Some(_)) => print(told_journey(&said))?,
        (false, None) => print(told_all(&said))?,
    }
    Ok(0)
}

fn of_file(path: &Path, journey: Option<&str>) -> Result<Value, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::reading(path, &error))?;
    let all: Value = serde_json::from_str(&text).unwrap_or_default();
    let Some(journeys) = all["journeys"].as_array() else {
        let message = format!("{} is no report", path.display());
        return Err(Failure::failed(message).hint("kairos run … --report FILE writes one"));
    };
    let Some(name) = journey else { return Ok(all) };
    let Some(found) = journeys.iter().find(|journey| journey["name"] == name) else {
        let names = journeys.iter().filter_map(|journey| journey["name"].as_str());
        let names: Vec<&str> = names.collect();
        let failure = Failure::failed(format!("there is no journey {name}"));
        let failure = Failure { code: NOT_SO, ..failure };
        return Err(match nearest(name, names.iter().copied()) {
            Some(near) => failure.hint(format!("did you mean \"{near}\"?")),
            None => failure.hint(format!("there are {}", names.join(", "))),
        });
    };
    let mut found = found.clone();
    found["as_of"] = all["as_of"].clone();
    Ok(found)
}

fn of_instance(args: &ReportArgs) -> Result<Value, Failure> {
    let (address, token) = instance(args)?;
    let get = |path: &str| -> Result<Value, Failure> {
        let token = token.as_deref();
        let request = Request { method: "GET", path, token, body: "", patience: PATIENCE };
        let (_, said) = ask(reachable(address), &request).map_err(|error| {
            Failure::failed(format!("nothing is known of {address}: {error}"))
                .hint("is it running? its log tells where it serves")
        })?;
        let Some(error) = said["error"].as_str() else { return Ok(said) };
        let failure = Failure { code: NOT_SO, ..Failure::failed(error) };
        Err(match said["hint"].as_str() {
            Some(hint) => failure.hint(hint),
            None => failure,
        })
    };
    if let Some(journey) = &args.journey {
        return get(&format!("/v1/reports/{}", in_path(journey)));
    }
    let (audiences, overlap) = (get("/v1/audiences")?, get("/v1/audiences/overlap")?);
    let journeys = get("/v1/reports")?;
    Ok(json!({
        "as_of": journeys["as_of"],
        "audiences": audiences["audiences"],
        "overlaps": overlap["overlaps"],
        "journeys": journeys["journeys"],
    }))
}

/// Text as a part of a path.
fn in_path(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    let part = |byte: u8| match plain(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(part).collect()
}

fn instance(args: &ReportArgs) -> Result<(SocketAddr, Option<String>), Failure> {
    if let Some(address) = args.url {
        let token = http_token().map_err(Failure::failed)?;
        return Ok((address, token.map(|token| token.reveal().to_owned())));
    }
    let path = args.config.as_deref().unwrap_or(Path::new(""));
    let config = Config::load(path).map_err(|error| Failure::mistakes(error.to_string()))?;
    let token = config.http.token.as_ref().map(|token| token.reveal().to_owned());
    match config.http.address {
        Some(address) => Ok((address, token)),
        None => Err(Failure::failed("the instance answers nobody: address = \"off\" in [http]")),
    }
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(super) fn count(value: &Value) -> String {
    match value.as_i64() {
        Some(count) if count < 0 => format!("-{}", grouped(count.unsigned_abs())),
        count => grouped(count.unwrap_or(0).unsigned_abs()),
    }
}

/// A share as a percentage; nothing of nothing.
fn percent(value: &Value) -> String {
    value.as_f64().map_or(String::new(), |share| format!("{:.1}%", share * 100.0))
}

fn signed_percent(value: &Value) -> String {
    value.as_f64().map_or(String::new(), |share| format!("{:+.1}%", share * 100.0))
}

fn as_of(said: &Value) -> String {
    let instant = said["as_of"].as_str();
    instant.map_or(String::new(), |instant| format!("{}\n", dim(format!("as of {instant}"))))
}

fn told_all(said: &Value) -> String {
    let mut audiences = Table::new([
        "segment",
        "members",
        "entered",
        "left",
        "entered, last hour",
        "left, last hour",
    ]);
    for it in list(&said["audiences"]) {
        let [members, entered, left] = ["members", "entered", "left"].map(|what| count(&it[what]));
        let [into, out] = ["entered", "left"].map(|what| count(&it["last_hour"][what]));
        audiences.push([text(&it["name"]), members, entered, left, into, out]);
    }
    let mut pairs: Vec<&Value> = list(&said["overlaps"]).iter().collect();
    pairs.sort_by_key(|pair| std::cmp::Reverse(pair["members"].as_i64()));
    let mut overlaps = Table::new(["in", "and in", "members"]);
    for pair in pairs.iter().take(PAIRS_SHOWN) {
        overlaps.push([text(&pair["of"]), text(&pair["and"]), count(&pair["members"])]);
    }
    let mut journeys = Table::new([
        "journey",
        "entered",
        "open",
        "sent",
        "deferred",
        "dropped",
        "converted",
        "conversion",
        "revenue",
    ]);
    for it in list(&said["journeys"]) {
        let [entered, open, converted] =
            ["entered", "open", "converted"].map(|what| count(&it[what]));
        let [sent, deferred, dropped] =
            ["sent", "deferred", "dropped"].map(|what| count(&it["messages"][what]));
        let (conversion, revenue) = (percent(&it["conversion"]), text(&it["revenue"]));
        let name = text(&it["name"]);
        journeys
            .push([name, entered, open, sent, deferred, dropped, converted, conversion, revenue]);
    }
    let tables = [
        (!audiences.is_empty()).then(|| audiences.to_string()),
        (!overlaps.is_empty()).then(|| overlaps.to_string()),
        (!journeys.is_empty()).then(|| journeys.to_string()),
    ];
    as_of(said) + &tables.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn told_journey(said: &Value) -> String {
    let mut out = format!("{}  {}", bold(text(&said["name"])), as_of(said));
    let mut funnel = Table::new(["", "instances"]);
    let mut row = |what: String, value: &Value| funnel.push([what, count(value)]);
    row("entered".into(), &said["entered"]);
    for step in list(&said["steps"]) {
        row(format!("  {} {}", text(&step["step"]), text(&step["kind"])), &step["reached"]);
    }
    row("open now".into(), &said["open"]);
    row("converted".into(), &said["converted"]);
    let exits = said["exits"].as_object().into_iter().flatten();
    for (reason, of) in exits.filter(|(reason, of)| *reason != "goal" && of.as_u64() != Some(0)) {
        row(format!("ended: {reason}"), of);
    }
    out += &funnel.to_string();
    let (conversion, revenue) = (percent(&said["conversion"]), text(&said["revenue"]));
    if !conversion.is_empty() {
        out += &format!("\nconversion {conversion}, revenue {revenue}\n");
    }
    let sends = sends(said);
    if !sends.is_empty() {
        out += &format!("\n{}", sends.without_repeats(1));
    }
    let splits = splits(said);
    if !splits.is_empty() {
        out += &format!("\n{}", splits.without_repeats(1));
    }
    out
}

fn sends(said: &Value) -> Table<3> {
    let mut sends = Table::new(["message", "decision", "count"]);
    for send in list(&said["sends"]) {
        let label = ["step", "channel", "template"].map(|what| text(&send[what])).join(" ");
        sends.push([label.clone(), "send".into(), count(&send["sent"])]);
        for (word, by) in [("defer", &send["deferred_by"]), ("drop", &send["dropped_by"])] {
            for (reason, of) in by.as_object().into_iter().flatten() {
                sends.push([label.clone(), format!("{word}: {reason}"), count(of)]);
            }
        }
    }
    sends
}

fn splits(said: &Value) -> Table<8> {
    let mut splits = Table::new([
        "split",
        "arm",
        "assigned",
        "converted",
        "conversion",
        "revenue",
        "each",
        "uplift on hold-out",
    ]);
    for split in list(&said["splits"]) {
        for arm in list(&split["arms"]) {
            let name = text(&arm["name"]);
            let held_out = arm["hold_out"] == true;
            let name = if held_out { format!("{name} (hold-out)") } else { name };
            let uplift = &arm["uplift"];
            let each = uplift["revenue_each"].as_str().map_or(String::new(), |each| {
                let sign = if each.starts_with('-') { "" } else { "+" };
                format!(", {sign}{each} each")
            });
            let points = signed_percent(&uplift["conversion"]);
            splits.push([
                format!("step {}", text(&split["step"])),
                name,
                count(&arm["assigned"]),
                count(&arm["converted"]),
                percent(&arm["conversion"]),
                text(&arm["revenue"]),
                text(&arm["revenue_each"]),
                format!("{points}{each}"),
            ]);
        }
    }
    splits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_journey_with_its_arms() {
        let arm = |name: &str, hold_out: bool, uplift: Value| {
            json!({
                "name": name, "hold_out": hold_out, "assigned": 1200, "converted": 30,
                "conversion": 0.025, "revenue": "900.5", "revenue_each": "0.750417", "uplift": uplift,
            })
        };
        let gained = json!({"conversion": 0.01, "relative": null, "revenue_each": "0.5"});
        let said = json!({
            "name": "cart", "as_of": "2026-03-02T09:00:00.000Z", "entered": 2400, "open": 7,
            "converted": 60, "conversion": 0.025, "revenue": "1801",
            "exits": {"finished": 2, "exit": 0, "goal": 60},
            "steps": [{"step": "1", "kind": "wait", "reached": 2400}],
            "sends": [{"step": "2", "channel": "email", "template": "t", "sent": 9, "dropped_by": {"consent": 3}}],
            "splits": [{"step": "1", "arms": [arm("a", false, gained), arm("b", true, Value::Null)]}],
        });
        let told = anstream::adapter::strip_str(&told_journey(&said)).to_string();
        let expected = "\
cart  as of 2026-03-02T09:00:00.000Z
                 instances
entered              2,400
  1 wait             2,400
open now                 7
converted               60
ended: finished          2

conversion 2.5%, revenue 1801

message    decision       count
2 email t  send               9
           drop: consent      3

split   arm           assigned  converted  conversion  revenue      each  uplift on hold-out
step 1  a                1,200         30        2.5%    900.5  0.750417  +1.0%, +0.5 each
        b (hold-out)     1,200         30        2.5%    900.5  0.750417
";
        assert_eq!(told, expected, "{told}");
    }

    #[test]
    fn addresses_and_names_as_they_are_written() {
        for text in ["http://127.0.0.1:9464/", "127.0.0.1:9464", "http://localhost:9464"] {
            assert_eq!(address(text).unwrap().to_string(), "127.0.0.1:9464");
        }
        assert!(address("shop").is_err());
        assert_eq!(in_path("a-b c/ö"), "a-b%20c%2F%C3%B6");
    }
}
