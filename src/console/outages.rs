//! `GET /v1/outages`: the register of outages, newest first.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::period::{Asked, Period};
use crate::clock;
use crate::conversation::Conversation;
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::watch::Outage;

/// Most outages of one answer.
const LISTED_MAX: usize = 1_000;

/// Lists outages that touch a month, or that are open.
///
/// # Errors
/// 422 where the query is not understood.
pub async fn list(
    State(gateway): State<Arc<Gateway>>,
    Extension(conversation): Extension<Conversation>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let now = clock::now();
    let asked =
        Asked::read(query.as_deref(), &["month", "provider", "open"], now).map_err(|broken| conversation.contract_broken(&broken))?;
    let register = gateway.watch.register();
    let wanted = |outage: &&Outage| {
        let own = outage.source.as_ref().map_or("gateway", |source| &source.provider);
        asked.provider.as_deref().is_none_or(|provider| provider == own)
            && (!asked.open || outage.ended_at.is_none())
            && asked.period.as_ref().is_none_or(|period| touches(outage, period, now))
    };
    let mut found: Vec<&Outage> = register.outages().iter().filter(wanted).collect();
    // By when they began: the gateway finds its own out only when it is back.
    found.sort_by_key(|outage| std::cmp::Reverse(outage.began_at));
    let more = found.len() > LISTED_MAX;
    found.truncate(LISTED_MAX);
    let outages: Vec<Json> = found.into_iter().map(|outage| shown(&gateway, outage, now)).collect();
    let answer = json!({"request_id": conversation.request_id, "outages": outages, "more": more});
    Ok(conversation.answer(StatusCode::OK, answer.to_string()))
}

fn touches(outage: &Outage, period: &Period, now: Timestamp) -> bool {
    let span = outage.span(now);
    span.from < period.span.until && span.until >= period.span.from
}

fn shown(gateway: &Gateway, outage: &Outage, now: Timestamp) -> Json {
    let source = outage.source.as_ref();
    // While it lasts, what it costs is not in the register yet.
    let effect = match (outage.ended_at, source) {
        (None, Some(source)) => gateway.watch.effect(source).unwrap_or_default(),
        _ => outage.effect,
    };
    json!({
        "outage": outage.id, "of": if source.is_some() { "source" } else { "gateway" },
        "provider": source.map(|source| &source.provider), "instance": source.map(|source| &source.instance),
        "began_at": model::time::rfc3339(outage.began_at), "ended_at": outage.ended_at.map(model::time::rfc3339),
        "seconds": outage.seconds(now), "cause": outage.cause, "origin": outage.origin, "by": outage.by,
        "planned": outage.planned(now), "planned_seconds": outage.planned_seconds, "window": outage.window,
        "effect": effect, "opened": outage.opened, "closed": outage.closed,
    })
}
