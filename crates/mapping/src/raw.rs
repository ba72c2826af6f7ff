//! The YAML shape of a mapping file, as written by an integration engineer. Nothing here is
//! checked beyond its form; [`crate::compile`] makes a [`crate::Plan`] of it.
//!
//! The doc comments are what an editor shows: the JSON Schema is generated from these types.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::{Absence, Outcome, Subject};
use schemars::JsonSchema;
use serde::Deserialize;

/// A mapping: the wire form of one service's questions and answers, and its canonical form.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The contract this maps, `provider/service@1.0.0`.
    pub mapping: String,
    /// Protocol and names on the wire.
    pub wire: Wire,
    /// How the source writes numbers, dates and "nothing".
    #[serde(default)]
    pub formats: Formats,
    /// Code tables, by name.
    #[serde(default)]
    pub tables: BTreeMap<String, Table>,
    /// How a question is written.
    pub request: Request,
    /// How an answer is classified and read.
    pub response: Response,
    /// Answers written by hand from the provider's documentation, and what they must become.
    pub examples: Vec<Example>,
}

/// Protocol and names on the wire.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wire {
    /// The protocol.
    pub protocol: Protocol,
    /// SOAP action, where the provider wants one.
    #[serde(default)]
    pub action: Option<String>,
    /// Prefixes used in this file and the namespaces they stand for. The provider's own prefixes do not matter.
    #[serde(default)]
    pub ns: BTreeMap<String, String>,
    /// X-Road service code, and for SOAP its version.
    #[serde(default)]
    pub service: Option<WireService>,
    /// How a list that comes in pages goes on; only for a GET of `rest-json`.
    #[serde(default)]
    pub paging: Option<Paging>,
    /// Files: how they look.
    #[serde(default)]
    pub file: Option<WireFile>,
}

/// A list that comes in pages: each page names the next one, and the adapter asks until there is none.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// The key of the list, at the top of the answer.
    pub items: String,
    /// The key of the cursor to the next page, at the top of the answer; null, empty or missing on the last one.
    pub cursor: String,
    /// The name in the query under which a cursor is sent.
    pub query: String,
    /// Most pages of one answer, 2 to 100; more is `INVALID_DATA`.
    pub pages_max: u16,
    /// The HTTP status by which the source refuses a cursor that has expired: the list is then asked for once more, from
    /// its first page.
    #[serde(default)]
    pub expired: Option<u16>,
}

/// How the files of a source look. Rows are read as `{rows: [{COLUMN: text, …}, …]}`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WireFile {
    /// Their names, with `{yyyyMMdd}`, `{yyyyWW}` (ISO 8601) or `{yyyyMM}` for what each is of.
    pub name: String,
    /// The sign between cells; `;` unless said otherwise.
    #[serde(default)]
    pub delimiter: Option<String>,
    /// The columns that are taken. Others are left out and counted.
    #[schemars(length(min = 1, max = 64))]
    pub columns: Vec<String>,
    /// Ways to look a row up, each a list of columns.
    #[schemars(length(min = 1, max = 8))]
    pub keys: Vec<Vec<String>>,
    /// Columns that tell one row from another.
    #[schemars(length(min = 1))]
    pub identity: Vec<String>,
    /// Cells of the last row, which counts the others.
    #[serde(default)]
    pub last_row: Option<LastRow>,
    /// Where the rows come in a ZIP archive.
    #[serde(default)]
    pub archive: Option<WireArchive>,
    /// Whether the source signs, and how.
    #[serde(default)]
    pub signature: Option<Signature>,
    /// In a change: the column that says so, and its text where a row is taken away.
    #[serde(default)]
    pub delete: BTreeMap<String, String>,
    /// Rows that the agreement does not cover: a column, and its text in them. They are left out and counted.
    #[serde(default)]
    pub leave_out: BTreeMap<String, String>,
    /// Where the rows are a tree: the column of the code and that of the parent's.
    #[serde(default)]
    pub tree: Option<WireTree>,
    /// Column of the version that a row belongs to: then every version is kept, and none changes.
    #[serde(default)]
    pub version: Option<String>,
}

/// Cells of the last row.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LastRow {
    /// Text of its first cell.
    pub mark: String,
    /// What stands in the cells behind it.
    #[schemars(length(min = 1, max = 8))]
    pub cells: Vec<LastCell>,
    /// The column whose numbers `total` is the sum of.
    #[serde(default)]
    pub total_of: Option<String>,
}

/// A cell of the last row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LastCell {
    /// How many rows there are.
    Rows,
    /// The hash total.
    Total,
    /// What the file is of, as in its name: so that an old file under a new name is found out.
    Period,
    /// What the file is of that this one changes; empty in a whole file.
    Base,
}

/// An archive of rows.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WireArchive {
    /// The part that lists the SHA-256 of the others, as `sha256sum` writes it.
    pub sums: String,
    /// The parts with rows.
    #[schemars(length(min = 1, max = 15))]
    pub parts: Vec<String>,
}

/// How a source signs its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Signature {
    /// An `OpenPGP` signature in a file beside it, of its name with `.asc` behind.
    PgpDetached,
}

/// Rows that are a tree.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WireTree {
    /// Column of the code.
    pub code: String,
    /// Column of the parent's code, empty at the top.
    pub parent: String,
}

/// Protocol of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// SOAP 1.1, document/literal wrapped.
    Soap11,
    /// SOAP 1.2, document/literal wrapped.
    Soap12,
    /// X-Road message protocol 4.0 (SOAP 1.1).
    XroadSoap,
    /// JSON over HTTP.
    RestJson,
    /// X-Road message protocol for REST (JSON).
    XroadRest,
    /// Files that the source delivers, looked up in what was loaded of them.
    Files,
}

/// X-Road service code and version.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WireService {
    /// Service code.
    pub code: String,
    /// Service version, where the provider has one; X-Road REST has none.
    #[serde(default)]
    pub version: Option<String>,
}

/// How the source writes numbers, dates and "nothing".
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Formats {
    /// Signs inside numbers written as text; a JSON number always has its own.
    #[serde(default)]
    pub decimal: DecimalFormat,
    /// Unit of amounts; manat unless said otherwise.
    #[serde(default)]
    pub money: MoneyUnit,
    /// Pattern of dates, of `yyyy`, `MM`, `dd` and signs; `yyyy-MM-dd` unless said otherwise.
    #[serde(default)]
    pub date: Option<String>,
    /// Pattern of months; `yyyy-MM` unless said otherwise.
    #[serde(default)]
    pub month: Option<String>,
    /// Pattern of moments without offset, in the time of Asia/Baku, of `yyyy`, `MM`, `dd`, `HH`, `mm`, `ss`
    /// and signs; unless said otherwise RFC 3339, with its offset.
    #[serde(default)]
    pub datetime: Option<String>,
    /// Patterns of dates whose day or month may be unknown, tried in order; ISO forms unless said otherwise.
    #[serde(default)]
    pub partial_date: Vec<String>,
    /// Texts that stand for "none"; the empty text always does.
    #[serde(default)]
    pub absent: Vec<String>,
}

/// Signs inside numbers written as text.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecimalFormat {
    /// Between whole and fraction; `.` unless said otherwise.
    #[serde(default)]
    pub point: Option<String>,
    /// Between groups of three digits; none unless said otherwise.
    #[serde(default)]
    pub group: Option<String>,
}

/// Unit of amounts on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MoneyUnit {
    /// Manat, with up to two decimals.
    #[default]
    Azn,
    /// Whole qəpik.
    Qapik,
}

/// A code table.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Type of the targets.
    pub to: TableType,
    /// Code on the wire and what it becomes.
    pub rows: BTreeMap<String, Scalar>,
    /// What a code without a row does.
    #[serde(default)]
    pub unmapped: Unmapped,
}

/// Type of a table's targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TableType {
    /// One of the contract's codes.
    Code,
    /// True or false.
    Bool,
    /// Text.
    Text,
    /// An integer.
    Int,
}

/// What a code without a row does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Unmapped {
    /// The field is null, with a flag; only for optional fields.
    Null(()),
    /// A word.
    Word(UnmappedWord),
}

/// What a code without a row does, where it is not null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UnmappedWord {
    /// The answer is `INVALID_DATA`.
    Invalid,
    /// The code is delivered as it came, with a flag; only where the contract does not close the list.
    Keep,
}

impl Default for Unmapped {
    fn default() -> Self {
        Self::Word(UnmappedWord::Invalid)
    }
}

/// A plain value.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
}

/// How a question is written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// SOAP: the one element of the body, as `prefix:Name`.
    #[serde(default)]
    pub root: Option<String>,
    /// REST: the method.
    #[serde(default)]
    pub method: Option<Method>,
    /// REST: the path below the provider's address, segment by segment.
    #[serde(default)]
    pub path: Vec<Segment>,
    /// REST: the query, in order.
    #[serde(default)]
    pub query: Vec<Put>,
    /// Elements of a SOAP body or members of a JSON body, in order; for files the columns that are looked up.
    #[serde(default)]
    pub put: Vec<Put>,
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// A question without a body.
    Get,
    /// A question with a JSON body.
    Post,
}

/// One segment of a path: a fixed word, or a value.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Segment {
    /// A fixed word.
    Word(String),
    /// A value, percent-encoded by the writer.
    Value(SegmentValue),
}

/// A value as a segment of a path.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentValue {
    /// Where it comes from: `subject.…`, `input.NAME` or `consent.…`.
    pub value: String,
    /// Its type; the source's own unless said otherwise.
    #[serde(default, rename = "as")]
    pub kind: Option<Kind>,
}

/// One value of a question (`value`), or every value of a list (`each`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Put {
    /// Where it is written: a path of elements or keys, or a name in the query.
    pub to: String,
    /// Where the value comes from.
    #[serde(default)]
    pub value: Option<Source>,
    /// A list, `input.NAME`: one element for each of its items in XML, an array in JSON. Not in the query.
    #[serde(default)]
    pub each: Option<String>,
    /// The value's type; the source's own unless said otherwise.
    #[serde(default, rename = "as")]
    pub kind: Option<Kind>,
    /// Name of the code table, read backwards: the contract's code is written as the one on the wire.
    #[serde(default)]
    pub table: Option<String>,
    /// When it is written; always unless said otherwise.
    #[serde(default, rename = "if")]
    pub condition: Option<Condition>,
    /// An optional input, `input.NAME`, that stands in for this value: where the question has the one, the
    /// other is left out.
    #[serde(default)]
    pub unless: Option<String>,
}

/// When a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// Only where the question has it.
    Present,
}

/// Where a value of a question comes from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Source {
    /// `subject.fin`, `subject.pin`, `subject.tin`, `subject.document.series`, `subject.document.number`,
    /// `subject.birth_date`, `input.NAME`, or, where the contract asks for consent, `consent.reference` and
    /// `consent.sha256`.
    Reference(String),
    /// A fixed value.
    Const(Const),
}

/// A fixed value of a question.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Const {
    /// The value.
    #[serde(rename = "const")]
    pub value: Scalar,
}

/// Type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Text; also a FIN or a taxpayer's number, whose form the contract checks.
    Text,
    /// A whole number.
    Int,
    /// An exact decimal.
    Decimal,
    /// Money; becomes whole qəpik.
    Money,
    /// True or false.
    Bool,
    /// One of the contract's codes.
    Code,
    /// A date.
    Date,
    /// A month.
    Month,
    /// A moment.
    Datetime,
    /// A date of which day or month may be unknown.
    PartialDate,
    /// A share of a whole, `1/2`, as the source states it.
    Fraction,
}

/// How an answer is classified and read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// What the answer came to: the first rule that matches. None is `INVALID_DATA`.
    pub outcome: Vec<Rule>,
    /// The record: every path below is relative to it. For JSON the whole answer unless said otherwise.
    #[serde(default)]
    pub at: Option<String>,
    /// Known parts that are deliberately not read.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// How each field of the contract is read.
    pub fields: BTreeMap<String, Field>,
}

/// An outcome rule.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What must be true of the answer; all of it.
    pub when: When,
    /// What the answer then is.
    pub is: Verdict,
    /// What this `NOT_FOUND` means, where it says less than the contract's `absence`: `unknown` instead of `fact`.
    #[serde(default)]
    pub absence: Option<Absence>,
    /// Whether this absence must repeat what the contract's `confirms` names, as a record must. Otherwise what such
    /// an answer does repeat must agree with the question, and what it leaves out says nothing.
    #[serde(default)]
    pub confirmed: bool,
}

/// What must be true of an answer for a rule to match; all the keys given must hold.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// HTTP status: a number, a class such as `5xx`, or a list of these.
    #[serde(default)]
    pub status: Option<Status>,
    /// SOAP fault code or subcode as `prefix:Name`, without prefix for a code of SOAP itself; `any` for any fault.
    /// A code also matches the finer codes below it, joined by a point (SOAP 1.1 section 4.4.1).
    #[serde(default)]
    pub fault: Option<String>,
    /// A path with an element, or with a key that is neither null nor an empty list.
    #[serde(default)]
    pub exists: Option<String>,
    /// A path without such an element or key.
    #[serde(default)]
    pub missing: Option<String>,
    /// A path with an element without content, or with an empty list or object.
    #[serde(default)]
    pub empty: Option<String>,
    /// Paths and the text each must have.
    #[serde(default)]
    pub equals: BTreeMap<String, Scalar>,
    /// `pdf`: the body is a scanned page in place of data. Nothing of it is read.
    #[serde(default)]
    pub scan: Option<Scan>,
}

/// What a body is that holds a picture of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scan {
    /// PDF (ISO 32000).
    Pdf,
}

/// HTTP statuses.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Status {
    /// One status or class.
    One(StatusWord),
    /// Any of these.
    Any(Vec<StatusWord>),
}

/// One HTTP status, or a class such as `5xx`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum StatusWord {
    /// A status.
    Code(u16),
    /// A class, `1xx` to `5xx`.
    Class(String),
}

/// What a rule may say of an answer. `INVALID_DATA` is what no rule says; `STALE` is never a source's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// The source gave a record.
    Found,
    /// The source holds no such record.
    NotFound,
    /// The source holds it on paper only.
    NotHeldElectronically,
    /// The source could not answer.
    Unavailable,
    /// The source refused.
    Denied,
}

/// How one field is read: a value (`from`), a number of parts (`count`), or a list (`each`).
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Path of the value; of a list of paths the first that has one.
    #[serde(default)]
    pub from: Option<From>,
    /// Path whose occurrences are counted; with `as: int`.
    #[serde(default)]
    pub count: Option<String>,
    /// Path of a list's items.
    #[serde(default)]
    pub each: Option<String>,
    /// Most items; more is `INVALID_DATA`.
    #[serde(default)]
    pub max: Option<usize>,
    /// Only items in which these paths have this text.
    #[serde(default, rename = "where")]
    pub filter: BTreeMap<String, Scalar>,
    /// Fields of an item.
    #[serde(default)]
    pub fields: BTreeMap<String, Self>,
    /// Known parts of an item that are deliberately not read.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// Type of the value.
    #[serde(default, rename = "as")]
    pub kind: Option<Kind>,
    /// Whether the source may state none.
    #[serde(default)]
    pub optional: bool,
    /// Which of several values is taken; without it several are `INVALID_DATA`.
    #[serde(default)]
    pub pick: Option<Pick>,
    /// Changes to the text before it is read as its type, in order.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Name of the code table.
    #[serde(default)]
    pub table: Option<String>,
    /// Pattern of this date, month or moment, where it differs from `formats`.
    #[serde(default)]
    pub format: Option<String>,
    /// The unit of this decimal, where another part of the same record or item tells it.
    #[serde(default)]
    pub unit: Option<Unit>,
}

/// A unit that the source states beside the number.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// Path of the text that names the unit, in the same record or item.
    pub by: String,
    /// Each unit that the source uses, and by what its numbers are multiplied: `1`, `100` or a text such as `"0.01"`.
    /// A unit that does not stand here is `INVALID_DATA`.
    pub factors: BTreeMap<String, Scalar>,
}

/// Path of a value, or paths of which the first with a value is taken.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum From {
    /// One path.
    One(String),
    /// The first of these that has a value.
    First(Vec<String>),
}

/// Which of several values is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pick {
    /// The first.
    First,
    /// The last.
    Last,
}

/// A change to a text. Every text is trimmed and brought to NFC before the first step.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Makes one blank of every run of white space.
    Collapse,
    /// Makes capital letters, by the rules of Azerbaijani (`i` → `İ`, `ı` → `I`).
    Upper,
    /// Makes small letters, by the rules of Azerbaijani (`I` → `ı`, `İ` → `i`).
    Lower,
    /// Takes the day in Baku of a moment with its offset (RFC 3339); the last step, and only of a date.
    #[serde(rename = "baku-day")]
    BakuDay,
    /// Takes the one group of a regular expression; a text that does not match is `INVALID_DATA`.
    Capture(String),
    /// Fills up with a character on the left.
    Pad(Pad),
    /// Undoes a wrong code page, as far as that loses nothing; a text that cannot be restored is `INVALID_DATA`.
    #[serde(rename = "code-page")]
    CodePage(CodePages),
}

/// The damage that a source is known for: bytes of one code page that somebody read as another.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CodePages {
    /// The code page that the text was written in.
    pub written: CodePage,
    /// The one that its bytes were then read in.
    pub read: CodePage,
}

/// A code page of one byte for each character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum CodePage {
    /// Cyrillic (CP1251).
    #[serde(rename = "windows-1251")]
    Windows1251,
    /// Turkish (CP1254), which has all Azerbaijani letters but `ə`.
    #[serde(rename = "windows-1254")]
    Windows1254,
}

/// Fills a text up on the left.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pad {
    /// Length to reach, in characters, at most 64; a longer text stays as it is.
    pub to: usize,
    /// The character to fill with.
    pub with: String,
}

/// An answer written by hand, and what it must become.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// File with the answer's body, in `examples/<service>/` beside the mapping; without it the body is empty.
    #[serde(default)]
    pub answer: Option<String>,
    /// HTTP status of the answer; 200 unless said otherwise.
    #[serde(default)]
    pub status: Option<u16>,
    /// The question it is the answer to, so that the contract's `confirms` is checked, too.
    #[serde(default)]
    pub asked: Option<Question>,
    /// What it must become: written here, or the name of a JSON file beside the answer.
    pub expect: Expect,
}

/// The question that an example's answer is held to.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Whom it was about, such as `{fin: 5K7QX2O}`.
    #[serde(default)]
    pub subject: Option<Subject>,
    /// Inputs by name, as far as the answer repeats them.
    #[serde(default)]
    pub input: BTreeMap<String, Scalar>,
    /// When it was asked (RFC 3339); long ago unless said otherwise.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
}

/// What an example must become.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Expect {
    /// A JSON file with an [`Expected`].
    File(String),
    /// Written in place.
    Inline(Expected),
}

/// What an answer must become.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The outcome; `INVALID_DATA` for an answer that must be refused.
    pub outcome: Outcome,
    /// For `FOUND`: every delivered field.
    #[serde(default)]
    pub fields: Option<serde_json::Value>,
    /// How many undeclared parts the answer has; not compared where it is not given.
    #[serde(default)]
    pub undeclared: Option<u64>,
    /// For `INVALID_DATA`: the broken rule, such as `wrong-date`.
    #[serde(default)]
    pub rule: Option<String>,
    /// For `INVALID_DATA`: the field, such as `months[].month`.
    #[serde(default)]
    pub path: Option<String>,
}
