//! What operators see of identity.

use super::graph::{Change, Refusal};
use super::resolve::Outcome;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start.
#[derive(Debug, Default)]
pub struct Figures {
    /// Identifiers that are, or were, linked to another one.
    pub identifiers: AtomicU64,
    /// Persons who became part of another.
    pub joined: AtomicU64,
    /// Persons who were parted from another.
    pub parted: AtomicU64,
    /// Events of identifiers that had been erased after them.
    pub dropped: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
}

impl Figures {
    pub(super) fn note(&self, outcome: &Outcome, identifiers: usize) {
        self.identifiers.store(identifiers as u64, Ordering::Relaxed);
        self.joined.fetch_add(outcome.named as u64, Ordering::Relaxed);
        for (_, change) in outcome.scripts.iter().flat_map(|script| &script.changes) {
            let counter = match change {
                Change::Join { .. } => &self.joined,
                Change::Part { .. } => &self.parted,
                // Counted where the person was.
                Change::End { .. } => continue,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        for (refusal, claim) in &outcome.refused {
            self.refused[*refusal as usize].fetch_add(1, Ordering::Relaxed);
            tracing::debug!(reason = refusal.as_str(), ?claim, "identifiers are not linked");
        }
    }

    pub(super) fn note_dropped(&self, events: usize) {
        self.dropped.fetch_add(events as u64, Ordering::Relaxed);
    }

    /// Links that were refused, by reason.
    pub fn refused(&self) -> [(Refusal, u64); Refusal::ALL.len()] {
        Refusal::ALL.map(|it| (it, self.refused[it as usize].load(Ordering::Relaxed)))
    }
}
