//! The few headers that matter: what is read of an answer's, where any bytes are safe, and the one that several protocols
//! say who asks by. Pure.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use crate::secret::SecretText;

/// Longest wait taken over from a `Retry-After`.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether the answer is one of the given media types (lower case, such as `text/xml`), in UTF-8
/// or without a charset, and not in a content coding: we offer none.
#[must_use]
pub fn media_type_is(headers: &HeaderMap, accepted: &[&str]) -> bool {
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return false;
    }
    let Some(text) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let mut parts = text.split(';');
    let essence = parts.next().unwrap_or_default().trim();
    if !accepted.iter().any(|name| name.eq_ignore_ascii_case(essence)) {
        return false;
    }
    parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            let value = value.trim().trim_matches('"');
            value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8")
        }
        Some(_) | None => true,
    })
}

/// The wait a `Retry-After` asks for, in seconds or as an HTTP date (RFC 9110 section 10.2.3), at
/// most [`RETRY_AFTER_MAX`]. A date in the past is no wait; what is neither form is ignored.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are still a number, and far above the limit.
        let seconds = text.parse::<u64>().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
    }
    let moment = DateTimeParser::new().parse_timestamp(text).ok()?;
    let wait = moment.duration_since(now);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO).min(RETRY_AFTER_MAX))
}

/// The value of an `Authorization` header with a user and a password (RFC 7617), in UTF-8; its `Debug` shows nothing. A
/// user with a colon would be read as another one with another password, so the caller has refused it.
///
/// # Panics
/// Never: base64 is plain ASCII.
#[must_use]
pub fn basic(user: &str, password: &str) -> HeaderValue {
    let credentials = SecretText::new(format!("{user}:{password}"));
    let text = SecretText::new(format!("Basic {}", STANDARD.encode(credentials.expose())));
    let mut value = HeaderValue::from_str(text.expose()).expect("base64 is plain ASCII");
    value.set_sensitive(true);
    value
}
