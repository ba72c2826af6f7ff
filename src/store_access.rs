//! The pipeline's questions to the store. What is in the store's memory is answered at once; what is
//! not is read off the runtime's threads.

use std::sync::Arc;

use jiff::Timestamp;
use model::contract::{Dossier, PersonRole};
use model::{CaseId, ConsumerId, PurposeId, Subject, Value};
use policy::{CaseView, Denial, DenialReason, Sight};
use store::{Added, Closed, Opened, Remembered, Store, StoreError};

use crate::dossier::OpenDossier;
use crate::envelope::Envelope;
use crate::exchange::Exchange;
use crate::gateway::Gateway;
use crate::obtained::Obtained;
use crate::record::{Kind, Place};

/// The store did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum StoreFailed {
    /// The store itself failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The task that asked it ended abnormally.
    #[error("the store's task ended abnormally")]
    Task(#[from] tokio::task::JoinError),
}

async fn blocking<T: Send + 'static>(
    gateway: &Gateway,
    ask: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreFailed> {
    let store = Arc::clone(&gateway.store);
    Ok(tokio::task::spawn_blocking(move || ask(&store)).await??)
}

/// What the store says about the case of an exchange; `None` where the consumer has no such case.
///
/// # Errors
/// When the store fails: that is no answer about the case, and nothing is decided on a guess.
pub async fn case_view(gateway: &Gateway, exchange: &Exchange) -> Result<Option<CaseView>, StoreFailed> {
    let (consumer, case) = (&exchange.consumer, &exchange.envelope.case);
    let Some(record) = load(gateway, consumer, case).await? else { return Ok(None) };
    let envelope = &exchange.envelope;
    let has_subject = envelope.subject.as_ref().is_none_or(|subject| record.has(subject));
    let mut inputs_known = true;
    for input in &exchange.service.inputs {
        let Some((service, field)) = &input.comes_from else { continue };
        let Some((_, value)) = envelope.inputs.iter().find(|(name, _)| *name == input.name) else { continue };
        inputs_known &= match value.as_text() {
            Some(text) => has_answer(gateway, consumer, case, answer_name(service, field), text).await?,
            None => false,
        };
    }
    Ok(Some(CaseView { open: record.is_open(), purpose: record.purpose().clone(), has_subject, inputs_known }))
}

async fn has_answer(gateway: &Gateway, consumer: &ConsumerId, case: &CaseId, name: String, text: &str) -> Result<bool, StoreFailed> {
    if gateway.store.cached_answer(consumer, case, &name, text) {
        return Ok(true);
    }
    let (consumer, case, text) = (consumer.clone(), case.clone(), text.to_owned());
    blocking(gateway, move |store| store.has_answer(&consumer, &case, &name, &text)).await
}

async fn load(gateway: &Gateway, consumer: &ConsumerId, case: &CaseId) -> Result<Option<Arc<store::Case>>, StoreFailed> {
    if let Some(record) = gateway.store.cached_case(consumer, case) {
        return Ok(Some(record));
    }
    let (consumer, case) = (consumer.clone(), case.clone());
    blocking(gateway, move |store| store.case(&consumer, &case)).await
}

fn answer_name(service: &model::ServiceId, field: &str) -> String {
    format!("{service}.{field}")
}

/// Remembers, in the case, identifying values that other contracts want to stem from it, as far as the right
/// shows them: what a consumer was not told it cannot have from there.
///
/// # Errors
/// When the store fails: what needs the value would be refused as if nobody had answered it.
pub async fn remember(gateway: &Arc<Gateway>, exchange: &Exchange, sight: &Sight, obtained: &Obtained) -> Result<(), StoreFailed> {
    let Some(facts) = &obtained.facts else { return Ok(()) };
    let wanted = exchange.active.remembered.iter().filter(|(service, _)| *service == exchange.service.id);
    for (service, field) in wanted {
        let Some(text) = sight.value(facts, field).and_then(Value::as_text).map(str::to_owned) else { continue };
        let (consumer, case) = (exchange.consumer.clone(), exchange.envelope.case.clone());
        let name = answer_name(service, field);
        // Asked again, the same value is there already; and a write would wait for its flush.
        if gateway.store.cached_answer(&consumer, &case, &name, &text) {
            continue;
        }
        let remembered = blocking(gateway, move |store| store.remember_answer(&consumer, &case, &name, &text)).await?;
        if remembered == Remembered::Full {
            tracing::warn!(service = %exchange.service.id, "a case remembers as many answers as it may; what needs this one will be denied");
        }
    }
    Ok(())
}

/// Opens a case.
///
/// # Errors
/// When the store fails.
pub async fn open_case(
    gateway: &Gateway,
    consumer: &ConsumerId,
    case: &CaseId,
    purpose: &PurposeId,
    persons: Vec<(Subject, PersonRole)>,
    now: Timestamp,
) -> Result<Opened, StoreFailed> {
    let (consumer, case, purpose) = (consumer.clone(), case.clone(), purpose.clone());
    blocking(gateway, move |store| store.open_case(&consumer, &case, &purpose, persons, now)).await
}

/// Closes a case.
///
/// # Errors
/// When the store fails.
pub async fn close_case(gateway: &Gateway, consumer: &ConsumerId, case: &CaseId, now: Timestamp) -> Result<Closed, StoreFailed> {
    let (consumer, case) = (consumer.clone(), case.clone());
    blocking(gateway, move |store| store.close_case(&consumer, &case, now)).await
}

/// The persons of a case; `None` where the consumer has no such case.
///
/// # Errors
/// When the store fails.
pub async fn persons(gateway: &Gateway, consumer: &ConsumerId, case: &CaseId) -> Result<Option<Vec<(Subject, PersonRole)>>, StoreFailed> {
    Ok(load(gateway, consumer, case).await?.map(|record| record.persons().to_vec()))
}

/// Takes the members that a dossier's answer names into its case, and journals those that are new there.
///
/// # Errors
/// When the store fails, the case is closed or full, or the journal has no room: nobody may be asked about
/// them then.
pub async fn add_persons(
    gateway: &Arc<Gateway>,
    dossier: &OpenDossier,
    persons: Vec<(Subject, PersonRole)>,
    rests_on: Option<Place>,
) -> anyhow::Result<()> {
    let (consumer, case) = (dossier.consumer.clone(), dossier.case().clone());
    let there = load(gateway, &consumer, &case).await?;
    let new: Vec<_> = persons.iter().filter(|(subject, _)| !there.as_ref().is_some_and(|case| case.has(subject))).collect();
    if new.is_empty() {
        return Ok(());
    }
    // The entry first: a crash in between leaves an entry without effect, never an effect without its entry.
    let event = serde_json::json!({
        "dossier_id": dossier.id,
        "consumer": dossier.consumer,
        "case": dossier.case(),
        "rests_on": rests_on.map(|place| place.index),
        "persons": new.iter().map(|(subject, role)| serde_json::json!({"subject": gateway.recorder.token(subject), "role": role})).collect::<Vec<_>>(),
    });
    gateway.recorder.event(Kind::MembersDiscovered, &event).await?;
    match blocking(gateway, move |store| store.add_persons(&consumer, &case, persons)).await? {
        Added::Now(_) => Ok(()),
        Added::NoOpenCase => anyhow::bail!("the case is not open any more"),
    }
}

/// Whether a dossier may be opened at all: its purpose, an open case of that purpose, and the
/// envelope's subject (where it names one) in the case.
///
/// # Errors
/// When the store fails.
pub async fn may_open(
    gateway: &Gateway,
    consumer: &ConsumerId,
    dossier: &Dossier,
    envelope: &Envelope,
) -> Result<Result<(), Denial>, StoreFailed> {
    let mut reasons = Vec::new();
    if envelope.purpose != dossier.purpose {
        reasons.push(DenialReason::PurposeNotGranted);
    }
    match load(gateway, consumer, &envelope.case).await? {
        None => reasons.push(DenialReason::CaseUnknown),
        Some(case) => {
            if !case.is_open() {
                reasons.push(DenialReason::CaseClosed);
            }
            if *case.purpose() != envelope.purpose {
                reasons.push(DenialReason::CasePurpose);
            }
            if envelope.subject.as_ref().is_some_and(|subject| !case.has(subject)) {
                reasons.push(DenialReason::PersonNotInCase);
            }
        }
    }
    Ok(Denial::unless_none(reasons))
}
