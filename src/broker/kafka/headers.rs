//! The headers of a record as Kafka has them: names and values are bytes. `rdkafka` takes names for UTF-8 and panics where
//! they are not, and nothing that a topic can send may do that; so librdkafka is asked itself. The only unsafe code there is.

#![expect(unsafe_code, reason = "rdkafka has no other way to the names of headers as bytes")]

use rdkafka::bindings::{rd_kafka_header_get_all, rd_kafka_message_headers};
use rdkafka::error::IsError;
use rdkafka::message::BorrowedMessage;
use std::ffi::CStr;
use std::ptr;

/// A name and its value.
pub(super) type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// The headers of a message, in their order.
pub(super) fn of<'a>(message: &'a BorrowedMessage<'_>) -> Vec<Header<'a>> {
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
