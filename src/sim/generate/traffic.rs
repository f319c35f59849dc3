//! All visits together, in the order of their events: visitors come in as the pace says, and a heap
//! says whose next event is the next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::customer::Customer;
use super::pace::Pace;
use super::session::{LogIn, Session};
use crate::sim::rng::Rng;

const DAY_MS: i64 = 86_400_000;

/// The shop, full of visitors.
#[derive(Debug)]
pub struct Traffic {
    seed: u64,
    rng: Rng,
    pace: Pace,
    /// Regular customers registered before this day, counted from 1970-01-01.
    first_day: i64,
    /// Not a millisecond of the run is at or after this one.
    end_ms: i64,
    /// Time of the last event taken.
    now_ms: i64,
    /// When the next visitor comes; in fractions, since thousands may come in a millisecond.
    arrival_ms: f64,
    /// Next event of each visit: when, in which slot. Slots of one time go in a fixed order.
    next: BinaryHeap<Reverse<(i64, u32)>>,
    slots: Vec<Session>,
    free: Vec<u32>,
    visits: u64,
    /// Customers who come again and again.
    regulars: u64,
    /// Customers who have not registered yet.
    newcomers: std::ops::Range<u64>,
    current: Session,
}

impl Traffic {
    /// The shop at the instant of its start.
    pub fn new(seed: u64, customers: u64, pace: Pace, start_ms: i64, end_ms: i64) -> Self {
        let now_ms = pace.open_ms();
        let customers = customers.max(1);
        let regulars = (customers - customers / 20).max(1);
        let mut rng = Rng::stream(seed, u64::MAX);
        let first_day = start_ms.div_euclid(DAY_MS);
        let someone = Customer::of(seed, 0, first_day);
        let current = Session::new(rng.clone(), 0, someone, LogIn::Never);
        let mut traffic = Traffic {
            seed,
            arrival_ms: now_ms as f64 + rng.unit() * 2.0 * pace.gap_ms(now_ms, 0),
            rng,
            pace,
            first_day,
            end_ms,
            now_ms,
            next: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            visits: 0,
            regulars,
            newcomers: regulars..customers,
            current,
        };
        while traffic.upcoming_ms() < start_ms {
            traffic.take(0, u64::MAX);
        }
        traffic.now_ms = start_ms;
        traffic
    }

    /// When the next event happens, as long as it need not be hurried.
    fn upcoming_ms(&self) -> i64 {
        let arrival = self.arrival_ms as i64;
        self.next.peek().map_or(arrival, |Reverse((at, _))| arrival.min(*at))
    }

    /// When the next event happens, if `left` events have to find room before the end.
    pub fn next_ms(&self, left: u64) -> i64 {
        let upcoming = self.upcoming_ms();
        if upcoming < self.end_ms { upcoming } else { self.hurried_ms(left) }
    }

    /// The last events of a run that is behind are spread over the time that is left.
    fn hurried_ms(&self, left: u64) -> i64 {
        let room = (self.end_ms - 1).saturating_sub(self.now_ms).max(0) as u64;
        self.now_ms + (room / left.saturating_add(1).max(1)) as i64
    }

    /// Lets the next event happen: its time, and the visit that describes it. `lines` have been
    /// produced so far, `left` are to come.
    pub fn take(&mut self, lines: u64, left: u64) -> (i64, &Session) {
        let upcoming = self.upcoming_ms();
        if upcoming >= self.end_ms {
            self.now_ms = self.hurried_ms(left);
            self.arrive();
        } else {
            self.now_ms = upcoming;
            match self.next.peek() {
                Some(&Reverse((at, slot))) if at <= self.arrival_ms as i64 => {
                    self.next.pop();
                    self.go_on(slot);
                }
                _ => {
                    let gap = self.pace.gap_ms(self.now_ms, lines);
                    self.arrival_ms += self.rng.unit() * 2.0 * gap;
                    self.arrive();
                }
            }
        }
        (self.now_ms, &self.current)
    }

    /// A visitor comes in; that is the event.
    fn arrive(&mut self) {
        let number = self.visits;
        self.visits += 1;
        let (log_in, customer) = self.draw_visitor();
        let mut customer = Customer::of(self.seed, customer, self.first_day);
        if log_in == LogIn::SignsUp {
            customer.created_day = self.now_ms.div_euclid(DAY_MS);
        }
        let rng = Rng::stream(self.seed.rotate_left(32), number);
        let session = Session::new(rng, number, customer, log_in);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = session;
                slot
            }
            None => {
                self.slots.push(session);
                self.slots.len() as u32 - 1
            }
        };
        self.go_on(slot);
    }

    /// The event of that slot happens, and the one after it is chosen.
    fn go_on(&mut self, slot: u32) {
        let session = &mut self.slots[slot as usize];
        self.current.clone_from(session);
        match session.advance() {
            Some(after_ms) => self.next.push(Reverse((self.now_ms.saturating_add(after_ms), slot))),
            None => self.free.push(slot),
        }
    }

    /// Who comes: some customers every day, most hardly ever (the share of visits of the first n
    /// customers grows with the cube root of n). Each newcomer registers once.
    fn draw_visitor(&mut self) -> (LogIn, u64) {
        let log_in = *self.rng.pick_weighted(&[
            (LogIn::AtStart, 83),
            (LogIn::SignsIn, 6),
            (LogIn::SignsUp, 2),
            (LogIn::Never, 9),
        ]);
        if log_in == LogIn::SignsUp
            && let Some(newcomer) = self.newcomers.next()
        {
            return (log_in, newcomer);
        }
        let unit = self.rng.unit();
        let regular = (unit * unit * unit * self.regulars as f64) as u64;
        let log_in = if log_in == LogIn::SignsUp { LogIn::SignsIn } else { log_in };
        (log_in, regular.min(self.regulars - 1))
    }
}
