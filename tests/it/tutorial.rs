//! `dataflows/TUTORIAL.md` is true: what it shows is done in an empty folder, and comes out as it says.
//!
//! A block of `yaml` is a file, a block of `diff` changes one (what is above names it), and in a block of `console` each
//! line with `$` is run by the shell. Its output is compared line by line: a line `…` stands for any lines, `…` within a line
//! for any text. A last line `# exit code 1` says how the command ends, else it ends well.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const PAGE: &str = include_str!("../../dataflows/TUTORIAL.md");
const ANY: char = '…';

/// A fenced block: what it is, the file that is named above it, and its lines.
struct Block<'a> {
    kind: &'a str,
    file: Option<&'a str>,
    lines: Vec<&'a str>,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let (mut blocks, mut above, mut lines) = (Vec::new(), "", page.lines());
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let file = above.strip_prefix('`').and_then(|name| name.strip_suffix('`'));
            let lines = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(Block { kind, file, lines });
        }
        above = line;
    }
    blocks
}

/// A command, what is shown of its output, and how it ends.
struct Shown<'a> {
    command: &'a str,
    output: Vec<&'a str>,
    code: i32,
}

fn commands<'a>(lines: &[&'a str]) -> Vec<Shown<'a>> {
    let mut commands: Vec<Shown<'a>> = Vec::new();
    for line in lines {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push(Shown { command, output: Vec::new(), code: 0 });
            continue;
        }
        let last = commands.last_mut().expect("a console begins with a command");
        match line.strip_prefix("# exit code ") {
            Some(code) => last.code = code.parse().unwrap(),
            None => last.output.push(line),
        }
    }
    commands
}

fn agrees(shown: &[&str], got: &[&str]) -> bool {
    match shown {
        [] => got.is_empty(),
        ["…", rest @ ..] => (0..=got.len()).any(|from| agrees(rest, &got[from..])),
        [line, rest @ ..] => {
            got.split_first().is_some_and(|(first, got)| is_like(line, first) && agrees(rest, got))
        }
    }
}

fn is_like(shown: &str, got: &str) -> bool {
    let Some((head, tail)) = shown.split_once(ANY) else { return shown == got };
    let Some(rest) = got.strip_prefix(head) else { return false };
    let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.any(|at| is_like(tail, &rest[at..]))
}

/// What a command says, on both of its outputs, and the code with which it ends.
fn run(folder: &Path, command: &str) -> (String, Option<i32>) {
    let programs = Path::new(env!("CARGO_BIN_EXE_kairos")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{command}")])
        .env("PATH", path)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

/// What differs, with both texts.
fn difference(shown: &Shown<'_>, folder: &Path) -> Option<String> {
    let (said, code) = run(folder, shown.command);
    let got: Vec<_> = said.lines().map(str::trim_end).collect();
    let same = agrees(&shown.output, &got) && code == Some(shown.code);
    (!same).then(|| {
        let (command, expected) = (shown.command, shown.output.join("\n"));
        format!(
            "$ {command}\nthe tutorial shows, with exit code {}:\n{expected}\n\nit says, with exit code {code:?}:\n{said}",
            shown.code
        )
    })
}

/// Applies a block of `diff`: of each part, between lines `@@`, the old lines have to be in the file, and only once.
fn change(text: &str, lines: &[&str]) -> String {
    lines.split(|line| *line == "@@").fold(text.to_owned(), |text, part| {
        let side = |without: char| -> String {
            let kept = part.iter().filter(|line| !line.starts_with(without));
            kept.map(|line| format!("{}\n", line.get(1..).unwrap_or_default())).collect()
        };
        let (old, new) = (side('+'), side('-'));
        assert_eq!(text.matches(&old).count(), 1, "to be changed:\n{old}\nin:\n{text}");
        text.replace(&old, &new)
    })
}

#[test]
fn what_the_tutorial_shows_comes_out_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ran, mut wrong) = (0, Vec::new());
    for block in blocks(PAGE) {
        let file = || folder.path().join(block.file.expect("a file is named above its block"));
        match block.kind {
            "yaml" => fs::write(file(), block.lines.join("\n") + "\n").unwrap(),
            "diff" => {
                let text = fs::read_to_string(file()).unwrap();
                fs::write(file(), change(&text, &block.lines)).unwrap();
            }
            "console" => {
                let commands = commands(&block.lines);
                ran += commands.len();
                wrong.extend(commands.iter().filter_map(|shown| difference(shown, folder.path())));
            }
            other => panic!("the tutorial has a block of {other:?}, which is not looked at"),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(ran >= 20, "only {ran} commands were found");
}

#[test]
fn what_is_left_out_stands_for_anything_and_nothing_else_does() {
    let got = ["ok  one", "ok  two", "2 passed in 3 ms"];
    assert!(agrees(&got, &got));
    assert!(agrees(&["ok  one", "…", "2 passed in … ms"], &got));
    assert!(agrees(&["…"], &got) && agrees(&["…", "ok  one", "…"], &got));
    assert!(!agrees(&["ok  one", "…", "3 passed in … ms"], &got));
    assert!(!agrees(&["ok  one", "2 passed in … ms"], &got));
    assert!(!agrees(&got[..2], &got) && !agrees(&got, &got[..2]));
    assert!(!agrees(&["…", "2 passed in … m"], &got));
}
