//! What a run leaves → text for people: what came in, what was decided, where it is.

use super::output::{bold, dim};
use super::table::Table;
use super::values::{grouped, to_the_second};
use crate::dataflow::Finished;
use crate::dataflow::ingest::Intake;
use crate::define::parse::literals::written;
use crate::sink::Stream;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What the summary says beside the counts.
pub(super) struct About<'a> {
    pub(super) intake: &'a Intake,
    pub(super) took: Duration,
    pub(super) out: &'a Path,
    pub(super) facts: Option<&'a Path>,
    /// Whether the run went on from a checkpoint, before which nobody has kept what came in.
    pub(super) resumed: bool,
}

/// The text of the summary.
pub(super) fn summary(finished: &Finished, about: &About) -> String {
    let mut out = String::new();
    input(&mut out, finished, about, &Named::of(finished));
    let tables = tables(finished);
    if !tables.is_empty() {
        let _ = write!(out, "\n{tables}");
    }
    place(&mut out, finished, about);
    out
}

/// Decisions, journeys and segments, as far as there are any.
pub(super) fn tables(finished: &Finished) -> String {
    let counts = Named::of(finished);
    let tables = [decisions(&counts), journeys(&counts), segments(&counts)];
    tables.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// Counts above zero by their words: section, journey or segment, step, what happened.
struct Named<'a>(Vec<(&'a [String; 4], u64)>);

impl<'a> Named<'a> {
    fn of(finished: &'a Finished) -> Named<'a> {
        let counted = finished.written.iter().enumerate().skip(1).filter(|(_, count)| **count > 0);
        let mut named: Vec<(&[String; 4], u64)> = Vec::new();
        let mut places = BTreeMap::new();
        for (label, count) in counted {
            // Two rules may hold a message for reasons of the same words, which are one to whoever reads.
            let name = finished.labels.name(label as u32);
            let place = *places.entry(name).or_insert(named.len());
            match named.get_mut(place) {
                Some((_, sum)) => *sum += count,
                None => named.push((name, *count)),
            }
        }
        Named(named)
    }

    fn section(&self, section: &str) -> impl Iterator<Item = ([&'a str; 3], u64)> {
        let own = self.0.iter().filter(move |(name, _)| name[0] == section);
        own.map(|(name, count)| ([&*name[1], &*name[2], &*name[3]], *count))
    }

    fn total(&self, section: &str) -> u64 {
        self.section(section).map(|(_, count)| count).sum()
    }
}

fn input(out: &mut String, finished: &Finished, about: &About, named: &Named) {
    let counts = &finished.counts;
    let since = if about.resumed { ", since the checkpoint" } else { "" };
    let lines = about.intake.lines.load(Ordering::Relaxed);
    let mut line = |name: &str, text: String| {
        let _ = writeln!(out, "{}  {text}", bold(format_args!("{name:<8}")));
    };
    let [lines, events, duplicates, late, persons] =
        [lines, counts.events, counts.duplicates, counts.late, counts.persons].map(grouped);
    line(
        "input",
        format!("{lines} lines, {events} events ({duplicates} duplicates, {late} late){since}"),
    );
    match about.intake.ignored.load(Ordering::Relaxed) {
        0 => {}
        ignored => line("ignored", format!("{} events of machines{since}", grouped(ignored))),
    }
    let start = about.intake.start.load(Ordering::Relaxed);
    if start <= finished.end {
        let span = match finished.end - start {
            0 => "one instant".to_owned(),
            span if span < 60_000 => written(span),
            span => written(span / 60_000 * 60_000),
        };
        let (from, to) = (to_the_second(start), to_the_second(finished.end));
        line("time", format!("{from} to {to} ({span}){since}"));
    }
    line("persons", persons);
    line("sessions", format!("{} closed", grouped(named.total("sessions"))));
    let rejects: Vec<String> = named
        .section("rejects")
        .map(|([_, _, reason], count)| format!("{} {reason}", grouped(count)))
        .collect();
    let why = if rejects.is_empty() { String::new() } else { format!(" ({})", rejects.join(", ")) };
    line("rejects", format!("{}{why}", grouped(named.total("rejects"))));
}

fn decisions(named: &Named) -> Option<String> {
    let mut table = Table::new(["journey", "message", "decision", "count"]);
    for ([journey, step, outcome], count) in named.section("decisions") {
        table.push([journey.into(), step.into(), outcome.into(), grouped(count)]);
    }
    (!table.is_empty()).then(|| table.without_repeats(2).to_string())
}

/// Journeys by name, with what happened to their instances.
fn journeys(named: &Named) -> Option<String> {
    const COLUMNS: [&str; 6] = ["entered", "finished", "exit", "goal", "cap", "regret"];
    let mut table = Table::new(["journey", "entered", "finished", "exit", "goal", "cap", "regret"]);
    for (journey, counts) in by_name(named, "journeys") {
        let count = |column: &str| grouped(counts.get(column).copied().unwrap_or(0));
        let [a, b, c, d, e, f] = COLUMNS.map(count);
        table.push([journey.to_owned(), a, b, c, d, e, f]);
    }
    (!table.is_empty()).then(|| table.to_string())
}

fn segments(named: &Named) -> Option<String> {
    let mut table = Table::new(["segment", "entered", "left"]);
    for (segment, counts) in by_name(named, "segments") {
        let count = |column: &str| grouped(counts.get(column).copied().unwrap_or(0));
        table.push([segment.to_owned(), count("entered"), count("left")]);
    }
    (!table.is_empty()).then(|| table.to_string())
}

fn by_name<'a>(named: &Named<'a>, section: &str) -> BTreeMap<&'a str, BTreeMap<&'a str, u64>> {
    let mut all: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for ([name, _, what], count) in named.section(section) {
        *all.entry(name).or_default().entry(what).or_default() += count;
    }
    all
}

fn place(out: &mut String, finished: &Finished, about: &About) {
    let seconds = about.took.as_secs_f64();
    let rate = (finished.counts.events as f64 / seconds.max(1e-3)) as u64;
    let took = format!("{seconds:.1} s, {} events/s", grouped(rate));
    let streams = Stream::ALL.map(Stream::name).join(",");
    let _ = writeln!(out, "\n{}/{{{streams}}}.jsonl  {}", about.out.display(), dim(took));
    if let Some(facts) = about.facts {
        let _ = writeln!(out, "{}", facts.display());
    }
}
