//! The internal API: every route on this page; each handler in a file of its own under `api/`.

pub mod accesses;
pub mod cases;
pub mod catalogue;
pub mod dossiers;
pub mod log;
pub mod openapi;
pub mod request;
pub mod services;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::gateway::Gateway;

/// Every route of the `internal` listener.
pub fn routes(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/v1/cases", post(cases::open))
        .route("/v1/cases/{case}/close", post(cases::close))
        .route("/v1/services/{provider}/{service}", post(services::ask))
        .route("/v1/dossiers/{dossier}", post(dossiers::open))
        .route("/v1/dossiers/{dossier}/{id}", get(dossiers::read))
        .route("/v1/subject-accesses", post(accesses::list))
        .route("/v2/findUsage", post(accesses::find_usage))
        .route("/v1/catalogue", get(catalogue::catalogue))
        .route("/checkpoint", get(log::checkpoint))
        .route("/tile/{*path}", get(log::tile))
        .route("/openapi.json", get(openapi::document))
        .fallback(request::not_found)
        .method_not_allowed_fallback(request::method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(&gateway), request::enter))
        .with_state(gateway)
}
