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

/// Lines that a visit has brought on average, so many milliseconds after its first; a straight line
/// between two points (measured over 400,000 visits; what is wrong with it, the pace corrects).
const LINES_OF_A_VISIT: [(f64, f64); 9] = [
    (0.0, 1.0),
    (30_000.0, 1.86),
    (120_000.0, 4.0),
    (300_000.0, 6.15),
    (600_000.0, 7.15),
    (1_800_000.0, 7.73),
    (3_600_000.0, 8.26),
    (36_000_000.0, 8.57),
    (360_000_000.0, 8.63),
];
/// The shop is open before the start, so that the first second is not all landing pages.
const WARM_UP_MS: f64 = 1_800_000.0;
/// Half a second of work: with more lines than that, the warm-up is shorter.
const WARM_UP_LINES: f64 = 1_500_000.0;
/// The time for which the opening is planned, and in which steps; what follows is routine.
const STEPS: usize = 360;
const STEP_MS: f64 = 10_000.0;
/// A visit started now shows its effect in minutes; corrections faster than that would oscillate.
const CORRECTION_MS: f64 = 600_000.0;

/// The plan of a run: so many lines in so much time.
#[derive(Clone, Debug)]
pub struct Pace {
    open_ms: i64,
    /// Visits a line that are needed, step by step since the opening.
    opening: Vec<f64>,
    start_ms: i64,
    /// `i64::MAX`: no end.
    end_ms: i64,
    /// Lines for one unit of area under the curve.
    scale: f64,
}

impl Pace {
    /// Exactly `lines` between two instants, the second not included.
    pub fn finite(lines: u64, start_ms: i64, end_ms: i64) -> Self {
        let scale = lines as f64 / (area(end_ms) - area(start_ms)).max(1e-9);
        Self::new(scale, start_ms, end_ms)
    }

    /// A mean of so many lines a second over the day, for ever.
    pub fn endless(lines_a_second: f64, start_ms: i64) -> Self {
        Self::new(lines_a_second * DAY_MS / 1000.0 / DAY_AREA, start_ms, i64::MAX)
    }

    fn new(scale: f64, start_ms: i64, end_ms: i64) -> Self {
        let rate = scale * height(start_ms);
        let warm_up_ms = WARM_UP_MS.min(WARM_UP_LINES / rate.max(1e-9));
        Pace {
            open_ms: start_ms.saturating_sub(warm_up_ms as i64),
            opening: opening(warm_up_ms),
            start_ms,
            end_ms,
            scale,
        }
    }

    /// When the first visitor may come. What happens before the start is not counted.
    pub fn open_ms(&self) -> i64 {
        self.open_ms
    }

    /// The time in milliseconds from one visit to the next on average, when the clock shows `at_ms`
    /// and `lines` have been produced.
    pub fn gap_ms(&self, at_ms: i64, lines: u64) -> f64 {
        let open_for_ms = at_ms.saturating_sub(self.open_ms).max(0) as f64;
        let step = ((open_for_ms / STEP_MS) as usize).min(STEPS - 1);
        let visits = self.scale * height(at_ms) * self.opening[step];
        if at_ms < self.start_ms {
            return 1.0 / visits.max(1e-12);
        }
        // Of a visit that begins shortly before the end only the first lines count.
        let left_ms = self.end_ms.saturating_sub(at_ms).max(0) as f64;
        let behind = self.scale * (area(at_ms) - area(self.start_ms)) - lines as f64;
        let correction = behind
            / CORRECTION_MS.min(left_ms / 2.0).max(1000.0)
            / lines_of_a_visit(open_for_ms.min(left_ms));
        1.0 / (visits + correction).clamp(visits / 10.0, visits * 5.0).max(1e-12)
    }
}

/// How many visits a line must begin in each step after the opening so that the lines come evenly
/// from the start on: as long as the visits under way are young, more of them must make up for it.
fn opening(warm_up_ms: f64) -> Vec<f64> {
    // Lines of visits that began in one step, up to the end of the step `n` after it.
    let until = |n: usize| lines_of_a_visit((n as f64 + 0.5) * STEP_MS);
    let mut visits: Vec<f64> = Vec::with_capacity(STEPS);
    for step in 0..STEPS {
        if step as f64 * STEP_MS < warm_up_ms {
            visits.push(1.0 / lines_of_a_visit(warm_up_ms));
            continue;
        }
        let by_earlier = |(age, visits): (usize, &f64)| visits * (until(age + 1) - until(age));
        let earlier: f64 = visits.iter().rev().enumerate().map(by_earlier).sum();
        visits.push((1.0 - earlier).max(0.0) / until(0));
    }
    visits
}

/// How many lines a visit has brought after that time.
fn lines_of_a_visit(after_ms: f64) -> f64 {
    let mut before = LINES_OF_A_VISIT[0];
    for point in LINES_OF_A_VISIT {
        if after_ms < point.0 {
            let share = (after_ms - before.0) / (point.0 - before.0);
            return before.1 + share * (point.1 - before.1);
        }
        before = point;
    }
    before.1
}

/// The height of the daily curve.
fn height(at_ms: i64) -> f64 {
    let (hour, share) = hour_of(at_ms);
    HOURLY[hour] + (HOURLY[(hour + 1) % 24] - HOURLY[hour]) * share
}

/// The area under the daily curve from 1970 to that instant, in heights × milliseconds.
fn area(at_ms: i64) -> f64 {
    let (hour, share) = hour_of(at_ms);
    let whole: f64 = HOURLY[..hour].iter().zip(&HOURLY[1..]).map(|(a, b)| (a + b) / 2.0).sum();
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
    fn the_opening_brings_lines_evenly() {
        for warm_up_ms in [60_000.0, WARM_UP_MS] {
            let visits = opening(warm_up_ms);
            let lines_in = |step: usize| -> f64 {
                let until = |n: usize| lines_of_a_visit((n as f64 + 0.5) * STEP_MS);
                let younger = |age: usize| if age == 0 { 0.0 } else { until(age - 1) };
                (0..=step).map(|age| visits[step - age] * (until(age) - younger(age))).sum()
            };
            let start = (warm_up_ms / STEP_MS) as usize;
            assert!((start..STEPS).all(|step| (lines_in(step) - 1.0).abs() < 0.01));
        }
    }

    #[test]
    fn whoever_is_behind_hurries() {
        let pace = Pace::finite(1_000_000, 0, 86_400_000);
        let noon = 43_200_000;
        let planned = (pace.scale * area(noon)) as u64;
        let gap_ms = |behind: i64| pace.gap_ms(noon, planned.saturating_add_signed(-behind));
        assert!(gap_ms(2_000) < gap_ms(0) && gap_ms(0) < gap_ms(-2_000));
        assert_eq!(gap_ms(200_000), gap_ms(100_000), "there is a limit to it");
    }
}
