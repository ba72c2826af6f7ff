//! The one-window answer: a declared set of calls for one case, asked in parallel but for declared
//! dependencies, each element authorised, journalled and settled by itself.
//!
//! First form: members are those the case names; a dossier lives in memory and is lost on a
//! restart (its journal entries are not). Unanswered elements are asked again until `due` as long as
//! the process lives. What is stored is the *ask*: every reading of a dossier is authorised anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{Span, Timestamp, ToSpan};
use model::contract::{Dossier, Element, InputSource, Need, PersonRole};
use model::{Absence, ConsumerId, Outcome, Subject, Value};
use policy::{Authorised, Decision, DenialReason};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use uuid::Uuid;

use crate::answer::{ReceiptBody, SourceBody, baku_time, flags};
use crate::clock;
use crate::data::Active;
use crate::envelope::Envelope;
use crate::gateway::Gateway;
use crate::pipeline::{self, Exchange, Obtained, Stopped, Trouble};
use crate::problem::{FieldError, Language};
use crate::record::{Disclosure, Given, NoRecord, Question};
use crate::refusal;
use crate::trace::Trace;

/// Pause before unanswered elements are asked again.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// Most dossiers held in memory; the oldest that is settled or overdue makes room, and where there is
/// none no new one is opened.
const DOSSIERS_MAX: usize = 2_000;
/// Most calls of one dossier under way at once.
const CALLS_MAX: usize = 64;

/// A person of a case, as elements address him.
#[derive(Debug, Clone)]
pub struct Person {
    /// The identifier.
    pub subject: Subject,
    /// His role in the case.
    pub role: PersonRole,
}

/// A dossier in the making.
#[derive(Debug)]
pub struct OpenDossier {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub consumer: ConsumerId,
    contract: Arc<Dossier>,
    envelope: Envelope,
    due: Timestamp,
    slots: Mutex<Vec<Slot>>,
    /// Counts settled elements, so that waiters notice.
    progress: watch::Sender<usize>,
}

/// One call of the dossier.
#[derive(Debug, Clone)]
struct Slot {
    element: usize,
    person: Person,
    /// Number of the round that settled it last, from 1; 0 before the first.
    round: u32,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    /// Not answered yet.
    Waiting,
    /// Not asked, since what it needs said there is nothing to ask.
    NotNeeded(String),
    /// Asked, or denied.
    Known(Box<Known>),
}

#[derive(Debug, Clone)]
struct Known {
    obtained: Obtained,
    exchange: Exchange,
    next_attempt_at: Option<Timestamp>,
}

/// The dossiers of this process.
#[derive(Debug, Default)]
pub struct Dossiers {
    held: Mutex<HashMap<Uuid, Arc<OpenDossier>>>,
}

/// As many dossiers as memory may hold are under way.
#[derive(Debug, thiserror::Error)]
#[error("as many dossiers as memory may hold are under way")]
pub struct NoRoom;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Dossiers {
    /// The consumer's dossier of this id; another consumer's does not exist for it.
    #[must_use]
    pub fn find(&self, consumer: &ConsumerId, id: Uuid) -> Option<Arc<OpenDossier>> {
        lock(&self.held).get(&id).filter(|dossier| dossier.consumer == *consumer).cloned()
    }

    fn keep(&self, dossier: &Arc<OpenDossier>) -> Result<(), NoRoom> {
        let mut held = lock(&self.held);
        if held.len() >= DOSSIERS_MAX {
            // Ids are time-ordered (UUIDv7): the smallest is the oldest.
            let now = clock::now();
            let oldest = held.values().filter(|other| now >= other.due || other.is_settled()).map(|other| other.id).min();
            held.remove(&oldest.ok_or(NoRoom)?);
        }
        held.insert(dossier.id, Arc::clone(dossier));
        Ok(())
    }
}

/// Opens a dossier and starts asking. The envelope has been parsed, the case and persons are known.
///
/// # Errors
/// When as many dossiers as memory may hold are under way.
pub fn open(
    gateway: &Arc<Gateway>,
    contract: Arc<Dossier>,
    consumer: ConsumerId,
    envelope: Envelope,
    persons: &[Person],
) -> Result<Arc<OpenDossier>, NoRoom> {
    let now = clock::now();
    let due = now.checked_add(contract.due).unwrap_or(now);
    let slots = slots(&contract, persons);
    let dossier = Arc::new(OpenDossier {
        id: Uuid::now_v7(),
        consumer,
        contract,
        envelope,
        due,
        slots: Mutex::new(slots),
        progress: watch::Sender::new(0),
    });
    gateway.dossiers.keep(&dossier)?;
    gateway.exchanges.spawn(ask_until_settled(Arc::clone(gateway), Arc::clone(&dossier)));
    Ok(dossier)
}

fn slots(contract: &Dossier, persons: &[Person]) -> Vec<Slot> {
    let mut slots = Vec::new();
    for (element, declared) in contract.elements.iter().enumerate() {
        let concerned = persons.iter().filter(|person| declared.roles.contains(&person.role));
        slots.extend(concerned.map(|person| Slot { element, person: person.clone(), round: 0, state: State::Waiting }));
    }
    slots
}

/// Rounds of asking, until everything is settled or the dossier is due.
async fn ask_until_settled(gateway: Arc<Gateway>, dossier: Arc<OpenDossier>) {
    for round in 1.. {
        ask_round(&gateway, &dossier, round).await;
        if dossier.is_settled() || clock::now() >= dossier.due || gateway.is_draining() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY_AFTER) => {}
            () = gateway.draining() => return,
        }
        if clock::now() >= dossier.due {
            return;
        }
    }
}

/// Asks every unsettled element once: each in a task of its own, those that need another's answer
/// after it, all under one deadline.
async fn ask_round(gateway: &Arc<Gateway>, dossier: &Arc<OpenDossier>, round: u32) {
    let deadline = Instant::now() + dossier.contract.deadline;
    let open: Vec<usize> = {
        let slots = lock(&dossier.slots);
        (0..slots.len()).filter(|place| dossier.is_open(&slots[*place])).collect()
    };
    let mut tasks = tokio::task::JoinSet::new();
    let calls = Arc::new(Semaphore::new(CALLS_MAX));
    for place in open {
        let (gateway, dossier, calls) = (Arc::clone(gateway), Arc::clone(dossier), Arc::clone(&calls));
        tasks.spawn(async move { ask_slot(&gateway, &dossier, place, Round { number: round, deadline, calls }).await });
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(dossier.id = %dossier.id, error = %error, "an element's task ended abnormally");
        }
    }
}

/// One round of asking, as its elements see it.
struct Round {
    number: u32,
    deadline: Instant,
    /// Permits to call; taken only once an element has all its inputs, so that none waits for another
    /// with a permit in hand.
    calls: Arc<Semaphore>,
}

async fn ask_slot(gateway: &Arc<Gateway>, dossier: &Arc<OpenDossier>, place: usize, round: Round) {
    let slot = lock(&dossier.slots)[place].clone();
    let element = &dossier.contract.elements[slot.element];
    let inputs = dossier.inputs(element, &slot.person, &round).await;
    // Data may have been reloaded since the last round: rights are those of now.
    let Some(exchange) = dossier.exchange(&gateway.active(), element, &slot.person) else {
        tracing::error!(dossier.id = %dossier.id, "the active data have lost a service that the dossier asks");
        return;
    };
    let state = match inputs {
        Inputs::Ready(inputs) => ask_element(gateway, element, exchange.with_inputs(inputs), &round).await,
        Inputs::NotNeeded(because) => State::NotNeeded(because),
        Inputs::NotYet => Known::state(Obtained::not_asked(Trouble::Unreachable { route: false, retry_after: None }), exchange),
        Inputs::Denied => Known::state(deny_element(gateway, &exchange, vec![DenialReason::InputNotFromCase]), exchange),
    };
    dossier.settle(place, round.number, state);
}

async fn ask_element(gateway: &Arc<Gateway>, element: &Element, exchange: Exchange, round: &Round) -> State {
    // The semaphore is never closed; without a permit the call would be one too many, not wrong.
    let _permit = round.calls.acquire().await.ok();
    let mut obtained = obtain_element(gateway, &exchange, round.deadline).await.unwrap_or_else(|error| {
        tracing::error!(error = %error, "the gateway's own parts failed; an element was not asked");
        Obtained::not_asked(Trouble::Unreachable { route: false, retry_after: None })
    });
    if obtained.absence.is_some() {
        obtained.absence = Some(element.absence);
    }
    Known::state(obtained, exchange)
}

impl Known {
    fn state(obtained: Obtained, exchange: Exchange) -> State {
        State::Known(Box::new(Self { obtained, exchange, next_attempt_at: None }))
    }
}

async fn obtain_element(gateway: &Arc<Gateway>, exchange: &Exchange, deadline: Instant) -> Result<Obtained, Stopped> {
    match pipeline::authorise(gateway, exchange).await? {
        Decision::Authorised(authorised) => Ok(pipeline::obtain(gateway, exchange, &authorised, deadline, &mut Trace::default()).await?),
        Decision::Denied(denial) => Ok(deny_element(gateway, exchange, denial.reasons().to_vec())),
    }
}

/// A refused element with its entry; without one nothing is told, not even the refusal.
fn deny_element(gateway: &Arc<Gateway>, exchange: &Exchange, reasons: Vec<DenialReason>) -> Obtained {
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code()).collect();
    match gateway.recorder.denied_element(&exchange.question(""), exchange.envelope.subject.as_ref(), &codes) {
        Ok(entry) => Obtained::denied(reasons, entry),
        Err(error) => {
            tracing::error!(error = %error, "an element's refusal could not be journalled");
            Obtained::not_asked(Trouble::Unreachable { route: false, retry_after: None })
        }
    }
}

enum Inputs {
    Ready(Vec<(Box<str>, Value)>),
    NotNeeded(String),
    /// The answer it needs is not there yet.
    NotYet,
    /// The answer it needs was refused.
    Denied,
}

impl OpenDossier {
    /// The inputs of an element, waiting for the answer it needs where it needs one.
    async fn inputs(&self, element: &Element, person: &Person, round: &Round) -> Inputs {
        let mut inputs = Vec::with_capacity(element.inputs.len());
        for (name, source) in &element.inputs {
            let value = match source {
                InputSource::MonthsAgo(months) => Some(month_ago(clock::now(), *months)),
                InputSource::Input(own) => self.envelope.inputs.iter().find(|(key, _)| key == own).map(|(_, value)| value.clone()),
                InputSource::Answer { element, field } => match self.answer_of(*element, person, round).await {
                    Some(State::Known(known)) => match (&known.obtained.facts, known.obtained.outcome) {
                        (Some(facts), _) => facts.top_level(field).cloned(),
                        (None, Outcome::Unavailable | Outcome::InvalidData) => return Inputs::NotYet,
                        (None, Outcome::Denied) => return Inputs::Denied,
                        (None, outcome @ (Outcome::Found | Outcome::NotFound | Outcome::NotHeldElectronically | Outcome::Stale)) => {
                            return Inputs::NotNeeded(format!("{}: {outcome}", self.contract.elements[*element].name));
                        }
                    },
                    Some(State::NotNeeded(because)) => return Inputs::NotNeeded(because),
                    Some(State::Waiting) | None => return Inputs::NotYet,
                },
            };
            if let Some(value) = value {
                inputs.push((name.clone(), value));
            }
        }
        Inputs::Ready(inputs)
    }

    /// The state of another element for the same person, once this round has settled it.
    async fn answer_of(&self, element: usize, person: &Person, round: &Round) -> Option<State> {
        let mut progress = self.progress.subscribe();
        loop {
            if let Some(known) = self.settled_in(element, person, round.number) {
                return known;
            }
            if tokio::time::timeout_at(round.deadline, progress.changed()).await.is_err() {
                return None;
            }
        }
    }

    /// The state of an element for a person if this round will not change it any more; inner `None`
    /// where it is not asked about that person.
    fn settled_in(&self, element: usize, person: &Person, round: u32) -> Option<Option<State>> {
        let slots = lock(&self.slots);
        let found = slots.iter().find(|slot| slot.element == element && slot.person.subject == person.subject);
        let Some(slot) = found else { return Some(None) };
        (!self.is_open(slot) || slot.round == round).then(|| Some(slot.state.clone()))
    }

    /// One element's question under the active data; `None` where these have no such service any more.
    fn exchange(&self, active: &Arc<Active>, element: &Element, person: &Person) -> Option<Exchange> {
        let service = Arc::clone(active.snapshot.services.get(&element.service)?);
        let envelope = Envelope { subject: Some(person.subject.clone()), fields: None, inputs: Vec::new(), ..self.envelope.clone() };
        Some(Exchange {
            request_id: Uuid::now_v7(),
            dossier_id: Some(self.id),
            active: Arc::clone(active),
            consumer: self.consumer.clone(),
            service,
            envelope,
        })
    }

    fn settle(&self, place: usize, round: u32, mut state: State) {
        let mut slots = lock(&self.slots);
        if let State::Known(known) = &mut state
            && self.is_unanswered(&self.contract.elements[slots[place].element], &known.obtained)
        {
            let next = clock::now().checked_add(RETRY_AFTER).ok();
            known.next_attempt_at = next.filter(|next| *next < self.due);
        }
        slots[place].round = round;
        slots[place].state = state;
        drop(slots);
        self.progress.send_modify(|count| *count += 1);
    }

    /// Unanswered: `UNAVAILABLE` or `INVALID_DATA` on something the dossier cannot do without.
    fn is_unanswered(&self, element: &Element, obtained: &Obtained) -> bool {
        matches!(element.need, Need::Required | Need::Conditional)
            && matches!(obtained.outcome, Outcome::Unavailable | Outcome::InvalidData)
    }

    fn is_open(&self, slot: &Slot) -> bool {
        match &slot.state {
            State::Waiting => true,
            State::NotNeeded(_) => false,
            State::Known(known) => self.is_unanswered(&self.contract.elements[slot.element], &known.obtained),
        }
    }

    /// Whether no element is open.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let slots = lock(&self.slots);
        !slots.iter().any(|slot| self.is_open(slot))
    }

    /// Waits until the first round has answered everything it can, at most until `deadline`.
    pub async fn wait(&self, deadline: Instant) {
        let mut progress = self.progress.subscribe();
        let answered = || !lock(&self.slots).iter().any(|slot| matches!(slot.state, State::Waiting));
        while !answered() {
            if tokio::time::timeout_at(deadline, progress.changed()).await.is_err() {
                return;
            }
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.contract.id.as_str()
    }

    /// Whether it is a dossier of this name.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.contract.id.as_str() == name
    }

    fn status(&self, views: &[View<'_>]) -> &'static str {
        let open = views.iter().any(|view| self.is_open(&view.slot));
        if open {
            return if clock::now() >= self.due { "overdue" } else { "pending" };
        }
        let known = |view: &View<'_>| match &view.slot.state {
            State::Known(known) => Some((view.element.need, known.obtained.outcome, known.obtained.absence)),
            State::Waiting | State::NotNeeded(_) => None,
        };
        let states: Vec<_> = views.iter().filter_map(known).collect();
        let wants_document =
            |(need, outcome, absence): &(Need, Outcome, Option<Absence>)| *need != Need::Optional && opens_document(*outcome, *absence);
        if states.iter().any(wants_document) {
            return "awaiting_documents";
        }
        let complete = states.iter().all(|(_, outcome, _)| match outcome {
            Outcome::Found | Outcome::NotFound | Outcome::Stale => true,
            Outcome::NotHeldElectronically | Outcome::Unavailable | Outcome::Denied | Outcome::InvalidData => false,
        });
        if complete { "complete" } else { "incomplete" }
    }
}

/// Whether an outcome opens the way to a paper document: never an outage (`docs/guide/for-subsystems.md`).
fn opens_document(outcome: Outcome, absence: Option<Absence>) -> bool {
    match outcome {
        Outcome::NotHeldElectronically => true,
        Outcome::NotFound => absence == Some(Absence::Unknown),
        Outcome::Found | Outcome::Unavailable | Outcome::Denied | Outcome::InvalidData | Outcome::Stale => false,
    }
}

fn month_ago(now: Timestamp, months: u32) -> Value {
    let today = model::time::day(now);
    let back: Span = i64::from(months).months();
    let month = today.first_of_month().saturating_sub(back);
    Value::Text(month.strftime("%Y-%m").to_string().into())
}

/// A slot with the right it may be seen under at this reading.
struct View<'a> {
    slot: Slot,
    element: &'a Element,
    authorised: Option<Authorised>,
}

/// A dossier as it is delivered: authorised anew, disclosed, filtered.
///
/// # Errors
/// When the journal has no room or the store does not answer: nothing is told.
pub async fn render(
    gateway: &Arc<Gateway>,
    dossier: &OpenDossier,
    request_id: Uuid,
    language: Language,
) -> Result<(bool, String), Stopped> {
    let slots = lock(&dossier.slots).clone();
    // Rights are those of now, not those of the moment the question was asked.
    let active = Arc::clone(&gateway.active());
    let mut views = Vec::with_capacity(slots.len());
    for mut slot in slots {
        let element = &dossier.contract.elements[slot.element];
        let mut authorised = None;
        if let State::Known(known) = &mut slot.state {
            known.exchange.active = Arc::clone(&active);
            match pipeline::authorise(gateway, &known.exchange).await? {
                Decision::Authorised(right) => authorised = Some(right),
                // A right withdrawn since then: what was obtained is not shown any more, and that is a
                // decision of its own.
                Decision::Denied(denial) if known.obtained.outcome != Outcome::Denied => {
                    let exchange = Exchange { request_id, ..known.exchange.clone() };
                    known.obtained = deny_element(gateway, &exchange, denial.reasons().to_vec());
                }
                Decision::Denied(_) => {}
            }
        }
        views.push(View { slot, element, authorised });
    }
    let mut subjects: Vec<String> = views.iter().map(|view| gateway.recorder.token(&view.slot.person.subject)).collect();
    subjects.sort();
    subjects.dedup();
    let given = views.iter().map(View::given).collect();
    let disclosed = gateway
        .recorder
        .disclosed(&Disclosure {
            question: &question(request_id, Some(dossier.id), &dossier.consumer, &active, &dossier.contract, &dossier.envelope),
            subjects,
            given,
        })
        .await?;
    let settled = !views.iter().any(|view| dossier.is_open(&view.slot));
    let body = Body {
        dossier_id: dossier.id,
        dossier: dossier.contract.id.as_str(),
        version: dossier.contract.version.as_str(),
        status: dossier.status(&views),
        elements: views
            .iter()
            .filter(|view| !matches!(view.slot.state, State::NotNeeded(_)))
            .map(|view| view.element_body(gateway, language))
            .collect(),
        not_needed: views.iter().filter_map(View::not_needed).collect(),
        documents_required: views.iter().filter_map(View::document_required).collect(),
        due: dossier.due,
        receipt: ReceiptBody::whole(disclosed.durable()),
    };
    let text = serde_json::to_string(&body).map_err(NoRecord::Metadata)?;
    Ok((settled, text))
}

impl View<'_> {
    fn given(&self) -> Given<'_> {
        match (&self.slot.state, &self.authorised) {
            (State::Known(known), Some(authorised)) => pipeline::given(Some(&self.element.name), authorised, &known.obtained),
            (State::Known(known), None) => Given {
                element: Some(&self.element.name),
                rests_on: known.obtained.entry.map(|entry| entry.index),
                outcome: Some(known.obtained.outcome),
                fields: Vec::new(),
            },
            (State::Waiting | State::NotNeeded(_), _) => {
                Given { element: Some(&self.element.name), rests_on: None, outcome: None, fields: Vec::new() }
            }
        }
    }

    fn element_body<'a>(&'a self, gateway: &Gateway, language: Language) -> ElementBody<'a> {
        let blank = ElementBody {
            element: &self.element.name,
            subject: &self.slot.person.subject,
            need: self.element.need,
            outcome: None,
            absence: None,
            data: None,
            withheld: &[],
            flags: Vec::new(),
            source: None,
            next_attempt_at: None,
            errors: Vec::new(),
            receipt: None,
        };
        let State::Known(known) = &self.slot.state else { return blank };
        let obtained = &known.obtained;
        let now = clock::now();
        let mut body = ElementBody {
            outcome: Some(obtained.outcome),
            absence: obtained.absence,
            next_attempt_at: known.next_attempt_at.map(model::time::rfc3339),
            errors: obtained.reasons.iter().map(|reason| refusal::field_error(*reason, language)).collect(),
            receipt: obtained.entry.map(|entry| ReceiptBody::short(gateway.recorder.origin(), entry.index, entry.leaf_hash)),
            ..blank
        };
        if let Some(authorised) = &self.authorised {
            body.withheld = authorised.withheld();
            if obtained.is_from_source() {
                body.source = Some(SourceBody::provider(&known.exchange.service, obtained.at, now, authorised.act().as_str()));
            }
            if let Some(facts) = &obtained.facts {
                let shown = policy::filter(authorised, facts);
                body.data = serde_json::value::to_raw_value(&shown).ok();
                body.flags = flags(authorised, facts);
            }
        }
        body
    }

    fn not_needed(&self) -> Option<NotNeeded<'_>> {
        let State::NotNeeded(because) = &self.slot.state else { return None };
        Some(NotNeeded { element: &self.element.name, subject: &self.slot.person.subject, because })
    }

    fn document_required(&self) -> Option<NotNeeded<'_>> {
        let State::Known(known) = &self.slot.state else { return None };
        let wanted = self.element.need != Need::Optional && opens_document(known.obtained.outcome, known.obtained.absence);
        wanted.then(|| NotNeeded {
            element: &self.element.name,
            subject: &self.slot.person.subject,
            because: known.obtained.outcome.as_str(),
        })
    }
}

#[derive(Serialize)]
struct Body<'a> {
    dossier_id: Uuid,
    dossier: &'a str,
    version: &'a str,
    status: &'static str,
    elements: Vec<ElementBody<'a>>,
    not_needed: Vec<NotNeeded<'a>>,
    documents_required: Vec<NotNeeded<'a>>,
    #[serde(serialize_with = "baku_time")]
    due: Timestamp,
    receipt: ReceiptBody,
}

#[derive(Serialize)]
struct ElementBody<'a> {
    element: &'a str,
    #[serde(rename = "for")]
    subject: &'a Subject,
    need: Need,
    outcome: Option<Outcome>,
    absence: Option<Absence>,
    data: Option<Box<RawValue>>,
    withheld: &'a [policy::Withheld],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<crate::answer::FlagBody<'a>>,
    source: Option<SourceBody>,
    next_attempt_at: Option<String>,
    /// Why our policy refused, with `DENIED`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    receipt: Option<ReceiptBody>,
}

#[derive(Serialize)]
struct NotNeeded<'a> {
    element: &'a str,
    #[serde(rename = "for")]
    subject: &'a Subject,
    because: &'a str,
}

/// Who asks which dossier for what: the common part of its entries. The acts stand with its elements.
#[must_use]
pub fn question<'a>(
    request_id: Uuid,
    dossier_id: Option<Uuid>,
    consumer: &'a ConsumerId,
    active: &'a Active,
    contract: &'a Dossier,
    envelope: &'a Envelope,
) -> Question<'a> {
    Question {
        request_id,
        dossier_id,
        consumer: consumer.as_str(),
        service: contract.id.as_str(),
        version: contract.version.as_str(),
        purpose: envelope.purpose.as_str(),
        act: "",
        case: envelope.case.as_str(),
        official: &envelope.official,
        responsible: envelope.responsible.as_deref(),
        role: envelope.role.as_str(),
        configuration: &active.hash,
    }
}

/// The persons of a case a dossier addresses.
#[must_use]
pub fn persons(of_case: Vec<(Subject, PersonRole)>) -> Vec<Person> {
    of_case.into_iter().map(|(subject, role)| Person { subject, role }).collect()
}
