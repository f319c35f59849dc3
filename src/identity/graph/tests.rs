use super::*;
use crate::define::ast::SourceFile;
use crate::define::compile::{Keep, compile};
use crate::define::parse::parse;
use crate::identity::words::Words;
use smallvec::smallvec;

fn graph() -> Graph {
    graph_with("max_owners: 2, max_identifiers: 4")
}

fn graph_with(limits: &str) -> Graph {
    let text = format!("identity: {{ identifiers: [user, email, anonymous], {limits} }}");
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

/// Whatever is done to links: what is remembered of claims is what looking them up says.
#[test]
fn claims_are_settled_while_they_are_known() {
    let mut rng = crate::sim::rng::Rng::stream(11, 0);
    let mut graph = graph_with("max_owners: 1000, max_identifiers: 20");
    let (mut known, mut undone) = (0, 0);
    let mut before = std::collections::BTreeSet::new();
    for _ in 0..20_000 {
        let id = |kind: &str, at: u64| CompactString::from(format!("{kind}:{at}"));
        let (anchor, other) = [("user", "anonymous"), ("user", "email"), ("email", "anonymous")]
            [rng.below(3) as usize];
        let (user, device) = (id(anchor, rng.below(4)), id(other, rng.below(4)));
        let claim = Claim::Together(vec![user.clone(), device.clone()]);
        let place = |id: &CompactString| graph.place_of(id, leaf_hash(id));
        let places: Vec<Option<u32>> = claim.identifiers().map(place).collect();
        let is_known = graph.is_known(&claim, &places);
        let mut event = Event::plain(crate::event::Kind::OTHER, 0, crate::event::Origin::default());
        (event.leaf, event.hash, event.also) =
            (user.clone(), leaf_hash(&user), smallvec![device.clone()]);
        let mut words = Words::default();
        words.take(&mut event, graph.rules());
        let lying = words.claims().next().unwrap();
        assert_eq!((lying.claim(), graph.is_settled(lying)), (claim.clone(), is_known));
        known += usize::from(is_known);
        match is_known {
            true => _ = before.insert((user.clone(), device.clone())),
            false => undone += usize::from(before.remove(&(user.clone(), device.clone()))),
        }
        let word = match rng.below(40) {
            0 => Claim::Apart(device, Some(user)),
            1 => Claim::Apart(device, None),
            2 => Claim::Alias(user, device),
            3 => {
                graph.end(&user);
                continue;
            }
            4..10 => claim,
            _ => continue,
        };
        let _ = graph.take(&word, &mut Vec::new());
    }
    assert!(known > 1_000 && undone > 100, "{known} known, {undone} undone");
}
