//! A customer's number in, what is known about her out. Nothing is stored: every attribute is drawn
//! from a generator that belongs to the seed and the number, and so is the same on every visit.

use super::write;
use crate::sim::rng::Rng;

/// What a customer keeps over all her visits.
#[derive(Clone, Debug)]
pub struct Customer {
    /// From 0; the lower, the more often she comes.
    pub number: u64,
    pub first_name: &'static str,
    pub last_name: &'static str,
    /// IANA name.
    pub zone: &'static str,
    pub locale: &'static str,
    pub browser: &'static str,
    /// Year, month, day.
    birthday: (u16, u8, u8),
    /// Day of the registration, counted from 1970-01-01.
    pub created_day: i64,
    ip: u32,
    pub wants_email: bool,
    pub wants_sms: bool,
}

const ZONES: &[((&str, &str), u32)] = &[
    (("Europe/Warsaw", "pl-PL"), 40),
    (("Europe/Berlin", "de-DE"), 22),
    (("Europe/London", "en-GB"), 18),
    (("America/New_York", "en-US"), 6),
    (("Europe/Paris", "fr-FR"), 5),
    (("Europe/Madrid", "es-ES"), 4),
    (("Europe/Lisbon", "pt-PT"), 2),
    (("America/Los_Angeles", "en-US"), 2),
    (("Asia/Kolkata", "en-IN"), 1),
];

const FIRST_NAMES: &[&str] = &[
    "Anna", "Piotr", "Maria", "Jakub", "Zofia", "Tomasz", "Julia", "Lukas", "Emma", "Felix",
    "Lena", "Oliver", "Amelia", "George", "Isla", "Chloe", "Hugo", "Lucia", "Mateo", "Grace",
    "Ethan", "Priya", "Marta", "Adam", "Ewa", "Jan",
];

const LAST_NAMES: &[&str] = &[
    "Kowalska",
    "Nowak",
    "Lewandowski",
    "Zielinska",
    "Wojcik",
    "Kaminski",
    "Schmidt",
    "Fischer",
    "Weber",
    "Becker",
    "Smith",
    "Taylor",
    "Walker",
    "Hughes",
    "Martin",
    "Dubois",
    "Garcia",
    "Lopez",
    "Silva",
    "Johnson",
    "Miller",
    "Patel",
];

const BROWSERS: &[(&str, u32)] = &[
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) Version/18.3", 30),
    ("Mozilla/5.0 (Linux; Android 15; Pixel 9) Chrome/133.0 Mobile", 32),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/133.0", 24),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605.1.15", 9),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Firefox/135.0", 5),
];

impl Customer {
    /// The customer of that number in the world of that seed, registered before `first_day`
    /// (counted from 1970-01-01).
    pub fn of(seed: u64, number: u64, first_day: i64) -> Self {
        let mut rng = Rng::stream(seed, number);
        let (zone, locale) = *rng.pick_weighted(ZONES);
        Customer {
            number,
            first_name: rng.pick::<&str>(FIRST_NAMES),
            last_name: rng.pick::<&str>(LAST_NAMES),
            zone,
            locale,
            browser: rng.pick_weighted::<&str>(BROWSERS),
            birthday: (
                1945 + rng.below(63) as u16,
                1 + rng.below(12) as u8,
                1 + rng.below(28) as u8,
            ),
            created_day: first_day.saturating_sub(rng.between(1, 1500)),
            ip: rng.next_u64() as u32,
            wants_email: rng.chance(0.7),
            wants_sms: rng.chance(0.35),
        }
    }

    /// Appends `c1000042`.
    pub fn user_id(&self, out: &mut Vec<u8>) {
        out.push(b'c');
        write::number(out, self.number.saturating_add(1_000_000));
    }

    /// Appends the UUID that the browser of one of her devices made up.
    pub fn anonymous_id(&self, seed: u64, device: u8, out: &mut Vec<u8>) {
        let mut rng = Rng::stream(!seed, self.number.wrapping_mul(2).wrapping_add(device.into()));
        let (high, low) = (rng.next_u64(), rng.next_u64());
        write::hex::<8>(out, high >> 32);
        out.push(b'-');
        write::hex::<4>(out, high >> 16);
        write::text(out, "-4");
        write::hex::<3>(out, high);
        write::text(out, "-a");
        write::hex::<3>(out, low >> 48);
        out.push(b'-');
        write::hex::<12>(out, low);
    }

    /// What her browser runs on.
    pub fn platform(&self) -> &'static str {
        match self.browser {
            it if it.contains("iPhone") => "ios",
            it if it.contains("Android") => "android",
            _ => "web",
        }
    }

    /// Appends `anna.nowak.42@mail.example`.
    pub fn email(&self, out: &mut Vec<u8>) {
        let from = out.len();
        write::text(out, self.first_name);
        out.push(b'.');
        write::text(out, self.last_name);
        out.push(b'.');
        out[from..].make_ascii_lowercase();
        write::number(out, self.number);
        write::text(out, "@mail.example");
    }

    /// Appends `1987-04-23`.
    pub fn birthday(&self, out: &mut Vec<u8>) {
        let (year, month, day) = self.birthday;
        write::digits::<4>(out, year.into());
        out.push(b'-');
        write::digits::<2>(out, month.into());
        out.push(b'-');
        write::digits::<2>(out, day.into());
    }

    /// Appends an address of the range that carriers share between their customers (RFC 6598).
    pub fn ip(&self, out: &mut Vec<u8>) {
        write::text(out, "100.");
        write::number(out, u64::from(64 + (self.ip >> 16) % 64));
        out.push(b'.');
        write::number(out, u64::from(self.ip >> 8 & 255));
        out.push(b'.');
        write::number(out, u64::from(self.ip & 255));
    }
}
