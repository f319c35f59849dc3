//! The contact policy as it is written.

use super::{ClockTime, Millis, Name, Span, Spanned, Window};

/// `policy:`
#[derive(Clone, Debug, Default)]
pub struct Policy {
    pub span: Span,
    /// IANA name; default UTC.
    pub time_zone: Option<Name>,
    pub holidays: Vec<Holiday>,
    pub hold_out: Option<HoldOut>,
    pub consent: Vec<ConsentRule>,
    pub suppress: Vec<Suppress>,
    pub exclusive: Vec<Exclusive>,
    pub quiet_hours: Vec<QuietHours>,
    pub look_ahead: Vec<LookAhead>,
    pub caps: Vec<Cap>,
    pub gaps: Vec<Gap>,
    pub throttles: Vec<Throttle>,
    /// Events that say that a message did not arrive, so that it does not count.
    pub not_delivered: Vec<Name>,
}

impl Policy {
    /// What the rules are about that name channels and exceptions.
    pub fn scopes(&self) -> impl Iterator<Item = &Scope> {
        let hold_out = self.hold_out.iter().map(|rule| &rule.scope);
        hold_out
            .chain(self.suppress.iter().map(|rule| &rule.scope))
            .chain(self.quiet_hours.iter().map(|rule| &rule.scope))
            .chain(self.look_ahead.iter().map(|rule| &rule.scope))
            .chain(self.gaps.iter().map(|rule| &rule.scope))
    }
}

/// What a rule is about: messages on one of these channels, or on any if there are none, but those with one of these tags or purposes.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    pub channels: Vec<Name>,
    pub except: Vec<Name>,
}

/// `holidays: ["12-25", 2026-04-06]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holiday {
    /// The month and day of every year.
    EveryYear(i8, i8),
    /// Days since 1970.
    Once(i64),
}

/// `hold_out: { percent: 5, except: [transactional] }`: persons who get nothing, the same every time.
#[derive(Clone, Debug)]
pub struct HoldOut {
    /// In hundredths of a per cent.
    pub share: Spanned<u32>,
    pub scope: Scope,
}

/// `exclusive: [ { name: offers, journeys: [win-back, cart] } ]`: of these, a person hears of one at a time.
#[derive(Clone, Debug)]
pub struct Exclusive {
    pub name: Option<Name>,
    pub journeys: Vec<Name>,
    /// Whether a message waits for the other journey's end; else it is dropped.
    pub waits: bool,
}

/// `look_ahead: [ { below: 40, within: 2h, for: 70 } ]`: a minor message waits when a major one is due soon.
#[derive(Clone, Debug)]
pub struct LookAhead {
    pub below: Spanned<u32>,
    pub within: Millis,
    pub above: Spanned<u32>,
    pub scope: Scope,
}

/// `gap: [ { min: 4h, channels: [email] } ]`: so long between two messages.
#[derive(Clone, Debug)]
pub struct Gap {
    pub span: Span,
    pub min: Millis,
    pub on_limit: OnLimit,
    pub scope: Scope,
}

/// `throttle: [ { channel: sms, max: 100, per: minute } ]`: so many to all persons together.
#[derive(Clone, Debug)]
pub struct Throttle {
    pub span: Span,
    pub channel: Name,
    pub max: Spanned<u32>,
    /// Milliseconds.
    pub per: i64,
    pub except: Vec<Name>,
}

/// A message of this channel and purpose (absent: any) needs this consent.
#[derive(Clone, Debug)]
pub struct ConsentRule {
    pub span: Span,
    pub channel: Option<Name>,
    pub purpose: Option<Name>,
    pub proof: ConsentProof,
    /// Events that take it back.
    pub revoked_by: Vec<Name>,
    /// What holds for a person who has said nothing: `granted` is true, `denied` (the default) false.
    pub default: bool,
}

/// Where a person's consent is read.
#[derive(Clone, Debug)]
pub enum ConsentProof {
    /// `category: Advertising`: `context.consent.categoryPreferences` of any event.
    Category(Name),
    /// `trait: email_consent`: a boolean trait.
    Trait(Name),
}

/// `suppress: [ { while: open-ticket, except: [transactional] } ]`
#[derive(Clone, Debug)]
pub struct Suppress {
    pub segment: Name,
    pub scope: Scope,
}

/// `quiet_hours: { from: "21:00", to: "08:00", days: [saturday], holidays: true, then: defer, channels: [sms] }`
#[derive(Clone, Debug)]
pub struct QuietHours {
    pub span: Span,
    /// From and to; none is the whole day.
    pub hours: Option<(ClockTime, ClockTime)>,
    /// Bits of the weekdays on which they begin, Monday first; together with `holidays` none means every day.
    pub days: u8,
    pub holidays: bool,
    /// False: drop.
    pub defer: bool,
    pub scope: Scope,
}

/// One frequency cap. What is not named matches everything.
#[derive(Clone, Debug)]
pub struct Cap {
    pub span: Span,
    /// Shown in reasons; default made from what it matches, e.g. `sms 1 per day`.
    pub name: Option<Name>,
    pub channel: Option<Name>,
    pub tag: Option<Name>,
    pub purpose: Option<Name>,
    pub journey: Option<Name>,
    pub max: Spanned<u32>,
    pub window: Spanned<Window>,
    pub on_limit: OnLimit,
    /// Tags or purposes that neither count nor are held.
    pub except: Vec<Name>,
    /// Tags or purposes that count, and are not held.
    pub only_counts: Vec<Name>,
}

/// `on_limit:`: what becomes of a message beyond a cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLimit {
    #[default]
    Drop,
    Wait,
    Exit,
}
