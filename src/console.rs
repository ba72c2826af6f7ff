//! The console: what the gateway's own people ask of it, each known by the certificate of the connection, and each
//! in his office alone. What they ask of the journal is itself journalled before they are told anything.

pub mod access;
pub mod export;
pub mod journal;
pub mod outages;
pub mod overrides;
mod period;
pub mod quality;
pub mod recalls;
pub mod scores;
pub mod sources;
pub mod suppression;

use std::collections::BTreeSet;
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
use crate::rights::Rights;
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

/// Those who see how the sources and the gateway work; no person stands there.
const WATCHERS: &[Office] = &[Office::Operator, Office::Auditor, Office::Assessor];

/// Those who decide on rights (004, 6.2–6.5).
const DECIDERS: &[Office] = &[Office::CentralAdministrator, Office::TerritorialAdministrator, Office::ConsumerOfficer];

/// Those who may end a right in danger, and review what was taken in an emergency (004, 17.7).
const GUARDS: &[Office] =
    &[Office::CentralAdministrator, Office::TerritorialAdministrator, Office::ConsumerOfficer, Office::DataProtectionOfficer];

/// Those who see who holds what.
const REGISTER_READERS: &[Office] = &[
    Office::CentralAdministrator,
    Office::TerritorialAdministrator,
    Office::ConsumerOfficer,
    Office::DataProtectionOfficer,
    Office::Assessor,
];

/// Those who watch over the quality of sources' data: rules, paths and numbers, no values.
const QUALITY_WATCHERS: &[Office] = &[Office::Operator, Office::Auditor, Office::Assessor, Office::DataProtectionOfficer];

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
    Route { method: Method::GET, path: "/v1/outages", offices: WATCHERS, handler: || get(outages::list) },
    Route { method: Method::GET, path: "/v1/sources", offices: WATCHERS, handler: || get(sources::list) },
    Route { method: Method::GET, path: "/v1/scores", offices: WATCHERS, handler: || get(scores::scores) },
    Route { method: Method::GET, path: "/v1/not-held", offices: WATCHERS, handler: || get(scores::not_held) },
    Route { method: Method::GET, path: "/v1/quarantine", offices: QUALITY_WATCHERS, handler: || get(quality::list) },
    Route { method: Method::GET, path: "/v1/quarantine/{item}", offices: QUALITY_WATCHERS, handler: || get(quality::show) },
    // Whoever runs the gateway sees rules and paths; values are seen by who watches over their lawful use.
    Route {
        method: Method::POST,
        path: "/v1/quarantine/{item}/opening",
        offices: &[Office::DataProtectionOfficer],
        handler: || post(quality::open),
    },
    Route { method: Method::POST, path: "/v1/quarantine/{item}/solution", offices: &[Office::Operator], handler: || post(quality::solve) },
    Route { method: Method::POST, path: "/v1/quarantine/replays", offices: &[Office::Operator], handler: || post(quality::replay) },
    Route { method: Method::POST, path: "/v1/recalls", offices: &[Office::Operator], handler: || post(recalls::recall) },
    Route { method: Method::GET, path: "/v1/drift", offices: QUALITY_WATCHERS, handler: || get(quality::drift) },
    // The register of rights: what an office reaches there, the register decides.
    Route { method: Method::GET, path: "/v1/access/me", offices: &[], handler: || get(access::me) },
    Route { method: Method::POST, path: "/v1/access/acknowledgements", offices: &[], handler: || post(access::acknowledge) },
    Route { method: Method::GET, path: "/v1/access/accounts", offices: REGISTER_READERS, handler: || get(access::accounts) },
    Route { method: Method::POST, path: "/v1/access/accounts", offices: DECIDERS, handler: || post(access::open_account) },
    Route { method: Method::POST, path: "/v1/access/leavers", offices: GUARDS, handler: || post(access::leave) },
    Route { method: Method::POST, path: "/v1/access/returns", offices: &[Office::CentralAdministrator], handler: || post(access::reopen) },
    Route { method: Method::GET, path: "/v1/access/requests", offices: &[], handler: || get(access::requests) },
    Route { method: Method::POST, path: "/v1/access/requests", offices: &[], handler: || post(access::request) },
    Route { method: Method::POST, path: "/v1/access/requests/{request}/approve", offices: DECIDERS, handler: || post(access::approve) },
    Route { method: Method::POST, path: "/v1/access/requests/{request}/refuse", offices: DECIDERS, handler: || post(access::refuse) },
    Route { method: Method::POST, path: "/v1/access/requests/{request}/cancel", offices: &[], handler: || post(access::cancel) },
    Route { method: Method::POST, path: "/v1/access/withdrawals", offices: GUARDS, handler: || post(access::withdraw) },
    Route { method: Method::GET, path: "/v1/access/break-glass", offices: GUARDS, handler: || get(access::notices) },
    Route { method: Method::POST, path: "/v1/access/break-glass", offices: &[], handler: || post(access::break_glass) },
    Route {
        method: Method::POST,
        path: "/v1/access/break-glass/{right}/review",
        offices: GUARDS,
        handler: || post(access::review_break_glass),
    },
    Route { method: Method::GET, path: "/v1/access/review", offices: GUARDS, handler: || get(access::review) },
    Route { method: Method::POST, path: "/v1/access/review/{right}/confirm", offices: DECIDERS, handler: || post(access::confirm) },
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

/// What the console's people may still do at once: exports, and looking up persons.
#[derive(Debug)]
pub struct People {
    look_ups: DefaultKeyedRateLimiter<String>,
    clock: DefaultClock,
    exports: Arc<Semaphore>,
}

impl Default for People {
    fn default() -> Self {
        let look_ups = DefaultKeyedRateLimiter::keyed(Quota::per_minute(LOOK_UPS_A_MINUTE));
        Self { look_ups, clock: DefaultClock::default(), exports: Arc::new(Semaphore::new(EXPORTS_MAX)) }
    }
}

impl People {
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
    /// His number, in the register of rights and in the journal.
    pub name: String,
    /// The offices that he holds at this moment.
    pub offices: BTreeSet<Office>,
}

/// What every request passes: its body is read, at most [`BODY_BYTES_MAX`] bytes, and its sender identified.
async fn enter(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let conversation = Conversation::begin(&parts.headers);
    let person = match identify(parts.extensions.get::<Arc<PeerCertificate>>(), &gateway.rights, &conversation) {
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

fn identify(peer: Option<&Arc<PeerCertificate>>, rights: &Rights, conversation: &Conversation) -> Result<Person, Problem> {
    let Some(peer) = peer else {
        let (az, en) = ("Öz sertifikatınızla qoşulun", "Connect with your own certificate");
        return Err(conversation.problem(Code::NoCertificate, Origin::Consumer, az, en));
    };
    if peer.expired(clock::now()) {
        return Err(conversation.problem(Code::CertificateExpired, Origin::Consumer, "Sertifikatı yeniləyin", "Renew the certificate"));
    }
    let (register, now) = (rights.register(), clock::now());
    let known = peer.names.iter().find_map(|name| Some((name, register.by_certificate(name)?)));
    let Some((certificate_name, number)) = known else {
        let (az, en) = (
            "Sertifikatdakı adla açıq hesab yoxdur; inzibatçıya müraciət edin",
            "No active account has a name of this certificate; ask an administrator",
        );
        return Err(conversation.problem(Code::UnknownPerson, Origin::Consumer, az, en));
    };
    let held: Vec<_> = register.offices(certificate_name, now).filter_map(|right| Some((right.power.office()?, right.id))).collect();
    held.iter().for_each(|(_, right)| rights.office_used(*right, now));
    Ok(Person { name: number.to_string(), offices: held.into_iter().map(|(office, _)| office).collect() })
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
