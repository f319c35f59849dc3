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

/// A person's sessions: the open one, and what is kept of the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sessions {
    pub open: Option<Box<Open>>,
    /// With the open one.
    pub count: u32,
    /// The last event of the last closed session.
    pub previous_end: Option<i64>,
}

impl Sessions {
    /// When the open session closes if nothing comes.
    pub(in crate::person) fn deadline(&self, gap: i64) -> i64 {
        self.open.as_ref().map_or(NEVER, |open| open.last.saturating_add(gap))
    }

    pub(in crate::person) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Takes an event into the open session or begins one. A late event joins the open session if it is near enough and
    /// otherwise changes nothing: what was closed stays closed. Tells whether anything changed.
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
        match &mut self.open {
            Some(open) if joins(open) => open.join(plan, event),
            _ if late => return false,
            _ => {
                let mut open = Open {
                    start: event.time,
                    last: event.time,
                    events: 0,
                    pages: 0,
                    entry_page: None,
                };
                open.join(plan, event);
                self.open = Some(Box::new(open));
                self.count += 1;
            }
        }
        true
    }

    pub(in crate::person) fn close(&mut self) -> Option<Box<Open>> {
        let closed = self.open.take()?;
        self.previous_end = Some(closed.last);
        Some(closed)
    }
}

impl Open {
    fn join(&mut self, plan: &SessionPlan, event: &Event) {
        self.start = self.start.min(event.time);
        self.last = self.last.max(event.time);
        self.events += 1;
        if !matches!(event.call, Call::Page | Call::Screen) {
            return;
        }
        self.pages += 1;
        let places = [(false, plan.path), (false, plan.context_path), (true, plan.name)];
        let page = places.iter().find_map(|&(name, slot)| Some((name, event.value(slot).str()?)));
        if let Some((name, page)) = page
            && self.entry_page.as_ref().is_none_or(|(n, t, _)| (name, event.time) < (*n, *t))
        {
            self.entry_page = Some((name, event.time, page.into()));
        }
    }
}
