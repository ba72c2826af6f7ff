//! What a file is, told from its content alone.

use std::io::{self, BufRead, Cursor, Read, Seek};

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use crate::checkpoint::Checkpoint;
use crate::consistency::Consistency;
use crate::export::{self, Export, Form};
use crate::malformed::{Malformed, Rule};
use crate::proof::{self, Inclusion};
use crate::receipt::{Answer, Entry, Receipt, object};
use crate::tree::{self, Hash};

/// The longest JSON document that is read.
pub const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A receipt by itself.
    Receipt,
    /// An answer or a problem document of the gateway, with receipts.
    Answer,
    /// An entry named without a proof.
    Entry,
    /// A C2SP tlog-proof.
    TlogProof,
    /// A checkpoint.
    Checkpoint,
    /// A consistency proof.
    ConsistencyProof,
    /// Entries as lines.
    Export,
    /// Entries as a table.
    ExportTable,
    /// Entries of a case in a ZIP.
    EvidenceBundle,
    /// The bytes of an entry.
    Leaf,
    /// None of these.
    Unrecognised,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// A receipt by itself.
    Receipt(Receipt),
    /// An answer with receipts.
    Answer(Answer),
    /// An entry named without a proof.
    Entry(Entry),
    /// A C2SP tlog-proof.
    TlogProof(Inclusion),
    /// A checkpoint.
    Checkpoint(Checkpoint),
    /// A consistency proof.
    Consistency(Consistency),
    /// An export of any form.
    Export(Export),
}

/// A file as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Its name, for people.
    pub name: String,
    /// What it was taken for.
    pub kind: Kind,
    /// What it holds, or what is wrong with it.
    pub evidence: Result<Evidence, Malformed>,
}

/// The bytes of an entry as they were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The file's name, for people.
    pub name: String,
    /// The leaf hash.
    pub hash: Hash,
}

impl Leaf {
    /// Hashes a leaf.
    #[must_use]
    pub fn new(name: impl Into<String>, bytes: &[u8]) -> Self {
        Self { name: name.into(), hash: tree::leaf_hash(bytes) }
    }
}

impl Given {
    /// Recognises and reads a file. Nothing is verified yet.
    ///
    /// A table is read without its checkpoints, so that nothing in it can be proven: see [`Self::table`].
    #[must_use]
    pub fn read(name: impl Into<String>, bytes: &[u8]) -> Self {
        let name = name.into();
        // Bytes in memory can always be read; were that not so, the file would not be recognised.
        let unread = |_| Self { name: name.clone(), kind: Kind::Unrecognised, evidence: Err(Malformed::new("file", Rule::Unrecognised)) };
        match Form::of(bytes) {
            Some(Form::Lines) => Self::lines(name.clone(), bytes).unwrap_or_else(unread),
            Some(Form::Table) => Self::table(name.clone(), bytes, &[]).unwrap_or_else(unread),
            Some(Form::Bundle) => Self::bundle(name, Cursor::new(bytes)),
            None => {
                let (kind, evidence) = recognise(bytes);
                Self { name, kind, evidence }
            }
        }
    }

    /// Reads an NDJSON export of any length, holding one line at a time.
    ///
    /// # Errors
    /// When the reader fails.
    pub fn lines(name: impl Into<String>, reader: impl BufRead) -> io::Result<Self> {
        Ok(Self { name: name.into(), kind: Kind::Export, evidence: Ok(Evidence::Export(export::read_ndjson(reader)?)) })
    }

    /// Reads a CSV export of any length, holding one row at a time. The checkpoints that its proofs lead to are
    /// looked for in the files beside it.
    ///
    /// # Errors
    /// When the reader fails.
    pub fn table(name: impl Into<String>, reader: impl Read, beside: &[Self]) -> io::Result<Self> {
        let checkpoints = beside.iter().filter_map(|given| match &given.evidence {
            Ok(Evidence::Checkpoint(checkpoint)) => Some(checkpoint),
            _ => None,
        });
        let export = export::read_table(reader, checkpoints)?;
        Ok(Self { name: name.into(), kind: Kind::ExportTable, evidence: Ok(Evidence::Export(export)) })
    }

    /// Reads an evidence bundle, holding little of it at a time.
    #[must_use]
    pub fn bundle(name: impl Into<String>, reader: impl Read + Seek) -> Self {
        Self { name: name.into(), kind: Kind::EvidenceBundle, evidence: Ok(Evidence::Export(export::read_bundle(reader))) }
    }
}

/// A member that is there, whatever it holds.
#[derive(Debug, Default)]
struct Present(bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Shape {
    receipt: Present,
    elements: Present,
    old: Present,
    new: Present,
    proof: Present,
    head: Present,
    leaf_hash: Present,
}

fn recognise(bytes: &[u8]) -> (Kind, Result<Evidence, Malformed>) {
    let unrecognised = |rule| (Kind::Unrecognised, Err(Malformed::new("file", rule)));
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return unrecognised(Rule::TooLong { bytes_max: DOCUMENT_BYTES_MAX });
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return unrecognised(Rule::NotUtf8) };
    if text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
        return recognise_json(text);
    }
    if text.starts_with(proof::FIRST_LINE) {
        return (Kind::TlogProof, Inclusion::parse(text).map(Evidence::TlogProof));
    }
    // Anything that looks like a note, so that a small mistake in one is named and not merely unrecognised.
    let sized = text.lines().nth(1).is_some_and(|line| !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit()));
    if sized || text.contains("\n\u{2014} ") {
        return (Kind::Checkpoint, Checkpoint::parse(text).map(Evidence::Checkpoint));
    }
    unrecognised(Rule::Unrecognised)
}

fn recognise_json(text: &str) -> (Kind, Result<Evidence, Malformed>) {
    let shape: Shape = match object("file", text) {
        Ok(shape) => shape,
        Err(broken) => return (Kind::Unrecognised, Err(broken)),
    };
    // A problem document has an `origin` of another meaning, so what is most telling comes first.
    if shape.receipt.0 || shape.elements.0 {
        (Kind::Answer, Answer::parse(text).map(Evidence::Answer))
    } else if shape.old.0 || shape.new.0 {
        (Kind::ConsistencyProof, Consistency::parse(text).map(Evidence::Consistency))
    } else if shape.proof.0 || shape.head.0 {
        (Kind::Receipt, Receipt::parse("receipt", text).map(Evidence::Receipt))
    } else if shape.leaf_hash.0 {
        (Kind::Entry, Entry::parse(text).map(Evidence::Entry))
    } else {
        (Kind::Unrecognised, Err(Malformed::new("file", Rule::Unrecognised)))
    }
}
