//! Mock agencies: real wire forms over mutual TLS, synthetic personas, faults on demand.
//!
//! The only crate that plays the other side. It never uses the mapping crate, so that the two cannot
//! agree on the same mistake, and it checks every request as strictly as the real thing would.
//!
//! A newcomer reads `personas` (who exists), then one agency under `agency` (`interior` is the
//! richest), then `fault` (what can be made to go wrong) and `server` (how a call comes in).

mod agency;
mod fault;
mod latency;
mod personas;
mod server;
mod xml;

pub use crate::agency::{AgencyCode, UnknownAgency};
pub use crate::fault::{Fault, FaultRefused};
pub use crate::latency::Latency;
pub use crate::personas::{
    DocumentStatus, Electricity, Family, FamilyRole, IdentityDocument, Income, IncomeKind, MeterKind, Person, Personas, Sex, TariffGroup,
};
pub use crate::server::{AgencyOptions, Calls, Running, ServerTls, start};
