//! `kairos run` over files as people have it: what is said after a stop, and what is left as it is when something is wrong.

use crate::cli::{fails, well};
use kairos::dataflow::{Job, RunError, run};
use kairos::define::compile::Keep;
use kairos::define::definitions::compile_files;
use kairos::define::files::read_pack;
use kairos::epoch::Timeline;
use kairos::sink::files::Files;
use kairos::sink::{Sink, SinkError, Stream};
use kairos::source::file::{LineReader, Position};
use kairos::store::disk::Disk;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A message that two rules hold, because of the same segment.
const PACK: &str = "
policy: { suppress: [ { while: tick, except: [service] } ] }
facts: { t: { count: T } }
segments: { tick: t > 0 }
journeys:
  j:
    enter: { on: A, again: always }
    suppress_while: tick
    steps: [ { send: { channel: email, template: t } } ]
";

/// A pack, and so many events of somebody whose messages are held.
fn folder(events: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("pack.yaml"), PACK).unwrap();
    let mut lines = String::new();
    for n in 0..events {
        let name = if n == 0 { "T" } else { "A" };
        lines += &format!(
            "{{\"type\":\"track\",\"event\":\"{name}\",\"userId\":\"anna\",\"messageId\":\"{n}\",\"timestamp\":{}}}\n",
            1_780_000_000_000_i64 + n as i64 * 1_000
        );
    }
    fs::write(dir.path().join("events.jsonl"), lines).unwrap();
    dir
}

/// Fails once there is a checkpoint and another one is under way.
struct Failing {
    files: Files,
    syncs: usize,
}

impl Sink for Failing {
    fn write(&mut self, stream: Stream, line: &[u8]) -> Result<(), SinkError> {
        self.files.write(stream, line)
    }

    fn sync(&mut self) -> Result<Vec<u64>, SinkError> {
        self.syncs += 1;
        if self.syncs > 1 {
            return Err(SinkError { path: "out".into(), source: io::Error::other("planted") });
        }
        self.files.sync()
    }

    fn complete(&mut self, epoch: u64) -> Result<(), SinkError> {
        self.files.complete(epoch)
    }
}

/// The run that [`LINE`] goes on with.
fn stopped_run(folder: &Path) {
    let files = read_pack(&folder.join("pack.yaml")).unwrap();
    let (_, plan) = compile_files(&files, Keep::Used, None).map_err(|it| it.text).unwrap();
    let (disk, checkpoint) = Disk::open(&folder.join("state")).unwrap();
    assert!(checkpoint.is_none());
    let events = folder.join("events.jsonl");
    let reader = LineReader::open(&events, 0, Position::default()).unwrap().with_chunk_size(4_096);
    let ended = run(Job {
        plan: Arc::new(plan),
        sources: vec![("events.jsonl".into(), Box::new(reader))],
        sink: Box::new(Failing { files: Files::open(&folder.join("out"), &[]).unwrap(), syncs: 0 }),
        workers: 1,
        timeline: Timeline { slack: 5_000, step: 10_000 },
        dedup_horizon: 3_600_000,
        until: None,
        store: Some((Arc::new(disk), None)),
        chunks_per_checkpoint: 8,
        keep_persons: false,
    })
    .join();
    assert!(matches!(ended, Err(RunError::Sink(_))), "{:?}", ended.err());
}

const LINE: &str = "run --pack pack.yaml --in events.jsonl --out out --state state";

#[test]
fn the_summary_after_a_stop_is_that_of_the_whole_run_or_says_what_it_is_of() {
    let dir = folder(4_000);
    let folder = dir.path();
    let whole = well(folder, "run --pack pack.yaml --in events.jsonl --out whole");
    assert!(whole.contains("drop: suppressed by tick  3,999\n"), "{whole}");
    assert!(!whole.contains("checkpoint"), "{whole}");
    stopped_run(folder);
    let said = well(folder, LINE);
    let tables = |said: &str| {
        let from = said.find("\njourney").unwrap();
        said[from..said.rfind("\n\n").unwrap()].to_owned()
    };
    assert_eq!(tables(&said), tables(&whole));
    for line in said.lines().filter(|it| it.starts_with("input") || it.starts_with("time")) {
        assert!(line.ends_with(", since the checkpoint"), "{said}");
    }
    assert!(said.contains("since the checkpoint") && !said.contains("4,000 lines"), "{said}");
}

#[test]
fn outputs_stay_as_they_are_if_what_goes_beside_them_cannot_be_written() {
    let dir = folder(10);
    let folder = dir.path();
    let line = "run --pack pack.yaml --in events.jsonl --out out --facts facts --report report";
    well(folder, line);
    let all = || {
        let files = ["out/decisions.jsonl", "out/journeys.jsonl", "facts", "report"];
        files.map(|name| fs::read_to_string(folder.join(name)).unwrap())
    };
    let before = all();
    assert!(before.iter().all(|text| !text.is_empty()));
    for wrong in ["--facts nowhere/f --report report", "--facts facts --report nowhere/r"] {
        let line = line.replace("--facts facts --report report", wrong);
        let said = fails(folder, 3, &line);
        assert!(said.contains("cannot write nowhere/") && said.contains("\nhint: make"), "{said}");
        assert_eq!(all(), before);
    }
    let events = fs::read_to_string(folder.join("events.jsonl")).unwrap();
    for flag in ["--facts", "--report"] {
        let line = "run --pack pack.yaml --in events.jsonl --out out";
        let said = fails(folder, 2, &format!("{line} {flag} ./events.jsonl"));
        assert!(said.contains("would overwrite the input ./events.jsonl"), "{said}");
        assert_eq!(fs::read_to_string(folder.join("events.jsonl")).unwrap(), events);
    }
    // What was longer is not left behind what is shorter.
    fs::write(folder.join("facts"), "x".repeat(10_000)).unwrap();
    well(folder, line);
    assert_eq!(all(), before);
}

#[test]
fn a_run_that_has_ended_says_so_only_if_all_that_is_asked_for_is_there() {
    let dir = folder(10);
    let folder = dir.path();
    let line = format!("{LINE} --facts facts");
    well(folder, &line);
    let ended = "this run has ended already";
    assert!(well(folder, &line).contains(ended));
    let hint = "hint: run it again with an empty --state folder";
    let wrong = |line: &str, why: &str| {
        let said = fails(folder, 3, line);
        assert!(said.contains(ended) && said.contains(why) && said.contains(hint), "{said}");
    };
    wrong(&format!("{LINE} --facts other"), "there is no other, and --facts is written as");
    wrong(&format!("{line} --report report"), "there is no report, and --report is");
    wrong(&line.replace("--out out", "--out elsewhere"), "no elsewhere/triggers.jsonl any more");
    fs::write(folder.join("out/decisions.jsonl"), "").unwrap();
    wrong(&line, "out/decisions.jsonl has 0 bytes now");
}
