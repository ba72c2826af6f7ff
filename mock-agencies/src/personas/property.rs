//! What the property register knows of a person.

use serde::Deserialize;

use super::{Day, hidden};

/// A right to an object, kept with each of its holders. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropertyObject {
    /// Number in the register, `TEST-…`; the same for everybody who has a share.
    pub registry_no: Box<str>,
    /// Kind of object.
    pub kind: ObjectKind,
    /// Address as one text.
    pub address: Box<str>,
    /// Territory, `9900000x`.
    pub territory_code: Box<str>,
    /// Total area in square metres, a decimal with a point: `64.5`.
    pub total_area_m2: Box<str>,
    /// Land in hectares, a decimal with a point; `None` where none belongs to the object.
    #[serde(default)]
    pub land_area_ha: Option<Box<str>>,
    /// The holder's share.
    pub share: Share,
    /// What right it is.
    pub right: RightKind,
    /// Day the right was registered.
    pub acquired_on: Day,
    /// Whether it is encumbered.
    #[serde(default)]
    pub encumbered: bool,
}

/// A share, `1/2` in the data.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Box<str>")]
pub struct Share {
    /// Above the line.
    pub numerator: u32,
    /// Below the line, not 0.
    pub denominator: u32,
}

impl TryFrom<Box<str>> for Share {
    type Error = &'static str;

    fn try_from(text: Box<str>) -> Result<Self, Self::Error> {
        const FORM: &str = "a share is like 1/2 and not more than the whole";
        let (above, below) = text.split_once('/').ok_or(FORM)?;
        let (numerator, denominator) = (above.parse().map_err(|_| FORM)?, below.parse().map_err(|_| FORM)?);
        if numerator == 0 || numerator > denominator { Err(FORM) } else { Ok(Self { numerator, denominator }) }
    }
}

/// Kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// Flat.
    Flat,
    /// House.
    House,
    /// Land.
    Land,
    /// Anything not lived in.
    NonResidential,
    /// Anything else.
    Other,
}

/// What right is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RightKind {
    /// Ownership.
    Ownership,
    /// Lease.
    Lease,
    /// Use.
    Use,
}

/// A deal, kept with each persona who took part. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deal {
    /// The object's number in the register.
    pub registry_no: Box<str>,
    /// On which side the person was.
    pub side: DealSide,
    /// Amount in qəpik.
    pub amount_qapik: u64,
    /// Day.
    pub on: Day,
}

/// A side of a deal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DealSide {
    /// Buyer.
    Buyer,
    /// Seller.
    Seller,
    /// Donor.
    Donor,
    /// Donee.
    Donee,
}

hidden!(PropertyObject, Share, Deal);
