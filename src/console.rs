//! The console: what the gateway's own people ask of it, each known by the certificate of the connection, and each
//! in his office alone. What they ask of the journal is itself journalled before they are told anything.

pub mod export;
pub mod journal;
pub mod overrides;
pub mod suppression;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use http::Method;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use model::Office;
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

/// One thing that can be asked of the console, and who may.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, as the router matches it.
    pub path: &'static str,
    /// Any of these offices is enough. Empty: whoever has an account.
    pub offices: &'static [Office],
    handler: fn() -> MethodRouter<Arc<Gateway>>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route").field("method", &self.method).field("path", &self.path).field("offices", &self.offices).finish()
    }
}

/// Those who read the journal. Administrators and operators never do (001, 3.1.10).
const READERS: &[Office] = &[Office::Auditor, Office::DataProtectionOfficer];

/// Every route of the `console` listener with the offices that may use it. Nothing is served that is not here.
pub const ROUTES: &[Route] = &[
    Route { method: Method::POST, path: "/v1/journal/search", offices: READERS, handler: || post(journal::search) },
    Route { method: Method::GET, path: "/v1/journal/entries/{origin}/{index}", offices: READERS, handler: || get(journal::entry) },
    Route { method: Method::GET, path: "/v1/journal/entries/{origin}/{index}/proof", offices: READERS, handler: || get(journal::proof) },
    Route {
        method: Method::GET,
        path: "/v1/journal/entries/{origin}/{index}/explanation",
        offices: READERS,
        handler: || get(journal::explanation),
    },
    Route { method: Method::POST, path: "/v1/journal/export", offices: READERS, handler: || post(export::export) },
    Route {
        method: Method::POST,
        path: "/v1/journal/suppressions",
        offices: &[Office::DataProtectionOfficer],
        handler: || post(suppression::decide),
    },
    Route { method: Method::GET, path: "/v1/overrides", offices: READERS, handler: || get(overrides::list) },
    Route {
        method: Method::POST,
        path: "/v1/overrides/{id}/review",
        offices: &[Office::DataProtectionOfficer],
        handler: || post(overrides::review),
    },
    // Hashes alone.
    Route { method: Method::GET, path: "/checkpoint", offices: &[], handler: || get(log::checkpoint) },
    Route { method: Method::GET, path: "/tile/{*path}", offices: &[], handler: || get(log::tile) },
];

/// The `console` listener's router.
pub fn routes(gateway: Arc<Gateway>) -> Router {
    let guarded = |router: Router<Arc<Gateway>>, route: &'static Route| {
        router.route(route.path, (route.handler)().layer(from_fn(move |request, next| in_office(route, request, next))))
    };
    ROUTES
        .iter()
        .fold(Router::new(), guarded)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(&gateway), enter))
        .with_state(gateway)
}

/// Who may use the console, and how many persons he may still look up.
#[derive(Debug)]
pub struct People {
    /// By the name in the certificate, in lower case.
    by_certificate: BTreeMap<String, Person>,
    look_ups: DefaultKeyedRateLimiter<String>,
    clock: DefaultClock,
    exports: Arc<Semaphore>,
}

impl People {
    /// The people of a configuration, by the names in their certificates.
    #[must_use]
    pub fn new(by_certificate: &BTreeMap<String, Person>) -> Self {
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
    fn look_up(&self, person: &Person, persons: usize) -> Result<(), u64> {
        let Some(persons) = u32::try_from(persons).ok().and_then(NonZeroU32::new) else { return Ok(()) };
        // All of them or none: who waits as long as he is told gets through.
        match self.look_ups.check_key_n(&person.name, persons) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(until.wait_time_from(self.clock.now()).as_secs() + 1),
            // More than a minute allows at once: a filter's bound is below that.
            Err(_) => Err(60),
        }
    }
}

/// Who asks, known by his certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// His name in the journal.
    pub name: String,
    /// What he may do.
    pub offices: BTreeSet<Office>,
}

/// What every request passes: its body is read, at most [`BODY_BYTES_MAX`] bytes, and its sender identified.
async fn enter(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let conversation = Conversation::begin(&parts.headers);
    let person = match identify(parts.extensions.get::<Arc<PeerCertificate>>(), &gateway.people, &conversation) {
        Ok(person) => person,
        Err(problem) => return problem.into_response(),
    };
    let refused = match body {
        Ok(collected) => {
            parts.extensions.insert(conversation);
            parts.extensions.insert(person);
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

fn identify(peer: Option<&Arc<PeerCertificate>>, people: &People, conversation: &Conversation) -> Result<Person, Problem> {
    let Some(peer) = peer else {
        let (az, en) = ("Öz sertifikatınızla qoşulun", "Connect with your own certificate");
        return Err(conversation.problem(Code::NoCertificate, Origin::Consumer, az, en));
    };
    if peer.expired(clock::now()) {
        return Err(conversation.problem(Code::CertificateExpired, Origin::Consumer, "Sertifikatı yeniləyin", "Renew the certificate"));
    }
    let person = peer.names.iter().find_map(|name| people.by_certificate.get(name));
    let Some(person) = person else {
        let (az, en) = (
            "Sertifikatdakı ad heç kimdə qeyd olunmayıb; operatora müraciət edin",
            "Nobody is registered with a name of this certificate; ask the operator",
        );
        return Err(conversation.problem(Code::UnknownPerson, Origin::Consumer, az, en));
    };
    Ok(person.clone())
}

/// Lets through who holds one of the route's offices.
async fn in_office(route: &'static Route, request: Request, next: Next) -> Response {
    let extensions = request.extensions();
    let (Some(person), Some(conversation)) = (extensions.get::<Person>(), extensions.get::<Conversation>()) else {
        // `enter` has put both there.
        return http::StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if route.offices.is_empty() || route.offices.iter().any(|office| person.offices.contains(office)) {
        return next.run(request).await;
    }
    let accepted: Vec<&str> = route.offices.iter().map(|office| office.as_str()).collect();
    let accepted = accepted.join(", ");
    let (az, en) = (format!("Bunlardan biri tələb olunur: {accepted}"), format!("One of these is needed: {accepted}"));
    conversation.problem(Code::OfficeMissing, Origin::Consumer, &az, &en).into_response()
}

async fn not_found(axum::Extension(conversation): axum::Extension<Conversation>) -> Problem {
    conversation.not_found("Ünvanlar təlimatdadır (docs/guide)", "The addresses are in the guides (docs/guide)")
}

async fn method_not_allowed(axum::Extension(conversation): axum::Extension<Conversation>) -> Problem {
    conversation.problem(
        Code::MethodNotAllowed,
        Origin::Consumer,
        "Metodlar təlimatdadır (docs/guide)",
        "The methods are in the guides (docs/guide)",
    )
}
