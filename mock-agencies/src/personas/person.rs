//! Families and persons.

use std::fmt;

use jiff::civil::Date;
use serde::Deserialize;

use super::{
    Application, CivilAct, Credit, Deal, Electricity, IdentityDocument, Income, PropertyObject, Residence, Taxpayer, Vehicle, Water, Writ,
};

/// People who live together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Its name in the data, such as `reference` or `expired-document`.
    pub name: Box<str>,
    /// What it is there to show.
    pub shows: Box<str>,
    /// Its members, the applicant first.
    pub members: Vec<Person>,
    /// Persons its stories name who do not live in it: the dead, above all.
    #[serde(default)]
    pub relatives: Vec<Person>,
    /// The civil acts that made it and ended parts of it, oldest event first.
    #[serde(default)]
    pub acts: Vec<CivilAct>,
    /// Its notarial applications, the newest first.
    #[serde(default)]
    pub applications: Vec<Application>,
}

impl Family {
    /// The member who applies.
    ///
    /// # Panics
    /// Never for an embedded family: a test checks that each has one.
    #[must_use]
    pub fn applicant(&self) -> &Person {
        self.members.iter().find(|person| person.role == FamilyRole::Applicant).expect("a test of this crate finds one in each family")
    }

    /// The members with a role, in order.
    pub fn with_role(&self, role: FamilyRole) -> impl Iterator<Item = &Person> {
        self.members.iter().filter(move |person| person.role == role)
    }

    /// The newest notarial application.
    #[must_use]
    pub fn application(&self) -> Option<&Application> {
        self.applications.first()
    }

    /// Members, then relatives.
    pub fn everyone(&self) -> impl Iterator<Item = &Person> {
        self.members.iter().chain(&self.relatives)
    }
}

/// A person's part in the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FamilyRole {
    /// Who applies.
    Applicant,
    /// The applicant's husband or wife.
    Spouse,
    /// A child of the family, grown up or not.
    Child,
    /// Another adult, such as a grandparent.
    Adult,
    /// Nobody of the family: one of its relatives.
    Other,
}

impl FamilyRole {
    /// The word used for roles in a case, such as `applicant`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applicant => "applicant",
            Self::Spouse => "spouse",
            Self::Child => "child",
            Self::Adult => "adult",
            Self::Other => "other",
        }
    }
}

/// One synthetic person, as each source knows them. `Debug` shows none of it, as if the person were real.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Part in the family.
    pub role: FamilyRole,
    /// FIN, seven characters, the last the letter `O`.
    pub fin: Box<str>,
    /// Surname.
    pub surname: Box<str>,
    /// Given name.
    pub given_name: Box<str>,
    /// The father's given name; with `oğlu` or `qızı` it makes the patronymic.
    pub father_name: Box<str>,
    /// Sex.
    pub sex: Sex,
    /// Birth date.
    pub birth_date: Date,
    /// Birth place.
    pub birth_place: Box<str>,
    /// Citizenship, ISO 3166-1 alpha-3, or the invented `UTO`.
    pub citizenship: Box<str>,
    /// Identity document.
    pub document: IdentityDocument,
    /// Where the person is registered; `None` where nowhere.
    #[serde(default)]
    pub residence: Option<Residence>,
    /// Vehicles, those taken off the register included.
    #[serde(default)]
    pub vehicles: Vec<Vehicle>,
    /// Writs against the person.
    #[serde(default)]
    pub writs: Vec<Writ>,
    /// Declared incomes.
    #[serde(default)]
    pub incomes: Vec<Income>,
    /// Registration as a taxpayer.
    #[serde(default)]
    pub taxpayer: Option<Taxpayer>,
    /// Whether the tax service has never heard of the person, which is not the same as no income.
    #[serde(default)]
    pub unknown_to_taxes: bool,
    /// Rights to real estate.
    #[serde(default)]
    pub property: Vec<PropertyObject>,
    /// Deals in real estate.
    #[serde(default)]
    pub deals: Vec<Deal>,
    /// What the credit bureau knows; `None` is no credit history.
    #[serde(default)]
    pub credit: Option<Credit>,
    /// The electricity account the person holds.
    #[serde(default)]
    pub electricity: Option<Electricity>,
    /// The water account the person holds.
    #[serde(default)]
    pub water: Option<Water>,
}

impl Person {
    /// Surname, given name and patronymic, as people are addressed: `Sınaqlı Örnək Nümunə oğlu`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{} {} {}", self.surname, self.given_name, self.patronymic())
    }

    /// The father's name with `oğlu` (son of) or `qızı` (daughter of).
    #[must_use]
    pub fn patronymic(&self) -> String {
        let suffix = match self.sex {
            Sex::Male => "oğlu",
            Sex::Female => "qızı",
        };
        format!("{} {suffix}", self.father_name)
    }

    /// Whether the tax service knows an income of theirs.
    #[must_use]
    pub fn has_income(&self) -> bool {
        !self.incomes.is_empty()
    }

    /// The code of the electricity account they hold.
    #[must_use]
    pub fn subscriber_code(&self) -> Option<&str> {
        self.electricity.as_ref().map(|account| &*account.subscriber_code)
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Person({}, …)", self.role.as_str())
    }
}

/// Sex as registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sex {
    /// Male, `K` (kişi) on the wire.
    Male,
    /// Female, `Q` (qadın) on the wire.
    Female,
}
