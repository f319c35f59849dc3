//! What a report does not count: when messages were sent, by channel; and goals that were reached soon after a message.

use crate::event::Num;
use crate::report::money;
use crate::sink::said::{Data, Said, said};
use crate::sink::{Sink, SinkError, Stream};
use crate::time::zone::Zone;
use crate::time::{DAY, HOUR, MINUTE, format};
use compact_str::CompactString;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Histories of up to so many days are told by the hour.
const DAYS_BY_HOUR_MAX: i64 = 4;

/// Listens to the lines of a run; clones listen together.
#[derive(Clone)]
pub struct Backtest {
    /// How long after the last message a goal counts as reached by it, in milliseconds.
    window: i64,
    tally: Arc<Mutex<Tally>>,
}

#[derive(Default)]
struct Tally {
    load: Load,
    /// By journey: goals inside the window, and what they were worth in millionths.
    reached: BTreeMap<String, (u64, i128)>,
    /// The last message of each open instance that has sent one, by person.
    last: HashMap<CompactString, Vec<Last>, FixedState>,
}

/// When an instance last sent something.
struct Last {
    journey: CompactString,
    key: Option<CompactString>,
    number: u32,
    at: i64,
}

/// Messages sent, by channel and minute of event time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load(BTreeMap<String, BTreeMap<i64, u64>>);

/// The steps of time in which load is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadUnit {
    Hour,
    Day,
}

impl Backtest {
    /// Nothing heard yet; goals count up to `window` milliseconds after the last message.
    pub fn new(window: i64) -> Backtest {
        Backtest { window, tally: Arc::default() }
    }

    /// The journeys of a report, each with its goals inside the window.
    pub fn journeys(&self, report: &Value) -> Vec<Value> {
        let tally = self.lock();
        let journeys = report["journeys"].as_array().into_iter().flatten();
        let told = journeys.map(|journey| {
            let name = journey["name"].as_str().unwrap_or_default();
            let (goals, value) = tally.reached.get(name).copied().unwrap_or_default();
            let mut journey = journey.clone();
            journey["in_window"] = json!({"converted": goals, "revenue": money(value)});
            journey["messages"]["sent_by"] = sent_by(&journey).into();
            for how in ["dropped_by", "deferred_by"] {
                journey["messages"][how] = held_by(&journey, how).into();
            }
            journey
        });
        told.collect()
    }

    /// When messages were sent.
    pub fn load(&self) -> Load {
        self.lock().load.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends of a journey by channel.
fn sent_by(journey: &Value) -> Map<String, Value> {
    let mut sent: BTreeMap<&str, u64> = BTreeMap::new();
    for send in journey["sends"].as_array().into_iter().flatten() {
        let channel = send["channel"].as_str().unwrap_or_default();
        *sent.entry(channel).or_default() += send["sent"].as_u64().unwrap_or(0);
    }
    sent.into_iter().map(|(channel, count)| (channel.to_owned(), count.into())).collect()
}

/// Messages of a journey by the reason that held them.
fn held_by(journey: &Value, how: &str) -> Map<String, Value> {
    let mut held: BTreeMap<&str, u64> = BTreeMap::new();
    for send in journey["sends"].as_array().into_iter().flatten() {
        for (reason, count) in send[how].as_object().into_iter().flatten() {
            *held.entry(reason).or_default() += count.as_u64().unwrap_or(0);
        }
    }
    held.into_iter().map(|(reason, count)| (reason.to_owned(), count.into())).collect()
}

impl Tally {
    fn sent(&mut self, said: &Said) {
        let Data { channel, journey, key, occurrence, .. } = &said.data;
        self.load.add(channel, said.time);
        self.remember(&said.person, journey, key.as_deref(), *occurrence, said.time);
    }

    fn remember(&mut self, person: &str, journey: &str, key: Option<&str>, number: u32, at: i64) {
        let all = self.last.entry(person.into()).or_default();
        match all.iter_mut().find(|last| last.number == number) {
            Some(last) => last.at = last.at.max(at),
            None => {
                all.push(Last { journey: journey.into(), key: key.map(Into::into), number, at });
            }
        }
    }

    /// An instance goes on under another person, with what it has sent.
    fn carried(&mut self, said: &Said) {
        let Data { journey, key, occurrence, from, .. } = &said.data;
        let from = from.as_deref().and_then(|from| self.last.get(from));
        let same =
            |last: &&Last| last.journey == **journey && last.key.as_deref() == key.as_deref();
        let at = from.into_iter().flatten().filter(same).map(|last| last.at).max();
        if let Some(at) = at {
            self.remember(&said.person, journey, key.as_deref(), *occurrence, at);
        }
    }

    fn over(&mut self, said: &Said, window: i64) {
        let Data { journey, occurrence, value, reason, .. } = &said.data;
        // Whoever is parted may go on elsewhere, of which is told before or after.
        if reason.as_deref() == Some("parted") {
            return;
        }
        let Some(all) = self.last.get_mut(&*said.person) else { return };
        let Some(at) = all.iter().position(|last| last.number == *occurrence) else { return };
        let last = all.swap_remove(at);
        if all.is_empty() {
            self.last.remove(&*said.person);
        }
        if said.kind == "journey.goal" && said.time.saturating_sub(last.at) <= window {
            let worth = value.and_then(|value| Num::parse(value.get())).unwrap_or(Num(0));
            let (goals, sum) = self.reached.entry(journey.to_string()).or_default();
            (*goals, *sum) = (*goals + 1, sum.saturating_add(worth.0.into()));
        }
    }
}

impl Sink for Backtest {
    fn write(&mut self, stream: Stream, line: &[u8]) -> Result<(), SinkError> {
        if !matches!(stream, Stream::Decisions | Stream::Journeys) {
            return Ok(());
        }
        let Some(said) = said(line) else { return Ok(()) };
        let mut tally = self.lock();
        match said.kind {
            "decision" if said.data.decision == "send" => tally.sent(&said),
            "journey.carried" => tally.carried(&said),
            "journey.goal" | "journey.exited" => tally.over(&said, self.window),
            _ => {}
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<Vec<u64>, SinkError> {
        Ok(vec![0; Stream::ALL.len()])
    }

    fn complete(&mut self, _epoch: u64) -> Result<(), SinkError> {
        Ok(())
    }
}

impl Load {
    fn add(&mut self, channel: &str, time: i64) {
        let minute = time.div_euclid(MINUTE);
        match self.0.get_mut(channel) {
            Some(minutes) => *minutes.entry(minute).or_default() += 1,
            None => {
                self.0.insert(channel.to_owned(), BTreeMap::from([(minute, 1)]));
            }
        }
    }

    /// In JSON: by hour or local day from the first instant of the history to its last, and the busiest minute, of each
    /// channel and of all together.
    pub fn told(&self, from: i64, to: i64, zone: &Zone) -> Value {
        let unit = LoadUnit::of(from, to);
        let steps = unit.steps(from, to, zone);
        let mut all = BTreeMap::new();
        let channels = self.0.iter().map(|(channel, minutes)| {
            let mut by_step = vec![0_u64; steps.len()];
            for (minute, count) in minutes {
                *all.entry(*minute).or_default() += count;
                let at = steps.partition_point(|step| *step <= minute * MINUTE);
                if let Some(sum) = by_step.get_mut(at.saturating_sub(1)) {
                    *sum += count;
                }
            }
            json!({
                "channel": channel,
                "sent": minutes.values().sum::<u64>(),
                "busiest_minute": busiest(minutes),
                "sent_by_step": by_step,
            })
        });
        let channels: Vec<Value> = channels.collect();
        json!({
            "unit": unit.as_str(),
            "steps": steps.iter().map(|step| format(*step)).collect::<Vec<_>>(),
            "channels": channels,
            "busiest_minute": busiest(&all),
        })
    }
}

/// The first of the minutes with the most messages.
fn busiest(minutes: &BTreeMap<i64, u64>) -> Value {
    let most = minutes.iter().max_by_key(|(minute, count)| (**count, std::cmp::Reverse(**minute)));
    most.map_or(
        Value::Null,
        |(minute, count)| json!({"at": format(minute * MINUTE), "sent": count}),
    )
}

impl LoadUnit {
    fn of(from: i64, to: i64) -> LoadUnit {
        match to.saturating_sub(from) <= DAYS_BY_HOUR_MAX * DAY {
            true => LoadUnit::Hour,
            false => LoadUnit::Day,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            LoadUnit::Hour => "hour",
            LoadUnit::Day => "day",
        }
    }

    /// The instants at which the steps of a history begin.
    fn steps(self, from: i64, to: i64, zone: &Zone) -> Vec<i64> {
        if from > to {
            return Vec::new();
        }
        match self {
            LoadUnit::Hour => {
                (from.div_euclid(HOUR)..=to.div_euclid(HOUR)).map(|hour| hour * HOUR).collect()
            }
            LoadUnit::Day => (zone.day(from)..=zone.day(to)).map(|day| zone.at(day, 0)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_is_told_by_hour_or_local_day() {
        let mut load = Load::default();
        let at = |text: &str| crate::time::parse(text).unwrap();
        for time in ["2026-03-01T22:59:00Z", "2026-03-01T23:00:10Z", "2026-03-01T23:00:50Z"] {
            load.add("email", at(time));
        }
        load.add("sms", at("2026-03-02T10:00:00Z"));
        let warsaw = Zone::named("Europe/Warsaw").unwrap();
        let told = load.told(at("2026-03-01T22:00:00Z"), at("2026-03-02T10:00:00Z"), &warsaw);
        assert_eq!(told["unit"], "hour");
        assert_eq!(
            told["channels"][0]["sent_by_step"],
            json!([1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        );
        assert_eq!(told["busiest_minute"], json!({"at": "2026-03-01T23:00:00.000Z", "sent": 2}));
        let told = load.told(at("2026-03-01T22:00:00Z"), at("2026-03-06T10:00:00Z"), &warsaw);
        assert_eq!(told["unit"], "day");
        assert_eq!(told["steps"][1], "2026-03-01T23:00:00.000Z", "midnight in Warsaw");
        assert_eq!(told["channels"][0]["sent_by_step"], json!([1, 2, 0, 0, 0, 0]));
        assert_eq!(told["channels"][1]["sent_by_step"], json!([0, 1, 0, 0, 0, 0]));
        assert_eq!(Load::default().told(10, 5, &warsaw)["busiest_minute"], Value::Null);
    }
}
