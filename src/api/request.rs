//! What every handler of the internal API begins with: who asks, in which language, for how long he
//! waits, and the body, bounded and strict.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use model::{CaseId, ConsumerId};
use policy::{Identity, Unproven};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::clock;
use crate::conversation::Conversation;
use crate::data::Active;
use crate::envelope::BODY_BYTES_MAX;
use crate::exchange::{Freshness, Presence};
use crate::gateway::Gateway;
use crate::identify::{NotIdentified, identify};
use crate::limit::Exceeded;
use crate::officials::Presented;
use crate::problem::{Code, Origin, Problem};
use crate::tls::PeerCertificate;
use crate::trace_context::TraceContext;
use crate::wire::sha256_base64;

/// The longest wait a caller may prefer.
pub const WAIT_MAX: Duration = Duration::from_secs(60);

/// W3C Trace Context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// How a quota stands (draft-ietf-httpapi-ratelimit-headers).
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// What the quota is.
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// A request whose sender is a known consumer within its quota.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The exchange's id and language.
    pub conversation: Conversation,
    /// Who asks.
    pub consumer: ConsumerId,
    /// SHA-256 of his certificate.
    pub certificate: [u8; 32],
    /// The data this request works with.
    pub active: Arc<Active>,
    /// How long the caller prefers to wait (`Prefer: wait=N`), where it says so.
    pub wait: Option<Duration>,
    /// Whether the caller prefers not to wait at all (`Prefer: respond-async`).
    pub respond_async: bool,
    /// How fresh the answer must be (`Cache-Control`).
    pub freshness: Freshness,
    /// The trace it belongs to, where the caller says so.
    pub trace: Option<TraceContext>,
}

/// Every handler speaks as the exchange does.
impl Deref for Asked {
    type Target = Conversation;

    fn deref(&self) -> &Conversation {
        &self.conversation
    }
}

impl FromRequestParts<Arc<Gateway>> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        // `enter` has put it there; routes without it have no business with consumers.
        parts.extensions.remove::<Self>().map_or_else(|| Self::identify(parts, gateway), Ok)
    }
}

impl Asked {
    /// IDENTIFY, with everything else that the request's head says.
    fn identify(parts: &Parts, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        let conversation = Conversation::begin(&parts.headers);
        let refuse = |code, az, en| conversation.problem(code, Origin::Consumer, az, en);
        let active = Arc::clone(&gateway.active());
        let peer = parts.extensions.get::<Arc<PeerCertificate>>();
        let identified = peer.ok_or(NotIdentified::Unknown).and_then(|peer| Ok((identify(peer, &active.snapshot)?, peer.fingerprint)));
        let (consumer, certificate) = identified.map_err(|why| match why {
            NotIdentified::Expired => refuse(Code::CertificateExpired, "Sertifikatı yeniləyin", "Renew the certificate"),
            NotIdentified::Unknown => refuse(
                Code::UnknownConsumer,
                "Sertifikatdakı ad heç bir istehlakçıda qeyd olunmayıb; operatora müraciət edin",
                "No consumer is registered with a name of this certificate; ask the operator",
            ),
        })?;
        let (wait, respond_async) = preferences(&parts.headers);
        let trace = TraceContext::read(parts.headers.get(TRACEPARENT));
        let freshness = freshness(&parts.headers);
        Ok(Self { conversation, consumer, certificate, active, wait, respond_async, freshness, trace })
    }
}

impl Asked {
    /// What an official's assertion comes to in a case, once for the whole request. It goes no further: what is kept
    /// of it is its hash.
    ///
    /// # Errors
    /// 503 where it could not be found out.
    pub async fn presence(&self, gateway: &Gateway, assertion: Option<String>, official: &str, case: &CaseId) -> Result<Presence, Problem> {
        let Some(assertion) = assertion else { return Ok(Presence::NOT_SENT) };
        let identity = match &gateway.officials {
            // One that nobody verifies proves nothing.
            None => Identity::Unproven(Unproven::NotVerified),
            Some(officials) => {
                let presented =
                    Presented { assertion: &assertion, consumer: &self.consumer, certificate: &self.certificate, official, case };
                officials.identify(&gateway.recorder, &presented, clock::now()).await.map_err(|why| self.could_not_identify(why))?
            }
        };
        gateway.metrics.identified(&self.consumer, identity);
        Ok(Presence { identity, assertion_sha256: Some(sha256_base64(assertion.as_bytes()).into()) })
    }
}

/// What every request passes: its body is read, at most [`BODY_BYTES_MAX`] bytes, its sender identified and
/// counted against its quota; its answer says how the quota stands and names the trace.
pub async fn enter(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let (mut parts, body) = request.into_parts();
    // Read before anything is answered: an answer that overtakes the body is lost on some HTTP/2 clients.
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let asked = match Asked::identify(&parts, &gateway) {
        Ok(asked) => asked,
        Err(problem) => return problem.into_response(),
    };
    let (consumer, trace) = (asked.consumer.clone(), asked.trace);
    let standing = gateway.sources.count_request(&consumer);
    let mut response = match (&standing, body) {
        (Err(exceeded), _) => over_quota(&gateway, &asked, exceeded),
        (Ok(_), Ok(collected)) => {
            parts.extensions.insert(asked.conversation);
            parts.extensions.insert(asked);
            let answering = next.run(Request::from_parts(parts, Body::from(collected.to_bytes())));
            match trace {
                Some(trace) => answering.instrument(tracing::info_span!("request", trace.id = trace.trace_id())).await,
                None => answering.await,
            }
        }
        (Ok(_), Err(error)) if error.is::<LengthLimitError>() => {
            asked.problem(Code::BodyTooLarge, Origin::Consumer, "Ən çoxu 65536 bayt", "At most 65536 bytes").into_response()
        }
        (Ok(_), Err(_)) => {
            let (az, en) = ("Gövdə sona qədər gəlmədi", "The body did not arrive whole");
            asked.problem(Code::MalformedBody, Origin::Consumer, az, en).into_response()
        }
    };
    gateway.metrics.requested(&consumer, response.status(), started.elapsed());
    let headers = response.headers_mut();
    let standing = standing.unwrap_or_else(|exceeded| exceeded.standing);
    for (name, value) in [(RATE_LIMIT, standing.limit_value()), (RATE_LIMIT_POLICY, standing.policy_value())] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    if let Some(value) = trace.and_then(|trace| HeaderValue::from_str(&trace.to_string()).ok()) {
        headers.insert(TRACEPARENT, value);
    }
    response
}

/// Over its quota a consumer is told before anything is looked at. It is counted, and not journalled one by
/// one: a flood must not fill the log.
fn over_quota(gateway: &Gateway, asked: &Asked, exceeded: &Exceeded) -> Response {
    gateway.metrics.over_quota(&asked.consumer);
    asked
        .problem(
            Code::TooManyRequests,
            Origin::Consumer,
            "Sorğularınızın həddi dolub; `Retry-After` qədər gözləyin",
            "Your request quota is used up; wait as `Retry-After` says",
        )
        .retry_after(exceeded.retry_after_seconds())
        .into_response()
}

/// `Cache-Control` of a request; what cannot be read is ignored, but for a `max-age` that is no number, which
/// is taken as 0 (RFC 9111, section 4.2.1).
fn freshness(headers: &HeaderMap) -> Freshness {
    let mut freshness = Freshness::default();
    let texts = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    for directive in texts.flat_map(|text| text.split(',')).map(str::trim) {
        let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
        match name.to_ascii_lowercase().as_str() {
            "no-cache" | "no-store" => freshness.no_cache = true,
            "only-if-cached" => freshness.only_if_cached = true,
            "max-age" => freshness.max_age = Some(Duration::from_secs(argument.trim_matches('"').parse().unwrap_or(0))),
            _ => {}
        }
    }
    freshness
}

/// `Prefer: wait=N` and `respond-async` (RFC 7240); what cannot be read is ignored, as the RFC asks.
fn preferences(headers: &HeaderMap) -> (Option<Duration>, bool) {
    let mut wait = None;
    let mut respond_async = false;
    let texts = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    for preference in texts.flat_map(|text| text.split(',')).map(str::trim) {
        let (name, value) = preference.split_once('=').map_or((preference, ""), |(name, value)| (name.trim(), value.trim()));
        if name.eq_ignore_ascii_case("respond-async") {
            respond_async = true;
        } else if name.eq_ignore_ascii_case("wait") && wait.is_none() {
            // The first one counts (section 2).
            wait = value.trim_matches('"').parse().ok().map(Duration::from_secs);
        }
    }
    (wait, respond_async)
}

/// The answer to an address that does not exist.
pub async fn not_found(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    refuse(&gateway, request, Code::NotFound, "Ünvanlar /openapi.json sənədindədir", "The addresses are in /openapi.json").await
}

/// The answer to a method that is not offered at an address.
pub async fn method_not_allowed(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    refuse(&gateway, request, Code::MethodNotAllowed, "Metodlar /openapi.json sənədindədir", "The methods are in /openapi.json").await
}

/// Even "no such address" is told to known consumers alone.
async fn refuse(gateway: &Arc<Gateway>, request: Request, code: Code, az: &str, en: &str) -> Response {
    let (mut parts, _) = request.into_parts();
    match Asked::from_request_parts(&mut parts, gateway).await {
        Ok(asked) => asked.problem(code, Origin::Consumer, az, en).into_response(),
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_and_nonsense_is_ignored() {
        let mut headers = HeaderMap::new();
        headers.append("prefer", HeaderValue::from_static("respond-async, wait=3"));
        assert_eq!(preferences(&headers), (Some(Duration::from_secs(3)), true));
        headers.clear();
        headers.append("prefer", HeaderValue::from_static("Wait=\"7\", wait=9"));
        assert_eq!(preferences(&headers), (Some(Duration::from_secs(7)), false));
        headers.clear();
        headers.append("prefer", HeaderValue::from_static("wait=-1, handling=lenient"));
        assert_eq!(preferences(&headers), (None, false));
    }
}
