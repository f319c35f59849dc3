//! What the compiler does not hold: who may name whom, what is named in one place only, how long a file is, and that what
//! is public says what it means. Read from the sources, as text.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What every module may name: plain data, and bounds.
const VOCABULARY: [&str; 3] = ["limits", "time", "event"];

/// Each module, and those that it may name besides itself. The flow goes down: a stage may use the vocabulary, the plan and
/// what earlier stages give. Nobody but the command line may name `config` and `cli`.
const MAY_NAME: [(&str, &[&str]); 25] = [
    ("limits", &[]),
    ("time", &["limits"]),
    ("event", &["limits", "time"]),
    ("define", &VOCABULARY),
    ("broker", &VOCABULARY),
    ("source", &["limits", "time", "event", "broker"]),
    ("decode", &["limits", "time", "event", "define", "broker"]),
    ("epoch", &["limits", "time", "event", "define", "broker", "source"]),
    ("store", &["limits", "time", "event", "define", "broker", "epoch"]),
    ("report", &["limits", "time", "event", "define"]),
    ("identity", &["limits", "time", "event", "define", "epoch"]),
    ("catalogue", &["limits", "time", "event", "define"]),
    (
        "person",
        &["limits", "time", "event", "define", "epoch", "store", "report", "identity", "catalogue"],
    ),
    ("audience", &["limits", "time", "event", "define", "epoch", "catalogue", "person"]),
    ("sink", &["limits", "time", "event", "define", "broker", "person"]),
    ("metrics", &["limits", "time", "event", "define", "broker", "identity", "person", "sink"]),
    (
        "dataflow",
        &[
            "limits", "time", "event", "define", "broker", "source", "decode", "epoch", "store",
            "report", "identity", "person", "audience", "sink", "metrics",
        ],
    ),
    (
        "explain",
        &[
            "limits", "time", "event", "define", "source", "decode", "epoch", "person", "sink",
            "dataflow",
        ],
    ),
    (
        "serve",
        &[
            "limits", "time", "event", "define", "broker", "report", "person", "sink", "metrics",
            "dataflow", "explain",
        ],
    ),
    (
        "sim",
        &[
            "limits",
            "time",
            "event",
            "define",
            "broker",
            "source",
            "decode",
            "epoch",
            "store",
            "identity",
            "catalogue",
            "person",
            "audience",
            "sink",
            "dataflow",
        ],
    ),
    ("draw", &["limits", "time", "event", "define"]),
    ("history", &["limits", "time", "event", "define", "report", "person", "sink", "draw"]),
    (
        "config",
        &["limits", "time", "event", "define", "broker", "source", "decode", "epoch", "sink"],
    ),
    (
        "cli",
        &[
            "limits", "time", "event", "define", "broker", "source", "decode", "epoch", "store",
            "report", "identity", "person", "audience", "sink", "metrics", "dataflow", "explain",
            "serve", "sim", "draw", "history", "config",
        ],
    ),
    ("allocator", &[]),
];

/// A file that names later stages all the same.
const EXCEPTIONS: [(&str, &[&str]); 1] = [
    // The timely operator around the pure core is wired with the dataflow's own means: it is woken through its wakers, takes
    // the ingest's events, agrees on checkpoints with everybody else, and hands on lines that the sink's formatter has made.
    ("src/person/operator.rs", &["dataflow", "sink"]),
];

/// What is named in some places only.
const ONLY_IN: [(&str, &[&str]); 5] = [
    ("timely", &["src/identity", "src/audience", "src/person/operator.rs", "src/dataflow"]),
    (
        "differential_dataflow",
        &["src/identity", "src/audience", "src/person/operator.rs", "src/dataflow"],
    ),
    ("rdkafka", &["src/broker/kafka"]),
    ("fjall", &["src/store"]),
    // No crate, but a lint that is denied: whoever needs an exception names it.
    ("unsafe_code", &["src/allocator.rs", "src/broker/kafka/native.rs", "src/main.rs"]),
];

/// What reads the wall clock, and the file that may. What only measures itself, the benches and tests, may too.
const WALL_CLOCK: [&str; 4] = ["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now"];
const CLOCK: &str = "src/time/clock.rs";

const LINES_MAX: usize = 600;

/// One file of the sources.
struct File {
    /// From the project's folder, with `/`.
    path: String,
    text: String,
}

impl File {
    /// Whether all of it is about testing.
    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// Its lines from 1 on, without its own tests.
    fn lines(&self) -> Vec<(usize, &str)> {
        let all: Vec<&str> = self.text.lines().collect();
        let is_tests = |pair: &[&str]| {
            pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
        };
        let end = all.windows(2).position(is_tests).unwrap_or(all.len());
        all.into_iter().take(end).enumerate().map(|(at, line)| (at + 1, line)).collect()
    }

    /// The lines that are code, comments cut off. A `//` within a text cuts it too, which hides nothing that is looked for.
    fn code(&self) -> Vec<(usize, &str)> {
        let code = |line: &'_ str| line.find("//").unwrap_or(line.len());
        self.lines().into_iter().map(|(number, line)| (number, &line[..code(line)])).collect()
    }

    /// The module of the crate's root to which it belongs; `main.rs` and `lib.rs` to none.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let module = inside.split('/').next()?.trim_end_matches(".rs");
        (module != "lib" && module != "main").then_some(module)
    }

    /// How many `super` lead from it to the crate's root.
    fn depth(&self) -> usize {
        let parts = self.path.split('/').count() - 1;
        if self.path.ends_with("/mod.rs") { parts - 1 } else { parts }
    }

    /// The modules of the crate's root that its code names, each with a line.
    fn names(&self) -> BTreeMap<&str, usize> {
        let mut names = BTreeMap::new();
        let to_root = "super::".repeat(self.depth());
        for (number, line) in self.code() {
            let by_crate = paths_after(line, "crate::");
            let by_super = paths_after(line, &to_root);
            for name in by_crate.into_iter().chain(by_super) {
                assert!(!name.is_empty(), "{}:{number}: name one module a line", self.path);
                names.entry(name).or_insert(number);
            }
        }
        names
    }
}

/// The words that follow a prefix which stands at the beginning of a path; empty where none follows.
fn paths_after<'a>(line: &'a str, prefix: &str) -> Vec<&'a str> {
    let begins = |at: usize| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !is_word(c) && c != ':')
    };
    let found = line.match_indices(prefix).filter(|(at, _)| begins(*at));
    found.map(|(at, _)| word(&line[at + prefix.len()..])).collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word(text: &str) -> &str {
    &text[..text.find(|c| !is_word(c)).unwrap_or(text.len())]
}

fn has_word(line: &str, wanted: &str) -> bool {
    line.match_indices(wanted).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + wanted.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// All Rust files of some folders.
fn files(folders: &[&str]) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                files.push(File { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The sources, without the files that are tests.
fn sources() -> Vec<File> {
    let mut sources = files(&["src"]);
    sources.retain(|file| !file.is_test());
    assert!(sources.len() > 100, "the sources are read");
    sources
}

fn none(wrong: &[String], rule: &str) {
    assert!(wrong.is_empty(), "{rule}:\n{}", wrong.join("\n"));
}

#[test]
fn nobody_names_a_later_stage() {
    let may_name: BTreeMap<&str, &[&str]> = MAY_NAME.into();
    let mut wrong = Vec::new();
    for file in sources() {
        let Some(module) = file.module() else { continue };
        let Some(allowed) = may_name.get(module) else {
            wrong.push(format!("{}: `{module}` is not in the table of tidy.rs", file.path));
            continue;
        };
        let exception = EXCEPTIONS.iter().find(|(path, _)| *path == file.path);
        let more = exception.map_or(&[][..], |(_, more)| *more);
        for (name, line) in file.names() {
            // Macros and items of the root are no modules.
            let is_module = may_name.contains_key(name);
            if is_module && name != module && !allowed.contains(&name) && !more.contains(&name) {
                wrong.push(format!("{}:{line}: `{module}` names `{name}`", file.path));
            }
        }
    }
    none(&wrong, "a module uses what is above it in lib.rs");
}

#[test]
fn the_exceptions_are_needed() {
    let sources = sources();
    for (path, names) in EXCEPTIONS {
        let file = sources.iter().find(|file| file.path == path).expect("the file is there");
        let named = file.names();
        assert!(names.iter().all(|name| named.contains_key(name)), "{path} names {named:?}");
    }
}

#[test]
fn the_table_has_no_circles() {
    for (at, (module, names)) in MAY_NAME.iter().enumerate() {
        for name in *names {
            let before = MAY_NAME[..at].iter().any(|(earlier, _)| earlier == name);
            assert!(before, "`{module}` may name `{name}`, which is not before it");
        }
    }
}

#[test]
fn what_is_named_in_one_place_is_named_there_only() {
    let mut wrong = Vec::new();
    for file in files(&["src"]) {
        for (name, places) in ONLY_IN {
            let stands_there = places.iter().any(|place| file.path.starts_with(place));
            for (number, line) in file.code() {
                if !stands_there && has_word(line, name) {
                    wrong.push(format!("{}:{number}: {name}", file.path));
                }
            }
        }
        for (number, line) in file.code() {
            for clock in WALL_CLOCK {
                if file.path != CLOCK && line.contains(clock) {
                    wrong.push(format!("{}:{number}: {clock}", file.path));
                }
            }
        }
    }
    none(&wrong, "named outside of its place");
}

#[test]
fn files_are_short() {
    let long = files(&["src", "tests", "benches"]).into_iter().filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > LINES_MAX).then(|| format!("{}: {lines} lines", file.path))
    });
    none(&long.collect::<Vec<_>>(), "a file has at most 600 lines");
}

#[test]
fn what_is_public_says_what_it_means() {
    let mut wrong = Vec::new();
    for file in sources() {
        let lines = file.lines();
        for at in 0..lines.len() {
            if is_public_item(lines[at].1) && !is_documented(&lines[..at]) {
                wrong.push(format!("{}:{}: {}", file.path, lines[at].0, lines[at].1.trim()));
            }
        }
    }
    none(&wrong, "a public item has a doc comment above it");
}

fn is_public_item(line: &str) -> bool {
    let Some(mut rest) = line.trim_start().strip_prefix("pub ") else { return false };
    while let Some(more) = ["async ", "unsafe "].iter().find_map(|word| rest.strip_prefix(word)) {
        rest = more;
    }
    let items = ["fn", "struct", "enum", "trait", "type", "const", "static", "union", "macro"];
    items.contains(&word(rest))
}

/// Whether the last of these lines, attributes left out, is a doc comment.
fn is_documented(above: &[(usize, &str)]) -> bool {
    let mut above = above.iter().rev().map(|(_, line)| line.trim());
    let mut within = false;
    loop {
        match above.next() {
            Some(line) if line.starts_with("#[doc = ") => return true,
            Some(line) if line.starts_with("#[") => within = false,
            // The end of an attribute over several lines.
            Some(line) if within || line.ends_with(")]") => within = true,
            Some(line) => return line.starts_with("///"),
            None => return false,
        }
    }
}
