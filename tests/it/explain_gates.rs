//! The gates as they are explained, held to what the decisions alone say, by the rules as they are written.

use kairos::define::ast::{Cap, ConsentProof, Exclusive, Name, Pack, Policy, Scope, Window};
use kairos::time::parse;
use kairos::time::zone::Zone;
use serde_json::Value;

/// The gates in the order of the language's page.
const ORDER: [&str; 11] = [
    "expired",
    "hold-out",
    "consent",
    "suppressed by",
    "excluded by",
    "quiet hours",
    "look-ahead",
    "cap",
    "gap",
    "catching up",
    "throttle",
];

/// The gates of a person's decisions; `decisions` are all of them, in their order.
pub fn hold_gates(
    pack: &Pack,
    zone: &Zone,
    person: &str,
    told: &[(Value, Value)],
    decisions: &[&Value],
) {
    let policy = pack.policy.as_ref().expect("it has a policy");
    for (time, decision) in told {
        let context = format!("{person} at {time}: {decision:#}");
        let gates = decision["gates"].as_array().unwrap_or_else(|| panic!("no gates: {context}"));
        let at = parse(time.as_str().unwrap()).unwrap();
        in_order(gates, &context);
        all_that_concern_it(pack, policy, decision, gates, &context);
        one_is_the_reason(decision, gates, &context);
        for gate in gates.iter().filter(|gate| gate["verdict"] != "not asked") {
            match gate["gate"].as_str().unwrap() {
                "cap" => cap((policy, zone), decision, at, gate, decisions, &context),
                "quiet hours" => quiet_hours((policy, zone), at, gate, &context),
                "expired" => expired(decision, at, gate, &context),
                _ => {}
            }
        }
    }
}

fn in_order(gates: &[Value], context: &str) {
    let place = |gate: &Value| ORDER.iter().position(|name| gate["gate"] == *name);
    let places: Vec<usize> = gates.iter().map(|gate| place(gate).expect(context)).collect();
    assert!(places.is_sorted(), "{places:?} {context}");
}

fn named(rule: &Option<Name>, value: &Value) -> bool {
    rule.as_ref().is_none_or(|name| *value == name.node)
}

fn excepted(except: &[Name], message: &Value) -> bool {
    let tags = message["tags"].as_array().cloned().unwrap_or_default();
    except.iter().any(|it| message["purpose"] == it.node || tags.iter().any(|tag| *tag == it.node))
}

fn concerns(scope: &Scope, message: &Value) -> bool {
    let channels = &scope.channels;
    let meant = channels.is_empty() || channels.iter().any(|it| message["channel"] == it.node);
    meant && !excepted(&scope.except, message)
}

fn counts(cap: &Cap, message: &Value) -> bool {
    let tags = message["tags"].as_array().cloned().unwrap_or_default();
    named(&cap.channel, &message["channel"])
        && named(&cap.purpose, &message["purpose"])
        && named(&cap.journey, &message["journey"])
        && cap.tag.as_ref().is_none_or(|name| tags.iter().any(|tag| *tag == name.node))
        && !excepted(&cap.except, message)
}

/// Of each gate the rules that the message meets, in the order of the file.
fn all_that_concern_it(
    pack: &Pack,
    policy: &Policy,
    message: &Value,
    gates: &[Value],
    context: &str,
) {
    let rules = |name: &str| -> Vec<String> {
        let of = gates.iter().filter(|gate| gate["gate"] == name);
        of.map(|gate| gate["rule"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let consents = policy.consent.iter().filter(|rule| {
        named(&rule.channel, &message["channel"]) && named(&rule.purpose, &message["purpose"])
    });
    let consents = consents.map(|rule| match &rule.proof {
        ConsentProof::Category(name) => format!("category {}", name.node),
        ConsentProof::Trait(name) => format!("trait {}", name.node),
    });
    assert_eq!(rules("consent"), consents.collect::<Vec<_>>(), "{context}");
    let suppress = policy.suppress.iter().filter(|rule| concerns(&rule.scope, message));
    let mut segments: Vec<String> = suppress.map(|rule| rule.segment.node.clone()).collect();
    let journey = pack.journeys.iter().find(|it| message["journey"] == it.name.node);
    let own = journey.and_then(|it| it.suppress_while.as_ref()).map(|name| name.node.clone());
    segments.extend(own.filter(|own| !segments.contains(own)));
    assert_eq!(rules("suppressed by"), segments, "{context}");
    let quiet = policy.quiet_hours.iter().filter(|rule| concerns(&rule.scope, message));
    assert_eq!(rules("quiet hours").len(), quiet.count(), "{context}");
    let holds = |cap: &&Cap| counts(cap, message) && !excepted(&cap.only_counts, message);
    let caps = policy.caps.iter().filter(holds).count();
    assert_eq!(rules("cap").len(), caps, "{context}");
    let gaps = policy.gaps.iter().filter(|gap| concerns(&gap.scope, message)).count();
    assert_eq!(rules("gap").len(), gaps, "{context}");
    let is_member =
        |group: &&Exclusive| group.journeys.iter().any(|name| message["journey"] == name.node);
    let exclusive = policy.exclusive.iter().any(|group| is_member(&group));
    assert_eq!(rules("excluded by").len(), usize::from(exclusive), "{context}");
}

/// Of what was not sent exactly one gate holds, which is the reason; all before it pass, none after it is asked.
fn one_is_the_reason(decision: &Value, gates: &[Value], context: &str) {
    let verdicts: Vec<&str> = gates.iter().map(|it| it["verdict"].as_str().unwrap()).collect();
    let held = verdicts.iter().position(|verdict| *verdict == "holds");
    if decision["decision"] == "send" {
        assert!(verdicts.iter().all(|verdict| *verdict == "passes"), "{context}");
        return;
    }
    let held = held.expect(context);
    assert!(verdicts[..held].iter().all(|verdict| *verdict == "passes"), "{context}");
    assert!(verdicts[held + 1..].iter().all(|verdict| *verdict == "not asked"), "{context}");
    let (gate, rule) = (&gates[held]["gate"], gates[held]["rule"].as_str().unwrap_or_default());
    let gate = gate.as_str().unwrap();
    let reason = match gate {
        "cap" | "gap" | "throttle" | "suppressed by" => format!("{gate} {rule}"),
        // Which journey it is stands in words.
        "excluded by" | "look-ahead" => {
            let reason = decision["reason"].as_str().unwrap();
            assert!(gates[held]["says"].as_str().unwrap().starts_with(reason), "{context}");
            return;
        }
        _ => gate.to_owned(),
    };
    assert_eq!(decision["reason"], reason, "{context}");
}

/// The sends of the log that the cap counts and its window holds.
fn cap(
    (policy, zone): (&Policy, &Zone),
    decision: &Value,
    at: i64,
    gate: &Value,
    decisions: &[&Value],
    context: &str,
) {
    let mut caps = policy.caps.iter().filter(|cap| counts(cap, decision));
    let figures = &gate["figures"];
    let is_it = |cap: &&Cap| {
        let window = match cap.window.node {
            Window::Sliding(length) => at - length + 1,
            Window::Calendar(period) => zone.period_start(at, period),
        };
        figures["max"] == cap.max.node && figures["since"] == kairos::time::format(window)
    };
    let rule = caps.find(is_it).unwrap_or_else(|| panic!("no cap is it: {gate} {context}"));
    let since = parse(figures["since"].as_str().unwrap()).unwrap();
    // Decisions of one instant stand in their order; those from this one on are later.
    let own = decisions.iter().position(|other| other["id"] == decision["id"]).expect(context);
    let sends: Vec<&&Value> = decisions[..own]
        .iter()
        .filter(|other| other["data"]["decision"] == "send" && counts(rule, &other["data"]))
        .filter(|other| parse(other["time"].as_str().unwrap()).unwrap() >= since)
        .collect();
    let times: Vec<&Value> = sends.iter().map(|send| &send["time"]).collect();
    let journeys: Vec<&Value> = sends.iter().map(|send| &send["data"]["journey"]).collect();
    assert_eq!(figures["at"].as_array().unwrap().iter().collect::<Vec<_>>(), times, "{context}");
    assert_eq!(figures["by"].as_array().unwrap().iter().collect::<Vec<_>>(), journeys, "{context}");
    assert_eq!(figures["used"], sends.len(), "{context}");
    let is_full = sends.len() >= rule.max.node as usize;
    assert_eq!(gate["verdict"] == "holds", is_full, "{gate} {context}");
}

/// The clock in the person's zone.
fn quiet_hours((policy, zone): (&Policy, &Zone), at: i64, gate: &Value, context: &str) {
    let minute = zone.minute_of_day(at);
    let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let figures = &gate["figures"];
    assert_eq!(figures["now"], clock(minute), "{context}");
    // Weekdays and holidays are held elsewhere; here is held what has only hours.
    let hours = policy.quiet_hours.iter().filter(|rule| rule.days == 0 && !rule.holidays);
    let mut hours = hours.filter_map(|rule| rule.hours.as_ref());
    let Some((from, to)) = hours.find(|(from, _)| figures["from"] == clock(from.node)) else {
        return;
    };
    let (from, to) = (from.node, to.node);
    assert_eq!(figures["to"], clock(to));
    let is_quiet = match from < to {
        true => (from..to).contains(&minute),
        false => !(to..from).contains(&minute),
    };
    assert_eq!(gate["verdict"] == "holds", is_quiet, "{gate} {context}");
}

fn expired(decision: &Value, at: i64, gate: &Value, context: &str) {
    let until = &gate["figures"]["valid_until"];
    assert_eq!(*until, decision["valid_until"], "{context}");
    let is_over = until.as_str().and_then(parse).is_some_and(|until| at > until);
    assert_eq!(gate["verdict"] == "holds", is_over, "{gate} {context}");
}
