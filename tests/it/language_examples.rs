//! What the tables of `dataflows/README.md` show reads without a mistake, and the packs it shows are found.

use kairos::define::ast::SourceFile;
use kairos::define::diagnostic::render;
use kairos::define::parse::parse;

const PAGE: &str = include_str!("../../dataflows/README.md");
const TOP: [&str; 9] = [
    "events", "currency", "sessions", "identity", "facts", "segments", "journeys", "policy",
    "tests",
];

/// What the tables leave open, and something to put there.
const OUTLINES: [(&str, &str); 5] = [
    ("{ … }", "{ a: x }"),
    ("…", "x > 3"),
    ("[...]", "[ end ]"),
    ("percent: 45", "percent: 90"),
    ("[..]", "[ offer ]"),
];

/// The blocks that are packs, and not the outline of one with `…` in place of values.
pub fn packs() -> Vec<&'static str> {
    let blocks = PAGE.split("```yaml\n").skip(1).filter_map(|b| b.split("```").next());
    let pack = |text: &&str| {
        !text.contains('…') && TOP.iter().any(|key| text.starts_with(&format!("{key}:")))
    };
    blocks.filter(pack).collect()
}

#[test]
fn every_step_and_entry_of_the_tables_has_no_mistake() {
    let cells = |heading: &str| {
        let section = PAGE.split(heading).nth(1).unwrap_or_default();
        let rows = section.lines().skip(1).skip_while(|l| !l.starts_with('|'));
        let rows = rows.take_while(|l| l.starts_with('|')).skip(2);
        rows.filter_map(|l| l.split(" | ").next()?.strip_prefix("| "))
            .flat_map(|cell| cell.split('`').skip(1).step_by(2))
            .map(|code| OUTLINES.iter().fold(code.to_owned(), |c, (a, b)| c.replace(a, b)))
            .collect::<Vec<_>>()
    };
    let (steps, entries) = (cells("### Steps"), cells("### Entry"));
    assert!(steps.len() >= 10 && entries.len() >= 4, "{steps:?} {entries:?}");
    let journeys = steps.iter().map(|step| ("{ on: A }", step.as_str()));
    let journeys = journeys.chain(entries.iter().map(|entry| (entry.as_str(), "end")));
    for (enter, step) in journeys {
        let text = format!("journeys:\n  x:\n    enter: {enter}\n    steps:\n      - {step}\n");
        let files = [SourceFile { path: "README.md".into(), text: text.clone().into() }];
        let (_, diagnostics) = parse(&files);
        assert_eq!(render(&files, &diagnostics), "", "{text}");
    }
}
