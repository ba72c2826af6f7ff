//! `/v1/access/…`: the register of rights, as those who hold rights and those who decide on them see and change it.
//! The table of routes says whom an address is for; what the scope of an office reaches, the register decides.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Path;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use model::Office;
use rights::{
    By, Change, Command, DocumentRef, Event, OfficialNumber, Power, Refusal, Register, Request, RequestId, Right, RightId, Sha256,
    TEXT_BYTES_MAX, Wanted,
};
use serde_json::{Map, Value as Json, json};

use super::Person;
use crate::clock;
use crate::conversation::Conversation;
use crate::gateway::Gateway;
use crate::pipeline::Stopped;
use crate::problem::{Code, FieldError, Language, Origin, Problem};
use crate::rights::{NotTold, knows};
use crate::rule::{Broken, Rule};
use crate::store_access::StoreFailed;

/// Longest text that says who a person is, in bytes.
const PERSON_BYTES_MAX: usize = 64;
/// Longest name in a certificate or at the identity provider, in bytes.
const NAME_BYTES_MAX: usize = 253;

/// What every handler is given.
#[derive(Debug)]
pub struct Asked {
    gateway: Arc<Gateway>,
    conversation: Conversation,
    person: Person,
}

impl axum::extract::FromRequestParts<Arc<Gateway>> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut http::request::Parts, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        let (Some(conversation), Some(person)) = (parts.extensions.get::<Conversation>(), parts.extensions.get::<Person>()) else {
            // The console's entrance has put both there.
            let conversation = Conversation::begin(&parts.headers);
            return Err(conversation.problem(Code::GatewayUnavailable, Origin::Gateway, "", ""));
        };
        Ok(Self { gateway: Arc::clone(gateway), conversation: *conversation, person: person.clone() })
    }
}

impl Asked {
    fn number(&self) -> Result<OfficialNumber, Problem> {
        // It has just come out of the register.
        OfficialNumber::new(&self.person.name).map_err(|_| refused(&self.conversation, Refusal::ActorUnknown))
    }

    async fn tell(&self, command: Command) -> Result<Response, Problem> {
        let by = By::Official(self.number()?);
        let active = Arc::clone(&self.gateway.active());
        let gateway = &self.gateway;
        let told = gateway.rights.tell(&gateway.recorder, &active.snapshot, (command, by), self.conversation.request_id).await;
        let events = told.map_err(|why| not_told(&self.conversation, why))?;
        let body = json!({"request_id": self.conversation.request_id, "changes": events.iter().map(change).collect::<Vec<_>>()});
        Ok(self.conversation.answer(StatusCode::OK, body.to_string()))
    }

    async fn fields(&self, headers: &HeaderMap, body: Body, keys: &[&str]) -> Result<Fields, Problem> {
        let json = self.conversation.json(headers, body).await?;
        let Json::Object(members) = json else { return Err(self.conversation.contract_broken(&[Broken::new("", Rule::Object)])) };
        let mut broken = Vec::new();
        if members.keys().any(|key| !keys.contains(&key.as_str())) {
            broken.push(Broken::new("", Rule::Keys(keys.join(", "))));
        }
        Ok(Fields { members, broken })
    }

    /// Tells the command that the fields come to, or every rule they break.
    async fn tell_if_sound(&self, command: Option<Command>, fields: Fields) -> Result<Response, Problem> {
        match command.filter(|_| fields.broken.is_empty()) {
            Some(command) => self.tell(command).await,
            None => Err(self.conversation.contract_broken(&fields.broken)),
        }
    }

    fn sees_all(&self) -> bool {
        [Office::CentralAdministrator, Office::DataProtectionOfficer, Office::Assessor]
            .iter()
            .any(|office| self.person.offices.contains(office))
    }

    fn told(&self, body: &Json) -> Response {
        self.conversation.answer(StatusCode::OK, body.to_string())
    }

    /// The number at a place of the address; there is no such thing where it is none.
    fn at(&self, text: &str) -> Result<u64, Problem> {
        text.parse().map_err(|_| self.conversation.not_found("Nömrə tam ədəddir", "A number is a whole number"))
    }
}

/// The members of a body, and what they break.
struct Fields {
    members: Map<String, Json>,
    broken: Vec<Broken>,
}

impl Fields {
    fn given(&self, key: &str) -> Option<&Json> {
        self.members.get(key).filter(|value| !value.is_null())
    }

    fn refuse<T>(&mut self, key: &str, rule: Rule) -> Option<T> {
        self.broken.push(Broken::new(format!("/{key}"), rule));
        None
    }

    fn text(&mut self, key: &str, max: usize) -> Option<Box<str>> {
        let text = self.given(key).and_then(Json::as_str).map(str::trim).filter(|text| (1..=max).contains(&text.len())).map(Box::from);
        text.or_else(|| self.refuse(key, Rule::Text(max)))
    }

    fn optional_text(&mut self, key: &str, max: usize) -> Option<Box<str>> {
        self.given(key)?;
        self.text(key, max)
    }

    fn official(&mut self, key: &str) -> Option<OfficialNumber> {
        let number = self.given(key).and_then(Json::as_str).and_then(|text| OfficialNumber::new(text).ok());
        number.or_else(|| self.refuse(key, Rule::Official))
    }

    fn right(&mut self) -> Option<RightId> {
        let number = self.given("right").and_then(Json::as_u64).map(RightId);
        number.or_else(|| self.refuse("right", Rule::Between(1, u64::MAX)))
    }

    fn moment(&mut self, key: &str) -> Option<Timestamp> {
        let moment = self.given(key).and_then(Json::as_str).and_then(|text| text.parse().ok());
        moment.or_else(|| self.refuse(key, Rule::Moment))
    }

    fn optional_moment(&mut self, key: &str) -> Option<Timestamp> {
        self.given(key)?;
        self.moment(key)
    }

    fn document(&mut self) -> Option<DocumentRef> {
        let Some(Json::Object(members)) = self.given("document").cloned() else { return self.refuse("document", Rule::Required) };
        let mut inner = Self { members, broken: Vec::new() };
        let reference = inner.text("reference", TEXT_BYTES_MAX);
        let sha256 = inner.given("sha256").and_then(Json::as_str).and_then(crate::wire::sha256_from_base64).map(Sha256);
        if sha256.is_none() {
            inner.broken.push(Broken::new("/sha256", Rule::Sha256));
        }
        self.broken.extend(inner.broken.into_iter().map(|broken| Broken::new(format!("/document{}", broken.pointer), broken.rule)));
        Some(DocumentRef { reference: reference?, sha256: sha256? })
    }

    /// A power that the data know.
    fn power(&mut self, at: &str, value: Option<Json>, gateway: &Gateway) -> Option<Power> {
        let power = value.and_then(|value| serde_json::from_value::<Power>(value).ok());
        let Some(power) = power else { return self.refuse(at, Rule::Power) };
        if !knows(&gateway.active().snapshot, &power) {
            return self.refuse(at, Rule::KnownRole);
        }
        Some(power)
    }
}

/// A change as its author is told of it.
fn change(event: &Event) -> Json {
    let mut told = json!({"what": event.change.name(), "at": model::time::rfc3339(event.at)});
    match &event.change {
        Change::Requested { request, due, ends, .. } => {
            told["request"] = json!(request);
            told["due"] = json!(model::time::rfc3339(*due));
            told["ends"] = json!(ends);
        }
        Change::Approved { request, granted, ends } => {
            told["request"] = json!(request);
            told["rights"] = json!(granted.iter().map(|granted| granted.right).collect::<Vec<_>>());
            told["ends"] = json!(ends.iter().map(|(right, _)| right).collect::<Vec<_>>());
        }
        Change::Refused { request } | Change::Cancelled { request } => told["request"] = json!(request),
        Change::GlassBroken { granted } | Change::Given { granted, .. } => told["rights"] = json!([granted.right]),
        Change::Acknowledged { right }
        | Change::Withdrawn { right }
        | Change::GlassReviewed { right }
        | Change::Confirmed { right }
        | Change::Lapsed { right } => told["rights"] = json!([right]),
        Change::AccountOpened { official, .. }
        | Change::AccountDeactivated { official }
        | Change::AccountReopened { official }
        | Change::AccountErased { official } => told["official"] = json!(official),
        Change::Swept { .. } => {}
    }
    told
}

/// What kept the register from doing what it was told, in the caller's language.
#[must_use]
pub fn not_told(conversation: &Conversation, why: NotTold) -> Problem {
    match why {
        NotTold::Refused(refusal) => refused(conversation, refusal),
        NotTold::NoRecord(error) => conversation.stopped(&Stopped::from(error)),
        NotTold::Store(error) => conversation.stopped(&Stopped::Store(StoreFailed::from(error))),
        NotTold::Task(error) => conversation.stopped(&Stopped::Store(StoreFailed::from(error))),
    }
}

fn refused(conversation: &Conversation, refusal: Refusal) -> Problem {
    let code = match refusal {
        Refusal::ActorUnknown
        | Refusal::ActorDeactivated
        | Refusal::NotEntitled
        | Refusal::OwnRequest
        | Refusal::OpenedByYou
        | Refusal::OwnRight
        | Refusal::NotYours
        | Refusal::NotAllowedInEmergency
        | Refusal::NotForPersons => Code::NotEntitled,
        _ => Code::RegisterRefuses,
    };
    let detail = match conversation.language {
        Language::Az => refusal.az(),
        Language::En => refusal.en(),
    };
    let error = FieldError { pointer: String::new(), detail: format!("{}: {detail}", refusal.code()) };
    conversation.problem(code, Origin::Consumer, refusal.az(), refusal.en()).errors(vec![error])
}

/// A right as lists show it.
fn right_body(register: &Register, right: &Right, now: Timestamp) -> Json {
    let moment = |at: Option<Timestamp>| at.map(model::time::rfc3339);
    json!({
        "right": right.id,
        "official": right.official,
        "power": right.power,
        "state": right.state(register.moment(now)),
        "begins": model::time::rfc3339(right.begins),
        "ends": moment(right.ends),
        "ending": right.ending,
        "lapses": moment(right.lapses),
        "acknowledged_at": moment(right.acknowledged_at),
        "emergency": right.emergency,
        "by": by(&right.by),
        "basis": right.basis,
    })
}

fn by(by: &By) -> Option<&OfficialNumber> {
    match by {
        By::Official(number) => Some(number),
        By::Gateway => None,
    }
}

fn request_body(register: &Register, request: &Request, now: Timestamp) -> Json {
    json!({
        "request": request.id,
        "official": request.official,
        "by": by(&request.by),
        "wanted": request.wanted,
        "document": {"reference": request.document.reference, "sha256": crate::record::base64_of(&request.document.sha256.0) + "="},
        "received_at": model::time::rfc3339(request.received_at),
        "due": model::time::rfc3339(request.due),
        "overdue": request.is_overdue(register.moment(now)),
        "state": request.state,
    })
}

/// `GET /v1/access/me`: what the caller holds, and the duties of it.
///
/// # Errors
/// When his account is gone since he was identified.
pub async fn me(asked: Asked) -> Result<Response, Problem> {
    let (number, register, now) = (asked.number()?, asked.gateway.rights.register(), clock::now());
    let rights: Vec<Json> = register
        .rights_of(&number)
        .map(|right| {
            let mut body = right_body(&register, right, now);
            let (az, en) = right.power.duties();
            body["duties"] = json!(asked.conversation.language.pick(az, en));
            body
        })
        .collect();
    Ok(asked.told(&json!({"request_id": asked.conversation.request_id, "official": number, "rights": rights})))
}

/// `POST /v1/access/acknowledgements`: takes on the duties of one's own right.
///
/// # Errors
/// 422 with every broken rule, 403 or 409 with the register's refusal.
pub async fn acknowledge(asked: Asked, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let mut fields = asked.fields(&headers, body, &["right"]).await?;
    let command = fields.right().map(|right| Command::Acknowledge { right });
    asked.tell_if_sound(command, fields).await
}

/// `GET /v1/access/accounts`: the accounts in the caller's scope with their rights. An assessor sees all of them: they say
/// who may do what, and nothing of what was done.
///
/// # Errors
/// When his account is gone since he was identified.
pub async fn accounts(asked: Asked) -> Result<Response, Problem> {
    let (number, register, now) = (asked.number()?, asked.gateway.rights.register(), clock::now());
    let held: Vec<&Power> = register.in_force(&number, now).map(|right| &right.power).collect();
    let accounts: Vec<Json> = register
        .accounts()
        .filter(|(official, account)| {
            let in_scope = |right: &Right| held.iter().any(|power| power.guards(&right.power));
            asked.sees_all() || account.rights.is_empty() || register.rights_of(official).any(in_scope)
        })
        .map(|(official, account)| {
            json!({
                "official": official,
                "opened_at": model::time::rfc3339(account.opened_at),
                "deactivated_at": account.deactivated_at.map(model::time::rfc3339),
                "rights": register.rights_of(official).filter(|right| asked.sees_all() || *official == number || held.iter().any(|power| power.guards(&right.power))).map(|right| right_body(&register, right, now)).collect::<Vec<_>>(),
            })
        })
        .collect();
    Ok(asked.told(&json!({"request_id": asked.conversation.request_id, "accounts": accounts})))
}

/// `POST /v1/access/accounts`: opens an account.
///
/// # Errors
/// 422 with every broken rule, 403 or 409 with the register's refusal.
pub async fn open_account(asked: Asked, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let mut fields = asked.fields(&headers, body, &["official", "person", "certificate_name", "subject", "document"]).await?;
    let official = fields.official("official");
    let person = fields.text("person", PERSON_BYTES_MAX).map(|text| asked.gateway.rights.person(&text));
    let certificate_name = fields.optional_text("certificate_name", NAME_BYTES_MAX).map(|name| name.to_ascii_lowercase().into());
    let subject = fields.optional_text("subject", NAME_BYTES_MAX);
    // A subsystem's certificate is no person's.
    let active = asked.gateway.active();
    let of_consumer = |name: &str| {
        active.snapshot.consumers.values().any(|consumer| consumer.certificate_names.iter().any(|known| known.eq_ignore_ascii_case(name)))
    };
    if certificate_name.as_deref().is_some_and(of_consumer) {
        fields.broken.push(Broken::new("/certificate_name", Rule::NotAConsumers));
    }
    let command = official.zip(person).zip(fields.document());
    let command =
        command.map(|((official, person), document)| Command::OpenAccount { official, person, certificate_name, subject, document });
    asked.tell_if_sound(command, fields).await
}

/// `POST /v1/access/leavers`: takes down that somebody has left.
///
/// # Errors
/// 422 with every broken rule, 403 or 409 with the register's refusal.
pub async fn leave(asked: Asked, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let mut fields = asked.fields(&headers, body, &["official", "document"]).await?;
    let command = fields.official("official").zip(fields.document()).map(|(official, document)| Command::Leave { official, document });
    asked.tell_if_sound(command, fields).await
}

/// `POST /v1/access/returns`: opens a leaver's account again.
///
/// # Errors
/// 422 with every broken rule, 403 or 409 with the register's refusal.
pub async fn reopen(asked: Asked, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let mut fields = asked.fields(&headers, body, &["official", "document"]).await?;
    let command = fields.official("official").zip(fields.document()).map(|(official, document)| Command::Reopen { official, document });
    asked.tell_if_sound(command, fields).await
}

/// `GET /v1/access/requests`: requests that the caller has made or may see, overdue ones first.
///
/// # Errors
/// When his account is gone since he was identified.
pub async fn requests(asked: Asked) -> Result<Response, Problem> {
    let (number, register, now) = (asked.number()?, asked.gateway.rights.register(), clock::now());
    let held: Vec<&Power> = register.in_force(&number, now).map(|right| &right.power).collect();
    let reaches = |power: &Power| held.iter().any(|held| held.guards(power));
    let mut requests: Vec<&Request> = register
        .requests()
        .filter(|request| {
            let in_scope = match &request.wanted {
                Wanted::Grant { power, .. } => reaches(power),
                Wanted::Withdrawal { right, .. } => register.right(*right).is_some_and(|right| reaches(&right.power)),
                Wanted::Transfer { powers, .. } => powers.iter().any(reaches),
            };
            asked.sees_all() || in_scope || request.by == By::Official(number.clone())
        })
        .collect();
    requests.sort_by_key(|request| (!request.is_overdue(now), !request.is_open(), request.due));
    let requests: Vec<Json> = requests.into_iter().map(|request| request_body(&register, request, now)).collect();
    Ok(asked.told(&json!({"request_id": asked.conversation.request_id, "requests": requests})))
}

/// `POST /v1/access/requests`: asks for a grant, a withdrawal or a transfer.
///
/// # Errors
/// 422 with every broken rule, 403 or 409 with the register's refusal.
pub async fn request(asked: Asked, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    const KEYS: [&str; 10] = ["kind", "official", "power", "powers", "right", "begins", "ends", "effective", "document", "received_at"];
    let mut fields = asked.fields(&headers, body, &KEYS).await?;
    let gateway = &asked.gateway;
    let now = clock::now();
    let wanted = match fields.given("kind").and_then(Json::as_str) {
        Some("grant") => {
            let (official, value) = (fields.official("official"), fields.given("power").cloned());
            let power = fields.power("power", value, gateway);
            let (begins, ends) = (fields.optional_moment("begins").unwrap_or(now), fields.optional_moment("ends"));
            official.zip(power).map(|(official, power)| Wanted::Grant { official, power, begins, ends })
        }
        Some("withdrawal") => {
            let at = fields.optional_moment("effective").unwrap_or(now);
            fields.right().map(|right| Wanted::Withdrawal { right, at })
        }
        Some("transfer") => {
            let (official, effective) = (fields.official("official"), fields.moment("effective"));
            // Said expressly, also where there are none: what he holds ends with the order.
            let values = match fields.given("powers").and_then(Json::as_array).cloned() {
                Some(values) => values,
                None => fields.refuse("powers", Rule::List(rights::POWERS_MAX)).unwrap_or_default(),
            };
            let count = values.len();
            let powers: Vec<Power> = values
                .into_iter()
                .take(rights::POWERS_MAX + 1)
                .enumerate()
                .filter_map(|(place, value)| fields.power(&format!("powers/{place}"), Some(value), gateway))
                .collect();
            if count > rights::POWERS_MAX {
                fields.broken.push(Broken::new("/powers", Rule::List(rights::POWERS_MAX)));
            }
            official.zip(effective).map(|(official, effective)| Wanted::Transfer { official, effective, powers })
        }
        _ => fields.refuse("kind", Rule::OneOf("grant, withdrawal, transfer")),
    };
    // A member that means nothing for its kind was meant otherwise.
    let known: &[&str] = match fields.given("kind").and_then(Json::as_str) {
        Some("grant") => &["kind", "official", "power", "begins", "ends", "document", "received_at"],
        Some("withdrawal") => &["kind", "right", "effective", "document", "received_at"],
        Some("transfer") => &["kind", "official", "powers", "effective", "document", "received_at"],
        _ => &KEYS,
    };
    if KEYS.iter().any(|key| fields.given(key).is_some() && !known.contains(key)) {
        fields.broken.push(Broken::new("", Rule::Keys(known.join(", "))));
    }
    let received_at = fields.optional_moment("received_at").unwrap_or(now);
    let command = wanted.zip(fields.document()).map(|(wanted, document)| Command::Request { wanted, document, received_at });
    asked.tell_if_sound(command, fields).await
}

/// `POST /v1/access/requests/{request}/approve`.
///
/// # Errors
/// 404 where the number is none, 403 or 409 with the register's refusal.
pub async fn approve(asked: Asked, Path(request): Path<String>) -> Result<Response, Problem> {
    let request = RequestId(asked.at(&request)?);
    asked.tell(Command::Approve { request }).await
}

/// `POST /v1/access/requests/{request}/refuse`.
///
/// # Errors
/// 404 where the number is none, 422 without a reason, 403 or 409 with the register's refusal.
pub async fn refuse(asked: Asked, Path(request): Path<String>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let request = RequestId(asked.at(&request)?);
    let mut fields = asked.fields(&headers, body, &["reason"]).await?;
    let command = fields.text("reason", TEXT_BYTES_MAX).map(|reason| Command::Refuse { request, reason });
    asked.tell_if_sound(command, fields).await
}

/// `POST /v1/access/requests/{request}/cancel`: takes one's own request back.
///
/// # Errors
/// 404 where the number is none, 422 without a reason, 403 or 409 with the register's refusal.
pub async fn cancel(asked: Asked, Path(request): Path<String>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let request = RequestId(asked.at(&request)?);
    let mut fields = asked.fields(&headers, body, &["reason"]).await?;
    let command = fields.text("reason", TEXT_BYTES_MAX).map(|reason| Command::Cancel { request, reason });
    asked.tell_if_sound(command, fields).await
}

/// `POST /v1/access/withdrawals`: ends a right at once.
///
/// # Errors
/// 422 with every broken rule, 403 or 409 with the register's refusal.
pub async fn withdraw(asked: Asked, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let mut fields = asked.fields(&headers, body, &["right", "reason"]).await?;
    let command = fields.right().zip(fields.text("reason", TEXT_BYTES_MAX)).map(|(right, reason)| Command::Withdraw { right, reason });
    asked.tell_if_sound(command, fields).await
}

/// `POST /v1/access/break-glass`: gives oneself a right of the short list, for at most four hours.
///
/// # Errors
/// 422 with every broken rule, 403 or 409 with the register's refusal.
pub async fn break_glass(asked: Asked, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let mut fields = asked.fields(&headers, body, &["power", "reason", "until"]).await?;
    let value = fields.given("power").cloned();
    let power = fields.power("power", value, &asked.gateway);
    let command = power.zip(fields.text("reason", TEXT_BYTES_MAX)).zip(fields.moment("until"));
    let command = command.map(|((power, reason), until)| Command::BreakGlass { power, reason, until });
    asked.tell_if_sound(command, fields).await
}

/// `GET /v1/access/break-glass`: what was taken in an emergency and nobody has looked at.
///
/// # Errors
/// Never.
pub async fn notices(asked: Asked) -> Result<Response, Problem> {
    let (register, now) = (asked.gateway.rights.register(), clock::now());
    let notices: Vec<Json> = register.open_notices().map(|right| right_body(&register, right, now)).collect();
    Ok(asked.told(&json!({"request_id": asked.conversation.request_id, "notices": notices})))
}

/// `POST /v1/access/break-glass/{right}/review`.
///
/// # Errors
/// 404 where the number is none, 422 without a reason, 403 or 409 with the register's refusal.
pub async fn review_break_glass(asked: Asked, Path(right): Path<String>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let right = RightId(asked.at(&right)?);
    let mut fields = asked.fields(&headers, body, &["reason"]).await?;
    let command = fields.text("reason", TEXT_BYTES_MAX).map(|reason| Command::ReviewBreakGlass { right, reason });
    asked.tell_if_sound(command, fields).await
}

/// `GET /v1/access/review`: the quarterly list of rights in the caller's scope.
///
/// # Errors
/// When his account is gone since he was identified.
pub async fn review(asked: Asked) -> Result<Response, Problem> {
    let (number, register, now) = (asked.number()?, asked.gateway.rights.register(), clock::now());
    let uses = asked.gateway.rights.uses();
    let review = register.review(&number, &uses, now);
    let rights: Vec<Json> = review
        .items
        .iter()
        .map(|item| {
            let mut body = right_body(&register, item.right, now);
            body["last_use"] = json!(item.last_use);
            body["unused"] = json!(item.unused);
            body["due"] = json!(item.due);
            body
        })
        .collect();
    let body = json!({
        "request_id": asked.conversation.request_id, "quarter_ended": review.quarter_ended, "lapses_on": review.lapses_on, "rights": rights,
    });
    Ok(asked.told(&body))
}

/// `POST /v1/access/review/{right}/confirm`.
///
/// # Errors
/// 404 where the number is none, 403 or 409 with the register's refusal.
pub async fn confirm(asked: Asked, Path(right): Path<String>) -> Result<Response, Problem> {
    let right = RightId(asked.at(&right)?);
    asked.tell(Command::Confirm { right }).await
}
