//! What librdkafka is asked itself, because `rdkafka` has no way to it. The only unsafe code beside `allocator`.

#![expect(unsafe_code, reason = "what rdkafka has no way to is only to be had from librdkafka")]

use rdkafka::bindings::{
    rd_kafka_header_get_all, rd_kafka_message_headers, rd_kafka_oauthbearer_set_token,
};
use rdkafka::client::{Client, ClientContext, OAuthToken};
use rdkafka::error::IsError;
use rdkafka::message::BorrowedMessage;
use std::ffi::{CStr, CString};
use std::ptr;

/// A header's name and value.
pub(super) type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// The headers of a message, in their order, as Kafka has them: names are bytes. `rdkafka` takes names for UTF-8 and panics
/// where they are not, and nothing that a topic can send may do that.
pub(super) fn headers<'a>(message: &'a BorrowedMessage<'_>) -> Vec<Header<'a>> {
    let mut found = Vec::new();
    let mut headers = ptr::null_mut();
    // SAFETY: the message is one of librdkafka's and is not freed while it is borrowed; the place for the answer is ours.
    let error = unsafe { rd_kafka_message_headers(message.ptr(), &raw mut headers) };
    if error.is_error() {
        // It has none.
        return found;
    }
    for at in 0.. {
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the headers belong to the message, and the three places for the answer are ours.
        let error = unsafe {
            rd_kafka_header_get_all(headers, at, &raw mut name, &raw mut value, &raw mut size)
        };
        if error.is_error() {
            // There are no more.
            break;
        }
        // SAFETY: without an error it is a name that ends with a NUL, and a value of so many bytes or a null pointer. Both
        // belong to the headers, which nobody changes or frees while the message is borrowed.
        found.push(unsafe {
            let value = (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast(), size));
            (CStr::from_ptr(name).to_bytes(), value)
        });
    }
    found
}

/// Gives a client a token. Most clients ask for one by themselves; `rdkafka`'s client for making topics asks where nobody
/// listens.
///
/// # Errors
/// What librdkafka has against it.
pub(super) fn give_token<C: ClientContext>(
    client: &Client<C>,
    token: OAuthToken,
) -> Result<(), String> {
    const NO_NUL: &str = "it holds a NUL";
    let value = CString::new(token.token).map_err(|_| NO_NUL)?;
    let principal = CString::new(token.principal_name).map_err(|_| NO_NUL)?;
    let mut said = [0_u8; 512];
    // SAFETY: the client lives while it is borrowed; librdkafka copies the two texts, which end with a NUL, takes no
    // extensions where there are none, and writes at most so many bytes with a NUL at the end.
    let error = unsafe {
        rd_kafka_oauthbearer_set_token(
            client.native_ptr(),
            value.as_ptr(),
            token.lifetime_ms,
            principal.as_ptr(),
            ptr::null_mut(),
            0,
            said.as_mut_ptr().cast(),
            said.len(),
        )
    };
    if error.is_error() {
        let said = CStr::from_bytes_until_nul(&said).unwrap_or_default();
        return Err(said.to_string_lossy().into_owned());
    }
    Ok(())
}
