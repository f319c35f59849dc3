//! Decisions that scroll by above a line of figures. Where there is no terminal, plain lines.

use super::feed::{Feed, Shown, millis};
use super::{DemoArgs, Figures};
use crate::cli::failure::Failure;
use crate::cli::output::{bad, bold, dim, good, stream, warn};
use crate::cli::values::grouped;
use crate::define::parse::literals::written;
use crate::define::plan::Plan;
use crate::time;
use crate::time::zone::Zone;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt::Display;
use std::io::IsTerminal;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Columns of a line, in characters; the reason has the rest. Together they fit a hundred.
const MESSAGE: usize = 25;
const JOURNEY: usize = 17;
const PERSON: usize = 14;

/// The screen.
pub(super) struct Screen {
    /// The line of figures, if there is a terminal.
    bar: Option<ProgressBar>,
    zone: Zone,
}

impl Screen {
    pub(super) fn new(plan: &Plan) -> Screen {
        let bar = std::io::stdout().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
            let style = ProgressStyle::with_template("{wide_msg}");
            bar.with_style(style.expect("the template is well-formed"))
        });
        Screen { bar, zone: plan.policy.zone.clone() }
    }

    /// What is going on, and the names of the columns.
    pub(super) fn head(&self, args: &DemoArgs) -> Result<(), Failure> {
        let customers = grouped(args.customers);
        let title = format!(
            "The retail pack on generated traffic: {customers} customers, {} times as fast as life, for {}.",
            grouped(args.speed.into()),
            written(args.time)
        );
        let columns = row("time", "", "message", "journey", "person", "reason");
        self.line(format_args!("{title}\n\n{}", bold(columns))).map(drop)
    }

    /// Shows decisions; false if nobody looks any more.
    pub(super) fn show(&self, decisions: &[Shown]) -> Result<bool, Failure> {
        for decision in decisions {
            if !self.line(self.decision(decision))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn decision(&self, shown: &Shown) -> String {
        let data = &shown.data;
        let until = data.until.as_deref().map(|until| format!(" until {}", self.clock(until)));
        let reason =
            format!("{}{}", data.reason.as_deref().unwrap_or(""), until.unwrap_or_default());
        let message = format!("{} {}", data.channel, data.template);
        let text = |word| {
            let time = self.clock(&shown.time);
            row(&time, word, &message, &data.journey, &shown.subject, &reason)
        };
        // The word is coloured after the columns are cut, for colours have no width.
        let word = data.decision.as_str();
        let coloured = match word {
            "send" => good(word).to_string(),
            "defer" => warn(word).to_string(),
            _ => bad(word).to_string(),
        };
        text(word).replacen(word, &coloured, 1)
    }

    /// Weekday and local time of a decision.
    fn clock(&self, time: &str) -> String {
        let Some(time) = time::parse(time) else { return String::new() };
        let day = DAYS[(self.zone.weekday(time) - 1).clamp(0, 6) as usize];
        let minute = self.zone.minute_of_day(time);
        format!("{day} {:02}:{:02}", minute / 60, minute % 60)
    }

    /// The figures of the last second.
    pub(super) fn status(
        &self,
        now: &Figures,
        before: &Figures,
        feed: &Feed,
    ) -> Result<(), Failure> {
        let seconds = (now.at - before.at).as_secs_f64().max(1e-3);
        let rate = |now: u64, before: u64| grouped(((now - before) as f64 / seconds) as u64);
        let text = format!(
            "{} events/s  {} decisions/s  {} open  {} timers  p50 {}  p99 {}  +{} not shown",
            rate(now.events, before.events),
            rate(now.decisions, before.decisions),
            grouped(now.open),
            grouped(now.timers),
            millis(feed.quantile(0.5)),
            millis(feed.quantile(0.99)),
            grouped(feed.take_left_out()),
        );
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => drop(self.line(dim(text))?),
        }
        Ok(())
    }

    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: impl Display) -> Result<bool, Failure> {
        match &self.bar {
            Some(bar) => bar.suspend(|| stream(format_args!("{text}\n"))),
            None => stream(format_args!("{text}\n")),
        }
    }
}

fn row(time: &str, word: &str, message: &str, journey: &str, person: &str, reason: &str) -> String {
    let [message, journey, person] = [(message, MESSAGE), (journey, JOURNEY), (person, PERSON)]
        .map(|(text, width)| cut(text, width));
    let row = format!(
        "{time:<9}  {word:<5}  {message:<MESSAGE$}  {journey:<JOURNEY$}  {person:<PERSON$}  {reason}"
    );
    row.trim_end().to_owned()
}

/// Text of at most so many characters.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}
