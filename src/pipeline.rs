//! One question's way through the house, and back, on one page:
//!
//! ```text
//! listener ─ identify ─ parse ─ AUTHORISE ─ plan ─ INTENT ─ call ─ classify ─ read ─ check ─ ANSWERED
//!                                                                                            │
//!                                    answer + receipt ─ filter ─ DISCLOSED ──────────────────┘
//! ```
//!
//! `identify` and `parse` have happened when a question arrives here (`identify.rs`, `envelope.rs`).
//! Cache, shared flights and limits come between *plan* and *INTENT*; a dossier (`dossier.rs`) takes
//! the same way for each of its elements and discloses them together.
//!
//! What the types guarantee: [`Authorised`] comes from the policy alone, [`crate::call::Calls`] is
//! entered with a durable intent alone, and an answer is built from a durable disclosure alone.

use std::error::Error as _;
use std::sync::Arc;

use adapter_core::{CallError, CallErrorKind, Context, Origin, Sent};
use jiff::Timestamp;
use mapping::Reading;
use model::contract::Capture;
use model::{Absence, ConsumerId, Facts, Outcome, Service, Value};
use policy::{Ask, Authorised, Decision, Denial, DenialReason, Official};
use tokio::time::Instant;
use uuid::Uuid;

use crate::clock;
use crate::data::Active;
use crate::envelope::Envelope;
use crate::gateway::Gateway;
use crate::record::{AnswerEvidence, Disclosed, Disclosure, Given, Journalled, NoRecord, Place, Question};
use crate::store_access::{self, StoreFailed};
use crate::trace::Trace;

/// Someone asks something: what identify and parse made of a request.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The exchange's id, on every surface and in every entry.
    pub request_id: Uuid,
    /// The dossier it is asked for, where it is.
    pub dossier_id: Option<Uuid>,
    /// The data it began with; a reload does not change it under way.
    pub active: Arc<Active>,
    /// Who asks.
    pub consumer: ConsumerId,
    /// What is asked.
    pub service: Arc<Service>,
    /// The envelope.
    pub envelope: Envelope,
}

/// What a question came to before it is disclosed.
#[derive(Debug, Clone)]
pub struct Obtained {
    /// The outcome.
    pub outcome: Outcome,
    /// What absence means, with `NOT_FOUND`.
    pub absence: Option<Absence>,
    /// The record, with `FOUND`.
    pub facts: Option<Arc<Facts>>,
    /// When the source answered, or the attempt ended.
    pub at: Timestamp,
    /// The entry that proves it: Answered, Failed or Denied.
    pub entry: Option<Place>,
    /// What hindered, where something did.
    pub trouble: Option<Trouble>,
    /// Why our own policy refused, with `DENIED` by us.
    pub reasons: Vec<DenialReason>,
}

/// Why there is no usable answer; decides status and origin of the problem document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The deadline or the contract's timeout passed.
    Deadline,
    /// The provider or the route could not be reached, or is out of order.
    Unreachable {
        /// Whether the route (EHİS) rather than the provider failed.
        route: bool,
        /// When the source says that asking again makes sense, in seconds.
        retry_after: Option<u64>,
    },
    /// The provider or the route refused.
    Refused {
        /// Whether the route refused.
        route: bool,
    },
    /// The answer broke its contract.
    Broken,
    /// The answer could not be journalled with what its contract captures, so it is not used.
    NotJournalled,
}

/// An answer on its way out: facts, what may be seen of them, and the durable disclosure.
#[derive(Debug)]
pub struct Answered {
    /// The right it is given under.
    pub authorised: Authorised,
    /// What the question came to.
    pub obtained: Obtained,
    /// Proof that it is in the journal.
    pub disclosed: Journalled<Disclosed>,
}

/// How a question ended.
#[derive(Debug)]
pub enum Ending {
    /// With an answer, good or bad.
    Answered(Box<Answered>),
    /// Refused by policy, journalled.
    Denied(Denial, Journalled<crate::record::Denied>),
    /// The journal could not take it, or the store did not say whether it may be asked: nothing was
    /// asked, or nothing is told.
    Stopped(Stopped),
}

/// Why an exchange ended without an answer or a refusal: the gateway's own parts failed.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The journal takes no entry.
    #[error(transparent)]
    NoRecord(#[from] NoRecord),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreFailed),
}

/// Takes one question all the way. Runs in a task of its own: a caller that goes away does not
/// stop it (`docs/journal-rules.md`, "Cancellation").
pub async fn run(gateway: Arc<Gateway>, exchange: Exchange, deadline: Instant, mut trace: Trace) -> (Ending, Trace) {
    let ending = travel(&gateway, &exchange, deadline, &mut trace).await.unwrap_or_else(Ending::Stopped);
    (ending, trace)
}

async fn travel(gateway: &Arc<Gateway>, exchange: &Exchange, deadline: Instant, trace: &mut Trace) -> Result<Ending, Stopped> {
    let authorised = match authorise(gateway, exchange).await? {
        Decision::Authorised(authorised) => authorised,
        Decision::Denied(denial) => {
            let question = exchange.question("");
            let denied = gateway.recorder.denied(&question, exchange.envelope.subject.as_ref(), &denial.codes()).await?;
            return Ok(Ending::Denied(denial, denied));
        }
    };
    let obtained = obtain(gateway, exchange, &authorised, deadline, trace).await?;
    let disclosed = disclose(gateway, exchange, &authorised, &obtained).await?;
    Ok(Ending::Answered(Box::new(Answered { authorised, obtained, disclosed })))
}

impl Exchange {
    /// The part of every entry that says who asks what for what.
    #[must_use]
    pub fn question<'a>(&'a self, act: &'a str) -> Question<'a> {
        Question {
            request_id: self.request_id,
            dossier_id: self.dossier_id,
            consumer: self.consumer.as_str(),
            service: self.service.id.as_str(),
            version: self.service.version.as_str(),
            purpose: self.envelope.purpose.as_str(),
            act,
            case: self.envelope.case.as_str(),
            official: &self.envelope.official,
            responsible: self.envelope.responsible.as_deref(),
            role: self.envelope.role.as_str(),
            configuration: &self.active.hash,
        }
    }

    /// The same question with these inputs.
    #[must_use]
    pub fn with_inputs(mut self, inputs: Vec<(Box<str>, Value)>) -> Self {
        self.envelope.inputs = inputs;
        self
    }

    fn ask(&self) -> Ask {
        let envelope = &self.envelope;
        Ask {
            service: self.service.id.clone(),
            subject: envelope.subject.clone(),
            purpose: envelope.purpose.clone(),
            case: envelope.case.clone(),
            official: Official::parse(&envelope.official, envelope.responsible.as_deref()),
            role: envelope.role.clone(),
            assertion: envelope.assertion.clone(),
            fields: envelope.fields.clone(),
        }
    }
}

/// AUTHORISE: agreement ∩ function ∩ powers, for this purpose, act, case, person and role, and
/// identifying inputs only where an answer in the same case gave them.
///
/// # Errors
/// When the store does not say what stands in the case.
pub async fn authorise(gateway: &Arc<Gateway>, exchange: &Exchange) -> Result<Decision, StoreFailed> {
    let case = store_access::case_view(gateway, exchange).await?;
    let snapshot = &exchange.active.snapshot;
    // A dossier may outlive its consumer's place in the data.
    let Some(consumer) = snapshot.consumers.get(&exchange.consumer) else {
        return Ok(Decision::Denied(Denial::of(DenialReason::NoGrant)));
    };
    Ok(policy::decide(&exchange.ask(), consumer, snapshot, case.as_ref(), gateway.profile(), clock::now()))
}

/// INTENT, call, classify, read, check, ANSWERED: asks the source and journals both ends. The
/// result is not for the consumer yet: its disclosure must be durable first.
///
/// # Errors
/// When the journal has no room for the intent: nothing was asked.
pub async fn obtain(
    gateway: &Arc<Gateway>,
    exchange: &Exchange,
    authorised: &Authorised,
    deadline: Instant,
    trace: &mut Trace,
) -> Result<Obtained, NoRecord> {
    let service = &exchange.service;
    let envelope = &exchange.envelope;
    // Whom the policy decided about is whom the question names; the envelope is not looked at again.
    let subject = authorised.subject();
    // PLAN: the compiled mapping writes the question before anything is journalled, so that an
    // intent means "about to send".
    let plan = exchange.active.plans.get(&service.id).filter(|_| exchange.active.calls.can_ask(&service.id));
    let written = plan.and_then(|plan| match plan.write(subject, &envelope.inputs.iter().cloned().collect()) {
        Ok(wire) => Some((plan, wire)),
        Err(error) => {
            tracing::error!(request.id = %exchange.request_id, service = %service.id, %error, "a question could not be written");
            None
        }
    });
    let Some((plan, wire)) = written else {
        let trouble = Trouble::Unreachable { route: false, retry_after: None };
        return Ok(Obtained::without_answer(Outcome::Unavailable, trouble, None));
    };
    trace.asked(&wire);
    let question = crate::wire::question(wire);

    let asked = serde_json::json!({"subject": subject, "input": envelope.inputs_as_json()});
    let intent = gateway.recorder.intent(&exchange.question(authorised.act().as_str()), &service.id, subject, &asked).await?;

    let started = Instant::now();
    let deadline = deadline.min(started + service.timeout);
    let context = Context { exchange_id: exchange.request_id, official: &envelope.official, case: envelope.case.as_str(), deadline };
    let called = exchange.active.calls.perform(&intent, &service.id, &question, &context).await;
    let took = started.elapsed();
    gateway.metrics.called(service, took, called.as_ref().err());

    // CLASSIFY: what came back, or why nothing did.
    let wire = match called {
        Ok(wire) => wire,
        Err(error) => {
            trace.failed(&error);
            let cause = error.source().map(ToString::to_string);
            tracing::warn!(request.id = %exchange.request_id, service = %service.id, %error, cause, "a provider call failed");
            let (outcome, trouble) = classify(&error);
            let entry = intent.failed(crate::call::code(&error), origin_word(error.origin()), error.sent() == Sent::Maybe);
            return Ok(Obtained::without_answer(outcome, trouble, Some(entry)));
        }
    };
    trace.answered(&wire);

    // READ and CHECK: the mapping decides the outcome first, then reads the declared fields in the
    // contract's types; anything the contract forbids is INVALID_DATA and not used.
    let read = plan.read(mapping::WireAnswer { status: wire.status, body: &wire.body }, gateway.profile(), &mapping::Limits::default());
    trace.read(plan, &read);
    let broken = read.as_ref().err().map(ToString::to_string);
    if let Some(broken) = &broken {
        tracing::warn!(request.id = %exchange.request_id, service = %service.id, broken, "a provider's answer breaks its contract");
    }
    let evidence = AnswerEvidence {
        outcome: read.as_ref().map_or(Outcome::InvalidData, |reading| reading.outcome),
        rule: read.as_ref().ok().map(|reading| reading.rule),
        status: wire.status,
        bytes: wire.body.len(),
        sha256: (service.capture != Capture::None).then(|| crate::wire::sha256_base64(&wire.body)),
        undeclared: read.as_ref().map_or(0, |reading| reading.undeclared.count),
        broken: broken.as_deref(),
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    };
    gateway.metrics.answered(service, &evidence);
    let captured = match (service.capture, &read) {
        (Capture::Exact, _) => Some(wire.body.to_vec()),
        (Capture::Fields, Ok(Reading { facts: Some(facts), .. })) => serde_json::to_vec(&facts.show(&service.agreed())).ok(),
        _ => None,
    };
    let entry = match intent.answered(&evidence, captured.as_deref()) {
        Ok(entry) => entry,
        Err(entry) => return Ok(Obtained::without_answer(Outcome::Unavailable, Trouble::NotJournalled, Some(entry))),
    };

    Ok(match read {
        Ok(reading) => {
            let obtained = Obtained::of(reading, service, &wire, entry);
            store_access::remember(gateway, exchange, &obtained).await;
            obtained
        }
        Err(_) => Obtained::without_answer(Outcome::InvalidData, Trouble::Broken, Some(entry)),
    })
}

/// What a failed call says about the question: never anything about the person.
fn classify(error: &CallError) -> (Outcome, Trouble) {
    let route = error.origin() == Origin::Route;
    match error.kind() {
        CallErrorKind::Deadline => (Outcome::Unavailable, Trouble::Deadline),
        CallErrorKind::TooLarge | CallErrorKind::ContentType | CallErrorKind::Malformed => (Outcome::InvalidData, Trouble::Broken),
        CallErrorKind::RouteRefused { .. } => (Outcome::Denied, Trouble::Refused { route }),
        CallErrorKind::RouteUnavailable { .. }
        | CallErrorKind::Connect
        | CallErrorKind::Tls
        | CallErrorKind::Reset
        | CallErrorKind::Status(_)
        | CallErrorKind::Question(_) => {
            (Outcome::Unavailable, Trouble::Unreachable { route, retry_after: error.retry_after().map(|after| after.as_secs()) })
        }
    }
}

fn origin_word(origin: Origin) -> &'static str {
    match origin {
        Origin::Provider => "provider",
        Origin::Route => "route",
        Origin::Gateway => "gateway",
    }
}

impl Obtained {
    /// Not asked at all, for this reason.
    #[must_use]
    pub fn not_asked(trouble: Trouble) -> Self {
        Self::without_answer(Outcome::Unavailable, trouble, None)
    }

    /// Refused by our own policy, for these reasons, as this entry says.
    #[must_use]
    pub fn denied(reasons: Vec<DenialReason>, entry: Place) -> Self {
        Self { outcome: Outcome::Denied, absence: None, facts: None, at: clock::now(), entry: Some(entry), trouble: None, reasons }
    }

    /// Whether the source itself gave the answer.
    #[must_use]
    pub fn is_from_source(&self) -> bool {
        self.trouble.is_none()
            && matches!(self.outcome, Outcome::Found | Outcome::NotFound | Outcome::NotHeldElectronically | Outcome::Stale)
    }

    fn without_answer(outcome: Outcome, trouble: Trouble, entry: Option<Place>) -> Self {
        Self { outcome, absence: None, facts: None, at: clock::now(), entry, trouble: Some(trouble), reasons: Vec::new() }
    }

    fn of(reading: Reading, service: &Service, wire: &adapter_core::WireAnswer, entry: Place) -> Self {
        let trouble = match reading.outcome {
            Outcome::Unavailable => Some(Trouble::Unreachable { route: false, retry_after: wire.retry_after.map(|after| after.as_secs()) }),
            Outcome::Denied => Some(Trouble::Refused { route: false }),
            Outcome::InvalidData => Some(Trouble::Broken),
            Outcome::Found | Outcome::NotFound | Outcome::NotHeldElectronically | Outcome::Stale => None,
        };
        Self {
            outcome: reading.outcome,
            absence: (reading.outcome == Outcome::NotFound).then_some(service.absence),
            facts: reading.facts.map(Arc::new),
            at: clock::now(),
            entry: Some(entry),
            trouble,
            reasons: Vec::new(),
        }
    }
}

/// DISCLOSED: what is about to be told, durable before any of it is (R3).
async fn disclose(
    gateway: &Arc<Gateway>,
    exchange: &Exchange,
    authorised: &Authorised,
    obtained: &Obtained,
) -> Result<Journalled<Disclosed>, NoRecord> {
    let subjects = exchange.envelope.subject.iter().map(|subject| gateway.recorder.token(subject)).collect();
    let given = given(None, authorised, obtained);
    let disclosure = Disclosure { question: &exchange.question(authorised.act().as_str()), subjects, given: vec![given] };
    gateway.recorder.disclosed(&disclosure).await
}

/// What one answer gives, for the disclosure's entry.
#[must_use]
pub fn given<'a>(element: Option<&'a str>, authorised: &Authorised, obtained: &'a Obtained) -> Given<'a> {
    let fields = match &obtained.facts {
        // In the facts' own contract, which may be an older version than the right's.
        Some(facts) => {
            let given = policy::filter(authorised, facts).fields();
            facts.service.leaves.iter().enumerate().filter(|(index, _)| given.contains(*index)).map(|(_, leaf)| &*leaf.path).collect()
        }
        None => Vec::new(),
    };
    Given { element, rests_on: obtained.entry.map(|entry| entry.index), outcome: Some(obtained.outcome), fields }
}
