//! `GET /v1/scores` and `GET /v1/not-held`: what a month comes to, source by source, and what sources do not hold
//! electronically (Decree 634, 6.1.4).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use model::window::Span;
use serde_json::json;
use store::Sum;

use super::period::{Asked, Period};
use crate::clock;
use crate::conversation::Conversation;
use crate::gateway::Gateway;
use crate::problem::{Code, Origin, Problem};
use crate::watch::score::{Ground, Score};
use crate::watch::windows_of;

/// The score-cards of a month, of one provider or of all.
///
/// # Errors
/// 422 where the query is not understood, 503 where the sums cannot be read.
pub async fn scores(
    State(gateway): State<Arc<Gateway>>,
    Extension(conversation): Extension<Conversation>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let now = clock::now();
    let asked = Asked::read(query.as_deref(), &["month", "provider"], now).map_err(|broken| conversation.contract_broken(&broken))?;
    let period = asked.period.unwrap_or_else(|| Period::current(now));
    let (sums, span) = read(&gateway, &conversation, &period).await?;
    let register = gateway.watch.register();
    let ground = Ground { span, register: &register, sums: &sums, now };
    let active = gateway.active();
    let known = gateway.sources.states().into_iter().map(|(source, _)| source);
    let wanted = ground.sources(known).into_iter().filter(|source| asked.provider.as_ref().is_none_or(|own| *own == source.provider));
    let scores: Vec<Score> = wanted.map(|source| ground.score(&source, windows_of(&active.snapshot, &source))).collect();
    let answer = json!({
        "request_id": conversation.request_id, "month": period.month, "from": model::time::rfc3339(span.from),
        "until": model::time::rfc3339(span.until), "gateway": ground.gateway(), "sources": scores,
    });
    Ok(conversation.answer(StatusCode::OK, answer.to_string()))
}

/// What is not held electronically, by provider and service.
///
/// # Errors
/// As [`scores`].
pub async fn not_held(
    State(gateway): State<Arc<Gateway>>,
    Extension(conversation): Extension<Conversation>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let now = clock::now();
    let asked = Asked::read(query.as_deref(), &["month", "provider"], now).map_err(|broken| conversation.contract_broken(&broken))?;
    let period = asked.period.unwrap_or_else(|| Period::current(now));
    let (sums, span) = read(&gateway, &conversation, &period).await?;
    let register = gateway.watch.register();
    let ground = Ground { span, register: &register, sums: &sums, now };
    let services = ground.not_held().into_iter().filter(|row| asked.provider.as_ref().is_none_or(|own| *own == row.provider));
    let answer = json!({"request_id": conversation.request_id, "month": period.month, "services": services.collect::<Vec<_>>()});
    Ok(conversation.answer(StatusCode::OK, answer.to_string()))
}

async fn read(gateway: &Arc<Gateway>, conversation: &Conversation, period: &Period) -> Result<(Vec<Sum>, Span), Problem> {
    let (gateway, span) = (Arc::clone(gateway), period.span);
    let read = tokio::task::spawn_blocking(move || gateway.watch.sums(span)).await;
    match read {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(error)) => {
            tracing::error!(%error, "the sums of sources cannot be read");
            Err(unavailable(conversation))
        }
        Err(error) => {
            tracing::error!(%error, "the task that reads the sums of sources ended abnormally");
            Err(unavailable(conversation))
        }
    }
}

fn unavailable(conversation: &Conversation) -> Problem {
    let (az, en) =
        ("Mənbələrin sayğacları oxunmadı; bir azdan yenidən cəhd edin", "The sums of sources could not be read; try again shortly");
    conversation.problem(Code::GatewayUnavailable, Origin::Gateway, az, en).retry_after(5)
}
