//! `POST /v1/journal/search`, `GET /v1/journal/entries/…`: what an auditor reads of the journal. A search and a
//! reading are entries themselves, durable before their result is told (R7).

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use journal::{Durable, InclusionProof, ProofError, Role};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json, json};

use super::Person;
use crate::conversation::Conversation;
use crate::data::Active;
use crate::explanation::{self, Explained, Recorded, Said, Unexplained};
use crate::gateway::Gateway;
use crate::pipeline::Stopped;
use crate::problem::{Code, Origin, Problem};
use crate::record::Kind;
use crate::rule::{Broken, Rule};
use crate::search::{Covered, Cursor, Filter, Opened, SearchError, chain};

/// Entries of a page where none are asked for.
const LIMIT: usize = 100;
/// Most entries of a page.
const LIMIT_MAX: usize = 1_000;
/// Shortest reason, in characters: a word says nothing.
const REASON_MIN: usize = 10;
/// Longest reason, in characters.
const REASON_MAX: usize = 500;

/// A search as it was asked.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) reason: String,
    pub(super) filter: Filter,
    limit: usize,
    cursor: Option<Cursor>,
}

#[derive(Serialize)]
struct Answer<'a> {
    request_id: String,
    entries: Vec<EntryBody<'a>>,
    next: Option<String>,
    covered: &'a [Covered],
}

/// An entry as an auditor is told of it.
#[derive(Serialize)]
struct EntryBody<'a> {
    origin: &'a str,
    index: u64,
    kind: &'static str,
    at: String,
    leaf_hash: &'a journal::Hash,
    /// The entry that opened the exchange this one closes.
    #[serde(skip_serializing_if = "Option::is_none")]
    closes: Option<u64>,
    /// None where its keys have been destroyed.
    metadata: Option<&'a RawValue>,
}

/// Finds entries, newest first.
///
/// # Errors
/// A body that breaks a rule, too many look-ups of persons, or an index or a journal that does not answer.
pub async fn search(
    State(gateway): State<Arc<Gateway>>,
    Extension(conversation): Extension<Conversation>,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = conversation.json(&headers, body).await?;
    let asking = read(&body, &gateway, &["reason", "filter", "limit", "cursor"]).map_err(|broken| conversation.contract_broken(&broken))?;
    count(&gateway, &conversation, &person, &asking.filter)?;
    gateway.search.catch_up().await;
    let asking = Arc::new(asking);
    let page = {
        let (gateway, asking) = (Arc::clone(&gateway), Arc::clone(&asking));
        let find = move || gateway.search.find(&asking.filter, asking.cursor.as_ref(), asking.limit);
        found(&conversation, tokio::task::spawn_blocking(find).await)?
    };
    let event = json!({
        "request_id": conversation.request_id, "auditor": person.name, "reason": asking.reason,
        "filter": asking.filter.record(|subject| gateway.recorder.token(subject)),
        "cursor": asking.cursor.as_ref().map(Cursor::text), "entries": page.entries.len(),
    });
    journalled(&gateway, &conversation, Kind::Searched, &event).await?;
    let answer = Answer {
        request_id: conversation.request_id.to_string(),
        entries: page.entries.iter().map(entry_body).collect(),
        next: page.next.as_ref().map(Cursor::text),
        covered: &page.covered,
    };
    Ok(conversation.answer(StatusCode::OK, serde_json::to_vec(&answer).unwrap_or_default()))
}

/// Tells one entry.
///
/// # Errors
/// When there is none, or it cannot be read.
pub async fn entry(
    State(gateway): State<Arc<Gateway>>,
    Extension(conversation): Extension<Conversation>,
    Extension(person): Extension<Person>,
    Path((origin, index)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let index = numbered(&conversation, &index)?;
    let size = gateway.search.catch_up().await;
    let read = {
        let (gateway, origin) = (Arc::clone(&gateway), origin.clone());
        tokio::task::spawn_blocking(move || gateway.search.entry(&origin, index, size)).await
    };
    let opened = found(&conversation, read)?.ok_or_else(|| no_entry(&conversation))?;
    let event = json!({"request_id": conversation.request_id, "auditor": person.name, "origin": origin, "index": index});
    journalled(&gateway, &conversation, Kind::EntryRead, &event).await?;
    Ok(conversation.answer(StatusCode::OK, serde_json::to_vec(&entry_body(&opened)).unwrap_or_default()))
}

/// What is told of an entry's decision.
#[derive(Serialize)]
struct ExplanationBody<'a> {
    request_id: String,
    origin: &'a str,
    index: u64,
    /// The entry that holds the decision: the intent, where an outcome was asked about.
    decided_in: u64,
    kind: &'static str,
    at: String,
    configuration: Option<&'a str>,
    bundle: Json,
    explained: Option<&'a Explained>,
    /// Why nothing is explained.
    unexplained: Option<&'static str>,
    text: Texts,
}

#[derive(Serialize)]
struct Texts {
    az: String,
    en: String,
}

impl Texts {
    fn of(lines: &[Said]) -> Self {
        let joined = |words: fn(&Said) -> &str| lines.iter().map(words).collect::<Vec<_>>().join("\n");
        Self { az: joined(|said| &said.az), en: joined(|said| &said.en) }
    }
}

/// A decision made again, or why not.
type Again = Result<(Recorded, Arc<Active>, Explained), (Option<Recorded>, Unexplained)>;

/// Explains the decision of one entry by the data of then.
///
/// # Errors
/// When there is no such entry, or it cannot be read.
pub async fn explanation(
    State(gateway): State<Arc<Gateway>>,
    Extension(conversation): Extension<Conversation>,
    Extension(person): Extension<Person>,
    Path((origin, index)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let index = numbered(&conversation, &index)?;
    let size = gateway.search.catch_up().await;
    // One at a time: data of then may have to be read.
    let _turn = gateway.explaining.lock().await;
    let read = {
        let (gateway, origin) = (Arc::clone(&gateway), origin.clone());
        tokio::task::spawn_blocking(move || explain(&gateway, &origin, index, size)).await
    };
    let (opened, again) = found(&conversation, read)?.ok_or_else(|| no_entry(&conversation))?;
    let event = json!({"request_id": conversation.request_id, "auditor": person.name, "origin": origin, "index": index});
    journalled(&gateway, &conversation, Kind::EntryExplained, &event).await?;
    let lines = match &again {
        Ok((_, _, explained)) => explained.lines.clone(),
        Err((_, why)) => vec![why.said()],
    };
    let (recorded, bundle, explained, unexplained) = match &again {
        Ok((recorded, data, explained)) => (Some(recorded), explanation::bundle_facts(data), Some(explained), None),
        Err((recorded, why)) => (recorded.as_ref(), Json::Null, None, Some(why.word())),
    };
    let body = ExplanationBody {
        request_id: conversation.request_id.to_string(),
        origin: &origin,
        index,
        decided_in: opened.entry.index,
        kind: Kind::name_of(opened.entry.kind),
        at: model::time::rfc3339(opened.at),
        configuration: recorded.map(|recorded| &*recorded.configuration),
        bundle,
        explained,
        unexplained,
        text: Texts::of(&lines),
    };
    Ok(conversation.answer(StatusCode::OK, serde_json::to_vec(&body).unwrap_or_default()))
}

/// The entry with the decision and what it comes to; none where there is no such entry. Blocking.
fn explain(gateway: &Gateway, origin: &str, index: u64, size: u64) -> Result<Option<(Opened, Again)>, SearchError> {
    let Some(mut opened) = gateway.search.entry(origin, index, size)? else { return Ok(None) };
    // What a source said, or did not, was asked under its intent's decision.
    if let Role::Closes(intent) = opened.entry.role {
        opened = match gateway.search.entry(origin, intent, size)? {
            Some(intent) => intent,
            None => return Ok(None),
        };
    }
    let (kind, metadata) = (opened.entry.kind, opened.metadata.as_deref().map(RawValue::get));
    let again = match explanation::recorded(kind, metadata) {
        Err(why) => Err((None, why)),
        Ok(recorded) => match explanation::data_of(&recorded, &gateway.active(), gateway.bundles()) {
            Err(why) => Err((Some(recorded), why)),
            Ok(data) => {
                let explained = explanation::explain(kind, &recorded, &data.snapshot);
                Ok((recorded, data, explained))
            }
        },
    };
    Ok(Some((opened, again)))
}

/// Proves one entry under the newest checkpoint: hashes alone, so nothing is journalled.
///
/// # Errors
/// When there is no such entry, no checkpoint covers it yet, or the tree cannot be read.
pub async fn proof(
    State(gateway): State<Arc<Gateway>>,
    Extension(conversation): Extension<Conversation>,
    Path((origin, index)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let index = numbered(&conversation, &index)?;
    let proof = {
        let gateway = Arc::clone(&gateway);
        tokio::task::spawn_blocking(move || prove(&gateway, &origin, index)).await
    };
    let proof = match proof {
        Ok(Ok(proof)) => proof,
        Ok(Err(ProofError::Beyond { .. })) => {
            let (az, en) = (
                "Bu qeydi əhatə edən yoxlama nöqtəsi hələ yoxdur; on saniyədən sonra yenidən cəhd edin",
                "No checkpoint covers such an entry yet; if it was just written, try again in ten seconds",
            );
            return Err(conversation.not_found(az, en));
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "a proof cannot be made");
            return Err(unavailable(&conversation));
        }
        Err(error) => {
            tracing::error!(%error, "making a proof ended abnormally");
            return Err(unavailable(&conversation));
        }
    };
    let mut response = Response::new(Body::from(proof.ok_or_else(|| no_entry(&conversation))?));
    conversation.mark(&mut response);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

fn prove(gateway: &Gateway, origin: &str, index: u64) -> Result<Option<String>, ProofError> {
    if origin == gateway.recorder.origin() {
        let Some((levels, head)) = gateway.recorder.journal().tree() else { return Err(ProofError::Beyond { asked: index, size: 0 }) };
        return InclusionProof::of(index, &levels, &head).map(|proof| Some(proof.to_string()));
    }
    let Some(dir) = gateway.search.log_dir(origin) else { return Ok(None) };
    let (levels, head, _) = match journal::read::levels(dir) {
        Ok(read) => read,
        Err(journal::read::LevelsError::Proof(error)) => return Err(error),
        Err(journal::read::LevelsError::Read(_)) => return Ok(None),
    };
    InclusionProof::of(index, &levels, &head).map(|proof| Some(proof.to_string()))
}

/// Reads what a search asks for: these members and no others, of which `reason` is one.
pub(super) fn read(json: &Json, gateway: &Gateway, accepted: &[&str]) -> Result<Asking, Vec<Broken>> {
    let Some(members) = json.as_object() else { return Err(vec![Broken::new("", Rule::Object)]) };
    let mut broken = Vec::new();
    if members.keys().any(|key| !accepted.contains(&key.as_str())) {
        broken.push(Broken::new("", Rule::Keys(accepted.join(", "))));
    }
    let reason = reason(members, &mut broken);
    let filter = Filter::read(members.get("filter"), "/filter", gateway.profile(), &mut broken);
    let limit = match members.get("limit") {
        None | Some(Json::Null) => Some(LIMIT),
        Some(limit) => limit.as_u64().and_then(|limit| usize::try_from(limit).ok()).filter(|limit| (1..=LIMIT_MAX).contains(limit)),
    };
    if limit.is_none() {
        broken.push(Broken::new("/limit", Rule::Between(1, LIMIT_MAX as u64)));
    }
    let cursor = match members.get("cursor") {
        None | Some(Json::Null) => None,
        Some(text) => {
            let cursor = text.as_str().and_then(Cursor::parse).filter(|cursor| gateway.search.has_log(&cursor.origin));
            if cursor.is_none() {
                broken.push(Broken::new("/cursor", Rule::Cursor));
            }
            cursor
        }
    };
    match limit.filter(|_| broken.is_empty()) {
        Some(limit) => Ok(Asking { reason, filter, limit, cursor }),
        None => Err(broken),
    }
}

/// Reads the reason, without which nothing is looked at or decided.
pub(crate) fn reason(members: &Map<String, Json>, broken: &mut Vec<Broken>) -> String {
    let reason = members.get("reason").and_then(Json::as_str).unwrap_or_default().trim().to_owned();
    if !members.contains_key("reason") {
        broken.push(Broken::new("/reason", Rule::Required));
    } else if !(REASON_MIN..=REASON_MAX).contains(&reason.chars().count()) {
        broken.push(Broken::new("/reason", Rule::Reason(REASON_MIN, REASON_MAX)));
    }
    reason
}

/// Counts the persons that a search looks up.
pub(super) fn count(gateway: &Gateway, conversation: &Conversation, person: &Person, filter: &Filter) -> Result<(), Problem> {
    gateway.people.look_up(person, filter.subjects.len()).map_err(|seconds| {
        metrics::counter!("qovsaq_search_refused_total", "reason" => "look-ups").increment(1);
        conversation
            .problem(
                Code::TooManyRequests,
                Origin::Consumer,
                "Dəqiqədə ən çoxu 60 şəxs axtarıla bilər; `Retry-After` qədər gözləyin",
                "At most 60 persons a minute may be looked up; wait as `Retry-After` says",
            )
            .retry_after(seconds)
    })
}

/// R7: what an auditor does is durable before he is told anything.
pub(super) async fn journalled(gateway: &Gateway, conversation: &Conversation, kind: Kind, event: &Json) -> Result<Durable, Problem> {
    gateway.recorder.event(kind, event).await.map_err(|error| conversation.stopped(&Stopped::NoRecord(error)))
}

/// The result of a search that ran beside the requests.
pub(crate) fn found<T>(conversation: &Conversation, joined: Result<Result<T, SearchError>, tokio::task::JoinError>) -> Result<T, Problem> {
    match joined {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => {
            tracing::error!(request.id = %conversation.request_id, error = chain(&error), "a search found no index");
            Err(unavailable(conversation))
        }
        Err(error) => {
            tracing::error!(request.id = %conversation.request_id, %error, "a search ended abnormally");
            Err(unavailable(conversation))
        }
    }
}

pub(super) fn unavailable(conversation: &Conversation) -> Problem {
    let (az, en) = (
        "Axtarış göstəricisi jurnalın hamısını hələ əhatə etmir və ya oxunmur; sonra yenidən cəhd edin",
        "The search index does not cover the whole journal yet, or cannot be read; try again later",
    );
    conversation.problem(Code::GatewayUnavailable, Origin::Gateway, az, en).retry_after(30)
}

fn numbered(conversation: &Conversation, index: &str) -> Result<u64, Problem> {
    index.parse().map_err(|_| no_entry(conversation))
}

fn no_entry(conversation: &Conversation) -> Problem {
    conversation.not_found("Belə qeyd yoxdur", "There is no such entry")
}

fn entry_body(opened: &Opened) -> EntryBody<'_> {
    let entry = &opened.entry;
    EntryBody {
        origin: entry.origin.as_str(),
        index: entry.index,
        kind: Kind::name_of(entry.kind),
        at: model::time::rfc3339(opened.at),
        leaf_hash: &entry.leaf_hash,
        closes: if let Role::Closes(intent) = entry.role { Some(intent) } else { None },
        metadata: opened.metadata.as_deref(),
    }
}
