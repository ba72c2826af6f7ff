//! `POST /v1/cases`, `POST /v1/cases/{case}/transfer` and `…/close`: the frame without which nothing is asked.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use model::contract::{Consumer, PersonRole, SubjectForm};
use model::{CaseId, Profile, PurposeId, Subject};
use serde_json::{Map, Value as Json, json};
use store::{Closed, Conflict, HandedOver, Opened, PERSONS_MAX};

use crate::answer::ReceiptBody;
use crate::api::request::Asked;
use crate::clock;
use crate::console::journal::reason;
use crate::envelope::is_official;
use crate::gateway::Gateway;
use crate::problem::{Code, Origin, Problem};
use crate::record::Kind;
use crate::rule::{Broken, Rule};
use crate::store_access;

/// Opens a case: 201, or 200 when the same content is sent again.
///
/// # Errors
/// 422 with every broken rule, 409 when the case exists with other content or is closed, 503 when
/// the journal takes no entry.
pub async fn open(State(gateway): State<Arc<Gateway>>, asked: Asked, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let json = asked.json(&headers, body).await?;
    let request = read(&json, &gateway, &asked).map_err(|broken| asked.contract_broken(&broken))?;
    let has_purpose = |consumer: &Consumer| consumer.grants.iter().any(|grant| grant.purposes.contains(&request.purpose));
    if !asked.active.snapshot.consumers.get(&asked.consumer).is_some_and(has_purpose) {
        return Err(asked.contract_broken(&[Broken::new("/purpose", Rule::OwnPurpose)]));
    }
    let known = store_access::persons(&gateway, &asked.consumer, &request.case).await.map_err(|error| asked.stopped(&error.into()))?;
    if known.is_none() {
        // The entry comes first: a crash between the two leaves an entry without effect, never an
        // effect without its entry.
        let persons: Vec<Json> =
            request.persons.iter().map(|(subject, role)| json!({"subject": gateway.recorder.token(subject), "role": role})).collect();
        let event = json!({
            "request_id": asked.request_id, "consumer": asked.consumer, "case": request.case, "purpose": request.purpose, "persons": persons,
            "official": request.official,
        });
        gateway.recorder.event(Kind::CaseOpened, &event).await.map_err(|error| asked.stopped(&error.into()))?;
    }
    let OpenCase { case, purpose, persons, official } = request.clone();
    let opened = store_access::open_case(&gateway, &asked.consumer, &case, &purpose, persons, official, clock::now())
        .await
        .map_err(|error| asked.stopped(&error.into()))?;
    let status = match opened {
        Opened::Created => StatusCode::CREATED,
        Opened::Repeated => StatusCode::OK,
        Opened::Conflict(Conflict::Content) => {
            let (az, en) = (
                "Bu adda iş başqa məzmunla açıqdır; başqa ad seçin",
                "A case of this name is open with other content; choose another name",
            );
            return Err(asked.problem(Code::CaseConflict, Origin::Consumer, az, en));
        }
        Opened::Conflict(Conflict::Closed) => {
            let (az, en) = ("Bu adda iş bağlanıb; başqa ad seçin", "A case of this name has been closed; choose another name");
            return Err(asked.problem(Code::CaseConflict, Origin::Consumer, az, en));
        }
    };
    let body = json!({"case": request.case, "purpose": request.purpose, "status": "open"});
    Ok(asked.answer(status, body.to_string()))
}

/// Closes a case: nothing can be asked in it any more. Closing it again changes nothing.
///
/// # Errors
/// 404 when the consumer has no such case, 503 when the journal takes no entry.
pub async fn close(
    State(gateway): State<Arc<Gateway>>,
    asked: Asked,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let unknown = || asked.not_found("Belə iş yoxdur", "There is no such case");
    let case = path.ok().and_then(|Path(case)| CaseId::new(&case).ok()).ok_or_else(unknown)?;
    if store_access::persons(&gateway, &asked.consumer, &case).await.map_err(|error| asked.stopped(&error.into()))?.is_none() {
        return Err(unknown());
    }
    let event = json!({"request_id": asked.request_id, "consumer": asked.consumer, "case": case});
    gateway.recorder.event(Kind::CaseClosed, &event).await.map_err(|error| asked.stopped(&error.into()))?;
    match store_access::close_case(&gateway, &asked.consumer, &case, clock::now()).await {
        Ok(Closed::Now | Closed::Before) => Ok(asked.answer(StatusCode::OK, json!({"case": case, "status": "closed"}).to_string())),
        Ok(Closed::Unknown) => Err(unknown()),
        Err(error) => Err(asked.stopped(&error.into())),
    }
}

#[derive(Clone)]
struct OpenCase {
    case: CaseId,
    purpose: PurposeId,
    persons: Vec<(Subject, PersonRole)>,
    official: Option<String>,
}

fn read(json: &Json, gateway: &Gateway, asked: &Asked) -> Result<OpenCase, Vec<Broken>> {
    let Some(members) = json.as_object() else { return Err(vec![Broken::new("", Rule::Object)]) };
    let mut broken = Vec::new();
    if members.keys().any(|key| !["case", "purpose", "persons", "official"].contains(&key.as_str())) {
        broken.push(Broken::new("", Rule::Keys("case, purpose, persons, official".to_owned())));
    }
    let text = |key: &str| members.get(key).and_then(Json::as_str).unwrap_or_default();
    // What is missing is told apart from what is wrong.
    let or_required = |key: &str, rule: Rule| if members.contains_key(key) { rule } else { Rule::Required };
    let case = CaseId::new(text("case")).ok();
    if case.is_none() {
        broken.push(Broken::new("/case", or_required("case", Rule::CaseName)));
    }
    let names_person = |profile: Profile| profile.accepts_fin(text("case")) || profile.accepts_tin(text("case"));
    if [Profile::Test, Profile::Production].into_iter().any(names_person) {
        broken.push(Broken::new("/case", Rule::CaseNamesPerson));
    }
    let purpose = PurposeId::new(text("purpose")).ok().filter(|purpose| asked.active.snapshot.purposes.contains_key(purpose));
    if purpose.is_none() {
        broken.push(Broken::new("/purpose", or_required("purpose", Rule::KnownPurpose)));
    }
    let given = members.get("persons").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    if given.is_empty() || given.len() > PERSONS_MAX {
        broken.push(Broken::new("/persons", Rule::List(PERSONS_MAX)));
    }
    let mut persons: Vec<(Subject, PersonRole)> = Vec::with_capacity(given.len().min(PERSONS_MAX));
    for (place, item) in given.iter().take(PERSONS_MAX).enumerate() {
        let at = format!("/persons/{place}");
        match person(item, &at, gateway, &mut broken) {
            Some(person) if persons.iter().any(|(known, _)| *known == person.0) => broken.push(Broken::new(at, Rule::Once)),
            Some(person) => persons.push(person),
            None => {}
        }
    }
    let official = official(members, "official", &mut broken);
    match (case, purpose, broken.is_empty()) {
        (Some(case), Some(purpose), true) => Ok(OpenCase { case, purpose, persons, official }),
        _ => Err(broken),
    }
}

/// An official's number where one is given.
fn official(members: &Map<String, Json>, key: &str, broken: &mut Vec<Broken>) -> Option<String> {
    let given = members.get(key).filter(|given| !given.is_null())?;
    let official = given.as_str().filter(|text| is_official(text) && !text.starts_with("robot:")).map(str::to_owned);
    if official.is_none() {
        broken.push(Broken::new(format!("/{key}"), Rule::OfficialPerson));
    }
    official
}

/// Hands a case over to another official: from the next question on he alone may ask in it.
///
/// # Errors
/// 422 with every broken rule, 404 where the consumer has no such open case, 409 where it is not `from`'s, 503 when store
/// or journal do not answer.
pub async fn transfer(
    State(gateway): State<Arc<Gateway>>,
    asked: Asked,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let unknown = || asked.not_found("Belə açıq iş yoxdur", "There is no such open case");
    let case = path.ok().and_then(|Path(case)| CaseId::new(&case).ok()).ok_or_else(unknown)?;
    let body = asked.json(&headers, body).await?;
    let (from, to, reason) = read_transfer(&body).map_err(|broken| asked.contract_broken(&broken))?;
    let there = store_access::case(&gateway, &asked.consumer, &case).await.map_err(|error| asked.stopped(&error.into()))?;
    let there = there.filter(|case| case.is_open()).ok_or_else(unknown)?;
    let not_his = || {
        let (az, en) = ("İş `from` ilə göstərilən vəzifəli şəxsin deyil", "The case is not the official's whom `from` names");
        asked.problem(Code::CaseConflict, Origin::Consumer, az, en)
    };
    if there.official() != from.as_deref() {
        return Err(not_his());
    }
    let roles = asked.active.snapshot.consumers.get(&asked.consumer).map(|consumer| &consumer.roles);
    let official = policy::Official::Person(to.clone());
    let is_own = |role| gateway.rights.standing(&asked.consumer, &official, role, clock::now()).reason().is_none();
    if !roles.is_some_and(|roles| roles.keys().any(is_own)) {
        return Err(asked.contract_broken(&[Broken::new("/to", Rule::OwnOfficial)]));
    }
    let event =
        json!({"request_id": asked.request_id, "consumer": asked.consumer, "case": case, "from": from, "official": to, "reason": reason});
    let durable = gateway.recorder.event(Kind::CaseTransferred, &event).await.map_err(|error| asked.stopped(&error.into()))?;
    let handed_over = store_access::hand_over(&gateway, &asked.consumer, &case, from, to.clone()).await;
    match handed_over.map_err(|error| asked.stopped(&error.into()))? {
        HandedOver::Now | HandedOver::Before => {}
        HandedOver::NotHis => return Err(not_his()),
        HandedOver::NoOpenCase => return Err(unknown()),
    }
    let answer = json!({"case": case, "official": to, "receipt": ReceiptBody::whole(&durable)});
    Ok(asked.answer(StatusCode::OK, answer.to_string()))
}

fn read_transfer(json: &Json) -> Result<(Option<String>, String, String), Vec<Broken>> {
    let Some(members) = json.as_object() else { return Err(vec![Broken::new("", Rule::Object)]) };
    let mut broken = Vec::new();
    if members.keys().any(|key| !["from", "to", "reason"].contains(&key.as_str())) {
        broken.push(Broken::new("", Rule::Keys("from, to, reason".to_owned())));
    }
    let from = official(members, "from", &mut broken);
    let to = official(members, "to", &mut broken);
    if !members.contains_key("to") {
        broken.push(Broken::new("/to", Rule::Required));
    } else if to.is_some() && to == from {
        broken.push(Broken::new("/to", Rule::OtherOfficial));
    }
    let reason = reason(members, &mut broken);
    to.filter(|_| broken.is_empty()).map(|to| (from, to, reason)).ok_or(broken)
}

/// One person of a case; `None` when something about it is broken.
pub(super) fn person(item: &Json, at: &str, gateway: &Gateway, broken: &mut Vec<Broken>) -> Option<(Subject, PersonRole)> {
    let before = broken.len();
    let empty = Map::new();
    let members = item.as_object().unwrap_or(&empty);
    if members.keys().any(|key| !["subject", "role"].contains(&key.as_str())) {
        broken.push(Broken::new(at, Rule::Keys("subject, role".to_owned())));
    }
    let subject = members.get("subject").and_then(|raw| serde_json::from_value::<Subject>(raw.clone()).ok());
    match subject.as_ref().map(|subject| subject.check(gateway.profile())) {
        Some(Ok(())) => {}
        Some(Err(fault)) => {
            broken.push(Broken::new(format!("{at}/subject{}", fault.pointer), Rule::Subject(fault.rule, gateway.profile())))
        }
        None => broken.push(Broken::new(format!("{at}/subject"), Rule::SubjectForms(SubjectForm::ALL.to_vec()))),
    }
    let role = members.get("role").and_then(|raw| serde_json::from_value::<PersonRole>(raw.clone()).ok());
    if role.is_none() {
        broken.push(Broken::new(format!("{at}/role"), Rule::OneOf("applicant, spouse, child, adult, other")));
    }
    subject.zip(role).filter(|_| broken.len() == before)
}
