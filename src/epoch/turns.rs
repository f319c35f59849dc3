//! What a worker does next: the epoch under way, or work ahead of it.

use std::cell::Cell;
use std::rc::Rc;

/// Turns in which nothing of the epoch under way came to be done, after which work ahead gets one: word of how far the other
/// operators are takes so many from one to the next. With four instead of none, runs with comparisons on two workers were a tenth faster.
const PATIENCE: u32 = 4;

/// Whose turn it is on one worker.
///
/// Where persons hear of one another, each epoch is a meeting of all workers: what one of them does in between is waited for by the
/// others. Input can be decoded, and claims judged, well before: they get the turns in which the worker would wait itself.
#[derive(Clone, Default)]
pub struct Turns(Option<Rc<State>>);

#[derive(Default)]
struct State {
    ahead: Cell<bool>,
    stirred: Cell<bool>,
    /// Turns since the epoch under way got on.
    quiet: Cell<u32>,
}

impl Turns {
    /// For a worker that meets others in every epoch, if it does; one that does not may always work ahead.
    pub fn new(meets: bool) -> Turns {
        Turns(meets.then(Rc::default))
    }

    /// Whether the worker meets others in every epoch.
    pub fn meets(&self) -> bool {
        self.0.is_some()
    }

    /// The next turn begins; true if it is for work ahead.
    pub fn begin(&self) -> bool {
        let Some(state) = &self.0 else { return true };
        let quiet = if state.stirred.take() { 0 } else { state.quiet.get() + 1 };
        let ahead = quiet > PATIENCE;
        // After work ahead, one look at what has come in the meantime is enough.
        state.quiet.set(if ahead { PATIENCE - 1 } else { quiet });
        state.ahead.set(ahead);
        ahead
    }

    /// Whether this turn is for work ahead.
    pub fn is_ahead(&self) -> bool {
        self.0.as_ref().is_none_or(|state| state.ahead.get())
    }

    /// The epoch under way gets on. To be said only of what comes to an end without work ahead, which gets no turn as long as it is.
    pub fn stir(&self) {
        if let Some(state) = &self.0 {
            state.stirred.set(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ahead_waits_until_the_epoch_under_way_does() {
        let turns = Turns::new(true);
        let begin = |turns: &Turns| (0..8).map(|_| turns.begin()).collect::<Vec<bool>>();
        assert_eq!(begin(&turns), [false, false, false, false, true, false, true, false]);
        turns.stir();
        assert_eq!(begin(&turns), [false, false, false, false, false, true, false, true]);
        assert!(turns.is_ahead());
    }

    #[test]
    fn who_meets_nobody_may_always_work_ahead() {
        let turns = Turns::new(false);
        turns.stir();
        assert!(turns.begin() && turns.is_ahead());
    }
}
