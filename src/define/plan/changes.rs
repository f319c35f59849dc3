//! What is different between a plan and the one that it follows, for people.

use super::{Plan, Standing};

/// What has become of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    Added,
    Changed,
    Removed,
}

/// One definition that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// `fact`, `segment` or `journey`.
    pub what: &'static str,
    pub name: String,
    pub difference: Difference,
}

impl Difference {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Difference::Added => "added",
            Difference::Changed => "changed",
            Difference::Removed => "removed",
        }
    }
}

impl Plan {
    /// Definitions that are not what they were under the plan before this one: facts, segments, journeys, each by name. A
    /// definition has changed too if one that it reads has.
    pub fn changes_since(&self, before: &Plan) -> Vec<Changed> {
        let facts = |plan: &Plan| -> Vec<(Standing, String)> {
            plan.facts.iter().map(|it| (it.standing, it.name.clone())).collect()
        };
        let segments = |plan: &Plan| -> Vec<(Standing, String)> {
            plan.segments.iter().map(|it| (it.standing, it.name.clone())).collect()
        };
        let journeys = |plan: &Plan| -> Vec<(Standing, String)> {
            plan.journeys.iter().map(|it| (it.standing, it.name.clone())).collect()
        };
        let mut changes = changes("fact", &facts(before), &facts(self));
        changes.extend(self::changes("segment", &segments(before), &segments(self)));
        changes.extend(self::changes("journey", &journeys(before), &journeys(self)));
        changes
    }
}

/// Numbers mean the same in both: who is current in both has not changed.
fn changes(
    what: &'static str,
    before: &[(Standing, String)],
    after: &[(Standing, String)],
) -> Vec<Changed> {
    let current = |(standing, _): &&(Standing, String)| *standing == Standing::Current;
    let is_in = |all: &[(Standing, String)], name: &str| {
        all.iter().filter(current).any(|(_, known)| known == name)
    };
    let mut changes = Vec::new();
    for (at, (standing, name)) in after.iter().enumerate() {
        let was = before.get(at).is_some_and(|before| current(&before));
        let difference = match (was, *standing == Standing::Current) {
            (false, true) if is_in(before, name) => Difference::Changed,
            (false, true) => Difference::Added,
            (true, false) if !is_in(after, name) => Difference::Removed,
            _ => continue,
        };
        changes.push(Changed { what, name: name.clone(), difference });
    }
    changes.sort_by(|a, b| a.name.cmp(&b.name));
    changes
}
