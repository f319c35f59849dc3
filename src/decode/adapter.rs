//! Records of a topic in, events out, in whichever of three forms the messages come.
//!
//! ```text
//!  record ─┬─ segment ─────── as it is ──┐
//!          ├─ cloudevents ── cloud_events┼─► Decoder ─► event, or reject with the record's own bytes
//!          └─ mapping ────── mapping ────┘
//! ```
//!
//! What is not in Segment's envelope is written as one into a buffer that is used again. Knows nothing of topics and
//! brokers beyond one record, and never panics on any bytes.

use super::mapping::Mapping;
use super::{Decoder, Refused, cloud_events, reject};
use crate::broker::Record;
use crate::event::{Event, Origin, Reject};
use std::sync::Arc;

/// In which form the messages of a topic come.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Format {
    /// Segment's envelope.
    #[default]
    Segment,
    /// CloudEvents 1.0, structured or binary, message by message.
    CloudEvents,
    /// Any JSON, by expressions that say where everything stands.
    Mapping(Arc<Mapping>),
}

impl Format {
    /// Whether records have to be read with their headers.
    pub fn wants_headers(&self) -> bool {
        match self {
            Format::Segment => false,
            Format::CloudEvents => true,
            Format::Mapping(mapping) => mapping.reads_headers(),
        }
    }
}

/// Why a record gives no event.
#[derive(Clone, Debug, PartialEq)]
pub enum NoEvent {
    /// It has no payload: something was deleted, nothing happened.
    Tombstone,
    /// The mapping's `when` passes it over.
    PassedOver,
    /// The pack ignores who did it.
    Ignored,
    /// It could not be taken in; `raw` holds the payload as it came.
    Rejected(Reject),
}

/// What a message is as a line.
pub(super) enum Line<'a> {
    /// Part of the payload, or all of it.
    Here(&'a [u8]),
    /// Written into the buffer.
    Written,
    /// Nobody wants it.
    PassedOver,
}

/// Turns the records of one topic into events, one after the other.
#[derive(Clone, Debug)]
pub struct Adapter {
    format: Format,
    buffer: Vec<u8>,
}

impl Adapter {
    /// An adapter for records of this format.
    pub fn new(format: Format) -> Adapter {
        Adapter { format, buffer: Vec::new() }
    }

    /// The event of a record. Its time is never later than the record's.
    ///
    /// # Errors
    /// Why there is none.
    pub fn event(
        &mut self,
        decoder: &Decoder,
        record: &Record<'_>,
        origin: Origin,
    ) -> Result<Event, NoEvent> {
        let payload = record.payload.ok_or(NoEvent::Tombstone)?;
        let refused = |why| NoEvent::Rejected(reject(payload, origin, why));
        if self.format == Format::Segment {
            let event = decoder.decode_arrived(payload, origin, record.timestamp);
            return event.map_err(NoEvent::Rejected).and_then(|event| counting(decoder, event));
        }
        decoder.bounded(payload).map_err(refused)?;
        self.buffer.clear();
        let line = match self.line(payload, record).map_err(refused)? {
            Line::Here(line) => line,
            Line::Written => &self.buffer,
            Line::PassedOver => return Err(NoEvent::PassedOver),
        };
        let event = decoder.decode_arrived(line, origin, record.timestamp);
        let event = event.map_err(|wrong| refused((wrong.reason, wrong.detail)))?;
        counting(decoder, event)
    }

    fn line<'a>(&mut self, payload: &'a [u8], record: &Record<'_>) -> Result<Line<'a>, Refused> {
        match &self.format {
            Format::Segment => Ok(Line::Here(payload)),
            Format::CloudEvents => cloud_events::line(payload, record, &mut self.buffer),
            Format::Mapping(mapping) => mapping.line(payload, record, &mut self.buffer),
        }
    }
}

/// The event, unless the pack ignores it.
fn counting(decoder: &Decoder, event: Event) -> Result<Event, NoEvent> {
    if decoder.ignores(&event) { Err(NoEvent::Ignored) } else { Ok(event) }
}

#[cfg(test)]
mod tests;
