//! So many messages to all persons together: who waits for a place, and who is given one.
//!
//! A message that has passed every other gate asks for a place and waits. What was asked in an epoch is heard in the next one, at the
//! end of which the places that are left in the stretch of time that then begins are given away: by priority, then by when messages
//! became due, then by person. Whoever is given one hears of it one epoch later, and every gate is asked again.

use crate::define::plan::ThrottlePlan;
use crate::event::{Call, Event, Kind, Origin, leaf_hash};
use crate::time::NEVER;
use compact_str::{CompactString, format_compact};
use serde::{Deserialize, Serialize};
use smallvec::smallvec;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Under which identifier a throttle is asked.
const PREFIX: &str = "throttle:";

/// One that waits: priority, since when it is due, the person, the number of the instance, and when its message is worth nothing any more.
type Waiting = (Reverse<u32>, i64, CompactString, u32, i64);

/// One throttle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::person) struct Throttle {
    waiting: BTreeSet<Waiting>,
    /// The stretch of time of which places were given away last, and how many.
    stretch: i64,
    given: u32,
}

impl Throttle {
    /// Takes in what asks for a place.
    pub(in crate::person) fn ask(&mut self, ask: &Event) {
        let number = |text: &CompactString| text.parse().unwrap_or(0);
        if let [person, priority, instance, until] = &ask.also[..] {
            let (priority, until) = (Reverse(number(priority)), until.parse().unwrap_or(NEVER));
            self.waiting.insert((priority, ask.time, person.clone(), number(instance), until));
        }
    }

    /// Gives away the places that are left at an instant; without a plan, as many as are asked for. Whose message is worth nothing
    /// any more goes away without one.
    pub(in crate::person) fn give(&mut self, plan: Option<&ThrottlePlan>, now: i64) -> Vec<Event> {
        let mut left = u32::MAX;
        if let Some(plan) = plan {
            let stretch = now.div_euclid(plan.per);
            if stretch != self.stretch {
                (self.stretch, self.given) = (stretch, 0);
            }
            left = plan.max.saturating_sub(self.given);
        }
        let mut grants = Vec::new();
        while left > 0
            && let Some((.., person, number, until)) = self.waiting.pop_first()
        {
            if until <= now {
                continue;
            }
            left -= 1;
            self.given = self.given.saturating_add(1);
            grants.push(grant(person, number));
        }
        grants
    }

    /// The last instant before there are places again, if anybody waits: the epoch that holds it gives them away, whatever else
    /// happens in it.
    pub(in crate::person) fn next(&self, plan: &ThrottlePlan) -> Option<i64> {
        let begin = self.stretch.saturating_add(1).saturating_mul(plan.per);
        (!self.waiting.is_empty()).then_some(begin - 1)
    }
}

/// The name of the throttle that an identifier means.
pub(in crate::person) fn name_of(leaf: &str) -> Option<&str> {
    leaf.strip_prefix(PREFIX)
}

/// What a person's instance says to a throttle, whose message became due at an instant, and is worth something until another.
pub(super) fn ask(
    name: &str,
    person: &str,
    priority: u32,
    due: i64,
    until: i64,
    instance: u32,
) -> Event {
    let leaf = format_compact!("{PREFIX}{name}");
    let text = |number: i64| format_compact!("{number}");
    Event {
        hash: leaf_hash(&leaf),
        leaf,
        call: Call::Asks,
        taken: i64::MIN,
        also: smallvec![person.into(), text(priority.into()), text(instance.into()), text(until)],
        ..Event::plain(Kind::OTHER, due, Origin::default())
    }
}

fn grant(person: CompactString, number: u32) -> Event {
    Event {
        hash: leaf_hash(&person),
        leaf: person,
        call: Call::Granted,
        also: smallvec![format_compact!("{number}")],
        ..Event::plain(Kind::OTHER, i64::MIN, Origin::default())
    }
}

/// The number of the instance that is given a place.
pub(in crate::person) fn granted(event: &Event) -> Option<u32> {
    event.also.first()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_go_by_priority_and_then_by_age() {
        let plan = ThrottlePlan { name: "sms".into(), max: 2, per: 1_000 };
        let mut throttle = Throttle::default();
        for (person, priority, due) in
            [("a", 10, 1), ("b", 50, 3), ("c", 10, 0), ("d", 50, 2), ("d", 50, 2)]
        {
            throttle.ask(&ask("sms", person, priority, due, NEVER, 7));
        }
        let persons = |events: Vec<Event>| -> Vec<String> {
            events.iter().map(|event| event.leaf.to_string()).collect()
        };
        assert_eq!(persons(throttle.give(Some(&plan), 5_500)), ["d", "b"]);
        assert_eq!(throttle.next(&plan), Some(5_999));
        assert!(throttle.give(Some(&plan), 5_999).is_empty(), "two in each second");
        let next = throttle.give(Some(&plan), 6_000);
        assert_eq!(next.iter().map(granted).collect::<Vec<_>>(), [Some(7), Some(7)]);
        assert_eq!(persons(next), ["c", "a"]);
        assert_eq!(throttle.next(&plan), None);
    }

    #[test]
    fn what_is_worth_nothing_any_more_takes_no_place() {
        let plan = ThrottlePlan { name: "sms".into(), max: 1, per: 1_000 };
        let mut throttle = Throttle::default();
        for (person, due, until) in [("a", 0, 5_000), ("b", 1, 5_001), ("c", 2, NEVER)] {
            throttle.ask(&ask("sms", person, 10, due, until, 7));
        }
        let given = throttle.give(Some(&plan), 5_000);
        assert_eq!(given.len(), 1);
        assert_eq!(given[0].leaf, "b");
    }
}
