//! What is told of a person, for a terminal of 80 columns.

use super::super::output::{bad, bold, dim, good, warn};
use crate::explain::words;
use crate::time::parse;
use crate::time::zone::Zone;
use serde_json::Value;

const WIDTH: usize = 80;

/// Where changes begin, under the clock time of their event.
const INDENT: usize = 11;

/// All of it.
pub(super) fn told(said: &Value) -> String {
    let zone = said["time_zone"].as_str().and_then(Zone::named).unwrap_or(Zone::UTC);
    let page = Page { zone, person: word(said, "person").to_owned(), out: String::new() };
    page.whole(said)
}

struct Page {
    zone: Zone,
    /// By which identifier the person is known at the end.
    person: String,
    out: String,
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

impl Page {
    fn whole(mut self, said: &Value) -> String {
        self.head(said);
        if said["answer"].is_object() {
            self.answer(&said["answer"]);
        }
        let timeline = list(&said["timeline"]);
        match said["answer"]["journey"].as_str() {
            // All else is beside the question.
            Some(journey) => {
                let about = |change: &Value| change["journey"] == journey;
                let entries = timeline.iter().filter(|it| list(&it["changes"]).iter().any(about));
                self.timeline(&entries.cloned().collect::<Vec<_>>());
            }
            None => self.timeline(timeline),
        }
        self.state(said);
        self.out
    }

    /// A paragraph whose lines after the first stand further in.
    fn say(&mut self, indent: usize, text: &str) {
        for (at, line) in wrapped(text, WIDTH - indent, 2).iter().enumerate() {
            let more = if at == 0 { 0 } else { 2 };
            self.out += &format!("{:width$}{line}\n", "", width = indent + more);
        }
    }

    fn head(&mut self, said: &Value) {
        let zone = self.zone.name();
        self.out += &format!("{}  {}\n", bold(word(said, "person")), dim(zone));
        let others = list(&said["identifiers"]).iter().filter_map(Value::as_str);
        let others: Vec<&str> = others.filter(|id| *id != word(said, "person")).collect();
        if !others.is_empty() {
            self.say(0, &format!("also {}", others.join(", ")));
        }
        let (from, to) = (&said["input"]["from"], &said["input"]["to"]);
        let (from, to) = (words::shown(from, &self.zone), words::shown(to, &self.zone));
        let as_of = words::shown(&said["as_of"], &self.zone);
        self.say(0, &format!("as of {as_of}; the input goes from {from} to {to}"));
        if said["input"]["lacks_before"].is_string() {
            let begin = words::shown(&said["input"]["lacks_before"], &self.zone);
            let text = format!(
                "the topics have not kept all input from before {begin}: what was known by it is left out, and \
                 what was decided by that may have been decided otherwise"
            );
            self.say(0, &text);
        }
        let beyond = word(said, "as_of") > word(&said["input"], "to");
        if beyond {
            self.say(0, "what is after the input is what comes if nothing more happens");
        }
    }

    fn answer(&mut self, answer: &Value) {
        let journey = word(answer, "journey");
        let question = match word(answer, "reason") {
            "sent" | "open" => journey.to_owned(),
            _ => format!("Why not {journey}?"),
        };
        self.out += &format!("\n{}\n", bold(question));
        let key = answer["key"].as_str().map_or(String::new(), |key| format!("{key}: "));
        self.say(2, &format!("{key}{}", word(answer, "says")));
        for detail in list(&answer["details"]).iter().filter_map(Value::as_str) {
            self.say(2, &format!("- {detail}"));
        }
        let earlier = list(&answer["occasions"]);
        let earlier = &earlier[..earlier.len().saturating_sub(1)];
        if !earlier.is_empty() {
            self.out += &format!("\n  {}\n", bold("Earlier occasions"));
        }
        for one in earlier {
            let key = one["key"].as_str().map_or(String::new(), |key| format!("{key}: "));
            let when = words::shown(&one["time"], &self.zone);
            self.say(2, &format!("- {when} {key}{}", word(one, "says")));
        }
    }

    fn timeline(&mut self, entries: &[Value]) {
        let mut day = String::new();
        for entry in entries {
            let local = words::shown(&entry["time"], &self.zone);
            let (date, clock) = local.split_once(' ').unwrap_or((&local, ""));
            if date != day {
                date.clone_into(&mut day);
                let at = parse(word(entry, "time")).unwrap_or(0);
                let weekday = WEEKDAYS[(self.zone.weekday(at) - 1).rem_euclid(7) as usize];
                self.out += &format!("\n{}\n", bold(format!("{weekday} {date}")));
            }
            let width = INDENT - 2;
            self.out += &format!("  {clock:<width$}");
            self.by(&entry["by"], word(entry, "person"));
            let changes = list(&entry["changes"]);
            changes.iter().for_each(|change| self.change(change, &day));
        }
    }

    /// An event, where it stands and what is odd about it, behind its clock time; what does not fit goes below.
    fn by(&mut self, by: &Value, person: &str) {
        let event = word(by, "event");
        let (place, id) = (words::place(&by["at"]), word(by, "message_id"));
        let mut pieces = vec![match event {
            "" => ("time passes".len(), dim("time passes").to_string()),
            _ => (event.chars().count(), bold(event).to_string()),
        }];
        let dimmed = [place.trim(), id].into_iter().filter(|text| !text.is_empty());
        pieces.extend(dimmed.map(|text| (text.chars().count(), dim(text).to_string())));
        let mut odd = Vec::new();
        // Before somebody turned out to be this person, what goes out bore the identifier of then.
        if person != self.person {
            odd.push(format!("as {person}"));
        }
        if by["repeats"] == true {
            odd.push("repeats an event, and does not count".to_owned());
        }
        if by["late"].is_string() {
            odd.push(format!("late, of {}", words::shown(&by["late"], &self.zone)));
        }
        pieces.extend(odd.iter().map(|text| (text.chars().count(), warn(text).to_string())));
        let mut room = WIDTH - INDENT;
        for (at, (length, text)) in pieces.into_iter().enumerate() {
            if at > 0 && length < room {
                self.out.push(' ');
                room -= 1;
            } else if at > 0 {
                self.out += &format!("\n{:INDENT$}", "");
                room = WIDTH - INDENT;
            }
            self.out += &text;
            room = room.saturating_sub(length);
        }
        self.out.push('\n');
    }

    /// An instant, without its date if that is the day of the entry.
    fn clock(&self, time: &Value, day: &str) -> String {
        let text = words::shown(time, &self.zone);
        text.strip_prefix(day).map(|clock| clock.trim().to_owned()).unwrap_or(text)
    }

    fn change(&mut self, change: &Value, day: &str) {
        let key = change["key"].as_str().map_or(String::new(), |key| format!(" {key}"));
        let journey = format!("{}{key}", word(change, "journey"));
        let step = word(change, "step");
        let text = match word(change, "what") {
            "fact" => {
                let [before, after] =
                    ["before", "after"].map(|it| words::shown_value(&change[it], &self.zone));
                format!("{}{key}: {before} → {after}", word(change, "fact"))
            }
            "segment" | "segment.entered" | "segment.left" => {
                format!("segment {} {}", word(change, "segment"), word(change, "change"))
            }
            "session.closed" => match change["events"].as_u64() {
                Some(1) => "session closed: 1 event".into(),
                _ => format!("session closed: {} events", change["events"]),
            },
            "gone" => "nothing is known any more of this identifier".into(),
            "joined" => {
                format!("{} is one person with them from here on", word(change, "identifier"))
            }
            "parted" => format!("{} is somebody else from here on", word(change, "identifier")),
            "not entered" => {
                format!("{journey}: not entered, {}", self.because(&change["because"]))
            }
            "asked" => return self.asked(&journey, change),
            "waits" => format!(
                "{journey}: step {step} ({}) until {}",
                word(change, "kind"),
                self.clock(&change["until"], day)
            ),
            // That it waits is told by itself.
            "journey.reached" => return,
            "journey.assigned" => format!("{journey}: step {step}, arm {}", word(change, "arm")),
            "journey.exited" | "journey.goal" => {
                // Who has come to the end is at no step any more.
                let step = if step.is_empty() { "the end".into() } else { format!("step {step}") };
                format!("{journey}: exited at {step}, {}", word(change, "reason"))
            }
            "decision" => return self.decision(&journey, change),
            other => {
                let more = ["segment", "event", "trait", "from"].map(|name| word(change, name));
                let more = more.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>();
                let what = other.strip_prefix("journey.").unwrap_or(other);
                format!("{journey}: {what} {}", more.join(" ")).trim_end().to_owned()
            }
        };
        self.say(INDENT, &text);
    }

    fn because(&self, because: &Value) -> String {
        match word(because, "reason") {
            "open" => "it is open already".into(),
            "once" => "it is entered once only".into(),
            "too soon" => {
                format!("not again before {}", words::shown(&because["again_from"], &self.zone))
            }
            "no key" => format!("the event has no {}", word(because, "property")),
            "condition" => words::not_so(&because["condition"], &self.zone),
            _ => "as many are open as may be".into(),
        }
    }

    fn asked(&mut self, journey: &str, change: &Value) {
        let place = match change["exit"].as_u64() {
            Some(exit) => format!("exit {exit}"),
            None => format!("step {}", word(change, "step")),
        };
        for part in list(&change["condition"]["parts"]) {
            let text = words::part_text(part, &self.zone);
            self.say(INDENT, &format!("{journey}: {place}, {text}"));
        }
    }

    fn decision(&mut self, journey: &str, change: &Value) {
        self.say(INDENT, &format!("{journey}: {}", words::decision(change, &self.zone)));
        let mut skipped = Vec::new();
        for gate in list(&change["gates"]) {
            let name = words::gate_name(gate);
            let mut says = word(gate, "says").to_owned();
            if gate["since"].is_string() {
                says += &format!(" since {}", words::shown(&gate["since"], &self.zone));
            }
            if gate["by"].is_object() {
                says += &format!(" by {}", words::by(&gate["by"]));
            }
            match word(gate, "verdict") {
                "not asked" => skipped.push(name),
                "holds" => self.gate(&bad("HOLDS ").to_string(), &format!("{name}: {says}")),
                _ => self.gate(&good("passes").to_string(), &format!("{name}: {says}")),
            }
        }
        if !skipped.is_empty() {
            self.say(INDENT + 2, &format!("not asked: {}", skipped.join(", ")));
        }
    }

    /// A line with a word in colour before it.
    fn gate(&mut self, verdict: &str, text: &str) {
        let indent = INDENT + 2;
        for (at, line) in wrapped(text, WIDTH - indent - 8, 0).iter().enumerate() {
            let before = if at == 0 { verdict } else { "      " };
            self.out += &format!("{:indent$}{before}  {line}\n", "");
        }
    }

    fn state(&mut self, said: &Value) {
        let state = &said["state"];
        let as_of = words::shown(&said["as_of"], &self.zone);
        self.out += &format!("\n{}\n", bold(format!("As of {as_of}")));
        if state.is_null() {
            return self.say(2, "nothing is known of them any more");
        }
        let segments = list(&state["segments"]).iter().filter_map(Value::as_str);
        let segments: Vec<&str> = segments.collect();
        let segments = if segments.is_empty() { "none".into() } else { segments.join(", ") };
        self.say(2, &format!("segments  {segments}"));
        for open in list(&state["instances"]) {
            let key = open["key"].as_str().map_or(String::new(), |key| format!(" {key}"));
            let until = match open["until"].is_string() {
                true => format!(" until {}", words::shown(&open["until"], &self.zone)),
                false => String::new(),
            };
            let (journey, step, doing) =
                (word(open, "journey"), word(open, "step"), word(open, "doing"));
            self.say(2, &format!("open      {journey}{key} at step {step}, {doing}{until}"));
        }
        for ahead in list(&state["entries_ahead"]) {
            let at = words::shown(&ahead["at"], &self.zone);
            self.say(2, &format!("ahead     enters {} at {at}", word(ahead, "journey")));
        }
        for send in list(&state["sends"]) {
            let at = words::shown(&send["time"], &self.zone);
            let caps: Vec<&str> = list(&send["caps"]).iter().filter_map(Value::as_str).collect();
            let [channel, template, journey] =
                ["channel", "template", "journey"].map(|name| word(send, name));
            // It may be remembered for a gap alone.
            let caps = match caps.is_empty() {
                true => String::new(),
                false => format!(", in cap {}", caps.join(", ")),
            };
            self.say(2, &format!("sent      {at} {channel} {template} ({journey}){caps}"));
        }
        for (name, value) in state["facts"].as_object().into_iter().flatten() {
            let name = name.replacen(':', " ", 1);
            self.say(2, &format!("fact      {name} = {}", self.fact(value)));
        }
    }

    fn fact(&self, value: &Value) -> String {
        let Some(parts) = value.as_object() else { return words::shown_value(value, &self.zone) };
        let parts = parts.iter().map(|(name, value)| format!("{name}: {}", self.fact(value)));
        format!("{{ {} }}", parts.collect::<Vec<_>>().join(", "))
    }
}

const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Lines of at most so many characters, those after the first shorter by `hang`. A word that is longer stays whole.
fn wrapped(text: &str, width: usize, hang: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let room = if lines.is_empty() { width } else { width - hang };
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
            lines.push(std::mem::take(&mut line));
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_wide_as_the_page() {
        let lines = wrapped("one two three four", 9, 2);
        assert_eq!(lines, ["one two", "three", "four"]);
        assert_eq!(wrapped("unbreakable", 4, 2), ["unbreakable"]);
        assert_eq!(wrapped("", 4, 2), [""]);
    }
}
