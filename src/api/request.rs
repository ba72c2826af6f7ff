//! What every handler of the internal API begins with: who asks, in which language, for how long he
//! waits, and the body, bounded and strict.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use model::ConsumerId;
use serde_json::Value as Json;
use tokio::time::Instant;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::answer::REQUEST_ID;
use crate::data::Active;
use crate::envelope::{self, BODY_BYTES_MAX};
use crate::exchange::Freshness;
use crate::gateway::Gateway;
use crate::identify::{NotIdentified, identify};
use crate::limit::Exceeded;
use crate::pipeline::Stopped;
use crate::problem::{Code, FieldError, Language, Origin, Problem};
use crate::record::{self, NoRecord};
use crate::rule::Broken;
use crate::tls::PeerCertificate;
use crate::trace_context::TraceContext;

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
    /// The exchange's id.
    pub request_id: Uuid,
    /// Who asks.
    pub consumer: ConsumerId,
    /// Language of messages.
    pub language: Language,
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
        let request_id = record::new_id();
        let language = Language::from_header(parts.headers.get(ACCEPT_LANGUAGE));
        let refuse =
            |code, az: &str, en: &str| Problem::new(code, Origin::Consumer, &request_id.to_string(), language, language.pick(az, en));
        let active = Arc::clone(&gateway.active());
        let peer = parts.extensions.get::<Arc<PeerCertificate>>();
        let identified = peer.ok_or(NotIdentified::Unknown).and_then(|peer| identify(peer, &active.snapshot));
        let consumer = identified.map_err(|why| match why {
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
        Ok(Self { request_id, consumer, language, active, wait, respond_async, freshness, trace })
    }
}

impl Asked {
    /// A problem in the caller's language.
    #[must_use]
    pub fn problem(&self, code: Code, origin: Origin, az: &str, en: &str) -> Problem {
        Problem::new(code, origin, &self.request_id.to_string(), self.language, self.language.pick(az, en))
    }

    /// The problem that lists broken rules.
    #[must_use]
    pub fn contract_broken(&self, broken: &[Broken]) -> Problem {
        let errors = broken.iter().map(|broken| FieldError { pointer: broken.pointer.clone(), detail: broken.rule.text(self.language) });
        self.problem(Code::ContractBroken, Origin::Consumer, "Səhvlər `errors` siyahısındadır", "`errors` lists every broken rule")
            .errors(errors.collect())
    }

    /// The problem of an exchange that the gateway's own parts stopped.
    #[must_use]
    pub fn stopped(&self, why: &Stopped) -> Problem {
        let cause = why.source().map(ToString::to_string);
        tracing::error!(request.id = %self.request_id, error = %why, cause, "an exchange was stopped; nothing was released");
        let problem = match why {
            Stopped::NoRecord(NoRecord::TooLarge) => self.problem(
                Code::TooLargeToJournal,
                Origin::Gateway,
                "Cavab jurnala sığmır və verilmir; təkrar sorğu kömək etməz, operatora müraciət edin",
                "The answer does not fit into the journal and is not released; asking again does not help, ask the operator",
            ),
            Stopped::NoRecord(NoRecord::Refused(_) | NoRecord::Metadata(_)) => self
                .problem(
                    Code::JournalUnavailable,
                    Origin::Gateway,
                    "Qeyd olmadan cavab verilmir; bir azdan yenidən cəhd edin",
                    "Without a record nothing is released; try again shortly",
                )
                .retry_after(5),
            Stopped::Store(_) => self
                .problem(
                    Code::GatewayUnavailable,
                    Origin::Gateway,
                    "İşlərin anbarı cavab vermir; bir azdan yenidən cəhd edin",
                    "The store of cases does not answer; try again shortly",
                )
                .retry_after(5),
        };
        problem.outcome(model::Outcome::Unavailable)
    }

    /// The problem of something that does not exist.
    #[must_use]
    pub fn not_found(&self, az: &str, en: &str) -> Problem {
        self.problem(Code::NotFound, Origin::Consumer, az, en)
    }

    /// Reads the body as strict JSON.
    ///
    /// # Errors
    /// 415 or 400 as problem documents.
    pub async fn json(&self, headers: &HeaderMap, body: Body) -> Result<Json, Problem> {
        self.json_with_bytes(headers, body).await.map(|(json, _)| json)
    }

    /// Reads the body as strict JSON, and gives its bytes too.
    ///
    /// # Errors
    /// 415 or 400 as problem documents.
    pub async fn json_with_bytes(&self, headers: &HeaderMap, body: Body) -> Result<(Json, Bytes), Problem> {
        let is_json = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|text| text.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json"));
        if !is_json {
            return Err(self.problem(
                Code::WrongContentType,
                Origin::Consumer,
                "Qəbul olunur: application/json",
                "Accepted: application/json",
            ));
        }
        // `enter` has collected and bounded it.
        let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let json = envelope::strict_json(&bytes).map_err(|why| {
            Problem::new(Code::MalformedBody, Origin::Consumer, &self.request_id.to_string(), self.language, why.text(self.language))
        })?;
        Ok((json, bytes))
    }

    /// A 2xx answer with JSON that names no cache and the exchange's id.
    #[must_use]
    pub fn answer(&self, status: http::StatusCode, body: impl Into<Body>) -> Response {
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.mark(&mut response);
        response
    }

    /// Puts the exchange's id on an answer, and that nobody on the way may keep it.
    pub fn mark(&self, response: &mut Response) {
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let mut text = Uuid::encode_buffer();
        if let Ok(id) = HeaderValue::from_str(self.request_id.hyphenated().encode_lower(&mut text)) {
            headers.insert(REQUEST_ID, id);
        }
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
