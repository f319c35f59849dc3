//! What the persons of one worker have to do with the catalogue and with groups: who has which product, who is being told of a
//! change, and what members have done.
//!
//! A change that concerns many is told in slices: each key group's persons are gone through in a fixed order, so many an epoch,
//! so that everything else goes on in between, and the same persons hear in the same epoch whatever the number of workers.

use super::super::feedback::{Addressed, Feedback, News, PassedOn, pass_pairs, pass_to_all};
use super::super::lists::{self, Hears};
use super::super::{Effect, Person};
use super::Keyed;
use crate::catalogue::related::Pair;
use crate::catalogue::{Catalogue, Update, field};
use crate::define::plan::{CataloguePlan, Plan};
use crate::event::{Call, Event, Value, key_group, leaf_hash, worker_of};
use crate::limits::{HOLDERS_PER_GROUP_AND_EPOCH, KEY_GROUPS};
use crate::person::eval::Cx;
use crate::store::Record;
use compact_str::{CompactString, format_compact};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

type HashMap<K, V> = hashbrown::HashMap<K, V, foldhash::fast::FixedState>;
type HashSet<K> = hashbrown::HashSet<K, foldhash::fast::FixedState>;

/// What one worker holds of it.
#[derive(Debug, Default)]
pub(super) struct Relations {
    pub(super) catalogue: Catalogue,
    /// By fact and product, the persons whom it concerns: place in the order, and slot.
    holders: HashMap<(u16, u64), BTreeSet<(u32, u32)>>,
    /// Pairs of products that persons have said, or taken back, since they were last taken.
    pub(super) pairs: Vec<Pair>,
    /// Products whose names everybody knows, or has been told.
    known: HashSet<u64>,
    /// Names that nobody has been told yet, and those that the store does not have yet.
    named: Vec<(u64, CompactString)>,
    unkept: Vec<(u64, CompactString)>,
    /// Changes that not everybody has heard of whom they concern, in the order in which they came; and the number of the next one.
    walks: Vec<Walk>,
    next_walk: u64,
    /// Those who are told in the epoch that is about to begin, with what, once that is known.
    told: Option<Vec<Event>>,
    /// What members have done in this epoch, and as of which epoch it was said last.
    forwards: Vec<Event>,
    outbox: (u64, Vec<Event>),
    /// What members have done in the last epoch, for groups of this worker.
    happened: Vec<Event>,
    /// The last run before this one that has left something under way.
    run: u64,
    /// Products whose record has changed since the last checkpoint.
    changed: BTreeSet<CompactString>,
}

/// A change of a product on its way to those whom it concerns by a fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Walk {
    /// In the order of all changes, the same on all workers: earlier ones are told first.
    number: u64,
    event: Event,
    fact: u16,
    product: u64,
    /// Where it goes on, by key group; none where it is done; nothing at all before it has begun.
    next: Option<BTreeMap<u8, u32>>,
}

/// What a worker still has to do after a checkpoint's epoch.
#[derive(Debug, Serialize, Deserialize)]
struct Pending {
    /// The run that has left it: two runs can take checkpoints after one epoch, with other workers.
    run: u64,
    epoch: u64,
    walks: Vec<Walk>,
    forwards: Vec<Event>,
}

/// One person's place in the order in which persons are told: key group, then hash.
fn place(hash: u64) -> u32 {
    (key_group(hash) as u32) << 24 | (hash >> 40) as u32
}

const _: () = assert!(KEY_GROUPS <= 256, "a key group is one byte of a place");

/// Takes in what one person says.
struct Saying<'a> {
    relations: &'a mut Relations,
    place: (u32, u32),
}

impl Hears for Saying<'_> {
    fn name(&mut self, number: u64, name: &str) {
        if self.relations.known.insert(number) {
            self.relations.named.push((number, name.into()));
            self.relations.unkept.push((number, name.into()));
        }
    }

    fn has(&mut self, fact: u16, product: u64, comes: bool) {
        let holders = &mut self.relations.holders;
        if comes {
            holders.entry((fact, product)).or_default().insert(self.place);
        } else if let Some(known) = holders.get_mut(&(fact, product)) {
            known.remove(&self.place);
            if known.is_empty() {
                holders.remove(&(fact, product));
            }
        }
    }

    fn together(&mut self, relation: u8, one: u64, other: u64, comes: bool) {
        let more = if comes { 1 } else { -1 };
        let both = [(one, other), (other, one)];
        let both = both.map(|(product, other)| Pair { product, other, more, relation });
        self.relations.pairs.extend(both);
    }
}

impl Relations {
    fn saying(&mut self, person: &Person, slot: u32) -> Saying<'_> {
        Saying { place: (place(leaf_hash(&person.id)), slot), relations: self }
    }

    /// Lets a person say what it has otherwise than before, as of an instant: because of events, or whatever it was.
    pub(super) fn say(
        &mut self,
        person: &mut Person,
        slot: u32,
        plan: &Plan,
        now: i64,
        events: Option<&[Event]>,
    ) {
        if plan.catalogue.is_some() || person.lists.is_some() {
            let mut saying = self.saying(person, slot);
            lists::say(person, plan, now, events, &mut saying);
        }
    }

    /// A person leaves a slot: gives the pairs that it has said and that are to be taken back.
    pub(super) fn move_away(&mut self, person: &mut Person, slot: u32) -> Vec<Pair> {
        let before = self.pairs.len();
        let mut saying = self.saying(person, slot);
        lists::take_back(person, &mut saying);
        self.pairs.split_off(before)
    }

    /// Takes out of a step's effects what members have done, for their groups.
    pub(super) fn keep_forwards(&mut self, plan: &Plan, effects: &mut Vec<Effect>) {
        if plan.groups.is_empty() && plan.policy.throttles.is_empty() {
            return;
        }
        let forwards = effects.extract_if(.., |effect| matches!(effect, Effect::Forward(_)));
        self.forwards.extend(forwards.filter_map(|effect| match effect {
            Effect::Forward(event) => Some(*event),
            _ => None,
        }));
    }

    /// Gives messages their places, for their persons to hear.
    pub(super) fn grant(&mut self, grants: Vec<Event>) {
        self.forwards.extend(grants);
    }

    /// Takes in feedback.
    pub(super) fn hear(&mut self, feedback: Feedback) {
        match feedback {
            Feedback::Happened(event) => self.happened.push(*event),
            Feedback::Named(number, name) => {
                self.known.insert(number);
                self.catalogue.hear_name(number, name);
            }
            Feedback::Best(news) => self.catalogue.hear_related(&news),
            Feedback::Answer(_) => {}
        }
    }

    /// What members did in the last epoch.
    pub(super) fn take_happened(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.happened)
    }

    /// Takes in the records of an epoch that is over, and begins to tell of them.
    pub(super) fn take_records(&mut self, plan: &Plan, records: &[Event]) {
        let Some(catalogue) = &plan.catalogue else { return };
        for record in records {
            if let Some(update) = self.catalogue.take(catalogue, record) {
                self.tell(plan, catalogue, record, &update);
                self.changed.insert(update.product);
            }
        }
    }

    fn tell(&mut self, plan: &Plan, catalogue: &CataloguePlan, record: &Event, update: &Update) {
        if update.before.is_empty() {
            return;
        }
        let as_event =
            |fields: &Vec<(u16, Value)>| Event { values: fields.clone(), ..record.clone() };
        let (now, before) = (as_event(&update.now), as_event(&update.before));
        let nobody = Person::default();
        let product = crate::catalogue::number(&update.product);
        for (at, notice) in catalogue.notices.iter().enumerate() {
            let cx = Cx {
                event: Some(&now),
                before: Some(&before),
                ..Cx::of(plan, &nobody, record.time)
            };
            if !cx.holds(&notice.condition) {
                continue;
            }
            let value = |&(slot, of, was): &(u16, u16, bool)| {
                let fields = if was { &update.before } else { &update.now };
                (slot, field(fields, of).clone())
            };
            let values = notice.values.iter().map(value).filter(|(_, value)| !value.is_missing());
            let origin = record.origin;
            let event = Event {
                // Whoever has the product by two facts, or has become one with somebody who has heard, hears once.
                message_id: match &record.message_id[..] {
                    "" => format_compact!("{}:{}#{at}", origin.source, origin.position),
                    known => format_compact!("{known}#{at}"),
                },
                values: values.collect(),
                call: Call::Notice,
                ..Event::plain(notice.kind, record.time, origin)
            };
            for fact in &notice.to {
                let (number, fact) = (self.next_walk, fact.0);
                self.walks.push(Walk { number, event: event.clone(), fact, product, next: None });
                self.next_walk += 1;
            }
        }
    }

    /// Whether somebody still has to be told of something.
    pub(super) fn is_telling(&self) -> bool {
        !self.walks.is_empty()
    }

    /// Those who are told in this epoch, with what: as many of each key group as one epoch takes.
    pub(super) fn told_now(&mut self) -> Vec<(u32, Event)> {
        let mut told = Vec::new();
        let mut left = [HOLDERS_PER_GROUP_AND_EPOCH; KEY_GROUPS];
        let holders = &self.holders;
        self.walks.retain_mut(|walk| {
            let Some(all) = holders.get(&(walk.fact, walk.product)) else { return false };
            let next = walk.next.get_or_insert_with(|| groups_of(all));
            next.retain(|&group, from| {
                let first = u32::from(group) << 24 | *from;
                let last = u32::from(group) << 24 | 0x00FF_FFFF;
                let mut others = all.range((first, 0)..=(last, u32::MAX)).peekable();
                let left = &mut left[usize::from(group)];
                while let Some(&&(place, slot)) = others.peek() {
                    if *left == 0 && place & 0x00FF_FFFF != *from {
                        *from = place & 0x00FF_FFFF;
                        return true;
                    }
                    // Those at one place go together: their order among one another is no input's.
                    *from = place & 0x00FF_FFFF;
                    *left = left.saturating_sub(1);
                    told.push((slot, walk.event.clone()));
                    others.next();
                }
                false
            });
            !next.is_empty()
        });
        told
    }

    /// What the store has to keep of it after an epoch.
    pub(super) fn freeze(
        &mut self,
        epoch: u64,
        (worker, _): (usize, usize),
        records: &mut Vec<Record>,
    ) {
        for (number, name) in std::mem::take(&mut self.unkept) {
            let bytes = postcard::to_stdvec(&name).expect("plain data");
            records.push(Record::kept(&format!("{NAME}{number:016x}"), bytes));
        }
        let changed = std::mem::take(&mut self.changed);
        // All workers have the same; one of them writes it.
        for product in changed.iter().filter(|_| worker == 0) {
            let bytes = postcard::to_stdvec(&(product, self.catalogue.record(product)));
            records.push(Record::kept(&format!("{PRODUCT}{product}"), bytes.expect("plain data")));
        }
        let (said, forwards) = &self.outbox;
        let mut forwards = if *said == epoch { forwards.clone() } else { Vec::new() };
        // Of the same epoch too: nobody is past an epoch of which not all has been said.
        forwards.extend(self.forwards.iter().cloned());
        // And what the last run left that has not been taken in yet.
        forwards.extend(self.happened.iter().cloned());
        if !self.walks.is_empty() || !forwards.is_empty() {
            let (run, walks) = (self.run + 1, self.walks.clone());
            let pending = Pending { run, epoch, walks, forwards };
            let bytes = postcard::to_stdvec(&pending).expect("plain data");
            records.push(Record::kept(&format!("{PENDING}{worker}"), bytes));
        }
    }

    /// Takes in what the store has kept as of an epoch.
    fn restore(
        &mut self,
        plan: &Plan,
        epoch: u64,
        (worker, workers): (usize, usize),
        id: &str,
        bytes: &[u8],
    ) {
        const WHOLE: &str = "a store checks what it reads";
        if let Some(number) = id.strip_prefix(NAME) {
            let number = u64::from_str_radix(number, 16).expect(WHOLE);
            self.known.insert(number);
            self.catalogue.hear_name(number, postcard::from_bytes(bytes).expect(WHOLE));
        } else if id.starts_with(PRODUCT) {
            let (product, record) =
                postcard::from_bytes::<(CompactString, Option<_>)>(bytes).expect(WHOLE);
            if let (Some(catalogue), Some(record)) = (&plan.catalogue, record) {
                self.catalogue.put(catalogue, product, record);
            }
        } else if id.starts_with(PENDING) {
            let pending: Pending = postcard::from_bytes(bytes).expect(WHOLE);
            // What an earlier checkpoint had to do is done.
            if pending.epoch == epoch && pending.run >= self.run {
                if pending.run > self.run {
                    self.run = pending.run;
                    self.happened.clear();
                    self.walks.clear();
                }
                let mine = |hash: u64| worker_of(hash, workers) == worker;
                self.happened.extend(pending.forwards.into_iter().filter(|event| mine(event.hash)));
                pending.walks.into_iter().for_each(|walk| self.go_on_with(walk, worker, workers));
            }
        }
    }

    /// Takes up a walk, for the key groups of this worker: what several workers have left of it is one again.
    fn go_on_with(&mut self, walk: Walk, worker: usize, workers: usize) {
        self.next_walk = self.next_walk.max(walk.number + 1);
        let mut next = walk.next.unwrap_or_else(|| (0..=u8::MAX).map(|group| (group, 0)).collect());
        next.retain(|group, _| usize::from(*group) % workers == worker);
        match self.walks.binary_search_by_key(&walk.number, |known| known.number) {
            Ok(at) => {
                let known = self.walks[at].next.get_or_insert_default();
                for (group, from) in next {
                    let at = known.entry(group).or_insert(from);
                    *at = from.min(*at);
                }
            }
            Err(_) if next.is_empty() => {}
            Err(at) => self.walks.insert(at, Walk { next: Some(next), ..walk }),
        }
    }
}

const NAME: &str = "name:";
const PRODUCT: &str = "product:";
const PENDING: &str = "pending:";

/// The key groups of which somebody is concerned.
fn groups_of(all: &BTreeSet<(u32, u32)>) -> BTreeMap<u8, u32> {
    let mut groups = BTreeMap::new();
    let mut from = 0_u32;
    while let Some(&(place, _)) = all.range((from, 0)..).next() {
        let group = (place >> 24) as u8;
        groups.insert(group, 0);
        match u32::from(group).checked_add(1).filter(|next| *next < 256) {
            Some(next) => from = next << 24,
            None => break,
        }
    }
    groups
}

impl Keyed {
    /// Tells which worker this is, of how many.
    pub fn set_place(&mut self, worker: usize, workers: usize) {
        self.place = (worker, workers);
    }

    /// Takes in what the store has kept beside persons and links, as of the epoch of its checkpoint.
    pub fn restore(&mut self, epoch: u64, id: &str, bytes: &[u8]) {
        if !self.reported.restore(epoch, self.place.0, id, bytes)
            && !self.restore_throttle(id, bytes)
        {
            self.relations.restore(&self.plan, epoch, self.place, id, bytes);
        }
    }

    /// What is to be passed on after an epoch.
    pub fn take_says(&mut self, epoch: u64) -> Vec<PassedOn> {
        let mut passed = self.take_values(epoch);
        let addressed = self.take_addressed(epoch).into_iter();
        passed.extend(addressed.map(|(worker, feedback)| (worker, News::Feedback(feedback))));
        passed
    }

    /// The part of it that is said again after a restart.
    pub fn take_values(&mut self, epoch: u64) -> Vec<PassedOn> {
        let (own, workers) = (self.place.0 as u64, self.place.1 as u64);
        let said = self.take_said(epoch).into_iter();
        let pairs = pass_pairs(self.take_pairs(), workers);
        said.flat_map(|said| pass_to_all(said, own, workers)).chain(pairs).collect()
    }

    /// What is to be said to other workers after an epoch: what members have done, and names of products.
    pub fn take_addressed(&mut self, epoch: u64) -> Vec<Addressed> {
        let relations = &mut self.relations;
        let workers = self.place.1;
        let mut addressed: Vec<Addressed> = Vec::new();
        if !relations.forwards.is_empty() {
            let forwards = std::mem::take(&mut relations.forwards);
            for event in &forwards {
                // A person may be elsewhere than at home.
                let to = match event.call {
                    Call::Granted => 0..workers,
                    _ => worker_of(event.hash, workers)..worker_of(event.hash, workers) + 1,
                };
                let happened =
                    |worker| (worker as u64, Feedback::Happened(Box::new(event.clone())));
                addressed.extend(to.map(happened));
            }
            relations.outbox = (epoch, forwards);
        }
        for (number, name) in std::mem::take(&mut relations.named) {
            let everywhere = 0..workers as u64;
            addressed.extend(everywhere.map(|it| (it, Feedback::Named(number, name.clone()))));
        }
        addressed
    }

    /// Whether something waits that members did in the last epoch.
    pub fn has_happened(&self) -> bool {
        !self.relations.happened.is_empty()
    }

    /// Pairs of products that persons have said since they were last taken.
    pub fn take_pairs(&mut self) -> Vec<Pair> {
        // The next ones will be about as many: they need not grow to that step by step.
        let next = Vec::with_capacity(self.relations.pairs.len());
        std::mem::replace(&mut self.relations.pairs, next)
    }

    /// Everybody whom the store holds says again which products they have.
    pub(super) fn say_lists_again(&mut self, slot: u32, person: &Person) {
        let mut saying = self.relations.saying(person, slot);
        lists::say_again(person, &mut saying);
    }

    /// Finds out whose turn it is to be told of the changes that concern them as the epoch begins at this watermark, and what they hear.
    /// That is before anybody leaves for another worker, so that it does not depend on who does.
    pub fn tell(&mut self, begin: i64) {
        if self.relations.told.is_some() {
            return;
        }
        let told = self.relations.told_now();
        let events = told.into_iter().map(|(slot, event)| {
            let leaf = CompactString::from(self.table.id(slot));
            Event { hash: leaf_hash(&leaf), leaf, taken: begin, ..event }
        });
        self.relations.told = Some(events.collect());
    }

    /// What is told now.
    pub(super) fn told_now(&mut self, begin: i64) -> Vec<Event> {
        self.tell(begin);
        self.relations.told.take().unwrap_or_default()
    }

    /// What somebody is told who leaves before hearing it.
    pub fn take_told(&mut self, id: &str) -> Vec<Event> {
        let told = self.relations.told.iter_mut();
        told.flat_map(|told| told.extract_if(.., |event| event.leaf == id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::define::compile::{Keep, compile};
    use crate::define::parse::parse;
    use crate::event::{Kind, Origin};

    fn walk(number: u64, groups: &[u8]) -> Walk {
        let next = groups.iter().map(|group| (*group, 0)).collect();
        let event = Event::plain(Kind(1), 0, Origin::default());
        Walk { number, event, fact: 0, product: 0, next: Some(next) }
    }

    /// Of two workers one has told all of a change of which the other has not: together again, what came first is told first.
    #[test]
    fn changes_left_by_several_workers_are_told_in_their_order() {
        let plan = compile(&parse(&[]).0, Keep::Used).unwrap();
        let left = |walks: Vec<Walk>, worker: usize| {
            let mut relations = Relations { walks, ..Relations::default() };
            let mut records = Vec::new();
            relations.freeze(7, (worker, 2), &mut records);
            records
        };
        let mut records = left(vec![walk(1, &[0]), walk(3, &[0])], 0);
        records.extend(left(vec![walk(1, &[1]), walk(2, &[1]), walk(3, &[1])], 1));
        let mut relations = Relations::default();
        for record in &records {
            relations.restore(&plan, 7, (0, 1), &record.id, &record.person);
        }
        let order: Vec<u64> = relations.walks.iter().map(|walk| walk.number).collect();
        assert_eq!((order, relations.next_walk), (vec![1, 2, 3], 4));
        let groups = |walk: &Walk| walk.next.as_ref().unwrap().keys().copied().collect::<Vec<u8>>();
        assert_eq!(
            relations.walks.iter().map(groups).collect::<Vec<_>>(),
            [vec![0, 1], vec![1], vec![0, 1]]
        );
    }
}
