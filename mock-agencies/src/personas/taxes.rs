//! What the tax service knows: incomes and taxpayers.

use jiff::civil::Date;
use serde::Deserialize;

use super::hidden;

/// An income that comes every month, or in some months of every year. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Income {
    /// Its kind.
    pub kind: IncomeKind,
    /// The payer's taxpayer number, ending in 3 or 4.
    pub payer_tin: Box<str>,
    /// Gross amount of a month, in qəpik.
    pub gross_qapik: u64,
    /// Income tax of a month, in qəpik.
    pub income_tax_qapik: u64,
    /// Social insurance of a month, in qəpik.
    pub social_insurance_qapik: u64,
    /// The months of the year (1 to 12) it comes in; empty is every month.
    #[serde(default)]
    pub calendar_months: Vec<i8>,
}

/// Kind of income.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncomeKind {
    /// Wage, `ƏH` on the wire.
    Wage,
    /// Civil contract, `MQ`.
    Contract,
    /// Rent, `İC`.
    Rent,
    /// Dividend, `DV`.
    Dividend,
    /// Business, `SB`.
    Business,
    /// Other, `DG`.
    Other,
}

/// A natural person's registration as a taxpayer. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taxpayer {
    /// Taxpayer number, ending in 4; unique.
    pub tin: Box<str>,
    /// Code of the activity, such as `47.11`.
    pub activity_code: Box<str>,
    /// Status.
    pub status: TaxpayerStatus,
    /// Day of registration.
    pub registered_on: Date,
    /// Registered objects, such as shops.
    pub objects: u32,
}

/// Status of a taxpayer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaxpayerStatus {
    /// Active.
    Active,
    /// Suspended.
    Suspended,
    /// Liquidated.
    Liquidated,
}

/// A legal person. Its data are public.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Company {
    /// Taxpayer number, ending in 3 or 4; unique.
    pub tin: Box<str>,
    /// Name.
    pub name: Box<str>,
    /// Code of the activity, such as `47.11`.
    pub activity_code: Box<str>,
    /// Status.
    pub status: TaxpayerStatus,
    /// Day of registration.
    pub registered_on: Date,
    /// Registered objects, such as shops.
    pub objects: u32,
}

hidden!(Income, Taxpayer);
