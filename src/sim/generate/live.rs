//! Generated lines as if they happened now: a schedule, lines with other times, and the keys of their records.
//!
//! Pure: the schedule is counted from its beginning, and the clock is the caller's.

use super::write;
use memchr::memmem;
use std::time::Duration;

/// Bytes of a time as lines have it.
const STAMP_LEN: usize = 24;

/// When each line is sent: evenly, whatever becomes of those before it.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    per_second: u64,
}

impl Schedule {
    /// So many lines a second, at least one.
    pub fn new(per_second: u64) -> Schedule {
        Schedule { per_second: per_second.max(1) }
    }

    /// When the line of this number, from 0, is to be sent.
    pub fn due(self, line: u64) -> Duration {
        let rest = line % self.per_second * 1_000_000_000 / self.per_second;
        Duration::from_secs(line / self.per_second) + Duration::from_nanos(rest)
    }
}

/// Moves the times of lines.
#[derive(Clone, Debug)]
pub struct Stamper {
    /// The highest event time so far.
    youngest_ms: i64,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl Default for Stamper {
    fn default() -> Self {
        Stamper { youngest_ms: i64::MIN, old: Vec::new(), new: Vec::new() }
    }
}

impl Stamper {
    /// Makes a line one that is sent at `at_ms`, given its event time until now. It happens at that time, or so much earlier
    /// as it was behind the youngest line before it. Times that are broken stay so.
    pub fn stamp(&mut self, line: &mut [u8], event_ms: i64, at_ms: i64) {
        let behind_ms = self.youngest_ms.saturating_sub(event_ms).max(0);
        self.youngest_ms = self.youngest_ms.max(event_ms);
        self.old.clear();
        write::timestamp(&mut self.old, event_ms);
        if let Some(place) = stamp_place(line, b"\"timestamp\":\"")
            && line[place..place + STAMP_LEN] == *self.old
        {
            self.put(line, place, at_ms.saturating_sub(behind_ms));
        }
        for member in [&b"\"sentAt\":\""[..], b"\"receivedAt\":\""] {
            if let Some(place) = stamp_place(line, member) {
                self.put(line, place, at_ms);
            }
        }
    }

    fn put(&mut self, line: &mut [u8], place: usize, ms: i64) {
        self.new.clear();
        write::timestamp(&mut self.new, ms);
        line[place..place + STAMP_LEN].copy_from_slice(&self.new);
    }
}

/// Where the time of a member stands, if it looks like one.
fn stamp_place(line: &[u8], member: &[u8]) -> Option<usize> {
    let place = memmem::find(line, member)? + member.len();
    (line.get(place + STAMP_LEN - 1..=place + STAMP_LEN)? == b"Z\"").then_some(place)
}

/// Writes the identifier of a line, such as `user:42`: the key of its record. False if nobody can be made out.
pub fn key(line: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    for (member, sort) in [(&b"\"userId\":\""[..], "user:"), (b"\"anonymousId\":\"", "anonymous:")]
    {
        let Some(start) = memmem::find(line, member).map(|at| at + member.len()) else {
            continue;
        };
        if let Some(len) = memchr::memchr(b'"', &line[start..]).filter(|len| *len > 0) {
            out.extend_from_slice(sort.as_bytes());
            out.extend_from_slice(&line[start..start + len]);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::generate::{Config, Faults, Generator};

    /// 2027-01-15T08:00:00Z.
    const NOW: i64 = 1_800_000_000_000;

    #[test]
    fn the_schedule_is_even_and_does_not_drift() {
        let schedule = Schedule::new(3);
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(1), Duration::from_nanos(333_333_333));
        assert_eq!(schedule.due(3_000_000), Duration::from_secs(1_000_000));
        assert_eq!(Schedule::new(0).due(5), Duration::from_secs(5));
        assert_eq!(Schedule::new(u64::MAX).due(9), Duration::ZERO);
    }

    #[test]
    fn lines_happen_when_they_are_sent() {
        let config = Config { events: 2_000, faults: Faults::none(), ..Config::default() };
        let mut generator = Generator::new(config);
        let (mut stamper, mut key_of, mut lines) = (Stamper::default(), Vec::new(), 0);
        let mut line = Vec::new();
        while let Some(event_ms) = generator.next_into(&mut line) {
            let at = NOW + lines;
            stamper.stamp(&mut line, event_ms, at);
            let json: serde_json::Value = serde_json::from_slice(&line).unwrap();
            for member in ["timestamp", "sentAt", "receivedAt"] {
                let time = crate::time::parse(json[member].as_str().unwrap());
                assert_eq!(time, Some(at), "{member} of {json}");
            }
            assert!(key(&line, &mut key_of));
            let (sort, id) = match json["userId"].as_str() {
                Some(id) => ("user", id),
                None => ("anonymous", json["anonymousId"].as_str().unwrap()),
            };
            assert_eq!(String::from_utf8_lossy(&key_of), format!("{sort}:{id}"));
            lines += 1;
            line.clear();
        }
        assert_eq!(lines, 2_000);
    }

    #[test]
    fn late_lines_stay_late_and_broken_ones_broken() {
        let mut stamper = Stamper::default();
        let mut stamped = |text: &str, event_ms: i64| {
            let mut line = text.as_bytes().to_vec();
            stamper.stamp(&mut line, event_ms, NOW);
            String::from_utf8(line).unwrap()
        };
        let first = stamped(
            r#"{"timestamp":"2026-03-02T09:00:00.000Z","sentAt":"2026-03-02T09:00:00.001Z"}"#,
            1_772_442_000_000,
        );
        assert_eq!(
            first,
            r#"{"timestamp":"2027-01-15T08:00:00.000Z","sentAt":"2027-01-15T08:00:00.000Z"}"#
        );
        let late = stamped(r#"{"timestamp":"2026-03-02T08:59:58.500Z"}"#, 1_772_441_998_500);
        assert_eq!(late, r#"{"timestamp":"2027-01-15T07:59:58.500Z"}"#);
        for broken in [
            r#"{"timestamp":"2999-03-02T08:59:58.500Z"}"#,
            r#"{"timestamp":"soon"}"#,
            r#"{"timestamp":"2026-03-02T08:59:58.500"#,
            "{}",
        ] {
            assert_eq!(stamped(broken, 1_772_441_998_500), broken);
        }
        let mut out = Vec::new();
        assert!(!key(br#"{"userId":""}"#, &mut out));
        assert!(!key(br#"{"userId":"a"#, &mut out));
        assert!(key(br#"{"userId":"","anonymousId":"b"}"#, &mut out));
        assert_eq!(out, b"anonymous:b");
    }
}
