//! What can hold a message, and the words for it.

use super::{JourneyId, Plan, SegmentId};

/// Stands between the parts of an id.
pub const SEPARATOR: &str = "\u{1f}";

/// The gate that held a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Expired,
    HoldOut,
    Consent,
    Suppressed(SegmentId),
    /// The journey of which the person hears.
    Excluded(JourneyId),
    QuietHours,
    /// The journey whose message is due soon.
    LookAhead(JourneyId),
    /// The index of the cap in the policy, and of the gap.
    Cap(u16),
    Gap(u16),
    /// The index of the throttle.
    Throttle(u16),
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
            Reason::Excluded(by) => format!("excluded by {}", self.journey_name(by)),
            Reason::QuietHours => "quiet hours".into(),
            Reason::LookAhead(to) => format!("waits for {}", self.journey_name(to)),
            Reason::Cap(at) => format!("cap {}", self.policy.caps[at as usize].name),
            Reason::Gap(at) => format!("gap {}", self.policy.gaps[at as usize].name),
            Reason::Throttle(at) => {
                format!("throttle {}", self.policy.throttles[at as usize].name)
            }
            Reason::Limit => "limit".into(),
            Reason::CatchingUp => "catching up".into(),
        }
    }

    /// What a message is about, so that its id, the hash of this, is the same in a replay. A deferral, which is not the
    /// message's last word, has its instant in addition. When it became due tells it from one of a person of the same name who
    /// was forgotten since, and whose instances are numbered from the beginning.
    pub fn decision_id(
        &self,
        person: &str,
        journey: JourneyId,
        key: Option<&str>,
        number: u32,
        place: u16,
        due: i64,
    ) -> String {
        let journey = &self.journeys[usize::from(journey.0)];
        let step = &journey.program[usize::from(place)].path;
        let (key, number, due) = (key.unwrap_or(""), number.to_string(), due.to_string());
        [person, &journey.name, &journey.version, key, step, &number, &due, ""].join(SEPARATOR)
    }

    fn journey_name(&self, journey: JourneyId) -> &str {
        &self.journeys[usize::from(journey.0)].name
    }
}
