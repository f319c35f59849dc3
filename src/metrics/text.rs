//! The Prometheus text format (version 0.0.4), written.

use super::histogram::Snapshot;
use super::table::{Metric, Type};
use std::fmt::{Display, Write};

/// Upper bounds of a histogram's buckets: in microseconds, and as they are written, in seconds.
pub const BOUNDS: [(u64, &str); 17] = [
    (1_000, "0.001"),
    (2_000, "0.002"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (20_000, "0.02"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (200_000, "0.2"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_000_000, "2"),
    (5_000_000, "5"),
    (10_000_000, "10"),
    (20_000_000, "20"),
    (30_000_000, "30"),
    (45_000_000, "45"),
    (60_000_000, "60"),
];

/// Text that grows, family by family.
#[derive(Default)]
pub struct Writer {
    out: String,
}

const MEMORY: &str = "writing to memory";

impl Writer {
    /// Begins a family; its samples follow.
    fn family(&mut self, metric: &Metric) {
        let Metric { name, of, help, .. } = metric;
        let help = help.replace('\\', "\\\\");
        let of = of.as_str();
        write!(self.out, "# HELP {name} {help}\n# TYPE {name} {of}\n").expect(MEMORY);
    }

    /// A family of one sample without labels.
    pub fn one(&mut self, metric: &Metric, value: impl Display) {
        self.many(metric, [([], value)]);
    }

    /// A family with one sample, or none while the value is not known.
    pub fn known(&mut self, metric: &Metric, value: Option<impl Display>) {
        self.many(metric, value.map(|value| ([], value)));
    }

    /// A family of any number of samples, each with the values of the metric's labels.
    pub fn many<'a, const N: usize, V: Display>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = ([&'a str; N], V)>,
    ) {
        debug_assert_eq!(metric.labels.len(), N, "{} has its labels", metric.name);
        self.family(metric);
        for (values, value) in samples {
            self.out.push_str(metric.name);
            for (at, (label, text)) in metric.labels.iter().zip(values).enumerate() {
                self.out.push(if at == 0 { '{' } else { ',' });
                self.out.push_str(label);
                self.out.push_str("=\"");
                escape(&mut self.out, text);
                self.out.push('"');
            }
            let close = if N > 0 { "}" } else { "" };
            writeln!(self.out, "{close} {value}").expect(MEMORY);
        }
    }

    /// A histogram, with cumulative buckets at [`BOUNDS`].
    pub fn histogram(&mut self, metric: &Metric, snapshot: &Snapshot) {
        debug_assert_eq!(metric.of, Type::Histogram, "{}", metric.name);
        self.family(metric);
        let name = metric.name;
        for ((_, bound), count) in BOUNDS.iter().zip(snapshot.buckets) {
            writeln!(self.out, "{name}_bucket{{le=\"{bound}\"}} {count}").expect(MEMORY);
        }
        let count = snapshot.count;
        writeln!(self.out, "{name}_bucket{{le=\"+Inf\"}} {count}").expect(MEMORY);
        writeln!(self.out, "{name}_sum {}", Micros(snapshot.sum)).expect(MEMORY);
        writeln!(self.out, "{name}_count {count}").expect(MEMORY);
    }

    /// The text.
    pub fn finish(self) -> String {
        self.out
    }
}

/// Microseconds, written as seconds without going through floating point.
pub struct Micros(pub u64);

impl Display for Micros {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// Milliseconds, written as seconds; may be negative.
pub struct Millis(pub i64);

impl Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sign, millis) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        write!(f, "{sign}{}.{:03}", millis / 1_000, millis % 1_000)
    }
}

fn escape(out: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            _ => out.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::histogram::Histogram;
    use super::super::table::{EVENT_TO_TRIGGER, EVENTS_READ, REJECTS, WATERMARK_DELAY};
    use super::*;

    #[test]
    fn families_and_escapes() {
        let mut writer = Writer::default();
        writer.one(&EVENTS_READ, 7);
        writer.many(&REJECTS, [(["a \"b\"\\\nc"], 1), (["d"], 2)]);
        writer.known(&WATERMARK_DELAY, None::<Millis>);
        let text = writer.finish();
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                "kairos_events_read_total 7",
                r#"kairos_rejects_total{reason="a \"b\"\\\nc"} 1"#,
                r#"kairos_rejects_total{reason="d"} 2"#
            ]
        );
        assert!(text.contains("# TYPE kairos_watermark_delay_seconds gauge\n"));
    }

    #[test]
    fn buckets_are_cumulative() {
        let histogram = Histogram::default();
        for micros in [500, 1_000, 1_500, 70_000_000] {
            histogram.record(micros);
        }
        let mut writer = Writer::default();
        writer.histogram(&EVENT_TO_TRIGGER, &histogram.snapshot());
        let text = writer.finish();
        for line in [
            "kairos_event_to_trigger_seconds_bucket{le=\"0.001\"} 2\n",
            "kairos_event_to_trigger_seconds_bucket{le=\"0.002\"} 3\n",
            "kairos_event_to_trigger_seconds_bucket{le=\"60\"} 3\n",
            "kairos_event_to_trigger_seconds_bucket{le=\"+Inf\"} 4\n",
            "kairos_event_to_trigger_seconds_sum 70.003000\n",
            "kairos_event_to_trigger_seconds_count 4\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }

    #[test]
    fn seconds_are_exact() {
        assert_eq!(Micros(1_000_001).to_string(), "1.000001");
        assert_eq!(Millis(-1_002).to_string(), "-1.002");
    }
}
