//! What is said about packs that do not read: the place, the message and the advice, word for word.

use kairos::define::ast::SourceFile;
use kairos::define::parse::parse;

const TABLE: &str = include_str!("mistakes_syntax.txt");

#[test]
fn every_mistake_is_said_with_its_place_and_advice() {
    super::mistakes::hold(TABLE, 40, |text| {
        let (_, diagnostics) = parse(&[SourceFile { path: "p.yaml".into(), text: text.into() }]);
        let lines = diagnostics.iter().map(|d| {
            let hint = d.hint.as_ref().map(|h| format!(" | {h}")).unwrap_or_default();
            format!("#> {}:{}: {}{hint}\n", d.span.line, d.span.col, d.message)
        });
        lines.collect()
    });
}
