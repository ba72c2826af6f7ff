//! Probes: questions that the gateway asks by itself, to see whether a source is there and whether what it says is what
//! it should be (Decree 634, 6.2.1, 6.2.9). Each goes the way of every question: policy, limits, journal. It is asked as a
//! consumer of type `probe`, in a case of its own, about a marked test person of the source's.
//!
//! A source that is in doubt is asked more often: without traffic, the probe decides.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::contract::{PersonRole, Probe, Probes};
use model::{CaseId, Outcome, ProviderId, Subject};
use policy::Authorised;
use serde::Serialize;
use serde_json::{Value as Json, json};
use store::Opened;
use tokio::time::Instant;

use super::detector::Health;
use super::json as metadata;
use crate::answer::Data;
use crate::clock;
use crate::data::Active;
use crate::envelope::Envelope;
use crate::exchange::{Exchange, Freshness, Presence};
use crate::gateway::Gateway;
use crate::limit::State;
use crate::obtained::Obtained;
use crate::pipeline::{self, Ending};
use crate::record::{self, Kind};
use crate::sources::source_of;
use crate::store_access;

/// The caller that probes are asked by.
const ROBOT: &str = "robot:probe";
/// How often it is looked whose turn it is.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a source is asked while it is in doubt or out.
const DOUBT_EVERY: Duration = Duration::from_secs(2);

/// Who answers for probes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbesConfig {
    /// An official who holds the probes' role.
    pub responsible: String,
}

/// What a probe came to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// What was expected.
    AsExpected,
    /// Something else: the outcome, and the paths of fields that hold other values.
    Differs(Outcome, Vec<String>),
    /// The source did not answer; the detector knows.
    Unanswered,
    /// Our own policy refused it, or a part of the gateway failed: nothing is known.
    NotAsked(String),
}

impl Found {
    fn code(&self) -> &'static str {
        match self {
            Self::AsExpected => "as-expected",
            Self::Differs(..) => "differs",
            Self::Unanswered => "unanswered",
            Self::NotAsked(_) => "not-asked",
        }
    }
}

/// The metadata of [`Kind::ProbeJudged`], in clear: paths and codes, no value.
#[derive(Debug, Clone, Serialize)]
struct Judged<'a> {
    provider: &'a str,
    service: &'a str,
    differs: bool,
    expected: Outcome,
    outcome: Outcome,
    fields: &'a [String],
}

/// What is known between two probes of a source.
#[derive(Debug, Default)]
struct Turn {
    under_way: bool,
    asked_at: Option<Instant>,
    /// Whether its last answer differed; none before the first one.
    differed: Option<bool>,
}

/// Probes for as long as the gateway runs, where that is configured and the data name probes.
pub async fn keep_probing(gateway: Arc<Gateway>) {
    let Some(config) = gateway.watch_config().probes.clone() else { return };
    let turns: Arc<Mutex<BTreeMap<ProviderId, Turn>>> = Arc::default();
    // Held while the case is looked for: the first probes of a month come together, and one of them opens it.
    let opening: Arc<tokio::sync::Mutex<()>> = Arc::default();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = gateway.draining() => return,
        }
        let active = Arc::clone(&gateway.active());
        let Some(probes) = &active.snapshot.probes else { continue };
        for (provider, probe) in due(&gateway, probes, &turns) {
            let (gateway, active, config, turns) = (Arc::clone(&gateway), Arc::clone(&active), config.clone(), Arc::clone(&turns));
            let opening = Arc::clone(&opening);
            let exchanges = gateway.exchanges.clone();
            exchanges.spawn(async move {
                let found = ask(&gateway, &active, (&config, &opening), &probe).await;
                told(&gateway, &provider, &probe, &found, &turns).await;
            });
        }
    }
}

/// Whose turn it is; each is taken.
fn due(gateway: &Gateway, probes: &Probes, turns: &Mutex<BTreeMap<ProviderId, Turn>>) -> Vec<(ProviderId, Probe)> {
    let now = Instant::now();
    let mut turns = turns.lock().unwrap_or_else(PoisonError::into_inner);
    let mut due = Vec::new();
    for (provider, probe) in &probes.probes {
        // A source that is not configured can be asked by nobody; one of several bodies has no question for all of them.
        let Some(breaker) = gateway.sources.state(provider.as_str()) else { continue };
        let (health, _) = gateway.watch.health(&source_of(provider.as_str(), provider.as_str()), breaker);
        // A breaker that rests would turn the probe away, which says nothing.
        if breaker == State::Open {
            continue;
        }
        let every = if health == Health::Up { probe.every } else { DOUBT_EVERY };
        let turn = turns.entry(provider.clone()).or_default();
        if !turn.under_way && turn.asked_at.is_none_or(|at| now.duration_since(at) >= every) {
            turn.under_way = true;
            turn.asked_at = Some(now);
            due.push((provider.clone(), probe.clone()));
        }
    }
    due
}

/// Asks, the way of every question.
async fn ask(
    gateway: &Arc<Gateway>,
    active: &Arc<Active>,
    (config, opening): (&ProbesConfig, &tokio::sync::Mutex<()>),
    probe: &Probe,
) -> Found {
    let not_asked = |why: &str| Found::NotAsked(why.to_owned());
    let (Some(probes), Some(service)) = (&active.snapshot.probes, active.snapshot.services.get(&probe.service)) else {
        return not_asked("the data do not name it any more");
    };
    let case = {
        let _one_at_a_time = opening.lock().await;
        match case(gateway, probes).await {
            Ok(case) => case,
            Err(why) => return Found::NotAsked(why),
        }
    };
    let envelope = Envelope {
        subject: probe.subject.clone(),
        inputs: Vec::new(),
        purpose: probes.purpose.clone(),
        case,
        official: ROBOT.to_owned(),
        responsible: Some(config.responsible.clone()),
        role: probes.role.clone(),
        assertion: None,
        consents: Vec::new(),
        on_behalf_of: None,
        fields: None,
    };
    let exchange = Arc::new(Exchange {
        request_id: record::new_id(),
        dossier_id: None,
        active: Arc::clone(active),
        consumer: probes.consumer.clone(),
        service: Arc::clone(service),
        envelope,
        presence: Presence::NOT_SENT,
        freshness: Freshness { no_cache: true, ..Freshness::default() },
        traced: false,
    });
    match pipeline::run(gateway, &exchange, Instant::now() + service.timeout).await {
        Ok(Ending::Answered(answered)) => judge(probe, &answered.authorised, &answered.obtained),
        Ok(Ending::Denied(denial, _) | Ending::Withdrawn(denial, _)) => Found::NotAsked(denial.codes().join(", ")),
        Err(error) => Found::NotAsked(error.to_string()),
    }
}

fn judge(probe: &Probe, authorised: &Authorised, obtained: &Obtained) -> Found {
    match obtained.outcome {
        Outcome::Unavailable => return Found::Unanswered,
        outcome if outcome != probe.outcome => return Found::Differs(outcome, Vec::new()),
        _ => {}
    }
    let data = Data::of(authorised, obtained).and_then(|data| serde_json::to_value(data).ok()).unwrap_or(Json::Null);
    let differing = differing(probe, &data);
    if differing.is_empty() { Found::AsExpected } else { Found::Differs(obtained.outcome, differing) }
}

/// The paths of fields that do not hold what they should.
fn differing(probe: &Probe, data: &Json) -> Vec<String> {
    probe.fields.iter().filter(|(path, value)| data.get(&***path) != Some(value)).map(|(path, _)| path.to_string()).collect()
}

/// Counts what a probe came to, and reports a difference when it begins and when it is over.
async fn told(gateway: &Gateway, provider: &ProviderId, probe: &Probe, found: &Found, turns: &Mutex<BTreeMap<ProviderId, Turn>>) {
    let labels = [("provider", provider.to_string()), ("result", found.code().to_owned())];
    metrics::counter!("qovsaq_probes_total", &labels).increment(1);
    let before = turns.lock().unwrap_or_else(PoisonError::into_inner).get(provider).and_then(|turn| turn.differed);
    let judged = match found {
        Found::AsExpected => Some((false, probe.outcome, &[][..])),
        Found::Differs(outcome, fields) => Some((true, *outcome, fields.as_slice())),
        Found::Unanswered => None,
        Found::NotAsked(why) => {
            tracing::error!(provider = provider.as_str(), why, "a probe could not be asked");
            None
        }
    };
    let mut after = before;
    if let Some((differs, outcome, fields)) = judged {
        let service = probe.service.as_str();
        metrics::gauge!("qovsaq_probe_differs", "provider" => provider.to_string()).set(if differs { 1.0 } else { 0.0 });
        after = Some(differs);
        if before.unwrap_or(false) != differs {
            let judged = Judged { provider: provider.as_str(), service, differs, expected: probe.outcome, outcome, fields };
            let written = match metadata(&judged) {
                Ok(metadata) => gateway.recorder.plain_event(Kind::ProbeJudged, &metadata).await.map(drop),
                Err(error) => Err(error),
            };
            match written {
                Ok(()) if differs => {
                    tracing::error!(service, %outcome, ?fields, "a source does not say what it should about its test person")
                }
                Ok(()) => tracing::warn!(service, "a source says again what it should about its test person"),
                Err(error) => {
                    // Reported with the next probe.
                    after = before;
                    tracing::error!(%error, "a probe's result could not be journalled");
                }
            }
        }
    }
    if let Some(turn) = turns.lock().unwrap_or_else(PoisonError::into_inner).get_mut(provider) {
        turn.under_way = false;
        turn.differed = after;
    }
}

/// The open case of this month's probes; opened where it is not, the entry first. Other test persons are another case.
async fn case(gateway: &Arc<Gateway>, probes: &Probes) -> Result<CaseId, String> {
    let named = probes.probes.values().filter_map(|probe| probe.subject.as_ref());
    let subjects: BTreeMap<String, &Subject> = named.map(|subject| (subject.canonical(), subject)).collect();
    let canonical: Vec<&str> = subjects.keys().map(String::as_str).collect();
    let digest = crate::wire::sha256_of(&[canonical.join("\n").as_bytes(), probes.purpose.as_str().as_bytes()]);
    let month = model::time::day(clock::now()).strftime("%Y-%m").to_string();
    let short: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let case = CaseId::new(&format!("probes-{month}-{short}")).map_err(|error| error.to_string())?;
    let failed = |error: store_access::StoreFailed| error.to_string();
    if store_access::persons(gateway, &probes.consumer, &case).await.map_err(failed)?.is_some() {
        return Ok(case);
    }
    let persons: Vec<(Subject, PersonRole)> = subjects.into_values().map(|subject| (subject.clone(), PersonRole::Other)).collect();
    let tokens: Vec<Json> =
        persons.iter().map(|(subject, role)| json!({"subject": gateway.recorder.token(subject), "role": role})).collect();
    let event = json!({
        "request_id": record::new_id(), "consumer": probes.consumer, "case": case, "purpose": probes.purpose, "persons": tokens,
        "official": Json::Null,
    });
    gateway.recorder.event(Kind::CaseOpened, &event).await.map_err(|error| error.to_string())?;
    let opened = store_access::open_case(gateway, &probes.consumer, &case, &probes.purpose, persons, None, clock::now()).await;
    match opened.map_err(failed)? {
        Opened::Created | Opened::Repeated => Ok(case),
        Opened::Conflict(_) => Err("the case of probes is closed, or has other persons".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_by_its_path_alone() {
        let fields = [("surname", json!("Sınaqlı")), ("vehicle_count", json!(2))];
        let probe = Probe {
            service: model::ServiceId::new("interior/person-identity").expect("valid"),
            subject: None,
            every: Duration::from_secs(60),
            outcome: Outcome::Found,
            fields: fields.into_iter().map(|(path, value)| (path.into(), value)).collect(),
        };
        assert!(differing(&probe, &json!({"surname": "Sınaqlı", "vehicle_count": 2, "more": 1})).is_empty());
        assert_eq!(differing(&probe, &json!({"surname": "Örnəkli", "vehicle_count": "2"})), ["surname", "vehicle_count"]);
        assert_eq!(differing(&probe, &json!({"surname": "Sınaqlı"})), ["vehicle_count"]);
        assert_eq!(differing(&probe, &Json::Null).len(), 2);
    }
}
