//! `kairos backtest`: what a pack would have decided over a history.

use super::failure::Failure;
use super::history::{HistoryArgs, Played};
use super::output::{bold, print};
use super::report::{count, list, text};
use super::table::Table;
use super::{pack, values};
use crate::define::compile::Keep;
use crate::define::parse::literals::written;
use crate::define::plan::Plan;
use crate::history::{Backtest, page};
use crate::time::{DAY, HOUR, MINUTE, format};
use clap::Args;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

const EXAMPLES: &str = "\
Examples:
  kairos backtest --pack dataflows/retail --in events.jsonl
  kairos backtest --pack dataflows/retail --in 2025.jsonl.zst --until 2026-02-01 --html backtest.html
  kairos backtest --pack shop --in events.jsonl --window 2d --json backtest.json

Nothing is written but the reports that are asked for. A goal is in the window if it is reached at most so long after
the last message of its instance.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct BacktestArgs {
    /// The pack: a folder of YAML files, or one file
    #[arg(long, value_name = "DIR")]
    pack: PathBuf,
    #[command(flatten)]
    history: HistoryArgs,
    /// How long after the last message a goal still counts as reached by it
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = values::duration)]
    window: i64,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as one HTML page, with charts
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Runs a pack over a history and reports what came of it.
pub(super) fn backtest(args: &BacktestArgs) -> Result<u8, Failure> {
    let (_, plan) = pack::load(&args.pack, Keep::Used)?;
    let heard = Backtest::new(args.window);
    let played = args.history.play(plan.clone(), Box::new(heard.clone()), false)?;
    let said = said(args, &plan, &heard, &played);
    if let Some(path) = &args.json {
        write(path, &format!("{said:#}\n"))?;
    }
    if let Some(path) = &args.html {
        write(path, &page(&said))?;
    }
    print(told(&said))?;
    Ok(0)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| Failure::writing(path.display(), &error))
}

/// The whole report in JSON, which the table and the page are made of.
fn said(args: &BacktestArgs, plan: &Plan, heard: &Backtest, played: &Played) -> Value {
    let Played { finished, intake } = played;
    let (from, to) = (intake.start.load(Ordering::Relaxed), finished.end);
    let zone = &plan.policy.zone;
    let mut load = heard.load().told(from, to, zone);
    // As the clocks of the pack's time zone show the steps.
    let local = |step: &Value| {
        let at = step.as_str().and_then(crate::time::parse).unwrap_or(0);
        let day = format(zone.day(at) * DAY);
        let minute = i64::from(zone.minute_of_day(at));
        match load["unit"].as_str() {
            Some("day") => day[..10].to_owned(),
            _ => format!("{} {:02}:{:02}", &day[5..10], minute * MINUTE / HOUR, minute % 60),
        }
    };
    let local: Vec<String> = list(&load["steps"]).iter().map(local).collect();
    load["local"] = local.into();
    json!({
        "pack": args.pack.display().to_string(),
        "from": (from <= to).then(|| format(from)),
        "to": (from <= to).then(|| format(to)),
        "events": finished.counts.events,
        "persons": finished.counts.persons,
        "late": finished.counts.late,
        "time_zone": zone.name(),
        "window": written(args.window),
        "journeys": heard.journeys(&finished.report.all()),
        "load": load,
    })
}

/// The report as tables.
fn told(said: &Value) -> String {
    let tables = [
        (!list(&said["journeys"]).is_empty()).then(|| journeys(said)),
        messages(said),
        channels(&said["load"]),
        busiest(&said["load"]),
    ];
    head(said) + &tables.into_iter().flatten().map(|it| format!("\n{it}")).collect::<String>()
}

fn head(said: &Value) -> String {
    let (events, persons) = (count(&said["events"]), count(&said["persons"]));
    let span = match (said["from"].as_str(), said["to"].as_str()) {
        (Some(from), Some(to)) => format!(", {}Z to {}Z", &from[..19], &to[..19]),
        _ => String::new(),
    };
    format!("{}  {events} events of {persons} persons{span}\n", bold(text(&said["pack"])))
}

fn journeys(said: &Value) -> String {
    let mut table = Table::new([
        "journey",
        "entered",
        "open",
        "sent",
        "deferred",
        "dropped",
        "goals",
        "value",
        "in window",
        "value in window",
    ]);
    for it in list(&said["journeys"]) {
        let [entered, open, goals] = ["entered", "open", "converted"].map(|what| count(&it[what]));
        let [sent, deferred, dropped] =
            ["sent", "deferred", "dropped"].map(|what| count(&it["messages"][what]));
        let inside = &it["in_window"];
        table.push([
            text(&it["name"]),
            entered,
            open,
            sent,
            deferred,
            dropped,
            goals,
            text(&it["revenue"]),
            count(&inside["converted"]),
            text(&inside["revenue"]),
        ]);
    }
    let window = text(&said["window"]);
    format!("{table}in window: goals reached within {window} after the instance's last message\n")
}

/// Messages by journey, decision and channel or reason.
fn messages(said: &Value) -> Option<String> {
    let mut table = Table::new(["journey", "decision", "messages"]);
    for it in list(&said["journeys"]) {
        let messages = &it["messages"];
        let words =
            [("send", "sent_by"), ("defer:", "deferred_by"), ("drop:", "dropped_by")].into_iter();
        for (word, by) in words {
            for (what, of) in messages[by].as_object().into_iter().flatten() {
                if of.as_u64() != Some(0) {
                    table.push([text(&it["name"]), format!("{word} {what}"), count(of)]);
                }
            }
        }
    }
    (!table.is_empty()).then(|| table.without_repeats(1).to_string())
}

/// What each channel had to carry.
fn channels(load: &Value) -> Option<String> {
    let unit = text(&load["unit"]);
    let mut table = Table::new(["channel", "sent", "peak", "which is", "in a minute", "which is"]);
    for channel in list(&load["channels"]) {
        let by_step = list(&channel["sent_by_step"]);
        let most = by_step.iter().filter_map(Value::as_u64).max().unwrap_or(0);
        let at = by_step.iter().position(|sent| sent.as_u64() == Some(most)).unwrap_or(0);
        let busiest = &channel["busiest_minute"];
        table.push([
            text(&channel["channel"]),
            count(&channel["sent"]),
            values::grouped(most),
            format!("{unit} {}", text(&load["local"][at])),
            count(&busiest["sent"]),
            minute(busiest),
        ]);
    }
    (!table.is_empty()).then(|| table.to_string())
}

fn busiest(load: &Value) -> Option<String> {
    let busiest = &load["busiest_minute"];
    let sent = count(&busiest["sent"]);
    busiest.is_object().then(|| format!("busiest minute: {sent} messages at {}\n", minute(busiest)))
}

/// The minute of a figure, in UTC.
fn minute(busiest: &Value) -> String {
    let at = text(&busiest["at"]);
    format!("{}Z", at.get(..16).unwrap_or(&at))
}
