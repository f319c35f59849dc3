//! Who may read persons, and what a shop earns.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use std::net::{IpAddr, SocketAddr};

/// The rule of one server.
pub struct Access {
    loopback: bool,
    token: Option<String>,
}

/// Why a request is refused, for the answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: StatusCode,
    pub error: &'static str,
    pub hint: &'static str,
}

impl Access {
    /// For a server that listens on this address.
    pub fn new(address: SocketAddr, token: Option<String>) -> Access {
        Access { loopback: address.ip().is_loopback(), token }
    }

    /// # Errors
    /// The request may not read persons and reports.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        match &self.token {
            Some(token) => check_token(token, headers),
            None if !self.loopback => Err(Refusal {
                status: StatusCode::FORBIDDEN,
                error: "persons and reports are not served on this address without a token",
                hint: "set a token (KAIROS_HTTP_TOKEN), or listen on a loopback address such as 127.0.0.1",
            }),
            // A page in a browser on this machine can be made to ask under a name of its own that leads here.
            None if !names_this_machine(headers) => Err(Refusal {
                status: StatusCode::FORBIDDEN,
                error: "without a token persons and reports are served only under localhost or an IP address",
                hint: "ask for http://localhost…, or set a token (KAIROS_HTTP_TOKEN)",
            }),
            None => Ok(()),
        }
    }
}

fn check_token(token: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    let said = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let bearer = said.and_then(|said| {
        let (scheme, rest) = said.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(rest.trim_ascii())
    });
    if bearer.is_some_and(|bearer| same(bearer, token.as_bytes())) {
        return Ok(());
    }
    Err(Refusal {
        status: StatusCode::UNAUTHORIZED,
        error: "reading persons and reports needs the token",
        hint: "send it as `Authorization: Bearer <token>`",
    })
}

/// Compares without stopping at the first difference, which would tell how much of a guess is right. The time depends on the
/// length of the guess alone.
fn same(guess: &[u8], token: &[u8]) -> bool {
    let mut differs = guess.len() ^ token.len();
    for (at, byte) in guess.iter().enumerate() {
        differs |= usize::from(byte ^ token[at % token.len()]);
        differs = std::hint::black_box(differs);
    }
    differs == 0
}

fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
        return true;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(address: &str, token: Option<&str>, headers: &[(&'static str, &str)]) -> u16 {
        let access = Access::new(address.parse().unwrap(), token.map(String::from));
        let headers = headers.iter().map(|(name, value)| {
            (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap())
        });
        let checked = access.check(&headers.collect());
        checked.map_or_else(|refusal| refusal.status.as_u16(), |()| 200)
    }

    #[test]
    fn with_a_token_it_decides_wherever_one_listens() {
        for address in ["127.0.0.1:1", "0.0.0.0:1"] {
            let with = |value| asked(address, Some("secret"), &[("authorization", value)]);
            assert_eq!(with("Bearer secret"), 200);
            assert_eq!(with("bearer  secret "), 200);
            for wrong in [
                "Bearer secre",
                "Bearer secretsecret",
                "Bearer ",
                "Bearer",
                "secret",
                "Basic secret",
            ] {
                assert_eq!(with(wrong), 401, "{wrong}");
            }
            assert_eq!(asked(address, Some("secret"), &[]), 401);
        }
    }

    #[test]
    fn without_a_token_only_this_machine_reads() {
        assert_eq!(asked("0.0.0.0:1", None, &[("host", "localhost")]), 403);
        assert_eq!(asked("[::]:1", None, &[("authorization", "Bearer x")]), 403);
        for host in ["localhost:9464", "127.0.0.1:9464", "[::1]:9464", "LOCALHOST"] {
            assert_eq!(asked("127.0.0.1:1", None, &[("host", host)]), 200, "{host}");
        }
        assert_eq!(asked("[::1]:1", None, &[("host", "evil.example:9464")]), 403);
    }
}
