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
    if rng.chance(0.4) {
        text.push_str("  consent:\n");
        for _ in 0..rng.between(1, 2) {
            text.push_str(&consent(rng));
        }
    }
    if rng.chance(0.4) {
        let segment = rng.pick(&names.segments);
        let except = if rng.chance(0.5) { ", except: [transactional]" } else { "" };
        let _ = writeln!(text, "  suppress:\n    - {{ while: {segment}{except} }}");
    }
    if rng.chance(0.4) {
        text.push_str(&quiet_hours(rng));
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
    format!("    - {{ {whom}, {proof}{default} }}\n")
}

fn quiet_hours(rng: &mut Rng) -> String {
    let times = *rng.pick(&[("21:00", "08:00"), ("12:00", "13:30"), ("22:30", "02:30")]);
    let then = one(rng, &["defer", "defer", "drop"]);
    let channels = one(rng, &["", ", channels: [sms]", ", channels: [email, push]"]);
    let except = one(rng, &["", ", except: [transactional]", ", except: [offer]"]);
    format!(
        "  quiet_hours: {{ from: \"{}\", to: \"{}\", then: {then}{channels}{except} }}\n",
        times.0, times.1
    )
}

fn cap(rng: &mut Rng) -> String {
    let about =
        one(rng, &["", "", "channel: email, ", "channel: sms, ", "tag: offer, ", "journey: j1, "]);
    let windows = ["per: day", "per: week", "per: month", "over: 1d", "over: 1h", "over: 7d"];
    let window = one(rng, &windows);
    let limits =
        ["", ", on_limit: drop", ", on_limit: wait", ", on_limit: wait", ", on_limit: exit"];
    let limit = one(rng, &limits);
    let except = one(rng, &["", "", ", except: [transactional]"]);
    format!("    - {{ {about}max: {}, {window}{limit}{except} }}\n", rng.between(1, 3))
}
