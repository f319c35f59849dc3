//! Streams in which identifiers turn out to be one person, and not to be.

use super::super::rng::Rng;

/// The section of a pack under which they do.
pub const IDENTITY: &str =
    "identity: { identifiers: [user, email, anonymous], max_owners: 4, max_identifiers: 6 }\n";

/// Gives events of a stream further identifiers, and puts claims between them.
pub fn mix_identifiers(rng: &mut Rng, lines: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut mixed = Vec::with_capacity(lines.len());
    for line in lines {
        let time = time_of(&line);
        mixed.push(if rng.chance(0.4) { with_identifier(rng, &line) } else { line });
        if let Some(time) = time
            && rng.chance(0.1)
        {
            mixed.push(claim(rng, &time));
        }
    }
    mixed
}

/// The timestamp as it stands in an event.
fn time_of(line: &[u8]) -> Option<String> {
    let event: serde_json::Value = serde_json::from_slice(line).ok()?;
    event.get("userId")?;
    Some(event.get("timestamp")?.to_string())
}

fn with_identifier(rng: &mut Rng, line: &[u8]) -> Vec<u8> {
    let more = match rng.below(3) {
        0 => format!(r#""anonymousId":"a{}","#, rng.below(3)),
        1 => r#""anonymousId":"a1","#.to_owned(),
        _ => format!(r#""context":{{"traits":{{"email":"e{}@x.pl"}}}},"#, rng.below(2)),
    };
    // What cannot be read, or already says one of these, stays as it is.
    let text = String::from_utf8_lossy(line);
    let is_plain = text.starts_with('{') && text.len() > 2;
    if !is_plain || text.contains("anonymousId") || text.contains("context") {
        return line.to_vec();
    }
    format!("{{{more}{}", &text[1..]).into_bytes()
}

fn claim(rng: &mut Rng, time: &str) -> Vec<u8> {
    let user = rng.pick(&["anna", "bert", "7"]);
    let line = if rng.chance(0.4) {
        let other = rng.pick(&["anna", "bert", "anonymous:a1"]);
        format!(r#"{{"type":"alias","userId":"{user}","previousId":"{other}","timestamp":{time}}}"#)
    } else {
        let other = rng.pick(&["anonymous:a1", "email:e1@x.pl", "user:anna"]);
        format!(
            r#"{{"type":"track","event":"Identifiers Unlinked","userId":"{user}","timestamp":{time},"properties":{{"identifier":"{other}"}}}}"#
        )
    };
    line.into_bytes()
}
