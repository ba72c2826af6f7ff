//! What Azərişıq and Azərsu know of a person.

use serde::Deserialize;

use super::hidden;

/// An electricity account. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Electricity {
    /// Subscriber code, such as `TEST-EL-000111`.
    pub subscriber_code: Box<str>,
    /// Address as one text.
    pub address: Box<str>,
    /// Code of the address register, `TEST-ADR-…`; `None` where the account was never matched with it.
    #[serde(default)]
    pub address_code: Option<Box<str>>,
    /// Kind of meter.
    pub meter: MeterKind,
    /// Tariff group.
    pub tariff: TariffGroup,
    /// Whether the account is open.
    pub active: bool,
    /// Whether the readings are estimates.
    pub estimated: bool,
    /// What is used in a December, in tenths of a kilowatt-hour; other months follow the season.
    pub december_kwh_tenths: u32,
    /// Debt in qəpik.
    pub balance_qapik: u32,
}

/// Kind of meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MeterKind {
    /// Smart-card meter.
    Smart,
    /// Mechanical meter.
    Mechanical,
}

/// Tariff group of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TariffGroup {
    /// Population.
    Population,
    /// Anything else.
    Other,
}

/// A water account. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Water {
    /// Subscriber code, such as `TEST-SU-000222`.
    pub subscriber_code: Box<str>,
    /// Address as one text.
    pub address: Box<str>,
    /// Persons the account is charged for; `None` where unknown.
    pub persons: Option<u32>,
    /// What is used in a December, in tenths of a cubic metre; other months follow the season.
    pub december_m3_tenths: u32,
    /// Whether the average of twelve months stands in for every reading.
    #[serde(default)]
    pub average: bool,
    /// Debt in qəpik.
    #[serde(default)]
    pub balance_qapik: u32,
}

hidden!(Electricity, Water);
