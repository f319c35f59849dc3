//! Asking a running instance over HTTP.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long an instance may take to be connected to.
const PATIENCE: Duration = Duration::from_secs(3);

/// An address that listens on every interface is asked on the loopback.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if ip.is_unspecified() => {
            SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
        }
        _ => address,
    }
}

/// What is asked.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) token: Option<&'a str>,
    /// JSON, or nothing.
    pub(super) body: &'a str,
    /// How long the answer may take.
    pub(super) patience: Duration,
}

/// The status and the JSON of an answer.
///
/// # Errors
/// Nobody answers, or somebody who is not Kairos.
pub(super) fn ask(address: SocketAddr, request: &Request) -> std::io::Result<(u16, Value)> {
    let Request { method, path, token, body, patience } = request;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(*patience))?;
    let token = token.map_or_else(String::new, |it| format!("Authorization: Bearer {it}\r\n"));
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{token}Content-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let other = || std::io::Error::other("it is not kairos that answers");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(other)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = serde_json::from_str(body).map_err(|_| other())?;
    Ok((status.ok_or_else(other)?, body))
}
