//! One shop whose pack changes while persons are in the middle of it.

use crate::decode::Decoder;
use crate::define::ast::SourceFile;
use crate::define::compile::{Keep, compile_after};
use crate::define::parse::parse;
use crate::define::plan::Plan;
use crate::epoch::Span;
use crate::event::Origin;
use crate::person::keyed::Keyed;
use crate::person::{Change, Effect, Outcome};
use crate::time::{HOUR, MINUTE};
use std::sync::Arc;

const START: i64 = 1_772_442_000_000;

fn plan_after(text: &str, base: Option<&Plan>) -> Arc<Plan> {
    let file = SourceFile { path: "pack.yaml".into(), text: text.into() };
    let (pack, mistakes) = parse(&[file]);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    Arc::new(compile_after(&pack, Keep::All, base).unwrap())
}

struct Shop {
    plan: Arc<Plan>,
    keyed: Keyed,
    /// Minutes since the start.
    now: i64,
}

impl Shop {
    fn new(pack: &str) -> Shop {
        let plan = plan_after(pack, None);
        Shop { keyed: Keyed::new(plan.clone(), HOUR, None), plan, now: 0 }
    }

    fn switch(&mut self, pack: &str) {
        self.plan = plan_after(pack, Some(&self.plan));
        self.keyed.switch(self.plan.clone(), START + self.now * MINUTE);
    }

    /// Goes on to a minute, at whose beginning `user` does something; gives what came out, without steps reached.
    fn to(&mut self, minute: i64, event: Option<(&str, &str)>) -> Vec<String> {
        let decoder = Decoder::new(&self.plan.inputs);
        let at = START + minute * MINUTE;
        let decode = |(user, event): (&str, &str)| {
            let (name, properties) = event.split_once(' ').unwrap_or((event, "{}"));
            let line = format!(
                r#"{{"event":"{name}","userId":"{user}","timestamp":{at},"properties":{properties}}}"#
            );
            decoder.decode(line.as_bytes(), Origin::default()).unwrap()
        };
        let mut events: Vec<_> = event.map(decode).into_iter().collect();
        // Timers up to the event are of the same epoch.
        let span = Span { begin: START + self.now * MINUTE, end: at + 1, clock: i64::MIN };
        let (plan, mut said) = (&self.plan, Vec::new());
        self.keyed.epoch(&mut events, span, &mut |person, _, effects| {
            said.extend(effects.iter().filter_map(|effect| tell(plan, person, effect)));
        });
        self.now = minute;
        said
    }
}

fn tell(plan: &Plan, person: &str, effect: &Effect) -> Option<String> {
    let person = person.trim_start_matches("user:");
    Some(match effect {
        Effect::Segment { segment, entered, .. } => {
            let name = &plan.segments[usize::from(segment.0)].name;
            format!("{person} {} {name}", if *entered { "enters" } else { "leaves" })
        }
        Effect::Journey { change: Change::Exited { reason, .. }, .. } => {
            format!("{person} exits: {}", reason.as_str())
        }
        Effect::Journey { change: Change::Moved { .. }, .. } => format!("{person} moves"),
        Effect::Decision(decision) => {
            let template = &plan.sends[usize::from(decision.send.0)].template;
            let reason = match &decision.outcome {
                Outcome::Send => String::new(),
                Outcome::Defer { reason, .. } | Outcome::Drop { reason } => {
                    format!(" not: {reason:?}")
                }
            };
            format!("{person} gets {template}{reason}")
        }
        _ => return None,
    })
}

const CART: &str = "
journeys:
  cart:
    enter: { on: Added, per: cart }
    exit: [ { on: Paid } ]
    steps: [ { wait: 60m }, { send: { channel: email, template: old } } ]
";

#[test]
fn instances_finish_by_the_version_they_entered_with() {
    let mut shop = Shop::new(CART);
    assert!(shop.to(0, Some(("a", "Added {\"cart\":1}"))).is_empty());
    shop.switch(&CART.replace("60m", "10m").replace("old", "new"));
    assert!(shop.to(30, Some(("b", "Added {\"cart\":1}"))).is_empty());
    // Both versions are one journey: an open instance with the same key is the same instance.
    assert!(shop.to(35, Some(("a", "Added {\"cart\":1}"))).is_empty());
    assert_eq!(shop.to(40, None), ["b gets new", "b exits: finished"]);
    assert_eq!(shop.to(60, None), ["a gets old", "a exits: finished"]);
    assert!(shop.to(61, Some(("a", "Added {\"cart\":1}"))).is_empty());
    assert_eq!(shop.to(80, None), ["a gets new", "a exits: finished"]);
}

#[test]
fn exits_of_an_earlier_version_and_of_a_journey_that_is_gone_still_hold() {
    let mut shop = Shop::new(CART);
    shop.to(0, Some(("a", "Added {\"cart\":1}")));
    shop.to(1, Some(("b", "Added {\"cart\":1}")));
    shop.switch("facts: { n: { count: Other } }\n");
    assert_eq!(shop.to(30, Some(("b", "Paid"))), ["b exits: exit"]);
    assert_eq!(shop.to(60, None), ["a gets old", "a exits: finished"]);
    assert!(shop.to(70, Some(("a", "Added {\"cart\":2}"))).is_empty());
    assert!(shop.to(300, None).is_empty());
}

#[test]
fn caps_count_what_earlier_versions_sent() {
    let cap = "policy: { caps: [ { channel: email, max: 1, over: 5h } ] }\n";
    let mut shop = Shop::new(&format!("{CART}{cap}"));
    shop.to(0, Some(("a", "Added {\"cart\":1}")));
    assert_eq!(shop.to(60, None), ["a gets old", "a exits: finished"]);
    shop.switch(&format!("{}{cap}", CART.replace("old", "new")));
    shop.to(70, Some(("a", "Added {\"cart\":2}")));
    assert_eq!(shop.to(130, None), ["a gets new not: Cap(0)", "a exits: finished"]);
}

#[test]
fn those_who_follow_go_over_to_the_same_step_or_out() {
    let follow = |steps: &str| {
        format!(
            "journeys: {{ cart: {{ enter: {{ on: Added, per: cart }}, on_change: follow, steps: [ {steps} ] }} }}\n"
        )
    };
    let send = |template: &str| format!("{{ send: {{ channel: email, template: {template} }} }}");
    let mut shop = Shop::new(CART);
    shop.to(0, Some(("a", "Added {\"cart\":1}")));
    shop.switch(&follow(&format!("{{ wait: 20m }}, {}", send("new"))));
    assert_eq!(shop.to(5, None), ["a moves"]);
    assert_eq!(shop.to(20, None), ["a gets new", "a exits: finished"]);
    shop.to(21, Some(("a", "Added {\"cart\":2}")));
    shop.switch(&follow(&send("newer")));
    assert_eq!(shop.to(22, None), ["a exits: changed"]);
    // A wait that is over by its new length is over.
    shop.switch(&follow(&format!("{{ wait: 60m }}, {}", send("new"))));
    shop.to(30, Some(("a", "Added {\"cart\":3}")));
    shop.to(50, None);
    shop.switch(&follow(&format!("{{ wait: 10m }}, {}", send("new"))));
    assert_eq!(shop.to(51, None), ["a moves", "a gets new", "a exits: finished"]);
}

#[test]
fn segments_are_entered_and_left_once_by_everybody() {
    let pack = |condition: &str| {
        format!(
            "facts: {{ seen: {{ count: Seen }} }}\nsegments: {{ often: seen >= {condition} }}\n\
             journeys: {{ j: {{ enter: {{ entered: often }}, steps: [ {{ send: {{ channel: email, template: t }} }} ] }} }}\n"
        )
    };
    let mut shop = Shop::new(&pack("3"));
    for (minute, user) in [(0, "a"), (1, "a"), (2, "b"), (3, "c"), (4, "c")] {
        shop.to(minute, Some((user, "Seen")));
    }
    assert_eq!(
        shop.to(5, Some(("c", "Seen"))),
        ["c enters often", "c gets t", "c exits: finished"]
    );
    // The count goes on; who is in stays in without a word.
    shop.switch(&pack("2"));
    assert_eq!(shop.to(6, None), ["a enters often", "a gets t", "a exits: finished"]);
    shop.switch(&pack("3"));
    assert_eq!(shop.to(7, None), ["a leaves often"]);
    shop.switch("facts: { seen: { count: Seen } }\n");
    assert_eq!(shop.to(8, None), ["c leaves often"]);
    // It is met again after it was gone, and the fact was not.
    shop.switch(&pack("3"));
    assert_eq!(shop.to(9, None), ["c enters often", "c gets t", "c exits: finished"]);
}

#[test]
fn facts_go_on_if_they_are_the_same_and_begin_empty_if_not() {
    let pack = |template: &str, of: &str| {
        format!(
            "facts: {{ n: {{ count: {of} }} }}\n\
             journeys: {{ j: {{ enter: {{ on: Go, again: always }}, steps: [ {{ wait: 60m }}, {{ choose: [ {{ when: n >= 2, \
             do: [ {{ send: {{ channel: email, template: {template} }} }} ] }} ] }} ] }} }}\n"
        )
    };
    let mut shop = Shop::new(&pack("one", "Seen"));
    shop.to(0, Some(("a", "Seen")));
    shop.to(1, Some(("a", "Go")));
    // The instance under way goes on to count what it counted.
    shop.switch(&pack("two", "Other"));
    shop.to(2, Some(("a", "Seen")));
    shop.to(3, Some(("a", "Go")));
    assert_eq!(shop.to(61, None), ["a gets one", "a exits: finished"]);
    assert_eq!(shop.to(63, None), ["a exits: finished"]);
    // As long as an instance may count it, it goes on for a definition that is the same again.
    shop.switch(&pack("three", "Seen"));
    shop.to(70, Some(("a", "Go")));
    assert_eq!(shop.to(130, None), ["a gets three", "a exits: finished"]);
}

#[test]
fn a_silence_has_lasted_as_long_as_it_has() {
    let pack = |length: &str| {
        format!(
            "journeys: {{ quiet: {{ enter: {{ quiet_for: {length}, of: [Seen] }}, \
             steps: [ {{ send: {{ channel: email, template: quiet }} }} ] }} }}\n"
        )
    };
    let mut shop = Shop::new(&pack("3h"));
    shop.to(0, Some(("a", "Seen")));
    shop.switch(&pack("2h"));
    assert!(shop.to(119, None).is_empty());
    assert_eq!(shop.to(120, None), ["a gets quiet", "a exits: finished"]);
    // It has been told.
    shop.switch(&pack("4h"));
    assert!(shop.to(500, None).is_empty());
    shop.to(501, Some(("a", "Seen")));
    shop.to(600, None);
    // Long enough already.
    shop.switch(&pack("1h"));
    assert_eq!(shop.to(601, None), ["a gets quiet", "a exits: finished"]);
}

#[test]
fn a_date_that_has_come_does_not_come_again() {
    let pack = |hour: &str| {
        format!(
            "facts: {{ seen: {{ last: Seen, of: event.timestamp }} }}\n\
             journeys: {{ day: {{ enter: {{ date: seen, every: once, at: \"{hour}\" }}, \
             steps: [ {{ send: {{ channel: email, template: day }} }} ] }} }}\n"
        )
    };
    // The start is 09:00.
    let mut shop = Shop::new(&pack("12:00"));
    shop.to(0, Some(("a", "Seen")));
    shop.switch(&pack("10:00"));
    assert!(shop.to(59, None).is_empty());
    assert_eq!(shop.to(60, None), ["a gets day", "a exits: finished"]);
    shop.switch(&pack("11:00"));
    assert!(shop.to(600, None).is_empty());
}

#[test]
fn a_pack_that_means_the_same_changes_nothing() {
    let first = plan_after(CART, None);
    let again = plan_after(&format!("# a word\n{CART}"), Some(&first));
    assert_eq!((again.journeys.len(), again.sends.len(), again.version), (1, 1, 1));
    assert!(!again.concerns_everybody());
    assert_eq!(again.journeys[0].heir.map(|heir| heir.0), Some(0));
}
