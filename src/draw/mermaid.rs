//! A journey as Mermaid text.

use super::flow::{Block, Branching, Flow, Kind, ends};
use std::fmt::Write;

/// The flowchart of a journey.
pub fn mermaid(flow: &Flow) -> String {
    let mut chart = Chart::default();
    let _ = writeln!(chart.out, "flowchart TD");
    let _ = writeln!(chart.out, "  enter([{}])", quoted(&flow.entry, ""));
    let _ =
        writeln!(chart.out, "  subgraph steps [{}]", quoted(std::slice::from_ref(&flow.name), ""));
    let last = chart.steps(&flow.steps, vec![("enter".to_owned(), String::new())]);
    let _ = writeln!(chart.out, "  end");
    if !last.is_empty() {
        let _ = writeln!(chart.out, "  finished([\"finished\"])");
        chart.join(&last, "finished");
    }
    for (at, way) in flow.exits.iter().enumerate() {
        let (name, word) = if way.goal { ("goal", "goal") } else { ("exit", "exit") };
        let _ = writeln!(chart.out, "  {name}{at}([{}])", quoted(&way.lines, &format!("{word}: ")));
        let _ = writeln!(chart.out, "  steps -. at any time .-> {name}{at}");
    }
    chart.out.push_str(&chart.edges);
    chart.out.push_str(STYLES);
    for (class, of) in [("wait", Kind::Wait), ("send", Kind::Send), ("act", Kind::Act)] {
        let of = chart.ids.iter().filter(|(_, kind)| *kind == of);
        let of: Vec<&str> = of.map(|(id, _)| id.as_str()).collect();
        if !of.is_empty() {
            let _ = writeln!(chart.out, "  class {} {class}", of.join(","));
        }
    }
    let goals = flow.exits.iter().enumerate().filter(|(_, way)| way.goal);
    let goals: Vec<String> = goals.map(|(at, _)| format!("goal{at}")).collect();
    if !goals.is_empty() {
        let _ = writeln!(chart.out, "  class {} goal", goals.join(","));
    }
    chart.out
}

const STYLES: &str = "  classDef wait stroke-dasharray:4 3
  classDef send fill:#2f6fde,stroke:#2f6fde,color:#fff
  classDef act stroke:#b455c9
  classDef goal fill:#1f9d75,stroke:#1f9d75,color:#fff
";

#[derive(Default)]
struct Chart {
    out: String,
    /// Written last, so that they make no box.
    edges: String,
    ids: Vec<(String, Kind)>,
}

/// Boxes from which the next one is reached, each with what is said of that way.
type Open = Vec<(String, String)>;

impl Chart {
    /// Writes steps one after the other; gives where they leave off.
    fn steps(&mut self, steps: &[Block], mut open: Open) -> Open {
        for step in steps {
            let id = format!("s{}", step.path.replace('.', "_"));
            let label = quoted(&step.lines, &format!("{} ", step.path));
            let (left, right) = match step.kind {
                Kind::Wait => ("([", "])"),
                Kind::Decide => ("{", "}"),
                Kind::Send => ("[[", "]]"),
                Kind::Act => ("[", "]"),
                Kind::End => ("((", "))"),
            };
            let _ = writeln!(self.out, "    {id}{left}{label}{right}");
            self.join(&open, &id);
            self.ids.push((id.clone(), step.kind));
            open = match step.kind {
                Kind::End => Vec::new(),
                _ if step.arms.is_empty() => vec![(id, String::new())],
                _ => self.arms(&step.arms, &id),
            };
        }
        open
    }

    fn arms(&mut self, arms: &[Branching], from: &str) -> Open {
        let mut open = Vec::new();
        for arm in arms {
            let ways = self.steps(&arm.steps, vec![(from.to_owned(), arm.label.clone())]);
            if !ends(&arm.steps) {
                open.extend(ways);
            }
        }
        open
    }

    fn join(&mut self, from: &Open, to: &str) {
        for (from, label) in from {
            let label = match label.is_empty() {
                true => String::new(),
                false => format!("|{}|", quoted(std::slice::from_ref(label), "")),
            };
            let _ = writeln!(self.edges, "  {from} -->{label} {to}");
        }
    }
}

/// Lines as a label. Mermaid has entities of its own.
fn quoted(lines: &[String], before: &str) -> String {
    let mut out = String::from("\"");
    for (at, line) in lines.iter().enumerate() {
        out.push_str(if at == 0 { before } else { "<br/>" });
        for c in line.chars() {
            match c {
                '"' => out.push_str("#quot;"),
                '<' => out.push_str("#lt;"),
                '>' => out.push_str("#gt;"),
                '&' => out.push_str("#amp;"),
                '#' => out.push_str("#35;"),
                ';' => out.push_str("#59;"),
                '`' => out.push_str("#96;"),
                '\\' => out.push_str("#92;"),
                c if c.is_control() => out.push(' '),
                c => out.push(c),
            }
        }
    }
    out + "\""
}
