//! The end of a person: what goes out when nothing is to be known any more.

use super::effect::{Change, Effect, ExitReason};
use super::{Person, leaves};
use crate::define::plan::Plan;
use crate::identity::Ending;
use crate::time::NEVER;
use compact_str::CompactString;

/// That a person was forgotten in the middle of an epoch.
#[derive(Debug)]
pub(super) struct Forgotten {
    /// So many events came before.
    pub(super) after: usize,
    pub(super) at: i64,
    /// Identifiers under which somebody may have kept something of the person.
    pub(super) names: Vec<CompactString>,
}

impl Person {
    /// Leaves everything at an instant: instances, then segments by name. Gives the identifiers under which somebody may have
    /// kept something of the person.
    pub(super) fn leave_everything(
        &mut self,
        plan: &Plan,
        now: i64,
        why: Ending,
        effects: &mut Vec<Effect>,
    ) -> Vec<CompactString> {
        self.now = self.now.max(now);
        let time = self.now;
        let reason = match why {
            Ending::Erased => ExitReason::Erased,
            Ending::Forgotten => ExitReason::Forgotten,
        };
        for instance in self.instances.drain(..).filter(super::Instance::is_open) {
            let (place, arms) = (instance.place, instance.arms.clone());
            let change = Change::Exited { reason, place, value: None, arms };
            effects.push(leaves::told(time, &instance, change));
        }
        let mut left: Vec<_> = self.announced.iter().collect();
        left.sort_by_key(|segment| &plan.segments[usize::from(segment.0)].name);
        effects.extend(left.into_iter().map(|segment| Effect::Segment {
            time,
            segment,
            entered: false,
        }));
        self.names()
    }

    /// When the person is forgotten if nothing more is seen of it, if that is before an instant; [`NEVER`] with a strong identifier.
    pub(super) fn forget_at(&self, plan: &Plan, before: i64) -> i64 {
        let seen = (self.last_seen != i64::MIN).then_some(self.last_seen);
        let at =
            seen.zip(plan.forget_after).map_or(NEVER, |(seen, after)| seen.saturating_add(after));
        // Mostly it is not, and nobody has to look at the identifier.
        if at < before && !plan.is_strong(&self.id) { at } else { NEVER }
    }

    /// The identifier by which the person is known, and those under which events have come.
    pub(super) fn names(&self) -> Vec<CompactString> {
        let mut names = self.leaf_names();
        names.push(self.id.clone());
        names.sort();
        names.dedup();
        names
    }
}
