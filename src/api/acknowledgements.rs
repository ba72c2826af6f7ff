//! `POST /v1/acknowledgements`: an official of a subsystem takes on the duties of his role there, without which it is
//! inactive (Decree 634, 6.2.8). The subsystem has told him the duties; it can acknowledge its own roles alone.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use model::{CaseId, RoleId};
use policy::Denial;
use rights::{By, Command, OfficialNumber, Power, Refusal, RightId};
use serde_json::{Value as Json, json};

use crate::api::request::Asked;
use crate::api::services::refusal;
use crate::console::access::not_told;
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::rights::NotTold;
use crate::rule::{Broken, Rule};

/// Longest assertion, in bytes.
const ASSERTION_BYTES_MAX: usize = 16 * 1024;

/// Acknowledges whatever the official holds in the role and has not acknowledged.
///
/// # Errors
/// 422 with every broken rule, 403 where the assertion does not prove that it is he, 409 with the register's refusal,
/// 503 when the journal takes no entry.
pub async fn acknowledge(State(gateway): State<Arc<Gateway>>, asked: Asked, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    const KEYS: [&str; 3] = ["official", "role", "assertion"];
    let json = asked.json(&headers, body).await?;
    let Some(members) = json.as_object() else { return Err(asked.contract_broken(&[Broken::new("", Rule::Object)])) };
    let mut broken = Vec::new();
    if members.keys().any(|key| !KEYS.contains(&key.as_str())) {
        broken.push(Broken::new("", Rule::Keys(KEYS.join(", "))));
    }
    let text = |key: &str| members.get(key).and_then(Json::as_str).unwrap_or_default();
    let official = OfficialNumber::new(text("official"));
    if official.is_err() {
        broken.push(Broken::new("/official", Rule::Official));
    }
    let consumer = asked.active.snapshot.consumers.get(&asked.consumer);
    let role = RoleId::new(text("role")).ok().filter(|role| consumer.is_some_and(|consumer| consumer.roles.contains_key(role)));
    if role.is_none() {
        broken.push(Broken::new("/role", Rule::KnownRole));
    }
    let assertion = members.get("assertion").filter(|value| !value.is_null());
    if assertion.is_some_and(|value| value.as_str().is_none_or(|text| text.is_empty() || text.len() > ASSERTION_BYTES_MAX)) {
        broken.push(Broken::new("/assertion", Rule::OptionalText(ASSERTION_BYTES_MAX)));
    }
    let (Ok(official), Some(role), true) = (official, role, broken.is_empty()) else { return Err(asked.contract_broken(&broken)) };
    // An assertion serves one case alone; what it serves here stands in the place of one.
    let used_for = CaseId::new("acknowledgement").map_err(|_| asked.contract_broken(&[Broken::new("/role", Rule::KnownRole)]))?;
    let assertion = assertion.and_then(Json::as_str).map(str::to_owned);
    let presence = asked.presence(&gateway, assertion, official.as_str(), &used_for).await?;
    if let Some(reason) = presence.identity.reason(gateway.profile()) {
        return Err(refusal(&asked, &Denial::of(reason)));
    }
    let mut acknowledged: Vec<RightId> = Vec::new();
    let waiting = waiting(&gateway, &asked, &official, &role);
    for right in &waiting {
        let (command, by) = (Command::Acknowledge { right: *right }, By::Official(official.clone()));
        let told = gateway.rights.tell(&gateway.recorder, &asked.active.snapshot, (command, by), asked.request_id).await;
        told.map_err(|why| not_told(&asked, why))?;
        acknowledged.push(*right);
    }
    if acknowledged.is_empty() {
        return Err(not_told(&asked, NotTold::Refused(Refusal::NothingToDo)));
    }
    let body = json!({"request_id": asked.request_id, "official": official, "role": role, "rights": acknowledged});
    Ok(asked.answer(StatusCode::OK, body.to_string()))
}

fn waiting(gateway: &Gateway, asked: &Asked, official: &OfficialNumber, role: &RoleId) -> Vec<RightId> {
    let register = gateway.rights.register();
    let of_role = |power: &Power| matches!(power, Power::Function { consumer, role: of, .. } if *consumer == asked.consumer && of == role);
    let waiting = register.rights_of(official).filter(|right| of_role(&right.power));
    let now = crate::clock::now();
    waiting.filter(|right| right.state(register.moment(now)) == rights::RightState::NotAcknowledged).map(|right| right.id).collect()
}
