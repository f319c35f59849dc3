//! What the engine writes → a sample that can be read, and how long decisions took.

use super::SHOWN_AT_ONCE;
use crate::epoch::Timeline;
use crate::sink::{Sink, SinkError, Stream};
use crate::time::clock::Clock;
use hdrhistogram::Histogram;
use serde::Deserialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Latencies are kept in microseconds, up to ten minutes, to three digits.
const LONGEST_MICROS: u64 = 600_000_000;

/// A decision as it is shown.
#[derive(Debug, Deserialize)]
pub(super) struct Shown {
    pub(super) time: String,
    pub(super) subject: String,
    pub(super) data: Message,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) decision: String,
    pub(super) reason: Option<String>,
    pub(super) until: Option<String>,
    pub(super) journey: String,
    pub(super) channel: String,
    pub(super) template: String,
}

/// What the sink and the screen share.
pub(super) struct Feed {
    clock: Arc<dyn Clock>,
    timeline: Timeline,
    state: Mutex<State>,
}

struct State {
    /// Epochs handed to the engine, with the instants.
    under_way: VecDeque<(u64, Duration)>,
    latency: Histogram<u64>,
    decisions: u64,
    /// The first lines since the last glance, by kind: send, defer, drop.
    sample: [Vec<Vec<u8>>; 3],
    left_out: u64,
    glances: usize,
}

impl Feed {
    pub(super) fn new(clock: Arc<dyn Clock>, timeline: Timeline) -> Feed {
        let latency = Histogram::new_with_bounds(1, LONGEST_MICROS, 3);
        let state = State {
            under_way: VecDeque::new(),
            latency: latency.expect("the bounds are in order"),
            decisions: 0,
            sample: Default::default(),
            left_out: 0,
            glances: 0,
        };
        Feed { clock, timeline, state: Mutex::new(state) }
    }

    /// A chunk is handed to the engine that completes everything before `promise`.
    pub(super) fn handed(&self, promise: i64) {
        let epoch = self.timeline.epoch_of(promise - 1);
        let now = self.clock.now();
        self.lock().under_way.push_back((epoch, now));
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.clock.now()
    }

    pub(super) fn decisions(&self) -> u64 {
        self.lock().decisions
    }

    /// Latency in microseconds that this share of the epochs did not exceed.
    pub(super) fn quantile(&self, share: f64) -> u64 {
        self.lock().latency.value_at_quantile(share)
    }

    /// Decisions since the last glance, as many as can be read: a send first, then deferrals and drops in turn.
    pub(super) fn take(&self) -> Vec<Shown> {
        let mut state = self.lock();
        let sample = std::mem::take(&mut state.sample);
        let waiting: usize = sample.iter().map(Vec::len).sum();
        let mut kinds = sample.map(Vec::into_iter);
        state.glances += 1;
        kinds[1..].rotate_left(state.glances % 2);
        let mut lines = Vec::new();
        while lines.len() < waiting {
            lines.extend(kinds.iter_mut().filter_map(Iterator::next));
        }
        lines.truncate(SHOWN_AT_ONCE);
        state.left_out += (waiting - lines.len()) as u64;
        drop(state);
        let mut shown: Vec<Shown> =
            lines.iter().filter_map(|line| serde_json::from_slice(line).ok()).collect();
        shown.sort_by(|a, b| a.time.cmp(&b.time));
        shown
    }

    /// Decisions that were not shown since this was asked last.
    pub(super) fn take_left_out(&self) -> u64 {
        std::mem::take(&mut self.lock().left_out)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a thread that panics ends the process")
    }
}

/// The sink of the demonstration: nothing is kept but what is shown and counted.
pub(super) struct Show(pub(super) Arc<Feed>);

impl Sink for Show {
    fn write(&mut self, stream: Stream, line: &[u8]) -> Result<(), SinkError> {
        if stream == Stream::Decisions {
            let mut state = self.0.lock();
            state.decisions += 1;
            let kind = kind(line);
            if state.sample[kind].len() < SHOWN_AT_ONCE {
                state.sample[kind].push(line.to_vec());
            } else {
                state.left_out += 1;
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<Vec<u64>, SinkError> {
        Ok(vec![0; Stream::ALL.len()])
    }

    fn complete(&mut self, epoch: u64) -> Result<(), SinkError> {
        let now = self.0.clock.now();
        let mut state = self.0.lock();
        while state.under_way.front().is_some_and(|(under_way, _)| *under_way < epoch) {
            let (_, since) = state.under_way.pop_front().expect("there is a first one");
            let micros = now.saturating_sub(since).as_micros() as u64;
            state.latency.saturating_record(micros);
        }
        Ok(())
    }
}

/// 0 for a send, 1 for a deferral, 2 for a drop.
fn kind(line: &[u8]) -> usize {
    const FIELD: &[u8] = b"\"decision\":\"";
    let at = memchr::memmem::find(line, FIELD).map_or(0, |at| at + FIELD.len());
    match line.get(at..at + 2) {
        Some(b"de") => 1,
        Some(b"dr") => 2,
        _ => 0,
    }
}

/// Microseconds as milliseconds with one decimal.
pub(super) fn millis(micros: u64) -> String {
    format!("{:.1} ms", micros as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::clock::Manual;

    #[test]
    fn latency_is_from_the_chunk_to_its_complete_epoch() {
        let clock = Arc::new(Manual::default());
        let feed = Arc::new(Feed::new(clock.clone(), Timeline { slack: 0, step: 100 }));
        let mut show = Show(feed.clone());
        feed.handed(100);
        clock.advance(Duration::from_millis(2));
        feed.handed(200);
        show.complete(0).unwrap();
        clock.advance(Duration::from_millis(3));
        show.complete(2).unwrap();
        let near = |micros: u64, wanted: u64| micros.abs_diff(wanted) < 10;
        assert!(near(feed.quantile(0.5), 3_000) && near(feed.quantile(1.0), 5_000));
    }

    #[test]
    fn the_sample_has_something_of_everything() {
        let feed = Arc::new(Feed::new(Arc::new(Manual::default()), Timeline { slack: 0, step: 1 }));
        let mut show = Show(feed.clone());
        for word in ["send", "send", "send", "drop", "send"] {
            let line = format!(
                r#"{{"time":"t","subject":"s","data":{{"decision":"{word}","journey":"j","channel":"c","template":"t"}}}}"#
            );
            show.write(Stream::Decisions, line.as_bytes()).unwrap();
        }
        let mut words: Vec<_> = feed.take().into_iter().map(|shown| shown.data.decision).collect();
        words.sort();
        assert_eq!(words, ["drop", "send"]);
        assert_eq!((feed.take_left_out(), feed.decisions(), feed.take().len()), (3, 5, 0));
    }
}
