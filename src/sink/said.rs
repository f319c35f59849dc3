//! A line of the outputs → what it says: for those who count or compare what a run has decided.

use super::head;
use crate::time;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// One line about a message or an instance.
#[derive(Debug)]
pub struct Said<'a> {
    pub time: i64,
    /// What the line is, such as `decision` or `journey.entered`.
    pub kind: &'a str,
    pub person: Cow<'a, str>,
    pub data: Data<'a>,
}

/// What lines about messages and instances say, as far as they say it.
#[derive(Debug, Deserialize)]
pub struct Data<'a> {
    #[serde(borrow)]
    pub journey: Cow<'a, str>,
    pub key: Option<Cow<'a, str>>,
    /// The number of the instance among all of the person's.
    pub occurrence: u32,
    /// `send`, `defer` or `drop`.
    #[serde(borrow, default)]
    pub decision: Cow<'a, str>,
    pub reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub step: Cow<'a, str>,
    #[serde(borrow, default)]
    pub channel: Cow<'a, str>,
    #[serde(borrow, default)]
    pub template: Cow<'a, str>,
    /// The person as whom an instance was open so far.
    pub from: Option<Cow<'a, str>>,
    /// What a goal is worth, as it is written.
    #[serde(borrow)]
    pub value: Option<&'a RawValue>,
    /// What a trigger hands to the template, as it is written.
    #[serde(borrow)]
    pub with: Option<&'a RawValue>,
}

/// What a line of decisions, triggers or journeys says; `None` of any other line.
pub fn said(line: &[u8]) -> Option<Said<'_>> {
    let head = head::read(line.strip_suffix(b"\n").unwrap_or(line))?;
    Some(Said {
        time: time::parse(std::str::from_utf8(head.time).ok()?)?,
        kind: std::str::from_utf8(head.kind).ok()?.strip_prefix("kairos.")?,
        person: head.subject,
        data: serde_json::from_slice(head.data).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_formatter_writes() {
        let mut line = Vec::new();
        head::write(&mut line, 7, "decision", 1_772_442_000_000, "user:\"a\"");
        line.extend_from_slice(br#"{"decision":"drop","reason":"consent","journey":"j","occurrence":3,"key":"k\u0001","step":"2","channel":"sms","template":"t"}}"#);
        line.push(b'\n');
        let said = said(&line).unwrap();
        assert_eq!(
            (said.time, said.kind, &*said.person),
            (1_772_442_000_000, "decision", "user:\"a\"")
        );
        let data = said.data;
        assert_eq!((&*data.decision, data.reason.as_deref()), ("drop", Some("consent")));
        assert_eq!((data.occurrence, data.key.as_deref()), (3, Some("k\u{1}")));
        assert_eq!((&*data.step, &*data.channel, &*data.template), ("2", "sms", "t"));
        assert!(data.from.is_none() && data.value.is_none() && data.with.is_none());
        assert!(super::said(b"{}").is_none() && super::said(b"").is_none());
    }
}
