//! Lines of all workers → the sink, whole epochs in order.

use super::Wakers;
use super::checkpoint::Coordinator;
use super::run::Control;
use crate::sink::{Batch, Place, Sink, SinkError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::operator::Operator;

/// What has been written, shared with the runner.
pub struct Written {
    pub sink: Box<dyn Sink>,
    /// By label.
    pub counts: Vec<u64>,
}

/// Batches wait until every worker has passed their epochs; then their lines are sorted and written.
struct Publisher {
    pending: Vec<Batch>,
    control: Arc<Control>,
    coordinator: Arc<Coordinator>,
}

/// The last stage; gives nothing, but its frontier says what has been written.
pub fn publish<'scope>(
    batches: Stream<'scope, u64, Vec<Batch>>,
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
            let mut publisher = Publisher { pending: Vec::new(), control, coordinator };
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
            let control = self.control.clone();
            let mut written = control.written();
            let lengths = written.sink.sync()?;
            self.coordinator.deliver_outputs(lengths, written.counts.clone());
        }
        self.write(before)
    }

    fn write(&mut self, before: u64) -> Result<(), SinkError> {
        let mut order: Vec<(Place, u32, u32)> = Vec::new();
        for (at, batch) in self.pending.iter().enumerate() {
            let lines = batch.lines.iter().enumerate();
            let complete = lines.filter(|(_, line)| line.place.epoch < before);
            order.extend(complete.map(|(line, found)| (found.place, at as u32, line as u32)));
        }
        let control = self.control.clone();
        let mut written = control.written();
        if !order.is_empty() {
            // Two persons with the same hash are told apart by what is said of them.
            order.sort_unstable_by(|a, b| {
                a.0.cmp(&b.0).then_with(|| self.text(a.1, a.2).cmp(self.text(b.1, b.2)))
            });
            for (_, batch, line) in order {
                let batch = &self.pending[batch as usize];
                let line = &batch.lines[line as usize];
                written.sink.write(line.stream, batch.text(line))?;
                written.counts[line.label as usize] += 1;
                control.lines_out.fetch_add(1, Ordering::Relaxed);
            }
            for batch in &mut self.pending {
                batch.lines.retain(|line| line.place.epoch >= before);
                batch.stirred.clear();
            }
            self.pending.retain(|batch| !batch.is_empty());
        }
        written.sink.complete(before)
    }

    fn text(&self, batch: u32, line: u32) -> &[u8] {
        let batch = &self.pending[batch as usize];
        batch.text(&batch.lines[line as usize])
    }
}
