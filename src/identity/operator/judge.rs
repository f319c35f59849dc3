//! Claims → rulings, an epoch at a time, on one worker.

use super::{Address, Answer, Claimed, HashMap, Ruled, Ruling, Stage, Told, home};
use crate::epoch::{Epochs, Turns};
use crate::event::worker_of;
use crate::identity::erased::{hash_of, key};
use crate::identity::figures::Figures;
use crate::identity::graph::Owner;
use crate::identity::resolve::Assigned;
use crate::identity::words::Words;
use crate::identity::{Resolver, When, not_before};
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::sync::Arc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// The worker that judges all claims: not the first one, if there are others, which already writes all output.
pub(super) fn judge_of(peers: usize) -> usize {
    peers - 1
}

/// Epochs that are judged before the others are told so, while there are more: what is judged ahead has time, and word of how far it is
/// has to be taken in by every worker, through every stage.
const EPOCHS_PER_WORD: u32 = 8;

/// Judges claims, on one worker.
pub(super) struct Judge {
    resolver: Resolver,
    /// Persons who are not at home, and where they are.
    guests: HashMap<CompactString, usize>,
    /// The next epoch that may be judged.
    next: u64,
    peers: usize,
    epochs: Arc<dyn Epochs>,
    figures: Arc<Figures>,
    kept: bool,
}

impl Judge {
    /// One that judges, or only stands by.
    pub(super) fn new(stage: Stage, judges: bool, peers: usize) -> Judge {
        Judge {
            // The others need not keep all links.
            resolver: match judges {
                true => stage.resolver,
                false => stage.resolver.without_links(),
            },
            guests: HashMap::default(),
            next: stage.first_epoch,
            peers,
            epochs: stage.epochs,
            figures: stage.figures,
            kept: stage.kept,
        }
    }

    fn seat(&self, person: &str) -> usize {
        self.guests.get(person).copied().unwrap_or_else(|| home(person, self.peers))
    }

    /// The next epoch before the frontier for which there is something to be judged.
    fn next_epoch(&self, stash: &BTreeMap<u64, Vec<Words>>, frontier: Option<u64>) -> Option<u64> {
        let claimed = stash.keys().next().copied();
        let idle = self.epochs.of_timer(self.resolver.earliest(), self.next, frontier);
        let next = claimed.into_iter().chain(idle).min()?;
        frontier.is_none_or(|frontier| next < frontier).then_some(next)
    }

    fn epoch(&mut self, epoch: u64, words: &[Words], out: &mut Vec<Ruled>) {
        self.next = epoch.saturating_add(1);
        let span = self.epochs.span(epoch);
        let claims = self.resolver.news(words, span);
        if claims.is_empty() && self.resolver.graph().forgets_after().is_none() {
            return;
        }
        let seen = words.iter().flat_map(|words| &words.seen);
        let seen = seen.map(|(at, hash)| (not_before(*at, span.begin), *hash)).collect();
        let outcome = self.resolver.epoch(claims, seen, span.end);
        self.figures.note(&outcome, self.resolver.graph().len());
        let mut assigned = outcome.assigned;
        // Where those are in this epoch who are worked on together, if not where they are after it.
        let mut seats: HashMap<CompactString, usize> = HashMap::default();
        for script in outcome.scripts {
            let last = script.changes.last().map(|(_, change)| change.survivor());
            let worker = self.seat(last.expect("a script has a change"));
            if self.peers > 1 {
                let mut moved = Vec::new();
                for person in script.persons() {
                    let from = self.seat(person);
                    if from != worker {
                        out.push((epoch, from, Ruling::Goes(person.clone(), worker)));
                    }
                    if from != worker || self.guests.contains_key(person) {
                        seats.insert(person.clone(), worker);
                        moved.push(person);
                    }
                }
                moved.into_iter().for_each(|person| self.settle(person, worker, &mut assigned));
            }
            out.push((epoch, worker, Ruling::Told(Told::Script(script))));
        }
        for (at, change) in outcome.names {
            let worker = self.seat(change.survivor());
            out.push((epoch, worker, Ruling::Told(Told::Named(at.0, change))));
        }
        for at in outcome.touched.into_iter().filter(|_| self.kept) {
            let record = self.resolver.graph().record(at);
            let bytes = postcard::to_stdvec(&record).expect("a record is plain data");
            let worker = home(&record.name, self.peers);
            out.push((epoch, worker, Ruling::Told(Told::Link(record.name, bytes))));
        }
        if self.kept {
            for leaf in outcome.removed {
                let worker = home(&leaf, self.peers);
                out.push((epoch, worker, Ruling::Told(Told::Unlink(leaf))));
            }
            for (identifier, at) in &outcome.erased {
                let key = key(identifier);
                let worker = worker_of(hash_of(key), self.peers);
                out.push((epoch, worker, Ruling::Told(Told::Erased(key, at.0))));
            }
        }
        let mut erased: HashMap<CompactString, Vec<When>> = HashMap::default();
        for (identifier, at) in outcome.erased {
            erased.entry(identifier).or_default().push(at);
        }
        for Assigned { identifier, earlier, owner } in assigned {
            let address = |owner: Owner| Address { worker: self.seat(&owner.person), owner };
            let then = |owner: Owner| match seats.get(&owner.person) {
                Some(&worker) => Address { worker, owner },
                None => address(owner),
            };
            let earlier = earlier.into_iter().map(|(at, owner)| (at, then(owner))).collect();
            let address = address(owner);
            let erased = erased.remove(&identifier).unwrap_or_default();
            let worker = home(&identifier, self.peers);
            let answer = Answer { identifier, earlier, address, erased };
            out.push((epoch, worker, Ruling::Answer(answer)));
        }
    }

    /// Somebody was worked on at a worker, and stays there if there is anything left: all its identifiers have to know.
    fn settle(&mut self, person: &CompactString, worker: usize, assigned: &mut Vec<Assigned>) {
        self.guests.remove(person);
        let graph = self.resolver.graph();
        // Whoever has ended and comes again does so at home.
        if graph.person_of(person) != *person || !graph.knows(person) {
            return;
        }
        if home(person, self.peers) != worker {
            self.guests.insert(person.clone(), worker);
        }
        // Of some it is said twice, which does no harm.
        let identifiers = graph.identifiers_of(person).into_iter();
        let earlier = Vec::new;
        assigned.extend(identifiers.map(|(identifier, owner)| Assigned {
            identifier,
            earlier: earlier(),
            owner,
        }));
    }
}

/// The stage that judges, of which only one worker's has anything to do. `first_epoch` is the first one that there may be.
pub(super) fn judged<'scope>(
    claims: Stream<'scope, u64, Vec<Claimed>>,
    mut judge: Judge,
    first_epoch: u64,
    turns: Turns,
) -> Stream<'scope, u64, Vec<Ruled>> {
    let scope = claims.scope();
    let (index, judge_at) = (scope.index(), judge_of(scope.peers()));
    let mut builder = OperatorBuilder::new("Identity".to_owned(), scope);
    let again = scope.activator_for(builder.operator_info().address);
    let mut input = builder.new_input(claims, Exchange::new(move |_: &Claimed| judge_at as u64));
    let (rulings, stream) = builder.new_output::<Vec<Ruled>>();
    let mut rulings = OutputBuilder::<_, CapacityContainerBuilder<Vec<_>>>::from(rulings);
    builder.build(move |mut capabilities| {
        let mut capability = capabilities.pop().filter(|_| index == judge_at);
        let mut stash: BTreeMap<u64, Vec<Words>> = BTreeMap::new();
        let mut unsaid = 0;
        move |frontiers| {
            input.for_each(|_, batch| {
                for (epoch, words) in batch.drain(..) {
                    stash.entry(epoch).or_default().push(words);
                }
            });
            let Some(held) = &mut capability else { return };
            let frontier = frontiers[0].frontier().first().copied();
            let mut out = Vec::new();
            let mut next = judge.next_epoch(&stash, frontier);
            while let Some(epoch) = next.filter(|_| turns.is_ahead()) {
                judge.epoch(epoch, &stash.remove(&epoch).unwrap_or_default(), &mut out);
                next = judge.next_epoch(&stash, frontier);
                unsaid += 1;
                // One at a time: the epoch under way may have something to do again.
                if turns.meets() {
                    break;
                }
            }
            if !out.is_empty() {
                rulings.activate().session(&*held).give_iterator(out.into_iter());
            }
            if next.is_some() {
                again.activate();
                if unsaid < EPOCHS_PER_WORD {
                    return;
                }
            }
            unsaid = 0;
            match next.or(frontier) {
                Some(epoch) => held.downgrade(&epoch.max(first_epoch).max(*held.time())),
                None => capability = None,
            }
        }
    });
    stream
}
