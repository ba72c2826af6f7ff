//! `POST /v1/recalls`: a source takes facts back; every case that was told of them gets a notice.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use model::contract::SubjectForm;
use model::{ServiceId, Subject};
use serde_json::{Value as Json, json};

use super::Person;
use super::journal::{reason, unavailable};
use super::quality::not_kept;
use crate::clock;
use crate::conversation::Conversation;
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::quarantine::By;
use crate::recall::{self, NotRecalled, Recalled};
use crate::rule::{Broken, Rule};

/// Takes facts back.
///
/// # Errors
/// 422 with every broken rule, or where the time has too many entries; 503 when index, journal or file do not answer.
pub async fn recall(
    State(gateway): State<Arc<Gateway>>,
    Extension(conversation): Extension<Conversation>,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = conversation.json(&headers, body).await?;
    let (reason, recalled) = read(&body, &gateway, clock::now()).map_err(|broken| conversation.contract_broken(&broken))?;
    let by = By { request_id: conversation.request_id, person: &person.name, reason: &reason };
    let done = Box::pin(recall::recall(&gateway, recalled, by)).await.map_err(|why| match why {
        NotRecalled::TooMany => conversation.contract_broken(&[Broken::new("/from", Rule::Narrower)]),
        NotRecalled::NotKept(why) => not_kept(&conversation, why),
        why @ (NotRecalled::Search(_) | NotRecalled::Task(_)) => {
            tracing::error!(request.id = %conversation.request_id, error = %why, "a recall was not carried out");
            unavailable(&conversation)
        }
    })?;
    let cases: usize = done.cases.values().sum();
    let answer = json!({"request_id": conversation.request_id, "answers": done.answers, "cases": cases, "consumers": done.cases});
    Ok(conversation.answer(StatusCode::OK, answer.to_string()))
}

fn read(json: &Json, gateway: &Gateway, now: Timestamp) -> Result<(String, Recalled), Vec<Broken>> {
    const KEYS: [&str; 6] = ["reason", "service", "subject", "from", "to", "because"];
    let Some(members) = json.as_object() else { return Err(vec![Broken::new("", Rule::Object)]) };
    let mut broken = Vec::new();
    if members.keys().any(|key| !KEYS.contains(&key.as_str())) {
        broken.push(Broken::new("", Rule::Keys(KEYS.join(", "))));
    }
    let reason = reason(members, &mut broken);
    let given = |key: &str| members.get(key).filter(|value| !value.is_null());
    let active = Arc::clone(&gateway.active());
    let id = given("service").and_then(Json::as_str).and_then(|text| ServiceId::new(text).ok());
    let service = id.and_then(|id| active.snapshot.services.get(&id));
    let mut subject = None;
    match service {
        None => broken.push(Broken::new("/service", Rule::KnownService)),
        Some(service) => {
            let named = given("subject").map(|value| serde_json::from_value::<Subject>(value.clone()).ok());
            match named {
                None if service.subject.is_empty() => {}
                Some(Some(named)) if !service.subject.is_empty() => match named.check(gateway.profile()) {
                    Ok(()) => subject = Some(named),
                    Err(fault) => {
                        broken.push(Broken::new(format!("/subject{}", fault.pointer), Rule::Subject(fault.rule, gateway.profile())))
                    }
                },
                _ if service.subject.is_empty() => broken.push(Broken::new("/subject", Rule::SubjectForms(Vec::new()))),
                _ => broken.push(Broken::new("/subject", Rule::SubjectForms(SubjectForm::ALL.to_vec()))),
            }
        }
    }
    let because = given("because").and_then(|value| serde_json::from_value(value.clone()).ok());
    if because.is_none() {
        broken.push(Broken::new("/because", Rule::OneOf("annulled, corrected")));
    }
    let moment = |key: &str| given(key).map(|value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok()));
    let (from, to) = (moment("from").flatten(), moment("to").unwrap_or(Some(now)));
    if from.is_none() {
        broken.push(Broken::new("/from", Rule::Moment));
    }
    match to {
        None => broken.push(Broken::new("/to", Rule::Moment)),
        Some(to) if from.is_some_and(|from| to < from) => broken.push(Broken::new("/to", Rule::After("from"))),
        Some(_) => {}
    }
    match (service, because, from, to, broken.is_empty()) {
        (Some(service), Some(because), Some(from), Some(to), true) => {
            Ok((reason, Recalled { service: service.id.clone(), subject, from, to: to.min(now), because }))
        }
        _ => Err(broken),
    }
}
