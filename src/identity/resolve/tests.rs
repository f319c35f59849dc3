//! What follows from the claims of an epoch, and whom scripts are about.

use super::*;
use crate::define::ast::SourceFile;
use crate::define::compile::{Keep, compile};
use crate::define::parse::parse;
use crate::identity::not_before;
use proptest::prelude::*;

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

/// An event of one of few identifiers that names others of them, or says that they are one, or not, or that nothing is to be known any more.
fn any_event() -> impl Strategy<Value = (i64, i64, Says, usize, Vec<usize>)> {
    let says = prop_oneof![
        30 => Just(Says::Together),
        1 => Just(Says::Alias),
        1 => Just(Says::Apart),
        1 => Just(Says::Erased),
    ];
    (0..60_i64, 0..40_i64, says, 0..WHO.len(), proptest::collection::vec(0..WHO.len(), 1..3))
}

const WHO: [&str; 7] =
    ["user:a", "user:b", "user:c", "email:a@x.pl", "anonymous:a", "anonymous:b", "anonymous:c"];

proptest! {
    #[test]
    fn what_says_nothing_new_need_not_be_heard(
        epochs in proptest::collection::vec(proptest::collection::vec(any_event(), 0..25), 1..4),
    ) {
        let new = || resolver(
            "identity: { identifiers: [user, email, anonymous], max_owners: 3, max_identifiers: 4 }
forget_after: 1h
facts: { n: { count: A } }",
        ).telling_names();
        let (mut all, mut few) = (new(), new());
        for (number, events) in (0..).zip(epochs) {
            let begin = number * 50 * crate::time::MINUTE;
            let span = Span { begin, end: begin + 50 * crate::time::MINUTE, clock: i64::MIN };
            let (mut words, mut more) = (Words::default(), Words::default());
            for (position, (minute, late, says, first, others)) in (0..).zip(events) {
                let taken = begin + minute.min(49) * crate::time::MINUTE;
                let origin = Origin { source: 0, position: number as u64 * 100 + position };
                let plain = Event::plain(crate::event::Kind::OTHER, taken - late, origin);
                // The strongest comes first, and nobody is named twice.
                let mut named: Vec<usize> = std::iter::once(first).chain(others).collect();
                named.sort_unstable();
                named.dedup();
                let mut also: crate::event::Names =
                    named[1..].iter().map(|at| WHO[*at].into()).collect();
                match says {
                    Says::Together => {}
                    Says::Alias if also.is_empty() => continue,
                    Says::Alias | Says::Apart => also.truncate(1),
                    Says::Erased => also.clear(),
                }
                let leaf = CompactString::from(WHO[named[0]]);
                let hash = leaf_hash(&leaf);
                let mut event = Event { taken, leaf, hash, also, says, ..plain };
                let part = if position % 2 == 0 { &mut words } else { &mut more };
                part.take(&mut event, all.graph().rules());
            }
            let parts = [words, more];
            let seen = || -> Vec<(When, u64)> {
                let seen = parts.iter().flat_map(|words| &words.seen);
                seen.map(|(at, hash)| (not_before(*at, begin), *hash)).collect()
            };
            parts.iter().flat_map(|it| &it.alone).for_each(|hash| all.acted.note(*hash));
            let claims = parts.iter().flat_map(Words::claims);
            let claims: Vec<(When, Claim)> =
                claims.map(|it| (not_before(it.at, begin), it.claim())).collect();
            let wanted = all.epoch(claims, seen(), span.end);
            let news = few.news(&parts, span);
            let found = few.epoch(news, seen(), span.end);
            let [wanted, found] = [wanted, found].map(|mut outcome| {
                outcome.refused.sort_by_key(|it| format!("{it:?}"));
                format!("{outcome:?}")
            });
            prop_assert_eq!(found, wanted);
        }
        let owners = |of: &Resolver| of.graph().owners().collect::<Vec<_>>();
        prop_assert_eq!(owners(&few), owners(&all));
        // Whoever is forgotten later is so at the same instants.
        let end = |of: &mut Resolver| {
            format!("{:?}", of.epoch(Vec::<(When, Claim)>::new(), Vec::new(), 100 * crate::time::HOUR))
        };
        prop_assert_eq!(end(&mut few), end(&mut all));
    }
}

#[test]
fn what_was_refused_is_heard_again_once_somebody_was_taken_apart() {
    let mut resolver = resolver(
        "identity: { identifiers: [user, email, anonymous], max_identifiers: 3 }
facts: { n: { count: A } }",
    );
    let (u, e, a, c) = ("user:u", "email:e@x.pl", "anonymous:a", "anonymous:c");
    scripts(&mut resolver, 0, &[&[u, e], &[u, c]]);
    let mut words = Words::default();
    let said = [(Says::Together, e, Some(a)), (Says::Apart, c, None), (Says::Together, e, Some(a))];
    for (time, (says, leaf, also)) in (100..).zip(said) {
        let origin = Origin { source: 0, position: time as u64 };
        let mut event = Event {
            leaf: leaf.into(),
            hash: leaf_hash(leaf),
            also: also.into_iter().map(CompactString::from).collect(),
            says,
            ..Event::plain(crate::event::Kind::OTHER, time, origin)
        };
        words.take(&mut event, resolver.graph().rules());
    }
    let news = resolver.news(&[words], Span { begin: 100, end: 200, clock: i64::MIN });
    let outcome = resolver.epoch(news, Vec::new(), 200);
    assert_eq!(outcome.refused.len(), 1);
    assert_eq!(resolver.graph().person_of(a), u);
}
