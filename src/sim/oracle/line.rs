//! One line in Segment's envelope in, the event that it says out, or nothing if it is rejected.
//! Knows the pack's `events:` and `currency:`, and nothing of persons or of time passing.

use super::json::{self, Json};
use super::value::{Value, divide, parse_decimal};
use crate::define::ast::{Pack, PropertyType};

/// The longest line that is read, in bytes.
const LINE_BYTES_MAX: usize = 32_768;

/// Event times lie in 1990-01-01..2100-01-01.
const TIMES: std::ops::Range<i64> = 631_152_000_000..4_102_444_800_000;

/// What one line says.
#[derive(Clone, Debug)]
pub struct Event {
    /// Event time.
    pub t: i64,
    /// The name of a track call, else the call; empty for a trait that a journey sets.
    pub name: String,
    /// Read with the declared types.
    pub properties: Value,
    /// Of two with one name the later counts.
    pub traits: Vec<(String, Value)>,
    pub time_zone: Option<String>,
    /// Category and whether it is granted.
    pub consents: Vec<(String, bool)>,
    /// `page` or `screen`.
    pub is_page: bool,
    /// Of the page or screen: its path, from the properties or the context.
    pub page_path: Option<String>,
}

impl Event {
    /// An event that a journey makes.
    pub fn made(t: i64, name: &str, properties: Value) -> Event {
        Event {
            t,
            name: current_name(name).to_string(),
            properties,
            traits: Vec::new(),
            time_zone: None,
            consents: Vec::new(),
            is_page: false,
            page_path: None,
        }
    }

    /// What an expression sees as `event.PATH`.
    pub fn property(&self, path: &[&str]) -> Value {
        match path {
            ["timestamp"] => Value::Time(self.t),
            _ => self.properties.at(path).usable(),
        }
    }

    /// The trait at a dotted path, if this event says anything about it.
    pub fn trait_at(&self, path: &[&str]) -> Value {
        let Some((first, rest)) = path.split_first() else {
            return Value::Missing;
        };
        let said = self.traits.iter().rev().find(|(name, _)| name == first);
        said.map_or(Value::Missing, |(_, value)| value.at(rest))
    }

    /// The values of the property by which instances or facts are told apart: one, or those of a list.
    pub fn keys(&self, property: &str) -> std::collections::BTreeSet<String> {
        let value = self.property(&property.split('.').collect::<Vec<_>>());
        value.elements().iter().filter_map(super::value::Value::key).collect()
    }

    /// Whether it is one of these (written with the new or the old name).
    pub fn is_one_of(&self, names: &[crate::define::ast::Name]) -> bool {
        names.iter().any(|name| current_name(&name.node) == self.name)
    }
}

/// An accepted line.
#[derive(Clone, Debug)]
pub struct Line {
    pub person: String,
    pub message_id: Option<String>,
    pub event: Event,
}

/// Segment's old names of events, read as the new ones.
pub fn current_name(name: &str) -> &str {
    match name {
        "Viewed Product" => "Product Viewed",
        "Viewed Product Category" => "Product List Viewed",
        "Added Product" => "Product Added",
        "Removed Product" => "Product Removed",
        "Completed Order" => "Order Completed",
        name => name,
    }
}

/// Reads a line; none if it is rejected.
pub fn read(pack: &Pack, bytes: &[u8]) -> Option<Line> {
    if bytes.len() > LINE_BYTES_MAX {
        return None;
    }
    let json = json::parse(bytes)?;
    let identifier = |field: &str| match json.get(field)? {
        Json::Text(text) if !text.is_empty() => Some(text.clone()),
        Json::Number(text) => Some(text.clone()),
        _ => None,
    };
    let person = match identifier("userId") {
        Some(id) => format!("user:{id}"),
        None => format!("anonymous:{}", identifier("anonymousId")?),
    };
    let event = read_event(pack, &json, event_time(&json)?)?;
    let message_id = json.get("messageId").and_then(Json::text).filter(|id| !id.is_empty());
    Some(Line { person, message_id: message_id.map(str::to_string), event })
}

fn read_event(pack: &Pack, json: &Json, t: i64) -> Option<Event> {
    let call = json.get("type")?.text()?;
    let name = match call {
        "track" => current_name(json.get("event")?.text().filter(|name| !name.is_empty())?),
        "identify" | "page" | "screen" | "group" | "alias" => call,
        _ => return None,
    };
    let is_page = matches!(call, "page" | "screen");
    let body = match call {
        "identify" | "group" => json.get("traits"),
        _ => json.get("properties"),
    };
    let mut properties = match body {
        Some(Json::Object(fields)) => fields.clone(),
        _ => Vec::new(),
    };
    if is_page {
        for own in ["name", "category"] {
            let absent = body.and_then(|body| body.get(own)).is_none_or(|json| *json == Json::Null);
            if let (true, Some(value)) = (absent, json.get(own)) {
                properties.push((own.to_string(), value.clone()));
            }
        }
    }
    let properties = Json::Object(properties);
    let path = [properties.get("path"), json.at(&["context", "page", "path"])];
    let path = path.into_iter().flatten().find_map(Json::text);
    Some(Event {
        t,
        name: name.to_string(),
        traits: read_traits(call, json),
        time_zone: json.at(&["context", "timezone"]).and_then(Json::text).map(str::to_string),
        consents: read_consents(json),
        is_page,
        page_path: path.filter(|_| is_page).map(str::to_string),
        properties: Declared { pack, name, event: &properties }.read(&properties, "")?,
    })
}

/// The traits in `context` first, so that those of an identify call win.
fn read_traits(call: &str, json: &Json) -> Vec<(String, Value)> {
    let own = if call == "identify" { json.get("traits") } else { None };
    let mut traits = Vec::new();
    for source in [json.at(&["context", "traits"]), own].into_iter().flatten() {
        if let Value::Object(fields) = source.value() {
            traits.extend(fields);
        }
    }
    traits
}

fn read_consents(json: &Json) -> Vec<(String, bool)> {
    match json.at(&["context", "consent", "categoryPreferences"]) {
        Some(Json::Object(fields)) => {
            let granted = |(name, json): &(String, Json)| match json {
                Json::Bool(granted) => Some((name.clone(), *granted)),
                _ => None,
            };
            fields.iter().filter_map(granted).collect()
        }
        _ => Vec::new(),
    }
}

/// RFC 3339 text or whole milliseconds.
fn time(json: &Json) -> Option<i64> {
    match json {
        Json::Text(text) => {
            let time: jiff::Timestamp = text.parse().ok()?;
            i64::try_from(time.as_nanosecond().div_euclid(1_000_000)).ok()
        }
        Json::Number(text) => text.parse().ok(),
        _ => None,
    }
}

/// The first of an event's times that is there, never later than its arrival; none if that one cannot be read.
fn event_time(json: &Json) -> Option<i64> {
    let said = ["timestamp", "originalTimestamp", "receivedAt"];
    let said = said.iter().filter_map(|name| json.get(name)).find(|json| **json != Json::Null);
    let said = time(said?)?;
    let received = json.get("receivedAt").and_then(time).unwrap_or(said);
    Some(said.min(received)).filter(|time| TIMES.contains(time))
}

/// Reads properties with the types that `events:` declares for an event.
struct Declared<'a> {
    pack: &'a Pack,
    name: &'a str,
    event: &'a Json,
}

impl Declared<'_> {
    fn type_of(&self, path: &str) -> Option<PropertyType> {
        let events = self.pack.events.iter();
        let mut declared = events.filter(|event| current_name(&event.name.node) == self.name);
        declared.find_map(|event| {
            let property = event.properties.iter().find(|(name, _)| name.node == path);
            let of_type = property.map(|(_, of_type)| of_type.node);
            // Where amounts are declared, so is the currency that they are in.
            let mut types = event.properties.iter().map(|(_, of_type)| of_type.node);
            let is_currency =
                path == "currency" && types.any(|of_type| of_type == PropertyType::Money);
            of_type.or(is_currency.then_some(PropertyType::String))
        })
    }

    /// None rejects the event.
    fn read(&self, json: &Json, path: &str) -> Option<Value> {
        if let Some(of_type) = self.type_of(path) {
            return self.typed(json, of_type);
        }
        match json {
            Json::Object(fields) => {
                let read_field = |(name, json): &(String, Json)| {
                    let dot = if path.is_empty() { "" } else { "." };
                    Some((name.clone(), self.read(json, &format!("{path}{dot}{name}"))?))
                };
                fields.iter().map(read_field).collect::<Option<_>>().map(Value::Object)
            }
            Json::List(elements) => {
                let elements = elements.iter().map(|element| self.read_element(element, path));
                elements.collect::<Option<_>>().map(Value::List)
            }
            json => Some(json.value()),
        }
    }

    fn read_element(&self, json: &Json, path: &str) -> Option<Value> {
        match json {
            Json::Object(_) => self.read(json, path),
            json => Some(json.value()),
        }
    }

    fn typed(&self, json: &Json, of_type: PropertyType) -> Option<Value> {
        match (of_type, json) {
            (_, Json::Null) => Some(Value::Missing),
            (PropertyType::String, Json::Text(text)) => Some(Value::Text(text.clone())),
            (PropertyType::Boolean, Json::Bool(value)) => Some(Value::Bool(*value)),
            (PropertyType::Number, Json::Number(text)) => parse_decimal(text).map(Value::Number),
            (PropertyType::Time, json) => time(json).map(Value::Time),
            (PropertyType::Date, Json::Text(text)) => date(text).map(Value::Date),
            (PropertyType::Money, Json::Number(text)) => self.money(parse_decimal(text)?),
            _ => None,
        }
    }

    /// An amount in the currency that the event names, in the base currency.
    fn money(&self, amount: i64) -> Option<Value> {
        let Some(currency) = &self.pack.currency else {
            return Some(Value::Number(amount));
        };
        let code = match self.event.get("currency") {
            None | Some(Json::Null) => currency.default.as_ref()?.node.as_str(),
            Some(json) => json.text()?,
        };
        if code == currency.base.node {
            return Some(Value::Number(amount));
        }
        let rate = currency.rates.iter().find(|(name, _)| name.node == code)?.1.node;
        let converted = divide(i128::from(amount) * i128::from(rate), 1_000_000);
        i64::try_from(converted).ok().map(Value::Number)
    }
}

/// `YYYY-MM-DD` and nothing else.
fn date(text: &str) -> Option<jiff::civil::Date> {
    let shape = text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| match i {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    if shape { text.parse().ok() } else { None }
}

/// A trait's value read with the type that its fact declares; none if it has another.
pub fn typed_trait(value: &Value, of_type: Option<PropertyType>) -> Option<Value> {
    match (of_type, value) {
        (_, Value::Missing | Value::Object(_)) => None,
        (None, value) => Some(value.clone().usable()),
        (Some(PropertyType::String), Value::Text(_))
        | (Some(PropertyType::Boolean), Value::Bool(_))
        | (Some(PropertyType::Number | PropertyType::Money), Value::Number(_))
        | (Some(PropertyType::Time), Value::Time(_))
        | (Some(PropertyType::Date), Value::Date(_)) => Some(value.clone()),
        (Some(PropertyType::Time), Value::Text(text)) => {
            time(&Json::Text(text.clone())).map(Value::Time)
        }
        (Some(PropertyType::Time), Value::Number(n)) if n % super::value::ONE == 0 => {
            Some(Value::Time(n / super::value::ONE))
        }
        (Some(PropertyType::Date), Value::Text(text)) => date(text).map(Value::Date),
        _ => None,
    }
}
