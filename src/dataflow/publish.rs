//! Lines of all workers → the sink, whole epochs in order.

use super::Wakers;
use super::checkpoint::Coordinator;
use super::run::Control;
use crate::event::radix;
use crate::sink::{Batch, Line, Place, Sink, SinkError, Stream as Output};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::operator::Operator;

/// Batches that wait until every worker has passed their epochs.
#[derive(Default)]
pub(super) struct Pending(Vec<Batch>);

/// Where a line lies among the pending ones: its place, its batch, its number there.
pub(super) type Lying = (Place, u32, u32);

impl Pending {
    pub(super) fn append(&mut self, batches: &mut Vec<Batch>) {
        self.0.append(batches);
    }

    /// The lines of all epochs before this one, in their order.
    pub(super) fn order(&self, before: u64) -> Vec<Lying> {
        let mut epochs: BTreeMap<u64, Vec<Lying>> = BTreeMap::new();
        for (at, batch) in self.0.iter().enumerate() {
            let complete = |(_, line): &(usize, &Line)| line.place.epoch < before;
            for (line, found) in batch.lines.iter().enumerate().filter(complete) {
                let lines = epochs.entry(found.place.epoch).or_default();
                lines.push((found.place, at as u32, line as u32));
            }
        }
        epochs.into_values().flat_map(|lines| self.order_of_one(&lines)).collect()
    }

    /// The lines of one epoch in their order. Two persons with the same hash are told apart by what is said of them.
    fn order_of_one(&self, lines: &[Lying]) -> Vec<Lying> {
        // Rejects come before all others, and what stands for their time is none.
        let is_event = |it: &&Lying| self.line(it).0.stream != Output::Rejects;
        let times = lines.iter().filter(is_event).map(|(place, ..)| place.time);
        let (first, last) = (times.clone().min().unwrap_or(0), times.max().unwrap_or(0));
        // The times of an epoch are spread over it.
        let instants = last.abs_diff(first).saturating_add(1);
        let spread = |(place, ..): &Lying| {
            place.time.clamp(first, last).abs_diff(first) * (u64::MAX / instants)
        };
        radix::sorted(lines, spread, |part| {
            part.sort_unstable_by(|a, b| {
                a.0.cmp(&b.0).then_with(|| self.line(a).1.cmp(self.line(b).1))
            });
        })
    }

    /// A line and its text.
    pub(super) fn line(&self, lying: &Lying) -> (&Line, &[u8]) {
        let batch = &self.0[lying.1 as usize];
        let line = &batch.lines[lying.2 as usize];
        (line, batch.text(line))
    }

    /// Epochs before this one in which anything happened, in no order.
    pub(super) fn stirred(&self, before: u64) -> impl Iterator<Item = u64> + '_ {
        let all = self.0.iter().flat_map(|batch| &batch.stirred).copied();
        all.filter(move |epoch| *epoch < before)
    }

    /// Drops what concerns epochs before this one.
    pub(super) fn forget(&mut self, before: u64) {
        self.0.retain_mut(|batch| {
            batch.lines.retain(|line| line.place.epoch >= before);
            batch.stirred.retain(|epoch| *epoch >= before);
            !batch.is_empty()
        });
    }
}

/// Writes the lines of complete epochs, sorted.
struct Publisher {
    pending: Pending,
    sink: Arc<Mutex<Box<dyn Sink>>>,
    control: Arc<Control>,
    coordinator: Arc<Coordinator>,
}

/// The last stage; gives nothing, but its frontier says what has been written.
pub fn publish<'scope>(
    batches: Stream<'scope, u64, Vec<Batch>>,
    sink: Arc<Mutex<Box<dyn Sink>>>,
    control: Arc<Control>,
    coordinator: Arc<Coordinator>,
    wakers: Wakers,
) -> Stream<'scope, u64, Vec<()>> {
    let scope = batches.scope();
    let first = scope.index() == 0;
    batches.unary_frontier::<CapacityContainerBuilder<Vec<()>>, _, _, _>(
        Exchange::new(|_: &Batch| 0),
        "Publish",
        move |capability, info| {
            wakers.borrow_mut().push(scope.activator_for(info.address));
            let mut capability = Some(capability);
            let mut publisher =
                Publisher { pending: Pending::default(), sink, control, coordinator };
            move |(input, frontier), _output| {
                input.for_each(|_, batches| publisher.pending.append(batches));
                let frontier = frontier.frontier().first().copied();
                // All batches come to the first worker; the others know nothing of what is written.
                if first && let Err(error) = publisher.advance(frontier) {
                    publisher.control.fail(error.into());
                    capability = None;
                }
                match (frontier, &mut capability) {
                    (Some(epoch), Some(held)) => held.downgrade(&epoch.max(*held.time())),
                    _ => capability = None,
                }
            }
        },
    )
}

impl Publisher {
    /// Writes everything before the frontier. A checkpoint that is asked for is a stop on the way.
    fn advance(&mut self, frontier: Option<u64>) -> Result<(), SinkError> {
        let before = frontier.unwrap_or(u64::MAX);
        while let Some(epoch) = self.coordinator.write(before) {
            self.write(epoch + 1)?;
            let lengths = self.sink.lock().expect(WHOLE).sync()?;
            self.coordinator.deliver_outputs(lengths, self.control.counts());
        }
        self.write(before)
    }

    fn write(&mut self, before: u64) -> Result<(), SinkError> {
        let order = self.pending.order(before);
        let mut sink = self.sink.lock().expect(WHOLE);
        for lying in &order {
            let (line, text) = self.pending.line(lying);
            sink.write(line.stream, text)?;
        }
        self.control.count(order.iter().map(|lying| self.pending.line(lying).0.label));
        self.pending.forget(before);
        sink.complete(before)
    }
}

const WHOLE: &str = "a worker that panics ends the process";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_come_in_their_order(
            lines in proptest::collection::vec((0_u64..3, 0_i64..1_000, 0_u64..5, any::<bool>()), 0..200),
            batches in 1_usize..4,
        ) {
            let mut pending = Pending((0..batches).map(|_| Batch::default()).collect());
            for (number, &(epoch, time, hash, is_reject)) in lines.iter().enumerate() {
                let (stream, time) = match is_reject {
                    true => (Output::Rejects, time % 2),
                    false => (Output::Journeys, 1_700_000_000_000 + time),
                };
                let place = Place { epoch, time, hash, index: 0 };
                let text = number.to_string();
                let batch = &mut pending.0[number % batches];
                batch.add(place, stream, 0, |out| out.extend_from_slice(text.as_bytes()));
            }
            let place = |lying: &Lying| (lying.0, pending.line(lying).1.to_vec());
            let found: Vec<_> = pending.order(2).iter().map(place).collect();
            prop_assert!(found.is_sorted());
            prop_assert_eq!(found.len(), lines.iter().filter(|(epoch, ..)| *epoch < 2).count());
        }
    }
}
