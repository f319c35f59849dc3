//! The program as users have it: every command and every error, in temporary folders.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const RETAIL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/dataflows/retail");
const STREAMS: [&str; 6] = ["triggers", "decisions", "journeys", "sessions", "segments", "rejects"];

pub(crate) fn kairos(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kairos"));
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs with arguments that are written as in a shell, without quoting; `RETAIL` is the retail pack.
pub(crate) fn run(folder: &Path, line: &str) -> Output {
    let words = line.split_whitespace().map(|word| if word == "RETAIL" { RETAIL } else { word });
    kairos(folder).args(words).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Standard output of a run that goes well.
pub(crate) fn well(folder: &Path, line: &str) -> String {
    let output = run(folder, line);
    assert_eq!(output.status.code(), Some(0), "{line}\n{}", text(&output.stderr));
    text(&output.stdout)
}

/// Standard error of a run that ends with this code.
pub(crate) fn fails(folder: &Path, code: i32, line: &str) -> String {
    let output = run(folder, line);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{line}\n{said}\n{}", text(&output.stdout));
    said
}

/// An operator's request is an event, and whom nobody can mean is named.
#[test]
fn somebody_is_erased() {
    let folder = tempfile::tempdir().unwrap();
    let help = well(folder.path(), "erase --help");
    assert!(
        help.contains("kairos erase user:42 --config") && help.contains("tombstones"),
        "{help}"
    );
    let said = fails(folder.path(), 2, "erase anna");
    assert!(said.contains("anna: it does not say which kind of identifier it is"), "{said}");
    assert!(said.contains("write user:anna"), "{said}");
    fails(folder.path(), 2, "erase email:");
    let event: serde_json::Value =
        serde_json::from_str(&well(folder.path(), "erase user:42")).unwrap();
    assert_eq!((&event["event"], &event["userId"]), (&"Person Erased".into(), &"42".into()));
    assert_eq!(event["properties"]["identifier"], "user:42");
    let event = well(folder.path(), "erase email:anna@example.com");
    assert!(event.contains("email:anna@example.com") && !event.contains("userId"), "{event}");
}

/// A folder with `events.jsonl`.
pub(crate) fn with_events(events: u32) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let line = format!("generate --events {events} --customers 1000 --out events.jsonl");
    well(dir.path(), &line);
    dir
}

fn outputs(folder: PathBuf) -> Vec<Vec<u8>> {
    STREAMS.map(|name| fs::read(folder.join(format!("{name}.jsonl"))).unwrap()).to_vec()
}

fn same(a: &[Vec<u8>], b: &[Vec<u8>]) {
    for (name, (a, b)) in STREAMS.iter().zip(a.iter().zip(b)) {
        assert!(a == b, "{name} differs: {} and {} bytes", a.len(), b.len());
    }
}

#[test]
fn every_command_teaches_by_example() {
    let dir = tempfile::tempdir().unwrap();
    let commands = [
        "run", "report", "explain", "backtest", "diff", "graph", "new", "check", "test", "demo",
        "init", "generate", "import", "schema",
    ];
    for command in commands {
        let help = well(dir.path(), &format!("{command} --help"));
        assert!(help.contains("Examples:\n  kairos "), "{command}:\n{help}");
        assert!(!help.contains('\u{1b}'), "{command}: no colours without a terminal");
    }
    let help = well(dir.path(), "--help");
    for command in commands {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is missing in:\n{help}");
    }
    // `--in` takes all that comes after it.
    for (command, first) in [("diff", "<PACK_A> <PACK_B> --in"), ("explain", "<PERSON>... --pack")]
    {
        let help = well(dir.path(), &format!("{command} --help"));
        assert!(help.contains(&format!("Usage: kairos {command} {first}")), "{help}");
    }
    let help = well(dir.path(), "import online-retail --help");
    assert!(help.contains("kairos import online-retail"), "{help}");
    assert!(well(dir.path(), "--version").starts_with("kairos "));
}

#[test]
fn a_run_says_what_happened_whatever_the_number_of_workers() {
    let dir = with_events(20_000);
    let line = |workers| {
        format!(
            "run --pack RETAIL --in events.jsonl --out out{workers} --workers {workers} --facts facts{workers}.jsonl"
        )
    };
    let summary = well(dir.path(), &line(1));
    for part in
        ["input     20,000 lines, ", "persons   ", "rejects   ", "out1/{triggers,", "facts1.jsonl"]
    {
        assert!(summary.contains(part), "{part} is missing in:\n{summary}");
    }
    let decisions = fs::read_to_string(dir.path().join("out1/decisions.jsonl")).unwrap();
    assert!(summary.contains("abandoned-cart") && decisions.lines().count() > 100, "{summary}");
    well(dir.path(), &line(2));
    same(&outputs(dir.path().join("out1")), &outputs(dir.path().join("out2")));
    let [one, two] = [1, 2].map(|n| fs::read(dir.path().join(format!("facts{n}.jsonl"))).unwrap());
    assert!(one == two, "facts differ");
    let mut before = String::new();
    for line in text(&one).lines() {
        let person: serde_json::Value = serde_json::from_str(line).unwrap();
        let id = person["person"].as_str().unwrap().to_owned();
        assert!(
            person["facts"].is_object() && person["segments"].is_array() && before < id,
            "{line}"
        );
        before = id;
    }
}

#[test]
fn facts_are_written_by_name_and_key() {
    let dir = tempfile::tempdir().unwrap();
    let pack = "facts:\n  orders: { count: Order Completed }\n  last_order: { last: Order Completed, of: event.order_id }\n  \
                cart: { basket: Product Added, of: event.product_id, quantity: event.quantity, price: event.price, per: cart_id }\n\
                segments:\n  shoppers: orders > 0\n  all: orders >= 0\n";
    fs::write(dir.path().join("pack.yaml"), pack).unwrap();
    let event = |name: &str, person: &str, properties: &str| {
        format!(
            "{{\"type\":\"track\",\"event\":\"{name}\",\"userId\":\"{person}\",\"messageId\":\"{name}{person}\",\
             \"timestamp\":\"2026-03-02T09:00:00Z\",\"properties\":{{{properties}}}}}\n"
        )
    };
    let added = r#""cart_id":"c1","product_id":"p1","quantity":2,"price":1.5"#;
    let events = [
        event("Order Completed", "bert", r#""order_id":"o\"1""#),
        event("Product Added", "anna", added),
    ];
    fs::write(dir.path().join("events.jsonl"), events.concat()).unwrap();
    well(dir.path(), "run --pack pack.yaml --in events.jsonl --out out --facts facts.jsonl");
    let written = fs::read_to_string(dir.path().join("facts.jsonl")).unwrap();
    let expected = concat!(
        r#"{"person":"user:anna","facts":{"orders":0,"cart":{"c1":{"product_ids":["p1"],"items":2,"value":3}}},"segments":["all"]}"#,
        "\n",
        r#"{"person":"user:bert","facts":{"orders":1,"last_order":"o\"1"},"segments":["all","shoppers"]}"#,
        "\n"
    );
    assert_eq!(written, expected);
}

#[test]
fn files_can_be_packed_or_piped_or_several() {
    let dir = with_events(2_000);
    for name in ["events.jsonl.zst", "events.jsonl.gz"] {
        well(dir.path(), &format!("generate --events 2000 --customers 1000 --out {name}"));
        assert!(fs::metadata(dir.path().join(name)).unwrap().len() < 300_000, "{name} is packed");
    }
    well(dir.path(), "run --pack RETAIL --in events.jsonl --out plain");
    let plain = outputs(dir.path().join("plain"));
    let piped = fs::File::open(dir.path().join("events.jsonl.gz")).unwrap();
    let line = ["run", "--pack", RETAIL, "--in", "-", "--out", "piped"];
    let output = kairos(dir.path()).args(line).stdin(piped).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let named = |outputs: &[Vec<u8>]| -> Vec<Vec<u8>> {
        outputs
            .iter()
            .map(|out| text(out).replace("\"events.jsonl\"", "\"-\"").into_bytes())
            .collect()
    };
    same(&named(&plain), &outputs(dir.path().join("piped")));
    well(dir.path(), "run --pack RETAIL --in events.jsonl.zst --out packed");
    assert_eq!(!plain[0].is_empty(), !outputs(dir.path().join("packed"))[0].is_empty());
    let summary =
        well(dir.path(), "run --pack RETAIL --in events.jsonl events.jsonl.zst --out two");
    assert!(summary.contains("4,000 lines"), "{summary}");
}

#[test]
fn a_run_with_state_goes_on_and_ends() {
    let dir = with_events(20_000);
    well(dir.path(), "run --pack RETAIL --in events.jsonl --out whole");
    let line = "run --pack RETAIL --in events.jsonl --out out --state state";
    let mut child =
        kairos(dir.path()).args(line.replace("RETAIL", RETAIL).split(' ')).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(400));
    child.kill().unwrap();
    child.wait().unwrap();
    well(dir.path(), line);
    same(&outputs(dir.path().join("whole")), &outputs(dir.path().join("out")));
    let said = well(dir.path(), line);
    assert_eq!(said, "this run has ended already; its outputs are in out\n");
    same(&outputs(dir.path().join("whole")), &outputs(dir.path().join("out")));
    for (more, differs) in [
        ("--slack 9s", "another --slack or --epoch"),
        ("--dedup 2h", "another --dedup"),
        ("--until 2026-04-01", "another --until"),
        ("--facts facts.jsonl", "without --facts"),
    ] {
        let said = fails(dir.path(), 3, &format!("{line} {more}"));
        assert!(said.contains(differs) && said.contains("\nhint: "), "{said}");
    }
    let said = fails(dir.path(), 3, &line.replace("RETAIL", &format!("{RETAIL}/../starter")));
    assert!(said.contains("another pack"), "{said}");
}

#[test]
fn ctrl_c_stops_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["run", "--pack", RETAIL, "--in", "-", "--out", "out"];
    let mut child =
        kairos(dir.path()).args(args).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let since = Instant::now();
    let stdin = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    assert!(since.elapsed() < Duration::from_secs(20), "though its input is silent");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(
        said.contains(
            "error: stopped by Ctrl-C or another signal\nhint: the outputs are incomplete"
        ),
        "{said}"
    );
}

#[test]
fn what_cannot_be_read_is_said() {
    let dir = with_events(10);
    let locked = dir.path().join("cut.gz");
    fs::write(&locked, [0x1f, 0x8b, 8, 0, 0]).unwrap();
    for (line, code, message, hint) in [
        (
            "run --pack RETAIL --in nope.jsonl --out out",
            3,
            "cannot read nope.jsonl: there is no such file",
            "one JSON event",
        ),
        (
            "run --pack RETAIL --in . --out out",
            3,
            "cannot read .: it is a folder",
            "name the files",
        ),
        ("run --pack RETAIL --in cut.gz --out cut", 3, "cannot read cut.gz: ", ""),
        ("run --pack nope --in events.jsonl --out out", 1, "nope: no such file or folder", ""),
        ("run --pack . --in events.jsonl --out out", 1, ".: no *.yaml file in this folder", ""),
        (
            "run --pack RETAIL --in - --out out --state s",
            2,
            "standard input cannot be",
            "file first",
        ),
        ("run --pack RETAIL --in events.jsonl ./events.jsonl --out out", 2, "given twice", ""),
        ("run --pack RETAIL --in events.jsonl --out .", 2, "is in the --out folder", "--out out"),
        ("run --pack RETAIL --in events.jsonl --out cut.gz", 3, "it is not a folder", "folder"),
        (
            "run --pack RETAIL --in events.jsonl --out out --slack 5",
            2,
            "--slack",
            "add the unit: 5s",
        ),
        (
            "run --pack RETAIL --in events.jsonl --out out --epoch 0s",
            2,
            "--epoch",
            "longer than zero",
        ),
        ("run --pack RETAIL --in events.jsonl --out out --until soon", 2, "--until", "2026-03-02"),
        ("run --pack RETAIL --in events.jsonl --out out --workers 0", 2, "--workers", "1..=256"),
        ("run --pack RETAIL --out out", 2, "--in <FILE>", ""),
        ("import online-retail events.jsonl", 3, "no column", "header"),
        ("import online-retail nope.csv", 3, "cannot read nope.csv", "path"),
        ("check nope", 1, "nope: no such file or folder", ""),
        ("test RETAIL --filter nope-nope", 1, "there is no test to run", "in its name"),
        ("init .", 3, "is not empty", "nothing has been written"),
        ("generate --out nope/events.jsonl", 3, "cannot write nope/events.jsonl", ""),
        ("generate --over never", 2, "--over", "durations are written"),
        ("demo --for 0s", 2, "--for", "longer than zero"),
        ("wat", 2, "unrecognized subcommand", ""),
    ] {
        let said = fails(dir.path(), code, line);
        assert!(said.starts_with("error: ") || said.contains("\nerror: "), "{line}\n{said}");
        assert!(said.contains(message) && said.contains(hint), "{line}\n{said}");
        assert!(!said.contains("os error") && !said.contains("panicked"), "{line}\n{said}");
    }
    assert!(!dir.path().join("out").exists(), "nothing is written before everything is well");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_said() {
    let dir = with_events(20_000);
    std::os::unix::fs::symlink("/dev/full", dir.path().join("full")).unwrap();
    fs::create_dir(dir.path().join("out")).unwrap();
    for line in [
        "generate --events 1000 --out full",
        "run --pack RETAIL --in events.jsonl --out other --facts full",
    ] {
        let said = fails(dir.path(), 3, line);
        assert!(
            said.contains("no space left on device") && said.contains("hint: make room"),
            "{said}"
        );
    }
    let full = || Stdio::from(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    for line in [&["schema"][..], &["check", RETAIL], &["generate", "--events", "9"]] {
        let output = kairos(dir.path()).args(line).stdout(full()).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{line:?}\n{said}");
        assert!(said.contains("cannot write standard output: no space left"), "{said}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    for line in [
        &["generate", "--events", "200000"][..],
        &["schema"],
        &["--help"],
        &["test", RETAIL],
        &["demo", "--for", "1s", "--customers", "100"],
    ] {
        let mut child = kairos(dir.path())
            .args(line)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = text(&output.stderr);
        assert!(!said.contains("error") && !said.contains("panic"), "{line:?}\n{said}");
        assert_eq!(output.status.code(), Some(0), "{line:?}\n{said}");
    }
}

#[test]
fn packs_are_checked_and_tested() {
    let dir = tempfile::tempdir().unwrap();
    assert!(well(dir.path(), "check RETAIL").contains(": no mistakes ("));
    let tested = well(dir.path(), "test RETAIL");
    assert!(tested.contains("ok      ") && tested.contains(" passed, 0 failed"), "{tested}");
    let quiet = well(dir.path(), "test RETAIL --quiet --filter purchase");
    assert!(quiet.lines().count() == 1 && !quiet.contains(": 0 passed"), "{quiet}");
    let wrong = "segments:\n  a: orders > 0\n";
    fs::write(dir.path().join("wrong.yaml"), wrong).unwrap();
    let said = fails(dir.path(), 1, "check wrong.yaml");
    assert!(said.contains("wrong.yaml:2:6: ") && said.contains("wrong.yaml: 1 mistake"), "{said}");
    let failing = "facts: { n: { count: A } }\ntests:\n  - name: counts\n    script: |\n      \
                   09:00 anna A\n      expect fact anna n = 2\n";
    fs::write(dir.path().join("failing.yaml"), failing).unwrap();
    let output = run(dir.path(), "test failing.yaml");
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(said.contains("FAILED  counts\n  failing.yaml:6: expect fact anna n = 2\n"), "{said}");
}

#[test]
fn a_new_pack_works_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let said = well(dir.path(), "init shop");
    assert!(
        said.contains("wrote shop/welcome.yaml") && said.contains("kairos test shop"),
        "{said}"
    );
    // What it tells to try goes well, with less traffic.
    for line in said.lines().filter_map(|line| line.trim().strip_prefix("kairos ")) {
        well(dir.path(), &line.replace("100000", "1000"));
    }
    let said = fails(dir.path(), 3, "init shop");
    assert!(said.contains("the folder shop is not empty"), "{said}");
    let schema: serde_json::Value = serde_json::from_str(&well(dir.path(), "schema")).unwrap();
    assert!(schema["$defs"]["step"].is_object());
}

#[test]
fn generated_traffic_is_the_same_every_time() {
    let dir = tempfile::tempdir().unwrap();
    let line = "generate --events 500 --customers 100 --faults none --start 2026-06-01 --over 1h";
    let first = well(dir.path(), line);
    assert_eq!(first.lines().count(), 500);
    assert!(first.lines().all(|line| line.contains("\"timestamp\":\"2026-06-01T00:")));
    assert_eq!(first, well(dir.path(), line));
    assert_ne!(first, well(dir.path(), &format!("{line} --seed 2")));
    let output = run(dir.path(), line);
    assert!(text(&output.stderr).contains("500  lines"));
}

#[test]
fn online_retail_is_imported() {
    let dir = tempfile::tempdir().unwrap();
    let csv = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n\
               536365,85123A,HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n";
    fs::write(dir.path().join("shop.csv"), csv).unwrap();
    let packed = zstd::encode_all(csv.as_bytes(), 1).unwrap();
    fs::write(dir.path().join("shop.csv.zst"), packed).unwrap();
    let plain = well(dir.path(), "import online-retail shop.csv");
    assert!(plain.contains("\"event\":\"Order Completed\""), "{plain}");
    let output = run(dir.path(), "import online-retail shop.csv.zst --out orders.jsonl");
    assert!(text(&output.stderr).contains("1  lines read"));
    assert_eq!(fs::read_to_string(dir.path().join("orders.jsonl")).unwrap(), plain);
    let mut child = kairos(dir.path())
        .args(["import", "online-retail", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(csv.as_bytes()).unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), plain);
}

#[test]
fn the_demo_shows_decisions_and_a_summary() {
    let dir = tempfile::tempdir().unwrap();
    let shown = well(dir.path(), "demo --for 3s --customers 500 --speed 7200");
    for part in [
        "The retail pack on generated traffic: 500 customers",
        "reason\n",
        " events/s  ",
        "entered",
    ] {
        assert!(shown.contains(part), "{part} is missing in:\n{shown}");
    }
    assert!(shown.contains("in 3.") && !shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn what_a_pack_ignores_is_counted_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let facts = "facts: { views: { count: Product Viewed } }\nsegments: { curious: views > 0 }\n";
    fs::write(dir.path().join("plain.yaml"), facts).unwrap();
    let ignoring = format!("ignore: [ anonymous:bot-7, user:load ]\n{facts}");
    fs::write(dir.path().join("ignoring.yaml"), ignoring).unwrap();
    let line = |who: &str, second: u32| {
        format!(r#"{{"event":"Product Viewed",{who},"timestamp":"2026-03-02T09:00:{second:02}Z"}}"#)
            + "\n"
    };
    let anna = line(r#""userId":"anna""#, 1) + &line(r#""userId":"bot-7""#, 2);
    let bots =
        line(r#""anonymousId":"bot-7""#, 3) + &line(r#""userId":"load","anonymousId":"x""#, 4);
    fs::write(dir.path().join("with.jsonl"), format!("{anna}{bots}")).unwrap();
    fs::write(dir.path().join("without.jsonl"), &anna).unwrap();
    let said = well(dir.path(), "run --pack ignoring.yaml --in with.jsonl --out a");
    assert!(said.contains("ignored   2 events of machines"), "{said}");
    assert!(said.contains("4 lines, 2 events"), "{said}");
    let said = well(dir.path(), "run --pack plain.yaml --in without.jsonl --out b");
    assert!(!said.contains("ignored"), "{said}");
    same(&outputs(dir.path().join("a")), &outputs(dir.path().join("b")));
    well(dir.path(), "run --pack plain.yaml --in with.jsonl --out c");
    assert_ne!(outputs(dir.path().join("a")), outputs(dir.path().join("c")));
}

#[test]
fn generating_into_a_topic_asks_for_what_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    for (line, said) in [
        ("generate --rate 5", "--to-kafka"),
        ("generate --to-kafka localhost:9092", "--topic"),
        ("generate --to-kafka a:1 --topic t --rate 5 --backlog", "cannot be used with"),
        ("generate --to-kafka a:1 --topic t --rate 5 --over 1h", "cannot be used with"),
        ("generate --to-kafka a:1 --topic t --out x", "cannot be used with"),
        ("generate --to-kafka a:1 --topic t --kafka-property x", "write NAME=VALUE"),
    ] {
        let found = fails(dir.path(), 2, line);
        assert!(found.contains(said), "{line}: {found}");
    }
    // Nobody listens on the discard port.
    let found =
        fails(dir.path(), 3, "generate --to-kafka 127.0.0.1:9 --topic t --kafka-property foo=1");
    assert!(found.contains("foo"), "{found}");
}

#[test]
fn a_run_leaves_a_report_that_is_shown() {
    let dir = with_events(5_000);
    let folder = dir.path();
    let line = "run --pack RETAIL --in events.jsonl --out out --report report.json";
    well(folder, line);
    let all = well(folder, "report --file report.json");
    for shown in ["segment ", "and in ", "journey ", "abandoned-cart ", "as of 20"] {
        assert!(all.contains(shown), "{shown}\n{all}");
    }
    let cart = well(folder, "report abandoned-cart --file report.json");
    for shown in ["abandoned-cart  as of", "entered ", "1 wait for silence", " email cart-reminder"]
    {
        assert!(cart.contains(shown), "{shown}\n{cart}");
    }
    let json = well(folder, "report abandoned-cart --file report.json --json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["entered"].as_u64().unwrap() > 0 && json["converted"].as_u64().unwrap() > 0);
    assert!(json["revenue"].as_str().unwrap().parse::<f64>().unwrap() > 0.0, "{json}");
    let said = fails(folder, 1, "report abandoned-card --file report.json");
    assert!(said.contains("did you mean \"abandoned-cart\"?"), "{said}");
    let said = fails(folder, 3, "report --file events.jsonl");
    assert!(said.contains("is no report"), "{said}");
    fails(folder, 2, "report");
    let said = fails(folder, 3, "report --url http://127.0.0.1:1");
    assert!(said.contains("is it running?"), "{said}");
}
