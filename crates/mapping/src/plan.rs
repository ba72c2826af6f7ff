//! A compiled mapping.

use std::sync::Arc;

use jiff::Timestamp;
use model::contract::Confirm;
use model::{Absence, Outcome, Profile, Service, ServiceId, Subject, Value};

use crate::example::{self, Example, Mismatch};
use crate::read::tree::Tree;
use crate::read::{self, Limits, ReadError, Reading, WireAnswer};
use crate::write::{self, Asked, Request, WireQuestion, WriteError};

/// A mapping checked against its contract, ready to write questions and read answers. Immutable.
#[derive(Debug)]
pub struct Plan {
    pub(crate) service: Arc<Service>,
    pub(crate) protocol: Protocol,
    pub(crate) request: Request,
    pub(crate) tree: Tree,
    pub(crate) rules: Vec<RuleView>,
    pub(crate) fields: Vec<FieldView>,
    pub(crate) examples: Vec<Example>,
}

/// Protocol of a plan, with what an adapter needs of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// SOAP 1.1.
    Soap11,
    /// SOAP 1.2.
    Soap12,
    /// X-Road message protocol 4.0 (SOAP 1.1).
    XroadSoap {
        /// Service code for the X-Road service header.
        service_code: Box<str>,
        /// Service version, where the provider has one.
        service_version: Option<Box<str>>,
    },
    /// JSON over HTTP.
    RestJson {
        /// How a list that comes in pages goes on.
        paging: Option<Paging>,
    },
    /// X-Road message protocol for REST, JSON in and out. The path of a question is what follows the
    /// service code in the security server's address.
    XroadRest {
        /// Service code, the last of the five segments that name the service.
        service_code: Box<str>,
    },
    /// Files that the source delivers.
    Files(Box<FileForm>),
}

/// How the files of a source look, checked; columns by their place in `columns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileForm {
    /// Their names, with `{yyyyMMdd}`, `{yyyyWW}` or `{yyyyMM}` in them.
    pub name: Box<str>,
    /// The sign between cells.
    pub delimiter: u8,
    /// The columns that are taken.
    pub columns: Vec<Box<str>>,
    /// Ways to look a row up.
    pub keys: Vec<Vec<usize>>,
    /// Columns that tell one row from another.
    pub identity: Vec<usize>,
    /// The last row, where there is one.
    pub last_row: Option<LastRow>,
    /// The list of checksums and the parts with rows, where they come in an archive.
    pub archive: Option<(Box<str>, Vec<Box<str>>)>,
    /// How the source signs.
    pub signature: Option<crate::raw::Signature>,
    /// The column that says what a change does, and its text where a row is taken away.
    pub delete: Option<(usize, Box<str>)>,
    /// The column and the text of rows that are left out.
    pub leave_out: Option<(usize, Box<str>)>,
    /// Columns of code and parent.
    pub tree: Option<(usize, usize)>,
    /// Column of the version.
    pub version: Option<usize>,
}

/// The last row of a file; cells by their place in it, the mark at 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRow {
    /// Text of its first cell.
    pub mark: Box<str>,
    /// How many cells it has.
    pub cells: usize,
    /// Where the number of rows stands.
    pub rows: usize,
    /// Where the hash total stands, and the column that it is of.
    pub total: Option<(usize, usize)>,
    /// Where it says what the file is of.
    pub period: Option<usize>,
    /// Where it says which file this one changes.
    pub base: Option<usize>,
}

/// How a list that comes in pages goes on, with what an adapter needs of the mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// Key of the list, at the top of an answer.
    pub items: Box<str>,
    /// Key of the cursor to the next page, at the top of an answer.
    pub cursor: Box<str>,
    /// Name of a cursor in the query.
    pub query: Box<str>,
    /// Most pages of one answer.
    pub pages_max: u16,
    /// HTTP status that refuses an expired cursor.
    pub expired: Option<u16>,
    /// Keys at the top of an answer that the mapping reads, besides the list: they are the same on every page, or
    /// the pages are not those of one answer.
    pub same: Vec<Box<str>>,
}

/// An outcome rule, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleView {
    /// What must be true, in the mapping's words, such as `fault t:MelumatYoxdur`.
    pub when: Box<str>,
    /// What the answer then is.
    pub outcome: Outcome,
    /// What the absence means, where the rule says less than the contract.
    pub absence: Option<Absence>,
    /// Whether the answer must repeat what the contract's `confirms` names.
    pub confirmed: bool,
}

/// How a field is read, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldView {
    /// Path in the contract, such as `months[].month`.
    pub canonical: Box<str>,
    /// Path on the wire, relative to the record or item.
    pub wire: Box<str>,
    /// Type and format, such as `month MM.yyyy`, with the steps and table on the way.
    pub kind: Box<str>,
}

impl Plan {
    /// The service this maps.
    #[must_use]
    pub fn id(&self) -> &ServiceId {
        &self.service.id
    }

    /// Its contract.
    #[must_use]
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Its protocol.
    #[must_use]
    pub fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// The outcome rules in order; [`Reading::rule`] is an index into them.
    #[must_use]
    pub fn rules(&self) -> &[RuleView] {
        &self.rules
    }

    /// How each field is read, in the contract's order.
    #[must_use]
    pub fn fields(&self) -> &[FieldView] {
        &self.fields
    }

    /// The examples, without their content.
    #[must_use]
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// Writes a question in the provider's wire form.
    ///
    /// # Errors
    /// When a needed value is missing, has another type than the contract declares, or cannot be
    /// written; never when the gateway has checked the inputs against the contract.
    pub fn write(&self, asked: &Asked<'_>) -> Result<WireQuestion, WriteError> {
        write::write(&self.request, asked)
    }

    /// Classifies an answer and, where it is `FOUND`, reads its record.
    ///
    /// # Errors
    /// Whenever the answer is `INVALID_DATA`: not well-formed, too large, known to no rule, or with
    /// a field that breaks its contract.
    pub fn read(&self, answer: WireAnswer<'_>, profile: Profile, limits: &Limits) -> Result<Reading, ReadError> {
        read::read(self, answer, profile, limits)
    }

    /// The first field by which an answer is the answer to another question, with or without a record. Such an
    /// answer is `INVALID_DATA`, and nothing of it may be used.
    ///
    /// `asked` is the moment of asking.
    #[must_use]
    pub fn contradiction(
        &self,
        reading: &Reading,
        subject: Option<&Subject>,
        inputs: &[(Box<str>, Value)],
        asked: Timestamp,
    ) -> Option<&Confirm> {
        match &reading.facts {
            Some(facts) => self.service.contradiction(facts, subject, inputs, asked),
            None => self.service.contradiction_without_record(&reading.repeated, subject, inputs, asked),
        }
    }

    /// Reads an example's answer and compares it with what was expected.
    ///
    /// # Errors
    /// What differs.
    pub fn run_example(&self, example: &Example, answer: &[u8], expected: &crate::raw::Expected) -> Result<(), Mismatch> {
        example::run(self, example, answer, expected).map(drop)
    }
}
