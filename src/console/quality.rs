//! `/v1/quarantine` and `/v1/drift`: what sources send against their contracts, who solves it until when, and what they
//! send beside them. Lists name rules and paths alone. What a source really sent is seen by the data protection officer,
//! with a reason, once that is in the journal.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use base64::Engine as _;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use model::{ProviderId, Snapshot};
use serde_json::{Value as Json, json};
use store::quality::{Item, ItemKind, State as ItemState};
use uuid::Uuid;

use super::Person;
use super::journal::reason;
use super::period::{Asked, Period};
use crate::clock;
use crate::conversation::Conversation;
use crate::drift;
use crate::gateway::Gateway;
use crate::pipeline::Stopped;
use crate::problem::{Code, Origin, Problem};
use crate::quarantine::{self, AnswerContent, By, NotKept, REPLAYED_MAX};
use crate::rule::{Broken, Rule};

/// `GET /v1/quarantine`: the items that are remembered, newest first, of one `provider` or in one `state` where that is
/// asked for.
///
/// # Errors
/// 422 for a filter that is none.
pub async fn list(
    State(gateway): State<Arc<Gateway>>,
    Extension(conversation): Extension<Conversation>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (active, now) = (Arc::clone(&gateway.active()), clock::now());
    let asked = Asked::read(query.as_deref(), &["provider", "state"], now).map_err(|broken| conversation.contract_broken(&broken))?;
    let wanted = |item: &&Item| {
        asked.provider.as_ref().is_none_or(|provider| item.fault.provider == *provider)
            && asked.state.is_none_or(|state| item.state(now) == state)
    };
    let items = gateway.quality.items();
    let items: Vec<Json> = items.iter().rev().filter(wanted).map(|item| shown(item, &active.snapshot, now)).collect();
    let answer = json!({"request_id": conversation.request_id, "items": items});
    Ok(conversation.answer(StatusCode::OK, answer.to_string()))
}

/// `GET /v1/quarantine/{item}`.
///
/// # Errors
/// 404 where there is no such item.
pub async fn show(
    State(gateway): State<Arc<Gateway>>,
    Extension(conversation): Extension<Conversation>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let item = find(&gateway, &conversation, &id)?;
    let active = Arc::clone(&gateway.active());
    let answer = json!({"request_id": conversation.request_id, "item": shown(&item, &active.snapshot, clock::now())});
    Ok(conversation.answer(StatusCode::OK, answer.to_string()))
}

/// `POST /v1/quarantine/{item}/opening`: what the source sent. Journalled before it is told.
///
/// # Errors
/// 422 without a reason, 404 where there is no such item or its content can be read no more, 503 when journal or file do
/// not answer.
pub async fn open(
    State(gateway): State<Arc<Gateway>>,
    Extension(conversation): Extension<Conversation>,
    Extension(person): Extension<Person>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let item = find(&gateway, &conversation, &id)?;
    let body = conversation.json(&headers, body).await?;
    let reason = only_reason(&body).map_err(|broken| conversation.contract_broken(&broken))?;
    let content = quarantine::open(&gateway, item.id, by(&conversation, &person, &reason)).await;
    let content = content.map_err(|why| not_kept(&conversation, why))?.ok_or_else(|| {
        let (az, en) = ("Məzmun saxlanılmayıb və ya müddəti bitib", "The content was not kept, or has expired");
        conversation.not_found(az, en)
    })?;
    let decoded = if item.kind == ItemKind::Answer { AnswerContent::decode(&content) } else { None };
    let (status, bytes) = match &decoded {
        Some(answer) => (Some(answer.answer().status), answer.answer().body),
        None => (None, content.as_slice()),
    };
    let (text, base64) = match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(base64::engine::general_purpose::STANDARD.encode(bytes))),
    };
    let answer = json!({"request_id": conversation.request_id, "item": item.id, "status": status, "text": text, "base64": base64});
    Ok(conversation.answer(StatusCode::OK, answer.to_string()))
}

/// `POST /v1/quarantine/{item}/solution`: the owner has solved it.
///
/// # Errors
/// 422 without a reason, 404 where there is no such item, 409 where it does not wait, 503 when journal or file do not
/// answer.
pub async fn solve(
    State(gateway): State<Arc<Gateway>>,
    Extension(conversation): Extension<Conversation>,
    Extension(person): Extension<Person>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let item = find(&gateway, &conversation, &id)?;
    let body = conversation.json(&headers, body).await?;
    let reason = only_reason(&body).map_err(|broken| conversation.contract_broken(&broken))?;
    let solved = quarantine::solve(&gateway, item.id, by(&conversation, &person, &reason)).await;
    if !solved.map_err(|why| not_kept(&conversation, why))? {
        let (az, en) = ("Artıq həll olunub və ya müddəti bitib", "It is solved already, or has expired");
        return Err(conversation.problem(Code::ReviewedBefore, Origin::Consumer, az, en));
    }
    let answer = json!({"request_id": conversation.request_id, "item": item.id, "state": ItemState::Solved.as_str()});
    Ok(conversation.answer(StatusCode::OK, answer.to_string()))
}

/// `POST /v1/quarantine/replays`: reads again, by the active contracts and mappings, the items named, or those of a
/// provider or service that wait; at most [`REPLAYED_MAX`], the oldest first. What breaks nothing any more is solved.
///
/// # Errors
/// 422 with every broken rule, 503 when journal or file do not answer.
pub async fn replay(
    State(gateway): State<Arc<Gateway>>,
    Extension(conversation): Extension<Conversation>,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = conversation.json(&headers, body).await?;
    let (reason, ids) = read_replay(&body, &gateway).map_err(|broken| conversation.contract_broken(&broken))?;
    let read = quarantine::replay(&gateway, &ids, by(&conversation, &person, &reason)).await;
    let read = read.map_err(|why| not_kept(&conversation, why))?;
    let solved = read.iter().filter(|read| read.outcome.is_some()).count();
    let answer = json!({"request_id": conversation.request_id, "solved": solved, "left": read.len() - solved, "items": read});
    Ok(conversation.answer(StatusCode::OK, answer.to_string()))
}

/// `GET /v1/drift`: the sums of a `month` (`yyyy-mm`, by default the present one), of one `provider` where that is asked
/// for.
///
/// # Errors
/// 422 for a filter that is none, 503 when the file does not answer.
pub async fn drift(
    State(gateway): State<Arc<Gateway>>,
    Extension(conversation): Extension<Conversation>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (active, now) = (Arc::clone(&gateway.active()), clock::now());
    let asked = Asked::read(query.as_deref(), &["month", "provider"], now).map_err(|broken| conversation.contract_broken(&broken))?;
    let month = asked.period.unwrap_or_else(|| Period::current(now)).month;
    drift::write(&gateway.drift, &gateway.quality, now).await;
    let sums = {
        let (quality, month) = (Arc::clone(&gateway.quality), month.clone());
        tokio::task::spawn_blocking(move || quality.of_month(&month)).await
    };
    let sums = sums.map_err(NotKept::from).and_then(|sums| sums.map_err(NotKept::from));
    let sums = sums.map_err(|why| not_kept(&conversation, why))?;
    let of_provider = |matter: &str| asked.provider.as_ref().is_none_or(|id| matter.split('/').next() == Some(id.as_str()));
    let sums: Vec<Json> = sums
        .iter()
        .filter(|sum| of_provider(&sum.matter))
        .map(|sum| {
            let provider = sum.matter.split('/').next().and_then(|id| ProviderId::new(id).ok());
            let owner = provider.as_ref().and_then(|id| active.snapshot.providers.get(id)).map(|provider| &provider.owner);
            json!({
                "provider": provider, "owner": owner, "service": sum.matter, "what": sum.what, "name": sum.name, "answers": sum.count,
                "first": model::time::rfc3339(sum.first), "last": model::time::rfc3339(sum.last),
            })
        })
        .collect();
    let answer = json!({"request_id": conversation.request_id, "month": month, "sums": sums});
    Ok(conversation.answer(StatusCode::OK, answer.to_string()))
}

fn shown(item: &Item, snapshot: &Snapshot, now: Timestamp) -> Json {
    let provider = ProviderId::new(&item.fault.provider).ok();
    let owner = provider.and_then(|id| snapshot.providers.get(&id)).map(|provider| &provider.owner);
    let entry = item.entry.as_ref().map(|(origin, index)| json!({"origin": origin, "index": index}));
    let closed = item.closed.as_ref().map(|closed| json!({"at": model::time::rfc3339(closed.at), "how": closed.how, "by": closed.by}));
    json!({
        "item": item.id, "state": item.state(now).as_str(), "came_as": item.kind, "provider": item.fault.provider, "owner": owner,
        "service": item.fault.matter, "version": item.version, "rule": item.fault.rule, "path": item.fault.path,
        "received_at": model::time::rfc3339(item.received_at), "deadline": item.deadline.map(model::time::rfc3339),
        "expires_on": item.expires_on, "bytes": item.bytes, "kept": item.kept, "entry": entry, "request_id": item.request_id,
        "configuration": item.configuration, "closed": closed,
    })
}

fn find(gateway: &Gateway, conversation: &Conversation, id: &str) -> Result<Item, Problem> {
    let item = Uuid::try_parse(id).ok().and_then(|id| gateway.quality.item(id));
    item.ok_or_else(|| conversation.not_found("Karantində belə element yoxdur", "There is no such item in the quarantine"))
}

fn by<'a>(conversation: &Conversation, person: &'a Person, reason: &'a str) -> By<'a> {
    By { request_id: conversation.request_id, person: &person.name, reason }
}

pub(super) fn not_kept(conversation: &Conversation, why: NotKept) -> Problem {
    conversation.stopped(&match why {
        NotKept::NoRecord(error) => Stopped::NoRecord(error),
        NotKept::Store(error) => Stopped::Store(error),
    })
}

/// A body with a reason and nothing else.
fn only_reason(json: &Json) -> Result<String, Vec<Broken>> {
    let Some(members) = json.as_object() else { return Err(vec![Broken::new("", Rule::Object)]) };
    let mut broken = unknown_keys(members.keys(), &["reason"]);
    let reason = reason(members, &mut broken);
    if broken.is_empty() { Ok(reason) } else { Err(broken) }
}

/// What is read again, and why.
fn read_replay(json: &Json, gateway: &Gateway) -> Result<(String, Vec<Uuid>), Vec<Broken>> {
    let Some(members) = json.as_object() else { return Err(vec![Broken::new("", Rule::Object)]) };
    let mut broken = unknown_keys(members.keys(), &["reason", "items", "provider", "service"]);
    let reason = reason(members, &mut broken);
    let text = |key: &str| members.get(key).filter(|value| !value.is_null()).map(|value| value.as_str().unwrap_or_default().to_owned());
    let active = Arc::clone(&gateway.active());
    let provider = known_provider(text("provider").as_ref(), &active.snapshot, &mut broken);
    let service = text("service");
    if service.as_ref().is_some_and(|service| !service.contains('/')) {
        broken.push(Broken::new("/service", Rule::OneOf("provider/service")));
    }
    let ids = match members.get("items") {
        None | Some(Json::Null) => Some(None),
        Some(items) => ids_of(items).map(Some),
    };
    let Some(ids) = ids else {
        broken.push(Broken::new("/items", Rule::Ids(REPLAYED_MAX)));
        return Err(broken);
    };
    if !broken.is_empty() {
        return Err(broken);
    }
    let waits = |item: &&Item| {
        item.closed.is_none()
            && provider.as_ref().is_none_or(|provider| item.fault.provider == provider.as_str())
            && service.as_ref().is_none_or(|service| item.fault.matter == *service)
            && ids.as_ref().is_none_or(|ids| ids.contains(&item.id))
    };
    let items = gateway.quality.items();
    Ok((reason, items.iter().filter(waits).map(|item| item.id).take(REPLAYED_MAX).collect()))
}

fn ids_of(items: &Json) -> Option<Vec<Uuid>> {
    let items = items.as_array().filter(|items| (1..=REPLAYED_MAX).contains(&items.len()))?;
    items.iter().map(|id| Uuid::try_parse(id.as_str()?).ok()).collect()
}

fn unknown_keys<'a>(keys: impl Iterator<Item = &'a String>, accepted: &[&str]) -> Vec<Broken> {
    let unknown = keys.into_iter().any(|key| !accepted.contains(&key.as_str()));
    if unknown { vec![Broken::new("", Rule::Keys(accepted.join(", ")))] } else { Vec::new() }
}

fn known_provider(given: Option<&String>, snapshot: &Snapshot, broken: &mut Vec<Broken>) -> Option<ProviderId> {
    let given = given?;
    let known = ProviderId::new(given).ok().filter(|id| snapshot.providers.contains_key(id));
    if known.is_none() {
        broken.push(Broken::new("/provider", Rule::Provider));
    }
    known
}
