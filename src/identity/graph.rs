//! Which identifiers are one person: links as they are made and taken apart again, in the order of their events.
//!
//! ```text
//!  anonymous:a1 ──┐
//!                 ├── user:42 ── (alias) ── user:7        one person, known by its strongest leaf
//!  email:a@b.pl ──┘
//!  anonymous:a1#1 ── user:9                                the same device after somebody else has signed in on it
//! ```
//!
//! A person is a connected component. Components are small (a person has a bounded number of identifiers), so that a
//! merge or an un-merge walks one of them: measured below a microsecond where differential dataflow's connected components
//! take half a millisecond, and whether a link is allowed at all depends on what the links before it have made, one after
//! another. Pure: no clock, no I/O, no timely type.

use crate::define::plan::IdentityPlan;
use crate::event::{Claim, Event, Index, leaf_hash};
use crate::time::NEVER;
use compact_str::CompactString;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::fmt::Write;

type Fixed = foldhash::fast::FixedState;

/// What follows for persons, in the order in which it happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// The second becomes part of the first.
    Join { into: CompactString, from: CompactString },
    /// Some leaves of a person are a person of their own again.
    Part { from: CompactString, into: CompactString, leaves: Vec<CompactString> },
    /// Nothing is known any more of a person, and each of the leaves stands alone.
    End { person: CompactString, leaves: Vec<CompactString>, why: Ending },
}

/// Why a person is not known any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// Somebody has asked for it.
    Erased,
    /// Nothing was seen for long of a person without a strong identifier.
    Forgotten,
}

impl Change {
    /// Who is there after it in any case.
    pub fn survivor(&self) -> &CompactString {
        let (Change::Join { into, .. }
        | Change::Part { into, .. }
        | Change::End { person: into, .. }) = self;
        into
    }

    /// Both persons that it is about; of an end it is one.
    pub fn persons(&self) -> [&CompactString; 2] {
        match self {
            Change::Join { into, from } | Change::Part { into, from, .. } => [into, from],
            Change::End { person, .. } => [person, person],
        }
    }
}

/// Why a link was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// It would have made two strong identifiers one person.
    Strong,
    /// It would have given a person more identifiers than one may have.
    TooMany,
    /// The identifier has changed hands too often to say anything: a kiosk, a test account.
    OverLinked,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 3] = [Refusal::Strong, Refusal::TooMany, Refusal::OverLinked];

    /// The word in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::Strong => "two strong identifiers",
            Refusal::TooMany => "too many identifiers",
            Refusal::OverLinked => "over-linked identifier",
        }
    }
}

/// To whom the events of an identifier belong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub leaf: CompactString,
    pub person: CompactString,
}

impl Owner {
    /// Whether the identifier is a person of its own, and always was.
    pub fn is_alone(&self, identifier: &str) -> bool {
        self.leaf == identifier && self.person == identifier
    }

    /// Gives an event the leaf and the person to which it belongs.
    pub fn write(&self, event: &mut Event) {
        if event.leaf != self.person {
            event.hash = leaf_hash(&self.person);
        }
        if event.leaf != self.leaf {
            event.leaf.clone_from(&self.leaf);
        }
        if event.leaf != self.person {
            event.person = Some(self.person.clone());
        }
    }
}

struct Leaf {
    name: CompactString,
    rank: u8,
    /// The first leaf of its identifier.
    first: u32,
    /// Gone over to another generation so often that it links nothing any more.
    shared: bool,
    /// A few as a rule, which lie here.
    links: SmallVec<[u32; 4]>,
    /// The strongest leaf of its component, by which the person is known.
    person: u32,
    /// When something was last seen of it; and its entry among the deadlines of persons.
    seen: i64,
    armed: i64,
}

impl Leaf {
    /// In a place of its own, linked to none.
    fn new(name: CompactString, rank: u8, at: u32) -> Leaf {
        let (links, shared, seen, armed) = (SmallVec::new(), false, i64::MIN, NEVER);
        Leaf { name, rank, first: at, shared, links, person: at, seen, armed }
    }
}

/// All leaves that are, or were, linked to another one.
pub struct Graph {
    rules: IdentityPlan,
    leaves: Vec<Leaf>,
    index: Index,
    /// By the first leaf of an identifier: its generation, and the leaf of that.
    generations: HashMap<u32, (u32, u32), Fixed>,
    /// For a leaf those from which it was taken apart, both ways.
    severed: HashMap<u32, Vec<u32>, Fixed>,
    /// Leaves that something has happened to since the last [`Graph::take_touched`].
    touched: Vec<u32>,
    /// Those among them that belong to somebody else than before, or under which events come in that came in under others.
    reowned: Vec<u32>,
    /// Places of leaves that were taken out, and the names of those since the last [`Graph::take_removed`].
    free: Vec<u32>,
    removed: Vec<CompactString>,
    /// Persons without a strong leaf, by deadline, and leaves of which something was seen since the last [`Graph::take_touched`].
    idle: BTreeSet<(i64, CompactString)>,
    noticed: Vec<u32>,
    settled: Settled,
}

impl Graph {
    /// No links.
    pub fn new(rules: IdentityPlan) -> Graph {
        Graph {
            rules,
            leaves: Vec::new(),
            index: Index::default(),
            generations: HashMap::default(),
            severed: HashMap::default(),
            touched: Vec::new(),
            reowned: Vec::new(),
            free: Vec::new(),
            removed: Vec::new(),
            idle: BTreeSet::new(),
            noticed: Vec::new(),
            settled: Settled::default(),
        }
    }

    /// The rules alone.
    pub fn into_rules(self) -> IdentityPlan {
        self.rules
    }

    /// The rules.
    pub fn rules(&self) -> &IdentityPlan {
        &self.rules
    }

    /// Whether a leaf is, or was, linked to another one.
    pub fn knows(&self, leaf: &str) -> bool {
        self.find(leaf).is_some()
    }

    /// Leaves that are known.
    pub fn len(&self) -> usize {
        self.leaves.len() - self.free.len()
    }

    /// Whether nothing was ever linked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The leaf under which an identifier's events come in now, and its person.
    pub fn owner(&self, identifier: &str) -> Owner {
        match self.find(identifier) {
            Some(first) => self.owner_of(self.current(first)),
            None => Owner { leaf: identifier.into(), person: identifier.into() },
        }
    }

    /// The same of the leaf in a place.
    pub(super) fn owner_of(&self, leaf: u32) -> Owner {
        Owner { leaf: self.name(leaf), person: self.person_at(leaf).clone() }
    }

    /// The place of the leaf under which an identifier's events come in now, if it is known.
    pub(super) fn place_of(&self, identifier: &str, hash: u64) -> Option<u32> {
        self.find_hashed(identifier, hash).map(|first| self.current(first))
    }

    /// The person to whom the leaf in a place belongs.
    pub(super) fn person_at(&self, at: u32) -> &CompactString {
        &self.leaves[self.leaves[at as usize].person as usize].name
    }

    /// All leaves of that person.
    pub(super) fn members_at(&self, at: u32) -> Vec<CompactString> {
        self.component(at).into_iter().map(|leaf| self.name(leaf)).collect()
    }

    /// All leaves of the person to whom a leaf belongs.
    pub fn members_of(&self, leaf: &str) -> Vec<CompactString> {
        self.find(leaf).map_or_else(|| vec![leaf.into()], |at| self.members_at(at))
    }

    /// Whether a claim says nothing new. The places are those of its identifiers.
    pub(super) fn is_known(&self, claim: &Claim, places: &[Option<u32>]) -> bool {
        match claim {
            Claim::Together(all) => {
                let names = all.iter().map(|id| &**id);
                self.is_one(names.zip(places.iter().copied()))
            }
            Claim::Alias(..) | Claim::Apart(..) | Claim::Erased(..) => false,
        }
    }

    /// Whether all of these are known to go with the first, or not to. Each comes with its place.
    fn is_one<'a>(&self, mut identifiers: impl Iterator<Item = (&'a str, Option<u32>)>) -> bool {
        let Some((anchor, a)) = identifiers.next() else { return true };
        identifiers.all(|(other, b)| match (a, b) {
            (Some(a), Some(b)) => {
                a == b || self.leaves[a as usize].links.contains(&b) || self.is_severed(a, b)
            }
            _ => anchor == other,
        })
    }

    /// The identifiers whose events come in under leaves of a person now.
    pub fn identifiers_of(&self, person: &str) -> Vec<(CompactString, Owner)> {
        let component = self.find(person).map(|at| self.component(at)).unwrap_or_default();
        let current = component.into_iter().filter(|&at| self.is_current(at));
        current.map(|at| (self.name(self.leaves[at as usize].first), self.owner_of(at))).collect()
    }

    /// Whether the leaf in a place is the one under which its identifier's events come in now.
    pub(super) fn is_current(&self, at: u32) -> bool {
        self.current(self.leaves[at as usize].first) == at
    }

    /// The person to whom a leaf belongs.
    pub fn person_of(&self, leaf: &str) -> CompactString {
        match self.find(leaf) {
            Some(at) => self.person_at(at).clone(),
            None => leaf.into(),
        }
    }

    /// Takes in a claim; adds to `changes` what follows.
    ///
    /// # Errors
    /// The first link of it that was refused. The others are made.
    pub fn take(&mut self, claim: &Claim, changes: &mut Vec<Change>) -> Result<(), Refusal> {
        match claim {
            Claim::Together(identifiers) => {
                let Some((anchor, others)) = identifiers.split_first() else { return Ok(()) };
                let made = others.iter().map(|other| self.link(anchor, other, changes));
                made.fold(Ok(()), Result::and)
            }
            Claim::Alias(one, other) => {
                let (a, b) = (self.current_or_add(one), self.current_or_add(other));
                self.forget_severed(a, b);
                self.touched.extend([a, b]);
                let is_strong = |at: u32| self.rules.is_strong(self.leaves[at as usize].rank);
                match (is_strong(a), is_strong(b)) {
                    (true, true) => self.connect(a, b, changes),
                    // A device says nothing of the other customers who have been at it.
                    (false, true) => self.link(other, one, changes),
                    _ => self.link(one, other, changes),
                }
            }
            Claim::Apart(a, b) => {
                self.sever(a, b.as_deref(), changes);
                Ok(())
            }
            Claim::Erased(identifier) => {
                let Ended { person, leaves, .. } = self.end(&self.owner(identifier).person);
                changes.push(Change::End { person, leaves, why: Ending::Erased });
                Ok(())
            }
        }
    }

    /// All identifiers that are linked, and to whom their events belong.
    pub fn owners(&self) -> impl Iterator<Item = (CompactString, Owner)> + '_ {
        (0..self.leaves.len() as u32)
            .filter(|&at| !self.is_free(at) && self.is_current(at))
            .map(|at| (self.name(self.leaves[at as usize].first), self.owner_of(at)))
    }

    /// Links what came with a stronger identifier to it. If both belong to somebody with a strong identifier already, the
    /// weaker one has changed hands: it begins anew, and its history stays where it is.
    fn link(
        &mut self,
        anchor: &str,
        other: &str,
        changes: &mut Vec<Change>,
    ) -> Result<(), Refusal> {
        let (a, b) = (self.current_or_add(anchor), self.current_or_add(other));
        if self.leaves[a as usize].links.contains(&b) || self.is_severed(a, b) {
            return Ok(());
        }
        if self.leaves[a as usize].shared || self.leaves[b as usize].shared {
            return Err(Refusal::OverLinked);
        }
        let is_strong = |at: u32| {
            let person = self.leaves[at as usize].person;
            self.rules.is_strong(self.leaves[person as usize].rank)
        };
        let same = self.leaves[a as usize].person == self.leaves[b as usize].person;
        if same || !is_strong(a) || !is_strong(b) {
            self.touched.extend([a, b]);
            return self.connect(a, b, changes);
        }
        if self.rules.is_strong(self.leaves[b as usize].rank) {
            return Err(Refusal::Strong);
        }
        let moved = self.begin_anew(other);
        if self.leaves[moved as usize].shared {
            return Err(Refusal::OverLinked);
        }
        self.touched.push(a);
        self.connect(a, moved, changes)
    }

    /// A new leaf for an identifier that has changed hands.
    fn begin_anew(&mut self, identifier: &str) -> u32 {
        self.settled.undo(identifier);
        let first = self.find_or_add(identifier);
        let generation = self.generations.get(&first).map_or(0, |(generation, _)| *generation) + 1;
        let leaf = self.find_or_add(&generation_name(identifier, generation));
        self.set_generation(first, generation, leaf);
        self.touched.extend([first, leaf]);
        self.reowned.push(leaf);
        leaf
    }

    fn set_generation(&mut self, first: u32, generation: u32, leaf: u32) {
        let made = &mut self.leaves[leaf as usize];
        (made.first, made.shared) = (first, generation >= self.rules.most_moves);
        self.generations.insert(first, (generation, leaf));
    }

    fn connect(&mut self, a: u32, b: u32, changes: &mut Vec<Change>) -> Result<(), Refusal> {
        let (of_a, of_b) = (self.leaves[a as usize].person, self.leaves[b as usize].person);
        if a == b {
            return Ok(());
        }
        if of_a != of_b {
            let (one, two) = (self.component(a), self.component(b));
            if one.len() + two.len() > self.rules.most_identifiers {
                return Err(Refusal::TooMany);
            }
            let (into, from, joining) = match self.order(of_a) < self.order(of_b) {
                true => (of_a, of_b, two),
                false => (of_b, of_a, one),
            };
            for &leaf in &joining {
                self.leaves[leaf as usize].person = into;
            }
            self.touched.extend(&joining);
            self.reowned.extend(joining);
            changes.push(Change::Join { into: self.name(into), from: self.name(from) });
        }
        for (from, to) in [(a, b), (b, a)] {
            let links = &mut self.leaves[from as usize].links;
            if !links.contains(&to) {
                links.push(to);
            }
        }
        Ok(())
    }

    /// Takes apart what is one person only through the link between two leaves; what connects them in other ways stays with
    /// the second. Without a second, every link of the first goes.
    fn sever(&mut self, a: &str, b: Option<&str>, changes: &mut Vec<Change>) {
        let Some(first) = self.find(a) else { return };
        self.settled.undo(a);
        let a = self.current(first);
        let whole = self.component(a);
        match b.map(|b| self.find(b).map(|first| self.current(first))) {
            None => {
                for other in std::mem::take(&mut self.leaves[a as usize].links) {
                    self.leaves[other as usize].links.retain(|link| *link != a);
                    self.remember_severed(a, other);
                }
            }
            Some(None) => return,
            Some(Some(b)) => {
                if a == b || !whole.contains(&b) {
                    return;
                }
                self.remember_severed(a, b);
                while let Some(step) = self.first_step(a, b) {
                    self.leaves[a as usize].links.retain(|link| *link != step);
                    self.leaves[step as usize].links.retain(|link| *link != a);
                }
            }
        }
        self.part(&whole, changes);
    }

    fn is_severed(&self, a: u32, b: u32) -> bool {
        !self.severed.is_empty() && self.severed.get(&a).is_some_and(|known| known.contains(&b))
    }

    fn remember_severed(&mut self, a: u32, b: u32) {
        for (from, to) in [(a, b), (b, a)] {
            let known = self.severed.entry(from).or_default();
            if !known.contains(&to) {
                known.push(to);
            }
        }
        self.touched.extend([a, b]);
    }

    fn forget_severed(&mut self, a: u32, b: u32) {
        if self.is_severed(a, b) {
            self.settled.undo(&self.leaves[self.leaves[a as usize].first as usize].name);
        }
        for (from, to) in [(a, b), (b, a)] {
            if let Some(known) = self.severed.get_mut(&from) {
                known.retain(|other| *other != to);
                if known.is_empty() {
                    self.severed.remove(&from);
                }
            }
        }
    }

    /// Says which parts of what was one person are persons of their own.
    fn part(&mut self, whole: &[u32], changes: &mut Vec<Change>) {
        let Some(&leaf) = whole.first() else { return };
        let person = self.leaves[leaf as usize].person;
        let mut left: Vec<u32> = whole.to_vec();
        self.touched.extend(whole);
        self.reowned.extend(whole);
        let mut parted = Vec::new();
        while let Some(&leaf) = left.first() {
            let component = self.component(leaf);
            left.retain(|leaf| !component.contains(leaf));
            let into = self.settle(&component);
            if !component.contains(&person) {
                let mut leaves: Vec<CompactString> =
                    component.iter().map(|&leaf| self.name(leaf)).collect();
                leaves.sort();
                parted.push((self.order(into), into, leaves));
            }
        }
        parted.sort();
        let from = self.name(person);
        for (_, into, leaves) in parted {
            changes.push(Change::Part { from: from.clone(), into: self.name(into), leaves });
        }
    }

    /// Makes the strongest leaf of a component its person.
    fn settle(&mut self, component: &[u32]) -> u32 {
        let strongest = component.iter().copied().min_by_key(|&leaf| self.order(leaf));
        let strongest = strongest.expect("a component has a leaf");
        component.iter().for_each(|&leaf| self.leaves[leaf as usize].person = strongest);
        strongest
    }

    /// The first leaf on a shortest way from one to another.
    fn first_step(&self, from: u32, to: u32) -> Option<u32> {
        let mut seen: Vec<(u32, u32)> = Vec::new();
        seen.extend(self.leaves[from as usize].links.iter().map(|&link| (link, link)));
        let mut at = 0;
        while let Some(&(leaf, step)) = seen.get(at) {
            if leaf == to {
                return Some(step);
            }
            for &next in &self.leaves[leaf as usize].links {
                if next != from && seen.iter().all(|(known, _)| *known != next) {
                    seen.push((next, step));
                }
            }
            at += 1;
        }
        None
    }

    /// All leaves that are linked to one, with it.
    fn component(&self, leaf: u32) -> Vec<u32> {
        let mut found = vec![leaf];
        let mut at = 0;
        while let Some(&leaf) = found.get(at) {
            for &next in &self.leaves[leaf as usize].links {
                if !found.contains(&next) {
                    found.push(next);
                }
            }
            at += 1;
        }
        found
    }

    /// Strongest first; of two equally strong ones, by name.
    fn order(&self, leaf: u32) -> (u8, CompactString) {
        let leaf = &self.leaves[leaf as usize];
        (leaf.rank, leaf.name.clone())
    }

    fn name(&self, leaf: u32) -> CompactString {
        self.leaves[leaf as usize].name.clone()
    }

    fn current(&self, first: u32) -> u32 {
        self.generations.get(&first).map_or(first, |(_, leaf)| *leaf)
    }

    fn current_or_add(&mut self, identifier: &str) -> u32 {
        let first = self.find_or_add(identifier);
        self.current(first)
    }

    fn find(&self, name: &str) -> Option<u32> {
        self.find_hashed(name, leaf_hash(name))
    }

    fn find_hashed(&self, name: &str, hash: u64) -> Option<u32> {
        self.index.find(hash, |at| self.leaves[at as usize].name == name)
    }

    fn find_or_add(&mut self, name: &str) -> u32 {
        let hash = leaf_hash(name);
        if let Some(at) = self.find_hashed(name, hash) {
            return at;
        }
        let reused = self.free.pop();
        let at = reused.unwrap_or_else(|| {
            u32::try_from(self.leaves.len()).expect("fewer than 2^32 identifiers")
        });
        let (name, rank) = (CompactString::from(name), self.rules.rank(name));
        let leaf = Leaf::new(name, rank, at);
        match reused {
            Some(at) => self.leaves[at as usize] = leaf,
            None => self.leaves.push(leaf),
        }
        self.index.insert(hash, at);
        at
    }
}

/// The leaf of an identifier after it has changed hands so many times.
fn generation_name(identifier: &str, generation: u32) -> CompactString {
    let mut name = CompactString::from(identifier);
    write!(name, "#{generation}").expect("text takes text");
    name
}

mod end;
mod idle;
mod record;
mod settled;
pub(super) use end::Ended;
pub use record::LeafRecord;
use settled::Settled;

#[cfg(test)]
mod tests;
