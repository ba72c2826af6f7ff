//! What the State Committee for Refugees and IDPs knows of a person.

use jiff::civil::Date;
use serde::Deserialize;

use super::hidden;

/// An entry in the committee's register. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Displacement {
    /// Number of the card, `TEST-MK-…`, `TEST-Q-…` or `TEST-BT-…`.
    pub card_no: Box<str>,
    /// The status.
    pub status: DisplacementStatus,
    /// Code of the territory the person comes from.
    pub displaced_from: Box<str>,
    /// Code of the territory of settlement.
    pub settled_territory: Box<str>,
    /// Address of settlement.
    pub settlement_address: Box<str>,
    /// Since when; `None` is the register's placeholder date.
    pub from: Option<Date>,
    /// Until when, where it has ended or will.
    pub until: Option<Date>,
    /// Whether the single monthly allowance is paid.
    pub monthly_allowance: bool,
    /// Whether the row was once moved between code pages, which spoilt its texts.
    #[serde(default)]
    pub moved: bool,
    /// Housing given by the state.
    #[serde(default)]
    pub housing: Option<Housing>,
}

/// Status of a displaced person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DisplacementStatus {
    /// Internally displaced.
    Idp,
    /// Refugee.
    Refugee,
    /// Equated to one of the two.
    Equated,
    /// None any more.
    None,
}

/// Housing given to a displaced person. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Housing {
    /// Since when; `None` where it is not permanent.
    pub on: Option<Date>,
    /// What it is.
    pub kind: HousingKind,
    /// Its address.
    pub address: Box<str>,
    /// Whether the person has returned to the territory he comes from.
    pub returned: bool,
}

/// Kind of housing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HousingKind {
    /// Flat.
    Flat,
    /// House.
    House,
    /// Place in a hostel.
    Hostel,
}

hidden!(Displacement, Housing);
