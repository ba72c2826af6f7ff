//! Mock agencies: real wire forms over mutual TLS, synthetic personas, faults on demand.
//!
//! The only crate that plays the other side. It never uses the mapping crate, so that the two cannot
//! agree on the same mistake, and it checks every request as strictly as the real thing would.
//!
//! These agencies are played, every request–response service of theirs that there is a contract for:
//!
//! | Agency | Speaks | Services |
//! |---|---|---|
//! | `interior` | X-Road SOAP | `person-identity`, `residence-registration`, `vehicle-ownership` |
//! | `justice` | X-Road SOAP, X-Road REST | `family-acts`, `notarial-application`, `enforcement-debt` |
//! | `taxes` | SOAP 1.2, WS-Addressing | `person-income`, `taxpayer-status` |
//! | `digital` | X-Road REST | `mobile-number-owner`, `certificate-status`, `postal-branch` |
//! | `property` | SOAP 1.1, WS-Security | `ownership`, `transactions` |
//! | `border` | X-Road SOAP | `absence-summary`, `crossings` |
//! | `credit-bureau` | REST JSON, OAuth 2.0, asynchronous | `obligations-summary` |
//! | `azersu` | SOAP 1.1 | `consumption` |
//! | `azerishiq` | REST JSON | `subscriber`, `consumption` |
//!
//! `identity` plays the identity provider of officials besides, an OpenID Connect provider.
//!
//! A newcomer reads `personas` (who exists; the data themselves are `personas.json`, where each family
//! says what it shows; what the newer sources hold stands in `personas/`; a population made from a seed stands beside
//! them), then one agency under `agency` (`azersu` is the plainest), then `fault` (what
//! can be made to go wrong) and `server` (how a call comes in). The forms on the wire are those of
//! `docs/wire-forms.md`, from which the mappings are written as well.
//!
//! ```no_run
//! # async fn example(tls: mock_agencies::ServerTls) -> std::io::Result<()> {
//! use mock_agencies::{AgencyCode, AgencyOptions, Latency, Personas, start};
//!
//! let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
//! let interior = start(AgencyOptions {
//!     code: AgencyCode::Interior,
//!     address: any,
//!     control: any,
//!     tls,
//!     latency: Latency::None,
//!     personas: Personas::embedded(),
//! })
//! .await?;
//! interior.set_fault("person-identity", "hang", Some(1)).expect("accepted");
//! assert_eq!(interior.calls().total, 0);
//! interior.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod agency;
mod fault;
mod identity;
mod latency;
mod personas;
mod server;
mod xml;

pub use crate::agency::{AgencyCode, CREDIT_BUREAU_CLIENT, CREDIT_BUREAU_SECRET, PROPERTY_PASSWORD, PROPERTY_USERNAME, UnknownAgency};
pub use crate::fault::{Fault, FaultRefused};
pub use crate::identity::{
    IDENTITY_AUDIENCE, IDENTITY_OFFICIAL_CLAIM, IdentityFaultRefused, IdentityOptions, IdentityProvider, SigningAlgorithm,
    start_identity_provider,
};
pub use crate::latency::Latency;
pub use crate::personas::{
    ActKind, ActPerson, ActRole, ActStatus, Application, ApplicationMember, Border, Branch, Certificate, CertificateStatus, CivilAct,
    Company, Consent, Credit, CreditSummary, Crossing, Day, Deal, DealSide, Digital, Direction, DocumentStatus, Electricity, Family,
    FamilyRole, IdentityDocument, Income, IncomeKind, Loan, MeterKind, MobileNumber, ObjectKind, Person, Personas, PropertyObject,
    Relation, Residence, ResidenceKind, RightKind, SEED, Sex, Share, TariffGroup, Taxpayer, TaxpayerStatus, Until, Vehicle, VehicleKind,
    Water, Writ, WritKind, WritStatus,
};
pub use crate::server::{AgencyOptions, Calls, Running, ServerTls, start};
