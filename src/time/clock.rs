//! The wall clock as a port: for demonstrations and metrics, never for decisions. The only place that reads it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Tells how much time has passed.
pub trait Clock: Send + Sync {
    /// Time since some fixed instant; never goes back.
    fn now(&self) -> Duration;
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
}

const WHOLE: &str = "nobody panics while holding the clock";
