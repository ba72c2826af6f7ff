//! `POST /v1/dossiers/{dossier}` and `GET /v1/dossiers/{dossier}/{id}`: the one-window answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use model::DossierId;
use tokio::time::Instant;
use uuid::Uuid;

use crate::answer::ReceiptBody;
use crate::api::request::{Asked, WAIT_MAX};
use crate::api::services::refusal;
use crate::dossier::{self, OpenDossier};
use crate::envelope::{Envelope, Expected};
use crate::gateway::Gateway;
use crate::problem::{Code, Origin, Problem};
use crate::store_access;

/// Time before 202 where the caller prefers none.
const WAIT_DEFAULT: Duration = Duration::from_secs(5);

/// Opens a dossier for a case and waits a little for it to settle.
///
/// # Errors
/// The problem documents of `docs/guide/errors.md`.
pub async fn open(
    State(gateway): State<Arc<Gateway>>,
    asked: Asked,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let deadline = deadline(&asked);
    let found = path.ok().and_then(|Path(name)| DossierId::new(&name).ok()).and_then(|id| asked.active.snapshot.dossiers.get(&id).cloned());
    let Some(contract) = found else {
        return Err(asked.not_found("Belə dosye yoxdur; /v1/catalogue siyahısına baxın", "There is no such dossier; see /v1/catalogue"));
    };
    let json = asked.json(&headers, body).await?;
    let expected = Expected { subject: None, inputs: &contract.inputs, window: None, service: None, profile: gateway.profile() };
    let envelope = Envelope::read(&json, expected).map_err(|broken| asked.contract_broken(&broken))?;

    // The dossier as a whole rests on an open case of its purpose; each element is decided by itself.
    let may_open = store_access::may_open(&gateway, &asked.consumer, &contract, &envelope).await;
    if let Err(denial) = may_open.map_err(|error| asked.stopped(&error.into()))? {
        let question = dossier::question(asked.request_id, None, &asked.consumer, &asked.active, &contract, &envelope);
        let denied = gateway
            .recorder
            .denied(&question, envelope.subject.as_ref(), &denial.codes())
            .await
            .map_err(|error| asked.stopped(&error.into()))?;
        gateway.metrics.denied(asked.consumer.as_str(), contract.id.as_str());
        return Err(refusal(&asked, &denial).receipt(ReceiptBody::whole(denied.durable())));
    }
    let persons = store_access::persons(&gateway, &asked.consumer, &envelope.case).await.map_err(|error| asked.stopped(&error.into()))?;
    let persons = dossier::persons(persons.unwrap_or_default());
    let opened = dossier::open(&gateway, contract, asked.consumer.clone(), envelope, &persons).map_err(|_| {
        let busy = asked.problem(
            Code::GatewayUnavailable,
            Origin::Gateway,
            "Hazırda çoxlu dosye hazırlanır; bir azdan yenidən cəhd edin",
            "Too many dossiers are under way; try again shortly",
        );
        busy.retry_after(30)
    })?;
    opened.wait(deadline).await;
    respond(&gateway, &asked, &opened).await
}

/// Reads a dossier again: authorised anew and journalled like the first time.
///
/// # Errors
/// 404 when the consumer has no such dossier, 503 when the journal takes no entry.
pub async fn read(
    State(gateway): State<Arc<Gateway>>,
    asked: Asked,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let deadline = if asked.wait.is_some() { deadline(&asked) } else { Instant::now() };
    let found = path.ok().and_then(|Path((name, id))| {
        let found = gateway.dossiers.find(&asked.consumer, id.parse::<Uuid>().ok()?)?;
        found.is_named(&name).then_some(found)
    });
    let Some(found) = found else {
        return Err(asked.not_found("Belə dosye yoxdur", "There is no such dossier"));
    };
    found.wait(deadline).await;
    respond(&gateway, &asked, &found).await
}

fn deadline(asked: &Asked) -> Instant {
    let wait = if asked.respond_async { Duration::ZERO } else { asked.wait.unwrap_or(WAIT_DEFAULT).min(WAIT_MAX) };
    Instant::now() + wait
}

async fn respond(gateway: &Arc<Gateway>, asked: &Asked, dossier: &OpenDossier) -> Result<Response, Problem> {
    let (settled, body) = dossier::render(gateway, dossier, asked.request_id, asked.language).await.map_err(|why| asked.stopped(&why))?;
    let mut response = asked.answer(if settled { StatusCode::OK } else { StatusCode::ACCEPTED }, body);
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/dossiers/{}/{}", dossier.name(), dossier.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}
