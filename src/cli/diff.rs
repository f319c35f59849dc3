//! `kairos diff`: what two packs would decide differently over one history.

use super::failure::Failure;
use super::history::{HistoryArgs, Played};
use super::output::{bold, dim, print};
use super::report::{count, list, text};
use super::table::Table;
use super::{input, pack};
use crate::define::ast::SourceFile;
use crate::define::compile::Keep;
use crate::define::definitions::compile_files;
use crate::define::plan::Plan;
use crate::history::{Decided, Diff, Runs, Takeover};
use crate::person::Person;
use crate::time::format;
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// `--in` takes all that comes after it, so that the packs have to come first.
const USAGE: &str = "kairos diff <PACK_A> <PACK_B> --in <FILE>... [OPTIONS]";

const EXAMPLES: &str = "\
Examples:
  kairos diff shop shop-next --in events.jsonl
  kairos diff shop shop-next --in 2025.jsonl.zst --until 2026-02-01 --examples 10
  kairos diff shop shop-next --in events.jsonl --json > diff.json

Nothing is written. Messages are held together by journey, person, key, channel and template.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, override_usage = USAGE)]
pub(super) struct DiffArgs {
    /// The pack as it is: a folder of YAML files, or one file
    #[arg(value_name = "PACK_A")]
    a: PathBuf,
    /// The pack that may follow it
    #[arg(value_name = "PACK_B")]
    b: PathBuf,
    #[command(flatten)]
    history: HistoryArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// How many examples of each difference are shown
    #[arg(long, value_name = "N", default_value_t = 1)]
    examples: usize,
}

/// A pack and what it decided.
struct Side {
    plan: Arc<Plan>,
    runs: Runs,
    played: Played,
}

/// Holds what one pack decides to what another decides.
pub(super) fn diff(args: &DiffArgs) -> Result<u8, Failure> {
    if args.history.inputs.iter().any(|path| path.as_os_str() == input::DASH) {
        return Err(Failure::usage("standard input cannot be read twice")
            .hint("write it to a file first; each pack reads the whole history"));
    }
    let files = pack::read(&args.b)?;
    // Mistakes of both are told.
    let (a, b) = (pack::load(&args.a, Keep::Used), pack::load(&args.b, Keep::Used));
    let (mut a, b) = (side(args, a?.1)?, side(args, b?.1)?);
    let persons = std::mem::take(&mut a.played.finished.persons);
    let diff = Diff::of(&a.runs, &b.runs, args.examples);
    let said = json!({
        "a": args.a.display().to_string(),
        "b": args.b.display().to_string(),
        "sent_alike": diff.sent_alike,
        "held_alike": diff.held_alike,
        "differences": diff.told(),
        "open": open(&a, &b),
        "takes_effect": takes_effect(&a, &files, persons),
        "to": (a.played.finished.end > i64::MIN).then(|| format(a.played.finished.end)),
    });
    match args.json {
        true => print(format_args!("{said:#}\n"))?,
        false => print(told(&said))?,
    }
    Ok(0)
}

fn side(args: &DiffArgs, plan: Arc<Plan>) -> Result<Side, Failure> {
    let decided = Decided::default();
    let played = args.history.play(plan.clone(), Box::new(decided.clone()), true)?;
    Ok(Side { plan, runs: decided.take(), played })
}

/// People inside journeys at the end of history, by journey, under each pack.
fn open(a: &Side, b: &Side) -> Vec<Value> {
    let mut open: BTreeMap<String, [i64; 2]> = BTreeMap::new();
    for (at, side) in [a, b].into_iter().enumerate() {
        for journey in list(&side.played.finished.report.reports()["journeys"]) {
            let counts = open.entry(text(&journey["name"])).or_default();
            counts[at] = journey["open"].as_i64().unwrap_or(0);
        }
    }
    let told = |(name, [a, b]): (String, [i64; 2])| json!({"journey": name, "a": a, "b": b});
    open.into_iter().map(told).collect()
}

/// What becomes of people inside A's journeys when B takes effect at the end of history.
fn takes_effect(a: &Side, files: &[SourceFile], persons: Vec<Person>) -> Value {
    match compile_files(files, Keep::Used, Some(&a.plan)) {
        Ok((_, plan)) => json!({
            "at_next_start": plan.feeds_back() && !a.plan.feeds_back(),
            "definitions": definitions(&plan, &a.plan),
            "instances": Takeover::of(persons, &plan, a.played.finished.end).told(),
        }),
        Err(mistakes) => json!({"refused": mistakes.to_string()}),
    }
}

/// Definitions that are not what they were.
fn definitions(plan: &Plan, before: &Plan) -> Vec<Value> {
    let told = |changed: crate::define::plan::Changed| json!({"what": changed.what, "name": changed.name, "difference": changed.difference.as_str()});
    plan.changes_since(before).into_iter().map(told).collect()
}

fn told(said: &Value) -> String {
    let mut out = format!("A {}\nB {}\n", bold(text(&said["a"])), bold(text(&said["b"])));
    let alike = format!(
        "{} messages are sent alike, {} are held alike",
        count(&said["sent_alike"]),
        count(&said["held_alike"])
    );
    let differences = list(&said["differences"]);
    match differences.is_empty() {
        true => out += &format!("\nno difference: {alike}\n"),
        false => out += &format!("{alike}\n\n{}{}", cases(differences), examples(differences)),
    }
    out += &under_way(said);
    out
}

fn cases(differences: &[Value]) -> String {
    let mut table = Table::new(["journey", "difference", "A", "B", "messages"]);
    for it in differences {
        let [journey, kind, a, b] = ["journey", "difference", "a", "b"].map(|what| text(&it[what]));
        table.push([journey, kind, a, b, count(&it["messages"])]);
    }
    table.without_repeats(2).to_string()
}

fn examples(differences: &[Value]) -> String {
    let (mut out, mut above) = (String::new(), String::new());
    for it in differences {
        let head = format!("{} {}", bold(text(&it["journey"])), text(&it["difference"]));
        for shown in list(&it["examples"]) {
            if above != head {
                out += &format!("\n{head}, for example\n");
                above.clone_from(&head);
            }
            out += &example(shown);
        }
    }
    out
}

fn example(shown: &Value) -> String {
    let key = shown["key"].as_str().map_or(String::new(), |key| format!(" {key}"));
    let [person, channel, template] =
        ["person", "channel", "template"].map(|what| text(&shown[what]));
    let mut out = format!("  {person}{key}  {channel} {template}\n");
    for side in ["a", "b"] {
        let it = &shown[side];
        let at = it["at"].as_str().map_or(String::new(), |at| format!("{}Z", &at[..19]));
        let step = it["step"].as_str().map_or(String::new(), |step| format!(" (step {step})"));
        let line = format!("    {}  {at:<20}  {}{step}", side.to_uppercase(), text(&it["reason"]));
        out += &format!("{line}\n");
    }
    out
}

/// People inside journeys, and what becomes of them.
fn under_way(said: &Value) -> String {
    let mut open = Table::new(["people inside a journey now", "A", "B"]);
    for it in list(&said["open"]).iter().filter(|it| it["a"] != 0 || it["b"] != 0) {
        open.push([text(&it["journey"]), count(&it["a"]), count(&it["b"])]);
    }
    let mut out = String::new();
    if !open.is_empty() {
        out += &format!("\n{open}");
    }
    if let Some(refused) = said["takes_effect"]["refused"].as_str() {
        return out + &format!("\nB cannot take effect where A is under way:\n{refused}\n");
    }
    let mut then = Table::new(["when B takes effect", "people inside it", "instances"]);
    for it in list(&said["takes_effect"]["instances"]) {
        then.push([text(&it["journey"]), text(&it["then"]), count(&it["instances"])]);
    }
    if !then.is_empty() {
        out += &format!("\n{}", then.without_repeats(1));
    }
    if said["takes_effect"]["at_next_start"] == true {
        out += "\nB has groups, a catalogue or comparisons of customers, and A has none: a live run of A takes it at its next start\n";
    }
    let changed = list(&said["takes_effect"]["definitions"]).iter();
    let changed: Vec<String> = changed
        .map(|it| ["what", "name", "difference"].map(|word| text(&it[word])).join(" "))
        .collect();
    if !changed.is_empty() {
        out += &format!("\n{}\n", dim(format!("definitions: {}", changed.join(", "))));
    }
    out
}
