//! What can hold a message, and the words for it.

use super::{Plan, SegmentId};

/// The gate that held a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Expired,
    HoldOut,
    Consent,
    Suppressed(SegmentId),
    QuietHours,
    /// The index of the cap in the policy.
    Cap(u16),
    Limit,
    /// Kairos was behind when the message was due.
    CatchingUp,
}

impl Plan {
    /// The reason as people and statistics read it, such as `cap sms 1 per day`.
    pub fn reason(&self, reason: Reason) -> String {
        match reason {
            Reason::Expired => "expired".into(),
            Reason::HoldOut => "hold-out".into(),
            Reason::Consent => "consent".into(),
            Reason::Suppressed(by) => {
                format!("suppressed by {}", self.segments[by.0 as usize].name)
            }
            Reason::QuietHours => "quiet hours".into(),
            Reason::Cap(at) => format!("cap {}", self.policy.caps[at as usize].name),
            Reason::Limit => "limit".into(),
            Reason::CatchingUp => "catching up".into(),
        }
    }
}
