//! `GET /v1/notices`: facts that a consumer was told of and that their source has taken back. No value and no person: the
//! case says whom it is about, and who needs the fact asks again.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value as Json, json};
use store::quality::Notice;

use crate::answer::ReceiptBody;
use crate::api::request::Asked;
use crate::gateway::Gateway;
use crate::pipeline::Stopped;
use crate::problem::Problem;
use crate::record::Kind;
use crate::rule::{Broken, Rule};
use crate::store_access::StoreFailed;

/// Most notices of one answer.
const LIMIT: usize = 100;

/// Tells the consumer's own notices after the one with the number `after`, oldest first. What is told is journalled
/// before it is; where there is nothing new, nothing is.
///
/// # Errors
/// 422 for a parameter that is none, 503 when journal or file do not answer.
pub async fn list(
    State(gateway): State<Arc<Gateway>>,
    asked: Asked,
    Query(parameters): Query<HashMap<String, String>>,
) -> Result<Response, Problem> {
    let mut broken = Vec::new();
    if parameters.keys().any(|key| key != "after") {
        broken.push(Broken::new("", Rule::Keys("after".to_owned())));
    }
    let after = parameters.get("after").map_or(Some(0), |text| text.parse::<u64>().ok());
    let Some(after) = after.filter(|_| broken.is_empty()) else {
        if broken.is_empty() {
            broken.push(Broken::new("/after", Rule::Between(0, u64::MAX)));
        }
        return Err(asked.contract_broken(&broken));
    };
    let found = {
        let (quality, consumer) = (Arc::clone(&gateway.quality), asked.consumer.clone());
        tokio::task::spawn_blocking(move || quality.notices(&consumer, after, LIMIT)).await
    };
    let found = found.map_err(StoreFailed::from).and_then(|found| found.map_err(StoreFailed::from));
    let found = found.map_err(|error| asked.stopped(&Stopped::Store(error)))?;
    let mut receipt = None;
    if !found.is_empty() {
        let ids: Vec<_> = found.iter().map(|(_, notice)| notice.id).collect();
        let event = json!({"request_id": asked.request_id, "consumer": asked.consumer, "notices": ids});
        let durable = gateway.recorder.event(Kind::NoticesTold, &event).await;
        receipt = Some(ReceiptBody::whole(&durable.map_err(|error| asked.stopped(&Stopped::NoRecord(error)))?));
    }
    let next = (found.len() == LIMIT).then(|| found.last().map(|(number, _)| *number)).flatten();
    let notices: Vec<Json> = found.iter().map(|(number, notice)| shown(*number, notice)).collect();
    let answer = json!({"request_id": asked.request_id, "notices": notices, "next": next, "receipt": receipt});
    Ok(asked.answer(StatusCode::OK, answer.to_string()))
}

fn shown(number: u64, notice: &Notice) -> Json {
    let (origin, index) = &notice.entry;
    json!({
        "number": number, "notice": notice.id, "case": notice.case, "dossier_id": notice.dossier_id, "service": notice.service,
        "because": notice.because, "told_at": model::time::rfc3339(notice.told_at),
        "recalled_at": model::time::rfc3339(notice.recalled_at), "disclosed": {"origin": origin, "index": index},
    })
}
