//! What the interior ministry knows of a person.

use jiff::civil::Date;
use serde::Deserialize;

use super::hidden;

/// An identity document. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityDocument {
    /// Series, always `ZZ`.
    pub series: Box<str>,
    /// Number, digits.
    pub number: Box<str>,
    /// Day of issue.
    pub issued_on: Date,
    /// Last day of validity; `None` is without end.
    pub valid_until: Option<Date>,
    /// Status.
    pub status: DocumentStatus,
}

/// Status of an identity document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DocumentStatus {
    /// In force.
    Valid,
    /// Reported lost.
    Lost,
    /// Past its validity.
    Expired,
    /// Cancelled.
    Cancelled,
}

/// Where a person is registered. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residence {
    /// Kind of registration.
    pub kind: ResidenceKind,
    /// Address as one text.
    pub address: Box<str>,
    /// Code of the address register, `TEST-ADR-…`; the same for everybody at the address.
    pub address_code: Box<str>,
    /// Territory, `9900000x`: odd ones are rural, even ones towns.
    pub territory_code: Box<str>,
    /// Since when.
    pub from: Date,
    /// Until when; `None` is without end.
    #[serde(default)]
    pub until: Option<Date>,
}

/// Kind of registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResidenceKind {
    /// Permanent.
    Permanent,
    /// Temporary.
    Temporary,
}

/// A vehicle. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vehicle {
    /// Number plate, `99-ZZ-…`.
    pub plate: Box<str>,
    /// Make and model, `TEST MARKA …`.
    pub make_model: Box<str>,
    /// Year of production.
    pub production_year: i16,
    /// Engine volume in cubic centimetres.
    pub engine_cm3: u32,
    /// Kind.
    pub kind: VehicleKind,
    /// Day of registration.
    pub registered_on: Date,
    /// Day it was taken off the register; `None` while it is on it.
    #[serde(default)]
    pub deregistered_on: Option<Date>,
}

/// Kind of vehicle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VehicleKind {
    /// Car.
    Car,
    /// Truck.
    Truck,
    /// Motorcycle.
    Motorcycle,
    /// Tractor.
    Tractor,
    /// Bus, one of the kinds that contracts call other.
    Bus,
    /// Trailer, one of the kinds that contracts call other.
    Trailer,
}

hidden!(IdentityDocument, Residence, Vehicle);
