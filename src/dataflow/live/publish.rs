//! Lines of all workers → bundles, one for each epoch, in order.

use super::{Announced, Shared, Version};
use crate::dataflow::Wakers;
use crate::dataflow::publish::Pending;
use crate::epoch::log::Read;
use crate::sink::{Batch, Stream as Output};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::operator::Operator;

/// What an epoch gave.
pub(super) struct Bundle {
    pub announced: Announced,
    /// Whether the log has to know of the epoch: it read something, or something happened in it.
    pub counts: bool,
    pub lines: Vec<Said>,
    bytes: Vec<u8>,
}

/// One line of a bundle.
pub(super) struct Said {
    pub stream: Output,
    /// What it is counted as.
    pub label: u32,
    /// The instant of which it speaks.
    pub time: i64,
    start: usize,
    end: usize,
}

impl Bundle {
    /// Bytes of all lines together.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The text of a line, without its line feed.
    pub(super) fn text(&self, said: &Said) -> &[u8] {
        &self.bytes[said.start..said.end - 1]
    }
}

/// Makes bundles of complete epochs.
struct Publisher {
    shared: Arc<Shared>,
    pending: Pending,
    announced: VecDeque<Announced>,
    /// How far the last epoch had read.
    read: Vec<Read>,
    /// The definitions of the last epoch.
    version: Arc<Version>,
    out: Sender<Bundle>,
}

/// The last stage of the dataflow; its frontier says what has been handed to the transactions.
pub(super) fn publish<'scope>(
    batches: Stream<'scope, u64, Vec<Batch>>,
    shared: Arc<Shared>,
    read: Vec<Read>,
    version: Arc<Version>,
    out: Sender<Bundle>,
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
            let (pending, announced) = (Pending::default(), VecDeque::new());
            let mut publisher = Publisher { shared, pending, announced, read, version, out };
            move |(input, frontier), _output| {
                input.for_each(|_, batches| publisher.pending.append(batches));
                let frontier = frontier.frontier().first().copied();
                if first {
                    publisher.advance(frontier.unwrap_or(u64::MAX));
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
    /// Hands on every epoch before the frontier.
    fn advance(&mut self, before: u64) {
        self.announced.append(&mut self.shared.take(self.shared.outlet()));
        let complete = |announced: &Announced| announced.entry.number < before;
        if !self.announced.front().is_some_and(complete) {
            return;
        }
        let order = self.pending.order(before);
        let stirred: BTreeSet<u64> = self.pending.stirred(before).collect();
        let mut order = order.iter().peekable();
        while let Some(announced) = self.announced.pop_front_if(|it| it.entry.number < before) {
            let number = announced.entry.number;
            let mut lines = Vec::new();
            let mut bytes = Vec::new();
            while let Some(lying) = order.next_if(|(place, ..)| place.epoch == number) {
                let (line, text) = self.pending.line(lying);
                let start = bytes.len();
                bytes.extend_from_slice(text);
                let (stream, label, time) = (line.stream, line.label, line.place.time);
                lines.push(Said { stream, label, time, start, end: bytes.len() });
            }
            let happened = !lines.is_empty() || stirred.contains(&number);
            let switches = !Arc::ptr_eq(&announced.version, &self.version);
            let counts =
                happened || switches || announced.checkpoint || announced.entry.read != self.read;
            self.version.clone_from(&announced.version);
            self.read.clone_from(&announced.entry.read);
            // Without a receiver the run is over.
            let _ = self.out.send(Bundle { announced, counts, lines, bytes });
        }
        self.pending.forget(before);
    }
}
