//! What is said about wrong packs: the place, the message and the advice, word for word.
//!
//! In the table a pack ends where the lines `#> line:col: message | hint` say what must be
//! reported, all of it.

use kairos::define::ast::SourceFile;
use kairos::define::parse::parse;

const TABLE: &str = include_str!("mistakes_syntax.txt");

fn said(text: &str) -> String {
    let (_, diagnostics) = parse(&[SourceFile { path: "p.yaml".into(), text: text.into() }]);
    let lines = diagnostics.iter().map(|d| {
        let hint = d.hint.as_ref().map(|h| format!(" | {h}")).unwrap_or_default();
        format!("#> {}:{}: {}{hint}\n", d.span.line, d.span.col, d.message)
    });
    lines.collect()
}

#[test]
fn every_mistake_is_said_with_its_place_and_advice() {
    let (mut pack, mut expected, mut count) = (String::new(), String::new(), 0);
    let mut wrong = String::new();
    let mut judge = |pack: &mut String, expected: &mut String| {
        let found = said(pack);
        if found != *expected {
            wrong += &format!("{pack}{found}\n");
        }
        count += 1;
        pack.clear();
        expected.clear();
    };
    for line in TABLE.lines().skip_while(|l| l.starts_with("# ") || l.is_empty()) {
        match line.starts_with("#> ") {
            true => expected += &format!("{line}\n"),
            false if line.is_empty() && !expected.is_empty() => judge(&mut pack, &mut expected),
            false => pack += &format!("{line}\n"),
        }
    }
    judge(&mut pack, &mut expected);
    assert!(wrong.is_empty(), "said otherwise:\n\n{wrong}");
    assert!(count >= 40, "only {count} packs");
}
