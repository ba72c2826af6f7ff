//! `GET /v1/catalogue`: what this consumer may ask, for what, and on which terms.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use model::contract::{Consumer, Days, Grant, Hours, Input, Volume};
use model::{Service, Snapshot, window};
use serde_json::{Value as Json, json};

use crate::api::request::Asked;
use crate::clock;
use crate::gateway::Gateway;
use crate::problem::{Language, Problem};
use crate::sources::source_of;

/// The consumer's own catalogue.
///
/// # Errors
/// Only those of every request (unknown or expired certificate).
pub async fn catalogue(State(gateway): State<Arc<Gateway>>, asked: Asked) -> Result<Response, Problem> {
    let snapshot = &asked.active.snapshot;
    let Some(consumer) = snapshot.consumers.get(&asked.consumer) else {
        return Err(asked.not_found("İstehlakçı tapılmadı", "The consumer is not in the active data"));
    };
    let services: Vec<Json> = granted(consumer, snapshot)
        .map(|(service, grants)| service_entry(service, &grants, &source_state(&gateway, &asked, service), asked.language))
        .collect();
    let names = |name: &model::contract::Bilingual| asked.language.pick(&name.az, &name.en).to_owned();
    let dossiers: Vec<Json> = snapshot
        .dossiers
        .values()
        .filter(|dossier| consumer.grants.iter().any(|grant| grant.purposes.contains(&dossier.purpose)))
        .map(|dossier| {
            json!({
                "dossier": dossier.id, "version": dossier.version, "name": names(&dossier.name), "purpose": dossier.purpose,
                "input": inputs(&dossier.inputs),
                "elements": dossier.elements.iter().map(|element| json!({
                    "element": element.name, "service": element.service, "need": element.need, "for": element.roles, "absence": element.absence, "stops": element.stops,
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    let purposes: Vec<Json> = snapshot
        .purposes
        .values()
        .filter(|purpose| consumer.grants.iter().any(|grant| grant.purposes.contains(&purpose.id)))
        .map(|purpose| json!({"purpose": purpose.id, "name": names(&purpose.name)}))
        .collect();
    let body = json!({
        "consumer": consumer.id, "type": consumer.kind, "name": names(&consumer.name), "profile": gateway.profile(), "configuration": asked.active.hash,
        "journal": {"origin": gateway.recorder.origin(), "verifying_key": gateway.verifying_key().to_string()},
        "roles": consumer.roles.iter().map(|(id, role)| json!({"role": id, "name": names(&role.name), "class_max": role.class_max, "automated": role.automated})).collect::<Vec<_>>(),
        "purposes": purposes, "services": services, "dossiers": dossiers,
    });
    Ok(asked.answer(StatusCode::OK, body.to_string()))
}

/// The services a consumer has grants for, each with its grants.
pub fn granted<'a>(consumer: &'a Consumer, snapshot: &'a Snapshot) -> impl Iterator<Item = (&'a Arc<Service>, Vec<&'a Grant>)> {
    snapshot.services.values().filter_map(|service| {
        let grants: Vec<&Grant> = consumer.grants.iter().filter(|grant| grant.service == service.id).collect();
        (!grants.is_empty()).then_some((service, grants))
    })
}

/// How the service's source stands at this moment: before they ask, consumers see whether it makes sense.
fn source_state(gateway: &Gateway, asked: &Asked, service: &Service) -> Json {
    let view = gateway.sources.view(service.id.provider()).filter(|_| asked.active.calls.can_ask(&service.id));
    let window = planned_window(asked, service);
    let Some((view, breaker)) = view.zip(gateway.sources.state(service.id.provider())) else {
        return json!({"state": "not-configured", "window": window});
    };
    let (health, since) = gateway.watch.health(&source_of(service.id.provider()), breaker);
    let quota = service.quota_on(model::time::day(clock::now()));
    let state = match view.breaker {
        "closed" => "available",
        "open" => "suspended",
        _ => "probing",
    };
    json!({
        "state": state, "health": health, "down_since": since.map(model::time::rfc3339), "window": window,
        "retry_after_seconds": view.retry_after, "calls_in_flight": view.calls_in_flight, "calls_max": view.calls_max,
        "queued": view.queued, "quota": {"per_second": quota.per_second, "burst": quota.burst},
    })
}

/// The planned window that is now, or else the next one.
fn planned_window(asked: &Asked, service: &Service) -> Option<Json> {
    let now = clock::now();
    let windows = &asked.active.snapshot.providers.iter().find(|(id, _)| id.as_str() == service.id.provider())?.1.windows;
    let (window, span) = window::at(windows, now).or_else(|| window::after(windows, now))?;
    Some(json!({
        "now": span.from <= now, "from": model::time::rfc3339(span.from), "until": model::time::rfc3339(span.until),
        "effect": window.effect, "reason": asked.language.pick(&window.reason.az, &window.reason.en),
    }))
}

fn service_entry(service: &Service, grants: &[&Grant], source: &Json, language: Language) -> Json {
    let in_force = service.agreement.in_force(model::time::day(clock::now()));
    json!({
        "service": service.id,
        "version": service.version,
        "name": language.pick(&service.name.az, &service.name.en),
        "legal_reference": service.legal_reference,
        "agreement": {"number": service.agreement.number, "valid_until": service.agreement.valid_until.to_string(), "in_force": in_force},
        "route": service.route.as_str(),
        "subject": service.subject,
        "input": inputs(&service.inputs),
        "absence": service.absence,
        "class": service.class(),
        "lifetime_seconds": service.lifetime.as_secs(),
        "timeout_seconds": service.timeout.as_secs_f64(),
        "consent": service.consent,
        "state": source["state"],
        "source": source,
        "grants": grants.iter().map(|grant| json!({
            "purposes": grant.purposes, "acts": grant.acts, "special": grant.special, "roles": grant.roles, "subject": grant.subject,
            "answer": grant.answer.as_ref().map(|predicate| language.pick(&predicate.question.az, &predicate.question.en)),
            "hours": grant.hours.as_ref().map(hours), "volume": grant.volume.as_ref().map(volume),
            "rows": grant.rows.iter().map(|rule| json!({"list": rule.list, "field": rule.field, "allow": rule.allow, "input": rule.input})).collect::<Vec<_>>(),
            "fields": grant.fields.intersection(service.agreed()).iter().filter_map(|index| service.leaves.get(index)).map(|leaf| json!({"field": leaf.path, "class": leaf.class, "handling": leaf.handling})).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

fn hours(hours: &Hours) -> Json {
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let days = match hours.days {
        Days::OfWeek(days) => json!(DAYS.iter().zip(days).filter(|(_, covered)| *covered).map(|(day, _)| *day).collect::<Vec<_>>()),
        Days::Working => json!("working"),
    };
    let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    json!({"days": days, "from": time(hours.from), "to": time(hours.to), "zone": "Asia/Baku"})
}

fn volume(volume: &Volume) -> Json {
    json!({"requests_per_day": volume.requests_per_day, "persons_per_day": volume.persons_per_day})
}

fn inputs(inputs: &[Input]) -> Vec<Json> {
    inputs
        .iter()
        .map(|input| {
            let from = input.comes_from.as_ref().map(|(service, field)| format!("{service}.{field}"));
            json!({"name": input.name, "type": input.kind, "codes": input.codes, "list_max": input.list_max, "required": input.required, "comes_from": from})
        })
        .collect()
}
