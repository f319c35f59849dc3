//! The wall clock as a port: for demonstrations and metrics, never for decisions. The only place that reads it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Tells how much time has passed.
pub trait Clock: Send + Sync {
    /// Time since some fixed instant; never goes back.
    fn now(&self) -> Duration;

    /// What the clock on the wall shows, in milliseconds since the Unix epoch. It may be put back.
    fn wall(&self) -> i64;
}

/// The machine's clock, from the instant at which it was made.
#[derive(Debug)]
pub struct System(Instant);

impl System {
    /// A clock that begins at zero now.
    #[expect(clippy::new_without_default, reason = "a default should not read the clock")]
    #[expect(clippy::disallowed_methods, reason = "here is the one place")]
    pub fn new() -> System {
        System(Instant::now())
    }
}

impl Clock for System {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "here is the one place")]
    fn wall(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_millis() as i64)
    }
}

/// A clock that moves only when it is told to, for tests.
#[derive(Debug, Default)]
pub struct Manual(Mutex<Duration>);

impl Manual {
    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        *self.0.lock().expect(WHOLE) += by;
    }
}

impl Clock for Manual {
    fn now(&self) -> Duration {
        *self.0.lock().expect(WHOLE)
    }

    fn wall(&self) -> i64 {
        self.now().as_millis() as i64
    }
}

const WHOLE: &str = "nobody panics while holding the clock";
