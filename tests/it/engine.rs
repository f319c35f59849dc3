//! The engine as tests use it: a pack as text, lines in, outputs and facts out.

use kairos::dataflow::{Job, run};
use kairos::define::ast::{Pack, SourceFile};
use kairos::define::compile::{Keep, compile};
use kairos::define::diagnostic::render;
use kairos::define::parse::parse;
use kairos::define::plan::{FactId, FactRule, Plan, PropertyType};
use kairos::epoch::Timeline;
use kairos::event::Value;
use kairos::person::Person;
use kairos::sink::Stream;
use kairos::sink::memory::Memory as Sink;
use kairos::source::memory::Memory as Source;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A compiled pack.
pub struct Engine {
    pub pack: Pack,
    pub plan: Arc<Plan>,
}

/// How a run is cut: none of it may matter.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub workers: usize,
    pub chunk: usize,
}

impl Cut {
    pub fn plain() -> Cut {
        Cut { workers: 1, chunk: 1 << 20 }
    }
}

pub struct Result {
    pub outputs: [Vec<u8>; Stream::ALL.len()],
    pub facts: BTreeMap<String, BTreeMap<String, String>>,
}

impl Engine {
    /// # Panics
    /// If the pack has mistakes.
    pub fn of(text: &str) -> Engine {
        let files = [SourceFile { path: "pack.yaml".into(), text: text.into() }];
        let (pack, mistakes) = parse(&files);
        assert!(mistakes.is_empty(), "{}\n{text}", render(&files, &mistakes));
        let plan = compile(&pack, Keep::All);
        let plan = plan.unwrap_or_else(|mistakes| panic!("{}\n{text}", render(&files, &mistakes)));
        Engine { pack, plan: Arc::new(plan) }
    }

    pub fn run(&self, lines: &[Vec<u8>], cut: Cut) -> Result {
        let mut bytes = Vec::new();
        for line in lines {
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
        }
        let sink = Sink::default();
        let source = Source::new(0, Arc::new(bytes), cut.chunk);
        let job = Job {
            plan: self.plan.clone(),
            sources: vec![("lines".into(), Box::new(source))],
            sink: Box::new(sink.clone()),
            workers: cut.workers,
            timeline: Timeline { slack: 5_000, step: 10_000 },
            dedup_horizon: 3_600_000,
            until: None,
            store: None,
            keep_persons: true,
        };
        let finished = run(job).join().expect("the run succeeds");
        let facts = finished
            .persons
            .iter()
            .map(|person| (person.id.to_string(), facts_of(&self.plan, person, finished.end)));
        Result { outputs: sink.outputs(), facts: facts.collect() }
    }
}

fn facts_of(plan: &Plan, person: &Person, now: i64) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    for (at, fact) in plan.facts.iter().enumerate() {
        if fact.name.contains(':') {
            continue;
        }
        let id = FactId(at as u16);
        let keys = match fact.per {
            None => vec![None],
            Some(_) => person.fact_keys(id).into_iter().map(Some).collect(),
        };
        for key in keys {
            let name =
                key.as_ref().map_or(fact.name.clone(), |key| format!("{}{{{key}}}", fact.name));
            let key = key.as_deref();
            if key.is_some() && is_default(plan, person, id, key, now) {
                continue;
            }
            match &fact.rule {
                FactRule::Basket(_) => {
                    for field in ["product_ids", "items", "value"] {
                        let value = person.basket(plan, id, key, field, now);
                        facts.insert(format!("{name}.{field}"), shown(&value, false));
                    }
                }
                FactRule::Trait { of_type, .. } => {
                    let value = person.fact(plan, id, key, now);
                    facts.insert(name, shown(&value, *of_type == Some(PropertyType::Date)));
                }
                FactRule::Fold(_) => {
                    facts.insert(name, shown(&person.fact(plan, id, key, now), false));
                }
            }
        }
    }
    facts
}

/// Keys for which a fact holds nothing are not listed.
fn is_default(plan: &Plan, person: &Person, id: FactId, key: Option<&str>, now: i64) -> bool {
    let values = match &plan.facts[id.0 as usize].rule {
        FactRule::Basket(_) => {
            vec![person.basket(plan, id, key, "product_ids", now)]
        }
        _ => vec![person.fact(plan, id, key, now)],
    };
    values.iter().all(|value| match value {
        Value::Missing => true,
        Value::Num(n) => n.0 == 0,
        Value::List(items) => items.is_empty(),
        _ => false,
    })
}

fn shown(value: &Value, date: bool) -> String {
    match value {
        Value::Missing => "missing".into(),
        Value::Bool(b) => b.to_string(),
        Value::Num(n) => n.to_string(),
        Value::Time(t) if date => kairos::time::format(*t)[..10].into(),
        Value::Time(t) => kairos::time::format(*t),
        Value::Duration(d) => format!("{d}ms"),
        Value::Str(s) => s.to_string(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| shown(item, false)).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

/// Outputs as the oracle writes them: one line of text for each thing, sorted.
pub fn records_of(outputs: &[Vec<u8>; Stream::ALL.len()]) -> Vec<String> {
    let mut records = Vec::new();
    for stream in [Stream::Decisions, Stream::Journeys, Stream::Sessions, Stream::Segments] {
        for line in outputs[stream as usize].split(|byte| *byte == b'\n').filter(|l| !l.is_empty())
        {
            let event: serde_json::Value = serde_json::from_slice(line).expect("outputs are JSON");
            records.extend(record(stream, &event));
        }
    }
    records.sort();
    records
}

fn record(stream: Stream, event: &serde_json::Value) -> Option<String> {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::Null => "-".to_string(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let data = &event["data"];
    let field = |name: &str| text(&data[name]);
    let head = format!("{} {}", text(&event["time"]), text(&event["subject"]));
    let journey = format!("{} key={}", field("journey"), field("key"));
    Some(match stream {
        Stream::Segments => format!("{head} segment {} {}", field("change"), field("segment")),
        Stream::Sessions => format!(
            "{head} session start={} last={} events={} pages={}",
            field("start"),
            field("last_event"),
            field("events"),
            field("pages")
        ),
        Stream::Decisions => format!(
            "{head} decision {journey} step={} {} {} {} reason={} until={} due={}",
            field("step"),
            field("channel"),
            field("template"),
            field("decision"),
            field("reason"),
            field("until"),
            field("due")
        ),
        _ => {
            let what = match event["type"].as_str()? {
                "kairos.journey.entered" => "entered".to_string(),
                "kairos.journey.exited" | "kairos.journey.goal" => {
                    format!("exited reason={} step={}", field("reason"), field("step"))
                }
                "kairos.journey.added" => format!("added {}", field("segment")),
                "kairos.journey.removed" => format!("removed {}", field("segment")),
                "kairos.journey.emitted" => format!("emitted {}", field("event")),
                "kairos.journey.set" => format!("set {}", field("trait")),
                _ => return None,
            };
            format!("{head} journey {journey} {what}")
        }
    })
}
