//! The gates of the contact policy, as scripts: what each holds, until when, and what it says.

use crate::packs::judge;
use kairos::define::ast::SourceFile;

/// A pack whose own tests pass.
fn hold(text: &str) {
    let files = [SourceFile { path: "pack.yaml".into(), text: text.into() }];
    match judge(&files) {
        Ok(tests) => assert!(tests > 0, "there is nothing to hold"),
        Err(wrong) => panic!("{wrong}"),
    }
}

#[test]
fn quiet_days_and_holidays() {
    hold(
        r#"
policy:
  time_zone: Europe/Warsaw
  holidays: [ "03-10", 2026-03-12 ]
  quiet_hours:
    - { from: "21:00", to: "08:00", channels: [email] }
    - { days: [saturday, sun], holidays: true, channels: [email] }
    - { from: "12:00", to: "14:00", days: [mon], then: drop, channels: [sms] }
    - { from: "22:00", to: "06:00", days: [tue], channels: [sms] }
journeys:
  mail: { enter: { on: Mail, again: always }, steps: [ { send: { channel: email, template: m } } ] }
  text: { enter: { on: Text, again: always }, steps: [ { send: { channel: sms, template: t } } ] }
tests:
  - name: a Friday evening's mail waits for Monday morning, without being asked about in between
    script: |
      day 5 21:00  anna  Mail
      day 6 12:00
      expect anna defer email m at day 5 21:00 because quiet hours
      expect nothing
      day 8 07:59
      expect nothing
      day 8 08:00
      # Saturday ends where the night begins that ends on Monday at eight.
      expect anna send email m at day 8 08:00
  - name: a holiday of every year, and one of this year
    script: |
      day 9 10:00  anna  Mail
      day 12 12:00
      expect anna send email m at day 10 08:00
      2027-03-10 10:00  anna  Mail
      +1d
      expect anna send email m at 2027-03-11 08:00
      2027-03-12 10:00  anna  Mail
      expect anna send email m at 2027-03-12 10:00
  - name: hours belong to the day on which they begin
    script: |
      day 1 12:00  anna  Text
      expect anna drop sms t because quiet hours
      day 2 12:00  anna  Text
      expect anna send sms t at day 2 12:00
      day 2 23:00  anna  Text
      day 3 05:00  bert  Text
      day 3 06:00
      expect anna send sms t at day 3 06:00
      expect bert send sms t at day 3 06:00
      day 3 23:00  anna  Text
      expect anna send sms t at day 3 23:00
  - name: the night in which an hour is missing
    script: |
      2026-03-27 22:00  anna  Mail
      2026-03-30 08:00
      expect anna send email m at 2026-03-30 08:00
"#,
    );
}

#[test]
fn what_waits_for_the_end_of_something() {
    hold(
        r#"
policy:
  suppress: [ { while: ticket, channels: [email] } ]
  exclusive: [ { journeys: [news, offer], then: wait }, { journeys: [news, tip] } ]
facts: { open: { count: Opened, minus: Closed } }
segments: { ticket: open > 0 }
journeys:
  sorry: { enter: { on: Order }, steps: [ { send: { channel: email, template: order, if_suppressed: wait, valid_for: 2d } } ] }
  promo: { enter: { on: Order }, steps: [ { send: { channel: email, template: promo } } ] }
  text: { enter: { on: Order }, steps: [ { send: { channel: sms, template: text } } ] }
  offer: { enter: { on: Offered }, exit: [ { on: Bought } ], priority: 70, steps: [ { wait: 3d }, { send: { channel: push, template: offer } } ] }
  news: { enter: { on: News, again: always }, priority: 20, steps: [ { send: { channel: push, template: news } } ] }
  tip: { enter: { on: Tip }, priority: 30, steps: [ { wait: 1d } ] }
tests:
  - name: one message waits for the end of the ticket, one is dropped, another channel goes on
    script: |
      09:00  anna  Opened
      10:00  anna  Order
      expect anna drop email promo because suppressed by ticket
      expect anna defer email order because suppressed by ticket
      expect anna send sms text at day 1 10:00
      day 2 09:30  anna  Closed
      expect anna send email order at day 2 09:30
  - name: but not for ever
    script: |
      09:00  anna  Opened
      10:00  anna  Order
      expect anna send sms text
      day 3 10:00
      expect nothing
      +1m
      expect anna drop email order because expired
      day 4 10:00  anna  Closed
      expect nothing
  - name: of an exclusive group, the important one speaks, the other waits for its end
    script: |
      09:00  anna  Offered
      10:00  anna  News
      expect anna defer push news because excluded by offer
      day 2 10:00  anna  Bought
      expect anna send push news at day 2 10:00
      day 3 09:00  anna  Tip
      day 3 10:00  anna  News
      expect anna drop push news because excluded by tip
  - name: it is free to speak once the other has spoken
    script: |
      09:00  anna  Offered
      10:00  anna  News
      day 4 09:00
      expect anna send push offer at day 4 09:00
      expect anna send push news at day 4 09:00
"#,
    );
}

#[test]
fn a_minor_message_lets_a_major_one_go_first() {
    hold(
        r#"
policy:
  look_ahead: { below: 40, within: 2h, for: 70 }
  caps: [ { max: 1, per: day } ]
journeys:
  cart: { enter: { on: Added }, exit: [ { on: Bought } ], priority: 70, steps: [ { wait: { quiet_for: 1h, of: [Added] } }, { send: { channel: email, template: cart } } ] }
  news: { enter: { on: News }, priority: 10, steps: [ { send: { channel: email, template: news } } ] }
tests:
  - name: it waits, and then the cap is the cart's
    script: |
      09:00  anna  Added
      09:30  anna  News
      expect anna defer email news because waits for cart
      10:00
      expect anna send email cart at day 1 10:00
      expect anna drop email news because cap 1 per day
  - name: the cart is bought, and the news goes where it waited
    script: |
      09:00  anna  Added
      09:30  anna  News
      09:40  anna  Bought
      10:00
      expect anna send email news at day 1 10:00
  - name: what is further away is not waited for
    script: |
      09:00  anna  News
      expect anna send email news at day 1 09:00
"#,
    );
}

#[test]
fn gaps_purposes_and_what_did_not_arrive() {
    hold(
        r#"
policy:
  gap: [ { min: 4h, except: [transactional] }, { min: 30m, on_limit: drop, channels: [push] } ]
  caps: [ { purpose: marketing, max: 2, per: day } ]
  not_delivered: [ Message Bounced ]
journeys:
  a: { enter: { on: A, again: always }, steps: [ { send: { channel: email, template: a } } ] }
  b: { enter: { on: B, again: always }, steps: [ { send: { channel: email, template: b, purpose: service } } ] }
  c: { enter: { on: C, again: always }, steps: [ { send: { channel: email, template: c, purpose: transactional } } ] }
  d: { enter: { on: D, again: always }, steps: [ { send: { channel: push, template: d, tags: [transactional] } } ] }
tests:
  - name: four hours between two messages, but for what has to be said
    script: |
      09:00  anna  A
      10:00  anna  B
      10:30  anna  C
      expect anna send email a at day 1 09:00
      expect anna defer email b because gap 4h
      expect anna send email c at day 1 10:30
      13:00
      expect anna send email b at day 1 13:00
      day 2 14:00  anna  D
      day 2 14:10  anna  D
      expect anna send push d at day 2 14:00
      expect anna drop push d because gap push 30m
  - name: a cap of a purpose counts only that
    script: |
      08:00  anna  A
      12:00  anna  B
      16:00  anna  A
      20:00  anna  A
      +1m
      expect anna send email a at day 1 08:00
      expect anna send email b at day 1 12:00
      expect anna send email a at day 1 16:00
      expect anna drop email a because cap marketing 2 per day
  - name: what did not arrive does not count
    script: |
      08:00  anna  A
      12:00  anna  A
      12:01  anna  Message Bounced  template=a
      12:02  anna  Message Bounced  template=other
      13:00  anna  A
      expect anna send email a at day 1 08:00
      expect anna send email a at day 1 12:00
      expect anna send email a at day 1 13:00
      17:00  anna  A
      expect anna drop email a because cap marketing 2 per day
"#,
    );
}

#[test]
fn consent_is_taken_back_at_once() {
    hold(
        r#"
policy:
  consent:
    - { channel: email, purpose: marketing, trait: newsletter, revoked_by: [Unsubscribed], default: granted }
    - { channel: sms, category: sms, revoked_by: [Unsubscribed] }
  quiet_hours: { from: "21:00", to: "08:00" }
journeys:
  a: { enter: { on: A, again: always }, steps: [ { send: { channel: email, template: a } } ] }
  s: { enter: { on: A, again: always }, steps: [ { send: { channel: sms, template: s } } ] }
  o: { enter: { on: A, again: always }, steps: [ { send: { channel: email, template: o, purpose: service } } ] }
tests:
  - name: one click stops the next message, also one that waits
    script: |
      21:30  anna  identify  context.consent.categoryPreferences.sms=true
      22:00  anna  A
      23:00  anna  Unsubscribed  channel=email
      day 2 08:00
      expect anna drop email a because consent
      expect anna send email o at day 2 08:00
      expect anna send sms s at day 2 08:00
  - name: without a channel it means all of them, and what is said later counts again
    script: |
      09:00  anna  identify  context.consent.categoryPreferences.sms=true
      09:30  anna  Unsubscribed
      10:00  anna  A
      expect anna drop email a because consent
      expect anna drop sms s because consent
      expect anna send email o
      11:00  anna  identify  newsletter=true
      12:00  anna  A
      expect anna send email a at day 1 12:00
      expect anna send email o
      expect anna drop sms s because consent
  - name: one that comes late has still been said then
    script: |
      09:00  anna  identify  newsletter=true
      09:30  anna  A
      expect anna send email a
      expect anna send email o
      late 08:50  anna  Unsubscribed
      10:00  anna  A
      # It was said before the yes.
      expect anna send email a at day 1 10:00
      expect anna send email o
"#,
    );
}

#[test]
fn some_get_nothing_to_compare_the_others_with() {
    let pack = r#"
policy:
  hold_out: { percent: 50, except: [transactional] }
journeys:
  a: { enter: { on: A }, steps: [ { send: { channel: email, template: a } }, { send: { channel: email, template: b, purpose: transactional } } ] }
"#;
    let lines: Vec<Vec<u8>> = (0..400)
        .map(|n| {
            let time = 1_780_000_000_000_i64 + n;
            format!(r#"{{"type":"track","event":"A","userId":"u{n}","timestamp":{time}}}"#)
                .into_bytes()
        })
        .collect();
    let engine = crate::engine::Engine::of(pack);
    let result = engine.run(&lines, crate::engine::Cut::plain());
    let text = String::from_utf8(result.outputs[kairos::sink::Stream::Decisions as usize].clone())
        .unwrap();
    let count =
        |words: [&str; 2]| text.lines().filter(|it| words.iter().all(|w| it.contains(w))).count();
    let held = count(["hold-out", "\"template\":\"a\""]);
    assert!((150..250).contains(&held), "about half of 400: {held}");
    assert_eq!(count(["\"send\"", "\"template\":\"a\""]), 400 - held);
    assert_eq!(count(["\"send\"", "\"template\":\"b\""]), 400);
}

fn event(name: &str, who: &str, time: i64, properties: &str) -> Vec<u8> {
    let (id, of) = who.split_once(':').expect("a kind and a name");
    let text = format!(
        r#"{{"type":"track","event":"{name}","{id}":"{of}","timestamp":{time},"properties":{{{properties}}}}}"#
    );
    text.into_bytes()
}

fn triggers(pack: &str, lines: &[Vec<u8>]) -> Vec<serde_json::Value> {
    let result = crate::engine::Engine::of(pack).run(lines, crate::engine::Cut::plain());
    let text = String::from_utf8_lossy(&result.outputs[kairos::sink::Stream::Triggers as usize])
        .into_owned();
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

const MARCH: i64 = 1_772_445_600_000;

#[test]
fn whoever_is_forgotten_and_comes_back_has_other_ids() {
    let pack = "
forget_after: 1d
journeys: { hello: { enter: { on: Product Added, again: never }, steps: [ { send: { channel: email, template: hello } } ] } }
";
    let added = |day: i64| event("Product Added", "anonymousId:a1", MARCH + day * 86_400_000, "");
    let said = triggers(pack, &[added(0), added(2)]);
    assert_eq!(said.len(), 2);
    assert_ne!(said[0]["id"], said[1]["id"], "who removes repeats by id would lose the second");
}

#[test]
fn what_did_not_arrive_is_named_by_the_id_of_its_trigger() {
    let pack = "
policy: { caps: [ { max: 1, per: day } ], not_delivered: [ Message Bounced ] }
journeys: { a: { enter: { on: A, again: always }, steps: [ { send: { channel: email, template: a } } ] } }
";
    let mut lines = vec![event("A", "userId:u", MARCH, "")];
    let id = triggers(pack, &lines)[0]["id"].as_str().expect("an id").to_owned();
    let of = |id: &str| format!(r#""trigger_id":"{id}""#);
    lines.push(event("Message Bounced", "userId:u", MARCH + 60_000, &of("0123456789abcdef")));
    lines.push(event("A", "userId:u", MARCH + 120_000, ""));
    assert_eq!(triggers(pack, &lines).len(), 1, "that was another one");
    lines.push(event("Message Bounced", "userId:u", MARCH + 180_000, &of(&id)));
    lines.push(event("A", "userId:u", MARCH + 240_000, ""));
    assert_eq!(triggers(pack, &lines).len(), 2);
}

#[test]
fn what_waits_is_dropped_when_it_is_worth_nothing_any_more() {
    hold(
        r#"
policy:
  quiet_hours: { from: "21:00", to: "08:00", channels: [sms] }
  caps: [ { channel: push, max: 1, per: week, on_limit: wait } ]
journeys:
  text:
    enter: { on: Text }
    valid_for: 1h
    steps:
      - send: { channel: sms, template: t }
      - send: { channel: push, template: p }
      - send: { channel: email, template: m }
tests:
  - name: its instance goes on then, and not in the morning or next week
    script: |
      12:00  anna  Text
      22:00  anna  Text
      22:59
      expect anna send sms t at day 1 12:00
      expect anna send push p at day 1 12:00
      expect anna send email m at day 1 12:00
      expect anna defer sms t because quiet hours
      expect nothing
      +2h
      expect anna drop sms t at day 1 23:00 because expired
      expect anna defer push p at day 1 23:00 because cap push 1 per week
      expect anna drop push p at day 2 00:00 because expired
      expect anna send email m at day 2 00:00
"#,
    );
}

#[test]
fn some_only_count_in_a_cap() {
    hold(
        r#"
policy:
  caps: [ { channel: email, max: 2, per: day, only_counts: [transactional, urgent] } ]
journeys:
  order: { enter: { on: Order, again: always }, steps: [ { send: { channel: email, template: o, purpose: transactional } } ] }
  alarm: { enter: { on: Alarm, again: always }, steps: [ { send: { channel: email, template: a, tags: [urgent] } } ] }
  offer: { enter: { on: Offer, again: always }, steps: [ { send: { channel: email, template: f } } ] }
tests:
  - name: they go whatever is full, and the others do not after them
    script: |
      09:00  anna  Order
      10:00  anna  Alarm
      11:00  anna  Offer
      12:00  anna  Order
      13:00
      expect anna send email o
      expect anna send email a
      expect anna drop email f because cap email 2 per day
      expect anna send email o
      day 2 09:00  anna  Offer
      day 2 10:00  anna  Order
      day 2 11:00  anna  Offer
      expect anna send email f
      expect anna send email o
      expect anna drop email f because cap email 2 per day
"#,
    );
}

#[test]
fn places_of_a_throttle_are_given_within_a_moment_however_far_a_script_goes() {
    hold(
        r#"
policy: { throttle: { channel: sms, max: 1, per: minute } }
journeys:
  later: { enter: { on: Start }, steps: [ { wait: 1d }, { send: { channel: sms, template: t, valid_for: 10m } } ] }
tests:
  - name: one goes at once, the next a minute later
    script: |
      09:00  anna  Start
      09:00  bert  Start
      +5d
      expect anna defer sms t
      expect bert defer sms t
      expect anna send sms t at day 2 09:00
      expect bert send sms t at day 2 09:01
"#,
    );
}
