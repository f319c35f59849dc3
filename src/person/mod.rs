//! One person: facts, segments, journeys and the contact policy as pure code, and the keyed operator around it.
//!
//! [`Person::run`] takes a person's events and the watermark and gives effects. It reads no clock, does no I/O, draws
//! no random number and knows no timely type: the effects are a function of the plan, the person and the input.

mod adopt;
mod dates;
mod dedup;
mod effect;
mod eval;
pub mod facts;
mod farewell;
pub mod feedback;
pub mod group;
mod instance;
mod journey;
pub mod keyed;
mod leaf;
mod leaves;
mod lists;
pub mod operator;
mod policy;
mod ranks;
mod segment;
mod table;
mod timers;
mod turn;
pub mod views;
pub mod watch;

pub use effect::{Cause, Change, Decision, Effect, ExitReason, Outcome, Reason};
pub use instance::Instance;
pub use policy::trace::{GateAsked, Verdict, fact_name};
pub use ranks::{Answer, Said, order};
pub use timers::{Timers, Worth};

use crate::define::plan::expr::BasketField;
use crate::define::plan::{FactId, Plan, SegmentId, SegmentSet};
use crate::event::Value;
use crate::time::NEVER;
use crate::time::zone::Zone;
use compact_str::CompactString;
use dedup::MessageIds;
use facts::Facts;
use facts::session::Sessions;
use instance::History;
use serde::{Deserialize, Serialize};
pub use turn::{Frame, Tally};

/// Everything that is kept of one person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// The leaf by which the person is known, such as `user:42`.
    pub id: CompactString,
    /// [`Plan::version`] of the plan under which something last happened.
    plan: u16,
    /// The last instant at which anything happened; time never goes back for a person.
    #[serde(with = "crate::time::instant")]
    now: i64,
    /// The latest event's time of taking in, from which idleness is counted.
    #[serde(with = "crate::time::instant")]
    last_seen: i64,
    /// The person's own time zone, and the event time at which it was said.
    zone: Option<(i64, CompactString)>,
    facts: Facts,
    sessions: Sessions,
    member: SegmentSet,
    /// Membership as it was last announced; differs from `member` only within an instant.
    announced: SegmentSet,
    /// The next instant at which a segment, or the fact of a date, may change by itself.
    #[serde(with = "crate::time::instant")]
    recheck: i64,
    instances: Vec<Instance>,
    /// Instances so far; numbers the next one.
    entries: u32,
    history: Vec<History>,
    /// Sends that caps count, oldest first.
    sends: Vec<policy::Sent>,
    watches: Vec<dates::Watch>,
    message_ids: MessageIds,
    /// Each as it would be alone, if events have come under more than one identifier.
    leaves: Vec<leaf::Leaf>,
    /// The latest events for which exits wait, if persons can become one.
    exits_heard: Vec<leaves::Heard>,
    /// Of those who take part in comparisons with all others.
    ranks: Option<Box<ranks::Ranks>>,
    /// Of those whom products concern.
    lists: Option<Box<lists::Lists>>,
}

impl Person {
    /// A person never seen before.
    pub fn new(id: CompactString) -> Person {
        Person { id, now: i64::MIN, last_seen: i64::MIN, recheck: i64::MIN, ..Person::default() }
    }

    fn zone(&self, plan: &Plan) -> Zone {
        let own = self.zone.as_ref().and_then(|(_, name)| Zone::named(name));
        own.unwrap_or_else(|| plan.policy.zone.clone())
    }

    /// Looks at where the person lies: at something of each line of memory.
    fn look(&self) -> i64 {
        let lengths = self.instances.len() ^ self.history.len() ^ self.sends.len();
        let others = self.watches.len() ^ self.leaves.len() ^ self.exits_heard.len();
        let boxes = i64::from(self.lists.is_some()) ^ i64::from(self.ranks.is_some());
        self.now ^ self.recheck ^ (lengths ^ others) as i64 ^ boxes ^ self.facts.look()
    }

    /// Looks at what every event needs of what the person points to.
    fn look_behind(&self) -> i64 {
        let instances = self.instances.iter().fold(0, |seen, it| seen ^ it.look());
        let watches = self.watches.iter().step_by(2).fold(0, |seen, it| seen ^ it.deadline);
        let sent = self.sends.last().map_or(0, |it| it.at);
        let entered = self.history.last().map_or(0, |it| it.last_entry);
        let lists = self.lists.as_ref().map_or(0, |lists| lists.look());
        let ranks = self.ranks.as_ref().map_or(0, |ranks| ranks.look());
        let heard = self.exits_heard.iter().step_by(2).fold(0, |seen, it| seen ^ it.look());
        let times = self.message_ids.look() ^ self.sessions.deadline(0);
        let others = lists ^ ranks ^ heard ^ times;
        self.facts.look_behind() ^ instances ^ watches ^ sent ^ entered ^ others
    }

    /// Looks at what that points to in turn.
    fn look_behind_that(&self) -> i64 {
        let lists = self.lists.as_ref().map_or(0, |lists| lists.look_behind());
        let ranks = self.ranks.as_ref().map_or(0, |ranks| ranks.look_behind());
        self.facts.look_behind_that() ^ lists ^ ranks
    }

    /// Whether nothing has been taken in of which a condition could be asked.
    fn is_unknown(&self) -> bool {
        self.facts.held().next().is_none()
            && self.sessions == Sessions::default()
            && self.member == SegmentSet::default()
            && self.ranks.is_none()
            && self.zone.is_none()
    }

    fn is_member(&self, segment: SegmentId) -> bool {
        self.member.has(segment)
    }

    /// The next deadline of any of the person's timers; [`NEVER`] if there is none.
    pub fn next_deadline(&self, plan: &Plan) -> i64 {
        let timer = self.next_timer(plan);
        timer.min(self.forget_at(plan, timer))
    }

    /// The same without the one at which the person is forgotten.
    fn next_timer(&self, plan: &Plan) -> i64 {
        let sessions =
            plan.sessions.as_ref().map_or(NEVER, |plan| self.sessions.deadline(plan.gap));
        let instances = self.instances.iter().map(Instance::deadline).min().unwrap_or(NEVER);
        let watches = self.watches.iter().map(|watch| watch.deadline).min().unwrap_or(NEVER);
        // A person never seen has no timers; `recheck` is its mark.
        let recheck = if self.recheck == i64::MIN { NEVER } else { self.recheck };
        sessions.min(instances).min(watches).min(recheck)
    }

    /// Whether the person is in the segment.
    pub fn in_segment(&self, segment: SegmentId) -> bool {
        self.is_member(segment)
    }

    /// Whether the person has named a time zone of their own.
    pub fn has_own_zone(&self) -> bool {
        self.zone.is_some()
    }

    /// The journeys of which an instance is open.
    pub fn open_instances(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter()
    }

    /// The last instant at which anything has happened to the person.
    pub fn time(&self) -> i64 {
        self.now
    }

    /// A fact's value at the person's current instant or at `now` if that is later.
    pub fn fact(&self, plan: &Plan, fact: FactId, key: Option<&str>, now: i64) -> Value {
        let cx = eval::Cx { key, ..eval::Cx::of(plan, self, now.max(self.now)) };
        facts::read(&cx, fact).into_value()
    }

    /// A field of a basket, of a keyed one for the key; missing if there is no such field.
    pub fn basket(
        &self,
        plan: &Plan,
        fact: FactId,
        key: Option<&str>,
        field: &str,
        now: i64,
    ) -> Value {
        let cx = eval::Cx { key, ..eval::Cx::of(plan, self, now.max(self.now)) };
        let field = match field {
            "product_ids" => BasketField::ProductIds,
            "items" => BasketField::Items,
            "value" => BasketField::Value,
            _ => return Value::Missing,
        };
        facts::read_basket(&cx, fact, field).into_value()
    }

    /// The keys for which a keyed fact holds something, in their order.
    pub fn fact_keys(&self, fact: FactId) -> Vec<CompactString> {
        facts::keys(self, fact)
    }

    /// The same without the ids of messages that are not remembered any more, in what is kept of leaves too: they are dropped when
    /// somebody looks, which no outcome depends on.
    #[must_use]
    pub fn without_old_ids(mut self, horizon: i64) -> Person {
        let now = self.now;
        self.message_ids.forget(now, horizon);
        self.leaves.iter_mut().for_each(|leaf| leaf.forget_ids(now, horizon));
        self
    }

    /// Number of open instances and of timers, for figures that people watch.
    pub fn counts(&self) -> (usize, usize) {
        let timers = self.instances.len() + self.watches.len();
        (self.instances.len(), timers + usize::from(self.sessions.current().is_some()))
    }
}
