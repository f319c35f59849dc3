//! What follows from the claims of an epoch, and whom scripts are about.

use super::*;
use crate::define::ast::SourceFile;
use crate::define::compile::{Keep, compile};
use crate::define::parse::parse;

fn resolver(text: &str) -> Resolver {
    let (pack, _) = parse(&[SourceFile { path: "pack.yaml".into(), text: text.into() }]);
    let plan = compile(&pack, Keep::Used).unwrap();
    Resolver::new(plan.inputs.identity.unwrap())
}

fn at(time: i64) -> When {
    (time, time, Origin { source: 0, position: time as u64 })
}

/// Until when an identifier belonged to which leaf and person in an epoch.
fn earlier<'a>(outcome: &'a Outcome, identifier: &str) -> Vec<(i64, &'a str, &'a str)> {
    let of = outcome.assigned.iter().find(|it| it.identifier == identifier).unwrap();
    let each =
        |(until, owner): &'a (When, Owner)| (until.0, owner.leaf.as_str(), owner.person.as_str());
    of.earlier.iter().map(each).collect()
}

#[test]
fn an_identifier_that_has_changed_hands_does_not_go_back_to_whom_is_forgotten() {
    let mut resolver = resolver(
        "identity: { identifiers: [user, anonymous] }\nforget_after: 1h\nfacts: { n: { count: A } }",
    );
    let both = |id: &str| Claim::Together(vec![id.into(), "anonymous:a".into()]);
    let claims = vec![
        (at(1), both("user:one")),
        (at(2), both("user:two")),
        (at(3), Claim::Apart("user:one".into(), None)),
    ];
    let outcome = resolver.epoch(claims, Vec::new(), 10 * crate::time::HOUR);
    assert_eq!(earlier(&outcome, "anonymous:a"), [(2, "anonymous:a", "anonymous:a")]);
    let owner = resolver.graph().owner("anonymous:a");
    assert_eq!((&owner.leaf[..], &owner.person[..]), ("anonymous:a#1", "user:two"));
}

/// The scripts of an epoch in which events with these identifiers come, each at an instant.
fn written(resolver: &mut Resolver, begin: i64, events: &[&[&str]]) -> Vec<Script> {
    let event = |(n, identifiers): (usize, &&[&str])| {
        let time = begin + n as i64;
        let origin = Origin { source: 0, position: time as u64 };
        let also = identifiers[1..].iter().map(|id| CompactString::from(*id)).collect();
        let plain = Event::plain(crate::event::Kind::OTHER, time, origin);
        Event { leaf: identifiers[0].into(), hash: leaf_hash(identifiers[0]), also, ..plain }
    };
    let mut events = events.iter().enumerate().map(event).collect();
    resolver.resolve(&mut events, Span { begin, end: begin + 100, clock: i64::MIN })
}

fn scripts(resolver: &mut Resolver, begin: i64, events: &[&[&str]]) -> usize {
    written(resolver, begin, events).len()
}

#[test]
fn nobody_is_brought_of_whom_nothing_has_happened() {
    let (u, v, e, a) = ("user:u", "user:v", "email:e@x.pl", "anonymous:a");
    let new = || resolver("identity: { identifiers: [user, email, anonymous] }");
    let mut resolver = new();
    assert_eq!(scripts(&mut resolver, 0, &[&[u, e, a], &[u, a]]), 0);
    assert_eq!(scripts(&mut resolver, 100, &[&[v, "anonymous:b"], &[u, "anonymous:c"]]), 0);
    // Whenever it was, it may have been before.
    assert_eq!(scripts(&mut new(), 0, &[&[a], &[u, a]]), 1);
    assert_eq!(scripts(&mut new(), 0, &[&[u, a], &[a]]), 1);
    let mut resolver = new();
    assert_eq!(scripts(&mut resolver, 0, &[&[a]]), 0);
    assert_eq!(scripts(&mut resolver, 100, &[&[u, a]]), 1);
    let mut resolver = new();
    assert_eq!(scripts(&mut resolver, 0, &[&[e, a]]), 0);
    assert_eq!(
        scripts(&mut resolver, 100, &[&[u, a]]),
        1,
        "the address has acted, and has the device"
    );
    // Where several turn out to be one, and one of them has acted, all of it is one script.
    let mut resolver = new();
    assert_eq!(scripts(&mut resolver, 0, &[&[e]]), 0);
    assert_eq!(scripts(&mut resolver, 100, &[&[u, a], &[u, e]]), 1);
}

#[test]
fn a_script_hears_of_names_that_its_persons_are_given() {
    let mut resolver = resolver("identity: { identifiers: [user, email, anonymous] }");
    let (u, e) = ("user:u", "email:e@x.pl");
    assert_eq!(scripts(&mut resolver, 0, &[&["anonymous:x"]]), 0);
    // The last one comes in under the address, when it is the user's.
    let events: [&[&str]; 3] = [&[u, "anonymous:x"], &[u, e], &[e, "anonymous:f"]];
    let written = written(&mut resolver, 100, &events);
    let [script] = &written[..] else { panic!("one script: {written:?}") };
    let named = script.changes.iter().flat_map(|(_, change)| change.persons());
    assert!(named.chain(script.members.iter().map(|(leaf, _)| leaf)).any(|id| id == e));
}

#[test]
fn what_is_said_of_the_erased_has_happened_to_the_others() {
    let (u, e, a) = ("user:u", "email:e@x.pl", "anonymous:a");
    for (says, named) in [(Says::Together, [e, a]), (Says::Alias, [e, a])] {
        let mut resolver = resolver("identity: { identifiers: [user, email, anonymous] }");
        let erased = vec![(at(100), Claim::Erased(a.into()))];
        resolver.epoch(erased, Vec::new(), 150);
        // Late, and of a time before that.
        let mut events = vec![Event {
            leaf: named[0].into(),
            hash: leaf_hash(named[0]),
            also: std::iter::once(CompactString::from(named[1])).collect(),
            says,
            ..Event::plain(crate::event::Kind::OTHER, 90, Origin::default())
        }];
        resolver.resolve(&mut events, Span { begin: 150, end: 200, clock: i64::MIN });
        assert_eq!(events.len(), 1);
        assert_eq!(scripts(&mut resolver, 200, &[&[u, e]]), 1, "{says:?}");
    }
}

#[test]
fn whoever_was_taken_apart_may_be_there() {
    let (u, v, a) = ("user:u", "user:v", "anonymous:a");
    let mut resolver = resolver("identity: { identifiers: [user, anonymous] }");
    assert_eq!(scripts(&mut resolver, 0, &[&[u, a]]), 0);
    let apart = |id: &str| Claim::Apart(id.into(), None);
    assert_eq!(resolver.epoch(vec![(at(100), apart(a))], Vec::new(), 200).scripts.len(), 1);
    assert_eq!(scripts(&mut resolver, 200, &[&[v, a]]), 1);
    // The event that says so has happened under an identifier that is linked to none.
    let mut events = vec![Event {
        leaf: "anonymous:b".into(),
        hash: leaf_hash("anonymous:b"),
        says: Says::Apart,
        ..Event::plain(crate::event::Kind::OTHER, 300, Origin::default())
    }];
    resolver.resolve(&mut events, Span { begin: 300, end: 400, clock: i64::MIN });
    assert_eq!(scripts(&mut resolver, 400, &[&[v, "anonymous:b"]]), 1);
}

#[test]
fn those_who_write_it_down_hear_of_names() {
    let together = || Claim::Together(vec!["user:u".into(), "anonymous:a".into()]);
    let new = || resolver("identity: { identifiers: [user, anonymous] }");
    for (mut resolver, names) in [(new(), 0), (new().telling_names(), 1)] {
        let outcome = resolver.epoch(vec![(at(1), together())], Vec::new(), 10);
        assert_eq!((outcome.scripts.len(), outcome.named, outcome.names.len()), (0, 1, names));
    }
}

#[test]
fn what_a_store_has_kept_of_may_have_acted() {
    let mut first = resolver("identity: { identifiers: [user, anonymous] }");
    scripts(&mut first, 0, &[&["user:u", "anonymous:a"]]);
    let mut again = Resolver::with(first.graph, Erased::default());
    again.has_acted(leaf_hash("anonymous:b"));
    assert_eq!(scripts(&mut again, 100, &[&["user:v", "anonymous:b"]]), 1);
    assert_eq!(scripts(&mut again, 200, &[&["user:w", "anonymous:c"]]), 0);
}

#[test]
fn whoever_is_erased_twice_in_an_epoch_was_somebody_in_between() {
    let mut resolver = resolver("identity: { identifiers: [user, anonymous] }");
    let both = Claim::Together(vec!["user:u".into(), "anonymous:a".into()]);
    let erased = |id: &str| Claim::Erased(id.into());
    let claims = vec![(at(1), both), (at(2), erased("user:u")), (at(3), erased("anonymous:a"))];
    let outcome = resolver.epoch(claims, Vec::new(), 10);
    let both_times = [(2, "anonymous:a", "user:u"), (3, "anonymous:a", "anonymous:a")];
    assert_eq!(earlier(&outcome, "anonymous:a"), both_times);
}
