//! A backtest in JSON → one HTML page that needs nothing from outside: charts in SVG, and every number in a table.

use crate::draw::{self, SERIES, escaped, over_time};
use crate::event;
use serde_json::Value;
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");

/// The page.
pub fn page(said: &Value) -> String {
    let title = format!("Backtest of {}", text(&said["pack"]));
    let mut out = String::new();
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}{}</style>\n</head>\n<body>\n\
         <header><h1>{title}</h1><p>{} to {} UTC, {} events of {} persons</p></header>\n",
        draw::STYLE,
        minute(&said["from"]),
        minute(&said["to"]),
        grouped(&said["events"]),
        grouped(&said["persons"]),
        title = escaped(&title),
    );
    out += &totals(said);
    out += &load(&said["load"], text(&said["time_zone"]));
    out += &journeys(said);
    out += &reasons(said);
    out += "</body>\n</html>\n";
    out
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn count(value: &Value) -> u64 {
    value.as_i64().unwrap_or(0).max(0).unsigned_abs()
}

fn grouped(value: &Value) -> String {
    event::grouped(count(value))
}

/// An instant to the minute.
fn minute(value: &Value) -> String {
    let instant = text(value);
    instant.get(..16).unwrap_or(instant).replace('T', " ")
}

fn sum(said: &Value, of: impl Fn(&Value) -> u64) -> u64 {
    list(&said["journeys"]).iter().map(of).sum()
}

/// The few figures that say how it went.
fn totals(said: &Value) -> String {
    let messages = |how: &'static str| move |journey: &Value| count(&journey["messages"][how]);
    let busiest = &said["load"]["busiest_minute"];
    let at = if busiest.is_null() { String::new() } else { minute(&busiest["at"]) + " UTC" };
    let figures = [
        ("entered", sum(said, |journey| count(&journey["entered"])), String::new()),
        ("sent", sum(said, messages("sent")), String::new()),
        ("deferred", sum(said, messages("deferred")), String::new()),
        ("dropped", sum(said, messages("dropped")), String::new()),
        ("goals reached", sum(said, |journey| count(&journey["converted"])), String::new()),
        (
            "of them in the window",
            sum(said, |journey| count(&journey["in_window"]["converted"])),
            format!("up to {} after the last message", text(&said["window"])),
        ),
        ("in the busiest minute", count(&busiest["sent"]), at),
    ];
    let mut out = String::from("<section class=\"figures\">\n");
    for (what, figure, more) in figures {
        let figure = event::grouped(figure);
        let _ = writeln!(
            out,
            "<div><b>{figure}</b><span>{what}</span><small>{}</small></div>",
            escaped(&more)
        );
    }
    out + "</section>\n"
}

/// When messages were sent: a chart, and the same as a table.
fn load(load: &Value, zone: &str) -> String {
    let unit = text(&load["unit"]);
    let channels = list(&load["channels"]);
    let labels: Vec<String> = list(&load["local"]).iter().map(|it| text(it).to_owned()).collect();
    let counts = |channel: &Value| list(&channel["sent_by_step"]).iter().map(count).collect();
    let series: Vec<Vec<u64>> = channels.iter().map(counts).collect();
    let mut out = format!("<section><h2>Messages sent by {unit}</h2>\n");
    if channels.is_empty() {
        return out + "<p>Nothing was sent.</p></section>\n";
    }
    out += "<p class=\"legend\">";
    for (number, channel) in channels.iter().enumerate() {
        let (name, series) = (escaped(text(&channel["channel"])), number % SERIES);
        let _ = write!(out, "<span><i class=\"s{series}\"></i>{name}</span>");
    }
    out += "</p>\n";
    out += &over_time(&format!("Messages sent by {unit} and channel"), &labels, &series);
    let _ = write!(out, "\n<p class=\"note\">Times are those of {}.</p>\n", escaped(zone));
    let names: Vec<&str> = channels.iter().map(|channel| text(&channel["channel"])).collect();
    out += "<table><thead><tr><th>channel</th><th>sent</th><th>in its busiest minute</th><th class=\"text\">which is</th></tr></thead><tbody>\n";
    for channel in channels {
        let busiest = &channel["busiest_minute"];
        let cells = [grouped(&channel["sent"]), grouped(&busiest["sent"]), minute(&busiest["at"])];
        let [sent, most, at] = cells;
        let name = escaped(text(&channel["channel"]));
        let _ = writeln!(
            out,
            "<tr><th>{name}</th><td>{sent}</td><td>{most}</td><td class=\"text\">{at} UTC</td></tr>"
        );
    }
    out += "</tbody></table>\n";
    out += &steps(unit, &labels, &names, &series);
    out + "</section>\n"
}

fn steps(unit: &str, labels: &[String], names: &[&str], series: &[Vec<u64>]) -> String {
    let mut out =
        format!("<details><summary>Every {unit}</summary><table><thead><tr><th>{unit}</th>");
    names.iter().for_each(|name| out += &format!("<th>{}</th>", escaped(name)));
    out += "</tr></thead><tbody>\n";
    for (at, label) in labels.iter().enumerate() {
        let _ = write!(out, "<tr><th>{}</th>", escaped(label));
        for counts in series {
            let sent = event::grouped(counts.get(at).copied().unwrap_or(0));
            let _ = write!(out, "<td>{sent}</td>");
        }
        out += "</tr>\n";
    }
    out + "</tbody></table></details>\n"
}

/// A bar as long as its share of the most.
fn bar(of: u64, most: u64) -> String {
    let share = if most == 0 { 0.0 } else { of as f64 * 100.0 / most as f64 };
    format!(
        "<td class=\"bar\"><svg aria-hidden=\"true\"><rect width=\"{share:.2}%\" height=\"100%\" rx=\"2\"/></svg></td>"
    )
}

fn journeys(said: &Value) -> String {
    let sent = |journey: &Value| count(&journey["messages"]["sent"]);
    let most = list(&said["journeys"]).iter().map(sent).max().unwrap_or(0);
    let mut out = String::from(
        "<section><h2>Journeys</h2>\n<table><thead><tr><th>journey</th><th>entered</th><th>open</th>\
         <th colspan=\"2\">sent</th><th class=\"text\">by channel</th><th>deferred</th><th>dropped</th><th>goals</th><th>value</th>\
         <th>in the window</th><th>value</th></tr></thead><tbody>\n",
    );
    for journey in list(&said["journeys"]) {
        let messages = &journey["messages"];
        let by = messages["sent_by"].as_object().into_iter().flatten();
        let by = by.filter(|(_, sent)| count(sent) > 0);
        let by: Vec<String> = by
            .map(|(channel, sent)| format!("{}&nbsp;{}", escaped(channel), grouped(sent)))
            .collect();
        let inside = &journey["in_window"];
        let _ = writeln!(
            out,
            "<tr><th>{}</th><td>{}</td><td>{}</td><td>{}</td>{}<td class=\"text\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(text(&journey["name"])),
            grouped(&journey["entered"]),
            grouped(&journey["open"]),
            grouped(&messages["sent"]),
            bar(sent(journey), most),
            by.join(", "),
            grouped(&messages["deferred"]),
            grouped(&messages["dropped"]),
            grouped(&journey["converted"]),
            escaped(text(&journey["revenue"])),
            grouped(&inside["converted"]),
            escaped(text(&inside["revenue"])),
        );
    }
    out + "</tbody></table></section>\n"
}

/// What held messages, the most frequent first.
fn reasons(said: &Value) -> String {
    let mut rows: Vec<(u64, &str, &str, &str)> = Vec::new();
    for journey in list(&said["journeys"]) {
        for (word, how) in [("defer", "deferred_by"), ("drop", "dropped_by")] {
            let held = journey["messages"][how].as_object().into_iter().flatten();
            rows.extend(held.map(|(reason, held)| {
                (count(held), text(&journey["name"]), word, reason.as_str())
            }));
        }
    }
    rows.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| (a.1, a.2, a.3).cmp(&(b.1, b.2, b.3))));
    let most = rows.first().map_or(0, |row| row.0);
    let mut out = String::from("<section><h2>What held messages</h2>\n");
    if rows.is_empty() {
        return out + "<p>Nothing was deferred or dropped.</p></section>\n";
    }
    out += "<table><thead><tr><th>journey</th><th class=\"text\">decision</th><th class=\"text\">reason</th><th colspan=\"2\">messages</th></tr></thead><tbody>\n";
    for (held, journey, word, reason) in rows {
        let [journey, reason] = [journey, reason].map(escaped);
        let held_text = event::grouped(held);
        let _ = writeln!(
            out,
            "<tr><th>{journey}</th><td class=\"text\">{word}</td><td class=\"text\">{reason}</td><td>{held_text}</td>{}</tr>",
            bar(held, most)
        );
    }
    out + "</tbody></table></section>\n"
}
