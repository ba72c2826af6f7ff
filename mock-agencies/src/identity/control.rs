//! Its control endpoint, as the agencies have it: counts, faults, and a change of keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{ENDPOINTS, Fault, SigningAlgorithm, State, lock};

pub(super) async fn serve(listener: TcpListener, state: Arc<State>, mut stopped: watch::Receiver<()>) {
    let router = Router::new()
        .route("/calls", get(calls))
        .route("/faults", get(faults).put(set_fault).delete(clear_faults))
        .route("/rotate", post(rotate))
        .layer(axum::extract::DefaultBodyLimit::max(4_096))
        .with_state(state);
    let served = axum::serve(listener, router);
    tokio::select! {
        ended = IntoFuture::into_future(served) => {
            if let Err(error) = ended {
                tracing::warn!(%error, "control endpoint ended");
            }
        }
        _ = stopped.changed() => {}
    }
}

async fn calls(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    let calls = state.calls();
    Json(json!({"total": calls.values().sum::<u64>(), "by_service": calls}))
}

fn known(state: &State) -> Value {
    let names: Vec<&str> = Fault::ALL.iter().map(|(_, name, _)| *name).collect();
    let accepted: BTreeMap<&str, _> = ENDPOINTS.into_iter().map(|endpoint| (endpoint, names.clone())).collect();
    let meaning: BTreeMap<&str, &str> = Fault::ALL.iter().map(|(_, name, meaning)| (*name, *meaning)).collect();
    let name_of = |fault: Fault| Fault::ALL.into_iter().find(|(known, _, _)| *known == fault).map(|(_, name, _)| name);
    let active: Vec<Value> = lock(&state.faults)
        .iter()
        .map(|(endpoint, (fault, times))| json!({"service": endpoint, "fault": name_of(*fault), "times": times}))
        .collect();
    json!({"agency": "identity-provider", "accepted": accepted, "active": active, "meaning": meaning})
}

async fn faults(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    Json(known(&state))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetFault {
    service: String,
    fault: String,
    #[serde(default)]
    times: Option<u32>,
}

async fn set_fault(Shared(state): Shared<Arc<State>>, wanted: Bytes) -> Response {
    let refuse = |status: StatusCode, error: String| (status, Json(json!({"error": error}))).into_response();
    match serde_json::from_slice::<SetFault>(&wanted) {
        Err(error) => refuse(StatusCode::BAD_REQUEST, format!("{error}; accepted: service, fault, times")),
        Ok(wanted) => match state.set_fault(&wanted.service, &wanted.fault, wanted.times) {
            Ok(()) => Json(known(&state)).into_response(),
            Err(refused) => refuse(StatusCode::UNPROCESSABLE_ENTITY, refused.to_string()),
        },
    }
}

async fn clear_faults(Shared(state): Shared<Arc<State>>) -> StatusCode {
    lock(&state.faults).clear();
    StatusCode::NO_CONTENT
}

/// How keys change; every member may be left out.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotate {
    /// Whether the older keys are withdrawn.
    #[serde(default)]
    retire: bool,
    /// `EdDSA` or `ES256`.
    #[serde(default)]
    alg: Option<String>,
}

async fn rotate(Shared(state): Shared<Arc<State>>, wanted: Bytes) -> Response {
    let refuse = |status: StatusCode, error: &str| (status, Json(json!({"error": error}))).into_response();
    let wanted = if wanted.is_empty() { Ok(Rotate::default()) } else { serde_json::from_slice::<Rotate>(&wanted) };
    let Ok(wanted) = wanted else { return refuse(StatusCode::BAD_REQUEST, "accepted: retire, alg") };
    let algorithm = match wanted.alg.as_deref() {
        None | Some("EdDSA") => SigningAlgorithm::EdDsa,
        Some("ES256") => SigningAlgorithm::Es256,
        Some(_) => return refuse(StatusCode::UNPROCESSABLE_ENTITY, "accepted: EdDSA, ES256"),
    };
    match state.rotate(algorithm, wanted.retire) {
        Ok(()) => Json(state.key_set()).into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error),
    }
}
