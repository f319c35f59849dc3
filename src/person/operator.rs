//! The keyed stage as a timely operator: events by epoch in, lines by epoch out.
//!
//! An epoch happens when the frontier has passed it, so that all its events are there. What a worker gives in one turn is
//! bounded, so that a mass deadline does not fill memory with output that nobody has written yet.
//!
//! Where identifiers can turn out to be one person, events are led here by [`crate::identity::operator`], and two more things come in: who is
//! worked on together ([`Told`]), and persons from other workers for that ([`Moving`]). A person goes when everything before the epoch has
//! happened where it is, and comes before the epoch happens where it goes. Where persons are compared with one another, what they say goes out, and
//! comes back as answers, each for the epoch after the one in which it was said; an epoch happens when all answers for it are there.

use super::Person;
use super::feedback::{Addressed, Feedback, PassedOn};
use super::group::Groups;
use super::keyed::{Keyed, Unsaid};
use super::table::{pack, unpack};
use crate::dataflow::Wakers;
use crate::dataflow::checkpoint::Coordinator;
use crate::epoch::{Epochs, Placed, Turns, by_stretch};
use crate::event::Event;
use crate::identity::operator::{Moving, Residents, Told};
use crate::sink::{Batch, Formatter};
use crate::store::Record;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::scheduling::Activator;

/// Bytes of output after which an activation lets the sink have its turn.
const OUTPUT_PER_TURN: usize = 1 << 20;

/// Persons of a checkpoint that are written in one activation.
const WRITTEN_PER_TURN: usize = 1024;

/// How much memory of events is kept: of so many epochs, with so many events each.
const ROOM_MAX: usize = 4;
const ROOM_EVENTS_MAX: usize = 1 << 15;

/// One worker's stash and where it stands in time.
pub struct Stage {
    keyed: Rc<RefCell<Keyed>>,
    epochs: Arc<dyn Epochs>,
    coordinator: Arc<Coordinator>,
    formatter: Formatter,
    stash: BTreeMap<u64, Arrived>,
    /// Memory of the events of epochs that have happened: an epoch is about as large as another, and need not grow to that step by step.
    room: Vec<Vec<Event>>,
    /// What is heard one epoch after it was said, by the epoch that it is for.
    heard: BTreeMap<u64, Vec<Feedback>>,
    /// The epoch of the store's persons, until all answers to what they have said again are there.
    again: Option<u64>,
    /// The next epoch that may happen.
    next: u64,
    worker: usize,
    freezing: bool,
    /// Who leads events and persons here, and whether it waits for this worker to come to an epoch.
    router: Option<Activator>,
    waiting: bool,
}

/// What has come for one epoch.
#[derive(Default)]
struct Arrived {
    events: Vec<Event>,
    told: Vec<Told>,
    persons: Vec<Person>,
    /// What persons who have gone to other workers had said here.
    unsaid: Vec<Unsaid>,
}

/// What the stage of the persons works with.
pub struct Means {
    pub keyed: Rc<RefCell<Keyed>>,
    pub epochs: Arc<dyn Epochs>,
    pub coordinator: Arc<Coordinator>,
    pub formatter: Formatter,
    /// The first epoch that may happen.
    pub first_epoch: u64,
}

/// Lines, and what persons say to those across them, if they hear of it again.
pub type LinesAndSayings<'scope> =
    (Stream<'scope, u64, Vec<Batch>>, Option<Stream<'scope, u64, Vec<PassedOn>>>);

/// Events in, lines out; each worker works on the persons of its key groups. Where there is identity, persons come from other workers, and
/// what is said to those `here` by this one does not come as a stream.
pub fn persons<'scope>(
    events: Stream<'scope, u64, Vec<Placed>>,
    moving: Option<Stream<'scope, u64, Vec<Moving>>>,
    feedback: Option<Stream<'scope, u64, Vec<Addressed>>>,
    here: Rc<RefCell<Stage>>,
    wakers: &Wakers,
    turns: Turns,
) -> LinesAndSayings<'scope> {
    let scope = events.scope();
    let mut builder = OperatorBuilder::new("Persons".to_owned(), scope);
    let mut events = builder.new_input(events, Exchange::new(|(_, it): &Placed| it.seat()));
    let to_worker = Exchange::new(|moving: &Moving| moving.to as u64);
    let mut moving = moving.map(|moving| builder.new_input(moving, to_worker));
    let inputs = 1 + usize::from(moving.is_some());
    let to_worker = Exchange::new(|(worker, _): &Addressed| *worker);
    let mut feedback = feedback.map(|feedback| builder.new_input(feedback, to_worker));
    let (lines, line_stream) = builder.new_output::<Vec<Batch>>();
    let mut lines = OutputBuilder::<_, CapacityContainerBuilder<Vec<Batch>>>::from(lines);
    let (mut says, sayings) = match &feedback {
        Some(_) => {
            let (says, sayings) = builder.new_output::<Vec<PassedOn>>();
            let says = OutputBuilder::<_, CapacityContainerBuilder<Vec<PassedOn>>>::from(says);
            (Some(says), Some(sayings))
        }
        None => (None, None),
    };
    let info = builder.operator_info();
    let activator = scope.activator_for(info.address.clone());
    wakers.borrow_mut().push(scope.activator_for(info.address));
    builder.build(move |capabilities| {
        let ports = capabilities.len();
        let mut held: Option<Vec<Capability<u64>>> = Some(capabilities);
        let mut begun = false;
        move |frontiers| {
            let stage = &mut *here.borrow_mut();
            events.for_each(|_, events| {
                by_stretch(events, |epoch, placed| {
                    let room = &mut stage.room;
                    let arrived = stage.stash.entry(epoch).or_insert_with(|| Arrived {
                        events: room.pop().unwrap_or_default(),
                        ..Arrived::default()
                    });
                    arrived.events.extend(placed.map(|(_, event)| event));
                });
            });
            if let Some(moving) = &mut moving {
                moving.for_each(|_, batch| {
                    for Moving { epoch, person, told, .. } in batch.drain(..) {
                        let arrived = stage.arrived(epoch);
                        arrived.persons.push(unpack(&person));
                        arrived.events.extend(told);
                    }
                });
            }
            if let Some(feedback) = &mut feedback {
                feedback.for_each(|capability, feedback| {
                    turns.stir();
                    let Some(&epoch) = capability.least() else { return };
                    // Nothing was to happen so soon: what is heard brings the right to let it.
                    if held.as_ref().is_none_or(|held| *held[0].time() > epoch) {
                        let right = |port| capability.delayed(&epoch, port);
                        held = Some((0..ports).map(right).collect());
                    }
                    let heard = feedback.drain(..).map(|(_, feedback)| feedback);
                    stage.heard.entry(epoch).or_default().extend(heard);
                });
            }
            let first = |it: &timely::progress::frontier::MutableAntichain<u64>| {
                it.frontier().first().copied()
            };
            let input = frontiers[..inputs].iter().filter_map(first).min();
            let answered = frontiers.get(inputs).and_then(first);
            let Some(capabilities) = held.as_mut() else { return };
            if let Some(says) = &mut says {
                if !std::mem::replace(&mut begun, true)
                    && let Some((epoch, again)) = stage.say_again()
                {
                    let at = capabilities[1].delayed(&epoch);
                    says.activate().session(&at).give_iterator(again.into_iter());
                }
                stage.compare_again(answered);
            }
            let limit = [input, answered].into_iter().flatten().min();
            let before = stage.next;
            let (batches, more) = stage.work(input, limit);
            if stage.next != before {
                turns.stir();
            }
            if !batches.is_empty() {
                lines.activate().session(&capabilities[0]).give_iterator(batches.into_iter());
            }
            let holds = if let Some(says) = &mut says {
                // What is held is the epoch that has just happened: the next one needs what comes back of this.
                let said = stage.keyed.borrow_mut().take_says(*capabilities[1].time());
                if !said.is_empty() {
                    says.activate().session(&capabilities[1]).give_iterator(said.into_iter());
                }
                stage.holds_compared(input, limit, more)
            } else {
                stage.holds(input, more)
            };
            match holds {
                Some(epoch) => {
                    for capability in capabilities {
                        capability.downgrade(&epoch.max(*capability.time()));
                    }
                }
                None => held = None,
            }
            if std::mem::take(&mut stage.waiting)
                && let Some(router) = &stage.router
            {
                router.activate();
            }
            if more {
                activator.activate();
            }
        }
    });
    (line_stream, sayings)
}

impl Residents for Stage {
    fn room(&mut self) -> Vec<Event> {
        self.room.pop().unwrap_or_default()
    }

    fn arrive(&mut self, epoch: u64, mut events: Vec<Event>) {
        let arrived = &mut self.arrived(epoch).events;
        match arrived.is_empty() {
            true => *arrived = events,
            false => arrived.append(&mut events),
        }
    }

    fn told(&mut self, epoch: u64, told: Told) {
        self.arrived(epoch).told.push(told);
    }

    fn has_come_to(&mut self, epoch: u64) -> bool {
        let has = epoch <= self.next;
        self.waiting |= !has;
        has
    }

    fn depart(&mut self, epoch: u64, person: &str, to: usize) -> Option<Moving> {
        self.begin(epoch);
        let begin = self.epochs.span(epoch).begin;
        let mut keyed = self.keyed.borrow_mut();
        keyed.tell(begin);
        let (gone, unsaid) = keyed.take_out(person)?;
        let told = keyed.take_told(person);
        drop(keyed);
        self.arrived(epoch).unsaid.push(unsaid);
        Some(Moving { epoch, to, person: pack(&gone), told })
    }

    fn wake(&mut self, whom: Activator) {
        self.router = Some(whom);
    }
}

impl Stage {
    /// The stage of one worker.
    pub fn new(means: Means, worker: usize) -> Stage {
        Stage {
            keyed: means.keyed,
            epochs: means.epochs,
            coordinator: means.coordinator,
            formatter: means.formatter,
            stash: BTreeMap::new(),
            room: Vec::new(),
            heard: BTreeMap::new(),
            again: None,
            next: means.first_epoch,
            worker,
            freezing: false,
            router: None,
            waiting: false,
        }
    }

    fn arrived(&mut self, epoch: u64) -> &mut Arrived {
        self.stash.entry(epoch).or_default()
    }

    /// Lets epochs before `limit` happen, in order, as many as one turn takes; tells whether there is more to do now. `input` is
    /// the first epoch that may still get events; `limit` the first for which anything may still come.
    fn work(&mut self, input: Option<u64>, limit: Option<u64>) -> (Vec<Batch>, bool) {
        let (mut full, mut batch) = (Vec::new(), Batch::default());
        self.write_checkpoint();
        while let Some(epoch) = self.next_epoch(input, limit) {
            let size = full.iter().map(Batch::size).sum::<usize>() + batch.size();
            if size > OUTPUT_PER_TURN {
                full.push(batch);
                return (full, true);
            }
            self.begin(epoch);
            self.happen(epoch, &mut batch, &mut full);
            self.next = epoch.saturating_add(1);
        }
        if !batch.is_empty() {
            full.push(batch);
        }
        // At the end nothing is held back, so that a checkpoint under way can have the outputs of all workers.
        self.next = self.next.max(limit.unwrap_or(u64::MAX));
        if let Some(epoch) = self.coordinator.rest(self.worker, limit.unwrap_or(u64::MAX)) {
            self.freeze(epoch);
        }
        let checkpoint = limit.is_none() && self.coordinator.is_busy();
        (full, self.freezing || checkpoint)
    }

    /// Before anything of an epoch happens: a checkpoint that is to be taken before it begins now.
    fn begin(&mut self, epoch: u64) {
        if let Some(epoch) = self.coordinator.begin(self.worker, epoch) {
            self.freeze(epoch);
        }
    }

    fn freeze(&mut self, epoch: u64) {
        self.keyed.borrow_mut().freeze(epoch);
        self.freezing = true;
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
        let answered = self.heard.keys().next();
        let answered = answered.and_then(|&at| self.epochs.of_answers(at, self.next, input));
        [timer, stashed, switch, answered].into_iter().flatten().min()
    }

    /// Lets an epoch happen. What comes of it goes into a batch, and once that is full into others.
    fn happen(&mut self, epoch: u64, batch: &mut Batch, full: &mut Vec<Batch>) {
        let Arrived { mut events, told, persons, unsaid } =
            self.stash.remove(&epoch).unwrap_or_default();
        let span = self.epochs.span(epoch);
        self.keyed.borrow_mut().tell(span.begin);
        if let Some((at, plan)) = self.epochs.switch(epoch)
            && at == epoch
        {
            self.keyed.borrow_mut().switch(plan.clone(), span.begin);
            self.formatter.follow(plan);
        }
        while let Some(first) = self.heard.first_entry()
            && *first.key() <= epoch
        {
            self.keyed.borrow_mut().hear(first.remove());
        }
        let mut scripts = Vec::new();
        let mut links = Vec::new();
        for told in told {
            match told {
                Told::Script(script) => scripts.push(script),
                Told::Named(at, change) => self.keyed.borrow().write_down(at, &change),
                Told::Link(leaf, bytes) => links.push(Record::link(&leaf, bytes)),
                Told::Unlink(leaf) => links.push(Record::unlink(&leaf)),
                Told::Erased(key, at) => links.push(Record::erased(key, at)),
            }
        }
        let mut groups = Groups::new(scripts);
        persons.into_iter().for_each(|person| groups.bring(person));
        let formatter = &self.formatter;
        batch.stirred.push(epoch);
        let mut keyed = self.keyed.borrow_mut();
        unsaid.into_iter().for_each(|unsaid| keyed.unsay(unsaid));
        keyed.keep_links(links);
        keyed.epoch_with(&mut events, groups, span, &mut |person, hash, effects| {
            formatter.effects(epoch, person, hash, effects, batch);
            full.extend(batch.take_full());
        });
        events.clear();
        if (1..=ROOM_EVENTS_MAX).contains(&events.capacity()) && self.room.len() < ROOM_MAX {
            self.room.push(events);
        }
        if keyed.has_moved() {
            // Who has moved is answered anew, though nothing may have turned.
            self.heard.entry(epoch.saturating_add(1)).or_default();
        }
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
            self.heard.clear();
        }
        self.keyed.borrow_mut().set_waiting(!self.heard.is_empty());
        if limit.is_none() && awaited.is_none() && !more {
            return None;
        }
        let again = self.again.map(|epoch| epoch + 1);
        let first = [awaited, input, again].into_iter().flatten().min();
        Some(first.unwrap_or(u64::MAX))
    }

    /// What the store's persons said last, and the epoch as of which.
    fn say_again(&mut self) -> Option<(u64, Vec<PassedOn>)> {
        let epoch = self.next.checked_sub(1)?;
        let mut keyed = self.keyed.borrow_mut();
        let says = keyed.take_values(epoch);
        self.again = (!says.is_empty()).then_some(epoch);
        if keyed.has_happened() {
            // What members did in the checkpoint's epoch is for the next one.
            self.heard.entry(epoch.saturating_add(1)).or_default();
        }
        self.again.map(|epoch| (epoch, says))
    }

    /// Once all answers to what was said again are there, only those stay that the persons have not got.
    fn compare_again(&mut self, answered: Option<u64>) {
        let Some(epoch) = self.again.map(|epoch| epoch + 1) else { return };
        if answered.is_some_and(|answered| answered <= epoch) {
            return;
        }
        self.again = None;
        let heard = self.heard.remove(&epoch).unwrap_or_default();
        let (mut answers, mut others) = (Vec::new(), Vec::new());
        for feedback in heard {
            match feedback {
                Feedback::Answer(answer) => answers.push(answer),
                other => others.push(other),
            }
        }
        let turned = self.keyed.borrow_mut().compare_again(answers);
        others.extend(turned.into_iter().map(Feedback::Answer));
        if !others.is_empty() || self.keyed.borrow().has_happened() {
            self.heard.insert(epoch, others);
        }
    }
}
