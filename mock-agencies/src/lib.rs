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
//! | `agriculture` | REST JSON, in pages | `farm-support`, `livestock` |
//! | `education` | REST JSON | `enrolment`, `qualification` |
//! | `health` | X-Road REST | `birth-fact` |
//! | `digital` | X-Road REST | `mobile-number-owner`, `certificate-status`, `postal-branch` |
//! | `refugee-committee` | SOAP 1.1, HTTP basic authentication | `status`, `resettlement` |
//! | `property` | SOAP 1.1, WS-Security | `ownership`, `transactions` |
//! | `migration` | X-Road REST | `permit`, `work-permit-case`, `work-permit-opinion` |
//! | `border` | X-Road SOAP | `absence-summary`, `crossings` |
//! | `mobilisation` | SOAP 1.1 | `service-status` |
//! | `credit-bureau` | REST JSON, OAuth 2.0, asynchronous | `obligations-summary` |
//! | `exam-centre` | REST JSON, key in a header | `admission-result` |
//! | `azersu` | SOAP 1.1 | `consumption` |
//! | `azerishiq` | REST JSON | `subscriber`, `consumption` |
//! | `local-executive` | REST JSON, a listener per body | `family-composition`, `guardianship`, `household-register` |
//!
//! Sources that deliver files instead of answering are `azeriqaz`, `defence` and `statistics`, and for the participants
//! of the war `mobilisation` (`files`): what they write, and what can be wrong with it.
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
//!     instance: None,
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
mod files;
mod identity;
mod instance;
mod latency;
mod personas;
mod server;
mod xml;

pub use crate::agency::{
    AgencyCode, CREDIT_BUREAU_CLIENT, CREDIT_BUREAU_SECRET, EXAM_CENTRE_KEY, EXAM_CENTRE_NEXT_KEY, PROPERTY_PASSWORD, PROPERTY_USERNAME,
    REFUGEE_COMMITTEE_PASSWORD, REFUGEE_COMMITTEE_USERNAME, UnknownAgency,
};
pub use crate::fault::{Fault, FaultRefused};
pub use crate::files::{
    Delivery, FILE_SERVICES, FileFault, OCCUPATIONS_VERSION, TERRITORIES_VERSION, UnknownFileFault, certificate, delivery,
};
pub use crate::identity::{
    IDENTITY_AUDIENCE, IDENTITY_OFFICIAL_CLAIM, IdentityFaultRefused, IdentityOptions, IdentityProvider, SigningAlgorithm,
    start_identity_provider,
};
pub use crate::instance::{Instance, TERRITORY_NOT_CONNECTED};
pub use crate::latency::Latency;
pub use crate::personas::{
    ActKind, ActPerson, ActRole, ActStatus, AnimalKind, Animals, Application, ApplicationMember, AreaUnit, BirthFact, Border, Branch,
    Certificate, CertificateStatus, CertifiedMember, CivilAct, Classifiers, Company, Consent, Credit, CreditSummary, Crossing, Day, Deal,
    DealSide, Declaration, DeclaredAnimals, Digital, Diploma, Direction, Displacement, DisplacementStatus, DocumentStatus, Dwelling,
    Electricity, Enrolment, EnrolmentStatus, ExamKind, ExamResult, Family, FamilyCertificate, FamilyRole, Farm, Foreigner, Funding, Gas,
    Guardianship, GuardianshipKind, Health, Household, Housing, HousingKind, IdentityDocument, Income, IncomeKind, Learning, Level,
    Livestock, Loan, LocalExecutive, MeterKind, Migration, MilitaryRecord, MobileNumber, ObjectKind, Passport, Permit, PermitKind,
    PermitStatus, Person, Personas, PropertyObject, RegisterStatus, Relation, Residence, ResidenceKind, RightKind, SEED, Service,
    ServiceKind, Sex, Share, StudyForm, TariffGroup, Taxpayer, TaxpayerStatus, Until, Vehicle, VehicleKind, WarParticipant, WarStatus,
    Water, WorkPermitCase, Writ, WritKind, WritStatus, classifiers, gas_accounts, service_records, war_participants,
};
pub use crate::server::{AgencyOptions, Calls, Running, ServerTls, start};
