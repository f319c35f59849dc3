//! What events say of identifiers, taken out of them where they are read.

use crate::define::plan::IdentityPlan;
use crate::epoch::Placed;
use crate::event::Says;
use crate::identity::when;
use crate::identity::words::Words;

/// What some events of an epoch say of identifiers.
pub type Claimed = (u64, Words);

/// Takes claims out of events.
pub struct Extractor {
    rules: IdentityPlan,
}

impl Extractor {
    /// One for these rules.
    pub fn new(rules: &IdentityPlan) -> Extractor {
        Extractor { rules: rules.clone() }
    }

    /// What a batch of events says, epoch by epoch. A request for erasure is taken out whole: it is nothing that the person does.
    pub fn take(&self, events: &mut Vec<Placed>) -> Vec<Claimed> {
        // A batch is of few epochs, which alternate.
        let mut found: Vec<Claimed> = Vec::new();
        let mut erases = false;
        for (epoch, event) in events.iter_mut() {
            let known = found.iter().rposition(|(known, _)| known == epoch);
            let at = known.unwrap_or_else(|| {
                found.push((*epoch, Words::default()));
                found.len() - 1
            });
            let words = &mut found[at].1;
            words.take(event);
            if event.says == Says::Erased {
                erases = true;
            } else if self.rules.notices(&event.leaf) {
                words.seen.push((when(event, i64::MIN), event.hash));
            }
        }
        if erases {
            events.retain(|(_, event)| event.says != Says::Erased);
        }
        found.retain(|(_, words)| !words.is_empty());
        found
    }
}
