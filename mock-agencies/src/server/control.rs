//! The control endpoint: counts and faults, over plain HTTP on loopback (interface, "Command line").

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Calls, Stage};
use crate::fault::Fault;

pub(super) async fn serve(listener: TcpListener, stage: Arc<Stage>, mut stopped: watch::Receiver<()>) {
    let mut ending = stopped.clone();
    let router = Router::new()
        .route("/calls", get(calls))
        .route("/faults", get(faults).put(set_fault).delete(clear_faults))
        .layer(axum::extract::DefaultBodyLimit::max(4_096))
        .with_state(stage);
    // The server waits for idle keep-alive connections; nobody else needs to wait for those.
    let served = axum::serve(listener, router).with_graceful_shutdown(async move {
        let _sender_is_gone = ending.changed().await;
    });
    tokio::select! {
        ended = IntoFuture::into_future(served) => {
            if let Err(error) = ended {
                tracing::warn!(%error, "control endpoint ended");
            }
        }
        () = async {
            let _sender_is_gone = stopped.changed().await;
            tokio::time::sleep(super::DRAIN_MAX).await;
        } => {}
    }
}

async fn calls(State(stage): State<Arc<Stage>>) -> Json<Calls> {
    Json(stage.calls())
}

/// What `GET /faults` and `PUT /faults` answer.
#[derive(Serialize)]
struct Known {
    agency: &'static str,
    /// Names of the accepted faults by service.
    accepted: BTreeMap<&'static str, Vec<&'static str>>,
    active: Vec<ActiveFault>,
    /// What each accepted fault does.
    meaning: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize)]
struct ActiveFault {
    service: &'static str,
    fault: &'static str,
    /// How often it will still be committed; null until the faults are deleted.
    times: Option<u32>,
}

async fn faults(State(stage): State<Arc<Stage>>) -> Json<Known> {
    Json(known(&stage))
}

fn known(stage: &Stage) -> Known {
    let mut known = Known { agency: stage.code.as_str(), accepted: BTreeMap::new(), active: Vec::new(), meaning: BTreeMap::new() };
    for service in stage.code.services() {
        let accepted = Fault::accepted(stage.code, service);
        known.meaning.extend(accepted.iter().map(|fault| (fault.as_str(), fault.meaning())));
        known.accepted.insert(service, accepted.into_iter().map(Fault::as_str).collect());
    }
    known.active.extend(stage.faults.active().into_iter().map(|(service, active)| ActiveFault {
        service,
        fault: active.fault.as_str(),
        times: active.times,
    }));
    known
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetFault {
    service: String,
    fault: String,
    #[serde(default)]
    times: Option<u32>,
}

#[derive(Serialize)]
struct Refusal {
    error: String,
    accepted: Vec<&'static str>,
}

/// Reads JSON whatever the content type says: this is typed by hand, with `curl -d`.
async fn set_fault(State(stage): State<Arc<Stage>>, wanted: Bytes) -> Response {
    let wanted: SetFault = match serde_json::from_slice(&wanted) {
        Ok(wanted) => wanted,
        Err(error) => {
            let refusal = Refusal { error: error.to_string(), accepted: vec!["service", "fault", "times"] };
            let status = if error.is_data() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
            return (status, Json(refusal)).into_response();
        }
    };
    match stage.set_fault(&wanted.service, &wanted.fault, wanted.times) {
        Ok(()) => Json(known(&stage)).into_response(),
        Err(refused) => {
            let refusal = Refusal { error: refused.to_string(), accepted: refused.accepted().to_vec() };
            (StatusCode::UNPROCESSABLE_ENTITY, Json(refusal)).into_response()
        }
    }
}

async fn clear_faults(State(stage): State<Arc<Stage>>) -> StatusCode {
    stage.faults.clear();
    StatusCode::NO_CONTENT
}
