//! The synthetic persons that every mock agency knows, as data (`personas.json`).
//!
//! Nobody here exists: FINs end in `O`, taxpayer numbers in 3 or 4, documents have the series `ZZ`,
//! plates begin with `99-ZZ-`, names are built on *sınaq*, *örnək*, *nümunə* (agency catalogue,
//! "Synthetic data only").
//!
//! [`Personas::embedded`] are the hand-written ones, each family with something to show; [`Personas::populated`]
//! adds several hundred made from a seed (`population.rs`). The same laws hold for both (`tests.rs`).
//!
//! A person's stories hold across sources: what justice knows as a marriage, interior knows as one
//! address, unless the family is there to show that sources disagree; its `shows` then says so. Each
//! source sees its own part of a person: one module below per source.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use jiff::civil::Date;
use serde::Deserialize;

mod agriculture;
mod azeriqaz;
mod border;
mod credit_bureau;
mod day;
mod defence;
mod digital;
mod education;
mod exam_centre;
mod health;
mod interior;
mod justice;
mod local_executive;
mod migration;
mod mobilisation;
mod person;
mod population;
mod property;
mod refugee_committee;
mod statistics;
mod taxes;
#[cfg(test)]
mod tests;
mod utilities;

pub use agriculture::{AnimalKind, Animals, AreaUnit, Declaration, Farm, Livestock};
pub use azeriqaz::{Gas, gas_accounts};
pub use border::{Border, Crossing, Direction};
pub use credit_bureau::{Consent, Credit, CreditSummary, Loan};
pub use day::Day;
pub use defence::{Service, ServiceKind, WarParticipant, WarStatus, service_records, war_participants};
pub use digital::{Branch, Certificate, CertificateStatus, Digital, MobileNumber, Until};
pub use education::{Diploma, Enrolment, EnrolmentStatus, Funding, Learning, Level, StudyForm};
pub use exam_centre::{ExamKind, ExamResult};
pub use health::{BirthFact, Health};
pub use interior::{DocumentStatus, IdentityDocument, Residence, ResidenceKind, Vehicle, VehicleKind};
pub use justice::{ActKind, ActPerson, ActRole, ActStatus, Application, ApplicationMember, CivilAct, Relation, Writ, WritKind, WritStatus};
pub use local_executive::{
    CertifiedMember, DeclaredAnimals, Dwelling, FamilyCertificate, Guardianship, GuardianshipKind, Household, LocalExecutive,
};
pub use migration::{Foreigner, Migration, Passport, Permit, PermitKind, PermitStatus, WorkPermitCase};
pub use mobilisation::{MilitaryRecord, RegisterStatus};
pub use person::{Family, FamilyRole, Person, Sex};
pub use property::{Deal, DealSide, ObjectKind, PropertyObject, RightKind, Share};
pub use refugee_committee::{Displacement, DisplacementStatus, Housing, HousingKind};
pub use statistics::{Classifiers, classifiers};
pub use taxes::{Company, Income, IncomeKind, Taxpayer, TaxpayerStatus};
pub use utilities::{Electricity, MeterKind, TariffGroup, Water};

/// How many stories [`Personas::populated`] tells besides the hand-written ones: about four hundred persons.
const STORIES_OF_A_POPULATION: u32 = 120;
/// The seed of the population that is played where none is asked for: the number of the decree.
pub const SEED: u64 = 634;

const EMBEDDED: &str = include_str!("../personas.json");
const AGRICULTURE: &str = include_str!("../personas/agriculture.json");
const BORDER: &str = include_str!("../personas/border.json");
const DIGITAL: &str = include_str!("../personas/digital.json");
const EDUCATION: &str = include_str!("../personas/education.json");
const EXAM_CENTRE: &str = include_str!("../personas/exam-centre.json");
const MOBILISATION: &str = include_str!("../personas/mobilisation.json");
const REFUGEE_COMMITTEE: &str = include_str!("../personas/refugee-committee.json");
const LOCAL_EXECUTIVE: &str = include_str!("../personas/local-executive.json");
const SECOND_BUREAU: &str = include_str!("../personas/second-bureau.json");
const HEALTH: &str = include_str!("../personas/health.json");
const MIGRATION: &str = include_str!("../personas/migration.json");

/// Hides what a type holds from `Debug`, as if the persons were real.
macro_rules! hidden {
    ($($name:ident),+) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )+};
}
use hidden;

/// Every synthetic person, by family and by each identifier an agency is asked with. `Debug` shows nobody.
pub struct Personas {
    companies: Vec<Company>,
    families: Vec<Family>,
    /// Family, and place among its members and then its relatives.
    by_fin: HashMap<Box<str>, (usize, usize)>,
    /// Family and place among its acts, in the file's order.
    acts_by_fin: HashMap<Box<str>, Vec<(usize, usize)>>,
    registers: Registers,
}

/// What the sources hold that know persons by their FIN, or by something of their own, in a file each (`personas/`).
struct Registers {
    border: Border,
    digital: Digital,
    farms: HashMap<Box<str>, Farm>,
    learning: HashMap<Box<str>, Learning>,
    exams: HashMap<Box<str>, Vec<ExamResult>>,
    military: HashMap<Box<str>, MilitaryRecord>,
    displaced: HashMap<Box<str>, Displacement>,
    local_executive: LocalExecutive,
    /// What the second credit bureau knows, by FIN.
    second_bureau: HashMap<Box<str>, Credit>,
    health: Health,
    migration: Migration,
}

impl Registers {
    fn read() -> Result<Self, serde_json::Error> {
        Ok(Self {
            border: serde_json::from_str(BORDER)?,
            digital: serde_json::from_str(DIGITAL)?,
            farms: serde_json::from_str(AGRICULTURE)?,
            learning: serde_json::from_str(EDUCATION)?,
            exams: serde_json::from_str(EXAM_CENTRE)?,
            military: serde_json::from_str(MOBILISATION)?,
            displaced: serde_json::from_str(REFUGEE_COMMITTEE)?,
            local_executive: serde_json::from_str(LOCAL_EXECUTIVE)?,
            second_bureau: serde_json::from_str(SECOND_BUREAU)?,
            health: serde_json::from_str(HEALTH)?,
            migration: serde_json::from_str(MIGRATION)?,
        })
    }
}

impl Personas {
    /// The persons compiled into the crate, read once per process.
    ///
    /// # Panics
    /// Never in a built crate: a test reads the same file.
    #[must_use]
    pub fn embedded() -> Arc<Self> {
        static ONCE: LazyLock<Arc<Personas>> =
            LazyLock::new(|| Arc::new(Personas::read(EMBEDDED).expect("personas.json is read by a test of this crate")));
        Arc::clone(&ONCE)
    }

    /// Those and several hundred more, made from a seed: the same for the same seed, on every machine.
    ///
    /// # Panics
    /// Never in a built crate, as [`Personas::embedded`].
    #[must_use]
    pub fn populated(seed: u64) -> Arc<Self> {
        let mut personas = Self::read(EMBEDDED).expect("personas.json is read by a test of this crate");
        let families = population::families(seed, STORIES_OF_A_POPULATION, &personas.companies);
        population::fill(seed, &families, &mut personas.registers);
        personas.families.extend(families);
        Arc::new(Self::indexed(personas.companies, personas.families, personas.registers))
    }

    fn read(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            companies: Vec<Company>,
            families: Vec<Family>,
        }
        let File { companies, families } = serde_json::from_str(text)?;
        Ok(Self::indexed(companies, families, Registers::read()?))
    }

    fn indexed(companies: Vec<Company>, families: Vec<Family>, mut registers: Registers) -> Self {
        registers.local_executive.certify(&families);
        let places = families
            .iter()
            .enumerate()
            .flat_map(|(f, family)| family.everyone().enumerate().map(move |(m, person)| (person.fin.clone(), (f, m))));
        let by_fin = places.collect();
        let mut acts_by_fin: HashMap<Box<str>, Vec<(usize, usize)>> = HashMap::new();
        for (f, family) in families.iter().enumerate() {
            for (a, act) in family.acts.iter().enumerate() {
                for person in &act.persons {
                    acts_by_fin.entry(person.fin.clone()).or_default().push((f, a));
                }
            }
        }
        Self { companies, families, by_fin, acts_by_fin, registers }
    }

    /// The farms by their holder's FIN.
    #[must_use]
    pub fn farms(&self) -> &HashMap<Box<str>, Farm> {
        &self.registers.farms
    }

    /// What the education ministry knows, by FIN.
    #[must_use]
    pub fn learning(&self) -> &HashMap<Box<str>, Learning> {
        &self.registers.learning
    }

    /// Results of exams by FIN.
    #[must_use]
    pub fn exams(&self) -> &HashMap<Box<str>, Vec<ExamResult>> {
        &self.registers.exams
    }

    /// The military register by FIN.
    #[must_use]
    pub fn military(&self) -> &HashMap<Box<str>, MilitaryRecord> {
        &self.registers.military
    }

    /// The register of refugees and displaced persons by FIN.
    #[must_use]
    pub fn displaced(&self) -> &HashMap<Box<str>, Displacement> {
        &self.registers.displaced
    }

    /// All families, the reference family first; a person who lives alone is a family of one.
    #[must_use]
    pub fn families(&self) -> &[Family] {
        &self.families
    }

    /// A family by its name, such as `reference`.
    #[must_use]
    pub fn family(&self, name: &str) -> Option<&Family> {
        self.families.iter().find(|family| &*family.name == name)
    }

    /// The family of the reference dossier (catalogue, section 5): two adults, children of 15, 9 and 4.
    ///
    /// # Panics
    /// Never in a built crate: a test looks for it.
    #[must_use]
    pub fn reference_family(&self) -> &Family {
        self.family("reference").expect("a test of this crate finds it")
    }

    /// A complete family of five that the demonstration itself does not ask about: for ready-made requests.
    ///
    /// # Panics
    /// Never in a built crate: a test looks for it.
    #[must_use]
    pub fn requests_family(&self) -> &Family {
        self.family("requests").expect("a test of this crate finds it")
    }

    /// Every person, in the file's order; a family's relatives after its members.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.families.iter().flat_map(Family::everyone)
    }

    /// The person with a FIN.
    #[must_use]
    pub fn by_fin(&self, fin: &str) -> Option<&Person> {
        let (family, place) = self.by_fin.get(fin)?;
        self.families.get(*family)?.everyone().nth(*place)
    }

    /// The person with an identity document, if the birth date is theirs as well.
    #[must_use]
    pub fn by_document(&self, series: &str, number: &str, birth_date: Date) -> Option<&Person> {
        self.people()
            .find(|person| &*person.document.series == series && &*person.document.number == number && person.birth_date == birth_date)
    }

    /// The person who holds an electricity account.
    #[must_use]
    pub fn by_subscriber_code(&self, code: &str) -> Option<&Person> {
        self.people().find(|person| person.subscriber_code() == Some(code))
    }

    /// The civil acts that name a person, in the file's order. An act is stored once, with the family
    /// it made or ended, and found by everybody it names.
    pub fn acts_of(&self, fin: &str) -> impl Iterator<Item = &CivilAct> {
        let places = self.acts_by_fin.get(fin).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|(family, act)| self.families.get(*family)?.acts.get(*act))
    }

    /// Every notarial application, in the file's order.
    pub fn applications(&self) -> impl Iterator<Item = &Application> {
        self.families.iter().flat_map(|family| &family.applications)
    }

    /// Legal persons: those who pay the personas' incomes, and some that are no longer active.
    #[must_use]
    pub fn companies(&self) -> &[Company] {
        &self.companies
    }

    /// What the border service knows.
    #[must_use]
    pub fn border(&self) -> &Border {
        &self.registers.border
    }

    /// What the ministry of digital development knows.
    #[must_use]
    pub fn digital(&self) -> &Digital {
        &self.registers.digital
    }

    /// What the local executive bodies keep, of all territories.
    #[must_use]
    pub fn local_executive(&self) -> &LocalExecutive {
        &self.registers.local_executive
    }

    /// What the second credit bureau knows of the person with a FIN.
    #[must_use]
    pub fn at_second_bureau(&self, fin: &str) -> Option<&Credit> {
        self.registers.second_bureau.get(fin)
    }

    /// What the ministry of health knows.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.registers.health
    }

    /// What the migration service knows.
    #[must_use]
    pub fn migration(&self) -> &Migration {
        &self.registers.migration
    }

    /// How many other persons are registered at the address of this one; `None` without a registered address.
    #[must_use]
    pub fn co_registered(&self, person: &Person) -> Option<usize> {
        let code = &person.residence.as_ref()?.address_code;
        let there = self.people().filter(|other| other.residence.as_ref().is_some_and(|residence| residence.address_code == *code));
        Some(there.count().saturating_sub(1))
    }
}

impl fmt::Debug for Personas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Personas({} families)", self.families.len())
    }
}
