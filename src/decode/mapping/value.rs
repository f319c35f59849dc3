//! JSON as CEL sees it, and back.
//!
//! Whole numbers are exact; others are CEL's doubles, which keep fifteen digits. Lists and objects are built once.

use super::cloud_events;
use cel::Value;
use cel::objects::{Key, Map, OptionalValue};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::sync::Arc;

/// Reads JSON.
pub(super) fn parse(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str::<Json>(text).map(|json| json.0)
}

/// A map with names as keys; of equal ones the last counts.
pub(super) fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let entries = entries.into_iter().map(|(name, value)| (Key::from(name), value));
    Value::Map(Map { map: Arc::new(entries.collect()) })
}

/// A value that is there: neither null nor an empty optional.
pub(super) fn present(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Opaque(ref inside) => match inside.downcast_ref::<OptionalValue>() {
            Some(optional) => optional.value().cloned().and_then(present),
            None => Some(value),
        },
        value => Some(value),
    }
}

/// Appends a value as JSON, members in the order of their names. What stays undone names what JSON does not have.
pub(super) fn write(out: &mut Vec<u8>, value: &Value) -> Result<(), &'static str> {
    const MEMORY: &str = "a number can be written to memory";
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Int(number) => serde_json::to_writer(out, number).expect(MEMORY),
        Value::UInt(number) => serde_json::to_writer(out, number).expect(MEMORY),
        Value::Float(number) if !number.is_finite() => return Err("a number without end"),
        Value::Float(number) => serde_json::to_writer(out, number).expect(MEMORY),
        Value::String(text) => cloud_events::string(out, text),
        Value::List(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(out, item)?;
            }
            out.push(b']');
        }
        Value::Map(map) => write_map(out, map)?,
        Value::Opaque(_) => match present(value.clone()) {
            Some(Value::Opaque(_)) => return Err("something"),
            Some(value) => write(out, &value)?,
            None => out.extend_from_slice(b"null"),
        },
        Value::Bytes(_) => return Err("bytes"),
        Value::Function(..) => return Err("a function"),
        Value::Struct(_) => return Err("a structure"),
    }
    Ok(())
}

fn write_map(out: &mut Vec<u8>, map: &Map) -> Result<(), &'static str> {
    // Sorted: the order of a hash map must not reach what is read from this.
    let mut members: Vec<(&Key, &Value)> = map.map.iter().collect();
    members.sort_by_key(|(key, _)| *key);
    out.push(b'{');
    for (at, (key, value)) in members.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match key {
            Key::String(name) => cloud_events::string(out, name),
            other => cloud_events::string(out, &other.to_string()),
        }
        out.push(b':');
        write(out, value)?;
    }
    out.push(b'}');
    Ok(())
}

/// A value as it is read.
struct Json(Value);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(Reader).map(Json)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        // Nobody means CEL's unsigned numbers, which do not add to others.
        Ok(i64::try_from(number).map_or(Value::UInt(number), Value::Int))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Json(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(Arc::new(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((name, Json(value))) = members.next_entry::<String, Json>()? {
            entries.push((Key::from(name), value));
        }
        Ok(Value::Map(Map { map: Arc::new(entries.into_iter().collect()) }))
    }
}
