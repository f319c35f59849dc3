//! Sessions: runs of events with no gap longer than the pack says.

use crate::define::plan::SessionPlan;
use crate::event::{Call, Event};
use crate::time::NEVER;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// A session that time has not closed yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Open {
    pub start: i64,
    pub last: i64,
    pub events: u32,
    pub pages: u32,
    /// The path of the first page that has one, else the name of the first page that has one: whether it is only a
    /// name, its time, and the text.
    pub entry_page: Option<(bool, i64, CompactString)>,
}

/// A person's sessions: those that are open, and what is kept of the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sessions {
    /// In the order of time, further apart than the gap. More than one only at the live edge: what comes past the end of a
    /// session begins another one, and until the watermark has passed that end, an event in between can still join the two.
    open: Vec<Open>,
    /// With the open ones.
    pub count: u32,
    /// The last event of the last closed session.
    pub previous_end: Option<i64>,
}

impl Sessions {
    /// When the first open session closes if nothing comes.
    pub(in crate::person) fn deadline(&self, gap: i64) -> i64 {
        self.open.first().map_or(NEVER, |open| open.last.saturating_add(gap))
    }

    /// The latest open session.
    pub fn current(&self) -> Option<&Open> {
        self.open.last()
    }

    /// Takes an event into an open session, joins two by it, or begins one. An event that is late (older than the watermark)
    /// joins an open session if it is near enough and otherwise changes nothing: what was closed stays closed. Tells
    /// whether anything changed.
    pub(in crate::person) fn take(
        &mut self,
        plan: &SessionPlan,
        event: &Event,
        late: bool,
    ) -> bool {
        if !plan.of.has(event.kind) {
            return false;
        }
        let joins = |open: &Open| {
            event.time >= open.start.saturating_sub(plan.gap)
                && event.time <= open.last.saturating_add(plan.gap)
        };
        match self.open.iter().position(joins) {
            Some(at) => {
                self.open[at].take(plan, event);
                let near = |next: &Open| next.start <= self.open[at].last.saturating_add(plan.gap);
                if self.open.get(at + 1).is_some_and(near) {
                    let next = self.open.remove(at + 1);
                    self.open[at].join(next);
                    self.count -= 1;
                }
            }
            None if late => return false,
            None => {
                let at = self.open.partition_point(|open| open.start < event.time);
                self.open.insert(at, Open::at(event.time));
                self.open[at].take(plan, event);
                self.count += 1;
            }
        }
        true
    }

    /// Takes in the sessions of another leaf; open ones that are near enough are one.
    pub(in crate::person) fn merge(&mut self, other: Sessions, gap: i64) {
        self.count += other.count;
        self.previous_end = self.previous_end.max(other.previous_end);
        let mut open: Vec<Open> = self.open.drain(..).chain(other.open).collect();
        open.sort_by_key(|open| open.start);
        for next in open {
            match self.open.last_mut() {
                Some(last) if next.start <= last.last.saturating_add(gap) => {
                    last.join(next);
                    self.count -= 1;
                }
                _ => self.open.push(next),
            }
        }
    }

    /// Closes the first open session; gives it with its number.
    pub(in crate::person) fn close(&mut self) -> Option<(u32, Box<Open>)> {
        if self.open.is_empty() {
            return None;
        }
        let later = self.open.len() as u32 - 1;
        let closed = self.open.remove(0);
        self.previous_end = Some(closed.last);
        Some((self.count - later, Box::new(closed)))
    }
}

impl Open {
    fn at(time: i64) -> Open {
        Open { start: time, last: time, events: 0, pages: 0, entry_page: None }
    }

    /// Takes in another one, between which and this one there was no gap after all.
    fn join(&mut self, other: Open) {
        self.start = self.start.min(other.start);
        self.last = self.last.max(other.last);
        self.events += other.events;
        self.pages += other.pages;
        if let Some((name, time, page)) = other.entry_page {
            self.note_page(name, time, page);
        }
    }

    fn take(&mut self, plan: &SessionPlan, event: &Event) {
        self.start = self.start.min(event.time);
        self.last = self.last.max(event.time);
        self.events += 1;
        if !matches!(event.call, Call::Page | Call::Screen) {
            return;
        }
        self.pages += 1;
        let places = [(false, plan.path), (false, plan.context_path), (true, plan.name)];
        let page = places.iter().find_map(|&(name, slot)| Some((name, event.value(slot).str()?)));
        if let Some((name, page)) = page {
            self.note_page(name, event.time, page.into());
        }
    }

    fn note_page(&mut self, name: bool, time: i64, page: CompactString) {
        if self.entry_page.as_ref().is_none_or(|(n, t, _)| (name, time) < (*n, *t)) {
            self.entry_page = Some((name, time, page));
        }
    }
}
