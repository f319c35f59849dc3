//! Random packs and random streams, and the shrinking of a stream that shows a difference. In: a
//! seeded generator. Out: text, the same for the same seed. Names, values and durations are few,
//! so that definitions and events meet; nothing here knows what the right answers are.

mod condition;
mod fact;
mod identity;
mod journey;
mod policy;
mod stream;

pub use identity::{IDENTITY, mix_identifiers};
pub use stream::random_stream;

use super::rng::Rng;
use condition::{Names, Sight, condition};
use std::fmt::Write;

/// The YAML text of a random valid pack.
pub fn random_pack(rng: &mut Rng) -> String {
    let mut text = String::new();
    let mut names = Names::default();
    let is_priced = rng.chance(0.4);
    if is_priced {
        text.push_str(&declarations(rng));
    }
    if rng.chance(0.6) {
        names.has_sessions = true;
        let gap = ["10m", "30m", "1h"][rng.below(3) as usize];
        let of = if rng.chance(0.3) { ", of: [Product Viewed, page]" } else { "" };
        let _ = writeln!(text, "sessions: {{ gap: {gap}{of} }}");
    }
    text.push_str("facts:\n");
    for number in 1..=rng.between(4, 9) {
        text.push_str(&fact::fact(rng, number, &mut names));
    }
    text.push_str("segments:\n");
    for list in ["l1", "l2"] {
        let _ = writeln!(text, "  {list}: list");
        names.segments.push(list.to_string());
    }
    for number in 1..=rng.between(1, 4) {
        let when = condition(rng, &names, Sight::default(), 2);
        let _ = writeln!(text, "  s{number}: '{when}'");
        names.segments.push(format!("s{number}"));
    }
    text.push_str("journeys:\n");
    names.journeys = rng.between(1, 4);
    for number in 1..=names.journeys {
        text.push_str(&journey::journey(rng, number, &names));
    }
    if rng.chance(0.8) {
        text.push_str(&policy::policy(rng, &names));
    }
    text
}

fn declarations(rng: &mut Rng) -> String {
    let total = if rng.chance(0.5) { "money" } else { "number" };
    let default = if rng.chance(0.5) { ", default: EUR" } else { "" };
    let mut text = format!(
        "events:\n  Order Completed: {{ order_id: string, total: {total}, gift: boolean }}\n"
    );
    if rng.chance(0.5) {
        text.push_str("  Product Viewed: { product_id: string, price: number, seen_at: time }\n");
    }
    let _ =
        writeln!(text, "currency: {{ base: EUR, rates: {{ GBP: 1.17, PLN: 0.2345 }}{default} }}");
    text
}

/// The shortest stream found by leaving out lines for which `fails` still holds.
pub fn shrink_stream(lines: &[Vec<u8>], fails: impl Fn(&[Vec<u8>]) -> bool) -> Vec<Vec<u8>> {
    let mut kept = lines.to_vec();
    let mut chunk = kept.len().div_ceil(2);
    while chunk > 0 {
        let mut start = 0;
        while start < kept.len() {
            let mut fewer = kept.clone();
            fewer.drain(start..(start + chunk).min(kept.len()));
            if fails(&fewer) {
                kept = fewer;
            } else {
                start += chunk;
            }
        }
        chunk /= 2;
    }
    kept
}

/// One of a few texts.
fn one<'a>(rng: &mut Rng, texts: &[&'a str]) -> &'a str {
    texts[rng.below(texts.len() as u64) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_text() {
        for seed in 0..20 {
            let pack = |seed| random_pack(&mut Rng::new(seed));
            let stream = |seed| random_stream(&mut Rng::new(seed), 50);
            assert_eq!(pack(seed), pack(seed));
            assert_eq!(stream(seed), stream(seed));
            assert_ne!(stream(seed), stream(seed + 1));
        }
    }

    #[test]
    fn shrinking_keeps_what_is_needed() {
        let lines: Vec<Vec<u8>> = (0..100u8).map(|n| vec![n]).collect();
        let needs = |lines: &[Vec<u8>]| lines.contains(&vec![7]) && lines.contains(&vec![93]);
        assert_eq!(shrink_stream(&lines, needs), [vec![7], vec![93]]);
    }
}
