//! Public data sets in, Segment events out.
