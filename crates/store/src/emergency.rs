//! Emergency overrides: for a while, an official acts in a case that is not his, or about persons who are not in it.

use std::fmt;

use jiff::Timestamp;
use model::contract::PersonRole;
use model::{CaseId, ConsumerId, RoleId, Subject};
use seal::SealKey;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::StoreError;

/// An override as the store keeps it. `Debug` names neither persons nor the official.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Its id.
    pub id: Uuid,
    /// Whose case.
    pub consumer: ConsumerId,
    /// The case.
    pub case: CaseId,
    /// Who acts.
    pub official: String,
    /// In which role, and in no other.
    pub role: RoleId,
    /// Why, in his words.
    pub reason: String,
    /// Whom it adds to those he may ask about.
    pub persons: Vec<(Subject, PersonRole)>,
    /// When it began.
    pub begun_at: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
    /// What the review came to, once there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
}

impl Override {
    /// Whether this official acts under it in this role at this moment. One that was found unjustified has ended.
    #[must_use]
    pub fn covers(&self, official: &str, role: &RoleId, now: Timestamp) -> bool {
        let ended = self.review.as_ref().is_some_and(|review| review.verdict == Verdict::Unjustified);
        !ended && self.official == official && self.role == *role && self.begun_at <= now && now < self.until
    }
}

impl fmt::Debug for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Override").field("id", &self.id).field("until", &self.until).field("review", &self.review).finish_non_exhaustive()
    }
}

/// What a reviewer found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// His verdict.
    pub verdict: Verdict,
    /// Who reviewed.
    pub by: String,
    /// Why, in his words.
    pub note: String,
    /// When.
    pub at: Timestamp,
}

/// Whether an override was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// There was an emergency.
    Justified,
    /// There was none: it ends at once.
    Unjustified,
}

pub(crate) fn seal(entry: &Override, key: &SealKey) -> Result<Vec<u8>, StoreError> {
    let plain = serde_json::to_vec(entry).map_err(|_| StoreError::Damaged)?;
    Ok(key.seal(&binding(entry.id), &plain))
}

pub(crate) fn open(id: Uuid, sealed: &[u8], key: &SealKey) -> Result<Override, StoreError> {
    let plain = key.open(&binding(id), sealed).map_err(|_| StoreError::Damaged)?;
    serde_json::from_slice(&plain).map_err(|_| StoreError::Damaged)
}

fn binding(id: Uuid) -> Vec<u8> {
    [b"qovsaq override 1".as_slice(), id.as_bytes()].concat()
}
