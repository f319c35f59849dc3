//! What persons hear one epoch after others have said or done something.

use super::Answer;
use crate::catalogue::related::Best;
use crate::event::Event;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// Something that is taken in when the next epoch begins, before any event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Feedback {
    /// What has turned about a person's place among all others.
    Answer(Answer),
    /// What a member has done, for the group.
    Happened(Box<Event>),
    /// What goes best with a product from now on.
    Best(Best),
    /// The name of a product that somebody has.
    Named(u64, CompactString),
}

/// Feedback for a worker.
pub type Addressed = (u64, Feedback);
