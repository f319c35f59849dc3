//! How busy the shop is: the daily curve, and how far apart visitors must come so that the wanted
//! number of events falls into the wanted time.

/// Visits by hour of day in UTC, for a shop whose customers live in Europe: quiet at night, busiest
/// in the evening. Between two hours the curve is a straight line.
const HOURLY: [f64; 24] = [
    35., 22., 15., 12., 14., 25., 45., 70., 90., 100., 105., 110., 115., 110., 105., 105., 110.,
    125., 145., 155., 150., 120., 85., 55.,
];
const HOUR_MS: f64 = 3_600_000.0;
const DAY_MS: f64 = 24.0 * HOUR_MS;

/// The area under the whole curve.
const DAY_AREA: f64 = {
    let (mut sum, mut hour) = (0.0, 0);
    while hour < 24 {
        sum += HOURLY[hour];
        hour += 1;
    }
    sum * HOUR_MS
};

/// Lines that one visit brings in the end, deliveries and reviews included (measured; the pace
/// corrects what is wrong with it).
const LINES_A_VISIT: f64 = 11.0;
/// Most of these lines come within this time after the visit's first.
const VISIT_MS: f64 = 900_000.0;
/// A visit started now shows its effect in minutes; corrections faster than that would oscillate.
const CORRECTION_MS: f64 = 600_000.0;

/// The plan of a run: so many lines in so much time.
#[derive(Clone, Debug)]
pub struct Pace {
    start_ms: i64,
    /// `i64::MAX`: no end.
    end_ms: i64,
    /// Lines for one unit of area under the curve.
    scale: f64,
}

impl Pace {
    /// Exactly `lines` between two instants, the second not included.
    pub fn finite(lines: u64, start_ms: i64, end_ms: i64) -> Self {
        Pace {
            start_ms,
            end_ms,
            scale: lines as f64 / (area(end_ms) - area(start_ms)).max(1e-9),
        }
    }

    /// A mean of so many lines a second over the day, for ever.
    pub fn endless(lines_a_second: f64, start_ms: i64) -> Self {
        let scale = lines_a_second * DAY_MS / 1000.0 / DAY_AREA;
        Pace {
            start_ms,
            end_ms: i64::MAX,
            scale,
        }
    }

    /// Lines a millisecond at that instant, before corrections.
    pub fn rate(&self, at_ms: i64) -> f64 {
        self.scale * height(at_ms)
    }

    /// The time in milliseconds from one visit to the next on average, when the clock shows `at_ms`
    /// and `lines` have been produced.
    pub fn gap_ms(&self, at_ms: i64, lines: u64) -> f64 {
        let rate = self.rate(at_ms);
        let left_ms = self.end_ms.saturating_sub(at_ms).max(0) as f64;
        let behind = if at_ms < self.start_ms {
            0.0 // What happens before the start is not counted.
        } else {
            self.scale * (area(at_ms) - area(self.start_ms)) - lines as f64
        };
        let correction = behind / CORRECTION_MS.min(left_ms / 2.0).max(1000.0);
        let wanted = (rate + correction).clamp(rate / 10.0, rate * 5.0);
        // Of a visit that begins shortly before the end, only the first lines count.
        let per_visit = 1.0 + (LINES_A_VISIT - 1.0) * (left_ms / VISIT_MS).min(1.0);
        per_visit / wanted.max(1e-12)
    }
}

/// The height of the daily curve.
fn height(at_ms: i64) -> f64 {
    let (hour, share) = hour_of(at_ms);
    HOURLY[hour] + (HOURLY[(hour + 1) % 24] - HOURLY[hour]) * share
}

/// The area under the daily curve from 1970 to that instant, in heights × milliseconds.
fn area(at_ms: i64) -> f64 {
    let (hour, share) = hour_of(at_ms);
    let whole: f64 = HOURLY[..hour]
        .iter()
        .zip(&HOURLY[1..])
        .map(|(a, b)| (a + b) / 2.0)
        .sum();
    let part = (HOURLY[hour] + height(at_ms)) / 2.0 * share;
    (at_ms.div_euclid(DAY_MS as i64)) as f64 * DAY_AREA + (whole + part) * HOUR_MS
}

/// The hour of the day, and how much of it has passed.
fn hour_of(at_ms: i64) -> (usize, f64) {
    let in_day = at_ms.rem_euclid(DAY_MS as i64) as f64;
    let hour = (in_day / HOUR_MS) as usize;
    (hour, in_day / HOUR_MS - hour as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_is_the_sum_of_the_heights() {
        let (mut sum, step) = (0.0, 60_000);
        for at in (0..DAY_MS as i64).step_by(step as usize) {
            sum += height(at + step / 2) * step as f64;
            assert!((area(at + step) - sum).abs() < 1e-6 * DAY_AREA);
        }
    }

    #[test]
    fn whoever_is_behind_hurries() {
        let pace = Pace::finite(1_000_000, 0, 86_400_000);
        let noon = 43_200_000;
        assert!(pace.gap_ms(noon, 300_000) < pace.gap_ms(noon, 450_000));
        assert!(pace.gap_ms(noon, 450_000) < pace.gap_ms(noon, 900_000));
    }
}
