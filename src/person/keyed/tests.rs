//! Persons of one worker, in memory and out of it.

use super::*;
use crate::decode::Decoder;
use crate::define::ast::SourceFile;
use crate::define::compile::{Keep, compile};
use crate::define::parse::parse;
use crate::event::Origin;
use crate::person::{Change, ExitReason, Outcome, Reason};
use crate::store::memory::Memory;
use crate::store::{Checkpoint, RunKey, Store};

const PACK: &str = "facts: { seen: { count: Seen } }\n\
    segments: { often: seen > 1 }\n\
    journeys: { j: { enter: { on: Seen }, steps: [ { wait: 2d }, { send: { channel: email, template: t } } ] } }\n";

fn plan(text: &str, keep: Keep) -> Arc<Plan> {
    let (pack, mistakes) = parse(&[SourceFile { path: "pack.yaml".into(), text: text.into() }]);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    Arc::new(compile(&pack, keep).unwrap())
}

fn event(decoder: &Decoder, name: &str, user: &str, at: i64) -> Event {
    let line = format!(r#"{{"event":"{name}","userId":"{user}","timestamp":{at}}}"#);
    decoder.decode(line.as_bytes(), Origin::default()).unwrap()
}

/// Plays four days of three persons, with a checkpoint after each epoch; gives what came out, and the fewest persons
/// that were held after one. Whoever has nothing to do is packed, if more than `most_live` are not.
fn play(most_live: usize, most_held: usize) -> (Vec<String>, usize, Vec<Person>) {
    let plan = plan(PACK, Keep::All);
    let store = Memory::default();
    let mut keyed = Keyed::new(plan.clone(), HOUR, Some(Arc::new(store.clone())));
    keyed.keep_live(most_live);
    keyed.most_held = most_held;
    let decoder = Decoder::new(&plan.inputs);
    let (mut effects, mut fewest) = (Vec::new(), usize::MAX);
    for half_day in 0..8 {
        let at = 1_772_442_000_000 + half_day * 12 * HOUR;
        let seen = |id| event(&decoder, "Seen", id, at);
        let mut events: Vec<Event> =
            if half_day % 5 == 0 { ["a", "b", "c"].map(seen).into() } else { Vec::new() };
        let span = Span { begin: at, end: at + 12 * HOUR, clock: i64::MIN };
        keyed.epoch(&mut events, span, &mut |id, _, new| {
            effects.extend(new.iter().map(|effect| format!("{half_day} {id} {effect:?}")));
        });
        keyed.freeze(0);
        if half_day > 0 {
            fewest = fewest.min(keyed.table.held());
        }
        let records = keyed.write_slice(usize::MAX).unwrap();
        let checkpoint = Checkpoint {
            epoch: half_day as u64,
            run: RunKey {
                plan: 0,
                timeline: crate::epoch::Timeline { slack: 0, step: 12 * HOUR },
                dedup_horizon: HOUR,
                until: None,
                sources: Vec::new(),
            },
            sources: Vec::new(),
            outputs: Vec::new(),
            counts: std::collections::BTreeMap::new(),
            ended: false,
            live: None,
        };
        store.commit(&checkpoint, records).unwrap();
    }
    effects.sort();
    let mut persons: Vec<Person> = keyed.persons().collect();
    persons.sort_by(|a, b| a.id.cmp(&b.id));
    (effects, fewest, persons)
}

/// Many are worked on some at a time: what comes of each goes out under their own name, of what happens to them and of what their timers do.
#[test]
fn whatever_comes_of_somebody_goes_out_under_their_name() {
    let plan = plan(PACK, Keep::All);
    let decoder = Decoder::new(&plan.inputs);
    let (at, many) = (1_772_442_000_000, 3 * NEAR / 2);
    let mut keyed = Keyed::new(plan.clone(), HOUR, None);
    let mut out = |events: &mut Vec<Event>, begin: i64| {
        let mut names = Vec::new();
        let span = Span { begin, end: begin + HOUR, clock: i64::MIN };
        keyed.epoch(events, span, &mut |id, hash, effects| {
            assert_eq!((hash, effects.is_empty()), (leaf_hash(id), false));
            names.push(id.to_owned());
        });
        names.sort();
        names
    };
    let users: Vec<String> = (0..many).map(|number| format!("{number:03}")).collect();
    let mut events = users.iter().map(|user| event(&decoder, "Seen", user, at)).collect();
    let wanted: Vec<String> = users.iter().map(|user| format!("user:{user}")).collect();
    assert_eq!(out(&mut events, at), wanted);
    assert_eq!(out(&mut Vec::new(), at + 48 * HOUR), wanted);
}

/// A silence of which late events tell was none if another event of the same instant tells so too.
#[test]
fn a_silence_is_not_told_before_all_of_an_instant_is_known() {
    let text = "facts: { seen: { count: Seen } }\n\
        journeys: { j: { enter: { quiet_for: 1d }, steps: [ { send: { channel: email, template: t } } ] } }\n";
    let plan = plan(text, Keep::Used);
    let decoder = Decoder::new(&plan.inputs);
    let watermark = 1_772_442_000_000;
    let entered = |ages: &[i64]| {
        let mut keyed = Keyed::new(plan.clone(), HOUR, None);
        let seen = |age: &i64| event(&decoder, "Seen", "a", watermark - age * HOUR);
        let mut events: Vec<Event> = ages.iter().map(seen).collect();
        let span = Span { begin: watermark, end: watermark + HOUR, clock: i64::MIN };
        let mut effects = 0;
        keyed.epoch(&mut events, span, &mut |_, _, new| effects += new.len());
        effects > 0
    };
    assert!(entered(&[100]));
    assert!(!entered(&[100, 1]));
    assert!(!entered(&[100, 50, 23]));
    assert!(entered(&[100, 25]));
}

/// What a journey emits when a timer fires changes which products somebody has, as any other event would.
#[test]
fn products_of_what_a_timer_emits_are_said() {
    let text = "facts: { picked: { recent: Picked, of: event.product_id, keep: 5 } }\n\
        catalogue: { similar: picked }\n\
        journeys: { j: { enter: { on: Seen }, steps: [ { wait: 1h }, \
        { emit: { event: Picked, with: { product_id: '\"a\"' } } }, \
        { emit: { event: Picked, with: { product_id: '\"b\"' } } }, \
        { send: { channel: email, template: t, with: { like: 'similar(picked, 2)' } } } ] } }\n";
    let plan = plan(text, Keep::Used);
    let decoder = Decoder::new(&plan.inputs);
    let at = 1_772_442_000_000;
    let mut keyed = Keyed::new(plan.clone(), HOUR, None);
    let said = [vec![event(&decoder, "Seen", "a", at)], vec![]].map(|mut events| {
        let span = Span { begin: at, end: at + HOUR * 2, clock: i64::MIN };
        let span = if events.is_empty() { span } else { Span { end: at + 1, ..span } };
        keyed.epoch(&mut events, span, &mut |_, _, _| {});
        keyed.take_pairs().len()
    });
    assert_eq!(said, [0, 2]);
}

/// What is beyond the limit of one instant is dropped for that, and not as its cap would have it: instances go on.
#[test]
fn beyond_the_limit_of_an_instant_no_cap_makes_an_instance_exit() {
    let text = "facts: { seen: { count: Seen } }\n\
        journeys: { j: { enter: { on: Seen, again: always }, steps: [ { emit: { event: Seen } }, \
        { send: { channel: email, template: a } }, { send: { channel: email, template: b } }, \
        { send: { channel: email, template: c } }, { send: { channel: email, template: d } }, \
        { send: { channel: sms, template: e } } ] } }\n\
        policy: { caps: [ { channel: sms, max: 1, over: 1h, on_limit: exit } ] }\n";
    let plan = plan(text, Keep::Used);
    let decoder = Decoder::new(&plan.inputs);
    let at = 1_772_442_000_000;
    let mut events = vec![event(&decoder, "Seen", "a", at)];
    let (mut by_cap, mut over, mut finished) = (0, 0, 0);
    let span = Span { begin: at, end: at + HOUR, clock: i64::MIN };
    Keyed::new(plan, HOUR, None).epoch(&mut events, span, &mut |_, _, new| {
        for effect in new.iter() {
            match effect {
                Effect::Decision(it) => {
                    over += usize::from(it.outcome == Outcome::Drop { reason: Reason::Limit });
                }
                Effect::Journey { change: Change::Exited { reason, .. }, .. } => {
                    by_cap += usize::from(*reason == ExitReason::Cap);
                    finished += usize::from(*reason == ExitReason::Finished);
                }
                _ => {}
            }
        }
    });
    assert_eq!(
        (over, by_cap + finished),
        (17 * 5 - 64, 17),
        "as many as one instant may emit, and one"
    );
    assert!(by_cap > 0 && finished > 0, "{by_cap} {finished}");
}

/// At the live edge events are ahead of the watermark: a timer whose deadline lies before such an event fires when the
/// watermark has passed it, and not sooner.
#[test]
fn a_timer_before_an_event_that_is_ahead_of_the_watermark() {
    let plan = plan(PACK, Keep::Used);
    let decoder = Decoder::new(&plan.inputs);
    let mut keyed = Keyed::new(plan, HOUR, None);
    let start = 1_772_442_000_000;
    let mut epoch = |seen: Option<i64>, end: i64| {
        let seen = seen.map(|at| event(&decoder, "Seen", "a", start + at));
        let mut events: Vec<Event> = seen.into_iter().collect();
        let span = Span { begin: i64::MIN, end: start + end, clock: i64::MIN };
        let mut sent = 0;
        keyed.epoch(&mut events, span, &mut |_, _, new| {
            sent += new.iter().filter(|it| matches!(it, Effect::Decision(_))).count();
        });
        sent
    };
    assert_eq!(epoch(Some(0), 0), 0);
    assert_eq!(epoch(Some(50 * HOUR), 47 * HOUR), 0, "an event past the deadline");
    assert_eq!(epoch(None, 48 * HOUR), 0, "an event at the deadline may still come");
    assert_eq!(epoch(None, 48 * HOUR + 1), 1);
    assert_eq!(epoch(None, 49 * HOUR), 0);
}

/// At the live edge an event can come past the end of what the watermark has not closed yet: a session is closed when the
/// watermark has passed its end, unless an event in between joins the two; a timeout that is over is not stopped.
#[test]
fn an_event_past_an_end_that_the_watermark_has_not_reached() {
    let text = "sessions: { gap: 30m }\n\
        journeys: { j: { enter: { on: Added, again: never }, steps: [ { wait: { on: Paid, timeout: 30m, \
        then: [ { send: { channel: email, template: paid } } ], \
        else: [ { send: { channel: email, template: unpaid } } ] } } ] } }\n";
    let plan = plan(text, Keep::Used);
    let decoder = Decoder::new(&plan.inputs);
    let mut keyed = Keyed::new(plan.clone(), HOUR, None);
    let (start, minute) = (1_772_442_000_000, 60_000);
    let mut epoch = |seen: Option<(&str, i64)>, end: i64| {
        let seen = seen.map(|(name, at)| event(&decoder, name, "a", start + at * minute));
        let mut events: Vec<Event> = seen.into_iter().collect();
        let span = Span { begin: i64::MIN, end: start + end * minute, clock: i64::MIN };
        let mut said = Vec::new();
        keyed.epoch(&mut events, span, &mut |_, _, new| {
            said.extend(new.iter().filter_map(|effect| match effect {
                Effect::Session { session, .. } => Some(format!("session of {}", session.events)),
                Effect::Decision(it) => Some(plan.sends[it.send.0 as usize].template.to_string()),
                _ => None,
            }));
        });
        said
    };
    assert!(epoch(Some(("Added", 0)), 0).is_empty());
    assert!(epoch(Some(("Paid", 31)), 30).is_empty());
    assert_eq!(epoch(None, 32), ["session of 1", "unpaid"]);
    assert_eq!(epoch(None, 62), ["session of 1"]);
    // Three far apart, and one that joins the last two.
    assert!(epoch(Some(("Seen", 100)), 70).is_empty());
    assert!(epoch(Some(("Seen", 150)), 71).is_empty());
    assert!(epoch(Some(("Seen", 200)), 72).is_empty());
    assert!(epoch(Some(("Seen", 175)), 73).is_empty());
    assert_eq!(epoch(None, 131), ["session of 1"]);
    assert!(epoch(None, 230).is_empty());
    assert_eq!(epoch(None, 231), ["session of 3"]);
}

/// Somebody is forgotten in the middle of an epoch, and comes again in it by another identifier: nothing was ever said of that
/// one before, and nothing is taken back.
#[test]
fn what_comes_after_the_forgetting_is_none_of_the_forgotten() {
    let text = "identity: { identifiers: [user, email, anonymous] }\nforget_after: 5h\n\
        facts: { seen: { count: Seen } }\nsegments: { often: seen > 0 }\n";
    let plan = plan(text, Keep::All);
    let decoder = Decoder::new(&plan.inputs);
    let start = 1_772_442_000_000;
    let seen = |leaf: &str, at: i64| {
        let line =
            format!(r#"{{"event":"Seen","anonymousId":"a","timestamp":{}}}"#, start + at * HOUR);
        let event = decoder.decode(line.as_bytes(), Origin::default()).unwrap();
        let person = CompactString::from("email:e@x.pl");
        Event { leaf: leaf.into(), hash: leaf_hash(&person), person: Some(person), ..event }
    };
    let all = [seen("email:e@x.pl", 0), seen("anonymous:a", 6), seen("anonymous:a", 7)];
    let play = |epochs: &[&[Event]], ends: &[i64]| {
        let mut keyed = Keyed::new(plan.clone(), HOUR, None);
        let mut gone = Vec::new();
        let mut begin = i64::MIN;
        for (events, end) in epochs.iter().zip(ends) {
            let span = Span { begin, end: start + end * HOUR, clock: i64::MIN };
            begin = span.end;
            keyed.epoch(&mut events.to_vec(), span, &mut |id, _, new| {
                gone.extend(new.iter().filter_map(|effect| match effect {
                    Effect::Gone { time } => Some((id.to_owned(), (time - start) / HOUR)),
                    _ => None,
                }));
            });
        }
        gone
    };
    let wanted = [("email:e@x.pl", 5), ("anonymous:a", 12), ("email:e@x.pl", 12)];
    let wanted = wanted.map(|(id, at)| (id.to_owned(), at));
    let mut apart = play(&[&all[..1], &all[1..], &[]], &[1, 8, 20]);
    let mut at_once = play(&[&all], &[20]);
    apart[1..].sort();
    at_once[1..].sort();
    assert_eq!(apart, wanted);
    assert_eq!(at_once, wanted);
}

#[test]
fn persons_out_of_memory_go_on_as_if_they_were_in_it() {
    let (effects, all, persons) = play(0, usize::MAX);
    assert_eq!((all, persons.len()), (3, 3));
    assert!(effects.iter().any(|effect| effect.contains("Send")), "{effects:?}");
    let (same, none, ends) = play(0, 0);
    assert_eq!(none, 0, "everybody was only in the store at some time");
    assert_eq!((&effects, persons), (&same, ends));
    assert_eq!(play(0, 2).1, 2);
    assert_eq!(effects, play(2, 0).0, "as if two of them had not been packed at once");
}
