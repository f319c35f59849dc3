//! Why, and why not. On traffic and on random packs, with identifiers that turn out to be one person: what is explained is what
//! was decided, all of it, as of any time. And each answer to "why not" once.
//!
//! `EXPLAIN_SAMPLE=n` takes n persons for each outcome, `EXPLAIN_SEEDS=from..to` other random packs.

use crate::explain_gates::hold_gates;
use kairos::dataflow::ingest::CHUNKS_PER_CHECKPOINT;
use kairos::dataflow::{Job, run};
use kairos::define::ast::{Pack, SourceFile};
use kairos::define::compile::Keep;
use kairos::define::definitions::compile_files;
use kairos::define::files::read_pack;
use kairos::define::plan::Plan;
use kairos::epoch::Timeline;
use kairos::explain::{Input, NoAnswer, Question, explain};
use kairos::sim::generate::{Config, Generator};
use kairos::sim::random::{IDENTITY, mix_identifiers, random_pack, random_stream};
use kairos::sim::rng::Rng;
use kairos::sink::Stream;
use kairos::sink::memory::Memory as Sink;
use kairos::source::Source;
use kairos::source::memory::Memory;
use kairos::time::zone::Zone;
use kairos::time::{DAY, parse};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const TIMELINE: Timeline = Timeline { slack: 5_000, step: 10_000 };
const DEDUP: i64 = 3_600_000;

/// A pack and its input.
struct Shop {
    pack: Pack,
    plan: Arc<Plan>,
    bytes: Arc<Vec<u8>>,
}

impl Shop {
    fn new(files: &[SourceFile], lines: &[Vec<u8>]) -> Shop {
        let (pack, plan) = compile_files(files, Keep::Used, None)
            .unwrap_or_else(|mistakes| panic!("{}", mistakes.text));
        let mut bytes = Vec::new();
        for line in lines {
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
        }
        Shop { pack, plan: Arc::new(plan), bytes: Arc::new(bytes) }
    }

    fn of(text: &str, lines: &[Vec<u8>]) -> Shop {
        Shop::new(&[SourceFile { path: "pack.yaml".into(), text: text.into() }], lines)
    }

    fn sources(&self) -> Vec<Box<dyn Source>> {
        vec![Box::new(Memory::new(0, self.bytes.clone(), 1 << 20))]
    }

    /// Every decision, as it goes out, by person.
    fn decisions(&self) -> BTreeMap<String, Vec<Value>> {
        let sink = Sink::default();
        let job = Job {
            plan: self.plan.clone(),
            sources: vec![("lines".into(), self.sources().remove(0))],
            sink: Box::new(sink.clone()),
            workers: 2,
            timeline: TIMELINE,
            dedup_horizon: DEDUP,
            until: None,
            store: None,
            chunks_per_checkpoint: CHUNKS_PER_CHECKPOINT,
            keep_persons: false,
        };
        run(job).join().expect("the run succeeds");
        let outputs = sink.outputs();
        let mut decisions: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for line in outputs[Stream::Decisions as usize].split(|byte| *byte == b'\n') {
            let Ok(line) = serde_json::from_slice::<Value>(line) else { continue };
            decisions.entry(line["subject"].as_str().unwrap().into()).or_default().push(line);
        }
        decisions
    }

    fn ask(&self, person: &str, journey: Option<&str>, at: Option<i64>) -> Result<Value, NoAnswer> {
        let question = Question { person: person.into(), journey: journey.map(String::from), at };
        let input = Input {
            names: vec!["lines".into()],
            open: &|| Ok(self.sources()),
            timeline: TIMELINE,
            dedup_horizon: DEDUP,
            until: None,
        };
        explain(&self.plan, &input, &question)
    }

    /// The answer about a journey: its word, and its sentence.
    fn why_not(&self, person: &str, journey: &str, at: Option<i64>) -> (String, String) {
        let said = self.ask(person, Some(journey), at).expect("it is answered");
        let text = |name: &str| said["answer"][name].as_str().unwrap().to_owned();
        (text("reason"), text("says"))
    }
}

/// What was told of decisions, each with its time.
pub fn told(said: &Value) -> Vec<(Value, Value)> {
    let entries = said["timeline"].as_array().unwrap().iter();
    let changes = entries.flat_map(|entry| {
        let changes = entry["changes"].as_array().unwrap().iter();
        changes.map(|change| (entry["time"].clone(), change.clone()))
    });
    changes.filter(|(_, change)| change["what"] == "decision").collect()
}

/// What of a decision has to be the same: when, which, and all that is said of it.
fn facts_of(time: &Value, id: &Value, data: &Value) -> String {
    let mut data = data.clone();
    let object = data.as_object_mut().unwrap();
    ["what", "gates", "with", "id"].into_iter().for_each(|name| drop(object.remove(name)));
    format!("{time} {id} {data}")
}

/// Decisions of the log, as [`explained`] has those of an explanation.
pub fn logged(decisions: &[&Value]) -> Vec<String> {
    let mut all: Vec<String> =
        decisions.iter().map(|it| facts_of(&it["time"], &it["id"], &it["data"])).collect();
    all.sort();
    all
}

/// What an explanation says of decisions, in an order of its own.
pub fn explained(said: &Value) -> Vec<String> {
    let decisions = told(said);
    let mut all: Vec<String> =
        decisions.iter().map(|(time, it)| facts_of(time, &it["id"], it)).collect();
    all.sort();
    all
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn every_decision_is_accounted_for_with_the_figures_of_each_gate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("dataflows/retail");
    let config =
        Config { customers: 60, events: 6_000, seed: 5, over_ms: 9 * DAY, ..Config::default() };
    let mut generator = Generator::new(config);
    let (mut lines, mut line) = (Vec::new(), Vec::new());
    while generator.next_into(&mut line).is_some() {
        lines.push(line.strip_suffix(b"\n").unwrap_or(&line).to_vec());
        line.clear();
    }
    let shop = Shop::new(&read_pack(&root).unwrap(), &lines);
    let decisions = shop.decisions();
    // For each outcome the persons who have it, those with the most decisions first: they say most about caps.
    let mut sample: BTreeMap<String, Vec<(usize, &str)>> = BTreeMap::new();
    for (person, of) in &decisions {
        for one in of {
            let outcome = format!("{} {}", one["data"]["decision"], one["data"]["reason"]);
            let known = sample.entry(outcome).or_default();
            if !known.iter().any(|(_, other)| other == person) {
                known.push((of.len(), person));
            }
        }
    }
    assert!(sample.len() >= 5, "all sorts of outcomes: {:?}", sample.keys());
    let count = number("EXPLAIN_SAMPLE", 2) as usize;
    let mut persons: Vec<&str> = Vec::new();
    for known in sample.values_mut() {
        known.sort_by(|a, b| b.cmp(a));
        persons.extend(known.iter().take(count).map(|(_, person)| person));
    }
    persons.sort();
    persons.dedup();
    for person in persons {
        let said = shop.ask(person, None, None).expect("it is explained");
        // What was decided before somebody turned out to be this person bears the name of then.
        let ids: Vec<Value> = told(&said).iter().map(|(_, it)| it["id"].clone()).collect();
        let of_all = decisions.values().flatten();
        let mut wanted: Vec<&Value> = of_all.filter(|it| ids.contains(&it["id"])).collect();
        wanted.sort_by_key(|it| ids.iter().position(|id| *id == it["id"]));
        assert_eq!(explained(&said), logged(&wanted), "{person}");
        let missing = decisions[person].iter().find(|it| !ids.contains(&it["id"]));
        assert!(missing.is_none(), "{person}: {missing:?}");
        let zone = Zone::named(said["time_zone"].as_str().unwrap()).unwrap();
        hold_gates(&shop.pack, &zone, person, &told(&said), &wanted);
        as_of(&|at| shop.ask(person, None, Some(at)), person, &said);
    }
}

/// As of any time: what was told up to then, and nothing else; and what is open is what has been entered and not exited.
pub fn as_of(ask: &dyn Fn(i64) -> Result<Value, NoAnswer>, person: &str, whole: &Value) {
    let entries = whole["timeline"].as_array().unwrap();
    let middle = &entries[entries.len() / 2]["time"];
    let at = parse(middle.as_str().unwrap()).unwrap();
    let said = ask(at).expect("it is explained");
    let until: Vec<&Value> =
        entries.iter().filter(|it| it["time"].as_str() <= middle.as_str()).collect();
    let found: Vec<&Value> = said["timeline"].as_array().unwrap().iter().collect();
    assert_eq!(found, until, "{person} as of {middle}");
    let mut open: Vec<String> = Vec::new();
    for change in found.iter().flat_map(|entry| entry["changes"].as_array().unwrap()) {
        let one = format!("{} {} {}", change["journey"], change["key"], change["occurrence"]);
        match change["what"].as_str().unwrap() {
            "journey.entered" => open.push(one),
            "journey.exited" | "journey.goal" => open.retain(|it| *it != one),
            _ => {}
        }
    }
    let state = said["state"]["instances"].as_array().unwrap().iter();
    let mut stand: Vec<String> =
        state.map(|it| format!("{} {} {}", it["journey"], it["key"], it["occurrence"])).collect();
    open.sort();
    stand.sort();
    assert_eq!(stand, open, "{person} as of {middle}");
}

/// Persons compared with one another: then everybody has to be run.
pub const RANKS: &str = r#"
facts: { bought: { count: Order Completed } }
segments: { best: percentile(bought) >= 0.5 }
journeys:
  for-the-best:
    enter: { entered: best, again: always }
    steps: [ { send: { channel: email, template: best } } ]
"#;

/// On random packs, where persons merge and part: all decisions under the identifiers that are the person's in the end.
#[test]
fn what_is_explained_is_what_was_decided_whoever_turns_out_to_be_whom() {
    let seeds = std::env::var("EXPLAIN_SEEDS").unwrap_or("0..40".into());
    let (from, to) = seeds.split_once("..").expect("EXPLAIN_SEEDS=from..to");
    let (from, to): (u64, u64) = (from.parse().unwrap(), to.parse().unwrap());
    let (mut decisions_seen, mut merged, mut feeds_back) = (0, 0, 0);
    for seed in from..to {
        let mut rng = Rng::new(seed);
        let mut text = random_pack(&mut rng);
        let count = 20 + rng.below(80) as usize;
        let mut lines = random_stream(&mut rng, count);
        if seed % 2 == 1 {
            text.insert_str(0, IDENTITY);
            lines = mix_identifiers(&mut rng, lines);
        }
        let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
        let mut files = vec![file("pack.yaml", &text)];
        if seed % 4 < 2 {
            files.push(file("ranks.yaml", RANKS));
        }
        let shop = Shop::new(&files, &lines);
        feeds_back += usize::from(shop.plan.feeds_back());
        let decisions = shop.decisions();
        for person in decisions.keys() {
            let said = match shop.ask(person, None, None) {
                Ok(said) => said,
                Err(NoAnswer::Erased { .. }) => continue,
                Err(error) => panic!("seed {seed}, {person}: {error}"),
            };
            let identifiers = said["identifiers"].as_array().unwrap();
            merged += usize::from(identifiers.len() > 1);
            let theirs = identifiers.iter().filter_map(|id| decisions.get(id.as_str().unwrap()));
            let wanted: Vec<&Value> = theirs.flatten().collect();
            decisions_seen += wanted.len();
            assert_eq!(explained(&said), logged(&wanted), "seed {seed}, {person}\n{text}");
        }
    }
    assert!(
        from > 0 || to < 40 || (decisions_seen > 300 && merged > 5),
        "{decisions_seen} {merged}"
    );
    assert!(from > 0 || to < 40 || feeds_back > 0, "some packs compare persons");
}

const PACK: &str = r#"
facts:
  orders: { count: Order Completed }
  spent:  { sum: Order Completed, of: event.total }
  name:   { trait: firstName, type: string }
  born:   { trait: birthday, type: date }
segments:
  good: orders >= 2 && spent > 100
journeys:
  thanks:
    enter: { on: Order Completed, where: event.total >= 100 && has(name), again: after 7d }
    steps: [ { wait: 1h }, { send: { channel: email, template: thanks } } ]
  once:
    enter: { on: Signed Up, again: never }
    steps: [ { send: { channel: sms, template: hello } } ]
  cart:
    enter: { on: Product Added, per: cart_id }
    exit: [ { on: Order Completed, where: event.total > 0, goal: true }, { when: orders >= 5 } ]
    steps: [ { wait: 1h }, { send: { channel: email, template: cart } } ]
  loyal:
    enter: { entered: good }
    steps: [ { send: { channel: email, template: loyal } } ]
  test:
    enter: { on: Page Tested }
    steps:
      - split: [ { name: nobody, percent: 100, hold_out: true } ]
      - send: { channel: email, template: test }
  choice:
    enter: { on: Chosen }
    steps:
      - choose: [ { when: spent > 1000, do: [ { send: { channel: email, template: rich } } ] } ]
  evening:
    enter: { on: Evening }
    exit: [ { on: Stopped } ]
    steps:
      - send: { channel: push, template: now }
      - send: { channel: push, template: later }
  birthday:
    enter: { date: born, at: "09:00" }
    steps: [ { send: { channel: email, template: birthday } } ]
  silent:
    enter: { quiet_for: 30d, of: [Order Completed] }
    steps: [ { send: { channel: email, template: silent } } ]
policy:
  time_zone: Europe/Warsaw
  consent: [ { channel: sms, trait: sms_consent } ]
  quiet_hours: { from: "21:00", to: "08:00", then: drop }
  caps: [ { channel: email, max: 1, per: day }, { name: patience, channel: push, max: 1, per: day, on_limit: wait } ]
"#;

/// A line, at a clock time of 2 March 2026 (or a later day, `3 10:00`) in Warsaw, which is an hour ahead.
fn line(when: &str, person: &str, event: &str, properties: &str) -> Vec<u8> {
    let (day, clock) = when.split_once(' ').unwrap_or(("2", when));
    let (kind, holder) =
        if event == "identify" { ("identify", "traits") } else { ("track", "properties") };
    format!(
        r#"{{"type":"{kind}","event":"{event}","userId":"{person}","messageId":"{when}-{person}-{event}","timestamp":"2026-03-{day:0>2}T{clock}:00+01:00","{holder}":{{{properties}}}}}"#
    )
    .into_bytes()
}

fn small(lines: &[(&str, &str, &str, &str)]) -> Shop {
    let lines: Vec<_> = lines.iter().map(|(a, b, c, d)| line(a, b, c, d)).collect();
    Shop::of(PACK, &lines)
}

#[track_caller]
fn answers(found: (String, String), reason: &str, says: &str) {
    assert_eq!((found.0.as_str(), found.1.as_str()), (reason, says));
}

#[test]
fn why_somebody_did_not_enter() {
    let shop = small(&[
        ("09:00", "anna", "identify", r#""firstName":"Anna","birthday":"1990-06-05""#),
        ("09:00", "anna", "Signed Up", ""),
        ("09:01", "bert", "Order Completed", r#""total":120"#),
        ("09:01", "anna", "Order Completed", r#""total":20"#),
        ("10:00", "cleo", "Product Added", ""),
        ("3 09:00", "anna", "Order Completed", r#""total":100"#),
        ("3 09:30", "dora", "page", ""),
        ("4 09:00", "anna", "Order Completed", r#""total":300"#),
        ("4 09:00", "anna", "Signed Up", ""),
        ("4 12:00", "dora", "page", ""),
    ]);
    let at = |text: &str| parse(text);
    answers(
        shop.why_not("user:anna", "thanks", at("2026-03-02T10:00:00Z")),
        "condition",
        "not entered by Order Completed (lines:4) at 2026-03-02 09:01: `event.total >= 100` does not hold: event.total is 20",
    );
    answers(
        shop.why_not("user:bert", "thanks", None),
        "condition",
        "not entered by Order Completed (lines:3) at 2026-03-02 09:01: `has(name)` does not hold: name is missing",
    );
    answers(
        shop.why_not("user:anna", "thanks", None),
        "too soon",
        "not entered by Order Completed (lines:8) at 2026-03-04 09:00: it was entered at 2026-03-03 09:00, and is again from 2026-03-10 09:00 on",
    );
    answers(
        shop.why_not("user:anna", "once", None),
        "once",
        "not entered by Signed Up (lines:9) at 2026-03-04 09:00: it is entered once only, and was at 2026-03-02 09:00",
    );
    answers(
        shop.why_not("user:cleo", "cart", None),
        "no key",
        "not entered by Product Added (lines:5) at 2026-03-02 10:00: the event has no `cart_id`, of which there is one run each",
    );
    answers(
        shop.why_not("user:cleo", "once", None),
        "no event",
        "no event has come that enters it: Signed Up",
    );
    answers(
        shop.why_not("user:bert", "loyal", None),
        "segment",
        "the segment good was not entered: `orders >= 2` does not hold: orders is 1",
    );
    answers(
        shop.why_not("user:anna", "birthday", None),
        "date",
        "the date has not come: by born it is entered at 2026-06-05 09:00",
    );
    answers(shop.why_not("user:bert", "birthday", None), "date", "born is not known");
    answers(
        shop.why_not("user:anna", "silent", None),
        "silence",
        "there was no silence of 30d (Order Completed) yet; it is entered at 2026-04-03 10:00 if none comes",
    );
    answers(
        shop.why_not("user:dora", "silent", None),
        "silence",
        "a silence of 30d begins with Order Completed, and there was none",
    );
}

#[test]
fn why_a_message_was_not_sent() {
    let shop = small(&[
        ("09:00", "anna", "Product Added", r#""cart_id":"c1""#),
        ("09:10", "anna", "Product Added", r#""cart_id":"c1""#),
        ("09:40", "anna", "Order Completed", r#""total":50"#),
        ("10:00", "bert", "Signed Up", ""),
        ("10:00", "cleo", "identify", r#""sms_consent":true"#),
        ("10:30", "cleo", "Page Tested", ""),
        ("11:00", "cleo", "Signed Up", ""),
        ("11:00", "cleo", "Chosen", ""),
        ("12:00", "dora", "Product Added", r#""cart_id":"c1""#),
        ("12:30", "dora", "Product Added", r#""cart_id":"c2""#),
        ("20:30", "elsa", "Product Added", r#""cart_id":"c1""#),
        ("20:35", "fred", "Evening", ""),
        ("21:00", "fred", "Stopped", ""),
        ("23:00", "anna", "page", ""),
    ]);
    answers(
        shop.why_not("user:fred", "evening", parse("2026-03-02T19:50:00Z")),
        "gate cap patience",
        "push later is deferred until 2026-03-03 00:00 at 2026-03-02 20:35 by the gate cap patience: 1 of 1 used: evening 2026-03-02 20:35",
    );
    answers(
        shop.why_not("user:fred", "evening", None),
        "exited exit",
        "exited at 2026-03-02 21:00 by Stopped (lines:13), at step 2, after 1 sent",
    );
    answers(
        shop.why_not("user:anna", "cart", None),
        "exited goal",
        "exited at 2026-03-02 09:40 (its goal) by Order Completed (lines:3), at step 1, before any message",
    );
    let said = shop.ask("user:anna", Some("cart"), None).unwrap();
    let details = said["answer"]["details"].as_array().unwrap();
    assert_eq!(details[1], "not entered once more at 2026-03-02 09:10: this run was open");
    answers(
        shop.why_not("user:anna", "cart", parse("2026-03-02T08:30:00Z")),
        "open",
        "in it, at step 1 (wait) until 2026-03-02 10:00",
    );
    answers(
        shop.why_not("user:bert", "once", None),
        "gate consent",
        "sms hello was dropped at 2026-03-02 10:00 by the gate consent trait sms_consent: nothing said, so denied",
    );
    answers(
        shop.why_not("user:cleo", "test", None),
        "gate hold-out",
        "email test was dropped at 2026-03-02 10:30 by the gate hold-out: in the hold-out of a split",
    );
    answers(
        shop.why_not("user:cleo", "once", None),
        "sent",
        "nothing held it back: 1 sent, over at 2026-03-02 11:00",
    );
    let said = shop.ask("user:cleo", Some("choice"), None).unwrap();
    assert_eq!(said["answer"]["reason"], "finished");
    let details = said["answer"]["details"].as_array().unwrap();
    assert_eq!(details[1], "step 1: `spent > 1000` does not hold: spent is 0");
    answers(
        shop.why_not("user:dora", "cart", None),
        "gate cap email 1 per day",
        "email cart was dropped at 2026-03-02 13:30 by the gate cap email 1 per day: 1 of 1 used: cart 2026-03-02 13:00",
    );
    answers(
        shop.why_not("user:elsa", "cart", None),
        "gate quiet hours",
        "email cart was dropped at 2026-03-02 21:30 by the gate quiet hours 21:00–08:00: now 21:30",
    );
    // Consent names the event that gave it.
    let said = shop.ask("user:cleo", None, None).unwrap();
    let (_, hello) = told(&said).into_iter().find(|(_, it)| it["template"] == "hello").unwrap();
    let consent = hello["gates"].as_array().unwrap().iter().find(|it| it["gate"] == "consent");
    let by = &consent.unwrap()["by"];
    assert_eq!((&by["event"], &by["at"]["position"]), (&"identify".into(), &5.into()));
}

#[test]
fn whoever_turns_out_to_be_one_has_one_history_and_whoever_is_erased_none() {
    let anonymous = |when: &str, id: &str, event: &str, user: &str| {
        let line = String::from_utf8(line(when, user, event, r#""cart_id":"c1""#)).unwrap();
        let user_id = format!(r#""userId":"{user}","#);
        let ids = match user {
            "" => format!(r#""anonymousId":"{id}","#),
            _ => format!(r#"{user_id}"anonymousId":"{id}","#),
        };
        line.replace(&user_id, &ids).into_bytes()
    };
    let mut lines = vec![
        anonymous("09:00", "a1", "Product Added", ""),
        anonymous("09:05", "a2", "Product Added", ""),
        anonymous("09:20", "a1", "Order Completed", "anna"),
        anonymous("13:00", "a3", "page", ""),
    ];
    let text = format!("identity: {{ identifiers: [user, anonymous] }}\n{PACK}");
    let shop = Shop::of(&text, &lines);
    for identifier in ["user:anna", "anonymous:a1"] {
        let said = shop.ask(identifier, Some("cart"), None).unwrap();
        assert_eq!(said["person"], "user:anna");
        assert_eq!(said["identifiers"], serde_json::json!(["anonymous:a1", "user:anna"]));
        assert_eq!(said["answer"]["occasions"][0]["by"]["at"]["position"], 1);
        let joined = said["timeline"].to_string();
        assert!(
            joined.contains(r#""what":"joined""#) && !joined.contains("anonymous:a2"),
            "{joined}"
        );
    }
    // As of a time before they were one.
    let said = shop.ask("anonymous:a1", None, parse("2026-03-02T08:10:00Z")).unwrap();
    assert_eq!(said["identifiers"], serde_json::json!(["anonymous:a1"]));
    lines.insert(3, line("10:00", "anna", "Person Erased", ""));
    for identity in [true, false] {
        let shop = Shop::of(if identity { &text } else { PACK }, &lines);
        let erased = shop.ask("user:anna", None, None).unwrap_err();
        assert!(matches!(erased, NoAnswer::Erased { .. }), "{erased}");
        assert!(shop.ask("user:anna", None, parse("2026-03-02T08:40:00Z")).is_ok());
    }
}

#[test]
fn who_entered_by_a_segment_is_not_said_to_have_by_what_was_emitted_meanwhile() {
    let pack = "facts: { orders: { count: Order Completed } }\nsegments: { buyers: orders > 0 }\njourneys:\n  \
                pinger: { enter: { on: Order Completed }, steps: [ { emit: { event: Pinged } } ] }\n  \
                thanks: { enter: { entered: buyers }, steps: [ { send: { channel: email, template: t } } ] }\n";
    let shop = Shop::of(pack, &[line("09:00", "anna", "Order Completed", "")]);
    let said = shop.ask("user:anna", Some("thanks"), None).expect("it is answered");
    let entered = "entered at 2026-03-02 08:00 by entering the segment buyers";
    assert_eq!(said["answer"]["details"][0], entered);
}
