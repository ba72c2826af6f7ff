//! `GET /v1/sources`: how every source stands at this moment, and how far what it delivers has come (004, 12.2).

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use model::window;
use serde_json::{Value as Json, json};

use crate::clock;
use crate::conversation::Conversation;
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::watch::sync::Feed;
use crate::watch::windows_of;

/// Lists every configured source, a row for each of its feeds.
///
/// # Errors
/// None of its own.
pub async fn list(State(gateway): State<Arc<Gateway>>, Extension(conversation): Extension<Conversation>) -> Result<Response, Problem> {
    let now = clock::now();
    let feeds = gateway.watch.synchronisation(&gateway.sources, now);
    let sources: Vec<Json> = feeds.iter().map(|feed| shown(&gateway, feed, now)).collect();
    let answer = json!({"request_id": conversation.request_id, "sources": sources});
    Ok(conversation.answer(StatusCode::OK, answer.to_string()))
}

fn shown(gateway: &Gateway, feed: &Feed, now: Timestamp) -> Json {
    let Feed { source, name, mode, state } = feed;
    let breaker = gateway.sources.states().into_iter().find(|(own, _)| own == source).map(|(_, breaker)| breaker);
    let (health, since) = breaker.map_or((None, None), |breaker| {
        let (health, since) = gateway.watch.health(source, breaker);
        (Some(health), since)
    });
    let active = gateway.active();
    let windows = windows_of(&active.snapshot, source);
    let window = window::at(windows, now).or_else(|| window::after(windows, now));
    json!({
        "provider": source.provider, "instance": source.instance, "feed": name, "mode": mode,
        "health": health, "down_since": since.map(model::time::rfc3339), "breaker": breaker.map(|breaker| breaker.as_str()),
        "last_success": state.last_success.map(model::time::rfc3339), "lag_seconds": state.lag.map(|lag| lag.as_secs()),
        "rows": state.rows, "errors": state.errors, "overdue": state.overdue,
        "window": window.map(|(window, span)| json!({
            "now": span.from <= now, "from": model::time::rfc3339(span.from), "until": model::time::rfc3339(span.until),
            "effect": window.effect, "reason": window.reason,
        })),
    })
}
