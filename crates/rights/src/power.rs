//! What one can hold a right to, and the tables of who may do what with it.

use model::{ConsumerId, Office, RoleId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::Territory;

/// On which side of the separation of duties an office stands; one on neither side goes with all.
///
/// | Acts | Oversees | Neither |
/// |---|---|---|
/// | central administrator, territorial administrator, operator | auditor, assessor, data-protection officer | consumer officer |
fn side(office: Office) -> Option<Side> {
    match office {
        Office::CentralAdministrator | Office::TerritorialAdministrator | Office::Operator => Some(Side::Acts),
        Office::Auditor | Office::Assessor | Office::DataProtectionOfficer => Some(Side::Oversees),
        Office::ConsumerOfficer => None,
    }
}

#[derive(PartialEq, Eq)]
enum Side {
    Acts,
    Oversees,
}

/// What a right is to: an office with its scope, or a function in a consumer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Power {
    /// See [`Office::CentralAdministrator`].
    CentralAdministrator,
    /// See [`Office::TerritorialAdministrator`].
    TerritorialAdministrator {
        /// He administers this territory and all in it.
        territory: Territory,
    },
    /// See [`Office::Auditor`].
    Auditor,
    /// See [`Office::Assessor`].
    Assessor,
    /// See [`Office::DataProtectionOfficer`].
    DataProtectionOfficer,
    /// See [`Office::Operator`].
    Operator,
    /// See [`Office::ConsumerOfficer`].
    ConsumerOfficer {
        /// He answers for this consumer's officials.
        consumer: ConsumerId,
    },
    /// A role in a consumer.
    Function {
        /// The consumer.
        consumer: ConsumerId,
        /// The role, one of the consumer's.
        role: RoleId,
        /// Where it is exercised; what is asked for is not bounded by it.
        territory: Option<Territory>,
    },
}

impl Power {
    /// The office; `None` for a function.
    #[must_use]
    pub fn office(&self) -> Option<Office> {
        Some(match self {
            Self::CentralAdministrator => Office::CentralAdministrator,
            Self::TerritorialAdministrator { .. } => Office::TerritorialAdministrator,
            Self::Auditor => Office::Auditor,
            Self::Assessor => Office::Assessor,
            Self::DataProtectionOfficer => Office::DataProtectionOfficer,
            Self::Operator => Office::Operator,
            Self::ConsumerOfficer { .. } => Office::ConsumerOfficer,
            Self::Function { .. } => return None,
        })
    }

    /// Whether both are the same office, or the same role of one consumer, wherever they reach.
    #[must_use]
    pub fn is_same_role(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Function { consumer, role, .. }, Self::Function { consumer: of, role: own, .. }) => (consumer, role) == (of, own),
            _ => self.office().is_some() && self.office() == other.office(),
        }
    }

    /// Separation of duties: whether nobody may hold both at one time. See the table of sides in this file.
    #[must_use]
    pub fn is_incompatible_with(&self, other: &Self) -> bool {
        match (self.office().and_then(side), other.office().and_then(side)) {
            (Some(one), Some(other)) => one != other,
            _ => false,
        }
    }

    /// Who decides on a right, by its scope (004, 6.2–6.5): whether the holder of `self` may approve, refuse or confirm a
    /// right to `other`.
    ///
    /// | Right | Who decides |
    /// |---|---|
    /// | an office | a central administrator |
    /// | a function | a central administrator |
    /// | | that consumer's officer |
    /// | | a territorial administrator whose territory covers the function's |
    ///
    /// That nobody decides on his own request or his own right is checked where the persons are known.
    #[must_use]
    pub fn decides_on(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::CentralAdministrator, _) => true,
            (Self::ConsumerOfficer { consumer }, Self::Function { consumer: of, .. }) => consumer == of,
            (Self::TerritorialAdministrator { territory }, Self::Function { territory: Some(of), .. }) => territory.covers(of),
            _ => false,
        }
    }

    /// Whether its holder may end a right at once when there is danger (004, 17.7), or review what was taken in an
    /// emergency: whoever decides on it, and a data-protection officer for every right.
    #[must_use]
    pub fn guards(&self, other: &Self) -> bool {
        *self == Self::DataProtectionOfficer || self.decides_on(other)
    }

    /// The short list of what an account may give itself in an emergency (001, 3.1.10), by what it holds:
    ///
    /// | Holds | May take |
    /// |---|---|
    /// | an administrator's office | operator |
    /// | data-protection officer | auditor |
    /// | a function of a consumer, or its officer's office | another function of that consumer |
    #[must_use]
    pub fn may_break_glass_for(&self, wanted: &Self) -> bool {
        match (self, wanted) {
            (Self::CentralAdministrator | Self::TerritorialAdministrator { .. }, Self::Operator)
            | (Self::DataProtectionOfficer, Self::Auditor) => true,
            (Self::Function { consumer, .. } | Self::ConsumerOfficer { consumer }, Self::Function { consumer: of, .. }) => consumer == of,
            _ => false,
        }
    }

    /// What its holder owes, told to him before he acknowledges it (Decree 634, 6.2.8): Azerbaijani and English.
    #[must_use]
    pub fn duties(&self) -> (&'static str, &'static str) {
        match self.office() {
            Some(Office::CentralAdministrator) => (
                "Hüquqları yalnız sənəd əsasında verir və geri alır; özü üçün heç nə təsdiq etmir; hesabını başqasına vermir.",
                "Gives and withdraws rights on the basis of a document alone; approves nothing for himself; lends his account to nobody.",
            ),
            Some(Office::TerritorialAdministrator) => (
                "Yalnız öz ərazisində hüquqları verir və geri alır; özü üçün heç nə təsdiq etmir; hesabını başqasına vermir.",
                "Gives and withdraws rights in his own territory alone; approves nothing for himself; lends his account to nobody.",
            ),
            Some(Office::Auditor) => (
                "Jurnalda yalnız səbəb göstərərək axtarır; gördüyünü xidməti zərurətdən kənar açıqlamır; hesabını başqasına vermir.",
                "Searches the journal for a stated reason alone; tells what he sees as duty requires and no further; lends his account to nobody.",
            ),
            Some(Office::Assessor) => (
                "Yalnız qiymətləndirmə üçün sübutlara baxır; heç nəyi dəyişmir; hesabını başqasına vermir.",
                "Looks at evidence for the assessment alone; changes nothing; lends his account to nobody.",
            ),
            Some(Office::DataProtectionOfficer) => (
                "Fərdi məlumatların qorunmasına nəzarət edir; təcili götürülmüş hüquqları yoxlayır; hesabını başqasına vermir.",
                "Watches over the protection of personal data; reviews rights taken in an emergency; lends his account to nobody.",
            ),
            Some(Office::Operator) => (
                "Sistemi təlimat üzrə işlədir; fərdi məlumatlara baxmır; hesabını başqasına vermir.",
                "Runs the system by its instructions; does not look at personal data; lends his account to nobody.",
            ),
            Some(Office::ConsumerOfficer) => (
                "Yalnız öz qurumunun əməkdaşları üçün hüquqları təsdiq edir; işdən çıxanı dərhal bildirir; hesabını başqasına vermir.",
                "Approves rights of his own body's officials alone; reports a leaver at once; lends his account to nobody.",
            ),
            None => (
                "Yalnız açıq iş üzrə, vəzifəsinin tələb etdiyi qədər soruşur; gördüyünü açıqlamır; hesabını başqasına vermir.",
                "Asks only in an open case and as far as his duty requires; does not disclose what he sees; lends his account to nobody.",
            ),
        }
    }
}

/// A power as files, bodies and events have it: `{"office": "auditor"}`, or `{"consumer": …, "role": …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    /// The office; left out for a function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) office: Option<Office>,
    /// The consumer of a function or of a consumer officer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) consumer: Option<String>,
    /// The role of a function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<String>,
    /// The territory of a territorial administrator, or where a function is exercised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) territory: Option<String>,
}

/// What is accepted where a power was not.
pub(crate) const POWER_FORMS: &str = "an `office` (with `territory` for territorial-administrator, `consumer` for consumer-officer), \
     or `consumer` and `role` (and `territory` where it has one)";

impl TryFrom<Written> for Power {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let consumer = written.consumer.as_deref().map(ConsumerId::new).transpose().map_err(|error| error.to_string())?;
        let role = written.role.as_deref().map(RoleId::new).transpose().map_err(|error| error.to_string())?;
        let territory = written.territory.as_deref().map(Territory::new).transpose().map_err(|error| error.to_string())?;
        Ok(match (written.office, consumer, role, territory) {
            (Some(Office::CentralAdministrator), None, None, None) => Self::CentralAdministrator,
            (Some(Office::TerritorialAdministrator), None, None, Some(territory)) => Self::TerritorialAdministrator { territory },
            (Some(Office::Auditor), None, None, None) => Self::Auditor,
            (Some(Office::Assessor), None, None, None) => Self::Assessor,
            (Some(Office::DataProtectionOfficer), None, None, None) => Self::DataProtectionOfficer,
            (Some(Office::Operator), None, None, None) => Self::Operator,
            (Some(Office::ConsumerOfficer), Some(consumer), None, None) => Self::ConsumerOfficer { consumer },
            (None, Some(consumer), Some(role), territory) => Self::Function { consumer, role, territory },
            _ => return Err(format!("not a power, accepted: {POWER_FORMS}")),
        })
    }
}

impl From<Power> for Written {
    fn from(power: Power) -> Self {
        let office = power.office();
        let (consumer, role, territory) = match power {
            Power::TerritorialAdministrator { territory } => (None, None, Some(territory)),
            Power::ConsumerOfficer { consumer } => (Some(consumer), None, None),
            Power::Function { consumer, role, territory } => (Some(consumer), Some(role), territory),
            Power::CentralAdministrator | Power::Auditor | Power::Assessor | Power::DataProtectionOfficer | Power::Operator => {
                (None, None, None)
            }
        };
        Self {
            office,
            consumer: consumer.map(|id| id.to_string()),
            role: role.map(|id| id.to_string()),
            territory: territory.map(|territory| territory.to_string()),
        }
    }
}
