//! One pass over a line: the envelope's members, and the values that the plan wants of an event of its kind.
//!
//! The members stand in any order. What an event of this kind wants of `properties` is read on the way if `type` and
//! `event` have come before it; if not, the part is passed over and read once they are known.

use super::cursor::{Cursor, Fault};
use super::envelope::Envelope;
use super::quotes;
use super::values::Found;
use super::{Decoder, Refused};
use crate::event::{Call, Kind, Value};
use std::cell::Cell;

thread_local! {
    /// Memory for what is found, before it is known how much that is: of the event's own, and around it.
    static SCRATCH: Cell<[Found; 2]> = const { Cell::new([Found::NOTHING; 2]) };

    /// Memory for where the quotes of a line are.
    static QUOTES: Cell<Vec<u64>> = const { Cell::new(Vec::new()) };
}

/// What is known of a line while it is read.
pub(super) struct Reading<'d, 'a> {
    decoder: &'d Decoder,
    pub(super) envelope: Envelope<'a>,
    /// Call and kind, if `type` and `event` as they stand now make one and somebody has asked.
    sort: Option<(Call, Kind)>,
    own: Found,
    /// As which call and kind `own` was read, once it was and as long as that may stand.
    own_as: Option<(Call, Kind)>,
    around: Found,
}

impl<'d, 'a> Reading<'d, 'a> {
    pub(super) fn new(decoder: &'d Decoder) -> Reading<'d, 'a> {
        let [own, around] = SCRATCH.take();
        Reading { decoder, envelope: Envelope::default(), sort: None, own, own_as: None, around }
    }

    /// Reads the whole line.
    ///
    /// # Errors
    /// It is no JSON object, or nested too deep.
    pub(super) fn line(&mut self, text: &'a str) -> Result<(), Fault> {
        let mut room = QUOTES.take();
        let mut cursor = Cursor::new(text, quotes::find(text.as_bytes(), &mut room));
        let is_object = cursor.peek() == b'{';
        if is_object {
            let mut space = String::new();
            cursor.open();
            while let Some(key) = cursor.key(&mut space) {
                self.member(key, &mut cursor);
            }
        } else {
            cursor.pass();
        }
        let end = cursor.end();
        QUOTES.set(room);
        end?;
        if is_object { Ok(()) } else { Err(Fault::NotAnObject) }
    }

    fn member(&mut self, key: &[u8], cursor: &mut Cursor<'a, '_>) {
        let envelope = &mut self.envelope;
        match key {
            b"type" => {
                envelope.call = cursor.scalar();
                self.sort = None;
            }
            b"event" => {
                envelope.event = cursor.scalar();
                self.sort = None;
            }
            b"userId" => envelope.user_id = cursor.scalar(),
            b"previousId" => envelope.previous_id = cursor.scalar(),
            b"anonymousId" => envelope.anonymous_id = cursor.scalar(),
            b"messageId" => envelope.message_id = cursor.scalar(),
            b"timestamp" => envelope.timestamp = cursor.scalar(),
            b"originalTimestamp" => envelope.original_timestamp = cursor.scalar(),
            b"receivedAt" => envelope.received_at = cursor.scalar(),
            b"name" => envelope.name = Some(cursor.skip()),
            b"category" => envelope.category = Some(cursor.skip()),
            b"groupId" => envelope.group_id = Some(cursor.skip()),
            b"properties" => self.envelope.properties = Some(self.body(false, cursor)),
            b"traits" => self.envelope.traits = Some(self.body(true, cursor)),
            b"context" => {
                self.around.clear();
                self.around.read(cursor, &self.decoder.wanted.of_context);
            }
            _ => cursor.pass(),
        }
    }

    /// The call and its kind, as far as they are known.
    pub(super) fn sort(&mut self) -> Option<(Call, Kind)> {
        if self.sort.is_none() {
            let named = self.envelope.call();
            self.sort = named.map(|(call, name)| (call, self.decoder.kind(call, &name)));
        }
        self.sort
    }

    /// Reads `properties` or `traits` at once if the call is known and has its own there, and gives the JSON text.
    fn body(&mut self, is_traits: bool, cursor: &mut Cursor<'a, '_>) -> &'a str {
        let has_traits = |call| matches!(call, Call::Identify | Call::Group);
        match self.sort() {
            Some((call, kind)) if has_traits(call) == is_traits && call != Call::Alias => {
                self.own.clear();
                self.own_as = Some((call, kind));
                let node = self.decoder.wanted.own(call, kind);
                cursor.taken(|cursor| self.own.read(cursor, node))
            }
            _ => {
                self.own_as = None;
                cursor.skip()
            }
        }
    }

    /// All values of the event, given what it turned out to be.
    pub(super) fn values(mut self, call: Call, kind: Kind) -> Result<Vec<(u16, Value)>, Refused> {
        let decoder = self.decoder;
        let node = decoder.wanted.own(call, kind);
        if self.own_as != Some((call, kind)) {
            self.own.clear();
            // A cursor has passed over the text, so that it has no faults any more.
            if let Some(body) = self.envelope.body(call) {
                self.own.read(&mut Cursor::new(body, &[]), node);
            }
        }
        let members = match call {
            Call::Page | Call::Screen => {
                [("name", self.envelope.name), ("category", self.envelope.category)]
            }
            Call::Group => [("groupId", self.envelope.group_id), ("", None)],
            _ => [("", None); 2],
        };
        for (name, text) in members {
            if let Some(text) = text
                && let Some((_, child)) = node.child(name.as_bytes())
                && !self.own.has_any(&child.below)
            {
                self.own.value(&mut Cursor::new(text, &[]), child, false);
            }
        }
        decoder.money.convert(kind, &mut self.own);
        let problems = self.own.problems.drain(..).chain(self.around.problems.drain(..));
        if let Some(problem) = problems.min_by_key(|problem| problem.reason) {
            let name = decoder.paths[usize::from(problem.slot)].path.join(".");
            return Err((problem.reason, format!("`{name}` {}", problem.detail)));
        }
        let found = &mut self.own.values;
        for (slot, value) in self.around.values.drain(..) {
            // The call's own traits win over those of the context.
            let wanted = decoder.wanted.of_context_by(kind, slot);
            if wanted && found.iter().all(|(known, _)| *known != slot) {
                found.push((slot, value));
            }
        }
        // In memory of its own length; what it was gathered in is for the next line.
        let mut values = Vec::with_capacity(found.len());
        values.append(found);
        SCRATCH.set([self.own, self.around]);
        Ok(values)
    }
}
