//! What events say of identifiers, taken out of them where they are read.

use crate::define::plan::IdentityPlan;
use crate::epoch::Placed;
use crate::event::Says;
use crate::identity::words::Words;

/// What some events of an epoch say of identifiers.
pub type Claimed = (u64, Words);

/// Takes claims out of events.
pub struct Extractor {
    rules: IdentityPlan,
    lately: Lately,
}

impl Extractor {
    /// One for these rules.
    pub fn new(rules: &IdentityPlan) -> Extractor {
        Extractor { rules: rules.clone(), lately: Lately::default() }
    }

    /// What a batch of events says, epoch by epoch. A request for erasure is taken out whole: it is nothing that the person does.
    pub fn take(&mut self, events: &mut Vec<Placed>) -> Vec<Claimed> {
        // A batch is of few epochs, which alternate.
        let mut found: Vec<Claimed> = Vec::new();
        let mut erases = false;
        for (epoch, event) in events.iter_mut() {
            let known = found.iter().rposition(|(known, _)| known == epoch);
            let at = known.unwrap_or_else(|| {
                found.push((*epoch, Words::default()));
                found.len() - 1
            });
            found[at].1.take(event, &self.rules);
            erases |= event.says == Says::Erased;
        }
        if erases {
            events.retain(|(_, event)| event.says != Says::Erased);
        }
        for (epoch, words) in &mut found {
            words.alone.retain(|hash| self.lately.is_new(*hash, *epoch));
        }
        found.retain(|(_, words)| !words.is_empty());
        found
    }
}

/// Places for identifiers that came by themselves: whoever clicks on does so again and again, and once is enough.
const PLACES: usize = 1 << 12;

/// Identifiers that came by themselves lately: each with the first epoch in which it has been told, in a place that whatever comes there later takes.
struct Lately(Vec<(u64, u64)>);

impl Default for Lately {
    fn default() -> Lately {
        Lately(vec![(0, u64::MAX); PLACES])
    }
}

impl Lately {
    /// Whether it has to be told, again perhaps, that the identifier of a hash came in an epoch.
    fn is_new(&mut self, hash: u64, epoch: u64) -> bool {
        let known = &mut self.0[(hash >> (u64::BITS - PLACES.trailing_zeros())) as usize];
        let is_new = known.0 != hash || known.1 > epoch;
        if is_new {
            *known = (hash, epoch);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_told_once_and_again_for_an_earlier_epoch() {
        let mut told = Lately::default();
        assert!(told.is_new(0, 5) && !told.is_new(0, 5) && !told.is_new(0, 6));
        assert!(told.is_new(0, 4), "claims of epoch 4 are judged before word of epoch 5 is heard");
        assert!(told.is_new(1, 5), "it has taken the place");
        assert!(told.is_new(0, 9));
    }
}
