//! A person's consent to one provider being asked about him.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::ProviderId;
use crate::subject::Subject;

/// Most consents one envelope carries.
pub const CONSENTS_MAX: usize = 16;

/// A consent as the consumer holds it: the gateway keeps its reference and hash, never the document.
/// `Debug` names nobody. Serialises in the form of the envelope; names a person, so it is stored only
/// sealed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// Whom it allows to be asked.
    pub provider: ProviderId,
    /// Who gave it.
    pub subject: Subject,
    /// The consumer's reference of the document.
    pub reference: String,
    /// SHA-256 of the document, base64.
    pub sha256: String,
    /// When it was signed.
    pub signed_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl Consent {
    /// Whether it is in force at a moment: from its signature on, until just before its end.
    #[must_use]
    pub fn in_force(&self, now: Timestamp) -> bool {
        self.signed_at <= now && now < self.expires_at
    }
}

impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consent").field("provider", &self.provider).finish_non_exhaustive()
    }
}
