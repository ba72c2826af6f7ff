//! What happens to the register. An event holds everything that its effect needs: applying it decides nothing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{DocumentRef, OfficialNumber, PersonKey, RequestId, RightId};
use crate::power::Power;
use crate::register::Wanted;

/// One change with when, by whom, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When it took effect.
    pub at: Timestamp,
    /// Who did it.
    pub by: By,
    /// What it rests on.
    pub basis: Basis,
    /// What it changes.
    pub change: Change,
}

/// Who does something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// An official with an account.
    Official(OfficialNumber),
    /// The gateway: what its rules say by themselves, and the initial register.
    Gateway,
}

/// What a change rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// A written document.
    Document(DocumentRef),
    /// A stated reason.
    Reason(Box<str>),
    /// A request, and with it the request's document.
    Request(RequestId),
    /// The person's own declaration.
    Declaration,
    /// A rule of the register, by the name of its figure or table.
    Rule(Box<str>),
}

/// A right that begins to exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    /// Its number.
    pub right: RightId,
    /// Whose it is.
    pub official: OfficialNumber,
    /// What it is to.
    pub power: Power,
    /// From when.
    pub begins: Timestamp,
    /// Until when, not included; `None` until it is withdrawn or lapses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
}

/// What an event changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// An account was opened; it holds nothing yet.
    AccountOpened {
        /// Its number.
        official: OfficialNumber,
        /// Whose it is.
        person: PersonKey,
        /// The name in his client certificate, in lower case.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate_name: Option<Box<str>>,
        /// His name at the identity provider of officials.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<Box<str>>,
    },
    /// Its holder has left: every right of his ends at this moment, and his open requests are closed.
    AccountDeactivated {
        /// Its number.
        official: OfficialNumber,
    },
    /// He came back; none of his rights did.
    AccountReopened {
        /// Its number.
        official: OfficialNumber,
    },
    /// A leaver's account and all that was kept of it is gone.
    AccountErased {
        /// Its number.
        official: OfficialNumber,
    },
    /// A right stands from the beginning: the initial register.
    Given {
        /// The right.
        granted: Granted,
        /// Whether its duties were acknowledged on paper.
        acknowledged: bool,
    },
    /// Something is asked for. A transfer ends the old rights at its moment with this very event, whatever comes of it.
    Requested {
        /// Its number.
        request: RequestId,
        /// What is asked for.
        wanted: Wanted,
        /// The document it rests on.
        document: DocumentRef,
        /// When that was received.
        received_at: Timestamp,
        /// By when it is to be decided.
        due: Timestamp,
        /// The rights that the transfer ends.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ends: Vec<RightId>,
    },
    /// It was approved.
    Approved {
        /// The request.
        request: RequestId,
        /// The rights that begin.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        granted: Vec<Granted>,
        /// The right that ends, and when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ends: Option<(RightId, Timestamp)>,
    },
    /// It was refused.
    Refused {
        /// The request.
        request: RequestId,
    },
    /// Its requester took it back.
    Cancelled {
        /// The request.
        request: RequestId,
    },
    /// The holder knows the duties and takes them on.
    Acknowledged {
        /// The right.
        right: RightId,
    },
    /// A right ends at once.
    Withdrawn {
        /// The right.
        right: RightId,
    },
    /// An account gave itself a right in an emergency; it acts at once.
    GlassBroken {
        /// The right.
        granted: Granted,
    },
    /// What was taken in an emergency has been looked at.
    GlassReviewed {
        /// The right.
        right: RightId,
    },
    /// The quarterly review left the right as it is.
    Confirmed {
        /// The right.
        right: RightId,
    },
    /// The review's term has passed without a word: the right had lapsed by itself, and this takes it down.
    Lapsed {
        /// The right.
        right: RightId,
    },
    /// Rights that ended, and requests that were decided, before a moment are not kept any more.
    Swept {
        /// The moment.
        before: Timestamp,
    },
}

impl Change {
    /// Its name, as the journal has it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::AccountOpened { .. } => "account-opened",
            Self::AccountDeactivated { .. } => "account-deactivated",
            Self::AccountReopened { .. } => "account-reopened",
            Self::AccountErased { .. } => "account-erased",
            Self::Given { .. } => "given",
            Self::Requested { .. } => "requested",
            Self::Approved { .. } => "approved",
            Self::Refused { .. } => "refused",
            Self::Cancelled { .. } => "cancelled",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Withdrawn { .. } => "withdrawn",
            Self::GlassBroken { .. } => "glass-broken",
            Self::GlassReviewed { .. } => "glass-reviewed",
            Self::Confirmed { .. } => "confirmed",
            Self::Lapsed { .. } => "lapsed",
            Self::Swept { .. } => "swept",
        }
    }
}
