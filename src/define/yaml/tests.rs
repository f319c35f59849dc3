//! The tree keeps what was written; whatever the text, there is an answer.

use proptest::prelude::*;

use super::*;

fn shown(node: &Node) -> String {
    let Span { line, col, len, .. } = node.span;
    let what = match &node.kind {
        Kind::Null => "~".to_owned(),
        Kind::Broken => "BROKEN".to_owned(),
        Kind::Scalar { text, .. } => format!("{text:?}"),
        Kind::Sequence(items) => {
            format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" "))
        }
        Kind::Mapping(pairs) => {
            let pairs = pairs.iter().map(|(k, v)| format!("{}={}", shown(k), shown(v)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(" "))
        }
    };
    format!("{what}@{line}:{col}+{len}")
}

fn tree(text: &str) -> String {
    let mut diagnostics = Diagnostics::default();
    let node = read(0, text, &mut diagnostics);
    let wrong = diagnostics.into_sorted().into_iter().map(|d| {
        let hint = d.hint.map(|h| format!(" ({h})")).unwrap_or_default();
        format!("{}:{} {}{hint}", d.span.line, d.span.col, d.message)
    });
    node.iter().map(shown).chain(wrong).collect::<Vec<_>>().join("\n")
}

#[test]
fn keeps_order_duplicates_and_places() {
    for (text, expected) in [
        (
            "b: 1\na: 21:00\nb: x # c",
            "{\"b\"@1:1+1=\"1\"@1:4+1 \"a\"@2:1+1=\"21:00\"@2:4+5 \"b\"@3:1+1=\"x\"@3:4+1}@1:1+1",
        ),
        (
            "- a\n-\n- {k: 'v', w: }",
            "[\"a\"@1:3+1 ~@2:2+0 {\"k\"@3:4+1=\"v\"@3:7+3 \"w\"@3:12+1=~@3:13+0}@3:3+13]@1:3+1",
        ),
        ("ä: |\n\n  x: 1\n  y\n", "{\"ä\"@1:1+1=\"\\nx: 1\\ny\\n\"@3:3+4}@1:1+1"),
        (
            "a: f(b, c)\nb: one\n  two",
            "{\"a\"@1:1+1=\"f(b, c)\"@1:4+7 \"b\"@2:1+1=\"one two\"@2:4+3}@1:1+1",
        ),
        ("a: [\n ]", "{\"a\"@1:1+1=[]@1:4+1}@1:1+1"),
        ("\u{feff}a: b\r\nc: d", "{\"a\"@1:1+1=\"b\"@1:4+1 \"c\"@2:1+1=\"d\"@2:4+1}@1:1+1"),
        ("", ""),
        ("# only a comment", ""),
    ] {
        assert_eq!(tree(text), expected, "{text:?}");
    }
}

#[test]
fn says_what_is_not_allowed() {
    let quote = "(quote the whole expression: '…')";
    for (text, expected) in [
        ("a: !segment(\"x\") && b", format!("1:4 {TAG} {quote}", TAG = syntax::TAG)),
        ("a: !x", format!("1:4 {} {quote}", syntax::TAG)),
        ("a: *x", format!("1:4 {} {quote}", syntax::ALIAS)),
        ("a: &x y", format!("1:4 {} (quote the text if & belongs to it)", syntax::ANCHOR)),
        ("a: 1\n---\nb: 1", "2:1 a second document begins here (delete the line \"---\")".into()),
        ("a:\n\tb: 1", "2:1 a tab in the indentation (indent with spaces)".into()),
        ("a: \"x\" == b", format!("1:8 text after the closing quote {quote}")),
        ("a: \0", "1:4 a control character (U+0000) (delete it)".into()),
        ("a: x ? b : c", format!("1:10 a \":\" inside a value {quote}")),
        ("{ a: e in [\"a\"] }", format!("1:11 a \",\" or \"}}\" is missing here {quote}")),
        ("a: {b: c", "1:9 a \",\" or \"}\" is missing here".into()),
        ("a: 'x", "1:4 the closing quote is missing".into()),
        ("a: [1].size()", format!("1:7 this line does not continue what stands above it {quote}")),
    ] {
        let said = tree(text);
        assert_eq!(said.lines().last().unwrap_or_default(), expected, "{text:?}");
    }
    let deep = "[".repeat(YAML_DEPTH_MAX + 1);
    assert_eq!(tree(&deep), "1:65 more than 64 levels of lists and mappings");
}

const PIECES: &str = "([a-c:,{}\\[\\]&*!|>'\"%@`#?\\-. \t\n\r\0\u{feff}]|- |: |\n  ){0,60}";

proptest! {
    #[test]
    fn any_text_has_an_answer(text in "\\PC*") {
        tree(&text);
    }

    #[test]
    fn any_yaml_like_text_has_an_answer(text in PIECES) {
        tree(&text);
    }
}
