//! One question's way through the house, and back, on one page:
//!
//! ```text
//! listener ─ identify ─ parse ─ AUTHORISE ─┬─ cache (fresh?) ────────────────────────────────────────────────┐
//!                                          └─ flight ─ plan ─ limit ─ INTENT ─ call ─ classify ─ read ─ check ─ ANSWERED ─┤
//!                                                         answer + receipt ─ filter ─ DISCLOSED ─────────────┘
//! ```
//!
//! `identify` and `parse` have happened when a question arrives here (`identify.rs`, `envelope.rs`).
//! A dossier (`dossier.rs`) takes the same way for each of its elements and discloses them together.
//!
//! What the types guarantee: [`Authorised`] comes from the policy alone, [`crate::call::Calls`] is
//! entered with a durable intent alone, and an answer is built from a durable disclosure alone.
//!
//! The call to the source is a *flight* in a task of its own. It outlives a caller that goes away or
//! whose deadline passes: what has been asked is answered, journalled and kept, within the contract's
//! timeout. Questions that are the same, for the same consumer and purpose where the facts are
//! confidential, share one flight.

use std::collections::HashSet;
use std::error::Error as _;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use adapter_core::{CallError, CallErrorKind, Context, Origin, Sent};
use jiff::Timestamp;
use mapping::Reading;
use model::contract::{Capture, Retry};
use model::{Absence, ActId, Consent, Outcome, Service, Subject};
use policy::{Authorised, Decision, Denial, DenialReason, Sight};
use store::quality::ItemKind;
use tokio::time::Instant;
use uuid::Uuid;

use crate::cache::{Fresh, Key, Lookup, Mark, Repeated};
use crate::clock;
use crate::exchange::Exchange;
use crate::flight::{Flight, Waited};
use crate::gateway::Gateway;
use crate::limit::retry::jitter;
use crate::limit::{Attempt, Observed, Spent, next_attempt};
use crate::obtained::{Obtained, Trouble, Via, classify};
use crate::premises::Premises;
use crate::quarantine::{self, AnswerContent, Arrived};
use crate::reading::{self, Broken};
use crate::record::{AnswerEvidence, Denied, Disclosed, Disclosure, Given, IntentPayload, Journalled, Named, NoRecord, Place};
use crate::sources::{Way, source_of};
use crate::store_access::{self, StoreFailed};
use crate::trace::Trace;
use crate::watch::{Came, Ended, Failure, OUT_OF_ORDER};

/// Flights a caller joins anew when one ends without a result (its task was stopped) before it gives up.
const FLIGHTS_MAX: u32 = 3;

/// What a disclosure's entry calls a yes or no, beside the paths of fields.
pub const ANSWER: &str = "answer";

/// An answer on its way out: facts, what may be seen of them, and the durable disclosure.
#[derive(Debug)]
pub struct Answered {
    /// The right it is given under.
    pub authorised: Authorised,
    /// What the question came to.
    pub obtained: Obtained,
    /// Proof that it is in the journal.
    pub disclosed: Journalled<Disclosed>,
    /// The call's steps, where they are to be shown.
    pub landed: Option<Arc<Landed>>,
}

/// How a question ended.
#[derive(Debug)]
pub enum Ending {
    /// With an answer, good or bad.
    Answered(Box<Answered>),
    /// Refused by policy, journalled.
    Denied(Denial, Journalled<Denied>),
    /// Asked, but who asked does not hold his right any more: nothing is told, journalled.
    Withdrawn(Denial, Journalled<Denied>),
}

/// Why an exchange ended without an answer or a refusal of policy: the gateway's own parts failed, or the consumer
/// has used up what it may ask.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The journal takes no entry.
    #[error(transparent)]
    NoRecord(#[from] NoRecord),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreFailed),
    /// The grant may not be used any more today.
    #[error(transparent)]
    Spent(#[from] Spent),
}

/// Takes one question all the way.
///
/// # Errors
/// When the journal could not take it, or the store did not say whether it may be asked: nothing was
/// asked, or nothing is told.
pub async fn run(gateway: &Arc<Gateway>, exchange: &Arc<Exchange>, deadline: Instant) -> Result<Ending, Stopped> {
    let Judged { decision, premises } = authorise(gateway, exchange).await?;
    let authorised = match decision {
        Decision::Authorised(authorised) => authorised,
        Decision::Denied(denial) => {
            let question = exchange.question("", None, Some(&premises));
            let denied = gateway.recorder.denied(&question, exchange.envelope.subject.as_ref(), &denial.codes()).await?;
            return Ok(Ending::Denied(denial, denied));
        }
    };
    allow(gateway, &authorised)?;
    let mut asking = Asking::begin(gateway, exchange, &authorised, Arc::clone(&premises), deadline);
    let waited = asking.is_flying();
    let obtained = asking.until(deadline).await;
    // The source has taken its time: what is disclosed is decided by what holds now, of rights, case and consents
    // (001, 3.1.20).
    let (authorised, premises) = match waited {
        false => (authorised, premises),
        true => match authorise(gateway, exchange).await? {
            Judged { decision: Decision::Authorised(authorised), premises } => (authorised, premises),
            Judged { decision: Decision::Denied(denial), premises } => {
                let question = exchange.question("", authorised.emergency(), Some(&premises));
                let denied = gateway.recorder.denied(&question, exchange.envelope.subject.as_ref(), &denial.codes()).await?;
                return Ok(Ending::Withdrawn(denial, denied));
            }
        },
    };
    let disclosed = disclose(gateway, exchange, &authorised, &premises, &obtained).await?;
    // Identifying values are remembered in every case that is told them, once that is in the journal.
    store_access::remember(gateway, exchange, authorised.sight(), &obtained).await?;
    Ok(Ending::Answered(Box::new(Answered { authorised, obtained, disclosed, landed: asking.landed })))
}

/// Counts one use of the grant, whether it will be answered by the source or from what is kept: told is told. Over
/// its volume the use is counted in the metrics, and not journalled one by one, as over a consumer's quota.
///
/// # Errors
/// When the grant's volume of the day is used up.
pub fn allow(gateway: &Gateway, authorised: &Authorised) -> Result<(), Spent> {
    gateway.sources.count_use(authorised).inspect_err(|_| gateway.metrics.over_volume(authorised.consumer(), authorised.service()))
}

/// A decision and what it was made from.
#[derive(Debug)]
pub struct Judged {
    /// The decision.
    pub decision: Decision,
    /// What it was made from, for the entries that rest on it.
    pub premises: Arc<Premises>,
}

/// AUTHORISE: agreement ∩ function ∩ powers, for this purpose, act, case, person and role, with the
/// person's consent where the contract wants it, and identifying inputs only where an answer in the
/// same case gave them.
///
/// # Errors
/// When the store does not say what stands in the case, or the journal takes no entry of a consent's first use.
pub async fn authorise(gateway: &Arc<Gateway>, exchange: &Exchange) -> Result<Judged, Stopped> {
    let case = store_access::case_view(gateway, exchange).await?;
    let (ask, profile, now) = (exchange.ask(), exchange.profile(gateway.profile()), clock::now());
    let powers = exchange.powers(&gateway.rights, now);
    let mut premises = Premises::of(&ask, &exchange.service, case, powers, profile, now);
    let snapshot = &exchange.active.snapshot;
    // A dossier may outlive its consumer's place in the data.
    let Some(consumer) = snapshot.consumers.get(&exchange.consumer) else {
        return Ok(Judged { decision: Decision::Denied(Denial::of(DenialReason::NoGrant)), premises: Arc::new(premises) });
    };
    let decision = policy::decide(&ask, consumer, snapshot, premises.case(), powers, profile, now);
    let decision = match decision {
        // From its first use on, a consent is what it was then, and can be withdrawn.
        Decision::Authorised(authorised) => match store_access::register_consent(gateway, exchange, authorised.consent()).await? {
            Ok(()) => Decision::Authorised(authorised),
            Err(reason) => {
                // Found out only now, and the decision's ground all the same.
                premises.refuse_consent(&ask, authorised.consent(), reason);
                Decision::Denied(Denial::of(reason))
            }
        },
        denied @ Decision::Denied(_) => denied,
    };
    Ok(Judged { decision, premises: Arc::new(premises) })
}

/// An authorised question on its way to an answer: a kept one, or a flight's.
#[derive(Debug)]
pub struct Asking {
    gateway: Arc<Gateway>,
    errand: Arc<Errand>,
    state: State,
    /// The flight's result with its steps, once there is one.
    pub landed: Option<Arc<Landed>>,
}

#[derive(Debug)]
enum State {
    Known(Box<Obtained>),
    Flying(Flight<Arc<Landed>>),
}

/// What a flight brings: the same for all who share it.
#[derive(Debug)]
pub struct Landed {
    /// What the question came to.
    obtained: Obtained,
    /// The call's steps, where they are to be shown.
    pub trace: Trace,
}

/// What a right lets the source be asked.
#[derive(Debug)]
struct Errand {
    exchange: Arc<Exchange>,
    // Whom the policy decided about is whom the question names; the envelope is not looked at again.
    subject: Option<Subject>,
    act: ActId,
    premises: Arc<Premises>,
    emergency: Option<Box<str>>,
    consent: Option<Consent>,
    /// What the right shows of an answer.
    sight: Sight,
    /// Which of the source's instances is asked.
    way: Way,
    /// None where answers are neither kept nor shared.
    key: Option<Key>,
    /// Where the intent stands, once it is durable.
    intent: OnceLock<Place>,
}

impl Asking {
    /// Takes a kept answer that is fresh enough, or joins or begins a flight to the source.
    #[must_use]
    pub fn begin(
        gateway: &Arc<Gateway>,
        exchange: &Arc<Exchange>,
        authorised: &Authorised,
        premises: Arc<Premises>,
        deadline: Instant,
    ) -> Self {
        let way = gateway.sources.way(&exchange.service, &exchange.envelope.inputs);
        let key = way.instance().and_then(|instance| gateway.keys.key(&exchange.asked(authorised.subject(), instance)));
        let errand = Arc::new(Errand {
            exchange: Arc::clone(exchange),
            subject: authorised.subject().cloned(),
            act: authorised.act().clone(),
            premises,
            emergency: authorised.emergency().map(Box::from),
            consent: authorised.consent().cloned(),
            sight: authorised.sight().clone(),
            way,
            key,
            intent: OnceLock::new(),
        });
        let known = match &errand.way {
            Way::NotConnected(key) => Some(Obtained::not_connected(key.clone())),
            Way::To(_) | Way::None => kept(gateway, &errand),
        };
        let state = match known {
            Some(obtained) => State::Known(Box::new(obtained)),
            // What nobody waits for is not begun.
            None if deadline <= Instant::now() => State::Known(Box::new(Obtained::not_asked(Trouble::Deadline { retry_after: None }))),
            None => State::Flying(fly(gateway, &errand, deadline)),
        };
        Self { gateway: Arc::clone(gateway), errand, state, landed: None }
    }

    /// Waits for the answer until `deadline`, and gives it as the right shows it. May be called again after
    /// that: the flight goes on.
    pub async fn until(&mut self, deadline: Instant) -> Obtained {
        let obtained = self.obtained(deadline).await;
        Obtained { instance: self.errand.way.instance().cloned(), ..obtained }
    }

    async fn obtained(&mut self, deadline: Instant) -> Obtained {
        for _ in 0..FLIGHTS_MAX {
            let State::Flying(flight) = &mut self.state else { break };
            match flight.wait(deadline).await {
                Waited::Landed { value: landed, led } => {
                    // The leader had less time to queue for the source than we have.
                    if !led && matches!(landed.obtained.trouble, Some(Trouble::Busy { .. })) {
                        self.state = State::Flying(fly(&self.gateway, &self.errand, deadline));
                        continue;
                    }
                    let via = match landed.obtained.via {
                        Via::Snapshot => Via::Snapshot,
                        _ if led => Via::Provider,
                        _ => Via::Flight,
                    };
                    self.state = State::Known(Box::new(Obtained { via, ..landed.obtained.clone() }));
                    self.landed = Some(landed);
                }
                Waited::Deadline => {
                    let entry = self.errand.intent.get().copied();
                    // Without an intent the one that leads is still waiting for the source's turn.
                    let trouble = match entry {
                        None if flight.led() => Trouble::Busy { retry_after: 1 },
                        _ => Trouble::Deadline { retry_after: None },
                    };
                    return Obtained::without_answer(Outcome::Unavailable, trouble, entry);
                }
                // It may have been sent: whether to ask again is the caller's to say.
                Waited::Gone if self.errand.intent.get().is_some() => {
                    let entry = self.errand.intent.get().copied();
                    let route = false;
                    let gone = Obtained::without_answer(Outcome::Unavailable, Trouble::Unreachable { route, retry_after: None }, entry);
                    self.state = State::Known(Box::new(gone));
                }
                Waited::Gone => self.state = State::Flying(fly(&self.gateway, &self.errand, deadline)),
            }
        }
        match &self.state {
            State::Known(obtained) => {
                let absence = self.errand.exchange.absence(None, obtained.at);
                Obtained::clone(obtained).seen(&self.errand.sight, absence)
            }
            State::Flying(_) => Obtained::without_answer(Outcome::Unavailable, Trouble::Gateway, self.errand.intent.get().copied()),
        }
    }

    /// What the right shows of an answer.
    #[must_use]
    pub fn sight(&self) -> &Sight {
        &self.errand.sight
    }

    /// Whether the source has not answered yet.
    #[must_use]
    pub fn is_flying(&self) -> bool {
        matches!(self.state, State::Flying(_))
    }
}

/// CACHE: a kept answer, where the contract lets one be kept and the request takes it.
fn kept(gateway: &Gateway, errand: &Errand) -> Option<Obtained> {
    let freshness = errand.exchange.freshness;
    let now = clock::now();
    // What was kept before a season began is too old in it as soon as the season says so.
    let lifetime = errand.exchange.service.lifetime_on(model::time::day(now));
    let max_age = freshness.max_age.map_or(lifetime, |max_age| max_age.min(lifetime));
    let found = match errand.key.as_ref().filter(|_| !freshness.no_cache) {
        Some(key) => match gateway.cache.get(key, now, Some(max_age)) {
            // "No record" is never kept: a hit would tell that there is one after all.
            Lookup::Hit(hit) if errand.sight.hides(&hit.facts) => Lookup::Miss,
            found => found,
        },
        None => Lookup::Miss,
    };
    gateway.metrics.looked_up(&errand.exchange.service, &found);
    match found {
        Lookup::Hit(hit) => Some(Obtained {
            outcome: Outcome::Found,
            absence: None,
            facts: Some(Arc::new(hit.facts)),
            answer: None,
            at: hit.obtained_at,
            expires_at: Some(hit.expires_at),
            via: Via::Cache,
            instance: None,
            not_connected: None,
            entry: Some(hit.source.into()),
            trouble: None,
            reasons: Vec::new(),
        }),
        Lookup::TooOld(_) | Lookup::Miss if freshness.only_if_cached => Some(Obtained::not_asked(Trouble::NotCached)),
        Lookup::TooOld(_) | Lookup::Miss => None,
    }
}

/// FLIGHT: joins the flight that asks the same, or begins one in a task of its own.
fn fly(gateway: &Arc<Gateway>, errand: &Arc<Errand>, deadline: Instant) -> Flight<Arc<Landed>> {
    let work = {
        let (gateway, errand) = (Arc::clone(gateway), Arc::clone(errand));
        move || async move {
            let mut trace = if errand.exchange.traced { Trace::collecting() } else { Trace::default() };
            let obtained = obtain(&gateway, &errand, deadline, &mut trace).await.unwrap_or_else(|error| {
                tracing::error!(request.id = %errand.exchange.request_id, %error, "the journal takes no intent; the source was not asked");
                Obtained::not_asked(Trouble::Gateway)
            });
            Arc::new(Landed { obtained, trace })
        }
    };
    gateway.flights.fly(errand.key, &gateway.exchanges, work)
}

/// PLAN, LIMIT, INTENT, call, classify, read, check, ANSWERED: asks the source and journals both ends.
/// The result is not for the consumer yet: its disclosure must be durable first.
async fn obtain(gateway: &Arc<Gateway>, errand: &Errand, deadline: Instant, trace: &mut Trace) -> Result<Obtained, NoRecord> {
    let Errand { exchange, subject, consent, .. } = errand;
    let (service, envelope) = (&exchange.service, &exchange.envelope);
    let subject = subject.as_ref();

    // PLAN: the compiled mapping writes the question before anything is journalled, so that an
    // intent means "about to send".
    let plan = exchange.active.plans.get(&service.id).filter(|_| exchange.active.calls.can_ask(&service.id));
    let (Some(plan), Some(instance)) = (plan, errand.way.instance()) else { return Ok(Obtained::not_asked(Trouble::NotConfigured)) };
    let inputs = envelope.inputs.iter().cloned().collect();
    let written = match plan.write(&mapping::Asked { subject, inputs: &inputs, consent: consent.as_ref() }) {
        Ok(written) => written,
        Err(error) => {
            // The contract was checked against its mapping, so this is a gap in our own checks.
            tracing::error!(request.id = %exchange.request_id, service = %service.id, %error, "a question cannot be written");
            return Ok(Obtained::not_asked(Trouble::Gateway));
        }
    };
    trace.asked(&written);
    let question = crate::wire::question(written);

    let source = source_of(service.id.provider(), instance.as_str());
    // LIMIT: the source's own bounds, as far as the deadline allows to wait for them.
    let mut permit = match gateway.sources.admit(service, instance, &exchange.consumer, deadline).await {
        Some(Ok(permit)) => permit,
        Some(Err(refused)) => {
            gateway.watch.not_sent(&service.id, &source, &refused, exchange.dossier_id);
            return Ok(Obtained::not_asked(refused.into()));
        }
        None => return Ok(Obtained::not_asked(Trouble::NotConfigured)),
    };

    // INTENT: durable before any byte that names the subject leaves (R1).
    let consented = consent.as_ref().map(|consent| &*consent.reference);
    let payload = IntentPayload {
        subject,
        input: &envelope.inputs,
        consent: consented,
        basis: envelope.on_behalf_of.as_ref().map(|acting| &*acting.reference),
    };
    let question_asked = exchange.question(errand.act.as_str(), errand.emergency.as_deref(), Some(&errand.premises));
    let intent = gateway.recorder.intent(&question_asked, &service.id, instance, &payload).await?;
    errand.intent.get_or_init(|| intent.place());

    // CALL, again where the contract and the source's budget allow it.
    let (asked_at, started, mark) = (clock::now(), Instant::now(), gateway.cache.mark(&service.id));
    let context = Context {
        exchange_id: exchange.request_id,
        official: &envelope.official,
        case: envelope.case.as_str(),
        repeat_key: repeat_key(gateway, errand),
        deadline: started + service.timeout,
    };
    let mut attempts = 1_u32;
    let (called, last_took) = loop {
        let sent_at = Instant::now();
        let called = exchange.active.calls.perform(&intent, &question, &context).await;
        let Some(pause) = pause_before_repeating(&called, service.retry, attempts, context.deadline) else {
            break (called, sent_at.elapsed());
        };
        permit.report(Observed { ok: false, took: sent_at.elapsed() });
        tokio::time::sleep(pause).await;
        // Only now: a token taken before the pause would be spent beside those of the pause.
        if !permit.may_repeat() {
            break (called, sent_at.elapsed());
        }
        gateway.metrics.repeated(service);
        attempts += 1;
    };
    let took = started.elapsed();
    gateway.metrics.called(service, instance, took, called.as_ref().err());
    let saw = |came: Came| {
        // A look-up shows nothing of the source; that it does not deliver shows in how far its feed has come.
        if service.snapshot.is_some() {
            return;
        }
        let (service, source, probe, dossier) = (&service.id, &source, exchange.is_probe(), exchange.dossier_id);
        gateway.watch.saw(&Ended { service, source, sent_at: asked_at, took, probe, dossier, came });
    };

    // CLASSIFY: what came back, or why nothing did.
    let wire = match called {
        Ok(wire) => wire,
        Err(error) => {
            trace.failed(&error);
            let cause = error.source().map(ToString::to_string);
            tracing::warn!(request.id = %exchange.request_id, service = %service.id, %instance, %error, cause, attempts, "a provider call failed");
            let (outcome, trouble) = classify(&error);
            // What cannot be read is no service either; a refusal is.
            let no_file = matches!(error.kind(), CallErrorKind::NoSnapshot);
            permit.report(Observed { ok: no_file || outcome == Outcome::Denied, took: last_took });
            if error.origin() != Origin::Gateway {
                let failure = Failure { cause: crate::call::code(&error), route: error.origin() == Origin::Route };
                let failure = (outcome != Outcome::Denied).then_some(failure);
                saw(Came { outcome, failure, unknown: false, undeclared: 0 });
            }
            let code = crate::call::code(&error);
            let entry = intent.failed(code, origin_word(error.origin()), error.sent() == Sent::Maybe);
            if outcome == Outcome::InvalidData {
                let broken = Broken::rule(code);
                gateway.drift.read(service, &Err(broken.clone()), clock::now());
                // The transport has let go of what it could not take.
                quarantine_answer(gateway, exchange, &broken, entry, 0, None).await;
            }
            return Ok(Obtained::without_answer(outcome, trouble, Some(entry)));
        }
    };
    trace.answered(&wire);

    // READ and CHECK: the mapping decides the outcome first, then reads the declared fields in the
    // contract's types; anything the contract forbids, and an answer to another question than ours, is
    // INVALID_DATA and not used.
    // A source that knows a question by its consent answers it once more with what it made for the first.
    let since = consent.as_ref().map_or(asked_at, |consent| consent.signed_at);
    let profile = exchange.profile(gateway.profile());
    let asked = reading::Question { subject, inputs: &envelope.inputs, since };
    let answer = mapping::WireAnswer { status: wire.status, body: &wire.body };
    let read = reading::read(plan, answer, &asked, profile, trace);
    let broken = read.as_ref().err().map(|broken| broken.text.as_str());
    if let Some(broken) = broken {
        tracing::warn!(request.id = %exchange.request_id, service = %service.id, %instance, broken, "a provider's answer breaks its contract");
    }
    let dated = wire.as_of.map(|as_of| Dated::of(service, as_of, clock::now()));
    let evidence = AnswerEvidence {
        outcome: read.as_ref().map_or(Outcome::InvalidData, |reading| outcome(reading.outcome, dated)),
        rule: read.as_ref().ok().map(|reading| reading.rule),
        status: wire.status,
        bytes: wire.body.len(),
        sha256: (service.capture != Capture::None).then(|| crate::wire::sha256_base64(&wire.body)),
        undeclared: read.as_ref().map_or(0, |reading| reading.undeclared.count),
        broken,
        attempts,
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        key_switched: wire.key_switched,
    };
    if wire.key_switched {
        tracing::warn!(request.id = %exchange.request_id, service = %service.id, "a source takes the next key: the one before is worth nothing any more");
    }
    if evidence.outcome == Outcome::Unavailable {
        tracing::warn!(request.id = %exchange.request_id, service = %service.id, %instance, status = wire.status, attempts, "a source says that it is out of order");
    }
    // That a file is late is not told by looking into the last one.
    permit.report(Observed { ok: dated.is_some() || evidence.outcome != Outcome::Unavailable, took: last_took });
    let out_of_order = Failure { cause: OUT_OF_ORDER, route: false };
    let absence = read
        .as_ref()
        .ok()
        .filter(|reading| reading.outcome == Outcome::NotFound)
        .map(|reading| exchange.absence(reading.absence, asked_at));
    saw(Came {
        outcome: evidence.outcome,
        failure: (evidence.outcome == Outcome::Unavailable).then_some(out_of_order),
        unknown: absence == Some(Absence::Unknown),
        undeclared: evidence.undeclared,
    });
    gateway.metrics.answered(service, &evidence);
    gateway.drift.read(service, &read, clock::now());
    let captured = match (service.capture, &read) {
        (Capture::Exact, _) => Some(wire.body.to_vec()),
        (Capture::Fields, Ok(Reading { facts: Some(facts), .. })) => serde_json::to_vec(&facts.show(&service.agreed())).ok(),
        _ => None,
    };
    let persons = read.as_ref().ok().and_then(|reading| reading.facts.as_ref()).map(Named::of).unwrap_or_default();
    let entry = match intent.answered(&evidence, &persons, captured.as_deref()) {
        Ok(entry) => entry,
        Err(entry) => return Ok(Obtained::without_answer(Outcome::Unavailable, Trouble::NotJournalled, Some(entry))),
    };
    if let Some(broken) = reading::broken(&read) {
        let content = (service.capture != Capture::None).then(|| AnswerContent::new(&asked, profile, wire.status, &wire.body).encode());
        quarantine_answer(gateway, exchange, &broken, entry, wire.body.len(), content.flatten()).await;
    }
    let obtained = match read {
        Ok(reading) => of_reading(reading, exchange, &wire, dated, entry),
        Err(_) => Obtained::without_answer(Outcome::InvalidData, Trouble::Broken, Some(entry)),
    };
    keep(gateway, errand, &obtained, mark);
    Ok(obtained)
}

/// Keeps an answer apart that breaks its contract. Whether or not that succeeds, nothing of it is used.
async fn quarantine_answer(gateway: &Gateway, exchange: &Exchange, broken: &Broken, entry: Place, bytes: usize, content: Option<Vec<u8>>) {
    let service = &exchange.service;
    let version = service.version.to_string();
    let arrived = Arrived {
        kind: ItemKind::Answer,
        provider: service.id.provider(),
        matter: service.id.as_str(),
        version: &version,
        configuration: &exchange.active.hash,
        rule: &broken.rule,
        path: broken.path.as_deref(),
        entry: Some(entry.index),
        request_id: Some(exchange.request_id),
        bytes,
        content,
    };
    if let Err(error) = quarantine::keep(gateway, arrived).await {
        tracing::error!(request.id = %exchange.request_id, %error, "an answer that breaks its contract could not be quarantined; its entry tells of it");
    }
}

/// The key under which a provider that takes one knows every repetition of this question in this case.
fn repeat_key(gateway: &Gateway, errand: &Errand) -> Uuid {
    let exchange = &errand.exchange;
    // A consent that was given anew is another question.
    let consents: Vec<[u8; 32]> = errand
        .consent
        .iter()
        .filter_map(|consent| {
            crate::wire::sha256_from_base64(&consent.sha256).map(|hash| crate::wire::sha256_of(&[&hash, consent.reference.as_bytes()]))
        })
        .collect();
    let repeated = Repeated {
        service: &exchange.service,
        consumer: &exchange.consumer,
        case: &exchange.envelope.case,
        subject: errand.subject.as_ref(),
        inputs: &exchange.envelope.inputs,
        consents: &consents,
    };
    crate::cache::repeat_key(&gateway.repeat_key, &repeated)
}

/// How long to wait before the same question is sent again; none where it must not or need not be.
fn pause_before_repeating(
    called: &Result<adapter_core::WireAnswer, CallError>,
    retry: Retry,
    number: u32,
    deadline: Instant,
) -> Option<std::time::Duration> {
    let idempotent = retry == Retry::Idempotent;
    let failed = match called {
        // Out of order for the moment, and says so.
        Ok(wire) => {
            let retryable = matches!(wire.status, 429 | 502 | 503 | 504);
            Attempt { number, idempotent, retryable, unsent: false, retry_after: wire.retry_after }
        }
        Err(error) => {
            let unsent = error.sent() == Sent::No;
            Attempt { number, idempotent, retryable: error.retryable(), unsent, retry_after: error.retry_after() }
        }
    };
    next_attempt(failed, Instant::now(), deadline, jitter())
}

/// From when what was looked up in a snapshot is, and until when that counts.
#[derive(Debug, Clone, Copy)]
struct Dated {
    as_of: Timestamp,
    until: Option<Timestamp>,
    overdue: bool,
}

impl Dated {
    fn of(service: &Service, as_of: SystemTime, now: Timestamp) -> Self {
        let as_of = Timestamp::try_from(as_of).unwrap_or(Timestamp::MIN);
        let until = service.snapshot.and_then(|terms| terms.stale_after).and_then(|term| crate::feeds::expiry(as_of, term));
        Self { as_of, until, overdue: until.is_some_and(|until| until <= now) }
    }
}

/// What an answer comes to where the file it is out of is overdue: its record is stale, and of who is not in it, it says
/// nothing any more.
fn outcome(read: Outcome, dated: Option<Dated>) -> Outcome {
    match (read, dated) {
        (Outcome::Found, Some(Dated { overdue: true, .. })) => Outcome::Stale,
        (Outcome::NotFound | Outcome::NotHeldElectronically, Some(Dated { overdue: true, .. })) => Outcome::Unavailable,
        (read, _) => read,
    }
}

fn of_reading(reading: Reading, exchange: &Exchange, wire: &adapter_core::WireAnswer, dated: Option<Dated>, entry: Place) -> Obtained {
    let reading = Reading { outcome: outcome(reading.outcome, dated), ..reading };
    let trouble = match reading.outcome {
        Outcome::Unavailable => Some(Trouble::Unreachable { route: false, retry_after: wire.retry_after.map(|after| after.as_secs()) }),
        Outcome::Denied => Some(Trouble::Refused { route: false }),
        Outcome::InvalidData => Some(Trouble::Broken),
        Outcome::Found | Outcome::NotFound | Outcome::NotHeldElectronically | Outcome::Stale => None,
    };
    let at = dated.map_or_else(clock::now, |dated| dated.as_of);
    let lifetime = jiff::SignedDuration::try_from(exchange.service.lifetime_on(model::time::day(at))).unwrap_or_default();
    Obtained {
        outcome: reading.outcome,
        absence: (reading.outcome == Outcome::NotFound).then(|| exchange.absence(reading.absence, at)),
        facts: reading.facts.map(Arc::new),
        answer: None,
        at,
        // Only a record is kept.
        expires_at: match dated {
            Some(dated) => dated.until,
            None if lifetime.is_zero() || reading.outcome != Outcome::Found => None,
            None => at.checked_add(lifetime).ok(),
        },
        via: if dated.is_some() { Via::Snapshot } else { Via::Provider },
        instance: None,
        not_connected: None,
        entry: Some(entry),
        trouble,
        reasons: Vec::new(),
    }
}

/// Keeps a record for later questions; anything else the source says ends what was kept, and so does a
/// record of which the asking right shows nothing.
fn keep(gateway: &Gateway, errand: &Errand, obtained: &Obtained, mark: Mark) {
    let Some(key) = errand.key else { return };
    match (&obtained.facts, obtained.entry) {
        (Some(facts), Some(entry)) if obtained.outcome == Outcome::Found && !errand.sight.hides(facts) => {
            let lifetime = errand.exchange.service.lifetime_on(model::time::day(obtained.at));
            let fresh = Fresh { facts, obtained_at: obtained.at, source: entry.into(), lifetime, mark };
            gateway.cache.put(key, &fresh, clock::now());
        }
        _ if obtained.is_answer() => gateway.cache.forget(&key),
        _ => {}
    }
}

fn origin_word(origin: Origin) -> &'static str {
    match origin {
        Origin::Provider => "provider",
        Origin::Route => "route",
        Origin::Gateway => "gateway",
    }
}

/// DISCLOSED: what is about to be told, durable before any of it is (R3).
async fn disclose(
    gateway: &Arc<Gateway>,
    exchange: &Exchange,
    authorised: &Authorised,
    premises: &Premises,
    obtained: &Obtained,
) -> Result<Journalled<Disclosed>, NoRecord> {
    let given = given(None, authorised, obtained);
    gateway.rights.used(&exchange.consumer, &exchange.official(), &exchange.envelope.role, clock::now());
    let question = exchange.question(authorised.act().as_str(), authorised.emergency(), Some(premises));
    let disclosure = Disclosure { question: &question, given: vec![given] };
    gateway.recorder.disclosed(&disclosure).await
}

/// What one answer gives, for the disclosure's entry.
#[must_use]
pub fn given<'a>(element: Option<&'a str>, authorised: &'a Authorised, obtained: &'a Obtained) -> Given<'a> {
    let (fields, named) = match &obtained.facts {
        // In the facts' own contract, which may be an older version than the right's.
        Some(facts) => {
            let filtered = policy::filter(authorised, facts);
            let given = filtered.fields();
            let leaves = facts.service.leaves.iter().enumerate();
            (leaves.filter(|(index, _)| given.contains(*index)).map(|(_, leaf)| &*leaf.path).collect(), filtered.persons())
        }
        // A yes or no names nobody.
        None if obtained.answer.is_some() => (vec![ANSWER], HashSet::new()),
        None => (Vec::new(), HashSet::new()),
    };
    Given {
        emergency: authorised.emergency(),
        subject: authorised.subject(),
        element,
        rests_on: obtained.entry.map(|entry| entry.index),
        outcome: Some(obtained.outcome),
        via: Some(obtained.via.word()),
        not_connected: obtained.not_connected.as_deref(),
        fields,
        named,
    }
}
