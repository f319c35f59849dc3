//! Public data sets in, Segment events out, as lines of JSON.

pub mod online_retail;
