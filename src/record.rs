//! The journal's entry grammar as the gateway writes it, and the values that prove an entry is
//! durable. `docs/journal-rules.md` has the rules; this file is where R1–R4, R6 and R8 are kept:
//!
//! - an [`Intent`] can only be made here, and is handed out only as [`Journalled`], which wraps an
//!   acknowledgement that the journal alone can make (R1);
//! - closing an intent consumes it, and dropping an open one writes Failed(cancelled) into the place
//!   reserved for its outcome (R2, R6);
//! - answers and refusals are built from a [`Journalled`] disclosure or denial (R3);
//! - the log's order is the order in which entries are handed to it (R4);
//! - an epoch is used only after its keys and its epoch-opened entry are durable (R8).
//!
//! Metadata are JSON inside the sealed part of an entry; identifiers of subjects stand there as
//! keyed tokens, and in clear only in the payload, which later belongs to the auditors alone.
//!
//! - `record/disclosure.rs`: what is given, divided over as many entries as it takes. Pure.
//! - `record/payload.rs`: what a source is asked, as an intent's payload keeps it.

mod disclosure;
mod payload;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine as _;
use jiff::Timestamp;
use journal::{BODY_BYTES_MAX, Durable, Entry, Hash, Journal, Reservation, Role, Urgency};
use model::contract::Assurance;
use model::{Facts, InstanceId, Outcome, Representation, RepresentativeKind, ServiceId, Subject};
use seal::entry::{Binding, Sealed};
use seal::{Epoch, KeyTable, TokenKey};
use serde::Serialize;
use tokio::sync::Notify;
use uuid::Uuid;

pub use self::disclosure::{Disclosure, Given};
pub use self::payload::IntentPayload;
use crate::cache::Source;
use crate::clock;
use crate::premises::Premises;

/// Most tokens of related persons that an outcome in its place set aside may carry, at 25 bytes each.
const RELATED_IN_PLACE_MAX: usize = 32;
/// Bytes set aside for the metadata-only outcome of an intent (R6).
const OUTCOME_BYTES: usize = 2 * 1024;
/// Age at which an epoch is followed by the next: with a look every minute none lives over 15 minutes.
const EPOCH_LIFE: Duration = Duration::from_secs(14 * 60);

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $word:literal;)*) => {
        /// What an entry is about. The number is part of the leaf and never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $name = $number,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The kind's number in the leaf.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(Self::$name => $number),* }
            }

            /// The kind's name as `journal show` prints it.
            #[must_use]
            pub fn name_of(number: u8) -> &'static str {
                match number { $($number => $word,)* _ => "unknown" }
            }
        }
    };
}

kinds! {
    /// An epoch's keys are durable (metadata in clear: names no person).
    EpochOpened = 1, "epoch-opened";
    /// The gateway started.
    NodeStarted = 2, "node-started";
    /// The gateway stopped in order.
    NodeStopped = 3, "node-stopped";
    /// Recovery moved a torn tail aside.
    Recovered = 4, "recovered";
    /// A configuration became active.
    ConfigurationActivated = 5, "configuration-activated";
    /// Certificates and keys were read again.
    KeyChanged = 6, "key-changed";
    /// An operator emptied the cache, or the part of it that stems from one provider.
    CacheCleared = 7, "cache-cleared";
    /// The log goes on from an earlier one of this node (metadata in clear: names no person).
    LogBegun = 8, "log-begun";
    /// The log's last entry: the next one is named (metadata in clear: names no person).
    LogEnded = 9, "log-ended";
    /// About to send a question to a provider.
    Intent = 10, "intent";
    /// The provider answered.
    Answered = 11, "answered";
    /// The call failed.
    Failed = 12, "failed";
    /// Recovery closed an open intent: it may have been sent.
    Abandoned = 13, "abandoned";
    /// An answer or a failure was given to a consumer.
    Disclosed = 20, "disclosed";
    /// A question was refused.
    Denied = 21, "denied";
    /// A consumer opened a case.
    CaseOpened = 30, "case-opened";
    /// A consumer closed a case.
    CaseClosed = 31, "case-closed";
    /// An answer named members of the family, who are in the case from now on.
    MembersDiscovered = 32, "members-discovered";
    /// A case went from one official to another.
    CaseTransferred = 33, "case-transferred";
    /// An official acts in a case that is not his, or about persons who are not in it: an alarm.
    CaseOverridden = 34, "case-overridden";
    /// An override was reviewed.
    OverrideReviewed = 35, "override-reviewed";
    /// A consumer uses a consent for the first time.
    ConsentRegistered = 36, "consent-registered";
    /// A consent was withdrawn.
    ConsentWithdrawn = 37, "consent-withdrawn";
    /// A citizen is told which consents stand in his name; written before he is.
    ConsentsTold = 38, "consents-told";
    /// An auditor searched the journal; written before the result is told.
    Searched = 50, "searched";
    /// An auditor read one entry's metadata; written before they are told.
    EntryRead = 51, "entry-read";
    /// An auditor exports entries; written before the first of them is told.
    Exported = 52, "exported";
    /// An export was written to its end.
    ExportFinished = 53, "export-finished";
    /// A citizen is told who used his data; written before he is.
    AccessListTold = 54, "access-list-told";
    /// It was decided that a person is not told, or told again, of the use of his data in a case.
    SuppressionDecided = 55, "suppression-decided";
    /// The initial register of rights was taken over.
    RegisterTakenOver = 60, "register-taken-over";
    /// An official's account was opened, deactivated, reopened or erased.
    AccountChanged = 61, "account-changed";
    /// A grant, a withdrawal or a transfer was asked for; a transfer has ended the old rights from its moment on.
    RightRequested = 62, "right-requested";
    /// A request was approved, refused or taken back.
    RequestDecided = 63, "request-decided";
    /// An official has acknowledged the duties of his right.
    RightAcknowledged = 64, "right-acknowledged";
    /// A right was ended at once.
    RightWithdrawn = 65, "right-withdrawn";
    /// An official has given himself a right in an emergency.
    EmergencyRightTaken = 66, "emergency-right-taken";
    /// A right that was taken in an emergency has been reviewed.
    EmergencyRightReviewed = 67, "emergency-right-reviewed";
    /// The quarterly review has confirmed a right, or let it lapse.
    RightReviewed = 68, "right-reviewed";
    /// What ended a year ago is not kept in the register of rights any more.
    RegisterSwept = 69, "register-swept";
    /// A bundle of data becomes active; written before it does.
    BundleActivated = 70, "bundle-activated";
    /// Files of the active bundle, or the data folders beside it, are not as they were signed, or are so again.
    BundleDrifted = 71, "bundle-drifted";
    /// A file of a source is about to take the place of the one before; written before it does.
    FeedLoaded = 72, "feed-loaded";
    /// A file of a source is refused; what was loaded stays.
    FeedRefused = 73, "feed-refused";
    /// What a source said breaks its contract and is kept apart; written before it is.
    Quarantined = 84, "quarantined";
    /// Somebody reads what a source said and its contract forbids; written before he is shown it.
    QuarantineOpened = 85, "quarantine-opened";
    /// What is kept apart was read again by the active data; written before what breaks nothing any more is closed.
    QuarantineReplayed = 86, "quarantine-replayed";
    /// What was kept apart is solved or expires; written before it is closed and before a key is destroyed.
    QuarantineClosed = 87, "quarantine-closed";
    /// A source takes facts back; written before anybody who was told of them is.
    FactsRecalled = 88, "facts-recalled";
    /// A consumer is told which facts were taken back; written before it is.
    NoticesTold = 89, "notices-told";
    /// An auditor has the decision of one entry explained; written before he is told.
    EntryExplained = 56, "entry-explained";
    /// An outage of a source has begun (metadata in clear: names no person).
    OutageOpened = 90, "outage-opened";
    /// An outage of a source is over (metadata in clear: names no person).
    OutageClosed = 91, "outage-closed";
    /// The gateway itself did not run (metadata in clear: names no person).
    GatewayDown = 92, "gateway-down";
    /// A probe's answer is not what it should be, or is so again (metadata in clear: names no person).
    ProbeJudged = 93, "probe-judged";
    /// Failures before a consumer was known, summed up over a minute.
    RefusalsSummarised = 40, "refusals-summarised";
}

/// The journal cannot take the entry: nothing may be sent and nothing released.
#[derive(Debug, thiserror::Error)]
pub enum NoRecord {
    /// Queue or disk has no room (R6), or the journal has stopped: the same may be taken later.
    #[error("the journal takes no entry")]
    Refused(#[source] journal::Refused),
    /// Larger than an entry, or all that is queued, may be: the same is refused again, however often it is
    /// tried. A larger `journal.segment_bytes` may help.
    #[error("the entry is larger than the journal takes")]
    TooLarge,
    /// The metadata could not be written as JSON.
    #[error("the entry's metadata could not be written")]
    Metadata(#[source] serde_json::Error),
}

impl From<journal::Refused> for NoRecord {
    fn from(refused: journal::Refused) -> Self {
        match refused {
            journal::Refused::TooLarge => Self::TooLarge,
            other @ (journal::Refused::QueueFull
            | journal::Refused::DiskFull
            | journal::Refused::TooManyOpen
            | journal::Refused::NotOpen(_)
            | journal::Refused::Closed) => Self::Refused(other),
        }
    }
}

/// A value together with the proof that its entry is durable. Only this module makes one, and only
/// from the journal's own acknowledgement.
#[derive(Debug)]
pub struct Journalled<T> {
    value: T,
    durable: Durable,
}

impl<T> Journalled<T> {
    /// The journal's acknowledgement.
    #[must_use]
    pub fn durable(&self) -> &Durable {
        &self.durable
    }
}

/// "About to send": an entry that must be closed exactly once.
#[derive(Debug)]
pub struct Intent {
    recorder: Arc<Recorder>,
    index: u64,
    request_id: Uuid,
    service: ServiceId,
    instance: InstanceId,
    /// The outcome's place; taken when the intent is closed.
    outcome_place: Option<Reservation>,
}

/// A disclosure that is durable, with all its parts.
#[derive(Debug)]
pub struct Disclosed {
    /// Where the parts stand, in order.
    parts: Vec<Place>,
    /// For each item of what was given, the part that tells of it.
    part_of: Vec<usize>,
}

/// A denial that is durable.
#[derive(Debug)]
pub struct Denied(());

/// Where an entry stands: enough for a short receipt and for other entries to rest on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index in this node's log.
    pub index: u64,
    /// RFC 6962 leaf hash.
    pub leaf_hash: Hash,
}

/// Who asks what for what: the part common to entries about one question. `Debug` names nobody.
#[derive(Clone, Serialize)]
pub struct Question<'a> {
    /// The exchange.
    pub request_id: Uuid,
    /// The dossier it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dossier_id: Option<Uuid>,
    /// The consumer.
    pub consumer: &'a str,
    /// The service, or the dossier.
    pub service: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The purpose.
    pub purpose: &'a str,
    /// The legal act; empty where none was decided.
    pub act: &'a str,
    /// The emergency override that lets it be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emergency: Option<&'a str>,
    /// The case.
    pub case: &'a str,
    /// The official or robot.
    pub official: &'a str,
    /// The person answerable for a robot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub responsible: Option<&'a str>,
    /// The role.
    pub role: &'a str,
    /// Hash of the active configuration and data.
    pub configuration: &'a str,
    /// The official's level of assurance, where an assertion proved one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assurance: Option<Assurance>,
    /// SHA-256 of his assertion in base64, where one was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assertion_sha256: Option<&'a str>,
    /// What the policy decided from; none where it did not decide (a dossier as a whole, a refused assertion).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub premises: Option<&'a Premises>,
    /// Who acts for whom, where somebody does; both stand in entries as tokens.
    #[serde(skip)]
    pub on_behalf_of: Option<&'a Representation>,
}

/// A representation as entries have it.
#[derive(Serialize)]
struct OnBehalfOf<'a> {
    kind: RepresentativeKind,
    representative: String,
    represented: String,
    sha256: &'a str,
    valid_until: jiff::civil::Date,
}

impl<'a> OnBehalfOf<'a> {
    fn new(representation: &'a Representation, token: impl Fn(&Subject) -> String) -> Self {
        Self {
            kind: representation.kind,
            representative: token(&representation.representative),
            represented: token(&representation.represented),
            sha256: &representation.sha256,
            valid_until: representation.valid_until,
        }
    }
}

/// The question's members as JSON, persons as tokens.
fn question_json(question: &Question<'_>, token: impl Fn(&Subject) -> String) -> Result<Vec<u8>, NoRecord> {
    #[derive(Serialize)]
    struct More<'a> {
        on_behalf_of: OnBehalfOf<'a>,
    }
    let plain = json(question)?;
    match question.on_behalf_of {
        None => Ok(plain),
        Some(representation) => joined(&plain, &More { on_behalf_of: OnBehalfOf::new(representation, token) }),
    }
}

impl fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("request_id", &self.request_id).field("service", &self.service).finish_non_exhaustive()
    }
}

/// Writes entries.
#[derive(Debug)]
pub struct Recorder {
    journal: Journal,
    keys: KeyTable,
    origin: String,
    epoch: ArcSwap<OpenEpoch>,
    tokens: ArcSwap<MonthKey>,
    /// Told of every entry that somebody waits for.
    gather: Arc<Notify>,
}

#[derive(Debug)]
struct OpenEpoch {
    epoch: Arc<Epoch>,
    opened_at: Timestamp,
}

#[derive(Debug)]
struct MonthKey {
    month: String,
    key: Arc<TokenKey>,
}

impl Recorder {
    /// Opens a first epoch and makes ready to write.
    ///
    /// # Errors
    /// When keys cannot be made durable or the journal takes no entry.
    pub async fn start(journal: Journal, keys: KeyTable, origin: &str) -> anyhow::Result<Arc<Self>> {
        let now = clock::now();
        let opened = open_epoch(&journal, &keys, origin, now).await?;
        let month = month_of(now);
        let key = keys.token_key(&month)?;
        let gather = Arc::new(Notify::new());
        let recorder = Arc::new(Self {
            journal,
            keys,
            origin: origin.to_owned(),
            epoch: ArcSwap::from_pointee(opened),
            tokens: ArcSwap::from_pointee(MonthKey { month, key }),
            gather: Arc::clone(&gather),
        });
        tokio::spawn(commit_gathered(Arc::downgrade(&recorder), gather));
        Ok(recorder)
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The journal underneath, for readiness and metrics.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Opens the next epoch and the month's token key when they are due; called by a timer.
    ///
    /// # Errors
    /// When keys cannot be made durable or the journal takes no entry; the old epoch stays in use.
    pub async fn rotate(&self, now: Timestamp) -> anyhow::Result<()> {
        let age = now.duration_since(self.epoch.load().opened_at).unsigned_abs();
        if age >= EPOCH_LIFE {
            let opened = open_epoch(&self.journal, &self.keys, &self.origin, now).await?;
            self.epoch.store(Arc::new(opened));
        }
        let month = month_of(now);
        if self.tokens.load().month != month {
            let key = self.keys.token_key(&month)?;
            self.tokens.store(Arc::new(MonthKey { month, key }));
        }
        Ok(())
    }

    /// The keyed token of a subject, as entries carry it.
    #[must_use]
    pub fn token(&self, subject: &Subject) -> String {
        base64_of(&self.tokens.load().key.token(&self.keys.identity(&subject.canonical())))
    }

    /// The keys under which entries are sealed and persons have their tokens.
    #[must_use]
    pub fn keys(&self) -> &KeyTable {
        &self.keys
    }

    /// INTENT: writes "about to send" and waits until it is durable (R1). The outcome's place is
    /// set aside first (R6).
    ///
    /// # Errors
    /// When the journal has no room for the intent and its outcome: nothing may be sent.
    pub async fn intent(
        self: &Arc<Self>,
        question: &Question<'_>,
        service: &ServiceId,
        instance: &InstanceId,
        payload: &IntentPayload<'_>,
    ) -> Result<Journalled<Intent>, NoRecord> {
        #[derive(Serialize)]
        struct Metadata<'a> {
            subject: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            instance: Option<&'a InstanceId>,
        }
        let outcome_place = self.journal.reserve(OUTCOME_BYTES).map_err(NoRecord::from)?;
        let members = question_json(question, |subject| self.token(subject))?;
        let subject = payload.subject.map(|subject| self.token(subject));
        // A source that is one body is named by the service.
        let several = Some(instance).filter(|instance| instance.as_str() != service.provider());
        let metadata = joined(&members, &Metadata { subject, instance: several })?;
        let appended = self.append_json(Kind::Intent, Role::Opens, Urgency::Gathered, &metadata, Some(&json(payload)?), None)?;
        // From here on the intent is in the log's order: whatever happens to this future, it gets its outcome.
        let intent = Intent {
            recorder: Arc::clone(self),
            index: appended.index(),
            request_id: question.request_id,
            service: service.clone(),
            instance: instance.clone(),
            outcome_place: Some(outcome_place),
        };
        let durable = appended.durable().await;
        Ok(Journalled { value: intent, durable })
    }

    /// DISCLOSED: writes what is about to be given to a consumer and waits until it is durable (R3).
    ///
    /// What does not fit into one entry is divided over several. They are handed over one after the other
    /// without a pause, so that one flush covers them; the last one names the others and is acknowledged
    /// when all are durable (R4).
    ///
    /// # Errors
    /// When the journal has no room for all of it: nothing may be released.
    pub async fn disclosed(&self, disclosure: &Disclosure<'_>) -> Result<Journalled<Disclosed>, NoRecord> {
        let divided = disclosure::divide(disclosure, |subject| self.token(subject))?;
        // Room for all of them or for none: parts without their last one would speak of what was never given.
        let mut rooms = match divided.count() {
            1 => Vec::new(),
            several => self.journal.reserve_all(several, BODY_BYTES_MAX)?,
        };
        let mut parts = Vec::with_capacity(divided.count());
        for part in &divided.rest {
            let metadata = divided.metadata(part, &parts)?;
            let appended = self.append_json(Kind::Disclosed, Role::Single, Urgency::Lazy, &metadata, None, rooms.pop().as_mut())?;
            parts.push(Place::of(&appended));
        }
        let metadata = divided.metadata(&divided.last, &parts)?;
        let appended = self.append_json(Kind::Disclosed, Role::Single, Urgency::Gathered, &metadata, None, rooms.pop().as_mut())?;
        parts.push(Place::of(&appended));
        let durable = appended.durable().await;
        Ok(Journalled { value: Disclosed { parts, part_of: divided.part_of }, durable })
    }

    /// DENIED: writes a refusal with its reasons and waits until it is durable (R3).
    ///
    /// # Errors
    /// When the journal has no room: the refusal itself may not be told.
    pub async fn denied(
        &self,
        question: &Question<'_>,
        subject: Option<&Subject>,
        reasons: &[&'static str],
    ) -> Result<Journalled<Denied>, NoRecord> {
        let durable = self.write(Kind::Denied, &DenialMetadata::new(self, question, subject, reasons)).await?;
        Ok(Journalled { value: Denied(()), durable })
    }

    /// Writes a refusal of one element of a dossier without waiting: the dossier's disclosure, which
    /// comes later in the log, makes it durable before any of it is told (R4).
    ///
    /// # Errors
    /// When the journal has no room.
    pub fn denied_element(&self, question: &Question<'_>, subject: Option<&Subject>, reasons: &[&'static str]) -> Result<Place, NoRecord> {
        let appended =
            self.append(Kind::Denied, Role::Single, Urgency::Lazy, &DenialMetadata::new(self, question, subject, reasons), None, None)?;
        Ok(Place::of(&appended))
    }

    /// Writes an event that concerns no answer (cases, configuration, node) and waits until it is durable.
    ///
    /// # Errors
    /// When the journal has no room.
    pub async fn event(&self, kind: Kind, metadata: &impl Serialize) -> Result<Durable, NoRecord> {
        self.write(kind, metadata).await
    }

    /// The same with its metadata in clear, for what names no person and is to be checked without a key.
    ///
    /// # Errors
    /// As [`Self::event`].
    pub async fn plain_event(&self, kind: Kind, metadata: &impl Serialize) -> Result<Durable, NoRecord> {
        Ok(append_plain(&self.journal, &self.origin, kind, &json(metadata)?, clock::now())?.durable().await)
    }

    /// Closes an intent that a crash left open (R2): it may have been sent.
    ///
    /// # Errors
    /// When the journal has no room.
    pub async fn abandoned(&self, intent: u64) -> Result<(), NoRecord> {
        let metadata = serde_json::json!({"intent": intent, "reason": "may have been sent"});
        self.append(Kind::Abandoned, Role::Closes(intent), Urgency::Gathered, &metadata, None, None)?.durable().await;
        Ok(())
    }

    async fn write(&self, kind: Kind, metadata: &impl Serialize) -> Result<Durable, NoRecord> {
        Ok(self.append(kind, Role::Single, Urgency::Gathered, metadata, None, None)?.durable().await)
    }

    fn append(
        &self,
        kind: Kind,
        role: Role,
        urgency: Urgency,
        metadata: &impl Serialize,
        payload: Option<&[u8]>,
        place: Option<&mut Reservation>,
    ) -> Result<journal::Appended, NoRecord> {
        self.append_json(kind, role, urgency, &json(metadata)?, payload, place)
    }

    fn append_json(
        &self,
        kind: Kind,
        role: Role,
        urgency: Urgency,
        metadata: &[u8],
        payload: Option<&[u8]>,
        place: Option<&mut Reservation>,
    ) -> Result<journal::Appended, NoRecord> {
        let sealed = self.seal(kind, role, metadata, payload);
        let entry = Entry { kind: kind.number(), role, body: sealed.body, payload: sealed.payload };
        let appended = self.journal.append(entry, urgency, place).map_err(NoRecord::from)?;
        if urgency == Urgency::Gathered {
            self.gather.notify_one();
        }
        Ok(appended)
    }

    fn seal(&self, kind: Kind, role: Role, metadata: &[u8], payload: Option<&[u8]>) -> Sealed {
        let binding = binding(&self.origin, kind, role, clock::now());
        seal::entry::seal_entry(&self.epoch.load().epoch, &binding, metadata, payload)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.gather.notify_one();
    }
}

/// Begins a commit once about every task that was ready when somebody began to wait has had its turn: what they
/// append rides along. Under load one flush, one signature and one change of threads so serve many requests;
/// where nothing else is ready it costs no time.
async fn commit_gathered(recorder: Weak<Recorder>, gather: Arc<Notify>) {
    loop {
        gather.notified().await;
        tokio::task::yield_now().await;
        let Some(recorder) = recorder.upgrade() else { return };
        recorder.journal.commit();
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, NoRecord> {
    serde_json::to_vec(value).map_err(NoRecord::Metadata)
}

/// A question's JSON with the members of `more`, of which there is at least one, behind its own. Written by
/// hand because every exchange writes it twice, and `serde(flatten)` takes twice as long.
fn joined(question: &[u8], more: &impl Serialize) -> Result<Vec<u8>, NoRecord> {
    let (_, members) = question.split_last().expect("an object has a closing brace");
    let mut joined = Vec::with_capacity(question.len() + 512);
    joined.extend_from_slice(members);
    serde_json::to_writer(&mut joined, more).map_err(NoRecord::Metadata)?;
    joined[members.len()] = b',';
    debug_assert!(!joined.ends_with(b",}"), "there is at least one more member");
    Ok(joined)
}

/// A new id of a request, an element or a dossier; later ones are greater, to the millisecond.
#[must_use]
pub fn new_id() -> Uuid {
    seal::entry::new_id(millis(clock::now()))
}

fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

fn binding(origin: &str, kind: Kind, role: Role, now: Timestamp) -> Binding<'_> {
    let time_ms = millis(now);
    Binding { origin, kind: kind.number(), role: role.code(), link: role.link(), event_id: seal::entry::new_id(time_ms), time_ms }
}

/// R8: keys durable first, then the epoch-opened entry durable, then the epoch is used.
async fn open_epoch(journal: &Journal, keys: &KeyTable, origin: &str, now: Timestamp) -> anyhow::Result<OpenEpoch> {
    let (epoch, notice) = keys.open_epoch(now)?;
    let metadata = serde_json::to_vec(&serde_json::json!({
        "epoch": notice.id,
        "opened_at": model::time::rfc3339(notice.opened_at),
        "wrapped_keys_sha256": base64::engine::general_purpose::STANDARD.encode(notice.commitment),
    }))?;
    append_plain(journal, origin, Kind::EpochOpened, &metadata, now)?.durable().await;
    Ok(OpenEpoch { epoch, opened_at: now })
}

/// Tokens and identities as they stand in metadata: base64 without padding.
#[must_use]
pub fn base64_of(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes)
}

fn append_plain(
    journal: &Journal,
    origin: &str,
    kind: Kind,
    metadata: &[u8],
    now: Timestamp,
) -> Result<journal::Appended, journal::Refused> {
    let sealed = seal::entry::plain_entry(&binding(origin, kind, Role::Single, now), metadata);
    let entry = Entry { kind: kind.number(), role: Role::Single, body: sealed.body, payload: sealed.payload };
    journal.append(entry, Urgency::Now, None)
}

fn month_of(now: Timestamp) -> String {
    model::time::day(now).strftime("%Y-%m").to_string()
}

#[derive(Serialize)]
struct DenialMetadata<'a> {
    #[serde(flatten)]
    question: &'a Question<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_behalf_of: Option<OnBehalfOf<'a>>,
    subject: Option<String>,
    reasons: &'a [&'static str],
}

impl<'a> DenialMetadata<'a> {
    fn new(recorder: &Recorder, question: &'a Question<'a>, subject: Option<&Subject>, reasons: &'a [&'static str]) -> Self {
        let on_behalf_of = question.on_behalf_of.map(|acting| OnBehalfOf::new(acting, |person| recorder.token(person)));
        Self { question, on_behalf_of, subject: subject.map(|subject| recorder.token(subject)), reasons }
    }
}

/// Whom an answer names, so that its entry is found by them.
#[derive(Debug, Default)]
pub struct Named {
    /// The ways in which it names the person it is about, where there are several.
    identities: Vec<Subject>,
    /// Everybody else.
    related: HashSet<Subject>,
}

impl Named {
    /// Whom facts name.
    #[must_use]
    pub fn of(facts: &Facts) -> Self {
        let mut identities = facts.identities();
        let mut related = facts.show(&facts.service.agreed()).persons();
        related.retain(|person| !identities.contains(person));
        if identities.len() < 2 {
            identities.clear();
        }
        Self { identities, related }
    }
}

/// What the provider answered, as evidence.
#[derive(Debug, Serialize)]
pub struct AnswerEvidence<'a> {
    /// The outcome read.
    pub outcome: Outcome,
    /// Number of the outcome rule that matched, from 0; none where no rule did.
    pub rule: Option<usize>,
    /// HTTP status of the answer.
    pub status: u16,
    /// Size of the answer, in bytes.
    pub bytes: usize,
    /// SHA-256 of the exact bytes, base64, where the contract captures it.
    pub sha256: Option<String>,
    /// How many undeclared fields were dropped.
    pub undeclared: u64,
    /// Where and by which rule the answer broke its contract, without values.
    pub broken: Option<&'a str>,
    /// How often the question was sent.
    pub attempts: u32,
    /// How long the call took, in milliseconds.
    pub took_ms: u64,
    /// Whether the source refused the key that was used so far and took the next one, which is used from now on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub key_switched: bool,
}

impl Place {
    fn of(appended: &journal::Appended) -> Self {
        Self { index: appended.index(), leaf_hash: *appended.leaf_hash() }
    }
}

impl From<Source> for Place {
    fn from(source: Source) -> Self {
        Self { index: source.index, leaf_hash: Hash(source.leaf_hash) }
    }
}

impl From<Place> for Source {
    fn from(place: Place) -> Self {
        Self { index: place.index, leaf_hash: place.leaf_hash.0 }
    }
}

impl Journalled<Disclosed> {
    /// Where the entry stands that tells of an item, by the item's place in [`Disclosure::given`].
    #[must_use]
    pub fn place_of(&self, item: usize) -> Place {
        let last = Place { index: self.durable.index(), leaf_hash: *self.durable.leaf_hash() };
        let part = self.value.part_of.get(item).and_then(|part| self.value.parts.get(*part));
        part.copied().unwrap_or(last)
    }
}

impl Journalled<Intent> {
    /// The service that is about to be asked.
    #[must_use]
    pub fn service(&self) -> &ServiceId {
        &self.value.service
    }

    /// The instance of its source that is about to be asked.
    #[must_use]
    pub fn instance(&self) -> &InstanceId {
        &self.value.instance
    }

    /// Where the intent stands.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { index: self.value.index, leaf_hash: *self.durable.leaf_hash() }
    }

    /// ANSWERED: closes the intent with what the provider said. Rides lazily on the next frame; the
    /// disclosure that follows it in the log makes it durable (R4).
    ///
    /// # Errors
    /// When what the contract captures does not fit into the journal: the intent is closed as Failed
    /// in the place set aside for it, and nothing of the answer may be released (R6).
    pub fn answered(mut self, evidence: &AnswerEvidence<'_>, persons: &Named, captured: Option<&[u8]>) -> Result<Place, Place> {
        #[derive(Serialize)]
        struct Metadata<'a> {
            request_id: Uuid,
            service: &'a ServiceId,
            intent: u64,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            identities: Vec<String>,
            #[serde(skip_serializing_if = "BTreeSet::is_empty")]
            related: BTreeSet<String>,
            #[serde(flatten)]
            evidence: &'a AnswerEvidence<'a>,
        }
        let intent = &self.value;
        let (recorder, index) = (Arc::clone(&intent.recorder), intent.index);
        let service = intent.service.clone();
        let identities = persons.identities.iter().map(|person| base64_of(&recorder.keys.identity(&person.canonical()).0)).collect();
        let related: BTreeSet<String> = persons.related.iter().map(|person| recorder.token(person)).collect();
        // The place set aside is for the bare outcome; captured bytes and large families ask for room of their own.
        let needs_room = captured.is_some() || related.len() > RELATED_IN_PLACE_MAX;
        let metadata = Metadata { request_id: intent.request_id, service: &service, intent: index, identities, related, evidence };
        let mut place = self.value.outcome_place.take();
        let room = if needs_room { None } else { place.as_mut() };
        match recorder.append(Kind::Answered, Role::Closes(index), Urgency::Lazy, &metadata, captured, room) {
            Ok(appended) => Ok(Place::of(&appended)),
            Err(_) => {
                self.value.outcome_place = place;
                Err(self.failed("capture-did-not-fit", "gateway", true))
            }
        }
    }

    /// FAILED: closes the intent without an answer.
    pub fn failed(mut self, reason: &'static str, origin: &'static str, may_have_been_sent: bool) -> Place {
        self.value.close_failed(reason, origin, may_have_been_sent)
    }
}

impl Intent {
    fn close_failed(&mut self, reason: &'static str, origin: &'static str, may_have_been_sent: bool) -> Place {
        #[derive(Serialize)]
        struct Metadata<'a> {
            request_id: Uuid,
            service: &'a ServiceId,
            intent: u64,
            reason: &'static str,
            origin: &'static str,
            may_have_been_sent: bool,
        }
        let metadata =
            Metadata { request_id: self.request_id, service: &self.service, intent: self.index, reason, origin, may_have_been_sent };
        let mut place = self.outcome_place.take();
        let written = self.recorder.append(Kind::Failed, Role::Closes(self.index), Urgency::Lazy, &metadata, None, place.as_mut());
        match written {
            Ok(appended) => Place::of(&appended),
            // The place was set aside for exactly this entry, so only a journal that has already
            // failed comes here, and that ends the process; recovery then writes Abandoned.
            Err(error) => {
                tracing::error!(error = %error, intent = self.index, "the outcome of an intent could not be written");
                Place { index: self.index, leaf_hash: Hash::default() }
            }
        }
    }
}

impl Drop for Intent {
    fn drop(&mut self) {
        if self.outcome_place.is_some() {
            self.close_failed("cancelled", "gateway", true);
        }
    }
}
