//! Realistic shop traffic: a seed in, lines in Segment's envelope out, in order of arrival, faults
//! included.
//!
//! ```text
//!  pace ─► traffic ─► session ─► line ─► (fault) ─► order of arrival
//!  when     who comes  what she   JSON    what goes
//!                      does next          wrong
//! ```
//!
//! The same configuration gives the same bytes, on every machine. Memory grows with the visits and
//! orders that are open at a time, not with customers or events. Reads no clock and no file.

mod aftermath;
mod catalogue;
mod customer;
mod fault;
mod line;
pub mod live;
mod pace;
mod session;
mod traffic;
mod write;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;

use self::fault::Malformation;
use self::line::{Renderer, Times};
use self::pace::Pace;
use self::session::Kind;
use self::traffic::Traffic;
use super::rng::Rng;

/// 2026-03-02T08:00:00Z, a Monday.
pub const DEFAULT_START_MS: i64 = 1_772_438_400_000;

/// What a customer brings in a day, if nothing else is said.
const EVENTS_A_CUSTOMER_AND_DAY: f64 = 10.0;
const DAY_S: f64 = 86_400.0;
const DAY_MS: i64 = 86_400_000;

/// An out-of-order line comes at most this much too late.
pub const OUT_OF_ORDER_MAX_MS: i64 = 4_000;
/// A late line comes at least this much too late …
pub const LATE_MIN_MS: i64 = 60_000;
/// … and at most this much.
pub const LATE_MAX_MS: i64 = 7_200_000;
/// A duplicate comes at most this many lines after its original.
pub const DUPLICATE_DISTANCE_MAX: u64 = 300;

/// What traffic to make.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many customers there are. Their activity is skewed: a few come all the time.
    pub customers: u64,
    /// How many lines to produce; `u64::MAX` means without end.
    pub events: u64,
    pub seed: u64,
    /// The first millisecond, counted from 1970 in UTC.
    pub start_ms: i64,
    /// The lines are spread over this long, along the daily curve. Unused if there is no end.
    pub over_ms: i64,
    /// Lines a second of event time, as a mean over the day. Used only if there is no end; 0 means
    /// ten a customer and day.
    pub events_per_second: f64,
    pub faults: Faults,
}

impl Default for Config {
    /// A million lines of a hundred thousand customers, over a day.
    fn default() -> Self {
        Config {
            customers: 100_000,
            events: 1_000_000,
            seed: 1,
            start_ms: DEFAULT_START_MS,
            over_ms: DAY_MS,
            events_per_second: 0.0,
            faults: Faults::default(),
        }
    }
}

impl Config {
    /// Traffic without end, at so many lines a second of event time.
    pub fn endless(customers: u64, events_per_second: f64, seed: u64) -> Self {
        Config { customers, events: u64::MAX, seed, events_per_second, ..Config::default() }
    }

    fn end_ms(&self) -> i64 {
        match self.events {
            u64::MAX => i64::MAX,
            _ => self.start_ms.saturating_add(self.over_ms.max(1)),
        }
    }

    fn pace(&self) -> Pace {
        if self.events != u64::MAX {
            return Pace::finite(self.events, self.start_ms, self.end_ms());
        }
        let rate = match self.events_per_second > 0.0 {
            true => self.events_per_second,
            false => self.customers.max(1) as f64 * EVENTS_A_CUSTOMER_AND_DAY / DAY_S,
        };
        Pace::endless(rate, self.start_ms)
    }
}

/// Which share of the lines (0.0 to 1.0) something is wrong with. No line has two faults.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// Arrives up to 4 s after younger ones.
    pub out_of_order: f64,
    /// Arrives again within 300 lines.
    pub duplicated: f64,
    /// Arrives 1 minute to 2 hours late.
    pub late: f64,
    /// Cannot be read, or not be believed.
    pub malformed: f64,
}

impl Faults {
    /// A perfect world.
    pub fn none() -> Self {
        Faults { out_of_order: 0.0, duplicated: 0.0, late: 0.0, malformed: 0.0 }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Faults { out_of_order: 0.02, duplicated: 0.005, late: 0.0005, malformed: 0.0005 }
    }
}

/// What has been produced so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub lines: u64,
    /// Lines by event name (of calls other than `track`, by call). A duplicate counts twice, a
    /// malformed line under the name it had before.
    pub by_name: BTreeMap<&'static str, u64>,
    /// Lines that came after a younger one, by a delay of seconds.
    pub out_of_order: u64,
    /// Lines that were a line before.
    pub duplicated: u64,
    /// Lines that came after a younger one, by a delay of a minute or more.
    pub late: u64,
    /// Malformed lines, by what is wrong with them.
    pub malformed: BTreeMap<&'static str, u64>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>12}  lines", self.lines)?;
        for (name, count) in &self.by_name {
            writeln!(f, "{count:>12}    {name}")?;
        }
        writeln!(f, "{:>12}  out of order", self.out_of_order)?;
        writeln!(f, "{:>12}  duplicated", self.duplicated)?;
        writeln!(f, "{:>12}  late", self.late)?;
        writeln!(f, "{:>12}  malformed", self.malformed.values().sum::<u64>())?;
        for (name, count) in &self.malformed {
            writeln!(f, "{count:>12}    {name}")?;
        }
        Ok(())
    }
}

/// A line that waits for its arrival.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    /// Milliseconds for what is delayed, a number of lines for what is repeated.
    due: i64,
    /// Keeps what is due at once in the order in which it was made.
    serial: u64,
    event_ms: i64,
    kind: Kind,
    line: Vec<u8>,
}

/// What is done to a line.
enum Treatment {
    Proper,
    Delayed(i64),
    Repeated(i64),
    Malformed(Malformation),
}

/// Produces the lines one by one.
#[derive(Debug)]
pub struct Generator {
    config: Config,
    traffic: Traffic,
    renderer: Renderer,
    rng: Rng,
    /// Lines made, waiting ones included.
    made: u64,
    /// Lines handed out.
    given: u64,
    delayed: BinaryHeap<Reverse<Waiting>>,
    repeated: BinaryHeap<Reverse<Waiting>>,
    /// Time of the youngest line handed out.
    youngest_ms: i64,
    by_kind: [u64; Kind::ALL.len()],
    by_malformation: [u64; Malformation::ALL.len()],
    summary: Summary,
}

impl Generator {
    /// A generator before its first line. The shop has been open for a while: some visits are
    /// already under way.
    pub fn new(config: Config) -> Self {
        let (start_ms, end_ms) = (config.start_ms, config.end_ms());
        Generator {
            traffic: Traffic::new(config.seed, config.customers, config.pace(), start_ms, end_ms),
            renderer: Renderer::new(config.seed),
            rng: Rng::new(config.seed),
            made: 0,
            given: 0,
            delayed: BinaryHeap::new(),
            repeated: BinaryHeap::new(),
            youngest_ms: i64::MIN,
            by_kind: [0; Kind::ALL.len()],
            by_malformation: [0; Malformation::ALL.len()],
            summary: Summary::default(),
            config,
        }
    }

    /// Appends the next line (JSON and a line feed) to `out` and returns its event time in
    /// milliseconds since 1970, which is that of a delayed line's event, not of its arrival; `None`
    /// when all lines have been produced.
    pub fn next_into(&mut self, out: &mut Vec<u8>) -> Option<i64> {
        loop {
            let left = self.config.events - self.made;
            // Once nothing new is made, what still waits comes at once.
            let (now_lines, now_ms) = match left {
                0 => (i64::MAX, i64::MAX),
                _ => (self.given as i64, self.traffic.next_ms(left)),
            };
            if let Some(waiting) = take_due(&mut self.repeated, now_lines) {
                self.summary.duplicated += 1;
                return Some(self.give(waiting, out));
            }
            if let Some(waiting) = take_due(&mut self.delayed, now_ms) {
                // If nothing happened meanwhile, the delay is not to be seen.
                if self.youngest_ms > waiting.event_ms {
                    let late = waiting.due.saturating_sub(waiting.event_ms) >= LATE_MIN_MS;
                    self.summary.late += u64::from(late);
                    self.summary.out_of_order += u64::from(!late);
                }
                self.youngest_ms = self.youngest_ms.max(waiting.event_ms);
                return Some(self.give(waiting, out));
            }
            if left == 0 {
                return None;
            }
            if let Some(event_ms) = self.make(left, out) {
                return Some(event_ms);
            }
        }
    }

    /// Counts of what has been produced so far.
    pub fn summary(&self) -> Summary {
        let counted = |(_, count): &(&'static str, u64)| *count > 0;
        let names = Kind::ALL.map(Kind::name).into_iter().zip(self.by_kind);
        let wrongs = Malformation::ALL.map(Malformation::name).into_iter();
        Summary {
            lines: self.given,
            by_name: names.filter(counted).collect(),
            malformed: wrongs.zip(self.by_malformation).filter(counted).collect(),
            ..self.summary.clone()
        }
    }

    /// Makes a new line; appends it and returns its time, unless it is delayed.
    fn make(&mut self, left: u64, out: &mut Vec<u8>) -> Option<i64> {
        let (event_ms, session) = self.traffic.take(self.made, left);
        let treatment = draw_treatment(&mut self.rng, &self.config, event_ms, left);
        let delay_ms = if let Treatment::Delayed(ms) = treatment { ms } else { 0 };
        let (from, kind, serial) = (out.len(), session.kind, self.made);
        self.renderer.line(out, session, Times { event_ms, delay_ms }, serial);
        self.made += 1;
        match treatment {
            Treatment::Proper => {}
            Treatment::Delayed(ms) => {
                let (due, line) = (event_ms.saturating_add(ms), out.split_off(from));
                self.delayed.push(Reverse(Waiting { due, serial, event_ms, kind, line }));
                return None;
            }
            Treatment::Repeated(distance) => {
                let (due, line) = (self.given as i64 + distance, out[from..].to_vec());
                self.repeated.push(Reverse(Waiting { due, serial, event_ms, kind, line }));
                self.made += 1;
            }
            Treatment::Malformed(malformation) => {
                malformation.apply(out, from, &mut self.rng);
                self.by_malformation[malformation as usize] += 1;
            }
        }
        self.youngest_ms = self.youngest_ms.max(event_ms);
        self.count(kind);
        Some(event_ms)
    }

    fn give(&mut self, waiting: Waiting, out: &mut Vec<u8>) -> i64 {
        out.extend_from_slice(&waiting.line);
        self.count(waiting.kind);
        waiting.event_ms
    }

    fn count(&mut self, kind: Kind) {
        self.by_kind[kind as usize] += 1;
        self.given += 1;
    }
}

/// Takes what has waited longest, if its turn has come.
fn take_due(waiting: &mut BinaryHeap<Reverse<Waiting>>, now: i64) -> Option<Waiting> {
    if waiting.peek()?.0.due > now {
        return None;
    }
    waiting.pop().map(|Reverse(waiting)| waiting)
}

/// Decides what is done to the line of an event, when `left` lines are to be made with it.
fn draw_treatment(rng: &mut Rng, config: &Config, event_ms: i64, left: u64) -> Treatment {
    let faults = &config.faults;
    // A delay ends before the run does, or it would not be one.
    let room_ms = (config.end_ms() - 1).saturating_sub(event_ms);
    let mut draw = rng.unit();
    let mut falls_into = |share: f64| {
        let hit = draw < share;
        draw -= share;
        hit && share > 0.0
    };
    if falls_into(faults.malformed) {
        Treatment::Malformed(*rng.pick(&Malformation::ALL))
    } else if falls_into(faults.late) && room_ms >= LATE_MIN_MS {
        Treatment::Delayed(rng.between(LATE_MIN_MS, LATE_MAX_MS.min(room_ms)))
    } else if falls_into(faults.duplicated) && left >= 2 {
        Treatment::Repeated(rng.between(1, DUPLICATE_DISTANCE_MAX as i64))
    } else if falls_into(faults.out_of_order) && room_ms >= 1 {
        Treatment::Delayed(rng.between(1, OUT_OF_ORDER_MAX_MS.min(room_ms)))
    } else {
        Treatment::Proper
    }
}
