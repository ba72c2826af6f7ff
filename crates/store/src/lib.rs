//! What must outlive a restart besides the journal: cases and what was answered in them, and ledgers of changes.
//!
//! A consumer asks only about persons in its own open case, and other identifying inputs must stem from
//! an answer in the same case: [`Store`] is what the gateway knows of both. A [`Ledger`] keeps the changes of something
//! whose state is what its changes come to, such as the register of rights.
//!
//! Guarantees, whatever database stands behind:
//! - **Durable**: when a writing call returns `Ok`, its effect survives a crash of process or machine;
//!   when it returns an error, its effect is there wholly or not at all, and the next read tells which.
//! - **One order**: writes happen one after the other; a read that begins after a write has returned sees it.
//! - **One owner**: one process at a time opens a store; a second one is refused, not confused.
//! - **Sealed**: no identifier of a person, case, consumer or answer is on disk in clear. A row is found
//!   by a keyed digest, and its content is sealed to that place. Whoever has the file but not the node's
//!   key learns how many cases there are, how many answers each remembers, and their sizes.
//! - **Bounded**: [`PERSONS_MAX`] persons a case, [`ANSWERS_MAX`] remembered answers a case, a cache of
//!   fixed weight.
//!
//! Calls that may touch the disk say so: an async program makes them in a blocking task. Those named
//! `cached_…` never wait for the disk.

mod case;
mod consent;
mod database;
mod emergency;
mod error;
mod ledger;
pub mod quality;
pub mod snapshot;
mod watched;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use model::contract::PersonRole;
use model::{CaseId, Consent, ConsumerId, PurposeId, Subject};
use moka::sync::Cache;
use seal::SealKey;
use uuid::Uuid;

pub use crate::case::Case;
use crate::case::Record;
pub use crate::consent::{ConsentName, KnownConsent, Refused, Registered, VERSIONS_MAX, Withdrawal, Withdrew};
use crate::database::{Database, Key};
pub use crate::emergency::{Override, Review, Verdict};
pub use crate::error::StoreError;
pub use crate::ledger::{CHANGE_BYTES_MAX, CHANGES_MAX, Ledger};
pub use crate::watched::{Counts, Sum, Watched};

/// Most persons of one case.
pub const PERSONS_MAX: usize = 200;
/// Most answers remembered in one case.
pub const ANSWERS_MAX: u32 = 1_000;
/// Most overrides of one case.
pub const OVERRIDES_MAX: usize = 20;
/// Most overrides that are listed for review at once, the oldest first.
pub const TO_REVIEW_MAX: u32 = 1_000;
/// Most consents of one person that are listed.
pub const CONSENTS_LISTED_MAX: u32 = 1_000;
/// Bound of the cache of cases, in bytes as [`Case::weight`] estimates them: 32 MiB.
const CACHE_BYTES_MAX: u64 = 32 << 20;
/// Bound of the cache of consents; each takes about 500 bytes.
const CACHE_CONSENTS_MAX: u64 = 16_384;
/// Bound of the cache of remembered answers; each takes about 100 bytes.
const CACHE_ANSWERS_MAX: u64 = 65_536;

/// What opening a case came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// The case is new.
    Created,
    /// It was open already, with the same purpose and persons.
    Repeated,
    /// It exists and differs; nothing was changed.
    Conflict(Conflict),
}

/// How an existing case differs from the one asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// It has another purpose or other persons.
    Content,
    /// It is closed; a closed case is never opened again.
    Closed,
}

/// What adding persons to a case came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// These are new in it.
    Now(Vec<(Subject, PersonRole)>),
    /// This consumer has no such open case.
    NoOpenCase,
}

/// What closing a case came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// It was open and is closed now.
    Now,
    /// It was closed before.
    Before,
    /// This consumer has no such case.
    Unknown,
}

/// What handing a case over came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandedOver {
    /// It is the other official's now.
    Now,
    /// It was his already.
    Before,
    /// It is not the case of the one who is said to give it up.
    NotHis,
    /// This consumer has no such open case.
    NoOpenCase,
}

/// What an override came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overrode {
    /// It has begun.
    Now,
    /// The case has had [`OVERRIDES_MAX`] already.
    TooMany,
    /// An earlier one of the same official in this case waits for its review.
    NotReviewed,
    /// An earlier one of the same official in this case was found unjustified.
    FoundUnjustified,
    /// This consumer has no such open case.
    NoOpenCase,
}

/// What a review came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reviewed {
    /// It is reviewed now: the override as it stood.
    Now(Box<Override>),
    /// It was reviewed before.
    Before,
    /// There is no such override.
    Unknown,
}

/// What remembering an answer came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remembered {
    /// It is remembered, now or already before.
    Yes,
    /// The case remembers [`ANSWERS_MAX`] already; this one is not kept.
    Full,
    /// This consumer has no such open case.
    NoOpenCase,
}

/// The store of one node. Shared by reference; every method may be called from any thread.
#[derive(Debug)]
pub struct Store {
    key: SealKey,
    /// Writes, and reads that the caches cannot answer, take turns here. The caches are changed only
    /// under this lock and after the commit, so they never say what the disk does not.
    database: Mutex<Database>,
    cases: Cache<Key, Arc<Case>>,
    answers: Cache<Key, ()>,
    consents: Cache<Key, Arc<KnownConsent>>,
}

impl Store {
    /// Opens the store in the file `path`, making it (mode 0600) when missing. Blocking.
    ///
    /// `key` must be the one the store was made with, a key of this use alone.
    ///
    /// # Errors
    /// When another process has it open, the key is another one, the file is damaged or comes from a
    /// later version, or the disk refuses.
    pub fn open(path: &Path, key: SealKey) -> Result<Self, StoreError> {
        let database = Database::open(path, &key)?;
        let weight = |_: &Key, case: &Arc<Case>| u32::try_from(case.weight()).unwrap_or(u32::MAX);
        Ok(Self {
            key,
            database: Mutex::new(database),
            cases: Cache::builder().max_capacity(CACHE_BYTES_MAX).weigher(weight).build(),
            answers: Cache::new(CACHE_ANSWERS_MAX),
            consents: Cache::new(CACHE_CONSENTS_MAX),
        })
    }

    /// Opens a case, or finds that it is open already. Persons may be given in any order; the same person
    /// in the same role counts once. `official` is whose case it is. Blocking.
    ///
    /// # Errors
    /// [`StoreError::TooManyPersons`] above [`PERSONS_MAX`], else when the disk refuses.
    pub fn open_case(
        &self,
        consumer: &ConsumerId,
        case: &CaseId,
        purpose: &PurposeId,
        persons: Vec<(Subject, PersonRole)>,
        official: Option<String>,
        now: Timestamp,
    ) -> Result<Opened, StoreError> {
        if persons.len() > PERSONS_MAX {
            return Err(StoreError::TooManyPersons);
        }
        let key = self.case_key(consumer, case);
        let record = Record::new(consumer.clone(), case.clone(), purpose.clone(), persons, official, now);
        let database = self.database();
        if let Some(there) = self.case_of(&database, key)? {
            return Ok(match (there.is_open(), there.record().same_content(&record)) {
                (false, _) => Opened::Conflict(Conflict::Closed),
                (true, false) => Opened::Conflict(Conflict::Content),
                (true, true) => Opened::Repeated,
            });
        }
        self.put(&database, key, record)?;
        Ok(Opened::Created)
    }

    /// Adds persons that a dossier has discovered to an open case; those who are in it stay as they are.
    /// Gives those that are new. Blocking.
    ///
    /// # Errors
    /// [`StoreError::TooManyPersons`] where the case would have more than [`PERSONS_MAX`], else when the
    /// disk refuses.
    pub fn add_persons(&self, consumer: &ConsumerId, case: &CaseId, persons: Vec<(Subject, PersonRole)>) -> Result<Added, StoreError> {
        let key = self.case_key(consumer, case);
        let database = self.database();
        let Some(there) = self.case_of(&database, key)?.filter(|case| case.is_open()) else { return Ok(Added::NoOpenCase) };
        let mut new: Vec<(Subject, PersonRole)> = Vec::with_capacity(persons.len());
        for person in persons {
            if !there.has(&person.0) && !new.iter().any(|(subject, _)| *subject == person.0) {
                new.push(person);
            }
        }
        if there.persons().len() + there.discovered().len() + new.len() > PERSONS_MAX {
            return Err(StoreError::TooManyPersons);
        }
        if !new.is_empty() {
            self.put(&database, key, there.record().with_discovered(&new))?;
        }
        Ok(Added::Now(new))
    }

    /// Closes a case for good. Blocking.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn close_case(&self, consumer: &ConsumerId, case: &CaseId, now: Timestamp) -> Result<Closed, StoreError> {
        let key = self.case_key(consumer, case);
        let database = self.database();
        let Some(there) = self.case_of(&database, key)? else { return Ok(Closed::Unknown) };
        if !there.is_open() {
            return Ok(Closed::Before);
        }
        self.put(&database, key, there.record().closed(now))?;
        Ok(Closed::Now)
    }

    /// Hands a case over to another official, where it is still `from`'s (`None`: nobody's). Blocking.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn hand_over(&self, consumer: &ConsumerId, case: &CaseId, from: Option<&str>, to: &str) -> Result<HandedOver, StoreError> {
        let key = self.case_key(consumer, case);
        let database = self.database();
        let Some(there) = self.case_of(&database, key)?.filter(|case| case.is_open()) else { return Ok(HandedOver::NoOpenCase) };
        if there.official() == Some(to) {
            return Ok(HandedOver::Before);
        }
        if there.official() != from {
            return Ok(HandedOver::NotHis);
        }
        self.put(&database, key, there.record().of_official(to))?;
        Ok(HandedOver::Now)
    }

    /// Begins an override in an open case. Blocking.
    ///
    /// # Errors
    /// [`StoreError::TooManyPersons`] above [`PERSONS_MAX`], else when the disk refuses.
    pub fn begin_override(&self, entry: &Override) -> Result<Overrode, StoreError> {
        if entry.persons.len() > PERSONS_MAX {
            return Err(StoreError::TooManyPersons);
        }
        let key = self.case_key(&entry.consumer, &entry.case);
        let mut database = self.database();
        let Some(there) = self.case_of(&database, key)?.filter(|case| case.is_open()) else { return Ok(Overrode::NoOpenCase) };
        if let Err(why) = there.may_begin_override(&entry.official) {
            return Ok(why);
        }
        self.put_override(&mut database, key, there.record().with_override(entry), entry)?;
        Ok(Overrode::Now)
    }

    /// Closes the review of an override. Blocking.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn review_override(&self, id: Uuid, review: Review) -> Result<Reviewed, StoreError> {
        let mut database = self.database();
        let Some(sealed) = database.override_of(id.as_bytes())? else { return Ok(Reviewed::Unknown) };
        let before = emergency::open(id, &sealed, &self.key)?;
        if before.review.is_some() {
            return Ok(Reviewed::Before);
        }
        let entry = Override { review: Some(review), ..before.clone() };
        let key = self.case_key(&entry.consumer, &entry.case);
        // A case is never removed while it has overrides.
        let Some(there) = self.case_of(&database, key)? else { return Err(StoreError::Damaged) };
        self.put_override(&mut database, key, there.record().with_override(&entry), &entry)?;
        Ok(Reviewed::Now(Box::new(before)))
    }

    /// An override, reviewed or not. Blocking.
    ///
    /// # Errors
    /// When the disk refuses or the row is damaged.
    pub fn override_of(&self, id: Uuid) -> Result<Option<Override>, StoreError> {
        let sealed = self.database().override_of(id.as_bytes())?;
        sealed.map(|sealed| emergency::open(id, &sealed, &self.key)).transpose()
    }

    /// The overrides that wait for their review, the oldest first, at most [`TO_REVIEW_MAX`]. Blocking.
    ///
    /// # Errors
    /// When the disk refuses or a row is damaged.
    pub fn overrides_to_review(&self) -> Result<Vec<Override>, StoreError> {
        let rows = self.database().overrides_to_review(TO_REVIEW_MAX)?;
        rows.into_iter().map(|(id, sealed)| emergency::open(Uuid::from_bytes(id), &sealed, &self.key)).collect()
    }

    /// How many overrides wait for their review. Blocking.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn count_overrides_to_review(&self) -> Result<u32, StoreError> {
        self.database().count_overrides_to_review()
    }

    /// Notes a consent's use by a consumer, the first of which fixes what it says. Blocking.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn register_consent(&self, consumer: &ConsumerId, consent: &Consent, now: Timestamp) -> Result<Registered, StoreError> {
        let name = ConsentName::of(consent);
        let key = self.consent_key(&name);
        let database = self.database();
        let known = match self.consent_at(&database, key)? {
            None => KnownConsent {
                name,
                versions: vec![consent.clone()],
                registered_at: now,
                consumers: vec![consumer.clone()],
                withdrawn: None,
            },
            Some(known) => {
                if let Err(why) = known.allows(consent) {
                    return Ok(Registered::Refused(why));
                }
                if known.used(consumer, consent) {
                    return Ok(Registered::Before);
                }
                let mut known = KnownConsent::clone(&known);
                if !known.versions.contains(consent) {
                    if known.versions.len() >= VERSIONS_MAX {
                        known.versions.remove(0);
                    }
                    known.versions.push(consent.clone());
                }
                if !known.consumers.contains(consumer) {
                    known.consumers.push(consumer.clone());
                }
                known
            }
        };
        self.put_consent(&database, key, known)?;
        Ok(Registered::Now)
    }

    /// What the registry knows of a consent. Blocking unless [`Self::cached_consent`] would have answered.
    ///
    /// # Errors
    /// When the disk refuses or the row is damaged.
    pub fn consent(&self, name: &ConsentName) -> Result<Option<Arc<KnownConsent>>, StoreError> {
        let key = self.consent_key(name);
        if let Some(known) = self.consents.get(&key) {
            return Ok(Some(known));
        }
        self.consent_at(&self.database(), key)
    }

    /// The same if it is at hand in memory; `None` says nothing about the disk. Never blocks.
    #[must_use]
    pub fn cached_consent(&self, name: &ConsentName) -> Option<Arc<KnownConsent>> {
        self.consents.get(&self.consent_key(name))
    }

    /// Withdraws a consent for good, whoever uses it. The person himself (`by_person`) may withdraw one that nobody
    /// has used yet; a consumer only what it has used. Blocking.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn withdraw_consent(&self, name: &ConsentName, withdrawal: Withdrawal, by_person: bool) -> Result<Withdrew, StoreError> {
        let key = self.consent_key(name);
        let database = self.database();
        let there = self.consent_at(&database, key)?;
        let known = match there {
            Some(known) if !by_person && !known.consumers.contains(&withdrawal.by) => return Ok(Withdrew::Unknown),
            Some(known)
                if known
                    .withdrawn
                    .as_ref()
                    .is_some_and(|withdrawal| known.versions.iter().all(|consent| consent.signed_at <= withdrawal.at)) =>
            {
                return Ok(Withdrew::Before);
            }
            Some(known) => {
                // Whoever's clock was ahead: what is known is withdrawn.
                let at = known.versions.iter().map(|consent| consent.signed_at).fold(withdrawal.at, Timestamp::max);
                KnownConsent { withdrawn: Some(Withdrawal { at, ..withdrawal }), ..KnownConsent::clone(&known) }
            }
            None if !by_person => return Ok(Withdrew::Unknown),
            None => {
                let registered_at = withdrawal.at;
                KnownConsent { name: name.clone(), versions: Vec::new(), registered_at, consumers: Vec::new(), withdrawn: Some(withdrawal) }
            }
        };
        self.put_consent(&database, key, known)?;
        Ok(Withdrew::Now)
    }

    /// The consents of a person, at most [`CONSENTS_LISTED_MAX`]. Blocking.
    ///
    /// # Errors
    /// When the disk refuses or a row is damaged.
    pub fn consents_of(&self, subject: &Subject) -> Result<Vec<KnownConsent>, StoreError> {
        let rows = self.database().consents_of(self.person_key(subject), CONSENTS_LISTED_MAX)?;
        rows.into_iter().map(|(key, sealed)| KnownConsent::open(&self.key, key, &sealed)).collect()
    }

    /// The case as it stands, open or closed; `None` when this consumer has none of this name. Blocking
    /// unless [`Self::cached_case`] would have answered.
    ///
    /// # Errors
    /// When the disk refuses or the row is damaged.
    pub fn case(&self, consumer: &ConsumerId, case: &CaseId) -> Result<Option<Arc<Case>>, StoreError> {
        let key = self.case_key(consumer, case);
        if let Some(there) = self.cases.get(&key) {
            return Ok(Some(there));
        }
        self.case_of(&self.database(), key)
    }

    /// The case if it is at hand in memory; `None` says nothing about the disk. Never blocks.
    #[must_use]
    pub fn cached_case(&self, consumer: &ConsumerId, case: &CaseId) -> Option<Arc<Case>> {
        self.cases.get(&self.case_key(consumer, case))
    }

    /// Remembers that `value` was answered in the case as `field`, such as
    /// `azerishiq/subscriber.subscriber_code`, by a keyed digest alone. Blocking unless remembered before.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remember_answer(&self, consumer: &ConsumerId, case: &CaseId, field: &str, value: &str) -> Result<Remembered, StoreError> {
        let case_key = self.case_key(consumer, case);
        let answer_key = self.answer_key(case_key, field, value);
        let database = self.database();
        if !self.case_of(&database, case_key)?.is_some_and(|case| case.is_open()) {
            return Ok(Remembered::NoOpenCase);
        }
        if self.answers.contains_key(&answer_key) || database.has_answer(answer_key)? {
            self.answers.insert(answer_key, ());
            return Ok(Remembered::Yes);
        }
        if database.count_answers(case_key)? >= ANSWERS_MAX {
            return Ok(Remembered::Full);
        }
        database.put_answer(case_key, answer_key)?;
        self.answers.insert(answer_key, ());
        Ok(Remembered::Yes)
    }

    /// Whether `value` was answered in the case as `field`. Blocking unless [`Self::cached_answer`] would
    /// have said yes.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn has_answer(&self, consumer: &ConsumerId, case: &CaseId, field: &str, value: &str) -> Result<bool, StoreError> {
        let answer_key = self.answer_key(self.case_key(consumer, case), field, value);
        if self.answers.contains_key(&answer_key) {
            return Ok(true);
        }
        let found = self.database().has_answer(answer_key)?;
        if found {
            self.answers.insert(answer_key, ());
        }
        Ok(found)
    }

    /// Whether memory knows that `value` was answered in the case as `field`; `false` says nothing about
    /// the disk. Never blocks.
    #[must_use]
    pub fn cached_answer(&self, consumer: &ConsumerId, case: &CaseId, field: &str, value: &str) -> bool {
        self.answers.contains_key(&self.answer_key(self.case_key(consumer, case), field, value))
    }

    fn database(&self) -> MutexGuard<'_, Database> {
        // A panic under this lock leaves no half transaction (it is rolled back) and no half cache entry.
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn case_of(&self, database: &Database, key: Key) -> Result<Option<Arc<Case>>, StoreError> {
        if let Some(there) = self.cases.get(&key) {
            return Ok(Some(there));
        }
        let Some(sealed) = database.case(key)? else { return Ok(None) };
        let case = Arc::new(Case::new(Record::open(&self.key, key, &sealed)?));
        self.cases.insert(key, case.clone());
        Ok(Some(case))
    }

    /// Writes a case, then shows it. When the write fails nobody can know whether it took effect: memory
    /// forgets the case, and the next read asks the disk.
    fn put(&self, database: &Database, key: Key, record: Record) -> Result<(), StoreError> {
        let sealed = record.seal(&self.key, key)?;
        self.cases.invalidate(&key);
        database.put_case(key, &sealed)?;
        self.cases.insert(key, Arc::new(Case::new(record)));
        Ok(())
    }

    fn put_override(&self, database: &mut Database, key: Key, record: Record, entry: &Override) -> Result<(), StoreError> {
        let (case, sealed) = (record.seal(&self.key, key)?, emergency::seal(entry, &self.key)?);
        self.cases.invalidate(&key);
        database.put_override((key, &case), entry.id.as_bytes(), entry.review.is_some(), &sealed)?;
        self.cases.insert(key, Arc::new(Case::new(record)));
        Ok(())
    }

    fn consent_at(&self, database: &Database, key: Key) -> Result<Option<Arc<KnownConsent>>, StoreError> {
        if let Some(known) = self.consents.get(&key) {
            return Ok(Some(known));
        }
        let Some(sealed) = database.consent(key)? else { return Ok(None) };
        let known = Arc::new(KnownConsent::open(&self.key, key, &sealed)?);
        self.consents.insert(key, Arc::clone(&known));
        Ok(Some(known))
    }

    fn put_consent(&self, database: &Database, key: Key, known: KnownConsent) -> Result<(), StoreError> {
        let sealed = known.seal(&self.key, key)?;
        self.consents.invalidate(&key);
        database.put_consent(key, self.person_key(&known.name.subject), &sealed)?;
        self.consents.insert(key, Arc::new(known));
        Ok(())
    }

    /// A consent is known by whom it is for, whose it is, and its reference.
    fn consent_key(&self, name: &ConsentName) -> Key {
        let person = self.person_key(&name.subject);
        self.digest(&[b"consent", name.provider.as_str().as_bytes(), &person, name.reference.as_bytes()])
    }

    fn person_key(&self, subject: &Subject) -> Key {
        // The envelope's form of a subject: one text for each identifier.
        self.digest(&[b"person", &serde_json::to_vec(subject).unwrap_or_default()])
    }

    fn case_key(&self, consumer: &ConsumerId, case: &CaseId) -> Key {
        self.digest(&[b"case", consumer.as_str().as_bytes(), case.as_str().as_bytes()])
    }

    fn answer_key(&self, case: Key, field: &str, value: &str) -> Key {
        self.digest(&[b"answer", &case, field.as_bytes(), value.as_bytes()])
    }

    /// Keyed digest over parts, each led by its length, so that parts cannot be shifted into one another.
    fn digest(&self, parts: &[&[u8]]) -> Key {
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
        for part in parts {
            bytes.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        self.key.mac(&bytes)
    }
}

#[cfg(test)]
mod tests;
