//! The data files as they are written: the shapes behind `contracts/schema/*.schema.json`. Field
//! comments here are what an editor shows to the writer of a contract.

use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::comparison::Agree;
use crate::contract::{
    Bilingual, Capture, Class, ConsumerType, Ground, Handling, Need, PersonRole, Retry, ServiceEffect, SubjectForm, Type,
};
use crate::instances::KeyForm;
use crate::outcome::Absence;
use crate::representation::RepresentativeKind;
use crate::window::Effect;

/// A provider: one primary source (`contracts/providers/<provider>/provider.yaml`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderFile {
    /// Its code, the name of its folder and a segment of the URL, such as `interior`.
    pub provider: String,
    /// Its name.
    pub name: Bilingual,
    /// Clause of the decree that names it, such as `634/4.1.1`.
    pub clause: String,
    /// When it has said beforehand that it does not answer, or answers badly (Decree 634, 6.2.3).
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub windows: Vec<PlannedWindow>,
    /// The bodies it consists of, where the decree names it in the plural.
    pub instances: Option<Instances>,
    /// Who is told of its distorted data, and how long he has; default: the provider itself, five working days.
    #[serde(default)]
    pub quality: Option<Quality>,
}

/// The bodies that a source consists of.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Instances {
    /// The input that chooses the body; every service of the source has it as a text.
    pub by: String,
    /// Form of the keys: `territory` (AZS 882, eight digits) or `code`.
    pub form: KeyForm,
    /// Keys whose body answers; the deployment says which instance serves which.
    #[schemars(length(min = 1, max = 1_000))]
    pub connected: Vec<String>,
    /// Keys whose body is not connected: the answer is `NOT_HELD_ELECTRONICALLY`, and nobody is asked.
    #[serde(default)]
    #[schemars(length(max = 1_000))]
    pub not_connected: Vec<String>,
    /// The key of a question that leaves the input out; without it every service requires the input.
    pub otherwise: Option<String>,
}

/// Who answers for the quality of a provider's data.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// The body that is told and solves it.
    pub owner: Bilingual,
    /// Within how many working days, 1 to 60.
    pub working_days: u32,
}

/// A planned window of a source, by the time of Baku.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedWindow {
    /// The days on which it begins: `daily`, days of the week, or days of months.
    pub on: WindowDays,
    /// When it begins, `hh:mm`.
    pub from: String,
    /// When it ends, `hh:mm` up to `24:00`; where that is not later than `from`, on the next day.
    pub to: String,
    /// `down` (it does not answer) or `degraded` (it answers late, or not always).
    pub effect: Effect,
    /// Why, in words that consumers are told.
    pub reason: Bilingual,
}

/// On which days a window begins.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum WindowDays {
    /// Every day.
    Daily(Daily),
    /// These days of the week.
    OfWeek(#[schemars(length(min = 1))] Vec<Weekday>),
    /// These days of these months.
    OfMonth(DaysOfMonth),
}

/// The word `daily`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub enum Daily {
    /// Every day.
    #[serde(rename = "daily")]
    Daily,
}

/// Days of months; at least one of the two keys.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DaysOfMonth {
    /// Days, 1 to 31 or `last`; without the key every day.
    #[serde(default)]
    pub days: Vec<DayOfMonth>,
    /// Months, 1 to 12; without the key every month.
    #[serde(default)]
    #[schemars(inner(range(min = 1, max = 12)))]
    pub months: Vec<u8>,
}

/// A day of the month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum DayOfMonth {
    /// By its number; a month that has no such day is passed over.
    Number(#[schemars(range(min = 1, max = 31))] i8),
    /// The last one.
    Last(Last),
}

/// The word `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Last {
    /// The last day of a month.
    #[serde(rename = "last")]
    Last,
}

/// The questions by which the gateway looks whether sources answer as they should (`contracts/probes.yaml`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbesFile {
    /// The consumer as which they are asked, of type `probe`.
    pub consumer: String,
    /// For what.
    pub purpose: String,
    /// In which of its roles, an automated one.
    pub role: String,
    /// One for each provider that is looked at.
    pub probes: Ordered<Probe>,
}

/// One such question.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// What is asked: a service of the provider.
    pub service: String,
    /// A test person of the source's own, with the marks of synthetic data; left out where it asks about nobody.
    pub subject: Option<ProbeSubject>,
    /// How often, `10s` to `24h`.
    pub every: String,
    /// What the answer must be.
    pub expect: Expectation,
}

/// Whom a probe asks about: one of the three.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeSubject {
    /// By FIN.
    pub fin: Option<String>,
    /// By PIN.
    pub pin: Option<String>,
    /// A taxpayer.
    pub tin: Option<String>,
}

/// What a probe's answer must be.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The outcome.
    pub outcome: ExpectedOutcome,
    /// What stands in fields at the top of the record, with `FOUND`.
    #[serde(default)]
    pub fields: Ordered<ExpectedValue>,
}

/// An outcome that a probe may expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ExpectedOutcome {
    Found,
    NotFound,
    NotHeldElectronically,
}

/// A value as an answer delivers it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ExpectedValue {
    Text(String),
    Number(i64),
    Bool(bool),
}

/// A service's contract (`contracts/providers/<provider>/<service>@<version>.yaml`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceFile {
    /// `provider/service@major.minor.patch`, the same as the file's place.
    pub service: String,
    /// What it answers, in words.
    pub name: Bilingual,
    /// Clause that lets MEİS ask, such as `634/4.1.1`.
    pub legal_reference: String,
    /// The mutual agreement the contract rests on (Decree 634, 2.6 a).
    pub agreement: Agreement,
    /// How the question travels.
    pub route: Route,
    /// Accepted ways to name whom the question is about; `[]` for a question about no person.
    pub subject: Vec<SubjectForm>,
    /// `write` where it changes something at the source; without the key it reads.
    #[serde(default)]
    pub effect: ServiceEffect,
    /// `never`: it is asked on its own, in a case for a purpose that needs it, and no dossier asks it.
    pub dossiers: Option<Never>,
    /// Inputs besides the subject.
    #[serde(default)]
    pub input: Ordered<Input>,
    /// Two month or date inputs that bound a window.
    pub window: Option<Window>,
    /// Whether every question needs the person's own consent.
    #[serde(default)]
    pub consent: bool,
    /// What an answer must repeat of its question, by top-level field: `subject.fin`,
    /// `input.NAME`, `count.LIST`, or `asked` for a moment not before the question.
    #[serde(default)]
    pub confirms: Ordered<Confirm>,
    /// What `NOT_FOUND` means: `fact` (none is an answer) or `unknown` (it may be on paper).
    pub absence: Absence,
    /// How long an answer is current, such as `24h`; `0s` for never reused.
    pub lifetime: String,
    /// Months of the year in which answers prove less or are current for a shorter time.
    #[serde(default)]
    #[schemars(length(max = 12))]
    pub seasons: Vec<Season>,
    /// Where the source is not asked but delivers files: on which terms what was loaded of them counts.
    pub snapshot: Option<SnapshotTerms>,
    /// Agreed rate, per provider instance.
    pub quota: ServiceQuota,
    /// Longest wait for one answer, `1s` to `60s`.
    pub timeout: String,
    /// Whether a call that may have been sent may be sent again.
    pub retry: Retry,
    /// What of the answer is kept as evidence: `none`, `digest`, `fields` or `exact`.
    pub capture: Capture,
    /// The act under which exact bytes are kept; only with `capture: exact`.
    pub capture_act: Option<String>,
    /// The answer's fields by path, in the answer's order: `surname`, `months[]`, `months[].month`.
    pub fields: Ordered<Field>,
}

/// On which terms what was loaded of a source's files counts.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotTerms {
    /// From which age on, counted from the first day that a file is of, its records are `STALE` and it says nothing of
    /// who is not in it, such as `26h`; without the key never, as of versions that do not change.
    pub stale_after: Option<String>,
}

/// What a field of an answer must agree with.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Confirm {
    /// `subject.fin`, `.pin`, `.tin`, `.document.series`, `.document.number`, `.birth_date`,
    /// `input.NAME`, `count.LIST` or `asked`.
    Always(String),
    /// The same, but for questions that carry an input.
    Unless(ConfirmUnless),
}

/// A rule of `confirms` with its exception.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmUnless {
    /// What it must agree with.
    pub is: String,
    /// The input that lifts the rule where it is given.
    pub unless: String,
}

/// The mutual agreement with the provider.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Its number.
    pub number: String,
    /// First day in force, `yyyy-mm-dd`.
    pub signed_on: String,
    /// Last day in force, `yyyy-mm-dd`.
    pub valid_until: String,
}

/// How a question travels (Decree 634, 5.0.2).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// `ehis`, or `direct` with a reason.
    pub via: Via,
    /// Why the question does not travel through EHİS; for the deviation register.
    pub reason: Option<String>,
}

/// The two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// Through the state's electronic exchange system.
    Ehis,
    /// Straight to the provider.
    Direct,
}

/// An input of a service or dossier.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Type,
    /// Whether it must be given.
    pub need: InputNeed,
    /// Accepted codes, with `type: code`.
    #[serde(default)]
    pub codes: Vec<String>,
    /// Most items, for an input that is a list of values.
    #[schemars(range(min = 1, max = 100))]
    pub list_max: Option<u32>,
    /// For an identifying input: `provider/service.field`, the answer in the same case that must
    /// have given it.
    pub comes_from: Option<String>,
    /// Least value, with `type: int`.
    pub min: Option<i64>,
    /// Greatest value, with `type: int`.
    pub max: Option<i64>,
}

/// Whether an input must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InputNeed {
    /// It must.
    Required,
    /// It may be left out.
    Optional,
}

/// A bounded window of months, by month or date inputs.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Input with the first month or day.
    pub from: String,
    /// Input with the last month or day.
    pub to: String,
    /// Longest span in months, both ends counted.
    #[schemars(range(min = 1, max = 120))]
    pub months_max: u32,
}

/// Rate agreed with the provider.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Steady rate, requests per second.
    #[schemars(range(min = 1, max = 100_000))]
    pub per_second: u32,
    /// Most at once.
    #[schemars(range(min = 1, max = 100_000))]
    pub burst: u32,
}

/// Rate agreed with the provider, and on which days another one.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceQuota {
    /// Steady rate, requests per second.
    #[schemars(range(min = 1, max = 100_000))]
    pub per_second: u32,
    /// Most at once.
    #[schemars(range(min = 1, max = 100_000))]
    pub burst: u32,
    /// Days of every month (Asia/Baku) with another rate.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub days: Vec<QuotaDays>,
}

/// Another rate on some days of every month.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaDays {
    /// First day of the month.
    #[schemars(range(min = 1, max = 31))]
    pub from: i8,
    /// Last day, counted too.
    #[schemars(range(min = 1, max = 31))]
    pub to: i8,
    /// Steady rate on these days, requests per second.
    #[schemars(range(min = 1, max = 100_000))]
    pub per_second: u32,
    /// Most at once on these days.
    #[schemars(range(min = 1, max = 100_000))]
    pub burst: u32,
}

/// Stricter terms in some months of every year (Asia/Baku), such as while a register rolls over.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Season {
    /// The months, 1 to 12.
    #[schemars(length(min = 1, max = 12), inner(range(min = 1, max = 12)))]
    pub months: Vec<i8>,
    /// How long an answer is current in them; shorter than the contract's own.
    pub lifetime: Option<String>,
    /// `unknown`: a `NOT_FOUND` of these months proves nothing.
    pub absence: Option<Absence>,
}

/// One field of an answer. A path that ends in `[]` is a list: of records where it has no type (its
/// fields follow), of plain values where it has one.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Type of the value, or of a list's plain values. Money fields end in `_qapik`.
    #[serde(rename = "type")]
    pub kind: Option<Type>,
    /// Sensitivity: `O` ordinary, `C` confidential, `S` special category.
    pub class: Option<Class>,
    /// With `type: code`: the accepted codes, or `open` for an external classifier.
    pub codes: Option<Codes>,
    /// Whether the source may state "none" for it.
    #[serde(default)]
    pub optional: bool,
    /// `false` for a field known at the source but outside the agreement: never asked for.
    #[serde(default = "yes")]
    #[schemars(default = "yes")]
    pub agreed: bool,
    /// How it is to be handled: `onward`, `no-onward` (where the key is left out) or `own-use`.
    pub handling: Option<Handling>,
    /// Unit, where the name does not say it.
    pub unit: Option<String>,
    /// Most items of a list.
    #[schemars(range(min = 1, max = 10_000))]
    pub max: Option<u32>,
}

fn yes() -> bool {
    true
}

/// Codes a field accepts.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Codes {
    /// Any code of an external classifier.
    Open(Open),
    /// These.
    Listed(Vec<String>),
}

/// The word `open`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub enum Open {
    /// Any code.
    #[serde(rename = "open")]
    Open,
}

/// A consumer (`contracts/consumers/<consumer>.yaml`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsumerFile {
    /// Its code, the file's name.
    pub consumer: String,
    /// Its name.
    pub name: Bilingual,
    /// Clause that establishes it, such as `634/2.1.3`.
    pub clause: String,
    /// What it is (Decree 634, 2.5); bounds the class of whatever it is given.
    #[serde(rename = "type")]
    pub kind: ConsumerType,
    /// `never`: none of its grants may give data of the special category.
    pub special: Option<Never>,
    /// DNS names that its client certificates carry.
    #[schemars(length(max = 16))]
    pub certificate_names: Vec<String>,
    /// How many requests it may make; default 200 a second, 400 at once.
    pub quota: Option<Quota>,
    /// Powers of its officials (Decree 634, 2.6 c).
    pub roles: Ordered<Role>,
    /// What it may ask (Decree 634, 2.6 b).
    #[schemars(length(max = 500))]
    pub grants: Vec<Grant>,
}

/// Powers of a role.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// What it is called.
    pub name: Bilingual,
    /// Highest class its holders may see.
    pub class_max: Class,
    /// Whether an automated caller may act in it.
    #[serde(default)]
    pub automated: bool,
    /// Whether its holders may act in an emergency in a case that is not theirs, or about persons who are not in it:
    /// for some hours, with an alarm and a review.
    #[serde(default)]
    pub emergency: bool,
    /// Of which kinds of representatives its holders take a request about somebody else; without the key of none.
    #[serde(default)]
    #[schemars(length(max = 3))]
    pub represents: Vec<RepresentativeKind>,
}

/// A right to some fields of a service.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// `provider/service`.
    pub service: String,
    /// Ways to name the subject that it covers; all of the contract's where left out.
    #[schemars(length(min = 1))]
    pub subject: Option<Vec<SubjectForm>>,
    /// `all`, or paths; a list's path (`months[]`) grants all below it. Left out where there is an `answer`.
    pub fields: Option<Fields>,
    /// What is answered with yes or no instead of fields.
    pub answer: Option<Answer>,
    /// Purposes it serves.
    pub purposes: Vec<String>,
    /// Legal acts it rests on.
    pub acts: Vec<String>,
    /// Those of them that allow data of the special category (class S); demanded where it gives any.
    #[serde(default)]
    pub special: Vec<String>,
    /// Roles that may use it.
    pub roles: Vec<String>,
    /// Paths kept from some of these roles although the grant covers them.
    #[serde(default)]
    pub role_withholds: Ordered<Vec<String>>,
    /// Rows delivered, where not all are.
    #[serde(default)]
    pub rows: Vec<Row>,
    /// When it may be used (Decree 634, 6.2.13).
    pub hours: Option<Hours>,
    /// How much it may be used on one day (Decree 634, 6.2.13).
    pub volume: Option<Volume>,
}

/// A comparison of what two sources say about the same person (`contracts/comparisons/<name>.yaml`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComparisonFile {
    /// Its name, the same as the file's.
    pub comparison: String,
    /// What disagrees where it does not hold, in words.
    pub name: Bilingual,
    /// Clause that it serves, such as `634/6.2.1`.
    pub clause: String,
    /// The source whose word is primary for this.
    pub primary: Compared,
    /// The source that is compared with it.
    pub other: Compared,
    /// When they agree: `equal`, `within` (the other's values are among the primary's) or `not-after` (no day or month of
    /// the other lies after the primary's first).
    pub agree: Agree,
}

/// One side of a comparison.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// `provider/service`.
    pub service: String,
    /// Path of an agreed text, code, FIN, TIN, day or month: of the record, or of a top-level list such as
    /// `acts[].event_on`.
    pub field: String,
    /// What the rows of the list must meet, as in an `answer`.
    #[serde(default, rename = "where")]
    pub conditions: Ordered<Vec<String>>,
}

/// A question that is answered with yes or no.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// What a yes means, in words.
    pub question: Bilingual,
    /// `record`, or a top-level list such as `acts[]`: yes where there is one of which all of `where` holds.
    pub exists: String,
    /// By the path of a code or truth value: what it must be; by that of a FIN, `subject.fin`. Paths begin in the
    /// record or the row; `persons[].role` goes into a list, of which one and the same row must meet all.
    #[serde(default, rename = "where")]
    pub conditions: Ordered<Vec<String>>,
}

/// Hours of some days, in Baku.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// `working`, by the calendar; or days of the week, holidays or not.
    pub days: Days,
    /// The first moment of a day, `hh:mm`.
    pub from: String,
    /// The end of a day, `hh:mm`, itself not covered; `24:00` for midnight.
    pub to: String,
}

/// Which days hours lie in.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Days {
    /// Days on which people work.
    Working(Working),
    /// These.
    OfWeek(#[schemars(length(min = 1))] Vec<Weekday>),
}

/// The word `working`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub enum Working {
    /// Days on which people work.
    #[serde(rename = "working")]
    Working,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// How much a grant may be used on one day of Baku; at least one of the two.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// Most questions.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub requests_per_day: Option<u32>,
    /// Most different persons asked about.
    #[schemars(range(min = 1, max = 100_000))]
    pub persons_per_day: Option<u32>,
}

/// The word `never`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Never {
    /// In no grant.
    #[serde(rename = "never")]
    Never,
}

/// The word `allowed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Allowed {
    /// By this act.
    #[serde(rename = "allowed")]
    Allowed,
}

/// Fields a grant covers.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Fields {
    /// All the contract has.
    All(All),
    /// These.
    Paths(Vec<String>),
}

/// The word `all`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub enum All {
    /// Every field.
    #[serde(rename = "all")]
    All,
}

/// Rows delivered of one list.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Top-level list, such as `acts` or `acts[]`.
    pub list: String,
    /// Code field of an item, such as `act_kind`.
    pub field: String,
    /// Codes whose rows are delivered.
    pub allow: Vec<String>,
    /// The service's input that asks for some of these codes; demanded where there is one. A question for
    /// any other code is refused.
    pub input: Option<String>,
}

/// The purposes of processing (`contracts/purposes.yaml`), by code.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct PurposesFile(pub Ordered<Purpose>);

/// A purpose.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Purpose {
    /// What it is, in words a citizen understands.
    pub name: Bilingual,
    /// Where a person is not told, or not at once, that his data were used for it.
    #[serde(default)]
    pub suppressed: Option<Suppressed>,
    /// `never`: no grant for it may give data of the special category.
    pub special: Option<Never>,
}

/// Days on which nobody works, besides Saturdays and Sundays, by year (`contracts/calendar.yaml`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CalendarFile(pub Ordered<Vec<NonWorkingDay>>);

/// A day on which nobody works.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NonWorkingDay {
    /// The day, `yyyy-mm-dd`.
    pub on: String,
    /// Why.
    pub name: Bilingual,
    /// What it rests on: `law`, `announced` or `assumed`.
    pub basis: DayBasis,
}

/// What a non-working day rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DayBasis {
    /// A date that the Labour Code fixes.
    Law,
    /// A decision of the Cabinet for this year.
    Announced,
    /// Not confirmed yet.
    Assumed,
}

/// Why and for how long a person is not told that his data were used.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Suppressed {
    /// The ground in law.
    pub ground: Ground,
    /// For how long after the use, such as `90d`; for good where it is left out.
    #[serde(default, rename = "for")]
    pub span: Option<String>,
}

/// The register of legal acts (`contracts/acts.yaml`), by code.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ActsFile(pub Ordered<Act>);

/// A legal act.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// Its title.
    pub name: Bilingual,
    /// First day in force, `yyyy-mm-dd`; left out where the register does not know it.
    pub in_force_from: Option<String>,
    /// Last day in force, `yyyy-mm-dd`, where it has lapsed or will.
    pub in_force_until: Option<String>,
    /// `allowed`: it lets data of the special category be used.
    pub special: Option<Allowed>,
}

/// A dossier (`contracts/dossiers/<dossier>@<version>.yaml`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DossierFile {
    /// `dossier@major.minor.patch`, the same as the file's name.
    pub dossier: String,
    /// What it is, in words.
    pub name: Bilingual,
    /// The purpose it serves.
    pub purpose: String,
    /// One deadline for a round of its calls, `1s` to `60s`.
    pub deadline: String,
    /// How long unanswered elements are asked again, such as `15d`.
    pub due: String,
    /// Pause between two rounds of asking, `1s` to `1d`; default `30s`.
    pub retry_every: Option<String>,
    /// Inputs the envelope may carry.
    #[serde(default)]
    pub input: Ordered<Input>,
    /// Its calls, by name; each may need one that stands above it.
    #[schemars(length(min = 1))]
    pub elements: Ordered<Element>,
}

/// One kind of call of a dossier.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Element {
    /// `provider/service`.
    pub service: String,
    /// It is asked once for each person of the dossier in one of these roles: those the case names
    /// and those that another element discovers.
    #[serde(rename = "for")]
    #[schemars(length(min = 1))]
    pub roles: Vec<PersonRole>,
    /// What a missing answer does to the dossier; `conditional` has a `when`.
    pub need: Need,
    /// Tightens the service's absence from `fact` to `unknown`.
    pub absence: Option<Absence>,
    /// Whether `NOT_FOUND` stops the dossier.
    #[serde(default)]
    pub stops: bool,
    /// It is asked only where all of these hold.
    #[serde(default)]
    pub when: Vec<Condition>,
    /// `element.field`: asked once per distinct value of this answer among its persons.
    pub once_per: Option<String>,
    /// With `once_per`: the next person of the same value is asked where the one before has no record.
    #[serde(default)]
    pub until_found: bool,
    /// Another element above: it is asked only where that one finds no record, which proves nothing, or gets no answer.
    pub fallback_for: Option<String>,
    /// The members of the family that its answer names.
    pub members: Option<Members>,
    /// How the service's inputs are filled.
    #[serde(default)]
    pub input: Ordered<Source>,
}

/// Something that must hold for an element to be asked: one of `answer` and `input`, and one of
/// `is`, `years` and `given`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// `element.field` of an earlier element's answer.
    pub answer: Option<String>,
    /// The dossier's own input of this name.
    pub input: Option<String>,
    /// It is one of these.
    pub is: Option<Vec<String>>,
    /// So many whole years have passed since the date.
    pub years: Option<Years>,
    /// `true`: it is there.
    pub given: Option<bool>,
}

/// Bounds of a number of whole years.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Years {
    /// At least so many.
    #[schemars(range(max = 150))]
    pub at_least: Option<u32>,
    /// Fewer than so many.
    #[schemars(range(max = 150))]
    pub below: Option<u32>,
}

/// How an answer names the members of a family.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Members {
    /// Top-level list of records, such as `members`.
    pub list: String,
    /// The item's field with the FIN.
    pub fin: String,
    /// The item's field with the relation.
    pub relation: String,
    /// The role that each relation gives.
    pub roles: Ordered<PersonRole>,
    /// Top-level date with the last day on which the answer names anybody, such as `valid_until`: once it
    /// has passed, nobody joins the dossier, and a new answer is wanted.
    pub until: Option<String>,
}

/// Where an input is taken from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The month, or the day, so many months before the current one (Asia/Baku).
    MonthsAgo(#[schemars(range(max = 240))] u32),
    /// The year so many years before the current one (Asia/Baku), for an input of type int.
    YearsAgo(#[schemars(range(max = 20))] u32),
    /// `element.field`: a top-level field of an earlier element's answer.
    Answer(String),
    /// The dossier's own input of this name.
    Input(String),
    /// These codes, for an input that is a list.
    Codes(Vec<String>),
}

/// A mapping that keeps the file's order.
#[derive(Debug, Clone)]
pub struct Ordered<T>(pub Vec<(String, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Ordered<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Ordered_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<T>() })
    }
}
