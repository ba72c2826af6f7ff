//! What every answer of ours has, on whichever listener: the exchange's id, and the caller's language.

use std::error::Error as _;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt as _;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::answer::REQUEST_ID;
use crate::envelope;
use crate::limit::Spent;
use crate::officials::CouldNotAsk;
use crate::pipeline::Stopped;
use crate::problem::{Code, FieldError, Language, Origin, Problem};
use crate::record::{self, NoRecord};
use crate::rule::Broken;

/// One exchange with a caller.
#[derive(Debug, Clone, Copy)]
pub struct Conversation {
    /// The exchange's id.
    pub request_id: Uuid,
    /// Language of messages.
    pub language: Language,
}

impl Conversation {
    /// Begins with a request's head.
    #[must_use]
    pub fn begin(headers: &HeaderMap) -> Self {
        Self { request_id: record::new_id(), language: Language::from_header(headers.get(ACCEPT_LANGUAGE)) }
    }
}

impl Conversation {
    /// A problem in the caller's language.
    #[must_use]
    pub fn problem(&self, code: Code, origin: Origin, az: &str, en: &str) -> Problem {
        Problem::new(code, origin, &self.request_id.to_string(), self.language, self.language.pick(az, en))
    }

    /// The problem that lists broken rules.
    #[must_use]
    pub fn contract_broken(&self, broken: &[Broken]) -> Problem {
        let errors = broken.iter().map(|broken| FieldError { pointer: broken.pointer.clone(), detail: broken.rule.text(self.language) });
        self.problem(Code::ContractBroken, Origin::Consumer, "Səhvlər `errors` siyahısındadır", "`errors` lists every broken rule")
            .errors(errors.collect())
    }

    /// The problem of an exchange that the gateway's own parts stopped.
    #[must_use]
    pub fn stopped(&self, why: &Stopped) -> Problem {
        // No failure of ours: neither a line in the log nor an outcome of a question.
        if let Stopped::Spent(spent) = why {
            return self.spent(*spent);
        }
        let cause = why.source().map(ToString::to_string);
        tracing::error!(request.id = %self.request_id, error = %why, cause, "an exchange was stopped; nothing was released");
        let problem = match why {
            Stopped::NoRecord(NoRecord::TooLarge) => self.problem(
                Code::TooLargeToJournal,
                Origin::Gateway,
                "Cavab jurnala sığmır və verilmir; təkrar sorğu kömək etməz, operatora müraciət edin",
                "The answer does not fit into the journal and is not released; asking again does not help, ask the operator",
            ),
            Stopped::NoRecord(NoRecord::Refused(_) | NoRecord::Metadata(_)) => self
                .problem(
                    Code::JournalUnavailable,
                    Origin::Gateway,
                    "Qeyd olmadan cavab verilmir; bir azdan yenidən cəhd edin",
                    "Without a record nothing is released; try again shortly",
                )
                .retry_after(5),
            Stopped::Store(_) => self
                .problem(
                    Code::GatewayUnavailable,
                    Origin::Gateway,
                    "İşlərin anbarı cavab vermir; bir azdan yenidən cəhd edin",
                    "The store of cases does not answer; try again shortly",
                )
                .retry_after(5),
            Stopped::Spent(spent) => self.spent(*spent),
        };
        problem.outcome(model::Outcome::Unavailable)
    }

    /// The problem of an official's assertion of which it could not be found out whether it holds.
    #[must_use]
    pub fn could_not_identify(&self, why: CouldNotAsk) -> Problem {
        tracing::warn!(request.id = %self.request_id, error = %why, "an assertion could not be verified; nothing was asked");
        match why {
            CouldNotAsk::NoRoom => self.too_many_assertions(),
            CouldNotAsk::NoKeys => self
                .problem(
                    Code::IdentityProviderUnavailable,
                    Origin::Gateway,
                    "Təsdiqi yoxlamaq mümkün olmadı, heç nə soruşulmadı; bu, hüquqlar haqqında heç nə demir; sonra yenidən cəhd edin",
                    "The assertion could not be verified and nothing was asked; this says nothing about rights; try again shortly",
                )
                .outcome(model::Outcome::Unavailable)
                .retry_after(10),
        }
    }

    /// The problem of an assertion whose use cannot be remembered now: it is not taken on trust.
    #[must_use]
    pub fn too_many_assertions(&self) -> Problem {
        self.problem(
            Code::GatewayUnavailable,
            Origin::Gateway,
            "Hazırda həddən artıq təsdiq istifadədədir; bir azdan yenidən cəhd edin",
            "Too many assertions are in use at the moment; try again shortly",
        )
        .outcome(model::Outcome::Unavailable)
        .retry_after(60)
    }

    /// The problem of a grant whose volume of the day is used up.
    fn spent(&self, spent: Spent) -> Problem {
        let (az, en) = if spent.persons {
            (
                "İcazə üzrə gündə soruşula bilən şəxslərin sayı bitib; bu gün yalnız artıq soruşulmuş şəxslər barədə sorğu verin",
                "The grant's number of different persons a day is used up; until tomorrow ask only about those asked about already",
            )
        } else {
            (
                "İcazə üzrə gündəlik sorğuların sayı bitib; sabah davam edin",
                "The grant's number of questions a day is used up; go on tomorrow",
            )
        };
        self.problem(Code::TooManyRequests, Origin::Consumer, az, en).retry_after(spent.retry_after)
    }

    /// The problem of something that does not exist.
    #[must_use]
    pub fn not_found(&self, az: &str, en: &str) -> Problem {
        self.problem(Code::NotFound, Origin::Consumer, az, en)
    }

    /// Reads the body as strict JSON.
    ///
    /// # Errors
    /// 415 or 400 as problem documents.
    pub async fn json(&self, headers: &HeaderMap, body: Body) -> Result<Json, Problem> {
        self.json_with_bytes(headers, body).await.map(|(json, _)| json)
    }

    /// Reads the body as strict JSON, and gives its bytes too.
    ///
    /// # Errors
    /// 415 or 400 as problem documents.
    pub async fn json_with_bytes(&self, headers: &HeaderMap, body: Body) -> Result<(Json, Bytes), Problem> {
        let is_json = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|text| text.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json"));
        if !is_json {
            return Err(self.problem(
                Code::WrongContentType,
                Origin::Consumer,
                "Qəbul olunur: application/json",
                "Accepted: application/json",
            ));
        }
        // `enter` has collected and bounded it.
        let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let json = envelope::strict_json(&bytes).map_err(|why| {
            Problem::new(Code::MalformedBody, Origin::Consumer, &self.request_id.to_string(), self.language, why.text(self.language))
        })?;
        Ok((json, bytes))
    }

    /// A 2xx answer with JSON that names no cache and the exchange's id.
    #[must_use]
    pub fn answer(&self, status: http::StatusCode, body: impl Into<Body>) -> Response {
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.mark(&mut response);
        response
    }

    /// Puts the exchange's id on an answer, and that nobody on the way may keep it.
    pub fn mark(&self, response: &mut Response) {
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let mut text = Uuid::encode_buffer();
        if let Ok(id) = HeaderValue::from_str(self.request_id.hyphenated().encode_lower(&mut text)) {
            headers.insert(REQUEST_ID, id);
        }
    }
}
