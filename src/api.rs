//! The internal API: every route on this page; each handler in a file of its own under `api/`.

pub mod accesses;
pub mod acknowledgements;
pub mod cases;
pub mod catalogue;
pub mod consents;
pub mod dossiers;
pub mod emergencies;
pub mod log;
pub mod notices;
pub mod openapi;
pub mod request;
pub mod services;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use http::Method;

use crate::gateway::Gateway;

/// One thing that a consumer may ask of the `internal` listener.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, as the router matches it.
    pub path: &'static str,
    handler: fn() -> MethodRouter<Arc<Gateway>>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route").field("method", &self.method).field("path", &self.path).finish()
    }
}

/// Every route of the `internal` listener. Nothing is served that is not here. Every consumer may use all of them; what
/// it gets is decided by what the handler names: the policy for facts, the consumer's own cases and dossiers, and the
/// citizen's assertion for the uses of his data.
pub const ROUTES: &[Route] = &[
    Route { method: Method::POST, path: "/v1/cases", handler: || post(cases::open) },
    Route { method: Method::POST, path: "/v1/cases/{case}/close", handler: || post(cases::close) },
    Route { method: Method::POST, path: "/v1/cases/{case}/transfer", handler: || post(cases::transfer) },
    Route { method: Method::POST, path: "/v1/cases/{case}/overrides", handler: || post(emergencies::begin) },
    Route { method: Method::POST, path: "/v1/consents/withdrawals", handler: || post(consents::withdraw) },
    Route { method: Method::POST, path: "/v1/subject-consents", handler: || post(consents::tell) },
    Route { method: Method::POST, path: "/v1/services/{provider}/{service}", handler: || post(services::ask) },
    Route { method: Method::POST, path: "/v1/dossiers/{dossier}", handler: || post(dossiers::open) },
    Route { method: Method::GET, path: "/v1/dossiers/{dossier}/{id}", handler: || get(dossiers::read) },
    Route { method: Method::POST, path: "/v1/subject-accesses", handler: || post(accesses::list) },
    Route { method: Method::POST, path: "/v2/findUsage", handler: || post(accesses::find_usage) },
    Route { method: Method::GET, path: "/v1/notices", handler: || get(notices::list) },
    Route { method: Method::POST, path: "/v1/acknowledgements", handler: || post(acknowledgements::acknowledge) },
    Route { method: Method::GET, path: "/v1/catalogue", handler: || get(catalogue::catalogue) },
    Route { method: Method::GET, path: "/checkpoint", handler: || get(log::checkpoint) },
    Route { method: Method::GET, path: "/tile/{*path}", handler: || get(log::tile) },
    Route { method: Method::GET, path: "/openapi.json", handler: || get(openapi::document) },
];

/// The `internal` listener's router.
pub fn routes(gateway: Arc<Gateway>) -> Router {
    ROUTES
        .iter()
        .fold(Router::new(), |router, route| router.route(route.path, (route.handler)()))
        .fallback(request::not_found)
        .method_not_allowed_fallback(request::method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(&gateway), request::enter))
        .with_state(gateway)
}
