//! The live page: what an operator wants to know first, without scripts or anything from elsewhere.

use super::Shared;
use crate::event::grouped;
use crate::metrics::Metrics;
use crate::metrics::outputs::{Outputs, Tally};
use std::fmt::{Display, Write};

/// Seconds between two loads of the page.
const REFRESH: u32 = 5;

/// Partitions that are shown, those furthest behind first.
const PARTITIONS: usize = 12;

/// Milliseconds of watermark delay from which it looks like trouble, and from which it is.
const SLOW: i64 = 5_000;
const TROUBLE: i64 = 30_000;

const MEMORY: &str = "writing to memory";

/// The page as it is now.
pub fn render(shared: &Shared) -> String {
    let (metrics, outputs) = (&*shared.metrics, shared.outputs());
    let tally = outputs.tally();
    let mut page = String::with_capacity(16 * 1024);
    head(&mut page, metrics);
    state(&mut page, metrics);
    cards(&mut page, metrics);
    latencies(&mut page, metrics);
    journeys(&mut page, &tally);
    partitions(&mut page, metrics);
    foot(&mut page, metrics, &outputs);
    page
}

fn head(page: &mut String, metrics: &Metrics) {
    let style = include_str!("page.css");
    let (version, uptime) = (env!("CARGO_PKG_VERSION"), lasting(metrics.uptime()));
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Kairos</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"refresh\" content=\"{REFRESH}\"><style>{style}</style></head>\n<body>\
         <header><h1>Kairos</h1><span class=\"dim\">{version} · up {uptime} · loads again every {REFRESH} s</span></header>\n"
    )
    .expect(MEMORY);
}

/// The one sentence.
fn state(page: &mut String, metrics: &Metrics) {
    let health = &metrics.health;
    let (good, what) = if !health.is_alive() {
        (false, "A thread has failed; the process ends.")
    } else if !health.broker_answers() {
        (false, "The broker does not answer; time stands still.")
    } else if !health.is_caught_up() {
        (false, "Not caught up: messages wait.")
    } else {
        (true, "Caught up.")
    };
    let class = if good { "state" } else { "state bad" };
    write!(page, "<div class=\"{class}\" role=\"status\">{what}").expect(MEMORY);
    let reason = health.reason();
    if !good && !reason.is_empty() {
        write!(page, "<p>{}</p>", Html(&reason)).expect(MEMORY);
    }
    page.push_str("</div>\n");
}

fn cards(page: &mut String, metrics: &Metrics) {
    let card = |page: &mut String, class: &str, figure: &str, what: &str| {
        write!(
            page,
            "<div class=\"card\"><b class=\"{class}\">{figure}</b><span>{what}</span></div>"
        )
        .expect(MEMORY);
    };
    let lags = metrics.lags();
    let behind: u64 = lags.iter().map(|lag| lag.records).sum();
    let oldest = lags.iter().map(|lag| lag.millis).max().unwrap_or(0);
    let delay = metrics.watermark_delay();
    let class = match delay {
        Some(delay) if delay >= TROUBLE => "alarm",
        Some(delay) if delay >= SLOW => "warn",
        _ => "",
    };
    let trigger = metrics.event_to_trigger.recent();
    let timers = metrics.timer_lateness.recent();
    let of_some = |count: u64, micros: u64| if count == 0 { "–".into() } else { short(micros) };
    let failed = metrics.transactions_failed.get();
    page.push_str("<div class=\"cards\">");
    let delay = delay.map_or("–".into(), |delay| lasting_or_short(delay.max(0) as u64));
    card(page, class, &delay, "watermark delay");
    card(page, "", &of_some(trigger.count, trigger.p50), "event to trigger, median");
    card(page, "", &of_some(trigger.count, trigger.p99), "event to trigger, p99");
    card(page, "", &of_some(timers.count, timers.p99), "timer lateness, p99");
    let class = if behind > 0 && oldest >= SLOW { "warn" } else { "" };
    card(page, class, &grouped(behind), "records behind");
    card(page, "", &grouped(metrics.events_per_second()), "events a second");
    card(page, "", &grouped(metrics.persons()), "persons");
    let class = if failed > 0 { "warn" } else { "" };
    card(page, class, &grouped(failed), "transactions failed");
    card(page, "", &lasting(metrics.checkpoint_age()), "since the last checkpoint");
    card(page, "", &grouped(metrics.late_events()), "late events");
    let heavy = metrics.heavy_identifiers().len();
    card(page, if heavy > 0 { "warn" } else { "" }, &heavy.to_string(), "heavy identifiers");
    page.push_str("</div>\n");
}

/// Begins a table that scrolls by itself where the screen is narrow.
fn table(page: &mut String, title: &str, columns: &[&str]) {
    write!(page, "<h2>{title}</h2><div class=\"wide\"><table><tr>").expect(MEMORY);
    columns
        .iter()
        .for_each(|column| write!(page, "<th scope=\"col\">{column}</th>").expect(MEMORY));
    page.push_str("</tr>");
}

fn row(page: &mut String, name: &str, cells: &[String]) {
    write!(page, "<tr><td>{}</td>", Html(name)).expect(MEMORY);
    cells.iter().for_each(|cell| write!(page, "<td>{cell}</td>").expect(MEMORY));
    page.push_str("</tr>");
}

fn latencies(page: &mut String, metrics: &Metrics) {
    table(page, "Latencies of the last minute", &["", "median", "p99", "max", "count"]);
    let named = [
        ("event to trigger", &metrics.event_to_trigger),
        ("event to decision", &metrics.event_to_decision),
        ("timer lateness", &metrics.timer_lateness),
        ("epoch", &metrics.epoch_time),
        ("transaction", &metrics.transaction_time),
    ];
    for (name, histogram) in named {
        let recent = histogram.recent();
        let cells = match recent.count {
            0 => ["–", "–", "–", "0"].map(String::from),
            count => [short(recent.p50), short(recent.p99), short(recent.max), grouped(count)],
        };
        row(page, name, &cells);
    }
    page.push_str("</table></div>\n");
}

fn journeys(page: &mut String, tally: &Tally) {
    let columns = ["journey", "open", "entered", "sent", "deferred", "dropped", "goals", "regrets"];
    table(page, "Decisions by journey", &columns);
    for journey in &tally.journeys {
        let [send, defer, drop] = tally.outcomes(&journey.name);
        let counts =
            [journey.open(), journey.entered, send, defer, drop, journey.goal, journey.regret];
        row(page, &journey.name, &counts.map(grouped));
    }
    page.push_str("</table></div>\n");
}

fn partitions(page: &mut String, metrics: &Metrics) {
    let mut behind = metrics.lags();
    behind.retain(|lag| lag.records > 0);
    if behind.is_empty() {
        return;
    }
    behind.sort_by_key(|lag| std::cmp::Reverse((lag.millis, lag.records)));
    let title = match behind.len() {
        1 => "1 partition behind".to_owned(),
        count => format!("{count} partitions behind"),
    };
    table(page, &title, &["partition", "records", "time"]);
    for lag in behind.iter().take(PARTITIONS) {
        let time = lasting_or_short(lag.millis.max(0) as u64);
        row(page, &lag.partition.to_string(), &[grouped(lag.records), time]);
    }
    page.push_str("</table></div>\n");
}

fn foot(page: &mut String, metrics: &Metrics, outputs: &Outputs) {
    writeln!(
        page,
        "<footer class=\"dim\">Started {} · definitions {:016x} · <a href=\"/metrics\">metrics</a> · \
         <a href=\"/readyz\">readiness</a> · <a href=\"/v1/journeys\">journeys</a> · \
         <a href=\"/v1/segments\">segments</a></footer></body></html>",
        metrics.started(),
        outputs.plan.fingerprint
    )
    .expect(MEMORY);
}

/// Microseconds with three figures.
fn short(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{:.1} ms", micros as f64 / 1e3),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        1_000_000..100_000_000 => format!("{:.1} s", micros as f64 / 1e6),
        _ => lasting(micros / 1_000),
    }
}

/// Milliseconds: short ones with fractions, long ones in words.
fn lasting_or_short(millis: u64) -> String {
    if millis < 100_000 { short(millis * 1_000) } else { lasting(millis) }
}

/// Milliseconds in the two largest units.
fn lasting(millis: u64) -> String {
    let seconds = millis / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// Text that cannot become markup.
struct Html<'a>(&'a str);

impl Display for Html<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|char| match char {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            _ => f.write_char(char),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        let shown = [0, 999, 1_500, 45_000, 1_500_000, 300_000_000].map(short);
        assert_eq!(shown, ["0 µs", "999 µs", "1.5 ms", "45 ms", "1.5 s", "5 min 0 s"]);
        let shown = [59_999, 3_599_000, 90_000_000].map(lasting);
        assert_eq!(shown, ["59 s", "59 min 59 s", "1 d 1 h"]);
        assert_eq!([0, 999, 1_000, 12_345_678].map(grouped), ["0", "999", "1,000", "12,345,678"]);
    }

    #[test]
    fn names_are_text() {
        assert_eq!(Html("<a href='x'>&").to_string(), "&lt;a href=&#39;x&#39;&gt;&amp;");
    }
}
