//! What is served over HTTP, asked over plain connections.

use crate::engine::Engine;
use kairos::broker::Partition;
use kairos::dataflow::RunError;
use kairos::decode::Decoder;
use kairos::define::plan::Plan;
use kairos::epoch::Span;
use kairos::event::{Event, Origin, leaf_hash};
use kairos::explain::{NoAnswer, Question};
use kairos::limits::KEY_GROUPS;
use kairos::metrics::outputs::Outputs;
use kairos::metrics::table::{ALL, Type};
use kairos::metrics::{Lag, Metrics};
use kairos::person::keyed::Keyed;
use kairos::person::views::{Bounds, Keeper, Views};
use kairos::person::{Frame, Person};
use kairos::report::Board;
use kairos::serve::{ServeConfig, ServeError, Server, Shared};
use kairos::sink::Labels;
use kairos::time::clock::System;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PACK: &str = "
facts:
  views: { count: Product Viewed }
  seen:  { recent: Product Viewed, of: event.product_id, keep: 3 }

segments:
  browsers: views >= 1
  picked: list

journeys:
  look:
    enter: { on: Product Viewed, per: product_id }
    steps:
      - wait: { quiet_for: 1h, of: [Product Viewed] }
      - send: { channel: email, template: hello }
";

const NOON: i64 = 1_772_452_800_000;

/// A server, and the side of the engine.
struct Here {
    server: Server,
    shared: Arc<Shared>,
    keeper: Keeper,
    plan: Arc<Plan>,
    board: Arc<Board>,
}

fn here_with(token: Option<&str>) -> Here {
    let plan = Engine::of(PACK).plan;
    let labels = Arc::new(Labels::new(&plan));
    let counts: Vec<u64> = (0..labels.len() as u64).collect();
    let outputs = Outputs::new(plan.clone(), labels, Box::new(move || counts.clone()));
    let metrics = Arc::new(Metrics::new(Arc::new(System::new()), 1));
    let views = Arc::new(Views::new(Bounds::default(), 1));
    let keeper = Keeper::new(views.clone(), plan.fingerprint);
    let board = Arc::new(Board::new(1));
    let shared = Shared::new(metrics, views, outputs).reporting(board.clone());
    let shared = Arc::new(shared.explaining(Arc::new(explain)));
    let config = ServeConfig {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        token: token.map(String::from),
    };
    let server = Server::start(config, shared.clone()).unwrap();
    Here { server, shared, keeper, plan, board }
}

/// Says what was asked. About one person nothing is known, and an answer about another one never comes.
fn explain(question: &Question, given_up: Arc<AtomicBool>) -> Result<Value, NoAnswer> {
    match question.person.as_str() {
        "user:nobody" => Err(NoAnswer::Nobody(question.person.clone())),
        "user:slow" => {
            while !given_up.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(NoAnswer::Run(RunError::Stopped))
        }
        person => Ok(serde_json::json!([person, question.journey, question.at])),
    }
}

fn here() -> Here {
    here_with(None)
}

impl Here {
    /// A person who looked at one product at noon.
    fn anna(&self, id: &str) -> Person {
        let event = self.look(id);
        let mut person = Person::new(id.into());
        let frame = Frame::between(&self.plan, NOON, NOON + 1_000);
        person.run(&frame, &[event], &mut Vec::new());
        person
    }

    /// A look at one product at noon.
    fn look(&self, id: &str) -> Event {
        let decoder = Decoder::new(&self.plan.inputs);
        let (kind, who) = id.split_once(':').unwrap();
        let line = format!(
            r#"{{"type":"track","event":"Product Viewed","{kind}Id":"{who}","timestamp":"2026-03-02T12:00:00Z","properties":{{"product_id":"p9"}}}}"#
        );
        decoder.decode(line.as_bytes(), Origin::default()).unwrap()
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[])
    }

    fn ask(&self, method: &str, path: &str, headers: &[&str]) -> Answer {
        let mut stream = TcpStream::connect(self.server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut more = headers.join("\r\n");
        if !more.is_empty() {
            more.push_str("\r\n");
        }
        let host = if more.contains("Host:") { "" } else { "Host: localhost\r\n" };
        let request = format!("{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{more}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head[9..12].parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        assert!(self.head.contains("content-type: application/json"), "{}", self.head);
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

#[test]
fn health_and_readiness() {
    let here = here();
    let health = &here.shared.metrics.health;
    assert_eq!(here.get("/healthz").status, 200);
    let partition = Partition { topic: "events".into(), number: 3 };
    here.shared.metrics.set_lags(vec![Lag { partition, records: 120, millis: 4_000 }]);
    health.say("repeating the log");
    let answer = here.get("/readyz");
    let said = answer.json();
    assert_eq!((answer.status, &said["ready"]), (503, &Value::Bool(false)));
    assert_eq!(
        (said["reason"].as_str(), said["records_behind"].as_u64()),
        (Some("repeating the log"), Some(120))
    );
    assert_eq!(said["partitions_behind"][0]["ms"], 4_000);
    health.set_caught_up(true);
    assert_eq!(here.get("/readyz").status, 200);
    health.fail("worker 0 panicked");
    assert_eq!(here.get("/readyz").status, 503);
    let answer = here.get("/healthz");
    assert_eq!((answer.status, &answer.json()["reason"]), (503, &"worker 0 panicked".into()));
}

#[test]
fn every_line_of_the_metrics_parses() {
    let here = here();
    let metrics = &here.shared.metrics;
    metrics.event_to_trigger.record_all([1_500, 40_000]);
    metrics.set_watermark(NOON);
    let lag = |topic: &str| Lag {
        partition: Partition { topic: topic.into(), number: 0 },
        records: 1,
        millis: 1_500,
    };
    metrics.set_lags(vec![lag("events"), lag("a \"strange\" \\ one")]);
    let answer = here.get("/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"));
    let mut family = None;
    let mut samples = 0;
    for line in answer.body.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, of) = rest.split_once(' ').unwrap();
            family = ALL.iter().find(|metric| metric.name == name);
            assert_eq!(family.unwrap().of.as_str(), of, "{line}");
        } else if !line.starts_with("# HELP ") {
            let (name, labels, value) = sample(line);
            let metric = family.unwrap();
            let suffix = name.strip_prefix(metric.name).unwrap_or_else(|| panic!("{line}"));
            let known: Vec<&str> = match (metric.of, suffix) {
                (Type::Histogram, "_bucket") => vec!["le"],
                (Type::Histogram, "_sum" | "_count") | (_, "") => metric.labels.to_vec(),
                _ => panic!("{line}"),
            };
            assert_eq!(labels, known, "{line}");
            assert!(value.is_finite(), "{line}");
            samples += 1;
        }
    }
    assert!(samples > ALL.len(), "{samples}");
    assert!(answer.body.contains(r#"{topic="a \"strange\" \\ one",partition="0"} 1.500"#));
    assert!(answer.body.contains("kairos_event_to_trigger_seconds_bucket{le=\"0.05\"} 2\n"));
}

/// Reads `name{label="value",…} number`.
fn sample(line: &str) -> (&str, Vec<String>, f64) {
    let (head, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
    let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
    let Some((name, rest)) = head.split_once('{') else { return (head, Vec::new(), value) };
    let mut rest = rest.strip_suffix('}').unwrap_or_else(|| panic!("{line}"));
    let mut labels = Vec::new();
    while !rest.is_empty() {
        let (label, quoted) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        labels.push(label.to_owned());
        let mut escaped = false;
        let end = quoted.find(|char| {
            let ends = char == '"' && !escaped;
            escaped = char == '\\' && !escaped;
            ends
        });
        rest = quoted[end.unwrap_or_else(|| panic!("{line}")) + 1..].trim_start_matches(',');
    }
    (name, labels, value)
}

#[test]
fn a_person_with_a_view_is_read() {
    let mut here = here();
    let anna = here.anna("user:anna");
    here.keeper.touched(&anna, NOON);
    let answer = here.get("/v1/persons/user:anna");
    let said = answer.json();
    assert_eq!((answer.status, said["person"].as_str()), (200, Some("user:anna")));
    assert_eq!(said["facts"]["views"], 1);
    assert_eq!(said["facts"]["seen"], serde_json::json!(["p9"]));
    assert_eq!(said["segments"], serde_json::json!(["browsers"]));
    let open = &said["instances"][0];
    assert_eq!((open["journey"].as_str(), open["key"].as_str()), (Some("look"), Some("p9")));
    assert_eq!(
        (open["step"].as_str(), open["doing"].as_str()),
        (Some("1"), Some("waiting for silence"))
    );
    assert_eq!(open["next_deadline"], "2026-03-02T13:00:00.000Z");
    assert_eq!(said["next_timer"], "2026-03-02T13:00:00.000Z");
    assert_eq!(said["as_of"], "2026-03-02T12:00:00.000Z");
    assert_eq!(here.get("/v1/persons/user%3Aanna").status, 200);
}

#[test]
fn a_person_without_a_view_is_asked_for() {
    let mut here = here();
    let nobody_answers = here.get("/v1/persons/user:bert");
    let said = nobody_answers.json();
    assert_eq!((nobody_answers.status, said["view"].as_str()), (503, Some("not in memory")));
    assert!(nobody_answers.head.contains("retry-after: 1"));
    let anna = here.anna("user:anna");
    let done = AtomicBool::new(false);
    let Here { shared, keeper, .. } = &mut here;
    let mut worker_keeper = std::mem::replace(keeper, Keeper::new(shared.views.clone(), 0));
    let views = shared.views.clone();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                for wanted in views.take_wanted(0) {
                    let found = (wanted.id == anna.id).then_some(&anna);
                    worker_keeper.answer(wanted, found, NOON);
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        let first = here.get("/v1/persons/user:anna");
        let unknown = here.get("/v1/persons/user:nobody");
        done.store(true, Ordering::Release);
        assert_eq!(first.status, 200);
        let said = unknown.json();
        assert_eq!((unknown.status, &said["known"]), (404, &Value::Bool(false)));
        assert!(said["hint"].as_str().unwrap().contains("user:42"));
    });
    assert_eq!(here.get("/v1/persons/user:anna").status, 200, "now there is a view");
}

#[test]
fn an_explanation_is_made_for_one_who_waits_and_for_nobody_else() {
    let here = here();
    let path = |person: &str, more: &str| format!("/v1/persons/{person}/explanation{more}");
    let said = here.get(&path("user:anna", "?journey=look&at=2026-03-02T12:00:00Z"));
    assert_eq!(said.status, 200);
    assert_eq!(said.json(), serde_json::json!(["user:anna", "look", NOON]));
    assert_eq!(
        here.get(&path("user:anna", "")).json(),
        serde_json::json!(["user:anna", null, null])
    );
    let wrong = here.get(&path("user:anna", "?at=noon"));
    assert_eq!((wrong.status, &wrong.json()["error"]), (400, &"noon is no instant".into()));
    let nobody = here.get(&path("user:nobody", ""));
    assert_eq!(nobody.status, 404);
    assert!(nobody.json()["hint"].as_str().unwrap().contains("user:42"));
    let mut waiting = TcpStream::connect(here.server.address()).unwrap();
    let request = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", path("user:slow", ""));
    waiting.write_all(request.as_bytes()).unwrap();
    let begun = Instant::now();
    let comes = |status: u16| loop {
        let answer = here.get(&path("user:anna", ""));
        if answer.status == status {
            break answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "in vain waited for {status}");
    };
    let busy = comes(503);
    assert!(busy.head.contains("retry-after: 5") && busy.body.contains("one at a time"));
    assert_eq!(here.get("/v1/segments").status, 200, "others are answered");
    // Nobody waits any more: the thread ends, and somebody else has a turn.
    drop(waiting);
    comes(200);
    let guarded = here_with(Some("a long secret"));
    assert_eq!(guarded.get(&path("user:anna", "")).status, 401);
}

/// Numbers in a view mean something only under the plan that it was made under.
#[test]
fn a_view_of_another_plan_counts_as_none() {
    let mut here = here();
    let anna = here.anna("user:anna");
    here.keeper.set_plan(1);
    here.keeper.touched(&anna, NOON);
    assert_eq!(here.get("/v1/persons/user:anna").status, 503);
}

#[test]
fn persons_need_the_token_and_nothing_else_does() {
    let mut here = here_with(Some("a long secret"));
    let anna = here.anna("user:anna");
    here.keeper.touched(&anna, NOON);
    let path = "/v1/persons/user:anna";
    let refused = here.get(path);
    assert_eq!(refused.status, 401);
    assert!(refused.head.contains("www-authenticate: bearer"));
    assert!(!refused.body.contains("p9"));
    assert_eq!(here.ask("GET", path, &["Authorization: Bearer a long secret"]).status, 200);
    assert_eq!(here.ask("GET", path, &["Authorization: Bearer another"]).status, 401);
    for open in ["/", "/healthz", "/metrics", "/v1/journeys", "/v1/segments"] {
        assert_eq!(here.get(open).status, 200, "{open}");
    }
    let empty = ServeConfig { token: Some(String::new()), ..ServeConfig::default() };
    let started = Server::start(empty, here.shared.clone());
    assert!(matches!(started, Err(ServeError::EmptyToken)));
}

#[test]
fn without_a_token_a_page_from_elsewhere_reads_nobody() {
    let here = here();
    let answer = here.ask("GET", "/v1/persons/user:anna", &["Host: shop.example"]);
    assert_eq!(answer.status, 403);
    assert!(answer.json()["hint"].as_str().unwrap().contains("KAIROS_HTTP_TOKEN"));
}

#[test]
fn journeys_and_segments_with_their_counts() {
    let here = here();
    let said = here.get("/v1/journeys").json();
    let look = &said["journeys"][0];
    assert_eq!(
        (look["name"].as_str(), look["enter"].as_str()),
        (Some("look"), Some("on an event"))
    );
    assert_eq!(look["version"].as_str().unwrap().len(), 8);
    assert_eq!(look["steps"][0], serde_json::json!({"step": "1", "kind": "wait for silence"}));
    assert_eq!(look["sends"][0]["template"], "hello");
    let tally = here.shared.outputs().tally();
    assert_eq!(look["instances"]["entered"], tally.journeys[0].entered);
    assert_eq!(look["decisions"]["send"], tally.outcomes("look")[0]);
    assert!(tally.outcomes("look")[0] > 0);
    let said = here.get("/v1/segments").json();
    let names: Vec<&str> =
        said["segments"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["browsers", "picked"]);
    assert_eq!(said["segments"][1]["kind"], "list");
    assert!(said["segments"][0]["entered"].as_u64().unwrap() > 0);
}

#[test]
fn audiences_and_reports_are_asked_of_the_workers() {
    let here = here_with(Some("secret"));
    let token = ["Authorization: Bearer secret"];
    let get = |path: &str| here.ask("GET", path, &token);
    for path in ["/v1/audiences", "/v1/audiences/overlap", "/v1/reports", "/v1/reports/look"] {
        assert_eq!(here.get(path).status, 401, "{path}");
        let answer = get(path);
        assert_eq!(answer.status, 503, "{path}: no worker has answered");
        assert!(answer.head.contains("retry-after: 1"));
    }
    let mut keyed = Keyed::new(here.plan.clone(), 0, None);
    let mut events = vec![here.look("user:anna"), here.look("user:bert")];
    let span = Span { begin: NOON, end: NOON + 1_000, clock: i64::MIN };
    keyed.epoch(&mut events, span, &mut |_, _, effects| effects.clear());
    here.shared.metrics.set_watermark(NOON + 1_000);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                here.board.answer(0, || keyed.report());
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        let audiences = get("/v1/audiences").json();
        let overlap = get("/v1/audiences/overlap?of=browsers&and=picked").json();
        let all = get("/v1/audiences/overlap").json();
        let reports = get("/v1/reports").json();
        let look = get("/v1/reports/look").json();
        let unknown = get("/v1/reports/lock");
        let nobody = get("/v1/audiences/overlap?of=browser&and=picked");
        let shown = |more: &[&str]| {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kairos"));
            let url = format!("http://{}", here.server.address());
            command.env("KAIROS_HTTP_TOKEN", "secret").args(["report", "--url", &url]);
            let output = command.args(more).output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            (output.status.code(), String::from_utf8(said).unwrap())
        };
        let (tables, steps, lock) = (shown(&[]), shown(&["look"]), shown(&["lock"]));
        done.store(true, Ordering::Release);
        for (line, (code, said)) in
            [("browsers        2 ", tables), ("  1 wait for silence          2", steps)]
        {
            assert!(code == Some(0) && said.contains(line), "{line}\n{said}");
        }
        assert!(lock.0 == Some(1) && lock.1.contains("did you mean \"look\"?"), "{}", lock.1);
        let minute =
            serde_json::json!({"minute": "2026-03-02T12:00:00.000Z", "entered": 2, "left": 0});
        assert_eq!(audiences["as_of"], "2026-03-02T12:00:01.000Z");
        let browsers = &audiences["audiences"][0];
        assert_eq!((&browsers["name"], &browsers["members"]), (&"browsers".into(), &2.into()));
        assert_eq!(browsers["per_minute"], serde_json::json!([minute]));
        assert_eq!((&overlap["members"], &overlap["of"]["members"]), (&0.into(), &2.into()));
        assert_eq!(all["overlaps"], serde_json::json!([]));
        assert_eq!(reports["journeys"][0]["entered"], 2);
        assert_eq!((&look["name"], &look["open"]), (&"look".into(), &2.into()));
        assert_eq!(look["steps"][0]["reached"], 2);
        for (answer, meant) in [(unknown, "look"), (nobody, "browsers")] {
            let said = answer.json();
            assert_eq!(answer.status, 404);
            assert!(said["hint"].as_str().unwrap().contains(meant), "{said}");
        }
    });
}

#[test]
fn the_page_shows_what_matters_and_loads_nothing() {
    let here = here();
    let metrics = &here.shared.metrics;
    metrics.event_to_trigger.record(12_345);
    metrics.health.say("<script>");
    let page = here.get("/");
    assert_eq!(page.status, 200);
    assert!(page.head.contains("content-security-policy: default-src 'none'"));
    for shown in [
        "Not caught up",
        "&lt;script&gt;",
        "12 ms",
        "event to trigger, p99",
        "look",
        "watermark delay",
    ] {
        assert!(page.body.contains(shown), "{shown}\n{}", page.body);
    }
    for foreign in ["<script", "src=", "http://", "https://", "@import", "url("] {
        assert!(!page.body.contains(foreign), "{foreign}");
    }
    metrics.health.set_caught_up(true);
    assert!(here.get("/").body.contains("Caught up."));
}

#[test]
fn what_is_not_there_lists_what_is() {
    let here = here();
    let answer = here.get("/v2/nothing");
    let said = answer.json();
    assert_eq!((answer.status, said["error"].as_str()), (404, Some("there is no /v2/nothing")));
    let paths: Vec<&str> =
        said["endpoints"].as_array().unwrap().iter().map(|e| e["path"].as_str().unwrap()).collect();
    assert!(paths.contains(&"/v1/persons/{identifier}") && paths.len() == 13, "{paths:?}");
    assert_eq!(here.ask("POST", "/metrics", &[]).status, 405);
}

#[test]
fn a_stop_ends_it_though_a_connection_is_open() {
    let here = here();
    let address = here.server.address();
    let idle = TcpStream::connect(address).unwrap();
    let mut slow = TcpStream::connect(address).unwrap();
    slow.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
    here.server.stop();
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
    drop((idle, slow));
}

#[test]
fn an_address_that_is_taken_is_an_error_that_names_it() {
    let here = here();
    let address = here.server.address();
    let config = ServeConfig { address, token: None };
    let error = Server::start(config, here.shared.clone()).err().unwrap();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

/// Questions go to the worker that the person's events go to.
#[test]
fn questions_go_to_the_worker_of_the_key_group() {
    let views = Views::new(Bounds::default(), 3);
    for n in 0..100 {
        let id = format!("user:{n}");
        views.ask(&id, Box::new(|_| {})).unwrap();
        let worker = (leaf_hash(&id) % KEY_GROUPS as u64 % 3) as usize;
        for other in 0..3 {
            assert_eq!(views.take_wanted(other).len(), usize::from(other == worker), "{id}");
        }
    }
}
