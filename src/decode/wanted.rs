//! What to look for in an event, as trees of names: made once from a plan, walked along with the JSON.

use crate::define::plan::{Consumer, Inputs, PropertyType};
use crate::event::{Call, Kind};

/// Slots of what is read for the event itself rather than for a definition: the zone in an identify call's traits, in
/// `context.traits`, in `context`.
pub(super) const OWN_ZONE: u16 = u16::MAX;
pub(super) const TRAITS_ZONE: u16 = u16::MAX - 1;
pub(super) const CONTEXT_ZONE: u16 = u16::MAX - 2;

/// All that a plan wants.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Of an event's own properties, by kind.
    of_kind: Vec<Node>,
    /// Of the traits of an identify call: its own properties and the person's traits.
    of_identify: Node,
    /// Of `context`, by any kind.
    pub(super) of_context: Node,
    /// Slots of `context.page`, in the order of their numbers.
    page_slots: Vec<u16>,
    /// For each kind those of them that it wants.
    page_slots_of_kind: Vec<Vec<u16>>,
}

impl Wanted {
    pub(super) fn new(inputs: &Inputs) -> Wanted {
        let kinds = || (0..inputs.kinds.len()).map(|at| Kind(at as u16));
        let page_slots: Vec<u16> = slots(inputs, Consumer::ContextPage).map(|(s, _)| s).collect();
        let of_kind = |kind| {
            let slots = page_slots.iter().copied();
            slots.filter(|&slot| wants(inputs, kind, slot)).collect()
        };
        let traits = slots(inputs, Consumer::Trait);
        let traits = traits.map(|(slot, path)| (path, Leaf::new(slot, Take::Any)));
        let zone = (vec!["timezone"], Leaf::new(OWN_ZONE, Take::Zone));
        let identify = own_leaves(inputs, inputs.kind("identify"));
        Wanted {
            of_kind: kinds().map(|kind| Node::new(own_leaves(inputs, kind))).collect(),
            of_identify: Node::new(identify.into_iter().chain(traits).chain([zone])),
            of_context: of_context(inputs),
            page_slots_of_kind: kinds().map(of_kind).collect(),
            page_slots,
        }
    }

    /// What is wanted of the call's own properties.
    pub(super) fn own(&self, call: Call, kind: Kind) -> &Node {
        match call {
            Call::Identify => &self.of_identify,
            _ => &self.of_kind[usize::from(kind.0)],
        }
    }

    /// Whether events of a kind want a slot of the context. What says something of the person is wanted by all.
    pub(super) fn of_context_by(&self, kind: Kind, slot: u16) -> bool {
        !self.page_slots.contains(&slot)
            || self.page_slots_of_kind[usize::from(kind.0)].contains(&slot)
    }
}

/// The slots that start at a place, with the names below it.
fn slots(inputs: &Inputs, from: Consumer) -> impl Iterator<Item = (u16, Vec<&str>)> {
    let paths = (0..).zip(&inputs.paths).filter(move |(_, path)| path.from == from);
    paths.map(|(slot, path)| (slot, path.path.iter().map(String::as_str).collect()))
}

fn wants(inputs: &Inputs, kind: Kind, slot: u16) -> bool {
    let wanted = &inputs.wanted[usize::from(kind.0)];
    wanted.get(usize::from(slot)).is_some_and(|&wanted| wanted)
}

/// What a kind of event wants of its own properties.
pub(super) fn own_leaves(inputs: &Inputs, kind: Kind) -> Vec<(Vec<&str>, Leaf)> {
    let wanted = slots(inputs, Consumer::Event).filter(|(slot, _)| wants(inputs, kind, *slot));
    let leaf = |(slot, path): (u16, Vec<_>)| {
        let name = path.join(".");
        let declared = inputs.declared.iter().find(|(of, path, _)| *of == kind && *path == name);
        let take = declared.map_or(Take::Any, |(_, _, of_type)| Take::Declared(*of_type));
        (path, Leaf::new(slot, take))
    };
    wanted.map(leaf).collect()
}

fn of_context(inputs: &Inputs) -> Node {
    let below = |from, prefix: &[&'static str], take| {
        let prefix = prefix.to_vec();
        slots(inputs, from).map(move |(slot, path)| {
            let path = prefix.iter().copied().chain(path).collect();
            (path, Leaf::new(slot, take))
        })
    };
    let zones = [
        (vec!["timezone"], Leaf::new(CONTEXT_ZONE, Take::Zone)),
        (vec!["traits", "timezone"], Leaf::new(TRAITS_ZONE, Take::Zone)),
    ];
    let consent = ["consent", "categoryPreferences"];
    Node::new(
        below(Consumer::Trait, &["traits"], Take::Any)
            .chain(below(Consumer::Consent, &consent, Take::Consent))
            .chain(below(Consumer::ExternalIds, &["externalIds"], Take::Any))
            .chain(below(Consumer::ContextPage, &["page"], Take::Any))
            .chain(zones),
    )
}

/// What is done with a value where it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    /// Whatever it is.
    Any,
    /// It must have this type.
    Declared(PropertyType),
    /// Only a boolean that stands alone; anything else is passed over.
    Consent,
    /// Only a text that stands alone; anything else is passed over.
    Zone,
}

/// A value that is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    pub(super) slot: u16,
    pub(super) take: Take,
}

impl Leaf {
    fn new(slot: u16, take: Take) -> Leaf {
        Leaf { slot, take }
    }

    /// Whether values met in an array are collected into a list.
    pub(super) fn lists(self) -> bool {
        matches!(self.take, Take::Any | Take::Declared(_))
    }
}

/// A name in a tree, with what is wanted at it and below it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Wanted here.
    pub(super) leaves: Vec<Leaf>,
    /// Wanted here or anywhere below.
    pub(super) below: Vec<Leaf>,
    /// In the order of their buckets.
    children: Vec<(Box<str>, Node)>,
    /// Where each bucket's children start, and the end.
    starts: [u16; BUCKETS + 1],
}

const BUCKETS: usize = 64;

/// Spreads names well enough that most which are not wanted meet an empty bucket.
#[inline]
fn bucket(name: &[u8]) -> usize {
    let at = |place: usize| usize::from(name.get(place).copied().unwrap_or(0));
    let last = name.len().wrapping_sub(1);
    (at(0) * 5 + at(last) * 11 + name.len() * 3) % BUCKETS
}

impl Node {
    /// A tree of wanted values, each under its path of names.
    pub(super) fn new<'a>(wanted: impl IntoIterator<Item = (Vec<&'a str>, Leaf)>) -> Node {
        let mut root = Node {
            leaves: Vec::new(),
            below: Vec::new(),
            children: Vec::new(),
            starts: [0; BUCKETS + 1],
        };
        for (path, leaf) in wanted {
            root.insert(&path, leaf);
        }
        root.sort();
        root
    }

    fn insert(&mut self, path: &[&str], leaf: Leaf) {
        self.below.push(leaf);
        let Some((name, rest)) = path.split_first() else {
            self.leaves.push(leaf);
            return;
        };
        let known = self.children.iter().position(|(known, _)| **known == **name);
        let at = known.unwrap_or_else(|| {
            self.children.push(((*name).into(), Node::new([])));
            self.children.len() - 1
        });
        self.children[at].1.insert(rest, leaf);
    }

    fn sort(&mut self) {
        self.children.sort_by_key(|(name, _)| bucket(name.as_bytes()));
        for (at, start) in self.starts.iter_mut().enumerate() {
            let before = self.children.iter().filter(|(name, _)| bucket(name.as_bytes()) < at);
            *start = before.count() as u16;
        }
        self.children.iter_mut().for_each(|(_, child)| child.sort());
    }

    /// What is wanted under a name, with its number among the names here.
    #[inline]
    pub(super) fn child(&self, name: &[u8]) -> Option<(usize, &Node)> {
        let bucket = bucket(name);
        let (start, end) = (self.starts[bucket], self.starts[bucket + 1]);
        (usize::from(start)..usize::from(end))
            .map(|at| (at, &self.children[at]))
            .find(|(_, (known, _))| known.as_bytes() == name)
            .map(|(at, (_, child))| (at, child))
    }
}
