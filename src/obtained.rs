//! What a question came to, and why there is no usable answer where there is none.

use std::sync::Arc;

use adapter_core::{CallError, CallErrorKind, Origin};
use jiff::Timestamp;
use model::{Absence, Facts, InstanceId, Outcome, Predicate};
use policy::{DenialReason, Sight};

use crate::clock;
use crate::limit::Refused;
use crate::record::Place;

/// What a question came to before it is disclosed.
#[derive(Debug, Clone)]
pub struct Obtained {
    /// The outcome.
    pub outcome: Outcome,
    /// What absence means, with `NOT_FOUND`.
    pub absence: Option<Absence>,
    /// The record, with `FOUND`.
    pub facts: Option<Arc<Facts>>,
    /// Yes or no instead of a record, where that is all that may be told.
    pub answer: Option<Verdict>,
    /// When the source answered, or the attempt ended.
    pub at: Timestamp,
    /// Until when the answer is current; none where the contract allows no reuse.
    pub expires_at: Option<Timestamp>,
    /// Where it was got from.
    pub via: Via,
    /// The instance of the source that was asked; none where none was.
    pub instance: Option<InstanceId>,
    /// The key of the body that the contract says is not connected, where that is the answer.
    pub not_connected: Option<Box<str>>,
    /// The entry that it rests on: Answered, Failed or Denied; an Intent where the source had not
    /// answered in time.
    pub entry: Option<Place>,
    /// What hindered, where something did.
    pub trouble: Option<Trouble>,
    /// Why our own policy refused, with `DENIED` by us.
    pub reasons: Vec<DenialReason>,
}

/// A yes or no, and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The question.
    pub predicate: Arc<Predicate>,
    /// The answer.
    pub holds: bool,
}

/// Where an answer was got from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Asked of the source for this question.
    Provider,
    /// Asked of the source for another question at the same moment, and shared.
    Flight,
    /// Kept from an earlier question.
    Cache,
    /// Known from the contract: the body that would know is not connected. Nobody was asked.
    Contract,
    /// Looked up in what was loaded of the source's files.
    Snapshot,
}

impl Via {
    /// The word of `source.via` and of the disclosure's entry: what was obtained for another question is
    /// disclosed as a hit.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Flight | Self::Cache => "cache",
            Self::Contract => "meis",
            Self::Snapshot => "snapshot",
        }
    }
}

/// Why there is no usable answer; decides status and origin of the problem document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The deadline or the contract's timeout passed.
    Deadline {
        /// When the source says that asking again makes sense, in seconds.
        retry_after: Option<u64>,
    },
    /// The provider or the route could not be reached, or is out of order.
    Unreachable {
        /// Whether the route (EHİS) rather than the provider failed.
        route: bool,
        /// When the source says that asking again makes sense, in seconds.
        retry_after: Option<u64>,
    },
    /// The source has failed too often of late; it was not asked.
    Suspended {
        /// When it will be tried again, in seconds.
        retry_after: u64,
    },
    /// The rate agreed with the source, or the number of calls it may have under way, leaves no room
    /// before the deadline; it was not asked.
    Busy {
        /// When there is likely to be room, in seconds.
        retry_after: u64,
    },
    /// Only a kept answer was asked for, and there is none.
    NotCached,
    /// What the question needs has not been answered; it was not asked.
    NotYet,
    /// No provider is configured for the service.
    NotConfigured,
    /// The provider or the route refused.
    Refused {
        /// Whether the route refused.
        route: bool,
    },
    /// The answer broke its contract.
    Broken,
    /// The answer names more members than a dossier takes, so it is not used; the source is not to blame.
    TooManyMembers,
    /// The answer could not be journalled with what its contract captures, so it is not used.
    NotJournalled,
    /// The gateway's own part failed: the journal had no room for the intent, or the store was silent.
    Gateway,
}

impl From<Refused> for Trouble {
    fn from(refused: Refused) -> Self {
        let retry_after = refused.retry_after_seconds();
        match refused {
            Refused::Suspended { .. } => Self::Suspended { retry_after },
            Refused::QuotaFull { .. } | Refused::BulkheadFull { .. } => Self::Busy { retry_after },
        }
    }
}

impl Obtained {
    /// Not asked at all.
    #[must_use]
    pub fn not_asked(trouble: Trouble) -> Self {
        Self::without_answer(Outcome::Unavailable, trouble, None)
    }

    /// Not asked, since the body of this key is not connected: what it knows is not held electronically (portal regulation,
    /// 4.2). That is the contract's word, and says nothing about the person.
    #[must_use]
    pub fn not_connected(key: Box<str>) -> Self {
        Self {
            outcome: Outcome::NotHeldElectronically,
            via: Via::Contract,
            not_connected: Some(key),
            trouble: None,
            ..Self::not_asked(Trouble::NotYet)
        }
    }

    /// Refused by our own policy, for these reasons, as this entry says.
    #[must_use]
    pub fn denied(reasons: Vec<DenialReason>, entry: Place) -> Self {
        Self { outcome: Outcome::Denied, trouble: None, reasons, ..Self::without_answer(Outcome::Denied, Trouble::NotYet, Some(entry)) }
    }

    /// No usable answer, for this reason.
    #[must_use]
    pub fn without_answer(outcome: Outcome, trouble: Trouble, entry: Option<Place>) -> Self {
        Self {
            outcome,
            absence: None,
            facts: None,
            answer: None,
            at: clock::now(),
            expires_at: None,
            via: Via::Provider,
            instance: None,
            not_connected: None,
            entry,
            trouble: Some(trouble),
            reasons: Vec::new(),
        }
    }

    /// The same as a right shows it: a record of which it shows nothing is told as none. That tells less than
    /// the source said, so it is what its absence means by the contract, `absence`, and never less. Like any
    /// other absence it cannot be used again.
    ///
    /// Where a right gives a yes or no, what is told follows from that alone. "No record" is a no where absence is a
    /// fact, and told like any other; where it proves nothing, it stays `NOT_FOUND`. What did not come to an answer
    /// is never a no.
    #[must_use]
    pub fn seen(self, sight: &Sight, absence: Absence) -> Self {
        if let Some(predicate) = sight.predicate() {
            return self.decided(sight, predicate, absence);
        }
        match &self.facts {
            // A yes or no was all that could be told when it was asked, and the record was not kept for more.
            _ if self.answer.is_some() => Self::without_answer(Outcome::Unavailable, Trouble::Gateway, self.entry),
            Some(facts) if sight.hides(facts) => {
                Self { outcome: Outcome::NotFound, absence: Some(absence), facts: None, expires_at: None, ..self }
            }
            Some(_) | None => self,
        }
    }

    fn decided(self, sight: &Sight, predicate: &Arc<Predicate>, absence: Absence) -> Self {
        let holds = match (&self.facts, &self.answer, self.outcome) {
            (Some(facts), _, _) => sight.verdict(facts),
            (None, Some(known), _) => (known.predicate == *predicate).then_some(known.holds),
            (None, None, Outcome::NotFound) if self.absence == Some(Absence::Fact) => Some(false),
            (None, None, _) => return self,
        };
        let Some(holds) = holds else { return Self::without_answer(Outcome::Unavailable, Trouble::Gateway, self.entry) };
        // Whoever reads absence more strictly than the contract does takes no from nothing that may be an absence.
        if !holds && absence == Absence::Unknown && sight.service().absence == Absence::Fact {
            return Self { outcome: Outcome::NotFound, absence: Some(absence), facts: None, answer: None, expires_at: None, ..self };
        }
        let outcome = if self.outcome == Outcome::NotFound { Outcome::Found } else { self.outcome };
        // A no is never kept (`Sight::hides`), whichever it is.
        let expires_at = self.expires_at.filter(|_| holds);
        let answer = Some(Verdict { predicate: Arc::clone(predicate), holds });
        Self { outcome, absence: None, facts: None, answer, expires_at, ..self }
    }

    /// How old the answer is at `now`, in whole seconds.
    #[must_use]
    pub fn age_seconds(&self, now: Timestamp) -> u64 {
        u64::try_from(now.duration_since(self.at).as_secs()).unwrap_or(0)
    }

    /// Whether it is an answer: the source's own, or the contract's word that nobody can be asked.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        self.trouble.is_none()
            && matches!(self.outcome, Outcome::Found | Outcome::NotFound | Outcome::NotHeldElectronically | Outcome::Stale)
    }
}

/// What a failed call says about the question: never anything about the person.
#[must_use]
pub fn classify(error: &CallError) -> (Outcome, Trouble) {
    let route = error.origin() == Origin::Route;
    match error.kind() {
        CallErrorKind::Deadline => {
            (Outcome::Unavailable, Trouble::Deadline { retry_after: error.retry_after().map(|after| after.as_secs()) })
        }
        CallErrorKind::TooLarge | CallErrorKind::ContentType | CallErrorKind::Malformed => (Outcome::InvalidData, Trouble::Broken),
        CallErrorKind::RouteRefused { .. } | CallErrorKind::CredentialsRefused => (Outcome::Denied, Trouble::Refused { route }),
        CallErrorKind::RouteUnavailable { .. }
        | CallErrorKind::Connect
        | CallErrorKind::Tls
        | CallErrorKind::Reset
        | CallErrorKind::Status(_)
        | CallErrorKind::TokenUnavailable
        | CallErrorKind::NoSnapshot
        | CallErrorKind::Question(_) => {
            (Outcome::Unavailable, Trouble::Unreachable { route, retry_after: error.retry_after().map(|after| after.as_secs()) })
        }
    }
}
