//! Stacked bars over time. Drawn by `plotters` in fixed colours, which the style sheet turns into those of the page, so that
//! one drawing does for light and dark.

use super::escaped;
use plotters::prelude::*;

/// Series beyond this many take the colours from the beginning again.
pub const SERIES: usize = 6;

/// What `plotters` draws the series in; the style sheet knows them by these.
const COLOURS: [RGBColor; SERIES] = [
    RGBColor(0x10, 0x00, 0x01),
    RGBColor(0x10, 0x00, 0x02),
    RGBColor(0x10, 0x00, 0x03),
    RGBColor(0x10, 0x00, 0x04),
    RGBColor(0x10, 0x00, 0x05),
    RGBColor(0x10, 0x00, 0x06),
];

/// The style sheet of charts. The page gives `--ink`, `--rule` and `--s0` to `--s5`.
pub const STYLE: &str = "\
svg.chart{width:100%;height:auto;display:block}
svg.chart text{fill:var(--ink);font-family:inherit}
svg.chart line,svg.chart polyline{stroke:var(--rule)}
svg.chart [fill=\"#100001\"]{fill:var(--s0)}
svg.chart [fill=\"#100002\"]{fill:var(--s1)}
svg.chart [fill=\"#100003\"]{fill:var(--s2)}
svg.chart [fill=\"#100004\"]{fill:var(--s3)}
svg.chart [fill=\"#100005\"]{fill:var(--s4)}
svg.chart [fill=\"#100006\"]{fill:var(--s5)}
";

const WIDTH: u32 = 960;
const HEIGHT: u32 = 280;
const FONT: (&str, u32) = ("sans-serif", 13);

/// Part of a step's width that its bar leaves free on either side, where there is room for it.
const GAP: f64 = 0.1;
const STEPS_WITH_GAPS: usize = 200;

/// Counts of several series over the same steps of time, one bar a step. `title` is for those who do not see it.
pub fn over_time(title: &str, steps: &[String], series: &[Vec<u64>]) -> String {
    let totals = (0..steps.len()).map(|at| series.iter().filter_map(|one| one.get(at)).sum());
    let most: u64 = totals.max().unwrap_or(0).max(1);
    let mut svg = String::new();
    drawn(&mut svg, steps, series, most).expect("drawing into memory");
    let size = format!("<svg width=\"{WIDTH}\" height=\"{HEIGHT}\" ");
    let named = format!("<svg class=\"chart\" role=\"img\" aria-label=\"{}\" ", escaped(title));
    svg.replacen(&size, &named, 1)
}

type Wrong = DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>;

fn drawn(svg: &mut String, steps: &[String], series: &[Vec<u64>], most: u64) -> Result<(), Wrong> {
    let root = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
    let digits = most.to_string().len() as u32;
    let mut chart = ChartBuilder::on(&root)
        .margin(8)
        .margin_right(24)
        .x_label_area_size(28)
        .y_label_area_size(24 + 8 * digits)
        .build_cartesian_2d(0.0..steps.len().max(1) as f64, 0..most + most.div_ceil(12))?;
    let label = |at: &f64| steps.get(*at as usize).cloned().unwrap_or_default();
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .label_style(FONT)
        .x_labels(8)
        .x_label_formatter(&label)
        .y_labels(6)
        .draw()?;
    let mut below = vec![0; steps.len()];
    let gap = if steps.len() > STEPS_WITH_GAPS { 0.0 } else { GAP };
    for (number, counts) in series.iter().enumerate() {
        let colour = COLOURS[number % SERIES];
        let bars = below.iter_mut().zip(counts).enumerate();
        let bars = bars.filter(|(_, (_, count))| **count > 0).map(|(at, (below, count))| {
            let from = *below;
            *below += count;
            let left = at as f64;
            Rectangle::new([(left + gap, from), (left + 1.0 - gap, *below)], colour.filled())
        });
        chart.draw_series(bars)?;
    }
    root.present()
}
