use super::*;
use crate::define::ast::SourceFile;
use crate::define::compile::{Keep, compile};
use crate::define::parse::parse;
use crate::person::views::Bounds;
use crate::sink::Labels;
use crate::time::clock::Manual;

const PACK: &str = "
segments:
  vip: list

journeys:
  welcome:
    enter: { on: Signed Up }
    steps:
      - send: { channel: email, template: hello }
      - send: { channel: sms, template: hello }

policy:
  caps:
    - { channel: sms, max: 1, per: day }
";

fn outputs(count: impl Fn(&[String; 4]) -> u64) -> Outputs {
    let files = [SourceFile { path: "pack.yaml".into(), text: PACK.into() }];
    let (pack, mistakes) = parse(&files);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    let plan = Arc::new(compile(&pack, Keep::All).unwrap());
    let labels = Arc::new(Labels::new(&plan));
    let counts: Vec<u64> = (0..labels.len()).map(|at| count(labels.name(at as u32))).collect();
    Outputs::new(plan, labels, Box::new(move || counts.clone()))
}

fn metrics() -> (Arc<Manual>, Metrics) {
    let clock = Arc::new(Manual::default());
    (clock.clone(), Metrics::new(clock, 2))
}

#[test]
fn every_metric_of_the_table_is_rendered_in_its_order() {
    let (_, metrics) = metrics();
    let text = metrics.render(&outputs(|_| 1), &Views::new(Bounds::default(), 2));
    let rendered: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let table: Vec<String> =
        table::ALL.iter().map(|metric| format!("{} {}", metric.name, metric.of.as_str())).collect();
    assert_eq!(rendered, table);
}

#[test]
fn what_is_published_is_read_from_the_labels() {
    let outputs = outputs(|[section, _, step, what]| match (section.as_str(), what.as_str()) {
        ("journeys", "entered") => 10,
        ("journeys", "finished" | "goal") => 2,
        ("segments", "entered") => 5,
        ("segments", "left") => 1,
        ("decisions", "send") => 3,
        ("decisions", "drop: cap 1 per day") if step.contains(" sms ") => 4,
        ("decisions", what) if what.starts_with("drop: cap") && step.contains(" sms ") => 4,
        ("rejects", "not JSON") => 6,
        _ => 0,
    });
    let tally = outputs.tally();
    assert_eq!(tally.journeys[0].open(), 6);
    assert_eq!(tally.segments[0].members(), 4);
    assert_eq!(tally.outcomes("welcome"), [6, 0, 4]);
    let decisions: Vec<String> =
        tally.decisions.iter().map(|(key, n)| format!("{} {n}", key[1..].join("/"))).collect();
    assert_eq!(decisions.len(), 3, "{decisions:?}");
    assert_eq!(decisions[0], "email/send/ 3");
    assert!(decisions[1].starts_with("sms/drop/cap ") && decisions[1].ends_with(" 4"));
    assert_eq!(decisions[2], "sms/send/ 3");
    let (_, metrics) = metrics();
    let text = metrics.render(&outputs, &Views::new(Bounds::default(), 2));
    for line in [
        r#"kairos_rejects_total{reason="not JSON"} 6"#,
        r#"kairos_decisions_total{journey="welcome",channel="sms",outcome="send",reason=""} 3"#,
        r#"kairos_journey_changes_total{journey="welcome",change="goal"} 2"#,
        r#"kairos_segment_members{segment="vip"} 4"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[test]
fn the_watermark_delay_grows_while_nothing_happens() {
    let (clock, metrics) = metrics();
    assert_eq!(metrics.watermark_delay(), None);
    clock.advance(Duration::from_secs(10));
    metrics.set_watermark(9_000);
    assert_eq!(metrics.watermark_delay(), Some(1_000));
    clock.advance(Duration::from_secs(5));
    assert_eq!(metrics.watermark_delay(), Some(6_000));
}

#[test]
fn the_age_of_a_checkpoint_counts_from_the_start_until_there_is_one() {
    let (clock, metrics) = metrics();
    clock.advance(Duration::from_secs(3));
    assert_eq!(metrics.checkpoint_age(), 3_000);
    metrics.checkpoint(Duration::from_millis(20), 1_000);
    clock.advance(Duration::from_secs(1));
    assert_eq!(metrics.checkpoint_age(), 1_000);
}

#[test]
fn events_a_second_are_those_of_the_last_windows() {
    let (clock, metrics) = metrics();
    metrics.workers[0].events_read.add(1_000);
    metrics.turn();
    clock.advance(Duration::from_secs(10));
    metrics.workers[1].events_read.add(200);
    assert_eq!(metrics.events_per_second(), 120);
    metrics.turn();
    clock.advance(Duration::from_secs(10));
    metrics.workers[1].events_read.add(200);
    assert_eq!(metrics.events_per_second(), 20);
}

#[test]
fn heavy_identifiers_are_named_for_five_minutes() {
    let (clock, metrics) = metrics();
    metrics.heavy(Weight::Usual, || unreachable!("nobody asks for the name"));
    metrics.heavy(Weight::Flagged, || "anonymous:bot".into());
    metrics.heavy(Weight::Heavy, || unreachable!("nobody asks for the name"));
    metrics.heavy(Weight::Flagged, || "anonymous:bot".into());
    assert_eq!(metrics.heavy_identifiers(), ["anonymous:bot"]);
    assert_eq!(metrics.heavy_events.get(), 3);
    clock.advance(Duration::from_secs(301));
    assert!(metrics.heavy_identifiers().is_empty());
    (0..200).for_each(|n| metrics.heavy(Weight::Flagged, || format!("user:{n}").into()));
    assert_eq!(metrics.heavy_identifiers().len(), HEAVY_NAMES_MAX);
}

#[test]
fn health_says_what_holds_it_up() {
    let health = Health::default();
    assert_eq!((health.is_alive(), health.is_caught_up()), (true, false));
    health.set_caught_up(true);
    assert_eq!(health.reason(), "");
    health.set_caught_up(false);
    assert_eq!(health.reason(), "reading a backlog");
    health.fail("worker 1 panicked");
    health.set_caught_up(true);
    assert_eq!((health.is_alive(), health.reason().as_str()), (false, "worker 1 panicked"));
}
