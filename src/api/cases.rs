//! `POST /v1/cases` and `POST /v1/cases/{case}/close`: the frame without which nothing is asked.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use model::contract::PersonRole;
use model::{CaseId, PurposeId, Subject};
use serde_json::{Map, Value as Json, json};
use store::{Closed, Opened, PERSONS_MAX};

use crate::api::request::Asked;
use crate::clock;
use crate::gateway::Gateway;
use crate::problem::{Code, FieldError, Origin, Problem};
use crate::record::Kind;
use crate::store_access;

/// Opens a case: 201, or 200 when the same content is sent again.
///
/// # Errors
/// 422 with every broken rule, 409 when the case exists with other content or is closed, 503 when
/// the journal takes no entry.
pub async fn open(State(gateway): State<Arc<Gateway>>, asked: Asked, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let json = asked.json(&headers, body).await?;
    let request = read(&json, &gateway, &asked).map_err(|errors| asked.contract_broken(errors))?;
    // The entry comes first: a crash between the two leaves an entry without effect, never an effect
    // without its entry.
    let subjects: Vec<String> = request.persons.iter().map(|(subject, _)| gateway.recorder.token(subject)).collect();
    let event = json!({
        "request_id": asked.request_id, "consumer": asked.consumer, "case": request.case, "purpose": request.purpose, "subjects": subjects,
    });
    gateway.recorder.event(Kind::CaseOpened, &event).await.map_err(|error| asked.stopped(&error.into()))?;
    let opened = store_access::open_case(&gateway, &asked.consumer, &request.case, &request.purpose, request.persons, clock::now())
        .await
        .map_err(|error| asked.stopped(&error.into()))?;
    let status = match opened {
        Opened::Created => StatusCode::CREATED,
        Opened::Repeated => StatusCode::OK,
        Opened::Conflict(_) => {
            return Err(asked.problem(
                Code::CaseConflict,
                Origin::Consumer,
                "Başqa ad seçin və ya eyni məzmunu göndərin",
                "Choose another name or send the same content",
            ));
        }
    };
    let body = json!({"case": request.case, "purpose": request.purpose, "status": "open"});
    Ok(asked.answer(status, body.to_string()))
}

/// Closes a case: nothing can be asked in it any more. Closing it again changes nothing.
///
/// # Errors
/// 404 when the consumer has no such case, 503 when the journal takes no entry.
pub async fn close(State(gateway): State<Arc<Gateway>>, Path(case): Path<String>, asked: Asked) -> Result<Response, Problem> {
    let unknown = || asked.not_found("Belə iş yoxdur", "There is no such case");
    let case = CaseId::new(&case).map_err(|_| unknown())?;
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

struct OpenCase {
    case: CaseId,
    purpose: PurposeId,
    persons: Vec<(Subject, PersonRole)>,
}

fn read(json: &Json, gateway: &Gateway, asked: &Asked) -> Result<OpenCase, Vec<FieldError>> {
    let error = |pointer: &str, detail: String| FieldError { pointer: pointer.to_owned(), detail };
    let Some(members) = json.as_object() else { return Err(vec![error("", "the body must be a JSON object".to_owned())]) };
    let mut errors = Vec::new();
    for _ in members.keys().filter(|key| !["case", "purpose", "persons"].contains(&key.as_str())) {
        errors.push(error("", "unknown key; accepted: case, purpose, persons".to_owned()));
    }
    let text = |key: &str| members.get(key).and_then(Json::as_str).unwrap_or_default();
    let case = CaseId::new(text("case")).map_err(|rule| errors.push(error("/case", rule.to_string()))).ok();
    let purpose = PurposeId::new(text("purpose")).map_err(|rule| errors.push(error("/purpose", rule.to_string()))).ok();
    if let Some(purpose) = &purpose
        && !asked.active.snapshot.purposes.contains_key(purpose)
    {
        errors.push(error("/purpose", "not in the closed list of purposes; see /v1/catalogue".to_owned()));
    }
    let given = members.get("persons").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    if given.is_empty() || given.len() > PERSONS_MAX {
        errors.push(error("/persons", format!("a list of 1 to {PERSONS_MAX} persons")));
    }
    let mut persons: Vec<(Subject, PersonRole)> = Vec::with_capacity(given.len());
    for (place, item) in given.iter().take(PERSONS_MAX).enumerate() {
        let at = format!("/persons/{place}");
        match person(item, gateway) {
            Ok(person) if persons.iter().any(|(known, _)| *known == person.0) => {
                errors.push(error(&at, "the person stands twice".to_owned()))
            }
            Ok(person) => persons.push(person),
            Err(faults) => errors.extend(faults.into_iter().map(|(inner, detail)| error(&format!("{at}{inner}"), detail))),
        }
    }
    match (case, purpose, errors.is_empty()) {
        (Some(case), Some(purpose), true) => Ok(OpenCase { case, purpose, persons }),
        _ => Err(errors),
    }
}

fn person(item: &Json, gateway: &Gateway) -> Result<(Subject, PersonRole), Vec<(String, String)>> {
    let empty = Map::new();
    let members = item.as_object().unwrap_or(&empty);
    let mut faults = Vec::new();
    if members.keys().any(|key| !["subject", "role"].contains(&key.as_str())) {
        faults.push((String::new(), "unknown key; accepted: subject, role".to_owned()));
    }
    let subject = members.get("subject").and_then(|raw| serde_json::from_value::<Subject>(raw.clone()).ok());
    match &subject {
        None => faults.push(("/subject".to_owned(), "one of {\"fin\"}, {\"pin\"}, {\"document\", \"birth_date\"}, {\"tin\"}".to_owned())),
        Some(subject) => {
            if let Err(fault) = subject.check(gateway.profile()) {
                faults.push((format!("/subject{}", fault.pointer), fault.rule));
            }
        }
    }
    let role = members.get("role").and_then(|raw| serde_json::from_value::<PersonRole>(raw.clone()).ok());
    if role.is_none() {
        faults.push(("/role".to_owned(), "one of applicant, spouse, child, adult, other".to_owned()));
    }
    match (subject, role, faults.is_empty()) {
        (Some(subject), Some(role), true) => Ok((subject, role)),
        _ => Err(faults),
    }
}
