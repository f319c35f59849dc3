//! Sources → events with their epochs, on the workers.
//!
//! Workers claim chunks of a source in turn and decode them side by side. What order fixes (which epoch an event belongs
//! to, whether it is late) needs only the highest time before the chunk, which the chunks hand on in their order.

use crate::decode::{Decoder, is_blank};
use crate::epoch::{Epochs, Placed, Span, Timeline};
use crate::event::{Origin, Reject};
use crate::limits::ROUNDS_AFTER_END_MAX;
use crate::person::watch::Watcher;
use crate::source::{Chunk, Source, SourceError};
use crate::store::Resume;
use crate::time::NEVER;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Chunks that may have been handed on beyond what the sink has written: what is read ahead of the results.
const AHEAD_MAX: usize = 32;

/// Chunks that a worker has decoded and that wait for those before them, which another worker decodes: while it waits for the others it has
/// something to do. Where persons are compared, two workers had nothing to do for 8 % of the time with two of them, for 5 % with
/// eight, and for no less with more.
const DECODED_MAX: usize = 8;

/// Lines that are decoded in one turn: others may be waiting for what this worker does next. They wait once or twice in an epoch, so that a
/// small part of one is soon enough; below some tens of microseconds' worth the turns themselves cost more than what is done in them.
const LINES_PER_TURN: std::ops::RangeInclusive<u64> = 32..=256;
const TURNS_PER_EPOCH: u64 = 32;

/// Chunks between two checkpoints: 512 × 256 KiB.
pub const CHUNKS_PER_CHECKPOINT: u64 = 512;

/// What all workers share of the input.
pub struct Intake {
    feeds: Vec<Feed>,
    timeline: Timeline,
    until: Option<i64>,
    /// Who asks why, and leaves out what does not concern the answer.
    watch: Option<Arc<Watcher>>,
    /// The instant at which time stands still after the input; `i64::MAX` until it is known.
    pub end: AtomicI64,
    /// Bytes read, for progress bars.
    pub bytes: AtomicU64,
    pub lines: AtomicU64,
    /// Events that the pack ignores.
    pub ignored: AtomicU64,
    /// The earliest event time read; `i64::MAX` before there is one.
    pub start: AtomicI64,
}

struct Feed {
    reader: Mutex<Reader>,
    progress: Mutex<Progress>,
}

struct Reader {
    source: Box<dyn Source>,
    next: u64,
    ended: bool,
}

/// How far the chunks of a source have been handed on.
struct Progress {
    /// Every chunk before this one has been handed on.
    next: u64,
    /// The highest time in them, or promised by them.
    high: i64,
    ended: bool,
    /// Open epochs when each of the last chunks was handed on.
    opened: VecDeque<u64>,
    ledger: VecDeque<Entry>,
}

/// Where a chunk stands, for those who have to read it again.
struct Entry {
    resume: Resume,
    /// The last epoch to which it gave anything.
    last_epoch: u64,
}

/// A chunk, decoded but not placed in time yet.
struct Decoded {
    feed: usize,
    number: u64,
    /// Byte offset.
    start: u64,
    /// Byte offset and line; `None` if the source had nothing more.
    end: Option<(u64, u64)>,
    /// With an epoch that is known when it is the chunk's turn.
    events: Vec<Placed>,
    /// Each with how many events there are before it.
    rejects: Vec<(usize, Reject)>,
    promise: Option<i64>,
    last: bool,
}

/// A chunk that is being decoded.
struct Decoding {
    chunk: Chunk,
    /// Where the next line begins, and its number.
    at: usize,
    line: u64,
    /// Whether the source gave it, or has nothing more.
    is_there: bool,
    decoded: Decoded,
}

/// What a step of the ingest gives.
#[derive(Default)]
pub struct Handed {
    pub events: Vec<Placed>,
    pub rejects: Vec<(u64, Reject)>,
    /// Whether there may be more.
    pub more: bool,
    /// Whether nothing was there to be read and nothing else was done: to be asked again, but not at once.
    pub idle: bool,
    /// No event or reject of an epoch before this one will come from this worker; `None` at the end.
    pub frontier: Option<u64>,
    /// Chunks of all sources handed on so far, if this step handed one on.
    pub chunks: u64,
}

impl Intake {
    /// Sources that are read on from `from`, one place each; from their beginnings where it is shorter.
    pub fn new(
        sources: Vec<Box<dyn Source>>,
        from: &[Resume],
        timeline: Timeline,
        until: Option<i64>,
    ) -> Intake {
        let feeds = sources.into_iter().enumerate().map(|(at, source)| {
            let start =
                from.get(at).cloned().unwrap_or(Resume { offset: 0, line: 1, high: i64::MIN });
            Feed {
                reader: Mutex::new(Reader { source, next: 0, ended: false }),
                progress: Mutex::new(Progress {
                    next: 0,
                    high: start.high,
                    ended: false,
                    opened: VecDeque::new(),
                    ledger: VecDeque::from([Entry { resume: start, last_epoch: 0 }]),
                }),
            }
        });
        Intake {
            feeds: feeds.collect(),
            timeline,
            until,
            watch: None,
            end: AtomicI64::new(i64::MAX),
            bytes: AtomicU64::new(0),
            lines: AtomicU64::new(0),
            ignored: AtomicU64::new(0),
            start: AtomicI64::new(i64::MAX),
        }
    }

    /// Somebody asks why: what does not concern the answer is left out, and the run may end before the input.
    pub fn watched(self, watch: Arc<Watcher>) -> Intake {
        let end = AtomicI64::new(watch.end().unwrap_or(i64::MAX));
        Intake { end, watch: Some(watch), ..self }
    }

    /// The instant at which the run ends before its input, if it does.
    fn cut(&self) -> Option<i64> {
        self.watch.as_ref().and_then(|watch| watch.end())
    }

    /// How epochs are cut out of event time.
    pub fn timeline(&self) -> Timeline {
        self.timeline
    }

    /// Where each source has to be read on from after `epoch`: at the first chunk that gave something to a later one.
    pub fn resume_after(&self, epoch: u64) -> Vec<Resume> {
        let after = |feed: &Feed| {
            let mut progress = lock(&feed.progress);
            while progress.ledger.len() > 1 && progress.ledger[0].last_epoch <= epoch {
                progress.ledger.pop_front();
            }
            progress.ledger[0].resume.clone()
        };
        self.feeds.iter().map(after).collect()
    }

    /// The lowest epoch that any source can still give something to; `None` when all have ended.
    fn frontier(&self) -> Option<u64> {
        let open = |feed: &Feed| {
            let progress = lock(&feed.progress);
            (!progress.ended).then(|| self.timeline.open(progress.high))
        };
        self.feeds.iter().filter_map(open).min()
    }

    /// The source that lags behind most in time and has something to claim.
    fn behind(&self, written: u64) -> Option<usize> {
        let mut best: Option<(i64, usize)> = None;
        for (at, feed) in self.feeds.iter().enumerate() {
            let progress = lock(&feed.progress);
            let ahead = progress.opened.len() >= AHEAD_MAX
                && progress.opened.front().is_some_and(|epoch| *epoch > written);
            if progress.ended || ahead || lock(&feed.reader).ended {
                continue;
            }
            if best.is_none_or(|(high, _)| progress.high < high) {
                best = Some((progress.high, at));
            }
        }
        best.map(|(_, at)| at)
    }

    fn ended_at(&self) -> i64 {
        self.end.load(Ordering::Acquire)
    }

    fn finish(&self) {
        let high = self.feeds.iter().map(|feed| lock(&feed.progress).high).max();
        let high = high.filter(|high| *high != i64::MIN);
        let end = self.cut().or(high.max(self.until)).unwrap_or(0);
        self.end.store(end, Ordering::Release);
    }
}

impl Epochs for Intake {
    fn span(&self, epoch: u64) -> Span {
        let end = self.timeline.end(epoch).min(self.ended_at().saturating_add(1));
        // After the input, what is still under way happens at its end.
        let begin = self.timeline.begin(epoch).min(self.ended_at());
        Span { begin, end, clock: i64::MIN }
    }

    /// After the input, time goes to its end and no further; nor beyond where the run is cut.
    fn of_timer(&self, deadline: i64, next: u64, frontier: Option<u64>) -> Option<u64> {
        let is_known = frontier.is_none() || self.cut().is_some();
        let never = deadline == NEVER || is_known && deadline > self.ended_at();
        (!never).then(|| self.timeline.epoch_of(deadline).max(next))
    }

    /// After the input, only so many rounds of answers are taken in: time stands, and what persons do because of them may be
    /// answered again for ever.
    fn of_answers(&self, epoch: u64, next: u64, frontier: Option<u64>) -> Option<u64> {
        // What is said in the last epoch before a cut is heard after it.
        if self.cut().is_some_and(|cut| epoch > self.timeline.epoch_of(cut)) {
            return None;
        }
        let last = self.timeline.epoch_of(self.ended_at()).saturating_add(ROUNDS_AFTER_END_MAX);
        (frontier.is_some() || epoch <= last).then_some(epoch.max(next))
    }
}

/// How large epochs are, by what has been handed on lately.
#[derive(Default)]
struct Density {
    lines: u64,
    epochs: u64,
    /// The last epoch to which anything was given.
    last: u64,
}

impl Density {
    /// So many lines have been handed on, the last of them to this epoch or one before it.
    fn note(&mut self, lines: usize, last: u64) {
        const LATELY: u64 = 1 << 15;
        if self.last == 0 {
            self.last = last;
        }
        self.lines += lines as u64;
        self.epochs += last.saturating_sub(self.last);
        self.last = self.last.max(last);
        if self.lines > LATELY {
            (self.lines, self.epochs) = (self.lines / 2, self.epochs / 2);
        }
    }

    /// Lines that make up a small part of an epoch.
    fn lines_per_turn(&self) -> u64 {
        let of_epoch = self.lines / self.epochs.max(1);
        (of_epoch / TURNS_PER_EPOCH).clamp(*LINES_PER_TURN.start(), *LINES_PER_TURN.end())
    }
}

/// One worker's part of the ingest.
pub struct Ingest {
    intake: Arc<Intake>,
    decoder: Rc<Decoder>,
    decoding: Option<Decoding>,
    pending: VecDeque<Decoded>,
    density: Density,
    /// Epochs up to this one are in the checkpoint that the run went on from.
    done: Option<u64>,
}

impl Ingest {
    /// One worker's hand on the intake; what belongs to epochs up to `done` it reads and leaves out.
    pub fn new(intake: Arc<Intake>, decoder: Rc<Decoder>, done: Option<u64>) -> Ingest {
        let density = Density::default();
        Ingest { intake, decoder, decoding: None, pending: VecDeque::new(), density, done }
    }

    /// Claims a chunk if there is room, decodes some of its lines, and hands on the one whose turn it is. `written` is the
    /// first epoch that the sink has not written yet.
    ///
    /// # Errors
    /// A source that cannot be read.
    pub fn step(&mut self, written: u64) -> Result<Handed, SourceError> {
        let mut handed = Handed { more: true, ..Handed::default() };
        if self.decoding.is_none() && self.pending.len() < DECODED_MAX {
            handed.idle = self.claim(written)?;
        }
        self.decode();
        if let Some(at) = self.turn() {
            let decoded = self.pending.remove(at).expect("found a moment ago");
            handed.idle = false;
            self.hand_on(decoded, &mut handed);
        }
        handed.frontier = self.intake.frontier();
        let is_busy = self.decoding.is_some() || !self.pending.is_empty();
        handed.more = handed.frontier.is_some() || is_busy;
        Ok(handed)
    }

    /// The pending chunk before which all others of its source have been handed on.
    fn turn(&self) -> Option<usize> {
        let is_next = |decoded: &Decoded| {
            lock(&self.intake.feeds[decoded.feed].progress).next == decoded.number
        };
        self.pending.iter().position(is_next)
    }

    /// Takes the next chunk of the source that lags behind most; true if that source has nothing yet, or enough has been read
    /// ahead: whoever has work to do on what has been read needs the processor.
    fn claim(&mut self, written: u64) -> Result<bool, SourceError> {
        let Some(feed) = self.intake.behind(written) else {
            return Ok(self.pending.is_empty());
        };
        let (chunk, number) = {
            let mut reader = lock(&self.intake.feeds[feed].reader);
            if reader.ended {
                return Ok(false);
            }
            let chunk = reader.source.next_chunk()?;
            if chunk.as_ref().is_some_and(Chunk::is_idle) {
                return Ok(true);
            }
            let number = reader.next;
            reader.next += 1;
            reader.ended = chunk.as_ref().is_none_or(|chunk| chunk.last);
            (chunk, number)
        };
        let is_there = chunk.is_some();
        let mut chunk = chunk.unwrap_or_else(|| Chunk { last: true, ..Chunk::default() });
        chunk.source = feed as u16;
        self.intake.bytes.fetch_add(chunk.bytes.len() as u64, Ordering::Relaxed);
        let decoded = Decoded {
            feed,
            number,
            start: chunk.offset,
            end: None,
            events: Vec::with_capacity(chunk.bytes.len() / 512 + 1),
            rejects: Vec::new(),
            promise: chunk.promise,
            last: chunk.last,
        };
        let line = chunk.first_line;
        self.decoding = Some(Decoding { chunk, at: 0, line, is_there, decoded });
        Ok(false)
    }

    /// Decodes the next lines of the chunk that was claimed last; when there are no more, it waits for its turn.
    fn decode(&mut self) {
        let Some(Decoding { chunk, at, line, decoded, .. }) = &mut self.decoding else { return };
        let (first, mut ignored) = (decoded.events.len(), 0);
        let before = *line;
        for _ in 0..self.density.lines_per_turn() {
            let Some(bytes) = chunk.line_at(at) else { break };
            let number = *line;
            *line += 1;
            if is_blank(bytes) {
                continue;
            }
            let origin = Origin { source: chunk.source, position: number };
            match self.decoder.decode(bytes, origin) {
                Ok(event) if self.decoder.ignores(&event) => ignored += 1,
                Ok(event) => {
                    if let Some(watch) = &self.intake.watch {
                        watch.keep_name(&event, bytes);
                    }
                    decoded.events.push((0, event));
                }
                Err(mut reject) => {
                    if let Some((_, length)) = chunk.cut.iter().find(|(cut, _)| *cut == number) {
                        reject.bytes = *length;
                    }
                    decoded.rejects.push((decoded.events.len(), reject));
                }
            }
        }
        self.intake.ignored.fetch_add(ignored, Ordering::Relaxed);
        self.intake.lines.fetch_add(*line - before, Ordering::Relaxed);
        let start = decoded.events[first..].iter().map(|(_, event)| event.time).min();
        self.intake.start.fetch_min(start.unwrap_or(i64::MAX), Ordering::Relaxed);
        if *at >= chunk.bytes.len()
            && let Some(Decoding { chunk, line, is_there, mut decoded, .. }) = self.decoding.take()
        {
            decoded.end = is_there.then(|| (chunk.next_offset(), line));
            self.pending.push_back(decoded);
        }
    }

    /// Places the events of the chunk whose turn it is, and passes the turn on.
    fn hand_on(&mut self, decoded: Decoded, handed: &mut Handed) {
        let timeline = self.intake.timeline;
        let mut progress = lock(&self.intake.feeds[decoded.feed].progress);
        let mut high = progress.high;
        let mut last_epoch = 0;
        let done = |epoch: u64| self.done.is_some_and(|done| epoch <= done);
        let mut rejects = decoded.rejects.into_iter().peekable();
        let mut refuse = |before: usize, high: i64, last_epoch: &mut u64| {
            while let Some((_, reject)) = rejects.next_if(|(events, _)| *events <= before) {
                let epoch = timeline.open(high);
                *last_epoch = epoch.max(*last_epoch);
                if !done(epoch) {
                    handed.rejects.push((epoch, reject));
                }
            }
        };
        handed.events = decoded.events;
        let mut before = 0;
        handed.events.retain_mut(|(epoch, event)| {
            refuse(before, high, &mut last_epoch);
            before += 1;
            *epoch = timeline.place(event.time, high);
            high = high.max(event.time);
            last_epoch = last_epoch.max(*epoch);
            let begin = timeline.begin(*epoch);
            let watch = self.intake.watch.as_ref();
            watch.is_none_or(|watch| watch.takes(event, *epoch, begin)) && !done(*epoch)
        });
        refuse(before, high, &mut last_epoch);
        self.density.note(before, last_epoch);
        progress.high = high.max(decoded.promise.unwrap_or(i64::MIN));
        progress.next += 1;
        if let Some(open) = progress.ledger.back_mut() {
            // The entry of this chunk was made when the one before it was handed on.
            debug_assert!(decoded.end.is_none() || decoded.start == open.resume.offset);
            open.last_epoch = last_epoch;
        }
        if let Some((offset, line)) = decoded.end {
            let resume = Resume { offset, line, high: progress.high };
            progress.ledger.push_back(Entry { resume, last_epoch: 0 });
        }
        let opened = timeline.open(progress.high);
        progress.opened.push_back(opened);
        while progress.opened.len() > AHEAD_MAX {
            progress.opened.pop_front();
        }
        handed.chunks = progress.next;
        progress.ended = decoded.last;
        drop(progress);
        if decoded.last && self.intake.frontier().is_none() {
            self.intake.finish();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("a worker that panics ends the process")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_a_small_part_of_an_epoch() {
        // Chunks of 400 lines, of which each or only every so many comes to another epoch.
        let turn = |chunks: u64, epochs: u64| {
            let mut density = Density::default();
            (1..=2_000).for_each(|chunk| density.note(400, 7 + chunk / chunks * epochs));
            density.lines_per_turn()
        };
        assert_eq!(Density::default().lines_per_turn(), 32);
        assert_eq!(turn(1, 4), 32, "of 100 lines");
        assert!((100..160).contains(&turn(10, 1)), "of 4,000 lines: {}", turn(10, 1));
        assert_eq!(turn(100, 1), 256, "of 40,000 lines");
    }
}
