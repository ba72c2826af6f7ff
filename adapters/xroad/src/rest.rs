//! REST: question to request, and the exchange system's part of an answer: its own error, repeated
//! headers and the hash of our request. Pure; any bytes of a peer are safe.
//!
//! Source: "X-Road: Message Protocol for REST" (PR-REST 1.0.4) and, where the document is silent, the
//! behaviour of versions 7.7 and 7.8.

use std::fmt;

use adapter_core::{CallError, Context, Expected, Question, Received, Request, WireAnswer};
use aws_lc_rs::digest::{self, SHA512};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use uuid::Uuid;

use crate::codec::HEADER_TEXT_MAX;
use crate::config::{Echo, RequestHash, ServicePlace, XroadConfig};
use crate::error::ConfigError;
use crate::fault;
use crate::identifier;

/// What a source may answer in: JSON, a problem document (RFC 9457), or for a success nothing.
pub(crate) const EXPECTED: Expected = Expected { media_types: &["application/json", "application/problem+json"], empty: true };

/// The verbs that the exchange system knows (PR-REST section 4.1).
const METHODS: [Method; 8] =
    [Method::DELETE, Method::GET, Method::HEAD, Method::OPTIONS, Method::PATCH, Method::POST, Method::PUT, Method::TRACE];

/// Writes the requests to one service and judges the answers: everything that stays the same from
/// one question to the next is worked out beforehand.
#[derive(Debug, Clone)]
pub struct RestCodec {
    config: XroadConfig,
    headers: Headers,
    /// The client's identifier.
    client: HeaderValue,
    /// The service's identifier, where it goes in a header.
    service: Option<HeaderValue>,
    /// What the paths of all its requests begin with.
    base: String,
}

/// The names of the exchange system's headers.
#[derive(Debug, Clone)]
struct Headers {
    client: HeaderName,
    id: HeaderName,
    user_id: HeaderName,
    issue: HeaderName,
    service: HeaderName,
    error: HeaderName,
    request_id: HeaderName,
    request_hash: HeaderName,
}

impl RestCodec {
    /// The codec of a service.
    ///
    /// # Errors
    /// A setting the exchange system would refuse, or a version where the path names the service.
    ///
    /// # Panics
    /// Never: what percent-encoding leaves can stand in a header.
    pub fn new(config: XroadConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let dialect = &config.dialect;
        let headers = Headers {
            client: dialect.header("Client")?,
            id: dialect.header("Id")?,
            user_id: dialect.header("UserId")?,
            issue: dialect.header("Issue")?,
            service: dialect.header("Service")?,
            error: dialect.header("Error")?,
            request_id: dialect.header("Request-Id")?,
            request_hash: dialect.header("Request-Hash")?,
        };
        let value = |text: String| HeaderValue::try_from(text).expect("percent-encoding leaves ASCII");
        let client = value(identifier::encode(&client(&config)));
        let service = identifier::encode(&service(&config));
        let (service, base) = match (dialect.rest_service, &config.service_version) {
            (ServicePlace::Path, Some(_)) => return Err(ConfigError::Version),
            (ServicePlace::Path, None) => (None, format!("{}/{service}", dialect.rest_prefix)),
            (ServicePlace::Header, _) => (Some(value(service)), dialect.rest_prefix.clone()),
        };
        Ok(Self { headers, client, service, base, config })
    }

    /// Writes the request. The source gets the question's path and query as they are, below the
    /// address that its security server has for the service.
    ///
    /// Sent are exactly `Accept`, `Content-Type` (with a body), `Client`, `Id`, `UserId`, `Issue`,
    /// where the dialect says so `Service`, and where the source wants it `Idempotency-Key` with whatever is
    /// not a GET, in this order; X-Road hands the last one on. An error is asked for in JSON, since X-Road
    /// breaks the connection when it has written one in XML.
    ///
    /// # Errors
    /// A question that is not a REST question, whose verb the exchange system does not know, whose
    /// path does not begin with `/`, or a context whose texts cannot stand in a header.
    ///
    /// # Panics
    /// Never: a UUID can stand in a header.
    pub fn write(&self, question: &Question, context: &Context<'_>) -> Result<Request, CallError> {
        let Question::Rest { method, path_and_query, body } = question else {
            return Err(CallError::question("an X-Road REST adapter was asked something else"));
        };
        if !METHODS.contains(method) {
            return Err(CallError::question("the exchange system does not know the question's method"));
        }
        if !path_and_query.expose().starts_with('/') {
            return Err(CallError::question("path and query must begin with /"));
        }
        let Headers { client, id, user_id, issue, service, .. } = &self.headers;
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.insert(client.clone(), self.client.clone());
        headers.insert(id.clone(), HeaderValue::try_from(context.exchange_id.to_string()).expect("a UUID is ASCII"));
        headers.insert(user_id.clone(), text_header(context.official)?);
        headers.insert(issue.clone(), text_header(context.case)?);
        if let Some(value) = &self.service {
            headers.insert(service.clone(), value.clone());
        }
        if self.config.idempotency_key && *method != Method::GET {
            let key = HeaderValue::try_from(context.repeat_key.to_string()).expect("a UUID is ASCII");
            headers.insert(HeaderName::from_static("idempotency-key"), key);
        }
        let path_and_query = format!("{}{}", self.base, path_and_query.expose());
        Ok(Request { method: method.clone(), path_and_query: path_and_query.into(), headers, body: body.clone() })
    }

    /// What [`RestCodec::check`] needs to know of the request that was sent; `None` where the dialect
    /// has no use for it.
    #[must_use]
    pub fn digest(&self, request: &Request) -> Option<RequestDigest> {
        match self.config.dialect.rest_request_hash {
            RequestHash::Ignored => None,
            RequestHash::IfPresent | RequestHash::Required => Some(RequestDigest::new(request)),
        }
    }

    /// Checks the exchange system's part of an answer. What the source answered, whatever its status,
    /// is handed on with the exchange system's id of the request (`Request-Id`: it is new for every
    /// call, while repeats of one exchange share the message id).
    ///
    /// - The header `Error` makes an answer the exchange system's own; its body is not looked at. X-Road
    ///   lets a source's header of that name through, so a source can make its own answer an error, and
    ///   nothing else of it.
    /// - `Client`, `Id`, `Request-Id` and `Request-Hash` stand there once: X-Road removes the source's
    ///   own. It does not remove the source's `Service`, but puts its own last, so the last one counts.
    /// - An answer with none of these headers is not from a security server at all. An error status
    ///   then is that of a balancer or the like in between, never the source's "not found".
    ///
    /// # Errors
    /// The exchange system's own error; or an answer that is not known to be the answer to our
    /// question: repeated headers are not ours, are missing or doubled, or the hash is of another
    /// request.
    pub fn check(&self, context: &Context<'_>, digest: Option<&RequestDigest>, received: Received) -> Result<WireAnswer, CallError> {
        let Received { status, headers, body, retry_after, key_switched: _ } = received;
        let names = &self.headers;
        if let Some(code) = headers.get(&names.error) {
            return Err(fault::classify_header(code.as_bytes(), status).into_error().with_retry_after(retry_after));
        }
        let required = match self.config.dialect.rest_echo {
            Echo::Required => true,
            Echo::IfPresent => false,
        };
        let echoed = [&names.client, &names.id, &names.service, &names.request_id, &names.request_hash];
        if required && status >= 400 && echoed.iter().all(|name| !headers.contains_key(*name)) {
            return Err(fault::outside(status).into_error().with_retry_after(retry_after));
        }
        let id = context.exchange_id.to_string();
        let is_client = |value: &[u8]| identifier::is(value, &client(&self.config));
        let is_service = |value: &[u8]| identifier::is(value, &service(&self.config));
        // X-Road gives the id back as it got it, so another case of the digits is another id.
        let is_id = |value: &[u8]| value == id.as_bytes();
        let ours = [
            (single(&headers, &names.client)?.map(is_client), "answer does not repeat our client identifier"),
            (single(&headers, &names.id)?.map(is_id), "answer does not repeat our message id"),
            (
                headers.get_all(&names.service).iter().next_back().map(HeaderValue::as_bytes).map(is_service),
                "answer does not repeat the service identifier",
            ),
        ];
        for (same, rule) in ours {
            if !same.unwrap_or(!required) {
                return Err(malformed(rule));
            }
        }
        let request_id = match single(&headers, &names.request_id)?.map(hyphenated) {
            Some(Some(request_id)) => Some(request_id),
            None if !required => None,
            Some(None) | None => return Err(malformed("answer carries no usable request id")),
        };
        self.check_hash(single(&headers, &names.request_hash)?, digest, request_id)?;
        let route_id = request_id.map_or(id, str::to_owned);
        Ok(WireAnswer { status, body, retry_after, route_id: Some(route_id), key_switched: false, as_of: None })
    }

    fn check_hash(&self, given: Option<&[u8]>, digest: Option<&RequestDigest>, request_id: Option<&str>) -> Result<(), CallError> {
        let required = match self.config.dialect.rest_request_hash {
            RequestHash::Ignored => return Ok(()),
            RequestHash::IfPresent => false,
            RequestHash::Required => true,
        };
        let (Some(given), Some(digest), Some(request_id)) = (given, digest, request_id) else {
            return if required { Err(malformed("answer carries no usable request hash")) } else { Ok(()) };
        };
        let line = format!("{}:{request_id}\r\n", self.headers.request_id);
        let same = STANDARD.decode(given).is_ok_and(|given| digest.finish(&line).any(|ours| ours.as_ref() == given));
        if same { Ok(()) } else { Err(malformed("answer's request hash is not that of our request")) }
    }
}

fn client(config: &XroadConfig) -> [&str; 4] {
    [&config.instance, &config.client.class, &config.client.member, &config.client.subsystem]
}

fn service(config: &XroadConfig) -> Vec<&str> {
    let provider = &config.provider;
    let mut parts: Vec<&str> = vec![&config.instance, &provider.class, &provider.member, &provider.subsystem, &config.service_code];
    parts.extend(config.service_version.as_deref());
    parts
}

/// A text of the context as a header. The protocol has no encoding for other characters than those
/// of ASCII, and servers disagree about them.
fn text_header(text: &str) -> Result<HeaderValue, CallError> {
    let plain =
        (1..=HEADER_TEXT_MAX).contains(&text.len()) && text.trim() == text && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    let value = plain.then(|| HeaderValue::try_from(text).ok()).flatten();
    let mut value = value.ok_or_else(|| CallError::question("official and case must be 1 to 255 printable ASCII characters"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn malformed(rule: &'static str) -> CallError {
    CallError::malformed(rule).through_route()
}

/// The value of a header that may stand there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, CallError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(HeaderValue::as_bytes);
    if values.next().is_some() { Err(malformed("answer repeats a header")) } else { Ok(first) }
}

/// A UUID in its usual form.
fn hyphenated(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.len() == uuid::fmt::Hyphenated::LENGTH)?;
    Uuid::try_parse(text).is_ok().then_some(text)
}

/// The request hash of a request, but for the exchange system's request id, which the answer tells.
///
/// It is the base64 of SHA-512 over the canonical request, or, where there is a body, of SHA-512 over
/// that hash and the body's (PR-REST section 4.3). The canonical request, of which the document says
/// no more than "headers", is: verb, path with query, each header that X-Road keeps as `name:value`
/// in order of arrival, and the request id, each with CR LF. Headers of one connection (`host`,
/// `content-length`, …) are not kept; we send none that is not kept, and the HTTP layer adds no other.
///
/// X-Road's HTTP server, Jetty, spells the names it knows in its own way (`Accept`), however they
/// arrived, and leaves the others as they are. HTTP leaves it free to do otherwise, so the hash may
/// be that of either spelling.
#[derive(Clone)]
pub struct RequestDigest {
    /// With names as sent, and as Jetty spells them.
    spellings: [digest::Context; 2],
    /// Hash of a body that is not empty.
    body: Option<digest::Digest>,
}

impl fmt::Debug for RequestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestDigest(…)")
    }
}

impl RequestDigest {
    /// The digest of a request whose headers arrive in the order in which the map lists them, with
    /// names in lower case, as HTTP/1.1 is written here.
    #[must_use]
    pub fn new(request: &Request) -> Self {
        let fields = || request.headers.iter().map(|(name, value)| (name, value.as_bytes()));
        let (method, target) = (&request.method, request.path_and_query.expose());
        Self {
            spellings: [
                canonical(method, target, fields().map(|(name, value)| (name.as_str(), value))),
                canonical(method, target, fields().map(|(name, value)| (as_jetty(name), value))),
            ],
            body: request.body.as_deref().and_then(body_digest),
        }
    }

    /// The hashes with the last header line.
    pub(crate) fn finish<'a>(&'a self, last: &'a str) -> impl Iterator<Item = digest::Digest> + 'a {
        self.spellings.iter().map(move |head| finish(head.clone(), last, self.body.as_ref()))
    }
}

/// How Jetty spells the name of a header that we send.
fn as_jetty(name: &HeaderName) -> &str {
    if name == ACCEPT {
        "Accept"
    } else if name == CONTENT_TYPE {
        "Content-Type"
    } else {
        name.as_str()
    }
}

/// The canonical request as far as known before it is sent.
pub(crate) fn canonical<'a>(method: &Method, target: &str, fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> digest::Context {
    let mut context = digest::Context::new(&SHA512);
    for line in [method.as_str(), target] {
        context.update(line.as_bytes());
        context.update(b"\r\n");
    }
    for (name, value) in fields {
        context.update(name.as_bytes());
        context.update(b":");
        context.update(value);
        context.update(b"\r\n");
    }
    context
}

/// Hash of a body; an empty one counts as none.
pub(crate) fn body_digest(body: &[u8]) -> Option<digest::Digest> {
    (!body.is_empty()).then(|| digest::digest(&SHA512, body))
}

/// The request hash: of the canonical request with its last lines, then with the body.
pub(crate) fn finish(mut head: digest::Context, last: &str, body: Option<&digest::Digest>) -> digest::Digest {
    head.update(last.as_bytes());
    let head = head.finish();
    let Some(body) = body else { return head };
    let mut both = digest::Context::new(&SHA512);
    both.update(head.as_ref());
    both.update(body.as_ref());
    both.finish()
}
