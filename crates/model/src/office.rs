//! The offices of the gateway itself: what its own people do, each apart from the others (Decree 634, 6.2.8;
//! 001, 3.1.10 and 3.1.20; 004, 3.4). Officials of subsystems have roles instead, which contracts declare.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An office.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Office {
    /// Decides about rights everywhere; reads no journal.
    CentralAdministrator,
    /// Decides about rights in a territory and all below it; reads no journal.
    TerritorialAdministrator,
    /// Searches, reads, proves and exports the journal.
    Auditor,
    /// Assesses: reads registers and reports, never what was asked about whom.
    Assessor,
    /// Watches over the lawful use of personal data: reads the journal, decides what a citizen is not told, reviews
    /// emergencies.
    DataProtectionOfficer,
    /// Runs the gateway; reads no journal.
    Operator,
    /// Answers for the officials of one consumer.
    ConsumerOfficer,
}

impl Office {
    /// Every office.
    pub const ALL: [Self; 7] = [
        Self::CentralAdministrator,
        Self::TerritorialAdministrator,
        Self::Auditor,
        Self::Assessor,
        Self::DataProtectionOfficer,
        Self::Operator,
        Self::ConsumerOfficer,
    ];

    /// The word on every surface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CentralAdministrator => "central-administrator",
            Self::TerritorialAdministrator => "territorial-administrator",
            Self::Auditor => "auditor",
            Self::Assessor => "assessor",
            Self::DataProtectionOfficer => "data-protection-officer",
            Self::Operator => "operator",
            Self::ConsumerOfficer => "consumer-officer",
        }
    }
}

impl fmt::Display for Office {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
