//! `kairos demo`: the retail pack on generated traffic, faster than life, on the screen.

mod feed;
mod screen;

use super::failure::{Failure, STOPPED};
use super::interrupt::{self, Interrupt};
use super::output::print;
use super::packs::RETAIL;
use super::{pack, run, summary, values};
use crate::dataflow::{self, Finished, Job, Run};
use crate::define::compile::Keep;
use crate::epoch::Timeline;
use crate::sim::generate::Config;
use crate::sim::traffic::Traffic;
use crate::time::HOUR;
use crate::time::clock::{Clock, System};
use clap::Args;
use feed::{Feed, Show};
use screen::Screen;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  kairos demo
  kairos demo --for 1m --speed 600
  kairos demo --events-per-second 50000 --customers 200000

It writes no file. Stop it with Ctrl-C.";

/// How often decisions are shown, and how many at once: as many as can be read.
const GLANCE: Duration = Duration::from_millis(250);
const GLANCES_A_SECOND: u32 = 4;
pub(super) const SHOWN_AT_ONCE: usize = 2;

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct DemoArgs {
    /// How long it takes
    #[arg(long = "for", value_name = "DURATION", default_value = "20s", value_parser = values::duration)]
    time: i64,
    /// How much faster than life: at 3600 an hour passes in a second
    #[arg(long, value_name = "N", default_value_t = 3_600)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=86_400))]
    speed: u32,
    /// How many customers there are
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    customers: u64,
    /// Events in a second on your clock [default: ten a customer and day of the shop's clock]
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    events_per_second: Option<u32>,
}

/// Shows the traffic's decisions until time is up.
pub(super) fn demo(args: &DemoArgs) -> Result<u8, Failure> {
    let (_, plan) = pack::compiled(&RETAIL.sources(), RETAIL.name, Keep::Used)?;
    let clock: Arc<dyn Clock> = Arc::new(System::new());
    let interrupt = interrupt::watch();
    let screen = Screen::new(&plan);
    let timeline = Timeline { slack: 0, step: Traffic::step(args.speed) };
    let feed = Arc::new(Feed::new(clock.clone(), timeline));
    let job = Job {
        sources: vec![("demo".into(), Box::new(args.traffic(clock, &feed, interrupt.clone())))],
        sink: Box::new(Show(feed.clone())),
        workers: run::default_workers(),
        timeline,
        dedup_horizon: HOUR,
        until: None,
        store: None,
        chunks_per_checkpoint: crate::dataflow::ingest::CHUNKS_PER_CHECKPOINT,
        keep_persons: false,
        plan,
    };
    screen.head(args)?;
    let run = dataflow::run(job);
    let finished = watch(run, &feed, &screen)?;
    print(args.end(&finished, &feed))?;
    Ok(if interrupt.is_asked() { STOPPED } else { 0 })
}

impl DemoArgs {
    fn traffic(&self, clock: Arc<dyn Clock>, feed: &Arc<Feed>, interrupt: Interrupt) -> Traffic {
        let rate = self.events_per_second.unwrap_or(0);
        let config = Config::endless(self.customers, f64::from(rate) / f64::from(self.speed), 1);
        let (feed, end) = (feed.clone(), self.duration());
        let is_over = move |now| now >= end || interrupt.is_asked();
        let on_chunk = Box::new(move |promise| feed.handed(promise));
        Traffic::new(config, self.speed, clock, Box::new(is_over), on_chunk)
    }

    fn duration(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.time).unwrap_or(0))
    }

    /// The text of the end.
    fn end(&self, finished: &Finished, feed: &Feed) -> String {
        let counts = &finished.counts;
        let seconds = feed.elapsed().as_secs_f64();
        let rate = (counts.events as f64 / seconds.max(1e-3)) as u64;
        format!(
            "\n{}\n{} events of {} persons in {seconds:.1} s ({} a second); a chunk's decisions were out {} after it\n\
             came in (median), 99 % within {}\n",
            summary::tables(finished),
            values::grouped(counts.events),
            values::grouped(counts.persons),
            values::grouped(rate),
            feed::millis(feed.quantile(0.5)),
            feed::millis(feed.quantile(0.99)),
        )
    }
}

/// Shows what happens until the run is over.
fn watch(run: Run, feed: &Feed, screen: &Screen) -> Result<Finished, Failure> {
    let mut before = Figures::default();
    let mut glances = 0;
    while !run.is_finished() {
        std::thread::sleep(GLANCE);
        glances += 1;
        let is_read = screen.show(&feed.take())?;
        if glances % GLANCES_A_SECOND == 0 {
            let now = Figures::of(&run, feed);
            screen.status(&now, &before, feed)?;
            before = now;
        }
        if !is_read {
            run.control.stop();
        }
    }
    screen.clear();
    Ok(run.join()?)
}

/// Figures at one instant.
#[derive(Default)]
struct Figures {
    at: Duration,
    events: u64,
    decisions: u64,
    open: u64,
    timers: u64,
}

impl Figures {
    fn of(run: &Run, feed: &Feed) -> Figures {
        let live = &run.control.live;
        let (mut entered, mut left) = (0, 0);
        for (label, count) in run.control.counts().into_iter().enumerate() {
            let [section, _, _, what] = run.labels.name(label as u32);
            match (section.as_str(), what.as_str()) {
                ("journeys", "entered") => entered += count,
                ("journeys", "finished" | "exit" | "goal" | "cap") => left += count,
                _ => {}
            }
        }
        Figures {
            at: feed.elapsed(),
            events: live.iter().map(|live| live.events.load(Ordering::Relaxed)).sum(),
            decisions: feed.decisions(),
            open: entered.saturating_sub(left),
            timers: live.iter().map(|live| live.timers.load(Ordering::Relaxed)).sum(),
        }
    }
}
