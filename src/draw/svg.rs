//! A journey as an SVG document. Steps are nested as they are written, so that the layout is too: boxes stand below one
//! another on an axis, arms of a fork side by side below it, and no two lines cross.

use super::escaped;
use super::flow::{Block, Branching, Flow, Kind, Way, ends};
use super::text::{LINE, SIZE, width, wrapped};
use std::fmt::Write;

/// The widest text in a box, in pixels.
const TEXT_MAX: f64 = 230.0;
const PAD: f64 = 12.0;
/// Between boxes below one another, between arms, and around everything.
const DOWN: f64 = 26.0;
const ASIDE: f64 = 22.0;
const MARGIN: f64 = 20.0;
/// The height of a path above the text of its box.
const TAG: f64 = 14.0;

const STYLE: &str = "\
svg{color-scheme:light dark;--ink:#1d2330;--soft:#5c6575;--paper:#fff;--box:#f4f6f9;--rule:#aab3c0;--send:#dbe7fd;--sent:#2f6fde;--act:#f3e3f8;--acts:#b455c9;--goal:#d5f0e5;--goals:#1f9d75;font-family:Helvetica,Arial,'Liberation Sans','DejaVu Sans',sans-serif}
@media(prefers-color-scheme:dark){svg{--ink:#e6e9ef;--soft:#a3acbb;--paper:#14171d;--box:#212630;--rule:#5b6575;--send:#1e3358;--sent:#6ea3ff;--act:#3d2646;--acts:#d58be6;--goal:#143a2d;--goals:#4fc79f}}
.paper{fill:var(--paper)}
text{fill:var(--ink);text-anchor:middle}
.tag,.label{fill:var(--soft)}
.tag{text-anchor:start;font-size:10px}
.title{text-anchor:start;font-weight:bold;font-size:16px}
.box{fill:var(--box);stroke:var(--rule)}
.wait{stroke-dasharray:4 3}
.send{fill:var(--send);stroke:var(--sent)}
.act{fill:var(--act);stroke:var(--acts)}
.goal{fill:var(--goal);stroke:var(--goals)}
.frame{fill:none;stroke:var(--rule);stroke-dasharray:2 4}
.edge{fill:none;stroke:var(--rule);stroke-width:1.3}
.arrow{fill:var(--rule)}
";

/// The document.
pub fn svg(flow: &Flow) -> String {
    let entry = Part::boxed("box", &flow.entry, "");
    let mut inner = Part::column(&flow.steps);
    inner.framed();
    let mut column = vec![entry, inner];
    if !ends(&flow.steps) {
        column.push(Part::boxed("box", &["finished".to_owned()], ""));
    }
    let main = Part::stacked(column);
    let ways: Vec<Part> = flow.exits.iter().map(exit).collect();
    let title = (flow.name.as_str(), MARGIN + LINE);
    let top = MARGIN + 2.0 * LINE;
    let mut canvas = Canvas::default();
    canvas.part(&main, MARGIN, top);
    let (mut right, mut bottom) = (MARGIN + main.width, top + main.height);
    if !ways.is_empty() {
        let below = canvas.exits(&ways, right, main.frame_top(top));
        right += 3.0 * ASIDE + ways.iter().map(|way| way.width).fold(0.0, f64::max);
        bottom = bottom.max(below);
    }
    let right = right.max(MARGIN + width(&flow.name) * 16.0 / SIZE * 1.15);
    document(title, right + MARGIN, bottom + MARGIN, &canvas.out)
}

fn document((name, at): (&str, f64), wide: f64, high: f64, inside: &str) -> String {
    let name = escaped(name);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide:.0} {high:.0}\" width=\"{wide:.0}\" height=\"{high:.0}\" role=\"img\" font-size=\"{SIZE}\">\n\
         <title>Journey {name}</title>\n<style>{STYLE}</style>\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path class=\"arrow\" d=\"M0 0L8 4L0 8z\"/></marker></defs>\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"{at}\">{name}</text>\n{inside}</svg>\n"
    )
}

fn exit(way: &Way) -> Part {
    let word = if way.goal { "goal" } else { "exit" };
    Part::boxed(if way.goal { "box goal" } else { "box" }, &way.lines, word)
}

/// Something with a place of its own; everything in it is told from its upper left corner.
struct Part {
    width: f64,
    height: f64,
    /// From where it is come to, at its top, and left, at its bottom.
    axis: f64,
    /// Whether the way goes on below it.
    goes_on: bool,
    what: What,
}

enum What {
    Box {
        class: &'static str,
        tag: String,
        lines: Vec<String>,
    },
    /// What is said of a way, on the way.
    Label(Vec<String>),
    /// Nothing but the way on.
    Nothing,
    /// Below one another, on one axis.
    Stack {
        parts: Vec<Part>,
        framed: bool,
    },
    /// A box and the ways on from it, side by side.
    Fork {
        head: Box<Part>,
        arms: Vec<Part>,
    },
}

impl Part {
    fn boxed(class: &'static str, lines: &[String], tag: &str) -> Part {
        let lines: Vec<String> = lines.iter().flat_map(|line| wrapped(line, TEXT_MAX)).collect();
        let widest = lines.iter().map(|line| width(line)).fold(width(tag), f64::max);
        let wide = widest + 2.0 * PAD;
        let height = lines.len() as f64 * LINE + PAD + if tag.is_empty() { 0.0 } else { TAG };
        let what = What::Box { class, tag: tag.to_owned(), lines };
        Part { width: wide, height, axis: wide / 2.0, goes_on: true, what }
    }

    fn label(text: &str) -> Part {
        let lines = wrapped(text, TEXT_MAX);
        let wide = lines.iter().map(|line| width(line)).fold(0.0, f64::max) + PAD;
        let height = lines.len() as f64 * LINE;
        Part { width: wide, height, axis: wide / 2.0, goes_on: true, what: What::Label(lines) }
    }

    fn nothing() -> Part {
        Part { width: 0.0, height: 0.0, axis: 0.0, goes_on: true, what: What::Nothing }
    }

    /// Steps below one another.
    fn column(steps: &[Block]) -> Part {
        match steps.is_empty() {
            true => Part::nothing(),
            false => Part::stacked(steps.iter().map(Part::step).collect()),
        }
    }

    fn step(step: &Block) -> Part {
        let class = match step.kind {
            Kind::Wait => "box wait",
            Kind::Send => "box send",
            Kind::Act => "box act",
            Kind::Decide | Kind::End => "box",
        };
        let head = Part::boxed(class, &step.lines, &step.path);
        if step.arms.is_empty() {
            return Part { goes_on: step.kind != Kind::End, ..head };
        }
        Part::fork(head, step.arms.iter().map(Part::arm).collect())
    }

    fn arm(arm: &Branching) -> Part {
        let steps = Part::column(&arm.steps);
        let goes_on = !ends(&arm.steps);
        Part { goes_on, ..Part::stacked(vec![Part::label(&arm.label), steps]) }
    }

    fn stacked(parts: Vec<Part>) -> Part {
        let axis = parts.iter().map(|part| part.axis).fold(0.0, f64::max);
        let after = parts.iter().map(|part| part.width - part.axis).fold(0.0, f64::max);
        let gaps = parts.len().saturating_sub(1) as f64 * DOWN;
        let height = parts.iter().map(|part| part.height).sum::<f64>() + gaps;
        let goes_on = parts.last().is_none_or(|last| last.goes_on);
        let what = What::Stack { parts, framed: false };
        Part { width: axis + after, height, axis, goes_on, what }
    }

    fn fork(head: Part, arms: Vec<Part>) -> Part {
        let gaps = arms.len().saturating_sub(1) as f64 * ASIDE;
        let below = arms.iter().map(|arm| arm.width).sum::<f64>() + gaps;
        // In the middle of the ways on, so that lines go out to both sides alike.
        let first = arms.first().map_or(0.0, |arm| arm.axis);
        let last = arms.last().map_or(0.0, |arm| below - arm.width + arm.axis);
        let middle = (first + last) / 2.0;
        let axis = middle.max(head.axis);
        let after = (below - middle).max(head.width - head.axis);
        let deepest = arms.iter().map(|arm| arm.height).fold(0.0, f64::max);
        let goes_on = arms.iter().any(|arm| arm.goes_on);
        let joined = if goes_on { DOWN } else { 0.0 };
        let height = head.height + DOWN + deepest + joined;
        let what = What::Fork { head: Box::new(head), arms };
        Part { width: axis + after, height, axis, goes_on, what }
    }

    /// Puts a frame around it, with room to its contents.
    fn framed(&mut self) {
        if let What::Stack { framed, .. } = &mut self.what {
            *framed = true;
            (self.width, self.height) = (self.width + 2.0 * PAD, self.height + 2.0 * PAD);
            self.axis += PAD;
        }
    }

    /// Where the frame in a column begins.
    fn frame_top(&self, top: f64) -> f64 {
        match &self.what {
            What::Stack { parts, .. } => top + parts.first().map_or(0.0, |it| it.height) + DOWN,
            _ => top,
        }
    }
}

/// What has been drawn.
#[derive(Default)]
struct Canvas {
    out: String,
}

impl Canvas {
    /// Draws a part with its corner here.
    fn part(&mut self, part: &Part, x: f64, y: f64) {
        match &part.what {
            What::Box { class, tag, lines } => self.boxed(part, (x, y), class, tag, lines),
            What::Label(lines) => self.lines("label", lines, x + part.axis, y),
            What::Nothing => {}
            What::Stack { parts, framed } => self.stack(part, parts, *framed, x, y),
            What::Fork { head, arms } => self.fork(part, head, arms, x, y),
        }
    }

    fn boxed(&mut self, part: &Part, (x, y): (f64, f64), class: &str, tag: &str, lines: &[String]) {
        let (wide, high) = (part.width, part.height);
        let _ = writeln!(
            self.out,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{high:.1}\" rx=\"6\"/>"
        );
        let mut top = y + PAD / 2.0;
        if !tag.is_empty() {
            let (left, base) = (x + PAD / 2.0, y + TAG);
            let tag = escaped(tag);
            let _ = writeln!(
                self.out,
                "<text class=\"tag\" x=\"{left:.1}\" y=\"{base:.1}\">{tag}</text>"
            );
            top += TAG;
        }
        self.lines("", lines, x + part.axis, top);
    }

    fn lines(&mut self, class: &str, lines: &[String], middle: f64, top: f64) {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        for (at, line) in lines.iter().enumerate() {
            let base = top + at as f64 * LINE + SIZE;
            let line = escaped(line);
            let _ =
                writeln!(self.out, "<text{class} x=\"{middle:.1}\" y=\"{base:.1}\">{line}</text>");
        }
    }

    fn stack(&mut self, part: &Part, parts: &[Part], framed: bool, x: f64, y: f64) {
        let axis = x + part.axis;
        let mut top = y;
        if framed {
            let (wide, high) = (part.width, part.height);
            let _ = writeln!(
                self.out,
                "<rect class=\"frame\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{high:.1}\" rx=\"8\"/>"
            );
            top += PAD;
        }
        for (at, inner) in parts.iter().enumerate() {
            if at > 0 && parts[at - 1].goes_on {
                let is_drawn = !matches!(inner.what, What::Nothing);
                // The first step stands within the frame.
                let inside = matches!(inner.what, What::Stack { framed: true, .. });
                self.edge(axis, top - DOWN, top + if inside { PAD } else { 0.0 }, is_drawn);
            }
            // The way on leads out of the frame.
            if matches!(inner.what, What::Stack { framed: true, .. }) && at + 1 < parts.len() {
                self.edge(axis, top + inner.height - PAD, top + inner.height, false);
            }
            self.part(inner, axis - inner.axis, top);
            top += inner.height + DOWN;
        }
    }

    fn fork(&mut self, part: &Part, head: &Part, arms: &[Part], x: f64, y: f64) {
        let axis = x + part.axis;
        self.part(head, axis - head.axis, y);
        let split = y + head.height + DOWN / 2.0;
        let top = y + head.height + DOWN;
        let join = y + part.height;
        let gaps = arms.len().saturating_sub(1) as f64 * ASIDE;
        let first = arms.first().map_or(0.0, |arm| arm.axis);
        let last = arms.last().map_or(0.0, |arm| arm.width - arm.axis);
        let wide = arms.iter().map(|arm| arm.width).sum::<f64>() + gaps;
        let mut left = axis - first - (wide - first - last) / 2.0;
        for arm in arms {
            let middle = left + arm.axis;
            let _ = writeln!(
                self.out,
                "<path class=\"edge\" d=\"M{axis:.1} {:.1}V{split:.1}H{middle:.1}V{top:.1}\"/>",
                y + head.height
            );
            self.part(arm, left, top);
            if arm.goes_on {
                let end = top + arm.height;
                let _ = writeln!(
                    self.out,
                    "<path class=\"edge\" d=\"M{middle:.1} {end:.1}V{:.1}H{axis:.1}V{join:.1}\"/>",
                    join - DOWN / 2.0
                );
            }
            left += arm.width + ASIDE;
        }
    }

    fn edge(&mut self, x: f64, from: f64, to: f64, arrow: bool) {
        let arrow = if arrow { " marker-end=\"url(#arrow)\"" } else { "" };
        let _ = writeln!(self.out, "<path class=\"edge\" d=\"M{x:.1} {from:.1}V{to:.1}\"{arrow}/>");
    }

    /// Ways out beside the frame; gives where the last one ends.
    fn exits(&mut self, ways: &[Part], right: f64, top: f64) -> f64 {
        let left = right + 3.0 * ASIDE;
        let mut y = top;
        let label = wrapped("at any time", 3.0 * ASIDE + 40.0);
        self.lines("label", &label, left + width("at any time") / 2.0, y - LINE);
        let first = top + ways.first().map_or(0.0, |way| way.height / 2.0);
        for way in ways {
            let middle = y + way.height / 2.0;
            let _ = writeln!(
                self.out,
                "<path class=\"edge wait\" d=\"M{right:.1} {first:.1}H{:.1}V{middle:.1}H{left:.1}\" marker-end=\"url(#arrow)\"/>",
                right + ASIDE
            );
            self.part(way, left, y);
            y += way.height + DOWN;
        }
        y - DOWN
    }
}
