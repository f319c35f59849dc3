//! One leaf of a person who has several: what it would be alone, asleep until something happens to it.
//!
//! Most of what happens to a person of several leaves happens to one of them, or to none: a timer, news of a product. The
//! others stay the bytes that they were when the person was packed, and are copied as such when it is packed again.

use super::Person;
use super::policy::Sent;
use super::table::{packed_id, unpack, with_packed};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// One leaf of a person who has several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leaf {
    alone: Alone,
    /// What was really sent to it before it was linked, oldest first.
    pub(super) sent: Vec<Sent>,
}

/// What a leaf would be alone.
#[derive(Clone, Debug)]
enum Alone {
    Awake(Box<Person>),
    Asleep(Box<[u8]>),
}

impl Leaf {
    pub(super) fn new(alone: Person, sent: Vec<Sent>) -> Leaf {
        Leaf { alone: Alone::Awake(Box::new(alone)), sent }
    }

    pub(super) fn id(&self) -> &str {
        match &self.alone {
            Alone::Awake(person) => &person.id,
            Alone::Asleep(bytes) => packed_id(bytes),
        }
    }

    /// What it would be alone, unless it is asleep.
    pub(super) fn awake(&self) -> Option<&Person> {
        if let Alone::Awake(person) = &self.alone { Some(person) } else { None }
    }

    /// What it would be alone.
    pub(super) fn alone(&self) -> Cow<'_, Person> {
        self.alone.person()
    }

    /// The same, for something to happen to it.
    pub(super) fn wake(&mut self) -> &mut Person {
        if let Alone::Asleep(bytes) = &self.alone {
            self.alone = Alone::Awake(Box::new(unpack(bytes)));
        }
        match &mut self.alone {
            Alone::Awake(person) => person,
            Alone::Asleep(_) => unreachable!("it was woken a moment ago"),
        }
    }

    pub(super) fn forget_ids(&mut self, now: i64, horizon: i64) {
        self.wake().message_ids.forget(now, horizon);
    }
}

impl Alone {
    fn person(&self) -> Cow<'_, Person> {
        match self {
            Alone::Awake(person) => Cow::Borrowed(person),
            Alone::Asleep(bytes) => Cow::Owned(unpack(bytes)),
        }
    }
}

impl PartialEq for Alone {
    fn eq(&self, other: &Alone) -> bool {
        self.person() == other.person()
    }
}

impl Serialize for Alone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Alone::Awake(person) => with_packed(person, |bytes| serializer.serialize_bytes(bytes)),
            Alone::Asleep(bytes) => serializer.serialize_bytes(bytes),
        }
    }
}

impl<'de> Deserialize<'de> for Alone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Alone, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Alone;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("the bytes of a packed person")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Alone, E> {
                Ok(Alone::Asleep(bytes.into()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
