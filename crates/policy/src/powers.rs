//! What is known of who asks besides his own words: found out at the edge, judged here (Decree 634, 2.6 c).

use model::Profile;
use model::contract::{Assurance, Class};
use serde::{Deserialize, Serialize};

use crate::decision::DenialReason;

/// Who asks, as far as the gateway knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Powers {
    /// What the identity provider of officials says of him.
    pub identity: Identity,
    /// What the register of rights says of him, in the role and for the consumer of the ask. For an automated
    /// caller it is said of the person who is answerable for it.
    pub standing: Standing,
}

impl Powers {
    /// Nothing is known: no assertion was sent and no register is kept.
    pub const UNKNOWN: Self = Self { identity: Identity::NotSent, standing: Standing::NotKept };
}

/// What an assertion of the identity provider comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// None was sent.
    NotSent,
    /// It proves that the official is present, at this level.
    Proven(Assurance),
    /// One was sent that proves nothing.
    Unproven(Unproven),
}

impl Identity {
    /// The reason it is denied with; `None` where nothing stands against it.
    #[must_use]
    pub fn reason(self, profile: Profile) -> Option<DenialReason> {
        match self {
            Self::NotSent if profile == Profile::Production => Some(DenialReason::AssertionRequired),
            Self::NotSent | Self::Proven(_) => None,
            Self::Unproven(why) => Some(why.reason()),
        }
    }

    /// The level it proves, where it proves one.
    #[must_use]
    pub fn level(self) -> Option<Assurance> {
        match self {
            Self::Proven(level) => Some(level),
            Self::NotSent | Self::Unproven(_) => None,
        }
    }

    /// The highest class that it lets be seen; `None` where it sets no bound. An official whose profile needs no
    /// assertion is bounded by his role alone.
    pub(crate) fn class_max(self) -> Option<Class> {
        match self {
            Self::Proven(level) => Some(level.class_max()),
            Self::NotSent | Self::Unproven(_) => None,
        }
    }
}

/// Why an official's assertion proves nothing. The codes are those of [`DenialReason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unproven {
    /// No identity provider of officials is configured.
    NotVerified,
    /// It is no compact JWS (RFC 7515), or a claim is missing or not of its type.
    Malformed,
    /// Its key or algorithm is not one of the identity provider's, or the signature does not hold.
    Signature,
    /// Another issuer or audience, or a level that is not known.
    Purpose,
    /// It was made for another consumer, or for another client certificate.
    OtherConsumer,
    /// It is somebody else's.
    OtherOfficial,
    /// It has expired, is not valid yet, or lives longer than allowed.
    Time,
    /// It has been used for something else.
    Replayed,
}

impl Unproven {
    /// The reason it is denied with.
    #[must_use]
    pub fn reason(self) -> DenialReason {
        match self {
            Self::NotVerified => DenialReason::AssertionNotVerified,
            Self::Malformed => DenialReason::AssertionMalformed,
            Self::Signature => DenialReason::AssertionSignature,
            Self::Purpose => DenialReason::AssertionPurpose,
            Self::OtherConsumer => DenialReason::AssertionOtherConsumer,
            Self::OtherOfficial => DenialReason::AssertionOtherOfficial,
            Self::Time => DenialReason::AssertionTime,
            Self::Replayed => DenialReason::AssertionReplayed,
        }
    }
}

/// What the register of rights says of an official in a role, at the moment of the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// No register is kept (the test profile allows that): the role itself is the bound.
    NotKept,
    /// He holds the role.
    Held,
    /// There is no account of his.
    NoAccount,
    /// His account is deactivated: he has left, or it was closed.
    Deactivated,
    /// He never held the role, or holds it no more.
    NotHeld,
    /// His right has not begun yet.
    NotYet,
    /// He has not acknowledged the duties of the role, and until then it is inactive.
    NotAcknowledged,
    /// The right was withdrawn, or has run out.
    Withdrawn,
}

impl Standing {
    /// The reason it is denied with; `None` where nothing stands against him.
    #[must_use]
    pub fn reason(self) -> Option<DenialReason> {
        match self {
            Self::NotKept | Self::Held => None,
            Self::NoAccount => Some(DenialReason::OfficialUnknown),
            Self::Deactivated => Some(DenialReason::OfficialDeactivated),
            Self::NotHeld => Some(DenialReason::RoleNotHeld),
            Self::NotYet => Some(DenialReason::RightNotBegun),
            Self::NotAcknowledged => Some(DenialReason::RoleNotAcknowledged),
            Self::Withdrawn => Some(DenialReason::RightWithdrawn),
        }
    }
}
