//! Across persons: who stands where among all others, and which products go together.
//!
//! ```text
//!  persons ─── news ─► every worker: counts of all values ─ cut-offs ─► members
//!     ▲                the worker that has them: who has which value ────┤
//!     │                the worker of a product: its neighbours ─► the best of them
//!     └──────────────── one epoch later ◄────────────────────────────────┘
//! ```
//!
//! A question such as `percentile(f) >= 0.95` is answered yes from some value on: the cut-off. It moves when others do. The
//! counts of all values (an ordered tree, because a place in an order has to be found, which a trace cannot do) give the
//! cut-offs after each epoch; then those turn who have changed, and those whose values lie between the old cut-off and the new
//! one. They are found in a trace (differential dataflow) of the persons by value, so that an epoch costs what it changes, whatever
//! the number of persons. The trace stays with the worker that has the persons. Every worker counts everybody's values: an epoch waits for
//! one word from the others, not for one and an answer.

mod alone;
mod by_value;
mod counts;
mod members;
mod operators;
mod tree;

pub use alone::Alone;
pub use counts::Counts;
pub use members::{Change, Members, Values};
pub use operators::across;

/// From where on a question is answered yes: for values above this one; `None` for all values.
pub type CutOff = Option<u64>;

/// The cut-off that nobody passes.
pub const NOBODY: CutOff = Some(u64::MAX);
