//! Audiences and reports: how many are in each segment and in any two, who enters and leaves, and what comes of each journey.
//!
//! In: what persons' steps give, as numbers of the plan. Out: totals, as JSON. Everything is a sum of signed counts, so that it
//! does not matter on which worker a person is, was, or will be: each worker keeps its part ([`Counts`]), and a total is their
//! sum. Nothing is ever counted again from the beginning, and nothing grows with the number of persons.

mod board;
mod counts;
mod minutes;
mod shape;
mod view;

pub use board::{Board, Part};
pub use counts::{Counts, ENDINGS, Held};
pub use shape::Shape;
pub use view::{Unknown, View, money};
