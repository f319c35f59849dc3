//! A random contact policy.

use super::super::rng::Rng;
use super::condition::Names;
use super::one;
use std::fmt::Write;

/// The `policy:` of a random pack.
pub fn policy(rng: &mut Rng, names: &Names) -> String {
    let mut text = String::from("policy:\n");
    let zone = one(rng, &["Europe/Warsaw", "America/New_York", "Asia/Kathmandu", "UTC"]);
    let _ = writeln!(text, "  time_zone: {zone}");
    if rng.chance(0.5) {
        text.push_str("  holidays: [ \"03-05\", 2026-03-10 ]\n");
    }
    if rng.chance(0.15) {
        let except = one(rng, &["", ", except: [transactional]", ", channels: [sms]"]);
        let _ = writeln!(text, "  hold_out: {{ percent: 20{except} }}");
    }
    if rng.chance(0.4) {
        text.push_str("  consent:\n");
        for _ in 0..rng.between(1, 2) {
            text.push_str(&consent(rng));
        }
    }
    if rng.chance(0.4) {
        let segment = rng.pick(&names.segments);
        let except = one(rng, &["", ", except: [transactional]", ", channels: [email]"]);
        let _ = writeln!(text, "  suppress:\n    - {{ while: {segment}{except} }}");
    }
    if rng.chance(0.4) {
        text.push_str(&quiet_hours(rng));
    }
    if rng.chance(0.3) {
        let journeys: Vec<String> =
            (1..=names.journeys).map(|number| format!("j{number}")).collect();
        let then = one(rng, &["", ", then: wait", ", then: drop"]);
        let list = journeys.join(", ");
        let _ = writeln!(text, "  exclusive:\n    - {{ journeys: [{list}]{then} }}");
    }
    if rng.chance(0.3) {
        let within = one(rng, &["30m", "4h", "2d"]);
        let about = one(rng, &["", ", channels: [email, sms]"]);
        let least = one(rng, &["60", "80"]);
        let _ =
            writeln!(text, "  look_ahead: {{ below: 60, within: {within}, for: {least}{about} }}");
    }
    if rng.chance(0.3) {
        text.push_str(&gap(rng));
    }
    if rng.chance(0.3) {
        let _ = writeln!(text, "  not_delivered: [ Message Bounced ]");
    }
    if rng.chance(0.7) {
        text.push_str("  caps:\n");
        for _ in 0..rng.between(1, 3) {
            text.push_str(&cap(rng));
        }
    }
    text
}

fn consent(rng: &mut Rng) -> String {
    let whom = one(rng, &["channel: email", "channel: sms", "purpose: marketing"]);
    let proof = one(rng, &["category: Advertising", "trait: newsletter"]);
    let default = one(rng, &["", ", default: granted", ", default: granted", ", default: denied"]);
    let revoked = one(rng, &["", "", ", revoked_by: [Unsubscribed]"]);
    format!("    - {{ {whom}, {proof}{revoked}{default} }}\n")
}

fn gap(rng: &mut Rng) -> String {
    let min = one(rng, &["10m", "3h", "1d"]);
    let limit = one(rng, &["", ", on_limit: drop", ", on_limit: exit"]);
    let about = one(rng, &["", ", channels: [email]", ", except: [transactional]"]);
    format!("  gap: {{ min: {min}{limit}{about} }}\n")
}

fn quiet_hours(rng: &mut Rng) -> String {
    let mut text = "  quiet_hours:\n".to_owned();
    for _ in 0..rng.between(1, 2) {
        let hours = one(
            rng,
            &[
                "from: \"21:00\", to: \"08:00\"",
                "from: \"12:00\", to: \"13:30\"",
                "from: \"22:30\", to: \"02:30\"",
                "days: [sat, sunday]",
                "from: \"20:00\", to: \"10:00\", days: [fri, saturday]",
                "days: [sun], holidays: true",
                "from: \"09:00\", to: \"18:00\", holidays: true",
            ],
        );
        let then = one(rng, &["defer", "defer", "drop"]);
        let channels = one(rng, &["", ", channels: [sms]", ", channels: [email, push]"]);
        let except = one(rng, &["", ", except: [transactional]", ", except: [offer]"]);
        let _ = writeln!(text, "    - {{ {hours}, then: {then}{channels}{except} }}");
    }
    text
}

fn cap(rng: &mut Rng) -> String {
    let about = one(
        rng,
        &[
            "",
            "channel: email, ",
            "channel: sms, ",
            "tag: offer, ",
            "journey: j1, ",
            "purpose: marketing, ",
        ],
    );
    let windows = ["per: day", "per: week", "per: month", "over: 1d", "over: 1h", "over: 7d"];
    let window = one(rng, &windows);
    let limits =
        ["", ", on_limit: drop", ", on_limit: wait", ", on_limit: wait", ", on_limit: exit"];
    let limit = one(rng, &limits);
    let excepts = [
        "",
        "",
        ", except: [transactional]",
        ", only_counts: [transactional]",
        ", only_counts: [offer]",
    ];
    let except = one(rng, &excepts);
    format!("    - {{ {about}max: {}, {window}{limit}{except} }}\n", rng.between(1, 3))
}
