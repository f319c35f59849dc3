//! The keyed operator: stashes events until their epoch is complete, then lets it happen.

use super::keyed::Keyed;
use super::{Answer, Said};
use crate::dataflow::Wakers;
use crate::dataflow::checkpoint::Coordinator;
use crate::dataflow::ingest::Placed;
use crate::epoch::Epochs;
use crate::event::Event;
use crate::limits::KEY_GROUPS;
use crate::sink::{Batch, Formatter};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::generic::operator::Operator;

/// Bytes of output after which an activation lets the sink have its turn.
const OUTPUT_PER_TURN: usize = 1 << 20;

/// Persons of a checkpoint that are written in one activation.
const WRITTEN_PER_TURN: usize = 1024;

/// One worker's stash and where it stands in time.
struct Stage {
    keyed: Rc<RefCell<Keyed>>,
    epochs: Arc<dyn Epochs>,
    coordinator: Arc<Coordinator>,
    formatter: Formatter,
    stash: BTreeMap<u64, Vec<Event>>,
    /// Answers about places among all others, by the epoch that they are for.
    answers: BTreeMap<u64, Vec<Answer>>,
    /// The epoch of the store's persons, until all answers to what they have said again are there.
    again: Option<u64>,
    /// The next epoch that may happen.
    next: u64,
    worker: usize,
    freezing: bool,
}

/// What the stage of the persons works with.
pub struct Means {
    pub keyed: Rc<RefCell<Keyed>>,
    pub epochs: Arc<dyn Epochs>,
    pub coordinator: Arc<Coordinator>,
    pub formatter: Formatter,
    /// The first epoch that may happen.
    pub first_epoch: u64,
    pub wakers: Wakers,
}

/// Events in, lines out; each worker works on the persons of its key groups.
pub fn persons<'scope>(
    events: Stream<'scope, u64, Vec<Placed>>,
    means: Means,
) -> Stream<'scope, u64, Vec<Batch>> {
    let scope = events.scope();
    events.unary_frontier::<CapacityContainerBuilder<Vec<Batch>>, _, _, _>(
        route(),
        "Persons",
        move |capability, info| {
            let activator = scope.activator_for(info.address.clone());
            means.wakers.borrow_mut().push(scope.activator_for(info.address));
            let mut capability = Some(capability);
            let mut stage = Stage::new(means, scope.index());
            move |(input, frontier), output| {
                input.for_each(|_, events| stage.stash(events));
                let frontier = frontier.frontier().first().copied();
                let Some(held) = capability.as_mut() else { return };
                let (batch, more) = stage.work(frontier, frontier);
                if !batch.is_empty() {
                    output.session(held).give(batch);
                }
                match stage.holds(frontier, more) {
                    Some(epoch) => held.downgrade(&epoch.max(*held.time())),
                    None => capability = None,
                }
                if more {
                    activator.activate();
                }
            }
        },
    )
}

/// Lines, and what persons say to be compared with all others.
pub type LinesAndSaid<'scope> = (Stream<'scope, u64, Vec<Batch>>, Stream<'scope, u64, Vec<Said>>);

/// The same where persons are compared: what they say goes out, and comes back as answers, each for the epoch after the one in
/// which it was said. An epoch happens when all answers for it are there.
pub fn compared_persons<'scope>(
    events: Stream<'scope, u64, Vec<Placed>>,
    answers: Stream<'scope, u64, Vec<Answer>>,
    means: Means,
) -> LinesAndSaid<'scope> {
    let scope = events.scope();
    let mut builder = OperatorBuilder::new("Persons".to_owned(), scope);
    let mut events = builder.new_input(events, route());
    let mut answers = builder.new_input(answers, Pipeline);
    let (lines, line_stream) = builder.new_output::<Vec<Batch>>();
    let (said, said_stream) = builder.new_output::<Vec<Said>>();
    let mut lines = OutputBuilder::<_, CapacityContainerBuilder<Vec<Batch>>>::from(lines);
    let mut said = OutputBuilder::<_, CapacityContainerBuilder<Vec<Said>>>::from(said);
    let info = builder.operator_info();
    let activator = scope.activator_for(info.address.clone());
    means.wakers.borrow_mut().push(scope.activator_for(info.address));
    builder.build(move |capabilities| {
        let mut held: Option<Vec<Capability<u64>>> = Some(capabilities);
        let mut stage = Stage::new(means, scope.index());
        let mut begun = false;
        move |frontiers| {
            events.for_each(|_, events| stage.stash(events));
            answers.for_each(|capability, answers| {
                let Some(&epoch) = capability.least() else { return };
                // Nothing was to happen so soon: the answers bring the right to let it.
                if held.as_ref().is_none_or(|held| *held[0].time() > epoch) {
                    held = Some((0..2).map(|port| capability.delayed(&epoch, port)).collect());
                }
                stage.answers.entry(epoch).or_default().append(answers);
            });
            let of = |at: usize| frontiers[at].frontier().first().copied();
            let (input, answered) = (of(0), of(1));
            let Some(capabilities) = held.as_mut() else { return };
            if !std::mem::replace(&mut begun, true)
                && let Some((epoch, again)) = stage.say_again()
            {
                let at = capabilities[1].delayed(&epoch);
                said.activate().session(&at).give_iterator(again.into_iter());
            }
            stage.compare_again(answered);
            let limit = [input, answered].into_iter().flatten().min();
            let (batch, more) = stage.work(input, limit);
            if !batch.is_empty() {
                lines.activate().session(&capabilities[0]).give(batch);
            }
            // What is held is the epoch that has just happened: the next one needs the answers to this.
            let news = stage.keyed.borrow_mut().take_said(*capabilities[1].time());
            if !news.is_empty() {
                said.activate().session(&capabilities[1]).give_iterator(news.into_iter());
            }
            match stage.holds_compared(input, limit, more) {
                Some(epoch) => {
                    for capability in capabilities {
                        capability.downgrade(&epoch.max(*capability.time()));
                    }
                }
                None => held = None,
            }
            if more {
                activator.activate();
            }
        }
    });
    (line_stream, said_stream)
}

fn route() -> impl timely::dataflow::channels::pact::ParallelizationContract<u64, Vec<Placed>> {
    Exchange::new(|(_, event): &Placed| event.hash % KEY_GROUPS as u64)
}

impl Stage {
    fn new(means: Means, worker: usize) -> Stage {
        Stage {
            keyed: means.keyed,
            epochs: means.epochs,
            coordinator: means.coordinator,
            formatter: means.formatter,
            stash: BTreeMap::new(),
            answers: BTreeMap::new(),
            again: None,
            next: means.first_epoch,
            worker,
            freezing: false,
        }
    }

    fn stash(&mut self, events: &mut Vec<Placed>) {
        for (epoch, event) in events.drain(..) {
            self.stash.entry(epoch).or_default().push(event);
        }
    }

    /// Lets epochs before `limit` happen, in order, as many as one turn takes; tells whether there is more to do now. `input` is
    /// the first epoch that may still get events; `limit` the first for which anything may still come.
    fn work(&mut self, input: Option<u64>, limit: Option<u64>) -> (Batch, bool) {
        let mut batch = Batch::default();
        self.write_checkpoint();
        while let Some(epoch) = self.next_epoch(input, limit) {
            if batch.size() > OUTPUT_PER_TURN {
                return (batch, true);
            }
            if self.coordinator.begin(self.worker, epoch) {
                self.keyed.borrow_mut().freeze();
                self.freezing = true;
            }
            self.happen(epoch, &mut batch);
            self.next = epoch.saturating_add(1);
        }
        // At the end nothing is held back, so that a checkpoint under way can have the outputs of all workers.
        self.next = self.next.max(limit.unwrap_or(u64::MAX));
        if self.coordinator.rest(self.worker, limit.unwrap_or(u64::MAX)) {
            self.keyed.borrow_mut().freeze();
            self.freezing = true;
        }
        let checkpoint = limit.is_none() && self.coordinator.is_busy();
        (batch, self.freezing || checkpoint)
    }

    /// The next epoch in which something happens here, if it is complete.
    fn next_epoch(&self, input: Option<u64>, limit: Option<u64>) -> Option<u64> {
        self.awaited(input).filter(|epoch| limit.is_none_or(|limit| *epoch < limit))
    }

    /// The next epoch in which, as far as is known, something happens here.
    fn awaited(&self, input: Option<u64>) -> Option<u64> {
        let earliest = self.keyed.borrow().earliest_timer();
        let timer = self.epochs.of_timer(earliest, self.next, input);
        let stashed = self.stash.keys().next().copied();
        let switch = self.epochs.switch(self.next).map(|(epoch, _)| epoch);
        let answered = self.answers.keys().next();
        let answered = answered.and_then(|&at| self.epochs.of_answers(at, self.next, input));
        [timer, stashed, switch, answered].into_iter().flatten().min()
    }

    fn happen(&mut self, epoch: u64, batch: &mut Batch) {
        let mut events = self.stash.remove(&epoch).unwrap_or_default();
        let span = self.epochs.span(epoch);
        if let Some((at, plan)) = self.epochs.switch(epoch)
            && at == epoch
        {
            self.keyed.borrow_mut().switch(plan.clone(), span.begin);
            self.formatter.follow(plan);
        }
        while let Some(first) = self.answers.first_entry()
            && *first.key() <= epoch
        {
            self.keyed.borrow_mut().hear(first.remove());
        }
        let formatter = &self.formatter;
        batch.stirred.push(epoch);
        self.keyed.borrow_mut().epoch(&mut events, span, &mut |person, hash, effects| {
            formatter.effects(epoch, person, hash, effects, batch);
        });
    }

    fn write_checkpoint(&mut self) {
        if self.freezing
            && let Some(records) = self.keyed.borrow_mut().write_slice(WRITTEN_PER_TURN)
        {
            self.coordinator.deliver(self.worker, records);
            self.freezing = false;
        }
    }

    /// The epoch before which nothing more comes out; `None` when all is done.
    fn holds(&self, frontier: Option<u64>, more: bool) -> Option<u64> {
        if frontier.is_none() && !more {
            return None;
        }
        Some(self.next)
    }

    /// The same where persons are compared: nothing is let go of that has not happened yet.
    fn holds_compared(
        &mut self,
        input: Option<u64>,
        limit: Option<u64>,
        more: bool,
    ) -> Option<u64> {
        let awaited = self.awaited(input);
        if input.is_none() && awaited.is_none() {
            // What comes after the end is not taken in.
            self.answers.clear();
        }
        self.keyed.borrow_mut().set_waiting(!self.answers.is_empty());
        if limit.is_none() && awaited.is_none() && !more {
            return None;
        }
        let again = self.again.map(|epoch| epoch + 1);
        let first = [awaited, input, again].into_iter().flatten().min();
        Some(first.unwrap_or(u64::MAX))
    }

    /// What the store's persons said last, and the epoch as of which.
    fn say_again(&mut self) -> Option<(u64, Vec<Said>)> {
        let epoch = self.next.checked_sub(1)?;
        let said = self.keyed.borrow_mut().take_said(epoch);
        self.again = (!said.is_empty()).then_some(epoch);
        self.again.map(|epoch| (epoch, said))
    }

    /// Once all answers to what was said again are there, only those stay that the persons have not got.
    fn compare_again(&mut self, answered: Option<u64>) {
        let Some(epoch) = self.again.map(|epoch| epoch + 1) else { return };
        if answered.is_some_and(|answered| answered <= epoch) {
            return;
        }
        self.again = None;
        let answers = self.answers.remove(&epoch).unwrap_or_default();
        let turned = self.keyed.borrow_mut().compare_again(answers);
        if !turned.is_empty() {
            self.answers.insert(epoch, turned);
        }
    }
}
