use super::*;
use crate::define::ast::SourceFile;
use crate::define::compile::{Keep, compile};
use crate::define::parse::parse;

fn graph() -> Graph {
    let text =
        "identity: { identifiers: [user, email, anonymous], max_owners: 2, max_identifiers: 4 }";
    let (pack, mistakes) = parse(&[SourceFile { path: "p.yaml".into(), text: text.into() }]);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    let plan = compile(&pack, Keep::Used).unwrap();
    Graph::new(plan.inputs.identity.unwrap())
}

fn together(graph: &mut Graph, ids: &[&str]) -> Result<(), Refusal> {
    let ids = ids.iter().map(|id| CompactString::from(*id)).collect();
    graph.take(&Claim::Together(ids), &mut Vec::new())
}

fn alias(graph: &mut Graph, one: &str, other: &str) -> Result<(), Refusal> {
    graph.take(&Claim::Alias(one.into(), other.into()), &mut Vec::new())
}

fn person(graph: &Graph, id: &str) -> CompactString {
    graph.owner(id).person
}

#[test]
fn a_device_makes_no_two_customers_one() {
    let mut graph = graph();
    together(&mut graph, &["user:anna", "anonymous:a1"]).unwrap();
    together(&mut graph, &["user:berta", "anonymous:a1"]).unwrap();
    assert_eq!(graph.owner("anonymous:a1").leaf, "anonymous:a1#1");
    assert_eq!(person(&graph, "anonymous:a1"), "user:berta");
    assert_eq!(graph.person_of("anonymous:a1"), "user:anna", "its history stays");
    // Nor does an alias of a device; only one of two accounts does.
    let clara = alias(&mut graph, "user:clara", "anonymous:a1");
    assert_eq!(clara, Err(Refusal::OverLinked), "it has changed hands twice");
    assert_eq!(person(&graph, "user:berta"), "user:berta");
    alias(&mut graph, "user:berta", "user:anna").unwrap();
    assert_eq!(person(&graph, "user:berta"), "user:anna");
}

#[test]
fn a_person_has_at_most_so_many_identifiers() {
    let mut graph = graph();
    for device in ["a1", "a2", "a3"] {
        together(&mut graph, &["user:anna", &format!("anonymous:{device}")]).unwrap();
    }
    let more = together(&mut graph, &["user:anna", "anonymous:a4"]);
    assert_eq!(more, Err(Refusal::TooMany));
    assert_eq!(person(&graph, "anonymous:a4"), "anonymous:a4");
}

#[test]
fn what_a_store_has_kept_is_the_same_again() {
    let mut graph = graph();
    together(&mut graph, &["user:anna", "email:a@b.pl", "anonymous:a1"]).unwrap();
    together(&mut graph, &["user:berta", "anonymous:a1"]).unwrap();
    let apart = Claim::Apart("email:a@b.pl".into(), None);
    graph.take(&apart, &mut Vec::new()).unwrap();
    let mut again = self::graph();
    graph.take_touched().0.into_iter().for_each(|at| again.restore(&graph.record(at)));
    again.restored();
    let owners = |graph: &Graph| {
        let mut owners: Vec<_> = graph.owners().collect();
        owners.sort_by(|(a, _), (b, _)| a.cmp(b));
        owners
    };
    assert_eq!(owners(&again), owners(&graph));
    for graph in [&mut graph, &mut again] {
        together(graph, &["user:anna", "email:a@b.pl"]).unwrap();
        assert_eq!(person(graph, "email:a@b.pl"), "email:a@b.pl", "events do not link it again");
    }
}
