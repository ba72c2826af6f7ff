//! `GET /v1/overrides` and `POST /v1/overrides/{id}/review`: the emergencies that wait for somebody to look at them, and
//! what he found. One that was not justified ends at once.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value as Json, json};
use store::{Override, Review, Reviewed, Verdict};
use uuid::Uuid;

use super::Person;
use super::journal::{journalled, reason};
use crate::answer::ReceiptBody;
use crate::clock;
use crate::conversation::Conversation;
use crate::gateway::Gateway;
use crate::problem::{Code, Origin, Problem};
use crate::record::Kind;
use crate::rule::{Broken, Rule};
use crate::store_access;

/// Lists what waits for its review, the oldest first. Nobody's identifier is told: how many persons, not who.
///
/// # Errors
/// 503 when the store does not answer.
pub async fn list(State(gateway): State<Arc<Gateway>>, Extension(conversation): Extension<Conversation>) -> Result<Response, Problem> {
    let waiting = store_access::overrides_to_review(&gateway).await.map_err(|error| conversation.stopped(&error.into()))?;
    let overrides: Vec<Json> = waiting.iter().map(shown).collect();
    let answer = json!({"request_id": conversation.request_id, "overrides": overrides});
    Ok(conversation.answer(StatusCode::OK, answer.to_string()))
}

fn shown(entry: &Override) -> Json {
    json!({
        "override": entry.id, "consumer": entry.consumer, "case": entry.case, "official": entry.official, "role": entry.role,
        "reason": entry.reason, "persons": entry.persons.len(), "begun_at": model::time::rfc3339(entry.begun_at),
        "until": model::time::rfc3339(entry.until),
    })
}

/// Takes down what the reviewer found.
///
/// # Errors
/// 422 with every broken rule, 404 where there is no such override, 409 where it was reviewed before, 503 when store or
/// journal do not answer.
pub async fn review(
    State(gateway): State<Arc<Gateway>>,
    Extension(conversation): Extension<Conversation>,
    Extension(person): Extension<Person>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let unknown = || conversation.not_found("Belə təcili hal yoxdur", "There is no such override");
    let id = Uuid::try_parse(&id).map_err(|_| unknown())?;
    let body = conversation.json(&headers, body).await?;
    let (verdict, note) = read(&body).map_err(|broken| conversation.contract_broken(&broken))?;
    let before = || {
        let (az, en) = ("Artıq araşdırılıb", "It has been reviewed already");
        conversation.problem(Code::ReviewedBefore, Origin::Consumer, az, en)
    };
    let there = store_access::override_of(&gateway, id).await.map_err(|error| conversation.stopped(&error.into()))?.ok_or_else(unknown)?;
    if there.review.is_some() {
        return Err(before());
    }
    let event = json!({
        "request_id": conversation.request_id, "auditor": person.name, "reason": note, "verdict": verdict, "emergency": id,
        "consumer": there.consumer, "case": there.case, "official": there.official,
    });
    let durable = journalled(&gateway, &conversation, Kind::OverrideReviewed, &event).await?;
    let review = Review { verdict, by: person.name, note, at: clock::now() };
    match store_access::review_override(&gateway, id, review).await.map_err(|error| conversation.stopped(&error.into()))? {
        Reviewed::Now(_) => {}
        Reviewed::Before => return Err(before()),
        Reviewed::Unknown => return Err(unknown()),
    }
    let receipt = ReceiptBody::whole(&durable);
    let answer = json!({"request_id": conversation.request_id, "override": id, "verdict": verdict, "receipt": receipt});
    Ok(conversation.answer(StatusCode::CREATED, answer.to_string()))
}

fn read(json: &Json) -> Result<(Verdict, String), Vec<Broken>> {
    let Some(members) = json.as_object() else { return Err(vec![Broken::new("", Rule::Object)]) };
    let mut broken = Vec::new();
    if members.keys().any(|key| !["verdict", "reason"].contains(&key.as_str())) {
        broken.push(Broken::new("", Rule::Keys("verdict, reason".to_owned())));
    }
    let verdict = members.get("verdict").and_then(|verdict| serde_json::from_value(verdict.clone()).ok());
    if verdict.is_none() {
        broken.push(Broken::new("/verdict", Rule::OneOf("justified, unjustified")));
    }
    let note = reason(members, &mut broken);
    verdict.filter(|_| broken.is_empty()).map(|verdict| (verdict, note)).ok_or(broken)
}
