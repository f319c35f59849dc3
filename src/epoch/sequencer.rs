//! Decides how far the next epoch goes. In: how far each partition has been read, and what the broker said at which clock
//! reading. Out: entries of the epoch log. Pure: it reads no clock and no partition.
//!
//! **The watermark.** A probe is a reading of the clock and, taken after it, the end offset of every partition. Once all
//! partitions have been read up to a probe's ends, everything that was there at its clock reading has been read, and the
//! watermark may be that reading less the slack. A partition that is not at its end holds the watermark at the time of its
//! last record.
//!
//! **A backlog** is read like a file: while the last probe that was reached is older than [`BEHIND`], an epoch takes only
//! what belongs before its watermark, so that partitions are merged by time. At the live edge an epoch takes everything
//! that has been read, as it came.

use super::log::{Entry, Read};
use super::{Span, Timeline};
use std::collections::VecDeque;

/// A partition is behind if it has not reached what was there so many milliseconds ago.
pub const BEHIND: i64 = 1_500;

/// Time alone moves the watermark in steps of so many milliseconds while timers are due, and of so many while none is.
const TICK: i64 = 4;
const IDLE_TICK: i64 = 100;

/// Probes that are remembered: those not reached yet, the oldest and the latest ones.
const PROBES_MAX: usize = 32;

/// What the broker said.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// The clock before it was asked, in milliseconds since the Unix epoch.
    pub clock: i64,
    /// The end offset of every partition, by its number.
    pub ends: Vec<i64>,
}

/// Whether what was missed is decided as it was then, or only when Kairos has caught up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backlog {
    /// Messages that became due meanwhile wait until then, and are asked again.
    #[default]
    CatchUp,
    /// Everything is decided at its own time, as in a run over files.
    History,
}

/// The state of the decision.
pub struct Sequencer {
    timeline: Timeline,
    backlog: Backlog,
    /// Entries of the log that have to be repeated first.
    replay: VecDeque<Entry>,
    probes: VecDeque<Probe>,
    /// The latest clock reading whose probe each partition has reached; `i64::MIN` if none.
    reached: Vec<i64>,
    /// The last entry announced.
    last: Entry,
}

impl Sequencer {
    /// Goes on after `last`, beginning with the entries that have to be repeated.
    pub fn new(
        timeline: Timeline,
        backlog: Backlog,
        last: Entry,
        replay: VecDeque<Entry>,
    ) -> Sequencer {
        Sequencer { timeline, backlog, replay, probes: VecDeque::new(), reached: Vec::new(), last }
    }

    /// Takes in what the broker said.
    pub fn probe(&mut self, probe: Probe) {
        self.probes.push_back(probe);
        if self.probes.len() > PROBES_MAX {
            self.probes.remove(1);
        }
    }

    /// The last entry announced.
    pub fn last(&self) -> &Entry {
        &self.last
    }

    /// Whether entries of the log are still being repeated.
    pub fn is_replaying(&self) -> bool {
        !self.replay.is_empty()
    }

    /// Entries that are to be repeated after those that are.
    pub fn repeat(&mut self, entries: impl IntoIterator<Item = Entry>) {
        self.replay.extend(entries);
    }

    /// How many entries of the log are still to be repeated.
    pub fn to_repeat(&self) -> usize {
        self.replay.len()
    }

    /// How far each partition has to be read before the next entry of the log can be repeated.
    pub fn wanted(&self) -> Option<&[Read]> {
        self.replay.front().map(|entry| entry.read.as_slice())
    }

    /// The latest clock reading up to which everything has been read; `None` before there is one.
    pub fn caught_up_to(&self) -> Option<i64> {
        self.reached.iter().copied().min().filter(|clock| *clock != i64::MIN)
    }

    /// The latest clock reading that the broker answered.
    pub fn clock(&self) -> Option<i64> {
        self.probes.back().map(|probe| probe.clock)
    }

    /// Whether everything has been read that was there a moment ago.
    pub fn is_live(&self) -> bool {
        let recent = |clock: i64| self.clock().is_some_and(|latest| clock >= latest - BEHIND);
        !self.is_replaying() && self.caught_up_to().is_some_and(recent)
    }

    /// The next epoch, if there is something for one. `readings` is how far every partition has been read and handed to
    /// the workers' stashes, `earliest_timer` a time before which no timer is due.
    pub fn next(&mut self, readings: &[Read], earliest_timer: i64) -> Option<&Entry> {
        if let Some(entry) = self.replay.front() {
            let reached = |(wanted, read): (&Read, &Read)| wanted.offset <= read.offset;
            if entry.read.len() > readings.len() || !entry.read.iter().zip(readings).all(reached) {
                return None;
            }
            self.last = self.replay.pop_front().expect("there is a first one");
            return Some(&self.last);
        }
        if self.is_rereading(readings) {
            return None;
        }
        self.reach(readings);
        let clock = self.clock()?;
        let live = self.is_live();
        let end =
            if live { self.live_watermark() } else { self.backlog_watermark(readings, clock) };
        let end = end.max(self.last.span.end);
        let advanced = end.saturating_sub(self.last.span.end);
        let fresh = readings.len() > self.last.read.len()
            || readings.iter().zip(&self.last.read).any(|(now, then)| now.offset > then.offset);
        let tick = if earliest_timer < end { TICK } else { IDLE_TICK };
        let due = if live { fresh || advanced >= tick } else { advanced > 0 };
        due.then(|| self.announce(readings, end, clock, !live))
    }

    /// Whether what the last epoch had read is being read again. No epoch can end before that: where its input is left over
    /// from an earlier one, nobody has it yet.
    pub fn is_rereading(&self, readings: &[Read]) -> bool {
        readings.iter().zip(&self.last.read).any(|(now, then)| now.offset < then.offset)
    }

    /// What has been read and belongs to no epoch yet is going to be read again: only what was known at the last watermark
    /// counts as reached.
    pub fn rewind(&mut self) {
        let known = self.last.span.end.saturating_add(self.timeline.slack);
        self.reached.iter_mut().for_each(|reached| *reached = known.min(*reached));
    }

    /// One more epoch, which reads nothing more and lets no time pass: at the end of a run, or for another plan to take
    /// effect.
    pub fn stand_still(&mut self) -> &Entry {
        let (read, end) = (self.last.read.clone(), self.last.span.end);
        let clock = self.clock().unwrap_or(i64::MIN);
        self.announce(&read, end, clock, true)
    }

    fn announce(&mut self, readings: &[Read], end: i64, clock: i64, backlog: bool) -> &Entry {
        let clock = match self.backlog {
            Backlog::CatchUp => clock,
            Backlog::History => i64::MIN,
        };
        let span = Span { begin: self.last.span.end, end, clock };
        let number = self.last.number + 1;
        self.last = Entry { number, span, backlog, read: readings.to_vec() };
        &self.last
    }

    /// Notes which probes have been reached. A probe that knows of more partitions than are read is not; one that knows of
    /// fewer says nothing of the others.
    fn reach(&mut self, readings: &[Read]) {
        self.reached.resize(readings.len(), i64::MIN);
        let mut done = 0;
        for (at, probe) in self.probes.iter().enumerate() {
            if probe.ends.len() != readings.len() {
                continue;
            }
            let mut all = true;
            for ((end, read), reached) in probe.ends.iter().zip(readings).zip(&mut self.reached) {
                if read.offset >= *end {
                    *reached = (*reached).max(probe.clock);
                } else {
                    all = false;
                }
            }
            if all {
                done = at;
            }
        }
        // The last one that was reached stays: it is the clock.
        self.probes.drain(..done);
    }

    /// The partition that holds the watermark of a backlog back.
    pub fn holding(&self, readings: &[Read]) -> Option<usize> {
        let clock = self.clock()?;
        let behind = |at: &usize| self.reached.get(*at).is_none_or(|it| *it < clock - BEHIND);
        (0..readings.len()).filter(behind).min_by_key(|at| readings[*at].high)
    }

    fn live_watermark(&self) -> i64 {
        self.caught_up_to().map_or(i64::MIN, |clock| clock.saturating_sub(self.timeline.slack))
    }

    /// The least of what the partitions allow, on the grid on which late events are placed.
    fn backlog_watermark(&self, readings: &[Read], clock: i64) -> i64 {
        let bound = |(read, reached): (&Read, &i64)| {
            if *reached >= clock - BEHIND { *reached } else { read.high }
        };
        let bound = readings.iter().zip(&self.reached).map(bound).min().unwrap_or(i64::MIN);
        if bound == i64::MIN {
            return i64::MIN;
        }
        self.timeline.floor(bound.saturating_sub(self.timeline.slack))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Entry = Entry {
        number: 0,
        span: Span { begin: i64::MIN, end: i64::MIN, clock: i64::MIN },
        backlog: true,
        read: Vec::new(),
    };

    fn sequencer() -> Sequencer {
        let timeline = Timeline { slack: 1_000, step: 1_000 };
        Sequencer::new(timeline, Backlog::CatchUp, START, VecDeque::new())
    }

    fn read(offset: i64, high: i64) -> Read {
        Read { offset, high }
    }

    /// The end and kind of the next epoch.
    fn next(sequencer: &mut Sequencer, readings: &[Read]) -> Option<(i64, bool)> {
        sequencer.next(readings, i64::MAX).map(|entry| (entry.span.end, entry.backlog))
    }

    #[test]
    fn a_backlog_goes_by_the_partition_that_lags_and_then_by_the_clock() {
        let mut sequencer = sequencer();
        assert_eq!(next(&mut sequencer, &[read(0, i64::MIN); 2]), None);
        sequencer.probe(Probe { clock: 1_000_000, ends: vec![10, 2] });
        assert_eq!(next(&mut sequencer, &[read(5, 10_500), read(0, i64::MIN)]), None);
        assert_eq!(next(&mut sequencer, &[read(5, 10_500), read(1, 7_900)]), Some((6_000, true)));
        // The second partition is at its end: the first one alone holds time back, on the grid.
        let readings = [read(5, 10_500), read(2, 8_000)];
        assert_eq!(next(&mut sequencer, &readings), Some((9_000, true)));
        assert_eq!(next(&mut sequencer, &readings), None);
        // Everything that was there at the clock reading has been read.
        let readings = [read(10, 20_000), read(2, 8_000)];
        assert_eq!(next(&mut sequencer, &readings), Some((999_000, false)));
        assert!(sequencer.is_live());
    }

    #[test]
    fn live_time_follows_probes_that_were_reached_and_input_is_taken_as_it_comes() {
        let mut sequencer = sequencer();
        sequencer.probe(Probe { clock: 1_000_000, ends: vec![0] });
        assert_eq!(next(&mut sequencer, &[read(0, i64::MIN)]), Some((999_000, false)));
        // Not reached: time stands, input flows.
        sequencer.probe(Probe { clock: 1_000_050, ends: vec![2] });
        assert_eq!(next(&mut sequencer, &[read(0, i64::MIN)]), None);
        assert_eq!(next(&mut sequencer, &[read(1, 5)]), Some((999_000, false)));
        assert_eq!(next(&mut sequencer, &[read(2, 6)]), Some((999_050, false)));
        // Time alone.
        sequencer.probe(Probe { clock: 1_000_060, ends: vec![2] });
        assert_eq!(next(&mut sequencer, &[read(2, 6)]), None);
        let due = sequencer.next(&[read(2, 6)], 999_055).map(|entry| entry.span);
        assert_eq!(due, Some(Span { begin: 999_050, end: 999_060, clock: 1_000_060 }));
        // Far behind again: like a file.
        sequencer.probe(Probe { clock: 1_010_000, ends: vec![9] });
        assert_eq!(next(&mut sequencer, &[read(5, 1_009_000)]), Some((1_008_000, true)));
    }

    #[test]
    fn an_unreachable_broker_holds_time_and_a_new_partition_is_waited_for() {
        let mut sequencer = sequencer();
        sequencer.probe(Probe { clock: 1_000_000, ends: vec![0] });
        assert_eq!(next(&mut sequencer, &[read(0, i64::MIN)]), Some((999_000, false)));
        assert_eq!(next(&mut sequencer, &[read(0, i64::MIN)]), None);
        sequencer.probe(Probe { clock: 1_000_200, ends: vec![0, 3] });
        assert_eq!(next(&mut sequencer, &[read(0, i64::MIN)]), None);
        let readings = [read(0, i64::MIN), read(3, 900)];
        assert_eq!(next(&mut sequencer, &readings), Some((999_200, false)));
    }

    #[test]
    fn entries_of_the_log_are_repeated_when_their_input_is_there() {
        let span = Span { begin: 5, end: 9, clock: 1_000 };
        let logged = Entry { number: 7, span, backlog: false, read: vec![read(4, 3)] };
        let timeline = Timeline { slack: 1_000, step: 1_000 };
        let replay = VecDeque::from([logged.clone()]);
        let mut sequencer = Sequencer::new(timeline, Backlog::CatchUp, START, replay);
        sequencer.probe(Probe { clock: 1_000_000, ends: vec![4] });
        assert_eq!(sequencer.next(&[read(3, 3)], i64::MAX), None);
        assert_eq!(sequencer.wanted(), Some(&[read(4, 3)][..]));
        assert_eq!(sequencer.next(&[read(4, 3)], i64::MAX), Some(&logged));
        assert!(!sequencer.is_replaying());
        let entry = sequencer.next(&[read(4, 3)], i64::MAX).map(|entry| (entry.number, entry.span));
        assert_eq!(entry, Some((8, Span { begin: 9, end: 999_000, clock: 1_000_000 })));
    }
}
