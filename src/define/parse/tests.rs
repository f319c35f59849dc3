//! The tree of a pack that says a bit of everything, and that no text makes the parser fail.

use proptest::prelude::*;

use super::*;
use crate::define::ast::{Again, EnterTrigger, FactKind, OnLimit, Step, Wait, Window};
use crate::define::diagnostic::render;

const PACK_TEXT: &str = include_str!("example.yaml");

fn parsed(text: &str) -> (Pack, String) {
    let files = [SourceFile { path: "p.yaml".into(), text: text.into() }];
    let (pack, diagnostics) = parse(&files);
    let text = render(&files, &diagnostics);
    (pack, text)
}

#[test]
fn a_pack_is_read_as_written() {
    let (pack, wrong) = parsed(PACK_TEXT);
    assert_eq!(wrong, "");
    assert_eq!(pack.currency.as_ref().map(|c| c.rates[0].1.node), Some(1_170_000));
    assert_eq!(pack.sessions.as_ref().map(|s| s.gap.node), Some(1_200_000));
    let [views, spent, cart, birthday] = &pack.facts[..] else { panic!("{:?}", pack.facts) };
    let FactKind::Fold(views) = &views.kind else { panic!("{views:?}") };
    assert_eq!(views.window.as_ref().map(|w| w.node), Some(Window::Sliding(7 * literals::DAY_MS)));
    let condition = views.condition.as_ref().expect("written");
    let literal = condition.offsets.iter().find(|(_, at)| **at == 18).expect("the text");
    assert_eq!(condition.place(*literal.0), Span { file: 0, line: 7, col: 61, len: 1 });
    assert!(matches!(&spent.kind, FactKind::Fold(f) if f.minus.len() == 1 && f.per.is_none()));
    assert!(matches!(&cart.kind, FactKind::Basket(b) if b.per.is_some()));
    assert!(matches!(birthday.kind, FactKind::Trait { .. }));
}

#[test]
fn a_journey_is_read_as_written() {
    let (pack, _) = parsed(PACK_TEXT);
    let journey = &pack.journeys[0];
    assert_eq!(journey.enter.again, Again::After(7 * literals::DAY_MS));
    let EnterTrigger::Date { offset_days, yearly: true, at: Some(at), .. } = &journey.enter.trigger
    else {
        panic!("{:?}", journey.enter)
    };
    assert_eq!((offset_days.node, at.node), (-7, 540));
    let steps: Vec<&Step> = journey.steps.iter().map(|s| &s.node).collect();
    let [Step::Wait(until), Step::Choose(choose), Step::Split(split), Step::Wait(event)] =
        steps[..]
    else {
        panic!("{steps:?}")
    };
    assert!(matches!(until, Wait::UntilFact { offset, .. } if offset.node == -literals::DAY_MS));
    assert!(choose[1].when.is_none() && choose[1].steps.len() == 1);
    assert_eq!((split[0].share.node, split[1].hold_out), (3_333, true));
    assert!(
        matches!(event, Wait::Event { on, otherwise, .. } if on.len() == 2 && otherwise.is_empty())
    );
    let policy = pack.policy.as_ref().expect("written");
    assert_eq!(policy.caps[0].on_limit, OnLimit::Wait);
    let lines: Vec<_> = pack.tests[0].lines.iter().map(|l| (l.span.line, l.span.col)).collect();
    let line = |text| PACK_TEXT.lines().position(|l| l.trim() == text).map_or(0, |i| i as u32 + 1);
    assert_eq!(lines[1..], [(line("09:00 anna X"), 7), (line("expect nothing"), 7)]);
}

#[test]
fn a_journeys_text_knows_neither_comments_nor_layout() {
    let (a, _) = parsed("journeys:\n  x:\n    enter: { on: A } # c\n    steps: [ end ]\n");
    let (b, _) = parsed("journeys:\n\n  x:\n    enter:\n      on: 'A'\n    steps:\n      - end");
    let (c, _) = parsed("journeys:\n  x:\n    enter: { on: B }\n    steps: [ end ]\n");
    let text = |pack: &Pack| pack.journeys[0].text.clone();
    assert_eq!(text(&a), "\"x\": {\"enter\": {\"on\": \"A\"}, \"steps\": [\"end\"]}");
    assert_eq!(text(&a), text(&b));
    assert_ne!(text(&a), text(&c));
}

#[test]
fn names_are_unique_in_the_pack() {
    let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
    let files = [
        file("a.yaml", "facts:\n  x: { count: A }\npolicy: { time_zone: UTC }"),
        file("b.yaml", "facts:\n  x: { count: B }\npolicy: { time_zone: UTC }"),
    ];
    let (_, diagnostics) = parse(&files);
    let said: Vec<_> =
        diagnostics.iter().map(|d| (d.span.file, d.span.line, &*d.message)).collect();
    assert_eq!(
        said,
        [(1, 2, "fact \"x\" is defined twice"), (1, 3, "key \"policy\" is defined twice")]
    );
    assert_eq!(diagnostics[0].hint.as_deref(), Some("it is defined first at a.yaml:2:3"));
}

#[test]
fn journeys_have_limits() {
    let journey =
        |steps: &str| format!("journeys:\n  x:\n    enter: {{ on: A }}\n    steps: {steps}");
    let messages = |text: &str| {
        let (_, diagnostics) = parse(&[SourceFile { path: "p".into(), text: text.into() }]);
        diagnostics.into_iter().map(|d| d.message).collect::<Vec<_>>()
    };
    let long = |n: usize| journey(&format!("[{}]", "{ add_to: x }, ".repeat(n)));
    assert!(messages(&long(200)).is_empty());
    assert_eq!(messages(&long(201)), ["a journey has at most 200 steps"]);
    let deep = |n: usize| {
        let open = "[ { choose: [ { when: a, do: ".repeat(n);
        journey(&format!("{open} [ end ] {}", "} ] } ]".repeat(n)))
    };
    assert!(messages(&deep(7)).is_empty());
    assert_eq!(messages(&deep(8)), ["steps are nested more than 8 deep"]);
}

proptest! {
    /// One piece of the pack goes, comes twice, or gives way to something else.
    #[test]
    fn a_mutated_pack_has_an_answer(
        at in 0..PACK_TEXT.len(),
        len in 0..40_usize,
        with in "(\\PC{0,3}|: |, |- |\n|\n  |\"|'|\\{|\\}|\\[|\\]|!|\t|end|wait|~){0,3}",
    ) {
        let floor = |i: usize| (0..=i.min(PACK_TEXT.len())).rev()
            .find(|i| PACK_TEXT.is_char_boundary(*i)).unwrap_or(0);
        let text = format!("{}{with}{}", &PACK_TEXT[..floor(at)], &PACK_TEXT[floor(at + len)..]);
        prop_assert!(!parsed(&text).1.contains("the parser failed"));
    }
}
