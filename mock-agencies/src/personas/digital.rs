//! What the ministry of digital development knows: whose a mobile number is, which certificates there are, where the
//! post offices are.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime};
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;

use super::hidden;

/// The three registers. `Debug` hides them.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digital {
    /// Mobile numbers in the form of E.164, `+99400…`.
    pub numbers: BTreeMap<Box<str>, MobileNumber>,
    /// Certificates of signatures, by serial, `TEST-CERT-…`.
    pub certificates: BTreeMap<Box<str>, Certificate>,
    /// Post offices.
    pub branches: Vec<Branch>,
}

/// A mobile number. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MobileNumber {
    /// FIN of its owner.
    pub owner: Box<str>,
    /// FIN of the owner whom the operator it was ported from still names.
    #[serde(default)]
    pub ported_from: Option<Box<str>>,
}

/// A certificate of an electronic signature. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// FIN of who signs with it; not known of a certificate whose status is not.
    #[serde(default)]
    pub subject: Option<Box<str>>,
    /// Its status.
    pub status: CertificateStatus,
    /// Its end, likewise.
    #[serde(default)]
    pub until: Option<Until>,
}

/// A day before or after the one it is read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// So many days ago.
    DaysAgo(u16),
    /// So many days from now.
    DaysAhead(u16),
}

impl Until {
    /// The day, seen from `today`.
    #[must_use]
    pub fn day(self, today: Date) -> Date {
        match self {
            Self::DaysAgo(days) => today.saturating_sub(i64::from(days).days()),
            Self::DaysAhead(days) => today.saturating_add(i64::from(days).days()),
        }
    }

    /// Its beginning in Baku, seen from `today`.
    #[must_use]
    pub fn seen_from(self, today: Date) -> Timestamp {
        let midnight = DateTime::from_parts(self.day(today), jiff::civil::Time::midnight());
        model::time::baku().to_timestamp(midnight).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// Status of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CertificateStatus {
    /// In force.
    Valid,
    /// Revoked before its end.
    Revoked,
    /// Past its end.
    Expired,
    /// The centre that issued it does not answer.
    Unknown,
}

/// A post office.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// Its code, `AZ-TEST-…`.
    pub code: Box<str>,
    /// The territory it serves.
    pub territory_code: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its address.
    pub address: Box<str>,
    /// Whether it takes electronic applications for people without means.
    pub accepts_applications: bool,
}

impl Digital {
    /// The number that a person owns; the first where there are several.
    #[must_use]
    pub fn number_of(&self, fin: &str) -> Option<&str> {
        self.numbers.iter().find(|(_, number)| &*number.owner == fin).map(|(number, _)| &**number)
    }

    /// The serial of a certificate of a person.
    #[must_use]
    pub fn certificate_of(&self, fin: &str) -> Option<&str> {
        self.certificates.iter().find(|(_, certificate)| certificate.subject.as_deref() == Some(fin)).map(|(serial, _)| &**serial)
    }
}

hidden!(Digital, MobileNumber, Certificate);
