//! `POST /v1/services/{provider}/{service}`: one question.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use model::{Outcome, ServiceId};
use tokio::time::Instant;

use crate::answer::{Data, ReceiptBody, ServiceAnswer, SourceBody, cache_headers, flags};
use crate::api::request::{Asked, WAIT_MAX};
use crate::clock;
use crate::envelope::{Envelope, Expected};
use crate::exchange::Exchange;
use crate::gateway::Gateway;
use crate::obtained::Trouble;
use crate::pipeline::{self, Answered, Ending};
use crate::problem::{Code, Origin, Problem};
use crate::record::NoRecord;
use crate::watch::planned_end;

/// The deadline of a call where the caller prefers none.
pub const WAIT_DEFAULT: Duration = Duration::from_secs(10);

/// Asks one service about one subject.
///
/// # Errors
/// The problem documents of `docs/guide/errors.md`.
pub async fn ask(
    State(gateway): State<Arc<Gateway>>,
    asked: Asked,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let deadline = Instant::now() + asked.wait.unwrap_or(WAIT_DEFAULT).min(WAIT_MAX);
    let id = path.ok().and_then(|Path((provider, service))| ServiceId::new(&format!("{provider}/{service}")).ok());
    let found = id.and_then(|id| asked.active.snapshot.services.get(&id).cloned());
    let Some(service) = found else {
        return Err(asked.not_found("Belə xidmət yoxdur; /v1/catalogue siyahısına baxın", "There is no such service; see /v1/catalogue"));
    };
    // Neither the JSON nor its bytes are held while the source is waited for.
    let mut envelope = {
        let json = asked.json(&headers, body).await?;
        drop(headers);
        Envelope::read(&json, Expected::by(&service, gateway.profile())).map_err(|broken| asked.contract_broken(&broken))?
    };
    let assertion = envelope.assertion.take();
    let presence = asked.presence(&gateway, assertion, &envelope.official, &envelope.case).await?;
    let exchange = Arc::new(Exchange {
        request_id: asked.request_id,
        dossier_id: None,
        active: Arc::clone(&asked.active),
        consumer: asked.consumer.clone(),
        service,
        presence,
        envelope,
        freshness: asked.freshness,
        traced: false,
    });
    let ending = pipeline::run(&gateway, &exchange, deadline).await.map_err(|why| asked.stopped(&why))?;
    match ending {
        Ending::Answered(answered) => respond(&gateway, &asked, &answered),
        Ending::Denied(denial, denied) => {
            gateway.metrics.denied(asked.consumer.as_str(), exchange.service.id.as_str());
            Err(refusal(&asked, &denial).receipt(ReceiptBody::whole(denied.durable())))
        }
        Ending::Withdrawn(denial, denied) => {
            gateway.metrics.denied(asked.consumer.as_str(), exchange.service.id.as_str());
            let (az, en) = (
                "Hüquq cavab gəlməmiş bitib; səbəb `errors` siyahısındadır, heç nə açıqlanmadı",
                "The right ended before the answer came; `errors` says how, and nothing is disclosed",
            );
            let problem = asked.problem(Code::Denied, Origin::Gateway, az, en).outcome(Outcome::Denied);
            let errors = crate::refusal::field_errors(&denial, asked.language);
            Err(problem.errors(errors).receipt(ReceiptBody::whole(denied.durable())))
        }
    }
}

/// The 403 of a denial: says every reason, and what each is about.
#[must_use]
pub fn refusal(asked: &Asked, denial: &policy::Denial) -> Problem {
    asked
        .problem(
            Code::Denied,
            Origin::Gateway,
            "Səbəblər `errors` siyahısındadır; mənbəyə sorğu göndərilmədi",
            "`errors` lists every reason; nothing was asked of the source",
        )
        .outcome(Outcome::Denied)
        .errors(crate::refusal::field_errors(denial, asked.language))
}

fn respond(gateway: &Gateway, asked: &Asked, answered: &Answered) -> Result<Response, Problem> {
    let Answered { authorised, obtained, disclosed, .. } = answered;
    let service = authorised.service();
    gateway.metrics.disclosed(asked.consumer.as_str(), service.id.as_str(), obtained.outcome);
    let receipt = ReceiptBody::whole(disclosed.durable());
    if let Some(trouble) = obtained.trouble {
        let planned = planned_end(&asked.active.snapshot, service.id.provider(), clock::now());
        return Err(explain(asked, trouble, planned).outcome(obtained.outcome).receipt(receipt));
    }
    let now = clock::now();
    let request_id = asked.request_id.to_string();
    let answer = ServiceAnswer {
        request_id: &request_id,
        outcome: obtained.outcome,
        absence: obtained.absence,
        data: Data::of(authorised, obtained),
        withheld: authorised.withheld(),
        flags: obtained.facts.as_deref().map(|facts| flags(authorised, facts)).unwrap_or_default(),
        source: SourceBody::of(service, obtained, now, authorised),
        receipt,
    };
    let body = serde_json::to_vec(&answer).map_err(|error| asked.stopped(&NoRecord::Metadata(error).into()))?;
    let mut response = asked.answer(StatusCode::OK, body);
    cache_headers(response.headers_mut(), service, obtained, asked.freshness, now);
    Ok(response)
}

/// Why there is no usable answer, as a problem document. `planned`: in how many seconds the planned window ends in which
/// the source does not answer.
fn explain(asked: &Asked, trouble: Trouble, planned: Option<u64>) -> Problem {
    let later = |seconds: u64| seconds.max(planned.unwrap_or(0));
    match trouble {
        Trouble::Deadline { retry_after } => asked
            .problem(
                Code::DeadlinePassed,
                Origin::Provider,
                "Bu, şəxs haqqında heç nə demir; sonra yenidən soruşun",
                "This says nothing about the person; ask again later",
            )
            .retry_after(later(retry_after.unwrap_or(30))),
        Trouble::Unreachable { route, retry_after } => {
            let origin = if route { Origin::Route } else { Origin::Provider };
            asked
                .problem(
                    Code::SourceUnavailable,
                    origin,
                    "Bu, şəxs haqqında heç nə demir; sonra yenidən soruşun",
                    "This says nothing about the person; ask again later",
                )
                .retry_after(later(retry_after.unwrap_or(30)))
        }
        Trouble::Suspended { retry_after } => asked
            .problem(
                Code::SourceSuspended,
                Origin::Provider,
                "Mənbə son vaxtlar tez-tez cavab vermir və hazırda soruşulmur; bu, şəxs haqqında heç nə demir",
                "The source has failed often of late and is not asked at the moment; this says nothing about the person",
            )
            .retry_after(later(retry_after)),
        Trouble::Busy { retry_after } => asked
            .problem(
                Code::SourceBusy,
                Origin::Gateway,
                "Mənbənin sürət və ya eyni vaxtda çağırış həddi vaxtınız bitənədək dolub; soruşulmadı, sonra yenidən cəhd edin",
                "The source's rate or calls under way leave no room before your deadline; nothing was asked, try again later",
            )
            .retry_after(retry_after),
        Trouble::NotCached => asked.problem(
            Code::NotCached,
            Origin::Consumer,
            "Saxlanmış cavab yoxdur; `only-if-cached` olmadan soruşun",
            "There is no kept answer; ask without `only-if-cached`",
        ),
        Trouble::NotConfigured => asked.problem(
            Code::SourceUnavailable,
            Origin::Gateway,
            "Bu mənbəyə yol qurulmayıb; operatora müraciət edin",
            "No way to this source is configured; ask the operator",
        ),
        Trouble::NotYet | Trouble::Gateway => asked
            .problem(
                Code::GatewayUnavailable,
                Origin::Gateway,
                "Mənbə soruşulmadı; bir azdan yenidən cəhd edin",
                "The source was not asked; try again shortly",
            )
            .retry_after(5),
        Trouble::Refused { route } => {
            let origin = if route { Origin::Route } else { Origin::Provider };
            asked.problem(Code::ProviderDenied, origin, "Operatora müraciət edin", "Ask the operator")
        }
        Trouble::NotJournalled => asked
            .problem(
                Code::JournalUnavailable,
                Origin::Gateway,
                "Cavab jurnala sığmadı və istifadə edilmədi; bir azdan yenidən cəhd edin",
                "The answer did not fit into the journal and was not used; try again shortly",
            )
            .retry_after(5),
        // Only a dossier looks for members.
        Trouble::Broken | Trouble::TooManyMembers => asked.problem(
            Code::InvalidData,
            Origin::Provider,
            "Cavab istifadə edilmədi; operator mənbəyə bildirəcək",
            "The answer was not used; the operator will tell the source",
        ),
    }
}
