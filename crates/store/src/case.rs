//! A case as the store knows it, and the sealed form in which it is kept.

use jiff::Timestamp;
use model::contract::PersonRole;
use model::{CaseId, ConsumerId, PurposeId, RoleId, Subject};
use seal::SealKey;
use serde::{Deserialize, Serialize};

use crate::Override;
use crate::database::Key;
use crate::{OVERRIDES_MAX, Overrode, StoreError, Verdict};

/// A consumer's case at one moment. Does not change; ask the store again for a later state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    record: Record,
}

impl Case {
    pub(crate) fn new(record: Record) -> Self {
        Self { record }
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// The purpose it was opened for.
    #[must_use]
    pub fn purpose(&self) -> &PurposeId {
        &self.record.purpose
    }

    /// Whether it is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.record.closed_at.is_none()
    }

    /// When it was opened.
    #[must_use]
    pub fn opened_at(&self) -> Timestamp {
        self.record.opened_at
    }

    /// When it was closed.
    #[must_use]
    pub fn closed_at(&self) -> Option<Timestamp> {
        self.record.closed_at
    }

    /// Its persons with their roles, in the order they were given, without repetition.
    #[must_use]
    pub fn persons(&self) -> &[(Subject, PersonRole)] {
        &self.record.persons
    }

    /// Whether this person is in the case, in whatever role. The same identifier is meant: a person
    /// named by FIN is not found by a document.
    #[must_use]
    pub fn has(&self, subject: &Subject) -> bool {
        self.record.persons.iter().chain(&self.record.discovered).any(|(person, _)| person == subject)
    }

    /// The persons that a dossier of the case has discovered, with their roles.
    #[must_use]
    pub fn discovered(&self) -> &[(Subject, PersonRole)] {
        &self.record.discovered
    }

    /// The official whose case it is; `None` where the subsystem shares it out itself.
    #[must_use]
    pub fn official(&self) -> Option<&str> {
        self.record.official.as_deref()
    }

    /// The override under which this official acts in this role at this moment.
    #[must_use]
    pub fn emergency(&self, official: &str, role: &RoleId, now: Timestamp) -> Option<&Override> {
        self.record.overrides.iter().find(|entry| entry.covers(official, role, now))
    }

    /// Whether this official may begin an override.
    ///
    /// # Errors
    /// Why not.
    pub fn may_begin_override(&self, official: &str) -> Result<(), Overrode> {
        let overrides = &self.record.overrides;
        let own = || overrides.iter().filter(|entry| entry.official == official);
        let unjustified = |entry: &Override| entry.review.as_ref().is_some_and(|review| review.verdict == Verdict::Unjustified);
        if overrides.len() >= OVERRIDES_MAX {
            Err(Overrode::TooMany)
        } else if own().any(unjustified) {
            Err(Overrode::FoundUnjustified)
        } else if own().any(|entry| entry.review.is_none()) {
            Err(Overrode::NotReviewed)
        } else {
            Ok(())
        }
    }

    /// About how many bytes it takes in memory.
    pub(crate) fn weight(&self) -> usize {
        let persons = self.record.overrides.iter().map(|entry| entry.persons.len() + 8).sum::<usize>();
        400 + (self.record.persons.len() + self.record.discovered.len() + persons) * 120
    }
}

/// What a row holds, sealed. Written as JSON: small, and a later form can add a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    consumer: ConsumerId,
    case: CaseId,
    purpose: PurposeId,
    persons: Vec<(Subject, PersonRole)>,
    /// Apart from those it was opened with: opening it once more with the same persons stays a repetition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    discovered: Vec<(Subject, PersonRole)>,
    /// The official whose case it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    official: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    overrides: Vec<Override>,
    opened_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closed_at: Option<Timestamp>,
}

impl Record {
    pub(crate) fn new(
        consumer: ConsumerId,
        case: CaseId,
        purpose: PurposeId,
        persons: Vec<(Subject, PersonRole)>,
        official: Option<String>,
        opened_at: Timestamp,
    ) -> Self {
        let mut once: Vec<(Subject, PersonRole)> = Vec::with_capacity(persons.len());
        for person in persons {
            if !once.contains(&person) {
                once.push(person);
            }
        }
        Self { consumer, case, purpose, persons: once, discovered: Vec::new(), official, overrides: Vec::new(), opened_at, closed_at: None }
    }

    pub(crate) fn with_discovered(&self, new: &[(Subject, PersonRole)]) -> Self {
        let mut record = self.clone();
        record.discovered.extend_from_slice(new);
        record
    }

    pub(crate) fn of_official(&self, official: &str) -> Self {
        Self { official: Some(official.to_owned()), ..self.clone() }
    }

    /// With this override, in the place of an earlier state of the same.
    pub(crate) fn with_override(&self, entry: &Override) -> Self {
        let mut record = self.clone();
        record.overrides.retain(|known| known.id != entry.id);
        record.overrides.push(entry.clone());
        record
    }

    pub(crate) fn closed(&self, now: Timestamp) -> Self {
        Self { closed_at: Some(now), ..self.clone() }
    }

    /// Whether another opening wants the same: purpose, persons in their roles in any order, and the official where it
    /// names one.
    pub(crate) fn same_content(&self, other: &Self) -> bool {
        let all_in = |left: &Self, right: &Self| left.persons.iter().all(|person| right.persons.contains(person));
        // Whoever names an official wants it to be his.
        let his = other.official.is_none() || other.official == self.official;
        self.purpose == other.purpose && his && all_in(self, other) && all_in(other, self)
    }

    pub(crate) fn seal(&self, key: &SealKey, place: Key) -> Result<Vec<u8>, StoreError> {
        let plain = serde_json::to_vec(self).map_err(|_| StoreError::Damaged)?;
        Ok(key.seal(&binding(place), &plain))
    }

    pub(crate) fn open(key: &SealKey, place: Key, sealed: &[u8]) -> Result<Self, StoreError> {
        let plain = key.open(&binding(place), sealed).map_err(|_| StoreError::Damaged)?;
        // The reason would quote what stands there, which is personal.
        serde_json::from_slice(&plain).map_err(|_| StoreError::Damaged)
    }
}

/// Binds a sealed row to its place, so that rows cannot be exchanged for one another.
fn binding(place: Key) -> Vec<u8> {
    [b"qovsaq case 1".as_slice(), &place].concat()
}
