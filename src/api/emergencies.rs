//! `POST /v1/cases/{case}/overrides`: in an emergency an official acts in a case that is not his, or about persons who
//! are not in it. It lasts some hours, raises an alarm, and somebody else looks at it afterwards. Everything else stays
//! as it is: agreement, grant, act, class, rows and consent.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use jiff::SignedDuration;
use model::contract::PersonRole;
use model::{CaseId, Outcome, RoleId, Subject};
use policy::{DenialReason, Official};
use serde_json::{Value as Json, json};
use store::{Override, Overrode};
use uuid::Uuid;

use crate::answer::ReceiptBody;
use crate::api::accesses::keys;
use crate::api::cases::person;
use crate::api::request::Asked;
use crate::clock;
use crate::console::journal::reason;
use crate::envelope::is_official;
use crate::exchange::Presence;
use crate::gateway::Gateway;
use crate::problem::{Code, Origin, Problem};
use crate::record::{Kind, Question};
use crate::refusal;
use crate::rule::{Broken, Rule};
use crate::store_access;

/// The longest that an override lasts, in hours.
const HOURS_MAX: i64 = 4;
/// How long it lasts where nothing is said.
const HOURS: i64 = 1;
/// Most persons that one override adds.
const PERSONS_MAX: usize = 20;
/// Longest assertion, in bytes, as the envelope has it.
const ASSERTION_BYTES_MAX: usize = 16 * 1024;
/// The name of this service in refusals.
const SERVICE: &str = "case-override";

/// Begins an override: 201.
///
/// # Errors
/// 422 with every broken rule, 403 where the role may not act in emergencies or the official is not who he says, 404
/// where the consumer has no such open case, 409 where the case has had too many, 503 when store or journal do not
/// answer.
pub async fn begin(
    State(gateway): State<Arc<Gateway>>,
    asked: Asked,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let unknown = || asked.not_found("Belə açıq iş yoxdur", "There is no such open case");
    let case = path.ok().and_then(|Path(case)| CaseId::new(&case).ok()).ok_or_else(unknown)?;
    let body = asked.json(&headers, body).await?;
    let mut asking = read(&body, &gateway).map_err(|broken| asked.contract_broken(&broken))?;
    let there = store_access::case(&gateway, &asked.consumer, &case).await.map_err(|error| asked.stopped(&error.into()))?;
    let there = there.filter(|case| case.is_open()).ok_or_else(unknown)?;
    let purpose = there.purpose().clone();
    let presence = asked.presence(&gateway, asking.assertion.take(), &asking.official, &case).await?;
    refuse(&gateway, &asked, &case, purpose.as_str(), (&asking, &presence)).await?;

    // Before the entry, so that it tells of nothing that does not take place.
    there.may_begin_override(&asking.official).map_err(|why| not_again(&asked, why))?;
    let now = clock::now();
    let entry = Override {
        id: Uuid::now_v7(),
        consumer: asked.consumer.clone(),
        case,
        official: asking.official,
        role: asking.role,
        reason: asking.reason,
        persons: asking.persons,
        begun_at: now,
        until: now.saturating_add(SignedDuration::from_hours(asking.hours)).unwrap_or(now),
        review: None,
    };
    let persons: Vec<Json> =
        entry.persons.iter().map(|(subject, role)| json!({"subject": gateway.recorder.token(subject), "role": role})).collect();
    let event = json!({
        "request_id": asked.request_id, "consumer": asked.consumer, "case": entry.case, "purpose": purpose, "emergency": entry.id,
        "official": entry.official, "role": entry.role, "reason": entry.reason, "persons": persons,
        "until": model::time::rfc3339(entry.until), "assurance": presence.identity.level(),
        "assertion_sha256": presence.assertion_sha256,
    });
    let durable = gateway.recorder.event(Kind::CaseOverridden, &event).await.map_err(|error| asked.stopped(&error.into()))?;
    let (id, until) = (entry.id, entry.until);
    match store_access::begin_override(&gateway, entry).await.map_err(|error| asked.stopped(&error.into()))? {
        Overrode::Now => {}
        Overrode::NoOpenCase => return Err(unknown()),
        why @ (Overrode::TooMany | Overrode::NotReviewed | Overrode::FoundUnjustified) => return Err(not_again(&asked, why)),
    }
    // The alarm: somebody is to look at it now, not at the end of a quarter.
    metrics::counter!("qovsaq_case_overrides_total", "consumer" => asked.consumer.to_string()).increment(1);
    tracing::warn!(request.id = %asked.request_id, consumer = %asked.consumer, override.id = %id, "an emergency override began and waits for its review");
    let answer = json!({
        "request_id": asked.request_id, "override": id, "until": model::time::rfc3339(until), "receipt": ReceiptBody::whole(&durable),
    });
    Ok(asked.answer(StatusCode::CREATED, answer.to_string()))
}

/// Why no override begins although there is a right to one.
fn not_again(asked: &Asked, why: Overrode) -> Problem {
    let (az, en) = match why {
        Overrode::NotReviewed => (
            "Bu vəzifəli şəxsin bu işdəki əvvəlki təcili halı hələ araşdırılmayıb",
            "An earlier emergency of this official in this case waits for its review",
        ),
        Overrode::FoundUnjustified => (
            "Bu vəzifəli şəxsin bu işdəki təcili halı əsassız sayılıb; iş ona verilməlidir",
            "An emergency of this official in this case was found unjustified; let the case be handed over",
        ),
        Overrode::Now | Overrode::TooMany | Overrode::NoOpenCase => {
            ("Bu işdə artıq çox təcili hal olub; yeni iş açın", "This case has had too many emergencies; open another case")
        }
    };
    asked.problem(Code::CaseConflict, Origin::Consumer, az, en)
}

/// Refuses who may not act in emergencies; the refusal is journalled.
async fn refuse(
    gateway: &Arc<Gateway>,
    asked: &Asked,
    case: &CaseId,
    purpose: &str,
    (asking, presence): (&Asking, &Presence),
) -> Result<(), Problem> {
    let consumer = asked.active.snapshot.consumers.get(&asked.consumer);
    let role = consumer.and_then(|consumer| consumer.roles.get(&asking.role));
    let mut reasons = Vec::new();
    match role {
        None => reasons.push(DenialReason::RoleUnknown),
        Some(role) if !role.emergency => reasons.push(DenialReason::EmergencyNotGranted),
        Some(_) => {}
    }
    reasons.extend(presence.identity.reason(gateway.profile()));
    let official = Official::parse(&asking.official, None);
    reasons.extend(gateway.rights.standing(&asked.consumer, &official, &asking.role, clock::now()).reason());
    if reasons.is_empty() {
        return Ok(());
    }
    let question = Question {
        request_id: asked.request_id,
        dossier_id: None,
        consumer: asked.consumer.as_str(),
        service: SERVICE,
        version: "",
        purpose,
        act: "",
        emergency: None,
        case: case.as_str(),
        official: &asking.official,
        responsible: None,
        role: asking.role.as_str(),
        configuration: &asked.active.hash,
        assurance: presence.identity.level(),
        assertion_sha256: presence.assertion_sha256.as_deref(),
        premises: None,
        on_behalf_of: None,
    };
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code()).collect();
    let denied = gateway.recorder.denied(&question, None, &codes).await.map_err(|error| asked.stopped(&error.into()))?;
    gateway.metrics.denied(asked.consumer.as_str(), SERVICE);
    let errors = reasons.iter().map(|reason| refusal::field_error(*reason, asked.language)).collect();
    Err(asked
        .problem(Code::Denied, Origin::Gateway, "Səbəblər `errors` siyahısındadır", "`errors` lists every reason")
        .outcome(Outcome::Denied)
        .errors(errors)
        .receipt(ReceiptBody::whole(denied.durable())))
}

struct Asking {
    official: String,
    role: RoleId,
    assertion: Option<String>,
    reason: String,
    persons: Vec<(Subject, PersonRole)>,
    hours: i64,
}

fn read(json: &Json, gateway: &Gateway) -> Result<Asking, Vec<Broken>> {
    let Some(members) = json.as_object() else { return Err(vec![Broken::new("", Rule::Object)]) };
    let mut broken = Vec::new();
    keys(members, &["official", "role", "assertion", "reason", "persons", "hours"], &mut broken);
    let text = |key: &str| members.get(key).and_then(Json::as_str).unwrap_or_default();
    let or_required = |key: &str, rule: Rule| if members.contains_key(key) { rule } else { Rule::Required };
    // A robot sees no emergency.
    let official = Some(text("official").to_owned()).filter(|text| is_official(text) && !text.starts_with("robot:"));
    if official.is_none() {
        broken.push(Broken::new("/official", or_required("official", Rule::OfficialPerson)));
    }
    let role = RoleId::new(text("role")).ok();
    if role.is_none() {
        broken.push(Broken::new("/role", or_required("role", Rule::Code)));
    }
    let assertion = match members.get("assertion").filter(|given| !given.is_null()) {
        None => None,
        Some(Json::String(text)) if !text.is_empty() && text.len() <= ASSERTION_BYTES_MAX => Some(text.clone()),
        Some(_) => {
            broken.push(Broken::new("/assertion", Rule::OptionalText(ASSERTION_BYTES_MAX)));
            None
        }
    };
    let reason = reason(members, &mut broken);
    let given = match members.get("persons") {
        None | Some(Json::Null) => &[][..],
        Some(Json::Array(persons)) if persons.len() <= PERSONS_MAX => persons,
        Some(_) => {
            broken.push(Broken::new("/persons", Rule::List(PERSONS_MAX)));
            &[]
        }
    };
    let persons = given.iter().enumerate().filter_map(|(place, item)| person(item, &format!("/persons/{place}"), gateway, &mut broken));
    let persons: Vec<_> = persons.collect();
    let hours = match members.get("hours").filter(|given| !given.is_null()) {
        None => Some(HOURS),
        Some(hours) => hours.as_i64().filter(|hours| (1..=HOURS_MAX).contains(hours)),
    };
    if hours.is_none() {
        broken.push(Broken::new("/hours", Rule::Between(1, HOURS_MAX.unsigned_abs())));
    }
    match (official, role, hours, broken.is_empty()) {
        (Some(official), Some(role), Some(hours), true) => Ok(Asking { official, role, assertion, reason, persons, hours }),
        _ => Err(broken),
    }
}
