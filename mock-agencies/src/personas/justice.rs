//! What the Ministry of Justice knows: civil acts, notarial applications, enforcement writs.

use jiff::ToSpan;
use jiff::civil::Date;
use serde::Deserialize;

use super::day::Day;
use super::hidden;

/// A civil act. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CivilAct {
    /// Its kind.
    pub kind: ActKind,
    /// Its number, `TEST-…`, unique.
    pub number: Box<str>,
    /// Day of registration.
    pub registered_on: Date,
    /// Day of what it registers; never after the registration.
    pub event_on: Date,
    /// Registering office, `VV-TEST-…`.
    pub office: Box<str>,
    /// Number of the certificate, `TEST-I-ZZ …`, unique.
    pub certificate: Box<str>,
    /// Whom it names.
    pub persons: Vec<ActPerson>,
    /// Status.
    pub status: ActStatus,
}

/// Kind of civil act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActKind {
    /// Birth.
    Birth,
    /// Marriage.
    Marriage,
    /// Divorce.
    Divorce,
    /// Establishment of paternity.
    Paternity,
    /// Adoption.
    Adoption,
    /// Change of name.
    NameChange,
    /// Death.
    Death,
}

/// A person an act names. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActPerson {
    /// Who.
    pub fin: Box<str>,
    /// As what.
    pub role: ActRole,
}

/// What a person is in an act. Who changes a name is its `Child`: the role belongs to the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActRole {
    /// Father.
    Father,
    /// Mother.
    Mother,
    /// Child.
    Child,
    /// Husband or wife.
    Spouse,
    /// Who died.
    Deceased,
}

/// Status of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActStatus {
    /// In force.
    Valid,
    /// Corrected after its registration.
    Corrected,
    /// Annulled.
    Annulled,
}

/// A notarised application for a family. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Its number, `TEST-NOT-…`, unique.
    pub number: Box<str>,
    /// Day of notarisation.
    pub notarised_on: Day,
    /// Who represents the family.
    pub representative: Box<str>,
    /// The other members, unless the family is there to show something else.
    pub members: Vec<ApplicationMember>,
    /// Number of the family's certificate, `TEST-IH-…`.
    pub certificate: Box<str>,
}

impl Application {
    /// Last day it can be used on, seen from `today`: 90 days after it was notarised (agency catalogue,
    /// `justice.notarial-application`).
    #[must_use]
    pub fn valid_until(&self, today: Date) -> Date {
        self.notarised_on.seen_from(today).saturating_add(90.days())
    }
}

/// A member an application names. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationMember {
    /// Who; `None` for one without a FIN, such as a new-born.
    pub fin: Option<Box<str>>,
    /// What the member is to the representative.
    pub relation: Relation,
}

/// What a member is to the representative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relation {
    /// Husband or wife.
    Spouse,
    /// Child.
    Child,
    /// Parent.
    Parent,
    /// Brother or sister.
    Sibling,
    /// Anything else.
    Other,
}

/// An enforcement writ, kept with the debtor. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Writ {
    /// Its number, `TEST-IC-…`, unique.
    pub number: Box<str>,
    /// What is owed.
    pub kind: WritKind,
    /// What is still owed, in qəpik.
    pub outstanding_qapik: u64,
    /// What is withheld from incomes, in hundredths of a per cent: 2500 is a quarter.
    pub deduction_basis_points: u32,
    /// Day it was opened.
    pub opened_on: Date,
    /// Status.
    pub status: WritStatus,
    /// The person it is owed to, where that is one of the personas. No service tells it.
    #[serde(default)]
    pub creditor: Option<Box<str>>,
}

/// What a writ is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WritKind {
    /// Alimony.
    Alimony,
    /// A loan.
    Loan,
    /// A fine.
    Fine,
    /// Anything else.
    Other,
}

/// Status of a writ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WritStatus {
    /// Being enforced.
    Open,
    /// Done with.
    Closed,
    /// Suspended.
    Suspended,
}

hidden!(CivilAct, ActPerson, Application, ApplicationMember, Writ);
