//! `kairos graph`: every journey of the retail pack as Mermaid and SVG, with every step in it.

use crate::cli::{fails, well};
use kairos::define::compile::{Keep, compile};
use kairos::define::files::read_pack;
use kairos::define::parse::parse;
use kairos::define::plan::{Op, Plan};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn plan(folder: &str) -> Plan {
    let (pack, mistakes) = parse(&read_pack(Path::new(folder)).unwrap());
    assert!(mistakes.is_empty());
    compile(&pack, Keep::Used).unwrap()
}

/// The text between tags, entities read; panics where the document is not well-formed.
fn texts(xml: &str) -> Vec<String> {
    let (mut open, mut texts, mut rest) = (Vec::new(), Vec::new(), xml.trim());
    assert!(rest.starts_with("<svg xmlns="), "{rest}");
    while !rest.is_empty() {
        if let Some(tag) = rest.strip_prefix('<') {
            let end = tag.find('>').expect("a tag ends");
            let (inner, after) = (&tag[..end], &tag[end + 1..]);
            assert!(
                !inner.contains('<') && inner.matches('"').count().is_multiple_of(2),
                "<{inner}>"
            );
            match (inner.strip_prefix('/'), inner.ends_with('/')) {
                (Some(name), _) => assert_eq!(open.pop(), Some(name), "{inner} closes"),
                (None, true) => {}
                (None, false) => open.push(inner.split_whitespace().next().unwrap()),
            }
            rest = after;
        } else {
            let end = rest.find('<').unwrap_or(rest.len());
            texts.push(read(&rest[..end]));
            rest = &rest[end..];
        }
        assert!(!open.is_empty() || rest.is_empty(), "one element holds all: {rest}");
    }
    texts
}

fn read(text: &str) -> String {
    let mut out = String::new();
    let mut parts = text.split('&');
    out += parts.next().unwrap();
    for part in parts {
        let (entity, after) = part.split_once(';').expect("an entity ends");
        out += match entity {
            "amp" => "&",
            "lt" => "<",
            "gt" => ">",
            "quot" => "\"",
            other => panic!("&{other};"),
        };
        out += after;
    }
    out
}

#[test]
fn every_step_of_every_retail_journey_is_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(concat!(env!("CARGO_MANIFEST_DIR"), "/dataflows/retail"));
    assert!(plan.journeys.len() > 5);
    for journey in &plan.journeys {
        let name = &journey.name;
        let mermaid = well(dir.path(), &format!("graph {name} --pack RETAIL"));
        assert!(mermaid.starts_with("flowchart TD\n"), "{mermaid}");
        let line = format!("graph {name} --pack RETAIL --format svg --out {name}.svg");
        assert_eq!(well(dir.path(), &line), "");
        let svg = fs::read_to_string(dir.path().join(format!("{name}.svg"))).unwrap();
        let texts: Vec<String> = texts(&svg);
        let steps = journey.program.iter().filter(|op| op.op.kind().is_some());
        let steps: BTreeSet<&str> = steps.map(|op| op.path.as_str()).collect();
        for path in steps {
            let id = format!("s{}", path.replace('.', "_"));
            let label = format!("\"{path} ");
            let boxes = mermaid.lines().filter(|line| line.contains(&label)).count();
            assert_eq!(boxes, 1, "{name} {path} in\n{mermaid}");
            let is_reached = |line: &str| line.contains("-->") && line.ends_with(&format!(" {id}"));
            assert!(mermaid.lines().any(is_reached), "{name} {path} in\n{mermaid}");
            let boxes = texts.iter().filter(|text| *text == path).count();
            assert_eq!(boxes, 1, "{name} {path} in\n{svg}");
        }
        for op in &journey.program {
            let Op::Send(send) = op.op else { continue };
            let send = &plan.sends[usize::from(send.0)];
            let channel = format!("send {}", send.channel);
            assert!(mermaid.contains(&format!("{channel}<br/>{}", send.template)), "{mermaid}");
            assert!(texts.contains(&channel) && texts.contains(&send.template), "{svg}");
        }
        let goals = journey.exits.iter().filter(|exit| exit.goal).count();
        assert_eq!(texts.iter().filter(|text| *text == "goal").count(), goals, "{svg}");
        assert_eq!(mermaid.matches("goal: ").count(), goals, "{mermaid}");
    }
}

#[test]
fn a_small_journey_as_people_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let pack = "\
facts:
  orders: { count: Order Completed }
journeys:
  hello:
    enter: { on: Signed Up, where: event.plan == \"a<b\" && event.n > 1 }
    exit: [ { on: Order Completed, goal: true, value: event.total } ]
    steps:
      - choose:
          - when: orders > 0
            do: [ end ]
      - wait: { on: Product Viewed, timeout: 2d, then: [ { send: { channel: push, template: seen } } ] }
      - split:
          - { name: a, percent: 66.67, do: [ set: { tier: '\"x\"' } ] }
          - { name: control, percent: 33.33, hold_out: true }
";
    fs::write(dir.path().join("pack.yaml"), pack).unwrap();
    let expected = "\
flowchart TD
  enter([\"enter on Signed Up<br/>where event.plan == #quot;a#lt;b#quot; #amp;#amp; event.n #gt; 1<br/>again after exit\"])
  subgraph steps [\"hello\"]
    s1{\"1 choose\"}
    s1_1_1((\"1.1.1 end\"))
    s2([\"2 wait for Product Viewed\"])
    s2_1_1[[\"2.1.1 send push<br/>seen\"]]
    s3{\"3 split\"}
    s3_1_1[\"3.1.1 set tier = #quot;x#quot;\"]
  end
  finished([\"finished\"])
  goal0([\"goal: Order Completed<br/>worth event.total\"])
  steps -. at any time .-> goal0
  enter --> s1
  s1 -->|\"orders #gt; 0\"| s1_1_1
  s1 -->|\"else\"| s2
  s2 -->|\"in time\"| s2_1_1
  s2_1_1 --> s3
  s2 -->|\"not within 2d\"| s3
  s3 -->|\"a: 66.67 %\"| s3_1_1
  s3_1_1 --> finished
  s3 -->|\"control: 33.33 %, held out\"| finished
";
    let drawn = well(dir.path(), "graph hello --pack pack.yaml");
    assert!(drawn.starts_with(expected), "{drawn}");
    let texts = texts(&well(dir.path(), "graph hello --pack pack.yaml --format svg"));
    assert!(texts.iter().any(|text| text.contains("\"a<b\"")), "{texts:?}");
}

#[test]
fn a_journey_that_is_not_there_is_guessed() {
    let dir = tempfile::tempdir().unwrap();
    let said = fails(dir.path(), 1, "graph abandond-cart --pack RETAIL");
    assert!(said.contains("did you mean \"abandoned-cart\"?"), "{said}");
    let said = fails(dir.path(), 1, "graph zzz --pack RETAIL");
    assert!(said.contains("there are abandoned-cart, "), "{said}");
}
