//! Question to request, and the token request with its answer. Pure; any bytes of a peer are safe.

use std::time::Duration;

use adapter_core::{CallError, CallErrorKind, Context, Expected, Question, Received, Request, SecretText, Sent};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;

use crate::config::{OAuth2, RestConfig};

/// An answer is JSON, a problem document (RFC 9457) or, for a success, nothing at all. A scanned page is not asked for, and
/// passed on all the same: what is made of it the mapping says.
pub(crate) const EXPECTED: Expected =
    Expected { media_types: &["application/json", "application/problem+json", "application/pdf"], empty: true };
/// What a token endpoint answers (RFC 6749 section 5.1).
pub(crate) const TOKEN_EXPECTED: Expected = Expected { media_types: &["application/json"], empty: false };

/// Largest answer of a token endpoint that is read, in bytes.
const TOKEN_ANSWER_MAX: usize = 32 * 1024;
/// Longest access token, in bytes.
const TOKEN_MAX: usize = 16 * 1024;
/// Lifetime of a token whose answer does not say one.
const LIFETIME_UNSAID: Duration = Duration::from_secs(60);
/// Longest lifetime believed.
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long before its end a token is no more used, since a question takes time and clocks differ.
const MARGIN: Duration = Duration::from_secs(30);

/// Writes the request. The official and the case are not sent: plain REST has no place for them.
///
/// # Errors
/// A question that is not a REST question.
///
/// # Panics
/// Never: a UUID is plain ASCII.
pub fn write(config: &RestConfig, question: &Question, context: &Context<'_>) -> Result<Request, CallError> {
    let Question::Rest { method, path_and_query, body } = question else {
        return Err(CallError::question("a REST adapter was asked something else"));
    };
    let mut headers = accepting("application/json, application/problem+json");
    if body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if config.idempotency_key {
        let mut buffer = uuid::Uuid::encode_buffer();
        let key = HeaderValue::from_str(context.repeat_key.hyphenated().encode_lower(&mut buffer)).expect("a UUID is plain ASCII");
        headers.insert(HeaderName::from_static("idempotency-key"), key);
    }
    Ok(Request { method: method.clone(), path_and_query: path_and_query.clone(), headers, body: body.clone() })
}

/// Writes the request for the answer that comes later.
pub(crate) fn poll_request(path_and_query: SecretText) -> Request {
    let headers = accepting("application/json, application/problem+json");
    Request { method: Method::GET, path_and_query, headers, body: None }
}

/// Writes the request for the next page.
pub(crate) fn page_request(first: &Request, name: &str, cursor: &str) -> Request {
    let path = first.path_and_query.expose();
    let joint = if path.contains('?') { '&' } else { '?' };
    let path_and_query = SecretText::new(format!("{path}{joint}{}={}", form_encoded(name), form_encoded(cursor)));
    Request { path_and_query, ..first.clone() }
}

/// Writes the request for a token (RFC 6749 sections 2.3.1 and 4.4.2).
///
/// # Panics
/// Never: base64 is plain ASCII.
pub(crate) fn token_request(config: &OAuth2) -> Request {
    let basic = adapter_core::header::basic(
        &form_encoded(&config.client_id),
        SecretText::new(form_encoded(config.client_secret.expose())).expose(),
    );
    let mut headers = accepting("application/json");
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(AUTHORIZATION, basic);
    let scope = config.scope.as_deref().map(|scope| format!("&scope={}", form_encoded(scope))).unwrap_or_default();
    let body = format!("grant_type=client_credentials{scope}");
    Request { method: Method::POST, path_and_query: config.token_path.as_str().into(), headers, body: Some(body.into()) }
}

fn accepting(types: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(types))])
}

/// `application/x-www-form-urlencoded` in UTF-8 (RFC 6749 appendix B).
pub(crate) fn form_encoded(text: &str) -> String {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => {
                out.push('%');
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out
}

/// A token as the provider gave it.
pub(crate) struct Granted {
    /// The whole value of an `Authorization` header; its `Debug` shows nothing.
    pub(crate) authorization: HeaderValue,
    /// For how long it is to be used.
    pub(crate) lifetime: Duration,
}

/// Of the token endpoint's answer only what is needed; all else in it is passed over.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: SecretField,
    token_type: String,
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
#[serde(from = "String")]
struct SecretField(SecretText);

impl From<String> for SecretField {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// Of its error only the code (RFC 6749 section 5.2), compared and never shown.
#[derive(Deserialize)]
struct TokenRefusal {
    error: String,
}

/// Reads what a token endpoint answered.
///
/// # Errors
/// [`CallErrorKind::CredentialsRefused`] where it says that we are not who we say we are or may not
/// have a token, [`CallErrorKind::TokenUnavailable`] for other refusals, [`CallErrorKind::Malformed`]
/// and [`CallErrorKind::TooLarge`] for what is no answer of a token endpoint.
pub(crate) fn read_token(answer: &Received) -> Result<Granted, CallError> {
    let failed = |kind| CallError::new(kind, Sent::No).with_retry_after(answer.retry_after);
    if answer.body.len() > TOKEN_ANSWER_MAX {
        return Err(failed(CallErrorKind::TooLarge));
    }
    if answer.status >= 400 {
        let lasting = match answer.status {
            401 | 403 => true,
            // The codes by which the client, its grant or its scope is refused; the rest may pass.
            400 => serde_json::from_slice::<TokenRefusal>(&answer.body).is_ok_and(|refusal| {
                matches!(refusal.error.as_str(), "invalid_client" | "invalid_grant" | "invalid_scope" | "unauthorized_client")
            }),
            _ => false,
        };
        return Err(failed(if lasting { CallErrorKind::CredentialsRefused } else { CallErrorKind::TokenUnavailable }));
    }
    let malformed = |rule| CallError::malformed(rule).with_sent(Sent::No);
    // The parser's own error may quote the token.
    let read: TokenAnswer = serde_json::from_slice(&answer.body).map_err(|_| malformed("token answer is not that of RFC 6749"))?;
    if !read.token_type.eq_ignore_ascii_case("bearer") {
        return Err(malformed("token is not a bearer token"));
    }
    let token = read.access_token.0.expose();
    // RFC 6750 section 2.1.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || token.len() > TOKEN_MAX || !token.bytes().all(is_plain) {
        return Err(malformed("token cannot stand in a header"));
    }
    let text = SecretText::new(format!("Bearer {token}"));
    let mut authorization = HeaderValue::from_str(text.expose()).map_err(|_| malformed("token cannot stand in a header"))?;
    authorization.set_sensitive(true);
    Ok(Granted { authorization, lifetime: usable(read.expires_in) })
}

/// For how long a token is used that is said to live for so many seconds.
pub(crate) fn usable(expires_in: Option<u64>) -> Duration {
    let lifetime = expires_in.map_or(LIFETIME_UNSAID, Duration::from_secs).min(LIFETIME_MAX);
    lifetime - MARGIN.min(lifetime / 2)
}
