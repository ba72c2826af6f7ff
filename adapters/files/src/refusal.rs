//! Why a file is not loaded: what is wrong, where, and what to do. No text of the file is in it.

use std::fmt;
use std::io;

/// A broken rule, by the name it has in journal, metrics and documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// It could not be read where it lies.
    Unreadable,
    /// It is larger than accepted: bytes, rows, a row, a cell, or an archive unpacked.
    TooLarge,
    /// Its signature is not there.
    Unsigned,
    /// Its signature is not of the source's key, or not of these bytes.
    BadSignature,
    /// It changed between its two readings.
    Changed,
    /// The archive is not one, or holds what no archive of the source holds.
    Archive,
    /// A part of the archive does not have the checksum that the archive lists.
    Checksum,
    /// The first row does not name the columns.
    Header,
    /// A row is not a row of this file.
    Malformed,
    /// The last row is not there: cut off, or still being written.
    Truncated,
    /// The last row counts other rows than there are.
    RowCount,
    /// The last row has another hash total than the rows.
    HashTotal,
    /// A row stands twice.
    RowTwice,
    /// A row's parent is in no row.
    Orphan,
    /// It is older than what is loaded.
    Older,
    /// It was delivered before: it is the loaded file, or says itself that it is of another day.
    Replayed,
    /// Another file of the same period is loaded.
    PeriodTwice,
    /// A change, and nothing is loaded that it could change.
    NoBase,
    /// A change of another file than the loaded one: one between them is missing.
    Skipped,
    /// A change of an older file than the loaded one.
    Reordered,
    /// A version that is loaded comes with other rows.
    VersionChanged,
    /// It is of a period that has not begun.
    Future,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 22] = [
        Self::Unreadable,
        Self::TooLarge,
        Self::Unsigned,
        Self::BadSignature,
        Self::Changed,
        Self::Archive,
        Self::Checksum,
        Self::Header,
        Self::Malformed,
        Self::Truncated,
        Self::RowCount,
        Self::HashTotal,
        Self::RowTwice,
        Self::Orphan,
        Self::Older,
        Self::Replayed,
        Self::PeriodTwice,
        Self::NoBase,
        Self::Skipped,
        Self::Reordered,
        Self::VersionChanged,
        Self::Future,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::TooLarge => "too-large",
            Self::Unsigned => "unsigned",
            Self::BadSignature => "bad-signature",
            Self::Changed => "changed",
            Self::Archive => "archive",
            Self::Checksum => "checksum",
            Self::Header => "header",
            Self::Malformed => "malformed",
            Self::Truncated => "truncated",
            Self::RowCount => "row-count",
            Self::HashTotal => "hash-total",
            Self::RowTwice => "row-twice",
            Self::Orphan => "orphan",
            Self::Older => "older",
            Self::Replayed => "replayed",
            Self::PeriodTwice => "period-twice",
            Self::NoBase => "no-base",
            Self::Skipped => "skipped",
            Self::Reordered => "reordered",
            Self::VersionChanged => "version-changed",
            Self::Future => "future",
        }
    }

    /// Whether time alone may mend it, without the source's doing anything to this file.
    #[must_use]
    pub fn may_pass(self) -> bool {
        matches!(self, Self::Unreadable | Self::Unsigned | Self::Changed | Self::Future)
    }

    /// Whether another file may mend it, once that is loaded.
    #[must_use]
    pub fn waits_for_another(self) -> bool {
        matches!(self, Self::NoBase | Self::Skipped)
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Unreadable => "see to the folder's rights or the source's server; it is tried again",
            Self::TooLarge => "the source splits what it delivers, or the bound is raised with the agreement",
            Self::Unsigned => "the source delivers the signature beside the file; it is tried again",
            Self::BadSignature => "ask the source whether the file is its own and which key it signs with",
            Self::Changed => "the source delivers under another name and renames when it has ended; it is tried again",
            Self::Archive | Self::Checksum | Self::Header | Self::Malformed | Self::RowTwice | Self::Orphan => {
                "the source corrects the file and delivers it again"
            }
            Self::Truncated | Self::RowCount | Self::HashTotal => "the source delivers the whole file again",
            Self::Older | Self::Replayed => "nothing, where it was sent again by mistake; the loaded file stays",
            Self::PeriodTwice => "the source delivers a correction as the file of a later period",
            Self::NoBase => "the source delivers a whole file; a change of it is tried again then",
            Self::Skipped => "the source delivers the files between, and this one is tried again then, or a whole file",
            Self::Reordered => "the source delivers the change that follows the loaded file, or a whole file",
            Self::VersionChanged => "the source gives changed rows a version of their own",
            Self::Future => "look at the clocks; it is tried again on its day",
        }
    }
}

/// A refused file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The broken rule.
    pub rule: Rule,
    /// What is wrong, without any text of the file but the names of columns and periods.
    pub detail: Box<str>,
    /// The row it was met in, the header counted, where there is one.
    pub row: Option<u64>,
}

impl Refusal {
    /// A refusal of the whole file.
    pub fn new(rule: Rule, detail: impl Into<Box<str>>) -> Self {
        Self { rule, detail: detail.into(), row: None }
    }

    /// A refusal because of one row.
    pub fn at(row: u64, rule: Rule, detail: impl Into<Box<str>>) -> Self {
        Self { rule, detail: detail.into(), row: Some(row) }
    }

    /// What the operating system said; its text may name a path, so only its kind is kept.
    #[must_use]
    pub fn io(error: &io::Error) -> Self {
        Self::new(Rule::Unreadable, format!("reading failed: {}", error.kind()))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        write!(f, " ({}); {}", self.rule.as_str(), self.rule.remedy())
    }
}

impl std::error::Error for Refusal {}
