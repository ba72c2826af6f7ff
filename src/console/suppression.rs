//! `POST /v1/journal/suppressions`: the decision, for one case, that its persons are not told of the use of their
//! data, or are told again. The decision is its journal entry; the newest one for a case holds.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use model::contract::Ground;
use model::{CaseId, ConsumerId};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::Person;
use super::journal::{found, journalled, reason};
use crate::answer::ReceiptBody;
use crate::clock;
use crate::conversation::Conversation;
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::record::Kind;
use crate::rule::{Broken, Rule};
use crate::search::{Filter, terms};

/// Longest name of the document that orders it, in bytes.
const DOCUMENT_BYTES_MAX: usize = 200;

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Nobody is told.
    Hide,
    /// Nobody is told before a moment.
    Delay,
    /// Everybody is told again, as far as the purpose allows it.
    Lift,
}

/// A decision as it stands in the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Decision {
    /// Whose case.
    pub consumer: String,
    /// Its name.
    pub case: String,
    /// What is decided.
    pub action: Action,
    /// On which ground; none where it is lifted.
    pub ground: Option<Ground>,
    /// Until when, for a delay.
    pub until: Option<Timestamp>,
    /// The document that orders it.
    pub document: String,
}

/// Takes a decision down.
///
/// # Errors
/// 422 with every broken rule, 503 when the journal takes no entry.
pub async fn decide(
    State(gateway): State<Arc<Gateway>>,
    Extension(conversation): Extension<Conversation>,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = conversation.json(&headers, body).await?;
    let (reason, decision) = read(&body, &gateway).map_err(|broken| conversation.contract_broken(&broken))?;
    let size = gateway.search.catch_up().await;
    let known = {
        let (gateway, decision) = (Arc::clone(&gateway), decision.clone());
        let of_case = move || {
            let filter = Filter::of(terms::CASE, &decision.case).and(terms::CONSUMER, &[&decision.consumer]);
            gateway.search.whole(size, || gateway.search.find(&filter, None, 1)).map(|page| !page.entries.is_empty())
        };
        found(&conversation, tokio::task::spawn_blocking(of_case).await)?
    };
    if !known {
        // A mistyped name would hide nothing, and nobody would notice.
        return Err(conversation.contract_broken(&[Broken::new("/case", Rule::KnownCase)]));
    }
    let mut event = json!({"request_id": conversation.request_id, "auditor": person.name, "reason": reason});
    if let (Some(event), Ok(Json::Object(decision))) = (event.as_object_mut(), serde_json::to_value(&decision)) {
        event.extend(decision);
    }
    let durable = journalled(&gateway, &conversation, Kind::SuppressionDecided, &event).await?;
    let answer = json!({"request_id": conversation.request_id, "decision": decision, "receipt": ReceiptBody::whole(&durable)});
    Ok(conversation.answer(StatusCode::CREATED, answer.to_string()))
}

fn read(json: &Json, gateway: &Gateway) -> Result<(String, Decision), Vec<Broken>> {
    const KEYS: [&str; 7] = ["reason", "consumer", "case", "action", "ground", "until", "document"];
    let Some(members) = json.as_object() else { return Err(vec![Broken::new("", Rule::Object)]) };
    let mut broken = Vec::new();
    if members.keys().any(|key| !KEYS.contains(&key.as_str())) {
        broken.push(Broken::new("", Rule::Keys(KEYS.join(", "))));
    }
    let reason = reason(members, &mut broken);
    let text = |key: &str| members.get(key).and_then(Json::as_str).unwrap_or_default();
    let given = |key: &str| members.get(key).filter(|value| !value.is_null());
    let consumer = ConsumerId::new(text("consumer")).ok().filter(|id| gateway.active().snapshot.consumers.contains_key(id));
    if consumer.is_none() {
        broken.push(Broken::new("/consumer", Rule::KnownConsumer));
    }
    let case = CaseId::new(text("case")).ok();
    if case.is_none() {
        broken.push(Broken::new("/case", Rule::CaseName));
    }
    let action = given("action").and_then(|action| serde_json::from_value(action.clone()).ok());
    if action.is_none() {
        broken.push(Broken::new("/action", Rule::OneOf("hide, delay, lift")));
    }
    let ground = given("ground").map(|ground| serde_json::from_value::<Ground>(ground.clone()).ok());
    let ground_fits = match action {
        Some(Action::Lift) => ground.is_none(),
        Some(Action::Hide | Action::Delay) | None => ground.flatten().is_some(),
    };
    if !ground_fits {
        let rule = Rule::OneOf("secrecy-of-origin, fighting-crime, others-rights, state-security");
        broken.push(Broken::new("/ground", if action == Some(Action::Lift) { Rule::Keys(String::new()) } else { rule }));
    }
    let until = given("until").map(|until| until.as_str().and_then(|text| text.parse::<Timestamp>().ok()));
    let until_fits = match action {
        Some(Action::Delay) => until.flatten().is_some_and(|until| until > clock::now()),
        Some(Action::Hide | Action::Lift) | None => until.is_none(),
    };
    if !until_fits {
        broken.push(Broken::new("/until", Rule::DelayUntil));
    }
    let document = text("document").trim();
    if document.is_empty() || document.len() > DOCUMENT_BYTES_MAX {
        broken.push(Broken::new("/document", Rule::Text(DOCUMENT_BYTES_MAX)));
    }
    match (consumer, case, action, broken.is_empty()) {
        (Some(consumer), Some(case), Some(action), true) => {
            let decision = Decision {
                consumer: consumer.to_string(),
                case: case.to_string(),
                action,
                ground: ground.flatten(),
                until: until.flatten(),
                document: document.to_owned(),
            };
            Ok((reason, decision))
        }
        _ => Err(broken),
    }
}
