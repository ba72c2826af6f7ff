//! `POST /v1/subject-consents` and `POST /v1/consents/withdrawals`: which consents stand in a person's name, and how one
//! is taken back. A consent is known from its first use on; from its withdrawal on, whatever rests on it is denied, at
//! the source and in every dossier that is read again.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use model::{ProviderId, Subject};
use serde_json::{Map, Value as Json, json};
use store::{ConsentName, KnownConsent, Withdrew};

use crate::answer::ReceiptBody;
use crate::api::accesses::{assertion, citizen, keys, prove};
use crate::api::request::Asked;
use crate::citizen::Asker;
use crate::clock;
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::record::Kind;
use crate::rule::{Broken, Rule};
use crate::store_access;

/// Longest reference of a consent, in bytes, as the envelope has it.
const REFERENCE_BYTES_MAX: usize = 128;
/// The names of these services in refusals.
const TELL: &str = "subject-consents";
const WITHDRAW: &str = "consents/withdrawals";

/// Tells a citizen which consents stand in his name, with his assertion.
///
/// # Errors
/// 422 with every broken rule, 403 where the assertion does not prove that the citizen asks, 503 when store or journal
/// do not answer.
pub async fn tell(State(gateway): State<Arc<Gateway>>, asked: Asked, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let body = asked.json(&headers, body).await?;
    let (subject, assertion) = read_telling(&body, &gateway).map_err(|broken| asked.contract_broken(&broken))?;
    prove(&gateway, &asked, TELL, (&subject, Asker::Himself), &assertion, &[]).await?;
    let mut known = store_access::consents_of(&gateway, &subject).await.map_err(|error| asked.stopped(&error.into()))?;
    known.sort_by_key(|known| known.registered_at);
    let event = json!({
        "request_id": asked.request_id, "consumer": asked.consumer, "service": TELL,
        "subject": gateway.recorder.token(&subject), "told": known.len(),
    });
    let durable = gateway.recorder.event(Kind::ConsentsTold, &event).await.map_err(|error| asked.stopped(&error.into()))?;
    let consents: Vec<Json> = known.iter().map(shown).collect();
    let answer = json!({"request_id": asked.request_id, "consents": consents, "receipt": ReceiptBody::whole(&durable)});
    Ok(asked.answer(StatusCode::OK, answer.to_string()))
}

fn shown(known: &KnownConsent) -> Json {
    let now = clock::now();
    // The last one that was signed and not taken back; else the last one of all.
    let standing = known.versions.iter().rev().find(|consent| known.allows(consent).is_ok());
    let consent = standing.or(known.versions.last());
    let status = match standing {
        Some(consent) if consent.in_force(now) => "in_force",
        Some(_) => "ended",
        None => "withdrawn",
    };
    let moment = model::time::rfc3339;
    json!({
        "provider": known.name.provider,
        "reference": known.name.reference,
        "sha256": consent.map(|consent| &consent.sha256),
        "signed_at": consent.map(|consent| moment(consent.signed_at)),
        "expires_at": consent.map(|consent| moment(consent.expires_at)),
        "used_by": known.consumers,
        "status": status,
        "withdrawn_at": known.withdrawn.as_ref().map(|withdrawal| moment(withdrawal.at)),
    })
}

/// Withdraws a consent: the citizen with his assertion, through any consumer, also one that nobody has used yet; or a
/// consumer to whom he said so, for what it has used itself. 201, or 200 where it was withdrawn before.
///
/// # Errors
/// 422 with every broken rule, 403 where the assertion does not prove that the citizen asks, 404 where the consumer has
/// used no such consent, 503 when store or journal do not answer.
pub async fn withdraw(State(gateway): State<Arc<Gateway>>, asked: Asked, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let body = asked.json(&headers, body).await?;
    let (name, assertion) = read_withdrawal(&body, &gateway).map_err(|broken| asked.contract_broken(&broken))?;
    let by_person = assertion.is_some();
    if let Some(assertion) = &assertion {
        let parts = [name.provider.to_string(), name.reference.clone()];
        prove(&gateway, &asked, WITHDRAW, (&name.subject, Asker::Himself), assertion, &parts).await?;
    }
    let unknown = || asked.not_found("Bu istehlakçı belə razılıqdan istifadə etməyib", "This consumer has used no such consent");
    let known = store_access::consent(&gateway, &name).await.map_err(|error| asked.stopped(&error.into()))?;
    if !by_person && !known.as_ref().is_some_and(|known| known.consumers.contains(&asked.consumer)) {
        return Err(unknown());
    }
    // The entry first, also of a repetition: it tells that it was said again.
    let event = json!({
        "request_id": asked.request_id, "consumer": asked.consumer, "provider": name.provider, "reference": name.reference,
        "subjects": [gateway.recorder.token(&name.subject)], "by": if by_person { "person" } else { "consumer" },
    });
    let durable = gateway.recorder.event(Kind::ConsentWithdrawn, &event).await.map_err(|error| asked.stopped(&error.into()))?;
    let withdrew = store_access::withdraw_consent(&gateway, name.clone(), asked.consumer.clone(), by_person).await;
    let status = match withdrew.map_err(|error| asked.stopped(&error.into()))? {
        Withdrew::Now => StatusCode::CREATED,
        Withdrew::Before => StatusCode::OK,
        Withdrew::Unknown => return Err(unknown()),
    };
    let receipt = ReceiptBody::whole(&durable);
    let answer = json!({"request_id": asked.request_id, "provider": name.provider, "reference": name.reference, "status": "withdrawn", "receipt": receipt});
    Ok(asked.answer(status, answer.to_string()))
}

fn read_telling(json: &Json, gateway: &Gateway) -> Result<(Subject, String), Vec<Broken>> {
    let Some(members) = json.as_object() else { return Err(vec![Broken::new("", Rule::Object)]) };
    let mut broken = Vec::new();
    keys(members, &["subject", "assertion"], &mut broken);
    let subject = subject(members, gateway, &mut broken);
    let assertion = assertion(members, &mut broken);
    subject.filter(|_| broken.is_empty()).map(|subject| (subject, assertion)).ok_or(broken)
}

fn read_withdrawal(json: &Json, gateway: &Gateway) -> Result<(ConsentName, Option<String>), Vec<Broken>> {
    let Some(members) = json.as_object() else { return Err(vec![Broken::new("", Rule::Object)]) };
    let mut broken = Vec::new();
    keys(members, &["provider", "subject", "reference", "assertion"], &mut broken);
    let subject = subject(members, gateway, &mut broken);
    let text = |key: &str| members.get(key).and_then(Json::as_str).unwrap_or_default();
    let provider = ProviderId::new(text("provider")).ok().filter(|id| gateway.active().snapshot.providers.contains_key(id));
    if provider.is_none() {
        broken.push(Broken::new("/provider", Rule::Provider));
    }
    let reference = text("reference").to_owned();
    if !(1..=REFERENCE_BYTES_MAX).contains(&reference.len()) {
        broken.push(Broken::new("/reference", Rule::Text(REFERENCE_BYTES_MAX)));
    }
    let assertion = members.get("assertion").filter(|given| !given.is_null()).map(|_| assertion(members, &mut broken));
    match (provider, subject, broken.is_empty()) {
        (Some(provider), Some(subject), true) => Ok((ConsentName { provider, subject, reference }, assertion)),
        _ => Err(broken),
    }
}

fn subject(members: &Map<String, Json>, gateway: &Gateway, broken: &mut Vec<Broken>) -> Option<Subject> {
    let subject = members.get("subject").and_then(|raw| serde_json::from_value::<Subject>(raw.clone()).ok());
    citizen(subject, "/subject", gateway, broken)
}
