//! The synthetic persons that every mock agency knows, as data (`personas.json`).
//!
//! Nobody here exists: FINs end in `O`, taxpayer numbers in 3 or 4, documents have the series `ZZ`,
//! names are built on *sınaq*, *örnək*, *nümunə* (agency catalogue, "Synthetic data only").

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use jiff::civil::Date;
use serde::Deserialize;

const EMBEDDED: &str = include_str!("../personas.json");

/// Every synthetic person, by family and by each identifier an agency is asked with. `Debug` shows nobody.
pub struct Personas {
    families: Vec<Family>,
    by_fin: HashMap<Box<str>, (usize, usize)>,
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

    fn read(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            families: Vec<Family>,
        }
        let File { families } = serde_json::from_str(text)?;
        let places = families
            .iter()
            .enumerate()
            .flat_map(|(f, family)| family.members.iter().enumerate().map(move |(m, person)| (person.fin.clone(), (f, m))));
        let by_fin = places.collect();
        Ok(Self { families, by_fin })
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

    /// Every person, in the file's order.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.families.iter().flat_map(|family| &family.members)
    }

    /// The person with a FIN.
    #[must_use]
    pub fn by_fin(&self, fin: &str) -> Option<&Person> {
        let (family, member) = self.by_fin.get(fin)?;
        self.families.get(*family)?.members.get(*member)
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
}

impl fmt::Debug for Personas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Personas({} families)", self.families.len())
    }
}

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
}

/// A person's part in the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FamilyRole {
    /// Who applies.
    Applicant,
    /// The applicant's husband or wife.
    Spouse,
    /// A child of the family.
    Child,
}

impl FamilyRole {
    /// The word used for roles in a case, such as `applicant`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applicant => "applicant",
            Self::Spouse => "spouse",
            Self::Child => "child",
        }
    }
}

/// One synthetic person. `Debug` shows none of it, as if the person were real.
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
    /// The electricity account the person holds.
    #[serde(default)]
    pub electricity: Option<Electricity>,
    /// Declared incomes.
    #[serde(default)]
    pub incomes: Vec<Income>,
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

impl fmt::Debug for IdentityDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityDocument(…)")
    }
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

/// An electricity account. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Electricity {
    /// Subscriber code, such as `TEST-EL-000111`.
    pub subscriber_code: Box<str>,
    /// Address as one text.
    pub address: Box<str>,
    /// Kind of meter.
    pub meter: MeterKind,
    /// Tariff group.
    pub tariff: TariffGroup,
    /// Whether the account is open.
    pub active: bool,
    /// Whether the readings are estimates.
    pub estimated: bool,
    /// What is used in a December, in tenths of a kilowatt-hour; other months follow the season.
    pub december_kwh_tenths: u32,
    /// Debt in qəpik.
    pub balance_qapik: u32,
}

impl fmt::Debug for Electricity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Electricity(…)")
    }
}

/// Kind of meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MeterKind {
    /// Smart-card meter.
    Smart,
    /// Mechanical meter.
    Mechanical,
}

/// Tariff group of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TariffGroup {
    /// Population.
    Population,
    /// Anything else.
    Other,
}

/// An income that comes every month, or in some months of every year. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Income {
    /// Its kind.
    pub kind: IncomeKind,
    /// The payer's taxpayer number, ending in 3 or 4.
    pub payer_tin: Box<str>,
    /// Gross amount of a month, in qəpik.
    pub gross_qapik: u64,
    /// Income tax of a month, in qəpik.
    pub income_tax_qapik: u64,
    /// Social insurance of a month, in qəpik.
    pub social_insurance_qapik: u64,
    /// The months of the year (1 to 12) it comes in; empty is every month.
    #[serde(default)]
    pub calendar_months: Vec<i8>,
}

impl fmt::Debug for Income {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Income(…)")
    }
}

/// Kind of income.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncomeKind {
    /// Wage, `ƏH` on the wire.
    Wage,
    /// Civil contract, `MQ`.
    Contract,
    /// Rent, `İC`.
    Rent,
    /// Dividend, `DV`.
    Dividend,
    /// Business, `SB`.
    Business,
    /// Other, `DG`.
    Other,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use model::Profile;

    use super::*;

    #[test]
    fn every_person_is_marked_as_synthetic() {
        let personas = Personas::read(EMBEDDED).expect("readable");
        for person in personas.people() {
            assert!(Profile::Test.accepts_fin(&person.fin), "{}", person.fin);
            assert!(Profile::Test.accepts_document_series(&person.document.series), "{}", person.fin);
            assert!(person.document.number.bytes().all(|b| b.is_ascii_digit()));
            for income in &person.incomes {
                assert!(Profile::Test.accepts_tin(&income.payer_tin), "{}", person.fin);
                assert!(income.calendar_months.iter().all(|month| (1..=12).contains(month)));
            }
            let name = person.full_name().to_lowercase();
            assert!(["sınaq", "şınaq", "örnək", "nümunə"].iter().any(|root| name.contains(root)), "{}", person.fin);
            if let Some(account) = &person.electricity {
                assert!(account.subscriber_code.starts_with("TEST-EL-"));
            }
        }
    }

    #[test]
    fn identifiers_are_not_shared() {
        let personas = Personas::embedded();
        let distinct = |key: fn(&Person) -> Option<String>| {
            let keys: Vec<_> = personas.people().filter_map(key).collect();
            assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
        };
        distinct(|person| Some(person.fin.to_string()));
        distinct(|person| Some(person.document.number.to_string()));
        distinct(|person| person.subscriber_code().map(str::to_owned));
    }

    #[test]
    fn the_reference_family_is_the_catalogues() {
        let personas = Personas::embedded();
        let family = personas.reference_family();
        let fins: Vec<_> = family.members.iter().map(|person| &*person.fin).collect();
        assert_eq!(fins.get(..3), Some(&["5K7QX2O", "3M9RT4O", "8B2HN6O"][..]));
        assert_eq!(family.with_role(FamilyRole::Child).count(), 3);
        let applicant = family.applicant();
        assert_eq!(applicant.full_name(), "Sınaqlı Örnək Nümunə oğlu");
        assert_eq!(applicant.subscriber_code(), Some("TEST-EL-000111"));
        assert!(applicant.has_income());
        assert!(family.with_role(FamilyRole::Spouse).all(|spouse| !spouse.has_income()));
    }

    #[test]
    fn there_are_twenty_more_and_each_family_has_an_applicant() {
        let personas = Personas::embedded();
        assert_eq!(personas.people().count(), 25);
        for family in personas.families() {
            assert_eq!(family.with_role(FamilyRole::Applicant).count(), 1, "{}", family.name);
        }
        let requests = personas.requests_family();
        assert_eq!(requests.members.len(), 5);
        assert!(requests.applicant().has_income() && requests.applicant().electricity.is_some());
    }

    #[test]
    fn persons_are_found_by_each_identifier() {
        let personas = Personas::embedded();
        let person = personas.by_fin("5K7QX2O").expect("known");
        let document = &person.document;
        let same = personas.by_document(&document.series, &document.number, person.birth_date).expect("known");
        assert_eq!(same.fin, person.fin);
        assert!(personas.by_document(&document.series, &document.number, jiff::civil::date(1985, 3, 15)).is_none());
        assert_eq!(personas.by_subscriber_code("TEST-EL-000111").expect("known").fin, person.fin);
        assert!(personas.by_fin("ZZZZZZO").is_none());
    }

    #[test]
    fn debug_shows_nobody() {
        let personas = Personas::embedded();
        let shown = format!("{personas:?} {:?}", personas.families());
        assert!(!shown.contains("5K7QX2O") && !shown.contains("Sınaqlı") && !shown.contains("TEST-EL"), "{shown}");
    }
}
