//! Somebody acts for a person: a guardian, a parent, or a proxy with a power of attorney. The form is an assumption; the
//! acts that the representation itself rests on (Civil and Family Code) leave it open.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::subject::Subject;

/// As what somebody acts for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RepresentativeKind {
    /// A guardian or custodian.
    Guardian,
    /// A parent of a minor.
    Parent,
    /// Somebody with a power of attorney.
    Proxy,
}

impl RepresentativeKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Guardian, Self::Parent, Self::Proxy];

    /// The word of envelope and contracts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guardian => "guardian",
            Self::Parent => "parent",
            Self::Proxy => "proxy",
        }
    }
}

/// That a question is asked because somebody acts for a person, as the consumer says it: the gateway keeps reference
/// and hash of the document, never the document. `Debug` names nobody; names persons, so it is stored only sealed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Representation {
    /// As what he acts.
    pub kind: RepresentativeKind,
    /// Who acts.
    pub representative: Subject,
    /// For whom.
    pub represented: Subject,
    /// The consumer's reference of the document it rests on.
    pub reference: String,
    /// SHA-256 of that document, base64.
    pub sha256: String,
    /// Its last day (Asia/Baku).
    pub valid_until: Date,
}

impl Representation {
    /// Whether what it rests on is in force on a day (Asia/Baku): up to and including its last.
    #[must_use]
    pub fn in_force(&self, today: Date) -> bool {
        today <= self.valid_until
    }
}

impl fmt::Debug for Representation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Representation").field("kind", &self.kind).finish_non_exhaustive()
    }
}
