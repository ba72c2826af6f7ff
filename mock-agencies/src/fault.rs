//! Faults on demand: which exist, which service accepts which, and which are active now.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::agency::AgencyCode;

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $meaning:literal;)+) => {
        /// A fault that a mock agency can be told to commit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Fault {
            $(#[doc = $meaning] $(#[$doc])* $variant,)+
        }

        impl Fault {
            /// Every fault.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name at the control endpoint.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it does, in words.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }
        }
    };
}

faults! {
    Hang = "hang", "The request is read and never answered; the connection stays open.";
    Slow = "slow", "The right answer comes three seconds late.";
    Drip = "drip", "The right answer comes one byte a second.";
    Reset = "reset", "The request is read and, before anything is answered, the connection is reset; in HTTP/2 the call's stream alone.";
    ResetMidway = "reset-midway", "The same after half of the answer's body.";
    Oversize = "oversize", "The right answer, padded to 100 MB and streamed without a length.";
    Malformed = "malformed", "The right answer, cut off after two thirds: not well-formed.";
    WrongType = "wrong-type", "An answer of the right form with values of the wrong type.";
    WrongContentType = "wrong-content-type", "The right bytes under `text/html`.";
    Undeclared = "undeclared", "The right answer with fields that no contract declares.";
    Error = "error", "A technical error of the provider in its own form, with HTTP 500.";
    FaultIn200 = "fault-in-200", "A technical error of the provider in its own form, with HTTP 200.";
    RetryAfter = "retry-after", "A refusal with `Retry-After: 2`: 503 from a SOAP service, 429 from a REST one.";
    Down = "down", "The whole agency is off: open connections are reset, new ones dropped before TLS; `times` counts the dropped ones.";
    XmlBomb = "xml-bomb", "An answer with a DOCTYPE whose entities would expand to gigabytes.";
    ExternalEntity = "external-entity", "An answer with a DOCTYPE whose entity names a local file.";
    DeepNesting = "deep-nesting", "An answer of 200,000 nested elements or arrays.";
    NetworkError = "network-error", "X-Road's own fault `Server.ServerProxy.NetworkError` (7.7 and older).";
    NetworkErrorNew = "network-error-7.8", "X-Road's own fault `server.serverproxy.network_error` (7.8).";
    AccessDenied = "access-denied", "X-Road's own fault `Server.ServerProxy.AccessDenied` (7.7 and older).";
    AccessDeniedNew = "access-denied-7.8", "X-Road's own fault `server.serverproxy.access_denied` (7.8).";
    WrongEcho = "wrong-echo", "The answer repeats another message's X-Road `id`: it belongs to another question.";
    WrongHash = "wrong-hash", "The answer's X-Road-Request-Hash is that of another request.";
    ErrorAsXml = "error-as-xml", "X-Road's own error as XML, to a caller that asked for JSON.";
    ActCorrected = "act-corrected", "An act has been corrected since it was last delivered: status 2 and another date.";
    SlowTail = "slow-tail", "The right answer comes after four to eight seconds.";
    FilingDay = "filing-day", "The front-end server refuses with HTTP 503, an HTML page and `Retry-After: 120`.";
    SlowHalfMinute = "slow30", "The right answer comes thirty seconds late.";
    WrongPerson = "wrong-person", "The right form with the record of another person than asked; of another who has nothing, if the one asked about has nothing.";
    WrongCount = "wrong-count", "A count that the list beside it denies.";
    DecimalPoint = "decimal-point", "Numbers with a point where the source's comma belongs.";
    BadShare = "bad-share", "A share of more than the whole: 3/2.";
    TokenExpired = "token-expired", "The caller's token is refused as expired, once; a new one is good.";
    NeverReady = "never-ready", "The inquiry is accepted and its report never becomes ready.";
    ConsentRejected = "consent-rejected", "The bureau refuses the consent.";
    OldReport = "old-report", "The report was made before it was asked for.";
    LostAccept = "lost-accept", "The work is done and the connection is reset before the answer: nobody knows that it was.";
    WorkThenHang = "work-then-hang", "The work is done and nothing is answered; the connection stays open: nobody knows that it was.";
    AverageReading = "average-reading", "The average of twelve months stands in for every reading, and says so.";
    NumberPorted = "number-ported", "The number is being ported: both operators name its owner, and whoever is asked about is one of them.";
    TwoPins = "two-pins", "The person stands in the register under two PINs, and both records come.";
    ExitWithoutEntry = "exit-without-entry", "Nobody recorded an entry: exits follow one another.";
    LocalTime = "local-time", "Time stamps by Baku's clocks and without an offset, where UTC is promised.";
    CursorExpired = "cursor-expired", "The cursor to the next page is refused as expired.";
    CursorEndless = "cursor-endless", "Every page names a next one.";
    CursorRepeats = "cursor-repeats", "Every page names the first one as its next.";
    TooManyItems = "too-many-items", "A list with a thousand items.";
    AreaInSot = "area-in-sot", "Areas in hundredths of a hectare, as old declarations have them.";
    UnknownUnit = "unknown-unit", "Areas in a unit that nobody uses any more.";
    EmptyList = "empty-list", "The right form with an empty list, as in the week in which the register rolls over.";
    KeyRotated = "key-rotated", "The caller's key is refused from now on and for good; the next one is taken.";
    KeyRefused = "key-refused", "Every key is refused.";
    ScoreRevised = "score-revised", "The score has been revised since it was last delivered, after an appeal.";
    TicketReissued = "ticket-reissued", "The military ticket has been issued again under another number.";
    Mojibake = "mojibake", "Texts in a wrong code page, windows-1254 read as windows-1251, none of whose letters was lost.";
    LostLetter = "lost-letter", "The same, with a letter that has become a question mark.";
    PlaceholderDate = "placeholder-date", "01.01.1900 where the register has no date.";
    ScannedPage = "scanned-page", "A scanned page in PDF in place of data.";
    TwoCertificates = "two-certificates", "Two certificates in force at once, with different members.";
    Estimated = "estimated", "Every reading is an estimate, to be replaced later.";
}

impl Fault {
    /// The faults that a service accepts, in the order of [`Fault::ALL`].
    #[must_use]
    pub fn accepted(agency: AgencyCode, service: &str) -> Vec<Self> {
        Self::ALL.iter().copied().filter(|fault| fault.exists_for(agency, service)).collect()
    }

    fn exists_for(self, agency: AgencyCode, service: &str) -> bool {
        match self {
            Self::Hang
            | Self::Slow
            | Self::Drip
            | Self::Reset
            | Self::ResetMidway
            | Self::Oversize
            | Self::Malformed
            | Self::WrongType
            | Self::WrongContentType
            | Self::Undeclared
            | Self::Error
            | Self::FaultIn200
            | Self::RetryAfter
            | Self::Down
            | Self::DeepNesting => true,
            Self::XmlBomb | Self::ExternalEntity => match agency {
                AgencyCode::Interior
                | AgencyCode::Taxes
                | AgencyCode::RefugeeCommittee
                | AgencyCode::Property
                | AgencyCode::Border
                | AgencyCode::Mobilisation
                | AgencyCode::Azersu => true,
                AgencyCode::Justice => service == "family-acts",
                AgencyCode::Agriculture
                | AgencyCode::Education
                | AgencyCode::Health
                | AgencyCode::Digital
                | AgencyCode::Migration
                | AgencyCode::CreditBureau
                | AgencyCode::ExamCentre
                | AgencyCode::Azerishiq
                | AgencyCode::LocalExecutive => false,
            },
            Self::NetworkError | Self::NetworkErrorNew | Self::AccessDenied | Self::AccessDeniedNew | Self::WrongEcho => {
                agency.is_behind_xroad()
            }
            Self::WrongHash | Self::ErrorAsXml => match agency {
                AgencyCode::Health | AgencyCode::Digital | AgencyCode::Migration => true,
                _ => agency == AgencyCode::Justice && service != "family-acts",
            },
            Self::ActCorrected => service == "family-acts",
            Self::SlowTail => agency == AgencyCode::Interior,
            Self::FilingDay => agency == AgencyCode::Taxes,
            Self::SlowHalfMinute => agency == AgencyCode::Property,
            // Where the answer names whom it is about, so that a reader can tell.
            Self::WrongPerson => match agency {
                AgencyCode::Interior
                | AgencyCode::Justice
                | AgencyCode::Agriculture
                | AgencyCode::Education
                | AgencyCode::RefugeeCommittee
                | AgencyCode::Property
                | AgencyCode::Border
                | AgencyCode::Mobilisation
                | AgencyCode::ExamCentre
                | AgencyCode::Health
                | AgencyCode::Migration
                | AgencyCode::Azerishiq => true,
                AgencyCode::Taxes => service == "person-income",
                AgencyCode::Digital => service != "mobile-number-owner",
                AgencyCode::LocalExecutive => service != "household-register",
                AgencyCode::CreditBureau | AgencyCode::Azersu => false,
            },
            Self::WrongCount => service == "vehicle-ownership",
            Self::DecimalPoint => matches!(agency, AgencyCode::Property | AgencyCode::Azersu),
            Self::BadShare => service == "ownership",
            Self::TokenExpired | Self::NeverReady | Self::ConsentRejected | Self::OldReport | Self::LostAccept => {
                agency == AgencyCode::CreditBureau
            }
            Self::CursorExpired | Self::CursorEndless | Self::CursorRepeats | Self::TooManyItems | Self::AreaInSot | Self::UnknownUnit => {
                agency == AgencyCode::Agriculture && service == "farm-support"
            }
            Self::EmptyList => agency == AgencyCode::Education,
            Self::KeyRotated | Self::KeyRefused | Self::ScoreRevised => agency == AgencyCode::ExamCentre,
            Self::TicketReissued => agency == AgencyCode::Mobilisation,
            Self::Mojibake | Self::LostLetter | Self::PlaceholderDate => agency == AgencyCode::RefugeeCommittee,
            Self::ScannedPage => agency == AgencyCode::LocalExecutive,
            Self::TwoCertificates => agency == AgencyCode::LocalExecutive && service == "family-composition",
            Self::WorkThenHang => service == "work-permit-opinion",
            Self::AverageReading => agency == AgencyCode::Azersu,
            Self::NumberPorted => service == "mobile-number-owner",
            Self::TwoPins => service == "permit",
            Self::ExitWithoutEntry | Self::LocalTime => agency == AgencyCode::Border,
            Self::Estimated => agency == AgencyCode::Azerishiq && service == "consumption",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Fault {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|fault| fault.as_str() == text).ok_or(())
    }
}

/// Why a fault was not set; says what is accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultRefused {
    /// The agency has no such service.
    #[error("no such service; accepted: {}", .accepted.join(", "))]
    UnknownService {
        /// The agency's services.
        accepted: Vec<&'static str>,
    },
    /// The service has no such fault.
    #[error("no such fault for this service; accepted: {}", .accepted.join(", "))]
    UnknownFault {
        /// The service's faults.
        accepted: Vec<&'static str>,
    },
    /// `times` was 0.
    #[error("`times` is 0; accepted: 1 or more, or absent until the faults are deleted")]
    NoTimes,
}

impl FaultRefused {
    /// What would have been accepted; empty where the refusal is not about a name.
    #[must_use]
    pub fn accepted(&self) -> &[&'static str] {
        match self {
            Self::UnknownService { accepted } | Self::UnknownFault { accepted } => accepted,
            Self::NoTimes => &[],
        }
    }
}

/// A fault that is active now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Active {
    pub(crate) fault: Fault,
    /// How often it will still be committed; `None` until the faults are deleted.
    pub(crate) times: Option<u32>,
}

/// The active faults of one agency: at most one per service, the newest.
#[derive(Debug)]
pub(crate) struct Faults {
    agency: AgencyCode,
    active: Mutex<BTreeMap<&'static str, Active>>,
}

impl Faults {
    pub(crate) fn new(agency: AgencyCode) -> Self {
        Self { agency, active: Mutex::new(BTreeMap::new()) }
    }

    /// Sets the fault of a service, in place of the one it had.
    pub(crate) fn set(&self, service: &str, fault: &str, times: Option<u32>) -> Result<Fault, FaultRefused> {
        let services = self.agency.services();
        let Some(service) = services.iter().copied().find(|own| *own == service) else {
            return Err(FaultRefused::UnknownService { accepted: services.to_vec() });
        };
        let accepted = Fault::accepted(self.agency, service);
        let Some(fault) = fault.parse::<Fault>().ok().filter(|fault| accepted.contains(fault)) else {
            return Err(FaultRefused::UnknownFault { accepted: accepted.into_iter().map(Fault::as_str).collect() });
        };
        if times == Some(0) {
            return Err(FaultRefused::NoTimes);
        }
        self.lock().insert(service, Active { fault, times });
        Ok(fault)
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// The active faults by service.
    pub(crate) fn active(&self) -> BTreeMap<&'static str, Active> {
        self.lock().clone()
    }

    /// The fault this call of a service must commit; counts it.
    pub(crate) fn take(&self, service: &'static str) -> Option<Fault> {
        Self::spend(&mut self.lock(), service, |fault| fault != Fault::Down)
    }

    /// Whether the agency is down now; counts nothing.
    pub(crate) fn is_down(&self) -> bool {
        self.lock().values().any(|active| active.fault == Fault::Down)
    }

    /// Whether this connection must be dropped because the agency is down; counts it.
    pub(crate) fn take_down(&self) -> bool {
        let mut active = self.lock();
        self.agency.services().iter().any(|service| Self::spend(&mut active, service, |fault| fault == Fault::Down).is_some())
    }

    fn spend(active: &mut BTreeMap<&'static str, Active>, service: &'static str, wanted: impl Fn(Fault) -> bool) -> Option<Fault> {
        let entry = active.get_mut(service).filter(|entry| wanted(entry.fault))?;
        let fault = entry.fault;
        if let Some(times) = &mut entry.times {
            *times -= 1;
            if *times == 0 {
                active.remove(service);
            }
        }
        Some(fault)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Active>> {
        // Every change is one map operation, so a panic elsewhere leaves nothing half done.
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_own_name_and_is_accepted_somewhere() {
        for fault in Fault::ALL {
            assert_eq!(fault.as_str().parse(), Ok(*fault));
            let somewhere = AgencyCode::ALL.iter().any(|agency| agency.services().iter().any(|s| fault.exists_for(*agency, s)));
            assert!(somewhere, "{fault}");
        }
    }

    #[test]
    fn a_fault_is_committed_as_often_as_told_and_then_forgotten() {
        let faults = Faults::new(AgencyCode::Taxes);
        faults.set("person-income", "error", Some(2)).expect("accepted");
        let taken: Vec<_> = (0..3).map(|_| faults.take("person-income")).collect();
        assert_eq!(taken, [Some(Fault::Error), Some(Fault::Error), None]);
        faults.set("person-income", "hang", None).expect("accepted");
        assert_eq!((0..100).filter_map(|_| faults.take("person-income")).count(), 100);
        faults.clear();
        assert_eq!(faults.take("person-income"), None);
    }

    #[test]
    fn down_is_spent_by_connections_and_not_by_calls() {
        let faults = Faults::new(AgencyCode::Azerishiq);
        faults.set("consumption", "down", Some(1)).expect("accepted");
        assert_eq!(faults.take("consumption"), None);
        assert!(faults.is_down() && faults.take_down());
        assert!(!faults.is_down() && !faults.take_down());
    }

    #[test]
    fn a_fault_of_another_agency_is_refused_with_the_accepted_list() {
        let faults = Faults::new(AgencyCode::Azerishiq);
        let refused = faults.set("subscriber", "xml-bomb", None).expect_err("a REST service");
        assert!(refused.accepted().contains(&"hang") && !refused.accepted().contains(&"xml-bomb"));
        assert!(!refused.accepted().contains(&"estimated"));
        assert_eq!(faults.set("person-income", "hang", None).expect_err("not ours").accepted(), ["subscriber", "consumption"]);
        assert_eq!(faults.set("subscriber", "hang", Some(0)), Err(FaultRefused::NoTimes));
    }
}
