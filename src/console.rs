//! The console: what auditors ask of the journal, each known by the certificate of the connection. Whatever they
//! ask is itself journalled before they are told anything.

pub mod export;
pub mod journal;
pub mod suppression;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::log;
use crate::clock;
use crate::conversation::Conversation;
use crate::envelope::BODY_BYTES_MAX;
use crate::gateway::Gateway;
use crate::problem::{Code, Origin, Problem};
use crate::tls::PeerCertificate;

/// Persons that an auditor may look up at once, and again in a minute: enough for work, too few to try out identifiers.
const LOOK_UPS_A_MINUTE: NonZeroU32 = NonZeroU32::new(60).expect("not zero");

/// Exports that are written at once: each holds a thread for as long as its reader takes.
const EXPORTS_MAX: usize = 4;

/// Every route of the `console` listener.
pub fn routes(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/v1/journal/search", post(journal::search))
        .route("/v1/journal/entries/{origin}/{index}", get(journal::entry))
        .route("/v1/journal/entries/{origin}/{index}/proof", get(journal::proof))
        .route("/v1/journal/export", post(export::export))
        .route("/v1/journal/suppressions", post(suppression::decide))
        .route("/checkpoint", get(log::checkpoint))
        .route("/tile/{*path}", get(log::tile))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(&gateway), enter))
        .with_state(gateway)
}

/// Who may search, and how many persons he may still look up.
#[derive(Debug)]
pub struct Auditors {
    /// By the name in the certificate, in lower case.
    by_certificate: BTreeMap<String, String>,
    look_ups: DefaultKeyedRateLimiter<String>,
    clock: DefaultClock,
    exports: Arc<Semaphore>,
}

impl Auditors {
    /// The auditors of a configuration: names in certificates, and whose they are.
    #[must_use]
    pub fn new(by_certificate: &BTreeMap<String, String>) -> Self {
        let look_ups = DefaultKeyedRateLimiter::keyed(Quota::per_minute(LOOK_UPS_A_MINUTE));
        Self {
            by_certificate: by_certificate.clone(),
            look_ups,
            clock: DefaultClock::default(),
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
        }
    }

    /// Leave to write one more export; none while there are too many.
    fn may_export(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.exports).try_acquire_owned().ok()
    }

    /// Counts look-ups of so many persons.
    ///
    /// # Errors
    /// When they are too many: how many seconds to wait.
    fn look_up(&self, auditor: &Auditor, persons: usize) -> Result<(), u64> {
        let Some(persons) = u32::try_from(persons).ok().and_then(NonZeroU32::new) else { return Ok(()) };
        // All of them or none: who waits as long as he is told gets through.
        match self.look_ups.check_key_n(&auditor.name, persons) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(until.wait_time_from(self.clock.now()).as_secs() + 1),
            // More than a minute allows at once: a filter's bound is below that.
            Err(_) => Err(60),
        }
    }
}

/// Who asks: an auditor known by his certificate.
#[derive(Debug, Clone)]
pub struct Auditor {
    /// His name in the configuration.
    pub name: String,
}

/// What every request passes: its body is read, at most [`BODY_BYTES_MAX`] bytes, and its sender identified.
async fn enter(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let conversation = Conversation::begin(&parts.headers);
    let auditor = match identify(parts.extensions.get::<Arc<PeerCertificate>>(), &gateway.auditors, &conversation) {
        Ok(auditor) => auditor,
        Err(problem) => return problem.into_response(),
    };
    let refused = match body {
        Ok(collected) => {
            parts.extensions.insert(conversation);
            parts.extensions.insert(auditor);
            return next.run(Request::from_parts(parts, Body::from(collected.to_bytes()))).await;
        }
        Err(error) if error.is::<LengthLimitError>() => {
            conversation.problem(Code::BodyTooLarge, Origin::Consumer, "Ən çoxu 65536 bayt", "At most 65536 bytes")
        }
        Err(_) => {
            let (az, en) = ("Gövdə sona qədər gəlmədi", "The body did not arrive whole");
            conversation.problem(Code::MalformedBody, Origin::Consumer, az, en)
        }
    };
    refused.into_response()
}

fn identify(peer: Option<&Arc<PeerCertificate>>, auditors: &Auditors, conversation: &Conversation) -> Result<Auditor, Problem> {
    let Some(peer) = peer else {
        let (az, en) = ("Auditor sertifikatı ilə qoşulun", "Connect with an auditor's certificate");
        return Err(conversation.problem(Code::NoCertificate, Origin::Consumer, az, en));
    };
    if peer.expired(clock::now()) {
        return Err(conversation.problem(Code::CertificateExpired, Origin::Consumer, "Sertifikatı yeniləyin", "Renew the certificate"));
    }
    let name = peer.names.iter().find_map(|name| auditors.by_certificate.get(name));
    let Some(name) = name else {
        let (az, en) = (
            "Sertifikatdakı ad heç bir auditorda qeyd olunmayıb; operatora müraciət edin",
            "No auditor is registered with a name of this certificate; ask the operator",
        );
        return Err(conversation.problem(Code::NotAnAuditor, Origin::Consumer, az, en));
    };
    Ok(Auditor { name: name.clone() })
}

async fn not_found(axum::Extension(conversation): axum::Extension<Conversation>) -> Problem {
    conversation.not_found(
        "Ünvanlar auditor üçün təlimatdadır (docs/guide/for-auditors.md)",
        "The addresses are in the guide for auditors (docs/guide/for-auditors.md)",
    )
}

async fn method_not_allowed(axum::Extension(conversation): axum::Extension<Conversation>) -> Problem {
    conversation.problem(
        Code::MethodNotAllowed,
        Origin::Consumer,
        "Metodlar auditor üçün təlimatdadır (docs/guide/for-auditors.md)",
        "The methods are in the guide for auditors (docs/guide/for-auditors.md)",
    )
}
