//! The gateway's words, shared by every other crate: identifiers, canonical values, outcomes and
//! the checked contracts that say what may be asked of whom.
//!
//! Nothing here does I/O except [`load`], which reads the data folders. A contract goes raw
//! ([`raw`], the YAML shape) → checked ([`contract`]) → immutable snapshot ([`snapshot`]); the rest
//! of the program sees only the last form.

pub mod calendar;
pub mod comparison;
pub mod confirm;
pub mod consent;
pub mod contract;
pub mod document;
pub mod id;
pub mod instances;
pub mod load;
pub mod office;
pub mod outcome;
pub mod predicate;
pub mod problem;
pub mod profile;
pub mod raw;
pub mod representation;
pub mod rule;
pub mod snapshot;
pub mod subject;
pub mod time;
pub mod value;
pub mod window;

pub use calendar::Calendar;
pub use comparison::Comparison;
pub use confirm::Repeated;
pub use consent::Consent;
pub use contract::{FieldDef, FieldKind, FieldSet, Service, Shape, Type};
pub use id::{ActId, CaseId, ComparisonId, ConsumerId, DossierId, InstanceId, ProviderId, PurposeId, RoleId, ServiceId, Version};
pub use instances::{Instances, Routed};
pub use office::Office;
pub use outcome::{Absence, Outcome};
pub use predicate::Predicate;
pub use problem::{Problem, Problems};
pub use profile::Profile;
pub use representation::{Representation, RepresentativeKind};
pub use snapshot::Snapshot;
pub use subject::Subject;
pub use value::{Decimal, Facts, Flag, Record, Value};
