//! What the State Migration Service knows: foreigners, most of whom no other source knows, their permits, and the
//! cases of employers who ask for one.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Deserialize;

use super::{Day, Until, hidden};

/// Its registers. `Debug` hides them.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migration {
    /// Foreigners by PIN.
    pub foreigners: BTreeMap<Box<str>, Foreigner>,
    /// Cases of work permits by number, `TEST-IJ-…`.
    pub cases: BTreeMap<Box<str>, WorkPermitCase>,
}

/// A case of a work permit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkPermitCase {
    /// Taxpayer's number of the employer who asks.
    pub employer: Box<str>,
    /// Code of the occupation.
    pub occupation: Box<str>,
    /// For how many months.
    pub months: u8,
}

/// A foreigner. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Foreigner {
    /// Surname in the letters of a passport's machine-readable zone.
    pub surname: Box<str>,
    /// Given name, likewise.
    pub given_name: Box<str>,
    /// ISO 3166-1 alpha-3.
    pub citizenship: Box<str>,
    /// The passport.
    pub passport: Passport,
    /// Birth date.
    pub birth_date: Date,
    /// FIN as a citizen, of somebody who was naturalised: the register still has both.
    #[serde(default)]
    pub naturalised: Option<Box<str>>,
    /// The permit in force, or the last one.
    pub permit: Permit,
}

/// A foreign passport. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passport {
    /// Its series.
    pub series: Box<str>,
    /// Its number.
    pub number: Box<str>,
}

/// A permit. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permit {
    /// What it permits.
    pub kind: PermitKind,
    /// Its number, `TEST-…`.
    pub number: Box<str>,
    /// First day.
    pub from: Day,
    /// Last day.
    pub until: Until,
    /// Taxpayer's number of the employer, of a work permit.
    #[serde(default)]
    pub employer: Option<Box<str>>,
    /// Its status.
    pub status: PermitStatus,
}

/// What a permit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PermitKind {
    /// Temporary residence.
    TemporaryResidence,
    /// Permanent residence.
    PermanentResidence,
    /// Work.
    Work,
    /// Refugee status.
    Refugee,
}

/// Status of a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PermitStatus {
    /// In force.
    Valid,
    /// Past its end.
    Expired,
    /// Revoked before its end.
    Revoked,
}

impl Migration {
    /// The foreigner with a PIN, or with a FIN since; the PIN stands first.
    #[must_use]
    pub fn by_pin(&self, pin: &str) -> Option<(&str, &Foreigner)> {
        let by_fin = || self.foreigners.iter().find(|(_, foreigner)| foreigner.naturalised.as_deref() == Some(pin));
        self.foreigners.get_key_value(pin).or_else(by_fin).map(|(pin, foreigner)| (&**pin, foreigner))
    }

    /// The PIN of a foreigner with one PIN, whom other sources know as well: of those who live here for a time the first
    /// who was permitted to.
    #[must_use]
    pub fn resident(&self) -> Option<&str> {
        let for_a_time = self.foreigners.iter().filter(|(_, own)| own.permit.kind == PermitKind::TemporaryResidence);
        for_a_time.min_by_key(|(_, own)| &own.permit.number).map(|(pin, _)| &**pin)
    }
}

hidden!(Migration, Foreigner, Passport, Permit);
