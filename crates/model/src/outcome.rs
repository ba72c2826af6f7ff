//! What a question came to. The product's core promise is that these are never confused: "no
//! record" is an answer of the source, "could not ask" is not.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The result of one question to one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// The source gave a record.
    Found,
    /// The source answered that it holds no such record; [`Absence`] says what that means.
    NotFound,
    /// The source says it holds the record on paper only.
    NotHeldElectronically,
    /// The source could not be asked or did not answer usably in time. Says nothing about the person.
    Unavailable,
    /// The question was refused, by our policy or by the provider.
    Denied,
    /// The source answered something its contract forbids; the answer is not used.
    InvalidData,
    /// A record from a snapshot older than its contract's lifetime, where the contract allows it.
    Stale,
}

impl Outcome {
    /// All outcomes, in the order of the product's documents.
    pub const ALL: [Self; 7] =
        [Self::Found, Self::NotFound, Self::NotHeldElectronically, Self::Unavailable, Self::Denied, Self::InvalidData, Self::Stale];

    /// The word used on every surface, such as `NOT_FOUND`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Found => "FOUND",
            Self::NotFound => "NOT_FOUND",
            Self::NotHeldElectronically => "NOT_HELD_ELECTRONICALLY",
            Self::Unavailable => "UNAVAILABLE",
            Self::Denied => "DENIED",
            Self::InvalidData => "INVALID_DATA",
            Self::Stale => "STALE",
        }
    }

    /// Whether the answer carries a record.
    #[must_use]
    pub fn carries_data(self) -> bool {
        matches!(self, Self::Found | Self::Stale)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What `NOT_FOUND` means for a service, stated by its contract; a dossier may only tighten *fact*
/// to *unknown* (`docs/guide/for-subsystems.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Absence {
    /// No record is itself an answer: no car registered means no car.
    Fact,
    /// No record proves nothing: a birth act that is not found may be on paper.
    Unknown,
}

impl Absence {
    /// The word used on every surface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fact => "fact",
            Self::Unknown => "unknown",
        }
    }

    /// The one of the two that proves less.
    #[must_use]
    pub fn or_stricter(self, other: Self) -> Self {
        if other == Self::Unknown { other } else { self }
    }
}
