//! Recalls: a source takes facts back, and whoever was told of them is told that. What is to be done is kept before it is
//! done ([`Quality::begin_recall`]), so that a crash in the middle is made good at the next start.

use jiff::Timestamp;
use model::{CaseId, ConsumerId, ServiceId};
use rusqlite::params;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Quality;
use crate::StoreError;

/// Most notices of one recall.
pub const NOTICES_MAX: usize = 10_000;

const PUT: &str = "INSERT OR IGNORE INTO notices (id, consumer, at, sealed) VALUES (?1, ?2, ?3, ?4)";
const OF_CONSUMER: &str = "SELECT seq, id, sealed FROM notices WHERE consumer = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
const FORGET: &str = "DELETE FROM notices WHERE at < ?1";
const BEGIN: &str = "INSERT OR REPLACE INTO recalls (id, sealed) VALUES (?1, ?2)";
const BEGUN: &str = "SELECT id, sealed FROM recalls ORDER BY id";
const END: &str = "DELETE FROM recalls WHERE id = ?1";

/// Why a source takes facts back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Because {
    /// They never were facts.
    Annulled,
    /// They were wrong, and others hold.
    Corrected,
}

/// A recall that has been decided: everything that carrying it out takes. Holds no identifier of a person, only the
/// token that the journal's entries carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recall {
    /// Its id.
    pub id: Uuid,
    /// The request by which it was ordered.
    pub request_id: Uuid,
    /// Whose facts.
    pub service: ServiceId,
    /// Of which person, by token; none where the service asks about nobody.
    pub subject: Option<String>,
    /// Answers of this moment or later.
    pub from: Timestamp,
    /// Answers of this moment or earlier.
    pub to: Timestamp,
    /// Why.
    pub because: Because,
    /// Why, in words.
    pub reason: String,
    /// Who ordered it.
    pub by: String,
    /// Answers that are taken back: logs and indices.
    pub answers: Vec<(String, u64)>,
    /// Who was told of them.
    pub notices: Vec<Notice>,
}

/// That a consumer was told of something which its source has taken back. No value, no person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// Its id.
    pub id: Uuid,
    /// Who was told.
    pub consumer: ConsumerId,
    /// In which case.
    pub case: CaseId,
    /// In which dossier, where it was one.
    pub dossier_id: Option<Uuid>,
    /// Whose facts they were.
    pub service: ServiceId,
    /// Why they are taken back.
    pub because: Because,
    /// When they were told.
    pub told_at: Timestamp,
    /// The entry of the disclosure: log and index.
    pub entry: (String, u64),
    /// When they were taken back.
    pub recalled_at: Timestamp,
}

impl Quality {
    /// Keeps what a recall is to do. Durable when it returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn begin_recall(&self, recall: &Recall) -> Result<(), StoreError> {
        let plain = serde_json::to_vec(recall).map_err(|_| StoreError::Damaged)?;
        let sealed = self.key.seal(&binding(b"recall", recall.id), &plain);
        self.file().connection.prepare_cached(BEGIN)?.execute(params![recall.id.as_bytes(), sealed])?;
        Ok(())
    }

    /// The recalls that were begun and not carried out, the oldest first.
    ///
    /// # Errors
    /// When the disk refuses or a row is damaged.
    pub fn begun_recalls(&self) -> Result<Vec<Recall>, StoreError> {
        let file = self.file();
        let mut statement = file.connection.prepare_cached(BEGUN)?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        let mut recalls = Vec::new();
        for row in rows {
            let (id, sealed) = row?;
            let plain = self.key.open(&binding(b"recall", Uuid::from_bytes(id)), &sealed).map_err(|_| StoreError::Damaged)?;
            recalls.push(serde_json::from_slice(&plain).map_err(|_| StoreError::Damaged)?);
        }
        Ok(recalls)
    }

    /// Puts a recall's notices out and ends it, all or nothing. Doing it again changes nothing.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn carry_out(&self, recall: &Recall) -> Result<(), StoreError> {
        let mut file = self.file();
        let transaction = file.connection.transaction()?;
        for notice in &recall.notices {
            let plain = serde_json::to_vec(notice).map_err(|_| StoreError::Damaged)?;
            let sealed = self.key.seal(&binding(b"notice", notice.id), &plain);
            let (consumer, at) = (self.consumer_key(&notice.consumer), notice.recalled_at.as_millisecond());
            transaction.prepare_cached(PUT)?.execute(params![notice.id.as_bytes(), consumer, at, sealed])?;
        }
        transaction.prepare_cached(END)?.execute([recall.id.as_bytes()])?;
        Ok(transaction.commit()?)
    }

    /// A consumer's notices after the `after`-th, oldest first, at most `limit`, each with its number.
    ///
    /// # Errors
    /// When the disk refuses or a row is damaged.
    pub fn notices(&self, consumer: &ConsumerId, after: u64, limit: usize) -> Result<Vec<(u64, Notice)>, StoreError> {
        let file = self.file();
        let mut statement = file.connection.prepare_cached(OF_CONSUMER)?;
        let (after, limit) = (i64::try_from(after).unwrap_or(i64::MAX), i64::try_from(limit).unwrap_or(i64::MAX));
        let mut rows = statement.query(params![self.consumer_key(consumer), after, limit])?;
        let mut notices = Vec::new();
        while let Some(row) = rows.next()? {
            let number = u64::try_from(row.get::<_, i64>(0)?).map_err(|_| StoreError::Damaged)?;
            let id = Uuid::from_bytes(row.get(1)?);
            let sealed: Vec<u8> = row.get(2)?;
            let plain = self.key.open(&binding(b"notice", id), &sealed).map_err(|_| StoreError::Damaged)?;
            notices.push((number, serde_json::from_slice(&plain).map_err(|_| StoreError::Damaged)?));
        }
        Ok(notices)
    }

    /// Forgets the notices of before a moment.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget_notices(&self, before: Timestamp) -> Result<(), StoreError> {
        self.file().connection.prepare_cached(FORGET)?.execute([before.as_millisecond()])?;
        Ok(())
    }

    fn consumer_key(&self, consumer: &ConsumerId) -> [u8; 32] {
        self.key.mac(&[b"notices of ".as_slice(), consumer.as_str().as_bytes()].concat())
    }
}

fn binding(what: &[u8], id: Uuid) -> Vec<u8> {
    [b"qovsaq recall 1 ".as_slice(), what, id.as_bytes()].concat()
}
