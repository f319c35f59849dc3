//! What a pack decides over a history: counted for a backtest, or held to what another pack decides.
//!
//! In: the lines that a run gives, by way of the sink's port, so that nothing is decided here. Out: counts and differences as
//! plain data and JSON. Knows nothing of files and terminals.

mod backtest;
mod decided;
mod diff;
mod page;
mod takeover;

pub use backtest::{Backtest, Load, LoadUnit};
pub use decided::{Decided, Runs};
pub use diff::{Diff, Kind};
pub use page::page;
pub use takeover::Takeover;
