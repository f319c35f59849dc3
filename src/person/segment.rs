//! Membership follows the facts; what changed is announced at the end of the instant.

use super::eval::Cx;
use super::{Person, dates};
use crate::define::plan::{Plan, SegmentId, SegmentSet, Standing};
use crate::time::NEVER;
use smallvec::SmallVec;

/// Asks every condition again and looks up every date, and finds the next instant at which one may change by itself. Tells
/// whether any answer changed.
pub(super) fn follow_all(person: &mut Person, plan: &Plan) -> bool {
    person.recheck = NEVER;
    dates::look_up(person, plan);
    follow(person, plan, plan.conditions.clone())
}

/// What changes by itself may have: asks the conditions again that do, of whom they concern, looks up every date, and finds the next such
/// instant. Tells whether any answer changed.
pub(super) fn follow_time(person: &mut Person, plan: &Plan) -> bool {
    // Nothing has ever been asked of somebody new.
    if person.recheck == i64::MIN {
        begin(person, plan);
        return true;
    }
    person.recheck = NEVER;
    dates::look_up(person, plan);
    let mut asked = plan.timed.clone();
    person.facts.held().for_each(|it| asked.extend(&plan.timed_readers_of_fact[it.0 as usize]));
    follow(person, plan, asked)
}

/// Asks everything for the first time. Of whom nothing is known, and who is no group, only time tells one from another; and they have no dates.
fn begin(person: &mut Person, plan: &Plan) {
    let is_group = plan.groups.iter().any(|group| person.id.starts_with(&group.prefix));
    if is_group || !person.is_unknown() {
        follow_all(person, plan);
        return;
    }
    person.recheck = NEVER;
    let of_anybody = || {
        let mut anybody = Person { now: person.now, ..Person::default() };
        follow(&mut anybody, plan, plan.conditions.clone());
        anybody.member
    };
    person.member = plan.at_first.get_or_init(of_anybody).clone();
    follow(person, plan, plan.timed.clone());
}

/// Asks some conditions again, and those that read an answer that has changed; the others keep theirs. Tells whether any
/// changed.
pub(super) fn follow(person: &mut Person, plan: &Plan, mut asked: SegmentSet) -> bool {
    let mut changed = false;
    // A segment comes after those that it reads, so that nobody is asked twice.
    while let Some(segment) = asked.pop_first() {
        let Some(condition) = &plan.segments[segment.0 as usize].condition else {
            continue;
        };
        let cx = Cx::of(plan, person, person.now);
        let member = cx.holds(condition);
        let recheck = cx.recheck.get();
        person.recheck = person.recheck.min(recheck);
        if person.is_member(segment) != member {
            person.member.set(segment, member);
            asked.extend(&plan.readers_of_segment[segment.0 as usize]);
            changed = true;
        }
    }
    changed
}

/// Puts somebody on a list or takes them off; tells whether that changed anything.
pub(super) fn put(person: &mut Person, plan: &Plan, list: SegmentId, member: bool) -> bool {
    if person.is_member(list) == member {
        return false;
    }
    person.member.set(list, member);
    follow(person, plan, plan.readers_of_segment[list.0 as usize].clone());
    true
}

/// Segments, and whether each was entered.
pub(super) type Announced = SmallVec<[(SegmentId, bool); 4]>;

/// Takes note of all changes since the last announcement, by name.
pub(super) fn announce(person: &mut Person, plan: &Plan) -> Announced {
    if person.member == person.announced {
        return Announced::new();
    }
    let differing = person.member.differing(&person.announced);
    // Segments that only earlier definitions have are followed, and not announced.
    let is_current =
        |it: &SegmentId| plan.segments[usize::from(it.0)].standing == Standing::Current;
    let mut changes: Announced = differing
        .iter()
        .filter(is_current)
        .map(|segment| (segment, person.is_member(segment)))
        .collect();
    changes.sort_by_key(|(segment, _)| &plan.segments[usize::from(segment.0)].name);
    changes.iter().for_each(|&(segment, member)| person.announced.set(segment, member));
    changes
}
