//! Generated traffic as a source that keeps time with a clock: each tick of wall time brings the lines of as much event
//! time as the speed says, whole epochs of it.

use super::generate::{Config, Generator};
use crate::source::{Chunk, Source, SourceError};
use crate::time::clock::Clock;
use std::sync::Arc;
use std::time::Duration;

/// Wall time between two chunks.
pub const TICK: Duration = Duration::from_millis(10);

/// Called with the promise of each chunk, just before it is handed on.
pub type OnChunk = Box<dyn FnMut(i64) + Send>;

/// Asked with the wall time whether the traffic ends.
pub type IsOver = Box<dyn Fn(Duration) -> bool + Send>;

/// Endless shop traffic.
pub struct Traffic {
    generator: Generator,
    clock: Arc<dyn Clock>,
    /// Event time of one tick.
    step: i64,
    /// Where the next chunk ends in event time.
    promise: i64,
    /// Wall time at which the next chunk is due.
    due: Duration,
    is_over: IsOver,
    /// The line that was too young for the last chunk.
    ahead: Vec<u8>,
    ahead_ms: i64,
    offset: u64,
    line: u64,
    on_chunk: OnChunk,
}

impl Traffic {
    /// Event time that passes in one tick at `speed` times the wall time: the step of epochs for this traffic.
    pub fn step(speed: u32) -> i64 {
        TICK.as_millis() as i64 * i64::from(speed)
    }

    /// Traffic from now on until it is over. Chunks end at multiples of [`Traffic::step`].
    pub fn new(
        config: Config,
        speed: u32,
        clock: Arc<dyn Clock>,
        is_over: IsOver,
        on_chunk: OnChunk,
    ) -> Traffic {
        let step = Traffic::step(speed.max(1));
        Traffic {
            promise: (config.start_ms.div_euclid(step) + 1) * step,
            generator: Generator::new(config),
            due: clock.now() + TICK,
            clock,
            step,
            is_over,
            ahead: Vec::new(),
            ahead_ms: i64::MIN,
            offset: 0,
            line: 1,
            on_chunk,
        }
    }

    /// The lines before the promise, in order of arrival.
    fn lines(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.ahead_ms >= self.promise {
            return bytes;
        }
        bytes.append(&mut self.ahead);
        loop {
            let before = bytes.len();
            self.ahead_ms = self.generator.next_into(&mut bytes).unwrap_or(i64::MAX);
            if self.ahead_ms >= self.promise {
                self.ahead = bytes.split_off(before);
                return bytes;
            }
        }
    }
}

impl Source for Traffic {
    /// An empty chunk until the next tick is due. What a slow reader has missed follows chunk by chunk.
    fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError> {
        let now = self.clock.now();
        let mut chunk = Chunk { offset: self.offset, first_line: self.line, ..Chunk::default() };
        if (self.is_over)(now) {
            chunk.last = true;
        } else if now >= self.due {
            chunk.bytes = self.lines();
            chunk.length = chunk.bytes.len() as u64;
            chunk.promise = Some(self.promise);
            (self.offset, self.line) = (chunk.next_offset(), chunk.next_line());
            (self.on_chunk)(self.promise);
            self.promise += self.step;
            self.due += TICK;
        }
        Ok(Some(chunk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::generate::DEFAULT_START_MS;
    use crate::time::clock::Manual;
    use std::sync::Mutex;

    #[test]
    fn ticks_bring_whole_steps_of_event_time() {
        let clock = Arc::new(Manual::default());
        let promises = Arc::new(Mutex::new(Vec::new()));
        let seen = promises.clone();
        let config = Config::endless(2_000, 1.0, 1);
        let all = {
            let mut generator = Generator::new(config.clone());
            let mut all = Vec::new();
            for _ in 0..1_000 {
                generator.next_into(&mut all);
            }
            all
        };
        let on_chunk = Box::new(move |promise| seen.lock().unwrap().push(promise));
        let is_over = Box::new(|now| now >= Duration::from_millis(50));
        let mut traffic = Traffic::new(config, 3_600, clock.clone(), is_over, on_chunk);
        assert!(traffic.next_chunk().unwrap().unwrap().is_idle(), "nothing is due yet");
        let mut read = Vec::new();
        for tick in 1..5 {
            clock.advance(TICK);
            let chunk = traffic.next_chunk().unwrap().unwrap();
            assert_eq!(chunk.offset, read.len() as u64);
            assert_eq!(chunk.promise, Some(DEFAULT_START_MS + tick * 36_000));
            assert!(traffic.next_chunk().unwrap().unwrap().is_idle());
            read.extend(chunk.bytes);
        }
        assert!(read.len() > 40_000, "two and a half minutes at one line a second");
        assert!(all.starts_with(&read), "the lines are those of the generator");
        assert_eq!(promises.lock().unwrap().len(), 4);
        clock.advance(TICK);
        assert!(traffic.next_chunk().unwrap().unwrap().last);
    }
}
