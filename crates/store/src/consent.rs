//! The registry of consents: each is known from its first use, and nobody can use it once it is withdrawn.

use std::fmt;

use jiff::Timestamp;
use model::{Consent, ConsumerId, ProviderId, Subject};
use seal::SealKey;
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::database::Key;

/// What a consent is known by. `Debug` names nobody.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentName {
    /// Whom it allows to be asked.
    pub provider: ProviderId,
    /// Who gave it.
    pub subject: Subject,
    /// The reference of its document.
    pub reference: String,
}

impl ConsentName {
    /// What a consent is known by.
    #[must_use]
    pub fn of(consent: &Consent) -> Self {
        Self { provider: consent.provider.clone(), subject: consent.subject.clone(), reference: consent.reference.clone() }
    }
}

impl fmt::Debug for ConsentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentName").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// Most signatures of one consent that are remembered.
pub const VERSIONS_MAX: usize = 20;

/// A consent as the registry knows it. `Debug` names nobody.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownConsent {
    /// What it is known by.
    pub name: ConsentName,
    /// What it said when it was first used, for each time it was signed, in the order of use; the last
    /// [`VERSIONS_MAX`]. Another content of the same signature is refused. Empty where it was withdrawn before anybody
    /// used it.
    pub versions: Vec<Consent>,
    /// When it was first used, or withdrawn.
    pub registered_at: Timestamp,
    /// Who has used it, in order.
    pub consumers: Vec<ConsumerId>,
    /// When and how it was withdrawn. What is signed later was given anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Withdrawal>,
}

/// A consent's withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// When.
    pub at: Timestamp,
    /// Through which consumer.
    pub by: ConsumerId,
}

impl fmt::Debug for KnownConsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownConsent").field("name", &self.name).field("withdrawn", &self.withdrawn).finish_non_exhaustive()
    }
}

impl KnownConsent {
    /// Why a consent of this name may not be used, as far as the registry knows.
    ///
    /// # Errors
    /// The reason.
    pub fn allows(&self, consent: &Consent) -> Result<(), Refused> {
        if self.withdrawn.as_ref().is_some_and(|withdrawal| consent.signed_at <= withdrawal.at) {
            return Err(Refused::Withdrawn);
        }
        let differs = |known: &Consent| known.signed_at == consent.signed_at && known != consent;
        if self.versions.iter().any(differs) { Err(Refused::Differs) } else { Ok(()) }
    }

    /// Whether this consumer has used exactly this consent before.
    #[must_use]
    pub fn used(&self, consumer: &ConsumerId, consent: &Consent) -> bool {
        self.versions.contains(consent) && self.consumers.contains(consumer)
    }
}

/// Why the registry refuses a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It has been withdrawn since it was signed.
    Withdrawn,
    /// It says something else than it did at its first use.
    Differs,
}

/// What registering a consent came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// It is new, or new for this consumer.
    Now,
    /// It was known, for this consumer too.
    Before,
    /// It may not be used.
    Refused(Refused),
}

/// What withdrawing a consent came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrew {
    /// It is withdrawn from now on.
    Now,
    /// It was withdrawn before.
    Before,
    /// It is not known to this registry, or was not used by the consumer that withdraws it.
    Unknown,
}

impl KnownConsent {
    pub(crate) fn seal(&self, key: &SealKey, place: Key) -> Result<Vec<u8>, StoreError> {
        let plain = serde_json::to_vec(self).map_err(|_| StoreError::Damaged)?;
        Ok(key.seal(&binding(place), &plain))
    }

    pub(crate) fn open(key: &SealKey, place: Key, sealed: &[u8]) -> Result<Self, StoreError> {
        let plain = key.open(&binding(place), sealed).map_err(|_| StoreError::Damaged)?;
        serde_json::from_slice(&plain).map_err(|_| StoreError::Damaged)
    }
}

fn binding(place: Key) -> Vec<u8> {
    [b"qovsaq consent 1".as_slice(), &place].concat()
}
