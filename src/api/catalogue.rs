//! `GET /v1/catalogue`: what this consumer may ask, for what, and on which terms.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use model::contract::{Consumer, Days, Grant, Hours, Input, Volume};
use model::{Absence, Service, Snapshot, window};
use serde_json::{Value as Json, json};

use crate::api::request::Asked;
use crate::clock;
use crate::gateway::Gateway;
use crate::problem::{Language, Problem};
use crate::sources::{BodyView, source_of};

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

/// How the service's source stands at this moment: before they ask, consumers see whether it makes sense. Of a source that
/// consists of several bodies each is told, and together they are `degraded` where they do not stand alike.
fn source_state(gateway: &Gateway, asked: &Asked, service: &Service) -> Json {
    if let Some(terms) = service.snapshot {
        let feed = gateway.feeds().get(&service.id).filter(|_| asked.active.calls.can_ask(&service.id));
        let Some(feed) = feed else { return json!({"state": "not-configured"}) };
        let view = feed.view(terms.stale_after, clock::now());
        let state = match (&view.loaded, view.overdue) {
            (None, _) => "not-loaded",
            (Some(_), true) => "stale",
            (Some(_), false) => "available",
        };
        let as_of = view.loaded.as_ref().map(|loaded| model::time::rfc3339(loaded.as_of));
        return json!({"state": state, "as_of": as_of, "stale_from": view.overdue_from.map(model::time::rfc3339)});
    }
    let quota = service.quota_on(model::time::day(clock::now()));
    let quota = json!({"per_second": quota.per_second, "burst": quota.burst});
    let window = planned_window(asked, service);
    let bodies = || gateway.sources.views(service.id.provider()).filter(|_| asked.active.calls.can_ask(&service.id));
    let standing = |body: &BodyView<'_>| standing(gateway, service.id.provider(), body);
    let Some(instances) = service.instances() else {
        let Some(only) = bodies().find(|body| body.serves.is_empty()) else { return json!({"state": NOT_CONFIGURED, "window": window}) };
        let mut told = standing(&only);
        told["window"] = json!(window);
        told["quota"] = quota;
        return told;
    };
    // Only what the contract knows: a question never goes to another.
    let connected = |body: &BodyView<'_>| -> Vec<String> {
        body.serves.iter().filter(|key| instances.connected.contains(&***key)).map(ToString::to_string).collect()
    };
    let told: Vec<Json> = bodies()
        .filter(|body| !connected(body).is_empty())
        .map(|body| {
            let mut told = standing(&body);
            told["instance"] = json!(body.instance);
            told["keys"] = json!(connected(&body));
            told
        })
        .collect();
    let served: BTreeSet<String> = bodies().flat_map(|body| connected(&body)).collect();
    let not_configured: Vec<&str> = instances.connected.iter().map(|key| &**key).filter(|key| !served.contains(*key)).collect();
    let states = told.iter().filter_map(|body| body["state"].as_str());
    let state = together(states.chain((!not_configured.is_empty()).then_some(NOT_CONFIGURED))).unwrap_or(NOT_CONFIGURED);
    json!({
        "state": state, "health": together(told.iter().filter_map(|body| body["health"].as_str())), "window": window, "quota": quota,
        "by": instances.by, "otherwise": instances.otherwise, "instances": told,
        "not_connected": instances.not_connected, "not_configured": not_configured,
    })
}

/// The state of what no way leads to.
const NOT_CONFIGURED: &str = "not-configured";

/// One word for several: theirs where they agree, and else `degraded`. `None` of none.
fn together<'a>(words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let words: BTreeSet<&str> = words.collect();
    if words.len() > 1 { Some("degraded") } else { words.first().copied() }
}

/// How one instance stands.
fn standing(gateway: &Gateway, provider: &str, body: &BodyView<'_>) -> Json {
    let view = &body.view;
    let (health, since) = gateway.watch.health(&source_of(provider, body.instance.as_str()), body.state);
    let state = match view.breaker {
        "closed" => "available",
        "open" => "suspended",
        _ => "probing",
    };
    json!({
        "state": state, "health": health, "down_since": since.map(model::time::rfc3339),
        "retry_after_seconds": view.retry_after, "calls_in_flight": view.calls_in_flight, "calls_max": view.calls_max,
        "queued": view.queued,
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
        "effect": service.effect,
        "input": inputs(&service.inputs),
        "absence": service.absence,
        "class": service.class(),
        "lifetime_seconds": service.lifetime.as_secs(),
        "seasons": service.seasons.iter().map(|season| json!({
            "months": season.months,
            "lifetime_seconds": season.lifetime.unwrap_or(service.lifetime).as_secs(),
            "absence": if season.absence_unknown { Absence::Unknown } else { service.absence },
        })).collect::<Vec<_>>(),
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
            json!({"name": input.name, "type": input.kind, "codes": input.codes, "list_max": input.list_max, "required": input.required, "comes_from": from, "range": input.range})
        })
        .collect()
}
