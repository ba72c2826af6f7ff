//! The operations listener: plain, for a loopback or otherwise closed address; names no person.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::gateway::Gateway;
use crate::record::NoRecord;

#[derive(Debug, Clone)]
struct Ops {
    gateway: Arc<Gateway>,
    metrics: PrometheusHandle,
}

/// Every route of the operations listener.
pub fn routes(gateway: Arc<Gateway>, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render_metrics))
        .route("/cache", delete(clear_cache))
        .route("/cache/{provider}", delete(clear_cache_of))
        .with_state(Ops { gateway, metrics })
}

/// Alive: the process answers.
async fn livez() -> &'static str {
    "alive\n"
}

/// Ready: not stopping, and the journal takes entries. Without a journal nothing may be answered. Files that are not as
/// they were signed are told and do not make it unready: what was signed is in memory and serves on.
async fn readyz(State(ops): State<Ops>) -> Response {
    if ops.gateway.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    if ops.gateway.recorder.journal().reserve(1).is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the journal has no room\n").into_response();
    }
    match ops.gateway.drifted() {
        0 => "ready\n".into_response(),
        files => format!("ready; {files} files are not as they were signed\n").into_response(),
    }
}

/// Forgets every kept answer.
async fn clear_cache(State(ops): State<Ops>) -> Response {
    cleared(&ops.gateway.clear_cache(None).await)
}

/// Forgets the kept answers of one provider, which has taken something back.
async fn clear_cache_of(State(ops): State<Ops>, Path(provider): Path<String>) -> Response {
    let known = ops.gateway.active().snapshot.providers.keys().any(|id| id.as_str() == provider);
    if !known {
        return (StatusCode::NOT_FOUND, "there is no such provider\n").into_response();
    }
    cleared(&ops.gateway.clear_cache(Some(&provider)).await)
}

fn cleared(journalled: &Result<(), NoRecord>) -> Response {
    match journalled {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the journal has no room; nothing was forgotten\n").into_response(),
    }
}

async fn render_metrics(State(ops): State<Ops>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], ops.metrics.render()).into_response()
}
