//! What Segment's envelope says of an event beside its properties: which call, who, when.
//!
//! Each function takes the few values it needs as they stand in the JSON, and says why they will not do.

use super::Refused;
use super::cursor::Scalar;
use super::values::shown;
use crate::define::plan::IdentityPlan;
use crate::event::{Call, Num, Reason};
use crate::limits::ID_BYTES_MAX;
use crate::time::{self, TIME_MAX, TIME_MIN};
use compact_str::CompactString;
use smallvec::SmallVec;
use std::borrow::Cow;

/// The envelope's members, as they stand in the JSON.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Envelope<'a> {
    pub(super) call: Scalar<'a>,
    pub(super) event: Scalar<'a>,
    pub(super) user_id: Scalar<'a>,
    pub(super) anonymous_id: Scalar<'a>,
    pub(super) previous_id: Scalar<'a>,
    pub(super) message_id: Scalar<'a>,
    pub(super) timestamp: Scalar<'a>,
    pub(super) original_timestamp: Scalar<'a>,
    pub(super) received_at: Scalar<'a>,
    /// JSON text, still to be read.
    pub(super) name: Option<&'a str>,
    pub(super) category: Option<&'a str>,
    pub(super) group_id: Option<&'a str>,
    pub(super) properties: Option<&'a str>,
    pub(super) traits: Option<&'a str>,
}

impl<'a> Envelope<'a> {
    /// Which call it is and the name that its kind goes by, if what is known so far is all.
    pub(super) fn call(&self) -> Option<(Call, Cow<'a, str>)> {
        let call = match (self.call.text(), self.event) {
            (Some(call), _) => call,
            (None, Scalar::Plain(_) | Scalar::Escaped(_)) if self.call == Scalar::Null => {
                "track".into()
            }
            _ => return None,
        };
        let call = match &*call {
            "track" => {
                let name = self.event.text().filter(|name| !name.is_empty())?;
                return Some((Call::Track, name));
            }
            "identify" => (Call::Identify, "identify"),
            "page" => (Call::Page, "page"),
            "screen" => (Call::Screen, "screen"),
            "group" => (Call::Group, "group"),
            "alias" => (Call::Alias, "alias"),
            // How Segment's tools for privacy ask for it.
            "delete" => (Call::Track, crate::define::compile::ERASED),
            _ => return None,
        };
        Some((call.0, call.1.into()))
    }

    /// Why it is not a call.
    pub(super) fn not_a_call(&self) -> Refused {
        let detail = match (self.call.text(), self.call, self.event) {
            (Some(call), ..) if call != "track" => format!("`type` is \"{}\"", shown(&call)),
            (None, Scalar::Null, Scalar::Null) => "it has neither `type` nor `event`".to_owned(),
            (None, call, _) if call != Scalar::Null => "`type` is not a text".to_owned(),
            _ => "a track call needs an `event` name".to_owned(),
        };
        (Reason::NotAnEvent, detail)
    }

    /// The JSON text that holds the call's own properties.
    pub(super) fn body(&self, call: Call) -> Option<&'a str> {
        match call {
            Call::Track | Call::Page | Call::Screen => self.properties,
            Call::Identify | Call::Group => self.traits,
            Call::Alias | Call::Product => None,
            Call::Inside | Call::Notice | Call::Asks | Call::Granted => None,
        }
    }

    /// The leaf that the event belongs to.
    pub(super) fn leaf(&self) -> Result<CompactString, Refused> {
        if let Some(id) = identifier(self.user_id) {
            return Ok(leaf("user:", &id));
        }
        match identifier(self.anonymous_id) {
            Some(id) => Ok(leaf("anonymous:", &id)),
            None => {
                let detail = "neither `userId` nor `anonymousId` identifies anybody";
                Err((Reason::NoIdentifier, detail.to_owned()))
            }
        }
    }

    /// Who an `alias` call says its `userId` has been: `previousId` is the event's own `anonymousId`, an identifier with its
    /// kind, or another `userId`.
    pub(super) fn previous(&self, rules: &IdentityPlan) -> Option<CompactString> {
        let previous = identifier(self.previous_id)?;
        if rules.rank(&previous) < u8::MAX {
            return Some(CompactString::from(previous));
        }
        let is_own = identifier(self.anonymous_id).is_some_and(|own| own == previous);
        Some(leaf(if is_own { "anonymous:" } else { "user:" }, &previous))
    }

    /// The event's time, never later than its arrival, be that what the envelope says or what is known from elsewhere.
    pub(super) fn time(&self, arrival: Option<i64>) -> Result<i64, Refused> {
        let stamps = [
            ("timestamp", self.timestamp),
            ("originalTimestamp", self.original_timestamp),
            ("receivedAt", self.received_at),
        ];
        // The first that is there decides: an unreadable one must not silently become the time of arrival.
        let stamp = stamps.iter().find(|(_, stamp)| *stamp != Scalar::Null);
        let Some((name, stamp)) = stamp else {
            if let Some(arrival) = arrival {
                return Ok(arrival);
            }
            let detail = "none of `timestamp`, `originalTimestamp` and `receivedAt` is there";
            return Err((Reason::NoTimestamp, detail.to_owned()));
        };
        let Some(time) = timestamp(*stamp) else {
            let detail = format!("`{name}` is neither RFC 3339 nor whole milliseconds");
            return Err((Reason::NoTimestamp, detail));
        };
        let time = timestamp(self.received_at).map_or(time, |received| time.min(received));
        let time = arrival.map_or(time, |arrival| time.min(arrival));
        if (TIME_MIN..TIME_MAX).contains(&time) {
            Ok(time)
        } else {
            let detail = format!("the event's time, {time} ms, is not from 1990 to 2099");
            Err((Reason::AbsurdTimestamp, detail))
        }
    }

    /// The message id; empty if there is none.
    pub(super) fn message_id(&self) -> Result<CompactString, Refused> {
        let Some(id) = self.message_id.text() else {
            return Ok(CompactString::default());
        };
        if id.len() > ID_BYTES_MAX {
            // Cutting it could make two different messages one, and remembering it whole has no bound.
            let detail = format!("`messageId` has {} of at most {ID_BYTES_MAX} bytes", id.len());
            return Err((Reason::NotAnEvent, detail));
        }
        Ok(CompactString::from(id))
    }
}

pub(super) fn leaf(sort: &str, id: &str) -> CompactString {
    let mut leaf: SmallVec<[u8; 64]> = SmallVec::from_slice(sort.as_bytes());
    leaf.extend_from_slice(id.as_bytes());
    CompactString::from_utf8(leaf).expect("a text and another are a text")
}

/// Words that a shop's code sends when it does not know who it is.
const PLACEHOLDERS: [&str; 8] =
    ["null", "undefined", "unknown", "none", "anonymous", "nil", "0", "-1"];

/// Bytes of the longest of them.
const LONGEST_PLACEHOLDER: usize = {
    let (mut longest, mut at) = (0, 0);
    while at < PLACEHOLDERS.len() {
        if PLACEHOLDERS[at].len() > longest {
            longest = PLACEHOLDERS[at].len();
        }
        at += 1;
    }
    longest
};

/// A text or a number that identifies somebody.
pub(super) fn identifier<'a>(id: Scalar<'a>) -> Option<Cow<'a, str>> {
    let id = match id {
        Scalar::Number(text) => Cow::Borrowed(text),
        other => other.text()?,
    };
    (!is_placeholder(&id) && id.len() <= ID_BYTES_MAX).then_some(id)
}

/// Whether a text stands for nobody.
pub(super) fn is_placeholder(id: &str) -> bool {
    // Most are longer than any of the words, without any spaces around.
    let is_graphic = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    let bytes = id.as_bytes();
    if bytes.len() > LONGEST_PLACEHOLDER && is_graphic(bytes.first()) && is_graphic(bytes.last()) {
        return false;
    }
    let word = id.trim();
    word.is_empty() || PLACEHOLDERS.iter().any(|p| word.eq_ignore_ascii_case(p))
}

/// Milliseconds since the Unix epoch, out of RFC 3339 text or a whole number of them.
fn timestamp(stamp: Scalar<'_>) -> Option<i64> {
    match stamp {
        // One beyond every range is a time, only an absurd one.
        Scalar::Number(text) => match Num::parse(text) {
            Some(number) => number.is_whole().then(|| number.trunc()),
            None => Some(if text.starts_with('-') { i64::MIN } else { i64::MAX }),
        },
        other => time::parse(&other.text()?),
    }
}
