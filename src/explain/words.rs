//! What is told, in words: values, conditions, gates. Clock times are those of a zone.

use crate::time;
use crate::time::zone::Zone;
use serde_json::Value;

/// A value as people read it: instants in local time, nothing as `missing`.
pub fn shown(value: &Value, zone: &Zone) -> String {
    match value {
        Value::Null => "missing".into(),
        Value::String(text) => match time::parse(text) {
            Some(at) => zone.text(at),
            None => text.clone(),
        },
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| shown(item, zone)).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// The value of a fact or property: as [`shown`], but a date is a day and has no clock time.
pub fn shown_value(value: &Value, zone: &Zone) -> String {
    let day = value.as_str().and_then(|text| text.strip_suffix("T00:00:00.000Z"));
    day.map_or_else(|| shown(value, zone), str::to_owned)
}

/// The first part of a condition that does not hold, and what its values are.
pub fn not_so(condition: &Value, zone: &Zone) -> String {
    let parts = condition["parts"].as_array().map_or(&[][..], Vec::as_slice);
    let part = parts.iter().find(|part| part["holds"] == false);
    part.map_or("the condition does not hold".into(), |part| part_text(part, zone))
}

/// A part of a condition, whether it holds, and the values of what it reads.
pub fn part_text(part: &Value, zone: &Zone) -> String {
    let text = part["text"].as_str().unwrap_or_default();
    let word = if part["holds"] == true { "holds" } else { "does not hold" };
    let values = part["values"].as_object().into_iter().flatten();
    let values: Vec<String> =
        values.map(|(name, value)| format!("{name} is {}", shown_value(value, zone))).collect();
    match values.is_empty() {
        true => format!("`{text}` {word}"),
        false => format!("`{text}` {word}: {}", values.join(", ")),
    }
}

/// The outcome of a message, such as `email cart-reminder: drop, consent`.
pub fn decision(change: &Value, zone: &Zone) -> String {
    let word = |name: &str| change[name].as_str().unwrap_or_default();
    let mut text = format!("{} {}: {}", word("channel"), word("template"), word("decision"));
    if change["reason"].is_string() {
        text += &format!(", {}", word("reason"));
    }
    if change["until"].is_string() {
        text += &format!(", until {}", shown(&change["until"], zone));
    }
    text
}

/// The gate that has held a message, with what it saw.
pub fn held(change: &Value) -> Option<String> {
    let gates = change["gates"].as_array()?;
    let gate = gates.iter().find(|gate| gate["verdict"] == "holds")?;
    Some(format!("{}: {}", gate_name(gate), gate["says"].as_str().unwrap_or_default()))
}

/// A gate and its rule, such as `cap sms 1 per day`.
pub fn gate_name(gate: &Value) -> String {
    let name = gate["gate"].as_str().unwrap_or_default();
    match gate["rule"].as_str() {
        Some(rule) => format!("{name} {rule}"),
        None => name.to_owned(),
    }
}

/// An event, or that time had come.
pub fn by(by: &Value) -> String {
    let text = |name: &str| by[name].as_str();
    match (text("event"), text("entered"), text("left")) {
        (Some(event), ..) => format!("{event}{}", place(&by["at"])),
        (_, Some(segment), _) => format!("entering the segment {segment}"),
        (_, _, Some(segment)) => format!("leaving the segment {segment}"),
        _ => "time alone".into(),
    }
}

/// Where an input stands, such as ` (events.jsonl:12)`; nothing if it stands nowhere.
pub fn place(at: &Value) -> String {
    if let Some(source) = at["source"].as_str() {
        let name = source.rsplit('/').next().unwrap_or(source);
        return format!(" ({name}:{})", at["position"]);
    }
    match at["topic"].as_str() {
        Some(topic) => format!(" ({topic}[{}] at {})", at["partition"], at["offset"]),
        None => String::new(),
    }
}
