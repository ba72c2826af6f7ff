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
mod database;
mod error;
mod ledger;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use model::contract::PersonRole;
use model::{CaseId, ConsumerId, PurposeId, Subject};
use moka::sync::Cache;
use seal::SealKey;

pub use crate::case::Case;
use crate::case::Record;
use crate::database::{Database, Key};
pub use crate::error::StoreError;
pub use crate::ledger::{CHANGE_BYTES_MAX, CHANGES_MAX, Ledger};

/// Most persons of one case.
pub const PERSONS_MAX: usize = 200;
/// Most answers remembered in one case.
pub const ANSWERS_MAX: u32 = 1_000;
/// Bound of the cache of cases, in bytes as [`Case::weight`] estimates them: 32 MiB.
const CACHE_BYTES_MAX: u64 = 32 << 20;
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
        })
    }

    /// Opens a case, or finds that it is open already. Persons may be given in any order; the same person
    /// in the same role counts once. Blocking.
    ///
    /// # Errors
    /// [`StoreError::TooManyPersons`] above [`PERSONS_MAX`], else when the disk refuses.
    pub fn open_case(
        &self,
        consumer: &ConsumerId,
        case: &CaseId,
        purpose: &PurposeId,
        persons: Vec<(Subject, PersonRole)>,
        now: Timestamp,
    ) -> Result<Opened, StoreError> {
        if persons.len() > PERSONS_MAX {
            return Err(StoreError::TooManyPersons);
        }
        let key = self.case_key(consumer, case);
        let record = Record::new(consumer.clone(), case.clone(), purpose.clone(), persons, now);
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
