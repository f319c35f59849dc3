//! In which segments a person is.

use crate::define::plan::SegmentId;
use serde::{Deserialize, Serialize};

/// One bit for each segment; the first 64 need no memory of their own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Members {
    first: u64,
    more: Vec<u64>,
}

impl Members {
    pub(super) fn has(&self, segment: SegmentId) -> bool {
        let (word, bit) = place(segment);
        let bits = word.checked_sub(1).map_or(Some(&self.first), |at| self.more.get(at));
        bits.is_some_and(|bits| bits >> bit & 1 == 1)
    }

    pub(super) fn set(&mut self, segment: SegmentId, member: bool) {
        let (word, bit) = place(segment);
        if self.more.len() < word {
            self.more.resize(word, 0);
        }
        let bits = word.checked_sub(1).map_or(&mut self.first, |at| &mut self.more[at]);
        *bits = *bits & !(1 << bit) | u64::from(member) << bit;
    }
}

fn place(segment: SegmentId) -> (usize, u16) {
    (usize::from(segment.0 / 64), segment.0 % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_segments() {
        let mut members = Members::default();
        for segment in [0, 63, 64, 127, 200] {
            assert!(!members.has(SegmentId(segment)));
            members.set(SegmentId(segment), true);
            assert!(members.has(SegmentId(segment)));
        }
        members.set(SegmentId(64), false);
        assert!(!members.has(SegmentId(64)) && members.has(SegmentId(63)));
    }
}
