//! What of an epoch's claims says something new.

use super::{HashMap, Resolver};
use crate::epoch::Span;
use crate::event::{Claim, Says};
use crate::identity::words::{Lying, Words};
use crate::identity::{When, not_before};

/// A claim, or several alike in one epoch that says nothing else of their identifiers, and of nobody that it is one with another or not:
/// what the first of them comes to, the others come to as well, be it that it is refused.
#[derive(Debug)]
pub struct Said {
    pub claim: Claim,
    pub(super) first: When,
    pub(super) last: When,
    pub(super) times: usize,
}

impl From<(When, Claim)> for Said {
    fn from((at, claim): (When, Claim)) -> Said {
        Said { claim, first: at, last: at, times: 1 }
    }
}

impl Said {
    fn again(&mut self, at: When) {
        self.first = at.min(self.first);
        self.last = at.max(self.last);
        self.times += 1;
    }
}

/// What an epoch says of an identifier of which it says something new.
struct About {
    /// The digest of it; nothing if it is more than one thing.
    digest: Option<u64>,
    /// Where it stands among the news, once it does.
    place: usize,
}

impl Resolver {
    /// The claims of an epoch that say something new. One that is known already may say something all the same if another of the epoch
    /// is about one of its identifiers, or if somebody ends in it. Notes which identifiers came by themselves. `span` is the epoch's.
    pub fn news(&mut self, words: &[Words], span: Span) -> Vec<Said> {
        words.iter().flat_map(|it| &it.alone).for_each(|hash| self.acted.note(*hash));
        let all = || words.iter().flat_map(Words::claims);
        let mut ends = self.graph.first_idle(span.end).is_some();
        let mut only_together = true;
        let mut about: HashMap<u64, About> = HashMap::default();
        let mut known = Vec::new();
        for it in all() {
            let digest = it.digest();
            let is_said = |hash| about.get(&hash).is_some_and(|it| it.is_only(digest));
            let is_known = !it.hashes().all(is_said) && self.graph.is_settled(it);
            known.push(is_known);
            if !is_known {
                ends |= it.says == Says::Erased;
                only_together &= it.says == Says::Together;
                for hash in it.hashes() {
                    about.entry(hash).or_insert(About { digest, place: usize::MAX }).hear(digest);
                }
            }
        }
        if about.is_empty() && !ends {
            return Vec::new();
        }
        for (it, _) in all().zip(&known).filter(|(_, is_known)| **is_known) {
            for hash in it.hashes() {
                about.entry(hash).and_modify(|it| it.hear(None));
            }
        }
        let mut news: Vec<Said> = Vec::new();
        for (it, is_known) in all().zip(known) {
            // Of somebody who ends in the epoch, whatever is said may be said of somebody new.
            if is_known && !ends && !it.hashes().any(|hash| about.contains_key(&hash)) {
                continue;
            }
            let at = not_before(it.at, span.begin);
            if !is_known
                && !ends
                && only_together
                && let Some(place) = self.only_place(it, &mut about)
            {
                if let Some(said) = news.get_mut(*place) {
                    said.again(at);
                    continue;
                }
                *place = news.len();
            }
            news.push(Said::from((at, it.claim())));
        }
        news
    }

    /// Where a claim is to be noted if nothing else is said of its identifiers, now or ever, by which those that are alike could differ.
    fn only_place<'a>(
        &self,
        it: Lying<'_>,
        about: &'a mut HashMap<u64, About>,
    ) -> Option<&'a mut usize> {
        let digest = it.digest();
        let is_only = it.hashes().all(|hash| about[&hash].is_only(digest));
        if !is_only || it.identifiers().any(|(identifier, _)| self.erased.knows(identifier)) {
            return None;
        }
        about.get_mut(&it.hashes().next()?).map(|it| &mut it.place)
    }
}

impl About {
    fn hear(&mut self, digest: Option<u64>) {
        if !self.is_only(digest) {
            self.digest = None;
        }
    }

    fn is_only(&self, digest: Option<u64>) -> bool {
        digest.is_some() && self.digest == digest
    }
}
