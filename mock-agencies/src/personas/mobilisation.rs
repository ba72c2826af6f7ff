//! What the State Service for Mobilisation and Conscription knows of a person.

use jiff::civil::Date;
use serde::Deserialize;

use super::hidden;

/// An entry in the military register. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MilitaryRecord {
    /// Number of the military ticket, `TEST-HB-…`.
    pub ticket: Box<str>,
    /// How the person stands.
    pub status: RegisterStatus,
    /// First day of service, where there was one.
    #[serde(default)]
    pub from: Option<Date>,
    /// Last day of service.
    #[serde(default)]
    pub to: Option<Date>,
    /// Whether the person serves now.
    #[serde(default)]
    pub serving: bool,
    /// Until when the call-up is deferred.
    #[serde(default)]
    pub deferred_until: Option<Date>,
    /// Code of the ground of that, which may show health or family.
    #[serde(default)]
    pub ground: Option<Box<str>>,
}

/// Standing on the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegisterStatus {
    /// Registered for the first time.
    PreConscript,
    /// Of call-up age.
    Conscript,
    /// In the reserve.
    Reserve,
    /// Taken off the register.
    Removed,
}

hidden!(MilitaryRecord);
