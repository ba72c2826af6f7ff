//! The pipeline's questions to the store. What is in the store's memory is answered at once; what is
//! not is read off the runtime's threads.

use std::sync::Arc;

use jiff::Timestamp;
use model::contract::{Dossier, PersonRole};
use model::{CaseId, Consent, ConsumerId, PurposeId, Subject, Value};
use policy::{CaseView, ConsentRefused, Denial, DenialReason, EmergencyView, Identity, Sight};
use store::{
    Added, Closed, ConsentName, HandedOver, KnownConsent, Opened, Override, Overrode, Refused, Registered, Remembered, Review, Reviewed,
    Store, StoreError, Withdrawal, Withdrew,
};
use uuid::Uuid;

use crate::clock;
use crate::dossier::OpenDossier;
use crate::envelope::Envelope;
use crate::exchange::Exchange;
use crate::gateway::Gateway;
use crate::obtained::Obtained;
use crate::pipeline::Stopped;
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
    let acting = acting(&envelope.official, envelope.responsible.as_deref());
    let emergency = record.emergency(acting, &envelope.role, clock::now()).map(|entry| EmergencyView {
        id: entry.id.to_string().into(),
        has_subject: envelope.subject.as_ref().is_some_and(|subject| entry.persons.iter().any(|(person, _)| person == subject)),
    });
    Ok(Some(CaseView {
        open: record.is_open(),
        purpose: record.purpose().clone(),
        has_subject,
        inputs_known,
        of_another: record.official().is_some_and(|official| official != acting),
        emergency,
        refused_consents: refused_consents(gateway, exchange).await?,
    }))
}

/// Who acts: the official, or who answers for the robot.
fn acting<'a>(official: &'a str, responsible: Option<&'a str>) -> &'a str {
    responsible.filter(|_| official.starts_with("robot:")).unwrap_or(official)
}

/// Those of the consents for this question that the registry refuses.
async fn refused_consents(gateway: &Gateway, exchange: &Exchange) -> Result<Vec<(usize, ConsentRefused)>, StoreFailed> {
    let mut refused = Vec::new();
    if !exchange.service.consent {
        return Ok(refused);
    }
    let provider = exchange.service.id.provider();
    for (place, consent) in exchange.envelope.consents.iter().enumerate().filter(|(_, consent)| consent.provider.as_str() == provider) {
        let known = self::consent(gateway, &ConsentName::of(consent)).await?;
        match known.map_or(Ok(()), |known| known.allows(consent)) {
            Ok(()) => {}
            Err(Refused::Withdrawn) => refused.push((place, ConsentRefused::Withdrawn)),
            Err(Refused::Differs) => refused.push((place, ConsentRefused::Differs)),
        }
    }
    Ok(refused)
}

/// Notes a consent's first use by a consumer, in the journal first. The inner error is why it may not be used after all.
///
/// # Errors
/// When the journal takes no entry or the store fails: without it nothing is asked.
pub async fn register_consent(
    gateway: &Arc<Gateway>,
    exchange: &Exchange,
    consent: Option<&Consent>,
) -> Result<Result<(), DenialReason>, Stopped> {
    let Some(consent) = consent else { return Ok(Ok(())) };
    let used_before = |known: &KnownConsent| known.allows(consent).is_ok() && known.used(&exchange.consumer, consent);
    if gateway.store.cached_consent(&ConsentName::of(consent)).is_some_and(|known| used_before(&known)) {
        return Ok(Ok(()));
    }
    let event = serde_json::json!({
        "request_id": exchange.request_id,
        "consumer": exchange.consumer,
        "case": exchange.envelope.case,
        "provider": consent.provider,
        "reference": consent.reference,
        "sha256": consent.sha256,
        "signed_at": consent.signed_at,
        "expires_at": consent.expires_at,
        "subjects": [gateway.recorder.token(&consent.subject)],
    });
    gateway.recorder.event(Kind::ConsentRegistered, &event).await?;
    let (consumer, consent) = (exchange.consumer.clone(), consent.clone());
    let registered = blocking(gateway, move |store| store.register_consent(&consumer, &consent, clock::now())).await?;
    Ok(match registered {
        Registered::Now | Registered::Before => Ok(()),
        Registered::Refused(Refused::Withdrawn) => Err(DenialReason::ConsentWithdrawn),
        Registered::Refused(Refused::Differs) => Err(DenialReason::ConsentDiffers),
    })
}

/// Withdraws a consent. The person himself may withdraw one that nobody has used; a consumer only what it has used.
///
/// # Errors
/// When the store fails.
pub async fn withdraw_consent(gateway: &Gateway, name: ConsentName, by: ConsumerId, by_person: bool) -> Result<Withdrew, StoreFailed> {
    blocking(gateway, move |store| store.withdraw_consent(&name, Withdrawal { at: clock::now(), by }, by_person)).await
}

/// The consents in a person's name.
///
/// # Errors
/// When the store fails.
pub async fn consents_of(gateway: &Gateway, subject: &Subject) -> Result<Vec<KnownConsent>, StoreFailed> {
    let subject = subject.clone();
    blocking(gateway, move |store| store.consents_of(&subject)).await
}

/// What the registry knows of a consent.
///
/// # Errors
/// When the store fails.
pub async fn consent(gateway: &Gateway, name: &ConsentName) -> Result<Option<Arc<KnownConsent>>, StoreFailed> {
    if let Some(known) = gateway.store.cached_consent(name) {
        return Ok(Some(known));
    }
    let name = name.clone();
    blocking(gateway, move |store| store.consent(&name)).await
}

/// Hands a case over from one official to another.
///
/// # Errors
/// When the store fails.
pub async fn hand_over(
    gateway: &Gateway,
    consumer: &ConsumerId,
    case: &CaseId,
    from: Option<String>,
    to: String,
) -> Result<HandedOver, StoreFailed> {
    let (consumer, case) = (consumer.clone(), case.clone());
    blocking(gateway, move |store| store.hand_over(&consumer, &case, from.as_deref(), &to)).await
}

/// Begins an emergency override.
///
/// # Errors
/// When the store fails.
pub async fn begin_override(gateway: &Gateway, entry: Override) -> Result<Overrode, StoreFailed> {
    blocking(gateway, move |store| store.begin_override(&entry)).await
}

/// The overrides that wait for their review.
///
/// # Errors
/// When the store fails.
pub async fn overrides_to_review(gateway: &Gateway) -> Result<Vec<Override>, StoreFailed> {
    blocking(gateway, Store::overrides_to_review).await
}

/// How many overrides wait for their review.
///
/// # Errors
/// When the store fails.
pub async fn count_overrides_to_review(gateway: &Gateway) -> Result<u32, StoreFailed> {
    blocking(gateway, Store::count_overrides_to_review).await
}

/// An emergency override.
///
/// # Errors
/// When the store fails.
pub async fn override_of(gateway: &Gateway, id: Uuid) -> Result<Option<Override>, StoreFailed> {
    blocking(gateway, move |store| store.override_of(id)).await
}

/// Takes down an override's review.
///
/// # Errors
/// When the store fails.
pub async fn review_override(gateway: &Gateway, id: Uuid, review: Review) -> Result<Reviewed, StoreFailed> {
    blocking(gateway, move |store| store.review_override(id, review)).await
}

/// The case as it stands; `None` where the consumer has none of this name.
///
/// # Errors
/// When the store fails.
pub async fn case(gateway: &Gateway, consumer: &ConsumerId, case: &CaseId) -> Result<Option<Arc<store::Case>>, StoreFailed> {
    load(gateway, consumer, case).await
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
    official: Option<String>,
    now: Timestamp,
) -> Result<Opened, StoreFailed> {
    let (consumer, case, purpose) = (consumer.clone(), case.clone(), purpose.clone());
    blocking(gateway, move |store| store.open_case(&consumer, &case, &purpose, persons, official, now)).await
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

/// Whether a dossier may be opened at all: its purpose, who asks, an open case of that purpose, and the
/// envelope's subject (where it names one) in the case.
///
/// # Errors
/// When the store fails.
pub async fn may_open(
    gateway: &Gateway,
    consumer: &ConsumerId,
    dossier: &Dossier,
    envelope: &Envelope,
    identity: Identity,
) -> Result<Result<(), Denial>, StoreFailed> {
    let mut reasons = Vec::new();
    if envelope.purpose != dossier.purpose {
        reasons.push(DenialReason::PurposeNotGranted);
    }
    reasons.extend(identity.reason(gateway.profile()));
    if let Some(representation) = &envelope.on_behalf_of {
        let active = gateway.active();
        let role = active.snapshot.consumers.get(consumer).and_then(|consumer| consumer.roles.get(&envelope.role));
        reasons.extend(policy::representation_refused(representation, role, model::time::day(clock::now())));
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
            let acting = acting(&envelope.official, envelope.responsible.as_deref());
            let in_emergency = || case.emergency(acting, &envelope.role, clock::now()).is_some();
            if case.official().is_some_and(|official| official != acting) && !in_emergency() {
                reasons.push(DenialReason::CaseOfAnother);
            }
            if envelope.subject.as_ref().is_some_and(|subject| !case.has(subject)) {
                reasons.push(DenialReason::PersonNotInCase);
            }
        }
    }
    Ok(Denial::unless_none(reasons))
}
