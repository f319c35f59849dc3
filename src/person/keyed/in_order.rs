//! The order in which an epoch takes its events: those of one hash together, in the order of their times.

use crate::event::{Event, radix};

/// Events that come to lie in their order as they are asked for. They are large: what has just been put in its place is still near the
/// processor when something is done with it.
pub(super) struct InOrder<'e> {
    events: &'e mut [Event],
    /// Hashes in their order, and where an event of each lay before anything was moved.
    order: Vec<(u64, u32)>,
    /// Everything before this is in its place, and has been given.
    given: usize,
}

impl<'e> InOrder<'e> {
    pub(super) fn new(events: &'e mut [Event]) -> InOrder<'e> {
        // The hashes find most of the order without moving events.
        let hashes: Vec<(u64, u32)> = events.iter().map(|event| event.hash).zip(0..).collect();
        let order = radix::sorted(&hashes, |(hash, _)| *hash, <[_]>::sort_unstable);
        InOrder { events, order, given: 0 }
    }

    /// The events of the next hashes, as many as are wanted, if there are any.
    pub(super) fn next(&mut self, hashes: usize) -> Option<&mut [Event]> {
        let begin = self.given;
        let each = self.order[begin..].chunk_by(|a, b| a.0 == b.0).take(hashes);
        let end = begin + each.map(<[_]>::len).sum::<usize>();
        for at in begin..end {
            // Whatever stood there before has gone to where it is now by the same way.
            let mut from = self.order[at].1 as usize;
            while from < at {
                from = self.order[from].1 as usize;
            }
            self.order[at].1 = from as u32;
            self.events.swap(at, from);
        }
        self.given = end;
        let next = &mut self.events[begin..end];
        for own in next.chunk_by_mut(|a, b| a.hash == b.hash) {
            own.sort_unstable_by(|a, b| {
                (a.taken, a.time, a.origin)
                    .cmp(&(b.taken, b.time, b.origin))
                    .then_with(|| a.person().cmp(b.person()))
                    // What came about inside can have all that in common.
                    .then_with(|| (a.kind, &a.also).cmp(&(b.kind, &b.also)))
            });
        }
        (!next.is_empty()).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Kind, Origin};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn events_come_by_hashes_and_times(
            made in proptest::collection::vec((0_u64..20, 0_i64..5), 0..100),
            hashes in 1_usize..5,
        ) {
            let event = |(at, &(hash, time)): (usize, &(u64, i64))| Event {
                hash: hash << 59,
                ..Event::plain(Kind::OTHER, time, Origin { source: 0, position: at as u64 })
            };
            let mut events: Vec<Event> = made.iter().enumerate().map(event).collect();
            let mut wanted = events.clone();
            wanted.sort_by_key(|event| (event.hash, event.time, event.origin));
            let mut in_order = InOrder::new(&mut events);
            let mut found: Vec<Event> = Vec::new();
            while let Some(next) = in_order.next(hashes) {
                prop_assert!(next.chunk_by(|a, b| a.hash == b.hash).count() <= hashes);
                prop_assert!(found.last().is_none_or(|last| last.hash != next[0].hash));
                found.extend_from_slice(next);
            }
            prop_assert_eq!(found, wanted);
        }
    }
}
