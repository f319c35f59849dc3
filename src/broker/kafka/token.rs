//! Tokens for OAUTHBEARER logins, from a file that somebody else keeps fresh, as Kubernetes and the agents of identity
//! providers do. It is read again each time librdkafka wants a token, which is when four fifths of the last one's life are
//! over. Never says what a token is.

use crate::time::clock::{Clock, System};
use rdkafka::client::OAuthToken;
use serde::Deserialize;
use std::fs;

/// librdkafka's property for whoever makes tokens: here the path of the file.
pub(super) const FILE: &str = "sasl.oauthbearer.config";

/// Whose token it is, if it does not say so itself. Brokers take the name from the token.
const NOBODY: &str = "kairos";

/// Bytes of a file that may be a token; whoever names another file by mistake is told so.
const BYTES_MAX: u64 = 64 << 10;

/// What is read of a token.
#[derive(Deserialize)]
struct Claims {
    /// Seconds since the Unix epoch.
    exp: Option<f64>,
    sub: Option<String>,
}

/// The token that is in the file now.
///
/// # Errors
/// What is wrong with the file, for people.
pub(super) fn read(path: Option<&str>) -> Result<OAuthToken, String> {
    let path = path.ok_or("no file with a token is configured")?;
    let wrong = |what: &str| format!("the token file {path} {what}");
    let meta = fs::metadata(path).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    if meta.len() > BYTES_MAX {
        return Err(wrong("is too large for a token"));
    }
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    let token = text.trim();
    let (sub, expires) = claims(token).map_err(wrong)?;
    if expires <= System::new().wall() {
        return Err(wrong("holds a token that has expired"));
    }
    let principal_name = sub.filter(|sub| !sub.is_empty()).unwrap_or_else(|| NOBODY.into());
    Ok(OAuthToken { token: token.into(), principal_name, lifetime_ms: expires })
}

/// Of whom a JWT speaks, and when it expires, in milliseconds since the Unix epoch. Whether it is true is for brokers to say.
fn claims(token: &str) -> Result<(Option<String>, i64), &'static str> {
    const NO_JWT: &str = "holds no JWT";
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(NO_JWT);
    };
    let payload = base64url(payload).ok_or(NO_JWT)?;
    let claims: Claims = serde_json::from_slice(&payload).map_err(|_| NO_JWT)?;
    let exp = claims.exp.ok_or("holds a token that never expires: it has no `exp`")?;
    Ok((claims.sub, (exp * 1000.0) as i64))
}

/// Base64 as it is in URLs, without padding.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for c in text.bytes() {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"sub":"kairos-1?","exp":32503680000}`
    const LASTS: &str = "e30.eyJzdWIiOiJrYWlyb3MtMT8iLCJleHAiOjMyNTAzNjgwMDAwfQ.c2ln";
    /// `{"exp":1.5}`
    const EXPIRED: &str = "e30.eyJleHAiOjEuNX0.";
    /// `{"sub":"kairos"}`
    const ENDLESS: &str = "e30.eyJzdWIiOiJrYWlyb3MifQ.";

    #[test]
    fn a_token_says_of_whom_it_is_and_when_it_expires() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, format!("{LASTS}\n")).unwrap();
        let token = read(path.to_str()).unwrap();
        assert_eq!(token.token, LASTS);
        assert_eq!(token.principal_name, "kairos-1?");
        assert_eq!(token.lifetime_ms, 32_503_680_000_000);
    }

    #[test]
    fn what_is_no_token_is_told_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let said = |text: &str| {
            fs::write(&path, text).unwrap();
            read(path.to_str()).err().unwrap().replace(path.to_str().unwrap(), "FILE")
        };
        assert_eq!(said(EXPIRED), "the token file FILE holds a token that has expired");
        assert_eq!(
            said(ENDLESS),
            "the token file FILE holds a token that never expires: it has no `exp`"
        );
        for text in ["", "secret", "a.secret", "e30.s*cret.", "e30.c2VjcmV0.", "e30.e30.e30.e30"] {
            assert_eq!(said(text), "the token file FILE holds no JWT", "{text}");
        }
        assert_eq!(said(&"x".repeat(100_000)), "the token file FILE is too large for a token");
        fs::remove_file(&path).unwrap();
        let missing = read(path.to_str()).err().unwrap();
        assert!(missing.contains("cannot be read: "), "{missing}");
        assert_eq!(read(None).err().unwrap(), "no file with a token is configured");
    }
}
