//! What is said about packs that read well and mean nothing: wrong names, types, cycles and
//! policies; the place, the message and the advice, word for word.

use kairos::define::ast::SourceFile;
use kairos::define::compile::{Keep, compile};
use kairos::define::definitions::compile_files;
use kairos::define::parse::parse;

const TABLE: &str = include_str!("mistakes.txt");

/// Holds a table of wrong packs: each ends where the lines `#> line:col: message | hint` say what
/// must be reported, all of it. `said` reports it in that form.
pub fn hold(table: &str, least: usize, said: impl Fn(&str) -> String) {
    let (mut pack, mut expected, mut count) = (String::new(), String::new(), 0);
    let mut wrong = String::new();
    let lines = table.lines().skip_while(|l| l.starts_with("# ") || l.is_empty());
    for line in lines.chain([""]) {
        match line.starts_with("#> ") {
            true => expected += &format!("{line}\n"),
            false if line.is_empty() && !expected.is_empty() => {
                let found = said(&pack);
                if found != expected {
                    wrong += &format!("{pack}{found}\n");
                }
                count += 1;
                pack.clear();
                expected.clear();
            }
            false => pack += &format!("{line}\n"),
        }
    }
    assert!(wrong.is_empty(), "said otherwise:\n\n{wrong}");
    assert!(count >= least, "only {count} packs");
}

#[test]
fn every_mistake_of_meaning_is_said_with_its_place_and_advice() {
    hold(TABLE, 45, |text| {
        let (pack, diagnostics) = parse(&[SourceFile { path: "p.yaml".into(), text: text.into() }]);
        assert!(diagnostics.is_empty(), "{text}{diagnostics:?}");
        let mut found = compile(&pack, Keep::All).err().unwrap_or_default();
        found.sort();
        let lines = found.iter().map(|d| {
            let hint = d.hint.as_ref().map(|h| format!(" | {h}")).unwrap_or_default();
            format!("#> {}:{}: {}{hint}\n", d.span.line, d.span.col, d.message)
        });
        lines.collect()
    });
}

#[test]
fn a_long_row_of_segments_is_a_mistake_and_no_end_of_the_stack() {
    let mut text = "facts: { n: { count: page } }\nsegments:\n  s0: n > 0\n".to_owned();
    for at in 1..3_000 {
        text += &format!("  s{at}: segment(\"s{}\")\n", at - 1);
    }
    let text =
        text.lines().take(2).chain(text.lines().skip(2).collect::<Vec<_>>().into_iter().rev());
    let text: String = text.map(|line| format!("{line}\n")).collect();
    let files = [SourceFile { path: "p.yaml".into(), text: text.as_str().into() }];
    let mistakes = compile_files(&files, Keep::All, None).expect_err("too many");
    assert!(mistakes.text.contains("more than 64 segments ask one another in a row"), "{mistakes}");
}
