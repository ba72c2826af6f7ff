//! Checked contracts: what may be asked of a service, what it answers, and on what terms. Made
//! only by [`crate::load`]; once here, nothing needs checking again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;
use crate::id::{ActId, ConsumerId, DossierId, ProviderId, PurposeId, RoleId, ServiceId, Version};
use crate::instances::Instances;
use crate::outcome::{Absence, Outcome};
use crate::predicate::Predicate;
use crate::representation::RepresentativeKind;
use crate::subject::Subject;
use crate::time::baku;
use crate::window::PlannedWindow;

/// Most fields (leaves) one service may declare: a field set is one machine word of this width.
pub const FIELDS_MAX: usize = 128;

/// Most elements a dossier may have.
pub const ELEMENTS_MAX: usize = 64;

/// Most persons a dossier may be about: those its case names and those that answers discover. One
/// more is not asked about; the dossier says so instead of leaving somebody out in silence.
pub const PERSONS_MAX: usize = 50;

/// A name or title in the two languages of the surface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bilingual {
    /// Azerbaijani.
    pub az: String,
    /// English.
    pub en: String,
}

/// Sensitivity of a field (agency catalogue, section 1). Ordered: `O < C < S`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Class {
    /// Ordinary.
    O,
    /// Confidential.
    C,
    /// Special category: origin, family life, belief, health, conviction.
    S,
}

/// How surely an identity provider knows whom it speaks of (the levels of eIDAS, Regulation (EU) 910/2014, article 8).
/// Ordered: `low < substantial < high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Assurance {
    /// Such as a password.
    Low,
    /// Such as two factors.
    Substantial,
    /// Such as a qualified signature.
    High,
}

impl Assurance {
    /// The highest class that it lets be seen (portal regulation, 3.5 and 4.1; the levels are an assumption).
    #[must_use]
    pub fn class_max(self) -> Class {
        match self {
            Self::Low => Class::O,
            Self::Substantial => Class::C,
            Self::High => Class::S,
        }
    }
}

/// What a consumer is: who may use the system's data (Decree 634, 2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConsumerType {
    /// A subsystem of MEİS (2.1): the ministry's own officials.
    Subsystem,
    /// The citizens' portal (portal regulation, 4.6): the citizens themselves.
    Portal,
    /// Another state body.
    StateBody,
    /// A municipal body.
    MunicipalBody,
    /// A legal person.
    LegalPerson,
    /// A natural person other than by the portal.
    NaturalPerson,
    /// The gateway itself, when it looks whether sources answer as they should (6.2.1): about marked test persons alone,
    /// and never over a connection.
    Probe,
}

impl ConsumerType {
    /// Every type.
    pub const ALL: [Self; 7] =
        [Self::Subsystem, Self::Portal, Self::StateBody, Self::MunicipalBody, Self::LegalPerson, Self::NaturalPerson, Self::Probe];

    /// The word of the contracts, such as `state-body`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Subsystem => "subsystem",
            Self::Portal => "portal",
            Self::StateBody => "state-body",
            Self::MunicipalBody => "municipal-body",
            Self::LegalPerson => "legal-person",
            Self::NaturalPerson => "natural-person",
            Self::Probe => "probe",
        }
    }

    /// The highest class that such a consumer may ever be given, whatever its grants and roles say. (Assumption:
    /// 2.5 gives a right "according to the nature of the data" and names no classes.)
    #[must_use]
    pub fn class_max(self) -> Class {
        match self {
            Self::Subsystem | Self::StateBody => Class::S,
            Self::Portal | Self::MunicipalBody | Self::LegalPerson | Self::Probe => Class::C,
            Self::NaturalPerson => Class::O,
        }
    }
}

/// How a field is to be handled by whoever is given it (Decree 634, 6.1.5). Ordered from the loosest to the
/// strictest; an answer is handled by the strictest mark of what it delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Handling {
    /// The agreement lets it be passed on to other bodies that have a grant.
    Onward,
    /// It stays with the subsystems and the portal; the mark of every field that names none.
    NoOnward,
    /// It stays with the subsystems' officials, for the purpose it was asked for.
    OwnUse,
}

impl Handling {
    /// The word on every surface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Onward => "onward",
            Self::NoOnward => "no-onward",
            Self::OwnUse => "own-use",
        }
    }

    /// Whether a consumer of this type may be given what bears the mark. To give it to anybody but MEİS's own
    /// subsystems and portal is a transfer onward: the agreement is between the source and MEİS.
    #[must_use]
    pub fn reaches(self, consumer: ConsumerType) -> bool {
        match consumer {
            ConsumerType::Subsystem => true,
            ConsumerType::Portal | ConsumerType::Probe => self <= Self::NoOnward,
            ConsumerType::StateBody | ConsumerType::MunicipalBody | ConsumerType::LegalPerson | ConsumerType::NaturalPerson => {
                self == Self::Onward
            }
        }
    }
}

/// Type of a scalar field or input. The type decides how a text is read, never the look of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Type {
    /// Unicode text in NFC, at most 4,096 characters.
    Text,
    /// A person's FIN; its form depends on the profile (synthetic or real).
    Fin,
    /// A taxpayer's number (VÖEN); its form depends on the profile.
    Tin,
    /// A 64-bit integer.
    Int,
    /// An exact decimal, delivered as a JSON number with the source's digits.
    Decimal,
    /// Money in whole qəpik (1 AZN = 100), a 64-bit integer; the field's name ends in `_qapik`.
    Money,
    /// True or false.
    Bool,
    /// One of the codes the contract lists.
    Code,
    /// A local date, `yyyy-mm-dd`.
    Date,
    /// A month, `yyyy-mm`.
    Month,
    /// A moment, RFC 3339 with the offset of `Asia/Baku`.
    Datetime,
    /// A date of which the day, or day and month, may be unknown: `yyyy`, `yyyy-mm` or `yyyy-mm-dd`.
    PartialDate,
    /// Bytes, delivered as base64.
    Bytes,
    /// A share of a whole as two whole numbers, `1/2`: never more than the whole, never of nothing.
    Fraction,
}

/// A set of one service's leaf fields, by [`FieldDef::index`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldSet(u128);

impl FieldSet {
    /// The empty set.
    pub const EMPTY: Self = Self(0);

    /// The first `count` fields.
    #[must_use]
    pub fn first(count: usize) -> Self {
        if count >= FIELDS_MAX { Self(u128::MAX) } else { Self((1 << count) - 1) }
    }

    /// Adds a field.
    pub fn insert(&mut self, index: usize) {
        if index < FIELDS_MAX {
            self.0 |= 1 << index;
        }
    }

    /// Whether the field is in the set.
    #[must_use]
    pub fn contains(self, index: usize) -> bool {
        index < FIELDS_MAX && self.0 & (1 << index) != 0
    }

    /// Fields in both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Fields in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Fields in this set that are not in the other.
    #[must_use]
    pub fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether every field of this set is in `other`.
    #[must_use]
    pub fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether no field is in the set.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The fields' indices, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..FIELDS_MAX).filter(move |index| self.contains(*index))
    }
}

/// The fields of a record, in the contract's order.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// The fields.
    pub fields: Vec<FieldDef>,
}

/// One declared field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldDef {
    /// Last part of the path, the key in the answer, such as `month`.
    pub name: Box<str>,
    /// The whole path, such as `months[].month`; how grants and `withheld` name it.
    pub path: Box<str>,
    /// Scalar or list.
    pub kind: FieldKind,
    /// Sensitivity; for a list of records the highest of its fields.
    pub class: Class,
    /// Whether the source may state "none" for it.
    pub optional: bool,
    /// Whether the agreement with the provider covers it; if not it is known, never asked for or
    /// delivered, and listed as withheld by `agreement`.
    pub agreed: bool,
    /// Unit, where the name does not say it.
    pub unit: Option<Box<str>>,
    /// Place of this leaf in [`Service::leaves`] and in every [`FieldSet`]; for a list of records
    /// the index of its first leaf.
    pub index: usize,
    /// All leaves under this field: itself, or those of its items.
    pub leaves: FieldSet,
}

impl FieldDef {
    /// Whether any leaf of this field is in the set.
    #[must_use]
    pub fn intersects(&self, set: &FieldSet) -> bool {
        !self.leaves.intersection(*set).is_empty()
    }
}

/// Scalar or list.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldKind {
    /// One value; `codes` is non-empty for [`Type::Code`] when the contract closes the list.
    Scalar {
        /// The type.
        kind: Type,
        /// Accepted codes, empty where the list is open.
        codes: Vec<Box<str>>,
    },
    /// A list of records with at most `max` items.
    List {
        /// Most items accepted from the source.
        max: usize,
        /// Fields of an item.
        shape: Shape,
    },
    /// A list of plain values with at most `max` items.
    Values {
        /// Most items accepted from the source.
        max: usize,
        /// Type of an item.
        kind: Type,
        /// Accepted codes, empty where the list is open.
        codes: Vec<Box<str>>,
    },
}

/// How the subject of a question may be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SubjectForm {
    /// A citizen's FIN.
    Fin,
    /// A foreigner's PIN.
    Pin,
    /// Document series and number with the birth date.
    Document,
    /// A taxpayer's number.
    Tin,
}

impl SubjectForm {
    /// Every form.
    pub const ALL: [Self; 4] = [Self::Fin, Self::Pin, Self::Document, Self::Tin];

    /// The word of the contracts and of the envelope, such as `fin`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fin => "fin",
            Self::Pin => "pin",
            Self::Document => "document",
            Self::Tin => "tin",
        }
    }
}

/// An input besides the subject.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Its key in the envelope's `input`.
    pub name: Box<str>,
    /// Its type.
    pub kind: Type,
    /// Accepted codes, for [`Type::Code`].
    pub codes: Vec<Box<str>>,
    /// Most items, for an input that is a list of values; none for a single value.
    pub list_max: Option<usize>,
    /// Whether it must be given.
    pub required: bool,
    /// For an identifying input: the service and top-level field whose answer *in the same case*
    /// must have given it. `None` where the contract frees it.
    pub comes_from: Option<(ServiceId, Box<str>)>,
    /// Least and greatest value, for [`Type::Int`]; none where any whole number is taken.
    pub range: Option<(i64, i64)>,
    /// Where the value is the key of one of the source's instances: which keys there are.
    pub instances: Option<Arc<Instances>>,
}

/// A pair of month inputs, or of date inputs, that spans at most so many months.
///
/// Months count with both ends (`2025-03` to `2026-02` are twelve). Days may lie a whole number of
/// months apart (`2025-03-12` to `2026-03-12` are twelve).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthWindow {
    /// Name of the input with the first month or day.
    pub from: Box<str>,
    /// Name of the input with the last month or day.
    pub to: Box<str>,
    /// Longest span.
    pub months_max: u32,
}

/// What an answer must repeat of its question, so that a source that answers about somebody else, or
/// contradicts itself, is found out before anything of it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirm {
    /// The top-level scalar field of the answer.
    pub field: Box<str>,
    /// What it must agree with.
    pub with: Confirmed,
    /// An input that lifts the rule where it is given: the question was then not put by the subject.
    pub unless: Option<Box<str>>,
}

/// What a field of an answer must agree with. A question that lacks it confirms nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmed {
    /// This part of the subject.
    Subject(SubjectPart),
    /// The input of this name.
    Input(Box<str>),
    /// The number of items in this top-level list.
    Count(Box<str>),
    /// The moment of asking: the field is not earlier.
    Asked,
}

/// One identifying part of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectPart {
    /// FIN.
    Fin,
    /// PIN.
    Pin,
    /// Taxpayer's number.
    Tin,
    /// Series of the document.
    DocumentSeries,
    /// Number of the document.
    DocumentNumber,
    /// Birth date that goes with the document.
    BirthDate,
}

/// How a question travels (Decree 634, 5.0.2: exchange with other state systems goes through EHİS).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Through the state's electronic exchange system.
    Ehis,
    /// Straight to the provider, for this recorded reason.
    Direct(Box<str>),
}

impl Route {
    /// The word of the answer's `source.route`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ehis => "ehis",
            Self::Direct(_) => "direct",
        }
    }
}

/// The mutual agreement a contract rests on (Decree 634, 2.6 a).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Its number.
    pub number: Box<str>,
    /// First day in force.
    pub signed_on: Date,
    /// Last day in force.
    pub valid_until: Date,
}

impl Agreement {
    /// Whether it is in force on a day (Asia/Baku), both ends counted.
    #[must_use]
    pub fn in_force(&self, today: Date) -> bool {
        self.signed_on <= today && today <= self.valid_until
    }
}

/// What asking does at the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceEffect {
    /// Nothing: it is a question.
    #[default]
    Read,
    /// Something is recorded there. What it answers serves one request alone, and it is sent again only where the
    /// source can tell a repetition by its key.
    Write,
}

/// Whether a call that may have been sent may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// Asking twice has no effect: retried within the deadline.
    Idempotent,
    /// Each call is a fact at the provider: never repeated.
    Never,
}

/// What of the answer is kept as evidence (`docs/journal-format.md`, "What the gateway writes").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Capture {
    /// Nothing of it.
    None,
    /// SHA-256 of the exact bytes (the default).
    Digest,
    /// The canonical fields.
    Fields,
    /// The exact bytes; only under a named act.
    Exact,
}

/// Requests per second and burst agreed with the provider, per instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Steady rate.
    pub per_second: u32,
    /// Most at once.
    pub burst: u32,
}

/// Another rate on some days of every month (Asia/Baku), such as around filing days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaDays {
    /// First day of the month, 1 to 31.
    pub from: i8,
    /// Last day, counted too.
    pub to: i8,
    /// The rate on these days.
    pub quota: Quota,
}

/// Stricter terms in some months of every year (Asia/Baku).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Season {
    /// The months, 1 to 12; each in one season at most.
    pub months: Vec<i8>,
    /// How long an answer is current, where it is for a shorter time than else.
    pub lifetime: Option<Duration>,
    /// Whether a `NOT_FOUND` proves nothing.
    pub absence_unknown: bool,
}

/// A provider: one primary source.
#[derive(Debug, Clone, PartialEq)]
pub struct Provider {
    /// Its code.
    pub id: ProviderId,
    /// Its name.
    pub name: Bilingual,
    /// Clause of the decree that names it, such as `634/4.1.1`.
    pub clause: Box<str>,
    /// When it has said beforehand that it does not answer, or answers badly (Decree 634, 6.2.3).
    pub windows: Vec<PlannedWindow>,
    /// The bodies it consists of, where the decree names it in the plural.
    pub instances: Option<Arc<Instances>>,
    /// The body that is told of its distorted data and answers for the solution.
    pub owner: Bilingual,
    /// Within how many working days it does.
    pub working_days: u32,
}

/// The questions by which the gateway looks whether sources answer as they should (Decree 634, 6.2.1), and as whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Probes {
    /// The consumer as which they are asked, of type `probe`.
    pub consumer: ConsumerId,
    /// For what.
    pub purpose: PurposeId,
    /// In which role, an automated one.
    pub role: RoleId,
    /// One for each source that is looked at.
    pub probes: BTreeMap<ProviderId, Probe>,
}

/// One such question.
#[derive(Clone, PartialEq)]
pub struct Probe {
    /// What is asked.
    pub service: ServiceId,
    /// A test person of the source's own, who bears the marks of synthetic data; none where it asks about nobody.
    pub subject: Option<Subject>,
    /// How often, 10 s to 24 h.
    pub every: Duration,
    /// What the answer must be.
    pub outcome: Outcome,
    /// What stands in fields of it, by their paths at the top of the record.
    pub fields: BTreeMap<Box<str>, serde_json::Value>,
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe").field("service", &self.service).field("every", &self.every).finish_non_exhaustive()
    }
}

/// How many working days the owner of distorted data has where the provider's file does not say.
pub const QUALITY_DAYS: u32 = 5;

/// A service's checked contract.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// `provider/service`.
    pub id: ServiceId,
    /// The contract's version.
    pub version: Version,
    /// What it answers.
    pub name: Bilingual,
    /// Clause that lets MEİS ask, such as `634/4.1.1`.
    pub legal_reference: Box<str>,
    /// The agreement with the provider.
    pub agreement: Agreement,
    /// How the question travels.
    pub route: Route,
    /// Accepted subject forms; empty where the contract asks about no person.
    pub subject: Vec<SubjectForm>,
    /// What asking does at the source.
    pub effect: ServiceEffect,
    /// Whether a dossier may ask it.
    pub in_dossiers: bool,
    /// Other inputs, in the contract's order.
    pub inputs: Vec<Input>,
    /// A bounded month window, where the contract has one.
    pub window: Option<MonthWindow>,
    /// Whether every question needs the person's own consent. Such answers are never kept for
    /// another question and never shared.
    pub consent: bool,
    /// What an answer must repeat of its question.
    pub confirms: Vec<Confirm>,
    /// What `NOT_FOUND` means.
    pub absence: Absence,
    /// How long an answer is current; zero for never cached.
    pub lifetime: Duration,
    /// Months in which stricter terms hold; [`Service::absence_on`] and [`Service::lifetime_on`] know them.
    pub seasons: Vec<Season>,
    /// The terms of a source that delivers files; none where it is asked.
    pub snapshot: Option<SnapshotTerms>,
    /// Agreed rate.
    pub quota: Quota,
    /// Days on which another rate is agreed.
    pub quota_days: Vec<QuotaDays>,
    /// Longest wait for one answer.
    pub timeout: Duration,
    /// Whether it may be asked again.
    pub retry: Retry,
    /// What is kept as evidence.
    pub capture: Capture,
    /// The answer's fields.
    pub shape: Shape,
    /// Path, class and agreement of each leaf, by index: the flat view of `shape`.
    pub leaves: Vec<Leaf>,
}

/// On which terms what was loaded of a source's files counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotTerms {
    /// From which age on, counted from the first day that a file is of, it is overdue; none where it never is.
    pub stale_after: Option<Duration>,
}

/// The flat view of one leaf field.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// Whole path, such as `months[].month`.
    pub path: Box<str>,
    /// Sensitivity.
    pub class: Class,
    /// Whether the agreement covers it.
    pub agreed: bool,
    /// How it is to be handled.
    pub handling: Handling,
}

impl Service {
    /// `provider/service@version`, the way mappings and messages name it.
    #[must_use]
    pub fn versioned(&self) -> String {
        format!("{}@{}", self.id, self.version)
    }

    /// The rate agreed for a day (Asia/Baku).
    #[must_use]
    pub fn quota_on(&self, today: Date) -> Quota {
        let special = self.quota_days.iter().find(|days| (days.from..=days.to).contains(&today.day()));
        special.map_or(self.quota, |days| days.quota)
    }

    /// What `NOT_FOUND` means on a day (Asia/Baku).
    #[must_use]
    pub fn absence_on(&self, today: Date) -> Absence {
        let unknown = self.season(today).is_some_and(|season| season.absence_unknown);
        if unknown { Absence::Unknown } else { self.absence }
    }

    /// How long an answer is current on a day (Asia/Baku).
    #[must_use]
    pub fn lifetime_on(&self, today: Date) -> Duration {
        self.season(today).and_then(|season| season.lifetime).unwrap_or(self.lifetime)
    }

    fn season(&self, today: Date) -> Option<&Season> {
        self.seasons.iter().find(|season| season.months.contains(&today.month()))
    }

    /// Index of a leaf by its path.
    #[must_use]
    pub fn leaf(&self, path: &str) -> Option<usize> {
        self.leaves.iter().position(|leaf| &*leaf.path == path)
    }

    /// The leaves a path names: the leaf itself, or all below a list (`months`, `months[]`). Empty
    /// where the contract has no such field.
    #[must_use]
    pub fn fields_under(&self, path: &str) -> FieldSet {
        let stem = path.strip_suffix("[]").unwrap_or(path);
        let mut set = FieldSet::EMPTY;
        for (index, leaf) in self.leaves.iter().enumerate() {
            let below = leaf.path.strip_prefix(stem).is_some_and(|rest| rest == "[]" || rest.starts_with("[]."));
            if below || *leaf.path == *path {
                set.insert(index);
            }
        }
        set
    }

    /// All fields the agreement covers.
    #[must_use]
    pub fn agreed(&self) -> FieldSet {
        let mut set = FieldSet::EMPTY;
        for (index, leaf) in self.leaves.iter().enumerate() {
            if leaf.agreed {
                set.insert(index);
            }
        }
        set
    }

    /// The highest class among some fields; `None` of none.
    #[must_use]
    pub fn class_of(&self, fields: FieldSet) -> Option<Class> {
        fields.iter().filter_map(|index| self.leaves.get(index)).map(|leaf| leaf.class).max()
    }

    /// The highest class among the agreed fields: the service's own class (agency catalogue, section 1).
    #[must_use]
    pub fn class(&self) -> Class {
        self.class_of(self.agreed()).unwrap_or(Class::O)
    }
}

/// A purpose of processing.
#[derive(Debug, Clone, PartialEq)]
pub struct Purpose {
    /// Its code.
    pub id: PurposeId,
    /// What it is, in words a citizen understands.
    pub name: Bilingual,
    /// Where a person is not told, or not at once, that his data were used for it.
    pub suppressed: Option<Suppressed>,
    /// Whether data of the special category may serve it; no grant for it gives any where not.
    pub special: bool,
}

/// Why and for how long a person is not told that his data were used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suppressed {
    /// The ground in law.
    pub ground: Ground,
    /// For how long after the use; none: for good.
    pub span: Option<Duration>,
}

/// The grounds on which a person is not told of the use of his data (Personal Data Law, 38.4 to 38.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ground {
    /// It would break the secrecy of a minor's origin.
    SecrecyOfOrigin,
    /// It would hinder the prevention of crime.
    FightingCrime,
    /// The rights of others require it.
    OthersRights,
    /// The data were collected for the security of the state.
    StateSecurity,
}

/// A legal act.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// Its code.
    pub id: ActId,
    /// Its title.
    pub name: Bilingual,
    /// First day in force, where the register knows it.
    pub in_force_from: Option<Date>,
    /// Last day in force, where it has lapsed or will.
    pub in_force_until: Option<Date>,
    /// Whether it allows data of the special category to be used.
    pub special: bool,
}

impl Act {
    /// Whether it is in force on a day (Asia/Baku).
    #[must_use]
    pub fn in_force(&self, today: Date) -> bool {
        self.in_force_from.is_none_or(|from| from <= today) && self.in_force_until.is_none_or(|until| today <= until)
    }
}

/// A consumer with its certificates' names, roles and grants.
#[derive(Debug, Clone, PartialEq)]
pub struct Consumer {
    /// Its code.
    pub id: ConsumerId,
    /// Its name.
    pub name: Bilingual,
    /// Clause that establishes it.
    pub clause: Box<str>,
    /// What it is; bounds the class of whatever it is given.
    pub kind: ConsumerType,
    /// Whether it may be given data of the special category; none of its grants gives any where not.
    pub special: bool,
    /// DNS names that its client certificates carry as subject alternative names.
    pub certificate_names: Vec<Box<str>>,
    /// How many requests it may make.
    pub quota: Quota,
    /// Powers of its officials, by role.
    pub roles: BTreeMap<RoleId, Role>,
    /// What it may ask, in the file's order.
    pub grants: Vec<Grant>,
}

/// Powers of a role (Decree 634, 2.6 c).
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    /// What it is called.
    pub name: Bilingual,
    /// Highest class its holders may see.
    pub class_max: Class,
    /// Whether an automated caller (`robot:<name>`) may act in it.
    pub automated: bool,
    /// Whether its holders may act in an emergency in a case that is not theirs.
    pub emergency: bool,
    /// Of which kinds of representatives its holders take a request about somebody else.
    pub represents: Vec<RepresentativeKind>,
}

/// A consumer's right to some fields of a service, for purposes, under acts, in roles.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// The service.
    pub service: ServiceId,
    /// Forms of subject it covers, each one that the contract takes; empty where that asks about no person.
    pub subject: Vec<SubjectForm>,
    /// Granted leaves; none where it grants a yes or no.
    pub fields: FieldSet,
    /// What is answered with yes or no instead of fields.
    pub answer: Option<Arc<Predicate>>,
    /// Purposes it serves.
    pub purposes: Vec<PurposeId>,
    /// Acts it rests on, never empty.
    pub acts: Vec<ActId>,
    /// Those of them that allow data of the special category, as the grant names them expressly.
    pub special: Vec<ActId>,
    /// Roles that may use it.
    pub roles: Vec<RoleId>,
    /// Fields some roles may not see although the grant covers them.
    pub role_withholds: BTreeMap<RoleId, FieldSet>,
    /// Rows delivered, where not all are; shared with every right that rests on the grant.
    pub rows: Arc<[RowRule]>,
    /// When it may be used (Decree 634, 6.2.13); always where it says nothing.
    pub hours: Option<Hours>,
    /// How much it may be used (6.2.13); without a bound of its own where it says nothing.
    pub volume: Option<Volume>,
}

impl Grant {
    /// The agreed leaves on which what it gives rests: those it delivers, or those its predicate looks at.
    #[must_use]
    pub fn touches(&self, service: &Service) -> FieldSet {
        self.answer.as_ref().map_or(self.fields, |predicate| predicate.leaves).intersection(service.agreed())
    }
}

/// Hours of some days, in Baku.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// Which days it covers.
    pub days: Days,
    /// The first minute of a day, counted from midnight.
    pub from: u16,
    /// The end of a day, itself not covered; at most 1,440.
    pub to: u16,
}

/// Which days hours lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Days {
    /// Days of the week, Monday first, holidays or not.
    OfWeek([bool; 7]),
    /// Days on which people work, by the calendar.
    Working,
}

impl Hours {
    /// Whether a moment lies in them. A year that the calendar does not cover has no working day: whether it is one
    /// is not guessed.
    #[must_use]
    pub fn cover(&self, now: Timestamp, calendar: &Calendar) -> bool {
        let here = now.to_zoned(baku().clone()).datetime();
        let covered = match self.days {
            Days::OfWeek(days) => {
                usize::try_from(here.weekday().to_monday_zero_offset()).ok().and_then(|day| days.get(day).copied()).unwrap_or(false)
            }
            Days::Working => calendar.is_working(here.date()).unwrap_or(false),
        };
        let minute = u16::try_from(i32::from(here.hour()) * 60 + i32::from(here.minute())).unwrap_or(u16::MAX);
        covered && (self.from..self.to).contains(&minute)
    }
}

/// How much a grant may be used on one day of Baku. The gateway counts in memory: a restart begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Volume {
    /// Most questions.
    pub requests_per_day: Option<u32>,
    /// Most different persons asked about.
    pub persons_per_day: Option<u32>,
}

/// Delivers only the items of a list whose code is among those allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRule {
    /// Top-level list field, such as `acts`.
    pub list: Box<str>,
    /// Code field inside an item, such as `act_kind`.
    pub field: Box<str>,
    /// Codes whose rows are delivered.
    pub allow: Vec<Box<str>>,
    /// Leaves of the list (what `withheld` names with reason `row`).
    pub leaves: FieldSet,
    /// The input that narrows the question to some of these codes, where the service has one. A question
    /// for any other code, and one that leaves the input out and so asks for all, is refused: its outcome
    /// would tell of rows that are withheld.
    pub input: Option<Box<str>>,
}

impl RowRule {
    /// Whether rows of this code are delivered.
    #[must_use]
    pub fn allows(&self, code: &str) -> bool {
        self.allow.iter().any(|allowed| **allowed == *code)
    }
}

/// A role of a person in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PersonRole {
    /// Who applied.
    Applicant,
    /// The applicant's spouse.
    Spouse,
    /// A child.
    Child,
    /// Another adult of the family.
    Adult,
    /// An employer or another person a case concerns.
    Other,
}

/// A declared set of calls for one case.
#[derive(Debug, Clone, PartialEq)]
pub struct Dossier {
    /// Its name.
    pub id: DossierId,
    /// Its version.
    pub version: Version,
    /// What it is, in words.
    pub name: Bilingual,
    /// The purpose it serves.
    pub purpose: PurposeId,
    /// One deadline for a round of its calls.
    pub deadline: Duration,
    /// How long unanswered elements are asked again.
    pub due: Duration,
    /// Pause between two rounds of asking.
    pub retry_every: Duration,
    /// Inputs the envelope may carry.
    pub inputs: Vec<Input>,
    /// Elements in the file's order, each after those it needs.
    pub elements: Vec<Element>,
}

/// One kind of call of a dossier.
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    /// Its name, such as `electricity-consumption`.
    pub name: Box<str>,
    /// The service asked.
    pub service: ServiceId,
    /// It is asked once for each person of the dossier in one of these roles: those the case names
    /// and those that another element discovers.
    pub roles: Vec<PersonRole>,
    /// What a missing answer does to the dossier.
    pub need: Need,
    /// The service's absence, or `unknown` where the dossier tightens it.
    pub absence: Absence,
    /// Whether `NOT_FOUND` stops the dossier: there is no such person.
    pub stops: bool,
    /// It is asked only where all of these hold.
    pub when: Vec<Condition>,
    /// Asked once per distinct value of this answer among its persons, such as once per dwelling.
    pub once_per: Option<AnswerField>,
    /// With `once_per`: whether the next person of the same value is asked where the one before has no
    /// record, since the source knows the value by one of them alone.
    pub until_found: bool,
    /// The element it stands in for: it is asked only where that one finds no record, which proves nothing, or gets no
    /// answer from its source.
    pub fallback_for: Option<usize>,
    /// The members of the family that its answer names.
    pub members: Option<Members>,
    /// How the service's inputs are filled.
    pub inputs: Vec<(Box<str>, InputSource)>,
    /// Indices of the elements whose answers it needs, each smaller than its own, ascending.
    pub after: Vec<usize>,
}

/// A top-level field of an earlier element's answer: of the same person where that element is asked
/// about him, else of the one person it is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerField {
    /// Index of the element.
    pub element: usize,
    /// The field.
    pub field: Box<str>,
}

/// Something that must hold for an element to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What is looked at.
    pub of: ConditionOf,
    /// What must hold of it. What is not there holds nothing.
    pub test: Test,
}

/// What a condition looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConditionOf {
    /// An answer.
    Answer(AnswerField),
    /// The dossier's own input of this name.
    Input(Box<str>),
}

/// What must hold of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// It is one of these.
    Is(Vec<Box<str>>),
    /// So many whole years have passed since the date (day of Asia/Baku).
    Years {
        /// At least so many.
        at_least: Option<u32>,
        /// Fewer than so many.
        below: Option<u32>,
    },
    /// It is there.
    Given,
}

/// How an answer names the members of a family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// Top-level list of records.
    pub list: Box<str>,
    /// The item's field with the FIN; a member without one cannot be asked about.
    pub fin: Box<str>,
    /// The item's field with the relation.
    pub relation: Box<str>,
    /// The role that each relation gives; every code of the relation has one.
    pub roles: Vec<(Box<str>, PersonRole)>,
    /// Top-level date that every answer has: the last day (Asia/Baku) on which it names anybody. `None`
    /// where it names its members for ever.
    pub until: Option<Box<str>>,
}

/// What a missing answer does to the dossier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// The dossier is not settled without it.
    Required,
    /// As required, where its condition holds.
    Conditional,
    /// The dossier goes on, marked incomplete.
    Optional,
}

/// Where an element takes an input of its service from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputSource {
    /// The month, or the day, so many months before the current one (Asia/Baku).
    MonthsAgo(u32),
    /// The year so many years before the current one (Asia/Baku).
    YearsAgo(u32),
    /// An earlier answer.
    Answer(AnswerField),
    /// The dossier's own input of this name.
    Input(Box<str>),
    /// These codes, for an input that is a list.
    Codes(Vec<Box<str>>),
}
