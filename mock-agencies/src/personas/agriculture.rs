//! What the Ministry of Agriculture knows of a person.

use jiff::civil::Date;
use serde::Deserialize;

use super::hidden;

/// A person's farm. `Debug` hides it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Farm {
    /// Declarations of crops.
    pub declarations: Vec<Declaration>,
    /// The last count of animals; `None` where there never was one.
    pub livestock: Option<Livestock>,
}

/// A declaration of a crop. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// Its number, told as `TEST-B-<year>-<number>`.
    pub number: u32,
    /// Its year, counted back from today's.
    pub years_ago: u16,
    /// Code of the crop, `TEST-…`.
    pub crop: Box<str>,
    /// Area in the unit, as a decimal.
    pub area: Box<str>,
    /// Unit of the area.
    pub unit: AreaUnit,
    /// Subsidy in qəpik.
    pub subsidy_qapik: u64,
    /// Day of payment in that year, `MM-dd`; `None` while unpaid.
    pub paid: Option<Box<str>>,
}

/// Unit of an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AreaUnit {
    /// Hectare.
    Ha,
    /// A hundredth of a hectare.
    Sot,
}

/// A count of animals. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Livestock {
    /// Day of the count.
    pub counted_on: Date,
    /// The animals; none is an answer too.
    pub animals: Vec<Animals>,
}

/// Animals of a kind. `Debug` hides them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Animals {
    /// The kind.
    pub kind: AnimalKind,
    /// How many.
    pub heads: u32,
}

/// Kind of animals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnimalKind {
    /// Cow.
    Cow,
    /// Buffalo.
    Buffalo,
    /// Sheep.
    Sheep,
    /// Goat.
    Goat,
    /// Pig.
    Pig,
    /// Bee colony.
    BeeColony,
    /// Hen.
    Hen,
    /// Duck.
    Duck,
    /// Goose.
    Goose,
    /// Turkey.
    Turkey,
}

hidden!(Farm, Declaration, Livestock, Animals);
