//! A credit bureau: REST JSON, asynchronous, OAuth 2.0 client credentials (agency catalogue, `credit-bureau`).
//!
//! A call is an inquiry: what it takes to get a token for it and to fetch its report is no call of its
//! own. The faults of a report are therefore taken with the inquiry and committed with its report.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use model::Profile;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use self::tokens::Tokens;
use super::soap::DEEP;
use super::{Answer, Request, Spoilt, media_type};
use crate::fault::Fault;
use crate::instance::Instance;
use crate::latency::Latency;
use crate::personas::{Consent, Credit, Personas};

mod tokens;

pub use tokens::{CREDIT_BUREAU_CLIENT, CREDIT_BUREAU_SECRET};

pub(super) const SERVICES: &[&str] = &["obligations-summary"];

const CONTENT_TYPE: &str = "application/json; charset=utf-8";
const TOKEN: &str = "/oauth2/token";
const INQUIRIES: &str = "/v1/inquiries";
/// Seconds a caller is asked to wait between polls.
const POLL_SECS: &str = "1";
/// Most inquiries remembered; beyond it the oldest are forgotten, with their keys.
const INQUIRIES_MAX: usize = 100_000;
/// Longest idempotency key, in bytes.
const KEY_MAX: usize = 255;
/// How much older than its inquiry the report of [`Fault::OldReport`] is.
const OLD: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The agency.
pub(crate) struct CreditBureau {
    personas: Arc<Personas>,
    /// Whether it is the second one, which knows other loans.
    second: bool,
    latency: Latency,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tokens: Tokens,
    by_id: HashMap<Uuid, Inquiry>,
    by_key: HashMap<Box<str>, Uuid>,
    /// Keys in the order they came.
    order: VecDeque<Box<str>>,
    /// How many inquiries were ever made.
    made: u64,
}

/// What the bureau keeps of an inquiry.
struct Inquiry {
    question: Question,
    /// When the report is made; `None` is never.
    ready_at: Option<Timestamp>,
    report_no: u64,
    /// What is wrong with the report.
    fault: Option<Fault>,
}

#[derive(PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    fin: String,
    purpose_code: String,
    consent_ref: String,
    consent_sha256: String,
}

/// An inquiry is the call; tokens and polls are parts of one that was counted.
pub(super) fn service(head: &Parts, _body: &[u8]) -> Option<usize> {
    (head.uri.path() == INQUIRIES).then_some(0)
}

impl CreditBureau {
    pub(super) fn new(instance: Option<&Instance>, personas: &Arc<Personas>, latency: Latency) -> Self {
        let second = instance.is_some_and(|instance| instance.name == "second");
        Self { personas: Arc::clone(personas), second, latency, state: Mutex::default() }
    }

    /// What this bureau has heard of a person.
    fn credit(&self, fin: &str) -> Option<&Credit> {
        if self.second { self.personas.at_second_bureau(fin) } else { self.personas.by_fin(fin)?.credit.as_ref() }
    }

    /// Inquiries that differ by idempotency key.
    pub(super) fn distinct_inquiries(&self) -> u64 {
        self.state().made
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        let path = request.head.uri.path();
        let answered = match path {
            TOKEN => self.state().tokens.issue(request),
            INQUIRIES => self.inquire(request),
            _ => match path.strip_prefix(INQUIRIES).and_then(|rest| rest.strip_prefix('/')) {
                Some(id) => self.poll(request, id),
                None => Err(error(StatusCode::NOT_FOUND, "NOT_FOUND")),
            },
        };
        answered.unwrap_or_else(|refusal| refusal)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inquire(&self, request: &Request<'_>) -> Result<Answer, Answer> {
        method(request, &Method::POST)?;
        if request.fault == Some(Fault::TokenExpired) {
            self.state().tokens.revoke(request);
        }
        self.state().tokens.check(request)?;
        let key = request.header("idempotency-key").filter(|key| !key.is_empty() && key.len() <= KEY_MAX);
        let key = key.ok_or_else(|| error(StatusCode::BAD_REQUEST, "KEY_REQUIRED"))?;
        let question = read_question(request)?;
        committed(request)?;
        let credit = self.credit(&question.fin);
        let rejected = request.fault == Some(Fault::ConsentRejected) || credit.is_some_and(|credit| credit.consent == Consent::Rejected);
        let ready_at = |number| match request.fault {
            Some(Fault::NeverReady) => None,
            _ => request.now.checked_add(self.latency.draw_report(number)).ok(),
        };
        let id = self.state().accept(key, question, rejected, ready_at, request.fault)?;
        let accepted = json_answer(StatusCode::ACCEPTED, &json!({"status": "PENDING"}));
        let mut accepted = accepted.with("location", format!("{INQUIRIES}/{id}")).with("retry-after", POLL_SECS);
        // Nobody reads the body of an acceptance: what would spoil it spoils the report.
        accepted.spoilt = Spoilt::By(None);
        Ok(accepted)
    }

    fn poll(&self, request: &Request<'_>, id: &str) -> Result<Answer, Answer> {
        method(request, &Method::GET)?;
        let state = self.state();
        state.tokens.check(request)?;
        if !request.body.is_empty() || request.head.uri.query().is_some() {
            return Err(error(StatusCode::BAD_REQUEST, "BAD_REQUEST"));
        }
        let inquiry = Uuid::try_parse(id).ok().filter(|parsed| parsed.to_string() == id).and_then(|id| state.by_id.get(&id));
        let inquiry = inquiry.ok_or_else(|| error(StatusCode::NOT_FOUND, "NOT_FOUND"))?;
        let Some(ready_at) = inquiry.ready_at.filter(|ready_at| *ready_at <= request.now) else {
            return Ok(json_answer(StatusCode::ACCEPTED, &json!({"status": "PENDING"})).with("retry-after", POLL_SECS));
        };
        let mut answer = self.report(inquiry, ready_at);
        answer.spoilt = Spoilt::By(inquiry.fault);
        Ok(answer)
    }

    /// The report of an inquiry; it stays the same however often it is fetched.
    fn report(&self, inquiry: &Inquiry, ready_at: Timestamp) -> Answer {
        let Some(credit) = self.credit(&inquiry.question.fin) else {
            return json_answer(StatusCode::OK, &json!({"status": "NO_HISTORY"}));
        };
        if inquiry.fault == Some(Fault::DeepNesting) {
            let body = format!("{{\"status\":\"READY\",\"report\":{}{}}}", "[".repeat(DEEP), "]".repeat(DEEP));
            return Answer::new(StatusCode::OK, CONTENT_TYPE, body);
        }
        let figures = credit.summary(model::time::day(ready_at));
        let generated_at = if inquiry.fault == Some(Fault::OldReport) { ready_at - OLD } else { ready_at };
        let outstanding = match inquiry.fault {
            Some(Fault::WrongType) => "\"üç min beş yüz\"".to_owned(),
            _ => manat(figures.outstanding_qapik),
        };
        let more = if inquiry.fault == Some(Fault::Undeclared) { r#","score":612,"employer":"Nümunə MMC""# } else { "" };
        // Written by hand, since amounts are numbers with two decimals and not binary fractions.
        let body = format!(
            "{{\"status\":\"READY\",\"report\":{{\"report_no\":\"TEST-{}-{:04}\",\"generated_at\":\"{}\",\"active_loans\":{},\
             \"outstanding_azn\":{outstanding},\"monthly_payment_azn\":{},\"granted_12m_azn\":{},\"max_dpd\":{}{more}}}}}",
            if self.second { "SB" } else { "CR" },
            inquiry.report_no,
            model::time::rfc3339(generated_at),
            figures.active_loans,
            manat(figures.monthly_payment_qapik),
            manat(figures.granted_12m_qapik),
            figures.max_days_past_due,
        );
        Answer::new(StatusCode::OK, CONTENT_TYPE, body)
    }
}

impl State {
    /// The inquiry of a key: the one it had, or a new one if the consent is not `rejected`.
    fn accept(
        &mut self,
        key: &str,
        question: Question,
        rejected: bool,
        ready_at: impl FnOnce(u64) -> Option<Timestamp>,
        fault: Option<Fault>,
    ) -> Result<Uuid, Answer> {
        if let Some((id, known)) = self.by_key.get(key).and_then(|id| Some((*id, self.by_id.get(id)?))) {
            return if known.question == question { Ok(id) } else { Err(error(StatusCode::CONFLICT, "KEY_REUSED")) };
        }
        if rejected {
            return Err(error(StatusCode::FORBIDDEN, "CONSENT_REJECTED"));
        }
        if self.order.len() >= INQUIRIES_MAX
            && let Some(oldest) = self.order.pop_front()
            && let Some(id) = self.by_key.remove(&oldest)
        {
            self.by_id.remove(&id);
        }
        self.made += 1;
        let id = Uuid::new_v4();
        self.by_id.insert(id, Inquiry { question, ready_at: ready_at(self.made), report_no: self.made, fault });
        self.by_key.insert(key.into(), id);
        self.order.push_back(key.into());
        Ok(id)
    }
}

fn method(request: &Request<'_>, method: &Method) -> Result<(), Answer> {
    if request.head.method == *method {
        return Ok(());
    }
    Err(error(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED").with("allow", method.as_str()))
}

fn read_question(request: &Request<'_>) -> Result<Question, Answer> {
    if request.head.uri.query().is_some() {
        return Err(error(StatusCode::BAD_REQUEST, "BAD_REQUEST"));
    }
    let (media, _) = request.header("content-type").and_then(media_type).unwrap_or_default();
    if media != "application/json" {
        return Err(error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "JSON_ONLY"));
    }
    let question: Question = serde_json::from_slice(request.body).map_err(|_| error(StatusCode::BAD_REQUEST, "BAD_REQUEST"))?;
    let fin = Profile::Test.accepts_fin(&question.fin) || Profile::Production.accepts_fin(&question.fin);
    let reference = !question.consent_ref.trim().is_empty() && question.consent_ref.chars().count() <= 64;
    let hash = STANDARD.decode(&question.consent_sha256).is_ok_and(|hash| hash.len() == 32);
    if question.purpose_code != "SOCIAL_PROTECTION" {
        return Err(error(StatusCode::BAD_REQUEST, "PURPOSE_UNKNOWN"));
    }
    if fin && reference && hash { Ok(question) } else { Err(error(StatusCode::BAD_REQUEST, "BAD_REQUEST")) }
}

/// The faults that take the place of the acceptance; the request was right.
fn committed(request: &Request<'_>) -> Result<(), Answer> {
    match request.fault {
        Some(Fault::Error) => Err(error(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL")),
        Some(Fault::FaultIn200) => Err(error(StatusCode::OK, "INTERNAL")),
        Some(Fault::RetryAfter) => Err(error(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS").with("retry-after", "2")),
        _ => Ok(()),
    }
}

fn manat(qapik: u64) -> String {
    format!("{}.{:02}", qapik / 100, qapik % 100)
}

fn error(status: StatusCode, code: &str) -> Answer {
    json_answer(status, &json!({"error": code}))
}

fn json_answer(status: StatusCode, body: &Value) -> Answer {
    Answer::new(status, CONTENT_TYPE, body.to_string())
}
