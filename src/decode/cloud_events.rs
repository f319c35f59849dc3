//! CloudEvents 1.0 in, Segment's envelope out.
//!
//! Structured messages are JSON with `specversion`; binary ones have `ce_…` headers, and their payload is the data. Data
//! that is itself an event in Segment's envelope is taken as the event; what it does not say of itself, the CloudEvent
//! says. Other data become the properties of a track call.

use super::Refused;
use super::adapter::Line;
use super::values::shown;
use crate::broker::Record;
use crate::event::Reason;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a CloudEvent says beside its data.
#[derive(Debug, Default, Deserialize)]
struct Attributes<'a> {
    #[serde(borrow)]
    specversion: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    source: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    subject: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    data_base64: Option<serde::de::IgnoredAny>,
}

/// What data have if they are an event themselves.
#[derive(Debug, Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    call: Option<&'a RawValue>,
    #[serde(borrow, rename = "userId")]
    user_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "anonymousId")]
    anonymous_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "messageId")]
    message_id: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, rename = "originalTimestamp")]
    original_timestamp: Option<&'a RawValue>,
    #[serde(borrow, rename = "receivedAt")]
    received_at: Option<&'a RawValue>,
}

/// The line of a message, written into `out` unless its data are one already.
pub(super) fn line<'a>(
    payload: &'a [u8],
    record: &Record<'_>,
    out: &mut Vec<u8>,
) -> Result<Line<'a>, Refused> {
    let text = text(payload)?;
    let headers = of_headers(record);
    if headers.name.is_none() && headers.specversion.is_none() {
        let event: Attributes<'_> = serde_json::from_str(text).map_err(|e| said(text, &e))?;
        if event.specversion.is_none() {
            let detail = "it has neither `specversion` nor `ce_…` headers: it is no CloudEvent";
            return Err((Reason::NotMapped, detail.to_owned()));
        }
        if event.data_base64.is_some() {
            return Err((Reason::NotMapped, "`data_base64` is not JSON".to_owned()));
        }
        let data = event.data.map_or("", RawValue::get);
        return write(&event, data, out);
    }
    write(&headers, text.trim_ascii(), out)
}

fn write<'a>(
    event: &Attributes<'_>,
    data: &'a str,
    out: &mut Vec<u8>,
) -> Result<Line<'a>, Refused> {
    let is_object = data.starts_with('{');
    if !is_object && !matches!(data, "" | "null") {
        return Err((Reason::NotMapped, "`data` is not an object".to_owned()));
    }
    if is_object {
        let inner: Envelope<'_> = serde_json::from_str(data).map_err(|e| said(data, &e))?;
        if inner.call.is_some() && (inner.user_id.is_some() || inner.anonymous_id.is_some()) {
            return Ok(enclosed(event, &inner, data, out));
        }
    }
    let Some(name) = event.name.as_deref().filter(|name| !name.is_empty()) else {
        return Err((Reason::NotMapped, "the CloudEvent has no `type`".to_owned()));
    };
    out.extend_from_slice(br#"{"type":"track","event":"#);
    string(out, name);
    if let Some(subject) = event.subject.as_deref() {
        let (member, id) = match subject.split_once(':') {
            Some(("anonymous", id)) => ("anonymousId", id),
            Some(("user", id)) => ("userId", id),
            _ => ("userId", subject),
        };
        field(out, member, id);
    }
    if let Some(id) = message_id(event) {
        field(out, "messageId", &id);
    }
    if let Some(time) = event.time.as_deref() {
        field(out, "timestamp", time);
    }
    if is_object {
        out.extend_from_slice(br#","properties":"#);
        out.extend_from_slice(data.as_bytes());
    }
    out.push(b'}');
    Ok(Line::Written)
}

/// Data that are an event themselves, with the id and time of the CloudEvent if they have none.
fn enclosed<'a>(
    event: &Attributes<'_>,
    inner: &Envelope<'_>,
    data: &'a str,
    out: &mut Vec<u8>,
) -> Line<'a> {
    let id = message_id(event).filter(|_| inner.message_id.is_none());
    let stamps = [inner.timestamp, inner.original_timestamp, inner.received_at];
    let time = event.time.as_deref().filter(|_| stamps.iter().all(Option::is_none));
    if id.is_none() && time.is_none() {
        return Line::Here(data.as_bytes());
    }
    // The object has members, so that more can be put before its bracket.
    out.extend_from_slice(data.trim_end().strip_suffix('}').unwrap_or(data).as_bytes());
    if let Some(id) = id {
        field(out, "messageId", &id);
    }
    if let Some(time) = time {
        field(out, "timestamp", time);
    }
    out.push(b'}');
    Line::Written
}

/// Only source and id together name one CloudEvent: two services may both count from 1.
fn message_id(event: &Attributes<'_>) -> Option<String> {
    let id = event.id.as_deref().filter(|id| !id.is_empty())?;
    Some(match event.source.as_deref() {
        Some(source) if !source.is_empty() => format!("{source}#{id}"),
        _ => id.to_owned(),
    })
}

/// Other headers are passed over, whatever they are called.
fn of_headers<'a>(record: &Record<'a>) -> Attributes<'a> {
    let mut event = Attributes::default();
    for (name, value) in record.headers {
        let place = match *name {
            b"ce_specversion" => &mut event.specversion,
            b"ce_id" => &mut event.id,
            b"ce_source" => &mut event.source,
            b"ce_type" => &mut event.name,
            b"ce_time" => &mut event.time,
            b"ce_subject" => &mut event.subject,
            _ => continue,
        };
        *place = value.and_then(|bytes| std::str::from_utf8(bytes).ok()).map(Cow::Borrowed);
    }
    event
}

/// The payload as text.
pub(super) fn text(payload: &[u8]) -> Result<&str, Refused> {
    std::str::from_utf8(payload)
        .map_err(|error| (Reason::NotUtf8, format!("at column {}", error.valid_up_to() + 1)))
}

/// Why a message is not read, as its reader says it.
pub(super) fn said(text: &str, error: &serde_json::Error) -> Refused {
    let message = error.to_string();
    if message.contains("recursion limit") {
        return (Reason::TooDeep, message);
    }
    // The message quotes what it found, whatever its length.
    let detail = shown(&message);
    match error.classify() {
        serde_json::error::Category::Data if text.trim_ascii_start().starts_with('{') => {
            (Reason::NotMapped, detail)
        }
        _ => (Reason::NotJson, detail),
    }
}

/// Appends `,"name":"value"`.
fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    string(out, value);
}

/// Appends a JSON string.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a text can be written to memory");
}
